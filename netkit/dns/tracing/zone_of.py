"""Which zone a name is in, from the answers to questions for NS records. Pure: no socket, no clock.

The zone of a name begins at the name itself or above it (RFC 1034 section 4.2). `zone_told` reads one answer:
it names the zone and its servers, or the name to ask for next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.records.base import DnsRecord

if TYPE_CHECKING:
    from netkit.addr import IpAddr
    from netkit.dns.messages.message import Message
    from netkit.dns.name import Name

#: How many names are asked for before the zone of a name counts as not found: more than any zone is deep.
MAX_QUESTIONS = 20
#: How many name servers of one zone are looked at, and how many addresses of each.
MAX_SERVERS = 64
MAX_ADDRESSES = 16


class ZoneTold(NamedTuple):
    """A zone and its name servers, as one answer has them.

    `addresses` are those that the answer has of these servers. `is_referral` says that the server is no
    authority for the zone, and only names those that are.
    """

    zone: Name
    names: tuple[Name, ...]
    addresses: dict[Name, tuple[IpAddr, ...]]
    is_referral: bool


def zone_told(message: Message, name: Name) -> ZoneTold | Name:
    """What the answer to a question for the NS records of `name` says: its zone, or the name to ask for next.

    The next name is an ancestor of `name`; it is `name` itself if the answer leads nowhere.
    """
    at_apex = [each for each in message.answer if isinstance(each, DnsRecord.NS) and each.name == name]
    if at_apex:
        return told_by(message, at_apex, is_referral=False)
    soa = next(
        (
            each
            for each in (*message.authority, *message.answer)
            if isinstance(each, DnsRecord.SOA) and name.is_subdomain_of(each.name)
        ),
        None,
    )
    if soa is not None:
        return soa.name
    if not message.authoritative and not message.answer:
        cut = [
            each
            for each in message.authority
            if isinstance(each, DnsRecord.NS) and name.is_subdomain_of(each.name) and not each.name.is_root
        ]
        if cut:
            same = [each for each in cut if each.name == cut[0].name]
            return told_by(message, same, is_referral=True)
    return name if name.is_root else name.parent


def told_by(message: Message, records: list[DnsRecord.NS], *, is_referral: bool) -> ZoneTold:
    """The zone that these NS records are of, with the addresses that the message has of their servers."""
    names = tuple(dict.fromkeys(record.nameserver for record in records))[:MAX_SERVERS]
    found = addresses_told(message)
    return ZoneTold(
        records[0].name, names, {name: found[name] for name in names if name in found}, is_referral
    )


def addresses_told(message: Message) -> dict[Name, tuple[IpAddr, ...]]:
    """The addresses in the additional section, by name: those of IPv4 first."""
    found: dict[Name, list[IpAddr]] = {}
    for kind in (DnsRecord.A, DnsRecord.AAAA):
        for record in message.additional:
            if isinstance(record, kind):
                of_name = found.setdefault(record.name, [])
                if len(of_name) < MAX_ADDRESSES and record.address not in of_name:
                    of_name.append(record.address)
    return {name: tuple(addresses) for name, addresses in found.items()}
