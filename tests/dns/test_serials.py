"""Serial numbers that wrap around (RFC 1982)."""

from __future__ import annotations

import pytest

from netkit.dns.serials import after, is_newer, serial_steps

pytestmark = pytest.mark.once

HALF = 1 << 31


@pytest.mark.parametrize(
    ("newer", "older", "steps"),
    [
        (1, 0, 1),
        (44, 0, 44),
        (HALF - 1, 0, HALF - 1),
        (0, (1 << 32) - 1, 1),  # it wraps around
        (10, (1 << 32) - 10, 20),
        (2026112602, 2026112601, 1),
    ],
)
def test_a_serial_is_ahead(newer: int, older: int, steps: int) -> None:
    assert serial_steps(newer, older) == steps
    assert is_newer(newer, older)
    assert serial_steps(older, newer) is None
    assert not is_newer(older, newer)


def test_the_same_serial_is_not_newer() -> None:
    assert serial_steps(7, 7) == 0
    assert not is_newer(7, 7)


def test_half_of_the_circle_is_undefined() -> None:
    for one, other in ((HALF, 0), (0, HALF)):
        assert serial_steps(one, other) is None
        assert not is_newer(one, than=other)


def test_a_serial_after_another() -> None:
    assert after(0xFFFFFFFF) == 0
    assert after(5, 10) == 15
