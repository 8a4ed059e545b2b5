"""Tables, fact sheets and marks in one style, and the function that turns them into text for a terminal.

Colour is never the only carrier of meaning: a mark has a word or a sign beside its colour.
"""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from netkit.cli.frame.messages import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import ConsoleOptions, RenderableType, RenderResult

    from netkit.cli.frame.cells import Verdict
    from netkit.cli.frame.context import Environment

_SIGNS: dict[Verdict, tuple[str, str, str]] = {
    "good": ("✓", "+", "green"),
    "bad": ("✗", "x", "bold red"),
    "warn": ("!", "!", "yellow"),
    "none": ("·", "-", "dim"),
}


def text(value: object, style: str = "") -> Text:
    """A cell. None is a dash, a bool is yes or no; control characters are shown as escapes."""
    if isinstance(value, Text):
        return value
    if value is None or value == "":
        return Text("-", style or "dim")
    if value is True or value is False:
        return Text("yes" if value else "no", style)
    lines = str(value).split("\n")
    return Text("\n".join(visible(line) for line in lines), style)


def mark(verdict: Verdict, words: object, env: Environment) -> Text:
    """A sign and words: `✓ valid`, `✗ expired`."""
    sign, ascii_sign, style = _SIGNS[verdict]
    shown = sign if env.encoding.startswith("utf") else ascii_sign
    return Text(f"{shown} ", style).append_text(text(words, style))


def table(
    titles: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str | None = None,
    right: Iterable[int] = (),
    cut: Iterable[int] = (),
) -> Table:
    """A table with a header. `right` are the columns aligned right (numbers). On a narrow terminal, the
    columns `cut` are cut off, and the others wrap (if necessary, in the middle of a long name)."""
    made = Table(
        title=None if title is None else text(title, "bold"),
        title_justify="left",
        box=box.ROUNDED,
        header_style="bold",
        border_style="dim",
        expand=False,
    )
    right_set, cut_set = set(right), set(cut)
    for index, name in enumerate(titles):
        made.add_column(
            text(name),
            justify="right" if index in right_set else "left",
            overflow="ellipsis" if index in cut_set else "fold",
            no_wrap=index in cut_set,
        )
    for row in rows:
        made.add_row(*(text(cell) for cell in row))
    return made


def facts(pairs: Iterable[tuple[str, object]], *, title: str | None = None) -> Table:
    """A sheet of named facts: names on the left, values (which may wrap) on the right."""
    made = Table(
        title=None if title is None else text(title, "bold"),
        title_justify="left",
        box=None,
        show_header=False,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(text(name), text(value))
    return made


def side_by_side(*renderables: RenderableType) -> Columns:
    """Tables side by side if the terminal is wide enough, else below each other."""
    return Columns(renderables, padding=(0, 2))


def render(env: Environment, renderables: Iterable[Any]) -> str:
    """`renderables` as text, in the environment's width, colours and encoding."""
    file = _Sheet(env.encoding)
    console = Console(
        file=file,
        width=env.width,
        force_terminal=env.color,
        color_system="auto" if env.color else None,
        no_color=not env.color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ=dict(env.environ) if env.color else {"TERM": "dumb"},
    )
    for renderable in renderables:
        console.print(_Safe(text(renderable) if isinstance(renderable, str) else renderable))
    # Trailing blanks are only padding; a line that a user copies should not contain them.
    return "".join(f"{line.rstrip(' ')}\n" for line in file.getvalue().splitlines())


class _Sheet(StringIO):
    """The stream that rich writes to. rich reads its encoding to decide whether it may draw boxes."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # StringIO's is always None
        return self._encoding


class _Safe:
    """Renders `inner` with every control character of its text shown as an escape.

    Cells made by `text` are safe already; this is for renderables that a view made itself.
    """

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            if segment.control or segment.text == "\n" or segment.text.isprintable():
                yield segment
            else:
                lines = segment.text.split("\n")
                yield Segment("\n".join(visible(line) for line in lines), segment.style)
