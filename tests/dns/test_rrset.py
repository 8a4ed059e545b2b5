"""Record sets: one TTL, no two alike, of one name, type and class."""

from __future__ import annotations

import pytest

from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord
from netkit.dns.rrset import RRset

pytestmark = pytest.mark.once

ONE, OTHER = DnsRecord.A("a", 60, "192.0.2.1"), DnsRecord.A("A", 30, "192.0.2.2")


def test_a_set() -> None:
    rrset = RRset([ONE, OTHER, ONE])
    assert rrset.records == (ONE.replace(ttl=30), OTHER)
    assert (rrset.name, rrset.rdtype, rrset.rdclass, rrset.ttl) == (
        Name.parse("a"),
        DnsRecordType.A,
        DnsClass.IN,
        30,
    )
    assert list(rrset) == list(rrset.records)
    assert len(rrset) == 2


@pytest.mark.parametrize(
    "records",
    [
        [],
        [ONE, DnsRecord.A("b", 60, "192.0.2.1")],
        [ONE, DnsRecord.TXT("a", 60, "x")],
        [DnsRecord.TXT("a", 60, "x"), DnsRecord.TXT("a", 60, "x", DnsClass.CH)],
    ],
)
def test_what_is_no_set(records: list[DnsRecord]) -> None:
    with pytest.raises(DnsError.InvalidValue):
        RRset(records)
