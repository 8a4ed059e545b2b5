"""`DnsRecord`, the base class of all resource records: what is derived from the fields that a type declares.

RFC 1035 section 3.2.1 (the fields around the RDATA), RFC 2181 section 8 (31 bits of TTL), RFC 3597 (types
that are not known), RFC 4034 section 6.2 with RFC 6840 section 5.1 (the canonical form).

A type whose RDATA is its fields one after another only declares them. One with a rule between its fields
(`_check`), or with fields that say what others are, overrides what it must.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from netkit.dns.constants import MAX_TTL, DnsClass, DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.messages.wire import WireReader, WireWriter
from netkit.dns.name import Name
from netkit.dns.records.declared import Declared, arguments_of, json_schema_of, layout_of
from netkit.dns.records.fields import KeepAsOctets
from netkit.dns.records.variants import Variants, variant_of
from netkit.dns.value import Value, assign, checked_int

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self, dataclass_transform

    from netkit.dns.records import binary, codes, fields, gateways, positions, prefixes, strings, svcparams
    from netkit.dns.records.fields import Schema
    from netkit.dns.style import Style
    from netkit.dns.text import TextReader
    from netkit.dns.zones.masterfile import Line

    @dataclass_transform(
        field_specifiers=(
            binary.Base64,
            binary.Base64Word,
            binary.FixedHex,
            binary.Hex,
            binary.PrefixedHex,
            binary.SizedBase32Hex,
            binary.SizedBase64,
            binary.SizedHex,
            codes.Algorithm,
            codes.ClassCode,
            codes.FlatBitmap,
            codes.Ports,
            codes.Time,
            codes.TypeBitmap,
            codes.TypeCode,
            fields.DomainName,
            fields.DomainNames,
            fields.Ipv4,
            fields.Ipv6,
            fields.OptionalName,
            fields.Seconds,
            fields.U16,
            fields.U32,
            fields.U48,
            fields.U64,
            fields.U8,
            gateways.Gateway,
            positions.Altitude,
            positions.Angle,
            positions.Size,
            prefixes.Prefixes,
            strings.CharacterString,
            strings.CharacterStrings,
            strings.LongString,
            strings.OptionalString,
            strings.Word,
            svcparams.Params,
        )
    )
    class RecordType(Declared):
        """`Declared`, with what mypy has to know of it."""

else:
    RecordType = Declared


class DnsRecord(Value, Variants, metaclass=RecordType):
    """A resource record. Programs make and match its variants, such as `DnsRecord.MX(...)`.

        DnsRecord.A(name="www.example.com", ttl=300, address="192.0.2.1")
        match record:
            case DnsRecord.MX(priority=priority, exchange=exchange): ...

    `name` and every other domain name in a record is a `Name`; constructors take text as well. `ttl` is in
    seconds, `rdclass` is IN by default, and the variant sets `rdtype`. Immutable. Two records are equal if
    all their fields are equal, including `ttl` (see `same_data`). `str` gives a line as dig prints it.

    Constructors take the fields in their order after `name` and `ttl`, or by name. They raise
    DnsError.InvalidValue with the field's name, DnsError.InvalidName and AddrParseError.
    """

    __slots__ = ("name", "rdclass", "ttl")

    #: The type; of an Unknown, that of the record and not of the class.
    rdtype: ClassVar[DnsRecordType]
    #: What a decoder reads, one letter for each field (`netkit.dns.messages.layout`). None: the class reads.
    LAYOUT: ClassVar[str | None] = None
    #: Whether fields may contradict each other; what reads by `LAYOUT` must ask `hold_rules` then.
    HAS_RULES: ClassVar[bool] = False
    #: The parts of the text and where its lines end (`netkit.dns.style`). None: the fields, the last of them
    #: on lines of its own if it is long.
    SHAPE: ClassVar[str | None] = None

    if TYPE_CHECKING:
        name: fields.DomainName = fields.DomainName()
        ttl: fields.U32 = fields.U32()
        rdclass: codes.ClassCode = codes.ClassCode(default=DnsClass.IN, kw_only=True)
    else:

        def __init__(self, *given: object, **named: object) -> None:
            cls = type(self)
            left_out = len(cls.__match_args__) - len(given)
            if named or left_out:
                given = (
                    (*given, DnsClass.IN) if left_out == 1 and not named else arguments_of(cls, given, named)
                )
            self._begin(given[0], given[1], given[-1])
            for field, value in zip(cls.FIELDS, given[2:-1], strict=True):
                field.put(self, field.check(value))
            self._check()

        def __init_subclass__(cls) -> None:
            cls.HAS_RULES = cls._check is not DnsRecord._check
            is_derived = cls.from_wire.__func__ is DnsRecord.from_wire.__func__
            cls.LAYOUT = layout_of(cls) if is_derived else None

    def _begin(self, name: Name | str, ttl: int, rdclass: int) -> None:
        """Set what every record has, in a constructor."""
        assign(self, "name", name if isinstance(name, Name) else Name.parse(name))
        assign(self, "ttl", checked_int("ttl", ttl, MAX_TTL))
        assign(self, "rdclass", rdclass if isinstance(rdclass, DnsClass) else DnsClass(rdclass))

    def _check(self) -> None:
        """Hold the rules between the fields. Raises DnsError.InvalidValue."""

    def hold_rules(self) -> None:
        """Raise DnsError.InvalidValue if the fields contradict each other."""
        self._check()

    @classmethod
    def _made(cls, name: Name, ttl: int, rdclass: DnsClass, values: Sequence[object]) -> Self:
        """The record with these values of its fields, which were checked as they were read."""
        made = cls.__new__(cls)
        _put_name(made, name)
        _put_ttl(made, ttl)
        _put_class(made, rdclass)
        for field, value in zip(cls.FIELDS, values, strict=True):
            field.put(made, value)
        return made

    @classmethod
    def from_values(cls, name: Name, ttl: int, rdclass: DnsClass, values: Sequence[Any]) -> Self:
        """The record with the values that a decoder has read by `LAYOUT`; they are not checked again."""
        return cls._made(
            name,
            ttl,
            rdclass,
            [
                field.from_raw(value) if field.is_raw else value
                for field, value in zip(cls.FIELDS, values, strict=True)
            ],
        )

    @classmethod
    def parse(cls, text: str, *, origin: Name | str | None = None, ttl: int | None = None) -> DnsRecord:
        """One record written as in a master file: `www.example.com. 300 IN A 192.0.2.1`.

        Relative names are completed with `origin` (by default the root), `ttl` is for a line without one.
        Raises ZoneFileError.
        """
        from netkit.dns.zones.masterfile import MasterReader

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
        start = reader.offset
        made = cls.__new__(cls)
        _put_name(made, name)
        _put_ttl(made, ttl)
        _put_class(made, rdclass)
        for field in cls.FIELDS:
            field.put(made, field.read(reader))
        if cls.HAS_RULES:
            try:
                made._check()
            except DnsError.InvalidValue as error:
                reader.fail(error.field, error.reason, start, error.limit)
        return made

    def to_wire(self, writer: WireWriter) -> None:
        """Write the RDATA (without its length)."""
        for field in type(self).FIELDS:
            field.write(field.get(self), writer)

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        """The record whose RDATA `reader` reads, from a master file. Raises ZoneFileError, and
        DnsError.InvalidValue where fields contradict each other."""
        made = cls.__new__(cls)
        _put_name(made, name)
        _put_ttl(made, ttl)
        _put_class(made, rdclass)
        for field in cls.FIELDS:
            field.put(made, field.parse(reader))
        if cls.HAS_RULES:
            made._check()
        return made

    def rdata_text(self) -> str:
        """The RDATA as dig prints it: absolute names, quoted strings."""
        words = [field.text(field.get(self)) for field in type(self).FIELDS]
        return " ".join(words if all(words) else filter(None, words))

    def styled_text(self, style: Style) -> str:
        """The RDATA as `style` has it."""
        from netkit.dns.style import shaped_text

        if style.is_plain:
            return self.rdata_text()
        return style.generic_text(self.rdata_wire()) if style.generic else shaped_text(self, style)

    @property
    def omitted(self) -> str:
        """What stands for a digest, a signature or a key that is not shown."""
        return "[omitted]"

    @property
    def fields(self) -> dict[str, Any]:
        """The RDATA's fields by name, in their order."""
        return {field.name: field.get(self) for field in type(self).FIELDS}

    def json_fields(self) -> dict[str, object]:
        """The same as JSON has them: octets in base64 under a key with `_b64`, moments by RFC 3339."""
        return {field.key: field.json(field.get(self)) for field in type(self).FIELDS}

    @classmethod
    def json_schema(cls) -> Schema:
        """The JSON Schema of `json_fields`."""
        return json_schema_of(cls)

    def canonical_wire(self) -> bytes:
        """The RDATA in canonical form: no name compressed, and those of old types in lower case.

        RFC 4034 section 6.2 (3), with the list of RFC 6840 section 5.1.
        """
        writer = WireWriter(compress=False)
        for field in type(self).FIELDS:
            field.write_canonical(field.get(self), writer)
        return bytes(writer.data)

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


_put_name, _put_ttl, _put_class = (
    vars(DnsRecord)[attribute].__set__ for attribute in ("name", "ttl", "rdclass")
)


def record_class(rdtype: int, rdclass: int) -> type[DnsRecord] | None:
    """The class for records of this type in this class; None where only `DnsRecord.Unknown` will do."""
    variant = variant_of(rdtype)
    if variant is None or (variant.only_in or rdclass) != rdclass:
        return None
    # RFC 2136 section 2.4: in these two an update has RDATA that is empty or only to be compared. The records
    # about a message have no other class than ANY (RFC 8945 section 4.2, RFC 2930 section 2).
    if rdclass in (DnsClass.NONE, DnsClass.ANY) and rdtype not in _OF_MESSAGES:
        return None
    return variant.load()


_OF_MESSAGES = (DnsRecordType.TSIG, DnsRecordType.TKEY)


def record_from_wire(
    name: Name, rdtype: DnsRecordType, rdclass: DnsClass, ttl: int, reader: WireReader
) -> DnsRecord:
    """The record whose RDATA is what `reader` is restricted to.

    Raises DnsError.InvalidResponse with the field's name and offset.
    """
    cls = record_class(rdtype, rdclass)
    if cls is not None:
        start = reader.offset
        try:
            return cls.from_wire(name, ttl, rdclass, reader)
        except KeepAsOctets:
            reader.offset = start
    return DnsRecord.Unknown(name, ttl, rdtype, reader.rest(), rdclass)


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
