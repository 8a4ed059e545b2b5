"""A nursery: a flow that starts other flows while it runs, and ends only after all of them.

An accept loop starts a flow for each connection, a schedule one for each probe. No flow can outlive its
nursery, and no error is lost.
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
    """The object with which the body of a `nursery` starts its children."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Flow[object], Closing | None]] = deque()

    def start(self, flow: Flow[object], *, closing: Closing | None = None) -> None:
        """Run `flow` beside the others, from the next turn on. Only a flow of this nursery may call this.

        `closing` is an object that the flow gets, such as a connection; it is closed when the flow ends. The
        flow's own `finally` is not enough: it does not run if the nursery ends before the flow has begun.
        """
        self._waiting.append((flow, closing))


def nursery(body: Callable[[Nursery], Flow[T]]) -> Flow[T]:
    """Flow: run `body(nursery)`, and beside it all the flows that the body and its children start.

    It ends when the last of them has ended, and returns what the body returned. The first error, of the body
    or of a child, ends all the others where they wait, and is raised; errors that the others raise then
    become notes of it.
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
        for flow, closing in children._waiting:  # they have not begun, so no code of theirs has to be ended
            flow.close()
            if closing is not None:
                closing.close()
