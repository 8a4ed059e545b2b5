"""Worker processes for a server: one parent forks and supervises them, and they share its listeners.

Each worker is a fork(2) of the parent, and drives its own flow. The workers share the parent's listening
sockets, so the system gives a connection to the worker that accepts first. A connection in the backlog is not
lost when a worker dies. The parent only supervises, also in a flow: it restarts a worker that was killed,
passes on the order to stop, asks for the workers' counts, and adds them up. If the work of a worker ends with
an error, all workers end: a new worker would meet the same error, and a server that loses its workers one
after the other would look alive. There is a socket pair between the parent and each worker. The worker writes
its counts there, and the error that ended it. The end of the stream tells each side that the other has ended,
without SIGCHLD.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
from collections import Counter
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from netkit._log import Log
from netkit.io import ByteStream, Event, Flow, all_of, before, beside, race, run, sleep_until
from netkit.io.errors import DeadlineExceeded
from netkit.net.connect import descriptor_of
from netkit.net.sockets import SocketStream
from netkit.serve.stop import Stop, cutting, finishing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

log = Log("netkit.serve.workers")

#: A worker that lived for less than this, in seconds, is restarted only after a pause of the same length.
SHORT_LIFE = 1.0

#: How long the parent waits for the counts of a worker, in seconds.
REPORT_TIMEOUT = 2.0

#: What a parent tells its workers by.
_ORDERS = tuple(
    getattr(signal, name)
    for name in ("SIGHUP", "SIGTERM", "SIGQUIT", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)  # not on Windows, where there are no workers
)

#: Characters of an error, and the last of its traceback, that a worker tells its parent.
MOST_WORDS = 4000


def share(most: int, place: int, workers: int) -> int:
    """The share of `most` for the worker with number `place` (from 0); all shares together are `most`."""
    return most // workers + (place < most % workers)


class Workers:
    """So many processes that do the same work, from the moment `supervise` is driven.

    `work(stop)` is the flow that each drives, until the `Stop` it was given is set; `counts()` tells, in the
    worker, what it has done so far. `begin(place)` is called first in each, with its place among them from 0
    on, and the flow of `reload()` is driven when `reload` was called here. `drive` runs the flow there.
    `started` is an event that the flow sets, in each worker for itself, when it is ready.
    `on_restart(pid, status)` is called
    when a worker has ended and another one is to be started, with its exit status or, negative, the signal
    that ended it; without it, that is logged. POSIX only: fork(2) is what it is made of.
    """

    def __init__(
        self,
        count: int,
        work: Callable[[Stop], Flow[Any]],
        counts: Callable[[], Mapping[str, int]],
        begin: Callable[[int], object] = lambda _place: None,
        reload: Callable[[], Flow[object]] | None = None,
        drive: Callable[[Flow[None]], object] = run,
        started: Event | None = None,
        on_restart: Callable[[int, int], object] | None = None,
    ) -> None:
        self._count = count
        self._drive = drive
        self._started = started
        self._on_restart = on_restart
        self._starting = set(range(count))
        #: Set when `started` was set in every worker once. Without `started`, it never is.
        self.started = Event()
        self._work = work
        self._begin = begin
        self._reload = reload
        self._counts = counts
        self._workers: dict[int, _Worker] = {}
        self._ended: Counter[str] = Counter()
        self.restarts = 0
        #: How many workers ended with an error while stopping, and the error of the last of them.
        self.failed = 0
        self.reason: str | None = None

    @property
    def pids(self) -> list[int]:
        """The processes alive."""
        return [worker.pid for worker in self._workers.values()]

    def supervise(self, stop: Event) -> Flow[None]:
        """Flow: keep `count` workers alive until `stop` is set, and then until all have ended.

        A `Stop` is handed on to the workers in each of its degrees: SIGUSR2 retires, SIGTERM finishes, and
        SIGQUIT cuts. Raises ChildProcessError for a worker that ended with an error of its own before `stop`
        was set. One that a signal ended is started again.
        """

        def keeping(place: int) -> Flow[None]:
            while not stop.is_set:
                begun = monotonic()
                worker = self._workers[place] = self._start(place)
                yield from worker.listening(partial(self._has_started, place))
                del self._workers[place]
                self._ended.update(worker.counts)
                status = worker.reap()
                if stop.is_set:
                    if status:
                        self.failed += 1
                        self.reason = worker.reason or self.reason
                    return
                if status > 0:
                    raise worker.error(status)
                self.restarts += 1
                if self._on_restart is None:
                    log.warning("worker %d ended with status %d; starting another", worker.pid, status)
                else:
                    self._on_restart(worker.pid, status)
                if monotonic() - begun < SHORT_LIFE:
                    yield from race(sleep_until(begun + SHORT_LIFE), stop.wait())

        def passing_on(event: Event, number: signal.Signals) -> Flow[None]:
            yield from event.wait()
            for worker in self._workers.values():
                worker.signal(number)

        orders = [passing_on(finishing(stop), signal.SIGTERM), passing_on(cutting(stop), signal.SIGQUIT)]
        if finishing(stop) is not stop:
            orders.append(passing_on(stop, signal.SIGUSR2))
        try:
            yield from beside(_all(map(keeping, range(self._count))), *orders)
        finally:
            for worker in self._workers.values():
                worker.signal(signal.SIGKILL)
                worker.reap()
            self._workers.clear()

    def ask(self) -> Flow[None]:
        """Flow: ask every worker for its counts; afterwards `counts` has them."""
        awaited = []
        for worker in self._workers.values():
            worker.reported.clear()
            worker.signal(signal.SIGUSR1)
            awaited.append(before(monotonic() + REPORT_TIMEOUT, worker.reported.wait()))
        for outcome in (yield from all_of(awaited, return_errors=True)):
            if outcome.error is not None and not isinstance(outcome.error, DeadlineExceeded):
                raise outcome.error

    def reload(self) -> None:
        """Have every worker reload what it was given files for. Those that are started later begin with what
        this process has."""
        for worker in self._workers.values():
            worker.signal(signal.SIGHUP)

    def counts(self) -> dict[str, int]:
        """The sum of the counts of all workers, also of those that have ended, as last reported."""
        total = Counter(self._ended)
        for worker in self._workers.values():
            total.update(worker.counts)
        return dict(total)

    def _has_started(self, place: int) -> None:
        self._starting.discard(place)
        if not self._starting:
            self.started.set()

    def _start(self, place: int) -> _Worker:
        ours, theirs = socket.socketpair()
        # Block signals: one that came while the worker still has its parent's handlers would be lost.
        signals = (*_ORDERS, signal.SIGINT)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    ours.close()
                    for worker in self._workers.values():
                        worker.disown()
                    self._begin(place)
                    status = self._be_worker(theirs, mask)
                finally:
                    os._exit(status)
        except BaseException:
            ours.close()
            theirs.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        return _Worker(pid, ours)

    def _be_worker(self, theirs: socket.socket, mask: set[signal.Signals | int]) -> int:
        """Run a worker, with the signal mask `mask`. Returns its exit status."""
        signal.set_wakeup_fd(-1)  # the parent's
        stop, asked, reload = Stop(), Event(), Event()
        # A terminal sends Ctrl-C to the parent as well, and the parent decides.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, lambda _number, _frame: reload.set())
        signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
        signal.signal(signal.SIGQUIT, lambda _number, _frame: stop.cut())
        signal.signal(signal.SIGUSR2, lambda _number, _frame: stop.retire())
        signal.signal(signal.SIGUSR1, lambda _number, _frame: asked.set())
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.setblocking(False)
        stream = SocketStream(theirs, descriptor_of(theirs))

        def report() -> Flow[None]:
            yield from stream.write_all_flow(_line({"counts": dict(self._counts())}))

        def answering() -> Flow[None]:
            while True:
                yield from asked.wait()
                asked.clear()
                yield from report()

        def starting() -> Flow[None]:
            if self._started is not None:
                yield from self._started.wait()
                yield from stream.write_all_flow(_line({"started": True}))

        def reloading() -> Flow[None]:
            while True:
                yield from reload.wait()
                reload.clear()
                if self._reload is not None:
                    yield from self._reload()

        def orphaned() -> Flow[None]:
            yield from stream.fill()  # the parent never sends anything: this waits for the end of the stream
            stop.set()

        def last_words(failure: Exception | None) -> Flow[None]:
            yield from report()
            if failure is not None:
                from traceback import format_exception

                words = f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__
                trace = "".join(format_exception(failure))[-MOST_WORDS:]
                yield from stream.write_all_flow(_line({"reason": words[:MOST_WORDS], "traceback": trace}))

        failure: Exception | None = None
        try:
            self._drive(beside(self._work(stop), starting(), answering(), reloading(), orphaned()))
        except Exception as error:
            failure = error
        try:
            run(last_words(failure), deadline=monotonic() + REPORT_TIMEOUT)
        except OSError:
            pass  # the parent has ended
        return 0 if failure is None else 1


def _line(said: Mapping[str, object]) -> bytes:
    """What a worker says to its parent, as it is sent."""
    return json.dumps(said).encode() + b"\n"


def _all(flows: Iterable[Flow[None]]) -> Flow[None]:
    yield from all_of(flows)


class _Worker:
    """A worker, from the parent's side."""

    def __init__(self, pid: int, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.pid = pid
        self._sock = sock
        self.stream: ByteStream = SocketStream(sock, descriptor_of(sock))
        self.counts: dict[str, int] = {}
        self.reported = Event()
        self.reason: str | None = None  # what error ended it, if it said so
        self._traceback: str | None = None

    def error(self, status: int) -> ChildProcessError:
        """The error that its end is to its parent, with the worker's own traceback as a note."""
        words = f"worker {self.pid} ended with {self.reason or f'status {status}'}"
        error = ChildProcessError(errno.ECHILD, words)
        if self._traceback is not None:
            error.add_note(self._traceback)
        return error

    def disown(self) -> None:
        """In a sibling: release the inherited descriptor, so that only the parent has this end of the pair.

        It does not close the stream, because that would shut down the parent's connection too.
        """
        os.close(self._sock.detach())

    def listening(self, on_started: Callable[[], object]) -> Flow[None]:
        """Flow: take in what it says, until it ends."""
        try:
            while True:
                line = yield from self.stream.read_until_flow(b"\n")
                said = json.loads(line)
                if said.get("started"):
                    on_started()
                    continue
                self.counts = said.get("counts", self.counts)
                self.reason = said.get("reason", self.reason)
                self._traceback = said.get("traceback", self._traceback)
                self.reported.set()
        except (EOFError, ConnectionError):
            self.reported.set()

    def signal(self, number: signal.Signals) -> None:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass  # it ended at this moment

    def reap(self) -> int:
        """Its exit status, in the form of `os.waitstatus_to_exitcode`. It has closed its end, so this is
        quick."""
        self.stream.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
