"""Nursery, race, Lock, Semaphore, SingleFlight, Pacer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

import pytest

from netkit.io import (
    PAUSE,
    Closing,
    DeadlineExceeded,
    Event,
    Flow,
    Lock,
    Nursery,
    Pacer,
    Semaphore,
    SingleFlight,
    all_of,
    before,
    nursery,
    race,
    run,
    sleep_until,
)

from .conftest import Drive


class Thing(Closing):
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def turns(count: int, then: Callable[[], object] = lambda: None) -> Flow[None]:
    for _ in range(count):
        yield PAUSE
    then()


def failing(message: str, after: int = 0) -> Flow[None]:
    yield from turns(after)
    raise LookupError(message)


class TestNursery:
    def test_it_ends_when_the_last_child_has(self, drive: Drive) -> None:
        done: list[str] = []

        def child(name: str, depth: int, crew: Nursery) -> Flow[None]:
            yield from turns(3)
            if depth:
                crew.start(child(f"{name}.{depth}", depth - 1, crew))
            done.append(name)

        def body(crew: Nursery) -> Flow[str]:
            crew.start(child("a", 2, crew))
            crew.start(child("b", 0, crew))
            done.append("body")
            return "what the body returned"
            yield

        assert drive(nursery(body), timeout=5) == "what the body returned"
        assert done[0] == "body"
        assert sorted(done[1:]) == ["a", "a.2", "a.2.1", "b"]

    def test_an_error_of_a_child_ends_the_others_and_is_raised_alone(self, drive: Drive) -> None:
        ended: list[str] = []

        def waiting() -> Flow[None]:
            try:
                yield from Event().wait()
            finally:
                ended.append("waiting")
                raise OSError("and this one fell too")

        def body(crew: Nursery) -> Flow[None]:
            crew.start(waiting())
            crew.start(failing("the first", after=2))
            yield from Event().wait()

        with pytest.raises(LookupError, match="the first") as caught:
            drive(nursery(body), timeout=5)
        assert ended == ["waiting"]
        assert any("and this one fell too" in note for note in caught.value.__notes__)

    def test_an_error_of_the_body_ends_the_children(self, drive: Drive) -> None:
        thing = Thing()

        def body(crew: Nursery) -> Flow[None]:
            crew.start(Event().wait(), closing=thing)
            yield from turns(2)
            raise LookupError

        with pytest.raises(LookupError):
            drive(nursery(body), timeout=5)
        assert thing.closed == 1

    def test_what_a_child_is_handed_is_closed_though_it_never_began(self, drive: Drive) -> None:
        thing, began = Thing(), []

        def child() -> Flow[None]:
            began.append(True)
            yield PAUSE

        def body(crew: Nursery) -> Flow[None]:
            crew.start(child(), closing=thing)
            raise LookupError
            yield

        with pytest.raises(LookupError):
            drive(nursery(body), timeout=5)
        assert (began, thing.closed) == ([], 1)

    def test_what_a_child_is_handed_is_closed_when_it_ends(self, drive: Drive) -> None:
        thing = Thing()

        def body(crew: Nursery) -> Flow[int]:
            crew.start(turns(1), closing=thing)
            yield from turns(5)
            return thing.closed

        assert drive(nursery(body), timeout=5) == 1

    def test_interrupted_it_ends_all(self, drive: Drive) -> None:
        things = [Thing() for _ in range(3)]

        def body(crew: Nursery) -> Flow[None]:
            for thing in things:
                crew.start(Event().wait(), closing=thing)
            yield from Event().wait()

        with pytest.raises(DeadlineExceeded):
            drive(nursery(body), timeout=0.02)
        assert [thing.closed for thing in things] == [1, 1, 1]

    def test_a_thousand_children_do_not_keep_the_driver(self) -> None:
        def body(crew: Nursery) -> Flow[None]:
            for _ in range(1000):
                crew.start(turns(0))
            return
            yield

        assert sum(want is PAUSE for want in nursery(body)) >= 1000 // 32


class TestRace:
    def test_the_first_to_return(self, drive: Drive) -> None:
        ended: list[str] = []

        def loser() -> Flow[None]:
            try:
                yield from Event().wait()
            finally:
                ended.append("closed")

        outcome = drive(race(loser(), turns(2)), timeout=5)
        assert (outcome.index, ended) == (1, ["closed"])

    def test_the_first_to_raise_too(self, drive: Drive) -> None:
        with pytest.raises(LookupError, match="of the work"):
            drive(race(failing("of the work", after=1), Event().wait()), timeout=5)

    def test_beside_an_event_that_is_set(self, drive: Drive) -> None:
        stop = Event()
        stop.set()
        assert drive(race(stop.wait(), Event().wait()), timeout=5).index == 0

    def test_nobody_to_race(self, drive: Drive) -> None:
        with pytest.raises(ValueError, match="at least one"):
            drive(race(), timeout=5)

    def test_what_the_winner_made_is_closed_where_a_loser_cannot_be_ended(self, drive: Drive) -> None:
        thing = Thing()

        def making() -> Flow[object]:
            yield from turns(1)
            return thing

        def broken() -> Flow[object]:
            try:
                yield from Event().wait()
            finally:
                raise OSError("no")
            return None

        with pytest.raises(OSError, match="no"):
            drive(race(making(), broken()), timeout=5)
        assert thing.closed == 1


class TestSemaphore:
    def test_no_more_than_its_permits_at_once(self, drive: Drive) -> None:
        limit, now, most = Semaphore(3), 0, 0

        def work() -> Flow[None]:
            nonlocal now, most
            now += 1
            most = max(most, now)
            yield from turns(2)
            now -= 1

        drive(all_of([limit.holding(work()) for _ in range(20)]), timeout=5)
        assert (most, limit.free, limit.waiting) == (3, 3, 0)

    def test_in_the_order_of_asking(self, drive: Drive) -> None:
        lock, order = Lock(), list[int]()

        def work(number: int) -> Flow[None]:
            order.append(number)
            yield PAUSE

        drive(all_of([lock.holding(work(number)) for number in range(10)]), timeout=5)
        assert order == list(range(10))

    def test_who_is_interrupted_leaves_the_queue(self, drive: Drive) -> None:
        lock = Lock()

        def holder() -> Flow[None]:
            yield from lock.acquire()
            with pytest.raises(DeadlineExceeded):
                yield from before(monotonic() + 0.01, lock.holding(turns(1)))
            assert lock.waiting == 0
            lock.release()

        drive(holder(), timeout=5)
        assert not lock.locked

    def test_a_permit_handed_to_one_interrupted_in_the_same_turn_goes_on(self) -> None:
        lock = Lock()
        run(lock.acquire())
        first, second = lock.acquire(), lock.acquire()
        next(first)
        next(second)
        lock.release()  # it is the first one's
        first.close()  # who is interrupted before it knows
        with pytest.raises(StopIteration):
            second.send(True)  # it has come to the second
        assert lock.locked
        assert lock.waiting == 0

    def test_nobody_overtakes(self) -> None:
        lock = Lock()
        run(lock.acquire())
        waiting = lock.acquire()
        next(waiting)
        assert not lock.try_acquire()
        lock.release()
        assert not lock.try_acquire()  # handed to the one who waits
        waiting.close()
        assert lock.try_acquire()

    def test_the_work_is_closed_where_its_turn_never_comes(self, drive: Drive) -> None:
        lock, thing = Lock(), Thing()

        def work() -> Flow[None]:
            thing.close()
            yield PAUSE

        def holder() -> Flow[None]:
            yield from lock.acquire()
            with pytest.raises(DeadlineExceeded):
                yield from before(monotonic() + 0.01, lock.holding(work()))

        drive(holder(), timeout=5)
        assert thing.closed == 0

    def test_of_several_threads(self) -> None:
        lock, count, together = Lock(), 0, 0

        def work() -> Flow[None]:
            nonlocal count, together
            together += 1
            assert together == 1
            yield PAUSE
            count += 1
            together -= 1

        def many() -> None:
            for _ in range(50):
                run(lock.holding(work()), deadline=monotonic() + 30)

        threads = [threading.Thread(target=many) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert count == 200
        assert not lock.locked

    def test_permits_that_are_none(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            Semaphore(0)


class TestSingleFlight:
    def test_asked_at_once_it_is_done_once(self, drive: Drive) -> None:
        flight: SingleFlight[str, list[int]] = SingleFlight()
        made: list[str] = []

        def make(key: str) -> Flow[list[int]]:
            made.append(key)
            yield from turns(2)
            return [len(made)]

        flows = [flight.do(key, lambda key=key: make(key)) for key in ("a", "b", "a", "a")]  # type: ignore[misc]
        outcomes = [outcome.unwrap() for outcome in drive(all_of(flows), timeout=5)]
        assert made == ["a", "b"]
        assert outcomes[0] is outcomes[2] is outcomes[3]
        assert drive(flight.do("a", lambda: make("a")), timeout=5) == [3]  # nothing is kept

    def test_an_error_is_everybodys(self, drive: Drive) -> None:
        flight: SingleFlight[str, None] = SingleFlight()
        flows = [flight.do("a", lambda: failing("gone", after=2)) for _ in range(3)]
        outcomes = drive(all_of(flows, return_errors=True), timeout=5)
        assert [str(outcome.error) for outcome in outcomes] == ["gone"] * 3

    def test_where_its_leader_is_interrupted_the_next_leads(self, drive: Drive) -> None:
        flight: SingleFlight[str, int] = SingleFlight()
        started = 0

        def make() -> Flow[int]:
            nonlocal started
            started += 1
            if started == 1:
                yield from Event().wait()  # for ever
            yield from turns(1)
            return started

        def leader() -> Flow[int]:
            try:
                return (yield from before(monotonic() + 0.02, flight.do("a", make)))
            except DeadlineExceeded:
                return -1

        flows = [leader(), flight.do("a", make), flight.do("a", make)]
        assert [outcome.unwrap() for outcome in drive(all_of(flows), timeout=5)] == [-1, 2, 2]

    def test_of_several_threads(self) -> None:
        flight: SingleFlight[str, int] = SingleFlight()
        inside = threading.Event()
        go, made, results = Event(), list[int](), list[int]()

        def make() -> Flow[int]:
            made.append(1)
            inside.set()
            yield from go.wait()
            return 7

        def ask() -> None:
            results.append(run(flight.do("a", make), deadline=monotonic() + 30))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        threads[0].start()
        inside.wait(30)
        for thread in threads[1:]:
            thread.start()
        go.set()
        for thread in threads:
            thread.join()
        assert set(results) == {7}
        assert len(results) == 4


def test_a_pace_is_even_and_makes_up_for_little() -> None:
    pacer = Pacer(1.0)
    assert pacer.next_start(100.0) == pytest.approx(99.99)
    assert pacer.next_start(100.0) == pytest.approx(100.99)
    assert pacer.next_start(101.0) == pytest.approx(101.99)
    assert pacer.next_start(200.0) == pytest.approx(199.99)  # what was missed is missed


def test_a_pace_of_flows(drive: Drive) -> None:
    begun: list[float] = []

    def flow() -> Flow[None]:
        begun.append(monotonic())
        yield from sleep_until(0)

    drive(all_of((flow() for _ in range(4)), pace=0.02), timeout=5)
    assert begun[-1] - begun[0] >= 0.045
