"""What every command says of the same mishap: a refused connection, a port without TLS, a missing file."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.helpers import Result

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]

HINT = "hint: nothing listens there: is the server running, and the port right?"


@pytest.fixture
def closed() -> Iterator[int]:
    """A port of 127.0.0.1 that refuses, over TCP and UDP: it is bound over TCP, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize(
    "command",
    [
        "tcp connect {}",
        "tcp connect --tls {}",
        "tls probe {}",
        "tcp ping -c 1 {}",
        "tcp ping --echo -c 1 {}",
        "udp ping -c 1 {}",
        "udp send --data x --wait 10 {}",
        "dig @{} a.test +tries=1",
        "dig @{} a.test +tcp +tries=1",
        "resolve --server {} a.test",
    ],
)
def test_refused_is_said_alike(netkit: Netkit, closed: int, command: str) -> None:
    peer = f"127.0.0.1:{closed}"
    result = netkit(*command.format(peer).split())
    # A name server that is not reached leaves the name unresolved.
    assert result.exit_code == (3 if command.startswith(("dig", "resolve")) else 4), result
    first, hint = result.stderr.splitlines()
    assert hint == HINT
    assert "connection refused" in first
    assert first.count(peer) == 1, "the address is named, and once"


@contextmanager
def server(first: bytes | None, answer: bytes | None) -> Iterator[str]:
    """A server that does not speak TLS: what it says by itself, and what it answers before it closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            connection, _ = listener.accept()
            with connection:
                if first is not None:
                    connection.sendall(first)
                received = connection.recv(65536)
                if answer is not None:
                    connection.sendall(answer or received)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join(30)


@pytest.mark.parametrize(
    ("first", "answer", "said", "hint"),
    [
        (b"220 mail ESMTP\r\n", None, "does not speak TLS on this port", "a mail or FTP server greets first"),
        (b"SSH-2.0-x\r\n", None, "does not speak TLS on this port", "this is an SSH server"),
        (None, b"HTTP/1.0 400 Bad\r\n\r\n", "does not speak TLS on this port", "this is plain HTTP"),
        (None, b"", "the peer sends a ClientHello, as a client does", "an echo server"),
        (None, None, "the peer closed the connection", "it said nothing: does it speak TLS on this port?"),
    ],
)
@pytest.mark.parametrize("command", ["tls probe", "tcp connect --tls"])
def test_a_port_without_tls(
    netkit: Netkit, command: str, first: bytes | None, answer: bytes | None, said: str, hint: str
) -> None:
    with server(first, answer) as endpoint:
        result = netkit(*command.split(), endpoint)
    assert result.exit_code == 5, result
    lines = result.stderr.splitlines()
    assert said in lines[0]
    assert lines[1].startswith(f"hint: {hint}")


@pytest.mark.parametrize(
    "command",
    [
        "http parse {}",
        "tcp listen 127.0.0.1:0 -o {}",
        "version -o {}",
        "resolve -f {}",
        "tls probe --ca {} 127.0.0.1:9",
        "serve dns --zone {}",
        "tcp connect --transcript {} 127.0.0.1:9",
        "udp send -f {} 127.0.0.1:9",
    ],
)
def test_a_missing_file_is_named_once(netkit: Netkit, tmp_path: Path, command: str) -> None:
    missing = str(tmp_path / "none" / "file")
    result = netkit(*command.format(missing).split())
    assert result.exit_code in (2, 8), result
    [said] = [line for line in result.stderr.splitlines() if line.startswith("netkit: ")]
    assert said.count(missing) == 1
    assert "no such file or directory" in said


def test_a_summary_is_in_words(netkit: Netkit, closed: int) -> None:
    result = netkit("tls", "probe", f"127.0.0.1:{closed}", f"localhost:{closed}", "-4")
    assert result.stderr.splitlines()[-1] == "netkit: 2 of 2 inputs failed: 2 refused"
