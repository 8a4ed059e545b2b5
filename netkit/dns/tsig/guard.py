"""What a resolver does with TSIG: it signs a query, and tells the answer from what is not signed as it must.

RFC 8945 section 5.4: a message that is not signed, or wrongly, is not the answer; what it says is remembered
for the case that no better one comes. An error that the server signed is the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.tsig.signing import sign, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.dns.tsig.keys import TsigKey


class Guard:
    """Signs one query with `key`, and then looks at what comes. `clock` gives seconds since 1970."""

    __slots__ = ("_clock", "_key", "_mac", "wire")

    def __init__(self, wire: bytes, key: TsigKey, clock: Callable[[], float]) -> None:
        signed = sign(wire, key, clock())
        #: The query's octets, signed.
        self.wire = signed.wire
        self._mac = signed.mac
        self._key = key
        self._clock = clock

    def objection(self, wire: bytes) -> DnsError | None:
        """Why a message is not the answer: TsigError, or DnsError.InvalidResponse if it cannot be read."""
        try:
            verify(wire, self._key, self._clock(), self._mac)
        except DnsError as error:
            return error
        return None
