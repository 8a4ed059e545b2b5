"""Make text from certificates safe to show.

A peer can put anything into a certificate: names may contain escape sequences, line breaks, or marks that
change the direction of writing. Messages show these characters as escapes. The values themselves stay
unchanged.
"""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    r"""`text` with control and format characters written as escapes: `"a\x1bb"` for an ESC between."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(char) if _is_unsafe(char) else char for char in text)


def rfc4514_safe(text: str) -> str:
    r"""A name in RFC 4514 form with unsafe characters as that RFC's hex pairs: `\1B` for an ESC."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        "".join(f"\\{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
        if _is_unsafe(char)
        else char
        for char in text
    )


def _is_unsafe(char: str) -> bool:
    # Controls, bidirectional marks and other invisible ones, half characters, line and paragraph breaks.
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
