"""HTTP/2 by the Rust crate h2, in the extension module `netkit._h2` (RFC 9113, RFC 8441).

The extension is the protocol object itself: it makes the events of `events` and the errors of `h2_faults`.
Nothing of Python stands between a connection and it, because one call here costs what a stream costs there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._h2 import Connection

if TYPE_CHECKING:
    from netkit.http.connection.h2 import H2ClientConnection, H2ServerConnection
    from netkit.http.connection.limits import ConnectionLimits


def client(limits: ConnectionLimits) -> H2ClientConnection:
    """The client's side of a connection."""
    return Connection.client(limits)


def server(limits: ConnectionLimits, extended_connect: bool = True) -> H2ServerConnection:
    """The server's side of a connection."""
    return Connection.server(limits, extended_connect)
