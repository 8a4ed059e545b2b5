"""The options by which every `serve` command injects faults: one group, one argument.

    @command("serve echo", ...)
    @faults
    def echo(run, ..., faults): ...          # a netkit.lab.faults.Faults, or None where none is asked for

The seed in use is said on standard error, so that what a client met can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from netkit.cli.frame.options import Number, Seconds, Value, WrongValue, option

if TYPE_CHECKING:
    import click

    from netkit.cli.frame.command import Run
    from netkit.lab.faults import Faults

F = TypeVar("F", bound=Callable[..., Any])

SECTION = "Faults"

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


class Size(Value):
    """A number of bytes: `1500`, `64k`, `1.5M`, `64Ki`."""

    name = "size"
    form = "write bytes, as in 1500, 64k (64,000) or 64Ki (65,536)"

    def __init__(self, low: int = 0) -> None:
        self.low = low

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _amount(str(value))
        if found is None:
            self.wrong(f"{value!r} is not a size", param, ctx)
        if found != int(found):
            self.wrong(f"{value!r} is not a whole number of bytes", param, ctx)
        if found < self.low:
            self.wrong(f"{value!r} is less than {self.low}", param, ctx)
        return int(found)


class Throughput(Value):
    """Bytes a second: `10k/s`, `1.5M/s`, `500`. Python sees bytes a second as a float."""

    name = "throughput"
    form = "write bytes a second, as in 500/s, 10k/s or 1.5M/s"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = _amount(str(value).strip().removesuffix("/s"))
        if found is None:
            self.wrong(f"{value!r} is not a rate of bytes", param, ctx)
        if found < 1:
            self.wrong(f"{value!r} is less than a byte a second", param, ctx)
        return found


class Share(Value):
    """A share of all: `5%`, `0.05`. Python sees a float above 0 and up to 1."""

    name = "share"
    form = "write a share, as in 5% or 0.05"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value).strip()
        number = text.removesuffix("%").rstrip()
        found = _number(number)
        if found is None:
            self.wrong(f"{value!r} is not a share", param, ctx)
        if number != text:
            found /= 100
        if found > 1:
            hint = f"did you mean {text}%? A share is 5% or 0.05" if number == text and found <= 100 else None
            self.wrong(f"{value!r} is more than all", param, ctx, hint)
        if found == 0:
            self.wrong(f"{value!r} is none", param, ctx, "leave the option out for none")
        return found


class Delay(Value):
    """A time, or two between which it varies: `50ms`, `50ms..200ms`. Python sees a pair of seconds."""

    name = "delay"
    form = "write a time, or two of them for anything between, as in 50ms, 0.2 or 50ms..200ms"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        from netkit.lab.faults import MAX_DELAY

        if isinstance(value, tuple):
            return value
        first, dots, last = str(value).partition("..")
        low = self._seconds(value, first, param, ctx)
        high = self._seconds(value, last, param, ctx) if dots else low
        if high < low:
            self.wrong(f"{value!r}: the second time is shorter than the first", param, ctx)
        if high == 0:
            self.wrong(f"{value!r} is no time", param, ctx)
        if high > MAX_DELAY:
            self.wrong(f"{value!r} is more than {MAX_DELAY:g} seconds", param, ctx)
        return low, high

    def _seconds(
        self, whole: Any, text: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if text.strip() in ("0", "0ms", "0s"):
            return 0.0
        try:
            return Seconds().convert(text, param, ctx)
        except WrongValue:
            self.wrong(f"{whole!r} is not a time", param, ctx)


def faults(function: F) -> F:
    """`--delay`, `--drop`, `--reset-after`, `--throttle`, `--corrupt` and `--seed`; Python's `faults`."""

    @wraps(function)
    def with_faults(run: Run[Any], **params: Any) -> Any:
        return function(run, faults=_faults(run, params), **params)

    made: Any = with_faults
    for names, kind, metavar, help_text in reversed(_OPTIONS):
        made = option(*names, type=kind, metavar=metavar, section=SECTION, help=help_text)(made)
    return made  # type: ignore[no-any-return]


_OPTIONS: tuple[tuple[tuple[str, ...], Value, str, str], ...] = (
    (
        ("--delay", "fault_delay"),
        Delay(),
        "TIME[..TIME]",
        "Send each piece, or datagram, this much later: 50ms, or 50ms..200ms for anything between.",
    ),
    (
        ("--drop", "fault_drop"),
        Share(),
        "SHARE",
        "Reset this share of connections before anything is answered, lose this share of datagrams: 5%.",
    ),
    (
        ("--reset-after", "fault_reset_after"),
        Size(),
        "SIZE",
        "Reset a connection when so many bytes were sent on it: 64k. Not for datagrams.",
    ),
    (
        ("--throttle", "fault_throttle"),
        Throughput(),
        "SIZE/s",
        "Send no faster than this on each connection, or UDP socket: 10k/s.",
    ),
    (
        ("--corrupt", "fault_corrupt"),
        Share(),
        "SHARE",
        "Flip a bit in this share of pieces (and 16 KiB of one) or datagrams: 0.1%.",
    ),
    (
        ("--seed", "fault_seed"),
        Number(),
        "N",
        "Choose what meets which fault as in the run that said this seed.",
    ),
)


def _faults(run: Run[Any], params: dict[str, Any]) -> Faults | None:
    """The faults asked for, taken out of `params`, and their seed said."""
    taken = {name: params.pop(f"fault_{name}") for name in _NAMES}
    asked = {name: value for name, value in taken.items() if value is not None}
    if not asked:
        return None
    if asked.keys() == {"seed"}:
        raise WrongValue(
            "--seed without a fault", "add --delay, --drop, --reset-after, --throttle or --corrupt"
        )
    from netkit.lab.faults import Faults

    made = Faults(**asked)
    run.env.warn(None, f"faults on purpose: {made}", f"--seed {made.seed} makes the same choices again")
    return made


_NAMES = ("delay", "drop", "reset_after", "throttle", "corrupt", "seed")


def injected(faults: Faults | None) -> dict[str, int]:
    """What was injected, for a server's counts: nothing where no fault was asked for."""
    return {} if faults is None else faults.injected.counts()


def _amount(text: str) -> float | None:
    """A number of bytes with its unit; None if it is not one."""
    text = text.strip()
    digits = text.rstrip("kKmMgGiIbB")
    unit = text[len(digits) :].lower().removesuffix("b")
    number = _number(digits.rstrip())
    return None if number is None or unit not in _UNITS else number * _UNITS[unit]


def _number(text: str) -> float | None:
    """A finite number from 0 up, in plain digits."""
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        return None
    return float(text)
