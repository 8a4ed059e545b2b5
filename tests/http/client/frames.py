"""Frames of HTTP/2 made by hand, right and wrong ones, and a script's side of such a connection (RFC 9113).

    def script(visitor):
        peer = Http2(visitor)                   # the client's preface and SETTINGS were read, ours were sent
        stream = peer.request().stream
        peer.send(headers(stream, (":status", "200")), data(stream, b"hello", end=True))

Header blocks are literals without indexing and without Huffman coding (RFC 7541 section 6.2.2), so that any
octets can be in them.
"""

from __future__ import annotations

import select
import struct
from collections.abc import Callable, Iterable

from tests.http.client.scripting import CLOSE, Received, Script, Visitor

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Field = tuple[str | bytes, str | bytes]


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Any frame (section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def integer(value: int, prefix: int, first: int = 0) -> bytes:
    """An integer of HPACK (RFC 7541 section 5.1)."""
    most = (1 << prefix) - 1
    if value < most:
        return bytes([first | value])
    made = bytearray([first | most])
    value -= most
    while value >= 128:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)


def _octets(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


def block(*fields: Field, indexed: bool = False) -> bytes:
    """A header block. `indexed`: each field is added to the client's dynamic table."""
    made = b""
    for name, value in fields:
        name, value = _octets(name), _octets(value)
        made += (
            (b"\x40" if indexed else b"\x00") + integer(len(name), 7) + name + integer(len(value), 7) + value
        )
    return made


def headers(stream: int, *fields: Field, end: bool = False, more: bool = False) -> bytes:
    """HEADERS; `more`: CONTINUATION follows."""
    return raw_headers(stream, block(*fields), end=end, more=more)


def raw_headers(stream: int, content: bytes, *, end: bool = False, more: bool = False) -> bytes:
    flags = (END_STREAM if end else 0) | (0 if more else END_HEADERS)
    return frame(HEADERS, flags, stream, content)


def data(stream: int, content: bytes = b"", *, end: bool = False) -> bytes:
    return frame(DATA, END_STREAM if end else 0, stream, content)


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def goaway(last: int, code: int = 0, debug: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code) + debug)


def reset(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window(stream: int, more: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", more))


def hello(stream: int) -> bytes:
    """A whole answer: 200, "hello\\n"."""
    return headers(stream, (":status", "200"), ("content-length", "6")) + data(stream, b"hello\n", end=True)


class Http2:
    """The server's side of a connection. It answers SETTINGS and PING, and gives credit for what it reads."""

    def __init__(self, visitor: Visitor, greeting: bytes | None = None) -> None:
        """`greeting` is sent in the place of the server's own SETTINGS."""
        from hpack import Decoder

        self.visitor = visitor
        self.resets: dict[int, int] = {}
        self.goaway: int | None = None
        self._decoder = Decoder()
        if visitor.take(len(PREFACE)) != PREFACE:
            raise AssertionError("the client did not begin with the preface (section 3.4)")
        self.send(settings() if greeting is None else greeting)

    def send(self, *frames: bytes) -> None:
        self.visitor.send(b"".join(frames))

    def frame(self) -> tuple[int, int, int, bytes]:
        """The client's next frame: kind, flags, stream, payload."""
        head = self.visitor.take(9)
        payload = self.visitor.take(int.from_bytes(head[:3], "big"))
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:9], "big")
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == DATA and payload and not flags & END_STREAM:
            self.send(window(0, len(payload)), window(stream, len(payload)))
        elif kind == RST_STREAM:
            self.resets[stream] = int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
        return kind, flags, stream, payload

    def head(self) -> tuple[Received, bool]:
        """The head of the client's next request, and whether that is all of it."""
        while True:
            kind, flags, stream, payload = self.frame()
            if kind != HEADERS:
                continue
            if flags & PADDED:
                payload = payload[1 : len(payload) - payload[0]]
            if flags & 0x20:  # PRIORITY
                payload = payload[5:]
            ended = bool(flags & END_STREAM)
            while not flags & END_HEADERS:
                _, flags, _, more = self.frame()
                payload += more
            fields = [(_text(name), _text(value)) for name, value in self._decoder.decode(payload)]
            known = dict(fields)
            received = Received(
                self.visitor.listener,
                self.visitor.number,
                known.get(":method", ""),
                known.get(":path", ""),
                tuple(("host" if name == ":authority" else name, value) for name, value in fields),
                stream=stream,
            )
            return self.visitor.record(received), ended

    def request(self) -> Received:
        """The client's next request; others must not be under way beside it."""
        received, ended = self.head()
        body = b""
        while not ended:
            kind, flags, stream, payload = self.frame()
            if stream != received.stream:
                continue
            if kind == RST_STREAM:
                break
            body += payload if kind == DATA else b""
            ended = bool(flags & END_STREAM)
        requests = self.visitor.service.requests
        requests[requests.index(received)] = received = received._replace(body=body)
        return received

    def serve(self) -> None:
        """Answer all further requests well, until the client leaves."""
        while True:
            self.send(hello(self.request().stream))

    def until_gone(self) -> None:
        """Read until the client closes."""
        while True:
            self.frame()


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


Frames = Callable[[int], bytes]


def frames(*answers: Frames, greeting: bytes | None = None, end: str | None = None) -> Script:
    """What is sent for each request, as a function of its stream; all further ones are answered well.

    `end`: how it leaves after the last of them; None: it stays.
    """

    def script(visitor: Visitor) -> None:
        peer = Http2(visitor, greeting)
        for answer in answers:
            peer.send(answer(peer.request().stream))
        if end is None:
            peer.serve()
        visitor.leave(end or CLOSE)

    return script


def flood(begin: Frames, piece: Callable[[int], bytes | Iterable[bytes]]) -> Script:
    """`begin` for the first request, and then `piece` over and over until the client leaves."""

    def script(visitor: Visitor) -> None:
        peer = Http2(visitor)
        stream = peer.request().stream
        peer.send(begin(stream))
        made = piece(stream)
        once = made if isinstance(made, bytes) else b"".join(made)
        many = once * max(1, 16384 // len(once))
        while True:
            visitor.send(many)
            # What the client answers is dropped, so that it is never stopped by a full buffer of ours.
            while select.select([visitor.sock], [], [], 0)[0]:
                visitor.more()

    return script


good: Script = frames()


def nothing(_stream: int) -> bytes:
    return b""
