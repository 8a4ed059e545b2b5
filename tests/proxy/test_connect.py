"""connect_through over real sockets, the URL of a proxy, and the errors."""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from netkit.addr import HostPort, SocketAddr
from netkit.cli.frame.exits import Exit, explain
from netkit.errors import NetkitError
from netkit.io import CancellationToken, DeadlineExceeded, run
from netkit.net import ConnectError
from netkit.proxy import Proxy, ProxyError, connect_through, connect_through_async, connect_through_flow
from netkit.proxy.connect import tunnel_flow
from tests.conftest import free_port
from tests.io.conftest import Drive, drive  # noqa: F401  # the fixture
from tests.proxy.scripted import ScriptedStream
from tests.waiting import waits, when

OK = bytes.fromhex("05 00 05 00 00 01 00000000 0000")


@contextmanager
def proxy(*answers: bytes, hold: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A server that sends one of `answers` to each connection at once; its address, and what it was sent."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(answer)
                    if not hold:
                        connection.shutdown(socket.SHUT_WR)
                    asked.append(b"".join(iter(lambda c=connection: c.recv(65536), b"")))  # type: ignore[misc]

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", asked
        thread.join(10)


def test_a_tunnel_under_every_driver(drive: Drive) -> None:  # noqa: F811
    with proxy(OK + b"220 hello\r\n") as (where, asked):
        stream = drive(connect_through_flow(f"socks5://{where}", "www.example:25"))
        with stream:
            assert drive(stream.read_until_flow(b"\n")) == b"220 hello\r\n"
            assert str(stream.peer_addr) == where
    assert asked[0].endswith(b"\x0bwww.example\0\x19")


def test_http_and_its_password(drive: Drive) -> None:  # noqa: F811
    with proxy(b"HTTP/1.1 200 OK\r\n\r\nhello") as (where, asked):
        stream = drive(connect_through_flow(f"http://jo:a%40b@{where}", "www.example:25"))
        assert drive(stream.read_exactly_flow(5)) == b"hello"
        stream.close()
    assert b"Proxy-Authorization: Basic am86YUBi\r\n" in asked[0]


def test_blocking_and_async() -> None:
    import asyncio

    with proxy(OK, OK) as (where, _):
        connect_through(f"socks5://{where}", "www.example:25", timeout=10).close()

        async def main() -> None:
            (await connect_through_async(f"socks5://{where}", "www.example:25", timeout=10)).close()

        asyncio.run(main())


def test_names_looked_up_here_are_tried_one_after_another() -> None:
    def resolver(host: str, port: int, family: int):
        assert (host, port, family) == ("www.example", 25, 0)
        return [SocketAddr.parse("192.0.2.1:25"), SocketAddr.parse("[2001:db8::1]:25")]
        yield

    refusal = bytes.fromhex("05 00 05 05 00 01 00000000 0000")
    with proxy(refusal, OK) as (where, asked):
        connect_through(
            f"socks5://{where}", "www.example:25", remote_names=False, resolver=resolver, timeout=10
        ).close()
    assert asked[0].endswith(bytes.fromhex("01 c0000201 0019"))
    assert asked[1].endswith(bytes.fromhex("04 20010db8000000000000000000000001 0019"))
    with proxy(refusal, refusal) as (where, _), pytest.raises(ProxyError.SocksReply, match=r"192\.0\.2\.1"):
        connect_through(
            f"socks5://{where}", "www.example:25", remote_names=False, resolver=resolver, timeout=10
        )


def test_the_connection_to_the_proxy_is_not_left_open() -> None:
    with proxy(b"\5\xff") as (where, asked), pytest.raises(ProxyError.AuthRequired):
        connect_through(f"socks5://{where}", "www.example:25", timeout=10)
    assert asked  # its reading ended: ours was closed


def test_a_silent_proxy() -> None:
    with proxy(b"", hold=True) as (where, _), pytest.raises(DeadlineExceeded) as caught:
        connect_through(f"http://{where}", "www.example:25", timeout=1)
    assert str(caught.value) == f"timed out while asking the proxy {where} for www.example:25"


def test_cancellation() -> None:
    token = CancellationToken()
    with (
        proxy(b"", hold=True) as (where, _),
        when(waits, token.cancel),
        pytest.raises(NetkitError, match="cancelled"),
    ):
        connect_through(f"http://{where}", "www.example:25", cancel=token)


def test_nobody_there() -> None:
    where = f"127.0.0.1:{free_port()}"
    with pytest.raises(ConnectError.Refused, match=where):
        connect_through(f"http://{where}", "www.example:25", timeout=10)


def test_through_one_proxy_to_the_next() -> None:
    """A dialogue takes any byte stream, a tunnel too."""
    stream = ScriptedStream([b"HTTP/1.0 200 OK\r\n\r\n" + OK + b"x"])
    run(tunnel_flow(stream, Proxy.parse("http://a.example:80"), "b.example:1080"))
    run(tunnel_flow(stream, Proxy.parse("socks5://b.example"), "c.example:7"))
    assert stream.read() == b"x"


# URLs


@pytest.mark.parametrize(
    ("text", "scheme", "endpoint", "username", "password"),
    [
        ("socks5://127.0.0.1", "socks5", "127.0.0.1:1080", None, None),
        ("SOCKS5H://a.example:99/", "socks5", "a.example:99", None, None),
        ("http://[::1]:3128", "http", "[::1]:3128", None, None),
        ("http://a.example", "http", "a.example:80", None, None),
        ("http://jo@a.example:1", "http", "a.example:1", "jo", ""),
        ("http://j%6f:p%3aw%2F@a.example:1", "http", "a.example:1", "jo", "p:w/"),
        ("http://jo:a@b@a.example:1", "http", "a.example:1", "jo", "a@b"),
    ],
)
def test_urls(text: str, scheme: str, endpoint: str, username: str | None, password: str | None) -> None:
    found = Proxy.parse(text)
    assert (found.scheme, str(found.endpoint)) == (scheme, endpoint)
    assert (found.username, found.password) == (username, password)
    assert found == Proxy(scheme, HostPort.parse(endpoint), username=username, password=password)
    assert hash(found) == hash(Proxy.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:1080",
        "ftp://a.example",
        "socks4://a.example",
        "https://a.example",
        "http://jo:secret@a.example:1/path",
        "http://jo:secret@a.example:1?q",
        "http://jo:secret@a.example:x",
        "http://:secret@a.example:1",
        "http://jo:secret@:",
        "http://jo:secret@[::1",
        "http://jo:se/cret@a.example:1",
        "http://a.example:0",
    ],
)
def test_what_is_no_proxy(text: str) -> None:
    with pytest.raises(ProxyError.InvalidProxy) as caught:
        Proxy.parse(text)
    assert "secret" not in f"{caught.value} {caught.value.hint}"
    assert "http://" in (caught.value.hint or "http://")
    assert explain(caught.value).exit == Exit.USAGE


def test_a_password_is_not_shown() -> None:
    found = Proxy.parse("socks5://jo:secret@a.example")
    assert str(found) == "socks5://jo:***@a.example:1080"
    assert "secret" not in repr(found)
    with pytest.raises(AttributeError):
        found.password = "x"


# Errors

VARIANTS: list[tuple[ProxyError, Exit, Callable[[], type]]] = [
    (ProxyError.InvalidProxy("no", "yes"), Exit.USAGE, lambda: ValueError),
    (ProxyError.InvalidReply("no", b"x", "hint"), Exit.PROTOCOL, lambda: ProxyError),
    (ProxyError.LimitExceeded("bytes", 5), Exit.PROTOCOL, lambda: ValueError),
    (ProxyError.Closed("its reply", 3), Exit.NO_CONNECTION, lambda: ConnectionError),
    (ProxyError.AuthRequired(("Digest",), True), Exit.NO_CONNECTION, lambda: ProxyError),
    (ProxyError.AuthRequired(), Exit.NO_CONNECTION, lambda: ProxyError),
    (ProxyError.AuthFailed("jo"), Exit.NO_CONNECTION, lambda: ProxyError),
    (ProxyError.Refused("a:1", 1, "words"), Exit.NO_CONNECTION, lambda: ConnectionError),
    (ProxyError.SocksReply("a:1", 5), Exit.NO_CONNECTION, lambda: ProxyError.Refused),
    (ProxyError.Status("a:1", 503, "Busy"), Exit.NO_CONNECTION, lambda: ProxyError.Refused),
    (ProxyError.InvalidHeader("bad", 4), Exit.PROTOCOL, lambda: ValueError),
    (ProxyError.InvalidHeader("bad", None, "caller"), Exit.USAGE, lambda: ValueError),
]


@pytest.mark.parametrize(("error", "code", "base"), VARIANTS)
def test_variants(error: ProxyError, code: Exit, base: Callable[[], type]) -> None:
    assert isinstance(error, base())
    assert error.layer == "proxy"
    assert getattr(ProxyError, type(error).__name__) is type(error)
    assert str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.hint) == (type(error), str(error), error.hint)
    assert explain(error).exit == code


def test_every_variant_is_here() -> None:
    named = {name for name, value in vars(ProxyError).items() if isinstance(value, type)}
    assert named == {type(error).__name__ for error, *_ in VARIANTS}
