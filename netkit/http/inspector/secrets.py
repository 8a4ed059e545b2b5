"""What the endpoints need of chance: nonces, UUIDs, random octets. A test hands in its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Secrets:
    """Random octets, from a function that gives so many of them."""

    def __init__(self, randomness: Callable[[int], bytes] = os.urandom) -> None:
        self.randomness = randomness

    def token(self, size: int = 16) -> str:
        """A token of hexadecimal digits, two for each octet."""
        return self.randomness(size).hex()

    def uuid(self) -> str:
        """A random UUID (RFC 9562 section 5.4)."""
        from uuid import UUID

        return str(UUID(bytes=self.randomness(16), version=4))

    def fraction(self) -> float:
        """A number from 0 to below 1."""
        return int.from_bytes(self.randomness(6), "big") / (1 << 48)
