"""Does what a `Watcher` says: asks, waits, and tells what is new; blocking and async."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.dns.comparing.asking import hear_all_flow
from netkit.dns.exchange import DEFAULT_OPTIONS, QueryOptions
from netkit.dns.watching.watcher import AskNow, End, Sleep
from netkit.io import deadline_after, run, run_async, sleep_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.dns.transports.station import Station
    from netkit.dns.watching.watcher import Round, Watcher
    from netkit.io import CancellationToken, Flow


def watch_flow(
    watcher: Watcher,
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    station: Station | None = None,
    on_round: Callable[[Round], object] | None = None,
    on_sleep: Callable[[Sleep], object] | None = None,
    clock: Callable[[], float] = monotonic,
    sleep: Callable[[float], Flow[None]] = sleep_until,
) -> Flow[End]:
    """Flow: ask until the watch is over, and return why it is.

    `on_round` is told what each round brought, `on_sleep` until when nobody is asked; neither may wait.
    `station` has the sockets to use, and stays open; None makes new ones for each round, because a
    connection would be idle for longer than servers keep one. `sleep` waits until a moment of `clock`.
    """
    while True:
        step = watcher.next(clock())
        if isinstance(step, End):
            return step
        if isinstance(step, Sleep):
            if on_sleep is not None:
                on_sleep(step)
            yield from sleep(step.until)
            continue
        assert isinstance(step, AskNow)
        heard = yield from hear_all_flow(
            watcher.question, step.servers, options, station=station, serials=watcher.compares
        )
        found = watcher.heard(heard, clock())
        if on_round is not None:
            on_round(found)


def watch(
    watcher: Watcher,
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    on_round: Callable[[Round], object] | None = None,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> End:
    """Ask until the watch is over; see `watch_flow`. `timeout` seconds for all of it: DeadlineExceeded."""
    flow = watch_flow(watcher, options, on_round=on_round)
    return run(flow, deadline=deadline_after(timeout), cancel=cancel)


async def watch_async(
    watcher: Watcher,
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    on_round: Callable[[Round], object] | None = None,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> End:
    """Ask until the watch is over; see `watch_flow`. `timeout` seconds for all of it: DeadlineExceeded."""
    flow = watch_flow(watcher, options, on_round=on_round)
    return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)
