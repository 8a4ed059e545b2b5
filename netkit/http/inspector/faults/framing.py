"""Bodies whose ends are announced wrongly, or twice (RFC 9112 section 6 and 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.inspector.endpoint import Group
from netkit.http.inspector.faults.raw import OK, Ending, raw_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.http.inspector.call import Call

GROUP = Group(
    "Wrong framing",
    "Who sees another end of the body than the server takes what follows for the next response.",
)

_CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"
_TEN = b"0123456789"
_POISON = b"HTTP/1.1 200 OK\r\nX-Poison: yes\r\nContent-Length: 6\r\n\r\npoison"

#: Path, what is sent, which fault of a client it finds, the octets.
_BODIES: tuple[tuple[str, str, str, bytes], ...] = (
    (
        "length-too-long",
        "20 octets announced, 10 sent",
        "a body cut off that is taken for whole",
        OK + b"Content-Length: 20\r\n\r\n" + _TEN,
    ),
    (
        "length-twice",
        "Content-Length 10 and 5",
        "the choice of one of them",
        OK + b"Content-Length: 10\r\nContent-Length: 5\r\n\r\n" + _TEN,
    ),
    (
        "length-repeated",
        "Content-Length 10 twice, which may be taken as one (RFC 9110 section 8.6)",
        "nothing: both readings are allowed",
        OK + b"Content-Length: 10\r\nContent-Length: 10\r\n\r\n" + _TEN,
    ),
    (
        "length-list",
        "Content-Length: 10, 5",
        "the choice of one of them",
        OK + b"Content-Length: 10, 5\r\n\r\n" + _TEN,
    ),
    (
        "length-negative",
        "Content-Length: -10",
        "a length that wraps around",
        OK + b"Content-Length: -10\r\n\r\n" + _TEN,
    ),
    (
        "length-plus",
        "Content-Length: +10",
        "a number read more freely than by others",
        OK + b"Content-Length: +10\r\n\r\n" + _TEN,
    ),
    (
        "length-hex",
        "Content-Length: 0xA",
        "a number read more freely than by others",
        OK + b"Content-Length: 0xA\r\n\r\n" + _TEN,
    ),
    (
        "length-text",
        "Content-Length: ten",
        "a body without an end that is announced",
        OK + b"Content-Length: ten\r\n\r\n" + _TEN,
    ),
    (
        "length-huge",
        "Content-Length of 2^64 + 10",
        "a length that overflows",
        OK + b"Content-Length: 18446744073709551626\r\n\r\n" + _TEN,
    ),
    (
        "length-empty",
        "Content-Length without a value",
        "a body without an end that is announced",
        OK + b"Content-Length:\r\n\r\n" + _TEN,
    ),
    (
        "length-and-chunked",
        "Content-Length and Transfer-Encoding in one head (RFC 9112 section 6.1)",
        "the choice of the length: the classic of smuggling",
        OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\na\r\n" + _TEN + b"\r\n" + _END,
    ),
    (
        "coding-unknown",
        "Transfer-Encoding: x-unknown",
        "octets of a coding taken as they are",
        OK + b"Transfer-Encoding: x-unknown\r\n\r\n" + _TEN,
    ),
    (
        "coding-hidden",
        "Transfer-Encoding: xchunked",
        "a coding found within a word",
        OK + b"Transfer-Encoding: xchunked\r\n\r\na\r\n" + _TEN + b"\r\n" + _END,
    ),
    (
        "coding-twice",
        "chunked, applied twice (RFC 9112 section 6.1)",
        "the inner chunks taken for the body",
        OK + b"Transfer-Encoding: chunked, chunked\r\n\r\na\r\n" + _TEN + b"\r\n" + _END,
    ),
    (
        "coding-not-last",
        "chunked before another coding",
        "a body that has no end but the connection's",
        OK + b"Transfer-Encoding: chunked, gzip\r\n\r\na\r\n" + _TEN + b"\r\n" + _END,
    ),
    (
        "chunked-old",
        "chunked in a response of HTTP/1.0",
        "a coding that HTTP/1.0 has not",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n" + _TEN + b"\r\n" + _END,
    ),
    (
        "chunk-size",
        "a chunk whose size is no number",
        "chunks that are guessed",
        _CHUNKED + b"ten\r\n" + _TEN + b"\r\n" + _END,
    ),
    (
        "chunk-empty-size",
        "a chunk without a size",
        "the end seen where there is none",
        _CHUNKED + b"\r\n" + _TEN + b"\r\n" + _END,
    ),
    (
        "chunk-negative",
        "a chunk of size -1",
        "a size that wraps around",
        _CHUNKED + b"-1\r\n" + _TEN + b"\r\n" + _END,
    ),
    (
        "chunk-0x",
        "a chunk of size 0xa",
        "a number read more freely than by others",
        _CHUNKED + b"0xa\r\n" + _TEN + b"\r\n" + _END,
    ),
    (
        "chunk-overflow",
        "a chunk of size 2^64 + 10",
        "a size that overflows",
        _CHUNKED + b"1000000000000000a\r\n" + _TEN + b"\r\n" + _END,
    ),
    (
        "chunk-huge",
        "a chunk of 2^62 octets, of which 10 come",
        "memory that is reserved for what is announced",
        _CHUNKED + b"4000000000000000\r\n" + _TEN,
    ),
    (
        "chunk-too-short",
        "a chunk with more octets than its size",
        "octets that are dropped",
        _CHUNKED + b"5\r\n" + _TEN + b"\r\n" + _END,
    ),
    (
        "chunk-no-end",
        "a chunk without CRLF behind its octets",
        "a line's end that is not looked at",
        _CHUNKED + b"a\r\n" + _TEN + _END,
    ),
    (
        "chunk-bare-lf",
        "lines of chunks that end with LF alone",
        "lines that one parser sees and another does not",
        _CHUNKED + b"a\n" + _TEN + b"\n0\n\n",
    ),
    (
        "chunk-extension-lf",
        "LF within the extension of a chunk",
        "two readings of where the chunk begins",
        _CHUNKED + b"a;x=\ny\r\n" + _TEN + b"\r\n" + _END,
    ),
    (
        "chunk-space",
        "spaces around an extension, which no sender may write and each recipient has to read",
        "nothing: many refuse it on purpose (RFC 9112 section 7.1.1, RFC 9110 section 5.6.3)",
        _CHUNKED + b"a ; name = value\r\n" + _TEN + b"\r\n" + _END,
    ),
    (
        "chunk-cut",
        "chunks without the last one",
        "a body cut off that is taken for whole",
        _CHUNKED + b"a\r\n" + _TEN + b"\r\n",
    ),
    (
        "chunk-cut-inside",
        "a chunk that ends in the middle",
        "a body cut off that is taken for whole",
        _CHUNKED + b"a\r\n" + _TEN[:5],
    ),
    (
        "trailer-cut",
        "the last chunk without the empty line",
        "a message taken without its end",
        _CHUNKED + b"a\r\n" + _TEN + b"\r\n0\r\n",
    ),
    (
        "trailer-framing",
        "Content-Length in the trailers (RFC 9110 section 6.5.1)",
        "trailers that are merged into the fields",
        _CHUNKED + b"a\r\n" + _TEN + b"\r\n0\r\nContent-Length: 5\r\n\r\n",
    ),
    (
        "trailer-wrong",
        "a trailer without a colon",
        "a line that is dropped without a word",
        _CHUNKED + b"a\r\n" + _TEN + b"\r\n0\r\nX-A b\r\n\r\n",
    ),
)

for _name, _what, _finds, _octets in _BODIES:
    raw_fault(GROUP, f"/wrong/{_name}", _what, _finds, _octets)

#: The same, with octets behind the response that a client may take for the answer to its next request.
_POISONED: tuple[tuple[str, str, bytes], ...] = (
    (
        "length-too-short",
        "10 octets announced, more sent; the connection stays open",
        OK + b"Content-Length: 10\r\n\r\n" + _TEN + _POISON,
    ),
    (
        "body-of-204",
        "204 with a body; the connection stays open",
        b"HTTP/1.1 204 No Content\r\n\r\n" + _POISON,
    ),
    (
        "body-of-304",
        "304 with a body; the connection stays open",
        b"HTTP/1.1 304 Not Modified\r\n\r\n" + _POISON,
    ),
    (
        "after-chunked",
        "octets behind the last chunk; the connection stays open",
        _CHUNKED + b"a\r\n" + _TEN + b"\r\n" + _END + _POISON,
    ),
)

for _name, _what, _octets in _POISONED:
    raw_fault(
        GROUP,
        f"/wrong/{_name}",
        _what,
        "the answer to the next request taken from the octets behind this one",
        _octets,
        Ending.STAY,
    )


def _extensions(call: Call) -> Iterator[bytes]:
    """Chunks with an extension of `size` octets each."""
    yield _CHUNKED
    extension = b";a=" + b"b" * call.size(16_384)
    for _ in range(call.count(64)):
        yield b"1" + extension + b"\r\n*\r\n"
    yield _END


raw_fault(
    GROUP,
    "/wrong/chunk-extensions",
    "chunks of one octet with long extensions",
    "a client that has no limit for what it does not count as the body",
    _extensions,
    arguments={"size": "octets of an extension; 16384 without it", "count": "chunks; 64 without it"},
)


def _small_chunks(call: Call) -> Iterator[bytes]:
    yield _CHUNKED
    for _ in range(call.count(200)):
        yield b"1\r\n*\r\n" * 100
    yield _END


raw_fault(
    GROUP,
    "/wrong/chunk-flood",
    "100 times `count` chunks of one octet",
    "a client that spends far more on a chunk than on an octet",
    _small_chunks,
    arguments={"count": "hundreds of chunks; 200 without it"},
)


def _trailer_flood(call: Call) -> Iterator[bytes]:
    yield _CHUNKED + b"a\r\n" + _TEN + b"\r\n0\r\n"
    for number in range(call.count(1000)):
        yield b"X-Trailer-%d: value\r\n" % number
    yield b"\r\n"


raw_fault(
    GROUP,
    "/wrong/trailer-flood",
    "a body with `count` trailers",
    "a client that has no limit for trailers",
    _trailer_flood,
    arguments={"count": "1000 without it"},
)
