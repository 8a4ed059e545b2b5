"""docs/starttls.md tells the truth: its table is the registry, its limits and errors are those there are."""

from __future__ import annotations

import re
from pathlib import Path

from netkit.tls.starttls import PROTOCOLS, StartTlsError
from netkit.tls.starttls.wire import LINE_LIMIT, LINES_LIMIT, TOTAL_LIMIT

PAGE = (Path(__file__).parents[3] / "docs" / "starttls.md").read_text("utf-8")


def test_its_table_is_the_registry() -> None:
    rows = re.findall(r"^\| `(.*) \|$", PAGE, re.MULTILINE)
    assert [row.rpartition(" | ")[0] for row in rows] == [
        f"{each.name}` | {', '.join(f'`{alias}`' for alias in each.aliases)} | {each.port} | "
        f"{each.tls_port or ''} | {each.source}"
        for each in PROTOCOLS.values()
    ]


def test_its_errors_and_limits() -> None:
    names = re.findall(r"\(`([A-Z][A-Za-z]+)`", PAGE)
    assert len(names) == 6
    for name in names:
        assert issubclass(getattr(StartTlsError, name), StartTlsError)
    assert f"{LINE_LIMIT:,} bytes at most" in PAGE
    assert f"{LINES_LIMIT} lines" in PAGE
    assert f"{TOTAL_LIMIT:,} bytes" in PAGE


def test_its_example_is_one() -> None:
    """All of its names are there; its server is nobody's, so it stops short of a connection."""
    code = PAGE.partition("```python\n")[2].partition("```")[0]
    imports, _, rest = code.partition("\n\n")
    names: dict[str, object] = {}
    exec(imports, names)
    assert {"TcpStream", "TlsStream", "starttls"} <= names.keys()
    compile(rest, "docs/starttls.md", "exec")
