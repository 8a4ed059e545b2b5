"""dig's +flags, read from the words of a command line and offered as long options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.commands.dig.grammar.flags_asking import ABSENT, ASKING, IDLE, RETRY
from netkit.cli.commands.dig.grammar.flags_showing import NOTHING, SHORT, SHOWING, WHOLE
from netkit.cli.frame.groups import bundle
from netkit.cli.frame.messages import suggest
from netkit.cli.frame.options import F, Option, Value, WrongValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import click

    from netkit.cli.commands.dig.grammar.flag import Flag

_FLAGS: dict[str, Flag] = {name: flag for flag in (*ASKING, *SHOWING) for name in (flag.name, *flag.aliases)}
_FLAGS |= {"retry": RETRY, "short": SHORT} | {flag.name: flag for flag in WHOLE}


def flag_rows(flags: Iterable[Flag]) -> list[tuple[str, str]]:
    """Rows for the help page and the manual."""
    return [(flag.spelled, flag.help) for flag in flags]


def read_flag(word: str) -> tuple[Flag, Any]:
    """The flag that `+word` names, and its value (True or False if it is on or off).

    Raises WrongValue for an unknown or ambiguous flag, and for a wrong value.
    """
    name, equals, text = word[1:].partition("=")
    name = name.lower()
    on = not name.startswith("no")
    flag = _find_flag(name if on else name[2:], word, on)
    if flag.value is None:
        # BIND's dig takes any value for these, and does nothing with it.
        if equals and flag is not NOTHING and not (flag is SHORT and text.isdecimal()):
            raise WrongValue(f"{word}: +{flag.name} takes no value", f"write +{flag.name} or +no{flag.name}")
        return flag, on
    if not on:
        if not flag.off or equals:
            raise WrongValue(f"{word}: +{flag.name} cannot be switched off", f"write {flag.spelled}")
        return flag, False
    if not equals:
        if not flag.optional:
            raise WrongValue(f"{word}: a value is missing", f"write {flag.spelled}")
        return flag, True
    try:
        value = flag.value.convert(text, None, None)
    except WrongValue as error:
        raise WrongValue(f"{word}: {error.message}", error.hint) from None
    return (_FLAGS["tries"], value + 1) if flag is RETRY else (flag, value)


def _find_flag(name: str, word: str, on: bool) -> Flag:
    if name in _FLAGS:
        return _FLAGS[name]
    absent = ABSENT.keys() | IDLE
    close = {known for known in (*_FLAGS, *absent) if known.startswith(name)} if name else set()
    if name in absent:
        close = {name}
    found = {_FLAGS[known].name if known in _FLAGS else known for known in close}
    if len(found) == 1:
        only = found.pop()
        if only in _FLAGS:
            return _FLAGS[only]
        if only in IDLE or not on:
            return NOTHING
        raise WrongValue(f"{word}: BIND's dig has this flag, netkit dig does not", ABSENT[only])
    if found:
        raise WrongValue(
            f"{word} could be {_either([f'+{each}' for each in sorted(found)])}", "write more letters of it"
        )
    no = "" if on else "no"
    hint = suggest(f"+{no}{name}", [f"+{no}{known}" for known in _FLAGS])
    raise WrongValue(f"there is no flag {word}", hint or "`netkit dig --help` lists the flags there are")


def _either(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def flag_options(function: F) -> F:
    """Add the long option of each flag; the function gets the given ones as `flags`, by name."""
    made = []
    for title, flags in (("Showing", (*SHOWING, *WHOLE)), ("Asking", ASKING)):
        for each in flags:
            shown = title == "Showing"
            made += [Option(names, section=title, for_show=shown, **how) for names, how in _options_of(each)]
    return bundle(function, "flags", made, _flags_of)


def _options_of(flag: Flag) -> list[tuple[list[str], dict[str, Any]]]:
    dest, long = f"flag_{flag.name.replace('-', '_')}", flag.option
    if flag.value is None:
        return [([f"--{long}/--no-{long}", dest], {"default": None, "help": flag.help})]
    how: dict[str, Any] = {"type": flag.value, "metavar": flag.metavar, "help": flag.help}
    made: list[tuple[list[str], dict[str, Any]]] = [([f"--{long}", dest], how)]
    if flag.adds:
        how["multiple"] = True
    if flag.optional:
        # The option may be given without a value. `rewrite` ensures that only text after an equals sign is
        # one.
        how |= {"is_flag": False, "flag_value": _ALONE, "metavar": f"[={flag.metavar}]"}
        how["type"] = _Optional(flag.value)
    if flag.off:
        made.append(
            ([f"--no-{long}", f"no_{dest}"], {"is_flag": True, "help": f"Ask without: +no{flag.name}."})
        )
    return made


_ALONE = ""


class _Optional(Value[Any]):
    """A value that may be missing: then it is True."""

    def __init__(self, inner: Value[Any]) -> None:
        self.inner = inner
        self.name = inner.name
        self.form = inner.form

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return True if value in (_ALONE, True) else self.inner.convert(value, param, ctx)


def _flags_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that were given as long options, by name."""
    given = {}
    for name, value in params.items():
        if name.startswith("flag_") and value not in (None, ()):
            flag = name.removeprefix("flag_").replace("_", "-")
            given[flag] = [each for part in value for each in part] if _FLAGS[flag].adds else value
        elif name.startswith("no_flag_") and value:
            given[name.removeprefix("no_flag_").replace("_", "-")] = False
    return given
