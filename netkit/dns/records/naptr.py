"""NAPTR: a rule that rewrites a name (RFC 3403 section 4)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U16, DomainName
from netkit.dns.records.strings import CharacterString


class NAPTR(DnsRecord):
    """A rule of a dynamic delegation: by order of `order`, then of `preference`, the first whose `services`
    fit.

    `flags` say what comes next (`s` an SRV record, `a` an address, `u` a URI; RFC 3958, RFC 3404), `regexp`
    rewrites the original text, or `replacement` is the next name; it is `.` where `regexp` stands.
    """

    rdtype = DnsRecordType.NAPTR

    order: U16 = U16("The lowest is tried first")
    preference: U16 = U16("Among equal orders, the lowest is preferred")
    flags: CharacterString = CharacterString("What comes next, as letters")
    services: CharacterString = CharacterString("What the rule is for")
    regexp: CharacterString = CharacterString("The rule that rewrites the text")
    replacement: DomainName = DomainName("The next name, or the root", decompressed=True, lowered=True)
