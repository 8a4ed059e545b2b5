"""docs/json.md and the schemas say the same: words, events, layers, stages, kinds; and its examples run."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, get_args

import pytest

from netkit.cli.frame.exits import STAGE_EXITS, Exit, Failure, Layer
from netkit.cli.frame.fields import Address, Endpoint, EndpointOrPath
from netkit.cli.frame.output import json_line
from netkit.cli.frame.root import load
from netkit.cli.pages.schema import view_schema
from netkit.cli.table import COMMANDS
from netkit.errors import SYSTEM_KINDS, NetkitError
from netkit.http.connection.errors import ConnectionFault, ErrorCode
from netkit.net.errors import ResolveError
from netkit.websocket.errors import AtOctet
from tests.cli.helpers import ROOT
from tests.test_errors import CLASSES, blank

pytestmark = pytest.mark.once

PAGE = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")

#: Commands that are given nothing to work on.
WITHOUT_INPUT = {"completion", "demo", "schema", "version"}


def tables(title: str) -> list[list[list[str]]]:
    """The tables of a section, each as its rows of cells, without the line of titles."""
    after = re.split(rf"^#+ {re.escape(title)}$", PAGE, maxsplit=1, flags=re.MULTILINE)[1]
    section = re.split(r"^#+ ", after, maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    return [
        [[cell.strip() for cell in row.strip("|").split("|")] for row in each.splitlines()[2:]]
        for each in found
    ]


def words(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


class Property(NamedTuple):
    """A key of an object of some command's JSON."""

    command: str
    owner: str
    name: str
    schema: dict[str, Any]
    definitions: dict[str, Any]

    def __repr__(self) -> str:
        return f"{self.command}: {self.owner}.{self.name}"

    @property
    def forms(self) -> list[dict[str, Any]]:
        """What the value may be, null left out."""
        alternatives = self.schema.get("anyOf", [self.schema])
        found: list[dict[str, Any]] = []
        for each in alternatives:
            kinds = each.get("type") or self._kind(each)
            for kind in kinds if isinstance(kinds, list) else [kinds]:
                found += [{**each, "type": kind}] if kind != "null" else []
        return found

    def _kind(self, schema: dict[str, Any]) -> str:
        if "allOf" in schema:
            return self._kind(schema["allOf"][0])
        if "$ref" in schema:
            return str(self.definitions[schema["$ref"].rpartition("/")[2]]["type"])
        values = [schema["const"]] if "const" in schema else schema.get("enum", [])
        kinds = {{str: "string", bool: "boolean", int: "integer"}[type(value)] for value in values}
        assert len(kinds) == 1, self
        return kinds.pop()


SCHEMAS = {entry.path: view_schema(load(entry).view, f"netkit {entry.path}") for entry in COMMANDS}


def properties() -> Iterator[Property]:
    """Every key of every command's JSON; not the fields of DNS records, which have names of their own."""
    for path, schema in SCHEMAS.items():
        definitions = schema["$defs"]
        for owner, definition in definitions.items():
            if "properties" in definition:  # not the cases of a row
                for name, value in definition["properties"].items():
                    yield Property(path, owner, name, value, definitions)


PROPERTIES = list(properties())


def pattern(alias: Any) -> str:
    return str(get_args(alias)[1])


#: What the page calls a value, and what its schema then is.
VALUES: dict[str, Callable[[Property, dict[str, Any]], bool]] = {
    "text": lambda _, form: form["type"] == "string",
    "whole number": lambda _, form: form["type"] == "integer",
    "seconds": lambda each, form: form["type"] in ("number", "integer") and each.name.endswith("_s"),
    "object": lambda _, form: form["type"] == "object",
    "base64": lambda each, form: form["type"] == "string" and each.name.endswith("_b64"),
    "HOST:PORT": lambda _, form: form["type"] == "string",
    "IP": lambda _, form: form.get("pattern") == pattern(Address),
    "IP:PORT": lambda each, form: (
        form.get("pattern") in (pattern(Endpoint), pattern(EndpointOrPath)) or "unix" in each.command
    ),
}


@pytest.mark.parametrize("row", tables("Words")[0], ids=lambda row: row[0])
def test_a_word_is_used_and_means_one_thing(row: list[str]) -> None:
    (key,), value = words(row[0]), row[1]
    uses = [each for each in PROPERTIES if each.name == key]
    assert uses
    for each in uses:
        assert all(VALUES[value](each, form) for form in each.forms), (each, each.schema)


def test_a_key_holds_one_kind_of_value_in_all_commands() -> None:
    kinds: dict[str, dict[str, list[Property]]] = defaultdict(lambda: defaultdict(list))
    for each in PROPERTIES:
        for form in each.forms:
            kinds[each.name][form["type"]].append(each)
    mixed = {name: dict(found) for name, found in kinds.items() if len(found) > 1}
    assert not mixed


def test_an_address_has_no_port_and_nothing_else_is_one() -> None:
    for each in PROPERTIES:
        is_address = any(form.get("pattern") == pattern(Address) for form in each.forms)
        assert is_address == (each.name in ("address", "reached_from")), each
        is_endpoint = any(form.get("pattern") == pattern(Endpoint) for form in each.forms)
        assert not is_endpoint or each.name in ("peer", "local", "server"), each


@pytest.mark.parametrize(
    ("alias", "text", "matches"),
    [
        (Address, "192.0.2.1", True),
        (Address, "2001:db8::1", True),
        (Address, "::", True),
        (Address, "fe80::1%eth0", True),
        (Address, "192.0.2.1:80", False),
        (Address, "[::1]:80", False),
        (Address, "example.com", False),
        (Endpoint, "192.0.2.1:80", True),
        (Endpoint, "[fe80::1%eth0]:80", True),
        (Endpoint, "192.0.2.1", False),
        (Endpoint, "::1", False),
        (Endpoint, "example.com:80", False),
        (EndpointOrPath, "[::1]:80", True),
        (EndpointOrPath, "127.0.0.1:80", True),
        (EndpointOrPath, "/run/app.sock", True),
        (EndpointOrPath, "@name", True),
        (EndpointOrPath, "192.0.2.1", False),
        (EndpointOrPath, "::1", False),
    ],
)
def test_the_forms_of_addresses(alias: Any, text: str, matches: bool) -> None:
    assert bool(re.search(pattern(alias), text)) is matches


def test_the_end_of_a_key() -> None:
    moments = {"not_before", "not_after"}
    for each in PROPERTIES:
        kinds = {form["type"] for form in each.forms}
        if each.name.endswith("_s"):
            assert kinds <= {"number", "integer"}, each
        if each.name.endswith("_b64"):
            assert kinds == {"string"}, each
        if each.name.endswith("_index"):
            assert kinds == {"integer"}, each
        if each.name.endswith("_at") or each.name in moments:
            assert each.schema.get("format") == "date-time", each
        else:
            assert "format" not in each.schema, each
        told = each.schema.get("description", "").lower()
        is_duration = re.search(r"\bseconds\b|^how long\b", told)
        assert not is_duration or each.name.endswith("_s"), each


def test_seconds_are_rounded_where_json_is_written_and_nothing_else_is() -> None:
    row = {
        "elapsed_s": 1.23456789,
        "loss": 0.123456789,
        "parts": [{"min_s": 1e-9, "ttl_s": 60}],
        "max_s": None,
    }
    assert json_line(row) == (
        '{"elapsed_s": 1.234568, "loss": 0.123456789, "parts": [{"min_s": 0.0, "ttl_s": 60}], "max_s": null}'
    )
    for path in sorted((ROOT / "netkit" / "cli").rglob("*.py")):
        rounds = re.findall(r"\bround\(.*, 6\)", path.read_text(encoding="utf-8"))
        assert len(rounds) == (path.name == "output.py"), path


@pytest.mark.parametrize("command", SCHEMAS)
def test_every_row_says_what_it_is_about(command: str) -> None:
    schema = SCHEMAS[command]
    for row in schema["anyOf"]:
        definition = schema["$defs"][row["$ref"].rpartition("/")[2]] if "$ref" in row else row
        assert "type" in definition["required"]
        assert ("input" in definition["required"]) is (command not in WITHOUT_INPUT)
        assert "error" in definition["properties"]


# -- events


def test_events() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for each in PROPERTIES:
        if each.name == "event":
            for event in [each.schema["const"]] if "const" in each.schema else each.schema["enum"]:
                found[event].add(each.command)
    told = {words(row[0])[0]: set(words(row[1])) for row in tables("Events")[0]}
    assert told == found


# -- errors


def layers_in_the_code() -> set[str]:
    """Those of the error classes, and those that commands name where they make a Failure themselves."""
    found = {cls.layer for cls in CLASSES}
    for path in (ROOT / "netkit" / "cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Failure":
                layer = node.args[list(Failure._fields).index("layer")]
                if isinstance(layer, ast.Constant):
                    found.add(layer.value)
    return found


def test_layers() -> None:
    (told,) = tables("Layers")
    assert [words(row[0])[0] for row in told if not row[1]] == []
    assert {words(row[0])[0] for row in told} == layers_in_the_code() == set(get_args(Layer))


def test_stages_and_their_exit_codes() -> None:
    (told,) = tables("Stages, and exit codes")
    assert {words(row[0])[0]: int(row[1]) for row in told} == STAGE_EXITS


def kinds_in_the_code() -> dict[str, set[str]]:
    """The kinds of each layer. The head of a branch of errors is never raised itself."""
    heads = {cls for cls in NetkitError.__subclasses__() if cls.__subclasses__()} | {AtOctet}
    found: dict[str, set[str]] = defaultdict(set)
    for cls in CLASSES:
        if cls not in heads and not cls.__name__.startswith("_") and not issubclass(cls, ResolveError):
            kinds = {blank(cls).kind}
            if "ErrorCodeNone" in kinds:  # the kind is the error code of HTTP/2
                kinds = {ConnectionFault("", code).kind for code in ErrorCode}
            found[cls.layer] |= kinds
    found["netkit"] |= {"Interrupted", "Terminated", "MissingExtra", "Unexpected"}
    return found


def test_kinds() -> None:
    common, others = tables("Kinds")
    alike = {words(row[0])[0] for row in common}
    own = {words(row[0])[0]: set(words(row[1])) for row in others}
    found = kinds_in_the_code()
    assert own == {layer: kinds - alike for layer, kinds in found.items() if kinds - alike}
    layers = defaultdict(set)
    for layer, kinds in found.items():
        for kind in kinds:
            layers[kind].add(layer)
    shared = {kind for kind, names in layers.items() if len(names) > 1} | set(SYSTEM_KINDS.values())
    assert alike == shared


# -- the example of an error


def test_the_error_object_of_the_page_is_as_they_are() -> None:
    shown = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1])  # type: ignore[index]
    assert list(shown) == list(Failure(Exit.OK, "", "usage", "", "").to_json())
