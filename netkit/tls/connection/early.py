"""Early data (0-RTT) as who sends it decides on it: by what the session to resume allows.

RFC 8446 section 2.3 and 4.2.10. The octets of an application protocol can go early only if the protocol is
known, and only the session that is resumed can tell it before the handshake: the server takes early data only
if it agrees on the same one again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from netkit.tls.errors import TlsError

if TYPE_CHECKING:
    from netkit.tls.backend import ResumableSession


class EarlyOffer(NamedTuple):
    """What may be sent early: the protocol of ALPN that the session was made with, and how many bytes."""

    alpn: str | None
    limit: int

    @classmethod
    def of(cls, session: ResumableSession | None) -> EarlyOffer | None:
        """What a session to resume allows; None if that is nothing."""
        if session is None or session.max_early_data <= 0:
            return None
        return cls(session.alpn, session.max_early_data)


#: Writes early data for what is allowed; `b""` sends none.
EarlyWriter: TypeAlias = Callable[[EarlyOffer], bytes]


class EarlyBytes(NamedTuple):
    """Bytes to send early. `bound` is what they were written for; None if any protocol is right."""

    data: bytes
    bound: EarlyOffer | None = None

    @classmethod
    def of(cls, given: bytes | EarlyWriter, offer: EarlyOffer | None) -> EarlyBytes:
        """The bytes, or what a writer makes of the offer: nothing where there is none."""
        if not callable(given):
            return cls(given)
        return cls(b"") if offer is None else cls(given(offer), offer)

    def rest(self, taken: int | None, alpn: str | None) -> bytes:
        """What is to be sent after the handshake; `taken` bytes came early, None if none were accepted.

        Nothing of what another protocol than `alpn` was meant for. Raises `TlsError.HandshakeFailed` if such
        bytes were accepted: the server must not (RFC 8446 section 4.2.10).
        """
        if self.data and self.bound is not None and self.bound.alpn != alpn:
            if taken:
                reason = "the server took early data of one application protocol, and chose another one"
                raise TlsError.HandshakeFailed(reason)
            return b""
        return self.data[taken or 0 :]
