"""`Tap`: a stream between TLS and the one below it, which keeps what the server says first.

A TLS library tells less of a handshake than what the server sent. The group of the key exchange, the request
for a client certificate and the certificates of TLS 1.2 go unencrypted (RFC 8446 section 4.1, RFC 5246
section 7.4): `heard` reads them beside the library, whichever it is.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from netkit.io.over import OverStream

if TYPE_CHECKING:
    from netkit.io import ByteStream, Flow

#: How much of what the server sends is kept, in bytes: OpenSSL takes certificates of 100 KiB.
KEPT: Final = 131_072


class Tap(OverStream):
    """The stream `inner`, with notes: bytes both ways, the moment of the first answer, and the first bytes.

    `sent` and `received` count bytes; `first_at` is the moment (`time.monotonic()`) at which the first bytes
    came, None before. `heard` are the first bytes that came.
    """

    _what = "tapped stream"

    def __init__(self, inner: ByteStream) -> None:
        super().__init__(inner)
        self.sent = 0
        self.received = 0
        self.first_at: float | None = None
        self.heard = bytearray()

    def _receive(self) -> Flow[None]:
        data = yield from self._inner.read_flow()
        if not data:
            self._eof = True
            return
        if self.first_at is None:
            self.first_at = monotonic()
        self.received += len(data)
        if len(self.heard) < KEPT:
            self.heard += data[: KEPT - len(self.heard)]
        self._buffer.put(data)

    def _send(self, data: memoryview) -> Flow[int]:
        sent = yield from self._inner.write_flow(data)
        self.sent += sent
        return sent

    def try_send(self, data: bytes | memoryview) -> int:
        sent = self._inner.try_send(data)
        self.sent += sent
        return sent

    def offer(self, data: bytes | memoryview) -> int:
        """As of the stream below."""
        taken = self._inner.offer(data)
        self.sent += taken
        return taken
