"""docs/netcat.md: every netkit command in it is one that netkit takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from tests.cli.helpers import command_of

PAGE = Path(__file__).parents[2] / "docs" / "netcat.md"
COMMANDS = re.findall(r"`netkit ([^`]+)`", PAGE.read_text(encoding="utf-8"))


def test_there_are_some() -> None:
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("line", COMMANDS)
def test_netkit_takes_it(line: str) -> None:
    """Parsed to the end: every option there is, every value of the right form. H and P are made real."""
    words = [re.sub(r"^H:P$", "host.test:80", word) for word in shlex.split(line)]
    command = command_of(tuple(words))
    rest = words[len(command.path.split()) :]
    with command.make_context(command.path, rest, parent=click.Context(click.Command("netkit"))):
        pass
