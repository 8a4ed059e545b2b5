"""Every field of ClientConfig, PoolConfig and DialConfig has an effect, and so has each store of a client.

A test says by `drives` which field it is about; the last test fails for a field that no test is about.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from netkit._value import Value
from netkit.addr import SocketAddr
from netkit.http import (
    Client,
    ClientConfig,
    CookieJar,
    DialConfig,
    HstsStore,
    HttpError,
    HttpVersions,
    PoolConfig,
    Request,
    RetryPolicy,
    Url,
)
from netkit.http.client.dial import Endpoint
from netkit.http.connection.errors import ConnectionFault
from netkit.http.connection.h2 import h2_server
from netkit.http.connection.limits import ConnectionLimits
from netkit.http.fields.dates import format_http_date
from netkit.io import Flow
from netkit.net.errors import ConnectError
from netkit.proxy.url import Proxy
from netkit.tls import CertVerifyMode, TlsConfig, TlsError
from tests.conftest import free_port
from tests.http.client.conftest import Form
from tests.http.client.serving import Conn, Received, Site, always, in_turn, redirect, reply, trusting

F = TypeVar("F", bound=Callable[..., None])

#: The fields that some test below is about.
DRIVEN: set[tuple[type, str]] = set()

SHORT = 0.05


def drives(config: type, *fields: str) -> Callable[[F], F]:
    def mark(function: F) -> F:
        DRIVEN.update((config, field) for field in fields)
        return function

    return mark


def silent(request: Received, conn: Conn) -> None:
    conn.wait_for_end()


# ClientConfig


@drives(ClientConfig, "timeout")
def test_timeout(client_form: Form) -> None:
    client = client_form.client(ClientConfig(timeout=SHORT))
    with Site(silent) as site:
        with pytest.raises(HttpError.Timeout) as caught:
            client_form.get(client, site.url())
        assert caught.value.timeout == SHORT


@drives(ClientConfig, "max_redirects", "follow_redirects")
def test_redirects(client_form: Form) -> None:
    with Site(in_turn(redirect("/1"), redirect("/2"), redirect("/3"))) as site:
        with pytest.raises(HttpError.InvalidResponse, match="more than 1 redirects"):
            client_form.get(client_form.client(ClientConfig(max_redirects=1)), site.url())
        assert len(site.requests) == 2
        client = client_form.client(ClientConfig(follow_redirects=False))
        assert client_form.get(client, site.url()).headers.get_first("location") == "/3"


@drives(ClientConfig, "user_agent")
def test_user_agent(client_form: Form) -> None:
    with Site(always(reply(b"x"))) as site:
        for agent in ("me/1", None):
            client_form.get(client_form.client(ClientConfig(user_agent=agent)), site.url())
            assert site.requests[-1].field("user-agent") == agent
        client = client_form.client()
        client_form.get(client, site.url())
        assert (site.requests[-1].field("user-agent") or "").startswith("netkit/")
        client_form.get(client, site.url(), {"user-agent": "own"})
        assert site.requests[-1].field("user-agent") == "own"


@drives(ClientConfig, "default_headers")
def test_default_headers(client_form: Form) -> None:
    given = {"X-One": "1", "X-Two": "2", "Accept": "a/b", "Host": "h.example", "Content-Length": "9"}
    client = client_form.client(ClientConfig(default_headers=given))
    with Site(always(reply(b"x"))) as site:
        client_form.get(client, site.url(), {"x-two": "own"})
        (request,) = site.requests
        assert request.all("x-one") == ["1"]
        assert request.all("x-two") == ["own"]
        assert request.all("accept") == ["a/b"]
        assert request.all("host") == [site.endpoint]  # which is each request's own
        assert request.field("content-length") is None


@drives(ClientConfig, "max_body")
def test_max_body(client_form: Form) -> None:
    client = client_form.client(ClientConfig(max_body=3))
    with Site(in_turn(reply(b"123"), reply(b"1234"))) as site:
        assert client_form.get(client, site.url()).body == b"123"
        with pytest.raises(HttpError.BodyTooLarge) as caught:
            client_form.get(client, site.url())
        assert (caught.value.limit, caught.value.limit_name) == (3, "max_body")


@drives(ClientConfig, "decode")
def test_decode(client_form: Form) -> None:
    import gzip

    octets = gzip.compress(b"hello")
    with Site(always(reply(octets, 200, ("Content-Encoding", "gzip")))) as site:
        for decode, body in ((True, b"hello"), (False, octets)):
            client = client_form.client(ClientConfig(decode=decode))
            assert client_form.get(client, site.url()).body == body
            assert (site.requests[-1].field("accept-encoding") is not None) is decode


@drives(ClientConfig, "expect_continue")
def test_expect_continue(client_form: Form) -> None:
    client = client_form.client(ClientConfig(expect_continue=4))

    def answer(request: Received, conn: Conn) -> bytes:
        if request.field("expect"):
            conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return reply(conn.body(request).body)

    with Site(answer, heads_only=True) as site:
        for body in (b"123", b"1234"):
            assert client_form.post(client, site.url(), body).body == body
        assert [each.field("expect") for each in site.requests] == [None, "100-continue"]


@drives(ClientConfig, "limits")
def test_limits(client_form: Form) -> None:
    limits = ConnectionLimits(max_interim=1)
    client = client_form.client(ClientConfig(limits=limits))
    early = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    with Site(in_turn(early + reply(b"x"), early + early + reply(b"x"))) as site:
        assert client_form.get(client, site.url()).body == b"x"
        with pytest.raises(ConnectionFault) as caught:
            client_form.get(client, site.url())
        assert (caught.value.limit_name, caught.value.limit) == ("max_interim", 1)


# RetryPolicy, which is a field of ClientConfig


QUICK = RetryPolicy(backoff=0.001, jitter=0)


@drives(ClientConfig, "retry")
@pytest.mark.parametrize("tries", [1, 2, 4])
def test_tries(client_form: Form, tries: int) -> None:
    client = client_form.client(ClientConfig(retry=QUICK.replace(tries=tries)))
    with Site(always(reply(b"busy", 503))) as site:
        assert client_form.get(client, site.url()).status == 503
        assert len(site.requests) == tries
        assert site.connections == 1


@pytest.mark.parametrize(
    ("status", "method", "again"),
    [
        (503, "GET", True),
        (429, "PUT", True),
        (500, "GET", True),
        (404, "GET", False),
        (503, "POST", False),
        (200, "GET", False),
    ],
)
def test_statuses_and_methods(client_form: Form, status: int, method: str, again: bool) -> None:
    client = client_form.client(ClientConfig(retry=QUICK))
    with Site(in_turn(reply(b"1", status), reply(b"2"))) as site:
        response = client_form.call(client.request, Request(method, site.url()))
        assert response.body == (b"2" if again else b"1")
    every = client_form.client(ClientConfig(retry=QUICK.replace(methods=None, statuses=[418])))
    with Site(in_turn(reply(b"1", 418), reply(b"2"))) as site:
        assert client_form.post(every, site.url(), b"body").body == b"2"
        assert [each.body for each in site.requests] == [b"body"] * 2


def test_a_body_that_goes_once_is_not_tried_again(client_form: Form) -> None:
    client = client_form.client(ClientConfig(retry=QUICK.replace(methods=None)))
    with Site(always(reply(b"busy", 503))) as site:
        assert client_form.post(client, site.url(), iter([b"body"])).status == 503
        assert len(site.requests) == 1


@pytest.mark.parametrize(
    ("retry_after", "respect", "tries"),
    [("0", True, 2), ("1000", True, 1), ("1000", False, 2), ("nonsense", True, 2), ("DATE", True, 1)],
)
def test_retry_after(client_form: Form, retry_after: str, respect: bool, tries: int) -> None:
    """A time beyond the limit ends the tries, and one that is not respected does nothing."""
    policy = QUICK.replace(tries=2, respect_retry_after=respect, max_retry_after=60)
    client = client_form.client(ClientConfig(retry=policy))
    value = retry_after.replace("DATE", format_http_date(datetime.now(UTC) + timedelta(seconds=1000)))
    with Site(always(reply(b"busy", 503, ("Retry-After", value)))) as site:
        client_form.get(client, site.url())
        assert len(site.requests) == tries


def test_the_wait_before_another_try(client_form: Form) -> None:
    told: list[Any] = []
    policy = RetryPolicy(tries=4, backoff=0.002, factor=2, max_backoff=0.005, jitter=0)
    client = client_form.client(ClientConfig(retry=policy), trace=told.append)
    with Site(always(reply(b"busy", 503))) as site:
        client_form.get(client, site.url())
        assert [each.facts["delay"] for each in told if each.name == "retry"] == [0.002, 0.004, 0.005]


def test_the_wait_is_within_the_whole_time(client_form: Form) -> None:
    client = client_form.client(ClientConfig(retry=RetryPolicy(backoff=60, max_backoff=60), timeout=SHORT))
    with Site(always(reply(b"busy", 503))) as site:
        with pytest.raises(HttpError.Timeout):
            client_form.get(client, site.url())
        assert client.connections == client.idle_connections


def test_failures_are_tried_again(client_form: Form) -> None:
    def leave(request: Received, conn: Conn) -> None:
        conn.close()

    client = client_form.client(ClientConfig(retry=QUICK))
    with Site(in_turn(leave, leave, reply(b"x"))) as site:
        assert client_form.get(client, site.url()).body == b"x"
        assert len(site.requests) == 3
    told: list[Any] = []
    client = client_form.client(ClientConfig(retry=QUICK), trace=told.append)
    with pytest.raises(HttpError.ConnectionError):  # it was not sent, so any method
        client_form.post(client, f"http://127.0.0.1:{free_port()}/", b"body")
    assert sum(each.name == "retry" for each in told) == 2


def test_what_no_other_try_can_help(client_form: Form) -> None:
    """The caller's own settings, and a certificate."""
    told: list[Any] = []
    config = ClientConfig(retry=QUICK)
    with Site(always(reply(b"x")), tls=True) as site:
        client = client_form.client(config, dial=DialConfig(deny_private=True), trace=told.append)
        with pytest.raises(HttpError.ConnectionError):
            client_form.get(client, site.url())
        client = client_form.client(config, trace=told.append)
        with pytest.raises(HttpError.TlsError):
            client_form.get(client, site.url())
        client.close()
        with pytest.raises(HttpError.ConnectionError):
            client_form.get(client, site.url())
    assert not [each for each in told if each.name == "retry"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_misdirected_request_goes_once_more(client_form: Form, method: str) -> None:
    """RFC 9110 section 15.5.20: over another connection, whatever the method; and not for ever."""
    client = client_form.client()
    with Site(in_turn(reply(b"", 421), reply(b"x"))) as site:
        response = client_form.call(client.request, Request(method, site.url()), body=b"body")
        assert response.body == b"x"
        assert [(each.connection, each.body) for each in site.requests] == [(1, b"body"), (2, b"body")]
    with Site(always(reply(b"no", 421))) as site:
        assert client_form.get(client, site.url()).status == 421
        assert len(site.requests) == 2


# PoolConfig


@drives(ClientConfig, "pool_config")
@drives(PoolConfig, "max_connections")
def test_max_connections(client_form: Form) -> None:
    client = client_form.client(ClientConfig(pool_config=PoolConfig(max_connections=1)))
    with Site(lambda request, conn: conn.send(reply(bytes(1))[:-1])) as site:
        with client_form.stream(client, site.url()), pytest.raises(HttpError.Timeout) as caught:
            client_form.get(client, site.url(), timeout=SHORT)
        assert caught.value.phase == "waiting for a free connection"
        assert site.connections == 1


@drives(PoolConfig, "idle_timeout")
def test_idle_timeout(client_form: Form) -> None:
    with Site(always(reply(b"x"))) as site:
        for timeout, connections in ((None, 1), (0.0, 3)):
            client = client_form.client(ClientConfig(pool_config=PoolConfig(idle_timeout=timeout)))
            for _ in range(2):
                client_form.get(client, site.url())
            assert site.connections == connections


@drives(PoolConfig, "read_timeout")
def test_read_timeout(client_form: Form) -> None:
    client = client_form.client(ClientConfig(pool_config=PoolConfig(read_timeout=SHORT)))
    with Site(silent) as site:
        with pytest.raises(HttpError.Timeout) as caught:
            client_form.get(client, site.url())
        assert (caught.value.timeout, caught.value.phase) == (SHORT, "waiting for the answer")


@drives(PoolConfig, "write_timeout")
def test_write_timeout(client_form: Form) -> None:
    client = client_form.client(ClientConfig(pool_config=PoolConfig(write_timeout=SHORT)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(HttpError.Timeout) as caught:
            client_form.post(client, url, bytes(16 << 20))
        assert (caught.value.timeout, caught.value.phase) == (SHORT, "sending the request")


# DialConfig


@drives(DialConfig, "versions", "tls")
@pytest.mark.parametrize(
    ("versions", "http2", "version"),
    [
        (HttpVersions.AUTO, True, "2"),
        (HttpVersions.AUTO, False, "1.1"),
        (HttpVersions.HTTP11, False, "1.1"),
        (HttpVersions.HTTP2, True, "2"),
    ],
)
def test_versions(client_form: Form, versions: HttpVersions, http2: bool, version: str) -> None:
    with Site(always(reply(b"x")), tls=True, http2=http2) as site:
        client = client_form.client(dial=DialConfig(versions, trusting()))
        response = client_form.get(client, site.url())
        assert (response.connection.version, str(response.version)) == (version, f"HTTP/{version}")
        untrusting = client_form.client(dial=DialConfig(versions, TlsConfig.client()))
        with pytest.raises(HttpError.TlsError):
            client_form.get(untrusting, site.url())


def test_versions_that_the_server_does_not_speak(client_form: Form) -> None:
    with Site(always(reply(b"x")), tls=True) as site:
        client = client_form.client(dial=DialConfig(HttpVersions.HTTP2, trusting()))
        with pytest.raises(HttpError.ConnectionError, match="HTTP/2"):
            client_form.get(client, site.url())
        assert client.connections == 0


def test_http2_unasked(client_form: Form) -> None:
    with Site(lambda request, conn: reply(request.body), http2=True, clear=True) as site:
        client = client_form.client(dial=DialConfig(HttpVersions.HTTP2))
        response = client_form.post(client, site.url(), b"body")
        assert (response.body, response.connection.version) == (b"body", "2")


class TakesNoWebSocket(Site):
    """Speaks HTTP/2 without extended CONNECT, and HTTP/1.1."""

    def _talk_http2(self, conn: Conn) -> None:
        assert isinstance(conn.sock, ssl.SSLSocket)
        talk = super()._talk_http2 if conn.sock.selected_alpn_protocol() == "h2" else self._talk
        talk(conn)


@drives(DialConfig, "http2_websockets")
@pytest.mark.parametrize("may_be_http2", [False, True])
def test_http2_is_tried_for_a_websocket_where_that_is_asked_for(
    client_form: Form, monkeypatch: pytest.MonkeyPatch, may_be_http2: bool
) -> None:
    """Where the server then takes none in HTTP/2, that costs a second connection."""
    monkeypatch.setattr("tests.http.client.serving.h2_server", partial(h2_server, extended_connect=False))
    with TakesNoWebSocket(always(reply(b"x")), http2=True) as site:
        client = client_form.client(dial=DialConfig(tls=trusting(), http2_websockets=may_be_http2))
        response = client_form.get(client, site.url(), {"Upgrade": "websocket"})
        assert (response.body, response.connection.version) == (b"x", "1.1")
        assert site.connections == (2 if may_be_http2 else 1)


@drives(DialConfig, "services")
def test_services(client_form: Form) -> None:
    """More of it is in test_https_records.py."""

    def services(host: str, port: int, supported: Sequence[str]) -> Flow[list[Endpoint]]:
        return [Endpoint(host, site.port, ("http/1.1",), (SocketAddr.new("127.0.0.1", site.port),))]
        yield

    with Site(always(reply(b"x")), tls=True) as site:
        client = client_form.client(dial=DialConfig(tls=trusting(), services=services))
        assert client_form.get(client, "https://a.example/").body == b"x"


@drives(DialConfig, "proxy_for")
def test_proxy_for(client_form: Form) -> None:
    asked: list[Url] = []
    with Site(always(reply(b"x"))) as proxy:

        def proxy_for(url: Url) -> Proxy | None:
            asked.append(url)
            return Proxy.parse(f"http://{proxy.endpoint}")

        client = client_form.client(dial=DialConfig(proxy_for=proxy_for))
        assert client_form.get(client, "http://a.example/b").body == b"x"
        assert [str(url) for url in asked] == ["http://a.example/b"]


class UnixSite(Site):
    def __init__(self, path: Path, **more: Any) -> None:
        self.path = path
        super().__init__(always(reply(b"x")), **more)

    def _listen(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(self.path))
        sock.listen()
        return sock


@drives(DialConfig, "unix_socket")
@pytest.mark.parametrize("tls", [False, True])
def test_unix_socket(client_form: Form, tmp_path: Path, tls: bool) -> None:
    path = tmp_path / "s"
    dial = DialConfig(
        unix_socket=str(path), tls=trusting(), proxy_for=lambda url: Proxy.parse("http://127.0.0.1:1")
    )
    client = client_form.client(dial=dial)
    scheme = "https" if tls else "http"
    with UnixSite(path, tls=tls) as site:
        for _ in range(2):
            response = client_form.get(client, f"{scheme}://a.example/b")
            assert response.body == b"x"
        assert response.connection.unix_path == str(path)
        assert response.connection.peer is None
        assert site.requests[0].field("host") == "a.example"
        assert site.connections == 1
    path.unlink()
    gone = client_form.client(dial=dial)
    with pytest.raises(HttpError.ConnectionError) as caught:
        client_form.get(gone, f"{scheme}://a.example/b")
    assert caught.value.stage in ("connect", "local")


@drives(DialConfig, "resolve_to")
def test_resolve_to(client_form: Form) -> None:
    with Site(always(reply(b"x"))) as site:
        there = SocketAddr.parse(site.endpoint)
        nobody = SocketAddr.parse(f"127.0.0.1:{free_port()}")
        client = client_form.client(dial=DialConfig(resolve_to={"a.invalid:80": [nobody, there]}))
        response = client_form.get(client, "http://A.invalid/")
        assert response.connection.peer == there
        assert site.requests[0].field("host") == "a.invalid"
        with pytest.raises(HttpError.DnsResolution):
            client_form.get(client, "http://a.invalid:81/")


@drives(DialConfig, "connect_to")
def test_connect_to(client_form: Form) -> None:
    with Site(always(reply(b"x")), tls=True) as site:
        client = client_form.client(
            dial=DialConfig(connect_to={"a.example:443": site.endpoint}, tls=trusting())
        )
        assert client_form.get(client, "https://a.example/").body == b"x"  # verified as a.example
        assert site.requests[0].field("host") == "a.example"


@drives(DialConfig, "server_names")
def test_server_names(client_form: Form) -> None:
    with Site(always(reply(b"x")), tls=True) as site:
        here = {f"c.test:{site.port}": [SocketAddr.new("127.0.0.1", site.port)]}
        named = DialConfig(resolve_to=here, server_names={f"c.test:{site.port}": "a.example"}, tls=trusting())
        url = f"https://c.test:{site.port}/"
        assert client_form.get(client_form.client(dial=named), url).body == b"x"
        with pytest.raises(HttpError.TlsError, match=r"not valid for c\.test"):
            client_form.get(client_form.client(dial=named.replace(server_names={})), url)


@drives(DialConfig, "resume")
@pytest.mark.parametrize("may_resume", [True, False])
def test_resume(client_form: Form, may_resume: bool) -> None:
    with Site(always(reply(b"x", 200, ("Connection", "close"))), tls=True) as site:
        dial = DialConfig(connect_to={"a.example:443": site.endpoint}, tls=trusting(), resume=may_resume)
        client = client_form.client(dial=dial)
        got = [client_form.get(client, "https://a.example/").connection.resumed for _ in range(2)]
        assert got == [False, may_resume]


@drives(DialConfig, "early_data")
def test_early_data() -> None:
    """What it sends is in test_early_data; a backend that cannot says so before anything connects."""
    tls = trusting().with_backend("ssl")
    Client(dial=DialConfig(tls=tls)).close()
    with pytest.raises(TlsError.CapabilityError, match="early data"):
        Client(dial=DialConfig(tls=tls, early_data=True))


def resolver_to(*addrs: str, asked: list[tuple[str, int, int]] | None = None) -> Any:
    def resolve(host: str, port: int, family: int) -> Flow[list[SocketAddr]]:
        if asked is not None:
            asked.append((host, port, family))
        return [SocketAddr.parse(each) for each in addrs]
        yield

    return resolve


@drives(DialConfig, "resolver", "family")
def test_resolver_and_family(client_form: Form) -> None:
    asked: list[tuple[str, int, int]] = []
    with Site(always(reply(b"x"))) as site:
        resolver = resolver_to(site.endpoint, asked=asked)
        for family in (0, socket.AF_INET):
            client = client_form.client(dial=DialConfig(resolver=resolver, family=family))
            assert client_form.get(client, "http://nobody.invalid:8080/").body == b"x"
            assert asked.pop() == ("nobody.invalid", 8080, family)


@drives(DialConfig, "source")
def test_source(client_form: Form) -> None:
    peers = []

    def answer(request: Received, conn: Conn) -> bytes:
        peers.append(conn.sock.getpeername()[0])
        return reply(b"x")

    with Site(answer) as site:
        client = client_form.client(dial=DialConfig(source=SocketAddr.parse("127.0.0.2:0")))
        response = client_form.get(client, site.url())
        assert peers == ["127.0.0.2"]
        assert str(response.connection.local.ip) == "127.0.0.2"


@drives(DialConfig, "connect_timeout")
def test_connect_timeout(client_form: Form) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as stack:
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        client = client_form.client(dial=DialConfig(connect_timeout=SHORT))
        with pytest.raises(HttpError.Timeout) as caught:
            client_form.get(client, f"http://127.0.0.1:{listener.getsockname()[1]}/")
        assert (caught.value.timeout, caught.value.phase) == (SHORT, "connecting")


# deny_private


PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254",
    "100.64.0.1", "192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "[::1]", "[::]", "[fe80::1%1]",
    "[fc00::1]", "[fec0::1]", "[ff02::1%1]", "[ff0e::1]", "[2001:db8::1]", "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a00:1]", "[64:ff9b:1::808:808]",
    "[2002:7f00:1::]", "[2002:a00:1::1]",
]  # fmt: skip


@drives(DialConfig, "deny_private")
@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_not_connected_to(client_form: Form, address: str) -> None:
    """Whatever the name is: what counts is the address that would be connected to."""
    dial = DialConfig(deny_private=True, resolver=resolver_to(f"{address}:80"), connect_timeout=1)
    client = client_form.client(dial=dial)
    with pytest.raises(HttpError.ConnectionError, match="not a public address") as caught:
        client_form.get(client, "http://a.example/")
    assert not isinstance(caught.value.__cause__, ConnectError)
    assert caught.value.fault == "caller"
    assert client.connections == 0


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://0x7f.1/", "http://2130706433/", "http://[::1]/", "http://localhost/", "http://127.1/"],
)  # fmt: skip
def test_however_the_url_writes_it(client_form: Form, url: str) -> None:
    client = client_form.client(dial=DialConfig(deny_private=True))
    with pytest.raises(HttpError.ConnectionError, match="not a public address"):
        client_form.get(client, url)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "[2001:4860:4860::8888]", "[64:ff9b::808:808]", "[2002:808:808::]"]
)
def test_public_addresses_are(address: str) -> None:
    from netkit.http.client.dial import _public

    addr = SocketAddr.parse(f"{address}:80")
    assert _public([SocketAddr.parse("10.0.0.1:80"), addr], "a") == [addr]


@pytest.fixture
def one_public(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address of this machine that passes for a public one."""
    from netkit.http.client import dial

    real = dial._is_public  # noqa: SLF001
    monkeypatch.setattr(dial, "_is_public", lambda ip: str(ip) == "127.0.0.2" or real(ip))
    return "127.0.0.2"


@pytest.mark.parametrize("by", ["address", "name"])
def test_after_a_redirect_too(client_form: Form, one_public: str, by: str) -> None:
    with Site(always(reply(b"secret"))) as inner, Site(always(b""), host=one_public) as outer:
        target = inner.url() if by == "address" else inner.url(host="localhost")
        outer.answer = always(redirect(target))
        client = client_form.client(dial=DialConfig(deny_private=True))
        with pytest.raises(HttpError.ConnectionError, match="not a public address"):
            client_form.get(client, outer.url())
        assert len(outer.requests) == 1
        assert inner.connections == 0


def test_private_and_public_addresses_of_one_name(client_form: Form, one_public: str) -> None:
    with Site(always(reply(b"x")), host=one_public) as site:
        resolver = resolver_to(f"127.0.0.1:{site.port}", site.endpoint)
        client = client_form.client(dial=DialConfig(deny_private=True, resolver=resolver))
        assert client_form.get(client, "http://a.example/").connection.peer == SocketAddr.parse(site.endpoint)


@pytest.mark.parametrize("way", ["resolve_to", "connect_to"])
def test_what_leads_elsewhere_is_looked_at_too(client_form: Form, way: str) -> None:
    with Site(always(reply(b"x"))) as site:
        more: dict[str, Any] = {"connect_to": {"a.example:80": site.endpoint}}
        if way == "resolve_to":
            more = {"resolve_to": {"a.example:80": [SocketAddr.parse(site.endpoint)]}}
        client = client_form.client(dial=DialConfig(deny_private=True, **more))
        with pytest.raises(HttpError.ConnectionError, match="not a public address"):
            client_form.get(client, "http://a.example/")
        assert site.connections == 0


def test_deny_private_and_what_it_cannot_look_into(client_form: Form) -> None:
    proxy = Proxy.parse(f"http://127.0.0.1:{free_port()}")
    client = client_form.client(dial=DialConfig(deny_private=True, proxy_for=lambda url: proxy))
    with pytest.raises(HttpError.InvalidRequest, match="proxy"):
        client_form.get(client, "http://a.example/")
    with pytest.raises(HttpError.InvalidValue, match="Unix"):
        DialConfig(deny_private=True, unix_socket="/x")


# Stores of a client


def test_cookies(client_form: Form) -> None:
    jar = CookieJar()
    client = client_form.client(cookies=jar)
    answers = in_turn(
        redirect("/deep/b", 302, ("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/deep")),
        reply(b"x", 401, ("Set-Cookie", "c=3; Path=/")),
        reply(
            b"x", 200, ("Set-Cookie", "a=; Max-Age=0; Path=/"), ("Set-Cookie", "evil=1; Domain=other.example")
        ),
        reply(b"x"),
    )
    with Site(answers) as site:
        client_form.get(client, site.url("/a"))
        client_form.get(client, site.url("/a"), {"Cookie": "own=9"})
        client_form.get(client, site.url("/a"))
        cookies = [each.field("cookie") for each in site.requests]
        assert cookies[:2] == [None, "b=2; a=1"]
        assert cookies[2] == "own=9; a=1; c=3"
        assert cookies[3] == "c=3"
        assert all(len(each.all("cookie")) <= 1 for each in site.requests)


def test_hsts(client_form: Form) -> None:
    policy = ("Strict-Transport-Security", "max-age=60")
    with (
        Site(always(reply(b"tls", 200, policy)), tls=True) as secure,
        Site(always(reply(b"clear", 200, policy))) as clear,
    ):
        connect_to = {f"{host}.example:443": secure.endpoint for host in "ab"}
        connect_to |= {f"{host}.example:80": clear.endpoint for host in "ab"}
        told: list[Any] = []
        client = client_form.client(
            dial=DialConfig(connect_to=connect_to, tls=trusting()), hsts=HstsStore(), trace=told.append
        )
        assert client_form.get(client, "http://a.example/").body == b"clear"
        assert client_form.get(client, "http://a.example/").body == b"clear"
        # What was said without TLS counts for nothing.
        client_form.get(client, "https://a.example/")
        response = client_form.get(client, "http://A.example./b?c")
        assert response.body == b"tls"
        assert response.url.scheme == "https"
        assert secure.requests[-1].target == "/b?c"
        assert [each.name for each in told].count("upgrade_to_https") == 1
        assert client_form.get(client, "http://b.example/").body == b"clear"
        # A redirect to what was upgraded is too.
        clear.answer = always(redirect("http://a.example/there"))
        assert client_form.get(client, "http://b.example/").body == b"tls"
        assert secure.requests[-1].target == "/there"


def test_hsts_counts_where_the_certificate_was_verified(client_form: Form) -> None:
    policy = ("Strict-Transport-Security", "max-age=60")
    with Site(always(reply(b"x", 200, policy)), tls=True) as secure, Site(always(reply(b"clear"))) as clear:
        connect_to = {"a.example:443": secure.endpoint, "a.example:80": clear.endpoint}
        blind = TlsConfig.client().with_verify_mode(CertVerifyMode.None_)
        client = client_form.client(dial=DialConfig(connect_to=connect_to, tls=blind), hsts=HstsStore())
        client_form.get(client, "https://a.example/")
        assert client_form.get(client, "http://a.example/").body == b"clear"


# All of them


@pytest.mark.parametrize("config", [ClientConfig, PoolConfig, DialConfig])
def test_every_field_is_driven_to_an_effect(config: type[Value]) -> None:
    fields = set(config.__match_args__)
    assert fields == {field for each, field in DRIVEN if each is config}
