"""Many inputs: targets from the command line, a file or standard input, and one row for each.

    @command("resolve", view=ResolveView())
    @inputs.many("NAME", parse=parse_name)
    @options.timeout(5.0)
    def resolve(run, targets, timeout):
        run.each(targets, lambda name: resolver.resolve_flow(name), timeout=timeout)

`netkit.cli.frame.lines` reads the inputs, `netkit.cli.frame.batch` processes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

import click

from netkit.cli.frame.groups import OptionGroup, bundle, field, flag
from netkit.cli.frame.messages import without_password
from netkit.cli.frame.options import Argument, Complete, Endpoint, F, File, Number, Rate, WrongValue
from netkit.errors import NetkitError, hint_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from netkit.errors import Fault

R = TypeVar("R")
T = TypeVar("T")

#: What makes a target of a text: a function, or the type of value that an endpoint is.
Parse: TypeAlias = "Callable[[str], Any] | Endpoint"

#: The longest line of a list of inputs, in bytes; a longer line gets a row with an error.
MAX_LINE = 16384


class Spec(NamedTuple):
    """How a command takes its inputs: their name in the usage line, and the function that parses one.

    `shown` makes of an input's text what may be repeated: all but the secrets in it. `form` is what is said
    of the right form where an error does not say it.
    """

    metavar: str
    parse: Callable[[str], Any]
    required: bool = True
    shown: Callable[[str], str] = without_password
    form: str | None = None

    def parsed_by(self, parse: Parse) -> Spec:
        """The same with another parser."""
        if isinstance(parse, Endpoint):
            return self._replace(parse=parse.parse, form=parse.form)
        return self._replace(parse=parse, form=None)


class BatchOptions(OptionGroup):
    """How several inputs are processed."""

    section = "Several inputs"

    file: str | None = field("-f", "--file", type=File())
    concurrency: int = field(
        "--concurrency",
        type=Number(1, 100_000),
        default=32,
        help="How many inputs to work on at the same time.",
    )
    rate: float | None = field("--rate", type=Rate(), help="Begin inputs no faster than this (100/s, 30/m).")
    ordered: bool = flag("--ordered", help="Write rows in the order of the inputs, not as inputs finish.")
    resume: str | None = field(
        "--resume",
        type=File(),
        help="Keep a journal in FILE; the same command, run again, continues where it ended.",
    )


_ALL_AT_ONCE = {
    "batch__concurrency": 1,
    "batch__rate": None,
    "batch__ordered": False,
    "batch__resume": None,
}


def many(
    metavar: str,
    *,
    parse: Parse = str,
    complete: Complete | None = None,
    words: Callable[[], Iterable[str]] | None = None,
    required: bool = True,
    together: bool = False,
    then: str | None = None,
    short_letters: bool = True,
    shown: Callable[[str], str] = without_password,
    help: str | None = None,  # noqa: A002 - click's own word
) -> Callable[[F], F]:
    """Take any number of inputs, as Python's `targets`, an `Inputs`.

    `parse` makes a target from an input's text, and raises ValueError (or a NetkitError) if the text is
    wrong. `complete` and `words` say what a shell completes; they are not needed if `parse` is an
    `Endpoint`. `help` is for -f. `together` says that all inputs are under way at once (`Run.all_inputs`):
    of the options only -f is there then. `then` is what else the command takes behind them, the last of
    `targets.texts`. Without `short_letters`, -f is the command's own, and only --file reads inputs. `shown`
    leaves out the secrets of an input's text where it is repeated: in rows, messages and the journal.
    """
    spec = Spec(metavar, str, required, shown).parsed_by(parse)
    if isinstance(parse, Endpoint):
        complete = complete or parse.complete
    text = help or f"Read inputs from FILE, a {metavar} a line (`-`: standard input)."
    options = BatchOptions.options("batch", file={"help": text})
    if not short_letters:
        options[0].opts.remove("-f")
    if together:
        options = [each for each in options if each.name == "batch__file"]

    def make(given: Mapping[str, Any]) -> Inputs[Any]:
        return Inputs(spec, given["targets"], BatchOptions.of("batch", {**_ALL_AT_ONCE, **given}))

    def decorate(function: F) -> F:
        behind = f" {then}" if then else ""
        targets = Argument(
            ["targets"], nargs=-1, metavar=f"{metavar}...{behind}", complete=complete, words=words
        )
        return bundle(function, "targets", [targets, *options], make)

    return decorate


def field_value(header: str, name: str) -> str:
    """The value of a header field, without the field's name and colon if the input begins with them."""
    before, colon, value = header.partition(":")
    return value if colon and before.strip(" \t").lower() == name else header


class BadInput(NetkitError):
    """An input that does not have the form that the command takes; `line` is its place in its file."""

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
    """The inputs of one invocation, and how to process them."""

    def __init__(self, spec: Spec, texts: Sequence[str], how: BatchOptions) -> None:
        self.spec = spec
        self.texts = tuple(texts)
        self.how = how

    def of(self, texts: Sequence[str], parse: Callable[[str], T] | Endpoint) -> Inputs[T]:
        """The same options with other inputs, or with another parser."""
        return Inputs(self.spec.parsed_by(parse), texts, self.how)

    @property
    def single(self) -> bool:
        """Whether there is just one input, from the command line, and no option for many inputs."""
        return (
            len(self.texts) == 1
            and self.texts != ("-",)
            and self.how.file is None
            and self.how.resume is None
        )

    def check(self) -> None:
        """Raise a usage error if there is no input, or if one on the command line has the wrong form."""
        if not self.texts and self.how.file is None and self.spec.required:
            raise WrongValue(
                f"{self.spec.metavar} is missing", "name one or more, or read them with -f FILE (or from `-`)"
            )
        for text in self.texts:
            if text != "-":
                try:
                    self.spec.parse(text)
                except (ValueError, NetkitError) as error:
                    raise WrongValue(str(error), hint_of(error) or self.spec.form) from error

    @property
    def place(self) -> str:
        """Where the list of inputs stands, in words."""
        return "standard input" if self.how.file in (None, "-") else self.how.file or ""

    def parse(self, text: str, where: str | None = None) -> T:
        """The target that `text` names. Raises BadInput, which says where the text came from."""
        if where is not None and len(text) > MAX_LINE:
            raise BadInput(f"a line over {MAX_LINE:,} bytes", where, "a list of inputs has one on each line")
        try:
            target: T = self.spec.parse(text)
        except WrongValue as error:
            raise BadInput(error.message, where, error.hint) from error
        except click.UsageError as error:
            raise BadInput(error.message, where, None) from error
        except (ValueError, NetkitError) as error:
            raise BadInput(str(error), where, hint_of(error)) from error
        return target
