"""What can go wrong between two endpoints before a byte of any protocol is exchanged.

    NetkitError
    ├── ResolveError              (socket.gaierror) this system knows no address for the name
    ├── ConnectError              (OSError) no address of the endpoint could be connected to
    │   ├── .Refused              (ConnectionRefusedError) nobody listens there
    │   ├── .Unreachable          no route, network or host unreachable
    │   ├── .Reset                (ConnectionResetError) cut off while connecting
    │   ├── .TimedOut             (TimeoutError) no answer in time
    │   └── .Failed               anything else the system reported
    └── ListenError               (OSError) an address could not be listened on

What the system reports on an open socket (reset, broken pipe) stays the OSError it is.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, ClassVar

from netkit.errors import Fault, NetkitError

if TYPE_CHECKING:
    from netkit.addr import HostPort, SocketAddr


class ResolveError(NetkitError, socket.gaierror):
    """This system's resolver knows no address for `host`; `code` is getaddrinfo's (`socket.EAI_...`)."""

    layer = "dns"
    fault = "network"

    #: Codes that say "there is no such host", as far as systems define them.
    _ABSENT: ClassVar[frozenset[int]] = frozenset(
        getattr(socket, name)
        for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY")
        if hasattr(socket, name)
    )

    def __init__(self, host: str, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.host = host
        self.code = code
        self.reason = reason
        if self.is_absent:
            self.hint = "check the spelling; `netkit dig` shows what the name servers say"

    @property
    def is_absent(self) -> bool:
        """Whether the answer was that there is no such host (rather than that nobody could tell)."""
        return self.code in self._ABSENT

    @property
    def kind(self) -> str:
        return "HostNotFound" if self.is_absent else "ResolveError"

    def __str__(self) -> str:
        return f"cannot resolve {self.host}: {self.reason}"


class Attempt:
    """One address that was tried: when it began and ended, and what became of it.

    `started_s` and `ended_s` are seconds since the whole connect began (`ended_s` is None while it is
    under way); `error` is None where it succeeded or was still under way when another won.
    """

    __slots__ = ("addr", "ended_s", "error", "started_s", "won")

    def __init__(self, addr: SocketAddr, started_s: float) -> None:
        self.addr = addr
        self.started_s = started_s
        self.ended_s: float | None = None
        self.error: OSError | None = None
        self.won = False

    @property
    def outcome(self) -> str:
        """`"connected"`, the system's words for the failure, or `"abandoned"`."""
        if self.won:
            return "connected"
        return "abandoned" if self.error is None else _words(self.error)

    def __repr__(self) -> str:
        return f"<Attempt {self.addr} {self.outcome}>"


class ConnectError(NetkitError, OSError):
    """No address of `endpoint` could be connected to; `attempts` tells what became of each.

    Which variant it is follows the first address that gave an answer or kept silent; an address this
    machine has no route to decides only if that is true of all.
    """

    layer = "tcp"
    fault: Fault = "network"

    Refused: ClassVar[type[ConnectError]]
    Unreachable: ClassVar[type[ConnectError]]
    Reset: ClassVar[type[ConnectError]]
    TimedOut: ClassVar[type[ConnectError]]
    Failed: ClassVar[type[ConnectError]]

    def __init__(
        self, endpoint: HostPort | SocketAddr | str, attempts: list[Attempt], code: int | None
    ) -> None:
        super().__init__(code, os.strerror(code) if code else "no connection")
        self.endpoint = endpoint
        self.attempts = attempts

    def __str__(self) -> str:
        tried = [f"{attempt.addr}: {attempt.outcome}" for attempt in self.attempts]
        if len(tried) == 1 and tried[0].startswith(f"{self.endpoint}: "):
            return f"cannot connect to {tried[0]}"
        return f"cannot connect to {self.endpoint}: {'; '.join(tried) or 'no address to try'}"


class Refused(ConnectError, ConnectionRefusedError):
    """Nobody listens at that address and port, or a firewall says so."""

    fault = "peer"


class Unreachable(ConnectError):
    """No route to it: network or host unreachable, or the address family is not available here."""


class Reset(ConnectError, ConnectionResetError):
    """The peer cut the connection off while it was being made."""

    fault = "peer"


class TimedOut(ConnectError, TimeoutError):
    """Silence: no answer within the time given."""

    @property
    def kind(self) -> str:
        return "Timeout"


class Failed(ConnectError):
    """Anything else the system reported, such as a source address it does not have."""

    fault = "local"


ConnectError.Refused = Refused
ConnectError.Unreachable = Unreachable
ConnectError.Reset = Reset
ConnectError.TimedOut = TimedOut
ConnectError.Failed = Failed

_NO_ROUTE = frozenset(
    (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EAFNOSUPPORT)
)


def connect_error(endpoint: HostPort | SocketAddr | str, attempts: list[Attempt]) -> ConnectError:
    """The error that explains why none of `attempts` succeeded."""
    errors = [attempt.error for attempt in attempts if attempt.error is not None]
    telling = next((error for error in errors if error.errno not in _NO_ROUTE), errors[0] if errors else None)
    kind: type[ConnectError]
    match telling:
        case None | TimeoutError():
            return TimedOut(endpoint, attempts, errno.ETIMEDOUT)
        case ConnectionRefusedError():
            kind = Refused
        case ConnectionResetError() | ConnectionAbortedError():
            kind = Reset
        case _:
            kind = Unreachable if telling.errno in _NO_ROUTE else Failed
    return kind(endpoint, attempts, telling.errno)


class ListenError(NetkitError, OSError):
    """An address could not be bound or listened on."""

    layer = "tcp"
    fault = "local"

    def __init__(self, addr: object, error: OSError) -> None:
        super().__init__(error.errno, _words(error))
        self.addr = addr
        if error.errno == errno.EADDRINUSE:
            self.hint = "another process listens there: choose another port, or 0 for a free one"
        elif error.errno in (errno.EACCES, errno.EPERM):
            self.hint = "ports below 1024 need privileges: choose a higher one"
        elif error.errno == errno.EADDRNOTAVAIL:
            self.hint = "bind to an address of this machine, or to 0.0.0.0 or [::] for all of them"

    def __str__(self) -> str:
        return f"cannot listen on {self.addr}: {self.strerror}"


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    words = error.strerror or (os.strerror(error.errno) if error.errno else "") or str(error)
    return words[:1].lower() + words[1:]
