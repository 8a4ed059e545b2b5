"""Servers of HTTP/2 that flood, reset, leave, or send frames that they must not (RFC 9113)."""

from __future__ import annotations

import struct
from collections.abc import Callable

from netkit.http.connection.errors import ConnectionFault, ErrorCode, IncompleteMessage, StreamFault
from netkit.http.errors import HttpError
from netkit.http.parser.errors import ParseError
from tests.http.client.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    SETTINGS,
    Frames,
    Http2,
    block,
    data,
    flood,
    frame,
    frames,
    goaway,
    good,
    headers,
    hello,
    integer,
    nothing,
    raw_headers,
    reset,
    settings,
    window,
)
from tests.http.client.scripting import (
    CLOSE,
    RESET,
    Ask,
    Outcome,
    Scenario,
    Script,
    Service,
    Visitor,
    response,
)

HELLO = b"hello\n"
OK = (":status", "200")
#: The next request, on whatever connection, is answered well.
THEN_GOOD = (Outcome(status=200, body=HELLO),)
AGAIN = Ask(again=("GET",))
UNHARMED = Outcome(status=200, body=HELLO, again=THEN_GOOD)
UNANSWERED = Outcome(errors=(TimeoutError,), again=THEN_GOOD)
BRIEF = Ask(again=("GET",), timeout=0.2)
#: A client may send a request before the server's SETTINGS have come (section 3.4), and need not wait then.
IN_TIME = Outcome(status=200, body=HELLO, requests=1)
GONE = (HttpError.ConnectionError, ConnectionFault, IncompleteMessage)


def _scenario(
    name: str, script: Script, outcome: Outcome, rule: str, ask: Ask = AGAIN, *later: Script
) -> Scenario:
    scripts = [script, *(later or (good,))]
    return Scenario(name, scripts, outcome, f"RFC 9113 section {rule}", ask, version="2-prior-knowledge")


def _flood(name: str, begin: Frames, piece: Frames, limit: str | None, rule: str = "10.5") -> Scenario:
    """Frames without end: the connection ends, and the next request gets another."""
    outcome = Outcome(errors=(ConnectionFault,), limit=limit, again=THEN_GOOD, connections=2)
    return _scenario(name, flood(begin, piece), outcome, rule)


def _broken(
    name: str,
    answer: Frames,
    rule: str,
    *,
    greeting: bytes | None = None,
    passes: Outcome | None = None,
    ask: Ask = AGAIN,
) -> Scenario:
    """A connection error: the request fails, and the next one gets another connection.

    `passes` is what comes of it where one of the two libraries of HTTP/2 does not look, and no harm is done.
    """
    outcome = Outcome(errors=(ConnectionFault,), again=THEN_GOOD, connections=2, or_else=passes)
    return _scenario(name, frames(answer, greeting=greeting), outcome, rule, ask)


def _stream_error(name: str, answer: Frames, rule: str, *, passes: Outcome | None = None) -> Scenario:
    """A stream error. The connection may go on; RFC 9113 section 5.4.2 lets it be ended, too."""
    errors = (ConnectionFault, HttpError.InvalidResponse)
    outcome = Outcome(errors=errors, again=THEN_GOOD, or_else=passes)
    return _scenario(name, frames(answer), outcome, rule)


def _malformed(
    name: str, *fields: tuple[str | bytes, str | bytes], passes: Outcome | None = None
) -> Scenario:
    return _stream_error(
        f"malformed: {name}", lambda s: headers(s, *fields, end=True), "8.1.1", passes=passes
    )


def _begun(stream: int) -> bytes:
    return headers(stream, OK)


def _many_parts(stream: int) -> bytes:
    """HEADERS and CONTINUATION frames, each a part of one field's value that never ends."""
    return headers(stream, OK, more=True)


def _hpack_bomb(stream: int) -> bytes:
    """One field of 4,000 octets, which the dynamic table keeps, and then an octet for each repetition."""
    first = block(OK) + block(("x-bomb", "v" * 4000), indexed=True)
    return raw_headers(stream, first + b"\xbe" * 12000, end=True)


def _goaway_first(last: int, code: int = 0, *, answered: bool = False, end: str = CLOSE) -> Script:
    """GOAWAY when the first request comes."""

    def script(visitor: Visitor) -> None:
        peer = Http2(visitor)
        stream = peer.request().stream
        peer.send(goaway(last, code))
        if answered:
            peer.send(hello(stream))
        visitor.leave(end)

    return script


def _refuses(times: int | None) -> Script:
    """REFUSED_STREAM for so many requests (None: all of them)."""

    def script(visitor: Visitor) -> None:
        peer = Http2(visitor)
        while times is None or len(visitor.service.requests) < times:
            peer.send(reset(peer.request().stream, ErrorCode.REFUSED_STREAM))
        peer.serve()

    return script


def _answers_early(code: int) -> Script:
    """A whole answer before the body was read, and RST_STREAM behind it (section 8.1)."""

    def script(visitor: Visitor) -> None:
        peer = Http2(visitor)
        received, _ = peer.head()
        peer.send(hello(received.stream), reset(received.stream, code))
        peer.until_gone()

    return script


def ignores_windows(visitor: Visitor) -> None:
    """Twice the window of a stream for the first request, without waiting for credit; then good answers."""
    peer = Http2(visitor)
    stream = peer.request().stream
    peer.send(headers(stream, OK), data(stream, bytes(16384)) * 128, data(stream, b"", end=True))
    peer.serve()


def _http1(visitor: Visitor) -> None:
    visitor.more()
    visitor.send(response(400, b"speak HTTP/1.1\n"))
    visitor.leave(CLOSE)


def _leaves(visitor: Visitor) -> None:
    visitor.leave(CLOSE)


def _methods(*expected: str) -> Callable[[Service], None]:
    def check(service: Service) -> None:
        found = [each.method for each in service.requests]
        assert found == list(expected), found

    return check


def _few(service: Service) -> None:
    count = len(service.requests)
    assert count <= 10, f"{count} requests"


FLOODS = [
    _flood("a SETTINGS flood", nothing, lambda s: settings((4, 65535)), "max_settings"),
    _flood("a flood of empty SETTINGS", nothing, lambda s: settings(), "max_settings"),
    _flood("a PING flood", nothing, lambda s: frame(PING, 0, 0, b"pingping"), "max_pings"),
    _flood("a flood of empty DATA", _begun, data, "max_empty_frames"),
    _flood("a flood of padded empty DATA", _begun, lambda s: frame(DATA, PADDED, s, b"\x05" + bytes(5)),
           "max_empty_frames"),
    _flood("a PRIORITY flood", nothing, lambda s: frame(PRIORITY, 0, s, bytes(5)), "max_empty_frames"),
    _flood("a WINDOW_UPDATE flood", nothing, lambda s: window(0, 1), "max_empty_frames"),
    _flood("a CONTINUATION flood", _many_parts, lambda s: frame(CONTINUATION, 0, s), "max_continuations"),
    _flood("a header block without end", _many_parts,
           lambda s: frame(CONTINUATION, 0, s, block(("x-a", "v" * 1000))), None),
    _flood("interim responses without end", nothing, lambda s: headers(s, (":status", "103")), "max_interim",
           "8.1"),
    _scenario("an HPACK bomb", frames(_hpack_bomb),
              # The Rust crate stops it without saying why.
              Outcome(errors=(ConnectionFault,), limit="max_header", again=THEN_GOOD,
                      or_else=Outcome(errors=(StreamFault,), again=THEN_GOOD)), "10.5.1"),
    _scenario("many small fields",
              frames(lambda s: headers(s, OK, *[("a", "b")] * 1000, end=True)),
              Outcome(errors=(ConnectionFault,), limit="max_header_count", again=THEN_GOOD), "10.5.1"),
    _scenario(
        "unknown frames and settings, to be ignored",
        frames(lambda s: frame(0xBB, 0xFF, s, b"what") + frame(0xCC, 0, 0, b"is") + hello(s),
               greeting=settings((0xF000, 1))),
        Outcome(status=200, body=HELLO, again=THEN_GOOD, connections=1), "5.5",
    ),
]  # fmt: skip

GOODBYES = [
    _scenario(
        "GOAWAY below the request", _goaway_first(0),
        Outcome(status=200, body=HELLO, again=THEN_GOOD, connections=2), "6.8",
    ),
    _scenario(
        "GOAWAY below a POST", _goaway_first(0),
        Outcome(status=200, body=HELLO, connections=2, check=_methods("POST", "POST")), "6.8",
        Ask(method="POST", body=b"content"),
    ),
    _scenario(
        "GOAWAY, and the request is still answered", _goaway_first(1, answered=True),
        Outcome(status=200, body=HELLO, again=THEN_GOOD, connections=2), "6.8",
    ),
    _scenario(
        "GOAWAY at the request, and no answer", _goaway_first(1, ErrorCode.INTERNAL_ERROR),
        Outcome(errors=GONE, again=THEN_GOOD, connections=2, requests=2), "6.8",
        Ask(method="POST", body=b"content", again=("GET",)),
    ),
    _scenario(
        "GOAWAY below every request", _goaway_first(0),
        Outcome(errors=GONE, check=_few), "6.8", Ask(), _goaway_first(0),
    ),
    _scenario(
        "a reset without an answer", _goaway_first(1, end=RESET),
        Outcome(errors=GONE, again=THEN_GOOD), "9.1", Ask(method="POST", body=b"c", again=("GET",)),
    ),
    _scenario(
        "REFUSED_STREAM once", _refuses(1),
        Outcome(status=200, body=HELLO, check=_methods("GET", "GET")), "8.7", Ask(),
    ),
    _scenario(
        "REFUSED_STREAM once for a POST", _refuses(1),
        Outcome(status=200, body=HELLO, check=_methods("POST", "POST")), "8.7", Ask("POST", body=b"content"),
    ),
    _scenario(
        "REFUSED_STREAM for ever", _refuses(None), Outcome(errors=(StreamFault,), check=_few), "8.7", Ask(),
        _refuses(None),
    ),
    _scenario(
        "RST_STREAM before the head", frames(lambda s: reset(s, ErrorCode.INTERNAL_ERROR)),
        Outcome(errors=(StreamFault,), again=THEN_GOOD, connections=1, requests=2), "5.4.2",
    ),
    _scenario(
        "RST_STREAM in the body",
        frames(lambda s: headers(s, OK) + data(s, b"part") + reset(s, ErrorCode.CANCEL)),
        Outcome(errors=(StreamFault,), again=THEN_GOOD, connections=1, requests=2), "5.4.2",
    ),
    _scenario(
        "a whole answer before the body, and NO_ERROR", _answers_early(ErrorCode.NO_ERROR),
        Outcome(status=200, body=HELLO), "8.1", Ask("POST", body=bytes(1 << 20)),
    ),
    _scenario(
        "closed in the body", frames(lambda s: headers(s, OK) + data(s, b"part"), end=CLOSE),
        Outcome(errors=GONE, again=THEN_GOOD, connections=2), "8.1",
    ),
    _scenario("HTTP/1.1 where HTTP/2 was expected", _http1,
              Outcome(errors=(ConnectionFault, HttpError, ParseError)), "3.4", Ask(), _http1),
    _scenario("an end in the place of SETTINGS", _leaves, Outcome(errors=GONE, check=_few), "3.4", Ask(),
              _leaves),
]  # fmt: skip

RULES = [
    _broken("HTTP/2 that does not begin with SETTINGS", nothing, "3.4",
            greeting=frame(PING, 0, 0, b"pingping")),
    # The Rust crate takes it; PUSH_PROMISE itself is refused all the same.
    _broken("a server that enables push", hello, "6.5.2", greeting=settings((2, 1)), passes=UNHARMED),
    _broken("a window that is too large", hello, "6.5.2", greeting=settings((4, 1 << 31))),
    _broken("a frame size that is too small", hello, "6.5.2", greeting=settings((5, 100))),
    _broken("SETTINGS of a wrong length", lambda s: frame(SETTINGS, 0, 0, b"12345"), "6.5"),
    _broken("SETTINGS on a stream", lambda s: frame(SETTINGS, 0, s), "6.5"),
    _broken("PUSH_PROMISE", lambda s: frame(
        PUSH_PROMISE, END_HEADERS, s, struct.pack(">I", 2) + block((":method", "GET"), (":path", "/"),
                                                                   (":scheme", "http"), (":authority", "a"))
    ) + hello(s), "8.4"),
    # python-hyper drops it: the request then has no answer, and its time runs out.
    _broken("HEADERS on a stream of its own", lambda s: headers(2, OK, end=True), "5.1.1",
            passes=UNANSWERED, ask=BRIEF),
    _broken("DATA on an idle stream", lambda s: data(s + 100, b"data"), "5.1"),
    _broken("DATA on stream 0", lambda s: data(0, b"data"), "6.1"),
    _broken("HEADERS on stream 0", lambda s: headers(0, OK), "6.2"),
    _broken("a frame that is too long", lambda s: headers(s, OK) + data(s, bytes(20_000)), "4.2"),
    _broken("padding longer than its frame", lambda s: frame(DATA, PADDED, s, b"\x64ab"), "6.1"),
    _broken("another frame in a header block", lambda s: headers(s, OK, more=True) + data(s, b"x"), "6.10"),
    _broken("CONTINUATION without a header block", lambda s: frame(CONTINUATION, END_HEADERS, s), "6.10"),
    _broken("a window that overflows", lambda s: window(0, 2**31 - 1) * 2, "6.9.1"),
    _broken("an increment of 0", lambda s: window(0, 0), "6.9"),
    _broken("PING of a wrong length", lambda s: frame(PING, 0, 0, b"ping"), "6.7"),
    _broken("GOAWAY that is too short", lambda s: frame(7, 0, 0, b"1234"), "6.8"),
    _broken("RST_STREAM of an idle stream", lambda s: reset(s + 100, 8), "6.4",
            passes=UNANSWERED, ask=BRIEF),  # python-hyper drops it
    _broken("an index that is not in the table", lambda s: raw_headers(s, b"\xff\x80\x01", end=True), "4.3"),
    _broken("a header block that is cut off", lambda s: raw_headers(s, b"\x00\x0ax-a", end=True), "4.3"),
    _broken("a dynamic table that is too large",
            lambda s: raw_headers(s, integer(1 << 20, 5, 0x20) + block(OK), end=True), "4.3"),
    _stream_error("DATA before HEADERS", lambda s: data(s, b"early", end=True), "8.1"),
    _stream_error("DATA behind an interim response",
                  lambda s: headers(s, (":status", "103")) + data(s, b"early", end=True), "8.1"),
    _stream_error("an interim response that ends the stream",
                  lambda s: headers(s, (":status", "103"), end=True), "8.1"),
    _stream_error("less than the length", lambda s: headers(s, OK, ("content-length", "9"))
                  + data(s, b"short", end=True), "8.1.1"),
    _stream_error("more than the length", lambda s: headers(s, OK, ("content-length", "3"))
                  + data(s, b"longer", end=True), "8.1.1"),
    _stream_error("trailers that do not end the stream",
                  lambda s: headers(s, OK) + data(s, b"x") + headers(s, ("x-a", "b")), "8.1"),
    _stream_error("a pseudo-header field among the trailers",
                  lambda s: headers(s, OK) + data(s, b"x") + headers(s, OK, end=True), "8.1",
                  passes=Outcome(status=200, body=b"x", again=THEN_GOOD)),  # both forms drop the field
    _malformed("no :status", ("x-a", "b")),
    _malformed(":status twice", OK, OK),
    _malformed(":status of two digits", (":status", "20")),
    _malformed(":status that is no number", (":status", "abc")),
    _malformed(":status behind a field", ("x-a", "b"), OK),
    _malformed("a pseudo-header field of requests", OK, (":path", "/"),
               passes=Outcome(status=200, body=b"", again=THEN_GOOD)),  # both forms drop the field
    _malformed("an upper-case name", OK, ("X-A", "b")),
    _malformed("a name with a space", OK, ("x a", "b")),
    _malformed("a name with a colon", OK, ("x:a", "b")),
    _malformed("no name", OK, ("", "b")),
    _malformed("CR and LF in a value", OK, ("x-a", "b\r\nset-cookie: c=d")),
    _malformed("NUL in a value", OK, ("x-a", "b\0c")),
    _malformed("Connection", OK, ("connection", "close")),
    _malformed("Transfer-Encoding", OK, ("transfer-encoding", "chunked")),
    _malformed("two lengths", OK, ("content-length", "0"), ("content-length", "5")),
    _stream_error("101 (Switching Protocols)", lambda s: headers(s, (":status", "101")) + hello(s), "8.6"),
    _scenario(
        "HEADERS behind the end of the stream",
        frames(lambda s: hello(s) + headers(s, ("x-a", "b"), end=True)),
        Outcome(status=200, body=HELLO, again=THEN_GOOD,
                or_else=Outcome(errors=(ConnectionFault,), again=THEN_GOOD)),
        "5.1",
    ),
    _scenario(
        "DATA behind the end of the stream", frames(lambda s: hello(s) + data(s, b"poison", end=True)),
        Outcome(status=200, body=HELLO, again=THEN_GOOD,
                or_else=Outcome(errors=(ConnectionFault,), again=THEN_GOOD)),
        "5.1",
    ),
    _scenario(
        # Who reads on gives credit in time; test_hostile.py has the client that does not.
        "DATA without a look at the windows", ignores_windows,
        Outcome(errors=(ConnectionFault,), again=THEN_GOOD, or_else=Outcome(status=200, again=THEN_GOOD)),
        "6.9.1",
    ),
    _scenario(
        "a stream that ends with HEADERS", frames(lambda s: headers(s, (":status", "204"), end=True)),
        Outcome(status=204, body=b"", again=THEN_GOOD, connections=1), "8.1",
    ),
    _scenario(
        "padding and CONTINUATION where they may be",
        frames(lambda s: frame(HEADERS, 0, s, block(OK))
               + frame(CONTINUATION, END_HEADERS, s, block(("a", "b")))
               + frame(DATA, PADDED | END_STREAM, s, b"\x03" + HELLO + bytes(3))),
        Outcome(status=200, body=HELLO, again=THEN_GOOD, connections=1), "6.1",
    ),
    _scenario(
        "no stream is ever allowed", frames(greeting=settings((3, 0))),
        Outcome(errors=(TimeoutError,), requests=0, or_else=IN_TIME), "5.1.2", Ask(timeout=0.2),
    ),
    _scenario(
        "no octet of a body is ever allowed", frames(greeting=settings((4, 0))),
        Outcome(errors=(TimeoutError,), requests=1, or_else=IN_TIME), "6.9.2",
        Ask("POST", body=b"content", timeout=0.2),
    ),
]  # fmt: skip

SCENARIOS: list[Scenario] = [*FLOODS, *GOODBYES, *RULES]
