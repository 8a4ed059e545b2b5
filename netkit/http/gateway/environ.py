"""The environment of a request, as a WSGI application gets it (PEP 3333, RFC 3875), without I/O.

Text is octets in ISO 8859-1, as PEP 3333 wants it. Fields whose names have an underscore are left out: their
variable would be that of a field with a hyphen, which a proxy in front may have checked. `Proxy` is left out
too, since its variable is the one that programs take a proxy's address from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote_to_bytes

from netkit.http.gateway.scope import request_fields, split_target, tls_variables

if TYPE_CHECKING:
    from io import TextIOBase
    from typing import BinaryIO

    from netkit.http.connection.events import RequestHead
    from netkit.http.server.request import ConnectionFacts

Environ: TypeAlias = "dict[str, Any]"  # its values are of many types, by their names

#: What SERVER_PROTOCOL says.
PROTOCOLS = {(1, 0): "HTTP/1.0", (1, 1): "HTTP/1.1", (2, 0): "HTTP/2"}


def request_environ(
    head: RequestHead,
    version: tuple[int, int],
    connection: ConnectionFacts,
    body: BinaryIO,
    errors: TextIOBase,
    *,
    script_name: str = "",
    software: str = "netkit",
    multithread: bool = True,
    multiprocess: bool = False,
) -> Environ:
    """The environment of a request whose body is read from `body`.

    `script_name` is where the application is mounted: what comes before it in the path is not its own. A path
    outside of that is handed over whole, with an empty SCRIPT_NAME.
    """
    raw_path, query = split_target(head.target)
    path = unquote_to_bytes(raw_path).decode("latin-1")
    if path != script_name and not path.startswith(f"{script_name}/"):
        script_name = ""
    server_name, server_port = _server(head, connection)
    environ: Environ = {
        "REQUEST_METHOD": head.method.decode("latin-1"),
        "SCRIPT_NAME": script_name,
        "PATH_INFO": path[len(script_name) :],
        "QUERY_STRING": query.decode("latin-1"),
        "REQUEST_URI": head.target.decode("latin-1"),
        "SERVER_NAME": server_name,
        "SERVER_PORT": server_port,
        "SERVER_PROTOCOL": PROTOCOLS.get(version, "HTTP/1.1"),
        "SERVER_SOFTWARE": software,
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REMOTE_ADDR": "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": connection.scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": errors,
        "wsgi.multithread": multithread,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
    }
    if not isinstance(connection.peer, str):
        environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = str(connection.peer.ip)
        environ["REMOTE_PORT"] = str(connection.peer.port)
    if connection.tls is not None:
        environ |= tls_variables(connection.tls)
    for name, value in request_fields(head, version):
        _add_field(environ, name, value.decode("latin-1"))
    return environ


def _add_field(environ: Environ, name: bytes, value: str) -> None:
    """A field as its variable (RFC 3875 section 4.1.18); a second of the name is joined to the first."""
    if b"_" in name or name == b"proxy":
        return
    key = name.decode("latin-1").upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    elif key in environ:
        return
    if key in environ:
        value = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"
    environ[key] = value


def _server(head: RequestHead, connection: ConnectionFacts) -> tuple[str, str]:
    """SERVER_NAME and SERVER_PORT: where the connection came to; over a Unix-domain socket, who was asked."""
    local = connection.local
    if not isinstance(local, str):
        return str(local.ip), str(local.port)
    authority = head.authority.decode("latin-1")
    name, colon, port = authority.rpartition(":")
    if not colon or not port.isdigit():
        name, port = authority, "443" if connection.tls is not None else "80"
    return name or "localhost", port
