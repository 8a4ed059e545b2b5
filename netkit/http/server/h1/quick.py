"""Requests and responses of HTTP/1.1 that are simple: read and written in one step, without a state between.

`H1Server` can do everything, and for that it makes events, frames bodies and keeps a state. Most requests
need none of it: they are there whole, and so is the response. What is here judges whether that is so, and
returns None where it is not. Nobody has answered anything then, and `H1Server` gets the same octets. Both
must send the same for the same request: the tests feed both with the same octets.

RFC 9112 section 3.2 (Host), 6.3 (framing), 9.3 (persistence); RFC 9110 section 8.6 (Content-Length), 6.6.1
(Date).

A client sends nearly the same fields with every request, and a handler with every response. So what follows
from a list of fields is kept for the last few hundred lists, and found by the list itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from netkit.http.connection.events import encode_lines
from netkit.http.connection.h1_server import status_line, take_host
from netkit.http.errors import HttpError
from netkit.http.headers import Headers
from netkit.http.message import Response
from netkit.http.parser.framing import connection_persists
from netkit.http.server.exchange import http_date, sendable_fields
from netkit.http.server.request import VERSIONS
from netkit.http.types import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.connection.events import FieldList

    _Key: TypeAlias = "tuple[tuple[tuple[bytes, bytes], ...], tuple[int, int]]"

#: A response in octets, its status, how many of the octets are its body, and whether the connection closes
#: after it.
Encoded: TypeAlias = "tuple[bytes, int, int, bool]"

#: How many lists of fields are remembered at a time, of requests and of responses.
REMEMBERED = 256

#: The longest list of fields that is remembered, in octets: a client must not fill the memory with its own.
LONGEST_REMEMBERED = 2048

#: The largest body of a simple response, in octets: it is copied once, to go out with its head.
LARGEST_BODY = 65_536

#: Fields by which a client asks for more than a response: 100 (Continue), another protocol.
_RARE = frozenset((b"expect", b"upgrade"))

#: The fields that every response has, unless it brings its own.
_DATE, _SERVER = 1, 2

#: The end of a head: what it says of the connection, and the empty line.
STAYS, STAYS_OLD, CLOSES = b"\r\n", b"Connection: keep-alive\r\n\r\n", b"Connection: close\r\n\r\n"

_NO_BODY, _NOT_MODIFIED = 204, 304


class RequestFacts:
    """What the fields of a request say: whom it is for, the headers for the handler (requests share them),
    the fields without Host, the version, and how the head of its response ends."""

    __slots__ = ("authority", "end", "headers", "host", "others", "version")

    def __init__(self, authority: bytes, others: FieldList, version: Version, end: bytes) -> None:
        self.host = authority
        self.authority = authority.decode("latin-1")
        self.others = others
        self.headers = Headers.from_received([(b"host", authority), *others] if authority else others)
        self.version = version
        self.end = end


def facts_of(fields: tuple[tuple[bytes, bytes], ...], version: tuple[int, int]) -> RequestFacts | None:
    """What the fields of a request say, if they are simple. Its target is a path, or `*`."""
    if any(name.lower() in _RARE for name, _ in fields):
        return None
    received = list(fields)
    try:
        authority, others = take_host(received, version, b"/", b"GET")
    except HttpError:
        return None
    if not connection_persists(version[1], received):
        end = CLOSES
    else:
        end = STAYS if version >= (1, 1) else STAYS_OLD
    return RequestFacts(authority, others, VERSIONS.get(version, Version.Http11), end)


class RequestReader:
    """Finds out what fields say, and remembers it for lists that come again."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[_Key, RequestFacts] = {}

    @property
    def remembered(self) -> int:
        """How many lists of fields are remembered now."""
        return len(self._known)

    def facts(
        self, fields: tuple[tuple[bytes, bytes], ...], version: tuple[int, int], size: int
    ) -> RequestFacts | None:
        """As `facts_of`; `size` is that of the head, in octets."""
        facts = self._known.get((fields, version))
        if facts is None:
            facts = facts_of(fields, version)
            if facts is not None and size <= LONGEST_REMEMBERED:
                if len(self._known) >= REMEMBERED:
                    self._known.clear()
                self._known[fields, version] = facts
        return facts


class ResponseFacts:
    """What the fields of a response say: their lines, the length that they announce, whether the connection
    is to close, and which of the standard fields are among them."""

    __slots__ = ("closes", "length", "lines", "standard")

    def __init__(self, lines: bytes, length: int | None, closes: bool, standard: int) -> None:
        self.lines = lines
        self.length = length
        self.closes = closes
        self.standard = standard


def response_facts(items: Sequence[tuple[bytes, bytes]]) -> ResponseFacts:
    """What these fields say. Raises HttpError.InvalidValue for those that cannot be sent."""
    fields, length, closes = sendable_fields(items)
    return ResponseFacts(encode_lines(fields), length, closes, _standard(fields))


def _standard(fields: Sequence[tuple[bytes, bytes]]) -> int:
    """Which of the standard fields are among them."""
    standard = 0
    for name, _ in fields:
        lower = name.lower()
        standard |= _DATE if lower == b"date" else _SERVER if lower == b"server" else 0
    return standard


class ResponseWriter:
    """Writes simple responses. `server_name` is what Server says, None for no such field."""

    __slots__ = ("_date", "_known", "_plain", "_server", "_shared", "_starts")

    def __init__(self, server_name: str | None) -> None:
        self._server = b"" if server_name is None else b"server: %b\r\n" % server_name.encode("latin-1")
        self._date = b""
        self._starts: dict[int, tuple[bytes, int]] = {}
        self._known: dict[tuple[tuple[bytes, bytes], ...], ResponseFacts] = {}
        self._plain: dict[tuple[tuple[bytes, bytes], ...], ResponseFacts] = {}  # of what is sent as it is
        # The same, found faster: headers that do not change are often one object for many responses.
        self._shared: dict[int, tuple[Headers, ResponseFacts]] = {}

    @property
    def remembered(self) -> int:
        """How many lists of fields, or status lines, are remembered now: what is most."""
        return max(len(self._known), len(self._shared), len(self._starts))

    def look_at_clock(self) -> None:
        """From now on, Date says what time it is now."""
        date = http_date()
        if date != self._date:
            self._date = date
            self._starts.clear()

    def encode(self, response: Response, end: bytes, *, is_head: bool) -> Encoded | None:
        """The response in octets.

        `end` is how its head is to end, as far as the request says. `is_head`: it answers HEAD. None for a
        response that is not simple. Raises HttpError.InvalidValue for fields that cannot be sent.
        """
        if type(response) is not Response:
            return None
        status = response.status
        if status < 200 or status == 426:
            return None
        headers = response.headers
        found = self._shared.get(id(headers))
        facts = found[1] if found is not None and found[0] is headers else self._facts(headers)
        if facts.closes:
            end = CLOSES
        start, number = self._starts.get(status << 2 | facts.standard) or self._start(status, facts.standard)
        body = response.body or b""
        size = len(body)
        if size > LARGEST_BODY:
            return None
        if not is_head and status != _NO_BODY and status != _NOT_MODIFIED:
            octets = b"%b%bContent-Length: %d\r\n%b%b" % (start, facts.lines, size, end, body)
            return octets, number, size, end is CLOSES
        # RFC 9110 section 8.6: the length that the body would have; never with 204.
        announced = size or facts.length
        framing = b"" if announced is None or status == _NO_BODY else b"Content-Length: %d\r\n" % announced
        return b"%b%b%b%b" % (start, facts.lines, framing, end), number, 0, end is CLOSES

    def _facts(self, headers: Headers) -> ResponseFacts:
        items = tuple(headers.to_items())
        facts = self._known.get(items) or response_facts(items)
        if len(facts.lines) <= LONGEST_REMEMBERED:
            if len(self._known) >= REMEMBERED or len(self._shared) >= REMEMBERED:
                self._known.clear()
                self._shared.clear()
            self._known[items] = facts
            self._shared[id(headers)] = headers, facts
        return facts

    def write(self, status: int, fields: Sequence[tuple[bytes, bytes]], body: bytes, end: bytes) -> bytes:
        """A response with a body, in octets; of fields that `check` has passed."""
        facts = self.check(fields)
        start, _ = self._starts.get(status << 2 | facts.standard) or self._start(status, facts.standard)
        return b"%b%bContent-Length: %d\r\n%b%b" % (start, facts.lines, len(body), end, body)

    def check(self, fields: Sequence[tuple[bytes, bytes]]) -> ResponseFacts:
        """What fields say that are sent as they are. Raises HttpError.InvalidValue where they cannot be."""
        items = tuple(fields)
        facts = self._plain.get(items)
        if facts is None:
            facts = ResponseFacts(encode_lines(fields), None, False, _standard(fields))
            if len(facts.lines) <= LONGEST_REMEMBERED:
                if len(self._plain) >= REMEMBERED:
                    self._plain.clear()
                self._plain[items] = facts
        return facts

    def _start(self, status: int, standard: int) -> tuple[bytes, int]:
        """The status line with Date and Server, where the response does not bring its own; and the status
        as a plain number."""
        made = status_line(status)
        if not standard & _DATE:
            made += b"date: %b\r\n" % self._date
        if not standard & _SERVER:
            made += self._server
        if len(self._starts) < REMEMBERED:
            self._starts[status << 2 | standard] = made, int(status)
        return made, int(status)
