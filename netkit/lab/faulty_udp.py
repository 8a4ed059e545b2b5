"""`FaultyUdpSocket`: a UDP socket whose datagrams come late, damaged or not at all, on purpose. RFC 768.

A delayed datagram is kept here in a heap, and a flow that waits to receive sends it when it is due. So a
delay does not stop the datagrams behind it, random delays reorder datagrams as networks do, no extra task is
needed, and the memory is limited.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from netkit._log import Log
from netkit.io import OPERATIONS_PER_TURN, Descriptor, Event, Want, race, sleep_until
from netkit.lab.faults import QUANTUM, flipped
from netkit.net.udp import UdpSocket
from netkit.serve.stop import cutting

if TYPE_CHECKING:
    from netkit.addr import SocketAddr
    from netkit.io import Buffer, Flow
    from netkit.lab.faults import FaultSession

log = Log("netkit.lab.faulty_udp")

#: How much a socket keeps at most, in bytes, with `HELD_OVERHEAD` added for each datagram.
HELD_BYTES = 4_194_304
HELD_OVERHEAD = 256


class FaultyUdpSocket(UdpSocket):
    """A UDP socket whose sent datagrams get the faults of `session`. It takes over `sock`.

    A delayed datagram is kept, and does not stop those behind it. It is sent when it is due, while a flow
    receives from this socket (as a server always does), or in `flush`. At most `HELD_BYTES` are kept; then
    sending waits for room, and datagrams that come meanwhile wait in the system's buffer or are lost there.
    Kept datagrams are lost when the socket is closed.
    """

    def __init__(self, sock: UdpSocket, session: FaultSession) -> None:
        self.__dict__.update(sock.__dict__)  # the same socket, descriptor and timeouts
        self._session = session
        self._held: list[
            tuple[float, int, bytes, SocketAddr | None, SocketAddr | None]
        ] = []  # a heap, by moment
        self._held_bytes = 0
        self._order = count()
        self._free_at = 0.0  # the moment when a throttled link has sent the earlier datagrams

    @property
    def held(self) -> int:
        """How many delayed datagrams are kept."""
        return len(self._held)

    def _arrive(self) -> Flow[None]:
        """Flow: wait until a datagram is there, and meanwhile send those that are due; errors as
        `UdpSocket`'s."""
        receiving = super()._arrive()
        try:
            ready = None
            while True:
                blocked = self._send_due()
                try:
                    want = receiving.send(ready)  # type: ignore[arg-type]  # its first is None
                except StopIteration:
                    return
                if self._held and want is self._descriptor.want_read:
                    want = self._want(blocked, read=self._descriptor)
                ready = yield want
        finally:
            receiving.close()

    def send_flow(
        self, data: Buffer, addr: SocketAddr | None = None, source: SocketAddr | None = None
    ) -> Flow[int]:
        """Flow: send one datagram as `UdpSocket` does; or lose it, or keep it for later.

        A datagram that is sent at once has the errors of `UdpSocket`; errors of later ones are only logged.
        """
        self._check_open()
        session, injected = self._session, self._session.faults.injected
        whole = bytes(data)
        size = len(whole)
        dropped, flip, delay = session.drops(), session.flip(size), session.delay()
        if dropped:
            injected.dropped += 1
            return size
        if flip is not None:
            injected.corrupted += 1
            whole = bytes(flipped(memoryview(whole), flip))
        now = due = session.clock()
        throttle = session.faults.throttle
        if throttle is not None:
            due = max(due, self._free_at)
            self._free_at = due + size / throttle
        if delay:
            injected.delayed += 1
            due += delay
        if due <= now:
            return (yield from super().send_flow(whole, addr, source))
        cost = size + HELD_OVERHEAD
        while self._held and self._held_bytes + cost > HELD_BYTES:
            blocked = self._send_due()
            if self._held_bytes + cost > HELD_BYTES:
                yield self._want(blocked, event=self._descriptor.gone)
                self._check_open()
        heappush(self._held, (due, next(self._order), whole, addr, source))
        self._held_bytes += cost
        if self._held[0][0] == due:
            self._descriptor.wake_reader()  # the flow that waits to receive must learn the new moment
        return size

    def _send_back(self, response: Buffer, head: tuple[Any, ...]) -> None:  # noqa: ARG002
        raise BlockingIOError  # `send_flow` decides when it leaves, and may have to wait

    def flush(self) -> Flow[None]:
        """Flow: wait until every kept datagram has been sent."""
        while self._held:
            self._check_open()
            blocked = self._send_due()
            if self._held:
                yield self._want(blocked, event=self._descriptor.gone)

    def drain(self, stop: Event, seconds: float | None) -> Flow[None]:
        """Flow: `flush`, for so many seconds at most (None: for ever), or until `stop` says to cut."""
        ends = [] if seconds is None else [sleep_until(self._session.clock() + seconds)]
        yield from race(self.flush(), cutting(stop).wait(), *ends)

    def _send_due(self) -> bool:
        """Send the datagrams that are due, up to the limit of a turn. Returns whether the socket is full
        now."""
        for _ in range(OPERATIONS_PER_TURN):
            if not self._held or self._held[0][0] > self._session.clock():
                return False
            _, _, data, addr, source = self._held[0]
            try:
                self._transmit(data, addr, source)
            except BlockingIOError:
                return True
            except OSError as error:
                log.debug("%s: a late datagram cannot be sent: %s", addr or self._peer, error)
            heappop(self._held)
            self._held_bytes -= len(data) + HELD_OVERHEAD
        return False

    def _want(self, blocked: bool, *, read: Descriptor | None = None, event: Event | None = None) -> Want:
        if not self._held:
            return Want(read=read, event=event)
        if not blocked:
            return Want(read=read, event=event, until=self._held[0][0])
        if self._descriptor.writer is None:
            return Want(read=read, write=self._descriptor, event=event)
        return Want(
            read=read, event=event, until=self._session.clock() + QUANTUM
        )  # another flow waits to write
