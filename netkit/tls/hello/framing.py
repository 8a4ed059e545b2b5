"""The frame of a handshake message: its type and its length in front of its body (RFC 8446 section 4)."""

from __future__ import annotations

from typing import Final

from netkit.tls.hello.codes import HandshakeType
from netkit.tls.hello.errors import UnexpectedMessage
from netkit.tls.hello.fields import Fields
from netkit.tls.hello.octets import Octets, vector

#: The octets of a message's type and length.
HEADER_SIZE: Final = 4


class Handshake(Fields):
    """A handshake message as it came: `message` is all of it, type and length included."""

    type: HandshakeType
    message: bytes

    @property
    def body(self) -> bytes:
        """What stands behind type and length."""
        return self.message[HEADER_SIZE:]

    def to_bytes(self) -> bytes:
        """The whole handshake message."""
        return self.message


def message_body(message: bytes, kind: HandshakeType, part: str) -> Octets:
    """The body of a message. Raises UnexpectedMessage for another type, else MalformedMessage."""
    octets = Octets(message, part)
    found = octets.code(HandshakeType, "msg_type")
    if found != kind:
        raise UnexpectedMessage(
            f"a {found.name} message where a {kind.name} should be", message[:HEADER_SIZE]
        )
    body = octets.vector(3, "the message")
    octets.end()
    return body


def write_message(kind: HandshakeType, *parts: bytes) -> bytes:
    """The whole message of these parts. Raises ValueError if they are too long."""
    return kind.octets + vector(3, b"".join(parts), f"a {kind.name} message")
