"""Masking keys that a server cannot predict (RFC 6455 sections 5.3 and 10.3).

A key comes from the system's source of strong randomness. Asking it for four octets at a time would cost
more than the rest of a small frame, so that 1024 keys are made at once.
"""

from __future__ import annotations

import os

_MADE_AT_ONCE = 1024

_keys: list[bytes] = []


def random_mask_key() -> bytes:
    """A new masking key, four octets. Any thread may call this."""
    try:
        return _keys.pop()
    except IndexError:
        made = os.urandom(4 * _MADE_AT_ONCE)
        _keys.extend(made[at : at + 4] for at in range(4, len(made), 4))
        return made[:4]


if hasattr(os, "register_at_fork"):
    # Otherwise a forked process would use the same keys as its parent.
    os.register_at_fork(after_in_child=_keys.clear)
