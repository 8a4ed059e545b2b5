"""RESINFO: what a resolver can do (RFC 9606 section 4)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.text_strings import TextStrings


class RESINFO(TextStrings, init=False):
    """Keys and values that describe a resolver; see `TextStrings`."""

    rdtype = DnsRecordType.RESINFO
