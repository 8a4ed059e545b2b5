"""A peer of WebSocket, the package picows, which the tests start as a server or as a client.

    python -m tests.interop.servers.websocket server         prints its port, and a line for each end
    python -m tests.interop.servers.websocket client URL     does everything below with a server of the tests
    python -m tests.interop.servers.websocket echo URL       only sends messages, and gets them back

Both sides know the paths of tests/interop/websocket_peers.py. picows hands over frames as they come, without
putting messages together, and has no compression.
"""

from __future__ import annotations

import asyncio
import sys
from typing import NoReturn

import uvloop
from picows import (
    WSCloseCode,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_connect,
    ws_create_server,
)

from tests.interop.servers.websocket_messages import (
    RESERVED_OF_CLIENT,
    RESERVED_OF_SERVER,
    messages_of_peers,
)

#: Frames of this size are taken.
MAX_FRAME = 16 << 20

#: A message, a pong, or an end, and what it carries.
Event = tuple[str, object]


def closing(payload: bytes) -> tuple[int, str]:
    """The code and the reason of a Close frame."""
    return int.from_bytes(payload[:2], "big") if payload else 1005, payload[2:].decode()


class Whole(WSListener):  # type: ignore[misc, unused-ignore]
    """Puts messages together, and closes as the other side does."""

    def __init__(self) -> None:
        self._kind = WSMsgType.TEXT
        self._pieces: list[bytes] = []

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            if not transport.is_close_frame_sent:
                transport.send(WSMsgType.CLOSE, payload)
            transport.disconnect()
            self.closed(*closing(payload))
        elif kind == WSMsgType.PONG:
            self.pong(transport, payload)
        else:
            if kind != WSMsgType.CONTINUATION:
                self._kind = kind
            self._pieces.append(payload)
            if frame.fin:
                data = b"".join(self._pieces)
                self._pieces.clear()
                self.message(transport, data.decode() if self._kind == WSMsgType.TEXT else data)

    def closed(self, code: int, reason: str) -> None: ...

    def pong(self, transport: WSTransport, payload: bytes) -> None: ...

    def message(self, transport: WSTransport, message: str | bytes) -> None: ...


def send(transport: WSTransport, message: str | bytes) -> None:
    if isinstance(message, str):
        transport.send(WSMsgType.TEXT, message.encode())
    else:
        transport.send(WSMsgType.BINARY, message)


def send_fragments(transport: WSTransport) -> None:
    transport.send(WSMsgType.TEXT, b"piece ", fin=False)
    transport.send(WSMsgType.CONTINUATION, b"piece ", fin=False)
    transport.send(WSMsgType.CONTINUATION, b"piece ")


def send_close(transport: WSTransport, code: int, reason: bytes) -> None:
    """`send_close` knows only the registered codes."""
    transport.send(WSMsgType.CLOSE, code.to_bytes(2, "big") + reason)


class Served(Whole):
    """A connection of the server."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def on_ws_connected(self, transport: WSTransport) -> None:
        match self._path:
            case "/closes":
                send_close(transport, 4001, b"enough")
            case "/pings":
                transport.send_ping(b"hello")
            case "/fragments":
                send_fragments(transport)
            case "/breaks":
                transport.underlying_transport.write(RESERVED_OF_SERVER)

    def closed(self, code: int, reason: str) -> None:
        print("closed", code, reason, flush=True)

    def pong(self, transport: WSTransport, payload: bytes) -> None:
        assert payload == b"hello"
        send(transport, "answered")

    def message(self, transport: WSTransport, message: str | bytes) -> None:
        send(transport, message)


async def serve() -> NoReturn:
    def accept(request: WSUpgradeRequest) -> WSUpgradeResponseWithListener | None:
        path = request.path.decode().partition("?")[0]
        if path == "/nowhere":
            return None
        spoken = {"Sec-WebSocket-Protocol": "chat"} if "Sec-WebSocket-Protocol" in request.headers else None
        response = WSUpgradeResponse.create_101_response(extra_headers=spoken)
        return WSUpgradeResponseWithListener(response, Served(path))

    server = await ws_create_server(accept, "127.0.0.1", 0, max_frame_size=MAX_FRAME)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
    raise AssertionError("the server has ended")


class Connected(Whole):
    """A connection of the client: what comes is in `events`."""

    def __init__(self) -> None:
        super().__init__()
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    def closed(self, code: int, reason: str) -> None:
        self._events.put_nowait(("close", (code, reason)))

    def pong(self, transport: WSTransport, payload: bytes) -> None:
        self._events.put_nowait(("pong", payload))

    def message(self, transport: WSTransport, message: str | bytes) -> None:
        self._events.put_nowait(("message", message))

    async def next(self) -> Event:
        """What has come."""
        async with asyncio.timeout(20):
            return await self._events.get()

    async def expect(self, kind: str, what: object) -> None:
        got = await self.next()
        assert got == (kind, what), f"{str(got)[:100]} instead of {kind} {str(what)[:100]}"


async def dial(url: str) -> tuple[WSTransport, Connected]:
    listener = Connected()
    transport, _ = await ws_connect(
        lambda: listener, url, max_frame_size=MAX_FRAME, extra_headers={"Sec-WebSocket-Protocol": "chat"}
    )
    assert transport.response.headers["Sec-WebSocket-Protocol"] == "chat"
    return transport, listener


async def send_back(url: str) -> tuple[WSTransport, Connected]:
    transport, listener = await dial(f"{url}/echo")
    for message in messages_of_peers():
        send(transport, message)
        await listener.expect("message", message)
    return transport, listener


async def echo(url: str) -> None:
    transport, listener = await send_back(url)
    transport.send_close(WSCloseCode.OK)
    await listener.expect("close", (1000, ""))


async def client(url: str) -> None:
    transport, listener = await send_back(url)
    send_fragments(transport)
    await listener.expect("message", "piece piece piece ")
    transport.send_ping(b"hello")
    await listener.expect("pong", b"hello")
    send_close(transport, 4000, b"done")
    await listener.expect("close", (4000, ""))

    transport, listener = await dial(f"{url}/closes")
    await listener.expect("close", (4001, "enough"))

    transport, listener = await dial(f"{url}/pings")
    await listener.expect("message", "answered")
    transport.disconnect()

    transport, listener = await dial(f"{url}/fragments")
    await listener.expect("message", "piece piece piece ")
    transport.disconnect()

    transport, listener = await dial(f"{url}/echo")
    transport.underlying_transport.write(RESERVED_OF_CLIENT)
    kind, what = await listener.next()
    assert kind == "close" and str(what).startswith("(1002,"), what

    try:
        await dial(f"{url}/nowhere")
    except WSHandshakeError as error:
        assert error.response is not None and error.response.status == 404, error
    else:
        raise AssertionError("it was not refused")


def main() -> None:
    match sys.argv[1:]:
        case ["server"]:
            uvloop.run(serve())
        case ["client", url]:
            uvloop.run(client(url))
        case ["echo", url]:
            uvloop.run(echo(url))
    print("right")


if __name__ == "__main__":
    main()
