r"""Domain names: labels of octets, compared without regard to case, kept as they were written.

RFC 1035 sections 2.3.4 (63 octets a label, 255 a name), 3.1 (wire form), 3.5 (in-addr.arpa) and 5.1 (text,
`\.` and `\DDD`); RFC 3596 section 2.5 (ip6.arpa); RFC 4034 section 6.1 (canonical order); RFC 4343 (case);
RFC 5891 with the mapping of UTS 46 (internationalised names).

A `Name` is never equal to a string: "Example.com" and "EXAMPLE.COM" are the same name but different strings,
so a name and a string cannot share one hash. Compare with `Name.parse(text)`, or compare `str(name)` if the
case is known.

A `Name` stores its uncompressed wire form, and a lower-case copy for comparison and hashing. Lower-casing
does not change the length octets, because they are at most 63, which is below all letters.
"""

from __future__ import annotations

from functools import total_ordering
from typing import TYPE_CHECKING, ClassVar

from netkit.dns.errors import DnsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from ipaddress import IPv4Address, IPv6Address

    from netkit.addr import IpAddr

#: RFC 1035 section 2.3.4: the longest label, and the longest name with its length octets and its root.
MAX_LABEL = 63
MAX_NAME = 255

# Octets that are written unchanged in text. Octets with a special meaning in a master file get a backslash;
# all others are written as \DDD.
_PLAIN = bytes(octet for octet in range(0x21, 0x7F) if octet not in b'"$().;@\\')
_ESCAPED = {octet: f"\\{octet:03d}" for octet in range(256) if octet not in _PLAIN}
_ESCAPED |= {octet: f"\\{octet:c}" for octet in b'"$().;@\\'}
# Characters that UTS 46 maps to the full stop, so that a name typed with an input method is split correctly.
_DOTS = ".\u3002\uff0e\uff61"
#: The octet before a label, by the label's length.
_LENGTHS = [bytes((length,)) for length in range(MAX_LABEL + 1)]
_LETTERS_DIGITS_HYPHEN = b"abcdefghijklmnopqrstuvwxyz0123456789-"


@total_ordering
class Name:
    """A domain name: `Name.parse("www.example.com")`, or `Name((b"www", b"example", b"com"))`.

    `labels` do not include the empty root label. `absolute` is False for a name that an origin must complete.
    Raises DnsError.InvalidName for an empty label, a label over 63 octets, or a name over 255 octets.
    Immutable. Sorts in canonical order (RFC 4034 section 6.1).
    """

    __slots__ = ("_absolute", "_folded", "_labels", "_wire")

    #: The root, `.`.
    root: ClassVar[Name]

    _wire: bytes
    _folded: bytes
    _labels: tuple[bytes, ...] | None
    _absolute: bool

    def __init__(self, labels: Iterable[bytes] = (), absolute: bool = True) -> None:
        self._labels = tuple(bytes(label) for label in labels)
        self._wire = _wire_of(self._labels, absolute)
        self._folded = self._wire.lower()
        self._absolute = absolute

    @classmethod
    def parse(cls, text: str, origin: Name | None = None, *, relative: bool = False) -> Name:
        r"""Read a name from `text`, with `\.` and `\DDD` for special octets, in ASCII or Unicode.

        `origin` (by default the root) completes text without a final dot; with `relative`, such text gives a
        relative name. `@` alone is the origin. Labels with non-ASCII characters are encoded as IDNA2008 after
        the mapping of UTS 46. ASCII labels stay unchanged, including underscores.

        Raises DnsError.InvalidName with the index in `text`.
        """
        if text == "@":
            return origin or (EMPTY if relative else cls.root)
        if text == ".":
            return cls.root
        if origin is None and not relative and _is_simple(text):
            # Nearly all names: no special characters. What is wrong with one, the long way says.
            pieces = text.encode("ascii").split(b".")
            if not pieces[-1] and len(pieces) > 1:
                pieces.pop()
            if b"" not in pieces and len(max(pieces, key=len)) <= MAX_LABEL and len(text) < MAX_NAME - 1:
                return cls._trusted(b"".join([_LENGTHS[len(piece)] + piece for piece in pieces]) + b"\0")
        labels, absolute = _labels_of(text)
        if absolute or (origin is None and not relative):
            return _checked(labels, True, text)
        name = _checked(labels, False, text)
        if relative or origin is None:
            return name
        if len(name._wire) + len(origin._wire) > MAX_NAME:
            raise _too_long(text, f"longer than {MAX_NAME} octets with the origin {origin}")
        return name.concatenate(origin)

    @classmethod
    def of(cls, value: Name | str) -> Name:
        """Return a name unchanged, or parse text as an absolute name."""
        return value if isinstance(value, Name) else cls.parse(value)

    @classmethod
    def reverse(cls, address: IPv4Address | IPv6Address | str) -> Name:
        """Return the name of an address's PTR record, under in-addr.arpa or ip6.arpa.

        Takes an `IpAddr`, an `ipaddress` object or text. Raises AddrParseError if the text is not an address.
        RFC 1035 section 3.5, RFC 3596 section 2.5.
        """
        if isinstance(address, str):
            from netkit.addr import IpAddr

            return cls.reverse(IpAddr.parse(address))  # type: ignore[arg-type]  # each IpAddr is one
        packed = address.packed
        if len(packed) == 4:
            return cls([*(b"%d" % octet for octet in reversed(packed)), b"in-addr", b"arpa"])
        return cls([*(b"%c" % nibble for nibble in reversed(packed.hex().encode())), b"ip6", b"arpa"])

    @classmethod
    def reverse_network(cls, octets: str) -> Name:
        """Return the name above the PTR records of an IPv4 network of one to three octets: `"192.0.2"`.

        RFC 1035 section 3.5. Raises DnsError.InvalidName if the text is not one to three octets.
        """
        numbers = octets.rstrip(".").split(".")
        if len(numbers) > 3 or not all(
            each.isascii() and each.isdigit() and int(each) < 256 for each in numbers
        ):
            raise DnsError.InvalidName(octets, "not the first octets of an IPv4 address")
        return cls([*(each.encode() for each in reversed(numbers)), b"in-addr", b"arpa"])

    def to_address(self) -> IpAddr:
        """Return the address of a reverse name; this is the inverse of `reverse`.

        Raises DnsError.InvalidName if the name is not the reverse name of exactly one address.
        """
        from netkit.addr import Ipv4Addr, Ipv6Addr

        labels = tuple(label.lower() for label in self.labels)
        digits = labels[-3::-1]
        if labels[-2:] == (b"in-addr", b"arpa") and len(digits) == 4:
            numbers = [int(digit) for digit in digits if len(digit) <= 3 and digit.isdigit()]
            # The second test refuses "01", because one address must have only one name.
            if [b"%d" % number for number in numbers if number <= 255] == list(digits):
                return Ipv4Addr(bytes(numbers))
        nibbles = [digit for digit in digits if len(digit) == 1 and digit in b"0123456789abcdef"]
        if labels[-2:] == (b"ip6", b"arpa") and len(digits) == len(nibbles) == 32:
            return Ipv6Addr(bytes.fromhex(b"".join(nibbles).decode()))
        raise DnsError.InvalidName(str(self), "not the reverse name of an address")

    @property
    def labels(self) -> tuple[bytes, ...]:
        """The labels from left to right as they were written, without the empty label of the root."""
        if self._labels is None:
            wire, at, labels = self._wire, 0, []
            end = len(wire) - self._absolute
            while at < end:
                after = at + 1 + wire[at]
                labels.append(wire[at + 1 : after])
                at = after
            self._labels = tuple(labels)
        return self._labels

    @property
    def is_absolute(self) -> bool:
        """Whether the name is absolute: it ends at the root."""
        return self._absolute

    @property
    def is_root(self) -> bool:
        """Whether this is the root itself."""
        return self._wire == b"\0"

    @property
    def is_wildcard(self) -> bool:
        """Whether the leftmost label is the asterisk (RFC 4592 section 2.1.1)."""
        return self._wire.startswith(b"\1*")

    @property
    def is_hostname(self) -> bool:
        """Whether every label is letters, digits and inner hyphens (RFC 1123 section 2.1)."""
        return bool(self.labels) and all(
            not label.lower().translate(None, _LETTERS_DIGITS_HYPHEN)
            and not label.startswith(b"-")
            and not label.endswith(b"-")
            for label in self.labels
        )

    @property
    def parent(self) -> Name:
        """The name without its leftmost label. Raises DnsError.InvalidName for one without labels."""
        if len(self._wire) <= self._absolute:
            raise DnsError.InvalidName(str(self), "has no parent")
        return self._trusted(self._wire[1 + self._wire[0] :], self._absolute)

    def ancestors(self) -> Iterator[Name]:
        """The name itself, its parent, and so on up to the root."""
        name = self
        yield name
        while name.labels:
            name = name.parent
            yield name

    def suffix(self, count: int) -> Name:
        """Return the name of the `count` rightmost labels (of all labels, if there are fewer)."""
        labels = self.labels
        skip = sum(map(len, labels[: max(len(labels) - count, 0)])) + max(len(labels) - count, 0)
        return self if not skip else self._trusted(self._wire[skip:], self._absolute)

    def concatenate(self, suffix: Name) -> Name:
        """This relative name completed with `suffix`. Raises DnsError.InvalidName past 255 octets."""
        if self._absolute:
            raise DnsError.InvalidName(str(self), "is absolute already: nothing can follow its root")
        if len(self._wire) + len(suffix._wire) + (not suffix._absolute) > MAX_NAME:
            raise _too_long(f"{self}.{suffix}", f"longer than {MAX_NAME} octets")
        return self._trusted(self._wire + suffix._wire, suffix._absolute)

    def relativize(self, origin: Name) -> Name:
        """Return the name relative to `origin` if it is under `origin`; otherwise the name unchanged."""
        if not self.is_subdomain_of(origin):
            return self
        return self._trusted(self._wire[: len(self._wire) - len(origin._wire)], False)

    def is_subdomain_of(self, other: Name) -> bool:
        """Whether this is `other` or a name under it."""
        cut = len(self._folded) - len(other._folded)
        if self._absolute is not other._absolute or not self._folded.endswith(other._folded):
            return False
        at = 0
        while at < cut:  # equal octets could begin in the middle of a label
            at += 1 + self._wire[at]
        return at == cut

    def is_identical(self, other: Name) -> bool:
        """Whether both names have the same octets: they are equal and have the same letter case."""
        return self._wire == other._wire

    def with_case(self, bits: int) -> Name:
        """Return the same name in another letter case: each bit of `bits` (lowest first) sets one letter.

        A 1 makes the letter upper case. A server returns the question in the case of the query, so random
        bits make an answer harder to forge (draft-vixie-dnsext-dns0x20).
        """
        cased = bytearray(self._folded)
        for at, octet in enumerate(cased):
            if 0x61 <= octet <= 0x7A:
                cased[at] = octet - 0x20 * (bits & 1)
                bits >>= 1
        return self._trusted(bytes(cased), self._absolute)

    def to_wire(self) -> bytes:
        """The uncompressed wire form. Raises DnsError.InvalidName for a relative name."""
        if not self._absolute:
            raise DnsError.InvalidName(str(self), "a relative name cannot be sent: it needs an origin")
        return self._wire

    @property
    def folded(self) -> bytes:
        """The uncompressed wire form with small letters: what equal names have in common."""
        return self._folded

    def to_text(self, omit_final_dot: bool = False) -> str:
        """The name in a master file: `www.example.com.`, with special octets escaped; `@` if empty."""
        labels = self.labels
        if not labels:
            return "." if self._absolute else "@"
        text = ".".join([_label_text(label) for label in labels])
        return text + "." if self._absolute and not omit_final_dot else text

    def to_unicode(self, omit_final_dot: bool = False) -> str:
        """Like `to_text`, but with valid IDNA2008 labels (`xn--...`) as Unicode text."""
        if b"xn--" not in self._folded:
            return self.to_text(omit_final_dot)
        text = ".".join([_label_unicode(label) for label in self.labels])
        return text + "." if self._absolute and not omit_final_dot else text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Name):
            return NotImplemented
        return self._folded == other._folded

    def __lt__(self, other: Name) -> bool:
        if not isinstance(other, Name):
            return NotImplemented
        return self._order() < other._order()

    def _order(self) -> tuple[bool, tuple[bytes, ...]]:
        # RFC 4034 section 6.1: label by label from the right, an absent label before any other.
        return self._absolute, tuple([label.lower() for label in reversed(self.labels)])

    def __hash__(self) -> int:
        return hash(self._folded)

    def __repr__(self) -> str:
        return f"<Name {self.to_text()}>"

    def __str__(self) -> str:
        return self.to_text()

    def __reduce__(self) -> tuple[object, ...]:
        return Name, (self.labels, self._absolute)

    @classmethod
    def _trusted(cls, wire: bytes, absolute: bool = True) -> Name:
        """Make a name from octets that are already checked as a valid wire form."""
        name = cls.__new__(cls)
        name._wire = wire
        name._folded = wire.lower()
        name._labels = None
        name._absolute = absolute
        return name


def _wire_of(labels: tuple[bytes, ...], absolute: bool) -> bytes:
    """Check labels and return their wire form."""
    for label in labels:
        if not 0 < len(label) <= MAX_LABEL:
            raise _bad_label(_labels_text(labels), label, None)
    wire = b"".join([b"%c%b" % (len(label), label) for label in labels])
    if len(wire) >= MAX_NAME:
        raise _too_long(_labels_text(labels), f"longer than {MAX_NAME} octets")
    return wire + b"\0" if absolute else wire


def _labels_text(labels: Iterable[bytes]) -> str:
    return ".".join(map(_label_text, labels))


def _label_text(label: bytes) -> str:
    if not label.translate(None, _PLAIN):
        return label.decode("ascii")
    return "".join([_ESCAPED.get(octet) or chr(octet) for octet in label])


def _label_unicode(label: bytes) -> str:
    if label[:4].lower() == b"xn--":
        import idna

        try:
            return idna.ulabel(label)
        except UnicodeError:  # what a peer calls IDNA need not be
            pass
    return _label_text(label)


def _too_long(text: str, reason: str, offset: int | None = None) -> DnsError.InvalidName:
    return DnsError.InvalidName(text, reason, offset, limit=MAX_NAME)


def _bad_label(text: str, label: bytes, offset: int | None) -> DnsError.InvalidName:
    if not label:
        return DnsError.InvalidName(text, "an empty label", offset)
    return DnsError.InvalidName(
        text, f"a label of {len(label)} octets, longer than {MAX_LABEL}", offset, limit=MAX_LABEL
    )


# A label read from text, and the index where it begins.
_Label = tuple[bytes, int]


def _checked(labels: list[_Label], absolute: bool, text: str) -> Name:
    """The name of labels read from `text`, within the limits of RFC 1035 section 2.3.4."""
    length = 1
    for label, offset in labels:
        if not 0 < len(label) <= MAX_LABEL:
            raise _bad_label(text, label, offset)
        length += 1 + len(label)
        if length > MAX_NAME:
            raise _too_long(text, f"longer than {MAX_NAME} octets", offset)
    wire = b"".join([b"%c%b" % (len(label), label) for label, _ in labels])
    return Name._trusted(wire + b"\0" if absolute else wire, absolute)


def _is_simple(text: str) -> bool:
    """Whether nothing in the text has a special meaning, but dots."""
    return text.isascii() and text.isprintable() and "\\" not in text and " " not in text


def _labels_of(text: str) -> tuple[list[_Label], bool]:
    """Return the labels of a text, and whether the text ends with the root's dot."""
    if not text:
        raise DnsError.InvalidName(text, "nothing is there", 0)
    labels: list[_Label] = []
    at = 0
    if _is_simple(text):
        for label in text.encode("ascii").split(b"."):
            labels.append((label, at))
            at += len(label) + 1
        if labels[-1][0]:
            return labels, False
        return labels[:-1], True
    while at < len(text):
        scanned, after = _scan_label(text, at)
        labels.extend(scanned)
        if after == len(text):
            return labels, False
        at = after + 1  # past the dot
    return labels, True


def _scan_label(text: str, start: int) -> tuple[list[_Label], int]:
    """The label that begins at `start`, and the index of the dot after it (or of the end)."""
    octets = bytearray()
    foreign = escaped = None
    at = start
    while at < len(text):
        char = text[at]
        if char in _DOTS:
            break
        if char == "\\":
            octet, after = unescape(text, at)
            octets.append(octet)
            escaped, at = at, after
            continue
        if char > "\x7f":
            foreign = at
        elif char <= " " or char == "\x7f":
            raise DnsError.InvalidName(text, f"a {_called(char)} must be written \\{ord(char):03d}", at)
        else:
            octets.append(ord(char))
        at += 1
    if foreign is None:
        return [(bytes(octets), start)], at
    if escaped is not None:
        raise DnsError.InvalidName(text, "an escape in a label beyond ASCII", escaped)
    return [(label, start) for label in _to_ascii(text, start, at)], at


def unescape(text: str, at: int) -> tuple[int, int]:
    r"""The octet that the escape at `text[at]` stands for (`\X`, `\DDD`), and the index after it.

    Raises DnsError.InvalidName. RFC 1035 section 5.1.
    """
    digits = text[at + 1 : at + 4]
    if not digits:
        raise DnsError.InvalidName(text, "a backslash with nothing after it", at)
    if digits[0] not in "0123456789":
        if not digits[0].isascii():
            raise DnsError.InvalidName(text, "a backslash before a character beyond ASCII", at)
        return ord(digits[0]), at + 2
    if len(digits) == 3 and digits.isascii() and digits.isdigit() and int(digits) <= 255:
        return int(digits), at + 4
    raise DnsError.InvalidName(text, "a backslash and a digit need three digits up to 255", at)


def _called(char: str) -> str:
    return {" ": "space", "\t": "tab", "\n": "line feed"}.get(char, "control character")


def _to_ascii(text: str, start: int, end: int) -> list[bytes]:
    """Convert the U-label at `text[start:end]` to an A-label, or to several if the mapping makes dots."""
    if end - start > 4 * MAX_LABEL:
        # Mapping may shorten a label (it drops joiners, composes accents) but not by this much, and what
        # it does with a long one takes time.
        raise DnsError.InvalidName(text, "a label too long for IDNA", start, limit=MAX_LABEL)
    import idna

    try:
        return idna.encode(text[start:end], uts46=True).split(b".")
    except UnicodeError as error:
        label = text[start:end]
        reason = f"not an IDNA2008 label: {error}"
        if any("\ud800" <= char <= "\udfff" for char in label):
            reason = "a label with octets that are not UTF-8"
        refused = DnsError.InvalidName(text, reason, start)
        refused.hint = "a label that is registered all the same can be written in ASCII, as xn--..."
        raise refused from None


EMPTY = Name((), absolute=False)
Name.root = Name()
