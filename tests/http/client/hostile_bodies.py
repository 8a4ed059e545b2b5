"""Bodies that expand without end, or are not in the coding that they say (RFC 9110 section 8.4)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from importlib.util import find_spec

from netkit.http.errors import HttpError
from tests.http.client.hostile_framing import OK
from tests.http.client.scripting import (
    CLOSE,
    Answer,
    Ask,
    Outcome,
    Scenario,
    Script,
    Visitor,
    answers,
    endless,
    repeated,
    response,
)

RULE = "RFC 9110 section 8.4.1"
#: What the client of these scenarios may make of a body at most: far less than any of the bombs makes.
MAX_BODY = {"max_body": 1 << 20}
LIMITED = Ask(settings=MAX_BODY)
TOO_LARGE = Outcome(errors=(HttpError.BodyTooLarge,), limit="max_body", requests=1)
NOT_CODED = Outcome(errors=(HttpError.BodyEncoding,), requests=1)

Made = Callable[[], bytes]


@cache
def deflated_zeros() -> bytes:
    """A MiB of zeros as blocks of raw deflate that may be repeated."""
    made = zlib.compressobj(9, zlib.DEFLATED, -15)
    return made.compress(bytes(1 << 20)) + made.flush(zlib.Z_FULL_FLUSH)


def gzip_bomb() -> bytes:
    """Four GiB in four MiB; only who makes them all sees that the end is missing."""
    return gzip.compress(b"")[:10] + deflated_zeros() * 4096


def deflate_bomb() -> bytes:
    return b"\x78\x9c" + deflated_zeros() * 4096


def double_bomb() -> bytes:
    """A GiB of zeros, compressed twice: some thousands of octets."""
    return gzip.compress(gzip.compress(b"")[:10] + deflated_zeros() * 1024)


def br_bomb() -> bytes:
    import brotli

    return bytes(brotli.compress(bytes(16 << 20), quality=5))


def zstd_bomb() -> bytes:
    from backports import zstd

    return bytes(zstd.compress(bytes(16 << 20)))


def coded(coding: str, body: Made, *more: tuple[str, str]) -> Answer:
    """A response with a Content-Encoding, its body made when it is asked for."""
    return lambda visitor, received: response(200, body(), ("Content-Encoding", coding), *more)


def _bomb(coding: str, body: Made) -> Scenario:
    return Scenario(f"a bomb in {coding}", [answers(coded(coding, body))], TOO_LARGE, RULE, LIMITED)


def _wrong(name: str, coding: str, body: Made) -> Scenario:
    return Scenario(name, [answers(coded(coding, body))], NOT_CODED, RULE)


def _right(name: str, coding: str, body: Made, becomes: bytes) -> Scenario:
    outcome = Outcome(status=200, body=becomes, requests=1)
    return Scenario(name, [answers(coded(coding, body))], outcome, RULE)


def _redirect_with(begin: bytes, pieces: Callable[[], Iterable[bytes]]) -> Script:
    """302 to /end with a body without end; on a further connection the right answer."""

    def script(visitor: Visitor) -> None:
        if visitor.number:
            visitor.request()
            visitor.send(response())
            visitor.until_gone()
        else:
            endless(b"HTTP/1.1 302 Found\r\nLocation: /end\r\n" + begin, pieces)(visitor)

    return script


def _has_zstd() -> bool:
    try:
        return find_spec("backports.zstd") is not None
    except ModuleNotFoundError:
        return False


_HELLO = b"hello\n"

BOMBS = [
    _bomb("gzip", gzip_bomb),
    _bomb("deflate", deflate_bomb),
    _bomb("gzip, gzip", double_bomb),
    *([_bomb("br", br_bomb)] if find_spec("brotli") else []),
    *([_bomb("zstd", zstd_bomb)] if _has_zstd() else []),
    Scenario(
        "more codings than allowed",
        [answers(coded(", ".join(["gzip"] * 50), lambda: gzip.compress(_HELLO)))],
        Outcome(errors=(HttpError.BodyEncoding,), limit="max_codings", requests=1), RULE,
    ),
    Scenario("a body without end", [endless(OK + b"\r\n", repeated(bytes(4096)))], TOO_LARGE, "", LIMITED),
    Scenario(
        "chunks without end",
        [endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", repeated(b"100\r\n" + bytes(256) + b"\r\n"))],
        TOO_LARGE, "", LIMITED,
    ),
    Scenario(
        "a gigantic Content-Length",
        [endless(OK + b"Content-Length: 9223372036854775807\r\n\r\n", repeated(bytes(4096)))],
        TOO_LARGE, "", LIMITED,
    ),
    Scenario(
        "a redirect whose body has no end", [_redirect_with(b"\r\n", repeated(bytes(4096)))],
        Outcome(status=200, body=_HELLO, requests=2, connections=2), "RFC 9110 section 15.4", LIMITED,
    ),
    Scenario(
        "a redirect whose body is a bomb",
        [answers(
            lambda visitor, received: response(
                302, gzip_bomb(), ("Location", "/end"), ("Content-Encoding", "gzip")
            ) if received.target == "/" else response()
        )],
        Outcome(status=200, body=_HELLO, requests=2), "RFC 9110 section 15.4", LIMITED,
    ),
]  # fmt: skip

CODED = [
    _wrong("gzip that is cut off", "gzip", lambda: gzip.compress(bytes(range(256)) * 40)[:-30]),
    _wrong("gzip with a wrong checksum", "gzip", lambda: gzip.compress(_HELLO)[:-8] + bytes(8)),
    _wrong("gzip that is none", "gzip", lambda: b"this is no gzip\n"),
    _wrong("gzip with garbage behind it", "gzip", lambda: gzip.compress(_HELLO) + b"garbage"),
    _wrong("deflate that is none", "deflate", lambda: b"\xff" * 50),
    _wrong("a coding that nobody has", "foo", lambda: _HELLO),
    _wrong("gzip in gzip that is none", "gzip, gzip", lambda: gzip.compress(_HELLO)),
    _right("gzip of two members", "gzip", lambda: gzip.compress(b"hel") + gzip.compress(b"lo\n"), _HELLO),
    _right("gzip called x-gzip", "x-gzip", lambda: gzip.compress(_HELLO), _HELLO),
    _right("gzip and identity", "identity, GZIP", lambda: gzip.compress(_HELLO), _HELLO),
    _right("deflate without zlib's header", "deflate", lambda: zlib.compress(_HELLO)[2:-4], _HELLO),
    _right("deflate with zlib's header", "deflate", lambda: zlib.compress(_HELLO), _HELLO),
    _right("gzip without an octet", "gzip", lambda: b"", b""),
    Scenario(
        "HEAD of a gzip body",
        [answers(OK + b"Content-Encoding: gzip\r\nContent-Length: 50\r\n\r\n")],
        Outcome(status=200, body=b"", requests=1), RULE, Ask(method="HEAD"),
    ),
    Scenario(
        "gzip that the end of the connection ends",
        [answers(lambda v, r: OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(_HELLO), end=CLOSE)],
        Outcome(status=200, body=_HELLO, requests=1), RULE,
    ),
]  # fmt: skip

SCENARIOS: list[Scenario] = [*BOMBS, *CODED]
