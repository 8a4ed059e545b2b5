"""Octets as a line of text, with some of them underlined.

    Content-Length: +5\\r\\n
                    ^^

Octets that are not printable ASCII are escaped, so that no terminal obeys them and every octet is visible.
"""

from __future__ import annotations

_ESCAPES = {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r", 0x5C: "\\\\"}
_SHOWN = [
    _ESCAPES.get(octet, chr(octet) if 0x20 <= octet < 0x7F else f"\\x{octet:02x}") for octet in range(256)
]


def shown(octets: bytes) -> str:
    r"""Octets as text: `\r`, `\n`, `\x00` for what cannot be seen, and two backslashes for one.

    >>> print(shown(b"caf\xe9\r\n"))
    caf\xe9\r\n
    """
    return "".join([_SHOWN[octet] for octet in octets])


def excerpt_lines(excerpt: tuple[bytes, int] | None, width: int) -> list[str]:
    """The octets around a fault and carets under it, indented; `excerpt` as in `ParseError`."""
    if excerpt is None or not excerpt[0]:
        return []
    octets, at = excerpt
    line, carets = underlined(octets, at, min(1, len(octets) - at), max(20, width - 4))
    return [f"    {line}", f"    {carets}"]


def underlined(octets: bytes, offset: int, length: int, width: int) -> tuple[str, str]:
    r"""The line that `offset` is in, and one of carets below it, neither longer than `width`.

    Text that does not fit is left out, farthest from the underlined octets first. If `length` is 0, one caret
    marks the place.

    >>> print("\n".join(underlined(b"A: b\r\nC : d\r\n", 7, 1, 40)))
    C : d\r\n
     ^
    """
    begin = max(octets.rfind(b"\n", max(0, offset - width), offset) + 1, offset - width, 0)
    line_feed = octets.find(b"\n", offset, offset + width)
    end = min(len(octets), offset + width) if line_feed < 0 else line_feed + 1
    last = min(offset + length, end)
    before, marked, after = (
        shown(octets[first:behind]) for first, behind in ((begin, offset), (offset, last), (last, end))
    )
    if len(before) > width // 2:
        before = "..." + before[3 - width // 2 :]
    marked = marked[: width - len(before)]
    room = width - len(before) - len(marked)
    if len(after) > room:
        after = after[: room - 3] + "..." if room >= 3 else ""
    return before + marked + after, " " * min(len(before), width - 1) + "^" * max(1, len(marked))
