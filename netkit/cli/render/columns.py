"""The table of several inputs, with one line for each. Lines are printed as inputs finish, so the widths of
columns are fixed beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.frame.cells import Column
    from netkit.cli.frame.context import Environment

_BOLD, _RED, _RESET = "\x1b[1m", "\x1b[31m", "\x1b[0m"
_GAP = "  "


def title_line(env: Environment, columns: Sequence[Column]) -> str:
    """The titles over their columns."""
    line = _fit(env, columns, [column.title for column in columns])
    return f"{_BOLD}{line}{_RESET}" if env.color else line


def row_line(env: Environment, columns: Sequence[Column], cells: Sequence[str], *, failed: bool) -> str:
    """One input's line."""
    line = _fit(env, columns, cells)
    return f"{_RED}{line}{_RESET}" if failed and env.color else line


def failed_line(env: Environment, columns: Sequence[Column], input_text: str, why: str) -> str:
    """The line of an input that failed: the input and the reason, neither of them cut off."""
    line = input_text + " " * (_widths(env, columns)[0] - display_width(input_text)) + _GAP + why
    return f"{_RED}{line}{_RESET}" if env.color else line


def display_width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _widths(env: Environment, columns: Sequence[Column]) -> list[int]:
    """The columns' widths. A wide terminal's spare columns widen the first one, to twice its width at
    most."""
    first, *rest = (column.width for column in columns)
    spare = env.width - first - sum(rest) - len(_GAP) * len(rest)
    return [first + max(0, min(spare, first)), *rest]


def _fit(env: Environment, columns: Sequence[Column], cells: Sequence[str]) -> str:
    left = env.width
    mark = "…" if env.encoding.startswith("utf") else "~"
    parts = []
    for index, (cell, wanted) in enumerate(zip(cells, _widths(env, columns), strict=True)):
        last = index == len(cells) - 1
        width = max(1, left) if last else min(wanted, max(1, left))
        # The first cell is the input, and two inputs may differ only at their ends.
        cut = _cut_inside(cell, width, mark) if index == 0 else _cut(cell, width, mark)
        parts.append(cut if last else cut + " " * (width - display_width(cut)))
        left -= width + len(_GAP)
    return _GAP.join(parts).rstrip()


def _cut_inside(text: str, width: int, mark: str) -> str:
    """`text`, without its middle if it is too long, so that its end is shown too."""
    if display_width(text) <= width or width < 4:
        return _cut(text, width, mark)
    end = _cut(text[::-1], width // 2, "")[::-1]
    return _cut(text, width - display_width(end), mark) + end


def _cut(text: str, width: int, mark: str) -> str:
    if display_width(text) <= width:
        return text
    kept, used = [], len(mark)
    for character in text:
        used += display_width(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept) + mark
