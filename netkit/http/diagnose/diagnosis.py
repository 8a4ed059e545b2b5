"""Diagnose octets as HTTP/1.1 messages: their parts, their framing and its reason, and their faults.

    report = diagnose(octets)
    for finding in report.findings:
        print(finding.severity.value, finding.code, finding.offset, finding.problem)

The parser decides what is accepted. `diagnose` gives it one message after another, and continues where the
parser stops: after an error, it judges the remaining lines of the head one by one (`stray_lines`). It also
checks what the lines mean, and whether other parsers might read them differently (`meaning`).

The cost depends only on the size of the input. For one message, at most MAX_ALIKE findings with the same code
and severity are kept. In all, at most MAX_FINDINGS errors, as many other findings, MAX_MESSAGES messages and
MAX_CHUNKS chunks are kept. The rest is counted.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from netkit.http.diagnose.chunk_report import BodyReader
from netkit.http.diagnose.findings import Finding, Span, of_error
from netkit.http.diagnose.meaning import meaning
from netkit.http.diagnose.report import Diagnosis, Field, MessageReport
from netkit.http.diagnose.stray_lines import Stray, StrayLines, is_same
from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import (
    FRAMING_FIELDS,
    RESPONSE_DEFAULT,
    TOKEN_OCTETS,
    Framing,
    Lenient,
    read_content_length,
)
from netkit.http.parser.head import MAX_HEADER_LINE, HttpParser
from netkit.http.parser.start_line import RequestLine
from netkit.severity import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.http.parser.lines import Buffer
    from netkit.http.parser.progress import Done

MAX_ALIKE = 5
MAX_FINDINGS = 200
MAX_MESSAGES = 1000
MAX_CHUNKS = 1000

#: The settings that HttpParser takes, and those that ChunkedDecoder does.
HEAD_LIMITS = ("max_request_line", "max_header_line", "max_headers_total", "max_header_count")
BODY_LIMITS = (*HEAD_LIMITS[1:], "max_chunk_size", "max_extension", "max_extensions_total")

#: Errors behind which no line is looked at: this is another protocol, or there is nothing more.
_THE_LAST = ("TlsBytes", "Http2Preface", "Incomplete")


def diagnose(
    data: Buffer,
    *,
    response: bool | None = None,
    request_methods: Iterable[bytes | str] = (),
    lenient: Lenient | None = None,
    **limits: int,
) -> Diagnosis:
    """Read `data` as HTTP/1.1 messages, one after another, and report their parts and their faults.

    Args:
        data: everything that was sent in one direction of a connection.
        response: whether the messages are responses; None: they are if the data begins with `HTTP/`.
        request_methods: the methods that responses answer, in order; the last also of those that follow.
        lenient: the faults that the parser tolerates; by default none, and in responses a missing space
            before the reason. A tolerated fault is reported as a warning. A conflict between Content-Length
            and Transfer-Encoding is an error; `Lenient.CL_TE` makes it a warning.
        limits: those of HttpParser and ChunkedDecoder, by name.

    Raises:
        ValueError: a limit is out of range, or a method is none.
        TypeError: an argument of another type, or a limit that neither has.
    """
    unknown = limits.keys() - {*HEAD_LIMITS, *BODY_LIMITS}
    if unknown:
        raise TypeError(f"diagnose has no argument {min(unknown)!r}")
    octets = data if isinstance(data, bytes) else bytes(memoryview(data).cast("B"))
    is_request = not octets.startswith(b"HTTP/") if response is None else not response
    if lenient is None:
        lenient = Lenient.NOTHING if is_request else RESPONSE_DEFAULT
    return _Walk(octets, is_request, lenient, _methods(request_methods), limits).run()


def _methods(given: Iterable[bytes | str]) -> list[bytes]:
    if isinstance(given, (bytes, str)):
        raise TypeError("request_methods are several: a list with the method in it")
    methods = [method.encode() if isinstance(method, str) else bytes(method) for method in given]
    for method in methods:
        if not method or not TOKEN_OCTETS.issuperset(method):
            raise ValueError(f"{method!r} is not a method")
    return methods


class _Walk:
    """One diagnosis, on its way through the octets."""

    def __init__(
        self,
        octets: bytes,
        is_request: bool,
        lenient: Lenient,
        request_methods: Sequence[bytes],
        limits: dict[str, int],
    ) -> None:
        self.octets = octets
        self.size = len(octets)
        self.lenient = lenient
        self.report = Diagnosis(self.size, is_request)
        self._methods = list(request_methods)
        self._head_limits = {name: limits[name] for name in HEAD_LIMITS if name in limits}
        self._body_limits = {name: limits[name] for name in BODY_LIMITS if name in limits}
        self._parser = self._make_parser(lenient)
        self._bodies = BodyReader(octets, lenient, self._body_limits, self._keep)
        self._alike: Counter[tuple[int, str, Severity]] = Counter()
        self._errors = 0
        self._chunks = MAX_CHUNKS

    def _make_parser(self, lenient: Lenient) -> HttpParser:
        make = HttpParser.request if self.report.is_request else HttpParser.response
        return make(lenient=lenient, **self._head_limits)

    def run(self) -> Diagnosis:
        """Message after message, until one that nothing can follow."""
        report = self.report
        at: int | None = 0
        if not self.size:
            self._keep(
                Finding(
                    Severity.ERROR, "empty", Span(0, 0), "RFC 9112 section 2.1", "there is nothing to read"
                )
            )
        while at is not None and at < self.size:
            if len(report.messages) == MAX_MESSAGES:
                words = f"more than {MAX_MESSAGES} messages; the rest was not read"
                self._keep(
                    Finding(Severity.NOTE, "more-messages", Span(at, 0), "RFC 9112 section 9.3.2", words)
                )
                report.rest = Span(at, self.size - at)
                break
            at = self._message(at)
        return report

    def _message(self, start: int) -> int | None:
        """One message; returns where the next may begin, or None where none can."""
        message = MessageReport(len(self.report.messages), self.report.is_request, Span(start, 0))
        if not message.is_request and self._methods:
            message.request_method = self._methods[0]
        parser = self._parser
        try:
            done = self._feed(parser, message)
            if not done:
                parser.finish()
                self._empty_lines(start)
                return None
        except ParseError as error:
            self._open(message)
            self._refuse_head(message, error)
            return None
        self._open(message)
        self._frame(message, done)
        if len(self._methods) > 1 and (message.status or 0) >= 200:
            del self._methods[0]
        end = self._read_body(message, done)
        handed_over = self._hands_over(message, end)
        for finding in meaning(message, 0 if handed_over else self.size - end):
            self._keep(finding)
        return None if handed_over or not message.complete else end

    def _feed(self, parser: HttpParser, message: MessageReport) -> Done | None:
        if message.is_request:
            parser.reset(message.span.offset)
        else:
            parser.reset(message.span.offset, request_method=message.request_method)
        return parser.feed(self.octets) or None

    def _empty_lines(self, start: int) -> None:
        """Empty lines that no message follows."""
        if start == 0:
            words = "there are only empty lines"
            self._keep(Finding(Severity.ERROR, "empty", Span(0, self.size), "RFC 9112 section 2.1", words))
        else:
            words = "empty lines behind the last message"
            span = Span(start, self.size - start)
            self._keep(Finding(Severity.NOTE, "trailing-empty-lines", span, "RFC 9112 section 2.2", words))

    # The head

    def _open(self, message: MessageReport) -> None:
        """Take over what the parser has read."""
        parser, octets = self._parser, self.octets
        self.report.messages.append(message)
        for part, (start, length) in parser.start_line.items():
            message.start_line[part] = Span(start, length)
        if message.start_line:
            message.version = parser.version
            message.status = parser.status
            message.target_form = parser.target_form
            self._take_parts(message)
        for view, (name, value) in zip(parser.headers, parser.items(octets), strict=True):
            name_span = Span(view.key_start, view.key_len)
            message.headers.append(Field(name, value, name_span, Span(view.value_start, view.value_len)))

    def _take_parts(self, message: MessageReport) -> None:
        for part in ("method", "target", "reason"):
            if part in message.start_line:
                span = message.start_line[part]
                setattr(message, part, self.octets[span.offset : span.end])

    def _refuse(self, message: MessageReport, error: ParseError) -> None:
        """The parser's error."""
        message.error = error.fresh()
        at = max(error.offset, message.span.offset)
        message.span = Span(message.span.offset, at - message.span.offset)
        self.report.rest = Span(at, self.size - at)
        tolerance = self._tolerance(message, error)
        self._keep(of_error(error, self.octets, message.number, tolerance=tolerance))

    def _tolerance(self, message: MessageReport, error: ParseError) -> str | None:
        """The flag with which the parser gets past an error. What an error names is for its kind: tried."""
        name = error.tolerance
        if name is None:
            return None
        lenient = self.lenient | Lenient.named([name])
        try:
            done = self._feed(self._make_parser(lenient), message)
            if done and done.framing is Framing.CHUNKED:
                BodyReader(self.octets, lenient, self._body_limits).run_through(done.body_start)
        except ParseError as other:
            return None if other.offset <= error.offset else name
        return name

    def _refuse_head(self, message: MessageReport, error: ParseError) -> None:
        """The parser's error, whatever else is wrong with the lines of the head, and what they say."""
        self._refuse(message, error)
        if error.kind in _THE_LAST:
            return
        strays = self._stray_lines(message, self.size)
        for stray in strays.find():
            if not is_same(stray.error, error):
                self._keep_stray(message, stray)
        line = strays.start_line
        if line is not None and not message.start_line:
            message.start_line = {part: Span(at, end - at) for part, (at, end) in line.parts().items()}
            message.version = (1, line.minor)
            if isinstance(line, RequestLine):
                message.target_form = line.form
            else:
                message.status = line.code
            self._take_parts(message)
        message.headers = strays.fields
        if {field.name.lower() for field in message.headers}.issuperset(FRAMING_FIELDS):
            self._conflict(message, "Transfer-Encoding and Content-Length in one message")
        for finding in meaning(message, 0, whole=strays.whole):
            self._keep(finding)

    def _stray_lines(self, message: MessageReport, end: int) -> StrayLines:
        return StrayLines(
            self.octets,
            message.span.offset,
            end,
            is_request=message.is_request,
            lenient=self.lenient,
            max_line=self._head_limits.get("max_header_line", MAX_HEADER_LINE),
        )

    def _keep_stray(self, message: MessageReport, stray: Stray) -> None:
        error, tolerance, tolerated = stray
        self._keep(of_error(error, self.octets, message.number, tolerance=tolerance, tolerated=tolerated))

    def _frame(self, message: MessageReport, done: Done) -> None:
        """How the body ends, and why: RFC 9112 section 6.3."""
        message.framing = Framing(done.framing)
        message.framing_conflict = done.framing_conflict
        message.framing_reason, item = _why(message)
        message.framing_section = f"RFC 9112 section 6.3, item {item}"
        message.span = Span(message.span.offset, done.consumed)
        if self.lenient & ~Lenient.CL_TE:
            for stray in self._stray_lines(message, done.body_start).find():
                if stray.tolerated:
                    self._keep_stray(message, stray)

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
            self._keep(Finding(Severity.NOTE, "until-close", Span(end, 0), section, words, message.number))
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
            self._conflict(message, self._two_ends(message, start, end))
        return end

    def _read_chunks(self, message: MessageReport, start: int) -> int:
        """Chunks and trailers; returns where the body ends, or where it went wrong."""
        try:
            missing = self._bodies.read(message, start, self._chunks)
        except ParseError as error:
            self._refuse(message, error)
            missing = None
            end = min(error.offset, self.size)
        else:
            end = self._bodies.end
        self._chunks -= len(message.chunks)
        if missing is not None:
            self._cut_off(message, missing)
        return end

    def _cut_off(self, message: MessageReport, words: str) -> None:
        error = ParseError.Incomplete(self.size)
        message.error = error
        problem = f"{error.problem}: {words}"
        span = Span(self.size, 0)
        self._keep(Finding(Severity.ERROR, "incomplete", span, error.section, problem, message.number))

    def _two_ends(self, message: MessageReport, start: int, end: int) -> str:
        """Where Content-Length and Transfer-Encoding would each have the body end."""
        both = "Transfer-Encoding and Content-Length"
        if message.framing is Framing.NONE:
            return f"{both}, in a response that has no body"
        named = _content_length(message)
        length = read_content_length(named.value, named.value_span.offset, repeats=True)
        if not message.complete:
            return f"{both}: by the latter the body ends at octet {start + length}"
        return f"{both}: the body ends at octet {end} by the one, at {start + length} by the other"

    def _conflict(self, message: MessageReport, words: str) -> None:
        self._keep(
            Finding(
                Severity.WARNING if self.lenient & Lenient.CL_TE else Severity.ERROR,
                "framing-conflict",
                _content_length(message).span,
                "RFC 9112 section 6.1",
                words,
                message.number,
                Lenient.CL_TE.option,
            )
        )

    # What follows

    def _hands_over(self, message: MessageReport, end: int) -> bool:
        """Whether what follows is no HTTP/1.1 message: a tunnel, or what was upgraded to."""
        if message.method == b"CONNECT" or message.is_tunnel:
            words = "what follows belongs to the tunnel"
            section = "RFC 9110 section 9.3.6"
        elif message.status == 101:
            words = "what follows belongs to the protocol that was switched to"
            section = "RFC 9110 section 15.2.2"
        else:
            return False
        if end < self.size and message.complete:
            self.report.rest = Span(end, self.size - end)
            self._keep(Finding(Severity.NOTE, "tunnel", self.report.rest, section, words, message.number))
        return True

    # Findings

    def _keep(self, finding: Finding) -> None:
        """Keep a finding, unless there are enough of its kind. Errors have room of their own."""
        report = self.report
        is_error = finding.severity is Severity.ERROR
        if is_error and finding.code not in report.reasons:
            report.reasons.append(finding.code)
        alike = (finding.message, finding.code, finding.severity)
        self._alike[alike] += 1
        kept = self._errors if is_error else len(report.findings) - self._errors
        if self._alike[alike] > MAX_ALIKE or kept >= MAX_FINDINGS:
            report.omitted[finding.code] += 1
        else:
            self._errors += is_error
            report.findings.append(finding)


def _content_length(message: MessageReport) -> Field:
    """The first of its Content-Length fields, of which there is one."""
    return next(field for field in message.headers if field.name.lower() == b"content-length")


def _why(message: MessageReport) -> tuple[str, int]:
    """The reason for a message's framing, and the item of RFC 9112 section 6.3 it is by."""
    framing, status = message.framing, message.status
    if framing is Framing.NONE and not message.is_request:
        if message.is_tunnel and status != 204:
            return f"after {status} to CONNECT comes a tunnel", 2
        if message.request_method == b"HEAD":
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
