"""Resource records: `DnsRecord` and its variants, one small file a type.

    class MX(DnsRecord):
        rdtype = DnsRecordType.MX

        priority: U16 = U16("The lowest is tried first")
        exchange: DomainName = DomainName("The host that takes the mail", compressed=True, lowered=True)

A type declares the fields of its RDATA in their order. The base derives the constructor with its checks, the
RDATA in a message (`from_wire`, `to_wire`) and as a master file and dig have it (`from_text`, `rdata_text`),
JSON and its schema, the canonical form, and the letters for a decoder. A type with a rule between its fields
has `_check`; one whose fields do not simply follow each other overrides these methods.

A new type is a file, and its name in `variants`, from where the file is loaded when the type is first met.
Types without a file are `DnsRecord.Unknown` and go through unharmed (RFC 3597), and so does RDATA that no
text gives again octet for octet (`fields.KeepAsOctets`).
"""

from netkit.dns.records.base import (
    DnsRecord as DnsRecord,
    record_class as record_class,
    record_from_wire as record_from_wire,
)
