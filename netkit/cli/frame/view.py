"""What a command declares about its output: a `View` turns a result of the library into each of its forms.

    json    one object a line: `type`, `input`, the view's fields, `error` where it failed
    plain   tab-separated lines for awk, beginning with the input; a failed one of several inputs is
            `INPUT <tab> error <tab> LAYER.KIND <tab> MESSAGE`
    short   the bare values, one a line
    table   rich tables on a terminal; several inputs are one line each where the view has `columns`

`netkit.cli.frame.output` picks the form and writes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

from netkit.cli.frame.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.exits import Failure

R = TypeVar("R")

#: A line as it is, or its cells, which are joined by tabs.
Line: TypeAlias = "str | Sequence[object]"


class Column(NamedTuple):
    """A column of the one-line-an-input table: its title, and its width in characters."""

    title: str
    width: int


class View(Generic[R]):
    """How the results of one command are shown.

    `type` is the value of `"type"` in JSON; `schema` the TypedDict (or a union of them) that `to_json`
    returns, its fields described by `Annotated[..., "text"]`. The frame itself adds `input` (for views
    of inputs) and `error`, so a TypedDict declares neither.
    """

    type: ClassVar[str]
    schema: ClassVar[Any]
    #: Whether the command is given an input (or several), so that every row carries `"input"`.
    has_input: ClassVar[bool] = True
    #: Columns of the table that several inputs make, a line each; without them each makes its own `table`.
    columns: ClassVar[tuple[Column, ...]] = ()

    def to_json(self, result: R) -> Mapping[str, Any]:
        """The JSON object. Times in seconds under `_s`, bytes through `b64` under `_b64`, dates RFC 3339."""
        raise NotImplementedError

    def plain(self, result: R) -> Iterable[Line]:
        """The lines for awk; with cells (a sequence) rather than a line, no value can break the columns."""
        raise NotImplementedError

    def short(self, result: R) -> Iterable[Line]:
        """The bare values, one a line."""
        return self.plain(result)

    def table(self, result: R, env: Environment) -> Iterable[Any]:  # noqa: ARG002 - for those that override
        """What is printed on a terminal: rich renderables (import netkit.cli.render here), or text."""
        for line in self.plain(result):
            yield line if isinstance(line, str) else "  ".join(map(str, line))

    def row(self, result: R) -> Sequence[object]:
        """The cells under `columns`, where several inputs make one table."""
        raise NotImplementedError

    def failure(self, result: R) -> Exception | Failure | None:  # noqa: ARG002
        """Why this result counts as failed although there is something to show (a certificate that does
        not verify); it gives the exit code, the JSON's `error`, and the message on standard error."""
        return None

    def exit_code(self, result: R) -> Exit:  # noqa: ARG002
        """The exit code of a result without `failure`."""
        return Exit.OK
