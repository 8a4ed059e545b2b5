"""Parts of python-hyper's form of HTTP/2: a stream, the decoder of header lists, frames on their way out.

RFC 9113 section 8.2, RFC 7541. They know of no connection; `h2_hyper` puts them together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpack import Decoder, HPACKError, NeverIndexedHeaderTuple

from netkit.http.connection import h2_faults, h2_rules
from netkit.http.connection.meter import HEADER_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.http.connection.events import FieldList
    from netkit.http.connection.limits import ConnectionLimits

#: Fields that a compressor must not remember (RFC 7541 section 7.1.3).
_SECRETS = frozenset((b"authorization", b"proxy-authorization"))


class HyperDecoder(Decoder):
    """Keeps each header list from python-hyper's checks: what it is given says nothing of a length."""

    def __init__(self, limits: ConnectionLimits) -> None:
        super().__init__(max_header_list_size=limits.max_header_list)
        self.items: FieldList = []
        #: The list is of a stream that is gone, on which the library takes no 1xx response.
        self.is_late = False

    def decode(self, data: bytes, raw: bool = False) -> Iterable[tuple[bytes, bytes]]:  # type: ignore[override]
        items = [(bytes(name), bytes(value)) for name, value in super().decode(data, raw)]
        if not all(h2_rules.is_field(name, value) for name, value in items):
            raise HPACKError("an octet that cannot stand in a field")
        self.items = items
        if self.is_late:
            return [(b":status", b"200")]
        return [item for item in items if item[0] != b"content-length"]


class HyperStream:
    """A stream that is under way, or whose octets are still to be credited."""

    __slots__ = (
        "credit",
        "expected",
        "has_head",
        "interim",
        "is_answered",
        "is_head",
        "is_open",
        "is_receiving",
        "is_sending",
        "received",
    )

    def __init__(self, *, is_head: bool, is_sending: bool) -> None:
        #: A request with the method HEAD: the response has no body, whatever its fields say.
        self.is_head = is_head
        self.is_open = self.is_receiving = True
        self.is_sending = is_sending
        #: The head was received, and the head was sent.
        self.has_head = self.is_answered = False
        self.credit = self.received = self.interim = 0
        self.expected: int | None = None


def whole_frames(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """The frames in what the library sends: type, flags, stream, and the frame itself."""
    at = 0
    while at < len(data):
        end = at + HEADER_SIZE + int.from_bytes(data[at : at + 3], "big")
        yield data[at + 3], data[at + 4], int.from_bytes(data[at + 5 : at + 9], "big"), data[at:end]
        at = end


def sendable(fields: Iterable[tuple[bytes, bytes]], length: int | None = None) -> FieldList:
    """Fields as the library takes them, with a length where they have none.

    Raises HttpError.InvalidValue for what is no field, and `Malformed` for one of HTTP/1.1's connections.
    """
    try:
        items = h2_rules.sendable_fields(fields)
    except ValueError as error:
        raise h2_faults.invalid_value(str(error)) from None
    if length is not None and not any(name == b"content-length" for name, _ in items):
        items.append((b"content-length", str(length).encode()))
    return [NeverIndexedHeaderTuple(*item) if item[0] in _SECRETS else item for item in items]
