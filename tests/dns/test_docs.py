"""docs/dns.md: its examples, run."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

PAGE = Path(__file__).parent.parent.parent / "docs" / "dns.md"


def test_the_examples_of_the_page() -> None:
    failures, tried = doctest.testfile(str(PAGE), module_relative=False, verbose=False)
    assert tried > 10
    assert failures == 0
