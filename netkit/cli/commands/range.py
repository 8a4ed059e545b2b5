"""`netkit range`: the parts that a Range header asks for, and how a server answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict

from netkit.cli.fetch.asking import AskedUrl, AskOptions
from netkit.cli.frame import inputs, options
from netkit.cli.frame.cells import Column, Mark
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.groups import option_group
from netkit.cli.frame.options import Number, WrongValue, option
from netkit.cli.frame.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.inputs import Inputs
    from netkit.http.client.client import Client
    from netkit.http.range_answer import RangeAnswer
    from netkit.http.ranges import RangeSet, ResolvedRange
    from netkit.http.url import Url
    from netkit.io import Flow

#: The longest representation, in bytes: an exabyte less one.
MAX_BYTES = 10**18 - 1
#: The greatest width of the picture, even on a wider terminal.
WIDEST = 72


class PartRow(TypedDict):
    """One part to send."""

    first: Annotated[int, "The first byte's position"]
    last: Annotated[int, "The last byte's position"]
    length: Annotated[int, "How many bytes"]
    content_range: str


class HeaderRow(TypedDict):
    """One header to send."""

    name: str
    value: str


class SeenRow(TypedDict):
    """What a server answered."""

    url: Annotated[str, "What was asked for, after redirects"]
    status: int
    content_range: str | None
    content_type: str | None
    accept_ranges: str | None
    as_expected: Annotated[bool, "Whether it is the answer above, or one that may stand in its place"]


class RangeRow(TypedDict):
    """The parts of a representation that a Range header asks for, and how to answer."""

    complete_length: Annotated[int, "The length of the whole representation, in bytes"]
    status: Annotated[
        Literal[200, 206, 416], "200 where the representation is empty and a suffix is asked for"
    ]
    asked: Annotated[list[str], "The ranges as they were requested"]
    dropped: Annotated[list[str], "Ranges that lie outside the representation"]
    parts: Annotated[list[PartRow], "The parts to send; ranges that overlap or touch become one part"]
    headers: Annotated[list[HeaderRow], "The headers of the answer"]
    seen: Annotated[SeenRow | None, "With --url: what its server answered"]


class Seen(NamedTuple):
    """The answer of a server."""

    url: Url
    status: int
    content_range: str | None
    content_type: str | None
    accept_ranges: str | None

    def verdict(self, answer: RangeAnswer) -> Mark:
        """Whether the server did what it may: the ranges, or (it need not know ranges) the whole."""
        fields = dict(answer.headers)
        if self.status == 200 != answer.status:
            return Mark("warn", "the server sends the whole, which it may")
        if self.status != answer.status:
            return Mark("bad", f"the server answers {self.status}, not {answer.status}")
        expected = fields.get("Content-Range")
        if expected is not None and self.content_range != expected:
            if self.content_range is None:
                return Mark("warn", "the server sends other parts than one, which it may")
            return Mark("bad", f"the server sends {self.content_range}, not {expected}")
        return Mark("good", "the server answers so")


class Answered(NamedTuple):
    """A Range header, and the answer to it; with --url also that of the server."""

    wanted: RangeSet
    answer: RangeAnswer
    seen: Seen | None = None


class RangeView(View[Answered]):
    """The parts, a picture of them, and the headers."""

    schema = RangeRow
    columns = (Column("range", 40), Column("status", 6), Column("parts", 60))

    def to_json(self, result: Answered) -> RangeRow:
        from netkit.http.ranges import encode_content_range

        answer = result.answer
        return {
            "complete_length": answer.complete_length,
            "status": answer.status,
            "asked": [str(spec) for spec in result.wanted.specs],
            "dropped": [str(spec) for spec in answer.dropped],
            "parts": [
                {
                    "first": part.first,
                    "last": part.last,
                    "length": part.length,
                    "content_range": encode_content_range(part, answer.complete_length),
                }
                for part in answer.parts
            ],
            "headers": [{"name": name, "value": value} for name, value in answer.headers],
            "seen": None if result.seen is None else _seen_row(result.seen, answer),
        }

    def rows(self, result: Answered) -> Iterable[Sequence[object]]:
        yield "status", result.answer.status
        for part in result.answer.parts:
            yield "part", part.first, part.last, part.length
        for spec in result.answer.dropped:
            yield "dropped", spec
        for name, value in result.answer.headers:
            yield "header", name, value
        if result.seen is not None:
            seen = result.seen
            yield "seen", seen.status, seen.content_range, seen.accept_ranges
            yield "verdict", seen.verdict(result.answer).words

    def short(self, result: Answered) -> Iterable[Line]:
        for part in result.answer.parts:
            yield f"{part.first}-{part.last}"

    def row(self, result: Answered) -> Sequence[object]:
        return result.answer.status, ", ".join(map(str, self.short(result)))

    def table(self, result: Answered, env: Environment) -> Iterable[Any]:
        from netkit.cli.render import facts, mark, table, text
        from netkit.http.ranges import encode_content_range

        answer = result.answer
        length = answer.complete_length
        if answer.parts:
            rows = [
                (n, part.first, part.last, part.length, encode_content_range(part, length))
                for n, part in enumerate(answer.parts, 1)
            ]
            yield table(("#", "first", "last", "bytes", "Content-Range"), rows, right=(0, 1, 2, 3))
        picture, scale = draw(answer.parts, length, env)
        yield text(picture)
        yield text(scale, "dim")
        if answer.dropped:
            dropped = ", ".join(map(str, answer.dropped))
            yield text(f"dropped, as they start past the end: {dropped}", "yellow")
        if answer.status == 200:
            yield text("the whole is empty, so a suffix of it is satisfiable, but not as a part", "dim")
        yield facts(answer.headers, title=f"Answer {answer.status}")
        if result.seen is not None:
            seen = result.seen
            verdict = seen.verdict(answer)
            pairs = [("Content-Range", seen.content_range), ("Accept-Ranges", seen.accept_ranges)]
            yield facts(pairs, title=f"Seen {seen.status}")
            yield mark(verdict.verdict, verdict.words, env)

    def failure(self, result: Answered) -> Any:
        error = result.answer.error
        if error is None:
            return None
        from netkit.cli.frame.exits import Exit, Failure

        hint = "answer 416 with the Content-Range shown"
        return Failure(Exit.NO, error.layer, error.stage, error.kind, str(error), hint, error)


def _seen_row(seen: Seen, answer: RangeAnswer) -> SeenRow:
    return {
        "url": str(seen.url).partition("#")[0],
        "status": seen.status,
        "content_range": seen.content_range,
        "content_type": seen.content_type,
        "accept_ranges": seen.accept_ranges,
        "as_expected": seen.verdict(answer).verdict != "bad",
    }


def draw(parts: Sequence[ResolvedRange], length: int, env: Environment) -> tuple[str, str]:
    """A picture of the representation with the parts marked, and the scale below it.

    A cell is marked if any of its bytes is sent, so that even the smallest part is visible.
    """
    width = max(1, min(WIDEST, env.width - 2, length))
    on, off = ("█", "·") if env.encoding.startswith("utf") else ("#", ".")
    cells = [off] * (width if length else 0)
    for part in parts:
        for cell in range(part.first * width // length, part.last * width // length + 1):
            cells[cell] = on
    end = str(max(0, length - 1))
    scale = f" 0{end.rjust(width - 1)}" if width > len(end) + 1 else f" 0 to {end}"
    return f"[{''.join(cells)}]", scale


def parse(header: str) -> RangeSet:
    """The ranges of a header, with or without `Range:` before them. Raises FieldError."""
    from netkit.http.ranges import parse_range_header

    return parse_range_header(inputs.field_value(header, "range"))


@command(
    "range",
    view=RangeView(),
    doing="resolving {}",
    see_also=("netkit-http-fetch(1)", "netkit-http-negotiate(1)"),
)
@inputs.many("HEADER", parse=parse)
@option(
    "--length",
    type=Number(0, MAX_BYTES),
    help="The length of the whole representation, in bytes.",
)
@option("--url", type=AskedUrl(), help="Ask the server of URL for the ranges, instead of giving a length.")
@option(
    "--gap",
    type=Number(0, MAX_BYTES),
    default=0,
    help="Also join parts that are no more than this many bytes apart.",
)
@option(
    "--content-type",
    metavar="TYPE",
    default="application/octet-stream",
    help="The media type of the representation.",
)
@option(
    "--boundary",
    metavar="WORD",
    default="netkit-part",
    help="The string that separates several parts.",
)
@options.timeout(30.0)
@option_group(ask=AskOptions)
def range_(
    run: Run[Answered],
    targets: Inputs[RangeSet],
    length: int | None,
    url: Url | None,
    gap: int,
    content_type: str,
    boundary: str,
    timeout: float,
    ask: AskOptions,
) -> None:
    """Show which parts of a file a Range header asks for, and how a server answers.

    With --url, a server is asked: the length is that of what it has, and its answer is shown beside the one
    that RFC 9110 section 14 describes. A server may always send the whole.

    The ranges are resolved against --length, and merged if they overlap or touch; a range that starts past
    the end is dropped. The command shows the parts, a picture of the file with the parts marked, and the
    headers of the answer: 206 with one part, multipart/byteranges with several, 416 if no range is left (exit
    code 1). Of an empty file, a suffix such as bytes=-5 is satisfiable, though no part can be sent: the
    answer is 200.

    Plain lines: header, then "status", "part" (first, last, bytes), "dropped" or "header" and its values.

    Examples:

        $ netkit range 'bytes=0-499, 600-899, -100' --length 10000
        $ netkit range --short bytes=500- --length 1000
        $ netkit range bytes=0-99 --url https://www.example.com/
    """
    if (length is None) == (url is None):
        message = "--length N is missing" if url is None else "--length and --url exclude each other"
        raise WrongValue(message, "give the length of the whole, or --url URL to ask a server")
    from netkit.http.negotiation import parse_media_type
    from netkit.http.ranges import multipart_type

    try:
        multipart_type(boundary)
    except ValueError:
        hint = "1 to 70 letters, digits and '()+_,-./:=?"
        raise WrongValue(f"--boundary {boundary!r} is not a boundary", hint) from None
    content_type = content_type.strip(" \t")
    try:
        parse_media_type(content_type)
        if not content_type.isascii():
            raise ValueError("a character that is not ASCII")
    except ValueError as error:
        raise WrongValue(f"--content-type: {error}", "write it as in text/html; charset=utf-8") from None

    def answered(wanted: RangeSet, whole: int, seen: Seen | None = None) -> Answered:
        from netkit.http.range_answer import answer_range

        answer = answer_range(wanted, whole, content_type=content_type, boundary=boundary, gap=gap)
        return Answered(wanted, answer, seen)

    if url is None:
        known = length or 0
        run.each(targets, lambda wanted: answered(wanted, known))
        return
    from netkit.cli.fetch.asking import asking_client

    asked = url
    with asking_client(ask, run.env) as client:

        def seen_flow(wanted: RangeSet) -> Flow[Answered]:
            whole, seen = yield from _ask_flow(client, asked, wanted)
            return answered(wanted, whole, seen)

        run.each(targets, seen_flow, timeout=timeout)


def _ask_flow(client: Client, url: Url, wanted: RangeSet) -> Flow[tuple[int, Seen]]:
    """Flow: ask a server for ranges: the length of the whole, and what it answers."""
    from netkit.cli.fetch.asking import head_flow
    from netkit.http.errors import HttpError
    from netkit.http.fields.errors import FieldError
    from netkit.http.ranges import parse_content_range

    head = yield from head_flow(client, url, [("Range", str(wanted)), ("Accept-Encoding", "identity")])
    if head.status not in (200, 206, 416):
        raise HttpError.InvalidResponse(f"the server answers {head.status}, neither a part nor the whole")
    content_range = head.headers.get_first("Content-Range")
    whole = head.length if head.status == 200 else None
    if content_range is not None and head.status in (206, 416):
        try:
            whole = parse_content_range(content_range).complete_length
        except FieldError as error:
            raise HttpError.InvalidResponse(str(error)) from error
    if whole is None and head.status != 200:  # several parts, or 416 without a length
        whole = (yield from head_flow(client, url, [("Accept-Encoding", "identity")])).length
    if whole is None:
        hint = "--length N says what the whole is, without asking"
        raise HttpError.InvalidResponse(f"{head.status} does not say how long the whole is", hint=hint)
    seen = Seen(
        head.url,
        head.status,
        content_range,
        head.headers.get_first("Content-Type"),
        head.headers.get_first("Accept-Ranges"),
    )
    return whole, seen
