"""The results of `netkit resolve`, and the forms in which they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict, cast

from netkit.cli.frame.cells import Column
from netkit.cli.frame.fields import Address
from netkit.cli.frame.view import View
from netkit.cli.payload.dns.history import QueryRow, Unanswered, history_rows, unanswered
from netkit.cli.payload.dns.idn import safe_unicode
from netkit.dns.name import Name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.exits import Failure
    from netkit.dns.host import FoundHost, FoundNames
    from netkit.dns.policy.steps import Step

UNREACHABLE = "unreachable"
#: The least width of a terminal for the column of the family, which the address shows as well.
WIDE = 100


class AddressRow(TypedDict):
    """One address, in the order to try them."""

    address: Address
    family: Annotated[Literal[4, 6], "IPv4 or IPv6"]
    source: Annotated[
        Literal["literal", "hosts", "dns", "system"],
        "Where it was found: written as an address, in the hosts file, by name servers, or by getaddrinfo(3)",
    ]
    name: Annotated[
        str, "The name under which it was found: with the search list applied and aliases followed"
    ]
    name_unicode: Annotated[str | None, "The name with its IDNA labels in Unicode; null if it has none"]
    ttl_s: Annotated[int | None, "Seconds it may be kept; null if the source does not say"]
    reached_from: Annotated[
        Address | None, "The local address that a connection would have; null if there is no route"
    ]


class ResolveRow(TypedDict):
    """The addresses of a name."""

    host: str
    port: Annotated[int | None, "null if none was given"]
    addresses: Annotated[list[AddressRow], "Best first (RFC 6724)"]
    aliases: Annotated[list[str], "The names that are aliases of another name (CNAME), in order"]
    problems: Annotated[list[str], "Why the addresses of one family are not known"]
    not_asked: Annotated[list[str], "Sources of nsswitch.conf that netkit does not know"]
    history: Annotated[list[QueryRow], "Every query that was sent, also without --explain"]
    elapsed_s: float


class NameRow(TypedDict):
    """One name of an address."""

    name: str
    name_unicode: Annotated[str | None, "The name with its IDNA labels in Unicode; null if it has none"]
    source: Annotated[Literal["hosts", "dns"], "From the hosts file, or from name servers (PTR)"]
    ttl_s: Annotated[int | None, "Seconds it may be kept; null if the source does not say"]


class ReverseRow(TypedDict):
    """The names of an address (-x)."""

    address: Address
    names: Annotated[list[NameRow], "The canonical one first"]
    not_asked: Annotated[list[str], "Sources of nsswitch.conf that netkit does not know"]
    history: Annotated[list[QueryRow], "Every query that was sent, also without --explain"]
    elapsed_s: float


class Target(NamedTuple):
    """A name with or without a port, as it was given; with -x, an address."""

    host: str
    port: int | None


class Resolved(NamedTuple):
    """The addresses of a target."""

    target: Target
    found: FoundHost
    elapsed_s: float
    history: Sequence[Step] = ()

    @property
    def text(self) -> str:
        """The target in one form, whatever the form it was given in."""
        host, port = self.target
        if port is None:
            return host
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def aliases(self) -> list[str]:
        """The names from the one that was asked for to the one that has the addresses."""
        names = (alias.name.to_text(True) for answer in self.found.answers for alias in answer.aliases)
        return list(dict.fromkeys(names))

    def rows(self) -> Iterable[tuple[object, ...]]:
        """A row for every address."""
        for order, each in enumerate(self.found.addresses, 1):
            yield (
                order,
                each.address,
                self.target.port,
                f"IPv{each.address.version}",
                each.source,
                each.name,
                each.ttl,
                UNREACHABLE if each.reached_from is None else each.reached_from,
            )

    def to_json(self) -> ResolveRow:
        found = self.found
        return {
            "host": found.host,
            "port": self.target.port,
            "addresses": [
                {
                    "address": str(each.address),
                    "family": 4 if each.address.version == 4 else 6,
                    "source": cast(Any, each.source),
                    "name": each.name,
                    "name_unicode": _unicode(each.name),
                    "ttl_s": each.ttl,
                    "reached_from": None if each.reached_from is None else str(each.reached_from),
                }
                for each in found.addresses
            ],
            "aliases": self.aliases,
            "problems": [str(problem) for problem in found.problems],
            "not_asked": list(found.not_asked),
            "history": history_rows(self.history),
            "elapsed_s": self.elapsed_s,
        }


class Named(NamedTuple):
    """The names of an address (-x)."""

    target: Target
    found: FoundNames
    elapsed_s: float
    history: Sequence[Step] = ()

    @property
    def text(self) -> str:
        """The address in one form, whatever the form it was given in."""
        return str(self.found.address)

    def rows(self) -> Iterable[tuple[object, ...]]:
        """A row for every name."""
        for order, each in enumerate(self.found.names, 1):
            yield order, each.name, each.source, each.ttl

    def to_json(self) -> ReverseRow:
        return {
            "address": self.text,
            "names": [
                {
                    "name": each.name,
                    "name_unicode": _unicode(each.name),
                    "source": cast(Any, each.source),
                    "ttl_s": each.ttl,
                }
                for each in self.found.names
            ],
            "not_asked": list(self.found.not_asked),
            "history": history_rows(self.history),
            "elapsed_s": self.elapsed_s,
        }


class ResolveView(View["Resolved | Named"]):
    """A row for every address, or for every name."""

    schema = ResolveRow | ReverseRow
    failed_schema = Unanswered
    columns = (Column("input", 28), Column("source", 7), Column("addresses, or names", 80))

    def to_json(self, result: Resolved | Named) -> ResolveRow | ReverseRow:
        return result.to_json()

    def failed_json(self, failure: Failure) -> Unanswered:
        return unanswered(failure)

    def label(self, result: Resolved | Named, text: str) -> str:  # noqa: ARG002
        return result.text

    def rows(self, result: Resolved | Named) -> Iterable[Sequence[object]]:
        return result.rows()

    def short(self, result: Resolved | Named) -> Iterable[Line]:
        if isinstance(result, Named):
            return [each.name for each in result.found.names]
        return [str(each.address) for each in result.found.addresses]

    def row(self, result: Resolved | Named) -> Sequence[object]:
        if isinstance(result, Named):
            source = result.found.names[0].source
        else:
            source = result.found.addresses[0].source
        return source, ", ".join(map(str, self.short(result)))

    def table(self, result: Resolved | Named, env: Environment) -> Iterable[Any]:
        from netkit.addr import SocketAddr
        from netkit.cli.render import table, text

        rows: list[tuple[object, ...]] = list(result.rows())
        if isinstance(result, Named):
            named = [(order, _shown(name, env), *rest) for order, name, *rest in rows]
            yield table(("#", "name", "source", "TTL"), named, right=(0, 3))
            return
        titles = ["#", "address", "family", "source", "name", "TTL", "reached from"]
        cells: list[list[Any]] = []
        for order, address, port, family, source, name, ttl, reached_from in rows:
            endpoint = address if port is None else SocketAddr.new(cast(Any, address), cast(Any, port))
            last = text(UNREACHABLE, "red") if reached_from is UNREACHABLE else reached_from
            cells.append([order, endpoint, family, source, _shown(name, env), ttl, last])
        if env.width < WIDE:  # the address shows its family too, and needs the room
            for line in (titles, *cells):
                del line[2]
        yield table(titles, cells, right=(0, len(titles) - 2))
        if result.aliases:
            names = [*result.aliases, result.found.addresses[0].name]
            arrow = " → " if env.encoding.startswith("utf") else " -> "
            yield text(f"aliases: {arrow.join([_shown(name, env) for name in names])}", "dim")


def _unicode(text: str) -> str | None:
    """A name with its IDNA labels in Unicode; None if it has none."""
    if "xn--" not in text.lower():
        return None
    unicode = Name.parse(text).to_unicode(omit_final_dot=True)
    return None if unicode == text else unicode


def _shown(text: object, env: Environment) -> str:
    """A name as it is shown at a terminal: in Unicode where that is safe."""
    name = str(text)
    if "xn--" not in name.lower():
        return name
    return (safe_unicode(Name.parse(name), env.encoding) or name).removesuffix(".")
