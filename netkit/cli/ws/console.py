"""A session with a person at the terminal: lines are messages, and what begins with / is a command.

Only this mode runs under asyncio: a line of input, a connection and its pings wait at the same time. The line
outlives the connection; with --reconnect it is there while the next one is made.
"""

from __future__ import annotations

import asyncio
import signal
from time import monotonic
from typing import TYPE_CHECKING, Any

from netkit.cli.frame.exits import Exit, Failure, Terminated
from netkit.cli.frame.messages import suggest
from netkit.cli.frame.options import parse_hex
from netkit.cli.ws.exits import end_of, failure_of, is_transient
from netkit.cli.ws.sending import Outgoing
from netkit.cli.ws.session import FIRST_DELAY, MAX_DELAY, Watched
from netkit.errors import NetkitError
from netkit.websocket.errors import WebSocketError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.frame.command import Run
    from netkit.cli.ws.display import Display
    from netkit.cli.ws.editing import Editor
    from netkit.cli.ws.opening import Opener
    from netkit.cli.ws.options import HandshakeOptions
    from netkit.websocket import ClientWebSocket

#: How long a person waits for the answer to /ping, in seconds.
PING_TIMEOUT = 30.0

#: After so long, in seconds, a person is told what is waited for at the end.
PATIENCE = 1.0

HELP = """\
A line is sent as a text. A line that begins with / is a command; // sends a /.
  /ping [TEXT]           send a ping, and show how long its answer takes
  /close [CODE [REASON]] close, with 1000 unless CODE is given
  /binary HEX            send octets
  /file PATH             send what a file holds, as octets
  /text PATH             send what a file holds, as a text
  /help                  this list
Ctrl-D closes with 1000. Ctrl-C ends at once."""

_COMMANDS = ("binary", "close", "file", "help", "ping", "text")


class Wrong(Exception):
    """A command that cannot be carried out, and why."""


class Console:
    """The whole command at a terminal."""

    def __init__(
        self,
        run: Run[Any],
        opener: Opener,
        display: Display,
        handshake: HandshakeOptions,
        first: Sequence[Outgoing] = (),
    ) -> None:
        self._run = run
        self._opener = opener
        self._display = display
        display.prefix = "< "
        self._handshake = handshake
        self._first = first
        self._watched: Watched | None = None
        self._signal: signal.Signals | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self) -> Exit:
        """To the end; the exit code. Raises what opening raises, KeyboardInterrupt and Terminated."""
        handlers = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
        try:
            code = asyncio.run(self._main())
        finally:
            for number, handler in handlers:
                signal.signal(number, handler)
        if self._signal is not None:
            raise Terminated if self._signal is signal.SIGTERM else KeyboardInterrupt
        return code

    async def _main(self) -> Exit:
        """Open and talk, until a signal comes. A task that raises KeyboardInterrupt leaves a traceback."""
        stopped = asyncio.Event()

        def stop(number: signal.Signals) -> None:
            self._signal = number
            if number is signal.SIGINT:
                self._run.env.ctrl_c()
            stopped.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, stop, number)
        work = asyncio.create_task(self._talk())
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait((work, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return Exit.INTERRUPTED
        return work.result()

    async def _talk(self) -> Exit:
        from netkit.cli.ws.editing import LineLeft, above, editor_of

        try:
            ws, elapsed = await self._opened()
        except Exception as error:
            again, failure = await self._opened_again(error, failure_of(error, self._run))
            if again is not None:
                ws, elapsed = again
            elif isinstance(error, WebSocketError.HandshakeRefused) and failure is not None:
                self._display.refused(error, failure)
                return failure.exit
            else:
                raise
        editor = editor_of(self._run.env.environ)
        try:
            with above(self._run.env, editor):
                self._watched = Watched(ws, self._display)
                self._display.connected(ws, elapsed)
                self._display.note("/help shows the commands")
                failure = await self._beside(editor)
        except LineLeft:
            self._signal = signal.SIGINT
            return Exit.INTERRUPTED
        finally:
            if self._watched is not None:
                self._goodbye(self._watched)
        if failure is not None:
            self._run.env.report(None, failure)
            return failure.exit
        return Exit.OK

    def _goodbye(self, watched: Watched) -> None:
        """Whatever ends it: say so, as far as that goes without waiting."""
        try:
            watched.ws.begin_close(1001)
        except (WebSocketError, OSError):
            pass  # it is closed already
        watched.ws.abort()

    async def _beside(self, editor: Editor) -> Failure | None:
        """Lines beside the connection, until either ends."""
        lines = asyncio.create_task(self._lines(editor))
        connection = asyncio.create_task(self._connection())
        try:
            done, _ = await asyncio.wait((lines, connection), return_when=asyncio.FIRST_COMPLETED)
            if connection not in done:
                lines.result()  # Ctrl-C is raised here
                return await self._close(connection)
            editor.leave()
            return connection.result()
        finally:
            waiting = {task for task in (lines, connection, *self._tasks) if not task.done()}
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _close(self, connection: asyncio.Task[Failure | None]) -> Failure | None:
        """Close after the last line, and wait until that is done. Messages that still come are dropped."""
        if self._watched is None:
            return None
        self._handshake = self._handshake.replace(reconnect=False, tries=None)
        self._watched.stop_after(self._watched.received)
        self._watched.begin_close(*self._handshake.closing)
        done, _ = await asyncio.wait((connection,), timeout=PATIENCE)
        if not done:
            self._display.note("waiting for the server to close too; Ctrl-C ends at once")
        return await connection

    # -- the connection

    async def _opened(self) -> tuple[ClientWebSocket, float]:
        """A new connection, and how long it took."""
        begun = monotonic()
        return await self._opener.opened(), monotonic() - begun

    async def _opened_again(
        self, error: BaseException, failure: Failure | None
    ) -> tuple[tuple[ClientWebSocket, float] | None, Failure | None]:
        """After `error`: another connection, where --reconnect asks for one; else None, and why."""
        attempts, delay, options = 0, FIRST_DELAY, self._handshake
        while (
            options.reconnect and is_transient(error) and (options.tries is None or attempts < options.tries)
        ):
            attempts += 1
            why = failure.message if failure is not None else "the server goes away"
            self._display.reconnecting(why, delay, attempts)
            await asyncio.sleep(delay)
            delay = min(MAX_DELAY, 2 * delay)
            try:
                return await self._opened(), None
            except Exception as another:
                error, failure = another, failure_of(another, self._run)
        return None, failure

    async def _connection(self) -> Failure | None:
        """Receive until the end; with --reconnect, until the last end."""
        while True:
            assert self._watched is not None
            error, failure = await self._receive(self._watched)
            again, failure = await self._opened_again(error, failure)
            if again is None:
                return failure
            self._watched = Watched(again[0], self._display)
            self._display.connected(*again)

    async def _receive(self, watched: Watched) -> tuple[BaseException, Failure | None]:
        ws = watched.ws
        try:
            while True:
                await ws.receive_async()
        except (WebSocketError, OSError) as error:
            ended = error
        watched.end()
        self._watched = None
        ws.abort()
        failure = failure_of(ended, self._run)
        if watched.has_begun_close:
            failure = None  # this side has closed, whatever the other says to that
        self._display.closed(ws, *end_of(ws, ended), failure)
        return ended, failure

    # -- lines

    async def _lines(self, editor: Editor) -> None:
        """Send the messages of the command line, and then each line, until the end of input."""
        for item in self._first:
            try:
                await self._send(item)
            except (NetkitError, OSError):
                break  # who receives says why
        while (line := await editor.read()) is not None:
            try:
                await self._line(line)
            except Wrong as wrong:
                self._display.note(str(wrong))
            except (NetkitError, OSError) as error:
                failure = self._run.explain(error)
                self._display.note(failure.message)

    async def _line(self, line: str) -> None:
        if not line.startswith("/") or line.startswith("//"):
            await self._send(Outgoing("message", line.removeprefix("/") if line.startswith("//") else line))
            return
        name, _, rest = line[1:].partition(" ")
        rest = rest.strip()
        match name:
            case "ping":
                task = asyncio.create_task(self._ping(rest.encode()))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case "close" | "quit":
                self._begin_close(rest)
            case "binary":
                await self._send(Outgoing("message", _octets(rest)))
            case "file" | "text":
                await self._send(self._file(rest, as_text=name == "text"))
            case "help":
                for each in HELP.splitlines():
                    self._display.note(each)
            case _:
                meant = suggest(name, list(_COMMANDS))
                raise Wrong(f"/{name} is no command; {meant or '/help shows them'}")

    def _file(self, path: str, *, as_text: bool) -> Outgoing:
        from netkit.cli.ws.sending import read_file, text_of

        if not path or path == "-":
            raise Wrong("write the path of a file behind it")
        octets = read_file(self._run.env, path)
        return Outgoing("message", text_of(octets, path) if as_text else octets)

    def _begin_close(self, words: str) -> None:
        code, _, reason = words.partition(" ")
        if code and not (code.isascii() and code.isdigit()):
            raise Wrong("write /close CODE REASON, as in /close 4000 enough")
        chosen = (int(code), reason.strip()) if code else self._handshake.closing
        self._open.begin_close(*chosen)

    async def _send(self, item: Outgoing) -> None:
        from netkit.io.aio import run_async

        await run_async(self._open.send_flow(item))

    async def _ping(self, payload: bytes) -> None:
        watched = self._watched
        if watched is None:
            return
        try:
            self._display.ping("sent", payload)
            elapsed = await watched.ws.ping_async(payload or None, timeout=PING_TIMEOUT)
        except (NetkitError, OSError) as error:
            self._display.note(f"ping: {self._run.explain(error).message}")
        else:
            self._display.note(f"pong after {elapsed * 1000:.1f} ms")

    @property
    def _open(self) -> Watched:
        """The connection. Raises Wrong while there is none."""
        if self._watched is None:
            raise Wrong("there is no connection now; nothing was sent")
        return self._watched


def _octets(text: str) -> bytes:
    try:
        return parse_hex(text)
    except ValueError:
        raise Wrong("write octets in hexadecimal, as in /binary 00 ff 10") from None
