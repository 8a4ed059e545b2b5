"""Sockets from a service manager, and notifications to it: systemd's protocols.

Rules: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3).

Activation: the manager listens, and starts the service with the sockets as descriptors 3, 4, ... and
LISTEN_FDS (how many), LISTEN_PID (for which process) and LISTEN_FDNAMES (their names, between colons) in its
environment. `listen_fds` reads these once, removes them from the environment and makes the descriptors
close-on-exec, so that no child process takes them for its own; it remembers the result. The functions
`..._from_raw_fd` make listeners and sockets from descriptors (from the manager, or received by `recv_fds`),
after checking that they are of the right kind. A refused descriptor stays open and belongs to the caller. An
accepted one is made close-on-exec, but never non-blocking (rule 11 of `netkit.io`).

Notification: `sd_notify` tells the manager that the service is ready, stopping, alive. Without a manager
(NOTIFY_SOCKET is not set) it does nothing.

    AdoptError                (OSError) a descriptor is not of the right kind
    ├── .BadDescriptor        it is not open
    ├── .NotASocket           it is open on something else
    ├── .WrongFamily          for example a Unix-domain socket instead of a TCP listener
    ├── .WrongType            for example datagrams instead of a stream
    ├── .NotListening         a stream socket that is not a listener (connected, or only bound)
    ├── .Listening            a listener instead of a connection, or of a socket for datagrams
    └── .NotConnected         a socket without a peer instead of a connection
    ActivationError           the service manager's variables do not give the descriptor
    ├── .NotActivated         there are none: this process was not started with sockets
    ├── .OtherProcess         they are for another process
    ├── .NoSuchFd             (IndexError) there are fewer descriptors
    └── .Malformed            (ValueError) a variable has an invalid value

The stage of all of these is `local`.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import TYPE_CHECKING, ClassVar, Self

from netkit.errors import Fault, NetkitError
from netkit.net.errors import UnixError, unix_error
from netkit.net.tcp import TcpListener, TcpStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.net.udp import UdpSocket
    from netkit.net.unix import UnixListener, UnixStream

#: The first descriptor that is passed (SD_LISTEN_FDS_START).
LISTEN_FDS_START = 3

#: How long `sd_notify` waits for a manager that does not receive its message, in seconds.
NOTIFY_TIMEOUT = 5.0

_LISTEN_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
_INET = (socket.AF_INET, socket.AF_INET6)
#: Protocols of a stream socket that speaks TCP: the default, TCP, and multipath TCP (RFC 8684).
_TCP_PROTOCOLS = (0, socket.IPPROTO_TCP, 262)


class AdoptError(NetkitError, OSError):
    """Descriptor `fd` is not of the right kind. It is not changed, and belongs to the caller."""

    layer = "net"
    fault: Fault = "local"
    stage = "local"

    BadDescriptor: ClassVar[type[AdoptError]]
    NotASocket: ClassVar[type[AdoptError]]
    WrongFamily: ClassVar[type[AdoptError]]
    WrongType: ClassVar[type[AdoptError]]
    NotListening: ClassVar[type[AdoptError]]
    Listening: ClassVar[type[AdoptError]]
    NotConnected: ClassVar[type[AdoptError]]

    def __init__(self, fd: int, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.fd = fd
        self.reason = reason

    def __str__(self) -> str:
        return f"descriptor {self.fd}: {self.reason}"


class BadDescriptor(AdoptError):
    """It is not open."""


class NotASocket(AdoptError):
    """It is open on something that is not a socket."""


class WrongFamily(AdoptError):
    """A socket of another address family."""


class WrongType(AdoptError):
    """A socket of another type (stream, datagrams, sequenced packets), or another protocol."""


class NotListening(AdoptError):
    """A stream socket that does not listen: a connection, or one that is bound and no more."""


class Listening(AdoptError):
    """A listener instead of a connection."""


class NotConnected(AdoptError):
    """A stream socket without a peer."""


for _kind in (BadDescriptor, NotASocket, WrongFamily, WrongType, NotListening, Listening, NotConnected):
    setattr(AdoptError, _kind.__name__, _kind)


class ActivationError(NetkitError):
    """There is no such descriptor from a service manager, or its variables are invalid."""

    layer = "net"
    fault: Fault = "local"
    stage = "local"

    NotActivated: ClassVar[type[NotActivated]]
    OtherProcess: ClassVar[type[OtherProcess]]
    NoSuchFd: ClassVar[type[NoSuchFd]]
    Malformed: ClassVar[type[Malformed]]


class NotActivated(ActivationError):
    """No service manager started this process with sockets: LISTEN_FDS is not set."""

    hint = "systemd-socket-activate starts a program in the same way as a service manager"

    def __str__(self) -> str:
        return "this process was not started with sockets (LISTEN_FDS is not set)"


class OtherProcess(ActivationError):
    """The sockets are for process `pid`, but this is another process: one that `pid` started."""

    hint = "if a shell starts it, use exec"

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.pid = pid

    def __str__(self) -> str:
        return f"the sockets are for process {self.pid} (LISTEN_PID), but this is {os.getpid()}"


class NoSuchFd(ActivationError, IndexError):
    """There are only `count` sockets, and none has the number `index` (from 0)."""

    def __init__(self, index: int, count: int) -> None:
        super().__init__(index, count)
        self.index = index
        self.count = count

    def __str__(self) -> str:
        return f"no socket {self.index}: this process was started with {self.count} (from 0)"


class Malformed(ActivationError, ValueError):
    """An environment variable has an invalid value."""

    def __init__(self, variable: str, value: str, wanted: str) -> None:
        super().__init__(variable, value)
        self.variable = variable
        self.value = value
        self.wanted = wanted

    def __str__(self) -> str:
        return f"{self.variable}={self.value!r} is not {self.wanted}"


ActivationError.NotActivated = NotActivated
ActivationError.OtherProcess = OtherProcess
ActivationError.NoSuchFd = NoSuchFd
ActivationError.Malformed = Malformed


class ListenFd(int):
    """A descriptor from the service manager: a number with a `name` ("unknown" if it has none)."""

    name: str

    def __new__(cls, fd: int, name: str) -> Self:
        made = super().__new__(cls, fd)
        made.name = name
        return made

    def __repr__(self) -> str:
        return f"ListenFd({int(self)}, {self.name!r})"


#: The result of reading the environment: the descriptors, or the error that says why there are none.
_found: tuple[list[ListenFd], ActivationError | None] = ([], NotActivated())


def listen_fds() -> list[ListenFd]:
    """The sockets that this process was started with, in order; empty if there are none for this process.

    The first call removes the variables from the environment and makes the descriptors close-on-exec; later
    calls return the same result.

    Raises ActivationError.Malformed for a variable with an invalid value, AdoptError.BadDescriptor for a
    descriptor that is not open.
    """
    global _found
    values = {name: value for name in _LISTEN_VARIABLES if (value := os.environ.pop(name, None)) is not None}
    if "LISTEN_FDS" in values or "LISTEN_PID" in values:
        _found = [], NotActivated()
        _found = _listen_fds(values)
    return list(_found[0])


def listen_fd(index: int) -> ListenFd:
    """The socket with the number `index`, from 0, that this process was started with.

    Raises ActivationError.NotActivated, .OtherProcess, .NoSuchFd, and the errors of `listen_fds`.
    """
    fds = listen_fds()
    if not fds and _found[1] is not None:
        raise _found[1]
    if not 0 <= index < len(fds):
        raise NoSuchFd(index, len(fds))
    return fds[index]


def listen_fds_named(name: str) -> list[ListenFd]:
    """The sockets with this `name` (FileDescriptorName= in systemd.socket(5)); errors as `listen_fds`."""
    return [fd for fd in listen_fds() if fd.name == name]


def _listen_fds(values: dict[str, str]) -> tuple[list[ListenFd], ActivationError | None]:
    if "LISTEN_PID" not in values or "LISTEN_FDS" not in values:
        return [], NotActivated()
    pid = _number("LISTEN_PID", values["LISTEN_PID"], "a process", least=1)
    if pid != os.getpid():
        return [], OtherProcess(pid)
    count = _number("LISTEN_FDS", values["LISTEN_FDS"], "a number of descriptors")
    if count > max(os.sysconf("SC_OPEN_MAX") - LISTEN_FDS_START, 0):
        raise Malformed("LISTEN_FDS", values["LISTEN_FDS"], "a number of descriptors that can be open")
    names = ["unknown"] * count
    if "LISTEN_FDNAMES" in values:
        names = values["LISTEN_FDNAMES"].split(":")
        if len(names) != count:
            raise Malformed("LISTEN_FDNAMES", values["LISTEN_FDNAMES"], f"the names of {count} descriptors")
    found = [ListenFd(LISTEN_FDS_START + index, name) for index, name in enumerate(names)]
    for fd in found:
        _set_close_on_exec(fd)
    return found, None


def _number(variable: str, value: str, wanted: str, *, least: int = 0) -> int:
    # int() alone accepts too much: spaces, signs, underscores, digits of other scripts, and any length.
    if not (value.isascii() and value.isdigit() and len(value) <= 19 and int(value) >= least):
        raise Malformed(variable, value, wanted)
    return int(value)


def _set_close_on_exec(fd: int) -> None:
    try:
        os.set_inheritable(fd, False)
    except OSError:
        raise BadDescriptor(fd, errno.EBADF, "it is not open") from None


# From descriptors to listeners.


def tcp_listener_from_raw_fd(fd: int) -> TcpListener:
    """The TCP listener at descriptor `fd`; the descriptor then belongs to it. Raises AdoptError."""
    return TcpListener(_adopt(fd, _INET, socket.SOCK_STREAM, listening=True), inherited=True)


def unix_listener_from_raw_fd(fd: int, *, unlink_on_close: bool = False) -> UnixListener:
    """The Unix-domain listener at descriptor `fd`; the descriptor then belongs to it. Raises AdoptError.

    Its file is not removed at the end, unless `unlink_on_close` is set, for the successor of a process.
    """
    from netkit.net.socket_file import SocketFile
    from netkit.net.unix import UnixAddr, UnixListener

    sock = _adopt(fd, _unix(fd), socket.SOCK_STREAM, listening=True)
    path = UnixAddr.from_sockaddr(sock.getsockname()).path
    file: SocketFile | None = None
    if unlink_on_close and path is not None:
        try:
            file = SocketFile(path)
        except OSError:
            pass  # it was removed already
    return UnixListener(sock, file=file, inherited=True)


def udp_socket_from_raw_fd(fd: int) -> UdpSocket:
    """The UDP socket at descriptor `fd`, with its peer if it is connected; the descriptor then belongs to it.

    Raises AdoptError.
    """
    from netkit.net.udp import UdpSocket

    return UdpSocket(_adopt(fd, _INET, socket.SOCK_DGRAM), inherited=True)


def server_socket_from_raw_fd(
    fd: int, *, unlink_on_close: bool = False
) -> TcpListener | UnixListener | UdpSocket:
    """A TCP listener, Unix-domain listener or UDP socket, whichever is at descriptor `fd`; errors as
    theirs."""
    try:
        return tcp_listener_from_raw_fd(fd)
    except WrongFamily:
        return unix_listener_from_raw_fd(fd, unlink_on_close=unlink_on_close)
    except WrongType:
        return udp_socket_from_raw_fd(fd)


def tcp_stream_from_raw_fd(fd: int) -> TcpStream:
    """The TCP connection at descriptor `fd` (such as inetd's standard input). Raises AdoptError."""
    return TcpStream(_adopt(fd, _INET, socket.SOCK_STREAM, listening=False), inherited=True)


def unix_stream_from_raw_fd(fd: int) -> UnixStream:
    """The Unix-domain connection at descriptor `fd`. Raises AdoptError."""
    from netkit.net.unix import UnixStream

    return UnixStream(_adopt(fd, _unix(fd), socket.SOCK_STREAM, listening=False), inherited=True)


def _unix(fd: int) -> tuple[int, ...]:
    family: int | None = getattr(socket, "AF_UNIX", None)
    if family is None:
        raise WrongFamily(fd, errno.EAFNOSUPPORT, "this system has no Unix-domain sockets")
    return (family,)


def _adopt(
    fd: int, families: tuple[int, ...], kind: socket.SocketKind, *, listening: bool | None = None
) -> socket.socket:
    """A socket object for descriptor `fd`, if it has one of `families`, the type `kind`, and (not)
    listens."""
    fd = int(fd)
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        raise BadDescriptor(fd, errno.EBADF, "it is not open") from None
    if not stat.S_ISSOCK(mode):
        raise NotASocket(fd, errno.ENOTSOCK, "it is not a socket")
    blocking = os.get_blocking(fd)
    sock = socket.socket(fileno=fd)  # Python asks the system for family, type and protocol
    try:
        if sock.gettimeout() is not None:  # after socket.setdefaulttimeout, Python has set O_NONBLOCK
            sock.settimeout(None)
            os.set_blocking(fd, blocking)
        if sock.family not in families:
            wanted = " or ".join(socket.AddressFamily(family).name for family in families)
            raise WrongFamily(
                fd, errno.EAFNOSUPPORT, f"it is a socket of {_named(sock.family)}, not {wanted}"
            )
        if sock.type != kind:
            raise WrongType(fd, errno.EPROTOTYPE, f"it is a {_named(sock.type)} socket, not {kind.name}")
        protocols = {socket.SOCK_STREAM: _TCP_PROTOCOLS, socket.SOCK_DGRAM: (0, socket.IPPROTO_UDP)}[kind]
        if sock.family in _INET and sock.proto not in protocols:
            raise WrongType(fd, errno.EPROTOTYPE, f"it speaks IP protocol {sock.proto}")
        if listening is not None:
            _check_listening(sock, listening)
        _set_close_on_exec(fd)
    except BaseException:
        sock.detach()  # the descriptor stays open
        raise
    return sock


def _check_listening(sock: socket.socket, wanted: bool) -> None:
    listens = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    if wanted and not listens:
        raise NotListening(sock.fileno(), errno.EINVAL, "it is a socket that does not listen")
    if wanted:
        return
    if listens:
        raise Listening(sock.fileno(), errno.EINVAL, "it is a listener, not a connection")
    try:
        sock.getpeername()
    except OSError:
        raise NotConnected(sock.fileno(), errno.ENOTCONN, "it is a socket without a peer") from None


def _named(value: int) -> str:
    return getattr(value, "name", str(value))  # the socket module's enumerations have most names


# Notifications to the service manager.


def sd_notify(
    *lines: str,
    ready: bool = False,
    reloading: bool = False,
    stopping: bool = False,
    watchdog: bool = False,
    status: str | None = None,
    main_pid: int | None = None,
    unset_environment: bool = False,
) -> bool:
    """Tell the service manager the state of this service (sd_notify(3)). Returns whether there is a manager.

    `ready`: the service has started, or a reload has ended (READY=1); `reloading` (RELOADING=1, with the
    moment); `stopping` (STOPPING=1); `watchdog`: the service is alive (WATCHDOG=1); `status`: a line for
    people (STATUS=); `main_pid`: the process that is the service now (MAINPID=); `lines`: other lines, such
    as `"FDSTORE=1"`. `unset_environment` hides NOTIFY_SOCKET from child processes and from later calls.

    Raises UnixError if sending to the manager's socket fails, ValueError for text with line breaks.
    """
    addr = os.environ.get("NOTIFY_SOCKET")
    if unset_environment:
        os.environ.pop("NOTIFY_SOCKET", None)
    message = "\n".join(_assignments(lines, ready, reloading, stopping, watchdog, status, main_pid))
    if not addr or not message:
        return False
    _send_notification(addr, message.encode("utf-8", "surrogateescape"))
    return True


def _assignments(
    lines: Iterable[str],
    ready: bool,
    reloading: bool,
    stopping: bool,
    watchdog: bool,
    status: str | None,
    main_pid: int | None,
) -> list[str]:
    found = list(lines)
    if reloading:
        from time import CLOCK_MONOTONIC, clock_gettime_ns

        # systemd needs the moment as well, to distinguish this reload from an earlier one.
        found += ["RELOADING=1", f"MONOTONIC_USEC={clock_gettime_ns(CLOCK_MONOTONIC) // 1000}"]
    for name, said in (("READY", ready), ("STOPPING", stopping), ("WATCHDOG", watchdog)):
        if said:
            found.append(f"{name}=1")
    if status is not None:
        found.append(f"STATUS={status}")
    if main_pid is not None:
        found.append(f"MAINPID={main_pid}")
    for line in found:
        if "\n" in line or "=" not in line:
            raise ValueError(f"not one line of the form NAME=value: {line!r}")
    return found


def _send_notification(addr: str, message: bytes) -> None:
    from netkit.net.unix import UnixAddr

    doing = "notify"
    if not addr.startswith(("/", "@")):
        # "vsock:CID:PORT" is for virtual machines; a relative path is not valid.
        raise UnixError.Unsupported(addr, errno.EAFNOSUPPORT, "not a path or an abstract name", doing)
    where = UnixAddr.parse(addr)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(NOTIFY_TIMEOUT)
            sock.sendto(message, where.to_sockaddr())
    except TimeoutError:
        raise UnixError.TimedOut(where, errno.ETIMEDOUT, "it does not receive the message", doing) from None
    except OSError as error:
        raise unix_error(where, error, doing) from None


def watchdog_interval(*, unset_environment: bool = False) -> float | None:
    """How often the service manager expects `sd_notify(watchdog=True)`, in seconds; None if it does not.

    Call it twice as often (sd_watchdog_enabled(3)). `unset_environment` hides the variables from child
    processes and from later calls. Raises ActivationError.Malformed.
    """
    values = {name: os.environ.get(name) for name in ("WATCHDOG_USEC", "WATCHDOG_PID")}
    if unset_environment:
        for name in values:
            os.environ.pop(name, None)
    interval, pid = values["WATCHDOG_USEC"], values["WATCHDOG_PID"]
    if interval is None:
        return None
    if pid is not None and _number("WATCHDOG_PID", pid, "a process", least=1) != os.getpid():
        return None
    return _number("WATCHDOG_USEC", interval, "a number of microseconds", least=1) / 1e6
