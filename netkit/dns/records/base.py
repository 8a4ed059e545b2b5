"""`DnsRecord`, the base class of all resource records, and the table of its variants.

RFC 1035 section 3.2.1 (the fields around the RDATA), RFC 2181 section 8 (31 bits of TTL), RFC 3597 (types
that are not known).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from netkit.dns.constants import MAX_TTL, DnsClass, DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.name import Name
from netkit.dns.value import Value, assign, checked_int
from netkit.dns.wire import WireReader, WireWriter

if TYPE_CHECKING:
    from typing import Self

    from netkit.dns.masterfile import Line
    from netkit.dns.records import a, aaaa, cname, mx, ns, ptr, soa, srv, txt, unknown
    from netkit.dns.text import TextReader


class _Variant:
    """A type's place in `DnsRecord`: imports the type's file when it is first asked for."""

    def __init__(
        self, module: str, rdtype: DnsRecordType | None = None, only_in: DnsClass | None = None
    ) -> None:
        self._module = module
        # RFC 3597 section 4: in another class the same number may be another type.
        self.only_in = only_in
        self._loaded: type[DnsRecord] | None = None
        if rdtype is not None:
            _VARIANTS[rdtype] = self

    def __set_name__(self, owner: type[DnsRecord], attribute: str) -> None:
        self._attribute = attribute

    def __get__(self, instance: DnsRecord | None, owner: type[DnsRecord]) -> type[DnsRecord]:
        return self._loaded or self.load()

    def load(self) -> type[DnsRecord]:
        """The class itself."""
        if self._loaded is None:
            loaded = getattr(import_module(f"netkit.dns.records.{self._module}"), self._attribute)
            loaded.__qualname__ = f"DnsRecord.{self._attribute}"
            self._loaded = loaded
        return self._loaded


_VARIANTS: dict[int, _Variant] = {}


class DnsRecord(Value):
    """A resource record. Programs make and match its variants, such as `DnsRecord.MX(...)`.

        DnsRecord.A(name="www.example.com", ttl=300, address="192.0.2.1")
        match record:
            case DnsRecord.MX(priority=priority, exchange=exchange): ...

    `name` and every other domain name in a record is a `Name`; constructors take text as well. `ttl` is in
    seconds, `rdclass` is IN by default, and the variant sets `rdtype`. Immutable. Two records are equal if
    all their fields are equal, including `ttl` (see `same_data`). `str` gives a line as dig prints it.
    """

    __slots__ = ("name", "rdclass", "ttl")

    name: Name
    ttl: int
    rdclass: DnsClass
    rdtype: DnsRecordType

    if TYPE_CHECKING:
        A: TypeAlias = a.A
        AAAA: TypeAlias = aaaa.AAAA
        CNAME: TypeAlias = cname.CNAME
        MX: TypeAlias = mx.MX
        NS: TypeAlias = ns.NS
        PTR: TypeAlias = ptr.PTR
        SOA: TypeAlias = soa.SOA
        SRV: TypeAlias = srv.SRV
        TXT: TypeAlias = txt.TXT
        Unknown: TypeAlias = unknown.Unknown
    else:
        A = _Variant("a", DnsRecordType.A, only_in=DnsClass.IN)
        AAAA = _Variant("aaaa", DnsRecordType.AAAA, only_in=DnsClass.IN)
        CNAME = _Variant("cname", DnsRecordType.CNAME)
        MX = _Variant("mx", DnsRecordType.MX)
        NS = _Variant("ns", DnsRecordType.NS)
        PTR = _Variant("ptr", DnsRecordType.PTR)
        SOA = _Variant("soa", DnsRecordType.SOA)
        SRV = _Variant("srv", DnsRecordType.SRV, only_in=DnsClass.IN)
        TXT = _Variant("txt", DnsRecordType.TXT)
        Unknown = _Variant("unknown")

    def __init__(self, name: Name | str, ttl: int, rdclass: int) -> None:
        assign(self, "name", name if isinstance(name, Name) else Name.parse(name))
        assign(self, "ttl", checked_int("ttl", ttl, MAX_TTL))
        assign(self, "rdclass", rdclass if isinstance(rdclass, DnsClass) else DnsClass(rdclass))

    @classmethod
    def parse(cls, text: str, *, origin: Name | str | None = None, ttl: int | None = None) -> DnsRecord:
        """One record written as in a master file: `www.example.com. 300 IN A 192.0.2.1`.

        Relative names are completed with `origin` (by default the root), `ttl` is for a line without one.
        Raises ZoneFileError.
        """
        from netkit.dns.masterfile import MasterReader

        reader = MasterReader(Name.root if origin is None else Name.of(origin), ttl)
        records = [(record_from_line(line), line.place) for line in reader.read(text, "<record>")]
        if not records:
            raise reader.at_end("no record is there")
        if len(records) > 1:
            raise records[1][1].error("a second record")
        return records[0][0]

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        """The record whose RDATA is what `reader` is restricted to. Raises DnsError.InvalidResponse."""
        raise NotImplementedError(cls.__qualname__)

    def to_wire(self, writer: WireWriter) -> None:
        """Write the RDATA (without its length)."""
        raise NotImplementedError

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        """The record whose RDATA `reader` reads, from a master file. Raises ZoneFileError."""
        raise NotImplementedError(cls.__qualname__)

    def rdata_text(self) -> str:
        """The RDATA as dig prints it: absolute names, quoted strings."""
        raise NotImplementedError

    @property
    def fields(self) -> dict[str, Any]:
        """The RDATA's fields by name, in their order."""
        return {
            field: getattr(self, field)
            for field in self.__match_args__
            if field not in ("name", "ttl", "rdclass")
        }

    def rdata_wire(self) -> bytes:
        """The RDATA alone, no name compressed."""
        writer = WireWriter(compress=False)
        self.to_wire(writer)
        return bytes(writer.data)

    def generic_text(self) -> str:
        r"""The RDATA in the form that every type has: `\# 4 C0000201` (RFC 3597 section 5)."""
        from netkit.dns.text import generic

        return generic(self.rdata_wire())

    def same_data(self, other: DnsRecord) -> bool:
        """Whether both are the same but for their TTL: no set has two such (RFC 2181 section 5)."""
        return self == other.replace(ttl=self.ttl)

    def to_text(self) -> str:
        """The record as a line of a master file, tabs between its parts."""
        return f"{self.name}\t{self.ttl}\t{self.rdclass}\t{self.rdtype}\t{self.rdata_text()}"

    def __str__(self) -> str:
        return self.to_text()


def record_class(rdtype: int, rdclass: int) -> type[DnsRecord] | None:
    """The class for records of this type in this class; None where only `DnsRecord.Unknown` will do."""
    variant = _VARIANTS.get(rdtype)
    if variant is None or (variant.only_in or rdclass) != rdclass:
        return None
    # RFC 2136 section 2.4: in these two an update has RDATA that is empty or only to be compared.
    return None if rdclass in (DnsClass.NONE, DnsClass.ANY) else variant.load()


def record_from_wire(
    name: Name, rdtype: DnsRecordType, rdclass: DnsClass, ttl: int, reader: WireReader
) -> DnsRecord:
    """The record whose RDATA is what `reader` is restricted to.

    Raises DnsError.InvalidResponse with the field's name and offset.
    """
    cls = record_class(rdtype, rdclass)
    if cls is None:
        return DnsRecord.Unknown(name, ttl, rdtype, reader.rest(), rdclass)
    return cls.from_wire(name, ttl, rdclass, reader)


def record_from_line(line: Line) -> DnsRecord:
    """The record that a line of a master file is, its RDATA in the type's own form or in the generic one.

    Raises ZoneFileError at the token that is wrong.
    """
    record = _record_from_text(line.owner, line.rdtype, line.rdclass, line.ttl, line.reader)
    line.reader.finish(f"the {line.rdtype} record")
    return record


def _record_from_text(
    name: Name, rdtype: DnsRecordType, rdclass: DnsClass, ttl: int, reader: TextReader
) -> DnsRecord:
    if reader.is_generic:
        octets, place = reader.generic()
        wire = WireReader(octets, compression=False)
        try:
            with wire.restrict_to(len(octets), "data"):
                return record_from_wire(name, rdtype, rdclass, ttl, wire)
        except DnsError.InvalidResponse as error:
            raise place.error(
                f"not the data of {rdtype}: {error.field} at octet {error.offset}: {error.reason}"
            ) from None
    cls = record_class(rdtype, rdclass)
    if cls is None:
        following = reader.peek()
        raise (following.place if following else reader.place).error(
            f"the data of {rdtype} in class {rdclass} can be written in the generic form only",
            hint="write \\# LENGTH HEX (RFC 3597)",
        )
    try:
        return cls.from_text(name, ttl, rdclass, reader)
    except DnsError.InvalidValue as error:
        raise reader.place.error(f"{error.field}: {error.reason}") from None
