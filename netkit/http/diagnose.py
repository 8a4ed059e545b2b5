"""What is in these octets: HTTP/1.1 messages part by part, how each is framed and why, and what is wrong.

    report = diagnose(octets)
    for finding in report.findings:
        print(finding.severity.value, finding.code, finding.offset, finding.problem)

The parser decides what is accepted. `diagnose` asks it about one message after another and goes on where it
stops: behind an error the remaining lines of the head are judged one by one (`stray_lines`), and what the
parser lets pass is judged for what it means and for who might read it otherwise (`meaning`).

Its cost grows with the size of the input alone. At most MAX_ALIKE findings of a code are kept for a message,
MAX_FINDINGS in all, MAX_MESSAGES messages and MAX_CHUNKS chunks of each; what is left out is counted.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from netkit.http.chunked import ChunkedDecoder, ChunkEnd, ChunkOutput
from netkit.http.findings import Finding, Span, of_error
from netkit.http.framing import RESPONSE_DEFAULT, Framing, Lenient
from netkit.http.meaning import meaning
from netkit.http.parse_errors import ParseError
from netkit.http.parser import HttpParser
from netkit.http.report import Chunk, Diagnosis, Field, MessageReport
from netkit.http.stray_lines import stray_lines, trailer_fields
from netkit.severity import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.lines import Buffer
    from netkit.http.progress import Done

MAX_ALIKE = 5
MAX_FINDINGS = 200
MAX_MESSAGES = 1000
MAX_CHUNKS = 1000

#: The settings that HttpParser takes, and those that ChunkedDecoder does.
HEAD_LIMITS = ("max_request_line", "max_header_line", "max_headers_total", "max_header_count")
BODY_LIMITS = (*HEAD_LIMITS[1:], "max_chunk_size", "max_extension", "max_extensions_total")


def diagnose(
    data: Buffer,
    *,
    response: bool | None = None,
    request_methods: Sequence[bytes | str] = (),
    lenient: Lenient | None = None,
    **limits: int,
) -> Diagnosis:
    """Read `data` as HTTP/1.1 messages, one after another, and say what is in them and what is wrong.

    Args:
        data: everything that was sent in one direction of a connection.
        response: whether these are responses; None: if they begin with `HTTP/`.
        request_methods: the methods that responses answer, in order; the last also of those that follow.
        lenient: what the parser is to tolerate; by default nothing, and in responses a missing space before
            the reason. What it was told to tolerate is a warning. `Lenient.CL_TE` makes one of a conflict
            between Content-Length and Transfer-Encoding, which is an error otherwise.
        limits: those of HttpParser and ChunkedDecoder, by name.

    Raises:
        ValueError: a limit is out of range.
        TypeError: an argument of another type, or a limit that neither has.
    """
    unknown = limits.keys() - {*HEAD_LIMITS, *BODY_LIMITS}
    if unknown:
        raise TypeError(f"diagnose has no argument {min(unknown)!r}")
    octets = data if isinstance(data, bytes) else bytes(memoryview(data).cast("B"))
    is_request = not octets.startswith(b"HTTP/") if response is None else not response
    if lenient is None:
        lenient = Lenient.NOTHING if is_request else RESPONSE_DEFAULT
    return _Walk(octets, is_request, lenient, request_methods, limits).run()


class _Walk:
    """One diagnosis, on its way through the octets."""

    def __init__(
        self,
        octets: bytes,
        is_request: bool,
        lenient: Lenient,
        request_methods: Sequence[bytes | str],
        limits: dict[str, int],
    ) -> None:
        self.octets = octets
        self.size = len(octets)
        self.lenient = lenient
        self.report = Diagnosis(self.size, is_request)
        self._methods = list(request_methods)
        head_limits = {name: limits[name] for name in HEAD_LIMITS if name in limits}
        body_limits = {name: limits[name] for name in BODY_LIMITS if name in limits}
        make = HttpParser.request if is_request else HttpParser.response
        self._parser = make(lenient=lenient, **head_limits)
        self._decoder = ChunkedDecoder(lenient=lenient, **body_limits)
        self._alike: Counter[tuple[int, str]] = Counter()

    def run(self) -> Diagnosis:
        """Message after message, until one that nothing can follow."""
        report = self.report
        at: int | None = 0
        if not self.size:
            self._add(Severity.ERROR, "empty", Span(0, 0), "RFC 9112 section 2.1", "there is nothing to read")
        while at is not None and at < self.size:
            if len(report.messages) == MAX_MESSAGES:
                words = f"more than {MAX_MESSAGES} messages; the rest was not read"
                self._add(Severity.NOTE, "more-messages", Span(at, 0), "RFC 9112 section 9.3.2", words)
                report.rest = Span(at, self.size - at)
                break
            at = self._message(at)
        return report

    def _message(self, start: int) -> int | None:
        """One message; returns where the next may begin, or None where none can."""
        parser = self._parser
        method = None
        if not self.report.is_request and self._methods:
            method = self._methods[0]
        if self.report.is_request:
            parser.reset(start)
        else:
            parser.reset(start, request_method=method)
        message = MessageReport(len(self.report.messages), self.report.is_request, Span(start, 0))
        try:
            done = parser.feed(self.octets)
            if not done:
                parser.finish()
                self._empty_lines(start)
                return None
        except ParseError as error:
            self._open(message)
            self._refused(message, error, self.size)
            return None
        self._open(message)
        self._frame(message, done, method)
        if not self.report.is_request and len(self._methods) > 1 and (message.status or 0) >= 200:
            del self._methods[0]
        end = self._read_body(message, done)
        for finding in meaning(message, self.size - end):
            self._keep(finding)
        return end if message.complete and not self._hands_over(message, method, end) else None

    def _empty_lines(self, start: int) -> None:
        """Empty lines that no message follows."""
        if start == 0:
            words = "there are only empty lines"
            self._add(Severity.ERROR, "empty", Span(0, self.size), "RFC 9112 section 2.1", words)
        else:
            words = "empty lines behind the last message"
            span = Span(start, self.size - start)
            self._add(Severity.NOTE, "trailing-empty-lines", span, "RFC 9112 section 2.2", words)

    # The head

    def _open(self, message: MessageReport) -> None:
        """Take over what the parser has read."""
        parser, octets = self._parser, self.octets
        self.report.messages.append(message)
        for part, (start, length) in parser.start_line.items():
            message.start_line[part] = Span(start, length)
        parts = message.start_line
        if parts:
            message.version = parser.version
            message.status = parser.status
            message.target_form = parser.target_form
        for part in ("method", "target", "reason"):
            if part in parts:
                setattr(message, part, octets[parts[part].offset : parts[part].end])
        for view, (name, value) in zip(parser.headers, parser.items(octets), strict=True):
            name_span = Span(view.key_start, view.key_len)
            message.headers.append(Field(name, value, name_span, Span(view.value_start, view.value_len)))

    def _refused(self, message: MessageReport, error: ParseError, end: int) -> None:
        """The parser's error, and whatever else is wrong with the lines of the head."""
        message.error = error.fresh()
        at = min(max(error.offset, message.span.offset), end)
        message.span = Span(message.span.offset, at - message.span.offset)
        self.report.rest = Span(at, self.size - at)
        self._keep(of_error(error, self.octets, message.number))
        if message.framing is None:
            self._strays(message, self.size, error.offset)

    def _strays(self, message: MessageReport, end: int, but: int = -1) -> None:
        """What a parser that tolerates nothing would say of each line of the head."""
        if len(self.report.findings) >= MAX_FINDINGS:
            return
        for error in stray_lines(self.octets, message.span.offset, end, self.report.is_request):
            if error.offset == but:
                continue
            tolerance = error.tolerance
            tolerated = tolerance is not None and bool(self.lenient & Lenient.named([tolerance]))
            self._keep(of_error(error, self.octets, message.number, tolerated=tolerated))

    def _frame(self, message: MessageReport, done: Done, method: bytes | str | None) -> None:
        """How the body ends, and why: RFC 9112 section 6.3."""
        message.framing = Framing(done.framing)
        message.framing_conflict = done.framing_conflict
        message.framing_reason, item = _why(message, method)
        message.framing_section = f"RFC 9112 section 6.3, item {item}"
        message.span = Span(message.span.offset, done.consumed)
        if self.lenient & ~Lenient.CL_TE:
            self._strays(message, done.body_start)

    # The body

    def _read_body(self, message: MessageReport, done: Done) -> int:
        """Find the body's end; returns where that is, or how far it goes."""
        start = done.body_start
        if message.framing is Framing.CHUNKED:
            end = self._read_chunks(message, start)
        elif done.body_len is None:
            end = self.size
            message.complete = True
            words = "the body ends with the connection: nobody can tell whether all of it came"
            section = message.framing_section
            self._add(Severity.NOTE, "until-close", Span(end, 0), section, words, message.number)
        else:
            end = min(self.size, start + done.body_len)
            message.complete = end - start == done.body_len
            if not message.complete:
                self._cut_off(message, f"{end - start} of {done.body_len} octets of its body are there")
        if message.framing is not Framing.CHUNKED:
            message.content_length = end - start
        if message.framing is not Framing.NONE:
            message.body = Span(start, end - start)
        message.span = Span(message.span.offset, end - message.span.offset)
        if message.framing_conflict:
            self._conflict(message, start, end)
        return end

    def _cut_off(self, message: MessageReport, words: str) -> None:
        error = ParseError.Incomplete(self.size)
        message.error = error
        self._add(
            Severity.ERROR,
            "incomplete",
            Span(self.size, 0),
            error.section,
            f"{error.problem}: {words}",
            message.number,
        )

    def _read_chunks(self, message: MessageReport, start: int) -> int:
        """Chunks and trailers; returns where the body ends, or where it went wrong."""
        decoder, octets = self._decoder, self.octets
        decoder.reset(start)
        at = start  # where the next size line begins
        left = 0
        try:
            while progress := decoder.feed(octets):
                if isinstance(progress, ChunkEnd):
                    self._chunk(message, at, -1, 0)
                    message.complete = True
                    break
                if TYPE_CHECKING:
                    assert isinstance(progress, ChunkOutput)
                data, length, left = progress.data_start, progress.data_len, progress.remaining
                self._chunk(message, at, data, length + left)
                message.content_length += length
                at = data + length
                at += 2 if octets[at : at + 2] == b"\r\n" else 1
            else:
                words = f"{left} octets of a chunk are missing" if left else "its last chunk is missing"
                self._cut_off(message, words)
                return self.size
        except ParseError as error:
            self._refused(message, error, self.size)
            return min(error.offset, self.size)
        return self._end_of_chunks(message, at, progress.end)

    def _chunk(self, message: MessageReport, at: int, data: int, size: int) -> None:
        """A chunk whose size line begins at `at`; the last one has no data."""
        octets = self.octets
        line_feed = data - 1 if data >= 0 else octets.index(b"\n", at)
        end = line_feed - 1 if octets[line_feed - 1 : line_feed] == b"\r" else line_feed
        line = octets[at:end]
        digits = len(line) - len(line.lstrip(b"0123456789abcdefABCDEF"))
        message.chunk_count += 1
        if len(message.chunks) < MAX_CHUNKS:
            span = Span(data if data >= 0 else line_feed + 1, size)
            message.chunks.append(Chunk(size, Span(at, end - at), line[digits:], span))
        section = "RFC 9112 section 7.1"
        if digits < len(line):
            words = f"a chunk extension of {len(line) - digits} octets, which nobody reads"
            span = Span(at + digits, len(line) - digits)
            self._add(Severity.NOTE, "chunk-extension", span, f"{section}.1", words, message.number)
        if digits > 1 and line[:1] == b"0":
            words = "zeros before a chunk's size"
            self._add(Severity.NOTE, "chunk-zeros", Span(at, digits), section, words, message.number)

    def _end_of_chunks(self, message: MessageReport, last: int, end: int) -> int:
        """The trailers, which lie between the line of the last chunk and the empty one."""
        lines = self.octets.index(b"\n", last) + 1
        for name, value, name_span, value_span in trailer_fields(self.octets, lines, end, self.lenient):
            message.trailers.append(Field(name, value, name_span, value_span))
        for trailer, found in zip(self._decoder.trailers, message.trailers, strict=True):
            if not trailer.mergeable:
                words = f"{_text(trailer.name)} comes too late in a trailer: who merges it into the headers?"
                self._add(
                    Severity.WARNING,
                    "late-trailer",
                    found.name_span,
                    "RFC 9110 section 6.5.1",
                    words,
                    message.number,
                )
        if self.lenient & (Lenient.BARE_LF | Lenient.CHUNK_SPACE):
            self._tolerated_chunks(message)
        return end

    def _tolerated_chunks(self, message: MessageReport) -> None:
        """The first thing in the body that a parser which tolerates nothing would refuse."""
        assert message.chunks
        strict = ChunkedDecoder(start=message.chunks[0].line.offset)
        try:
            while (progress := strict.feed(self.octets)) and not isinstance(progress, ChunkEnd):
                pass
        except ParseError as error:
            if error.tolerance is not None or error.kind == "InvalidChunkEnd":
                self._keep(of_error(error, self.octets, message.number, tolerated=True))

    def _conflict(self, message: MessageReport, start: int, end: int) -> None:
        """Content-Length beside Transfer-Encoding: where each would have the body end."""
        named = [field for field in message.headers if field.name.lower() == b"content-length"]
        length = int(named[0].value.partition(b",")[0])
        tolerated = bool(self.lenient & Lenient.CL_TE)
        words = (
            f"Transfer-Encoding and Content-Length: the body ends at octet {end} by the one, "
            f"at {start + length} by the other"
        )
        self._add(
            Severity.WARNING if tolerated else Severity.ERROR,
            "framing-conflict",
            Span(named[0].name_span.offset, named[0].value_span.end - named[0].name_span.offset),
            "RFC 9112 section 6.1",
            words,
            message.number,
            Lenient.CL_TE.option,
        )

    # What follows

    def _hands_over(self, message: MessageReport, method: bytes | str | None, end: int) -> bool:
        """Whether what follows is no HTTP/1.1 message: a tunnel, or what was upgraded to."""
        if message.method == b"CONNECT" or (
            method in ("CONNECT", b"CONNECT") and 200 <= (message.status or 0) <= 299
        ):
            words = "what follows belongs to the tunnel"
            section = "RFC 9110 section 9.3.6"
        elif message.status == 101:
            words = "what follows belongs to the protocol that was switched to"
            section = "RFC 9110 section 15.2.2"
        else:
            return False
        if end < self.size:
            self.report.rest = Span(end, self.size - end)
            self._add(Severity.NOTE, "tunnel", self.report.rest, section, words, message.number)
        return True

    # Findings

    def _add(
        self,
        severity: Severity,
        code: str,
        span: Span,
        section: str,
        problem: str,
        message: int = 0,
        tolerance: str | None = None,
    ) -> None:
        self._keep(Finding(severity, code, span.offset, span.length, section, problem, message, tolerance))

    def _keep(self, finding: Finding) -> None:
        """Keep a finding, unless there are enough of its kind."""
        report = self.report
        if finding.severity is Severity.ERROR:
            report.accepted = False
        alike = (finding.message, finding.code)
        self._alike[alike] += 1
        if self._alike[alike] > MAX_ALIKE or len(report.findings) >= MAX_FINDINGS:
            report.omitted[finding.code] += 1
        else:
            report.findings.append(finding)


def _text(octets: bytes) -> str:
    return octets.decode("latin-1")


def _why(message: MessageReport, method: bytes | str | None) -> tuple[str, int]:
    """The reason for a message's framing, and the item of RFC 9112 section 6.3 it is by."""
    asked = method.decode() if isinstance(method, bytes) else method
    framing, status = message.framing, message.status
    if framing is Framing.NONE and not message.is_request:
        if asked == "CONNECT" and status is not None and 200 <= status <= 299 and status != 204:
            return f"after {status} to CONNECT comes a tunnel", 2
        if asked == "HEAD":
            return "a response to HEAD has no body", 1
        return f"a response with status {status} has no body", 1
    if message.framing_conflict:
        return "Transfer-Encoding overrides Content-Length", 3
    if framing is Framing.CHUNKED:
        return "the last transfer coding is chunked", 4
    if framing is Framing.LENGTH:
        return "Content-Length says how long it is", 6
    if framing is Framing.NONE:
        return "a request without Content-Length and Transfer-Encoding has no body", 7
    if any(field.name.lower() == b"transfer-encoding" for field in message.headers):
        return "the last transfer coding is not chunked", 4
    return "a response without Content-Length and Transfer-Encoding ends with the connection", 8
