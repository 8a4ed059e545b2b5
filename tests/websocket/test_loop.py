"""Messages answered in the loop, and in flows: both forms do the same, whatever octets come together."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from netkit.http import Request, Response
from netkit.http.server.config import ServerConfig
from netkit.http.server.handling.handlers import flow_handler
from netkit.websocket import (
    CloseCode,
    DeflateConfig,
    Opcode,
    ServerWebSocket,
    WebSocketConfig,
    WebSocketHandler,
    WebSocketLimits,
)
from netkit.websocket.loop import FEWER, MANY, WsLoop
from netkit.websocket.place import Place
from tests.http.server.serving import Serving
from tests.waiting import until
from tests.websocket.frames import BINARY, CLOSE, CONT, FIN, PING, PONG, RSV1, TEXT, client, frame
from tests.websocket.loop_forms import HANDSHAKE, Answer, Outcome, exchange_frames
from tests.websocket.sockets import PATIENCE, Peer

pytestmark = pytest.mark.skipif(not WsLoop.available, reason="this system has no epoll")

SOON = 0.05


def echo(_ws: ServerWebSocket, message: str | bytes) -> str | bytes:
    return message


def nothing(_ws: ServerWebSocket, message: str | bytes) -> None:
    del message


def by_message(ws: ServerWebSocket, message: str | bytes) -> str | bytes | None:
    """Does what the message says."""
    match message:
        case "quiet":
            return None
        case "raise":
            raise KeyError("a secret")
        case "surrogate":
            return "\ud800"
        case "close":
            ws.begin_close(4000, "enough")
            return "dropped"
        case "octets":
            return bytes(range(256))
        case "send":
            ws.send("first")
            return "second"
        case "fragment":
            ws.send_fragment("one ", end=False)
            ws.send_fragment("two", end=True)
            return None
        case "wrong":
            return 7  # type: ignore[return-value]  # a handler that is wrong
        case _:
            return message


def out(first: int, payload: bytes = b"") -> bytes:
    """A frame of the server's."""
    return frame(first, payload, None)


def close(code: int, reason: bytes = b"") -> bytes:
    return code.to_bytes(2, "big") + reason


BYE = frame(FIN | CLOSE, close(1000))
BYE_BACK = out(FIN | CLOSE, close(1000))
FAULT = frame(FIN | 0x3, b"")  # an opcode that means nothing
FAULT_BACK = out(FIN | CLOSE, close(1002))

HELLO, HELLO_BACK = frame(FIN | TEXT, b"hello"), out(FIN | TEXT, b"hello")
OCTETS, OCTETS_BACK = frame(FIN | BINARY, b"\x00\xff"), out(FIN | BINARY, b"\x00\xff")

#: What a client sends; what it gets, up to the octets of a Close frame's reason; what the handler is given.
SCRIPTS: dict[str, tuple[Answer, bytes, bytes, list[str | bytes]]] = {
    "messages": (echo, HELLO + OCTETS + BYE, HELLO_BACK + OCTETS_BACK + BYE_BACK, ["hello", b"\x00\xff"]),
    "empty": (echo, frame(FIN | TEXT) + BYE, out(FIN | TEXT) + BYE_BACK, [""]),
    "fragments": (
        echo,
        frame(TEXT, "gr\u00fc".encode()[:3]) + frame(FIN | CONT, "\u00fc\u00df".encode()[1:]) + BYE,
        out(FIN | TEXT, "gr\u00fc\u00df".encode()) + BYE_BACK,
        ["gr\u00fc\u00df"],
    ),
    "no answer": (nothing, HELLO + HELLO + BYE, BYE_BACK, ["hello", "hello"]),
    "close without a code": (echo, HELLO + frame(FIN | CLOSE), HELLO_BACK + out(FIN | CLOSE), ["hello"]),
    "nothing after close": (echo, BYE + HELLO, BYE_BACK, []),
    "fault": (echo, HELLO + FAULT + HELLO, HELLO_BACK + FAULT_BACK, ["hello"]),
    "not masked": (echo, HELLO + out(FIN | TEXT, b"x"), HELLO_BACK + FAULT_BACK, ["hello"]),
    "bad text": (
        echo,
        HELLO + frame(FIN | TEXT, b"a\xff"),
        HELLO_BACK + out(FIN | CLOSE, close(1007)),
        ["hello"],
    ),
    "end": (echo, HELLO, HELLO_BACK, ["hello"]),
    "end inside a frame": (echo, HELLO + HELLO[:-2], HELLO_BACK, ["hello"]),
    "handler says nothing once": (
        by_message,
        frame(FIN | TEXT, b"quiet") + HELLO + BYE,
        HELLO_BACK + BYE_BACK,
        ["quiet", "hello"],
    ),
    "handler raises": (
        by_message,
        HELLO + frame(FIN | TEXT, b"raise") + HELLO,
        HELLO_BACK + out(FIN | CLOSE, close(1011)),
        ["hello", "raise"],
    ),
    "handler returns no text": (
        by_message,
        HELLO + frame(FIN | TEXT, b"surrogate") + HELLO,
        HELLO_BACK + out(FIN | CLOSE, close(1011)),
        ["hello", "surrogate"],
    ),
    "handler returns no message": (
        by_message,
        frame(FIN | TEXT, b"wrong") + HELLO,
        out(FIN | CLOSE, close(1011)),
        ["wrong"],
    ),
    "handler closes": (
        by_message,
        HELLO + frame(FIN | TEXT, b"close") + HELLO + frame(FIN | CLOSE, close(4000)),
        HELLO_BACK + out(FIN | CLOSE, close(4000, b"enough")),
        ["hello", "close", "hello"],
    ),
    "handler sends": (
        by_message,
        frame(FIN | TEXT, b"send") + frame(FIN | TEXT, b"fragment") + HELLO + BYE,
        out(FIN | TEXT, b"first")
        + out(FIN | TEXT, b"second")
        + out(TEXT, b"one ")
        + out(FIN | CONT, b"two")
        + HELLO_BACK
        + BYE_BACK,
        ["send", "fragment", "hello"],
    ),
    "another kind": (
        by_message,
        frame(FIN | TEXT, b"octets") + BYE,
        out(FIN | BINARY, bytes(range(256))) + BYE_BACK,
        ["octets"],
    ),
}


def both(answer: Answer, pieces: Sequence[bytes], **more: Any) -> Outcome:
    """What both forms do, which is the same; and a flow that asks for its messages, in the loop too."""
    in_loop = exchange_frames(answer, pieces, in_loop=True, **more)
    in_flow = exchange_frames(answer, pieces, in_loop=False, **more)
    asking = exchange_frames(answer, pieces, in_loop=True, asking=True, **more)
    assert in_loop == in_flow == asking
    return in_loop


def without_reason(octets: bytes, expected: bytes) -> bytes:
    """What came, without the words of the Close frame at its end, where they are not expected."""
    if octets.startswith(expected[:-4]) and expected[-4:-2] == out(FIN | CLOSE, b"xx")[:2]:
        at = len(expected) - 4
        assert octets[at + 1] == len(octets) - at - 2
        return octets[:at] + expected[-4:-2] + octets[at + 2 : at + 4]
    return octets


@pytest.mark.parametrize("name", SCRIPTS)
def test_both_forms_say_the_same_wherever_the_octets_are_split(name: str) -> None:
    answer, sent, expected, seen = SCRIPTS[name]
    whole = both(answer, [sent])
    assert without_reason(whole.octets, expected) == expected
    assert whole.seen == seen
    for at in range(1, len(sent)):
        split = both(answer, [sent[:at], sent[at:]])
        assert (split.octets, split.seen, split.error) == (whole.octets, whole.seen, whole.error), at


@pytest.mark.parametrize("name", SCRIPTS)
def test_octet_by_octet_and_with_the_handshake(name: str) -> None:
    answer, sent, expected, _ = SCRIPTS[name]
    octets = [sent[at : at + 1] for at in range(len(sent))]
    assert without_reason(both(answer, octets).octets, expected) == expected
    assert without_reason(both(answer, [sent], together=True).octets, expected) == expected


@pytest.mark.parametrize("at", range(0, 32, 3))
def test_pings_are_answered_before_the_messages_that_came_with_them(at: int) -> None:
    sent = HELLO + frame(FIN | PING, b"there?") + HELLO + BYE
    pong = out(FIN | PONG, b"there?")
    outcome = both(echo, [sent[:at], sent[at:]] if at else [sent])
    assert outcome.octets in (
        pong + HELLO_BACK * 2 + BYE_BACK,
        HELLO_BACK + pong + HELLO_BACK + BYE_BACK,
    )


def test_pongs_that_nobody_asked_for_are_nothing() -> None:
    sent = frame(FIN | PONG, b"1") + HELLO + frame(FIN | PONG) + BYE
    assert both(echo, [sent]).octets == HELLO_BACK + BYE_BACK


@pytest.mark.parametrize("in_loop", [True, False])
def test_many_pings_at_once_are_no_fault_however_much_is_received_at_once(in_loop: bool) -> None:
    """The loop receives four times as many octets at once as a flow does."""
    config = WebSocketConfig(ping_interval=None, limits=WebSocketLimits(max_pings=2))
    outcome = exchange_frames(
        echo, [frame(FIN | PING) * 50_000 + HELLO + BYE], in_loop=in_loop, config=config
    )
    assert outcome.octets.startswith(out(FIN | PONG) * 16)
    assert outcome.octets.endswith(HELLO_BACK + BYE_BACK)


@pytest.mark.parametrize("size", [125, 126, 16_383, 16_384, 65_535, 65_536, 300_000])
@pytest.mark.parametrize("kind", [TEXT, BINARY])
def test_messages_of_every_size(size: int, kind: int) -> None:
    outcome = both(echo, [frame(FIN | kind, b"m" * size) * 3 + BYE])
    assert outcome.octets == out(FIN | kind, b"m" * size) * 3 + BYE_BACK


def test_a_client_of_many_small_messages_lets_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that was received at once is answered in one turn: of 256 KiB that could be 43,690 messages."""
    counts: list[int] = []
    serve = WsLoop._serve  # noqa: SLF001 - what one turn does for one connection

    def counted(self: WsLoop, place: Place, found: list[tuple[int, str | bytes]]) -> None:
        counts.append(len(found))
        serve(self, place, found)

    monkeypatch.setattr(WsLoop, "_serve", counted)
    outcome = exchange_frames(echo, [frame(FIN | BINARY) * 60_000 + BYE], in_loop=True)
    assert outcome.octets == out(FIN | BINARY) * 60_000 + BYE_BACK
    first = next(number for number, count in enumerate(counts) if count > MANY)
    assert max(counts[first + 1 :]) <= FEWER // 6 + 1


def test_many_messages_at_once() -> None:
    sent = b"".join(frame(FIN | TEXT, b"%d" % number) for number in range(5000))
    outcome = both(echo, [sent + BYE])
    assert outcome.octets == b"".join(out(FIN | TEXT, b"%d" % number) for number in range(5000)) + BYE_BACK


def test_replies_that_are_much_larger_than_the_messages() -> None:
    """No more than some of them are made before the client takes them."""
    most = 0

    def answer(ws: ServerWebSocket, _message: str | bytes) -> bytes:
        nonlocal most
        most = max(most, ws.protocol.output_size)
        return b"x" * 60_000

    outcome = both(answer, [frame(FIN | BINARY) * 500 + BYE])
    assert outcome.octets == out(FIN | BINARY, b"x" * 60_000) * 500 + BYE_BACK
    assert most < 250_000


def test_compressed_messages() -> None:
    config = WebSocketConfig(ping_interval=None, deflate=DeflateConfig(min_size=0))
    fields = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
    # "Hello", RFC 7692 section 7.2.3.1
    sent = frame(FIN | RSV1 | TEXT, bytes.fromhex("f248cdc9c90700"))
    outcome = both(echo, [sent + BYE], config=config, fields=fields)
    assert outcome.seen == ["Hello"]
    assert outcome.octets[0] == FIN | RSV1 | TEXT
    assert outcome.octets.endswith(BYE_BACK)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_server_that_stops_says_so_and_takes_what_still_comes(after: int) -> None:
    sent = [HELLO, frame(FIN | CLOSE, close(1001))]
    outcome = both(echo, sent, stop_after=after)
    going = out(FIN | CLOSE, close(1001))
    assert outcome.octets == (HELLO_BACK + going if after else going)
    assert outcome.seen == ["hello"]


# A server that runs


@pytest.fixture(params=["loop", "flow"])
def in_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(WsLoop, "available", request.param == "loop")
    return bool(request.param == "loop")


class Echo:
    """Echoes, and notes in which thread."""

    def __init__(self) -> None:
        self.open: list[ServerWebSocket] = []

    def handle_message(self, ws: ServerWebSocket, message: str | bytes) -> str | bytes | None:
        if ws not in self.open:
            self.open.append(ws)
        return by_message(ws, message)


def connected(served: Serving, *, receive_buffer: int | None = None) -> Peer:
    raw = served.client(receive_buffer=receive_buffer)
    raw.send(HANDSHAKE % b"")
    got = b""
    while b"\r\n\r\n" not in got:
        got += raw.sock.recv(1)
    assert got.startswith(b"HTTP/1.1 101 ")
    return Peer(raw.sock, client())


@pytest.mark.parametrize("form", ["blocking", "async"])
def test_many_clients_at_once(in_loop: bool, form: str) -> None:
    handler = WebSocketHandler(Echo(), config=WebSocketConfig())
    with Serving(handler, form=form) as served:
        peers = [connected(served) for _ in range(100)]
        for number in range(3):
            for at, peer in enumerate(peers):
                peer.send(f"{at} {number}")
            assert [peer.event() for peer in peers] == [
                (Opcode.Textual, f"{at} {number}") for at in range(len(peers))
            ]
        loop = handler.loop
        assert (loop is not None) == in_loop
        if loop is not None:
            assert loop.handled >= 200
        for peer in peers:
            peer.protocol.close()
            peer.flush()
            assert peer.event()[0] is Opcode.Close
            assert peer.ends()
            peer.sock.close()
        served.until_idle()
        assert not served.told.errors
        if loop is not None:
            assert not loop.places


@pytest.mark.parametrize("form", ["blocking", "async"])
def test_a_client_that_takes_nothing_is_not_read_from_and_gets_all_later(in_loop: bool, form: str) -> None:
    handler = WebSocketHandler(Echo(), config=WebSocketConfig())
    message = b"m" * 50_000
    with Serving(handler, form=form) as served:
        peer, other = connected(served, receive_buffer=65536), connected(served)
        peer.sock.setblocking(False)
        sent = 0
        frames = frame(FIN | BINARY, message) * 2000
        assert in_loop == (handler.loop is not None)
        while True:
            try:
                sent += peer.sock.send(frames[sent : sent + 65536])
            except BlockingIOError:
                served.until_it_waits()
                try:
                    sent += peer.sock.send(frames[sent : sent + 65536])
                except BlockingIOError:
                    break
        assert sent < len(frames)
        other.send("there?")
        assert other.event() == (Opcode.Textual, "there?")
        peer.sock.settimeout(PATIENCE)
        got = 0
        expected = sent // len(frame(FIN | BINARY, message))
        while got < expected:
            assert peer.event(answers=False) == (Opcode.Binary, message)
            got += 1
        size = len(frame(FIN | BINARY, message))
        peer.raw(frames[sent : (expected + 1) * size] + HELLO)
        assert peer.event() == (Opcode.Binary, message)
        assert peer.event() == (Opcode.Textual, "hello")
        for each in (peer, other):
            each.sock.close()


def test_a_client_that_takes_nothing_for_too_long_is_given_up(in_loop: bool) -> None:
    config = WebSocketConfig(ping_interval=None, write_timeout=SOON, close_timeout=SOON)
    handler = WebSocketHandler(Echo(), config=config)
    with Serving(handler) as served:
        peer = connected(served, receive_buffer=4096)
        assert in_loop == (handler.loop is not None)
        with pytest.raises((ConnectionError, TimeoutError)):
            peer.raw(frame(FIN | BINARY, b"m" * 50_000) * 2000)
        served.until_idle()
        peer.sock.close()


@pytest.mark.parametrize("form", ["blocking", "async"])
def test_a_silent_client_is_asked_and_given_up(in_loop: bool, form: str) -> None:
    config = WebSocketConfig(ping_interval=SOON, ping_timeout=SOON * 4)
    handler = WebSocketHandler(Echo(), config=config)
    with Serving(handler, form=form) as served:
        peer = connected(served)
        peer.send("hello")
        assert peer.event() == (Opcode.Textual, "hello")
        for _ in range(2):  # this one answers
            assert peer.event()[0] is Opcode.Ping
        assert in_loop == (handler.loop is not None)
        assert peer.event(answers=False)[0] is Opcode.Ping
        opcode, reason = peer.event(answers=False)
        assert (opcode, reason.code) == (Opcode.Close, CloseCode.INTERNAL_ERROR)
        served.until_idle()
        peer.sock.close()
    assert not handler.open


@pytest.mark.parametrize("form", ["blocking", "async"])
def test_the_round_trip_of_pings_is_known(in_loop: bool, form: str) -> None:
    echo_handler = Echo()
    handler = WebSocketHandler(echo_handler, config=WebSocketConfig(ping_interval=SOON))
    with Serving(handler, form=form) as served:
        peer = connected(served)
        peer.send("hello")
        peer.event()
        while peer.event()[0] is not Opcode.Ping:
            pass
        until(lambda: echo_handler.open[0].latency is not None, "a round trip")
        assert in_loop == (handler.loop is not None)
        peer.sock.close()


@pytest.mark.parametrize("form", ["blocking", "async"])
def test_stop_closes_with_1001(in_loop: bool, form: str) -> None:
    handler = WebSocketHandler(Echo(), config=WebSocketConfig())
    with Serving(handler, form=form) as served:
        peers = [connected(served) for _ in range(3)]
        for peer in peers:
            peer.send("hello")
            peer.event()
        assert in_loop == (handler.loop is not None)
        served.stop.set()
        for peer in peers:
            opcode, reason = peer.event()
            assert (opcode, reason.code) == (Opcode.Close, CloseCode.GOING_AWAY)
            assert peer.ends()
            peer.sock.close()
        served.wait()
    assert not served.told.errors


@pytest.mark.parametrize("form", ["blocking", "async"])
def test_threads_that_send_to_connections_in_the_loop(in_loop: bool, form: str) -> None:
    """Every message is whole, each sender's own are in order, and the connection goes on being served."""
    echo_handler = Echo()
    handler = WebSocketHandler(echo_handler, config=WebSocketConfig())
    with Serving(handler, form=form) as served:
        peer = connected(served)
        peer.send("hello")
        peer.event()
        ws = echo_handler.open[0]

        def sending(name: str) -> None:
            for number in range(100):
                ws.send(f"{name} {number} {'x' * (number * 397)}")

        threads = [threading.Thread(target=sending, args=(name,), daemon=True) for name in ("a", "b")]
        got: list[str] = []
        for thread in threads:
            thread.start()
        for number in range(100):
            peer.send(f"c {number} ")
            got.append(peer.event()[1])
        while len(got) < 300:
            got.append(peer.event()[1])
        for thread in threads:
            thread.join(PATIENCE)
        for name in ("a", "b", "c"):
            own = [int(each.split()[1]) for each in got if each.startswith(f"{name} ")]
            assert own == list(range(100))
        peer.send("hello")
        assert peer.event() == (Opcode.Textual, "hello")
        assert in_loop == (handler.loop is not None)
        peer.sock.close()


def test_another_thread_closes(in_loop: bool) -> None:
    echo_handler = Echo()
    handler = WebSocketHandler(echo_handler, config=WebSocketConfig())
    with Serving(handler) as served:
        peer, cut = connected(served), connected(served)
        for each in (peer, cut):
            each.send("hello")
            each.event()
        assert in_loop == (handler.loop is not None)
        first, second = echo_handler.open
        first.begin_close(4000)
        opcode, reason = peer.event()
        assert (opcode, reason.code) == (Opcode.Close, 4000)
        assert peer.ends()
        second.abort()
        assert cut.sock.recv(1) == b""
        for each in (peer, cut):
            each.sock.close()
        served.until_idle()


def test_beside_requests_that_the_other_handler_answers(in_loop: bool) -> None:
    class Hello:
        def handle(self, request: Request) -> Response:
            return Response(200, body=request.method.encode())

    config = ServerConfig(threads=0)
    handler = WebSocketHandler(Echo(), other=flow_handler(Hello(), config))
    with Serving(handler, config) as served:
        peer = connected(served)
        with served.client() as plain:
            for first, second in pairwise(range(6)):
                plain.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert plain.response().status == 200
                peer.send(f"{first} {second}")
                assert peer.event() == (Opcode.Textual, f"{first} {second}")
            # The same connection, after a request.
            plain.send(HANDSHAKE % b"")
            got = b""
            while b"\r\n\r\n" not in got:
                got += plain.sock.recv(1)
            assert got.startswith(b"HTTP/1.1 101 ")
            plain.send(HELLO)
            assert plain.sock.recv(100) == HELLO_BACK
        assert in_loop == (handler.loop is not None)
        peer.sock.close()


def test_over_tls_messages_are_answered_in_flows(in_loop: bool) -> None:
    handler = WebSocketHandler(Echo())
    with Serving(handler, over="tls") as served:
        peer = connected(served)
        peer.send("hello")
        assert peer.event() == (Opcode.Textual, "hello")
        assert in_loop == (handler.loop is not None)
        assert handler.loop is None or not handler.loop.places
        peer.sock.close()


def test_two_servers_with_one_handler_use_no_loop() -> None:
    handler = WebSocketHandler(Echo())
    with Serving(handler) as first, Serving(handler) as second:
        until(lambda: len(handler._loops) == 2, "two servers")  # noqa: SLF001
        for served in (first, second):
            peer = connected(served)
            peer.send("hello")
            assert peer.event() == (Opcode.Textual, "hello")
            peer.sock.shutdown(socket.SHUT_RDWR)
            peer.sock.close()
        assert handler.loop is None
