"""CLA: how a node of the bundle protocol is reached (draft-johnson-dns-ipn-cla)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.text_strings import TextStrings


class CLA(TextStrings, init=False):
    """Convergence layer adapters of a node, as text; see `TextStrings`."""

    rdtype = DnsRecordType.CLA
