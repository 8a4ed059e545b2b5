"""docs/dns.md, docs/dns-transfers.md and docs/name-server.md: their examples, run."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.mark.parametrize(("page", "least"), [("dns.md", 10), ("dns-transfers.md", 5), ("name-server.md", 3)])
def test_the_examples_of_the_page(page: str, least: int) -> None:
    failures, tried = doctest.testfile(str(DOCS / page), module_relative=False, verbose=False)
    assert tried > least
    assert failures == 0
