"""HTTPie's request items: `name=value`, `age:=42`, `Header:value`, `q==1`, `photo@file`.

An item is one word of the command line: a name, a separator, a value. The first separator in the word
counts, and the longest at that place. A backslash before a separator's character takes its meaning away;
before any other character it stays what it is, so that `path=C:\\temp` needs no second one.

| item | what it makes |
| --- | --- |
| `Name:value` | a header; `Name:` takes a default one out, `Name;` sends an empty one |
| `name==value` | a parameter of the URL's query |
| `name=value` | a field of the body: text |
| `name:=value` | a field of the body: JSON |
| `name@path` | a file that is uploaded; `;type=TYPE` may follow |
| `name=@path`, `name:=@path`, `name==@path`, `Name:@path` | the value is what the file holds |

This module reads no file: an item only says which. `netkit.cli.fetch.json_paths` puts names such as
`a[b][]` together.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from netkit.http.errors import HttpError
from netkit.http.headers import checked_name, checked_value

ItemKind: TypeAlias = Literal["header", "no header", "query", "field", "json", "upload"]

#: The separators, and what each makes; a longer one stands before those that it begins with.
SEPARATORS: tuple[tuple[str, ItemKind, bool], ...] = (
    (":=@", "json", True),
    ("==@", "query", True),
    (":=", "json", False),
    ("==", "query", False),
    ("=@", "field", True),
    (":@", "header", True),
    ("=", "field", False),
    (":", "header", False),
    ("@", "upload", True),
    (";", "header", False),
)
_SPECIAL = frozenset("=:@;")
_IN_SCHEMES = str.maketrans("+-.", "xxx")

#: What a wrong item is told.
FORM = "an item is name=value, name:=json, Header:value, name==value (query) or name@file"


class ItemError(ValueError):
    """A word that is no item, or one whose parts cannot be used; `hint` shows the right form."""

    def __init__(self, reason: str, hint: str | None = FORM) -> None:
        super().__init__(reason)
        self.hint = hint


class Item(NamedTuple):
    """One item: what it makes, its name, and its value, or the path of the file that holds the value."""

    kind: ItemKind
    name: str
    value: str
    is_file: bool = False

    @property
    def content_type(self) -> str | None:
        """The media type that an upload names: `photo@a.bin;type=image/png`."""
        path, mark, media_type = self.value.rpartition(";type=")
        return media_type if self.kind == "upload" and mark and path else None

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.value.rpartition(";type=")[0] if self.content_type is not None else self.value


def has_scheme(word: str) -> bool:
    """Whether a word begins with a scheme and `://`."""
    scheme, separator, _ = word.partition("://")
    plain = scheme.translate(_IN_SCHEMES)
    return bool(separator) and scheme[:1].isalpha() and plain.isascii() and plain.isalnum()


def is_url(word: str) -> bool:
    """Whether a word behind the first URL is another one, and no item.

    It is one if it has its scheme (`https://a/?b=c`), or if nothing in it separates a name from a value
    (`example.com/x`). `:8080/x` is one too: a header has a name.

    >>> [is_url(word) for word in ("https://a/?b=c", "a.example/x", ":8080", "Host:a", "Referer:http://a/")]
    [True, True, True, False, False]
    """
    if has_scheme(word):
        return True
    found = _split(word)
    return found is None or (found[0] == "" and found[1] == ":" and found[2][:1].isdigit())


def parse_item(word: str) -> Item:
    r"""The item that a word is. Raises ItemError.

    >>> parse_item(r"a\=b=c")[:3], parse_item("X-A;")[:3], parse_item("Accept:")[:3]
    (('field', 'a=b', 'c'), ('header', 'X-A', ''), ('no header', 'Accept', ''))
    """
    found = _split(word)
    if found is None:
        raise ItemError(f"{word!r} is no item")
    name, separator, value = found
    kind, is_file = next((kind, is_file) for text, kind, is_file in SEPARATORS if text == separator)
    if is_file and not value:
        raise ItemError(f"{word!r}: the path of a file is missing behind {separator}", None)
    if kind == "header":
        return _header(word, name, separator, value)
    if not name and kind == "query":
        raise ItemError(f"{word!r}: a name is missing before {separator}")
    if not name and kind == "upload" and separator == "@":
        return Item("upload", "", value, True)  # `@path`: the file is the whole body
    return Item(kind, name, value, is_file)


def _header(word: str, name: str, separator: str, value: str) -> Item:
    if separator == ";" and value:
        raise ItemError(f"{word!r}: nothing can follow the ; of an empty header", f"write {name!r}:{value!r}")
    try:
        checked_name(name)
        if separator != ":@":
            value = checked_value(name, header_octets(value))
    except HttpError.InvalidValue as error:
        raise ItemError(str(error), error.hint or FORM) from error
    if separator == ":" and not value:
        return Item("no header", name, "")
    return Item("header", name, value, separator == ":@")


def header_octets(value: str) -> str:
    """Text of a header: what is not ASCII is sent as UTF-8, as curl does.

    RFC 9110 section 5.5 has octets there, and the rest of netkit shows each as the character of its number.
    """
    return value.encode("utf-8", "surrogateescape").decode("latin-1")


def _split(word: str) -> tuple[str, str, str] | None:
    """The name, the separator and the value; None if no separator stands in the word."""
    plain, escaped = _without_escapes(word)
    for at, character in enumerate(plain):
        if character in _SPECIAL and at not in escaped:
            for separator, _, _ in SEPARATORS:
                end = at + len(separator)
                if plain.startswith(separator, at) and not escaped.intersection(range(at, end)):
                    return plain[:at], separator, plain[end:]
    return None


def _without_escapes(word: str) -> tuple[str, set[int]]:
    """The word without the backslashes before separators, and where those characters are now."""
    characters: list[str] = []
    escaped: set[int] = set()
    at = 0
    while at < len(word):
        if word[at] == "\\" and word[at + 1 : at + 2] in _SPECIAL:
            escaped.add(len(characters))
            at += 1
        characters.append(word[at])
        at += 1
    return "".join(characters), escaped
