"""Mutated messages: those of the vectors, with something done to them that has confused a parser before."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from tests.http.message_vectors import (
    BAD_BODIES,
    BAD_REQUESTS,
    BAD_RESPONSES,
    BROWSER,
    GOOD_BODIES,
    GOOD_REQUESTS,
    GOOD_RESPONSES,
    TOLERATED_REQUESTS,
)

#: Messages to begin with. The long ones are left out: a limit is as well broken at ten octets.
REQUESTS = [case.data for case in GOOD_REQUESTS + TOLERATED_REQUESTS] + [
    case.message for case in BAD_REQUESTS if len(case.data) < 800
]
RESPONSES = [case.data for case in GOOD_RESPONSES] + [case.message for case in BAD_RESPONSES]
BODIES = [case.data for case in GOOD_BODIES] + [case.message for case in BAD_BODIES if len(case.data) < 800]

#: What is put into them.
FRAGMENTS = [
    *(bytes([octet]) for octet in b'\r\n\t :;,="\\\0\x0b\x1f\x7f\x80\xff+-_0159aAfFxX/*#[]@'),
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"\r\n ",
    b"\r\r\n",
    b" \r\n",
    b": ",
    b" HTTP/1.1",
    b" HTTP/1.0",
    b"HTTP/2.0",
    b"GET",
    b"CONNECT ",
    b"OPTIONS * ",
    b"http://h:80/",
    b"[::1]:443",
    b"\xd9\xa5",
    b"\xe2\x80\xa8",
    b"\r\nContent-Length: 5",
    b"\r\nContent-Length: 05",
    b"\r\nContent-Length : 5",
    b"\r\nTransfer-Encoding: chunked",
    b"\r\nTransfer-Encoding: gzip",
    b"\r\ntransfer-encoding:\tCHUNKED, chunked",
    b"\r\nX-Long: " + b"x" * 40,
    b"\r\n\x00: x",
    b"99999999999999999999",
    b"FFFFFFFFF",
    b';a="b"',
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"\r\nConnection: keep-alive, Close",
    b"\r\nCONNECTION:Keep-Alive\r\n ,x",
]


def _insert(data: bytes, at: int, fragment: bytes, _: int) -> bytes:
    return data[:at] + fragment + data[at:]


def _overwrite(data: bytes, at: int, fragment: bytes, _: int) -> bytes:
    return data[:at] + fragment + data[at + len(fragment) :]


def _delete(data: bytes, at: int, _: bytes, length: int) -> bytes:
    return data[:at] + data[at + length :]


def _repeat(data: bytes, at: int, _: bytes, length: int) -> bytes:
    return data[:at] + data[at : at + length] * 2 + data[at + length :]


def _truncate(data: bytes, at: int, _: bytes, __: int) -> bytes:
    return data[:at]


def _flip(data: bytes, at: int, _: bytes, length: int) -> bytes:
    return data[:at] + bytes([octet ^ 1 << length % 8 for octet in data[at : at + 1]]) + data[at + 1 :]


def _swap_case(data: bytes, at: int, _: bytes, length: int) -> bytes:
    return data[:at] + data[at : at + length].swapcase() + data[at + length :]


EDITS: list[Callable[[bytes, int, bytes, int], bytes]] = [
    _insert,
    _insert,
    _overwrite,
    _delete,
    _repeat,
    _truncate,
    _flip,
    _swap_case,
]


def edited(data: bytes, edits: Sequence[tuple[int, int, int, int]]) -> bytes:
    """A message after edits: each is which one, where (in 256ths of the message), with what, how much."""
    for edit, place, fragment, length in edits:
        at = len(data) * place // 256
        data = EDITS[edit % len(EDITS)](data, at, FRAGMENTS[fragment % len(FRAGMENTS)], length)
    return data


#: A few of them, for hypothesis.
edits = st.lists(
    st.tuples(
        st.integers(0, len(EDITS) - 1),
        st.integers(0, 256),
        st.integers(0, len(FRAGMENTS) - 1),
        st.integers(1, 20),
    ),
    max_size=4,
)


def mutated(rng: random.Random, messages: Sequence[bytes]) -> bytes:
    """One of the messages after one to four edits at random."""
    edits = [
        (rng.randrange(len(EDITS)), rng.randrange(257), rng.randrange(len(FRAGMENTS)), rng.randrange(1, 20))
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4)))
    ]
    return edited(rng.choice(messages), edits)


def _with_body(head: bytes, body: bytes) -> bytes:
    return head + b"\r\n\r\n" + body


_CHUNKED = b"POST /upload?to=x HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked"
_ANSWER = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nTransfer-Encoding: chunked"

#: Whole requests, as programs send them, for comparing netkit with other parsers.
WHOLE_REQUESTS = [
    BROWSER,
    b"GET / HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n",
    _with_body(
        b"POST /form HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 11\r\nExpect: 100-continue",
        b"a=1&b=2&c=3",
    ),
    b"HEAD /favicon.ico HTTP/1.0\r\nConnection: close\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: example.com\r\n\r\n",
    b"GET http://example.com/through/a/proxy HTTP/1.1\r\nHost: example.com\r\n\r\n",
    b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
    b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    _with_body(
        b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"
    ),
    *(_with_body(_CHUNKED, case.data) for case in GOOD_BODIES if not case.options),
]

#: Whole responses to GET.
WHOLE_RESPONSES = [
    _with_body(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5", b"hello"),
    _with_body(b"HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Length: 0\r\nConnection: close", b""),
    b"HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
    b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 5\r\n\r\n',
    _with_body(b"HTTP/1.0 200 OK\r\nServer: y", b"until the end"),
    _with_body(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
    _with_body(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip", b"\x1f\x8b"),
    *(_with_body(_ANSWER, case.data) for case in GOOD_BODIES if not case.options),
]
