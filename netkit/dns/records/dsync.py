"""DSYNC: where a zone takes notice of changes in those below (RFC 9859 section 2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.codes import TypeCode
from netkit.dns.records.fields import U8, U16, DomainName

#: The mnemonic of RFC 9859 section 2.2.
SCHEMES = {"NOTIFY": 1}


class DSYNC(DnsRecord):
    """The endpoint for changes of `changed` records (CDS, CSYNC): `target` and `port`, by `scheme` (1 is
    NOTIFY).
    """

    rdtype = DnsRecordType.DSYNC

    changed: TypeCode = TypeCode("The type whose changes are announced")
    scheme: U8 = U8("1 is NOTIFY", SCHEMES, named=True)
    port: U16 = U16()
    target: DomainName = DomainName("The host")
