"""A zone's data, and the answers of a server to questions about the zone: `Zone.find`.

RFC 1034 sections 4.3.2 (the algorithm) and 3.6.2 (CNAME); RFC 2181 section 10.1;
RFC 2308 (negative answers); RFC 4592 (wildcards); RFC 6604 (the response code of a chain); RFC 8020 (no name
exists under a name that does not exist; a name with names under it exists, even without records).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from netkit.dns.constants import DnsClass, DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.wire import MAX_MESSAGE, WireWriter
from netkit.dns.name import Name
from netkit.dns.records.base import DnsRecord
from netkit.dns.rrset import RRset

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The longest chain of aliases that is followed for one question.
MAX_CNAMES = 16

_T = DnsRecordType
# RFC 4034 section 3: what may stand beside a CNAME (RRSIG, NSEC, and KEY, SIG, NXT of RFC 2535).
_BESIDE_CNAME = frozenset((_T.CNAME, _T.RRSIG, _T.NSEC, _T.KEY, _T.SIG, _T.NXT))

# Types of few octets that any name may have, if it has no alias.
_SIMPLE = frozenset((_T.A, _T.NS, _T.PTR, _T.MX, _T.AAAA, _T.SRV))


class ZoneAnswer(NamedTuple):
    """A zone's answer to a question: the sections of the response, and the kind of answer.

    `kind` is about the last name of a chain of aliases: "answer"; "nodata" (the name exists, but not the
    type); "nxdomain"; "delegation" (other servers have the name: `authority` lists them, `additional` has
    their addresses); "elsewhere" (not in this zone). `authoritative` is the AA bit, which is about the first
    name (RFC 1035 section 4.1.1).
    """

    kind: Literal["answer", "nodata", "nxdomain", "delegation", "elsewhere"]
    authoritative: bool = True
    answer: tuple[DnsRecord, ...] = ()
    authority: tuple[DnsRecord, ...] = ()
    additional: tuple[DnsRecord, ...] = ()

    @property
    def rcode(self) -> Rcode:
        """The response code: NXDOMAIN, REFUSED for a question that is not about this zone, or NOERROR."""
        if self.kind == "nxdomain":
            return Rcode.NXDOMAIN
        return Rcode.REFUSED if self.kind == "elsewhere" and not self.answer else Rcode.NOERROR


class Zone:
    """The records of a zone: `origin` (its name), `rdclass`, `soa`, `rrsets` by (name, type).

    `parse_zone` or a `ZoneBuilder` makes it. Do not change it; several threads may read it.
    """

    __slots__ = ("_types", "origin", "rdclass", "rrsets", "soa")

    def __init__(
        self, origin: Name, soa: DnsRecord.SOA, rrsets: dict[tuple[Name, DnsRecordType], RRset]
    ) -> None:
        self.origin = origin
        self.rdclass = soa.rdclass
        self.soa = soa
        self.rrsets = rrsets
        # The types at each name that exists, none at one that has only names under it (RFC 4592 section
        # 2.2.2: an empty non-terminal exists).
        self._types: dict[Name, list[DnsRecordType]] = {}
        types, last, at_last = self._types, None, []
        for name, rdtype in rrsets:
            if name is last:
                at_last.append(rdtype)
                continue
            at_name = types.get(name)
            last, at_last = name, at_name or [rdtype]
            if at_name is not None:
                at_name.append(rdtype)
                continue
            types[name] = at_last
            while name != origin:
                name = name.parent
                if name in types:
                    break
                types[name] = []

    def find(self, name: Name, rdtype: int) -> ZoneAnswer:
        """Return this zone's answer to a question for `name` and `rdtype` (ANY: all types).

        It follows aliases inside the zone, at most MAX_CNAMES of them. RFC 1034 section 4.3.2.
        """
        answer: list[DnsRecord] = []
        seen: set[Name] = set()
        while name.is_subdomain_of(self.origin):
            owner, cut = self._descend(name, rdtype)
            if cut is not None:
                servers = self.rrsets[cut, _T.NS].records
                return ZoneAnswer(
                    "delegation", bool(answer), tuple(answer), servers, self._addresses(servers)
                )
            if owner is None:
                return ZoneAnswer("nxdomain", True, tuple(answer), (self._negative_soa(),))
            types = self._types[owner]
            if _T.CNAME in types and rdtype not in (_T.CNAME, _T.ANY):
                alias = self._records(owner, _T.CNAME, name)[0]
                answer.append(alias)
                seen.add(name)
                assert isinstance(alias, DnsRecord.CNAME)
                name = alias.canonical
                if name in seen or len(seen) >= MAX_CNAMES:
                    return ZoneAnswer("answer", True, tuple(answer))
                continue
            wanted = types if rdtype == _T.ANY else [known for known in types if known == rdtype]
            found = [record for known in wanted for record in self._records(owner, known, name)]
            if not found:
                return ZoneAnswer("nodata", True, tuple(answer), (self._negative_soa(),))
            answer += found
            return ZoneAnswer("answer", True, tuple(answer), (), self._addresses(answer))
        return ZoneAnswer("elsewhere", bool(answer), tuple(answer))

    def _descend(self, name: Name, rdtype: int) -> tuple[Name | None, Name | None]:
        """Whose records answer for `name` (its own, a wildcard's, None), or where the zone is cut."""
        top, bottom = len(self.origin.labels), len(name.labels)
        for depth in range(top, bottom + 1):
            node = name.suffix(depth)
            types = self._types.get(node)
            if types is None:
                # RFC 4592 section 3.3.1: only the wildcard under the closest name that exists counts.
                wildcard = Name((b"*", *name.suffix(depth - 1).labels))
                return (wildcard if wildcard in self._types else None), None
            # RFC 4035 section 3.1.4.1: a DS is the parent's word on the cut, so the parent has it.
            if depth > top and _T.NS in types and not (depth == bottom and rdtype == _T.DS):
                return None, node
        return name, None

    def _records(self, owner: Name, rdtype: DnsRecordType, name: Name) -> tuple[DnsRecord, ...]:
        """Return the records at `owner`; if `owner` is a wildcard, with `name` as their owner."""
        records = self.rrsets[owner, rdtype].records
        if owner == name:
            return records
        return tuple([record.replace(name=name) for record in records])

    def _negative_soa(self) -> DnsRecord.SOA:
        # RFC 2308 section 3: its TTL says how long the absence may be remembered.
        return self.soa.replace(ttl=min(self.soa.ttl, self.soa.minimum))

    def _addresses(self, records: Iterable[DnsRecord]) -> tuple[DnsRecord, ...]:
        """The addresses this zone has, glue included, of the hosts that records name."""
        hosts: dict[Name, None] = {}
        present = set()
        for record in records:
            present.add((record.name, record.rdtype))
            match record:
                case DnsRecord.NS(nameserver=host) | DnsRecord.MX(exchange=host) | DnsRecord.SRV(target=host):
                    hosts[host] = None
        found: list[DnsRecord] = []
        for host in hosts:
            for rdtype in (_T.A, _T.AAAA):
                if (host, rdtype) in self.rrsets and (host, rdtype) not in present:
                    found += self.rrsets[host, rdtype].records
        return tuple(found)

    def to_text(self) -> str:
        """The zone as a master file that `parse_zone` reads: the SOA first, then in canonical order."""
        ordered = sorted(self.rrsets, key=lambda key: (key[0], key[1] != _T.SOA, key[1]))
        return "".join([f"{record}\n" for key in ordered for record in self.rrsets[key]])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Zone):
            return NotImplemented
        return self.origin == other.origin and self.rrsets == other.rrsets

    __hash__ = None  # type: ignore[assignment]  # it holds a dictionary

    def __repr__(self) -> str:
        return f"<Zone {self.origin} {self.rdclass}, {len(self.rrsets)} record sets>"


class ZoneBuilder:
    """Builds a zone from records, and refuses records that are not allowed in it.

    Both methods raise DnsError.InvalidValue.
    """

    def __init__(self, origin: Name | str) -> None:
        self._origin = Name.of(origin)
        self._soa: DnsRecord.SOA | None = None
        self._names: dict[Name, _Sets] = {}
        self._class: DnsClass | None = None
        # Most records have the owner of the record before.
        self._last_name: Name | None = None
        self._last_sets: _Sets = {}

    def add(self, record: DnsRecord) -> None:
        """Add one record. Adding the same record again has no effect (RFC 2181 section 5)."""
        name, rdtype = record.name, record.rdtype
        sets = self._last_sets if name is self._last_name else self._sets_of(record, name)
        if record.rdclass is not self._class:
            self._check_class(record)
        before = sets.get(rdtype)
        if before is None:
            if sets or rdtype not in _SIMPLE:
                self._check_new(record, rdtype, sets)
            if rdtype not in _SIMPLE:
                self._check_size(record)
            if not sets:
                self._names[name] = sets
            sets[rdtype] = record
        elif isinstance(before, dict):
            self._add_another(record, before)
        else:
            both = {_data_of(before): before}
            self._add_another(record, both)
            if len(both) > 1:
                sets[rdtype] = both
        self._last_name, self._last_sets = name, sets

    def finish(self) -> Zone:
        """Return the zone of all added records."""
        if self._soa is None:
            raise DnsError.InvalidValue("zone", str(self._origin), f"no SOA record for {self._origin}")
        rrsets = {
            (name, rdtype): RRset.of_distinct((found,) if isinstance(found, DnsRecord) else found.values())
            for name, sets in self._names.items()
            for rdtype, found in sets.items()
        }
        return Zone(self._origin, self._soa, rrsets)

    def _sets_of(self, record: DnsRecord, name: Name) -> _Sets:
        sets = self._names.get(name)
        if sets is not None:
            return sets
        if not name.is_subdomain_of(self._origin):
            raise self._misfit(record, f"{name} is not in the zone {self._origin}")
        return {}

    def _add_another(self, record: DnsRecord, before: dict[_Data, DnsRecord]) -> None:
        """Add a record beside others of its name and type."""
        data = _data_of(record)
        if data in before:
            return
        if record.rdtype == _T.SOA:
            raise self._misfit(record, "a second SOA record: a zone has one")
        if record.rdtype == _T.CNAME:
            raise self._misfit(record, f"a second CNAME record for {record.name}: a name has one")
        self._check_size(record)
        before[data] = record

    def _check_class(self, record: DnsRecord) -> None:
        if self._class is not None and record.rdclass != self._class:
            raise self._misfit(record, f"class {record.rdclass} in a zone of class {self._class}")
        self._class = record.rdclass

    def _check_new(self, record: DnsRecord, rdtype: DnsRecordType, sets: _Sets) -> None:
        """Refuse the first record of a type at a name that must not have it."""
        if rdtype == _T.OPT or 128 <= rdtype <= 255 or rdtype == 0:
            # RFC 6895 section 3.1: these are for questions and messages, never data.
            raise self._misfit(record, f"{rdtype} records do not belong in a zone")
        if rdtype == _T.SOA:
            if record.name != self._origin:
                raise self._misfit(record, f"an SOA record for {record.name} in the zone {self._origin}")
            assert isinstance(record, DnsRecord.SOA)
            self._soa = record
        if not sets:
            return
        if rdtype == _T.CNAME:
            if not sets.keys() <= _BESIDE_CNAME:
                raise self._misfit(record, f"{record.name} has other records: a CNAME stands alone")
        elif _T.CNAME in sets and rdtype not in _BESIDE_CNAME:
            raise self._misfit(record, f"{record.name} has a CNAME record: nothing can stand beside it")

    def _check_size(self, record: DnsRecord) -> None:
        """Refuse a record that is too large for a response with a header and a question for its name."""
        writer = WireWriter()
        record.to_wire(writer)
        rdlength = len(writer.data)
        if rdlength < MAX_MESSAGE // 2:
            return
        name = len(record.name.to_wire())
        rest = 12 + (name + 4) + (min(name, 2) + 10)  # the record's own name is a pointer to the question's
        if rest + rdlength > MAX_MESSAGE:
            raise self._misfit(
                record, f"{rdlength:,} octets of data: no message of {MAX_MESSAGE:,} octets can carry them"
            )

    @staticmethod
    def _misfit(record: DnsRecord, reason: str) -> DnsError.InvalidValue:
        return DnsError.InvalidValue("record", str(record), reason)


# What a record says without its name and TTL: equal for what is there twice.
_Data: TypeAlias = tuple[object, ...]
# The records at a name: of each type the only one, or all by what they say.
_Sets: TypeAlias = "dict[DnsRecordType, DnsRecord | dict[_Data, DnsRecord]]"


def _data_of(record: DnsRecord) -> _Data:
    if isinstance(record, DnsRecord.Unknown):
        return DnsRecord.Unknown, record.rdata
    cls = type(record)
    return cls, *[field.get(record) for field in cls.FIELDS]
