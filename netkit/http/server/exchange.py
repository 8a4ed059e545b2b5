"""One request and its response, as a handler made of flows has it, over any version of HTTP.

    class Upper:
        def handle_flow(self, exchange: Exchange) -> Flow[None]:
            exchange.begin(200, [(b"content-type", b"text/plain")])
            while piece := (yield from exchange.read_flow()):
                yield from exchange.send_flow(piece.upper())
            yield from exchange.end_flow()

A handler may read and send at the same time, in two branches of a flow. Nothing is read of a body that the
handler does not ask for: so the client is held back (RFC 9112 section 9.3, RFC 9113 section 5.2).
"""

from __future__ import annotations

import io
import os
import stat
from datetime import UTC
from functools import lru_cache
from time import monotonic, time
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from netkit.http.bodies.body import close_source
from netkit.http.errors import HttpError
from netkit.http.server.request import ServerRequest
from netkit.http.server.response import StreamedResponse
from netkit.io import Want

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from netkit.http.bodies.body import Pieces
    from netkit.http.connection.events import FieldList, RequestHead
    from netkit.http.message import Response
    from netkit.http.server.config import ServerConfig
    from netkit.http.server.handling.threads import ThreadPool
    from netkit.http.server.request import ConnectionFacts
    from netkit.io import ByteStream, Flow
    from netkit.io.protocols import Buffer

#: How much of a file is read at once, in octets.
FILE_PIECE = 262_144

#: Statuses that never have a body (RFC 9110 section 15.2, 15.3.5, 15.4.5).
BODILESS = frozenset((204, 304))


def plain_file(file: object) -> int | None:
    """The descriptor of a regular file whose octets are what the system would send of it; else None.

    Not of a file that is also written to: some of it may be in its buffer still.
    """
    raw = file.raw if type(file) is io.BufferedReader else file
    if type(raw) is not io.FileIO:
        return None
    descriptor = raw.fileno()
    return descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


class FirstTurn(Want):
    """What a handler wants that waits for the end of the loop's turn, and for nothing else.

    In so short a time nobody need watch the connection.
    """

    __slots__ = ()


@runtime_checkable
class FlowHandler(Protocol):
    """Answers requests in flows: what every other kind of handler is made into."""

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer the request. Its response has to be over, or broken off, when the flow returns."""


@runtime_checkable
class KeepsHeads(Protocol):
    """A handler that wants `Exchange.head_octets`; others are spared the copy."""

    keeps_heads: bool


@runtime_checkable
class Refuses(Protocol):
    """A handler that words the answers to requests which break the rules of HTTP/1.1."""

    def refused(self, error: Exception) -> Response:
        """The response to a request with that fault; `status_of` says its status."""


class Exchange:
    """A request and its response.

    `head` is what the connection received, `length` how long the body is (None: only its end will tell), and
    `has_body` whether there is one. `max_body` limits what `read_flow` returns in all; a handler may change
    it before it reads. `status` is that of the response, None before it began; `received` and `sent` count
    octets of both bodies, `trailers` are the fields after the request's body once that is over. `note` is a
    text that the handler wants in the log. `failure` is what broke the connection or the stream; `refused` is
    what was wrong with the request, as reading it told: only that is the client's fault.
    """

    __slots__ = (
        "_request",
        "begun",
        "config",
        "connection",
        "failure",
        "has_body",
        "head",
        "is_ended",
        "length",
        "max_body",
        "note",
        "received",
        "refused",
        "sent",
        "status",
        "trailers",
        "version",
    )

    #: Whether it is a `QuickExchange`.
    is_quick = False

    #: Whether other exchanges run on the same connection. Then only flows that its own flow runs may send.
    is_shared = False

    def __init__(
        self,
        config: ServerConfig,
        connection: ConnectionFacts,
        head: RequestHead,
        version: tuple[int, int],
        length: int | None,
        has_body: bool,
    ) -> None:
        self.config = config
        self.connection = connection
        self.head = head
        self.version = version
        self.length = length
        self.has_body = has_body
        self.max_body = config.max_body
        self.begun = monotonic()
        self.status: int | None = None
        self.received = 0
        self.sent = 0
        self.trailers: FieldList = []
        self.is_ended = False
        self.note: str | None = None
        self.failure: Exception | None = None
        self.refused: Exception | None = None
        self._request: ServerRequest | None = None

    @property
    def request(self) -> ServerRequest:
        """The request without its body, made when it is first asked for. Raises as `ServerRequest.of`."""
        if self._request is None:
            try:
                self._request = ServerRequest.of(self.head, self.version, self.connection)
            except HttpError as error:
                self.refused = error
                raise
        return self._request

    @property
    def is_brief(self) -> bool:
        """Whether a wait for an event needs no watch yet; see `brief`."""
        return False

    def gathers_for(self, pool: ThreadPool) -> bool:  # noqa: ARG002
        """Whether the loop will wake a thread of `pool` at the end of its turn."""
        return False

    # The request's body.

    def read_flow(self) -> Flow[bytes]:
        """Flow: the next piece of the body as it comes; `b""` at its end.

        A client that waits for 100 (Continue) is told to go on. Raises HttpError.BodyTooLarge for more than
        `max_body`, HttpError.Timeout, IncompleteMessage, ParseError, and what the connection raises.
        """
        raise NotImplementedError

    def read_all_flow(self) -> Flow[bytes]:
        """Flow: the rest of the body. Raises as `read_flow`."""
        if not self.has_body:
            return b""
        first = yield from self.read_flow()
        if not first:
            return b""
        pieces = [first]
        while piece := (yield from self.read_flow()):
            pieces.append(piece)
        return b"".join(pieces) if len(pieces) > 1 else first

    def _count_received(self, size: int) -> None:
        """So many more octets of the body came. Raises HttpError.BodyTooLarge."""
        self.received += size
        if self.max_body is not None and self.received > self.max_body:
            self.refused = HttpError.BodyTooLarge(self.max_body, fault="peer")
            raise self.refused

    def _check_length(self) -> None:
        """Refuse a body that says itself that it is too long. Raises HttpError.BodyTooLarge."""
        if self.max_body is not None and self.length is not None and self.length > self.max_body:
            self.refused = HttpError.BodyTooLarge(self.max_body, fault="peer")
            raise self.refused

    # The response.

    def interim_flow(self, status: int, fields: Sequence[tuple[bytes, bytes]] = ()) -> Flow[None]:
        """Flow: send a 1xx response before the final one, such as 103 (RFC 8297). Not 101."""
        raise NotImplementedError

    def begin(
        self,
        status: int,
        fields: Sequence[tuple[bytes, bytes]] = (),
        *,
        length: int | None = None,
        end: bool = False,
    ) -> None:
        """Begin the response: its head goes out with the first piece, at the end, or with `flush_flow`.

        `length` of the body, None if only its end will tell; `end`: there is none. Date and Server are added
        unless they are among the fields. Raises ValueError if it has begun, HttpError.InvalidValue for a
        field that cannot be sent or that the connection writes itself (`MANAGED_FIELDS`).
        """
        raise NotImplementedError

    def flush_flow(self) -> Flow[None]:
        """Flow: send what was begun, until the system has it."""
        raise NotImplementedError

    def send_flow(self, data: Buffer, *, end: bool = False) -> Flow[None]:
        """Flow: send octets of the body; `end` with the last of them.

        Of a response that has no body (to HEAD; 204, 304) they are dropped. Raises HttpError.Timeout for a
        client that takes nothing for `write_timeout`.
        """
        raise NotImplementedError

    def send_file_flow(self, file: BinaryIO, start: int, size: int) -> Flow[None]:
        """Flow: send `size` octets of a file from the offset `start` on, as pieces of the body.

        Raises HttpError.InvalidRequest, of the fault `local`, if the file has become shorter.
        """
        file.seek(start)
        while size:
            piece = file.read(min(FILE_PIECE, size))
            if not piece:
                raise HttpError.InvalidRequest("the file became shorter while it was sent", fault="local")
            size -= len(piece)
            yield from self.send_flow(piece)

    def end_flow(self, trailers: Sequence[tuple[bytes, bytes]] = ()) -> Flow[None]:
        """Flow: the response is over; `trailers` follow its body. No effect on one that is over."""
        raise NotImplementedError

    def upgrade_flow(self, status: int, fields: Sequence[tuple[bytes, bytes]] = ()) -> Flow[ByteStream]:
        """Flow: hand the connection over: 101 with Upgrade among the fields, or 2xx to CONNECT.

        Returns the stream of octets that the client and the handler have from now on; over HTTP/2 it is that
        of an extended CONNECT (RFC 8441). The handler returns when it is done with it.
        Raises ValueError for a request that asked for nothing of the kind.
        """
        raise NotImplementedError

    def take_over_flow(self) -> Flow[ByteStream]:
        """Flow: hand over the stream in place of a response: its octets are the handler's own.

        For tests of clients, whose responses are wrong on purpose. The body of the request is to be read
        before. The connection ends when the handler returns. Only over HTTP/1.1: raises ValueError for others
        and for a response that has begun.
        """
        raise ValueError("octets of its own has a response of HTTP/1.1 only")

    @property
    def head_octets(self) -> bytes | None:
        """The head of the request as it came; None over HTTP/2, and if the handler does not set
        `keeps_heads` (see `KeepsHeads`)."""
        return None

    def abort(self, code: int | None = None) -> None:
        """Break the response off, so that the client sees that it is incomplete.

        `code` is what RST_STREAM says over HTTP/2 (RFC 9113 section 7); None is INTERNAL_ERROR.
        """
        raise NotImplementedError

    def gone_flow(self) -> Flow[None]:
        """Flow: until the client is gone, for a handler that waits for something else meanwhile.

        Not while another flow reads. A client that has finished sending counts as gone once its request is
        over, as it does for other servers.
        """
        raise NotImplementedError

    def respond_flow(self, response: Response) -> Flow[None]:
        """Flow: send a whole response.

        Content-Length, Transfer-Encoding and Connection among its headers are not sent as they are: the
        length counts for a response to HEAD, and `Connection: close` closes.
        """
        fields, length, closes = sendable(response)
        if closes:
            self.close_after()
        if isinstance(response, StreamedResponse):
            yield from self._respond_streamed(response, fields, length)
            return
        body = response.body or b""
        if body:
            self.begin(int(response.status), fields, length=len(body))
            yield from self.send_flow(body, end=True)
            return
        if self.head.method == b"HEAD" or response.status == 304:
            self.begin(int(response.status), fields, length=length, end=True)
        else:
            self.begin(int(response.status), fields, end=True)
        yield from self.flush_flow()

    def when_stopping(self, call: Callable[[], object]) -> Callable[[], None]:
        """Have `call` called when the server stops, at once if it does already; it must not wait.

        For a handler of what has no end of its own, such as the stream of `upgrade_flow`. Returns a function
        that takes it back.
        """
        raise NotImplementedError

    def close_after(self) -> None:
        """Close the connection after this response; over HTTP/2, take no further request (GOAWAY)."""
        raise NotImplementedError

    def _respond_streamed(
        self, response: StreamedResponse, fields: FieldList, length: int | None
    ) -> Flow[None]:
        from netkit.http.bodies.body import body_of

        pieces: Pieces | None = None
        try:
            body = body_of(response.source)
            pieces = body.begin()
            self.begin(int(response.status), fields, length=length if body.length is None else body.length)
            if self.is_ended:
                yield from self.flush_flow()
                return
            source = response.source
            if body.length and isinstance(source, io.BufferedReader) and plain_file(source) is not None:
                yield from self.send_file_flow(source, source.tell(), body.length)
                pieces = None
            while pieces is not None and (piece := (yield from pieces.next_flow())):
                yield from self.send_flow(piece)
            yield from self.end_flow(() if response.trailers is None else [*response.trailers()])
        finally:
            if pieces is not None:
                pieces.close()
            close_source(response.source)

    def _standard_fields(self, fields: Sequence[tuple[bytes, bytes]]) -> Sequence[tuple[bytes, bytes]]:
        """The fields with Date and Server (RFC 9110 section 6.6.1, 10.2.4), where they are not among them."""
        return standard_fields(fields, self.config)


def unanswered(exchange: Exchange) -> RuntimeError:
    """The fault of a handler that has returned, and has left its response without an end."""
    if exchange.status is None:
        return RuntimeError("the handler gave no response")
    return RuntimeError("the handler left its response without an end")


def standard_fields(
    fields: Sequence[tuple[bytes, bytes]], config: ServerConfig
) -> Sequence[tuple[bytes, bytes]]:
    """The fields with Date and Server (RFC 9110 section 6.6.1, 10.2.4), where they are not among them."""
    names = [name.lower() for name, _ in fields]
    more = []
    if b"date" not in names:
        more.append((b"date", http_date()))
    if config.server_name is not None and b"server" not in names:
        more.append((b"server", config.server_name.encode("latin-1")))
    return [*more, *fields]


def sendable(response: Response) -> tuple[FieldList, int | None, bool]:
    """The fields of a response that are sent as they are, the length that it announces, and whether it wants
    the connection to be closed. Raises HttpError.InvalidValue for a Content-Length that is no number."""
    return sendable_fields(response.headers.to_items())


def sendable_fields(items: Sequence[tuple[bytes, bytes]]) -> tuple[FieldList, int | None, bool]:
    """The same of the fields alone."""
    length: int | None = None
    closes = False
    fields = []
    for field in items:
        name = field[0].lower()
        if name == b"content-length":
            if not field[1].isdigit() or len(field[1]) > 18:
                raise HttpError.InvalidValue("header Content-Length", "it is no number of octets")
            length = int(field[1])
        elif name == b"connection":
            closes = closes or any(each.strip() == b"close" for each in field[1].lower().split(b","))
        elif name != b"transfer-encoding":
            fields.append(field)
    return fields, length, closes


_date = (0, b"")


def http_date() -> bytes:
    """The value of the field Date, made once a second."""
    global _date
    now = int(time())
    if _date[0] != now:
        _date = (now, _formatted(now))
    return _date[1]


@lru_cache(maxsize=4)
def _formatted(seconds: int) -> bytes:
    from datetime import datetime

    from netkit.http.fields.dates import format_http_date

    return format_http_date(datetime.fromtimestamp(seconds, UTC)).encode()
