"""HTTP Archives: the fields of HAR 1.2, bodies, times, and that secrets stay out."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from netkit.http.errors import HttpError
from netkit.http.har.exchanges import REDACTED, HarExchange, archive, is_text

pytestmark = pytest.mark.once

STARTED = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def entry(*, secrets: bool = False, **fields: Any) -> Any:
    """The entry of one exchange, as a reader of the file has it."""
    given = {"started": STARTED, "method": "GET", "url": "https://a.example/x", **fields}
    (made,) = json.loads(json.dumps(archive([HarExchange(**given)], secrets=secrets)))["log"]["entries"]
    return made


def test_what_every_entry_has() -> None:
    """HAR 1.2 has no optional fields but these: postData, serverIPAddress, connection, ..."""
    made = entry()
    assert set(made) == {"startedDateTime", "time", "request", "response", "cache", "timings"}
    assert set(made["request"]) == {
        *("method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize"),
    }
    assert set(made["response"]) == {
        *("status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL"),
        *("headersSize", "bodySize"),
    }
    assert set(made["timings"]) == {"blocked", "dns", "connect", "ssl", "send", "wait", "receive"}
    assert made["startedDateTime"] == "2026-03-01T12:00:00.250+00:00"
    log = archive([])["log"]
    assert (log["version"], log["creator"]["name"], log["entries"]) == ("1.2", "netkit", [])


def test_times_are_milliseconds_and_tls_is_in_connecting() -> None:
    phases = {"dns": 0.001, "connect": 0.002, "tls": 0.003, "send": 0.0005, "wait": 0.1, "receive": 0.02}
    made = entry(phases=phases)
    expected = {"blocked": -1, "dns": 1, "connect": 5, "ssl": 3, "send": 0.5, "wait": 100, "receive": 20}
    assert made["timings"] == expected
    assert made["time"] == 126.5
    reused = entry(phases={"send": 0.001, "wait": 0.002, "receive": 0.0})
    assert (reused["timings"]["connect"], reused["timings"]["ssl"], reused["time"]) == (-1, -1, 3)


def test_a_request_with_its_parts() -> None:
    made = entry(
        method="POST",
        url="https://a.example/x?q=a+b&r=%C3%A9",
        request_headers=[("Host", "a.example"), ("Content-Type", "application/x-www-form-urlencoded")],
        request_body=b"a=1&b=x+y",
        server="192.0.2.1",
        connection="3",
    )
    request = made["request"]
    assert request["queryString"] == [{"name": "q", "value": "a b"}, {"name": "r", "value": "é"}]
    assert request["postData"] == {
        "mimeType": "application/x-www-form-urlencoded",
        "params": [{"name": "a", "value": "1"}, {"name": "b", "value": "x y"}],
        "text": "a=1&b=x+y",
    }
    head = (
        b"POST /x?q=a+b&r=%C3%A9 HTTP/1.1\r\nHost: a.example\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    assert (request["headersSize"], request["bodySize"]) == (len(head), 9)
    assert (made["serverIPAddress"], made["connection"]) == ("192.0.2.1", "3")


def test_a_response_with_its_parts() -> None:
    made = entry(
        version="HTTP/1.1",
        status=200,
        reason="OK",
        headers=[("Content-Type", "application/json"), ("Set-Cookie", "a=1; Path=/x; HttpOnly")],
        body=b'{"a": 1}',
        body_size=5,
        secrets=True,
    )["response"]
    assert made["content"] == {
        "size": 8,
        "mimeType": "application/json",
        "text": '{"a": 1}',
        "compression": 3,
    }
    assert made["cookies"] == [{"name": "a", "value": "1", "path": "/x", "httpOnly": True, "secure": False}]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: a=1; Path=/x; HttpOnly\r\n\r\n"
    assert (made["headersSize"], made["bodySize"]) == (len(head), 5)


@pytest.mark.parametrize(
    ("media_type", "body", "text"),
    [
        ("text/plain; charset=iso-8859-1", b"caf\xe9", "café"),
        ("text/plain", b"caf\xe9", None),
        ("text/plain", b"a\0b", None),
        ("image/png", b"\x89PNG", None),
        ("image/svg+xml", b"<svg/>", "<svg/>"),
        ("", b"plain", "plain"),
        ("application/json", "é".encode(), "é"),
    ],
)
def test_bodies_that_are_no_text_are_base64(media_type: str, body: bytes, text: str | None) -> None:
    content = entry(status=200, headers=[("content-type", media_type)], body=body)["response"]["content"]
    if text is None:
        assert content["encoding"] == "base64"
        assert base64.b64decode(content["text"]) == body
    else:
        assert content["text"] == text
        assert "encoding" not in content
    post = entry(request_headers=[("content-type", media_type)], request_body=body)["request"]["postData"]
    assert ("_encoding" in post) is (text is None)


def test_a_body_that_was_not_kept() -> None:
    content = entry(status=200, body=None, body_size=12)["response"]["content"]
    assert content == {"size": 12, "mimeType": "", "comment": "the body was not kept"}
    assert entry(status=204)["response"]["content"] == {"size": 0, "mimeType": ""}


def test_an_exchange_without_a_response() -> None:
    response = entry(error="connection refused")["response"]
    assert (response["status"], response["_error"]) == (0, "connection refused")
    assert (response["headersSize"], response["bodySize"], response["httpVersion"]) == (-1, -1, "")


def test_secrets_stay_out_unless_asked() -> None:
    fields: dict[str, Any] = {
        "url": "https://user:S3CRET@a.example/x?token=S3CRET&b=2&Access_Token=S3CRET",
        "request_headers": [
            ("Authorization", "Basic S3CRET"),
            ("Proxy-Authorization", "Basic S3CRET"),
            ("Cookie", "sid=S3CRET; b=S3CRET"),
            ("X-Api-Key", "S3CRET"),
            ("Referer", "https://u:S3CRET@b.example/?code=S3CRET"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ],
        "request_body": b"user=u&password=S3CRET",
        "status": 302,
        "headers": [
            ("Set-Cookie", "sid=S3CRET; Secure"),
            ("Location", "/next?code=S3CRET#access_token=S3CRET"),
        ],
    }
    made = json.dumps(entry(**fields))
    assert "S3CRET" not in made
    for kept in ("user", "b=2", "/next?code=", "sid", "Authorization", REDACTED):
        assert kept in made
    assert json.dumps(entry(**fields, secrets=True)).count("S3CRET") >= 14


def test_a_moment_needs_its_zone() -> None:
    with pytest.raises(HttpError.InvalidValue, match="started"):
        HarExchange(datetime(2026, 3, 1), "GET", "https://a.example/")  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("text/html", True),
        ("application/vnd.api+json", True),
        ("application/xml", True),
        ("application/x-www-form-urlencoded", True),
        ("application/octet-stream", False),
        ("video/mp4", False),
        ("", False),
    ],
)
def test_which_media_types_are_text(media_type: str, expected: bool) -> None:
    assert is_text(media_type) is expected
