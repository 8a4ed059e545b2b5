"""`netkit serve echo` and the clients people have: socat, ncat, openssl; and systemd, which starts it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from netkit.net import TcpStream, UnixStream
from tests.cli.helpers import netkit_argv, process_environment
from tests.cli.test_serve_echo import Server, echoed, serving
from tests.conftest import free_port, require_peer
from tests.waiting import until_connected

# None of this uses a twin.
pytestmark = pytest.mark.once

DATA = os.urandom(300_000)


def through(*argv: str, data: bytes = DATA) -> bytes:
    """What a client writes that is given `data`."""
    done = subprocess.run(argv, input=data, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_socat_over_tcp() -> None:
    socat = require_peer("socat")
    with serving("--tcp") as server:
        assert through(socat, "-t", "10", "-", f"TCP:{server.addr}") == DATA
        assert server.end()[1]["bytes"] == len(DATA)


def test_socat_over_udp() -> None:
    socat = require_peer("socat")
    with serving("--udp") as server:
        assert through(socat, "-t", "1", "-", f"UDP:{server.addr}", data=b"one datagram") == b"one datagram"


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_socat_over_a_unix_domain_socket(tmp_path: Path, abstract: bool) -> None:
    socat = require_peer("socat")
    name = f"netkit-test-{os.getpid()}" if abstract else str(tmp_path / "echo")
    kind = "ABSTRACT-CONNECT" if abstract else "UNIX-CONNECT"
    with serving(f"@{name}" if abstract else name):
        assert through(socat, "-t", "10", "-", f"{kind}:{name}") == DATA


def test_ncat() -> None:
    ncat = require_peer("ncat")
    with serving("--tcp") as server:
        host, _, port = server.addr.rpartition(":")
        assert through(ncat, host, port) == DATA


def test_ncat_over_tls(tmp_path: Path) -> None:
    ncat = require_peer("ncat")
    root = str(tmp_path / "ca.pem")
    with serving("--tcp", "--tls", "--write-ca", root) as server:
        port = server.addr.rpartition(":")[2]
        argv = [ncat, "--ssl-verify", "--ssl-trustfile", root, "localhost", port]
        assert through(*argv, data=b"over TLS\n") == b"over TLS\n"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl(tmp_path: Path, version: str) -> None:
    openssl = require_peer("openssl")
    root = str(tmp_path / "ca.pem")
    with serving("--tcp", "--tls", "--write-ca", root, "localhost:0") as server:
        port = server.addr.rpartition(":")[2]
        argv = [openssl, "s_client", "-quiet", "-verify_return_error", version, "-CAfile", root]
        with subprocess.Popen(
            [*argv, "-verify_hostname", "localhost", "-connect", f"localhost:{port}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(b"to openssl and back\n")
            client.stdin.flush()
            assert client.stdout.readline() == b"to openssl and back\n"
            server.process.send_signal(signal.SIGTERM)
            assert client.stdout.read() == b"", "ended with the server"
        assert server.end(None)[0] == 0


class TestSystemd:
    """systemd-socket-activate listens, and starts the server when somebody comes."""

    def test_tcp_and_unix(self, tmp_path: Path) -> None:
        activate = require_peer("systemd-socket-activate")
        port, path = free_port(), str(tmp_path / "echo")
        server = Server(
            [activate, "-l", f"127.0.0.1:{port}", "-l", path, *netkit_argv("serve", "echo", "--json")], 0
        )
        try:
            with until_connected(port) as first:  # in the backlog while the server starts
                first.sendall(b"first")
                assert first.recv(5) == b"first"
            listening = [server.event(), server.event()]
            assert [event["transport"] for event in listening] == ["tcp", "unix"]
            assert listening[0]["local"] == f"127.0.0.1:{port}"
            assert echoed(TcpStream.connect(f"127.0.0.1:{port}")) == b"hello"
            assert echoed(UnixStream.connect(path)) == b"hello"
            code, counts = server.end()
            assert (code, counts["connections"]) == (0, 3)
        finally:
            server.process.kill()
            server.process.communicate()

    def test_workers_on_its_socket(self) -> None:
        activate = require_peer("systemd-socket-activate")
        port = free_port()
        argv = netkit_argv("serve", "echo", "--json", "--workers", "2")
        server = Server([activate, "-l", f"127.0.0.1:{port}", *argv], 0)
        try:
            for _ in range(4):
                with until_connected(port) as sock:
                    sock.sendall(b"x")
                    assert sock.recv(1) == b"x"
            server.event()
            code, counts = server.end()
            assert (code, counts["connections"]) == (0, 4)
        finally:
            server.process.kill()
            server.process.communicate()

    def test_a_bind_beside_its_socket(self) -> None:
        activate = require_peer("systemd-socket-activate")
        port = free_port()
        with subprocess.Popen(
            [activate, "-l", f"127.0.0.1:{port}", *netkit_argv("serve", "echo", "127.0.0.1:0")],
            stderr=subprocess.PIPE,
            env=process_environment(),
        ) as process:
            until_connected(port).close()
            _, said = process.communicate(timeout=30)
            assert process.returncode == 2
            assert b"leave BIND away" in said
