"""Header fields: names compare without case, may have several values, and keep their order and spelling.

RFC 9110 section 5.1 (names), 5.2 and 5.3 (several lines of one name, their order), 5.5 (values),
5.6.2 (tokens).

`Headers` maps a name to the tuple of its values, one for each line, as in the message. It joins no values,
because some could not be separated again (Set-Cookie). Most fields have one value: use `get_first`. For list
fields, `combined` gives the whole list. Every name and value is checked when it is added, so all of them can
be written to a connection: CR, LF and NUL never reach it.

A client receives octets that a parser has checked already, and looks at few of the fields. So
`Headers.from_received` keeps the parser's list, searches it for a single name, and takes it apart only when
something needs all fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from netkit.http.errors import HttpError

if TYPE_CHECKING:
    from typing import Self

#: What a header field may be made of. Text is what HTTP calls it: octets, each as its ISO 8859-1 character.
FieldText: TypeAlias = "str | bytes"
#: What headers can be made from: other headers, a mapping (one value, or a list of them), or pairs.
HeadersLike: TypeAlias = (
    "Mapping[str, FieldText | Iterable[FieldText]] | Iterable[tuple[FieldText, FieldText]]"
)

#: RFC 9110 section 5.6.2: the characters of a token.
TOKEN_CHARACTERS = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

#: More than there can be of anything.
_NO_LIMIT = 1 << 62

#: Fields whose values are secrets: a log and `repr` show that they are there, not what they are.
SENSITIVE = frozenset(
    (
        "authentication-info",
        "authorization",
        "cookie",
        "proxy-authentication-info",
        "proxy-authorization",
        "set-cookie",
    )
)


class Headers(MutableMapping[str, "tuple[str, ...]"]):
    r"""The header fields of a message.

        >>> headers = Headers({"Host": "example.com", "Accept": ["text/html", "*/*;q=0.1"]})
        >>> headers["accept"], headers.get_first("HOST"), headers.get("Cookie")
        (('text/html', '*/*;q=0.1'), 'example.com', None)
        >>> headers.append("X-Note", "first\r\nSet-Cookie: x=y")
        Traceback (most recent call last):
        netkit.http.errors.HttpError.InvalidValue: header X-Note: a carriage return cannot stand in a value...

    `max_count` limits the number of lines. `max_line` limits the octets of each line (with the colon and a
    space, without CRLF). `max_total` limits the octets of all lines (with CRLF). None means no limit.

    Two Headers are equal if each name has the same values in the same order. The order of different names
    does not matter (RFC 9110 section 5.3), and neither does the case of names. Whitespace around a value is
    not part of it. Raises HttpError.InvalidValue for text that a header cannot hold, and over a limit.
    """

    __slots__ = ("_fields", "_frozen", "_index", "_octets", "_total", "max_count", "max_line", "max_total")

    #: The limits of the HTTP/1.1 parser, so that what is built can be read.
    DEFAULT_MAX_COUNT: ClassVar[int] = 128
    DEFAULT_MAX_LINE: ClassVar[int] = 16384
    DEFAULT_MAX_TOTAL: ClassVar[int] = 65536

    max_count: int | None
    max_line: int | None
    max_total: int | None
    _frozen: bool
    #: Each line: the name in lower case, the name as it was given, the value. Made by `_build`, if received.
    _fields: list[tuple[str, str, str]]
    #: The name in lower case to its values. None: these were received, and `_build` has not been called.
    _index: dict[str, list[str]] | None
    #: The lines as octets, where those are known; of headers that can change they never are.
    _octets: Sequence[tuple[bytes, bytes]] | None
    _total: int

    def __init__(
        self,
        fields: HeadersLike = (),
        /,
        *,
        max_count: int | None = DEFAULT_MAX_COUNT,
        max_line: int | None = DEFAULT_MAX_LINE,
        max_total: int | None = DEFAULT_MAX_TOTAL,
    ) -> None:
        self.max_count = max_count
        self.max_line = max_line
        self.max_total = max_total
        self._frozen = False
        self._fields = []
        self._index = {}
        self._octets = None
        self._total = 0
        self._add(_pairs(fields))

    @classmethod
    def from_received(cls, items: Sequence[tuple[bytes, bytes]]) -> Self:
        """Frozen headers of what a parser has checked: `HttpParser.items`, or the fields of HTTP/2.

        Nothing is checked again, and no limit applies again. `items` is kept, not copied: do not change it.
        A copy() has the default limits, for what is added to it.
        """
        made = cls.__new__(cls)
        made._octets = items
        made._index = None
        made._frozen = True
        made.max_count = cls.DEFAULT_MAX_COUNT
        made.max_line = cls.DEFAULT_MAX_LINE
        made.max_total = cls.DEFAULT_MAX_TOTAL
        return made

    @classmethod
    def frozen_from(cls, fields: HeadersLike) -> Headers:
        """Frozen headers of anything that headers can be made from; `fields` itself, if it is frozen.

        The same as `Headers(fields).frozen()`, but without the copy. Small ones are remembered, because a
        handler gives the same few fields to every response: what was checked is not checked again.
        """
        kind = type(fields)
        key: tuple[object, ...]
        if kind is dict:
            key = tuple(fields.items())  # type: ignore[union-attr]  # a dict has items
        elif kind is tuple:
            if not fields:
                return _NONE
            key = fields  # type: ignore[assignment]  # a tuple
        elif isinstance(fields, Headers):
            return fields.frozen()
        else:
            fields = tuple(_pairs(fields))
            key = fields
        try:
            known = _remembered.get(key)
            if known is not None and cls is Headers:
                return known
            made = cls(fields)
            can_be_found = made._total <= _SMALL and cls is Headers
        except TypeError:
            made, can_be_found = cls(fields), False  # it has lists of values; or raises another one
        made._frozen = True
        if can_be_found:
            if len(_remembered) >= _REMEMBERED:
                _remembered.clear()
            _remembered[key] = made
        return made

    # Reading

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return tuple(self._by_name()[name.lower()])

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._values(name))

    def __iter__(self) -> Iterator[str]:
        """Each name once, in the spelling of its first line, in the order of those lines."""
        seen: set[str] = set()
        for key, name, _ in self._lines():
            if key not in seen:
                seen.add(key)
                yield name

    def __len__(self) -> int:
        """How many names there are; `len(headers.fields)` is how many lines."""
        return len(self._by_name())

    def get_first(self, name: str) -> str | None:
        """The value of the first line of that name, or None."""
        values = self._searched(name) if self._index is None else self._index.get(name.lower(), ())
        return values[0] if values else None

    def get_all(self, name: str) -> tuple[str, ...]:
        """The values of every line of that name, in order; () where there is none."""
        return tuple(self._values(name))

    def combined(self, name: str) -> str | None:
        """All values of that name as one list, as RFC 9110 section 5.3 joins them; None where there is none.

        Raises HttpError.InvalidValue for several lines of Set-Cookie, whose values have commas of their own.
        """
        values = self._values(name)
        if not values:
            return None
        if len(values) > 1 and name.lower() == "set-cookie":
            raise HttpError.InvalidValue("header Set-Cookie", "its lines cannot be joined: use get_all()")
        return ", ".join(values)

    def contains(self, name: str) -> bool:
        """Whether a line of that name is there."""
        return bool(self._values(name))

    def iter(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each name, as first spelled, with its values."""
        return iter(self.items())

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Every line as (name, value), in order, each name as it was given."""
        return tuple([(name, value) for _, name, value in self._lines()])

    def to_bytes(self) -> bytes:
        """The lines as HTTP/1.1 writes them, each with its CRLF, without the empty line at the end."""
        return "".join([f"{name}: {value}\r\n" for _, name, value in self._lines()]).encode("latin-1")

    def to_items(self) -> Sequence[tuple[bytes, bytes]]:
        """Every line as octets, name and value, as a connection sends it. Do not change the list.

        Frozen headers make it once, so that many requests can share it.
        """
        if self._octets is not None:
            return self._octets
        made = [(name.encode("latin-1"), value.encode("latin-1")) for _, name, value in self._lines()]
        if self._frozen:
            self._octets = made
        return made

    def _values(self, name: str) -> Sequence[str]:
        """The values of that name."""
        return self._searched(name) if self._index is None else self._index.get(name.lower(), ())

    def _searched(self, name: str) -> Sequence[str]:
        """The values of that name in received octets: a tenth of what it takes to build the index."""
        size = len(name)
        key = name.lower().encode("latin-1", "replace")  # a field's name is ASCII: no other is found
        found: list[str] = []
        for octets, value in self._octets or ():
            if len(octets) == size and octets.lower() == key:
                found.append(value.strip(b" \t").decode("latin-1"))
        return found

    def _by_name(self) -> dict[str, list[str]]:
        return self._build() if self._index is None else self._index

    def _lines(self) -> list[tuple[str, str, str]]:
        if self._index is None:
            self._build()
        return self._fields

    def _build(self) -> dict[str, list[str]]:
        """Take received octets apart. Two threads may do this at once: each makes the same."""
        fields = []
        index: dict[str, list[str]] = {}
        for octets, content in self._octets or ():
            name = octets.decode("latin-1")
            key = name.lower()
            value = content.strip(b" \t").decode("latin-1")
            fields.append((key, name, value))
            if key in index:
                index[key].append(value)
            else:
                index[key] = [value]
        self._fields = fields
        self._total = sum(map(_size, fields))
        self._index = index  # last: it tells other threads that the rest is there
        return index

    # Writing

    def insert(self, name: FieldText, value: FieldText | Iterable[FieldText]) -> None:
        """Set the value (or values, one line each) of that name, replacing any that are there.

        They take the place of the first line replaced; no value at all removes the name.
        """
        self._check_mutable()
        spelled = checked_name(name)
        values = [value] if isinstance(value, (str, bytes)) else list(value)
        checked = [checked_value(spelled, one) for one in values]
        key = spelled.lower()
        index = self._by_name()
        kept = [field for field in self._fields if field[0] != key]
        if key in index:
            place = next(at for at, field in enumerate(self._fields) if field[0] == key)
        else:
            place = len(kept)
        freed = sum(map(_size, self._fields)) - sum(map(_size, kept)) if len(kept) < len(self._fields) else 0
        new = [(key, spelled, one) for one in checked]
        self._check_room(new, len(kept), self._total - freed)
        self._total += sum(map(_size, new)) - freed
        self._fields = kept[:place] + new + kept[place:]
        if checked:
            index[key] = checked
        else:
            index.pop(key, None)

    def append(self, name: FieldText, value: FieldText) -> None:
        """Add a line, after those that are there (RFC 9110 section 5.3)."""
        self._add(((name, value),))

    def extend(self, fields: HeadersLike) -> None:
        """Append every line of `fields`, which is whatever a Headers can be made from."""
        self._add(_pairs(fields))

    def _add(self, pairs: Iterable[tuple[FieldText, FieldText]]) -> None:
        """Append lines, each checked before it is added: those before a wrong one stay."""
        fields, index = self._lines(), self._by_name()
        longest = _NO_LIMIT if self.max_line is None else self.max_line
        most = _NO_LIMIT if self.max_count is None else self.max_count
        largest = _NO_LIMIT if self.max_total is None else self.max_total
        for name, value in pairs:
            if self._frozen:
                self._check_mutable()
            spelled = checked_name(name)
            content = checked_value(spelled, value)
            key = spelled.lower()
            size = len(spelled) + len(content) + 4
            total = self._total + size
            if size - 2 > longest or total > largest or len(fields) >= most:
                self._check_room([(key, spelled, content)], len(fields), self._total)
            fields.append((key, spelled, content))
            if key in index:
                index[key].append(content)
            else:
                index[key] = [content]
            self._total = total

    def remove(self, name: str) -> tuple[str, ...]:
        """Remove every line of that name. Returns the removed values, () if there were none."""
        self._check_mutable()
        key = name.lower()
        values = tuple(self._by_name().pop(key, ()))
        if values:
            self._fields = [field for field in self._fields if field[0] != key]
            self._total = sum(map(_size, self._fields))
        return values

    def clear(self) -> None:
        """Remove all lines."""
        self._check_mutable()
        self._fields = []
        self._index = {}
        self._total = 0

    def __setitem__(self, name: str, value: FieldText | Iterable[FieldText]) -> None:
        self.insert(name, value)

    def __delitem__(self, name: str) -> None:
        if not self.remove(name):
            raise KeyError(name)

    def _check_mutable(self) -> None:
        if self._frozen:
            raise TypeError("these headers are frozen: change a copy()")

    def _check_room(self, new: list[tuple[str, str, str]], count: int, total: int) -> None:
        """That `new` lines may join `count` others that are `total` octets together."""
        for field in new:
            count += 1
            total += _size(field)
            if self.max_line is not None and _size(field) - 2 > self.max_line:
                what, limit = f"more than {self.max_line} octets in one line", self.max_line
            elif self.max_count is not None and count > self.max_count:
                what, limit = f"more than {self.max_count} lines of headers", self.max_count
            elif self.max_total is not None and total > self.max_total:
                what, limit = f"more than {self.max_total} octets of headers", self.max_total
            else:
                continue
            raise HttpError.InvalidValue(f"header {field[1][:40]}", what, limit=limit)

    # Copies and comparison

    def copy(self) -> Self:
        """Another Headers with the same lines and limits, which can be changed."""
        made = type(self).__new__(type(self))
        made.max_count, made.max_line, made.max_total = self.max_count, self.max_line, self.max_total
        made._frozen = False
        made._fields = list(self._lines())
        made._index = {key: list(values) for key, values in self._by_name().items()}
        made._octets = None
        made._total = self._total
        return made

    def frozen(self) -> Self:
        """A copy that cannot be changed, and can be hashed."""
        if self._frozen:
            return self
        made = self.copy()
        made._frozen = True
        return made

    @property
    def is_frozen(self) -> bool:
        """Whether these can no longer be changed."""
        return self._frozen

    def __copy__(self) -> Self:
        return self if self._frozen else self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.fields, self._frozen, self.max_count, self.max_line, self.max_total)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return self._by_name() == other._by_name()

    def __hash__(self) -> int:
        if not self._frozen:
            raise TypeError("headers that can change have no hash: use frozen()")
        return hash(frozenset((key, tuple(values)) for key, values in self._by_name().items()))

    def __repr__(self) -> str:
        shown = [(name, "***" if key in SENSITIVE else value) for key, name, value in self._lines()]
        return f"Headers({shown!r})"


def _pairs(fields: HeadersLike) -> Iterable[tuple[FieldText, FieldText]]:
    """The lines of whatever a Headers can be made from."""
    kind = type(fields)
    if kind is list or kind is tuple:  # before the abstract classes, which are slow to ask
        return fields  # type: ignore[return-value]  # no mapping
    if kind is not dict:
        if isinstance(fields, Headers):
            return fields.fields
        if not isinstance(fields, Mapping):
            return fields
    pairs: list[tuple[FieldText, FieldText]] = []
    for name, values in fields.items():  # type: ignore[union-attr]  # a mapping
        if type(values) is str or isinstance(values, (str, bytes)):
            pairs.append((name, values))
        else:
            pairs.extend([(name, one) for one in values])
    return pairs


def _size(field: tuple[str, str, str]) -> int:
    return len(field[1]) + len(field[2]) + 4  # ": " and CRLF


def _restored(
    fields: tuple[tuple[str, str], ...],
    frozen: bool,
    max_count: int | None,
    max_line: int | None,
    max_total: int | None,
) -> Headers:
    # What was there stays, though it may be over limits that were set, or do not apply to what was received.
    made = Headers(fields, max_count=None, max_line=None, max_total=None)
    made.max_count, made.max_line, made.max_total = max_count, max_line, max_total
    made._frozen = frozen
    return made


def is_token(text: str) -> bool:
    """Whether it is a token (RFC 9110 section 5.6.2): a name of a field, a method, a cookie."""
    return bool(text) and TOKEN_CHARACTERS.issuperset(text)


def checked_name(name: FieldText) -> str:
    """A field's name, if it is one (RFC 9110 section 5.1). Raises HttpError.InvalidValue."""
    text = name if type(name) is str else _text(name, "header name")
    # Nearly every name is of letters, digits and hyphens, which is found out fastest.
    if text.isascii() and text.replace("-", "0").isalnum():
        return text
    if TOKEN_CHARACTERS.issuperset(text) and text:
        return text
    if not text:
        raise HttpError.InvalidValue("header name", "it is empty")
    at = next(at for at, char in enumerate(text) if char not in TOKEN_CHARACTERS)
    raise HttpError.InvalidValue("header name", f"{named(text[at])} cannot stand in a name", offset=at)


def checked_value(name: str, value: FieldText) -> str:
    """The value, without whitespace around it, if it can be sent (RFC 9110 section 5.5).

    Visible ASCII, space, tab, and what is over 0x7F as ISO 8859-1. Raises HttpError.InvalidValue, which names
    the field.
    """
    if type(value) is not str:
        value = value.decode("latin-1") if type(value) is bytes else _text(value, f"header {name[:40]}")
    text = value.strip(" \t")
    if text.isascii() and text.isprintable():
        return text
    for at, char in enumerate(text):
        if (char < " " and char != "\t") or char == "\x7f":
            raise HttpError.InvalidValue(
                f"header {name[:40]}", f"{named(char)} cannot stand in a value", offset=at
            )
        if char > "\xff":
            raise HttpError.InvalidValue(
                f"header {name[:40]}",
                f"{named(char)} is not in ISO 8859-1",
                offset=at,
                hint="percent-encode it, or use the form of RFC 8187 (title*=UTF-8''...)",
            )
    return text


_NAMES = {"\0": "NUL", "\t": "a tab", "\n": "a line feed", "\r": "a carriage return", " ": "a space"}


def named(char: str) -> str:
    """One character as a message may show it."""
    if char in _NAMES:
        return _NAMES[char]
    return repr(char) if char.isascii() and char.isprintable() else f"U+{ord(char):04X}"


def _text(value: FieldText, what: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return str(value, "latin-1")
    raise TypeError(f"{what}: str or bytes wanted, not {type(value).__name__}")


#: Frozen headers by what they were made from, and how many of them: none has more octets than _SMALL.
_remembered: dict[object, Headers] = {}
_REMEMBERED, _SMALL = 256, 1024

#: What messages without fields share.
_NONE = Headers().frozen()
