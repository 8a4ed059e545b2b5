"""Tables for people. The only package that imports rich, and only when a table is written to a terminal.

    from netkit.cli.render import facts, table      (inside View.table, never at the top of a module)

Cells are plain text: rich's markup is off, and control characters are always shown as escapes. So a view may
pass a peer's words unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.cli.render.tables import (
        facts as facts,
        mark as mark,
        render as render,
        side_by_side as side_by_side,
        table as table,
        text as text,
    )

__getattr__, __dir__, __all__ = lazy(__name__, {"tables": "facts mark render side_by_side table text"})
