"""The parts of lines and tables: cells, marks in cells, and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A line as it is, or its cells, which are joined by tabs.
Line: TypeAlias = "str | Sequence[object]"

Verdict: TypeAlias = Literal["good", "bad", "warn", "none"]


class Column(NamedTuple):
    """A column of the table with one line for each input: its title, and its width in characters."""

    title: str
    width: int


class Mark(NamedTuple):
    """A cell with a verdict: a table shows a sign and a colour beside the words, plain text the words
    alone."""

    verdict: Verdict
    words: str

    def __str__(self) -> str:
        return self.words


def cell_text(value: object) -> str:
    """A cell's text. None is `-`, so that awk still finds each column at its place; a bool is yes or no."""
    if value is None or value == "":
        return "-"
    if value is True or value is False:
        return "yes" if value else "no"
    return str(value)
