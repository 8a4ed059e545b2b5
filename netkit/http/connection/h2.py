"""HTTP/2 connections without I/O (RFC 9113), with the extended CONNECT of RFC 8441 in both roles.

There are two forms, with the same events and the same error codes: the Rust crate h2 in `h2_rust`, and
python-hyper's h2 in `h2_pure`. The first is used where its extension module is there, because it is many
times faster; `NETKIT_PURE=1` forces the second. The choice is made when the first connection is, because
either library costs time to load, which a command without HTTP/2 must not pay.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol

from netkit.http.connection.events import ClientConnection, HttpConnection, ServerConnection
from netkit.http.connection.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from types import ModuleType

    from netkit.http.connection.limits import ConnectionLimits


class H2Connection(HttpConnection, Protocol):
    """What a connection of HTTP/2 has besides."""

    def ping(self, data: bytes) -> None:
        """Ask the peer for a sign of life, with eight octets: `PingAnswered` brings them back."""

    @property
    def is_in_head(self) -> bool:
        """Whether the peer has begun a head, or the preface, and not ended it.

        Nothing else can come from it until then (RFC 9113 section 6.10).
        """


class H2ClientConnection(H2Connection, ClientConnection, Protocol):
    """The side that makes requests."""

    @property
    def takes_protocols(self) -> bool:
        """Whether the server takes an extended CONNECT, with a `protocol` (RFC 8441 section 3).

        False until its SETTINGS have come; a request with a `protocol` is refused until then.
        """


class H2ServerConnection(H2Connection, ServerConnection, Protocol):
    """The side that answers."""


def h2_client(limits: ConnectionLimits = DEFAULT_LIMITS) -> H2ClientConnection:
    """The client's side of a connection. Its first output is there at once: the preface and SETTINGS."""
    connection: H2ClientConnection = _chosen().client(limits)
    return connection


def h2_server(
    limits: ConnectionLimits = DEFAULT_LIMITS, *, extended_connect: bool = True
) -> H2ServerConnection:
    """The server's side of a connection. Its first output is there at once: SETTINGS.

    `extended_connect`: the client is told that it may ask for an extended CONNECT. Such a request has a
    `protocol` in its head, and the method CONNECT.
    """
    connection: H2ServerConnection = _chosen().server(limits, extended_connect)
    return connection


def implementation() -> tuple[Literal["rust", "python"], str | None]:
    """Which form is in use, and why it is not the Rust one if it is not."""
    from netkit._native import native

    module, reason = native("_h2")
    return ("python" if module is None else "rust"), reason


#: A GOAWAY that names no stream: the peer learns that it is to begin no more, while those that it has begun
#: meanwhile are still taken (RFC 9113 section 6.8). A server sends it after what `take` has returned, and a
#: PING; it says `goaway` when that is answered.
WARNING = b"\0\0\x08\x07\0\0\0\0\0" + (2**31 - 1).to_bytes(4, "big") + bytes(4)

#: The module of the form in use, once it was needed.
_form: ModuleType | None = None


def _chosen() -> ModuleType:
    global _form
    if _form is None:
        name = "h2_rust" if implementation()[0] == "rust" else "h2_pure"
        _form = import_module(f"netkit.http.connection.{name}")
    return _form
