"""HINFO: what a host is (RFC 1035 section 3.3.2); also the answer to ANY of RFC 8482."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.strings import CharacterString


class HINFO(DnsRecord):
    """The machine and the system of a host: `cpu` and `os`, each at most 255 octets.

    A server that does not answer a question for ANY says so with a `cpu` of `RFC8482` (RFC 8482 section 4.2).
    """

    rdtype = DnsRecordType.HINFO

    cpu: CharacterString = CharacterString("The machine")
    os: CharacterString = CharacterString("The operating system")
