"""SVCB: where a service is, and how to talk to it (RFC 9460)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.service_binding import ServiceBinding


class SVCB(ServiceBinding):
    """Another endpoint of the service `name`, such as `_dns.resolver.example`; see `ServiceBinding`."""

    rdtype = DnsRecordType.SVCB
