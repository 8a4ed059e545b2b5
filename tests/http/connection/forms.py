"""Both forms of HTTP/2, frames made by hand, and what a connection sends taken apart.

The frames are made here, so that a test can send what no library would.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import NamedTuple

from hpack import Encoder

from netkit._native import native
from netkit.http.connection.events import Event, RequestHead
from netkit.http.connection.h2 import H2ClientConnection, H2ServerConnection
from netkit.http.connection.limits import DEFAULT_LIMITS, ConnectionLimits
from netkit.http.connection.meter import HEADER_SIZE
from tests.conftest import absent

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)
END_STREAM = ACK = 1
END_HEADERS = 4
PADDED = 8

FieldList = list[tuple[bytes, bytes]]
GET: FieldList = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":path", b"/"),
    (b":authority", b"a.example"),
]
POST: FieldList = [(b":method", b"POST"), *GET[1:]]
OK: FieldList = [(b":status", b"200")]


def require_form(form: str) -> None:
    """Skip, or fail where Rust is required, a test of a form that is not there."""
    if form == "rust":
        module, reason = native("_h2")
        if module is None:
            absent(f"no HTTP/2 in Rust: {reason}", "NETKIT_REQUIRE_RUST")


class Form:
    """One of the forms, `h2_rust` or `h2_pure`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._module = import_module(f"netkit.http.connection.h2_{name}")

    def __repr__(self) -> str:
        return f"Form({self.name!r})"

    def client(
        self, limits: ConnectionLimits = DEFAULT_LIMITS, *settings: tuple[int, int]
    ) -> H2ClientConnection:
        """A client whose server has sent its SETTINGS, and whose first output is taken."""
        connection = self.fresh_client(limits)
        connection.take()
        connection.feed(settings_frame(*settings) + frame(SETTINGS, ACK, 0))
        connection.take()
        return connection

    def server(
        self, limits: ConnectionLimits = DEFAULT_LIMITS, *settings: tuple[int, int], extended: bool = True
    ) -> H2ServerConnection:
        """A server whose client has sent the preface and SETTINGS, and whose first output is taken."""
        connection: H2ServerConnection = self._module.server(limits, extended)
        connection.take()
        connection.feed(PREFACE + settings_frame(*settings) + frame(SETTINGS, ACK, 0))
        connection.take()
        return connection

    def fresh_client(self, limits: ConnectionLimits = DEFAULT_LIMITS) -> H2ClientConnection:
        client: H2ClientConnection = self._module.client(limits)
        return client

    def fresh_server(self, limits: ConnectionLimits = DEFAULT_LIMITS) -> H2ServerConnection:
        server: H2ServerConnection = self._module.server(limits, True)
        return server


class Frame(NamedTuple):
    """A frame that was sent."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def number(self) -> int:
        """The first four octets of the payload, as a number."""
        return int.from_bytes(self.payload[:4], "big")

    @property
    def code(self) -> int:
        """The error code of RST_STREAM or GOAWAY."""
        at = 0 if self.kind == RST_STREAM else 4
        return int.from_bytes(self.payload[at : at + 4], "big")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame (RFC 9113 section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def frames(octets: bytes) -> list[Frame]:
    """The frames of what was sent."""
    octets = octets.removeprefix(PREFACE)
    found = []
    while octets:
        end = HEADER_SIZE + int.from_bytes(octets[:3], "big")
        assert len(octets) >= end, "a connection sends whole frames"
        stream = int.from_bytes(octets[5:9], "big")
        found.append(Frame(octets[3], octets[4], stream, octets[HEADER_SIZE:end]))
        octets = octets[end:]
    return found


def sent(connection: H2ClientConnection | H2ServerConnection, *kinds: int) -> list[Frame]:
    """The frames that a connection has to send, of these types, or of all."""
    return [each for each in frames(connection.take()) if not kinds or each.kind in kinds]


def block(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A header block, as the first of a connection has it: of literals, and of the static table."""
    encoder = Encoder()
    # What it adds to the table of the other side is never referred to.
    return encoder.encode(fields, huffman=False)


def headers(
    stream: int, fields: FieldList, *, end: bool = False, flags: int = END_HEADERS, prefix: bytes = b""
) -> bytes:
    return frame(HEADERS, flags | (END_STREAM if end else 0), stream, prefix + block(fields))


def data(stream: int, octets: bytes = b"", *, end: bool = False) -> bytes:
    return frame(DATA, END_STREAM if end else 0, stream, octets)


def padded(stream: int, octets: bytes, padding: int, *, end: bool = False) -> bytes:
    payload = bytes((padding,)) + octets + bytes(padding)
    return frame(DATA, PADDED | (END_STREAM if end else 0), stream, payload)


def reset(stream: int, code: int = 8) -> bytes:
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def goaway(last: int, code: int = 0, debug: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big") + debug)


def window_update(stream: int, more: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, more.to_bytes(4, "big"))


def settings_frame(*settings: tuple[int, int]) -> bytes:
    payload = b"".join(name.to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in settings)
    return frame(SETTINGS, 0, 0, payload)


def exchange(client: H2ClientConnection, server: H2ServerConnection) -> tuple[list[Event], list[Event]]:
    """Let both ends talk until neither has anything to say: the events of the client, and of the server."""
    of_client: list[Event] = []
    of_server: list[Event] = []
    while True:
        up, down = client.take(), server.take()
        if not up and not down:
            return of_client, of_server
        of_server += server.feed(up)
        of_client += client.feed(down)


def ask(client: H2ClientConnection, method: bytes = b"GET", *, end: bool = True) -> int:
    """Begin a request, whose octets the test is not about."""
    stream = client.request(RequestHead(method, b"/", b"a.example"), end=end)
    client.take()
    return stream


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]
