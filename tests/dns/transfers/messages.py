"""Messages of transfers, made by hand for the tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netkit.dns import DnsRecord, Message, Question
from netkit.dns.constants import DnsRecordType
from netkit.dns.messages.message import AA, QR
from netkit.dns.transfers.query import transfer_question
from netkit.dns.tsig import TsigSigner

ID = 0x4321
ORIGIN = "example.test."
NOW = 1_700_000_000


def soa(serial: int, **changes: object) -> DnsRecord.SOA:
    made = DnsRecord.SOA(ORIGIN, 300, f"ns.{ORIGIN}", f"host.{ORIGIN}", serial, 3600, 600, 86400, 60)
    return made.replace(**changes) if changes else made


def a(host: str, number: int = 1, ttl: int = 300) -> DnsRecord.A:
    return DnsRecord.A(f"{host}.{ORIGIN}", ttl, f"192.0.2.{number}")


def ns() -> DnsRecord.NS:
    return DnsRecord.NS(ORIGIN, 300, f"ns.{ORIGIN}")


def message(
    answer: Iterable[DnsRecord],
    question: Question | None,
    *,
    number: int = ID,
    flags: int = QR | AA,
    rcode: int = 0,
    opcode: int = 0,
) -> bytes:
    asked = [] if question is None else [question]
    return Message(number, flags, opcode, rcode, asked, answer).to_wire()


def messages(
    records: Sequence[DnsRecord], sizes: Iterable[int] = (), serial: int | None = None
) -> list[bytes]:
    """The messages of a transfer: the first have so many records as `sizes` says, the last has the rest."""
    question = transfer_question(ORIGIN, serial)
    made: list[bytes] = []
    at = 0
    for size in (*sizes, len(records)):
        made.append(message(records[at : at + size], None if made else question))
        at += size
        if at >= len(records):
            break
    return made


def signed(wires: Sequence[bytes], signer: TsigSigner, every: int = 1) -> list[bytes]:
    """The messages with every nth of them signed, the first and the last among them."""
    last = len(wires) - 1
    return [
        signer.sign(wire, NOW).wire if index in (0, last) or index % every == 0 else signer.leave(wire)
        for index, wire in enumerate(wires)
    ]


WHOLE = [soa(5), ns(), a("ns", 53), a("www", 1), a("www", 2), a("a.b"), soa(5)]

#: From 3 to 4 (www changes), and from 4 to 5 (mail comes, old goes).
STEPS = [
    soa(5),
    soa(3), a("www", 1), soa(4), a("www", 2), a("www", 3),
    soa(4), a("old"), soa(5), a("mail", 25),
    soa(5),
]  # fmt: skip
AXFR, IXFR = DnsRecordType.AXFR, DnsRecordType.IXFR
