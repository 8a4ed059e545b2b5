"""Heads that are too much: many fields, long fields, many interim responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.inspector.endpoint import Group
from netkit.http.inspector.faults.raw import OK, raw_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.http.inspector.call import Call

GROUP = Group("Floods", "Each is bounded by the settings of this server.")

_END = b"Content-Length: 2\r\n\r\nOK"
#: Octets in one piece of what is long.
_PIECE = 65_536


def _many(call: Call) -> Iterator[bytes]:
    yield OK
    for number in range(call.count(1000)):
        yield b"X-Flood-%d: value\r\n" % number
    yield _END


raw_fault(
    GROUP,
    "/flood/fields",
    "a head with `count` fields",
    "no limit for the number of fields",
    _many,
    arguments={"count": "1000 without it"},
)


def _long(call: Call) -> Iterator[bytes]:
    yield OK + b"X-Flood: "
    yield b"v" * call.size(100 << 10)
    yield b"\r\n" + _END


raw_fault(
    GROUP,
    "/flood/field",
    "a head with one field of `size` octets",
    "no limit for the length of a line",
    _long,
    arguments={"size": "102400 without it"},
)


def _long_name(call: Call) -> Iterator[bytes]:
    yield OK
    yield b"X-" + b"n" * call.size(100 << 10)
    yield b": value\r\n" + _END


raw_fault(
    GROUP,
    "/flood/name",
    "a field whose name has `size` octets",
    "no limit for the length of a name",
    _long_name,
    arguments={"size": "102400 without it"},
)


def _reason(call: Call) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 "
    yield b"r" * call.size(100 << 10)
    yield b"\r\n" + _END


raw_fault(
    GROUP,
    "/flood/reason",
    "a status line of `size` octets",
    "no limit for the status line",
    _reason,
    arguments={"size": "102400 without it"},
)


def _endless_head(call: Call) -> Iterator[bytes]:
    yield OK + b"X-Flood: "
    for _ in range(0, call.config.max_endless, _PIECE):
        yield b"v" * _PIECE


raw_fault(
    GROUP,
    "/flood/head",
    "a head that does not end; the server gives up after the limit of its settings",
    "a head that is read into memory without a limit",
    _endless_head,
)


def _interim(call: Call) -> Iterator[bytes]:
    for _ in range(call.count(1000)):
        yield b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
    yield OK + _END


raw_fault(
    GROUP,
    "/flood/interim",
    "`count` times 103, then the response",
    "no limit for interim responses",
    _interim,
    arguments={"count": "1000 without it"},
)


def _cookies(call: Call) -> Iterator[bytes]:
    yield OK
    for number in range(call.count(1000)):
        yield b"Set-Cookie: c%d=%b\r\n" % (number, b"v" * 64)
    yield _END


raw_fault(
    GROUP,
    "/flood/cookies",
    "`count` cookies of 64 octets",
    "no limit for the cookies of a host: the next request is too large for any server",
    _cookies,
    arguments={"count": "1000 without it"},
)
