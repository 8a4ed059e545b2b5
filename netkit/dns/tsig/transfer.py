"""The messages of one answer over TCP, such as a zone transfer, signed with TSIG (RFC 8945 section 5.3.1).

The first message is signed as any answer. Each later signature covers the MAC before it, the messages since
then, and of its own record only the times: so no message can be left out, added or moved. Up to 99 messages
may come between two signatures, and the last message has one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.tsig.errors import TsigError
from netkit.dns.tsig.keys import TsigKey
from netkit.dns.tsig.signing import (
    DEFAULT_FUDGE,
    Signed,
    append,
    check_mac,
    check_size,
    check_time,
    known_key,
    open_envelope,
    sign,
    timers,
    verify,
    with_length,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

#: How many messages without a signature may come between two with one (RFC 8945 section 5.3.1).
MAX_UNSIGNED = 99


class TsigSigner:
    """Signs the messages of one answer, in their order.

    `request_mac` is the MAC of the query. `sign` signs a message; `leave` lets one go without a signature.
    """

    def __init__(self, key: TsigKey, request_mac: bytes, fudge: int = DEFAULT_FUDGE) -> None:
        self._key = key
        self._mac = request_mac
        self._fudge = fudge
        self._is_first = True
        self._between: list[bytes] = []

    def sign(self, wire: bytes, time: float) -> Signed:
        """Sign a message; `time` is in seconds since 1970. Raises DnsError.InvalidValue."""
        key, now = self._key, int(time)
        if self._is_first:
            signed = sign(wire, key, now, self._mac, fudge=self._fudge)
        else:
            parts = (with_length(self._mac), *self._between, wire, timers(now, self._fudge))
            mac = key.digest(parts)[: key.mac_size]
            signed = Signed(append(wire, key, now, self._fudge, mac), mac)
        self._is_first = False
        self._mac = signed.mac
        self._between.clear()
        return signed

    def leave(self, wire: bytes) -> bytes:
        """A message that goes without a signature. The first and the last must have one.

        Raises DnsError.InvalidValue for the first message, and for more than 99 one after the other.
        """
        if self._is_first:
            raise DnsError.InvalidValue("message", 0, "the first message must be signed")
        if len(self._between) == MAX_UNSIGNED:
            raise DnsError.InvalidValue(
                "message", MAX_UNSIGNED, "messages without a signature are the most", limit=MAX_UNSIGNED
            )
        self._between.append(wire)
        return wire


class TsigVerifier:
    """Verifies the messages of one answer, in their order.

    `keys` are those that may have signed it, `request_mac` is the MAC of the query. Nothing of the messages
    since the last signature is known to be true until the next one was verified: `is_certain` says so.
    """

    def __init__(self, keys: TsigKey | Iterable[TsigKey], request_mac: bytes) -> None:
        self._keys = (keys,) if isinstance(keys, TsigKey) else tuple(keys)
        self._mac = request_mac
        self._key: TsigKey | None = None
        self._between: list[bytes] = []

    @property
    def is_certain(self) -> bool:
        """Whether the last message was signed, and with it all before."""
        return self._key is not None and not self._between

    def hear(self, wire: bytes, now: float) -> bytes:
        """The octets of the next message without its TSIG record; `now` is in seconds since 1970.

        Raises TsigError, and DnsError.InvalidResponse for a malformed message.
        """
        if self._key is None:
            verified = verify(wire, self._keys, now, self._mac)
            self._key, self._mac = verified.key, verified.mac
            return verified.message
        envelope = open_envelope(wire)
        if envelope is None:
            if len(self._between) == MAX_UNSIGNED:
                raise TsigError.Unsigned(str(self._key.name))
            self._between.append(wire)
            return wire
        record, message = envelope
        key = known_key(record, (self._key,))
        parts = (
            with_length(self._mac),
            *self._between,
            message,
            timers(record.time_signed, record.fudge),
        )
        check_mac(record, key, parts)
        check_time(record, key, now)
        check_size(record, key)
        self._mac = record.mac
        self._between.clear()
        return message

    def finish(self) -> None:
        """Say that the answer is complete. Raises TsigError.Unsigned if its last message was not signed."""
        if not self.is_certain:
            raise TsigError.Unsigned(", ".join(str(key.name) for key in self._keys))
