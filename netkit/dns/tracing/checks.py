"""What is wrong on the way from the root: checks that ask, and findings, also where there is an answer.

A zone is described twice: by the zone above (NS records, glue, DS records) and by itself. Resolvers begin
with the first and may go on with the second, so that a difference makes answers depend on luck. `check_moves`
asks each zone on the way what it says of itself, of a server that gave an answer of use; `findings` compares.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.messages.message import Question
from netkit.dns.records.base import DnsRecord
from netkit.dns.tracing.moves import Asking
from netkit.dns.tracing.outcome import Outcome
from netkit.dns.tracing.reading import Signing
from netkit.dns.tracing.trace import Cut, Fault, Finding, Purpose
from netkit.dns.tracing.zone_of import addresses_told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.addr import IpAddr
    from netkit.dns.name import Name
    from netkit.dns.tracing.moves import Moves
    from netkit.dns.tracing.route import Route
    from netkit.dns.tracing.servers import Server, ZoneServers
    from netkit.dns.tracing.trace import Hop

#: Of how many name servers of one zone the addresses are asked for, if they do not come with their names.
MAX_GLUE_CHECKS = 4

_TYPES = {4: DnsRecordType.A, 6: DnsRecordType.AAAA}
#: The hashes of DS records, by digest type (RFC 4509, RFC 6605; SHA-1 is named by RFC 4034).
_HASHES = {1: "sha1", 2: "sha256", 4: "sha384"}

_BOGUS = "validating resolvers answer SERVFAIL"

_FAULTS = {
    Outcome.TIMEOUT: (Fault.SILENT, "does not answer"),
    Outcome.UNREACHABLE: (Fault.UNREACHABLE, "cannot be reached"),
    Outcome.FAILED: (Fault.FAILING, "answers with an error"),
    Outcome.MALFORMED: (Fault.MALFORMED, "sends what is no DNS message"),
    Outcome.TRUNCATED: (Fault.NO_TCP, "does not give the whole answer"),
    Outcome.NO_ADDRESS: (Fault.NO_ADDRESS, "cannot be asked"),
}


def check_moves(route: Route) -> Moves[None]:
    """Ask the zones on the way for their name servers, the addresses of these, and their keys."""
    for servers in route.path:
        server = servers.of_use
        if server is None or (servers.zone.is_root and route.options.start):
            continue
        yield from _check_servers(route, servers, server)
        delegation = servers.cut.delegation
        if delegation is not None and delegation.signing is Signing.SIGNED:
            hop = yield from _ask(route, servers, server, servers.zone, DnsRecordType.DNSKEY)
            if hop.outcome in (Outcome.ANSWER, Outcome.NO_DATA) and hop.reading is not None:
                servers.cut.keys = tuple(
                    each for each in hop.reading.records if isinstance(each, DnsRecord.DNSKEY)
                )


def _check_servers(route: Route, servers: ZoneServers, server: Server) -> Moves[None]:
    cut = servers.cut
    hop = yield from _ask(route, servers, server, servers.zone, DnsRecordType.NS)
    if hop.outcome is not Outcome.ANSWER or hop.reading is None or hop.reply is None:
        return
    records = [each for each in hop.reading.records if isinstance(each, DnsRecord.NS)]
    cut.own = tuple(dict.fromkeys(each.nameserver for each in records))
    told = addresses_told(hop.reply.message)
    left = MAX_GLUE_CHECKS
    for name in cut.glue:
        own = cut.own_addresses.setdefault(name, {})
        for address in told.get(name, ()):
            own.setdefault(address.version, []).append(address)
        families = {each.version for each in cut.glue[name]} - set(own)
        if not families or not left or not name.is_subdomain_of(servers.zone):
            continue
        left -= 1
        for family in sorted(families):
            hop = yield from _ask(route, servers, server, name, _TYPES[family])
            if hop.outcome in (Outcome.ANSWER, Outcome.NO_DATA, Outcome.NO_NAME) and hop.reading is not None:
                own[family] = [
                    each.address
                    for each in hop.reading.records
                    if isinstance(each, (DnsRecord.A, DnsRecord.AAAA))
                ]


def _ask(route: Route, servers: ZoneServers, server: Server, name: Name, rdtype: DnsRecordType) -> Moves[Hop]:
    question = Question(name, rdtype, route.question.rdclass)
    return (yield from route.ask(server, servers.zone, Asking(question, Purpose.CHECK)))


def findings(route: Route) -> list[Finding]:
    """What the hops and the checks show to be wrong, each once, in the order of the walk."""
    found: dict[tuple[Fault, Name, object], Finding] = {}
    cuts = [servers.cut for servers in route.path]
    for finding in (
        *_of_hops(route),
        *(each for cut in cuts for each in _of_cut(cut)),
        *_unsigned(route, cuts),
    ):
        found.setdefault((finding.fault, finding.zone, finding.server or finding.text), finding)
    return list(found.values())


def _of_hops(route: Route) -> Iterator[Finding]:
    for hop in route.hops:
        if hop.purpose in (Purpose.CHECK, Purpose.ROOT):
            continue
        if hop.reading is not None:
            for odd in hop.reading.odd:
                yield Finding(Fault.ODD, hop.zone, hop.server, f"{hop.place}: {odd}", hop.number)
        if hop.outcome.is_lame:
            text = f"{hop.place} is no authority for {hop.zone}: {hop.reason}"
            yield Finding(Fault.LAME, hop.zone, hop.server, text, hop.number)
        elif hop.outcome in _FAULTS and hop.number not in route.no_route.values():
            fault, words = _FAULTS[hop.outcome]
            text = f"{hop.place}, a server of {hop.zone}, {words}: {hop.reason}"
            yield Finding(fault, hop.zone, hop.server, text, hop.number)
    for name, number in route.aliased.items():
        text = f"the name server {name} is an alias, which its name must not be (RFC 2181 section 10.3)"
        yield Finding(Fault.SERVER_IS_ALIAS, route.hops[number - 1].zone, name, text, number)


def _of_cut(cut: Cut) -> Iterator[Finding]:
    above = "the hints" if cut.delegation is None else f"the zone above ({cut.delegation.parent})"
    names = set(cut.names)
    if cut.own is not None and set(cut.own) != names:
        fault = Fault.HINTS_DIFFER if cut.delegation is None else Fault.SERVERS_DIFFER
        told = [
            f"only {who}: {', '.join(map(str, only))}"
            for who, only in (
                (above, [each for each in cut.names if each not in set(cut.own)]),
                ("the zone itself", [each for each in cut.own if each not in names]),
            )
            if only
        ]
        yield Finding(fault, cut.zone, None, f"the servers of {cut.zone} differ; {'; '.join(told)}", cut.hop)
    for name, glue in cut.glue.items():
        if cut.own is not None and name not in cut.own:
            continue  # that is told already
        for family, own in cut.own_addresses.get(name, {}).items():
            here = [each for each in glue if each.version == family]
            if here and set(here) != set(own):
                fault = Fault.HINTS_DIFFER if cut.delegation is None else Fault.GLUE_DIFFERS
                text = f"{name} is {_list(here)} by {above}, and {_list(own)} by {cut.zone} itself"
                yield Finding(fault, cut.zone, name, text, cut.hop)
    if cut.delegation is not None and cut.delegation.ds and cut.keys is not None:
        ds = cut.delegation.ds
        if not cut.keys:
            text = f"the zone above has a DS record of {cut.zone}, which has no key: {_BOGUS}"
            yield Finding(Fault.NOT_SIGNED, cut.zone, None, text, cut.hop)
        elif not any(is_digest_of(each, key) for each in ds for key in cut.keys):
            tags = ", ".join(str(each.key_tag) for each in ds)
            keys = ", ".join(str(each.key_tag) for each in cut.keys)
            text = f"no key of {cut.zone} ({keys}) is the one of its DS records ({tags}): {_BOGUS}"
            yield Finding(Fault.DS_DIFFERS, cut.zone, None, text, cut.hop)


def _unsigned(route: Route, cuts: list[Cut]) -> Iterator[Finding]:
    """Answers without a signature, of zones that have keys."""
    signed = {cut.zone for cut in cuts if cut.keys}
    for hop in route.hops:
        if hop.purpose is not Purpose.NAME or hop.zone not in signed or hop.reply is None:
            continue
        message = hop.reply.message
        if hop.outcome in (Outcome.ANSWER, Outcome.ALIAS, Outcome.NO_DATA, Outcome.NO_NAME) and not any(
            record.rdtype == DnsRecordType.RRSIG for record in (*message.answer, *message.authority)
        ):
            unless = "unless the name is in an unsigned zone below it"
            text = f"{hop.place} answers without a signature, and {hop.zone} is signed: {_BOGUS}, {unless}"
            yield Finding(Fault.NOT_SIGNED, hop.zone, hop.server, text, hop.number)


def is_digest_of(ds: DnsRecord.DS, key: DnsRecord.DNSKEY) -> bool:
    """Whether a DS record is the digest of a key (RFC 4034 section 5.1.4).

    The key's tag decides where the type of the digest is unknown.
    """
    if ds.key_tag != key.key_tag or ds.algorithm != key.algorithm:
        return False
    kind = _HASHES.get(ds.digest_type)
    if kind is None:
        return True
    return hashlib.new(kind, key.name.folded + key.rdata_wire(), usedforsecurity=False).digest() == bytes(
        ds.digest
    )


def _list(addresses: Iterable[IpAddr]) -> str:
    return ", ".join(sorted(map(str, addresses))) or "none"
