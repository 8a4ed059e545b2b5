"""One request of an ASGI application: what `receive` and `send` do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from netkit.http.errors import HttpError
from netkit.http.gateway.errors import ClientGone
from netkit.http.gateway.fields import ResponseHead, Sender, checked_fields
from netkit.http.server.handling.bridge import Bridge, gone_flow
from netkit.http.server.stream import RequestStream
from netkit.io import PAUSE, Event, Lock, beside, run_async

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable
    from typing import BinaryIO

    from netkit.http.connection.events import FieldList
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow

Message: TypeAlias = "dict[str, Any]"  # its values are of many types, by their names

_START, _BODY = "http.response.start", "http.response.body"
_TRAILERS, _PATHSEND, _HINT = "http.response.trailers", "http.response.pathsend", "http.response.early_hint"


class Cycle:
    """One request, and its response.

    `over` is set when the response was sent or the application has returned, `error` is what it raised.
    `is_sent`: the client has been sent the whole response; `is_complete`: the application has said so too.
    Between the two is what announces a length, and says the end in a message of its own: the client knows the
    end before, and may be gone. `failure` is what went wrong with the client. `is_left`: the flow of the
    connection has gone on.
    """

    __slots__ = (
        "_body",
        "_bridge",
        "_disconnected",
        "_exchange",
        "_is_received",
        "_lock",
        "_more_trailers",
        "_outgoing",
        "_sender",
        "_started",
        "_trailers",
        "_wants_trailers",
        "error",
        "failure",
        "is_complete",
        "is_left",
        "is_sent",
        "over",
    )

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._bridge = Bridge()
        self._body = RequestStream(exchange, self._bridge)
        self._is_received = False  # the application has got the last message of the body
        self._sender = Sender(exchange)
        # What is sent over a connection with other exchanges is sent by its own flow.
        self._outgoing = Bridge() if exchange.is_shared else None
        self._lock = Lock()  # one message at a time, whichever task sends it
        self._started = Event()
        self._wants_trailers = False
        self._more_trailers = False  # the body is over, and trailers are still to come
        self._trailers: FieldList = []
        self._disconnected: asyncio.Event | None = None
        self.over = Event()
        self.is_complete = False
        self.is_sent = False
        self.is_left = False
        self.error: Exception | None = None
        self.failure: Exception | None = None

    # For the flow of the connection.

    def attend_flow(self) -> Flow[None]:
        """Flow: read what the application asks for; after the body, until the client is gone."""
        if not self._body.is_over:
            yield from self._bridge.attend_flow(lambda: self._body.is_over or self.failure is not None)
        if self.failure is None:
            yield from gone_flow(self._exchange)

    def send_for_flow(self) -> Flow[None]:
        """Flow: send what the application does not send itself. Never ends."""
        if self._outgoing is None:
            yield from self._flush_head_flow()
        else:
            yield from beside(self._outgoing.attend_flow(), self._flush_head_flow())
        yield from Event().wait()

    def _flush_head_flow(self) -> Flow[None]:
        """Flow: send the head of a response whose body lets wait."""
        yield from self._started.wait()
        yield PAUSE
        if not self.over.is_set and self._lock.try_acquire():
            try:
                if not self._sender.has_begun:
                    self._sender.begin()
                    yield from self._exchange.flush_flow()
            finally:
                self._lock.release()

    def returned(self, error: Exception | None) -> None:
        """The application has returned, or raised `error`."""
        self.error = error
        self.over.set_soon()

    def leave(self) -> None:
        """The connection's flow goes on: nothing can be received or sent any more."""
        self.is_left = True
        self._bridge.leave()
        if self._outgoing is not None:
            self._outgoing.leave()
        if self._disconnected is not None:
            self._disconnected.set()

    # For the application.

    async def receive(self) -> Message:
        """The next piece of the request's body; after it `http.disconnect`, once the response is complete or
        the client gone."""
        if not (self._is_received or self.is_left or self.is_complete or self.failure is not None):
            try:
                piece = b"" if self._body.is_over else await self._bridge.delegate_async(self._piece_flow)
            except (OSError, EOFError):
                pass
            else:
                if self.failure is None:
                    self._is_received = self._body.is_over
                    return {"type": "http.request", "body": piece, "more_body": not self._is_received}
        if not (self.is_left or self.is_complete):
            import asyncio

            if self._disconnected is None:
                self._disconnected = asyncio.Event()
            await self._disconnected.wait()
        return {"type": "http.disconnect"}

    def _piece_flow(self) -> Flow[bytes]:
        """Flow: the next piece of the body. What goes wrong ends the exchange, by `failure`."""
        try:
            return (yield from self._body.read_piece_flow())
        except Exception as error:
            self.failure = error
            return b""

    async def send(self, message: Message) -> None:
        """Send a part of the response; returns when the system has it.

        Raises ClientGone (an OSError) if nobody gets it, RuntimeError for a message that is not expected now,
        ValueError and TypeError for one that is wrong.
        """
        kind = message["type"]
        if self.is_complete:
            raise RuntimeError(f"{kind!r} was sent after the response was complete")
        if self.is_sent:
            if kind != _BODY or message.get("body"):
                raise RuntimeError(f"{kind!r} was sent, and the octets of the Content-Length have been sent")
            if not message.get("more_body", False):
                self._complete()
            return
        if self.is_left or self.failure is not None:
            raise ClientGone
        if kind == _START and self._sender.head is None:
            # It goes out with the first octets of the body, which usually follow at once.
            self._sender.head = ResponseHead(_checked_status(message), _fields(message.get("headers", ())))
            self._wants_trailers = bool(message.get("trailers", False))
            self._started.set_soon()
            return
        file = open(message["path"], "rb") if kind == _PATHSEND else None  # noqa: ASYNC230, SIM115 - of a disk
        try:
            if not self._lock.try_acquire():
                await run_async(self._lock.acquire())
            try:
                if self.is_left:
                    raise ClientGone
                if self._outgoing is None:
                    await run_async(self._send_flow(kind, message, file))
                else:
                    await self._outgoing.delegate_async(partial(self._send_flow, kind, message, file))
            except ClientGone:
                raise
            except (OSError, EOFError, HttpError.Timeout) as error:
                self.failure = error
                raise ClientGone(str(error)) from error
            finally:
                self._lock.release()
        finally:
            if file is not None:
                file.close()

    def _send_flow(self, kind: str, message: Message, file: BinaryIO | None) -> Flow[None]:
        sender, exchange = self._sender, self._exchange
        if kind == _HINT and sender.head is None:
            links = [(b"link", bytes(link)) for link in message["links"]]
            checked_fields(links)
            yield from exchange.interim_flow(103, links)
        elif sender.head is None:
            raise RuntimeError(f"{kind!r} was sent, and {_START!r} is expected first")
        elif self._more_trailers:
            if kind != _TRAILERS:
                raise RuntimeError(f"{kind!r} was sent, and {_TRAILERS!r} is expected")
            self._trailers += _fields(message.get("headers", ()))
            checked_fields(self._trailers)
            if not message.get("more_trailers", False):
                yield from exchange.end_flow(self._trailers)
                self._complete()
        elif kind == _BODY:
            more = bool(message.get("more_body", False))
            body = message.get("body", b"")
            if not isinstance(body, (bytes, bytearray, memoryview)):
                raise TypeError(f"a body is bytes, not {type(body).__name__}")
            yield from self._send_body(body, end=not more)
        elif file is not None:
            yield from self._send_file(file)
        else:
            raise RuntimeError(f"{kind!r} was sent, and {_BODY!r} is expected")

    def _send_body(self, body: bytes | bytearray | memoryview, *, end: bool) -> Flow[None]:
        if end and self._wants_trailers:
            # What follows decides whether the body is over: it is not, for the connection.
            if self._sender.left not in (None, len(body)):
                raise RuntimeError("the application's body is not as long as its Content-Length")
            yield from self._sender.send_flow(body)
            self._more_trailers = True
            return
        is_last = end or (self._sender.left == len(body) and not self._wants_trailers)
        yield from self._sender.send_flow(body, end=is_last)
        if end:
            self._complete()
        elif is_last:
            self.is_sent = True
            self.over.set_soon()

    def _send_file(self, file: BinaryIO) -> Flow[None]:
        import os

        size = os.fstat(file.fileno()).st_size
        sender, exchange = self._sender, self._exchange
        if sender.left not in (None, size):
            raise RuntimeError("the file is not as long as the Content-Length says")
        if not sender.has_begun:
            sender.begin(length=None if self._wants_trailers else size)
        if not exchange.is_ended:
            yield from exchange.send_file_flow(file, 0, size)
        if self._wants_trailers:
            self._more_trailers = True
            return
        yield from exchange.end_flow()
        self._complete()

    def _complete(self) -> None:
        self.is_complete = self.is_sent = True
        if self._disconnected is not None:
            self._disconnected.set()
        self.over.set_soon()


def _checked_status(message: Message) -> int:
    status = message["status"]
    if not isinstance(status, int):
        raise TypeError(f"a status is a number, not {type(status).__name__}")
    return int(status)


def _fields(items: Iterable[Any]) -> FieldList:
    """The headers of a message. Raises TypeError for what is not octets, ValueError for what is no pair."""
    fields: FieldList = []
    for name, value in items:
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            raise TypeError("names and values of headers are bytes")
        fields.append((name, value))
    return fields
