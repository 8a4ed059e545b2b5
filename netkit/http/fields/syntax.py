"""The common parts of the grammars of header fields: tokens, quoted strings, parameters, lists.

RFC 9110 section 5.6. A cursor reads a value once, from left to right. Its patterns are possessive, so they
never backtrack. So the time is linear in the value's length, for every value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar

from netkit.http.fields.errors import FieldLimitExceeded, InvalidField

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: The longest value that is looked at, in characters.
MAX_LENGTH = 65_536
#: The most members of a list, empty ones included.
MAX_MEMBERS = 1_024

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++")
#: Octets of 0x80 and over (obs-text) may have been decoded as Latin-1 or as UTF-8.
QUOTED = re.compile(r'"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\U0010ffff]++|\\[\t \x21-\x7e\x80-\U0010ffff])*+)"')
_LOWER = {upper: upper + 0x20 for upper in range(0x41, 0x5B)}
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_OWS = re.compile(r"[ \t]*+")
#: A member of a list up to its comma; one in a quoted string, or between angle brackets, ends nothing.
MEMBER = re.compile(r'(?:[^",]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))*+', re.DOTALL)
LINK_MEMBER = re.compile(r'(?:[^",<]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|<[^>]*+(?:>|\Z))*+', re.DOTALL)
_UNQUOTABLE = re.compile(r"[^\t \x21-\x7e\x80-\U0010ffff]")


def as_text(value: str | bytes) -> str:
    """A field's value as text; octets become the characters of the same numbers (Latin-1)."""
    return value if isinstance(value, str) else bytes(value).decode("latin-1")


def lower_ascii(text: str) -> str:
    """The text with A to Z in lower case, and nothing else: what a field calls "case-insensitive" is ASCII.

    >>> lower_ascii("LIN\u212a")  # KELVIN SIGN
    'lin\u212a'
    """
    return text.lower() if text.isascii() else text.translate(_LOWER)


def quote(value: str, field: str) -> str:
    """A value as a parameter carries it: bare if it is a token, else as a quoted string, no character
    escaped that need not be. Raises InvalidField if it holds a control character."""
    if TOKEN.fullmatch(value):
        return value
    if found := _UNQUOTABLE.search(value):
        raise InvalidField(
            field, f"{found[0]!r} cannot stand in a quoted string", found.start(), fault="caller"
        )
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class Dropped(NamedTuple):
    """A member that a lenient reading of a list left out: its text, where it begins, and what is wrong."""

    member: str
    offset: int
    error: InvalidField


def members(
    cursor: Cursor,
    max_members: int,
    read: Callable[[Cursor], T],
    complaints: list[Dropped] | None,
    whole: re.Pattern[str] = MEMBER,
) -> list[T]:
    """The members of a list, each read by `read`.

    Where one breaks the grammar, InvalidField is raised; or, given a list of complaints, the member is left
    out, up to the comma that `whole` finds, and what is wrong with it goes there. Over a limit,
    FieldLimitExceeded is raised in any case.
    """
    found: list[T] = []
    while cursor.next_member(max_members):
        begun = cursor.at
        try:
            member = read(cursor)
            cursor.end_member()
        except InvalidField as error:
            if complaints is None:
                raise
            cursor.at = begun
            text = cursor.match(whole)
            assert text is not None
            # Kept with its traceback, an error keeps the frames alive that it went through.
            complaints.append(Dropped(text[0].rstrip(" \t"), begun, error.with_traceback(None)))
        else:
            found.append(member)
    return found


class Cursor:
    """A place in a field's value, and the ways to move on. Errors name the field and the offset."""

    __slots__ = ("at", "end", "field", "members", "text")

    def __init__(self, value: str | bytes, field: str, max_length: int = MAX_LENGTH) -> None:
        self.text = as_text(value)
        self.field = field
        self.at = 0
        self.end = len(self.text)
        self.members = 0
        if self.end > max_length:
            raise FieldLimitExceeded(field, "max_length", max_length, max_length)

    def fail(self, reason: str, offset: int | None = None) -> NoReturn:
        """Raise InvalidField for here, or for `offset`."""
        raise InvalidField(self.field, reason, self.at if offset is None else offset)

    @property
    def here(self) -> str:
        """The next character; nothing at the end."""
        return self.text[self.at : self.at + 1]

    def expected(self, what: str) -> NoReturn:
        """Raise InvalidField: `what` was due here, and something else, or nothing, is there."""
        self.fail(f"{what} expected, not {self.here!r}" if self.here else f"{what} expected, not the end")

    def skip(self) -> None:
        """Go past spaces and tabs (OWS)."""
        found = _OWS.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def take(self, char: str) -> bool:
        """Go past `char` if it is next; whether it was."""
        if self.here != char:
            return False
        self.at += 1
        return True

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Go past what matches `pattern` here; None, and nowhere, if nothing does."""
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def token(self, what: str) -> str:
        """The token that is next."""
        found = self.match(TOKEN)
        if found is None:
            self.expected(what)
        return found[0]

    def quoted(self) -> str:
        """The quoted string that is next, without its quotes and backslashes."""
        begun = self.at
        found = self.match(QUOTED)
        if found is None:
            self.fail("a quoted string that does not end, or holds a control character", begun)
        return _PAIR.sub(r"\1", found[1]) if "\\" in found[1] else found[1]

    def next_member(self, max_members: int) -> bool:
        """Go to the next member of a list that is not empty; whether there is one.

        RFC 9110 section 5.6.1.2: empty members are ignored, in a reasonable number.
        """
        if self.members:
            self.skip()
            if self.at == self.end:
                return False
            if not self.take(","):
                self.expected("a comma")
        while True:
            self.members += 1
            if self.members > max_members:
                raise FieldLimitExceeded(self.field, "max_members", max_members, self.at)
            self.skip()
            if self.at == self.end:
                return False
            if not self.take(","):
                return True

    def end_member(self) -> None:
        """Go to the end of a member: the comma behind it, or the end of the value."""
        self.skip()
        if self.at != self.end and self.here != ",":
            self.expected("a comma")

    def parameter(self) -> tuple[str, str] | None:
        """The next `;name=value`: its name in lower case, and its value; None if no semicolon is next.

        RFC 9110 section 5.6.6: no space around "=", and a semicolon with nothing after it is allowed.
        """
        while True:
            begun = self.at
            self.skip()
            if not self.take(";"):
                self.at = begun
                return None
            self.skip()
            if self.here not in ("", ";", ","):
                break
        name = self.token("a parameter's name").lower()
        if not self.take("="):
            self.expected("'='")
        return name, self.quoted() if self.here == '"' else self.token("a parameter's value")
