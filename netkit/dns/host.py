"""Find the addresses of a host, or the names of an address, as this system does, with details of the search.

`find_addresses_flow` asks the sources of nsswitch.conf(5) in order. `files` is the hosts file. `dns` asks
for A and AAAA at the same time, for each name of the search list in turn; where only one of them is answered,
the other is not waited for to the end. Other sources (mdns, resolve,
myhostname) are not asked; the result lists them. The addresses are in the order of RFC 6724, in which a
connect tries them.

Programs call `Resolver.find_host` and `Resolver.find_names`.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from netkit._log import Log
from netkit.addr import AddrParseError, IpAddr
from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.name import Name
from netkit.dns.records.base import DnsRecord
from netkit.io import sleep_until
from netkit.io.compose import Join
from netkit.net.order import order_destinations, source_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from ipaddress import IPv4Address, IPv6Address

    from netkit.dns.policy.answer import Answer
    from netkit.dns.resolver import Resolver
    from netkit.io import Flow, Outcome
    from netkit.io.compose import Branch

    SourceOf = Callable[[IpAddr], IpAddr | None]

log = Log("netkit.dns")

#: The source of an address: the host is an address itself, the hosts file, name servers, getaddrinfo(3).
LITERAL, HOSTS, DNS, SYSTEM = "literal", "hosts", "dns", "system"

#: How many seconds the addresses of one family wait for those of the other, at least.
GRACE = 0.25


class HostAddress(NamedTuple):
    """One address of a host.

    `source` is `"literal"`, `"hosts"`, `"dns"` or `"system"`. `name` is the name that has the address, after
    the search list and the aliases. `ttl` is how many seconds the result is valid (None: unknown).
    `reached_from` is this machine's source address for a connection to the address; None: no route.
    """

    address: IpAddr
    source: str
    name: str
    ttl: int | None
    reached_from: IpAddr | None


class HostName(NamedTuple):
    """One name of an address; `source` and `ttl` as in HostAddress."""

    name: str
    source: str
    ttl: int | None


class FoundHost:
    """The addresses of `host`, in the order to try them, and how they were found.

    `not_asked` are earlier sources of nsswitch.conf(5) that netkit does not support. `problems` are the
    errors of one address family, if only the other family was found. `answers` are the name servers'
    answers.
    """

    __slots__ = ("addresses", "answers", "host", "not_asked", "problems")

    def __init__(
        self,
        host: str,
        addresses: Iterable[HostAddress],
        *,
        not_asked: Iterable[str] = (),
        problems: Iterable[DnsError] = (),
        answers: Iterable[Answer] = (),
    ) -> None:
        self.host = host
        self.addresses = tuple(addresses)
        self.not_asked = tuple(not_asked)
        self.problems = tuple(problems)
        self.answers = tuple(answers)

    def __repr__(self) -> str:
        return f"<FoundHost {self.host}: {', '.join(str(each.address) for each in self.addresses)}>"


class FoundNames:
    """The names of `address`, its canonical one first; `not_asked` as in FoundHost."""

    __slots__ = ("address", "names", "not_asked")

    def __init__(self, address: IpAddr, names: Iterable[HostName], *, not_asked: Iterable[str] = ()) -> None:
        self.address = address
        self.names = tuple(names)
        self.not_asked = tuple(not_asked)

    def __repr__(self) -> str:
        return f"<FoundNames {self.address}: {', '.join(each.name for each in self.names)}>"


def find_addresses_flow(
    resolver: Resolver,
    host: str,
    family: int = 0,
    *,
    source_of: SourceOf = source_address,
    grace: float = GRACE,
) -> Flow[FoundHost]:
    """Flow: find the addresses of `host` in the first source that knows it.

    `family` 4 or 6 selects one address family. If only one family has come, the other is awaited for `grace`
    seconds, or for as long again as the first took. Raises DnsError.HostNotFound if every source says that
    the host does not exist; otherwise the error of a source that failed.
    """
    literal = _literal(host)
    if literal is not None:
        if family not in (0, literal.version):
            raise DnsError.HostNotFound(name=host, hint=f"it is an IPv{literal.version} address")
        return FoundHost(host, _ordered([HostAddress(literal, LITERAL, host, None, None)], source_of))
    host = host or "localhost"
    not_asked: list[str] = []
    failure: DnsError | None = None
    for source in resolver.sources:
        found: FoundHost | None = None
        if source.name == "files":
            here = [one for one in resolver.hosts.addresses(host) if family in (0, one.version)]
            log.debug("hosts file: %s: %s", host, ", ".join(map(str, here)) or "not there")
            if here:
                found = FoundHost(host, [HostAddress(one, HOSTS, host, None, None) for one in here])
            status = "SUCCESS" if here else "NOTFOUND"
        elif source.name == "dns":
            try:
                found = yield from _addresses_from_dns(resolver, host, family, grace)
                status = "SUCCESS"
            except DnsError.InvalidName:
                raise
            except DnsError as error:
                failure, status = _worse(failure, error), _status(error)
        else:
            log.debug("%s is not asked: netkit does not know this source", source.name)
            not_asked.append(source.name)
            continue
        if found is not None:
            found.addresses = tuple(_ordered(found.addresses, source_of))
            found.not_asked = tuple(not_asked)
            return found
        if status in source.ends_on:
            break
    raise _not_found(host, failure, not_asked)


def find_addresses_by_system_flow(
    host: str, family: int = 0, *, source_of: SourceOf = source_address
) -> Flow[FoundHost]:
    """Flow: find the addresses of `host` with getaddrinfo(3), in its own order, for comparison.

    Raises netkit.net.ResolveError.
    """
    import socket

    from netkit.net.resolve import system_resolver

    only = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}.get(family, 0)
    found = yield from system_resolver(host, 0, only)
    return FoundHost(
        host,
        [HostAddress(addr.ip, SYSTEM, host, None, source_of(addr.ip)) for addr in found],
    )


def find_names_flow(resolver: Resolver, address: IPv4Address | IPv6Address | str) -> Flow[FoundNames]:
    """Flow: find the names of an address in the first source that knows it.

    Raises DnsError.NotFound or NoData if every source says that there is no name; otherwise the error of a
    source that failed.
    """
    parsed = IpAddr.of(address)
    not_asked: list[str] = []
    failure: DnsError | None = None
    for source in resolver.sources:
        names: list[HostName] = []
        status = "NOTFOUND"
        if source.name == "files":
            here = resolver.hosts.names(parsed)
            log.debug("hosts file: %s: %s", parsed, ", ".join(here) or "not there")
            names = [HostName(name, HOSTS, None) for name in here]
        elif source.name == "dns":
            try:
                names = yield from _names_from_dns(resolver, parsed)
            except DnsError as error:
                failure, status = _worse(failure, error), _status(error)
        else:
            log.debug("%s is not asked: netkit does not know this source", source.name)
            not_asked.append(source.name)
            continue
        if names:
            return FoundNames(parsed, names, not_asked=not_asked)
        if status in source.ends_on:
            break
    raise failure or DnsError.NotFound(name=str(parsed), hint=_instead(not_asked))


def _addresses_from_dns(resolver: Resolver, host: str, family: int, grace: float) -> Flow[FoundHost]:
    kinds = [
        kind for kind, version in ((DnsRecordType.AAAA, 6), (DnsRecordType.A, 4)) if family in (0, version)
    ]
    if resolver.no_aaaa:
        kinds = [kind for kind in kinds if kind != DnsRecordType.AAAA]
        if not kinds:
            raise DnsError.HostNotFound(name=host, hint="resolv.conf says that no AAAA records are asked for")
    failure: DnsError | None = None
    exists = False
    tried: list[str] = []
    for name in resolver.candidates(host):
        flows = [resolver.resolve_flow(name, kind) for kind in kinds]
        outcomes = yield from _with_grace(flows, grace)
        errors: list[DnsError] = []
        for kind, outcome in zip(kinds, outcomes, strict=True):
            if outcome is None:
                hint = "the addresses of the other family came, and were not kept waiting"
                errors.append(DnsError.Timeout(name=name, rdtype=kind, hint=hint))
            elif isinstance(outcome.error, DnsError):
                errors.append(outcome.error)
            elif outcome.error is not None:
                raise outcome.error
        problems = [error for error in errors if not _is_denial(error)]
        answers = [one.value for one in outcomes if one is not None and one.value is not None]
        if answers:
            addresses = [
                HostAddress(record.address, DNS, record.name.to_text(omit_final_dot=True), answer.ttl, None)
                for answer in answers
                for record in answer.records
                if isinstance(record, (DnsRecord.A, DnsRecord.AAAA))
            ]
            return FoundHost(host, addresses, problems=problems, answers=answers)
        exists = exists or (not problems and any(isinstance(error, DnsError.NoData) for error in errors))
        absent = any(isinstance(error, DnsError.NotFound) for error in errors)
        told = problems[0].kind if problems else "does not exist" if absent else "no address"
        tried.append(f"{name} ({told})")
        if problems:
            failure = failure or problems[0]
            # An error answer may be about this name only, so the search goes on. Without any answer it ends.
            if not isinstance(problems[0], (DnsError.ServerError, DnsError.Refused)):
                break
    if failure is not None and not exists:
        raise failure
    # If one name exists, a failure of the question about another name does not matter.
    raise DnsError.HostNotFound(name=host, hint=f"asked for {', '.join(tried)}")


def _with_grace(flows: Sequence[Flow[Answer]], grace: float) -> Flow[list[Outcome[Answer] | None]]:
    """Flow: run all flows to their ends; None for one that is still silent when others have an answer.

    RFC 8305 section 3. The time is longer than its 50 ms, because the addresses are wanted for more than a
    connection that can begin with half of them.
    """
    begun = monotonic()
    timer: Branch[None] | None = None
    with Join() as join:
        branches = [join.start(flow, index) for index, flow in enumerate(flows)]
        while True:
            outcomes = [branch.outcome for branch in branches]
            if None not in outcomes or (timer is not None and timer.outcome is not None):
                return outcomes
            if timer is None and any(each is not None and each.value is not None for each in outcomes):
                now = monotonic()
                timer = join.start(sleep_until(now + max(grace, now - begun)))
                continue  # it may be over already
            if join.step() is None:
                yield join.want
                join.collect()


def _names_from_dns(resolver: Resolver, address: IpAddr) -> Flow[list[HostName]]:
    answer = yield from resolver.resolve_flow(Name.reverse(str(address)), DnsRecordType.PTR)
    return [
        HostName(record.domain.to_text(omit_final_dot=True), DNS, answer.ttl)
        for record in answer.records
        if isinstance(record, DnsRecord.PTR)
    ]


def _ordered(addresses: Iterable[HostAddress], source_of: SourceOf) -> list[HostAddress]:
    """Sort addresses by RFC 6724, and add the source address of a connection to each."""
    by_address: dict[IpAddr, HostAddress] = {}
    for each in addresses:
        by_address.setdefault(each.address, each)
    return [
        by_address[destination.address]._replace(reached_from=destination.source)
        for destination in order_destinations(by_address, source_of)
    ]


def _literal(host: str) -> IpAddr | None:
    try:
        return IpAddr.parse(host)
    except AddrParseError:
        return None


def _is_denial(error: DnsError) -> bool:
    """Whether the error is a negative answer ("there is none"), and not a failure to get an answer."""
    return isinstance(error, (DnsError.NotFound, DnsError.NoData, DnsError.HostNotFound))


def _status(error: DnsError) -> str:
    """Return the outcome's name in nsswitch.conf(5)."""
    if _is_denial(error):
        return "NOTFOUND"
    return "TRYAGAIN" if isinstance(error, (DnsError.Timeout, DnsError.ServerError)) else "UNAVAIL"


def _worse(one: DnsError | None, other: DnsError) -> DnsError:
    """Choose which of two errors to raise: a failure comes before a negative answer."""
    return other if one is None or _is_denial(one) else one


def _not_found(host: str, failure: DnsError | None, not_asked: list[str]) -> DnsError:
    if failure is None:
        return DnsError.HostNotFound(name=host, hint=_instead(not_asked) or "asked the hosts file only")
    if _is_denial(failure) and not_asked:
        failure.hint = f"{failure.hint}; {_instead(not_asked)}"
    return failure


def _instead(not_asked: list[str]) -> str | None:
    return f"not asked: {', '.join(not_asked)} (nsswitch.conf names it)" if not_asked else None
