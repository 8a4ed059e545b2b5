"""JSON Schemas from TypedDicts: every form that a row may have, and a refusal of what JSON has not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, NotRequired, Required, TypedDict

import jsonschema
import pytest

from netkit.cli.frame.cells import Line
from netkit.cli.frame.fields import Format, Pattern
from netkit.cli.frame.view import View
from netkit.cli.pages.schema import DIALECT, view_schema

pytestmark = pytest.mark.once


class Part(TypedDict, total=False):
    """A part.

    More about it.
    """

    name: Required[str]
    data_b64: str


class Whole(TypedDict):
    text: Annotated[str, "Some text"]
    number: int
    time_s: Annotated[float, "How long"]
    flag: bool
    nothing: str | None
    kind: Literal["a", "b"]
    many: list[Part]
    several: Sequence[int]
    named: dict[str, int]
    mapped: Mapping[str, Part | None]
    either: Annotated[int | list[str], "One or the other"]
    anything: Any
    at: Annotated[str, Format("date-time"), "When"]
    code: Annotated[NotRequired[str], Pattern("^[0-9A-F]{2}$")]


class Event(TypedDict):
    event: Literal["part"]
    part: Part


class WholeView(View[Any]):
    type = "whole"
    schema: ClassVar[Any] = Whole | Event

    def plain(self, result: Any) -> Iterable[Line]:
        return ()


GOOD: dict[str, Any] = {
    "type": "whole",
    "input": "x",
    "text": "t",
    "number": 1,
    "time_s": 0.5,
    "flag": True,
    "nothing": None,
    "kind": "a",
    "many": [{"name": "n", "data_b64": "AA=="}],
    "several": [1, 2],
    "named": {"x": 1},
    "mapped": {"x": None},
    "either": ["a"],
    "anything": {"a": [1]},
    "at": "2026-03-01T12:00:00Z",
}


def validator() -> jsonschema.Draft202012Validator:
    schema = view_schema(WholeView(), "netkit whole")
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


ERROR = {"layer": "tcp", "stage": "connect", "kind": "Refused", "message": "m", "hint": None}


@pytest.mark.parametrize(
    "row",
    [
        GOOD,
        {**GOOD, "code": "0F"},
        {**GOOD, "error": ERROR},
        {**GOOD, "either": 3, "mapped": {"x": {"name": "n"}}},
        {"type": "whole", "event": "part", "input": "x", "part": {"name": "n"}},
        {"type": "whole", "input": "x", "error": ERROR},
        {"type": "whole", "input": None, "error": ERROR},
    ],
)
def test_rows_that_are_as_declared(row: dict[str, Any]) -> None:
    validator().validate(row)


@pytest.mark.parametrize(
    "row",
    [
        {key: value for key, value in GOOD.items() if key != "number"},
        {key: value for key, value in GOOD.items() if key != "input"},
        {**GOOD, "more": 1},
        {**GOOD, "type": "other"},
        {**GOOD, "number": 1.5},
        {**GOOD, "nothing": 1},
        {**GOOD, "kind": "c"},
        {**GOOD, "many": [{"data_b64": "AA=="}]},
        {**GOOD, "many": [{"name": "n", "more": 1}]},
        {**GOOD, "code": "xx"},
        {**GOOD, "error": {"kind": "x"}},
        {"type": "whole", "event": "part", "input": "x"},
        {"type": "whole", "input": "x"},
        {"type": "whole", "error": ERROR},
    ],
)
def test_rows_that_are_not(row: dict[str, Any]) -> None:
    assert not validator().is_valid(row)


def test_what_is_said_about_fields_is_in_the_schema() -> None:
    schema = view_schema(WholeView(), "netkit whole")
    assert schema["$schema"] == DIALECT
    whole = schema["$defs"]["Whole"]["properties"]
    assert list(whole)[:2] == ["type", "input"]
    assert whole["text"] == {"type": "string", "description": "Some text"}
    assert whole["nothing"] == {"type": ["string", "null"]}
    assert whole["at"]["format"] == "date-time"
    assert schema["$defs"]["Part"]["description"] == "A part"
    assert schema["$defs"]["Part"]["properties"]["data_b64"]["contentEncoding"] == "base64"
    assert "code" not in schema["$defs"]["Whole"]["required"]


def test_what_json_has_not_is_refused() -> None:
    class Odd(TypedDict):
        data: bytes

    class OddView(WholeView):
        schema = Odd

    with pytest.raises(TypeError, match=r"no JSON Schema for .*bytes"):
        view_schema(OddView(), "netkit odd")


@pytest.mark.parametrize("key", ["type", "input", "error"])
def test_what_the_frame_adds_no_row_declares(key: str) -> None:
    row: Any = TypedDict("Row", {"text": str, key: str})  # type: ignore[misc]  # its keys differ by the case

    class RowView(WholeView):
        schema = row

    with pytest.raises(TypeError, match=f"Row declares `{key}`"):
        view_schema(RowView(), "netkit row")
