"""An exchange over HTTP/1.1: what a handler asks for, in terms of the connection.

RFC 9112 section 6 and 7 (bodies), 9.6 (closing); RFC 9110 section 7.8 (upgrade), 10.1.1 (Expect), 15.2 (1xx).

100 (Continue) is sent when the handler reads, never before: a handler that answers without reading spares its
client the body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.errors import NetkitError
from netkit.http.connection.events import Broken, Data, End, values_of
from netkit.http.errors import HttpError
from netkit.http.parser.framing import makes_tunnel
from netkit.http.server.exchange import Exchange, plain_file
from netkit.http.server.patience import Patience
from netkit.io import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from netkit.http.connection.events import RequestReceived
    from netkit.http.server.h1.flow import H1Serving
    from netkit.http.server.h1.quick_exchange import Quick
    from netkit.http.server.handling.threads import ThreadPool
    from netkit.io import ByteStream, Flow
    from netkit.io.protocols import Buffer

#: Octets of further requests that are received while a handler waits for the client to go.
MOST_HELD = 65_536


#: Files from so many octets on are sent by the system: smaller ones go out with their heads.
SYSTEM_SENDS_FROM = 65_536


class H1Exchange(Exchange):
    """An exchange over HTTP/1.1."""

    __slots__ = (
        "_continues",
        "_patience_to_read",
        "_patience_to_send",
        "_serving",
        "is_read",
        "quick",
        "stream",
    )

    quick: Quick

    def __init__(self, serving: H1Serving, event: RequestReceived) -> None:
        super().__init__(
            serving.config, serving.facts, event.head, event.version, event.length, not event.end
        )
        self._serving = serving
        self.stream = event.stream
        self.is_read = event.end  # whether the body is over
        # RFC 9110 section 10.1.1: to a client of HTTP/1.0, the expectation is ignored.
        self._continues = not event.end and event.version >= (1, 1) and _expects(event.head.fields)
        # For what is read, and for what is sent: made when it is needed.
        self._patience_to_read: Patience | None = None
        self._patience_to_send: Patience | None = None

    @property
    def _reading(self) -> Patience:
        patience = self._patience_to_read
        if patience is None:
            config = self.config
            self._patience_to_read = patience = Patience(config.body_timeout, config.min_rate)
        return patience

    @property
    def _writing(self) -> Patience:
        patience = self._patience_to_send
        if patience is None:
            config = self.config
            self._patience_to_send = patience = Patience(config.write_timeout, config.min_rate)
        return patience

    @property
    def is_brief(self) -> bool:
        """Whether a wait for an event needs no watch yet; see `brief`."""
        return self._serving.is_brief

    def gathers_for(self, pool: ThreadPool) -> bool:
        """Whether the loop will wake a thread of `pool` at the end of its turn."""
        serving = self._serving
        return serving.is_brief and serving.place is not None and serving.place.gathers_for(pool)

    def read_flow(self) -> Flow[bytes]:
        """Flow: the next piece of the body; see `Exchange.read_flow`."""
        serving = self._serving
        if self.is_read:
            return b""
        self._check_length()
        while True:
            while serving.events:
                event = serving.events.popleft()
                if isinstance(event, Data):
                    self._continues = False  # it did not wait
                    self._count_received(len(event.data))
                    return event.data
                if isinstance(event, End):
                    self.trailers = event.trailers
                    self.is_read = True
                    return b""
                if isinstance(event, Broken):
                    self.is_read = True
                    self.refused = event.error
                    serving.service.fault(serving.facts, event.error)
                    if self.is_ended:
                        serving.conn.reset(event.stream)  # it could be answered, but was answered already
                    raise event.error
            if self._continues:
                self._continues = False
                serving.conn.respond(self.stream, 100, (), end=False)
                yield from serving.flush_beside_flow()
            self._reading.done = self.received
            try:
                yield from serving.receive_flow(self._reading)
            except HttpError.Timeout as error:
                self.refused = error
                serving.service.fault(serving.facts, error)
                raise

    def interim_flow(self, status: int, fields: Sequence[tuple[bytes, bytes]] = ()) -> Flow[None]:
        """Flow: send a 1xx response; see `Exchange.interim_flow`."""
        if not 100 <= status < 200 or status == 101:
            raise ValueError(f"{status} is no interim response; upgrade_flow sends 101")
        self._serving.conn.respond(self.stream, status, fields, end=False)
        if status == 100:
            self._continues = False
        yield from self._serving.flush_flow(self._writing)

    def begin(
        self,
        status: int,
        fields: Sequence[tuple[bytes, bytes]] = (),
        *,
        length: int | None = None,
        end: bool = False,
    ) -> None:
        """Begin the response; see `Exchange.begin`."""
        serving = self._serving
        conn = serving.conn
        if self.status is not None:
            raise ValueError("the response has begun")
        if status < 200 or makes_tunnel(self.head.method, status):
            raise ValueError(f"{status} to {self.head.method.decode()} is no response of its own")
        if not self.is_read:
            left = conn.body_left
            if left != 0 and (self._continues or (left or 0) > serving.config.max_unread):
                # A client that was not told to go on may or may not send what it announced (RFC 9110 section
                # 10.1.1), and to receive much for nothing costs more than a new connection.
                conn.goaway()
            self._continues = False
        if serving.service.retiring.is_set and not conn.held:
            conn.goaway()
        conn.respond(self.stream, status, self._standard_fields(fields), end=end, length=length)
        self.status = status
        self.is_ended = conn.room(self.stream) == 0

    def flush_flow(self) -> Flow[None]:
        """Flow: send what was begun."""
        yield from self._serving.flush_flow(self._writing)

    def send_flow(self, data: Buffer, *, end: bool = False) -> Flow[None]:
        """Flow: send octets of the body; see `Exchange.send_flow`."""
        conn = self._serving.conn
        if self.is_ended:
            if self._serving.has_unsent:
                yield from self.flush_flow()
            return
        conn.send(self.stream, data, end=end)
        self.sent += len(data)
        self.is_ended = conn.room(self.stream) == 0
        yield from self.flush_flow()

    def send_file_flow(self, file: BinaryIO, start: int, size: int) -> Flow[None]:
        """Flow: send octets of a file; see `Exchange.send_file_flow`.

        The system sends them where it can, which takes less than half the work (measured in
        `benchmarks/http_files.py`): over a plain socket, or where the kernel encrypts, of a body with a known
        length.
        """
        serving = self._serving
        conn = serving.conn
        descriptor: int | None = None
        if size >= SYSTEM_SENDS_FROM and conn.is_sized(self.stream):
            descriptor = plain_file(file)
        if descriptor is not None and serving.file_socket is not None:
            conn.fits(self.stream, size)
            yield from self.flush_flow()
            left = yield from serving.send_file_flow(self, descriptor, start, size, self._writing)
            start, size = start + size - left, left
            self.is_ended = conn.room(self.stream) == 0
        if size:
            yield from super().send_file_flow(file, start, size)

    def end_flow(self, trailers: Sequence[tuple[bytes, bytes]] = ()) -> Flow[None]:
        """Flow: the response is over; see `Exchange.end_flow`."""
        conn = self._serving.conn
        if self.status is None:
            raise ValueError("the response has not begun")
        if not self.is_ended:
            if trailers:
                conn.trailers(self.stream, trailers)
            else:
                conn.send(self.stream, b"", end=True)
            self.is_ended = True
        yield from self.flush_flow()

    def upgrade_flow(self, status: int, fields: Sequence[tuple[bytes, bytes]] = ()) -> Flow[ByteStream]:
        """Flow: hand the connection over; see `Exchange.upgrade_flow`."""
        serving = self._serving
        if status != 101 and not makes_tunnel(self.head.method, status):
            raise ValueError(f"{status} to {self.head.method.decode()} hands no connection over")
        yield from serving.confirm_flow()
        serving.conn.respond(self.stream, status, self._standard_fields(fields), end=False)
        self.status = status
        self.is_ended = True
        serving.handed_over = True
        yield from serving.flush_flow(self._writing)
        serving.stream.put_back(serving.conn.rest())
        return serving.stream

    def take_over_flow(self) -> Flow[ByteStream]:
        """Flow: hand the stream over in place of a response; see `Exchange.take_over_flow`."""
        serving = self._serving
        if self.status is not None or not self.is_read:
            raise ValueError("the response has begun" if self.is_read else "the body is to be read before")
        yield from serving.confirm_flow()
        yield from serving.flush_flow(self._writing)
        self.is_ended = True
        serving.handed_over = True
        return serving.stream

    @property
    def head_octets(self) -> bytes | None:
        """The head of the request as it came; see `Exchange.head_octets`."""
        return self._serving.conn.head_octets

    def abort(self, code: int | None = None) -> None:  # noqa: ARG002 - HTTP/1.1 has no codes
        """Break the response off: the connection ends without the end of the message."""
        serving = self._serving
        if not self.is_ended:
            serving.wants_reset = serving.conn.ends_by_close
            self.is_ended = True
        serving.conn.reset(self.stream)

    def when_stopping(self, call: Callable[[], object]) -> Callable[[], None]:
        """Have `call` called when the server stops; see `Exchange.when_stopping`."""
        return self._serving.service.when_stopping(call)

    def close_after(self) -> None:
        """Close the connection after this response."""
        self._serving.conn.goaway()

    def gone_flow(self) -> Flow[None]:
        """Flow: until the client is gone; see `Exchange.gone_flow`."""
        serving = self._serving
        stream = serving.stream
        while not self.is_read and (yield from self.read_flow()):
            pass
        try:
            held = len(stream.peek())
            while (yield from stream.fill(held + 1)):
                held = len(stream.peek())
                if held > MOST_HELD:
                    yield from stream.gone.wait()
        except BusyError:
            raise
        except (OSError, EOFError, NetkitError) as error:
            serving.failure = self.failure = error


def _expects(fields: Sequence[tuple[bytes, bytes]]) -> bool:
    return any(value.lower() == b"100-continue" for value in values_of(fields, b"expect"))
