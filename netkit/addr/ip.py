"""IP addresses: `Ipv4Addr`, `Ipv6Addr`, and their common base class `IpAddr`.

RFC 4291 section 2.2 (IPv6 text), RFC 5952 (the one text to write), RFC 4007 section 11 (zones).

The classes are subclasses of the standard library's address classes. They work wherever those work, and
every `is_...` property means the same. `netkit.addr.text` reads the text, so that an error can say at which
offset the text is wrong.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from netkit.addr.errors import AddrInvalidFormat, AddrInvalidOctet
from netkit.addr.text import V4_FORM, V6_FORM, scan_v4, scan_v6

if TYPE_CHECKING:
    from collections.abc import Callable


class IpAddr(ABC):
    """An IP address of either family: the common base of `Ipv4Addr` and `Ipv6Addr`.

    Make one with `v4`, `v6`, `parse` or `of`. In `match`, use the patterns `Ipv4Addr()` and `Ipv6Addr()`;
    `IpAddr.V4` and `IpAddr.V6` are the same classes. Any two addresses can be compared: IPv4 sorts before
    IPv6.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        V4: TypeAlias = "Ipv4Addr"
        V6: TypeAlias = "Ipv6Addr"

    @classmethod
    def v4(cls, a: int, b: int, c: int, d: int) -> Ipv4Addr:
        """Make an IPv4 address from four octets, each 0 to 255. Raises AddrParseError.InvalidOctet."""
        return Ipv4Addr(a, b, c, d)

    @classmethod
    def v6(cls, a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int) -> Ipv6Addr:
        """Make an IPv6 address from eight 16-bit segments. Raises AddrParseError.InvalidFormat."""
        return Ipv6Addr(a, b, c, d, e, f, g, h)

    @classmethod
    def parse(cls, text: str) -> IpAddr:
        """Read an address of either family, without brackets, prefix length or surrounding space.

        Raises AddrParseError.InvalidFormat or InvalidOctet, with the offset. RFC 4291 section 2.2.
        """
        return Ipv6Addr.parse(text) if ":" in text else Ipv4Addr.parse(text)

    @classmethod
    def of(cls, value: str | bytes | IpAddr | IPv4Address | IPv6Address) -> IpAddr:
        """Make an address from text, from 4 or 16 bytes in network order, or from an `ipaddress` object.

        Raises AddrParseError if the text is wrong, AddressValueError if the number of bytes is wrong.
        """
        match value:
            case IpAddr():
                return value
            case str():
                return IpAddr.parse(value)
            case IPv4Address():
                return Ipv4Addr(value)
            case IPv6Address():
                return Ipv6Addr(value)
            case _:
                return Ipv4Addr(value) if len(value) == 4 else Ipv6Addr(value)

    @property
    def is_ipv4(self) -> bool:
        """Whether it is an `Ipv4Addr`."""
        return self.version == 4

    @property
    def is_ipv6(self) -> bool:
        """Whether it is an `Ipv6Addr`."""
        return self.version == 6

    @property
    def unmapped(self) -> IpAddr:
        """The IPv4 address in an IPv4-mapped address (RFC 4291 section 2.5.5.2); otherwise the address.

        A socket that accepts both families gives its IPv4 peers as mapped addresses.
        """
        return self

    # Members of both standard classes. They are repeated here so that type checkers know them on `IpAddr`.
    @property
    @abstractmethod
    def version(self) -> int:
        """4 or 6."""

    @property
    @abstractmethod
    def packed(self) -> bytes:
        """The 4 or 16 bytes of the address, in network order."""

    @property
    @abstractmethod
    def octets(self) -> tuple[int, ...]:
        """The 4 or 16 bytes of the address, as numbers."""

    @property
    @abstractmethod
    def max_prefixlen(self) -> int:
        """32 or 128."""

    @property
    @abstractmethod
    def exploded(self) -> str:
        """The text with every digit written."""

    @property
    @abstractmethod
    def reverse_pointer(self) -> str:
        """The name of the address's PTR record, without the final dot (RFC 1035 3.5, RFC 3596 2.5)."""

    @property
    @abstractmethod
    def is_loopback(self) -> bool:
        """In 127.0.0.0/8, or ::1."""

    @property
    @abstractmethod
    def is_unspecified(self) -> bool:
        """0.0.0.0 or ::."""

    @property
    @abstractmethod
    def is_multicast(self) -> bool:
        """In 224.0.0.0/4 or ff00::/8."""

    @property
    @abstractmethod
    def is_link_local(self) -> bool:
        """In 169.254.0.0/16 or fe80::/10."""

    @property
    @abstractmethod
    def is_private(self) -> bool:
        """Not globally reachable, according to IANA's special-purpose registries and `ipaddress`."""

    @property
    @abstractmethod
    def is_global(self) -> bool:
        """Globally reachable, according to IANA's special-purpose registries and `ipaddress`."""

    @property
    @abstractmethod
    def is_reserved(self) -> bool:
        """Reserved by the IETF."""

    @abstractmethod
    def __int__(self) -> int:
        """The bits of the address as a number; the first octet is the highest."""

    @abstractmethod
    def __lt__(self, other: Any) -> bool:
        """Order: IPv4 before IPv6, then by number, then by zone."""

    @abstractmethod
    def __gt__(self, other: Any) -> bool: ...
    @abstractmethod
    def __le__(self, other: Any) -> bool: ...
    @abstractmethod
    def __ge__(self, other: Any) -> bool: ...


class Ipv4Addr(IPv4Address, IpAddr):
    """An IPv4 address: an `ipaddress.IPv4Address` with additional methods.

        Ipv4Addr(192, 0, 2, 1)     four octets
        Ipv4Addr("192.0.2.1")      or any other argument of IPv4Address: 4 bytes, an integer, another address

    Raises AddrParseError for wrong text and octets, AddressValueError (like `ipaddress`) for other arguments.
    """

    __slots__ = ()
    __match_args__ = ("octets",)

    @overload
    def __init__(self, address: object, /) -> None: ...
    @overload
    def __init__(self, a: int, b: int, c: int, d: int, /) -> None: ...
    def __init__(self, *parts: Any) -> None:
        if len(parts) == 1:
            super().__init__(_as_the_standard_takes_it(parts[0], scan_v4))
            return
        if len(parts) != 4:
            raise TypeError(f"Ipv4Addr takes one value or four octets, not {len(parts)}")
        try:
            packed = bytes(parts)
        except ValueError:
            first = next(index for index, octet in enumerate(parts) if not 0 <= octet <= 255)
            text = ".".join(map(str, parts))
            offset = sum(len(str(octet)) + 1 for octet in parts[:first])
            raise AddrInvalidOctet(text, offset, f"{parts[first]} is not from 0 to 255", V4_FORM) from None
        super().__init__(packed)

    @classmethod
    def localhost(cls) -> Ipv4Addr:
        """127.0.0.1."""
        return cls(127, 0, 0, 1)

    @classmethod
    def unspecified(cls) -> Ipv4Addr:
        """0.0.0.0: a listener on it accepts connections to every address of this machine."""
        return cls(0, 0, 0, 0)

    @classmethod
    def broadcast(cls) -> Ipv4Addr:
        """255.255.255.255: every host on this link (RFC 919 section 7)."""
        return cls(255, 255, 255, 255)

    @classmethod
    def parse(cls, text: str) -> Ipv4Addr:
        """Read dotted decimal text: four numbers, no leading zeros, no surrounding space.

        Raises AddrParseError.InvalidFormat or InvalidOctet, with the offset.
        """
        return cls(scan_v4(text))

    @classmethod
    def from_u32(cls, bits: int) -> Ipv4Addr:
        """Make an address from a 32-bit number; the first octet is the highest.

        Raises AddrParseError.InvalidFormat if the number does not fit in 32 bits.
        """
        if not 0 <= bits <= 0xFFFFFFFF:
            raise AddrInvalidFormat(str(bits), 0, "not a number of 32 bits", V4_FORM)
        return cls(bits)

    def to_u32(self) -> int:
        """The 32 bits of the address as a number; the first octet is the highest."""
        return int(self)

    @property
    def octets(self) -> tuple[int, int, int, int]:
        """The four octets, as written from left to right."""
        a, b, c, d = self.packed
        return a, b, c, d

    @property
    def is_broadcast(self) -> bool:
        """Whether it is 255.255.255.255."""
        return int(self) == 0xFFFFFFFF

    def __lt__(self, other: Any) -> bool:
        return True if isinstance(other, Ipv6Addr) else super().__lt__(other)


class Ipv6Addr(IPv6Address, IpAddr):
    """An IPv6 address: an `ipaddress.IPv6Address` with additional methods.

        Ipv6Addr(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)     eight 16-bit segments
        Ipv6Addr("fe80::1%eth0")                      or any other argument of IPv6Address: 16 bytes, ...

    The zone (`scope_id`: "eth0", "2" or None) is part of the address: it appears in the text, and addresses
    with different zones are not equal. `str` gives the text of RFC 5952 on every Python version: an
    IPv4-mapped address is ::ffff:192.0.2.1 (section 5).

    Raises AddrParseError for wrong text and segments, AddressValueError (like `ipaddress`) for other
    arguments.
    """

    __slots__ = ()
    __match_args__ = ("segments",)

    @overload
    def __init__(self, address: object, /) -> None: ...
    @overload
    def __init__(self, a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, /) -> None: ...
    def __init__(self, *parts: Any) -> None:
        if len(parts) == 1:
            super().__init__(_as_the_standard_takes_it(parts[0], scan_v6))
            return
        if len(parts) != 8:
            raise TypeError(f"Ipv6Addr takes one value or eight segments, not {len(parts)}")
        value = 0
        for index, segment in enumerate(parts):
            if not 0 <= segment <= 0xFFFF:
                written = [format(part, "x") for part in parts]
                offset = sum(len(part) + 1 for part in written[:index])
                raise AddrInvalidFormat(":".join(written), offset, "not a segment of 16 bits", V6_FORM)
            value = value << 16 | segment
        super().__init__(value)

    @classmethod
    def localhost(cls) -> Ipv6Addr:
        """::1."""
        return cls(1)

    @classmethod
    def unspecified(cls) -> Ipv6Addr:
        """::, which for a listener means every address of this machine."""
        return cls(0)

    @classmethod
    def parse(cls, text: str) -> Ipv6Addr:
        """Read an address, with or without a zone. Brackets and surrounding space are errors.

        Raises AddrParseError.InvalidFormat, or InvalidOctet for a dotted IPv4 part at the end; both have the
        offset.
        RFC 4291 section 2.2 (the three forms), RFC 4007 section 11.2 (`%zone`).
        """
        return cls(scan_v6(text))

    @property
    def segments(self) -> tuple[int, int, int, int, int, int, int, int]:
        """The eight 16-bit segments, as written from left to right."""
        a, b, c, d, e, f, g, h = (int(self) >> shift & 0xFFFF for shift in range(112, -16, -16))
        return a, b, c, d, e, f, g, h

    @property
    def octets(self) -> tuple[int, ...]:
        """The sixteen octets, in network order."""
        return tuple(self.packed)

    @property
    def is_unique_local(self) -> bool:
        """In fc00::/7 (RFC 4193)."""
        return int(self) >> 121 == 0xFC >> 1

    def __reduce__(self) -> tuple[type[Ipv6Addr], tuple[str]]:
        return type(self), (IPv6Address.__str__(self),)  # the standard method loses the zone in 3.11.2

    def with_scope(self, zone: str | int | None) -> Ipv6Addr:
        """Return the same address in another zone: an interface's name or number. None or 0 removes the zone.

        Raises AddrParseError.InvalidFormat if the zone contains a character that is not allowed.
        """
        plain = int(self)
        return Ipv6Addr(f"{Ipv6Addr(plain)}%{zone}" if zone else plain)

    @property
    def unmapped(self) -> IpAddr:
        return Ipv4Addr(int(self) & 0xFFFFFFFF) if int(self) >> 32 == 0xFFFF else self

    # Before Python 3.13 `ipaddress` writes ::ffff:c000:201. Its properties `exploded` and `reverse_pointer`
    # fail for an address with a zone.
    def __str__(self) -> str:
        if int(self) >> 32 != 0xFFFF:
            return super().__str__()
        return f"::ffff:{Ipv4Addr(int(self) & 0xFFFFFFFF)}{self._zone_text()}"

    @property
    def exploded(self) -> str:
        """The text with all 32 digits, and the zone."""
        return ":".join(format(segment, "04x") for segment in self.segments) + self._zone_text()

    @property
    def reverse_pointer(self) -> str:
        """The name of the address's PTR record, without the final dot (RFC 3596 section 2.5)."""
        return ".".join(reversed(self.packed.hex())) + ".ip6.arpa"

    def _zone_text(self) -> str:
        return f"%{self.scope_id}" if self.scope_id else ""

    def __lt__(self, other: Any) -> bool:
        if isinstance(other, Ipv4Addr):
            return False
        if isinstance(other, IPv6Address):  # addresses with equal bits are ordered by their zones
            return (int(self), self.scope_id or "") < (int(other), other.scope_id or "")
        return super().__lt__(other)


if not TYPE_CHECKING:
    IpAddr.V4 = Ipv4Addr
    IpAddr.V6 = Ipv6Addr


def _as_the_standard_takes_it(value: Any, scan: Callable[[str], int | str]) -> Any:
    """Return the argument for `ipaddress`: numbers and bytes unchanged, everything else as scanned text."""
    if isinstance(value, int | bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    return scan(str(value))
