"""The environment of a command: its streams, their properties, and the form of results.

A command never touches `sys.stdout`, `os.environ` or a terminal. It gets an `Environment`, which tests
replace. This module handles, once for all commands, a reader that went away, a full disk, and a terminal
without UTF-8.

Results go to standard output, everything else to standard error. This module only writes: callers have
already escaped everything that could move a cursor (netkit.cli.frame.messages.visible).
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, BinaryIO, Literal, TextIO

from netkit.cli.frame.messages import message_lines, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from logging import Handler

    from netkit.cli.frame.exits import Failure

#: How results are written: tables for people, plain text for awk, bare values, or JSON Lines.
Mode = Literal["table", "plain", "short", "json"]
Color = Literal["auto", "always", "never"]

_RED = "\x1b[1;31m"
_CYAN = "\x1b[36m"
_DIM = "\x1b[2m"
_RESET = "\x1b[0m"
_ERASE_LINE = "\r\x1b[2K"


class OutputFailed(BaseException):
    """Results could not be written. `error` says why, `where` is the file or "standard output".

    It is not an `Exception`, so that code which turns any error of one input into a row does not catch it.
    """

    def __init__(self, error: OSError, where: str) -> None:
        super().__init__(error, where)
        self.error = error
        self.where = where

    @property
    def is_broken_pipe(self) -> bool:
        """Whether the reader went away, or never existed (`>&-`)."""
        return self.error.errno in (errno.EPIPE, errno.EBADF)


class Environment:
    """Streams and policy of one invocation.

    The streams are binary; a closed one is None. `stdin_tty`, `stdout_tty` and `stderr_tty` say which are
    terminals. `encoding` and `width` (in columns) are those of the terminal on standard output.

    `mode`, `color` (whether results may carry colour), `verbosity` (-1 quiet, 0, 1 and more) and
    `output` (the file named with -o) are set by `configure` when the command line has been read. `on_start`
    is called then, before the command begins.
    """

    def __init__(
        self,
        *,
        stdin: BinaryIO | None = None,
        stdout: BinaryIO | None = None,
        stderr: BinaryIO | None = None,
        stdin_tty: bool = False,
        stdout_tty: bool = False,
        stderr_tty: bool = False,
        encoding: str = "utf-8",
        environ: Mapping[str, str] | None = None,
        width: int | None = None,
    ) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.stdin_tty = stdin_tty
        self.stdout_tty = stdout_tty
        self.stderr_tty = stderr_tty
        self.encoding = encoding
        self.environ: Mapping[str, str] = {} if environ is None else environ
        self.debug = self.environ.get("NETKIT_DEBUG", "") not in ("", "0")
        self._width = width
        self.mode: Mode = "table" if stdout_tty else "plain"
        self.color = self._may_color("auto", stdout_tty)
        self.verbosity = 0
        self.output: str | None = None
        self._file: BinaryIO | None = None
        self._status = ""  # the progress line that stands on the terminal now
        self._caret = False  # whether a terminal shows ^C in the line where the cursor is
        self._handler: Handler | None = None
        #: Whether the lines of -v begin with the time of day, as the logs of servers do.
        self.wall_clock = False
        self.on_start: Callable[[], None] | None = None

    @classmethod
    def of_process(cls) -> Environment:
        """The environment of this process: its standard streams and variables."""
        out, err = sys.stdout, sys.stderr
        return cls(
            stdin=_binary(sys.stdin),
            stdout=_binary(out),
            stderr=_binary(err),
            stdin_tty=_is_tty(sys.stdin),
            stdout_tty=_is_tty(out),
            stderr_tty=_is_tty(err),
            encoding="ascii" if _is_c_locale() else (getattr(out, "encoding", None) or "utf-8").lower(),
            environ=os.environ,
        )

    def configure(
        self,
        *,
        mode: Mode | None = None,
        color: Color = "auto",
        output: str | None = None,
        append: bool = False,
        verbosity: int = 0,
    ) -> None:
        """Settle how results are written, once the options are known; opens the file of -o.

        The default mode is a table on a terminal and plain text elsewhere. `color="always"` also chooses a
        table if standard output is a pipe (`| less -R`), because only tables have colours. `append` keeps the
        file's content up to its last whole line. Raises OSError if the file cannot be opened.
        """
        self.verbosity = verbosity
        if output is not None and output != "-":
            self._file = _open_output(output, append)
            self.output = output
            self.encoding = "utf-8"
        terminal = self.writes_to_terminal
        self.mode = mode or ("table" if terminal or color == "always" else "plain")
        self.color = self._may_color(color, terminal)
        if verbosity > 0:
            self._listen()

    def _may_color(self, color: Color, terminal: bool) -> bool:
        if color != "auto":
            return color == "always"
        return terminal and not self.environ.get("NO_COLOR") and self.environ.get("TERM") != "dumb"

    @property
    def width(self) -> int:
        """Columns of the terminal: $COLUMNS if it is set, and 80 if there is no terminal."""
        if self._width is None:
            try:
                self._width = int(self.environ.get("COLUMNS", ""))
            except ValueError:
                self._width = 0
            for fd in (1, 2, 0) if self._width <= 0 else ():
                try:
                    self._width = os.get_terminal_size(fd).columns
                except OSError:
                    continue
                if self._width > 0:
                    break
            if self._width <= 0:
                self._width = 80
        return self._width

    @property
    def quiet(self) -> bool:
        """Whether -q asked for results and the exit code only."""
        return self.verbosity < 0

    @property
    def writes_to_terminal(self) -> bool:
        """Whether results go to a terminal, on which they meet the line of progress."""
        return self.stdout_tty and self._file is None

    # -- results

    def write(self, text: str) -> None:
        """Write results, as they are. Raises OutputFailed."""
        self.write_bytes(text.encode(self.encoding, "backslashreplace"))

    def write_lines(self, lines: Iterable[str]) -> None:
        """Write each line and its newline, then flush: the reader gets whole rows only."""
        text = "".join(f"{line}\n" for line in lines)
        if text:
            self.write(text)
            self.flush()

    def write_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Write payload or encoded results, as they are. Raises OutputFailed."""
        if self.writes_to_terminal:
            self.status(None)  # the row would run into it; elsewhere the two never meet
        stream = self._file or self.stdout
        if stream is None:
            raise OutputFailed(OSError(errno.EBADF, "closed"), self._where)
        self._leave_caret(stream if self.writes_to_terminal else None)
        try:
            _write_all(stream, data)
        except (OSError, ValueError) as error:
            raise self._output_failed(error) from None

    def may_lack_output(self) -> None:
        """Where standard output is closed, let results go nowhere: for a command whose work is another."""
        if self.stdout is None and self._file is None:
            self._file = open(os.devnull, "wb")  # noqa: SIM115

    def keep_output_private(self) -> None:
        """Let only its owner read the file of -o: there will be a secret in it. Not for pipes and devices."""
        if self._file is None or sys.platform == "win32":
            return
        import stat

        number = self._file.fileno()
        if stat.S_ISREG(os.fstat(number).st_mode):
            os.fchmod(number, 0o600)

    def flush(self) -> None:
        """Let the reader see what was written so far. Raises OutputFailed."""
        stream = self._file or self.stdout
        if stream is None:
            return
        try:
            _flush(stream)
        except (OSError, ValueError) as error:
            raise self._output_failed(error) from None

    def check_reader(self) -> None:
        """Raise OutputFailed if nobody reads results any more: for who may have nothing to write for long."""
        stream = self._file or self.stdout
        if stream is None or sys.platform == "win32":
            return
        import select

        try:
            looking = select.poll()
            looking.register(stream.fileno(), 0)
        except (OSError, ValueError):
            return  # a stream without a descriptor
        if any(found & select.POLLERR for _, found in looking.poll(0)):
            raise OutputFailed(OSError(errno.EPIPE, os.strerror(errno.EPIPE)), self._where)

    @property
    def _where(self) -> str:
        return self.output or "standard output"

    def _output_failed(self, error: Exception) -> OutputFailed:
        # Writing to a stream that something else has closed raises ValueError.
        cause = error if isinstance(error, OSError) else OSError(errno.EBADF, "closed")
        return OutputFailed(cause, self._where)

    # -- everything else

    def say(self, *lines: str) -> None:
        """Write lines to standard error, unless -q was given. Never fails."""
        if not self.quiet:
            self._say(lines)

    def warn(
        self, doing: str | None, happened: str, hint: str | None = None, details: Iterable[str] = ()
    ) -> None:
        """`netkit: doing: happened`, lines of detail, and the hint, on standard error (unless -q)."""
        lines = message_lines(doing, happened, hint)
        lines[1:1] = details
        if self._may_color("auto", self.stderr_tty):
            lines = [
                line.replace("netkit:", f"{_RED}netkit:{_RESET}", 1)
                if line.startswith("netkit:")
                else line.replace("hint:", f"{_CYAN}hint:{_RESET}", 1)
                for line in lines
            ]
        self.say(*lines)

    def report(self, doing: str | None, failure: Failure, details: Iterable[str] = ()) -> None:
        """Say why something failed (unless -q); with NETKIT_DEBUG=1 the traceback as well."""
        if self.debug and failure.error is not None:
            from traceback import format_exception

            self._say("".join(format_exception(failure.error)).splitlines())
        self.warn(doing, failure.message, failure.hint, details)

    def status(self, text: str | None) -> None:
        """Show `text` as the one line of progress on a terminal's standard error; None takes it away.

        What is written to the same terminal next takes it away first, so rows and messages never run into it.
        """
        shown = text[: self.width - 1] if text and self.shows_status else ""
        if shown != self._status:
            erased = _ERASE_LINE if self._status else ""
            self._caret = self._caret and not erased  # erased with the line
            self._status = shown
            self._write_error(f"{erased}{shown}")

    def ctrl_c(self) -> None:
        """Ctrl-C came: what is written next begins a line of its own. Does what a signal handler may."""
        self._caret = True

    def interrupted(self) -> None:
        """It ends by Ctrl-C: leave the line in which the terminal showed `^C`, if nothing has yet."""
        self.status(None)
        self._leave_caret(self.stderr if self.stderr_tty else self.stdout if self.stdout_tty else None)

    def _leave_caret(self, terminal: BinaryIO | None) -> None:
        """Begin a line before what is written next to `terminal` (None: it is written to none)."""
        if not self._caret or terminal is None:
            return
        self._caret = False
        try:
            _write_all(terminal, b"\n")
            _flush(terminal)
        except (OSError, ValueError):
            pass  # what is written next meets the same

    @property
    def shows_status(self) -> bool:
        """Whether progress can be shown: standard error is a terminal that can go back in a line."""
        return self.stderr_tty and not self.quiet and self.environ.get("TERM") != "dumb"

    def _say(self, lines: Iterable[str]) -> None:
        self.status(None)
        self._write_error("".join(f"{line}\n" for line in lines))

    def _write_error(self, text: str) -> None:
        if self.stderr is None:
            return
        self._leave_caret(self.stderr if self.stderr_tty else None)
        try:
            _write_all(self.stderr, text.encode("utf-8", "backslashreplace"))
            _flush(self.stderr)
        except (OSError, ValueError):
            pass  # standard error itself failed: there is no other place for a message

    def _listen(self) -> None:
        """Show what the library logs (-v), each line with the seconds since the beginning, or the time."""
        import logging
        from time import gmtime, monotonic, strftime

        env, began = self, 0.0
        dim, reset = (_DIM, _RESET) if self._may_color("auto", self.stderr_tty) else ("", "")

        class Dialogue(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                nonlocal began
                began = began or monotonic()  # 0 is the first step, not the import of what takes it
                if env.wall_clock:
                    moment = record.created
                    when = f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(moment))}.{int(moment * 1000) % 1000:03}Z"
                else:
                    when = f"{monotonic() - began:9.4f}s"
                name = record.name.removeprefix("netkit.")
                text = visible(record.getMessage())
                env._say([f"{dim}{when} {name:<8}{reset} {text}"])

        logger = logging.getLogger("netkit")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        self._handler = Dialogue(logging.DEBUG)
        logger.addHandler(self._handler)

    def abandon_output(self) -> None:
        """Drop the file of -o after it failed, so that closing it does not report the same failure again."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:
                pass  # reported when it first failed

    def close(self) -> None:
        """Flush and close what `configure` opened. Raises OutputFailed if the last rows cannot be written."""
        self.status(None)
        if self._handler is not None:
            import logging

            logger = logging.getLogger("netkit")
            logger.removeHandler(self._handler)
            logger.propagate = True
            logger.setLevel(logging.NOTSET)
            self._handler = None
        self.flush()
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError as error:
                raise OutputFailed(error, self._where) from None


def _write_all(stream: BinaryIO, data: bytes | bytearray | memoryview) -> None:
    """Write all of `data`. An unbuffered stream (python -u) may take only a part of it. The stream may also
    be non-blocking, if another process that shares the open file made it so."""
    rest = memoryview(data)
    while rest:
        try:
            taken = stream.write(rest)
        except BlockingIOError as error:
            taken = error.characters_written
            _wait_writable(stream)
        if taken is None:
            taken = 0
            _wait_writable(stream)
        rest = rest[taken:]


def _flush(stream: BinaryIO) -> None:
    while True:
        try:
            stream.flush()
        except BlockingIOError:
            _wait_writable(stream)
        else:
            return


def _wait_writable(stream: BinaryIO) -> None:
    import select

    select.select([], [stream], [])


def _binary(stream: TextIO | None) -> BinaryIO | None:
    return None if stream is None else getattr(stream, "buffer", None)


def _is_tty(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False  # closed


def _is_c_locale() -> bool:
    """Whether the locale is C, in which there is only ASCII; Python writes UTF-8 all the same (PEP 540)."""
    environ = os.environ
    if environ.get("PYTHONIOENCODING") or environ.get("PYTHONUTF8"):
        return False
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG")
    return locale in ("C", "POSIX")


def _open_output(path: str, append: bool) -> BinaryIO:
    if not append:
        return open(path, "wb")
    file = open(path, "a+b")  # noqa: SIM115 - Environment.close closes it
    end = file.seek(0, os.SEEK_END)
    # A row that was cut off in the middle belongs to an input that will be asked again.
    while end > 0:
        start = max(0, end - 65536)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if file.seekable():
        file.truncate(end)
    return file
