"""The options of one line in a file of -f: they are for its query, in place of those of the command line.

In BIND's dig `+short`, `+yaml`, `-p`, `-b`, `-4`, `-6`, `-k` and `-y` are for the line and all after it. Here
lines are independent of each other, because they are asked side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.commands.dig.grammar.secrets import SECRET_OPTIONS
from netkit.cli.commands.dig.servers import check_port
from netkit.cli.frame.options import Port, Value, WrongValue
from netkit.cli.frame.tsig import TsigKeyText, read_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from netkit.addr import SocketAddr
    from netkit.dns.tsig.keys import TsigKey

#: The options that have a value, and those that are known to have none.
TAKES_VALUE = dict.fromkeys(("-p", "-b", "-k", "-y", "-f", *SECRET_OPTIONS), True)

#: What these say, as the flags of a query.
_FLAGS: dict[str, tuple[str, Any]] = {
    "-4": ("family", 4),
    "-6": ("family", 6),
    "-u": ("microseconds", True),
    "--short": ("short", True),
    "+noshort": ("short", False),
    "--yaml": ("yaml", True),
    "--no-yaml": ("yaml", False),
    "--rfc8427": ("json", True),
    "--no-rfc8427": ("json", False),
}

#: What is about the whole output, or has done what it does.
_IDLE = frozenset(("-r", "--show-command", "--no-show-command"))


class Source(Value["SocketAddr"]):
    """The local address of queries, with a port if one is given (after #, as in BIND's dig)."""

    name = "source"
    form = "write an address of this machine, as in 192.0.2.1, or with a port, as in 192.0.2.1#5353"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> SocketAddr:
        from netkit.addr import AddrParseError, IpAddr, SocketAddr, parse_port

        address, sign, port = str(value).partition("#")
        try:
            return SocketAddr.new(IpAddr.parse(address), parse_port(port, "udp") if sign else 0)
        except AddrParseError as error:
            self.wrong(f"{value!r} is not an address: {error.reason}", param, ctx)


def line_flags(given: Sequence[str], *, has_proxy: bool) -> dict[str, Any]:
    """What the options of a line say, by the names of flags. With a proxy, that and not the server is reached
    from the address of -b.

    Raises WrongValue, OSError, TsigError.KeyFile.
    """
    found: dict[str, Any] = {}
    rest = list(reversed(given))
    while rest:
        word = rest.pop()
        if word in _IDLE:
            continue
        if word in _FLAGS:
            name, value = _FLAGS[word]
            if name == "family" and found.get(name, value) != value:
                raise WrongValue("-4 and -6 exclude each other", "without either, both families are tried")
            found[name] = value
            continue
        option = word[:2]
        if option not in ("-p", "-b", "-k", "-y"):
            # Without the value, which may be a secret.
            shown = word.partition("=")[0] if option == "--" else option
            raise WrongValue(f"{shown} belongs on the command line")
        text = word[2:] or rest.pop()
        if option == "-p":
            found["port"] = _converted(Port("udp"), option, text)
            check_port(found["port"], option)
        elif option == "-b":
            found["source"] = _converted(Source(), option, text)
        elif "key" in found:
            raise WrongValue("two keys for one query", "leave one of -y and -k out")
        elif option == "-y":
            found["key"] = _converted(TsigKeyText(allow_md5=True), option, text)
        else:
            found["key"] = only_key(text)
    if "source" in found and not has_proxy:
        found["family"] = family_of(found.get("family"), found["source"])
    return found


def _converted(value: Value[Any], option: str, text: str) -> Any:
    try:
        return value.convert(text, None, None)
    except WrongValue as error:
        raise WrongValue(f"{option}: {error.message}", error.hint) from None


def only_key(path: str) -> TsigKey:
    """The key in a file. Raises OSError, TsigError.KeyFile, WrongValue."""
    keys = read_keys([path], allow_md5=True)
    if len(keys) > 1:
        raise WrongValue(f"{path} has {len(keys)} keys", "make a file with the one key to sign with")
    return keys[0]


def family_of(family: int | None, source: SocketAddr | None) -> int | None:
    """The version of IP to use, where queries are sent from `source`. Raises WrongValue."""
    if source is None:
        return family
    if family not in (None, source.ip.version):
        raise WrongValue(f"-{family} contradicts -b {source.ip}", "leave one of the two out")
    return source.ip.version
