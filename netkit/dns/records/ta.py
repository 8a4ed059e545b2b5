"""TA: a trust anchor in the form of a DS record (S. Weiler, Deploying DNSSEC Without a Signed Root)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.digest import Digest


class TA(Digest):
    """A trust anchor, by its digest; see `Digest`."""

    rdtype = DnsRecordType.TA
