"""From HTTP to HTTPS: where a request is sent, and which host is none."""

from __future__ import annotations

import pytest

from netkit.http import ServerRequest
from netkit.http.server.redirect import HttpsRedirect

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("authority", "target", "port", "location"),
    [
        ("example.com", "/a?b=c", 443, "https://example.com/a?b=c"),
        ("EXAMPLE.com.:8080", "/", 8443, "https://example.com:8443/"),
        ("127.0.0.1:80", "/", 8443, "https://127.0.0.1:8443/"),
        ("[2001:DB8::0:1]:80", "/", 443, "https://[2001:db8::1]/"),
        ("example.com:", "//elsewhere.example/", 443, "https://example.com//elsewhere.example/"),
        ("example.com", "http://example.com/x?y", 443, "https://example.com/x?y"),
        ("example.com", "http://example.com", 443, "https://example.com/"),
        ("example.com", "*", 443, "https://example.com/"),
    ],
)
def test_the_same_place(authority: str, target: str, port: int, location: str) -> None:
    response = HttpsRedirect(port).handle(ServerRequest("POST", target, authority=authority))
    assert response.status == 308, "the method and the body are kept"
    assert response.headers.get("Location") == (location,)


@pytest.mark.parametrize(
    "authority",
    [
        "",
        "a@b",
        "a b",
        "a/b",
        "a:b",
        "a:80:80",
        "[::1",
        "[::1]x",
        "[x]",
        "[fe80::1%eth0]",
        "::1",
        "a..b",
        "a\\b",
        "\xe9",
        "<script>",
        "a:\u0661",
    ],
)
def test_a_host_that_is_none_never_comes_back(authority: str) -> None:
    response = HttpsRedirect().handle(ServerRequest("GET", "/", authority=authority))
    assert response.status == 400
    assert not response.headers.get("Location")
    assert not authority or authority.encode() not in (response.body or b"")


def test_no_tunnel() -> None:
    assert HttpsRedirect().handle(ServerRequest("CONNECT", "a:1", authority="a:1")).status == 400
