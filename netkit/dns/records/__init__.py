"""Resource records: `DnsRecord` and its variants, one small file a type.

A type is a subclass of `DnsRecord` with its fields in a constructor and four methods, always in this order:

    from_wire    the fields from the RDATA in a message
    to_wire      the RDATA into a message
    from_text    the fields from the tokens of a master file
    rdata_text   the RDATA as a master file (and dig) has it

and a line in `DnsRecord`, from where its file is loaded when the type is first met. Types without a file are
`DnsRecord.Unknown` and go through unharmed (RFC 3597).
"""

from netkit.dns.records.base import (
    DnsRecord as DnsRecord,
    record_class as record_class,
    record_from_wire as record_from_wire,
)
