"""An open WebSocket over a socket: messages, pings, every way to close, peers that do wrong or nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from netkit.io import BusyError, CancellationToken
from netkit.io.errors import CancellationError, DeadlineExceeded
from netkit.websocket import (
    CloseCode,
    CloseReason,
    Opcode,
    WebSocketConfig,
    WebSocketError,
    WebSocketLimits,
)
from netkit.websocket.protocol import State
from tests.waiting import turns, until, waits
from tests.websocket.frames import BINARY, CLOSE, FIN, TEXT, frame
from tests.websocket.sockets import Beside, Form, Pair

SOON = 0.05


@pytest.fixture(params=["blocking", "async"])
def form(request: pytest.FixtureRequest) -> Iterator[Form]:
    made = Form(request.param)
    yield made
    made.close()


@pytest.fixture(params=["server", "client"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with Pair(client=request.param == "client") as made:
        yield made


# Messages


@pytest.mark.parametrize("message", ["", "grüß", b"", b"\x00\xff" * 1000])
def test_messages_go_both_ways(form: Form, pair: Pair, message: str | bytes) -> None:
    form(pair.ws.send, message)
    opcode = Opcode.Textual if isinstance(message, str) else Opcode.Binary
    assert pair.peer.event() == (opcode, message)
    pair.peer.send(message)
    assert form(pair.ws.receive) == message


def test_many_messages_in_one_segment(form: Form, pair: Pair) -> None:
    for number in range(500):
        pair.peer.protocol.send(str(number))
    pair.peer.flush()
    assert [form(pair.ws.receive) for _ in range(500)] == [str(number) for number in range(500)]


def test_a_large_message_to_a_peer_that_takes_it_slowly(form: Form, pair: Pair) -> None:
    message = bytes(range(256)) * 40_000
    taken: list[Any] = []
    with Beside(lambda: taken.append(pair.peer.event())):
        form(pair.ws.send, message)
    assert taken == [(Opcode.Binary, message)]


def test_a_large_message_from_the_peer(form: Form, pair: Pair) -> None:
    message = bytes(range(256)) * 40_000
    with Beside(lambda: pair.peer.send(message)):
        assert form(pair.ws.receive) == message


def test_fragments(form: Form, pair: Pair) -> None:
    form(pair.ws.send_fragment, "gr", end=False)
    with pytest.raises(WebSocketError.InvalidValue):
        form(pair.ws.send, "another")
    form(pair.ws.send_fragment, "üß", end=True)
    assert pair.peer.event() == (Opcode.Textual, "grüß")


def test_a_text_that_is_none_is_refused_and_the_next_is_sent(form: Form, pair: Pair) -> None:
    with pytest.raises(WebSocketError.InvalidValue):
        form(pair.ws.send, "\ud800")
    form(pair.ws.send, "text")
    assert pair.peer.event() == (Opcode.Textual, "text")


def test_a_message_that_was_interrupted_is_sent_whole_by_the_next_call(form: Form, pair: Pair) -> None:
    """A part of a frame never stands alone: the peer would take the next frame for its rest."""
    first, second = b"a" * (8 << 20), b"b"
    with pytest.raises(DeadlineExceeded):
        form(pair.ws.send, first, timeout=SOON)
    got: list[Any] = []
    with Beside(lambda: got.extend([pair.peer.event(), pair.peer.event()])):
        form(pair.ws.send, second)
    assert got == [(Opcode.Binary, first), (Opcode.Binary, second)]


def test_a_peer_that_takes_nothing_ends_the_wait(form: Form) -> None:
    with Pair(WebSocketConfig(ping_interval=None, write_timeout=SOON)) as pair:
        with pytest.raises((DeadlineExceeded, WebSocketError.ConnectionClosed)):
            form(pair.ws.send, b"a" * (16 << 20))
        assert pair.ws.state is State.CLOSED


def test_a_receive_that_times_out_loses_nothing(form: Form, pair: Pair) -> None:
    whole = (
        frame(FIN | TEXT, b"hello") if not pair.ws.protocol.is_client else frame(FIN | TEXT, b"hello", None)
    )
    pair.peer.raw(whole[:-2])
    with pytest.raises(DeadlineExceeded):
        form(pair.ws.receive, timeout=SOON)
    pair.peer.raw(whole[-2:])
    assert form(pair.ws.receive) == "hello"


def test_a_receive_that_is_cancelled(form: Form, pair: Pair) -> None:
    token = CancellationToken()
    token.cancel()
    with pytest.raises(CancellationError):
        form(pair.ws.receive, cancel=token)
    pair.peer.send("x")
    assert form(pair.ws.receive) == "x"


def test_timeout_0_is_what_is_there(form: Form, pair: Pair) -> None:
    with pytest.raises(DeadlineExceeded):
        form(pair.ws.receive, timeout=0)
    pair.peer.send("x")
    assert form(pair.ws.receive, timeout=1) == "x"


def test_a_second_receiver_is_refused(pair: Pair) -> None:
    form = Form("async")

    async def main() -> None:
        first = asyncio.create_task(pair.ws.receive_async())
        await turns()
        with pytest.raises(BusyError):
            await pair.ws.receive_async()
        pair.peer.send("x")
        assert await first == "x"

    form.run(main())
    form.close()


def test_one_thread_receives_while_another_sends(pair: Pair) -> None:
    got: list[object] = []
    receiver = threading.Thread(target=lambda: got.extend(pair.ws.receive() for _ in range(200)))
    receiver.start()

    def peer() -> None:
        for _ in range(200):
            pair.peer.send(pair.peer.event()[1])

    with Beside(peer):
        for number in range(200):
            pair.ws.send(str(number))
    receiver.join(20)
    assert got == [str(number) for number in range(200)]


def test_many_tasks_send(pair: Pair) -> None:
    """Broadcasting from many places: every message whole, each sender's own in order."""
    form = Form("async")
    got: list[str] = []

    async def main() -> None:
        async def sending(name: int) -> None:
            for number in range(20):
                await pair.ws.send_async(f"{name} {number} {'x' * 20_000}")

        await asyncio.gather(*map(sending, range(10)))

    with Beside(lambda: got.extend(pair.peer.event()[1] for _ in range(200))):
        form.run(main())
    form.close()
    for name in range(10):
        own = [each.split() for each in got if each.startswith(f"{name} ")]
        assert [int(number) for _, number, _ in own] == list(range(20))


# Signs of life


def test_a_ping_is_answered_while_a_call_waits(form: Form, pair: Pair) -> None:
    pair.peer.protocol.ping(b"there?")
    pair.peer.send("message")
    assert form(pair.ws.receive) == "message"
    assert pair.peer.event() == (Opcode.Pong, b"there?")


def test_ping_tells_the_round_trip(form: Form, pair: Pair) -> None:
    with Beside(pair.peer.event):
        took = form(pair.ws.ping)
    assert 0 < took == pair.ws.latency


def test_a_message_that_comes_before_the_pong_is_kept(form: Form, pair: Pair) -> None:
    pair.peer.send("first")
    with Beside(pair.peer.event):
        form(pair.ws.ping, b"payload")
    assert form(pair.ws.receive) == "first"


def test_a_later_pong_answers_the_pings_before_it(pair: Pair) -> None:
    """RFC 6455 section 5.5.3: a peer may answer the most recent ping only."""
    form = Form("async")

    async def main() -> None:
        first = asyncio.create_task(pair.ws.ping_async(b"1"))
        second = asyncio.create_task(pair.ws.ping_async(b"2"))
        await turns()
        pair.peer.protocol.pong(b"2")
        pair.peer.flush()
        assert min(await first, await second) > 0

    form.run(main())
    form.close()


def test_a_ping_goes_out_when_nothing_comes(form: Form) -> None:
    with Pair(WebSocketConfig(ping_interval=SOON, ping_timeout=20)) as pair:

        def peer() -> None:
            assert pair.peer.event()[0] is Opcode.Ping
            pair.peer.send("still there")

        with Beside(peer):
            assert form(pair.ws.receive) == "still there"


def test_a_peer_that_answers_no_ping_is_given_up(form: Form) -> None:
    with Pair(WebSocketConfig(ping_interval=SOON, ping_timeout=SOON, close_timeout=SOON)) as pair:
        with pytest.raises(WebSocketError.ConnectionClosed) as caught:
            form(pair.ws.receive)
        assert caught.value.code == CloseCode.ABNORMAL
        assert isinstance(caught.value.__cause__, DeadlineExceeded)
        events = [pair.peer.event(answers=False), pair.peer.event(answers=False)]
        assert events[0][0] is Opcode.Ping
        assert events[1] == (Opcode.Close, CloseReason(CloseCode.INTERNAL_ERROR, "no answer to a ping"))


# The end


def test_the_peer_closes(form: Form, pair: Pair) -> None:
    pair.peer.protocol.close(4001, "tired")
    pair.peer.flush()

    def peer() -> None:
        assert pair.peer.event() == (Opcode.Close, CloseReason(4001))
        if pair.ws.protocol.is_client:
            pair.peer.sock.close()  # RFC 6455 section 7.1.1: the server ends the transport
        else:
            assert pair.peer.ends()
            pair.peer.sock.close()

    with Beside(peer), pytest.raises(WebSocketError.ConnectionClosed) as caught:
        form(pair.ws.receive)
    assert (caught.value.code, caught.value.reason) == (4001, "tired")
    assert (pair.ws.close_code, pair.ws.close_reason, pair.ws.is_closed) == (4001, "tired", True)
    with pytest.raises(WebSocketError.ConnectionClosed):
        form(pair.ws.send, "too late")
    with pytest.raises(WebSocketError.ConnectionClosed):
        form(pair.ws.receive)
    with pytest.raises(WebSocketError.ConnectionClosed):
        form(pair.ws.ping)
    form(pair.ws.close)


def test_messages_before_the_close_frame_are_received(form: Form, pair: Pair) -> None:
    pair.peer.protocol.send("last words")
    pair.peer.protocol.close()
    pair.peer.flush()
    assert form(pair.ws.receive) == "last words"
    pair.peer.sock.close()
    with pytest.raises(WebSocketError.ConnectionClosed) as caught:
        form(pair.ws.receive)
    assert caught.value.code == CloseCode.NORMAL


def test_this_side_closes(form: Form, pair: Pair) -> None:
    def peer() -> None:
        assert pair.peer.event(answers=False) == (Opcode.Close, CloseReason(4002, "enough"))
        pair.peer.protocol.close(4002)
        pair.peer.flush()
        if pair.ws.protocol.is_client:
            pair.peer.sock.close()
        else:
            assert pair.peer.ends()
            pair.peer.sock.close()

    with Beside(peer):
        form(pair.ws.close, 4002, "enough")
    assert (pair.ws.is_closed, pair.ws.close_code, pair.ws.state) == (True, 4002, State.CLOSED)


def test_messages_that_cross_the_close_frame_are_dropped(form: Form, pair: Pair) -> None:
    def peer() -> None:
        assert pair.peer.event(answers=False)[0] is Opcode.Close
        pair.peer.raw(frame(FIN | BINARY, b"x" * 60_000, None if pair.ws.protocol.is_client else b"abcd"))
        pair.peer.raw(pair.peer.protocol.take())
        pair.peer.sock.close()

    with Beside(peer):
        form(pair.ws.close)
    assert pair.ws.close_code == CloseCode.NORMAL


def test_a_peer_that_does_not_answer_the_close_frame(form: Form) -> None:
    with Pair(WebSocketConfig(ping_interval=None, close_timeout=SOON)) as pair:
        form(pair.ws.close)
        assert (pair.ws.is_closed, pair.ws.close_code) == (True, CloseCode.ABNORMAL)


def test_a_peer_that_goes_without_a_close_frame(form: Form, pair: Pair) -> None:
    pair.peer.sock.close()
    with pytest.raises(WebSocketError.ConnectionClosed) as caught:
        form(pair.ws.receive)
    assert caught.value.code == CloseCode.ABNORMAL
    assert pair.ws.is_closed


def test_a_code_that_may_not_be_sent(form: Form, pair: Pair) -> None:
    with pytest.raises(WebSocketError.InvalidValue):
        form(pair.ws.close, 1006)
    form(pair.ws.send, "still open")
    assert pair.peer.event() == (Opcode.Textual, "still open")


def test_a_fault_of_the_peer_is_told_to_it_and_raised(form: Form, pair: Pair) -> None:
    is_client = pair.ws.protocol.is_client
    pair.peer.raw(frame(FIN | TEXT, b"good", None if is_client else b"abcd"))
    pair.peer.raw(frame(FIN | TEXT, b"\xff", None if is_client else b"abcd"))
    assert form(pair.ws.receive) == "good"

    def peer() -> None:
        opcode, reason = pair.peer.event(answers=False)
        assert (opcode, reason.code) == (Opcode.Close, CloseCode.INVALID_PAYLOAD)
        pair.peer.sock.close()

    with Beside(peer), pytest.raises(WebSocketError.InvalidUtf8) as caught:
        form(pair.ws.receive)
    assert caught.value.octet == 0xFF
    assert pair.ws.is_closed


def test_limits_are_kept(form: Form) -> None:
    config = WebSocketConfig(ping_interval=None, limits=WebSocketLimits(max_message=10), close_timeout=SOON)
    with Pair(config) as pair:
        pair.peer.send("a" * 10)
        pair.peer.send("a" * 11)
        assert form(pair.ws.receive) == "a" * 10
        with pytest.raises(WebSocketError.LimitExceeded):
            form(pair.ws.receive)
        assert pair.peer.event(answers=False)[1].code == CloseCode.MESSAGE_TOO_BIG


def test_a_close_frame_by_the_letter(form: Form, pair: Pair) -> None:
    """Section 5.5.1: a Close frame without a code means 1005, and is answered without one."""
    pair.peer.raw(frame(FIN | CLOSE, b"", None if pair.ws.protocol.is_client else b"abcd"))

    def peer() -> None:
        pair.peer.event(answers=False)
        pair.peer.sock.close()

    with Beside(peer), pytest.raises(WebSocketError.ConnectionClosed) as caught:
        form(pair.ws.receive)
    assert caught.value.code == CloseCode.NO_STATUS


def test_abort_from_another_thread_wakes_who_waits(pair: Pair) -> None:
    errors: list[BaseException] = []

    def receive() -> None:
        try:
            pair.ws.receive()
        except WebSocketError as error:
            errors.append(error)

    thread = threading.Thread(target=receive)
    thread.start()
    until(lambda: waits(thread))
    pair.ws.abort()
    thread.join(20)
    assert [type(error) for error in errors] == [WebSocketError.ConnectionClosed]


def test_close_while_another_task_receives(pair: Pair) -> None:
    form = Form("async")

    async def main() -> None:
        receiving = asyncio.create_task(pair.ws.receive_async())
        await turns()
        closing = asyncio.create_task(pair.ws.close_async(4003))
        await turns()
        assert pair.peer.event()[1] == CloseReason(4003)
        pair.peer.sock.close()
        await closing
        with pytest.raises(WebSocketError.ConnectionClosed) as caught:
            await receiving
        assert caught.value.code == 4003

    form.run(main())
    form.close()


@pytest.mark.parametrize("code", [1000, 1001, None])
def test_iteration_ends_where_the_peer_closes_normally(pair: Pair, code: int | None) -> None:
    pair.peer.protocol.send("a")
    pair.peer.protocol.send("b")
    pair.peer.protocol.close(code)
    pair.peer.flush()

    def peer() -> None:
        pair.peer.event()
        pair.peer.sock.close()

    with Beside(peer):
        assert list(pair.ws) == ["a", "b"]


def test_iteration_raises_where_it_does_not(pair: Pair) -> None:
    form = Form("async")
    pair.peer.protocol.send("a")
    pair.peer.protocol.close(CloseCode.POLICY_VIOLATION)
    pair.peer.flush()
    got: list[object] = []

    async def main() -> None:
        async for message in pair.ws:
            got.append(message)  # noqa: PERF401 - what came before the error is looked at

    def peer() -> None:
        pair.peer.event()
        pair.peer.sock.close()

    with Beside(peer), pytest.raises(WebSocketError.ConnectionClosed):
        form.run(main())
    form.close()
    assert got == ["a"]


def test_the_block_closes_with_1011_after_an_error(pair: Pair) -> None:
    codes: list[int] = []

    def peer() -> None:
        codes.append(pair.peer.event()[1].code)
        pair.peer.sock.close()

    with Beside(peer), pytest.raises(KeyError), pair.ws:
        raise KeyError
    assert codes == [CloseCode.INTERNAL_ERROR]


def test_a_flood_of_pings_from_a_peer_that_reads_nothing(form: Form, pair: Pair) -> None:
    """The answers do not pile up: while the peer takes none, not many are kept."""
    ping = frame(FIN | 0x9, b"p" * 125, None if pair.ws.protocol.is_client else b"abcd")
    finished = threading.Event()

    def peer() -> None:
        for _ in range(20):
            pair.peer.raw(ping * 1000)
        pair.peer.send("at last")
        finished.set()
        while pair.peer.event()[0] is not Opcode.Textual:
            pass

    with Beside(peer):
        try:
            assert form(pair.ws.receive) == "at last"
        except WebSocketError.LimitExceeded as error:
            assert error.setting == "max_pings"
            pair.peer.sock.close()
            return
        assert pair.ws.protocol.output_size < 1 << 20
        form(pair.ws.send, "done")


def test_messages_that_nobody_takes_hold_the_peer_back(pair: Pair) -> None:
    pair.ws.config = WebSocketConfig(ping_interval=None, max_queue=3)

    def send() -> None:
        for number in range(50):
            pair.peer.send(f"{number:02}" + "x" * 100_000)

    with Beside(send):
        with pytest.raises(DeadlineExceeded):
            pair.ws.ping(timeout=0.2)
        kept = len(pair.ws._messages)  # noqa: SLF001 - what the limit is about
        received = [int(pair.ws.receive()[:2]) for _ in range(50)]
    assert kept <= 4
    assert received == list(range(50))


def test_pings_that_were_answered_are_forgotten(pair: Pair) -> None:
    pair.ws.config = WebSocketConfig(ping_interval=0.01, ping_timeout=20)
    for _ in range(5):
        with Beside(lambda: pair.peer.event(answers=True)), pytest.raises(DeadlineExceeded):
            pair.ws.receive(timeout=0.1)
    assert len(pair.ws._pings) <= 1  # noqa: SLF001 - the last may be on its way


def test_what_a_peer_said_before_it_left_is_received_after_a_write_that_failed(form: Form) -> None:
    with Pair() as pair:
        pair.peer.send("last words")
        pair.peer.protocol.close(4000, "bye")
        pair.peer.flush()
        pair.peer.sock.close()
        for _ in range(3):
            try:
                form(pair.ws.send, b"x" * 1_000_000)
            except WebSocketError.ConnectionClosed:
                break
        assert form(pair.ws.receive) == "last words"
        with pytest.raises(WebSocketError.ConnectionClosed) as caught:
            form(pair.ws.receive)
        assert (caught.value.code, caught.value.reason) == (4000, "bye")


def test_begin_close_wakes_who_waits_and_limits_the_wait(pair: Pair) -> None:
    pair.ws.config = WebSocketConfig(ping_interval=None, close_timeout=0.1)
    ended: list[BaseException] = []

    def receive() -> None:
        with pytest.raises(WebSocketError.ConnectionClosed) as caught:
            pair.ws.receive()
        ended.append(caught.value)

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    until(lambda: waits(thread))
    pair.ws.begin_close(CloseCode.GOING_AWAY)
    thread.join(20)
    assert len(ended) == 1
