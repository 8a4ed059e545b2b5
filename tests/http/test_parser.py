"""The parser of message heads (RFC 9112 sections 2 to 6), over both twins, in every way a message arrives."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Mapping
from typing import Any

import pytest

from netkit.http.parser import errors as parse_errors
from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import Framing, Lenient, TargetForm
from netkit.http.parser.head import ParseProgress
from tests.conftest import Twin
from tests.http.feeding import BUFFERS, WAYS, head, options
from tests.http.message_vectors import (
    BAD_REQUESTS,
    BAD_RESPONSES,
    BROWSER,
    GOOD_REQUESTS,
    GOOD_RESPONSES,
    TOLERATED_REQUESTS,
    Bad,
    Good,
)

GOOD = [("request", case) for case in GOOD_REQUESTS + TOLERATED_REQUESTS] + [
    ("response", case) for case in GOOD_RESPONSES
]
BAD = [("request", case) for case in BAD_REQUESTS] + [("response", case) for case in BAD_RESPONSES]


def name(value: object) -> str | None:
    return value.name if isinstance(value, (Good, Bad)) else None


def parser(twin: Twin, kind: str, given: Mapping[str, Any]) -> Any:
    return getattr(twin.HttpParser, kind)(**options(given))


def refused(error: str, call: Any, *arguments: Any) -> ParseError:
    with pytest.raises(getattr(ParseError, error)) as caught:
        call(*arguments)
    found: ParseError = caught.value
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("kind", "case"), GOOD, ids=name)
def test_accepted(twin: Twin, kind: str, case: Good, way: str) -> None:
    state, fields, said = head(parser(twin, kind, case.options), case.data, WAYS[way](len(case.data)))
    assert state == "done"
    consumed, body_start, body_len, framing, conflict = fields
    assert (framing, body_len, conflict) == (Framing(case.framing), case.body_len, case.conflict)
    assert consumed == body_start
    assert case.data[:consumed].endswith((b"\r\n\r\n", b"\n\n", b"\r\n\n"))
    if case.headers is not None:
        assert said["items"] == case.headers
    assert len(said["views"]) == len(said["items"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("kind", "case"), BAD, ids=name)
def test_refused(twin: Twin, kind: str, case: Bad, way: str) -> None:
    outcome = head(parser(twin, kind, case.options), case.message, WAYS[way](len(case.message)))
    assert outcome[:2] == ("refused", case.error)
    assert {"offset": case.offset, **case.fields}.items() <= outcome[2].items()


@pytest.mark.parametrize("make", BUFFERS.values(), ids=BUFFERS)
def test_any_buffer(twin: Twin, make: Any) -> None:
    for kind, case in GOOD:
        data = case.data
        expected = head(parser(twin, kind, case.options), data)
        assert head(parser(twin, kind, case.options), data, make=make) == expected
        assert head(parser(twin, kind, case.options), data, list(range(len(data) + 1)), make) == expected
    for kind, bad in BAD[:40]:
        assert head(parser(twin, kind, bad.options), bad.message, make=make)[1] == bad.error


@pytest.mark.parametrize("lines", [1, 100, 200])
def test_bytes_that_become_a_buffer_that_grows(twin: Twin, lines: int) -> None:
    """A first piece ends with a line, longer than what is copied of other buffers at first."""
    head = b"HTTP/1.1 200 OK\r\n" + b"X-Line: some text\r\n" * lines
    http = twin.HttpParser.response(max_header_count=1000)
    assert not http.feed(head)
    whole = bytearray(head + b"X-Last: 1\r\n" * lines)
    assert not http.feed(whole)
    done = http.feed(whole + b"Content-Length: 3\r\n\r\n")
    assert (done.body_start, done.body_len) == (len(whole) + 21, 3)


def test_views_do_not_copy(twin: Twin) -> None:
    buffer = bytearray(b"GET /a HTTP/1.1\r\nHost:  example.com \r\n\r\n")
    http = twin.HttpParser.request()
    done = http.feed(buffer)
    (view,) = http.headers
    assert (view.key(buffer), view.value(buffer)) == (b"Host", b"example.com")
    assert isinstance(view.value(buffer), memoryview)
    with view.value(buffer) as octets:
        octets[0] = ord("E")
    assert http.items(buffer) == [(b"Host", b"Example.com")]
    assert http.method(buffer) == b"GET"
    assert http.target(buffer) == b"/a"
    assert http.target_form is TargetForm.ORIGIN
    assert http.version == (1, 1)
    assert [type(part) for part in http.version] == [int, int]
    assert http.status is None
    assert http.start_line == {"method": (0, 3), "target": (4, 2), "version": (7, 8)}
    assert done.consumed == done.body_start == len(buffer)


def test_a_response_says(twin: Twin) -> None:
    data = b"HTTP/1.0 404 Not  Found\r\nServer: x\r\n\r\n"
    http = twin.HttpParser.response()
    assert http.feed(data).framing is Framing.UNTIL_CLOSE
    assert (http.version, http.status, http.reason(data)) == ((1, 0), 404, b"Not  Found")
    assert http.start_line == {"version": (0, 8), "status": (9, 3), "reason": (13, 10)}
    assert http.target_form is None
    for absent in (http.method, http.target):
        with pytest.raises(ValueError, match=r"no (method|target) was read"):
            absent(data)


@pytest.mark.parametrize(
    ("version", "lines", "persists"),
    [  # RFC 9112 section 9.3
        (b"1.1", b"", True),
        (b"1.0", b"", False),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"connection: x ,\tCLOSE\r\n", False),
        (b"1.1", b"Connection: x\r\nConnection: close\r\n", False),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
        (b"1.0", b"Connection: keep-alive, close\r\n", False),
        (b"1.0", b"Connection: keep-alives\r\n", False),
        (b"1.1", b"Connection: closed, \r\nX: close\r\nConnections: close\r\n", True),
        (b"1.1", b"Connection:\r\n", True),
        (b"1.1", b"Proxy-Connection: close\r\n", True),
    ],
)
@pytest.mark.parametrize("make", BUFFERS.values(), ids=BUFFERS)
def test_all_of_a_response_at_once(
    twin: Twin, make: Any, version: bytes, lines: bytes, persists: bool
) -> None:
    data = make(b"junk" + b"HTTP/%b 404 Not  Found \r\nA: 1\r\n%b\r\nbody" % (version, lines))
    parser = twin.HttpParser.response()
    parser.reset(4)
    with pytest.raises(ValueError, match="no head"):
        parser.received_head(data)
    assert parser.feed(data)
    status, number, reason, items, again = parser.received_head(data)
    assert (status, number) == (parser.status, parser.version) == (404, (1, int(version[-1:])))
    assert reason == parser.reason(data)
    assert items == parser.items(data)
    assert items[0] == (b"A", b"1")
    assert again is persists
    parser.reset()
    with pytest.raises(ValueError, match="no head"):
        parser.received_head(data)


def test_a_request_is_no_response(twin: Twin) -> None:
    parser = twin.HttpParser.request()
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert parser.feed(data)
    with pytest.raises(ValueError, match="no head"):
        parser.received_head(data)
    with pytest.raises(TypeError):
        parser.items(3)


def test_the_fields_of_one_message_are_not_those_of_another(twin: Twin) -> None:
    """A peer repeats itself, and the Rust twin makes use of that: the same, nearly the same, and longer."""
    messages: list[list[tuple[bytes, bytes]]] = [
        [(b"Server", b"x"), (b"Content-Type", b"a/b")],
        [(b"Server", b"x"), (b"Content-Type", b"a/c")],
        [(b"server", b"x"), (b"Content-Type", b"a/c")],
        [(b"Server", b"x")],
        [],
        [(b"S", b"erver"), (b"Content-Typ", b"e: a/c"), (b"More", b"")],
        [(b"S", b"y" * 300), (b"C" * 300, b"1"), (b"More", b"2")],
        [(b"S", b"y" * 300), (b"C" * 300, b"2"), (b"More", b"2")],
        [(b"S", b"y"), (b"C", b"1"), (b"Mor", b"e2"), (b"Again", b"")],
        [(b"N%d" % number, b"%d" % number) for number in range(40)],
        [(b"N%d" % number, b"%d" % (number + number % 2)) for number in range(40)],
        [(b"Server", b"x"), (b"Content-Type", b"a/b")],
    ]
    parser = twin.HttpParser.response()
    for fields in [*messages, *reversed(messages)]:
        lines = b"".join([b"%b: %b\r\n" % field for field in fields])
        data = b"HTTP/1.1 200 OK\r\n%b\r\n" % lines
        parser.reset()
        assert parser.feed(data)
        first = parser.items(data)
        assert first == fields
        first.clear()  # the list is the caller's
        assert parser.items(data) == parser.received_head(bytearray(data))[3] == fields
        short = data[: len(data) // 2]
        assert parser.items(short) == clipped(short, parser.headers)
        assert parser.items(data) == fields


def clipped(data: bytes, views: Any) -> list[tuple[bytes, bytes]]:
    return [(bytes(view.key(data)), bytes(view.value(data))) for view in views]


def test_shapes(twin: Twin) -> None:
    """Results match patterns, compare, and print their fields."""
    http = twin.HttpParser.request()
    more = http.feed(b"GET")
    assert isinstance(more, ParseProgress.NeedMore)
    assert isinstance(more, ParseProgress)
    assert not more
    data = b"GET / HTTP/1.1\r\nA: b\r\n\r\n"
    done = http.feed(data)
    assert done
    assert repr(done) == (
        "Done(consumed=24, body_start=24, body_len=0, framing=<Framing.NONE: 'none'>, framing_conflict=False)"
    )
    again = twin.HttpParser.request()
    assert again.feed(data) == done
    assert hash(again.feed(data)) == hash(done)
    assert done != 24
    (view,) = http.headers
    assert repr(view) == "HeaderView(key_start=16, key_len=1, value_start=19, value_len=1)"
    assert again.headers == (view,)
    assert hash(again.headers[0]) == hash(view)
    assert type(view).__match_args__ == ("key_start", "key_len", "value_start", "value_len")
    assert type(done).__match_args__ == (
        "consumed",
        "body_start",
        "body_len",
        "framing",
        "framing_conflict",
    )
    assert type(view)(16, 1, 19, 1) == view
    assert type(done)(24, 24, 0, Framing.NONE, False) == done
    assert type(done)(24, 24, None, Framing.NONE, False) != done


def test_what_is_exported_matches_patterns() -> None:
    from netkit.http import HttpParser

    match HttpParser.request().feed(b"GET / HTTP/1.1\r\n\r\n"):
        case ParseProgress.Done(consumed=consumed, body_len=0):
            assert consumed == 18
        case _:
            pytest.fail("no Done")
    assert issubclass(ParseProgress.Done, ParseProgress)


def test_pipelined_in_one_buffer(twin: Twin) -> None:
    first = b"POST /1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
    buffer = first + b"\r\nGET /2 HTTP/1.1\r\nA: b\r\n\r\n" + b"BAD\x00"
    http = twin.HttpParser.request()
    done = http.feed(buffer)
    http.reset(done.body_start + done.body_len)
    second = http.feed(buffer)
    assert second.consumed == len(b"\r\nGET /2 HTTP/1.1\r\nA: b\r\n\r\n")
    assert second.body_start == len(buffer) - 4
    assert http.target(buffer) == b"/2"
    assert http.items(buffer) == [(b"A", b"b")]
    http.reset(second.body_start)
    assert not http.feed(buffer)
    error = refused("InvalidMethod", http.feed, buffer + b"\r\n")
    assert error.offset == len(buffer) - 1


def test_reset_begins_anew(twin: Twin) -> None:
    http = twin.HttpParser.response(request_method="HEAD")
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
    assert http.feed(data).framing is Framing.NONE
    http.reset()
    assert http.headers == ()
    assert http.start_line == {}
    assert (http.version, http.status) == (None, None)
    assert http.feed(data).framing is Framing.LENGTH
    http.reset(request_method=b"HEAD")
    assert http.feed(data).framing is Framing.NONE
    with pytest.raises(ValueError, match="start must not be negative"):
        http.reset(-1)
    with pytest.raises(TypeError, match="a method is str or bytes, not int"):
        http.reset(request_method=1)


def test_done_and_refused_stay_so(twin: Twin) -> None:
    http = twin.HttpParser.request()
    data = b"GET / HTTP/1.1\r\n\r\n"
    assert http.feed(data) == http.feed(data + b"more")
    http.reset()
    first = refused("InvalidMethod", http.feed, b"(")
    second = refused("InvalidMethod", http.feed, b"GET / HTTP/1.1\r\n\r\n")
    assert vars(first) == vars(second)
    assert vars(refused("InvalidMethod", http.finish)) == vars(first)


def test_a_kept_error_keeps_nothing_alive(twin: Twin) -> None:
    """What was raised is gone once it is handled, without a collection: no parser is in a cycle with it."""

    def refuse(make: Any, data: bytes) -> weakref.ref[ParseError]:
        parser = make()
        try:
            parser.feed(data)
        except ParseError as error:
            return weakref.ref(error)
        pytest.fail("not refused")

    gc.disable()
    try:
        assert refuse(twin.HttpParser.request, b"(")() is None
        assert refuse(twin.ChunkedDecoder, b"(")() is None
    finally:
        gc.enable()


def test_misuse(twin: Twin) -> None:
    http = twin.HttpParser.request()
    http.feed(b"GET /")
    with pytest.raises(ValueError, match="the buffer has shrunk from 5 to 3 octets"):
        http.feed(b"GET")
    for wrong in ("GET", None, 5, [1]):
        with pytest.raises(TypeError):
            http.feed(wrong)
    with pytest.raises(TypeError):
        http.feed(memoryview(b"GETGET")[::2])
    http.reset(10)
    with pytest.raises(ValueError, match="the buffer has shrunk from 10 to 0 octets"):
        http.feed(b"")
    with pytest.raises(TypeError, match=r"use HttpParser.request\(\) or HttpParser.response\(\)"):
        twin.HttpParser()


@pytest.mark.parametrize(
    "setting", ["max_request_line", "max_header_line", "max_headers_total", "max_header_count"]
)
@pytest.mark.parametrize("value", [-1, 2**30 + 1, 2**70])
def test_limits_have_limits(twin: Twin, setting: str, value: int) -> None:
    for make in (twin.HttpParser.request, twin.HttpParser.response):
        with pytest.raises(ValueError, match=f"{setting} must be from 0 to 1073741824, not {value}"):
            make(**{setting: value})
        with pytest.raises(TypeError):
            make(**{setting: "5"})


@pytest.mark.parametrize(
    ("data", "complete"),
    [
        (b"", True),
        (b"\r\n", True),
        (b"\r", False),
        (b"G", False),
        (b"\x16", False),
        (b"GET / HTTP/1.1\r\n", False),
        (b"GET / HTTP/1.1\r\nA: b\r\n", False),
        (b"GET / HTTP/1.1\r\nA: b\r\n\r\n", True),
    ],
)
def test_the_end_of_the_stream(twin: Twin, data: bytes, complete: bool) -> None:
    http = twin.HttpParser.request()
    http.feed(data)
    if complete:
        http.finish()
    else:
        assert refused("Incomplete", http.finish).offset == len(data)
        refused("Incomplete", http.feed, data + b"more")


def test_exactly_at_the_limits(twin: Twin) -> None:
    line = b"GET / HTTP/1.1"
    data = line + b"\r\nA: 12345\r\nB: 1\r\n\r\n"
    limits = {
        "max_request_line": len(line),
        "max_header_line": 8,
        "max_headers_total": 16,
        "max_header_count": 2,
    }
    for way in WAYS.values():
        assert head(twin.HttpParser.request(**limits), data, way(len(data)))[0] == "done"
        for setting, limit in limits.items():
            less = {**limits, setting: limit - 1}
            outcome = head(twin.HttpParser.request(**less), data, way(len(data)))
            assert outcome[0] == "refused"
            assert (outcome[2]["limit"], outcome[2]["setting"]) == (limit - 1, setting)


def test_every_tolerance_has_a_name() -> None:
    for flag in Lenient:
        assert Lenient.named([flag.option]) is flag
    assert Lenient.named([]) is Lenient.NOTHING
    with pytest.raises(ValueError, match=r"no tolerance is called 'lax'; there are bare-lf, obs-fold, "):
        Lenient.named(["bare-lf", "lax"])


def test_each_refusal_that_can_be_tolerated_is(twin: Twin) -> None:
    """The flag that an error names lets the message pass, wherever the table has it tolerated."""
    for case in TOLERATED_REQUESTS:
        outcome = head(twin.HttpParser.request(), case.data)
        if case.conflict:
            continue
        assert outcome[0] == "refused", case.name
        named = getattr(ParseError, outcome[1]).tolerance
        assert named in case.options["lenient"], case.name


def variants() -> list[type[ParseError]]:
    return [
        value
        for name, value in vars(parse_errors).items()
        if isinstance(value, type) and issubclass(value, ParseError) and name.startswith("Parse")
    ]


def test_errors_are_hung_and_documented() -> None:
    tree = parse_errors.__doc__ or ""
    for variant in variants()[1:]:
        assert getattr(ParseError, variant.__name__) is variant
        assert f"── {variant.__name__} " in tree
        assert variant.section.startswith("RFC ")
        assert 400 <= variant.status <= 599
        if variant.tolerance is not None:
            Lenient.named([variant.tolerance])


def test_errors_keep_their_fields(twin: Twin) -> None:
    for kind, case in BAD:
        error = refused(case.error, parser(twin, kind, case.options).feed, case.message)
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), vars(copy), str(copy)) == (type(error), vars(error), str(error))
        assert str(error).endswith(f"at octet {case.offset}")
        assert str(error).isascii()
        assert str(error).isprintable()
        assert error.kind == case.error
        assert (error.layer, error.fault) == ("http", "peer")


# What it costs


def looked_at(twin: Twin, data: bytes, step: int, kind: str = "request", **given: Any) -> int:
    http = parser(twin, kind, given)
    for end in range(step, len(data) + step, step):
        if http.feed(data[:end]):
            break
    else:
        pytest.fail("not done")
    count: int = http.looked_at
    return count


@pytest.mark.parametrize("shape", ["many lines", "long lines", "folded lines", "spaces"])
def test_cost_is_linear(twin: Twin, shape: str) -> None:
    """One byte at a time over 64 KiB of headers, no octet is looked at more than a few times."""
    lines = {
        "many lines": b"A: b\r\n",
        "long lines": b"A: " + b"x" * 16000 + b"\r\n",
        "folded lines": b"A: b\r\n c\r\n",
        "spaces": b"A:" + b" " * 8000 + b"b" + b" " * 8000 + b"\r\n",
    }[shape]
    given = {"max_header_count": 2**20, "lenient": ["obs-fold"]}
    begin = b"GET / HTTP/1.1\r\n"
    for size in (16 * 1024, 64 * 1024):
        data = begin + lines * (size // len(lines)) + b"\r\n"
        assert len(data) / 2 < looked_at(twin, data, 1, **given) <= 4 * len(data)
        assert looked_at(twin, data, len(data), **given) <= 4 * len(data)


def test_a_body_is_not_looked_at(twin: Twin) -> None:
    assert looked_at(twin, BROWSER + b"\n" * 100_000, 200_000) <= 4 * len(BROWSER)
