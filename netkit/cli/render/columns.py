"""The table of several inputs: a line each, printed as they finish, so its widths are fixed beforehand."""

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
    """The line of an input that has no cells: the input and why, neither of them cut off."""
    line = input_text + " " * (_widths(env, columns)[0] - display_width(input_text)) + _GAP + why
    return f"{_RED}{line}{_RESET}" if env.color else line


def display_width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _widths(env: Environment, columns: Sequence[Column]) -> list[int]:
    """The columns' widths: what a wide terminal has to spare widens the first, to twice its width at most."""
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
        # The first says which input it is, and two of them may differ at the end only.
        cut = _cut_inside(cell, width, mark) if index == 0 else _cut(cell, width, mark)
        parts.append(cut if last else cut + " " * (width - display_width(cut)))
        left -= width + len(_GAP)
    return _GAP.join(parts).rstrip()


def _cut_inside(text: str, width: int, mark: str) -> str:
    """`text` with its middle left out where it is too long: its end is shown as well."""
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
