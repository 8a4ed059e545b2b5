"""SOA: the start of a zone of authority (RFC 1035 section 3.3.13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U32, DomainName, Seconds

if TYPE_CHECKING:
    from netkit.dns.style import Style


class SOA(DnsRecord):
    """The start of a zone: its primary server, its version, and the times for its copies.

    `mname` is the primary server, `rname` the mailbox of who runs it (the first label before the @).
    `serial` is the version of the zone; `refresh`, `retry` and `expire` say in seconds when a secondary
    asks again, asks again after a failure, and gives up; `minimum` is how long, in seconds, "there is no
    such thing" may be remembered (RFC 2308 section 4). All five are numbers of 32 bits.
    """

    rdtype = DnsRecordType.SOA

    mname: DomainName = DomainName("The primary server", compressed=True, lowered=True)
    rname: DomainName = DomainName("The mailbox of the zone's administrator", compressed=True, lowered=True)
    serial: U32 = U32("The version of the zone")
    refresh: Seconds = Seconds("In seconds")
    retry: Seconds = Seconds("In seconds")
    expire: Seconds = Seconds("In seconds")
    minimum: Seconds = Seconds("How long a negative answer may be kept, in seconds")

    def styled_text(self, style: Style) -> str:
        if style.generic or not style.multiline:
            return super().styled_text(style)
        from netkit.dns.style import time_in_words

        times = type(self).FIELDS[3:]
        if style.has_comments:
            said = [(self.serial, "serial")]
            said += [(each.get(self), f"{each.name} ({time_in_words(each.get(self))})") for each in times]
            lines = [f"{value:<10} ; {words}" for value, words in said]
            lines.append(")")
        else:
            lines = [str(each.get(self)) for each in type(self).FIELDS[2:]]
            lines[-1] += ")"
        return style.break_.join([f"{self.mname} {self.rname} (", *lines])
