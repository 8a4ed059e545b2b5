"""The backends, which do the cryptography of a connection: a session that turns bytes into bytes.

A backend knows nothing about sockets, waiting or threads. `TlsStream` feeds ciphertext to the session and
takes ciphertext from it; the session says when it needs more. `TlsStream` does everything else, in the same
way for every backend. The only backend uses the standard library's `ssl`. Another one (pyOpenSSL for what
`ssl` cannot do) would be a module beside it with the same interface.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from netkit.tls.certificate import Certificate
    from netkit.tls.config import TlsConfig
    from netkit.tls.errors import TlsError
    from netkit.tls.versions import TlsVersion


class TlsSession(Protocol):
    """One connection's TLS state. Not safe for two threads at once: its owner holds a lock around it."""

    def feed(self, data: bytes | memoryview) -> None:
        """Take ciphertext that the peer sent. A view is not kept."""

    def feed_eof(self) -> None:
        """Tell the session that the peer will send no more."""

    def handshake(self) -> bool:
        """Continue the handshake: True when it is done, False when it needs more input. Raises TlsError."""

    def read(self, size: int) -> bytes | None:
        """Plaintext; `b""` after the peer's close_notify; None when it needs more input. Raises TlsError."""

    def read_into(self, view: memoryview) -> int | None:
        """Plaintext into `view`, as much as there is and fits; how many bytes. 0 and None as of `read`."""

    def write(self, data: memoryview) -> int:
        """Encrypt `data`, and return how many bytes were encrypted. Raises TlsError."""

    def close_notify(self) -> None:
        """Put a close_notify alert into the output. Nothing may be written after it; reading goes on."""

    @property
    def pending_output(self) -> int:
        """How many bytes of ciphertext wait to be taken."""

    def take_output(self) -> bytes:
        """The ciphertext to send to the peer, in order, each byte once."""

    @property
    def version(self) -> TlsVersion | None:
        """The protocol version that both sides agreed on; None before that."""

    @property
    def cipher(self) -> str | None:
        """The cipher suite agreed on, by OpenSSL's name."""

    @property
    def alpn(self) -> str | None:
        """The application protocol agreed on."""

    @property
    def peer_chain(self) -> tuple[Certificate, ...]:
        """The certificates that the peer sent, its own first; also if their verification failed."""

    def explain(self, error: TlsError) -> TlsError:
        """The same error, with details from the peer's certificates."""


def new_session(config: TlsConfig, server_name: str | None) -> TlsSession:
    """A session of the standard backend. Raises TlsError if the settings are impossible."""
    from netkit.tls.backends.standard import StandardSession

    return StandardSession(config, server_name)
