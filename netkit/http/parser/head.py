"""The head of an HTTP/1.1 message: start line, headers, and how the body is framed (RFC 9112).

    parser = HttpParser.request()
    while not (done := parser.feed(buffer)):      # the whole buffer, from the start of the message
        buffer += sock.recv(65536)
    for header in parser.headers:
        print(bytes(header.key(buffer)), bytes(header.value(buffer)))
    body = buffer[done.body_start:]               # framed as done.framing says

`feed` takes the grown buffer and remembers its position. So offsets stay valid, and the parser does not read
all octets again for every piece that arrives. Nothing is copied until `items`, `method` or a similar method
is called.

The parser judges a message line by line, each line when its end has arrived. The first wrong octet of a line
is the error. So the result depends only on the octets, and never on the pieces in which they arrived. A limit
raises its error when it is certainly exceeded: at the limit, plus two octets for a line's end.

Octets are nearly always correct; then regular expressions match whole lines (their quantifiers are
possessive, so they never backtrack). `lines` reads every line that they do not match, and finds the reason.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

from netkit import _twins
from netkit.http.parser import sections
from netkit.http.parser.errors import NOT_LAST, ParseError
from netkit.http.parser.framing import (
    FRAMING_FIELDS,
    RESPONSE_DEFAULT,
    TCHAR,
    TOKEN_OCTETS,
    Framing,
    Lenient,
    TargetForm,
    TransferEncoding,
    body_framing,
    check_behind_coding,
    check_lenient,
    check_limits,
    connection_persists,
    makes_tunnel,
    read_content_length,
    read_transfer_encoding,
)
from netkit.http.parser.lines import (
    CR,
    LF,
    Buffer,
    check_terminator,
    find_line_feed,
    line_end,
    octets,
    read_header_line,
    take_line,
    trimmed_end,
)
from netkit.http.parser.progress import NEED_MORE, Done, HeaderView, NeedMore, ParseProgress
from netkit.http.parser.start_line import (
    RequestLine,
    StatusLine,
    quick_request_line,
    quick_status_line,
    read_request_line,
    read_status_line,
)

if TYPE_CHECKING:
    from re import Match

__all__ = [
    "MAX_HEADERS_TOTAL",
    "MAX_HEADER_COUNT",
    "MAX_HEADER_LINE",
    "MAX_REQUEST_LINE",
    "Done",
    "Framing",
    "HeaderView",
    "HttpParser",
    "Lenient",
    "NeedMore",
    "ParseError",
    "ParseProgress",
    "TargetForm",
]

#: Octets of the start line, with the empty lines before it.
MAX_REQUEST_LINE = 8192
#: Octets of one header line.
MAX_HEADER_LINE = 16384
#: Octets of all header lines, with their line ends.
MAX_HEADERS_TOTAL = 64 * 1024
#: Header fields.
MAX_HEADER_COUNT = 128

# A header line; or the empty line; or, taking nothing, whatever else is there.
_LINES = re.compile(rb"([" + TCHAR + rb"]++):[ \t]*+([\t\x20-\x7e\x80-\xff]*+)\r\n|(\r\n)|()").finditer

# A TLS record begins with its type, of which an alert and a handshake come first, and with version 3.
_TLS_TYPES = (21, 22)

_EMPTY_LINES, _START_LINE, _HEADERS = range(3)
_ABSENT = TransferEncoding.ABSENT


class HttpParser:
    """Reads the heads of requests, or of responses, one after another.

    Make it with `HttpParser.request` or `HttpParser.response`. Call `feed` until the head is complete, read
    the results, and call `reset` before the next message. After an error, `feed` raises the same error again
    until `reset` is called.
    """

    __slots__ = (
        "_coding",
        "_coding_field",
        "_done",
        "_error",
        "_folds",
        "_headers_start",
        "_is_request",
        "_length",
        "_lenient",
        "_line",
        "_looked_at",
        "_max_header_count",
        "_max_header_line",
        "_max_headers_total",
        "_max_request_line",
        "_request_method",
        "_scanned",
        "_section",
        "_size",
        "_spans",
        "_start",
        "_start_line",
        "_state",
    )

    _is_request: bool
    _request_method: bytes | None
    _lenient: Lenient
    _max_request_line: int
    _max_header_line: int
    _max_headers_total: int
    _max_header_count: int
    _headers_start: int
    _coding_field: tuple[int, bytes]
    #: Whether folds are tolerated, so that values may have to be unfolded.
    _folds: bool

    def __init__(self) -> None:
        raise TypeError("use HttpParser.request() or HttpParser.response()")

    @classmethod
    def request(
        cls,
        *,
        lenient: Lenient = Lenient.NOTHING,
        max_request_line: int = MAX_REQUEST_LINE,
        max_header_line: int = MAX_HEADER_LINE,
        max_headers_total: int = MAX_HEADERS_TOTAL,
        max_header_count: int = MAX_HEADER_COUNT,
    ) -> Self:
        """A parser of requests, for a server.

        Args:
            lenient: what to tolerate; nothing by default.
            max_request_line: octets of the request line, with the empty lines before it, without its end.
            max_header_line: octets of a header line, without its end.
            max_headers_total: octets of all header lines, with their ends, without the empty one.
            max_header_count: header fields.

        Raises:
            ValueError: a limit is negative, or over 2**30.
        """
        check_lenient(lenient)
        check_limits(
            max_request_line=max_request_line,
            max_header_line=max_header_line,
            max_headers_total=max_headers_total,
            max_header_count=max_header_count,
        )
        self = cls.__new__(cls)
        self._is_request = True
        self._request_method = None
        self._lenient = lenient
        self._folds = bool(lenient & Lenient.OBS_FOLD)
        self._max_request_line = max_request_line
        self._max_header_line = max_header_line
        self._max_headers_total = max_headers_total
        self._max_header_count = max_header_count
        self._reset(0)
        return self

    @classmethod
    def response(
        cls,
        *,
        request_method: bytes | str | None = None,
        lenient: Lenient = RESPONSE_DEFAULT,
        max_request_line: int = MAX_REQUEST_LINE,
        max_header_line: int = MAX_HEADER_LINE,
        max_headers_total: int = MAX_HEADERS_TOTAL,
        max_header_count: int = MAX_HEADER_COUNT,
    ) -> Self:
        """A parser of responses, for a client.

        Args:
            request_method: the method of the request. The framing depends on it: a response to HEAD has no
                body, and 2xx to CONNECT makes a tunnel (RFC 9112 section 6.3).
            lenient: what to tolerate; by default, a status line without the space before its reason.
            max_request_line: octets of the status line; the others as for `request`.
        """
        self = cls.request(
            lenient=lenient,
            max_request_line=max_request_line,
            max_header_line=max_header_line,
            max_headers_total=max_headers_total,
            max_header_count=max_header_count,
        )
        self._is_request = False
        self._request_method = _method_octets(request_method)
        return self

    def reset(self, start: int = 0, *, request_method: bytes | str | None = None) -> None:
        """Forget the message, for the next one.

        Args:
            start: where in the buffer it will begin. A pipelined message so needs no other buffer:
                `parser.reset(done.body_start + done.body_len)`.
            request_method: the method that the next response answers; not for requests.

        Raises:
            ValueError: start is negative.
        """
        if start < 0:
            raise ValueError("start must not be negative")
        self._request_method = None if self._is_request else _method_octets(request_method)
        self._reset(start)

    def _reset(self, start: int) -> None:
        self._start = start
        self._size = start  # of the buffer that was fed last
        self._line = start  # where the line begins that is being read
        self._scanned = start  # up to where there is no LF in it
        self._state = _EMPTY_LINES
        self._start_line: RequestLine | StatusLine | None = None
        self._spans: list[tuple[int, int, int, int]] = []
        self._section: tuple[int, bytes] | None = None  # headers that are right, and not taken apart yet
        self._length: int | None = None
        self._coding = _ABSENT
        self._done: Done | None = None
        self._error: ParseError | None = None
        self._looked_at = 0

    def feed(self, data: Buffer) -> NeedMore | Done:
        """Continue to read the head.

        Args:
            data: everything received since the message began (or since the start given to `reset`): the
                buffer of the last call, grown. It may contain octets after the message; they are not read.

        Returns:
            NeedMore, which is false, or Done. After Done, every call returns the same Done.

        Raises:
            ParseError: this is no HTTP/1.1 message; the variant says why, and `offset` says where.
            ValueError: the buffer is shorter than before.
            TypeError: data is not a contiguous buffer.
        """
        if self._done is not None:
            return self._done
        if self._error is not None:
            raise self._error.fresh()
        buffer = octets(data)
        size = len(buffer)
        if size < self._size:
            raise ValueError(f"the buffer has shrunk from {self._size} to {size} octets")
        self._size = size
        try:
            if self._state != _HEADERS and not self._read_start(buffer, size):
                return NEED_MORE
            if not self._read_headers(buffer, size):
                return NEED_MORE
            self._done = self._frame()
        except ParseError as error:
            self._error = error.fresh()
            raise
        return self._done

    def finish(self) -> None:
        """Call this when the stream ends. Raises ParseError.Incomplete inside a message's head."""
        if self._error is not None:
            raise self._error.fresh()
        if self._done is None and (self._state != _EMPTY_LINES or self._size > self._line):
            self._error = ParseError.Incomplete(self._size)
            raise self._error.fresh()

    # What was read

    @property
    def headers(self) -> tuple[HeaderView, ...]:
        """The position of each header field, in order; in an incomplete head, of the fields read so far."""
        return tuple(
            _HeaderView(name, name_end - name, value, value_end - value)
            for name, name_end, value, value_end in self._fields()
        )

    def items(self, buf: Buffer) -> list[tuple[bytes, bytes]]:
        """Every header as a name, in the case it was sent in, and a value; a fold in it becomes a space."""
        data = buf if type(buf) is bytes else bytes(octets(buf)[: self._line])
        if self._section is not None:
            start, section = self._section
            if data.startswith(section, start):
                return sections.items(section)
        items = [(data[name:name_end], data[value:end]) for name, name_end, value, end in self._fields()]
        if self._folds:
            return [(name, sections.unfolded(value)) for name, value in items]
        return items

    def received_head(
        self, buf: Buffer
    ) -> tuple[int, tuple[int, int], bytes, list[tuple[bytes, bytes]], bool]:
        """All that a client asks of the head of a response, in one call, because each costs as much.

        Returns:
            `status`, `version`, `reason(buf)`, `items(buf)`, and whether the connection may be used again
            after the message, as far as the head says (RFC 9112 section 9.3).

        Raises:
            ValueError: this parses requests, or the head is not complete.
        """
        line = self._start_line
        if self._done is None or not isinstance(line, StatusLine):
            raise ValueError("no head of a response was read")
        items = self.items(buf)
        return line.code, (1, line.minor), self.reason(buf), items, connection_persists(line.minor, items)

    def _fields(self) -> list[tuple[int, int, int, int]]:
        """Where each name and each value begins and ends."""
        if self._section is not None and not self._spans:
            start, section = self._section
            self._spans = sections.spans(section, start)
        return self._spans

    @property
    def start_line(self) -> dict[str, tuple[int, int]]:
        """The parts of the start line by name, each with its start and its length; empty before it was read.

        Of a request `method`, `target` and `version`; of a response `version`, `status` and `reason`.
        """
        if self._start_line is None:
            return {}
        return {part: (start, end - start) for part, (start, end) in self._start_line.parts().items()}

    def method(self, buf: Buffer) -> bytes:
        """A request's method, as it was sent. Raises ValueError where there is none, or not yet."""
        return self._part(buf, "method")

    def target(self, buf: Buffer) -> bytes:
        """A request's target, as it was sent. Raises ValueError where there is none, or not yet."""
        return self._part(buf, "target")

    def reason(self, buf: Buffer) -> bytes:
        """A response's reason phrase, often empty. Raises ValueError where there is none, or not yet."""
        return self._part(buf, "reason")

    @property
    def target_form(self) -> TargetForm | None:
        """Which form a request's target has; None for a response, or before it was read."""
        return self._start_line.form if isinstance(self._start_line, RequestLine) else None

    @property
    def version(self) -> tuple[int, int] | None:
        """The version, such as (1, 1); None before it was read."""
        return None if self._start_line is None else (1, self._start_line.minor)

    @property
    def status(self) -> int | None:
        """A response's status code; None for a request, or before it was read."""
        return self._start_line.code if isinstance(self._start_line, StatusLine) else None

    @property
    def looked_at(self) -> int:
        """How many octets were looked at for this message, those looked at twice counted twice."""
        return self._looked_at

    def _part(self, buf: Buffer, part: str) -> bytes:
        parts = {} if self._start_line is None else self._start_line.parts()
        if part not in parts:
            raise ValueError(f"no {part} was read")
        start, end = parts[part]
        return bytes(octets(buf)[start:end])

    # The start line

    def _read_start(self, buffer: Buffer, size: int) -> bool:
        """Read up to the end of the start line, if that is there."""
        if self._state == _EMPTY_LINES:
            quick = quick_request_line if self._is_request else quick_status_line
            line = quick(buffer, self._start, self._start + self._max_request_line + 2)
            if line is not None:
                at = line[2][1] + 2
                self._looked_at += at - self._start
                self._begin_headers(line, at)
                return True
            if not self._skip_empty_lines(buffer, size) or not self._check_first(buffer, size):
                return False
            self._state = _START_LINE
            self._scanned = self._line
        limit = self._start + self._max_request_line
        line_feed = self._find_line_feed(buffer, size, limit + 2)
        if line_feed < 0:
            if size >= limit + 2:
                raise ParseError.RequestLineTooLong(self._max_request_line, limit, "max_request_line")
            return False
        self._looked_at += line_feed + 1 - self._line
        read = read_request_line if self._is_request else read_status_line
        self._begin_headers(read(buffer, self._line, line_feed, self._lenient), line_feed + 1)
        return True

    def _begin_headers(self, line: RequestLine | StatusLine, at: int) -> None:
        self._start_line = line
        self._state = _HEADERS
        self._line = self._scanned = self._headers_start = at

    def _find_line_feed(self, buffer: Buffer, size: int, window: int) -> int:
        """Where the LF is that ends the line; -1 if not before window, and then remember how far it was."""
        end = min(size, window)
        line_feed = find_line_feed(buffer, self._scanned, end)
        self._looked_at += (end if line_feed < 0 else line_feed + 1) - self._scanned
        if line_feed < 0:
            self._scanned = end
        return line_feed

    def _skip_empty_lines(self, buffer: Buffer, size: int) -> bool:
        """Empty lines before a request are ignored (RFC 9112 section 2.2); a response has none."""
        if not self._is_request:
            return self._line < size
        limit = self._start + self._max_request_line
        while True:
            at = self._line
            if at > limit:
                raise ParseError.RequestLineTooLong(self._max_request_line, limit, "max_request_line")
            if at >= size:
                return False
            self._looked_at += 1
            if buffer[at] == LF:
                check_terminator(at, at, self._lenient)
                self._line = at + 1
            elif buffer[at] == CR:
                if at + 1 >= size:
                    return False
                if buffer[at + 1] != LF:
                    raise ParseError.BareCarriageReturn(at)
                self._line = at + 2
            else:
                return True

    def _check_first(self, buffer: Buffer, size: int) -> bool:
        """Refuse at once what cannot be the beginning of a message; false if one octet does not tell."""
        at = self._line
        octet = buffer[at]
        if octet in _TLS_TYPES:
            if at + 1 >= size:
                return False
            if buffer[at + 1] == 3:
                raise ParseError.TlsBytes(at)
        if self._is_request:
            if octet not in TOKEN_OCTETS:
                raise ParseError.InvalidMethod(octet, at)
        elif octet != ord("H"):
            raise ParseError.InvalidStatusLine("it does not begin with an HTTP version", at)
        return True

    # The headers

    def _read_headers(self, buffer: Buffer, size: int) -> bool:
        """Read up to the empty line, if that is there."""
        total = self._headers_start + self._max_headers_total
        tried = False  # whether an expression has looked at this line in vain
        while True:
            line = self._line
            longest = line + self._max_header_line
            line_feed = self._find_line_feed(buffer, size, min(longest, total) + 2)
            if tried:
                self._looked_at += (size if line_feed < 0 else line_feed + 1) - line
            if line_feed < 0:
                if size < min(longest, total) + 2:
                    return False
                if total < longest:
                    raise ParseError.HeaderTooLong(self._max_headers_total, total, "max_headers_total")
                raise ParseError.HeaderTooLong(self._max_header_line, longest, "max_header_line")
            if self._read_lines(buffer, min(size, total + 2)):
                return True
            tried = self._line != line
            if tried:
                self._scanned = self._line
            elif self._read_line(buffer, line, line_feed):
                return True
            else:
                self._line = self._scanned = line_feed + 1

    def _read_lines(self, buffer: Buffer, end: int) -> bool:
        """Read lines as long as they are what they should be. True at the empty one."""
        spans = self._spans
        times = 1
        if not spans:
            if self._read_section(buffer, end):
                return True
            times = 2  # that has looked at the same lines
        room = self._max_header_count - len(spans)
        longest = self._max_header_line + 2
        begun = at = self._line
        match: Match[bytes]
        for match in _LINES(buffer, at, end):
            (_, at), (name, name_end), (value, value_end), _, _ = match.regs
            if name < 0:
                if at > self._line:  # the empty line
                    self._looked_at += times * (at - begun)
                    self._line = at
                    return True
                break
            if not room or at - name > longest:
                break
            room -= 1
            if value < value_end and buffer[value_end - 1] in b" \t":
                value_end = trimmed_end(buffer, value, value_end)
            spans.append((name, name_end, value, value_end))
            if name_end - name in (14, 17):
                self._note(buffer, name, name_end, value, value_end)
            self._line = at
        self._looked_at += times * (self._line - begun)
        return False

    def _read_section(self, buffer: Buffer, end: int) -> bool:
        """Read all lines at once, if they are what they should be and none of them is about the framing."""
        start = self._line
        section = sections.take_section(buffer, start, end, self._max_header_line, self._max_header_count)
        if section is None:
            return False
        self._section = (start, section)
        self._line = start + len(section) + 2
        self._looked_at += 2 * (self._line - start)
        return True

    def _read_line(self, buffer: Buffer, start: int, line_feed: int) -> bool:
        """Read a line the careful way. True if it is the empty one."""
        self._looked_at += 2 * (line_feed + 1 - start)  # an expression has tried
        spans = self._spans
        if line_end(buffer, start, line_feed) == start:
            if buffer[start] == LF:
                check_terminator(start, line_feed, self._lenient)
            self._line = line_feed + 1
            return True
        if buffer[start] not in b" \t" and len(spans) >= self._max_header_count:
            raise ParseError.TooManyHeaders(self._max_header_count, start, "max_header_count")
        line = read_header_line(
            buffer, start, line_feed, self._lenient, first=not spans, fold=not self._is_framing(buffer)
        )
        if take_line(spans, line):
            self._note(buffer, *line)
        return False

    def _is_framing(self, buffer: Buffer) -> bool:
        """Whether the last field is one that frames the body, which no fold may change."""
        if not self._spans:
            return False
        name, name_end, _, _ = self._spans[-1]
        return bytes(buffer[name:name_end]).lower() in FRAMING_FIELDS

    def _note(self, buffer: Buffer, name: int, name_end: int, value: int, value_end: int) -> None:
        """Take in what a field says about the framing, if it does."""
        line = self._start_line
        if isinstance(line, StatusLine) and makes_tunnel(self._request_method, line.code):
            return
        key = bytes(buffer[name:name_end]).lower()
        if key == b"content-length":
            repeats = bool(self._lenient & Lenient.CONTENT_LENGTH)
            digits = bytes(buffer[value:value_end])
            self._length = read_content_length(digits, value, self._length, repeats=repeats)
        elif key == b"transfer-encoding":
            coding = bytes(buffer[value:value_end])
            until_close = not self._is_request and bool(self._lenient & Lenient.UNTIL_CLOSE)
            self._coding = read_transfer_encoding(coding, value, self._coding, until_close=until_close)
            self._coding_field = (value, coding)
            check_behind_coding(buffer, value_end, self._lenient, coding, value)

    def _frame(self) -> Done:
        """The head is complete: how its body is framed."""
        coding = self._coding
        if self._is_request and coding is _ABSENT and self._length is None:
            return _Done(self._line - self._start, self._line, 0, Framing.NONE, False)
        line = self._start_line
        if coding is not _ABSENT:
            offset, raw = self._coding_field
            if line is not None and line.minor == 0 and not self._lenient & Lenient.TRANSFER_ENCODING:
                raise ParseError.InvalidTransferEncoding(raw, "in an HTTP/1.0 message", offset)
            if self._is_request and coding is TransferEncoding.OTHER:
                raise ParseError.InvalidTransferEncoding(raw, NOT_LAST, offset)
        framing = body_framing(
            is_request=self._is_request,
            request_method=self._request_method,
            status=line.code if isinstance(line, StatusLine) else 0,
            coding=coding,
            length=self._length,
        )
        length = self._length if framing is Framing.LENGTH else 0 if framing is Framing.NONE else None
        conflict = coding is not _ABSENT and self._length is not None
        return _Done(self._line - self._start, self._line, length, framing, conflict)


def _method_octets(method: bytes | str | None) -> bytes | None:
    """A method as octets, however it was given. Raises TypeError for what is none."""
    if method is None or isinstance(method, bytes):
        return method
    if isinstance(method, str):
        return method.encode("utf-8")
    raise TypeError(f"a method is str or bytes, not {type(method).__name__}")


# What the Python parser itself makes, whichever twins are chosen below.
_Done, _HeaderView = Done, HeaderView
if not TYPE_CHECKING:
    HeaderView = _twins.choose("HeaderView", HeaderView)
    Done = _twins.choose("Done", Done)
    HttpParser = _twins.choose("HttpParser", HttpParser)
    if Done is not _Done:
        ParseProgress.Done = ParseProgress.register(Done)
