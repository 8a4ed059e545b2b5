"""Transfers over real sockets: one client that does not read keeps neither others nor memory."""

from __future__ import annotations

import socket

import pytest

from netkit.dns import DnsError, DnsRecord, DnsRecordType, Zone, parse_zone
from netkit.dns.authority.faults import DnsFault, DnsFaults
from netkit.dns.authority.responder import AnsweredQuery
from netkit.dns.authority.server import DnsServer
from netkit.dns.authority.zone_set import Zones
from netkit.dns.resolver import Resolver
from netkit.dns.transfers import TransferError, ZoneTransfer, fetch_zone, refresh_zone
from netkit.dns.transfers.query import make_transfer_query, transfer_question
from netkit.dns.transports.tcp import framed
from netkit.dns.zones.builder import ZoneBuilder
from netkit.serve.connections import in_background
from tests.dns.transfers.messages import ID, ORIGIN, a, ns, soa
from tests.waiting import until

pytestmark = pytest.mark.once

#: More than the system keeps for a connection whose other end does not read: 400 records of 30,000 octets.
COUNT, SIZE = 400, 30_000


def large(serial: int) -> Zone:
    builder = ZoneBuilder(ORIGIN)
    for record in (soa(serial), ns(), a("www")):
        builder.add(record)
    for number in range(COUNT):
        builder.add(DnsRecord.Unknown(f"n{number}.{ORIGIN}", 60, 65280, bytes(SIZE)))
    return builder.finish()


def test_a_client_that_does_not_read() -> None:
    zone = large(1)
    server = DnsServer.bind("127.0.0.1:0", [zone])
    told: list[AnsweredQuery] = []
    server.on_query = told.append
    with in_background(server.serve):
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.settimeout(20)
            slow.connect(("127.0.0.1", server.local_addr.port))
            slow.sendall(framed(make_transfer_query(transfer_question(ORIGIN, None), ID).to_wire()))
            assert slow.recv(2)
            # Meanwhile others are served, also with a newer version.
            assert fetch_zone(ORIGIN, server.local_addr) == zone
            with Resolver([server.local_addr]) as resolver:
                assert [str(each) for each in resolver.lookup_a(f"www.{ORIGIN}")] == ["192.0.2.1"]
            server.zones = Zones([parse_zone(f"{soa(2)}\n{ns()}")])
            assert refresh_zone(zone, server.local_addr).soa.serial == 2
            sizes = [each.response_size or 0 for each in told]
            assert max(sizes) > COUNT * SIZE
            before = len(told)
        until(lambda: len(told) > before, "the end of the transfer to the slow one")
    last = told[-1].response_size
    assert last is not None
    assert 0 < last < COUNT * SIZE  # the rest was never made


def test_several_transfers_over_one_connection() -> None:
    server = DnsServer.bind("127.0.0.1:0", [parse_zone(f"{soa(1)}\n{ns()}")])
    query = framed(make_transfer_query(transfer_question(ORIGIN, None), ID).to_wire())
    with in_background(server.serve), socket.create_connection(("127.0.0.1", server.local_addr.port)) as sock:
        sock.settimeout(20)
        sock.sendall(query * 3)
        received = b""
        for _ in range(3):
            while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2], "big"):
                received += sock.recv(65536)
            received = received[2 + int.from_bytes(received[:2], "big") :]
        assert not received


def test_a_client_that_stops_early() -> None:
    server = DnsServer.bind("127.0.0.1:0", [large(1)])
    with in_background(server.serve):
        with ZoneTransfer(ORIGIN, server.local_addr) as transfer:
            first = next(transfer.records())
        assert first.record == soa(1)
        assert fetch_zone(ORIGIN, server.local_addr).soa.serial == 1


def test_faults_on_purpose() -> None:
    """The first message of a transfer has the fault; what is dropped is dropped whole."""
    server = DnsServer.bind("127.0.0.1:0", [large(1)])
    faults = [DnsFault("wrong-id", rdtype=DnsRecordType.AXFR, count=1), DnsFault("drop", over="tcp", count=1)]
    script = DnsFaults(faults, lambda: 0.5)
    with in_background(lambda stop: server.serve(stop, script=script)):
        with pytest.raises(TransferError, match="ID"):
            fetch_zone(ORIGIN, server.local_addr)
        with pytest.raises(DnsError.Timeout):
            fetch_zone(ORIGIN, server.local_addr, patience=0.1)
        assert fetch_zone(ORIGIN, server.local_addr).soa.serial == 1
        with socket.create_connection(("127.0.0.1", server.local_addr.port), timeout=5) as broken:
            broken.sendall(framed(b"no query"))
            assert broken.recv(1) == b""  # ended, as without a script
    assert script.injected == {"wrong-id": 1, "drop": 1}
