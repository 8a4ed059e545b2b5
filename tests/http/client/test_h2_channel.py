"""Exchanges over HTTP/2: who pumps, what it costs to leave, flow control, and the end of a connection."""

from __future__ import annotations

import threading

import pytest

from netkit.http.client import h2_channel
from netkit.http.client.channel import Exchange
from netkit.http.client.dial import Link
from netkit.http.client.facts import ConnectionInfo, Timing
from netkit.http.client.h2_channel import H2Channel
from netkit.http.client.h2_reply import H2Reply
from netkit.http.connection.errors import ConnectionFault
from netkit.http.connection.events import RequestHead
from netkit.io import BusyError, ByteStream, ClosedError, Event, Flow, Want
from tests.http.client.h2_peer import ROOMY
from tests.http.connection.conftest import form
from tests.http.connection.forms import Form

__all__ = ["form"]


class Scripted(ByteStream):
    """A stream without a system under it: what is put in is received, what is sent is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.room = 1 << 30
        self.failure: OSError | None = None
        self.closed = False
        self.wants: list[Want] = []

    def try_fill(self, *, fresh: bool = False) -> bool:
        if self.closed:
            raise ClosedError(self._what)
        return bool(self._buffer) or self._eof

    def put(self, octets: bytes) -> None:
        self._buffer.put(octets)

    def end(self) -> None:
        self._eof = True

    def offer(self, data: bytes | memoryview) -> int:
        if self.closed:
            raise ClosedError(self._what)
        if self.failure is not None:
            raise self.failure
        size = min(len(data), self.room)
        self.sent += data[:size]
        self.room -= size
        return size

    def want(self, *, write: bool = False, event: Event | None = None, until: float | None = None) -> Want:
        return Want(event=event, until=until)

    @property
    def is_closed(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


class Scene:
    """A channel over a scripted stream, and the server's side of it."""

    def __init__(self, client: Form, server: Form) -> None:
        self.stream = Scripted()
        self.channel = H2Channel(Link(self.stream, True, ConnectionInfo()), client.fresh_client(ROOMY))
        self.server = server.fresh_server(ROOMY)
        self.leases: list[int] = []
        self.take()
        self.say()

    def take(self) -> None:
        """The server gets what was sent, with what the pump sends when it is woken in this turn."""
        self.channel._push_or_wake()  # noqa: SLF001
        self.server.feed(bytes(self.stream.sent))
        self.stream.sent.clear()

    def say(self) -> None:
        """The channel can receive what the server has to send."""
        self.stream.put(self.server.take())

    def exchange(self) -> Exchange:
        return Exchange(RequestHead(b"GET", b"/", b"a.example"), None, Timing(0.0))

    def ask(self) -> Flow[H2Reply]:
        """A request whose flow waits."""
        flow = self.channel.exchange_flow(self.exchange())
        flow.send(None)  # type: ignore[arg-type]  # a generator's first send is None
        self.take()
        return flow

    def answer(self, *streams: int) -> None:
        for stream in streams:
            self.server.respond(stream, 200, [], end=True)
        self.say()

    # What of the channel's own state these tests are about.

    @property
    def is_pumped(self) -> bool:
        return self.channel._pumping  # noqa: SLF001

    @property
    def replies(self) -> dict[int, H2Reply]:
        return self.channel._replies  # noqa: SLF001

    @property
    def is_locked(self) -> bool:
        return self.channel._lock.locked()  # noqa: SLF001

    @property
    def outbox(self) -> bytearray:
        return self.channel._outbox  # noqa: SLF001


def waits(flow: Flow[H2Reply]) -> bool:
    """Whether a flow that is woken waits again; False if it has ended."""
    try:
        flow.send(True)
    except StopIteration:
        return False
    return True


@pytest.fixture
def scene(form: Form) -> Scene:
    return Scene(form, form)


# Who pumps, and what becomes of the others when it leaves: without sockets, threads or time.


def test_who_has_its_answer_when_it_is_woken_to_pump_wakes_the_next(scene: Scene) -> None:
    first, second, third = scene.ask(), scene.ask(), scene.ask()
    replies = list(scene.replies.values())
    scene.answer(1, 3)
    assert not waits(first)  # it pumped, and has left; the second is woken to go on
    assert replies[1].signal.is_set
    assert not replies[2].signal.is_set
    assert not waits(second)  # it needs no pump any more
    assert replies[2].signal.is_set, "nobody pumps, and the third waits for ever"
    assert waits(third)
    assert scene.is_pumped
    scene.answer(5)
    assert not waits(third)
    assert not scene.is_pumped


@pytest.mark.parametrize("leave", ["closed", "interrupted"])
@pytest.mark.parametrize("who", ["the pump", "the one that is woken to pump"])
def test_who_leaves_unasked_wakes_the_next(scene: Scene, leave: str, who: str) -> None:
    def end(flow: Flow[H2Reply]) -> None:
        if leave == "closed":
            flow.close()
        else:
            with pytest.raises(KeyboardInterrupt):
                flow.throw(KeyboardInterrupt)

    flows = [scene.ask(), scene.ask(), scene.ask()]
    replies = list(scene.replies.values())
    end(flows[0])
    assert replies[1].signal.is_set
    left = 1
    if who != "the pump":
        end(flows[1])
        left = 2
    assert replies[left].signal.is_set
    assert waits(flows[left])
    assert scene.is_pumped
    scene.take()
    assert scene.server.in_flight == 3 - left
    scene.answer(2 * left + 1)
    assert not waits(flows[left])


def test_who_begins_to_wait_while_the_pump_leaves_is_seen(scene: Scene) -> None:
    """The two look at the same things from two threads: one who pumps, one who begins to wait."""
    pump = scene.ask()
    flow = scene.channel.exchange_flow(scene.exchange())
    leaving = threading.Thread(target=pump.close)

    class Slow(Event):
        """The pump leaves in the middle of what the other one does."""

        def clear(self) -> None:
            leaving.start()
            leaving.join(0.05)  # all of it, if nothing holds it up
            super().clear()

    made = H2Reply.__init__

    def make(self: H2Reply, *arguments: object) -> None:
        made(self, *arguments)  # type: ignore[arg-type]  # passed on as they are
        self.signal = Slow()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(H2Reply, "__init__", make)
        flow.send(None)  # type: ignore[arg-type]  # a generator's first send is None
    leaving.join()
    (reply,) = scene.replies.values()
    assert reply.signal.is_set, "it waits, and nobody pumps"
    flow.close()


def test_a_new_request_pumps_if_nobody_does_yet(scene: Scene) -> None:
    """Whoever was woken to pump has not come to it."""
    first, second = scene.ask(), scene.ask()
    scene.answer(1)
    assert not waits(first)
    third = scene.ask()
    assert scene.is_pumped
    assert waits(second)  # it waits again, for the third pumps
    scene.answer(3)
    assert waits(third)
    assert not waits(second)
    third.close()


def test_answers_are_passed_on_although_nothing_can_be_sent(scene: Scene) -> None:
    """The server has answered, and left without reading on: the answers count, not the failed sending."""
    first, second, third = scene.ask(), scene.ask(), scene.ask()
    replies = list(scene.replies.values())
    scene.server.ping(bytes(8))  # which is to be answered
    scene.answer(1, 3)
    scene.stream.end()
    scene.stream.failure = BrokenPipeError(32, "Broken pipe")
    assert not waits(first)
    assert replies[1].signal.is_set
    assert not waits(second)
    assert third.gi_frame is not None  # type: ignore[attr-defined]  # a generator has one
    with pytest.raises(ConnectionError, match="closed the connection"):
        third.send(True)
    assert not scene.channel.is_usable


@pytest.mark.parametrize("leave", ["closed", "interrupted"])
def test_every_place_where_a_flow_waits_can_be_left(form: Form, leave: str) -> None:
    """A request is interrupted at its first, second, ... wait, while another one waits: which is answered."""
    place = 0
    while True:
        scene = Scene(form, form)
        first = scene.ask()
        second = scene.ask()
        scene.server.respond(1, 200, [], end=False)
        scene.server.send(1, b"body")
        ended = False
        for step in range(place):
            if step == 1:
                scene.say()
            if step == 2:
                scene.server.send(1, b"", end=True)
            try:
                first.send(True)
            except StopIteration as end:
                reply = end.value
                reply.close()
                ended = True
                break
        else:
            if leave == "closed":
                first.close()
            else:
                with pytest.raises(KeyboardInterrupt):
                    first.throw(KeyboardInterrupt)
        scene.take()
        assert scene.server.in_flight == 1, "the server was not told"
        assert list(scene.replies) == [3]
        waits(second)
        assert scene.is_pumped
        scene.say()
        scene.answer(3)
        assert not waits(second)
        assert not scene.is_pumped
        if ended:
            return
        place += 1


def test_ctrl_c_in_the_middle_of_a_step_ends_the_connection_for_all(scene: Scene) -> None:
    """Nobody knows then what was received and what was sent; the others must not go on as if nothing was."""
    first, second = scene.ask(), scene.ask()

    def interrupted(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    scene.stream.try_fill = interrupted  # type: ignore[method-assign]  # for this one step
    with pytest.raises(KeyboardInterrupt):
        first.send(True)
    with pytest.raises(ConnectionError, match="interrupted"):
        second.send(True)
    assert scene.stream.closed


def test_an_error_is_raised_to_each_as_its_own(scene: Scene) -> None:
    flows = [scene.ask(), scene.ask(), scene.ask()]
    scene.stream.end()
    errors = []
    for flow in flows:
        with pytest.raises(ConnectionError) as caught:
            flow.send(True)
        errors.append(caught.value)
    assert len({id(error) for error in errors}) == 3
    assert len({str(error) for error in errors}) == 1


class Lease:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.ended = 0

    def end(self) -> None:
        assert not self.scene.is_locked, "the pool is called under the lock of the channel"
        self.ended += 1


@pytest.mark.parametrize("how", ["end", "reset", "lost", "closed", "closed twice", "client closed", "before"])
def test_a_lease_ends_once_whatever_ends_the_reply(scene: Scene, how: str) -> None:
    flow, other = scene.ask(), scene.ask()
    lease = Lease(scene)
    scene.server.respond(1, 200, [], end=how == "before")
    scene.say()
    with pytest.raises(StopIteration) as ended:
        flow.send(True)
    reply = ended.value.value
    reply.when_over(lease)
    assert lease.ended == (1 if how == "before" else 0)
    if how == "end":
        scene.server.send(1, b"more", end=True)
    elif how == "reset":
        scene.server.reset(1, 2)
    elif how == "lost":
        scene.stream.end()
    elif how == "client closed":
        scene.channel.close()
    elif how.startswith("closed"):
        reply.close()
    scene.say()
    try:
        waits(other)  # it pumps for all
    except ConnectionError:
        assert how in ("lost", "client closed")
    assert lease.ended == 1
    reply.close()
    assert lease.ended == 1
    other.close()


def test_a_second_reader_is_told_so(scene: Scene) -> None:
    flow = scene.ask()
    scene.server.respond(1, 200, [], end=False)
    scene.say()
    with pytest.raises(StopIteration) as ended:
        flow.send(True)
    reply: H2Reply = ended.value.value
    reading = reply.next_flow()
    reading.send(None)  # type: ignore[arg-type]  # a generator's first send is None
    with pytest.raises(BusyError):
        reply.next_flow().send(None)  # type: ignore[arg-type]  # as above
    reply.close()
    with pytest.raises(ConnectionError, match="the response was closed"):
        reading.send(True)
    with pytest.raises(ConnectionError, match="the response was closed"):
        reply.next_flow().send(None)  # type: ignore[arg-type]  # as above


def test_an_interim_response_is_told_by_its_own_flow_without_the_lock(scene: Scene) -> None:
    told: list[int] = []

    def tell(status: int, _: object) -> None:
        assert not scene.is_locked
        told.append(status)
        raise RuntimeError("of the callback")

    first = scene.ask()
    exchange = scene.exchange()
    exchange.on_interim = tell
    second = scene.channel.exchange_flow(exchange)
    second.send(None)  # type: ignore[arg-type]  # a generator's first send is None
    scene.take()
    scene.server.respond(3, 103, [(b"link", b"</a>; rel=preload")], end=False)
    scene.say()
    assert waits(first)  # which pumps, and has no part in it
    assert told == []
    with pytest.raises(RuntimeError):
        second.send(True)
    assert told == [103]
    assert list(scene.replies) == [1]
    first.close()


def test_a_server_that_never_reads_its_answers_is_left(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """PING costs the server nothing, if DATA pays for it; the answers must not fill this side's memory."""
    monkeypatch.setattr(h2_channel, "ANSWERS_LIMIT", 4096)
    flow = scene.ask()
    scene.server.respond(1, 200, [], end=False)
    scene.say()
    with pytest.raises(StopIteration) as ended:
        flow.send(True)
    reply: H2Reply = ended.value.value
    scene.stream.room = 0

    def provoke() -> None:
        for _ in range(1000):
            scene.server.send(1, b"x")
            scene.server.ping(bytes(8))
            scene.say()
            with pytest.raises(StopIteration):
                reply.next_flow().send(None)  # type: ignore[arg-type]  # a generator's first send is None

    with pytest.raises(ConnectionFault, match="answers = 4096") as caught:
        provoke()
    assert caught.value.limit_name == "answers"
    assert len(scene.outbox) < 2 * 4096
