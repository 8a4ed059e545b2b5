"""docs/http-inspect.md: its tables are made of the table of endpoints in the code.

python tools/inspect_page.py            write them anew
python tools/inspect_page.py --check    fail where they are not what the code says
"""

from __future__ import annotations

import sys
from pathlib import Path

from netkit.http.inspector.pages import markdown_table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "http-inspect.md"
BEGIN, END = "<!-- endpoints -->\n", "<!-- end -->\n"


def page() -> str:
    """The page with its tables as they should be."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + markdown_table() + END + after


def main() -> int:
    made = page()
    if PAGE.read_text("utf-8") == made:
        return 0
    if "--check" in sys.argv:
        print(
            "docs/http-inspect.md is not what the code says: run `python tools/inspect_page.py`",
            file=sys.stderr,
        )
        return 1
    PAGE.write_text(made, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
