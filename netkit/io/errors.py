"""The errors of waiting, and of using a stream.

NetkitError
├── CancellationError     local      a CancellationToken was cancelled
├── DeadlineExceeded      its phase  (TimeoutError) the time given for the operation ran out
├── BusyError             usage      a second reader or a second writer on one stream
├── ClosedError           usage      (OSError EBADF) the stream was closed, perhaps while this waited
├── BrokenStreamError     usage      (ConnectionError) an earlier interruption left a half-sent message
├── UnexpectedEof         protocol   (EOFError) the peer finished before the expected bytes were there
├── LimitExceeded         protocol   (ValueError) more bytes than the caller allowed
├── LoopUnsupported       usage      (NotImplementedError) an event loop that cannot watch descriptors
└── NoneSucceeded         connect    every branch of a `first_of` failed

The second column is the stage.
"""

from __future__ import annotations

import errno

from netkit.errors import NetkitError, Stage
from netkit.io.interruption import Interrupted


class CancellationError(NetkitError):
    """The operation's `CancellationToken` was cancelled before the operation ended."""

    layer = "io"
    fault = "caller"
    stage = "local"

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"cancelled: {self.reason}" if self.reason else "cancelled"


class DeadlineExceeded(NetkitError, TimeoutError):
    """The time given for the operation ran out.

    `doing` names the phase, such as `"connecting to 192.0.2.1:443"`. The innermost `phase` that was open when
    the time ran out sets `doing` and `stage`.
    """

    layer = "io"
    fault = "network"
    stage: Stage = "connect"
    kind = "Timeout"

    def __init__(self, doing: str | None = None) -> None:
        super().__init__(doing)
        self.doing = doing

    def __str__(self) -> str:
        return f"timed out while {self.doing}" if self.doing else "timed out"


class BusyError(NetkitError, RuntimeError):
    """Another reader (or writer) is using the stream. A stream allows one of each at a time."""

    layer = "io"
    fault = "caller"
    stage = "usage"

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} is already in use by another reader, writer or loop"


class ClosedError(NetkitError, OSError):
    """The stream was closed on this side, before the operation began or during it."""

    layer = "io"
    fault = "caller"
    stage = "usage"

    def __init__(self, what: str = "stream") -> None:
        super().__init__(errno.EBADF, what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} is closed"


class BrokenStreamError(NetkitError, ConnectionError):
    """A write was interrupted after part of it was sent; what follows would be read as its rest.

    `sent` and `total` are None where the interruption came as the system was sending: how much has gone is
    not known then.
    """

    layer = "io"
    fault = "caller"
    stage = "usage"

    def __init__(self, sent: int | None, total: int | None) -> None:
        super().__init__(sent, total)
        self.sent = sent
        self.total = total

    def __str__(self) -> str:
        if self.sent is None:
            return "an earlier write was interrupted, and it is not known how much of it was sent"
        return f"an earlier write was interrupted after {self.sent} of {self.total} bytes"


class UnexpectedEof(NetkitError, EOFError):
    """The peer finished sending before `wanted` bytes (or the awaited separator) were there.

    The `had` bytes that did arrive are still in the stream's buffer, and can be read.
    """

    layer = "io"
    fault = "peer"
    stage = "protocol"

    def __init__(self, wanted: int | None, had: int) -> None:
        super().__init__(wanted, had)
        self.wanted = wanted
        self.had = had

    def __str__(self) -> str:
        wanted = "the separator" if self.wanted is None else f"{self.wanted} bytes"
        return f"the peer finished after {self.had} bytes, before {wanted}"


class LimitExceeded(NetkitError, ValueError):
    """More bytes arrived than the caller allowed; they are still in the stream's buffer."""

    layer = "io"
    fault = "peer"
    stage = "protocol"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(what, limit)
        self.what = what
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.what} exceeds the limit of {self.limit} bytes"


class LoopUnsupported(NetkitError, NotImplementedError):
    """The running event loop cannot watch descriptors, as Windows' proactor loop cannot."""

    layer = "io"
    fault = "caller"
    stage = "usage"
    hint = "run under a selector event loop (asyncio.SelectorEventLoop), or use the blocking form"

    def __init__(self, loop: str) -> None:
        super().__init__(loop)
        self.loop = loop

    def __str__(self) -> str:
        return f"{self.loop} cannot watch file descriptors"


class NoneSucceeded(NetkitError):
    """Every branch of a `first_of` raised; `errors` holds what each raised, in the branches' order."""

    layer = "io"
    fault = "network"
    stage = "connect"

    def __init__(self, errors: list[Exception]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        return "; ".join(str(error) for error in self.errors) or "nothing to try"


class phase:  # noqa: N801  # used as a statement: with phase("...")
    """Name what the enclosed part of a flow does, and its stage: DeadlineExceeded gets both if it happens
    there.

    with phase("connecting to 192.0.2.1:443"):
        yield from connect(...)
    """

    __slots__ = ("doing", "stage")

    def __init__(self, doing: str, stage: Stage = "connect") -> None:
        self.doing = doing
        self.stage = stage

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        if isinstance(error, Interrupted):
            error = error.error
        if isinstance(error, DeadlineExceeded) and error.doing is None:
            error.doing, error.stage = self.doing, self.stage
