"""KEY: a key of a zone or host, before DNSKEY (RFC 2535 section 3); today that of SIG(0) (RFC 3445)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.public_key import NO_KEY, PublicKey


class KEY(PublicKey):
    """A key, in the form of `PublicKey`; with the two high bits of `flags`, there is none."""

    rdtype = DnsRecordType.KEY

    def _check(self) -> None:
        if self.flags & NO_KEY == NO_KEY and self.key:
            raise (
                type(self).FIELDS[3].invalid(self.key, "must be empty, as the flags say that there is no key")
            )
