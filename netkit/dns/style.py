r"""`Style`: how records are written as text, and how a shape puts the text of fields on several lines.

RFC 1035 section 5.1 (parentheses carry an entry over several lines, comments), RFC 3597 section 5 (the
generic form). The forms are those of BIND's dig, whose flags the fields of `Style` are named after, so that
what reads dig's output reads this too.

A record type declares its `SHAPE`: the names of fields and properties, `(` and `)` for the parentheses, `/`
for the end of a line. On a single line only the names count. Most types declare none: what is long (digits in
hexadecimal or base64) comes last, and is what stands between the parentheses.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from netkit.addr import Ipv6Addr
    from netkit.dns.records.base import DnsRecord

#: How many digits are together, on a single line and on several, where nothing says otherwise.
GROUP = 56
GROUP_IN_LINES = 44


class Style(NamedTuple):
    r"""How records are written.

    `multiline` writes long data on several lines, each after `indent`. `comments` adds what a type has to say
    about its data: a key's tag, times in words (None: with `multiline` only). Without `crypto`, digests,
    signatures and DNSSEC keys are left out. `split` is how many digits are together, a multiple of 4 (0: all;
    None: the default). `expand_ipv6` writes all digits of the addresses of AAAA records. `generic` writes all
    data as `\# 4 C0000201`. `quotable` is for text in the quotes of YAML. `ttl_units` writes TTLs as `1h30m`;
    `ttl` and `rdclass` say whether there are any.
    """

    multiline: bool = False
    comments: bool | None = None
    crypto: bool = True
    split: int | None = None
    expand_ipv6: bool = False
    generic: bool = False
    quotable: bool = False
    ttl_units: bool = False
    ttl: bool = True
    rdclass: bool = True
    indent: str = "\t\t\t\t"

    @property
    def is_plain(self) -> bool:
        """Whether data is as a master file has it."""
        return self[:_OF_DATA] == _PLAIN_DATA

    @property
    def has_comments(self) -> bool:
        """Whether comments are written."""
        return self.multiline if self.comments is None else self.comments

    @property
    def break_(self) -> str:
        """What is between two lines of the same record; a blank on a single line."""
        return f"\n{self.indent}" if self.multiline else " "

    def grouped(self, digits: str) -> str:
        """Digits in groups, as many together as the style says."""
        size = (GROUP_IN_LINES if self.multiline else GROUP) if self.split is None else self.split
        if not size or len(digits) <= size:
            return digits
        return self.break_.join([digits[at : at + size] for at in range(0, len(digits), size)])

    def ipv6(self, address: Ipv6Addr, *, expandable: bool = False) -> str:
        """An IPv6 address; `expandable` ones are those that `expand_ipv6` is about."""
        from netkit.dns.records.fields import ipv6_text

        if expandable and self.expand_ipv6:
            return address.exploded
        text = ipv6_text(address)
        # To some readers of YAML a word that ends with a colon is a key.
        return f"{text}0" if self.quotable and text.endswith(":") else text

    def generic_text(self, octets: bytes) -> str:
        r"""Data in the form that every type has: `\# 4 C0000201`."""
        head = f"\\# {len(octets)}"
        if not octets:
            return head
        digits = self.grouped(octets.hex().upper())
        return f"{head} ( {digits} )" if self.multiline else f"{head} {digits}"


# How many of the fields, from the first on, are about data.
_OF_DATA = 7

#: As a master file has records.
PLAIN = Style()
_PLAIN_DATA = PLAIN[:_OF_DATA]


@lru_cache(256)
def shape_of(cls: type[DnsRecord]) -> tuple[str, ...]:
    """The parts of a type's text in their order."""
    if cls.SHAPE is not None:
        return tuple(cls.SHAPE.split())
    names = [field.name for field in cls.FIELDS]
    if not names or not cls.FIELDS[-1].is_long:
        return tuple(names)
    *heads, last = names
    return (*heads, "(", "/", last, ")") if heads else ("(", last, ")")


def shaped_text(record: DnsRecord, style: Style) -> str:
    """The RDATA by the shape of its type."""
    cls = type(record)
    fields = {field.name: field for field in cls.FIELDS}
    parts: list[str] = []  # each with the blank or the break before it
    between = ""
    for part in shape_of(cls):
        if part == "/":
            between = style.break_ if parts else between
            continue
        if part in "()":
            if style.multiline:
                if part == ")" and parts[-1].strip() == "(":
                    parts.pop()
                    continue
                parts.append(f" {part}" if parts else part)
                between = " "
            continue
        field = fields.get(part)
        if field is None:
            word = str(getattr(record, part))
        elif field.is_crypto and not style.crypto:
            word = record.omitted
        else:
            word = field.styled(field.get(record), style)
        if word:
            parts.append(between + word)
            between = " "
    return "".join(parts)


#: The units of a time, largest first: the letter, the word, and the seconds.
UNITS = (
    ("w", "week", 604800),
    ("d", "day", 86400),
    ("h", "hour", 3600),
    ("m", "minute", 60),
    ("s", "second", 1),
)


def ttl_text(seconds: int) -> str:
    """A time with units, as a master file may have it: `1d12h`; `0s` for none."""
    return "".join([f"{count}{letter}" for letter, _, count in _counted(seconds)])


def time_in_words(seconds: int) -> str:
    """The same in words: `1 day 12 hours`."""
    return " ".join([f"{count} {word}{'s' * (count != 1)}" for _, word, count in _counted(seconds)])


def _counted(seconds: int) -> list[tuple[str, str, int]]:
    found = []
    rest = seconds
    for letter, word, size in UNITS:
        count, rest = divmod(rest, size)
        if count:
            found.append((letter, word, count))
    return found or [("s", "second", 0)]
