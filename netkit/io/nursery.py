"""A nursery: a flow that starts others as it goes, and does not end before they have.

An accept loop starts one for each connection, a schedule one for each probe. None of them can outlive the
nursery, and no error of theirs is lost.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from netkit.io.compose import Join

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.io.closing import Closing
    from netkit.io.compose import Branch
    from netkit.io.flow import Flow

T = TypeVar("T")


class Nursery:
    """What the body of a `nursery` starts its children with."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Flow[object], Closing | None]] = deque()

    def start(self, flow: Flow[object], *, closing: Closing | None = None) -> None:
        """Run `flow` beside the others, from the next turn on. To be called by a flow of this nursery.

        `closing` is what the flow is handed, such as a connection: it is closed when the flow is over. The
        flow's own `finally` does not do that where the nursery ends before the flow has begun.
        """
        self._waiting.append((flow, closing))


def nursery(body: Callable[[Nursery], Flow[T]]) -> Flow[T]:
    """Flow: `body(nursery)`, beside all the flows that it, and they, start; what the body returned.

    It ends when the last of them has ended. The first error, of the body or of a child, ends all the others
    where they wait and is raised alone; what the others raise as they end are notes of it.
    """
    children = Nursery()
    try:
        with Join() as join:
            main: Branch[T] = join.start(body(children))
            ended: Branch[Any] = main
            while True:
                if ended.outcome is not None and ended.outcome.error is not None:
                    raise ended.outcome.error
                if children._waiting:
                    if join.is_busy:
                        yield join.want
                        join.collect()
                    flow, closing = children._waiting.popleft()
                    ended = join.start(flow, closing=closing)
                    continue
                if not join.branches:
                    assert main.outcome is not None
                    return main.outcome.unwrap()
                stepped = join.step()
                if stepped is None:
                    yield join.want
                    join.collect()
                else:
                    ended = stepped
    finally:
        for flow, closing in children._waiting:  # never begun: there is nothing in them to be ended
            flow.close()
            if closing is not None:
                closing.close()
