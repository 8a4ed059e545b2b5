"""Every record type beside BIND and Knot: a zone of all, served by both, read by dig, kdig and netkit.

The zone moves by a transfer (RFC 5936), so that each server and each client is asked once, and records that
no question finds (NSEC3) are there too.
"""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from netkit.dns import DnsRecord, DnsRecordType, DnsServer, Message, parse_zone
from netkit.dns.messages.message import make_query
from netkit.dns.messages.wire import WireReader
from netkit.dns.records.variants import TYPES
from netkit.serve.connections import in_background
from tests.conftest import free_port, require_peer
from tests.waiting import until

pytestmark = pytest.mark.once

ZONE = (Path(__file__).parent / "dns_types.zone").read_text(encoding="ascii")
ORIGIN = "types.test."

#: Records, each with the octets of its RDATA as it came.
Received = list[tuple[DnsRecord, bytes]]

ZONE_RECORDS = [line for line in parse_zone(ZONE, ORIGIN).to_text().splitlines() if not line.startswith("$")]

#: Types that neither Debian's BIND (9.18) nor its Knot (3.2) knows, or that no zone holds (MD and MF are
#: obsolete for BIND). Their records are in tests/dns/test_record_types.py.
ABROAD = {"BRID", "CLA", "DSYNC", "HHIT", "IPN", "MD", "MF", "RESINFO", "TKEY", "TSIG", "WALLET"}

#: Types that Knot does not know: its zone file has them in the generic form, and so does what kdig writes.
NOT_OF_KNOT = {
    *(
        "A6",
        "AMTRELAY",
        "ATMA",
        "AVC",
        "DLV",
        "DOA",
        "EID",
        "GPOS",
        "HIP",
        "ISDN",
        "MB",
        "MG",
        "MR",
        "NIMLOC",
    ),
    *("NINFO", "NSAP", "NSAP-PTR", "NULL", "NXT", "PX", "RKEY", "SIG", "SINK", "TA", "TALINK", "WKS", "X25"),
}


@contextmanager
def serving(command: list[str], port: int) -> Iterator[int]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:

        def answers() -> bool:
            assert process.poll() is None, "the server has ended"
            try:
                return bool(transferred(port))
            except (OSError, EOFError):
                return False

        try:
            until(answers, "a transfer of the zone")
            yield port
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def bind(folder: Path) -> Iterator[int]:
    port = free_port()
    (folder / "named.conf").write_text(
        f"""options {{
  directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  session-keyfile none;
  recursion no;
  dnssec-validation no;
  notify no;
  allow-transfer {{ any; }};
}};
controls {{ }};
zone "{ORIGIN}" {{ type primary; file "zone"; check-names ignore; }};
"""
    )
    with serving([require_peer("named"), "-f", "-n", "1", "-c", str(folder / "named.conf")], port):
        yield port


@contextmanager
def knot(folder: Path) -> Iterator[int]:
    port = free_port()
    (folder / "zone").write_text("".join([f"{for_knot(DnsRecord.parse(line))}\n" for line in ZONE_RECORDS]))
    (folder / "knot.conf").write_text(
        f"""server:
  listen: 127.0.0.1@{port}
  rundir: {folder}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: {folder}
acl:
  - id: all
    address: 127.0.0.1
    action: transfer
zone:
  - domain: {ORIGIN}
    storage: {folder}
    file: zone
    semantic-checks: off
    acl: all
"""
    )
    with serving([require_peer("knotd"), "-c", str(folder / "knot.conf")], port):
        yield port


def for_knot(record: DnsRecord) -> str:
    """A line of Knot's zone file: as netkit writes it, or in the generic form where Knot does not know it."""
    if record.rdtype.mnemonic in NOT_OF_KNOT:
        octets = record.rdata_wire()
        text = f"{record.name} {record.ttl} IN TYPE{record.rdtype:d} \\# {len(octets)} {octets.hex().upper()}"
        return text.rstrip()
    return str(record).replace("dohpath=", "key7=")


SERVERS = {"bind": bind, "knot": knot}


def transferred(port: int) -> Received:
    """The records of the zone as netkit reads them, each with the octets of its RDATA, uncompressed."""
    query = make_query(ORIGIN, DnsRecordType.AXFR, id=7, rd=False, edns=None).to_wire()
    found: Received = []
    with socket.create_connection(("127.0.0.1", port), 10) as sock, sock.makefile("rb") as file:
        sock.sendall(len(query).to_bytes(2, "big") + query)
        while len([each for each, _ in found if each.rdtype == DnsRecordType.SOA]) < 2:
            head = file.read(2)
            if len(head) < 2:
                raise EOFError
            data = file.read(int.from_bytes(head, "big"))
            message = Message.from_wire(data)
            if not message.answer:
                raise EOFError
            found += zip(message.answer, rdata_of(data, message), strict=True)
    return found


def rdata_of(data: bytes, message: Message) -> Iterator[bytes]:
    """The RDATA of each answer as it stands in the message."""
    reader = WireReader(data)
    reader.take(12, "header")
    for _ in message.question:
        reader.name("name")
        reader.take(4, "question")
    for _ in message.answer:
        reader.name("name")
        yield reader.take(reader.record_fields()[3], "rdata")


@pytest.fixture(scope="module", params=SERVERS)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of each server in turn."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "zone").write_text(ZONE)
    with SERVERS[request.param](folder) as found:
        yield found


@pytest.fixture(scope="module")
def received(port: int) -> Received:
    return transferred(port)


def shown_by(program: str, port: int, *flags: str) -> list[str]:
    command = [
        require_peer(program),
        "@127.0.0.1",
        "-p",
        str(port),
        ORIGIN,
        "AXFR",
        "+noall",
        "+answer",
        *flags,
    ]
    text = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    return sorted({" ".join(line.split()) for line in text.splitlines() if line and not line.startswith(";")})


def test_the_zone_has_every_type_that_a_peer_knows() -> None:
    found = {DnsRecord.parse(line).rdtype.mnemonic for line in ZONE_RECORDS}
    assert found == {each.mnemonic for each in TYPES} - ABROAD


def test_a_transfer_and_the_zone_file_say_the_same(received: Received) -> None:
    assert {record for record, _ in received} == {DnsRecord.parse(line) for line in ZONE_RECORDS}


#: Types whose names a server may have compressed.
COMPRESSED = {
    *("NS", "CNAME", "SOA", "MB", "MG", "MR", "PTR", "MINFO", "MX"),
    *("RP", "AFSDB", "RT", "PX", "SRV", "NAPTR", "KX"),
}


def test_rdata_written_again_has_the_same_octets(received: Received) -> None:
    for record, octets in received:
        assert not isinstance(record, DnsRecord.Unknown)
        if octets != record.rdata_wire():
            assert record.rdtype.mnemonic in COMPRESSED
            assert len(octets) < len(record.rdata_wire())


class Difference(NamedTuple):
    """What another program writes otherwise: for these types, this pattern so."""

    types: str
    pattern: str
    theirs: str | Callable[[re.Match[str]], str]
    why: str


_HASH = "[0-9A-V]{32}$|[0-9A-V]{32} "
_BROKEN = r"(?<=[0-9A-Za-z+/]{56}) (?=\S)"

AS_DIG = [
    Difference("HTTPS", "dohpath=", "key7=", "RFC 9461 named the key, which BIND 9.18 does not know"),
    Difference("L64 NID", "(?<=[ :])0+(?=[0-9a-f])", "", "RFC 6742 writes four digits, Knot reads no fewer"),
]

AS_KDIG = [
    Difference(
        "CDNSKEY CERT DNSKEY DS KEY OPENPGPKEY RRSIG SMIMEA TLSA ZONEMD",
        _BROKEN,
        "",
        "kdig does not break long digits, dig does",
    ),
    Difference("AAAA", "::192.0.2.9", "::c000:209", "netkit follows dig in deprecated addresses"),
    Difference("CERT", "^PKIX 12345 RSASHA1 ", "1 12345 5 ", "netkit follows dig in mnemonics"),
    Difference("CERT", "^IPGP 1 ECDSAP256SHA256 ", "6 1 13 ", "netkit follows dig in mnemonics"),
    Difference("EUI48 EUI64 L64 NID", ".*", lambda found: found[0].upper(), "RFC 7043, RFC 6742: lower case"),
    Difference("NSEC3", _HASH, lambda found: found[0].lower(), "netkit follows dig in the case of hashes"),
    Difference(
        "HTTPS SVCB", 'alpn="([^"]*)"', lambda found: f"alpn={found[1]}", "netkit follows dig in quotes"
    ),
    Difference("HTTPS", "dohpath=", "key7=", "Knot 3.2 does not know RFC 9461"),
    Difference("LOC", r"\.0+(?=[ m])", "", "netkit follows dig in zeros"),
]


def as_another(record: DnsRecord, differences: list[Difference]) -> str:
    """A record as netkit writes it, but for what the other program writes otherwise."""
    text = record.rdata_text()
    for each in differences:
        if record.rdtype.mnemonic in each.types.split():
            text = re.sub(each.pattern, each.theirs, text)
    return " ".join(f"{record.name} {record.ttl} {record.rdclass} {record.rdtype} {text}".split())


def as_kdig(record: DnsRecord) -> str:
    """The same for kdig, which writes what it does not know in the generic form."""
    if record.rdtype.mnemonic not in NOT_OF_KNOT:
        return as_another(record, AS_KDIG)
    line = for_knot(record)
    # It knows the names of these types.
    return line.replace(" TYPE10 ", " NULL ").replace(" TYPE24 ", " SIG ")


def test_as_dig_shows_them(port: int, received: Received) -> None:
    assert sorted({as_another(record, AS_DIG) for record, _ in received}) == shown_by("dig", port, "+nocmd")


def test_as_kdig_shows_them(port: int, received: Received) -> None:
    assert sorted({as_kdig(record) for record, _ in received}) == shown_by("kdig", port)


@pytest.mark.parametrize(
    "command",
    [["named-checkzone", "-k", "ignore", "-i", "none", ORIGIN], ["kzonecheck", "-o", ORIGIN]],
    ids=["named-checkzone", "kzonecheck"],
)
def test_peers_read_what_netkit_writes(command: list[str], tmp_path: Path) -> None:
    zone = tmp_path / "zone"
    known = [DnsRecord.parse(line) for line in ZONE_RECORDS]
    zone.write_text(
        "".join([f"{for_knot(each) if command[0] == 'kzonecheck' else each}\n" for each in known])
    )
    done = subprocess.run(
        [require_peer(command[0]), *command[1:], str(zone)],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert "failed" not in done.stdout + done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize("program", ["dig", "kdig"])
def test_peers_show_what_netkit_serves(program: str, tmp_path: Path) -> None:
    """Every type asked of netkit, over TCP: the peer reads the octets that netkit writes."""
    records = [record for record in map(DnsRecord.parse, ZONE_RECORDS) if is_answer(record)]
    questions = sorted({f"{record.name} TYPE{record.rdtype:d}" for record in records})
    server = DnsServer.bind("127.0.0.1:0", [parse_zone(ZONE, ORIGIN)])
    with in_background(server.serve):
        at = f"@127.0.0.1 -p {server.local_addr.port} +tcp +noall +answer"
        if program == "dig":
            (tmp_path / "questions").write_text("".join([f"{each} {at} +nocmd\n" for each in questions]))
            command = [require_peer("dig"), "-f", str(tmp_path / "questions")]
        else:
            command = [require_peer("kdig"), *at.split(), *" ".join(questions).split()]
        text = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    shown = {" ".join(line.split()) for line in text.splitlines() if line and not line.startswith(";")}
    expected = {as_another(each, AS_DIG) if program == "dig" else as_kdig(each) for each in records}
    assert sorted(shown) == sorted(expected)


def is_answer(record: DnsRecord) -> bool:
    """Whether who asks for the record gets it: not a referral, and no denial, which is all that NSEC3 is for
    (RFC 5155 section 7.2.8)."""
    is_cut = record.rdtype == DnsRecordType.NS and str(record.name) != ORIGIN
    return not is_cut and record.rdtype != DnsRecordType.NSEC3
