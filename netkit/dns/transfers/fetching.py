"""Zones from servers: `fetch_zone` transfers a whole one, `refresh_zone` what has changed since.

Both give a zone when all of it has come and is right, or raise; nothing is half-used. A zone is checked as
one from a file is (`ZoneBuilder`), so that what a server sends is a zone, or TransferError.Unfit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from netkit.dns.errors import DnsError
from netkit.dns.serials import is_newer
from netkit.dns.transfers.differences import apply_differences, differences_of
from netkit.dns.transfers.errors import TransferError
from netkit.dns.transfers.reader import ZONE_LIMITS, Part, TransferKind
from netkit.dns.transfers.transfer import ZoneTransfer
from netkit.dns.zones.builder import ZoneBuilder
from netkit.io import deadline_after, run, run_async

if TYPE_CHECKING:
    from typing import Unpack

    from netkit.addr import SocketAddr
    from netkit.dns.edns import Edns
    from netkit.dns.name import Name
    from netkit.dns.policy.upstream import UpstreamLike
    from netkit.dns.transfers.reader import Sent, TransferLimits
    from netkit.dns.transports.streams import Connect
    from netkit.dns.tsig.keys import TsigKey
    from netkit.dns.zones.zone import Zone
    from netkit.io import CancellationToken, Flow
    from netkit.net.resolve import NameResolver
    from netkit.tls.config import TlsConfig

    class TransferOptions(TypedDict, total=False):
        """The settings of a `ZoneTransfer` that have defaults."""

        rdclass: int
        key: TsigKey | None
        try_udp: bool
        patience: float
        limits: TransferLimits
        edns: Edns | None
        source: SocketAddr | None
        tls: TlsConfig | None
        connect: Connect | None
        bootstrap: NameResolver | None


def fetch_zone(
    zone: Name | str,
    server: UpstreamLike,
    *,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
    **options: Unpack[TransferOptions],
) -> Zone:
    """The zone by this name, from a server that gives it away (AXFR). `timeout` seconds for all of it.

    `options` are those of `ZoneTransfer`. Raises what its `records` raises, and TransferError.Unfit.
    """
    return run(fetch_zone_flow(zone, server, **options), deadline=deadline_after(timeout), cancel=cancel)


async def fetch_zone_async(
    zone: Name | str,
    server: UpstreamLike,
    *,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
    **options: Unpack[TransferOptions],
) -> Zone:
    """The zone by this name, from a server that gives it away (AXFR). `timeout` seconds for all of it."""
    flow = fetch_zone_flow(zone, server, **options)
    return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)


def fetch_zone_flow(zone: Name | str, server: UpstreamLike, **options: Unpack[TransferOptions]) -> Flow[Zone]:
    """Flow: see `fetch_zone`."""
    options.setdefault("limits", ZONE_LIMITS)
    with ZoneTransfer(zone, server, **options) as transfer:
        builder = _Builder(transfer)
        while batch := (yield from transfer.next_flow()):
            builder.add(batch)
        return builder.finish()


def refresh_zone(
    zone: Zone,
    server: UpstreamLike,
    *,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
    **options: Unpack[TransferOptions],
) -> Zone:
    """The newest version of a zone, of which this one is older (IXFR). `timeout` seconds for all of it.

    `zone` itself comes back if the server has nothing newer. A server that has no differences gives the whole
    zone, and so does one whose differences do not fit this zone, whatever its serial is then. `options` are
    those of `ZoneTransfer`; IXFR is asked over UDP first (RFC 1995 section 2), unless `try_udp` is False.
    Raises as `fetch_zone`.
    """
    return run(refresh_zone_flow(zone, server, **options), deadline=deadline_after(timeout), cancel=cancel)


async def refresh_zone_async(
    zone: Zone,
    server: UpstreamLike,
    *,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
    **options: Unpack[TransferOptions],
) -> Zone:
    """The newest version of a zone, of which this one is older (IXFR). `timeout` seconds for all of it."""
    flow = refresh_zone_flow(zone, server, **options)
    return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)


def refresh_zone_flow(zone: Zone, server: UpstreamLike, **options: Unpack[TransferOptions]) -> Flow[Zone]:
    """Flow: see `refresh_zone`."""
    options.setdefault("limits", ZONE_LIMITS)
    options.setdefault("try_udp", True)
    options["rdclass"] = zone.rdclass
    try:
        with ZoneTransfer(zone.origin, server, serial=zone.soa.serial, **options) as transfer:
            builder = _Builder(transfer)
            changes: list[Sent] = []
            while batch := (yield from transfer.next_flow()):
                if transfer.kind is TransferKind.AXFR:
                    builder.add(changes + batch)
                    changes = []
                else:
                    changes += batch
            if transfer.kind is TransferKind.CURRENT:
                return zone
            if transfer.kind is TransferKind.AXFR:
                found = builder.finish()
                return found if is_newer(found.soa.serial, than=zone.soa.serial) else zone
            return apply_differences(zone, differences_of(changes))
    except TransferError.Unfit:
        return (yield from fetch_zone_flow(zone.origin, server, **options))


class _Builder:
    """Builds a zone of the records of a whole transfer."""

    def __init__(self, transfer: ZoneTransfer) -> None:
        self._transfer = transfer
        self._builder = ZoneBuilder(transfer.question.name)

    def add(self, batch: list[Sent]) -> None:
        try:
            for part, record in batch:
                if part is not Part.LAST:
                    self._builder.add(record)
        except DnsError.InvalidValue as error:
            raise self._unfit(error) from error

    def finish(self) -> Zone:
        try:
            return self._builder.finish()
        except DnsError.InvalidValue as error:
            raise self._unfit(error) from error

    def _unfit(self, error: DnsError.InvalidValue) -> TransferError.Unfit:
        transfer, asked = self._transfer, self._transfer.question
        reason = f"what came is no zone: {error.value}: {error.reason}"
        return TransferError.Unfit(
            reason, transfer.messages, name=asked.name, rdtype=asked.rdtype, server=transfer.server_addr,
            hint="the server gives away a zone that another server would not load",
        )  # fmt: skip
