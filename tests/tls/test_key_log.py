"""The key log, with each backend: whole and for nobody else, or an error."""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from netkit.tls import TlsError, TlsVersion
from netkit.tls.backends import key_log, prepare
from tests.tls.conformance.ends import client_config, connected, join, server_config, versions
from tests.tls.each_backend import OWN

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once

each = pytest.mark.parametrize("backend", OWN)
full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")

LABELS = {
    TlsVersion.Tls12: {"CLIENT_RANDOM"},
    TlsVersion.Tls13: {
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
        "EXPORTER_SECRET",
    },
}


def labels(path: Path) -> set[str]:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert all(len(line.split()) == 3 for line in lines)
    return {line.split()[0] for line in lines}


@each
@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("role", ["client", "server"])
def test_every_secret_for_nobody_else(backend: str, version: TlsVersion, role: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    logging = {"key_log": str(path)}
    only = {"min_version": version, "max_version": version}
    client = client_config(backend, **only, **(logging if role == "client" else {}))
    server = server_config(backend, **only, **(logging if role == "server" else {}))
    connected(client, server)
    assert labels(path) == LABELS[version]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.rename(tmp_path / "moved away")
    connected(client, server)
    assert labels(path) == LABELS[version]


@full
@each
def test_a_disk_that_is_full(backend: str) -> None:
    with pytest.raises(TlsError.UnusableFile) as caught:
        prepare(client_config(backend, key_log="/dev/full"))
    assert str(caught.value) == "/dev/full: No space left on device"
    assert "has room" in (caught.value.hint or "")


@full
@each
@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("role", ["client", "server"])
def test_a_disk_that_becomes_full(backend: str, version: TlsVersion, role: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    logging = {"key_log": str(path)}
    only = {"min_version": version, "max_version": version}
    ends = join(
        client_config(backend, **only, **(logging if role == "client" else {})),
        server_config(backend, **only, **(logging if role == "server" else {})),
    )
    path.unlink()
    path.symlink_to("/dev/full")
    ends.shake_hands()
    error = ends.client_error if role == "client" else ends.server_error
    assert isinstance(error, TlsError.UnusableFile)
    assert str(error) == f"{path}: No space left on device"


@each
def test_what_a_refused_handshake_has_made_is_there(backend: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    ends = join(client_config(backend, key_log=str(path)), server_config(backend), name="wrong.test")
    assert isinstance(ends.shake_hands().client_error, TlsError.CertificateVerificationFailed)
    assert "SERVER_HANDSHAKE_TRAFFIC_SECRET" in labels(path)


@each
def test_a_folder_that_is_not_there(backend: str, tmp_path: Path) -> None:
    with pytest.raises(TlsError.UnusableFile, match=r"keys: No such file"):
        prepare(client_config(backend, key_log=str(tmp_path / "none" / "keys")))


@each
def test_a_folder_that_goes_away(backend: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    ends = join(client_config(backend, key_log=str(folder / "keys")), server_config(backend))
    (folder / "keys").unlink()
    folder.rmdir()
    assert isinstance(ends.shake_hands().client_error, TlsError.UnusableFile)


def test_a_disk_that_takes_a_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    key_log.append(str(path), b"a whole line\n")
    assert path.read_bytes() == b"a whole line\n"


def test_threads_do_not_cut_each_other_s_lines(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    client, server = client_config("ssl", key_log=str(path)), server_config("ssl")

    def work() -> None:
        for _ in range(5):
            connected(client, server)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == 8 * 5 * 5
    assert all(len(line.split()) == 3 for line in lines)


def test_where_no_pipe_has_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The ssl module writes the file itself then."""

    def none(path: str) -> object:
        raise FileNotFoundError(path)

    monkeypatch.setattr(key_log, "KeyPipe", none)
    path = tmp_path / "keys"
    connected(client_config("ssl", key_log=str(path)), server_config("ssl"))
    assert labels(path) == LABELS[TlsVersion.Tls13]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system does not list descriptors")
def test_no_descriptor_stays(tmp_path: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    pipe = key_log.KeyPipe(str(tmp_path / "keys"))
    assert count() == before + 2
    pipe.opened()
    del pipe
    assert count() == before
