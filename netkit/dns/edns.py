"""EDNS: the OPT pseudo-record of a message and its options (RFC 6891).

    EdnsOption
    ├── Nsid            RFC 5001    which of many servers answered
    ├── ClientSubnet    RFC 7871    the network of the client that the answer is for
    ├── Cookie          RFC 7873    proof that the answer comes from the server that was asked
    ├── Keepalive       RFC 7828    how long a TCP connection may idle
    ├── Padding         RFC 7830    octets that hide a message's length
    ├── ExtendedError   RFC 8914    why there is no answer, or no better one
    └── Unknown                     any other option, with its octets unchanged

If an option that netkit knows is malformed, the whole message is malformed. RFC 7871 section 6 and RFC 7873
section 5.2 demand this for their options.

On the wire the OPT record holds the eight high bits of the response code. Here `Message.rcode` holds the
whole code, so that it is in one place; `Edns` does not have these bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.value import Value, assign, checked_int

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address, IPv6Address
    from typing import Self

    from netkit.addr import IpAddr
    from netkit.dns.wire import WireReader, WireWriter

#: The largest UDP message that fits in one packet on any path, in octets (DNS Flag Day 2020).
DEFAULT_PAYLOAD_SIZE = 1232

_DNSSEC_OK = 0x8000


class EdnsOption(Value):
    """One option of an OPT record; `code` is its number, the variants are its attributes.

    `str` gives the option as dig prints it, without control characters.
    """

    __slots__ = ()

    code: int
    #: The name of the option in dig's output.
    title: ClassVar[str]

    if TYPE_CHECKING:
        Nsid: TypeAlias = "_Nsid"
        ClientSubnet: TypeAlias = "_ClientSubnet"
        Cookie: TypeAlias = "_Cookie"
        Keepalive: TypeAlias = "_Keepalive"
        Padding: TypeAlias = "_Padding"
        ExtendedError: TypeAlias = "_ExtendedError"
        Unknown: TypeAlias = "_UnknownOption"

    @classmethod
    def from_wire(cls, reader: WireReader) -> EdnsOption:
        """Read an option from `reader`, restricted to the option's data. Raises DnsError.InvalidResponse."""
        raise NotImplementedError(cls.__qualname__)

    def to_wire(self, writer: WireWriter) -> None:
        """Write the option's data (without its code and length)."""
        raise NotImplementedError(type(self).__qualname__)

    def text(self) -> str:
        """The text after the title in dig's output."""
        raise NotImplementedError(type(self).__qualname__)

    def __str__(self) -> str:
        return f"{self.title}: {self.text()}".rstrip()


class _Nsid(EdnsOption):
    """The server's identifier: octets that the server chooses. It is empty in a query that asks for it."""

    __slots__ = ("data",)
    __match_args__ = ("data",)
    code = 3
    title = "NSID"

    data: bytes

    def __init__(self, data: bytes = b"") -> None:
        assign(self, "data", bytes(data))

    @classmethod
    def from_wire(cls, reader: WireReader) -> _Nsid:
        return cls(reader.rest())

    def to_wire(self, writer: WireWriter) -> None:
        writer.write(self.data)

    def text(self) -> str:
        return _hex_and_ascii(self.data)


class _ClientSubnet(EdnsOption):
    """The client's network that the answer is for: the first `source_prefix` bits of `address`.

    In an answer, `scope_prefix` is the number of bits on which the answer depends. The bits of `address`
    after the source prefix are set to zero (RFC 7871 section 6).
    """

    __slots__ = ("address", "scope_prefix", "source_prefix")
    __match_args__ = ("address", "source_prefix", "scope_prefix")
    code = 8
    title = "CLIENT-SUBNET"

    address: IpAddr
    source_prefix: int
    scope_prefix: int

    def __init__(
        self, address: IpAddr | IPv4Address | IPv6Address | str, source_prefix: int, scope_prefix: int = 0
    ) -> None:
        from netkit.addr import IpAddr

        whole = address if isinstance(address, IpAddr) else IpAddr.of(address)
        bits = whole.max_prefixlen
        assign(self, "source_prefix", checked_int("source_prefix", source_prefix, bits))
        assign(self, "scope_prefix", checked_int("scope_prefix", scope_prefix, bits))
        kept = int(whole) >> bits - source_prefix << bits - source_prefix
        assign(self, "address", IpAddr.of(kept.to_bytes(bits // 8, "big")))

    @classmethod
    def from_wire(cls, reader: WireReader) -> EdnsOption:
        start = reader.offset
        family = reader.u16("family")
        source, scope = reader.u8("source_prefix"), reader.u8("scope_prefix")
        octets = reader.rest()
        if family not in _FAMILY_BITS:
            return _UnknownOption(cls.code, family.to_bytes(2, "big") + bytes((source, scope)) + octets)
        bits = _FAMILY_BITS[family]
        for field, at, prefix in (("source_prefix", 2, source), ("scope_prefix", 3, scope)):
            if prefix > bits:
                reader.fail(field, f"{prefix} bits of an address of {bits}", start + at, bits)
        if len(octets) != (source + 7) // 8:
            reader.fail("address", f"{len(octets)} octets for a prefix of {source} bits", start + 4)
        from netkit.addr import IpAddr

        packed = octets.ljust(bits // 8, b"\0")
        option = cls(IpAddr.of(packed), source, scope)
        if option.address.packed != packed:
            reader.fail("address", f"a bit is set past the prefix of {source} bits", start + 4)
        return option

    def to_wire(self, writer: WireWriter) -> None:
        writer.u16(1 if self.address.version == 4 else 2)
        writer.u8(self.source_prefix)
        writer.u8(self.scope_prefix)
        writer.write(self.address.packed[: (self.source_prefix + 7) // 8])

    def text(self) -> str:
        return f"{self.address}/{self.source_prefix}/{self.scope_prefix}"


_FAMILY_BITS = {1: 32, 2: 128}


class _Cookie(EdnsOption):
    """Eight octets from the client, and eight to 32 from the server (none before its first answer)."""

    __slots__ = ("client", "server")
    __match_args__ = ("client", "server")
    code = 10
    title = "COOKIE"

    client: bytes
    server: bytes

    def __init__(self, client: bytes, server: bytes = b"") -> None:
        if len(client) != 8:
            raise DnsError.InvalidValue("client", client, "a client cookie has 8 octets", limit=8)
        if server and not 8 <= len(server) <= 32:
            raise DnsError.InvalidValue("server", server, "a server cookie has 8 to 32 octets", limit=32)
        assign(self, "client", bytes(client))
        assign(self, "server", bytes(server))

    @classmethod
    def from_wire(cls, reader: WireReader) -> _Cookie:
        client = reader.take(8, "client")
        if reader.remaining and not 8 <= reader.remaining <= 32:
            reader.fail("server", f"a server cookie has 8 to 32 octets, not {reader.remaining}", limit=32)
        return cls(client, reader.rest())

    def to_wire(self, writer: WireWriter) -> None:
        writer.write(self.client + self.server)

    def text(self) -> str:
        return (self.client + self.server).hex()


class _Keepalive(EdnsOption):
    """How long a TCP connection may be idle, in seconds, in steps of 0.1; None in a query."""

    __slots__ = ("timeout",)
    __match_args__ = ("timeout",)
    code = 11
    title = "TCP-KEEPALIVE"

    timeout: float | None

    def __init__(self, timeout: float | None = None) -> None:
        if timeout is not None:
            timeout = checked_int("timeout", round(timeout * 10), 0xFFFF) / 10
        assign(self, "timeout", timeout)

    @classmethod
    def from_wire(cls, reader: WireReader) -> _Keepalive:
        return cls(reader.u16("timeout") / 10 if reader.remaining else None)

    def to_wire(self, writer: WireWriter) -> None:
        if self.timeout is not None:
            writer.u16(round(self.timeout * 10))

    def text(self) -> str:
        return "" if self.timeout is None else f"{self.timeout:.1f} secs"


class _Padding(EdnsOption):
    """`length` octets without meaning: netkit sends zeros and ignores what it receives."""

    __slots__ = ("length",)
    __match_args__ = ("length",)
    code = 12
    title = "PAD"

    length: int

    def __init__(self, length: int) -> None:
        assign(self, "length", checked_int("length", length, 0xFFFF))

    @classmethod
    def from_wire(cls, reader: WireReader) -> _Padding:
        return cls(len(reader.rest()))

    def to_wire(self, writer: WireWriter) -> None:
        writer.write(bytes(self.length))

    def text(self) -> str:
        return f"({self.length} byte{'s' * (self.length != 1)})"


class _ExtendedError(EdnsOption):
    """The server's reason for its answer: `info_code`, its `purpose` in words, and the server's `extra_text`.

    `octets` is the extra text as received. Octets that are not UTF-8 appear in the text as `\\xNN`.
    """

    __slots__ = ("info_code", "octets")
    __match_args__ = ("info_code", "extra_text")
    code = 15
    title = "EDE"

    info_code: int
    octets: bytes

    def __init__(self, info_code: int, extra_text: str | bytes = "") -> None:
        assign(self, "info_code", checked_int("info_code", info_code, 0xFFFF))
        assign(self, "octets", extra_text.encode() if isinstance(extra_text, str) else bytes(extra_text))

    @classmethod
    def from_wire(cls, reader: WireReader) -> _ExtendedError:
        return cls(reader.u16("info_code"), reader.rest())

    def to_wire(self, writer: WireWriter) -> None:
        writer.u16(self.info_code)
        writer.write(self.octets)

    @property
    def extra_text(self) -> str:
        """The server's own text; "" if there is none."""
        # RFC 8914 section 2: the text must not end with a null octet, but a receiver must accept one.
        return self.octets.removesuffix(b"\0").decode("utf-8", "backslashreplace")

    @property
    def purpose(self) -> str | None:
        """IANA's purpose for the code, such as "DNSSEC Bogus"; None for an unassigned code."""
        return EXTENDED_ERRORS.get(self.info_code)

    def text(self) -> str:
        purpose = f" ({self.purpose})" if self.purpose else ""
        extra = f": ({_printable(self.extra_text)})" if self.octets else ""
        return f"{self.info_code}{purpose}{extra}"

    def _values(self) -> tuple[Any, ...]:
        return self.info_code, self.octets


class _UnknownOption(EdnsOption):
    """An option that has no class in netkit: its code and its octets."""

    __slots__ = ("code", "data")
    __match_args__ = ("code", "data")

    code: int
    data: bytes

    def __init__(self, code: int, data: bytes = b"") -> None:
        assign(self, "code", checked_int("code", code, 0xFFFF))
        assign(self, "data", bytes(data))

    def to_wire(self, writer: WireWriter) -> None:
        writer.write(self.data)

    def text(self) -> str:
        return _hex_and_ascii(self.data)

    def __str__(self) -> str:
        return f"OPT={self.code}: {self.text()}".rstrip()


_DECODED: dict[int, type[EdnsOption]] = {
    option.code: option for option in (_Nsid, _ClientSubnet, _Cookie, _Keepalive, _Padding, _ExtendedError)
}
for _option in (*_DECODED.values(), _UnknownOption):
    _option.__name__ = _option.__name__.removeprefix("_").removesuffix("Option")
    _option.__qualname__ = f"EdnsOption.{_option.__name__}"
    setattr(EdnsOption, _option.__name__, _option)

_O = TypeVar("_O", bound=EdnsOption)


class Edns(Value):
    """The content of an OPT record: it tells that its sender supports EDNS.

    `payload_size` is the largest UDP message that the sender accepts, in octets (a value under 512 means
    512). `version` is 0, the only version so far. `dnssec_ok` asks for DNSSEC records (RFC 3225). `flags`
    are the other 15 flag bits; none of them is assigned. `options` are in the order of the record.
    """

    __slots__ = ("dnssec_ok", "flags", "options", "payload_size", "version")
    __match_args__ = ("payload_size", "version", "dnssec_ok", "flags", "options")

    payload_size: int
    version: int
    dnssec_ok: bool
    flags: int
    options: tuple[EdnsOption, ...]

    def __init__(
        self,
        payload_size: int = DEFAULT_PAYLOAD_SIZE,
        version: int = 0,
        dnssec_ok: bool = False,
        flags: int = 0,
        options: Iterable[EdnsOption] = (),
    ) -> None:
        assign(self, "payload_size", checked_int("payload_size", payload_size, 0xFFFF))
        assign(self, "version", checked_int("version", version, 0xFF))
        assign(self, "dnssec_ok", bool(dnssec_ok))
        assign(self, "flags", checked_int("flags", flags, 0x7FFF))
        assign(self, "options", tuple(options))

    @classmethod
    def from_wire(cls, payload_size: int, ttl: int, reader: WireReader) -> Self:
        """Read an OPT record from its class and TTL fields, and from `reader` restricted to its RDATA.

        RFC 6891 section 6.1.2. Raises DnsError.InvalidResponse.
        """
        options: list[EdnsOption] = []
        while reader.remaining:
            try:
                code = reader.u16("code")
                with reader.restrict_to(reader.u16("length"), "data"):
                    known = _DECODED.get(code)
                    option = known.from_wire(reader) if known else _UnknownOption(code, reader.rest())
            except DnsError.InvalidResponse as error:
                error.field = f"option[{len(options)}].{error.field}"
                raise
            options.append(option)
        flags = ttl & 0xFFFF
        return cls(payload_size, ttl >> 16 & 0xFF, bool(flags & _DNSSEC_OK), flags & 0x7FFF, options)

    def to_wire(self, writer: WireWriter, rcode: int = 0) -> None:
        """Write the whole OPT record, with the high bits of the message's response code.

        Raises DnsError.InvalidValue if the options do not fit the record.
        """
        writer.u8(0)  # the root: RFC 6891 section 6.1.2 allows no other owner
        writer.u16(DnsRecordType.OPT)
        writer.u16(self.payload_size)
        flags = self.flags | (_DNSSEC_OK if self.dnssec_ok else 0)
        writer.u32(rcode >> 4 << 24 | self.version << 16 | flags)
        with writer.length_prefix():
            for option in self.options:
                writer.u16(option.code)
                with writer.length_prefix():
                    option.to_wire(writer)

    def option(self, kind: type[_O]) -> _O | None:
        """The first option of a kind, `edns.option(EdnsOption.Cookie)`, or None."""
        for option in self.options:
            if isinstance(option, kind):
                return option
        return None

    @property
    def extended_errors(self) -> tuple[_ExtendedError, ...]:
        """All extended errors; a message may have several."""
        return tuple([option for option in self.options if isinstance(option, _ExtendedError)])

    def __str__(self) -> str:
        flags = " do" * self.dnssec_ok
        other = f"; MBZ: 0x{self.flags:04x}" if self.flags else ""
        return f"EDNS: version: {self.version}, flags:{flags}{other}; udp: {self.payload_size}"


def _hex_and_ascii(data: bytes) -> str:
    if not data:
        return ""
    shown = "".join([chr(octet) if 0x20 <= octet < 0x7F else "." for octet in data])
    return f'{data.hex(" ")} ("{shown}")'


def _printable(text: str) -> str:
    """Escape the unprintable characters of a peer's text, so that it cannot control a terminal."""
    return "".join([char if char.isprintable() else ascii(char)[1:-1] for char in text])


#: RFC 8914 section 4 and the IANA registry "Extended DNS Error Codes".
EXTENDED_ERRORS = {
    0: "Other",
    1: "Unsupported DNSKEY Algorithm",
    2: "Unsupported DS Digest Type",
    3: "Stale Answer",
    4: "Forged Answer",
    5: "DNSSEC Indeterminate",
    6: "DNSSEC Bogus",
    7: "Signature Expired",
    8: "Signature Not Yet Valid",
    9: "DNSKEY Missing",
    10: "RRSIGs Missing",
    11: "No Zone Key Bit Set",
    12: "NSEC Missing",
    13: "Cached Error",
    14: "Not Ready",
    15: "Blocked",
    16: "Censored",
    17: "Filtered",
    18: "Prohibited",
    19: "Stale NXDOMAIN Answer",
    20: "Not Authoritative",
    21: "Not Supported",
    22: "No Reachable Authority",
    23: "Network Error",
    24: "Invalid Data",
    25: "Signature Expired before Valid",
    26: "Too Early",
    27: "Unsupported NSEC3 Iterations Value",
    28: "Unable to conform to policy",
    29: "Synthesized",
    30: "Invalid Query Type",
}
