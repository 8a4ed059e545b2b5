"""HTTP/1.1 as protocol objects without I/O: `H1Client` and `H1Server` (RFC 9112).

    client = H1Client()
    stream = client.request(RequestHead(b"GET", b"/", b"example.com"), end=True)
    sock.sendall(client.take())
    while not done:
        for event in client.feed(sock.recv(65536)):
            match event:
                case ResponseHead(status=status, fields=fields, end=end): ...
                case Data(data=data): ...
                case End() | Broken(): done = True

This is the pattern of all connections here: octets go in by `feed`, events come out; octets to send come out
of `take`. RFC 9112 section 9.3 (persistence), 9.3.2 (pipelining), RFC 9110 section 7.8 (Upgrade), 9.3.6
(CONNECT), 15.2 (1xx).

One message in each direction is under way at a time. A client begins no request before the response to the
last one is over, because a response that never comes, or comes twice, would then belong to the wrong request.
A server keeps requests that come early in its buffer, and reads the next one when the response before it is
complete: so responses go in order.

A large body need not pass through these objects. `direct` says how many octets of it a caller may receive
into its own buffer; `received` tells that it did. `sent` does the same for a body that is sent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netkit.http.connection.errors import ConnectionFault, ErrorCode, IncompleteMessage
from netkit.http.connection.events import (
    UNLIMITED,
    Broken,
    Data,
    End,
    Interim,
    RequestHead,
    RequestReceived,
    ResponseHead,
    Upgraded,
    encode_lines,
)
from netkit.http.connection.h1_halves import Incoming, Outgoing
from netkit.http.connection.limits import DEFAULT_LIMITS
from netkit.http.errors import HttpError
from netkit.http.framing import (
    RESPONSE_DEFAULT,
    TCHAR,
    Framing,
    Lenient,
    connection_persists,
    makes_tunnel,
)
from netkit.http.parse_errors import ParseError
from netkit.http.parser import HttpParser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.connection.events import Events, FieldList
    from netkit.http.connection.limits import ConnectionLimits
    from netkit.io.protocols import Buffer

__all__ = ["Data", "End", "H1Client", "H1Server"]

_START = re.compile(rb"[" + TCHAR + rb"]++ [!-~]++").fullmatch
_HOST = re.compile(rb"[A-Za-z0-9\-._~!$&'()*+,;=%:\[\]]*+").fullmatch

#: Fields that frame a message or manage the connection. They are written here, from the facts.
_OURS = frozenset((b"content-length", b"transfer-encoding", b"connection", b"host", b"keep-alive"))

#: Methods whose requests have content by their nature: without it they say Content-Length: 0.
_WITH_CONTENT = frozenset((b"POST", b"PUT", b"PATCH"))


class _Connection:
    """What both roles share: the two halves, and whether the connection lasts."""

    __slots__ = (
        "_broken",
        "_closing",
        "_incoming",
        "_limits",
        "_outgoing",
        "_receiving",
        "_sending",
        "_stream",
    )

    def __init__(self, parser: HttpParser, limits: ConnectionLimits, lenient: Lenient) -> None:
        self._limits = limits
        self._incoming = Incoming(parser, limits, lenient)
        self._outgoing = Outgoing()
        self._stream = 0
        self._receiving = False  # a message is expected, or on its way
        self._sending = False  # a message is on its way out
        self._closing = False  # after the messages under way, nothing follows
        self._broken = False

    # Sending

    @property
    def has_output(self) -> bool:
        """Whether `take` has something."""
        return self._outgoing.has_output

    def take(self) -> bytes:
        """The octets to send, in order, each once; `b""` where there is nothing."""
        return self._outgoing.take()

    def room(self, stream: int) -> int:
        """How many octets of body may be sent now: HTTP/1.1 has no limit."""
        return UNLIMITED if stream == self._stream and self._outgoing.framing is not None else 0

    def send(self, stream: int, data: Buffer, *, end: bool = False) -> None:
        """Send octets of the body; `end` with the last of them.

        Raises ValueError if no body is under way, or if the octets do not fit the announced length.
        """
        self._check(stream)
        self._outgoing.send(data, end=end)
        self._look_at_end()

    def trailers(self, stream: int, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """End the message with these fields. A body that is not chunked ends without them."""
        self._check(stream)
        self._outgoing.trailers(fields)
        self._look_at_end()

    def fits(self, stream: int, size: int, *, end: bool = False) -> None:
        """Raise ValueError if so many more octets of a body with a known length do not fit that length."""
        self._check(stream)
        self._outgoing.fits(size, end=end)

    def sent(self, stream: int, size: int) -> None:
        """So many octets of a body with a known length were sent past `take`."""
        self._check(stream)
        self._outgoing.passed(size)
        self._look_at_end()

    def _look_at_end(self) -> None:
        if self._outgoing.framing is None:
            self._sending = False
            self._turn()

    def _check(self, stream: int) -> None:
        if stream != self._stream or not self._sending:
            raise ValueError(f"no body of stream {stream} is under way")

    # Receiving

    def consumed(self, stream: int, credit: int) -> None:
        """HTTP/1.1 has no flow control of its own: reading no further is what holds the peer back."""

    @property
    def direct(self) -> int:
        """How many octets of the body a caller may receive past `feed`; 0 where they must be fed."""
        return 0 if self._broken else self._incoming.direct

    def received(self, size: int) -> Events:
        """So many octets of the body were received past `feed`: at most `direct`."""
        events: Events = []
        if self._incoming.received(size, self._stream, events):
            self._receiving = False
            self._turn()
        return events

    # The end

    def reset(self, stream: int, code: int = ErrorCode.CANCEL) -> None:  # noqa: ARG002
        """Give up the message under way. HTTP/1.1 can only close the connection for that."""
        if stream == self._stream and (self._sending or self._receiving):
            self._broken = True

    @property
    def in_flight(self) -> int:
        """1 while a message is under way, else 0."""
        return int(self._sending or self._receiving)

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can come of the connection."""
        return self._broken or (self._closing and not self._sending and not self._receiving)

    @property
    def is_broken(self) -> bool:
        """Whether the connection ended inside a message."""
        return self._broken

    def _turn(self) -> None:
        """A half has finished its message."""
        raise NotImplementedError

    def _break(self, events: Events, error: ParseError | HttpError) -> None:
        self._broken = True
        code = error.code if isinstance(error, ConnectionFault) else None
        events.append(Broken(error, code, self._stream))


class H1Client(_Connection):
    """The client's side of a connection of HTTP/1.1.

    `lenient` is what the parser of responses tolerates. Whatever octets the server sends without being asked
    make the connection unusable for a next request: they could be an answer that somebody else caused.
    """

    __slots__ = ("_interim", "_method", "_upgrade", "answered")

    def __init__(
        self, limits: ConnectionLimits = DEFAULT_LIMITS, *, lenient: Lenient = RESPONSE_DEFAULT
    ) -> None:
        parser = HttpParser.response(
            lenient=lenient,
            max_request_line=limits.max_start_line,
            max_header_line=limits.max_header_list,
            max_headers_total=limits.max_header_list,
            max_header_count=limits.max_header_count,
        )
        super().__init__(parser, limits, lenient)
        self._interim = 0
        self._method = b""
        self._upgrade = False
        #: Whether an octet of the response to the last request has come.
        self.answered = False

    @property
    def can_request(self) -> bool:
        """Whether a new request may begin now: nothing is under way, and nothing came unasked."""
        return not (
            self._sending or self._receiving or self._closing or self._broken or self._incoming.pending
        )

    def request(self, head: RequestHead, *, end: bool, length: int | None = None) -> int:
        """Begin a request, and return its stream.

        `end`: it has no body. A body with a `length` is framed by Content-Length, any other is chunked
        (RFC 9112 section 6). A `protocol` in the head asks for an upgrade to it (RFC 9110 section 7.8).
        Raises HttpError.InvalidRequest for a head that cannot be sent, or if no request may begin now.
        """
        if not self.can_request:
            raise HttpError.InvalidRequest("the connection is not free for a request")
        method = head.method
        start = b"%b %b" % (method, head.authority if method == b"CONNECT" else head.target)
        if _START(start) is None or _HOST(head.authority) is None:
            raise HttpError.InvalidRequest("its method, target or authority cannot stand in a request")
        shared = b"" if head.shared is None else head.shared.lines
        lines = encode_lines(head.fields) if head.fields else b""
        framing: Framing | None = None
        more = b""
        if not end:
            framing = Framing.CHUNKED if length is None else Framing.LENGTH
            more = b"Transfer-Encoding: chunked\r\n" if length is None else b"Content-Length: %d\r\n" % length
            if length == 0:
                framing = None
        elif method in _WITH_CONTENT:
            more = b"Content-Length: 0\r\n"  # RFC 9110 section 8.6
        self._upgrade = head.protocol is not None
        if head.protocol is not None:
            more += b"Connection: Upgrade\r\nUpgrade: %b\r\n" % head.protocol
        elif head.closes:
            more += b"Connection: close\r\n"
            self._closing = True
        self._outgoing.begin(
            b"%b HTTP/1.1\r\nHost: %b\r\n%b%b%b\r\n" % (start, head.authority, shared, lines, more),
            framing,
            length or 0,
        )
        self._stream += 1
        self._sending = framing is not None
        self._receiving = True
        self._method = method
        self._interim = 0
        self.answered = False
        incoming = self._incoming
        incoming.drop_taken()
        incoming.parser.reset(0, request_method=method)
        return self._stream

    def feed(self, data: Buffer) -> Events:
        """What the received octets mean."""
        events: Events = []
        if self._broken:
            return events
        incoming = self._incoming
        incoming.put(data)
        if not self._receiving:
            return events  # unasked: `can_request` is false from now on
        self.answered = self.answered or bool(data)
        try:
            if incoming.framing is None and not self._read_head(events):
                return events
            if incoming.framing is not None:
                if incoming.read_body(self._stream, events):
                    self._receiving = False
                    self._turn()
                elif incoming.framing is not Framing.CHUNKED:
                    incoming.drop_taken()
        except (ParseError, ConnectionFault) as error:
            self._break(events, error)
        return events

    def _read_head(self, events: Events) -> bool:
        """Read heads up to the final one. Returns whether that is there."""
        incoming = self._incoming
        parser = incoming.parser
        while True:
            done = parser.feed(incoming.buffer)
            if not done:
                return False
            status, version, reason, fields, persists = parser.received_head(incoming.buffer)
            if makes_tunnel(self._method, status) or (status == 101 and self._upgrade):
                incoming.at = done.body_start
                self._receiving = False
                self._closing = True
                events.append(Upgraded(self._stream, status, fields, incoming.rest()))
                return False
            if status == 101:
                # RFC 9110 section 15.2.2: only an answer to a request that has Upgrade.
                raise ConnectionFault("101 (Switching Protocols) without being asked for it")
            if status < 200:
                self._interim += 1
                if self._interim > self._limits.max_interim:
                    raise ConnectionFault(
                        "more interim responses (1xx) to a request than allowed",
                        ErrorCode.ENHANCE_YOUR_CALM,
                        limit_name="max_interim",
                        limit=self._limits.max_interim,
                    )
                events.append(Interim(self._stream, status, fields))
                parser.reset(done.body_start, request_method=self._method)
                continue
            has_body = incoming.begin_body(done)
            if not persists or incoming.framing is Framing.UNTIL_CLOSE:
                self._closing = True
            length = incoming.length if has_body or done.framing is Framing.LENGTH else None
            if not has_body:
                self._receiving = False
            events.append(ResponseHead(self._stream, status, fields, not has_body, version, reason, length))
            if not has_body:
                self._turn()
            return True

    def _turn(self) -> None:
        if not self._receiving:
            self._incoming.drop_taken()
            if self._sending:
                # The response is over before the request: what follows cannot be told apart from its body.
                self._closing = True

    def feed_eof(self) -> Events:
        """The server sends no more. A body that lasts until then is complete; any other is cut off."""
        events: Events = []
        if self._broken:
            return events
        self._closing = True
        if not self._receiving:
            return events
        incoming = self._incoming
        try:
            if incoming.framing is Framing.UNTIL_CLOSE:
                incoming.framing = None
                self._receiving = False
                events.append(End(self._stream, []))
                return events
            if incoming.framing is None:
                if not self.answered:
                    raise HttpError.ConnectionError("the server closed the connection without an answer")
                incoming.parser.finish()
                raise ParseError.Incomplete(incoming.pending)
            incoming.end()
        except (ParseError, HttpError) as error:
            self._break(events, error)
        return events

    def goaway(self, code: int = 0) -> None:  # noqa: ARG002
        """The next request is the last: it says Connection: close."""
        if self._receiving or self._sending:
            self._closing = True
        else:
            self._broken = True


class H1Server(_Connection):
    """The server's side of a connection of HTTP/1.1.

    `scheme` is that of the connection, for the heads. The body of a request that the application does not
    want is dropped by feeding on; while a response is under way, `feed` finds no further request: call
    `feed(b"")` when `wants_turn` is true after a response.
    """

    __slots__ = ("_head_method", "_keep_alive", "_scheme", "_version")

    def __init__(
        self,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        *,
        scheme: bytes = b"http",
        lenient: Lenient = Lenient.NOTHING,
    ) -> None:
        parser = HttpParser.request(
            lenient=lenient,
            max_request_line=limits.max_start_line,
            max_header_line=limits.max_header_list,
            max_headers_total=limits.max_header_list,
            max_header_count=limits.max_header_count,
        )
        super().__init__(parser, limits, lenient)
        self._scheme = scheme
        self._version = (1, 1)
        self._keep_alive = False
        self._head_method = b""

    @property
    def wants_turn(self) -> bool:
        """Whether octets of a next request are there, and could be read now."""
        return not (self._receiving or self._sending or self.is_closed) and bool(self._incoming.pending)

    def feed(self, data: Buffer) -> Events:
        """What the received octets mean: at most one request, and its body."""
        events: Events = []
        if self._broken:
            return events
        incoming = self._incoming
        if data:
            incoming.put(data)
        try:
            if not self._receiving:
                if self._sending or self._closing or not incoming.pending:
                    return events
                if not self._read_head(events):
                    return events
            if self._receiving and incoming.read_body(self._stream, events):
                self._receiving = False
                self._turn()
            elif incoming.framing is not Framing.CHUNKED:
                incoming.drop_taken()
        except (ParseError, HttpError) as error:
            if not self._sending:
                self._stream += 1
                self._sending = True
                self._head_method = b""
            self._closing = True
            self._receiving = False
            events.append(Broken(error, None, self._stream))
            incoming.rest()
        return events

    def _read_head(self, events: Events) -> bool:
        incoming = self._incoming
        incoming.drop_taken()
        parser = incoming.parser
        done = parser.feed(incoming.buffer)
        if not done:
            return False
        buffer = incoming.buffer
        fields = parser.items(buffer)
        version = parser.version or (1, 1)
        method, target = parser.method(buffer), parser.target(buffer)
        authority, others = _take_host(fields, version, target, method)
        if done.framing_conflict:
            # RFC 9112 section 6.1: a server may follow the coding, but must close afterwards.
            self._closing = True
        self._version = version
        self._head_method = method
        self._keep_alive = version == (1, 0)
        if not connection_persists(version[1], fields):
            self._closing = True
        has_body = incoming.begin_body(done)
        self._stream += 1
        self._sending = True
        self._receiving = has_body
        head = RequestHead(method, target, authority, self._scheme, others)
        events.append(RequestReceived(self._stream, head, not has_body, version, incoming.length))
        if not has_body:
            parser.reset(0)
        return True

    def respond(
        self,
        stream: int,
        status: int,
        fields: Sequence[tuple[bytes, bytes]],
        *,
        end: bool,
        length: int | None = None,
        reason: bytes | None = None,
    ) -> None:
        """Send the head of a response, or a 1xx response before it.

        `end`: no body follows. A body with a `length` is framed by Content-Length; any other is chunked, or
        lasts until the connection closes for a client of HTTP/1.0. `length` with `end` is for HEAD and 304:
        what the body would have. `reason` is the phrase; None is the usual one.
        """
        self._check(stream)
        phrase = _reason(status) if reason is None else reason
        lines = encode_lines(fields) if fields else b""
        start = b"HTTP/1.1 %d %b\r\n" % (status, phrase)
        if status < 200 and status != 101:
            if self._version >= (1, 1):  # RFC 9110 section 15.2: never to a client of HTTP/1.0
                self._outgoing.begin(start + lines + b"\r\n", None)
            return
        framing: Framing | None = None
        more = b""
        bodiless = (
            status in (101, 204, 304)
            or self._head_method == b"HEAD"
            or makes_tunnel(self._head_method, status)
        )
        if bodiless:
            if length is not None and status not in (101, 204):
                more = b"Content-Length: %d\r\n" % length
        elif end:
            more = b"Content-Length: 0\r\n"
        elif length is not None:
            framing = Framing.LENGTH if length else None
            more = b"Content-Length: %d\r\n" % length
        elif self._version >= (1, 1):
            framing = Framing.CHUNKED
            more = b"Transfer-Encoding: chunked\r\n"
        else:
            framing = Framing.UNTIL_CLOSE
            self._closing = True
        if status == 101 or makes_tunnel(self._head_method, status):
            self._closing = True
        elif self._closing:
            more += b"Connection: close\r\n"
        elif self._keep_alive:
            more += b"Connection: keep-alive\r\n"
        self._outgoing.begin(b"%b%b%b\r\n" % (start, lines, more), framing, length or 0)
        if framing is None:
            self._sending = False
            self._turn()

    def _turn(self) -> None:
        if not self._receiving and not self._sending:
            self._incoming.drop_taken()
            self._incoming.parser.reset(0)

    @property
    def body_left(self) -> int | None:
        """How many octets of the request's body are still to come; None if only its end will tell."""
        if not self._receiving:
            return 0
        return self._incoming.left if self._incoming.framing is Framing.LENGTH else None

    def rest(self) -> bytes:
        """After an upgrade: what was read too far."""
        return self._incoming.rest()

    def feed_eof(self) -> Events:
        """The client sends no more. What it asked for whole is still answered."""
        events: Events = []
        if self._broken:
            return events
        self._closing = True
        incoming = self._incoming
        try:
            if self._receiving:
                incoming.end()
            elif incoming.pending and not self._sending:
                incoming.parser.feed(incoming.buffer)
                incoming.parser.finish()
        except (ParseError, IncompleteMessage) as error:
            self._break(events, error)
        return events

    def goaway(self, code: int = 0) -> None:  # noqa: ARG002
        """The response under way, or the next one, says Connection: close (RFC 9112 section 9.6)."""
        self._closing = True


def _take_host(
    fields: FieldList, version: tuple[int, int], target: bytes, method: bytes
) -> tuple[bytes, FieldList]:
    """The authority of a request, and its other fields (RFC 9112 section 3.2, 3.3).

    Raises HttpError.InvalidRequest without exactly one Host that is valid; HTTP/1.0 may have none.
    """
    hosts = [value for name, value in fields if len(name) == 4 and name.lower() == b"host"]
    if len(hosts) > 1 or (not hosts and version >= (1, 1)):
        what = "Host more than once" if hosts else "no Host"
        raise HttpError.InvalidRequest(f"{what} (RFC 9112 section 3.2)", fault="peer")
    if hosts and _HOST(hosts[0]) is None:
        raise HttpError.InvalidRequest("octets in Host that no host has (RFC 9112 section 3.2)", fault="peer")
    others = [field for field in fields if len(field[0]) != 4 or field[0].lower() != b"host"]
    authority = hosts[0] if hosts else b""
    if method == b"CONNECT":
        authority = target
    elif b"://" in target[:16] and not target.startswith(b"/"):
        # Section 3.2.2: the target in absolute form goes before Host.
        authority = target.partition(b"://")[2].partition(b"/")[0].partition(b"?")[0]
        authority = authority.rpartition(b"@")[2]
    return authority, others


def _reason(status: int) -> bytes:
    from netkit.http.types import StatusCode

    return StatusCode(status).reason_phrase.encode("latin-1")
