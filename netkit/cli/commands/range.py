"""`netkit range`: the parts that a Range header asks for, and how a server answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict

from netkit.cli.frame import inputs
from netkit.cli.frame.cells import Column
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.options import Number, WrongValue, option
from netkit.cli.frame.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.inputs import Inputs
    from netkit.http.range_answer import RangeAnswer
    from netkit.http.ranges import RangeSet, ResolvedRange

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


class Answered(NamedTuple):
    """A Range header, and the answer to it."""

    wanted: RangeSet
    answer: RangeAnswer


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
        }

    def rows(self, result: Answered) -> Iterable[Sequence[object]]:
        yield "status", result.answer.status
        for part in result.answer.parts:
            yield "part", part.first, part.last, part.length
        for spec in result.answer.dropped:
            yield "dropped", spec
        for name, value in result.answer.headers:
            yield "header", name, value

    def short(self, result: Answered) -> Iterable[Line]:
        for part in result.answer.parts:
            yield f"{part.first}-{part.last}"

    def row(self, result: Answered) -> Sequence[object]:
        return result.answer.status, ", ".join(map(str, self.short(result)))

    def table(self, result: Answered, env: Environment) -> Iterable[Any]:
        from netkit.cli.render import facts, table, text
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

    def failure(self, result: Answered) -> Any:
        error = result.answer.error
        if error is None:
            return None
        from netkit.cli.frame.exits import Exit, Failure

        hint = "answer 416 with the Content-Range shown"
        return Failure(Exit.NO, error.layer, error.stage, error.kind, str(error), hint, error)


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


@command("range", view=RangeView(), doing="resolving {}", see_also=("netkit-http-negotiate(1)",))
@inputs.many("HEADER", parse=parse)
@option(
    "--length",
    type=Number(0, MAX_BYTES),
    required=True,
    help="The length of the whole representation, in bytes.",
)
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
def range_(
    run: Run[Answered], targets: Inputs[RangeSet], length: int, gap: int, content_type: str, boundary: str
) -> None:
    """Show which parts of a file a Range header asks for, and how a server answers.

    The ranges are resolved against --length, and merged if they overlap or touch; a range that starts past
    the end is dropped. The command shows the parts, a picture of the file with the parts marked, and the
    headers of the answer: 206 with one part, multipart/byteranges with several, 416 if no range is left (exit
    code 1). Of an empty file, a suffix such as bytes=-5 is satisfiable, though no part can be sent: the
    answer is 200.

    Plain lines: header, then "status", "part" (first, last, bytes), "dropped" or "header" and its values.

    Examples:

        $ netkit range 'bytes=0-499, 600-899, -100' --length 10000
        $ netkit range --short bytes=500- --length 1000
    """
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

    def answered(wanted: RangeSet) -> Answered:
        from netkit.http.range_answer import answer_range

        return Answered(
            wanted, answer_range(wanted, length, content_type=content_type, boundary=boundary, gap=gap)
        )

    run.each(targets, answered)
