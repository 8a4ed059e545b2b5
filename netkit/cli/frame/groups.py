"""Options that belong together: a class declares them, and a command gets what was given as one argument.

    class SourceOptions(OptionGroup):
        source: IpAddr | None = field("--source", type=Address(), help="Send from this local address.")

    @command("tls probe", view=ProbeView())
    @option_group(source=SourceOptions)
    def probe(run, source: SourceOptions): ...

Each field is an option. A group is immutable, and refuses in `check` what contradicts itself, so that no
command has to. It behaves like a frozen dataclass with keyword arguments, and is one to type checkers; it is
none because the `dataclasses` module and each class made with it cost more time to import than a command
that only reads its arguments should take.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeVar, dataclass_transform, overload

import click

from netkit._value import Value as Immutable, assign
from netkit.cli.frame.options import Address, F, File, Option, WrongValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from netkit.addr import IpAddr, SocketAddr
    from netkit.cli.frame.context import Color, Mode

T = TypeVar("T")


class Field:
    """The option of a field, as it was declared."""

    def __init__(self, names: tuple[str, ...], how: dict[str, Any]) -> None:
        self.names = names
        self.how = how

    def option(self, parameter: str, **changes: Any) -> Option:
        """The option itself; click hands its value over under the name `parameter`."""
        return Option([*self.names, parameter], **{**self.how, **changes})


@overload
def field(*names: str, type: click.ParamType[T], default: object, **how: Any) -> T: ...
@overload
def field(*names: str, type: click.ParamType[T], multiple: Literal[True], **how: Any) -> tuple[T, ...]: ...
@overload
def field(*names: str, type: click.ParamType[T], **how: Any) -> T | None: ...
@overload
def field(*names: str, count: Literal[True], **how: Any) -> int: ...
@overload
def field(*names: str, metavar: str, **how: Any) -> str | None: ...
def field(*names: str, **how: Any) -> Any:
    """Declare an option with a value; the arguments are those of `netkit.cli.frame.options.option`."""
    return Field(names, how)


def flag(*names: str, help: str) -> bool:  # noqa: A002 - click's own word
    """Declare an option that is given or not."""
    declared: Any = Field(names, {"is_flag": True, "help": help})
    return declared  # type: ignore[no-any-return]  # a type checker sees the value that the field will have


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field, flag))
class OptionGroup(Immutable):
    """The base of all groups. `section` is the heading of their options on the help page."""

    section: ClassVar[str] = "Options"
    fields: ClassVar[dict[str, Field]] = {}

    def __init_subclass__(cls) -> None:
        own = {name: found for name, found in vars(cls).items() if isinstance(found, Field)}
        for name in own:
            delattr(cls, name)
        cls.fields = {**cls.fields, **own}
        cls.__match_args__ = tuple(cls.fields)  # type: ignore[misc]  # known only now

    def __init__(self, **values: Any) -> None:
        for name in self.fields:
            assign(self, name, values[name])
        self.check()

    def check(self) -> None:
        """Raise WrongValue where the values contradict each other."""

    def only_with(self, needed: str, *names: str) -> None:
        """Raise WrongValue where one of the fields is given (of all, if none is named): they are for
        `needed` only."""
        for name in names or self.fields:
            if getattr(self, name):
                spelled = self.spelled(name)
                raise WrongValue(f"{spelled} is for {needed}", f"add {needed}, or leave it out")

    @classmethod
    def spelled(cls, name: str) -> str:
        """How a field is written on the command line: its longest name."""
        return max(cls.fields[name].names, key=len)

    @classmethod
    def options(cls, argument: str, **changes: dict[str, Any]) -> list[Option]:
        """The options; `changes` has what is declared otherwise this time, by the name of the field."""
        return [
            declared.option(f"{argument}__{name}", section=cls.section, **changes.get(name, {}))
            for name, declared in cls.fields.items()
        ]

    @classmethod
    def of(cls, argument: str, given: Mapping[str, Any]) -> Self:
        """The group that click's values make, those of `options(argument)`. Raises WrongValue."""
        return cls(**{name: given[f"{argument}__{name}"] for name in cls.fields})


class Bundle(NamedTuple):
    """Parameters of a command that arrive in its function as one argument: the names that click knows them
    by, and what makes the argument of click's values."""

    parameters: list[str]
    make: Callable[[Mapping[str, Any]], object]

    @classmethod
    def of(cls, params: Sequence[click.Parameter], make: Callable[[Mapping[str, Any]], object]) -> Bundle:
        """The bundle of some parameters."""
        return cls([param.name for param in params], make)


def bundle(
    function: F, argument: str, params: Sequence[click.Parameter], make: Callable[[Mapping[str, Any]], object]
) -> F:
    """Add parameters to a command's function, which gets what `make` makes of their values."""
    attributes = function.__dict__
    attributes.setdefault("__click_params__", []).extend(reversed(params))
    attributes.setdefault("__netkit_bundles__", {})[argument] = Bundle.of(params, make)
    return function


def option_group(**groups: type[OptionGroup]) -> Callable[[F], F]:
    """Add the options of groups to a command; each group is the argument of the name given here."""

    def decorate(function: F) -> F:
        for argument, group in reversed(groups.items()):
            bundle(function, argument, group.options(argument), partial(group.of, argument))
        return function

    return decorate


# -- groups that commands of all kinds share


class FamilyOptions(OptionGroup):
    """`-4` and `-6`."""

    ipv4: bool = flag("-4", help="Use IPv4 only.")
    ipv6: bool = flag("-6", help="Use IPv6 only.")

    def check(self) -> None:
        if self.ipv4 and self.ipv6:
            raise WrongValue("-4 and -6 exclude each other", "without either, both families are tried")

    @property
    def version(self) -> Literal[4, 6] | None:
        """The only IP version to use, if one was asked for."""
        return 4 if self.ipv4 else 6 if self.ipv6 else None


class Origin(NamedTuple):
    """Where to connect from, as the library takes it: AF_INET, AF_INET6 or 0, and an address or None."""

    family: int
    source: SocketAddr | None


class SourceOptions(FamilyOptions):
    """`-4`, `-6` and `--source`: which addresses to connect to, and from which."""

    source: IpAddr | None = field("--source", type=Address(), help="Send from this local address.")

    def resolve(self) -> Origin:
        """The family and the local address. The family of a local address is the only one that will do."""
        from socket import AF_INET, AF_INET6

        from netkit.addr import SocketAddr

        source = None if self.source is None else SocketAddr.new(self.source, 0)
        version = self.version or (None if self.source is None else self.source.version)
        return Origin(0 if version is None else int(AF_INET if version == 4 else AF_INET6), source)


#: Typed by the field that it is for.
_COLORS: Any = click.Choice(["auto", "always", "never"])


class OutputOptions(OptionGroup):
    """How results are written; every command has these."""

    section = "Output"

    json: bool = flag("--json", help="One JSON object a line (its schema: `netkit schema`).")
    plain: bool = flag(
        "--plain", help="Plain text without boxes, for awk; the default when not on a terminal."
    )
    short: bool = flag("--short", help="Only the bare values, one a line.")
    color: Color = field(
        "--color",
        type=_COLORS,
        default="auto",
        show_default=False,
        help="Colour on a terminal, always (with tables, for `less -R`) or never. NO_COLOR is kept.",
    )
    file: str | None = field("-o", "--output", type=File(), help="Write results to FILE.")
    verbose: int = field(
        "-v",
        "--verbose",
        count=True,
        help="Show the dialogue, step by step with timings, on standard error.",
    )
    quiet: bool = flag("-q", "--quiet", help="Nothing but results and the exit code.")

    @classmethod
    def offered(cls, argument: str, modes: Sequence[str], *, short_letters: bool) -> list[Option]:
        """The options of a command that offers only these modes; without `short_letters` (dig's own mean
        other things) only in their long forms."""
        found = []
        for name, declared in cls.fields.items():
            if name in modes or name not in ("json", "plain", "short"):
                names = [each for each in declared.names if each.startswith("--") or short_letters]
                found.append(
                    Field(tuple(names), declared.how).option(f"{argument}__{name}", section=cls.section)
                )
        return found

    @classmethod
    def of(cls, argument: str, given: Mapping[str, Any]) -> Self:
        absent = {f"{argument}__{mode}": False for mode in ("json", "plain", "short")}
        return super().of(argument, {**absent, **given})

    def check(self) -> None:
        wanted = self._modes()
        if len(wanted) > 1:
            raise WrongValue(f"--{wanted[0]} and --{wanted[1]} exclude each other", "choose one of them")

    def _modes(self) -> list[Mode]:
        given: list[tuple[Mode, bool]] = [("json", self.json), ("plain", self.plain), ("short", self.short)]
        return [mode for mode, wanted in given if wanted]

    @property
    def mode(self) -> Mode | None:
        """The form that was asked for."""
        return next(iter(self._modes()), None)
