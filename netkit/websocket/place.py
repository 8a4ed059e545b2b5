"""The place of one connection in the loop of a server: how it comes in, what it does there, how it leaves.

While the connection is in the loop, the loop is its pump (`netkit.websocket.receiving`). A `MessageHandler`
answers there. Any other handler asks for its messages: a flow that waits for one is continued by the loop, a
coroutine or a thread is woken. So a message costs neither a turn of the driver nor a flow of its own.

What is not simple goes back to the flows: a peer that does not take what is sent, a Close frame, an error, an
end, messages that nobody takes. The next call that waits for a message has the connection in the loop again.
"""

from __future__ import annotations

import select
from functools import partial
from queue import Empty
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING

from netkit.io import PAUSE, Event, Want
from netkit.io.aio import Turn
from netkit.websocket.frame import FIN, build_frame
from netkit.websocket.opcode import Opcode
from netkit.websocket.protocol import State

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable
    from queue import SimpleQueue

    from netkit.io import AnyWant, Flow
    from netkit.net.sockets import SocketStream
    from netkit.websocket.loop import WsLoop
    from netkit.websocket.masking import Octets
    from netkit.websocket.server import ServerWebSocket

#: From this many octets on, the parts of what is sent are not joined.
APART = 16384

#: The most parts of one sendmsg(2): systems take 1024.
MOST_PARTS = 512

_TEXT_FRAME, _BINARY_FRAME = int(FIN | Opcode.Textual), int(FIN | Opcode.Binary)


class Place:
    """One connection in the loop. While it is there, it is the `watch` of the stream's descriptor, so that
    closing the stream takes it out."""

    __slots__ = (
        "_answers",
        "_ended",
        "_error",
        "_flow",
        "_future",
        "_is_blocked",
        "_left",
        "_loop",
        "_queue",
        "_stream",
        "_want",
        "fd",
        "is_bare",
        "is_here",
        "lock",
        "protocol",
        "read",
        "reader",
        "recv_into",
        "send",
        "sock",
        "told",
        "ws",
    )

    def __init__(self, loop: WsLoop, ws: ServerWebSocket, stream: SocketStream) -> None:
        self._loop = loop
        self._stream = stream
        self._left = Event()
        self._error: Exception | None = None
        self._is_blocked = False  # it left because the peer took nothing
        self._answers = loop.answers
        #: Is called, in the loop's thread, when messages have come.
        self.told: Callable[[], object] | None = None
        self._future: asyncio.Future[None] | None = None  # of a coroutine that waits for a message
        self._queue: SimpleQueue[None] | None = None  # of a thread that does
        self._flow: Flow[None] | None = None  # the handler's, which the loop continues
        self._want: AnyWant = PAUSE  # what that flow waits for, where the loop has left it
        self._ended = False
        self.ws = ws
        ws._place = self
        self.protocol = ws.protocol
        # `WebSocketProtocol.feed`, of which the loop does the usual part itself.
        self.reader = ws.protocol._reader
        self.read = self.reader.feed_front
        #: Whether a message is sent as it is, in a frame.
        self.is_bare = ws.protocol.deflate is None
        self.lock = ws._lock
        self.fd = stream.fileno()
        self.is_here = False

    def serve_flow(self) -> Flow[None]:
        """Flow: have the loop answer what is simple, until there is something else to do.

        Raises what the handler raised.
        """
        ws = self.ws
        while self._go_in():
            try:
                yield from self._left.wait()
            finally:
                self.leave()
            if self._error is not None:
                raise self._error
            if not self._is_blocked or ws._is_over or ws.protocol.state is not State.OPEN:
                return
            yield from ws._flush_flow()

    # For a handler that asks for its messages: the loop only receives.

    def enter(self) -> bool:
        """Have the loop receive. False where something else is to be done first, or somebody receives."""
        return not self._answers and self._go_in()

    def drive_flow(self, flow: Flow[None]) -> Flow[None]:
        """Flow: run a handler's flow. While it waits for a message and nothing else, the loop continues it at
        once when one has come: a turn of the driver for each would cost twice as much as all the rest."""
        hearing, left = self.ws._hearing, Want(event=self._left)
        try:
            want = flow.send(None)  # type: ignore[arg-type]  # a generator's first send is None
            while True:
                self._left.clear()
                lent = want is hearing and self.is_here  # looked at after the clearing: leaving sets it
                if lent:
                    self._want, self._flow, self.told = want, flow, self._step
                try:
                    ready = yield (left if lent else want)
                except GeneratorExit:
                    raise
                except BaseException as error:
                    self._take_flow()
                    want = flow.throw(error)
                else:
                    if lent:
                        self._take_flow()
                        if self._ended:
                            return
                        if self._error is not None:
                            raise self._error
                        want = self._want
                        if want is hearing:
                            want = flow.send(True)
                    else:
                        want = flow.send(ready)
        except StopIteration:
            return
        finally:
            self._take_flow()
            flow.close()

    def _take_flow(self) -> None:
        if self._flow is not None:
            self._flow = self.told = None

    def _step(self) -> None:
        """Continue the handler's flow; where it ends, or waits for something else, `drive_flow` goes on."""
        flow = self._flow
        assert flow is not None
        try:
            want = flow.send(True)
            if want is PAUSE and not self.ws._messages:
                want = flow.send(True)  # it has nothing more to do, and the others have had their turn
            self._want = want
            if want is self.ws._hearing and self.is_here:
                return
        except StopIteration:
            self._ended = True
        except Exception as error:
            self._error = error
        self._take_flow()
        self._left.set_soon()

    async def hear_async(self) -> bool:
        """Whether a message has come, where the loop receives; False where a flow is to wait for it."""
        ws = self.ws
        if ws._messages:
            await Turn()
            return bool(ws._messages)
        if ws._receiving or get_ident() != self._loop.thread or not (self.is_here or self.enter()):
            return False
        events = self._loop.events
        if events is None:
            from asyncio import get_running_loop

            events = self._loop.events = get_running_loop()
        ws._receiving = True
        self._future, self.told = events.create_future(), self._resolve
        try:
            await self._future
        finally:
            ws._receiving = False
            self._future = self.told = None
        return bool(ws._messages)

    def _resolve(self) -> None:
        future = self._future
        if future is not None and not future.done():
            future.set_result(None)

    def hear(self, queue: SimpleQueue[None], until: float | None) -> bool:
        """In a thread of its own, which waits at `queue`: as `hear_async`; False also after `until`."""
        ws = self.ws
        # No call lies between the look and the taking, so no other thread either.
        if ws._receiving:
            return False
        ws._receiving = True
        self._queue, self.told = queue, partial(queue.put, None)
        try:
            while not ws._messages:
                if not self.is_here:
                    return False
                queue.get(timeout=None if until is None else max(0.0, until - monotonic()))
        except Empty:
            return False
        finally:
            ws._receiving = False
            self._queue = self.told = None
        return True

    # In and out

    def _go_in(self) -> bool:
        """Go into the loop. False where something is left to do, or somebody else receives."""
        ws, stream = self.ws, self._stream
        # No call lies between the look and the taking, so no other thread either.
        if ws._pumping or (self._answers and ws._receiving):
            return False
        ws._pumping = True
        if self._answers:
            ws._receiving = True
        if (
            ws._messages
            or ws._has_output
            or ws._is_over
            or ws.protocol.state is not State.OPEN
            or ws.on_octets is not None
            or stream._buffer
            or stream._eof
            or stream._quiet is not None
            or stream.is_closed
        ):
            self._stop_receiving()
            return False
        self.sock: socket.socket = stream.lend(self)
        loop = self._loop
        self.recv_into, self.send = self.sock.recv_into, self.sock.send
        if not self.is_bare:
            self.recv_into = partial(self.recv_into, nbytes=ws.protocol.feed_size)
        if ws._begun is not None:
            ws._begun += monotonic() - ws._paused  # the peer was held back
        self._error = None
        self._is_blocked = False
        self._left.clear()
        loop._epoll.register(self.fd, select.EPOLLIN)
        loop.places[self.fd] = self
        self.is_here = True
        if not loop._occupied.is_set:
            loop._occupied.set()
        return True

    def reply(self, reply: str | Octets) -> None:
        """Send the reply to the only message that has come."""
        ws, protocol = self.ws, self.protocol
        kind = type(reply)
        if self.is_bare and len(reply) < APART and (kind is bytes or kind is str):
            try:
                frame = build_frame(_BINARY_FRAME if kind is bytes else _TEXT_FRAME, reply)
            except UnicodeEncodeError:
                frame = b""  # the protocol says what is wrong
            # No call lies between the look and the taking, so no other thread either: that costs a tenth of
            # what the lock does.
            if (
                frame
                and not ws._sending
                and ws._unsent is None
                and not protocol._out
                and protocol._fragment < 0
                and protocol.close_sent is None
            ):
                ws._sending = True
                try:
                    sent = self.send(frame)
                except BlockingIOError:
                    sent = 0
                except OSError as error:
                    ws._sending = False
                    ws._cannot_send(error)
                    self.leave()
                    return
                if sent < len(frame):
                    ws._unsent = memoryview(frame)[sent:]
                ws._sending = False
                if sent < len(frame) or (protocol._out and not self.push()):
                    self.leave()
                return
        if protocol.close_sent is None:
            with self.lock:
                protocol.send(reply)
            if not self.push():
                self.leave()

    def end(self) -> None:
        """The peer sends no more; the flow says what that means."""
        self._stream._eof = True
        self.leave()

    def fail(self, error: OSError) -> None:
        """Nothing more is received; the flow says why."""
        self.ws._failure = self.ws._failure or error
        self.leave()

    def push(self) -> bool:
        """Send what goes at once. Whether nothing is left to be sent."""
        ws = self.ws
        try:
            with self.lock:  # nothing waits below
                if ws._sending or ws._unsent is not None:
                    return False
                ws._sent.set()  # who waits until another has sent looks again
                parts = self.protocol.take_parts(holding=ws._is_holding)
                if len(parts) < 2:
                    return not parts or self._send(parts[0])
                if sum(map(len, parts)) < APART:
                    return self._send(b"".join(parts))
                return self._send_parts(parts)
        except OSError as error:
            ws._cannot_send(error)
            return False

    def _send(self, data: bytes) -> bool:
        try:
            sent = self.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.ws._unsent = memoryview(data)[sent:]
        return sent == len(data)

    def _send_parts(self, parts: list[bytes]) -> bool:
        """Send large messages without joining them with their headers. Raises OSError."""
        at = 0
        while at < len(parts):
            try:
                sent = self.sock.sendmsg(parts[at : at + MOST_PARTS])
            except BlockingIOError:
                sent = 0
            last = min(at + MOST_PARTS, len(parts))
            while at < last and sent >= len(parts[at]):
                sent -= len(parts[at])
                at += 1
            if at < last:
                rest = memoryview(parts[at])[sent:]
                self.ws._unsent = (
                    rest if at + 1 == len(parts) else memoryview(b"".join([rest, *parts[at + 1 :]]))
                )
                return False
        return True

    def hold_back(self) -> None:
        """Read no more from a peer that has sent more messages than are taken."""
        if self.ws._messages and self.ws._is_full():
            self.leave()

    def look(self) -> None:
        """Send a ping if it is time for one; a peer that has not answered the last one sends it all back."""
        ws = self.ws
        if ws._begun is None and self.reader.in_message:
            ws._begun = monotonic()  # at the latest
        try:
            ws._alarm()
        except OSError as error:
            self.fail(error)
        else:
            if ws._has_output or ws._is_over:
                self.leave()

    def leave(self, error: Exception | None = None) -> None:
        """Send the connection back to its flow, which raises the error."""
        if error is not None:
            self._error = error
        if not self.is_here:
            return
        self.is_here = False
        ws, loop = self.ws, self._loop
        self._is_blocked = ws._unsent is not None
        loop.places.pop(self.fd, None)
        loop._epoll.unregister(self.fd)
        self._stream.take_back()
        if ws._begun is not None:
            ws._paused = monotonic()
        self._stop_receiving()
        self._left.set()
        if self._queue is not None:
            self._queue.put(None)
        future = self._future
        if future is not None:
            try:
                future.get_loop().call_soon_threadsafe(self._resolve)
            except RuntimeError:
                pass  # it has ended, and nobody waits

    def _stop_receiving(self) -> None:
        ws = self.ws
        ws._pumping = False
        if self._answers:
            ws._receiving = False
        ws._heard.set()

    def forget(self, close: Callable[[], None]) -> None:
        """Called when the stream is closed."""
        self.leave()
        close()
