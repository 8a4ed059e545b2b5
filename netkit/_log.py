"""Debug lines that cost nothing until the program uses logging.

Library code logs through `logging` under its module's name, and is silent by default. But importing `logging`
takes 8 ms, more than a whole DNS lookup on loopback. So a `Log` uses `logging` only after another part of the
program has imported it: the `-v` option does this, and so does every program that wants to see the lines.

    log = Log("netkit.dns")
    log.debug("%s answered in %.1f ms", server, milliseconds)

Never log secrets (keys, passwords, Authorization, cookies), at any level.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging


class Log:
    """The logger called `name`; it is looked up at the first use after `logging` was imported."""

    __slots__ = ("_logger", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._logger: logging.Logger | None = None

    @property
    def enabled(self) -> bool:
        """Whether debug lines are shown: check this before computing values that only such a line needs."""
        logger = self._logger or self._resolve()
        return logger is not None and logger.isEnabledFor(10)

    def debug(self, message: str, *args: object) -> None:
        """Log `message % args` at level DEBUG: a step of a dialogue, with its measurements."""
        logger = self._logger or self._resolve()
        if logger is not None and logger.isEnabledFor(10):
            logger.debug(message, *args, stacklevel=2)

    def warning(self, message: str, *args: object, error: BaseException | None = None) -> None:
        """Log `message % args` at level WARNING: something is wrong, but the operation continues.

        The traceback of `error` follows, for errors of somebody else's code that only its author understands.
        It is silent until `logging` is imported, unlike logging's handler of last resort.
        """
        logger = self._logger or self._resolve()
        if logger is not None:
            logger.warning(message, *args, exc_info=error, stacklevel=2)

    def _resolve(self) -> logging.Logger | None:
        module = sys.modules.get("logging")
        # Check the last name that logging defines, because another thread may still be importing it.
        if module is None or not hasattr(module, "captureWarnings"):
            return None
        root = module.getLogger("netkit")
        if not root.handlers:
            root.addHandler(module.NullHandler())  # avoid the handler of last resort: silent by default
        self._logger = module.getLogger(self.name)
        return self._logger
