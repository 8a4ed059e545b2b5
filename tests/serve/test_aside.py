"""Work in a thread beside a server that goes on."""

from __future__ import annotations

import threading

import pytest

from netkit.io import PAUSE, Event, Flow, all_of, race, run
from netkit.serve.aside import aside_flow

pytestmark = pytest.mark.once


def test_other_work_goes_on_meanwhile() -> None:
    """The call waits for what only the other branch does."""
    gate = threading.Event()

    def call() -> str:
        return "let in" if gate.wait(10) else "never"

    def other() -> Flow[None]:
        yield PAUSE
        gate.set()

    first, _ = run(all_of([aside_flow(call), other()]))
    assert first.unwrap() == "let in"


def test_what_it_raises() -> None:
    def call() -> None:
        raise LookupError("nothing")

    with pytest.raises(LookupError, match="nothing"):
        run(aside_flow(call))


def test_a_flow_that_is_ended_does_not_wait_for_it() -> None:
    gate, ended = threading.Event(), Event()
    ended.set()
    assert run(race(aside_flow(lambda: gate.wait(10)), ended.wait())).index == 1
    gate.set()
