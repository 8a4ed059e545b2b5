"""Flows made of flows: several run side by side in one thread, in blocking and async form.

    first_of    alternatives: the first to succeed wins; errors of the others are ignored
    race        the first to end wins, also with an error: work beside something that stops it
    beside      a flow with helper flows, which end with it
    all_of      all of many flows, a limited number at the same time
    before      one flow, with its own deadline
    nursery     (its own module) a flow that starts others while it runs

Happy Eyeballs, A beside AAAA, hedged queries, a million names: each is a few flows under one of these. A
composed flow yields the same `Group` again and again, and the driver keeps every branch armed between the
turns. So a wake-up costs work only for the branches that woke, however many sleep. `Join` is that group; it
also ends its branches when its block ends. All functions here, and the nursery, are short loops over a
`Join`.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

from netkit.io.closing import dispose
from netkit.io.errors import DeadlineExceeded, NoneSucceeded
from netkit.io.flow import (
    OPERATIONS_PER_TURN,
    PAUSE,
    AnyWant,
    Flow,
    Group,
    Waiter,
    resume,
    sleep_until,
)
from netkit.io.interruption import Interrupted, owed, throw_in
from netkit.io.pacer import Pacer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Any, Self

    from netkit.io.closing import Closing

T = TypeVar("T")


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


class Branch(Waiter, Generic[T]):
    """One flow of a join. `outcome` is set when the flow has ended."""

    __slots__ = ("closing", "flow", "index", "join", "outcome", "woken")

    def __init__(self, join: Join, index: int, flow: Flow[T], closing: Closing | None) -> None:
        super().__init__()
        self.join = join
        self.index = index
        self.flow = flow
        self.closing = closing  # closed when the flow has ended, even if the flow never began
        self.outcome: Outcome[T] | None = None
        self.woken = False

    def wake(self, ready: bool) -> None:
        join = self.join
        self.woken = ready
        join.ready.append(self)
        parent = join.parent
        if parent is not None and parent.reactor is not None:
            join.parent = None
            parent.reactor.disarm(parent)
            parent.wake(True)

    def resume(self) -> None:
        """Continue the flow to its next wait, or to its end."""
        failure, self.failure = self.failure, None
        try:
            if failure is not None:
                want = self.flow.throw(failure)
            else:
                want = resume(self.flow, self.want, self.woken)
        except StopIteration as end:
            self.end(Outcome(self.index, end.value, None))
        except Exception as error:
            self.end(Outcome(self.index, None, error))
        except BaseException:
            self.end(None)  # Ctrl-C in the flow's own code: the flow has ended, and the join ends too
            raise
        else:
            self.suspend(want)

    def begin(self) -> None:
        """Run the flow to its first wait, or to its end."""
        self.join.branches[self] = None
        try:
            want = self.flow.send(None)  # type: ignore[arg-type]  # a generator's first send is None
        except StopIteration as end:
            self.end(Outcome(self.index, end.value, None))
        except Exception as error:
            self.end(Outcome(self.index, None, error))
        except BaseException:
            self.end(None)
            raise
        else:
            self.suspend(want)

    def suspend(self, want: AnyWant) -> None:
        """Wait for `want`, beginning with the join's next turn."""
        self.want = want
        if want is PAUSE:
            self.woken = True
            self.join.ready.append(self)
        else:
            self.join.fresh.append(self)

    def end(self, outcome: Outcome[T] | None) -> None:
        """It is over."""
        self.outcome = outcome
        self.join.branches.pop(self, None)
        if self.closing is not None:
            self.closing.close()

    def leave(self, cause: BaseException | None) -> BaseException | None:
        """End the flow where it waits: close it, or throw `cause` in. Returns any other error that it
        raised."""
        if self.reactor is not None:
            self.reactor.disarm(self)
        try:
            if cause is not None:
                return throw_in(self.flow, cause)
            self.flow.close()
        except BaseException as raised:
            return raised
        finally:
            del cause  # its traceback leads to this frame
            if self.closing is not None:
                self.closing.close()
        return None


class Join(Group):
    """Branches side by side. When the `with` block ends, the remaining branches are ended where they wait.

    Branches may raise errors while they are ended. If the block ended normally, the first of these errors is
    raised. If the block ended with an error, that error is raised, with the others as notes. If the block was
    interrupted, these errors are ignored.
    """

    __slots__ = ("_busy", "_woken")

    def __init__(self) -> None:
        super().__init__()
        self._woken: deque[Waiter] = deque()
        self._busy = 0  # steps since the driver last checked deadline and cancellation

    def start(self, flow: Flow[T], index: int = 0, closing: Closing | None = None) -> Branch[T]:
        """Run `flow` to its first wait beside the others."""
        branch = Branch(self, index, flow, closing)
        self._busy += 1
        branch.begin()
        return branch

    def close(self, branch: Branch[Any]) -> BaseException | None:
        """End one branch where it waits, and not in a step of its own. Returns an error that it raised
        then."""
        if self.branches.pop(branch, branch) is branch:
            return None  # it has ended already
        if branch in self.fresh:
            self.fresh.remove(branch)
        return branch.leave(None)

    def step(self) -> Branch[Any] | None:
        """Run the next branch that woke, to its next wait. None if the caller must yield `want` first."""
        while self._woken and self._busy < OPERATIONS_PER_TURN:
            branch = self._woken.popleft()
            if branch in self.branches:
                assert isinstance(branch, Branch)
                self._busy += 1
                branch.resume()
                return branch
        return None

    @property
    def is_busy(self) -> bool:
        """Whether the driver must check deadline and cancellation now (rule 5)."""
        return self._busy >= OPERATIONS_PER_TURN

    @property
    def want(self) -> AnyWant:
        """What the composed flow waits for, if `step` found nothing to do."""
        if self._busy >= OPERATIONS_PER_TURN:
            self._busy = 0
            return PAUSE
        return self

    def look(self) -> Flow[None]:
        """Flow: arm what was started, and see who has woken, without waiting for anybody."""
        self.ready.append(Waiter())  # of no branch: it only keeps the driver from waiting
        yield self
        self.collect()

    def pause(self) -> None:
        """Leave the driver, while the branches stay where they wait: another driver may go on with them.

        Branches that are composed flows leave it too.
        """
        for branch in self.branches:
            if branch.reactor is not None:
                branch.reactor.disarm(branch)
                self.fresh.append(branch)
            if isinstance(branch.want, Join):
                branch.want.pause()

    def collect(self) -> None:
        """After the wait: give the branches that woke their turn, in the order in which they woke."""
        if self.ready:
            self._woken.extend(self.ready)
            self.ready.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        branches = list(self.branches)
        self.branches.clear()
        self.fresh.clear()
        self.ready.clear()
        self._woken.clear()
        interruption = error if not isinstance(error, (Exception, GeneratorExit)) else None
        came = [each for branch in branches if (each := branch.leave(interruption)) is not None]  # type: ignore[attr-defined]  # they are of this class
        if not came:
            return
        # Ctrl-C during the cleanup goes before what else came out of it.
        first = next((each for each in came if not isinstance(each, Exception)), came[0])
        if interruption is not None:
            if interruption.__context__ is None:
                interruption.__context__ = first  # its owner passes it on
            return
        if not isinstance(error, Exception) or not isinstance(first, Exception):
            raise first
        for each in came:
            error.add_note(f"and as the others were ended, {type(each).__name__}: {each}")


def first_of(*flows: Flow[T]) -> Flow[Outcome[T]]:
    """Flow: the outcome of the first of `flows` to return; the others are closed where they wait.

    Use it for alternatives. A branch that raises drops out; if all branches raise, NoneSucceeded lists the
    errors. For work beside something that stops it, use `race`: here an error of the work would be lost, and
    the flow would wait on. An interruption of this flow is thrown into every branch.
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


def race(*flows: Flow[T]) -> Flow[Outcome[T]]:
    """Flow: the outcome of the first of `flows` to end; the others are closed where they wait.

    If that flow raised, its error is raised here. Otherwise the outcome has its `index` and `value`.
    """
    winner = yield from _join(iter(flows), None, None, lambda _: True)
    if winner is None:
        raise ValueError("a race needs at least one flow")
    winner.unwrap()
    return winner


def beside(flow: Flow[T], *others: Flow[object]) -> Flow[T]:
    """Flow: run `flow` to its end, with `others` at its side; when `flow` returns, they are closed.

    An error in any of the flows ends all of them, and is raised. `others` may return earlier.
    """
    branches: tuple[Flow[object], ...] = (flow, *others)
    decided = yield from _join(
        iter(branches), None, None, lambda outcome: outcome.index == 0 or outcome.error is not None
    )
    assert decided is not None  # `flow` always decides, whether it returns or raises
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

    `flows` may be a lazy iterator: at most `limit` run at once, and `pace` seconds lie between two starts
    (see `Pacer`). With a `limit`, those whose wait is over go on before another is started: a flow that
    measures how long its wait takes does not measure how long the others take to start.

    `on_result(index, outcome)` is called as each ends, in order of ending; then outcomes are not kept, so
    that a million flows need no memory, and the list returned is empty. Without it the outcomes are returned
    in the order of the flows.

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

    failed = yield from _join(iter(flows), limit, None if pace is None else Pacer(pace), settle)
    if failed is not None:
        failed.unwrap()
    return [kept[index] for index in sorted(kept)]


def _join(
    flows: Iterator[Flow[T]],
    limit: int | None,
    pacer: Pacer | None,
    settle: Callable[[Outcome[T]], bool],
) -> Flow[Outcome[T] | None]:
    """Run `flows` as branches of one join, until all have ended or `settle` returns True for an outcome.

    Returns the outcome that decided, or None.
    """
    decided: Outcome[T] | None = None
    try:
        with Join() as join:
            index = 0
            pacing: Branch[None] | None = None
            may_start = pacer is None
            exhausted = False
            while decided is None:
                stepped = None if limit is None else join.step()
                if stepped is not None:
                    branch = stepped
                elif not exhausted and pacing is None and (limit is None or len(join.branches) < limit):
                    if join.is_busy:
                        yield join.want
                        continue
                    if pacer is not None and not may_start:
                        may_start = True
                        pacing = join.start(sleep_until(pacer.next_start(monotonic())))
                        if pacing.outcome is None:
                            continue
                        pacing = None
                    flow = next(flows, None)
                    if flow is None:
                        exhausted = True
                        continue
                    may_start = pacer is None
                    branch = join.start(flow, index)
                    index += 1
                    if limit is not None and branch.outcome is None:
                        yield from join.look()
                elif not join.branches:
                    return None
                else:
                    stepped = join.step()
                    if stepped is None:
                        yield join.want
                        join.collect()
                        continue
                    branch = stepped
                if branch.outcome is None:
                    continue
                if branch is pacing:
                    pacing = None
                elif settle(branch.outcome):
                    decided = branch.outcome
    except BaseException:
        if decided is not None:
            dispose(decided.value)  # it is not returned, because ending the others raised an error
        raise
    return decided


def before(
    moment: float | None,
    flow: Flow[T],
    doing: str | None = None,
    *,
    expired: Callable[[Exception], Exception] | None = None,
) -> Flow[T]:
    """Flow: run `flow` with its own deadline, inside that of the caller.

    If `time.monotonic()` reaches `moment` first, `flow` is interrupted where it waits. Then DeadlineExceeded
    is raised, or the error that `flow` gave instead (`Interrupted.explain`). If `expired` is given, it gets
    this error and returns the error to raise.
    """
    if moment is None:
        return (yield from flow)
    with Join() as join:
        branch = join.start(flow)
        alarm: Branch[None] | None = None
        while branch.outcome is None:
            if alarm is None:
                alarm = join.start(sleep_until(moment))
            elif join.step() is None:
                yield join.want
                join.collect()
            if alarm.outcome is not None:
                break
        if branch.outcome is not None:
            return branch.outcome.unwrap()
        cause = Interrupted(DeadlineExceeded(doing))
        join.branches.pop(branch, None)
        error = owed(cause, branch.leave(cause))
    try:
        if expired is not None and error is cause.error:
            raise expired(cause.error) from cause.error
        raise error
    finally:
        # The error refers to this frame: without `del` they would form a reference cycle.
        del cause, error, join, branch
