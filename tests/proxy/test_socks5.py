"""The SOCKS 5 dialogue: RFC 1928 and RFC 1929, byte by byte, and proxies that do not keep to them."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import pytest
from hypothesis import given, strategies as st

from netkit.addr import Ipv4Addr, Ipv6Addr
from netkit.errors import NetkitError
from netkit.io import DeadlineExceeded, run
from netkit.proxy import ProxyError, socks5_flow, socks5_tunnel
from netkit.proxy.socks5 import Bound
from tests.proxy.scripted import CUTS, ScriptedStream, by_byte

pytestmark = pytest.mark.once

Cut = Callable[[bytes], list[bytes]]

NO_AUTH = bytes.fromhex("05 00")
BOUND_V4 = bytes.fromhex("05 00 00 01 c0000201 1f90")

#: A target, and the request that RFC 1928 section 4 makes of it.
REQUESTS = [
    ("192.0.2.7:80", "05 01 00 01 c0000207 0050"),
    ("[2001:db8::1]:443", "05 01 00 04 20010db8000000000000000000000001 01bb"),
    ("www.example:8080", "05 01 00 03 0b" + b"www.example".hex() + "1f90"),
    ("bücher.example:1", "05 01 00 03 15" + b"xn--bcher-kva.example".hex() + "0001"),
]

#: Replies that mean success, and what is bound (section 6).
BOUNDS = [
    ("01 c0000201 1f90", Bound(Ipv4Addr("192.0.2.1"), 8080)),
    ("01 00000000 0000", Bound(Ipv4Addr("0.0.0.0"), 0)),
    ("04 20010db8000000000000000000000009 0001", Bound(Ipv6Addr("2001:db8::9"), 1)),
    ("03 05" + b"proxy".hex() + "0050", Bound("proxy", 80)),
    ("03 00 0050", Bound("", 80)),
]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("target", "request_hex"), REQUESTS)
def test_what_is_sent(target: str, request_hex: str, cut: Cut) -> None:
    stream = ScriptedStream(cut(NO_AUTH + BOUND_V4))
    run(socks5_flow(stream, target))
    assert bytes(stream.sent) == bytes.fromhex("05 01 00") + bytes.fromhex(request_hex)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("rest", "bound"), BOUNDS)
def test_what_follows_stays_in_the_stream(rest: str, bound: Bound, cut: Cut) -> None:
    reply = bytes.fromhex("05 00 00" + rest)
    stream = ScriptedStream(cut(NO_AUTH + reply + b"220 hello\r\n"))
    assert run(socks5_flow(stream, "www.example:25")) == bound
    assert stream.read_until(b"\n") == b"220 hello\r\n"


@pytest.mark.parametrize("cut", CUTS)
def test_user_name_and_password(cut: Cut) -> None:
    stream = ScriptedStream(cut(bytes.fromhex("05 02 01 00") + BOUND_V4))
    run(socks5_flow(stream, "192.0.2.7:80", username="jo", password="pä"))
    login = bytes.fromhex("01 02") + b"jo" + bytes.fromhex("03") + "pä".encode()
    assert bytes(stream.sent).startswith(bytes.fromhex("05 02 00 02") + login + b"\5\1")


def test_credentials_that_are_not_asked_for_are_not_sent() -> None:
    stream = ScriptedStream([NO_AUTH + BOUND_V4])
    run(socks5_flow(stream, "192.0.2.7:80", username="jo", password="secret"))
    assert b"secret" not in stream.sent


HOSTILE = [
    # what the proxy sends, the variant, words of the message
    (b"", ProxyError.Closed, "closed the connection"),
    (b"\5", ProxyError.Closed, "after 1 bytes"),
    (NO_AUTH, ProxyError.Closed, "its reply"),
    (NO_AUTH + b"\5", ProxyError.Closed, "its reply"),
    (NO_AUTH + b"\5\0\0\1\xc0\0", ProxyError.Closed, "the rest of its reply"),
    (NO_AUTH + b"\5\0\0\3\xffshort", ProxyError.Closed, "the rest of its reply"),
    (b"\4\0", ProxyError.InvalidReply, "version is 4"),
    (b"\0\x5a", ProxyError.InvalidReply, "version is 0"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", ProxyError.InvalidReply, "version is 72"),
    (b"\x15\x03\x01\0\2\2\x32", ProxyError.InvalidReply, "version is 21"),
    (b"\5\xff", ProxyError.AuthRequired, "requires authentication"),
    (b"\5\2", ProxyError.InvalidReply, "not offered: 2 (user name"),
    (b"\5\1", ProxyError.InvalidReply, "not offered: 1 (GSSAPI)"),
    (b"\5\x80", ProxyError.InvalidReply, "not offered: 128"),
    (NO_AUTH + b"\4\0\0\1", ProxyError.InvalidReply, "version is 4"),
    (NO_AUTH + b"\5\0\0\2", ProxyError.InvalidReply, "address type: 2"),
    (NO_AUTH + b"\5\0\0\0", ProxyError.InvalidReply, "address type: 0"),
    (NO_AUTH + b"\5\5\0\1", ProxyError.SocksReply, "connection refused (SOCKS reply 5)"),
    (NO_AUTH + b"\5\4", ProxyError.SocksReply, "host unreachable"),  # and no more than that
    (NO_AUTH + b"\5\x99\0\1", ProxyError.SocksReply, "does not know"),
]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("sent", "kind", "words"), HOSTILE)
def test_a_proxy_that_breaks_its_word(sent: bytes, kind: type[ProxyError], words: str, cut: Cut) -> None:
    with pytest.raises(ProxyError) as caught:
        run(socks5_flow(ScriptedStream(cut(sent)), "192.0.2.7:80"))
    assert type(caught.value) is kind
    assert words in str(caught.value)


def test_a_refused_password() -> None:
    stream = ScriptedStream([b"\5\2\1\1"])
    with pytest.raises(ProxyError.AuthFailed) as caught:
        run(socks5_flow(stream, "192.0.2.7:80", username="jo", password="secret"))
    assert caught.value.user == "jo"
    assert "secret" not in str(caught.value)


def test_an_answer_of_another_version_to_the_password() -> None:
    with pytest.raises(ProxyError.InvalidReply, match="version 5 of the authentication"):
        run(socks5_flow(ScriptedStream([b"\5\2\5\0"]), "192.0.2.7:80", username="jo", password="x"))


@pytest.mark.parametrize(
    ("target", "more", "words"),
    [
        ("a" * 256 + ":80", {}, "256 bytes"),
        ("192.0.2.7:80", {"username": "", "password": "x"}, "user name of 1 to 255"),
        ("192.0.2.7:80", {"username": "x", "password": ""}, "password of 1 to 255"),
        ("192.0.2.7:80", {"username": "x" * 256, "password": "x"}, "not of 256"),
    ],
)
def test_what_cannot_be_said_is_not_begun(target: str, more: dict[str, str], words: str) -> None:
    stream = ScriptedStream([NO_AUTH + BOUND_V4])
    with pytest.raises(ProxyError.InvalidProxy, match=words) as caught:
        run(socks5_flow(stream, target, **more))
    assert not stream.sent
    assert caught.value.fault == "caller"


def test_a_silent_proxy_runs_into_the_deadline() -> None:
    stream = ScriptedStream([NO_AUTH, b"\5"], silent=True)
    with pytest.raises(DeadlineExceeded, match=r"asking the proxy for 192\.0\.2\.7:80"):
        socks5_tunnel(stream, "192.0.2.7:80", timeout=0.02)


@given(st.binary(max_size=40), st.booleans())
def test_whatever_it_sends_the_dialogue_ends(data: bytes, login: bool) -> None:
    """A typed error, or a reply that takes no byte too many."""
    more = {"username": "jo", "password": "x"} if login else {}
    stream = ScriptedStream(by_byte(data))
    try:
        run(socks5_flow(stream, "192.0.2.7:80", **more), deadline=monotonic() + 10)
    except ProxyError as error:
        assert isinstance(error, NetkitError)
    else:
        assert data[:1] == b"\5"
