"""The stream of octets that an extended CONNECT gives, over one stream of HTTP/2 (RFC 8441, RFC 9113 8.5).

WebSocket over HTTP/2 runs over it, beside the other requests of the connection. Octets are the payload of
DATA frames; the end of a direction is END_STREAM, and what a reset is to TCP is RST_STREAM.

One flow reads while another writes, and either of them may be the one that pumps for the whole connection:
see `h2_channel`. The server may send as much again as is taken here, and no more. Nothing is sent before the
server has accepted, because the stream is made only then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.client.h2_reply import Writer
from netkit.http.connection.events import RequestHead
from netkit.io import BusyError, ByteStream, ClosedError, Event, race
from netkit.io.stream import LINGER, QUIET

if TYPE_CHECKING:
    from netkit.http.client.h2_channel import H2Channel
    from netkit.http.client.h2_reply import H2Reply
    from netkit.io import Flow


def extended_connect(head: RequestHead) -> RequestHead:
    """A request for an upgrade, as HTTP/2 has it (RFC 8441 section 5): the key and its proof do not exist."""
    fields = [field for field in head.fields if field[0].lower() != b"sec-websocket-key"]
    return RequestHead(
        b"CONNECT",
        head.target,
        head.authority,
        head.scheme,
        fields,
        shared=head.shared,
        protocol=head.protocol,
    )


class H2ClientTunnel(ByteStream):
    """A stream of octets between this side and the server's handler of a CONNECT."""

    _what = "HTTP/2 stream"
    is_multiplexed = True

    def __init__(self, channel: H2Channel, reply: H2Reply) -> None:
        super().__init__()
        self._channel = channel
        self._reply = reply
        self._writer = reply.writer = Writer(reply)
        self._gone = Event()

    def __repr__(self) -> str:
        return f"<H2ClientTunnel on stream {self._reply.stream}{' closed' if self.is_closed else ''}>"

    # Reading.

    def _receive(self) -> Flow[None]:
        while not self._take_piece():
            yield from self._channel.wait_flow(self._reply, self._has_come, None)

    def try_fill(self, *, fresh: bool = False) -> bool:  # noqa: ARG002 - it always asks
        """Receive what is there, without waiting. True if octets are in the buffer, or the stream ended."""
        if self._buffer or self._eof:
            return True
        if self._reading:
            raise BusyError(f"{self._what}'s reading side")
        if self._take_piece():
            return True
        self._channel.take_in()
        return self._take_piece()

    def _has_come(self) -> bool:
        reply = self._reply
        return bool(reply.pieces) or reply.is_ended or self.is_closed

    def _take_piece(self) -> bool:
        """Take a piece that is there, or the end. Raises ClosedError, ConnectionResetError."""
        if self.is_closed:
            raise ClosedError(self._what)
        reply = self._reply
        if reply.pieces:
            data, credit = reply.pieces.popleft()
            self._buffer.put(data)
            reply.give_back(credit)
            return True
        self._check_alive()
        self._eof = reply.is_ended
        return self._eof

    def ready_flow(self, event: Event, until: float | None = None) -> Flow[None]:
        """Flow: until there is something to take, `event` is set, or `until` has come."""
        yield from race(self._channel.wait_flow(self._reply, self._has_come, None, until), event.wait())

    def stop_reading(self, quiet: float = QUIET) -> None:
        """No effect: it is for servers."""

    # Writing.

    def _check_alive(self) -> None:
        error = self._reply.error
        if error is not None:
            raise ConnectionResetError(str(error)) from error

    def _send(self, data: memoryview) -> Flow[int]:
        while True:
            if self.is_closed:
                raise ClosedError(self._what)
            self._check_alive()
            if self._reply.is_sent:
                raise BrokenPipeError("the stream was finished")
            if size := self._channel.put(self._reply, data):
                return size
            yield from self._channel.wait_flow(
                self._writer, lambda: self.is_closed or self._channel.may_put(self._reply), None
            )

    def try_send(self, data: bytes | memoryview) -> int:
        """Send as much of `data` as the window and the outbox have room for, without waiting."""
        if self._writing or self.is_closed or self._reply.is_sent:
            return 0
        self._check_alive()
        return self._channel.put(self._reply, memoryview(data))

    @property
    def unsent(self) -> int:
        """How many octets of the connection the system has not taken yet."""
        return 0 if self._reply.error is not None else self._channel.unsent

    def flush(self) -> Flow[None]:
        """Flow: until the system has everything that was written."""
        self._check_alive()
        yield from self._channel.wait_flow(
            self._writer, lambda: self.is_closed or self._channel.is_flushed(), None
        )
        self._check_alive()

    def _finish(self) -> Flow[None]:
        self._channel.end_sending(self._reply)
        if self._reply.error is None:
            yield from self._channel.wait_flow(self._writer, self._channel.is_flushed, None)

    # The end.

    def lingering_close(self, quiet: float = LINGER) -> Flow[int]:  # noqa: ARG002
        """Flow: end the stream; the connection below it goes on, so there is nothing to wait for."""
        self.close()
        return 0
        yield

    def close(self) -> None:
        """End the stream, in both directions; one that the server has not ended is reset (CANCEL)."""
        if self._gone.is_set:
            return
        self._gone.set()
        if self._reply.is_ended:
            self._channel.end_sending(self._reply)
        self._channel.abandon(self._reply)
        self._reply.release()
        self._reply.signal.set()
        self._writer.signal.set()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._gone.is_set

    @property
    def gone(self) -> Event:
        """Set when the stream is closed here."""
        return self._gone
