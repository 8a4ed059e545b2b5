"""What a signed zone answers to who wants signatures: RFC 4035 section 3.1, RFC 5155 section 7.2.

That resolvers accept it is shown beside other servers, in tests/interop/test_dns_authority.py.
"""

from __future__ import annotations

import pytest

from netkit.dns.constants import DnsRecordType as T
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord
from netkit.dns.zones.zone import Zone
from netkit.dns.zones.zonefile import parse_zone
from tests.dns.signed_zone import by_hash, by_name, hashed, owner_of

pytestmark = pytest.mark.once

N = Name.parse

TEXT = """
$ORIGIN e.
$TTL 300
@      SOA  ns host 1 2 3 4 60
@      NS   ns
ns     A    192.0.2.1
a.b.c  A    192.0.2.2
*.w    A    192.0.2.3
*.w    MX   10 ns
there.w TXT there
alias  CNAME x.w
gone   CNAME no.w2
*.walias CNAME ns
dn     DNAME w
plain  NS   ns.plain
ns.plain A  192.0.2.4
safe   NS   ns.safe
safe   DS   1 13 250 ABCD
ns.safe A   192.0.2.5
only.under NS ns
"""
NSEC = by_name(TEXT)
NSEC3 = by_hash(TEXT)
OPT_OUT = by_hash(TEXT, opt_out=True)


def proved(zone: Zone, name: str, rdtype: T, section: str = "authority") -> list[str]:
    """What proves an answer: the owner of each NSEC, or the name whose hash an NSEC3 is at or spans; each of
    them and of the other sets is signed."""
    found = zone.find(N(name), rdtype, dnssec=True)
    records = getattr(found, section)
    for record in records:
        if record.rdtype not in (T.RRSIG, T.NS) and not _is_made_of_dname(record, records):
            what = record.name, record.rdtype
            signatures = [each for each in records if isinstance(each, DnsRecord.RRSIG)]
            signatures = [each for each in signatures if (each.name, each.type_covered) == what]
            assert [each.ttl for each in signatures] == [record.ttl], record
    assert len(set(records)) == len(records)
    return [str(record.name) for record in records if record.rdtype in (T.NSEC, T.NSEC3)]


def _is_made_of_dname(record: DnsRecord, records: tuple[DnsRecord, ...]) -> bool:
    return record.rdtype == T.CNAME and any(
        each.rdtype == T.DNAME and record.name.is_subdomain_of(each.name) for each in records
    )


@pytest.mark.parametrize(
    ("name", "rdtype", "owners"),
    [
        ("ns.e", T.A, []),
        ("ns.e", T.MX, ["ns.e."]),
        # A name between has no NSEC: the one before it shows a name below.
        ("b.c.e", T.A, ["alias.e."]),
        # The name, and the wildcard that could stand for it.
        ("q.e", T.A, ["plain.e.", "e."]),
        ("d.e", T.A, ["a.b.c.e.", "e."]),
        # One record for both.
        ("aa.e", T.A, ["e."]),
        ("x.there.w.e", T.A, ["there.w.e."]),
        ("zz.e", T.A, ["*.walias.e.", "e."]),
        # The wildcard stands for the name, because the name is not there.
        ("x.w.e", T.A, ["there.w.e."]),
        ("x.w.e", T.TXT, ["there.w.e.", "*.w.e."]),
        ("*.w.e", T.A, []),
        ("x.walias.e", T.A, ["*.walias.e."]),
        ("alias.e", T.A, ["there.w.e."]),
        ("gone.e", T.A, ["there.w.e.", "e."]),
        ("x.dn.e", T.A, ["there.w.e."]),
        ("x.plain.e", T.A, ["plain.e."]),
        ("plain.e", T.DS, ["plain.e."]),
        ("x.safe.e", T.A, []),
        ("safe.e", T.DS, []),
        ("under.e", T.A, ["safe.e."]),
    ],
)
def test_nsec(name: str, rdtype: T, owners: list[str]) -> None:
    assert proved(NSEC, name, rdtype) == owners


@pytest.mark.parametrize("zone", [NSEC3, OPT_OUT], ids=["whole", "opt-out"])
@pytest.mark.parametrize(
    ("name", "rdtype", "at", "over"),
    [
        ("ns.e", T.A, [], []),
        ("ns.e", T.MX, ["ns.e"], []),
        ("b.c.e", T.A, ["b.c.e"], []),
        ("q.e", T.A, ["e"], ["q.e", "*.e"]),
        ("y.x.q.e", T.A, ["e"], ["q.e", "*.e"]),
        ("x.there.w.e", T.A, ["there.w.e"], ["x.there.w.e", "*.there.w.e"]),
        ("x.w.e", T.A, [], ["x.w.e"]),
        ("y.x.w.e", T.A, [], ["x.w.e"]),
        ("x.w.e", T.TXT, ["w.e", "*.w.e"], ["x.w.e"]),
        ("x.walias.e", T.A, [], ["x.walias.e"]),
        ("gone.e", T.A, ["e"], ["w2.e", "*.e"]),
        ("safe.e", T.DS, [], []),
        ("x.safe.e", T.A, [], []),
    ],
)
def test_nsec3(zone: Zone, name: str, rdtype: T, at: list[str], over: list[str]) -> None:
    assert set(proved(zone, name, rdtype)) == owners_of(zone, at, over)


@pytest.mark.parametrize("rdtype", [T.A, T.DS])
def test_nsec3_of_a_delegation_that_nobody_signed(rdtype: T) -> None:
    """RFC 5155 section 7.2.7: that it is there without a DS, or with Opt-Out that there is nothing signed."""
    assert set(proved(NSEC3, "plain.e", rdtype)) == owners_of(NSEC3, ["plain.e"], [])
    assert set(proved(OPT_OUT, "plain.e", rdtype)) == owners_of(OPT_OUT, ["e"], ["plain.e"])
    # The name over it is there for its sake only, and is in no chain either.
    assert set(proved(NSEC3, "under.e", T.A)) == owners_of(NSEC3, ["under.e"], [])
    assert set(proved(OPT_OUT, "under.e", T.A)) == owners_of(OPT_OUT, ["e"], ["under.e"])


def owners_of(zone: Zone, at: list[str], over: list[str]) -> set[str]:
    """The owners of the NSEC3 records at the hashes of names, and of those that span the hashes of others."""
    chain = {record.next: record for (_, rdtype), rrset in zone.rrsets.items() if rdtype == T.NSEC3
             for record in rrset if isinstance(record, DnsRecord.NSEC3)}  # fmt: skip
    following = sorted(chain)
    owners = {str(owner_of(N(name), zone.origin)) for name in at}
    for name in over:
        after = [each for each in following if each > hashed(N(name))] or following
        owners.add(str(chain[after[0]].name))
    return owners


def test_a_hash_is_not_a_name() -> None:
    """RFC 5155 section 7.2.8."""
    owner = owner_of(N("e"), N("e"))
    for rdtype in (T.NSEC3, T.RRSIG, T.A):
        assert NSEC3.find(owner, rdtype).kind == "nxdomain"


@pytest.mark.parametrize("zone", [NSEC, NSEC3, OPT_OUT], ids=["nsec", "nsec3", "opt-out"])
def test_signatures_only_for_who_wants_them(zone: Zone) -> None:
    """RFC 4035 section 3.1: what a client without DO gets is what a zone without signatures would say."""
    unsigned = parse_zone(TEXT)
    for name in [
        "ns.e",
        "q.e",
        "x.w.e",
        "b.c.e",
        "alias.e",
        "x.dn.e",
        "x.plain.e",
        "x.safe.e",
        "e",
        "safe.e",
    ]:
        for rdtype in (T.A, T.MX, T.NS, T.DS, T.SOA):
            assert zone.find(N(name), rdtype) == unsigned.find(N(name), rdtype)


def test_signatures_asked_for() -> None:
    """RFC 4035 section 3.1.1: a type as any other then, with DO and without."""
    for dnssec in (False, True):
        found = NSEC.find(N("ns.e"), T.RRSIG, dnssec=dnssec)
        covered = {each.type_covered for each in found.answer if isinstance(each, DnsRecord.RRSIG)}
        assert covered == {T.A, T.NSEC}
        assert [each.rdtype for each in NSEC.find(N("alias.e"), T.NSEC).answer] == [T.NSEC]


def test_addresses_are_signed_and_glue_is_not() -> None:
    of_mail = NSEC.find(N("x.w.e"), T.MX, dnssec=True).additional
    assert [record.rdtype for record in of_mail] == [T.A, T.RRSIG]
    of_cut = NSEC.find(N("x.safe.e"), T.A, dnssec=True).additional
    assert [record.rdtype for record in of_cut] == [T.A]


def test_a_synthesized_alias_is_not_signed() -> None:
    """RFC 6672 section 5.3.1: the DNAME is, and a resolver makes the CNAME itself."""
    types = [
        (record.rdtype, record.type_covered if isinstance(record, DnsRecord.RRSIG) else None)
        for record in NSEC.find(N("x.dn.e"), T.A, dnssec=True).answer
    ]
    assert types == [
        (T.DNAME, None), (T.RRSIG, T.DNAME), (T.CNAME, None), (T.A, None), (T.RRSIG, T.A)
    ]  # fmt: skip


def test_the_ttl_of_a_denial_is_that_of_its_signature() -> None:
    """RFC 2308 section 3 and RFC 4034 section 3: both have the lower one of the SOA."""
    soa, signature = NSEC.find(N("ns.e"), T.MX, dnssec=True).authority[:2]
    assert (soa.ttl, signature.ttl) == (60, 60)


def test_signatures_have_the_ttl_of_what_they_sign() -> None:
    """RFC 4034 section 3, an exception to RFC 2181 section 5.2."""
    ttls = {record.ttl for record in NSEC.find(N("ns.e"), T.RRSIG).answer}
    assert ttls == {60, 300}


@pytest.mark.parametrize("lost", [T.NSEC, T.RRSIG])
def test_a_zone_without_a_chain_or_without_signatures(lost: T) -> None:
    """It answers what it has."""
    sets = {key: rrset for key, rrset in NSEC.rrsets.items() if key[1] != lost}
    zone = Zone(NSEC.origin, NSEC.soa, sets)
    assert zone.find(N("q.e"), T.A, dnssec=True).kind == "nxdomain"
    found = zone.find(N("ns.e"), T.A, dnssec=True)
    assert [record.rdtype for record in found.answer] == ([T.A, T.RRSIG] if lost == T.NSEC else [T.A])


def test_a_chain_of_other_parameters_is_no_proof() -> None:
    """RFC 5155 section 7.3: a zone may have two chains, and NSEC3PARAM names the whole one."""
    changed = DnsRecord.NSEC3PARAM(N("e"), 0, 1, 0, 7, b"")
    sets = {key: rrset for key, rrset in NSEC3.rrsets.items() if key[1] != T.NSEC3PARAM}
    sets[N("e"), T.NSEC3PARAM] = type(NSEC3.rrsets[N("e"), T.SOA])([changed])
    found = Zone(NSEC3.origin, NSEC3.soa, sets).find(N("q.e"), T.A, dnssec=True)
    assert found.kind == "nxdomain"
    assert [record.rdtype for record in found.authority] == [T.SOA, T.RRSIG]
