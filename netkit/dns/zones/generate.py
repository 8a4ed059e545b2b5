r"""`$GENERATE`: lines made of a template, one for each number of a range.

BIND's grammar (Administrator Reference Manual, "BIND Primary File Extension: the $GENERATE Directive"):

    $GENERATE start-stop[/step] lhs [ttl] [class] type rhs

In `lhs` and `rhs`, `$` is the number, and `${offset,width,base}` is the number plus the offset, filled with
zeros to the width, in base `d` (decimal), `o`, `x`, `X`, or as nibbles, `n` or `N`: hexadecimal digits from
the right with dots between them, where the width counts the dots. `\$` and `$$` are the sign itself. `rhs` is
one word, or a quoted string with the data of any type: `"10 mail$"`.

A wrong line is reported where its template is, with the line that was made. How many lines are made is
limited before the first is made.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.tokens import MadeSource, Token, is_class, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.dns.text import TextReader

#: The most lines that the `$GENERATE` directives of a zone may make, unless the caller says another number.
MAX_GENERATED = 1_000_000
#: The most characters in one line that is made.
MAX_MADE_LINE = 65_535
#: The most digits that one `${...}` may be filled to.
MAX_WIDTH = 127
_MAX_NUMBER = 0x7FFFFFFF


class Number(NamedTuple):
    """A `${offset,width,base}` in a template, or a `$`."""

    offset: int = 0
    width: int = 0
    base: str = "d"

    def text(self, number: int) -> str | None:
        """What stands for it; None where the offset makes the number negative."""
        number += self.offset
        if number < 0:
            return None
        if self.base in "nN":
            return self._nibbles(number)
        return format(number, self.base).zfill(self.width)

    def _nibbles(self, number: int) -> str:
        # Each digit and each dot takes one from the width; an even width therefore ends in a dot.
        text, width = "", self.width
        digits = "0123456789abcdef" if self.base == "n" else "0123456789ABCDEF"
        while True:
            text += digits[number & 0xF]
            number >>= 4
            width -= 1
            if width > 0 or number:
                text += "."
                width -= 1
            if width <= 0 and not number:
                return text


class Template:
    """What `$GENERATE` makes lines of. Reading it raises ZoneFileError."""

    def __init__(self, reader: TextReader) -> None:
        """Read the directive's words behind `$GENERATE`."""
        self.place = reader.place
        self.numbers = _range(reader.word("range"))
        self._lhs = reader.word("owner's template")
        words = [reader.token("type")]
        while reader.more:
            words.append(reader.token("data"))
        if len(words) == 1:
            raise words[0].end.error("the data's template is missing")
        before = next((at for at, word in enumerate(words) if not _is_ttl_or_class(word)), len(words))
        if len(words) > before + 2:
            left = words[before + 2]
            raise left.place.error(
                f"{shown(left.text)} is left over after the data's template",
                hint='put data of several words into quotation marks: "10 mail$"',
            )
        self._rhs = words.pop()
        self._words = words
        self._left, self._right = _parts(self._lhs), _parts(self._rhs)

    def __len__(self) -> int:
        return len(self.numbers)

    def lines(self) -> Iterator[MadeSource]:
        """Each line that is made."""
        middle = " ".join([f'"{word.text}"' if word.quoted else word.text for word in self._words])
        outer = self.place.source
        for number in self.numbers:
            left, right = _made(self._left, self._lhs, number), _made(self._right, self._rhs, number)
            text = f"{left} {middle} {right}"
            via = (f"made by $GENERATE for {number}: {shown(text)}", *outer.via)
            if len(text) > MAX_MADE_LINE:
                raise self._rhs.place.error(f"makes a line of more than {MAX_MADE_LINE} characters")
            parts = [(len(left), self._lhs.place)]
            end = len(left)
            for word in self._words:
                end += 1 + len(word.text) + 2 * word.quoted
                parts.append((end, word.place))
            yield MadeSource(text, outer.file, via, [*parts, (len(text), self._rhs.place)])


def _is_ttl_or_class(token: Token) -> bool:
    return token.text[:1].isdigit() or is_class(token.text)


def _range(token: Token) -> range:
    found = _range_form().fullmatch(token.text)
    if found is None:
        raise token.place.error(
            f"range: {shown(token.text)} is not a range of numbers", hint="write 1-20, or 0-30/2 with a step"
        )
    start, stop, step = (int(each or 1) for each in found.groups())
    if stop > _MAX_NUMBER or step > _MAX_NUMBER:
        raise token.place.error(f"range: {shown(token.text)} goes past {_MAX_NUMBER}")
    if step == 0:
        raise token.place.error(f"range: {shown(token.text)} has a step of 0")
    if stop < start:
        raise token.place.error(f"range: {shown(token.text)} ends before it begins")
    return range(start, stop + 1, step)


def _parts(token: Token) -> list[str | Number]:
    """A template as text and what takes the number's place in it."""
    text, parts, at = token.text, list[str | Number](), 0
    for found in _dollar().finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
        piece = found.group()
        if piece == "$$":
            parts.append(r"\$")
        elif piece.startswith("\\"):
            # What is quoted within the quoted data.
            parts.append('"' if token.quoted and piece == '\\"' else piece)
        elif not piece.startswith("${"):
            parts.append(Number())
        elif found["offset"] is None:
            raise token.inside(found.start()).error(
                f"{shown(text[found.start() :])} does not begin as ${{offset,width,base}}",
                hint="base is d, o, x, X, n or N; width and base may be left out",
            )
        else:
            width, base = int(found["width"] or 0), found["base"] or "d"
            if width > MAX_WIDTH:
                raise token.inside(found.start("width")).error(f"a width of more than {MAX_WIDTH}")
            parts.append(Number(int(found["offset"]), width, base))
    return [part for part in (*parts, text[at:]) if part]


def _made(parts: list[str | Number], token: Token, number: int) -> str:
    made = []
    for part in parts:
        text = part if isinstance(part, str) else part.text(number)
        if text is None:
            raise token.place.error(f"{shown(token.text)} is less than 0 for {number}")
        made.append(text)
    return "".join(made)


@cache
def _range_form() -> re.Pattern[str]:
    return re.compile(r"([0-9]{1,10})-([0-9]{1,10})(?:/([0-9]{1,10}))?")


@cache
def _dollar() -> re.Pattern[str]:
    return re.compile(
        r"""
          \\ .
        | \$\$
        | \$\{ (?: (?P<offset> [+-]?[0-9]{1,9} )
              (?: , (?P<width> [0-9]{1,9} ) (?: , (?P<base> [doxXnN] ) )? )? \} )?
        | \$
        """,
        re.VERBOSE,
    )
