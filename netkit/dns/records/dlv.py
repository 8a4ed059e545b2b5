"""DLV: a DS record beside the tree, given up (RFC 4431, RFC 8749)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.digest import Digest


class DLV(Digest):
    """A DS record in a registry of trust anchors; see `Digest`."""

    rdtype = DnsRecordType.DLV
