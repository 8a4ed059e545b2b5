"""Flows under every driver: what they wait for, how they end, and how they are joined."""

from __future__ import annotations

import asyncio
import select
import socket
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

import netkit.io.flow
from netkit.io import (
    PAUSE,
    AnyWant,
    BusyError,
    CancellationError,
    CancellationToken,
    ClosedError,
    DeadlineExceeded,
    Descriptor,
    Event,
    Flow,
    Interrupted,
    NoneSucceeded,
    Outcome,
    Want,
    all_of,
    before,
    beside,
    blocking,
    first_of,
    phase,
    pollers,
    run,
    run_async,
    sleep_until,
)
from netkit.io.flow import Waiter
from tests.waiting import waits, when

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Drive, Pair


def value_of(value: int, *, pauses: int = 0) -> Flow[int]:
    for _ in range(pauses):
        yield PAUSE
    return value


def raising(error: BaseException, *, pauses: int = 0) -> Flow[int]:
    for _ in range(pauses):
        yield PAUSE
    raise error


def never() -> Flow[int]:
    yield from Event().wait()
    return 0


class TestOneFlow:
    def test_returns_what_the_flow_returns(self, drive: Drive) -> None:
        assert drive(value_of(3)) == 3
        assert drive(value_of(3, pauses=5)) == 3

    def test_raises_what_the_flow_raises(self, drive: Drive) -> None:
        with pytest.raises(KeyError):
            drive(raising(KeyError("x")))
        with pytest.raises(KeyError):
            drive(raising(KeyError("x"), pauses=2))

    def test_waits_until_readable(self, drive: Drive, pair: Pair) -> None:
        with when(waits, lambda: pair.theirs.send(b"hello")):
            assert drive(pair.receive(), timeout=5) == b"hello"

    def test_the_end_of_the_stream_is_readable(self, drive: Drive, pair: Pair) -> None:
        with when(waits, pair.theirs.close):
            assert drive(pair.receive(), timeout=5) == b""

    def test_waits_until_writable(self, drive: Drive, pair: Pair) -> None:
        sent = pair.fill_up()

        def empty() -> None:
            left = sent
            while left:
                left -= len(pair.theirs.recv(65536))

        def flow() -> Flow[bool]:
            return (yield pair.descriptor.want_write)

        with when(waits, empty):  # it is writable before all of it was read
            assert drive(flow(), timeout=5) is True

    def test_says_false_when_only_the_time_has_come(self, drive: Drive, pair: Pair) -> None:
        def flow() -> Flow[bool]:
            return (yield Want(read=pair.descriptor, until=monotonic() + 0.02))

        begun = monotonic()
        assert drive(flow(), timeout=5) is False
        assert monotonic() - begun >= 0.02

    def test_an_event_of_another_thread(self, drive: Drive) -> None:
        event = Event()
        with when(waits, event.set):
            drive(event.wait(), timeout=5)
        drive(event.wait(), timeout=5)  # it stays set

    def test_an_event_of_the_same_thread(self, drive: Drive) -> None:
        event = Event()
        woken: list[bool] = []

        def setting() -> Flow[None]:
            yield PAUSE
            assert not woken
            event.set_soon()

        def waiting() -> Flow[None]:
            yield from event.wait()
            woken.append(True)

        drive(all_of([waiting(), setting(), waiting()]), timeout=5)
        assert woken == [True, True]
        drive(event.wait(), timeout=5)  # it stays set

    def test_any_of_several_wants(self, drive: Drive, pair: Pair) -> None:
        event = Event()

        def flow() -> Flow[bool]:
            ready = yield Want(read=pair.descriptor, event=event, until=monotonic() + 5)
            return ready and event.is_set

        with when(waits, event.set):
            assert drive(flow(), timeout=5) is True
        assert pair.descriptor.reader is None

    @pytest.mark.parametrize("seconds", [3e6, 1e18, float("inf")])
    def test_a_time_very_far_away(self, drive: Drive, seconds: float) -> None:
        event = Event()

        def flow() -> Flow[bool]:
            return (yield Want(event=event, until=monotonic() + seconds))

        with when(waits, event.set):
            assert drive(flow(), timeout=seconds) is True


class TestEnding:
    def test_deadline(self, drive: Drive, pair: Pair) -> None:
        with pytest.raises(DeadlineExceeded) as caught:
            drive(pair.receive(), timeout=0.02)
        assert isinstance(caught.value, TimeoutError)
        assert pair.descriptor.reader is None

    def test_deadline_while_also_waiting_for_a_later_moment(self, drive: Drive) -> None:
        begun = monotonic()
        with pytest.raises(DeadlineExceeded):
            drive(sleep_until(monotonic() + 60), timeout=0.02)
        assert monotonic() - begun < 5

    def test_a_deadline_already_past_ends_it_where_it_would_wait(self, drive: Drive, pair: Pair) -> None:
        steps: list[str] = []

        def flow(want: AnyWant) -> Flow[None]:
            steps.append("begun")
            try:
                yield want
            finally:
                steps.append("ended")
            steps.append("gone on")

        for want in (pair.descriptor.want_read, PAUSE, Want(event=Event()), Want(until=monotonic() + 60)):
            with pytest.raises(DeadlineExceeded):
                drive(flow(want), timeout=0.0)
            assert steps == ["begun", "ended"]
            steps.clear()
        assert pair.descriptor.reader is None

    def test_a_deadline_already_past_lets_it_have_what_is_there(self, drive: Drive, pair: Pair) -> None:
        def two_letters() -> Flow[bytes]:
            letters = b""
            while len(letters) < 2:
                yield pair.descriptor.want_read  # before it looks, as one does who has emptied the socket
                letters += pair.ours.recv(1)
            return letters

        pair.theirs.send(b"abcde")
        assert drive(two_letters(), timeout=0.0) == b"ab"
        assert drive(two_letters(), timeout=-1.0) == b"cd"
        with pytest.raises(DeadlineExceeded):
            drive(two_letters(), timeout=0.0)

    def test_a_deadline_already_past_ends_it_however_much_is_there(self, drive: Drive, pair: Pair) -> None:
        rounds: list[int] = []

        def endless() -> Flow[None]:
            while True:
                yield pair.descriptor.want_write
                rounds.append(1)

        with pytest.raises(DeadlineExceeded):
            drive(endless(), timeout=0.0)
        assert 1 < len(rounds) < 100

    def test_a_deadline_already_past_takes_no_other_place(self, drive: Drive, pair: Pair) -> None:
        """What another waits for is for the other, and a closed descriptor is told."""
        pair.theirs.send(b"abc")
        other = Waiter()
        pair.descriptor.claim(other, read=True, write=False)
        with pytest.raises((DeadlineExceeded, BusyError)):
            drive(pair.receive_late(), timeout=0.0)
        pair.descriptor.release(other)
        pair.descriptor.close()
        with pytest.raises(ClosedError):
            drive(pair.receive_late(), timeout=0.0)

    def test_the_innermost_phase_names_what_it_was_doing(self, drive: Drive) -> None:
        def flow() -> Flow[None]:
            with phase("the whole"), phase("one part of it", "tls"):
                yield from Event().wait()

        with pytest.raises(DeadlineExceeded, match="timed out while one part of it") as caught:
            drive(flow(), timeout=0.01)
        assert caught.value.stage == "tls"

    def test_cancel_from_another_thread(self, drive: Drive, pair: Pair) -> None:
        token = CancellationToken()
        cancelling = when(waits, lambda: token.cancel("enough"))
        with cancelling, pytest.raises(CancellationError, match="enough"):
            drive(pair.receive(), timeout=5, cancel=token)
        assert pair.descriptor.reader is None

    def test_cancelled_before(self, drive: Drive) -> None:
        token = CancellationToken()
        token.cancel()
        with pytest.raises(CancellationError):
            drive(value_of(1), cancel=token)

    def test_what_was_not_read_is_there_for_the_next(self, drive: Drive, pair: Pair) -> None:
        token = CancellationToken()
        with when(waits, token.cancel), pytest.raises(CancellationError):
            drive(pair.receive(), timeout=5, cancel=token)
        pair.theirs.send(b"still here")
        assert drive(pair.receive(), timeout=5) == b"still here"


class TestFirstOf:
    def test_the_first_to_return_wins_and_the_rest_are_closed(self, drive: Drive) -> None:
        closed: list[str] = []

        def slow() -> Flow[int]:
            try:
                yield from Event().wait()
            finally:
                closed.append("slow")
            return 1

        outcome: Outcome[int] = drive(first_of(slow(), value_of(2, pauses=3), slow()), timeout=5)
        assert (outcome.index, outcome.value) == (1, 2)
        assert closed == ["slow", "slow"]

    def test_one_that_raises_drops_out(self, drive: Drive) -> None:
        outcome = drive(first_of(raising(OSError("a")), value_of(7, pauses=9)), timeout=5)
        assert outcome.value == 7

    def test_all_raised(self, drive: Drive) -> None:
        first, second = OSError("first"), OSError("second")
        with pytest.raises(NoneSucceeded) as caught:
            drive(first_of(raising(first, pauses=4), raising(second)), timeout=5)
        assert caught.value.errors == [first, second]

    def test_the_losers_descriptors_are_free_again(self, drive: Drive, pair: Pair) -> None:
        drive(first_of(pair.receive(), sleep_until(monotonic() + 0.01)), timeout=5)
        pair.theirs.send(b"x")
        assert drive(pair.receive(), timeout=5) == b"x"

    def test_an_interruption_reaches_every_branch(self, drive: Drive) -> None:
        seen: list[str] = []

        def branch(name: str) -> Flow[int]:
            try:
                yield from Event().wait()
            except Interrupted:
                seen.append(name)
                raise
            return 0

        with pytest.raises(DeadlineExceeded):
            drive(first_of(branch("a"), branch("b")), timeout=0.02)
        assert sorted(seen) == ["a", "b"]


class TestAllOf:
    def test_in_the_order_given(self, drive: Drive) -> None:
        outcomes = drive(all_of([value_of(1, pauses=5), value_of(2), value_of(3, pauses=2)]), timeout=5)
        assert [outcome.unwrap() for outcome in outcomes] == [1, 2, 3]

    def test_the_first_error_ends_the_others(self, drive: Drive) -> None:
        with pytest.raises(KeyError):
            drive(all_of([never(), raising(KeyError(), pauses=2)]), timeout=5)

    def test_errors_kept(self, drive: Drive) -> None:
        outcomes = drive(all_of([raising(KeyError()), value_of(1)], return_errors=True), timeout=5)
        assert isinstance(outcomes[0].error, KeyError)
        assert outcomes[1].value == 1

    def test_no_more_at_once_than_the_limit_and_taken_lazily(self, drive: Drive) -> None:
        running = most = taken = 0
        full = Event()

        def one() -> Flow[int]:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == 7:
                full.set()
            yield from full.wait()
            yield PAUSE
            running -= 1
            return 1

        def many() -> Iterator[Flow[int]]:
            nonlocal taken
            for _ in range(100):
                taken += 1
                assert taken - done <= 7
                yield one()

        done = 0

        def settle(index: int, outcome: Outcome[int]) -> None:
            nonlocal done
            done += 1

        assert drive(all_of(many(), limit=7, on_result=settle), timeout=5) == []
        assert (most, done) == (7, 100)

    def test_whose_wait_is_over_goes_on_before_another_is_started(self, drive: Drive) -> None:
        """So a flow that measures its wait does not measure the start of all others."""
        started, most = 0, 0

        def one() -> Flow[None]:
            nonlocal started, most
            near, far = socket.socketpair()
            descriptor = Descriptor(near.fileno(), close=near.close)
            with far:
                far.send(b"here already")
                started += 1
                before = started
                yield descriptor.want_read
                most = max(most, started - before)
            descriptor.close()

        drive(all_of((one() for _ in range(200)), limit=100, on_result=lambda _, outcome: None), timeout=30)
        assert started == 200
        assert most < 50, "of a hundred that may be under way"

    def test_a_thousand_that_sleep_cost_one_step_each(self, drive: Drive) -> None:
        steps = 0

        def one(event: Event) -> Flow[None]:
            nonlocal steps
            while not event.is_set:
                steps += 1
                yield Want(event=event)

        events = [Event() for _ in range(1000)]

        def setter() -> Flow[None]:
            for event in events:
                event.set()
                yield PAUSE

        drive(all_of([*(one(event) for event in events), setter()]), timeout=30)
        assert steps == 1000

    def test_pace(self, drive: Drive) -> None:
        begun = monotonic()
        drive(all_of((value_of(i) for i in range(6)), pace=0.01), timeout=5)
        assert monotonic() - begun >= 0.04

    def test_nested(self, drive: Drive) -> None:
        def pick(value: int) -> Flow[int]:
            outcome = yield from first_of(never(), value_of(value, pauses=value))
            return outcome.unwrap()

        outcomes = drive(all_of([pick(1), pick(2), pick(3)]), timeout=5)
        assert [outcome.value for outcome in outcomes] == [1, 2, 3]

    def test_a_pace_whose_moment_comes_while_it_is_set_up(
        self, drive: Drive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(netkit.io.flow, "monotonic", lambda: monotonic() + 1)
        outcomes = drive(all_of((value_of(i) for i in range(3)), pace=0.05), timeout=5)
        assert [outcome.value for outcome in outcomes] == [0, 1, 2]

    def test_flows_that_never_wait_can_be_interrupted(self, drive: Drive) -> None:
        def endless() -> Iterator[Flow[int]]:
            while True:
                yield value_of(1)

        with pytest.raises(DeadlineExceeded):
            drive(all_of(endless(), on_result=lambda index, outcome: None), timeout=0.02)

    def test_a_branch_that_fails_as_it_is_closed_leaves_none_behind(self, drive: Drive, pair: Pair) -> None:
        def failing() -> Flow[None]:
            try:
                yield from never()
            finally:
                raise OSError("cleaning up")

        def reading() -> Flow[None]:
            all_wait.set()
            yield pair.descriptor.want_read

        all_wait = Event()
        flows = (all_wait.wait(), failing(), reading())
        with pytest.raises(OSError, match="cleaning up"):
            drive(first_of(*flows), timeout=5)
        assert pair.descriptor.reader is None
        assert next(flows[2], "ended") == "ended"

    def test_a_branch_that_will_not_end_leaves_none_behind(self, drive: Drive, pair: Pair) -> None:
        def stubborn() -> Flow[None]:
            for _ in range(3):
                try:
                    yield from never()
                except BaseException:
                    continue

        def reading() -> Flow[None]:
            yield pair.descriptor.want_read

        with pytest.raises((DeadlineExceeded, RuntimeError)):
            drive(all_of([stubborn(), reading()]), timeout=0.02)
        assert pair.descriptor.reader is None

    def test_a_limit_is_at_least_one(self, drive: Drive) -> None:
        with pytest.raises(ValueError, match="limit"):
            drive(all_of([value_of(1)], limit=0), timeout=5)


def test_times_that_nobody_waits_for_any_more_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    turn = blocking.PollReactor._turn

    def counting(self: blocking.PollReactor, deadline: float | None) -> None:
        kept.append(len(self._times))
        turn(self, deadline)

    monkeypatch.setattr(blocking.PollReactor, "_turn", counting)

    def at_once() -> Flow[None]:
        yield Want(until=monotonic())

    def many() -> Flow[None]:
        for _ in range(3 * blocking.MANY_TIMES):
            yield from before(monotonic() + 60, at_once())

    run(many())
    assert max(kept) <= blocking.MANY_TIMES


class TestBefore:
    def test_in_time(self, drive: Drive) -> None:
        assert drive(before(monotonic() + 5, value_of(4, pauses=3)), timeout=5) == 4

    def test_too_late(self, drive: Drive) -> None:
        def flow() -> Flow[str]:
            try:
                yield from before(monotonic() + 0.01, never(), "asking")
            except DeadlineExceeded as error:
                return str(error)
            return "?"

        assert drive(flow(), timeout=5) == "timed out while asking"

    def test_too_late_from_the_start(self, drive: Drive) -> None:
        with pytest.raises(DeadlineExceeded, match="asking"):
            drive(before(monotonic() - 1, never(), "asking"), timeout=5)

    def test_done_before_anybody_looked_at_the_time(self, drive: Drive) -> None:
        assert drive(before(monotonic() - 1, value_of(4), "asking"), timeout=5) == 4

    def test_woken_in_the_same_moment_and_not_done(self, drive: Drive) -> None:
        moment = monotonic() + 0.01

        def woken_once() -> Flow[None]:
            yield Want(until=moment)
            yield from never()

        with pytest.raises(DeadlineExceeded, match="asking"):
            drive(before(moment, woken_once(), "asking"), timeout=5)

    def test_a_timer_that_comes_too_early_is_waited_out(self) -> None:
        class Early(asyncio.SelectorEventLoop):
            """Every timer comes a millisecond before its time, as uvloop's may by a part of one."""

            def call_later(self, delay: float, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:  # type: ignore[override]
                return super().call_later(max(0.0, delay - 0.001), *args, **kwargs)

        async def main() -> None:
            await run_async(before(monotonic() + 0.01, never(), "asking"), deadline=monotonic() + 5)

        with asyncio.Runner(loop_factory=Early) as runner, pytest.raises(DeadlineExceeded, match="asking"):
            runner.run(main())

    def test_the_outer_deadline_counts_too(self, drive: Drive) -> None:
        with pytest.raises(DeadlineExceeded):
            drive(before(monotonic() + 60, never()), timeout=0.01)


class TestWakingAReader:
    def test_one_that_waits(self, drive: Drive, pair: Pair) -> None:
        woken = []

        def waiting() -> Flow[None]:
            yield pair.descriptor.want_read
            woken.append(True)

        with when(waits, pair.descriptor.wake_reader):
            drive(waiting(), timeout=30)
        assert woken

    def test_one_that_is_about_to_wait(self, drive: Drive, pair: Pair) -> None:
        """In the same turn as its flow came to the yield, before any driver knows of it."""

        def waking() -> Flow[None]:
            pair.descriptor.wake_reader()
            return
            yield

        def waiting() -> Flow[None]:
            yield pair.descriptor.want_read

        drive(all_of([waiting(), waking()]), timeout=30)
        assert not pair.descriptor.nudged


class TestBeside:
    def test_the_first_flow_decides_and_the_others_are_closed(self, drive: Drive) -> None:
        closed = []

        def background() -> Flow[None]:
            try:
                yield from Event().wait()
            finally:
                closed.append(True)

        assert drive(beside(value_of(7, pauses=3), background(), value_of(1)), timeout=30) == 7
        assert closed

    def test_an_error_of_any_ends_all(self, drive: Drive) -> None:
        def failing() -> Flow[None]:
            yield PAUSE
            raise ValueError("the background's")

        with pytest.raises(ValueError, match="background"):
            drive(beside(Event().wait(), failing()), timeout=30)


class TestOneCallAfterAnother:
    """A blocking call leaves its poll object to the next call of the thread."""

    def test_a_call_within_a_call_has_another_one(self, drive: Drive, pair: Pair) -> None:
        """The inner call must not take the outer one's registration away, nor be woken by it."""
        run(sleep_until(monotonic() + 0.001))  # leaves one

        def outer() -> Flow[bytes]:
            run(sleep_until(monotonic() + 0.001))
            pair.theirs.send(b"x")
            yield pair.descriptor.want_read
            run(sleep_until(monotonic() + 0.001))
            return pair.ours.recv(10)

        assert drive(outer(), timeout=5) == b"x"

    def test_a_call_that_was_interrupted_leaves_no_registration(self, pair: Pair) -> None:
        def reading() -> Flow[None]:
            yield pair.descriptor.want_read

        for _ in range(3):
            with pytest.raises(DeadlineExceeded):
                run(reading(), deadline=monotonic() + 0.001)
        pair.theirs.send(b"x")
        begun = monotonic()
        run(sleep_until(begun + 0.01))  # an old registration would fire
        assert monotonic() - begun >= 0.01
        assert pair.descriptor.reader is None

    def test_wake_up_times_of_one_call_are_not_the_next_call_s(self) -> None:
        run(first_of(sleep_until(monotonic() + 0.001), sleep_until(monotonic() + 0.02)))
        begun = monotonic()
        with pytest.raises(DeadlineExceeded):
            run(Event().wait(), deadline=begun + 0.04)
        assert monotonic() - begun >= 0.04

    @pytest.mark.skipif(not hasattr(select, "epoll"), reason="no epoll on this system")
    def test_when_to_use_epoll_is_looked_up_by_each_call(
        self, monkeypatch: pytest.MonkeyPatch, pair: Pair
    ) -> None:
        run(sleep_until(monotonic() + 0.001))  # leaves a poll object, without epoll
        made: list[pollers.Epoll] = []

        class Counted(pollers.Epoll):
            def __init__(self) -> None:
                super().__init__()
                made.append(self)

        monkeypatch.setattr(blocking, "MANY", 0)
        monkeypatch.setattr(blocking, "Epoll", Counted)

        def reading() -> Flow[bytes]:
            yield pair.descriptor.want_read
            return pair.ours.recv(10)

        pair.theirs.send(b"x")
        assert run(reading(), deadline=monotonic() + 5) == b"x"
        assert len(made) == 1
