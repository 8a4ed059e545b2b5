"""The errors of applications that cannot be served.

NetkitError
├── AppError         usage    no application where one was looked for
├── LifespanError    usage    an ASGI application that did not start, or did not end, as it should
└── ClientGone       protocol (ConnectionError) for the application: nobody gets what it sends
"""

from __future__ import annotations

import errno

from netkit.errors import NetkitError


class AppError(NetkitError):
    """There is no application by that `name`; `reason` says what was found instead."""

    layer = "http"
    fault = "caller"

    def __init__(self, name: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason
        if hint is not None:
            self.hint = hint

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class LifespanError(NetkitError):
    """An ASGI application failed in its `phase`, `"startup"` or `"shutdown"`; `reason` is what it said."""

    layer = "http"
    fault = "caller"

    def __init__(self, phase: str, reason: str) -> None:
        super().__init__(phase, reason)
        self.phase = phase
        self.reason = reason

    def __str__(self) -> str:
        return f"the application's {self.phase} failed: {self.reason or 'it did not say why'}"


class ClientGone(NetkitError, ConnectionError):
    """The client of a response has gone. What an application sends raises it, as ASGI 2.4 wants."""

    layer = "http"
    fault = "peer"
    stage = "protocol"
    kind = "Reset"

    def __init__(self, reason: str = "") -> None:
        super().__init__(errno.ECONNRESET, reason)
        self.reason = reason

    def __str__(self) -> str:
        return "the client has gone" + (f": {self.reason}" if self.reason else "")
