"""Walks from the root through named, knotd and nsd, beside `dig +trace` of BIND."""

from __future__ import annotations

import re
from typing import Any

import pytest

from netkit.addr import SocketAddr
from netkit.dns import DnsError, DnsRecordType
from netkit.dns.name import Name
from netkit.dns.tracing.authorities import find_authorities
from netkit.dns.tracing.hints import parse_hints
from netkit.dns.tracing.outcome import Outcome
from netkit.dns.tracing.reading import Signing
from netkit.dns.tracing.trace import Hop, Purpose, Trace, TraceOptions
from netkit.dns.tracing.tracer import trace
from tests.cli.helpers import run_netkit
from tests.interop.dns_tree import EXAMPLE1, EXAMPLE2, OTHER, ROOT, SILENT, TEST1, TEST2, Tree

pytestmark = pytest.mark.once


def walk(tree: Tree, name: str, rdtype: str = "A", **how: Any) -> Trace:
    hints = parse_hints((how.pop("file", None) or tree.hints).read_text())
    return trace(name, DnsRecordType.parse(rdtype), TraceOptions(**{"hints": hints, "within": 20.0, **how}))


def on_the_way(walked: Trace) -> list[Hop]:
    """The hops that answer the question, without those for addresses, and without checks."""
    return [hop for hop in walked.hops if hop.purpose is Purpose.NAME]


def zones(walked: Trace) -> list[str]:
    return [str(hop.zone) for hop in on_the_way(walked)]


def faults(walked: Trace) -> list[str]:
    return [finding.fault.value for finding in walked.findings]


class ByBind:
    """What `dig +trace` writes: the servers that it took answers from, and the records of the last."""

    def __init__(self, text: str) -> None:
        self.servers = re.findall(r";; Received \d+ bytes from ([\d.]+)#\d+\(", text)
        last = text.rpartition(";; Received")[0].rpartition("\n\n")[2]
        lines = [line.split() for line in last.splitlines() if line and line[0] != ";"]
        self.records = {"".join(line[4:]) for line in lines if line[3] != "RRSIG"}


#: Names, and the records that both find.
NAMES = {
    "www.example.test": "A",
    "example.test": "MX",
    "x.wild.example.test": "TXT",
    "here.test": "A",
    "www.glue.test": "A",
    "www.bogus.test": "A",
    "gone.example.test": "A",
    "b.empty.test": "A",
    "example.test/": "DS",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_way_as_dig(tree: Tree, name: str) -> None:
    rdtype, name = NAMES[name], name.rstrip("/")
    walked = walk(tree, name, rdtype)
    theirs = ByBind(tree.bind_dig("+trace", "+nosplit", name, rdtype))
    # dig's first answer is the one that names the servers of the root.
    assert len(theirs.servers) - 1 == len(on_the_way(walked))
    for server, hop in zip(theirs.servers[1:], on_the_way(walked), strict=True):
        assert server in {ROOT: [ROOT], TEST1: [TEST1, TEST2]}.get(
            _ip(hop), [EXAMPLE1, EXAMPLE2, TEST1, TEST2]
        )
    records = [record for record in walked.records if str(record.rdtype) != "RRSIG"]
    ours = {record.rdata_text().replace(" ", "") for record in records}  # long hex is divided, or not
    assert ours <= theirs.records
    assert bool(ours) == (walked.outcome is Outcome.ANSWER)


def _ip(hop: Hop) -> str:
    assert hop.upstream is not None
    assert hop.upstream.addr is not None
    return str(hop.upstream.addr.ip)


def test_signed_all_the_way(tree: Tree) -> None:
    walked = walk(tree, "www.example.test")
    assert zones(walked) == [".", "test.", "example.test."]
    assert walked.findings == ()
    assert walked.is_checked
    assert [cut.delegation and cut.delegation.signing for cut in walked.path] == [
        None, Signing.SIGNED, Signing.SIGNED,
    ]  # fmt: skip
    assert walked.reading is not None
    assert walked.reading.is_signed
    assert 0 < sum(hop.elapsed for hop in walked.hops) <= walked.elapsed
    assert all(hop.reply is not None and hop.reply.size > 20 for hop in walked.hops)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("www.glue.test", "glue-differs"),
        ("www.bogus.test", "not-signed"),
        ("www.nobody.test", "lame"),
        ("www.dead.test", "silent"),
    ],
)
def test_what_is_wrong(tree: Tree, name: str, fault: str) -> None:
    walked = walk(tree, name, within=3.0)
    assert faults(walked) == [fault]


@pytest.mark.parametrize(
    ("name", "outcome", "path"),
    [
        ("gone.example.test", Outcome.NO_NAME, [".", "test.", "example.test."]),
        ("gone.test", Outcome.NO_NAME, [".", "test."]),
        ("gone", Outcome.NO_NAME, ["."]),
        ("gone.far.test", Outcome.NO_NAME, [".", "test.", "far.test."]),
        ("here.test/MX", Outcome.NO_DATA, [".", "test."]),
    ],
)
def test_denials(tree: Tree, name: str, outcome: Outcome, path: list[str]) -> None:
    name, _, rdtype = name.partition("/")
    walked = walk(tree, name, rdtype or "A")
    assert walked.outcome is outcome
    assert zones(walked) == path
    assert walked.reading is not None
    assert walked.reading.proof == (None if "far" in name else "NSEC")
    assert isinstance(walked.error, DnsError.NotFound if outcome is Outcome.NO_NAME else DnsError.NoData)


def test_a_name_with_only_names_below_it(tree: Tree) -> None:
    walked = walk(tree, "b.empty.test")
    assert walked.outcome is Outcome.NO_DATA
    assert walked.reading is not None
    assert walked.reading.is_empty


def test_aliases_across_zones_by_cname_and_by_dname(tree: Tree) -> None:
    walked = walk(tree, "alias.test")
    assert zones(walked) == [".", "test.", "test.", "example.test."]
    assert str(walked.name) == "www.example.test."
    walked = walk(tree, "www.tree.test")
    assert [str(record.rdtype) for record in walked.aliases] == ["DNAME", "CNAME"]
    assert next(record.rdata_text() for record in walked.records) == "192.0.2.1"
    assert isinstance(walk(tree, "circle.test").error, DnsError.AliasLoop)


def test_a_name_server_without_glue(tree: Tree) -> None:
    walked = walk(tree, "away.test")
    assert walked.outcome is Outcome.ANSWER
    sought = [hop for hop in walked.hops if hop.purpose is Purpose.ADDRESS]
    assert [(str(hop.zone), str(hop.whose)) for hop in sought] == [
        (".", "ns.hosting.other."),
        ("other.", "ns.hosting.other."),
    ]
    assert _ip(on_the_way(walked)[-1]) == OTHER


def test_a_truncated_answer_is_asked_for_over_tcp(tree: Tree) -> None:
    walked = walk(tree, "big.example.test", "TXT")
    assert len([record for record in walked.records if str(record.rdtype) == "TXT"]) == 10
    assert [step.transport.value for step in on_the_way(walked)[-1].history] == ["udp", "tcp"]


def test_a_dead_root_server_costs_its_share_of_the_time(tree: Tree) -> None:
    file = tree.write_hints("dead.hints", {"dead.root-servers.": SILENT, "ns.root-servers.": ROOT})
    walked = walk(tree, "www.example.test", file=file, within=3.0, check=False)
    assert walked.outcome is Outcome.ANSWER
    first, second = walked.hops[:2]
    assert (str(first.server), first.outcome, first.then) == (
        "dead.root-servers.", Outcome.TIMEOUT, "another server is asked",
    )  # fmt: skip
    assert (str(second.server), second.outcome) == ("ns.root-servers.", Outcome.REFERRAL)
    assert 0.5 <= first.elapsed < walked.elapsed


def test_a_root_without_life_ends_with_the_time(tree: Tree) -> None:
    file = tree.write_hints("dead.hints", {"dead.root-servers.": SILENT})
    walked = walk(tree, "www.example.test", file=file, within=0.5)
    assert isinstance(walked.error, DnsError.Timeout)
    assert walked.elapsed < 10, "ended by its time, and not by each server's"


def test_the_authorities_of_a_zone(tree: Tree) -> None:
    found = find_authorities("www.example.test", [SocketAddr.new(EXAMPLE1, tree.port)], timeout=10)
    assert found.zone == Name.parse("example.test.")
    assert {str(each.name): [str(address) for address in each.addresses] for each in found.servers} == {
        "ns1.example.test.": [EXAMPLE1],
        "ns2.example.test.": [EXAMPLE2],
    }


def test_the_soa_records_of_a_zone_as_dig_has_them(tree: Tree) -> None:
    def normal(text: str) -> list[str]:
        return sorted(re.sub(r" in [\d.]+ ms\.", "", line) for line in text.splitlines())

    theirs = tree.bind_dig("+nssearch", "example.test", server=EXAMPLE1)
    ours = run_netkit("dig", f"@{EXAMPLE1}", "-p", str(tree.port), "+nssearch", "example.test")
    assert ours.exit_code == 0
    assert normal(ours.stdout) == normal(theirs)
    assert len(ours.lines) == 2


def test_the_command_beside_dig(tree: Tree) -> None:
    """The records that both show, server by server: of referrals, those of the zone."""

    def records(text: str) -> list[set[str]]:
        blocks = [block.splitlines() for block in text.split("\n\n")]
        found = [{" ".join(line.split()) for line in block if line[:1] not in (";", "")} for block in blocks]
        return [block for block in found if block]

    theirs = records(tree.bind_dig("+trace", "www.example.test"))
    ours = run_netkit("dig", "--root-hints", str(tree.hints), "www.example.test")
    assert ours.exit_code == 0
    assert records(ours.stdout) == theirs[1:], "dig's first answer names the servers of the root"
    beside = run_netkit("dig", f"@{ROOT}", "-p", str(tree.port), "+trace", "www.example.test")
    # dig asks the system for the addresses of the root's servers, netkit the server that named them.
    assert [block for block in records(beside.stdout) if block in theirs] == theirs
