"""TKEY: agrees on a key for TSIG (RFC 2930 section 2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import SizedBase64
from netkit.dns.records.fields import U16, U32, DomainName

#: The mnemonics of RFC 8945 section 3 and RFC 2930 section 2.6.
ERRORS = {
    "NOERROR": 0,
    "BADSIG": 16,
    "BADKEY": 17,
    "BADTIME": 18,
    "BADMODE": 19,
    "BADNAME": 20,
    "BADALG": 21,
    "BADTRUNC": 22,
}


class TKEY(DnsRecord):
    """A key for transactions, or a step of agreeing on one.

    `mode` says how (RFC 2930 section 2.5): 1 the server assigns, 2 Diffie-Hellman, 3 GSS-API, 4 the resolver
    assigns, 5 the key is deleted. `key` and `other` are what that mode has; `inception` and `expiration`
    bound its use, in seconds since 1970.
    """

    rdtype = DnsRecordType.TKEY

    algorithm: DomainName = DomainName("The algorithm")
    inception: U32 = U32("When the key begins to count, in seconds since 1970")
    expiration: U32 = U32("When the key ends, in seconds since 1970")
    mode: U16 = U16("1 to 5")
    error: U16 = U16("0, or why not", ERRORS, named=True)
    key: SizedBase64 = SizedBase64("The key, or what makes it")
    other: SizedBase64 = SizedBase64("More, by the mode")
