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
    won = yield from race(handling, late_flow(exchange, monotonic() + timeout))
    if won.index == 1:
        raise too_late(exchange, timeout)


def late_flow(exchange: Exchange, moment: float) -> Flow[None]:
    """Flow: until the response should have begun, and has not."""
    yield from sleep_until(moment)
    if exchange.status is not None:
        yield from Event().wait()  # it has: the rest may take its time


def too_late(exchange: Exchange, timeout: float | None) -> HttpError:
    """The error of an exchange whose handler took too long."""
    exchange.refused = error = HttpError.Timeout(timeout, "waiting for the handler", fault="local")
    return error
