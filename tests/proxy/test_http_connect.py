"""The dialogue of HTTP CONNECT: RFC 9110 section 9.3.6, and proxies that do not keep to it."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import pytest
from hypothesis import given, strategies as st

from netkit.addr import HostPort
from netkit.io import DeadlineExceeded, run
from netkit.proxy import ProxyError, http_flow, http_tunnel
from netkit.proxy.http_connect import FIELDS_LIMIT, HEAD_LIMIT, INTERIM_LIMIT, ConnectReply, connect_request
from tests.proxy.scripted import CUTS, ScriptedStream, by_byte

Cut = Callable[[bytes], list[bytes]]

OK = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    ("target", "where"),
    [
        ("www.example:443", "www.example:443"),
        ("192.0.2.7:80", "192.0.2.7:80"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ("bücher.example:443", "xn--bcher-kva.example:443"),
    ],
)
def test_the_request(target: str, where: str) -> None:
    request = connect_request(HostPort.parse(target))
    assert request == f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode()


def test_credentials() -> None:
    """The example of RFC 7617 section 2.1, whose password has a pound sign in it."""
    request = connect_request(HostPort.parse("a.example:1"), username="test", password="123£")
    assert b"\r\nProxy-Authorization: Basic dGVzdDoxMjPCow==\r\n" in request


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.0 200 Connection established\r\nProxy-agent: x\r\n\r\n",
        b"HTTP/1.1 204\r\n\r\n",
        b"HTTP/1.1 200 OK\nServer: bare line feeds\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nTransfer-Encoding: chunked\r\n\r\n",  # both to be ignored
        b"HTTP/1.0 200 OK\r\nContent-Length: x\r\nContent-Length: 1\r\nTransfer-Encoding: ,\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + OK,
        b"\r\n" + OK,
    ],
)
@pytest.mark.parametrize("cut", CUTS)
def test_what_follows_stays_in_the_stream(answer: bytes, cut: Cut) -> None:
    stream = ScriptedStream(cut(answer + b"\r\n220 hello\r\n"))
    reply = run(http_flow(stream, "www.example:25"))
    assert reply.status in (200, 204)
    assert stream.read_exactly(13) == b"\r\n220 hello\r\n"


HOSTILE = [
    (b"", ProxyError.Closed, "the head of its answer"),
    (b"HTTP/1.1 200 OK\r\nServer: x\r\n", ProxyError.Closed, "the head of its answer"),
    (b"HTTP/1.1 200 O", ProxyError.Closed, "after 14 bytes"),
    (b"\5\xff", ProxyError.InvalidReply, "not with HTTP/1.1"),
    (b"\5\xff\n", ProxyError.InvalidReply, "not with HTTP/1.1"),
    (b"HTTP/2 200 OK\r\n\r\n", ProxyError.InvalidReply, "b'HTTP/2 200 OK'"),
    (b"http/1.1 200 OK\r\n\r\n", ProxyError.InvalidReply, "not with HTTP/1.1"),
    (b"HTTP/1.1 20 OK\r\n\r\n", ProxyError.InvalidReply, "is not an HTTP status"),
    (b"HTTP/1.1 2000 OK\r\n\r\n", ProxyError.InvalidReply, "is not an HTTP status"),
    (b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n", ProxyError.InvalidReply, "is not an HTTP status"),
    (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", ProxyError.InvalidReply, "no header field"),
    (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", ProxyError.InvalidReply, "no header field"),
    (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", ProxyError.InvalidReply, "folded"),
    (b"HTTP/1.1 200 O\1K\r\n\r\n", ProxyError.InvalidReply, "octet 0x01 in the reason"),
    (b"HTTP/1.1 403 N\1o\r\n\r\n", ProxyError.Status, "HTTP status 403 N\1o"),
    (b"HTTP/1.1 407 N\ro\r\n\r\n", ProxyError.AuthRequired, "requires authentication"),
    (b"HTTP/1.1 403 No\r\nA\1: b\r\n\r\n", ProxyError.InvalidReply, "no header field"),
    (b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", ProxyError.InvalidReply, "in a field value"),
    (b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", ProxyError.InvalidReply, "CR without LF"),
    (b"\x15\3\3\0\2\2\x28\n", ProxyError.InvalidReply, "a TLS record instead of HTTP"),
    (b"HTTP/1.1 100 Go on\r\n\r\n\5\xff", ProxyError.InvalidReply, "not with HTTP/1.1"),
    (b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 200 OK\r\n", ProxyError.Closed, "the head of its answer"),
    (b"HTTP/1.1 101 Switching\r\n\r\n", ProxyError.Status, "101"),
    (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", ProxyError.Status, "302 Found"),
    (b"HTTP/1.1 403 Forbidden\r\n\r\n<p>", ProxyError.Status, "HTTP status 403 Forbidden"),
    (b"HTTP/1.1 502\r\n\r\n", ProxyError.Status, "HTTP status 502"),
    (
        b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="a, b"\r\n\r\n',
        ProxyError.AuthRequired,
        "(Basic)",
    ),
    (b"HTTP/1.1 407 No\r\n\r\n", ProxyError.AuthRequired, "requires authentication"),
    (
        b"HTTP/1.0 407 No\r\nContent-Length: 5\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        ProxyError.AuthRequired,
        "requires authentication",
    ),
    (b"x" * (HEAD_LIMIT + 1), ProxyError.InvalidReply, "not with HTTP/1.1"),
    (b"HTTP/1.1 200 " + b"x" * HEAD_LIMIT, ProxyError.LimitExceeded, f"more than {HEAD_LIMIT} bytes of head"),
    (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000, ProxyError.LimitExceeded, f"{FIELDS_LIMIT} header fields"),
    (b"HTTP/2 xyz" + b"x" * HEAD_LIMIT, ProxyError.LimitExceeded, f"{HEAD_LIMIT} bytes"),
    (b"HTTP/1.1 200 OK\r\nA: " + b"b" * HEAD_LIMIT, ProxyError.LimitExceeded, f"{HEAD_LIMIT} bytes"),
    (b"HTTP/1.1 100 Go on\r\n\r\n" * 50, ProxyError.LimitExceeded, f"{INTERIM_LIMIT} interim answers"),
    (b"\r\n" * HEAD_LIMIT, ProxyError.LimitExceeded, f"{HEAD_LIMIT} bytes"),
]


@pytest.mark.parametrize(("sent", "kind", "words"), HOSTILE)
def test_a_proxy_that_breaks_its_word(sent: bytes, kind: type[ProxyError], words: str) -> None:
    with pytest.raises(ProxyError) as caught:
        run(http_flow(ScriptedStream([sent[i : i + 100] for i in range(0, len(sent), 100)]), "192.0.2.7:80"))
    assert type(caught.value) is kind
    assert words in str(caught.value)


def test_what_is_no_answer_is_not_waited_for() -> None:
    """A SOCKS proxy, say, that answers with two bytes and keeps the connection open."""
    for sent in (b"\5\xff", b"\r\n\5", b"HTTP/1.1 100 Go on\r\n\r\nS", b"HTTP/2 200 OK\r\n"):
        with pytest.raises(ProxyError.InvalidReply, match=r"not with HTTP/1\.1") as caught:
            run(http_flow(ScriptedStream([sent], silent=True), "192.0.2.7:80"))
        assert caught.value.received == sent.split(b"\r\n\r\n")[-1].strip(b"\r\n")
        assert ("SOCKS" in (caught.value.hint or "")) == (b"\5" in sent)


@pytest.mark.parametrize("more", [0, 1])
def test_the_limit_is_for_all_heads_together(more: int) -> None:
    heads = b"HTTP/1.1 100 Go on\r\n\r\n\r\n" + OK
    stream = ScriptedStream(by_byte(heads + b"tunnel"))
    if more:
        with pytest.raises(ProxyError.LimitExceeded, match=f"more than {len(heads) - 1} bytes of head"):
            run(http_flow(stream, "192.0.2.7:80", limit=len(heads) - 1))
    else:
        assert run(http_flow(stream, "192.0.2.7:80", limit=len(heads))).status == 200
        assert stream.read_exactly(6) == b"tunnel"


def test_a_refused_password() -> None:
    answer = b'HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm="x"\r\nproxy-authenticate: basic\r\n\r\n'
    with pytest.raises(ProxyError.AuthFailed) as caught:
        run(http_flow(ScriptedStream([answer]), "192.0.2.7:80", username="jo", password="secret"))
    assert "secret" not in str(caught.value)


def test_a_proxy_that_does_not_take_passwords() -> None:
    answer = b'HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm="x", nonce="y, z w", Negotiate\r\n\r\n'
    with pytest.raises(ProxyError.AuthRequired, match="takes no user name") as caught:
        run(http_flow(ScriptedStream([answer]), "192.0.2.7:80", username="jo", password="x"))
    assert caught.value.offered == ("Digest", "Negotiate")


@pytest.mark.parametrize(
    ("target", "more", "words"),
    [
        ("www.example:1", {"username": "a:b", "password": "x"}, "no colon"),
        ("www.example:1", {"username": "a", "password": "x\r\nX: y"}, "control character"),
        ("www.example:1", {"fields": [("X y", "z")]}, "not a header field"),
        ("www.example:1", {"fields": [("X", "z\r\nA: b")]}, "not a header field"),
        ("www.example:1", {"fields": [("X", "ü")]}, "not a header field"),
    ],
)
def test_what_cannot_be_said_is_not_begun(target: str, more: dict[str, object], words: str) -> None:
    stream = ScriptedStream([OK])
    with pytest.raises(ProxyError.InvalidProxy, match=words):
        run(http_flow(stream, target, **more))  # type: ignore[arg-type]
    assert not stream.sent


def test_fields_of_the_callers() -> None:
    stream = ScriptedStream([OK])
    run(http_flow(stream, "www.example:1", fields=[("user-agent", "me"), ("X-Who", "jo")]))
    assert bytes(stream.sent).count(b"ser-") == 1
    assert b"\r\nuser-agent: me\r\nX-Who: jo\r\n\r\n" in stream.sent


def test_an_endless_head_runs_into_the_deadline() -> None:
    stream = ScriptedStream([b"HTTP/1.1 200 OK\r\nA: b\r\n"], silent=True)
    with pytest.raises(DeadlineExceeded, match=r"asking the proxy for 192\.0\.2\.7:80"):
        http_tunnel(stream, "192.0.2.7:80", timeout=0.02)


def test_values_of_a_field() -> None:
    reply = ConnectReply(200, "", (("Via", "a"), ("via", "b"), ("X", "c")))
    assert reply.values("VIA") == ["a", "b"]


@given(st.binary(max_size=60) | st.text("HTP/1.02 \r\n:aA", max_size=60).map(str.encode))
def test_whatever_it_sends_the_dialogue_ends(data: bytes) -> None:
    try:
        run(http_flow(ScriptedStream(by_byte(data)), "192.0.2.7:80"), deadline=monotonic() + 10)
    except ProxyError:
        pass
    else:
        assert b"HTTP/1." in data
