"""Unix-domain stream sockets: `UnixStream` for connections, `UnixListener` to accept them. unix(7).

An address is a `UnixAddr`: a path in the file system, a name in Linux's abstract namespace (written "@name";
it disappears with its socket), or unnamed, as for most clients. Wherever an address is taken, text and paths
are taken too. `socket_file` makes and removes a socket's file; `fds` passes descriptors.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import sys
from time import monotonic
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias

from netkit.io import (
    CancellationToken,
    DeadlineExceeded,
    Descriptor,
    Flow,
    Interrupted,
    Want,
    deadline_after,
    phase,
    run,
    run_async,
)
from netkit.net.connect import connected_code, descriptor_of
from netkit.net.errors import LISTEN, UnixError, unix_error
from netkit.net.fds import FdPassing
from netkit.net.listening import BACKLOG, AsyncIncoming, Incoming, StreamListener
from netkit.net.socket_file import SocketFile, listen_at
from netkit.net.sockets import Shutdown

__all__ = [
    "BACKLOG",
    "Incoming",
    "PeerCred",
    "Shutdown",
    "UnixAddr",
    "UnixAddrLike",
    "UnixIncoming",
    "UnixListener",
    "UnixStream",
]

#: The size of sun_path in bytes, including the NUL at the end of a path.
SUN_PATH = 108 if sys.platform == "linux" else 104

#: How long a connect waits, in seconds, before it tries a listener with a full backlog again: the first value
#: at first, then twice as long each time, up to the second.
RETRY_DELAY = 0.001
RETRY_DELAY_MAXIMUM = 0.05

_AF_UNIX: int | None = getattr(socket, "AF_UNIX", None)
_CONNECT = "connect to"


class UnixAddr:
    """The address of a Unix-domain socket: `UnixAddr.Path`, `UnixAddr.Abstract` or `UnixAddr.Unnamed`.

        match stream.peer_addr:
            case UnixAddr.Path(path): ...
            case UnixAddr.Abstract(name): ...      # bytes, without the leading NUL
            case UnixAddr.Unnamed(): ...

    >>> UnixAddr.parse("@name") == UnixAddr.Abstract(b"name")
    True
    >>> str(UnixAddr.parse(b"\\0name"))
    '@name'
    """

    __slots__ = ("_raw",)

    Path: ClassVar[type[UnixPath]]
    Abstract: ClassVar[type[UnixAbstract]]
    Unnamed: ClassVar[type[UnixUnnamed]]

    _raw: bytes

    @classmethod
    def parse(cls, addr: UnixAddrLike) -> UnixAddr:
        """The address that `addr` means.

        Text: `"@name"` (or a leading NUL) is an abstract name, anything else a path; `"./@name"` is the file.
        Bytes: a leading NUL is an abstract name. A `pathlib.Path` is always a path.

        Raises UnixError.InvalidAddress, .PathTooLong.
        """
        if isinstance(addr, UnixAddr):
            return addr
        if isinstance(addr, str) and addr[:1] in ("@", "\0"):
            return UnixAbstract(addr[1:])
        if isinstance(addr, bytes) and addr[:1] == b"\0":
            return UnixAbstract(addr[1:])
        return UnixPath(addr)

    @classmethod
    def from_sockaddr(cls, sockaddr: str | bytes | None) -> UnixAddr:
        """The address for a value from the `socket` module."""
        raw = os.fsencode(sockaddr or b"")
        if not raw:
            return UnixUnnamed()
        kind: type[UnixAddr] = UnixAbstract if raw[0] == 0 else UnixPath
        made = kind.__new__(kind)
        made._raw = raw
        return made

    def to_sockaddr(self) -> bytes:
        """The address for the `socket` module: a path, or a NUL and a name."""
        return self._raw

    @property
    def path(self) -> str | None:
        """The path in the file system; None for other addresses."""
        return None

    @property
    def name(self) -> bytes | None:
        """The abstract name, without the leading NUL; None for other addresses."""
        return None

    @property
    def is_unnamed(self) -> bool:
        """Whether it is not bound to an address, as for most clients."""
        return not self._raw

    def __eq__(self, other: object) -> bool:
        return self._raw == other._raw if isinstance(other, UnixAddr) else NotImplemented

    def __hash__(self) -> int:
        return hash((UnixAddr, self._raw))

    def __repr__(self) -> str:
        return f"UnixAddr({str(self)!r})"


class UnixPath(UnixAddr):
    """A path in the file system."""

    __slots__ = ()
    __match_args__ = ("path",)

    def __init__(self, path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> None:
        self._raw = os.fsencode(path)
        if not self._raw or 0 in self._raw:
            reason = "it has a NUL byte inside" if self._raw else "it is empty"
            raise UnixError.InvalidAddress(repr(os.fsdecode(path)), errno.EINVAL, reason)
        if len(self._raw) >= SUN_PATH:
            raise UnixError.PathTooLong(os.fsdecode(path), len(self._raw), SUN_PATH - 1)

    @property
    def path(self) -> str:
        return os.fsdecode(self._raw)

    def __str__(self) -> str:
        return f"./{self.path}" if self._raw[:1] == b"@" else self.path


class UnixAbstract(UnixAddr):
    """A name in Linux's abstract namespace: it has no file, and disappears with its socket."""

    __slots__ = ()
    __match_args__ = ("name",)

    def __init__(self, name: str | bytes) -> None:
        given = os.fsencode(name)
        self._raw = b"\0" + given
        if not given:
            raise UnixError.InvalidAddress("@", errno.EINVAL, "an abstract name is needed after the @")
        if len(given) >= SUN_PATH:
            raise UnixError.PathTooLong(str(self), len(given), SUN_PATH - 1)

    @property
    def name(self) -> bytes:
        return self._raw[1:]

    def __str__(self) -> str:
        return "@" + os.fsdecode(self._raw[1:])


class UnixUnnamed(UnixAddr):
    """No address: a socket that was not bound, or one of a pair."""

    __slots__ = ()

    def __init__(self) -> None:
        self._raw = b""

    def __str__(self) -> str:
        return "(unnamed)"


UnixAddr.Path = UnixPath
UnixAddr.Abstract = UnixAbstract
UnixAddr.Unnamed = UnixUnnamed

#: All forms of an address of a Unix-domain socket.
UnixAddrLike: TypeAlias = "UnixAddr | str | bytes | os.PathLike[str] | os.PathLike[bytes]"


class PeerCred(NamedTuple):
    """The peer's process and user, as the kernel noted them at connect(2) or listen(2).

    `pid` is None if the system does not report it, or the process is in another PID namespace.
    """

    pid: int | None
    uid: int
    gid: int


class UnixStream(FdPassing):
    """A Unix-domain connection: a `ByteStream` with the peer's credentials, and with passing of descriptors.

    with UnixStream.connect("/run/app.sock", timeout=5) as stream:
        stream.write_all(b"hello")
        print(stream.read(), stream.peer_cred.uid)
    """

    _what = "Unix stream"

    def __init__(
        self,
        sock: socket.socket,
        descriptor: Descriptor | None = None,
        *,
        peer: UnixAddr | None = None,
        inherited: bool = False,
    ) -> None:
        super().__init__(sock, descriptor or descriptor_of(sock, shared=inherited), inherited=inherited)
        self._peer = peer

    # Connecting.

    @classmethod
    def connect_flow(cls, addr: UnixAddrLike) -> Flow[Self]:
        """Flow: `connect`, for other flows to `yield from`."""
        where = UnixAddr.parse(addr)
        sock = _new_socket(where, _CONNECT)
        descriptor = descriptor_of(sock)
        try:
            sock.setblocking(False)
            with phase(f"connecting to {where}"):
                code = yield from _connect(sock, descriptor, where)
            if code == errno.ECONNREFUSED and _is_no_socket(where):  # Linux gives the same error for any file
                raise unix_error(where, OSError(errno.ENOTSOCK, "the file there is not a socket"), _CONNECT)
            if code:
                raise unix_error(where, OSError(code, os.strerror(code)), _CONNECT)
        except BaseException as error:
            descriptor.close()
            if isinstance(error, Interrupted) and isinstance(error.error, DeadlineExceeded):
                full = "its backlog stayed full for the whole timeout"
                error.explain(UnixError.TimedOut(where, errno.ETIMEDOUT, full, _CONNECT))
            raise
        return cls(sock, descriptor, peer=where)

    @classmethod
    def connect(
        cls, addr: UnixAddrLike, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> Self:
        """Connect to the listener at `addr`, a path or `"@name"` (or anything of `UnixAddrLike`).

        It waits only if the listener's backlog is full. Raises UnixError: .NoSuchFile, .Refused,
        .PermissionDenied, .PathTooLong, .TimedOut, ...
        """
        return run(cls.connect_flow(addr), deadline=deadline_after(timeout), cancel=cancel)

    @classmethod
    async def connect_async(
        cls, addr: UnixAddrLike, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> Self:
        """Connect to the listener at `addr`; arguments and errors as `connect`."""
        return await run_async(cls.connect_flow(addr), deadline=deadline_after(timeout), cancel=cancel)

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Two streams connected to each other (socketpair(2))."""
        if _AF_UNIX is None:
            raise UnixError.Unsupported("a pair", errno.EAFNOSUPPORT, "no Unix-domain sockets here", "make")
        made = socket.socketpair(_AF_UNIX, socket.SOCK_STREAM)
        for sock in made:
            sock.setblocking(False)
        one, other = made
        return cls(one, peer=UnixUnnamed()), cls(other, peer=UnixUnnamed())

    # Both ends.

    @property
    def peer_addr(self) -> UnixAddr:
        """The other end. Raises OSError (ENOTCONN) if the peer was gone before this was first read."""
        if self._peer is None:
            self._check_open()
            self._peer = UnixAddr.from_sockaddr(self._sock.getpeername())
        return self._peer

    @property
    def local_addr(self) -> UnixAddr:
        """This end."""
        self._check_open()
        return UnixAddr.from_sockaddr(self._sock.getsockname())

    @property
    def peer_cred(self) -> PeerCred:
        """The peer's process and user: those of a client at its connect, of a listener at its listen.

        SO_PEERCRED on Linux, LOCAL_PEERCRED on macOS and the BSDs. Raises UnixError.Unsupported elsewhere.
        """
        self._check_open()
        try:
            if sys.platform == "linux":
                data = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
                pid, uid, gid = _UCRED.unpack(data)
                return PeerCred(pid or None, uid, gid)
            if sys.platform == "darwin" or "bsd" in sys.platform:
                data = self._sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
                return _peer_of_xucred(data, self._local_peer_pid())
        except OSError as error:
            raise unix_error(self._peer or "the peer", error, "ask about") from None
        raise UnixError.Unsupported("the peer", errno.ENOPROTOOPT, "this system does not tell", "ask about")

    def _local_peer_pid(self) -> int | None:
        if sys.platform != "darwin":
            return None
        pid: int = self._sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID)
        return pid or None

    def _describe(self) -> str:
        return "closed" if self.is_closed else f"{self._peer or 'connected'} fd={self._sock.fileno()}"


class UnixListener(StreamListener[UnixStream, UnixAddr]):
    """A listening Unix-domain socket.

        with UnixListener.bind("/run/app.sock", mode=0o600) as listener:
            stream, peer = listener.accept()

    `close` removes the file that `bind` made, if it is still the same file. Set `unlink_on_close` to False if
    another process continues to listen at it.
    """

    def __init__(
        self,
        sock: socket.socket,
        descriptor: Descriptor | None = None,
        *,
        file: SocketFile | None = None,
        inherited: bool = False,
    ) -> None:
        super().__init__(sock, descriptor, inherited=inherited)
        self._file = file
        self.unlink_on_close = file is not None

    @classmethod
    def bind(
        cls,
        addr: UnixAddrLike,
        *,
        backlog: int = BACKLOG,
        mode: int | None = None,
        unlink_stale: bool = True,
        unlink_on_close: bool = True,
    ) -> Self:
        """Listen at `addr`, a path or `"@name"`.

        `mode` is the permissions of the file, such as 0o600: users who may write to the file may connect.
        None leaves them to the process's umask. An abstract name has no file, so a mode for it is a
        ValueError. `unlink_stale` removes the file of a socket on which no process listens any more, under a
        lock (see `socket_file`). The file of a live socket, or a file that is not a socket, is never removed.
        `unlink_on_close` removes the file at `close`.

        Raises UnixError: .AddressInUse, .NotASocket, .NoSuchFile (no such directory), .PermissionDenied,
        .PathTooLong, .InvalidAddress, .Unsupported (abstract names outside Linux).
        """
        where = UnixAddr.parse(addr)
        if mode is not None and where.path is None:
            raise ValueError(f"{where} has no file, whose mode could be {mode:o}: anybody may connect")
        sock = _new_socket(where, LISTEN)
        file: SocketFile | None = None
        try:
            sock.setblocking(False)
            if where.path is not None:
                file = listen_at(sock, where.path, backlog=backlog, mode=mode, remove_stale=unlink_stale)
            else:
                sock.bind(where.to_sockaddr())
                sock.listen(backlog)
        except UnixError:
            sock.close()
            raise
        except OSError as error:
            sock.close()
            raise unix_error(where, error, LISTEN) from None
        made = cls(sock, file=file)
        made.unlink_on_close = unlink_on_close
        return made

    @classmethod
    def bind_with_backlog(cls, addr: UnixAddrLike, backlog: int) -> Self:
        """Listen at `addr`; `backlog` is how many connections may wait to be accepted."""
        return cls.bind(addr, backlog=backlog)

    def _connection(self, sock: socket.socket, sockaddr: Any) -> tuple[UnixStream, UnixAddr]:
        peer = UnixAddr.from_sockaddr(sockaddr)
        return UnixStream(sock, peer=peer), peer

    def incoming_async(self, *, cancel: CancellationToken | None = None) -> UnixIncoming:
        """The connections as they come, for `async for`, without end."""
        return UnixIncoming(self, cancel)

    @property
    def local_addr(self) -> UnixAddr:
        """Where it listens."""
        self._check_open()
        return UnixAddr.from_sockaddr(self._sock.getsockname())

    def close(self) -> None:
        """Stop listening, from any thread. Calls that wait in `accept` raise ClosedError."""
        if self._file is not None and self.unlink_on_close and not self.is_closed:
            self._file.remove()  # first, so that the file never names a dead listener
        super().close()


class UnixIncoming(AsyncIncoming[UnixStream]):
    """A Unix-domain listener's connections for `async for`, as `AsyncIncoming`."""


def _is_no_socket(where: UnixAddr) -> bool:
    """Whether the file at that path exists and is not a socket."""
    if where.path is None:
        return False
    try:
        return not stat.S_ISSOCK(os.stat(where.path).st_mode)
    except OSError:
        return False


def _new_socket(where: UnixAddr, doing: str) -> socket.socket:
    if where.is_unnamed:
        raise UnixError.InvalidAddress(where, errno.EINVAL, "it names no socket", doing)
    if _AF_UNIX is None:
        raise UnixError.Unsupported(where, errno.EAFNOSUPPORT, "no Unix-domain sockets here", doing)
    if where.name is not None and sys.platform != "linux":
        raise UnixError.Unsupported(where, errno.EAFNOSUPPORT, "only Linux has abstract names", doing)
    try:
        return socket.socket(_AF_UNIX, socket.SOCK_STREAM)
    except OSError as error:
        raise unix_error(where, error, doing) from None


def _connect(sock: socket.socket, descriptor: Descriptor, where: UnixAddr) -> Flow[int]:
    """Flow: connect. Returns the error number, or 0.

    If a listener's backlog is full, Linux returns EAGAIN, and there is no event to wait for (such a socket is
    always "writable"). So the flow tries again, after longer and longer pauses.
    """
    delay = RETRY_DELAY
    while True:
        code = sock.connect_ex(where.to_sockaddr())
        if code == errno.EINPROGRESS:
            return (yield from connected_code(sock, descriptor))
        if code not in (errno.EAGAIN, errno.EWOULDBLOCK):
            return code
        yield Want(until=monotonic() + delay)
        delay = min(delay * 2, RETRY_DELAY_MAXIMUM)


#: struct ucred (Linux): pid, uid, gid.
_UCRED = struct.Struct("iII")

#: struct xucred (macOS, FreeBSD): version, uid, number of groups, groups (the first is the effective one).
_XUCRED = struct.Struct("IIh2x16I")
_SOL_LOCAL = 0
_LOCAL_PEERCRED = 1
_LOCAL_PEERPID = 2


def _peer_of_xucred(data: bytes, pid: int | None) -> PeerCred:
    _version, uid, _count, gid, *_groups = _XUCRED.unpack(data[: _XUCRED.size].ljust(_XUCRED.size, b"\0"))
    return PeerCred(pid, uid, gid)
