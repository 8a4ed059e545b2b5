"""DNS messages over TCP: two octets of length before each (RFC 1035 section 4.2.2, RFC 7766)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netkit.io import ByteStream, Flow


def framed(wire: bytes) -> bytes:
    """A message with its length in front, to be sent in one piece (RFC 7766 section 8)."""
    return len(wire).to_bytes(2, "big") + wire


def receive_framed(stream: ByteStream) -> Flow[bytes]:
    """Flow: the next message. Raises UnexpectedEof where the stream ends before it is whole."""
    length = int.from_bytes((yield from stream.read_exactly_flow(2)), "big")
    return (yield from stream.read_exactly_flow(length))
