"""HTTPS: where a web server is, and what it speaks (RFC 9460 section 9)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.service_binding import ServiceBinding


class HTTPS(ServiceBinding):
    """Another endpoint of the origin `https://name`; see `ServiceBinding`."""

    rdtype = DnsRecordType.HTTPS
