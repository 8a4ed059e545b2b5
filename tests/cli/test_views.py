"""A command whose results are of several kinds."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Annotated, NamedTuple, TypedDict

import pytest

from netkit.cli.frame.cells import Column
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.view import View
from netkit.cli.frame.views import Views
from netkit.cli.pages.schema import view_schema


class Road(NamedTuple):
    length: int


class River(NamedTuple):
    depth: int


class RoadRow(TypedDict):
    """A road."""

    length: Annotated[int, "In miles"]


class RiverRow(TypedDict):
    """A river."""

    depth: Annotated[int, "In feet"]


class RoadView(View[Road]):
    schema = RoadRow
    columns = (Column("road", 9), Column("miles", 9))

    def to_json(self, result: Road) -> RoadRow:
        return {"length": result.length}

    def row(self, result: Road) -> tuple[int]:
        return (result.length,)


class RiverView(View[River]):
    schema = RiverRow

    def to_json(self, result: River) -> RiverRow:
        return {"depth": result.depth}

    def facts(self, result: River) -> list[tuple[str, object]]:
        return [("depth", result.depth)]

    def is_block(self, result: River) -> bool:
        return result.depth > 1

    def label(self, result: River, text: str) -> str:
        return f"the {text} of {result.depth}"

    def exit_code(self, result: River) -> Exit:
        return Exit.OK if result.depth else Exit.NO


def test_each_result_is_shown_by_the_view_of_its_kind() -> None:
    view: View[Road | River] = Views({Road: RoadView(), River: RiverView()})
    view.type = "map"
    assert (view.to_json(Road(3)), view.to_json(River(2))) == ({"length": 3}, {"depth": 2})
    assert (list(view.plain(Road(3))), list(view.plain(River(2)))) == ([(3,)], [("depth", 2)])
    assert (view.row(Road(3)), list(view.facts(River(2)))) == ((3,), [("depth", 2)])
    assert (view.label(Road(3), "x"), view.label(River(2), "x")) == ("x", "the x of 2")
    assert (view.is_block(Road(3)), view.is_block(River(2))) == (False, True)
    assert (view.exit_code(Road(0)), view.exit_code(River(0))) == (Exit.OK, Exit.NO)
    assert (view.failure(Road(0)), view.columns, view.has_input) == (None, RoadView.columns, True)
    schema = view_schema(view, "netkit map")
    assert {"RoadRow", "RiverRow"} <= schema["$defs"].keys()


def test_a_view_is_loaded_when_there_is_a_result_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("rivers")
    module.VIEWS = {River: RiverView()}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rivers", module)
    view: View[Road | River] = Views({Road: RoadView()}, later=["rivers"])
    assert view.to_json(River(2)) == {"depth": 2}
    again: View[Road | River] = Views({Road: RoadView()}, later=["rivers"])
    again.type = "map"
    assert {"RoadRow", "RiverRow"} <= view_schema(again, "netkit map")["$defs"].keys()
