"""What a zone answers to a question: `find`, the algorithm of RFC 1034 section 4.3.2.

RFC 1034 section 3.6.2 (CNAME); RFC 2181 section 10.1; RFC 2308 (negative answers); RFC 4035 section 3.1
(what signed zones add); RFC 4592 (wildcards); RFC 6604 (the response code of a chain); RFC 6672 section 3.2
(DNAME); RFC 8020 (no name exists under a name that does not exist); RFC 9460 section 4.1 (SVCB's addresses).

An alias is followed within the zone only, as named and knotd do it: a resolver believes no server about names
outside the zone that it asked for, and asks again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.records.base import DnsRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.dns.name import Name
    from netkit.dns.zones.denial import Denial
    from netkit.dns.zones.tree import Node, Tree

#: The longest chain of aliases that is followed for one question.
MAX_CNAMES = 64

_T = DnsRecordType
#: What asks for the alias itself, wherever it comes from.
_OF_ALIASES = frozenset((_T.CNAME, _T.ANY))
#: What is asked for beside an alias, and not through it: RFC 4035 section 2.5 lets these stand there.
_BESIDE_ALIASES = _OF_ALIASES | {_T.RRSIG, _T.NSEC}
#: The types whose hosts a client asks for next.
NAMES_HOSTS = frozenset((_T.NS, _T.MX, _T.SRV, _T.SVCB, _T.HTTPS))

#: What an answer is; see `ZoneAnswer`.
AnswerKind: TypeAlias = Literal["answer", "nodata", "nxdomain", "delegation", "elsewhere", "toolong"]


class ZoneAnswer(NamedTuple):
    """A zone's answer to a question: the sections of the response, and the kind of answer.

    `kind` is about the last name of a chain of aliases: "answer"; "nodata" (the name exists, but not the
    type); "nxdomain"; "delegation" (other servers have the name: `authority` lists them, `additional` has
    their addresses); "elsewhere" (not in this zone); "toolong" (a DNAME makes a name of over 255 octets).
    `authoritative` is the AA bit, which is about the first name (RFC 1035 section 4.1.1).
    """

    kind: AnswerKind
    authoritative: bool = True
    answer: tuple[DnsRecord, ...] = ()
    authority: tuple[DnsRecord, ...] = ()
    additional: tuple[DnsRecord, ...] = ()

    @property
    def rcode(self) -> Rcode:
        """The response code: NXDOMAIN, YXDOMAIN, REFUSED for a question that is not about this zone, or
        NOERROR."""
        if self.kind == "nxdomain":
            return Rcode.NXDOMAIN
        if self.kind == "toolong":
            return Rcode.YXDOMAIN  # RFC 6672 section 2.2
        return Rcode.REFUSED if self.kind == "elsewhere" and not self.answer else Rcode.NOERROR


def find(tree: Tree, name: Name, rdtype: int, absence: Absence) -> ZoneAnswer:
    """Return a zone's answer to a question for `name` and `rdtype` (ANY: all types).

    Args:
        tree: the names of the zone.
        name: the name asked for.
        rdtype: the type asked for.
        absence: what says that something is not there; signatures and proofs are wanted, if it has `denial`.
    """
    node = tree.node(name.folded)
    if absence.denial is None and node is not None and node.above is None and not node.is_cut:
        records = node.sets.get(rdtype)
        if records is not None:  # most questions
            additional = _unsigned_addresses(tree, node, rdtype) if rdtype in NAMES_HOSTS else ()
            return ZoneAnswer("answer", True, records, (), additional)
    return _Search(tree, rdtype, absence).run(name)


class Absence(NamedTuple):
    """What says that something is not there: the SOA record of the zone with its signatures, and the proofs
    of a signed zone, for a client that wants them with the signatures; else None."""

    soa: tuple[DnsRecord, ...]
    denial: Denial | None

    @classmethod
    def of(cls, tree: Tree, soa: DnsRecord.SOA, denial: Denial | None) -> Absence:
        """The same of a zone. The TTL says how long absence may be remembered (RFC 2308 section 3)."""
        ttl = min(soa.ttl, soa.minimum)
        signatures = () if denial is None else tree.top.signatures.get(_T.SOA, ())
        return cls(tuple([record.replace(ttl=ttl) for record in (soa, *signatures)]), denial)


class _Place(NamedTuple):
    """Where a name is in a zone.

    `node` has the records for the name: its own node, or that of the wildcard that stands for it; None if
    there is neither. `closest` is the node over a name that does not exist, else None. `stop` is the cut or
    the DNAME that answers instead.
    """

    node: Node | None
    closest: Node | None
    stop: Node | None


class _Search:
    """A walk along the aliases of a zone, with what was found on the way."""

    __slots__ = ("_answer", "_denial", "_negative_soa", "_proofs", "_rdtype", "_tree")

    def __init__(self, tree: Tree, rdtype: int, absence: Absence) -> None:
        self._tree = tree
        self._rdtype = rdtype
        self._negative_soa = absence.soa
        self._denial = absence.denial
        self._answer: list[DnsRecord] = []
        self._proofs: list[DnsRecord] = []

    def run(self, name: Name) -> ZoneAnswer:
        """The answer for a name."""
        rdtype = self._rdtype
        seen: set[Name] = set()
        while True:
            place = self._place(name)
            if place is None:
                return self._made("elsewhere", authoritative=bool(self._answer))
            if place.stop is not None and place.stop.dname is not None:
                target = self._moved(name, place.stop.dname, place.stop)
                if target is None:
                    return self._made("toolong")
                # A tree that is moved into itself has no end.
                is_endless = place.stop.dname.target.is_subdomain_of(place.stop.dname.name)
            elif place.stop is not None:
                return self._referral(place.stop)
            elif place.node is None:
                return self._negative("nxdomain", name, place)
            else:
                alias = None if rdtype in _BESIDE_ALIASES else place.node.sets.get(_T.CNAME)
                found = self._records(name, place.node, rdtype if alias is None else _T.CNAME, place.closest)
                if not found:
                    return self._negative("nodata", name, place)
                if alias is None:
                    addresses = rdtype in NAMES_HOSTS
                    additional = _addresses(self._tree, found, signed=self._is_signed) if addresses else ()
                    return self._made("answer", additional)
                [record] = alias
                assert isinstance(record, DnsRecord.CNAME)
                target, is_endless = record.canonical, False
            seen.add(name)
            name = target
            if rdtype in _OF_ALIASES or is_endless or name in seen or len(seen) >= MAX_CNAMES:
                return self._made("answer")

    @property
    def _is_signed(self) -> bool:
        return self._denial is not None

    def _place(self, name: Name) -> _Place | None:
        """Where a name is; None for outside the zone."""
        folded = name.folded
        node = self._tree.node(folded)
        if node is not None:
            # RFC 4035 section 3.1.4.1: a DS is the parent's word on the cut, so the parent has it.
            is_cut = node.above is None and node.is_cut and self._rdtype != _T.DS
            return _Place(node, None, node if is_cut else node.above)
        closest = self._tree.closest(folded)
        if closest is None:
            return None
        stop = closest.stop
        # RFC 4592 section 3.3.1: only the wildcard under the closest name that exists counts.
        return _Place(None if stop else self._tree.node(b"\1*" + closest.folded), closest, stop)

    def _moved(self, name: Name, dname: DnsRecord.DNAME, owner: Node) -> Name | None:
        """Add a DNAME and the CNAME that it makes of `name` (RFC 6672 section 3.1), and return where that
        leads; None if the new name is too long."""
        if dname not in self._answer:
            self._answer += _signed(owner, _T.DNAME, self._is_signed)
        try:
            target = name.relativize(dname.name).concatenate(dname.target)
        except DnsError.InvalidName:
            return None
        self._answer.append(DnsRecord.CNAME(name, dname.ttl, target, rdclass=dname.rdclass))
        return target

    def _records(self, name: Name, node: Node, rdtype: int, closest: Node | None) -> list[DnsRecord]:
        """Add the records of a type at a node, and return them; a wildcard's have `name` as their owner."""
        if rdtype == _T.ANY:
            records = [record for each in node.sets.values() for record in each]
        else:
            records = _signed(node, rdtype, self._is_signed)
        if closest is not None:
            records = [record.replace(name=name) for record in records]
            if self._denial is not None and records:
                self._proofs += self._denial.no_closer(name.folded, closest.folded)
        self._answer += records
        return records

    def _referral(self, cut: Node) -> ZoneAnswer:
        """The servers of a cut, and in a signed zone its DS records or the proof that there are none."""
        servers = cut.sets[_T.NS]
        self._proofs += servers
        if self._denial is not None:
            self._proofs += _signed(cut, _T.DS, True) or self._denial.no_type(cut.folded)
        additional: Iterable[DnsRecord]
        if self._is_signed:
            additional = _addresses(self._tree, servers, signed=True)
        else:
            additional = _unsigned_addresses(self._tree, cut, _T.NS)
        return self._made("delegation", additional, authoritative=bool(self._answer))

    def _negative(self, kind: Literal["nodata", "nxdomain"], name: Name, place: _Place) -> ZoneAnswer:
        """The zone's SOA, and the proofs of a signed zone."""
        self._proofs += self._negative_soa
        denial, closest = self._denial, place.closest
        if denial is None:
            pass
        elif closest is None:
            self._proofs += denial.no_type(name.folded)
        elif kind == "nodata":
            self._proofs += denial.no_type_by_wildcard(name.folded, closest.folded)
        else:
            self._proofs += denial.no_name(name.folded, closest.folded)
        return self._made(kind)

    def _made(
        self, kind: AnswerKind, additional: Iterable[DnsRecord] = (), *, authoritative: bool = True
    ) -> ZoneAnswer:
        # One record may prove two things.
        authority = tuple(dict.fromkeys(self._proofs)) if self._is_signed else tuple(self._proofs)
        return ZoneAnswer(kind, authoritative, tuple(self._answer), authority, tuple(additional))


def _signed(node: Node, rdtype: int, signed: bool) -> list[DnsRecord]:
    """The records of a type at a node, with their signatures where those are wanted."""
    records = node.sets.get(rdtype)
    if records is None:
        return []
    if signed and rdtype in node.signatures:
        return [*records, *node.signatures[rdtype]]
    return list(records)


def _unsigned_addresses(tree: Tree, node: Node, rdtype: int) -> tuple[DnsRecord, ...]:
    """The addresses that go with the records of a type at a node, found once."""
    if node.addresses is None:
        node.addresses = {}
    found = node.addresses.get(rdtype)
    if found is None:
        found = node.addresses[rdtype] = tuple(_addresses(tree, node.sets[rdtype], signed=False))
    return found


def _addresses(tree: Tree, records: Iterable[DnsRecord], *, signed: bool) -> list[DnsRecord]:
    """The addresses this zone has, glue included, of the hosts that records name.

    Those that a client has from nobody else come first, because a response may not have room for all: of
    servers within what they serve (RFC 9471 section 3.1).
    """
    hosts: dict[Name, None] = {}
    others: dict[Name, None] = {}
    present = set()
    for record in records:
        present.add((record.name, record.rdtype))
        match record:
            case DnsRecord.NS(nameserver=host) if not host.is_subdomain_of(record.name):
                others[host] = None
            case DnsRecord.NS(nameserver=host) | DnsRecord.MX(exchange=host) | DnsRecord.SRV(target=host):
                hosts[host] = None
            case DnsRecord.SVCB(target=host) | DnsRecord.HTTPS(target=host):
                if not host.is_root:
                    hosts[host] = None
                elif not record.is_alias:
                    hosts[record.name] = None
    found: list[DnsRecord] = []
    for host in (*hosts, *others):
        node = tree.node(host.folded)
        if node is None:
            continue
        is_glue = node.is_cut or node.above is not None
        for rdtype in (_T.A, _T.AAAA):
            if rdtype in node.sets and (host, rdtype) not in present:
                found += _signed(node, rdtype, signed and not is_glue)
    return found
