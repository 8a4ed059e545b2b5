"""`send_notify`: a notification over UDP, and again until it is answered (RFC 1996 section 3.6).

Only a message with the ID, the opcode and the question of the notification, from where it was sent to, is the
answer; with a key it must be signed with it. A server that is silent, or not there, is told again after
pauses that double.
"""

from __future__ import annotations

from time import monotonic, time
from typing import TYPE_CHECKING, TypedDict

from netkit._log import Log
from netkit.dns.authority.notify import Notified, make_notification, notify_answer
from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.exchange import random_bits
from netkit.dns.messages.message import Question
from netkit.dns.policy.upstream import Transport, Upstream
from netkit.dns.tsig.guard import Guard
from netkit.io import (
    OPERATIONS_PER_TURN,
    PAUSE,
    DeadlineExceeded,
    Event,
    before,
    deadline_after,
    nursery,
    race,
    run,
    run_async,
    sleep_until,
)
from netkit.net.udp import UdpSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Unpack

    from netkit.addr import SocketAddr
    from netkit.dns.constants import Rcode
    from netkit.dns.messages.message import Message
    from netkit.dns.name import Name
    from netkit.dns.policy.upstream import UpstreamLike
    from netkit.dns.records.soa import SOA
    from netkit.dns.tsig.keys import TsigKey
    from netkit.dns.zones.zone import Zone
    from netkit.io import CancellationToken, Flow, Nursery

    class NotifyOptions(TypedDict, total=False):
        """The settings of `send_notify_flow` that have defaults."""

        soa: SOA | None
        rdclass: int
        key: TsigKey | None
        source: SocketAddr | None
        tries: int
        first_wait: float


log = Log("netkit.dns.authority")

#: How often one is sent, and how many seconds the first answer is waited for; each later one twice as long.
TRIES, FIRST_WAIT = 5, 2.0


def send_notify(
    zone: Name | str,
    server: UpstreamLike,
    *,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
    **options: Unpack[NotifyOptions],
) -> Notified:
    """Tell a server that a zone has changed, and wait for its answer.

    `soa` is the newest one, which is told as a hint (RFC 1996 section 3.7). It is sent up to `tries` times:
    the first answer is waited for `first_wait` seconds, each next one twice as long. `key` signs it, and the
    answer must be signed then. That nobody answers is in the result, and not raised.

    `server` is an address, with a port if it is not 53. Raises DnsError.InvalidName, DnsError.InvalidValue,
    AddrParseError; DeadlineExceeded after `timeout`.
    """
    return run(send_notify_flow(zone, server, **options), deadline=deadline_after(timeout), cancel=cancel)


async def send_notify_async(
    zone: Name | str,
    server: UpstreamLike,
    *,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
    **options: Unpack[NotifyOptions],
) -> Notified:
    """Tell a server that a zone has changed, and wait for its answer; see `send_notify`."""
    flow = send_notify_flow(zone, server, **options)
    return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)


def send_notify_flow(
    zone: Name | str,
    server: UpstreamLike,
    *,
    soa: SOA | None = None,
    rdclass: int = DnsClass.IN,
    key: TsigKey | None = None,
    source: SocketAddr | None = None,
    tries: int = TRIES,
    first_wait: float = FIRST_WAIT,
    clock: Callable[[], float] = time,
) -> Flow[Notified]:
    """Flow: see `send_notify`. `clock` gives seconds since 1970, for signatures."""
    question = Question(zone, DnsRecordType.SOA, rdclass)
    addr = address_of(server)
    serial = None if soa is None else soa.serial
    begun = monotonic()
    wait = first_wait
    error: DnsError | None = None
    for attempt in range(1, tries + 1):
        query = make_notification(question, random_bits(16), soa)
        guard = None if key is None else Guard(query.to_wire(), key, clock)
        until = monotonic() + wait
        try:
            rcode = yield from before(until, _told(addr, query, guard, source))
        except DeadlineExceeded:
            error = DnsError.Timeout(wait, attempt)
        except OSError as caught:
            error = DnsError.NetworkError.from_os_error(caught)
            if attempt < tries:  # it may not have begun yet: RFC 1996 section 3.6 has it tried again
                yield from sleep_until(until)
        else:
            return Notified(question.name, addr, serial, rcode, None, attempt, monotonic() - begun)
        wait *= 2
    if error is not None:
        error.name, error.rdtype, error.server = question.name, question.rdtype, addr
    return Notified(question.name, addr, serial, None, error, tries, monotonic() - begun)


def _told(addr: SocketAddr, query: Message, guard: Guard | None, source: SocketAddr | None) -> Flow[Rcode]:
    """Flow: send a notification, and return the response code of its answer. Raises OSError."""
    with UdpSocket.connected(addr, source=source) as sock:
        yield from sock.send_flow(query.to_wire() if guard is None else guard.wire)
        turn = 0
        while True:
            wire, _ = yield from sock.receive_flow()
            rcode = notify_answer(query, wire)
            if rcode is not None and (guard is None or guard.objection(wire) is None):
                return rcode
            turn += 1
            if turn % OPERATIONS_PER_TURN == 0:
                yield PAUSE


def address_of(server: UpstreamLike) -> SocketAddr:
    """The address of who is notified. Raises DnsError.InvalidValue and AddrParseError."""
    upstream = Upstream.of(server)
    if upstream.addr is None or upstream.transport is not Transport.UDP:
        raise DnsError.InvalidValue("server", str(upstream), "is notified over UDP: an address, and a port")
    return upstream.addr


class Notifier:
    """Tells `targets` of each zone that has become newer, side by side, while a server serves.

    `key` signs what is told. `on_notified`, if it is set, is called with what came of each. A zone that
    becomes newer again while a target is still told of it is told anew: the earlier one is given up. `delay`
    is how many seconds pass before anything is told: a server of several processes has to be new in all.
    """

    def __init__(self, targets: Iterable[SocketAddr], key: TsigKey | None = None, delay: float = 0.0) -> None:
        self.targets = tuple(targets)
        self.key = key
        self.delay = delay
        self.on_notified: Callable[[Notified], object] | None = None
        self._due: dict[tuple[Name, DnsClass], Zone] = {}
        self._changed = Event()
        self._current: dict[tuple[Name, SocketAddr], Event] = {}

    def changed(self, zones: Iterable[Zone]) -> None:
        """These zones are newer than they were."""
        self._due.update({(zone.origin, zone.rdclass): zone for zone in zones})
        if self._due:
            self._changed.set()

    def serve(self, stop: Event) -> Flow[None]:
        """Flow: tell what is to be told, until `stop` is set."""
        yield from race(nursery(self._telling), stop.wait())

    def _telling(self, crew: Nursery) -> Flow[None]:
        while True:
            yield from self._changed.wait()
            yield from sleep_until(monotonic() + self.delay)
            self._changed.clear()
            due, self._due = self._due, {}
            for zone in due.values():
                for target in self.targets:
                    crew.start(self._tell(zone, target))

    def _tell(self, zone: Zone, target: SocketAddr) -> Flow[None]:
        before = self._current.get((zone.origin, target))
        if before is not None:
            before.set()
        superseded = self._current[zone.origin, target] = Event()
        telling: Flow[Notified | None] = send_notify_flow(
            zone.origin, target, soa=zone.soa, rdclass=zone.rdclass, key=self.key
        )
        outcome = (yield from race(telling, superseded.wait())).value
        if self._current.get((zone.origin, target)) is superseded:
            del self._current[zone.origin, target]
        if outcome is not None:
            log.debug("%s", outcome)
            if self.on_notified is not None:
                self.on_notified(outcome)
