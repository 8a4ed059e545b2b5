"""The lifespan of an ASGI application (spec 2.0): it is told when the server begins and when it has ended.

An application that raises before it has answered `lifespan.startup` does not know the lifespan; whether that
is an error is for the caller to say.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from netkit._log import Log
from netkit.http.gateway.errors import LifespanError
from netkit.http.gateway.scope import ASGI_VERSION
from netkit.io import Event, race, sleep_until

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from netkit.http.gateway.cycle import Message
    from netkit.io import Flow

log = Log("netkit.http.gateway")

LifespanMode: TypeAlias = Literal["auto", "on", "off"]

#: How long an application may take to end, in seconds.
SHUTDOWN_TIMEOUT = 30.0


class Lifespan:
    """The lifespan of one application. `state` is what it leaves there for its requests."""

    def __init__(
        self, app: Callable[[Any, Any, Any], Awaitable[None]], loop: asyncio.AbstractEventLoop
    ) -> None:
        import asyncio

        self._app = app
        self._loop = loop
        self.state: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()
        self._told = 0  # how many messages the application has received
        self._phase = Event()  # set when the phase under way is over, one way or another
        self._done: str | None = None  # the phase that the application has completed
        self._failed: LifespanError | None = None
        self._over = Event()  # set when the application has returned
        self._error: BaseException | None = None  # what it raised then

    def startup_flow(self, *, required: bool) -> Flow[None]:
        """Flow: until the application has started. Raises LifespanError if it could not, and if it is
        `required` to know the lifespan and does not."""
        self._task = self._loop.create_task(self._called())
        self._task.add_done_callback(self._returned)
        yield from self._phase.wait()
        if self._failed is not None:
            raise self._failed
        if self._done is not None:
            return
        self.state = {}
        reason = "it returned at once" if self._error is None else _described(self._error)
        if required:
            raise LifespanError("startup", reason) from self._error
        log.debug("the application does not know the lifespan: %s", reason)

    def shutdown_flow(self) -> Flow[None]:
        """Flow: until the application has ended. Raises LifespanError if it could not."""
        if self._over.is_set:
            return
        self._phase.clear()
        self._ending.set()
        until = monotonic() + SHUTDOWN_TIMEOUT
        won = yield from race(self._phase.wait(), sleep_until(until))
        if self._done == "shutdown":
            won = yield from race(self._over.wait(), sleep_until(until))
        if won.index:
            raise LifespanError("shutdown", f"it took more than {SHUTDOWN_TIMEOUT:g} seconds")
        if self._failed is not None:
            raise self._failed
        if self._error is not None:
            raise LifespanError("shutdown", _described(self._error)) from self._error

    def close(self) -> None:
        """End the application's task, if it still runs."""
        if self._task is not None and not self._task.done():
            self._task.cancel()

    def _returned(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._error = task.exception()
            if self._error is not None and self._done == "startup" and not self._ending.is_set():
                log.warning("the application's lifespan ended early: %s", _described(self._error))
        self._over.set_soon()
        self._phase.set_soon()

    async def _called(self) -> None:
        scope = {"type": "lifespan", "asgi": {**ASGI_VERSION, "spec_version": "2.0"}, "state": self.state}
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        self._told += 1
        if self._told == 1:
            return {"type": "lifespan.startup"}
        await self._ending.wait()
        if self._told > 2:
            import asyncio

            await asyncio.Event().wait()  # there is nothing after the end
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        phase = "shutdown" if self._ending.is_set() else "startup"
        if kind == f"lifespan.{phase}.complete":
            self._done = phase
        elif kind == f"lifespan.{phase}.failed":
            self._failed = LifespanError(phase, str(message.get("message", "")))
        elif kind == "lifespan.shutdown.failed" and self._done == "startup":
            # It ends before it was asked to. Starlette says so when its task is cancelled, as Ctrl-C does.
            self._failed = LifespanError("shutdown", str(message.get("message", "")))
        else:
            raise RuntimeError(f"{kind!r} was sent during the {phase}")
        self._phase.set_soon()


def _described(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
