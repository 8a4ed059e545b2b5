"""`netkit http parse`: HTTP/1.1 messages part by part, and everything that is wrong with them."""

from __future__ import annotations

import errno
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict

import click

from netkit.cli.frame.cells import Column
from netkit.cli.frame.command import Run, Section, command
from netkit.cli.frame.exits import Exit, Failure
from netkit.cli.frame.messages import plural
from netkit.cli.frame.options import File, Number, Value, WrongValue, argument, option
from netkit.cli.frame.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from netkit.cli.frame.cells import Line, Verdict as Sign
    from netkit.cli.frame.context import Environment
    from netkit.http.diagnose.findings import Finding
    from netkit.http.diagnose.report import Diagnosis, Field, MessageReport
    from netkit.http.parser.framing import Lenient

#: The longest input, in bytes.
MAX_INPUT = 256 * 1024 * 1024
#: The flags of Lenient, repeated here so that a help page need not import it.
TOLERANCES = {
    "bare-lf": "LF alone ends a line.",
    "obs-fold": "A line that begins with whitespace continues the one before.",
    "space-before-colon": "Whitespace between a field's name and its colon.",
    "content-length": "Content-Length repeated, if it is the same.",
    "transfer-encoding": "Transfer-Encoding in HTTP/1.0, or with a tab behind it.",
    "version": "HTTP/1.2 to HTTP/1.9.",
    "unknown-method": "Any token as a method.",
    "non-ascii-target": "Octets beyond ASCII in a request's target.",
    "missing-reason": "A status line that ends after the status; allowed by default.",
    "chunk-space": "Whitespace around a chunk's size and in its extensions.",
    "cl-te": "Content-Length beside Transfer-Encoding, which overrides it.",
    "until-close": "A response whose Transfer-Encoding does not end in chunked, read until the end.",
}

#: The limits of HttpParser and ChunkedDecoder.
LIMITS = {
    "max-request-line": "Octets of the start line, with the empty lines before it (8192).",
    "max-header-line": "Octets of a header or trailer line (16384).",
    "max-headers-total": "Octets of all header or trailer lines (65536).",
    "max-header-count": "Header fields, or trailer fields (128).",
    "max-chunk-size": "Octets of a chunk (4294967295).",
    "max-extension": "Octets of a chunk's extension (1024).",
    "max-extensions-total": "Octets of all extensions in a body (16384).",
}

Text = Annotated[str, "Each octet as the character with its number"]


class SpanRow(TypedDict):
    """Octets of the input."""

    offset: int
    length: int


class PartRow(TypedDict):
    """A part of the start line."""

    name: Literal["method", "target", "version", "status", "reason"]
    value: Text
    offset: int
    length: int


class FieldRow(TypedDict):
    """A header or trailer field."""

    name: Text
    value: Annotated[str, "Each octet as the character with its number; a line fold is a space"]
    offset: Annotated[int, "Of the name"]
    value_offset: int
    value_length: int


class ChunkRow(TypedDict):
    """A chunk of the body; the last has no data."""

    size: int
    offset: Annotated[int, "The line with the size"]
    data_offset: int
    extension: Text


class MessageRow(TypedDict):
    """One message, as far as it was read."""

    offset: int
    length: int
    start_line: list[PartRow]
    target_form: Annotated[Literal["origin", "absolute", "authority", "asterisk"] | None, "Of a request"]
    status: int | None
    headers: list[FieldRow]
    framing: Annotated[
        Literal["none", "length", "chunked", "until-close"] | None, "null if the head is not complete"
    ]
    framing_reason: str | None
    framing_section: str | None
    framing_conflict: Annotated[bool, "Both Content-Length and Transfer-Encoding"]
    body: Annotated[
        SpanRow | None, "As it was sent, including the framing of chunks; null if there is no body"
    ]
    content_length: Annotated[int, "Octets of content"]
    chunks: Annotated[list[ChunkRow], "The first thousand"]
    chunk_count: int
    trailers: list[FieldRow]
    complete: bool


class FindingRow(TypedDict):
    """One thing found."""

    severity: Annotated[Literal["error", "warning", "note"], "An error means that the input is refused"]
    code: Annotated[str, "Stable: bare-line-feed, framing-conflict, missing-host, ..."]
    message: Annotated[str, "What is wrong"]
    message_index: Annotated[int, "Which message it is about, counted from 0"]
    offset: int
    length: Annotated[int, "0 if something is missing at this place"]
    section: Annotated[str, "The rule, as in `RFC 9112 section 6.1`"]
    tolerance: Annotated[str | None, "The --lenient flag that allows it"]
    elsewhere: Annotated[dict[str, str], "How llhttp, h11 and nginx treat it: `accepts`, `refuses`"]
    risk: Annotated[str | None, "What can happen if two parsers differ here"]


class ParseRow(TypedDict):
    """The contents of an input."""

    message_kind: Literal["request", "response"]
    size: Annotated[int, "Octets of the input"]
    accepted: Annotated[bool, "Whether there is no reason to refuse it"]
    messages: list[MessageRow]
    findings: list[FindingRow]
    omitted: Annotated[dict[str, int], "How many more findings of each code there are"]
    rest: Annotated[SpanRow | None, "The octets that were not read; null if all were read"]


class Parsed(NamedTuple):
    """The octets of an input, and the report on them."""

    octets: bytes
    report: Diagnosis
    hexdump: bool

    @property
    def kind(self) -> Literal["request", "response"]:
        return "request" if self.report.is_request else "response"


class ParseView(View[Parsed]):
    """Each message with its parts and their offsets, and the findings with their octets underlined."""

    schema = ParseRow
    columns = (Column("file", 20), Column("verdict", 100))

    def to_json(self, result: Parsed) -> ParseRow:
        report = result.report
        return {
            "message_kind": result.kind,
            "size": report.size,
            "accepted": report.accepted,
            "messages": [_message_row(message, result.octets) for message in report.messages],
            "findings": [finding.to_dict() for finding in report.findings],  # type: ignore[misc]
            "omitted": dict(report.omitted),
            "rest": _span_row(report.rest) if report.rest.length else None,
        }

    def rows(self, result: Parsed) -> Iterable[Sequence[object]]:
        octets, report, hexdump = result
        for message in report.messages:
            for cells in _plain_message(message, octets):
                yield message.number, *cells
            if hexdump:
                for row in _dump(message, octets):
                    yield message.number, "dump", row
        for found in report.findings:
            place = found.offset, found.length, found.section, found.problem
            yield found.message, found.severity.value, found.code, *place
        for code, count in report.omitted.items():
            yield None, "omitted", code, count
        if report.rest.length:
            yield None, "rest", *report.rest
        yield None, "verdict", "accepted" if report.accepted else "refused", *report.reasons

    def short(self, result: Parsed) -> Iterable[Line]:
        return result.report.reasons or ["accepted"]

    def row(self, result: Parsed) -> Sequence[object]:
        return (_verdict(result),)

    def table(self, result: Parsed, env: Environment) -> Iterable[Any]:
        from netkit.cli.render import mark, text

        blank = text(" ")
        report = result.report
        by_message: dict[int, list[Finding]] = {}
        for found in report.findings:
            by_message.setdefault(found.message, []).append(found)
        for message in report.messages:
            yield from _sheet(message, result)
            for found in by_message.pop(message.number, ()):
                yield from _explained(found, result.octets, env)
            yield blank
        for found in chain.from_iterable(by_message.values()):
            yield from _explained(found, result.octets, env)
        for code, count in report.omitted.items():
            yield mark("none", f"{code}: {count:,} more", env)
        if report.rest.length:
            words = f"{plural(report.rest.length, 'octet')} from octet {report.rest.offset} on were not read"
            yield mark("none", words, env)
        yield mark("good" if report.accepted else "bad", _verdict(result), env)

    def failure(self, result: Parsed) -> Failure | None:
        report = result.report
        if report.accepted:
            return None
        found = next(found for found in report.findings if found.severity.value == "error")
        error = report.messages[found.message].error if report.messages else None
        if error is not None and found.offset == error.offset:
            setting = getattr(error, "setting", None)
            hint = error.hint if setting is None else f"--limit {setting.replace('_', '-')}=N allows more"
            hint = hint or _hint(found.tolerance)
            return Failure(Exit.NO, error.layer, error.stage, error.kind, str(error), hint, error)
        kind = "".join(word.capitalize() for word in found.code.split("-"))
        happened = f"{found.problem} (octet {found.offset})"
        return Failure(Exit.NO, "http", "protocol", kind, happened, _hint(found.tolerance))


def _hint(tolerance: str | None) -> str | None:
    return None if tolerance is None else f"--lenient {tolerance} lets it pass"


def _verdict(result: Parsed) -> str:
    report = result.report
    if report.accepted:
        return f"accepted: {plural(len(report.messages), result.kind)}"
    return f"refused: {', '.join(report.reasons)}"


def _latin(octets: bytes) -> str:
    return octets.decode("latin-1")


def _span_row(span: Any) -> SpanRow:
    return {"offset": span.offset, "length": span.length}


def _message_row(message: MessageReport, octets: bytes) -> MessageRow:
    framing: Any = None if message.framing is None else message.framing.value
    form: Any = None if message.target_form is None else message.target_form.value
    names: Any = message.start_line.items()
    return {
        **_span_row(message.span),
        "start_line": [
            {"name": name, "value": _latin(octets[span.offset : span.end]), **_span_row(span)}
            for name, span in names
        ],
        "target_form": form,
        "status": message.status,
        "headers": [_field_row(field) for field in message.headers],
        "framing": framing,
        "framing_reason": message.framing_reason or None,
        "framing_section": message.framing_section or None,
        "framing_conflict": message.framing_conflict,
        "body": None if message.body is None else _span_row(message.body),
        "content_length": message.content_length,
        "chunks": [
            {
                "size": chunk.size,
                "offset": chunk.line.offset,
                "data_offset": chunk.data.offset,
                "extension": _latin(chunk.extension),
            }
            for chunk in message.chunks
        ],
        "chunk_count": message.chunk_count,
        "trailers": [_field_row(field) for field in message.trailers],
        "complete": message.complete,
    }


def _field_row(field: Field) -> FieldRow:
    return {
        "name": _latin(field.name),
        "value": _latin(field.value),
        "offset": field.name_span.offset,
        "value_offset": field.value_span.offset,
        "value_length": field.value_span.length,
    }


def _plain_message(message: MessageReport, octets: bytes) -> Iterator[tuple[object, ...]]:
    kind = "request" if message.is_request else "response"
    yield kind, message.span.offset, message.span.length
    for name, span in message.start_line.items():
        yield name, span.offset, _latin(octets[span.offset : span.end])
    for field in message.headers:
        yield "header", field.name_span.offset, _latin(field.name), _latin(field.value)
    if message.framing is not None:
        yield "framing", message.framing.value, message.framing_reason, message.framing_section
    if message.body is not None:
        yield "body", message.body.offset, message.body.length, message.content_length
    for chunk in message.chunks:
        yield "chunk", chunk.line.offset, chunk.size, _latin(chunk.extension)
    for field in message.trailers:
        yield "trailer", field.name_span.offset, _latin(field.name), _latin(field.value)


def _dump(message: MessageReport, octets: bytes) -> Iterator[str]:
    """The octets of a message; if it is refused, also some octets that were not read."""
    from netkit.cli.payload.hexdump import dump_rows

    span = message.span
    end = span.end if message.error is None else span.end + 64
    return dump_rows(octets[span.offset : end], span.offset)


def _sheet(message: MessageReport, result: Parsed) -> Iterator[Any]:
    """The parts of a message, on a terminal."""
    from netkit.cli.render import facts, table, text
    from netkit.cli.render.octets import shown

    octets = result.octets
    kind = "Request" if message.is_request else "Response"
    where = f"octets {message.span.offset} to {message.span.end - 1}" if message.span.length else "nothing"
    yield text(f"{kind} {message.number + 1}: {where}", "bold")
    rows = [
        (span.offset, name, shown(octets[span.offset : span.end]))
        for name, span in message.start_line.items()
    ]
    parts = len(rows)
    rows += [(field.name_span.offset, shown(field.name), shown(field.value)) for field in message.headers]
    if rows:
        made = table(("octet", "name", "value"), rows, right=(0,))
        if 0 < parts < len(rows):
            made.rows[parts - 1].end_section = True
        yield made
    if message.framing is not None:
        yield facts(_framing_facts(message))
    if len(message.chunks) > 1:
        listed = message.chunks[:_CHUNKS]
        rows = [(chunk.line.offset, str(chunk.size), shown(chunk.extension)) for chunk in listed]
        yield table(("octet", "chunk", "extension"), rows, right=(0, 1))
        if message.chunk_count > len(listed):
            yield text(f"{message.chunk_count - len(listed):,} more chunks", "dim")
    if message.trailers:
        rows = [(field.name_span.offset, shown(field.name), shown(field.value)) for field in message.trailers]
        yield table(("octet", "trailer", "value"), rows, right=(0,))
    if result.hexdump:
        for row in _dump(message, octets):
            yield text(row)


#: Chunks that a table shows.
_CHUNKS = 20


def _framing_facts(message: MessageReport) -> list[tuple[str, object]]:
    assert message.framing is not None
    why = f"{message.framing.value}: {message.framing_reason} ({message.framing_section})"
    found: list[tuple[str, object]] = [("framing", why)]
    body = message.body
    if body is not None:
        words = f"{plural(body.length, 'octet')} from octet {body.offset} on"
        if message.chunk_count:
            chunks = plural(message.chunk_count, "chunk")
            words += f", {plural(message.content_length, 'octet')} of content in {chunks}"
        found.append(("body", words if message.complete else f"{words}, not complete"))
    return found


_SIGNS: dict[str, Sign] = {"error": "bad", "warning": "warn", "note": "none"}


def _explained(found: Finding, octets: bytes, env: Environment) -> Iterator[Any]:
    """A finding: its sentence, the octets underlined, the rule, and what others do."""
    from rich.padding import Padding

    from netkit.cli.render import mark, text
    from netkit.cli.render.octets import underlined

    yield mark(_SIGNS[found.severity.value], f"{found.code}: {found.problem}", env)
    if octets:
        line, carets = underlined(octets, found.offset, found.length, max(20, env.width - 4))
        yield Padding(text(line), (0, 0, 0, 4))
        yield Padding(text(carets, "red" if found.severity.value == "error" else "yellow"), (0, 0, 0, 4))
    rule = f"octet {found.offset}, {found.section}"
    if found.tolerance is not None and found.severity.value == "error":
        rule += f"; {_hint(found.tolerance)}"
    yield Padding(text(rule, "dim"), (0, 0, 0, 4))
    if found.elsewhere:
        risk = f"; {found.risk}" if found.risk is not None else ""
        yield Padding(text(f"elsewhere: {_elsewhere(found)}{risk}", "dim"), (0, 0, 0, 4))


def _elsewhere(found: Finding) -> str:
    """`llhttp and nginx refuse it, h11 accepts it`."""
    clauses = []
    for verdict in dict.fromkeys(found.elsewhere.values()):
        names = [name for name, its in found.elsewhere.items() if its == verdict]
        if len(names) == 1:
            clauses.append(f"{names[0]} {verdict} it")
        else:
            clauses.append(f"{', '.join(names[:-1])} and {names[-1]} {verdict.removesuffix('s')} it")
    return ", ".join(clauses)


def _read(name: str, run: Run[Parsed]) -> bytes:
    """The octets of a file, or of standard input. Raises OSError, also for too many."""
    if name == "-":
        if run.env.stdin is None:
            raise OSError(errno.EBADF, "it is closed", "standard input")
        data = run.env.stdin.read(MAX_INPUT + 1)
    else:
        with open(name, "rb") as file:
            data = file.read(MAX_INPUT + 1)
    if len(data) > MAX_INPUT:
        raise OSError(errno.EFBIG, f"more than {MAX_INPUT:,} bytes", name)
    return data


def _lenient(names: Sequence[str], strict: bool) -> Lenient | None:
    from netkit.http.parser.framing import RESPONSE_DEFAULT, Lenient

    if strict:
        return Lenient.NOTHING
    return RESPONSE_DEFAULT | Lenient.named(names) if names else None


class MethodName(Value[str]):
    """A method."""

    name = "method"
    form = "write it as in GET or HEAD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from netkit.http.headers import is_token

        if not is_token(value):
            self.wrong(f"{value!r} is not a method", param, ctx)
        return str(value)


class Limit(Value[tuple[str, int]]):
    """A limit by name: `max-header-count=500`."""

    name = "limit"
    form = "write it as in max-header-count=500"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        from netkit.http.parser.framing import MAX_LIMIT

        if isinstance(value, tuple):
            return value
        name, _, number = str(value).partition("=")
        if name not in LIMITS:
            self.wrong(f"{name!r} is not a limit", param, ctx)
        return name.replace("-", "_"), Number(0, MAX_LIMIT).convert(number, param, ctx)


@command(
    "http parse",
    view=ParseView(),
    doing="parsing {}",
    sections=(Section("Tolerances", list(TOLERANCES.items())), Section("Limits", list(LIMITS.items()))),
    see_also=("netkit-http-negotiate(1)",),
)
@argument("files", nargs=-1, metavar="FILE...", type=File())
@option(
    "--request", "requests", is_flag=True, help="Read the messages as requests, whatever they begin with."
)
@option(
    "--response", "responses", is_flag=True, help="Read the messages as responses, whatever they begin with."
)
@option(
    "--request-method",
    "methods",
    multiple=True,
    type=MethodName(),
    metavar="METHOD",
    help="The method that a response answers; several times, in order. The last applies to the rest.",
)
@option(
    "--lenient",
    "tolerances",
    multiple=True,
    type=click.Choice(list(TOLERANCES)),
    metavar="FLAG",
    help="Allow one of the deviations above, with a warning; may be given several times.",
)
@option(
    "--limit",
    "limits",
    multiple=True,
    type=Limit(),
    metavar="NAME=N",
    help="Read with this limit; may be given several times. The names are above.",
)
@option("--strict", is_flag=True, help="Allow no deviation, not even a status line without a reason.")
@option("--hexdump", is_flag=True, help="Show the octets of each message too.")
def parse(
    run: Run[Parsed],
    files: tuple[str, ...],
    requests: bool,
    responses: bool,
    methods: tuple[str, ...],
    tolerances: tuple[str, ...],
    limits: tuple[tuple[str, int], ...],
    strict: bool,
    hexdump: bool,
) -> None:
    """Show the parts of HTTP/1.1 messages, how each is framed and why, and what is wrong.

    FILE holds the data of one direction of a connection; - is standard input. The command shows each message
    with its start line, its header fields, the end of its body and the rule for that end, and the findings.
    For each finding it underlines the octets, names the section of the RFC, and says how other parsers treat
    it (llhttp, which is Node's; h11; nginx). If two parsers differ, an attacker can smuggle requests.

    Messages that begin with HTTP/ are read as responses. The exit code is 1 if a message must be refused.

    Plain lines: file, number of the message, then the part (method, header, framing, body, chunk, error,
    warning, note), its place, and its content. The last lines (omitted, rest, verdict) are about the whole
    file.

    Examples:

        $ netkit http parse netkit-demo/request.http
        $ netkit http parse --hexdump - < captured
        $ netkit http parse --response --request-method HEAD answer.http --json
    """
    if not files:
        raise WrongValue("FILE is missing", "name one or more, or - for standard input")
    if requests and (responses or methods):
        other = "--response" if responses else "--request-method"
        raise WrongValue(
            f"--request and {other} exclude each other", "without either, the first octets decide"
        )
    if strict and tolerances:
        raise WrongValue("--strict and --lenient exclude each other", "choose one of them")
    from netkit.http.diagnose.diagnosis import diagnose

    if len(files) > 1:
        run.start_many()
    for name in files:
        try:
            octets = _read(name, run)
        except OSError as error:
            run.failed(error, name)
            continue
        report = diagnose(
            octets,
            response=True if responses or methods else False if requests else None,
            request_methods=methods,
            lenient=_lenient(tolerances, strict),
            **dict(limits),
        )
        run.result(Parsed(octets, report, hexdump), name)
    run.summary()
