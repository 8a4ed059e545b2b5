"""A session without a person at it: send what there is, write what comes, end by the rules of the options.

Sending, receiving and the clocks of --wait and --quiet-time are flows side by side; the first to end decides.
Everything that comes is written from the connection's own event, so that replies, pings and the Close frame
stand in the order in which they came.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from netkit.cli.frame.exits import Exit, Failure
from netkit.cli.frame.messages import plural
from netkit.cli.ws.exits import end_of, failure_of, is_transient
from netkit.websocket.errors import WebSocketError
from netkit.websocket.opcode import Opcode

if TYPE_CHECKING:
    from netkit.cli.frame.command import Run
    from netkit.cli.ws.display import Display
    from netkit.cli.ws.frames import FrameWatch
    from netkit.cli.ws.opening import Opener
    from netkit.cli.ws.options import HandshakeOptions, MessageOptions
    from netkit.cli.ws.sending import Outgoing, Outgoings
    from netkit.io import Flow
    from netkit.websocket import ClientWebSocket, CloseReason
    from netkit.websocket.protocol import Event

#: The first pause before connecting again, and the longest, in seconds; each is twice the one before.
FIRST_DELAY, MAX_DELAY = 1.0, 30.0


class Watched:
    """A connection whose events are told to the display. What a script and a terminal have in common."""

    def __init__(self, ws: ClientWebSocket, display: Display) -> None:
        self.ws = ws
        self.display = display
        self.received = 0
        self.moved = monotonic()
        self._latency = ws.latency
        self._limit: int | None = None
        #: Whether this side was the first to close.
        self.has_begun_close = False
        self._frames: FrameWatch | None = None
        ws.on_event = self._came
        if display.shows_frames:
            from netkit.cli.ws.frames import FrameWatch

            self._frames = FrameWatch(display.frame)
            ws.on_octets = self._frames.octets

    def stop_after(self, limit: int | None) -> None:
        """Write no messages after so many."""
        self._limit = limit

    def _came(self, event: Event) -> None:
        opcode, payload = event
        self.moved = monotonic()
        display = self.display
        if isinstance(payload, str) or opcode is Opcode.Binary:
            assert isinstance(payload, str | bytes)
            if self._frames is not None:
                self._frames.message("received", _size(payload))
            if self._limit is None or self.received < self._limit:
                self.received += 1
                display.message("received", payload)
        elif opcode is Opcode.Ping:
            assert isinstance(payload, bytes)
            display.ping("received", payload)
        elif opcode is Opcode.Pong:
            assert isinstance(payload, bytes)
            latency = self.ws.latency
            display.pong(payload, None if latency is self._latency else latency)
            self._latency = latency
        else:
            display.closing("received", _close(payload))

    def send_flow(self, item: Outgoing) -> Flow[None]:
        """Flow: send a message or a ping; a Close frame is begun, and whoever receives ends with it."""
        self.moved = monotonic()
        if item.kind == "message":
            if self._frames is not None:
                self._frames.message("sent", _size(item.payload))
            self.display.message("sent", item.payload)
            yield from self.ws.send_flow(item.payload)
        elif item.kind == "ping":
            assert isinstance(item.payload, bytes)
            self.display.ping("sent", item.payload)
            yield from self.ws.ping_flow(item.payload)
        else:
            self.begin_close(item.code, item.reason)

    def begin_close(self, code: int | None, reason: str = "") -> None:
        """Send a Close frame, if none was sent; nothing waits."""
        if self.ws.protocol.close_sent is None:
            self.ws.begin_close(code, reason)
            self.has_begun_close = True
            self._tell_close()

    def close_flow(self, code: int | None, reason: str) -> Flow[None]:
        """Flow: both Close frames, then the transport."""
        self._limit = self.received
        self.begin_close(code, reason)
        yield from self.ws.close_flow(code, reason)

    def _tell_close(self) -> None:
        sent = self.ws.protocol.close_sent
        if sent is not None:
            self.display.closing("sent", sent)

    def end(self) -> None:
        """Nothing more comes."""
        if self._frames is not None:
            self._frames.end()


class Session:
    """The whole command: one connection, or with --reconnect one after another."""

    def __init__(
        self,
        run: Run[Any],
        opener: Opener,
        display: Display,
        source: Outgoings,
        handshake: HandshakeOptions,
        messages: MessageOptions,
    ) -> None:
        self._run = run
        self._opener = opener
        self._display = display
        self._source = source
        self._handshake = handshake
        self._options = messages
        self._unsent: Outgoing | None = None
        self._replies = 0

    def flow(self) -> Flow[Exit]:
        """Flow: to the end; the exit code. Raises what opening raises, and what is wrong with the input."""
        from netkit.io import sleep_until

        attempts, delay = 0, FIRST_DELAY
        while True:
            begun = monotonic()
            try:
                ws = yield from self._opener.open_flow()
            except Exception as error:
                if not self._tries_again(error, attempts):
                    return self._unopened(error)
                failure: Failure | None = self._run.explain(error)
            else:
                attempts, delay = 0, FIRST_DELAY
                self._display.connected(ws, monotonic() - begun)
                lost, failure = yield from self._talk_flow(ws)
                if lost is None or not self._tries_again(lost, attempts):
                    return self._ended(failure)
            attempts += 1
            why = failure.message if failure is not None else "the server goes away"
            self._display.reconnecting(why, delay, attempts)
            yield from sleep_until(monotonic() + delay)
            delay = min(MAX_DELAY, 2 * delay)

    def _tries_again(self, error: BaseException, attempts: int) -> bool:
        tries = self._handshake.tries
        return self._handshake.reconnect and is_transient(error) and (tries is None or attempts < tries)

    def _unopened(self, error: Exception) -> Exit:
        if not isinstance(error, WebSocketError.HandshakeRefused):
            raise error
        failure = failure_of(error, self._run)
        assert failure is not None
        self._display.refused(error, failure)
        return failure.exit

    def _ended(self, failure: Failure | None) -> Exit:
        count = self._options.count
        if failure is not None:
            self._run.env.report(None, failure)
            return failure.exit
        if count is not None and self._replies < count:
            words = f"{self._replies} of {plural(count, 'reply', 'replies')} came before the end"
            self._run.env.warn(None, words)
            return Exit.NO
        return Exit.OK

    def _talk_flow(self, ws: ClientWebSocket) -> Flow[tuple[BaseException | None, Failure | None]]:
        """Flow: one connection to its end: the error that it ended with, None where this side has closed it
        as it should, and what that means."""
        from netkit.io import race

        watched = Watched(ws, self._display)
        count = self._options.count
        watched.stop_after(None if count is None else count - self._replies)
        ended: BaseException | None = None
        try:
            try:
                yield from race(
                    self._receive_flow(watched), self._send_flow(watched), self._quiet_flow(watched)
                )
            except (WebSocketError, OSError) as error:
                ended = error
            if ended is None:
                yield from watched.close_flow(*self._handshake.closing)
        except BaseException as error:
            self._interrupted(watched, error)
            raise
        finally:
            ws.abort()
            self._replies += watched.received
            watched.end()
        if watched.has_begun_close and isinstance(ended, WebSocketError.ConnectionClosed):
            ended = None  # whatever the other side says to that
        failure = None if ended is None else failure_of(ended, self._run)
        code, reason = end_of(ws, ended)
        self._display.closed(ws, code, reason, failure)
        return ended, failure

    def _interrupted(self, watched: Watched, error: BaseException) -> None:
        """Ctrl-C, or nobody reads the output: say goodbye, as far as that goes without waiting."""
        try:
            watched.ws.begin_close(1001)
        except (WebSocketError, OSError):
            pass  # it is closed already
        if isinstance(error, KeyboardInterrupt) and self._run.json:
            self._display.closed(watched.ws, 1006, "", self._run.explain(error))

    def _receive_flow(self, watched: Watched) -> Flow[None]:
        """Flow: until there are enough replies. Raises how the connection ended."""
        count = self._options.count
        while True:
            yield from watched.ws.receive_flow()
            if count is not None and self._replies + watched.received >= count:
                return

    def _send_flow(self, watched: Watched) -> Flow[None]:
        """Flow: send everything, and then wait for as long as --wait says."""
        from netkit.io import Event, sleep_until

        while True:
            item = self._unsent
            if item is None:
                item = yield from self._source.next_flow()
            if item is None:
                break
            self._unsent = item
            try:
                yield from watched.send_flow(item)
            except (WebSocketError.ConnectionClosed, OSError):
                yield from Event().wait()  # who receives knows why
            self._unsent = None
        if self._options.wait is None or watched.ws.protocol.close_sent is not None:
            yield from Event().wait()
        assert self._options.wait is not None
        yield from sleep_until(monotonic() + self._options.wait)

    def _quiet_flow(self, watched: Watched) -> Flow[None]:
        """Flow: until nothing was sent or received for --quiet-time."""
        from netkit.io import Event, sleep_until

        quiet = self._options.quiet_time
        if quiet is None:
            yield from Event().wait()
            return
        while (until := watched.moved + quiet) > monotonic():
            yield from sleep_until(until)


def _size(payload: str | bytes) -> int:
    return len(payload) if isinstance(payload, bytes) or payload.isascii() else len(payload.encode())


def _close(payload: str | bytes | CloseReason) -> CloseReason:
    from netkit.websocket.close import CloseReason

    assert isinstance(payload, CloseReason)
    return payload
