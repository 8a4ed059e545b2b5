"""IP addresses: `Ipv4Addr`, `Ipv6Addr`, and `IpAddr`, which is either.

RFC 4291 section 2.2 (IPv6 text), RFC 5952 (the one text to write), RFC 4007 section 11 (zones).

They are the standard library's addresses, with its meaning of every `is_...`, and work wherever those do;
text is read by `netkit.addr.text`, so that an error says where it is wrong.
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
    """An IP address of either family: what `Ipv4Addr` and `Ipv6Addr` have in common.

    Made with `v4`, `v6`, `parse` or `of`. `match` takes `Ipv4Addr()` and `Ipv6Addr()`, which are also
    there as `IpAddr.V4` and `IpAddr.V6`. Any two addresses can be compared: IPv4 sorts before IPv6.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        V4: TypeAlias = "Ipv4Addr"
        V6: TypeAlias = "Ipv6Addr"

    @classmethod
    def v4(cls, a: int, b: int, c: int, d: int) -> Ipv4Addr:
        """The IPv4 address of four octets, each 0 to 255. Raises AddrParseError.InvalidOctet."""
        return Ipv4Addr(a, b, c, d)

    @classmethod
    def v6(cls, a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int) -> Ipv6Addr:
        """The IPv6 address of eight 16-bit segments. Raises AddrParseError.InvalidFormat."""
        return Ipv6Addr(a, b, c, d, e, f, g, h)

    @classmethod
    def parse(cls, text: str) -> IpAddr:
        """Read an address of either family, without brackets, prefix length or surrounding space.

        Raises AddrParseError.InvalidFormat or InvalidOctet, with the offset. RFC 4291 section 2.2.
        """
        return Ipv6Addr.parse(text) if ":" in text else Ipv4Addr.parse(text)

    @classmethod
    def of(cls, value: str | bytes | IpAddr | IPv4Address | IPv6Address) -> IpAddr:
        """The address that text, 4 or 16 bytes in network order, or an `ipaddress` object stands for.

        Raises AddrParseError for text and AddressValueError for another number of bytes.
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
        """The IPv4 address that an IPv4-mapped one stands for (RFC 4291 section 2.5.5.2), else the address.

        A socket that takes both families shows IPv4 peers with mapped addresses.
        """
        return self

    # What both of the standard library's classes offer, named so that an `IpAddr` is typed in full.
    @property
    @abstractmethod
    def version(self) -> int:
        """4 or 6."""

    @property
    @abstractmethod
    def packed(self) -> bytes:
        """The 4 or 16 bytes of it, in network order."""

    @property
    @abstractmethod
    def octets(self) -> tuple[int, ...]:
        """The 4 or 16 bytes of it, as numbers."""

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
        """The name that holds its PTR record, without the final dot (RFC 1035 3.5, RFC 3596 2.5)."""

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
        """Not globally reachable, as IANA's special-purpose registries and `ipaddress` have it."""

    @property
    @abstractmethod
    def is_global(self) -> bool:
        """Globally reachable, as IANA's special-purpose registries and `ipaddress` have it."""

    @property
    @abstractmethod
    def is_reserved(self) -> bool:
        """Reserved by the IETF."""

    @abstractmethod
    def __int__(self) -> int:
        """The bits of it as a number, the first octet highest."""

    @abstractmethod
    def __lt__(self, other: Any) -> bool:
        """IPv4 before IPv6, then by number, then by zone."""

    @abstractmethod
    def __gt__(self, other: Any) -> bool: ...
    @abstractmethod
    def __le__(self, other: Any) -> bool: ...
    @abstractmethod
    def __ge__(self, other: Any) -> bool: ...


class Ipv4Addr(IPv4Address, IpAddr):
    """An IPv4 address: an `ipaddress.IPv4Address` with netkit's names beside the standard ones.

        Ipv4Addr(192, 0, 2, 1)     four octets
        Ipv4Addr("192.0.2.1")      and whatever else IPv4Address takes: 4 bytes, an integer, another address

    Raises AddrParseError for text and octets, and as `ipaddress` does (AddressValueError) for the rest.
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
        """0.0.0.0: for a listener, every address of this machine."""
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
        """The address whose 32 bits, the first octet highest, are this number.

        Raises AddrParseError.InvalidFormat for a number that does not fit.
        """
        if not 0 <= bits <= 0xFFFFFFFF:
            raise AddrInvalidFormat(str(bits), 0, "not a number of 32 bits", V4_FORM)
        return cls(bits)

    def to_u32(self) -> int:
        """The 32 bits of it as a number, the first octet highest."""
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
    """An IPv6 address: an `ipaddress.IPv6Address` with netkit's names beside the standard ones.

        Ipv6Addr(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)     eight 16-bit segments
        Ipv6Addr("fe80::1%eth0")                      and whatever else IPv6Address takes: 16 bytes, ...

    The zone (`scope_id`, "eth0" or "2", or None) is part of the address, of its text and of its equality.
    `str` gives RFC 5952's text on every Python: an IPv4-mapped address is ::ffff:192.0.2.1 (section 5).

    Raises AddrParseError for text and segments, and as `ipaddress` does (AddressValueError) for the rest.
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
        """::, for a listener every address of this machine."""
        return cls(0)

    @classmethod
    def parse(cls, text: str) -> Ipv6Addr:
        """Read an address, with its zone if it has one, without brackets or surrounding space.

        Raises AddrParseError.InvalidFormat, or InvalidOctet in a dotted end; with the offset.
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
        """The sixteen octets, as sent from first to last."""
        return tuple(self.packed)

    @property
    def is_unique_local(self) -> bool:
        """In fc00::/7 (RFC 4193)."""
        return int(self) >> 121 == 0xFC >> 1

    def __reduce__(self) -> tuple[type[Ipv6Addr], tuple[str]]:
        return type(self), (IPv6Address.__str__(self),)  # the standard library's own loses the zone in 3.11.2

    def with_scope(self, zone: str | int | None) -> Ipv6Addr:
        """The same address in another zone, an interface's name or number; in none for None or 0.

        Raises AddrParseError.InvalidFormat for what cannot stand in a zone.
        """
        plain = int(self)
        return Ipv6Addr(f"{Ipv6Addr(plain)}%{zone}" if zone else plain)

    @property
    def unmapped(self) -> IpAddr:
        return Ipv4Addr(int(self) & 0xFFFFFFFF) if int(self) >> 32 == 0xFFFF else self

    # Before Python 3.13 `ipaddress` writes ::ffff:c000:201, and its next two properties fail on a zone.
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
        """The name that holds its PTR record, without the final dot (RFC 3596 section 2.5)."""
        return ".".join(reversed(self.packed.hex())) + ".ip6.arpa"

    def _zone_text(self) -> str:
        return f"%{self.scope_id}" if self.scope_id else ""

    def __lt__(self, other: Any) -> bool:
        if isinstance(other, Ipv4Addr):
            return False
        if isinstance(other, IPv6Address):  # the zone decides between two that are otherwise the same
            return (int(self), self.scope_id or "") < (int(other), other.scope_id or "")
        return super().__lt__(other)


if not TYPE_CHECKING:
    IpAddr.V4 = Ipv4Addr
    IpAddr.V6 = Ipv6Addr


def _as_the_standard_takes_it(value: Any, scan: Callable[[str], int | str]) -> Any:
    """What `ipaddress` is handed: numbers and bytes as they are, all else as text that was scanned."""
    if isinstance(value, int | bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    return scan(str(value))
