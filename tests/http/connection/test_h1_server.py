"""The server of HTTP/1.1 without I/O: requests, what it answers, in which order, and when it ends."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings, strategies as st

from netkit.http import HttpError
from netkit.http.connection.errors import IncompleteMessage
from netkit.http.connection.events import UNLIMITED, Broken, Data, End, RequestHead, RequestReceived
from netkit.http.connection.h1 import H1Client, H1Server
from netkit.http.connection.limits import ConnectionLimits
from netkit.http.parser.errors import ParseError
from tests.http.connection.dialogues import WAYS, answered, cut, described, fed, get, kinds
from tests.http.mutation import REQUESTS, edited, edits

pytestmark = pytest.mark.usefixtures("parsers")

EXAMPLES = int(os.environ.get("NETKIT_EXAMPLES", "300"))

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


class Request(NamedTuple):
    """A request, as it is sent, and what a server makes of it."""

    name: str
    data: bytes
    method: bytes = b"GET"
    target: bytes = b"/"
    authority: bytes = b"a"
    fields: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes | None = None
    trailers: tuple[tuple[bytes, bytes], ...] = ()
    length: int | None = None
    version: tuple[int, int] = (1, 1)
    #: What the response says of the connection.
    connection: bytes = b""

    def events(self, stream: int = 1) -> list[Any]:
        start = (self.method, self.target, self.authority, list(self.fields))
        end = self.body is None
        found: list[Any] = [("RequestReceived", stream, *start, end, self.version, self.length)]
        if self.body is not None:
            if self.body:
                found.append(("Data", stream, self.body))
            found += described([End(stream, list(self.trailers))])
        return found


def request(name: str, octets: bytes, **expected: Any) -> Request:
    return Request(name, octets, **expected)


TE = ((b"Transfer-Encoding", b"chunked"),)

REQUESTS_READ = [
    request("GET", GET),
    request("HEAD", b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", method=b"HEAD", target=b"/x"),
    request("empty lines before it", b"\r\n\r\n" + GET),
    request(
        "length",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        method=b"POST",
        fields=((b"Content-Length", b"5"),),
        body=b"hello",
        length=5,
    ),
    request(
        "length 0",
        b"POST / HTTP/1.1\r\nContent-Length: 0\r\nHost: a\r\n\r\n",
        method=b"POST",
        fields=((b"Content-Length", b"0"),),
        length=0,
    ),
    request("no length", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", method=b"POST"),
    request(
        "a body like a request",
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(GET) + GET,
        method=b"PUT",
        fields=((b"Content-Length", b"%d" % len(GET)),),
        body=GET,
        length=len(GET),
    ),
    request("chunked", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", method=b"POST", fields=TE, body=b"hello"),
    request("empty and chunked", CHUNKED + b"0\r\n\r\n", method=b"POST", fields=TE, body=b""),
    request(
        "trailers",
        CHUNKED + b"1\r\nh\r\n4;a=b\r\nello\r\n0\r\nA: b\r\n\r\n",
        method=b"POST",
        fields=TE,
        body=b"hello",
        trailers=((b"A", b"b"),),
    ),
    request(
        "framed twice",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        method=b"POST",
        fields=((b"Content-Length", b"3"), *TE),
        body=b"",
        connection=b"close",
    ),
    request(
        "close",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n",
        fields=((b"Connection", b"x, CLOSE"),),
        connection=b"close",
    ),
    request("1.0", b"GET / HTTP/1.0\r\n\r\n", authority=b"", version=(1, 0), connection=b"close"),
    request(
        "1.0 that lasts",
        b"GET / HTTP/1.0\r\nhOST: a\r\nConnection: keep-alive\r\n\r\n",
        fields=((b"Connection", b"keep-alive"),),
        version=(1, 0),
        connection=b"keep-alive",
    ),
    request(
        "absolute form",
        b"GET HTTP://b:8/x HTTP/1.1\r\nHost: a\r\n\r\n",
        target=b"HTTP://b:8/x",
        authority=b"b:8",
    ),
    request(
        "absolute form, query",
        b"GET http://b?x=/ HTTP/1.1\r\nHost: a\r\n\r\n",
        target=b"http://b?x=/",
        authority=b"b",
    ),
    request("a URI in a path", b"GET /http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", target=b"/http://b/"),
    request("asterisk form", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", method=b"OPTIONS", target=b"*"),
    request(
        "CONNECT",
        b"CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        method=b"CONNECT",
        target=b"b:443",
        authority=b"b:443",
    ),
    request("an empty Host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", authority=b""),
    request("IPv6", b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", authority=b"[::1]:80"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", REQUESTS_READ, ids=lambda case: case.name)
def test_requests(case: Request, way: str) -> None:
    server = H1Server()
    assert fed(server, case.data, way) == case.events()
    assert server.in_flight == 1
    assert not server.is_closed
    assert not server.wants_turn
    status = 404  # no tunnel
    server.respond(1, status, [(b"A", b"b")], end=True)
    lines = [b"HTTP/1.1 404 Not Found", b"A: b"]
    lines += [b"Content-Length: 0"] if case.method != b"HEAD" else []
    lines += [b"Connection: " + case.connection] if case.connection else []
    assert server.take() == b"\r\n".join([*lines, b"", b""])
    assert server.in_flight == 0
    assert server.is_closed == (case.connection == b"close")
    assert not server.is_broken


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", REQUESTS_READ, ids=lambda case: case.name)
def test_one_request_after_another(case: Request, way: str) -> None:
    """The next request is read when the response before it is over, and not at all after the last one."""
    found, sent = answered(H1Server(), (case.data + GET) * 2, way)
    # The response to CONNECT hands the connection over.
    is_last = case.connection == b"close" or case.method == b"CONNECT"
    plain = Request("GET", GET)
    expected = case.events()
    if not is_last:
        expected += [*plain.events(2), *case.events(3), *plain.events(4)]
    assert found == expected
    assert sent.count(b"HTTP/1.1 200 OK\r\n") == (1 if is_last else 4)


@pytest.mark.parametrize("way", WAYS)
def test_pipelined_requests_wait_for_their_turn(way: str) -> None:
    server = H1Server()
    chunked = CHUNKED + b"1\r\nx\r\n0\r\n\r\n"
    data = GET + chunked + GET + b"GET /par"
    assert [each[0] for each in fed(server, data, way)] == ["RequestReceived"]
    assert server.held == len(data) - len(GET)
    assert not server.wants_turn
    assert server.feed(b"") == []
    server.respond(1, 204, [], end=True)
    assert server.wants_turn
    assert kinds(server.feed(b"")) == ["RequestReceived", "Data", "End"]
    assert not server.wants_turn
    server.respond(2, 200, [], end=False)
    assert server.feed(b"") == []
    server.send(2, b"x", end=True)
    assert server.wants_turn
    assert kinds(server.feed(b"")) == ["RequestReceived"]
    server.respond(3, 204, [], end=True)
    assert server.wants_turn
    # A part of a head is looked at once: whoever loops while it wants a turn comes to an end.
    assert server.feed(b"") == []
    assert not server.wants_turn
    assert server.held == len(b"GET /par")
    (event,) = server.feed(b"t HTTP/1.1\r\nHost: a\r\n\r\n")
    assert isinstance(event, RequestReceived)
    assert (event.stream, event.head.target) == (4, b"/part")
    assert server.held == 0


def test_many_requests_in_one_piece() -> None:
    """The octets behind a request are not moved for each request again."""
    found, sent = answered(H1Server(), GET * 2000)
    assert len(found) == 2000
    assert sent.count(b"HTTP/1.1 200 OK") == 2000
    assert found[-1][1] == 2000


def test_the_body_goes_on_after_the_response() -> None:
    server = H1Server()
    server.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01")
    assert server.body_left == 8
    server.respond(1, 413, [], end=True)
    assert server.in_flight == 1
    assert not server.is_closed
    assert not server.wants_turn
    assert kinds(server.feed(b"234")) == ["Data"]
    assert server.direct == server.body_left == 5
    assert kinds(server.feed(b"56789" + GET)) == ["Data", "End"]
    assert server.body_left == 0
    assert server.wants_turn
    assert kinds(server.feed(b"")) == ["RequestReceived"]


def test_a_body_received_past_feed() -> None:
    server = H1Server()
    assert server.direct == 0
    server.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01")
    assert server.direct == 8
    with pytest.raises(ValueError, match="9 octets"):
        server.received(9)
    assert server.received(8) == [End(1, [])]
    assert server.direct == 0
    with pytest.raises(ValueError, match="1 octets"):
        server.received(1)
    server.respond(1, 204, [], end=True)
    assert kinds(server.feed(GET)) == ["RequestReceived"]
    chunked = H1Server()
    chunked.feed(CHUNKED)
    assert chunked.body_left is None
    assert chunked.direct == 0


# What is answered


def served(data: bytes = GET) -> H1Server:
    server = H1Server()
    assert isinstance(server.feed(data)[0], RequestReceived)
    return server


HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
OLD_LASTS = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "status", "options", "octets", "room"),
    [
        (GET, 200, {"end": True}, b"Content-Length: 0\r\n", False),
        (GET, 200, {"end": True, "length": 0}, b"Content-Length: 0\r\n", False),
        (GET, 200, {"end": False, "length": 0}, b"Content-Length: 0\r\n", False),
        (GET, 200, {"end": False, "length": 5}, b"Content-Length: 5\r\n", True),
        (GET, 200, {"end": False}, b"Transfer-Encoding: chunked\r\n", True),
        (GET, 205, {"end": True}, b"Content-Length: 0\r\n", False),
        (GET, 204, {"end": True}, b"", False),
        (GET, 204, {"end": False, "length": 5}, b"", False),
        (GET, 304, {"end": True}, b"", False),
        (GET, 304, {"end": True, "length": 5}, b"Content-Length: 5\r\n", False),
        (HEAD, 200, {"end": True}, b"", False),
        (HEAD, 200, {"end": False}, b"", False),
        (HEAD, 200, {"end": False, "length": 5}, b"Content-Length: 5\r\n", False),
        (HEAD, 200, {"end": True, "length": 5}, b"Content-Length: 5\r\n", False),
        (HEAD, 204, {"end": True, "length": 5}, b"", False),
        (OLD, 200, {"end": False, "length": 5}, b"Content-Length: 5\r\nConnection: close\r\n", True),
        (OLD, 200, {"end": False}, b"Connection: close\r\n", True),
        (OLD_LASTS, 200, {"end": False}, b"Connection: close\r\n", True),
        (OLD_LASTS, 200, {"end": True}, b"Content-Length: 0\r\nConnection: keep-alive\r\n", False),
        (GET, 426, {"end": True}, b"Content-Length: 0\r\nConnection: Upgrade\r\n", False),
    ],
)
def test_responses(data: bytes, status: int, options: dict[str, Any], octets: bytes, room: bool) -> None:
    server = served(data)
    assert server.room(1) == 0
    server.respond(1, status, [], reason=b"", **options)
    assert server.take() == b"HTTP/1.1 %d \r\n%b\r\n" % (status, octets)
    assert server.room(1) == (UNLIMITED if room else 0)
    if not room:
        server.send(1, b"", end=True)  # what is over may be ended again
        with pytest.raises(ValueError, match="on stream 1"):
            server.send(1, b"x")
        assert server.take() == b""


def test_reason_phrases() -> None:
    for status, reason, line in (
        (200, None, b"200 OK"),
        (299, None, b"299 "),
        (999, None, b"999 "),
        (418, b"I'm a \xff", b"418 I'm a \xff"),
    ):
        server = served()
        server.respond(1, status, [], end=True, reason=reason)
        assert server.take().startswith(b"HTTP/1.1 " + line + b"\r\n")


def test_a_chunked_response_with_trailers() -> None:
    server = served()
    server.respond(1, 200, [(b"Trailer", b"A")], end=False)
    server.send(1, b"hello")
    server.send(1, b"")
    server.trailers(1, [(b"A", b"b")])
    assert server.take() == (
        b"HTTP/1.1 200 OK\r\nTrailer: A\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n"
    )
    assert server.in_flight == 0


def test_a_response_until_close() -> None:
    server = served(OLD_LASTS + GET)
    server.respond(1, 200, [], end=False)
    server.send(1, b"hello")
    assert not server.is_closed
    server.trailers(1, [(b"A", b"b")])
    assert server.take() == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"
    assert server.is_closed
    assert not server.wants_turn
    assert server.feed(b"") == []
    assert server.held == 0


def test_interim_responses() -> None:
    server = served()
    server.respond(1, 100, [], end=False)
    server.respond(1, 103, [(b"Link", b"</a>")], end=False)
    assert server.in_flight == 1
    assert server.room(1) == 0
    server.respond(1, 200, [], end=True)
    assert server.take() == (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    )
    old = served(OLD)
    old.respond(1, 100, [], end=False)
    assert old.take() == b""
    assert old.in_flight == 1


def refused(server: H1Server, error: type[Exception] = ValueError, **options: Any) -> None:
    """A response that may not be sent leaves everything as it was."""
    before = (server.in_flight, server.is_closed, server.room(1), server.wants_turn)
    with pytest.raises(error):
        server.respond(**{"stream": 1, "status": 200, "fields": [], "end": True, **options})
    assert (server.in_flight, server.is_closed, server.room(1), server.wants_turn) == before
    assert server.take() == b""


BAD_FIELDS = [
    [(b"A", b"x\r\nB: y")],
    [(b"A: x\r\nB", b"y")],
    [(b"A", b"\0")],
    [(b"A b", b"x")],
    [(b"A", b"x"), (b"B", b"\n")],
    [(b"content-length", b"5")],
    [(b"Transfer-Encoding", b"chunked")],
    [(b"CONNECTION", b"close")],
]


def test_responses_that_cannot_be_sent() -> None:
    server = served()
    for fields in BAD_FIELDS:
        for status, end in ((200, True), (103, False)):
            refused(server, HttpError.InvalidValue, status=status, fields=fields, end=end)
    for reason in (b"\r\nA: b", b"\0", b"\n"):
        refused(server, HttpError.InvalidValue, reason=reason)
    for status in (-1, 0, 99, 1000):
        refused(server, HttpError.InvalidValue, status=status)
        refused(server, HttpError.InvalidValue, status=status, reason=b"x")
    refused(server, status=100)
    refused(server, status=103, end=False, length=5)
    refused(server, length=5)
    refused(server, length=-1, end=False)
    refused(server, stream=0)
    refused(server, stream=2)
    refused(server, status=101, end=False)  # unasked
    server.respond(1, 200, [], end=True)
    server.take()
    refused(server)


def test_methods_in_wrong_states() -> None:
    server = H1Server()
    for stream in (0, 1):
        refused(server, stream=stream)
        for call in (
            lambda s=stream: server.send(s, b"x"),
            lambda s=stream: server.send(s, b"", end=True),
            lambda s=stream: server.trailers(s, []),
            lambda s=stream: server.sent(s, 0),
        ):
            with pytest.raises(ValueError, match=f"on stream {stream}"):
                call()
        server.reset(stream)
    assert server.rest() == b""
    server.feed(GET)
    # The head of the response is still to come.
    for data, end in ((b"x", False), (b"x", True), (b"", True)):
        with pytest.raises(ValueError, match="no body"):
            server.send(1, data, end=end)
    with pytest.raises(ValueError, match="no body"):
        server.trailers(1, [])
    with pytest.raises(ValueError, match="known length"):
        server.sent(1, 0)
    assert server.in_flight == 1
    server.respond(1, 200, [], end=False, length=5)
    server.take()
    refused(server)
    refused(server, status=100, end=False)
    server.send(1, b"12")
    server.take()
    for size in (-1, 4):
        with pytest.raises(ValueError, match="known length"):
            server.sent(1, size)
    server.sent(1, 3)
    assert server.in_flight == 0
    assert not server.is_closed
    server.send(1, b"", end=True)
    assert kinds(server.feed(GET)) == ["RequestReceived"]
    server.send(1, b"", end=True)  # said again, of the response before
    with pytest.raises(ValueError, match="no body"):
        server.send(2, b"", end=True)


# Wrong requests


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", HttpError.InvalidRequest, "no Host"),
        (b"HEAD / HTTP/1.1\r\nX-Host: a\r\n\r\n", HttpError.InvalidRequest, "no Host"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", HttpError.InvalidRequest, "more than once"),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", HttpError.InvalidRequest, "more than once"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HttpError.InvalidRequest, "octets in Host"),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HttpError.InvalidRequest, "octets in Host"),
        (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", HttpError.InvalidRequest, "octets in Host"),
        (b"GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n", HttpError.InvalidRequest, "octets in Host"),
        (b"GET http://b/ HTTP/1.1\r\n\r\n", HttpError.InvalidRequest, "no Host"),
        (b"CONNECT b:1 HTTP/1.1\r\n\r\n", HttpError.InvalidRequest, "no Host"),
        (b"GET http://u@b/ HTTP/1.1\r\nHost: b\r\n\r\n", ParseError.InvalidTarget, "at octet"),
        (b"\x16\x03\x01", ParseError.TlsBytes, "at octet 0"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ParseError.Http2Preface, "at octet"),
        (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", ParseError.SpaceBeforeColon, "at octet 17"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", ParseError.InvalidContentLength, "41"),
        (b"GET / HTTP/2.0\r\n\r\n", ParseError.UnsupportedVersion, "at octet"),
    ],
)
def test_wrong_requests(data: bytes, error: type[Exception], words: str, way: str) -> None:
    for before in (b"", GET, CHUNKED + b"1\r\nx\r\n0\r\n\r\n"):
        server = H1Server()
        found, sent = answered(server, before + data + GET * 2, way)
        stream = 2 if before else 1
        assert found[-1][:3] == ("Broken", stream, error.__name__)
        assert words in found[-1][3]
        assert [each[0] for each in found].count("Broken") == 1
        assert sent.endswith(b"Content-Length: 1\r\nConnection: close\r\n\r\n%d" % stream) or b"HEAD" in data
        assert sent.count(b"HTTP/1.1 ") == stream
        assert server.is_closed
        assert not server.is_broken
        # Nothing is read any more, nor kept.
        assert not server.wants_turn
        assert server.feed(GET) == server.feed(GET * 100) == server.feed_eof() == []
        assert server.held == 0
        with pytest.raises(ValueError, match="on stream"):
            server.respond(stream, 200, [], end=True)
        assert server.take() == b""


@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_body_before_the_response(way: str) -> None:
    server = H1Server()
    found = fed(server, CHUNKED + b"1\r\nxy" + GET, way)
    assert found[-1] == ("Broken", 1, "InvalidChunkEnd", found[-1][3], None)
    assert found[-1][3].endswith(f"at octet {len(CHUNKED) + 4}")
    assert not server.is_closed
    assert server.feed(GET) == server.feed(b"x" * 100_000) == []
    assert server.held == 0
    server.respond(1, 400, [], end=False)
    server.send(1, b"no", end=True)
    assert server.take() == (
        b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"2\r\nno\r\n0\r\n\r\n"
    )
    assert server.is_closed
    assert server.feed(GET) == []


def test_a_wrong_body_inside_the_response() -> None:
    server = H1Server()
    server.feed(CHUNKED)
    server.respond(1, 200, [], end=False, length=2)
    server.send(1, b"o")
    assert kinds(server.feed(b"x")) == ["Broken"]
    assert not server.is_closed
    server.send(1, b"k", end=True)
    assert server.take().endswith(b"\r\n\r\nok")
    assert server.is_closed


def test_a_wrong_body_after_the_response() -> None:
    server = H1Server()
    server.feed(CHUNKED)
    server.respond(1, 200, [], end=True)
    server.take()
    (event,) = server.feed(b"x")
    assert isinstance(event, Broken)
    assert server.feed(GET) == []
    if not server.is_closed:  # nobody waits for another answer: one may be sent, or not
        server.respond(event.stream, 400, [], end=True)
    assert server.is_closed


def test_wrong_requests_make_no_tunnel() -> None:
    server = H1Server()
    server.feed(b"CONNECT b:1 HTTP/1.1\r\n\r\n")
    server.respond(1, 200, [], end=True)
    assert server.take() == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    assert server.feed(b"x") == []
    assert server.rest() == b""
    server = H1Server()
    server.feed(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\nx")
    refused(server, status=101, end=False)


def test_wrong_requests_are_answered_for_the_eldest() -> None:
    """A client of a version that is not known reads until the end, and one that asks HEAD reads no body."""
    server = H1Server()
    server.feed(b"junk\r\n\r\n")
    server.respond(1, 400, [], end=False)
    assert server.take() == b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
    server = H1Server()
    server.feed(b"HEAD / HTTP/1.1\r\n\r\n")
    server.respond(1, 400, [], end=False)
    assert server.take() == b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
    assert server.is_closed


# Other protocols

UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"


def test_an_upgrade() -> None:
    server = served(UPGRADE + b"early")
    server.feed(b" and")
    server.respond(1, 101, [(b"Upgrade", b"x")], end=False)
    assert server.take() == (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
    assert server.is_closed
    assert not server.is_broken
    assert not server.wants_turn
    assert server.feed(b" late") == []
    assert (server.rest(), server.rest()) == (b"early and late", b"")
    assert server.feed_eof() == []


def test_a_tunnel() -> None:
    server = served(b"CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n" + GET)
    server.respond(1, 200, [], end=False, length=5)
    assert server.take() == b"HTTP/1.1 200 OK\r\n\r\n"  # RFC 9110 section 9.3.6
    assert server.is_closed
    assert server.feed(b"") == []
    assert server.rest() == GET
    other = served(b"CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n" + GET)
    other.respond(1, 403, [], end=True)
    assert other.wants_turn
    assert other.rest() == b""
    assert kinds(other.feed(b"")) == ["RequestReceived"]


def test_an_upgrade_waits_for_the_body() -> None:
    server = served(UPGRADE.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n"))
    refused(server, status=101, end=False)
    server.feed(b"xyz")
    server.respond(1, 101, [(b"Upgrade", b"x")], end=False)
    assert server.rest() == b"z"
    old = served(b"GET / HTTP/1.0\r\nUpgrade: x\r\n\r\n")
    refused(old, status=101, end=False)  # RFC 9110 section 7.8


# The end of the connection


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"G", ParseError.Incomplete, "at octet 1"),
        (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n", ParseError.Incomplete, "at octet 27"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell", IncompleteMessage, "after 4 of 5"),
        (CHUNKED + b"1\r\nx\r\n0\r\n", IncompleteMessage, "after 1 octets"),
    ],
)
def test_the_end_inside_a_request(data: bytes, error: type[Exception], words: str, way: str) -> None:
    for before in (b"", GET):
        server = H1Server()
        answered(server, before)
        fed(server, data, way)
        (event,) = server.feed_eof()
        assert isinstance(event, Broken)
        assert isinstance(event.error, error)
        assert words in str(event.error)
        assert event.stream == (2 if before else 1)
        # It can be told so.
        server.respond(event.stream, 400, [], end=True)
        assert b"400 Bad Request\r\n" in server.take()
        assert server.is_closed
        assert server.feed_eof() == server.feed(GET) == []


def test_the_end_between_requests() -> None:
    for data in (b"", GET, b"\r\n", GET + b"\r\n\r\n"):
        server = H1Server()
        answered(server, data)
        assert server.feed_eof() == []
        assert server.is_closed
        assert not server.is_broken


def test_the_end_before_the_response() -> None:
    server = served()
    assert server.feed_eof() == []
    assert not server.is_closed
    server.respond(1, 200, [], end=True)
    assert server.take().endswith(b"Connection: close\r\n\r\n")
    assert server.is_closed


def test_what_was_asked_before_the_end_is_answered() -> None:
    """As `nc -N` sends them: all requests, and then the end."""
    server = served(GET * 2 + CHUNKED + b"0\r\n\r\n")
    assert server.feed_eof() == []
    server.respond(1, 204, [], end=True)
    assert server.take() == b"HTTP/1.1 204 No Content\r\n\r\n"
    assert not server.is_closed
    assert server.wants_turn
    assert kinds(server.feed(b"")) == ["RequestReceived"]
    server.respond(2, 204, [], end=True)
    assert server.wants_turn
    assert kinds(server.feed(b"")) == ["RequestReceived", "End"]
    server.take()
    server.respond(3, 204, [], end=True)
    assert server.take() == b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    assert server.is_closed
    assert not server.wants_turn


@pytest.mark.parametrize(
    "data", [b"GET /", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell", CHUNKED]
)
def test_a_part_of_a_request_before_the_end(data: bytes) -> None:
    server = served(GET + data)
    assert server.feed_eof() == []
    server.respond(1, 204, [], end=True)
    assert server.wants_turn
    assert kinds(server.feed(b""))[-1] == "Broken"
    server.respond(2, 400, [], end=True)
    assert server.is_closed


def test_reset() -> None:
    server = served()
    server.reset(2)
    assert not server.is_closed
    server.respond(1, 200, [], end=False)
    server.reset(1)
    assert server.is_closed
    assert server.is_broken
    assert server.in_flight == server.room(1) == 0
    assert server.feed(GET) == server.feed_eof() == server.received(3) == []
    with pytest.raises(ValueError, match="on stream 1"):
        server.send(1, b"x")


def test_goaway() -> None:
    server = served(GET * 2)
    server.goaway()
    assert not server.is_closed
    server.respond(1, 204, [], end=True)
    assert server.take().endswith(b"Connection: close\r\n\r\n")
    assert server.is_closed
    assert not server.wants_turn
    assert server.feed(GET) == []
    idle = H1Server()
    idle.goaway()
    assert idle.is_closed
    assert idle.feed(GET) == []


# Limits


@pytest.mark.parametrize("way", ["whole", "octet by octet"])
@pytest.mark.parametrize(
    ("limits", "data", "name", "status"),
    [
        ({"max_start_line": 64}, b"GET /" + b"x" * 64, "max_start_line=64", 414),
        ({"max_start_line": 64}, b"\r\n" * 34, "max_start_line=64", 414),
        ({"max_header_list": 1024}, GET[:-2] + b"A: " + b"x" * 1024, "max_header_list=1024", 431),
        ({"max_header_list": 1024}, GET[:-2] + b"A: 89012345678\r\n" * 65, "max_header_list=1024", 431),
        ({"max_header_count": 3}, GET[:-2] + b"A: b\r\n" * 3, "max_header_count=3", 431),
        ({"max_header_count": 3}, CHUNKED + b"0\r\n" + b"A: b\r\n" * 4, "max_header_count=3", 431),
        ({"max_header_list": 1024}, CHUNKED + b"0\r\nA: " + b"x" * 1024, "max_header_list=1024", 431),
    ],
)
def test_limits(limits: dict[str, int], data: bytes, name: str, status: int, way: str) -> None:
    server = H1Server(ConnectionLimits(**limits))
    found = fed(server, data + b"\r\n\r\n", way)
    assert found[-1][0] == "Broken"
    event = H1Server(ConnectionLimits(**limits)).feed(data + b"\r\n\r\n")[-1]
    assert isinstance(event, Broken)
    assert isinstance(event.error, ParseError)
    assert found[-1][3] == str(event.error)
    assert event.error.status == status
    assert event.error.hint is not None
    assert event.error.hint.startswith(f"{name} is the limit; ConnectionLimits")


# Whatever comes


@settings(max_examples=80)
@given(
    cases=st.lists(st.sampled_from(REQUESTS_READ), min_size=1, max_size=3),
    places=st.lists(st.integers(0, 300), max_size=8),
)
def test_any_pieces(cases: list[Request], places: list[int]) -> None:
    data = b"".join(case.data for case in cases)

    def come(way: list[bytes]) -> tuple[Any, ...]:
        server = H1Server()
        found: list[Any] = []
        sent = b""
        for piece in way:
            part, octets = answered(server, piece)
            found += part
            sent += octets
        events = server.feed_eof()
        # Pieces of one body may have come apart here.
        joined: list[Any] = []
        for each in [*found, *described(events)]:
            if joined and each[:2] == ("Data", joined[-1][1]) and joined[-1][0] == "Data":
                joined[-1] = (*each[:2], joined[-1][2] + each[2])
            else:
                joined.append(each)
        return joined, sent, server.is_closed, server.rest()

    assert come(cut(data, places))[1:] == come([data])[1:]
    ours, theirs = come(cut(data, places))[0], come([data])[0]
    assert [each for each in ours if each[0] != "Data"] == [each for each in theirs if each[0] != "Data"]
    assert ours == theirs


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(
    data=st.lists(st.sampled_from(REQUESTS + [case.data for case in REQUESTS_READ]), min_size=1, max_size=3),
    changes=edits,
    places=st.lists(st.integers(0, 300), max_size=5),
)
def test_nothing_that_comes_raises(
    data: list[bytes], changes: list[tuple[int, int, int, int]], places: list[int]
) -> None:
    octets = edited(b"".join(data), changes)

    def come(way: list[bytes]) -> tuple[Any, ...]:
        server = H1Server()
        heads: list[Any] = []
        bodies: dict[int, bytes] = {}
        broken = 0
        sent = 0

        def handle(events: list[Any]) -> None:
            nonlocal broken, sent
            for event in events:
                assert not broken  # nothing comes after it
                if isinstance(event, Data):
                    bodies[event.stream] = bodies.get(event.stream, b"") + event.data
                    continue
                heads.extend(described([event]))
                broken += isinstance(event, Broken)
                if isinstance(event, RequestReceived):
                    server.respond(event.stream, 404, [], end=True)
                    sent += 1
            assert len(server.take()) >= 0

        for piece in way:
            handle(server.feed(piece))
            while server.wants_turn:
                handle(server.feed(b""))
        handle(server.feed_eof())
        if not server.is_closed:
            server.respond(sent + 1, 400, [], end=True)
        assert server.is_closed
        assert not server.is_broken
        assert server.held == 0
        return heads, bodies, broken

    assert come(cut(octets, places)) == come([octets])


# Both roles


#: What may stand in a value, with whitespace only inside.
OCTETS = bytes([*range(0x20, 0x7F), 0x09, *range(0x80, 0x100)])
FIELDS = st.lists(
    st.tuples(
        st.text("abcXYZ019!#$%&'*+.^_`|~-", max_size=8).map(lambda text: b"X-" + text.encode()),
        st.binary(max_size=12).map(
            lambda drawn: bytes(OCTETS[octet % len(OCTETS)] for octet in drawn).strip()
        ),
    ),
    max_size=4,
)
BODIES = st.none() | st.lists(st.binary(max_size=40), max_size=4)


class Message(NamedTuple):
    """One exchange, as hypothesis makes them up."""

    method: bytes
    status: int
    fields: tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]
    bodies: tuple[list[bytes] | None, list[bytes] | None]
    trailers: tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]
    measured: tuple[bool, bool]
    cut: int


MESSAGES = st.builds(
    Message,
    st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS"]),
    st.sampled_from([200, 204, 304, 404, 500]),
    st.tuples(FIELDS, FIELDS),
    st.tuples(BODIES, BODIES),
    st.tuples(FIELDS, FIELDS),
    st.tuples(st.booleans(), st.booleans()),
    st.integers(1, 60),
)


def send(peer: H1Client | H1Server, stream: int, body: list[bytes], trailers: list[Any]) -> None:
    for piece in body:
        peer.send(stream, piece)
    peer.trailers(stream, trailers)


def carried(receiver: H1Client | H1Server, octets: bytes, size: int) -> list[Any]:
    return described(
        event for at in range(0, len(octets), size) for event in receiver.feed(octets[at : at + size])
    )


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(messages=st.lists(MESSAGES, min_size=1, max_size=3))
def test_a_client_and_a_server(messages: list[Message]) -> None:
    client, server = H1Client(), H1Server()
    for number, message in enumerate(messages, 1):
        asked, answer = message.bodies
        length = sum(map(len, asked)) if asked is not None and message.measured[0] else None
        head = get(b"/%d" % number, method=message.method, fields=message.fields[0])
        stream = client.request(head, end=asked is None, length=length)
        assert stream == number
        if asked is not None:
            # Trailers are those of a chunked body, which one without octets may be as well.
            send(client, stream, asked, [] if length is not None else message.trailers[0])
        found = carried(server, client.take(), message.cut)
        assert found[0][:5] == ("RequestReceived", number, message.method, b"/%d" % number, b"a")
        fields = [field for field in found[0][5] if field[0].startswith(b"X-")]
        assert fields == message.fields[0]
        assert b"".join(each[2] for each in found if each[0] == "Data") == b"".join(asked or [])
        if asked is not None and length is None:
            assert found[-1] == described([End(number, message.trailers[0])])[0]

        length = sum(map(len, answer)) if answer is not None and message.measured[1] else None
        server.respond(stream, message.status, message.fields[1], end=answer is None, length=length)
        has_body = message.method != b"HEAD" and message.status not in (204, 304)
        if answer is not None and has_body:
            send(server, stream, answer, [] if length is not None else message.trailers[1])
        found = carried(client, server.take(), message.cut)
        assert found[0][0] == "ResponseHead"
        assert message.status in found[0]
        assert b"".join(each[2] for each in found if each[0] == "Data") == b"".join(
            (answer or []) if has_body else []
        )
        if answer is not None and length is None and has_body:
            assert found[-1] == described([End(number, message.trailers[1])])[0]
        assert client.can_request
        assert not server.is_closed
        assert server.in_flight == 0


def test_scheme() -> None:
    (event,) = H1Server(scheme=b"https").feed(GET)
    assert isinstance(event, RequestReceived)
    assert event.head.scheme == b"https"
    assert isinstance(event.head, RequestHead)
