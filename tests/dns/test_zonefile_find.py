"""What a zone answers: aliases, cuts, wildcards, and names that exist only above others.

The zone and the questions are in tests/vectors/dns_zone_answers.txt.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, strategies as st

from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.name import Name
from netkit.dns.zones.answers import MAX_CNAMES
from netkit.dns.zones.zonefile import parse_zone

pytestmark = pytest.mark.once

T = DnsRecordType
N = Name.parse


class Case(NamedTuple):
    name: Name
    rdtype: DnsRecordType
    kind: str
    lines: list[str]


def _cases(text: str) -> list[Case]:
    cases: list[Case] = []
    for line in text.splitlines():
        if line.startswith("?"):
            _, name, rdtype, kind = line.split()
            cases.append(Case(N(name), T.parse(rdtype), kind, []))
        elif line and not line.startswith("#"):
            cases[-1].lines.append(line)
    return cases


_text = (Path(__file__).parent.parent / "vectors" / "dns_zone_answers.txt").read_text()
_zone, _mark, _questions = _text.partition("\n? ")
ZONE = parse_zone("\n".join(line for line in _zone.splitlines() if not line.startswith("#")))
CASES = _cases(_mark + _questions)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name} {case.rdtype}")
def test_finds(case: Case) -> None:
    found = ZONE.find(case.name, case.rdtype)
    assert found.kind == case.kind
    lines = [
        f"{section} {record}".replace("\t", " ")
        for section in ("answer", "authority", "additional")
        for record in getattr(found, section)
    ]
    assert lines == case.lines
    # AA is about the first name (RFC 1035 section 4.1.1), the code about the last (RFC 6604).
    assert found.authoritative is (bool(found.answer) or case.kind not in ("delegation", "elsewhere"))
    if case.kind == "elsewhere" and not found.answer:
        assert found.rcode == Rcode.REFUSED
    else:
        assert found.rcode == (Rcode.NXDOMAIN if case.kind == "nxdomain" else Rcode.NOERROR)


def test_a_tree_moved_too_far() -> None:
    """RFC 6672 section 2.2: the DNAME comes without the CNAME that cannot be."""
    zone = parse_zone(
        f"$ORIGIN e.\n@ 1 SOA a b 1 2 3 4 5\nt DNAME {'.'.join(['l' * 60] * 3)}\nc CNAME {'x.' * 60}t"
    )
    target = zone.rrsets[N("t.e"), T.DNAME].records
    for name, before in ((N("x." * 60 + "t.e"), 0), (N("c.e"), 1)):
        found = zone.find(name, T.A)
        assert (found.kind, found.rcode, found.authoritative) == ("toolong", Rcode.YXDOMAIN, True)
        assert (found.answer[before:], found.authority) == (target, ())
    assert zone.find(N("x." * 30 + "t.e"), T.A).kind == "nxdomain"


def test_a_tree_at_the_top() -> None:
    """RFC 6672 section 2.3: beside SOA and NS."""
    zone = parse_zone("$ORIGIN e.\n@ 1 SOA a b 1 2 3 4 5\n@ NS a.f.\n@ DNAME f.\nns A 192.0.2.1")
    assert zone.find(N("e"), T.NS).kind == "answer"
    found = zone.find(N("ns.e"), T.A)
    assert (found.kind, [str(record.rdtype) for record in found.answer]) == ("elsewhere", ["DNAME", "CNAME"])


def test_a_long_chain_of_aliases_is_followed_only_so_far() -> None:
    lines = [f"a{index} CNAME a{index + 1}\n" for index in range(100)]
    zone = parse_zone("$ORIGIN e.\n@ 1 SOA a b 1 2 3 4 5\n" + "".join(lines))
    found = zone.find(N("a0.e"), T.A)
    assert (found.kind, len(found.answer)) == ("answer", MAX_CNAMES)
    assert zone.find(N("a90.e"), T.A).kind == "nxdomain"


def test_the_root_zone() -> None:
    zone = parse_zone(". 1 SOA a. b. 1 2 3 4 5\ncom. 1 NS ns.com.\nns.com. 1 A 192.0.2.1\n* 1 TXT x", ".")
    assert zone.find(N("www.example.com"), T.A).kind == "delegation"
    assert zone.find(N("a.b"), T.TXT).kind == "answer"
    assert zone.find(Name.root, T.SOA).answer == (zone.soa,)
    assert zone.find(Name.root, T.A).kind == "nodata"


_LABELS = ["example", "host1", "*", "sub", "subdel", "ns", "a", "b", "c", "www", "alias", "x", "dn", "tocut"]


@given(st.lists(st.sampled_from(_LABELS)), st.sampled_from([T.A, T.TXT, T.MX, T.NS, T.CNAME, T.ANY, T.DS]))
def test_every_question_has_one_answer(labels: list[str], rdtype: DnsRecordType) -> None:
    name = N(".".join([*labels, "example"]))
    found = ZONE.find(name, rdtype)
    moved = [owner for owner, kind in ZONE.rrsets if kind == T.DNAME]
    is_moved = any(name != owner and name.is_subdomain_of(owner) for owner in moved)
    if not is_moved and any(owner.is_subdomain_of(name) for owner, _ in ZONE.rrsets):
        assert found.kind != "nxdomain" or found.answer
    if found.answer:
        assert found.answer[is_moved].name == name
    for record in found.answer + found.authority + found.additional:
        assert record.name.is_subdomain_of(ZONE.origin)
    assert ZONE.find(name, rdtype) == found
