"""Uploads: PUT and forms, what they may replace, and who may send them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from netkit.http import BasicAuth, Client as HttpClient, FormPart, MultipartForm, Request
from netkit.http.files import BasicCredentials, UploadConfig
from netkit.http.files.target import UPLOADING
from netkit.http.policy.auth import basic_credentials
from tests.http.files.tree import SECRET, ask, get, serving, write
from tests.http.server.serving import Client, Reply, Serving
from tests.waiting import until

pytestmark = pytest.mark.once


@contextmanager
def taking(root: Path, form: str = "blocking", **settings: object) -> Iterator[tuple[Serving, Client]]:
    """The root with uploads of these settings, and a connection to it. No draft is left at the end."""
    upload = UploadConfig(**settings)  # type: ignore[arg-type]  # the tests' own keywords
    with serving(root, form, upload=upload) as served:
        with served.client() as client:
            yield served, client
        served.until_idle()
    assert not drafts(root)


def drafts(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if os.fsencode(path.name).startswith(UPLOADING)]


def put(client: Client, path: str, body: bytes, *fields: str) -> Reply:
    return ask(client, path, fields, "PUT", body)


def post(
    client: Client, path: str, files: Sequence[tuple[str, bytes]], *fields: str, host: str = "localhost"
) -> Reply:
    form = MultipartForm(
        [FormPart("note", "no file"), *[FormPart("file", data, filename=name) for name, data in files]]
    )
    more = [f"Content-Type: {form.content_type}", *fields]
    return ask(client, path, more, "POST", b"".join(form.pieces()), host)


def test_nothing_unless_asked(root: Path) -> None:
    with serving(root) as served, served.client() as client:
        assert put(client, "/new.txt", b"new").status == 405
        assert post(client, "/", [("new.txt", b"new")]).status == 405
    assert not (root / "new.txt").exists()


@pytest.mark.parametrize("form", ["blocking", "async"])
def test_put(root: Path, form: str) -> None:
    with taking(root, form) as (_, client):
        reply = put(client, "/sub/n%C3%A4w.txt", b"new")
        assert (reply.status, reply.field(b"location")) == (201, b"/sub/n%C3%A4w.txt")
        assert (root / "sub" / "näw.txt").read_bytes() == b"new"
        etag = reply.field(b"etag")
        assert etag is not None
        got = ask(client, "/sub/n%C3%A4w.txt")
        assert (got.body, got.field(b"etag")) == (b"new", etag)
        assert put(client, "/nothing", b"").status == 201
        assert (root / "nothing").read_bytes() == b""
        mask = os.umask(0)
        os.umask(mask)
        assert stat.S_IMODE((root / "nothing").stat().st_mode) == 0o666 & ~mask


def test_put_does_not_replace_unless_asked(root: Path) -> None:
    with taking(root) as (_, client):
        assert put(client, "/a.txt", b"new").status == 409
        assert (root / "a.txt").read_bytes() == b"0123456789" * 10
        # But who names the version that is there may.
        etag = (ask(client, "/a.txt").field(b"etag") or b"").decode()
        assert put(client, "/a.txt", b"new", f"If-Match: {etag}").status == 204
        assert put(client, "/a.txt", b"newer", f"If-Match: {etag}").status == 412
        assert (root / "a.txt").read_bytes() == b"new"


def test_put_that_replaces(root: Path) -> None:
    (root / "a.txt").chmod(0o640)
    with taking(root, overwrite=True, durable=True) as (_, client):
        assert put(client, "/a.txt", b"new").status == 204
        assert (root / "a.txt").read_bytes() == b"new"
        assert stat.S_IMODE((root / "a.txt").stat().st_mode) == 0o640
        assert put(client, "/a.txt", b"x", "If-None-Match: *").status == 412
        assert put(client, "/a.txt", b"x", "If-Unmodified-Since: Fri, 02 Jan 2015 03:04:05 GMT").status == 412
        assert put(client, "/b.txt", b"x", "If-Match: *").status == 412
        assert put(client, "/b.txt", b"x", "If-None-Match: *").status == 201


def test_a_link_is_replaced_and_not_written_through(root: Path) -> None:
    (root / "link").symlink_to("../secret.txt")
    (root / "inner").symlink_to("a.txt")
    with taking(root, overwrite=True) as (_, client):
        for name in ("link", "inner"):
            assert put(client, f"/{name}", b"new").status == 204
            assert not (root / name).is_symlink()
            mode = stat.S_IMODE((root / name).stat().st_mode)
            assert not mode & 0o133, "a link's own permissions are 0777, which nobody chose"
    assert (root.parent / "secret.txt").read_bytes() == SECRET
    assert (root / "a.txt").read_bytes() == b"0123456789" * 10


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/../new.txt", 404),
        ("/sub/..%2f..%2fnew.txt", 404),
        ("/out/new.txt", 404),
        ("/.hidden-new", 404),
        ("/.netkit-upload-1", 404),
        ("/new%00.txt", 404),
        ("/sub", 409),
        ("/sub/", 409),
        ("/new/", 409),
        ("/", 409),
        ("/missing/new.txt", 409),
        ("/a.txt/new.txt", 409),
        ("/fifo", 409),
        (f"/{'a' * 256}", 404),
    ],
)
def test_where_nothing_can_be_put(root: Path, path: str, status: int) -> None:
    os.mkfifo(root / "fifo")
    (root / "out").symlink_to("..")
    before = sorted(root.parent.rglob("*"))
    with taking(root, overwrite=True) as (_, client):
        assert put(client, path, b"new").status == status
    assert sorted(root.parent.rglob("*")) == before


def test_what_cannot_be_put(root: Path) -> None:
    with taking(root) as (_, client):
        assert put(client, "/new.txt", b"new", "Content-Range: bytes 0-2/9").status == 400
        assert put(client, "/new.txt", b"new", "Content-Encoding: gzip").status == 415
        assert put(client, "/new.txt", b"new", "Content-Encoding: identity").status == 201


def test_directories_are_made_if_asked(root: Path) -> None:
    (root / "out").symlink_to("..")
    with taking(root, directories=True) as (_, client):
        assert put(client, "/one/two/new.txt", b"new").status == 201
        assert (root / "one" / "two" / "new.txt").read_bytes() == b"new"
        assert put(client, "/out/three/new.txt", b"new").status == 404
        assert put(client, "/a.txt/new.txt", b"new").status == 409
        assert post(client, "/one/", [("in/side/b.txt", b"b")]).field(b"location") == b"/one/in/side/b.txt"
        for name in ("../b.txt", "/b.txt", "c/../b.txt", "c//b.txt", "./b.txt", "/".join("c" * 40)):
            assert post(client, "/one/", [(name, b"b")]).status == 400
        assert post(client, "/one/", [(".git/config", b"b")]).field(b"location") == b"/one/git/config"
    assert not (root.parent / "three").exists()


def test_too_large(root: Path) -> None:
    with taking(root, max_size=10) as (served, client):
        assert put(client, "/ten", b"0123456789").status == 201
        with served.client() as other:
            assert put(other, "/eleven", b"0123456789a").status == 413
        with served.client() as other:
            chunked = b"PUT /chunked HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            assert other.ask(chunked, b"6\r\n012345\r\n6\r\n678901\r\n0\r\n\r\n").status == 413
        with served.client() as other:
            assert post(other, "/", [("form", b"x")]).status == 413
    assert not (root / "eleven").exists()
    assert not (root / "chunked").exists()


def test_a_refusal_comes_before_the_body(root: Path) -> None:
    """A client that waits for 100 (Continue) is not told to send what is refused."""
    with taking(root) as (served, _):
        for path in ("/a.txt", "/missing/x", "/.hidden"):
            with served.client() as client:
                head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n"
                reply = client.ask(head.encode() + b"Expect: 100-continue\r\n\r\n")
                assert reply.status in (404, 409)
                assert reply.interim == []


def test_an_upload_that_is_broken_off_leaves_nothing(root: Path) -> None:
    with taking(root) as (served, _):
        for head in (
            b"PUT /half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf",
            (
                b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
                b'--x\r\nContent-Disposition: form-data; name=f; filename="half"\r\n\r\nhalf'
            ),
        ):
            with served.client() as client:
                client.send(head)
                served.until_it_waits()
                assert len(drafts(root)) == 1
                assert get(served, f"/{drafts(root)[0].name}").status == 404
                assert b"netkit-upload" not in get(served, "/").body
                client.reset()
            until(lambda: not drafts(root), "the draft to go")
    assert not (root / "half").exists()


def test_a_file_that_comes_meanwhile_is_not_replaced(root: Path) -> None:
    with taking(root) as (served, client):
        client.send(b"PUT /new.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nne")
        served.until_it_waits()
        write(root / "new.txt", "first")
        client.send(b"w!")
        assert client.response("PUT").status == 409
    assert (root / "new.txt").read_bytes() == b"first"


def test_a_form(root: Path) -> None:
    data = os.urandom(300_000)
    with taking(root) as (_, client):
        reply = post(client, "/sub/", [("one.bin", data), ("two.txt", b"2"), ("", b"")])
        assert (reply.status, reply.field(b"location")) == (201, b"/sub/one.bin")
        assert reply.body == b"/sub/one.bin\n/sub/two.txt\n"
        assert (root / "sub" / "one.bin").read_bytes() == data
        back = post(client, "/sub", [("three", b"3")], "Accept: text/html,*/*;q=0.8")
        assert (back.status, back.field(b"location")) == (303, b"./sub/")
        back = post(client, "/sub/", [("four", b"4")], "Accept: text/html")
        assert (back.status, back.field(b"location")) == (303, b"./")
        assert post(client, "/", [("root", b"r")]).field(b"location") == b"/root"
        assert b"<form" in ask(client, "/sub/").body


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("../../secret.txt", "secret.txt"),
        ("..\\..\\secret.txt", "secret.txt"),
        ("/etc/passwd", "passwd"),
        (".bashrc", "bashrc"),
        ("...", "download"),
        ("a\tb", None),
        ("-rf", "_rf"),
        ("con.txt", "_con.txt"),
        ("a<b>:c|d?e*f", "a_b__c_d_e_f"),
        ("\u202etxt.exe", "_txt.exe"),
        ("größe 1.txt", "größe 1.txt"),
        ("a" * 300 + ".txt", "a" * 251 + ".txt"),
    ],
)
def test_names_of_a_form_are_made_safe(root: Path, given: str, stored: str | None) -> None:
    with taking(root) as (_, client):
        before = set(os.listdir(root / "sub"))
        reply = post(client, "/sub/", [(given, b"new")])
        assert reply.status == 201
        [new] = set(os.listdir(root / "sub")) - before
        if stored is not None:
            assert new == stored
    assert (root.parent / "secret.txt").read_bytes() == SECRET


def test_a_form_is_stored_as_a_whole_or_not_at_all(root: Path) -> None:
    with taking(root) as (served, client):
        assert post(client, "/", [("new.txt", b"1"), ("a.txt", b"2")]).status == 409
        assert post(client, "/", [("new.txt", b"1"), ("new.txt", b"2")]).status == 409
        assert post(client, "/", [("new.txt", b"1"), ("sub", b"2")]).status == 409
        with served.client() as other:
            fields = ["Content-Type: multipart/form-data; boundary=x"]
            body = b'--x\r\nContent-Disposition: form-data; name=f; filename="new.txt"\r\n\r\nhalf'
            assert ask(other, "/", fields, "POST", body).status == 400
    assert not (root / "new.txt").exists()
    assert (root / "a.txt").read_bytes() == b"0123456789" * 10
    with taking(root, overwrite=True, durable=True) as (_, client):
        reply = post(client, "/", [("a.txt", b"2")])
        assert (reply.status, reply.body) == (200, b"/a.txt\n")
    assert (root / "a.txt").read_bytes() == b"2"


def test_forms_that_are_refused(root: Path) -> None:
    with taking(root, max_files=2) as (_, client):
        assert post(client, "/", []).status == 400
        assert post(client, "/nothing/", [("a", b"")]).status == 404
        assert post(client, "/..%2f", [("a", b"")]).status == 404
        reply = post(client, "/a.txt", [("a", b"")])
        assert (reply.status, reply.field(b"allow")) == (405, b"GET, HEAD, OPTIONS, PUT")
        assert ask(client, "/", ["Content-Type: text/plain"], "POST", b"x").status == 415
        assert ask(client, "/", [], "POST", b"x").status == 415
        assert post(client, "/", [("1", b""), ("2", b""), ("3", b"")]).status == 413
    with taking(root) as (_, client):
        fields = ["Content-Type: multipart/form-data"]
        assert ask(client, "/", fields, "POST", b"x").status == 400
    assert not (root / "1").exists()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 201),
        ("localhost:8080", 201),
        ("LOCALHOST", 201),
        ("127.0.0.1:80", 201),
        ("[::1]:80", 201),
        ("evil.example", 421),
        ("evil.example:80", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("192.0.2.1", 421),
        ("[::1", 421),
    ],
)
def test_the_name_it_was_sent_to(root: Path, host: str, status: int) -> None:
    """A name of somebody else that was made to lead here (DNS rebinding) is not ours."""
    with taking(root) as (_, client):
        assert post(client, "/", [("new.txt", b"new")], host=host).status == status
    assert (root / "new.txt").exists() == (status == 201)


def test_names_that_are_allowed(root: Path) -> None:
    settings = {"upload": UploadConfig(), "allowed_hosts": ["files.example", "[2001:db8::1]"]}
    with serving(root, **settings) as served, served.client() as client:
        assert ask(client, "/a.txt", host="files.example:80").status == 200
        assert ask(client, "/a.txt", host="[2001:db8::1]:80").status == 200
        assert ask(client, "/a.txt", host="localhost").status == 421
        assert post(client, "/", [("new.txt", b"new")], host="files.example").status == 201
        assert client.ask(b"GET /a.txt HTTP/1.0\r\n\r\n").status == 200  # no browser


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([], 201),
        (["Origin: http://localhost"], 201),
        (["Origin: https://localhost"], 201),  # a proxy has undone TLS
        (["Origin: http://evil.example"], 403),
        (["Origin: http://localhost:8080"], 403),
        (["Origin: http://localhost.evil.example"], 403),
        (["Origin: null"], 403),
        (["Origin: "], 403),
        (["Sec-Fetch-Site: cross-site"], 403),
        (["Sec-Fetch-Site: same-origin"], 201),
        (["Sec-Fetch-Site: none"], 201),
    ],
)
def test_the_page_that_it_comes_from(root: Path, fields: list[str], status: int) -> None:
    """A page of any site can send a form here, without a preflight."""
    with taking(root) as (_, client):
        assert post(client, "/", [("new.txt", b"new")], *fields).status == status
    assert (root / "new.txt").exists() == (status == 201)


def test_origins_that_are_named_may_upload(root: Path) -> None:
    named = ["https://app.example"]
    with serving(root, upload=UploadConfig(), cors=named) as served, served.client() as client:
        reply = post(client, "/", [("1", b"")], "Origin: https://app.example")
        assert reply.status == 201
        assert reply.field(b"access-control-allow-origin") == b"https://app.example"
    with serving(root, upload=UploadConfig(), cors="*") as served, served.client() as client:
        assert post(client, "/", [("2", b"")], "Origin: https://app.example").status == 403


def test_who_may_upload(root: Path) -> None:
    readers, writers = BasicCredentials({"reader": "r"}), BasicCredentials({"writer": "w"})

    def authorization(name: str, password: str) -> str:
        return f"Authorization: {basic_credentials(name, password)}"

    with serving(root, auth=readers, upload=UploadConfig(auth=writers)) as served, served.client() as client:
        reader, writer = authorization("reader", "r"), authorization("writer", "w")
        assert ask(client, "/a.txt").status == 401
        assert ask(client, "/a.txt", [reader]).status == 200
        assert ask(client, "/a.txt", [writer]).status == 200
        assert put(client, "/new.txt", b"new").status == 401
        assert put(client, "/new.txt", b"new", reader).status == 401
        assert put(client, "/new.txt", b"new", authorization("writer", "r")).status == 401
        assert put(client, "/new.txt", b"new", writer).status == 201
    with serving(root, upload=UploadConfig(auth=writers)) as served, served.client() as client:
        assert ask(client, "/a.txt").status == 200
        assert put(client, "/newer.txt", b"new").status == 401


@pytest.mark.parametrize(
    ("code", "status"),
    [(errno.ENOSPC, 507), (errno.EACCES, 403), (errno.EROFS, 403), (errno.EFBIG, 413), (errno.EIO, 500)],
)
def test_what_the_system_does_not_store(
    root: Path, monkeypatch: pytest.MonkeyPatch, code: int, status: int
) -> None:
    def fails(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    with taking(root) as (served, client):
        monkeypatch.setattr("netkit.http.files.upload._Draft.write", fails)
        assert put(client, "/new.txt", b"new").status == status
        with served.client() as other:
            assert post(other, "/", [("new.txt", b"new")]).status == status
    assert not (root / "new.txt").exists()


def test_with_the_client_of_netkit(root: Path) -> None:
    data = os.urandom(3_000_000)
    users = BasicCredentials({"ann": "pä$$"})
    with serving(root, auth=users, upload=UploadConfig()) as served, HttpClient() as client:
        base = f"http://{served.at[0]}:{served.at[1]}"
        auth = BasicAuth("ann", "pä$$")
        made = client.request(Request("PUT", f"{base}/large.bin"), body=data, auth=auth)
        assert made.status == 201
        form = MultipartForm([FormPart("file", data, filename="form.bin")])
        made = client.request(
            Request("POST", f"{base}/", headers={"Content-Type": form.content_type}), body=form, auth=auth
        )
        assert made.status == 201
        got = client.request(Request("GET", f"{base}/form.bin"), auth=auth)
        assert got.body == data == (root / "large.bin").read_bytes()
