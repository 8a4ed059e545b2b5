"""Unpredictable octets in small pieces, for IDs, letter case and the choice of a socket (RFC 5452).

They come from the system a block at a time, because one call for each of them would cost more than all else
that a question needs. A block belongs to one place (see `places`), so to one thread and one process: two
threads, or a process and its forked child, would otherwise use the same IDs.
"""

from __future__ import annotations

from os import urandom

#: How many octets are taken from the system at once.
BLOCK = 4096


class Chance:
    """A supply of unpredictable octets for one thread."""

    __slots__ = ("_at", "_block")

    def __init__(self) -> None:
        self._block = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        """Return the next `count` octets, at most BLOCK."""
        at = self._at
        end = at + count
        if end > len(self._block):
            self._block = urandom(BLOCK)
            at, end = 0, count
        self._at = end
        return self._block[at:end]

    def pair(self) -> bytes:
        """Return two octets, as an ID has."""
        return self.take(2)

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1. Up to 256 it is near enough to uniform for a choice."""
        at = self._at
        if at + 2 > len(self._block):
            return int.from_bytes(self.take(2), "big") % limit
        self._at = at + 2
        return (self._block[at] << 8 | self._block[at + 1]) % limit
