"""What a server remembers of the earlier versions of its zones."""

from __future__ import annotations

from netkit.dns import DnsRecord, Zone
from netkit.dns.authority.journal import LEAST_RECORDS, MAX_VERSIONS, Journal, Journals
from netkit.dns.transfers import Difference
from netkit.dns.zones.builder import ZoneBuilder
from tests.dns.transfers.messages import ORIGIN, a, ns, soa


def zone(serial: int, *records: DnsRecord) -> Zone:
    builder = ZoneBuilder(ORIGIN)
    for record in (soa(serial), ns(), *records):
        builder.add(record)
    return builder.finish()


FILLING = [a(f"filling{number}") for number in range(20)]


def of_versions(*versions: Zone) -> Journal:
    journal = Journal(versions[0])
    for version in versions[1:]:
        journal = journal.to(version)
    return journal


def test_one_step_in_place_of_several() -> None:
    journal = of_versions(
        zone(1, *FILLING, a("old")), zone(2, *FILLING, a("brief")), zone(5, *FILLING, a("new"))
    )
    assert journal.serials == [1, 2]
    assert journal.since(1) == Difference(soa(1), (a("old"),), soa(5), (a("new"),))
    assert journal.since(2) == Difference(soa(2), (a("brief"),), soa(5), (a("new"),))
    assert journal.since(2) is journal.since(2)  # it is made once
    for unknown in (0, 3, 4, 5, 6):
        assert journal.since(unknown) is None


def test_where_the_whole_zone_is_shorter() -> None:
    few, others = ([a(f"{name}{number}") for number in range(40)] for name in "xy")
    journal = of_versions(zone(1, *few), zone(2, *others))
    assert journal.serials == [1]
    step = journal.since(1)  # it is small
    assert step is not None
    assert step.size == 82
    assert of_versions(zone(1, *few, *FILLING), zone(2, *others)).since(1) is None


def test_a_serial_that_does_not_rise_begins_anew() -> None:
    before = of_versions(zone(1, *FILLING), zone(2, *FILLING, a("x")))
    assert before.to(zone(2, *FILLING, a("x"))).serials == [1]  # the same once more
    assert before.to(zone(2, *FILLING, a("y"))).serials == []
    assert before.to(zone(1, *FILLING)).serials == []
    wrapped = of_versions(zone(0xFFFFFFFF, *FILLING), zone(1, *FILLING, a("x")))
    assert wrapped.since(0xFFFFFFFF) is not None


def test_a_journal_is_bounded() -> None:
    journal = Journal(zone(0))
    for serial in range(1, MAX_VERSIONS + 20):
        journal = journal.to(zone(serial, *FILLING, a("www", serial % 250 + 1)))
    assert len(journal.serials) == MAX_VERSIONS
    assert journal.serials[-1] == MAX_VERSIONS + 18
    many = [a(f"n{number}") for number in range(LEAST_RECORDS)]
    large = of_versions(zone(1, *many), zone(2), zone(3, a("x")))
    assert large.serials == [2]  # the step from 1 was larger than is kept of so small a zone
    assert large.since(1) is None


def test_the_journals_of_a_server() -> None:
    other = ZoneBuilder("other.test.")
    other.add(soa(7, name="other.test."))
    others = other.finish()
    first = Journals().to([zone(1, *FILLING), others])
    assert sorted([one.soa.serial for one in first.newer(Journals())]) == [1, 7]
    second = first.to([zone(2, *FILLING, a("x")), others])
    assert [one.soa.serial for one in second.newer(first)] == [2]
    journal = second.of(others.origin, others.rdclass)
    assert journal is not None
    assert journal.zone is others
    assert second.of(zone(1).origin.parent, others.rdclass) is None
    assert second.to([others]).newer(second) == []
