"""Which proxy a request goes through: variables, exceptions, and what must not be read."""

from __future__ import annotations

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given, strategies as st

from netkit.http import Url
from netkit.http.policy.proxies import ProxyChoice
from netkit.proxy.errors import ProxyError
from netkit.proxy.url import Proxy
from tests.conftest import require_peer

pytestmark = pytest.mark.once

HTTP, HTTPS = "http://a.example/", "https://a.example/"


def chosen(environ: dict[str, str], url: str) -> str | None:
    proxy = ProxyChoice.from_environment(environ).proxy_for(Url.parse(url))
    return None if proxy is None else str(proxy)


@pytest.mark.parametrize(
    ("environ", "for_http", "for_https"),
    [
        ({}, None, None),
        ({"http_proxy": "http://p:1"}, "http://p:1", None),
        ({"https_proxy": "http://p:1"}, None, "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, None, "http://p:1"),
        # The field `Proxy:` of a request becomes this variable in a CGI program.
        ({"HTTP_PROXY": "http://evil:1"}, None, None),
        ({"HTTP_PROXY": "http://evil:1", "all_proxy": "http://p:1"}, "http://p:1", "http://p:1"),
        ({"all_proxy": "http://p:1"}, "http://p:1", "http://p:1"),
        ({"ALL_PROXY": "socks5://p"}, "socks5://p:1080", "socks5://p:1080"),
        ({"all_proxy": "http://p:1", "https_proxy": "http://q:2"}, "http://p:1", "http://q:2"),
        # Lower case first; what is empty is not there.
        ({"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:2"}, None, "http://p:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://q:2"}, None, "http://q:2"),
        ({"https_proxy": " ", "all_proxy": "http://p:1"}, "http://p:1", "http://p:1"),
        # Without a scheme; with credentials.
        ({"http_proxy": "p.example:3128"}, "http://p.example:3128", None),
        ({"http_proxy": "p.example"}, "http://p.example:80", None),
        ({"http_proxy": "user:pass@[::1]:3128"}, "http://user:***@[::1]:3128", None),
    ],
)
def test_variables(environ: dict[str, str], for_http: str | None, for_https: str | None) -> None:
    assert chosen(environ, HTTP) == chosen(environ, "ws://a.example/") == for_http
    assert chosen(environ, HTTPS) == chosen(environ, "wss://a.example/") == for_https


@pytest.mark.parametrize(
    ("no_proxy", "url", "excepted"),
    [
        ("a.example", "http://a.example/", True),
        ("a.example", "http://b.a.example/", True),
        ("a.example", "http://xa.example/", False),
        ("a.example", "http://example/", False),
        (".a.example", "http://b.a.example/", True),
        (".a.example", "http://a.example/", True),
        ("*.a.example", "http://b.a.example/", True),
        ("A.Example.", "http://a.eXample/", True),
        ("a.example", "http://a.example./", True),
        ("b\u00fccher.example", "http://xn--bcher-kva.example/", True),
        ("xn--bcher-kva.example", "http://B\u00fccher.example/", True),
        ("example", "http://a.example/", True),
        ("localhost", "http://localhost:8080/", True),
        ("other", "http://localhost/", False),
        ("other", "http://127.0.0.1/", False),
        # Several, in the ways that people write them.
        ("x.test,a.example", "http://a.example/", True),
        (" x.test , a.example ", "http://a.example/", True),
        ("x.test a.example", "http://a.example/", True),
        (",,x.test,,", "http://a.example/", False),
        # Ports, written or the scheme's own.
        ("a.example:80", "http://a.example/", True),
        ("a.example:80", "http://a.example:8080/", False),
        ("a.example:443", "https://b.a.example/", True),
        ("a.example:", "http://a.example:8080/", True),
        ("a.example:x", "http://a.example/", False),
        ("a.example:99999999999", "http://a.example/", False),
        # Addresses and ranges.
        ("192.0.2.1", "http://192.0.2.1/", True),
        ("192.0.2.1", "http://0xC0.0x0.2.1/", True),
        ("192.0.2.1", "http://192.0.2.10/", False),
        ("2.1", "http://192.0.2.1/", False),
        ("192.0.2.1:80", "http://192.0.2.1/", True),
        ("192.0.2.1:81", "http://192.0.2.1/", False),
        ("192.0.2.0/24", "http://192.0.2.77/", True),
        ("192.0.2.9/24", "http://192.0.2.77/", True),
        ("192.0.2.0/24", "http://192.0.3.77/", False),
        ("0.0.0.0/0", "http://192.0.3.77/", True),
        ("0.0.0.0/0", "http://[2001:db8::1]/", False),
        ("0.0.0.0/0", "http://a.example/", False),
        ("192.0.2.0/33", "http://192.0.2.1/", False),
        ("a.example/24", "http://a.example/", False),
        ("2001:db8::1", "http://[2001:DB8:0::1]/", True),
        ("[2001:db8::1]", "http://[2001:db8::1]:81/", True),
        ("[2001:db8::1]:81", "http://[2001:db8::1]:81/", True),
        ("[2001:db8::1]:81", "http://[2001:db8::1]/", False),
        ("2001:db8::/32", "http://[2001:db8:7::1]/", True),
        ("[2001:db8::]/32", "http://[2001:db8:7::1]/", True),
        ("2001:db8::/32", "http://[2001:db9::1]/", False),
        ("192.0.2.0/24", "http://[::ffff:192.0.2.7]/", True),
        ("192.0.2.7", "http://[::ffff:192.0.2.7]/", True),
        # Everything, and nothing.
        ("*", "http://a.example/", True),
        ("*", "http://[2001:db8::1]/", True),
        ("x.test,*", "http://a.example/", True),
        ("", "http://a.example/", False),
        (".", "http://a.example/", False),
        ("[", "http://a.example/", False),
        ("]:/", "http://a.example/", False),
        ("a..example", "http://a.example/", False),
    ],
)
def test_exceptions(no_proxy: str, url: str, excepted: bool) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        environ = {"all_proxy": "http://p:1", name: no_proxy}
        assert (chosen(environ, url) is None) is excepted
    assert ProxyChoice("http://p:1", no_proxy=no_proxy).is_excepted(Url.parse(url)) is excepted


def test_the_lower_case_exception_counts_first() -> None:
    environ = {"all_proxy": "http://p:1", "no_proxy": "x.test", "NO_PROXY": "*"}
    assert chosen(environ, HTTP) == "http://p:1"


def test_a_wrong_variable_is_an_error_where_it_is_needed() -> None:
    environ = {"all_proxy": "gopher://user:hunter2@p:1", "http_proxy": "http://p:1", "no_proxy": "x.test"}
    choice = ProxyChoice.from_environment(environ)
    assert "hunter2" not in repr(choice)
    assert choice.proxy_for(Url.parse(HTTP)) == Proxy.parse("http://p:1")
    assert choice.proxy_for(Url.parse("https://x.test/")) is None
    with pytest.raises(ProxyError.InvalidProxy, match=r"^all_proxy: 'gopher'") as caught:
        choice.proxy_for(Url.parse(HTTPS))
    assert "hunter2" not in str(caught.value) and caught.value.hint


@pytest.mark.parametrize(
    "text", ["http://", "http://p:0", "http://p:99999", "http://p/x", "p:x", "@p", "\0", "https://p"]
)
def test_what_is_no_proxy(text: str) -> None:
    with pytest.raises(ProxyError.InvalidProxy, match="http_proxy: "):
        chosen({"http_proxy": text}, HTTP)


def test_explicit_values() -> None:
    choice = ProxyChoice("socks5://p", https="http://user:hunter2@q:1", no_proxy=["x.test"])
    assert choice.all == Proxy.parse("socks5://p")
    assert str(choice.proxy_for(Url.parse(HTTPS))) == "http://user:***@q:1"
    assert "hunter2" not in repr(choice)
    assert choice.proxy_for(Url.parse("ftp://a.example/")) == choice.all
    assert ProxyChoice().proxy_for(Url.parse(HTTP)) is None
    assert choice.replace(no_proxy="*").proxy_for(Url.parse(HTTPS)) is None
    with pytest.raises(ProxyError.InvalidProxy):
        ProxyChoice("p.example:3128")


@given(st.text(st.sampled_from("a.:[]/*,0123456789 \u00e9\0"), max_size=30))
def test_any_text_is_an_exception_or_none(text: str) -> None:
    choice = ProxyChoice("http://p:1", no_proxy=text)
    for url in (HTTP, "http://192.0.2.1/", "http://[::1]/"):
        assert choice.is_excepted(Url.parse(url)) in (True, False)


@pytest.mark.parametrize("kind", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize(
    "no_proxy",
    ["", "*", "127.0.0.1", "127.0.0.0/8", "127.0.0.2", "x.test,127.0.0.1", "x.test 127.0.0.1", "0.0.1"],
)
def test_curl_chooses_alike(kind: str, no_proxy: str) -> None:
    """A server on loopback sees a whole URL where a client takes it for its proxy, else a path."""
    curl, targets = require_peer("curl"), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            targets.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}/x"
        environ = {kind: f"http://127.0.0.1:{server.server_port}", "no_proxy": no_proxy}
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        subprocess.run([curl, "-q", "-s", url], env=environ, timeout=20, check=True)
        thread.join()
    assert (targets == [url]) is (chosen(environ, url) is not None)
