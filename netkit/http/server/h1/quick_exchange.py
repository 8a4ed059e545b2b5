"""An exchange of HTTP/1.1 whose request was simple, for as long as its response is simple too.

`FlowLoop` reads a request with the parts of `quick`; `H1Server`, which can do everything, has not seen it.
Most handlers then give their response as a whole. It is written by `quick` too, and sent. Whatever else a
handler asks for (a response in pieces, to HEAD, an interim one, the connection itself) makes this a plain
`H1Exchange` first: `H1Server` is fed the octets of the request, and what was begun is begun again there. So
every rule for the rest stands once, in `H1Exchange`, and a handler sees no difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.connection.events import RequestHead, RequestReceived
from netkit.http.server.exchange import Exchange
from netkit.http.server.h1.exchange import SYSTEM_SENDS_FROM, H1Exchange
from netkit.http.server.h1.quick import CLOSES, LARGEST_BODY
from netkit.http.server.request import ServerRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from netkit.http.message import Response
    from netkit.http.server.h1.flow import H1Serving
    from netkit.http.server.h1.quick import RequestFacts, ResponseWriter
    from netkit.io import ByteStream, Flow
    from netkit.io.protocols import Buffer


class Quick:
    """What a quick exchange has beside: the octets of its request and those behind it (none once somebody
    else has them), what its fields say, and the head of its response once that was begun."""

    __slots__ = ("begun", "closes", "facts", "octets", "rest", "start", "writer")

    def __init__(
        self, octets: bytes, start: int, rest: int, facts: RequestFacts, writer: ResponseWriter
    ) -> None:
        self.octets = octets
        self.start = start  # of this request in the octets
        self.rest = rest  # of what follows it
        self.facts = facts
        self.writer = writer
        self.closes = False
        #: Status, fields and length of a response whose body is still to come.
        self.begun: tuple[int, Sequence[tuple[bytes, bytes]], int] | None = None


class QuickExchange(H1Exchange):
    """An exchange over HTTP/1.1 without a body of the request, of which `H1Server` knows nothing yet."""

    __slots__ = ()

    is_quick = True

    def __init__(
        self, serving: H1Serving, method: bytes, target: bytes, version: tuple[int, int], quick: Quick
    ) -> None:
        facts = quick.facts
        head = RequestHead(method, target, facts.host, b"http", [*facts.others])
        Exchange.__init__(self, serving.config, serving.facts, head, version, None, False)
        self._serving = serving
        self.quick = quick
        self.stream = 0
        self.is_read = True
        self._continues = False
        self._patience_to_read = self._patience_to_send = None

    @property
    def request(self) -> ServerRequest:
        """The request; see `Exchange.request`."""
        if self._request is None:
            head, facts = self.head, self.quick.facts
            self._request = ServerRequest.received(
                head.method,
                head.target,
                facts.version,
                facts.headers,
                None,
                facts.authority,
                self.connection,
            )
        return self._request

    def slow_down(self) -> None:
        """Become a plain exchange: `H1Server` learns of the request, and of what was begun."""
        serving, quick = self._serving, self.quick
        self.__class__ = H1Exchange  # type: ignore[assignment]  # it has the same slots
        octets = quick.octets[quick.start :] if quick.start else quick.octets
        quick.octets = b""
        for event in serving.conn.feed(octets):
            if isinstance(event, RequestReceived) and not self.stream:
                self.stream = event.stream
            else:
                serving.events.append(event)
        if quick.closes:
            serving.conn.goaway()
        if quick.begun is not None:
            status, fields, length = quick.begun
            self.status = None
            H1Exchange.begin(self, status, fields, length=length)

    # What is answered as a whole.

    def respond_flow(self, response: Response) -> Flow[None]:
        """Flow: send a whole response; see `Exchange.respond_flow`."""
        quick = self.quick
        encoded = None
        if self.is_ended:
            raise ValueError("the response has begun")
        if self.status is None and not self._serving.service.retiring.is_set and self.head.method != b"HEAD":
            end = CLOSES if quick.closes else quick.facts.end
            encoded = quick.writer.encode(response, end, is_head=False)
        if encoded is None:
            self.slow_down()
            yield from H1Exchange.respond_flow(self, response)
            return
        octets, status, size, closes = encoded
        self.status = status
        self.sent = size
        yield from self._finished(octets, closes)

    def begin(
        self,
        status: int,
        fields: Sequence[tuple[bytes, bytes]] = (),
        *,
        length: int | None = None,
        end: bool = False,
    ) -> None:
        """Begin the response; see `Exchange.begin`."""
        if self.is_ended:
            raise ValueError("the response has begun")
        if (
            self.status is None
            and not end
            and length
            and 0 < length <= LARGEST_BODY
            and 200 <= status < 600
            and status not in (204, 304, 426)
            and self.head.method != b"HEAD"
            and not self._serving.service.retiring.is_set
        ):
            self.quick.writer.check(fields)
            self.status = status
            self.quick.begun = status, fields, length
        else:
            self.slow_down()
            H1Exchange.begin(self, status, fields, length=length, end=end)

    def send_flow(self, data: Buffer, *, end: bool = False) -> Flow[None]:
        """Flow: send octets of the body; see `Exchange.send_flow`."""
        quick = self.quick
        if self.is_ended:
            yield from self.flush_flow()
        elif quick.begun is not None and len(data) == quick.begun[2] and type(data) is bytes:
            status, fields, size = quick.begun
            quick.begun = None
            self.sent = size
            closes = quick.closes or quick.facts.end is CLOSES
            octets = quick.writer.write(status, fields, data, CLOSES if closes else quick.facts.end)
            yield from self._finished(octets, closes)
        else:
            self.slow_down()
            yield from H1Exchange.send_flow(self, data, end=end)

    def send_file_flow(self, file: BinaryIO, start: int, size: int) -> Flow[None]:
        """Flow: send octets of a file; see `Exchange.send_file_flow`."""
        if size >= SYSTEM_SENDS_FROM and not self.is_ended:
            self.slow_down()  # the system sends them behind a head that has gone
        yield from H1Exchange.send_file_flow(self, file, start, size)

    def _finished(self, octets: bytes, closes: bool) -> Flow[None]:
        """Flow: send the response, which ends the exchange."""
        serving, quick = self._serving, self.quick
        self.is_ended = True
        if closes:
            quick.closes = True
            serving.conn.goaway()
        yield from serving.send_whole_flow(octets)

    def flush_flow(self) -> Flow[None]:
        """Flow: send what was begun."""
        if not self.is_ended:
            self.slow_down()
        yield from H1Exchange.flush_flow(self)

    def end_flow(self, trailers: Sequence[tuple[bytes, bytes]] = ()) -> Flow[None]:
        """Flow: the response is over; see `Exchange.end_flow`."""
        if self.is_ended:
            if self._serving.has_unsent:
                yield from H1Exchange.flush_flow(self)
            return
        self.slow_down()
        yield from H1Exchange.end_flow(self, trailers)

    def close_after(self) -> None:
        """Close the connection after this response."""
        if self.is_ended:
            self._serving.conn.goaway()
        self.quick.closes = True

    # What is not simple.

    def interim_flow(self, status: int, fields: Sequence[tuple[bytes, bytes]] = ()) -> Flow[None]:
        """Flow: send a 1xx response; see `Exchange.interim_flow`."""
        self._leave()
        yield from H1Exchange.interim_flow(self, status, fields)

    def upgrade_flow(self, status: int, fields: Sequence[tuple[bytes, bytes]] = ()) -> Flow[ByteStream]:
        """Flow: hand the connection over; see `Exchange.upgrade_flow`."""
        self._leave()
        return (yield from H1Exchange.upgrade_flow(self, status, fields))

    def take_over_flow(self) -> Flow[ByteStream]:
        """Flow: hand the stream over in place of a response; see `Exchange.take_over_flow`."""
        self._leave()
        return (yield from H1Exchange.take_over_flow(self))

    @property
    def head_octets(self) -> bytes | None:
        """The head of the request as it came; see `Exchange.head_octets`."""
        self._leave()
        return self._serving.conn.head_octets

    def abort(self, code: int | None = None) -> None:
        """Break the response off, so that the client sees that it is incomplete."""
        if not self.is_ended:
            self.slow_down()
            H1Exchange.abort(self, code)

    def gone_flow(self) -> Flow[None]:
        """Flow: until the client is gone; see `Exchange.gone_flow`."""
        self._leave()
        yield from H1Exchange.gone_flow(self)

    def _leave(self) -> None:
        """Become a plain exchange, unless all has been said; then let the stream have what came early."""
        quick = self.quick
        if not self.is_ended:
            self.slow_down()
        else:
            self._serving.stream.put_back(quick.octets[quick.rest :])
            quick.octets = b""
