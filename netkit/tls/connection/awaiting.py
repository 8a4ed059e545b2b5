"""Waiting for a session to resume: with TLS 1.3 it comes after the handshake (RFC 8446 section 4.6.1)."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from netkit.io import Flow
    from netkit.tls.stream import TlsStream

#: How long a server has for its ticket, in seconds. It goes out with the end of the handshake.
PATIENCE = 1.0


class Countable(Protocol):
    """A store that says how many sessions it has."""

    def __len__(self) -> int: ...


def session_flow(stream: TlsStream, store: Countable, patience: float = PATIENCE) -> Flow[bool]:
    """Flow: wait until `store` has a session, which `stream` puts there; whether it has.

    What the server sends meanwhile stays in the stream; where it says anything first, there is no more to
    wait for.
    """
    until = monotonic() + patience
    while not len(store) and monotonic() < until:
        if stream.try_fill(fresh=True):
            break
        if not len(store):
            yield stream.want(until=until)
    return len(store) > 0
