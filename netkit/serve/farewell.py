"""The end of a connection, so that the client can still read what was sent (RFC 9112 section 9.6).

Closing with octets unread makes the system send a reset, and that takes responses away that the client has
not read yet. So the server finishes its own half, and drops what comes until the client has finished too; but
not for ever, whatever the client does.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.errors import NetkitError
from netkit.io import before
from netkit.net.tcp import TcpStream

if TYPE_CHECKING:
    from netkit.io import ByteStream, Flow

#: How long a pause of the client ends the wait for it, in seconds.
LINGER = 2.0

#: How long the client is waited for in all, in seconds.
LINGER_IN_ALL = 15.0


def farewell_flow(stream: ByteStream) -> Flow[None]:
    """Flow: finish, wait for the client to finish as well, and close. Raises nothing that a client causes."""
    if stream.is_closed:
        return
    try:
        yield from before(monotonic() + LINGER_IN_ALL, _finishing(stream), "closing")
    except (OSError, EOFError, NetkitError):
        pass  # the client is gone, or has had its time
    finally:
        stream.close()


def _finishing(stream: ByteStream) -> Flow[None]:
    yield from stream.finish()
    yield from stream.lingering_close(LINGER)


def reset(stream: ByteStream) -> None:
    """Close the connection so that the client sees no regular end, as far as its kind has anything else."""
    bottom = stream
    while (below := bottom.below) is not None:
        bottom = below
    if isinstance(bottom, TcpStream):
        bottom.reset()
    stream.close()
