"""Methods, status codes, versions, messages, settings, errors: what they hold, refuse and survive."""

from __future__ import annotations

import copy
import http
import pickle
import subprocess
import sys

import pytest
from hypothesis import given, strategies as st

import netkit.http
from netkit._value import assign
from netkit.errors import NetkitError
from netkit.http import (
    ClientConfig,
    Cookie,
    Headers,
    HttpClient,
    HttpError,
    HttpHandler,
    Method,
    PoolConfig,
    Request,
    Response,
    SameSite,
    StatusCode,
    Url,
    Version,
)
from netkit.http.message import charset_of, decode_body
from netkit.http.types import REASON_PHRASES

pytestmark = pytest.mark.once

VALUES = [
    Method.Get,
    Method("BREW"),
    StatusCode(404),
    StatusCode(799),
    Version.Http2,
    Url.parse("https://u:p@example.com:443/a?b#c"),
    Cookie("a", "b", path="/", secure=True, same_site=SameSite.None_),
    Cookie.parse("not a token=a b; Path=/x"),
    Request("POST", "/", headers=[("A", "1"), ("a", "2")], body=b"x"),
    Response(204, Version.Http10),
    ClientConfig(default_headers={"A": "1"}),
    PoolConfig(max_connections=3, idle_timeout=0),
    Headers([("A", "1"), ("B", "2"), ("a", "3")]).frozen(),
]

ERRORS = [
    HttpError.ConnectionError("refused", errno=111, hint="h"),
    HttpError.InvalidUri("it has no host", "http://", fault="peer"),
    HttpError.InvalidRequest("no Host"),
    HttpError.InvalidResponse("two lengths"),
    HttpError.InvalidValue("header X", "NUL cannot stand in a value", offset=3, limit=9),
    HttpError.Timeout(5.0, "connecting"),
    HttpError.DnsResolution("no such host", "nowhere.test", errno=5),
    HttpError.TlsError("expired"),
    HttpError.BodyTooLarge(10, 11),
    HttpError.BodyEncoding("it is not utf-8", "utf-8", offset=4),
    HttpError.Other("odd"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_survives_copying(value):
    for other in (
        *(pickle.loads(pickle.dumps(value, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)),
        copy.copy(value),
        copy.deepcopy(value),
    ):
        assert type(other) is type(value)
        assert other == value
        assert hash(other) == hash(value)
        assert repr(other) == repr(value)
    assert value != object()


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_never_changes(value):
    for field in ("name", "body", "path", "timeout", "max_connections"):
        if hasattr(type(value), field):
            with pytest.raises((AttributeError, TypeError)):
                setattr(value, field, None)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.kind)
def test_an_error(error):
    assert isinstance(error, HttpError)
    assert isinstance(error, NetkitError)
    assert error.layer == "http"
    assert getattr(HttpError, type(error).__name__) is type(error)
    assert str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.hint, again.fault) == (
        *(type(error), str(error)),
        *(error.hint, error.fault),
    )
    assert again.__dict__ == error.__dict__
    assert getattr(again, "errno", None) == getattr(error, "errno", None)


def test_errors_are_what_the_built_ins_mean():
    assert issubclass(HttpError.ConnectionError, ConnectionError)
    assert issubclass(HttpError.Timeout, TimeoutError)
    for kind in (HttpError.DnsResolution, HttpError.TlsError):
        assert issubclass(kind, OSError)
    for wrong in (HttpError.InvalidUri, HttpError.InvalidRequest, HttpError.InvalidValue):
        assert issubclass(wrong, ValueError)
    assert HttpError.ConnectionError("refused", errno=111).errno == 111


def test_every_word_of_an_error_is_there():
    assert str(HttpError.Timeout(1.5, "connecting")) == "timed out after 1.5 s while connecting"
    assert str(HttpError.Timeout()) == "timed out"
    assert str(HttpError.BodyTooLarge(10)) == "the body is larger than the limit of 10 octets"
    assert str(HttpError.BodyTooLarge(10, 11)).startswith("the body is 11 octets, more than")
    assert "\x1b" not in str(HttpError.InvalidUri("no", "\x1b[31m"))
    assert len(str(HttpError.InvalidUri("no", "x" * 10000))) < 150


# Methods


@pytest.mark.parametrize(
    ("method", "safe", "idempotent", "body"),
    [  # RFC 9110 section 9.2, 9.3 and RFC 5789
        ("GET", True, True, False),
        ("HEAD", True, True, False),
        ("POST", False, False, True),
        ("PUT", False, True, True),
        ("DELETE", False, True, False),
        ("CONNECT", False, False, False),
        ("OPTIONS", True, True, False),
        ("TRACE", True, True, False),
        ("PATCH", False, False, True),
        ("PROPFIND", True, True, True),
        ("LOCK", False, False, True),
        ("BREW", False, False, False),
    ],
)
def test_what_a_method_is(method, safe, idempotent, body):
    found = Method(method)
    assert (found.is_safe, found.is_idempotent, found.has_body) == (safe, idempotent, body)
    assert found == method == found.as_str == str(found)
    assert type(found.as_str) is str
    assert found.is_registered == (method != "BREW")
    assert (Method.from_str(method) is not None) == found.is_registered


def test_methods_are_case_sensitive():
    assert Method("get") != Method.Get
    assert Method.from_str("get") is None
    assert not Method("get").is_safe
    assert Method("GET") is Method.Get


@pytest.mark.parametrize(
    ("text", "offset"), [("", None), ("GET /", 3), ("G\r\nX", 1), ("GÉT", 1), ("\0", 0), ("a:b", 1)]
)
def test_what_is_no_method(text, offset):
    with pytest.raises(HttpError.InvalidValue) as caught:
        Method(text)
    assert caught.value.offset == offset


def test_a_method_is_text():
    with pytest.raises(TypeError):
        Method(b"GET")


def test_a_method_has_a_longest():
    assert Method("A" * 64)
    with pytest.raises(HttpError.InvalidValue) as caught:
        Method("A" * 65)
    assert caught.value.limit == 64


# Status codes


def test_the_registry_is_what_python_knows_of_it_and_more():
    renamed = {413, 414, 416, 422}  # RFC 9110 gave these other phrases
    for status in http.HTTPStatus:
        if status not in (418, *renamed):
            assert StatusCode(status.value).reason_phrase.lower() == status.phrase.lower()
            assert getattr(StatusCode, status.name) == status
    assert [StatusCode(code).reason_phrase for code in sorted(renamed)] == [
        "Content Too Large",
        "URI Too Long",
        "Range Not Satisfiable",
        "Unprocessable Content",
    ]
    assert len(REASON_PHRASES) == 62


@pytest.mark.parametrize("code", range(100, 1000))
def test_a_code_is_of_one_class(code):
    status = StatusCode(code)
    kinds = (
        *(status.is_informational, status.is_success, status.is_redirection),
        *(status.is_client_error, status.is_server_error),
    )
    assert kinds.index(True) == min(code // 100, 5) - 1
    assert kinds.count(True) == 1
    assert status == code == status.code
    assert type(status.code) is int
    assert StatusCode.parse(str(code)) == status
    assert status.is_registered == bool(status.reason_phrase)


@pytest.mark.parametrize("text", ["", "20", "2000", "٢٠٠", " 20", "+20", "2e2", "0x1", "099", "²00", "2_0"])
def test_what_is_no_code(text):
    with pytest.raises(HttpError.InvalidValue):
        StatusCode.parse(text)


@pytest.mark.parametrize("code", [0, -200, 99, 1000, 10**30])
def test_what_number_is_no_code(code):
    with pytest.raises(HttpError.InvalidValue):
        StatusCode(code)
    with pytest.raises(TypeError):
        StatusCode("200")
    with pytest.raises(TypeError):
        StatusCode(True)


def test_codes_by_name():
    made = [
        *(StatusCode.ok(), StatusCode.created(), StatusCode.no_content(), StatusCode.bad_request()),
        *(StatusCode.unauthorized(), StatusCode.forbidden(), StatusCode.not_found()),
        StatusCode.internal_server_error(),
    ]
    assert made == [200, 201, 204, 400, 401, 403, 404, 500]
    assert all(isinstance(status, StatusCode) for status in made)
    assert (f"{StatusCode(404)}", f"{StatusCode(404):d}", str(StatusCode(299))) == (
        "404 Not Found",
        "404",
        "299",
    )
    assert not any(StatusCode(code).allows_body for code in (100, 204, 304))
    assert StatusCode(200).allows_body


# Versions


def test_versions():
    versions = [Version.Http10, Version.Http11, Version.Http2, Version.Http3]
    assert sorted([versions[at] for at in (2, 0, 3, 1)]) == versions
    assert [str(version) for version in versions] == ["HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3"]
    for version in versions:
        for text in (version.as_str, version.alpn, f"HTTP/{version.major}.{version.minor}"):
            assert Version.parse(text) is version
        assert Version(version.major, version.minor) is version
    assert Version.Http10 <= Version.Http10 >= Version.Http10
    assert Version.Http3 > Version.Http2


@pytest.mark.parametrize("text", ["", "http/2", "HTTP/1", "HTTP/1.2", "HTTP/0.9", "HTTP/1.1 ", "HTTP/01.1"])
def test_what_is_no_version(text):
    with pytest.raises(HttpError.InvalidValue):
        Version.parse(text)


# Messages


def test_a_request():
    request = Request(Method.Get, "/x?y", headers={"Host": "example.com"})
    assert (request.method, request.uri, request.version) == ("GET", "/x?y", Version.Http11)
    assert request.body is None is request.body_text
    changed = request.replace(method="POST", body=bytearray(b"abc"))
    assert (changed.method, changed.body, changed.headers) == (Method.Post, b"abc", request.headers)
    assert request.method is Method.Get
    with pytest.raises(TypeError):
        request.replace(nothing=1)
    match changed:
        case Request(method="POST", body=body):
            assert body == b"abc"
        case _:
            pytest.fail("no match")


def test_a_message_keeps_its_own_headers():
    headers = Headers({"A": "1"})
    response = Response(200, headers=headers)
    headers.insert("A", "2")
    assert response.headers.get_first("a") == "1"
    with pytest.raises(TypeError, match="frozen"):
        response.headers.append("A", "2")


@pytest.mark.parametrize("uri", ["", "/a b", "/a\r\nX: y", "/\0", "/é", "/\x7f", "\t/", "/\ud800"])
def test_what_is_no_target(uri):
    with pytest.raises(HttpError.InvalidUri):
        Request("GET", uri)


@given(st.text())
def test_no_target_breaks_the_request_line(uri):
    try:
        request = Request("GET", uri)
    except HttpError.InvalidUri:
        return
    assert f"GET {request.uri} HTTP/1.1".split() == ["GET", uri, "HTTP/1.1"]


def test_a_request_for_a_url():
    url = Url.parse("https://user:secret@example.com/a#b")
    request = Request("GET", url)
    assert request.uri == "https://user:secret@example.com/a"
    assert "secret" not in repr(request)
    assert request.url == url.replace(fragment=None)
    assert Request("GET", "/a").url is None
    assert Request("OPTIONS", "*").url is None


def test_a_body_is_octets():
    with pytest.raises(TypeError):
        Request("POST", "/", body="text")
    with pytest.raises(TypeError):
        Request("POST", "/", body=3)
    assert Response(200, body=memoryview(b"abc")[1:]).body == b"bc"
    assert hash(Response(200, body=b"a")) != hash(Response(200, body=b"b"))


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("text/html", None),
        ("text/html; charset=utf-8", "utf-8"),
        ('text/html; Charset="UTF-8"', "utf-8"),
        ('text/html;charset="ut\\f-8"; x=y', "utf-8"),
        ('text/html; a="; charset=x"; charset=latin1', "latin1"),
        ("text/html; a; charset=latin1", "latin1"),
        ("text/html; charset", None),
        ("text/html; charset=", None),
        ('text/html; charset="utf-8', "utf-8"),
        ("text/html;;;charset=a", "a"),
        ("charset=a", None),
    ],
)
def test_the_charset_of_a_type(content_type, charset):
    assert charset_of(content_type) == charset


@given(st.text(alphabet='; =,"\\acharset', max_size=60))
def test_no_type_is_too_odd_for_a_charset(content_type):
    found = charset_of(content_type)
    assert found is None or found == found.lower()


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b"caf\xc3\xa9", None, "café"),
        (b"\xef\xbb\xbfx", "text/plain", "x"),
        (b"\xe9", "text/plain; charset=iso-8859-1", "é"),
        (b"\x82\xa0", "text/plain; charset=Shift_JIS", "あ"),
        (b"", None, ""),
    ],
)
def test_a_body_as_text(body, content_type, text):
    headers = {} if content_type is None else {"Content-Type": content_type}
    assert Response(200, headers=headers, body=body).body_text == text


@pytest.mark.parametrize(
    "charset",
    [
        *(
            "nothing",
            "hex",
            "zlib",
            "rot13",
            "base64",
            "idna",
            "punycode",
            "unicode_escape",
            "unicode-escape",
        ),
        *("raw_unicode_escape", "UTF-7", "undefined", "utf-8\0", "../x", "é", "a" * 99),
    ],
)
def test_what_is_no_charset(charset):
    with pytest.raises(HttpError.BodyEncoding) as caught:
        decode_body(b"abc", charset)
    assert caught.value.encoding == charset


def test_a_body_that_is_no_text():
    with pytest.raises(HttpError.BodyEncoding) as caught:
        _ = Response(200, body=b"ab\xff").body_text
    assert caught.value.offset == 2
    with pytest.raises(HttpError.BodyEncoding) as caught:
        _ = Response(200, headers={"Content-Encoding": "gzip"}, body=b"\x1f\x8b").body_text
    assert caught.value.encoding == "gzip"
    assert Response(200, headers={"Content-Encoding": "identity"}, body=b"x").body_text == "x"


# Settings and shapes


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e9])
def test_times_that_cannot_be_meant(seconds):
    with pytest.raises(HttpError.InvalidValue) as caught:
        ClientConfig(timeout=seconds)
    assert caught.value.field == "timeout"
    with pytest.raises(HttpError.InvalidValue):
        PoolConfig(read_timeout=seconds)


def test_settings():
    config = ClientConfig(timeout=None, default_headers={"Accept": "*/*"})
    assert (config.timeout, config.max_redirects, config.follow_redirects) == (None, 10, True)
    assert config.user_agent is not None
    assert config.user_agent.startswith("netkit/")
    assert config.pool_config == PoolConfig()
    assert config.default_headers.is_frozen
    assert config.replace(pool_config=PoolConfig(1)).pool_config.max_connections == 1
    with pytest.raises(HttpError.InvalidValue):
        ClientConfig(user_agent="a\r\nb")
    for wrong in (
        {"max_redirects": -1},
        {"pool_config": PoolConfig},
        {"timeout": "5"},
        {"max_redirects": 1.5},
    ):
        with pytest.raises((TypeError, HttpError.InvalidValue)):
            ClientConfig(**wrong)
    with pytest.raises(HttpError.InvalidValue):
        PoolConfig(max_connections=0)


def test_shapes():
    class Both:
        def request(self, req, *, timeout=None, cancel=None):
            return self.handle(req)

        def handle(self, req):
            return Response(200)

    assert isinstance(Both(), HttpClient)
    assert isinstance(Both(), HttpHandler)
    assert not isinstance(object(), HttpClient)


def test_every_public_name_is_there():
    for name in netkit.http.__all__:
        assert getattr(netkit.http, name) is not None
        assert name in dir(netkit.http)
    with pytest.raises(AttributeError):
        _ = netkit.http.nothing


def _imported(code: str) -> set[str]:
    program = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_what_an_import_costs():
    heavy = {"ada_url", "asyncio", "dataclasses", "ssl", "socket", "urllib.parse", "logging", "ipaddress"}
    assert not heavy & _imported("import netkit.http")
    names = "ClientConfig, Cookie, Headers, HttpError, Request, Response, Url, HttpClient"
    assert not heavy & _imported(f"from netkit.http import {names}")
    assert "ada_url" in _imported("from netkit.http import Url; Url.parse('http://a/')")


# The quick ways


class Fetched(Response):
    """A response with fields of its own, as a client has one."""

    __slots__ = ("attempts", "url")
    __match_args__ = ("status", "version", "headers", "body", "url", "attempts")

    url: Url | None
    attempts: int

    def __init__(self, status, version=Version.Http11, headers=(), body=None, url=None, attempts=1):
        super().__init__(status, version, headers, body)
        assign(self, "url", url)
        assign(self, "attempts", attempts)


def test_a_response_that_was_received():
    headers = Headers.from_received([(b"Content-Type", b"text/html; charset=latin1")])
    response = Response.received(200, Version.Http2, headers, b"\xe9")
    assert response == Response(200, Version.Http2, {"content-type": "text/html; charset=latin1"}, b"\xe9")
    assert type(response.status) is StatusCode
    assert response.headers is headers
    assert response.body_text == "é"
    assert response.replace(status=404).status is StatusCode(404)
    assert pickle.loads(pickle.dumps(response)) == response
    for status in (0, 99, 1000):
        with pytest.raises(HttpError.InvalidValue):
            Response.received(status, Version.Http11, headers, None)


def test_a_class_of_responses_with_more_fields():
    url = Url.parse("http://a/")
    headers = Headers.from_received([(b"A", b"1")])
    received = Fetched.received(200, Version.Http11, headers, b"x", url=url, attempts=2)
    made = Fetched(200, headers={"a": "1"}, body=b"x", url=url, attempts=2)
    assert type(received) is Fetched
    assert received == made != Response(200, headers={"a": "1"}, body=b"x")
    assert hash(received) == hash(made)
    assert received != received.replace(attempts=3)
    assert received.replace(status=404) == made.replace(status=404)
    assert pickle.loads(pickle.dumps(received)) == received
    assert repr(received) == repr(made) == "<Fetched HTTP/1.1 200 OK, 1 header lines, 1 octets>"
    match received:
        case Fetched(status=StatusCode(), url=found, attempts=2):
            assert found is url
        case _:
            pytest.fail("no match")
    with pytest.raises(AttributeError):
        received.url = None
    with pytest.raises(AttributeError):
        Response.received(200, Version.Http11, headers, None, url=url)


def test_messages_without_fields_share_them():
    assert Request("GET", "/").headers is Response(200).headers
    frozen = Headers({"A": "1"}).frozen()
    assert Request("GET", "/", headers=frozen).headers is frozen


def test_a_request_of_a_url_is_of_its_text():
    url = Url.parse("http://a/b?c#d")
    assert Request(Method.Get, url).uri == "http://a/b?c"
    assert Request(Method.Get, url).url == Url.parse("http://a/b?c")
    with pytest.raises(HttpError.InvalidUri):
        Request("GET", Url.parse("data:x y"))  # a space that the Standard leaves in


@pytest.mark.parametrize("char", [*map(chr, range(0x21)), "\x7f", "\x80", "é", "\u2028", "€"])
def test_what_no_target_can_hold(char):
    for target in (char, f"/a{char}", f"{char}/"):
        with pytest.raises(HttpError.InvalidUri):
            Request("GET", target)


def test_words_that_are_known_are_the_same_object():
    assert Method("GET") is Method(b"GET".decode()) is Method.Get
    assert StatusCode(200) is StatusCode.OK is StatusCode(StatusCode(200))
    assert StatusCode(799) is StatusCode(799)
    assert Version(1, 1) is Version.Http11
    for version in (Version.Http10, Version.Http11, Version.Http2, Version.Http3):
        assert Version.parse(version.alpn) is Version.parse(version.as_str) is version
        assert Version.parse(f"HTTP/{version.major}.{version.minor}") is version
    for wrong in (True, 200.0, "200", None):
        with pytest.raises(TypeError):
            StatusCode(wrong)


def test_a_class_of_codes_has_codes_of_its_own():
    class Code(StatusCode):
        __slots__ = ()

    assert type(Code(200)) is Code
    assert type(StatusCode(200)) is StatusCode
    assert type(StatusCode(Code(598))) is StatusCode
    assert type(StatusCode(598)) is StatusCode
