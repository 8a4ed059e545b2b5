"""Handlers of every kind, made into handlers of flows.

`InlineHandler` calls a blocking handler in the thread of the server, `PoolHandler` in one of its own threads,
`AsyncHandler` awaits a coroutine in the event loop that drives the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from netkit.http.protocols import AsyncHttpHandler, HttpHandler
from netkit.http.server.exchange import FlowHandler
from netkit.http.server.request import ServerRequest
from netkit.io import Event

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from netkit.http.message import Response
    from netkit.http.server.config import ServerConfig
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow

#: Everything that may answer requests.
AnyHandler: TypeAlias = "HttpHandler | AsyncHttpHandler | FlowHandler"


def received_request(exchange: Exchange) -> Flow[ServerRequest]:
    """Flow: the request with its whole body. Raises as `Exchange.read_flow`."""
    body = (yield from exchange.read_all_flow()) if exchange.has_body else None
    return ServerRequest.of(exchange.head, exchange.version, exchange.connection, body, exchange.trailers)


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
    """Calls a blocking handler in one of so many threads."""

    def __init__(self, handler: HttpHandler, threads: int) -> None:
        self._handler = handler
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None  # made in the process that serves

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer the request."""
        from concurrent.futures import ThreadPoolExecutor

        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "netkit-http")
        request = yield from received_request(exchange)
        there = Event()
        future = self._pool.submit(self._handler.handle, request)
        future.add_done_callback(lambda _: there.set())
        try:
            yield from there.wait()
        finally:
            future.cancel()
        yield from exchange.respond_flow(future.result())


class AsyncHandler:
    """Awaits a handler in the event loop."""

    def __init__(self, handler: AsyncHttpHandler) -> None:
        self._handler = handler

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer the request."""
        import asyncio

        request = yield from received_request(exchange)
        there = Event()
        task: asyncio.Task[Response] = asyncio.get_running_loop().create_task(
            self._handler.handle_async(request)
        )
        task.add_done_callback(lambda _: there.set())
        try:
            yield from there.wait()
        finally:
            task.cancel()
        yield from exchange.respond_flow(task.result())


def flow_handler(handler: AnyHandler, config: ServerConfig) -> FlowHandler:
    """The handler as one of flows. Raises TypeError for what is none."""
    if isinstance(handler, FlowHandler):
        return handler
    if isinstance(handler, HttpHandler):
        return InlineHandler(handler) if config.threads == 0 else PoolHandler(handler, config.threads)
    if isinstance(handler, AsyncHttpHandler):
        return AsyncHandler(handler)
    raise TypeError(f"a handler has handle, handle_async or handle_flow; {type(handler).__name__} has none")
