"""Read a whole header section at once (RFC 9112 section 5), if it needs no special care.

Nearly every section has only correct lines, and callers often do not need its parts, or need them only as
octets. One regular expression checks the section. Another one splits it into parts when a caller asks for
them. If a section contains, or may contain, a field about the framing, the parser reads it line by line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netkit.http.parser.framing import TCHAR

if TYPE_CHECKING:
    from netkit.http.parser.lines import Buffer

# Quantifiers are possessive, here too. A field whose name begins as one about the framing does is not taken.
_FRAMING = rb"[Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Ll][Ee]|[Tt][Rr][Aa][Nn][Ss][Ff]"
_FIELD = rb"(?!" + _FRAMING + rb")[" + TCHAR + rb"]++:[\t\x20-\x7e\x80-\xff]*+\r\n"
_SECTION = re.compile(rb"(?:" + _FIELD + rb")*+\r\n").match

# Of a section that is right, the names and the values; the second takes no field with whitespace behind its
# value, so that it finds fewer fields than there are lines if there is one.
_PARTS = re.compile(rb"([^:]++):[ \t]*+((?:[^ \t\r]++|[ \t]++(?!\r))*+)[ \t]*+\r\n")
_PLAIN_PARTS = re.compile(rb"([^:]++):[ \t]*+([^\r]*+)(?<![ \t])\r\n")

_FOLDS = re.compile(rb"(?:[ \t]*+\r?\n[ \t]++)++")


def take_section(buffer: Buffer, start: int, end: int, max_line: int, max_count: int) -> bytes | None:
    """A section that is complete, right, and not about the framing, without the empty line that ends it.

    Args:
        buffer: the message.
        start: where the section begins.
        end: where it ends at the latest.
        max_line: octets of a line; a section that is longer is not taken, whatever its lines are.
        max_count: lines.
    """
    match = _SECTION(buffer, start, end)
    if match is None:
        return None
    section = bytes(buffer[start : match.end() - 2])
    return None if len(section) > max_line or section.count(b"\n") > max_count else section


def spans(section: bytes, offset: int) -> list[tuple[int, int, int, int]]:
    """Where each name and each value of a section begins and ends in a buffer that has it at `offset`."""
    return [
        (offset + name, offset + name_end, offset + value, offset + value_end)
        for _, (name, name_end), (value, value_end) in (found.regs for found in _PARTS.finditer(section))
    ]


def items(section: bytes) -> list[tuple[bytes, bytes]]:
    """The names and the values of a section."""
    found: list[tuple[bytes, bytes]] = _PLAIN_PARTS.findall(section)
    return found if len(found) == section.count(b"\n") else _PARTS.findall(section)


def unfolded(value: bytes) -> bytes:
    """A value with a space for each run of folds (RFC 9112 section 5.2)."""
    return _FOLDS.sub(b" ", value)
