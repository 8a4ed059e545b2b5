"""TSIG: who sent a message (RFC 8945 section 4.2), as a record."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import SizedBase64
from netkit.dns.records.fields import U16, U48, DomainName
from netkit.dns.records.tkey import ERRORS


class TSIG(DnsRecord):
    """The authentication of a message by a shared key: `mac` by `algorithm`, made at `time_signed` (in
    seconds since 1970) and valid for `fudge` seconds before and after.

    `original_id` is the ID of the message that was signed. `error` and `other` say why a request was refused.
    To sign and verify is another module's task.
    """

    rdtype = DnsRecordType.TSIG

    algorithm: DomainName = DomainName("The algorithm")
    time_signed: U48 = U48("When the message was signed, in seconds since 1970")
    fudge: U16 = U16("How many seconds the clocks may differ")
    mac: SizedBase64 = SizedBase64("The message authentication code")
    original_id: U16 = U16("The ID of the message that was signed")
    error: U16 = U16("0, or why not", ERRORS, named=True)
    other: SizedBase64 = SizedBase64("More about the error")
