"""WALLET: an address of a cryptocurrency (IANA registry of RR types, 262)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.text_strings import TextStrings


class WALLET(TextStrings, init=False):
    """The name of a currency and an address; see `TextStrings`."""

    rdtype = DnsRecordType.WALLET
