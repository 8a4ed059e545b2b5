"""Exit codes: the one table of them, and what each error becomes.

The library knows nothing of exit codes. `explain` turns any exception into a `Failure` (exit code, and
the error object that `--json` shows) by its layer, its kind and the built-ins it inherits, so that no
layer has to be imported to be judged. The first layer that failed decides: a name that does not resolve
is 3 in `tls probe` too, because no connection and no handshake was ever tried.
"""

from __future__ import annotations

import errno
import os
from enum import IntEnum
from typing import TypedDict

from netkit.errors import NetkitError


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
    "link, a message that has to be refused (http parse), an HTTP status of 400 and over with --fail.",
    Exit.USAGE: "Wrong usage.",
    Exit.UNRESOLVED: "The name could not be resolved: SERVFAIL, REFUSED, no server usable; or no such name "
    "where a connection was wanted.",
    Exit.NO_CONNECTION: "No connection: refused, unreachable, or reset before any data.",
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
    """SIGTERM arrived. What cleans up after Ctrl-C cleans up after this as well."""


class ErrorObject(TypedDict):
    """Why an input failed; the value of `"error"` in `--json`."""

    layer: str
    kind: str
    message: str
    hint: str | None


class Failure:
    """What became of an operation that raised: the exit code, and what there is to say about it."""

    __slots__ = ("error", "exit", "hint", "kind", "layer", "message")

    def __init__(
        self,
        code: Exit,
        layer: str,
        kind: str,
        message: str,
        hint: str | None,
        error: BaseException | None = None,
    ) -> None:
        self.exit = code
        self.layer = layer
        self.kind = kind
        self.message = message
        self.hint = hint
        self.error = error

    def to_json(self) -> ErrorObject:
        """The object that `--json` shows under `"error"`."""
        return {"layer": self.layer, "kind": self.kind, "message": self.message, "hint": self.hint}

    def __repr__(self) -> str:
        return f"Failure({self.exit.name}, {self.layer}.{self.kind}: {self.message})"


BUG_HINT = "this looks like a bug in netkit: please report it, with what NETKIT_DEBUG=1 shows"

#: Kinds of the DNS layer whose code is not UNRESOLVED. A lookup command's "no" is below.
_DNS_KINDS = {
    "InvalidResponse": Exit.PROTOCOL,
    "InvalidName": Exit.USAGE,
    "InvalidValue": Exit.USAGE,
    "ZoneFileError": Exit.LOCAL,
}
#: Kinds of the proxy's layer that are not "no connection": it broke its protocol.
_PROXY_PROTOCOL = frozenset({"InvalidReply", "LimitExceeded", "InvalidHeader"})
_DNS_NO = frozenset({"NotFound", "HostNotFound", "NoData"})

#: Kinds of the HTTP layer that stand for a layer below it; the code of the others is their fault's.
_HTTP_KINDS = {
    "ConnectionError": Exit.NO_CONNECTION,
    "DnsResolution": Exit.UNRESOLVED,
    "TlsError": Exit.TLS,
}

_BY_FAULT = {
    "caller": Exit.USAGE,
    "peer": Exit.PROTOCOL,
    "network": Exit.NO_CONNECTION,
    "local": Exit.LOCAL,
}

#: Layers in which whatever the network or the peer did is "no connection".
_CONNECTION_LAYERS = frozenset({"net", "tcp", "udp", "unix", "proxy"})

_CONNECTION_ERRNOS = {
    errno.ECONNREFUSED: ("Refused", "nothing listens there: is the server running, and the port right?"),
    errno.ECONNRESET: ("Reset", "the peer, or something on the way, cut the connection off"),
    errno.ECONNABORTED: ("Reset", None),
    errno.EPIPE: ("Reset", "the peer closed the connection while there was more to send"),
    errno.ENETUNREACH: ("Unreachable", "there is no route: is the network up, also for this family?"),
    errno.EHOSTUNREACH: ("Unreachable", "there is no route to that host"),
    errno.ENETDOWN: ("Unreachable", "the network is down"),
    errno.EHOSTDOWN: ("Unreachable", None),
    errno.ENOTCONN: ("Reset", None),
}

_LOCAL_ERRNOS = {
    errno.ENOENT: ("NotFound", None),
    errno.EACCES: ("PermissionDenied", None),
    errno.EPERM: ("PermissionDenied", None),
    errno.EADDRINUSE: ("AddressInUse", "another process has it: choose another port, or 0 for a free one"),
    errno.EADDRNOTAVAIL: ("AddressNotAvailable", "use an address that this machine has"),
    errno.EMFILE: ("TooManyFiles", "raise the limit with `ulimit -n`, or lower --concurrency"),
    errno.ENFILE: ("TooManyFiles", "lower --concurrency"),
    errno.ENOSPC: ("NoSpace", None),
    errno.EISDIR: ("IsDirectory", None),
    errno.ENOTDIR: ("NotADirectory", None),
}


def explain(error: BaseException, *, lookup: bool = False) -> Failure:
    """What `error` means for the one who typed the command.

    `lookup` is for commands whose question is the name itself (dig, resolve): there "no such name" is
    the answer, 1; everywhere else it is what kept the command from its work, 3.
    """
    if isinstance(error, Terminated):
        return Failure(Exit.TERMINATED, "netkit", "Terminated", "terminated", None, error)
    if isinstance(error, KeyboardInterrupt) or _kind(error) == "CancellationError":
        return Failure(Exit.INTERRUPTED, "netkit", "Interrupted", "interrupted", None, error)
    if isinstance(error, NetkitError):
        inner = getattr(error, "errors", None)
        if _kind(error) == "NoneSucceeded" and inner:
            return explain(inner[0], lookup=lookup)
        code = _code(error, lookup)
        return Failure(code, error.layer, _kind(error), str(error), error.hint, error)
    if _is_from(error, "ssl"):
        return Failure(Exit.TLS, "tls", _kind(error), _words(error), None, error)
    if isinstance(error, TimeoutError):
        words = _words(error) if str(error) else "timed out"
        return Failure(Exit.TIMEOUT, "io", "Timeout", words, None, error)
    if isinstance(error, OSError):
        return _explain_os(error)
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("netkit"):
        hint = "install netkit with all its extras: pip install 'netkit-cli[full]'"
        return Failure(Exit.LOCAL, "netkit", "MissingExtra", f"{error.name} is not installed", hint, error)
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Failure(Exit.LOCAL, "netkit", "Unexpected", words, BUG_HINT, error)


def _code(error: NetkitError, lookup: bool) -> Exit:
    """The exit code of an error of netkit's own."""
    if isinstance(error, TimeoutError):
        return Exit.TIMEOUT
    layer, kind = error.layer, _kind(error)
    if layer == "dns":
        if kind == "NetworkError" and isinstance(error, OSError):
            if error.errno in _LOCAL_ERRNOS:
                return Exit.LOCAL
            if lookup:  # where the name server is whom one wanted to talk to; it may have hung up, too
                return Exit.NO_CONNECTION
        if kind in _DNS_NO:
            return Exit.NO if lookup else Exit.UNRESOLVED
        return _DNS_KINDS.get(kind, Exit.UNRESOLVED)
    if layer == "tls":
        if isinstance(error, OSError) and error.errno in _CONNECTION_ERRNOS:
            return Exit.NO_CONNECTION  # cut off under the handshake: TCP failed first
        if error.fault == "local":
            return Exit.LOCAL
        if error.fault == "caller":  # a file that is not what it should be, or settings that contradict
            return Exit.USAGE if kind == "InvalidConfig" else Exit.LOCAL
        return Exit.TLS
    if layer == "proxy" and kind in _PROXY_PROTOCOL and error.fault == "peer":
        return Exit.PROTOCOL
    if layer == "http":
        if isinstance(error, OSError) and error.errno in _LOCAL_ERRNOS:
            return Exit.LOCAL
        if kind in _HTTP_KINDS and error.fault != "local":
            return _HTTP_KINDS[kind]
    if layer in _CONNECTION_LAYERS and error.fault in ("peer", "network"):
        return Exit.NO_CONNECTION
    return _BY_FAULT[error.fault]


def _explain_os(error: OSError) -> Failure:
    code = error.errno or 0
    if _is_from(error, "socket") or type(error).__name__ == "gaierror":
        return Failure(Exit.UNRESOLVED, "dns", "ResolveError", _words(error), None, error)
    found = _CONNECTION_ERRNOS.get(code)
    if found is not None:
        return Failure(Exit.NO_CONNECTION, "tcp", found[0], _words(error), found[1], error)
    kind, hint = _LOCAL_ERRNOS.get(code, (type(error).__name__, None))
    return Failure(Exit.LOCAL, "system", kind, _words(error), hint, error)


def _kind(error: BaseException) -> str:
    kind = getattr(error, "kind", None)
    return kind if isinstance(kind, str) else type(error).__name__


def _is_from(error: BaseException, module: str) -> bool:
    return any(base.__module__ == module for base in type(error).__mro__)


def _words(error: BaseException) -> str:
    """The system's words without the number, and with the file they are about."""
    if not isinstance(error, OSError):
        return str(error)
    # OpenSSL's errors, and getaddrinfo's, carry numbers that are not errno's.
    words = error.strerror or (os.strerror(error.errno) if error.errno else "") or str(error)
    words = words[:1].lower() + words[1:] if words[1:2].islower() else words
    return f"{_name(error.filename)}: {words}" if error.filename is not None else words


def _name(filename: object) -> str:
    return os.fsdecode(filename) if isinstance(filename, (str, bytes)) else str(filename)
