"""`Resolver.resolve_many`: many questions at once, plain answers and all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any

import pytest

from netkit.addr import SocketAddr
from netkit.dns import Answer, DnsError, Resolver
from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.messages.message import TC, Question
from netkit.dns.policy.options import QueryOptions
from netkit.io import CancellationError, CancellationToken
from tests.conftest import free_port
from tests.dns.scripted import Asked, Script, ScriptedServer, answer

Scripted = Callable[[Script], ScriptedServer]

PATIENT = QueryOptions(timeout=10.0, tries=1)


@pytest.fixture(params=["blocking", "async"])
def all_of_many(request: pytest.FixtureRequest) -> Callable[..., list[Any]]:
    """All results of `resolve_many`, in each of both forms."""

    def blocking(resolver: Resolver, questions: Any, **how: Any) -> list[Any]:
        return list(resolver.resolve_many(questions, **how))

    def under_asyncio(resolver: Resolver, questions: Any, **how: Any) -> list[Any]:
        async def main() -> list[Any]:
            return [each async for each in resolver.resolve_many_async(questions, **how)]

        return asyncio.run(main())

    return blocking if request.param == "blocking" else under_asyncio


def resolver_of(*servers: ScriptedServer | SocketAddr, options: QueryOptions = PATIENT) -> Resolver:
    upstreams = [each if isinstance(each, SocketAddr) else each.addr for each in servers]
    return Resolver(upstreams, options=options)


def number_of(asked: Asked) -> int:
    return int(asked.name.partition(".")[0][1:])


def plain(asked: Asked) -> Any:
    return answer(asked, f"{asked.name} 60 A 192.0.2.{number_of(asked) % 250}")


def questions(size: int) -> Iterator[tuple[str, int]]:
    return ((f"h{number}.example", DnsRecordType.A) for number in range(size))


def by_name(results: list[Any]) -> dict[str, Answer | DnsError]:
    return {str(question.name): found for question, found in results}


def test_every_question_gets_its_own_answer(
    scripted: Scripted, all_of_many: Callable[..., list[Any]]
) -> None:
    server = scripted(plain)
    with resolver_of(server) as resolver:
        found = by_name(all_of_many(resolver, questions(500)))
        assert len(found) == 500
        for number in range(500):
            kept = found[f"h{number}.example."]
            assert isinstance(kept, Answer)
            assert [str(record.address) for record in kept.records] == [f"192.0.2.{number % 250}"]  # type: ignore[attr-defined]
            assert kept.replies[0].query.question[0].name == kept.question.name
        again = by_name(all_of_many(resolver, questions(500)))
    assert len(again) == 500
    assert len(server.asked) == 500, "the cache has them"


def odd(asked: Asked) -> Any:
    """Every third answer is a plain one; the others need more."""
    number = number_of(asked)
    kind = number % 9
    message = plain(asked)
    if kind == 1:
        return answer(
            asked, rcode=Rcode.NXDOMAIN, authority=["example. 60 SOA ns.example. host.example. 1 2 3 4 5"]
        )
    if kind == 2:
        return answer(asked, f"{asked.name} 60 CNAME h{number + 2}.example.")
    if kind == 4:
        return message if asked.over_tcp else message.replace(flags=message.flags | TC, answer=())
    if kind == 5:
        return answer(asked, rcode=Rcode.SERVFAIL)
    if kind == 7:
        wire = message.to_wire()
        return wire[:12] + wire[12:24].lower() + wire[24:]
    if kind == 8:
        return [b"\x00" * 12, asked.wire, message]
    return message


def test_other_answers_go_on_as_a_lookup(scripted: Scripted, all_of_many: Callable[..., list[Any]]) -> None:
    server = scripted(odd)
    with resolver_of(server) as resolver:
        found = by_name(all_of_many(resolver, questions(90), concurrency=20))
    assert len(found) == 90
    for number in range(90):
        kept = found[f"h{number}.example."]
        if number % 9 == 1:
            assert isinstance(kept, DnsError.NotFound)
        elif number % 9 == 5:
            assert isinstance(kept, DnsError.ServerError)
        else:
            assert isinstance(kept, Answer), kept
            assert kept.question == Question(f"h{number}.example.", 1)
            assert bool(kept.aliases) == (number % 9 == 2)


def test_silence_is_an_error_of_its_question_alone(
    scripted: Scripted, all_of_many: Callable[..., list[Any]]
) -> None:
    server = scripted(lambda asked: None if number_of(asked) == 3 else plain(asked))
    with resolver_of(server, options=PATIENT.replace(timeout=0.3)) as resolver:
        results = all_of_many(resolver, questions(50), concurrency=10)
    found = by_name(results)
    assert isinstance(found["h3.example."], DnsError.Timeout)
    assert sum(isinstance(each, Answer) for each in found.values()) == 49


def test_nobody_listens(all_of_many: Callable[..., list[Any]]) -> None:
    with resolver_of(SocketAddr.new("127.0.0.1", free_port())) as resolver:
        results = all_of_many(resolver, questions(20), concurrency=5)
    assert len(results) == 20
    assert all(isinstance(found, DnsError.NetworkError) for _, found in results)


def test_the_same_question_is_sent_once(scripted: Scripted, all_of_many: Callable[..., list[Any]]) -> None:
    server = scripted(plain)
    with resolver_of(server) as resolver:
        results = all_of_many(resolver, [("h1.example", 1), ("H1.example", 1), ("h1.example", 1)])
    assert len(results) == 3
    assert len(server.asked) == 1


def test_over_tcp(scripted: Scripted, all_of_many: Callable[..., list[Any]]) -> None:
    server = scripted(plain)
    with resolver_of(server, options=PATIENT.replace(tcp=True)) as resolver:
        results = all_of_many(resolver, questions(50), concurrency=10)
    assert all(isinstance(found, Answer) for _, found in results)
    assert server.connected == 1


def test_no_more_questions_are_taken_than_are_outstanding(scripted: Scripted) -> None:
    server = scripted(plain)
    taken: list[int] = []

    def endless() -> Iterator[tuple[str, int]]:
        for number in count():
            taken.append(number)
            yield f"h{number}.example", 1

    with resolver_of(server) as resolver:
        results = resolver.resolve_many(endless(), concurrency=10)
        assert len(list(islice(results, 30))) == 30
        assert len(taken) <= 50
        results.close()  # type: ignore[attr-defined]  # a generator
        assert resolver.lookup_a("h7.example")
    assert resolver.outstanding == 0


def test_cancelled(scripted: Scripted, all_of_many: Callable[..., list[Any]]) -> None:
    token = CancellationToken()
    server = scripted(lambda asked: token.cancel())
    with resolver_of(server) as resolver:
        with pytest.raises(CancellationError):
            all_of_many(resolver, questions(5), cancel=token)
        assert resolver.outstanding == 0


def test_a_slow_caller_loses_nothing(scripted: Scripted) -> None:
    """What came while the caller was busy for longer than the time limit is an answer all the same."""
    from time import monotonic

    from tests.waiting import until

    server = scripted(plain)
    with resolver_of(server, options=PATIENT.replace(timeout=0.5)) as resolver:
        results = resolver.resolve_many(questions(50), concurrency=50)
        first = next(results)
        until(lambda: len(server.asked) == 50)
        over = monotonic() + 0.6
        until(lambda: monotonic() > over)
        found = [first, *results]
    assert sum(isinstance(each, Answer) for _, each in found) == 50


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_concurrency_that_cannot_be(scripted: Scripted, concurrency: int) -> None:
    with resolver_of(scripted(plain)) as resolver, pytest.raises(DnsError.InvalidValue):
        next(resolver.resolve_many(questions(1), concurrency=concurrency))
