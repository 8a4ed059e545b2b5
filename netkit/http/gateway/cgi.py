"""The environment variables with which a program is told of a request: CGI (RFC 3875 section 4.1).

What a client wrote becomes a variable of a program, so the names that a client can choose all begin with
HTTP_, and Proxy is none of them: HTTP_PROXY is a setting for programs that fetch something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from netkit._version import __version__
from netkit.addr import SocketAddr
from netkit.http.gateway.scope import tls_variables

if TYPE_CHECKING:
    from netkit.http.server.request import ServerRequest

#: Fields that no program sees; credentials are left out as section 4.1.18 advises.
_HIDDEN = frozenset(("proxy", "authorization", "proxy-authorization"))


def cgi_variables(request: ServerRequest, user: str | None = None) -> dict[str, str]:
    """The variables of a request.

    Args:
        request: the request.
        user: the name in its credentials, if the server has checked them.

    PATH_INFO is the whole path, decoded, and SCRIPT_NAME empty. An extended CONNECT, which asks for a
    WebSocket over HTTP/2, counts as GET. Fields whose names have an underscore are left out: they could not
    be told from those with a hyphen.
    """
    facts, method = request.connection, str(request.method)
    host, _, port = request.authority.rpartition(":")
    if not port.isdigit():
        host, port = request.authority, "443" if facts.tls is not None else "80"
    found = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": f"netkit/{__version__}",
        "SERVER_PROTOCOL": request.version.as_str,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "REQUEST_METHOD": "GET" if method == "CONNECT" else method,
        "REQUEST_URI": request.uri,
        "SCRIPT_NAME": "",
        "PATH_INFO": _unquoted(request.path),
        "QUERY_STRING": request.query,
    }
    if isinstance(facts.peer, SocketAddr):
        found |= {"REMOTE_ADDR": str(facts.peer.ip), "REMOTE_PORT": str(facts.peer.port)}
    if isinstance(facts.local, SocketAddr):
        found["SERVER_PORT"] = str(facts.local.port)
    if facts.tls is not None:
        found |= tls_variables(facts.tls)
    if user is not None:
        found |= {"AUTH_TYPE": "Basic", "REMOTE_USER": user}
    for name, values in request.headers.iter():
        lowered = name.lower()
        if lowered not in _HIDDEN and "_" not in lowered:
            found["HTTP_" + lowered.upper().replace("-", "_")] = _octets_of(", ".join(values))
    return found


def _octets_of(text: str) -> str:
    """A field's value, so that the variable has the octets that were sent."""
    return text.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def _unquoted(path: str) -> str:
    found = unquote(path, errors="surrogateescape")
    return path if "\0" in found else found
