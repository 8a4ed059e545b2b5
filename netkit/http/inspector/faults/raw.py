"""Responses written octet by octet, past everything that keeps a server to the rules."""

from __future__ import annotations

from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING

from netkit.errors import NetkitError
from netkit.io import OPERATIONS_PER_TURN, PAUSE, before
from netkit.serve.farewell import reset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from netkit.http.inspector.call import Call
    from netkit.http.inspector.endpoint import Group
    from netkit.io import Flow

#: The beginning of a head that is right.
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


class Ending(Enum):
    """What becomes of the connection after the last octet."""

    #: It is closed, as it should be.
    CLOSE = "close"
    #: It stays open until the client closes it or sends more: to see whether it is used again.
    STAY = "stay"
    #: It is reset.
    RESET = "reset"


def raw_flow(
    call: Call, pieces: Iterable[bytes], ending: Ending = Ending.CLOSE, *, pause: float = 0
) -> Flow[None]:
    """Flow: send these octets in place of a response, with `pause` seconds between two pieces."""
    yield from call.body_flow()
    exchange = call.exchange
    stream = yield from exchange.take_over_flow()
    exchange.note = f"octets of {call.endpoint.path}"
    for number, piece in enumerate(pieces, 1):
        yield from stream.write_all_flow(piece)
        exchange.sent += len(piece)
        if number % OPERATIONS_PER_TURN == 0:
            yield PAUSE
        if pause:
            yield from call.wait_flow(pause)
    if ending is Ending.RESET:
        reset(stream)
        return
    if ending is Ending.STAY:
        try:
            yield from before(monotonic() + call.config.max_delay, stream.fill(1), "waiting for the client")
        except (OSError, EOFError, NetkitError):
            pass


def raw_fault(
    group: Group,
    path: str,
    what: str,
    finds: str,
    octets: bytes | Callable[[Call], Iterator[bytes]],
    ending: Ending = Ending.CLOSE,
    *,
    arguments: dict[str, str] | None = None,
) -> None:
    """Add an endpoint that sends these octets, or those that the function gives for a call."""

    @group.add(path, what, finds=finds, is_raw=True, arguments=arguments)
    def answer(call: Call) -> Flow[None]:
        yield from raw_flow(call, [octets] if isinstance(octets, bytes) else octets(call), ending)
