"""Making records of values that a decoder has read by letters (`netkit.dns.messages.layout`), without checks.

It is most of the time of decoding, and therefore done by hand: slots are set by their own descriptors, and
an address gets its number without the constructor, which would look at what kind of argument it has. A test
holds that such an address is equal to one made by the constructor.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from netkit.addr import Ipv4Addr, Ipv6Addr
from netkit.dns.constants import DnsClass, DnsRecordType, Opcode, Rcode
from netkit.dns.edns import Edns
from netkit.dns.errors import DnsError
from netkit.dns.messages.header import Question
from netkit.dns.messages.wire import WireReader
from netkit.dns.name import Name
from netkit.dns.records.base import DnsRecord, record_class

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.dns.records.fields import Field

#: Makes a record of a name, a TTL, a class, and the values of its fields; None if they contradict each other.
Maker: TypeAlias = "Callable[[Name, int, DnsClass, Sequence[Any]], DnsRecord | None]"
#: Makes what a record holds of what the decoder has.
Convert: TypeAlias = "Callable[[Any], object]"

#: The class of almost all records.
INTERNET = DnsClass.IN
#: The members for all values of the header's four bits.
OPCODES = tuple(map(Opcode, range(16)))
RCODES = tuple(map(Rcode, range(16)))

# How many of what recurs from message to message are kept; others are made each time.
_KEPT = 256
_new = object.__new__
_rdtype = lru_cache(_KEPT)(DnsRecordType)
_rdclass = lru_cache(_KEPT)(DnsClass)
_put_question = [vars(Question)[field].__set__ for field in ("name", "rdtype", "rdclass")]
_put_name, _put_ttl, _put_class = (vars(DnsRecord)[field].__set__ for field in ("name", "ttl", "rdclass"))


def maker_of(cls: type[DnsRecord]) -> Maker:
    """The function that makes records of a class."""
    fields = [(field.put, converted(field)) for field in cls.FIELDS]
    has_rules = cls.HAS_RULES
    if len(fields) == 1 and not has_rules:
        [(put, convert)] = fields
        return _of_one(cls, put, convert)

    def make(name: Name, ttl: int, rdclass: DnsClass, values: Sequence[Any]) -> DnsRecord | None:
        record = _new(cls)
        _put_name(record, name)
        _put_ttl(record, ttl)
        _put_class(record, rdclass)
        for (put, convert), value in zip(fields, values, strict=True):
            put(record, value if convert is None else convert(value))
        if has_rules:
            try:
                record.hold_rules()
            except DnsError.InvalidValue:
                return None
        return record

    return make


def _of_one(cls: type[DnsRecord], put: Callable[[object, Any], None], convert: Convert | None) -> Maker:
    """The same for a class of one field, as most records of an answer have."""
    if convert is None:

        def make_as_it_is(name: Name, ttl: int, rdclass: DnsClass, values: Sequence[Any]) -> DnsRecord:
            record = _new(cls)
            _put_name(record, name)
            _put_ttl(record, ttl)
            _put_class(record, rdclass)
            put(record, values[0])
            return record

        return make_as_it_is

    def make(name: Name, ttl: int, rdclass: DnsClass, values: Sequence[Any]) -> DnsRecord:
        record = _new(cls)
        _put_name(record, name)
        _put_ttl(record, ttl)
        _put_class(record, rdclass)
        put(record, convert(values[0]))
        return record

    return make


def converted(field: Field[Any, Any]) -> Convert | None:
    """What makes the value of a field; None where the decoder's value is the record's."""
    if not field.is_raw:
        return None
    # Of fields that are numbers, only a type is not the number itself.
    known: dict[str | None, Convert] = {"4": ipv4, "6": ipv6, "H": _rdtype}
    convert: Convert = known.get(field.layout, field.from_raw)
    return convert


def question(name: Name, rdtype: int, rdclass: int) -> Question:
    """A question."""
    made = _new(Question)
    _put_question[0](made, name)
    _put_question[1](made, _rdtype(rdtype))
    _put_question[2](made, _rdclass(rdclass))
    return made


def unknown(name: Name, ttl: int, rdtype: int, rdata: bytes, rdclass: DnsClass) -> DnsRecord:
    """A record of a type that has no class."""
    cls = DnsRecord.Unknown
    record = _new(cls)
    _put_name(record, name)
    _put_ttl(record, ttl)
    _put_class(record, rdclass)
    slots = vars(cls)
    slots["rdtype"].__set__(record, _rdtype(rdtype))
    slots["rdata"].__set__(record, rdata)
    return record


@lru_cache(_KEPT)
def edns(payload_size: int, ttl: int) -> Edns:
    """The EDNS of an OPT record without options, which are mostly the same few."""
    return Edns.from_wire(payload_size, ttl, WireReader(b""))


def ipv4(octets: bytes) -> Ipv4Addr:
    """The address of four octets."""
    address = _new(Ipv4Addr)
    address._ip = int.from_bytes(octets, "big")  # type: ignore[attr-defined]  # of the standard library
    return address


def ipv6(octets: bytes) -> Ipv6Addr:
    """The address of sixteen octets, without a zone."""
    address = _new(Ipv6Addr)
    address._ip = int.from_bytes(octets, "big")  # type: ignore[attr-defined]
    address._scope_id = None  # type: ignore[attr-defined]
    return address


class _Slots(NamedTuple):
    """What the Rust twin makes the records of a type of."""

    letters: str | None
    cls: type[DnsRecord]
    put: list[Callable[[object, Any], None]]
    convert: list[Convert | None]
    has_rules: bool


def slots_of(rdtype: int) -> _Slots | None:
    """What the records of a type in class IN are made of; None for a type without a class.

    The letters of its RDATA (None where only `from_wire` can read it), its class, for each field what sets
    its slot and what its value is converted by, and whether fields may contradict each other.
    """
    cls = record_class(rdtype, INTERNET)
    if cls is None:
        return None
    put = [field.put for field in cls.FIELDS]
    return _Slots(cls.LAYOUT, cls, put, list(map(converted, cls.FIELDS)), cls.HAS_RULES)


class _Tools(NamedTuple):
    """What the Rust twin makes other values with."""

    new: Callable[[type], object]
    put_name: Callable[[object, Name], None]
    put_ttl: Callable[[object, int], None]
    put_class: Callable[[object, DnsClass], None]
    internet: DnsClass
    ipv4: type[Ipv4Addr]
    ipv6: type[Ipv6Addr]
    name: type[Name]
    question: type[Question]
    put_question: list[Callable[[object, Any], None]]
    rdtype: type[DnsRecordType]
    rdtypes: list[DnsRecordType]
    rdclass: type[DnsClass]
    unknown: Callable[[Name, int, int, bytes, DnsClass], DnsRecord]
    edns: Callable[[int, int], Edns]
    opcodes: tuple[Opcode, ...]
    rcodes: tuple[Rcode, ...]
    rcode: type[Rcode]


def tools() -> _Tools:
    """These things; the twin asks once."""
    return _Tools(
        _new,
        _put_name,
        _put_ttl,
        _put_class,
        INTERNET,
        Ipv4Addr,
        Ipv6Addr,
        Name,
        Question,
        _put_question,
        DnsRecordType,
        list(map(DnsRecordType, range(_KEPT))),
        DnsClass,
        unknown,
        edns,
        OPCODES,
        RCODES,
        Rcode,
    )
