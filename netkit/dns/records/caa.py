"""CAA: which authorities may issue certificates (RFC 8659 section 4)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U8
from netkit.dns.records.strings import LongString, Word


class CAA(DnsRecord):
    """A rule for authorities that issue certificates: `tag` (`issue`, `issuewild`, `iodef`, ...) and its
    `value`; `flags` 128 is critical.
    """

    rdtype = DnsRecordType.CAA

    flags: U8 = U8("128: critical")
    tag: Word = Word("What the rule is about")
    value: LongString = LongString("The rule")
