"""`netkit dig` beside BIND's dig, record for record, against nsd and knot; and BIND's dig against netkit.

Every server here serves the zone below on a free port of loopback, and ends with the test that started it.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from netkit.addr import SocketAddr
from netkit.dns import DnsError, QueryOptions, Question, ask, parse_zone
from netkit.dns.authority.server import DnsServer
from netkit.io import run
from netkit.serve.connections import in_background
from tests.cli.helpers import Result, run_netkit
from tests.conftest import free_port, require_peer
from tests.waiting import until

LONG = "x" * 200

ZONE = f"""\
$ORIGIN peers.test.
$TTL 300
@ IN SOA ns1 host\\.master ( 2026112301 3600 600 86400 60 )
@ NS ns1
@ NS ns2
ns1 A 127.0.0.1
ns2 A 127.0.0.2
    AAAA ::1
@ MX 10 mail
@ MX 20 mail.elsewhere.test.
mail A 192.0.2.25
@ TXT "v=spf1 -all" "a \\"quoted\\" string; with a semicolon"
host 60 A 192.0.2.1
host 60 A 192.0.2.2
host AAAA 2001:db8::1
alias CNAME host
out CNAME www.elsewhere.test.
_sip._udp SRV 10 60 5060 host
ptr PTR host
odd TYPE65280 \\# 5 0102030405
big TXT "{LONG}1" "{LONG}2"
big TXT "{LONG}3" "{LONG}4"
big TXT "{LONG}5" "{LONG}6"
big TXT "{LONG}7" "{LONG}8"
*.wild A 192.0.2.99
a.b.deep A 192.0.2.50
sub NS ns.sub
ns.sub A 192.0.2.53
dot\\.ted A 192.0.2.77
sp\\032ace A 192.0.2.78
\\000\\255bin A 192.0.2.79
semi\\;at\\@quote\\" TXT "\\000\\255 \\\\ \\"" ""
none TYPE65281 \\# 0
deep.cname CNAME very.alias
very.alias CNAME host
*.any TXT "wild"
loop.any CNAME x.any
"""

QUESTIONS = [
    "peers.test SOA",
    "peers.test NS",
    "peers.test MX",
    "peers.test TXT",
    "host.peers.test A",
    "host.peers.test AAAA",
    "HoSt.Peers.TEST A",
    "alias.peers.test A",
    "alias.peers.test CNAME",
    "out.peers.test A",
    "_sip._udp.peers.test SRV",
    "ptr.peers.test PTR",
    "odd.peers.test TYPE65280",
    "big.peers.test TXT",
    "any.wild.peers.test A",
    "any.wild.peers.test MX",
    "b.deep.peers.test A",
    "nowhere.peers.test A",
    "www.sub.peers.test A",
    "deep.peers.test A",
    "peers.test A",
    "host.peers.test TYPE65280",
    "none.peers.test TYPE65281",
    "deep.cname.peers.test AAAA",
    "x.any.peers.test TXT",
    "loop.any.peers.test TXT",
    "sub.peers.test NS",
    "ns.sub.peers.test A",
    "host.peers.test SOA",
    "ns2.peers.test A",
    "peers.test DNSKEY",
    "host.peers.test A CH",
    r"dot\.ted.peers.test A",
    r"dot.ted.peers.test A",
    r"sp\032ace.peers.test A",
    r"\000\255bin.peers.test A",
    r"semi\;at\@quote\".peers.test TXT",
    "elsewhere.test A",
]


def wait_until_it_answers(port: int, process: subprocess.Popen[bytes]) -> None:
    server = SocketAddr.parse(f"127.0.0.1:{port}")

    def answers() -> bool:
        assert process.poll() is None, "the server has ended"
        try:
            run(ask(Question("peers.test", 6), [server], QueryOptions(timeout=5.0, tries=1, tcp=True)))
        except DnsError:
            return False
        return True

    until(answers, "an answer of the server")


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until_it_answers(port, process)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def nsd(folder: Path) -> Iterator[int]:
    port = free_port()
    (folder / "nsd.conf").write_text(
        f"""server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  pidfile: ""
  zonelistfile: "{folder}/zone.list"
  xfrdfile: ""
  database: ""
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: peers.test
  zonefile: zone
"""
    )
    with running([require_peer("nsd"), "-d", "-c", str(folder / "nsd.conf")], port):
        yield port


@contextmanager
def knot(folder: Path) -> Iterator[int]:
    port = free_port()
    (folder / "knot.conf").write_text(
        f"""server:
  listen: 127.0.0.1@{port}
  rundir: {folder}
database:
  storage: {folder}
zone:
  - domain: peers.test
    storage: {folder}
    file: zone
"""
    )
    with running([require_peer("knotd"), "-c", str(folder / "knot.conf")], port):
        yield port


@contextmanager
def netkit_server(folder: Path) -> Iterator[int]:
    server = DnsServer.bind("127.0.0.1:0", [parse_zone((folder / "zone").read_text(), file="zone")])
    with in_background(server.serve):
        yield server.local_addr.port


SERVERS: dict[str, Callable[[Path], object]] = {"nsd": nsd, "knot": knot, "netkit": netkit_server}


@pytest.fixture(scope="module", params=SERVERS)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of each server in turn, serving the zone."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "zone").write_text(ZONE)
    with SERVERS[request.param](folder) as found:  # type: ignore[attr-defined]
        yield found


class Shown(NamedTuple):
    """What another client shows: status, flags, the lines of each section with one blank between parts."""

    status: str
    flags: set[str]
    sections: dict[str, list[str]]
    edns: str | None


def by_bind(port: int, question: str, *flags: str) -> Shown:
    """What BIND's dig shows."""
    dig = require_peer("dig")
    return shown_by([dig, "-r"], port, question, "+nocookie", "+nosplit", *flags)


def by_knot(port: int, question: str, *flags: str) -> Shown:
    """What Knot's kdig shows, asked to send what BIND's dig sends."""
    return shown_by([require_peer("kdig")], port, question, "+adflag", "+edns", "+bufsize=1232", *flags)


def shown_by(client: list[str], port: int, question: str, *flags: str) -> Shown:
    command = [*client, "@127.0.0.1", "-p", str(port), *question.split(), *flags]
    text = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    status = re.search(r"(?:status|rcode): (\w+)", text)  # the latter is what drill writes
    named = re.search(r"flags: ([a-z ]*);", text, re.IGNORECASE)
    edns = re.search(r"EDNS: (version: .*; udp: \d+)", text)
    assert status is not None
    assert named is not None
    sections: dict[str, list[str]] = {"answer": [], "authority": [], "additional": []}
    here: list[str] | None = None
    for line in text.splitlines():
        if line.startswith(";; "):
            # `;; ANSWER SECTION:`; `;; Received 94 B` ends the last of them.
            here = sections.get(line[3:].partition(" ")[0].lower()) if line.endswith("SECTION:") else None
        elif line and not line.startswith(";") and here is not None:
            here.append(line)
    lines = {name: normal(section) for name, section in sections.items()}
    return Shown(status[1], set(named[1].split()), lines, edns and edns[1])


def normal(lines: list[str]) -> list[str]:
    """Lines in an order of their own: a server may turn a set round. dig breaks long hex, netkit does too."""
    return sorted(" ".join(line.split()) for line in lines)


def by_netkit(port: int, question: str, *flags: str) -> tuple[Result, dict[str, Any]]:
    result = run_netkit("dig", "@127.0.0.1", "-p", str(port), *question.split(), "--json", *flags)
    row = json.loads(result.stdout)
    assert isinstance(row, dict)
    return result, row


def assert_agree(port: int, question: str, *flags: str) -> tuple[Result, dict[str, Any]]:
    """That netkit shows what BIND's dig shows of the same question with the same flags."""
    theirs = by_bind(port, question, *flags)
    result, row = by_netkit(port, question, *flags)
    assert row["rcode"] == theirs.status
    assert set(row["flags"]) == theirs.flags
    for name, lines in theirs.sections.items():
        ours = [
            f"{record['name']} {record['ttl_s']} {record['class']} {record['type']} {record['rdata']}"
            for record in row[name]
        ]
        assert normal(ours) == lines, name
    edns = row["edns"]
    if edns is None:
        assert theirs.edns is None
    else:
        do = " do" if edns["dnssec_ok"] else ""
        assert theirs.edns == f"version: {edns['version']}, flags:{do}; udp: {edns['payload_size']}"
    return result, row


@pytest.mark.parametrize("question", QUESTIONS)
def test_agrees_with_binds_dig(port: int, question: str) -> None:
    result, row = assert_agree(port, question)
    alias_to_nothing = row["answer"] and any(record["type"] == "SOA" for record in row["authority"])
    found = row["answer"] and not alias_to_nothing
    assert result.exit_code == {"NXDOMAIN": 1, "REFUSED": 3}.get(row["rcode"], 0 if found else 1)


@pytest.mark.parametrize(
    "flags",
    [
        ["+tcp"],
        ["+norec"],
        ["+noad", "+cd"],
        ["+dnssec"],
        ["+noedns"],
        ["+bufsize=512"],
        ["+bufsize=4096"],
        ["+ignore"],
        ["+ignore", "+noedns"],
        ["+dnssec", "+norecurse", "+tcp", "+cdflag"],
    ],
    ids=" ".join,
)
def test_agrees_with_binds_dig_under_flags(port: int, flags: list[str]) -> None:
    for question in ("alias.peers.test AAAA", "big.peers.test TXT"):
        if "+ignore" in flags and question.startswith("big"):
            continue  # what fits is the server's choice, another each time for some
        assert_agree(port, question, *flags)


@pytest.mark.parametrize("question", ["peers.test ANY", "host.peers.test ANY", "any.wild.peers.test ANY"])
def test_any_agrees_over_tcp(port: int, question: str) -> None:
    _, row = assert_agree(port, question)
    assert (row["transport"], row["fell_back"]) == ("tcp", False)


def test_reverse_lookups_ask_the_same(port: int) -> None:
    for address in ("192.0.2.1", "2001:db8::1"):
        theirs = subprocess.run(
            [require_peer("dig"), "-r", "@127.0.0.1", "-p", str(port), "-x", address, "+noall", "+question"],
            capture_output=True, text=True, timeout=20, check=True,
        ).stdout  # fmt: skip
        ours = run_netkit("dig", "@127.0.0.1", "-p", str(port), "-x", address, "+noall", "+question").stdout
        assert ours.split() == theirs.split()


def test_truncation_falls_back_to_tcp(port: int) -> None:
    _, over_tcp = by_netkit(port, "big.peers.test TXT", "+tcp")
    _, row = by_netkit(port, "big.peers.test TXT")
    assert (row["transport"], row["fell_back"]) == ("tcp", True)
    assert len(row["answer"]) == 4
    key = json.dumps
    assert sorted(row["answer"], key=key) == sorted(over_tcp["answer"], key=key)


def test_truncation_can_be_taken_as_it_is(port: int) -> None:
    _, row = by_netkit(port, "big.peers.test TXT", "+ignore")
    assert row["transport"] == "udp"
    assert "tc" in row["flags"]


def test_short_is_binds_short(port: int) -> None:
    command = [require_peer("dig"), "-r", "@127.0.0.1", "-p", str(port), "alias.peers.test", "AAAA", "+short"]
    bind = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    assert (
        run_netkit("dig", "@127.0.0.1", "-p", str(port), "alias.peers.test", "AAAA", "+short").stdout == bind
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """The ports of nsd and of netkit's own server, with the same zone."""
    folder = tmp_path_factory.mktemp("pair")
    (folder / "zone").write_text(ZONE)
    with nsd(folder) as theirs, netkit_server(folder) as ours:
        yield theirs, ours


@pytest.mark.parametrize("client", [by_bind, by_knot])
def test_other_clients_get_from_netkit_what_they_get_from_nsd(
    pair: tuple[int, int], client: Callable[..., Shown]
) -> None:
    theirs, ours = pair
    for question in QUESTIONS:
        if question.endswith(" CH"):
            continue  # nsd has answers of its own in that class
        question = question.lower()  # in which letter case an owner comes back is left open (RFC 4343)
        from_nsd, from_netkit = client(theirs, question), client(ours, question)
        assert (from_netkit.status, from_netkit.flags) == (from_nsd.status, from_nsd.flags), question
        if from_nsd.sections["answer"]:
            # What goes with an answer is each server's choice (RFC 1034 section 3.7 has it optional).
            assert from_netkit.sections["answer"] == from_nsd.sections["answer"], question
        else:
            assert from_netkit.sections == from_nsd.sections, question
