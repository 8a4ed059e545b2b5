"""The table in the docs is the one that this suite makes, wherever the libraries are those that it names."""

from __future__ import annotations

from netkit.tls.backend import Capability
from tests.tls.conformance import table


def test_the_page_says_what_the_backends_claim() -> None:
    page = table.PAGE.read_text(encoding="utf-8")
    made = table.section(run=False)
    if table.versions() in page.splitlines():
        assert made in page, "run `make tls-table`"
        assert table.verdicts() in page, "run `make tls-table`"
    else:
        # Other libraries than the page names: its shape must still be the same.
        head = made.splitlines()[4].split("|")[1]
        assert f"|{head}|" in page


def test_a_row_for_each_capability() -> None:
    rows = table.table(run=False).splitlines()
    assert len(rows) == 2 + len(Capability)
