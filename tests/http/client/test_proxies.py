"""Through proxies: what the proxy gets, what the server gets, and what is said when the proxy refuses."""

from __future__ import annotations

import base64
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from netkit.http import DialConfig, HttpError, ProxyChoice, Request
from netkit.proxy.errors import ProxyError
from netkit.proxy.url import Proxy
from tests.conftest import free_port
from tests.http.client.conftest import Form
from tests.http.client.serving import Conn, Received, Site, always, in_turn, reply, trusting
from tests.waiting import until

CREDENTIALS = f"Basic {base64.b64encode(b'jo:secret').decode()}"


def pump(one: socket.socket, other: socket.socket) -> None:
    """What comes from either goes to the other, until one has ended."""

    def copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while octets := source.recv(65536):
                sink.sendall(octets)
        except OSError:
            pass
        for each in (sink, source):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other direction has done it

    back = threading.Thread(target=copy, args=(other, one), daemon=True)
    back.start()
    copy(one, other)
    back.join(20)


def tunnel(to: Callable[[], int]) -> Callable[[Received, Conn], None]:
    """A proxy that answers CONNECT, whatever the name, with a connection to that port."""

    def answer(request: Received, conn: Conn) -> None:
        assert request.method == "CONNECT"
        with socket.create_connection(("127.0.0.1", to())) as other:
            conn.send(b"HTTP/1.1 200 Connected\r\n\r\n")
            pump(conn.sock, other)
        conn.close()

    return answer


class Socks5(Site):
    """RFC 1928 and 1929 by hand. `asked` are the targets; `code` is the reply, 0 for success."""

    def __init__(self, port: int, *, password: bool = False, code: int = 0) -> None:
        super().__init__(always(b""))
        self.target_port, self.password, self.code = port, password, code
        self.asked: list[tuple[str, int]] = []
        self.logins: list[tuple[bytes, bytes]] = []

    def _talk(self, conn: Conn) -> None:
        read = conn.reader.read
        version, count = read(2)
        assert version == 5
        methods = read(count)
        method = 2 if self.password else 0
        if method not in methods:
            conn.send(b"\x05\xff")
            return
        conn.send(bytes([5, method]))
        if self.password:
            assert read(1) == b"\x01"
            self.logins.append((read(read(1)[0]), read(read(1)[0])))
            conn.send(b"\x01\x00" if self.logins[-1] == (b"jo", b"secret") else b"\x01\x01")
        _, command, _, kind = read(4)
        assert command == 1
        host = socket.inet_ntoa(read(4)) if kind == 1 else read(read(1)[0]).decode()
        self.asked.append((host, struct.unpack(">H", read(2))[0]))
        conn.send(bytes([5, self.code, 0, 1, 0, 0, 0, 0, 0, 0]))
        if self.code == 0:
            with socket.create_connection(("127.0.0.1", self.target_port)) as other:
                pump(conn.sock, other)


def through(proxy: str | Proxy, **more: Any) -> DialConfig:
    found = Proxy.parse(proxy) if isinstance(proxy, str) else proxy
    return DialConfig(proxy_for=lambda url: found, tls=trusting(), **more)


# Forwarding


def test_a_request_is_forwarded_with_its_whole_url(client_form: Form) -> None:
    with Site(lambda request, conn: reply(request.body)) as proxy:
        client = client_form.client(dial=through(f"http://jo:secret@{proxy.endpoint}"))
        for url, target in [
            ("http://a.example/b?c#d", "http://a.example/b?c"),
            ("http://A.example:80", "http://a.example/"),
            ("http://a.example:8080/", "http://a.example:8080/"),
            ("http://[2001:db8::1]/", "http://[2001:db8::1]/"),
        ]:
            response = client_form.post(client, url, b"body")
            assert response.body == b"body"
            request = proxy.requests[-1]
            assert (request.method, request.target) == ("POST", target)
            assert request.field("host") == target.split("/")[2]
            assert request.field("proxy-authorization") == CREDENTIALS
            assert response.connection.proxy is not None
            assert "secret" not in response.connection.proxy
        client_form.get(client, "http://a.example/")
        assert client.connections == 3  # one for each origin


def test_a_407_of_a_forwarding_proxy_is_the_answer(client_form: Form) -> None:
    with Site(always(reply(b"who?", 407, ("Proxy-Authenticate", 'Basic realm="x"')))) as proxy:
        client = client_form.client(dial=through(f"http://{proxy.endpoint}"))
        assert client_form.get(client, "http://a.example/").status == 407
        assert len(proxy.requests) == 1


# Tunnels


@pytest.mark.parametrize("http2", [False, True], ids=["1.1", "2"])
@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_https_goes_through_a_tunnel(client_form: Form, scheme: str, http2: bool) -> None:
    with Site(lambda request, conn: reply(request.body), tls=True, http2=http2) as server:
        proxy = Site(tunnel(lambda: server.port)) if scheme == "http" else Socks5(server.port, password=True)
        with proxy:
            client = client_form.client(dial=through(f"{scheme}://jo:secret@{proxy.endpoint}"))
            for _ in range(2):
                response = client_form.post(client, "https://a.example/b", b"body", {"X-Own": "1"})
                assert response.body == b"body"
                assert response.connection.tls_version is not None
            assert proxy.connections == server.connections == client.connections == 1
            phases = [name for name, _, _ in response.timing.phases()]
            assert phases == ["send", "wait", "receive"]
            for request in server.requests:
                assert request.target == "/b"
                assert request.field("host") == "a.example"
                assert request.field("proxy-authorization") is None
            if isinstance(proxy, Socks5):
                assert proxy.asked == [("a.example", 443)]  # the proxy looks the name up
                assert proxy.logins == [(b"jo", b"secret")]
            else:
                (asked,) = proxy.requests
                assert asked.target == "a.example:443"
                assert asked.field("host") == "a.example:443"
                assert asked.field("proxy-authorization") == CREDENTIALS
                assert asked.field("x-own") is None
            client.close()


def test_the_phase_of_a_tunnel(client_form: Form) -> None:
    with Site(always(reply(b"x")), tls=True) as server, Site(tunnel(lambda: server.port)) as proxy:
        client = client_form.client(dial=through(f"http://{proxy.endpoint}"))
        response = client_form.get(client, "https://a.example/")
        names = [name for name, _, _ in response.timing.phases() if name != "dns"]
        assert names == ["queue", "connect", "proxy", "tls", "send", "wait", "receive"]
        client.close()


def test_http_through_socks(client_form: Form) -> None:
    with Site(always(reply(b"x"))) as server, Socks5(server.port) as proxy:
        client = client_form.client(dial=through(f"socks5://{proxy.endpoint}"))
        assert client_form.get(client, "http://a.example:8080/b").body == b"x"
        assert proxy.asked == [("a.example", 8080)]
        assert server.requests[0].target == "/b"
        client.close()


def test_the_certificate_is_of_the_server(client_form: Form) -> None:
    """A proxy in the middle with a certificate for another name is found out."""
    with Site(always(reply(b"x")), tls=True) as server, Site(tunnel(lambda: server.port)) as proxy:
        client = client_form.client(dial=through(f"http://{proxy.endpoint}"))
        with pytest.raises(HttpError.TlsError):
            client_form.get(client, "https://c.example/")
        assert not server.requests
        assert client.connections == 0


# Refusals


REFUSALS = [
    (reply(b"no", 403), ProxyError.Status),
    (reply(b"bad", 502), ProxyError.Status),
    (reply(b"who?", 407, ("Proxy-Authenticate", 'Basic realm="x"')), ProxyError.AuthRequired),
    (b"SSH-2.0-x\r\n", ProxyError.InvalidReply),
    (b"", ProxyError.Closed),
]


@pytest.mark.parametrize(("octets", "cause"), REFUSALS)
def test_connect_is_refused(client_form: Form, octets: bytes, cause: type[Exception]) -> None:
    def answer(request: Received, conn: Conn) -> None:
        conn.send(octets)
        conn.close()

    with Site(answer) as proxy:
        client = client_form.client(dial=through(f"http://{proxy.endpoint}"))
        with pytest.raises(HttpError.ConnectionError) as caught:
            client_form.get(client, "https://a.example/")
        assert isinstance(caught.value.__cause__, cause)
        assert caught.value.stage == "connect"
        assert str(caught.value) == str(caught.value.__cause__)
        assert caught.value.hint == getattr(caught.value.__cause__, "hint", None)
        assert client.connections == 0
        assert proxy.connections == 1


def test_a_password_that_a_proxy_does_not_take(client_form: Form) -> None:
    refusal = reply(b"who?", 407, ("Proxy-Authenticate", 'Basic realm="x"'))
    with Site(always(refusal)) as proxy:
        client = client_form.client(dial=through(f"http://jo:wrong@{proxy.endpoint}"))
        with pytest.raises(HttpError.ConnectionError) as caught:
            client_form.get(client, "https://a.example/")
        assert isinstance(caught.value.__cause__, ProxyError.AuthFailed)
        assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "cause"),
    [({"code": 5}, ProxyError.SocksReply), ({"password": True}, ProxyError.AuthRequired)],
)
def test_socks_refuses(client_form: Form, settings: dict[str, Any], cause: type[Exception]) -> None:
    with Socks5(1, **settings) as proxy:
        client = client_form.client(dial=through(f"socks5://{proxy.endpoint}"))
        with pytest.raises(HttpError.ConnectionError) as caught:
            client_form.get(client, "http://a.example/")
        assert isinstance(caught.value.__cause__, cause)
        assert client.connections == 0


def test_no_proxy_there(client_form: Form) -> None:
    for url in ("http://a.example/", "https://a.example/"):
        client = client_form.client(dial=through(f"http://127.0.0.1:{free_port()}"))
        with pytest.raises(HttpError.ConnectionError) as caught:
            client_form.get(client, url)
        assert caught.value.stage == "connect"
        assert client.connections == 0


def test_a_silent_proxy(client_form: Form) -> None:
    with Site(lambda request, conn: conn.wait_for_end() and None) as proxy:
        client = client_form.client(dial=through(f"http://{proxy.endpoint}"))
        with pytest.raises(HttpError.Timeout) as caught:
            client_form.get(client, "https://a.example/", timeout=0.05)
        assert "proxy" in str(caught.value.phase)
        assert client.connections == 0


# Which proxy


ENVIRONMENTS: list[tuple[Mapping[str, str], str, str | None]] = [
    ({"http_proxy": "http://PROXY"}, "http://a.example/", "http://a.example/"),
    ({"http_proxy": "PROXY"}, "http://a.example/", "http://a.example/"),
    ({"all_proxy": "http://PROXY"}, "http://a.example/", "http://a.example/"),
    ({"HTTP_PROXY": "http://PROXY"}, "SERVER", None),  # which a CGI program gets from a peer
    ({"https_proxy": "http://PROXY"}, "SERVER", None),
    ({"http_proxy": "http://PROXY", "no_proxy": "127.0.0.1"}, "SERVER", None),
    ({"http_proxy": "http://PROXY", "no_proxy": "*"}, "SERVER", None),
    ({"http_proxy": "http://PROXY", "no_proxy": "b.example"}, "http://a.example/", "http://a.example/"),
]


@pytest.mark.parametrize(("environ", "url", "target"), ENVIRONMENTS)
def test_the_environment(client_form: Form, environ: Mapping[str, str], url: str, target: str | None) -> None:
    with Site(always(reply(b"by proxy"))) as proxy, Site(always(reply(b"direct"))) as server:
        set_up = {name: value.replace("PROXY", proxy.endpoint) for name, value in environ.items()}
        choice = ProxyChoice.from_environment(set_up)
        client = client_form.client(dial=DialConfig(proxy_for=choice.proxy_for))
        response = client_form.get(client, url.replace("SERVER", server.url()))
        assert response.body == (b"direct" if target is None else b"by proxy")
        assert [each.target for each in proxy.requests] == ([] if target is None else [target])


def test_a_variable_that_is_no_proxy(client_form: Form) -> None:
    choice = ProxyChoice.from_environment({"http_proxy": "ftp://jo:secret@x"})
    client = client_form.client(dial=DialConfig(proxy_for=choice.proxy_for))
    with pytest.raises(ProxyError.InvalidProxy, match="http_proxy") as caught:
        client_form.get(client, "http://a.example/")
    assert "secret" not in str(caught.value)
    assert client.connections == 0


def test_connections_are_kept_by_proxy_and_by_its_credentials(client_form: Form) -> None:
    with Site(always(reply(b"x"))) as proxy:
        current = ["jo:one"]
        dial = DialConfig(proxy_for=lambda url: Proxy.parse(f"http://{current[0]}@{proxy.endpoint}"))
        client = client_form.client(dial=dial)
        for credentials, count in [("jo:one", 1), ("jo:two", 2), ("jo:one", 2)]:
            current[0] = credentials
            client_form.get(client, "http://a.example/")
            assert proxy.connections == count


def test_a_tunnel_that_breaks_is_made_again(client_form: Form) -> None:
    def once(request: Received, conn: Conn) -> None:
        conn.send(reply(b"x"))
        conn.close()

    with Site(once, tls=True) as server, Site(tunnel(lambda: server.port)) as proxy:
        client = client_form.client(dial=through(f"http://{proxy.endpoint}"))
        for count in (1, 2):
            assert client_form.call(client.request, Request("POST", "https://a.example/")).body == b"x"
            until(lambda: proxy.open == 0)
            assert proxy.connections == count


def test_a_misdirected_request_goes_through_another_tunnel(client_form: Form) -> None:
    server = Site(in_turn(reply(b"", 421), reply(b"x")), tls=True)
    with server, Site(tunnel(lambda: server.port)) as proxy:
        client = client_form.client(dial=through(f"http://{proxy.endpoint}"))
        assert client_form.get(client, "https://a.example/").body == b"x"
        assert proxy.connections == 2
        client.close()
