"""Waiting: each dialogue is written once, and driven either blocking or under asyncio.

Why flows
---------
Every dialogue with a peer (connecting, a TLS handshake, a DNS exchange, an HTTP exchange) is needed twice:
for programs that block and for programs that await. If both are written by hand, they drift apart. If one is
generated from the other, people read only one of them. A blocking shell over a hidden event loop costs 40 ms
of import and a thread. So each dialogue here is written once, as a *flow*: a generator that makes
non-blocking calls and yields what it must wait for. Two short drivers do the waiting:

    run(flow, deadline=..., cancel=...)                poll(2), in the calling thread
    await run_async(flow, deadline=..., cancel=...)    asyncio, also with uvloop

A test can be a third driver: it steps a flow by hand, with its own clock. `yield from` runs flows one after
the other; `first_of`, `race`, `all_of`, `beside`, `before` and `nursery` run flows side by side. No tasks and
no threads are used for that.

The rules that keep it sound
----------------------------
 1. Bytes taken off a socket belong to the stream's buffer, never to a flow's locals, so an interruption
    loses nothing. A write interrupted in its middle marks the stream broken: what followed would be read
    as its rest.
 2. Under asyncio a registration lasts; an event that finds no waiter removes it; interest in writing
    exists only after EAGAIN. Otherwise one unread byte is a callback without end.
 3. A second reader or a second writer gets BusyError; one reader beside one writer is what a stream is for.
 4. Descriptors are registered by number, and a number may be another connection a moment after it is
    released. So closing fails the waiters, unregisters, closes, in this order; from another thread it
    shuts down and wakes, and the waiter closes.
 5. A driver looks at cancellation and deadline, and gives the loop its turn, at least every 32 operations
    that did not wait: a peer that floods must not be able to freeze the loop. A flow whose deadline has
    passed before it begins comes as far as it does without waiting: a timeout of 0 is "what is there".
 6. Cancellation, a deadline, Ctrl-C and being closed are thrown in where the flow waits. The flow cleans up
    there without waiting and ends with a bare `raise`; a farewell (close_notify, a Close frame) is a flow of
    its own with its own deadline. None of the four is an `Exception`: see `interruption`.
 7. `CancellationToken.cancel` takes no lock: a flag, and a byte to a descriptor. Any thread, any signal.
 8. TLS: one ordered outbox of ciphertext; a reader may append to it but never blocks on flushing it.
 9. A connection that carries many requests is pumped by one waiter at a time; the others wait on events,
    and the pump is handed on when its holder leaves.
10. A stream belongs to one loop, or to one reader and one writer thread. A token, and whatever holds
    streams for others (a resolver, a pool), may be used from any thread.
11. O_NONBLOCK is never set on a descriptor that was inherited or will be: it belongs to the open file,
    which other processes share.
12. A signal that arrives between Python's last look for signals and poll(2) would be slept through: a
    blocking wait in the main thread has signals ring its bell.
13. A branch of a composed flow that raises is never dropped in silence: `race` is for work beside what stops
    it, `first_of` for alternatives. A flow used with `yield from` returns what it took. A public method
    waits, then takes, and no call follows the removal, nor lies between the system's call and the storing,
    because Python delivers Ctrl-C at calls. Ordered octets, and descriptors with their octets, are never
    put back.
14. `_async` means asyncio. Another loop would be another driver. Where descriptors cannot be watched
    (Windows' proactor loop) LoopUnsupported says what to do instead.

Names: if a flow has a blocking form of the same name, its own name ends in `_flow`: `read`, `read_async`,
`read_flow`. A flow without a blocking form, such as `Event.wait`, keeps the plain name.

Modules: `flow` (Want, Descriptor, Event), `interruption`, `reactor` (the common part of the two drivers
`blocking` and `aio`), `compose`, `nursery`, `sync` (Lock, Semaphore, SingleFlight), `pacer`, `token`,
`stream` (the base of every byte stream), `protocols`, `errors`.
"""

from netkit.io.aio import run_async
from netkit.io.blocking import run
from netkit.io.closing import Closing, Timed, deadline_after
from netkit.io.compose import Outcome, all_of, before, beside, first_of, race
from netkit.io.errors import (
    BrokenStreamError,
    BusyError,
    CancellationError,
    ClosedError,
    DeadlineExceeded,
    LimitExceeded,
    LoopUnsupported,
    NoneSucceeded,
    UnexpectedEof,
    phase,
)
from netkit.io.flow import OPERATIONS_PER_TURN, PAUSE, AnyWant, Descriptor, Event, Flow, Want, sleep_until
from netkit.io.interruption import Interrupted
from netkit.io.nursery import Nursery, nursery
from netkit.io.pacer import Pacer
from netkit.io.protocols import AsyncRead, AsyncWrite, Buffer, Read, Write
from netkit.io.stream import ByteStream, ReadBuffer
from netkit.io.sync import Lock, Semaphore, SingleFlight
from netkit.io.token import CancellationToken

__all__ = [
    "OPERATIONS_PER_TURN",
    "PAUSE",
    "AnyWant",
    "AsyncRead",
    "AsyncWrite",
    "BrokenStreamError",
    "Buffer",
    "BusyError",
    "ByteStream",
    "CancellationError",
    "CancellationToken",
    "ClosedError",
    "Closing",
    "DeadlineExceeded",
    "Descriptor",
    "Event",
    "Flow",
    "Interrupted",
    "LimitExceeded",
    "Lock",
    "LoopUnsupported",
    "NoneSucceeded",
    "Nursery",
    "Outcome",
    "Pacer",
    "Read",
    "ReadBuffer",
    "Semaphore",
    "SingleFlight",
    "Timed",
    "UnexpectedEof",
    "Want",
    "Write",
    "all_of",
    "before",
    "beside",
    "deadline_after",
    "first_of",
    "nursery",
    "phase",
    "race",
    "run",
    "run_async",
    "sleep_until",
]
