"""One WebSocket of an ASGI application: what `receive` and `send` do (ASGI 3.0, WebSocket 2.5).

The application decides about the handshake: it accepts, with a subprotocol and fields; it closes, which is
403; or it sends a response of its own (extension `websocket.http.response`). The connection's own flow does
that. Then the application's coroutine reads and sends by itself, as over HTTP/1.1.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from netkit.http.gateway.errors import ClientGone
from netkit.http.gateway.fields import ResponseHead, Sender, checked_fields
from netkit.http.server.handling.bridge import Bridge, gone_flow
from netkit.io import ClosedError, Event, race
from netkit.websocket.close import CloseCode
from netkit.websocket.errors import WebSocketError
from netkit.websocket.protocol import State
from netkit.websocket.server import accept_flow, ending_flow, ending_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow
    from netkit.websocket.config import WebSocketConfig
    from netkit.websocket.server import ServerWebSocket

Message: TypeAlias = "dict[str, Any]"  # its values are of many types, by their names

_ACCEPT, _SEND, _CLOSE = "websocket.accept", "websocket.send", "websocket.close"
_START, _BODY = "websocket.http.response.start", "websocket.http.response.body"


class SocketCycle:
    """One WebSocket. `over` is set when the application has returned; `error` is what it raised."""

    def __init__(self, exchange: Exchange, config: WebSocketConfig, offered: Sequence[str]) -> None:
        self._exchange = exchange
        self._config = config
        self._offered = offered
        self._bridge = Bridge()
        self._sender = Sender(exchange)
        self._ws: ServerWebSocket | None = None
        self._decided = False  # accepted, or refused as a whole
        self._decision = Event()
        self._is_told = False  # the application has got `websocket.connect`
        self.over = Event()
        self.is_left = False
        self.error: Exception | None = None

    # For the flow of the connection.

    def attend_flow(self) -> Flow[None]:
        """Flow: answer the handshake as the application says; then see to the end when the server stops."""
        won = yield from race(
            self._bridge.attend_flow(lambda: self._decided), gone_flow(self._exchange), self.over.wait()
        )
        if won.index == 0 and self._ws is not None:
            yield from ending_flow(self._exchange, self._ws)
        elif won.index == 0:
            yield from self.over.wait()

    def returned(self, error: Exception | None) -> None:
        """The application has returned, or raised `error`."""
        self.error = error
        self.over.set_soon()

    def end_flow(self) -> Flow[None]:
        """Flow: the application has returned: end what it has left. Raises what it raised."""
        ws, error, exchange = self._ws, self.error, self._exchange
        if ws is None:
            if error is not None:
                raise error
            if exchange.status is None or not exchange.is_ended:
                raise RuntimeError("the application returned without an answer to the handshake")
            return
        was_open = ws.state is State.OPEN
        yield from ws.close_flow(CloseCode.NORMAL if error is None else CloseCode.INTERNAL_ERROR)
        exchange.note = ending_of(ws)
        if error is not None and (was_open or not isinstance(error, (ClientGone, WebSocketError))):
            raise error
        if isinstance(ws.failure, ClosedError):
            raise ws.failure

    def leave(self) -> None:
        """The connection's flow goes on: nothing can be received or sent any more."""
        self.is_left = True
        self._bridge.leave()
        self._decision.set()
        if self._ws is not None:
            self._ws.abort()

    # For the application.

    async def receive(self) -> Message:
        """`websocket.connect`, then each message, then `websocket.disconnect`."""
        if not self._is_told:
            self._is_told = True
            return {"type": "websocket.connect"}
        if self._ws is None and not self.is_left:
            from netkit.io import run_async

            await run_async(race(self._decision.wait(), self.over.wait()))
        ws = self._ws
        if ws is None:
            return _disconnect(CloseCode.ABNORMAL)
        try:
            message = await ws.receive_async()
        except WebSocketError.ConnectionClosed as closed:
            return _disconnect(closed.code, closed.reason)
        except WebSocketError as fault:
            return _disconnect(fault.close_code, str(fault))
        except OSError:
            return _disconnect(CloseCode.ABNORMAL)
        if isinstance(message, str):
            return {"type": "websocket.receive", "text": message}
        return {"type": "websocket.receive", "bytes": message}

    async def send(self, message: Message) -> None:
        """Answer the handshake, send a message, or close.

        Raises ClientGone (an OSError) if nobody gets it, RuntimeError for a message that is not expected now,
        ValueError and TypeError for one that is wrong.
        """
        kind = message["type"]
        ws = self._ws
        if ws is None:
            await self._decide(kind, message)
            return
        try:
            if kind == _SEND:
                data = message.get("bytes")
                # A number is no octets, though `bytes` makes as many zeros of it.
                octets = data if data is None or isinstance(data, bytes) else bytes(memoryview(data))
                await ws.send_async(_text(message) if octets is None else octets)
            elif kind == _CLOSE:
                code = message.get("code")
                await ws.close_async(CloseCode.NORMAL if code is None else code, message.get("reason") or "")
            else:
                raise RuntimeError(f"{kind!r} was sent, and {_SEND!r} or {_CLOSE!r} is expected")
        except WebSocketError.ConnectionClosed as closed:
            raise ClientGone(str(closed)) from closed
        except WebSocketError.InvalidValue as error:
            raise ValueError(str(error)) from error

    async def _decide(self, kind: str, message: Message) -> None:
        """Answer the handshake."""
        if self._decided:
            raise RuntimeError(f"{kind!r} was sent after the handshake was refused")
        if self.is_left:
            raise ClientGone
        make: Any
        if kind == _ACCEPT and self._sender.head is None:
            make = partial(self._accept_flow, message)
        elif kind == _CLOSE and self._sender.head is None:
            self._sender.head = ResponseHead(403, [])
            make = partial(self._respond_flow, b"", end=True)
        elif kind == _START and self._sender.head is None:
            self._sender.head = ResponseHead(int(message["status"]), _fields(message))
            return
        elif kind == _BODY and self._sender.head is not None:
            make = partial(
                self._respond_flow, message.get("body", b""), end=not message.get("more_body", False)
            )
        else:
            raise RuntimeError(f"{kind!r} was sent, and the handshake is to be answered first")
        try:
            await self._bridge.delegate_async(make)
        except (ClosedError, EOFError, ConnectionError) as error:
            raise ClientGone(str(error)) from error

    def _accept_flow(self, message: Message) -> Flow[None]:
        fields = _fields(message)
        checked_fields(fields)
        config = self._config.replace(subprotocols=())
        chosen = message.get("subprotocol")
        if chosen is not None:
            if chosen not in self._offered:
                raise ValueError(f"the client did not offer the subprotocol {chosen!r}")
            config = config.replace(subprotocols=(chosen,))
        self._ws = yield from accept_flow(self._exchange, config=config, fields=fields)
        self._done()

    def _respond_flow(self, body: bytes, *, end: bool) -> Flow[None]:
        yield from self._sender.send_flow(body, end=end)
        if end:
            self._done()

    def _done(self) -> None:
        self._decided = True
        self._decision.set()


def _fields(message: Message) -> list[tuple[bytes, bytes]]:
    return [(bytes(name), bytes(value)) for name, value in message.get("headers") or ()]


def _text(message: Message) -> str:
    text = message.get("text")
    if not isinstance(text, str):
        raise TypeError("a message to send has text or bytes")
    return text


def _disconnect(code: int, reason: str = "") -> Message:
    return {"type": "websocket.disconnect", "code": int(code), "reason": reason}
