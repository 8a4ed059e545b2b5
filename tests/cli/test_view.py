"""What a view need not say: the frame makes it of what the view declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypedDict

import pytest

from netkit.cli.frame import inputs
from netkit.cli.frame.cells import Column, Mark
from netkit.cli.frame.command import NetkitCommand, Run, command
from netkit.cli.frame.inputs import Inputs
from netkit.cli.frame.view import View
from netkit.cli.table import Entry
from netkit.io import Flow, sleep_until
from tests.cli.helpers import Result, add_commands

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]


class LengthRow(TypedDict):
    """How long a word is."""

    length: int


class FactsView(View[LengthRow]):
    schema = LengthRow

    def facts(self, result: LengthRow) -> Iterable[tuple[str, object]]:
        yield "length", result["length"]
        yield "verdict", Mark("good", "short") if result["length"] < 5 else Mark("bad", "long")


class RowsView(View[LengthRow]):
    schema = LengthRow
    titles = ("letter", "place")
    right = (1,)

    def label(self, result: LengthRow, text: str) -> str:
        return text.upper()

    def rows(self, result: LengthRow) -> Iterable[Sequence[object]]:
        for place in range(result["length"]):
            yield chr(ord("a") + place), place


class RowView(View[LengthRow]):
    schema = LengthRow
    columns = (Column("word", 10), Column("length", 8))

    def row(self, result: LengthRow) -> Sequence[object]:
        return (result["length"],)


def length(word: str) -> LengthRow:
    """A plain function: nothing is waited for."""
    if word == "fails":
        raise ValueError("it is not to be measured")
    return {"length": len(word)}


def length_flow(word: str) -> Flow[LengthRow]:
    yield from sleep_until(0.0)
    return length(word)


def make(name: str, view: View[LengthRow], function: Callable[[str], Any] = length) -> NetkitCommand:
    @command(f"measure {name}", view=view)
    @inputs.many("WORD")
    def measure(run: Run[LengthRow], targets: Inputs[str]) -> None:
        """Measure words.

        Examples:

            $ netkit measure
        """
        run.each(targets, function)

    return measure


facts = make("facts", FactsView())
rows = make("rows", RowsView())
row = make("row", RowView())
flow = make("flow", RowView(), length_flow)


@pytest.fixture(autouse=True)
def commands(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("facts", "rows", "row", "flow")
    entries = tuple(
        Entry(f"measure {name}", f"tests.cli.test_view:{name}", "Measure words.", "Read") for name in names
    )
    add_commands(monkeypatch, entries, {"measure": "Measure."})


def test_facts_make_lines_and_a_sheet(netkit: Netkit) -> None:
    assert netkit("measure", "facts", "abc").lines == ["abc\tlength\t3", "abc\tverdict\tshort"]
    assert netkit("measure", "facts", "abc", "--color", "never", tty=True).lines == [
        "length   3",
        "verdict  ✓ short",
    ]
    shown = netkit("measure", "facts", "abcdef", tty=True, encoding="ascii", env={"NO_COLOR": "1"}).lines
    assert shown[1] == "verdict  x long"


def test_rows_make_lines_and_a_table(netkit: Netkit) -> None:
    assert netkit("measure", "rows", "xy").lines == ["XY\ta\t0", "XY\tb\t1"]
    table = netkit("measure", "rows", "xy", tty=True, env={"NO_COLOR": "1"}).lines
    assert [line.strip("│").split("│") for line in table[1:2]] == [[" letter ", " place "]]
    assert "│ b      │     1 │" in table


def test_one_row_makes_the_line_and_the_table_of_several(netkit: Netkit) -> None:
    assert netkit("measure", "row", "abc", "de").lines == ["abc\t3", "de\t2"]
    shown = netkit("measure", "row", "abc", "de", tty=True, width=20, env={"NO_COLOR": "1"}).lines
    assert shown == ["word        length", "abc         3", "de          2"]


def test_a_mapping_is_the_object_and_the_path_is_its_type(netkit: Netkit) -> None:
    assert netkit("measure", "row", "abc", "--json").json == [
        {"type": "measure.row", "input": "abc", "length": 3}
    ]
    assert netkit("measure", "facts", "abc", "--json").json[0]["type"] == "measure.facts"


@pytest.mark.parametrize("name", ["row", "flow"])
def test_inputs_go_through_a_function_or_a_flow(netkit: Netkit, name: str) -> None:
    done = netkit("measure", name, "abc", "--json")
    assert (done.exit_code, [row["length"] for row in done.json]) == (0, [3])
    done = netkit("measure", name, "abc", "fails", "de", "--json", "--ordered")
    assert done.exit_code == 9
    assert [row.get("length") for row in done.json] == [3, None, 2]
    assert done.json[1]["error"]["message"] == "ValueError: it is not to be measured"
    assert netkit("measure", name, "fails").exit_code == 8
