"""Commands for the frame's own tests: whatever a library can do, on demand, without a network."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NotRequired, TypedDict

from netkit.cli.frame import inputs, options
from netkit.cli.frame.cells import Column, Line
from netkit.cli.frame.command import Run, Section, command
from netkit.cli.frame.context import Environment
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.groups import FamilyOptions, option_group
from netkit.cli.frame.view import View
from netkit.cli.table import Entry
from netkit.io import Event, Flow, Want, sleep_until


class SayRow(TypedDict):
    """A word, said."""

    word: Annotated[str, "What was said"]
    length: int
    note: NotRequired[str]


class SayView(View[str]):
    schema = SayRow
    columns = (Column("word", 12), Column("length", 8))

    def to_json(self, result: str) -> SayRow:
        return {"word": result, "length": len(result)}

    def short(self, result: str) -> Iterable[Line]:
        yield result

    def table(self, result: str, env: Any) -> Iterable[Any]:
        from netkit.cli.render import table

        yield table(["word", "length"], [[result, len(result)]], right=[1])

    def row(self, result: str) -> Sequence[object]:
        return (len(result),)

    def failure(self, result: str) -> Exception | None:
        return ssl.SSLError(1, "does not verify") if result == "doubtful" else None

    def exit_code(self, result: str) -> Exit:
        return Exit.NO if result == "no" else Exit.OK


#: What the word `fails-KIND` raises.
FAILURES: dict[str, Exception] = {
    "refused": ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)),
    "silent": TimeoutError("timed out while connecting to 192.0.2.1:1"),
    "unresolved": socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    "bug": KeyError("nothing has that name"),
    "hostile": ValueError("a\x1b]0;title\x07b\u202ec"),
}

#: Flows that wait for each other: `waits-N` ends after `wakes-N`.
EVENTS: dict[str, Event] = {}
#: Every word that was asked for, in order.
ASKED: list[str] = []
#: How many were in flight at once, now and at most.
FLIGHT = {"now": 0, "most": 0}


def say_flow(word: str) -> Flow[str]:
    """Flow: the word, after whatever it says should happen."""
    ASKED.append(word)
    FLIGHT["now"] += 1
    FLIGHT["most"] = max(FLIGHT.values())
    try:
        kind, _, which = word.partition("-")
        if kind == "waits":
            event = EVENTS.setdefault(which, Event())
            while not event.is_set:
                yield Want(event=event)
        elif kind == "wakes":
            EVENTS.setdefault(which, Event()).set()
        elif kind == "turn":
            yield from sleep_until(0.0)
        elif kind == "crowd":
            # Together with so many others, and then for long enough that one too many would be seen.
            event = EVENTS.setdefault(kind, Event())
            if FLIGHT["now"] >= int(which):
                event.set()
            yield from event.wait()
            for _ in range(20):
                yield from sleep_until(0.0)
        elif kind == "never":
            yield Want(event=Event())
        elif kind == "interrupts":
            raise KeyboardInterrupt
        elif kind == "fails":
            raise FAILURES[which]
    finally:
        FLIGHT["now"] -= 1
    return word


def parse_word(text: str) -> str:
    """A word without digits."""
    if any(character.isdigit() for character in text.partition("-")[0]):
        raise ValueError(f"{text!r} has a digit in it")
    return text


@command("say", view=SayView(), doing="saying {}", lookup=True)
@inputs.many("WORD", parse=parse_word)
@options.timeout(5.0)
@option_group(only=FamilyOptions)
def say(run: Run[str], targets: inputs.Inputs[str], timeout: float, only: FamilyOptions) -> None:
    """Say words.

    Each is said once.

      kept
        as it is

    Examples:

        $ netkit say hello
        $ echo hello | netkit say -
    """
    run.env.say(f"family {only.version}") if only.version else None
    run.each(targets, say_flow, timeout=timeout)


class CountedRow(TypedDict):
    """A number."""

    number: int


class RawView(View[int]):
    schema = CountedRow
    has_input = False

    def to_json(self, result: int) -> CountedRow:
        return {"number": result}

    def plain(self, result: int) -> Iterable[Line]:
        yield str(result)


def _upper(arguments: list[str], _env: Environment) -> list[str]:
    return [argument.removeprefix("+") if argument.startswith("+") else argument for argument in arguments]


@command(
    "raw count",
    view=RawView(),
    usage="[+N]",
    rewrite=_upper,
    short_letters=False,
    modes=("json",),
    sections=[
        Section("Flags", [("+[no]flag", "Whether it flags."), ("+tries=N", "How often.")], complete=True)
    ],
)
@options.argument("number", type=options.Number(0, 100), default=3)
@options.option("-o", "other", is_flag=True, help="Not the output.")
@options.option("--raise", "raised", help="What to raise.")
def count(run: Run[int], number: int, other: bool, raised: str | None) -> Exit | None:
    """Count up to a number.

    Examples:

        $ netkit raw count +5
    """
    if raised == "exit":
        return Exit.PROTOCOL
    if raised == "interrupt":
        raise KeyboardInterrupt
    if raised is not None:
        raise FAILURES[raised]
    for value in range(number):
        run.result(value)
    return None


class RootView(View[int]):
    schema = CountedRow
    has_input = False

    def to_json(self, result: int) -> CountedRow:
        return {"number": result}

    def plain(self, result: int) -> Iterable[Line]:
        for line in range(result):
            yield f"line {line}"


@command("tall", view=RootView())
def tall(run: Run[int]) -> None:
    """Write more than a pipe holds.

    Examples:

        $ netkit tall | head -1
    """
    run.result(40_000)


ENTRIES = (
    Entry("say", "tests.cli.sample:say", "Say words.", "Look up"),
    Entry("raw count", "tests.cli.sample:count", "Count up to a number.", "Serve"),
    Entry("tall", "tests.cli.sample:tall", "Write more than a pipe holds.", "Serve"),
)
GROUPS = {"raw": "What is raw"}
