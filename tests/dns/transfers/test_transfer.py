"""Transfers over real sockets, from a server that does as it is told; and zones made of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from netkit.addr import SocketAddr
from netkit.dns import DnsError, DnsRecord, TsigKey, Zone, parse_zone
from netkit.dns.messages.message import AA, QR, TC, Message
from netkit.dns.transfers import (
    Part,
    Sent,
    TransferError,
    TransferKind,
    TransferLimits,
    ZoneTransfer,
    fetch_zone,
    fetch_zone_async,
    refresh_zone,
    refresh_zone_async,
)
from netkit.dns.tsig import TsigSigner, verify
from netkit.io import CancellationToken, DeadlineExceeded
from tests.conftest import free_port
from tests.dns.scripted import CLOSE, RESET, Asked, Pieces, Script, ScriptedServer, framed

from .messages import ORIGIN, STEPS, WHOLE, a, ns, soa

pytestmark = pytest.mark.once

KEY = TsigKey("key.test", b"a secret of both sides")


def sent(asked: Asked, records: list[DnsRecord], size: int = 2) -> list[bytes]:
    """The messages that carry records in answer to a query."""
    query = asked.message
    return [
        Message(query.id, QR | AA, 0, 0, () if at else query.question, records[at : at + size]).to_wire()
        for at in range(0, len(records), size)
    ]


def whole(asked: Asked) -> Any:
    return sent(asked, WHOLE) if asked.over_tcp else None


def signing(asked: Asked) -> list[bytes]:
    """The transfer signed, each third message of it."""
    from time import time

    mac = verify(asked.wire, KEY, time()).mac
    signer = TsigSigner(KEY, mac)
    wires = sent(asked, WHOLE, 1)
    return [
        signer.sign(wire, time()).wire if index % 3 == 0 else signer.leave(wire)
        for index, wire in enumerate(wires)
    ]


Scripted = Callable[[Script], ScriptedServer]


def collect(addr: SocketAddr, is_async: bool, **options: Any) -> tuple[ZoneTransfer, list[Sent]]:
    with ZoneTransfer(ORIGIN, addr, **options) as transfer:
        if not is_async:
            return transfer, list(transfer.records())

        async def main() -> list[Sent]:
            return [each async for each in transfer.records_async()]

        return transfer, asyncio.run(main())


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])
@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "signed"])
def test_a_transfer(scripted: Scripted, is_async: bool, key: TsigKey | None) -> None:
    server = scripted(whole if key is None else signing)
    transfer, found = collect(server.addr, is_async, key=key)
    assert [each.record for each in found] == WHOLE
    assert (transfer.is_done, transfer.kind, transfer.record_count) == (True, TransferKind.AXFR, 7)
    assert (transfer.messages, str(transfer.transport)) == (4 if key is None else 7, "tcp")
    assert (transfer.soa, transfer.server_addr) == (soa(5), server.addr)
    assert transfer.octets > 100
    assert transfer.connection is not None
    assert transfer.elapsed_s > 0
    server.close()
    assert [(each.over_tcp, each.rdtype) for each in server.asked] == [(True, "AXFR")]


def test_messages_that_come_in_pieces(scripted: Scripted) -> None:
    def script(asked: Asked) -> Any:
        octets = b"".join(map(framed, sent(asked, WHOLE)))
        return [Pieces([octets[at : at + 7] for at in range(0, len(octets), 7)])]

    _, found = collect(scripted(script).addr, False)
    assert [each.record for each in found] == WHOLE


@pytest.mark.parametrize("end", [CLOSE, RESET])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_connection_that_ends_before_the_transfer(scripted: Scripted, count: int, end: str) -> None:
    def script(asked: Asked) -> Any:
        yield from sent(asked, WHOLE)[:count]
        yield Pieces([b"\0\x40half"])
        yield end

    with pytest.raises(TransferError.Incomplete) as caught:
        collect(scripted(script).addr, False)
    error = caught.value
    # After a reset the system may have thrown away what had come before it.
    assert error.message == count + 1 or (end == RESET and error.message is not None)
    assert "the connection ended before the last record" in str(error)


def test_a_server_that_falls_silent(scripted: Scripted) -> None:
    server = scripted(lambda asked: sent(asked, WHOLE)[:2])
    found: list[Sent] = []
    with ZoneTransfer(ORIGIN, server.addr, patience=0.2) as transfer:
        with pytest.raises(DnsError.Timeout, match=r"message 3: no message for 0\.2 s"):
            found.extend(transfer.records())
        with pytest.raises(DnsError.NetworkError, match="has failed before"):
            next(transfer.records())
    silent = scripted(lambda asked: None)
    with pytest.raises(DnsError.Timeout):
        collect(silent.addr, False, patience=0.05)


def test_deadline_and_cancellation(scripted: Scripted) -> None:
    server = scripted(lambda asked: sent(asked, WHOLE)[:2])
    with ZoneTransfer(ORIGIN, server.addr) as transfer, pytest.raises(DeadlineExceeded, match="transferring"):
        list(transfer.records(timeout=0.1))
    token = CancellationToken()
    token.cancel()
    with ZoneTransfer(ORIGIN, server.addr) as transfer, pytest.raises(Exception, match="cancel"):
        list(transfer.records(cancel=token))


def test_a_port_where_nobody_listens() -> None:
    with pytest.raises(DnsError.NetworkError, match=r"example\.test\. AXFR: .*refused"):
        fetch_zone(ORIGIN, SocketAddr.new("127.0.0.1", free_port()))


def test_https_is_refused() -> None:
    with pytest.raises(DnsError.InvalidValue, match="TCP and TLS"):
        ZoneTransfer(ORIGIN, "https://192.0.2.53/dns-query")


# -- IXFR


OLD = parse_zone("\n".join(map(str, [soa(3), ns(), a("ns", 53), a("www", 1), a("old")])))
NEW = parse_zone("\n".join(map(str, [soa(5), ns(), a("ns", 53), a("www", 2), a("www", 3), a("mail", 25)])))


def test_ixfr_over_udp(scripted: Scripted) -> None:
    server = scripted(lambda asked: sent(asked, STEPS, 20))
    transfer, found = collect(server.addr, False, serial=3, try_udp=True)
    assert [each.record for each in found] == STEPS
    assert (transfer.kind, str(transfer.transport), transfer.connection) == (TransferKind.IXFR, "udp", None)
    server.close()
    assert [each.over_tcp for each in server.asked] == [False]
    told = server.asked[0].message.authority[0]
    assert isinstance(told, DnsRecord.SOA)
    assert told.serial == 3


def truncated(asked: Asked) -> bytes:
    return Message(asked.message.id, QR | AA | TC, 0, 0, asked.message.question).to_wire()


@pytest.mark.parametrize(
    "over_udp",
    [
        lambda asked: sent(asked, [soa(5)]),
        truncated,
        lambda asked: b"\0\0" + sent(asked, STEPS, 20)[0][2:],
        lambda asked: sent(asked, STEPS[:4]),
        lambda asked: sent(asked, [soa(5), soa(1)]),
    ],
    ids=["its SOA alone", "TC", "another ID", "half", "broken"],
)
def test_what_does_not_come_over_udp_comes_over_tcp(
    scripted: Scripted, over_udp: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netkit.dns.transfers.transfer.UDP_PATIENCE", 0.2)
    server = scripted(lambda asked: sent(asked, STEPS) if asked.over_tcp else over_udp(asked))
    transfer, found = collect(server.addr, True, serial=3, try_udp=True)
    assert [each.record for each in found] == STEPS
    assert str(transfer.transport) == "tcp"


def test_a_refusal_over_udp_is_one(scripted: Scripted) -> None:
    server = scripted(lambda asked: Message(asked.message.id, QR, 0, 5, asked.message.question))
    with pytest.raises(TransferError.Refused):
        collect(server.addr, False, serial=3, try_udp=True)


# -- zones


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])
def test_zones(scripted: Scripted, is_async: bool) -> None:
    def script(asked: Asked) -> Any:
        if asked.rdtype == "AXFR":
            return whole(asked)
        return sent(asked, STEPS, 20)

    server = scripted(script)
    if is_async:
        fetched: Zone = asyncio.run(fetch_zone_async(ORIGIN, server.addr))
        refreshed: Zone = asyncio.run(refresh_zone_async(OLD, server.addr))
    else:
        fetched = fetch_zone(ORIGIN, server.addr)
        refreshed = refresh_zone(OLD, server.addr)
    assert fetched == parse_zone("\n".join(map(str, WHOLE[:-1])))
    assert refreshed == NEW
    assert OLD.soa.serial == 3


def test_a_zone_that_is_current(scripted: Scripted) -> None:
    server = scripted(lambda asked: sent(asked, [soa(5)]))
    assert refresh_zone(NEW, server.addr) is NEW


def test_a_server_that_is_behind_and_sends_the_whole_zone(scripted: Scripted) -> None:
    older = [soa(4), *WHOLE[1:-1], soa(4)]
    assert refresh_zone(NEW, scripted(lambda asked: sent(asked, older)).addr) is NEW


def test_differences_that_do_not_fit_and_a_server_without_any(scripted: Scripted) -> None:
    expected = parse_zone("\n".join(map(str, WHOLE[:-1])))
    steps = [soa(5), soa(3), a("nowhere"), soa(5), soa(5)]

    def unfit(asked: Asked) -> Any:
        return sent(asked, steps, 20) if asked.rdtype == "IXFR" else whole(asked)

    server = scripted(unfit)
    assert refresh_zone(OLD, server.addr) == expected
    server.close()
    assert [each.rdtype for each in server.asked] == ["IXFR", "AXFR"]
    # The second record tells a whole zone from differences, and is in the second message.
    assert refresh_zone(OLD, scripted(lambda asked: sent(asked, WHOLE, 1)).addr, try_udp=False) == expected


def test_what_is_no_zone(scripted: Scripted) -> None:
    alias = DnsRecord.CNAME(f"www.{ORIGIN}", 300, f"ns.{ORIGIN}")
    server = scripted(lambda asked: sent(asked, [soa(5), a("www"), alias, soa(5)]))
    with pytest.raises(TransferError.Unfit, match="CNAME stands alone") as caught:
        fetch_zone(ORIGIN, server.addr)
    assert caught.value.message == 2
    assert "another server would not load" in (caught.value.hint or "")


def test_a_zone_is_limited(scripted: Scripted) -> None:
    with pytest.raises(TransferError.TooLarge):
        fetch_zone(ORIGIN, scripted(whole).addr, limits=TransferLimits(records=3))


def test_nothing_is_read_after_the_end(scripted: Scripted) -> None:
    server = scripted(lambda asked: [*sent(asked, WHOLE), *sent(asked, [a("late")])])
    _, found = collect(server.addr, False)
    assert found[-1].part is Part.LAST
