"""Internationalised names (IDNA2008, RFC 5890) in Unicode, where a reader cannot be deceived by that.

A name that somebody registered may look like another one: with a Cyrillic letter among Latin ones, with a
character that the terminal cannot show, or with letters that run from right to left among dots. So a label is
shown in Unicode only if it comes back as the same A-label, all of it can be shown, and its letters are of one
script (of Chinese, Japanese and Korean, which are written with several, those of one language). Browsers
decide in the same way (UTS 39 section 5.2, "highly restrictive", without its Latin beside CJK).

A name that consists only of letters that look like Latin ones (a Cyrillic "аре") is not shown in Unicode
either.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netkit.dns.name import Name

#: Scripts that are written together, by the first words of the names of their characters.
_TOGETHER = (
    frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"}),
    frozenset({"CJK", "HANGUL"}),
    frozenset({"CJK", "BOPOMOFO"}),
)

#: Letters of other scripts that look like Latin ones (UTS 39, the whole-script confusables of Latin).
_LIKE_LATIN = frozenset("аеорсухіјѕһԁԛԝүҽӏ" + "οαικνρυωϲ")


def has_unicode(name: Name) -> bool:
    """Whether a name has labels of IDNA."""
    return b"xn--" in name.to_wire().lower()


def safe_unicode(name: Name, encoding: str = "utf-8") -> str | None:
    """The name in Unicode, with labels that might deceive left as they are; None if that changes nothing."""
    if not has_unicode(name):
        return None
    ascii_labels = name.to_text(omit_final_dot=True).split(".")
    labels = name.to_unicode(omit_final_dot=True).split(".")
    if len(labels) != len(ascii_labels):
        return None
    shown = [
        label if label == plain or _is_safe(label, encoding) else plain
        for label, plain in zip(labels, ascii_labels, strict=True)
    ]
    return None if shown == ascii_labels else ".".join(shown) + "."


def shown_data(text: str, names: list[Name], encoding: str) -> str:
    """RDATA as text, with the names in it as `safe_unicode` has them."""
    shown = {str(name): safe_unicode(name, encoding) for name in names}
    return re.sub(r"[^ \t\n]+", lambda word: shown.get(word[0]) or word[0], text)


def _is_safe(label: str, encoding: str) -> bool:
    import unicodedata

    if not label.isprintable():
        return False
    try:
        label.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    scripts = set()
    for char in label:
        kind = unicodedata.category(char)
        if kind[0] == "M":
            # A mark that composes with nothing may be stacked on the letter before, unseen.
            return False
        if kind[0] == "L":
            if unicodedata.bidirectional(char) in ("R", "AL"):
                return False
            scripts.add(unicodedata.name(char, "?").split(" ")[0])
    if len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER):
        return False
    letters = {char for char in label if char.isalpha()}
    return not (letters and letters <= _LIKE_LATIN)
