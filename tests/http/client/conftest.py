"""The two forms of a client, called in one way."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest

from netkit.http import AsyncClient, Client, Request
from tests.http.client.serving import PATIENCE
from tests.net.conftest import open_before, opened_since
from tests.waiting import until


class Form:
    """One form of a client. A test calls as if all were blocking.

    `call(client.get, url)` calls `get`, or runs `get_async` in an event loop that has a thread of its own.
    `start` does the same beside the test, and returns a future, whose `cancel` cancels the task.
    """

    name = ""

    def __init__(self) -> None:
        self.made: list[Any] = []

    def client(self, *arguments: Any, **named: Any) -> Any:
        raise NotImplementedError

    def start(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Future[Any]:
        raise NotImplementedError

    def call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return self.start(method, *arguments, **named).result(PATIENCE)

    def get(self, client: Any, url: str, headers: Any = (), **named: Any) -> Any:
        return self.call(client.request, Request("GET", url, headers=headers), **named)

    def post(self, client: Any, url: str, body: Any = None, headers: Any = (), **named: Any) -> Any:
        return self.call(client.request, Request("POST", url, headers=headers), body=body, **named)

    @contextmanager
    def stream(self, client: Any, request: Request | str, **named: Any) -> Iterator[Any]:
        """A stream, left as `with` leaves it."""
        request = Request("GET", request) if isinstance(request, str) else request
        response = self.call(client.stream, request, **named)
        try:
            yield response
        finally:
            response.close()

    def pieces(self, response: Any) -> list[bytes]:
        """What iterating gives."""
        raise NotImplementedError


class BlockingForm(Form):
    name = "blocking"

    def client(self, *arguments: Any, **named: Any) -> Any:
        client = Client(*arguments, **named)
        self.made.append(client)
        return client

    def call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return method(*arguments, **named)

    def start(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(method(*arguments, **named))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future

    def pieces(self, response: Any) -> list[bytes]:
        return list(response)


class AsyncForm(Form):
    name = "asyncio"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop

    def client(self, *arguments: Any, **named: Any) -> Any:
        client = _Named(AsyncClient(*arguments, **named))
        self.made.append(client)
        return client

    def start(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Future[Any]:
        owner = method.__self__  # type: ignore[attr-defined]
        async_form = getattr(owner, f"{method.__name__.removesuffix('_async')}_async")

        async def main() -> Any:
            return await async_form(*arguments, **named)

        return asyncio.run_coroutine_threadsafe(main(), self.loop)

    def pieces(self, response: Any) -> list[bytes]:
        async def main() -> list[bytes]:
            return [piece async for piece in response]

        return asyncio.run_coroutine_threadsafe(main(), self.loop).result(PATIENCE)


class _Named:
    """An AsyncClient whose methods have the names of the blocking ones."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, f"{name}_async" if hasattr(self.client, f"{name}_async") else name)


@contextmanager
def loop_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        loop = runner.get_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield loop
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(PATIENCE)


@pytest.fixture
def no_descriptor_is_left() -> Iterator[None]:
    """What a test and its servers have opened is closed after it."""
    before = open_before()
    yield
    if opened_since(before):
        gc.collect()  # which is slow, and what only waits for it is no leak
    until(lambda: not opened_since(before), "the end of all connections")


@pytest.fixture(params=["blocking", "asyncio"])
def client_form(request: pytest.FixtureRequest, no_descriptor_is_left: None) -> Iterator[Form]:
    """Each form in turn; its clients are closed after the test."""
    if request.param == "blocking":
        form: Form = BlockingForm()
        yield form
        for client in form.made:
            client.close()
        return
    with loop_thread() as loop:
        form = AsyncForm(loop)
        yield form
        for client in form.made:
            loop.call_soon_threadsafe(client.close)
