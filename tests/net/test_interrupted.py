"""Signals whose handlers raise, again and again, at whatever moment they come: nothing that arrived is lost.

Ctrl-C is one; a program that limits its time with `signal.alarm` has others. Python runs a handler between
two calls of whatever is under way. What a call took off a socket is then either returned by it or given by
the next; what was to be sent has gone whole, or not at all, or the stream says that it is broken.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import starmap
from time import monotonic
from typing import Any

import pytest

from netkit.addr import SocketAddr
from netkit.io import BrokenStreamError, ByteStream, DeadlineExceeded
from netkit.net import TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream
from netkit.net.sockets import SocketStream
from tests.waiting import waits, when

pytestmark = [
    pytest.mark.usefixtures("no_leak"),
    # An interruption that falls into a destructor is only printed.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

#: How many interruptions each test has, and how long it may take to come to them, in seconds.
INTERRUPTIONS = 1000
PATIENCE = 20.0


class Struck(Exception):
    """What a handler raises that is an ordinary exception, as a program's own time limit is."""


class Strikes:
    """Calls that a signal may interrupt at any moment, by turns with an ordinary exception and as Ctrl-C."""

    def __init__(self) -> None:
        self.count = 0
        self._armed = False
        self._random = random.Random(7)
        self._until = monotonic() + PATIENCE
        self._longest = 0.00005

    def handle(self, _number: int, _frame: object) -> None:
        if self._armed:  # another thread's turn to take the signal may come when all is over
            self._armed = False
            self.count += 1
            raise Struck if self.count % 2 else KeyboardInterrupt

    def are_enough(self) -> bool:
        return self.count >= INTERRUPTIONS or monotonic() > self._until

    def call(self, results: list[Any], function: Callable[..., Any], *arguments: Any) -> None:
        """Call it; what it returns is appended to `results`, in C, where no handler can come between."""
        before, begun = len(results), monotonic()
        try:
            try:
                self._armed = True
                signal.setitimer(signal.ITIMER_REAL, self._random.uniform(0.000001, self._longest))
                results.extend(starmap(function, (arguments,)))
            finally:
                self._armed = False
                signal.setitimer(signal.ITIMER_REAL, 0)
        except (Struck, KeyboardInterrupt):
            pass
        if len(results) > before:  # so that the moments are spread over the whole of a call, and no further
            self._longest += 0.05 * (1.2 * (monotonic() - begun) - self._longest)


@pytest.fixture
def strikes() -> Iterator[Strikes]:
    made = Strikes()
    timer = signal.getitimer(signal.ITIMER_REAL)  # the test's own timeout may be by it
    before = signal.signal(signal.SIGALRM, made.handle)
    try:
        yield made
        assert made.count > INTERRUPTIONS / 10
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.set_wakeup_fd(-1)  # a wait that was interrupted as it ended leaves it to the next one
        signal.setitimer(signal.ITIMER_REAL, *timer)


def tcp_pair() -> tuple[TcpStream, TcpStream]:
    with TcpListener.bind("127.0.0.1:0") as listener:
        ours = TcpStream.connect(listener.local_addr, timeout=5)
        return ours, listener.accept(timeout=5)[0]


def inherited_pair() -> tuple[SocketStream, SocketStream]:
    """One whose socket blocks, as that of another process does."""
    ours, theirs = tcp_pair()
    with ours:
        sock = ours.into_socket()
    sock.setblocking(True)
    return TcpStream(sock, inherited=True), theirs


def unix_pair_with_descriptors() -> tuple[UnixStream, UnixStream]:
    ours, theirs = UnixStream.pair()
    ours.expect_fds()
    return ours, theirs


PAIRS: dict[str, Callable[[], tuple[SocketStream, SocketStream]]] = {
    "tcp": tcp_pair,
    "inherited": inherited_pair,
    "unix": UnixStream.pair,
    "unix, descriptors expected": unix_pair_with_descriptors,
}

#: Ways to read; each is given ten bytes a turn.
READS: dict[str, Callable[[ByteStream], bytes]] = {
    "read": lambda stream: stream.read(timeout=5),
    "parts": lambda stream: stream.read(3, timeout=5),
    "exactly": lambda stream: stream.read_exactly(7, timeout=5),
    "until": lambda stream: stream.read_until(b"5", timeout=5),
}


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("read", READS)
def test_bytes_of_a_stream(strikes: Strikes, pair: str, read: str) -> None:
    ours, theirs = PAIRS[pair]()
    received: list[bytes] = []
    sent = 0
    with ours, theirs:
        while not strikes.are_enough():
            theirs.write_all(b"0123456789")
            sent += 10
            strikes.call(received, READS[read], ours)
            while sent - sum(map(len, received)) > 300:  # so that the system's buffer has room
                received = [b"".join(received) + ours.read(timeout=5)]
        theirs.close()
        received += iter(ours)
    assert b"".join(received) == b"0123456789" * (sent // 10)


@pytest.mark.slow
def test_descriptors_that_come_along(strikes: Strikes) -> None:
    ours, theirs = unix_pair_with_descriptors()
    received: list[tuple[bytes, list[int]]] = []
    sent = taken = 0

    def close_received() -> int:
        count = 0
        while received:
            for fd in received.pop()[1]:
                os.close(fd)
                count += 1
        return count

    with ours, theirs, open(os.devnull, "rb") as file:
        while not strikes.are_enough():
            theirs.send_fds([file], b"x")
            sent += 1
            strikes.call(received, lambda: ours.recv_fds(timeout=5))
            taken += close_received()
            while sent - taken > 20:
                received.append(ours.recv_fds(timeout=5))
                taken += close_received()
        while taken < sent:
            received.append(ours.recv_fds(timeout=5))
            taken += close_received()


@pytest.mark.slow
@pytest.mark.parametrize("receive", ["recv", "recv_from"])
def test_datagrams(strikes: Strikes, receive: str) -> None:
    received: list[Any] = []
    sent = 0
    with UdpSocket.bind("127.0.0.1:0") as ours, UdpSocket.connected(ours.local_addr) as theirs:
        method = getattr(ours, receive)
        while not strikes.are_enough():
            for _ in range(1 + sent % 3):
                theirs.send(b"%d" % sent)
                sent += 1
            strikes.call(received, lambda: method(timeout=5))
            while sent - len(received) > 20:  # so that the system's buffer has room
                received.append(method(timeout=5))
        while len(received) < sent:
            received.append(method(timeout=5))
        with pytest.raises(DeadlineExceeded):
            method(timeout=0.01)
    payloads = [each if receive == "recv" else each[0] for each in received]
    assert payloads == [b"%d" % number for number in range(sent)]


@pytest.mark.slow
def test_an_error_of_a_datagram_is_told(strikes: Strikes) -> None:
    """That nobody receives there: the system says it once."""
    with UdpSocket.bind("127.0.0.1:0") as nobody:
        addr = nobody.local_addr
    with UdpSocket.connected(addr) as ours:

        def told() -> bool:
            try:
                ours.recv(timeout=5)
            except ConnectionRefusedError:
                return True
            return False

        while not strikes.are_enough():
            ours.send(b"x")
            results: list[bool] = []
            strikes.call(results, told)
            assert results or told()


@pytest.mark.slow
@pytest.mark.parametrize("inherited", [False, True], ids=["ours", "inherited"])
@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_connections(strikes: Strikes, inherited: bool, family: str, tmp_path: os.PathLike[str]) -> None:
    if family == "tcp":
        plain = socket.create_server(("127.0.0.1", 0))
    else:
        plain = socket.socket(socket.AF_UNIX)
        plain.bind(os.path.join(tmp_path, "app.sock"))
        plain.listen()
    kind: type[Any] = TcpListener if family == "tcp" else UnixListener
    plain.setblocking(inherited)
    served: list[bytes] = []
    sent = 0

    def serve(accepted: list[tuple[SocketStream, Any]]) -> None:
        while accepted:
            stream, _ = accepted.pop()
            with stream:
                served.append(stream.read(timeout=5))

    with kind(plain, inherited=inherited) as listener:
        while not strikes.are_enough():
            with socket.socket(plain.family) as client:
                client.connect(plain.getsockname())
                client.sendall(b"%d" % sent)
                sent += 1
            accepted: list[tuple[SocketStream, Any]] = []
            strikes.call(accepted, lambda: listener.accept(timeout=5))
            serve(accepted)
            while sent - len(served) > 20:
                serve([listener.accept(timeout=5)])
        while len(served) < sent:
            serve([listener.accept(timeout=5)])
        with pytest.raises(DeadlineExceeded):
            listener.accept(timeout=0.01)
        assert plain.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16) == bytes(16)
    assert sorted(map(int, served)) == list(range(sent))


@pytest.mark.slow
@pytest.mark.parametrize("size", [8, 300_000])
@pytest.mark.parametrize("pair", ["tcp", "unix"])
def test_what_is_sent(strikes: Strikes, pair: str, size: int) -> None:
    """Each message has gone whole or not at all, unless the stream is broken from then on."""
    while not strikes.are_enough():
        data, broken = sent_until_broken(strikes, *PAIRS[pair](), size)
        whole = len(data) - len(data) % size
        assert broken or whole == len(data)
        for at in range(0, whole, size):
            assert data[at : at + size] == data[at : at + 8] * (size // 8)


def sent_until_broken(
    strikes: Strikes, ours: SocketStream, theirs: SocketStream, size: int
) -> tuple[bytes, bool]:
    """What arrives of many messages, and whether the stream said in the end that it is broken."""
    received: list[bytes] = []
    reading = threading.Thread(target=lambda: received.extend(theirs))
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])  # which the thread inherits
    reading.start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    broken = False
    with ours, theirs:
        for number in range(200):
            message = b"%08d" % number * (size // 8)
            try:
                strikes.call([], partial(ours.write_all, message, timeout=5))
            except BrokenStreamError:
                broken = True
                break
        ours.close()
        reading.join(PATIENCE)
    return b"".join(received), broken


def test_a_handler_that_raises_in_the_middle_of_a_wait_leaves_the_stream_free() -> None:
    """Whatever it raises, and although the program keeps the exception, and with it every frame."""

    def strike(_number: int, _frame: object) -> None:
        raise Struck

    before = signal.signal(signal.SIGUSR2, strike)
    try:
        ours, theirs = UnixStream.pair()
        with ours, theirs:
            with when(waits, lambda: os.kill(os.getpid(), signal.SIGUSR2)), pytest.raises(Struck):
                ours.read(timeout=5)
            theirs.write_all(b"hello")
            assert ours.read(timeout=5) == b"hello"
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_a_reset_is_told_again_and_not_taken_for_the_end() -> None:
    """The system says it once; whoever was told may have been interrupted as it was."""
    ours, theirs = tcp_pair()
    with ours, theirs:
        theirs.write_all(b"half of it")
        assert ours.read(timeout=5) == b"half of it"
        theirs.reset()
        for _ in range(3):
            with pytest.raises(ConnectionResetError):
                ours.read(timeout=5)


def test_a_peer_of_a_listener_is_an_ordinary_socket() -> None:
    with TcpListener.bind("127.0.0.1:0") as listener, TcpStream.connect(listener.local_addr) as client:
        stream, peer = listener.accept(timeout=5)
        assert peer == client.local_addr
        with stream.into_socket() as sock:
            assert isinstance(sock, socket.socket)
            assert sock.family is socket.AF_INET
            assert SocketAddr.from_sockaddr(sock.getpeername()) == peer
            with sock.dup() as other, sock.makefile("rb") as file:
                client.write_all(b"line\n")
                assert file.readline() == b"line\n"
                assert other.getpeername() == sock.getpeername()
        assert sock.fileno() == -1
