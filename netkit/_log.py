"""Logging that costs nothing until somebody listens.

Importing `logging` takes longer than most of netkit's commands need to start, so library modules log
through this: a message goes to the logger of that name if the program has imported `logging`, and is
dropped if it has not (nobody can have asked for it). Silent by default, as a library should be.
"""

from __future__ import annotations

import sys
from typing import Any


class Log:
    """The logger `name`, found when it is first needed."""

    __slots__ = ("_logger", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._logger: Any = None

    @property
    def wants_debug(self) -> bool:
        """Whether a debug message would reach anybody: guards what is costly to put together."""
        logger = self._find()
        return logger is not None and bool(logger.isEnabledFor(10))

    def debug(self, message: str, *args: object) -> None:
        """The dialogue: what was sent, received, tried."""
        logger = self._find()
        if logger is not None:
            logger.debug(message, *args)

    def info(self, message: str, *args: object) -> None:
        """What a server did."""
        logger = self._find()
        if logger is not None:
            logger.info(message, *args)

    def warning(self, message: str, *args: object) -> None:
        """Something that went on working, and that its owner should know of."""
        logger = self._find()
        if logger is not None:
            logger.warning(message, *args)

    def _find(self) -> Any:
        if self._logger is None:
            logging = sys.modules.get("logging")
            get_logger = getattr(logging, "getLogger", None)  # absent while it is still being imported
            if get_logger is None:
                return None
            self._logger = get_logger(self.name)
            if not self._logger.handlers:
                self._logger.addHandler(logging.NullHandler())  # type: ignore[union-attr]
        return self._logger
