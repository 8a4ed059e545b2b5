"""`netkit http fetch` into files: names, downloads that go on, checksums, full disks, many URLs."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.cli.helpers import Result, netkit_argv, process_environment, run_netkit_process
from tests.cli.http_servers import CONTENT, ETAG, Server, http_server, raw_server

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with http_server() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.requests.clear()
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


@pytest.fixture
def part(fetch: Netkit, server: Server, tmp_path: Path) -> Path:
    """A download that was cut off."""
    done = fetch("--download", server.url("/cut/file"))
    assert done.exit_code == 6
    assert "file: 5,000 of 100,000 octets are kept; the same command goes on" in done.stderr
    path = tmp_path / "file"
    assert path.read_bytes() == CONTENT[:5000]
    server.requests.clear()
    return path


def test_the_rest_is_asked_for(fetch: Netkit, server: Server, part: Path) -> None:
    done = fetch("--json", "--download", "--checksum", f"sha256:{SHA256}", server.url("/file/file"))
    assert (done.exit_code, part.read_bytes()) == (0, CONTENT)
    _, asked = server.requests
    assert (asked.headers["Range"], asked.headers["If-Range"]) == ("bytes=5000-", ETAG)
    last = done.json[-1]
    assert (last["offset"], last["size"], last["checksum"]) == (5000, 95_000, SHA256)


def test_a_file_that_is_named_goes_on(fetch: Netkit, server: Server, part: Path) -> None:
    done = fetch("-C", "-", "-o", "file", server.url("/file"))
    assert (done.exit_code, part.read_bytes()) == (0, CONTENT)
    assert [got.headers["Range"] for got in server.requests] == ["bytes=5000-"]
    assert fetch("-C", "7", "-o", "file", server.url("/file")).exit_code == 2
    assert part.read_bytes() == CONTENT


def test_what_is_complete_is_a_success(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    for words in (["--download"], ["-C", "-", "-O"], ["-C", "-", "-o", "file"]):
        fetch("--download", server.url("/file"))
        done = fetch(*words, "--checksum", f"sha256:{SHA256}", server.url("/file"))
        assert done.exit_code == 0, done
        assert "complete already, 100,000 octets" in done.stderr
        assert names(tmp_path) == ["file"]


def test_other_content_begins_from_the_beginning(fetch: Netkit, server: Server, part: Path) -> None:
    os.setxattr(part, "user.netkit.etag", b'"v0"')
    done = fetch("-C", "-", "-o", "file", server.url("/file"))
    assert (done.exit_code, part.read_bytes()) == (0, CONTENT)
    assert "the server has other content now: from the beginning" in done.stderr


def test_a_file_that_is_not_ours_is_left_alone(fetch: Netkit, server: Server, part: Path) -> None:
    os.setxattr(part, "user.netkit.etag", b'"v0"')
    assert fetch("--download", server.url("/file")).exit_code == 0
    assert part.read_bytes() == CONTENT[:5000]
    assert part.with_name("file.1").read_bytes() == CONTENT


def test_a_file_that_is_longer(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT + b"more")
    os.setxattr(path, "user.netkit.etag", ETAG.encode())
    done = fetch("-C", "-", "-o", "file", server.url("/file"))
    assert (done.exit_code, path.read_bytes()) == (1, CONTENT + b"more")
    assert "the server's file 100000" in done.stderr


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/9\r\nContent-Length: 4\r\n\r\nwhat",
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: nonsense\r\nContent-Length: 4\r\n\r\nwhat",
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\n\r\nwhat",
    ],
)
def test_another_part_than_asked_for(fetch: Netkit, part: Path, answer: bytes) -> None:
    with raw_server(answer) as server:
        done = fetch("-C", "-", "-o", "file", server.url("/file"))
    assert (done.exit_code, part.read_bytes()) == (6, CONTENT[:5000])
    assert "another part" in done.stderr


def test_an_error_does_not_become_a_file(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    done = fetch("--download", server.url("/nowhere"))
    assert (done.exit_code, names(tmp_path)) == (1, [])
    assert "HTTP 404 Not Found" in done.stderr


def test_redirects_of_a_download_are_followed(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    assert fetch("--download", server.url("/go")).exit_code == 0
    assert names(tmp_path) == ["json"]


# -- checksums, limits, trouble


def test_checksums(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    assert fetch("-O", "--checksum", f"sha256:{SHA256}", server.url("/file")).exit_code == 0
    done = fetch("-o", "x", "--checksum", f"sha256:{'0' * 64}", server.url("/file"))
    assert done.exit_code == 1
    assert f"its sha256 is {SHA256}, and not 0000" in done.stderr
    md5 = hashlib.md5(b"hello\n").hexdigest()
    assert fetch("--checksum", f"md5:{md5}", server.url()).exit_code == 0


def test_a_rate(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    done = fetch("--json", "--limit-rate", "1M", "-o", "x", server.url("/file"))
    assert 0.08 < done.json[-1]["elapsed_s"] < 1
    assert (tmp_path / "x").read_bytes() == CONTENT


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk(server: Server, tmp_path: Path) -> None:
    """The partial file stays, and is named. A limit of file sizes is what a test can have for a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    done = run_netkit_process(
        "http", "fetch", "-o", "x", server.url("/file"), cwd=tmp_path, preexec_fn=limit, stdin=-3
    )
    assert done.exit_code == 8
    assert "x: 40,000 of 100,000 octets are kept" in done.stderr
    assert (tmp_path / "x").read_bytes() == CONTENT[:40_000]


def test_ctrl_c_keeps_what_came(tmp_path: Path) -> None:
    """On a terminal: progress, then ^C, and the partial file is kept."""
    import threading

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
        child.expect_exact("x: 5,000 of 100,000 octets are kept; -C - goes on")
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
