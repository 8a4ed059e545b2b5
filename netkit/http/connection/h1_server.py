"""The server's side of a connection of HTTP/1.1 (RFC 9112), without I/O: `H1Server`. See `h1`.

RFC 9112 section 3.2 and 3.3 (Host, and what the request is for), 6.3 (framing of responses), 9.3.2
(pipelining: responses in the order of the requests), 9.6 (closing).

A request that is wrong is not the end at once: it gets a stream, so that the server can say what is wrong.
But nothing behind it is read any more, since nobody knows where it ended.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from netkit.http.connection.events import RequestHead, RequestReceived, encode_lines, values_of
from netkit.http.connection.h1_base import H1Connection
from netkit.http.connection.limits import DEFAULT_LIMITS
from netkit.http.errors import HttpError
from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import Framing, Lenient, connection_persists, makes_tunnel
from netkit.http.parser.head import HttpParser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.connection.events import Events, FieldList
    from netkit.http.connection.limits import ConnectionLimits
    from netkit.http.parser.lines import Buffer

_HOST = re.compile(rb"[A-Za-z0-9\-._~!$&'()*+,;=%:\[\]]*+").fullmatch
_REASON = re.compile(rb"[\t\x20-\x7e\x80-\xff]*+").fullmatch


class H1Server(H1Connection):
    """The server's side of a connection of HTTP/1.1.

    `scheme` is that of the connection, for the heads. The body of a request that the application does not
    want is dropped by feeding on; while a response is under way, `feed` finds no further request: call
    `feed(b"")` when `wants_turn` is true after a response. What is fed in the meantime is kept, so a caller
    reads no further while `held` is large.
    """

    __slots__ = (
        "_eof",
        "_fields",
        "_keep_alive",
        "_method",
        "_scheme",
        "_version",
        "_waiting",
        "head_octets",
        "keeps_heads",
    )

    def __init__(
        self,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        *,
        scheme: bytes = b"http",
        lenient: Lenient = Lenient.NOTHING,
    ) -> None:
        super().__init__(request_parser(limits, lenient), limits, lenient)
        self._scheme = scheme
        # Of the request that is to be answered.
        self._version = (1, 1)
        self._keep_alive = False
        self._method = b""
        self._fields: FieldList = []
        self._waiting = False  # there are octets that came early, and were not looked at
        self._eof = False
        #: Whether the octets of each head are kept, and those of the last one that was read.
        self.keeps_heads = False
        self.head_octets: bytes | None = None

    @property
    def wants_turn(self) -> bool:
        """Whether octets came early that could be read now, as a next request or a part of one."""
        return self._waiting and not (self._receiving or self._sending or self._closing or self._broken)

    @property
    def held(self) -> int:
        """How many octets were fed and are kept until there is a use for them."""
        return self._incoming.pending

    def feed(self, data: Buffer) -> Events:
        """What the received octets mean: at most one request, and its body."""
        events: Events = []
        if self._broken:
            return events
        if self._closing and not self._receiving and not self._handed_over:
            return events  # no further request is read
        if data:
            self._incoming.put(data)
        try:
            self._read(events)
        except (ParseError, HttpError) as error:
            self._refuse(events, error)
        return events

    def feed_eof(self) -> Events:
        """The client sends no more. What it asked for whole is still answered."""
        events: Events = []
        if self._broken or self._eof:
            return events
        self._eof = True
        try:
            self._read(events)
        except (ParseError, HttpError) as error:
            self._refuse(events, error)
        return events

    def give_up(self, error: HttpError) -> Events:
        """The request whose head is on its way is not waited for any longer: `error` says why. As after a
        fault of the client's, it can still be answered, and nothing follows it."""
        events: Events = []
        if not (self._broken or self._sending or self._receiving or self._closing):
            self._refuse(events, error)
        return events

    def _read(self, events: Events) -> None:
        incoming = self._incoming
        if not self._receiving:
            if self._sending or self._closing:
                self._note_eof()
                return
            self._waiting = False
            if incoming.pending and self._read_head(events):
                if not self._receiving:
                    incoming.drop_taken()
            elif self._eof:
                incoming.parser.finish()  # raises inside a head
                incoming.forget()
        if self._receiving:
            if incoming.read_body(self._stream, events):
                self._receiving = False
                self._turn()
            elif incoming.framing is not Framing.CHUNKED:
                incoming.drop_taken()
        self._note_eof()

    def _note_eof(self) -> None:
        if self._eof:
            if self._receiving:
                self._incoming.end()
            elif not self._incoming.pending:
                self._closing = True

    def _refuse(self, events: Events, error: ParseError | HttpError) -> None:
        """The request is wrong. It can be answered, and nothing follows it."""
        if not self._sending:
            parser, buffer = self._incoming.parser, self._incoming.buffer
            self._stream += 1
            self._sending = True
            self._method = parser.method(buffer) if parser.start_line else b""
            # Whoever does not speak HTTP/1.1 knows a body that lasts until the end, if anything.
            self._version = parser.version or (1, 0)
        self._fields = []
        if self._method == b"CONNECT":
            self._method = b""  # no answer to a wrong request makes a tunnel
        self._closing = True
        self._receiving = False
        events.append(self._broken_by(error))
        self._incoming.forget()

    def _read_head(self, events: Events) -> bool:
        """Read the head of a request. Returns whether it is there."""
        incoming = self._incoming
        incoming.drop_taken()
        parser = incoming.parser
        done = parser.feed(incoming.buffer)
        if not done:
            return False
        buffer = incoming.buffer
        if self.keeps_heads:
            self.head_octets = bytes(buffer[: done.body_start])
        fields = parser.items(buffer)
        version = parser.version or (1, 1)
        method, target = parser.method(buffer), parser.target(buffer)
        authority, others = take_host(fields, version, target, method)
        # RFC 9112 section 6.1: a server may follow the coding, but must close afterwards.
        if done.framing_conflict or not connection_persists(version[1], fields):
            self._closing = True
        self._version = version
        self._method = method
        self._fields = others
        self._keep_alive = version == (1, 0)
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
        what the body would have. A response that has no body whatever it says (to HEAD; 204, 304) is over
        with its head, also without `end`. `reason` is the phrase; None is the usual one.

        101 and 2xx to CONNECT hand the connection over: `rest` has what was read too far. 101 says
        Connection: Upgrade; its `fields` have Upgrade.

        Raises ValueError if no response may begin on the stream, or for a status or length that does not fit;
        HttpError.InvalidValue for a field that cannot be sent, or is one of `MANAGED_FIELDS`. Then nothing is
        sent, and the connection is as it was.
        """
        self._check(stream)
        if self._outgoing.framing is not None:
            raise ValueError(f"the response on stream {stream} has begun")
        start = status_line(status)
        if reason is not None:
            if _REASON(reason) is None:
                raise HttpError.InvalidValue("reason phrase", "an octet that cannot stand in it")
            start = b"HTTP/1.1 %d %b\r\n" % (status, reason)
        lines = encode_lines(fields) if fields else b""
        if status < 200:
            if end or length:
                raise ValueError(f"{status} has no body, and is not the end of the response")
            if status != 101:
                if self._version >= (1, 1):  # RFC 9110 section 15.2: never to a client of HTTP/1.0
                    self._outgoing.begin(start + lines + b"\r\n", None)
                return
            self._check_upgrade()
        framing, more = self._body_framing(status, end=end, length=length)
        if status == 101 or makes_tunnel(self._method, status):
            if self._receiving:
                raise ValueError("the request's body is to be received before another protocol begins")
            self._closing = self._handed_over = True
        elif framing is Framing.UNTIL_CLOSE:
            self._closing = True
        if status in (101, 426):
            more += b"Connection: Upgrade\r\n"  # RFC 9110 section 7.8: of every sender of Upgrade
        if self._handed_over:
            pass
        elif self._closing:
            more += b"Connection: close\r\n"
        elif self._keep_alive:
            more += b"Connection: keep-alive\r\n"
        self._outgoing.begin(b"%b%b%b\r\n" % (start, lines, more), framing, length or 0)
        if framing is None:
            self._sending = False
            self._turn()

    def _check_upgrade(self) -> None:
        """RFC 9110 section 7.8: nobody switches to a protocol that was not asked for, nor from HTTP/1.0."""
        if self._version < (1, 1) or not any(name.lower() == b"upgrade" for name, _ in self._fields):
            raise ValueError("101 answers only a request of HTTP/1.1 that has Upgrade")

    def _body_framing(self, status: int, *, end: bool, length: int | None) -> tuple[Framing | None, bytes]:
        """How the body is framed, and the field that says so (RFC 9112 section 6.1, 6.2)."""
        if length is not None and length < 0:
            raise ValueError(f"a body has no length of {length}")
        if status in (101, 204) or makes_tunnel(self._method, status):
            return None, b""  # RFC 9110 section 8.6, 9.3.6: neither field may be sent
        announced = b"" if length is None else b"Content-Length: %d\r\n" % length
        if status == 304 or self._method == b"HEAD":
            return None, announced
        if end:
            if length:
                raise ValueError(f"a body of {length} octets is announced, and none follows")
            return None, b"Content-Length: 0\r\n"
        if length is not None:
            return (Framing.LENGTH if length else None), announced
        if self._version >= (1, 1):
            return Framing.CHUNKED, b"Transfer-Encoding: chunked\r\n"
        return Framing.UNTIL_CLOSE, b""

    def _turn(self) -> None:
        if self._receiving or self._sending:
            return
        incoming = self._incoming
        incoming.drop_taken()
        incoming.parser.reset(0)
        if self._closing and not self._handed_over:
            incoming.forget()
        self._waiting = bool(incoming.pending)

    @property
    def body_left(self) -> int | None:
        """How many octets of the request's body are still to come; None if only its end will tell."""
        if not self._receiving:
            return 0
        return self._incoming.left if self._incoming.framing is Framing.LENGTH else None

    @property
    def is_last(self) -> bool:
        """Whether no request is read after the one under way."""
        return self._closing or self._broken

    @property
    def ends_by_close(self) -> bool:
        """Whether the end of the connection is the end of the response under way (RFC 9112 section 6.3)."""
        return self._outgoing.framing is Framing.UNTIL_CLOSE

    def goaway(self, code: int = 0) -> None:  # noqa: ARG002
        """No further request is read. A response whose head is still to be sent says Connection: close (RFC
        9112 section 9.6). A connection without a request is closed at once."""
        self._closing = True


def request_parser(limits: ConnectionLimits, lenient: Lenient = Lenient.NOTHING) -> HttpParser:
    """A parser of requests that keeps to these limits."""
    return HttpParser.request(
        lenient=lenient,
        max_request_line=limits.max_start_line,
        max_header_line=limits.max_header_list,
        max_headers_total=limits.max_header_list,
        max_header_count=limits.max_header_count,
    )


@lru_cache(maxsize=64)
def status_line(status: int) -> bytes:
    """The status line with the usual phrase. Raises HttpError.InvalidValue for what is no status."""
    from netkit.http.types import StatusCode

    return b"HTTP/1.1 %d %b\r\n" % (status, StatusCode(status).reason_phrase.encode("latin-1"))


def take_host(
    fields: FieldList, version: tuple[int, int], target: bytes, method: bytes
) -> tuple[bytes, FieldList]:
    """The authority of a request, and its other fields (RFC 9112 section 3.2, 3.3).

    Raises HttpError.InvalidRequest without exactly one Host that is valid; HTTP/1.0 may have none.
    """
    hosts = values_of(fields, b"host")
    if len(hosts) > 1 or (not hosts and version >= (1, 1)):
        what = "Host more than once" if hosts else "no Host"
        raise HttpError.InvalidRequest(f"{what} (RFC 9112 section 3.2)", fault="peer")
    if hosts and _HOST(hosts[0]) is None:
        raise HttpError.InvalidRequest("octets in Host that no host has (RFC 9112 section 3.2)", fault="peer")
    others = [field for field in fields if len(field[0]) != 4 or field[0].lower() != b"host"]
    authority = hosts[0] if hosts else b""
    if method == b"CONNECT":
        authority = target
    elif target[:1] not in b"/*":
        # Section 3.2.2: the target in absolute form goes before Host. The parser has checked its host.
        authority = target.partition(b"://")[2].partition(b"/")[0].partition(b"?")[0]
    return authority, others
