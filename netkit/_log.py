"""Debug lines that cost nothing until somebody listens.

Library code logs through `logging` under its module's name, silent by default; but importing `logging`
costs 8 ms, more than a whole DNS lookup on loopback. A `Log` therefore asks `logging` only once another
part of the program has imported it: the `-v` option does, and so does any program that wants to listen.

    log = Log("netkit.dns")
    log.debug("%s answered in %.1f ms", server, milliseconds)

Nothing secret (keys, passwords, Authorization, cookies) belongs in a line, whatever the level.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging


class Log:
    """The logger called `name`, resolved when `logging` is there and first needed."""

    __slots__ = ("_logger", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._logger: logging.Logger | None = None

    @property
    def enabled(self) -> bool:
        """Whether a debug line would reach anybody: ask before computing what only the line needs."""
        logger = self._logger or self._resolve()
        return logger is not None and logger.isEnabledFor(10)

    def debug(self, message: str, *args: object) -> None:
        """Log `message % args` at level DEBUG: a step of a dialogue, with what was measured."""
        logger = self._logger or self._resolve()
        if logger is not None and logger.isEnabledFor(10):
            logger.debug(message, *args, stacklevel=2)

    def warning(self, message: str, *args: object) -> None:
        """Log `message % args` at level WARNING: something is wrong, but the operation goes on.

        Silent while nobody has imported `logging`, unlike logging's handler of last resort.
        """
        logger = self._logger or self._resolve()
        if logger is not None:
            logger.warning(message, *args, stacklevel=2)

    def _resolve(self) -> logging.Logger | None:
        module = sys.modules.get("logging")
        # The last name that logging defines: another thread may be in the middle of importing it.
        if module is None or not hasattr(module, "captureWarnings"):
            return None
        root = module.getLogger("netkit")
        if not root.handlers:
            root.addHandler(module.NullHandler())  # no handler of last resort: silent by default
        self._logger = module.getLogger(self.name)
        return self._logger
