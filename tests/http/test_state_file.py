"""Files of state: private from the first octet, replaced whole or not at all."""

from __future__ import annotations

import os

import pytest

from netkit.http import HttpError
from netkit.http.state.state_file import read_state, write_state

pytestmark = pytest.mark.once


def test_it_is_private_whatever_was_there(tmp_path) -> None:
    path = tmp_path / "state"
    path.write_text("old")
    path.chmod(0o644)
    write_state(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["state"]


def test_a_failure_leaves_the_old_one_and_nothing_else(tmp_path, monkeypatch) -> None:
    path = tmp_path / "state"
    path.write_text("old")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_state(str(path), b"new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["state"]


def test_a_link_stays_a_link(tmp_path) -> None:
    (tmp_path / "real").mkdir()
    path, target = tmp_path / "state", tmp_path / "real" / "file"
    path.symlink_to(target)
    write_state(str(path), b"one")
    write_state(str(path), b"two")
    assert path.is_symlink() and target.read_bytes() == b"two"


def test_a_device_is_written_to_and_not_replaced(tmp_path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_state(str(path), b"text")
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert path.is_fifo()


def test_errors_of_the_system(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        write_state(str(tmp_path / "no" / "state"), b"")
    with pytest.raises(IsADirectoryError):
        write_state(str(tmp_path), b"")
    with pytest.raises(FileNotFoundError):
        read_state(str(tmp_path / "state"))


def test_the_limit_of_a_file(tmp_path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"x" * 11)
    assert read_state(str(path), max_size=11) == b"x" * 11
    with pytest.raises(HttpError.InvalidValue, match="longer than 10 octets") as caught:
        read_state(str(path), max_size=10)
    assert caught.value.limit == 10
