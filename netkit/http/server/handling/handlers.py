"""Handlers of every kind, made into handlers of flows.

`InlineHandler` calls a blocking handler in the thread of the server, `PoolHandler` in one of its own threads,
`AsyncHandler` awaits a coroutine in the event loop that drives the server.

A coroutine is cancelled when its client goes away. A blocking handler cannot be: it runs to its end, keeps
its thread until then, and what it returns is dropped.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, runtime_checkable

from netkit._log import Log
from netkit._value import assign
from netkit.http.bodies.body import close_source
from netkit.http.protocols import AsyncHttpHandler, HttpHandler
from netkit.http.server.exchange import FirstTurn, FlowHandler, sendable
from netkit.http.server.handling.bridge import Bridge, given_up, gone_flow, in_thread_flow
from netkit.http.server.handling.brief import briefly_alone
from netkit.http.server.handling.threads import ThreadPool
from netkit.http.server.request import ServerRequest
from netkit.http.server.response import StreamedResponse
from netkit.http.server.stream import RequestStream
from netkit.io import Event, Want, run

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine
    from typing import Any

    from netkit.http.bodies.body import BodySource
    from netkit.http.message import Response
    from netkit.http.server.config import ServerConfig
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow

T = TypeVar("T")

log = Log("netkit.http.server.handlers")

#: Everything that may answer requests.
AnyHandler: TypeAlias = "HttpHandler | AsyncHttpHandler | FlowHandler"


@runtime_checkable
class LastingHandler(Protocol):
    """A handler of flows that has something to do around the serving: threads, a lifespan."""

    def around_flow(self, serving: Flow[object]) -> Flow[None]:
        """Flow: run `serving`, which accepts and answers until the server is stopped. What it raises before
        that keeps the server from starting."""


def received_request(exchange: Exchange) -> Flow[ServerRequest]:
    """Flow: the request with its whole body. Raises as `Exchange.read_flow`."""
    if exchange.is_quick:
        return exchange.request
    body = (yield from exchange.read_all_flow()) if exchange.has_body else None
    return ServerRequest.of(exchange.head, exchange.version, exchange.connection, body, exchange.trailers)


def streamed_request(exchange: Exchange, stream: RequestStream) -> ServerRequest:
    """The request with its body still to come. Raises as `ServerRequest.of`."""
    request = ServerRequest.of(exchange.head, exchange.version, exchange.connection)
    assign(request, "stream", stream)
    return request


class InlineHandler:
    """Calls a blocking handler in the server's own thread. It must not wait."""

    def __init__(self, handler: HttpHandler) -> None:
        self._handler = handler

    def answer(self, request: ServerRequest) -> Response:
        """The response to a request that is there as a whole."""
        return self._handler.handle(request)

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer the request."""
        request = yield from received_request(exchange)
        yield from exchange.respond_flow(self._handler.handle(request))


class PoolHandler:
    """Calls a blocking handler in one of `threads` threads, made in the process that serves.

    With `stream_bodies` the handler gets its request before the body has come. An iterator that a
    `StreamedResponse` has as its source is iterated in the thread too, so it may wait.
    """

    def __init__(self, handler: HttpHandler, threads: int, *, stream_bodies: bool = False) -> None:
        self._handler = handler
        self._threads = threads
        self._stream_bodies = stream_bodies
        self._pool: ThreadPool | None = None

    def around_flow(self, serving: Flow[object]) -> Flow[None]:
        """Flow: serve, and let the threads end afterwards."""
        try:
            yield from serving
        finally:
            pool, self._pool = self._pool, None
            if pool is not None:
                pool.close()

    @property
    def pool(self) -> ThreadPool:
        """The threads."""
        if self._pool is None:
            self._pool = ThreadPool(self._threads)
        return self._pool

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer the request."""
        bridge = Bridge()
        if self._stream_bodies:
            request = streamed_request(exchange, RequestStream(exchange, bridge))
        else:
            request = exchange.request if exchange.is_quick else (yield from received_request(exchange))
        response = yield from in_thread_flow(
            self.pool,
            exchange,
            bridge,
            partial(self._answer, exchange, bridge, request),
            dropped=_drop,
            is_received=not self._stream_bodies,
        )
        if response is not None:
            yield from exchange.respond_flow(response)

    def _answer(self, exchange: Exchange, bridge: Bridge, request: ServerRequest) -> Response | None:
        """In the thread: the response, None if it was sent already."""
        response = self._handler.handle(request)
        if not isinstance(response, StreamedResponse):
            return response
        return send_streamed(exchange, bridge, response)


def send_streamed(exchange: Exchange, bridge: Bridge, response: StreamedResponse) -> StreamedResponse | None:
    """In a thread: send a response piece by piece, each as it is made. Its source is closed at the end.

    Returns the response if nothing of it waits: a slow client that is sent a file shall not keep a thread.
    """
    from netkit.http.bodies.body import body_of

    if is_stored(response.source):
        return response
    try:
        body = body_of(response.source)
        pieces = body.begin()
        if pieces.waits:
            raise TypeError("an async iterator is a body for an async handler only")
        try:
            fields, length, closes = sendable(response)

            def begin_flow() -> Flow[None]:
                if closes:
                    exchange.close_after()
                exchange.begin(
                    int(response.status), fields, length=length if body.length is None else body.length
                )
                if exchange.is_ended:
                    yield from exchange.flush_flow()

            bridge.delegate(begin_flow)
            while not exchange.is_ended and (piece := run(pieces.next_flow())):
                bridge.delegate(partial(exchange.send_flow, piece))
            if not exchange.is_ended:
                trailers = () if response.trailers is None else [*response.trailers()]
                bridge.delegate(partial(exchange.end_flow, trailers))
        finally:
            pieces.close()
    finally:
        close_source(response.source)
    return None


def is_stored(source: BodySource) -> bool:
    """Whether a body is octets, or a file whose size is known: what is read without waiting for anybody."""
    from netkit.http.bodies.body import BinaryFile
    from netkit.http.bodies.forms import extent_of

    if isinstance(source, (bytes, bytearray, memoryview)):
        return True
    return isinstance(source, BinaryFile) and extent_of(source) is not None


def _drop(response: Response | None) -> None:
    """Nobody gets the response."""
    if isinstance(response, StreamedResponse):
        close_source(response.source)


class AsyncHandler:
    """Awaits a handler in the event loop that drives the server.

    With `stream_bodies` the handler gets its request before the body has come.
    """

    def __init__(self, handler: AsyncHttpHandler, *, stream_bodies: bool = False) -> None:
        self._handler = handler
        self._stream_bodies = stream_bodies
        self._tasks: set[asyncio.Task[object]] = set()  # the loop itself keeps none of them
        self._loop: asyncio.AbstractEventLoop | None = None  # while it serves: to ask costs a system call

    def around_flow(self, serving: Flow[object]) -> Flow[None]:
        """Flow: serve. Raises RuntimeError unless an event loop drives the server."""
        self._loop = running_loop("an async handler")
        try:
            yield from serving
        finally:
            self._loop = None

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer the request; the handler is cancelled when the client goes away."""
        loop = self._loop or running_loop("an async handler")
        bridge = stream = None
        if self._stream_bodies:
            bridge = Bridge()
            stream = RequestStream(exchange, bridge)
            request = streamed_request(exchange, stream)
        else:
            request = exchange.request if exchange.is_quick else (yield from received_request(exchange))

        def watching() -> Flow[None]:
            if bridge is not None and stream is not None:
                while not stream.is_over:
                    yield from bridge.attend_flow(lambda: stream.is_over)
            yield from gone_flow(exchange)

        there = Event()
        task = self._kept(begun_task(loop, _answered(self._handler, request)), there)
        try:
            if exchange.is_brief:
                want = Want(event=there)
                while not task.done():
                    yield want
                    if not exchange.is_brief:
                        break
            else:
                yield from first_turn_flow(loop)  # after which many handlers have answered
            if not task.done():
                yield from unless_gone(exchange, there.wait(), watching())
        except BaseException:
            if bridge is not None:
                bridge.leave()
            task.cancel()
            raise
        if task.cancelled():
            raise RuntimeError("the handler was cancelled")
        response = task.result()
        if not isinstance(response, StreamedResponse):
            if bridge is not None:
                bridge.leave()
            yield from exchange.respond_flow(response)
            return
        try:
            yield from unless_gone(exchange, exchange.respond_flow(response), watching())
        finally:
            if bridge is not None:
                bridge.leave()
            if isinstance(response.source, AsyncGenerator):
                self._kept(loop.create_task(_close_generator(response.source)))

    def _kept(self, task: asyncio.Task[T], there: Event | None = None) -> asyncio.Task[T]:
        """The task, which is kept until it has ended. `there` is set then."""

        def ended(task: asyncio.Task[T]) -> None:
            self._tasks.discard(task)
            if there is not None:
                there.set_soon()
            if not task.cancelled() and (error := task.exception()) is not None:
                log.debug("a handler ended in an error: %s", error)

        self._tasks.add(task)
        task.add_done_callback(ended)
        return task


async def _close_generator(generator: AsyncGenerator[bytes, None]) -> None:
    try:
        await generator.aclose()
    except RuntimeError:
        pass  # it runs: it was cancelled a moment ago, and ends by that


async def _answered(handler: AsyncHttpHandler, request: ServerRequest) -> Response:
    """The handler's response. SystemExit in a handler is no reason to end the server."""
    try:
        return await handler.handle_async(request)
    except SystemExit as error:
        raise RuntimeError("the handler raised SystemExit") from error


def unless_gone(exchange: Exchange, flow: Flow[T], watching: Flow[None]) -> Flow[T]:
    """Flow: `flow`, unless `watching` ends first, because the client is gone.

    Raises HttpError.ConnectionError then.
    """
    is_gone, value = yield from briefly_alone(exchange, flow, watching)
    if is_gone:
        raise given_up(exchange)
    return value  # type: ignore[return-value]  # of `flow`


def begun_task(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task for a coroutine. Where Python can (3.12), it has come to its first wait when it is returned."""
    if sys.version_info >= (3, 12):
        import asyncio

        return asyncio.Task(coroutine, loop=loop, eager_start=True)
    return loop.create_task(coroutine)


def first_turn_flow(loop: asyncio.AbstractEventLoop) -> Flow[None]:
    """Flow: until the task that was begun just now has come to its first wait, or to its end.

    `PAUSE` would not do: a flow is also resumed with the others of its nursery, by what happens to them.
    """
    if sys.version_info >= (3, 12):
        return
    turned = Event()
    loop.call_soon(turned.set_soon)
    want = FirstTurn(event=turned)
    while not turned.is_set:
        yield want


def running_loop(who: str) -> asyncio.AbstractEventLoop:
    """The event loop that drives the flow. Raises RuntimeError if there is none."""
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            f"{who} needs an event loop, and the server runs without one: use HttpServer.run_async"
        ) from None


def flow_handler(handler: AnyHandler, config: ServerConfig) -> FlowHandler:
    """The handler as one of flows.

    Raises TypeError for what is no handler, ValueError for a blocking one in the server's own thread that
    would have to wait for the body of its request.
    """
    if isinstance(handler, FlowHandler):
        return handler
    if isinstance(handler, HttpHandler):
        if config.threads:
            return PoolHandler(handler, config.threads, stream_bodies=config.stream_bodies)
        if config.stream_bodies:
            raise ValueError("a blocking handler can wait for a body in a thread only: threads must not be 0")
        return InlineHandler(handler)
    if isinstance(handler, AsyncHttpHandler):
        return AsyncHandler(handler, stream_bodies=config.stream_bodies)
    raise TypeError(f"a handler has handle, handle_async or handle_flow; {type(handler).__name__} has none")
