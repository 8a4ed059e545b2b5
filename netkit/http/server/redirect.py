"""Sends every request over plain HTTP to the same place over HTTPS (RFC 9110 section 15.4.9).

The status is 308, so that a method and a body are kept. Where a client is sent to is the host that it asked
for: a Host field that is no name and no address is answered with 400, and never comes back in a Location.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.hosts import canonical_host
from netkit.http.server.request import ServerRequest
from netkit.http.server.response import text_response

if TYPE_CHECKING:
    from netkit.http.message import Request, Response

#: The port that a URL of HTTPS does not write.
HTTPS_PORT = 443


class HttpsRedirect:
    """A handler that redirects to HTTPS at `port`. It never waits: serve it with `threads=0`."""

    def __init__(self, port: int = HTTPS_PORT) -> None:
        self.port = port

    def handle(self, request: Request) -> Response:
        """308 to the same target; 400 for a host that is none, and for CONNECT."""
        authority = request.authority if isinstance(request, ServerRequest) else ""
        host = redirect_host(authority)
        if host is None or request.method == "CONNECT":
            return text_response(400, "no host to send this request to over HTTPS")
        target = request.uri
        if target[:1] != "/":  # the absolute form, or `*`
            path = target.partition("://")[2]
            slash = path.find("/")
            target = path[slash:] if slash >= 0 else "/"
        port = "" if self.port == HTTPS_PORT else f":{self.port}"
        location = f"https://{host}{port}{target}"
        return text_response(308, location, [("Location", location)])


def redirect_host(authority: str) -> str | None:
    """The host of an authority, as it stands in a URL; None for one that is neither a name nor an address.

    >>> redirect_host("Example.com:8080"), redirect_host("[::1]:80"), redirect_host("me@example.com")
    ('example.com', '[::1]', None)
    """
    from netkit.addr import AddrParseError, Ipv6Addr

    if authority[:1] == "[":
        inner, bracket, rest = authority[1:].partition("]")
        try:
            address = str(Ipv6Addr(inner))
        except (AddrParseError, ValueError):
            return None
        return f"[{address}]" if bracket and "%" not in address and _is_port(rest) else None
    host, colon, port = authority.partition(":")
    if not (host.isascii() and _is_port(colon + port)):
        return None
    return canonical_host(host)


def _is_port(text: str) -> bool:
    """Whether it is nothing, or a colon and a port (which may be empty: RFC 3986 section 3.2.3)."""
    return not text or (text[0] == ":" and (text == ":" or (text[1:].isascii() and text[1:].isdigit())))
