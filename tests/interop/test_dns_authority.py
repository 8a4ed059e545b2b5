"""netkit's authoritative server beside named, nsd and knotd: what it answers, another answers too.

The servers have the same zones and are asked the same queries, of every kind. They differ from each other
often, where the RFCs leave a choice; netkit is never alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import time
from typing import NamedTuple

import pytest

from netkit.addr import IpAddr
from netkit.dns.authority.answering import Came, respond
from netkit.dns.authority.cookies import MAX_AGE, ServerCookies
from netkit.dns.authority.options import ServerOptions
from netkit.dns.authority.zone_set import Zones
from netkit.dns.constants import DnsRecordType as T, Opcode, Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import AA, TC, Message, make_query
from netkit.dns.records import DnsRecord
from netkit.dns.zones.zonefile import parse_zone
from tests.interop.dns_authorities import IDENTITY, VERSION, Peer, authorities, named_with_cookies
from tests.interop.dns_authority_queries import Query, about, of_form, opt, query, question, with_edns
from tests.interop.dns_authority_zones import UNDER_ROOT, ZONES, signed

pytestmark = pytest.mark.once

OPTIONS = ServerOptions(IDENTITY, VERSION)


class Answer(NamedTuple):
    """What is compared of a response: its code, AA and TC, its sections as sets, and what EDNS says."""

    rcode: str
    flags: int
    answer: frozenset[str]
    authority: frozenset[str]
    additional: frozenset[str]
    edns: object


def answer(wire: bytes | None) -> Answer | None:
    """What is compared of a response; None if there is none, or none that can be read."""
    if wire is None:
        return None
    try:
        message = Message.from_wire(wire)
    except DnsError:
        return None
    # What is left of an answer that does not fit is each server's choice.
    cut = message.truncated
    answers, authority, additional = [
        frozenset[str]() if cut else _set(section)
        for section in (message.answer, message.authority, message.additional)
    ]
    edns: object = None
    # Whether FORMERR comes with EDNS: netkit alone has it, because without it says that this server does
    # not know EDNS (RFC 6891 section 7), and a resolver asks again without.
    # What another operation is answered with, no two of them agree on.
    if message.edns is not None and message.rcode != Rcode.FORMERR and message.opcode == Opcode.QUERY:
        edns = message.edns.version, message.edns.dnssec_ok, message.edns.option(EdnsOption.Nsid)
    return Answer(str(message.rcode), message.flags & (AA | TC), answers, authority, additional, edns)


def _set(records: Iterable[DnsRecord]) -> frozenset[str]:
    # In which letter case an owner comes back is left open (RFC 4343 section 4).
    return frozenset(str(record).lower() for record in records)


class Group(NamedTuple):
    """Servers with the same zones, netkit's among them."""

    peers: Sequence[Peer]
    zones: Zones

    def assert_never_alone(self, queries: Sequence[Query], *, over_tcp: bool = False) -> None:
        """Ask all of them; netkit's answer to each query is that of another one too."""
        wires = [(index + 1).to_bytes(2, "big") + each.wire[2:] for index, each in enumerate(queries)]
        theirs = [peer.exchange_over_tcp(wires) if over_tcp else peer.exchange(wires) for peer in self.peers]
        came = Came("tcp" if over_tcp else "udp")
        alone: list[str] = []
        for each, wire, *responses in zip(queries, wires, *theirs, strict=True):
            own = answer(respond(self.zones, wire, came, options=OPTIONS))
            others = [answer(response) for response in responses]
            if own not in others:
                alone.append(f"{each.what}: {own}, and others {others}")
        assert not alone, f"{len(alone)} of {len(queries)}:\n" + "\n".join(alone[:10])


def _group(folder: Path, texts: Mapping[str, str]) -> Iterator[Group]:
    zones = Zones([parse_zone(text, name) for name, text in texts.items()])
    with authorities(folder, texts) as peers:
        yield Group(peers, zones)


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """All servers, with zones beside and in each other."""
    folder = tmp_path_factory.mktemp("authorities")
    yield from _group(folder, {**ZONES, **signed(folder)})


@pytest.fixture(scope="module")
def under_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """The same with the root zone, so that no name is outside."""
    yield from _group(tmp_path_factory.mktemp("root"), UNDER_ROOT)


def test_names(group: Group) -> None:
    queries = list(about(group.zones))
    assert len(queries) > 600
    group.assert_never_alone(queries)


def test_forms(group: Group) -> None:
    group.assert_never_alone(list(of_form()))


def test_names_under_the_root(under_root: Group) -> None:
    root = [zone for zone in under_root.zones if zone.origin.is_root]
    beside = [
        query(f"{name} {rdtype}", question(name, rdtype))
        for name in ("x.", "com.", "example.", "child.example.", "x.child.example.")
        for rdtype in (T.NS, T.DS, T.A, T.SOA)
    ]
    under_root.assert_never_alone([*about(root), *beside])


def test_over_tcp(group: Group) -> None:
    """Where what is large is whole."""
    asked = (
        ("big.example.", T.TXT),
        ("many.example.", T.A),
        ("x.largecut.example.", T.A),
        ("example.", T.ANY),
        ("nsec.test.", T.ANY),
        ("c0.example.", T.A),
        ("x.dn.example.", T.A),
        ("nothing.example.", T.A),
        ("x.dnwild.nsec3.test.", T.MX),
    )
    plain = [query(f"{name} {rdtype}", question(name, rdtype)) for name, rdtype in asked]
    with_do = [
        with_edns(f"{name} {rdtype} +do", question(name, rdtype), opt(flags=0x8000)) for name, rdtype in asked
    ]
    group.assert_never_alone([*plain, *with_do], over_tcp=True)


def test_cookies_are_those_of_named(tmp_path: Path) -> None:
    """RFC 9018: servers with one secret accept each other's."""
    secret = bytes(range(16))
    cookies = ServerCookies(secret)
    client, here = b"a client", IpAddr.parse("127.0.0.1")

    def asked(peer: Peer, cookie: EdnsOption.Cookie) -> tuple[Rcode, EdnsOption.Cookie]:
        wire = make_query(".", T.SOA, id=1, edns=Edns(options=[cookie])).to_wire()
        [response] = peer.exchange([wire])
        assert response is not None
        message = Message.from_wire(response)
        assert message.edns is not None
        found = message.edns.option(EdnsOption.Cookie)
        assert found is not None
        return message.rcode, found

    with named_with_cookies(tmp_path, secret) as peer:
        rcode, theirs = asked(peer, EdnsOption.Cookie(client))
        assert rcode == Rcode.BADCOOKIE
        assert cookies.answer(theirs, here, time()) == (theirs, True)
        own = EdnsOption.Cookie(client, cookies.make(client, here, time()))
        assert asked(peer, own)[0] == Rcode.NOERROR
        old = EdnsOption.Cookie(client, cookies.make(client, here, time() - MAX_AGE - 60))
        assert asked(peer, old)[0] == Rcode.BADCOOKIE
