"""The errors between two endpoints before they exchange the first byte of a protocol.

    NetkitError
    ├── ResolveError              resolve   (socket.gaierror) this system knows no address for the name
    ├── ConnectError              connect   (OSError) no address of the endpoint could be connected to
    │   ├── .Refused              connect   (ConnectionRefusedError) no program listens there
    │   ├── .Unreachable          connect   no route, network or host unreachable
    │   ├── .Reset                connect   (ConnectionResetError) cut off while connecting
    │   ├── .TimedOut             connect   (TimeoutError) no answer in time
    │   ├── .PermissionDenied     connect   (PermissionError) a firewall of this machine refuses it
    │   └── .Failed               local     anything else the system reported
    ├── SourceError               local     (OSError) the address to connect from cannot be used
    ├── ListenError               local     (OSError) an address could not be listened on
    ├── UnixError                 by fault  (OSError) a Unix-domain address could not be used
    │   ├── .InvalidAddress       usage     (ValueError) empty, or with a NUL byte inside
    │   ├── .PathTooLong          usage     (ValueError) more bytes than a socket address holds
    │   ├── .NoSuchFile           by fault  (FileNotFoundError) no socket file there
    │   ├── .Refused              connect   (ConnectionRefusedError) no program listens at that socket file
    │   ├── .PermissionDenied     local     (PermissionError) the file's or the directory's permissions
    │   ├── .AddressInUse         local     another listener has this address
    │   ├── .NotASocket           by fault  a file that is not a socket: it is never removed
    │   ├── .WrongType            local     a socket of another type (datagram, sequenced packets)
    │   ├── .TimedOut             connect   (TimeoutError) the listener did not take the connection in time
    │   ├── .Unsupported          local     this system does not have the feature
    │   └── .Failed               local     anything else the system reported
    └── FdPassingError            by fault  (OSError) descriptors could not be passed, or were refused
        ├── .EmptyData            usage     (ValueError) descriptors travel with at least one byte
        ├── .TooMany              by fault  more descriptors than one message, or the receiver, takes
        ├── .DescriptorsLost      local     some did not fit in this process
        ├── .NotExpected          connect   a descriptor came to a stream that does not take descriptors
        ├── .BadDescriptor        usage     a descriptor to be sent is not open
        └── .InFlight             connect   too many descriptors sent and not received yet

The second column is the stage. "By fault" means: `usage` if the fault is the caller's, `local` if it is this
machine's, else `connect`.

Three modules define their own errors: `netkit.net.interfaces` InterfaceError, `netkit.serve.activation`
AdoptError and ActivationError, `netkit.lab.faults` InvalidFaults and InjectedReset. An error that the system
reports on an open socket (reset, broken pipe) stays a plain OSError.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, ClassVar, Final

from netkit.errors import FIREWALL_HINT, Fault, NetkitError, Stage, hint_of, system_kind

if TYPE_CHECKING:
    from netkit.addr import HostPort, SocketAddr


#: The kinds of getaddrinfo's codes, with the words of the DNS layer. Not all systems define all codes.
_RESOLVE_KINDS: Final[dict[int, str]] = {
    getattr(socket, name): kind
    for name, kind in (
        ("EAI_NONAME", "HostNotFound"),
        ("EAI_NODATA", "HostNotFound"),
        ("EAI_ADDRFAMILY", "HostNotFound"),
        ("EAI_AGAIN", "TryAgain"),
        ("EAI_FAIL", "NoRecovery"),
    )
    if hasattr(socket, name)
}


def resolve_kind(code: int | None) -> str:
    """The kind of a getaddrinfo code, with the words of the DNS layer; `"Other"` if there is no word for
    it."""
    return _RESOLVE_KINDS.get(code or 0, "Other")


class ResolveError(NetkitError, socket.gaierror):
    """This system's resolver knows no address for `host`; `code` is getaddrinfo's (`socket.EAI_...`)."""

    layer = "dns"
    fault = "network"
    stage = "resolve"

    def __init__(self, host: str, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.host = host
        self.code = code
        self.reason = reason
        if self.is_absent:
            self.hint = "check the spelling"
            self.remedy = "name_servers"

    @property
    def is_absent(self) -> bool:
        """Whether the answer was "no such host" (rather than a failure to get an answer)."""
        return self.kind == "HostNotFound"

    @property
    def kind(self) -> str:
        return resolve_kind(self.code)

    def __str__(self) -> str:
        return f"cannot resolve {self.host}: {self.reason}"


class Attempt:
    """One address that was tried: its times and its result.

    `started_s` and `ended_s` are seconds since the whole connect began (`ended_s` is None while the attempt
    runs). `error` is None if the attempt succeeded, or was still running when another one won.
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
    """No address of `endpoint` could be connected to; `attempts` has the result for each.

    The first address that answered or stayed silent decides the variant. An address without a route decides
    it only if no address has a route.
    """

    layer = "tcp"
    fault: Fault = "network"
    stage: Stage = "connect"

    Refused: ClassVar[type[ConnectError]]
    Unreachable: ClassVar[type[ConnectError]]
    Reset: ClassVar[type[ConnectError]]
    TimedOut: ClassVar[type[ConnectError]]
    PermissionDenied: ClassVar[type[ConnectError]]
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
    """No program listens at that address and port, or a firewall refused the connection."""

    fault = "peer"


class Unreachable(ConnectError):
    """There is no route: network or host unreachable, or this machine does not have the address family."""


class Reset(ConnectError, ConnectionResetError):
    """The peer cut the connection off while it was being made."""

    fault = "peer"


class TimedOut(ConnectError, TimeoutError):
    """No answer within the given time."""

    kind = "Timeout"


class PermissionDenied(ConnectError, PermissionError):
    """This system forbids the connection (EACCES, EPERM): a rule of a firewall, or of a route."""

    fault = "local"
    hint = FIREWALL_HINT


class Failed(ConnectError):
    """Anything else the system reported, such as a source address it does not have."""

    fault = "local"
    stage = "local"

    @property
    def kind(self) -> str:
        return system_kind(self)


ConnectError.Refused = Refused
ConnectError.Unreachable = Unreachable
ConnectError.Reset = Reset
ConnectError.TimedOut = TimedOut
ConnectError.PermissionDenied = PermissionDenied
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
        case PermissionError():
            kind = PermissionDenied
        case _:
            kind = Unreachable if telling.errno in _NO_ROUTE else Failed
    made = kind(endpoint, attempts, telling.errno)
    made.hint = hint_of(telling) or made.hint
    if telling.errno == errno.EINVAL and any(_wants_zone(attempt.addr) for attempt in attempts):
        made.hint = "a link-local address belongs to an interface: add its name, as in fe80::1%eth0"
    return made


def _wants_zone(addr: SocketAddr) -> bool:
    return addr.is_ipv6 and addr.ip.is_link_local and addr.to_sockaddr()[3:] == (0,)


class SourceError(NetkitError, OSError):
    """The address to connect from, `source`, cannot be used."""

    layer = "tcp"
    fault = "local"
    stage = "local"

    def __init__(self, source: SocketAddr, error: OSError) -> None:
        super().__init__(error.errno, _words(error))
        self.source = source
        if error.errno == errno.EADDRNOTAVAIL:
            self.hint = "connect from an address of this machine"
        elif error.errno == errno.EADDRINUSE:
            self.hint = "another socket uses that port: leave the port out, or choose another"

    @property
    def kind(self) -> str:
        return system_kind(self)

    def __str__(self) -> str:
        named = self.source if self.source.port else self.source.ip
        return f"source {named}: {self.strerror}"


class ListenError(NetkitError, OSError):
    """An address could not be bound or listened on."""

    layer = "tcp"
    fault = "local"
    stage = "local"

    def __init__(self, addr: object, error: OSError) -> None:
        super().__init__(error.errno, _words(error))
        self.addr = addr
        if error.errno == errno.EADDRINUSE:
            self.hint = "another process listens there: choose another port, or 0 for a free one"
        elif error.errno in (errno.EACCES, errno.EPERM):
            self.hint = "ports below 1024 need privileges: choose a higher one"
        elif error.errno == errno.EADDRNOTAVAIL:
            self.hint = "bind to an address of this machine, or to 0.0.0.0 or [::] for all of them"

    @property
    def kind(self) -> str:
        return system_kind(self)

    def __str__(self) -> str:
        return f"cannot listen on {self.addr}: {self.strerror}"


def _unix_stage(fault: Fault) -> Stage:
    return "usage" if fault == "caller" else "local" if fault == "local" else "connect"


class UnixError(NetkitError, OSError):
    """An operation on a Unix-domain socket failed. `addr` is the address as text."""

    layer = "unix"
    fault: Fault = "local"

    InvalidAddress: ClassVar[type[UnixError]]
    PathTooLong: ClassVar[type[UnixPathTooLong]]
    NoSuchFile: ClassVar[type[UnixError]]
    Refused: ClassVar[type[UnixError]]
    PermissionDenied: ClassVar[type[UnixError]]
    AddressInUse: ClassVar[type[UnixError]]
    NotASocket: ClassVar[type[UnixError]]
    WrongType: ClassVar[type[UnixError]]
    TimedOut: ClassVar[type[UnixError]]
    Unsupported: ClassVar[type[UnixError]]
    Failed: ClassVar[type[UnixError]]

    def __init__(self, addr: object, code: int, reason: str, doing: str = "use") -> None:
        super().__init__(code, reason)
        self.addr = str(addr)
        self.reason = reason
        self.doing = doing

    @property
    def stage(self) -> Stage:
        return _unix_stage(self.fault)

    @property
    def kind(self) -> str:
        return type(self).__name__.removeprefix("Unix")

    def __str__(self) -> str:
        return f"cannot {self.doing} {self.addr}: {self.reason}"


class UnixInvalidAddress(UnixError, ValueError):
    """The text is not an address of a Unix-domain socket: it is empty, or has a NUL byte inside."""

    fault = "caller"


class UnixPathTooLong(UnixError, ValueError):
    """The address has `length` bytes, but sun_path holds only `limit` (unix(7))."""

    fault = "caller"
    hint = "use a shorter path, or a relative path from a nearer directory"

    def __init__(self, addr: object, length: int, limit: int) -> None:
        super().__init__(addr, errno.ENAMETOOLONG, f"{length} bytes, but an address holds only {limit}")
        self.length = length
        self.limit = limit


class UnixNoSuchFile(UnixError, FileNotFoundError):
    """There is no file at that path (or no directory for it), or no listener with that abstract name."""

    fault = "peer"
    hint = "is the server running, and the path right?"


class UnixRefused(UnixError, ConnectionRefusedError):
    """No program listens there: the server of a socket file ended without removing it, or a name is
    unused."""

    fault = "peer"
    hint = "the server of that socket has ended: start it again"


class UnixPermissionDenied(UnixError, PermissionError):
    """The permissions of the socket file, or of the directories above it, do not allow it."""


class UnixAddressInUse(UnixError):
    """A listener has this address."""

    hint = "another process listens there: stop it, or choose another path"


class UnixNotASocket(UnixError):
    """The file at that path is not a socket. Such a file is never removed."""

    hint = "choose another path, or move the file away"


class UnixWrongType(UnixError):
    """The socket there has another type: datagrams or sequenced packets, not a stream."""


class UnixTimedOut(UnixError, TimeoutError):
    """The listener's backlog stayed full for the whole timeout."""

    fault = "peer"
    kind = "Timeout"


class UnixUnsupported(UnixError):
    """This system lacks the feature: Unix-domain sockets, abstract names, or the peer's credentials."""


class UnixFailed(UnixError):
    """Anything else the system reported."""

    @property
    def kind(self) -> str:
        return system_kind(self)


UnixError.InvalidAddress = UnixInvalidAddress
UnixError.PathTooLong = UnixPathTooLong
UnixError.NoSuchFile = UnixNoSuchFile
UnixError.Refused = UnixRefused
UnixError.PermissionDenied = UnixPermissionDenied
UnixError.AddressInUse = UnixAddressInUse
UnixError.NotASocket = UnixNotASocket
UnixError.WrongType = UnixWrongType
UnixError.TimedOut = UnixTimedOut
UnixError.Unsupported = UnixUnsupported
UnixError.Failed = UnixFailed

#: The words for operations that take the address for oneself.
LISTEN = "listen on"

_UNIX_KINDS: dict[int | None, type[UnixError]] = {
    errno.ENOENT: UnixNoSuchFile,
    errno.ECONNREFUSED: UnixRefused,
    errno.EACCES: UnixPermissionDenied,
    errno.EPERM: UnixPermissionDenied,
    errno.EROFS: UnixPermissionDenied,
    errno.EADDRINUSE: UnixAddressInUse,
    errno.ENOTSOCK: UnixNotASocket,
    errno.EPROTOTYPE: UnixWrongType,
    errno.ETIMEDOUT: UnixTimedOut,
    errno.EAFNOSUPPORT: UnixUnsupported,
}


def unix_error(addr: object, error: OSError, doing: str = "use") -> UnixError:
    """The UnixError for the system's error about `addr`; `doing` is a verb such as `"connect to"`."""
    kind = _UNIX_KINDS.get(error.errno, UnixFailed)
    made = kind(addr, error.errno or 0, _words(error), doing)
    if kind is UnixNoSuchFile and doing == LISTEN:
        made.fault, made.hint = "local", "the directory must exist"
    elif kind is UnixNotASocket and doing != LISTEN:
        made.fault, made.hint = "peer", "is the path right?"
    return made


class FdPassingError(NetkitError, OSError):
    """Descriptors could not be passed, or received ones were refused. Received ones are closed."""

    layer = "unix"
    fault: Fault = "peer"

    EmptyData: ClassVar[type[FdEmptyData]]
    TooMany: ClassVar[type[FdTooMany]]
    DescriptorsLost: ClassVar[type[FdDescriptorsLost]]
    NotExpected: ClassVar[type[FdNotExpected]]
    BadDescriptor: ClassVar[type[FdBadDescriptor]]
    InFlight: ClassVar[type[FdInFlight]]

    @property
    def stage(self) -> Stage:
        return _unix_stage(self.fault)

    @property
    def kind(self) -> str:
        return type(self).__name__.removeprefix("Fd")


class FdEmptyData(FdPassingError, ValueError):
    """Descriptors need at least one byte of data to travel with (unix(7), SCM_RIGHTS)."""

    fault = "caller"

    def __init__(self) -> None:
        super().__init__(errno.EINVAL, "no data")

    def __str__(self) -> str:
        return "descriptors need at least one byte to travel with"


class FdTooMany(FdPassingError):
    """There are `count` descriptors, but only `limit` are allowed, by the receiver's `max_fds` or in a
    message."""

    kind = "LimitExceeded"

    def __init__(self, count: int, limit: int, *, sending: bool = False) -> None:
        super().__init__(errno.E2BIG, "too many descriptors")
        self.count = count
        self.limit = limit
        self.sending = sending
        self.fault = "caller" if sending else "peer"

    def __str__(self) -> str:
        if self.sending:
            return f"{self.count} descriptors, but one message takes only {self.limit}"
        return f"the peer sent {self.count} descriptors, but only {self.limit} are allowed: all were closed"


class FdDescriptorsLost(FdPassingError):
    """More descriptors were sent than this process could open; the `count` that arrived were closed."""

    fault = "local"
    hint = "this process may have run out of descriptors (ulimit -n)"

    def __init__(self, count: int) -> None:
        super().__init__(errno.EMFILE, "descriptors were lost")
        self.count = count

    def __str__(self) -> str:
        return f"only {self.count} of the peer's descriptors arrived: they were closed"


class FdNotExpected(FdPassingError):
    """The peer sent descriptors to a stream that does not take them. The system closed them; the bytes are
    kept."""

    hint = "call expect_fds() on the stream before the first read"

    def __init__(self) -> None:
        super().__init__(errno.EBADMSG, "descriptors were sent to a stream that does not take them")

    def __str__(self) -> str:
        return "the peer sent descriptors, but this stream does not take them"


class FdBadDescriptor(FdPassingError):
    """The descriptor to be sent, `fd`, is not open."""

    fault = "caller"

    def __init__(self, fd: int) -> None:
        super().__init__(errno.EBADF, "not open")
        self.fd = fd

    def __str__(self) -> str:
        return f"descriptor {self.fd} is not open"


class FdInFlight(FdPassingError):
    """This user has sent too many descriptors that are not received yet (ETOOMANYREFS)."""

    fault = "peer"

    def __init__(self) -> None:
        super().__init__(errno.ETOOMANYREFS, "too many descriptors in flight")

    def __str__(self) -> str:
        return "too many descriptors were sent and not received yet"


FdPassingError.EmptyData = FdEmptyData
FdPassingError.TooMany = FdTooMany
FdPassingError.DescriptorsLost = FdDescriptorsLost
FdPassingError.NotExpected = FdNotExpected
FdPassingError.BadDescriptor = FdBadDescriptor
FdPassingError.InFlight = FdInFlight


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, NetkitError):
        return str(error)
    words = error.strerror or (os.strerror(error.errno) if error.errno else "") or str(error)
    return words[:1].lower() + words[1:]
