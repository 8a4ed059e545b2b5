"""Walks from the root over the network: `trace`, blocking, async and as a flow.

    walked = trace("www.example.com", DnsRecordType.A)
    for hop in walked.hops:
        print(hop.zone, hop.place, f"{hop.elapsed * 1000:.0f} ms", hop.reason, hop.then)

No recursive server is asked, and no cache: what the authorities say is shown, one after another.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.dns.constants import DnsClass
from netkit.dns.exchange import random_bits
from netkit.dns.messages.message import Question
from netkit.dns.tracing.trace import DEFAULT_TRACE, Trace, TraceOptions
from netkit.dns.tracing.walk import Walk
from netkit.dns.transports.pump import pump_flow
from netkit.dns.transports.station import Settings, Station
from netkit.io import run, run_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.dns.name import Name
    from netkit.dns.tracing.trace import Hop
    from netkit.io import CancellationToken, Flow


def trace(
    name: Name | str,
    rdtype: int,
    options: TraceOptions = DEFAULT_TRACE,
    *,
    tell: Callable[[Hop], None] | None = None,
    cancel: CancellationToken | None = None,
) -> Trace:
    """Walk from the root to the records of a name: whom each zone names next, what each server said, and why
    the walk went on.

    `options.within` is the time that all of it may take. `tell` is called with each hop. Raises no DnsError:
    `Trace.error` says why there are no records.
    """
    return run(trace_flow(Question(name, rdtype, DnsClass.IN), options, tell=tell), cancel=cancel)


async def trace_async(
    name: Name | str,
    rdtype: int,
    options: TraceOptions = DEFAULT_TRACE,
    *,
    tell: Callable[[Hop], None] | None = None,
    cancel: CancellationToken | None = None,
) -> Trace:
    """Walk from the root to the records of a name; see `trace`."""
    flow = trace_flow(Question(name, rdtype, DnsClass.IN), options, tell=tell)
    return await run_async(flow, cancel=cancel)


def trace_flow(
    question: Question,
    options: TraceOptions = DEFAULT_TRACE,
    *,
    tell: Callable[[Hop], None] | None = None,
    station: Station | None = None,
) -> Flow[Trace]:
    """Flow: as `trace`. `station` has the sockets to use, and stays open."""
    machine = Walk(question, options, monotonic(), random_bits, tell)
    if station is not None:
        yield from pump_flow(machine, station)
    else:
        own = Station(Settings(options.query.source))
        try:
            yield from pump_flow(machine, own)
        finally:
            own.close()
    assert machine.trace is not None  # the pump drives it to its end
    return machine.trace
