"""DS: the digest of the key of a zone below (RFC 4034 section 5)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.digest import Digest


class DS(Digest):
    """The key that a delegated zone is signed with, by its digest; see `Digest`."""

    rdtype = DnsRecordType.DS
