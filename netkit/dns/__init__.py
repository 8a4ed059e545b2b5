"""DNS: names, messages and records; lookups and a resolver; zones and a small authoritative server.

    from netkit.dns import lookup_host, Resolver, DnsRecordType
    lookup_host("www.example.com")
    Resolver(nameservers=["192.0.2.53"]).query("example.com", DnsRecordType.MX)

The quick helpers (`lookup_host` and the like) share one resolver. netkit makes this resolver from the
system's configuration when a helper first needs it. The package loads each of its names when the name is
first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.dns.authority.notify_sending import (
        send_notify as send_notify,
        send_notify_async as send_notify_async,
    )
    from netkit.dns.authority.server import DnsServer as DnsServer
    from netkit.dns.constants import (
        DNS_TYPE_A as DNS_TYPE_A,
        DNS_TYPE_AAAA as DNS_TYPE_AAAA,
        DNS_TYPE_ANY as DNS_TYPE_ANY,
        DNS_TYPE_CNAME as DNS_TYPE_CNAME,
        DNS_TYPE_MX as DNS_TYPE_MX,
        DNS_TYPE_NS as DNS_TYPE_NS,
        DNS_TYPE_PTR as DNS_TYPE_PTR,
        DNS_TYPE_SOA as DNS_TYPE_SOA,
        DNS_TYPE_SRV as DNS_TYPE_SRV,
        DNS_TYPE_TXT as DNS_TYPE_TXT,
        DnsClass as DnsClass,
        DnsRecordType as DnsRecordType,
        Opcode as Opcode,
        Rcode as Rcode,
    )
    from netkit.dns.edns import Edns as Edns, EdnsOption as EdnsOption
    from netkit.dns.errors import DnsError as DnsError, ZoneFileError as ZoneFileError
    from netkit.dns.exchange import QueryOptions as QueryOptions, ask as ask
    from netkit.dns.lookup import (
        is_ip_address as is_ip_address,
        is_valid_domain as is_valid_domain,
        lookup_addr as lookup_addr,
        lookup_addr_async as lookup_addr_async,
        lookup_host as lookup_host,
        lookup_host_async as lookup_host_async,
        lookup_host_v4 as lookup_host_v4,
        lookup_host_v4_async as lookup_host_v4_async,
        lookup_host_v6 as lookup_host_v6,
        lookup_host_v6_async as lookup_host_v6_async,
        resolve as resolve,
        resolve_async as resolve_async,
    )
    from netkit.dns.messages.message import (
        Message as Message,
        Question as Question,
        make_query as make_query,
        make_response as make_response,
    )
    from netkit.dns.name import Name as Name
    from netkit.dns.policy.answer import Answer as Answer
    from netkit.dns.policy.form import QueryForm as QueryForm
    from netkit.dns.records import DnsRecord as DnsRecord
    from netkit.dns.resolver import Resolver as Resolver
    from netkit.dns.system import Hosts as Hosts, ResolvConf as ResolvConf
    from netkit.dns.transfers.errors import TransferError as TransferError
    from netkit.dns.transfers.fetching import (
        fetch_zone as fetch_zone,
        fetch_zone_async as fetch_zone_async,
        refresh_zone as refresh_zone,
        refresh_zone_async as refresh_zone_async,
    )
    from netkit.dns.transfers.transfer import ZoneTransfer as ZoneTransfer
    from netkit.dns.transports.reply import Reply as Reply
    from netkit.dns.tsig.errors import TsigError as TsigError
    from netkit.dns.tsig.keys import TsigKey as TsigKey
    from netkit.dns.zones.zone import Zone as Zone
    from netkit.dns.zones.zonefile import parse_zone as parse_zone
    from netkit.dns.zones.zonefolder import load_zone as load_zone

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "policy.answer": "Answer",
        "policy.form": "QueryForm",
        "authority.notify_sending": "send_notify send_notify_async",
        "authority.server": "DnsServer",
        "constants": (
            "DNS_TYPE_A DNS_TYPE_AAAA DNS_TYPE_ANY DNS_TYPE_CNAME DNS_TYPE_MX DNS_TYPE_NS DNS_TYPE_PTR "
            "DNS_TYPE_SOA DNS_TYPE_SRV DNS_TYPE_TXT DnsClass DnsRecordType Opcode Rcode"
        ),
        "edns": "Edns EdnsOption",
        "errors": "DnsError ZoneFileError",
        "exchange": "QueryOptions ask",
        "lookup": (
            "is_ip_address is_valid_domain lookup_addr lookup_addr_async lookup_host lookup_host_async "
            "lookup_host_v4 lookup_host_v4_async lookup_host_v6 lookup_host_v6_async resolve resolve_async"
        ),
        "messages.message": "Message Question make_query make_response",
        "name": "Name",
        "records": "DnsRecord",
        "resolver": "Resolver",
        "system": "Hosts ResolvConf",
        "transfers.errors": "TransferError",
        "transfers.fetching": "fetch_zone fetch_zone_async refresh_zone refresh_zone_async",
        "transfers.transfer": "ZoneTransfer",
        "transports.reply": "Reply",
        "tsig.errors": "TsigError",
        "tsig.keys": "TsigKey",
        "zones.zone": "Zone",
        "zones.zonefile": "parse_zone",
        "zones.zonefolder": "load_zone",
    },
)
