"""The program around a command: it finds the command by name, handles its errors and signals, and ends its
output."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from netkit._version import __version__
from netkit.cli import table
from netkit.cli.frame import signals
from netkit.cli.frame.command import NetkitCommand, help_option, option_record
from netkit.cli.frame.context import Environment, OutputFailed
from netkit.cli.frame.exits import BUG_HINT, Exit, Failure, Terminated, explain
from netkit.cli.frame.options import Option
from netkit.cli.frame.usage import WORDS, no_command, usage_error, usage_message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netkit.cli.table import Entry

#: Help pages are no wider than this: longer lines are hard to read.
MAX_WIDTH = 100


class LazyGroup(click.Group):
    """The commands of the table whose paths begin with `prefix`, imported one by one when named."""

    def __init__(self, name: str, prefix: str = "", help: str | None = None) -> None:  # noqa: A002
        super().__init__(name, help=help)
        self.no_args_is_help = False
        self.prefix = prefix
        if not prefix:
            self.params.append(_version_option())

    def entries(self) -> Iterator[tuple[str, Entry | None]]:
        """The names below this group, with their entry; None for a group."""
        seen = set()
        for entry in table.COMMANDS:
            if entry.path.startswith(self.prefix):
                name, _, deeper = entry.path[len(self.prefix) :].partition(" ")
                if name not in seen:
                    seen.add(name)
                    yield name, None if deeper else entry

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [name for name, _ in self.entries()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for name, entry in self.entries():
            if name == cmd_name:
                if entry is not None:
                    return load(entry)
                path = f"{self.prefix}{name}"
                group = LazyGroup(name, f"{path} ")
                group.help = f"{table.GROUPS[path]}: {', '.join(group.list_commands(ctx))}."
                return group
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] == "help":
            # `netkit help tls probe` is `netkit tls probe --help`.
            wanted = [word for word in args[1:] if word not in ("help", "-h", "--help")]
            if not wanted:
                ctx.find_root().obj.write(f"{self.get_help(ctx)}\n")
                ctx.exit()
            args = [*wanted, "--help"]
        name = args[0]
        found = self.get_command(ctx, name)
        if found is None:
            paths = [entry.path for entry in table.COMMANDS]
            raise no_command(f"{self.prefix}{name}", args[1:], paths, self.prefix, ctx)
        return name, found, args[1:]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args or ctx.resilient_parsing:
            ctx.meta[WORDS] = tuple(args)
            try:
                return super().parse_args(ctx, args)
            except click.NoSuchOption as error:
                raise usage_error(error, ctx, self.list_commands(ctx)) from None
        env = ctx.find_root().obj
        if not self.prefix:
            env.write(f"{self.get_help(ctx)}\n")
            raise click.exceptions.Exit(Exit.OK)
        env.warn(self.prefix.strip(), "a command is missing")
        env.say("", *self.get_help(ctx).splitlines())
        raise click.exceptions.Exit(Exit.USAGE)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:  # noqa: ARG002
        return help_option()

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return ["COMMAND ..."]

    def _below(self) -> list[Entry]:
        return [entry for entry in table.COMMANDS if entry.path.startswith(self.prefix)]

    def _sections(self) -> dict[str, list[tuple[str, str]]]:
        """All commands below this group and their help, under the headings of the page."""
        if self.prefix:
            return {
                "Commands": [(entry.path.removeprefix(self.prefix), entry.help) for entry in self._below()]
            }
        titles = (table.LOOK_UP, table.CONNECT, table.SERVE, table.ABOUT)
        found: dict[str, list[tuple[str, str]]] = {title: [] for title in titles}
        for entry in self._below():
            found.setdefault(entry.section, []).append((entry.path, entry.help))
        return {title: rows for title, rows in found.items() if rows}

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_usage(ctx, formatter)
        formatter.write(f"\n{self.help}\n")
        width = max(len(entry.path) - len(self.prefix) for entry in self._below())
        for title, rows in self._sections().items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in rows])
        with formatter.section("Options"):
            options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
            formatter.write_dl([option_record(option) for option in options])
        formatter.write(f"\n`netkit help {self.prefix}COMMAND` shows more about one.\n")


def load(entry: Entry) -> NetkitCommand:
    """Import the command of an entry of the table."""
    module, _, name = entry.target.partition(":")
    found = getattr(import_module(module, "netkit.cli.commands"), name)
    assert isinstance(found, NetkitCommand)
    return found


def root() -> LazyGroup:
    """The command `netkit` itself."""
    return LazyGroup("netkit", help="netkit: a network from the bottom up, as a command and as a library.")


def _version_option() -> Option:
    def show(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            ctx.find_root().obj.write(f"netkit {__version__}\n")
            ctx.exit()

    return Option(
        ["-V", "--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the version (`netkit version` shows more).",
    )


def run_in(argv: Sequence[str], env: Environment) -> Exit:
    """Run the command that `argv` names in `env`; returns the exit code, and never raises."""
    code = _guarded(env, lambda: _invoke(argv, env))
    closing = _guarded(env, lambda: _close(env))
    return closing if code is Exit.OK else code


def _invoke(argv: Sequence[str], env: Environment) -> Exit:
    command = root()
    width = min(env.width, MAX_WIDTH)
    try:
        with command.make_context("netkit", list(argv), obj=env, terminal_width=width) as ctx:
            code = command.invoke(ctx)
    except click.exceptions.Exit as done:
        return Exit(done.exit_code)
    return code if isinstance(code, Exit) else Exit.OK


def _close(env: Environment) -> Exit:
    env.close()
    return Exit.OK


def _guarded(env: Environment, body: Any) -> Exit:
    """Call `body`. If it raises, explain the error on standard error. Returns the exit code."""
    try:
        code: Exit = body()
        return code
    except click.UsageError as error:
        env.warn(*usage_message(error))
        return Exit.USAGE
    except click.ClickException as error:
        env.warn(None, error.format_message())
        return Exit.LOCAL
    except OutputFailed as error:
        _discard_output(env)
        if error.is_broken_pipe:
            return Exit.BROKEN_PIPE
        env.report(f"writing to {error.where}", explain(error.error))
        return Exit.LOCAL
    except (KeyboardInterrupt, click.Abort) as error:
        env.interrupted()
        if env.debug:
            env.report(None, explain(error))
        return Exit.TERMINATED if isinstance(error, Terminated) else Exit.INTERRUPTED
    except RecursionError as error:
        failure = Failure(Exit.LOCAL, "netkit", "local", "Unexpected", "nested too deeply", BUG_HINT, error)
        env.report(None, failure)
        return failure.exit
    except Exception as error:
        failure = explain(error)
        env.report(None, failure)
        return failure.exit


def _discard_output(env: Environment) -> None:
    """Drop what is still buffered, because nobody reads it: otherwise the interpreter writes it at exit."""
    if env.output is not None:
        env.abandon_output()
        return
    stdout = env.stdout
    if stdout is None:
        return
    try:
        fd = stdout.fileno()
    except (OSError, ValueError):
        return
    if stdout is getattr(sys.stdout, "buffer", None):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, fd)
        os.close(null)


def run_process(arguments: Sequence[str]) -> Exit:
    """`run_in` for the process itself: its streams, and its signals."""
    env = Environment.of_process()
    env.on_start = lambda: signals.ready(env.ctrl_c)
    code = run_in(arguments, env)
    signals.unready()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError) as error:
        _discard_output(env)
        broken = getattr(error, "errno", errno.EBADF) in (errno.EPIPE, errno.EBADF)
        return Exit.BROKEN_PIPE if broken else Exit.LOCAL
    return code
