"""The common base of stream sockets: receiving, sending, half-closing, closing, options.

`SocketStream` implements the three flows of `ByteStream` over one non-blocking socket. Sending never raises
SIGPIPE (Python ignores it). On a socket that this process did not make, O_NONBLOCK is not set, because the
flag belongs to the open file that others may share; each call uses MSG_DONTWAIT instead.
"""

from __future__ import annotations

import enum
import errno
import io
import os
import select
import socket
import struct
import sys
from time import monotonic
from typing import TYPE_CHECKING

from netkit.errors import NetkitError
from netkit.io import (
    OPERATIONS_PER_TURN,
    PAUSE,
    Buffer,
    BusyError,
    ByteStream,
    ClosedError,
    Descriptor,
    Event,
    Flow,
    Want,
)
from netkit.io.stream import LINGER, QUIET, RECEIVE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.io.flow import Watch


#: What is asked for at once.
_WHOLE = (RECEIVE_SIZE,)

#: The most that the system is asked to send of a file at once, in octets: it may have to wait for the disk.
SENDFILE_SIZE = 1 << 21

#: What sendfile(2) reports of a file that it cannot send.
_NO_SENDFILE = frozenset((errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ESPIPE))

#: What recv(2) may report of this moment; all else is the end of the reading side.
_PASSING = frozenset((errno.ENOMEM, errno.ENOBUFS, errno.EINTR))


class Shutdown(enum.IntEnum):
    """Which half of a connection to end."""

    Read = socket.SHUT_RD
    Write = socket.SHUT_WR
    Both = socket.SHUT_RDWR


class SocketStream(ByteStream):
    """A `ByteStream` over a connected stream socket."""

    #: How a piece is put into the buffer where it is not `ReadBuffer.receive`: UnixStream looks beside it.
    _receive_into_buffer: Callable[[Callable[[int, int], bytes], tuple[int], tuple[int]], int] | None = None

    def __init__(self, sock: socket.socket, descriptor: Descriptor, *, inherited: bool = False) -> None:
        super().__init__()
        self._sock = sock
        self._descriptor = descriptor
        self._flags = socket.MSG_DONTWAIT if inherited else 0
        self._receive_flags = (self._flags,)
        self._moved = monotonic()  # when something came last
        self._quiet: float | None = None  # how long a pause is the end, once reading is to stop
        self._drained = False
        self._ask: Callable[[int], list[tuple[int, int]]] | None = None  # poll(2) for this socket alone
        self._failure: int | None = None  # what ended the reading side: the system says it once

    # `fill` and `write_all_flow` are ByteStream's, with `_receive` and `_send` inlined: this saves a
    # generator for each message, which makes a server measurably faster.

    def fill(self, size: int = 1) -> Flow[bool]:
        """Flow: wait until `size` bytes are in the buffer. False if the stream ends before that."""
        if self._reading:
            raise BusyError(f"{self._what}'s reading side")
        buffer = self._buffer
        if len(buffer) >= size:
            return True
        self._reading = True
        receive, recv, flags = (
            self._receive_into_buffer or buffer.receive,
            self._sock.recv,
            self._receive_flags,
        )
        turns = 0
        try:
            # What was less than asked for left nothing behind: the next will have to be waited for.
            if self._drained:
                self._drained = False
                yield self._descriptor.want_read
            while not self._eof:
                self._check_reading()
                try:
                    received = receive(recv, _WHOLE, flags)
                except BlockingIOError:
                    if self._quiet is None:
                        yield self._descriptor.want_read
                    else:
                        yield from self._last_wait(self._quiet)
                    continue
                except NetkitError:
                    raise
                except OSError as error:
                    self._note_failure(error)
                    raise
                if not received:
                    self._eof = True
                    return False
                self._moved = monotonic()
                if received >= size or len(buffer) >= size:
                    self._drained = received < RECEIVE_SIZE
                    return True
                turns += 1
                if turns % OPERATIONS_PER_TURN == 0:
                    yield PAUSE
        finally:
            self._reading = False
        return False

    def try_fill(self, *, fresh: bool = False) -> bool:
        """Receive what is there, without waiting. True if bytes are in the buffer, or at the end."""
        buffer = self._buffer
        if buffer._data or self._eof:
            return True
        if self._reading:
            raise BusyError(f"{self._what}'s reading side")
        if self._drained:
            self._drained = False
            if not fresh:
                return False
        if self._descriptor.closed or self._failure is not None:
            self._check_reading()
        if fresh and self._is_quiet():
            return False
        try:
            if self._receive_into_buffer is None:
                # `ReadBuffer.receive`, inlined: the buffer is empty.
                (buffer._data,) = map(self._sock.recv, _WHOLE, self._receive_flags)
                received = len(buffer._data)
            else:
                received = self._receive_into_buffer(self._sock.recv, _WHOLE, self._receive_flags)
        except BlockingIOError:
            return False
        except NetkitError:
            raise
        except OSError as error:
            self._note_failure(error)
            raise
        if received:
            self._moved = monotonic()
            self._drained = received < RECEIVE_SIZE
        else:
            self._eof = True
        return True

    def _is_quiet(self) -> bool:
        """Whether the system says that nothing is there: an exception for that costs as much as a send."""
        ask = self._ask
        if ask is None:
            if not hasattr(select, "poll"):
                return False  # to try is the only way
            poll = select.poll()
            poll.register(self._descriptor.fd, select.POLLIN)
            ask = self._ask = poll.poll
        return not ask(0)

    def want(self, *, write: bool = False, event: Event | None = None, until: float | None = None) -> Want:
        """What to wait for: the socket to be readable, and with `write` writable; or `event`."""
        descriptor = self._descriptor
        if event is None and until is None and not write:
            return descriptor.want_read
        return Want(read=descriptor, write=descriptor if write else None, event=event, until=until)

    def read_into_flow(self, view: memoryview) -> Flow[int]:
        """Flow: up to `len(view)` bytes into `view`; 0 at the end of the stream.

        They go there directly, without passing through the buffer, unless some are in it already.
        """
        if self._receive_into_buffer is not None or self._buffer or self._eof or self._quiet is not None:
            return (yield from super().read_into_flow(view))
        if self._reading:
            raise BusyError(f"{self._what}'s reading side")
        self._reading = True
        try:
            if self._drained:
                self._drained = False
                yield self._descriptor.want_read
            while True:
                self._check_reading()
                try:
                    size = self._sock.recv_into(view, 0, self._flags)
                except BlockingIOError:
                    yield self._descriptor.want_read
                    continue
                except OSError as error:
                    self._note_failure(error)
                    raise
                self._moved = monotonic()
                self._drained = 0 < size < len(view)
                self._eof = not size
                return size
        finally:
            self._reading = False

    def try_read_into(self, view: memoryview) -> int | None:
        """Receive into `view`, without waiting; 0 at the end, None if nothing is there."""
        if (
            self._drained
            or self._reading
            or self._receive_into_buffer is not None
            or self._buffer
            or self._eof
            or self._quiet is not None
        ):
            return None
        self._check_reading()
        try:
            size = self._sock.recv_into(view, 0, self._flags)
        except BlockingIOError:
            self._drained = True
            return None
        except OSError as error:
            self._note_failure(error)
            raise
        self._moved = monotonic()
        self._drained = 0 < size < len(view)
        self._eof = not size
        return size

    def _check_reading(self) -> None:
        """Raise why nothing can be received, if that is so."""
        if self._descriptor.closed:
            raise ClosedError(self._what)
        if self._failure is not None:
            raise OSError(self._failure, os.strerror(self._failure))

    def _note_failure(self, error: OSError) -> None:
        """The system reported `error` for the reading side, once: keep it."""
        if error.errno not in _PASSING:
            self._failure = error.errno  # first of all: a call may bring Ctrl-C
        self._check_open()  # another thread may have closed it at this moment

    def try_send(self, data: bytes | memoryview) -> int:
        if self._writing or self._broken is not None or self._uncertain:
            return 0  # leave it to the flow, which also raises the error
        self._writing = True
        try:
            return self._send_now(data)
        finally:
            self._writing = False

    def write_all_flow(self, data: Buffer) -> Flow[None]:
        """Flow: send all of `data`. If it is interrupted in the middle, the stream is broken."""
        self._begin_writing()
        sent = 0
        try:
            if type(data) is bytes and data:
                sent = self._send_now(data)
                if sent == len(data):
                    return
            yield from self._send_rest(memoryview(data).cast("B"), sent)
        except BaseException:
            self._note_break(sent, data)
            raise
        finally:
            self._writing = False

    def _send(self, data: memoryview) -> Flow[int]:
        while not (sent := self._send_now(data)):
            yield self._descriptor.want_write
        return sent

    def _send_now(self, data: bytes | memoryview) -> int:
        """Send what goes of `data` without waiting. For who holds the writing side."""
        if self._descriptor.closed:
            raise ClosedError(self._what)
        self._uncertain = True
        try:
            sent = self._sock.send(data, self._flags)
        except BlockingIOError:
            self._uncertain = False
            return 0
        except OSError as error:
            self._uncertain = error.errno is None  # the handler of a signal raised it, not the system
            self._check_open()
            raise
        self._uncertain = False
        return sent

    def try_send_file(self, file: int, start: int, size: int) -> int | None:
        """Have the system send a piece of a file, without waiting (sendfile(2)).

        `file` is the descriptor of a regular file, of which up to `size` octets from the offset `start` on
        are sent, without passing through this process. Returns how many were, 0 at the end of the file; None
        if there is no room now, which `want_room` waits for. Raises io.UnsupportedOperation if the system
        cannot send this file, or over this socket: nothing was sent then.
        """
        if sys.platform != "linux" or self._flags:  # it has no MSG_DONTWAIT
            raise io.UnsupportedOperation("sendfile")
        self._begin_writing()
        self._uncertain = True
        try:
            if self._descriptor.closed:
                raise ClosedError(self._what)
            sent = os.sendfile(self._sock.fileno(), file, start, min(size, SENDFILE_SIZE))
        except BlockingIOError:
            self._uncertain = False
            return None
        except OSError as error:
            self._uncertain = error.errno is None
            self._check_open()
            if error.errno in _NO_SENDFILE:
                raise io.UnsupportedOperation("sendfile") from error
            raise
        finally:
            self._writing = False
        self._uncertain = False
        return sent

    def want_room(self, until: float | None = None) -> Want:
        """What to wait for: that the socket is writable, or `until` has come."""
        descriptor = self._descriptor
        return descriptor.want_write if until is None else Want(write=descriptor, until=until)

    def _finish(self) -> Flow[None]:
        self._check_open()
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if not isinstance(error, ConnectionError) and error.errno != errno.ENOTCONN:
                raise
            # The peer has closed the connection, so it needs no notice.
        return
        yield  # a flow, though it never waits

    def stop_reading(self, quiet: float = QUIET) -> None:
        """Treat the stream as ended as soon as the peer has sent nothing for `quiet` seconds."""
        self._check_open()
        self._quiet = quiet
        self._descriptor.wake_reader()

    def _last_wait(self, quiet: float) -> Flow[None]:
        """Flow: wait for more bytes; if the pause gets too long, the stream has ended."""
        until = self._moved + quiet
        if not (yield Want(read=self._descriptor, until=until)) and monotonic() >= until:
            self._eof = True

    def lingering_close(self, quiet: float = LINGER) -> Flow[int]:
        """Flow: after `finish`, read and drop all bytes until the peer has finished too, and then close."""
        turns = dropped = 0
        try:
            while True:
                self._check_open()
                try:
                    data = self._sock.recv(RECEIVE_SIZE, self._flags)
                    if not data:
                        return dropped
                    dropped += len(data)
                except BlockingIOError:
                    if not (yield Want(read=self._descriptor, until=monotonic() + quiet)):
                        return dropped
                turns += 1
                if turns % OPERATIONS_PER_TURN == 0:
                    yield PAUSE
        except ConnectionError:
            return dropped  # the peer has closed the connection, so no data can be lost
        finally:
            self.close()

    def close(self) -> None:
        """Release the socket at once, from any thread. Calls that wait on it raise ClosedError."""
        self._descriptor.close()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._descriptor.closed

    @property
    def gone(self) -> Event:
        """Set when the stream is closed."""
        return self._descriptor.gone

    def shutdown(self, how: Shutdown = Shutdown.Write) -> None:
        """End one half of the connection, or both. The peer reads the end of the stream. Never waits."""
        self._check_open()
        self._sock.shutdown(int(how))

    def as_raw_fd(self) -> int:
        """The socket's descriptor number; the stream keeps it. -1 once closed."""
        return self._sock.fileno()

    fileno = as_raw_fd

    def get_socket(self) -> socket.socket:
        """The socket, for its options. Never receive, send or close by it: that is this object's.

        Raises ClosedError.
        """
        self._check_open()
        return self._sock

    def receive_by(self, receive: Callable[[int, int], bytes]) -> None:
        """Receive by `receive(size, flags)` in place of recv(2): for a socket that tells more than bytes.

        It raises BlockingIOError if nothing is there, and returns `b""` at the end.
        """
        buffer = self._buffer
        self._receive_into_buffer = lambda _recv, size, flags: buffer.receive(receive, size, flags)

    def lend(self, watch: Watch) -> socket.socket:
        """The socket, for a loop that receives and sends past this object, while no flow waits here.

        The socket is registered nowhere then. `watch.forget` is called if the stream is closed meanwhile.
        `take_back` ends this. Raises ClosedError.
        """
        self._check_open()
        before, self._descriptor.watch = self._descriptor.watch, watch
        if before is not None:
            before.forget(_nothing)
        return self._sock

    def take_back(self) -> None:
        """The socket is no longer lent, and something may have come."""
        self._descriptor.watch = None
        self._drained = False

    def into_socket(self) -> socket.socket:
        """Give the socket to the caller, and close the stream around it.

        Received bytes that were not read are lost: read them first.
        """
        self._check_open()
        self._descriptor.detach()
        return self._sock

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._describe()}>"

    def _describe(self) -> str:
        return "closed" if self.is_closed else f"fd={self._sock.fileno()}"


def _nothing() -> None:
    return None


def unread(sock: socket.socket) -> int:
    """How many received bytes of a stream socket were not read yet."""
    try:
        import fcntl
        from termios import FIONREAD
    except ImportError:  # Windows: count the bytes that MSG_PEEK shows
        try:
            return len(sock.recv(RECEIVE_SIZE, socket.MSG_PEEK))
        except BlockingIOError:
            return 0
    counted = struct.unpack("i", fcntl.ioctl(sock, FIONREAD, bytes(4)))
    return int(counted[0])


def set_ttl(sock: socket.socket, ttl: int) -> None:
    """Set how many routers a packet may pass (IPv4 TTL, IPv6 hop limit), 1 to 255."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
        try:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)  # for IPv4 on a socket bound to "::"
        except OSError:
            pass  # a system, or a socket, without IPv4 on IPv6 sockets
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)


def ttl_of(sock: socket.socket) -> int:
    """What `set_ttl` set."""
    if sock.family == socket.AF_INET6:
        return sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)
    return sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL)
