"""`netkit dig` beside BIND's dig, record for record, against nsd and knot; and BIND's dig against netkit.

Every server here serves the zone below on a free port of loopback, and ends with the test that started it.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from netkit.addr import SocketAddr
from netkit.dns import DnsError, QueryOptions, Question, ask, parse_zone
from netkit.dns.server import DnsServer
from netkit.io import Event, run
from tests.cli.helpers import Result, run_netkit
from tests.conftest import free_port, require_peer

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
    r"dot\.ted.peers.test A",
    "elsewhere.test A",
]


def wait_until_it_answers(port: int, process: subprocess.Popen[bytes]) -> None:
    server = SocketAddr.parse(f"127.0.0.1:{port}")
    until = monotonic() + 20
    while True:
        try:
            run(ask(Question("peers.test", 6), [server], QueryOptions(timeout=0.1, tries=1, tcp=True)))
        except DnsError:
            assert process.poll() is None, "the server has ended"
            assert monotonic() < until, "the server does not answer"
        else:
            return


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
    stop = Event()
    thread = threading.Thread(target=run, args=[server.serve(stop)])
    thread.start()
    try:
        yield server.local_addr.port
    finally:
        stop.set()
        thread.join(10)


SERVERS: dict[str, Callable[[Path], object]] = {"nsd": nsd, "knot": knot, "netkit": netkit_server}


@pytest.fixture(scope="module", params=SERVERS)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of each server in turn, serving the zone."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "zone").write_text(ZONE)
    with SERVERS[request.param](folder) as found:  # type: ignore[attr-defined]
        yield found


def by_bind(port: int, question: str, *flags: str) -> tuple[str, set[str], dict[str, list[str]]]:
    """What BIND's dig shows: the status, the flags, and the sections' lines with one blank between parts."""
    dig = require_peer("dig")
    command = [dig, "-r", "@127.0.0.1", "-p", str(port), *question.split(), "+nocookie", "+nosplit", *flags]
    text = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    status = re.search(r"status: (\w+)", text)
    named = re.search(r"flags: ([a-z ]*);", text)
    assert status is not None
    assert named is not None
    sections: dict[str, list[str]] = {"answer": [], "authority": [], "additional": []}
    here: list[str] | None = None
    for line in text.splitlines():
        if line.startswith(";; "):
            here = sections.get(line[3:].partition(" ")[0].lower()) if line.endswith("SECTION:") else None
        elif line and not line.startswith(";") and here is not None:
            here.append(line)
    return status[1], set(named[1].split()), {name: normal(lines) for name, lines in sections.items()}


def normal(lines: list[str]) -> list[str]:
    """Lines in an order of their own: a server may turn a set round. dig breaks long hex, netkit does too."""
    return sorted(" ".join(line.split()) for line in lines)


def by_netkit(port: int, question: str, *flags: str) -> tuple[Result, dict[str, object]]:
    result = run_netkit("dig", "@127.0.0.1", "-p", str(port), *question.split(), "--json", *flags)
    row = json.loads(result.stdout)
    assert isinstance(row, dict)
    return result, row


@pytest.mark.parametrize("question", QUESTIONS)
def test_agrees_with_binds_dig(port: int, question: str) -> None:
    status, flags, sections = by_bind(port, question)
    result, row = by_netkit(port, question)
    assert row["rcode"] == status
    assert set(row["flags"]) == flags  # type: ignore[call-overload]
    for name, lines in sections.items():
        ours = [
            f"{record['name']} {record['ttl']} {record['class']} {record['type']} {record['rdata']}"
            for record in row[name]  # type: ignore[attr-defined]
        ]
        assert normal(ours) == lines, name
    expected = {"NXDOMAIN": 1, "REFUSED": 3}.get(status, 0 if sections["answer"] else 1)
    assert result.exit_code == expected


def test_truncation_falls_back_to_tcp(port: int) -> None:
    _, over_tcp = by_netkit(port, "big.peers.test TXT", "+tcp")
    _, row = by_netkit(port, "big.peers.test TXT")
    assert (row["transport"], row["fell_back"]) == ("tcp", True)
    assert len(row["answer"]) == 4  # type: ignore[arg-type]
    key = json.dumps
    assert sorted(row["answer"], key=key) == sorted(over_tcp["answer"], key=key)  # type: ignore[call-overload]


def test_truncation_can_be_taken_as_it_is(port: int) -> None:
    _, row = by_netkit(port, "big.peers.test TXT", "+ignore")
    assert row["transport"] == "udp"
    assert "tc" in row["flags"]  # type: ignore[operator]


def test_short_is_binds_short(port: int) -> None:
    command = [require_peer("dig"), "-r", "@127.0.0.1", "-p", str(port), "alias.peers.test", "AAAA", "+short"]
    bind = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    assert (
        run_netkit("dig", "@127.0.0.1", "-p", str(port), "alias.peers.test", "AAAA", "+short").stdout == bind
    )


def test_knots_client_reads_what_netkit_serves(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text(ZONE)
    with netkit_server(tmp_path) as port:
        command = [require_peer("kdig"), "@127.0.0.1", "-p", str(port), "peers.test", "MX", "+short"]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    assert normal(shown.splitlines()) == ["10 mail.peers.test.", "20 mail.elsewhere.test."]
