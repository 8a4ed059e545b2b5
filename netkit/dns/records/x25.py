"""X25: an address in an X.25 network (RFC 1183 section 3.1)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.strings import CharacterString


class X25(DnsRecord):
    """The X.25 address of a host: `address`, which is four or more digits (X.121)."""

    rdtype = DnsRecordType.X25

    address: CharacterString = CharacterString("Digits, by X.121")
