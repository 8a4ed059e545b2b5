"""Decode the chunked transfer coding (RFC 9112 section 7.1), with the trailers at its end.

    decoder = ChunkedDecoder(start=done.body_start)
    while True:
        match decoder.feed(buffer):
            case ChunkProgress.ChunkNeedMore():
                buffer += sock.recv(65536)
            case ChunkProgress.ChunkOutput() as chunk:
                sink.write(chunk.data(buffer))
            case ChunkProgress.ChunkEnd(end=end):
                break

Feed the same buffer again and again, as it grows; each call returns the next piece of it. The decoder returns
data at once, even if its chunk is not complete, and does not inspect the data. After a piece was returned,
the caller may remove it from the front of the buffer and report that with `discard`. So the buffer need not
hold the whole body.

The decoder refuses whitespace around the ";" and "=" of an extension, unless `Lenient.CHUNK_SPACE` is given.
RFC 9110 section 5.6.3 forbids senders to write this whitespace and makes recipients remove it. So the decoder
is stricter than the RFC, and as strict as llhttp. Other parsers accept the whitespace in some places, or
accept anything up to the line's end. So whitespace in a chunk's line is more probably an attempt to make two
parsers disagree than an honest message.

Chunk sizes, extensions and trailers are judged as `head` judges header lines: when the whole line has
arrived, by its first wrong octet. The pieces in which it arrived do not matter. Extensions have no meaning
here; the decoder checks their grammar and skips them (section 7.1.1). The check prevents request smuggling:
one parser may read octets as an extension, and another may read them as the end of a line. The length of
each extension, and of all together, is limited: otherwise a body of one-octet chunks with long extensions
would be a cheap way to make a server read.
"""

from __future__ import annotations

import re
from operator import index
from typing import TYPE_CHECKING

from netkit import _twins
from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import FRAMING_FIELDS, TOKEN_OCTETS, Lenient, check_lenient, check_limits
from netkit.http.parser.head import MAX_HEADER_COUNT, MAX_HEADER_LINE, MAX_HEADERS_TOTAL
from netkit.http.parser.lines import (
    CR,
    HTAB,
    LF,
    SP,
    Buffer,
    check_terminator,
    find_line_feed,
    line_end,
    octets,
    read_header_line,
    refuse,
)
from netkit.http.parser.progress import (
    CHUNK_NEED_MORE,
    ChunkEnd,
    ChunkNeedMore,
    ChunkOutput,
    ChunkProgress,
    Trailer,
    make_trailer,
)

__all__ = [
    "MAX_CHUNK_SIZE",
    "MAX_EXTENSION",
    "MAX_EXTENSIONS_TOTAL",
    "ChunkEnd",
    "ChunkNeedMore",
    "ChunkOutput",
    "ChunkProgress",
    "ChunkedDecoder",
    "Trailer",
]

#: Octets of one chunk: what 32 bits hold.
MAX_CHUNK_SIZE = 2**32 - 1
#: Octets of one chunk's extension, from the end of the size to the end of the line.
MAX_EXTENSION = 1024
#: Octets of all extensions of a body.
MAX_EXTENSIONS_TOTAL = 16 * 1024

#: Digits of a chunk's size, with leading zeros. More digits are an overflow, whatever their value is.
_MAX_DIGITS = 16

_DIGIT = frozenset(b"0123456789ABCDEFabcdef")
_DIGITS = re.compile(rb"[0-9A-Fa-f]++").match
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,8}+)\r\n").match

# Where one is in a chunk extension, which is `*( ";" chunk-ext-name [ "=" chunk-ext-val ] )`.
_BETWEEN, _NAME_START, _NAME, _NAME_END, _VALUE_START, _VALUE, _QUOTED, _ESCAPED = range(8)
_MAY_END = (_BETWEEN, _NAME, _NAME_END, _VALUE)

_SIZE, _DATA, _DATA_END, _TRAILERS, _ENDED = range(5)


class ChunkedDecoder:
    """Finds the data in a chunked body, and its end.

    Args:
        start: where in the buffer the body begins.
        lenient: what to tolerate: `BARE_LF`, `CHUNK_SPACE`, and in trailers `OBS_FOLD` and
            `SPACE_BEFORE_COLON`.
        max_chunk_size: octets of one chunk, at most 2**63 - 1.
        max_extension: octets of one chunk's extension.
        max_extensions_total: octets of all of them.
        max_header_line: octets of a trailer line, without its end.
        max_headers_total: octets of all trailer lines, with their ends.
        max_header_count: trailer fields.

    Raises:
        ValueError: start is negative, or a limit out of range.
    """

    __slots__ = (
        "_base",
        "_end",
        "_error",
        "_extensions",
        "_lenient",
        "_line",
        "_looked_at",
        "_max_chunk_size",
        "_max_extension",
        "_max_extensions_total",
        "_max_header_count",
        "_max_header_line",
        "_max_headers_total",
        "_remaining",
        "_scanned",
        "_size",
        "_state",
        "_trailers",
        "_trailers_start",
    )

    def __init__(
        self,
        *,
        start: int = 0,
        lenient: Lenient = Lenient.NOTHING,
        max_chunk_size: int = MAX_CHUNK_SIZE,
        max_extension: int = MAX_EXTENSION,
        max_extensions_total: int = MAX_EXTENSIONS_TOTAL,
        max_header_line: int = MAX_HEADER_LINE,
        max_headers_total: int = MAX_HEADERS_TOTAL,
        max_header_count: int = MAX_HEADER_COUNT,
    ) -> None:
        check_lenient(lenient)
        max_chunk_size = index(max_chunk_size)
        if not 0 <= max_chunk_size < 2**63:
            raise ValueError(f"max_chunk_size must be from 0 to {2**63 - 1}, not {max_chunk_size}")
        check_limits(
            max_extension=max_extension,
            max_extensions_total=max_extensions_total,
            max_header_line=max_header_line,
            max_headers_total=max_headers_total,
            max_header_count=max_header_count,
        )
        self._lenient = lenient
        self._max_chunk_size = max_chunk_size
        self._max_extension = max_extension
        self._max_extensions_total = max_extensions_total
        self._max_header_line = max_header_line
        self._max_headers_total = max_headers_total
        self._max_header_count = max_header_count
        self.reset(start)

    def reset(self, start: int = 0) -> None:
        """Forget the body, for the next one, which begins at start of the buffer."""
        if start < 0:
            raise ValueError("start must not be negative")
        # Where in the buffer the body begins; negative when that part of it was discarded.
        self._base = start
        self._size = start  # of the buffer that was fed last
        self._line = start  # where what is being read begins; what is before it was handed out
        self._scanned = start  # up to where there is no LF in the line that is being read
        self._state = _SIZE
        self._remaining = 0  # octets of the chunk that were not handed out
        self._extensions = 0  # octets of them so far
        self._trailers: list[tuple[bytes, bytes]] = []
        self._trailers_start = 0
        self._end: ChunkEnd | None = None
        self._error: ParseError | None = None
        self._looked_at = 0

    def feed(self, data: Buffer) -> ChunkNeedMore | ChunkOutput | ChunkEnd:
        """The next thing in the buffer: some data, the end, or nothing more.

        Args:
            data: the buffer of the last call, grown or the same.

        Raises:
            ParseError: the chunked coding is wrong; `offset` counts in this buffer.
            ValueError: the buffer is shorter than before, and `discard` was not called.
            TypeError: data is not a contiguous buffer.
        """
        if self._end is not None:
            return self._end
        if self._error is not None:
            raise self._error.fresh()
        buffer = octets(data)
        size = len(buffer)
        if size < self._size:
            raise ValueError(f"the buffer has shrunk from {self._size} to {size} octets")
        self._size = size
        try:
            return self._next(buffer, size)
        except ParseError as error:
            self._error = error.fresh()
            raise

    def discard(self, count: int) -> None:
        """Tell the decoder that the first `count` octets were removed. Offsets count from the new front.

        Raises:
            ValueError: count is negative, or larger than `safe_to_discard`.
        """
        if not 0 <= count <= self._line:
            raise ValueError(f"from 0 to {self._line} octets may be discarded, not {count}")
        self._base -= count
        self._size -= count
        self._line -= count
        self._scanned -= count
        self._trailers_start -= count
        if self._end is not None:
            self._end = _ChunkEnd(self._end.consumed, self._end.end - count)

    @property
    def safe_to_discard(self) -> int:
        """How many octets at the front of the buffer the decoder no longer needs."""
        return self._line

    def finish(self) -> None:
        """Call this when the stream ends. Raises ParseError.Incomplete inside a body (RFC 9112 section 8)."""
        if self._error is not None:
            raise self._error.fresh()
        if self._end is None:
            self._error = ParseError.Incomplete(self._size)
            raise self._error.fresh()

    @property
    def trailers(self) -> tuple[Trailer, ...]:
        """The trailer fields, in order."""
        return tuple(make_trailer(name, value) for name, value in self._trailers)

    @property
    def looked_at(self) -> int:
        """How many octets were read so far. An octet that was read twice counts twice."""
        return self._looked_at

    def _next(self, buffer: Buffer, size: int) -> ChunkNeedMore | ChunkOutput | ChunkEnd:
        """One step after another until there is something to say."""
        while True:
            if self._state == _DATA:
                if self._line >= size:
                    return CHUNK_NEED_MORE
                start = self._line
                length = min(self._remaining, size - start)
                self._remaining -= length
                self._line = self._scanned = start + length
                if not self._remaining:
                    self._state = _DATA_END
                return _ChunkOutput(start, length, self._remaining)
            if not _STEPS[self._state](self, buffer, size):
                return CHUNK_NEED_MORE
            if self._state == _ENDED:
                self._end = _ChunkEnd(self._line - self._base, self._line)
                return self._end

    def _read_size(self, buffer: Buffer, size: int) -> bool:
        """`chunk-size [ chunk-ext ] CRLF`; false if its end is not there."""
        start = self._line
        if start >= size:
            return False
        if buffer[start] not in _DIGIT:
            self._looked_at += 1
            raise ParseError.InvalidChunkSize(buffer[start], start)
        # The usual line: a size and nothing else. One that is being waited for was looked at before.
        match = _SIZE_LINE(buffer, start, size) if self._scanned == start else None
        if match is not None:
            self._looked_at += match.end() - start
            self._begin_chunk(self._chunk_size(match[1], start), match.end())
            return True
        longest = start + _MAX_DIGITS + self._max_extension + 2
        line_feed = find_line_feed(buffer, self._scanned, min(size, longest))
        self._looked_at += (min(size, longest) if line_feed < 0 else line_feed + 1) - self._scanned
        if line_feed < 0 and size < longest:
            self._scanned = size
            return False
        self._read_size_line(buffer, start, line_feed, min(size, longest))
        return True

    def _read_size_line(self, buffer: Buffer, start: int, line_feed: int, size: int) -> None:
        """The line with a chunk's size, which may have an extension; without LF it is too long."""
        self._looked_at += (size if line_feed < 0 else line_feed) - start
        end = size if line_feed < 0 else line_end(buffer, start, line_feed)
        match = _DIGITS(buffer, start, end)
        assert match is not None
        digits_end = match.end()
        length = self._chunk_size(match[0], start)
        if line_feed < 0 or end - digits_end > self._max_extension:
            raise ParseError.ChunkExtensionTooLong(self._max_extension, digits_end, "max_extension")
        self._extensions += end - digits_end
        if self._extensions > self._max_extensions_total:
            raise ParseError.ChunkExtensionTooLong(
                self._max_extensions_total, digits_end, "max_extensions_total"
            )
        _check_extension(buffer, digits_end, end, bool(self._lenient & Lenient.CHUNK_SPACE))
        check_terminator(end, line_feed, self._lenient)
        self._begin_chunk(length, line_feed + 1)

    def _chunk_size(self, digits: bytes, start: int) -> int:
        """Hexadecimal digits as the number they are, if it is not too large."""
        size = 0
        if len(digits) <= _MAX_DIGITS:
            for octet in digits:
                size = size * 16 + (octet - 0x30 if octet <= 0x39 else (octet | 0x20) - 0x57)
        if len(digits) > _MAX_DIGITS or size > self._max_chunk_size:
            raise ParseError.ChunkSizeOverflow(self._max_chunk_size, start, "max_chunk_size")
        return size

    def _begin_chunk(self, length: int, after: int) -> None:
        """The size is read: what comes next is data, or trailers after the last chunk."""
        self._line = self._scanned = after
        self._remaining = length
        self._state = _DATA if length else _TRAILERS
        self._trailers_start = after

    def _read_data_end(self, buffer: Buffer, size: int) -> bool:
        """The CRLF after a chunk's data."""
        at = self._line
        if at >= size:
            return False
        self._looked_at += 1
        if buffer[at] == LF and self._lenient & Lenient.BARE_LF:
            after = at + 1
        elif buffer[at] != CR:
            raise ParseError.InvalidChunkEnd(buffer[at], at)
        elif at + 1 >= size:
            return False
        elif buffer[at + 1] != LF:
            raise ParseError.InvalidChunkEnd(buffer[at + 1], at + 1)
        else:
            after = at + 2
        self._line = self._scanned = after
        self._state = _SIZE
        return True

    def _read_trailer(self, buffer: Buffer, size: int) -> bool:
        """One line of the trailer section (RFC 9112 section 7.1.2), or the empty line that ends it."""
        start = self._line
        total = self._trailers_start + self._max_headers_total
        longest = start + self._max_header_line
        window = min(total, longest) + 2
        line_feed = find_line_feed(buffer, self._scanned, min(size, window))
        self._looked_at += (min(size, window) if line_feed < 0 else line_feed + 1) - self._scanned
        if line_feed < 0:
            if size < window:
                self._scanned = size
                return False
            if total < longest:
                raise ParseError.HeaderTooLong(self._max_headers_total, total, "max_headers_total")
            raise ParseError.HeaderTooLong(self._max_header_line, longest, "max_header_line")
        if line_end(buffer, start, line_feed) == start:
            if buffer[start] == LF:
                check_terminator(start, line_feed, self._lenient)
            self._state = _ENDED
        else:
            self._read_trailer_line(buffer, start, line_feed)
        self._line = self._scanned = line_feed + 1
        return True

    def _read_trailer_line(self, buffer: Buffer, start: int, line_feed: int) -> None:
        """A trailer field, or a line that continues one where that is tolerated."""
        self._looked_at += line_feed + 1 - start
        trailers = self._trailers
        if buffer[start] not in b" \t" and len(trailers) >= self._max_header_count:
            raise ParseError.TooManyHeaders(self._max_header_count, start, "max_header_count")
        line = read_header_line(buffer, start, line_feed, self._lenient, first=not trailers, fold=True)
        name, value = (
            bytes(buffer[line.name_start : line.name_end]),
            bytes(buffer[line.value_start : line.value_end]),
        )
        if not name:
            if value:
                name, before = trailers[-1]
                trailers[-1] = (name, before + b" " + value if before else value)
            return
        if name.lower() in FRAMING_FIELDS:
            raise ParseError.ForbiddenTrailer(name, start)
        trailers.append((name, value))


_STEPS = {
    _SIZE: ChunkedDecoder._read_size,
    _DATA_END: ChunkedDecoder._read_data_end,
    _TRAILERS: ChunkedDecoder._read_trailer,
}


def _check_extension(buffer: Buffer, start: int, end: int, spaces: bool) -> None:
    """Refuse what is no chunk extension (RFC 9112 section 7.1.1), at the first octet that is wrong."""
    state = _BETWEEN
    for at in range(start, end):
        octet = buffer[at]
        following = _after(state, octet, spaces)
        if following is None:
            refuse(ParseError.InvalidChunkExtension, buffer, at, end)
        state = following
    if state not in _MAY_END:
        refuse(ParseError.InvalidChunkExtension, buffer, end, end)


def _after(state: int, octet: int, spaces: bool) -> int | None:
    """The state that an octet of an extension leads to; None where it may not stand."""
    if state == _QUOTED:
        if octet == ord('"'):
            return _BETWEEN
        if octet == ord("\\"):
            return _ESCAPED
    if state in (_QUOTED, _ESCAPED):
        return _QUOTED if octet == HTAB or (octet >= SP and octet != 0x7F) else None
    if octet in TOKEN_OCTETS:
        return _INTO_TOKEN.get(state)
    if octet in (SP, HTAB):
        # The bad whitespace of RFC 9110 section 5.6.3, and such before the end of the line.
        return _INTO_SPACE[state] if spaces else None
    if octet == ord(";"):
        return _NAME_START if state in _MAY_END else None
    if octet == ord("="):
        return _VALUE_START if state in (_NAME, _NAME_END) else None
    return _QUOTED if octet == ord('"') and state == _VALUE_START else None


_INTO_TOKEN = {_NAME_START: _NAME, _NAME: _NAME, _VALUE_START: _VALUE, _VALUE: _VALUE}
_INTO_SPACE = {
    _BETWEEN: _BETWEEN,
    _NAME_START: _NAME_START,
    _NAME: _NAME_END,
    _NAME_END: _NAME_END,
    _VALUE_START: _VALUE_START,
    _VALUE: _BETWEEN,
}


# What the Python decoder itself makes, whichever twins are chosen below.
_ChunkOutput, _ChunkEnd = ChunkOutput, ChunkEnd
if not TYPE_CHECKING:
    ChunkOutput = _twins.choose("ChunkOutput", ChunkOutput)
    ChunkEnd = _twins.choose("ChunkEnd", ChunkEnd)
    ChunkedDecoder = _twins.choose("ChunkedDecoder", ChunkedDecoder)
    if ChunkOutput is not _ChunkOutput:
        ChunkProgress.ChunkOutput = ChunkProgress.register(ChunkOutput)
        ChunkProgress.ChunkEnd = ChunkProgress.register(ChunkEnd)
