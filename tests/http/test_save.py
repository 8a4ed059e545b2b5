"""Files that are saved: nothing is replaced, no link is followed, and only what was made here is removed."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netkit.http import HttpError
from netkit.http.bodies.save import SavedFile, create_file, resume_file

pytestmark = pytest.mark.once


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    yield
    assert (len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0) == before


def test_a_file_is_made_and_written(tmp_path: Path) -> None:
    with create_file(tmp_path, "a.txt") as saved:
        assert (tmp_path / "a.txt").exists()  # in place
        saved.write(b"one ")
        saved.write(memoryview(b"two"))
        saved.write(b"")
    assert saved.path == str(tmp_path / "a.txt")
    assert (saved.size, saved.is_new) == (7, True)
    assert (tmp_path / "a.txt").read_bytes() == b"one two"
    saved.close()
    saved.discard()
    assert names(tmp_path) == ["a.txt"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        create_file(tmp_path, "a").close()
        create_file(tmp_path, "b", mode=0o600).close()
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "on_exists", "following"),
    [
        ("a.tar.gz", "append-number", ["a.tar.gz.1", "a.tar.gz.2"]),
        ("a.txt", "number-in-brackets", ["a (1).txt", "a (2).txt"]),
        ("a", "number-in-brackets", ["a (1)", "a (2)"]),
        ("a." + "b" * 253, "number-in-brackets", [f"a.{'b' * 249} (1)", f"a.{'b' * 249} (2)"]),
        ("x" * 251 + ".txt", "append-number", ["x" * 249 + ".txt.1", "x" * 249 + ".txt.2"]),
        ("x" * 251 + ".txt", "number-in-brackets", ["x" * 247 + " (1).txt", "x" * 247 + " (2).txt"]),
    ],
)
def test_nothing_is_replaced(tmp_path: Path, name: str, on_exists: str, following: list[str]) -> None:
    (tmp_path / name).write_text("mine")
    for expected in following:
        with create_file(tmp_path, name, on_exists=on_exists) as saved:
            saved.write(b"new")
        assert saved.name == expected
    assert (tmp_path / name).read_text() == "mine"
    assert names(tmp_path) == sorted([name, *following])


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "nowhere").symlink_to(tmp_path / "outside")
    os.mkfifo(tmp_path / "fifo")
    for name in ("file", "folder", "nowhere", "fifo"):
        with pytest.raises(FileExistsError) as caught:
            create_file(tmp_path, name)
        assert caught.value.filename == str(tmp_path / name)
    with pytest.raises(FileExistsError):
        create_file(tmp_path, "file", on_exists="append-number", max_tries=1)
    assert not (tmp_path / "outside").exists()
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\\b", "a\0b"])
def test_a_name_that_is_no_component(tmp_path: Path, name: str) -> None:
    for function in (create_file, resume_file):
        with pytest.raises(HttpError.InvalidValue, match="not one component"):
            function(tmp_path, name)
    assert names(tmp_path) == []


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError):
        create_file(tmp_path / "nothing", "a")
    with pytest.raises(NotADirectoryError):
        create_file(tmp_path / "file", "a")


def interrupted(saved: SavedFile, work: Callable[[], object], error: BaseException | None = None) -> None:
    """The block ends with an error after some work."""
    error = error or ZeroDivisionError()

    def block() -> None:
        with saved:
            work()
            raise error

    with pytest.raises(type(error)):
        block()


def test_a_failure_removes_what_was_made(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("mine")
    saved = create_file(tmp_path, "a")
    interrupted(saved, lambda: saved.write(b"partial"), KeyboardInterrupt())
    assert names(tmp_path) == ["other"]
    interrupted(create_file(tmp_path, "a", keep_partial=True), lambda: None)  # nothing to resume
    assert names(tmp_path) == ["other"]
    kept = create_file(tmp_path, "a", keep_partial=True)
    interrupted(kept, lambda: kept.write(b"partial"))
    assert (tmp_path / "a").read_text() == "partial"


def test_a_failure_does_not_remove_what_others_put_there(tmp_path: Path) -> None:
    def replaced_by_a_file() -> None:
        (tmp_path / "a").rename(tmp_path / "moved")
        (tmp_path / "a").write_text("theirs")

    def replaced_by_a_link() -> None:
        (tmp_path / "b").unlink()
        (tmp_path / "b").symlink_to(tmp_path / "a")

    interrupted(create_file(tmp_path, "a"), replaced_by_a_file)
    assert (tmp_path / "a").read_text() == "theirs"
    interrupted(create_file(tmp_path, "b"), replaced_by_a_link)
    assert (tmp_path / "b").is_symlink()
    interrupted(create_file(tmp_path, "c"), (tmp_path / "c").unlink)
    assert names(tmp_path) == ["a", "b", "moved"]


def test_a_folder_that_is_replaced_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a").write_text("theirs")

    def replaced() -> None:
        (tmp_path / "real").rename(tmp_path / "old")
        (tmp_path / "real").symlink_to(tmp_path / "other")

    interrupted(create_file(tmp_path / "real", "a"), replaced)
    assert (tmp_path / "other" / "a").read_text() == "theirs"
    assert names(tmp_path / "old") == []


def test_a_partial_file_is_resumed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("first ")
    with resume_file(tmp_path, "a") as saved:
        assert (saved.size, saved.is_new) == (6, False)
        saved.write(b"second")
    assert (tmp_path / "a").read_text() == "first second"
    saved = resume_file(tmp_path, "a")
    saved.restart()
    interrupted(saved, lambda: saved.write(b"whole"))
    assert (saved.size, (tmp_path / "a").read_text()) == (5, "whole")
    resume_file(tmp_path, "a").discard()
    assert (tmp_path / "a").read_text() == "whole"


def test_only_a_regular_file_is_resumed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "folder", "fifo"):
        with pytest.raises((OSError, HttpError.InvalidValue)):
            resume_file(tmp_path, name).write(b"x")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(HttpError.InvalidValue, match="no regular file"):
            resume_file(tmp_path, "fifo")
    finally:
        os.close(reader)
    with pytest.raises(FileNotFoundError) as caught:
        resume_file(tmp_path, "nothing")
    assert caught.value.filename == str(tmp_path / "nothing")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of the size of files stands for a full disk: some octets still fit."""
    import signal

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        with pytest.raises(OSError), create_file(tmp_path, "a", keep_partial=True) as saved:  # noqa: PT011
            saved.write(bytes(1_500))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert saved.size == 1_000 == (tmp_path / "a").stat().st_size
