"""One frame by itself, opcodes, and what a Close frame says (RFC 6455 sections 5.2, 5.5.1 and 7.4)."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, strategies as st

from netkit.websocket import (
    CloseCode,
    CloseReason,
    DecodeResult,
    Frame,
    Opcode,
    WebSocketError,
    decode,
    encode,
)
from netkit.websocket.close import encode_close, is_sendable, parse_close, shortened
from netkit.websocket.utf8 import Utf8Validator
from tests.websocket.frames import FIN, KEY, RSV1, frame
from tests.websocket.test_reader import BAD, NOT_UTF8

E = WebSocketError

#: RFC 6455 section 5.7, octet by octet.
EXAMPLES = [
    ("8105 48656c6c6f", None, Frame.text("Hello")),
    ("8185 37fa213d 7f9f4d5158", KEY, Frame.text("Hello")),
    ("0103 48656c", None, Frame(False, opcode=Opcode.Textual, payload=b"Hel")),
    ("8002 6c6f", None, Frame(opcode=Opcode.Continuation, payload=b"lo")),
    ("8905 48656c6c6f", None, Frame.ping(b"Hello")),
    ("8a85 37fa213d 7f9f4d5158", KEY, Frame.pong(b"Hello")),
    ("827e0100" + "00" * 256, None, Frame.binary(bytes(256))),
    ("827f0000000000010000" + "00" * 65536, None, Frame.binary(bytes(65536))),
]


@pytest.mark.parametrize(("octets", "key", "value"), EXAMPLES, ids=[line[0][:8] for line in EXAMPLES])
def test_the_examples_of_section_5_7(octets: str, key: bytes | None, value: Frame) -> None:
    stream = bytes.fromhex(octets)
    assert encode(value, key) == stream
    out = bytearray(b"before")
    assert encode(value, key, out) is out
    assert out == b"before" + stream
    result = decode(stream + b"behind", key is not None)
    assert result == DecodeResult.Decoded(value, len(stream))
    for cut in [*range(min(len(stream), 300)), len(stream) - 1]:
        assert decode(stream[:cut], key is not None) == DecodeResult.NeedMore()
    assert not DecodeResult.NeedMore()


@pytest.mark.parametrize("name", [name for name in BAD if " inside " not in name and "behind" not in name])
def test_decode_refuses_what_a_reader_refuses(name: str) -> None:
    stream, _, error, offset = BAD[name]
    if error is E.UnexpectedContinuation or "on a continuation" in name:
        assert decode(stream, True)  # one frame by itself may be of any message
        return
    with pytest.raises(error) as caught:
        decode(stream, True)
    assert vars(caught.value)["offset"] == offset


def test_decode_has_a_limit() -> None:
    assert decode(frame(0x82, bytes(200)), True, 200)
    with pytest.raises(E.LimitExceeded, match="frame of more than 199 octets") as caught:
        decode(frame(0x82, bytes(200)), True, max_payload=199)
    assert (caught.value.limit, caught.value.size, caught.value.offset) == (199, 200, 2)


def test_decode_allows_the_bits_of_an_extension() -> None:
    marked = frame(FIN | RSV1 | Opcode.Textual, b"ab")
    result = decode(marked, True, allowed_rsv=RSV1)
    assert isinstance(result, DecodeResult.Decoded)
    assert result.frame == Frame(rsv1=True, opcode=Opcode.Textual, payload=b"ab")
    assert encode(result.frame, KEY) == marked
    with pytest.raises(E.ReservedBitsSet, match=r"reserved bits set \(RSV1\) at octet 0"):
        decode(marked, True)


@given(
    st.booleans(), st.integers(0, 7), st.integers(0, 15), st.binary(max_size=200), st.none() | st.just(KEY)
)
def test_any_frame_can_be_written(
    fin: bool, bits: int, opcode: int, payload: bytes, key: bytes | None
) -> None:
    """A wrong one as well, for tests of a peer."""
    value = Frame(fin, bool(bits & 4), bool(bits & 2), bool(bits & 1), opcode, payload)
    assert encode(value, key) == frame(fin << 7 | bits << 4 | opcode, payload, key)


def test_control_frames_have_their_length() -> None:
    """Section 5.5."""
    assert len(Frame.ping(bytes(125)).payload) == 125
    for build in (Frame.ping, Frame.pong):
        with pytest.raises(E.InvalidValue, match="126 octets are more than 125"):
            build(bytes(126))


def test_opcodes() -> None:
    """Section 11.8."""
    assert [opcode.value for opcode in Opcode] == [0, 1, 2, 8, 9, 10]
    reserved = Opcode(0xB)
    assert reserved is Opcode.Reserved(0xB)
    assert reserved.is_reserved
    assert reserved.is_control
    assert not Opcode.Reserved(3).is_control
    assert repr(reserved) == "<Opcode.Reserved: 11>"
    assert pickle.loads(pickle.dumps(reserved)) is reserved
    assert [opcode for opcode in Opcode if opcode.is_control] == [Opcode.Close, Opcode.Ping, Opcode.Pong]
    assert not any(opcode.is_reserved for opcode in Opcode)
    for wrong in (-1, 16, 1.5, "1"):
        with pytest.raises(ValueError, match="is not a valid Opcode"):
            Opcode(wrong)
    with pytest.raises(ValueError, match="opcode 0x9 is not reserved"):
        Opcode.Reserved(9)


# Close frames


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999])
def test_codes_that_may_be_sent(code: int) -> None:
    """Sections 7.4.1 and 7.4.2."""
    assert is_sendable(code)
    payload = encode_close(code, "why")
    assert payload == code.to_bytes(2, "big") + b"why"
    assert parse_close(payload) == CloseReason(code, "why")


@pytest.mark.parametrize(
    "code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 9999, 65535]
)
def test_codes_that_may_not(code: int) -> None:
    assert not is_sendable(code)
    with pytest.raises(E.InvalidCloseCode, match=f"invalid close code {code} at octet 6") as caught:
        parse_close(code.to_bytes(2, "big"), 6)
    assert (caught.value.code, caught.value.close_code) == (code, 1002)
    with pytest.raises(E.InvalidValue):
        encode_close(code)


def test_a_close_frame_without_a_code() -> None:
    """Section 7.1.5: it counts as 1005."""
    assert parse_close(b"") == CloseReason(CloseCode.NO_STATUS, "")
    assert encode_close(None) == b""
    with pytest.raises(E.InvalidValue, match="no reason without a code"):
        encode_close(None, "why")


def test_half_a_code() -> None:
    """Section 5.5.1."""
    with pytest.raises(E.InvalidClosePayload) as caught:
        parse_close(b"\x03", 6)
    assert caught.value.offset == 6


@pytest.mark.parametrize("name", NOT_UTF8)
def test_a_reason_is_utf8(name: str) -> None:
    """Section 5.5.1."""
    text, wrong = NOT_UTF8[name]
    with pytest.raises(E.InvalidUtf8) as caught:
        parse_close(b"\x03\xe8" + text, 100)
    assert caught.value.offset == 102 + (len(text) if wrong is None else wrong)


def test_a_reason_fits() -> None:
    """Section 5.5: 125 octets with the code; cut at a character."""
    assert len(encode_close(1000, "a" * 123)) == 125
    with pytest.raises(E.InvalidValue, match="124 octets in UTF-8, more than 123"):
        encode_close(1000, "ä" * 62)
    with pytest.raises(E.InvalidValue, match="a lone surrogate is no text"):
        encode_close(1000, "\udc80")
    assert shortened("ä" * 62) == "ä" * 61
    assert shortened("fits") == "fits"


def test_a_close_reason_is_shown_escaped() -> None:
    assert str(CloseReason(1001, "bye\x1b[2J")) == "1001 GOING_AWAY: 'bye\\x1b[2J'"
    assert str(CloseReason(4000)) == "4000"
    assert str(E.ConnectionClosed(4000, "\x1b")) == "the connection is closed (code 4000): '\\x1b'"


@given(st.binary(max_size=12), st.lists(st.integers(1, 4), max_size=8))
def test_utf8_in_pieces_is_what_it_is_whole(text: bytes, cuts: list[int]) -> None:
    """The same verdict however it is cut, and the decoder's; the octet is the first after which no text
    can be right."""

    def verdict(chunks: list[bytes]) -> tuple[int | None, int] | None:
        validator = Utf8Validator()
        try:
            for chunk in chunks:
                validator.feed(chunk)
            validator.finish()
        except E.InvalidUtf8 as error:
            return error.octet, error.offset
        return None

    chunks, at = [], 0
    for cut in [*cuts, len(text)]:
        chunks.append(text[at : at + cut])
        at += cut
    found = verdict([text])
    assert verdict(chunks) == found
    try:
        text.decode()
    except UnicodeDecodeError:
        assert found is not None
        octet, offset = found
        endings = [
            b"",
            b"\x80",
            b"\x80\x80",
            b"\x80\x80\x80",
            b"\x90",
            b"\x90\x80",
            b"\x90\x80\x80",
            b"\xa0\x80",
        ]

        def can_be_right(start: bytes) -> bool:
            return any(verdict([start + ending]) is None for ending in endings)

        assert can_be_right(text[:offset])
        assert (octet is None and offset == len(text)) or not can_be_right(text[: offset + 1])
    else:
        assert found is None
