"""A message for every code that `diagnose` knows, with the offset and the length of what is found in it."""

from __future__ import annotations

from typing import Any, NamedTuple

from netkit.http.parser.framing import Lenient

NOTHING: dict[str, Any] = {}


class Example(NamedTuple):
    """Octets in which `code` is found at `offset`, and how they are to be read."""

    code: str
    octets: bytes
    offset: int
    length: int
    severity: str = "error"
    options: dict[str, Any] = NOTHING

    @property
    def kind(self) -> str:
        return "response" if self.octets.startswith(b"HTTP/") else "request"


def _get(*lines: bytes) -> bytes:
    return b"\r\n".join([b"GET / HTTP/1.1", b"Host: a", *lines, b"", b""])


def _post(*lines: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"POST / HTTP/1.1", b"Host: a", *lines, b"", body])


def _chunked(body: bytes) -> bytes:
    return _post(b"Transfer-Encoding: chunked", body=body)


# `GET / HTTP/1.1`, `Host: a` and their ends: where the first field after them begins.
FIELD = 25
# `POST / HTTP/1.1`, `Host: a`.
POST_FIELD = 26
CHUNKS = len(_chunked(b""))

EXAMPLES = [
    # What the parser refuses
    Example(
        "request-line-too-long",
        b"GET /" + b"x" * 80 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        60,
        1,
        options={"max_request_line": 60},
    ),
    Example("header-too-long", _get(b"X: " + b"x" * 80), FIELD + 60, 1, options={"max_header_line": 60}),
    Example("too-many-headers", _get(b"X: y"), FIELD, 1, options={"max_header_count": 1}),
    Example("invalid-request-line", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 4, 1),
    Example("invalid-method", b"G\tET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, 1),
    Example("unknown-method", b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 4),
    Example("invalid-target", b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 5, 1),
    Example("invalid-version", b"GET / HTTP/1.1x\r\nHost: a\r\n\r\n", 14, 1),
    Example("unsupported-version", b"GET / HTTP/1.7\r\nHost: a\r\n\r\n", 6, 8),
    Example("invalid-status-line", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", 12, 1),
    Example("invalid-header-name", _get(b"A\x01: b"), FIELD + 1, 1),
    Example("missing-colon", _get(b"Foo"), FIELD + 3, 1),
    Example("space-before-colon", _get(b"Foo : b"), FIELD + 3, 1),
    Example("invalid-header-value", _get(b"A: b\0c"), FIELD + 4, 1),
    Example("obsolete-fold", _get(b"A: b", b" c"), FIELD + 6, 1),
    Example("bare-line-feed", b"GET / HTTP/1.1\nHost: a\n\n", 14, 1),
    Example("bare-carriage-return", _get(b"A: b\rX: c"), FIELD + 4, 1),
    Example("invalid-content-length", _post(b"Content-Length: +1", body=b"x"), POST_FIELD + 16, 2),
    Example(
        "conflicting-content-length",
        _post(b"Content-Length: 1", b"Content-Length: 2", body=b"xy"),
        POST_FIELD + 35,
        1,
    ),
    Example(
        "invalid-transfer-encoding",
        _post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"),
        POST_FIELD + 19,
        13,
    ),
    Example("invalid-chunk-size", _chunked(b"+1\r\nx\r\n0\r\n\r\n"), CHUNKS, 1),
    Example("chunk-size-overflow", _chunked(b"100000000\r\nx"), CHUNKS, 1),
    Example("invalid-chunk-extension", _chunked(b"1 ;a\r\nx\r\n0\r\n\r\n"), CHUNKS + 1, 1),
    Example(
        "chunk-extension-too-long",
        _chunked(b"1;" + b"a" * 80 + b"\r\nx\r\n0\r\n\r\n"),
        CHUNKS + 1,
        1,
        options={"max_extension": 60},
    ),
    Example("invalid-chunk-end", _chunked(b"1\r\nxy\r\n0\r\n\r\n"), CHUNKS + 4, 1),
    Example("forbidden-trailer", _chunked(b"0\r\nContent-Length: 1\r\n\r\n"), CHUNKS + 3, 14),
    Example("http2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, 24),
    Example("tls-bytes", b"\x16\x03\x01\x00\xa5\x01\x00", 0, 5),
    Example("incomplete", b"GET / HTTP/1.1\r\nHo", 18, 0),
    # What a message means
    Example("empty", b"\r\n\r\n", 0, 4),
    Example("trailing-empty-lines", _get() + b"\r\n", 27, 2, "note"),
    Example(
        "framing-conflict",
        _post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        POST_FIELD,
        17,
    ),
    Example("missing-host", b"GET / HTTP/1.1\r\nA: b\r\n\r\n", 0, 0),
    Example("repeated-host", _get(b"Host: b"), FIELD, 7),
    Example("invalid-host", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 22, 3),
    Example("host-differs", b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 24, 7, "warning"),
    Example("leading-empty-lines", b"\r\n" + _get(), 0, 2, "note"),
    Example("long-start-line", b"GET /" + b"x" * 8000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 0, 8014, "note"),
    Example("content-without-meaning", _get(b"Content-Length: 1") + b"x", FIELD + 21, 1, "warning"),
    Example(
        "forbidden-content",
        b"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
        48,
        1,
        "warning",
    ),
    Example("expect-continue", _post(b"Expect: 100-continue", b"Content-Length: 0"), POST_FIELD, 20, "note"),
    Example("unknown-expectation", _post(b"Expect: tea", b"Content-Length: 0"), POST_FIELD, 11, "warning"),
    Example("invalid-status", b"HTTP/1.1 700 Odd\r\nContent-Length: 0\r\n\r\n", 9, 3, "warning"),
    Example(
        "framing-without-body", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 25, 17, "warning"
    ),
    Example("until-close", b"HTTP/1.1 200 OK\r\n\r\nhello", 24, 0, "note"),
    Example(
        "old-transfer-encoding",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        17,
        26,
        "warning",
        {"lenient": Lenient.TRANSFER_ENCODING},
    ),
    Example(
        "identity-coding",
        _post(b"Transfer-Encoding: identity, chunked", body=b"0\r\n\r\n"),
        POST_FIELD + 19,
        17,
        "warning",
    ),
    Example(
        "transfer-coding",
        _post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
        POST_FIELD + 19,
        13,
        "note",
    ),
    Example("length-zeros", _post(b"Content-Length: 01", body=b"x"), POST_FIELD + 16, 2, "note"),
    Example("connection-names-field", _get(b"Connection: close, Cookie"), FIELD + 12, 13, "warning"),
    Example(
        "upgrade-h2c",
        _get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
        FIELD + 37,
        12,
        "warning",
    ),
    Example("upgrade-not-named", _get(b"Upgrade: websocket"), FIELD, 18, "note"),
    Example("octets-after-close", _get(b"Connection: close") + _get(), FIELD + 21, 27, "warning"),
    Example(
        "repeated-field", _post(b"Content-Type: a/b", b"Content-Type: c/d"), POST_FIELD + 19, 17, "warning"
    ),
    Example("underscore-in-name", _get(b"Content_Length: 5"), FIELD, 14, "warning"),
    Example("obs-text", _get(b"X: caf\xe9s"), FIELD + 6, 1, "note"),
    Example("chunk-extension", _chunked(b"1;a=b\r\nx\r\n0\r\n\r\n"), CHUNKS + 1, 4, "note"),
    Example("chunk-zeros", _chunked(b"01\r\nx\r\n0\r\n\r\n"), CHUNKS, 2, "note"),
    Example("late-trailer", _chunked(b"0\r\nHost: b\r\n\r\n"), CHUNKS + 3, 4, "warning"),
    Example("tunnel", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n\x16\x03\x01", 39, 3, "note"),
]
