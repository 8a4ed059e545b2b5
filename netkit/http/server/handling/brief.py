"""Short waits of a handler, for which nothing is set up.

While a handler waits, its connection is to be watched: the client may go away, and the handler may take too
long. To race the handler with both costs more than a simple handler itself, and nearly all have answered
within a millisecond: a thread had to return, a task had to have its turn. So `FlowLoop` first lets a flow
wait for an event alone (`is_brief` says that this may be), and looks after a while who still waits. Whoever
does is resumed with a hint, finds that `is_brief` has become false, and is watched from then on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from netkit.io import PAUSE, race
from netkit.io.flow import Group, Want

if TYPE_CHECKING:
    from netkit.io import Flow
    from netkit.io.flow import AnyWant

T = TypeVar("T")

#: Given by a flow that is not to be waited for briefly any more. Waits for nothing.
LEAVE = Want()


class MayBeBrief(Protocol):
    """What is served by a `FlowLoop`, or is not any more."""

    @property
    def is_brief(self) -> bool:
        """Whether the flow is one that `FlowLoop` resumes, which looks after a while who still waits."""


class Begun:
    """An answer that was begun in the loop: the rest of it."""

    __slots__ = ("flow",)

    def __init__(self, flow: Flow[None]) -> None:
        self.flow = flow


def rest_of(flow: Flow[None], want: AnyWant) -> Flow[None]:
    """Flow: what is left of `flow`, which waited for `want` where it was begun.

    One that waited for an event gets a hint first, so that it sees that it is not brief any more.
    """
    if want is LEAVE or want is PAUSE or is_for_event(want):
        try:
            want = flow.send(True)
        except StopIteration:
            return
    yield from resumed(flow, want)


def is_for_event(want: AnyWant) -> bool:
    """Whether nothing but an event is waited for."""
    return (
        not isinstance(want, Group)
        and want.event is not None
        and want.read is None
        and want.write is None
        and want.until is None
    )


def resumed(flow: Flow[T], want: AnyWant) -> Flow[T]:
    """Flow: what is left of one that was begun elsewhere, and waits for `want`."""
    try:
        while True:
            try:
                ready = yield want
            except GeneratorExit:
                raise
            except BaseException as error:
                want = flow.throw(error)
            else:
                want = flow.send(ready)
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        flow.close()


def briefly_alone(who: MayBeBrief, flow: Flow[T], watching: Flow[None]) -> Flow[tuple[bool, T | None]]:
    """Flow: `flow`, raced with `watching` once it has waited for more than a moment.

    Returns whether `watching` ended first, and else the value of `flow`.
    """
    if who.is_brief:
        try:
            want = flow.send(None)  # type: ignore[arg-type]  # a generator's first send is None
            while is_for_event(want):
                if not who.is_brief:
                    break
                try:
                    ready = yield want
                except GeneratorExit:
                    raise
                except BaseException as error:
                    want = flow.throw(error)
                else:
                    want = flow.send(ready)
        except StopIteration as end:
            return False, end.value
        except BaseException:
            flow.close()
            raise
        flow = resumed(flow, want)
    won = yield from race(flow, watching)
    return won.index == 1, None if won.index else won.value
