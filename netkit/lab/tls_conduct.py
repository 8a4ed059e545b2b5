"""How a TLS server misbehaves on purpose, beside what its certificates are: `Conduct`.

What comes in place of an answer (silence, another protocol, an alert) needs no TLS. What comes behind the
ServerHello is put into the flight that a real session has made: a `FlightFilter` takes its records apart
before the keys change (RFC 8446 section 5.1, RFC 5246 section 6.2.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from netkit.io.over import OverStream
from netkit.io.stream import LINGER
from netkit.tls.hello.codes import HandshakeType, ProtocolVersion
from netkit.tls.hello.reader import FlightReader
from netkit.tls.hello.records import (
    APPLICATION_DATA,
    HANDSHAKE,
    MAX_EXPANSION,
    MAX_FRAGMENT,
    Alert,
    Record,
    to_records,
)
from netkit.tls.hello.server_messages import CertificateMessage, ServerHello

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.io import ByteStream, Flow
    from netkit.tls.hello.framing import Handshake

_SERVER_HELLO: Final = HandshakeType(2)
_CERTIFICATE: Final = HandshakeType(11)
_TLS12: Final = ProtocolVersion(0x0303)
_TLS13: Final = ProtocolVersion(0x0304)

#: A length that no record may have (RFC 5246 section 6.2.3).
TOO_LONG: Final = MAX_FRAGMENT + MAX_EXPANSION + 256

#: What comes in place of records.
GARBAGE: Final = b"garbage, on purpose\r\n" * 24


def _refusal(text: bytes) -> bytes:
    """A response of HTTP to a request that is none."""
    fields = b"Content-Type: text/plain\r\nContent-Length: %d\r\nConnection: close" % len(text)
    return b"HTTP/1.1 400 Bad Request\r\n%s\r\n\r\n%s" % (fields, text)


#: What servers of other protocols say to a ClientHello, or before it; what a client of plain HTTP is told.
HTTP_ANSWER: Final = _refusal(b"this is not TLS\r\n")
HTTPS_WANTED: Final = _refusal(b"this is TLS: write https://...\r\n")
SSH_BANNER: Final = b"SSH-2.0-netkit\r\n"
SMTP_BANNER: Final = b"220 localhost ESMTP netkit\r\n"


class Breach(Enum):
    """What a server does in place of a handshake; the values are the names on the command line."""

    Silent = "silent"
    PlainHttp = "plain-http"
    PlainSsh = "plain-ssh"
    PlainSmtp = "plain-smtp"
    CloseAfterHello = "close-after-hello"
    CloseAfterServerHello = "close-after-server-hello"
    ResetAfterHello = "reset-after-hello"
    Garbage = "garbage"
    LongRecord = "long-record"

    @property
    def words(self) -> str:
        """What the server did, for a log."""
        return _WORDS[self][0]

    @property
    def doing(self) -> str:
        """What the server does, for a list."""
        return _WORDS[self][1]

    @property
    def speaks_first(self) -> bool:
        """Whether the server begins before a client has said anything."""
        return self in (Breach.PlainSsh, Breach.PlainSmtp)

    @property
    def needs_handshake(self) -> bool:
        """Whether a handshake has to begin for it."""
        return self in (Breach.CloseAfterServerHello, Breach.Garbage, Breach.LongRecord)


_WORDS: Final = {
    Breach.Silent: ("said nothing", "says nothing"),
    Breach.PlainHttp: ("answered as HTTP without TLS", "answers as HTTP without TLS"),
    Breach.PlainSsh: ("spoke SSH", "speaks SSH"),
    Breach.PlainSmtp: ("spoke SMTP", "speaks SMTP"),
    Breach.CloseAfterHello: (
        "closed the connection after the ClientHello",
        "closes the connection after the ClientHello",
    ),
    Breach.CloseAfterServerHello: (
        "closed the connection after the ServerHello",
        "closes the connection after the ServerHello",
    ),
    Breach.ResetAfterHello: (
        "reset the connection after the ClientHello",
        "resets the connection after the ClientHello",
    ),
    Breach.Garbage: ("sent garbage after the ServerHello", "sends garbage after the ServerHello"),
    Breach.LongRecord: (
        "sent a record that is too long after the ServerHello",
        "sends a record that is too long after the ServerHello",
    ),
}


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a server behaves.

    `breach` comes in place of a handshake, and so does `alert`, the number of a fatal alert that is sent in
    the clear after the ClientHello. `slow` is how long it waits with its answer to the ClientHello, in
    seconds. With `truncates` it ends connections without close_notify. `certificates` are octets that are
    sent in place of its certificates, in TLS 1.2, where nothing hides them.
    """

    breach: Breach | None = None
    alert: int | None = None
    slow: float = 0.0
    truncates: bool = False
    certificates: tuple[bytes, ...] | None = None

    @property
    def tampers(self) -> bool:
        """Whether it changes a flight that a session has made."""
        return self.certificates is not None or (self.breach is not None and self.breach.needs_handshake)


#: That of a server that does what it should.
GOOD: Final = Conduct()


class FlightFilter:
    """Takes what a server's session sends, and gives what is sent in its place, until the keys change."""

    def __init__(self, conduct: Conduct) -> None:
        self._breach = conduct.breach
        self._certificates = conduct.certificates
        self._flight = FlightReader()
        self._is_retried = False
        #: From here on everything is sent as it is.
        self.is_through = False
        #: Nothing more is to be sent.
        self.is_over = False

    def take(self, data: bytes) -> bytes:
        """The octets to send in place of `data`; those of an incomplete record come with the next call."""
        if self.is_through:
            return data
        return b"".join(self._replaced(data))

    def _replaced(self, data: bytes) -> Iterator[bytes]:
        for item in self._flight.feed(data):
            if self.is_over:
                return
            if isinstance(item, Alert):
                yield item.to_record()
            elif not isinstance(item, Record):
                yield from self._message_replaced(item)
            else:
                yield item.to_bytes()
                if self._is_retried:
                    # This ChangeCipherSpec changes nothing: the ServerHello is still to come in the clear.
                    self._is_retried = False
                    left, self._flight = self._flight.left, FlightReader()
                    yield from self._replaced(left)
                    return
        if self._flight.encrypted:
            self.is_through = True
            yield self._flight.left

    def _message_replaced(self, item: Handshake) -> Iterator[bytes]:
        message = item.message
        if item.type == _CERTIFICATE and self._certificates is not None:
            message = CertificateMessage(self._certificates).to_bytes()
        yield to_records(message)
        if item.type != _SERVER_HELLO or self._breach is None:
            return
        hello = ServerHello.parse(message)
        self._is_retried = hello.is_retry_request
        if self._is_retried:
            return
        self.is_over = True
        if self._breach is Breach.Garbage:
            yield GARBAGE
        elif self._breach is Breach.LongRecord:
            kind = APPLICATION_DATA if hello.version >= _TLS13 else HANDSHAKE
            yield Record(kind, _TLS12, bytes(TOO_LONG)).to_bytes()


class TamperedStream(OverStream):
    """The stream below a server's session, whose flight a `FlightFilter` changes.

    Where that ends the connection, this stream is finished, and closed when the peer has had its time to
    read; `is_over` says so, and writing raises ClosedError.
    """

    _what = "tampered stream"

    def __init__(self, inner: ByteStream, conduct: Conduct) -> None:
        super().__init__(inner)
        self._filter = FlightFilter(conduct)

    @property
    def is_over(self) -> bool:
        """Whether the connection was ended on purpose."""
        return self._filter.is_over

    def _send(self, data: memoryview) -> Flow[int]:
        if self._filter.is_through:
            return (yield from self._inner.write_flow(data))
        out = self._filter.take(bytes(data))
        if out:
            yield from self._inner.write_all_flow(out)
        if self._filter.is_over:
            yield from self._inner.finish()
            yield from self._inner.lingering_close()
            self.close()
            self._check_open()
        return len(data)

    def try_send(self, data: bytes | memoryview) -> int:
        """Send what goes at once; 0 while the flight is looked at."""
        return self._inner.try_send(data) if self._filter.is_through else 0

    def offer(self, data: bytes | memoryview) -> int:
        """As `try_send`."""
        return self._inner.offer(data) if self._filter.is_through else 0


class TruncatedStream(OverStream):
    """A TLS stream that ends without close_notify: only the connection below is finished."""

    _what = "truncated stream"

    def __init__(self, inner: ByteStream) -> None:
        super().__init__(inner)
        self._bottom = inner.below or inner

    def _finish(self) -> Flow[None]:
        yield from self._inner.flush()
        yield from self._bottom.finish()

    def lingering_close(self, quiet: float = LINGER) -> Flow[int]:
        """Flow: read and drop what the peer sends until it has finished too, and close."""
        try:
            return (yield from self._bottom.lingering_close(quiet))
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection, and then the stream, which has nobody to say goodbye to."""
        self._bottom.close()
        self._inner.close()
