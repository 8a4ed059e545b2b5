"""The reader of both twins: every rule of RFC 6455 section 5 on receiving, split at every octet.

The table of hostile streams follows the areas that a conformance suite has: framing, pings, reserved bits,
opcodes, fragmentation, UTF-8, close, limits. Its cases are written from the RFC.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from netkit.websocket import Opcode, WebSocketError
from tests.conftest import Twin
from tests.websocket.frames import (
    BINARY,
    CLOSE,
    CONT,
    FIN,
    KEY,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    fields,
    frame,
    pieces,
    read,
)

E = WebSocketError

#: Streams of a client that are right, and what they are: RFC 6455 section 5.7, and the edges of lengths.
GOOD: dict[str, tuple[bytes, list[tuple[int, str | bytes]]]] = {
    "5.7 a text": (bytes.fromhex("818537fa213d7f9f4d5158"), [(TEXT, "Hello")]),
    "5.7 a fragmented text": (frame(TEXT, b"Hel") + frame(FIN | CONT, b"lo"), [(TEXT, "Hello")]),
    "5.7 a ping": (frame(FIN | PING, b"Hello"), [(PING, b"Hello")]),
    "5.7 a pong": (bytes.fromhex("8a8537fa213d7f9f4d5158"), [(PONG, b"Hello")]),
    "5.7 256 octets": (frame(FIN | BINARY, bytes(256)), [(BINARY, bytes(256))]),
    "5.2 an empty text": (frame(FIN | TEXT), [(TEXT, "")]),
    "5.2 an empty message": (frame(FIN | BINARY), [(BINARY, b"")]),
    "5.2 125 octets, the most of 7 bits": (frame(FIN | BINARY, b"a" * 125), [(BINARY, b"a" * 125)]),
    "5.2 126 octets, the least of 16 bits": (frame(FIN | BINARY, b"a" * 126), [(BINARY, b"a" * 126)]),
    "5.3 a key of zeros": (frame(FIN | TEXT, b"plain", bytes(4)), [(TEXT, "plain")]),
    "5.4 empty fragments": (
        frame(TEXT) + frame(CONT) + frame(FIN | CONT),
        [(TEXT, "")],
    ),
    "5.4 an empty fragment between two": (
        frame(BINARY, b"a") + frame(CONT) + frame(FIN | CONT, b"b"),
        [(BINARY, b"ab")],
    ),
    "5.4 control frames between fragments": (
        frame(TEXT, b"a")
        + frame(FIN | PING, b"1")
        + frame(CONT, b"b")
        + frame(FIN | PONG)
        + frame(FIN, b"c"),
        [(PING, b"1"), (PONG, b""), (TEXT, "abc")],
    ),
    "5.5 a control frame of 125 octets": (frame(FIN | PING, b"p" * 125), [(PING, b"p" * 125)]),
    "5.5.1 nothing behind a Close frame is read": (
        frame(FIN | CLOSE, b"\x03\xe8") + frame(FIN | TEXT, b"late") + b"\xff\xff",
        [(CLOSE, b"\x03\xe8")],
    ),
    "5.5.1 a Close frame inside a message": (
        frame(TEXT, b"cut off") + frame(FIN | CLOSE),
        [(CLOSE, b"")],
    ),
    "5.6 characters cut by a fragment": (
        frame(TEXT, "κόσ".encode()[:3]) + frame(CONT, "κόσ".encode()[3:4]) + frame(FIN, "κόσ".encode()[4:]),
        [(TEXT, "κόσ")],
    ),
    "5.6 the last character there is": (frame(FIN | TEXT, b"\xf4\x8f\xbf\xbf"), [(TEXT, "\U0010ffff")]),
    "5.6 a noncharacter": (frame(FIN | TEXT, b"\xef\xbf\xbf"), [(TEXT, "\uffff")]),
    "5.6 NUL": (frame(FIN | TEXT, b"a\0b"), [(TEXT, "a\0b")]),
    "two messages": (frame(FIN | TEXT, b"a") + frame(FIN | BINARY, b"b"), [(TEXT, "a"), (BINARY, b"b")]),
}

#: Streams of a client that break a rule: what comes before, the error, and the octet.
BAD: dict[str, tuple[bytes, list[tuple[int, str | bytes]], type[WebSocketError], int]] = {
    "5.1 a frame without a mask": (frame(FIN | TEXT, b"a", None), [], E.MaskMissing, 1),
    "5.1 a ping without a mask": (frame(FIN | PING, b"", None), [], E.MaskMissing, 1),
    **{
        f"5.2 reserved bits {bits:#x} on opcode {opcode}": (
            frame(FIN | bits | opcode, b"ab"),
            [],
            E.ReservedBitsSet,
            0,
        )
        for bits in (RSV1, RSV2, RSV3, RSV1 | RSV2, RSV1 | RSV2 | RSV3)
        for opcode in (TEXT, BINARY, PING, PONG, CLOSE)
    },
    "5.2 reserved bits behind a message": (
        frame(FIN | TEXT, b"ok") + frame(FIN | RSV3 | TEXT, b"no"),
        [(TEXT, "ok")],
        E.ReservedBitsSet,
        8,
    ),
    "5.2 reserved bits on a continuation": (
        frame(TEXT, b"ok") + frame(FIN | RSV1 | CONT, b"no"),
        [],
        E.ReservedBitsSet,
        8,
    ),
    **{
        f"5.2 reserved opcode {opcode:#x}": (frame(FIN | opcode, b"ab"), [], E.ReservedOpcode, 0)
        for opcode in (3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF)
    },
    "5.2 a reserved opcode inside a message": (
        frame(TEXT, b"ok") + frame(FIN | 3),
        [],
        E.ReservedOpcode,
        8,
    ),
    "5.2 16 bits for 125": (
        frame(FIN | BINARY, b"a" * 125, length=b"\x7e\0\x7d"),
        [],
        E.NonMinimalLength,
        2,
    ),
    "5.2 16 bits for 0": (frame(FIN | BINARY, length=b"\x7e\0\0"), [], E.NonMinimalLength, 2),
    "5.2 64 bits for 0": (frame(FIN | BINARY, length=b"\x7f" + bytes(8)), [], E.NonMinimalLength, 2),
    "5.2 64 bits for 65535": (
        frame(FIN | BINARY, length=b"\x7f\0\0\0\0\0\0\xff\xff"),
        [],
        E.NonMinimalLength,
        2,
    ),
    "5.2 the highest bit of 64": (
        frame(FIN | BINARY, length=b"\x7f\x80" + bytes(7)),
        [],
        E.LengthOverflow,
        2,
    ),
    "5.2 all bits of 64": (frame(FIN | TEXT, length=b"\x7f" + b"\xff" * 8), [], E.LengthOverflow, 2),
    "5.2 2**63 - 1, which is a length": (
        frame(FIN | BINARY, length=b"\x7f\x7f" + b"\xff" * 7),
        [],
        E.LimitExceeded,
        2,
    ),
    "5.4 a continuation of nothing": (frame(FIN | CONT, b"a"), [], E.UnexpectedContinuation, 0),
    "5.4 a first fragment that is a continuation": (frame(CONT, b"a"), [], E.UnexpectedContinuation, 0),
    "5.4 a continuation behind a whole message": (
        frame(FIN | TEXT, b"a") + frame(FIN | CONT, b"b"),
        [(TEXT, "a")],
        E.UnexpectedContinuation,
        7,
    ),
    "5.4 a continuation behind a fragmented message": (
        frame(TEXT, b"a") + frame(FIN | CONT, b"b") + frame(CONT, b"c"),
        [(TEXT, "ab")],
        E.UnexpectedContinuation,
        14,
    ),
    "5.4 a text inside a text": (frame(TEXT, b"a") + frame(FIN | TEXT, b"b"), [], E.UnfinishedMessage, 7),
    "5.4 octets inside a text": (frame(TEXT, b"a") + frame(BINARY, b"b"), [], E.UnfinishedMessage, 7),
    "5.4 a text behind a ping inside a text": (
        frame(TEXT, b"a") + frame(FIN | PING) + frame(TEXT, b"b"),
        [(PING, b"")],
        E.UnfinishedMessage,
        13,
    ),
    **{
        f"5.5 a fragmented control frame {opcode:#x}": (frame(opcode, b"ab"), [], E.FragmentedControl, 0)
        for opcode in (CLOSE, PING, PONG)
    },
    **{
        f"5.5 126 octets in a control frame {opcode:#x}": (
            frame(FIN | opcode, b"a" * 126),
            [],
            E.ControlTooLong,
            1,
        )
        for opcode in (CLOSE, PING, PONG)
    },
    "5.5 64 bits of length in a control frame": (
        frame(FIN | PING, length=b"\x7f" + bytes(8)),
        [],
        E.ControlTooLong,
        1,
    ),
}

#: Octets that are no UTF-8 (RFC 3629), and which of them is wrong; None is that something is missing behind.
NOT_UTF8: dict[str, tuple[bytes, int | None]] = {
    "a continuation octet alone": (b"a\x80", 1),
    "an overlong slash of two": (b"\xc0\xaf", 0),
    "an overlong slash of three": (b"\xe0\x80\xaf", 1),
    "an overlong slash of four": (b"\xf0\x80\x80\xaf", 1),
    "the longest overlong of two": (b"\xc1\xbf", 0),
    "the longest overlong of three": (b"\xe0\x9f\xbf", 1),
    "the longest overlong of four": (b"\xf0\x8f\xbf\xbf", 1),
    "a high surrogate": (b"ok\xed\xa0\x80", 3),
    "a low surrogate": (b"\xed\xbf\xbf", 1),
    "a pair of surrogates": (b"\xed\xa0\x80\xed\xb0\x80", 1),
    "above the last character": (b"\xf4\x90\x80\x80", 1),
    "five octets": (b"\xf8\x88\x80\x80\x80", 0),
    "six octets": (b"\xfc\x84\x80\x80\x80\x80", 0),
    "0xfe": (b"\xfe", 0),
    "0xff": (b"abc\xff", 3),
    "a character of two cut by ASCII": (b"\xc3(", 1),
    "a character of three cut by ASCII": (b"\xe2\x82(", 2),
    "a character of four cut by ASCII": (b"\xf0\x9f\x98(", 3),
    "a character cut by another": (b"\xe2\x82\xc3\xa4", 2),
    "the end in a character of two": (b"ok\xc3", None),
    "the end in a character of three": (b"\xe2\x82", None),
    "the end in a character of four": (b"\xf0\x9f\x98", None),
}


def every_split(stream: bytes) -> list[list[bytes]]:
    """The stream whole, octet by octet, and cut in two at every place."""
    return [
        [stream],
        [*pieces(stream, 1)],
        *([stream[:cut], stream[cut:]] for cut in range(1, len(stream))),
    ]


@pytest.mark.parametrize("name", GOOD)
def test_what_is_right(twin: Twin, name: str) -> None:
    stream, expected = GOOD[name]
    for chunks in every_split(stream):
        reader = twin.MessageReader(True)
        assert read(reader, chunks) == expected
        assert reader.error is None
        assert not reader.in_message
        assert reader.buffered == 0


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong(twin: Twin, name: str) -> None:
    stream, before, error, offset = BAD[name]
    for chunks in every_split(stream):
        reader = twin.MessageReader(True)
        assert read(reader, chunks) == before
        assert type(reader.error) is error
        assert vars(reader.error)["offset"] == reader.offset == offset
        # Nothing more is read, and the error stays.
        assert reader.feed(frame(FIN | TEXT, b"late")) == []
        assert type(reader.error) is error


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_refused_at_its_octet(twin: Twin, name: str) -> None:
    """As soon as the octet is there that shows it, or the last one of a length that does."""
    stream, before, error, offset = BAD[name]
    latest = {E.NonMinimalLength: 7, E.LimitExceeded: 7}.get(error, 0)
    reader = twin.MessageReader(True)
    assert read(reader, [stream[:offset]]) == before
    assert reader.error is None
    reader.feed(stream[offset : offset + 1 + latest])
    assert type(reader.error) is error


@pytest.mark.parametrize("name", NOT_UTF8)
@pytest.mark.parametrize("ahead", [0, 200], ids=["alone", "behind 200 octets"])
def test_text_that_is_not_utf8(twin: Twin, name: str, ahead: int) -> None:
    """RFC 6455 section 8.1, in one frame, and in fragments of one octet."""
    text, wrong = NOT_UTF8[name]
    text = b"a" * ahead + text
    stream = frame(FIN | TEXT, text)
    header = len(stream) - len(text)
    for chunks in ([stream], [*pieces(stream, 1)], [*pieces(stream, 7)]):
        reader = twin.MessageReader(True)
        assert read(reader, chunks) == []
        assert isinstance(reader.error, E.InvalidUtf8)
        assert reader.error.offset == header + (len(text) if wrong is None else ahead + wrong)
        assert reader.error.octet == (None if wrong is None else text[ahead + wrong])
    fragments = b"".join(
        frame((TEXT if at == 0 else CONT) | (FIN if at == len(text) - 1 else 0), text[at : at + 1])
        for at in range(len(text))
    )
    reader = twin.MessageReader(True)
    assert read(reader, [fragments]) == []
    assert isinstance(reader.error, E.InvalidUtf8)
    # Each frame has six octets in front of its one.
    assert reader.error.offset == 7 * (len(text) if wrong is None else ahead + wrong) + (
        0 if wrong is None else 6
    )


@pytest.mark.parametrize("name", [name for name, (_, wrong) in NOT_UTF8.items() if wrong is not None])
def test_text_fails_before_its_frame_is_whole(twin: Twin, name: str) -> None:
    """Section 8.1: at the octet, though a hundred more of the frame, and of the message, are to come."""
    text, wrong = NOT_UTF8[name]
    assert wrong is not None
    stream = frame(TEXT, text + b"a" * 100)
    reader = twin.MessageReader(True)
    reader.feed(stream[: 6 + wrong])
    assert reader.error is None
    reader.feed(stream[6 + wrong : 6 + wrong + 1])
    assert isinstance(reader.error, E.InvalidUtf8)


def test_octets_need_not_be_text(twin: Twin) -> None:
    reader = twin.MessageReader(True)
    assert reader.feed(frame(FIN | BINARY, b"\xff\xfe")) == [(Opcode.Binary, b"\xff\xfe")]


def test_a_client_refuses_a_mask(twin: Twin) -> None:
    """RFC 6455 section 5.1."""
    reader = twin.MessageReader(False)
    assert reader.feed(frame(FIN | TEXT, b"ok", None)) == [(Opcode.Textual, "ok")]
    assert reader.feed(frame(FIN | TEXT, b"no")) == []
    assert isinstance(reader.error, E.MaskForbidden)
    assert reader.error.offset == 5


def test_kinds_are_members_of_opcode(twin: Twin) -> None:
    reader = twin.MessageReader(True)
    stream = frame(FIN | TEXT, b"t") + frame(FIN | BINARY, b"b") + frame(FIN | PING) + frame(FIN | PONG)
    kinds = [kind for kind, _ in reader.feed(stream + frame(FIN | CLOSE))]
    assert [type(kind) for kind in kinds] == [Opcode] * 5
    assert kinds == [Opcode.Textual, Opcode.Binary, Opcode.Ping, Opcode.Pong, Opcode.Close]


# Limits


@pytest.mark.parametrize(
    ("setting", "within", "over", "offset", "size"),
    [
        ("max_frame", frame(FIN | BINARY, bytes(200)), frame(FIN | BINARY, bytes(201)), 2, 201),
        ("max_frame", frame(FIN | TEXT, b"a" * 200), frame(TEXT, b"a" * 201), 2, 201),
        ("max_message", frame(BINARY, bytes(100)) + frame(FIN, bytes(100)), b"", 0, 0),
        (
            "max_message",
            b"",
            frame(BINARY, bytes(100)) + frame(FIN | PING) + frame(FIN, bytes(101)),
            113,
            201,
        ),
        ("max_message", b"", frame(FIN | TEXT, length=b"\x7f\0\0\0\0\0\1\0\0"), 2, 65536),
    ],
)
def test_size_limits(twin: Twin, setting: str, within: bytes, over: bytes, offset: int, size: int) -> None:
    """RFC 6455 section 10.4: refused from the length alone, which reserves nothing."""
    settings = {"max_frame": 1 << 20, setting: 200}
    reader = twin.MessageReader(True, **settings)
    read(reader, [within])
    assert reader.error is None
    reader = twin.MessageReader(True, **settings)
    for chunk in pieces(over, 1):
        reader.feed(chunk)
    if over:
        assert isinstance(reader.error, E.LimitExceeded)
        assert (reader.error.setting, reader.error.limit) == (setting, 200)
        assert (reader.error.offset, reader.error.size) == (offset, size)
        assert reader.error.close_code == 1009
        assert reader.buffered == 0


def test_a_length_reserves_no_memory(twin: Twin) -> None:
    reader = twin.MessageReader(True, max_frame=1 << 40, max_message=1 << 40)
    reader.feed(frame(FIN | BINARY, b"a", length=b"\x7f\0\0\0\1\0\0\0\0"))
    assert reader.error is None
    assert reader.buffered == 1


@pytest.mark.parametrize("piece", [1000, 5001, 39_999, 1 << 20])
@pytest.mark.parametrize("first", [TEXT, BINARY])
def test_large_messages_in_pieces(twin: Twin, first: int, piece: int) -> None:
    """Which go straight to where they end up; with a ping behind, and another message."""
    message = bytes(32 + i % 90 for i in range(40_000))
    one = frame(FIN | first, message)
    stream = (
        one + frame(FIN | PING, b"!") + frame(first, message[:35_000]) + frame(FIN, message[35_000:]) + one
    )
    reader = twin.MessageReader(True)
    found = []
    for chunk in pieces(stream, piece):
        found += reader.feed(chunk)
        assert reader.in_message or reader.buffered == 0
    whole = (first, message.decode() if first == TEXT else message)
    assert found == [whole, (PING, b"!"), whole, whole]
    reader.feed(one[:5000])
    assert reader.buffered == 5000 - 8
    assert reader.in_message


def test_the_number_of_fragments_is_limited(twin: Twin) -> None:
    stream = frame(BINARY, b"a") + frame(CONT, b"b") + frame(FIN | PING) + frame(FIN, b"c")
    assert len(read(twin.MessageReader(True, max_fragments=3), [stream])) == 2
    reader = twin.MessageReader(True, max_fragments=2)
    assert read(reader, [stream]) == [(PING, b"")]
    assert isinstance(reader.error, E.LimitExceeded)
    assert (reader.error.setting, reader.error.offset, reader.error.close_code) == ("max_fragments", 20, 1008)


def test_empty_fragments_are_limited(twin: Twin) -> None:
    def stream(empty: int) -> bytes:
        return frame(TEXT) + frame(CONT) * (empty - 1) + frame(FIN | CONT)

    reader = twin.MessageReader(True, max_empty_fragments=5)
    assert read(reader, [stream(5), stream(5)]) == [(TEXT, "")] * 2
    assert read(reader, [stream(6)]) == []
    assert isinstance(reader.error, E.LimitExceeded)
    assert reader.error.setting == "max_empty_fragments"


def test_tiny_fragments_cost_octets(twin: Twin) -> None:
    """A message of 20,000 fragments of one octet is one buffer."""
    reader = twin.MessageReader(True)
    reader.feed(frame(BINARY, b"a") + frame(CONT, b"b") * 19_999)
    assert reader.buffered == 20_000
    assert reader.feed(frame(FIN)) == [(Opcode.Binary, b"a" + b"b" * 19_999)]


@pytest.mark.parametrize("limit", ["max_frame", "max_message", "max_fragments", "max_empty_fragments"])
@pytest.mark.parametrize("value", [-1, 2**62 + 1, 2**70, -(2**70)])
def test_limits_have_limits(twin: Twin, limit: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"^{limit} must be from 0 to {2**62}, not {value}$"):
        twin.MessageReader(True, **{limit: value})
    with pytest.raises(TypeError):
        twin.MessageReader(True, **{limit: 1.5})


# Compressed messages (RFC 7692 section 6), which a reader hands on as they are


def test_compressed_messages_are_marked(twin: Twin) -> None:
    reader = twin.MessageReader(True, allow_compressed=True)
    assert reader.feed(frame(FIN | RSV1 | TEXT, b"\xff\xff")) == [(FIN | RSV1 | TEXT, b"\xff\xff")]
    assert not reader.is_plain
    assert reader.feed(frame(FIN | TEXT, b"plain")) == [(Opcode.Textual, "plain")]
    assert reader.is_plain


def test_compressed_messages_come_in_pieces(twin: Twin) -> None:
    reader = twin.MessageReader(True, allow_compressed=True)
    stream = frame(RSV1 | BINARY, b"ab") + frame(CONT, b"cd") + frame(FIN | PING, b"!") + frame(FIN, b"ef")
    whole = read(reader, [stream])
    assert whole == [(PING, b"!"), (FIN | RSV1 | BINARY, b"abcdef")]
    assert reader.feed(stream[:7]) == [(RSV1 | BINARY, b"a")]
    assert not reader.is_plain
    assert read(reader, [*pieces(stream[7:], 1)]) == [(PING, b"!"), (FIN | RSV1 | BINARY, b"bcdef")]


@pytest.mark.parametrize(
    "first", [FIN | RSV1 | PING, FIN | RSV1 | CLOSE, FIN | RSV2 | TEXT, FIN | RSV1 | CONT]
)
def test_only_the_first_frame_of_a_message_is_marked(twin: Twin, first: int) -> None:
    """RFC 7692 section 6: not a control frame, and (6.1) not the second fragment."""
    reader = twin.MessageReader(True, allow_compressed=True)
    reader.feed(frame(RSV1 | TEXT, b"a") if first & 0xF == CONT else b"")
    reader.feed(frame(first))
    assert isinstance(reader.error, E.ReservedBitsSet)


def test_a_compressed_message_may_be_a_little_larger(twin: Twin) -> None:
    for size, is_allowed in ((1000 + 62 + 64, True), (1000 + 62 + 65, False)):
        reader = twin.MessageReader(True, allow_compressed=True, max_message=1000)
        reader.feed(frame(FIN | RSV1 | BINARY, bytes(size)))
        assert (reader.error is None) is is_allowed


# Both twins


def streams() -> st.SearchStrategy[bytes]:
    """Frames that are mostly right, one after the other, some octets changed."""
    texts = st.text(max_size=40).map(str.encode)
    frames = st.builds(
        frame,
        st.builds(
            lambda fin, rsv, opcode: fin | rsv | opcode,
            st.sampled_from([FIN, FIN, 0]),
            st.sampled_from([0] * 8 + [RSV1] * 2 + [RSV2]),
            st.sampled_from([CONT, CONT, TEXT, TEXT, BINARY, PING, PONG, CLOSE, 3]),
        ),
        texts | st.binary(max_size=300),
        st.binary(min_size=4, max_size=4) | st.just(KEY),
    )
    whole = st.lists(frames, min_size=1, max_size=8).map(b"".join)
    changes = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=2)

    def changed(stream: bytes, places: list[tuple[int, int]]) -> bytes:
        octets = bytearray(stream)
        for at, octet in places:
            octets[at % len(octets)] = octet
        return bytes(octets)

    return st.builds(changed, whole, changes)


@given(
    stream=streams(),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=30),
    make=st.sampled_from([bytes, bytearray, memoryview]),
    allow_compressed=st.booleans(),
    limits=st.fixed_dictionaries(
        {},
        optional={
            "max_frame": st.integers(0, 200),
            "max_message": st.integers(0, 200),
            "max_fragments": st.integers(0, 4),
            "max_empty_fragments": st.integers(0, 2),
        },
    ),
)
@settings(max_examples=200)
def test_twins_agree(
    twins: tuple[Twin, Twin],
    stream: bytes,
    cuts: list[int],
    make: Any,
    allow_compressed: bool,
    limits: dict[str, int],
) -> None:
    """On results, errors with their offsets, and everything a reader says of itself, after each piece."""
    python, rust = (twin.MessageReader(True, allow_compressed=allow_compressed, **limits) for twin in twins)
    at = 0
    for cut in [*cuts, len(stream)]:
        piece, at = make(stream[at : at + cut]), at + cut
        here, there = python.feed(piece), rust.feed(piece)
        assert here == there
        assert [type(payload) for _, payload in here] == [type(payload) for _, payload in there]
        assert fields(python.error) == fields(rust.error)
        for name in ("is_plain", "offset", "in_message", "buffered"):
            assert getattr(python, name) == getattr(rust, name), name


@given(stream=streams(), cuts=st.lists(st.integers(1, 40), max_size=30), allow_compressed=st.booleans())
@settings(max_examples=200)
def test_the_front_of_a_buffer_is_read_as_octets_are(
    twins: tuple[Twin, Twin], stream: bytes, cuts: list[int], allow_compressed: bool
) -> None:
    """The payload alone stands for one message that is not compressed, and for nothing else."""
    for twin in twins:
        by_octets, by_front = (twin.MessageReader(True, allow_compressed=allow_compressed) for _ in range(2))
        at = 0
        for cut in [*cuts, len(stream)]:
            piece, at = stream[at : at + cut], at + cut
            found = by_octets.feed(piece)
            front = by_front.feed_front(bytearray(piece + stream), len(piece))
            if len(found) == 1 and by_octets.is_plain:
                assert (type(front), front) == (type(found[0][1]), found[0][1])
            else:
                assert front == found
            assert fields(by_octets.error) == fields(by_front.error)
            for name in ("is_plain", "offset", "in_message", "buffered"):
                assert getattr(by_octets, name) == getattr(by_front, name), name


@pytest.mark.parametrize("size", [-1, 4])
def test_a_buffer_with_fewer_octets(twin: Twin, size: int) -> None:
    with pytest.raises(ValueError, match=rf"^{size} is not 0 to 3 octets$"):
        twin.MessageReader(True).feed_front(bytearray(3), size)


@pytest.mark.parametrize("data", ["text", None, 7, memoryview(b"abcd")[::2]])
def test_twins_refuse_the_same_arguments(twins: tuple[Twin, Twin], data: Any) -> None:
    said = []
    for twin in twins:
        with pytest.raises(TypeError) as caught:
            twin.MessageReader(True).feed(data)
        said.append(str(caught.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70000])
def test_a_frame_has_the_fewest_octets_of_length(twin: Twin, size: int, key: bytes | None) -> None:
    """RFC 6455 section 5.2: "the minimal number of bytes MUST be used to encode the length"."""
    payload = bytes(i % 251 for i in range(size))
    assert twin.build_frame(0x82, payload, key) == frame(0x82, payload, key)
    for make in (bytearray, memoryview):
        assert twin.build_frame(0x82, make(payload), key) == frame(0x82, payload, key)


def test_a_frame_of_a_text(twin: Twin) -> None:
    assert twin.build_frame(0x81, "Hello", KEY).hex() == "818537fa213d7f9f4d5158"
    assert twin.build_frame(0x81, "häé€😀") == frame(0x81, "häé€😀".encode(), None)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((256, b""), ValueError, "the first octet is from 0 to 255, not 256"),
        ((-1, b""), ValueError, "the first octet is from 0 to 255, not -1"),
        ((2**70, b""), ValueError, f"the first octet is from 0 to 255, not {2**70}"),
        ((0x81, b"", b"123"), ValueError, "a masking key is 4 bytes, not 3"),
        ((0x81, 7), TypeError, "memoryview: a bytes-like object is required, not 'int'"),
        (
            (0x81, "\ud800"),
            UnicodeEncodeError,
            "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
        ),
    ],
)
def test_frames_that_cannot_be_built(
    twin: Twin, arguments: tuple[Any, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        twin.build_frame(*arguments)
    assert str(caught.value) == words
