"""`lasting`: for making what is large and stays, such as the zones of a name server.

CPython's collector of cycles goes through all objects that there are, again and again while many are made,
and nothing else runs meanwhile. Of a zone of 200,000 names it does so three times, 0.3 seconds each, which is
how long a server that reads the zone aside (`netkit.serve.aside`) does not answer.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def lasting() -> Iterator[None]:
    """No cycles are looked for in this block, and never among what exists at its end (`gc.freeze`).

    What exists is freed as ever, when nobody refers to it any more. What will be in a cycle by then stays:
    that is little, because only what is open at this moment (a connection) may come to that, so that this is
    for what happens now and then. What was in cycles before is freed first.
    """
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
