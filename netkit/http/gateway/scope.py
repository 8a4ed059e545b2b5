"""The scope of an HTTP request, as an ASGI application gets it (ASGI 3.0, HTTP 2.5), without I/O.

`path` and `raw_path` begin with `root_path`: the application sees the path that the client asked for, where
a proxy in front has taken that prefix away. Fields of the request come in their order, with Host first. Those
that frame a message or belong to the connection are among them, as they came.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.addr import SocketAddr
    from netkit.http.connection.events import RequestHead
    from netkit.http.server.request import ConnectionFacts
    from netkit.tls.stream import TlsStream
    from netkit.tls.x509.certificate import Certificate

#: The versions of the interface that are served.
ASGI_VERSION = {"version": "3.0", "spec_version": "2.5"}

#: How the versions of HTTP are called.
HTTP_VERSIONS = {(1, 0): "1.0", (1, 1): "1.1", (2, 0): "2"}

# A scope and a message have values of many types, by their names: the standard says which.
Scope: TypeAlias = dict[str, Any]


def http_scope(
    head: RequestHead,
    version: tuple[int, int],
    connection: ConnectionFacts,
    *,
    root_path: str = "",
    state: dict[str, Any] | None = None,
) -> Scope:
    """The scope of a request. `state` is that of the lifespan, which each request gets a copy of."""
    raw_path, query = split_target(head.target)
    full_path = root_path.encode() + raw_path if root_path else raw_path
    extensions: dict[str, Any] = {"http.response.pathsend": {}, "http.response.trailers": {}}
    if version >= (1, 1):
        extensions["http.response.early_hint"] = {}
    if connection.tls is not None:
        extensions["tls"] = tls_extension(connection.tls)
    scope: Scope = {
        "type": "http",
        "asgi": dict(ASGI_VERSION),
        "http_version": HTTP_VERSIONS.get(version, "1.1"),
        "method": head.method.decode("latin-1").upper(),
        "scheme": connection.scheme,
        "path": unquote_to_bytes(full_path).decode("utf-8", "replace"),
        "raw_path": full_path,
        "query_string": query,
        "root_path": root_path,
        "headers": request_fields(head, version),
        "client": endpoint(connection.peer, is_client=True),
        "server": endpoint(connection.local),
        "extensions": extensions,
    }
    if state is not None:
        scope["state"] = state.copy()
    return scope


def websocket_scope(
    head: RequestHead,
    version: tuple[int, int],
    connection: ConnectionFacts,
    subprotocols: Sequence[str],
    *,
    root_path: str = "",
    state: dict[str, Any] | None = None,
) -> Scope:
    """The scope of a request for a WebSocket, which offers these subprotocols."""
    scope = http_scope(head, version, connection, root_path=root_path, state=state)
    del scope["method"]
    extensions: dict[str, Any] = {"websocket.http.response": {}}
    if "tls" in scope["extensions"]:
        extensions["tls"] = scope["extensions"]["tls"]
    return scope | {
        "type": "websocket",
        "scheme": "wss" if connection.scheme == "https" else "ws",
        "subprotocols": list(subprotocols),
        "extensions": extensions,
    }


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """The path of a request's target, as it was sent, and its query.

    Of the absolute form (RFC 9112 section 3.2.2) what follows the authority; `*` for OPTIONS stays.
    """
    path, _, query = target.partition(b"?")
    if path[:1] != b"/" and b"://" in path:
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    return path, query


def request_fields(head: RequestHead, version: tuple[int, int]) -> list[tuple[bytes, bytes]]:
    """The fields, names in lower case, Host first (RFC 9113 section 8.3.1)."""
    fields = [(name.lower(), value) for name, value in head.fields]
    if version >= (2, 0) and sum(name == b"cookie" for name, _ in fields) > 1:
        # RFC 9113 section 8.2.3: whoever does not know HTTP/2 gets one field.
        crumbs = b"; ".join([value for name, value in fields if name == b"cookie"])
        fields = [field for field in fields if field[0] != b"cookie"] + [(b"cookie", crumbs)]
    return [(b"host", head.authority), *fields] if head.authority else fields


def endpoint(address: SocketAddr | str, *, is_client: bool = False) -> list[str | int | None] | None:
    """An end of the connection: host and port, or the path of a Unix-domain socket without a port."""
    if isinstance(address, str):
        return None if is_client or not address else [address, None]
    return [*_host_and_port(address)]


@lru_cache(maxsize=1024)
def _host_and_port(address: SocketAddr) -> tuple[str, int]:
    """The same for every request of a connection, so it is written once."""
    return str(address.ip), address.port


class ClientChain(NamedTuple):
    """The certificates that a client has shown, its own first, in PEM; and whose the first is (RFC 4514)."""

    pem: tuple[str, ...]
    name: str | None


@lru_cache(maxsize=256)
def client_chain(certificates: tuple[Certificate, ...]) -> ClientChain:
    """A client's certificates as text; both are empty where it showed none.

    They are the same for every request of a connection, so they are written once. A subject that cannot be
    read is None.
    """
    if not certificates:
        return ClientChain((), None)
    from netkit.tls.errors import TlsError

    try:
        name: str | None = certificates[0].subject
    except TlsError:
        name = None
    return ClientChain(tuple(each.to_pem() for each in certificates), name)


def tls_variables(tls: TlsStream) -> dict[str, str]:
    """What a program is told of a connection over TLS, under the names of Apache's mod_ssl."""
    found = {"HTTPS": "on"}
    if tls.negotiated_version is not None:
        found["SSL_PROTOCOL"] = tls.negotiated_version.as_str.replace("TLS ", "TLSv")
    if tls.cipher is not None:
        found["SSL_CIPHER"] = tls.cipher
    shown = client_chain(tls.peer_chain)
    found["SSL_CLIENT_VERIFY"] = "SUCCESS" if shown.pem else "NONE"
    if shown.pem:
        found |= {"SSL_CLIENT_CERT": shown.pem[0], "SSL_CLIENT_S_DN": shown.name or ""}
    return found


def tls_extension(tls: TlsStream) -> dict[str, Any]:
    """What ASGI's TLS extension tells of a connection: version, and the client's certificates in PEM."""
    negotiated = tls.negotiated_version
    shown = client_chain(tls.peer_chain)
    return {
        "server_cert": None,
        "client_cert_chain": list(shown.pem),
        "client_cert_name": shown.name,
        "client_cert_error": None,
        "tls_version": None if negotiated is None else int(negotiated),
        "cipher_suite": None,
    }
