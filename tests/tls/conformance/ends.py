"""Two sessions that talk to each other in memory: no socket, no waiting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from netkit.tls.backend import Capability
from netkit.tls.backends import find_backend
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.throwaway import ThrowawayAuthority, Wanted
from netkit.tls.versions import TlsVersion

if TYPE_CHECKING:
    from netkit.tls.backend import ResumableSession, TlsSession
    from netkit.tls.identity import Identity

HOST = "server.test"

#: No handshake here needs more turns: one that does not end is a fault of a backend.
MAX_TURNS = 40


@cache
def authority() -> ThrowawayAuthority:
    """The authority of all tests here."""
    return ThrowawayAuthority()


@cache
def identity(name: str = HOST) -> Identity:
    """A good certificate of `name`, for a server or a client."""
    from netkit.tls.identity import Identity

    presented = authority().present(Wanted((name,), ends=timedelta(days=2)))
    return Identity(presented.chain, presented.key)


@cache
def client_identity(name: str = "a client") -> Identity:
    """A client certificate of the authority, which is made for clients only."""
    from netkit.tls.identity import Identity
    from netkit.tls.throwaway import CertificateFault

    presented = authority().present(Wanted((name,), (CertificateFault.ClientEku,)))
    return Identity(presented.chain, presented.key)


def versions(*backends: str) -> tuple[TlsVersion, ...]:
    """TLS 1.2 and 1.3, as far as all the backends have them."""
    have = [find_backend(name).capabilities("client") for name in backends]
    named = ((TlsVersion.Tls12, Capability.Tls12), (TlsVersion.Tls13, Capability.Tls13))
    return tuple(version for version, needed in named if all(needed in one for one in have))


def oldest(backend: str) -> dict[str, Any]:
    """The settings of a backend that has TLS 1.3 only: it would refuse the usual oldest version."""
    return {} if TlsVersion.Tls12 in versions(backend) else {"min_version": TlsVersion.Tls13}


def client_config(backend: str, **changes: Any) -> TlsConfig:
    """A client's settings: it trusts the authority."""
    return TlsConfig(
        backend=backend, **{"root_certs": (authority().certificate,), **oldest(backend), **changes}
    )


def server_config(backend: str, shown: Identity | None = None, **changes: Any) -> TlsConfig:
    """A server's settings, with a good certificate unless `shown` is another."""
    one = shown or identity()
    config = TlsConfig.server().with_identity(one.chain, one.key)
    return config.replace(backend=backend, **{**oldest(backend), **changes})


@dataclass
class Ends:
    """Both ends of a connection, and what each of them failed with."""

    client: TlsSession
    server: TlsSession
    client_error: TlsError | None = None
    server_error: TlsError | None = None
    to_server: int = 0
    to_client: int = 0

    @property
    def good(self) -> bool:
        """Whether both ends have a connection."""
        return self.client_error is None and self.server_error is None

    def move(self) -> bool:
        """Carry what either end has to say. False if neither has anything."""
        out, back = self.client.take_output(), self.server.take_output()
        if out:
            self.server.feed(out)
        if back:
            self.client.feed(back)
        self.to_server += len(out)
        self.to_client += len(back)
        return bool(out or back)

    def shake_hands(self) -> Ends:
        """Make the handshake as far as it goes."""
        client_done = server_done = False
        for _ in range(MAX_TURNS):
            if not (client_done or self.client_error):
                try:
                    client_done = self.client.handshake()
                except TlsError as error:
                    self.client_error = self.client.explain(error)
            if not (server_done or self.server_error):
                try:
                    server_done = self.server.handshake()
                except TlsError as error:
                    self.server_error = self.server.explain(error)
            if not self.move() and (client_done or self.client_error) and (server_done or self.server_error):
                return self
            if self.client_error and not server_done:
                self.server.feed_eof()
            if self.server_error and not client_done:
                self.client.feed_eof()
        raise AssertionError("the handshake does not end")

    def say(self, data: bytes, *, from_server: bool = False) -> bytes:
        """What arrives of `data` at the other end."""
        speaker, listener = (self.server, self.client) if from_server else (self.client, self.server)
        rest, heard = memoryview(data), bytearray()
        while rest:
            taken = speaker.write(rest)
            rest = rest[taken:]
            self.move()
            while got := listener.read(65536):
                heard += got
        return bytes(heard)


def join(client: TlsConfig, server: TlsConfig, *, name: str | None = HOST,
         resume: ResumableSession | None = None) -> Ends:  # fmt: skip
    """Two sessions of these settings, before their handshake."""
    assert client.backend is not None
    assert server.backend is not None
    return Ends(
        find_backend(client.backend).prepare(client).session(name, resume),
        find_backend(server.backend).prepare(server).session(None),
    )


def connected(client: TlsConfig, server: TlsConfig, *, name: str | None = HOST,
              resume: ResumableSession | None = None) -> Ends:  # fmt: skip
    """Two sessions after their handshake, which must succeed."""
    ends = join(client, server, name=name, resume=resume).shake_hands()
    assert ends.good, (ends.client_error, ends.server_error)
    return ends
