"""One +flag of dig: its name, its purpose, and how its value is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from netkit.cli.frame.options import Value


class Flag(NamedTuple):
    """A `+flag`: its name, its purpose, and how its value is read (None: it is on or off).

    `optional` says that the value may be left out, `off` that `+no` may precede a flag with a value. `long`
    is its long option, if it differs from the name. `adds` says that the flag once more adds to its values.
    """

    name: str
    help: str
    value: Value[Any] | None = None
    metavar: str = ""
    aliases: tuple[str, ...] = ()
    optional: bool = False
    off: bool = False
    long: str = ""
    adds: bool = False

    @property
    def option(self) -> str:
        """The long option without its hyphens."""
        return self.long or self.name

    @property
    def spelled(self) -> str:
        """The flag as the help page shows it."""
        no = "[no]" if self.value is None or self.off else ""
        value = f"[={self.metavar}]" if self.optional else f"={self.metavar}" if self.value else ""
        return f"+{no}{self.name}{value}"
