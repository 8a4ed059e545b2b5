"""The client of HTTP/1.1 without I/O: what it sends, what it makes of responses, when it is used again."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings, strategies as st

from netkit.http import HttpError, Lenient
from netkit.http.connection.errors import ConnectionFault, ErrorCode, IncompleteMessage
from netkit.http.connection.events import (
    UNLIMITED,
    Broken,
    Data,
    End,
    FieldBlock,
    RequestHead,
    ResponseHead,
    Upgraded,
)
from netkit.http.connection.h1 import H1Client
from netkit.http.connection.limits import ConnectionLimits
from netkit.http.parser.errors import ParseError
from tests.http.connection.dialogues import WAYS, asked, cut, described, fed, get, kinds, pieces
from tests.http.mutation import RESPONSES, edited, edits

pytestmark = pytest.mark.usefixtures("parsers")

EXAMPLES = int(os.environ.get("NETKIT_EXAMPLES", "300"))

OK = b"HTTP/1.1 200 OK\r\n"


class Response(NamedTuple):
    """A response, as it is sent, and what a client makes of it."""

    name: str
    data: bytes
    status: int = 200
    #: The octets of its body; None where its head is the end.
    body: bytes | None = None
    trailers: tuple[tuple[bytes, bytes], ...] = ()
    length: int | None = None
    #: Whether the connection may be used again.
    lasts: bool = True
    #: Whether only the end of the connection ends it.
    until_close: bool = False
    method: bytes = b"GET"
    version: tuple[int, int] = (1, 1)


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

RESPONSES_READ = [
    Response("length", OK + b"Content-Length: 5\r\n\r\nhello", body=b"hello", length=5),
    Response("length 0", OK + b"Content-Length: 0\r\n\r\n", length=0),
    Response("a body like a response", OK + b"Content-Length: 17\r\n\r\n" + OK, body=OK, length=17),
    Response("chunked", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", body=b"hello"),
    Response("empty and chunked", CHUNKED + b"0\r\n\r\n", body=b""),
    Response(
        "chunked, with trailers",
        CHUNKED + b"1;x=y\r\nh\r\n4\r\nello\r\n0\r\nA: b\r\nC:\r\n\r\n",
        body=b"hello",
        trailers=((b"A", b"b"), (b"C", b"")),
    ),
    Response("until close", OK + b"\r\nhello", body=b"hello", lasts=False, until_close=True),
    Response("until close, empty", OK + b"\r\n", body=b"", lasts=False, until_close=True),
    Response(
        "another coding",
        OK + b"Transfer-Encoding: gzip\r\n\r\nabc",
        body=b"abc",
        lasts=False,
        until_close=True,
    ),
    Response("to HEAD", OK + b"Content-Length: 5\r\n\r\n", method=b"HEAD"),
    Response("to HEAD, chunked", CHUNKED, method=b"HEAD"),
    Response("204", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
    Response("304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304),
    Response(
        "no to CONNECT", b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", 403, length=0, method=b"CONNECT"
    ),
    Response("no reason", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", length=0),
    Response("close", OK + b"Connection: Close\r\nContent-Length: 0\r\n\r\n", length=0, lasts=False),
    Response(
        "close in a list",
        OK + b"Connection: x , close\r\nContent-Length: 1\r\n\r\n!",
        body=b"!",
        length=1,
        lasts=False,
    ),
    Response(
        "close beside keep-alive",
        OK + b"Connection: keep-alive\r\nconnection: close\r\nContent-Length: 0\r\n\r\n",
        length=0,
        lasts=False,
    ),
    Response("keep-alive", OK + b"Connection: keep-alive\r\nContent-Length: 0\r\n\r\n", length=0),
    Response("another option", OK + b"Connection: closed\r\nContent-Length: 0\r\n\r\n", length=0),
    Response("1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", length=0, lasts=False, version=(1, 0)),
    Response(
        "1.0 that lasts",
        b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\n!",
        body=b"!",
        length=1,
        version=(1, 0),
    ),
    Response(
        "1.0 until close",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n!",
        body=b"!",
        lasts=False,
        until_close=True,
        version=(1, 0),
    ),
    # RFC 9112 section 6.3: chunked overrides, and what is behind it is not trusted.
    Response(
        "framed twice",
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        body=b"",
        lasts=False,
    ),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", RESPONSES_READ, ids=lambda case: case.name)
def test_responses(case: Response, way: str) -> None:
    client = asked(get(method=case.method))
    found = fed(client, case.data, way, eof=case.until_close)
    head, *rest = found
    event = next(e for e in asked(get(method=case.method)).feed(case.data) if isinstance(e, ResponseHead))
    assert (event.end, event.status, event.stream, event.version, event.length) == (
        case.body is None,
        case.status,
        1,
        case.version,
        case.length,
    )
    assert head == described([event])[0]
    expected: list[Any] = []
    if case.body is not None:
        expected = [("Data", 1, case.body)] if case.body else []
        expected += described([End(1, list(case.trailers))])
    assert rest == expected
    assert client.can_request == case.lasts
    assert client.is_closed == (not case.lasts)
    assert not client.is_broken
    assert client.in_flight == 0
    assert client.answered


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("trailing", [b"\0", b"\r\n", OK + b"Content-Length: 0\r\n\r\n"])
@pytest.mark.parametrize(
    "case", [case for case in RESPONSES_READ if not case.until_close], ids=lambda case: case.name
)
def test_what_comes_unasked_is_no_answer(case: Response, trailing: bytes, way: str) -> None:
    client = asked(get(method=case.method))
    found = fed(client, case.data + trailing, way)
    assert found == fed(asked(get(method=case.method)), case.data)
    assert not client.can_request
    assert client.is_closed
    assert not client.is_broken
    with pytest.raises(HttpError.InvalidRequest, match="not free"):
        client.request(get(), end=True)
    assert client.take() == b""
    assert client.feed(b"more" * 100) == []
    assert client.feed_eof() == []


def test_unasked_octets_between_requests() -> None:
    client = H1Client()
    assert client.feed(b"") == []
    assert client.can_request
    assert client.feed(OK) == []
    assert not client.can_request
    assert client.is_closed


@pytest.mark.parametrize("way", WAYS)
def test_one_request_after_another(way: str) -> None:
    client = H1Client()
    for number in range(1, 5):
        assert client.request(get(), end=True) == number
        assert not client.answered
        assert client.in_flight == 1
        found = fed(client, CHUNKED + b"1\r\n%d\r\n0\r\n\r\n" % number, way)
        assert found[1:] == [("Data", number, b"%d" % number), *described([End(number, [])])]


# What is sent


REQUESTS_SENT = [
    (get(b"/p?q"), None, b"GET /p?q HTTP/1.1\r\nHost: a\r\n\r\n"),
    (get(method=b"HEAD"), None, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (get(b"*", method=b"OPTIONS"), None, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    (get(method=b"POST"), None, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
    (get(method=b"PATCH"), None, b"PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
    (get(method=b"DELETE"), None, b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (get(method=b"PUT"), 0, b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
    (get(method=b"PUT"), 5, b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    (get(), 5, b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    (
        RequestHead(b"CONNECT", b"", b"a:443"),
        None,
        b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    ),
    (
        get(fields=[(b"B", b"2"), (b"b", b"\xff")], shared=FieldBlock([(b"A", b"1")])),
        None,
        b"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nb: \xff\r\n\r\n",
    ),
    (
        get(protocol=b"websocket"),
        None,
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ),
]


@pytest.mark.parametrize(("head", "length", "octets"), REQUESTS_SENT)
def test_requests(head: RequestHead, length: int | None, octets: bytes) -> None:
    client = H1Client()
    assert not client.has_output
    stream = client.request(head, end=length is None, length=length)
    body = octets.partition(b"\r\n\r\n")[2]
    assert client.room(stream) == (UNLIMITED if body else 0)
    if length is not None:
        for at in range(len(body)):
            client.send(stream, body[at : at + 1])
        client.send(stream, b"", end=True)
    assert client.has_output
    assert client.take() == octets
    assert client.take() == b""
    assert client.room(stream) == 0


def test_a_body_without_a_length_is_chunked() -> None:
    client = H1Client()
    stream = client.request(get(method=b"POST"), end=False)
    client.send(stream, b"")
    client.send(stream, bytearray(b"hello"))
    client.send(stream, memoryview(b"0123456789abcdef"))
    client.trailers(stream, [(b"A", b"b")])
    assert client.take() == (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n"
    )
    assert kinds(client.feed(OK + b"Content-Length: 0\r\n\r\n")) == ["ResponseHead"]
    assert client.can_request


def test_trailers_of_a_body_with_a_length_are_left_out() -> None:
    client = H1Client()
    stream = client.request(get(), end=False, length=1)
    client.send(stream, b"x")
    client.trailers(stream, [(b"A", b"b")])
    assert client.take().endswith(b"Content-Length: 1\r\n\r\nx")


def test_a_body_sent_past_take() -> None:
    client = H1Client()
    stream = client.request(get(), end=False, length=10)
    with pytest.raises(ValueError, match="is to be sent before"):
        client.sent(stream, 1)
    client.take()
    client.send(stream, b"01")
    client.take()
    for size in (-1, 9):
        with pytest.raises(ValueError, match="known length"):
            client.sent(stream, size)
    client.sent(stream, 0)
    client.sent(stream, 5)
    assert client.room(stream) == UNLIMITED
    client.sent(stream, 3)
    assert client.room(stream) == 0
    with pytest.raises(ValueError, match="under way"):
        client.sent(stream, 1)
    client.send(stream, b"", end=True)  # said once more
    assert client.take() == b""


def test_a_body_that_does_not_fit_its_length() -> None:
    client = H1Client()
    stream = client.request(get(), end=False, length=3)
    client.take()
    for data, end, words in ((b"four", False, "more"), (b"tw", True, "less"), (b"", True, "less")):
        with pytest.raises(ValueError, match=f"{words} octets than announced: 3 are"):
            client.send(stream, data, end=end)
        with pytest.raises(ValueError, match=f"{words} octets than announced: 3 are"):
            client.fits(stream, len(data), end=end)
    with pytest.raises(ValueError, match="less octets than announced: 3 are"):
        client.trailers(stream, [])
    client.fits(stream, 3, end=True)
    client.fits(stream, 2)
    client.send(stream, b"all", end=True)
    assert client.take() == b"all"
    client.fits(stream, 0, end=True)
    with pytest.raises(ValueError, match="more octets than announced: 0 are"):
        client.fits(stream, 1)
    with pytest.raises(ValueError, match="on stream 2"):
        client.fits(2, 0)
    chunked = H1Client()
    chunked.request(get(), end=False)
    chunked.fits(1, 1 << 40)


def test_methods_in_wrong_states() -> None:
    client = H1Client()
    for stream in (0, 1, 2):
        assert client.room(stream) == 0
        for call in (
            lambda s=stream: client.send(s, b"x"),
            lambda s=stream: client.send(s, b"", end=True),
            lambda s=stream: client.trailers(s, []),
            lambda s=stream: client.sent(s, 0),
        ):
            with pytest.raises(ValueError, match=f"on stream {stream}"):
                call()
        client.reset(stream)
    assert client.direct == 0
    assert client.received(0) == []
    with pytest.raises(ValueError, match="1 octets"):
        client.received(1)
    assert client.rest() == b""
    assert client.can_request
    stream = client.request(get(), end=False)
    with pytest.raises(HttpError.InvalidRequest, match="not free"):
        client.request(get(), end=True)
    with pytest.raises(ValueError, match="on stream 2"):
        client.send(2, b"x")
    with pytest.raises(ValueError, match="known length"):
        client.sent(stream, 1)
    with pytest.raises(HttpError.InvalidValue):
        client.trailers(stream, [(b"A", b"\r\n")])
    client.send(stream, b"x", end=True)
    for _ in range(2):
        client.send(stream, b"", end=True)  # the end said again
        client.trailers(stream, [])
    with pytest.raises(ValueError, match="on stream 1"):
        client.send(stream, b"x", end=True)
    with pytest.raises(ValueError, match="on stream 1"):
        client.trailers(stream, [(b"A", b"b")])
    assert client.take() == (
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    )
    with pytest.raises(ValueError, match="1 octets"):
        client.received(1)
    assert kinds(client.feed(OK + b"Content-Length: 0\r\n\r\n")) == ["ResponseHead"]
    assert client.can_request


# Requests that cannot be sent

BAD_OCTETS = [b"\r", b"\n", b"\0", b" ", b"\x7f", b"\x80", b"\r\nEvil: 1", b" HTTP/1.1\r\nHost: b\r\n\r\n"]


def unsent(head: RequestHead, error: type[Exception] = HttpError.InvalidRequest, **options: Any) -> str:
    """Why a request is refused. Nothing is sent of it, and the next one goes on as if nothing had been."""
    client = H1Client()
    with pytest.raises(error) as caught:
        client.request(head, **{"end": True, **options})
    assert client.take() == b""
    assert client.can_request
    assert client.request(get(), end=True) == 1
    assert client.take() == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    return str(caught.value)


@pytest.mark.parametrize("octets", BAD_OCTETS)
def test_octets_that_would_be_another_request(octets: bytes) -> None:
    for around in (b"%b", b"a%b", b"%ba", b"a%bb"):
        bad = around % octets
        unsent(RequestHead(bad, b"/", b"a"))
        unsent(RequestHead(b"GET", b"/" + bad, b"a"))
        unsent(RequestHead(b"GET", b"/", bad))
        unsent(RequestHead(b"CONNECT", b"", bad))
        unsent(get(protocol=bad))
        unsent(get(fields=[(bad, b"x")]), HttpError.InvalidValue)
        unsent(get(shared=FieldBlock([(bad, b"x")])), HttpError.InvalidValue)
        if octets not in (b" ", b"\x80"):
            unsent(get(fields=[(b"A", b"x"), (b"B", bad)]), HttpError.InvalidValue)
            unsent(get(shared=FieldBlock([(b"A", bad)])), HttpError.InvalidValue)


@pytest.mark.parametrize(
    "fields",
    [
        [(b"A", b"b\r\nC: d")],
        [(b"A: b\r\nC", b"d")],
        [(b"A", b"b\r\nContent-Length: 5")],
        [(b"A: b\r\nC: d\r\nE", b"f"), (b"G", b"h")],
        [(b"A", b"b\r\n\r\nGET /admin HTTP/1.1")],
        [(b"A", b"b\nC: d")],
        [(b"", b"x")],
        [(b"A:", b"x")],
        [(b"A ", b"x")],
    ],
)
def test_a_field_is_one_line(fields: list[tuple[bytes, bytes]]) -> None:
    unsent(get(fields=fields), HttpError.InvalidValue)
    unsent(get(shared=FieldBlock(fields)), HttpError.InvalidValue)
    client = H1Client()
    stream = client.request(get(), end=False)
    client.take()
    with pytest.raises(HttpError.InvalidValue):
        client.trailers(stream, fields)
    assert client.take() == b""
    client.send(stream, b"", end=True)
    assert client.take() == b"0\r\n\r\n"


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding", "Connection", "Host"])
def test_fields_that_the_connection_writes(name: str) -> None:
    for spelt in (name, name.lower(), name.upper()):
        field = (spelt.encode(), b"1")
        words = f"header {spelt}: the connection writes this field itself"
        assert words in unsent(get(fields=[(b"A", b"b"), field]), HttpError.InvalidValue)
        assert words in unsent(get(shared=FieldBlock([field])), HttpError.InvalidValue)
        near = [(b"X-" + field[0], b"1"), (field[0] + b"s", b"1"), (field[0][1:], b"1"), (b"Cost", b"1")]
        H1Client().request(get(fields=near), end=True)


@pytest.mark.parametrize(
    ("head", "options"),
    [
        (get(), {"length": 5}),
        (get(), {"end": False, "length": -1}),
        (RequestHead(b"CONNECT", b"", b"a:1"), {"end": False}),
        (RequestHead(b"CONNECT", b"", b""), {}),
        (RequestHead(b"CONNECT", b"/", b"a:1", protocol=b"websocket"), {}),
        (get(method=b"TRACE"), {"end": False, "length": 1}),
        (get(b""), {}),
        (get(b"/#fragment"), {}),
        (get(method=b""), {}),
        (get(method=b"GET /x HTTP/1.1\r\nA:"), {}),
        (RequestHead(b"GET", b"/", b"user@host"), {}),
        (RequestHead(b"GET", b"/", b"host/path"), {}),
        (get(protocol=b""), {}),
    ],
)
def test_heads_that_no_request_has(head: RequestHead, options: dict[str, Any]) -> None:
    unsent(head, **options)


# Early responses, interim responses, other protocols


def test_a_response_before_the_request_is_over() -> None:
    client = H1Client()
    stream = client.request(get(method=b"POST"), end=False)
    client.send(stream, b"x")
    found = client.feed(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
    assert kinds(found) == ["ResponseHead", "Data", "End"]
    assert client.in_flight == 1
    assert not client.can_request
    assert not client.is_closed
    client.send(stream, b"y", end=True)  # it may still go on
    assert client.take().endswith(b"1\r\nx\r\n1\r\ny\r\n0\r\n\r\n")
    assert client.is_closed  # what the server took the rest for is not known
    assert not client.can_request


def test_a_response_that_begins_before_the_request_is_over() -> None:
    client = H1Client()
    stream = client.request(get(), end=False, length=1)
    assert kinds(client.feed(OK + b"Content-Length: 1\r\n\r\n")) == ["ResponseHead"]
    client.send(stream, b"x", end=True)
    assert kinds(client.feed(b"!")) == ["Data", "End"]
    assert client.can_request


@pytest.mark.parametrize("way", WAYS)
def test_interim_responses(way: str) -> None:
    client = asked()
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    data += OK + b"Content-Length: 0\r\n\r\n"
    found = fed(client, data, way)
    assert [(each[0], each[1]) for each in found[:2]] == [("Interim", []), ("Interim", [(b"Link", b"</a>")])]
    assert found[2][0] == "ResponseHead"
    assert client.can_request
    client.request(get(), end=True)
    assert fed(client, data, way)[2][0] == "ResponseHead"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("most", [0, 1, 16])
def test_interim_responses_are_limited(most: int, way: str) -> None:
    client = asked(limits=ConnectionLimits(max_interim=most))
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    assert len(fed(client, interim * most, way)) == most
    (event,) = client.feed(interim * 3)
    assert isinstance(event, Broken)
    assert isinstance(event.error, ConnectionFault)
    assert (event.code, event.error.limit_name, event.error.limit) == (
        ErrorCode.ENHANCE_YOUR_CALM,
        "max_interim",
        most,
    )
    assert f"max_interim = {most}" in str(event.error)
    assert client.is_broken
    # They are counted for each request.
    other = H1Client(ConnectionLimits(max_interim=2))
    for _ in range(3):
        other.request(get(), end=True)
        assert len(other.feed(interim * 2 + OK + b"Content-Length: 0\r\n\r\n")) == 3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("head", "data"),
    [
        (get(protocol=b"x"), b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"),
        (RequestHead(b"CONNECT", b"", b"a:1"), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (RequestHead(b"CONNECT", b"", b"a:1"), b"HTTP/1.0 299 OK\r\n\r\n"),
    ],
)
def test_the_connection_is_handed_over(head: RequestHead, data: bytes, way: str) -> None:
    client = asked(head)
    found = fed(client, data, way)
    assert [each[0] for each in found] == ["Upgraded"]
    assert client.is_closed
    assert not client.can_request
    assert not client.is_broken
    (event,) = asked(head).feed(b"HTTP/1.1 100 Continue\r\n\r\n" + data + b"HTTP/")[1:]
    assert isinstance(event, Upgraded)
    assert event.rest == b"HTTP/"
    # What is fed after that is no HTTP, and is not lost.
    assert client.feed(b"more") == client.feed(b" of it") == []
    assert (client.rest(), client.rest()) == (b"more of it", b"")
    assert client.feed_eof() == []


def test_an_upgrade_that_is_declined() -> None:
    client = asked(get(protocol=b"x"))
    assert kinds(client.feed(OK + b"Content-Length: 0\r\n\r\n")) == ["ResponseHead"]
    client.request(get(), end=True)
    assert b"Upgrade" not in client.take()
    (event,) = client.feed(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n")
    assert isinstance(event, Broken)
    assert "without being asked" in str(event.error)


def test_101_before_the_request_is_over() -> None:
    """RFC 9110 section 7.8: the client sends its request to the end all the same."""
    client = H1Client()
    stream = client.request(get(protocol=b"x"), end=False, length=2)
    assert kinds(client.feed(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n")) == ["Upgraded"]
    client.send(stream, b"xy", end=True)
    assert client.take().endswith(b"\r\n\r\nxy")
    assert client.is_closed


# Octets that do not pass through


def test_a_body_received_past_feed() -> None:
    client = asked()
    assert client.direct == 0
    client.feed(OK + b"Content-Length: 10\r\n\r\n01")
    assert client.direct == 8
    for size in (-1, 9):
        with pytest.raises(ValueError, match=f"{size} octets"):
            client.received(size)
    assert client.received(0) == []
    assert client.received(3) == []
    assert client.direct == 5
    assert kinds(client.feed(b"5")) == ["Data"]
    assert client.received(4) == [End(1, [])]
    assert client.direct == 0
    assert client.can_request


def test_a_body_until_close_past_feed() -> None:
    client = asked()
    client.feed(OK + b"\r\n")
    assert client.direct == UNLIMITED
    assert client.received(1 << 40) == []
    assert client.feed_eof() == [End(1, [])]
    assert client.direct == 0


def test_chunks_must_be_fed() -> None:
    client = asked()
    client.feed(CHUNKED + b"5\r\nhel")
    assert client.direct == 0
    with pytest.raises(ValueError, match="1 octets"):
        client.received(1)
    assert kinds(client.feed(b"lo\r\n0\r\n\r\n")) == ["Data", "End"]


def test_incomplete_after_octets_past_feed() -> None:
    client = asked()
    client.feed(OK + b"Content-Length: 10\r\n\r\n01")
    client.received(3)
    (event,) = client.feed_eof()
    assert isinstance(event, Broken)
    assert isinstance(event.error, IncompleteMessage)
    assert (event.error.received, event.error.expected) == (5, 10)


def test_tiny_chunks_are_joined() -> None:
    client = asked()
    found = client.feed(CHUNKED + b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n")
    assert kinds(found) == ["ResponseHead", "Data", "End"]
    assert found[1] == Data(1, b"x" * 10_000)


def test_what_was_taken_is_not_kept() -> None:
    """A long body goes through without the buffer ever holding much of it, nor being copied again."""
    client = asked()
    client.feed(CHUNKED)
    for _ in range(1000):
        assert client.feed(b"400\r\n" + b"x" * 1024 + b"\r\n") == [Data(1, b"x" * 1024)]
    other = asked()
    other.feed(OK + b"Content-Length: 1048576\r\n\r\n")
    piece = bytes(65536)
    (event,) = other.feed(piece)
    assert isinstance(event, Data)
    assert event.data is piece


# The end of the connection


INCOMPLETE: list[tuple[bytes, type[Exception], str]] = [
    (b"", HttpError.ConnectionError, "without an answer"),
    (b"HTTP/1.1 200", ParseError.Incomplete, "at octet 12"),
    (OK + b"A: b\r\n", ParseError.Incomplete, "at octet 23"),
    (b"HTTP/1.1 100 Continue\r\n\r\n", ParseError.Incomplete, "at octet 0"),
    (b"HTTP/1.1 100 Continue\r\n\r\nHT", ParseError.Incomplete, "at octet 2"),
    (OK + b"Content-Length: 5\r\n\r\n", IncompleteMessage, "after 0 of 5 octets"),
    (OK + b"Content-Length: 5\r\n\r\nhell", IncompleteMessage, "after 4 of 5 octets"),
    (CHUNKED, IncompleteMessage, "inside the body, after 0 octets"),
    (CHUNKED + b"5\r\nhell", IncompleteMessage, "inside the body, after 4 octets"),
    (CHUNKED + b"5\r\nhello\r\n0\r\n", IncompleteMessage, "inside the body, after 5 octets"),
    (CHUNKED + b"5\r\nhello\r\n0\r\nA: b\r\n", IncompleteMessage, "inside the body, after 5 octets"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("data", "error", "words"), INCOMPLETE)
def test_the_end_inside_a_response(data: bytes, error: type[Exception], words: str, way: str) -> None:
    client = asked()
    fed(client, data, way)
    (event,) = client.feed_eof()
    assert isinstance(event, Broken)
    assert isinstance(event.error, error)
    assert words in str(event.error)
    assert event.stream == 1
    assert client.is_broken
    assert client.is_closed
    assert client.in_flight == 0
    assert client.answered == bool(data)
    assert client.feed_eof() == client.feed(b"x") == []


def test_the_end_between_responses() -> None:
    client = H1Client()
    assert client.feed_eof() == []
    assert client.is_closed
    assert not client.is_broken
    assert not client.can_request
    client = asked()
    client.feed(OK + b"Content-Length: 0\r\n\r\n")
    assert client.feed_eof() == []
    assert client.is_closed
    assert not client.is_broken


def test_the_end_while_the_request_goes_on() -> None:
    client = H1Client()
    stream = client.request(get(), end=False)
    client.send(stream, b"x")
    (event,) = client.feed_eof()
    assert isinstance(event, Broken)
    assert client.room(stream) == 0
    with pytest.raises(ValueError, match="on stream 1"):
        client.send(stream, b"y")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\r\n", "at octet 0"),
        (b"ICY 200 OK\r\n\r\n", "at octet 0"),
        (OK + b"A : b\r\n\r\n", "at octet 18"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"A : b\r\n\r\n", "at octet 18"),
        (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "at octet 52"),
        (CHUNKED + b"x", f"at octet {len(CHUNKED)}"),
        (CHUNKED + b"5\r\nhello\r\n1\r\n!x", f"at octet {len(CHUNKED) + 14}"),
        (CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", f"at octet {len(CHUNKED) + 3}"),
    ],
)
def test_wrong_octets(data: bytes, words: str, way: str) -> None:
    """The offset counts from where the message began, in whatever pieces it came."""
    client = asked()
    found = fed(client, data + b"x" * 10, way)
    assert found[-1][0] == "Broken"
    assert found[-1][3].endswith(words)
    assert [each[0] for each in found].count("Broken") == 1
    assert found == fed(asked(), data + b"x" * 10)
    assert client.is_broken
    assert client.is_closed
    assert client.feed(OK) == client.feed_eof() == client.received(0) == []
    with pytest.raises(HttpError.InvalidRequest):
        client.request(get(), end=True)


def test_a_chunked_error_has_the_data_before_it() -> None:
    assert kinds(asked().feed(CHUNKED + b"5\r\nhello\r\n!")) == ["ResponseHead", "Data", "Broken"]


def test_reset() -> None:
    client = H1Client()
    stream = client.request(get(), end=False)
    client.reset(2)
    assert not client.is_closed
    client.reset(stream)
    assert client.is_closed
    assert client.is_broken
    assert client.in_flight == 0
    assert client.room(stream) == client.direct == 0
    assert client.feed(OK) == client.feed_eof() == client.received(5) == []
    with pytest.raises(ValueError, match="on stream 1"):
        client.send(stream, b"x")
    # After the response there is nothing to give up.
    client = asked()
    client.feed(OK + b"Content-Length: 0\r\n\r\n")
    client.reset(1)
    assert client.can_request


def test_goaway() -> None:
    client = H1Client()
    client.goaway()
    client.request(get(), end=True)
    assert client.take() == b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert kinds(client.feed(OK + b"Content-Length: 0\r\n\r\n")) == ["ResponseHead"]
    assert client.is_closed
    assert not client.is_broken
    client = H1Client()
    client.request(get(closes=True), end=True)
    assert client.take() == b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert not client.is_closed
    assert kinds(client.feed(OK + b"Content-Length: 0\r\n\r\n")) == ["ResponseHead"]
    assert client.is_closed
    client = asked()
    client.goaway()
    assert not client.is_closed
    assert kinds(client.feed(OK + b"Content-Length: 0\r\n\r\n")) == ["ResponseHead"]
    assert client.is_closed
    # An upgrade that is declined: the connection was to be the last all the same.
    client = H1Client()
    client.goaway()
    client.request(get(protocol=b"x"), end=True)
    client.feed(OK + b"Content-Length: 0\r\n\r\n")
    assert client.is_closed


# Limits


@pytest.mark.parametrize("way", ["whole", "octet by octet"])
@pytest.mark.parametrize(
    ("limits", "data", "name"),
    [
        ({"max_start_line": 64}, b"HTTP/1.1 200 " + b"x" * 64, "max_start_line=64"),
        ({"max_header_list": 1024}, OK + b"A: " + b"x" * 1024, "max_header_list=1024"),
        ({"max_header_list": 1024}, OK + b"A: 89012345678\r\n" * 65, "max_header_list=1024"),
        ({"max_header_count": 3}, OK + b"A: b\r\n" * 4, "max_header_count=3"),
        ({"max_header_list": 1024}, CHUNKED + b"0\r\nA: " + b"x" * 1024, "max_header_list=1024"),
        ({"max_header_list": 1024}, CHUNKED + b"0\r\n" + b"A: 89012345678\r\n" * 65, "max_header_list=1024"),
        ({"max_header_count": 3}, CHUNKED + b"0\r\n" + b"A: b\r\n" * 4, "max_header_count=3"),
    ],
)
def test_limits(limits: dict[str, int], data: bytes, name: str, way: str) -> None:
    found = fed(asked(limits=ConnectionLimits(**limits)), data + b"\r\n\r\n", way)
    assert found[-1][0] == "Broken"
    client = asked(limits=ConnectionLimits(**limits))
    event = client.feed(data + b"\r\n\r\n")[-1]
    assert isinstance(event, Broken)
    assert isinstance(event.error, ParseError)
    assert event.error.hint is not None
    assert event.error.hint.startswith(f"{name} is the limit; ConnectionLimits")
    assert vars(event.error)["setting"] == name.partition("=")[0]
    assert found[-1][3] == str(event.error)
    # By default it is none, but for the octets.
    good = asked().feed(data + b"\r\n\r\n")
    assert not any(isinstance(each, Broken) for each in good), good


def test_tolerances() -> None:
    data = b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"
    assert kinds(asked().feed(data)) == ["Broken"]
    assert kinds(asked(lenient=Lenient.BARE_LF).feed(data)) == ["ResponseHead"]


# Whatever comes


@settings(max_examples=80)
@given(
    case=st.sampled_from(RESPONSES_READ),
    places=st.lists(st.integers(0, 120), max_size=6),
    trailing=st.sampled_from([b"", b"", b"\r\n", OK]),
)
def test_any_pieces(case: Response, places: list[int], trailing: bytes) -> None:
    data = case.data + trailing
    client = asked(get(method=case.method))
    events = [event for piece in cut(data, places) for event in client.feed(piece)]
    events += client.feed_eof()
    other = asked(get(method=case.method))
    assert described(events) == fed(other, data, eof=True)
    assert (client.is_broken, client.is_closed) == (other.is_broken, other.is_closed)


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(
    data=st.sampled_from(RESPONSES) | st.sampled_from([case.data for case in RESPONSES_READ]),
    changes=edits,
    places=st.lists(st.integers(0, 200), max_size=5),
    method=st.sampled_from([b"GET", b"HEAD", b"CONNECT"]),
    end=st.booleans(),
)
def test_nothing_that_comes_raises(
    data: bytes, changes: list[tuple[int, int, int, int]], places: list[int], method: bytes, end: bool
) -> None:
    data = edited(data, changes)
    end = end or method == b"CONNECT"

    def come(way: list[bytes]) -> tuple[Any, ...]:
        head = RequestHead(method, b"/", b"a:1", protocol=None if method == b"CONNECT" else b"x")
        client = asked(head, end=end)
        events = [event for piece in way for event in client.feed(piece)]
        events += client.feed_eof()
        rest = b"".join(event.rest for event in events if isinstance(event, Upgraded)) + client.rest()
        assert client.is_closed
        assert not client.can_request
        if client.is_broken:
            assert isinstance(events[-1], Broken)
        assert kinds(events).count("Broken") == client.is_broken
        found = described(event for event in events if not isinstance(event, Upgraded))
        return found, kinds(events).count("Upgraded"), rest

    assert come(cut(data, places)) == come([data])


WHOLE = (
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", b"", False),
)


@pytest.mark.parametrize(("octets", "body", "lasts"), WHOLE)
def test_a_response_in_one_piece(octets: bytes, body: bytes, lasts: bool) -> None:
    client, same = H1Client(), H1Client()
    for each in (client, same):
        each.request(get(), end=True)
        each.take()
    whole = client.whole(octets)
    assert whole is not None
    head = same.feed(octets)[0]
    assert isinstance(head, ResponseHead)
    assert whole[:4] == (head.status, head.version, head.reason, head.fields)
    assert whole[5] == body
    assert client.can_request is same.can_request is lasts
    assert client.in_flight == 0
    if lasts:
        client.request(get(), end=True)
        assert client.feed(octets)[0] == ResponseHead(2, *_after_stream(head))


def _after_stream(head: ResponseHead) -> tuple[object, ...]:
    return head.status, head.fields, head.end, head.version, head.reason, head.length


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent Length: 2\r\n\r\nhi",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_is_no_response_in_one_piece_is_fed(octets: bytes) -> None:
    client, same = H1Client(), H1Client()
    for each in (client, same):
        each.request(get(), end=True)
        each.take()
    assert client.whole(octets) is None
    assert repr(client.feed(octets)) == repr(same.feed(octets))
    assert client.can_request is same.can_request


def test_a_coded_body_in_one_piece_says_so() -> None:
    for name, coded in (
        (b"Content-Encoding", True),
        (b"cOnTeNt-EnCoDiNg", True),
        (b"Content-Language", False),
    ):
        client = H1Client()
        client.request(get(), end=True)
        whole = client.whole(b"HTTP/1.1 200 OK\r\n%b: br\r\nContent-Length: 2\r\n\r\nhi" % name)
        assert whole is not None
        assert whole[6] is coded


def _broken(data: bytes, way: str = "whole") -> ParseError:
    """The error with which these octets end the connection."""
    client = asked()
    events = [event for piece in pieces(data, way) for event in client.feed(piece)]
    assert isinstance(events[-1], Broken)
    assert isinstance(events[-1].error, ParseError)
    return events[-1].error


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("data", "marked"),
    [
        (OK + b"A: b\r\nB b: c\r\n\r\n", b" b: c\r\n"),
        (CHUNKED + b"5\r\nhello\r\nZZ\r\n", b"ZZ\r\n"),
        (CHUNKED + b"3e8\r\n" + b"x" * 1000 + b"\r\n0\r\nA b: c\r\n\r\n", b" b: c\r\n"),
        (b"HTTP/1.1 103 E\r\nLink: <a>\r\n\r\n" + OK + b": x\r\n\r\n", b": x\r\n"),
    ],
)
def test_an_error_keeps_the_octets_around_it(data: bytes, marked: bytes, way: str) -> None:
    error = _broken(data, way)
    assert error.excerpt is not None
    octets, at = error.excerpt
    # In pieces, what follows the fault has not come yet.
    assert marked.startswith(octets[at:] or b"?") or octets[at:].startswith(marked)
    assert len(octets) <= 2 * 160
    assert octets[:at] == data[data.index(marked) - at : data.index(marked)]


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        (bytes.fromhex("000006040000000000000300000064"), "http2"),
        (bytes.fromhex("000000040000000000"), "http2"),
        (bytes.fromhex("000000040100000000"), None),
        (b"\0\0\0\x04\0", None),
        (b"SSH-2.0-x\r\n", None),
    ],
)
def test_frames_of_http2_are_known(data: bytes, remedy: str | None) -> None:
    error = _broken(data)
    assert (error.kind, error.remedy) == ("InvalidStatusLine", remedy)
