"""Zone transfers: AXFR (RFC 5936) and IXFR (RFC 1995), over TCP and TLS (RFC 9103), signed with TSIG.

    zone = fetch_zone("example.org", "192.0.2.53")                      # the whole zone
    zone = refresh_zone(zone, "tls://192.0.2.53#ns.example", key=key)   # what has changed since

    with ZoneTransfer("example.org", "192.0.2.53") as transfer:         # record by record, of any size
        for part, record in transfer.records():
            ...

`reader` checks each message as it comes, without I/O; `transfer` is the dialogue; `fetching` makes zones of
it; `differences` finds what is between two versions of a zone, and applies it; `query` makes the queries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.dns.transfers.differences import Difference as Difference
    from netkit.dns.transfers.errors import TransferError as TransferError
    from netkit.dns.transfers.fetching import (
        fetch_zone as fetch_zone,
        fetch_zone_async as fetch_zone_async,
        refresh_zone as refresh_zone,
        refresh_zone_async as refresh_zone_async,
    )
    from netkit.dns.transfers.reader import (
        Part as Part,
        Sent as Sent,
        TransferKind as TransferKind,
        TransferLimits as TransferLimits,
        TransferReader as TransferReader,
    )
    from netkit.dns.transfers.transfer import ZoneTransfer as ZoneTransfer

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "differences": "Difference",
        "errors": "TransferError",
        "fetching": "fetch_zone fetch_zone_async refresh_zone refresh_zone_async",
        "reader": "Part Sent TransferKind TransferLimits TransferReader",
        "transfer": "ZoneTransfer",
    },
)
