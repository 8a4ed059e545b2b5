"""`netkit udp` beside socat and ncat, both ways; their echo servers pinged; `tcp scan` beside `ncat -z`."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netkit.addr import SocketAddr
from netkit.net import TcpListener, UdpSocket
from tests.cli.helpers import run_netkit
from tests.cli.test_udp import listening
from tests.conftest import free_port, require_peer
from tests.waiting import until, until_connected

# None of this uses a twin.
pytestmark = pytest.mark.once


@contextmanager
def running(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a process group of its own, which ends with all that it has started: socat with `fork` has
    a process for each client, and over UDP that never learns that its client is gone."""
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def wait_for_udp_echo(port: int) -> None:
    """Until a UDP echo server answers at the port."""

    def answers() -> bool:
        with UdpSocket.connected(SocketAddr.parse(f"127.0.0.1:{port}")) as sock:
            try:
                sock.send(b"?")
                return sock.recv(timeout=1) == b"?"
            except (ConnectionRefusedError, TimeoutError):
                return False

    until(answers, "an answer of the UDP echo server")


@pytest.mark.parametrize("peer", ["socat", "ncat"])
def test_listening_to(peer: str) -> None:
    program = require_peer(peer)
    with listening("--count", "1", "--idle-timeout", "30") as (process, (host, port)):
        argv = [program, "-", f"UDP:{host}:{port}"] if peer == "socat" else [program, "-u", host, str(port)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE) as client:
            client.communicate(b"from " + peer.encode(), timeout=30)
        out, _ = process.communicate(timeout=60)
    assert out == b"from " + peer.encode()


@pytest.mark.parametrize("peer", ["socat", "ncat"])
def test_sending_to(peer: str) -> None:
    program, port = require_peer(peer), free_port()
    argv = (
        [program, "-u", f"UDP-RECV:{port},bind=127.0.0.1", "-"]
        if peer == "socat"
        else [program, "-u", "-l", "127.0.0.1", str(port)]
    )
    with running(*argv) as process:
        assert process.stdout is not None
        args = ("udp", "send", "--data", "x", "--wait", "20ms", f"127.0.0.1:{port}")
        # 7: nothing came back in time. As long as nobody receives, the system's refusal does.
        until(lambda: run_netkit(*args).exit_code == 7, "a peer that receives")
        assert process.stdout.read(1) == b"x"


def test_pinging_socat_over_udp() -> None:
    socat, port = require_peer("socat"), free_port()
    with running(socat, f"UDP-LISTEN:{port},bind=127.0.0.1,fork", "PIPE"):
        wait_for_udp_echo(port)
        result = run_netkit("udp", "ping", "-c", "5", "-i", "10ms", "--json", f"127.0.0.1:{port}")
    assert result.exit_code == 0
    assert result.json[-1]["received"] == 5


def test_pinging_ncat_over_tcp() -> None:
    ncat, port = require_peer("ncat"), free_port()
    with running(ncat, "-l", "-k", "127.0.0.1", str(port), "--exec", "/bin/cat"):
        until_connected(port).close()
        result = run_netkit("tcp", "ping", "--echo", "-c", "5", "-i", "1ms", "--json", f"127.0.0.1:{port}")
    assert result.exit_code == 0
    assert result.json[-1]["received"] == 5


def test_scanning_finds_what_ncat_finds() -> None:
    ncat = require_peer("ncat")
    with TcpListener.bind("127.0.0.1:0") as one, TcpListener.bind("127.0.0.1:0") as other:
        ports = sorted({one.local_addr.port, other.local_addr.port, free_port(), free_port()})
        open_ports = []
        for port in ports:
            done = subprocess.run([ncat, "-z", "127.0.0.1", str(port)], timeout=30, check=False)
            if done.returncode == 0:
                open_ports.append(port)
        result = run_netkit("tcp", "scan", "--json", "127.0.0.1", ",".join(map(str, ports)))
    assert [row["port"] for row in result.json if row["event"] == "scanned"] == open_ports
    assert len(open_ports) == 2
