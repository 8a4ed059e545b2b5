"""The inspecting endpoints beside httpbin: the same requests to both, and the same answers.

Where they differ, a row of `DIFFERENT` says how and why. Names of hosts and tokens are made alike first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from netkit.http.bodies.codings import BodyDecoder
from tests.http.inspector.conftest import Served, serving
from tests.interop.http_servers import HttpPeers

pytestmark = [pytest.mark.once, pytest.mark.timeout(120)]

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
PARTS = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n2\r\n'
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nfile\r\n"
    b'--b\r\nContent-Disposition: form-data; name="g"; filename="y.bin"\r\n'
    b"Content-Type: image/x-y\r\n\r\n\xff\x00\r\n--b--\r\n"
)


class Ask(NamedTuple):
    """A request to both."""

    path: str
    method: str = "GET"
    fields: Mapping[str, str] = MappingProxyType({})
    body: bytes | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path} {dict(self.fields)} {(self.body or b'')[:20]!r}"


ASKED = [
    *(
        Ask(path)
        for path in (
            *(
                "/get",
                "/get?a=1&a=2&b=x%20y&c=",
                "/headers",
                "/ip",
                "/user-agent",
                "/uuid",
                "/json",
                "/robots.txt",
            ),
            *(
                "/anything",
                "/anything/x/y?a=b",
                "/get?show_env=1",
                "/cache/60",
                "/gzip",
                "/deflate",
                "/brotli",
            ),
            *("/status/200", "/status/204", "/status/301", "/status/302", "/status/304", "/status/401"),
            *("/status/404", "/status/406", "/status/407", "/status/418", "/status/500", "/status/503"),
            *("/status/200:1,404:0", "/status/x", "/status/x,1"),
            *("/redirect/1", "/redirect/3", "/redirect/2?absolute=true", "/relative-redirect/1"),
            *("/relative-redirect/3", "/absolute-redirect/1", "/absolute-redirect/2"),
            *("/redirect-to?url=/get", "/redirect-to?url=http://a.example/%3Fb&status_code=307"),
            *("/redirect-to?url=x&status_code=200",),
            *("/cookies", "/cookies/set?a=1&b=2", "/cookies/set/a/1", "/cookies/delete?a=&b="),
            *("/basic-auth/u/p", "/hidden-basic-auth/u/p", "/bearer", "/digest-auth/auth/u/p"),
            *(
                "/digest-auth/auth/u/p/SHA-256",
                "/digest-auth/x/u/p/MD5/3",
                "/digest-auth/auth/u/p?require-cookie=1",
            ),
            *("/delay/0", "/drip?duration=0&numbytes=5&code=201", "/drip?numbytes=0", "/base64/aGVsbG8="),
            *("/base64/!", "/cache", "/etag/a", "/bytes/100?seed=3", "/stream-bytes/100?seed=3&chunk_size=7"),
            *(
                "/range/26",
                "/range/0",
                "/links/3/1",
                "/links/3",
                "/stream/3",
                "/image/png",
                "/image/gif",
                "/no/such",
            ),
            *(
                "/response-headers?A=1&B=2&A=3",
                "/response-headers",
                "/encoding/utf8",
                "/html",
                "/xml",
                "/deny",
            ),
        )
    ),
    *(
        Ask(f"/{method.lower()}", method, fields, body)
        for method in ("POST", "PUT", "PATCH", "DELETE")
        for fields, body in (
            ({}, b""),
            ({"Content-Type": "application/json"}, b'{"a": [1, "x"]}'),
            ({"Content-Type": "text/plain"}, "\u00fc".encode()),
            ({}, b"\xff\x00"),
            (FORM, b"a=1&b=%C3%BC+x&a=2&c="),
            (MULTIPART, PARTS),
        )
    ),
    *(Ask("/anything/z", method) for method in ("POST", "PUT", "PATCH", "DELETE")),
    Ask("/get", "POST"),
    Ask("/post", "GET"),
    Ask("/get", "OPTIONS"),
    Ask("/get", "OPTIONS", {"Origin": "http://localhost", "Access-Control-Request-Headers": "X-A"}),
    Ask("/get", "HEAD"),
    Ask("/get", fields={"Origin": "http://localhost"}),
    Ask("/get", fields={"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "Via": "a"}),
    Ask("/get?show_env=1", fields={"X-Forwarded-For": "192.0.2.1", "Via": "a"}),
    Ask("/headers", fields={"x-lower": "a", "X-UPPER": "b"}),
    Ask("/cookies", fields={"Cookie": 'a=1; b="two"; c=x=y'}),
    Ask("/basic-auth/u/p", fields={"Authorization": "Basic dTpw"}),
    Ask("/basic-auth/u/p", fields={"Authorization": "Basic dTpx"}),
    Ask("/hidden-basic-auth/u/p", fields={"Authorization": "Basic dTpw"}),
    Ask("/bearer", fields={"Authorization": "Bearer abc"}),
    Ask("/cache", fields={"If-None-Match": "x"}),
    Ask("/cache", fields={"If-Modified-Since": "x"}),
    Ask("/etag/a", fields={"If-None-Match": '"a"'}),
    Ask("/etag/a", fields={"If-None-Match": '"b", *'}),
    Ask("/etag/a", fields={"If-Match": '"b"'}),
    Ask("/etag/a", fields={"If-Match": '"a"'}),
    Ask("/range/26", fields={"Range": "bytes=1-3"}),
    Ask("/range/26", fields={"Range": "bytes=20-"}),
    Ask("/range/26", fields={"Range": "bytes=-3"}),
    Ask("/range/26", fields={"Range": "bytes=26-"}),
    *(
        Ask("/image", fields={"Accept": each})
        for each in ("image/png", "image/webp", "image/svg+xml", "image/*")
    ),
    *(Ask("/image", fields={"Accept": each}) for each in ("image/jpeg", "text/html", "*/*")),
    Ask("/redirect-to?url=/get&status_code=308", "POST", FORM, b"a=1"),
]

#: Fields that both send alike, where a row does not say otherwise.
FIELDS = (
    "Content-Type",
    "Location",
    "WWW-Authenticate",
    "Proxy-Authenticate",
    "Set-Cookie",
    "ETag",
    "Cache-Control",
    "Content-Range",
    "Accept-Ranges",
    "Content-Encoding",
    "Allow",
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
    "Access-Control-Max-Age",
)

#: What differs on purpose: which requests, what of the answers, and why.
DIFFERENT: tuple[tuple[str, str, str], ...] = (
    (r"GET /(html|xml|encoding/utf8|deny|links/3/1|status/418) ", "body", "texts of our own"),
    (r"GET /image", "body", "pictures of our own"),
    (r"GET /(status/x|drip\?numbytes=0|range/0)", "body", "words of our own"),
    (r"GET /(redirect|relative-redirect|absolute-redirect|cookies/|links/3 )", "body", "a line, not a page"),
    (r"GET /(redirect|relative-redirect|absolute-redirect|cookies/|links/3 )", "Content-Type", "the same"),
    (r"POST /redirect-to", "body Content-Type", "a line, not a page"),
    (r"GET /(no/such|image/gif|post) |POST /get ", "body Content-Type", "words of our own"),
    (r"GET /base64/", "Content-Type", "plain text: as HTML it could run what is encoded"),
    (r"GET /(cache |etag/|range/)", "ETag", "an entity tag has quotes (RFC 9110 section 8.8.3)"),
    (r"GET /range/26 \{\}", "Content-Range", "it has no meaning in a 200 (RFC 9110 section 14.4)"),
    (r"GET /digest-auth", "WWW-Authenticate", "a realm of our own"),
    (r"GET /image .*\*/\*", "status Content-Type", "*/* takes a PNG (RFC 9110 section 12.5.1)"),
    (r"GET /(status/(204|304|418)|bearer|digest-auth|cache|etag)", "Content-Type", "no type of no body"),
    (r"OPTIONS|GET /range/26 .*26-", "Content-Type", "no type of no body"),
    (r"GET /cookies/delete", "Set-Cookie", "attributes in another order"),
)


class Answer(NamedTuple):
    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return sorted(value for each, value in self.fields if each.lower() == name.lower())


def ask(port: int, asked: Ask) -> Answer:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(asked.method, asked.path, asked.body, {"User-Agent": "test", **asked.fields})
    response = connection.getresponse()
    answer = Answer(response.status, response.getheaders(), response.read())
    connection.close()
    return answer


def alike(text: str, port: int) -> str:
    """Without what differs from request to request."""
    text = text.replace(f"127.0.0.1:{port}", "HOST").replace(f"localhost:{port}", "HOST")
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID", text)
    return re.sub(r"^[0-9a-f]{32}$|(?<=\")[0-9a-f]{32}(?=\")", "TOKEN", text)


def content(answer: Answer, port: int) -> Any:
    """The body, as data where it is JSON, without its coding."""
    body = answer.body
    for coding in answer.all("Content-Encoding"):
        body = b"".join(BodyDecoder(coding, max_size=100_000).pieces(body))
    text = alike(body.decode("latin-1"), port)
    if answer.all("Content-Type") != ["application/json"]:
        return text
    try:
        return json.loads(text)
    except ValueError:  # /stream
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def ours() -> Iterator[Served]:
    with serving() as served:
        yield served


def methods(answer: Answer) -> list[list[str]]:
    return [sorted(value.split(", ")) for value in answer.all("Allow")]


def differences(asked: Ask, port: int, other: int) -> set[str]:
    """What differs of the answers of both. Methods are a set: a process of httpbin has its own order."""
    mine, theirs = ask(port, asked), ask(other, asked)
    found = {
        name
        for name in FIELDS
        if [alike(value, port) for value in mine.all(name)]
        != [alike(value, other) for value in theirs.all(name)]
    }
    if methods(mine) == methods(theirs):
        found.discard("Allow")
    if mine.status != theirs.status:
        found.add("status")
    if content(mine, port) != content(theirs, other):
        found.add("body")
    return found


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_both_answer_alike(asked: Ask, ours: Served, http_peers: HttpPeers) -> None:
    named = {
        part for pattern, parts, _ in DIFFERENT if re.match(pattern, str(asked)) for part in parts.split()
    }
    assert differences(asked, ours.port, http_peers.port("httpbin", "plain")) <= named


@pytest.mark.parametrize("row", DIFFERENT, ids=lambda row: f"{row[0]} {row[1]}")
def test_what_is_said_to_differ_does(row: tuple[str, str, str], ours: Served, http_peers: HttpPeers) -> None:
    pattern, parts, _ = row
    found = set()
    for asked in ASKED:
        if re.match(pattern, str(asked)):
            found |= differences(asked, ours.port, http_peers.port("httpbin", "plain"))
    assert set(parts.split()) <= found
