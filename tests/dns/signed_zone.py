"""Zones that look signed: every set of theirs has an RRSIG, and a chain denies what is not there.

    zone = by_name("$ORIGIN example.\n@ 1 SOA ...")            # NSEC
    zone = by_hash("$ORIGIN example.\n@ 1 SOA ...", opt_out=True)    # NSEC3

The signatures are no signatures: who signs is another matter, and who answers does not check them.
"""

from __future__ import annotations

from hashlib import sha1

from netkit.dns.constants import DnsRecordType as T
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord
from netkit.dns.rrset import RRset
from netkit.dns.zones.builder import ZoneBuilder
from netkit.dns.zones.zone import Zone
from netkit.dns.zones.zonefile import parse_zone

SALT, ITERATIONS = b"\xab\x12", 2


def by_name(text: str) -> Zone:
    """The zone of a text with NSEC records: each name and the next."""
    zone = parse_zone(text)
    owners = sorted({name for name, _ in zone.rrsets if not _is_below_cut(zone, name)})
    chain = [
        DnsRecord.NSEC(name, 60, following, [*_types(zone, name), T.NSEC])
        for name, following in zip(owners, [*owners[1:], owners[0]], strict=True)
    ]
    return _signed(zone, chain)


def by_hash(text: str, *, opt_out: bool = False) -> Zone:
    """The zone of a text with NSEC3 records: each hash and the next, without those of cuts that have no DS
    if `opt_out`."""
    zone = parse_zone(text)
    names: dict[Name, None] = {}
    for name, _ in zone.rrsets:
        if _is_below_cut(zone, name) or (opt_out and _is_cut(zone, name) and (name, T.DS) not in zone.rrsets):
            continue
        while name != zone.origin:
            names[name] = None
            name = name.parent  # names between exist too
    names[zone.origin] = None
    hashes = sorted((hashed(name), name) for name in names)
    chain = [
        DnsRecord.NSEC3(
            owner_of(name, zone.origin), 60, 1, int(opt_out), ITERATIONS, SALT, following, _types(zone, name)
        )
        for (_, name), (following, _) in zip(hashes, [*hashes[1:], hashes[0]], strict=True)
    ]
    return _signed(zone, [DnsRecord.NSEC3PARAM(zone.origin, 0, 1, 0, ITERATIONS, SALT), *chain])


def hashed(name: Name) -> bytes:
    """RFC 5155 section 5."""
    digest = name.folded
    for _ in range(ITERATIONS + 1):
        digest = sha1(digest + SALT).digest()
    return digest


def owner_of(name: Name, origin: Name) -> Name:
    """The owner of the NSEC3 record of a name (RFC 5155 section 3): the hash in base32hex (RFC 4648)."""
    bits = "".join([f"{octet:08b}" for octet in hashed(name)])
    digits = [int(bits[at : at + 5], 2) for at in range(0, 160, 5)]
    label = "".join([(f"{digit}" if digit < 10 else chr(ord("a") + digit - 10)) for digit in digits])
    return Name.parse(label, origin)


def _types(zone: Zone, name: Name) -> list[T]:
    return [rdtype for owner, rdtype in zone.rrsets if owner == name]


def _is_cut(zone: Zone, name: Name) -> bool:
    return name != zone.origin and (name, T.NS) in zone.rrsets


def _is_below_cut(zone: Zone, name: Name) -> bool:
    return any(_is_cut(zone, above) for above in name.ancestors() if above != name)


def _signed(zone: Zone, chain: list[DnsRecord]) -> Zone:
    builder = ZoneBuilder(zone.origin)
    sets = [rrset.records for rrset in zone.rrsets.values()] + [(record,) for record in chain]
    for records in sets:
        for record in records:
            builder.add(record)
        first = records[0]
        if _is_below_cut(zone, first.name) or (_is_cut(zone, first.name) and first.rdtype == T.NS):
            continue  # RFC 4035 section 2.2: neither glue nor the servers of a cut
        labels = len(first.name.labels) - first.name.is_wildcard
        signed = RRset(records)
        rest = labels, first.ttl, 2, 1, 4711, zone.origin, b"not a signature"
        builder.add(DnsRecord.RRSIG(signed.name, signed.ttl, signed.rdtype, 13, *rest))
    return builder.finish()
