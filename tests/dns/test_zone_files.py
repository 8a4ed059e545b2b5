"""Zones of many files: folders, names that are given, and what is left of them when one is spoilt."""

from __future__ import annotations

from pathlib import Path

import pytest

from netkit.dns.errors import ZoneFileError
from netkit.dns.name import Name
from netkit.dns.zones.zone import Zone
from netkit.dns.zones.zone_files import DuplicateZone, ZoneFiles, ZoneSource

pytestmark = pytest.mark.once


def text(origin: str, serial: int = 1) -> str:
    return f"$ORIGIN {origin}\n@ 60 SOA ns h {serial} 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n"


def serials(zones: list[Zone]) -> dict[str, int]:
    return {str(zone.origin): zone.soa.serial for zone in zones}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "zones"
    made.mkdir()
    (made / "a.zone").write_text(text("a."))
    (made / "b.zone").write_text(text("b."))
    (made / ".b.zone").write_text("no zone")
    (made / "README").write_text("no zone")
    return made


def test_files_and_folders(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bare").write_text(text("@").split("\n", 1)[1])
    sources = [ZoneSource(str(tmp_path / "bare"), Name.parse("c.")), ZoneSource(str(folder))]
    assert serials(ZoneFiles(sources).read().zones) == {"c.": 1, "a.": 1, "b.": 1}


def test_the_same_file_twice_is_one(folder: Path) -> None:
    sources = [ZoneSource(str(folder / "a.zone"))] * 2
    assert serials(ZoneFiles(sources).read().zones) == {"a.": 1}


def test_what_cannot_be_read_at_first(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ZoneFiles([ZoneSource(str(tmp_path / "none"))]).read()
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no file of this folder ends in \.zone"):
        ZoneFiles([ZoneSource(str(tmp_path / "empty"))]).read()
    (folder / "b.zone").write_text("$ORIGIN b.\n@ SOA\n")
    with pytest.raises(ZoneFileError, match=r"b\.zone:2:"):
        ZoneFiles([ZoneSource(str(folder))]).read()
    (folder / "b.zone").write_text(text("A."))
    with pytest.raises(DuplicateZone, match=r"b\.zone: the zone A\. is also that of .*a\.zone"):
        ZoneFiles([ZoneSource(str(folder))]).read()


class TestAgain:
    def test_a_spoilt_file_keeps_its_zone_and_no_other(self, folder: Path) -> None:
        files = ZoneFiles([ZoneSource(str(folder))])
        files.read()
        (folder / "a.zone").write_text(text("a.").replace("192.0.2.1", "192.0.2.999"))
        (folder / "b.zone").write_text(text("b.", 2))
        (folder / "c.zone").write_text("no zone")
        reading = files.read_again()
        assert serials(reading.zones) == {"a.": 1, "b.": 2}
        assert [str(each).rpartition("/")[2].split(":")[:2] for each in reading.problems] == [
            ["a.zone", "4"],
            ["c.zone", "1"],
        ]
        (folder / "a.zone").write_text(text("a.", 3))
        assert serials(files.read_again().zones) == {"a.": 3, "b.": 2}

    def test_files_come_to_a_folder_and_go(self, folder: Path) -> None:
        files = ZoneFiles([ZoneSource(str(folder))])
        files.read()
        (folder / "a.zone").unlink()
        (folder / "c.zone").write_text(text("c."))
        reading = files.read_again()
        assert (serials(reading.zones), reading.problems) == ({"b.": 1, "c.": 1}, [])

    def test_a_file_that_was_named_is_missed(self, folder: Path) -> None:
        files = ZoneFiles([ZoneSource(str(folder / "a.zone"))])
        files.read()
        (folder / "a.zone").unlink()
        reading = files.read_again()
        assert serials(reading.zones) == {"a.": 1}
        assert [type(each) for each in reading.problems] == [FileNotFoundError]

    def test_a_folder_that_is_gone_keeps_its_zones(self, folder: Path) -> None:
        files = ZoneFiles([ZoneSource(str(folder))])
        files.read()
        folder.rename(folder.parent / "elsewhere")
        reading = files.read_again()
        assert serials(reading.zones) == {"a.": 1, "b.": 1}
        assert FileNotFoundError in {type(each) for each in reading.problems}

    def test_a_file_that_takes_the_name_of_another_zone(self, folder: Path) -> None:
        files = ZoneFiles([ZoneSource(str(folder))])
        files.read()
        (folder / "b.zone").write_text(text("a.", 7))
        reading = files.read_again()
        assert serials(reading.zones) == {"a.": 1}
        assert [type(each) for each in reading.problems] == [DuplicateZone]


@pytest.mark.parametrize(
    ("before", "now", "codes"),
    [
        (text("a."), text("a."), []),
        (text("a.", 5), text("a.", 6).replace("192.0.2.1", "192.0.2.2"), []),
        (text("a.", 0xFFFFFFFF), text("a.", 3), []),
        (text("a.", 5), text("a.", 4), ["serial-back"]),
        (text("a.", 3), text("a.", 0xFFFFFFFF), ["serial-back"]),
        (text("a.", 0), text("a.", 1 << 31), ["serial-back"]),
        (text("a.", 5), text("a.", 5).replace("192.0.2.1", "192.0.2.2"), ["serial-unchanged"]),
        (text("a.", 5), text("a.", 6).replace("@ 60 NS ns\n", ""), ["no-name-servers"]),
        (text("a.", 5).replace("@ 60 NS ns\n", "sub 60 NS ns\n"), text("b.", 4), ["no-name-servers"]),
    ],
)
def test_what_is_odd_about_a_zone(tmp_path: Path, before: str, now: str, codes: list[str]) -> None:
    file = tmp_path / "zone"
    file.write_text(before)
    files = ZoneFiles([ZoneSource(str(file))])
    findings = files.read().findings
    file.write_text(now)
    findings += files.read_again().findings
    assert [each.code for each in findings] == codes
    assert all(str(each).startswith(f"{file}: ") for each in findings)
    file.write_text("no zone")
    assert files.read_again().findings == []
