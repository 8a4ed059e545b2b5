"""How long a handler may take before it begins its response: `ServerConfig.handler_timeout`."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.http.errors import HttpError
from netkit.io import Event, race, sleep_until

if TYPE_CHECKING:
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow


def in_time(handling: Flow[None], exchange: Exchange, timeout: float) -> Flow[None]:
    """Flow: `handling`, which has to begin the response of `exchange` within `timeout` seconds.

    Raises HttpError.Timeout, of the fault `local`.
    """

    def watching() -> Flow[None]:
        yield from sleep_until(monotonic() + timeout)
        if exchange.status is not None:
            yield from Event().wait()  # it has: the rest may take its time

    won = yield from race(handling, watching())
    if won.index == 1:
        exchange.refused = HttpError.Timeout(timeout, "waiting for the handler", fault="local")
        raise exchange.refused
