"""Both ends of a WebSocket for tests: netkit's, over a socket, and one that a test plays frame by frame.

    with Pair() as pair:                      # netkit is the server; the test plays the client
        pair.peer.send("hello")
        assert pair.ws.receive() == "hello"

The peer that is played is a `WebSocketProtocol` on a blocking socket, or octets of the test's own (`raw`).
`FORMS` run the same test with the blocking and the awaited methods.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self

from netkit.net.connect import descriptor_of
from netkit.net.sockets import SocketStream
from netkit.websocket import Opcode, WebSocket, WebSocketConfig, WebSocketProtocol, random_mask_key

#: How long anything may take, in seconds. Only a test that fails waits so long.
PATIENCE = 20.0

Event = tuple[Opcode, Any]


class Peer:
    """The other end."""

    def __init__(self, sock: socket.socket, protocol: WebSocketProtocol) -> None:
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self.protocol = protocol
        self.events: list[Event] = []

    def send(self, message: str | bytes) -> None:
        self.protocol.send(message)
        self.flush()

    def flush(self) -> None:
        self.sock.sendall(self.protocol.take())

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def event(self, *, answers: bool = True) -> Event:
        """The next event; with `answers`, pings and Close frames are answered."""
        while not self.events:
            data = self.sock.recv(65536)
            assert data, "the connection ended"
            self.events += self.protocol.feed(data)
            if answers:
                self.flush()
        return self.events.pop(0)

    def ends(self) -> bool:
        """Wait until the other side has ended the transport; whether nothing but that came."""
        data = self.sock.recv(65536)
        return data == b"" and not self.events


class Pair:
    """A connection: `ws` is netkit's end."""

    def __init__(self, config: WebSocketConfig | None = None, *, client: bool = False) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        config = config or WebSocketConfig(ping_interval=None)
        if client:
            mine = WebSocketProtocol.client(random_mask_key, limits=config.limits)
            other = WebSocketProtocol.server()
        else:
            mine = WebSocketProtocol.server(limits=config.limits)
            other = WebSocketProtocol.client(random_mask_key)
        self.ws = WebSocket(SocketStream(ours, descriptor_of(ours)), mine, config)
        self.peer = Peer(theirs, other)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ws.abort()
        self.peer.sock.close()


class Form:
    """The blocking methods, or the awaited ones, under one name: `form(ws.receive, timeout=1)`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._loop = asyncio.new_event_loop() if name == "async" else None

    def __call__(self, method: Callable[..., Any], *args: Any, **more: Any) -> Any:
        if self._loop is None:
            return method(*args, **more)
        owner: Any = getattr(method, "__self__")  # noqa: B009 - the type of a bound method is not known
        return self._loop.run_until_complete(self._awaited(owner, method.__name__, args, more))

    async def _awaited(self, owner: Any, name: str, args: Any, more: Any) -> Any:
        return await asyncio.wait_for(getattr(owner, f"{name}_async")(*args, **more), PATIENCE)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        assert self._loop is not None
        return self._loop.run_until_complete(asyncio.wait_for(work, PATIENCE))

    def close(self) -> None:
        if self._loop is not None:
            self._loop.close()


class Beside:
    """What the peer does meanwhile, in a thread; what it raises is raised at the end of the block."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error
