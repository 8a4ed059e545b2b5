"""The table of several inputs: a line each, printed as they finish, so its widths are fixed beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.context import Environment
    from netkit.cli.output import Column

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
    line = input_text + " " * (columns[0].width - display_width(input_text)) + _GAP + why
    return f"{_RED}{line}{_RESET}" if env.color else line


def display_width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _fit(env: Environment, columns: Sequence[Column], cells: Sequence[str]) -> str:
    left = env.width
    parts = []
    for index, cell in enumerate(cells):
        last = index == len(cells) - 1
        width = max(1, left) if last else min(columns[index].width, max(1, left))
        cut = _cut(cell, width, "…" if env.encoding.startswith("utf") else "~")
        parts.append(cut if last else cut + " " * (width - display_width(cut)))
        left -= width + len(_GAP)
    return _GAP.join(parts).rstrip()


def _cut(text: str, width: int, mark: str) -> str:
    if display_width(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += display_width(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept) + mark
