"""WKS: which well-known services a host has (RFC 1035 section 3.4.2; given up, RFC 1123 section 2.2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.codes import Ports
from netkit.dns.records.fields import U8, Ipv4

#: RFC 1010, the protocols that have ports.
PROTOCOLS = {"TCP": 6, "UDP": 17}


class WKS(DnsRecord):
    """The services of the host at `address`: the `ports` on which it serves `protocol` (6 TCP, 17 UDP)."""

    rdtype = DnsRecordType.WKS

    address: Ipv4 = Ipv4("The host")
    protocol: U8 = U8("6: TCP, 17: UDP", PROTOCOLS)
    ports: Ports = Ports("The ports served")
