"""`netkit http fetch` into files: names, downloads that go on, checksums, full disks, many URLs."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.cli.helpers import Result, netkit_argv, process_environment, run_netkit_process
from tests.cli.http_servers import CONTENT, ETAG, Server, http_server, raw_server
from tests.http.client.range_server import RangeServer

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with http_server() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.reset()
    return running


@pytest.fixture
def fetch(netkit: Netkit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Netkit:
    """`netkit http fetch` in a directory of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, **how: Any) -> Result:
        return netkit("http", "fetch", *words, **how)

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- names


def test_a_file_that_is_named(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old, and longer than what comes" * 10_000)
    done = fetch("-o", "x", server.url("/file"))
    assert (done.exit_code, (tmp_path / "x").read_bytes()) == (0, CONTENT)
    assert done.lines == [f"{server.url('/file')}\t200\t100000\tx"]
    assert server.requests[0].headers["Accept-Encoding"] == "identity"
    (row,) = [
        row for row in fetch("--json", "-o", "x", server.url("/file")).json if row["event"] == "fetched"
    ]
    assert (row["file"], row["offset"], row["size"]) == ("x", 0, 100_000)


def test_names_of_urls_and_of_servers(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    for words in (
        ["-O", server.url("/file/plain.bin?x=y")],
        ["-O", server.url("/file/named")],
        ["-OJ", server.url("/file/named")],
        ["-O", server.url("/file/..%2F..%2Fetc%2F.bashrc")],
        ["-O", server.url()],
    ):
        assert fetch(*words).exit_code == 0
    assert names(tmp_path) == ["bashrc", "download", "given.bin", "named", "plain.bin"]


def test_never_over_another_file(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "link").symlink_to("elsewhere")
    fetch("-O", server.url("/file"))
    fetch("--download", server.url("/file"))
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert (tmp_path / "file.1").read_bytes() == CONTENT
    assert not (tmp_path / "elsewhere").exists()


def test_devices_pipes_and_links(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    assert fetch("-o", "/dev/null", server.url("/file")).exit_code == 0
    (tmp_path / "link").symlink_to("there")
    assert fetch("-o", "link", server.url("/file")).exit_code == 0
    assert (tmp_path / "there").read_bytes() == CONTENT
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert fetch("-o", "pipe", server.url()).exit_code == 0
    assert os.read(reader, 100) == b"hello\n"
    os.close(reader)
    assert fetch("-o", str(tmp_path), server.url()).exit_code == 8


def test_directories(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    assert fetch("-O", "--output-dir", "a/b", server.url("/file")).exit_code == 8
    assert fetch("-O", "--create-dirs", "--output-dir", "a/b", server.url("/file")).exit_code == 0
    assert fetch("--create-dirs", "-o", "c/d", server.url("/file")).exit_code == 0
    assert (tmp_path / "a" / "b" / "file").read_bytes() == (tmp_path / "c" / "d").read_bytes() == CONTENT
    assert fetch("-o", "a/", server.url("/file")).exit_code == 2


def test_many_into_a_folder(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    urls = [server.url(f"/file/{number}") for number in range(20)]
    (tmp_path / "list").write_text("\n".join(urls[10:]))
    done = fetch("-O", "--create-dirs", "--output-dir", "got", "--ordered", *urls[:10], "--file", "list")
    assert done.exit_code == 0
    assert [line.split("\t")[0] for line in done.lines] == urls
    assert names(tmp_path / "got") == sorted(str(number) for number in range(20))
    assert all(path.read_bytes() == CONTENT for path in (tmp_path / "got").iterdir())
    mixed = fetch("-fO", server.url("/file/x"), server.url("/nowhere"))
    assert (mixed.exit_code, names(tmp_path)) == (9, ["got", "list", "x"])


def test_a_file_for_each_url(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    fetch("-o", "one", "-o", "two", server.url("/file"), server.url())
    assert (tmp_path / "one").read_bytes() == CONTENT
    assert (tmp_path / "two").read_bytes() == b"hello\n"


def test_bodies_on_standard_output_come_in_order(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    done = fetch(server.url("/json"), server.url(), server.url("/nowhere"))
    assert done.raw == b'{"a":[1,2.50],"b":"x"}hello\nnothing here\n'
    done = fetch("--file", "-", stdin=f"{server.url()}\n# no\n{server.url()}\n")
    assert (done.raw, done.exit_code) == (b"hello\nhello\n", 0)
    assert fetch("--file", "-", stdin="").exit_code == 2


# -- downloads that go on


LARGE = b"".join(b"%07d\n" % number for number in range(400_000))


@pytest.fixture
def parts() -> Iterator[RangeServer]:
    with RangeServer(LARGE) as server:
        yield server


@pytest.fixture
def part(fetch: Netkit, server: Server, tmp_path: Path) -> Path:
    """A file that was cut off."""
    server.cuts = [5000]
    done = fetch("-O", server.url("/file"))
    assert done.exit_code == 6
    assert "5000 of 100000 octets are kept in 'file'" in done.stderr
    assert "hint: -C - goes on with it" in done.stderr
    path = tmp_path / "file"
    assert path.read_bytes() == CONTENT[:5000]
    server.reset()
    return path


def test_the_rest_is_asked_for(fetch: Netkit, server: Server, part: Path, tmp_path: Path) -> None:
    done = fetch("--json", "--download", "--checksum", f"sha256:{SHA256}", server.url("/file"))
    assert (done.exit_code, part.read_bytes()) == (0, CONTENT)
    (asked,) = server.requests
    assert (asked.headers["Range"], asked.headers["If-Range"]) == ("bytes=5000-", ETAG)
    last = done.json[-1]
    assert (last["offset"], last["size"], last["checksum"]) == (5000, 95_000, SHA256)
    assert (last["status"], last["file"], last["parallel"]) == (206, "file", 1)
    assert names(tmp_path) == ["file"]


def test_a_download_that_is_cut_off_goes_on_by_itself(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    server.cuts = [5000, 70_000, None]
    done = fetch("--json", "--download", "--retry-delay", "0.01", server.url("/file"))
    assert (done.exit_code, (tmp_path / "file").read_bytes()) == (0, CONTENT)
    assert [got.headers.get("Range") for got in server.requests] == [None, "bytes=5000-", "bytes=75000-"]
    assert [row["status"] for row in done.json if row["event"] == "response"] == [200, 206, 206]
    server.cuts = [5000, None]
    assert fetch("-O", "--retry", "1", "--retry-delay", "0.01", server.url("/file")).exit_code == 0
    assert (tmp_path / "file.1").read_bytes() == CONTENT


def test_a_file_that_is_named_goes_on(fetch: Netkit, server: Server, part: Path) -> None:
    for offset in ("7", "0"):
        assert fetch("-C", offset, "-o", "file", server.url("/file")).exit_code == 2
    assert fetch("-C", "7", "-o", "none", server.url("/file")).exit_code == 2
    assert part.read_bytes() == CONTENT[:5000]
    done = fetch("-C", "5000", "-o", "file", server.url("/file"))
    assert (done.exit_code, part.read_bytes()) == (0, CONTENT)
    assert [got.headers["Range"] for got in server.requests] == ["bytes=5000-"]


def test_going_on_is_for_files(fetch: Netkit, server: Server, part: Path) -> None:
    assert fetch("-C", "-", server.url("/file")).exit_code == 2
    assert fetch("-C", "-", "-o", "file", "-d", "a=b", server.url("/file")).exit_code == 2
    assert fetch("-C", "-", "-o", "/dev/null", server.url("/file")).exit_code == 0
    assert server.requests[0].headers.get("Range") is None
    assert part.read_bytes() == CONTENT[:5000]


def test_what_is_complete_is_a_success(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    for words in (["--download"], ["-C", "-", "-O"], ["-C", "-", "-o", "file"]):
        fetch("--download", server.url("/file"))
        done = fetch(*words, "--checksum", f"sha256:{SHA256}", server.url("/file"))
        assert done.exit_code == 0, done
        assert "complete already, 100,000 octets" in done.stderr
        assert names(tmp_path) == ["file"]
    assert all(len(got.headers.get("Range", "")) for got in server.requests[1:])


def test_other_content_begins_from_the_beginning(
    fetch: Netkit, server: Server, part: Path, tmp_path: Path
) -> None:
    server.content, server.etag = CONTENT[::-1], '"v2"'
    done = fetch("-C", "-", "-o", "file", server.url("/file"))
    assert (done.exit_code, part.read_bytes()) == (0, CONTENT[::-1])
    assert "the file on the server has changed: from the beginning" in done.stderr
    assert names(tmp_path) == ["file"]


def test_a_file_that_is_not_ours_is_left_alone(
    fetch: Netkit, server: Server, part: Path, tmp_path: Path
) -> None:
    """Of another URL, by what stands beside it; of nobody, by its content."""
    server.content = CONTENT[::-1]
    assert fetch("--download", server.url("/file/file")).exit_code == 0
    assert part.read_bytes() == CONTENT[:5000]
    assert (tmp_path / "file.1").read_bytes() == CONTENT[::-1]
    # The second time, the numbered file is found to be it.
    done = fetch("--download", server.url("/file/file"))
    assert (done.exit_code, "file.1: complete already" in done.stderr) == (0, True)
    (tmp_path / "mine").write_bytes(b"mine")
    done = fetch("-C", "-", "-o", "mine", server.url("/file/mine"))
    assert (done.exit_code, (tmp_path / "mine").read_bytes()) == (1, b"mine")
    assert "not the beginning of the file on the server" in done.stderr
    fetch("-o", "file", server.url("/file"))
    assert names(tmp_path) == ["file", "file.1", "mine"]  # what was beside the old content went with it


def test_the_same_end_is_not_the_same_file(fetch: Netkit, parts: RangeServer, tmp_path: Path) -> None:
    """What is complete, and has no name of its own, is known by its date and its end."""
    parts.modified = "Wed, 01 Jul 2026 10:00:00 GMT"
    assert fetch("--download", parts.url).exit_code == 0
    assert "complete already" in fetch("--download", parts.url).stderr
    other = parts.url.replace("folder", "other")
    parts.change(b"other" + LARGE[5:])
    parts.modified = "Wed, 01 Jul 2026 11:00:00 GMT"
    assert fetch("--download", other).exit_code == 0
    assert (tmp_path / "file.bin").read_bytes() == LARGE
    assert (tmp_path / "file.bin.1").read_bytes() == parts.data


def test_a_numbered_file_goes_on(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    server.cuts = [5000]
    assert fetch("-O", server.url("/file")).exit_code == 6
    server.cuts = [None]
    assert fetch("--download", server.url("/file")).exit_code == 0
    assert (tmp_path / "file.1").read_bytes() == CONTENT
    assert names(tmp_path) == ["file", "file.1"]


def test_a_file_that_is_longer(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT + b"more")
    done = fetch("-C", "-", "-o", "file", server.url("/file"))
    assert (done.exit_code, path.read_bytes()) == (1, CONTENT + b"more")
    assert "the file on the server is shorter than what is there" in done.stderr


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/9\r\nContent-Length: 4\r\n\r\nwhat",
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: nonsense\r\nContent-Length: 4\r\n\r\nwhat",
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\n\r\nwhat",
    ],
)
def test_another_part_than_asked_for(fetch: Netkit, part: Path, server: Server, answer: bytes) -> None:
    port = server.address.rpartition(":")[2]
    tagged = answer.replace(b"\r\n", b"\r\nETag: " + ETAG.encode() + b"\r\n", 1)
    with raw_server(tagged) as other:
        to = f"127.0.0.1:{port}:{other.address}"
        done = fetch("-C", "-", "-o", "file", "--connect-to", to, server.url("/file"))
    assert (done.exit_code, part.read_bytes()) == (6, CONTENT[:5000])
    assert "the server sent" in done.stderr


def test_an_error_does_not_become_a_file(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    for words in (["--download"], ["-fO"], ["-C", "-", "-O"]):
        done = fetch(*words, server.url("/nowhere"))
        assert (done.exit_code, names(tmp_path)) == (1, [])
        assert "HTTP 404 Not Found" in done.stderr
    assert fetch("-O", server.url("/nowhere")).exit_code == 0
    done = fetch("--json", "--fail-with-body", "-O", server.url("/nowhere"))
    assert (done.exit_code, done.json[-1]["file"]) == (1, "nowhere.1")
    assert names(tmp_path) == ["nowhere", "nowhere.1"]


def test_redirects_of_a_download_are_followed(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    """The name is of the URL that was asked for: a server does not choose it by the way."""
    assert fetch("--download", server.url("/go")).exit_code == 0
    assert names(tmp_path) == ["go"]
    assert fetch("-o", "hop", server.url("/go")).exit_code == 0
    assert (tmp_path / "hop").read_bytes() == b""


def test_any_answer_becomes_a_file(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    """Only a whole file is gone on with: of others nothing stays beside the file."""
    done = fetch("-o", "posted", "-d", "a=b", server.url("/echo"))
    assert (done.exit_code, b"a=b" in (tmp_path / "posted").read_bytes()) == (0, True)
    assert fetch("-o", "some", "-r", "99990-", server.url("/file")).exit_code == 0
    assert (tmp_path / "some").read_bytes() == CONTENT[99_990:]
    assert fetch("--download", "-r", "99990-", server.url("/file")).exit_code == 0
    assert (tmp_path / "file").read_bytes() == CONTENT[99_990:]
    server.cuts = [5]
    assert fetch("-o", "less", "-r", "99990-", server.url("/file")).exit_code == 6
    assert names(tmp_path) == ["file", "less", "posted", "some"]


# -- one file in parts


def test_parts_are_equal_to_the_whole(fetch: Netkit, parts: RangeServer, tmp_path: Path) -> None:
    done = fetch("--json", "--parallel", "3", "--download", parts.url)
    assert (done.exit_code, (tmp_path / "file.bin").read_bytes()) == (0, LARGE)
    assert (done.json[-1]["parallel"], done.json[-1]["size"], done.json[-1]["status"]) == (3, len(LARGE), 200)
    assert sorted(row["status"] for row in done.json if row["event"] == "response") == [200, 206, 206]
    digest = hashlib.sha256(LARGE).hexdigest()
    done = fetch("--parallel", "2", "-o", "x", "--checksum", f"sha256:{digest}", parts.url)
    assert (done.exit_code, (tmp_path / "x").read_bytes()) == (0, LARGE)
    assert names(tmp_path) == ["file.bin", "x"]


def test_why_a_file_comes_in_one_part(fetch: Netkit, parts: RangeServer, server: Server) -> None:
    parts.accept_ranges = "none"
    done = fetch("--parallel", "2", "-O", parts.url)
    assert (done.exit_code, "in one part, because the server does no ranges" in done.stderr) == (0, True)
    assert "because it is small" in fetch("--parallel", "2", "-O", server.url("/file")).stderr
    assert "because it has no positions" in fetch("--parallel", "2", "-o", "/dev/null", parts.url).stderr
    assert fetch("--parallel", "2", parts.url).exit_code == 2


def test_a_change_under_way_begins_again(fetch: Netkit, parts: RangeServer, tmp_path: Path) -> None:
    """Found by the ETag of a part; what was there does not count. A server that never settles is an error."""
    changed = LARGE[::-1]
    parts.before = lambda number, fields: parts.change(changed) if number == 1 else None
    done = fetch("--parallel", "3", "--download", parts.url)
    assert (done.exit_code, (tmp_path / "file.bin").read_bytes()) == (0, changed)
    assert "the file on the server has changed: from the beginning" in done.stderr
    parts.before = lambda number, fields: parts.change(LARGE[number:] + LARGE[:number])
    done = fetch("--parallel", "3", "-o", "x", parts.url)
    assert (done.exit_code, "has changed" in done.stderr) == (6, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "file"), [(["-C", "-", "-o", "x"], "x"), (["--parallel", "3", "--download"], "file.bin")]
)
def test_ctrl_c_and_on_again(
    fetch: Netkit, parts: RangeServer, tmp_path: Path, words: list[str], file: str
) -> None:
    """A slow server; ^C; the same command again: byte for byte the file, and only the rest was asked for."""
    ended = threading.Event()

    def hold(_: int) -> None:
        ended.wait(20)

    parts.at = (200_000, hold)
    program, *args = netkit_argv("http", "fetch", *words, parts.url)
    child = pexpect.spawn(
        program, args, cwd=str(tmp_path), env=process_environment(), encoding="utf-8", timeout=20
    )
    child.expect(rf"{file}: [\d,]+ of 3,200,000 octets \(\d+ %\)")
    child.sendintr()
    child.expect(rf"{file}: [\d,]+ of 3,200,000 octets are kept; ")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    ended.set()
    parts.at = None
    before = len(parts.asked)
    done = fetch("--json", *words, parts.url)
    assert (done.exit_code, (tmp_path / file).read_bytes()) == (0, LARGE)
    assert 0 < done.json[-1]["offset"] == len(LARGE) - done.json[-1]["size"]
    assert all(asked["if-range"] == parts.etag for asked in parts.asked[before:])
    assert names(tmp_path) == [file]


def test_many_with_one_name(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    urls = [server.url(f"/file/{number}/x") for number in range(5)]
    for _ in range(2):  # the second time, all of them are there
        done = fetch("--download", "--ordered", *urls)
        assert done.exit_code == 0, done
        assert names(tmp_path) == ["x", "x.1", "x.2", "x.3", "x.4"]
    done = fetch("-O", "--output-dir", "all", "--create-dirs", *urls)
    assert done.exit_code == 0
    assert names(tmp_path / "all") == ["x", "x.1", "x.2", "x.3", "x.4"]
    assert all(path.read_bytes() == CONTENT for path in (tmp_path / "all").iterdir())


# -- checksums, limits, trouble


def test_checksums(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    assert fetch("-O", "--checksum", f"sha256:{SHA256}", server.url("/file")).exit_code == 0
    done = fetch("--json", "-o", "x", "--checksum", f"sha256:{'0' * 64}", server.url("/file"))
    assert done.exit_code == 1
    assert f"its sha256 is {SHA256}, and not 0000" in done.stderr
    last = done.json[-1]
    assert (last["checksum"], last["file"], last["size"]) == (SHA256, "x", 100_000)
    done = fetch("-o", "/dev/null", "--checksum", f"sha256:{SHA256}", server.url("/file"))
    assert done.exit_code == 0
    md5 = hashlib.md5(b"hello\n").hexdigest()
    assert fetch("--checksum", f"md5:{md5}", server.url()).exit_code == 0
    assert fetch("--checksum", f"md5:{md5[::-1]}", server.url()).exit_code == 1


def test_a_rate(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    done = fetch("--json", "--limit-rate", "1M", "-o", "x", server.url("/file"))
    assert 0.08 < done.json[-1]["elapsed_s"] < 1
    assert (tmp_path / "x").read_bytes() == CONTENT


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize("words", [["-o", "x"], ["--download", "--output-dir", "."]])
def test_a_full_disk(server: Server, tmp_path: Path, words: list[str]) -> None:
    """The partial file stays, and is named. A limit of file sizes is what a test can have for a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    done = run_netkit_process(
        "http", "fetch", *words, server.url("/file/x"), cwd=tmp_path, preexec_fn=limit, stdin=-3
    )
    assert done.exit_code == 8
    assert "40000 of 100000 octets are kept in" in done.stderr
    assert (tmp_path / "x").read_bytes() == CONTENT[:40_000]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_full_device(fetch: Netkit, server: Server) -> None:
    done = fetch("-o", "/dev/full", server.url("/file"))
    assert (done.exit_code, "No space left" in done.stderr, "kept" in done.stderr) == (8, True, False)


def test_ctrl_c_keeps_what_came(tmp_path: Path) -> None:
    """On a terminal: progress, then ^C, and the partial file is kept."""
    ended = threading.Event()

    def slowly(conn: Any) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nETag: " + ETAG.encode() + b"\r\n\r\n"
        conn.sendall(head + CONTENT[:5000])
        ended.wait(10)

    with raw_server(slowly) as server:
        program, *args = netkit_argv("http", "fetch", "-o", "x", server.url("/file"))
        child = pexpect.spawn(
            program, args, cwd=str(tmp_path), env=process_environment(), encoding="utf-8", timeout=20
        )
        child.expect_exact("x: 5,000 of 100,000 octets (5 %)")
        child.sendintr()
        child.expect_exact("x: 5,000 of 100,000 octets are kept; -C - goes on with it")
        child.expect(pexpect.EOF)
        child.close()
        ended.set()
    assert child.exitstatus == 130
    assert (tmp_path / "x").read_bytes() == CONTENT[:5000]


# -- uploads


def test_a_multipart_form(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"the file\r\n")
    fetch(
        "-F",
        "x=1",
        "-F",
        "f=@a.txt;type=text/x",
        "-F",
        "t=<a.txt",
        "--form-string",
        "s=@a",
        server.url("/echo"),
    )
    fetch(server.url("/echo"), "x=1", "f@a.txt")
    first, second = server.requests
    assert first.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert int(first.headers["Content-Length"]) == len(first.body)
    boundary = first.headers["Content-Type"].partition("boundary=")[2]
    got = first.body.split(f"--{boundary}".encode())
    assert got[1] == b'\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'
    assert b'name="f"; filename="a.txt"\r\nContent-Type: text/x\r\n\r\nthe file\r\n\r\n' in got[2]
    assert b'name="t"\r\n\r\nthe file\r\n\r\n' in got[3]
    assert got[4] == b'\r\nContent-Disposition: form-data; name="s"\r\n\r\n@a\r\n'
    assert b'name="f"; filename="a.txt"' in second.body
    assert fetch("-F", "f=@missing", server.url("/echo")).exit_code == 8
    shown = fetch("--offline", "-F", "f=@a.txt", "example.com").raw
    assert b"the file" in shown
