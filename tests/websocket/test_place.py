"""Handlers that ask for their messages: a flow, a coroutine, a thread, with the loop and without it.

All kinds of handler do what a message says, in the loop as where each connection receives for itself.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import pytest

from netkit.io import BusyError, Event, Flow, before, deadline_after, run, run_async
from netkit.io.errors import DeadlineExceeded
from netkit.websocket import CloseCode, Opcode, ServerWebSocket, WebSocketConfig, WebSocketHandler
from netkit.websocket.loop import WsLoop
from netkit.websocket.server import BridgedWebSocket
from tests.http.server.serving import Serving
from tests.waiting import turns, until
from tests.websocket.frames import BINARY, CLOSE, FIN, PONG, TEXT, client, frame
from tests.websocket.loop_forms import HANDSHAKE
from tests.websocket.sockets import PATIENCE, Peer

pytestmark = pytest.mark.skipif(not WsLoop.available, reason="this system has no epoll")

SOON = 0.05


class Doing:
    """What every kind of handler has: a gate to wait for, and the connection that it serves."""

    def __init__(self) -> None:
        self.gate = Event()
        self.seen: list[str | bytes] = []


class FlowDoing(Doing):
    def handle_socket_flow(self, ws: ServerWebSocket) -> Flow[None]:
        while True:
            message = yield from ws.receive_flow()
            self.seen.append(message)
            match message:
                case "late":
                    try:
                        message = yield from before(deadline_after(SOON), ws.receive_flow())
                    except DeadlineExceeded:
                        message = "too late"
                case "ping":
                    message = f"{(yield from ws.ping_flow()) > 0}"
                case "hold":
                    yield from self.gate.wait()
                case "raise":
                    raise KeyError("a secret")
                case "return":
                    return
                case "close":
                    yield from ws.close_flow(4000, "enough")
                    return
            yield from ws.send_flow(message)


class AsyncDoing(Doing):
    async def handle_socket_async(self, ws: ServerWebSocket) -> None:
        while True:
            message = await ws.receive_async()
            self.seen.append(message)
            match message:
                case "late":
                    try:
                        message = await ws.receive_async(timeout=SOON)
                    except DeadlineExceeded:
                        message = "too late"
                case "cancelled":
                    try:
                        message = await asyncio.wait_for(ws.receive_async(), SOON)
                    except TimeoutError:
                        message = "too late"
                case "busy":
                    first = asyncio.ensure_future(ws.receive_async())
                    await turns()
                    with pytest.raises(BusyError):
                        await ws.receive_async()
                    await ws.send_async("busy")
                    message = await first
                case "ping":
                    message = f"{await ws.ping_async() > 0}"
                case "hold":
                    await run_async(self.gate.wait())
                case "raise":
                    raise KeyError("a secret")
                case "return":
                    return
                case "close":
                    await ws.close_async(4000, "enough")
                    return
            await ws.send_async(message)


class ThreadDoing(Doing):
    def handle_socket(self, ws: BridgedWebSocket) -> None:
        while True:
            message = ws.receive()
            self.seen.append(message)
            match message:
                case "late":
                    try:
                        message = ws.receive(timeout=SOON)
                    except DeadlineExceeded:
                        message = "too late"
                case "ping":
                    message = f"{ws.ping() > 0}"
                case "hold":
                    run(self.gate.wait(), deadline=deadline_after(PATIENCE))
                case "raise":
                    raise KeyError("a secret")
                case "return":
                    return
                case "close":
                    ws.close(4000, "enough")
                    return
            ws.send(message)  # type: ignore[arg-type]  # a text or octets


class Kind(NamedTuple):
    make: Callable[[], Any]
    form: str


KINDS = [
    pytest.param(Kind(FlowDoing, "blocking"), id="flow"),
    pytest.param(Kind(FlowDoing, "async"), id="flow-asyncio"),
    pytest.param(Kind(ThreadDoing, "blocking"), id="thread"),
    pytest.param(Kind(ThreadDoing, "async"), id="thread-asyncio"),
    pytest.param(Kind(AsyncDoing, "async"), id="coroutine"),
]
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(params=["loop", "flow"])
def in_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(WsLoop, "available", request.param == "loop")
    return bool(request.param == "loop")


class Served:
    """A server with one such handler, and a client of it."""

    def __init__(self, kind: Kind, *, receive_buffer: int | None = None, **config: Any) -> None:
        self.doing = kind.make()
        self.handler = WebSocketHandler(
            self.doing, config=WebSocketConfig(**{"ping_interval": None} | config)
        )
        self.server = Serving(self.handler, form=kind.form)
        self._receive_buffer = receive_buffer

    def __enter__(self) -> Self:
        self.server.__enter__()
        raw = self.server.client(receive_buffer=self._receive_buffer)
        raw.send(HANDSHAKE % b"")
        got = b""
        while b"\r\n\r\n" not in got:
            got += raw.sock.recv(1)
        self.peer = Peer(raw.sock, client())
        return self

    def __exit__(self, *ending: object) -> None:
        self.peer.sock.close()
        self.server.__exit__(*ending)  # type: ignore[arg-type]  # as the statement gave them

    def ask(self, message: str | bytes) -> object:
        """Send a message; the next that comes back."""
        self.peer.send(message)
        return self.next()

    def next(self) -> object:
        # Nothing is answered: to send not even an octet waits where a client's buffer is full.
        opcode, message = self.peer.event(answers=False)
        assert opcode in (Opcode.Textual, Opcode.Binary)
        return message

    @property
    def ws(self) -> ServerWebSocket:
        return next(iter(self.handler.open))

    @property
    def places(self) -> int:
        """How many connections are in the loop."""
        return len(self.handler.loop.places) if self.handler.loop is not None else 0


@every_kind
def test_messages_with_a_deadline_pings_and_the_loop_again(kind: Kind, in_loop: bool) -> None:
    with Served(kind) as served:
        for _ in range(2):
            assert served.ask("hello") == "hello"
            assert served.ask("late") == "too late"
            served.peer.send("ping")
            assert served.peer.event()[0] is Opcode.Ping
            assert served.next() == "True"
            assert served.ask(b"m" * 300_000) == b"m" * 300_000
        assert served.places == in_loop


@every_kind
def test_a_message_that_comes_in_time(kind: Kind, in_loop: bool) -> None:
    with Served(kind) as served:
        served.peer.raw(frame(FIN | TEXT, b"late") + frame(FIN | TEXT, b"in time"))
        assert served.next() == "in time"
        assert served.ask("hello") == "hello"
        assert served.places == in_loop


def test_a_coroutine_that_is_cancelled_loses_no_message(in_loop: bool) -> None:
    with Served(Kind(AsyncDoing, "async")) as served:
        assert served.ask("cancelled") == "too late"
        assert served.ask("hello") == "hello"
        assert served.ask("busy") == "busy"
        assert served.ask("first") == "first"
        assert served.places == in_loop


@pytest.mark.once
@pytest.mark.parametrize("kind", [KINDS[0], KINDS[2], KINDS[4]])
def test_a_handler_that_takes_nothing_holds_its_peer_back(kind: Kind, in_loop: bool) -> None:
    """It has all messages in the end, in their order, and sends them to a client that reads late."""
    with Served(kind, receive_buffer=65536, max_queue=4) as served:
        assert served.ask("hello") == "hello"
        assert served.places == in_loop
        size, count = 20_000, 200
        frames = memoryview(
            b"".join(frame(FIN | BINARY, b"%09d" % number + b"m" * (size - 9)) for number in range(count))
        )
        served.peer.raw(frame(FIN | TEXT, b"hold"))
        until(lambda: "hold" in served.doing.seen)
        sent = 0
        served.peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        served.peer.sock.setblocking(False)
        for _ in range(2):  # what the system's buffers take, and no more
            try:
                while True:
                    sent += served.peer.sock.send(frames[sent:])
            except BlockingIOError:
                served.server.until_it_waits()
        assert sent < len(frames)
        assert sum(map(len, served.ws._messages)) < 1_500_000  # noqa: SLF001 - what the limit is about
        served.peer.sock.settimeout(PATIENCE)
        rest = threading.Thread(target=served.peer.sock.sendall, args=(frames[sent:],), daemon=True)
        served.doing.gate.set()
        rest.start()
        assert served.next() == "hold"
        for number in range(count):
            message = served.next()
            assert isinstance(message, bytes)
            assert (int(message[:9]), len(message)) == (number, size)
        rest.join(PATIENCE)
        assert served.ask("hello") == "hello"
        until(lambda: served.places == in_loop)


@every_kind
@pytest.mark.parametrize(
    ("asked", "code"), [("raise", CloseCode.INTERNAL_ERROR), ("return", CloseCode.NORMAL), ("close", 4000)]
)
def test_how_a_handler_ends(kind: Kind, in_loop: bool, asked: str, code: int) -> None:
    with Served(kind) as served:
        assert served.ask("hello") == "hello"
        assert served.places == in_loop
        served.peer.send(asked)
        opcode, reason = served.peer.event()
        assert (opcode, reason.code) == (Opcode.Close, code)
        assert served.peer.ends()
        served.peer.sock.close()
        served.server.until_idle()
        assert not served.places
        errors = [type(error) for error in served.server.told.errors]
        assert errors == ([KeyError] if asked == "raise" else [])


@every_kind
@pytest.mark.parametrize("how", ["begin_close", "abort", "close frame", "end", "fault"])
def test_how_a_connection_ends_under_a_handler_that_waits(kind: Kind, in_loop: bool, how: str) -> None:
    with Served(kind) as served:
        assert served.ask("hello") == "hello"
        assert served.places == in_loop
        if how == "begin_close":
            served.ws.begin_close(4000)  # from another thread
            assert served.peer.event()[1].code == 4000
        elif how == "abort":
            served.ws.abort()
            assert served.peer.sock.recv(1) == b""
        elif how == "close frame":
            served.peer.raw(frame(FIN | CLOSE, b"\x0f\xa1"))
            assert served.peer.event()[1].code == 4001
        elif how == "end":
            served.peer.sock.close()
        else:
            served.peer.raw(frame(FIN | 0x3))
            assert served.peer.event()[1].code == CloseCode.PROTOCOL_ERROR
        served.peer.sock.close()  # else the server waits for that
        served.server.until_idle()
        assert not served.places
        assert not served.handler.open


@every_kind
def test_a_silent_peer_is_asked_while_the_handler_does_something_else(kind: Kind) -> None:
    """In the loop, and so with none that receives."""
    with Served(kind, ping_interval=SOON, ping_timeout=PATIENCE) as served:
        assert served.ask("hello") == "hello"
        served.peer.send("hold")
        until(lambda: "hold" in served.doing.seen)
        for _ in range(2):
            assert served.peer.event()[0] is Opcode.Ping
        served.peer.raw(frame(FIN | PONG, b"nobody asked"))
        served.doing.gate.set()
        assert served.next() == "hold"
        assert served.ask("hello") == "hello"
