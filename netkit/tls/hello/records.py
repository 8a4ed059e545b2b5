"""Records in the clear: the header, the fragment, and alerts (RFC 8446 sections 5.1 and 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit.tls.alerts import alert_name
from netkit.tls.hello.codes import ContentType, ProtocolVersion
from netkit.tls.hello.errors import MessageTooLong, PlainProtocol
from netkit.tls.hello.fields import Fields
from netkit.tls.hello.octets import vector

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The longest fragment of a record in the clear, in octets.
MAX_FRAGMENT: Final = 1 << 14
#: How much longer a record may be once it is encrypted (RFC 5246 section 6.2.3; TLS 1.3 allows 256).
MAX_EXPANSION: Final = 2048
#: The octets of a record's type, version and length.
RECORD_HEADER_SIZE: Final = 5

CHANGE_CIPHER_SPEC: Final = ContentType(20)
ALERT: Final = ContentType(21)
HANDSHAKE: Final = ContentType(22)
APPLICATION_DATA: Final = ContentType(23)

WARNING: Final = 1
FATAL: Final = 2


class Record(Fields):
    """One record. TLS ignores its `version` (RFC 8446 section 5.1); peers differ in what they write."""

    content_type: ContentType
    version: ProtocolVersion
    fragment: bytes

    def to_bytes(self) -> bytes:
        """The record on the wire. Raises ValueError for a fragment over 65535 octets."""
        return self.content_type.octets + self.version.octets + vector(2, self.fragment, "a fragment")


class Alert(Fields):
    """An alert in the clear (RFC 8446 section 6)."""

    level: int
    description: int

    @classmethod
    def fatal(cls, description: int) -> Alert:
        """An alert that ends the connection."""
        return cls(FATAL, description)

    @property
    def name(self) -> str:
        """The RFC's name of it."""
        return alert_name(self.description)

    @property
    def is_fatal(self) -> bool:
        """Whether it ends the connection. In TLS 1.3 most alerts do, whatever their level says."""
        return self.level == FATAL

    def to_record(self, version: int = 0x0303) -> bytes:
        """The record with it."""
        return Record(ALERT, ProtocolVersion(version), bytes((self.level, self.description))).to_bytes()


def to_records(message: bytes, *, version: int = 0x0303, fragment: int = MAX_FRAGMENT) -> bytes:
    """The records that carry a handshake message, in fragments of up to `fragment` octets.

    The record of a client's first hello has the version 0x0301 (RFC 8446 section 5.1).
    """
    if not 1 <= fragment <= MAX_FRAGMENT:
        raise ValueError(f"a fragment has 1 to {MAX_FRAGMENT} octets, not {fragment}")
    said = ProtocolVersion(version)
    pieces = [message[start : start + fragment] for start in range(0, len(message), fragment)]
    return b"".join([Record(HANDSHAKE, said, piece).to_bytes() for piece in pieces])


class RecordReader:
    """Splits a stream of octets into records, and keeps what is no whole record yet."""

    __slots__ = ("_buffer", "consumed")

    def __init__(self) -> None:
        self._buffer = bytearray()
        #: How many octets the records had that were given out.
        self.consumed = 0

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take what came."""
        self._buffer += data

    def records(self) -> Iterator[Record]:
        """Every whole record that is there.

        Raises PlainProtocol if no record can begin like this, MessageTooLong if one is over its limit.
        """
        while (record := self.next()) is not None:
            yield record

    def next(self) -> Record | None:
        """The next record, None if it is not whole yet. Errors as `records`."""
        buffer = self._buffer
        if len(buffer) < RECORD_HEADER_SIZE:
            return None
        if not begins_record(buffer):
            raise PlainProtocol(bytes(buffer[:64]), protocol_of(buffer))
        length = buffer[3] << 8 | buffer[4]
        if length > MAX_FRAGMENT + MAX_EXPANSION:
            raise MessageTooLong(f"a record of {length} octets", MAX_FRAGMENT + MAX_EXPANSION)
        end = RECORD_HEADER_SIZE + length
        if len(buffer) < end:
            return None
        record = Record(
            ContentType(buffer[0]),
            ProtocolVersion(buffer[1] << 8 | buffer[2]),
            bytes(buffer[RECORD_HEADER_SIZE:end]),
        )
        del buffer[:end]
        self.consumed += end
        return record

    @property
    def left(self) -> bytes:
        """What was fed and belongs to no whole record yet."""
        return bytes(self._buffer)


def begins_record(data: bytes | bytearray) -> bool:
    """Whether `data` begins like a record: a content type, and the major version 3."""
    return bool(data) and 20 <= data[0] <= 24 and (len(data) < 2 or data[1] == 3)


# How other protocols begin. RFC 9112 section 3 for HTTP; its methods are followed by a space.
_BEGINNINGS: Final = (
    (b"SSH-", "SSH"),
    (b"PROXY", "PROXY protocol"),
    (b"\r\n\r\n\x00", "PROXY protocol"),
    (b"HTTP/", "HTTP"),
    (b"PRI *", "HTTP"),
    (b"\x05\x01", "SOCKS 5"),
    (b"\x05\x02", "SOCKS 5"),
    (b"\x04\x01", "SOCKS 4"),
    (b"EHLO ", "SMTP"),
    (b"HELO ", "SMTP"),
    (b"\x03\x00\x00", "RDP"),
)
_METHODS: Final = (
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
)


def protocol_of(data: bytes | bytearray) -> str | None:
    """The name of the protocol, other than TLS, that begins like this; None if that does not tell."""
    for beginning, name in _BEGINNINGS:
        if data.startswith(beginning):
            return name
    if any(data.startswith(method[: max(1, len(data))]) for method in _METHODS) and len(data) >= 3:
        return "HTTP"
    # RFC 6101 appendix E: the length with its high bit, the type 1, the version.
    if (
        len(data) >= 4
        and data[0] & 0x80
        and data[2] == 1
        and (data[3] == 3 or bytes(data[3:5]) == b"\x00\x02")
    ):
        return "SSLv2"
    return None
