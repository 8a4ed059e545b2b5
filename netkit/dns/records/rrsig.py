"""RRSIG: the signature of a set of records (RFC 4034 section 3)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Base64
from netkit.dns.records.codes import Algorithm, Time, TypeCode
from netkit.dns.records.fields import U8, U16, U32, DomainName


class RRSIG(DnsRecord):
    """The signature of a set of records.

    `type_covered` and `labels` say what is signed, `signer` and `key_tag` by which key, `inception` and
    `expiration` when it holds, in seconds since 1970 (32 bits, compared by serial number arithmetic).
    """

    rdtype = DnsRecordType.RRSIG
    SHAPE = "type_covered algorithm labels original_ttl ( / expiration inception key_tag signer / signature )"

    type_covered: TypeCode = TypeCode("The type of the records signed")
    algorithm: Algorithm = Algorithm()
    labels: U8 = U8("The number of labels in the name signed, without a wildcard's asterisk")
    original_ttl: U32 = U32("The TTL in the zone, in seconds")
    expiration: Time = Time("When the signature ends")
    inception: Time = Time("When the signature begins")
    key_tag: U16 = U16("The tag of the key")
    signer: DomainName = DomainName("The zone whose key signs", lowered=True)
    signature: Base64 = Base64("The signature", crypto=True)
