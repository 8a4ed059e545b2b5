"""What servers say in tests of comparisons, without servers."""

from __future__ import annotations

from collections.abc import Iterable

from netkit.addr import SocketAddr
from netkit.dns.comparing import Heard, Server
from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import AA, QR, RA, RD, Message, Question
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord
from netkit.dns.transports.reply import Reply

QUESTION = Question("www.example.", DnsRecordType.A)
ZONE = Name.parse("example")
A = "www.example. 300 A 192.0.2.1"
CACHE = RD | RA


def soa(serial: int = 1, *, zone: str = "example.", ttl: int = 300, minimum: int = 60) -> DnsRecord.SOA:
    """An SOA record."""
    made = DnsRecord.parse(f"{zone} {ttl} SOA ns.{zone} host.{zone} {serial} 2 3 4 {minimum}")
    assert isinstance(made, DnsRecord.SOA)
    return made


def message(
    *answer: str,
    authority: Iterable[str | DnsRecord] = (),
    flags: int = AA,
    rcode: int = Rcode.NOERROR,
    question: Question = QUESTION,
) -> Message:
    """A response, authoritative without more."""
    return Message(
        1,
        QR | flags,
        rcode=rcode,
        question=[question],
        answer=[DnsRecord.parse(text) for text in answer],
        authority=[DnsRecord.parse(each) if isinstance(each, str) else each for each in authority],
    )


def heard(
    number: int,
    said: Message | DnsError,
    serial: int | None = 1,
    *,
    zone: Name | None = None,
    address: str | None = None,
) -> Heard:
    """What server `number` said; with `zone` it is said to have that one."""
    server = Server.of(address or f"192.0.2.{number}", Name.parse(f"ns{number}.example"), zone)
    question = said.question[0] if isinstance(said, Message) and said.question else QUESTION
    if isinstance(said, DnsError):
        return Heard(server, QUESTION, error=said)
    addr = server.upstreams[0].addr
    assert isinstance(addr, SocketAddr)
    wire = said.to_wire()
    reply = Reply(said, said, server=addr, transport="udp", wire=wire, elapsed_s=0.001)
    with_soa = said.authoritative and serial is not None
    return Heard(server, question, reply, soa=soa(serial) if with_soa and serial is not None else None)
