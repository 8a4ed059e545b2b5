"""Which TCP ports answer: a connect scan, as flows; any number of them can run side by side.

A port is *open* if the connection is made, *closed* if it is refused, *filtered* if no answer comes in time,
*unreachable* if the network reports that. On request, the banner is read, which is what an open port sends by
itself. Its time and size are limited, so that a silent or endless peer costs little.
"""

from __future__ import annotations

import errno
import socket
from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from netkit.addr import SocketAddr, SocketAddrV6
from netkit.errors import NetkitError
from netkit.io import DeadlineExceeded, Flow, before, sleep_until
from netkit.net.errors import ConnectError
from netkit.net.tcp import TcpStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: How many bytes of a banner are read at most.
BANNER_SIZE = 1024

#: How long to wait before a port is tried again, in seconds, if this process has no descriptor left.
NO_DESCRIPTOR_PAUSE = 0.05

#: For how long a port is tried again, in seconds.
NO_DESCRIPTOR_PATIENCE = 30.0

_NO_DESCRIPTOR = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


_LOCAL = frozenset((errno.EACCES, errno.EPERM, errno.EINVAL, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL))


class PortState(Enum):
    """The result of an attempt to connect."""

    OPEN = "open"
    CLOSED = "closed"
    FILTERED = "filtered"
    UNREACHABLE = "unreachable"


class PortResult(NamedTuple):
    """The result for one port of one address."""

    addr: SocketAddr
    state: PortState
    time: float
    """How long it took until the state was known, in seconds."""
    banner: bytes | None = None
    """What an open port sent by itself; None if no banner was requested, or nothing came."""
    reason: str | None = None
    """The system's error, if the port is not open."""


class PortsError(NetkitError, ValueError):
    """The text is not a list of ports: `text` is wrong at `offset`."""

    layer = "addr"
    fault = "caller"
    stage = "usage"
    hint = "write ports, ranges and services separated by commas, as in 22,80,8000-8100,https"

    def __init__(self, text: str, offset: int, reason: str, *, is_name: bool = False) -> None:
        super().__init__(text, offset, reason)
        self.text = text
        self.offset = offset
        self.reason = reason
        #: Whether it is a word that may be a host's name, and is no service.
        self.is_name = is_name

    def __str__(self) -> str:
        return f"{self.text!r}: {self.reason} (at offset {self.offset})"


def parse_ports(text: str) -> list[int]:
    """The ports of `22,80,8000-8100,https`: each once, in the written order. Raises PortsError.

    `-` alone is every port, `N-` is N and above, `-N` is N and below.
    """
    ports: dict[int, None] = {}
    offset = 0
    for part in text.split(","):
        at = offset + len(part) - len(part.lstrip())
        ports.update(dict.fromkeys(_range(part.strip(), text, at)))
        offset += len(part) + 1
    return list(ports)


def _range(part: str, text: str, offset: int) -> Iterable[int]:
    if not part:
        raise PortsError(text, offset, "there is no port")
    low, dash, high = part.partition("-")
    if dash and (not low or _is_number(low)) and (not high or _is_number(high)):
        first, last = _number(low or "1", text, offset), _number(high or "65535", text, offset)
        if first > last:
            raise PortsError(text, offset, f"{part} ends before it begins")
        return range(first, last + 1)
    if _is_number(part):
        return [_number(part, text, offset)]
    try:
        return [socket.getservbyname(part, "tcp")]
    except (OSError, UnicodeError):
        reason = f"{part!r} is neither a port nor a service of this system"
        raise PortsError(text, offset, reason, is_name=part == text) from None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _number(text: str, whole: str, offset: int) -> int:
    if len(text.lstrip("0")) > 5 or not 1 <= int(text) <= 65535:
        raise PortsError(whole, offset, f"{text} is not a port from 1 to 65535")
    return int(text)


def service_name(port: int) -> str | None:
    """This system's name for a TCP port (services(5)); None if it has none."""
    try:
        return socket.getservbyport(port, "tcp")
    except OSError:
        return None


def scan_port(
    addr: SocketAddr,
    *,
    timeout: float,
    source: SocketAddr | None = None,
    banner: float | None = None,
    banner_size: int = BANNER_SIZE,
) -> Flow[PortResult]:
    """Flow: try one port; `timeout` (for the connection) and `banner` (for reading it) are seconds.

    If this process has no descriptor left, the flow waits up to NO_DESCRIPTOR_PATIENCE seconds for one; this
    time does not count as the port's. Errors of this system are raised: no descriptor for that long, a source
    address that this machine does not have, a firewall of this machine.
    """
    patience = monotonic() + NO_DESCRIPTOR_PATIENCE
    while True:
        begun = monotonic()
        try:
            stream = yield from before(begun + timeout, TcpStream.connect_flow(addr, source=source))
        except DeadlineExceeded:
            return PortResult(addr, PortState.FILTERED, monotonic() - begun, None, "no answer")
        except ConnectError as error:
            code = error.errno
            if code in _NO_DESCRIPTOR and monotonic() < patience:
                yield from sleep_until(monotonic() + NO_DESCRIPTOR_PAUSE)
                continue
            if code in _NO_DESCRIPTOR or code in _LOCAL:
                raise  # an error of this system: no packet was sent
            state = _STATES.get(code or 0, PortState.UNREACHABLE)
            reason = "no answer" if state is PortState.FILTERED else error.strerror
            return PortResult(addr, state, monotonic() - begun, None, reason)
        elapsed = monotonic() - begun
        with stream:
            said = None if banner is None else (yield from _banner(stream, banner, banner_size))
        return PortResult(addr, PortState.OPEN, elapsed, said)


def _banner(stream: TcpStream, timeout: float, size: int) -> Flow[bytes | None]:
    """Flow: what the peer sends by itself, up to the piece with the end of the first line."""
    until = monotonic() + timeout
    said = b""
    try:
        while len(said) < size:
            piece = yield from before(until, stream.read_flow(size - len(said)))
            if not piece:
                break
            said += piece
            if b"\n" in said:
                break
    except (DeadlineExceeded, OSError):
        pass  # the banner is what came before
    return said or None


_STATES = {
    errno.ECONNREFUSED: PortState.CLOSED,
    errno.ECONNRESET: PortState.CLOSED,
    errno.ETIMEDOUT: PortState.FILTERED,
}


def scan_order(hosts: Iterable[SocketAddr], ports: Iterable[int]) -> Iterator[SocketAddr]:
    """Every port of every host; each port on all hosts before the next port, to spread the load on hosts."""
    addrs = list(hosts)
    for port in ports:
        for addr in addrs:
            if isinstance(addr, SocketAddrV6):
                yield SocketAddrV6(addr.ip, port, addr.flowinfo, addr.scope_id)
            else:
                yield SocketAddr.new(addr.ip, port)
