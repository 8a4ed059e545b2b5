"""Handshakes in memory, between two sessions of the backends: no socket, no thread, no wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.tls.backends import prepare
from netkit.tls.errors import TlsError

if TYPE_CHECKING:
    from netkit.tls.backend import TlsSession
    from netkit.tls.config import TlsConfig


def new_session(config: TlsConfig, name: str | None) -> TlsSession:
    """A session of the configuration's backend, before its handshake."""
    return prepare(config).session(name)


def shake_hands(client: TlsConfig, server: TlsConfig, name: str | None) -> tuple[TlsSession, TlsSession]:
    """Both sides after the handshake. Raises the client's error; the server's does not count."""
    one, other = new_session(client, name), new_session(server, None)
    done = [False, False]
    for _ in range(20):
        try:
            done[0] = done[0] or one.handshake()
        except TlsError as error:
            raise one.explain(error) from None
        if data := one.take_output():
            other.feed(data)
        try:
            done[1] = done[1] or other.handshake()
        except TlsError:
            pass
        if data := other.take_output():
            one.feed(data)
        if all(done):
            return one, other
    raise AssertionError("the handshake does not end")


def refusal(client: TlsConfig, server: TlsConfig, name: str | None) -> TlsError:
    """The error of a client that refuses the server."""
    try:
        shake_hands(client, server, name)
    except TlsError as error:
        return error
    raise AssertionError("the handshake succeeded")
