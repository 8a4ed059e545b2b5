"""Structured fields: the items, lists and dictionaries in newer header fields.

RFC 9651: parsing follows section 4.2, and writing section 4.1; both are strict. Every violation of the
grammar is an error with its offset. The receiver must then ignore the whole field.

    >>> parse_dictionary('u=2, i, at=@1659578233;src="clock"')["at"]
    Item(value=Date(1659578233), params={'src': 'clock'})
    >>> serialize_list([Item(Token("a")), InnerList((Item(1), Item(True)), {"q": Decimal("0.50")})])
    'a, (1 ?1);q=0.5'

    Integer int          String          str              Byte Sequence   bytes
    Decimal Decimal      Token           Token            Boolean         bool
    Date    Date         Display String  DisplayString

A float may be written as a Decimal, but is never what is read. Nothing nests deeper than an inner list.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error, a2b_base64, b2a_base64
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

from netkit.http.fields.errors import FieldLimitExceeded, InvalidField
from netkit.http.fields.syntax import MAX_LENGTH, MAX_MEMBERS, Cursor

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The most parameters of one item, and the most items of one inner list (section 3.1: at least 256 each).
MAX_PARAMS = 256
MAX_INNER = 256
FIELD = "structured field"

_KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*+")
_NUMBER = re.compile(r"(-?)([0-9]++)(?:(\.)([0-9]*+))?")
_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]++|\\["\\])*+)"')
_STRING_TEXT = re.compile(r"[\x20-\x7e]*")
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*+")
_BYTES = re.compile(r":([A-Za-z0-9+/]*+)(=*+):")
_DISPLAY = re.compile(r'%"((?:[\x20\x21\x23\x24\x26-\x7e]++|%[0-9a-f]{2})*+)"')
_SPACES = re.compile(r" *+")
_MAX_INTEGER = 999_999_999_999_999
_THOUSANDTH = Decimal("0.001")
#: Whatever context the caller does his own sums in.
_ROUNDING = Context(prec=40, rounding=ROUND_HALF_EVEN)


class Token(str):
    """A word without quotes. Not equal to the String of the same characters."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(("Token", str(self)))

    def __repr__(self) -> str:
        return f"Token({str.__repr__(self)})"

    def __str__(self) -> str:
        return str.__str__(self)


class DisplayString(str):
    """Text of any characters, for people to read. Not equal to the String of the same characters."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DisplayString) and str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(("DisplayString", str(self)))

    def __repr__(self) -> str:
        return f"DisplayString({str.__repr__(self)})"

    def __str__(self) -> str:
        return str.__str__(self)


class Date:
    """A moment: whole seconds since 1970, leap seconds not counted, before it negative."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Date) and self.seconds == other.seconds

    def __hash__(self) -> int:
        return hash(("Date", self.seconds))

    def __repr__(self) -> str:
        return f"Date({self.seconds})"


BareItem: TypeAlias = "int | Decimal | float | str | Token | bytes | bool | Date | DisplayString"


class _NoParams(Mapping[str, Any]):
    """The one mapping that is empty and stays so."""

    __slots__ = ()

    def __getitem__(self, key: str) -> NoReturn:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"

    def __reduce__(self) -> str:
        return "_NO_PARAMS"  # also a copy is this one


_NO_PARAMS = _NoParams()

Params: TypeAlias = "Mapping[str, BareItem]"


class Item(NamedTuple):
    """A value and its parameters."""

    value: BareItem
    params: Params = _NO_PARAMS


class InnerList(NamedTuple):
    """Items in brackets, and the parameters of the whole."""

    items: tuple[Item, ...]
    params: Params = _NO_PARAMS


Member: TypeAlias = Item | InnerList


def parse_item(header: str | bytes, *, max_params: int = MAX_PARAMS, max_length: int = MAX_LENGTH) -> Item:
    """The Item that a field is.

    Args:
        header: the field's value; several fields of a name are joined with a comma first.
        max_params: the most parameters of one item, repeated ones included.
        max_length: the longest value, in characters.

    Raises InvalidField with the offset where it breaks the grammar, FieldLimitExceeded over a limit.
    """
    parser = _Parser(header, max_length, max_params, 0, MAX_INNER)
    item = parser.item()
    parser.finish()
    return item


def parse_list(
    header: str | bytes,
    *,
    max_members: int = MAX_MEMBERS,
    max_inner: int = MAX_INNER,
    max_params: int = MAX_PARAMS,
    max_length: int = MAX_LENGTH,
) -> list[Member]:
    """The List that a field is; an empty field is an empty list. Arguments and errors as in `parse_item`,
    and `max_members` of the list, `max_inner` items of an inner one."""
    parser = _Parser(header, max_length, max_params, max_members, max_inner)
    members: list[Member] = []
    while parser.next_member():
        members.append(parser.member())
    return members


def parse_dictionary(
    header: str | bytes,
    *,
    max_members: int = MAX_MEMBERS,
    max_inner: int = MAX_INNER,
    max_params: int = MAX_PARAMS,
    max_length: int = MAX_LENGTH,
) -> dict[str, Member]:
    """The Dictionary that a field is, in order; of a key that is there twice, the last value in the place of
    the first. Arguments and errors as in `parse_list`."""
    parser = _Parser(header, max_length, max_params, max_members, max_inner)
    members: dict[str, Member] = {}
    while parser.next_member():
        key = parser.key()
        members[key] = parser.member() if parser.cursor.take("=") else Item(True, parser.params())
    return members


def serialize_item(item: Item) -> str:
    """An Item as a field's value. Raises InvalidField, with `fault` "caller", for what none can carry."""
    return _bare(item.value) + _params(item.params)


def serialize_list(members: Iterable[Member]) -> str:
    """A List as a field's value; an empty one is no field at all. Errors as in `serialize_item`."""
    return ", ".join(map(_member, members))


def serialize_dictionary(members: Mapping[str, Member]) -> str:
    """A Dictionary as a field's value; an empty one is no field at all. Errors as in `serialize_item`."""
    parts = []
    for key, member in members.items():
        if isinstance(member, Item) and member.value is True:
            parts.append(_key(key) + _params(member.params))
        else:
            parts.append(f"{_key(key)}={_member(member)}")
    return ", ".join(parts)


class _Parser:
    """One field's value, gone through once."""

    def __init__(
        self, header: str | bytes, max_length: int, max_params: int, max_members: int, max_inner: int
    ) -> None:
        self.cursor = Cursor(header, FIELD, max_length)
        self.max_params = max_params
        self.max_members = max_members
        self.max_inner = max_inner
        # Section 4.2: leading and trailing SP, and no tab, is discarded; the rest is ASCII.
        self.cursor.end = len(self.cursor.text.rstrip(" "))
        self.cursor.text = self.cursor.text[: self.cursor.end]
        self.spaces()

    def spaces(self) -> None:
        self.cursor.match(_SPACES)

    def finish(self) -> None:
        if self.cursor.at != self.cursor.end:
            self.cursor.expected("the end")

    def next_member(self) -> bool:
        """Whether a member is next; goes past the comma before it."""
        cursor = self.cursor
        if cursor.members:
            cursor.skip()
            if cursor.at == cursor.end:
                return False
            if not cursor.take(","):
                cursor.expected("a comma")
            cursor.skip()
            if cursor.at == cursor.end:
                cursor.expected("a member after the comma")
        elif cursor.at == cursor.end:
            return False
        cursor.members += 1
        if cursor.members > self.max_members:
            raise FieldLimitExceeded(FIELD, "max_members", self.max_members, cursor.at)
        return True

    def member(self) -> Member:
        return self.inner_list() if self.cursor.here == "(" else self.item()

    def item(self) -> Item:
        return Item(self.bare(), self.params())

    def inner_list(self) -> InnerList:
        cursor = self.cursor
        cursor.at += 1
        items: list[Item] = []
        while True:
            self.spaces()
            if cursor.take(")"):
                return InnerList(tuple(items), self.params())
            if len(items) == self.max_inner:
                raise FieldLimitExceeded(FIELD, "max_inner", self.max_inner, cursor.at)
            items.append(self.item())
            if cursor.here not in (" ", ")"):
                cursor.expected("a space or ')'")

    def params(self) -> dict[str, BareItem]:
        found: dict[str, BareItem] = {}
        count = 0
        while self.cursor.take(";"):
            count += 1
            if count > self.max_params:
                raise FieldLimitExceeded(FIELD, "max_params", self.max_params, self.cursor.at)
            self.spaces()
            key = self.key()
            found[key] = self.bare() if self.cursor.take("=") else True
        return found

    def key(self) -> str:
        found = self.cursor.match(_KEY)
        if found is None:
            self.cursor.expected("a key")
        return found[0]

    def bare(self) -> BareItem:
        cursor, here = self.cursor, self.cursor.here
        if here == '"':
            return re.sub(
                r"\\(.)", r"\1", self._one(_STRING, "a string that does not end, or is not ASCII")[1]
            )
        if here == ":":
            return self._byte_sequence()
        if here == "?":
            cursor.at += 1
            if cursor.here not in ("0", "1"):
                cursor.expected("0 or 1")
            cursor.at += 1
            return cursor.text[cursor.at - 1] == "1"
        if here == "@":
            cursor.at += 1
            begun = cursor.at
            value = self._number()
            if not isinstance(value, int):
                cursor.fail("a date is a whole number of seconds", begun)
            return Date(value)
        if here == "%":
            return self._display_string()
        if here == "-" or "0" <= here <= "9":
            return self._number()
        found = cursor.match(_TOKEN)
        if found is None:
            cursor.expected("an item")
        return Token(found[0])

    def _one(self, pattern: re.Pattern[str], reason: str) -> re.Match[str]:
        found = self.cursor.match(pattern)
        if found is None:
            self.cursor.fail(reason)
        return found

    def _number(self) -> int | Decimal:
        begun = self.cursor.at
        found = self._one(_NUMBER, "a number without digits")
        sign, whole, point, fraction = found.groups()
        if not point:
            if len(whole) > 15:
                self.cursor.fail("an integer of over 15 digits", begun)
            return int(sign + whole)
        if len(whole) > 12:
            self.cursor.fail("a decimal of over 12 digits before the point", begun)
        if not 1 <= len(fraction) <= 3:
            self.cursor.fail("a decimal has one to three digits after the point", begun)
        return Decimal(found[0])

    def _byte_sequence(self) -> bytes:
        begun = self.cursor.at
        found = self._one(_BYTES, "a byte sequence that does not end, or is not base64")
        # Section 4.2.7: padding that is missing is made up for; bits left over need not be zero.
        if len(found[2]) > -len(found[1]) % 4:
            self.cursor.fail("more padding than base64 has", begun)
        try:
            return a2b_base64(found[1] + "=" * (-len(found[1]) % 4))
        except Base64Error:
            self.cursor.fail("a byte sequence that is not base64", begun)

    def _display_string(self) -> DisplayString:
        from urllib.parse import unquote_to_bytes

        begun = self.cursor.at
        found = self._one(_DISPLAY, "a display string that does not end, or is not escaped in lower case")
        try:
            return DisplayString(unquote_to_bytes(found[1]).decode("utf-8"))
        except UnicodeDecodeError:
            self.cursor.fail("a display string that is not UTF-8", begun)


def _refuse(reason: str) -> NoReturn:
    raise InvalidField(FIELD, reason, fault="caller")


def _member(member: Member) -> str:
    if isinstance(member, InnerList):
        return f"({' '.join(map(serialize_item, member.items))}){_params(member.params)}"
    return serialize_item(member)


def _params(params: Params) -> str:
    return "".join(
        f";{_key(key)}" if value is True else f";{_key(key)}={_bare(value)}" for key, value in params.items()
    )


def _key(key: str) -> str:
    if not _KEY.fullmatch(key):
        _refuse(f"{key[:80]!r} is no key: lower-case letters, digits and _-.* only")
    return key


def _bare(value: BareItem) -> str:
    """Section 4.1.3.1. bool before int, Token and DisplayString before str: each is also the other."""
    if isinstance(value, bool):
        return "?1" if value else "?0"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, (float, Decimal)):
        return _decimal(value)
    if isinstance(value, Token):
        if not _TOKEN.fullmatch(value):
            _refuse(f"{value[:80]!r} is no token")
        return str(value)
    if isinstance(value, DisplayString):
        return _display(value)
    if isinstance(value, str):
        if not _STRING_TEXT.fullmatch(value):
            _refuse("a string holds printable ASCII only; a DisplayString holds any text")
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, (bytes, bytearray)):
        return f":{b2a_base64(value, newline=False).decode('ascii')}:"
    if isinstance(value, Date):
        return f"@{_integer(value.seconds)}"
    _refuse(f"a {type(value).__name__} is none of the types of a structured field")


def _integer(value: int) -> str:
    if not isinstance(value, int):
        _refuse(f"{value!r} is no integer")
    if not -_MAX_INTEGER <= value <= _MAX_INTEGER:
        _refuse("an integer of over 15 digits")
    return str(int(value))


def _decimal(value: float | Decimal) -> str:
    """Section 4.1.5: rounded to three digits after the point, to the even one where both are as near."""
    exact = Decimal(float.__repr__(value)) if isinstance(value, float) else value
    if not exact.is_finite() or exact.copy_abs() >= 10**12:
        _refuse("a decimal of over 12 digits before the point, or not a number")
    rounded = exact.quantize(_THOUSANDTH, context=_ROUNDING)
    if rounded.copy_abs() >= 10**12:
        _refuse("a decimal of over 12 digits before the point")
    text = f"{rounded or rounded.copy_abs():f}".rstrip("0")  # nothing is less than zero that is rounded to it
    return f"{text}0" if text.endswith(".") else text


def _display(value: str) -> str:
    try:
        octets = value.encode("utf-8")
    except UnicodeEncodeError:
        _refuse("a lone surrogate is no text")
    parts = (f"%{byte:02x}" if byte in b'%"' or not 0x20 <= byte <= 0x7E else chr(byte) for byte in octets)
    return f'%"{"".join(parts)}"'
