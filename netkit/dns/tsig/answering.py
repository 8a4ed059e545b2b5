"""What a server does with TSIG: it verifies a query, and signs the response (RFC 8945 sections 5.2 and 5.3).

A query whose signature is not accepted is answered with NOTAUTH, and with the reason in a TSIG record. That
record is without a MAC where the secret is not known to be shared (BADKEY, BADSIG), and else signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.tsig.errors import TsigError
from netkit.dns.tsig.keys import FIXED_SIZE, find_key
from netkit.dns.tsig.signing import (
    DEFAULT_FUDGE,
    append_record,
    open_envelope,
    sign,
    verify,
)
from netkit.dns.tsig.transfer import TsigSigner

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.dns.name import Name
    from netkit.dns.tsig.keys import TsigKey
    from netkit.dns.tsig.signing import Envelope


#: The octets of the server's time, which BADTIME tells.
_TIME_SIZE = 6


class QuerySignature:
    """The signature of a query: `error` is why it is not accepted, or None; `room` how many octets the
    signature of the response takes."""

    __slots__ = ("_envelope", "_key", "_now", "error", "room")

    def __init__(self, envelope: Envelope, key: TsigKey | None, now: float, error: TsigError | None) -> None:
        self._envelope = envelope
        self._key = key
        self._now = now
        self.error = error
        record = envelope.record
        if key is None:
            self.room = len(record.name.to_wire()) + len(record.algorithm.to_wire()) + FIXED_SIZE
        else:
            self.room = key.record_size + (_TIME_SIZE if isinstance(error, TsigError.BadTime) else 0)

    def sign(self, response: bytes) -> bytes:
        """The response with its TSIG record. Raises DnsError.InvalidValue if there is no room for it."""
        record, error = self._envelope.record, self.error
        if self._key is None or isinstance(error, TsigError.BadSignature):
            code = 0 if error is None else error.code
            names = record.name.to_wire(), record.algorithm.to_wire()
            return append_record(response, *names, int(self._now), DEFAULT_FUDGE, b"", code, b"")
        if isinstance(error, TsigError.BadTime):
            # The query's own time, because the client would not accept another (RFC 8945 section 5.2.3).
            time = record.time_signed
            other = int(self._now).to_bytes(_TIME_SIZE, "big")
            return sign(response, self._key, time, record.mac, error=error.code, other=other).wire
        code = 0 if error is None else error.code
        return sign(response, self._key, self._now, record.mac, error=code).wire

    @property
    def key_name(self) -> Name | None:
        """The name of the key that signed the query; None if its signature is not accepted."""
        return None if self._key is None or self.error is not None else self._key.name

    def series(self) -> TsigSigner:
        """What signs a response of many messages. Only for a query whose signature is accepted."""
        assert self._key is not None
        return TsigSigner(self._key, self._envelope.record.mac)


def query_signature(wire: bytes, keys: Iterable[TsigKey], now: float) -> QuerySignature | None:
    """Verify the signature of a query; None if it has none. `now` is in seconds since 1970.

    Raises DnsError.InvalidResponse if the message or its TSIG record is malformed, for FORMERR.
    """
    envelope = open_envelope(wire)
    if envelope is None:
        return None
    key = find_key(keys, envelope.record.name, envelope.record.algorithm)
    try:
        verify(wire, keys, now)
    except DnsError.InvalidResponse:
        raise
    except TsigError as error:
        return QuerySignature(envelope, key, now, error)
    return QuerySignature(envelope, key, now, None)
