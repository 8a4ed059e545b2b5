"""The file server with curl, and beside nginx: the same statuses and the same octets where both have it."""

from __future__ import annotations

import gzip
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from netkit.http.files import BasicCredentials, UploadConfig
from tests.conftest import require_peer
from tests.http.files.tree import CHANGED, CHANGED_TEXT, ask, make_root, serving, write
from tests.http.server.serving import Client, Reply, Serving
from tests.interop.nginx import nginx

pytestmark = pytest.mark.once

TEXT = b"".join(b"line %d of a text that can be compressed\n" % number for number in range(5_000))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_root(tmp_path_factory.mktemp("beside nginx"))
    write(root / "text.css", TEXT)
    write(root / "text.css.gz", gzip.compress(TEXT, mtime=0))
    write(root / "ä b.txt", "a name to encode")
    return root


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[Serving]:
    with serving(root, upload=UploadConfig(directories=True), compress=False) as served:
        yield served


@pytest.fixture(scope="module")
def beside(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """An nginx that serves the same directory."""
    home = tmp_path_factory.mktemp("nginx") / "home"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        settings = (
            "types { text/plain txt; text/css css; application/octet-stream bin; text/html html; } "
            "default_type application/octet-stream; charset utf-8; charset_types text/plain text/css; "
            f"server {{ listen 127.0.0.1:{address[1]}; root '{root}'; gzip_static on; max_ranges 100; "
            "location ~ /\\. { return 404; } }"
        )
        with nginx(home, settings, [listener]):
            yield address


class Row(NamedTuple):
    target: str
    fields: tuple[str, ...] = ()
    method: str = "GET"


LONG_AGO = "Thu, 01 Jan 2015 00:00:00 GMT"

#: ETAG stands for the tag that the server gave, SINCE for the time of the file.
ROWS = [
    Row("/a.txt"),
    Row("/a.txt", (), "HEAD"),
    Row("/empty"),
    Row("/big.bin"),
    Row("/nothing"),
    Row("/.hidden"),
    Row("/.git/config"),
    Row("/a.txt/"),
    Row("/site/"),
    Row("/site/index.html"),
    Row("/%61.txt"),
    Row("/%c3%a4%20b.txt"),
    Row("/sub/../a.txt"),
    Row("/sub/./b.txt"),
    Row("//a.txt"),
    Row("/sub//b.txt"),
    Row("/%2e/a.txt"),
    Row("/sub/%2e%2e/a.txt"),
    Row("/a.txt?query"),
    Row("/text.css", ("Accept-Encoding: gzip",)),
    Row("/text.css", ("Accept-Encoding: gzip", "Range: bytes=0-99")),
    Row("/text.css", ("Accept-Encoding: gzip;q=0",)),
    Row("/text.css", ("Accept-Encoding: identity",)),
    Row("/text.css"),
    *[
        Row("/a.txt", (f"Range: {value}",))
        for value in (
            "bytes=0-0",
            "bytes=0-",
            "bytes=5-9",
            "bytes=99-",
            "bytes=99-1000",
            "bytes=100-",
            "bytes=1000-2000",
            "bytes=-1",
            "bytes=-100",
            "bytes=-1000",
            "bytes=0-4,90-99",
            "bytes=-1,0-0",
            "bytes=0-0,200-300",
            "bytes=200-300,400-",
            "bytes=0-99",
            "bytes = 0-1",
            "bytes=0 - 1",
            "bytes=0-1, 99-99",
        )
    ],
    Row("/big.bin", ("Range: bytes=1000-500000",)),
    Row("/big.bin", ("Range: bytes=-70000",)),
    Row("/empty", ("Range: bytes=0-",)),
    Row("/a.txt", ("Range: bytes=0-1",), "HEAD"),
    Row("/a.txt", ("If-None-Match: ETAG",)),
    Row("/a.txt", ("If-None-Match: ETAG",), "HEAD"),
    Row("/a.txt", ("If-None-Match: W/ETAG",)),
    Row("/a.txt", ('If-None-Match: "a", ETAG',)),
    Row("/a.txt", ('If-None-Match: "a"',)),
    Row("/a.txt", ("If-None-Match: *",)),
    Row("/a.txt", ("If-Match: ETAG",)),
    Row("/a.txt", ('If-Match: "a"',)),
    Row("/a.txt", ("If-Match: *",)),
    Row("/a.txt", ("If-Match: W/ETAG",)),
    Row("/a.txt", ("If-Modified-Since: SINCE",)),
    Row("/a.txt", (f"If-Modified-Since: {LONG_AGO}",)),
    Row("/a.txt", ("If-Modified-Since: nonsense",)),
    Row("/a.txt", ("If-Unmodified-Since: SINCE",)),
    Row("/a.txt", (f"If-Unmodified-Since: {LONG_AGO}",)),
    Row("/a.txt", ("If-None-Match: ETAG", f"If-Modified-Since: {LONG_AGO}")),
    Row("/a.txt", ('If-None-Match: "a"', "If-Modified-Since: SINCE")),
    Row("/a.txt", ("If-None-Match: ETAG", "Range: bytes=0-1")),
    Row("/a.txt", ('If-Match: "a"', "Range: bytes=0-1")),
    Row("/a.txt", ("Range: bytes=0-1", "If-Range: ETAG")),
    Row("/a.txt", ("Range: bytes=0-1", "If-Range: W/ETAG")),
    Row("/a.txt", ("Range: bytes=0-1", 'If-Range: "a"')),
    Row("/a.txt", ("Range: bytes=0-1", "If-Range: SINCE")),
    Row("/a.txt", ("Range: bytes=0-1", f"If-Range: {LONG_AGO}")),
    Row("/a.txt", ("Range: bytes=200-", 'If-Range: "a"')),
]

#: Where the two differ: the statuses of nginx and of netkit.
DIFFERENT: dict[Row, tuple[int, int]] = {
    # RFC 9110 section 14.2: a Range is for GET.
    Row("/a.txt", ("Range: bytes=0-1",), "HEAD"): (206, 200),
    # Section 14.1.2: no space stands in a range; what is malformed does not count (section 14.2).
    Row("/a.txt", ("Range: bytes=0 - 1",)): (206, 200),
    # Section 14.2: a range is one of what is sent; nginx has none of a file beside another.
    Row("/text.css", ("Accept-Encoding: gzip", "Range: bytes=0-99")): (200, 206),
    # Section 13.1.3: beside If-None-Match, If-Modified-Since does not count.
    Row("/a.txt", ("If-None-Match: ETAG", f"If-Modified-Since: {LONG_AGO}")): (200, 304),
}


def answer(address: tuple[str, int], row: Row) -> Reply:
    """The response to a row, with the server's own tag in it."""
    with socket.create_connection(address, 20) as sock, Client(sock) as client:
        etag = (ask(client, row.target).field(b"etag") or b"").decode()
        fields = [each.replace("ETAG", etag).replace("SINCE", CHANGED_TEXT.decode()) for each in row.fields]
        return ask(client, row.target, fields, row.method)


def body(reply: Reply) -> bytes:
    """The octets, without what is random in several parts."""
    kind = reply.field(b"content-type") or b""
    if not kind.startswith(b"multipart/byteranges"):
        return reply.body
    boundary = kind.partition(b"boundary=")[2].strip(b'"')
    # RFC 9110 section 14.6 leaves the spelling of fields open, and nginx writes "charset" as it likes.
    return reply.body.replace(boundary, b"boundary").lower().strip(b"\r\n")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join([row.method, row.target, *row.fields]))
def test_beside_nginx(served: Serving, beside: tuple[str, int], row: Row) -> None:
    ours, theirs = answer(served.at, row), answer(beside, row)
    if row in DIFFERENT:
        assert (theirs.status, ours.status) == DIFFERENT[row]
        return
    assert ours.status == theirs.status
    if ours.status in (200, 206):
        assert body(ours) == body(theirs)
        for name in (b"content-length", b"content-range", b"content-encoding", b"last-modified"):
            if not (name == b"content-length" and b"multipart" in (ours.field(b"content-type") or b"")):
                assert ours.field(name) == theirs.field(name), name
    if ours.status == 416:
        assert ours.field(b"content-range") == theirs.field(b"content-range")


# curl


def curl(served: Serving, *arguments: str, cwd: Path) -> bytes:
    """What curl writes; `URL` in an argument stands for the server."""
    program = require_peer("curl")
    base = f"http://127.0.0.1:{served.at[1]}"
    given = [each.replace("URL", base) for each in arguments]
    command = [program, "-sS", "--noproxy", "*", "--max-time", "20", *given]
    done = subprocess.run(command, cwd=cwd, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


STATUS = ("-w", "%{http_code}")


def test_curl_resumes(served: Serving, root: Path, tmp_path: Path) -> None:
    data = (root / "big.bin").read_bytes()
    write(tmp_path / "part", data[:70_000])
    assert curl(served, "-C", "-", "-o", "part", *STATUS, "URL/big.bin", cwd=tmp_path) == b"206"
    assert (tmp_path / "part").read_bytes() == data
    parts = curl(served, "-r", "0-1,5-6", "URL/big.bin", cwd=tmp_path)
    assert parts == curl(served, "-r", "0-6", "URL/big.bin", cwd=tmp_path) == data[:7]  # joined
    several = curl(served, "-r", "0-1,500-501", "URL/big.bin", cwd=tmp_path)
    assert b"Content-Range: bytes 500-501/1048576" in several
    assert several.count(b"\r\n--") == 3


def test_curl_asks_for_what_is_newer(served: Serving, tmp_path: Path) -> None:
    write(tmp_path / "kept", b"x", CHANGED)
    assert curl(served, "-z", "kept", "-o", "new", *STATUS, "URL/a.txt", cwd=tmp_path) == b"304"
    write(tmp_path / "kept", b"x", CHANGED - 10)
    assert curl(served, "-z", "kept", "-o", "new", *STATUS, "URL/a.txt", cwd=tmp_path) == b"200"
    saved = ("--etag-save", "etag", "--etag-compare", "etag")
    assert curl(served, *saved, "-o", "new", *STATUS, "URL/a.txt", cwd=tmp_path) == b"200"
    assert curl(served, *saved, "-o", "new", *STATUS, "URL/a.txt", cwd=tmp_path) == b"304"


def test_curl_decodes(root: Path, tmp_path: Path) -> None:
    write(root / "made.txt", TEXT)
    with serving(root) as served:
        assert curl(served, "--compressed", "URL/text.css", cwd=tmp_path) == TEXT
        for coding in ("gzip", "br", "zstd"):
            found = curl(
                served, "--compressed", "-H", f"Accept-Encoding: {coding}", "URL/made.txt", cwd=tmp_path
            )
            assert found == TEXT
        page = curl(served, "--compressed", "-H", "Accept: text/html", "URL/", cwd=tmp_path)
        assert b"made.txt" in page


def test_curl_uploads(served: Serving, root: Path, tmp_path: Path) -> None:
    data = (root / "big.bin").read_bytes()
    write(tmp_path / "large.bin", data * 3)
    assert curl(served, "-T", "large.bin", *STATUS, "URL/put/", cwd=tmp_path).endswith(b"201")
    assert (root / "put" / "large.bin").read_bytes() == data * 3
    assert curl(served, "-T", "large.bin", *STATUS, "URL/put/", cwd=tmp_path).endswith(b"409")
    chunked = ("-T", "large.bin", "-H", "Transfer-Encoding: chunked")
    assert curl(served, *chunked, *STATUS, "URL/put/chunked.bin", cwd=tmp_path).endswith(b"201")
    assert (root / "put" / "chunked.bin").read_bytes() == data * 3
    write(tmp_path / 'a "quoted" name.txt', "quoted")
    found = curl(
        served,
        *("-F", "file=@large.bin", "-F", "note=a note", "-F", 'file=@"a \\"quoted\\" name.txt"'),
        *(*STATUS, "URL/sub/"),
        cwd=tmp_path,
    )
    # curl writes %22 for a quotation mark, as browsers do; "%" itself it leaves, so that none can be undone.
    assert found == b"/sub/large.bin\n/sub/a%20%2522quoted%2522%20name.txt\n201"
    assert (root / "sub" / "large.bin").read_bytes() == data * 3
    assert (root / "sub" / "a %22quoted%22 name.txt").read_bytes() == b"quoted"


def test_over_http_2(root: Path, tmp_path: Path) -> None:
    """The same answers over the other version of HTTP, by a client that knows that it is spoken."""
    data = (root / "big.bin").read_bytes()
    prior = "--http2-prior-knowledge"
    with serving(root, upload=UploadConfig(overwrite=True), archives=True) as served:
        for target in ("/big.bin", "/a.txt", "/sub/", "/nothing", "/sub", "/?archive=tar"):
            for more in ((), ("-r", "1-5"), ("-r", "0-1,98-"), ("-I",), ("-H", "Accept-Encoding: br")):
                one = curl(served, *more, *STATUS, f"URL{target}", cwd=tmp_path)
                two = curl(served, prior, *more, *STATUS, f"URL{target}", cwd=tmp_path)
                assert two[-3:] == one[-3:]
                if more != ("-I",) and b"boundary" not in one and "," not in "".join(more):
                    assert two == one
        write(tmp_path / "new.bin", data)
        assert curl(served, prior, "-T", "new.bin", *STATUS, "URL/new.bin", cwd=tmp_path).endswith(b"201")
        assert (root / "new.bin").read_bytes() == data
        assert curl(served, prior, "-F", "f=@new.bin", *STATUS, "URL/sub/", cwd=tmp_path).endswith(b"201")
        assert (root / "sub" / "new.bin").read_bytes() == data


def test_curl_logs_in(root: Path, tmp_path: Path) -> None:
    with serving(root, auth=BasicCredentials({"ann": "a:b"})) as served:
        assert curl(served, *STATUS, "-o", "out", "URL/a.txt", cwd=tmp_path) == b"401"
        assert curl(served, "-u", "ann:a:b", *STATUS, "-o", "out", "URL/a.txt", cwd=tmp_path) == b"200"
        anyhow = ("--anyauth", "-u", "ann:a:b", "-L")
        assert b"deep/" in curl(served, *anyhow, "-H", "Accept: text/plain", "URL/sub", cwd=tmp_path)


def test_curl_sends_paths_as_they_are(served: Serving, tmp_path: Path) -> None:
    for path in ("/../secret.txt", "/sub/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt"):
        found = curl(served, "--path-as-is", *STATUS, f"URL{path}", cwd=tmp_path)
        assert found == b"404 Not Found\n404"
