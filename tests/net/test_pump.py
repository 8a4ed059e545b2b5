"""Carrying bytes both ways: ends, half-closes, idleness, and commands that talk over a connection."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from netkit.io import PAUSE, DeadlineExceeded, Event, Flow, all_of, run, sleep_until
from netkit.net.pump import AtEnd, Pumped, pump
from netkit.net.tcp import TcpStream
from netkit.net.unix import UnixStream
from netkit.serve.child import end_all, start_beside, start_on
from tests.net.conftest import open_before, opened_since
from tests.waiting import still_waits

WAIT = 20.0


class Said:
    """A source of pieces; then its end, or nothing until `more` is set."""

    def __init__(self, *pieces: bytes, more: Event | None = None) -> None:
        self._pieces = list(pieces)
        self._more = more
        self.ended = False

    def read_flow(self, size: int = 65536) -> Flow[bytes]:
        if self._pieces:
            return self._pieces.pop(0)
        if self._more is not None:
            yield from self._more.wait()
        self.ended = True
        return b""


def go(flow: Flow[Any], timeout: float = WAIT) -> Any:
    return run(flow, deadline=monotonic() + timeout)


def pumped(
    source: Said | None, theirs: Callable[[UnixStream], Flow[None]], **more: Any
) -> tuple[bytes, Pumped]:
    """Pump over one end of a pair while `theirs` plays the peer at the other; what came, and the counts."""
    one, other = UnixStream.pair()
    came = bytearray()
    done = Pumped()

    def peer() -> Flow[None]:
        yield from theirs(other)

    def ours() -> Flow[None]:
        yield from pump(one, source, came.extend, pumped=done, **more)
        one.close()

    with one, other:
        go(all_of([ours(), peer()]))
    return bytes(came), done


def answer_after_the_end(stream: UnixStream) -> Flow[None]:
    asked = bytearray()
    while data := (yield from stream.read_flow()):
        asked += data
    yield from stream.write_all_flow(bytes(asked).upper())
    yield from stream.finish()


def test_half_close_waits_for_the_answer() -> None:
    came, done = pumped(Said(b"one", b" two"), answer_after_the_end)
    assert came == b"ONE TWO"
    assert (done.sent, done.received, done.finished_first) == (7, 7, "local")


def test_keep_leaves_the_end_to_the_peer() -> None:
    def answer_what_came(stream: UnixStream) -> Flow[None]:
        assert (yield from stream.read_exactly_flow(3)) == b"one"
        yield from stream.write_all_flow(b"1")
        while not source.ended:
            yield PAUSE
        yield PAUSE  # by now the pump has done what it does at the end
        assert still_waits(stream.read_flow()), "the end was not passed on"
        yield from stream.finish()
        assert (yield from stream.read_flow()) == b""

    source = Said(b"one")
    came, done = pumped(source, answer_what_came, at_end=AtEnd.KEEP)
    assert (came, done.finished_first) == (b"1", "local")


def test_close_ends_it_though_the_peer_goes_on() -> None:
    def read_only(stream: UnixStream) -> Flow[None]:
        assert (yield from stream.read_exactly_flow(3)) == b"one"
        assert (yield from stream.read_flow()) == b""

    came, done = pumped(Said(b"one"), read_only, at_end=AtEnd.CLOSE)
    assert (came, done.sent) == (b"", 3)


def test_without_a_source_the_peer_decides() -> None:
    def talk(stream: UnixStream) -> Flow[None]:
        yield from stream.write_all_flow(b"hello")
        yield from stream.finish()
        assert (yield from stream.read_flow()) == b""

    assert pumped(None, talk)[0] == b"hello"


def test_interactive_ends_with_the_peer() -> None:
    def hang_up(stream: UnixStream) -> Flow[None]:
        yield from stream.write_all_flow(b"bye")
        yield from stream.finish()

    came, done = pumped(Said(more=Event()), hang_up, interactive=True)
    assert (came, done.finished_first) == (b"bye", "peer")


@pytest.mark.parametrize("ends_first", [False, True])
def test_what_a_peer_said_before_it_reset_the_connection(ends_first: bool) -> None:
    """As a server does that answers "too large" in the middle of an upload, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stream = TcpStream.connect(server.getsockname())
        peer, _ = server.accept()

    class Endless:
        """Sends until it is refused; the peer answers and resets between the second piece and the third."""

        sent = 0

        def read_flow(self, size: int = 65536) -> Flow[bytes]:
            self.sent += 1
            if self.sent == 3:
                assert peer.recv(10)
                peer.sendall(b"too large" * 1000)
                if ends_first:
                    peer.shutdown(socket.SHUT_WR)
                peer.close()  # with bytes unread, which makes it a reset
            return bytes(10_000)
            yield

    came = bytearray()
    source = Endless()
    with stream:
        flow = pump(stream, source, came.extend)
        if ends_first:
            go(flow)
        else:
            with pytest.raises(ConnectionResetError):
                go(flow)
    assert came == b"too large" * 1000
    assert source.sent < 1000


def test_idle() -> None:
    def one_byte(stream: UnixStream) -> Flow[None]:
        yield from stream.write_all_flow(b"x")

    with pytest.raises(DeadlineExceeded, match=r"nothing was sent or received for 0\.05 s"):
        pumped(Said(more=Event()), one_byte, idle_timeout=0.05)


def test_a_peer_that_takes_its_time_is_not_idle() -> None:
    def slowly(stream: UnixStream) -> Flow[None]:
        left = len(piece)
        while left:
            yield from sleep_until(monotonic() + 0.03)
            left -= len((yield from stream.read_flow()))
        yield from stream.finish()

    piece = bytes(4_000_000)
    began = monotonic()
    _, done = pumped(Said(piece), slowly, idle_timeout=1.2)
    assert done.sent == len(piece)
    assert monotonic() - began > 1.2


def test_idle_does_not_count_what_ended_before() -> None:
    assert pumped(Said(b"one"), answer_after_the_end, idle_timeout=WAIT)[0] == b"ONE"


def test_between_two_streams() -> None:
    """The local side is a stream too: a relay, with an end that passes through."""
    ours, theirs = UnixStream.pair()
    command, inside = UnixStream.pair()

    def client() -> Flow[bytes]:
        yield from theirs.write_all_flow(b"question")
        yield from theirs.finish()
        return (yield from theirs.read_exactly_flow(8))

    with ours, theirs, command, inside:
        found = go(all_of([client(), answer_after_the_end(inside), pump(ours, command, command)]))
    assert found[0].value == b"QUESTION"


def test_a_sink_that_has_gone_is_no_error() -> None:
    ours, theirs = UnixStream.pair()
    command, inside = UnixStream.pair()
    inside.close()

    def client() -> Flow[None]:
        yield from theirs.write_all_flow(bytes(300_000))
        yield from theirs.finish()

    with ours, theirs, command:
        _, done = go(all_of([client(), pump(ours, Said(), command)]))
    assert done.value.received == 300_000


# Commands


def start(*code: str, env: dict[str, str] | None = None) -> tuple[Any, socket.socket]:
    """A Python command on one end of a pair; the other end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    ours.settimeout(WAIT)
    return start_on(UnixStream(theirs), [sys.executable, "-c", *code], env=env), ours


def line_from(sock: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        data = sock.recv(1)
        assert data, line
        line += data
    return line


def test_a_command_has_the_socket_and_it_is_blocking() -> None:
    child, ours = start(
        "import os, sys; print(os.get_blocking(0), os.get_blocking(1), os.environ['X']); "
        "print(sys.stdin.read().upper())",
        env={"X": "y"},
    )
    with ours:
        ours.sendall(b"hello")
        ours.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: ours.recv(100), b""))
    assert said.split() == [b"True", b"True", b"y", b"HELLO"]
    assert go(child.ended_flow()) == 0
    assert child.status == 0


def test_a_commands_status_and_no_descriptor_left() -> None:
    before = open_before() if Path("/proc/self/fd").exists() else None
    for code, status in (("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9)):
        child, ours = start(code)
        with ours:
            assert go(child.ended_flow()) == status
    if before is not None:
        assert not opened_since(before)


def test_many_that_end_at_once_are_all_reaped() -> None:
    """No SIGCHLD is waited for, so that none can be missed."""
    started = [start(f"raise SystemExit({i})") for i in range(8)]
    found = go(all_of([child.ended_flow() for child, _ in started]))
    assert [outcome.value for outcome in found] == list(range(8))
    for child, ours in started:
        ours.close()
        with pytest.raises(ChildProcessError):
            os.waitpid(child.pid, os.WNOHANG)


def test_a_command_that_will_not_end() -> None:
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
    child, ours = start(stubborn)
    assert line_from(ours) == b"ready\n"
    assert go(child.end(kill_after=0.05)) == -9
    other, ours2 = start(stubborn)
    assert line_from(ours2) == b"ready\n"
    end_all([child, other], kill_after=0.05)
    assert other.status == -9
    for each in (ours, ours2):
        each.close()


def test_end_asks_first() -> None:
    child, ours = start("import signal; print('ready', flush=True); signal.pause()")
    assert line_from(ours) == b"ready\n"
    assert go(child.end()) == -15
    ours.close()


def test_where_there_is_no_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    child, ours = start("import sys; sys.stdin.read(); raise SystemExit(5)")
    ours.shutdown(socket.SHUT_WR)
    assert go(child.ended_flow()) == 5
    ours.close()
    child, ours = start("import signal; print('ready', flush=True); signal.pause()")
    assert line_from(ours) == b"ready\n"
    assert go(child.end()) == -15
    ours.close()


def test_beside_a_command() -> None:
    child, stream = start_beside([sys.executable, "-c", "print(input()[::-1])"])
    with stream:
        go(stream.write_all_flow(b"abc\n"))
        assert go(stream.read_until_flow(b"\n")) == b"cba\n"
    assert go(child.ended_flow()) == 0


def test_no_such_command_closes_the_socket() -> None:
    ours, theirs = socket.socketpair()
    with ours, pytest.raises(FileNotFoundError):
        start_on(UnixStream(theirs), ["/nonexistent/command"])
    with pytest.raises(FileNotFoundError):
        start_beside(["/nonexistent/command"])
