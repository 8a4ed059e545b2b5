"""Options that belong together: a class declares them, and a command gets what was given as one argument.

    class SourceOptions(OptionGroup):
        source: IpAddr | None = field("--source", type=Address(), help="Send from this local address.")

    @command("tls probe", view=ProbeView())
    @option_group(source=SourceOptions)
    def probe(run, source: SourceOptions): ...

Each field is an option. A group is immutable, and its `check` refuses options that contradict each other, so
that commands need not do this. A group behaves like a frozen dataclass with keyword arguments, and type
checkers see one. It is not a real dataclass, because importing `dataclasses` and making each class with it
takes too long at start-up.
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
        """The option itself; click passes its value under the name `parameter`."""
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
    """Declare an option without a value: it is given, or it is not."""
    declared: Any = Field(names, {"is_flag": True, "help": help})
    return declared  # type: ignore[no-any-return]  # a type checker sees the value that the field will have


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field, flag))
class OptionGroup(Immutable):
    """The base of all groups. `section` is the heading of their options on the help page."""

    section: ClassVar[str] = "Options"
    fields: ClassVar[dict[str, Field]] = {}

    def __init_subclass__(cls, *, own_first: bool = False) -> None:
        """Take the fields out of the class's body. They stand behind those of the class that it extends;
        with `own_first` before them. A field that replaces another keeps that one's place."""
        own = {name: found for name, found in vars(cls).items() if isinstance(found, Field)}
        for name in own:
            delattr(cls, name)
        new = {name: found for name, found in own.items() if name not in cls.fields}
        inherited = {name: own.get(name, found) for name, found in cls.fields.items()}
        cls.fields = {**new, **inherited} if own_first else {**inherited, **new}
        cls.__match_args__ = tuple(cls.fields)  # type: ignore[misc]  # known only now

    def __init__(self, **values: Any) -> None:
        for name in self.fields:
            assign(self, name, values[name])
        self.check()

    def check(self) -> None:
        """Raise WrongValue where the values contradict each other."""

    def only_with(self, needed: str, *names: str) -> None:
        """Raise WrongValue if one of the fields `names` (default: all) is given, because they work only
        together with the option `needed`."""
        for name in names or self.fields:
            if getattr(self, name):
                spelled = self.spelled(name)
                raise WrongValue(f"{spelled} is for {needed}", f"add {needed}, or leave it out")

    @classmethod
    def spelled(cls, name: str) -> str:
        """How a field is written on the command line: netkit's name for it, which is the field's; else the
        longest (`--cacert` is curl's name for `--ca`)."""
        names, own = cls.fields[name].names, f"--{name.replace('_', '-')}"
        return own if own in names else max(names, key=len)

    @classmethod
    def options(cls, argument: str, **changes: dict[str, Any]) -> list[Option]:
        """The options; `changes` replaces parts of a field's declaration, by the name of the field.

        A field may have another `section` than the group.
        """
        return [
            declared.option(
                f"{argument}__{name}", **{"section": cls.section, **declared.how, **changes.get(name, {})}
            )
            for name, declared in cls.fields.items()
        ]

    @classmethod
    def of(cls, argument: str, given: Mapping[str, Any]) -> Self:
        """The group, made from click's values of `options(argument)`. Raises WrongValue."""
        return cls(**{name: given[f"{argument}__{name}"] for name in cls.fields})


class Bundle(NamedTuple):
    """Parameters of a command that its function gets as one argument: their names in click, and the function
    that makes the argument from click's values."""

    parameters: list[str]
    make: Callable[[Mapping[str, Any]], object]

    @classmethod
    def of(cls, params: Sequence[click.Parameter], make: Callable[[Mapping[str, Any]], object]) -> Bundle:
        """The bundle of some parameters."""
        return cls([param.name for param in params], make)


def bundle(
    function: F, argument: str, params: Sequence[click.Parameter], make: Callable[[Mapping[str, Any]], object]
) -> F:
    """Add parameters to a command's function. The function gets one argument, which `make` makes from their
    values."""
    attributes = function.__dict__
    attributes.setdefault("__click_params__", []).extend(reversed(params))
    attributes.setdefault("__netkit_bundles__", {})[argument] = Bundle.of(params, make)
    return function


def option_group(**groups: type[OptionGroup]) -> Callable[[F], F]:
    """Add the options of groups to a command; the keywords here are the names of the function's arguments."""

    def decorate(function: F) -> F:
        for argument, group in reversed(groups.items()):
            bundle(function, argument, group.options(argument), partial(group.of, argument))
        return function

    return decorate


# -- groups that all kinds of commands share


class FamilyOptions(OptionGroup):
    """`-4` and `-6`."""

    ipv4: bool = flag("-4", help="Use IPv4 only.")
    ipv6: bool = flag("-6", help="Use IPv6 only.")

    def check(self) -> None:
        if self.ipv4 and self.ipv6:
            raise WrongValue("-4 and -6 exclude each other", "without either, both families are tried")

    @property
    def version(self) -> Literal[4, 6] | None:
        """The IP version to use; None for both."""
        return 4 if self.ipv4 else 6 if self.ipv6 else None


class Origin(NamedTuple):
    """Where to connect from, as arguments of the library: AF_INET, AF_INET6 or 0, and an address or None."""

    family: int
    source: SocketAddr | None


class SourceOptions(FamilyOptions):
    """`-4`, `-6` and `--source`: which addresses to connect to, and from which."""

    source: IpAddr | None = field("--source", type=Address(), help="Send from this local address.")

    def resolve(self) -> Origin:
        """The family and the local address. A local address also decides the family."""
        from socket import AF_INET, AF_INET6

        from netkit.addr import SocketAddr

        source = None if self.source is None else SocketAddr.new(self.source, 0)
        version = self.version or (None if self.source is None else self.source.version)
        return Origin(0 if version is None else int(AF_INET if version == 4 else AF_INET6), source)


#: The type checker gives it the type of the field that it is for.
_COLORS: Any = click.Choice(["auto", "always", "never"])


class OutputOptions(OptionGroup):
    """How results are written; every command has these."""

    section = "Output"
    #: Where a command has its own meaning for short letters: those that it leaves to these options.
    letters: ClassVar[frozenset[str]] = frozenset()
    #: Options that the command has in another meaning.
    withheld: ClassVar[frozenset[str]] = frozenset()

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
        help="Colour on a terminal, always (with tables, for `less -R`) or never. NO_COLOR is respected.",
    )
    file: str | None = field("-o", "--output", type=File(), help="Write results to FILE.")
    verbose: int = field(
        "-v",
        "--verbose",
        count=True,
        help="Show the dialogue, step by step with timings, on standard error.",
    )
    quiet: bool = flag("-q", "--quiet", help="Write only results: no messages, no progress.")

    @classmethod
    def offered(cls, argument: str, modes: Sequence[str], *, short_letters: bool) -> list[Option]:
        """The options of a command that offers only these modes. Without `short_letters`, only the long forms
        (in dig, the short ones mean other things)."""
        found = []
        for name, declared in cls.fields.items():
            if name in cls.withheld:
                continue
            if name in modes or name not in ("json", "plain", "short"):
                names = [
                    each
                    for each in declared.names
                    if each.startswith("--") or short_letters or each in cls.letters
                ]
                found.append(
                    Field(tuple(names), declared.how).option(f"{argument}__{name}", section=cls.section)
                )
        return found

    @classmethod
    def of(cls, argument: str, given: Mapping[str, Any]) -> Self:
        absent: dict[str, Any] = {f"{argument}__{mode}": False for mode in ("json", "plain", "short")}
        absent |= {f"{argument}__{name}": None for name in cls.withheld}
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
