"""The records of a signed zone that prove what it does not have: `Denial`, by NSEC or by NSEC3.

RFC 4035 section 3.1.3 (NSEC) and RFC 5155 section 7.2 (NSEC3). The zone is taken as its signer left it: where
a record of the proof is missing, the answer comes without.

Names are folded octets, as in `netkit.dns.zones.tree`. Each method returns records with their signatures.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from hashlib import sha1
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netkit.dns.rrset import RRset
    from netkit.dns.zones.tree import Tree

_T = DnsRecordType
_SHA1 = 1
#: How many hashes of names are kept: each costs as many rounds as the zone wants.
_KEPT = 1024
_BASE32HEX = b"0123456789abcdefghijklmnopqrstuv"

#: What orders a chain: a hash, or the labels of a name.
_K = TypeVar("_K", bytes, tuple[bytes, ...])
#: The record of a chain with its signatures.
_Link = tuple[DnsRecord, ...]


class Denial(Protocol):
    """What proves that something is not in the zone."""

    def no_name(self, name: bytes, closest: bytes) -> list[DnsRecord]:
        """That `name` does not exist, and no wildcard either; `closest` is the closest name that does."""

    def no_type(self, name: bytes) -> list[DnsRecord]:
        """That `name` exists without the type asked for."""

    def no_type_by_wildcard(self, name: bytes, closest: bytes) -> list[DnsRecord]:
        """That `name` does not exist, and the wildcard under `closest` is without the type."""

    def no_closer(self, name: bytes, closest: bytes) -> list[DnsRecord]:
        """That `name` does not exist, so that the wildcard under `closest` stands for it."""


def denial_of(tree: Tree) -> Denial | None:
    """The proofs of a zone; None for one that is not signed.

    A zone with both kinds is about to change from one to the other: NSEC is whole then, if the top has it.
    """
    top = tree.top
    if _T.RRSIG not in top.sets:
        return None
    if _T.NSEC in top.sets:
        return _ByName(tree)
    for parameters in top.sets.get(_T.NSEC3PARAM, ()):
        # RFC 5155 section 4.1.2: with flags, the chain is not whole.
        if (
            isinstance(parameters, DnsRecord.NSEC3PARAM)
            and parameters.algorithm == _SHA1
            and not parameters.flags
        ):
            return _ByHash(tree, parameters)
    return _WithoutProof()


class _WithoutProof:
    """A zone with signatures and without a chain."""

    def no_name(self, name: bytes, closest: bytes) -> list[DnsRecord]:  # noqa: ARG002
        return []

    def no_type(self, name: bytes) -> list[DnsRecord]:  # noqa: ARG002
        return []

    no_type_by_wildcard = no_closer = no_name


class _Chain(Generic[_K]):
    """Links in a ring, each from its own key to the next."""

    def __init__(self, links: Mapping[_K, _Link]) -> None:
        self._keys: list[_K] = sorted(links)
        self._links: Mapping[_K, _Link] = links

    def at(self, key: _K) -> _Link:
        """The link that begins at a key; nothing where none does."""
        return self._links.get(key, ())

    def over(self, key: _K) -> _Link:
        """The link that a key is within, or at the begin of."""
        # Before the first is behind the last.
        return self._links[self._keys[bisect_right(self._keys, key) - 1]] if self._keys else ()


class _ByName:
    """RFC 4035 section 3.1.3: the names in canonical order."""

    def __init__(self, tree: Tree) -> None:
        links = {}
        for name in tree.names():
            node = tree.node(name)
            if node is not None and _T.NSEC in node.sets:
                links[_order(name)] = (*node.sets[_T.NSEC], *node.signatures.get(_T.NSEC, ()))
        self._chain: _Chain[tuple[bytes, ...]] = _Chain(links)

    def no_name(self, name: bytes, closest: bytes) -> list[DnsRecord]:
        return [*self._chain.over(_order(name)), *self._chain.over(_order(b"\1*" + closest))]

    def no_type(self, name: bytes) -> list[DnsRecord]:
        # A name without records has no link of its own: that over it leads to a name below it.
        return list(self._chain.over(_order(name)))

    def no_type_by_wildcard(self, name: bytes, closest: bytes) -> list[DnsRecord]:
        return self.no_name(name, closest)

    def no_closer(self, name: bytes, closest: bytes) -> list[DnsRecord]:  # noqa: ARG002
        return list(self._chain.over(_order(name)))


def _order(name: bytes) -> tuple[bytes, ...]:
    """What sorts names in canonical order (RFC 4034 section 6.1)."""
    labels = []
    at = 0
    while name[at]:
        after = at + 1 + name[at]
        labels.append(name[at + 1 : after])
        at = after
    return tuple(reversed(labels))


class _ByHash:
    """RFC 5155 section 7.2: the hashes of names in their order."""

    def __init__(self, tree: Tree, parameters: DnsRecord.NSEC3PARAM) -> None:
        wanted = parameters.algorithm, parameters.iterations, parameters.salt
        links = {}
        for name, rrsets in tree.hashed.items():
            link = _link_by_hash(rrsets, wanted)
            if link:
                links[name[1 : 1 + name[0]]] = link
        self._chain: _Chain[bytes] = _Chain(links)
        self._hash = lru_cache(_KEPT)(lambda name: _hashed(name, parameters.salt, parameters.iterations))

    def no_name(self, name: bytes, closest: bytes) -> list[DnsRecord]:
        return [*self._closest(name, closest), *self._chain.over(self._hash(b"\1*" + closest))]

    def no_type(self, name: bytes) -> list[DnsRecord]:
        own = self._chain.at(self._hash(name))
        if own:
            return list(own)
        # Opt-Out: the name is, or is only over, a delegation that nobody signed (sections 7.2.4 and 7.2.7).
        closest = name
        while closest != b"\0" and not self._chain.at(self._hash(closest)):
            closest = closest[1 + closest[0] :]
        return self._closest(name, closest)

    def no_type_by_wildcard(self, name: bytes, closest: bytes) -> list[DnsRecord]:
        return [*self._closest(name, closest), *self._chain.at(self._hash(b"\1*" + closest))]

    def no_closer(self, name: bytes, closest: bytes) -> list[DnsRecord]:
        return list(self._chain.over(self._hash(_next_closer(name, closest))))

    def _closest(self, name: bytes, closest: bytes) -> list[DnsRecord]:
        """Section 7.2.1: that `closest` exists, and nothing between it and `name`."""
        return [*self._chain.at(self._hash(closest)), *self.no_closer(name, closest)]


def _next_closer(name: bytes, closest: bytes) -> bytes:
    """The name of one label more than `closest` on the way to `name`."""
    while len(name) > len(closest) + 1 + name[0]:
        name = name[1 + name[0] :]
    return name


def _link_by_hash(rrsets: Iterable[RRset], wanted: tuple[int, int, bytes]) -> _Link:
    """The record of a chain, which has the zone's parameters, with its signatures."""
    links: list[DnsRecord] = []
    signatures: list[DnsRecord] = []
    for rrset in rrsets:
        for record in rrset:
            match record:
                case DnsRecord.NSEC3(algorithm=algorithm, iterations=iterations, salt=salt):
                    if (algorithm, iterations, salt) == wanted:
                        links.append(record)
                case DnsRecord.RRSIG(type_covered=_T.NSEC3):
                    signatures.append(record)
    return (*links, *signatures) if links else ()


def _hashed(name: bytes, salt: bytes, iterations: int) -> bytes:
    """A name's hash (RFC 5155 section 5) as a label of base32hex, in which hashes have the same order."""
    digest = sha1(name + salt, usedforsecurity=False).digest()
    for _ in range(iterations):
        digest = sha1(digest + salt, usedforsecurity=False).digest()
    number = int.from_bytes(digest, "big")
    return bytes([_BASE32HEX[number >> shift & 31] for shift in range(155, -5, -5)])
