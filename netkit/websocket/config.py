"""The settings of a WebSocket connection: how long it waits, how it shows that it is alive, what it offers.

A value that never changes; `replace` returns a new one. All times are in seconds, None for no limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from netkit._value import Value, assign
from netkit.websocket.deflate_offer import DeflateConfig
from netkit.websocket.errors import WebSocketError
from netkit.websocket.limits import DEFAULT_LIMITS, WebSocketLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Times longer than this (a year) are refused: they are milliseconds, or a mistake.
MAX_TIME = 366 * 86400.0


class WebSocketConfig(Value):
    """The settings of a connection, for both sides.

    `ping_interval`: a ping is sent after so long without an octet of the peer, None for never.
    `ping_timeout`: how long the peer may send nothing after it; then the connection ends with 1011.
    `close_timeout`: how long the closing handshake may take. `write_timeout`: how long a wait for a peer that
    takes nothing may take. `max_queue`: messages that are kept while something else is waited for (the
    answer to a ping); with so many, no more is read. `message_timeout`: how long a message may be under way,
    from its first octet to its last; then the connection ends with 1008. `subprotocols`: those that are
    offered, or spoken, the best first. `deflate`: how messages are compressed where the peer agrees, None for
    not.
    `limits`: how much the peer may send. Raises WebSocketError.InvalidValue for an impossible setting.
    """

    __slots__ = (
        "close_timeout",
        "deflate",
        "limits",
        "max_queue",
        "message_timeout",
        "ping_interval",
        "ping_timeout",
        "subprotocols",
        "write_timeout",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (
        "ping_interval",
        "ping_timeout",
        "close_timeout",
        "write_timeout",
        "max_queue",
        "subprotocols",
        "deflate",
        "limits",
        "message_timeout",
    )

    ping_interval: float | None
    ping_timeout: float | None
    close_timeout: float
    write_timeout: float | None
    max_queue: int
    subprotocols: tuple[str, ...]
    deflate: DeflateConfig | None
    limits: WebSocketLimits
    message_timeout: float | None

    def __init__(
        self,
        ping_interval: float | None = 20.0,
        ping_timeout: float | None = 20.0,
        close_timeout: float = 10.0,
        write_timeout: float | None = 60.0,
        max_queue: int = 64,
        subprotocols: Sequence[str] = (),
        deflate: DeflateConfig | None = None,
        limits: WebSocketLimits = DEFAULT_LIMITS,
        message_timeout: float | None = 300.0,
    ) -> None:
        for name, value in (
            ("ping_interval", ping_interval),
            ("ping_timeout", ping_timeout),
            ("close_timeout", close_timeout),
            ("write_timeout", write_timeout),
            ("message_timeout", message_timeout),
        ):
            if value is not None and not 0 < value <= MAX_TIME:
                raise WebSocketError.InvalidValue(
                    name, f"{value:g} is not more than 0 to {MAX_TIME:g} seconds"
                )
            assign(self, name, value)
        if not 1 <= max_queue <= 1_000_000:
            raise WebSocketError.InvalidValue("max_queue", f"{max_queue} is not 1 to 1000000")
        if isinstance(subprotocols, str):
            raise TypeError("subprotocols are a list of names, not one text")
        assign(self, "max_queue", max_queue)
        assign(self, "subprotocols", tuple(subprotocols))
        assign(self, "deflate", deflate)
        assign(self, "limits", limits)


#: What a connection keeps to unless it is given others: with compression, where the peer offers or takes it.
DEFAULT_CONFIG = WebSocketConfig(deflate=DeflateConfig())
