"""`netkit schema`: the JSON Schema of what a command writes with --json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import click

from netkit.cli.frame.command import NetkitCommand, Run, command
from netkit.cli.frame.messages import suggest
from netkit.cli.frame.options import WrongValue, argument
from netkit.cli.frame.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment


class SchemaName(TypedDict):
    """A command that has a schema."""

    command: Annotated[str, "The words after `netkit`"]
    row_type: Annotated[str, "The value of `type` in its rows"]


class SchemaView(View[NetkitCommand]):
    """The commands that have a schema."""

    schema = SchemaName
    has_input = False

    def to_json(self, result: NetkitCommand) -> SchemaName:
        return {"command": result.path, "row_type": result.view.type}

    def row(self, result: NetkitCommand) -> Sequence[object]:
        return result.path, result.view.type

    def short(self, result: NetkitCommand) -> Iterable[Line]:
        yield result.path

    def table(self, result: NetkitCommand, env: Environment) -> Iterable[Any]:  # noqa: ARG002
        yield f"{result.path:<16} {result.view.type}"


def _row_types() -> list[str]:
    from netkit.cli.table import COMMANDS

    return [entry.path.replace(" ", ".") for entry in COMMANDS]


@command("schema", view=SchemaView(), usage="[COMMAND]")
@argument("words", nargs=-1, metavar="[COMMAND]", complete=_row_types)
def schema(run: Run[NetkitCommand], words: tuple[str, ...]) -> None:
    """Print the JSON Schema of a command's output.

    The schema (2020-12) describes every line that the command writes with --json. Keys that end in `_s`
    are seconds, those in `_b64` are base64; dates are RFC 3339. docs/json.md explains the words that all
    commands share. Without COMMAND, it lists the commands.

    Examples:

        $ netkit schema
        $ netkit schema version
        $ netkit schema version | jq '."$defs" | keys'
    """
    from netkit.cli.frame.root import load
    from netkit.cli.table import COMMANDS

    if not words:
        for entry in COMMANDS:
            run.result(load(entry))
        return
    path = " ".join(word for word in words if word != "netkit").replace(".", " ")
    for entry in COMMANDS:
        if entry.path == path:
            from json import dumps

            from netkit.cli.pages.schema import view_schema

            made = view_schema(load(entry).view, f"netkit {path}")
            run.env.write(dumps(made, indent=2, ensure_ascii=True) + "\n")
            return
    known = [entry.path for entry in COMMANDS]
    hint = suggest(path, known) or f"there are: {', '.join(known)}"
    raise WrongValue(f"there is no command `netkit {path}`", hint, ctx=click.get_current_context())
