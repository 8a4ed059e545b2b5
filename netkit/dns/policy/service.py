"""Where a web server is by its HTTPS records: what the records mean (RFC 9460 sections 2, 3, 7 and 9).

    query_name(Name.parse("www.example"), 8443)     _8443._https.www.example., the name to ask for
    alias_target(records)                           the name to ask for instead, if the records say so
    services(records, owner, 8443, ["h2"], random)  the endpoints to try, in order

The URL, the Host field and the name in the certificate stay those of the origin (section 9.5); only where to
connect, and what to offer in ALPN, comes from the records. A record that cannot be used is passed over, and a
client that finds none connects as it would without (section 3: "SVCB-optional"). So whoever can forge an
answer can make a client connect elsewhere, as with A records, and not to anybody without the certificate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.name import Name
from netkit.dns.records.base import DnsRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from netkit.addr import IpAddr

#: The port whose records have no prefix (section 9.1).
HTTPS_PORT = 443

#: How many aliases (AliasMode) are followed; section 3 asks for at least 8 with CNAMEs.
MAX_ALIASES = 8

#: How many records of a name are looked at; a service has a few.
MAX_RECORDS = 16

#: The protocol of a record that does not say no-default-alpn (section 9.5; the set: section 7.1.2).
DEFAULT_ALPN = "http/1.1"

#: The keys that netkit acts on: mandatory, alpn, no-default-alpn, port, ipv4hint, ipv6hint (section 14.3.2).
#: A record that makes another one mandatory is not for netkit (section 8).
UNDERSTOOD = frozenset((0, 1, 2, 3, 4, 6))
#: The key that only a client acts on which encrypts its hellos (RFC 9848 section 3).
ECH = 5


class Service(NamedTuple):
    """An endpoint: connect to `host` at `port`, and offer `alpn`; `hints` are addresses that it had.

    `ech` is the ECHConfigList for encrypted hellos to it (RFC 9848 section 3).
    """

    host: Name
    port: int
    alpn: tuple[str, ...]
    hints: tuple[IpAddr, ...] = ()
    ech: bytes | None = None


def query_name(host: Name, port: int) -> Name:
    """The name of the HTTPS records of an origin (section 9.1). Raises DnsError.InvalidName if too long."""
    return host if port == HTTPS_PORT else Name.parse(f"_{port}._https", host)


def https_records(records: Iterable[DnsRecord]) -> list[DnsRecord.HTTPS]:
    """The records that count; those that contradict themselves came as octets, and do not."""
    return [each for each in records if isinstance(each, DnsRecord.HTTPS)][:MAX_RECORDS]


def alias_target(records: Sequence[DnsRecord.HTTPS]) -> Name | None:
    """The name to ask for instead (AliasMode, section 2.4.2); the root: there is no service (section 2.5.1).

    None without an alias. With one, all other records are ignored (section 2.4.1).
    """
    return next((each.target for each in records if each.is_alias), None)


def services(
    records: Sequence[DnsRecord.HTTPS],
    owner: Name,
    port: int,
    supported: Sequence[str],
    random: Callable[[int], int],
    *,
    ech: bool = False,
) -> list[Service]:
    """The endpoints that `records` of the name `owner` say, in the order to try them.

    `port` is the origin's, for records without one. `supported` are the protocols of the client, best first;
    a record without one of them is passed over. `random(n)` gives a number below n: records of the same
    priority are tried in random order (section 2.4.1). `ech`: the client encrypts its hellos where it can.
    """
    understood = UNDERSTOOD | {ECH} if ech else UNDERSTOOD
    shuffled = list(records)
    for index in range(len(shuffled) - 1, 0, -1):
        other = random(index + 1)
        shuffled[index], shuffled[other] = shuffled[other], shuffled[index]
    found: list[Service] = []
    for record in sorted(shuffled, key=lambda each: each.priority):
        params = record.params
        if record.is_alias or params.contradiction is not None or not understood.issuperset(params.mandatory):
            continue
        offered = {protocol.decode("ascii", "replace") for protocol in params.alpn}
        if not params.no_default_alpn:
            offered.add(DEFAULT_ALPN)
        alpn = tuple([protocol for protocol in supported if protocol in offered])
        if alpn:
            host = owner if record.target.is_root else record.target
            hints: tuple[IpAddr, ...] = (*params.ipv6hint, *params.ipv4hint)
            found.append(Service(host, params.port or port, alpn, hints, params.ech if ech else None))
    return found
