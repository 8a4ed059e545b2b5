"""Passing descriptors beside the bytes of a Unix-domain stream (SCM_RIGHTS; unix(7), cmsg(3)).

`FdPassing` gives a stream `send_fds` and `recv_fds`. The decisions:

- A stream takes descriptors when it is told to, by `expect_fds` or the first `recv_fds`. Before that nothing
  that a peer sends can take a place in this process's table: the system closes it, the bytes are kept, and
  the read that met it raises FdPassingError.NotExpected, so that nothing is lost unsaid.
- From then on every read keeps them, `read` and `read_until` too: they wait in the stream, at most `limit`
  of them, for the next `recv_fds`; and are closed with the stream.
- Each is close-on-exec from the moment it exists here (MSG_CMSG_CLOEXEC). The room for them is always that
  of a whole message, so that "too many" is told by counting; and a message that was cut short all the same
  (MSG_CTRUNC: no place left in this process) is refused as a whole.
- What recvmsg(2) returns goes into the queue inside one C call (`deque.extend`), so that not even a Ctrl-C
  between two bytecodes can lose bytes, or the numbers of descriptors that are open already.
"""

from __future__ import annotations

import errno
import os
import socket
from array import array
from collections import deque
from itertools import starmap
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from netkit.io import Buffer, BusyError, CancellationToken, Descriptor, Flow, phase, run, run_async
from netkit.io.stream import RECEIVE_SIZE, ReadBuffer
from netkit.net.errors import FdPassingError
from netkit.net.sockets import SocketStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class HasFileno(Protocol):
    """An object with a descriptor: a file, a socket, a stream, a listener."""

    def fileno(self) -> int:
        """The descriptor's number."""
        ...


#: What can be passed.
FdLike: TypeAlias = "int | HasFileno"

#: The most descriptors that one message carries (Linux's SCM_MAX_FD).
SCM_MAX_FD = 253

_INT = array("i").itemsize
_SCM_RIGHTS: int = getattr(socket, "SCM_RIGHTS", 1)
_CLOEXEC: int = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_CTRUNC: int = getattr(socket, "MSG_CTRUNC", 0)
#: Room for the descriptors of a whole message, and for credentials if they were requested (SO_PASSCRED).
_ROOM: int = socket.CMSG_SPACE(SCM_MAX_FD * _INT) + 128 if hasattr(socket, "CMSG_SPACE") else 0

#: One recvmsg(2): data, ancillary messages, flags, address.
_Message: TypeAlias = "tuple[bytes, list[tuple[int, int, bytes]], int, Any]"


class _Held:
    """The descriptors of one message, and the place in the stream where its bytes begin."""

    __slots__ = ("ancillary", "fds", "offset")

    def __init__(self, offset: int, fds: list[int], ancillary: object) -> None:
        self.offset = offset
        self.fds = fds
        self.ancillary = ancillary  # identifies the message, to know one that was handled before


class FdQueue:
    """The receiving side of a Unix-domain stream: bytes go to its buffer, descriptors wait here."""

    __slots__ = ("_arrived", "_buffer", "_closed", "_held", "_received", "_sock", "limit")

    def __init__(self, sock: socket.socket, buffer: ReadBuffer) -> None:
        self._sock = sock
        self._buffer = buffer
        self._arrived: deque[_Message] = deque()  # at most one message that was received and not handled yet
        self._held: list[_Held] = []
        self._received = 0  # bytes, since the beginning
        self._closed = False
        #: How many descriptors may wait here; 0 takes no descriptors.
        self.limit = 0

    def __len__(self) -> int:
        return sum(len(held.fds) for held in self._held)

    def receive(
        self,
        recv: Callable[[int, int], bytes],  # noqa: ARG002
        size: tuple[int],
        flags: tuple[int],
    ) -> int:
        """As `ReadBuffer.receive`. Descriptors that come along are kept, or refused by FdPassingError."""
        if not self._arrived:
            room, more = (_ROOM, _CLOEXEC) if self.limit else (0, 0)
            self._arrived.extend(starmap(self._sock.recvmsg, ((size[0], room, flags[0] | more),)))
        data, ancillary, got, _ = self._arrived[0]
        refused = self._keep(ancillary, got) if ancillary or got & _CTRUNC else None
        if self._closed:  # another thread closed it while this one was receiving
            self.close()
            self._buffer.put(data)
            return len(data)
        received = self._received + len(data)
        self._buffer.put(data)
        self._received = received
        del self._arrived[0]  # bytes and message go together: no call lies between, where Ctrl-C might come
        if refused is not None:
            raise refused
        return len(data)

    def _keep(self, ancillary: list[tuple[int, int, bytes]], got: int) -> FdPassingError | None:
        """Store a message's descriptors; or close them all, and return the error that says why."""
        if not self.limit:
            return None if self._has_credentials() else FdPassingError.NotExpected()
        if self._held and self._held[-1].ancillary is ancillary:
            return None  # stored already, before an interruption
        fds = _descriptors(ancillary)
        if not _CLOEXEC:
            for fd in fds:
                os.set_inheritable(fd, False)
        waiting = len(self)
        if fds:
            self._held.append(_Held(self._received, fds, ancillary))
        if got & _CTRUNC:
            refused: FdPassingError = FdPassingError.DescriptorsLost(len(fds))
        elif waiting + len(fds) > self.limit:
            refused = FdPassingError.TooMany(waiting + len(fds), self.limit)
        else:
            return None
        if fds:
            _close(self._held.pop().fds)
        return refused

    @property
    def is_due(self) -> bool:
        """Whether descriptors wait whose bytes were read already, so that `take` need not wait for bytes."""
        return bool(self._held) and self._held[0].offset < self._received - len(self._buffer)

    def take(self, size: int, max_fds: int) -> tuple[bytes, list[int]]:
        """Up to `size` bytes of the buffer and the descriptors that came with them; never of two messages.

        This includes descriptors whose bytes were read before. If there are more than `max_fds`, all of them
        are closed, FdPassingError.TooMany is raised, and the bytes stay.
        """
        start = self._received - len(self._buffer)
        end = start + min(size, len(self._buffer))
        count = sum(held.offset < start for held in self._held)
        if not count and self._held and self._held[0].offset < end:
            count = 1
        if count < len(self._held):
            end = min(end, max(start, self._held[count].offset))
        number = sum(len(self._held[index].fds) for index in range(count))
        if number > max_fds:
            for _ in range(count):
                _close(self._held.pop(0).fds)
            raise FdPassingError.TooMany(number, max_fds)
        fds = [fd for held in self._held[:count] for fd in held.fds]
        data = self._buffer.take(end - start)
        del self._held[
            :count
        ]  # no call between taking the bytes and the descriptors, because Ctrl-C could come there
        return data, fds

    def close(self) -> None:
        """Close the waiting descriptors."""
        self._closed = True
        while self._arrived:
            _, ancillary, _, _ = self._arrived.popleft()
            if not self._held or self._held[-1].ancillary is not ancillary:
                _close(_descriptors(ancillary))
        while self._held:
            _close(self._held.pop().fds)

    def __del__(self) -> None:
        if getattr(self, "_held", None) or getattr(self, "_arrived", None):
            self.close()

    def _has_credentials(self) -> bool:
        """Whether an earlier owner of this socket requested credentials: those can be truncated as well."""
        option: int | None = getattr(socket, "SO_PASSCRED", None)
        return option is not None and bool(self._sock.getsockopt(socket.SOL_SOCKET, option))


class FdPassing(SocketStream):
    """A `SocketStream` of the Unix domain, with `send_fds` and `recv_fds`."""

    def __init__(self, sock: socket.socket, descriptor: Descriptor, *, inherited: bool = False) -> None:
        super().__init__(sock, descriptor, inherited=inherited)
        self._fds = FdQueue(sock, self._buffer)
        self._receive_into_buffer = self._fds.receive
        self._outgoing: list[tuple[int, int, array[int]]] | None = None

    # Sending.

    def send_fds_flow(self, fds: Iterable[FdLike], data: Buffer) -> Flow[None]:
        """Flow: `send_fds`, for other flows to `yield from`."""
        numbers = [fd if isinstance(fd, int) else fd.fileno() for fd in fds]
        view = memoryview(data).cast("B")
        if not view:
            raise FdPassingError.EmptyData
        if len(numbers) > SCM_MAX_FD:
            raise FdPassingError.TooMany(len(numbers), SCM_MAX_FD, sending=True)
        for fd in numbers:
            try:
                os.get_inheritable(fd)
            except OSError:
                raise FdPassingError.BadDescriptor(fd) from None
        self._begin_writing()
        try:
            if numbers:
                self._outgoing = [(socket.SOL_SOCKET, _SCM_RIGHTS, array("i", numbers))]
            yield from self._send_rest(view, 0)
        finally:
            self._outgoing = None
            self._writing = False

    def send_fds(
        self,
        fds: Iterable[FdLike],
        data: Buffer,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> None:
        """Send `data`, at least one byte, and with its first byte these descriptors, at most 253.

        `fds` are numbers or objects with a `fileno()`. The receiver gets new descriptors for the same open
        files; yours stay open and belong to you. If this is interrupted after a part of `data`, the stream is
        broken, as with `write_all`.

        Raises FdPassingError.EmptyData, .TooMany, .BadDescriptor, .InFlight (too many descriptors are not
        received yet), and the errors of `write_all`.
        """
        with phase("writing"):
            run(self.send_fds_flow(fds, data), deadline=self._write_deadline(timeout), cancel=cancel)

    async def send_fds_async(
        self,
        fds: Iterable[FdLike],
        data: Buffer,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> None:
        """Send `data` and with its first byte these descriptors; arguments and errors as `send_fds`."""
        flow = self.send_fds_flow(fds, data)
        with phase("writing"):
            await run_async(flow, deadline=self._write_deadline(timeout), cancel=cancel)

    def _send(self, data: memoryview) -> Flow[int]:
        if self._outgoing is None:
            return (yield from super()._send(data))
        while True:
            self._check_open()
            try:
                sent = self._sock.sendmsg([data], self._outgoing, self._flags)
            except BlockingIOError:
                yield self._descriptor.want_write
                continue
            except OSError as error:
                if error.errno == errno.ETOOMANYREFS:
                    raise FdPassingError.InFlight from None
                raise
            self._outgoing = None  # they were sent with the first byte
            return sent

    # Receiving.

    def expect_fds(self, limit: int = SCM_MAX_FD) -> None:
        """Take descriptors from now on: at most `limit` may wait for `recv_fds`; 0 takes no descriptors.

        Call it before the first read, if descriptors may come beside bytes that `read` takes.
        """
        self._fds.limit = limit

    @property
    def waiting_fds(self) -> int:
        """How many received descriptors wait for `recv_fds`."""
        return len(self._fds)

    def fill_fds(self) -> Flow[None]:
        """Flow: wait until there is something for `take_fds`: bytes, descriptors, or the stream's end."""
        if not self._fds.limit:
            self.expect_fds()
        if not self._fds.is_due:
            yield from self.fill(1)

    def take_fds(self, size: int = RECEIVE_SIZE, max_fds: int = SCM_MAX_FD) -> tuple[bytes, list[int]]:
        """Take what `fill_fds` waited for; never waits. Arguments, result and errors as `recv_fds`."""
        return self._fds.take(size, max_fds)

    def recv_fds(
        self,
        size: int = RECEIVE_SIZE,
        max_fds: int = SCM_MAX_FD,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> tuple[bytes, list[int]]:
        """Up to `size` bytes, as soon as there are any, and the descriptors that came with them.

        The result never mixes the descriptors of two messages. `(b"", [])` is the end of the stream. If the
        bytes are `b""` and there are descriptors, an ordinary read took their bytes before. The descriptors
        are close-on-exec, and the caller must close them.

        Raises FdPassingError.TooMany if the peer sent more than `max_fds` at once, and
        FdPassingError.DescriptorsLost if this process had no room for some. In both cases all of them are
        closed, and the bytes stay in the stream's buffer. Also raises the errors of `read`.
        """
        with phase("reading"):
            run(self.fill_fds(), deadline=self._read_deadline(timeout), cancel=cancel)
        return self._take_fds(size, max_fds)

    async def recv_fds_async(
        self,
        size: int = RECEIVE_SIZE,
        max_fds: int = SCM_MAX_FD,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> tuple[bytes, list[int]]:
        """Up to `size` bytes and the descriptors that came with them; arguments and errors as `recv_fds`."""
        with phase("reading"):
            await run_async(self.fill_fds(), deadline=self._read_deadline(timeout), cancel=cancel)
        return self._take_fds(size, max_fds)

    def _take_fds(self, size: int, max_fds: int) -> tuple[bytes, list[int]]:
        data, fds = self.take_fds(size, max_fds)
        if not data and not fds and size and not self._eof:
            raise BusyError(f"{self._what}'s reading side")  # another reader took them meanwhile
        return data, fds

    def recv_fds_flow(
        self, size: int = RECEIVE_SIZE, max_fds: int = SCM_MAX_FD
    ) -> Flow[tuple[bytes, list[int]]]:
        """Flow: `recv_fds`, for other flows to `yield from`; they must close the descriptors.

        Do not drive this flow by itself: if a task is cancelled just when its flow ends, the result is
        dropped. Instead drive `fill_fds` and then call `take_fds`, as `recv_fds_async` does.
        """
        yield from self.fill_fds()
        return self.take_fds(size, max_fds)

    def close(self) -> None:
        """Release the socket, and the descriptors that were not taken. Any thread may call this."""
        super().close()
        self._fds.close()

    def into_socket(self) -> socket.socket:
        """Give the socket to the caller; received descriptors that were not taken are closed."""
        sock = super().into_socket()
        self._fds.close()
        return sock


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """The numbers in a message's SCM_RIGHTS parts, without a last one that was truncated."""
    fds: list[int] = []
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SCM_RIGHTS:
            fds += array("i", data[: len(data) - len(data) % _INT])
    return fds


def _close(fds: list[int]) -> None:
    while fds:
        try:
            os.close(fds.pop())
        except OSError:
            pass  # Linux closes it anyway; or other code closed this number by mistake
