"""Downloads in several parts: equal to the single one, verified whole, gone on with after an interruption."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netkit.http import AsyncClient, Client, ClientConfig
from netkit.http.client.download import DownloadConfig, download, download_async
from netkit.http.client.download_errors import DownloadError
from netkit.http.client.download_file import state_name
from netkit.io import CancellationError, CancellationToken
from tests.http.client.range_server import Fields, RangeServer

pytestmark = pytest.mark.once

RANDOM = random.Random(14)
SIZE = 400_009
DATA = RANDOM.randbytes(SIZE)
OTHER = RANDOM.randbytes(SIZE)
FOUR = DownloadConfig(parallel=4, min_part=1, backoff=0)
RESUME = FOUR.replace(resume=True)


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer(DATA) as made:
        yield made


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(ClientConfig(timeout=10)) as made:
        yield made


def state_of(path: Path) -> Path:
    return path.with_name(state_name(path.name))


def ranges(server: RangeServer) -> list[str]:
    return sorted(asked["range"] for asked in server.asked if "range" in asked)


@pytest.mark.parametrize("parallel", [1, 2, 3, 7])
def test_it_equals_the_single_one(client: Client, tmp_path: Path, parallel: int) -> None:
    sizes = {0, 1, parallel - 1, parallel, parallel + 1, 2 * parallel, 2 * parallel + 1, 1009, 300_001}
    for size in sorted(sizes):
        data = RANDOM.randbytes(size)
        path = tmp_path / str(size)
        with RangeServer(data) as server:
            config = FOUR.replace(parallel=parallel)
            checksum = f"sha256:{hashlib.sha256(data).hexdigest()}"
            done = download(client, server.url, path, config=config, checksum=checksum)
        assert path.read_bytes() == data
        assert done.size == size and done.checksum == checksum
        assert (
            done.parts
            == len(server.asked)
            == (parallel if size >= 2 and size >= parallel else max(1, done.parts))
        )
    assert not [name for name in os.listdir(tmp_path) if "netkit" in name]


def test_it_goes_over_several_connections_at_once(
    server: RangeServer, client: Client, tmp_path: Path
) -> None:
    """No response goes on before all parts are asked for."""
    together = threading.Barrier(4)
    server.at = 1, lambda number: (together.wait(10), None)[1]
    told: list[tuple[int, int | None]] = []
    done = download(
        client, server.url, tmp_path / "file", config=FOUR, progress=lambda *each: told.append(each)
    )
    assert (tmp_path / "file").read_bytes() == DATA
    assert server.connections == 4 and done.parts == 4 and done.single is None
    assert told[0] == (0, SIZE) and told[-1] == (SIZE, SIZE) and told == sorted(told)
    assert {asked.get("if-range") for asked in server.asked} == {None, server.etag}


def test_the_same_under_asyncio(server: RangeServer, tmp_path: Path) -> None:
    async def main() -> int:
        async with AsyncClient() as client:
            return (await download_async(client, server.url, tmp_path / "file", config=FOUR)).parts

    assert asyncio.run(main()) == 4
    assert (tmp_path / "file").read_bytes() == DATA


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"etag": None}, "no strong ETag"),
        ({"etag": 'W/"1"'}, "no strong ETag"),
        ({"etag": None, "modified": "Thu, 02 Jul 2026 10:00:00 GMT"}, "no strong ETag"),
        ({"framing": "chunked"}, "length"),
        ({"accept_ranges": "none"}, "no ranges"),
        ({"ranges": False, "accept_ranges": "bytes"}, "no ranges"),
        ({"ranges": False, "accept_ranges": None}, "no ranges"),
        ({"fields": {"Content-Encoding": "identity"}}, None),
        ({"accept_ranges": None}, None),
        ({"etag": None, "modified": "Thu, 02 Jul 2026 09:00:00 GMT"}, None),
    ],
)
def test_it_is_said_why_it_came_in_one_part(
    server: RangeServer, client: Client, tmp_path: Path, setting: dict[str, object], reason: str | None
) -> None:
    for name, value in setting.items():
        setattr(server, name, value)
    done = download(client, server.url, tmp_path / "file", config=FOUR)
    assert (tmp_path / "file").read_bytes() == DATA
    assert (done.single is None) if reason is None else (reason in (done.single or ""))
    assert done.parts == (4 if reason is None else 1)


def test_a_small_file_has_one_part(server: RangeServer, client: Client, tmp_path: Path) -> None:
    done = download(client, server.url, tmp_path / "file", config=FOUR.replace(min_part=1 << 20))
    assert len(server.asked) == 1 and done.single == "it is small"


# What fails.


def test_a_part_that_is_cut_off_goes_on(server: RangeServer, client: Client, tmp_path: Path) -> None:
    server.cut = lambda number, first: 70_000
    done = download(client, server.url, tmp_path / "file", config=FOUR.replace(tries=5))
    assert (tmp_path / "file").read_bytes() == DATA and done.parts == 4
    assert len(ranges(server)) == 7 and f"bytes={SIZE // 4 + 70_000}-{SIZE // 2 - 1}" in ranges(server)


@pytest.mark.parametrize("how", ["503", "closed"])
def test_a_server_that_does_one_at_a_time(
    server: RangeServer, client: Client, tmp_path: Path, how: str
) -> None:
    """The others wait for it. The last refusal may come when nothing moves any more: a try of its own."""
    refused: list[int] = []
    held = threading.Event()

    def instead(number: int, fields: Fields) -> bytes | None:
        if number == 0 or held.is_set():
            return None
        refused.append(number)
        if len(refused) == 3:
            held.set()
        return b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n" if how == "503" else b""

    server.instead = instead
    server.at = 1, lambda number: (held.wait(10), None)[1] if number == 0 else None
    done = download(client, server.url, tmp_path / "file", config=FOUR.replace(tries=2))
    assert (tmp_path / "file").read_bytes() == DATA and done.parts == 4
    assert len(refused) == 3


def test_a_server_that_refuses_every_part(server: RangeServer, client: Client, tmp_path: Path) -> None:
    busy = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
    server.instead = lambda number, _: busy if number else None
    with pytest.raises(DownloadError.Status) as caught:
        download(client, server.url, tmp_path / "file", config=FOUR)
    assert caught.value.received == SIZE // 4 and caught.value.is_kept
    assert len(server.asked) <= 16


def test_a_part_that_fails_ends_all_and_keeps_them(
    server: RangeServer, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    server.cut = lambda number, first: 1000 if first == SIZE // 2 else 0 if first > SIZE // 2 else None
    with pytest.raises(DownloadError.Incomplete) as caught:
        download(client, server.url, path, config=FOUR.replace(tries=1))
    error = caught.value
    assert error.is_kept and error.expected == SIZE and error.path == str(path)
    assert path.stat().st_size == SIZE
    parts = json.loads(state_of(path).read_bytes())["parts"]
    assert error.received == sum(done for _, _, done in parts) < SIZE
    kept = path.read_bytes()
    assert all(kept[first : first + done] == DATA[first : first + done] for first, _, done in parts)
    server.cut = lambda number, first: None
    server.asked.clear()
    done = download(client, server.url, path, config=RESUME)
    assert path.read_bytes() == DATA and done.resumed_at == error.received
    assert not state_of(path).exists() and all("range" in asked for asked in server.asked)


@pytest.mark.parametrize("stop", [1, 10_000, 100_002, 250_000, SIZE - 1])
@pytest.mark.parametrize("later", [1, 2, 9])
def test_an_interruption_anywhere_is_gone_on_from(
    server: RangeServer, client: Client, tmp_path: Path, stop: int, later: int
) -> None:
    path = tmp_path / "file"
    token = CancellationToken()
    held = threading.Event()
    server.at = min(stop, SIZE // 4), lambda number: (held.wait(10), None)[1] if stop < SIZE // 4 else None

    def progress(done: int, total: int | None) -> None:
        if done >= stop:
            token.cancel()
            held.set()

    with pytest.raises(CancellationError):
        download(
            client, server.url, path, config=FOUR.replace(limit_rate=1e7), progress=progress, cancel=token
        )
    server.at = None
    kept = json.loads(state_of(path).read_bytes())
    assert sum(part[2] for part in kept["parts"]) >= stop
    server.asked.clear()
    done = download(client, server.url, path, config=RESUME.replace(parallel=later))
    assert path.read_bytes() == DATA and os.listdir(tmp_path) == ["file"]
    assert done.resumed_at == sum(part[2] for part in kept["parts"])


def test_a_single_part_is_gone_on_with_in_several(
    server: RangeServer, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    server.cut = lambda number, first: 100_000
    with pytest.raises(DownloadError.Incomplete):
        download(client, server.url, path, config=DownloadConfig(tries=1))
    server.cut = lambda number, first: None
    server.asked.clear()
    done = download(client, server.url, path, config=RESUME)
    assert path.read_bytes() == DATA
    assert len(server.asked) == done.parts == 4 and done.resumed_at == 100_000
    assert min(int(each[6:].partition("-")[0]) for each in ranges(server)) == 100_000


def test_a_process_that_is_killed_can_go_on(server: RangeServer, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "file"
    held = threading.Event()
    server.at = 50_000, lambda number: (held.wait(10), None)[1]
    program = """if True:
        import os, signal, sys
        from netkit.http import Client
        from netkit.http.client.download import DownloadConfig, download
        def stop(done, total):
            if done >= 150_000:
                os.kill(os.getpid(), signal.SIGKILL)
        config = DownloadConfig(parallel=4, min_part=1)
        with Client() as client:
            download(client, sys.argv[1], sys.argv[2], config=config, progress=stop)
        """
    ended = subprocess.run([sys.executable, "-c", program, server.url, str(path)], check=False)
    held.set()
    server.at = None
    assert ended.returncode == -9 and state_of(path).exists()
    download(client, server.url, path, config=RESUME)
    assert path.read_bytes() == DATA and os.listdir(tmp_path) == ["file"]


# A server that lies, or whose file changes.


@pytest.mark.parametrize("honest", [True, False])
def test_a_change_in_between_begins_again_once(
    server: RangeServer, client: Client, tmp_path: Path, honest: bool
) -> None:
    server.if_range = honest
    server.before = lambda number, _: server.change(OTHER) if number == 2 else None
    done = download(client, server.url, tmp_path / "file", config=FOUR)
    assert (tmp_path / "file").read_bytes() == OTHER and done.restarts == 1


@pytest.mark.parametrize("honest", [True, False])
def test_a_file_that_changes_all_the_time(
    server: RangeServer, client: Client, tmp_path: Path, honest: bool
) -> None:
    server.if_range = honest
    server.before = lambda number, _: server.change(RANDOM.randbytes(SIZE))
    with pytest.raises(DownloadError.Changed) as caught:
        download(client, server.url, tmp_path / "file", config=FOUR)
    assert caught.value.stage == "protocol"


def test_a_change_between_two_runs_begins_again(server: RangeServer, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "file"
    server.cut = lambda number, first: 30_000
    with pytest.raises(DownloadError.Incomplete):
        download(client, server.url, path, config=FOUR.replace(tries=1))
    server.cut = lambda number, first: None
    server.change(OTHER[:-1000])
    done = download(client, server.url, path, config=RESUME)
    assert path.read_bytes() == OTHER[:-1000] and done.resumed_at == 0


@pytest.mark.parametrize(
    "place",
    [
        lambda first, last, total: None,
        lambda first, last, total: f"bytes {first - 1}-{last}/{total}",
        lambda first, last, total: f"bytes {first + 1}-{last}/{total}",
        lambda first, last, total: f"bytes {first}-{last - 1}/{total}",
        lambda first, last, total: f"bytes {first}-{total - 1}/{total}" if last + 1 < total else None,
        lambda first, last, total: f"bytes {first}-{last}/{total + 1}",
        lambda first, last, total: f"bytes {first}-{last}/*",
    ],
)
def test_a_content_range_that_lies(
    server: RangeServer, client: Client, tmp_path: Path, place: object
) -> None:
    server.content_range = place  # type: ignore[assignment]  # one of the functions above
    with pytest.raises(DownloadError.BadRange):
        download(client, server.url, tmp_path / "file", config=FOUR)


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_a_part_without_the_tag(
    server: RangeServer, client: Client, tmp_path: Path, etag: str | None
) -> None:
    server.part_etag = etag
    with pytest.raises((DownloadError.BadRange, DownloadError.Changed)):
        download(client, server.url, tmp_path / "file", config=FOUR)


def test_several_parts_unasked(server: RangeServer, client: Client, tmp_path: Path) -> None:
    body = b"--x\r\nContent-Range: bytes 0-1/9\r\n\r\nab\r\n--x--\r\n"
    head = (
        f"HTTP/1.1 206 X\r\nETag: {server.etag}\r\nContent-Type: multipart/byteranges; boundary=x\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )

    def instead(number: int, fields: Fields) -> bytes | None:
        return head.encode() + body if "range" in fields else None

    server.instead = instead
    with pytest.raises(DownloadError.BadRange, match="multipart"):
        download(client, server.url, tmp_path / "file", config=FOUR)


def test_more_octets_than_were_asked_for(server: RangeServer, client: Client, tmp_path: Path) -> None:
    """In a chunked 206 there is no length to see it by."""

    def instead(number: int, fields: Fields) -> bytes | None:
        if "range" not in fields:
            return None
        first, _, last = fields["range"][6:].partition("-")
        place = f"bytes {first}-{last or SIZE - 1}/{SIZE}"
        length = int(last or SIZE - 1) - int(first) + 1
        head = f"HTTP/1.1 206 X\r\nETag: {server.etag}\r\nContent-Range: {place}\r\n"
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (length + 5, bytes(length + 5))
        return head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunk

    server.instead = instead
    with pytest.raises(DownloadError.BadRange, match="more octets"):
        download(client, server.url, tmp_path / "file", config=FOUR)


def test_a_file_that_was_cut_is_not_gone_on_with(server: RangeServer, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "file"
    server.cut = lambda number, first: 30_000
    with pytest.raises(DownloadError.Incomplete):
        download(client, server.url, path, config=FOUR.replace(tries=1))
    os.truncate(path, 1000)
    with pytest.raises(DownloadError.NotResumable):
        download(client, server.url, path, config=RESUME)


# A full disk: a file system of a megabyte, in a mount namespace of the test's own.

_FULL = """if True:
    import ctypes, os, sys
    libc = ctypes.CDLL(None, use_errno=True)
    folder = sys.argv[2].encode()
    if libc.unshare(0x20000) or libc.mount(b"none", b"/", None, 0x44000, None):
        sys.exit(77)
    if libc.mount(b"small", folder, b"tmpfs", 0, b"size=1m"):
        sys.exit(77)
    from netkit.http import Client
    from netkit.http.client.download import DownloadConfig, download
    from netkit.http.client.download_errors import DownloadError
    with Client() as client:
        config = DownloadConfig(parallel=int(sys.argv[3]), min_part=1)
        try:
            download(client, sys.argv[1], os.path.join(sys.argv[2], "file"), config=config)
        except DownloadError.File as error:
            print(error.kind, error.errno, error.received, error.is_kept)
            print(sorted(os.listdir(folder)))
            if error.is_kept:
                kept = open(os.path.join(sys.argv[2], "file"), "rb").read()
                print(len(kept), kept == bytes(len(kept)))
    """


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_full_disk(tmp_path: Path, parallel: int) -> None:
    with RangeServer(bytes(3 << 20)) as server:
        ended = subprocess.run(
            [sys.executable, "-c", _FULL, server.url, str(tmp_path), str(parallel)],
            capture_output=True,
            text=True,
            check=False,
        )
    if ended.returncode == 77:
        pytest.skip("no mount namespace can be made")
    lines = ended.stdout.splitlines()
    assert lines, ended.stderr
    kind, number, received, kept = lines[0].split()
    assert (kind, number) == ("NoSpace", "28")
    if parallel == 1:
        assert 900_000 < int(received) <= 1 << 20 and kept == "True"
        assert lines[1] == "[b'file', b'file.netkit-part']" and lines[2] == f"{received} True"
    else:
        # Room is made before anything comes: nothing is there, and nothing is left.
        assert (received, kept) == ("0", "False") and lines[1] == "[]"
