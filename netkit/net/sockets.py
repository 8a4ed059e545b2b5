"""What the stream sockets have in common: receiving, sending, half-closing, closing, options.

`SocketStream` writes the three flows of `ByteStream` over one non-blocking socket. Sends never raise
SIGPIPE (Python ignores it) and a socket that this process did not make is used without O_NONBLOCK, by
MSG_DONTWAIT on each call, because that flag belongs to the open file that others may share.
"""

from __future__ import annotations

import enum
import errno
import socket

from netkit.io import OPERATIONS_PER_TURN, PAUSE, Buffer, BusyError, ByteStream, ClosedError, Descriptor, Flow
from netkit.io.stream import RECEIVE_SIZE


class Shutdown(enum.IntEnum):
    """Which half of a connection to end."""

    Read = socket.SHUT_RD
    Write = socket.SHUT_WR
    Both = socket.SHUT_RDWR


class SocketStream(ByteStream):
    """A `ByteStream` over a connected stream socket."""

    def __init__(self, sock: socket.socket, descriptor: Descriptor, *, inherited: bool = False) -> None:
        super().__init__()
        self._sock = sock
        self._descriptor = descriptor
        self._flags = socket.MSG_DONTWAIT if inherited else 0

    # `fill` and `send_all` are ByteStream's, with `_receive` and `_send` written into them: a generator less
    # for each message, which a server feels.

    def fill(self, size: int = 1) -> Flow[bool]:
        """Flow: wait until `size` bytes are in the buffer. False if the stream ends before that."""
        buffer = self._buffer
        if len(buffer) >= size:
            return True
        if self._reading:
            raise BusyError(f"{self._what}'s reading side")
        self._reading = True
        recv, flags = self._sock.recv, self._flags
        turns = 0
        try:
            while not self._eof:
                if self._descriptor.closed:
                    raise ClosedError(self._what)
                try:
                    data = recv(RECEIVE_SIZE, flags)
                except BlockingIOError:
                    yield self._descriptor.want_read
                    continue
                if not data:
                    self._eof = True
                    return False
                buffer.put(data)
                if len(buffer) >= size:
                    return True
                turns += 1
                if turns % OPERATIONS_PER_TURN == 0:
                    yield PAUSE
        finally:
            self._reading = False
        return False

    def send_all(self, data: Buffer) -> Flow[None]:
        """Flow: send all of `data`. Interrupted in the middle, it leaves the stream broken."""
        if type(data) is bytes and data and not self._writing and self._broken is None:
            self._check_open()
            try:
                sent = self._sock.send(data, self._flags)
            except BlockingIOError:
                sent = 0
            if sent == len(data):
                return
            yield from self._send_rest(memoryview(data), sent)
        else:
            yield from super().send_all(data)

    def _receive(self) -> Flow[None]:
        recv = self._sock.recv
        while True:
            self._check_open()
            try:
                data = recv(RECEIVE_SIZE, self._flags)
            except BlockingIOError:
                yield self._descriptor.want_read
                continue
            if data:
                self._buffer.put(data)
            else:
                self._eof = True
            return

    def _send(self, data: memoryview) -> Flow[int]:
        send = self._sock.send
        while True:
            self._check_open()
            try:
                return send(data, self._flags)
            except BlockingIOError:
                yield self._descriptor.want_write

    def _finish(self) -> Flow[None]:
        self._check_open()
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if not isinstance(error, ConnectionError) and error.errno != errno.ENOTCONN:
                raise
            # The peer has gone: there is nobody to tell.
        return
        yield  # a flow, though it never waits

    def close(self) -> None:
        """Release the socket at once, from any thread. Whoever waits on it gets ClosedError."""
        self._descriptor.close()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._descriptor.closed

    def shutdown(self, how: Shutdown = Shutdown.Write) -> None:
        """End one half of the connection, or both. The peer reads the end of the stream. Never waits."""
        self._check_open()
        self._sock.shutdown(int(how))

    def as_raw_fd(self) -> int:
        """The socket's descriptor number; the stream keeps it. -1 once closed."""
        return self._sock.fileno()

    fileno = as_raw_fd

    def into_socket(self) -> socket.socket:
        """Give the socket up to the caller, and close the stream around it.

        What was received and not read yet stays behind: read it first.
        """
        self._check_open()
        self._descriptor.detach()
        return self._sock

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._describe()}>"

    def _describe(self) -> str:
        return "closed" if self.is_closed else f"fd={self._sock.fileno()}"
