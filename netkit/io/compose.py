"""Flows made of flows: `first_of` and `all_of`, the only two ways they are joined.

Happy Eyeballs, A beside AAAA, hedged queries, a slot in a pool, a million names at once: each is a few
flows under one of these two, in one thread, in blocking and async form alike. A composed flow yields one
`Group` over and over; the driver keeps every branch armed across those turns, so the work done at each
wake-up is for the branches that woke, however many sleep.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

from netkit.io.errors import DeadlineExceeded, NoneSucceeded
from netkit.io.flow import (
    OPERATIONS_PER_TURN,
    PAUSE,
    AnyWant,
    Flow,
    Group,
    Waiter,
    abort,
    resume,
    sleep_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


#: How far, in seconds, a paced start that came late may be made up for by the next ones.
_CATCH_UP = 0.01


class Outcome(Generic[T]):
    """How one branch ended: its place among the flows given, and its value or its error."""

    __slots__ = ("error", "index", "value")

    def __init__(self, index: int, value: T | None, error: Exception | None) -> None:
        self.index = index
        self.value = value
        self.error = error

    def unwrap(self) -> T:
        """The value; raises the error where there is one."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # a branch without an error returned a T

    def __repr__(self) -> str:
        shown = f"value={self.value!r}" if self.error is None else f"error={self.error!r}"
        return f"Outcome(index={self.index}, {shown})"


class Spawner(Generic[T]):
    """Flows for `all_of` that come while others run: an accept loop adds one for every connection.

        spawner = Spawner()
        spawner.add(accept_loop(spawner))
        yield from all_of(spawner, on_result=...)

    It ends when every flow added so far has ended. Use it from flows that run in it.
    """

    def __init__(self) -> None:
        self._waiting: deque[Flow[T]] = deque()

    def add(self, flow: Flow[T]) -> None:
        """Start `flow` beside the others, at the next turn."""
        self._waiting.append(flow)

    def __iter__(self) -> Spawner[T]:
        return self

    def __next__(self) -> Flow[T]:
        if not self._waiting:
            raise StopIteration
        return self._waiting.popleft()


class _Branch(Waiter, Generic[T]):
    """One flow of a group."""

    __slots__ = ("flow", "group", "index", "outcome", "woken")

    def __init__(self, group: Group, index: int, flow: Flow[T]) -> None:
        super().__init__()
        self.group = group
        self.index = index
        self.flow = flow
        self.outcome: Outcome[T] | None = None
        self.woken: bool | None = None

    def wake(self, ready: bool) -> None:
        group = self.group
        self.woken = ready
        group.ready.append(self)
        parent = group.parent
        if parent is not None:
            group.parent = None
            reactor = parent.reactor
            if reactor is not None:
                reactor.disarm(parent)
            parent.wake(True)

    def start(self) -> bool:
        """Run the flow to its first wait. True if it ended there."""
        return self._step(lambda: self.flow.send(None))  # type: ignore[arg-type]  # a generator's first

    def resume(self) -> bool:
        """Run the flow on from what woke it to its next wait. True if it ended."""
        ready, self.woken = self.woken, None
        failure, self.failure = self.failure, None
        if failure is not None:
            return self._step(lambda: self.flow.throw(failure))
        return self._step(lambda: resume(self.flow, self.want, bool(ready)))

    def throw(self, error: Exception) -> bool:
        """Throw into the waiting flow an error it may handle and go on from. True if it ended."""
        self.leave()
        return self._step(lambda: self.flow.throw(error))

    def _step(self, step: Callable[[], AnyWant]) -> bool:
        branches = self.group.branches
        try:
            want = step()
        except StopIteration as end:
            self.outcome = Outcome(self.index, end.value, None)
        except Exception as error:
            self.outcome = Outcome(self.index, None, error)
        except BaseException:
            branches.pop(self, None)  # Ctrl-C: the flow is over, and its siblings are aborted by our owner
            raise
        else:
            self.want = want
            branches[self] = None
            if want is PAUSE:
                self.woken = True
                self.group.ready.append(self)
            else:
                self.group.fresh.append(self)
            return False
        branches.pop(self, None)
        return True

    def leave(self) -> None:
        """Stop waiting."""
        if self.reactor is not None:
            self.reactor.disarm(self)
        for queue in (self.group.fresh, self.group.ready):
            if self in queue:
                queue.remove(self)


def _abandon(group: Group, error: BaseException | None = None) -> None:
    """End every branch that still waits: throw `error` in, or just close it.

    When all of them have, raises what one raised as it was closed, or that it would not end.
    """
    branches = list(group.branches)
    group.branches.clear()
    group.fresh.clear()
    group.ready.clear()
    failure: BaseException | None = None
    for branch in branches:
        assert isinstance(branch, _Branch)
        try:
            branch.leave()
            if error is None:
                branch.flow.close()
            else:
                abort(branch.flow, error)
        except BaseException as raised:
            failure = failure or raised
    if failure is not None:
        raise failure


def first_of(*flows: Flow[T]) -> Flow[Outcome[T]]:
    """Flow: the outcome of the first of `flows` to return; the others are closed where they wait.

    A branch that raises drops out; when all have, NoneSucceeded lists what each raised. An interruption
    of the whole is thrown into every branch.
    """
    errors: dict[int, Exception] = {}

    def settle(outcome: Outcome[T]) -> bool:
        if outcome.error is not None:
            errors[outcome.index] = outcome.error
        return outcome.error is None

    winner = yield from _join(iter(flows), None, None, settle)
    if winner is None:
        raise NoneSucceeded([errors[index] for index in sorted(errors)])
    return winner


def beside(flow: Flow[T], *others: Flow[object]) -> Flow[T]:
    """Flow: `flow` to its end, with `others` side by side; they are closed where they wait when it returns.

    An error of any of them ends all, and is raised. Others that return are not waited for.
    """
    branches: tuple[Flow[object], ...] = (flow, *others)
    decided = yield from _join(
        iter(branches), None, None, lambda outcome: outcome.index == 0 or outcome.error is not None
    )
    assert decided is not None  # `flow` decides, however it ends
    return decided.unwrap()  # type: ignore[return-value]  # of `flow`, or raised


def all_of(
    flows: Iterable[Flow[T]],
    *,
    limit: int | None = None,
    pace: float | None = None,
    on_result: Callable[[int, Outcome[T]], None] | None = None,
    return_errors: bool = False,
) -> Flow[list[Outcome[T]]]:
    """Flow: run every flow of `flows` to its end, side by side.

    `flows` may be a lazy iterator, or a `Spawner`: at most `limit` run at once, and `pace` seconds lie
    between two starts (a late start is made up for, within 10 ms). `on_result(index, outcome)` is called
    as each ends, in order of ending; then outcomes are not kept, so that a million flows need no memory,
    and the list returned is empty. Without it the outcomes are returned in the order of the flows.

    The first branch to raise ends the others, and its error is raised; with `return_errors` they go on
    and each error is in its outcome.
    """
    if limit is not None and limit < 1:
        raise ValueError("limit must be at least 1")
    kept: dict[int, Outcome[T]] = {}

    def settle(outcome: Outcome[T]) -> bool:
        if outcome.error is not None and not return_errors:
            return True
        if on_result is None:
            kept[outcome.index] = outcome
        else:
            on_result(outcome.index, outcome)
        return False

    failed = yield from _join(iter(flows), limit, pace, settle)
    if failed is not None:
        failed.unwrap()
    return [kept[index] for index in sorted(kept)]


def _join(
    flows: Iterator[Flow[T]],
    limit: int | None,
    pace: float | None,
    settle: Callable[[Outcome[T]], bool],
) -> Flow[Outcome[T] | None]:
    """Run `flows` as branches of one group until `settle` says of an outcome that it decides, or all ended.

    Returns the outcome that decided, or None.
    """
    group = Group()
    index = 0
    exhausted = False
    next_start = 0.0
    pacer: _Branch[None] | None = None
    busy = 0  # steps since the driver last had a look
    try:
        while True:
            # Start what may start now.
            while not exhausted and pacer is None:
                running = len(group.branches)
                if limit is not None and running >= limit:
                    break
                now = monotonic() if pace is not None else 0.0
                if now < next_start:
                    pacer = _Branch(group, -1, sleep_until(next_start))
                    if not pacer.start():
                        break
                    pacer = None  # the moment came while this was being set up
                try:
                    flow = next(flows)
                except StopIteration:
                    # A spawner may have more later; its running branches are what could add them.
                    exhausted = not (isinstance(flows, Spawner) and group.branches)
                    break
                if pace is not None:
                    next_start = max(next_start, now - _CATCH_UP) + pace
                branch = _Branch(group, index, flow)
                index += 1
                if branch.start():
                    assert branch.outcome is not None
                    if settle(branch.outcome):
                        return branch.outcome
                busy += 1
                if busy >= OPERATIONS_PER_TURN:
                    busy = 0
                    yield PAUSE
            if not group.branches:
                if exhausted:
                    return None
                continue  # the last ended while `flows` was being looked at: look again
            if busy >= OPERATIONS_PER_TURN:
                busy = 0
                yield PAUSE
            yield group
            # Step what woke, and only that.
            woken, group.ready = group.ready, []
            for waiter in woken:
                if waiter not in group.branches:
                    continue
                assert isinstance(waiter, _Branch)
                busy += 1
                if not waiter.resume():
                    continue
                if waiter is pacer:
                    pacer = None
                    continue
                assert waiter.outcome is not None
                if settle(waiter.outcome):
                    return waiter.outcome
    except GeneratorExit:
        raise
    except BaseException as error:
        _abandon(group, error)
        raise
    finally:
        _abandon(group)


def before(
    moment: float | None,
    flow: Flow[T],
    doing: str | None = None,
    *,
    expired: Callable[[BaseException], BaseException] | None = None,
) -> Flow[T]:
    """Flow: `flow`, with a deadline of its own inside the caller's.

    When `time.monotonic()` reaches `moment` first, DeadlineExceeded is thrown in where `flow` waits. What
    comes out then goes to `expired`, which makes the error to raise of it: whoever goes on after its own
    deadline tells that from the caller's so, after which nobody may wait any more.
    """
    if moment is None:
        return (yield from flow)
    group = Group()
    branch = _Branch(group, 0, flow)
    alarm = _Branch(group, 1, sleep_until(moment))
    try:
        ended = branch.start()
        rang = not ended and alarm.start()  # at once, where the moment has passed
        while not (ended or rang):
            yield group
            woken, group.ready = group.ready, []
            if branch in woken:
                ended = branch.resume()
            if not ended and alarm in woken:
                rang = alarm.resume()  # false where its timer came too early: it sleeps on
        if rang and not branch.throw(DeadlineExceeded(doing)):
            raise RuntimeError("a flow whose time ran out waited again instead of ending")
        assert branch.outcome is not None
        if rang and expired is not None and branch.outcome.error is not None:
            raise expired(branch.outcome.error) from branch.outcome.error
        return branch.outcome.unwrap()
    except GeneratorExit:
        raise
    except BaseException as error:
        _abandon(group, error)
        raise
    finally:
        _abandon(group)
