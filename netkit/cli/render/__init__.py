"""Tables for people. The only package that imports rich, and only when a table is written to a terminal.

    from netkit.cli.render import facts, table      (inside View.table, never at the top of a module)

Cells are plain text: rich's markup is off, and control characters are shown as escapes wherever they
come from, so a view may hand over a peer's words as they are.
"""

from netkit.cli.render.tables import columns, facts, mark, render, table, text

__all__ = ["columns", "facts", "mark", "render", "table", "text"]
