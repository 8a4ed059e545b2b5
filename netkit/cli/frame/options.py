"""Options, and the values they take.

    @command("tls probe", view=ProbeView())
    @options.timeout(10.0)
    @option("--warn-days", type=Number(0, 100_000), help="End with 1 if a certificate expires sooner.")
    def probe(run, timeout, warn_days): ...

A wrong value is a usage error that shows the right form; the types here add this to click's types. Options
that belong together, and that several commands share, are groups (netkit.cli.frame.groups).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

import click

from netkit.errors import hint_of

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from netkit.addr import HostPort, IpAddr
    from netkit.http.url import Url

    class _ParamType(click.ParamType[T]):
        """click's base class, as type checkers see it."""
else:

    class _ParamType(click.ParamType):
        def __class_getitem__(cls, _converted: object) -> type:  # generic only in click from 8.5 on
            return cls


#: What a shell completes as the value: files, host names, or a host name and after a colon a service.
FILE, HOST, ENDPOINT = "file", "host", "endpoint"
#: One of these, or a function that returns the words; it is called only when completions are made.
Complete: TypeAlias = str | Callable[[], Iterable[str]]

#: The key in a click context for the arguments as they were typed: the `input` of JSON rows.
TYPED = "netkit.typed"


class WrongValue(click.BadParameter):
    """A value that cannot be used, and the form it should have."""

    def __init__(self, message: str, hint: str | None = None, **where: Any) -> None:
        super().__init__(message, **where)
        self.hint = hint


class Option(click.Option):
    """An option that knows its section of the help page, and what a shell may complete after it.

    Its type gives the placeholder of the value, unless `metavar` does. The help page shows the default,
    unless `show_default` is False or gives other words for it. `for_show` says that the option chooses what
    is shown of a result, and never changes the result itself: `--resume` goes on with another choice.
    """

    def __init__(
        self,
        *args: Any,
        section: str = "Options",
        complete: Complete | None = None,
        show_default: bool | str | None = None,
        for_show: bool = False,
        **rest: Any,
    ) -> None:
        default = rest.get("default")
        if show_default is None and isinstance(default, (int, float, str)):
            show_default = f"{default:g}" if isinstance(default, float) else str(default)
        super().__init__(*args, **rest)
        self.show_default = show_default
        self.section = section
        self.for_show = for_show
        self.complete = complete or getattr(self.type, "complete", None)
        self.metavar = self.metavar or getattr(self.type, "metavar", None)


def option(*names: str, **rest: Any) -> Callable[[F], F]:
    """`click.option`, with `section` (a heading of the help page) and `complete` (FILE, HOST, words)."""
    return click.option(*names, cls=Option, **rest)


class Argument(click.Argument):
    """A positional argument that knows what a shell may complete in its place: a kind, `words`, or both."""

    def __init__(
        self,
        *args: Any,
        complete: Complete | None = None,
        words: Callable[[], Iterable[str]] | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(*args, **rest)
        self.complete = complete or getattr(self.type, "complete", None)
        self.words = words


def argument(name: str, **rest: Any) -> Callable[[F], F]:
    """`click.argument`, with `complete` (FILE, HOST, words) where its type does not say, and `words`."""
    return click.argument(name, cls=Argument, **rest)


# -- values


class Value(_ParamType[T]):
    """A kind of value: `convert` makes a value from text, and shows the right form if the text is wrong.

    `metavar` is the placeholder on help pages; if it is None, the placeholder is the kind's name in capitals.
    """

    form: str
    metavar: str | None = None
    complete: Complete | None = None

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


class Seconds(Value[float]):
    """A time: `5`, `0.25`, `250ms`, `2m`; 0 only with `zero`. The Python value is a float, in seconds."""

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


class Number(Value[int]):
    """A whole number from `low` to `high` (or without an upper end)."""

    name = "number"
    metavar = "N"

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


def services() -> list[str]:
    """The names of services that a shell completes."""
    from netkit.addr.text import known_services

    return known_services()


def parse_hex(text: str) -> bytes:
    """Octets in hexadecimal, with blanks or colons between them where there are any. Raises ValueError."""
    return bytes.fromhex(text.replace(":", " "))


class Port(Value[int]):
    """A port number, or a service's name."""

    name = "port"
    complete = staticmethod(services)
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


class Address(Value["IpAddr"]):
    """An IP address."""

    name = "address"
    metavar = "ADDR"
    form = "write an IP address, as in 192.0.2.1 or 2001:db8::1"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IpAddr:
        from netkit.addr import AddrParseError, IpAddr

        try:
            return IpAddr.of(value)
        except AddrParseError as error:
            self.wrong(f"{value!r} is not an IP address: {error.reason}", param, ctx)


class Network(Value["IPv4Network | IPv6Network"]):
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


class Endpoint(Value["HostPort"]):
    """HOST:PORT, [v6]:PORT, a service's name for the port, or a URL; HOST alone if there is a default port.

    `:PORT` is a port of this machine (of `empty_host`). The Python value is a `netkit.addr.HostPort`; no name
    is looked up.
    """

    name = "endpoint"
    complete = ENDPOINT

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
            self.wrong(str(error), param, ctx, hint_of(error))

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


class BaseUrl(Value["Url"]):
    """An absolute URL against which references can be resolved."""

    name = "url"
    form = "write it as in https://example.com/a/"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Url:
        from netkit.http.errors import HttpError
        from netkit.http.url import Url

        if isinstance(value, Url):
            return value
        try:
            url = Url.parse(str(value))
            url.resolve("a")  # fails for schemes such as `mailto:`, whose path has no segments
        except HttpError.InvalidUri:
            self.wrong(f"{value!r} is no URL to resolve against", param, ctx)
        return url


class Rate(Value[float]):
    """How often: `100/s`, `30/m`, `5/h`; a bare number is for a second. The Python value is the time between
    two, in seconds."""

    name = "rate"
    metavar = "N/s"
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


class File(Value[str]):
    """The path of a file (`-` for a standard stream, where that makes sense)."""

    name = "file"
    form = "write the path of a file"
    complete = FILE

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if str(value) == "":
            self.wrong("an empty path", param, ctx)
        return str(value)


# -- contradictions


def exclude(one: str, is_one: object, other: str, is_other: object, hint: str | None = None) -> None:
    """Raise WrongValue if both were given."""
    if is_one and is_other:
        raise WrongValue(f"{one} and {other} exclude each other", hint or "choose one of them")


# -- options of probing commands


def timeout(default: float | None) -> Callable[[F], F]:
    """`--timeout SECONDS`, for the whole operation (of one input); the Python argument is `timeout`."""
    return option(
        "--timeout", type=Seconds(), default=default, help="Give up after this time, for the whole operation."
    )
