"""`netkit udp` beside socat and ncat, both ways; their echo servers pinged; `tcp scan` beside `ncat -z`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

import pytest

from netkit.addr import SocketAddr
from netkit.net import TcpListener, TcpStream, UdpSocket
from tests.cli.helpers import run_netkit
from tests.cli.test_udp import listening
from tests.conftest import free_port, require_peer


@contextmanager
def running(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_udp_echo(port: int) -> None:
    """Until a UDP echo server answers at the port."""
    where = SocketAddr.parse(f"127.0.0.1:{port}")
    until = monotonic() + 20
    while True:
        with UdpSocket.connected(where) as sock:
            try:
                sock.send(b"?")
                if sock.recv(timeout=1) == b"?":
                    return
            except (ConnectionRefusedError, TimeoutError):
                pass
        assert monotonic() < until, "it does not answer"
        sleep(0.01)


def wait_for_tcp(port: int) -> None:
    """Until something listens at the port."""
    until = monotonic() + 20
    while True:
        try:
            TcpStream.connect(f"127.0.0.1:{port}").close()
            return
        except ConnectionRefusedError:
            assert monotonic() < until
            sleep(0.01)


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
        for _ in range(1000):  # until it is there
            result = run_netkit("udp", "send", "--data", "x", "--wait", "20ms", f"127.0.0.1:{port}")
            if result.exit_code == 7:
                break
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
        wait_for_tcp(port)
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
