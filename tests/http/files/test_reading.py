"""GET and HEAD: files and directories, their forms, conditions and ranges."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from netkit.http import BodyDecoder, encode_form
from netkit.http.bodies.codings import encode
from netkit.http.errors import HttpError
from netkit.http.files.coding import coding_to_make, wanted_codings
from netkit.http.files.media_types import is_compressible, media_type
from netkit.http.files.sending import LAST_PIECE
from tests.http.files.tree import CHANGED, CHANGED_TEXT, ask, get, make_root, serving, write
from tests.http.server.serving import MUCH, Reply, Serving
from tests.waiting import until

pytestmark = pytest.mark.once

TEXT = b"".join(b"line %d of a text that can be compressed\n" % number for number in range(2_000))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    root = make_root(tmp_path_factory.mktemp("reading"))
    write(root / "text.txt", TEXT)
    write(root / "both.css", TEXT)
    write(root / "both.css.br", encode("br", TEXT))
    write(root / "both.css.gz", gzip.compress(TEXT))
    write(root / "stale.css", TEXT)
    write(root / "stale.css.gz", b"old", CHANGED - 2)
    write(root / "copied.css", TEXT)
    write(root / "copied.css.gz", gzip.compress(TEXT))
    write(root / "image.png", TEXT)
    write(root / "image.png.gz", gzip.compress(TEXT))
    write(root / "out.css", TEXT)
    (root / "out.css.gz").symlink_to("../secret.txt")
    with serving(root) as served:
        yield served


def decoded(reply: Reply) -> bytes:
    coding = reply.field(b"content-encoding")
    if coding is None:
        return reply.body
    decoder = BodyDecoder(coding, max_size=10_000_000)
    found = b"".join(decoder.pieces(reply.body))
    decoder.finish()
    return found


def test_a_file(served: Serving) -> None:
    reply = get(served, "/a.txt")
    assert reply.status == 200
    assert reply.body == b"0123456789" * 10
    fields = {name: value for name, value in reply.fields if name not in (b"date", b"server")}
    assert fields == {
        b"content-type": b"text/plain; charset=utf-8",
        b"content-length": b"100",
        b"etag": b'"%x-64"' % (CHANGED * 10**9),
        b"last-modified": CHANGED_TEXT,
        b"accept-ranges": b"bytes",
        b"vary": b"accept-encoding",
        b"x-content-type-options": b"nosniff",
    }


def test_head_says_what_get_would(served: Serving) -> None:
    for path in ("/a.txt", "/big.bin", "/empty", "/site/", "/nothing", "/sub", "/both.css", "/text.txt"):
        for more in ((), ("Accept-Encoding: gzip",), ("Range: bytes=0-1",)):
            whole, head = get(served, path, *more), get(served, path, *more, method="HEAD")
            if "Range" not in "".join(more):
                assert head.status == whole.status
                assert [each for each in head.fields if each[0] not in (b"date", b"transfer-encoding")] == [
                    each for each in whole.fields if each[0] not in (b"date", b"transfer-encoding")
                ]
            assert head.body == b""
            assert head.status != 206  # RFC 9110 section 14.2: a Range is for GET


def test_a_large_file_and_an_empty_one(served: Serving) -> None:
    assert get(served, "/big.bin").body == bytes(range(256)) * 4_096
    reply = get(served, "/empty")
    assert (reply.status, reply.body, reply.field(b"content-length")) == (200, b"", b"0")
    assert reply.field(b"content-type") == b"application/octet-stream"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_other_methods(served: Serving, method: str) -> None:
    reply = get(served, "/a.txt", method=method)
    assert reply.status == 405
    assert reply.field(b"allow") == b"GET, HEAD, OPTIONS"


@pytest.mark.parametrize("target", ["/a.txt", "/", "*"])
def test_options(served: Serving, target: str) -> None:
    reply = get(served, target, method="OPTIONS")
    assert (reply.status, reply.field(b"allow")) == (204, b"GET, HEAD, OPTIONS")


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/sub", b"./sub/"),
        ("/sub/deep", b"./deep/"),
        ("/sub?a=b&c", b"./sub/?a=b&c"),
        ("//sub", b"./sub/"),
        ("//evil.example/../sub", b"./sub/"),
        ("/%73ub", b"./sub/"),
        ("http://a.example/sub", b"./sub/"),
    ],
)
def test_a_directory_without_its_slash(served: Serving, target: str, location: bytes) -> None:
    reply = get(served, target)
    assert (reply.status, reply.field(b"location")) == (308, location)


def test_a_redirect_leads_nowhere_else(root: Path) -> None:
    """Whatever a directory is called, its reference is relative: no scheme, no host, no end of a line."""
    for name in ("evil.example", "javascript:alert(1)", "a\r\nb: c", "\\evil", "@evil", "?q", "#f", "ä"):
        (root / name).mkdir()
    with serving(root) as served, served.client() as client:
        for octets in os.listdir(os.fsencode(root)):
            if (root / os.fsdecode(octets)).is_dir() and not octets.startswith(b"."):
                quoted = b"".join(b"%%%02x" % octet for octet in octets)
                reply = ask(client, b"//" + quoted)
                assert reply.status == 308
                location = reply.field(b"location")
                assert location is not None
                assert location.startswith(b"./")
                assert location.endswith(b"/")
                assert not set(location) & set(b"\\:?#\r\n")
                assert ask(client, b"/" + location[2:]).status == 200


def test_an_index(served: Serving, root: Path) -> None:
    assert get(served, "/site/").body == b"<p>a site\n"
    assert get(served, "/site/").field(b"content-type") == b"text/html; charset=utf-8"
    write(root / "sub" / "home.htm", "home")
    (root / "sub" / "index.html").mkdir()  # a directory is none
    with serving(root, index=("index.html", "home.htm"), listing=False) as other, other.client() as client:
        assert ask(client, "/sub/").body == b"home"
        assert ask(client, "/").status == 404
        assert ask(client, "/sub").status == 308


def test_pages_of_an_application(root: Path) -> None:
    write(root / "app.html", "the application")
    with serving(root, spa="app.html", listing=False) as served, served.client() as client:
        for path in ("/", "/users/7", "/nothing/"):
            assert ask(client, path).body == b"the application"
        assert ask(client, "/users/a.b", ["Accept: text/html,*/*"]).body == b"the application"
        assert ask(client, "/missing.js", ["Accept: */*"]).status == 404
        assert ask(client, "/a.txt").body == b"0123456789" * 10
        etag = ask(client, "/users").field(b"etag")
        assert etag is not None
        assert ask(client, "/users", [f"If-None-Match: {etag.decode()}"]).status == 304


def test_a_page_for_what_is_not_there(root: Path) -> None:
    write(root / "404.html", "<p>nothing here")
    with serving(root) as served, served.client() as client:
        for fields in ([], ["Range: bytes=0-1"], ["If-None-Match: *"], ["Accept-Encoding: gzip"]):
            reply = ask(client, "/nothing", fields)
            assert (reply.status, reply.body) == (404, b"<p>nothing here")
            assert reply.field(b"content-type") == b"text/html; charset=utf-8"
            assert reply.field(b"etag") is None
        assert ask(client, "/nothing", method="HEAD").status == 404
    with serving(root, not_found=None) as served:
        assert get(served, "/nothing").body == b"404 Not Found\n"


def test_conditions(served: Serving) -> None:
    etag = '"%x-64"' % (CHANGED * 10**9)
    since = CHANGED_TEXT.decode()
    for fields, status in [
        ([f"If-None-Match: {etag}"], 304),
        ([f"If-None-Match: W/{etag}"], 304),
        (['If-None-Match: "a"', f"If-None-Match: {etag}"], 304),  # in two lines
        (['If-None-Match: "a"'], 200),
        ([f"If-Modified-Since: {since}"], 304),
        ([f'If-None-Match: "{"a"}"', f"If-Modified-Since: {since}"], 200),
        ([f"If-Match: {etag}"], 200),
        (['If-Match: "a"'], 412),
        ([f"If-Unmodified-Since: {since}"], 200),
        (["If-Unmodified-Since: Fri, 02 Jan 2026 03:04:04 GMT"], 412),
        ([f"If-None-Match: {etag}", "Range: bytes=0-1"], 304),
        (['If-Match: "a"', "Range: bytes=0-1"], 412),
    ]:
        reply = get(served, "/a.txt", *fields)
        assert reply.status == status, fields
        if status == 304:
            assert reply.field(b"etag") == etag.encode()
            assert reply.field(b"vary") == b"accept-encoding"
            assert reply.field(b"content-type") is None


RANGES: list[tuple[str, list[tuple[int, int]]]] = [
    ("bytes=0-0", [(0, 1)]),
    ("bytes=10-19", [(10, 20)]),
    ("bytes=90-", [(90, 100)]),
    ("bytes=-5", [(95, 100)]),
    ("bytes=-500", [(0, 100)]),
    ("bytes=95-200", [(95, 100)]),
    ("BYTES=0-1", [(0, 2)]),
    ("bytes=0-1, 1-3", [(0, 4)]),  # joined
    ("bytes=0-1, 95-99", [(0, 2), (95, 100)]),
    ("bytes=95-, 0-1, 200-", [(95, 100), (0, 2)]),
]


@pytest.mark.parametrize(("value", "parts"), RANGES)
def test_ranges(served: Serving, value: str, parts: list[tuple[int, int]]) -> None:
    data = b"0123456789" * 10
    reply = get(served, "/a.txt", f"Range: {value}")
    assert reply.status == 206
    if len(parts) == 1:
        [(start, end)] = parts
        assert reply.body == data[start:end]
        assert reply.field(b"content-range") == b"bytes %d-%d/100" % (start, end - 1)
        assert reply.field(b"content-type") == b"text/plain; charset=utf-8"
        return
    kind = reply.field(b"content-type")
    assert kind is not None
    assert reply.field(b"content-range") is None
    boundary = kind.removeprefix(b"multipart/byteranges; boundary=").strip(b'"')
    wanted = b"".join(
        b"\r\n--%b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes %d-%d/100\r\n\r\n%b"
        % (boundary, start, end - 1, data[start:end])
        for start, end in parts
    )
    assert reply.body == wanted + b"\r\n--%b--\r\n" % boundary
    assert reply.field(b"content-length") == b"%d" % len(reply.body)


@pytest.mark.parametrize("value", ["bytes=100-", "bytes=-0", "bytes=500-600, 700-"])
def test_a_range_that_is_not_there(served: Serving, value: str) -> None:
    reply = get(served, "/a.txt", f"Range: {value}")
    assert reply.status == 416
    assert reply.field(b"content-range") == b"bytes */100"
    assert reply.field(b"content-type") == b"text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "fields",
    [
        ["Range: bytes=5-4"],
        ["Range: bytes=a-b"],
        ["Range: pages=0-1"],
        ["Range: bytes="],
        ["Range: bytes=0-1", 'If-Range: "other"'],
        ["Range: bytes=0-1", "If-Range: Fri, 02 Jan 2026 03:04:04 GMT"],
        ["Range: bytes=0-1", "If-Range: yesterday"],
        [f"Range: bytes={','.join(['0-0'] * 101)}"],
    ],
)
def test_a_range_that_does_not_count(served: Serving, fields: list[str]) -> None:
    assert get(served, "/a.txt", *fields).status == 200


def test_a_range_of_what_is_the_same(served: Serving) -> None:
    for value in ('"%x-64"' % (CHANGED * 10**9), CHANGED_TEXT.decode()):
        assert get(served, "/a.txt", "Range: bytes=0-1", f"If-Range: {value}").body == b"01"
    assert get(served, "/a.txt", "Range: bytes=0-1", 'If-Range: W/"%x-64"' % (CHANGED * 10**9)).status == 200
    for value in ("bytes=0-", "bytes=-1", "bytes=5-"):  # an empty file has no part, and is sent as it is
        assert get(served, "/empty", f"Range: {value}").status == 200


def test_ranges_of_a_large_file(served: Serving) -> None:
    data = bytes(range(256)) * 4_096
    start, end = 1_000, 1_000 + 3 * LAST_PIECE
    assert get(served, "/big.bin", f"Range: bytes={start}-{end}").body == data[start : end + 1]


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("br", b"br"),
        ("gzip", b"gzip"),
        ("gzip, br", b"br"),
        ("gzip;q=1, br;q=0.5", b"gzip"),
        ("x-gzip", b"gzip"),
        ("*", b"br"),
        ("br;q=0, *", b"gzip"),
        ("identity, gzip;q=0.5", None),
        ("gzip;q=0", None),
        ("", None),
        ("nonsense(", None),
    ],
)
def test_forms_beside_a_file(served: Serving, accepted: str, coding: bytes | None) -> None:
    reply = get(served, "/both.css", f"Accept-Encoding: {accepted}")
    assert reply.field(b"content-encoding") == coding
    assert decoded(reply) == TEXT
    assert reply.field(b"accept-ranges") == b"bytes"
    assert reply.field(b"vary") == b"accept-encoding"
    assert reply.field(b"content-type") == b"text/css; charset=utf-8"
    etag = reply.field(b"etag")
    assert etag is not None
    assert etag.startswith(b'"')
    assert etag.endswith(b"-%b" % coding + b'"' if coding else b'-%x"' % len(TEXT))


def test_a_range_is_one_of_the_form_that_is_sent(served: Serving) -> None:
    whole = get(served, "/both.css", "Accept-Encoding: br")
    etag = whole.field(b"etag")
    assert etag is not None
    fields = ["Accept-Encoding: br", "Range: bytes=3-9", f"If-Range: {etag.decode()}"]
    part = get(served, "/both.css", *fields)
    assert (part.status, part.body) == (206, whole.body[3:10])
    assert part.field(b"content-encoding") == b"br"
    assert part.field(b"content-range") == b"bytes 3-9/%d" % len(whole.body)
    # The same tag of another form matches nothing.
    assert get(served, "/both.css", "Range: bytes=3-9", f"If-Range: {etag.decode()}").status == 200


def test_forms_that_are_not_taken(served: Serving) -> None:
    """One that is older than the file, one of a file that compresses badly, one that leads out."""
    for path in ("/stale.css", "/out.css"):
        reply = get(served, path, "Accept-Encoding: gzip")
        assert reply.field(b"accept-ranges") == b"none"  # made while it is sent
        assert decoded(reply) == TEXT
    image = get(served, "/image.png", "Accept-Encoding: gzip")
    assert (image.field(b"content-encoding"), image.field(b"vary")) == (None, None)
    assert get(served, "/copied.css", "Accept-Encoding: gzip").field(b"accept-ranges") == b"bytes"
    assert get(served, "/both.css.gz").field(b"content-type") == b"application/gzip"


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_compressing_while_sending(served: Serving, coding: str) -> None:
    reply = get(served, "/text.txt", f"Accept-Encoding: {coding}", "Range: bytes=0-9")
    assert reply.status == 200  # of what is not made yet there is no part
    assert reply.field(b"content-encoding") == coding.encode()
    assert reply.field(b"content-length") is None
    assert len(reply.body) < len(TEXT) / 5
    assert decoded(reply) == TEXT
    etag = reply.field(b"etag")
    assert etag is not None
    assert etag.startswith(b'W/"')
    same = get(served, "/text.txt", f"Accept-Encoding: {coding}", f"If-None-Match: {etag.decode()}")
    assert same.status == 304


def test_what_is_not_compressed(served: Serving, root: Path) -> None:
    for path in ("/a.txt", "/big.bin", "/image.png"):
        assert get(served, path, "Accept-Encoding: gzip").field(b"content-encoding") is None
    write(root / "text.txt", TEXT)
    with serving(root, compress=False, precompressed=False) as plain:
        reply = get(plain, "/text.txt", "Accept-Encoding: gzip, br")
        assert reply.body == TEXT
        assert reply.field(b"vary") is None


def test_cache_control(root: Path) -> None:
    with serving(root, cache_control="public, max-age=60") as served:
        reply = get(served, "/a.txt")
        assert reply.field(b"cache-control") == b"public, max-age=60"
        etag = reply.field(b"etag")
        assert etag is not None
        assert get(served, "/a.txt", f"If-None-Match: {etag.decode()}").field(b"cache-control") is not None
        assert get(served, "/nothing").field(b"cache-control") is None


def test_a_time_in_the_future_is_not_sent(root: Path) -> None:
    write(root / "a.txt", "x", 4_102_444_800)
    with serving(root) as served:
        modified = get(served, "/a.txt").field(b"last-modified")
        assert modified is not None
        assert b" 2100 " not in modified


@pytest.mark.parametrize("change", ["shorter", "other"])
def test_a_file_that_changes_is_broken_off(root: Path, change: str) -> None:
    """The client sees that it is incomplete, and takes no mixture of two versions for one of them."""
    path = write(root / "large.bin", b"a" * (32 << 20))
    with serving(root) as served, served.client(receive_buffer=4_096) as client:
        client.send(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        client.received = client.sock.recv(1_000)
        served.until_it_waits()  # the client takes no more
        with path.open("r+b") as file:
            if change == "shorter":
                file.truncate(1_000)
            else:
                file.write(b"b")
        octets = client.at_end()
        head, _, sent = octets.partition(b"\r\n\r\n")
        assert b"ontent-" in head
        assert len(sent) < 32 << 20
        served.until_told()
        assert isinstance(served.told.errors[0], HttpError.InvalidRequest)
        assert served.told.errors[0].fault == "local"


def test_a_file_that_grows_is_sent_as_it_was(root: Path) -> None:
    path = write(root / "large.log", b"a" * MUCH)
    with serving(root, compress=False) as served, served.client() as client:
        client.send(b"GET /large.log HTTP/1.1\r\nHost: a\r\n\r\n")
        client.received = client.sock.recv(1_000)
        served.until_it_waits()
        with path.open("ab") as file:
            file.write(b"b")
        reply = client.response()
        assert len(reply.body) == MUCH
        assert b"b" not in reply.body


def test_a_file_that_changes_while_it_is_compressed(root: Path) -> None:
    path = write(root / "large.txt", os.urandom(8 << 20).hex())
    with serving(root) as served, served.client(receive_buffer=4_096) as client:
        client.send(b"GET /large.txt HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        client.received = client.sock.recv(1_000)
        served.until_it_waits()
        with path.open("r+b") as file:
            file.truncate(1_000)
        assert not client.at_end().endswith(b"0\r\n\r\n")
        until(lambda: served.told.errors, "the fault that the server is told")


def test_others_have_their_turn_while_one_is_compressed(root: Path) -> None:
    write(root / "large.txt", os.urandom(2 << 20).hex())
    with serving(root) as served, served.client() as slow, served.client() as quick:
        slow.send(b"GET /large.txt HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        slow.received = slow.sock.recv(1_000)
        assert ask(quick, "/a.txt").status == 200
        served.until_told()
        assert served.told.exchanges[0][0].head.target == b"/a.txt"  # the first is still on its way
        assert slow.response().status == 200


def test_both_forms_of_the_server(root: Path) -> None:
    for form in ("blocking", "async"):
        with serving(root, form) as served, served.client() as client:
            for _ in range(3):
                assert ask(client, "/a.txt").body == b"0123456789" * 10
                assert len(ask(client, "/big.bin").body) == 1 << 20


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("A.HTML", "text/html; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.wasm", "application/wasm"),
        ("a.svg", "image/svg+xml"),
        ("a.avif", "image/avif"),
        ("a.webp", "image/webp"),
        ("a.woff2", "font/woff2"),
        ("a.mp4", "video/mp4"),
        ("a.m3u8", "application/vnd.apple.mpegurl"),
        ("a.md", "text/markdown; charset=utf-8"),
        ("a.tar.gz", "application/gzip"),
        ("a.py", "text/plain; charset=utf-8"),
        ("a.ts", "text/plain; charset=utf-8"),
        ("README", "text/plain; charset=utf-8"),
        ("a", "application/octet-stream"),
        ("a.", "application/octet-stream"),
        (".html", "application/octet-stream"),
        ("a.unheard-of", "application/octet-stream"),
        ("a." + "x" * 300, "application/octet-stream"),
        ("a.dvi", "application/x-dvi"),  # of the standard library's table
    ],
)
def test_media_types(name: str, kind: str) -> None:
    assert media_type(name.encode()) == kind


def test_what_is_worth_compressing() -> None:
    for kind in ("text/html; charset=utf-8", "application/json", "image/svg+xml", "application/geo+json"):
        assert is_compressible(kind)
    for kind in ("image/png", "video/mp4", "application/zip", "application/gzip", "application/octet-stream"):
        assert not is_compressible(kind)


def test_which_coding() -> None:
    assert wanted_codings(None) == ()
    assert wanted_codings(b"gzip, deflate, br, zstd") == ("br", "zstd", "gzip")
    assert wanted_codings(b"gzip;q=0.1, *;q=0") == ("gzip",)
    assert wanted_codings(b"gzip;q=0.4, identity;q=0.5") == ()
    assert wanted_codings(b"*" * 1_000) == ()
    assert coding_to_make(b"gzip, br, zstd") == "zstd"
    assert coding_to_make(b"gzip;q=1, br;q=0.9") == "gzip"
    assert coding_to_make(b"deflate") is None
    assert coding_to_make(b"identity") is None


def test_a_query_is_not_a_path(served: Serving) -> None:
    query = encode_form([("a", "../b"), ("c", "/d?e")]).decode()
    assert get(served, f"/a.txt?{query}").status == 200
    assert get(served, "/a.txt?").status == 200
