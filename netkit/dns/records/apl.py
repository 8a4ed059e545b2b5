"""APL: lists of address prefixes (RFC 3123)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.prefixes import Prefixes


class APL(DnsRecord):
    """Address prefixes in an order: `prefixes`, each with `address`, `length` (in bits) and `negated`."""

    rdtype = DnsRecordType.APL

    prefixes: Prefixes = Prefixes("FAMILY:ADDRESS/LENGTH, with ! if it is taken out")
