"""Who may come in, and which other sites may read: basic authentication, passwords, CORS, settings."""

from __future__ import annotations

import hashlib
import threading
from binascii import b2a_base64
from pathlib import Path

import pytest

from netkit.http.errors import HttpError
from netkit.http.files import BasicCredentials, FilesConfig, UploadConfig, passwords
from netkit.http.files.guard import pair_of
from netkit.http.files.origins import host_of, is_ours
from netkit.http.files.passwords import hash_password, is_right
from netkit.http.policy.auth import basic_credentials
from tests.http.files.tree import ask, get, serving
from tests.http.server.serving import Client

pytestmark = pytest.mark.once

HASHED = hash_password("open sesame", bytes(range(16)))


def pbkdf2(password: str, rounds: int = 1_000) -> str:
    salt = bytes(16)
    found = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    return f"pbkdf2-sha256${rounds}${b2a_base64(salt, newline=False).decode()}$" + (
        b2a_base64(found, newline=False).decode()
    )


def login(client: Client, name: str, password: str) -> int:
    return ask(client, "/a.txt", [f"Authorization: {basic_credentials(name, password)}"]).status


def test_basic(root: Path) -> None:
    users = {"ann": "clear", "bob": HASHED, "cat": pbkdf2("purr"), "dän": "pä:ss", "eve": ""}
    with serving(root, auth=BasicCredentials(users, realm='my "files"')) as served, served.client() as client:
        for path in ("/a.txt", "/", "/nothing", "/.hidden", "/../x", "/sub"):
            reply = ask(client, path)
            assert reply.status == 401
            assert reply.field(b"www-authenticate") == b'Basic realm="my \\"files\\"", charset="UTF-8"'
            assert b"0123456789" not in reply.body
        for name, password in [("ann", "clear"), ("bob", "open sesame"), ("cat", "purr"), ("dän", "pä:ss")]:
            for _ in range(2):  # the second time it is known
                assert login(client, name, password) == 200
            assert login(client, name, f"{password}x") == 401
            assert login(client, name, "") == 401
            assert login(client, f"{name}x", password) == 401
        assert login(client, "eve", "") == 200
        # What is stored is no password.
        assert login(client, "bob", HASHED) == 401
        assert login(client, "nobody", "clear") == 401
        assert ask(client, "/a.txt", ["Authorization: Bearer clear"]).status == 401


def test_an_unknown_name_never_comes_in(root: Path) -> None:
    """Its password is compared with that of the first user, for the time that it takes."""
    for stored in ("first", HASHED):
        with serving(root, auth=BasicCredentials({"ann": stored})) as served, served.client() as client:
            for _ in range(2):
                assert login(client, "nobody", "first") == 401
                assert login(client, "nobody", "open sesame") == 401


def test_a_slow_check_keeps_nobody_else(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(*arguments: object) -> bytes:
        begun.set()
        assert go.wait(20)
        return bytes(32)

    monkeypatch.setattr(passwords, "_scrypt", slow)
    users = BasicCredentials({"ann": HASHED, "bob": "clear"})
    with serving(root, auth=users) as served, served.client() as waits, served.client() as client:
        value = basic_credentials("ann", "open sesame")
        waits.send(f"GET /a.txt HTTP/1.1\r\nHost: a\r\nAuthorization: {value}\r\n\r\n".encode())
        assert begun.wait(20)
        assert login(client, "bob", "clear") == 200
        go.set()
        assert waits.response().status == 401


@pytest.mark.parametrize(
    ("value", "pair"),
    [
        (b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", (b"Aladdin", b"open sesame")),  # RFC 7617 section 2
        (b"Basic dGVzdDoxMjPCow==", (b"test", b"123\xc2\xa3")),  # section 2.1
        (b"basic  QTpiOmM=", (b"A", b"b:c")),
        (b"Basic Og==", (b"", b"")),
        (b"Basic QQ==", None),  # no colon
        (b"Basic QTpi!", None),
        (b"Basic QTpi\xff", None),
        (b"Basic", None),
        (b"", None),
        (b"Digest QTpi", None),
        (b"BasicQTpi", None),
        (b"Basic " + b"QUFB" * 2_000 + b"Og==", None),
    ],
)
def test_pairs(value: bytes, pair: tuple[bytes, bytes] | None) -> None:
    assert pair_of(value) == pair


def test_hashes() -> None:
    assert HASHED.startswith("scrypt$16384$8$1$AAECAwQFBgcICQoLDA0ODw==$")
    assert is_right(HASHED, b"open sesame")
    assert not is_right(HASHED, b"open sesam")
    # RFC 7914 section 12, the third row, with half of its output.
    salt = b2a_base64(b"SodiumChloride", newline=False).decode()
    wanted = bytes.fromhex("7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2")
    row = f"scrypt$16384$8$1${salt}${b2a_base64(wanted, newline=False).decode()}"
    assert is_right(row, b"pleaseletmein")
    with pytest.raises(HttpError.InvalidValue):
        hash_password("x", b"short")


@pytest.mark.parametrize(
    "stored",
    [
        "scrypt$",
        "scrypt$16384$8$1$AAAA",
        f"scrypt$16385{HASHED[12:]}",  # no power of two
        f"scrypt$1073741824{HASHED[12:]}",  # more memory than there is
        f"scrypt$1{HASHED[12:]}",
        HASHED[:-8] + "!" + HASHED[-7:],
        "scrypt$16384$8$1$AAECAwQFBgcICQoLDA0ODw==$AAAA",
        pbkdf2("x").replace("$1000$", "$0$"),
        pbkdf2("x").replace("$1000$", "$100000000000$"),
        pbkdf2("x").replace("$1000$", "$a$"),
        "a\nb",
        "a\0b",
    ],
)
def test_passwords_that_cannot_be(stored: str) -> None:
    with pytest.raises(HttpError.InvalidValue):
        BasicCredentials({"ann": stored})


def test_secrets_are_not_shown() -> None:
    config = FilesConfig(
        "/srv",
        auth=BasicCredentials({"ann": "hunter2"}),
        upload=UploadConfig(auth=BasicCredentials({"b": "s3"})),
    )
    assert "hunter2" not in repr(config)
    assert "s3" not in repr(config)


@pytest.mark.parametrize(
    "settings",
    [
        {"index": ("a/b",)},
        {"index": ("..",)},
        {"spa": "../index.html"},
        {"not_found": ""},
        {"compress_from": -1},
        {"cors": "example.com"},
        {"cors": ["https://a.example/path"]},
        {"cors": ["https://"]},
        {"cache_control": "a\r\nb"},
        {"allowed_hosts": ["a.example:80"]},
        {"allowed_hosts": [""]},
        {"max_entries": 0},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object]) -> None:
    with pytest.raises(HttpError.InvalidValue):
        FilesConfig("/srv", **settings)  # type: ignore[arg-type]
    with pytest.raises(HttpError.InvalidValue):
        BasicCredentials({})
    with pytest.raises(HttpError.InvalidValue):
        BasicCredentials({"a:b": "c"})
    with pytest.raises(HttpError.InvalidValue):
        UploadConfig(max_size=0)


def test_cors_for_all(root: Path) -> None:
    with serving(root, cors="*") as served:
        for path in ("/a.txt", "/nothing", "/", "/sub", "/a.txt?"):
            for origin in ((), ("Origin: https://any.example",)):
                reply = get(served, path, *origin)
                assert reply.field(b"access-control-allow-origin") == b"*"
                assert reply.field(b"access-control-allow-credentials") is None
        reply = get(served, "/a.txt", "Origin: https://a.example", "Range: bytes=0-1")
        assert reply.status == 206
        assert b"content-range" in (reply.field(b"access-control-expose-headers") or b"")
        etag = (reply.field(b"etag") or b"").decode()
        same = get(served, "/a.txt", f"If-None-Match: {etag}")
        assert (same.status, same.field(b"access-control-allow-origin")) == (304, b"*")


def test_cors_for_some(root: Path) -> None:
    with serving(root, cors=["https://App.example", "http://localhost:3000"]) as served:
        for origin in ("https://app.example", "http://localhost:3000"):
            reply = get(served, "/big.bin", f"Origin: {origin}")
            assert reply.field(b"access-control-allow-origin") == origin.encode()
            assert reply.field(b"access-control-allow-credentials") == b"true"
            assert reply.field(b"vary") == b"origin"
        for origin in (
            "https://other.example",
            "https://app.example.evil.example",
            "null",
            "http://app.example",
        ):
            reply = get(served, "/big.bin", f"Origin: {origin}")
            assert reply.status == 200
            assert reply.field(b"access-control-allow-origin") is None
            assert reply.field(b"vary") == b"origin"  # a cache must not give it to others
    with serving(root) as served:
        assert (
            get(served, "/big.bin", "Origin: https://a.example").field(b"access-control-allow-origin") is None
        )


def test_preflight(root: Path) -> None:
    def asked(origin: str, *fields: str) -> dict[bytes, bytes]:
        more = [f"Origin: {origin}", "Access-Control-Request-Method: PUT", *fields]
        reply = get(served, "/a.txt", *more, method="OPTIONS")
        assert reply.status == 204
        assert reply.field(b"content-length") is None
        return {name: value for name, value in reply.fields if name.startswith(b"access-control-allow")}

    users = BasicCredentials({"ann": "secret"})  # a browser sends none with a preflight
    settings = {"cors": ["https://app.example", "*"], "upload": UploadConfig(), "auth": users}
    with serving(root, **settings) as served:
        assert asked("https://app.example", "Access-Control-Request-Headers: authorization, x-a") == {
            b"access-control-allow-origin": b"https://app.example",
            b"access-control-allow-credentials": b"true",
            b"access-control-allow-methods": b"GET, HEAD, OPTIONS, PUT, POST",
            b"access-control-allow-headers": b"authorization, x-a",
        }
        assert asked("https://other.example", "Access-Control-Request-Headers: a<b") == {
            b"access-control-allow-origin": b"*",
            b"access-control-allow-methods": b"GET, HEAD, OPTIONS",
        }
    with serving(root) as served:
        assert asked("https://app.example") == {}


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("a.example", "a.example"),
        ("A.Example.:80", "a.example"),
        ("[::1]", "::1"),
        ("[::1]:80", "::1"),
        ("a.example:", "a.example"),
        ("a.example:x", None),
        ("[::1", None),
        ("[::1]x", None),
        ("a b", None),
        ("user@a.example", None),
        ("", None),
    ],
)
def test_hosts(authority: str, host: str | None) -> None:
    assert host_of(authority) == host


def test_our_names() -> None:
    assert is_ours("192.0.2.1:80", "192.0.2.1", None)
    assert is_ours("[2001:DB8::1]:80", "2001:db8::1", None)
    assert not is_ours("192.0.2.2", "192.0.2.1", None)
    assert not is_ours("192.0.2.1", None, None)
    assert not is_ours("localhost", None, ["a.example"])
