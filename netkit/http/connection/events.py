"""What the protocol objects of HTTP say, and what they are told: events, heads and fields.

Every version of HTTP has the same events (RFC 9110 section 6): a head, pieces of a body, an end with its
trailers. An event belongs to a `stream`, a number that the connection gave to a request. Stream 0 is the
connection itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from netkit.http.errors import HttpError
from netkit.http.headers import checked_name, checked_value
from netkit.http.parser.framing import TCHAR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.errors import NetkitError
    from netkit.http.parser.lines import Buffer

#: The fields of a message, in order: names and values as octets. HTTP/2 has its names in lower case.
FieldList: TypeAlias = "list[tuple[bytes, bytes]]"

#: What `room` says where nothing limits what may be sent.
UNLIMITED = 1 << 62


def values_of(fields: Sequence[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """The values of the fields of that name, which is in lower case here and in any case there."""
    size = len(name)
    return [value for each, value in fields if len(each) == size and each.lower() == name]


class FieldBlock:
    """Fields that many requests share, with their encodings, each made once.

    `items` are the fields as they were given. The encodings are checked when they are made.
    """

    __slots__ = ("_lines", "_lower", "items")

    def __init__(self, items: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.items: tuple[tuple[bytes, bytes], ...] = tuple(items)
        self._lines: bytes | None = None
        self._lower: FieldList | None = None

    @property
    def lines(self) -> bytes:
        """The fields as lines of HTTP/1.1, each with its CRLF. Raises as `encode_lines` does."""
        if self._lines is None:
            self._lines = encode_lines(self.items)
        return self._lines

    @property
    def lower(self) -> FieldList:
        """The fields with their names in lower case, as HTTP/2 has them (RFC 9113 section 8.2.1). Do not
        change the list."""
        if self._lower is None:
            self._lower = [(name.lower(), value) for name, value in self.items]
        return self._lower

    def __repr__(self) -> str:
        return f"FieldBlock({len(self.items)} fields)"


#: Fields that frame a message or say what becomes of its connection (RFC 9112 section 6, 9.6), and Host.
MANAGED_FIELDS = frozenset((b"content-length", b"transfer-encoding", b"connection", b"host"))

#: Lines as RFC 9112 section 5 has them, none of a managed field; what is between the colon and the line's end
#: may be sent.
_MANAGED = rb"(?:[cC](?i:ontent-length|onnection)|[tT](?i:ransfer-encoding)|[hH](?i:ost)): "
_LINES = re.compile(
    rb"(?:(?!" + _MANAGED + rb")[" + TCHAR + rb"]++: [\t\x20-\x7e\x80-\xff]*+\r\n)*+"
).fullmatch


def encode_lines(fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Fields as lines of HTTP/1.1 (RFC 9112 section 5), each with its CRLF.

    Raises HttpError.InvalidValue for a field that would be another line, or none (CR, LF, NUL), and for one
    of `MANAGED_FIELDS`: the connection writes these itself, and two of them would frame the message twice.
    """
    lines = b"".join([b"%b: %b\r\n" % field for field in fields])
    # Lines that are right may still be too many: `a: b CRLF c: d` is one field's value that makes two.
    if _LINES(lines) is None or lines.count(b"\n") != len(fields):
        raise _refused(fields)
    return lines


def _refused(fields: Sequence[tuple[bytes, bytes]]) -> HttpError:
    """Why these fields cannot be sent; raised for an octet that is wrong."""
    for name, value in fields:
        checked_value(checked_name(name), value)
        if name.lower() in MANAGED_FIELDS:
            return HttpError.InvalidValue(
                f"header {name.decode()}", "the connection writes this field itself, from what it is told"
            )
    return HttpError.InvalidValue("header", "a field that cannot be sent")


class RequestHead:
    """The head of a request, for every version of HTTP.

    `target` is what stands in a request line, or in `:path`; empty for CONNECT, whose target is `authority`.
    `authority` is sent as Host or as `:authority`, so it is not among the fields. `shared` are fields that
    other requests have too. `protocol` is that of an extended CONNECT (RFC 8441). `closes`: this is to be the
    last request of the connection.
    """

    __slots__ = ("authority", "closes", "fields", "method", "protocol", "scheme", "shared", "target")

    def __init__(
        self,
        method: bytes,
        target: bytes,
        authority: bytes,
        scheme: bytes = b"https",
        fields: Sequence[tuple[bytes, bytes]] = (),
        *,
        shared: FieldBlock | None = None,
        protocol: bytes | None = None,
        closes: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        self.authority = authority
        self.scheme = scheme
        self.fields = fields
        self.shared = shared
        self.protocol = protocol
        self.closes = closes

    def all_fields(self) -> FieldList:
        """The shared fields and those of this request, in the order in which they are sent."""
        return [*(() if self.shared is None else self.shared.items), *self.fields]

    def __repr__(self) -> str:
        return f"<RequestHead {self.method!r} {self.target[:80]!r} of {self.authority!r}>"


class Event:
    """What a protocol object found in the octets it was fed. The variants are the classes below."""

    __slots__ = ("stream",)

    def __init__(self, stream: int) -> None:
        self.stream = stream

    def __repr__(self) -> str:
        names = [name for cls in type(self).__mro__ for name in getattr(cls, "__slots__", ())]
        shown = ", ".join(f"{name}={_short(getattr(self, name))}" for name in reversed(names))
        return f"{type(self).__name__}({shown})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        names = [name for cls in type(self).__mro__ for name in getattr(cls, "__slots__", ())]
        return all(getattr(self, name) == getattr(other, name) for name in names)

    __hash__ = None  # type: ignore[assignment]  # an event has lists in it


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


class Interim(Event):
    """A client received a 1xx response; the final one is still to come (RFC 9110 section 15.2)."""

    __slots__ = ("fields", "status")

    def __init__(self, stream: int, status: int, fields: FieldList) -> None:
        self.stream = stream
        self.status = status
        self.fields = fields


class ResponseHead(Event):
    """A client received the head of the final response. `end`: there is no body, and no `End` follows.

    `version` is (1, 0), (1, 1) or (2, 0). `reason` is empty in HTTP/2. `length` is how many octets of body
    the head announces, None if it does not say.
    """

    __slots__ = ("end", "fields", "length", "reason", "status", "version")

    def __init__(
        self,
        stream: int,
        status: int,
        fields: FieldList,
        end: bool,
        version: tuple[int, int] = (2, 0),
        reason: bytes = b"",
        length: int | None = None,
    ) -> None:
        self.stream = stream
        self.status = status
        self.fields = fields
        self.end = end
        self.version = version
        self.reason = reason
        self.length = length


class RequestReceived(Event):
    """A server received the head of a request. `end`: there is no body, and no `End` follows."""

    __slots__ = ("end", "head", "length", "version")

    def __init__(
        self,
        stream: int,
        head: RequestHead,
        end: bool,
        version: tuple[int, int] = (2, 0),
        length: int | None = None,
    ) -> None:
        self.stream = stream
        self.head = head
        self.end = end
        self.version = version
        self.length = length


class Data(Event):
    """Octets of a body. `credit` is what `consumed` gives back when the application has taken them."""

    __slots__ = ("credit", "data")

    def __init__(self, stream: int, data: bytes, credit: int = 0) -> None:
        self.stream = stream
        self.data = data
        self.credit = credit


class End(Event):
    """The message is over; `trailers` are the fields after its body, mostly none."""

    __slots__ = ("trailers",)

    def __init__(self, stream: int, trailers: FieldList) -> None:
        self.stream = stream
        self.trailers = trailers


class Reset(Event):
    """One stream failed. `is_safe`: the peer has not worked on the request, so it may be sent again.

    RFC 9113 section 8.7: REFUSED_STREAM, and streams above the last one that GOAWAY names.
    """

    __slots__ = ("code", "error", "is_safe")

    def __init__(
        self, stream: int, error: NetkitError, code: int | None = None, is_safe: bool = False
    ) -> None:
        self.stream = stream
        self.error = error
        self.code = code
        self.is_safe = is_safe


class Room(Event):
    """More body may be sent: on that stream, or on all of them (stream 0)."""

    __slots__ = ()


class GoAway(Event):
    """The peer takes no new streams. It has worked, or will, on those up to `last_stream`."""

    __slots__ = ("code", "debug", "last_stream")

    def __init__(self, last_stream: int, code: int = 0, debug: bytes = b"") -> None:
        self.stream = 0
        self.last_stream = last_stream
        self.code = code
        self.debug = debug


class Upgraded(Event):
    """HTTP/1.1: the connection is the caller's now (101, or 2xx to CONNECT); `rest` was read too far."""

    __slots__ = ("fields", "rest", "status")

    def __init__(self, stream: int, status: int, fields: FieldList, rest: bytes) -> None:
        self.stream = stream
        self.status = status
        self.fields = fields
        self.rest = rest


class PingAnswered(Event):
    """HTTP/2: the peer has answered a ping; `data` are its eight octets."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.stream = 0
        self.data = data


class Broken(Event):
    """The connection is over because of `error`: send what `take` still has, and close it.

    `error` is a ConnectionFault, or a ParseError with its offset, in octets of the message that is wrong. A
    server of HTTP/1.1 may still `respond` to `stream`, with a status that says what is wrong.
    """

    __slots__ = ("code", "error")

    def __init__(self, error: NetkitError, code: int | None = None, stream: int = 0) -> None:
        self.stream = stream
        self.error = error
        self.code = code


Events: TypeAlias = "list[Event]"
EventT = TypeVar("EventT", bound=Event)


class HttpConnection(Protocol):
    """One connection without I/O: octets in, events and octets out. A client or a server, of any version.

    No method waits, and none raises an error for what the peer did: that is the event `Broken`, or `Reset`.
    """

    def feed(self, data: Buffer) -> Events:
        """What the received octets mean. After `Broken` it returns nothing more."""

    def feed_eof(self) -> Events:
        """The peer will send no more: what that means for what was under way."""

    def take(self) -> bytes:
        """The octets to send, in order, each once; `b""` where there is nothing."""

    @property
    def has_output(self) -> bool:
        """Whether `take` has something."""

    def room(self, stream: int) -> int:
        """How many octets of body may be sent on the stream now."""

    def send(self, stream: int, data: Buffer, *, end: bool = False) -> None:
        """Send octets of a body; `end` with the last of them. Raises ValueError for more than `room`."""

    def trailers(self, stream: int, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """End the message with these fields after its body."""

    def consumed(self, stream: int, credit: int) -> None:
        """The application took body octets of that `credit`: as many more may come."""

    def reset(self, stream: int, code: int = 8) -> None:
        """Give up the stream: nothing more is sent on it, and no event comes of it. 8 is CANCEL."""

    def goaway(self, code: int = 0) -> None:
        """Tell the peer that no new stream is taken; those under way go on."""

    @property
    def in_flight(self) -> int:
        """How many streams are under way."""

    @property
    def is_closed(self) -> bool:
        """Whether the connection is of no further use."""


class ClientConnection(HttpConnection, Protocol):
    """The side that makes requests."""

    def request(self, head: RequestHead, *, end: bool, length: int | None = None) -> int:
        """Begin a request, and return its stream.

        `end`: it has no body. `length` is the number of octets of its body, where that is known.
        Raises HttpError.InvalidRequest for a head that this version cannot send, HttpError.InvalidValue for a
        field that cannot be sent, or that the connection writes itself (`MANAGED_FIELDS`).
        """

    @property
    def can_request(self) -> bool:
        """Whether a new request may begin now."""


class ServerConnection(HttpConnection, Protocol):
    """The side that answers."""

    def respond(
        self,
        stream: int,
        status: int,
        fields: Sequence[tuple[bytes, bytes]],
        *,
        end: bool,
        length: int | None = None,
    ) -> None:
        """Send the head of a response, or of a 1xx response. `end`, `length` as for `request`."""
