"""Records of types that netkit does not know; their octets stay unchanged (RFC 3597).

The type is not in the RDATA, so these are made by their constructor, in `records.base.record_from_wire` and
where a master file has the generic form, and have no `from_wire` and `from_text`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.records.base import DnsRecord
from netkit.dns.value import assign

if TYPE_CHECKING:
    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.name import Name
    from netkit.dns.records.fields import Schema
    from netkit.dns.style import Style
    from netkit.dns.text import TextReader


class Unknown(DnsRecord):
    """A record of any type, or of any class, with its RDATA as it is on the wire: at most 65535 octets.

    An Unknown record with the number of a known type is still not a record of that type's class.
    """

    __slots__ = ("rdata", "rdtype")
    __match_args__ = ("name", "ttl", "rdtype", "rdata", "rdclass")

    rdata: bytes
    rdtype: DnsRecordType  # type: ignore[misc]  # the one type that is the record's and not the class's

    def __init__(
        self, name: Name | str, ttl: int, rdtype: int, rdata: bytes, rdclass: int = DnsClass.IN
    ) -> None:
        self._begin(name, ttl, rdclass)
        assign(self, "rdtype", DnsRecordType(rdtype))
        assign(self, "rdata", bytes(rdata))
        if len(self.rdata) > 0xFFFF:
            raise DnsError.InvalidValue("rdata", self.rdata, "longer than 65535 octets", limit=0xFFFF)

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> NoReturn:
        raise NotImplementedError(cls.__qualname__)

    def to_wire(self, writer: WireWriter) -> None:
        writer.write(self.rdata)

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> NoReturn:
        raise NotImplementedError(cls.__qualname__)

    def rdata_text(self) -> str:
        return self.generic_text()

    def styled_text(self, style: Style) -> str:
        return style.generic_text(self.rdata_wire())

    @property
    def fields(self) -> dict[str, Any]:
        """The type and the octets."""
        return {"rdtype": self.rdtype, "rdata": self.rdata}

    def canonical_wire(self) -> bytes:
        return self.rdata

    def json_fields(self) -> dict[str, object]:
        from netkit.dns.records.strings import base64_text

        return {"rdata_b64": base64_text(self.rdata)}

    @classmethod
    def json_schema(cls) -> Schema:
        octets = {"type": "string", "contentEncoding": "base64", "description": "The RDATA, octet for octet"}
        return {
            "type": "object",
            "properties": {"rdata_b64": octets},
            "required": ["rdata_b64"],
            "additionalProperties": False,
        }
