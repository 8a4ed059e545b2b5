"""The names of a zone as a tree: which exist, and where what is below one is not the zone's to answer.

RFC 1034 section 4.3.2 (cuts), RFC 4592 section 2.2.2 (a name with names under it exists, without records
too), RFC 6672 section 2.4 (nothing is below a DNAME), RFC 5155 section 7.2.8 (a hash is not a name).

Names are looked up by their folded octets: those of a name's parent are the same without the first label, so
that no `Name` is made on the way. A node is made when its name is first asked for: most of a large zone never
is.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from netkit.dns.name import Name
    from netkit.dns.rrset import RRset

_T = DnsRecordType
# A large zone has many nodes, and most are without signatures.
_UNSIGNED: Mapping[int, tuple[DnsRecord, ...]] = MappingProxyType({})


class Node:
    """A name that exists: `sets` are its records by type, `signatures` those of its RRSIG records by the type
    that they cover.

    `is_cut` says that other servers have this name (NS), `dname` is the DNAME record. `above` is the highest
    node over this one that is a cut or has a DNAME: whoever asks for this name is answered by that one.
    `addresses` is made as it is needed: those of the hosts that the records of a type name.
    """

    __slots__ = ("above", "addresses", "dname", "folded", "is_cut", "sets", "signatures")

    def __init__(self, folded: bytes, rrsets: list[RRset], above: Node | None, *, is_top: bool) -> None:
        self.folded = folded
        self.above = above
        self.sets = sets = {int(rrset.rdtype): rrset.records for rrset in rrsets}
        self.signatures = _signatures(sets[_T.RRSIG]) if _T.RRSIG in sets else _UNSIGNED
        self.addresses: dict[int, tuple[DnsRecord, ...]] | None = None
        self.is_cut = not is_top and _T.NS in sets
        # RFC 6672 section 2.3 forbids a DNAME at a cut: it would be for the servers there to have it.
        dname = sets[_T.DNAME][0] if _T.DNAME in sets and not self.is_cut else None
        self.dname = dname if isinstance(dname, DnsRecord.DNAME) else None

    @property
    def stop(self) -> Node | None:
        """The node that answers for what is below this one, if this one's records do not count there."""
        return self.above or (self if self.is_cut or self.dname is not None else None)


def _signatures(records: Iterable[DnsRecord]) -> dict[int, tuple[DnsRecord, ...]]:
    """RRSIG records by the type that they cover."""
    found: dict[int, tuple[DnsRecord, ...]] = {}
    for record in records:
        if isinstance(record, DnsRecord.RRSIG):
            covered = record.type_covered
            found[covered] = (*found.get(covered, ()), record)
    return found


class Tree:
    """The nodes of a zone: of its `origin`, of the owners of records, and of the names between."""

    __slots__ = ("_nodes", "_rrsets", "_top", "hashed")

    def __init__(self, origin: Name, rrsets: Mapping[tuple[Name, DnsRecordType], RRset]) -> None:
        self._top = top = origin.folded
        self._nodes: dict[bytes, Node] = {}
        self._rrsets: dict[bytes, list[RRset]] = {}
        #: The owners of NSEC3 records, with what they have: those are hashes of names.
        self.hashed: dict[bytes, list[RRset]] = {}
        hashes: list[bytes] = []
        known, last, at_last = self._rrsets, None, []
        for (name, rdtype), rrset in rrsets.items():
            if name is last:
                at_last.append(rrset)
            else:
                folded = name.folded
                at_name = known.get(folded)
                last, at_last = name, [rrset] if at_name is None else at_name
                if at_name is not None:
                    at_name.append(rrset)
                else:
                    known[folded] = at_last
                    while folded != top:
                        folded = folded[1 + folded[0] :]
                        if folded in known:
                            break
                        known[folded] = []
            if rdtype == _T.NSEC3:
                hashes.append(name.folded)
        for folded in hashes:
            self.hashed[folded] = at_hash = known.pop(folded)
            others = [rrset for rrset in at_hash if rrset.rdtype not in (_T.NSEC3, _T.RRSIG)]
            if others:
                known[folded] = others

    @property
    def top(self) -> Node:
        """The node of the zone's own name."""
        node = self.node(self._top)
        assert node is not None
        return node

    def names(self) -> Iterator[bytes]:
        """All names that exist."""
        return iter(self._rrsets)

    def node(self, folded: bytes) -> Node | None:
        """Return the node of a name; None if the name does not exist."""
        node = self._nodes.get(folded)
        if node is not None:
            return node
        rrsets = self._rrsets.get(folded)
        if rrsets is None:
            return None
        # From the top down, because each needs what is above; none is deeper than 127 labels.
        missing = [folded]
        while missing[-1] != self._top:
            parent = missing[-1][1 + missing[-1][0] :]
            if parent in self._nodes:
                break
            missing.append(parent)
        while missing:
            at = missing.pop()
            is_top = at == self._top
            above = None if is_top else self._nodes[at[1 + at[0] :]].stop
            self._nodes[at] = node = Node(at, self._rrsets[at], above, is_top=is_top)
        return node

    def closest(self, folded: bytes) -> Node | None:
        """Return the node of the closest name over one that does not exist; None outside the zone."""
        room = len(folded) - len(self._top)
        at = 0
        while at < room:
            at += 1 + folded[at]
            node = self.node(folded[at:])
            if node is not None:
                return node
        return None
