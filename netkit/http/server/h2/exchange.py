"""One exchange over HTTP/2: a stream's request and response, as a handler of flows has them.

RFC 9113 section 8.1 (messages, early responses), 8.5 and RFC 8441 (CONNECT); RFC 9110 section 10.1.1.

What is received lies in `pieces` until the handler takes it, and only then may the client send as much again.
What is sent goes into the protocol object as far as the client's window and the connection's outbox have
room. The decision a reader would wonder about: a wait for the window counts against the client's patience,
stream by stream; a wait for the outbox does not, because there other streams of the same client are first,
and the connection itself looks whether the client takes anything at all.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from netkit.http.connection.errors import ErrorCode
from netkit.http.connection.events import MANAGED_FIELDS, values_of
from netkit.http.connection.h2_rules import CONNECTION_FIELDS
from netkit.http.errors import HttpError
from netkit.http.server.exchange import BODILESS, Exchange, http_date, sendable
from netkit.http.server.h2.tunnel import SEND_SIZE, H2Tunnel
from netkit.http.server.patience import Patience
from netkit.io import OPERATIONS_PER_TURN, PAUSE, Event, Want

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.http.connection.events import FieldList, RequestReceived
    from netkit.http.message import Response
    from netkit.http.server.h2.flow import H2Serving
    from netkit.io import ByteStream, Flow
    from netkit.io.compose import Branch
    from netkit.io.protocols import Buffer

VERSION = (2, 0)

#: The fields of a response that are looked at.
_OWN_FIELDS = frozenset((*MANAGED_FIELDS, *CONNECTION_FIELDS, b"date", b"server"))


class H2Exchange(Exchange):
    """An exchange over HTTP/2.

    `branch` is the handler's flow, once it runs. `pieces` and `has_come` (the request is over) are what the
    connection received for it; `arrived` and `may_send` are set for those who wait.
    """

    __slots__ = (
        "_continues",
        "_gone",
        "_left",
        "_reading",
        "_serving",
        "_watchers",
        "_writing",
        "arrived",
        "branch",
        "has_come",
        "is_read",
        "may_send",
        "pieces",
        "stream",
        "tunnel",
        "waits_for_window",
    )

    is_shared = True

    def __init__(self, serving: H2Serving, event: RequestReceived) -> None:
        is_connect = event.head.method == b"CONNECT"
        has_body = not (event.end or is_connect)
        super().__init__(serving.config, serving.facts, event.head, VERSION, event.length, has_body)
        self._serving = serving
        self.stream = event.stream
        self.branch: Branch[None] | None = None
        self.pieces: deque[tuple[bytes, int]] = deque()
        self.has_come = event.end
        self.is_read = not has_body
        self.tunnel: H2Tunnel | None = None  # the stream that the handler got after CONNECT
        self.arrived: Event | None = None
        self.may_send: Event | None = None
        self._gone: Event | None = None
        self._watchers = 0
        self.waits_for_window = False
        self._continues = has_body and any(
            value.lower() == b"100-continue" for value in values_of(event.head.fields, b"expect")
        )
        self._left: int | None = None  # octets of the response still to be sent, where a length was given
        self._reading: Patience | None = None
        self._writing: Patience | None = None

    # The request's body.

    def read_flow(self) -> Flow[bytes]:
        """Flow: the next piece of the body; see `Exchange.read_flow`."""
        if self.is_read:
            return b""
        self._check_length()
        while True:
            if self.pieces:
                data, credit = self.pieces.popleft()
                self._serving.conn.consumed(self.stream, credit)
                self._count_received(len(data))
                return data
            if self.failure is not None:
                raise self.failure
            if self.has_come:
                self.is_read = True
                return b""
            if self._continues:
                yield from self.interim_flow(100)
                continue
            if self._reading is None:
                self._reading = Patience(self.config.body_timeout, self.config.min_rate)
            self._reading.done = self.received
            yield from self.wait_for_octets(self._reading)

    def wait_for_octets(self, patience: Patience) -> Flow[None]:
        """Flow: until something came for the stream. Raises HttpError.Timeout when the patience is over."""
        if self.arrived is None:
            self.arrived = Event()
        self.arrived.clear()
        begun = monotonic()
        until = patience.until(begun)
        is_woken = yield Want(event=self.arrived, until=until)
        now = monotonic()
        patience.spend(now - begun)
        if not is_woken and until is not None and now >= until:
            self.refused = HttpError.Timeout(patience.timeout, "waiting for a body", fault="peer")
            self._serving.service.fault(self.connection, self.refused)
            raise self.refused

    # The response.

    def interim_flow(self, status: int, fields: Sequence[tuple[bytes, bytes]] = ()) -> Flow[None]:
        """Flow: send a 1xx response. HTTP/2 has no 101 (RFC 9113 section 8.6)."""
        if status == 101:
            raise ValueError("HTTP/2 has no 101; upgrade_flow answers an extended CONNECT with 200")
        self._serving.conn.respond(self.stream, status, fields, end=False)
        if status == 100:
            self._continues = False
        yield from self.flush_flow()

    def begin(
        self,
        status: int,
        fields: Sequence[tuple[bytes, bytes]] = (),
        *,
        length: int | None = None,
        end: bool = False,
    ) -> None:
        """Begin the response; see `Exchange.begin`.

        Fields that concern a connection of HTTP/1.1 alone, such as Keep-Alive, are left out (RFC 9113 section
        8.2.2).
        """
        if self.status is not None:
            raise ValueError("the response has begun")
        if self.head.method == b"HEAD" or status in BODILESS:
            end = True
        elif end:
            length = 0 if length is None else length
        elif length == 0:
            end = True
        self._serving.conn.respond(self.stream, status, self._fields(fields), end=end, length=length)
        self.status = status
        self.is_ended = end
        self._left = length

    def _fields(self, fields: Sequence[tuple[bytes, bytes]]) -> FieldList:
        """The fields as they are sent, with Date and Server (RFC 9110 section 6.6.1, 10.2.4)."""
        sent = []
        has_date = has_server = False
        for name, value in fields:
            lower = name.lower()
            if lower in _OWN_FIELDS:
                if lower in MANAGED_FIELDS:
                    reason = "the connection writes this field itself, from what it is told"
                    raise HttpError.InvalidValue(f"header {name.decode('latin-1')}", reason)
                if lower in CONNECTION_FIELDS:
                    continue
                has_date = has_date or lower == b"date"
                has_server = has_server or lower == b"server"
            sent.append((lower, value))
        if not has_server and (server := self._serving.server_name) is not None:
            sent.append((b"server", server))
        if not has_date:
            sent.append((b"date", http_date()))
        return sent

    def flush_flow(self) -> Flow[None]:
        """Flow: until the outbox of the connection has room again; the connection sends what is in it."""
        serving = self._serving
        while serving.is_crowded:
            yield from self._wait_for_outbox()

    def send_flow(self, data: Buffer, *, end: bool = False) -> Flow[None]:
        """Flow: send octets of the body; see `Exchange.send_flow`."""
        if self.is_ended or self.failure is not None:
            if self.failure is not None:
                raise self.failure
            return
        if self.status is None:
            raise ValueError("the response has not begun")
        size = len(data) if type(data) is bytes else memoryview(data).nbytes
        if self._left is not None:
            if size > self._left or (end and size < self._left):
                raise ValueError(f"the response has {self._left} octets left, not {size}")
            self._left -= size
            end = not self._left
        serving = self._serving
        if size <= SEND_SIZE and not serving.is_crowded and size <= serving.conn.room(self.stream):
            serving.put(self.stream, data, size, end=end)
            self.sent += size
        else:
            yield from self.send_pieces(memoryview(data).cast("B"), end=end)
        self.is_ended = end

    def respond_flow(self, response: Response) -> Flow[None]:
        """Flow: send a whole response; see `Exchange.respond_flow`. Most bodies go at once."""
        body = response.body
        if not body or len(body) > SEND_SIZE or self._serving.is_crowded or self.status is not None:
            yield from super().respond_flow(response)
            return
        fields, _, closes = sendable(response)
        if closes:
            self.close_after()
        self.begin(int(response.status), fields, length=len(body))
        if not self.is_ended:
            yield from self.send_flow(body, end=True)

    def send_pieces(self, view: memoryview, *, end: bool) -> Flow[None]:
        """Flow: send octets as far as the window and the outbox have room, until all are sent.

        Raises HttpError.Timeout for a client that gives the stream no window, and what broke the stream.
        """
        serving, stream = self._serving, self.stream
        turns = 0
        while view:
            room = 0 if serving.is_crowded else min(serving.conn.room(stream), len(view), SEND_SIZE)
            if not room:
                if self._writing is None:
                    self._writing = Patience(self.config.write_timeout, self.config.min_rate)
                self._writing.done = self.sent
                yield from self.wait_to_send(self._writing)
            else:
                serving.put(stream, view[:room], room, end=end and room == len(view))
                view = view[room:]
                self.sent += room
                turns += 1
                if turns % OPERATIONS_PER_TURN == 0:
                    yield PAUSE
            if self.failure is not None:
                raise self.failure

    def wait_to_send(self, patience: Patience) -> Flow[None]:
        """Flow: until some octets may go. Raises HttpError.Timeout if the window is shut for too long."""
        if self._serving.is_crowded:
            yield from self._wait_for_outbox()
            return
        want = self.want_to_send()
        begun = monotonic()
        want.until = until = patience.until(begun)
        is_woken = yield want
        self.waits_for_window = False
        now = monotonic()
        patience.spend(now - begun)
        if not is_woken and until is not None and now >= until:
            raise HttpError.Timeout(patience.timeout, "sending a response", fault="peer")

    def _wait_for_outbox(self) -> Flow[None]:
        """Flow: until there is room in the outbox, as far as this stream is concerned."""
        if self._serving.push():
            yield self.want_to_send()
        if self.failure is not None:
            raise self.failure

    def want_to_send(self) -> Want:
        """What to wait for: room in the outbox, or in the window of the stream if the outbox has some."""
        if self.may_send is None:
            self.may_send = Event()
        self.may_send.clear()
        if self._serving.is_crowded:
            self._serving.crowd.append(self)
        else:
            self.waits_for_window = True
        return Want(event=self.may_send)

    def end_flow(self, trailers: Sequence[tuple[bytes, bytes]] = ()) -> Flow[None]:
        """Flow: the response is over; see `Exchange.end_flow`."""
        if self.status is None:
            raise ValueError("the response has not begun")
        if self.failure is not None:
            raise self.failure
        if self.is_ended:
            return
        if self._left:
            raise ValueError(f"the response has {self._left} octets left")
        if trailers:
            self._serving.conn.trailers(self.stream, trailers)
        else:
            self._serving.conn.send(self.stream, b"", end=True)
        self.is_ended = True
        yield from self.flush_flow()

    def upgrade_flow(self, status: int, fields: Sequence[tuple[bytes, bytes]] = ()) -> Flow[ByteStream]:
        """Flow: the stream of octets after CONNECT; see `Exchange.upgrade_flow`.

        `status` is 2xx, also for a `protocol` for which HTTP/1.1 has 101 (RFC 8441 section 5). When the
        handler returns, what it has not ended of the stream is ended.
        """
        if self.head.method != b"CONNECT":
            raise ValueError("over HTTP/2 only CONNECT asks for a stream of octets")
        if not 200 <= status < 300:
            raise ValueError(f"{status} refuses a CONNECT")
        if self.status is not None:
            raise ValueError("the response has begun")
        self._serving.conn.respond(self.stream, status, self._fields(fields), end=False)
        self.status = status
        self.is_ended = True
        self.tunnel = H2Tunnel(self, self._serving)
        yield from self.flush_flow()
        return self.tunnel

    def abort(self, code: int | None = None) -> None:
        """Break the response off: RST_STREAM, with INTERNAL_ERROR unless it is told another code."""
        self._serving.conn.reset(self.stream, ErrorCode.INTERNAL_ERROR if code is None else code)
        self.is_ended = self.has_come = self.is_read = True

    def when_stopping(self, call: Callable[[], object]) -> Callable[[], None]:
        """Have `call` called when the server stops; see `Exchange.when_stopping`."""
        return self._serving.service.when_stopping(call)

    def close_after(self) -> None:
        """Take no further request on the connection: GOAWAY."""
        self._serving.leave()

    def gone_flow(self) -> Flow[None]:
        """Flow: until the client has given the stream up, or the connection is over.

        A handler that waits for this is not closed where it waits when that happens: it has been told.
        """
        if self.failure is not None:
            return
        if self._gone is None:
            self._gone = Event()
        self._watchers += 1
        try:
            yield from self._gone.wait()
        finally:
            self._watchers -= 1

    @property
    def is_watched(self) -> bool:
        """Whether the handler waits in `gone_flow`."""
        return self._watchers > 0

    # What the connection says.

    def told(self) -> None:
        """Wake whoever waits for octets of the request."""
        if self.arrived is not None:
            self.arrived.set()

    def let(self) -> None:
        """Wake whoever waits to send."""
        if self.may_send is not None:
            self.may_send.set()

    def fail(self, error: Exception) -> None:
        """The stream is over because of `error`: wake everybody."""
        if self.failure is None:
            self.failure = error
        self.has_come = True
        self.pieces.clear()
        self.told()
        self.let()
        self.left()

    def left(self) -> None:
        """The client is gone, or sends nothing more: tell whoever waits for that."""
        if self._gone is not None:
            self._gone.set()
