"""The part that all `serve` commands share: say where the servers listen, stop them, and print their counts.

SIGTERM stops accepting and drains: active connections have `--drain` seconds to end, idle ones are closed. A
second SIGTERM cuts off the remaining connections. In both cases the command says what it has cut off, and
ends with 0. A third SIGTERM, or Ctrl-C, ends it at once; an application in an event loop has LAST_SECONDS
for its shutdown on Ctrl-C, because it may have something to store. On SIGHUP, a server with files reads them
again; every other server ends as on SIGTERM. If SIGHUP was ignored from the start (nohup), it stays ignored.
On SIGUSR1 the command prints its counts so far. Its result is where it listens: one line (or JSON event) for
each socket, written when the socket accepts connections, so that a script can wait for the line and read the
port from it. If there is an application to be started first, the line comes after that.

A server never continues with only some of its parts: if an error ends one of its sockets or workers, the
command ends with 8, and says why.
"""

from __future__ import annotations

import errno
import os
import signal
from contextlib import contextmanager
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Protocol, TypeAlias, TypedDict

from netkit.cli.frame.exits import ServerEnded, Terminated, explain
from netkit.cli.frame.fields import EndpointOrPath
from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.options import FILE, Number, Seconds, WrongValue, option
from netkit.cli.frame.view import View
from netkit.errors import system_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import FrameType

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.command import Run
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.exits import Failure
    from netkit.cli.payload.bind import Sockets
    from netkit.io import Event, Flow
    from netkit.lab.faults import Faults
    from netkit.serve.handover import Handover
    from netkit.serve.stop import Stop
    from netkit.serve.workers import Workers


#: How many descriptors a server asks the system for.
MOST_DESCRIPTORS = 1 << 20

#: How long, in seconds, an application may take to end after Ctrl-C.
LAST_SECONDS = 5.0


class Listening(TypedDict):
    """A socket accepts connections or datagrams from now on."""

    event: Literal["listening"]
    transport: Annotated[Literal["tcp", "udp", "unix"], "The transport"]
    local: Annotated[EndpointOrPath, "The address, with the port that the system chose if 0 was given"]


class Ended(TypedDict):
    """The counts of the server: at the end, and on SIGUSR1 those so far."""

    event: Literal["ended", "counted"]
    elapsed_s: Annotated[float, "How long it served"]
    counts: Annotated[dict[str, int], "What it did"]


class Reloaded(TypedDict):
    """SIGHUP: the files were read again. With an error, what was read before goes on."""

    event: Literal["reloaded"]


class ServeView(View["tuple[str, object]"]):
    """Where a server listens: one line for each socket."""

    schema = Listening | Reloaded | Ended

    def to_json(self, result: tuple[str, object]) -> Mapping[str, Any]:
        transport, addr = result
        return {"event": "listening", "transport": transport, "local": str(addr)}

    def label(self, result: tuple[str, object], text: str) -> None:
        """Lines say where it listens, and do not repeat BIND as it was typed."""

    def row(self, result: tuple[str, object]) -> Sequence[object]:
        return ("listening", *result)

    def short(self, result: tuple[str, object]) -> Iterable[Line]:
        yield str(result[1])

    def table(self, result: tuple[str, object], env: Environment) -> Iterable[Any]:  # noqa: ARG002
        yield f"listening on {result[1]} ({result[0].upper()})"


class ProcessOptions(OptionGroup):
    """In how many processes a server runs, and how it replaces another one."""

    workers: int = field(
        "--workers",
        type=Number(1, 1024),
        default=1,
        help="Serve with this many processes, which share the sockets.",
    )
    control: str | None = field(
        "--control",
        metavar="PATH",
        complete=FILE,
        help="Listen at this Unix-domain socket for a successor (--upgrade).",
    )
    upgrade: bool = flag(
        "--upgrade", help="Take over the sockets of the server at --control, which drains and ends."
    )

    def check(self) -> None:
        if self.upgrade and self.control is None:
            raise WrongValue("--upgrade without --control", "--control PATH --upgrade")

    def check_connections(self, most: int | None) -> None:
        """Refuse a --max-conns that is nothing for some of the workers. Raises WrongValue."""
        if most is not None and most < self.workers:
            raise WrongValue(
                f"--max-conns {most} is no connection for some of {self.workers} workers",
                f"write --max-conns {self.workers} or more, or fewer --workers",
            )


drain = option(
    "--drain",
    type=Seconds(zero=True),
    default=10.0,
    help="On SIGTERM, and for --upgrade, give connections this long to end; 0 cuts them off.",
)


class StreamServer(Protocol):
    """A server of connections: the numbers that it gives them, and how many it has at once at most."""

    numbers: count[int]
    max_connections: int | None


class StreamProcessOptions(ProcessOptions):
    """The same of a server that has a limit of connections."""

    max_conns: int | None = field(
        "--max-conns",
        type=Number(1, 1_000_000),
        help="Serve this many connections at the same time, over all workers; others wait.",
    )

    def check(self) -> None:
        super().check()
        self.check_connections(self.max_conns)

    def begin(self, server: StreamServer, sockets: Sockets, faults: Faults | None, place: int) -> None:
        """What the worker at `place` does first: it takes its part of numbers, connections and faults."""
        from netkit.serve.workers import share

        server.numbers = count(place + 1, self.workers)
        sockets.lend()
        if self.max_conns is not None:
            server.max_connections = share(self.max_conns, place, self.workers)
        if faults is not None:
            faults.share(place, self.workers)


def serve_until_told(
    run: Run[Any],
    listening: Sequence[object],
    flow_for: Callable[[Stop], Flow[Any]],
    counts: Callable[[], Mapping[str, int]],
    *,
    workers: int = 1,
    begin: Callable[[int], object] = lambda _place: None,
    ready: Callable[[], object] | None = None,
    release: Callable[[], object] = lambda: None,
    reload: Reload | None = None,
    reload_aside: bool = False,
    handover: Handover | None = None,
    given: Sequence[str | None] | None = None,
    started: Event | None = None,
) -> None:
    """Say where the server listens, run `flow_for(stop)` until it ends or SIGTERM sets `stop`, print the
    counts.

    SIGUSR1 prints the counts so far. With several `workers`, each is a process that calls `begin` with its
    number and then runs the flow. When they stop, `release` is called in this process, and closes the shared
    sockets, because connections come as long as one process listens. On SIGHUP, `reload` is called in each
    process, and reads all files again or none; its errors are reported. With `reload_aside` that is done in a
    thread, because it takes long, and serving goes on. `ready` is called when connections
    are accepted. A successor can take `handover` at any time; then every connection continues until it ends
    by itself or is cut off. The service manager is notified, if there is one (sd_notify(3)). `given` are the
    BINDs of the sockets, as they were typed, if there may be several. `listening` are results of the view.
    `started` is for an application that needs an event loop of asyncio: the flow sets it when the application
    has started.
    """
    from netkit.io import Event, beside, race, sleep_until
    from netkit.serve.activation import sd_notify
    from netkit.serve.stop import Stop

    if listening:
        run.env.may_lack_output()
    run.env.wall_clock = True
    _allow_descriptors()
    stop, asked, hung_up, interrupted = Stop(), Event(), Event(), Event()
    begun = monotonic()
    server: Workers | None = None
    if workers > 1:
        from netkit.serve.workers import Workers

        server = Workers(
            workers,
            flow_for,
            counts,
            begin,
            lambda: _reload_flow(run, reload, aside=reload_aside, quiet=True),
            run.wait if started is None else run_in_loop,
            started,
            lambda pid, status: run.env.warn(run.doing, replaced_words(pid, status)),
        )
        counts = server.counts
    ready_at = started if started is None or server is None else server.started
    on_second_interrupt = signal.getsignal(signal.SIGINT)

    def on_sigterm(_signum: int, _frame: FrameType | None) -> None:
        if stop.cutting.is_set:
            raise Terminated
        if stop.finishing.is_set:
            stop.cut()
        else:
            stop.set()

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, on_second_interrupt)
        if callable(on_second_interrupt) and not (ready_at is not None and ready_at.is_set):
            on_second_interrupt(number, frame)  # nothing has started that would have to end
            return
        interrupted.set()
        stop.cut()

    def say_counts(event: str) -> None:
        _say_counts(run, event, monotonic() - begun, counts())

    def reporting() -> Flow[None]:
        while True:
            yield from asked.wait()
            asked.clear()
            if server is not None:
                yield from server.ask()
            say_counts("counted")

    def handing_over() -> Flow[None]:
        if handover is not None:
            yield from handover.offer()
            run.env.say(f"process {handover.successor} has taken over")
            stop.retire()

    def reloading() -> Flow[None]:
        while True:
            yield from hung_up.wait()
            hung_up.clear()
            sd_notify(reloading=True)
            of_use = yield from _reload_flow(run, reload, aside=reload_aside)
            if of_use and server is not None:
                server.reload()
            sd_notify(ready=True)

    def releasing() -> Flow[None]:
        if server is not None:
            yield from stop.wait()
            release()

    def announce() -> None:
        for each, bind in zip(listening, given or [None] * len(listening), strict=True):
            run.result(each, bind)
        if ready is not None:
            ready()

    def announcing() -> Flow[None]:
        if ready_at is not None:
            yield from ready_at.wait()
            announce()
        yield from _notifying(stop)

    def last_seconds() -> Flow[None]:
        yield from interrupted.wait()
        yield from sleep_until(monotonic() + LAST_SECONDS)

    def within_limit(flow: Flow[None]) -> Flow[None]:
        if (yield from race(flow, last_seconds())).index:
            run.env.warn(run.doing, f"the application has not ended in {LAST_SECONDS:g} seconds; it is left")

    handlers: list[tuple[signal.Signals, Any]] = [(signal.SIGTERM, on_sigterm)]
    if started is not None and callable(on_second_interrupt):  # Ctrl-C is not ignored
        handlers.append((signal.SIGINT, on_interrupt))
    if hasattr(signal, "SIGUSR1"):  # not on Windows
        handlers.append((signal.SIGUSR1, lambda _signum, _frame: asked.set()))
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            on_sighup = on_sigterm if reload is None else lambda _signum, _frame: hung_up.set()
            handlers.append((signal.SIGHUP, on_sighup))
    before = [(number, signal.signal(number, handler)) for number, handler in handlers]
    try:
        if ready_at is None:
            announce()
        main = flow_for(stop) if server is None else server.supervise(stop)
        try:
            wait = run.wait if started is None or server is not None else run_in_loop
            if started is not None:
                main = within_limit(main)
            wait(beside(main, reporting(), handing_over(), releasing(), reloading(), announcing()))
            if interrupted.is_set:
                raise KeyboardInterrupt
            if server is not None and server.failed:
                words = f"{server.failed} of {workers} workers ended badly"
                why = f"{words}: {server.reason}" if server.reason else words
                raise ChildProcessError(errno.ECHILD, why)
        except Exception as error:
            raise ServerEnded from error
    finally:
        for number, handler in before:
            signal.signal(number, handler)
        say_counts("ended")


def run_in_loop(flow: Flow[None]) -> None:
    """Run a flow to its end in an event loop of asyncio.

    A signal wakes the loop: one that comes just before it waits would otherwise be handled only when
    something else wakes it.
    """
    import asyncio
    import socket

    from netkit.io import run_async

    async def driving() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            loop.add_reader(ours, ours.recv, 4096)
            before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
            try:
                await run_async(flow)
            finally:
                signal.set_wakeup_fd(before)
                loop.remove_reader(ours)

    asyncio.run(driving())


def warn_once(run: Run[Any]) -> Callable[[OSError], None]:
    """Says of each error of accept(2), the first time and that time only, what becomes of connections."""
    said: set[int | None] = set()

    def warn(error: OSError) -> None:
        if error.errno in said:
            return
        said.add(error.errno)
        words = str(error.strerror).lower()
        if system_kind(error) == "TooManyFiles":
            run.env.warn(
                run.doing,
                f"{words}: connections wait until others have ended",
                "raise the limit with `ulimit -Hn`, or serve fewer at once with --max-conns",
            )
        else:
            run.env.warn(run.doing, f"cannot accept a connection: {words}; trying again until it can")

    return warn


def replaced_words(pid: int, status: int) -> str:
    """What is said of a worker that ended with that status, or was killed by the signal `-status`.

    >>> replaced_words(7, -9)
    'worker 7 was killed by SIGKILL; another one is started'
    """
    how = "ended by itself"
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:  # a real-time signal
            name = f"signal {-status}"
        how = f"was killed by {name}"
    return f"worker {pid} {how}; another one is started"


def _allow_descriptors() -> None:
    """Let this process open as many descriptors as the system's limit for it allows (the soft limit is for
    programs that still use select)."""
    try:
        import resource
    except ImportError:
        return  # Windows: there is no such limit
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Reread(NamedTuple):
    """What came of reading files again: what was wrong with those that cannot be used, beside the others, and
    a call that says what is odd about the others."""

    problems: Sequence[Exception]
    tell: Callable[[], object]


#: Reads files again: all or none, and nothing is to be said but that; or each that can be used.
Reload: TypeAlias = "Callable[[], Reread | None]"


def _reload_flow(run: Run[Any], reload: Reload | None, *, aside: bool, quiet: bool = False) -> Flow[bool]:
    """Flow: read the files again; whether anything of them is of use. How that went is said; with `quiet`,
    which is for a worker, only if it went differently than in the first process."""
    if reload is None:
        return False
    failure: Failure | None = None
    is_of_use = True
    try:
        if aside:
            from netkit.serve.aside import aside_flow

            reread = yield from aside_flow(reload)
        else:
            reread = reload()
        if reread is not None:
            failures = [explain(problem) for problem in reread.problems]
            failure = next(iter(failures), None)
            for each in () if quiet else failures:
                run.env.warn(run.doing, f"not reloaded, but all else is: {each.message}", each.hint)
            if not quiet:
                reread.tell()
    except Exception as error:
        is_of_use = False
        failure = explain(error)
        if isinstance(error, WrongValue):
            failure = failure._replace(message=error.message, hint=error.hint)
        run.env.warn(
            run.doing, f"not reloaded, what was read before goes on: {failure.message}", failure.hint
        )
    if not quiet and run.json:
        run.write_object({"event": "reloaded"}, failure=failure)
    elif not quiet and failure is None:
        run.env.say("reloaded")
    return is_of_use


@contextmanager
def hangup_ends() -> Iterator[None]:
    """SIGHUP unwinds the block as SIGTERM does, so that a socket's file is removed; nohup is respected."""
    if not hasattr(signal, "SIGHUP") or signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:
        yield
        return

    def unwind(_signum: int, _frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGHUP, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _say_counts(run: Run[Any], event: str, elapsed: float, counts: Mapping[str, int]) -> None:
    done = dict(counts)
    if run.json:
        run.write_object({"event": event, "elapsed_s": elapsed, "counts": done})
    elif not run.env.quiet:
        words = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in done.items())
        # On Ctrl-C, workers end before they have told their counts.
        run.env.say(f"served for {elapsed:.1f} s{': ' if words else ''}{words}")


def _notifying(stop: Event) -> Flow[None]:
    """Flow: tell the service manager, if there is one, that the server is ready, alive, and stopping."""
    if "NOTIFY_SOCKET" not in os.environ:
        return
    from netkit.io import Want
    from netkit.serve.activation import sd_notify, watchdog_interval

    interval = watchdog_interval()
    sd_notify(ready=True, main_pid=os.getpid())
    while not stop.is_set:
        yield Want(event=stop, until=None if interval is None else monotonic() + interval / 2)
        if interval is not None:
            sd_notify(watchdog=True)
    sd_notify(stopping=True)
