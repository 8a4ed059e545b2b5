"""What all dialogues read and write by: lines and bytes within limits, and no socket.

A dialogue is a generator over a `Wire`. It says what is to be sent, takes what came, and yields where it
needs more of the server's bytes:

    def dialogue(wire, caller):
        greeting = yield from wire.line("its greeting")
        wire.say(b"STARTTLS\\r\\n")
        ...
        return wire.report(...)

`negotiation` drives it. Each limit counts from the same byte however the bytes are cut, so the same bytes
always end in the same error.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from netkit.tls.starttls.errors import StartTlsError
from netkit.tls.starttls.recognise import TLS, other_than, spoken
from netkit.tls.text import printable

if TYPE_CHECKING:
    from netkit.tls.starttls.names import StartTlsProtocol

T = TypeVar("T")

#: A part of a dialogue: it yields where it needs more bytes.
Talk: TypeAlias = Generator[None, None, T]

#: The longest line, in bytes: many times what the RFCs allow (512 in RFC 5321 section 4.5.3.1.5).
LINE_LIMIT: Final = 8192
#: The most lines in the answer to one command.
LINES_LIMIT: Final = 100
#: The most bytes in the whole dialogue.
TOTAL_LIMIT: Final = 65_536

#: How much of what came an error shows, in bytes.
_SHOWN: Final = 80


class Caller(NamedTuple):
    """What the dialogue says of this side, and whom it asks for."""

    host: str
    """The name of the server that is wanted: XMPP asks for it."""
    client_name: str
    """The name that this side gives itself: SMTP and LMTP say it."""


class StartTlsReport(NamedTuple):
    """What the server said until TLS could begin; safe to show, with control characters as escapes."""

    protocol: str
    """The protocol's name, such as `"smtp"`."""
    greeting: str
    """The server's first words, or its version; `""` where the client speaks first and there are none."""
    capabilities: tuple[str, ...]
    """What the server says that it can do before TLS, in its own order; empty where it is not asked."""
    answer: str
    """The words of the go-ahead; `""` where the protocol has none."""


class Wire:
    """What came and was not taken yet, and what is to be sent."""

    __slots__ = ("_awaited", "_lines", "_outgoing", "_received", "_taken", "protocol")

    def __init__(self, protocol: StartTlsProtocol) -> None:
        self.protocol = protocol
        self._received = bytearray()
        self._outgoing = bytearray()
        self._taken = 0
        self._lines = 0
        self._awaited = "its first words"

    # For the dialogue.

    @property
    def title(self) -> str:
        """The protocol's name for people."""
        return self.protocol.title

    def say(self, data: bytes) -> None:
        """Send `data`. The count of lines begins anew: an answer comes."""
        self._outgoing += data
        self._lines = 0

    def fill(self, size: int, what: str) -> Talk[bytearray]:
        """Wait until `size` bytes of `what` are there; the bytes that are, none of them taken."""
        self._awaited = what
        while len(self._received) < size:
            yield from self._more(len(self._received))
        self._check(size)
        return self._received

    def more(self, what: str) -> Talk[bytearray]:
        """Wait for at least one byte more of `what`; the bytes that are there, none of them taken."""
        self._awaited = what
        had = len(self._received)
        while len(self._received) == had:
            yield from self._more(had)
        return self._received

    def take(self, size: int) -> bytes:
        """Take the first `size` bytes, which must be there. Raises `StartTlsError.LimitExceeded`."""
        self._check(size)
        taken = bytes(self._received[:size])
        del self._received[:size]
        self._taken += size
        return taken

    def exactly(self, size: int, what: str) -> Talk[bytes]:
        """Take `size` bytes of `what`."""
        yield from self.fill(size, what)
        return self.take(size)

    def line(self, what: str) -> Talk[bytes]:
        """Take one line of `what`, without its end: CR LF, or LF alone."""
        self._awaited = what
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            yield from self._more(searched, LINE_LIMIT)
        self._check(end + 1, LINE_LIMIT)
        self._lines += 1
        if self._lines > LINES_LIMIT:
            raise StartTlsError.LimitExceeded(self.title, "lines in one answer", LINES_LIMIT)
        return self.take(end + 1)[:-1].removesuffix(b"\r")

    def unexpected(self, reason: str, received: bytes, *, first: bool = False) -> StartTlsError:
        """The error for `received`, which is no answer of this protocol: another protocol's, perhaps.

        `first` says that these are the server's first words, where that is not plain from their length.
        """
        if first or self._taken <= len(received) + 2:  # a line comes without its end
            found = other_than(self.title, received)
            if found == TLS:
                return StartTlsError.SpeaksTls(self.title)
            if found is not None:
                return StartTlsError.WrongProtocol(self.title, found, shown(received[:_SHOWN]))
        return StartTlsError.InvalidReply(self.title, reason, shown(received[:_SHOWN]))

    def report(
        self, greeting: str = "", capabilities: tuple[str, ...] = (), answer: str = ""
    ) -> StartTlsReport:
        """What a dialogue returns at its end."""
        return StartTlsReport(self.protocol.name, greeting, capabilities, answer)

    # For who drives the dialogue.

    def put(self, data: bytes | memoryview) -> None:
        """The server sent `data`."""
        self._received += data

    def outgoing(self) -> bytes:
        """Take what is to be sent."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    @property
    def rest(self) -> bytes:
        """What came and was not taken."""
        return bytes(self._received)

    @property
    def is_silent(self) -> bool:
        """Whether the server has not sent a byte."""
        return not (self._taken or self._received)

    def ended(self) -> StartTlsError:
        """The error for a server that ends the connection here."""
        received = bytes(self._received)
        if not self._taken and other_than(self.title, received) is not None:
            return self.unexpected("", received)
        hint = None
        if self.is_silent:
            port = self.protocol.tls_port
            hint = f"a port that speaks TLS directly{f', as {port} does,' if port else ''} ends it like this"
        return StartTlsError.Closed(self._awaited, len(received), hint)

    # Inside.

    def _more(self, size: int, limit: int = TOTAL_LIMIT) -> Talk[None]:
        """Yield once, unless what is there already cannot become anything."""
        if not self._taken and len(self._received) >= 3 and spoken(self._received[:5]) == TLS:
            raise StartTlsError.SpeaksTls(self.title)
        self._check(size, limit)
        yield

    def _check(self, size: int, limit: int = TOTAL_LIMIT) -> None:
        """Refuse `size` bytes at once if they are over the limit for them, or for all."""
        left = TOTAL_LIMIT - self._taken
        if size > min(limit, left):
            if limit < TOTAL_LIMIT and limit <= left:
                raise StartTlsError.LimitExceeded(self.title, "bytes in one line", limit)
            raise StartTlsError.LimitExceeded(self.title, "bytes", TOTAL_LIMIT)


#: A dialogue: from the server's first byte, or this side's, to the go-ahead.
Dialogue: TypeAlias = Callable[[Wire, Caller], Talk[StartTlsReport]]


def shown(data: bytes | bytearray) -> str:
    """The server's bytes as text that is safe to show: UTF-8, with escapes for all else and for controls."""
    return printable(bytes(data).decode("utf-8", "backslashreplace"))
