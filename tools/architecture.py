"""docs/architecture.md: the map of netkit, whose list of modules is made from their own first lines.

    python tools/architecture.py            write the list anew
    python tools/architecture.py --check    fail where it is not what the modules say

What stands above the list is written by hand; tests/test_architecture.py holds it.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN = "<!-- from here on: python tools/architecture.py -->"


def first_sentence(file: Path) -> str:
    """What a module says it is for: the first sentence of its docstring, on one line."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def listing() -> str:
    """A table for each package: its modules, and what each is for."""
    parts = []
    for package in sorted({file.parent for file in (ROOT / "netkit").rglob("*.py")}):
        name = ".".join(package.relative_to(ROOT).parts)
        parts += ["", f"### {name}", "", first_sentence(package / "__init__.py"), ""]
        modules = sorted(
            file for file in package.glob("*.py") if file.stem not in ("__init__", "_build_note")
        )
        if modules:
            parts += ["| module | what it is for |", "| --- | --- |"]
            parts += [
                f"| `{file.stem}` | {first_sentence(file).replace('|', chr(92) + '|')} |" for file in modules
            ]
    return "\n".join(parts) + "\n"


def page() -> str:
    """The whole page, as it should be."""
    written, marker, _ = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    if not marker:
        sys.exit(f"tools/architecture.py: {PAGE} has no line {BEGIN}")
    return f"{written}{BEGIN}\n{listing()}"


def main() -> None:
    made = page()
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text(encoding="utf-8") != made:
            sys.exit("docs/architecture.md is stale: run `python tools/architecture.py`")
    elif sys.argv[1:]:
        sys.exit("usage: python tools/architecture.py [--check]")
    else:
        PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
