"""The options of `netkit dig` that ask several servers, or ask again: --compare, --watch, --until, ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from netkit.cli.commands.dig.servers import Server, parse_server
from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.options import HOST, Number, Seconds, Value, WrongValue

if TYPE_CHECKING:
    import click


AUTH = "auth"
COMPARE_FORM = "write --compare auth, or servers: --compare 192.0.2.1,ns2.example.com"


class Wanted(NamedTuple):
    """Who is compared: the authoritative servers, and those that are named."""

    auth: bool
    servers: tuple[Server, ...]


class WantedServers(Value[Wanted]):
    """Servers behind --compare, with commas between them; `auth` is one of them."""

    name = "servers"
    metavar = "SERVER,...|auth"
    form = COMPARE_FORM
    complete = HOST

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Wanted:
        if isinstance(value, Wanted):
            return value
        words = [word.removeprefix("@") for word in str(value).split(",")]
        if "" in words:
            self.wrong("a server is missing", param, ctx)
        return Wanted(AUTH in words, tuple([parse_server(word) for word in words if word != AUTH]))


def join_servers(first: str, rest: list[str]) -> str:
    """The value of --compare: `first`, and those of the words behind it that can only be servers.

    `rest` has the words in reverse order; what is taken is removed. A name is a server only as the first of
    them or with an @, because else it is the name to ask for.
    """
    if first.startswith("-"):
        raise WrongValue("--compare: a server is missing", COMPARE_FORM)
    found = [first]
    while rest and (rest[-1] == AUTH or rest[-1].startswith("@") or _is_place(rest[-1])):
        found.append(rest.pop())
    return ",".join(found)


def _is_place(word: str) -> bool:
    from netkit.addr import AddrParseError, HostPort

    if "://" in word:
        return True
    try:
        return not isinstance(HostPort.parse(word.partition("#")[0], 0, "udp").host, str)
    except AddrParseError:
        return False


_SECTION = "Comparing and watching"


class CompareOptions(OptionGroup):
    """Whether several servers are compared, and which."""

    section = _SECTION

    compare: tuple[Wanted, ...] = field(
        "--compare",
        type=WantedServers(),
        multiple=True,
        help="Ask the same of several servers, and show how they differ; `auth`: of all authoritative "
        "servers of the zone. Exit code 1 if they do.",
    )


class WatchOptions(OptionGroup):
    """Whether and when a question is asked again, and until when."""

    section = _SECTION

    watch: bool = flag(
        "--watch", help="Ask again when the TTL of the answer has ended, and show what changes."
    )
    until: str | None = field(
        "--until",
        metavar="EXPR",
        help="End when this holds (at all servers): changed, exists, answer=DATA, rcode=CODE, ttl<=N, "
        "serial>=N, agree; with not, and, or, parentheses.",
    )
    interval: float | None = field(
        "--interval",
        type=Seconds(),
        help="Ask authoritative servers this often, whatever the TTL; others at most this often.",
    )
    count: int | None = field("--count", type=Number(1), help="End after asking this often.")

    def check(self) -> None:
        if not self.watch:
            self.only_with("--watch", "until", "interval", "count")
