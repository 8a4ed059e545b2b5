"""How much of everything a peer may send on one connection of HTTP, version 1.1 or 2.

Each limit has a name, and the error that it raises says the name. The counts of frames that do no work are
counts *in a burst*: a frame that does work (a request, body octets that are not empty) pays some of them
back, so that a long connection is not ended for what it did over hours.
"""

from __future__ import annotations

from typing import ClassVar

from netkit._value import Value, assign
from netkit.http.errors import HttpError

#: RFC 9113 section 6.9.1: the largest window.
LARGEST_WINDOW = 2**31 - 1

#: Each limit with its smallest and its largest value.
_RANGES: dict[str, tuple[int, int]] = {
    "max_header_list": (1024, 2**24),
    "max_header_count": (1, 65536),
    "max_start_line": (64, 2**24),
    "max_concurrent_streams": (1, 2**31 - 1),
    "stream_window": (1, LARGEST_WINDOW),
    "connection_window": (65535, LARGEST_WINDOW),
    "max_interim": (0, 1000),
    "max_resets": (1, 1_000_000),
    "max_settings": (1, 1_000_000),
    "max_pings": (1, 1_000_000),
    "max_empty_frames": (1, 1_000_000),
    "max_continuations": (0, 1_000_000),
}


class ConnectionLimits(Value):
    """The limits of one connection.

    `max_header_list`: octets of a message's fields (RFC 9113 section 10.5.1; in HTTP/1.1 of header lines).
    `max_header_count`: fields of a message, and again as many trailers.
    `max_start_line`: octets of a request line or a status line (HTTP/1.1).
    `max_concurrent_streams`: streams that the peer may have open at once (HTTP/2).
    `stream_window`, `connection_window`: octets of bodies that the peer may send before the application has
    taken any, on one stream and on all (HTTP/2).
    `max_interim`: 1xx responses to one request.
    `max_resets`: streams that end by a reset after work for them has begun, whichever side sends the reset
    (CVE-2023-44487, CVE-2025-8671).
    `max_settings`, `max_pings`, `max_empty_frames`: frames of HTTP/2 that cost work and carry nothing:
    SETTINGS, PING, and DATA, HEADERS fragments, PRIORITY or WINDOW_UPDATE without effect (CVE-2019-9511 to
    9518).
    `max_continuations`: CONTINUATION frames of one header block (CVE-2024-27316).

    Raises HttpError.InvalidValue for a number out of range.
    """

    __slots__ = tuple(_RANGES)
    __match_args__: ClassVar[tuple[str, ...]] = tuple(_RANGES)

    max_header_list: int
    max_header_count: int
    max_start_line: int
    max_concurrent_streams: int
    stream_window: int
    connection_window: int
    max_interim: int
    max_resets: int
    max_settings: int
    max_pings: int
    max_empty_frames: int
    max_continuations: int

    def __init__(
        self,
        max_header_list: int = 65536,
        max_header_count: int = 128,
        max_start_line: int = 8192,
        max_concurrent_streams: int = 100,
        stream_window: int = 1 << 20,
        connection_window: int = 1 << 22,
        max_interim: int = 16,
        max_resets: int = 200,
        max_settings: int = 100,
        max_pings: int = 100,
        max_empty_frames: int = 100,
        max_continuations: int = 8,
    ) -> None:
        given = (
            max_header_list,
            max_header_count,
            max_start_line,
            max_concurrent_streams,
            stream_window,
            connection_window,
            max_interim,
            max_resets,
            max_settings,
            max_pings,
            max_empty_frames,
            max_continuations,
        )
        for (name, (least, most)), value in zip(_RANGES.items(), given, strict=True):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} is an int, not {type(value).__name__}")
            if not least <= value <= most:
                raise HttpError.InvalidValue(name, f"{value} is not {least} to {most}", limit=most)
            assign(self, name, value)


#: What a connection keeps to unless it is given others.
DEFAULT_LIMITS = ConnectionLimits()
