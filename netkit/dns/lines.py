"""Records and questions as dig's lines, each part in its column, and as the entries of dig's YAML.

The columns are those of BIND's dig: tabs up to the column, or one blank where a part before is too wide. So
lines of names of any length stand under each other, and awk finds the same fields as in dig's output.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.style import ttl_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.dns.messages.message import Question
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.style import Style

_TAB = 8


class Columns(NamedTuple):
    """Where the TTL, the class, the type and the data of a record begin."""

    ttl: int
    rdclass: int
    rdtype: int
    rdata: int


_ALL = Columns(24, 32, 40, 48)
_ONE_LEFT_OUT = Columns(24, 24, 32, 40)
_CLOSE = Columns(24, 24, 24, 32)


def columns_of(style: Style) -> Columns:
    """The columns of lines of this style."""
    if style.multiline or not (style.ttl or style.rdclass):
        return _CLOSE
    return _ALL if style.ttl and style.rdclass else _ONE_LEFT_OUT


def record_line(
    record: DnsRecord, style: Style, *, owner: str | None = None, rdata: str | None = None
) -> str:
    """A record as dig prints it; of several lines, if its data is. `owner` and `rdata` stand for its own."""
    columns = columns_of(style)
    parts = [(0, str(record.name) if owner is None else owner)]
    if style.ttl:
        parts.append((columns.ttl, ttl_text(record.ttl) if style.ttl_units else str(record.ttl)))
    rdclass, rdtype = kind_words(record.rdclass, record.rdtype, style)
    if style.rdclass:
        parts.append((columns.rdclass, rdclass))
    parts.append((columns.rdtype, rdtype))
    parts.append((columns.rdata, record.styled_text(style) if rdata is None else rdata))
    return in_columns(parts)


def question_line(question: Question, style: Style, *, owner: str | None = None) -> str:
    """A question as dig prints it, behind its semicolon. It has a class in every style."""
    columns = columns_of(style)
    name = str(question.name) if owner is None else owner
    rdclass, rdtype = kind_words(question.rdclass, question.rdtype, style)
    return in_columns([(0, name), (columns.rdclass, rdclass), (columns.rdtype, rdtype)])


def kind_words(rdclass: int, rdtype: int, style: Style) -> tuple[str, str]:
    """The words for a class and a type."""
    return (f"CLASS{rdclass:d}", f"TYPE{rdtype:d}") if style.generic else (str(rdclass), str(rdtype))


def in_columns(parts: Iterable[tuple[int, str]]) -> str:
    """Words, each at its column or one further than the word before."""
    line = ""
    at = 0
    for column, word in parts:
        if line:
            gap, at = _gap(at, column)
            line += gap
        line += word
        at += len(word)
    return line


@lru_cache(1024)
def _gap(at: int, column: int) -> tuple[str, int]:
    """What leads from one column to another, and where it ends."""
    to = max(column, at + 1)
    tabs = to // _TAB - at // _TAB
    return "\t" * tabs + " " * (to - (to // _TAB * _TAB if tabs else at)), to
