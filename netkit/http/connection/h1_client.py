"""The client's side of a connection of HTTP/1.1 (RFC 9112), without I/O: `H1Client`. See `h1`.

RFC 9110 section 15.2 (1xx), 7.8 (Upgrade), 9.3.6 (CONNECT); RFC 9112 section 6.3 (which responses have a
body), 9.5 and 9.6 (when the connection is of no further use).

A connection on which anything is doubtful is not used again: octets that came unasked, a response that was
over before its request, a response framed twice. Each of them could make an answer out of what somebody else
wrote. A new connection costs a round trip; a wrong answer cannot be taken back.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from netkit.http.connection.errors import ConnectionFault, ErrorCode
from netkit.http.connection.events import End, Interim, RequestHead, ResponseHead, Upgraded, encode_lines
from netkit.http.connection.h1_base import H1Connection
from netkit.http.connection.limits import DEFAULT_LIMITS
from netkit.http.errors import HttpError
from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import RESPONSE_DEFAULT, TCHAR, Framing, Lenient, makes_tunnel
from netkit.http.parser.head import HttpParser

if TYPE_CHECKING:
    from netkit.http.connection.events import Events, FieldBlock, FieldList
    from netkit.http.connection.limits import ConnectionLimits
    from netkit.http.parser.lines import Buffer

# No "#" in a target: what follows it is never sent (RFC 9112 section 3.2).
_START = re.compile(rb"[" + TCHAR + rb"]++ [!\"$-~]++").fullmatch
_HOST = re.compile(rb"[A-Za-z0-9\-._~!$&'()*+,;=%:\[\]]*+").fullmatch
# RFC 9110 section 7.8: protocol = protocol-name ["/" protocol-version], here a list of them.
_PROTOCOL = re.compile(rb"[" + TCHAR + rb"/]++(?:, ?[" + TCHAR + rb"/]++)*+").fullmatch

_NO_START = "its method, target or authority cannot stand in a request"

#: Methods whose requests have content by their nature: without it they say Content-Length: 0.
_WITH_CONTENT = frozenset((b"POST", b"PUT", b"PATCH"))
#: Methods whose requests have none (RFC 9110 section 9.3.6, 9.3.8).
_WITHOUT_CONTENT = frozenset((b"CONNECT", b"TRACE"))


#: Status, version, reason, fields, announced length, body, and whether the body may have a content coding.
WholeResponse: TypeAlias = "tuple[int, tuple[int, int], bytes, FieldList, int | None, bytes, bool]"

# Members of an enumeration cost four times as much where they are looked up.
_LENGTH, _NONE = Framing.LENGTH, Framing.NONE


class H1Client(H1Connection):
    """The client's side of a connection of HTTP/1.1.

    `lenient` is what the parser of responses tolerates. Whatever octets the server sends without being asked
    make the connection unusable for a next request: they could be an answer that somebody else caused.
    """

    __slots__ = ("_common", "_interim", "_last", "_method", "_upgrade", "answered")

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
        # The lines that a request had that the next one mostly has too, and what they were made of.
        self._common: tuple[bytes | None, FieldBlock | None, bytes] = (None, None, b"")
        self._last = False  # the next request is the last
        self._method = b""
        self._upgrade = False
        #: Whether an octet of the response to the last request has come.
        self.answered = False

    @property
    def can_request(self) -> bool:
        """Whether a new request may begin now: nothing is under way, and nothing came unasked."""
        return not (self._sending or self._receiving or self._closing or self._broken)

    def request(self, head: RequestHead, *, end: bool, length: int | None = None) -> int:
        """Begin a request, and return its stream.

        `end`: it has no body. A body with a `length` is framed by Content-Length, any other is chunked
        (RFC 9112 section 6). A `protocol` in the head asks for an upgrade to it (RFC 9110 section 7.8).
        Raises HttpError.InvalidRequest for a head that cannot be sent, or if no request may begin now;
        HttpError.InvalidValue for a field that cannot be sent, or is one of `MANAGED_FIELDS`. Then nothing is
        sent, and the connection is as it was.
        """
        if self._sending or self._receiving or self._closing or self._broken:  # `can_request`, inlined
            raise HttpError.InvalidRequest("the connection is not free for a request")
        method, authority = head.method, head.authority
        start = b"%b %b" % (method, authority if method == b"CONNECT" else head.target)
        if _START(start) is None:
            raise HttpError.InvalidRequest(_NO_START)
        known, shared, common = self._common
        if known is not authority or shared is not head.shared:
            common = _common_lines(authority, head.shared)
            self._common = (authority, head.shared, common)
        more = encode_lines(head.fields) if head.fields else b""
        framing: Framing | None = None
        closes = head.closes or self._last
        if not end:
            framing, line = _body_framing(method, length)
            more += line
        elif length:
            raise HttpError.InvalidRequest(f"a body of {length} octets is announced, and none follows")
        elif method in _WITH_CONTENT:
            more += b"Content-Length: 0\r\n"  # RFC 9110 section 8.6
        if head.protocol is not None:
            if method == b"CONNECT" or _PROTOCOL(head.protocol) is None:
                raise HttpError.InvalidRequest("no upgrade to this protocol can be asked for in HTTP/1.1")
            more += b"Connection: Upgrade\r\nUpgrade: %b\r\n" % head.protocol
        elif closes:
            more += b"Connection: close\r\n"
        self._outgoing.begin(b"%b HTTP/1.1\r\n%b%b\r\n" % (start, common, more), framing, length or 0)
        self._stream += 1
        self._sending = framing is not None
        self._receiving = True
        self._closing = closes
        self._method = method
        self._upgrade = head.protocol is not None
        self._interim = 0
        self.answered = False
        self._incoming.parser.reset(0, request_method=method)
        return self._stream

    def feed(self, data: Buffer) -> Events:
        """What the received octets mean. After `Upgraded`, they are kept for `rest`."""
        events: Events = []
        if self._broken:
            return events
        incoming = self._incoming
        if not self._receiving:
            if self._handed_over:
                incoming.put(data)
            elif data:
                self._closing = True  # unasked
            return events
        incoming.put(data)
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

    def whole(self, data: bytes) -> WholeResponse | None:
        """The response, if `data` is all of it and nothing else has come: then no event is needed.

        That is how nearly all small responses come. None for everything else: `feed` the same octets then.
        """
        incoming = self._incoming
        if not self._receiving or self._sending or incoming.framing is not None or incoming.buffer:
            return None
        parser = incoming.parser
        try:
            done = parser.feed(data)
        except ParseError:
            return None
        if not done:
            return None
        body_start, length, framing = done.body_start, done.body_len, done.framing
        if body_start + (length or 0) != len(data) or done.framing_conflict or self._upgrade:
            return None
        if framing is not _LENGTH and framing is not _NONE:
            return None
        status, version, reason, fields, lasts = parser.received_head(data)
        if status < 200 or self._method == b"CONNECT":
            return None
        self.answered = True
        self._receiving = False
        if not lasts:
            self._closing = True
        if not length:
            return status, version, reason, fields, length, b"", False
        is_coded = b"content-encoding" in data[:body_start].lower()
        return status, version, reason, fields, length, data[body_start:], is_coded

    def _read_head(self, events: Events) -> bool:
        """Read heads up to the final one. Returns whether that is there."""
        incoming = self._incoming
        parser = incoming.parser
        while True:
            done = parser.feed(incoming.buffer)
            if not done:
                return False
            status, version, reason, fields, lasts = parser.received_head(incoming.buffer)
            if (status == 101 and self._upgrade) or makes_tunnel(self._method, status):
                incoming.at = done.body_start
                self._receiving = False
                self._closing = self._handed_over = True
                events.append(Upgraded(self._stream, status, fields, incoming.rest()))
                return False
            if status < 200:
                self._count_interim(status)
                events.append(Interim(self._stream, status, fields))
                incoming.at = done.body_start
                incoming.drop_taken()
                parser.reset(0, request_method=self._method)
                continue
            has_body = incoming.begin_body(done)
            # RFC 9112 section 6.3: Content-Length beside chunked may well be an attack.
            if done.framing_conflict or not lasts:
                self._closing = True
            events.append(
                ResponseHead(self._stream, status, fields, not has_body, version, reason, incoming.length)
            )
            if not has_body:
                self._receiving = False
                self._turn()
            return True

    def _count_interim(self, status: int) -> None:
        if status == 101:
            # RFC 9110 section 15.2.2: only an answer to a request that has Upgrade.
            raise ConnectionFault("101 (Switching Protocols) without being asked for it")
        self._interim += 1
        if self._interim > self._limits.max_interim:
            raise ConnectionFault(
                "more interim responses (1xx) to a request than allowed",
                ErrorCode.ENHANCE_YOUR_CALM,
                limit_name="max_interim",
                limit=self._limits.max_interim,
            )

    def _turn(self) -> None:
        if not self._receiving:
            incoming = self._incoming
            incoming.drop_taken()
            # Octets behind the response came unasked. And where it is over before its request is, a server
            # may take the rest of that for another request, or have stopped to read.
            if self._sending or incoming.pending:
                self._closing = True
                incoming.forget()

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
        """No request follows the one under way. Without one, the next request is the last, and says
        Connection: close (RFC 9112 section 9.6)."""
        if self._receiving or self._sending:
            self._closing = True
        else:
            self._last = True

    def _break(self, events: Events, error: ParseError | HttpError) -> None:
        events.append(self._broken_by(error))
        self._give_up()


def _common_lines(authority: bytes, shared: FieldBlock | None) -> bytes:
    """Host and the shared fields, as lines. Raises HttpError for what cannot be sent."""
    if _HOST(authority) is None:
        raise HttpError.InvalidRequest(_NO_START)
    return b"Host: %b\r\n%b" % (authority, b"" if shared is None else shared.lines)


def _body_framing(method: bytes, length: int | None) -> tuple[Framing | None, bytes]:
    """How a request's body is framed, and the field that says so. Raises HttpError.InvalidRequest."""
    if method in _WITHOUT_CONTENT:
        raise HttpError.InvalidRequest(f"{method.decode()} has no body")
    if length is None:
        return Framing.CHUNKED, b"Transfer-Encoding: chunked\r\n"
    if length < 0:
        raise HttpError.InvalidRequest(f"a body has no length of {length}")
    return (Framing.LENGTH if length else None), b"Content-Length: %d\r\n" % length
