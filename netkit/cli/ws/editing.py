"""A line of input at the bottom of a terminal, and text written above it while a person types.

`PromptToolkitEditor` has the library of the extra `repl`: the line is drawn anew below what is written.
`ReadlineEditor` has Python's own readline, whose input blocks, so it runs in a thread of its own; a text that
comes while somebody types makes the line stand anew below it. Both keep one history file.

Between two lines the terminal keeps what is typed for the next one, Ctrl-D too. Ctrl-C is a signal there.

Standard output and standard error are both the terminal here. `above` makes them write through the editor, so
that nothing which netkit says runs into the line.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from netkit.cli.frame.context import Environment

PROMPT = "> "

#: How many lines the history keeps.
MAX_HISTORY = 1000

_ERASE_LINE = "\r\x1b[K"


class LineLeft(Exception):
    """Ctrl-C was typed, and has not become a signal."""


class Editor(Protocol):
    """Reads lines."""

    async def read(self) -> str | None:
        """The next line; None at the end of input (Ctrl-D). Raises LineLeft for Ctrl-C."""

    def write(self, text: str) -> None:
        """Write whole lines above the line that is being typed."""

    def leave(self) -> None:
        """The reading of a line is about to be cancelled: leave what was typed on the screen, but no empty
        prompt."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def history_path(environ: Mapping[str, str]) -> str:
    """Where lines are kept: `$XDG_STATE_HOME/netkit/ws_history`, by default under `~/.local/state`."""
    state = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):
        home = environ.get("HOME") or os.path.expanduser("~")
        state = os.path.join(home, ".local", "state")
    return os.path.join(state, "netkit", "ws_history")


class HistoryFile:
    """The lines of earlier sessions, a line each; only the user may read them.

    A line that begins with a blank is not kept, as in a shell, and none that was pasted with newlines in it.
    A file that cannot be written is no reason to fail: there is no history then.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def lines(self) -> list[str]:
        """The last lines, the oldest first."""
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                return [line.rstrip("\n") for line in file][-MAX_HISTORY:]
        except OSError:
            return []

    def add(self, line: str) -> None:
        """Keep a line."""
        if not line.strip() or line.startswith(" ") or "\n" in line:
            return
        kept = self.lines()
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            whole = len(kept) >= MAX_HISTORY
            flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if whole else os.O_APPEND)
            fd = os.open(self._path, flags, 0o600)
            with open(fd, "w", encoding="utf-8", errors="replace") as file:
                lines: Iterable[str] = [*kept[-MAX_HISTORY // 2 :], line] if whole else [line]
                file.writelines(f"{each}\n" for each in lines)
        except OSError:
            pass


class PromptToolkitEditor:
    """Over prompt_toolkit. Raises ModuleNotFoundError without it."""

    def __init__(self, history: HistoryFile) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import InMemoryHistory
        from prompt_toolkit.patch_stdout import StdoutProxy

        self._file = history
        kept = InMemoryHistory(history.lines())
        self._session: PromptSession[str] = PromptSession(history=kept)
        self._proxy = StdoutProxy(raw=True, sleep_between_writes=0.05)
        self._restore = _quieten()

    async def read(self) -> str | None:
        """The next line."""
        try:
            line = await self._session.prompt_async(PROMPT, handle_sigint=False)
        except EOFError:
            return None
        except KeyboardInterrupt:
            # A task that ends with it would have asyncio write a traceback.
            raise LineLeft from None
        self._file.add(line)
        return line

    def write(self, text: str) -> None:
        """Write above the line."""
        self._proxy.write(text)
        self._proxy.flush()

    def leave(self) -> None:
        """No empty prompt stays."""
        self._session.app.erase_when_done = not self._session.default_buffer.text

    def close(self) -> None:
        """Write what is left, and restore the terminal."""
        self._proxy.close()
        self._restore()


class ReadlineEditor:
    """Over `input()`, with readline where Python has it."""

    def __init__(self, history: HistoryFile) -> None:
        self._file = history
        self._asks = threading.Event()
        self._reading = False
        self._future: asyncio.Future[str | None] | None = None
        self._loop = asyncio.get_running_loop()
        self._thread: threading.Thread | None = None
        self._buffer = _no_buffer
        try:
            import readline
        except ImportError:
            pass
        else:
            readline.set_auto_history(False)
            readline.clear_history()
            for line in history.lines():
                readline.add_history(line)
            self._buffer = readline.get_line_buffer
        # Without readline, the terminal itself edits the line.
        self._restore = _restorer() if self._buffer is _no_buffer else _quieten(echoes=True)

    async def read(self) -> str | None:
        """The next line."""
        self._future = self._loop.create_future()
        self._reading = True
        self._asks.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="netkit-line", daemon=True)
            self._thread.start()
        try:
            line = await self._future
        except asyncio.CancelledError:
            sys.stdout.write("\n" if self._buffer() else _ERASE_LINE)
            sys.stdout.flush()
            raise
        finally:
            self._reading = False
        if line is not None:
            self._file.add(line)
            _remember(line)
        else:
            sys.stdout.write(_ERASE_LINE)  # Ctrl-D leaves the cursor behind the prompt
            sys.stdout.flush()
        return line

    def _work(self) -> None:
        """In the thread: a line for each call of `read`."""
        line: str | None = ""
        while line is not None:
            self._asks.wait()
            self._asks.clear()
            try:
                line = input(PROMPT)
            except (EOFError, OSError, ValueError):
                line = None
            try:
                self._loop.call_soon_threadsafe(self._done, line)
            except RuntimeError:
                return  # the loop has ended

    def _done(self, line: str | None) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(line)

    def write(self, text: str) -> None:
        """Write above the line."""
        line = f"{PROMPT}{self._buffer()}" if self._reading else ""
        sys.stdout.write(f"{_ERASE_LINE if self._reading else ''}{text}{line}")
        sys.stdout.flush()

    def leave(self) -> None:
        """No effect: `read` sees to it when it is cancelled."""

    def close(self) -> None:
        """Restore the terminal, on which a line may still be read."""
        self._restore()


def _no_buffer() -> str:
    return ""


def _remember(line: str) -> None:
    try:
        import readline
    except ImportError:
        return
    if line.strip() and not line.startswith(" "):
        readline.add_history(line)


def _quieten(*, echoes: bool = False) -> Callable[[], object]:
    """Have the terminal keep what is typed between two lines for the next one. Returns what restores it.

    `echoes`: it still shows that. Readline shows what is typed only on a terminal that does.
    """
    restore = _restorer()
    try:
        import termios
    except ImportError:
        return restore
    try:
        modes = termios.tcgetattr(0)
        modes[0] &= ~termios.ICRNL
        modes[3] &= ~(termios.ICANON if echoes else termios.ICANON | termios.ECHO)
        termios.tcsetattr(0, termios.TCSANOW, modes)
    except termios.error:
        pass
    return restore


def _restorer() -> Callable[[], object]:
    """A function that puts the terminal into the modes that it has now."""
    try:
        import termios
    except ImportError:
        return lambda: None
    try:
        modes = termios.tcgetattr(0)
    except termios.error:
        return lambda: None
    return lambda: termios.tcsetattr(0, termios.TCSADRAIN, modes)


def editor_of(environ: Mapping[str, str]) -> Editor:
    """The best editor that there is."""
    history = HistoryFile(history_path(environ))
    if environ.get("TERM") != "dumb":
        try:
            return PromptToolkitEditor(history)
        except ModuleNotFoundError:
            pass
    return ReadlineEditor(history)


class _Above(io.RawIOBase):
    """A stream whose whole lines go to the editor."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self._line = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        octets = bytes(memoryview(data))  # type: ignore[arg-type]  # whatever has a buffer
        self._line += octets
        end = self._line.rfind(b"\n") + 1
        if end:
            text = self._line[:end].decode("utf-8", "replace")
            del self._line[:end]
            self._editor.write(text)
        return len(octets)


@contextmanager
def above(env: Environment, editor: Editor) -> Iterator[None]:
    """What `env` writes to the terminal goes above the editor's line."""
    stdout, stderr = env.stdout, env.stderr
    stream = io.BufferedWriter(_Above(editor), 1 << 16)
    env.stdout = stream
    if env.stderr_tty:
        env.stderr = stream
    try:
        yield
    finally:
        stream.flush()
        env.stdout, env.stderr = stdout, stderr
        editor.close()
