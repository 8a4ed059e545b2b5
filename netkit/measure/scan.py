"""Which TCP ports answer: a connect scan, as flows that any number of can run side by side.

A port is *open* where the connection is made, *closed* where it is refused, *filtered* where nothing comes
back in time, *unreachable* where the network says so. With a banner wanted, what an open port says by itself
is read, for so long and no more than so many bytes: a peer that is silent, or does not stop, costs no more.
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

#: How many bytes of a banner are read.
BANNER_SIZE = 1024

#: How long to wait, in seconds, when this process has no descriptor left, before a port is tried again.
NO_DESCRIPTOR_PAUSE = 0.05

#: For how long, in seconds, that is done.
NO_DESCRIPTOR_PATIENCE = 30.0

_NO_DESCRIPTOR = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


_LOCAL = frozenset((errno.EACCES, errno.EPERM, errno.EINVAL, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL))


class PortState(Enum):
    """What became of an attempt to connect."""

    OPEN = "open"
    CLOSED = "closed"
    FILTERED = "filtered"
    UNREACHABLE = "unreachable"


class PortResult(NamedTuple):
    """What is known of one port of one address."""

    addr: SocketAddr
    state: PortState
    time: float
    """How long that took to find out, in seconds."""
    banner: bytes | None = None
    """What an open port said by itself; None where that was not asked, or nothing came."""
    reason: str | None = None
    """What the system said, where it is not open."""


class PortsError(NetkitError, ValueError):
    """Text that is no list of ports: `text` at `offset`."""

    layer = "addr"
    fault = "caller"
    stage = "usage"
    hint = "write ports, ranges and services separated by commas, as in 22,80,8000-8100,https"

    def __init__(self, text: str, offset: int, reason: str) -> None:
        super().__init__(text, offset, reason)
        self.text = text
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.text!r}: {self.reason} (at character {self.offset})"


def parse_ports(text: str) -> list[int]:
    """The ports of `22,80,8000-8100,https`: each once, in the order written. Raises PortsError.

    `-` alone is every port, `N-` those from N on, `-N` those up to N.
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
        raise PortsError(text, offset, f"{part!r} is no port and no service of this system") from None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _number(text: str, whole: str, offset: int) -> int:
    if len(text.lstrip("0")) > 5 or not 1 <= int(text) <= 65535:
        raise PortsError(whole, offset, f"{text} is not a port from 1 to 65535")
    return int(text)


def service_name(port: int) -> str | None:
    """What this system calls a TCP port (services(5)); None where it has no name for it."""
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
    """Flow: try one port; `timeout` and `banner` are seconds, for the connection and for what it says.

    Where this process has no descriptor left, it waits for NO_DESCRIPTOR_PATIENCE until there is one again;
    that does not count as the port's time. Raises what is this system's own doing: no descriptor for so
    long, a source address that is not its own, a firewall of its own.
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
                raise  # this system's own doing: no packet was sent
            state = _STATES.get(code or 0, PortState.UNREACHABLE)
            reason = "no answer" if state is PortState.FILTERED else error.strerror
            return PortResult(addr, state, monotonic() - begun, None, reason)
        elapsed = monotonic() - begun
        with stream:
            said = None if banner is None else (yield from _banner(stream, banner, banner_size))
        return PortResult(addr, PortState.OPEN, elapsed, said)


def _banner(stream: TcpStream, timeout: float, size: int) -> Flow[bytes | None]:
    """Flow: what comes by itself, up to the piece with the end of its first line."""
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
        pass  # what came is the banner
    return said or None


_STATES = {
    errno.ECONNREFUSED: PortState.CLOSED,
    errno.ECONNRESET: PortState.CLOSED,
    errno.ETIMEDOUT: PortState.FILTERED,
}


def scan_order(hosts: Iterable[SocketAddr], ports: Iterable[int]) -> Iterator[SocketAddr]:
    """Every port of every host, all hosts at one port before the next: nobody is asked everything at once."""
    addrs = list(hosts)
    for port in ports:
        for addr in addrs:
            if isinstance(addr, SocketAddrV6):
                yield SocketAddrV6(addr.ip, port, addr.flowinfo, addr.scope_id)
            else:
                yield SocketAddr.new(addr.ip, port)
