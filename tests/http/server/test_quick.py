"""What the loop remembers of requests and responses: it is bounded, and nothing of one gets into another."""

from __future__ import annotations

import pytest

from netkit.http import HttpError, Method, Response, Version
from netkit.http.headers import Headers
from netkit.http.server.h1 import quick
from netkit.http.server.h1.quick import LONGEST_REMEMBERED, REMEMBERED, STAYS, RequestReader, ResponseWriter
from netkit.http.server.request import ConnectionFacts, ServerRequest

V11 = (1, 1)


def written(writer: ResponseWriter, response: Response) -> bytes:
    encoded = writer.encode(response, STAYS, is_head=False)
    assert encoded is not None
    return encoded[0]


@pytest.fixture
def writer() -> ResponseWriter:
    made = ResponseWriter(None)
    made.look_at_clock()
    return made


def test_facts_are_remembered() -> None:
    reader = RequestReader()
    fields = ((b"Host", b"a"), (b"X", b"y"))
    first = reader.facts(fields, V11, 40)
    assert first is not None
    assert reader.facts(((b"Host", b"a"), (b"X", b"y")), V11, 40) is first
    other = reader.facts(fields, (1, 0), 40)
    assert other is not None
    assert (other.version, other.end) == (Version.Http10, quick.CLOSES)


def test_what_is_long_or_wrong_is_not_remembered() -> None:
    reader = RequestReader()
    assert reader.facts(((b"Host", b"a"),), V11, LONGEST_REMEMBERED + 1) is not None
    assert reader.facts((), V11, 40) is None
    assert not reader.remembered


def test_not_more_than_so_many_are_remembered(writer: ResponseWriter) -> None:
    reader = RequestReader()
    for number in range(REMEMBERED * 3):
        assert reader.facts(((b"Host", b"%d" % number),), V11, 40) is not None
        line = b"X: %d\r\n" % number
        assert line in written(writer, Response(200, headers=Headers({"X": str(number)})))
        assert line in written(writer, Response(200, headers=[("X", str(number))]))
    assert 0 < reader.remembered <= REMEMBERED
    assert 0 < writer.remembered <= REMEMBERED


def test_every_status_has_its_line(writer: ResponseWriter) -> None:
    for status in range(200, 1000):
        if status not in (204, 304, 426):
            octets = written(writer, Response(status, headers={"Server": "s"} if status % 2 else ()))
            assert octets.startswith(b"HTTP/1.1 %d " % status)
            assert octets.count(b"Server: s\r\n") == status % 2
    assert writer.remembered <= REMEMBERED


@pytest.mark.parametrize("field", [("Host", "x"), ("Content-Length", "x")])
def test_fields_that_cannot_be_sent(writer: ResponseWriter, field: tuple[str, str]) -> None:
    for _ in range(2):
        with pytest.raises(HttpError.InvalidValue):
            writer.encode(Response(200, headers=[field]), STAYS, is_head=False)


def test_headers_of_the_same_fields_are_one_object() -> None:
    """They cannot change; what a handler passed can, and is looked at anew."""
    given = {"X": "1"}
    first = Response(200, headers=given).headers
    assert Response(200, headers={"X": "1"}).headers is first
    given["X"] = "2"
    assert Response(200, headers=given).headers.get_first("X") == "2"
    assert Response(200, headers=[("X", "1")]).headers == first
    assert Response(200, headers={"X": ["1", "2"]}).headers.get_all("X") == ("1", "2")
    assert Response(200, headers=iter([("X", "1")])).headers == first
    assert Headers.frozen_from({"X": "a" * 5000}) is not Headers.frozen_from({"X": "a" * 5000})
    for _ in range(2):
        with pytest.raises(HttpError.InvalidValue):
            Response(200, headers={"X": "a\r\nb"})
        with pytest.raises(TypeError):
            Response(200, headers={"X": 1})  # type: ignore[dict-item]


def test_a_received_request_is_a_value_like_others() -> None:
    """Although it is set up in another way."""
    headers = Headers.from_received([(b"host", b"a")])
    made = ServerRequest.received(
        b"GET", b"/", Version.Http11, headers, None, "a", ConnectionFacts(1, "", "", None)
    )
    assert type(made) is ServerRequest
    assert made == ServerRequest("GET", "/", headers={"host": "a"}, authority="a")
    assert made.method is Method.Get
    assert made.replace(uri="/x").connection is made.connection
    with pytest.raises(AttributeError):
        made.uri = "/y"
    with pytest.raises(AttributeError):
        del made.uri
