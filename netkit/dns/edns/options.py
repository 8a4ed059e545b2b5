"""The options of EDNS that netkit knows, in the order of their numbers, and any other as its octets.

`option` lists them with their RFCs. An option whose data is its fields one after another only declares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from netkit.dns.edns.extended_errors import ExtendedErrorCode
from netkit.dns.edns.fields import (
    Numbers,
    Octets,
    OptionalNumber,
    Tenths,
    Zeros,
    duration,
    hex_and_ascii,
    printable,
)
from netkit.dns.edns.option import EdnsOption
from netkit.dns.errors import DnsError
from netkit.dns.messages.wire import WireReader
from netkit.dns.records.fields import U16, U32, U64, DomainName
from netkit.dns.value import assign, checked_int

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from netkit.addr import IpAddr
    from netkit.dns.messages.wire import WireWriter
    from netkit.dns.records.fields import Schema


class LongLivedQuery(EdnsOption):
    """A question whose answer is told again when it changes, for `lease` seconds (RFC 8764 section 3.2)."""

    code = 1
    title = "LLQ"

    version: U16 = U16("The version of the protocol")
    opcode: U16 = U16("1 set up, 2 refresh, 3 event")
    error: U16 = U16("0, or why not")
    id: U64 = U64("The number of the question at the server")
    lease: U32 = U32("Seconds")

    def text(self) -> str:
        return (
            f"Version: {self.version}, Opcode: {self.opcode}, Error: {self.error}, "
            f"Identifier: {self.id}, Lifetime: {self.lease}"
        )


class UpdateLease(EdnsOption):
    """How many seconds the records of an update stay, and its keys if that is another time (RFC 9664)."""

    code = 2
    title = "UL"

    lease: U32 = U32("Seconds")
    key_lease: OptionalNumber = OptionalNumber("Seconds for KEY records", octets=4, default=None)

    def text(self) -> str:
        key = "" if self.key_lease is None else f", key {self.key_lease} ({duration(self.key_lease)})"
        return f"{self.lease} ({duration(self.lease)}){key}"


class Nsid(EdnsOption):
    """The server's identifier: octets that the server chooses. It is empty in a query that asks for it."""

    code = 3
    title = "NSID"

    data: Octets = Octets("The identifier", default=b"")


class DnssecAlgorithms(EdnsOption):
    """The DNSSEC algorithms that the client knows, by their numbers (RFC 6975: DAU)."""

    code = 5
    title = "DAU"

    algorithms: Numbers = Numbers("DNSSEC algorithms", octets=1)


class DsHashes(EdnsOption):
    """The digests of DS records that the client knows, by their numbers (RFC 6975: DHU)."""

    code = 6
    title = "DHU"

    algorithms: Numbers = Numbers("Digest types", octets=1)


class Nsec3Hashes(EdnsOption):
    """The hashes of NSEC3 records that the client knows, by their numbers (RFC 6975: N3U)."""

    code = 7
    title = "N3U"

    algorithms: Numbers = Numbers("Hash algorithms", octets=1)


class ClientSubnet(EdnsOption):
    """The client's network that the answer is for: the first `source_prefix` bits of `address`.

    In an answer, `scope_prefix` is the number of bits on which the answer depends. The bits of `address`
    after the source prefix are set to zero (RFC 7871 section 6).
    """

    __slots__ = ("address", "scope_prefix", "source_prefix")
    __match_args__ = ("address", "source_prefix", "scope_prefix")
    code = 8
    title = "CLIENT-SUBNET"

    if TYPE_CHECKING:

        @property
        def address(self) -> IpAddr: ...
        @property
        def source_prefix(self) -> int: ...
        @property
        def scope_prefix(self) -> int: ...

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
            return UnknownOption(cls.code, family.to_bytes(2, "big") + bytes((source, scope)) + octets)
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

    def json_fields(self) -> dict[str, object]:
        return {
            "address": str(self.address),
            "source_prefix": self.source_prefix,
            "scope_prefix": self.scope_prefix,
        }

    @classmethod
    def json_schema(cls) -> Schema:
        prefix = {"type": "integer", "minimum": 0, "maximum": 128}
        return _schema(address={"type": "string"}, source_prefix=prefix, scope_prefix=prefix)


_FAMILY_BITS = {1: 32, 2: 128}


class Expire(EdnsOption):
    """In how many seconds the zone of a secondary server expires (RFC 7314); None in a query."""

    code = 9
    title = "EXPIRE"

    seconds: OptionalNumber = OptionalNumber("Seconds; null in a query", octets=4, default=None)

    def text(self) -> str:
        return "" if self.seconds is None else f"{self.seconds} ({duration(self.seconds)})"


class Cookie(EdnsOption):
    """Eight octets from the client, and eight to 32 from the server (none before its first answer)."""

    code = 10
    title = "COOKIE"

    client: Octets = Octets("The client's part", size=8)
    server: Octets = Octets("The server's part", default=b"")

    def _check(self) -> None:
        if self.server and not 8 <= len(self.server) <= 32:
            raise DnsError.InvalidValue("server", self.server, "a server cookie has 8 to 32 octets", limit=32)

    @classmethod
    def from_wire(cls, reader: WireReader) -> Cookie:
        client = reader.take(8, "client")
        if reader.remaining and not 8 <= reader.remaining <= 32:
            reader.fail("server", f"a server cookie has 8 to 32 octets, not {reader.remaining}", limit=32)
        return cls(client, reader.rest())

    def text(self) -> str:
        return (self.client + self.server).hex()


class Keepalive(EdnsOption):
    """How long a TCP connection may be idle, in seconds, in steps of 0.1; None in a query."""

    code = 11
    title = "TCP-KEEPALIVE"

    timeout: Tenths = Tenths("Seconds; null in a query", default=None)


class Padding(EdnsOption):
    """`length` octets without meaning: netkit sends zeros and ignores what it receives."""

    code = 12
    title = "PAD"

    length: Zeros = Zeros("How many octets")

    def text(self) -> str:
        return f"({self.length} byte{'s' * (self.length != 1)})" if self.length else ""


class Chain(EdnsOption):
    """The name from which on the client wants the records that prove the answer (RFC 7901 section 4)."""

    code = 13
    title = "CHAIN"

    closest: DomainName = DomainName("The closest name whose keys the client trusts")


class KeyTag(EdnsOption):
    """The tags of the trust anchors that the client has (RFC 8145 section 4.1)."""

    code = 14
    title = "KEY-TAG"

    tags: Numbers = Numbers("Key tags", octets=2, minimum=1)


class ExtendedError(EdnsOption):
    """The server's reason for its answer: `info_code`, its `purpose` in words, and the server's `extra_text`.

    `octets` is the extra text as received. Octets that are not UTF-8 appear in the text as `\\xNN`.
    """

    __slots__ = ("info_code", "octets")
    __match_args__ = ("info_code", "extra_text")
    code = 15
    title = "EDE"

    if TYPE_CHECKING:

        @property
        def info_code(self) -> int: ...
        @property
        def octets(self) -> bytes: ...

    def __init__(self, info_code: int, extra_text: str | bytes = "") -> None:
        # A plain number: it is one in text and in JSON.
        assign(self, "info_code", int(checked_int("info_code", info_code, 0xFFFF)))
        assign(self, "octets", extra_text.encode() if isinstance(extra_text, str) else bytes(extra_text))

    @classmethod
    def from_wire(cls, reader: WireReader) -> ExtendedError:
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
        return ExtendedErrorCode(self.info_code).mnemonic

    def text(self) -> str:
        purpose = f" ({self.purpose})" if self.purpose else ""
        extra = f": ({printable(self.extra_text)})" if self.octets else ""
        return f"{self.info_code}{purpose}{extra}"

    def json_fields(self) -> dict[str, object]:
        return {"info_code": self.info_code, "purpose": self.purpose, "extra_text": self.extra_text}

    @classmethod
    def json_schema(cls) -> Schema:
        return _schema(
            info_code={"type": "integer", "minimum": 0},
            purpose={"type": ["string", "null"]},
            extra_text={"type": "string"},
        )

    def _values(self) -> tuple[Any, ...]:
        return self.info_code, self.octets


class ReportChannel(EdnsOption):
    """The domain to which resolvers report errors that they find with the zone (RFC 9567 section 6.1)."""

    code = 18
    title = "REPORT-CHANNEL"

    agent: DomainName = DomainName("The domain of who takes reports")


class ZoneVersion(EdnsOption):
    """The version of the zone that an answer comes from (RFC 9660); empty in a query that asks for it.

    The zone is the last `labels` labels of the name in question. `kind` says what `version` is: 0 is the
    serial number of the SOA record.
    """

    code = 19
    title = "ZONEVERSION"

    labels: OptionalNumber = OptionalNumber(
        "Labels of the zone's name; null in a query", octets=1, default=None
    )
    kind: OptionalNumber = OptionalNumber(
        "0: the serial number of SOA; null in a query", octets=1, default=None
    )
    version: Octets = Octets("The version", default=b"")

    def _check(self) -> None:
        if (self.labels is None) != (self.kind is None):
            raise DnsError.InvalidValue("kind", self.kind, "labels and kind belong together")
        if self.version and self.kind is None:
            raise DnsError.InvalidValue("version", self.version, "needs labels and kind")
        if self.kind == 0 and len(self.version) != 4:
            raise DnsError.InvalidValue("version", self.version, "a serial number has 4 octets", limit=4)

    @property
    def serial(self) -> int | None:
        """The serial number of the zone, if that is its version."""
        return int.from_bytes(self.version, "big") if self.kind == 0 else None

    def text(self) -> str:
        if self.labels is None:
            return ""
        labels = f"{self.labels} label{'s' * (self.labels != 1)}"
        if self.serial is not None:
            return f"SOA-SERIAL: {self.serial} ({labels})"
        return f"{self.kind}: {hex_and_ascii(self.version)}".rstrip() + f" ({labels})"


class UnknownOption(EdnsOption):
    """An option that has no class in netkit: its code and its octets."""

    __slots__ = ("code", "data")
    __match_args__ = ("code", "data")

    if TYPE_CHECKING:
        code: ClassVar[int]

        @property
        def data(self) -> bytes: ...

    def __init__(self, code: int, data: bytes = b"") -> None:
        assign(self, "code", checked_int("code", code, 0xFFFF))
        assign(self, "data", bytes(data))

    def to_wire(self, writer: WireWriter) -> None:
        writer.write(self.data)

    def text(self) -> str:
        return hex_and_ascii(self.data)

    def json_fields(self) -> dict[str, object]:
        from netkit.dns.records.strings import base64_text

        return {"data_b64": base64_text(self.data)}

    @classmethod
    def json_schema(cls) -> Schema:
        return _schema(data_b64={"type": "string", "contentEncoding": "base64"})

    def __str__(self) -> str:
        return f"OPT={self.code}: {self.text()}".rstrip()


def _schema(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


#: The options with a class of their own, by their numbers.
KNOWN: dict[int, type[EdnsOption]] = {
    option.code: option
    for option in (
        LongLivedQuery, UpdateLease, Nsid, DnssecAlgorithms, DsHashes, Nsec3Hashes, ClientSubnet, Expire,
        Cookie, Keepalive, Padding, Chain, KeyTag, ExtendedError, ReportChannel, ZoneVersion,
    )
}  # fmt: skip
_VARIANTS: tuple[type[EdnsOption], ...] = (*KNOWN.values(), UnknownOption)
for _option in _VARIANTS:
    _option.__name__ = _option.__name__.removesuffix("Option")
    _option.__qualname__ = f"EdnsOption.{_option.__name__}"
    setattr(EdnsOption, _option.__name__, _option)


def option_from_wire(code: int, reader: WireReader) -> EdnsOption:
    """The option whose data is what `reader` is restricted to. Raises DnsError.InvalidResponse."""
    known = KNOWN.get(code)
    return UnknownOption(code, reader.rest()) if known is None else known.from_wire(reader)


def option_of(code: int, data: bytes) -> EdnsOption:
    """The option of these octets; see `EdnsOption.of`."""
    reader = WireReader(data)
    try:
        with reader.restrict_to(len(data), "data"):
            option = option_from_wire(code, reader)
    except DnsError.InvalidResponse:
        return UnknownOption(code, data)
    return option if option.data_wire() == data else UnknownOption(code, data)
