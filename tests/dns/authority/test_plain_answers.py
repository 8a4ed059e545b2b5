"""The short way to a response: the octets are those of the long one, and it is taken where it should be."""

from __future__ import annotations

from collections.abc import Iterator
from struct import pack

import pytest

from netkit.addr import SocketAddr
from netkit.dns.authority.answering import Came, respond
from netkit.dns.authority.options import ServerOptions
from netkit.dns.authority.plain_answers import PlainAnswers
from netkit.dns.authority.responder import Responder
from netkit.dns.authority.zone_set import Zones
from netkit.dns.constants import DnsRecordType as T
from netkit.dns.messages.message import make_query
from netkit.dns.zones.zone import Zone
from netkit.dns.zones.zonefile import parse_zone
from tests.dns.signed_zone import by_hash, by_name
from tests.interop.dns_authority_queries import about, of_form, opt, question
from tests.interop.dns_authority_zones import TOSIGN, UNDER_ROOT, ZONES

# Names that the SOA record shares with questions, in letter case that differs, and what does not fit.
ODD = """
$ORIGIN Odd.Test.
$TTL 300
@ SOA ns.deep.Odd.Test. host.master.odd.test. 1 2 3 4 60
@ NS ns.deep
ns.deep A 192.0.2.1
*.deep.master A 192.0.2.2
other.ns.deep TXT "under the server"
sub.odd.test. A 192.0.2.3
sub.ODD.test. A 192.0.2.4
a.b.master AAAA 2001:db8::1
two TXT "of two" "strings"
hinfo HINFO "a" "b"
strange TYPE65280 \\# 2 abcd
""" + "".join([f'large TXT "{"x" * 200}{number}"\nlong TXT "{"y" * 55}{number}"\n' for number in range(7)])
SOA_ELSEWHERE = """
$ORIGIN plain.test.
$TTL 300
@ SOA ns.other.test. plain.test. 1 2 3 4 900
@ NS ns.other.test.
www A 192.0.2.1
"""

# What an octet of a query is changed to.
OCTETS = (0, 1, 2, 0x1C, 0x29, 0x40, 0x80, 0xC0, 0xFF)


def sets_of_zones() -> dict[str, list[Zone]]:
    signed = "$ORIGIN signed.test.\n" + TOSIGN
    return {
        "beside each other": [parse_zone(text, name) for name, text in ZONES.items()],
        "under the root": [parse_zone(text, name) for name, text in UNDER_ROOT.items()],
        "odd": [parse_zone(ODD), parse_zone(SOA_ELSEWHERE)],
        "nsec": [by_name(signed)],
        "nsec3": [by_hash(signed)],
        "opt-out": [by_hash(signed, opt_out=True)],
    }


def queries(zones: list[Zone]) -> Iterator[bytes]:
    """Of each kind, with and without EDNS, flags and DO, in three letter cases."""
    for each in of_form():
        yield each.wire
    asked = {each.wire[12 : _end(each.wire)] for each in about(zones)}
    asked |= {
        question(f"{label}.{zone.origin}" if str(zone.origin) != "." else f"{label}.", rdtype)
        for zone in zones
        for label in ("x", "y" * 63, "ns.x", "*", "a.b.c.d.e")
        for rdtype in (*range(1, 70), 99, 127, 128, 255, 257)
    }
    forms = (
        (0x0000, b""),
        (0x0110, opt(size=4096)),
        (0x06FF, opt(size=0)),
        (0x0010, opt(flags=0x8000)),
        (0x0100, opt(flags=0xFFFF, size=700)),
    )
    for number, body in enumerate(sorted(asked)):
        for flags, edns in (forms[0], forms[1 + number % 4]):
            head = pack("!6H", number & 0xFFFF, flags, 1, 0, 0, bool(edns))
            yield head + body + edns
        if number % 4 == 0:
            yield head + body[:-4].swapcase() + body[-4:] + edns
            yield head + body[:-4].lower() + body[-4:] + edns


def _end(query: bytes) -> int:
    at = 12
    while query[at]:
        at += 1 + query[at]
    return at + 5


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        ("beside each other", 3000),
        ("under the root", 2000),
        ("odd", 1000),
        ("nsec", 500),
        ("nsec3", 500),
        ("opt-out", 500),
    ],
)
def test_the_octets_are_those_of_the_long_way(kind: str, least: int) -> None:
    given = sets_of_zones()[kind]
    zones, plain, count = Zones(given), PlainAnswers(given), 0
    for wire in queries(given):
        made = plain.get(wire)
        if made is not None:
            count += 1
            assert made == respond(zones, wire, Came("udp")), wire
    assert count >= least


def test_what_is_damaged() -> None:
    """Octets that are lost or changed: whatever is left is answered as the long way does, or not at all."""
    given = sets_of_zones()["odd"]
    zones, plain, count = Zones(given), PlainAnswers(given), 0
    for name, rdtype in (("sub.odd.test.", T.A), ("x.Odd.Test.", T.A), ("two.Odd.Test.", T.TXT)):
        wire = make_query(name, rdtype, id=7).to_wire()
        changed = [
            wire[:at] + bytes((octet,)) + wire[at + 1 :] for at in range(len(wire)) for octet in OCTETS
        ]
        for each in (*[wire[:size] for size in range(len(wire))], wire + b"\0", *changed):
            made = plain.get(each)
            if made is not None:
                count += 1
                assert made == respond(zones, each, Came("udp")), each
    assert count > 200


def test_where_queries_must_be_signed_none_is_plain() -> None:
    zone = parse_zone(ODD)
    ours = Responder([zone], (), lambda: 0.0)
    wire = make_query("ns.deep.odd.test.", T.A, id=1).to_wire()
    before = ours.datagram(wire, peer)
    ours.options = ServerOptions(signed_only=True)
    assert before != ours.datagram(wire, peer) == respond(ours.zones, wire, Came("udp"), options=ours.options)


def peer() -> SocketAddr:
    return SocketAddr.parse("192.0.2.7:4242")
