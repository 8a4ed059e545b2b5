"""HIP: the identity of a host and the servers it is reached by (RFC 8005 section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Base64Word, SizedHex
from netkit.dns.records.fields import U8, DomainNames

if TYPE_CHECKING:
    from typing import Self

    from netkit.dns.constants import DnsClass
    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.name import Name


class HIP(DnsRecord):
    """A host identity: its tag `hit`, its public `key` for `algorithm` (2 is RSA; RFC 8005 section 5), and
    the names of its rendezvous servers, most wanted first: `servers`.
    """

    rdtype = DnsRecordType.HIP
    SHAPE = "( algorithm hit / key / servers )"

    algorithm: U8 = U8("The form of the key: 1 DSA, 2 RSA, 3 ECDSA")
    hit: SizedHex = SizedHex("The host identity tag")
    key: Base64Word = Base64Word("The public key", 1)
    servers: DomainNames = DomainNames("The rendezvous servers", default=())

    def _check(self) -> None:
        if not self.hit:
            raise DnsError.InvalidValue("hit", self.hit, "must not be empty")
        if len(self.key) > 0xFFFF:
            raise DnsError.InvalidValue("key", self.key, "longer than 65535 octets", limit=0xFFFF)

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        start = reader.offset
        hit_size, algorithm, key_size = reader.u8("hit"), reader.u8("algorithm"), reader.u16("key")
        if not hit_size:
            reader.fail("hit", "must not be empty", start)
        if not key_size:
            reader.fail("key", "must not be empty", start + 2)
        hit, key = reader.take(hit_size, "hit"), reader.take(key_size, "key")
        return cls._made(name, ttl, rdclass, (algorithm, hit, key, cls.FIELDS[3].read(reader)))

    def to_wire(self, writer: WireWriter) -> None:
        writer.u8(len(self.hit))
        writer.u8(self.algorithm)
        writer.u16(len(self.key))
        writer.write(self.hit + self.key)
        for server in self.servers:
            writer.name(server, compress=False)

    canonical_wire = DnsRecord.rdata_wire
