"""The cache, by an injected clock: TTLs that run down, denials, capacity."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from netkit.addr import SocketAddr
from netkit.dns.cache import MAX_NEGATIVE_TTL, MAX_OCTETS, MAX_TTL, STALE_TTL, Cache
from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import Question, make_query, make_response
from netkit.dns.name import Name
from netkit.dns.policy.answer import Answer
from netkit.dns.records import DnsRecord
from netkit.dns.resolver import Resolver
from netkit.dns.transports.reply import Reply
from tests.dns.scripted import Asked, Script, ScriptedServer, answer

pytestmark = pytest.mark.once

Scripted = Callable[[Script], ScriptedServer]

QUESTION = Question("www.example.com", 1)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def found(ttl: int, alias_ttl: int | None = None, question: Question = QUESTION) -> Answer:
    aliases = [] if alias_ttl is None else [DnsRecord.CNAME(question.name, alias_ttl, "web.example.com")]
    owner = aliases[0].canonical if aliases else question.name
    return Answer(question, [DnsRecord.A(owner, ttl, "192.0.2.1")], aliases)


class TestCache:
    def test_ttls_run_down(self) -> None:
        clock = Clock()
        cache = Cache(clock=clock)
        cache.keep(QUESTION, found(60, 30), 30)
        clock.now += 10.9
        kept = cache.find(QUESTION)
        assert kept is not None
        assert (kept.records[0].ttl, kept.aliases[0].ttl, kept.ttl) == (50, 20, 20)
        clock.now += 19
        assert cache.find(QUESTION) is not None
        clock.now += 0.1
        assert cache.find(QUESTION) is None
        assert len(cache) == 0

    def test_letter_case_is_no_difference(self) -> None:
        cache = Cache()
        cache.keep(QUESTION, found(60), 60)
        assert cache.find(Question("WWW.example.COM", 1)) is not None
        assert cache.find(Question("www.example.com", 28)) is None
        assert cache.find(Question("www.example.com", 1, 3)) is None

    def test_denials_are_raised_anew(self) -> None:
        clock = Clock()
        cache = Cache(clock=clock)
        kept = DnsError.NoData(name=QUESTION.name, rdtype=QUESTION.rdtype)
        cache.keep(QUESTION, kept, 60)
        for _ in range(2):
            with pytest.raises(DnsError.NoData) as caught:
                cache.find(QUESTION)
            assert caught.value is not kept
            assert str(caught.value) == str(kept)
        clock.now += 60
        assert cache.find(QUESTION) is None

    @pytest.mark.parametrize(
        ("what", "limit"), [(found(2**31 - 1), MAX_TTL), (DnsError.NotFound(), MAX_NEGATIVE_TTL)]
    )
    def test_longest_time(self, what: Answer | DnsError, limit: int) -> None:
        clock = Clock()
        cache = Cache(clock=clock)
        cache.keep(QUESTION, what, 2**31 - 1)
        clock.now += limit
        assert cache.find(QUESTION) is None

    @pytest.mark.parametrize("ttl", [0, -1])
    def test_nothing_is_kept_for_no_time(self, ttl: int) -> None:
        cache = Cache()
        cache.keep(QUESTION, found(0), ttl)
        assert len(cache) == 0

    def test_the_one_unused_for_longest_makes_room(self) -> None:
        cache = Cache(2)
        a, b, c = (Question(f"{name}.example", 1) for name in "abc")
        cache.keep(a, found(60, question=a), 60)
        cache.keep(b, found(60, question=b), 60)
        assert cache.find(a) is not None
        cache.keep(c, found(60, question=c), 60)
        assert len(cache) == 2
        assert cache.find(b) is None
        assert cache.find(a) is not None and cache.find(c) is not None

    def test_the_octets_of_messages_are_limited(self) -> None:
        clock = Clock()
        cache = Cache(clock=clock)
        large = found(60)
        message = make_response(make_query(QUESTION.name, 1, id=1))
        reply = Reply(
            b"",
            message,
            server=SocketAddr.parse("192.0.2.53:53"),
            transport="tcp",
            wire=bytes(65_535),
            elapsed_s=0.1,
        )
        kept = Answer(QUESTION, large.records, (), [reply])
        most = MAX_OCTETS // 65_535
        for _ in range(2):
            for number in range(2 * most):
                cache.keep(Question(f"n{number}.example.", 1), kept, 60)
                cache.keep(Question(f"n{number}.example.", 1), kept, 60)
            assert len(cache) == most
            assert cache.find(Question(f"n{most - 1}.example.", 1)) is None
            assert cache.find(Question(f"n{most}.example.", 1)) is not None
        clock.now += 60
        for number in range(2 * most):
            assert cache.find(Question(f"n{number}.example.", 1)) is None
        for number in range(most):
            cache.keep(Question(f"m{number}.example.", 1), kept, 60)
        assert len(cache) == most, "what is over makes room"

    def test_without_capacity(self) -> None:
        cache = Cache(0)
        cache.keep(QUESTION, found(60), 60)
        assert cache.find(QUESTION) is None

    def test_from_many_threads(self) -> None:
        cache = Cache(8)
        questions = [Question(f"{number}.example", 1) for number in range(32)]
        failed: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(20):
                    for question in questions:
                        cache.keep(question, found(60, question=question), 60)
                        kept = cache.find(question)
                        assert kept is None or kept.question == question
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert len(cache) == 8


class TestAbsentNames:
    """RFC 8020: NXDOMAIN is about a name and all below it, and RFC 2308 section 2.1: at the aliases' end."""

    def denied(self, absent: str) -> DnsError:
        error = DnsError.NotFound(name=QUESTION.name, rdtype=QUESTION.rdtype)
        error.absent, error.negative_ttl = Name.parse(absent), 60
        return error

    @pytest.mark.parametrize("name", ["gone.example.", "www.gone.example.", "a.b.c.GONE.example."])
    @pytest.mark.parametrize("rdtype", [1, 28, 16])
    def test_every_type_and_every_name_below(self, name: str, rdtype: int) -> None:
        clock = Clock()
        cache = Cache(clock=clock)
        cache.keep(QUESTION, self.denied("gone.example."), 60)
        clock.now += 20
        with pytest.raises(DnsError.NotFound) as caught:
            cache.find(Question(name, rdtype))
        assert (caught.value.name, caught.value.rdtype) == (Name.parse(name), rdtype)
        assert caught.value.negative_ttl == 40
        clock.now += 40
        assert cache.find(Question(name, rdtype)) is None

    @pytest.mark.parametrize("name", ["example.", "other.example.", "notgone.example."])
    def test_no_other_name(self, name: str) -> None:
        cache = Cache()
        cache.keep(QUESTION, self.denied("gone.example."), 60)
        assert cache.find(Question(name, 1)) is None
        assert cache.find(Question("gone.example.", 1, 3)) is None, "and no other class"

    def test_the_name_in_question_may_be_an_alias(self) -> None:
        cache = Cache()
        cache.keep(QUESTION, self.denied("gone.example."), 60)
        with pytest.raises(DnsError.NotFound):
            cache.find(QUESTION)
        assert cache.find(Question(QUESTION.name, 28)) is None, "the alias exists"

    def test_what_other_servers_say_of_names_above_does_not_count(self) -> None:
        cache = Cache()
        cache.keep(QUESTION, self.denied("example."), 60)
        inner = Question("db.corp.example.", 1)
        assert cache.find(inner, Name.parse("corp.example.")) is None
        with pytest.raises(DnsError.NotFound):
            cache.find(inner)

    def test_what_servers_deny_that_are_not_asked_for_the_name(self) -> None:
        cache = Cache()
        cache.keep(QUESTION, self.denied("gone.example."), 60, also_below=False)
        assert cache.find(Question("gone.example.", 1)) is None
        with pytest.raises(DnsError.NotFound):
            cache.find(QUESTION)

    def test_no_data_denies_one_type_only(self) -> None:
        cache = Cache()
        cache.keep(QUESTION, DnsError.NoData(), 60)
        assert cache.find(Question(QUESTION.name, 28)) is None

    def test_their_number_is_limited(self) -> None:
        cache = Cache(capacity=3)
        for number in range(9):
            name = f"gone{number}.example."
            cache.keep(Question(name, 1), self.denied(name), 60)
        assert cache.find(Question("gone5.example.", 28)) is None
        with pytest.raises(DnsError.NotFound):
            cache.find(Question("gone6.example.", 28))


class TestStale:
    """RFC 8767."""

    def test_an_answer_is_there_while_no_server_gives_another(self) -> None:
        clock = Clock()
        cache = Cache(clock=clock, stale=1000)
        cache.keep(QUESTION, found(60, 50), 50)
        assert cache.find_stale(QUESTION) is not None
        clock.now += 100
        assert cache.find(QUESTION) is None
        stale = cache.find_stale(QUESTION)
        assert stale is not None
        assert (stale.ttl, stale.records[0].ttl) == (STALE_TTL, STALE_TTL)
        clock.now += STALE_TTL - 1
        assert cache.find(QUESTION) is not None, "the servers are not asked for as long"
        clock.now += 1
        assert cache.find(QUESTION) is None

    def test_not_for_ever(self) -> None:
        clock = Clock()
        cache = Cache(clock=clock, stale=100)
        cache.keep(QUESTION, found(60), 60)
        for _ in range(8):
            clock.now += 20
            cache.find(QUESTION)
            cache.find_stale(QUESTION)
        assert cache.find_stale(QUESTION) is None
        assert cache.find(QUESTION) is None
        assert len(cache) == 0

    def test_what_has_come_to_be_denied_is_not_there(self) -> None:
        clock = Clock()
        cache = Cache(clock=clock, stale=1000)
        cache.keep(QUESTION, found(60), 60)
        clock.now += 61
        cache.keep(QUESTION, DnsError.NoData(), 60)
        assert cache.find_stale(QUESTION) is None

    def test_only_where_it_is_wanted(self) -> None:
        clock = Clock()
        cache = Cache(clock=clock)
        cache.keep(QUESTION, found(60), 60)
        clock.now += 60
        assert cache.find_stale(QUESTION) is None


class TestInTheResolver:
    """What is kept, seen by how often the server is asked."""

    def test_an_answer_until_its_ttl(self, scripted: Scripted) -> None:
        clock = Clock()
        server = scripted(lambda asked: answer(asked, f"{asked.name} 60 A 192.0.2.1"))
        resolver = Resolver([server.addr], clock=clock)
        assert resolver.resolve("www.example", 1).ttl == 60
        clock.now += 25
        assert resolver.resolve("WWW.example.", 1).records[0].ttl == 35
        assert len(server.asked) == 1
        clock.now += 35
        assert resolver.resolve("www.example", 1).ttl == 60
        assert len(server.asked) == 2
        resolver.cache_clear()
        resolver.resolve("www.example", 1)
        assert len(server.asked) == 3

    def test_the_least_ttl_of_a_chain_counts(self, scripted: Scripted) -> None:
        clock = Clock()
        server = scripted(
            lambda asked: answer(asked, f"{asked.name} 5 CNAME web.example.", "web.example. 600 A 192.0.2.1")
        )
        resolver = Resolver([server.addr], clock=clock)
        resolver.lookup_a("www.example")
        clock.now += 5
        resolver.lookup_a("www.example")
        assert len(server.asked) == 2

    @pytest.mark.parametrize(
        ("rcode", "error"), [(Rcode.NXDOMAIN, DnsError.NotFound), (Rcode.NOERROR, DnsError.NoData)]
    )
    @pytest.mark.parametrize(("soa_ttl", "minimum"), [(30, 600), (600, 30)])
    def test_a_denial_for_the_lesser_of_ttl_and_minimum(
        self, scripted: Scripted, rcode: Rcode, error: type[DnsError], soa_ttl: int, minimum: int
    ) -> None:
        """RFC 2308 section 5."""
        clock = Clock()
        soa = f"example. {soa_ttl} SOA ns.example. h.example. 1 2 3 4 {minimum}"
        server = scripted(lambda asked: answer(asked, rcode=rcode, authority=[soa]))
        resolver = Resolver([server.addr], clock=clock)
        for expected in (1, 1):
            with pytest.raises(error):
                resolver.lookup_a("www.example")
            assert len(server.asked) == expected
            clock.now += 29
        clock.now -= 28
        with pytest.raises(error):
            resolver.lookup_a("www.example")
        assert len(server.asked) == 2

    def test_a_denial_without_soa_is_not_kept(self, scripted: Scripted) -> None:
        server = scripted(lambda asked: answer(asked, rcode=Rcode.NXDOMAIN))
        resolver = Resolver([server.addr])
        for expected in (1, 2):
            with pytest.raises(DnsError.NotFound):
                resolver.lookup_a("www.example")
            assert len(server.asked) == expected

    @pytest.mark.parametrize("rcode", [Rcode.SERVFAIL, Rcode.REFUSED])
    def test_failures_are_not_kept(self, scripted: Scripted, rcode: Rcode) -> None:
        turns: list[Asked] = []

        def script(asked: Asked) -> object:
            turns.append(asked)
            return (
                answer(asked, rcode=rcode) if len(turns) == 1 else answer(asked, f"{asked.name} 9 A 1.2.3.4")
            )

        server = scripted(script)  # type: ignore[arg-type]
        resolver = Resolver([server.addr], tries=1)
        with pytest.raises(DnsError):
            resolver.lookup_a("www.example")
        assert resolver.lookup_a("www.example")

    def test_size_0_keeps_nothing(self, scripted: Scripted) -> None:
        server = scripted(lambda asked: answer(asked, f"{asked.name} 60 A 192.0.2.1"))
        resolver = Resolver([server.addr], cache_size=0)
        resolver.lookup_a("www.example")
        resolver.lookup_a("www.example")
        assert len(server.asked) == 2
