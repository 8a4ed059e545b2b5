"""The errors in the clear parts of a handshake: where the fault is, and which alert answers it.

    TlsError.HandshakeFailed
    ├── HelloError
    │   ├── MalformedMessage     a message breaks its own syntax: the part, the reason, the offset
    │   ├── UnexpectedMessage    a record or message that has no place where it came
    │   └── MessageTooLong       over a limit of this side
    ├── UnrecognizedName         a server has nothing to show for the name that the client asked for
    └── TlsError.NotTls
        └── PlainProtocol        another protocol: which one, if its first octets tell

A peer that closes in the middle is `TlsError.Truncated`, and a peer that sends a fatal alert is
`TlsError.AlertReceived`, as everywhere in `netkit.tls`.
"""

from __future__ import annotations

from typing import ClassVar, Final

from netkit.tls.errors import HandshakeFailed, NotTls
from netkit.tls.text import printable

# The alerts of RFC 8446 section 6.2 that these errors are answered with.
_UNEXPECTED_MESSAGE: Final = 10
_ILLEGAL_PARAMETER: Final = 47
_DECODE_ERROR: Final = 50


class HelloError(HandshakeFailed):
    """What the peer sent is not the handshake message that it should be."""

    #: The number of the alert that tells the peer (RFC 8446 section 6.2).
    alert: int = _DECODE_ERROR


class MalformedMessage(HelloError, ValueError):
    """A message breaks its syntax.

    `part` names the message, extension or field, `problem` says what is wrong there, and `offset` is the
    octet of the handshake message (its type is octet 0) at which it shows.
    """

    def __init__(self, part: str, problem: str, offset: int, *, alert: int = _DECODE_ERROR) -> None:
        super().__init__(f"{part}: {problem} (octet {offset} of the message)")
        self.part = part
        self.problem = problem
        self.offset = offset
        self.alert = alert

    @classmethod
    def illegal(cls, part: str, problem: str, offset: int) -> MalformedMessage:
        """The syntax is right and the value is not allowed: alert illegal_parameter."""
        return cls(part, problem, offset, alert=_ILLEGAL_PARAMETER)


class UnexpectedMessage(HelloError):
    """A record or a message that has no place where it came; `received` holds its first octets."""

    alert = _UNEXPECTED_MESSAGE

    def __init__(self, reason: str, received: bytes = b"") -> None:
        super().__init__(reason)
        self.received = received


class MessageTooLong(HelloError):
    """The peer's message, or a record, is over `limit` octets, or needs more than `limit` empty records."""

    alert = _ILLEGAL_PARAMETER

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"{what} is over the limit of {limit}")
        self.what = what
        self.limit = limit


class UnrecognizedName(HandshakeFailed):
    """The client asked for a name that this server has no certificate for; `server_name` is None without one.

    The client gets the alert unrecognized_name (RFC 6066 section 3).
    """

    def __init__(self, server_name: str | None) -> None:
        asked = "a client that names no server" if server_name is None else printable(server_name)
        super().__init__(f"there is no certificate for {asked}")
        self.server_name = server_name


class PlainProtocol(NotTls):
    """The peer speaks another protocol; `protocol` is its name, None if its first octets do not tell."""

    _hints: ClassVar[dict[str | None, str]] = {
        "HTTP": "the client speaks plain HTTP: it wants https://, or this port should not be for TLS",
        "SSH": "an SSH client is at the wrong port",
        "SSLv2": "the client begins with SSL 2.0, which RFC 6176 forbids: it is very old, or a scanner",
        "PROXY protocol": "a proxy in front sends the PROXY protocol: read its header before the handshake",
        None: "check what connects to this port: it talks in the clear",
    }

    def __init__(self, received: bytes = b"", protocol: str | None = None) -> None:
        super().__init__(received)
        self.protocol = protocol
        self.hint = self._hints.get(protocol, f"a client of {protocol} is at the wrong port")

    def __str__(self) -> str:
        what = self.protocol or "no protocol that is known here"
        return f"the peer does not speak TLS: it sent {self.received[:40]!r} ({what})"
