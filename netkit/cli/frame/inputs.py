"""Many inputs: targets from the command line, a file or standard input, and one row for each.

    @command("resolve", view=ResolveView())
    @inputs.many("NAME", parse=parse_name)
    @options.timeout(5.0)
    def resolve(run, targets, timeout):
        run.each(targets, lambda name: resolver.resolve_flow(name), timeout=timeout)

`netkit.cli.frame.lines` reads the inputs, `netkit.cli.frame.batch` goes through them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import click

from netkit.cli.frame.options import Number, Rate, WrongValue, option
from netkit.errors import NetkitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.errors import Fault

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")
T = TypeVar("T")

SECTION = "Several inputs"
CONCURRENCY = 32
#: The longest line of a list of inputs, in bytes; a longer one is a row that says so.
MAX_LINE = 16384


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
