"""Connecting to a name by Happy Eyeballs version 2 (RFC 8305): the first address that answers wins.

The addresses keep the resolver's order (RFC 6724), but the families alternate, so that a broken family costs
one delay and not a dozen (section 4). Each attempt begins `ATTEMPT_DELAY` after the attempt before it, or at
once when that one fails (section 5). All attempts continue side by side; the first connection wins, and the
rest are closed.

Each attempt is a branch of one `first_of`. It waits until its predecessor fails, or until its own moment. The
result for every address is kept, so that an error, and `-v`, can show all of them.
"""

from __future__ import annotations

import errno
import os
import socket
from time import monotonic
from typing import TYPE_CHECKING, Any

from netkit._log import Log
from netkit.addr import HostPort, SocketAddr, SocketAddrsLike, to_socket_addrs_parts
from netkit.io import (
    DeadlineExceeded,
    Descriptor,
    Event,
    Flow,
    Interrupted,
    NoneSucceeded,
    Outcome,
    Want,
    first_of,
    phase,
)
from netkit.net.errors import Attempt, ConnectError, SourceError, connect_error
from netkit.net.resolve import NameResolver, resolve_flow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypedDict

    class ConnectOptions(TypedDict, total=False):
        """What `TcpStream.connect` can be told, for those who make their connections by it."""

        family: int
        prefer: int
        source: SocketAddr | None
        attempt_delay: float
        resolver: NameResolver | None


log = Log("netkit.net")

#: RFC 8305 section 8: the delay between two attempts is 250 ms, never under 10 ms nor over 2 s.
ATTEMPT_DELAY = 0.25
ATTEMPT_DELAY_MINIMUM = 0.01
ATTEMPT_DELAY_MAXIMUM = 2.0

#: The error numbers of connect(2) on a non-blocking socket while the connection is being made.
_UNDER_WAY = frozenset(
    (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY, errno.EINTR, getattr(errno, "WSAEWOULDBLOCK", -1))
)


class Connected:
    """A connected socket, its descriptor, and the attempts it took."""

    __slots__ = ("addr", "attempts", "descriptor", "sock")

    def __init__(
        self, sock: socket.socket, descriptor: Descriptor, addr: SocketAddr, attempts: list[Attempt]
    ):
        self.sock = sock
        self.descriptor = descriptor
        self.addr = addr
        self.attempts = attempts


def descriptor_of(sock: socket.socket, *, shared: bool = False) -> Descriptor:
    """The descriptor of a socket that is ours: closing it closes the socket.

    A `shared` one (a listener, an inherited descriptor) is only closed and never shut down, because
    shutdown(2) would end the socket for every process that has it.
    """
    if shared:
        return Descriptor(sock.fileno(), close=sock.close)
    return Descriptor(sock.fileno(), close=sock.close, shutdown=lambda: sock.shutdown(socket.SHUT_RDWR))


def interleave(addrs: Sequence[SocketAddr], first_family_count: int = 1) -> list[SocketAddr]:
    """Reorder addresses: first `first_family_count` of the first address's family, then the families
    alternate.

    The order within a family is kept. RFC 8305 section 4.
    """
    if not addrs:
        return []
    lead = [addr for addr in addrs if addr.family == addrs[0].family]
    other = [addr for addr in addrs if addr.family != addrs[0].family]
    ordered = lead[:first_family_count]
    lead = lead[first_family_count:]
    while lead or other:
        ordered += other[:1] + lead[:1]
        other, lead = other[1:], lead[1:]
    return ordered


def connect_flow(
    target: SocketAddrsLike,
    *,
    default_port: int | None = None,
    family: int = 0,
    prefer: int = 0,
    source: SocketAddr | None = None,
    attempt_delay: float = ATTEMPT_DELAY,
    resolver: NameResolver | None = None,
    configure: Callable[[socket.socket], None] | None = None,
) -> Flow[Connected]:
    """Flow: resolve `target` and connect to the first of its addresses that answers.

    `family` allows only one family (`socket.AF_INET`, `AF_INET6`); `prefer` only puts a family first.
    `source` is the local address to connect from. `configure` is called with each new socket before it
    connects.

    Raises AddrParseError, ResolveError, or ConnectError with every attempt.
    """
    addrs = yield from resolve_flow(target, default_port=default_port, family=family, resolver=resolver)
    if prefer:
        addrs = sorted(addrs, key=lambda addr: addr.family != prefer)
    endpoint = target if isinstance(target, SocketAddr) else _endpoint(target, default_port)
    return (yield from connect_first(interleave(addrs), endpoint, source, attempt_delay, configure))


def connect_first(
    addrs: Sequence[SocketAddr],
    endpoint: HostPort | SocketAddr | str | None = None,
    source: SocketAddr | None = None,
    attempt_delay: float = ATTEMPT_DELAY,
    configure: Callable[[socket.socket], None] | None = None,
) -> Flow[Connected]:
    """Flow: try `addrs` in this order, and connect to the first that answers. Raises ConnectError."""
    delay = min(max(attempt_delay, ATTEMPT_DELAY_MINIMUM), ATTEMPT_DELAY_MAXIMUM)
    named = endpoint if endpoint is not None else addrs[0]
    attempts: list[Attempt] = []
    clock = monotonic()
    begun = [Event() for _ in addrs]
    failed = [Event() for _ in addrs]

    def attempt(index: int) -> Flow[Connected]:
        if index:
            yield from begun[index - 1].wait()
            if not failed[index - 1].is_set:
                yield Want(event=failed[index - 1], until=monotonic() + delay)
        record = Attempt(addrs[index], monotonic() - clock)
        attempts.append(record)
        begun[index].set()
        log.debug("%s: connecting", addrs[index])
        try:
            sock, descriptor = yield from connect_one(addrs[index], source, configure)
        except OSError as error:
            record.error = error
            log.debug("%s: %s", addrs[index], record.outcome)
            raise
        finally:
            record.ended_s = monotonic() - clock
            failed[index].set()
        record.won = True
        log.debug("%s: connected in %.1f ms", addrs[index], (record.ended_s - record.started_s) * 1000)
        return Connected(sock, descriptor, addrs[index], attempts)

    try:
        if len(addrs) == 1:
            return (yield from attempt(0))
        outcome: Outcome[Connected] = yield from first_of(*(attempt(index) for index in range(len(addrs))))
        return outcome.unwrap()
    except Interrupted as interrupted:
        if isinstance(interrupted.error, DeadlineExceeded):
            for record in attempts:
                record.error = record.error or TimeoutError(errno.ETIMEDOUT, "timed out")
            interrupted.explain(connect_error(named, attempts))
        raise
    except ConnectError:
        raise
    except NoneSucceeded as error:
        unexpected = next((each for each in error.errors if not isinstance(each, OSError)), None)
        if unexpected is not None:
            raise unexpected from None
        raise connect_error(named, attempts) from None
    except OSError as error:
        raise connect_error(named, attempts) from error


def bind_source(sock: socket.SocketType, source: SocketAddr) -> None:
    """Bind a socket to the address that it is to connect from. Raises SourceError."""
    try:
        if source.family != sock.family:
            # Python's own word for it is a TypeError about the form of the address.
            raise OSError(errno.EAFNOSUPPORT, "the address to connect to is of the other version of IP")
        sock.bind(source.to_sockaddr())
    except OSError as error:
        raise SourceError(source, error) from error


def connect_one(
    addr: SocketAddr,
    source: SocketAddr | None = None,
    configure: Callable[[socket.socket], None] | None = None,
) -> Flow[tuple[socket.socket, Descriptor]]:
    """Flow: a new socket connected to `addr`. If that fails, closes the socket and raises the system's
    OSError."""
    sock = socket.socket(addr.family, socket.SOCK_STREAM)
    descriptor = descriptor_of(sock)
    try:
        sock.setblocking(False)
        if configure is not None:
            configure(sock)
        if source is not None:
            bind_source(sock, source)
        code = sock.connect_ex(addr.to_sockaddr())
        if code in _UNDER_WAY:
            with phase(f"connecting to {addr}"):
                code = yield from connected_code(sock, descriptor)
        if not code and sock.getsockname() == sock.getpeername():
            # If the target is a free local port, the system may choose the same port as the source. TCP's
            # simultaneous open then connects the socket to itself (RFC 9293 section 3.5): there is no peer.
            code = errno.ECONNREFUSED
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        descriptor.close()
        raise
    return sock, descriptor


def connected_code(sock: socket.socket, descriptor: Descriptor) -> Flow[int]:
    """Flow: wait until a started connect has ended. Returns its error number, or 0."""
    while True:
        yield descriptor.want_write
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            return code
        try:
            sock.getpeername()
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
        else:
            return 0


def _endpoint(target: Any, default_port: int | None) -> HostPort | str:
    if isinstance(target, (str, tuple, HostPort)):
        return to_socket_addrs_parts(target, default_port)
    return str(target)
