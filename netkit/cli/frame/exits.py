"""Exit codes: the one table of them, and what each error becomes.

The library knows nothing of exit codes. `explain` turns any exception into a `Failure` (exit code, and
the error object that `--json` shows). The exit code is that of the error's stage, the first step that failed:
a name that does not resolve is 3 in `tls probe` too, because no connection and no handshake was ever tried.
There are four exceptions:

- A timeout is 7, at whatever stage.
- A system error that is about this machine (no more descriptors, no such file) is 8, wherever it was met.
  Not so three that connecting, or asking a name server, may end in: there they are about the peer (a
  socket's file that is not there) or about what stands before it (a firewall).
- In a lookup command (dig, resolve) "no such name" and "no data" are the answer, 1. A name server that
  refuses the question or the connection, or cannot be reached, is 3 there as everywhere.
- What ends a server is 8.
"""

from __future__ import annotations

import errno
import os
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, NotRequired, TypeAlias, TypedDict, cast

from netkit.cli.frame.fields import Endpoint
from netkit.cli.frame.messages import without_password
from netkit.cli.frame.remedies import advice
from netkit.errors import FIREWALL_HINT, NO_CONNECTION, SYSTEM_KINDS, NetkitError, Stage, system_kind

if TYPE_CHECKING:
    from collections.abc import Container

    from netkit.net.errors import Attempt


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    NO = 1
    USAGE = 2
    UNRESOLVED = 3
    NO_CONNECTION = 4
    TLS = 5
    PROTOCOL = 6
    TIMEOUT = 7
    LOCAL = 8
    MIXED = 9
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


#: What each code means, for the manual pages and the documentation.
EXIT_TEXTS: dict[Exit, str] = {
    Exit.OK: "What was asked for is there.",
    Exit.NO: "The answer is no: no such name or no data (dig, resolve), below a policy that was asked for, "
    "no port open in a scan, nothing acceptable (http negotiate), a range that cannot be satisfied, no such "
    "link, a message that has to be refused (http parse), an HTTP status of 400 and over with --fail, a "
    "WebSocket that is refused, or closed with another code than 1000 and 1001.",
    Exit.USAGE: "Wrong usage; a list of inputs that has none.",
    Exit.UNRESOLVED: "The name could not be resolved: SERVFAIL, REFUSED, no name server reached; or no such "
    "name where a connection was wanted.",
    Exit.NO_CONNECTION: "No connection: refused, unreachable, a firewall's refusal, reset before any data; a "
    "WebSocket that ended without a Close frame (1006).",
    Exit.TLS: "TLS failed: the handshake, or the verification of the certificate.",
    Exit.PROTOCOL: "The peer broke its protocol: a malformed message, a bad frame, conflicting framing.",
    Exit.TIMEOUT: "Timed out; the message says in which phase.",
    Exit.LOCAL: "A local problem: a file, a permission, an address in use, an extra that is not installed.",
    Exit.MIXED: "Several inputs that ended differently, at least one of them not in 0. If all ended alike, "
    "their code is the exit code.",
    Exit.INTERRUPTED: "Interrupted with Ctrl-C.",
    Exit.BROKEN_PIPE: "Nobody reads the output any more (broken pipe, closed standard output).",
    Exit.TERMINATED: "Ended by SIGTERM; a server that drained in time ends in 0.",
}


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. It is a KeyboardInterrupt, so that code which cleans up after Ctrl-C also runs for
    it."""


class ServerEnded(Exception):
    """An error, its cause, ended a part of a server, and so the server.

    Whatever stage that error is of, a server that is gone is a local problem: the script that started it must
    not read "no connection" or "timed out".
    """


#: The exit code of each stage.
STAGE_EXITS: dict[Stage, Exit] = {
    "resolve": Exit.UNRESOLVED,
    "connect": Exit.NO_CONNECTION,
    "tls": Exit.TLS,
    "protocol": Exit.PROTOCOL,
    "local": Exit.LOCAL,
    "usage": Exit.USAGE,
}

#: The layers that an error can come from, as JSON shows them.
Layer: TypeAlias = Literal[
    "addr",
    "dns",
    "echo",
    "http",
    "io",
    "net",
    "netkit",
    "proxy",
    "system",
    "tcp",
    "tls",
    "unix",
    "usage",
    "ws",
]


class AttemptRow(TypedDict):
    """One address that was tried."""

    peer: Endpoint
    outcome: Annotated[
        Literal["connected", "refused", "timeout", "failed", "abandoned"],
        "The result; abandoned: it was unfinished when the connection to another address was there",
    ]
    reason: Annotated[str | None, "The system's error, if it failed"]
    started_s: Annotated[float, "When it began, in seconds since the command began to connect"]
    ended_s: Annotated[float | None, "When it ended; null if it was abandoned"]


class ErrorObject(TypedDict):
    """Why an input failed; the value of `"error"` in `--json`."""

    layer: Annotated[Layer, "The part of the network, or of netkit, that failed"]
    stage: Annotated[Stage, "The step at which it failed, which decides the exit code"]
    kind: Annotated[str, "What happened: one word for one cause, whatever the layer"]
    message: Annotated[str, "The same for people"]
    hint: Annotated[str | None, "What to do about it"]
    attempts: NotRequired[
        Annotated[list[AttemptRow], "Every address that was tried, if there is no connection"]
    ]


class Failure(NamedTuple):
    """An error as a user sees it: the exit code, and the words of the message and of the JSON error."""

    exit: Exit
    layer: str
    stage: Stage
    kind: str
    message: str
    hint: str | None = None
    error: BaseException | None = None

    @property
    def outcome(self) -> Literal["refused", "timeout", "failed"]:
        """One word for it, for events and for attempts."""
        if self.exit is Exit.TIMEOUT:
            return "timeout"
        return "refused" if self.kind == "Refused" else "failed"

    def to_json(self) -> ErrorObject:
        """The object that `--json` shows under `"error"`."""
        made: ErrorObject = {
            "layer": cast(Layer, self.layer),
            "stage": self.stage,
            "kind": self.kind,
            "message": without_password(self.message),
            "hint": self.hint,
        }
        if self.layer == "tcp":
            from netkit.net.errors import ConnectError

            if isinstance(self.error, ConnectError):
                made["attempts"] = [attempt_row(attempt) for attempt in self.error.attempts]
        return made


def attempt_row(attempt: Attempt) -> AttemptRow:
    """One address that was tried, as `--json` shows it."""
    failure = None if attempt.error is None else explain(attempt.error)
    return {
        "peer": str(attempt.addr),
        "outcome": "connected" if attempt.won else "abandoned" if failure is None else failure.outcome,
        "reason": None if failure is None else failure.message,
        "started_s": attempt.started_s,
        "ended_s": attempt.ended_s,
    }


BUG_HINT = "this looks like a bug in netkit: please report it, with what NETKIT_DEBUG=1 shows"

#: A lookup command's "no".
_NO = frozenset({"NotFound", "HostNotFound", "NoData"})
#: Error numbers that are about this machine: neither the network nor the peer can help.
_LOCAL = frozenset(code for code, kind in SYSTEM_KINDS.items() if kind not in (*NO_CONNECTION, "Timeout"))
#: Stages at which something else is reached for.
_REACHING: frozenset[Stage] = frozenset(("connect", "resolve"))
#: Those of them that are not about this machine if they were met at such a stage.
_OF_CONNECTING = frozenset({errno.EACCES, errno.EPERM, errno.ENOENT})

#: What to do about a system error that no layer of the library has explained.
_SYSTEM_HINTS = {
    errno.ECONNREFUSED: "nothing listens there: is the server running, and the port right?",
    errno.ECONNRESET: "the peer, or something on the way, cut the connection off",
    errno.EPIPE: "the peer closed the connection while there was more to send",
    errno.ENETUNREACH: "there is no route: is the network up, also for this family?",
    errno.EHOSTUNREACH: "there is no route to that host",
    errno.ENETDOWN: "the network is down",
    errno.EADDRINUSE: "another process has it: choose another port, or 0 for a free one",
    errno.EADDRNOTAVAIL: "use an address that this machine has",
    errno.EMFILE: "raise the limit with `ulimit -n`, or lower --concurrency",
    errno.ENFILE: "lower --concurrency",
}
#: The same by the kind of an error of netkit's own that came up while the peer was to be reached.
_HINTS_OF_CONNECTING = {
    "PermissionDenied": FIREWALL_HINT,
    "Refused": _SYSTEM_HINTS[errno.ECONNREFUSED],
}


def explain(error: BaseException, *, lookup: bool = False, options: Container[str] | None = None) -> Failure:
    """What `error` means for the user of the command.

    `lookup` is for commands that ask about the name itself (dig, resolve): "no such name" is an answer there,
    so the exit code is 1. In every other command it stops the work, and the code is 3. `options` are those of
    the command, of which a hint may name one; None: any.
    """
    if isinstance(error, Terminated):
        return Failure(Exit.TERMINATED, "netkit", "local", "Terminated", "terminated", None, error)
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "CancellationError":
        return Failure(Exit.INTERRUPTED, "netkit", "local", "Interrupted", "interrupted", None, error)
    if isinstance(error, ServerEnded) and error.__cause__ is not None:
        return explain(error.__cause__, options=options)._replace(exit=Exit.LOCAL, stage="local")
    if isinstance(error, NetkitError):
        return _explain_own(error, lookup, options)
    if _is_from(error, "ssl"):
        from netkit.tls.openssl_errors import from_ssl_error

        own = from_ssl_error(error)  # type: ignore[arg-type]
        return _explain_own(own, lookup, options)._replace(error=error)
    if isinstance(error, TimeoutError):
        words = _words(error) if str(error) else "timed out"
        return Failure(Exit.TIMEOUT, "io", "connect", "Timeout", words, None, error)
    if isinstance(error, OSError):
        return _explain_system(error)
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("netkit"):
        hint = "install netkit with all its extras: pip install 'netkit-cli[full]'"
        words = f"{error.name} is not installed"
        return Failure(Exit.LOCAL, "netkit", "local", "MissingExtra", words, hint, error)
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Failure(Exit.LOCAL, "netkit", "local", "Unexpected", words, BUG_HINT, error)


def _explain_own(error: NetkitError, lookup: bool, options: Container[str] | None) -> Failure:
    """What one of netkit's own errors means, by its stage."""
    from netkit.io.errors import NoneSucceeded

    if isinstance(error, NoneSucceeded) and error.errors:
        return explain(error.errors[0], lookup=lookup, options=options)
    stage, hint = _stage(error), advice(error.hint, error.remedy, options)
    code = STAGE_EXITS[stage]
    if error.kind == "Timeout":
        code = Exit.TIMEOUT
    elif lookup and stage == "resolve" and error.kind in _NO:
        code = Exit.NO
    elif hint is None and stage in _REACHING and isinstance(error, OSError):
        # The same cause has the same advice in every command. Who refuses what is asked, such as a name
        # server, has been reached.
        hint = _HINTS_OF_CONNECTING.get(error.kind)
    return Failure(code, error.layer, stage, error.kind, str(error), hint, error)


def _stage(error: NetkitError) -> Stage:
    """The error's stage, unless the system says that it is about this machine."""
    stage = error.stage
    if not isinstance(error, OSError) or _is_from(error, "socket"):
        return stage
    code = error.errno or 0
    return "local" if code in _LOCAL and not (stage in _REACHING and code in _OF_CONNECTING) else stage


def _explain_system(error: OSError) -> Failure:
    words, hint = _words(error), _SYSTEM_HINTS.get(error.errno or 0)
    if _is_from(error, "socket"):
        from netkit.net.errors import resolve_kind

        return Failure(Exit.UNRESOLVED, "dns", "resolve", resolve_kind(error.errno), words, None, error)
    kind = system_kind(error)
    if kind in NO_CONNECTION:
        return Failure(Exit.NO_CONNECTION, "tcp", "connect", kind, words, hint, error)
    return Failure(Exit.LOCAL, "system", "local", kind, words, hint, error)


def _is_from(error: BaseException, module: str) -> bool:
    return any(base.__module__ == module for base in type(error).__mro__)


def _words(error: BaseException) -> str:
    """The system's words without the error number, and with the name of the file."""
    if not isinstance(error, OSError):
        return str(error)
    # OpenSSL's errors, and getaddrinfo's, carry numbers that are not errno's.
    words = error.strerror or (os.strerror(error.errno) if error.errno else "") or str(error)
    words = words[:1].lower() + words[1:] if words[1:2].islower() else words
    return f"{_name(error.filename)}: {words}" if error.filename is not None else words


def _name(filename: object) -> str:
    return os.fsdecode(filename) if isinstance(filename, (str, bytes)) else str(filename)
