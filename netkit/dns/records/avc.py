"""AVC: visibility and control of applications (Cisco)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.text_strings import TextStrings


class AVC(TextStrings, init=False):
    """What an application is, as text; see `TextStrings`."""

    rdtype = DnsRecordType.AVC
