"""The endpoints over HTTP/2: the same, and faults of its own."""

from __future__ import annotations

import json

import pytest

from netkit.errors import NetkitError
from netkit.http import Client, Request
from netkit.http.connection.errors import ErrorCode, StreamFault
from tests.http.inspector.conftest import Served


@pytest.mark.parametrize(
    "path",
    [
        "/get?a=1",
        "/trailers",
        "/early-hints",
        "/stream/3",
        "/range/100",
        "/gzip",
        "/drip?numbytes=3&duration=0",
    ],
)
def test_endpoints_over_http_2(path: str, served: Served, client: Client, client_2: Client) -> None:
    one, two = client.get(served.url(path)), client_2.get(served.url(path))
    assert (one.version.name, two.version.name) == ("Http11", "Http2")
    assert int(one.status) == int(two.status) == 200
    assert one.body == two.body
    assert one.trailers == two.trailers


def test_faults_of_http_1_1_are_answered_with_words(served: Served, client_2: Client) -> None:
    for path in ("/wrong/fold", "/close", "/flood/head", "/chunked"):
        answer = client_2.get(served.url(path))
        assert int(answer.status) == 501
        assert b"HTTP/1.1" in (answer.body or b"")


def test_the_wire_of_http_2(served: Served, client_2: Client) -> None:
    request = Request("POST", served.url("/wire"), headers={"X-A": "b"})
    found = json.loads(client_2.request(request, body=b"abc").body or b"")
    assert (found["version"], found["method"], found["target"]) == ("HTTP/2", "POST", "/wire")
    assert found["authority"] == f"127.0.0.1:{served.port}"
    assert ["x-a", "b"] in found["fields"]
    assert "head" not in found


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/refused-stream", ErrorCode.REFUSED_STREAM),
        ("/http-1.1-required", ErrorCode.HTTP_1_1_REQUIRED),
        ("/stream-reset", ErrorCode.INTERNAL_ERROR),
        ("/stream-reset?code=8", ErrorCode.CANCEL),
    ],
)
def test_streams_that_are_reset(path: str, code: ErrorCode, served: Served, client_2: Client) -> None:
    with pytest.raises(NetkitError) as caught:
        client_2.get(served.url(path))
    assert isinstance(caught.value, StreamFault)
    assert caught.value.code == code
    # The connection is as good as before.
    assert int(client_2.get(served.url("/get")).status) == 200


def test_goaway(served: Served, client_2: Client) -> None:
    connections = [
        json.loads(client_2.get(served.url(path)).body or b"").get("connection", {}).get("number")
        for path in ("/wire", "/wire", "/goaway", "/wire")
    ]
    assert connections[0] == connections[1] != connections[3]


@pytest.mark.once
def test_what_curl_makes_of_them(served: Served) -> None:
    ask = ("--http2-prior-knowledge", "-o", "/dev/null")
    assert served.curl("/get", *ask).status == 200
    assert served.curl("/stream-reset", *ask).code == 92
    assert served.curl("/refused-stream", *ask).code in (56, 92)
    assert served.curl("/goaway", *ask, then="/get").code == 0
