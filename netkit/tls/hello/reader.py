"""Readers that are fed what comes from a peer: `HelloReader` for a server, `FlightReader` for a client.

Both bound what they keep, and take time in proportion to the octets, however few come at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from netkit.tls.errors import TlsError
from netkit.tls.hello.client_hello import ClientHello
from netkit.tls.hello.codes import HandshakeType
from netkit.tls.hello.errors import MalformedMessage, MessageTooLong, PlainProtocol, UnexpectedMessage
from netkit.tls.hello.framing import HEADER_SIZE, Handshake
from netkit.tls.hello.records import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    MAX_FRAGMENT,
    Alert,
    Record,
    RecordReader,
    begins_record,
    protocol_of,
)
from netkit.tls.hello.server_messages import ServerHello

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The longest ClientHello that is read, in octets of the message.
HELLO_LIMIT: Final = 65_536
#: The longest message of a server's flight: a chain of certificates.
MESSAGE_LIMIT: Final = 1 << 20
#: How many empty records there may be. RFC 8446 section 5.1 allows none; OpenSSL takes as many as these.
EMPTY_RECORD_LIMIT: Final = 32

_CLIENT_HELLO: Final = HandshakeType(1)
_SERVER_HELLO: Final = HandshakeType(2)
_TLS13: Final = 0x0304

#: What a `FlightReader` gives: a message, an alert, or a record that is neither.
Item: TypeAlias = "Handshake | Alert | Record"


class _Assembly:
    """Puts the fragments of handshake records together to messages."""

    __slots__ = ("_buffer", "_empty", "_limit")

    def __init__(self, limit: int) -> None:
        self._buffer = bytearray()
        self._empty = 0
        self._limit = limit

    def add(self, fragment: bytes) -> None:
        """Take one record's fragment. Raises MessageTooLong."""
        if not fragment:
            self._empty += 1
            if self._empty > EMPTY_RECORD_LIMIT:
                raise MessageTooLong("the number of empty records", EMPTY_RECORD_LIMIT)
        self._buffer += fragment

    def next(self) -> Handshake | None:
        """The next whole message. Raises MessageTooLong as soon as its length is known."""
        buffer = self._buffer
        if len(buffer) < HEADER_SIZE:
            return None
        kind = HandshakeType(buffer[0])
        size = HEADER_SIZE + int.from_bytes(buffer[1:HEADER_SIZE], "big")
        if size > self._limit:
            raise MessageTooLong(f"a {kind.name} message of {size} octets", self._limit)
        if len(buffer) < size:
            return None
        message = bytes(buffer[:size])
        del buffer[:size]
        return Handshake(kind, message)

    @property
    def first(self) -> int | None:
        """The type of the message that has begun."""
        return self._buffer[0] if self._buffer else None

    @property
    def is_empty(self) -> bool:
        """Whether no message has begun."""
        return not self._buffer


class HelloReader:
    """Reads a ClientHello from what a client sends first, and keeps every octet for the session that follows.

        reader = HelloReader()
        while (hello := reader.feed(receive())) is None:
            pass
        session.feed(reader.received)

    `limit` is the longest hello in octets, over any number of records. `lenient` is that of
    `ClientHello.parse`.
    """

    __slots__ = ("_assembly", "_lenient", "_received", "_records", "hello")

    def __init__(self, *, limit: int = HELLO_LIMIT, lenient: bool = False) -> None:
        self._records = RecordReader()
        self._assembly = _Assembly(limit)
        self._received = bytearray()
        self._lenient = lenient
        #: The hello, once it is whole.
        self.hello: ClientHello | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> ClientHello | None:
        """Take what came; the hello if it is whole, None if more is needed.

        Raises PlainProtocol if this is not TLS, TlsError.AlertReceived if the client sends an alert instead,
        UnexpectedMessage for another record or message, MessageTooLong over the limit, and MalformedMessage.
        """
        self._received += data
        if self.hello is not None:
            return self.hello
        self._records.feed(data)
        while (record := self._records.next()) is not None:
            hello = self._take(record)
            if hello is not None:
                self.hello = hello
                return hello
        return None

    def _take(self, record: Record) -> ClientHello | None:
        if record.content_type == ALERT and len(record.fragment) == 2:
            raise TlsError.AlertReceived(record.fragment[1])
        if record.content_type != HANDSHAKE:
            reason = f"a record of type {record.content_type.name} where a ClientHello should be"
            raise UnexpectedMessage(reason, self.received[:64])
        if len(record.fragment) > MAX_FRAGMENT:
            raise MessageTooLong(f"a record of {len(record.fragment)} octets", MAX_FRAGMENT)
        self._assembly.add(record.fragment)
        first = self._assembly.first
        if first is not None and first != _CLIENT_HELLO:
            name = HandshakeType(first).name
            raise UnexpectedMessage(f"a {name} message where a ClientHello should be", self.received[:64])
        message = self._assembly.next()
        if message is None:
            return None
        if not self._assembly.is_empty:
            raise UnexpectedMessage(
                "a message behind the ClientHello, which ends its record", self.received[:64]
            )
        return ClientHello.parse(message.message, lenient=self._lenient)

    def end(self) -> TlsError:
        """The error that it is if the client closes now, or never goes on: there is no whole hello."""
        received = self.received
        if received and not begins_record(self._received):
            return PlainProtocol(received[:64], protocol_of(self._received))
        if not received:
            return TlsError.Truncated("the client closed the connection without a ClientHello")
        return TlsError.Truncated("the client closed the connection in the middle of its ClientHello")

    @property
    def received(self) -> bytes:
        """Every octet that was fed, for the session."""
        return bytes(self._received)

    @property
    def consumed(self) -> int:
        """How many of the octets are records of the hello; the others came behind it."""
        return self._records.consumed

    @property
    def left(self) -> bytes:
        """What came behind the records of the hello."""
        return bytes(self._received[self._records.consumed :])


def _is_hello_of_tls13(message: Handshake) -> bool:
    """Whether a ChangeCipherSpec behind it means nothing."""
    if message.type != _SERVER_HELLO:
        return message.type == _CLIENT_HELLO
    try:
        return ServerHello.parse(message.message, lenient=True).version >= _TLS13
    except MalformedMessage:
        return False


class FlightReader:
    """Reads what a server answers in the clear: messages and alerts, as long as nothing is encrypted.

    `limit` is the longest message in octets. Encrypted records are given as they are. They begin with the
    first record of application data, and before TLS 1.3 with the ChangeCipherSpec; in TLS 1.3 that one means
    nothing (RFC 8446 appendix D.4).
    """

    __slots__ = ("_assembly", "_hellos_only", "_records", "encrypted")

    def __init__(self, *, limit: int = MESSAGE_LIMIT) -> None:
        self._records = RecordReader()
        self._assembly = _Assembly(limit)
        self._hellos_only = True  # so far: those of a client, and of a server with TLS 1.3
        #: Whether the records that come now are encrypted.
        self.encrypted = False

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Item]:
        """Take what came, and give everything that is whole now.

        It raises PlainProtocol, MessageTooLong and MalformedMessage, each after what came before it.
        """
        self._records.feed(data)
        return self._items()

    def _items(self) -> Iterator[Item]:
        for record in self._records.records():
            begins = (APPLICATION_DATA,) if self._hellos_only else (APPLICATION_DATA, CHANGE_CIPHER_SPEC)
            self.encrypted |= record.content_type in begins
            if self.encrypted or record.content_type not in (HANDSHAKE, ALERT):
                yield record
            elif len(record.fragment) > MAX_FRAGMENT:
                raise MessageTooLong(f"a record of {len(record.fragment)} octets", MAX_FRAGMENT)
            elif record.content_type == ALERT:
                if len(record.fragment) != 2:
                    raise MalformedMessage("an alert", f"{len(record.fragment)} octets, and it has 2", 0)
                yield Alert(*record.fragment)
            else:
                self._assembly.add(record.fragment)
                while (message := self._assembly.next()) is not None:
                    self._hellos_only &= _is_hello_of_tls13(message)
                    yield message

    @property
    def left(self) -> bytes:
        """What belongs to no whole record yet."""
        return self._records.left
