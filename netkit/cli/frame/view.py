"""A command's declaration of its output: a `View` turns a result of the library into each form.

    json    one object a line: `type`, `input`, the view's fields, `error` where it failed
    plain   tab-separated lines for awk, beginning with the input; a failed one of several inputs is
            `INPUT <tab> error <tab> LAYER.KIND <tab> MESSAGE`
    short   the bare values, one a line; a failed one of several inputs is `-`
    table   rich tables on a terminal; several inputs are one line each where the view has `columns`

A view declares only what its results need; the frame makes the other forms from that. Named facts (`facts`)
make the plain lines and the sheet on a terminal. Rows (`rows`) make the plain lines, and with `titles` the
table. One row for each input (`row`, under `columns`) makes the table of several inputs, and the plain line
if the view declares nothing else. The input itself is never one of these cells: the frame puts it first.
`netkit.cli.frame.output` chooses the form and writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from netkit.cli.frame.cells import Mark
from netkit.cli.frame.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.frame.cells import Column, Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.exits import Failure

R = TypeVar("R")


class View(Generic[R]):
    """How the results of one command are shown.

    `schema` is the TypedDict (or a union of them) that `to_json` returns, its fields described by
    `Annotated[..., "text"]`. The frame itself adds `type` (which is the command's path with dots in it),
    `input` (for views of inputs) and `error`, so a TypedDict declares none of them.
    """

    #: The value of `"type"`, which the command sets.
    type: str = ""
    schema: ClassVar[Any]
    #: What `failed_json` returns: a TypedDict whose keys may all be absent.
    failed_schema: ClassVar[Any] = None
    #: Whether the command takes inputs. If so, every row has `"input"`, and every line begins with the
    #: `label` of its input.
    has_input: ClassVar[bool] = True
    #: Columns of the table for several inputs, with one line for each; the first column is the input. Without
    #: columns, each input has its own `table`.
    columns: ClassVar[tuple[Column, ...]] = ()
    #: The titles over `rows` in the table of one result, and which of these columns are aligned right.
    titles: ClassVar[tuple[str, ...]] = ()
    right: ClassVar[tuple[int, ...]] = ()

    def to_json(self, result: R) -> Mapping[str, Any]:
        """The JSON object. A result that is a mapping is already one.

        Times in seconds under `_s`, bytes through `b64` under `_b64`, dates RFC 3339.
        """
        assert isinstance(result, Mapping)
        return result

    def label(self, result: R, text: str) -> str | None:  # noqa: ARG002 - for those that override
        """The name of the input in lines: as it was given, unless a view has one form for all inputs. None if
        lines do not begin with the input."""
        return text

    def facts(self, result: R) -> Iterable[tuple[str, object]]:  # noqa: ARG002
        """Names and values."""
        return ()

    def rows(self, result: R) -> Iterable[Sequence[object]]:
        """Lines of cells: one for each fact, or else the one `row`."""
        return list(self.facts(result)) or [self.row(result)]

    def row(self, result: R) -> Sequence[object]:
        """The cells under `columns`, after the input, in the table of several inputs."""
        raise NotImplementedError

    def plain(self, result: R) -> Iterable[Line]:
        """The lines for awk. Give cells (a sequence) rather than a line of text: then no value can break the
        columns, and the frame puts the input first."""
        return self.rows(result)

    def is_block(self, result: R) -> bool:  # noqa: ARG002
        """Whether the plain lines are a text of their own, which of several is set off by blank lines."""
        return False

    def short(self, result: R) -> Iterable[Line]:
        """The bare values, one a line; where several inputs have one that failed without any, `-`."""
        return self.plain(result)

    def table(self, result: R, env: Environment) -> Iterable[Any]:
        """What is printed on a terminal: rich renderables (import netkit.cli.render here), or text."""
        from netkit.cli.render import facts, mark, table

        def shown(cell: object) -> object:
            return mark(cell.verdict, cell.words, env) if isinstance(cell, Mark) else cell

        pairs = [(name, shown(value)) for name, value in self.facts(result)]
        if pairs:
            yield facts(pairs)
        elif self.titles:
            yield table(self.titles, [list(map(shown, row)) for row in self.rows(result)], right=self.right)
        else:
            for line in self.plain(result):
                yield line if isinstance(line, str) else "  ".join(map(str, line))

    def failure(self, result: R) -> Exception | Failure | None:  # noqa: ARG002
        """Why this result counts as failed although there is something to show (a certificate that does
        not verify). The exit code, the JSON's `error` and the message on standard error come from it."""
        return None

    def failed_json(self, failure: Failure) -> Mapping[str, Any]:  # noqa: ARG002
        """What the object of an input without a result has besides `error`; `failed_schema` declares it."""
        return {}

    def details(self, failure: Failure, env: Environment) -> Iterable[str]:
        """Lines to show under the message of a failure: the octets that break HTTP/1.1, underlined."""
        if failure.layer != "http" or failure.stage != "protocol":
            return ()
        from netkit.http.parser.errors import ParseError

        if not isinstance(failure.error, ParseError):
            return ()
        from netkit.cli.render.octets import excerpt_lines

        return excerpt_lines(failure.error.excerpt, env.width)

    def exit_code(self, result: R) -> Exit:  # noqa: ARG002
        """The exit code of a result without `failure`."""
        return Exit.OK
