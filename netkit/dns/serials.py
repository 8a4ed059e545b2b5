"""Serial numbers of zones: which one is newer, and how far it is ahead (RFC 1982).

A serial is a number of 32 bits that wraps around. One is newer than another if it is ahead by less than half
of all numbers; which of two that are exactly half apart is the newer, section 3.2 leaves undefined: here
neither is.
"""

from __future__ import annotations

_HALF = 1 << 31
_MASK = (1 << 32) - 1


def serial_steps(newer: int, older: int) -> int | None:
    """How many steps `newer` is ahead of `older`: 0 where they are equal; None where it is not ahead."""
    steps = newer - older & _MASK
    return steps if steps < _HALF else None


def is_newer(serial: int, than: int) -> bool:
    """Whether `serial` is newer than the serial `than` (RFC 1982 section 3.2)."""
    return bool(serial_steps(serial, than))


def after(serial: int, count: int = 1) -> int:
    """The serial that is `count` steps after another (RFC 1982 section 3.1)."""
    return serial + count & _MASK
