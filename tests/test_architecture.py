"""docs/architecture.md tells the truth: its layers are kept, its modules are those that are there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tests.test_layers import ORDER

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"


def test_its_layers_are_those_that_are_kept() -> None:
    rows = re.findall(r"^\| (\w+) \| ", PAGE.read_text("utf-8").partition("## A dialogue")[0], re.MULTILINE)
    assert tuple(rows[1:]) == ORDER  # the first is the head of the table


def test_its_list_of_modules_is_made_of_their_first_lines() -> None:
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "tools" / "architecture.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    page = PAGE.read_text("utf-8")
    assert page == tool.page(), "run `python tools/architecture.py`"
    assert len(re.findall(r"^\| `", page, re.MULTILINE)) > 150


def test_every_module_says_what_it_is_for() -> None:
    bare = [line for line in PAGE.read_text("utf-8").splitlines() if re.match(r"\| `\w+` \|\s*\|", line)]
    assert not bare
