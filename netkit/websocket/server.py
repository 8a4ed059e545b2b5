"""Accepting a WebSocket on the server's side, inside netkit's HTTP server (RFC 6455 section 4.2, RFC 8441).

    class Echo:
        async def handle_socket_async(self, ws: ServerWebSocket) -> None:
            async for message in ws:
                await ws.send_async(message)

    server = HttpServer(WebSocketHandler(Echo()))

`WebSocketHandler` is a handler of requests: those that ask for a WebSocket get one, and others are answered
by the handler beside it, or with 426.
"""

from __future__ import annotations

from functools import partial
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from netkit.http.server.handling.bridge import Bridge, in_thread_flow
from netkit.http.server.handling.handlers import LastingHandler, running_loop
from netkit.http.server.handling.threads import ThreadPool
from netkit.io import ClosedError, Event, before, beside, deadline_after, race, sleep_until
from netkit.websocket.close import CloseCode
from netkit.websocket.config import DEFAULT_CONFIG
from netkit.websocket.connection import WebSocket, until_closed
from netkit.websocket.errors import WebSocketError
from netkit.websocket.handshake import accept_request, refusal_fields
from netkit.websocket.loop import MessageHandler, WsLoop, serve_messages_flow
from netkit.websocket.protocol import State, WebSocketProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from netkit.http.server.exchange import Exchange, FlowHandler
    from netkit.http.server.request import ServerRequest
    from netkit.io import Flow
    from netkit.websocket.config import WebSocketConfig
    from netkit.websocket.place import Place


#: How many blocking handlers serve at once, unless the server is told otherwise.
THREADS = 256

#: How long a handler that is not made of flows may go on when its connection is over and the server stops,
#: in seconds. A coroutine is cancelled then.
AFTERMATH = 1.0


class ServerWebSocket(WebSocket):
    """A WebSocket that a client has opened; `request` is what it asked with."""

    request: ServerRequest


@runtime_checkable
class FlowSocketHandler(Protocol):
    """Serves WebSockets, each in a flow."""

    def handle_socket_flow(self, ws: ServerWebSocket) -> Flow[None]:
        """Flow: serve one connection; when it returns, the connection is closed with 1000."""


@runtime_checkable
class SocketHandler(Protocol):
    """Serves WebSockets, blocking, each in a thread."""

    def handle_socket(self, ws: BridgedWebSocket) -> None:
        """Serve one connection; when it returns, the connection is closed with 1000."""


@runtime_checkable
class AsyncSocketHandler(Protocol):
    """Serves WebSockets, awaited."""

    async def handle_socket_async(self, ws: ServerWebSocket) -> None:
        """Serve one connection; when it returns, the connection is closed with 1000."""


@runtime_checkable
class LastingMessageHandler(Protocol):
    """A `MessageHandler` that has something to do around the messages of each connection."""

    def around_messages_flow(self, ws: ServerWebSocket, serving: Flow[None]) -> Flow[None]:
        """Flow: run `serving`, which answers the messages until the client closes normally, or raises."""


class BridgedWebSocket:
    """A connection as a blocking handler has it, in a thread: the server's own flow does what it asks for.

    Where the connection has a `place` in the server's loop, that only is for what has to wait: a message that
    goes at once is sent by the thread itself, and for one that is to come, the loop wakes it.
    Errors are those of `WebSocket`, and ClosedError when the server ends.
    """

    def __init__(self, ws: ServerWebSocket, bridge: Bridge, place: Place | None = None) -> None:
        self._ws = ws
        self._bridge = bridge
        self._place = place
        self._told: SimpleQueue[None] = SimpleQueue()
        self.request = ws.request

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that both sides agreed on; None without one."""
        return self._ws.subprotocol

    def receive(self, *, timeout: float | None = None) -> str | bytes:
        """The next message: `str` for a text, `bytes` for octets; `timeout` in seconds."""
        until = deadline_after(timeout)
        place = self._place
        if place is not None and place.hear(self._told, until):
            return self._ws._take_message()
        return self._bridge.delegate(lambda: before(until, self._ws.receive_flow(), "waiting for a message"))

    def send(self, message: str | bytes) -> None:
        """Send a message: a text, or octets."""
        ws = self._ws
        if self._place is not None:
            try:
                if not ws._send_now(message):
                    self._bridge.delegate(ws._flush_flow)
            except WebSocketError.ConnectionClosed:
                pass  # or the server has ended, which the bridge knows
            else:
                return
        self._bridge.delegate(partial(ws.send_flow, message))

    def ping(self, payload: bytes | None = None) -> float:
        """Send a ping, and return how long its answer took, in seconds."""
        return self._bridge.delegate(partial(self._ws.ping_flow, payload))

    def close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Close with `code` and `reason`, within `close_timeout`."""
        self._bridge.delegate(partial(self._ws.close_flow, code, reason))

    def __iter__(self) -> Iterator[str | bytes]:
        """The messages, until the client closes normally (1000, 1001, or no code)."""
        return until_closed(self.receive)


def asks_for_websocket(exchange: Exchange) -> bool:
    """Whether a request asks for a WebSocket, rightly or not."""
    head = exchange.head
    if exchange.version >= (2, 0):
        return head.protocol == b"websocket"
    return any(name.lower() == b"upgrade" and b"websocket" in value.lower() for name, value in head.fields)


def accept_flow(
    exchange: Exchange,
    *,
    config: WebSocketConfig = DEFAULT_CONFIG,
    origins: Sequence[str] | Callable[[str | None], bool] | None = None,
    fields: Sequence[tuple[bytes, bytes]] = (),
) -> Flow[ServerWebSocket]:
    """Flow: accept the WebSocket that a request asks for.

    Args:
        exchange: the request; its response is not begun.
        config: the settings of the connection.
        origins: who may connect from a browser, as `https://example.com`, or a function of the origin; None
            for all.
        fields: more fields of the answer.

    Raises WebSocketError.InvalidHandshake after the answer that says so (400, 403, 405, 426) was sent.
    """
    try:
        agreed = accept_request(
            exchange.head,
            exchange.version,
            subprotocols=config.subprotocols,
            origins=origins,
            deflate=config.deflate,
        )
    except WebSocketError.InvalidHandshake as error:
        yield from refuse_flow(exchange, error)
        raise
    request = exchange.request
    stream = yield from exchange.upgrade_flow(agreed.status, [*agreed.fields, *fields])
    protocol = WebSocketProtocol.server(
        limits=config.limits,
        deflate=agreed.deflate,
        config=config.deflate,
        subprotocol=agreed.subprotocol,
    )
    ws = ServerWebSocket(stream, protocol, config)
    ws.request = request
    return ws


def refuse_flow(exchange: Exchange, error: WebSocketError.InvalidHandshake) -> Flow[None]:
    """Flow: answer a handshake that breaks a rule, with the rule in the body."""
    text = f"{error}\n".encode()
    fields = [(b"content-type", b"text/plain; charset=utf-8"), *refusal_fields(error)]
    exchange.begin(error.status, fields, length=len(text))
    yield from exchange.send_flow(text, end=True)


class WebSocketHandler:
    """Answers requests: a WebSocket for those that ask for one, which `handler` serves.

    A `MessageHandler` answers message by message, which is the fastest: in one loop for all connections. If
    it is a `LastingMessageHandler` too, it can greet, count connections, and be told how they ended.
    A blocking handler has one of `threads` threads for each connection; others wait for one.
    `other` answers all other requests; without it they are answered with 426 (RFC 9110 section 15.5.22).
    When the server stops, its clients get 1001, and `config.close_timeout` to answer. A handler made of flows
    takes part in that where it receives; it ends by ConnectionClosed, as where the client closes. One in a
    thread, or awaited, may do something else meanwhile: it has AFTERMATH seconds after the end.
    """

    def __init__(
        self,
        handler: MessageHandler | FlowSocketHandler | SocketHandler | AsyncSocketHandler,
        *,
        other: FlowHandler | None = None,
        config: WebSocketConfig = DEFAULT_CONFIG,
        origins: Sequence[str] | Callable[[str | None], bool] | None = None,
        threads: int = THREADS,
    ) -> None:
        self._threads = threads
        self._pool: ThreadPool | None = None
        self._handler = handler
        self._other = other
        self._config = config
        self._origins = origins
        # Of each server that runs with this handler, the loop. A connection does not know its server, so
        # where there are several none is used.
        self._loops: list[WsLoop] = []
        #: The connections that are open.
        self.open: dict[ServerWebSocket, None] = {}

    @property
    def loop(self) -> WsLoop | None:
        """The loop that answers messages while a server runs, where there can be one."""
        return self._loops[0] if len(self._loops) == 1 else None

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer the request."""
        if not asks_for_websocket(exchange):
            if self._other is not None:
                yield from self._other.handle_flow(exchange)
            else:
                error = WebSocketError.InvalidHandshake("Upgrade", "here is a WebSocket", 426)
                yield from refuse_flow(exchange, error)
            return
        try:
            ws = yield from accept_flow(exchange, config=self._config, origins=self._origins)
        except WebSocketError.InvalidHandshake as error:
            exchange.note = str(error)
            return
        self.open[ws] = None
        forget = exchange.when_stopping(partial(ws.begin_close, CloseCode.GOING_AWAY))
        try:
            try:
                yield from self._serve_flow(exchange, ws)
            except Exception as error:
                if ws.state is State.OPEN or not isinstance(error, (WebSocketError, ClosedError)):
                    yield from ws.close_flow(CloseCode.INTERNAL_ERROR)
                    raise
            yield from ws.close_flow()
            if isinstance(ws.failure, ClosedError):
                raise ws.failure  # the server did not wait any longer
        finally:
            forget()
            self.open.pop(ws, None)
            ws.abort()
            exchange.note = exchange.note or ending_of(ws)

    def around_flow(self, serving: Flow[object]) -> Flow[None]:
        """Flow: serve, and let the threads end afterwards."""
        loop: WsLoop | None = None
        if WsLoop.available:
            answers = self._handler if isinstance(self._handler, MessageHandler) else None
            loop = WsLoop(answers, self._config)
            self._loops.append(loop)
            serving = beside(serving, loop.turning(), loop.looking())
        try:
            if isinstance(self._other, LastingHandler):
                serving = self._other.around_flow(serving)
            yield from serving
        finally:
            if loop is not None:
                self._loops.remove(loop)
                loop.close()
            pool, self._pool = self._pool, None
            if pool is not None:
                pool.close()

    def _serve_flow(self, exchange: Exchange, ws: ServerWebSocket) -> Flow[None]:
        handler = self._handler
        serving: Flow[None]
        if isinstance(handler, MessageHandler):
            serving = serve_messages_flow(handler, ws, self.loop)
            if isinstance(handler, LastingMessageHandler):
                serving = handler.around_messages_flow(ws, serving)
            yield from serving
            return
        place = None if self.loop is None else self.loop.place(ws)
        if isinstance(handler, FlowSocketHandler):
            flow = handler.handle_socket_flow(ws)
            yield from flow if place is None else place.drive_flow(flow)
            return
        if isinstance(handler, SocketHandler):
            bridge = Bridge()
            if self._pool is None:
                self._pool = ThreadPool(self._threads)
            serving = in_thread_flow(
                self._pool,
                exchange,
                bridge,
                partial(handler.handle_socket, BridgedWebSocket(ws, bridge, place)),
                dropped=lambda _: None,
                is_received=False,
            )
        else:
            serving = self._await_flow(handler, ws)
        yield from race(serving, ending_flow(exchange, ws))

    @staticmethod
    def _await_flow(handler: AsyncSocketHandler, ws: ServerWebSocket) -> Flow[None]:
        """Flow: have a coroutine serve, which is cancelled if this flow ends first."""
        ended = Event()
        task = running_loop("an async handler").create_task(handler.handle_socket_async(ws))
        task.add_done_callback(lambda _: ended.set_soon())
        try:
            yield from ended.wait()
        except BaseException:
            task.cancel()
            raise
        if task.cancelled():
            raise RuntimeError("the handler was cancelled")
        task.result()

    def close_all(self, code: int = CloseCode.GOING_AWAY, reason: str = "") -> None:
        """Begin to close every connection, without waiting."""
        for ws in list(self.open):
            ws.begin_close(code, reason)


def ending_flow(exchange: Exchange, ws: ServerWebSocket) -> Flow[None]:
    """Flow: what a handler elsewhere does not do: when the server stops, take part in the closing handshake.

    Ends, and the handler with it, when the connection is over and the server stops.
    """
    stopped = Event()
    forget = exchange.when_stopping(stopped.set)
    try:
        won = yield from race(stopped.wait(), ws.stream.gone.wait())
        if won.index and ws.is_closed:
            yield from stopped.wait()  # the handler has closed it itself
        ws.begin_close(CloseCode.GOING_AWAY)
        yield from ws.settle_flow()
        yield from sleep_until(monotonic() + AFTERMATH)
    finally:
        forget()


def ending_of(ws: ServerWebSocket) -> str:
    """How a connection ended, for a log: who closed it, and with which code."""
    protocol = ws.protocol
    received, sent = protocol.close_received, protocol.close_sent
    if protocol.error is not None and not isinstance(protocol.error, WebSocketError.ConnectionClosed):
        return f"closed for a fault of the client: {protocol.error}"
    if received is None:
        return "the client went without closing" if sent is None else "closed, and the client did not answer"
    by = "the server" if ws.closing.is_set else "the client"
    return f"closed by {by} with {received}"
