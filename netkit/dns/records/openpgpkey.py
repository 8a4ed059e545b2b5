"""OPENPGPKEY: the OpenPGP key of a mailbox (RFC 7929 section 2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Base64


class OPENPGPKEY(DnsRecord):
    """The key of the mailbox that `name` stands for: `key`, a transferable public key."""

    rdtype = DnsRecordType.OPENPGPKEY

    key: Base64 = Base64("The key", crypto=True)
