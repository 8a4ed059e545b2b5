"""The options of every `serve` command that inject faults: one group, one argument.

@command("serve echo", ...)
@option_group(faults=FaultOptions)
def echo(run, ..., faults: FaultOptions):
    injected = faults.injected(run.env)      # a netkit.lab.faults.Faults, or None without fault options
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.frame.groups import OptionGroup, field
from netkit.cli.frame.options import Number, Seconds, Value, WrongValue

if TYPE_CHECKING:
    import click

    from netkit.cli.frame.context import Environment
    from netkit.lab.faults import Faults

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


class Size(Value[int]):
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


class Throughput(Value[float]):
    """Bytes a second: `10k/s`, `1.5M/s`, `500/s`. Python sees bytes a second as a float.

    A number alone is refused, here and in the two below: whoever writes 5 may mean 5% or 500%, milliseconds
    or seconds, bytes or kilobytes.
    """

    name = "throughput"
    metavar = "SIZE/s"
    form = "write bytes a second, as in 500/s, 10k/s or 1.5M/s"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value).strip()
        found = _amount(text.removesuffix("/s"))
        if found is not None and _number(text) is not None:
            self.wrong(f"{value!r} has no unit", param, ctx, f"write {text}/s for bytes, or {text}k/s")
        if found is None:
            self.wrong(f"{value!r} is not a rate of bytes", param, ctx)
        if found < 1:
            self.wrong(f"{value!r} is less than a byte a second", param, ctx)
        return found


class Share(Value[float]):
    """A share of all: `5%`. Python sees a float above 0 and up to 1."""

    name = "share"
    form = "write a share, as in 5% or 0.1%"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value).strip()
        number = text.removesuffix("%").rstrip()
        found = _number(number)
        if found is None:
            self.wrong(f"{value!r} is not a share", param, ctx)
        if number == text:
            forms = f"{text}%" if found > 1 else f"{text}%, or {found * 100:g}% for {text} of all"
            self.wrong(f"{value!r} has no unit", param, ctx, f"write {forms}")
        found /= 100
        if found > 1:
            self.wrong(f"{value!r} is more than all", param, ctx)
        if found == 0:
            self.wrong(f"{value!r} is none", param, ctx, "leave the option out for none")
        return found


class Delay(Value[tuple[float, float]]):
    """A time, or a range of times: `50ms`, `50ms..200ms`. The Python value is a pair, in seconds."""

    name = "delay"
    metavar = "TIME[..TIME]"
    form = "write a time, or two of them for anything between, as in 50ms, 0.2s or 50ms..200ms"

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
        if _number(text.strip()) is not None:
            forms = f"{text.strip()}ms or {text.strip()}s"
            self.wrong(
                f"{whole!r} has no unit", param, ctx, f"write {forms}, or 50ms..200ms for anything between"
            )
        try:
            return Seconds().convert(text, param, ctx)
        except WrongValue:
            self.wrong(f"{whole!r} is not a time", param, ctx)


class FaultOptions(OptionGroup):
    """Which faults to inject; the fields are those of netkit.lab.faults.Faults."""

    section = "Faults"

    delay: tuple[float, float] | None = field(
        "--delay",
        type=Delay(),
        help="Delay each piece of data, or datagram: by 50ms, or by a random time, 50ms..200ms.",
    )
    drop: float | None = field(
        "--drop",
        type=Share(),
        help="Reset this share of connections before any answer; lose this share of datagrams: 5%.",
    )
    reset_after: int | None = field(
        "--reset-after",
        type=Size(),
        help="Reset a connection after this many bytes were sent on it: 64k. Not for datagrams.",
    )
    throttle: float | None = field(
        "--throttle",
        type=Throughput(),
        help="Send no faster than this on each connection, or UDP socket: 10k/s.",
    )
    corrupt: float | None = field(
        "--corrupt",
        type=Share(),
        help="Flip a bit in this share of pieces of data (of at most 16 KiB each) or datagrams: 0.1%.",
    )
    seed: int | None = field(
        "--seed", type=Number(), help="Repeat the random choices of the run that printed this seed."
    )

    def check(self) -> None:
        if self.seed is not None and not self.has_faults():
            hint = "add --delay, --drop, --reset-after, --throttle or --corrupt"
            raise WrongValue("--seed without a fault", hint)

    def has_faults(self) -> bool:
        """Whether there is anything that the seed is for."""
        return bool(self._asked())

    def _asked(self) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in FaultOptions.fields if name != "seed"}
        return {name: value for name, value in given.items() if value is not None}

    def injected(self, env: Environment) -> Faults | None:
        """The faults; None without fault options. Prints their seed, so that a user can repeat the same
        faults."""
        asked = self._asked()
        if not asked:
            return None
        from netkit.lab.faults import Faults

        made = Faults(**asked, seed=self.seed)
        env.warn(None, f"faults on purpose: {made}", f"--seed {made.seed} makes the same choices again")
        return made


def fault_counts(faults: Faults | None) -> dict[str, int]:
    """How many faults were injected, for a server's counts; empty without fault options."""
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
