"""Mutated streams, judged by netkit, websockets and wsproto: the same messages, and the same close code.

Right frames in a right order are changed in one or two places: an octet is another, is missing or is there
twice, frames change places, or the stream is cut. Each difference that is allowed has a name, a reason, and a
condition on what netkit says. Where none holds, the outcome is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given, settings, strategies as st

from netkit.websocket import WebSocketError, WebSocketProtocol
from netkit.websocket.errors import AtOctet
from tests.websocket.frames import BINARY, CLOSE, CONT, FIN, PING, PONG, TEXT, frame
from tests.websocket.test_peers import Peer, Seen, Websockets, Wsproto, seen

E = WebSocketError


class Verdict(NamedTuple):
    """What was in a stream, and the code of the Close frame that refuses the rest; None for none."""

    seen: Seen
    code: int | None


def ours(stream: bytes) -> tuple[Verdict, WebSocketProtocol]:
    protocol = WebSocketProtocol.server()
    found = seen(protocol, stream)
    protocol.take()
    code = None if protocol.error is None else protocol.close_sent and protocol.close_sent.code
    return Verdict(found, code), protocol


def of_websockets(stream: bytes) -> Verdict:
    peer = Websockets()
    found, is_refused = peer.feed(stream)
    if not is_refused:
        return Verdict(found, None)
    if peer.protocol.parser_exc is None:
        return Verdict(found, 1007)  # a text that its connections cannot decode
    assert peer.protocol.close_sent is not None
    return Verdict(found, peer.protocol.close_sent.code)


def of_wsproto(stream: bytes) -> Verdict:
    peer = Wsproto()
    found, is_refused = peer.feed(stream)
    return Verdict(found, peer.refusal if is_refused else None)


def is_prefix(one: Seen, other: Seen) -> bool:
    return other[: len(one)] == one


def is_lenient(here: Verdict, there: Verdict, _: WebSocketProtocol) -> bool:
    """It goes on where netkit refuses."""
    return is_prefix(here.seen, there.seen)


def waits(here: Verdict, there: Verdict, _: WebSocketProtocol) -> bool:
    """It has not decided yet."""
    return there == (here.seen, None)


def refuses_close_inside(here: Verdict, there: Verdict, protocol: WebSocketProtocol) -> bool:
    """It refuses a Close frame between fragments, which section 5.4 allows."""
    return protocol.close_received is not None and there.code == 1002 and here.seen[:-1] == there.seen


def is_both(here: Verdict, there: Verdict, _: WebSocketProtocol) -> bool:
    """A Close frame has a wrong code and a wrong reason."""
    return there == (here.seen, 1007)


class Difference(NamedTuple):
    """Why a peer says something else, the errors of netkit where that is so, and whether it is so here."""

    why: str
    errors: tuple[type[WebSocketError], ...]
    holds: Callable[[Verdict, Verdict, WebSocketProtocol], bool]


WAITS = Difference(
    "waits for the whole header, and the whole frame, before it looks at them", (AtOctet,), waits
)

DIFFERENCES: dict[Peer, list[Difference]] = {
    Websockets: [
        WAITS,
        Difference("takes a length in more octets than it needs", (E.NonMinimalLength,), is_lenient),
        Difference("decodes a text when it is whole: other faults come first", (E.InvalidUtf8,), is_lenient),
        Difference("refuses a Close frame between fragments", (), refuses_close_inside),
        Difference(
            "decodes the reason of a Close frame before it looks at the code", (E.InvalidCloseCode,), is_both
        ),
    ],
    Wsproto: [WAITS],
}
VERDICTS: dict[Peer, Callable[[bytes], Verdict]] = {Websockets: of_websockets, Wsproto: of_wsproto}


def message(opcode: int, parts: list[bytes], between: list[bytes]) -> list[bytes]:
    """The frames of a message, control frames between them."""
    frames: list[bytes] = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        frames.append(frame((CONT if number else opcode) | (FIN if last else 0), part))
        if not last and number < len(between):
            frames.append(between[number])
    return frames


def close_payload(code: int, reason: str) -> bytes:
    return code.to_bytes(2, "big") + reason.encode()[:100]


controls = st.builds(frame, st.sampled_from([FIN | PING, FIN | PONG]), st.binary(max_size=125))
texts = st.text(min_size=1, max_size=30).map(str.encode)
cut_texts = st.builds(
    lambda text, at: [text[: at % (len(text) + 1)], text[at % (len(text) + 1) :]], texts, st.integers(0, 100)
)
messages = st.one_of(
    st.builds(
        message, st.just(TEXT), texts.map(lambda text: [text]) | cut_texts, st.lists(controls, max_size=2)
    ),
    st.builds(
        message,
        st.just(BINARY),
        st.lists(st.binary(max_size=130), min_size=1, max_size=4),
        st.lists(controls, max_size=2),
    ),
    controls.map(lambda each: [each]),
)
closes = st.builds(
    lambda payload: [frame(FIN | CLOSE, payload)],
    st.just(b"")
    | st.binary(min_size=1, max_size=1)
    | st.builds(
        close_payload,
        st.sampled_from([1000, 1001, 1002, 1003, 1007, 1011, 3000, 4999, 999, 1005]),
        st.text(max_size=20),
    ),
)
whole = st.builds(
    lambda parts, end: [each for part in [*parts, *end] for each in part],
    st.lists(messages, min_size=1, max_size=5),
    st.lists(closes, max_size=1),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    frames = draw(whole)
    if draw(st.booleans()) and len(frames) > 1:
        at = draw(st.integers(0, len(frames) - 2))
        change = draw(st.sampled_from(["swap", "drop", "double"]))
        if change == "swap":
            frames[at : at + 2] = frames[at + 1], frames[at]
        elif change == "drop":
            del frames[at]
        else:
            frames.insert(at, frames[at])
    octets = bytearray(b"".join(frames))
    for _ in range(draw(st.integers(0, 2))):
        # Mostly in a header, where the rules are.
        starts = [sum(map(len, frames[:number])) for number in range(len(frames))]
        near = st.builds(lambda start, by: start + by, st.sampled_from(starts), st.integers(0, 9))
        at = draw(near | st.integers(0, 4000)) % len(octets)
        change = draw(st.sampled_from(["bit", "octet", "drop", "double", "cut"]))
        if change == "bit":
            octets[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "octet":
            octets[at] = draw(st.integers(0, 255))
        elif change == "drop" and len(octets) > 1:
            del octets[at]
        elif change == "double":
            octets.insert(at, octets[at])
        elif change == "cut":
            del octets[at + 1 :]
    return bytes(octets)


@pytest.mark.parametrize("peer", VERDICTS)
@given(stream=mutated())
@settings(max_examples=150)
def test_the_same_verdict(peer: Peer, stream: bytes) -> None:
    there = VERDICTS[peer](stream)
    here, protocol = ours(stream)
    if here == there:
        return
    assert any(
        (not difference.errors or isinstance(protocol.error, difference.errors))
        and difference.holds(here, there, protocol)
        for difference in DIFFERENCES[peer]
    ), (here, there, protocol.error)


@given(stream=mutated(), cut=st.integers(1, 300))
@settings(max_examples=150)
def test_the_same_verdict_in_pieces(stream: bytes, cut: int) -> None:
    """However the octets come, the outcome is that of all of them at once."""
    there, whole = ours(stream)
    protocol = WebSocketProtocol.server()
    found: Seen = []
    for at in range(0, len(stream), cut):
        found += seen(protocol, stream[at : at + cut])
    protocol.take()
    assert (found, str(protocol.error)) == (there.seen, str(whole.error))
    assert protocol.state is whole.state
    assert protocol.close_sent == whole.close_sent
