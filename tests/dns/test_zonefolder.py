"""Zone files on disk: that included files are found, and what of them is not read."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import ZoneFileError
from netkit.dns.name import Name
from netkit.dns.zones.zonefolder import load_zone, read_included

T = DnsRecordType
HEAD = "$ORIGIN e.\n@ SOA ns h 1 2 3 4 60\n"

pytestmark = pytest.mark.once


def test_included_files_are_relative_to_the_one_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "zone").write_text(HEAD + f"$INCLUDE sub/one\n$INCLUDE {tmp_path}/two x\n")
    (tmp_path / "sub/one").write_bytes(b"\xef\xbb\xbfa A 192.0.2.1\r\n$INCLUDE ../two\r\n")
    (tmp_path / "two").write_text("b A 192.0.2.2\n")
    zone = load_zone(tmp_path / "zone")
    assert [str(name) for name, rdtype in zone.rrsets if rdtype == T.A] == ["a.e.", "b.e.", "b.x.e."]
    assert load_zone(str(tmp_path / "zone"), "e", ttl=7).rrsets[Name.parse("a.e"), T.A].ttl == 7


def test_what_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    link = tmp_path / "again"
    link.symlink_to("zone")
    for name, reason in {
        "none": "No such file or directory",
        ".": "Is a directory",
        "pipe": "not a regular file",
        "/dev/zero": "not a regular file",
        '"a\\000b"': "not a printable name",
        "zone": "is being read already",
        "again": "is being read already",
    }.items():
        (tmp_path / "zone").write_text(f"{HEAD}$INCLUDE {name}\n")
        with pytest.raises(ZoneFileError, match=reason) as caught:
            load_zone(tmp_path / "zone")
        assert caught.value.column == 10
    with pytest.raises(FileNotFoundError):
        load_zone(tmp_path / "none")
    with pytest.raises(IsADirectoryError) as of_a_folder:
        load_zone(tmp_path)
    assert of_a_folder.value.filename == str(tmp_path)


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netkit.dns.zones.zonefolder.MAX_FILE_SIZE", 10)
    (tmp_path / "large").write_bytes(b"x" * 11)
    with pytest.raises(OSError, match="larger than 10 octets"):
        read_included(str(tmp_path / "large"))
    with pytest.raises(OSError, match="larger than 10 octets"):
        load_zone(tmp_path / "large")
    monkeypatch.undo()
    with pytest.raises(OSError, match="not a regular file"):
        load_zone("/dev/zero")


def test_a_pipe_is_a_zone_file_while_somebody_writes_to_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ZoneFileError, match="SOA"):
        load_zone(pipe)  # and nobody is waited for
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(pipe, os.O_WRONLY)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(load_zone, pipe)
        os.write(writer, HEAD.encode())
        os.close(writer)
        assert reading.result(5).soa.serial == 1
    os.close(reader)
