"""The protocol object: what is answered, how a connection closes and fails (RFC 6455 sections 5 to 7)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, strategies as st

from netkit.websocket import (
    CloseCode,
    CloseReason,
    DeflateConfig,
    DeflateParameters,
    Opcode,
    State,
    WebSocketError,
    WebSocketLimits,
    WebSocketProtocol,
    decode,
    random_mask_key,
)
from netkit.websocket.deflate import Deflater
from netkit.websocket.frame import Decoded, Frame
from tests.websocket.frames import (
    BINARY,
    CLOSE,
    CONT,
    FIN,
    KEY,
    PING,
    PONG,
    RSV1,
    TEXT,
    client,
    fields,
    frame,
    pieces,
)
from tests.websocket.test_reader import BAD, GOOD, NOT_UTF8

E = WebSocketError
server = WebSocketProtocol.server


def frames(octets: bytes, masked: bool = False) -> Iterator[Frame]:
    """The frames in what a protocol sends."""
    while octets:
        result = decode(octets, masked, 1 << 24, allowed_rsv=RSV1)
        assert isinstance(result, Decoded)
        yield result.frame
        octets = octets[result.consumed :]


def sent(protocol: WebSocketProtocol) -> list[tuple[Opcode, bytes]]:
    return [(each.opcode, each.payload) for each in frames(protocol.take(), protocol.is_client)]


def shake(bits: int = 15, forgets: bool = False) -> DeflateParameters:
    return DeflateParameters(forgets, forgets, bits, bits)


# Messages


def test_hello() -> None:
    """Section 5.7: what each side sends, octet by octet."""
    here = client()
    here.send("Hello")
    assert here.take().hex() == "818537fa213d7f9f4d5158"
    there = server()
    there.send("Hello")
    assert there.take().hex() == "810548656c6c6f"
    assert there.take() == b""
    assert not there.has_output


@pytest.mark.parametrize("name", GOOD)
def test_what_is_right(name: str) -> None:
    stream, expected = GOOD[name]
    for size in (1, 2, len(stream)):
        protocol = server()
        found = [event for chunk in pieces(stream, size) for event in protocol.feed(chunk)]
        assert protocol.error is None
        assert [kind for kind, _ in found] == [kind for kind, _ in expected]
        assert found[-1][1] == expected[-1][1] or found[-1][0] is Opcode.Close


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_fails_the_connection(name: str) -> None:
    """Section 7.1.7: the code that says why, nothing after it, and the transport closed."""
    stream, before, error, offset = BAD[name]
    protocol = server()
    assert len(protocol.feed(stream)) == len(before)
    assert type(protocol.error) is error
    assert vars(protocol.error)["offset"] == offset
    opcode, payload = sent(protocol)[-1]
    assert opcode is Opcode.Close
    assert int.from_bytes(payload[:2], "big") == protocol.error.close_code
    assert payload[2:].decode() == str(protocol.error)[:123]
    assert protocol.state is State.CLOSED
    assert protocol.should_disconnect
    assert protocol.feed(frame(FIN | TEXT, b"late")) == []
    with pytest.raises(E.ConnectionClosed):
        protocol.send("late")
    assert protocol.take() == b""


@pytest.mark.parametrize("name", NOT_UTF8)
def test_wrong_text_is_1007(name: str) -> None:
    text, _ = NOT_UTF8[name]
    protocol = server()
    assert protocol.feed(frame(FIN | TEXT, text)) == []
    assert isinstance(protocol.error, E.InvalidUtf8)
    assert sent(protocol)[0][1][:2] == (1007).to_bytes(2, "big")


def test_a_client_fails_too() -> None:
    """Section 5.1: a server's frame with a mask."""
    protocol = client()
    protocol.feed(frame(FIN | TEXT, b"masked"))
    assert isinstance(protocol.error, E.MaskForbidden)
    assert next(frames(protocol.take(), True)).payload[:2] == (1002).to_bytes(2, "big")
    assert protocol.should_disconnect


def test_sending_in_fragments() -> None:
    """Section 5.4, with a ping between them."""
    here, there = client(), server()
    here.send_fragment("a", end=False)
    with pytest.raises(E.InvalidValue, match="a fragmented message is not finished"):
        here.send("whole")
    with pytest.raises(E.InvalidValue, match="a message is either a text or octets"):
        here.send_fragment(b"b", end=False)
    here.ping(b"!")
    here.send_fragment("b", end=False)
    here.send_fragment("", end=True)
    here.send(b"next")
    stream = here.take()
    assert [(each.fin, each.opcode) for each in frames(stream, True)] == [
        (False, Opcode.Textual),
        (True, Opcode.Ping),
        (False, Opcode.Continuation),
        (True, Opcode.Continuation),
        (True, Opcode.Binary),
    ]
    assert there.feed(stream) == [(Opcode.Ping, b"!"), (Opcode.Textual, "ab"), (Opcode.Binary, b"next")]


def test_text_that_cannot_be_sent() -> None:
    for protocol in (client(), server(), server(deflate=shake())):
        with pytest.raises(E.InvalidValue, match="a lone surrogate is no text"):
            protocol.send("\ud800" * 200)
        with pytest.raises(E.InvalidValue, match="a lone surrogate is no text"):
            protocol.send_fragment("\ud800", end=True)
        assert protocol.take() == b""


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("size", [0, 5, 16383, 16384, 100_000])
def test_octets_of_any_buffer(make: type[bytes], size: int) -> None:
    """What is sent does not change with the buffer it came from."""
    octets = bytes(i % 251 for i in range(size))
    there, here = server(), client()
    buffer = make(octets)
    there.send(buffer)
    if isinstance(buffer, bytearray):
        buffer[:] = bytes(size)
    parts = there.take_parts()
    assert len(parts) == (2 if size >= 16384 else 1)
    assert there.take() == b""
    assert here.feed(b"".join(parts)) == [(Opcode.Binary, octets)]


def test_large_octets_are_not_copied() -> None:
    payload = bytes(100_000)
    there = server()
    there.send(payload)
    assert there.take_parts()[1] is payload


def test_a_new_key_for_each_frame() -> None:
    """Sections 5.3 and 10.3."""
    keys = [random_mask_key() for _ in range(3000)]
    assert {len(key) for key in keys} == {4}
    assert len(set(keys)) > 2990
    here = WebSocketProtocol.client(random_mask_key)
    for _ in range(20):
        here.send(bytes(8))
    stream = here.take()
    assert len({stream[at + 2 : at + 6] for at in range(0, len(stream), 14)}) == 20


# Pings


def test_a_ping_is_answered() -> None:
    """Section 5.5.2: with the same octets, at once, also inside a message."""
    protocol = server()
    assert protocol.feed(frame(TEXT, b"a") + frame(FIN | PING, b"\x00\xff")) == [(Opcode.Ping, b"\x00\xff")]
    assert sent(protocol) == [(Opcode.Pong, b"\x00\xff")]
    assert protocol.feed(frame(FIN, b"b")) == [(Opcode.Textual, "ab")]


def test_ten_pings_are_answered_in_order() -> None:
    protocol = server()
    protocol.feed(b"".join(frame(FIN | PING, bytes([number])) for number in range(10)))
    assert sent(protocol) == [(Opcode.Pong, bytes([number])) for number in range(10)]


def test_a_pong_nobody_asked_for() -> None:
    """Section 5.5.3: it may come, and is not answered."""
    protocol = server()
    assert protocol.feed(frame(FIN | PONG, b"x")) == [(Opcode.Pong, b"x")]
    assert protocol.take() == b""


def test_many_pings_are_answered_by_the_last_pongs() -> None:
    """Section 5.5.3: so that a peer that does not read cannot make the answers grow."""
    protocol = server()
    for number in range(500):
        protocol.feed(frame(FIN | PING, number.to_bytes(2, "big")))
    answers = sent(protocol)
    assert len(answers) == 16
    assert answers[-1] == (Opcode.Pong, (499).to_bytes(2, "big"))
    protocol.feed(frame(FIN | PING, b"again"))
    assert sent(protocol) == [(Opcode.Pong, b"again")]


def test_a_flood_of_pings_is_refused() -> None:
    protocol = server(limits=WebSocketLimits(max_pings=100))
    for count in (100, 100, 2000):  # however many come at once
        protocol.feed(frame(FIN | PING) * count)
        assert protocol.error is None
        protocol.take()  # the peer reads its answers
    protocol.feed(frame(FIN | PING) * 100)
    protocol.feed(frame(FIN | TEXT))  # a message is work
    protocol.feed(frame(FIN | PING) * 60)
    protocol.feed(frame(FIN | PING) * 40)
    assert protocol.error is None
    protocol.feed(frame(FIN | PING))
    assert isinstance(protocol.error, E.LimitExceeded)
    assert (protocol.error.setting, protocol.error.close_code) == ("max_pings", 1008)


def test_control_frames_that_cannot_be_sent() -> None:
    protocol = client()
    for send in (protocol.ping, protocol.pong):
        send(bytes(125))
        with pytest.raises(E.InvalidValue, match="126 octets are more than 125"):
            send(bytes(126))


# Closing


def test_a_client_closes() -> None:
    """Sections 7.1.1 to 7.1.6."""
    here, there = client(), server()
    here.close(CloseCode.NORMAL, "done")
    assert here.state is State.CLOSING
    with pytest.raises(E.ConnectionClosed):
        here.send("late")
    with pytest.raises(E.ConnectionClosed):
        here.ping()
    assert there.feed(here.take()) == [(Opcode.Close, CloseReason(1000, "done"))]
    assert (there.state, there.close_code, there.close_reason) == (State.CLOSING, 1000, "done")
    assert there.has_output
    answer = there.take()
    assert answer == frame(FIN | CLOSE, b"\x03\xe8", None)
    assert there.state is State.CLOSED
    assert there.should_disconnect  # the server does it first
    assert here.feed(answer) == [(Opcode.Close, CloseReason(1000))]
    assert here.state is State.CLOSED
    assert here.awaits_disconnect
    assert not here.should_disconnect
    here.feed_eof()
    assert here.should_disconnect
    assert here.error is None
    assert (here.close_code, here.close_reason) == (1000, "")


def test_a_server_closes_and_still_receives() -> None:
    """Section 5.5.1: the peer may have had more to send before it saw the Close frame."""
    here, there = client(), server()
    there.close(CloseCode.GOING_AWAY)
    here.send("on its way")
    here.ping()
    assert there.feed(here.take()) == [(Opcode.Textual, "on its way"), (Opcode.Ping, b"")]
    assert sent(there) == [(Opcode.Close, b"\x03\xe9")]  # and no pong behind it
    here.feed(frame(FIN | CLOSE, b"\x03\xe9", None))
    there.feed(here.take())
    assert there.should_disconnect
    assert there.close_code == 1001


def test_both_close_at_once() -> None:
    here, there = client(), server()
    here.close(4000)
    there.close(4001)
    to_there, to_here = here.take(), there.take()
    there.feed(to_there)
    here.feed(to_here)
    assert (here.take(), there.take()) == (b"", b"")
    assert (here.state, there.state) == (State.CLOSED, State.CLOSED)
    assert (here.close_code, there.close_code) == (4001, 4000)


def test_a_close_frame_without_a_code_is_answered_without() -> None:
    protocol = server()
    protocol.feed(frame(FIN | CLOSE))
    assert protocol.close_code == CloseCode.NO_STATUS
    assert sent(protocol) == [(Opcode.Close, b"")]


@pytest.mark.parametrize("take_parts", [False, True])
@pytest.mark.parametrize(
    ("behind", "code"), [(frame(FIN | CLOSE, b"\x03\xe8"), 1000), (b"\xf1", 1002)], ids=["close", "error"]
)
def test_what_came_before_the_end_can_be_answered(behind: bytes, code: int, take_parts: bool) -> None:
    """The Close frame is written last: nothing is sent behind it (section 5.5.1)."""
    protocol = server()
    events = protocol.feed(frame(FIN | TEXT, b"a") + frame(FIN | PING) + frame(FIN | TEXT, b"b") + behind)
    for opcode, payload in events:
        if opcode is Opcode.Textual:
            assert isinstance(payload, str)
            protocol.send(payload)
    octets = b"".join(protocol.take_parts()) if take_parts else protocol.take()
    *before, last = frames(octets)
    assert [(each.opcode, each.payload) for each in before] == [
        (Opcode.Pong, b""),
        (Opcode.Textual, b"a"),
        (Opcode.Textual, b"b"),
    ]
    assert (last.opcode, last.payload[:2]) == (Opcode.Close, code.to_bytes(2, "big"))
    with pytest.raises(E.ConnectionClosed):
        protocol.send("late")
    assert protocol.take() == b""
    assert protocol.should_disconnect


def test_a_peer_that_only_reads_any_more_gets_its_answer() -> None:
    """The end of the stream says nothing of the other direction."""
    for stream, code in ((frame(FIN | CLOSE, b"\x03\xe8"), 1000), (b"\xf1", 1002)):
        protocol = server()
        protocol.feed(stream)
        protocol.feed_eof()
        assert sent(protocol)[0][1][:2] == code.to_bytes(2, "big")
        assert protocol.should_disconnect


def test_a_code_of_ones_own_for_an_error() -> None:
    protocol = server()
    protocol.feed(b"\xf1")
    protocol.close(4002, "no")
    assert sent(protocol) == [(Opcode.Close, b"\x0f\xa2no")]
    assert protocol.take() == b""


def test_one_close_frame_is_sent() -> None:
    protocol = server()
    protocol.close(1000)
    protocol.close(1001)
    protocol.feed(b"\xff")
    assert sent(protocol) == [(Opcode.Close, b"\x03\xe8")]
    assert protocol.close_sent == CloseReason(1000)
    assert protocol.state is State.CLOSED


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000])
def test_a_code_that_none_may_send(code: int) -> None:
    protocol = server()
    with pytest.raises(E.InvalidValue):
        protocol.close(code)
    assert protocol.state is State.OPEN
    assert protocol.feed(frame(FIN | CLOSE, code.to_bytes(2, "big"))) == []
    assert isinstance(protocol.error, E.InvalidCloseCode)
    assert protocol.error.offset == 6
    assert sent(protocol)[0][1][:2] == b"\x03\xea"
    assert protocol.close_code == CloseCode.ABNORMAL


@pytest.mark.parametrize("payload", [b"\x03", b"\x03\xe8\xff", b"\x03\xe8" + b"a" * 124])
def test_a_close_frame_that_is_wrong(payload: bytes) -> None:
    protocol = server()
    assert protocol.feed(frame(FIN | CLOSE, payload)) == []
    assert protocol.error is not None
    assert protocol.state is State.CLOSING
    assert protocol.take()
    assert protocol.should_disconnect


def test_the_end_without_a_close_frame() -> None:
    """Section 7.1.5: 1006."""
    for protocol in (client(), server()):
        protocol.feed_eof()
        protocol.feed_eof()
        assert isinstance(protocol.error, E.ConnectionClosed)
        assert protocol.error.code == protocol.close_code == CloseCode.ABNORMAL
        assert protocol.error.fault == "network"
        assert protocol.state is State.CLOSED
        with pytest.raises(E.ConnectionClosed, match="without a Close frame"):
            protocol.send("late")
        protocol.close()
        assert protocol.take() == b""
        assert protocol.feed(b"late") == []


def test_who_sends_after_closing_is_told_the_code() -> None:
    protocol = server()
    protocol.close(4000, "mine")
    with pytest.raises(E.ConnectionClosed, match=r"code 4000\): 'mine'"):
        protocol.send_fragment(b"", end=True)
    protocol.feed(frame(FIN | CLOSE, b"\x0f\xa1theirs"))
    with pytest.raises(E.ConnectionClosed, match=r"code 4001\): 'theirs'"):
        protocol.send("late")


# Back-pressure


def test_congestion() -> None:
    protocol = server(limits=WebSocketLimits(high_water=1000))
    assert protocol.output_size == 0
    protocol.send(bytes(500))
    assert not protocol.is_congested
    protocol.send(bytes(500))
    assert protocol.output_size == 1008
    assert protocol.is_congested
    assert len(protocol.take()) == 1008
    assert not protocol.is_congested


def test_the_size_of_the_output_is_that_of_what_is_taken() -> None:
    protocol = server()
    for number in range(40):
        protocol.feed(frame(FIN | PING, bytes(number)))  # of which some take the place of others
        protocol.send(bytes(number))
        if number % 3 == 0:
            assert protocol.output_size == len(b"".join(protocol._out))
    assert protocol.output_size == len(protocol.take())
    assert protocol.output_size == 0


def test_a_message_under_way_is_said() -> None:
    protocol = server()
    for chunk in pieces(frame(TEXT, b"ab") + frame(FIN, b"c")[:-1], 1):
        protocol.feed(chunk)
        assert protocol.in_message
    protocol.feed(frame(FIN, b"c")[-1:])
    assert not protocol.in_message


@pytest.mark.parametrize("name", WebSocketLimits.__match_args__)
def test_limits_have_limits(name: str) -> None:
    with pytest.raises(E.InvalidValue, match=name):
        WebSocketLimits(**{name: -1})


def test_limits_reach_the_reader() -> None:
    limits = WebSocketLimits(max_frame=10, max_message=20, max_fragments=3, max_empty_fragments=1)
    for stream, setting in (
        (frame(FIN | TEXT, bytes(11)), "max_frame"),
        (frame(TEXT, bytes(10)) + frame(CONT, bytes(10)) + frame(FIN, b"a"), "max_message"),
        (frame(TEXT, b"a") + frame(CONT, b"a") * 3, "max_fragments"),
        (frame(TEXT) + frame(CONT), "max_empty_fragments"),
    ):
        protocol = server(limits=limits)
        protocol.feed(stream)
        assert isinstance(protocol.error, E.LimitExceeded)
        assert protocol.error.setting == setting


# Compression (RFC 7692)


def test_without_agreement_rsv1_is_an_error() -> None:
    """RFC 6455 section 5.2."""
    protocol = server()
    protocol.feed(frame(FIN | RSV1 | TEXT, b"\0"))
    assert isinstance(protocol.error, E.ReservedBitsSet)


def test_a_compressed_message_has_rsv1_in_its_first_frame() -> None:
    """RFC 7692 section 6.1."""
    protocol = server(deflate=shake())
    protocol.send("a" * 500)
    protocol.send_fragment("b" * 500, end=False)
    protocol.send_fragment("", end=True)
    whole, first, last = frames(protocol.take())
    assert (whole.rsv1, first.rsv1, last.rsv1) == (True, True, False)
    assert (whole.fin, first.fin, last.fin) == (True, False, True)
    assert len(whole.payload) < 20


def test_small_messages_are_left() -> None:
    protocol = server(deflate=shake())
    protocol.send("a" * 127)
    protocol.send("a" * 128)
    small, large = frames(protocol.take())
    assert (small.rsv1, large.rsv1) == (False, True)
    protocol = server(deflate=shake(), config=DeflateConfig(min_size=0))
    protocol.send("")
    (empty,) = frames(protocol.take())
    assert (empty.rsv1, empty.payload) == (True, b"\0")


def test_what_becomes_larger_is_left_where_nothing_refers_to_it() -> None:
    noise = random_octets(1000)
    for forgets, is_compressed in ((True, False), (False, True)):
        protocol = server(deflate=shake(forgets=forgets))
        protocol.send(noise)
        (one,) = frames(protocol.take())
        assert one.rsv1 is is_compressed


def random_octets(size: int) -> bytes:
    import random

    return random.Random(1).randbytes(size)


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_inflated_text_is_checked(size: int) -> None:
    """RFC 6455 section 8.1 holds for the text that is inflated, piece by piece."""
    for name, (text, wrong) in NOT_UTF8.items():
        text = b"a" * 300 + text
        protocol = server(deflate=shake())
        for chunk in pieces(frame(FIN | RSV1 | TEXT, Deflater().compress(text)), size):
            assert protocol.feed(chunk) == []
        error = protocol.error
        assert isinstance(error, E.InvalidUtf8), name
        assert error.is_inflated
        assert error.offset == (len(text) if wrong is None else 300 + wrong)
        assert sent(protocol)[0][1][:2] == (1007).to_bytes(2, "big")


def test_a_bomb_is_refused() -> None:
    limits = WebSocketLimits(max_message=100_000)
    packed = Deflater().compress(bytes(50 << 20))
    for size in (1000, 1 << 20):
        protocol = server(limits=limits, deflate=shake())
        for chunk in pieces(frame(FIN | RSV1 | BINARY, packed), size):
            assert protocol.feed(chunk) == []
        assert isinstance(protocol.error, E.LimitExceeded)
        assert (protocol.error.setting, protocol.error.close_code) == ("max_message", 1009)


def test_a_ratio_is_refused() -> None:
    protocol = server(limits=WebSocketLimits(max_ratio=100), deflate=shake())
    protocol.feed(frame(FIN | RSV1 | BINARY, Deflater().compress(bytes(4 << 20))))
    assert isinstance(protocol.error, E.LimitExceeded)
    assert protocol.error.setting == "max_ratio"


def test_what_is_not_deflate_is_1007() -> None:
    protocol = server(deflate=shake())
    assert protocol.feed(frame(FIN | TEXT, b"ok") + frame(FIN | RSV1 | BINARY, b"\xff\xff")) == [
        (Opcode.Textual, "ok")
    ]
    assert isinstance(protocol.error, E.InvalidDeflate)
    assert sent(protocol)[0][1][:2] == (1007).to_bytes(2, "big")


def test_compressed_fragments_and_a_ping_between() -> None:
    """RFC 7692 section 6.1: a message is compressed as one, and cut anywhere."""
    packed = Deflater().compress(b"Hello" * 100)
    stream = frame(RSV1 | TEXT, packed[:3]) + frame(FIN | PING) + frame(CONT) + frame(FIN, packed[3:])
    for size in range(1, len(stream) + 1):
        protocol = server(deflate=shake())
        events = [event for chunk in pieces(stream, size) for event in protocol.feed(chunk)]
        assert events == [(Opcode.Ping, b""), (Opcode.Textual, "Hello" * 100)]


def test_messages_that_are_not_compressed_do_not_count() -> None:
    """RFC 7692 section 7.2.3.2: the window is that of the compressed ones, with others between them."""
    here, there = client(deflate=shake()), server(deflate=shake())
    for text in ("a" * 200, "small", "a" * 200, "b" * 10, "ab" * 100):
        here.send(text)
        assert there.feed(here.take()) == [(Opcode.Textual, text)]


def test_each_side_keeps_to_its_window() -> None:
    """Section 7.1.2: the server's bits bind the server, the client's the client."""
    unit = random_octets(3000)
    agreed = DeflateParameters(server_max_window_bits=9, client_max_window_bits=15)
    there = server(deflate=agreed, config=DeflateConfig(window_bits=15))
    there.send(unit * 2)
    here = client(deflate=agreed, config=DeflateConfig(window_bits=15))
    here.send(unit * 2)
    (theirs,) = frames(there.take())
    (ours,) = frames(here.take(), True)
    assert len(theirs.payload) > 6000 > 3200 > len(ours.payload)
    assert zlib.decompressobj(-9).decompress(theirs.payload + b"\x00\x00\xff\xff") == unit * 2


def test_the_four_parameters() -> None:
    for server_forgets in (False, True):
        for client_forgets in (False, True):
            agreed = DeflateParameters(server_forgets, client_forgets, 10, 11)
            here, there = client(deflate=agreed), server(deflate=agreed)
            sizes: dict[bool, list[int]] = {True: [], False: []}
            for _ in range(3):
                for sender, receiver in ((here, there), (there, here)):
                    sender.send(random_octets(150).hex())
                    octets = sender.take()
                    sizes[sender.is_client].append(len(octets))
                    assert receiver.feed(octets) == [(Opcode.Textual, random_octets(150).hex())]
            # A window that is kept makes the same message short the second time.
            assert (sizes[True][1] > 100) is client_forgets
            assert (sizes[False][1] > 100) is server_forgets


# Everything at once

messages = st.lists(
    st.text(max_size=200) | st.binary(max_size=400) | st.text("ab", min_size=100, max_size=3000), max_size=6
)


@given(
    messages=messages,
    cuts=st.lists(st.integers(1, 300), min_size=1, max_size=20),
    parts=st.integers(1, 200),
    agreed=st.none()
    | st.builds(DeflateParameters, st.booleans(), st.booleans(), st.integers(8, 15), st.integers(8, 15)),
    min_size=st.integers(0, 200),
    from_client=st.booleans(),
    pings=st.booleans(),
)
def test_any_messages_arrive(
    messages: list[str | bytes],
    cuts: list[int],
    parts: int,
    agreed: DeflateParameters | None,
    min_size: int,
    from_client: bool,
    pings: bool,
) -> None:
    """Any messages, in any fragments, compressed or not, cut anywhere: what was sent, in order."""
    config = DeflateConfig(min_size=min_size)
    both = client(deflate=agreed, config=config), server(deflate=agreed, config=config)
    sender, receiver = both if from_client else both[::-1]
    for number, message in enumerate(messages):
        if number % 2:
            sender.send(message)
            continue
        for at in range(0, len(message) + 1, parts):
            if pings:
                sender.ping(b"between")
            sender.send_fragment(message[at : at + parts], end=at + parts > len(message))
    sender.close(1000, "done")
    stream = sender.take()
    found, at = [], 0
    for cut in [*cuts, len(stream)]:
        found += receiver.feed(stream[at : at + cut])
        at += cut
    assert receiver.error is None
    assert [payload for opcode, payload in found if opcode in (TEXT, BINARY)] == messages
    assert found[-1] == (Opcode.Close, CloseReason(1000, "done"))
    sender.feed(receiver.take())
    assert (sender.state, receiver.state) == (State.CLOSED, State.CLOSED)


@given(st.binary(max_size=400), st.integers(1, 100), st.booleans())
def test_any_octets(stream: bytes, size: int, compressed: bool) -> None:
    """Never an exception, whatever comes; and the same however it is cut."""
    outcomes = []
    for step in (size, 1 << 20):
        protocol = server(deflate=shake() if compressed else None, limits=WebSocketLimits(max_message=5000))
        events = [event for chunk in pieces(stream, step) for event in protocol.feed(chunk)]
        protocol.feed_eof()
        for opcode, payload in events:
            assert isinstance(payload, {TEXT: str, CLOSE: CloseReason}.get(opcode, bytes))
        error = fields(protocol.error)
        # Where in its octets a compressed message went wrong depends on what was fed of it.
        outcomes.append((events, error if not isinstance(protocol.error, E.InvalidDeflate) else None))
    assert outcomes[0] == outcomes[1]


def test_it_says_what_it_is() -> None:
    assert repr(client()) == "<WebSocketProtocol client open>"
    assert KEY in frame(FIN | TEXT)
