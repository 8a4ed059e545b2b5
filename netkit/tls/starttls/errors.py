"""The errors of asking a server for TLS in the middle of its own protocol.

    StartTlsError                a TlsError: there is no TLS yet
    ├── UnknownProtocol          usage     (ValueError) no protocol has that name here
    ├── InvalidName              usage     (ValueError) a name that the dialogue cannot carry
    ├── NotOffered               tls       the server does not offer TLS
    ├── Declined                 tls       the server answered no, in words of its own
    ├── Closed                   tls       (EOFError) the server ended the connection during the dialogue
    ├── InvalidReply             protocol  what the server sent is no answer of that protocol
    │   ├── LimitExceeded        protocol  (ValueError) the answer is longer than allowed
    │   └── DataBeforeTls        protocol  bytes in the clear stand where TLS begins
    └── WrongProtocol            protocol  the server speaks another protocol
        └── SpeaksTls            protocol  the port speaks TLS from the first byte

The second column is the stage. Text of the server in the fields is shown safely: its control characters are
escapes already. A connection that fails below is a `TlsError.IoError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from netkit.tls.errors import TlsError

if TYPE_CHECKING:
    from netkit.errors import Fault

#: The longest text of the server in a message, in characters.
SHOWN: Final = 200

#: What a code of a refused command tells beside its words: RFC 3207 section 4 (454), RFC 4642 section 2.2.2
#: (580), RFC 4217 section 4.2 (431), IRCv3 tls (691); RFC 9051 section 3.2 (PREAUTH).
_NOT_READY: Final = "the server knows how but cannot: see whether it can read its certificate and key"
_DECLINED_HINTS: Final[dict[str, str]] = {
    "PREAUTH": "the connection counts as logged in already, and TLS can be asked for only before that",
    **dict.fromkeys(("454", "580", "431", "691"), _NOT_READY),
}

#: The most capabilities in a message.
LISTED: Final = 12


class StartTlsError(TlsError):
    """The base class of the errors of a dialogue for TLS; the variants are its attributes."""

    UnknownProtocol: ClassVar[type[UnknownProtocol_]]
    InvalidName: ClassVar[type[InvalidName_]]
    NotOffered: ClassVar[type[NotOffered_]]
    Declined: ClassVar[type[Declined_]]
    Closed: ClassVar[type[Closed_]]
    InvalidReply: ClassVar[type[InvalidReply_]]
    LimitExceeded: ClassVar[type[LimitExceeded_]]
    DataBeforeTls: ClassVar[type[DataBeforeTls_]]
    WrongProtocol: ClassVar[type[WrongProtocol_]]
    SpeaksTls: ClassVar[type[SpeaksTls_]]


class UnknownProtocol(StartTlsError, ValueError):
    """No protocol is called `name`; `known` are the names that there are."""

    __qualname__ = "StartTlsError.UnknownProtocol"
    fault: Fault = "caller"
    stage = "usage"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(name, known)
        self.name = name
        self.known = known
        self.hint = f"these are known: {', '.join(known)}"

    def __str__(self) -> str:
        return f"no protocol with STARTTLS is called {self.name[:SHOWN]!r}"


class InvalidName(StartTlsError, ValueError):
    """`name`, the caller's name for `what`, cannot be sent in this dialogue. Nothing was sent."""

    __qualname__ = "StartTlsError.InvalidName"
    fault: Fault = "caller"
    stage = "usage"

    def __init__(self, what: str, name: str) -> None:
        super().__init__(what, name)
        self.what = what
        self.name = name

    def __str__(self) -> str:
        return f"{self.what} cannot be {self.name[:SHOWN]!r}"


class NotOffered(StartTlsError):
    """The server does not offer TLS; `title` is its protocol, `capabilities` are what it offers instead."""

    __qualname__ = "StartTlsError.NotOffered"
    hint = "TLS is switched off on the server, or something on the way removes the offer"

    def __init__(self, title: str, capabilities: tuple[str, ...] = ()) -> None:
        super().__init__(title, capabilities)
        self.title = title
        self.capabilities = capabilities

    def __str__(self) -> str:
        words = f"the {self.title} server does not offer TLS"
        if not self.capabilities:
            return words
        more = len(self.capabilities) - LISTED
        listed = ", ".join(shortened(one, 40) for one in self.capabilities[:LISTED])
        return f"{words}: it offers {listed}{f' and {more} more' if more > 0 else ''}"


class Declined(StartTlsError):
    """The server answered `command` with no: its `code` (None where the protocol has none) and its `text`.

    `command` is "" where the server refused the connection before anything was asked.
    """

    __qualname__ = "StartTlsError.Declined"

    def __init__(self, command: str, code: str | None, text: str) -> None:
        super().__init__(command, code, text)
        self.command = command
        self.code = code
        self.text = text
        self.hint = _DECLINED_HINTS.get(code or "") if command else None

    def __str__(self) -> str:
        what = f"the server declines {self.command}" if self.command else "the server refuses the connection"
        said = shortened(" ".join(part for part in (self.code, self.text) if part))
        return f"{what}: {said}" if said else what


class Closed(StartTlsError, EOFError):
    """The server ended the connection instead of sending `during`, after `had` bytes of it."""

    __qualname__ = "StartTlsError.Closed"
    kind = "UnexpectedEof"

    def __init__(self, during: str, had: int, hint: str | None = None) -> None:
        super().__init__(during, had, hint)
        self.during = during
        self.had = had
        self.hint = hint

    def __str__(self) -> str:
        after = f" after {self.had} bytes of it" if self.had else ""
        return f"the server closed the connection instead of sending {self.during}{after}"


class InvalidReply(StartTlsError):
    """What the server sent breaks its protocol: `reason` says how, `received` is where it does."""

    __qualname__ = "StartTlsError.InvalidReply"
    stage = "protocol"
    kind: str = "InvalidResponse"

    def __init__(self, title: str, reason: str, received: str = "") -> None:
        super().__init__(title, reason, received)
        self.title = title
        self.reason = reason
        self.received = received

    def __str__(self) -> str:
        shown = f": {shortened(self.received)}" if self.received else ""
        return f"not an answer of {self.title}: {self.reason}{shown}"


class LimitExceeded(InvalidReply, ValueError):
    """The server's answer exceeds `limit`; `what` names what the limit counts."""

    __qualname__ = "StartTlsError.LimitExceeded"
    kind = "LimitExceeded"

    def __init__(self, title: str, what: str, limit: int) -> None:
        super().__init__(title, f"more than {limit} {what}")
        self.args = (title, what, limit)  # what pickle calls the class with
        self.what = what
        self.limit = limit


class DataBeforeTls(InvalidReply):
    """Bytes came in the clear after the go-ahead: `received` shows the first, `size` is how many are there.

    Whoever took them for the beginning of what TLS protects would take an attacker's words for the server's
    (CVE-2011-0411; RFC 3207 section 4.2, RFC 9051 section 11.1). So the connection must end here.
    """

    __qualname__ = "StartTlsError.DataBeforeTls"
    kind = "DataBeforeTls"
    hint = "somebody on the way may have put them there; so may a faulty server"

    def __init__(self, title: str, received: str, size: int) -> None:
        super().__init__(title, f"{size} bytes in the clear after the go-ahead for TLS", received)
        self.args = (title, received, size)
        self.size = size

    def __str__(self) -> str:
        return f"{self.reason}: {shortened(self.received)}"


class WrongProtocol(StartTlsError):
    """The server does not speak `title`; `found` names what it seems to speak, `received` shows it."""

    __qualname__ = "StartTlsError.WrongProtocol"
    stage = "protocol"
    kind = "WrongProtocol"

    def __init__(self, title: str, found: str, received: str = "") -> None:
        super().__init__(title, found, received)
        self.title = title
        self.found = found
        self.received = received

    def __str__(self) -> str:
        shown = f": it sent {shortened(self.received, 60)}" if self.received else ""
        return f"this port speaks {self.found}, not {self.title}{shown}"


class SpeaksTls(WrongProtocol):
    """The server speaks TLS from the first byte, so there is nothing to ask it for."""

    __qualname__ = "StartTlsError.SpeaksTls"
    hint = "make the TLS handshake at once, without the dialogue before it"

    def __init__(self, title: str) -> None:
        super().__init__(title, "TLS")
        self.args = (title,)

    def __str__(self) -> str:
        return f"this port speaks TLS directly, not {self.title} first"


def shortened(text: str, length: int = SHOWN) -> str:
    """`text`, or its first `length` characters and a mark that there was more."""
    return text if len(text) <= length else f"{text[:length]}…"


# A class cannot use its nested names as annotations of themselves; these lines give them their types.
UnknownProtocol_ = UnknownProtocol
InvalidName_ = InvalidName
NotOffered_ = NotOffered
Declined_ = Declined
Closed_ = Closed
InvalidReply_ = InvalidReply
LimitExceeded_ = LimitExceeded
DataBeforeTls_ = DataBeforeTls
WrongProtocol_ = WrongProtocol
SpeaksTls_ = SpeaksTls

StartTlsError.UnknownProtocol = UnknownProtocol
StartTlsError.InvalidName = InvalidName
StartTlsError.NotOffered = NotOffered
StartTlsError.Declined = Declined
StartTlsError.Closed = Closed
StartTlsError.InvalidReply = InvalidReply
StartTlsError.LimitExceeded = LimitExceeded
StartTlsError.DataBeforeTls = DataBeforeTls
StartTlsError.WrongProtocol = WrongProtocol
StartTlsError.SpeaksTls = SpeaksTls
