"""The entries of a directory: in which order, and how a name of any octets is shown as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, get_args

from netkit.http.files.target import encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Column: TypeAlias = Literal["name", "size", "modified"]
COLUMNS: Final[tuple[Column, ...]] = get_args(Column)

#: Characters that no page and no terminal should have from a name: control characters, those that change the
#: direction of text or break a line, halves of characters.
_UNSHOWN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_NUMBER: Final = re.compile(r"([0-9]{1,18})")


class Entry(NamedTuple):
    """One entry: `size` in octets, None for a directory; `changed` in nanoseconds since 1970."""

    name: bytes
    is_directory: bool
    size: int | None
    changed: int

    @property
    def shown(self) -> str:
        """The name as text; what cannot be shown is U+FFFD, a control character its picture (U+2400 on)."""
        return shown(self.name)

    @property
    def reference(self) -> str:
        """The reference to it from the listing, percent-encoded."""
        return f"{encoded(self.name)}/" if self.is_directory else encoded(self.name)

    @property
    def modified(self) -> datetime | None:
        """When it was changed, in whole seconds; None for a time that no datetime has."""
        try:
            return datetime.fromtimestamp(self.changed // 1_000_000_000, UTC)
        except (ValueError, OverflowError, OSError):
            return None


class Order(NamedTuple):
    """By which column, and in which direction."""

    column: Column = "name"
    descending: bool = False

    @classmethod
    def of(cls, sort: str | None, order: str | None) -> Order:
        """What a query asks for; by name if it asks for something else."""
        column: Column = next((each for each in COLUMNS if each == sort), "name")
        return cls(column, order == "desc")

    def sorted(self, entries: Iterable[Entry]) -> list[Entry]:
        """The entries in order, directories first. Numbers in names count as numbers."""
        by_name = sorted(entries, key=_natural, reverse=self.descending and self.column == "name")
        if self.column != "name":
            by_name.sort(key=_KEYS[self.column], reverse=self.descending)
        return [each for each in by_name if each.is_directory] + [
            each for each in by_name if not each.is_directory
        ]


def shown(name: bytes) -> str:
    """A name as text that is safe to show.

    >>> shown(b"a\\nb"), shown(b"caf\\xe9")
    ('a\u240ab', 'caf\ufffd')
    """
    text = name.decode("utf-8", "replace")
    return _UNSHOWN.sub(lambda found: _picture(ord(found[0])), text)


def _picture(code: int) -> str:
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"


def _natural(entry: Entry) -> tuple[list[tuple[int, int, str]], bytes]:
    parts = _NUMBER.split(entry.name.decode("utf-8", "replace").casefold())
    return [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts], (
        entry.name
    )


_KEYS: Final[dict[Column, Callable[[Entry], int]]] = {
    "size": lambda entry: entry.size or 0,
    "modified": lambda entry: entry.changed,
}
