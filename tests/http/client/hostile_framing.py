"""Servers that lie about where a message ends, or send heads without end (RFC 9112)."""

from __future__ import annotations

from netkit.http.connection.errors import ConnectionFault, IncompleteMessage
from netkit.http.errors import HttpError
from netkit.http.parser.errors import ParseError
from tests.http.client.scripting import (
    CLOSE,
    RESET,
    Ask,
    Outcome,
    Scenario,
    answers,
    endless,
    repeated,
    response,
)

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
POISON = response(200, b"poison\n")
GOOD = answers(response(200, b"good\n"))

#: The connection ended before the message did.
CUT = (IncompleteMessage, ParseError.Incomplete)
#: There was no answer at all.
GONE = (HttpError.ConnectionError,)
AGAIN = Ask(again=("GET",))


def fails(*errors: type[BaseException], limit: str | None = None, requests: int | None = 1) -> Outcome:
    """The exchange fails, and the connection with it: the next one is good."""
    return Outcome(errors=errors, limit=limit, requests=requests)


def _wrong(name: str, data: bytes, *errors: type[BaseException], rule: str, end: str = "wait") -> Scenario:
    """A response that is refused for what is in it."""
    return Scenario(name, [answers(data, end=end)], fails(*errors), rule)


def _endless(
    name: str, begin: bytes, piece: bytes, *errors: type[BaseException], limit: str | None, rule: str
) -> Scenario:
    return Scenario(name, [endless(begin, repeated(piece))], fails(*errors, limit=limit), rule)


def _separate(
    name: str, data: bytes, body: bytes, rule: str, method: str = "GET", status: int = 200
) -> Scenario:
    """What follows the response is not taken for the next one: that comes on a connection of its own."""
    again = Outcome(status=200, body=b"good\n")
    outcome = Outcome(status=status, body=body, again=(again,), connections=2, requests=2)
    return Scenario(name, [answers(data), GOOD], outcome, rule, ask=Ask(method=method, again=("GET",)))


def _cut(name: str, data: bytes, *errors: type[BaseException], end: str = CLOSE) -> Scenario:
    return Scenario(name, [answers(data, end=end)], fails(*errors), "RFC 9112 section 8")


HEADS = [
    _endless(
        "endless header lines", OK, b"X-Line: value\r\n",
        ParseError.TooManyHeaders, ParseError.HeaderTooLong, limit="max_header_count",
        rule="RFC 9110 section 5.4",
    ),
    _endless(
        "one endless header line", OK + b"X-Line: ", b"v" * 4096,
        ParseError.HeaderTooLong, limit="max_header", rule="RFC 9110 section 5.4",
    ),
    _endless(
        "long header lines", OK, b"X-Line: " + b"v" * 4000 + b"\r\n",
        ParseError.HeaderTooLong, limit="max_header", rule="RFC 9110 section 5.4",
    ),
    _endless(
        "an endless reason", b"HTTP/1.1 200 ", b"why" * 1000,
        ParseError.RequestLineTooLong, limit=None, rule="RFC 9112 section 4",
    ),
    _endless(
        "empty lines without end", b"", b"\r\n",
        ParseError.InvalidStatusLine, ParseError.RequestLineTooLong, limit=None, rule="RFC 9112 section 2.2",
    ),
    _endless(
        "interim responses without end", b"", b"HTTP/1.1 102 Processing\r\n\r\n",
        ConnectionFault, limit="max_interim", rule="RFC 9110 section 15.2",
    ),
    _endless(
        "endless trailers", CHUNKED + b"0\r\n", b"X-Line: value\r\n",
        ParseError.TooManyHeaders, ParseError.HeaderTooLong, limit=None, rule="RFC 9112 section 7.1.2",
    ),
    _endless(
        "chunk extensions without end", CHUNKED, b"1;" + b"e=" + b"x" * 200 + b"\r\na\r\n",
        ParseError.ChunkExtensionTooLong, limit=None, rule="RFC 9112 section 7.1.1",
    ),
    _endless(
        "one endless chunk extension", CHUNKED + b"1;e=", b"x" * 4096,
        ParseError.ChunkExtensionTooLong, limit=None, rule="RFC 9112 section 7.1.1",
    ),
    Scenario(
        "some interim responses",
        [answers(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 16 + response())],
        Outcome(status=200, body=b"hello\n", requests=2, connections=1, again=(Outcome(status=200),)),
        "RFC 9110 section 15.2", AGAIN,
    ),
    Scenario(
        "100 (Continue) that nobody asked for",
        [answers(b"HTTP/1.1 100 Continue\r\n\r\n" + response())],
        Outcome(status=200, body=b"hello\n", requests=1), "RFC 9110 section 15.2.1",
    ),
    Scenario(
        "an octet at a time",
        [answers(response(200, b"hello\n", ("X-Some", "fields")), octets=True)],
        Outcome(status=200, body=b"hello\n", requests=2, connections=1, again=(Outcome(body=b"hello\n"),)),
        "RFC 9112 section 2.2", AGAIN,
    ),
    Scenario(
        "chunks an octet at a time",
        [answers(CHUNKED + b"1\r\na\r\n" * 200 + b"0\r\nX-Sum: 1\r\n\r\n", octets=True)],
        Outcome(status=200, body=b"a" * 200, requests=2, connections=1, again=(Outcome(body=b"a" * 200),)),
        "RFC 9112 section 7.1", AGAIN,
    ),
    _wrong("HTTP/0.9", b"<html>hello</html>\r\n", ParseError, rule="RFC 9112 section 2.3", end=CLOSE),
    _wrong("another protocol", b"220 smtp.example.com ESMTP\r\n", ParseError, rule="RFC 9112 section 4"),
    _wrong("a TLS alert without TLS", b"\x15\x03\x01\x00\x02\x02\x46", ParseError, rule="RFC 9112 section 4"),
    _wrong("HTTP/3.0", b"HTTP/3.0 200 OK\r\n\r\n", ParseError, rule="RFC 9110 section 2.5"),
    _wrong("a status of two digits", b"HTTP/1.1 20 OK\r\n\r\n", ParseError, rule="RFC 9112 section 4"),
    _wrong("a status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n", ParseError, rule="RFC 9112 section 4"),
    _wrong(
        "NUL in a value", OK + b"X-A: a\0b\r\nContent-Length: 0\r\n\r\n",
        ParseError.InvalidHeaderValue, rule="RFC 9110 section 5.5",
    ),
    _wrong(
        "an escape sequence in a value", OK + b"X-A: \x1b]0;owned\x07\r\nContent-Length: 0\r\n\r\n",
        ParseError.InvalidHeaderValue, rule="RFC 9110 section 5.5",
    ),
    _wrong(
        "an escape sequence in the reason", b"HTTP/1.1 200 \x1b[2J\r\nContent-Length: 0\r\n\r\n",
        ParseError.InvalidStatusLine, rule="RFC 9112 section 4",
    ),
    _wrong("a bare CR", OK + b"X-A: a\rX-B: b\r\n\r\n", ParseError, rule="RFC 9112 section 2.2"),
    _wrong(
        "a space before the colon", OK + b"Content-Length : 5\r\n\r\nhello",
        ParseError.SpaceBeforeColon, ParseError.InvalidHeaderName, rule="RFC 9112 section 5.1",
    ),
    _wrong("no colon", OK + b"Content-Length 5\r\n\r\nhello", ParseError, rule="RFC 9112 section 5"),
    _wrong("no field name", OK + b": value\r\n\r\n", ParseError, rule="RFC 9110 section 5.1"),
    Scenario(
        "octets above ASCII",
        [answers(b"HTTP/1.1 200 \x9b\xe9\r\nX-A: \xff\xfe\r\nContent-Length: 2\r\n\r\nok")],
        Outcome(status=200, body=b"ok", requests=1), "RFC 9110 section 5.5",
    ),
    Scenario(
        "escape sequences in the body", [answers(response(200, b"\x1b]0;owned\x07\x1b[2J"))],
        Outcome(status=200, body=b"\x1b]0;owned\x07\x1b[2J", requests=1), "RFC 9110 section 6.4",
    ),
    _wrong(
        "101 (Switching Protocols) unasked", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        ConnectionFault, rule="RFC 9110 section 15.2.2",
    ),
]  # fmt: skip

LENGTHS = [
    _wrong(
        "a Content-Length twice", OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        ParseError.ConflictingContentLength, rule="RFC 9112 section 6.3",
    ),
    *(
        _wrong(
            f"Content-Length: {value.decode()}", OK + b"Content-Length: " + value + b"\r\n\r\nhello",
            ParseError, rule="RFC 9110 section 8.6",
        )
        for value in (b"-5", b"+5", b"0x5", b"5 5", b"five", b"", b"99999999999999999999")
    ),
    _cut("closed before the length", OK + b"Content-Length: 10\r\n\r\nhello", *CUT),
    _cut("reset before the length", OK + b"Content-Length: 10\r\n\r\nhello", *CUT, *GONE, end=RESET),
    _separate("more than the length", OK + b"Content-Length: 3\r\n\r\nhello", b"hel", "RFC 9112 section 6.3"),
    _separate("two responses for one request", response() + POISON, b"hello\n", "RFC 9112 section 9.2"),
    _separate(
        "the second response in the first's body", OK + b"Content-Length: 3\r\n\r\nhel" + POISON,
        b"hel", "RFC 9112 section 9.2",
    ),
    _separate(
        "two responses, the first chunked", CHUNKED + b"3\r\nhel\r\n0\r\n\r\n" + POISON,
        b"hel", "RFC 9112 section 9.2",
    ),
    _separate(
        "204 with a body", b"HTTP/1.1 204 No Content\r\n\r\n" + POISON, b"",
        "RFC 9112 section 6.3", status=204,
    ),
    _separate(
        "304 with a body", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\npoison\n", b"",
        "RFC 9112 section 6.3", status=304,
    ),
    _separate("HEAD with a body", POISON, b"", "RFC 9112 section 6.3", method="HEAD"),
    Scenario(
        "HEAD with a length and no body",
        [answers(OK + b"Content-Length: 100\r\n\r\n", response())],
        Outcome(status=200, body=b"", requests=2, connections=1, again=(Outcome(body=b"hello\n"),)),
        "RFC 9110 section 9.3.2", Ask(method="HEAD", again=("GET",)),
    ),
    Scenario(
        "both Content-Length and chunked",
        [answers(CHUNKED[:-2] + b"Content-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), GOOD],
        Outcome(
            status=200, body=b"hello", connections=2, again=(Outcome(status=200, body=b"good\n"),),
            or_else=Outcome(errors=(ParseError, HttpError.InvalidResponse)),
        ),
        "RFC 9112 section 6.3: an error, or chunked wins and the connection ends", AGAIN,
    ),
    _wrong(
        "chunked in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        ParseError.InvalidTransferEncoding, rule="RFC 9112 section 6.1", end=CLOSE,
    ),
    _wrong(
        "chunked twice", OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        ParseError.InvalidTransferEncoding, rule="RFC 9112 section 7.1", end=CLOSE,
    ),
    Scenario(
        "HTTP/1.0 that keeps the connection",
        [answers(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")],
        Outcome(status=200, body=b"ok", requests=2, connections=1, again=(Outcome(status=200, body=b"ok"),)),
        "RFC 9112 section 9.3", AGAIN,
    ),
    Scenario(
        "HTTP/1.0 that closes",
        [answers(b"HTTP/1.0 200 OK\r\n\r\nok", end=CLOSE)],
        Outcome(status=200, body=b"ok", requests=2, connections=2, again=(Outcome(status=200, body=b"ok"),)),
        "RFC 9112 section 6.3", AGAIN,
    ),
    Scenario(
        "Connection: close, and the server stays",
        [answers(OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok")],
        Outcome(status=200, body=b"ok", requests=2, connections=2, again=(Outcome(status=200, body=b"ok"),)),
        "RFC 9112 section 9.6", AGAIN,
    ),
    _cut("reset in a body that the end of the connection ends", OK + b"\r\nhello", *GONE, *CUT, end=RESET),
]  # fmt: skip

CHUNKS = [
    *(
        _wrong(
            f"the chunk size {size.decode()!r}", CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n",
            ParseError, rule="RFC 9112 section 7.1",
        )
        for size in (b"five", b"-5", b"+5", b"0x5", b"", b" 5", b"5_0", b"FFFFFFFFFFFFFFFF", b"1" + b"0" * 30)
    ),
    _wrong(
        "a chunk longer than its size", CHUNKED + b"3\r\nhello\r\n0\r\n\r\n",
        ParseError.InvalidChunkEnd, rule="RFC 9112 section 7.1",
    ),
    _wrong(
        "a chunk's line with LF alone", CHUNKED + b"5\nhello\r\n0\r\n\r\n",
        ParseError.BareLineFeed, ParseError.InvalidChunkSize, rule="RFC 9112 section 7.1",
    ),
    _wrong(
        "Content-Length among the trailers", CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
        ParseError.ForbiddenTrailer, rule="RFC 9110 section 6.5.1",
    ),
]  # fmt: skip

ENDS = [
    Scenario(
        "closed without an answer", [answers(b"", end=CLOSE)],
        Outcome(errors=GONE, requests=1, or_else=Outcome(errors=GONE, requests=2)), "RFC 9112 section 9.3.1",
    ),
    Scenario(
        "reset without an answer", [answers(b"", end=RESET)],
        Outcome(errors=GONE, requests=1, or_else=Outcome(errors=GONE, requests=2)), "RFC 9112 section 9.3.1",
    ),
    _cut("closed in the status line", b"HTTP/1.1 2", *CUT),
    _cut("closed in a header line", OK + b"Content-Le", *CUT),
    _cut("closed before the empty line", OK + b"Content-Length: 5\r\n", *CUT),
    _cut("closed after an interim response", b"HTTP/1.1 103 Early Hints\r\n\r\n", *CUT, *GONE),
    _cut("closed in a chunk's size", CHUNKED + b"5", *CUT),
    _cut("closed in a chunk", CHUNKED + b"5\r\nhel", *CUT),
    _cut("closed after a chunk's data", CHUNKED + b"5\r\nhello", *CUT),
    _cut("closed between chunks", CHUNKED + b"5\r\nhello\r\n", *CUT),
    _cut("closed before the trailers", CHUNKED + b"5\r\nhello\r\n0\r\n", *CUT),
    _cut("closed in the trailers", CHUNKED + b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n", *CUT),
    _cut("reset between chunks", CHUNKED + b"5\r\nhello\r\n", *CUT, *GONE, end=RESET),
]  # fmt: skip

SCENARIOS: list[Scenario] = [*HEADS, *LENGTHS, *CHUNKS, *ENDS]
