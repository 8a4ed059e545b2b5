"""DOA: data of any kind, or where it is (draft-durand-doa-over-dns-03)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Base64Word
from netkit.dns.records.fields import U8, U32
from netkit.dns.records.strings import CharacterString


class DOA(DnsRecord):
    """Data, or with `location` 2 the URI that has it; `enterprise` (a private enterprise number) defines the
    meaning of `data_type`.
    """

    rdtype = DnsRecordType.DOA

    enterprise: U32 = U32("A private enterprise number")
    data_type: U32 = U32("What the data is")
    location: U8 = U8("1: here, 2: at a URI, 3: a handle")
    media_type: CharacterString = CharacterString("The media type")
    data: Base64Word = Base64Word("The data, or where it is")
