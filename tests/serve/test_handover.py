"""Handing listening sockets to a successor, and every way in which that fails and changes nothing."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from netkit.io import DeadlineExceeded, Event, Flow, beside, run
from netkit.net import (
    Shutdown,
    TcpListener,
    TcpStream,
    UnixError,
    UnixListener,
    UnixStream,
)
from netkit.serve import handover
from netkit.serve.activation import server_socket_from_raw_fd
from netkit.serve.handover import CONTROL, Handover, HandoverError, Offered, TakenOver


class Old:
    """A server that offers its sockets, in a thread of its own."""

    def __init__(self, path: str, **more: Any) -> None:
        self.tcp = TcpListener.bind("127.0.0.1:0")
        self.addr = self.tcp.local_addr
        self.control = UnixListener.bind(path)
        self.handover = Handover(self.control, [Offered("tcp", self.tcp)], **more)
        self.stop = Event()
        self.thread = threading.Thread(target=run, args=[self.serve()])
        self.thread.start()

    def serve(self) -> Flow[None]:
        def offering() -> Flow[None]:
            yield from self.handover.offer()
            self.stop.set()

        yield from beside(self.stop.wait(), offering())

    def end(self) -> None:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()
        self.tcp.close()
        self.control.close()


@contextmanager
def old_at(path: str, **more: Any) -> Iterator[Old]:
    old = Old(path, **more)
    try:
        yield old
    finally:
        old.end()


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "control")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_the_successor_has_the_very_sockets(path: str) -> None:
    before = descriptors()
    with old_at(path) as old:
        waiting = TcpStream.connect(old.addr)  # in the backlog, which is one
        with TakenOver.connect(path) as taken:
            assert [name for name, _ in taken.sockets] == ["tcp", CONTROL]
            adopted = [server_socket_from_raw_fd(fd, unlink_on_close=True) for _, fd in taken.take()]
            assert not old.stop.is_set, "it goes on until the successor is ready"
            taken.ready()
        old.thread.join(20)
        assert old.stop.is_set
        assert old.handover.successor == os.getpid()
        old.tcp.close()
        old.control.close()
        assert os.path.exists(path), "the file is the successor's now"
        listener, control = adopted
        assert isinstance(listener, TcpListener)
        assert isinstance(control, UnixListener)
        assert listener.local_addr == old.addr
        stream, _ = listener.accept(timeout=5)
        stream.write_all(b"taken over")
        stream.shutdown(Shutdown.Write)
        assert b"".join(waiting) == b"taken over"
        for each in (stream, waiting, listener, control):
            each.close()
        assert not os.path.exists(path)
    assert descriptors() <= before + 2  # the thread's bell


def test_a_successor_that_leaves_before_it_is_ready_changes_nothing(path: str) -> None:
    with old_at(path) as old:
        for _ in range(3):
            TakenOver.connect(path).close()
        with TcpStream.connect(old.addr):
            old.tcp.accept(timeout=5)[0].close()
        with TakenOver.connect(path) as taken:
            taken.ready()
        old.thread.join(20)
        assert old.stop.is_set


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\n\r\n", b"[]\n", b'{"take_over": 2}\n', b"x" * 100_000, b""]
)
def test_one_who_says_something_else_is_given_nothing(path: str, said: bytes) -> None:
    with old_at(path) as old:
        with UnixStream.connect(path) as stream:
            stream.expect_fds()
            try:
                stream.write_all(said)
                stream.shutdown(Shutdown.Write)
                answer = b"".join(stream)
            except ConnectionError:
                answer = b""
            assert b"sockets" not in answer
            assert stream.waiting_fds == 0
        with TakenOver.connect(path) as taken:  # and the next one is
            assert len(taken.sockets) == 2
        assert not old.stop.is_set


def test_one_who_says_nothing_delays_nobody(path: str) -> None:
    with (
        old_at(path) as old,
        UnixStream.connect(path),
        UnixStream.connect(path),
        TakenOver.connect(path) as taken,
    ):
        other = TakenOver.connect(path)  # which is given the same, and is not ready first
        taken.ready()
        old.thread.join(20)
        assert old.stop.is_set
        with other, pytest.raises(HandoverError, match="does not say that it stops"):
            other.ready()


def test_what_is_private_goes_to_the_same_user_only(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with old_at(path, protocol="echo+tls", private=lambda: {"key": b"k" * 100_000, "more": b""}):
        with TakenOver.connect(path) as taken:
            assert taken.protocol == "echo+tls"
            assert taken.private == {"key": b"k" * 100_000, "more": b""}
            assert [name for name, _ in taken.sockets] == ["tcp", CONTROL]
        real = UnixStream.peer_cred.fget  # type: ignore[attr-defined]
        monkeypatch.setattr(UnixStream, "peer_cred", property(lambda stream: real(stream)._replace(uid=0)))
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
        with TakenOver.connect(path) as taken:
            assert (taken.protocol, taken.private, len(taken.sockets)) == ("echo+tls", {}, 2)


def test_the_callers_deadline_ends_the_offer(path: str) -> None:
    silent = UnixListener.bind(path)
    with silent as control, UnixStream.connect(path), pytest.raises(DeadlineExceeded):
        run(Handover(control, []).offer(), deadline=monotonic() + 0.1)


def test_a_successor_that_says_nothing_is_not_waited_for(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "REPLY_TIMEOUT", 0.02)
    with old_at(path), UnixStream.connect(path) as silent:
        assert silent.read(timeout=20) == b""
    with UnixListener.bind(path), pytest.raises(HandoverError, match="did not answer within"):
        TakenOver.connect(path, timeout=20)


def test_another_user_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with old_at(path) as old:
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
        real = UnixStream.peer_cred.fget  # type: ignore[attr-defined]
        monkeypatch.setattr(UnixStream, "peer_cred", property(lambda stream: real(stream)._replace(uid=4712)))
        with pytest.raises(HandoverError, match="runs as another user"):
            TakenOver.connect(path)
        assert not old.stop.is_set


def test_nobody_there(path: str) -> None:
    with pytest.raises(UnixError):
        TakenOver.connect(path)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b'{"sockets": [{"name": "tcp"}]}\n', "0 descriptors came for 1 sockets and 0 files"),
        (b'{"sockets": 7}\n', "not understood"),
        (b"{}\n", "not understood"),
        (b"nonsense\n", "not understood"),
        (b"", "not understood"),
        (b'{"refused": "not today"}\n', "not today"),
    ],
)
def test_an_old_server_that_answers_nonsense(path: str, answer: bytes, words: str) -> None:
    before = descriptors()
    with UnixListener.bind(path) as listener:

        def answering() -> None:
            stream, _ = listener.accept(timeout=10)
            with stream:
                stream.read_until(b"\n", timeout=10)
                stream.write_all(answer)

        thread = threading.Thread(target=answering)
        thread.start()
        with pytest.raises(HandoverError, match=words):
            TakenOver.connect(path)
        thread.join()
    assert descriptors() <= before + 2  # the bell of this thread


def test_an_old_server_that_dies_before_it_answers(path: str) -> None:
    with UnixListener.bind(path) as listener, TcpListener.bind("127.0.0.1:0") as tcp:

        def dying() -> None:
            stream, _ = listener.accept(timeout=10)
            with stream:
                stream.read_until(b"\n", timeout=10)
                stream.send_fds([tcp], json.dumps({"sockets": [{"name": "tcp"}]}).encode() + b"\n")
                stream.read_until(b"\n", timeout=10)

        thread = threading.Thread(target=dying)
        thread.start()
        with TakenOver.connect(path) as taken, pytest.raises(HandoverError, match="does not say"):
            taken.ready()
        thread.join()
