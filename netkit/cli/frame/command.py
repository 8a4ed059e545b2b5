"""A command: a function with a docstring, options and a view, and the code that runs around it.

    @command("tls probe", view=ProbeView(), doing="probing {}")
    @inputs.many("HOST[:PORT]", parse=Endpoint(443))
    @option_group(source=SourceOptions)
    @options.timeout(10.0)
    def probe(run, targets, source, timeout):
        \"\"\"Show what a TLS server offers and whether it verifies.

        Paragraphs of explanation.

        Examples:

            $ netkit tls probe example.com
        \"\"\"
        family, bound = source.resolve()
        run.each(targets, lambda endpoint: probe_flow(endpoint, family, bound), timeout=timeout)

The first argument is the `Run`: the environment, and the ways to write a result. If the function raises, the
frame explains the error on standard error (and in `--json`), and the error decides the exit code. So the
function does not handle errors itself. It may return an `Exit`; if it returns None, the rows that were
written decide the exit code.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import click

from netkit.cli.frame.context import Environment
from netkit.cli.frame.exits import Exit, explain
from netkit.cli.frame.groups import Bundle, OutputOptions
from netkit.cli.frame.messages import without_password
from netkit.cli.frame.options import TYPED, Option
from netkit.cli.frame.output import Output
from netkit.cli.frame.usage import WORDS, usage_error
from netkit.errors import NetkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.exits import Failure
    from netkit.cli.frame.inputs import Inputs
    from netkit.cli.frame.view import View
    from netkit.io import CancellationToken, Flow

R = TypeVar("R")
T = TypeVar("T")

ALL_MODES = ("json", "plain", "short")


class Run(Output[R], Generic[R]):
    """One invocation: `env` with its streams and mode, and the ways to wait and to write results.

    From `Output`, a command uses `result(result)` to write a result, `failed(error)` to write that there is
    no result, and `write_object(fields)` to write an event of a stream if `run.json` is true.
    """

    command: NetkitCommand
    #: The parameters as click has them, by its names.
    given: Mapping[str, Any]
    #: The arguments with netkit's own types (HOST:PORT, BIND, PATH), as the user typed them.
    typed: tuple[str, ...] = ()

    @property
    def json(self) -> bool:
        """Whether JSON Lines are wanted."""
        return self.env.mode == "json"

    def wait(self, flow: Flow[T], timeout: float | None = None, cancel: CancellationToken | None = None) -> T:
        """Run a flow of the library to its end; `timeout` is in seconds, for the whole flow."""
        from netkit.io import deadline_after, run

        return run(flow, deadline=deadline_after(timeout), cancel=cancel)

    def prefer_short(self) -> None:
        """Write the bare values, as --short does, unless --json was given."""
        if not self.json:
            self.env.mode = "short"

    def prefer_plain(self, failed_lines: Callable[[Failure], Iterable[Line]]) -> None:
        """Write plain text, also on a terminal, unless another form was asked for. `failed_lines` makes the
        lines of an input without a result."""
        if self.env.mode in ("plain", "table"):
            self.env.mode = "plain"
            self.failed_lines = failed_lines

    def each(
        self, inputs: Inputs[T], function: Callable[[T], Flow[R] | R], *, timeout: float | None = None
    ) -> None:
        """Call `function(target)` for every input, and write a row for each, whether it succeeds or fails.

        The function returns the result, or a flow that returns it. `timeout` is in seconds, for each input.
        A single input from the command line is run without the machinery for many (concurrency, progress).
        """
        inputs.check()
        if inputs.single:
            (text,) = inputs.texts
            shown = inputs.spec.shown(text)
            try:
                found = function(inputs.parse(text))
                self.result(self.wait(found, timeout) if isinstance(found, Generator) else found, shown)
            except Exception as error:
                self.failed(error, shown)
            return
        from netkit.cli.frame.batch import Batch

        self.start_many()
        journal = None
        if inputs.how.resume is not None:
            from netkit.cli.frame.journal import Journal

            journal = Journal(inputs.how.resume, self.command.path, self.command.question(self.given))
        try:
            batch = Batch(inputs, function, self, timeout=timeout, journal=journal)
            try:
                self.wait(batch.flow())
            except KeyboardInterrupt:
                self._interrupted(inputs)
                raise
            self.env.status(None)
            if batch.lines.empty:
                self.no_input(inputs)
                return
            if journal is not None and self.rows and batch.lines.resumed == self.rows:
                hint = f"remove {journal.path} to ask them again"
                self.env.warn(None, f"all {self.rows:,} inputs were done before", hint)
                return
        finally:
            if journal is not None:
                journal.close()
        self.summary()

    def all_inputs(self, inputs: Inputs[T]) -> list[tuple[str, T]]:
        """All inputs and the targets they are, read to the end; those that are none have their row already.

        For commands whose targets are all under way at once. Of several inputs each row says which it is of.
        """
        from netkit.cli.frame.lines import Lines

        inputs.check()
        if inputs.single:
            (text,) = inputs.texts
            return [(inputs.spec.shown(text), inputs.parse(text))]
        self.start_many()
        lines = Lines(inputs, self.env)
        try:
            items = self.wait(lines.all())
        finally:
            lines.close()
        if not items:
            self.no_input(inputs)
        found = []
        for item in items:
            try:
                found.append((item.shown, inputs.parse(item.text, item.where)))
            except NetkitError as error:
                self.failed(error, item.shown)
        return found

    def no_input(self, inputs: Inputs[Any]) -> None:
        """Say that the list of inputs is empty: like a command line without any it is wrong usage."""
        hint = f"a list has one {inputs.spec.metavar} a line; blank lines and comments (# and ;) do not count"
        self.env.warn(self.command.path, f"{inputs.place}: there is no input", hint)
        self.count(Exit.USAGE)

    def _interrupted(self, inputs: Inputs[Any]) -> None:
        from netkit.cli.frame.messages import plural

        hint = None if inputs.how.resume is None else "the same command goes on where this ended"
        self.env.warn(None, f"interrupted after {plural(self.rows, 'input')}", hint)


class Section(NamedTuple):
    """A table that only this command has on its help page and in its manual, such as dig's +flags.

    `complete` says that a shell may complete the terms (their first words).
    """

    title: str
    rows: Sequence[tuple[str, str]]
    complete: bool = False


class Doc(NamedTuple):
    """A command's docstring in parts: the first line, the blocks below it, and the example lines."""

    summary: str
    blocks: list[str]
    examples: list[str]


def read_doc(text: str | None) -> Doc:
    """The parts of a docstring. Blank lines separate blocks. An indented block keeps its layout. The blocks
    under `Examples:` are the examples."""
    blocks = cleandoc(text or "").split("\n\n")
    summary = " ".join(blocks[0].split())
    body: list[str] = []
    examples: list[str] = []
    inside = False
    for block in blocks[1:]:
        if block.strip() == "Examples:":
            inside = True
        elif inside and block.startswith(" "):
            if examples:
                examples.append("")
            indent = min(len(line) - len(line.lstrip()) for line in block.splitlines() if line.strip())
            examples += [line[indent:].rstrip() for line in block.splitlines()]
        elif block.strip():
            inside = False
            body.append(block.strip("\n"))
    return Doc(summary, body, examples)


class NetkitCommand(click.Command):
    """A click command with a view, a docstring in parts, and the output options every command has."""

    def __init__(
        self,
        *args: Any,
        path: str,
        view: View[Any],
        modes: tuple[str, ...],
        usage: str | None,
        doing: str | None,
        lookup: bool,
        short_letters: bool,
        rewrite: Callable[[list[str], Environment], list[str]] | None,
        sections: Sequence[Section],
        see_also: Sequence[str],
        output: type[OutputOptions],
        **rest: Any,
    ) -> None:
        super().__init__(*args, **rest)
        self.path = path
        self.view = view
        view.type = path.replace(" ", ".")
        self.modes = modes
        self.usage = usage
        self.doing = doing
        self.lookup = lookup
        self.rewrite = rewrite
        self.sections = tuple(sections)
        self.see_also = tuple(see_also)
        offered = output.offered("output", modes, short_letters=short_letters)
        self.params += offered
        self.bundles: dict[str, Bundle] = {
            **getattr(self.callback, "__netkit_bundles__", {}),
            "output": Bundle.of(offered, partial(output.of, "output")),
        }

    @property
    def doc(self) -> Doc:
        """The docstring, in parts."""
        return read_doc(self.help)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[WORDS] = tuple(args)  # click takes them out of the list one by one
        try:
            if self.rewrite is not None:
                args = self.rewrite(args, ctx.find_root().obj)
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise usage_error(error, ctx) from None

    def invoke(self, ctx: click.Context) -> Exit:
        try:
            return self._invoke(ctx)
        except click.UsageError as error:
            raise usage_error(error, ctx) from None

    def _invoke(self, ctx: click.Context) -> Exit:
        env = ctx.find_root().obj
        assert isinstance(env, Environment)
        arguments = self._arguments(ctx.params)
        output: OutputOptions = arguments.pop("output")
        targets = arguments.get("targets")
        resume = None if targets is None else targets.how.resume
        run: Run[Any] = Run(env, self.view, doing=self.doing or self.path, lookup=self.lookup)
        run.command = self
        run.options = {name for param in self.params for name in param.opts}
        run.given = ctx.params
        run.typed = tuple(ctx.meta.get(TYPED, ()))
        run.input = without_password(run.typed[0]) if len(run.typed) == 1 else None
        try:
            env.configure(
                mode=output.mode,
                color=output.color,
                output=output.file,
                append=resume is not None and _has_content(resume),
                verbosity=-1 if output.quiet else output.verbose,
            )
        except OSError as error:
            failure = explain(error)
            env.report(f"opening {output.file}", failure)
            return failure.exit
        assert self.callback is not None
        try:
            if env.on_start is not None:
                env.on_start()
            code = ctx.invoke(self.callback, run, **arguments)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as error:
            return run.failed(error, run.input)
        return code if isinstance(code, Exit) else run.exit_code

    def _arguments(self, params: dict[str, Any]) -> dict[str, Any]:
        """The function's arguments: one for each bundle, and the other parameters unchanged."""
        made = {argument: each.make(params) for argument, each in self.bundles.items()}
        bundled = {name for each in self.bundles.values() for name in each.parameters}
        return made | {name: value for name, value in params.items() if name not in bundled}

    def question(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options that decide what an input's result is, by their names on the command line, of what was
        given: all but those of the output, and those that say which inputs there are and how many at once."""
        aside = {
            name
            for argument in ("output", "targets")
            if argument in self.bundles
            for name in self.bundles[argument].parameters
        }
        found: dict[str, Any] = {}
        for param in self.params:
            value = given.get(param.name or "")
            if param.name in aside or getattr(param, "for_show", False) or value in (None, ()):
                continue
            if value is False and not param.secondary_opts:
                continue  # a flag that was not given
            found[max(param.opts, key=len)] = _plain(value)
        return found

    # -- the help page

    def get_help_option(self, ctx: click.Context) -> click.Option | None:  # noqa: ARG002
        return help_option(OutputOptions.section)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        if self.usage is not None:
            return [self.usage]
        return super().collect_usage_pieces(ctx)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        doc = self.doc
        self.format_usage(ctx, formatter)
        formatter.write("\n")
        formatter.write_text(doc.summary)
        for block in doc.blocks:
            formatter.write("\n")
            if block.startswith(" "):
                formatter.write(f"{block}\n")
            else:
                formatter.write_text(" ".join(block.split()))
        for section in self.sections:
            with formatter.section(section.title):
                formatter.write_dl(list(section.rows))
        for title, options in self.option_sections(ctx).items():
            with formatter.section(title):
                formatter.write_dl([option_record(option) for option in options])
        if doc.examples:
            formatter.write("\nExamples:\n")
            formatter.write("".join(f"  {line}".rstrip() + "\n" for line in doc.examples))

    def option_sections(self, ctx: click.Context) -> dict[str, list[click.Option]]:
        """The visible options under the headings they belong to."""
        found: dict[str, list[click.Option]] = {"Options": []}
        for param in self.get_params(ctx):
            if isinstance(param, click.Option) and not param.hidden:
                found.setdefault(getattr(param, "section", "Options"), []).append(param)
        return {title: options for title, options in found.items() if options}


def _plain(value: Any) -> Any:
    """An option's value as JSON has it."""
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    return value if isinstance(value, (bool, int, float)) else str(value)


def option_record(option: click.Option) -> tuple[str, str]:
    """An option's line on the help page and in the manual: its names with its value, and its text."""
    names = ", ".join(option.opts + option.secondary_opts)
    metavar = option_metavar(option)
    text = option.help or ""
    if isinstance(option.show_default, str):
        text = f"{text} [default: {option.show_default}]"
    return f"{names} {metavar}" if metavar else names, text


def option_metavar(option: click.Option) -> str | None:
    """The placeholder of an option's value; None if the option takes no value."""
    if option.is_flag or option.count:
        return None
    choices = getattr(option.type, "choices", None)
    if choices and option.metavar is None:
        return "|".join(map(str, choices))
    return option.metavar or option.type.name.upper()


def command(
    path: str,
    *,
    view: View[Any],
    usage: str | None = None,
    doing: str | None = None,
    lookup: bool = False,
    modes: tuple[str, ...] = ALL_MODES,
    short_letters: bool = True,
    rewrite: Callable[[list[str], Environment], list[str]] | None = None,
    sections: Sequence[Section] = (),
    see_also: Sequence[str] = (),
    output: type[OutputOptions] = OutputOptions,
) -> Callable[[Callable[..., Exit | None]], NetkitCommand]:
    """Make a command of a function.

    Args:
        path: the words after `netkit`, such as `"tls probe"`. With dots for blanks it is the type of rows.
        view: how its results are shown; one instance for each command.
        usage: the usage line after the path, if the one that click makes is not good enough.
        doing: the words of messages for what is being done; `{}` is the input. Default: the path.
        lookup: whether "no such name" is an answer of this command (exit code 1) or an obstacle (3).
        modes: which of --json, --plain and --short it offers.
        short_letters: False where `-o`, `-v` and `-q` mean other things (dig); the long forms stay.
        rewrite: changes the arguments before click parses them, for a grammar that click does not know.
        sections: tables for the help page and the manual.
        see_also: pages for the end of the manual, such as `"netkit-resolve(1)"` or `"dig(1)"`.
        output: the output options, for a command that has some of their names in another meaning.
    """

    def decorate(function: Callable[..., Exit | None]) -> NetkitCommand:
        params = list(reversed(getattr(function, "__click_params__", [])))
        return NetkitCommand(
            path.rpartition(" ")[2],
            callback=function,
            params=params,
            help=function.__doc__,
            path=path,
            view=view,
            modes=modes,
            usage=usage,
            doing=doing,
            lookup=lookup,
            short_letters=short_letters,
            rewrite=rewrite,
            sections=sections,
            see_also=see_also,
            output=output,
        )

    return decorate


def help_option(section: str = "Options") -> Option:
    """`-h` and `--help`, written through the environment like every other output."""

    def show(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            env = ctx.find_root().obj
            env.write(f"{ctx.get_help()}\n")
            ctx.exit()

    return Option(
        ["-h", "--help"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        section=section,
        help="Show this page.",
    )


def _has_content(path: str) -> bool:
    import os

    try:
        return os.path.getsize(path) > 0
    except OSError:
        return False
