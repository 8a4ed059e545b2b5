"""Unix-domain sockets with socat and ncat, both ways; activation and notification with systemd's tools."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytest

from netkit.addr import SocketAddr
from netkit.net import TcpStream, UdpSocket, UnixError, UnixListener, UnixStream, sd_notify
from netkit.net.sockets import Shutdown
from tests.conftest import free_port, require_peer

# None of this uses a twin.
pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent.parent

#: Large enough to fill every buffer on the way.
DATA = os.urandom(700_000)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, so that paths are short wherever the tests' directory is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def process(*arguments: str, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program, ended at the end with the children it has made."""
    started = subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **more,
    )
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()
        for stream in (started.stdin, started.stdout, started.stderr):
            if stream is not None:
                stream.close()


def wait_for(output: IO[bytes] | None, word: bytes) -> None:
    """Read lines until one with `word`; fails with what came instead when the output ends."""
    assert output is not None
    seen = []
    for line in output:
        if word in line:
            return
        seen.append(line)
    raise AssertionError(f"the program ended: {b''.join(seen)!r}")


def round_trip(stream: UnixStream, piece: int = len(DATA)) -> None:
    """Everything goes to an echoing peer and back, a piece both ways at once; then the stream is ended."""

    async def main() -> None:
        for start in range(0, len(DATA), piece):
            sent = DATA[start : start + piece]
            async with asyncio.TaskGroup() as group:
                group.create_task(stream.write_all_async(sent, timeout=20))
                received = group.create_task(stream.read_exactly_async(len(sent), timeout=20))
            assert received.result() == sent
        stream.shutdown(Shutdown.Write)  # not before: ncat ends its command at once then
        assert await stream.read_async(timeout=20) == b""

    asyncio.run(main())


def socat_listening(addr: str) -> Any:
    return process(require_peer("socat"), "-d", "-d", f"{addr},fork", "EXEC:cat")


LISTENERS: dict[str, Callable[[str], tuple[str, Any, bytes]]] = {
    "socat": lambda name: ("app.sock", socat_listening("UNIX-LISTEN:app.sock"), b"listening on"),
    "socat abstract": lambda name: (f"@{name}", socat_listening(f"ABSTRACT-LISTEN:{name}"), b"listening on"),
    "ncat": lambda name: (
        "app.sock",
        process(require_peer("ncat"), "-v", "-k", "-l", "-U", "app.sock", "-c", "cat"),
        b"Listening on",
    ),
}


@pytest.mark.parametrize("which", LISTENERS)
def test_connecting_to(home: Path, which: str) -> None:
    addr, started, ready = LISTENERS[which](f"netkit-interop-{os.getpid()}")
    with started as peer:
        wait_for(peer.stderr, ready)
        for _ in range(2):
            with UnixStream.connect(addr, timeout=5) as stream:
                assert str(stream.peer_addr) == addr
                assert stream.peer_cred == (peer.pid, os.getuid(), os.getgid())
                # ncat hangs when its command takes no more input before its output is read.
                round_trip(stream, 8192 if which == "ncat" else len(DATA))


CLIENTS: dict[str, Callable[[str], tuple[str, list[str]]]] = {
    "socat": lambda name: ("app.sock", [require_peer("socat"), "-t20", "-", "UNIX-CONNECT:app.sock"]),
    "socat abstract": lambda name: (
        f"@{name}",
        [require_peer("socat"), "-t20", "-", f"ABSTRACT-CONNECT:{name}"],
    ),
    "ncat": lambda name: ("app.sock", [require_peer("ncat"), "-U", "app.sock"]),
}


@pytest.mark.parametrize("which", CLIENTS)
def test_being_connected_to_by(home: Path, which: str) -> None:
    addr, arguments = CLIENTS[which](f"netkit-interop-{os.getpid()}")
    with UnixListener.bind(addr) as listener, process(*arguments) as peer:
        stream, peer_addr = listener.accept(timeout=20)
        with stream:
            assert peer_addr.is_unnamed
            assert stream.peer_cred == (peer.pid, os.getuid(), os.getgid())
            assert peer.stdin is not None and peer.stdout is not None
            peer.stdin.write(b"question\n")
            peer.stdin.flush()
            assert stream.read_until(b"\n", timeout=20) == b"question\n"
            stream.write_all(b"answer\n", timeout=20)
            assert peer.stdout.readline() == b"answer\n"
            peer.stdin.close()
            assert stream.read(timeout=20) == b""
        assert peer.wait(20) == 0


def test_the_file_of_a_live_and_of_a_killed_socat(home: Path) -> None:
    with socat_listening("UNIX-LISTEN:app.sock") as peer:
        wait_for(peer.stderr, b"listening on")
        with pytest.raises(UnixError.AddressInUse):
            UnixListener.bind("app.sock")
        with UnixStream.connect("app.sock", timeout=5) as stream:  # it has come to no harm
            round_trip(stream)
        peer.send_signal(signal.SIGKILL)
        peer.wait()
        assert (home / "app.sock").exists()
        with pytest.raises(UnixError.Refused):
            UnixStream.connect("app.sock")
        with UnixListener.bind("app.sock"):
            UnixStream.connect("app.sock", timeout=5).close()


def test_socat_finds_our_file_and_mode(home: Path) -> None:
    """What we make is a socket file like any other to a program that looks before it listens."""
    with UnixListener.bind("app.sock", mode=0o640):
        done = subprocess.run(
            [require_peer("socat"), "-u", "OPEN:/dev/null", "UNIX-LISTEN:app.sock"],
            capture_output=True,
            timeout=20,
            check=False,
        )
        assert done.returncode
        assert b"exists" in done.stderr or b"in use" in done.stderr


# systemd's tools


ECHO = """
import json, os, sys
from netkit.net import listen_fds, sd_notify, tcp_listener_from_raw_fd, udp_socket_from_raw_fd
from netkit.net import unix_listener_from_raw_fd
adopt = {"tcp": tcp_listener_from_raw_fd, "unix": unix_listener_from_raw_fd, "udp": udp_socket_from_raw_fd}
named = {fd.name: adopt[fd.name](fd) for fd in listen_fds()}
for name in sys.argv[1:]:
    if name == "udp":
        data, peer = named[name].recv_from(timeout=20)
        named[name].send_to(data.upper(), peer)
        continue
    stream, _ = named[name].accept(timeout=20)
    while data := stream.read(timeout=20):
        stream.write_all(data.upper())
    stream.close()
print(json.dumps([sorted(named), [key for key in os.environ if key.startswith("LISTEN_")]]), flush=True)
"""


def activate(*arguments: str) -> Any:
    return process(
        require_peer("systemd-socket-activate"),
        "--setenv=PYTHONPATH",
        "--setenv=PATH",
        *arguments,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_socket_activation_of_tcp_and_unix(home: Path) -> None:
    port, name = free_port(), f"@netkit-activate-{os.getpid()}"
    listen = ["-l", f"127.0.0.1:{port}", "-l", name, "--fdname=tcp:unix"]
    with activate(*listen, sys.executable, "-c", ECHO, "tcp", "unix") as manager:
        wait_for(manager.stderr, b"as 4")  # "Listening on @... as 4."
        with TcpStream.connect(("127.0.0.1", port), timeout=5) as tcp, UnixStream.connect(name) as unix:
            for stream in (tcp, unix):
                stream.write_all(b"hello")
                assert stream.read(timeout=30) == b"HELLO"
                stream.shutdown(Shutdown.Write)
                assert stream.read(timeout=30) == b""
        assert manager.stdout is not None
        assert manager.stdout.readline() == b'[["tcp", "unix"], []]\n'


def test_socket_activation_of_udp(home: Path) -> None:
    port = free_port()
    listen = ["--datagram", "-l", f"127.0.0.1:{port}", "--fdname=udp"]
    with activate(*listen, sys.executable, "-c", ECHO, "udp") as manager:
        wait_for(manager.stderr, b"as 3")
        with UdpSocket.bind("127.0.0.1:0") as client:
            client.send_to(b"hello", SocketAddr.parse(f"127.0.0.1:{port}"))
            assert client.recv(timeout=30) == b"HELLO"


def test_accepted_by_the_manager(home: Path) -> None:
    """`Accept=yes`: the process is started for one connection, which is its only descriptor."""
    program = (
        "from netkit.net import listen_fd, tcp_stream_from_raw_fd\n"
        "stream = tcp_stream_from_raw_fd(listen_fd(0))\n"
        "stream.write_all(b'from ' + str(stream.peer_addr.ip).encode())\n"
    )
    port = free_port()
    with activate("--accept", "-l", f"127.0.0.1:{port}", sys.executable, "-c", program) as manager:
        wait_for(manager.stderr, b"as 3")
        with TcpStream.connect(("127.0.0.1", port), timeout=5) as stream:
            assert stream.read_exactly(14, timeout=30) == b"from 127.0.0.1"


def test_notifications_are_those_of_systemd_notify(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words as systemd's own client sends, to the same socket."""
    notify = require_peer("systemd-notify")
    name = f"@netkit-notify-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        manager.settimeout(20)
        arguments = [
            "--no-block",
            "--ready",
            "--status=serving 3",
            "--pid=1",
            "WATCHDOG=1",
            "EXTEND_TIMEOUT_USEC=5",
        ]
        subprocess.run([notify, *arguments], check=True, timeout=20)
        theirs = manager.recv(4096)
        sd_notify("EXTEND_TIMEOUT_USEC=5", ready=True, status="serving 3", main_pid=1, watchdog=True)
        ours = manager.recv(4096)
    assert sorted(ours.split(b"\n")) == sorted(theirs.strip(b"\n").split(b"\n"))
