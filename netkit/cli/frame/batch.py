"""One run over many inputs: one row for each input, whether it succeeds or fails.

Everything happens in one thread. At most `--concurrency` inputs are in flight, as flows under one `all_of`;
a new input begins when one ends. Lines are read only when they are needed, so a million inputs need no more
memory than a hundred.

Rows are written as inputs finish, or with `--ordered` in the order of the inputs. With `--ordered`, the row
of a finished input is kept until the rows before it are written. To limit how many rows are kept, no input
begins that is more than `WINDOW` ahead of the one whose row is due. An input that fails gets a row like any
other; if a line of a file cannot be parsed, its row gives the line number.
"""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from netkit.cli.frame.exits import Exit, Failure
from netkit.cli.frame.inputs import MAX_LINE
from netkit.cli.frame.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.cli.frame.inputs import Inputs
    from netkit.cli.frame.journal import Journal
    from netkit.cli.frame.lines import Item
    from netkit.cli.frame.output import Output
    from netkit.io import Flow

R = TypeVar("R")
T = TypeVar("T")

#: How many inputs may have begun after the one whose row `--ordered` waits for.
WINDOW = 4096


class Batch(Generic[T, R]):
    """One run over many inputs: the inputs in flight, the rows that wait for their turn, and the output."""

    def __init__(
        self,
        inputs: Inputs[T],
        function: Callable[[T], Flow[R] | R],
        output: Output[R],
        *,
        timeout: float | None,
        journal: Journal | None,
    ) -> None:
        from netkit.io import Event, Pacer

        self.inputs = inputs
        self.function = function
        self.output = output
        self.timeout = timeout
        self.journal = journal
        self.lines = Lines(inputs, output.env)
        self._pacer = None if inputs.how.rate is None else Pacer(inputs.how.rate)
        self._active = 0
        self._idle = Event()
        # With --ordered: finished rows by number; the number whose turn it is; the inputs that wait to begin.
        self._waiting: dict[int, tuple[Item, R | Failure | None]] = {}
        self._turn = 0
        self._turned: Any = None
        self._progress: Any = None

    def flow(self) -> Flow[None]:
        """Flow: process all inputs."""
        from netkit.io import all_of

        try:
            yield from all_of(self._slots(), limit=self._limit, on_result=lambda _index, _outcome: None)
        finally:
            self.lines.close()

    @property
    def _limit(self) -> int:
        return self.inputs.how.concurrency + self.output.env.shows_status

    def _slots(self) -> Iterator[Flow[None]]:
        if self.output.env.shows_status:
            from netkit.cli.frame.progress import Progress

            self._progress = Progress(self.output, self.lines)
            yield self._progress.flow(self._idle)
        while not self.lines.ended:
            yield self._slot()
        if self._active == 0:
            self._idle.set()

    def _slot(self) -> Flow[None]:
        """Flow: one input, from reading it to its row."""
        self._active += 1
        try:
            item = yield from self._next()
            if item is not None:
                yield from self._may_begin(item)
                outcome = yield from self._outcome(item)
                self.lines.done(item)
                self._finish(item, outcome)
        finally:
            self._active -= 1
            if self._active == 0 and self.lines.ended:
                self._idle.set()

    def _next(self) -> Flow[Item | None]:
        """Flow: the next input that the journal does not have."""
        while True:
            item = yield from self.lines.next()
            if item is None or self.journal is None:
                return item
            code = self.journal.code(item.number, item.shown)
            if code is None:
                return item
            self.lines.done(item, resumed=True)
            self.output.count(Exit(code), None if code == 0 else "earlier")
            self._finish(item, None)

    def _may_begin(self, item: Item) -> Flow[None]:
        """Flow: wait for the input's turn (--ordered) and for its time (--rate)."""
        from netkit.io import Event, Want, sleep_until

        if self.inputs.how.ordered:
            while item.number >= self._turn + WINDOW:
                if self._turned is None:
                    self._turned = Event()
                yield Want(event=self._turned)
        if self._pacer is not None:
            yield from sleep_until(self._pacer.next_start(monotonic()))

    def _outcome(self, item: Item) -> Flow[R | Failure]:
        """Flow: the result of an input, or its failure. Never raises an Exception."""
        from netkit.io import before

        try:
            target = self.inputs.parse(item.text, item.where)
            found = self.function(target)
            if not isinstance(found, Generator):
                return found
            if self.timeout is not None:
                found = before(monotonic() + self.timeout, found)
            return (yield from found)
        except Exception as error:
            return self.output.explain(error)

    def _finish(self, item: Item, outcome: R | Failure | None) -> None:
        """Write the row, or keep it until the rows before it are written. None: an earlier run wrote it."""
        if not self.inputs.how.ordered:
            self._write(item, outcome)
            return
        self._waiting[item.number] = (item, outcome)
        while self._turn in self._waiting:
            self._write(*self._waiting.pop(self._turn))
            self._turn += 1
            if self._turned is not None:
                self._turned.set()
                self._turned = None

    def _write(self, item: Item, outcome: R | Failure | None) -> None:
        if outcome is None:
            return
        text = item.shown if len(item.shown) <= MAX_LINE else f"{item.shown[:100]}…"
        if isinstance(outcome, Failure):
            code = self.output.failed(outcome, text)
        else:
            try:
                code = self.output.result(outcome, text)
            except Exception as error:  # a view that did not expect this result costs one row, not the run
                code = self.output.failed(error, text)
        if self.journal is not None:
            self.journal.done(item.number, item.shown, code)
        if self._progress is not None:
            self._progress.show()
