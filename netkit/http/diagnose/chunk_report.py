"""Report a chunked body part by part: each chunk's line, its extension and its data, and the trailers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netkit.http.diagnose.findings import Finding, Span, of_error
from netkit.http.diagnose.report import Chunk
from netkit.http.diagnose.stray_lines import trailer_fields
from netkit.http.parser.chunked import ChunkedDecoder, ChunkEnd, ChunkOutput
from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import Lenient
from netkit.severity import Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.http.diagnose.report import MessageReport

_DIGITS = re.compile(rb"[0-9A-Fa-f]*+").match
_LAST_LINE = re.compile(rb"0++(?:[;\t ][^\n]*+)?+\r?\n").match

#: The tolerances that apply to a chunked body.
_TOLERANCES = Lenient.BARE_LF | Lenient.CHUNK_SPACE | Lenient.OBS_FOLD | Lenient.SPACE_BEFORE_COLON


class BodyReader:
    """Reads chunked bodies, one after another.

    Args:
        octets: the input.
        lenient: what to tolerate.
        limits: those of ChunkedDecoder, by name.
        keep: a function that gets each finding.
    """

    def __init__(
        self,
        octets: bytes,
        lenient: Lenient,
        limits: dict[str, int],
        keep: Callable[[Finding], object] = lambda _finding: None,
    ) -> None:
        self._octets = octets
        self._lenient = lenient
        self._limits = limits
        self._keep = keep
        self._decoder = ChunkedDecoder(lenient=lenient, **limits)
        #: The offset where the body ends, or where the reader stopped.
        self.end = 0

    def run_through(self, start: int) -> None:
        """Read a body and forget it. Raises ParseError as the decoder does."""
        self._decoder.reset(start)
        while (progress := self._decoder.feed(self._octets)) and not isinstance(progress, ChunkEnd):
            pass

    def read(self, message: MessageReport, start: int, room: int) -> str | None:
        """Read a body into the report, with at most `room` chunks. Returns what is missing, or None.

        Raises ParseError as the decoder does.
        """
        decoder, octets = self._decoder, self._octets
        decoder.reset(start)
        self.end = len(octets)
        at = start  # where the next size line begins
        left = 0
        while progress := decoder.feed(octets):
            if isinstance(progress, ChunkEnd):
                self._chunk(message, at, -1, 0, room)
                message.complete = True
                self.end = progress.end
                self._trailers(message, at, progress.end)
                if self._lenient & _TOLERANCES:
                    self._tolerated(message, start)
                return None
            if TYPE_CHECKING:
                assert isinstance(progress, ChunkOutput)
            data, length, left = progress.data_start, progress.data_len, progress.remaining
            self._chunk(message, at, data, length + left, room)
            message.content_length += length
            at = data + length
            at += 2 if octets[at : at + 2] == b"\r\n" else 1
        if left:
            return f"{left} octets of a chunk are missing"
        if _LAST_LINE(octets, at):
            return "the empty line that ends its trailers is missing"
        return "its last chunk is missing"

    def _chunk(self, message: MessageReport, at: int, data: int, size: int, room: int) -> None:
        """A chunk whose size line begins at `at`; the last one has no data."""
        octets = self._octets
        line_feed = data - 1 if data >= 0 else octets.index(b"\n", at)
        end = line_feed - 1 if octets[line_feed - 1 : line_feed] == b"\r" else line_feed
        match = _DIGITS(octets, at, end)
        assert match is not None
        digits = match.end()
        message.chunk_count += 1
        if len(message.chunks) < room:
            span = Span(data if data >= 0 else line_feed + 1, size)
            message.chunks.append(Chunk(size, Span(at, end - at), octets[digits:end], span))
        section = "RFC 9112 section 7.1"
        if octets.find(b";", digits, end) >= 0:
            words = "a chunk extension, which nobody reads"
            span = Span(digits, end - digits)
            self._keep(Finding(Severity.NOTE, "chunk-extension", span, f"{section}.1", words, message.number))
        if digits - at > 1 and octets[at] == 0x30:
            words = "zeros before a chunk's size"
            self._keep(
                Finding(Severity.NOTE, "chunk-zeros", Span(at, digits - at), section, words, message.number)
            )

    def _trailers(self, message: MessageReport, last: int, end: int) -> None:
        """The trailers, which lie between the line of the last chunk and the empty one."""
        lines = self._octets.index(b"\n", last) + 1
        message.trailers = trailer_fields(self._octets, lines, end, self._lenient)
        for trailer, found in zip(self._decoder.trailers, message.trailers, strict=True):
            if not trailer.mergeable:
                name = trailer.name.decode("latin-1")
                words = f"{name} comes too late in a trailer: who merges it into the headers?"
                section = "RFC 9110 section 6.5.1"
                self._keep(
                    Finding(Severity.WARNING, "late-trailer", found.name_span, section, words, message.number)
                )

    def _tolerated(self, message: MessageReport, start: int) -> None:
        """The first thing in the body that a decoder which tolerates nothing refuses."""
        strict = BodyReader(self._octets, Lenient.NOTHING, self._limits)
        try:
            strict.run_through(start)
        except ParseError as error:
            self._keep(
                of_error(error, self._octets, message.number, tolerance=error.tolerance, tolerated=True)
            )
