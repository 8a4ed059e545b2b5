"""Rule 3, by every way in: a second writer gets BusyError, whether anything waits or not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from netkit.io import BrokenStreamError, BusyError, ByteStream, ReadBuffer, aio, run
from netkit.net import UdpSocket, UnixStream
from netkit.net.fds import FdPassing
from netkit.net.sockets import SocketStream
from tests.io.conftest import Pair

#: Ways to write; those of the second kind are for an event loop.
BLOCKING: dict[str, Callable[[UnixStream], object]] = {
    "write": lambda stream: stream.write(b"abc", timeout=5),
    "write nothing": lambda stream: stream.write(b"", timeout=5),
    "write_all": lambda stream: stream.write_all(b"abc", timeout=5),
    "write_all nothing": lambda stream: stream.write_all(b"", timeout=5),
    "write_all of a view": lambda stream: stream.write_all(memoryview(b"abc"), timeout=5),
    "finish": lambda stream: run(stream.finish()),
    "send_fds": lambda stream: stream.send_fds([0], b"abc", timeout=5),
    "send_fds without any": lambda stream: stream.send_fds([], b"abc", timeout=5),
}
ASYNC: dict[str, Callable[[UnixStream], Awaitable[object]]] = {
    "write_async": lambda stream: stream.write_async(b"abc", timeout=5),
    "write_all_async": lambda stream: stream.write_all_async(b"abc", timeout=5),
    "write_all_async without a timeout": lambda stream: stream.write_all_async(b"abc"),
    "write_all_async nothing": lambda stream: stream.write_all_async(b""),
    "write_all_async of a view": lambda stream: stream.write_all_async(memoryview(b"abc")),
    "send_fds_async": lambda stream: stream.send_fds_async([0], b"abc"),
}


class Meanwhile:
    """A socket; as it sends, and before it has, somebody else does something, as another thread may."""

    def __init__(self, sock: socket.socket, then: Callable[[], object]) -> None:
        self._sock = sock
        self._then: Callable[[], object] | None = then
        self.came = 0

    def _once(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            self.came += 1
            then()

    def send(self, *arguments: Any) -> int:
        self._once()
        return self._sock.send(*arguments)

    def sendmsg(self, *arguments: Any) -> int:
        self._once()
        return self._sock.sendmsg(*arguments)

    def shutdown(self, how: int) -> None:
        self._once()
        self._sock.shutdown(how)


@pytest.fixture
def stream(pair: Pair) -> Iterator[UnixStream]:
    made = UnixStream(pair.ours, pair.descriptor)
    yield made
    made._sock = pair.ours


FIRST = [name for name in (*BLOCKING, *ASYNC) if "nothing" not in name]


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("second", [*BLOCKING, "write_all_async"])
def test_while_the_system_sends(pair: Pair, stream: UnixStream, first: str, second: str) -> None:
    def too_many() -> None:
        with pytest.raises(BusyError):
            write(stream, second)

    def write(stream: UnixStream, way: str) -> None:
        if way in BLOCKING:
            BLOCKING[way](stream)
            return
        for turn in ASYNC[way](stream).__await__():
            assert turn is None  # it has nothing to wait for, but perhaps its turn

    stream._sock = sock = Meanwhile(pair.ours, too_many)  # type: ignore[assignment]
    with asyncio.Runner() as runner:

        async def main() -> None:
            write(stream, first)

        runner.run(main())
    assert sock.came == 1
    if first != "finish":
        assert pair.theirs.recv(100) == b"abc"  # and nothing of the second


@pytest.mark.parametrize("second", [*BLOCKING, *ASYNC])
def test_while_the_rest_waits_for_its_turn(
    pair: Pair, stream: UnixStream, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part of it has gone at once; under asyncio other tasks come before the rest does."""
    monkeypatch.setattr(aio, "turn_is_due", lambda: True)

    async def main() -> None:
        first = asyncio.create_task(stream.write_all_async(bytes(50_000_000)))
        await asyncio.sleep(0)
        for _ in range(3):
            with pytest.raises(BusyError):
                await ASYNC[second](stream) if second in ASYNC else BLOCKING[second](stream)
            await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        with pytest.raises(BrokenStreamError):  # from now on: nobody writes any more
            await stream.write_all_async(b"x")

    asyncio.run(main())


def test_cancelled_before_the_rest_had_its_turn(
    pair: Pair, stream: UnixStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio, "turn_is_due", lambda: True)

    async def main() -> None:
        first = asyncio.create_task(stream.write_all_async(bytes(50_000_000)))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        with pytest.raises(BrokenStreamError) as caught:
            await stream.write_all_async(b"x")
        assert 0 < (caught.value.sent or 0) < (caught.value.total or 0) == 50_000_000

    asyncio.run(main())


@pytest.mark.parametrize("kind", [SocketStream, FdPassing, ByteStream])
def test_a_second_reader_is_refused_whatever_is_there(kind: type[ByteStream], pair: Pair) -> None:
    """What it would take is what the first one waits with."""
    stream = kind(pair.ours, pair.descriptor) if kind is not ByteStream else _Bytes()  # type: ignore[call-arg]
    stream._buffer.put(b"12345")
    first = stream.fill(10)
    next(first)
    for second in (stream.fill(1), stream.fill(5), stream.read_flow(1), stream.read_exactly_flow(5)):
        with pytest.raises(BusyError):
            next(second)
    first.close()
    assert stream.read(5, timeout=5) == b"12345"


class _Bytes(ByteStream):
    def __init__(self) -> None:
        super().__init__()
        self._buffer = ReadBuffer()

    def _receive(self) -> Any:
        from netkit.io import Event

        yield from Event().wait()


def test_a_second_sender_of_datagrams() -> None:
    """Also one that would not wait."""
    with UdpSocket.bind("127.0.0.1:0") as sock:
        addr = sock.local_addr
        sock.connect(addr)
        real = sock._sock

        class Full:
            def send(self, *_: Any) -> int:
                raise BlockingIOError

        sock._sock = Full()  # type: ignore[assignment]
        first = sock.send_flow(b"first")
        next(first)
        sock._sock = real
        for second in (
            lambda: sock.send(b"x", timeout=5),
            lambda: sock.send_to(b"x", addr, timeout=5),
            lambda: sock.send_nonblock(b"x"),
            lambda: sock.send_to_nonblock(b"x", addr),
        ):
            with pytest.raises(BusyError):
                second()
        with pytest.raises(StopIteration):
            first.send(True)
        assert sock.recv(timeout=5) == b"first"
