"""`Edns`: the content of an OPT record (RFC 6891 section 6.1).

If an option that netkit knows is malformed, the whole message is malformed. RFC 7871 section 6 and RFC 7873
section 5.2 demand this for their options. (`netkit.dns.messages.lenient` keeps the octets of such an option.)

On the wire the OPT record holds the eight high bits of the response code. Here `Message.rcode` holds the
whole code, so that it is in one place; `Edns` does not have these bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from netkit.dns.constants import DnsRecordType
from netkit.dns.edns.option import EdnsOption
from netkit.dns.errors import DnsError
from netkit.dns.value import Value, assign, checked_int

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from netkit.dns.messages.wire import WireReader, WireWriter

#: The largest UDP message that fits in one packet on any path, in octets (DNS Flag Day 2020).
DEFAULT_PAYLOAD_SIZE = 1232

_DNSSEC_OK = 0x8000
#: RFC 9824 section 5.1: the client takes compact denials of existence.
COMPACT_OK = 0x4000

#: The meaning of each flag, by its name (RFC 3225 section 3, RFC 9824 section 5.1).
EDNS_FLAG_MEANINGS = {"do": "with DNSSEC records", "co": "with compact denials"}

_O = TypeVar("_O", bound=EdnsOption)


class Edns(Value):
    """The content of an OPT record: it tells that its sender supports EDNS.

    `payload_size` is the largest UDP message that the sender accepts, in octets (a value under 512 means
    512). `version` is 0, the only version so far. `dnssec_ok` asks for DNSSEC records (RFC 3225). `flags`
    are the other 15 flag bits, of which only COMPACT_OK is assigned. `options` are in the record's order.
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
        flags = ttl & 0xFFFF
        options: list[EdnsOption] = []
        if reader.remaining:
            from netkit.dns.edns.options import option_from_wire
        while reader.remaining:
            try:
                code = reader.u16("code")
                with reader.restrict_to(reader.u16("length"), "data"):
                    option = option_from_wire(code, reader)
            except DnsError.InvalidResponse as error:
                error.field = f"option[{len(options)}].{error.field}"
                raise
            options.append(option)
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
    def extended_errors(self) -> tuple[EdnsOption.ExtendedError, ...]:
        """All extended errors; a message may have several."""
        return tuple([option for option in self.options if isinstance(option, EdnsOption.ExtendedError)])

    @property
    def flag_names(self) -> tuple[str, ...]:
        """The names of the flags that are set, with dig's spelling and order: `("do", "co")`."""
        return ("do",) * self.dnssec_ok + ("co",) * bool(self.flags & COMPACT_OK)

    @property
    def reserved(self) -> int:
        """The flags without a meaning, which must be zero (RFC 6891 section 6.1.4)."""
        return self.flags & ~COMPACT_OK

    def __str__(self) -> str:
        flags = "".join([f" {name}" for name in self.flag_names])
        other = f" MBZ: 0x{self.reserved:04x}," if self.reserved else ""
        return f"EDNS: version: {self.version}, flags:{flags};{other} udp: {self.payload_size}"
