"""Downloads in one part: names, errors, what is kept, and going on after an interruption anywhere."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from netkit.http import AsyncClient, Client, ClientConfig, HttpError, Request
from netkit.http.client.download import DownloadConfig, download, download_async, download_many
from netkit.http.client.download_errors import DownloadError
from netkit.http.client.download_file import state_name
from netkit.io import CancellationError, CancellationToken
from tests.http.client.range_server import RangeServer

pytestmark = pytest.mark.once

RANDOM = random.Random(9110)
DATA = RANDOM.randbytes(100_003)
OTHER = RANDOM.randbytes(100_003)
RESUME = DownloadConfig(resume=True, backoff=0, tries=1)


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer(DATA) as made:
        yield made


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(ClientConfig(timeout=10)) as made:
        yield made


def begun(server: RangeServer, client: Client, path: Path, size: int) -> None:
    """Leave `size` octets of the file and what is known of it, as an interruption does."""
    server.cut = lambda number, first: size
    with pytest.raises(DownloadError.Incomplete):
        download(client, server.url, path, config=DownloadConfig(tries=1))
    assert path.stat().st_size == size
    server.cut = lambda number, first: None
    server.asked.clear()


def state_of(path: Path) -> Path:
    return path.with_name(state_name(path.name))


# A file.


@pytest.mark.parametrize("size", [0, 1, 2, 65_536, 262_143, 262_144, 262_145, 1_500_001])
def test_a_file_is_there_as_it_was_sent(client: Client, tmp_path: Path, size: int) -> None:
    data = RANDOM.randbytes(size)
    told: list[tuple[int, int | None]] = []
    with RangeServer(data) as server:
        done = download(client, server.url, tmp_path / "file", progress=lambda *each: told.append(each))
    assert (tmp_path / "file").read_bytes() == data
    assert os.listdir(tmp_path) == ["file"]
    assert done.size == size and done.path == str(tmp_path / "file") and done.etag == server.etag
    assert told[0] == (0, size) and told[-1] == (size, size)
    assert told == sorted(told)


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_length_that_is_not_known(
    server: RangeServer, client: Client, tmp_path: Path, framing: str
) -> None:
    server.framing = framing
    told: list[int | None] = []
    done = download(client, server.url, tmp_path / "file", progress=lambda _, total: told.append(total))
    assert (tmp_path / "file").read_bytes() == DATA
    assert done.size == len(DATA) and set(told) == {None}


def test_the_same_under_asyncio(server: RangeServer, tmp_path: Path) -> None:
    async def main() -> int:
        async with AsyncClient() as client:
            return (await download_async(client, server.url, tmp_path / "file")).size

    assert asyncio.run(main()) == len(DATA)
    assert (tmp_path / "file").read_bytes() == DATA


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (None, "file.bin"),
        ('attachment; filename="a b.txt"', "a b.txt"),
        ('attachment; filename="../../.profile"', "profile"),
        ("attachment; filename=", "file.bin"),
    ],
)
def test_a_name_from_the_server_or_the_url(
    server: RangeServer, client: Client, tmp_path: Path, disposition: str | None, name: str
) -> None:
    if disposition is not None:
        server.fields["Content-Disposition"] = disposition
    done = download(client, server.url, folder=tmp_path)
    assert done.path == str(tmp_path / name) and os.listdir(tmp_path) == [name]
    ignoring = DownloadConfig(use_disposition=False, on_exists="number-in-brackets")
    again = download(client, server.url, folder=tmp_path, config=ignoring)
    assert os.path.basename(again.path) == ("file (1).bin" if name == "file.bin" else "file.bin")


def test_what_is_there_is_not_overwritten(server: RangeServer, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"mine")
    with pytest.raises(DownloadError.File) as caught:
        download(client, server.url, path)
    assert caught.value.kind == "FileExists" and caught.value.stage == "local"
    assert path.read_bytes() == b"mine" and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("leads", ["somewhere", "nowhere"])
def test_a_link_is_not_followed(
    server: RangeServer, client: Client, tmp_path: Path, leads: str, resume: bool
) -> None:
    target = tmp_path / "target"
    if leads == "somewhere":
        target.write_bytes(b"mine")
    (tmp_path / "file").symlink_to(target)
    with pytest.raises(DownloadError.File) as caught:
        download(client, server.url, tmp_path / "file", config=DownloadConfig(resume=resume))
    assert caught.value.kind == ("IsLink" if resume else "FileExists")
    assert (target.read_bytes() == b"mine") if leads == "somewhere" else not target.exists()


def test_a_link_in_the_place_of_the_state_is_removed(
    server: RangeServer, client: Client, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    state_of(tmp_path / "file").symlink_to(target)
    begun(server, client, tmp_path / "file", 1000)
    assert target.read_bytes() == b"mine" and not state_of(tmp_path / "file").is_symlink()


def test_no_folder(server: RangeServer, client: Client, tmp_path: Path) -> None:
    with pytest.raises(DownloadError.File) as caught:
        download(client, server.url, tmp_path / "none" / "file")
    assert caught.value.kind == "NoSuchFile" and caught.value.path == str(tmp_path / "none" / "file")


def test_a_status_without_a_file(server: RangeServer, client: Client, tmp_path: Path) -> None:
    server.instead = lambda *_: b"HTTP/1.1 404 X\r\nContent-Length: 3\r\n\r\nno\n"
    with pytest.raises(DownloadError.Status) as caught:
        download(client, server.url, tmp_path / "file")
    assert caught.value.status == 404 and os.listdir(tmp_path) == []


def test_a_part_unasked(server: RangeServer, client: Client, tmp_path: Path) -> None:
    server.instead = lambda *_: (
        b"HTTP/1.1 206 X\r\nContent-Range: bytes 0-2/3\r\nContent-Length: 3\r\n\r\nabc"
    )
    with pytest.raises(DownloadError.BadRange):
        download(client, server.url, tmp_path / "file")
    assert os.listdir(tmp_path) == []


def test_a_connection_that_is_refused(server: RangeServer, client: Client, tmp_path: Path) -> None:
    with RangeServer(b"") as gone:
        pass
    with pytest.raises(HttpError.ConnectionError):
        download(client, gone.url, tmp_path / "file")
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_too_large(server: RangeServer, client: Client, tmp_path: Path) -> None:
    config = DownloadConfig(max_size=50_000)
    with pytest.raises(DownloadError.TooLarge) as caught:
        download(client, server.url, tmp_path / "announced", config=config)
    assert caught.value.size == len(DATA) and os.listdir(tmp_path) == []
    server.framing = "chunked"
    with pytest.raises(DownloadError.TooLarge):
        download(client, server.url, tmp_path / "met", config=config)
    # Where what came first was too large already, there is no file.
    assert not (tmp_path / "met").exists() or (tmp_path / "met").stat().st_size <= 50_000


def test_the_time_of_the_file(server: RangeServer, client: Client, tmp_path: Path) -> None:
    server.modified = "Sun, 06 Nov 1994 08:49:37 GMT"
    download(client, server.url, tmp_path / "file", config=DownloadConfig(set_modified=True))
    assert (tmp_path / "file").stat().st_mtime == 784_111_777


def test_a_checksum(server: RangeServer, client: Client, tmp_path: Path) -> None:
    right = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
    done = download(client, server.url, tmp_path / "right", checksum=right.upper())
    assert done.checksum == right
    wrong = f"sha1:{'0' * 40}"
    with pytest.raises(DownloadError.Checksum) as caught:
        download(client, server.url, tmp_path / "wrong", checksum=wrong)
    assert caught.value.found == hashlib.sha1(DATA).hexdigest() and caught.value.wanted == "0" * 40
    assert caught.value.is_kept and str(tmp_path / "wrong") in str(caught.value)
    # It is marked as not done, and can be looked at again with the right one, without fetching it.
    assert state_of(tmp_path / "wrong").exists()
    server.asked.clear()
    download(client, server.url, tmp_path / "wrong", checksum=right, config=RESUME)
    assert [asked["range"] for asked in server.asked] == [f"bytes={len(DATA)}-"]
    assert sorted(os.listdir(tmp_path)) == ["right", "wrong"]


@pytest.mark.parametrize("text", ["", "sha256", "sha256:00", "none:00", "sha256:" + "g" * 64, "shake_128:00"])
def test_no_checksum(server: RangeServer, client: Client, tmp_path: Path, text: str) -> None:
    with pytest.raises(HttpError.InvalidValue):
        download(client, server.url, tmp_path / "file", checksum=text)
    assert server.asked == []


def test_a_range_is_the_download_s_own(server: RangeServer, client: Client, tmp_path: Path) -> None:
    with pytest.raises(HttpError.InvalidRequest):
        download(client, server.url, tmp_path / "file", headers={"Range": "bytes=0-1"})
    with pytest.raises(HttpError.InvalidRequest):
        download(client, Request("HEAD", server.url), tmp_path / "file")


def test_no_coding_is_asked_for(server: RangeServer, client: Client, tmp_path: Path) -> None:
    download(client, server.url, tmp_path / "file", headers={"X-A": "1", "Accept-Encoding": "gzip"})
    assert server.asked[0]["accept-encoding"] == "identity" and server.asked[0]["x-a"] == "1"


def test_a_coding_unasked_is_undone_unless_the_name_says_it(client: Client, tmp_path: Path) -> None:
    import gzip

    packed = gzip.compress(DATA)
    with RangeServer(packed) as server:
        server.fields["Content-Encoding"] = "gzip"
        download(client, server.url, tmp_path / "file.bin")
        download(client, server.url, tmp_path / "file.bin.gz")
        assert (tmp_path / "file.bin").read_bytes() == DATA
        assert (tmp_path / "file.bin.gz").read_bytes() == packed
        # What is encoded in the file is resumed in the same coding; what was undone begins again.
        begun(server, client, tmp_path / "again.gz", 5000)
        download(client, server.url, tmp_path / "again.gz", config=RESUME)
        assert server.asked[0]["range"] == "bytes=5000-"
        assert (tmp_path / "again.gz").read_bytes() == packed
        server.asked.clear()
        server.cut = lambda number, first: 70_000 if number == 0 else None
        with pytest.raises(DownloadError.Incomplete):
            download(client, server.url, tmp_path / "undone", config=DownloadConfig(tries=5, backoff=0))
        assert len(server.asked) == 1
        done = download(client, server.url, tmp_path / "undone", config=RESUME)
        assert "range" not in server.asked[1] and done.resumed_at == 0
        assert (tmp_path / "undone").read_bytes() == DATA


# Going on.


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [1, 2, 4095, 65_536, 99_999, len(DATA) - 1])
def test_an_interruption_anywhere_is_gone_on_from(
    server: RangeServer, client: Client, tmp_path: Path, size: int, framing: str
) -> None:
    server.framing = framing
    path = tmp_path / "file"
    begun(server, client, path, size)
    assert state_of(path).stat().st_mode & 0o777 == 0o600
    done = download(client, server.url, path, config=RESUME)
    assert path.read_bytes() == DATA and os.listdir(tmp_path) == ["file"]
    assert [(asked["range"], asked["if-range"]) for asked in server.asked] == [
        (f"bytes={size}-", server.etag)
    ]
    assert done.resumed_at == size and done.size == len(DATA)


def test_an_interruption_is_gone_on_from_at_once(server: RangeServer, client: Client, tmp_path: Path) -> None:
    server.cut = lambda number, first: 30_000
    checksum = f"md5:{hashlib.md5(DATA).hexdigest()}"
    config = DownloadConfig(backoff=0, tries=9)
    download(client, server.url, tmp_path / "file", config=config, checksum=checksum)
    ranges = [asked.get("range") for asked in server.asked]
    assert ranges == [None, "bytes=30000-", "bytes=60000-", "bytes=90000-"]
    assert (tmp_path / "file").read_bytes() == DATA


def test_the_error_says_what_is_kept(server: RangeServer, client: Client, tmp_path: Path) -> None:
    server.cut = lambda number, first: 30_000 if not first else 0
    path = tmp_path / "file"
    with pytest.raises(DownloadError.Incomplete) as caught:
        download(client, server.url, path, config=DownloadConfig(backoff=0, tries=3))
    assert len(server.asked) == 3
    error = caught.value
    assert (error.path, error.received, error.expected) == (str(path), 30_000, len(DATA))
    assert error.is_kept and f"30000 of {len(DATA)} octets are kept" in str(error)
    assert error.kind == "Incomplete" and error.stage == "protocol"
    assert path.read_bytes() == DATA[:30_000] and state_of(path).exists()


def test_nothing_received_leaves_nothing(server: RangeServer, client: Client, tmp_path: Path) -> None:
    server.cut = lambda number, first: 0
    with pytest.raises(DownloadError.Incomplete) as caught:
        download(client, server.url, tmp_path / "file", config=DownloadConfig(tries=1))
    assert os.listdir(tmp_path) == [] and not caught.value.is_kept


def test_a_change_begins_again(server: RangeServer, client: Client, tmp_path: Path) -> None:
    begun(server, client, tmp_path / "file", 50_000)
    server.change(OTHER[:-7])
    done = download(client, server.url, tmp_path / "file", config=RESUME)
    assert (tmp_path / "file").read_bytes() == OTHER[:-7]
    assert len(server.asked) == 1 and done.resumed_at == 0 and done.restarts == 1


@pytest.mark.parametrize("honest", [True, False])
def test_a_change_in_between_begins_again_once(
    server: RangeServer, client: Client, tmp_path: Path, honest: bool
) -> None:
    server.if_range = honest
    server.cut = lambda number, first: 30_000 if number < 1 else None
    server.before = lambda number, _: server.change(OTHER) if number == 1 else None
    config = DownloadConfig(backoff=0)
    done = download(client, server.url, tmp_path / "file", config=config)
    assert (tmp_path / "file").read_bytes() == OTHER and done.restarts == 1


def test_a_file_that_changes_all_the_time(server: RangeServer, client: Client, tmp_path: Path) -> None:
    server.cut = lambda number, first: 30_000
    server.before = lambda number, _: server.change(RANDOM.randbytes(100_000))
    with pytest.raises(DownloadError.Changed) as caught:
        download(client, server.url, tmp_path / "file", config=DownloadConfig(backoff=0))
    assert len(server.asked) == 3 and caught.value.stage == "protocol"


def test_a_server_without_ranges_begins_again(server: RangeServer, client: Client, tmp_path: Path) -> None:
    begun(server, client, tmp_path / "file", 50_000)
    server.ranges = False
    done = download(client, server.url, tmp_path / "file", config=RESUME)
    assert (tmp_path / "file").read_bytes() == DATA and len(server.asked) == 1
    assert done.resumed_at == 0


def test_a_server_without_ranges_that_cuts_off_is_not_asked_for_ever(
    server: RangeServer, client: Client, tmp_path: Path
) -> None:
    server.ranges = False
    server.cut = lambda number, first: 80_000
    with pytest.raises(DownloadError.Incomplete):
        download(client, server.url, tmp_path / "file", config=DownloadConfig(backoff=0))
    assert len(server.asked) <= 4


def test_a_complete_file_is_success(server: RangeServer, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "file"
    download(client, server.url, path)
    server.asked.clear()
    done = download(client, server.url, path, config=RESUME)
    assert done.size == done.resumed_at == len(DATA) and path.read_bytes() == DATA
    assert len(server.asked) == 1 and os.listdir(tmp_path) == ["file"]


def complete_with_state(server: RangeServer, client: Client, path: Path) -> None:
    with pytest.raises(DownloadError.Checksum):
        download(client, server.url, path, checksum=f"md5:{'0' * 32}")
    server.asked.clear()


def test_416_with_the_same_length_is_success(server: RangeServer, client: Client, tmp_path: Path) -> None:
    complete_with_state(server, client, tmp_path / "file")
    done = download(client, server.url, tmp_path / "file", config=RESUME)
    assert server.asked[0]["range"] == f"bytes={len(DATA)}-" and done.size == len(DATA)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("field", ["bytes */5", "bytes 0-1/*", "items */100003", "bytes */"])
def test_416_with_another_length_is_none(
    server: RangeServer, client: Client, tmp_path: Path, field: str
) -> None:
    complete_with_state(server, client, tmp_path / "file")
    head = f"HTTP/1.1 416 X\r\nContent-Range: {field}\r\nContent-Length: 0\r\n\r\n".encode()
    server.instead = lambda *_: head
    with pytest.raises(DownloadError.BadRange):
        download(client, server.url, tmp_path / "file", config=RESUME)
    assert (tmp_path / "file").read_bytes() == DATA


@pytest.mark.parametrize(
    "place",
    [
        None,
        "bytes 0-100002/100003",
        "bytes 49999-100002/100003",
        "bytes 50001-100002/100003",
        "bytes 50000-100002/100004",
        "bytes 50000-100001/100003",
        "bytes 50000-100003/100003",
        "bytes 50000-100002/*",
        "bytes */100003",
        "items 50000-100002/100003",
        "bytes 50000-100002/99999999999999999999999",
        "nonsense",
    ],
)
def test_a_content_range_that_lies(
    server: RangeServer, client: Client, tmp_path: Path, place: str | None
) -> None:
    path = tmp_path / "file"
    begun(server, client, path, 50_000)
    server.content_range = lambda *_: place
    with pytest.raises(DownloadError.BadRange) as caught:
        download(client, server.url, path, config=RESUME)
    assert caught.value.stage == "protocol" and caught.value.received == 50_000
    assert path.read_bytes() == DATA[:50_000] and state_of(path).exists()
    server.content_range = lambda first, last, total: f"bytes {first}-{last}/{total}"
    download(client, server.url, path, config=RESUME)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize(
    "fields",
    [{"Content-Encoding": "gzip"}, {"ETag": ""}, {"Content-Type": "multipart/byteranges; boundary=x"}],
)
def test_a_part_of_another_kind(
    server: RangeServer, client: Client, tmp_path: Path, fields: dict[str, str]
) -> None:
    path = tmp_path / "file"
    begun(server, client, path, 50_000)
    if "ETag" in fields:
        server.part_etag = None
    elif "Content-Type" in fields:
        server.content_range = lambda *_: None
        server.fields = fields
    else:
        server.fields = fields
    with pytest.raises(DownloadError.BadRange):
        download(client, server.url, path, config=RESUME)
    assert path.read_bytes() == DATA[:50_000]


def test_a_part_may_be_shorter_than_asked(server: RangeServer, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "file"
    begun(server, client, path, 50_000)

    def shorter(number: int, fields: dict[str, str]) -> bytes:
        first = int(fields["range"][6:].partition("-")[0])
        part = DATA[first : first + 20_000]
        place = f"bytes {first}-{first + len(part) - 1}/{len(DATA)}"
        head = (
            f"HTTP/1.1 206 X\r\nETag: {server.etag}\r\nContent-Range: {place}\r\nContent-Length: {len(part)}"
        )
        return head.encode() + b"\r\n\r\n" + part

    server.instead = shorter
    download(client, server.url, path, config=DownloadConfig(resume=True, backoff=0))
    assert path.read_bytes() == DATA and len(server.asked) == 3


def test_a_status_in_between(server: RangeServer, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "file"
    begun(server, client, path, 50_000)
    busy = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
    server.instead = lambda number, _: busy if number == 0 else None
    download(client, server.url, path, config=DownloadConfig(resume=True, backoff=0))
    assert path.read_bytes() == DATA
    path.unlink()
    begun(server, client, path, 50_000)
    server.instead = lambda *_: b"HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(DownloadError.Status) as caught:
        download(client, server.url, path, config=DownloadConfig(resume=True, backoff=0))
    assert caught.value.is_kept and len(server.asked) == 1 and path.read_bytes() == DATA[:50_000]


def test_a_date_says_which_version_it_is(server: RangeServer, client: Client, tmp_path: Path) -> None:
    server.etag, server.modified = 'W/"1"', "Thu, 02 Jul 2026 09:59:59 GMT"
    begun(server, client, tmp_path / "file", 50_000)
    download(client, server.url, tmp_path / "file", config=RESUME)
    assert server.asked[0]["if-range"] == server.modified
    assert (tmp_path / "file").read_bytes() == DATA


@pytest.mark.parametrize("modified", [None, "Thu, 02 Jul 2026 10:00:00 GMT"])
def test_without_a_strong_validator_the_end_is_compared(
    server: RangeServer, client: Client, tmp_path: Path, modified: str | None
) -> None:
    server.etag, server.modified = 'W/"1"', modified
    path = tmp_path / "file"
    begun(server, client, path, 50_000)
    download(client, server.url, path, config=RESUME)
    assert server.asked[0]["range"] == f"bytes={50_000 - 16_384}-" and "if-range" not in server.asked[0]
    assert path.read_bytes() == DATA
    path.unlink()
    begun(server, client, path, 50_000)
    server.data = OTHER
    done = download(client, server.url, path, config=RESUME)
    assert path.read_bytes() == OTHER and done.restarts == 1


def test_a_part_of_somebody_else(server: RangeServer, client: Client, tmp_path: Path) -> None:
    """What curl left: nothing is known of it but its octets."""
    path = tmp_path / "file"
    path.write_bytes(DATA[:40_000])
    checksum = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
    done = download(client, server.url, path, config=RESUME, checksum=checksum)
    assert path.read_bytes() == DATA and done.resumed_at == 40_000


@pytest.mark.parametrize("what", [OTHER[:40_000], DATA + b"more", DATA + DATA, b"x"])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_is_no_part_stays_as_it_is(
    server: RangeServer, client: Client, tmp_path: Path, what: bytes, ranges: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(what)
    server.ranges = ranges
    with pytest.raises((DownloadError.NotResumable, DownloadError.BadRange)):
        download(client, server.url, path, config=RESUME)
    assert path.read_bytes() == what and os.listdir(tmp_path) == ["file"]


def test_a_state_of_another_url(server: RangeServer, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "file"
    begun(server, client, path, 50_000)
    with pytest.raises(DownloadError.NotResumable):
        download(client, server.url.replace("file.bin", "other"), path, config=RESUME)
    # A query may have a signature in it, which is another one each time; it is not kept.
    download(client, f"{server.url}?signature=secret", path, config=RESUME)
    assert path.read_bytes() == DATA
    path.unlink()
    server.cut = lambda number, first: 10
    url = server.url.replace("localhost", "me:secret@localhost") + "?signature=secret"
    with pytest.raises(DownloadError.Incomplete):
        download(client, url, path, config=DownloadConfig(tries=1))
    assert b"secret" not in state_of(path).read_bytes()


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b'{"netkit-part": 1, "url": "http://localhost/", "total": -1}',
        b'{"netkit-part": 1, "url": "http://localhost/", "total": 2, "parts": [[0, 0, 0]]}',
        b'{"netkit-part": 1, "url": "http://localhost/", "total": 2, "parts": [[0, 1, 3]]}',
        b'{"netkit-part": 1, "url": "http://localhost/", "total": 2, "parts": [[1, 1, 0], [0, 0, 0]]}',
        b'{"netkit-part": 1, "url": "http://localhost/", "etag": "a\\r\\nX: y"}',
        b" " * 300_000,
    ],
)
def test_a_state_that_cannot_be_read(
    server: RangeServer, client: Client, tmp_path: Path, state: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA[:1000])
    state_of(path).write_bytes(state)
    with pytest.raises(DownloadError.NotResumable):
        download(client, server.url, path, config=RESUME)
    assert path.read_bytes() == DATA[:1000] and server.asked == []


def test_a_state_whose_file_is_gone(server: RangeServer, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "file"
    begun(server, client, path, 1000)
    path.unlink()
    download(client, server.url, path, config=RESUME)
    assert path.read_bytes() == DATA


def test_a_file_that_another_download_writes(server: RangeServer, client: Client, tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / "file"
    begun(server, client, path, 1000)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownloadError.File) as caught:
            download(client, server.url, path, config=RESUME)
    assert caught.value.kind == "FileInUse" and path.read_bytes() == DATA[:1000]


def test_the_name_of_a_disposition_is_resumed(server: RangeServer, client: Client, tmp_path: Path) -> None:
    server.fields["Content-Disposition"] = 'attachment; filename="named"'
    server.cut = lambda number, first: 50_000 if number == 0 else None
    with pytest.raises(DownloadError.Incomplete):
        download(client, server.url, folder=tmp_path, config=DownloadConfig(tries=1))
    done = download(client, server.url, folder=tmp_path, config=RESUME)
    assert (tmp_path / "named").read_bytes() == DATA and done.resumed_at == 50_000
    assert os.listdir(tmp_path) == ["named"]


# The end of time, and of the disk.


@pytest.mark.parametrize("form", ["cancel", "timeout", "asyncio"])
def test_an_interruption_keeps_what_is_there(
    server: RangeServer, client: Client, tmp_path: Path, form: str
) -> None:
    import threading

    path = tmp_path / "file"
    go_on = threading.Event()
    server.at = 60_000, lambda number: (go_on.wait(10), None)[1]
    token = CancellationToken()

    def progress(done: int, total: int | None) -> None:
        if done == 60_000:
            token.cancel()

    async def awaited() -> None:
        task: asyncio.Task[object] | None = None

        def stop(done: int, total: int | None) -> None:
            if done == 60_000 and task is not None:
                task.cancel()

        async with AsyncClient() as other:
            task = asyncio.ensure_future(download_async(other, server.url, path, progress=stop))
            await task

    try:
        if form == "cancel":
            with pytest.raises(CancellationError):
                download(client, server.url, path, progress=progress, cancel=token)
        elif form == "timeout":
            with pytest.raises(DownloadError.TimedOut) as caught:
                download(client, server.url, path, timeout=0.2)
            assert isinstance(caught.value, TimeoutError)
            assert caught.value.received == 60_000 and caught.value.is_kept
        else:
            with pytest.raises(asyncio.CancelledError):
                asyncio.run(awaited())
    finally:
        go_on.set()
    assert path.read_bytes() == DATA[:60_000]
    assert json.loads(state_of(path).read_bytes())["etag"] == server.etag
    server.at = None
    download(client, server.url, path, config=RESUME)
    assert path.read_bytes() == DATA


def test_a_full_disk_keeps_what_went_on_it(server: RangeServer, client: Client, tmp_path: Path) -> None:
    import resource

    path = tmp_path / "file"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, hard))
    try:
        with pytest.raises(DownloadError.File) as caught:
            download(client, server.url, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    error = caught.value
    assert error.kind == "NoSpace" and error.stage == "local" and isinstance(error, OSError)
    assert error.received == 70_000 and "70000 of 100003 octets are kept" in str(error)
    assert path.read_bytes() == DATA[:70_000]
    download(client, server.url, path, config=RESUME)
    assert path.read_bytes() == DATA


def test_a_rate_is_kept(client: Client, tmp_path: Path) -> None:
    from time import monotonic, process_time

    with RangeServer(DATA[:40_000]) as server:
        begun_at, busy = monotonic(), process_time()
        download(client, server.url, tmp_path / "file", config=DownloadConfig(limit_rate=200_000))
        assert monotonic() - begun_at >= 0.19
        assert process_time() - busy < 0.1
    assert (tmp_path / "file").read_bytes() == DATA[:40_000]


# Many.


def test_many_each_with_its_own_end(server: RangeServer, client: Client, tmp_path: Path) -> None:
    def instead(number: int, fields: dict[str, str]) -> bytes | None:
        missing = b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"
        return missing if fields["target"].endswith("missing") else None

    server.instead = instead
    base = server.url.removesuffix("file.bin")
    names = ["a", "missing", "b", "a", "c"]
    outcomes = download_many(client, [base + name for name in names], tmp_path, concurrency=2)
    assert sorted(outcome.index for outcome in outcomes) == [0, 1, 2, 3, 4]
    by_index = {outcome.index: outcome for outcome in outcomes}
    assert isinstance(by_index[1].error, DownloadError.Status)
    assert isinstance(by_index[3].error, DownloadError.File) and by_index[3].error.kind == "FileExists"
    assert [by_index[index].done is not None for index in (0, 2, 4)] == [True] * 3
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "c"]
    assert by_index[0].url == base + "a"
    ended: list[int] = []
    config = DownloadConfig(on_exists="number-in-brackets")
    more = download_many(
        client, [base + "a"] * 3, tmp_path, config=config, on_end=lambda outcome: ended.append(outcome.index)
    )
    assert more == [] and sorted(ended) == [0, 1, 2]
    assert {"a", "a (1)", "a (2)", "a (3)"} <= set(os.listdir(tmp_path))
    assert all((tmp_path / name).read_bytes() == DATA for name in os.listdir(tmp_path))


def test_many_of_one_name_at_once_are_not_mixed(server: RangeServer, client: Client, tmp_path: Path) -> None:
    outcomes = download_many(client, [server.url] * 3, tmp_path, concurrency=3, config=RESUME)
    assert any(outcome.done is not None for outcome in outcomes)
    assert (tmp_path / "file.bin").read_bytes() == DATA
