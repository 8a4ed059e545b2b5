"""Many inputs: targets from the command line, a file or standard input, and one row for each.

    @command("resolve", view=ResolveView())
    @inputs.many("NAME", parse=parse_name)
    @options.timeout(5.0)
    def resolve(run, targets, timeout):
        run.each(targets, lambda name: resolver.resolve_flow(name), timeout=timeout)

All of it happens in one thread: at most `--concurrency` inputs are in flight as flows under one `all_of`,
a new one begins as one ends, and lines are read as they are needed, so a million inputs need the memory
of a hundred. Standard input that is slow to come (a pipe, a terminal) is waited for as one more
descriptor; the inputs in flight go on meanwhile.

Rows are written as inputs finish, or with `--ordered` in the order of the inputs: then a finished input
waits for those before it, and no input begins that is more than `WINDOW` ahead of the one awaited, so that
this, too, is bounded. An input that fails is a row like any other; a line of a file that cannot be parsed
fails with its line number.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, NamedTuple, TypeVar

import click

from netkit.cli.frame.exits import Exit, Failure, explain
from netkit.cli.frame.options import Number, Rate, WrongValue, option
from netkit.errors import NetkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.journal import Journal
    from netkit.cli.frame.output import Output
    from netkit.errors import Fault
    from netkit.io import Flow

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")
T = TypeVar("T")

SECTION = "Several inputs"
CONCURRENCY = 32
#: How many inputs may have begun after the one whose row `--ordered` waits for.
WINDOW = 4096
#: The longest line of a list of inputs, in bytes; a longer one is a row that says so.
MAX_LINE = 16384
_CHUNK = 65536
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Spec(NamedTuple):
    """How a command takes its inputs: their name in the usage line, and what makes a target of text."""

    metavar: str
    parse: Callable[[str], Any]
    required: bool


def many(
    metavar: str,
    *,
    parse: Callable[[str], Any] = str,
    required: bool = True,
    argument: bool = True,
    concurrency: int = CONCURRENCY,
    short_letters: bool = True,
    help: str | None = None,  # noqa: A002 - click's own word
) -> Callable[[F], F]:
    """Take any number of inputs, as Python's `targets`, an `Inputs`.

    `parse` makes a target of an input's text, and raises ValueError (or a NetkitError) where it is none.
    With `argument=False` only the options are added, for a command whose grammar is its own: it says what
    the inputs are with `targets.of(texts)`. `short_letters` is for `-f`.
    """

    def decorate(function: F) -> F:
        options = (
            option(
                *(["-f"] if short_letters else []),
                "--file",
                "inputs_file",
                metavar="FILE",
                complete="file",
                section=SECTION,
                help=help or f"Read inputs from FILE, a {metavar} a line (`-`: standard input).",
            ),
            option(
                "--concurrency",
                type=Number(1, 100_000),
                metavar="N",
                default=concurrency,
                show_default=str(concurrency),
                section=SECTION,
                help="How many are in flight at once.",
            ),
            option(
                "--rate",
                type=Rate(),
                metavar="N/s",
                section=SECTION,
                help="Begin no more than this (100/s, 30/m).",
            ),
            option(
                "--ordered",
                is_flag=True,
                section=SECTION,
                help="Rows in the order of the inputs, not as they finish.",
            ),
            option(
                "--resume",
                metavar="FILE",
                complete="file",
                section=SECTION,
                help="Keep a journal in FILE; run again, go on where it ended.",
            ),
        )
        for add in reversed(options):
            function = add(function)
        if argument:
            function = click.argument("targets", nargs=-1, metavar=f"{metavar}...")(function)
        function.__netkit_inputs__ = Spec(metavar, parse, required)  # type: ignore[attr-defined]
        return function

    return decorate


class BadInput(NetkitError):
    """An input that is not in the form the command takes; `line` is where it stands in its file."""

    layer = "usage"
    fault: Fault = "caller"
    stage = "usage"

    def __init__(self, reason: str, where: str | None, hint: str | None) -> None:
        super().__init__(reason, where)
        self.reason = reason
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" if self.where else self.reason


class Inputs(Generic[T]):
    """The inputs of one invocation, and how they are to be gone through."""

    def __init__(
        self,
        spec: Spec,
        texts: Sequence[str] = (),
        *,
        file: str | None = None,
        concurrency: int = CONCURRENCY,
        rate: float | None = None,
        ordered: bool = False,
        resume: str | None = None,
    ) -> None:
        self.spec = spec
        self.texts = tuple(texts)
        self.file = file
        self.concurrency = concurrency
        self.rate = rate
        self.ordered = ordered
        self.resume = resume

    def of(self, texts: Sequence[str], parse: Callable[[str], T] | None = None) -> Inputs[T]:
        """The same options over inputs that the command found itself in its arguments."""
        spec = self.spec if parse is None else self.spec._replace(parse=parse)
        return Inputs(
            spec,
            texts,
            file=self.file,
            concurrency=self.concurrency,
            rate=self.rate,
            ordered=self.ordered,
            resume=self.resume,
        )

    @property
    def single(self) -> bool:
        """Whether it is one input, named on the command line, and nothing else was asked for."""
        return len(self.texts) == 1 and self.texts != ("-",) and self.file is None and self.resume is None

    def check(self) -> None:
        """Raise a usage error if there is no input, or one on the command line is not in the right form."""
        if not self.texts and self.file is None and self.spec.required:
            raise WrongValue(
                f"{self.spec.metavar} is missing", "name one or more, or read them with -f FILE (or from `-`)"
            )
        for text in self.texts:
            if text != "-":
                try:
                    self.spec.parse(text)
                except (ValueError, NetkitError) as error:
                    raise WrongValue(str(error), getattr(error, "hint", None)) from error

    def parse(self, text: str, where: str | None = None) -> T:
        """The target that `text` names. Raises BadInput, which says where it stood."""
        if where is not None and len(text) > MAX_LINE:
            raise BadInput(f"a line over {MAX_LINE:,} bytes", where, "a list of inputs has one on each line")
        try:
            target: T = self.spec.parse(text)
        except click.UsageError as error:
            raise BadInput(error.message, where, getattr(error, "hint", None)) from error
        except (ValueError, NetkitError) as error:
            raise BadInput(str(error), where, getattr(error, "hint", None)) from error
        return target


class Item(NamedTuple):
    """One input: its number (from 0), its text, and where it stood (`hosts.txt:17`; None: an argument)."""

    number: int
    text: str
    where: str | None


class Lines:
    """The inputs as they come: arguments, then the lines of the file; blank ones and comments (# and ;) are
    skipped."""

    def __init__(self, inputs: Inputs[Any], env: Environment) -> None:
        from netkit.io import Lock

        self._reading = Lock()
        texts = list(inputs.texts)
        if inputs.file is not None:
            texts.append("-" if inputs.file == "-" else "")
        self._places: Iterator[str] = iter(texts)
        self._file_name = inputs.file
        # Opened before anything is asked: a list that is not there should cost nothing.
        path = inputs.file
        self._file = None if path is None or path == "-" else open(path, "rb", buffering=0)  # noqa: SIM115
        self._env = env
        self._stream: _Stream | None = None
        self._count = 0
        self.ended = False
        #: Where a regular file is read from: bytes read and its size, for progress.
        self.read, self.size = 0, 0

    def next(self) -> Flow[Item | None]:
        """Flow: the next input; None when there is none."""
        return self._reading.holding(self._read())

    def _read(self) -> Flow[Item | None]:
        while not self.ended:
            if self._stream is not None:
                line = yield from self._stream.next()
                self.read = self._stream.taken
                if line is None:
                    self._stream = None
                    continue
                text = line.strip()
                if text and text[0] not in "#;":  # the latter are zone files' and dig's
                    return self._item(text, f"{self._stream.name}:{self._stream.number}")
                continue
            try:
                text = next(self._places)
            except StopIteration:
                self.ended = True
                return None
            if text not in ("", "-"):
                return self._item(text, None)
            self._stream = self._open(text)
        return None

    def _item(self, text: str, where: str | None) -> Item:
        self._count += 1
        return Item(self._count - 1, text, where)

    def _open(self, text: str) -> _Stream:
        if text == "-":
            stdin = self._env.stdin
            return _Stream(stdin, "standard input")
        assert self._file_name is not None
        stream = _Stream(self._file, self._file_name)
        self.size = stream.size
        return stream

    def close(self) -> None:
        """Close the file, also where it was not read to its end."""
        if self._file is not None:
            self._file.close()


class _Stream:
    """Lines of one stream, read without blocking the thread where the stream can be waited for."""

    def __init__(self, file: BinaryIO | Any, name: str) -> None:
        self.name = name
        self.number = 0
        self.taken = 0
        self.size = 0
        self._file = file
        self._rest = b""
        self._lines: Iterator[bytes] = iter(())
        self._end = file is None
        self._descriptor: Any = None
        self._fd = -1
        if file is None:
            return
        try:
            self._fd = file.fileno()
            about = os.fstat(self._fd)
        except (OSError, ValueError):
            return  # not the system's: a stream in memory never makes anyone wait
        if stat.S_ISREG(about.st_mode):
            self.size = about.st_size
        elif os.name == "posix":
            from netkit.io import Descriptor

            # Waited for, never made non-blocking: the open file is shared with whoever started us.
            self._descriptor = Descriptor(self._fd, close=lambda: None)

    def next(self) -> Flow[str | None]:
        """Flow: the next line without its end; None at the end of the stream."""
        while True:
            for line in self._lines:
                self.number += 1
                self.taken += len(line) + 1
                if self.number == 1:
                    line = line.removeprefix(_BYTE_ORDER_MARK)
                return line.decode("utf-8", "surrogateescape")
            if self._end:
                return None
            if self._descriptor is not None:
                yield self._descriptor.want_read
                data = os.read(self._fd, _CHUNK)
            else:
                data = self._file.read(_CHUNK)
            lines = (self._rest + data).split(b"\n")
            self._rest = b""
            if data:
                self._rest = lines.pop()[: MAX_LINE + 1]  # one more than allowed is enough to refuse it
            else:
                self._end = True
                if lines == [b""]:
                    lines = []
            self._lines = iter(lines)


class Batch(Generic[T, R]):
    """One run over many inputs: what is in flight, what waits for its turn, and what the reader sees."""

    def __init__(
        self,
        inputs: Inputs[T],
        flow_for: Callable[[T], Flow[R]],
        output: Output[R],
        *,
        timeout: float | None,
        journal: Journal | None,
    ) -> None:
        from netkit.io import Event, Pacer

        self.inputs = inputs
        self.flow_for = flow_for
        self.output = output
        self.timeout = timeout
        self.journal = journal
        self.lines = Lines(inputs, output.env)
        self.resumed = 0
        self._pacer = None if inputs.rate is None else Pacer(inputs.rate)
        self._active = 0
        self._idle = Event()
        # With --ordered: rows that wait, by number; the number whose turn it is; who waits to begin.
        self._waiting: dict[int, tuple[Item, R | Failure | None]] = {}
        self._turn = 0
        self._turned: Any = None
        self._progress: Any = None

    def flow(self) -> Flow[None]:
        """Flow: all inputs, to the end of the last."""
        from netkit.io import all_of

        try:
            yield from all_of(self._slots(), limit=self._limit, on_result=lambda _index, _outcome: None)
        finally:
            self.lines.close()

    @property
    def _limit(self) -> int:
        return self.inputs.concurrency + self.output.env.shows_status

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
                self._finish(item, (yield from self._outcome(item)))
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
            code = self.journal.code(item.number, item.text)
            if code is None:
                return item
            self.resumed += 1
            self.output.count(Exit(code), None if code == 0 else "earlier")
            self._finish(item, None)

    def _may_begin(self, item: Item) -> Flow[None]:
        """Flow: wait for the input's turn (--ordered) and for its time (--rate)."""
        from netkit.io import Event, Want, sleep_until

        if self.inputs.ordered:
            while item.number >= self._turn + WINDOW:
                if self._turned is None:
                    self._turned = Event()
                yield Want(event=self._turned)
        if self._pacer is not None:
            yield from sleep_until(self._pacer.next_start(monotonic()))

    def _outcome(self, item: Item) -> Flow[R | Failure]:
        """Flow: what became of an input. Never raises an Exception."""
        from netkit.io import before

        try:
            target = self.inputs.parse(item.text, item.where)
            flow = self.flow_for(target)
            if self.timeout is not None:
                flow = before(monotonic() + self.timeout, flow)
            return (yield from flow)
        except Exception as error:
            return explain(error, lookup=self.output.lookup)

    def _finish(self, item: Item, outcome: R | Failure | None) -> None:
        """Write the row, or keep it until those before it are written. None: the row was written before."""
        if not self.inputs.ordered:
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
        text = item.text if len(item.text) <= MAX_LINE else f"{item.text[:100]}…"
        if isinstance(outcome, Failure):
            code = self.output.failed(outcome, text)
        else:
            try:
                code = self.output.result(outcome, text)
            except Exception as error:  # a view that did not expect this result costs one row, not the run
                code = self.output.failed(error, text)
        if self.journal is not None:
            self.journal.done(item.number, item.text, code)
        if self._progress is not None:
            self._progress.show()
