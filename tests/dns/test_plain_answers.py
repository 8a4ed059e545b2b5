"""Which answers to the first query of a lookup are taken without a `Lookup`: none that shows its case."""

from __future__ import annotations

import pytest

from netkit.dns.constants import DnsRecordType
from netkit.dns.messages.message import Question
from netkit.dns.policy.knowledge import Knowledge
from netkit.dns.policy.options import QueryOptions
from netkit.dns.policy.upstream import Upstream
from netkit.dns.records import DnsRecord
from netkit.dns.transports.lookups import Lookups
from netkit.dns.transports.ready import ReadySet
from netkit.dns.transports.station import Settings, Station
from netkit.io import Event

pytestmark = pytest.mark.skipif(not ReadySet.available, reason="every question has a socket of its own here")

SERVER = Upstream.parse("192.0.2.53")
RECORD = b"\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1"


@pytest.mark.parametrize("name", ["www.example", "WWW.example", "WWW.EXAMPLE", "1.2.3"])
@pytest.mark.parametrize("owner", ["pointer", "copy", "tail"])
def test_the_case_of_the_query_is_in_no_answer(name: str, owner: str) -> None:
    question = Question(name, DnsRecordType.A)
    lookups, station = Lookups(QueryOptions(), Knowledge()), Station(Settings())
    taken = 0
    for _ in range(40):
        one = lookups.first(question, [SERVER], station, Event())
        assert one is not None
        sent = one.question[:-4]
        tail = 1 + sent[0]
        owners = {
            "pointer": b"\xc0\x0c",
            "copy": sent,
            "tail": sent[:tail] + bytes((0xC0, 12 + tail)),  # a copy of one label, and a pointer
        }
        head = one.id + b"\x84\0\0\1\0\1\0\0\0\0"
        one.answer, one.is_over = head + one.question + owners[owner] + RECORD, True
        answer = lookups.plain_answer(one)
        if answer is None:  # a `Lookup` decides, which restores the case of copies
            assert owner != "pointer"
            continue
        taken += 1
        (record,) = answer.records
        assert record.name.is_identical(question.name)
        assert isinstance(record, DnsRecord.A)
        assert str(record.address) == "192.0.2.1"
    station.close()
    if owner == "pointer" or name == "1.2.3":
        assert taken == 40
    else:
        assert taken < 40
