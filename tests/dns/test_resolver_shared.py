"""One resolver that is used from everywhere at once: no flow waits for one that cannot go on before it."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from netkit.dns import DnsError, Resolver
from netkit.dns.constants import DnsRecordType
from netkit.dns.policy.answer import MAX_ALIASES
from netkit.dns.policy.options import QueryOptions
from netkit.io import driver_depth, run
from netkit.io.sync import forkable_lock
from tests.dns.scripted import Asked, ScriptedServer, answer
from tests.waiting import until, until_async

pytestmark = pytest.mark.once

PATIENT = QueryOptions(timeout=10.0, tries=1)
A = DnsRecordType.A


class Slow:
    """A script: the first query for `slow.example` has no answer before `go` is set, all others have one."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked = count()

    def __call__(self, asked: Asked) -> Any:
        if asked.name == "slow.example." and not next(self.asked):
            return None
        return answer(asked, f"{asked.name} 60 A 192.0.2.1")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(Slow()) as made:
        yield made


def resolver_of(server: ScriptedServer) -> Resolver:
    return Resolver([server.addr], options=PATIENT)


def test_a_blocking_call_in_a_callback_asks_what_its_loop_asks_already(server: ScriptedServer) -> None:
    resolver = resolver_of(server)

    async def main() -> None:
        task = asyncio.ensure_future(resolver.resolve_async("slow.example", A))
        await until_async(lambda: len(server.asked) == 1)
        assert resolver.resolve("slow.example", A, timeout=10).records
        task.cancel()

    asyncio.run(main())


def test_blocking_questions_by_the_many_in_a_callback(server: ScriptedServer) -> None:
    resolver = resolver_of(server)

    async def main() -> None:
        task = asyncio.ensure_future(resolver.resolve_async("slow.example", A))
        await until_async(lambda: len(server.asked) == 1)
        found = list(resolver.resolve_many([(f"n{number}.example", A) for number in range(5)]))
        assert not [each for _, each in found if isinstance(each, DnsError)]
        task.cancel()

    asyncio.run(main())


def test_a_loop_that_has_stopped_holds_nobody_up(server: ScriptedServer) -> None:
    resolver = resolver_of(server)
    stopped = asyncio.new_event_loop()
    task = stopped.create_task(resolver.resolve_async("slow.example", A))
    stopped.run_until_complete(until_async(lambda: len(server.asked) == 1))
    assert resolver.resolve("slow.example", A, timeout=10).records
    resolver.cache_clear()
    assert asyncio.run(resolver.resolve_async("slow.example", A, timeout=10)).records
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        stopped.run_until_complete(task)
    stopped.close()


def test_blocking_calls_for_the_same_question_are_asked_once() -> None:
    may_answer = threading.Event()

    def script(asked: Asked) -> Any:
        may_answer.wait(10)
        return answer(asked, f"{asked.name} 60 A 192.0.2.1")

    with ScriptedServer(script) as server:
        resolver = resolver_of(server)
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda: found.append(resolver.resolve("same.example", A)))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        until(lambda: len(server.asked) == 1)
        may_answer.set()
        for thread in threads:
            thread.join(10)
        assert len(found) == 3
        assert len(server.asked) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork(2) here")
def test_a_forked_child_does_not_wait_for_a_flow_of_its_parent(server: ScriptedServer) -> None:
    resolver = resolver_of(server)

    def work() -> None:
        with pytest.raises(DnsError):
            resolver.resolve("slow.example", A)

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: len(server.asked) == 1)
    child = os.fork()
    if not child:
        try:
            os._exit(0 if resolver.resolve("slow.example", A, timeout=10).records else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    resolver.close()
    thread.join(10)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork(2) here")
def test_a_lock_that_a_thread_holds_at_a_fork_is_free_in_the_child() -> None:
    lock = forkable_lock()
    with lock:
        child = os.fork()
        if not child:
            os._exit(0 if lock.acquire(timeout=10) else 1)
        _, status = os.waitpid(child, 0)
        assert lock.locked()
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork(2) here")
@pytest.mark.parametrize("ends", ["collected", "closed"])
def test_a_forked_child_ends_nothing_of_its_parent(server: ScriptedServer, ends: str) -> None:
    """The child's copies of the parent's sockets are closed there; the parent still hears its answers."""
    resolver = resolver_of(server)
    results = resolver.resolve_many((f"n{number}.example", A) for number in range(300))
    next(results)
    child = os.fork()
    if not child:
        try:
            if ends == "closed":
                resolver.close()
            else:
                del results
                resolver.resolve("child.example", A, timeout=10)
                gc.collect()
            os._exit(0)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert not [each for _, each in results if isinstance(each, DnsError)]


def test_many_questions_of_a_resolver_that_is_closed_meanwhile(server: ScriptedServer) -> None:
    resolver = resolver_of(server)
    results = resolver.resolve_many((f"n{number}.example", A) for number in range(300))
    next(results)
    resolver.close()
    errors = [each for _, each in results if isinstance(each, DnsError)]
    assert errors
    assert all("was closed" in str(each) for each in errors)


def test_a_process_without_descriptors(server: ScriptedServer) -> None:
    resolver = resolver_of(server)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(2)  # the lowest number that is free
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(DnsError.NetworkError, match="too many open files"):
            resolver.resolve("www.example", A)
        with pytest.raises(DnsError.NetworkError, match="too many open files"):
            list(resolver.resolve_many([("www.example", A)]))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resolver.resolve("www.example", A).records


def test_a_flow_in_the_flow_of_another_call_has_a_place_of_its_own(server: ScriptedServer) -> None:
    resolver = resolver_of(server)

    def outer() -> Any:
        assert driver_depth() == 1
        inner = resolver.resolve("inner.example", A, timeout=10)
        found = yield from resolver.resolve_flow("outer.example", A)
        return inner, found

    inner, found = run(outer())
    assert inner.records and found.records


def test_a_long_chain_of_aliases_in_one_answer_is_no_answer() -> None:
    def script(asked: Asked) -> Any:
        size = int(asked.name[1:].partition(".")[0])
        chain = [f"n{left}.x. 60 CNAME n{left - 1}.x." for left in range(size, 0, -1)]
        return answer(asked, *chain, "n0.x. 60 A 192.0.2.1")

    with ScriptedServer(script) as server:
        resolver = resolver_of(server)
        assert len(resolver.resolve(f"n{MAX_ALIASES}.x", A).aliases) == MAX_ALIASES
        with pytest.raises(DnsError.AliasLoop, match="aliases in a row"):
            resolver.resolve(f"n{MAX_ALIASES + 1}.x", A)


def test_the_time_that_a_silent_server_took_is_said() -> None:
    with ScriptedServer(lambda asked: None) as server:
        resolver = Resolver([server.addr], timeout=0.2, tries=1)
        with pytest.raises(DnsError.Timeout) as caught:
            resolver.resolve("silent.example", A)
        assert caught.value.timeout is not None
        # From the query on: a machine under load has spent some of the 0.2 seconds before it is sent.
        assert 0.1 <= caught.value.timeout < 5
