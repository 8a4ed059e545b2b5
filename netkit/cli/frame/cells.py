"""What lines and tables are made of: cells, marks in them, and the columns they stand in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A line as it is, or its cells, which are joined by tabs.
Line: TypeAlias = "str | Sequence[object]"

Verdict: TypeAlias = Literal["good", "bad", "warn", "none"]


class Column(NamedTuple):
    """A column of the one-line-an-input table: its title, and its width in characters."""

    title: str
    width: int


class Mark(NamedTuple):
    """A cell that judges: a table shows a sign and a colour with the words, plain text the words alone."""

    verdict: Verdict
    words: str

    def __str__(self) -> str:
        return self.words


def cell_text(value: object) -> str:
    """A cell's text: nothing is `-`, so that columns stay where they are for awk; truth is yes or no."""
    if value is None or value == "":
        return "-"
    if value is True or value is False:
        return "yes" if value else "no"
    return str(value)
