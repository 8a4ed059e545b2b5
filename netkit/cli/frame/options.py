"""Options that mean the same thing everywhere, under one name, and the values they take.

    @command("tls probe", view=ProbeView())
    @options.timeout(10.0)
    @options.family
    def probe(run, timeout, family): ...

A wrong value is a usage error that shows the right form: that is what each type here adds to click's.
The options of output (`--json`, `-o`, `-v`, ...) come with every command by itself, those of several
inputs with `inputs.many`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from netkit.addr import HostPort, IpAddr

    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # generic for type checkers only, in click before 8.2

F = TypeVar("F", bound=Callable[..., Any])

#: What a shell completes where a value is wanted: files, host names, one of a few words, or nothing.
FILE, HOST = "file", "host"

#: Under which name a click context keeps the arguments as they were typed: the `input` of JSON rows.
TYPED = "netkit.typed"


class WrongValue(click.BadParameter):
    """A value that cannot be used, and the form it should have."""

    def __init__(self, message: str, hint: str | None = None, **where: Any) -> None:
        super().__init__(message, **where)
        self.hint = hint


class Option(click.Option):
    """An option that knows its section of the help page, and what a shell may complete after it."""

    def __init__(
        self, *args: Any, section: str = "Options", complete: str | None = None, **rest: Any
    ) -> None:
        super().__init__(*args, **rest)
        self.section = section
        self.complete = complete or getattr(self.type, "complete", None)


def option(*names: str, **rest: Any) -> Callable[[F], F]:
    """`click.option`, with `section` (a heading of the help page) and `complete` ("file", "host")."""
    return click.option(*names, cls=Option, **rest)


# -- values


class Value(_ParamType):
    """A kind of value: `convert` text into it, `fail` with the right form where it is not one."""

    form: str
    complete: str | None = None

    def __call__(
        self, value: Any, param: click.Parameter | None = None, ctx: click.Context | None = None
    ) -> Any:
        if isinstance(param, click.Argument) and ctx is not None:
            ctx.meta.setdefault(TYPED, []).append(str(value))
        return super().__call__(value, param, ctx)

    def wrong(
        self, message: str, param: click.Parameter | None, ctx: click.Context | None, hint: str | None = None
    ) -> NoReturn:
        raise WrongValue(message, hint or self.form, param=param, ctx=ctx)


class Seconds(Value):
    """A time: `5`, `0.25`, `250ms`, `2m`; 0 only with `zero`. Python sees seconds as a float."""

    name = "seconds"
    form = "write seconds, as in 5 or 0.25, or with a unit, as in 250ms or 2m"
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}  # noqa: RUF012 - a constant

    def __init__(self, *, zero: bool = False) -> None:
        self.zero = zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        text = str(value).strip()
        number, factor = text, 1.0
        for unit, seconds in self.units.items():
            if text.endswith(unit):
                number, factor = text[: -len(unit)], seconds
                break
        try:
            found = float(number) * factor
        except ValueError:
            self.wrong(f"{value!r} is not a time", param, ctx)
        if not 0 <= found < float("inf") or (found == 0 and not self.zero):
            self.wrong(f"{value!r} is not a time {'from 0 up' if self.zero else 'above 0'}", param, ctx)
        return found


class Number(Value):
    """A whole number from `low` to `high` (or without an upper end)."""

    name = "number"

    def __init__(self, low: int = 0, high: int | None = None) -> None:
        self.low, self.high = low, high
        upto = f" to {high}" if high is not None else " up"
        self.form = f"write a whole number from {low}{upto}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value)
        if not (text.isascii() and text.isdigit()):
            self.wrong(f"{value!r} is not a number", param, ctx)
        found = int(text) if len(text) <= 18 else -1
        if found < self.low or (self.high is not None and found > self.high):
            self.wrong(f"{value!r} is out of range", param, ctx)
        return found


class Port(Value):
    """A port number, or a service's name."""

    name = "port"
    form = "write a port from 0 to 65535, or a service, as in 443 or https"

    def __init__(self, proto: str = "tcp") -> None:
        self.proto = proto

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        from netkit.addr import AddrParseError, parse_port

        try:
            return parse_port(str(value), self.proto)
        except AddrParseError as error:
            self.wrong(f"{value!r} is not a port: {error.reason}", param, ctx)


class Address(Value):
    """An IP address."""

    name = "address"
    form = "write an IP address, as in 192.0.2.1 or 2001:db8::1"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IpAddr:
        from netkit.addr import AddrParseError, IpAddr

        try:
            return IpAddr.of(value)
        except AddrParseError as error:
            self.wrong(f"{value!r} is not an IP address: {error.reason}", param, ctx)


class Network(Value):
    """A network in CIDR form; a single address is a network of one."""

    name = "network"
    form = "write a network, as in 192.0.2.0/24 or 2001:db8::/32"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> IPv4Network | IPv6Network:
        from ipaddress import ip_network

        try:
            return ip_network(value)
        except ValueError as error:
            self.wrong(f"{value!r} is not a network: {error}", param, ctx)


class Endpoint(Value):
    """HOST:PORT, [v6]:PORT, a service's name for the port, or a URL; HOST alone if there is a default port.

    `:PORT` is a port of this machine (`empty_host`, 127.0.0.1 unless said otherwise). What comes out is a
    `netkit.addr.HostPort`; nothing has been looked up.
    """

    name = "endpoint"
    complete = HOST

    def __init__(self, default_port: int | None = None, *, empty_host: str = "localhost", proto: str = "tcp"):
        self.default_port = default_port
        self.empty_host = empty_host
        self.proto = proto
        self.form = (
            "write HOST:PORT, [v6]:PORT or a URL, as in example.com:443, [::1]:53 or https://example.com"
        )
        if default_port is not None:
            self.form += f"; without a port it is {default_port}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> HostPort:
        from netkit.addr import HostPort

        if isinstance(value, HostPort):
            return value
        try:
            return self.parse(str(value))
        except ValueError as error:
            self.wrong(str(error), param, ctx, getattr(error, "hint", None))

    def parse(self, text: str) -> HostPort:
        """The endpoint that `text` names. Raises AddrParseError (a ValueError)."""
        from netkit.addr import HostPort

        default = self.default_port
        scheme, separator, rest = text.partition("://")
        if separator and scheme.isalnum():
            text = rest
            for end in "/?#":
                text = text.partition(end)[0]
            text = text.rpartition("@")[2]
            default = _SCHEME_PORTS.get(scheme.lower(), default)
        if text.startswith(":") and not text.startswith("::"):
            text = self.empty_host + text
        return HostPort.parse(text, default, self.proto)


_SCHEME_PORTS = {
    "http": 80,
    "ws": 80,
    "https": 443,
    "wss": 443,
    "dns": 53,
    "tls": 443,
    "ftp": 21,
    "ssh": 22,
    "imaps": 993,
    "smtps": 465,
    "pop3s": 995,
    "ldaps": 636,
}


class Rate(Value):
    """How often: `100/s`, `30/m`, `5/h`; a bare number is a second's. Python sees seconds between two."""

    name = "rate"
    form = "write a number and its unit of time, as in 100/s, 30/m or 5/h"
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}  # noqa: RUF012 - a constant

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        number, _, unit = str(value).partition("/")
        try:
            times, seconds = float(number), self.units[unit or "s"]
        except (ValueError, KeyError):
            self.wrong(f"{value!r} is not a rate", param, ctx)
        if not 0 < times < float("inf"):
            self.wrong(f"{value!r} is not a rate above 0", param, ctx)
        return seconds / times


class File(Value):
    """The path of a file (`-` for a standard stream, where that makes sense)."""

    name = "file"
    form = "write the path of a file"
    complete = FILE

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if str(value) == "":
            self.wrong("an empty path", param, ctx)
        return str(value)


# -- options of probing commands


def timeout(default: float | None) -> Callable[[F], F]:
    """`--timeout SECONDS`, for the whole operation (of one input); Python's `timeout`."""
    return option(
        "--timeout",
        type=Seconds(),
        metavar="SECONDS",
        default=default,
        show_default=default is not None and f"{default:g}",
        help="Give up after this time, for the whole operation.",
    )


def tries(default: int) -> Callable[[F], F]:
    """`--tries N`: how often to ask before giving up."""
    return option(
        "--tries",
        type=Number(1, 100),
        metavar="N",
        default=default,
        show_default=str(default),
        help="How often to try before giving up.",
    )


def family(function: F) -> F:
    """`-4` and `-6`; Python's `family` is 4, 6 or None."""
    for number in (6, 4):
        function = option(
            f"-{number}",
            f"family_{number}",
            is_flag=True,
            help=f"Use IPv{number} only.",
        )(function)
    return function


def source(function: F) -> F:
    """`--source ADDR`: the local address to send from."""
    return option("--source", type=Address(), metavar="ADDR", help="Send from this local address.")(function)


def ca(function: F) -> F:
    """`--ca FILE`: trust these roots instead of the system's."""
    return option(
        "--ca", type=File(), metavar="FILE", help="Trust the certificates in FILE (PEM), not the system's."
    )(function)


def insecure(function: F) -> F:
    """`--insecure`: carry on although the certificate does not verify."""
    return option("--insecure", is_flag=True, help="Go on although the certificate does not verify.")(
        function
    )


# -- options of output, which every command gets

OUTPUT = "Output"


def output_options(modes: tuple[str, ...], *, short_letters: bool) -> list[Option]:
    """The output options of a command that offers `modes`; without `short_letters` (dig's own mean other
    things) only in their long forms."""

    def letters(*names: str) -> list[str]:
        return [name for name in names if name.startswith("--") or short_letters]

    helps = {
        "json": "One JSON object a line (its schema: `netkit schema`).",
        "plain": "Plain text without boxes, for awk; the default when not on a terminal.",
        "short": "Only the bare values, one a line.",
    }
    made = [Option([f"--{mode}"], is_flag=True, section=OUTPUT, help=helps[mode]) for mode in modes]
    made += [
        Option(
            ["--color"],
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            section=OUTPUT,
            help="Colour on a terminal, always (with tables, for `less -R`) or never. NO_COLOR is kept.",
        ),
        Option(
            [*letters("-o"), "--output"],
            type=File(),
            metavar="FILE",
            section=OUTPUT,
            help="Write results to FILE.",
        ),
        Option(
            [*letters("-v"), "--verbose"],
            count=True,
            section=OUTPUT,
            help="Show the dialogue, step by step with timings, on standard error.",
        ),
        Option(
            [*letters("-q"), "--quiet"],
            is_flag=True,
            section=OUTPUT,
            help="Nothing but results and the exit code.",
        ),
    ]
    return made


#: The names under which click hands over what `output_options` declares.
OUTPUT_PARAMS = ("json", "plain", "short", "color", "output", "verbose", "quiet")
