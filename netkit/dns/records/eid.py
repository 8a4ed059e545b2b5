"""EID and NIMLOC: addresses of the Nimrod architecture (draft-ietf-nimrod-dns-02)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Hex


class EID(DnsRecord):
    """An endpoint identifier: `data`, at least one octet."""

    rdtype = DnsRecordType.EID

    data: Hex = Hex("The identifier", 1)


class NIMLOC(DnsRecord):
    """A locator: `data`, at least one octet."""

    rdtype = DnsRecordType.NIMLOC

    data: Hex = Hex("The locator", 1)
