"""Whom a resolver asks, and how: the caller's word, resolv.conf for the rest, and what a change does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netkit.dns import resolver as resolver_module
from netkit.dns.cache import STALE_TTL
from netkit.dns.errors import DnsError
from netkit.dns.policy.options import QueryOptions
from netkit.dns.resolver import Resolver
from netkit.dns.system import ResolvConf
from tests.dns.scripted import Asked, Script, ScriptedServer, answer

pytestmark = pytest.mark.once

Scripted = Callable[[Script], ScriptedServer]

CONF = ResolvConf.parse(
    "nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch a.example\n"
    "options timeout:9 attempts:3 use-vc trust-ad"
)


def servers(resolver: Resolver) -> list[str]:
    return [str(upstream) for upstream in resolver.upstreams]


class TestOptions:
    def test_of_resolv_conf(self) -> None:
        options = Resolver(resolv_conf=CONF).options
        assert (options.timeout, options.tries, options.tcp, options.trust_ad) == (9.0, 3, True, True)
        assert options.hedge, "there are two servers"

    def test_the_callers_go_before(self) -> None:
        resolver = Resolver(resolv_conf=CONF, timeout=2.0, tries=1, search=["b.example"])
        assert (resolver.options.timeout, resolver.options.tries, resolver.options.tcp) == (2.0, 1, True)
        assert [str(name) for name in resolver.candidates("x")] == ["x.b.example.", "x."]
        assert [str(name) for name in CONF.search] == ["a.example."], "the caller's is its own"
        assert Resolver(resolv_conf=CONF, options=QueryOptions()).options == QueryOptions()

    def test_with_servers_of_the_caller(self) -> None:
        resolver = Resolver(["192.0.2.9", "tls://192.0.2.8#a.example"])
        assert servers(resolver) == ["192.0.2.9:53", "tls://192.0.2.8:853#a.example"]
        assert resolver.options == QueryOptions()

    def test_a_text_alone_is_one_server_and_one_domain(self) -> None:
        resolver = Resolver("192.0.2.9", search="b.example", domains={"c.example": "192.0.2.8"})
        assert servers(resolver) == ["192.0.2.9:53"]
        assert [str(name) for name in resolver.candidates("x")] == ["x.b.example.", "x."]

    def test_no_aaaa(self) -> None:
        assert Resolver(resolv_conf=ResolvConf(no_aaaa=True)).no_aaaa
        assert not Resolver(resolv_conf=CONF).no_aaaa


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_change_of_the_file_is_followed_and_the_cache_forgotten(tmp_path: Path, scripted: Scripted) -> None:
    server = scripted(lambda asked: answer(asked, f"{asked.name} 600 A 192.0.2.7"))
    file, clock = tmp_path / "resolv.conf", Clock()
    file.write_text("nameserver 192.0.2.1\noptions ndots:2\n")
    resolver = Resolver(resolv_conf=str(file), domains={"example": [server.addr]}, clock=clock)
    for _ in range(2):
        resolver.lookup_a("www.example.")
    assert len(server.asked) == 1
    file.write_text("nameserver 192.0.2.2\nsearch b.example\noptions timeout:7 no-aaaa\n")
    assert servers(resolver) == ["192.0.2.1:53"], "it is looked at once a second"
    clock.now += 1
    assert servers(resolver) == ["192.0.2.2:53"]
    assert (resolver.options.timeout, resolver.no_aaaa) == (7.0, True)
    assert [str(name) for name in resolver.candidates("x")] == ["x.b.example.", "x."]
    resolver.lookup_a("www.example.")
    assert len(server.asked) == 2, "in another network the name may mean something else"


def test_an_answer_of_the_network_before_is_not_kept(tmp_path: Path, scripted: Scripted) -> None:
    file, clock = tmp_path / "resolv.conf", Clock()
    file.write_text("nameserver 192.0.2.1\n")

    def script(asked: Asked) -> Any:
        if len(server.asked) == 1:  # while it is asked, the machine moves
            file.write_text("nameserver 192.0.2.2\n# another network\n")
            clock.now += 1
        return answer(asked, f"{asked.name} 600 A 192.0.2.7")

    server = scripted(script)
    resolver = Resolver(resolv_conf=str(file), domains={"example": [server.addr]}, clock=clock)
    for _ in range(3):
        resolver.lookup_a("www.example.")
    assert len(server.asked) == 2


class TestSplitDns:
    def test_each_name_at_its_servers(self, scripted: Scripted) -> None:
        inner = scripted(lambda asked: answer(asked, f"{asked.name} 60 A 10.0.0.7"))
        outer = scripted(lambda asked: answer(asked, f"{asked.name} 60 CNAME db.corp.example."))
        resolver = Resolver([outer.addr], domains={"corp.example": [inner.addr]})
        assert [str(address) for address in resolver.lookup_a("www.example.")] == ["10.0.0.7"]
        assert [asked.name for asked in outer.asked] == ["www.example."]
        assert [asked.name for asked in inner.asked] == ["db.corp.example."], "also where an alias leads"
        resolver.lookup_a("x.corp.example.")
        assert inner.asked[-1].name == "x.corp.example."

    def test_a_domain_that_the_others_deny_is_asked_for(self, scripted: Scripted) -> None:
        def denies(asked: Asked) -> Any:
            soa = ". 300 SOA a. b. 1 2 3 4 300"
            return answer(asked, rcode=3, authority=[soa])

        outer, inner = scripted(denies), scripted(lambda asked: answer(asked, f"{asked.name} 60 A 10.0.0.7"))
        resolver = Resolver([outer.addr], domains={"corp.example": [inner.addr]})
        with pytest.raises(DnsError.NotFound):
            resolver.lookup_a("example.")
        with pytest.raises(DnsError.NotFound):
            resolver.lookup_a("other.example.")
        assert len(outer.asked) == 1, "RFC 8020: nothing is below a name that does not exist"
        assert resolver.lookup_a("db.corp.example.")

    def test_who_is_not_asked_for_a_domain_denies_nothing_in_it(self, scripted: Scripted) -> None:
        """An alias leads any server to any name; what it says of that holds for the question alone."""

        def denies(asked: Asked) -> Any:
            alias = f"{asked.name} 60 CNAME db.corp.example."
            return answer(asked, alias, rcode=3, authority=["corp.example. 300 SOA a. b. 1 2 3 4 300"])

        outer, inner = scripted(denies), scripted(lambda asked: answer(asked, f"{asked.name} 60 A 10.0.0.7"))
        resolver = Resolver([outer.addr], domains={"corp.example": [inner.addr]})
        for _ in range(2):
            with pytest.raises(DnsError.NotFound):
                resolver.lookup_a("www.example.")
        assert len(outer.asked) == 1
        assert resolver.lookup_a("db.corp.example.")


def test_rotate_begins_with_another_server_each_time(scripted: Scripted) -> None:
    both = [scripted(lambda asked: answer(asked, f"{asked.name} 60 A 192.0.2.7")) for _ in range(2)]
    conf = ResolvConf([server.addr for server in both], rotate=True)
    resolver = Resolver(resolv_conf=conf, cache_size=0)
    for _ in range(6):
        resolver.lookup_a("www.example.")
    assert [len(server.asked) for server in both] == [3, 3]


class TestServeStale:
    """RFC 8767 section 5."""

    def lookups(
        self, scripted: Scripted, script: Script, **how: Any
    ) -> tuple[Resolver, Clock, ScriptedServer]:
        clock = Clock()
        server = scripted(script)
        resolver = Resolver([server.addr], clock=clock, serve_stale=1000, **how)
        resolver.lookup_a("www.example.")
        clock.now += 61
        return resolver, clock, server

    def test_servers_that_fail_are_covered_for(self, scripted: Scripted) -> None:
        def fails(asked: Asked) -> Any:
            record = f"{asked.name} 60 A 192.0.2.7"
            return answer(asked, rcode=2) if server_asked else answer(asked, record)

        server_asked: list[Asked] = []
        resolver, clock, server = self.lookups(scripted, fails, tries=1)
        server_asked += server.asked
        assert resolver.resolve("www.example.", 1).ttl == STALE_TTL
        assert resolver.lookup_a("www.example.")
        assert len(server.asked) == 2, "and they are left alone for a while"
        clock.now += STALE_TTL
        assert resolver.lookup_a("www.example.")
        assert len(server.asked) == 3

    def test_silence_is_not_waited_for_to_its_end(
        self, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(resolver_module, "STALE_AFTER", 0.02)
        told: list[Asked] = []

        def once(asked: Asked) -> Any:
            told.append(asked)
            return answer(asked, f"{asked.name} 60 A 192.0.2.7") if len(told) == 1 else None

        resolver, _, _ = self.lookups(scripted, once, timeout=3600.0)
        assert resolver.resolve("www.example.", 1).ttl == STALE_TTL

    def test_a_denial_is_an_answer(self, scripted: Scripted) -> None:
        told: list[Asked] = []

        def gone(asked: Asked) -> Any:
            told.append(asked)
            return answer(asked, f"{asked.name} 60 A 192.0.2.7") if len(told) == 1 else answer(asked, rcode=3)

        resolver, _, _ = self.lookups(scripted, gone)
        with pytest.raises(DnsError.NotFound):
            resolver.lookup_a("www.example.")
