"""A directory as an archive: read with the standard library, and with tar and unzip."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from netkit.http.errors import HttpError
from netkit.http.files import archive as archives
from netkit.http.files.tree import Found, Walk
from tests.conftest import require_peer
from tests.http.files.test_escapes import escapes
from tests.http.files.tree import KEPT, SECRET, ask, get, serving, write

pytestmark = pytest.mark.once

#: More than one piece, and no multiple of a block.
LARGE = b"".join(b"%d\n" % number for number in range(60_000))


@pytest.fixture
def full(root: Path) -> Path:
    escapes(root)
    top = root / "sub"
    write(top / "large.txt", LARGE)
    write(top / "picture.png", os.urandom(200_000))
    write(top / ".hidden", KEPT)
    write(top / ("long" * 50) / ("name" * 40), "long")
    write(Path(os.fsdecode(os.fsencode(top) + b"/caf\xe9")), "no UTF-8")
    write(top / "größe.txt", "UTF-8")
    write(top / "program", "#!").chmod(0o755)
    (top / "inside").symlink_to("deep/c.txt")
    (top / "deep" / "up").symlink_to("../b.txt")
    (top / "above").symlink_to("../a.txt")
    (top / "absolute").symlink_to(root / "a.txt")
    (top / "directory-above").symlink_to("..")
    (top / "directory-inside").symlink_to("deep")
    return root


def contents(opened: tarfile.TarFile) -> dict[str, bytes | str | None]:
    """The members by name: octets of a file, the target of a link, None for a directory."""
    found: dict[str, bytes | str | None] = {}
    for member in opened:
        if member.issym():
            found[member.name] = member.linkname
        elif member.isdir():
            found[member.name] = None
        else:
            file = opened.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


def test_tar(full: Path) -> None:
    with serving(full, archives=True) as served:
        reply = get(served, "/sub/?archive=tar")
        assert reply.status == 200
        assert reply.field(b"content-type") == b"application/x-tar"
        assert reply.field(b"content-disposition") == b'attachment; filename="sub.tar"'
        assert reply.field(b"content-length") is None
        with tarfile.open(fileobj=io.BytesIO(reply.body)) as opened:
            found = contents(opened)
            program = opened.getmember("sub/program")
        assert list(found)[:3] == ["sub", "sub/above", "sub/absolute"]
        assert found["sub/large.txt"] == LARGE
        assert found["sub/deep/c.txt"] == b"deeper\n"
        assert found["sub/größe.txt"] == b"UTF-8"
        assert found["sub/caf\udce9"] == b"no UTF-8"
        assert found[f"sub/{'long' * 50}/{'name' * 40}"] == b"long"
        # A link that stays is one; one that leads to a file elsewhere is that file.
        assert (found["sub/inside"], found["sub/deep/up"]) == ("deep/c.txt", "../b.txt")
        assert found["sub/directory-inside"] == "deep"
        assert found["sub/above"] == found["sub/absolute"] == b"0123456789" * 10
        assert "sub/directory-above" not in found
        assert "sub/link-up-and-out" not in found
        assert (program.mode, program.uid, program.uname) == (0o755, 0, "")
        assert KEPT not in reply.body
        assert SECRET not in reply.body
        packed = get(served, "/sub/?archive=tar.gz")
        assert packed.field(b"content-type") == b"application/gzip"
        assert packed.field(b"content-encoding") is None
        with tarfile.open(fileobj=io.BytesIO(packed.body), mode="r:gz") as opened:
            assert contents(opened) == found


def test_zip(full: Path) -> None:
    with serving(full, archives=True) as served:
        reply = get(served, "/sub/?archive=zip")
        assert reply.field(b"content-type") == b"application/zip"
        with zipfile.ZipFile(io.BytesIO(reply.body)) as opened:
            assert opened.testzip() is None
            names = opened.namelist()
            assert opened.read("sub/large.txt") == LARGE
            assert opened.read("sub/größe.txt") == b"UTF-8"
            assert opened.read("sub/above") == b"0123456789" * 10
            assert "sub/deep/" in names
            assert not [name for name in names if "directory-" in name or "out" in name]
            assert opened.getinfo("sub/large.txt").compress_size < len(LARGE) / 2
            assert opened.getinfo("sub/picture.png").compress_type == zipfile.ZIP_STORED
            assert stat.S_IMODE(opened.getinfo("sub/program").external_attr >> 16) == 0o755
            assert opened.getinfo("sub/b.txt").date_time == (2026, 1, 2, 3, 4, 4)
        assert KEPT not in reply.body
        assert SECRET not in reply.body


def test_of_the_root_nothing_outside_is_in_it(full: Path) -> None:
    with serving(full, archives=True) as served:
        for kind in ("tar", "zip"):
            reply = get(served, f"/?archive={kind}")
            assert reply.field(b"content-disposition") == b'attachment; filename="files.%b"' % kind.encode()
            assert SECRET not in reply.body
            assert KEPT not in reply.body
            assert b"root:" not in reply.body


@pytest.mark.parametrize(("kind", "program"), [("tar.gz", "tar"), ("zip", "unzip")])
def test_other_programs_unpack_it(full: Path, tmp_path: Path, kind: str, program: str) -> None:
    path = require_peer(program)
    there = tmp_path / "unpacked"
    there.mkdir()
    with serving(full, archives=True) as served:
        (there / "archive").write_bytes(get(served, f"/sub/deep/?archive={kind}").body)
    arguments = ["-xzf", "archive"] if program == "tar" else ["-q", "archive"]
    done = subprocess.run([path, *arguments], cwd=there, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert (there / "deep" / "c.txt").read_bytes() == b"deeper\n"


def test_what_is_not_asked_for(full: Path) -> None:
    with serving(full, archives=True) as served, served.client() as client:
        assert ask(client, "/sub/?archive=rar").status == 400
        assert ask(client, "/sub?archive=zip").field(b"location") == b"./sub/?archive=zip"
        assert ask(client, "/a.txt?archive=zip").body == b"0123456789" * 10
        head = ask(client, "/sub/?archive=zip", method="HEAD")
        assert (head.status, head.field(b"content-type")) == (200, b"application/zip")
        assert b"?archive=tar.gz" in ask(client, "/sub/").body
    with serving(full) as served:
        assert get(served, "/sub/?archive=zip").field(b"content-type") == b"text/html; charset=utf-8"


def test_a_file_that_gets_shorter_breaks_it_off(root: Path) -> None:
    path = write(root / "sub" / "large.bin", bytes(16 << 20))
    with serving(root, archives=True) as served, served.client(receive_buffer=4_096) as client:
        client.send(b"GET /sub/?archive=tar HTTP/1.1\r\nHost: a\r\n\r\n")
        client.received = client.sock.recv(1_000)
        served.until_it_waits()
        with path.open("r+b") as file:
            file.truncate(10)
        assert not client.at_end().endswith(b"0\r\n\r\n")
        served.until_told()
        assert isinstance(served.told.errors[0], HttpError.InvalidRequest)


def test_limits(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> list[bytes]:
        with Walk(str(root)) as walk:
            top = walk.find(())
            assert isinstance(top, Found)
            return [each.path for each in archives.members(walk, top, b"x", False, links=True)]

    whole = names()
    assert whole[0] == b"x"
    assert b"x/sub/deep/c.txt" in whole
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    with pytest.raises(HttpError.InvalidRequest, match="more than 3 members"):
        names()
    monkeypatch.setattr(archives, "MAX_MEMBERS", 100)
    monkeypatch.setattr(archives, "MAX_DEPTH", 2)
    with pytest.raises(HttpError.InvalidRequest, match="deeper than 2"):
        names()


def test_a_deep_tree_keeps_few_descriptors(tmp_path: Path) -> None:
    """One for each directory on the way, none for what was gone through."""
    root = tmp_path / "wide"
    for number in range(100):
        write(root / f"{number}" / "file", "x")
    with Walk(str(root)) as walk:
        top = walk.find(())
        assert isinstance(top, Found)
        most = 0
        for _ in archives.members(walk, top, b"x", False, links=True):
            most = max(most, walk.mark())
    assert most <= 4
