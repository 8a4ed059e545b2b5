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
 1. Bytes read from a socket go into the stream's buffer, never into a flow's local variables. So an
    interruption loses no bytes. A write that is interrupted after it sent a part marks the stream broken,
    because the peer would take the next bytes for the rest of that write.
 2. Under asyncio a registration stays after a wait; an event that finds no waiter removes it. A descriptor is
    watched for writing only after EAGAIN. Otherwise one unread byte would cause endless callbacks.
 3. A stream takes one reader and one writer at the same time; a second reader or writer gets BusyError.
 4. Descriptors are registered by number, and a released number may soon belong to another connection. So
    closing first wakes the waiters with an error, then unregisters, then closes. From another thread, closing
    only shuts down and wakes, and the waiter closes.
 5. After at most 32 operations that did not wait, a driver checks cancellation and deadline, and gives the
    loop its turn: a peer that floods must not be able to freeze the loop. A flow whose deadline
    has passed before it begins still runs until it must wait: a timeout of 0 gives "what is there".
 6. Cancellation, a deadline, Ctrl-C and closing are thrown into the flow where it waits. The flow cleans up
    there without waiting, and ends with a bare `raise`. A closing message (close_notify, a Close frame) is a
    separate flow with its own deadline. None of the four is an `Exception`: see `interruption`.
 7. `CancellationToken.cancel` takes no lock: it sets a flag, and sends a byte to a descriptor. So any thread
    and any signal handler may call it.
 8. TLS has one ordered queue of ciphertext to send. A reader may append to it, but never waits until it is
    sent.
 9. On a connection that carries many requests, one waiter at a time reads and writes for all (it holds the
    pump). The others wait on events, and the pump passes to another when its holder leaves.
10. A stream belongs to one loop, or to one reader thread and one writer thread. A token, and an object that
    holds streams for others (a resolver, a pool), may be used from any thread.
11. O_NONBLOCK is never set on a descriptor that was inherited or will be inherited: the flag belongs to the
    open file, which other processes share.
12. If a signal arrives between Python's last check for signals and poll(2), poll would sleep on, and the
    handler would not run. So during a blocking wait in the main thread, signals ring its bell.
13. A branch of a composed flow that raises is never dropped in silence: use `race` for work beside something
    that stops it, and `first_of` for alternatives. A flow used with `yield from` returns what it took. A
    public method waits first and takes last. No call follows the removal, and no call lies between the system
    call and the storing of its result, because Python delivers Ctrl-C at calls. Ordered octets, and
    descriptors with their octets, are never put back.
14. `_async` means asyncio. Another loop would need another driver. If a loop cannot watch descriptors
    (Windows' proactor loop), LoopUnsupported says what to do instead.

Names: if a flow has a blocking form of the same name, its own name ends in `_flow`: `read`, `read_async`,
`read_flow`. A flow without a blocking form, such as `Event.wait`, keeps the plain name.

Modules: `flow` (Want, Descriptor, Event), `interruption`, `reactor` (the common part of the two drivers
`blocking` and `aio`), `compose`, `nursery`, `sync` (Lock, Semaphore, SingleFlight), `pacer`, `token`,
`stream` (the base of every byte stream), `protocols`, `errors`.
"""

from netkit.io.aio import run_async
from netkit.io.blocking import driver_depth, run
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
    "driver_depth",
    "first_of",
    "nursery",
    "phase",
    "race",
    "run",
    "run_async",
    "sleep_until",
]
