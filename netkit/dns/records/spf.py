"""SPF: who may send mail, in a type of its own (RFC 4408 section 3.1.1; RFC 7208 uses TXT)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.text_strings import TextStrings


class SPF(TextStrings, init=False):
    """A policy for mail; see `TextStrings`."""

    rdtype = DnsRecordType.SPF
