"""A request as early data (0-RTT): written for the session that is resumed, before its handshake (RFC 8470).

Somebody on the path can send early data to the server again, so only what may come twice goes so: GET, HEAD
and OPTIONS, and what the caller says may (section 4). What the server rejects goes again over the same
connection, after the handshake; and a request that it answers with 425 (Too Early), once, not early.

The octets are of one version of HTTP. The session tells which: a server that takes early data agrees on the
same application protocol again (RFC 8446 section 4.2.10), and where it agrees on another one, the channel
begins as it does otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.http.bodies.body import Octets
from netkit.http.connection.h1_client import H1Client
from netkit.http.errors import HttpError

if TYPE_CHECKING:
    from netkit.http.client.channel import Exchange
    from netkit.http.connection.h2 import H2ClientConnection
    from netkit.http.connection.limits import ConnectionLimits
    from netkit.tls.connection.early import EarlyOffer

#: The methods that may go early unless the caller says otherwise: RFC 8470 section 4 allows those that are
#: safe. TRACE is safe too, and nobody needs it early.
METHODS: Final = (b"GET", b"HEAD", b"OPTIONS")


def may_be_early(exchange: Exchange, replayable: bool | None) -> bool:
    """Whether a request may go early; `replayable` is what the caller says, None leaves it to the method."""
    head, body = exchange.head, exchange.body
    if head.method == b"CONNECT" or head.protocol is not None or exchange.expects_continue is not None:
        return False
    if not (body is None or (isinstance(body, Octets) and body.data)):
        return False
    return head.method in METHODS if replayable is None else replayable


class Begun(NamedTuple):
    """A request that has been written: by which protocol of ALPN, in which stream of which connection."""

    alpn: str | None
    conn: H1Client | H2ClientConnection
    stream: int


class EarlyRequest:
    """Writes the request of `exchange` for a session."""

    __slots__ = ("_limits", "begun", "exchange")

    def __init__(self, exchange: Exchange, limits: ConnectionLimits) -> None:
        self.exchange = exchange
        self._limits = limits
        self.begun: Begun | None = None

    def write(self, offer: EarlyOffer) -> bytes:
        """The octets of the request, with what a connection of its version begins with; none where they are
        too many, or of a protocol that is not HTTP. An `EarlyWriter`."""
        self.begun = None
        if offer.alpn not in ("h2", "http/1.1", None):
            return b""
        conn: H1Client | H2ClientConnection
        if offer.alpn == "h2":
            from netkit.http.connection.h2 import h2_client

            conn = h2_client(self._limits)
        else:
            conn = H1Client(self._limits)
        head, body = self.exchange.head, self.exchange.body
        try:
            stream = conn.request(head, end=body is None, length=None if body is None else body.length)
            if isinstance(body, Octets):
                if len(body.data) > offer.limit:
                    return b""
                conn.send(stream, body.data, end=True)
        except HttpError:
            return b""  # the channel says the same when it is asked to send it
        octets = conn.take()
        if len(octets) > offer.limit:
            return b""
        self.begun = Begun(offer.alpn, conn, stream)
        # From now on nobody knows whether the server has it.
        self.exchange.was_sent = self.exchange.was_early = True
        return octets

    def begun_for(self, alpn: str | None) -> bool:
        """Whether the request is on its way over a connection of that protocol."""
        return self.begun is not None and self.begun.alpn == alpn

    def may_have_failed_by(self, error: Exception) -> bool:
        """Whether a handshake with this request in its first flight failed by it, and may do without: a
        server that knows no early data takes it for nonsense (RFC 8446 appendix D.3)."""
        from netkit.tls.errors import TlsError

        if self.begun is None or not isinstance(error, TlsError):
            return False
        return not isinstance(error, (TlsError.CertificateVerificationFailed, TlsError.InvalidConfig))
