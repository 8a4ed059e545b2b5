"""NINFO: status of a zone (draft-reid-dnsext-zs-01)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.text_strings import TextStrings


class NINFO(TextStrings, init=False):
    """The status of a zone as text; see `TextStrings`."""

    rdtype = DnsRecordType.NINFO
