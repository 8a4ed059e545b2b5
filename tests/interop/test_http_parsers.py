"""netkit's HTTP/1.1 parser beside llhttp (httptools) and h11, over mutated messages.

Every difference has an entry in docs/http-parser-differences.toml, which says why; none is netkit accepting
what llhttp refuses, `framing_conflict` aside. `NETKIT_EXAMPLES` sets how many messages are mutated.
"""

from __future__ import annotations

import os
import random
import tomllib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.http.mutation import WHOLE_REQUESTS, WHOLE_RESPONSES, mutated
from tests.http.peers import PEERS, by_llhttp, by_netkit, difference

TABLE = Path(__file__).parents[2] / "docs" / "http-parser-differences.toml"
ROWS: list[dict[str, Any]] = tomllib.loads(TABLE.read_text("utf-8"))["difference"]
EXPLAINED = {
    (peer, row["netkit"], verdict) for row in ROWS for peer in PEERS for verdict in row.get(peer, [])
}

EXAMPLES = int(os.environ.get("NETKIT_EXAMPLES", "2000"))

#: How a message might go on that a peer has refused and netkit waits for the rest of.
CONTINUATIONS = [
    b"\r\n\r\n",
    b"\n\r\n\r\n",
    b"\r\n0\r\n\r\n",
    b" / HTTP/1.1\r\n\r\n",
    b" HTTP/1.1\r\n\r\n",
    b"/1.1\r\n\r\n",
    b".1\r\n\r\n",
    b"1\r\n\r\n",
    b": x\r\n\r\n",
    b'"\r\n\r\n',
    b"x\r\n\r\n0\r\n\r\n",
]

pytest.importorskip("httptools")
pytest.importorskip("h11")


def described(peer: str, found: tuple[str, str], kind: str, data: bytes) -> str:
    return f"netkit {found[0]}, {peer} {found[1]}: the {kind} {data!r}"


def accepted_after_all(kind: str, data: bytes) -> bytes | None:
    """A continuation with which netkit accepts a message."""
    for continuation in CONTINUATIONS:
        verdict = by_netkit(data + continuation, kind)
        if verdict.what == "accepts" and not verdict.conflict:
            return continuation
    return None


@pytest.mark.slow
@pytest.mark.timeout(0 if EXAMPLES > 10_000 else 60)
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("kind", ["request", "response"])
def test_every_difference_is_explained(peer: str, kind: str) -> None:
    rng = random.Random(f"{peer} {kind}")  # the same messages every time
    messages = WHOLE_REQUESTS if kind == "request" else WHOLE_RESPONSES
    unexplained = {}
    for _ in range(EXAMPLES):
        data = mutated(rng, messages)
        found = difference(peer, kind, data) if data else None
        if found is None:
            continue
        if (peer, *found) not in EXPLAINED:
            unexplained[found] = described(peer, found, kind, data)
        if peer == "llhttp" and found[1] == "refuses" and found[0] in ("waits", "reads on"):
            continuation = accepted_after_all(kind, data)
            assert continuation is None, f"{data!r} is accepted with {continuation!r} after it"
    assert not unexplained, "\n".join(unexplained.values())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["netkit"])
def test_every_entry_is_true(row: dict[str, Any]) -> None:
    assert set(row) <= {"netkit", "example", "why", *PEERS}
    assert row["why"].strip()
    ((kind, text),) = row["example"].items()
    data = text.encode("latin-1")
    shown = [
        peer
        for peer in PEERS
        if (found := difference(peer, kind, data))
        and found[0] == row["netkit"]
        and found[1] in row.get(peer, [])
    ]
    assert shown, {peer: difference(peer, kind, data) for peer in PEERS}


def test_netkit_is_nowhere_the_laxer_one() -> None:
    laxer = [
        row["netkit"]
        for row in ROWS
        if row["netkit"] in ("accepts", "framing_conflict")
        and any(verdict.startswith("refuses") for verdict in row.get("llhttp", []))
    ]
    assert laxer == ["framing_conflict"]


def fields(name: bytes, tokens: list[bytes], most: int) -> Iterator[tuple[str, bytes]]:
    """Messages with every value of a field that up to so many of these tokens make."""
    for length in range(most + 1):
        for parts in product(tokens, repeat=length):
            field = name + b":" + b"".join(parts) + b"\r\n\r\n0\r\n\r\n"
            yield "request", b"POST / HTTP/1.1\r\n" + field
            yield "response", b"HTTP/1.1 200 OK\r\n" + field


def chunk_lines() -> Iterator[tuple[str, bytes]]:
    """Bodies with every line for a chunk that up to four octets after its size make."""
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    octets = [bytes([octet]) for octet in b'10F;a="\\ \t\x80(~']
    for length in range(4):
        for parts in product(octets, repeat=length):
            yield "request", head + b"1" + b"".join(parts) + b"\r\nx\r\n0\r\n\r\n"
            yield "request", head + b'0;a="' + b"".join(parts) + b'"\r\n\r\n'


def octets_everywhere() -> Iterator[tuple[str, bytes]]:
    """Each octet in each place of a message where another might be."""
    for octet in range(256):
        here = bytes([octet])
        for before, after in (
            (b"GET /a", b" HTTP/1.1\r\n\r\n"),
            (b"GET /?a", b" HTTP/1.1\r\n\r\n"),
            (b"GET ", b"x HTTP/1.1\r\n\r\n"),
            (b"GET ht", b"tp://a/ HTTP/1.1\r\n\r\n"),
            (b"GET http://a", b"/ HTTP/1.1\r\n\r\n"),
            (b"GET http://a:8", b" HTTP/1.1\r\n\r\n"),
            (b"GET http://[:", b"]/ HTTP/1.1\r\n\r\n"),
            (b"CONNECT a", b":4 HTTP/1.1\r\n\r\n"),
            (b"GET / HTTP/1.1", b"\r\n\r\n"),
            (b"GET / HTTP/1.1\r\na", b": b\r\n\r\n"),
            (b"GET / HTTP/1.1\r\n", b": b\r\n\r\n"),
            (b"GET / HTTP/1.1\r\na:", b"\r\n\r\n"),
            (b"GET / HTTP/1.1\r\na: b", b"c\r\n\r\n"),
            (b"GET / HTTP/1.1\r\na: b\r\n", b"\r\n\r\n"),
        ):
            yield "request", before + here + after
        for before, after in (
            (b"HTTP/1.1 ", b"00 OK\r\n\r\n"),
            (b"HTTP/1.1 20", b" OK\r\n\r\n"),
            (b"HTTP/1.1 200", b"\r\n\r\n"),
            (b"HTTP/1.1 200 ", b"OK\r\n\r\n"),
        ):
            yield "response", before + here + after


CODINGS = [b"chunked", b"Chunked", b"gzip", b"x", b",", b";", b"=", b" ", b"\t", b'"']
NUMBERS = [b"0", b"3", b"00", b" ", b"\t", b",", b"+", b"x", b"18446744073709551615", b"9223372036854775807"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "messages",
    [
        pytest.param(lambda: fields(b"Transfer-Encoding", CODINGS, 3), id="codings"),
        pytest.param(lambda: fields(b"Content-Length", NUMBERS, 3), id="numbers"),
        pytest.param(chunk_lines, id="chunk lines"),
        pytest.param(octets_everywhere, id="octets"),
    ],
)
def test_what_llhttp_refuses_is_not_accepted(messages: Any) -> None:
    count = 0
    for kind, data in messages():
        count += 1
        theirs = by_llhttp(data, kind)
        if theirs.what == "refuses":
            ours = by_netkit(data, kind)
            assert ours.what in ("refuses", "waits") or ours.conflict, (data, theirs.reason)
    assert count > 1000
