"""`Resolver`: every lookup in both forms, hosts by every source, limits, cancellation, threads."""

from __future__ import annotations

import asyncio
import pickle
import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from netkit.addr import AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr
from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.exchange import QueryOptions
from netkit.dns.host import FoundHost, find_addresses_flow
from netkit.dns.name import Name
from netkit.dns.resolver import Resolver, nameserver_addr
from netkit.dns.system import Hosts, HostSource, ResolvConf
from netkit.io import CancellationError, CancellationToken, DeadlineExceeded, run
from netkit.net import TcpListener, TcpStream
from tests.dns.scripted import Asked, Script, ScriptedServer, answer

Scripted = Callable[[Script], ScriptedServer]
Drive = Callable[..., Any]

SOA = "example. 300 SOA ns.example. hostmaster.example. 1 2 3 4 60"

RECORDS: dict[tuple[str, str], list[str]] = {
    ("www.example.", "A"): ["www.example. 60 A 192.0.2.1", "www.example. 60 A 192.0.2.2"],
    ("www.example.", "AAAA"): ["www.example. 30 AAAA 2001:db8::1"],
    ("v4.example.", "A"): ["v4.example. 60 A 192.0.2.4"],
    ("alias.example.", "CNAME"): ["alias.example. 60 CNAME www.example."],
    ("example.", "MX"): ["example. 60 MX 20 b.example.", "example. 60 MX 10 a.example."],
    ("example.", "TXT"): ['example. 60 TXT "one " "text"'],
    ("_imap._tcp.example.", "SRV"): [
        "_imap._tcp.example. 60 SRV 20 0 143 c.example.",
        "_imap._tcp.example. 60 SRV 10 1 143 b.example.",
        "_imap._tcp.example. 60 SRV 10 9 143 a.example.",
    ],
    ("1.2.0.192.in-addr.arpa.", "PTR"): ["1.2.0.192.in-addr.arpa. 60 PTR www.example."],
}


def from_table(asked: Asked) -> Any:
    """Records of the table; no data where there are others at the name, else no such name."""
    found = RECORDS.get((asked.name, asked.rdtype))
    if found:
        return answer(asked, *found)
    known = any(name == asked.name for name, _ in RECORDS)
    return answer(asked, rcode=Rcode.NOERROR if known else Rcode.NXDOMAIN, authority=[SOA])


def resolver_of(*servers: ScriptedServer, **how: Any) -> Resolver:
    """A resolver that asks these servers and knows nothing of this system."""
    how = {"hosts": Hosts(), "sources": [HostSource("files"), HostSource("dns")]} | how
    return Resolver([server.addr for server in servers], **how)


#: Method, arguments, result.
LOOKUPS: list[tuple[str, tuple[Any, ...], Any]] = [
    ("lookup_a", ("www.example",), [Ipv4Addr("192.0.2.1"), Ipv4Addr("192.0.2.2")]),
    ("lookup_aaaa", ("WWW.example.",), [Ipv6Addr("2001:db8::1")]),
    ("lookup_cname", ("alias.example",), ["www.example"]),
    ("lookup_mx", ("example",), [(10, "a.example"), (20, "b.example")]),
    ("lookup_txt", ("example",), ["one text"]),
    ("lookup_ptr", ("192.0.2.1",), ["www.example"]),
    ("lookup_ptr", (Ipv4Addr("192.0.2.1"),), ["www.example"]),
]


class TestLookups:
    @pytest.mark.parametrize(("method", "arguments", "expected"), LOOKUPS)
    def test_blocking(
        self, scripted: Scripted, method: str, arguments: tuple[Any, ...], expected: Any
    ) -> None:
        assert getattr(resolver_of(scripted(from_table)), method)(*arguments) == expected

    @pytest.mark.parametrize(("method", "arguments", "expected"), LOOKUPS)
    def test_async(self, scripted: Scripted, method: str, arguments: tuple[Any, ...], expected: Any) -> None:
        resolver = resolver_of(scripted(from_table))
        assert asyncio.run(getattr(resolver, f"{method}_async")(*arguments)) == expected

    def test_srv(self, scripted: Scripted) -> None:
        resolver = resolver_of(scripted(from_table))
        found = resolver.lookup_srv("_imap", "_tcp", "example")
        assert [str(record.target) for record in found] == ["a.example.", "b.example.", "c.example."]
        assert asyncio.run(resolver.lookup_srv_async("_imap", "_tcp", "example")) == found

    def test_query_and_resolve(self, scripted: Scripted) -> None:
        resolver = resolver_of(scripted(from_table))
        records = resolver.query("www.example", DnsRecordType.A)
        assert asyncio.run(resolver.query_async("www.example", DnsRecordType.A)) == records
        found = resolver.resolve("www.example", DnsRecordType.A)
        assert list(found.records) == records
        assert asyncio.run(resolver.resolve_async("www.example", DnsRecordType.A)).records == found.records

    @pytest.mark.parametrize(
        ("name", "error"), [("none.example", DnsError.NotFound), ("v4.example", DnsError.NoData)]
    )
    def test_denials(self, scripted: Scripted, name: str, error: type[DnsError]) -> None:
        resolver = resolver_of(scripted(from_table))
        with pytest.raises(error):
            resolver.lookup_aaaa(name)
        with pytest.raises(error) as caught:
            asyncio.run(resolver.lookup_aaaa_async(name))
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)

    def test_a_name_that_is_none(self, scripted: Scripted) -> None:
        server = scripted(from_table)
        with pytest.raises(DnsError.InvalidName):
            resolver_of(server).lookup_a("a..b")
        assert server.asked == []


class TestHosts:
    """Sources, the search list, families; `source_of` says what RFC 6724 goes by."""

    def find(self, resolver: Resolver, host: str, family: int = 0) -> FoundHost:
        return run(find_addresses_flow(resolver, host, family, source_of=lambda address: address))

    def test_both_families_side_by_side(self, scripted: Scripted) -> None:
        server = scripted(from_table)
        found = self.find(resolver_of(server), "www.example.")
        assert [str(each.address) for each in found.addresses] == ["2001:db8::1", "192.0.2.1", "192.0.2.2"]
        assert {asked.rdtype for asked in server.asked} == {"A", "AAAA"}
        assert [each.ttl for each in found.addresses] == [30, 60, 60]

    def test_one_question_does_not_wait_for_the_others_answer(self, scripted: Scripted) -> None:
        token = CancellationToken()

        def script(asked: Asked) -> None:
            if len(server.asked) == 2:
                token.cancel()

        server = scripted(script)
        begun = monotonic()
        with pytest.raises(CancellationError):
            run(resolver_of(server, timeout=30, tries=1).find_host_flow("www.example."), cancel=token)
        assert monotonic() - begun < 10

    def test_one_family_is_enough(self, scripted: Scripted) -> None:
        found = self.find(resolver_of(scripted(from_table)), "v4.example.")
        assert [str(each.address) for each in found.addresses] == ["192.0.2.4"]
        assert found.problems == ()

    @pytest.mark.parametrize(("family", "rdtype"), [(4, "A"), (6, "AAAA")])
    def test_family(self, scripted: Scripted, family: int, rdtype: str) -> None:
        server = scripted(from_table)
        found = self.find(resolver_of(server), "www.example.", family)
        assert {each.address.version for each in found.addresses} == {family}
        assert [asked.rdtype for asked in server.asked] == [rdtype]

    def test_search_list(self, scripted: Scripted) -> None:
        server = scripted(from_table)
        conf = ResolvConf(search=[Name.parse("corp.example"), Name.parse("example")])
        found = self.find(resolver_of(server, resolv_conf=conf), "v4")
        assert [each.name for each in found.addresses] == ["v4.example"]
        names = [asked.name for asked in server.asked]
        assert list(dict.fromkeys(names)) == ["v4.corp.example.", "v4.example."]
        assert 3 <= len(names) <= 4, "NXDOMAIN is for every type: it may come before the second is asked for"

    def test_search_replaces_the_files(self, scripted: Scripted) -> None:
        conf = ResolvConf(search=[Name.parse("corp.example")])
        resolver = resolver_of(scripted(from_table), resolv_conf=conf, search=["example"])
        assert self.find(resolver, "v4").addresses[0].name == "v4.example"
        assert [str(name) for name in conf.search] == ["corp.example."], "the caller's is its own"

    def test_nothing_found_says_what_was_asked_for(self, scripted: Scripted) -> None:
        resolver = resolver_of(scripted(from_table), search=["example"])
        with pytest.raises(DnsError.HostNotFound) as caught:
            self.find(resolver, "example.none")
        assert caught.value.hint == (
            "asked for example.none. (does not exist), example.none.example. (does not exist)"
        )

    def test_servfail_goes_on_and_is_told_at_the_end(self, scripted: Scripted) -> None:
        def script(asked: Asked) -> Any:
            bad = asked.name in ("v4.bad.example.", "none.bad.example.")
            return answer(asked, rcode=Rcode.SERVFAIL) if bad else from_table(asked)

        resolver = resolver_of(scripted(script), search=["bad.example", "example"])
        assert self.find(resolver, "v4").addresses[0].name == "v4.example"
        with pytest.raises(DnsError.ServerError):
            self.find(resolver, "none")

    def test_silence_does_not_go_on(self, scripted: Scripted) -> None:
        server = scripted(lambda asked: None)
        options = QueryOptions(timeout=0.02, tries=1)
        resolver = resolver_of(server, search=["a.example", "b.example"], options=options)
        with pytest.raises(DnsError.Timeout):
            self.find(resolver, "www")
        server.close()
        assert {asked.name for asked in server.asked} == {"www.a.example."}

    @pytest.mark.parametrize("name", ["none.example.", "v4.example."])
    def test_a_denial_beside_a_failure_is_none(self, scripted: Scripted, name: str) -> None:
        def script(asked: Asked) -> Any:
            return answer(asked, rcode=Rcode.SERVFAIL) if asked.rdtype == "A" else from_table(asked)

        # Without a cache: one that knows that the name does not exist need not ask for the other type.
        with pytest.raises(DnsError.ServerError):
            self.find(resolver_of(scripted(script), cache_size=0), name, 0)

    def test_half_a_failure_is_a_problem(self, scripted: Scripted) -> None:
        def script(asked: Asked) -> Any:
            return answer(asked, rcode=Rcode.REFUSED) if asked.rdtype == "AAAA" else from_table(asked)

        found = self.find(resolver_of(scripted(script)), "www.example.")
        assert len(found.addresses) == 2
        (problem,) = found.problems
        assert isinstance(problem, DnsError.Refused)

    def test_hosts_file_by_family(self, scripted: Scripted) -> None:
        hosts = Hosts.parse("::1 www.example\n192.0.2.77 other.example\n")
        resolver = resolver_of(scripted(from_table), hosts=hosts)
        assert [each.source for each in self.find(resolver, "www.example").addresses] == ["hosts"]
        assert [each.source for each in self.find(resolver, "www.example", 4).addresses] == ["dns", "dns"]

    def test_hosts_file_alone(self, scripted: Scripted) -> None:
        server = scripted(from_table)
        resolver = resolver_of(server, sources=[HostSource("files")])
        with pytest.raises(DnsError.HostNotFound):
            self.find(resolver, "www.example")
        assert server.asked == []

    def test_dns_first_and_files_where_it_fails(self, scripted: Scripted) -> None:
        hosts = Hosts.parse("192.0.2.77 www.example\n")
        order = [HostSource("dns"), HostSource("files")]
        silent = resolver_of(scripted(lambda asked: None), hosts=hosts, sources=order, timeout=0.02, tries=1)
        assert self.find(silent, "www.example").addresses[0].source == "hosts"
        with pytest.raises(DnsError.Timeout):
            self.find(silent, "none.example")

    @pytest.mark.parametrize(
        ("ends_on", "error"),
        [("TRYAGAIN", DnsError.Timeout), ("NOTFOUND", None), ("UNAVAIL", None)],
    )
    def test_reactions(self, scripted: Scripted, ends_on: str, error: type[DnsError] | None) -> None:
        hosts = Hosts.parse("192.0.2.77 www.example\n")
        order = [HostSource("dns", frozenset({ends_on})), HostSource("files")]
        resolver = resolver_of(
            scripted(lambda asked: None), hosts=hosts, sources=order, timeout=0.02, tries=1
        )
        if error is None:
            assert self.find(resolver, "www.example").addresses[0].source == "hosts"
        else:
            with pytest.raises(error):
                self.find(resolver, "www.example")

    def test_sources_that_are_not_known(self, scripted: Scripted) -> None:
        order = [HostSource("mdns"), HostSource("dns"), HostSource("myhostname")]
        resolver = resolver_of(scripted(from_table), sources=order)
        assert self.find(resolver, "www.example").not_asked == ("mdns",)
        with pytest.raises(DnsError.HostNotFound) as caught:
            self.find(resolver, "none.example")
        assert caught.value.hint is not None
        assert caught.value.hint.endswith("not asked: mdns, myhostname (nsswitch.conf names it)")

    @pytest.mark.parametrize("host", ["192.0.2.9", "2001:db8::9", "fe80::1%lo"])
    def test_literals_ask_nobody(self, scripted: Scripted, host: str) -> None:
        server = scripted(from_table)
        (found,) = self.find(resolver_of(server), host).addresses
        assert (found.address, found.source, found.ttl) == (IpAddr.parse(host), "literal", None)
        with pytest.raises(DnsError.HostNotFound):
            self.find(resolver_of(server), host, 10 - found.address.version)
        assert server.asked == []

    def test_unreachable_come_last(self, scripted: Scripted) -> None:
        resolver = resolver_of(scripted(from_table))
        v4 = Ipv4Addr("192.0.2.10")
        flow = find_addresses_flow(
            resolver, "www.example", source_of=lambda address: v4 if address.version == 4 else None
        )
        found = run(flow).addresses
        assert [str(each.address) for each in found] == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
        assert [each.reached_from for each in found] == [v4, v4, None]

    def test_methods(self, scripted: Scripted) -> None:
        resolver = resolver_of(scripted(from_table))
        assert resolver.find_host("v4.example").addresses[0].address == Ipv4Addr("192.0.2.4")
        assert asyncio.run(resolver.find_host_async("v4.example", 4)).host == "v4.example"
        assert run(resolver.host_flow("v4.example")) == [Ipv4Addr("192.0.2.4")]

    def test_as_the_resolver_of_a_connection(self, scripted: Scripted) -> None:
        resolver = resolver_of(scripted(lambda asked: answer(asked, f"{asked.name} 60 A 127.0.0.1")))
        with TcpListener.bind("127.0.0.1:0") as listener:
            port = listener.local_addr.port
            flow = TcpStream.connect_flow(f"made-up.example:{port}", resolver=resolver.name_resolver)
            with run(flow, deadline=monotonic() + 5) as stream:
                assert stream.peer_addr == listener.local_addr
        assert run(resolver.name_resolver("x.example", 80, socket.AF_INET)) == [
            SocketAddr.new("127.0.0.1", 80)
        ]


class TestReverse:
    def test_from_dns(self, scripted: Scripted) -> None:
        resolver = resolver_of(scripted(from_table))
        found = resolver.find_names("192.0.2.1")
        assert [tuple(each) for each in found.names] == [("www.example", "dns", 60)]
        assert asyncio.run(resolver.find_names_async(Ipv4Addr("192.0.2.1"))).names == found.names

    def test_from_hosts(self, scripted: Scripted) -> None:
        server = scripted(from_table)
        resolver = resolver_of(server, hosts=Hosts.parse("192.0.2.1 here again\n"))
        assert run(resolver.reverse_flow("192.0.2.1")) == ["here", "again"]
        assert server.asked == []

    def test_none(self, scripted: Scripted) -> None:
        with pytest.raises(DnsError.NotFound):
            resolver_of(scripted(from_table)).find_names("192.0.2.99")
        with pytest.raises(DnsError.NotFound):
            resolver_of(scripted(from_table), sources=[]).find_names("192.0.2.1")

    def test_of_ipv6(self, scripted: Scripted) -> None:
        server = scripted(lambda asked: answer(asked, f"{asked.name} 60 PTR six.example."))
        assert resolver_of(server).find_names("2001:db8::1").names[0].name == "six.example"
        assert server.asked[0].name == "1.0.0.0." + "0." * 20 + "8.b.d.0.1.0.0.2.ip6.arpa."

    @pytest.mark.parametrize("wrong", ["www.example", "1.2.3", ""])
    def test_of_no_address(self, scripted: Scripted, wrong: str) -> None:
        with pytest.raises(AddrParseError):
            resolver_of(scripted(from_table)).find_names(wrong)


class TestLimits:
    def test_the_whole_has_a_time_limit(self, scripted: Scripted) -> None:
        resolver = resolver_of(scripted(lambda asked: None))
        for look_up in (resolver.resolve, resolver.find_host):
            begun = monotonic()
            with pytest.raises(DeadlineExceeded):
                look_up("www.example", 4 if look_up == resolver.find_host else 1, timeout=0.03)
            assert monotonic() - begun < 20
        with pytest.raises(DeadlineExceeded):
            asyncio.run(resolver.resolve_async("www.example", 1, timeout=0.03))

    def test_cancelled(self, scripted: Scripted, drive: Drive) -> None:
        token = CancellationToken()
        server = scripted(lambda asked: token.cancel())
        with pytest.raises(CancellationError):
            drive(resolver_of(server).find_host_flow("www.example"), cancel=token)

    def test_a_cancelled_task(self, scripted: Scripted) -> None:
        async def main() -> None:
            came = asyncio.Event()
            loop = asyncio.get_running_loop()

            def script(asked: Asked) -> None:
                loop.call_soon_threadsafe(came.set)

            server = scripted(script)
            task = asyncio.create_task(resolver_of(server).lookup_a_async("www.example"))
            await asyncio.wait_for(came.wait(), 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())

    def test_timeout_and_tries(self, scripted: Scripted) -> None:
        server = scripted(lambda asked: None)
        with pytest.raises(DnsError.Timeout) as caught:
            resolver_of(server, timeout=0.02, tries=3).lookup_a("www.example")
        server.close()
        assert len(server.asked) == caught.value.attempts == 3

    def test_options_of_resolv_conf(self) -> None:
        conf = ResolvConf.parse("nameserver 192.0.2.1\noptions timeout:3 attempts:4 use-vc\n")
        options = Resolver(resolv_conf=conf).options
        assert (options.timeout, options.tries, options.tcp) == (3.0, 4, True)
        assert Resolver(resolv_conf=conf, timeout=1, tries=1).options.tries == 1

    def test_rotation(self, scripted: Scripted) -> None:
        servers = [scripted(from_table) for _ in range(3)]
        conf = ResolvConf((server.addr for server in servers), rotate=True)
        resolver = Resolver(resolv_conf=conf, cache_size=0)
        for _ in range(6):
            resolver.lookup_a("www.example")
        assert [len(server.asked) for server in servers] == [2, 2, 2]


def test_from_several_threads_at_once(scripted: Scripted) -> None:
    server = scripted(lambda asked: answer(asked, f"{asked.name} 60 A 192.0.2.{int(asked.name[1:3])}"))
    resolver = resolver_of(server, cache_size=16)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for number in range(10, 40):
                assert resolver.lookup_a(f"n{number}.example") == [Ipv4Addr(192, 0, 2, number)]
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    threads.append(threading.Thread(target=lambda: asyncio.run(under_asyncio())))

    async def under_asyncio() -> None:
        try:
            names = [f"n{number}.example" for number in range(10, 40)]
            found = await asyncio.gather(*map(resolver.lookup_a_async, names))
            assert found == [[Ipv4Addr(192, 0, 2, number)] for number in range(10, 40)]
        except BaseException as error:
            failed.append(error)

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failed == []


@pytest.mark.parametrize(
    ("server", "addr"),
    [
        ("192.0.2.53", "192.0.2.53:53"),
        ("192.0.2.53:5353", "192.0.2.53:5353"),
        ("2001:db8::53", "[2001:db8::53]:53"),
        ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
        (Ipv4Addr("192.0.2.53"), "192.0.2.53:53"),
        (Ipv6Addr("::1"), "[::1]:53"),
        (SocketAddr.new("192.0.2.53", 99), "192.0.2.53:99"),
    ],
)
def test_nameservers(server: Any, addr: str) -> None:
    assert str(nameserver_addr(server)) == addr
    assert addr in repr(Resolver([server]))


@pytest.mark.parametrize("server", ["ns.example.com", "192.0.2.300", ""])
def test_what_is_no_nameserver(server: str) -> None:
    with pytest.raises((DnsError.InvalidValue, AddrParseError)):
        Resolver([server])
