"""The root of netkit's error tree, and what every error in it has in common.

Each layer grows its own branch in its own `errors.py`. Behind each stand the stages that its errors have:

    NetkitError
    ├── AddrParseError          netkit.addr     usage: text that is not an address
    ├── IoError branches        netkit.io       connect, protocol, usage, local: deadlines, misuse of a stream
    ├── NetError branches       netkit.net      resolve, connect, usage, local: names, connections, listeners
    ├── DnsError                netkit.dns      resolve, protocol, usage, local: lookups, messages, zone files
    ├── ProxyError              netkit.proxy    connect, protocol, usage: SOCKS, HTTP CONNECT, PROXY protocol
    ├── TlsError                netkit.tls      tls, connect, usage, local: handshakes, certificates, keys
    └── HttpError, ParseError, WebSocketError   protocol, or by the fault: with the layers that raise them

An error carries typed fields set in `__init__`; its words are made in `__str__`. What the operating
system reports stays an `OSError` or inherits from one, a timeout is a `TimeoutError`.
"""

from __future__ import annotations

import errno
from typing import Any, ClassVar, Final, Literal, TypeAlias

#: Whose doing an error is: `caller` gave something unusable, `peer` broke its protocol or refused,
#: `network` lost or blocked something on the way, `local` is this machine (files, permissions).
Fault: TypeAlias = Literal["caller", "peer", "network", "local"]

#: At which step on the way to the peer it went wrong. The first four come one after the other: the name was
#: not resolved, there was no connection, TLS failed, the peer broke its protocol. `local` is this machine,
#: `usage` a value that the caller gave.
Stage: TypeAlias = Literal["resolve", "connect", "tls", "protocol", "local", "usage"]

_STAGES: Final[dict[Fault, Stage]] = {
    "caller": "usage",
    "peer": "protocol",
    "network": "connect",
    "local": "local",
}

#: What a system's error is called, by its number: one word for one cause, whatever the layer that met it.
SYSTEM_KINDS: Final[dict[int, str]] = {
    errno.ECONNREFUSED: "Refused",
    errno.ECONNRESET: "Reset",
    errno.ECONNABORTED: "Reset",
    errno.EPIPE: "Reset",
    errno.ENOTCONN: "Reset",
    errno.ENETUNREACH: "Unreachable",
    errno.EHOSTUNREACH: "Unreachable",
    errno.ENETDOWN: "Unreachable",
    errno.EHOSTDOWN: "Unreachable",
    errno.ETIMEDOUT: "Timeout",
    errno.ENOENT: "NoSuchFile",
    errno.EACCES: "PermissionDenied",
    errno.EPERM: "PermissionDenied",
    errno.EADDRINUSE: "AddressInUse",
    errno.EADDRNOTAVAIL: "AddressNotAvailable",
    errno.EMFILE: "TooManyFiles",
    errno.ENFILE: "TooManyFiles",
    errno.ENOSPC: "NoSpace",
    errno.EISDIR: "IsDirectory",
    errno.ENOTDIR: "NotADirectory",
}

#: The kinds that say that there is no connection, or no more.
NO_CONNECTION: Final = frozenset({"Refused", "Reset", "Unreachable"})

#: What to do where the system does not let a connection out.
FIREWALL_HINT: Final = "a firewall of this machine, or a route that prohibits it, refuses this: see its rules"

#: What helps where a hint has no words for it of its own: a setting of the library, by its name there, or a
#: look at what the name servers say. Each program says what it calls that; the command line has options.
Remedy: TypeAlias = Literal[
    "alpn_protocols",
    "http1",
    "http2",
    "identity_cert",
    "max_redirects",
    "max_version",
    "name_servers",
    "root_certs",
    "server_name",
    "versions",
]


class NetkitError(Exception):
    """Everything netkit raises on purpose is one of these (or an `OSError` from the system itself).

    `layer` names the layer that failed (`"addr"`, `"io"`, `"tcp"`, `"dns"`, `"tls"`, `"http"`, `"ws"`),
    `stage` the step at which it failed, `fault` whose doing it is, and `hint` one thing worth trying (None
    where there is none). `remedy` says what setting the hint is about, where there is one.
    """

    layer: ClassVar[str] = "netkit"
    fault: Fault = "peer"
    hint: str | None = None
    remedy: Remedy | None = None

    @property
    def stage(self) -> Stage:
        """The step at which it failed; where a class does not say, it follows from whose fault it is."""
        return _STAGES[self.fault]

    @property
    def kind(self) -> str:
        """What happened, as scripts match on it: the variant's name, such as `"InvalidPort"`, or the word
        that all layers have for the same cause, such as `"Timeout"` and `"Refused"`."""
        return type(self).__name__

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way calls the class with `args`, which is not what its constructor takes: an error
        # in a worker of `multiprocessing` or `concurrent.futures` would never come back from there.
        system = (self.errno, self.strerror) if isinstance(self, OSError) else None
        return _remade, (type(self), self.args, system, dict(self.__dict__))


def _remade(
    cls: type[NetkitError], args: tuple[Any, ...], system: tuple[int, str] | None, fields: dict[str, Any]
) -> NetkitError:
    error = cls.__new__(cls)
    error.args = args
    if isinstance(error, OSError) and system is not None:
        for field, value in zip(("errno", "strerror"), system, strict=True):
            if value is not None:  # OSError keeps both beside the instance's dictionary
                setattr(error, field, value)
    error.__dict__.update(fields)
    return error


def hint_of(error: BaseException) -> str | None:
    """One thing worth trying after an error of any kind; only netkit's own say so."""
    return error.hint if isinstance(error, NetkitError) else None


def system_kind(error: OSError, otherwise: str = "Other") -> str:
    """The word for what the system reported, or `otherwise` where there is none for it."""
    return SYSTEM_KINDS.get(error.errno or 0, otherwise)
