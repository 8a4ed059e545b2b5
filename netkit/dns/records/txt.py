"""TXT: text (RFC 1035 section 3.3.14)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.text_strings import TextStrings


class TXT(TextStrings, init=False):
    """Text, as one or more strings of at most 255 octets: `strings`; see `TextStrings`."""

    rdtype = DnsRecordType.TXT
