"""Zone transfers with peers: named, knotd and nsd are secondaries of netkit's server, and netkit is theirs.

Everything happens with one set of servers, in the order of the tests: the secondaries transfer the first
version (AXFR), are notified of the second and take the differences (IXFR), and give both on to netkit. What
netkit has from them is the zone as it was given to its server, record for record. BIND's dig and Knot's kdig
read what netkit's server gives, over TCP and TLS, signed and not.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from time import time
from typing import NamedTuple, TypeVar

import pytest

from netkit.addr import SocketAddr
from netkit.dns import DnsError, DnsRecord, QueryOptions, Question, TsigError, TsigKey, Zone, ask, parse_zone
from netkit.dns.authority.notify_sending import Notifier, send_notify
from netkit.dns.authority.responder import AnsweredQuery, Responder
from netkit.dns.authority.server import DnsServer
from netkit.dns.authority.zone_set import Zones
from netkit.dns.lines import record_line
from netkit.dns.policy.upstream import Transport, Upstream
from netkit.dns.style import PLAIN as PLAIN_STYLE
from netkit.dns.transfers import TransferError, TransferKind, ZoneTransfer, fetch_zone, refresh_zone
from netkit.io import run
from netkit.net.same_port import bind_same_port
from netkit.net.tcp import TcpListener
from netkit.serve.connections import in_background
from netkit.tls.config import TlsConfig
from netkit.tls.stream import TlsStream
from netkit.tls.throwaway import ThrowawayAuthority
from tests.cli.helpers import run_netkit
from tests.conftest import require_peer
from tests.waiting import until

from .dns_secondaries import KEY, KEYED, NAME, PLAIN, ZONES, Files, Primary, Secondary, secondaries

pytestmark = pytest.mark.once

T = TypeVar("T")
TSIG = TsigKey.parse(KEY)
#: Enough records for several messages.
COUNT = 1500


def version(origin: str, serial: int) -> Zone:
    """A version of a zone: each has another address of www, some records of its own, and not those before."""
    lines = [
        f"$ORIGIN {origin}.\n$TTL 300",
        f"@ SOA ns host {serial} 3600 600 86400 60",
        "@ NS ns\n@ MX 10 mail\nns A 127.0.0.1\nmail A 192.0.2.25",
        f"www A 192.0.2.{serial}",
        f'Version-{serial} TXT "of {origin}" "" "with \\"quotes\\""',
        '*.wild CAA 0 issue "ca.test"\nodd TYPE65280 \\# 3 010203\nsub NS ns.sub\nns.sub AAAA 2001:db8::1',
        *[f'r{number} TXT "record {number}"' for number in range(COUNT)],
    ]
    return parse_zone("\n".join(lines) + "\n")


VERSIONS = {(origin, serial): version(origin, serial) for origin in ZONES for serial in (1, 2)}


def records_of(zone: Zone) -> list[str]:
    return sorted([str(record).lower() for rrset in zone.rrsets.values() for record in rrset])


class Lab(NamedTuple):
    """netkit's server with its secondaries, and what it was asked."""

    server: DnsServer
    tls: SocketAddr
    peers: list[Secondary]
    queries: list[AnsweredQuery]
    authority: ThrowawayAuthority


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("secondaries")
    authority = ThrowawayAuthority()
    certificate, key = authority.issue([NAME])
    files = Files(folder / "crt", folder / "key")
    files.certificate.write_text(certificate.to_pem())
    files.key.write_text(key.to_pem())
    config = TlsConfig.server().with_identity([certificate], key).with_alpn(["dot"])
    tcp, udp = bind_same_port("127.0.0.1:0")
    tls = TcpListener.bind("127.0.0.1:0")
    responder = Responder([VERSIONS[origin, 1] for origin in ZONES], [TSIG], time)
    server = DnsServer(
        [udp], [tcp], responder, tls=[tls], accept=lambda stream: TlsStream.accept_flow(stream, config)
    )
    queries: list[AnsweredQuery] = []
    responder.on_query = queries.append
    primary = Primary(server.local_addr.port, tls.local_addr.port)
    with secondaries(folder, primary, files) as peers:
        server.notifier = Notifier([each.addr for each in peers])
        with in_background(server.serve):
            yield Lab(server, tls.local_addr, peers, queries, authority)


@pytest.fixture(scope="module")
def first(lab: Lab) -> Lab:
    """The secondaries have the first version."""
    wait_for_serial(lab, 1)
    return lab


@pytest.fixture(scope="module")
def second(first: Lab) -> Lab:
    """The secondaries have the second version."""
    first.server.zones = Zones([VERSIONS[origin, 2] for origin in ZONES])
    wait_for_serial(first, 2)
    return first


def wait_for_serial(lab: Lab, serial: int) -> None:
    for each in lab.peers:
        for origin in ZONES:
            until(partial(_has, each.addr, origin, serial), f"{each.peer.name}: {origin}, serial {serial}")


def _has(server: SocketAddr, origin: str, serial: int) -> bool:
    return serial_at(server, origin) == serial


def serial_at(server: SocketAddr, origin: str) -> int | None:
    try:
        reply = run(ask(Question(origin, 6), [server], QueryOptions(timeout=1.0, tries=1)))
    except DnsError:
        return None
    soa = reply.message.answer[0] if reply.message.answer else None
    return soa.serial if isinstance(soa, DnsRecord.SOA) else None


def steadily(call: Callable[[], T]) -> T:
    """What a call gives, again where the server ended the connection without a word: nsd does, while a new
    version of a zone replaces its process."""
    found: list[T] = []

    def gives() -> bool:
        try:
            found.append(call())
        except TransferError.Incomplete as error:
            if error.message != 1:
                raise
        return bool(found)

    until(gives, "a transfer")
    return found[0]


def key_for(origin: str) -> TsigKey | None:
    return TSIG if origin == KEYED else None


PEERS = ("named", "knotd", "nsd")


def peer(lab: Lab, name: str) -> Secondary:
    return next(each for each in lab.peers if each.peer.name == name)


@pytest.mark.parametrize("origin", ZONES)
@pytest.mark.parametrize("name", PEERS)
def test_what_a_secondary_transferred_comes_back(first: Lab, name: str, origin: str) -> None:
    addr, key = peer(first, name).addr, key_for(origin)
    found = steadily(lambda: fetch_zone(origin, addr, key=key, timeout=20))
    assert records_of(found) == records_of(VERSIONS[origin, 1])


@pytest.mark.parametrize("name", PEERS)
def test_a_secondary_has_nothing_newer(first: Lab, name: str) -> None:
    mine, addr = VERSIONS[PLAIN, 1], peer(first, name).addr
    assert steadily(lambda: refresh_zone(mine, addr, try_udp=False, timeout=20)) is mine
    assert steadily(lambda: refresh_zone(mine, addr, try_udp=True, timeout=20)) is mine


@pytest.mark.parametrize("name", PEERS)
def test_a_transfer_without_the_key_is_refused(first: Lab, name: str) -> None:
    with pytest.raises(TransferError.Refused) as caught:
        fetch_zone(KEYED, peer(first, name).addr, timeout=20)
    assert caught.value.rcode_name in ("REFUSED", "NOTAUTH")
    with pytest.raises((TsigError.Rejected, TransferError.Refused)):
        fetch_zone(KEYED, peer(first, name).addr, key=TSIG.replace(secret=b"another"), timeout=20)
    shown = run_netkit("dig", f"@{peer(first, name).addr}", KEYED, "AXFR")
    assert (shown.exit_code, shown.stdout) == (3, "; Transfer failed.\n")


def test_over_tls_from_named(first: Lab) -> None:
    named = peer(first, "named")
    assert named.tls is not None
    upstream = Upstream(SocketAddr.new("127.0.0.1", named.tls), Transport.TLS, NAME)
    trusting = TlsConfig.client().with_root_certs([first.authority.certificate])
    with ZoneTransfer(PLAIN, upstream, tls=trusting) as transfer:
        sent = list(transfer.records(timeout=20))
        assert len(sent) == len(records_of(VERSIONS[PLAIN, 1])) + 1
        assert (str(transfer.transport), transfer.messages > 5) == ("tls", True)
        assert transfer.connection is not None
        assert transfer.connection.tls_version == "TLS 1.3"


def test_the_differences_go_to_secondaries_after_a_notification(second: Lab) -> None:
    asked = {
        (each.transport, str(each.question.rdtype))
        for each in second.queries
        if each.question is not None and str(each.rcode) == "NOERROR"
    }
    assert ("tls", "IXFR") in asked  # named, for PLAIN
    assert ("tcp", "IXFR") in asked or ("udp", "IXFR") in asked
    by_size = [
        each.response_size
        for each in second.queries
        if each.question is not None and str(each.question.rdtype) == "IXFR" and each.response_size
    ]
    assert min(by_size) < 1000 < max([each.response_size or 0 for each in second.queries])


@pytest.mark.parametrize("origin", ZONES)
@pytest.mark.parametrize("name", PEERS)
def test_the_differences_come_back(second: Lab, name: str, origin: str) -> None:
    addr, key = peer(second, name).addr, key_for(origin)
    old, new = VERSIONS[origin, 1], records_of(VERSIONS[origin, 2])
    assert records_of(steadily(lambda: fetch_zone(origin, addr, key=key, timeout=20))) == new
    for over_udp in (True, False):
        refresh = partial(refresh_zone, old, addr, key=key, try_udp=over_udp, timeout=20)
        assert records_of(steadily(refresh)) == new
    transfer, count = steadily(lambda: differences(origin, addr, key))
    assert (transfer.kind, count > 5) == (TransferKind.IXFR, True)


def differences(origin: str, addr: SocketAddr, key: TsigKey | None) -> tuple[ZoneTransfer, int]:
    with ZoneTransfer(origin, addr, serial=1, key=key) as transfer:
        return transfer, len(list(transfer.records(timeout=20)))


@pytest.mark.parametrize("name", PEERS)
def test_they_answer_notifications(second: Lab, name: str) -> None:
    addr = peer(second, name).addr
    assert send_notify(PLAIN, addr, soa=VERSIONS[PLAIN, 2].soa).is_heard
    assert not send_notify("elsewhere.test", addr).is_heard


# -- other clients read what netkit gives


@contextmanager
def shown_by(tool: str, port: int, *words: str) -> Iterator[list[str]]:
    """The records that a client shows of a transfer, in lines as netkit's dig has them."""
    command = [require_peer(tool), *(["-r"] if tool == "dig" else []), "@127.0.0.1", "-p", str(port), *words]
    text = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
    assert "could not be validated" not in text
    lines = [line for line in text.splitlines() if line and line[0] != ";" and "\tTSIG\t" not in line]
    yield [str(DnsRecord.parse(line)) for line in lines]


def lines_of(records: Iterable[DnsRecord]) -> list[str]:
    return [str(DnsRecord.parse(record_line(record, PLAIN_STYLE))) for record in records]


def given(zone: Zone) -> list[str]:
    """The records of a zone as its transfer has them."""
    others = [record for key, rrset in zone.rrsets.items() if key[1] != 6 for record in rrset]
    return lines_of([zone.soa, *others, zone.soa])


@pytest.mark.parametrize("tool", ["dig", "kdig"])
@pytest.mark.parametrize("signed", [False, True], ids=["plain", "signed"])
def test_others_read_a_whole_zone(second: Lab, tool: str, signed: bool) -> None:
    words = ["-y", KEY] if signed else []
    with shown_by(tool, second.server.local_addr.port, PLAIN, "AXFR", *words) as shown:
        assert shown == given(VERSIONS[PLAIN, 2])


@pytest.mark.parametrize("tool", ["dig", "kdig"])
def test_others_read_a_whole_zone_over_tls(second: Lab, tool: str) -> None:
    with shown_by(tool, second.tls.port, PLAIN, "AXFR", "+tls") as shown:
        assert shown == given(VERSIONS[PLAIN, 2])


@pytest.mark.parametrize("tool", ["dig", "kdig"])
@pytest.mark.parametrize("signed", [False, True], ids=["plain", "signed"])
def test_others_read_differences(second: Lab, tool: str, signed: bool) -> None:
    words = ["-y", KEY] if signed else []
    old, new = VERSIONS[PLAIN, 1], VERSIONS[PLAIN, 2]
    with shown_by(tool, second.server.local_addr.port, PLAIN, "IXFR=1", *words) as shown:
        soa, last = lines_of([new.soa, old.soa])
        assert (shown[0], shown[1], shown[-1]) == (soa, last, soa)
        middle = shown.index(soa, 1)
        gone, come = set(shown[2:middle]), set(shown[middle + 1 : -1])
        before, after = set(given(old)[1:-1]), set(given(new)[1:-1])
        assert (gone, come) == (before - after, after - before)


def test_netkits_dig_shows_what_binds_dig_shows(second: Lab) -> None:
    port = second.server.local_addr.port
    for words in ((PLAIN, "AXFR"), (PLAIN, "IXFR=1"), (PLAIN, "IXFR=2"), (PLAIN, "AXFR", "+onesoa")):
        mine = run_netkit("dig", "@127.0.0.1", "-p", str(port), *words, "+noall", "+answer")
        command = [require_peer("dig"), "-r", "@127.0.0.1", "-p", str(port), *words, "+noall", "+answer"]
        theirs = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
        assert mine.stdout == theirs
