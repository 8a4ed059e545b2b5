"""The Link header: parse, search and write the links of a resource and their relation types.

RFC 8288 section 3, with the parameters of RFC 8187 (`title*=UTF-8''...`); targets and anchors resolve by
RFC 8288 sections 3.1 and 3.2, as the URL Standard resolves a reference.

    >>> entries = parse('<https://api.example/items?page=2>; rel="next prefetch"; title="Page 2"')
    >>> find_rel(entries, "Next").uri
    'https://api.example/items?page=2'
    >>> format(entries)
    '<https://api.example/items?page=2>; rel="next prefetch"; title="Page 2"'
    >>> from netkit.http.url import Url
    >>> resolve(parse("</items?page=3>; rel=next")[0], Url.parse("https://api.example/items")).uri
    'https://api.example/items?page=3'

A value without quotes may contain characters that a token may not (`type=text/html`), because RFC 5988
allowed them in places and servers send them. Every other violation of the grammar is an error with its
offset. If a parameter may occur only once, the first one is kept, as the RFC requires (sections 3.2 to 3.4).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from netkit.http.fields.errors import FieldLimitExceeded, InvalidField
from netkit.http.fields.syntax import (
    LINK_MEMBER,
    MAX_LENGTH,
    MAX_MEMBERS,
    TOKEN,
    Cursor,
    Dropped,
    lower_ascii,
    members,
    quote,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.http.url import Url

#: The most parameters of one link.
MAX_PARAMS = 64

_URI = re.compile(r"<([^<>\x00-\x20\x7f]*+)>")
_BARE = re.compile(r'[^\s\x00-\x20\x7f;,"<>]++')
_ONCE = frozenset({"anchor", "media", "rel", "title", "title*", "type"})
_EXT_VALUE = re.compile(
    r"([!#$%&+\-^_`{}~0-9A-Za-z]++)'([0-9A-Za-z\-]*+)'((?:[!#$&+\-.^_`|~0-9A-Za-z]|%[0-9A-Fa-f]{2})*+)"
)
_RELATION = re.compile(r"[^ \t]+")
_ATTR_CHARS = "!#$&+-.^_`|~"


class ExtValue(NamedTuple):
    """The value of a parameter whose name ends in `*` (RFC 8187): text, and the language it is in."""

    text: str
    language: str = ""

    def __str__(self) -> str:
        return encode_ext_value(self.text, self.language)


Value: TypeAlias = "str | ExtValue | None"


class LinkEntry(NamedTuple):
    """One link: its target as written (`uri`), and its parameters in order, names in lower case.

    A parameter without "=" has the value None; one whose name ends in `*` has an `ExtValue`, or, where it
    is not one, its text.
    """

    uri: str
    params: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def new(cls, uri: str, rel: str, *, anchor: str | None = None, title: str | None = None) -> LinkEntry:
        """A link with what most have; a title that is not ASCII becomes `title*`."""
        params: list[tuple[str, Value]] = [("rel", rel)]
        if anchor is not None:
            params.append(("anchor", anchor))
        if title is not None:
            params.append(("title", title) if title.isascii() else ("title*", ExtValue(title)))
        return cls(uri, tuple(params))

    def get(self, name: str) -> str | None:
        """The first parameter of that name, as text; None if there is none, or it has no value."""
        for each, value in self.params:
            if each == lower_ascii(name):
                return value.text if isinstance(value, ExtValue) else value
        return None

    @property
    def rels(self) -> tuple[str, ...]:
        """The relation types, in lower case (section 2.1: they are compared without regard to case)."""
        return tuple(_RELATION.findall(lower_ascii(self.get("rel") or "")))

    @property
    def anchor(self) -> str | None:
        """Where the link is from, if not from the resource that was asked for (section 3.2), as written."""
        return self.get("anchor")

    @property
    def title(self) -> str | None:
        """The title: `title*` if it can be decoded, else `title` (section 3.4.1)."""
        for name, value in self.params:
            if name == "title*" and isinstance(value, ExtValue):
                return value.text
        return self.get("title")

    @property
    def hreflang(self) -> tuple[str, ...]:
        """The languages that the target is available in, as it is hinted."""
        return tuple(value for name, value in self.params if name == "hreflang" and isinstance(value, str))

    def __str__(self) -> str:
        return format([self])


class ResolvedLink(NamedTuple):
    """A link with its references resolved: `uri` is the target, `anchor` is what the link is from.

    `anchor` is None where the entry has no anchor: the link is then from the resource itself.
    """

    entry: LinkEntry
    uri: str
    anchor: str | None

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: `target` is the target as it is written, `rels` are in lower case."""
        entry = self.entry
        return {
            "uri": self.uri,
            "target": entry.uri,
            "rels": list(entry.rels),
            "anchor": self.anchor,
            "title": entry.title,
            "params": [
                {"name": name, "value": value.text, "language": value.language or None}
                if isinstance(value, ExtValue)
                else {"name": name, "value": value, "language": None}
                for name, value in entry.params
            ],
        }


def parse(
    header: str | bytes,
    *,
    max_entries: int = MAX_MEMBERS,
    max_params: int = MAX_PARAMS,
    max_length: int = MAX_LENGTH,
    complaints: list[Dropped] | None = None,
) -> list[LinkEntry]:
    """The links of a Link field, in order. Several fields are joined with a comma first.

    Args:
        header: the field's value.
        max_entries: the most members of the list, empty ones included.
        max_params: the most parameters of one link.
        max_length: the longest value, in characters.
        complaints: with a list, links that break the grammar are left out of the result, and each goes there
            with what is wrong with it.

    Raises InvalidField with the offset where it breaks the grammar; FieldLimitExceeded over a limit. A link
    without a relation is kept, and found by none.
    """
    cursor = Cursor(header, "Link", max_length)
    try:
        return members(
            cursor, max_entries, lambda cursor: _entry(cursor, max_params), complaints, LINK_MEMBER
        )
    except FieldLimitExceeded as error:
        if error.limit == "max_members":
            raise FieldLimitExceeded("Link", "max_entries", max_entries, error.offset) from None
        raise


def format(entries: Iterable[LinkEntry]) -> str:  # noqa: A001 - core-net.txt's name, used as link_header.format
    """The links as a Link field says them in the fewest characters: a value stands without quotes where it
    is a token. What it gives, `parse` reads as the same entries.

    Raises InvalidField, with `fault` "caller", for what no field can carry: a target with spaces or
    brackets, a control character, a name that is no token in lower case, one twice that may stand but once,
    an `ExtValue` whose name does not end in `*`, and one in plain text whose name does.
    """
    return ", ".join(_formatted(entry) for entry in entries)


def find_rel(
    entries: Iterable[LinkEntry], rel: str, *, anchored: bool = False, base: Url | None = None
) -> LinkEntry | None:
    """The first link that has the relation type `rel`, in any case, alone or among others; None if none.

    Args:
        entries: the links, in the order of the field.
        rel: the relation type.
        anchored: whether links from another resource count too. Without it only links from the resource
            itself count: a link with an anchor does not say what is next of this resource (RFC 8288
            section 3.2).
        base: the URL of the resource. An anchor that resolves to this URL is the resource itself. An empty
            anchor is the resource itself in any case.
    """
    wanted = lower_ascii(rel)
    for entry in entries:
        if wanted in entry.rels and (anchored or _from_itself(entry, base)):
            return entry
    return None


def resolve(entry: LinkEntry, base: Url | None) -> ResolvedLink:
    """The link with its target and its anchor resolved against `base`, the URL of the resource.

    The target resolves against the resource too, not against the anchor (RFC 8288 section 3.1). A reference
    that does not resolve, and every reference where `base` is None, stays as it is written: the peer sent
    it, and the reader shall see it.
    """
    anchor = entry.anchor
    return ResolvedLink(
        entry, _resolved(entry.uri, base), None if anchor is None else _resolved(anchor, base)
    )


def decode_ext_value(text: str) -> ExtValue | None:
    """Decode an extended value (RFC 8187 section 3.2). The charset is UTF-8 (or ISO-8859-1, from RFC 5987).
    The result is None if the text is no extended value, or if its octets are invalid in the charset.

    >>> decode_ext_value("UTF-8'de'n%c3%a4chstes%20Kapitel")
    ExtValue(text='nächstes Kapitel', language='de')
    """
    from urllib.parse import unquote_to_bytes

    found = _EXT_VALUE.fullmatch(text)
    if found is None or found[1].lower() not in ("utf-8", "iso-8859-1"):
        return None
    try:
        return ExtValue(unquote_to_bytes(found[3]).decode(found[1]), found[2])
    except UnicodeDecodeError:
        return None


def encode_ext_value(text: str, language: str = "") -> str:
    """Text as an extended value, always in UTF-8 (RFC 8187 section 3.2).

    >>> encode_ext_value("£ and € rates", "en")
    "UTF-8'en'%C2%A3%20and%20%E2%82%AC%20rates"
    """
    from urllib.parse import quote as percent

    try:
        encoded = percent(text, safe=_ATTR_CHARS)
    except UnicodeEncodeError:
        raise InvalidField("Link", "a lone surrogate is no text", fault="caller") from None
    if not re.fullmatch(r"[0-9A-Za-z\-]*", language):
        raise InvalidField("Link", f"{language!r} is no language tag", fault="caller")
    # quote() keeps "~" and letters; "%" and "'" and "*" are escaped, as attr-char wants.
    return f"UTF-8'{language}'{encoded}"


def _resolved(reference: str, base: Url | None) -> str:
    from netkit.http.errors import HttpError

    if base is None:
        return reference
    try:
        return str(base.resolve(reference, max_length=None))
    except HttpError.InvalidUri:
        return reference


def _from_itself(entry: LinkEntry, base: Url | None) -> bool:
    """Whether the link is from the resource itself: it has no anchor, or one that is the resource."""
    if not entry.anchor:
        return True
    # A base has no fragment (RFC 3986 section 5.1); an anchor with one is a part of the resource.
    return base is not None and _resolved(entry.anchor, base) == str(base.replace(fragment=None))


def _entry(cursor: Cursor, max_params: int) -> LinkEntry:
    begun = cursor.at
    uri = cursor.match(_URI)
    if uri is None:
        if cursor.here != "<":
            cursor.expected("a target in <>")
        cursor.fail("a target that does not end in '>', or holds a space or control character", begun)
    params: list[tuple[str, Value]] = []
    seen: set[str] = set()
    count = 0
    while True:
        begun = cursor.at
        cursor.skip()
        if not cursor.take(";"):
            cursor.at = begun
            return LinkEntry(uri[1], tuple(params))
        cursor.skip()
        if cursor.here in ("", ";", ","):  # a semicolon with nothing after it
            continue
        count += 1
        if count > max_params:
            raise FieldLimitExceeded("Link", "max_params", max_params, cursor.at)
        name = cursor.token("a parameter's name").lower()
        value = _value(cursor, name)
        if name in _ONCE:
            if name in seen:
                continue
            seen.add(name)
        params.append((name, value))


def _value(cursor: Cursor, name: str) -> Value:
    begun = cursor.at
    cursor.skip()
    if not cursor.take("="):
        cursor.at = begun
        return None
    cursor.skip()
    if cursor.here == '"':
        text = cursor.quoted()
    else:
        found = cursor.match(_BARE)
        if found is None:
            cursor.expected("a parameter's value")
        text = found[0]
    if name.endswith("*"):
        return decode_ext_value(text) or text
    return text


def _formatted(entry: LinkEntry) -> str:
    if not _URI.fullmatch(f"<{entry.uri}>"):
        raise InvalidField("Link", f"{entry.uri[:80]!r} cannot stand in <>", fault="caller")
    parts = [f"<{entry.uri}>"]
    once: set[str] = set()
    for name, value in entry.params:
        if not TOKEN.fullmatch(name) or name != name.lower():
            raise InvalidField("Link", f"{name[:80]!r} is no parameter's name in lower case", fault="caller")
        if name in once:
            raise InvalidField("Link", f"{name} may stand but once", fault="caller")
        once |= {name} & _ONCE
        if isinstance(value, ExtValue) and not name.endswith("*"):
            raise InvalidField("Link", f"an extended value, and {name} does not end in '*'", fault="caller")
        if isinstance(value, str) and name.endswith("*") and decode_ext_value(value) is not None:
            raise InvalidField("Link", f"an extended value as text, for {name}", fault="caller")
        if value is None:
            parts.append(name)
        elif isinstance(value, ExtValue):
            parts.append(f"{name}={value}")
        else:
            parts.append(f"{name}={quote(value, 'Link')}")
    return "; ".join(parts)
