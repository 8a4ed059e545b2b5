"""ASGI 3 applications, served: the HTTP and the WebSocket scope (spec 2.5), and the lifespan.

Extensions: `http.response.pathsend`, `http.response.trailers`, `http.response.early_hint`,
`websocket.http.response`, and `tls`. WebSockets come over HTTP/1.1 and, by RFC 8441, over HTTP/2.

The application's coroutine sends by itself: in the loop nothing lies between it and the socket, and a client
that takes nothing holds it back. It reads through the connection's flow, so that reading ends with the
exchange. As other servers do, this one leaves an application alone whose client has gone: it is told so by
`http.disconnect`, and by ClientGone where it sends. What it does after its response is complete is waited for
when the server ends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from netkit._log import Log
from netkit.http.gateway.cycle import Cycle
from netkit.http.gateway.errors import ClientGone
from netkit.http.gateway.fields import refuse_too_long
from netkit.http.gateway.lifespan import Lifespan, LifespanMode
from netkit.http.gateway.scope import Scope, http_scope, websocket_scope
from netkit.http.server.handling.bridge import given_up
from netkit.http.server.handling.handlers import begun_task, first_turn_flow, running_loop
from netkit.io import Event, race, sleep_until

if TYPE_CHECKING:
    import asyncio

    from netkit.http.gateway.cycle import Message
    from netkit.http.gateway.socket_cycle import SocketCycle
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow
    from netkit.websocket.config import WebSocketConfig

log = Log("netkit.http.gateway")

Receive: TypeAlias = "Callable[[], Awaitable[Message]]"
Send: TypeAlias = "Callable[[Message], Awaitable[None]]"
#: An ASGI 3 application.
AsgiApp: TypeAlias = Callable[[Scope, Any, Any], Awaitable[None]]

#: How long applications may go on when the server ends, in seconds, after their responses are complete.
BACKGROUND_TIMEOUT = 10.0

#: How long, in seconds, they may take to end after they were cancelled.
CANCEL_TIMEOUT = 1.0


class AsgiHandler:
    """Serves `app`, an ASGI 3 application.

    `root_path` is the prefix that a proxy in front takes away. `lifespan` says what the application is told
    of the server's beginning and end: with `"auto"` one that does not know the lifespan is served too, `"on"`
    demands it, `"off"` says nothing. `websocket` has the settings of WebSockets but for their subprotocols,
    which the application chooses; None is the default.

    The application runs in the event loop that drives the server. Serving raises RuntimeError without one,
    LifespanError if the application says that it could not start or end.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        root_path: str = "",
        lifespan: LifespanMode = "auto",
        websocket: WebSocketConfig | None = None,
    ) -> None:
        self._app = app
        self._root_path = root_path.rstrip("/")
        self._mode: LifespanMode = lifespan
        self._websocket = websocket
        self._state: dict[str, Any] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        #: Set when the application has started: what comes before then waits in the backlog.
        self.started = Event()
        self._hurried = Event()

    def hurry(self) -> None:
        """The server ends now: cancel what the application still does, and go on to the lifespan's end."""
        self._hurried.set()

    @property
    def background(self) -> int:
        """How many calls of the application are under way, those after their response among them."""
        return len(self._tasks)

    def around_flow(self, serving: Flow[object]) -> Flow[None]:
        """Flow: start the application, serve, and end it."""
        loop = running_loop("an ASGI application")
        lifespan = Lifespan(self._app, loop) if self._mode != "off" else None
        try:
            if lifespan is not None:
                yield from lifespan.startup_flow(required=self._mode == "on")
                self._state = lifespan.state
            self.started.set()
            try:
                yield from serving
            except Exception:
                yield from self._end_flow(lifespan)
                raise
            yield from self._end_flow(lifespan)
        finally:
            for task in self._tasks:
                task.cancel()
            if lifespan is not None:
                lifespan.close()

    def _end_flow(self, lifespan: Lifespan | None) -> Flow[None]:
        yield from self._last_flow()
        if lifespan is not None:
            yield from lifespan.shutdown_flow()

    def _last_flow(self) -> Flow[None]:
        """Flow: wait for what applications still do."""
        until = monotonic() + BACKGROUND_TIMEOUT
        are_cancelled = False
        while self._tasks:
            ended = Event()
            next(iter(self._tasks)).add_done_callback(partial(_set, ended))
            waits = [ended.wait(), sleep_until(until)]
            if not are_cancelled:
                waits.append(self._hurried.wait())
            won = yield from race(*waits)
            if won.index == 1:
                log.warning("%d calls of the application went on for too long", len(self._tasks))
                return
            if won.index == 2:
                are_cancelled = True
                until = monotonic() + CANCEL_TIMEOUT
                for task in self._tasks:
                    task.cancel()

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: have the application answer the request."""
        loop = running_loop("an ASGI application")
        if may_upgrade(exchange):
            from netkit.websocket.server import asks_for_websocket

            if asks_for_websocket(exchange):
                yield from self._socket_flow(exchange, loop)
                return
        refuse_too_long(exchange)
        scope = http_scope(
            exchange.head, exchange.version, exchange.connection, root_path=self._root_path, state=self._state
        )
        cycle = Cycle(exchange)
        task = begun_task(loop, _called(self._app, scope, cycle))
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            yield from first_turn_flow(loop)  # after which many applications have answered
            if not cycle.over.is_set:
                yield from race(cycle.over.wait(), cycle.attend_flow(), cycle.send_for_flow())
        finally:
            cycle.leave()
        if cycle.failure is not None:
            raise cycle.failure
        if cycle.error is not None:
            raise cycle.error
        if cycle.is_sent:
            return
        if not cycle.over.is_set:
            raise given_up(exchange)
        raise RuntimeError(
            "the application returned without a response"
            if exchange.status is None
            else "the application returned before its response was complete"
        )

    def _socket_flow(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> Flow[None]:
        """Flow: have the application serve a WebSocket; a handshake that breaks a rule is refused before."""
        from netkit.http.gateway.socket_cycle import SocketCycle
        from netkit.websocket.config import DEFAULT_CONFIG
        from netkit.websocket.errors import WebSocketError
        from netkit.websocket.handshake import accept_request, offered_subprotocols
        from netkit.websocket.server import refuse_flow

        try:
            accept_request(exchange.head, exchange.version)
            offered = offered_subprotocols(exchange.head)
        except WebSocketError.InvalidHandshake as error:
            yield from refuse_flow(exchange, error)
            exchange.note = str(error)
            return
        scope = websocket_scope(
            exchange.head,
            exchange.version,
            exchange.connection,
            offered,
            root_path=self._root_path,
            state=self._state,
        )
        cycle = SocketCycle(exchange, self._websocket or DEFAULT_CONFIG, offered)
        task = loop.create_task(_called(self._app, scope, cycle))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            yield from race(cycle.over.wait(), cycle.attend_flow())
            if cycle.over.is_set or exchange.status is not None:
                yield from cycle.end_flow()
            else:
                raise given_up(exchange)
        finally:
            cycle.leave()


def may_upgrade(exchange: Exchange) -> bool:
    """A quick look whether a request may ask for another protocol."""
    if exchange.version >= (2, 0):
        return exchange.head.protocol is not None
    return any(len(name) == 7 and name.lower() == b"upgrade" for name, _ in exchange.head.fields)


def _set(event: Event, _: object) -> None:
    event.set_soon()


async def _called(app: AsgiApp, scope: Scope, cycle: Cycle | SocketCycle) -> None:
    """Run the application for one request, and say how it ended."""
    error: Exception | None = None
    try:
        await app(scope, cycle.receive, cycle.send)
    except Exception as caught:
        error = caught
    except SystemExit as caught:  # no reason to end the server
        error = RuntimeError("the application raised SystemExit")
        error.__cause__ = caught
    except BaseException as caught:
        cycle.returned(RuntimeError(f"the application raised {type(caught).__name__}"))
        raise
    if error is not None and not (cycle.is_left and isinstance(error, ClientGone)):
        method = scope.get("method", "WebSocket")
        log.warning("%s %s: the application failed", method, scope["path"], error=error)
    cycle.returned(error)
