"""The table of several inputs: a row each, printed as they finish, so its widths are fixed beforehand.

Nothing is cut off. A cell that is longer than its column goes on below, broken between words; an input that
is a single long word stands on a line of its own. Where the terminal is too narrow for all columns, those
that do not fit stand on lines below the first, a little to the right of it:

    query                     status     answer         query
    www.example.test. A       NOERROR    192.0.2.1,       status     answer
                                         192.0.2.2      www.example.test. A
                                                          NOERROR    192.0.2.1, 192.0.2.2
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.frame.cells import Column
    from netkit.cli.frame.context import Environment

_BOLD, _RED, _RESET = "\x1b[1m", "\x1b[31m", "\x1b[0m"
_GAP = 2
#: How far lines below the first are set in.
_INDENT = 2
#: What the last column, which takes what is left, has at least, in characters; less, and it stands below.
_LEAST = 20


class _Place(NamedTuple):
    """Where a column stands: its number, where it begins, and its width."""

    column: int
    begin: int
    width: int


def title_line(env: Environment, columns: Sequence[Column]) -> str:
    """The titles over their columns."""
    return _coloured(env, _BOLD, _row(env.width, columns, [column.title for column in columns]))


def row_line(env: Environment, columns: Sequence[Column], cells: Sequence[str], *, failed: bool) -> str:
    """One input's row."""
    return _coloured(env, _RED if failed else "", _row(env.width, columns, cells))


def failed_line(env: Environment, columns: Sequence[Column], input_text: str, why: str) -> str:
    """The row of an input that has no cells: the input and, marked as what it is, why."""
    first, *rest = _layout(env.width, columns)[0]
    if rest and env.width - rest[0].begin < _LEAST:
        rest = []
    begin = rest[0].begin if rest else _INDENT
    sign = "✗" if env.encoding.startswith("utf") else "x"
    reason = _wrapped(f"{sign} {why}", env.width - begin)
    if rest and _longest_word(input_text) <= first.width:
        lines = _side_by_side([(0, _wrapped(input_text, first.width)), (begin, reason)])
    else:
        lines = [*_wrapped(input_text, env.width), *_side_by_side([(begin, reason)])]
    return _coloured(env, _RED, lines)


def display_width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _coloured(env: Environment, colour: str, lines: Sequence[str]) -> str:
    if not (env.color and colour):
        return "\n".join(lines)
    return "\n".join(f"{colour}{line}{_RESET}" for line in lines)


def _layout(width: int, columns: Sequence[Column]) -> list[list[_Place]]:
    """The places of the columns, in the lines that a row has at this width.

    What a wide terminal has to spare widens the first, to twice its width at most; the last takes the rest.
    """
    first, *others = (column.width for column in columns)
    spare = width - first - sum(others) - _GAP * len(others)
    wanted = [first + max(0, min(spare, first)), *others]
    lines: list[list[_Place]] = [[]]
    begin = 0
    for index, most in enumerate(wanted):
        last = index == len(wanted) - 1
        if index and begin + (min(most, _LEAST) if last else most) > width:
            lines.append([])
            begin = _INDENT
        room = max(1, width - begin)
        lines[-1].append(_Place(index, begin, room if last else min(most, room)))
        begin += lines[-1][-1].width + _GAP
    return lines


def _row(width: int, columns: Sequence[Column], cells: Sequence[str]) -> list[str]:
    """The lines of a row."""
    lines: list[str] = []
    for number, places in enumerate(_layout(width, columns)):
        if number and places[0].column > 1 and all(cells[place.column] == "-" for place in places):
            continue  # nothing to say there, and not the answer itself either
        if not number and _longest_word(cells[0]) > places[0].width:
            lines += _wrapped(cells[0], width)
            places = places[1:]
        lines += _side_by_side(
            [(place.begin, _wrapped(cells[place.column], place.width)) for place in places]
        )
    return lines


def _side_by_side(parts: Sequence[tuple[int, list[str]]]) -> list[str]:
    """Columns of text, each beginning where it says."""
    lines = []
    for pieces in zip_longest(*(pieces for _, pieces in parts), fillvalue=""):
        line = ""
        for (begin, _), piece in zip(parts, pieces, strict=True):
            line += " " * (begin - display_width(line)) + piece if piece else ""
        lines.append(line)
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of this width, broken between words, and in words only where one is longer."""
    width = max(1, width)
    if display_width(text) <= width:
        return [text]
    lines, line = [], ""
    for word in text.split(" "):
        if line and display_width(line) + 1 + display_width(word) <= width:
            line += f" {word}"
            continue
        if line:
            lines.append(line)
        *whole, line = _pieces(word, width)
        lines += whole
    return [*lines, line]


def _pieces(word: str, width: int) -> list[str]:
    """A word in pieces of this width."""
    pieces, piece, used = [], "", 0
    for character in word:
        size = display_width(character)
        if piece and used + size > width:
            pieces.append(piece)
            piece, used = "", 0
        piece += character
        used += size
    return [*pieces, piece]


def _longest_word(text: str) -> int:
    return max(map(display_width, text.split(" ")))
