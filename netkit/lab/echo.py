"""The echo service (RFC 862), over TCP and UDP: it sends received data back, unchanged and in order."""

from __future__ import annotations

import errno
import socket
from time import monotonic
from typing import TYPE_CHECKING

from netkit.io import ClosedError, Event, Flow, before, beside

#: How many datagrams that came before `stop` are still sent back. The limit ends the echo even in a flood.
LAST_DATAGRAMS = 10_000

#: The ports of services that answer any datagram: echo, daytime, quote of the day, chargen (RFC 862 to 867).
ANSWERING_PORTS = frozenset((7, 13, 17, 19))

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netkit.addr import SocketAddr
    from netkit.io import ByteStream
    from netkit.net.udp import UdpMessage, UdpSocket


class Echoed:
    """The counts of an echo: connections or datagrams, and bytes."""

    __slots__ = ("bytes", "messages")

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0


class LoopGuard:
    """Tells from which peers a datagram must not be answered, because the answer would be answered too.

    One datagram with a forged source makes two such services send to each other without end, or one to itself
    (CVE-2024-2169). Such a source is an address of this server (`own`, the addresses that it is bound to), or
    one of `ANSWERING_PORTS` anywhere. `refused` counts what was not answered.
    """

    __slots__ = ("_everywhere", "_own", "refused")

    def __init__(self, own: Iterable[SocketAddr]) -> None:
        addrs = [addr.unmapped for addr in own]
        self._own = frozenset((addr.ip, addr.port) for addr in addrs)
        self._everywhere = frozenset(addr.port for addr in addrs if addr.ip.is_unspecified)
        self.refused = 0

    def refuses(self, peer: SocketAddr) -> bool:
        """Whether `peer` must not be answered; counted if so."""
        found = (
            peer.port in ANSWERING_PORTS
            or (peer.ip, peer.port) in self._own
            or (peer.port in self._everywhere and _is_local(peer))
        )
        self.refused += found
        return found


def _is_local(addr: SocketAddr) -> bool:
    """Whether it is an address of this machine: a socket can be bound to it."""
    try:
        with socket.socket(addr.family, socket.SOCK_DGRAM) as sock:
            host, _, *rest = addr.to_sockaddr()
            sock.bind((host, 0, *rest))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL  # such as no descriptor left: then rather too cautious
    return True


def echo_stream(
    stream: ByteStream,
    own: Echoed | None = None,
    *,
    counts: Echoed,
    idle_timeout: float | None = None,
    stall_timeout: float | None = None,
) -> Flow[None]:
    """Flow: send back what `stream` receives, until the peer has finished sending; then finish too.

    Raises DeadlineExceeded if the peer is silent for `idle_timeout` seconds, or does not receive its echo for
    `stall_timeout` seconds. `own` counts this connection alone. To end it without cutting off a transfer,
    call `stream.stop_reading()`.
    """
    counts.messages += 1
    while True:
        if idle_timeout is None:
            data = yield from stream.read_flow()
        else:
            data = yield from before(monotonic() + idle_timeout, stream.read_flow(), "waiting for data")
        if not data:
            break
        view = memoryview(data)
        while view:
            # Piece by piece, so that only a peer that takes nothing times out, and not one that is slow.
            if stall_timeout is None:
                sent = yield from stream.write_flow(view)
            else:
                sent = yield from before(monotonic() + stall_timeout, stream.write_flow(view), "sending back")
            counts.bytes += sent
            if own is not None:
                own.bytes += sent
            view = view[sent:]
    yield from stream.finish()


def echo_datagrams(
    sock: UdpSocket,
    *,
    counts: Echoed,
    stop: Event,
    loops: LoopGuard | None = None,
    on_echo: Callable[[SocketAddr, int], object] | None = None,
) -> Flow[None]:
    """Flow: send each datagram back to its sender until `stop` is set, then those that had come before.

    A datagram is sent back from the address that it was sent to, and dropped if `loops` refuses its source;
    the guard must know all the addresses of a server with several sockets. `on_echo` is called with the
    peer and the size of each.
    """
    sock.tell_destinations()
    guard = LoopGuard([sock.local_addr]) if loops is None else loops

    def send_back(message: UdpMessage) -> Flow[None]:
        data, peer, _, source = message
        if guard.refuses(peer):
            return
        try:
            yield from sock.send_flow(data, peer, source)
        except ClosedError:
            raise
        except OSError:
            return  # sending to this peer fails; the next datagram may work
        counts.messages += 1
        counts.bytes += len(data)
        if on_echo is not None:
            on_echo(peer, len(data))

    def echoing() -> Flow[None]:
        while True:
            try:
                message = yield from sock.receive_msg_flow()
            except ClosedError:
                raise
            except OSError:
                continue  # an ICMP error about an earlier datagram: continue with the next
            yield from send_back(message)

    yield from beside(stop.wait(), echoing())
    for _ in range(LAST_DATAGRAMS):
        try:
            found = sock.recv_msg_nonblock()
        except OSError:
            continue
        if found is None:
            return
        yield from send_back(found)
