"""What endpoints say and do, beyond a status."""

from __future__ import annotations

import gzip
import json
import zlib
from hashlib import sha256
from typing import Any

import pytest

from netkit.http import (
    BasicAuth,
    BearerAuth,
    Client,
    ClientConfig,
    CookieJar,
    DigestAuth,
    EventStreamParser,
    FormPart,
    HttpError,
    MultipartForm,
    Request,
)
from netkit.http.inspector.endpoints import images
from netkit.http.inspector.facts import MAX_JSON
from netkit.http.inspector.forms_in import received_form
from tests.http.inspector.conftest import PATIENCE, Served

Fields = dict[str, str] | list[tuple[str, str]]


def ask(
    client: Client, url: str, *, method: str = "GET", fields: Fields | None = None, body: Any = None
) -> Any:
    return client.request(Request(method, url, headers=fields or {}), body=body)


def shown(client: Client, url: str, **given: Any) -> Any:
    return json.loads(ask(client, url, **given).body)


# The request.


def test_get(served: Served, client: Client) -> None:
    found = shown(
        client, served.url("/get?a=1&b=x%20y&a=2&c="), fields={"x-two-words": "a", "Via": "a proxy"}
    )
    assert found["args"] == {"a": ["1", "2"], "b": "x y", "c": ""}
    assert found["headers"]["X-Two-Words"] == "a"
    assert found["headers"]["Host"] == f"127.0.0.1:{served.port}"
    assert "Via" not in found["headers"]
    assert found["origin"] == "127.0.0.1"
    assert found["url"] == served.url("/get?a=1&b=x%20y&a=2&c=")


def test_fields_of_one_name_are_joined(served: Served, client: Client) -> None:
    found = shown(client, served.url("/headers"), fields=[("X-A", "1"), ("x-a", "2")])
    assert found["headers"]["X-A"] == "1,2"


def test_what_a_proxy_says(served: Served, client: Client) -> None:
    fields = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    found = shown(client, served.url("/get"), fields=fields)
    assert (found["origin"], found["url"]) == ("192.0.2.1", f"https://127.0.0.1:{served.port}/get")
    assert (
        shown(client, served.url("/headers?show_env=1"), fields=fields)["headers"]["X-Forwarded-Proto"]
        == "https"
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_body_of_json(method: str, served: Served, client: Client) -> None:
    found = shown(client, served.url(f"/{method.lower()}"), method=method, body=b'{"a": [1]}')
    assert (found["data"], found["json"], found["form"], found["files"]) == ('{"a": [1]}', {"a": [1]}, {}, {})


def test_a_body_that_is_no_text(served: Served, client: Client) -> None:
    found = shown(client, served.url("/post"), method="POST", body=b"\xff\x00")
    assert found["data"] == "data:application/octet-stream;base64,/wA="
    assert found["json"] is None


@pytest.mark.once
@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"[" * 99 + b"1" + b"]" * 99, True),
        (b"[" * 101 + b"1" + b"]" * 101, False),
        (b"[" * 100_000, False),
        (b'{"a": NaN}', False),
        (b"[1]" + b" " * MAX_JSON, False),
        (b"1" * 5000, False),
        (b'"\\ud800"', True),
    ],
    ids=["deep", "too deep", "endless", "NaN", "long", "a long number", "half a character"],
)
def test_json_that_is_shown(data: bytes, value: bool, served: Served, client: Client) -> None:
    found = shown(client, served.url("/post"), method="POST", body=data)
    assert (found["json"] is not None) == value
    assert found["data"] == data.decode()


def test_a_form(served: Served, client: Client) -> None:
    fields = {"Content-Type": "application/x-www-form-urlencoded"}
    found = shown(client, served.url("/post"), method="POST", body=b"a=1&b=%C3%BC&a=2&c", fields=fields)
    assert (found["form"], found["data"]) == ({"a": ["1", "2"], "b": "\u00fc", "c": ""}, "")


def test_a_form_with_files(served: Served, client: Client) -> None:
    parts = [
        FormPart("a", "1"),
        FormPart("f", b"one", filename="a.txt"),
        FormPart("f", b"\xff", filename="b.bin", content_type="image/x-b"),
    ]
    form = MultipartForm(parts)
    fields = {"Content-Type": form.content_type}
    found = shown(client, served.url("/post"), method="POST", body=form, fields=fields)
    assert found["form"] == {"a": "1"}
    assert found["files"] == {"f": ["one", "data:image/x-b;base64,/w=="]}


@pytest.mark.once
def test_a_form_of_curl(served: Served) -> None:
    made = served.curl("/post", "-F", "a=1", "-F", f"f=@{__file__}", "-F", "e=")
    found = json.loads(made.body)
    assert (found["form"], list(found["files"])) == ({"a": "1", "e": ""}, ["f"])
    assert found["files"]["f"].startswith('"""What endpoints say')


def test_a_form_in_a_content_coding(served: Served, client: Client) -> None:
    fields = {"Content-Type": "multipart/form-data; boundary=b", "Content-Encoding": "deflate"}
    found = shown(client, served.url("/put"), method="PUT", body=zlib.compress(b"--b--\r\n"), fields=fields)
    assert (found["form"], found["files"], found["data"]) == ({}, {}, "")


@pytest.mark.once
def test_a_part_with_an_empty_name_of_a_file() -> None:
    parts = (
        b'--b\r\nContent-Disposition: form-data; name="a"; filename=""\r\n\r\nx'
        b'\r\n--b\r\nContent-Disposition: form-data; name="filename"\r\n\r\n--bb\r\n--b--\r\n'
    )
    form = received_form("multipart/form-data; boundary=b", parts)
    assert form is not None
    assert form.fields == [("filename", "--bb")]
    assert [(each.name, each.data) for each in form.files] == [("a", b"x")]
    assert received_form("multipart/form-data; boundary=b", b"") == ([], [])


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"a"),
        (f"multipart/form-data; boundary={'b' * 71}", b"a"),
        ("multipart/form-data; boundary=b", b"no part"),
        ("multipart/form-data; boundary=b", b"--b\r\nno head"),
        ("application/x-www-form-urlencoded", b"a=1&" * 1001),
    ],
)
def test_forms_that_are_refused(content_type: str, body: bytes, served: Served, client: Client) -> None:
    fields = {"Content-Type": content_type}
    answer = ask(client, served.url("/post"), method="POST", body=body, fields=fields)
    assert int(answer.status) == 400
    assert b"form" in answer.body


def test_the_wire(served: Served, client: Client) -> None:
    found = shown(
        client, served.url("/wire?a=1"), fields=[("x-OdD", "a"), ("X-Odd", "b")], method="POST", body=b"abc"
    )
    assert found["head"].startswith("POST /wire?a=1 HTTP/1.1\r\n")
    assert "\r\nx-OdD: a\r\nX-Odd: b\r\n" in found["head"]
    assert found["head_size"] == len(found["head"])
    assert found["framing"]["kind"] == "length"
    assert (found["body"]["size"], found["body"]["start"]) == (3, "abc")


@pytest.mark.once
def test_the_wire_finds_what_is_risky(served: Served) -> None:
    made = served.curl(
        "/wire", "-H", "X_Under: a", "-H", "Upgrade: h2c", "-H", "Connection: Upgrade, HTTP2-Settings"
    )
    codes = {each["code"] for each in json.loads(made.body)["findings"]}
    assert "underscore-in-name" in codes
    assert "upgrade-h2c" in codes
    assert "incomplete" not in codes


# Statuses.


def test_a_status_by_its_weight(served: Served, client: Client) -> None:
    assert {int(client.get(served.url("/status/200:0,404:1")).status) for _ in range(5)} == {404}
    assert {int(client.get(served.url("/unstable?failure_rate=1")).status) for _ in range(3)} == {500}
    assert {int(client.get(served.url("/unstable?failure_rate=0")).status) for _ in range(3)} == {200}


BAD = (
    "/status/abc",
    "/status/99",
    "/status/1000",
    "/status/100",
    "/status/200:x",
    "/status/200:-1",
    "/status/" + "200," * 200,
    "/unstable?failure_rate=2",
    "/redirect/0",
    "/redirect-to",
    "/redirect-form/unknown",
    "/redirect-body/404",
    "/redirect-origin?path=x",
    "/delay/x",
    "/delay/-1",
    "/delay/nan",
    "/drip?numbytes=x",
    "/drip?numbytes=0",
    "/drip?code=100",
    "/bytes/1?seed=x",
    "/cookies/set?=x",
    "/cookies/set?a=%0d%0aX-A:1",
    "/cookies/set-detail/a/b;c",
    "/response-headers?X-A=%0d%0aX-B:1",
    "/response-headers?X%20A=1",
    "/coding/rot13",
    "/interim?status=101",
    "/interim?status=200",
    "/sse?line=x",
    "/close?after=x",
    "/get?" + "a&" * 1001,
)


@pytest.mark.parametrize("path", BAD)
def test_arguments_that_cannot_be_read_are_said(path: str, served: Served, client: Client) -> None:
    if path.startswith("/redirect-origin"):
        assert int(client.get(served.url(path)).status) == 404
        return
    answer = client.get(served.url(path))
    assert int(answer.status) == 400
    assert answer.body


# Redirects.


@pytest.mark.parametrize(
    ("path", "count", "final"),
    [
        ("/redirect/3", 3, "/get"),
        ("/redirect/2?absolute=true", 2, "/get"),
        ("/absolute-redirect/3", 3, "/get"),
        ("/relative-redirect/3", 3, "/get"),
        ("/redirect-to?url=/anything%23part&status_code=308", 1, "/anything"),
        ("/redirect-form/userinfo", 1, "/headers"),
    ],
)
def test_chains(path: str, count: int, final: str, served: Served, client: Client) -> None:
    answer = client.get(served.url(path))
    assert int(answer.status) == 200
    assert len(answer.history) == count
    assert answer.url.path == final


def test_credentials_stay_with_their_origin(served: Served, client: Client) -> None:
    fields = {"Authorization": "Basic dTpw", "Cookie": "a=1"}
    found = shown(client, served.url("/redirect-cross/1"), fields=fields)
    assert found["headers"]["Host"] == f"localhost:{served.port}"
    assert not {"Authorization", "Cookie"} & found["headers"].keys()


@pytest.mark.parametrize(
    ("status", "method", "data"),
    [(303, "GET", ""), (307, "POST", "body"), (308, "POST", "body"), (301, "GET", "")],
)
def test_the_method_after_a_redirect(
    status: int, method: str, data: str, served: Served, client: Client
) -> None:
    found = shown(client, served.url(f"/redirect-body/{status}"), method="POST", body=b"body")
    assert (found["method"], found["data"]) == (method, data)


# Cookies.


def test_cookies(served: Served) -> None:
    with Client(ClientConfig(timeout=PATIENCE), cookies=CookieJar()) as client:
        assert shown(client, served.url("/cookies/set?a=1&b=two")) == {"cookies": {"a": "1", "b": "two"}}
        assert shown(client, served.url("/cookies/set/c/x%20y")) == {
            "cookies": {"a": "1", "b": "two", "c": "x y"}
        }
        assert shown(client, served.url("/cookies/delete?a&c")) == {"cookies": {"b": "two"}}
        elsewhere = "/cookies/set-detail/d/1?path=/elsewhere&httponly=1&max_age=60&samesite=Lax"
        assert shown(client, served.url(elsewhere)) == {"cookies": {"b": "two"}}


# Authentication.


def test_basic(served: Served) -> None:
    for auth, status in ((BasicAuth("user", "p\u00e4ss"), 200), (BasicAuth("user", "wrong"), 401)):
        with Client(ClientConfig(timeout=PATIENCE), auth=auth) as client:
            assert int(client.get(served.url("/basic-auth/user/p%C3%A4ss")).status) == status
    with Client(ClientConfig(timeout=PATIENCE)) as client:
        answer = client.get(served.url("/basic-auth/user/pass"))
        assert answer.headers.get_first("WWW-Authenticate") == 'Basic realm="Fake Realm"'
        assert (
            int(ask(client, served.url("/basic-auth/u/p"), fields={"Authorization": "Basic !"}).status) == 401
        )


def test_bearer(served: Served) -> None:
    with Client(ClientConfig(timeout=PATIENCE), auth=BearerAuth("abc")) as client:
        assert shown(client, served.url("/bearer")) == {"authenticated": True, "token": "abc"}


DIGESTS = [
    f"/digest-auth/{qop}/user/p%20w/{algorithm}"
    for qop in ("auth", "auth-int", "both")
    for algorithm in ("MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess", "SHA-512-256-sess")
]


@pytest.mark.once
@pytest.mark.parametrize("path", DIGESTS)
def test_digest(path: str, served: Served) -> None:
    for password, status in (("p w", 200), ("wrong", 401)):
        auth = DigestAuth("user", password)
        with Client(ClientConfig(timeout=PATIENCE), auth=auth, cookies=CookieJar()) as client:
            assert int(client.get(served.url(path)).status) == status


@pytest.mark.once
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])  # older curls have another SHA-512-256
def test_digest_of_curl(algorithm: str, served: Served) -> None:
    for password, status in (("passwd", 200), ("wrong", 401)):
        path = f"/digest-auth/auth/user/passwd/{algorithm}"
        assert served.curl(path, "--digest", "-u", f"user:{password}").status == status


@pytest.mark.once
def test_a_nonce_that_is_stale(served: Served) -> None:
    with Client(ClientConfig(timeout=PATIENCE), auth=DigestAuth("u", "p"), cookies=CookieJar()) as client:
        for _ in range(3):
            assert int(client.get(served.url("/digest-auth/auth/u/p/SHA-256/1")).status) == 200


@pytest.mark.once
def test_a_challenge_that_wants_its_cookie(served: Served) -> None:
    path = "/digest-auth/auth/u/p?require-cookie=1"
    for jar, status in ((CookieJar(), 200), (None, 401)):
        with Client(ClientConfig(timeout=PATIENCE), auth=DigestAuth("u", "p"), cookies=jar) as client:
            assert int(client.get(served.url(path)).status) == status


# Caches.


def test_validators(served: Served, client: Client) -> None:
    answer = client.get(served.url("/cache"))
    assert answer.headers.contains("ETag")
    assert answer.headers.contains("Last-Modified")
    for name in ("If-None-Match", "If-Modified-Since"):
        assert int(ask(client, served.url("/cache"), fields={name: "anything"}).status) == 304
    for name, value, status in (
        ("If-None-Match", '"a"', 304),
        ("If-None-Match", '"b", W/"a"', 304),
        ("If-None-Match", '"b"', 200),
        ("If-None-Match", "*", 304),
        ("If-Match", '"b"', 412),
        ("If-Match", '"a"', 200),
    ):
        answer = ask(client, served.url("/etag/a"), fields={name: value})
        assert (int(answer.status), answer.headers.get_first("ETag")) == (status, '"a"')
    answer = client.get(served.url("/cache/60"))
    assert answer.headers.get_first("Cache-Control") == "public, max-age=60"


# Content.


def test_octets(served: Served, client: Client) -> None:
    one = client.get(served.url("/bytes/1000?seed=7")).body
    assert one == client.get(served.url("/stream-bytes/1000?seed=7&chunk_size=13")).body
    assert len(one or b"") == 1000
    assert one != client.get(served.url("/bytes/1000")).body
    assert len(client.get(served.url("/bytes/99999999")).body or b"") == 100 << 10


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        (None, 200, b"abcdefghijklmnopqrstuvwxyzabcd"),
        ("bytes=0-2", 206, b"abc"),
        ("bytes=28-", 206, b"cd"),
        ("bytes=-1", 206, b"d"),
        ("bytes=30-", 416, b""),
        ("lines=1-2", 200, b"abcdefghijklmnopqrstuvwxyzabcd"),
    ],
)
def test_ranges(wanted: str | None, status: int, body: bytes, served: Served, client: Client) -> None:
    fields = {} if wanted is None else {"Range": wanted}
    answer = ask(client, served.url("/range/30"), fields=fields)
    assert (int(answer.status), answer.body or b"") == (status, body)
    assert answer.headers.get_first("ETag") == '"range30"'


def test_several_ranges(served: Served, client: Client) -> None:
    answer = ask(client, served.url("/range/30"), fields={"Range": "bytes=0-1, 10-11"})
    assert answer.headers.get_first("Content-Type").startswith("multipart/byteranges")
    assert b"Content-Range: bytes 10-11/30\r\n\r\nkl\r\n" in answer.body
    other = {"Range": "bytes=0-1", "If-Range": '"other"'}
    assert int(ask(client, served.url("/range/30"), fields=other).status) == 200
    assert int(client.get(served.url("/range/0")).status) == 404


def test_response_headers(served: Served, client: Client) -> None:
    answer = client.get(served.url("/response-headers?X-A=1&X-A=2&Set-Cookie=a%3D1&Content-Length=1"))
    assert answer.headers.get_all("X-A") == ("1", "2")
    assert json.loads(answer.body or b"") == {
        "Content-Length": str(len(answer.body or b"")),
        "Content-Type": "application/json",
        "Set-Cookie": "a=1",
        "X-A": ["1", "2"],
    }


def test_pictures(served: Served, client: Client) -> None:
    for accept, content_type in (
        ("image/webp", "image/webp"),
        ("image/svg+xml", "image/svg+xml"),
        ("image/jpeg", "image/jpeg"),
        ("image/*", "image/png"),
        ("*/*", "image/png"),
    ):
        answer = ask(client, served.url("/image"), fields={"Accept": accept})
        assert answer.headers.get_first("Content-Type") == content_type
    assert int(ask(client, served.url("/image"), fields={"Accept": "text/html"}).status) == 406
    assert int(client.get(served.url("/image/gif")).status) == 404


@pytest.mark.once
def test_a_picture_has_its_pixels() -> None:
    data = images.png()
    at = data.index(b"IDAT")
    pixels = zlib.decompress(data[at + 4 : data.index(b"IEND") - 8])
    assert len(pixels) == images.SIZE * (1 + 3 * images.SIZE)
    assert images.webp()[8:16] == b"WEBPVP8L"
    assert images.jpeg()[-2:] == b"\xff\xd9"


@pytest.mark.parametrize("path", ["/gzip", "/deflate", "/brotli", "/zstd", "/coding/gzip,br,zstd"])
def test_codings(path: str, served: Served, client: Client) -> None:
    assert shown(client, served.url(path))["method"] == "GET"


def test_a_coding_by_accept_encoding(served: Served, client: Client) -> None:
    for accept, coding in (("gzip", "gzip"), ("br;q=0.5, gzip;q=0.4", "br"), ("identity", None)):
        answer = ask(client, served.url("/negotiated"), fields={"Accept-Encoding": accept})
        assert json.loads(answer.body)["coding"] == (coding or "identity")
    answer = ask(client, served.url("/negotiated"), fields={"Accept-Encoding": "identity;q=0, *;q=0"})
    assert int(answer.status) == 406


# Streams.


def test_chunks(served: Served, client: Client) -> None:
    from netkit.http.inspector.endpoints.streams import TEXT

    assert client.get(served.url("/chunked")).body == TEXT


def test_trailers(served: Served, client: Client) -> None:
    answer = client.get(served.url("/trailers?count=2"))
    trailers = answer.trailers
    assert trailers.get_first("X-Checksum") == sha256(answer.body or b"").hexdigest()
    assert trailers.get_first("X-Trailer-1") == "value"


@pytest.mark.parametrize("line", ["lf", "cr", "crlf"])
def test_events(line: str, served: Served, client: Client) -> None:
    url = served.url(f"/sse?count=2&pause=0&retry=1500&line={line}")
    answer = ask(client, url, fields={"Last-Event-ID": "4"})
    parser = EventStreamParser()
    events = parser.feed(answer.body)
    assert [(each.id, each.event, each.data) for each in events] == [
        ("5", "count", "5\nand a second line"),
        ("6", "count", "6\nand a second line"),
    ]
    assert parser.retry == 1.5


@pytest.mark.once
def test_interim_responses(served: Served) -> None:
    made = served.curl("/early-hints", "-i")
    assert made.body.count(b"HTTP/1.1 103 ") == 1
    assert made.body.count(b"rel=preload") == 2
    assert served.curl("/interim?count=3&status=110", "-i").body.count(b"HTTP/1.1 110") == 3


@pytest.mark.once
def test_an_expectation_that_is_refused(served: Served) -> None:
    made = served.curl("/continue", "-H", "Expect: 100-continue", "-d", "a" * 2000, "-o", "/dev/null")
    assert made.status == 417
    assert served.curl("/continue", "-H", "Expect:", "-d", "abc").status == 200
    made = served.curl("/continue-late?seconds=0.1", "-H", "Expect: 100-continue", "-d", "abc", "-i")
    assert made.body.startswith(b"HTTP/1.1 100 Continue")


def test_time_is_limited(served: Served, client: Client) -> None:
    answer = client.get(served.url("/drip?numbytes=20000&duration=0.02&code=201&delay=0.01"))
    assert (int(answer.status), answer.body) == (201, b"*" * 20_000)


@pytest.mark.once
def test_a_bomb_is_small(served: Served) -> None:
    made = served.curl("/bomb/gzip?size=1000000")
    assert len(made.body) < 5000
    assert gzip.decompress(made.body) == bytes(1_000_000)
    limited = served.curl("/bomb/gzip?size=99999999999")
    assert len(gzip.decompress(limited.body)) == 4 << 20
    assert served.curl("/bomb/rot13").status == 404


def test_text_that_is_none(served: Served, client: Client) -> None:
    for name in ("charset", "charset-unknown", "charset-codec", "charset-bom"):
        answer = client.get(served.url(f"/wrong/{name}"))
        with pytest.raises(HttpError.BodyEncoding):
            _ = answer.body_text
