"""What is wrong with a command line, and the line that was meant.

click finds most of it. Here its errors become the project's own words, with a hint that is, where it can
be, what to type instead: the option by its name here, the endpoint whose port was written after a blank, the
command whose name is close.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from netkit.cli.frame.messages import choice, suggest
from netkit.cli.frame.options import WrongValue

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Under which name a click context keeps the words of the command line that the command was given.
WORDS = "netkit.words"


class UnknownCommand(click.UsageError):
    """A name that no command has; `hint` says which are close."""

    def __init__(self, message: str, hint: str, ctx: click.Context) -> None:
        super().__init__(message, ctx)
        self.hint = hint


def no_command(
    path: str, rest: Sequence[str], paths: Sequence[str], prefix: str, ctx: click.Context
) -> UnknownCommand:
    """The error for a command that there is not.

    `path` is as far as it was read, `rest` what follows; `paths` are those of all commands, and `prefix` is
    that of the group the name was looked for in.
    """
    hint = _meant(path, rest, paths, prefix)
    if hint is None:
        known = dict.fromkeys(each[len(prefix) :].split()[0] for each in paths if each.startswith(prefix))
        hint = f"there are: {', '.join(known)}"
    return UnknownCommand(f"there is no command `netkit {path}`", hint, ctx)


def _meant(path: str, rest: Sequence[str], paths: Sequence[str], prefix: str) -> str | None:
    """`did you mean netkit tls probe?`, for `tls prob`, `tsl probe`, `tls-probe`, `prob` or `probe`."""
    from difflib import get_close_matches

    name, lasts = path[len(prefix) :], {each.rpartition(" ")[2]: each for each in paths}
    spelled = path.translate(str.maketrans("-._", "   "))
    heads = {
        each[: len(prefix)] + each[len(prefix) :].split()[0] for each in paths if each.startswith(prefix)
    }
    found = [spelled] if spelled in paths else []
    if not found and rest:
        found = get_close_matches(f"{path} {rest[0]}", [each for each in paths if " " in each], 1, 0.75)
    found = found or get_close_matches(path, sorted(heads), 3, max(0.6, 1 - len(name) / 2.5 / len(path)))
    if not found:
        last = get_close_matches(name, list(lasts), 1)
        found = [each for each in paths if last and each.rpartition(" ")[2] == last[0]]
    return choice([f"netkit {each}" for each in found]) if found else None


def usage_error(
    error: click.UsageError, ctx: click.Context, commands: Sequence[str] = ()
) -> click.UsageError:
    """The error with the context whose usage it is about, and with what was meant, where that is known.

    `commands` are the names that may follow, where `ctx` is a group's.
    """
    error.ctx = ctx = error.ctx or ctx
    words: Sequence[str] = ctx.meta.get(WORDS, ())
    path = ctx.command_path.partition(" ")[2]
    if isinstance(error, click.NoSuchOption):
        return _no_option(error, ctx, path, words, commands)
    if type(error) is click.UsageError and error.message.startswith("Got unexpected extra argument"):
        extra = error.message.partition("(")[2].removesuffix(")")
        return WrongValue(f"too many arguments: {extra}", _endpoint(ctx, path, words), ctx=ctx)
    if isinstance(error, WrongValue):
        error.hint = _endpoint(ctx, path, words) or error.hint
    return error


def _no_option(
    error: click.NoSuchOption, ctx: click.Context, path: str, words: Sequence[str], commands: Sequence[str]
) -> WrongValue:
    """The error for an option that there is not, with the option that was meant."""
    from netkit.cli.frame.habits import spellings

    name, hint = error.option_name, None
    takes_value = {
        each: not (param.is_flag or param.count)
        for param in ctx.command.params
        if isinstance(param, click.Option)
        for each in param.opts
    }
    if found := spellings(path, takes_value, words):
        flag = next(iter(found))
        if flag[1] != "-" and len(name) == 2 and name[1] in flag:
            name = flag  # click met the first letter of -servername that is no option
        alone = list(found) == [name]
        hint = "; ".join(text if alone else f"{flag}: {text}" for flag, text in found.items())
    elif any(word in commands for word in words):
        hint = f"options follow the command: {ctx.command_path} COMMAND {name}"
    else:
        hint = suggest(name, list(error.possibilities or ()), cutoff=0.75)
    return WrongValue(f"there is no option {name}", hint, ctx=ctx)


def _endpoint(ctx: click.Context, path: str, words: Sequence[str]) -> str | None:
    """The command that was meant where a port stands alone: `netkit tcp connect localhost:80`."""
    from netkit.cli.frame.habits import joined

    argument = next((param for param in ctx.command.params if isinstance(param, click.Argument)), None)
    takes = argument is not None and argument.metavar
    if argument is None or not takes or not (":PORT" in takes or "BIND" in takes):
        return None
    try:
        values, rest, _ = ctx.command.make_parser(ctx).parse_args(list(words))
    except click.UsageError:
        return None
    first = values.get(argument.name)
    given = [*(first if isinstance(first, tuple) else [first] if isinstance(first, str) else []), *rest]
    made = joined(given)
    if made is None or (argument.nargs == 1 and len(made) != 1):
        return None
    if len(given) < len(words):
        # Options with their values are not repeated: there may be a password among them.
        return f"write {' '.join(made)}"
    return f"netkit {path} {shlex.join(made)}"


def _as_typed(names: Sequence[str], ctx: click.Context | None) -> str:
    """The name of an option that was typed, where it has several; the last if that cannot be seen."""
    words: Sequence[str] = () if ctx is None else ctx.meta.get(WORDS, ())
    for name in names:
        whole = name.startswith("--")
        if any(word == name or word.startswith(f"{name}=" if whole else name) for word in words):
            return name
    return names[-1]


def usage_message(error: click.UsageError) -> tuple[str | None, str, str | None]:
    """What to say of a usage error: the command, what is wrong, and the right form if the error has it."""
    ctx = error.ctx
    doing = ctx.command_path.removeprefix("netkit").strip() or None if ctx is not None else None
    hint = error.hint if isinstance(error, (WrongValue, UnknownCommand)) else None
    message = error.message
    if isinstance(error, UnknownCommand):
        doing = None  # the message has the whole of what was typed
    if isinstance(error, click.MissingParameter):
        param = error.param
        name = param.make_metavar(ctx) if param is not None and ctx is not None else "an argument"
        if isinstance(param, click.Option):
            name = f"{max(param.opts, key=len)} {name}"
        message = f"{name} is missing"
    elif isinstance(error, click.BadParameter):
        named = error.param is not None and getattr(error.param, "param_type_name", "") == "option"
        if named and error.param is not None:
            message = f"{_as_typed(error.param.opts, ctx)}: {message}"
    if hint is None and ctx is not None:
        hint = " ".join(ctx.get_usage().removeprefix("Usage: ").split())
    message = message.rstrip(".")
    return doing, message[:1].lower() + message[1:] if message[1:2].islower() else message, hint
