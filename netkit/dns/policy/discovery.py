"""The encrypted servers that a name server says are its own: discovery of designated resolvers (RFC 9462).

A server is asked for the SVCB records of `_dns.resolver.arpa`, in clear text (section 4). What it answers is
not believed: each upstream made here has the address of the server that was asked as its TLS name, so that
every connection checks that the certificate is valid for that address (section 4.2, "verified discovery").
An attacker who answers in the server's place has no such certificate.

The records' parameters are those of RFC 9461: `alpn` says over what, `dohpath` where. HTTP/3 and QUIC are
passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.addr import SocketAddr
from netkit.dns.constants import DnsRecordType
from netkit.dns.messages.message import Question
from netkit.dns.name import Name
from netkit.dns.policy.upstream import Transport, Upstream
from netkit.dns.records.base import DnsRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from netkit.addr import IpAddr

#: RFC 9462 section 4: the name that every resolver answers for itself.
RESOLVER_NAME = Name.parse("_dns.resolver.arpa")
QUESTION = Question(RESOLVER_NAME, DnsRecordType.SVCB)

#: The most records that are looked at, and the most addresses of each: a server has a few.
MAX_RECORDS, MAX_ADDRESSES = 16, 4

#: How RFC 9461 section 5 writes the variable of a URI template.
_VARIABLE = "{?dns}"


def designated(
    records: Sequence[DnsRecord], additional: Iterable[DnsRecord], upstream: Upstream
) -> list[Upstream]:
    """The upstreams that SVCB records name, in the order of their priority, best first.

    `additional` may have the addresses of their targets; a record without an address, by hint or there, means
    the server's own. `upstream` is the server that was asked.
    """
    addr = upstream.addr
    if addr is None:
        return []
    addresses: dict[Name, list[IpAddr]] = {}
    for record in additional:
        if isinstance(record, (DnsRecord.A, DnsRecord.AAAA)):
            addresses.setdefault(record.name, []).append(record.address)
    found: dict[Upstream, None] = {}
    services = [record for record in records if isinstance(record, DnsRecord.SVCB) and record.priority]
    for service in sorted(services[:MAX_RECORDS], key=lambda record: record.priority):
        params = service.params
        if params.contradiction is not None:
            continue
        hints: list[IpAddr] = [*params.ipv4hint, *params.ipv6hint]
        targets = hints or addresses.get(service.target) or [addr.ip]
        for transport, path, method in _offers(service):
            for target in targets[:MAX_ADDRESSES]:
                at = SocketAddr.new(target, params.port or transport.default_port)
                found[Upstream(at, transport, str(addr.ip), (), path, method)] = None
    return list(found)


def _offers(service: DnsRecord.SVCB) -> Iterator[tuple[Transport, str, str]]:
    """Over what a service can be asked, with path and method for HTTPS."""
    params = service.params
    for protocol in params.alpn:
        if protocol == b"dot":
            yield Transport.TLS, "", ""
        elif protocol == b"h2" and params.dohpath is not None:
            # RFC 9461 section 5: the template has the variable; with POST it stays out (RFC 8484 section
            # 4.1).
            path, variable, rest = params.dohpath.partition(_VARIABLE)
            if variable and not rest and path.startswith("/") and "{" not in path and path.isascii():
                yield Transport.HTTPS, path, "POST"
