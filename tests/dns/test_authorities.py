"""The zone of a name and its servers: found by asking a server that knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netkit.addr import IpAddr
from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError
from netkit.dns.exchange import QueryOptions
from netkit.dns.name import Name
from netkit.dns.tracing.authorities import (
    find_authorities,
    find_authorities_async,
    find_authorities_flow,
)
from tests.dns.scripted import Asked, Script, ScriptedServer, Sent, answer

Scripted = Callable[[Script], ScriptedServer]
Drive = Callable[..., Any]

pytestmark = pytest.mark.once

OPTIONS = QueryOptions(timeout=5.0, tries=1, randomize_case=False)
SOA = "example.test. 60 SOA ns1.example.test. admin.example.test. 7 1 1 1 60"
NS = ("example.test. 60 NS ns1.example.test.", "example.test. 60 NS ns2.other.test.")

#: What the server says of each question.
ZONE = {
    ("example.test.", "NS"): NS,
    ("ns1.example.test.", "A"): ("ns1.example.test. 60 A 127.0.0.2",),
    ("ns1.example.test.", "AAAA"): ("ns1.example.test. 60 AAAA ::1",),
    ("ns2.other.test.", "A"): ("ns2.other.test. 60 CNAME a.other.test.", "a.other.test. 60 A 127.0.0.3"),
}


def zone(asked: Asked) -> Sent:
    """A server of example.test, which looks up anything else too."""
    records = ZONE.get((asked.name, asked.rdtype))
    if records is not None:
        return answer(asked, *records)
    if asked.name == "gone.example.test.":
        return answer(asked, rcode=Rcode.NXDOMAIN, authority=[SOA])
    if asked.name == "alias.example.test.":
        return answer(asked, "alias.example.test. 60 CNAME www.elsewhere.")
    return answer(asked, authority=[SOA])


@pytest.mark.parametrize(
    "name",
    ["example.test", "WWW.Example.test", "a.b.c.example.test", "gone.example.test", "alias.example.test"],
)
def test_the_zone_of_a_name_and_its_servers(scripted: Scripted, drive: Drive, name: str) -> None:
    found = drive(find_authorities_flow(name, [scripted(zone).addr], OPTIONS))
    assert found.zone == Name.parse("example.test.")
    assert not found.is_delegation
    assert [str(each.name) for each in found.servers] == ["ns1.example.test.", "ns2.other.test."]
    assert [list(map(str, each.addresses)) for each in found.servers] == [["127.0.0.2", "::1"], ["127.0.0.3"]]
    assert [str(place.addr) for place in found.places(5300)] == [
        "127.0.0.2:5300",
        "[::1]:5300",
        "127.0.0.3:5300",
    ]
    assert [str(place.addr) for place in found.places(family=4)] == ["127.0.0.2:53", "127.0.0.3:53"]


def test_blocking_and_async_forms(scripted: Scripted) -> None:
    import asyncio

    addr = scripted(zone).addr
    assert find_authorities("example.test", [addr], OPTIONS, timeout=5) == asyncio.run(
        find_authorities_async("example.test", [addr], OPTIONS, timeout=5)
    )


def test_a_referral_names_the_servers_of_the_zone_below(scripted: Scripted) -> None:
    def parent(asked: Asked) -> Sent:
        if asked.rdtype == "NS":
            return answer(asked, authority=NS, additional=["ns1.example.test. 60 A 127.0.0.9"], ra=False)
        return answer(asked, rcode=Rcode.REFUSED)

    found = find_authorities("www.example.test", [scripted(parent).addr], OPTIONS, timeout=5)
    assert found.zone == Name.parse("example.test.")
    assert found.is_delegation
    first, second = found.servers
    assert first.addresses == (IpAddr.parse("127.0.0.9"),), "the glue, where nobody looks the address up"
    assert first.error is None
    assert second.addresses == ()
    assert isinstance(second.error, DnsError.Refused)


def test_a_zone_that_nobody_finds(scripted: Scripted) -> None:
    server = scripted(lambda asked: answer(asked, rcode=Rcode.SERVFAIL))
    with pytest.raises(DnsError.ServerError) as caught:
        find_authorities("www.example.test", [server.addr], OPTIONS, timeout=5)
    assert caught.value.history


def test_answers_that_lead_nowhere_end(scripted: Scripted) -> None:
    server = scripted(answer)
    with pytest.raises(DnsError.NoData):
        find_authorities("a.b.c.d.example.test", [server.addr], OPTIONS, timeout=5)
    server.close()
    assert [asked.name for asked in server.asked][-1] == "."
    deep = ".".join("abcdefghijklmnopqrstuvwxyzabcdef")
    with pytest.raises(DnsError.TryAgain, match="was not found"):
        find_authorities(deep, [scripted(answer).addr], OPTIONS, timeout=5)
