"""How much a peer may send on one connection. Each limit has a name, which its error says."""

from __future__ import annotations

from typing import ClassVar

from netkit._value import Value, assign
from netkit.websocket.errors import WebSocketError
from netkit.websocket.reader import (
    DEFAULT_MAX_EMPTY_FRAGMENTS,
    DEFAULT_MAX_FRAGMENTS,
    DEFAULT_MAX_FRAME,
    DEFAULT_MAX_MESSAGE,
    MAX_LIMIT,
)


class WebSocketLimits(Value):
    """The limits of one connection, all of them inclusive.

    `max_frame`, `max_message`: octets of a frame's payload, and of a message, also when it is inflated.
    `max_fragments`, `max_empty_fragments`: frames of a message, and those of them that carry nothing.
    `max_pings`: pings that come one after another while no octet that answers them is taken; those that come
    in one piece of octets, with none before that waits, are not counted.
    `max_ratio`: octets of an inflated message of more than a mebibyte for each compressed one; None is no
    limit. zlib makes up to 1032.
    `high_water`: from this many octets to send on, `is_congested` says that sending should wait.

    Raises WebSocketError.InvalidValue for a number that is not from 0 to 2**62.
    """

    __slots__ = (
        "high_water",
        "max_empty_fragments",
        "max_fragments",
        "max_frame",
        "max_message",
        "max_pings",
        "max_ratio",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (
        "max_frame",
        "max_message",
        "max_fragments",
        "max_empty_fragments",
        "max_pings",
        "max_ratio",
        "high_water",
    )

    max_frame: int
    max_message: int
    max_fragments: int
    max_empty_fragments: int
    max_pings: int
    max_ratio: int | None
    high_water: int

    def __init__(
        self,
        max_frame: int = DEFAULT_MAX_FRAME,
        max_message: int = DEFAULT_MAX_MESSAGE,
        max_fragments: int = DEFAULT_MAX_FRAGMENTS,
        max_empty_fragments: int = DEFAULT_MAX_EMPTY_FRAGMENTS,
        max_pings: int = 1000,
        max_ratio: int | None = None,
        high_water: int = 1 << 20,
    ) -> None:
        given = (max_frame, max_message, max_fragments, max_empty_fragments, max_pings, max_ratio, high_water)
        for name, value in zip(self.__match_args__, given, strict=True):
            if value is not None and not 0 <= value <= MAX_LIMIT:
                raise WebSocketError.InvalidValue(name, f"{value} is not 0 to 2**62", MAX_LIMIT)
            assign(self, name, value)


DEFAULT_LIMITS = WebSocketLimits()
