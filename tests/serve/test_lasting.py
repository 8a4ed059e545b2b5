"""What is made to last is not looked at for cycles, and freed all the same."""

from __future__ import annotations

import gc
from weakref import ref

import pytest

from netkit.serve.lasting import lasting

pytestmark = pytest.mark.once


class Thing:
    """Something that a weak reference may be to."""


def test_no_cycles_are_looked_for_meanwhile_nor_among_what_was_made() -> None:
    frozen = gc.get_freeze_count()
    with lasting():
        assert not gc.isenabled()
        things = [Thing() for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() > frozen + len(things)
    assert not any(each is things[0] for each in gc.get_objects())
    gone = ref(things[0])
    things.clear()
    assert gone() is None


def test_after_an_error_and_where_nobody_looks_for_cycles() -> None:
    gc.disable()
    try:
        with pytest.raises(LookupError), lasting():
            raise LookupError
        assert not gc.isenabled()
    finally:
        gc.enable()
