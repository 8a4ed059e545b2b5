"""The rules that a conformance suite checks, on the protocol object of a server that echoes, without sockets.

Each case is written from the text of RFC 6455 and RFC 7692, and names its section: what a client sends, what
it gets back octet by octet, and how the connection stands then. A case runs with the stream whole, octet by
octet, and cut in two at every place. The compressed messages are made and read with `zlib` alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pytest

from netkit.websocket import (
    CloseReason,
    DeflateConfig,
    DeflateParameters,
    Opcode,
    State,
    WebSocketError,
    WebSocketProtocol,
)
from tests.conftest import Twin
from tests.websocket.frames import (
    BINARY,
    CLOSE,
    CONT,
    FIN,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    frame,
    pieces,
)

E = WebSocketError


@pytest.fixture(autouse=True)
def reader(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every case with each form of the reader."""
    monkeypatch.setattr("netkit.websocket.protocol.MessageReader", twin.MessageReader)


def out(first: int, payload: bytes = b"") -> bytes:
    """A frame of the server's."""
    return frame(first, payload, None)


def code(number: int, reason: bytes = b"") -> bytes:
    return number.to_bytes(2, "big") + reason


def text(payload: str | bytes, *, size: int = 0) -> bytes:
    """A client's text, in fragments of `size` octets."""
    return message(TEXT, payload.encode() if isinstance(payload, str) else payload, size)


def message(opcode: int, payload: bytes, size: int = 0) -> bytes:
    if not size:
        return frame(FIN | opcode, payload)
    parts = [*pieces(payload, size)] or [b""]
    return b"".join(
        frame((CONT if number else opcode) | (FIN if number == len(parts) - 1 else 0), part)
        for number, part in enumerate(parts)
    )


class Case(NamedTuple):
    """What a client sends, what it gets, and the end: the code of the server's Close frame with the error, or
    the code of the client's own, which is answered; None where the connection stays open."""

    sent: bytes
    got: bytes = b""
    fails: tuple[int, type[WebSocketError]] | None = None
    closes: int | None = None


HELLO, HELLO_BACK = text("Hello"), out(FIN | TEXT, b"Hello")
BYE, BYE_BACK = frame(FIN | CLOSE, code(1000)), out(FIN | CLOSE, code(1000))
PROTOCOL, PAYLOAD = 1002, 1007

CASES: dict[str, Case] = {}


def case(
    section: str,
    name: str,
    sent: Iterable[bytes] | bytes,
    got: Iterable[bytes] | bytes = b"",
    fails: tuple[int, type[WebSocketError]] | None = None,
    closes: int | None = None,
) -> None:
    whole = f"{section} {name}"
    assert whole not in CASES
    CASES[whole] = Case(_joined(sent), _joined(got), fails, closes)


def _joined(octets: Iterable[bytes] | bytes) -> bytes:
    return octets if isinstance(octets, bytes) else b"".join(octets)


# Framing: the three forms of a length, at their edges (5.2).
for size in (0, 1, 125, 126, 127, 128):
    case("5.2", f"text of {size}", text("*" * size), out(FIN | TEXT, b"*" * size))
    case("5.2", f"octets of {size}", frame(FIN | BINARY, b"\xfe" * size), out(FIN | BINARY, b"\xfe" * size))
case("5.2", "two messages in one piece", [HELLO, HELLO], [HELLO_BACK, HELLO_BACK])

# Pings and pongs (5.5.2, 5.5.3).
for payload in (b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125):
    case(
        "5.5.2",
        f"a ping of {len(payload)}: {payload[:3].hex()}",
        frame(FIN | PING, payload),
        out(FIN | PONG, payload),
    )
    case("5.5.3", f"a pong of {len(payload)}: {payload[:3].hex()}", frame(FIN | PONG, payload))
case(
    "5.5.2",
    "ten pings",
    (frame(FIN | PING, b"%d" % number) for number in range(10)),
    (out(FIN | PONG, b"%d" % number) for number in range(10)),
)
case(
    "5.5.3",
    "ten pongs, ten pings",
    [frame(FIN | PONG, b"x") * 10, *(frame(FIN | PING, b"%d" % number) for number in range(10))],
    (out(FIN | PONG, b"%d" % number) for number in range(10)),
)
case(
    "5.5.3",
    "a pong nobody asked for, and a ping",
    [frame(FIN | PONG, b"u"), frame(FIN | PING, b"p"), frame(FIN | PONG, b"u")],
    out(FIN | PONG, b"p"),
)
for opcode in (PING, PONG, CLOSE):
    case(
        "5.5",
        f"126 octets in a control frame {opcode:#x}",
        [HELLO, frame(FIN | opcode, b"\xfe" * 126)],
        HELLO_BACK,
        (PROTOCOL, E.ControlTooLong),
    )
    case(
        "5.5",
        f"65536 octets announced in a control frame {opcode:#x}",
        frame(FIN | opcode, length=b"\x7f" + (65536).to_bytes(8, "big")),
        fails=(PROTOCOL, E.ControlTooLong),
    )
    case(
        "5.4",
        f"a control frame {opcode:#x} in fragments",
        [HELLO, frame(opcode, b"f1"), frame(FIN | CONT, b"f2")],
        HELLO_BACK,
        (PROTOCOL, E.FragmentedControl),
    )

# Reserved bits, in every combination, on every kind of frame (5.2).
for bits in range(RSV3, FIN, RSV3):
    for opcode in (TEXT, BINARY, PING, PONG, CLOSE):
        case(
            "5.2",
            f"reserved bits {bits:#x} on opcode {opcode:#x} behind a message",
            [HELLO, frame(FIN | bits | opcode, b"ab"), frame(FIN | PING)],
            HELLO_BACK,
            (PROTOCOL, E.ReservedBitsSet),
        )
for bits in (RSV1, RSV2, RSV3):
    case(
        "5.2",
        f"reserved bits {bits:#x} on a continuation",
        [frame(TEXT, b"a"), frame(FIN | bits | CONT, b"b")],
        fails=(PROTOCOL, E.ReservedBitsSet),
    )

# Reserved opcodes (5.2, 11.8).
for opcode in (3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF):
    for payload in (b"", b"reserved opcode payload"):
        case(
            "5.2",
            f"opcode {opcode:#x} with {len(payload)} octets behind a message",
            [HELLO, frame(FIN | opcode, payload), frame(FIN | PING)],
            HELLO_BACK,
            (PROTOCOL, E.ReservedOpcode),
        )
    case("5.2", f"opcode {opcode:#x} without FIN", frame(opcode, b"a"), fails=(PROTOCOL, E.ReservedOpcode))
    case(
        "5.2",
        f"opcode {opcode:#x} inside a message",
        [frame(TEXT, b"a"), frame(FIN | opcode)],
        fails=(PROTOCOL, E.ReservedOpcode),
    )

# Fragmentation (5.4).
FRAGMENTED, FRAGMENTED_BACK = text("fragment1fragment2", size=9), out(FIN | TEXT, b"fragment1fragment2")
case("5.4", "two fragments", FRAGMENTED, FRAGMENTED_BACK)
case("5.4", "octets in fragments", message(BINARY, b"\x00\xff" * 9, 5), out(FIN | BINARY, b"\x00\xff" * 9))
case("5.4", "fragments of one octet", text("Hello", size=1), HELLO_BACK)
case("5.4", "three empty fragments", [frame(TEXT), frame(CONT), frame(FIN | CONT)], out(FIN | TEXT))
case(
    "5.4", "something only in the middle", [frame(TEXT), frame(CONT, b"m"), frame(FIN)], out(FIN | TEXT, b"m")
)
case(
    "5.4",
    "a ping between fragments is answered at once",
    [frame(TEXT, b"fragment1"), frame(FIN | PING, b"p"), frame(FIN | CONT, b"fragment2")],
    [out(FIN | PONG, b"p"), FRAGMENTED_BACK],
)
case(
    "5.4",
    "pings and pongs between many fragments",
    [
        frame(TEXT, b"1"),
        frame(CONT, b"2"),
        frame(FIN | PING, b"p1"),
        frame(CONT, b"3"),
        frame(FIN | PONG, b"x"),
        frame(CONT, b"4"),
        frame(FIN | PING, b"p2"),
        frame(FIN | CONT, b"5"),
    ],
    [out(FIN | PONG, b"p1"), out(FIN | PONG, b"p2"), out(FIN | TEXT, b"12345")],
)
for fin in (0, FIN):
    case(
        "5.4",
        f"a continuation of nothing, {fin:#x}",
        [frame(fin | CONT, b"x"), HELLO],
        fails=(PROTOCOL, E.UnexpectedContinuation),
    )
    case(
        "5.4",
        f"a continuation behind a whole message, {fin:#x}",
        [HELLO, frame(fin | CONT, b"x"), HELLO],
        HELLO_BACK,
        (PROTOCOL, E.UnexpectedContinuation),
    )
    case(
        "5.4",
        f"a continuation behind fragments, {fin:#x}",
        [FRAGMENTED, frame(fin | CONT, b"x")],
        FRAGMENTED_BACK,
        (PROTOCOL, E.UnexpectedContinuation),
    )
    for opcode in (TEXT, BINARY):
        case(
            "5.4",
            f"a new message {fin | opcode:#x} inside another",
            [frame(TEXT, b"a"), frame(FIN | PING), frame(fin | opcode, b"b")],
            out(FIN | PONG),
            (PROTOCOL, E.UnfinishedMessage),
        )

# UTF-8 (5.6, 8.1; RFC 3629 sections 3 and 4).
CHARACTERS = {
    "the last of one octet": "\x7f",
    "the first of two": "\x80",
    "the last of two": "\u07ff",
    "the first of three": "\u0800",
    "the last before the surrogates": "\ud7ff",
    "the first behind them": "\ue000",
    "the replacement character": "\ufffd",
    "the last of three": "\uffff",
    "the first of four": "\U00010000",
    "the last there is": "\U0010ffff",
    "a byte order mark": "\ufeff",
    "NUL": "\0",
    "Greek": "\u03ba\u1f79\u03c3\u03bc\u03b5",
    "many scripts": "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!! \u65e5\u672c \U0001f600",
    **{f"a noncharacter of plane {plane}": chr((plane << 16) + 0xFFFE) for plane in range(17)},
}
for name, characters in CHARACTERS.items():
    octets = characters.encode()
    case("5.6", f"{name}, whole", text(characters), out(FIN | TEXT, octets))
    case("5.6", f"{name}, cut by fragments", text(characters, size=1), out(FIN | TEXT, octets))
WRONG = {
    "a continuation octet": b"\x80",
    "two of them": b"\xbf\x80",
    "0xfe": b"\xfe",
    "0xff": b"\xff",
    "overlong, of two": b"\xc0\xaf",
    "overlong, the longest of two": b"\xc1\xbf",
    "overlong, of three": b"\xe0\x80\xaf",
    "overlong, the longest of three": b"\xe0\x9f\xbf",
    "overlong, of four": b"\xf0\x80\x80\xaf",
    "overlong, the longest of four": b"\xf0\x8f\xbf\xbf",
    "five octets": b"\xf8\x88\x80\x80\x80",
    "six octets": b"\xfc\x84\x80\x80\x80\x80",
    "the first surrogate": b"\xed\xa0\x80",
    "the last surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "above the last character": b"\xf4\x90\x80\x80",
    "a character of two, cut": b"\xc3a",
    "a character of three, cut": b"\xe2\x82a",
    "a character of four, cut": b"\xf0\x9f\x98a",
}
for name, octets in WRONG.items():
    whole = b"\xce\xba" + octets + b"edited"
    case("8.1", f"{name}, whole", [HELLO, text(whole), HELLO], HELLO_BACK, (PAYLOAD, E.InvalidUtf8))
    case("8.1", f"{name}, in fragments", [text(whole, size=1), HELLO], fails=(PAYLOAD, E.InvalidUtf8))
    case(
        "8.1",
        f"{name}, in a message that has no end",
        frame(TEXT, whole),
        fails=(PAYLOAD, E.InvalidUtf8),
    )
for octets in (b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"):
    case("8.1", f"the end inside {octets.hex()}", text(octets), fails=(PAYLOAD, E.InvalidUtf8))
    case(
        "8.1",
        f"the end inside {octets.hex()}, in an empty last fragment",
        [frame(TEXT, octets), frame(FIN | CONT)],
        fails=(PAYLOAD, E.InvalidUtf8),
    )
    case(
        "5.6", f"octets need not be text: {octets.hex()}", message(BINARY, octets), out(FIN | BINARY, octets)
    )

# Closing (5.5.1, 7.1, 7.4).
case("5.5.1", "a message, then Close", [HELLO, BYE], [HELLO_BACK, BYE_BACK], closes=1000)
case("5.5.1", "two Close frames", [BYE, BYE], BYE_BACK, closes=1000)
case("5.5.1", "a ping behind Close", [BYE, frame(FIN | PING)], BYE_BACK, closes=1000)
case("5.5.1", "a message behind Close", [BYE, HELLO], BYE_BACK, closes=1000)
case("5.5.1", "a fault behind Close", [BYE, b"\xff" * 9], BYE_BACK, closes=1000)
case(
    "5.5.1",
    "Close inside a message",
    [frame(TEXT, b"fragment1"), BYE, frame(FIN | CONT, b"fragment2")],
    BYE_BACK,
    closes=1000,
)
case("5.5.1", "Close without a code", frame(FIN | CLOSE), out(FIN | CLOSE), closes=1005)
case("5.5.1", "half a code", frame(FIN | CLOSE, b"\x03"), fails=(PROTOCOL, E.InvalidClosePayload))
for reason in (b"", b"Hello World!", b"*" * 123, "\u03ba\u1f79\u03c3\u03bc\u03b5".encode()):
    case(
        "5.5.1",
        f"a reason of {len(reason)}",
        frame(FIN | CLOSE, code(1000, reason)),
        BYE_BACK,
        closes=1000,
    )
case("5.5", "a reason of 124", frame(FIN | CLOSE, code(1000, b"*" * 124)), fails=(PROTOCOL, E.ControlTooLong))
for name, octets in WRONG.items():
    case(
        "5.5.1",
        f"a reason with {name}",
        frame(FIN | CLOSE, code(1000, b"\xce\xba" + octets)),
        fails=(PAYLOAD, E.InvalidUtf8),
    )
case(
    "5.5.1",
    "a reason that ends inside a character",
    frame(FIN | CLOSE, code(1000, b"\xce")),
    fails=(PAYLOAD, E.InvalidUtf8),
)
REGISTERED = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)
for number in (*REGISTERED, 3000, 3999, 4000, 4999):
    case(
        "7.4",
        f"code {number}",
        frame(FIN | CLOSE, code(number)),
        out(FIN | CLOSE, code(number)),
        closes=number,
    )
for number in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
    case("7.4", f"code {number}", frame(FIN | CLOSE, code(number)), fails=(PROTOCOL, E.InvalidCloseCode))

# Masks and lengths (5.1, 5.2).
case("5.1", "a frame without a mask", [HELLO, out(FIN | TEXT, b"a")], HELLO_BACK, (PROTOCOL, E.MaskMissing))
case("5.1", "a Close frame without a mask", BYE_BACK, fails=(PROTOCOL, E.MaskMissing))
case("5.1", "a continuation without a mask", [frame(TEXT, b"a"), out(FIN)], fails=(PROTOCOL, E.MaskMissing))
for size, octets in (
    (0, b"\x7e\0\0"),
    (125, b"\x7e\0\x7d"),
    (0, b"\x7f" + bytes(8)),
    (9, b"\x7f" + bytes(7) + b"\x09"),
):
    case(
        "5.2",
        f"a length of {size} in {len(octets) - 1} octets",
        frame(FIN | BINARY, b"x" * size, length=octets),
        fails=(PROTOCOL, E.NonMinimalLength),
    )
case(
    "5.2",
    "a length of 2**63",
    frame(FIN | BINARY, length=b"\x7f\x80" + bytes(7)),
    fails=(PROTOCOL, E.LengthOverflow),
)
case(
    "10.4",
    "a length of 2**63 - 1",
    frame(FIN | BINARY, length=b"\x7f\x7f" + b"\xff" * 7),
    fails=(1009, E.LimitExceeded),
)


def echoed(protocol: WebSocketProtocol, chunks: Iterable[bytes]) -> bytes:
    """What a server that echoes sends back."""
    got = bytearray()
    for chunk in chunks:
        for opcode, payload in protocol.feed(chunk):
            if opcode is Opcode.Textual or opcode is Opcode.Binary:
                assert not isinstance(payload, CloseReason)
                protocol.send(payload)
        got += protocol.take()
    return bytes(got)


def splits(stream: bytes) -> Iterator[list[bytes]]:
    yield [stream]
    yield [*pieces(stream, 1)]
    for cut in range(1, len(stream)):
        yield [stream[:cut], stream[cut:]]


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    sent, got, fails, closes = CASES[name]
    for chunks in splits(sent):
        protocol = WebSocketProtocol.server()
        back = echoed(protocol, chunks)
        if fails is None:
            assert back == got
            assert protocol.error is None
            assert protocol.state is (State.OPEN if closes is None else State.CLOSED)
            assert protocol.should_disconnect == (closes is not None)
            assert closes is None or protocol.close_code == closes
            continue
        number, error = fails
        assert back[: len(got)] == got
        # One Close frame, and nothing behind it (section 7.1.7).
        close = back[len(got) :]
        assert (close[0], close[1], close[2:4]) == (FIN | CLOSE, len(close) - 2, code(number))
        assert close[4:].decode() == str(protocol.error)[:123]
        assert type(protocol.error) is error
        assert 0 <= vars(protocol.error)["offset"] <= len(sent)
        assert (protocol.state, protocol.should_disconnect) == (State.CLOSED, True)
        assert protocol.close_code == 1006


# Large messages, in frames and pieces of many sizes (5.2, 5.4; 10.4 is about the limit).


@pytest.mark.parametrize("kind", [TEXT, BINARY])
@pytest.mark.parametrize(
    ("size", "fragment", "piece"),
    [
        (65535, 0, 65536),
        (65536, 0, 997),
        (65536, 1300, 65536),
        (65536, 1300, 536),
        (1 << 18, 64, 65536),
        (1 << 18, 256, 1000),
        (1 << 20, 1 << 12, 1 << 16),
        (1 << 20, 1 << 18, 2048),
        (4 << 20, 0, 1 << 16),
        (4 << 20, 1 << 20, 1 << 18),
    ],
)
def test_large_messages(kind: int, size: int, fragment: int, piece: int) -> None:
    payload = ("\u65e5\u672cab" * (size // 8)).encode().ljust(size, b"*")
    protocol = WebSocketProtocol.server()
    back = echoed(protocol, pieces(message(kind, payload, fragment), piece))
    assert back == out(FIN | kind, payload)


# permessage-deflate (RFC 7692).

PARAMETERS = [
    # server_no_context_takeover, client_no_context_takeover, server and client_max_window_bits
    (False, False, 15, 15),
    (True, True, 15, 15),
    (True, False, 15, 9),
    (False, True, 9, 15),
    (False, False, 9, 9),
    (True, True, 9, 9),
    (False, False, 8, 15),
    (False, False, 12, 10),
]


class Compressing:
    """A client that compresses with zlib, by section 7.2.1, and inflates by 7.2.2."""

    def __init__(self, agreed: DeflateParameters) -> None:
        self._agreed = agreed
        self._out = self._compressor()
        self._in = zlib.decompressobj(-max(agreed.server_max_window_bits, 9))

    def _compressor(self) -> zlib._Compress:
        return zlib.compressobj(6, zlib.DEFLATED, -max(self._agreed.client_max_window_bits, 9))

    def pack(self, payload: bytes) -> bytes:
        if self._agreed.client_no_context_takeover:
            self._out = self._compressor()
        packed = self._out.compress(payload) + self._out.flush(zlib.Z_SYNC_FLUSH)
        assert packed.endswith(b"\0\0\xff\xff")
        return packed[:-4]

    def unpack(self, packed: bytes) -> bytes:
        if self._agreed.server_no_context_takeover:
            self._in = zlib.decompressobj(-max(self._agreed.server_max_window_bits, 9))
        return self._in.decompress(packed + b"\0\0\xff\xff")


def frames_of(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """The frames of a server: first octet and payload, by the letter of section 5.2."""
    at = 0
    while at < len(octets):
        first, length, size = octets[at], octets[at + 1], 2
        if length == 126:
            length, size = int.from_bytes(octets[at + 2 : at + 4], "big"), 4
        elif length == 127:
            length, size = int.from_bytes(octets[at + 2 : at + 10], "big"), 10
        yield first, octets[at + size : at + size + length]
        at += size + length


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
@pytest.mark.parametrize("kind", [TEXT, BINARY])
@pytest.mark.parametrize(
    ("size", "fragment"),
    [(0, 0), (16, 0), (64, 0), (256, 64), (1024, 0), (4096, 256), (8192, 0), (32768, 0), (131072, 4096)],
)
def test_compressed_messages(
    parameters: tuple[bool, bool, int, int], kind: int, size: int, fragment: int
) -> None:
    """Four messages, the second of them not compressed (RFC 7692 section 6: each message may be or not)."""
    agreed = DeflateParameters(*parameters)
    protocol = WebSocketProtocol.server(deflate=agreed, config=DeflateConfig(min_size=0))
    client = Compressing(agreed)
    for number in range(4):
        line = f'{{"AutoReply": {number}, "text": "\u00e4bc", "n": [1, 2, 3]}}, '
        payload = (line * (size // len(line) + 1)).encode()[:size].decode(errors="ignore").encode()
        if number == 1:
            stream = message(kind, payload, fragment)
        else:
            stream = message(kind, client.pack(payload), fragment)
            stream = bytes([stream[0] | RSV1]) + stream[1:]
        back = echoed(protocol, pieces(stream, 1000))
        ((first, packed),) = frames_of(back)
        assert first & ~RSV1 == FIN | kind
        assert (client.unpack(packed) if first & RSV1 else packed) == payload
    assert protocol.error is None


def marked(opcode: int, payload: bytes) -> bytes:
    return frame(FIN | RSV1 | opcode, payload)


HELLO_PACKED = bytes.fromhex("f248cdc9c90700")  # RFC 7692 section 7.2.3.1

#: Compressed messages that are wrong: the code, the error.
WRONG_PACKED: dict[str, tuple[bytes, int, type[WebSocketError]]] = {
    "7.2.2 a reserved type of block": (marked(TEXT, b"\x07"), 1007, E.InvalidDeflate),
    "7.2.2 a stored block whose lengths disagree": (
        marked(BINARY, b"\x00\x05\x00\x00\x00Hello"),
        1007,
        E.InvalidDeflate,
    ),
    "7.2.2 a distance before the beginning": (
        marked(BINARY, bytes.fromhex("025e000000")),
        1007,
        E.InvalidDeflate,
    ),
    "6.1 RSV1 on a continuation": (
        frame(RSV1 | TEXT, HELLO_PACKED[:3]) + frame(FIN | RSV1 | CONT, HELLO_PACKED[3:]),
        1002,
        E.ReservedBitsSet,
    ),
    "6.1 RSV1 on a ping": (marked(PING, b""), 1002, E.ReservedBitsSet),
    "6.1 RSV1 on a Close frame": (marked(CLOSE, code(1000)), 1002, E.ReservedBitsSet),
    "6455 5.2 RSV2 beside RSV1": (frame(FIN | RSV1 | RSV2 | TEXT, HELLO_PACKED), 1002, E.ReservedBitsSet),
    "6455 8.1 text that is none": (marked(TEXT, b"\x00\x02\x00\xfd\xff\xc3\x28"), 1007, E.InvalidUtf8),
    "6455 8.1 text that ends in a character": (
        marked(TEXT, b"\x00\x01\x00\xfe\xff\xc3"),
        1007,
        E.InvalidUtf8,
    ),
}


@pytest.mark.parametrize("name", WRONG_PACKED)
def test_wrong_compressed_messages(name: str) -> None:
    stream, number, error = WRONG_PACKED[name]
    for chunks in splits(marked(TEXT, HELLO_PACKED) + stream + HELLO):
        protocol = WebSocketProtocol.server(deflate=DeflateParameters(), config=DeflateConfig())
        back = echoed(protocol, chunks)
        assert back.startswith(HELLO_BACK)
        assert back[len(HELLO_BACK)] == FIN | CLOSE
        assert back[len(HELLO_BACK) + 2 :][:2] == code(number)
        assert type(protocol.error) is error
