"""The modes of `netkit ws server` that start programs: one for each connection, or one for each message.

A program for a connection is as websocketd has it: each line that it writes is a message, and each message
is a line that it reads. What it writes to standard error is said on ours, with the number of the connection.
A client decides what a program reads, how often it is started, and with which request; so the number of
programs is limited, no shell is involved unless the command names one, and the variables of the request have
names that mean nothing to the system (RFC 3875), without Proxy and without credentials.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from netkit._log import Log
from netkit.cli.frame.messages import visible
from netkit.cli.payload.ws.session import size_of
from netkit.http.gateway.cgi import cgi_variables
from netkit.io import DeadlineExceeded, Event, before, beside, race, sleep_until
from netkit.serve.child import Child, start_piped
from netkit.websocket.close import CloseCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from netkit.cli.frame.command import Run
    from netkit.cli.payload.ws.session import Session
    from netkit.http.server.request import ServerRequest
    from netkit.io import Flow
    from netkit.serve.pipes import PipeReader, Pipes

log = Log("netkit.websocket.server")

#: Seconds that a program has to end by itself, when its input or its output has ended.
GRACE = 0.5
#: Messages of a client that wait for the program of the one before, and octets of them, at the least.
MAX_WAITING = 16
MAX_WAITING_SIZE = 1 << 20
#: Seconds after the end of a program in which the rest of its standard error is read.
LAST_WORDS = 0.2
#: The longest line of standard error that is said, in octets; the rest of it is left out.
MAX_ERROR_LINE = 2_000


class Programs:
    """Starts programs, at most `most` at the same time, and says what goes wrong with them.

    `names_users`: the server has checked the credentials of who connects. Once the server `is_stopping`, no
    more are started.
    """

    def __init__(self, run: Run[Any], argv: Sequence[str], most: int, *, names_users: bool) -> None:
        self.most = most
        self._run = run
        self._argv = argv
        self._names_users = names_users
        self._running = 0

    def environment(self, request: ServerRequest) -> Mapping[str, str]:
        """The variables for a program of that request."""
        from netkit.http.server.access_log import basic_user

        given = request.headers.get_first("Authorization") if self._names_users else None
        return cgi_variables(request, None if given is None else basic_user(given.encode("latin-1")))

    def start(self, session: Session, env: Mapping[str, str]) -> tuple[Child, Pipes] | None:
        """A program; None if too many run. Raises OSError if it cannot be started."""
        if self._running >= self.most:
            return None
        try:
            child, pipes = start_piped(self._argv, env=env)
        except OSError as error:
            self.say(session, f"cannot start {self._argv[0]}: {str(error.strerror).lower()}")
            raise
        self._running += 1
        if log.enabled:
            log.debug("%s: process %d", session, child.pid)
        return child, pipes

    def ended(self, child: Child, pipes: Pipes) -> None:
        """The end of a program, however it comes: without waiting."""
        pipes.close()
        child.kill()
        self._running -= 1

    def say(self, session: Session, text: str) -> None:
        """A remark about a connection, on standard error."""
        self._run.env.warn(self._run.doing, f"{session}: {text}")

    def remark(self, session: Session, child: Child, line: bytes) -> None:
        """A line of a program's standard error."""
        text = visible(line[:MAX_ERROR_LINE].decode("utf-8", "replace").rstrip("\r"))
        self._run.env.say(f"{session}: process {child.pid}: {text}")


class Remarks:
    """What a program writes to its standard error, which is said line by line."""

    def __init__(self, programs: Programs, session: Session, child: Child, pipe: PipeReader) -> None:
        self._say: Callable[[bytes], None] = partial(programs.remark, session, child)
        self._pipe = pipe
        self._kept = bytearray()

    def saying_flow(self) -> Flow[None]:
        """Flow: say what comes, until the pipe has ended. It may be interrupted and called again."""
        kept = self._kept
        while data := (yield from self._pipe.read_flow()):
            kept += data
            while (at := kept.find(b"\n")) >= 0:
                line = bytes(kept[:at])
                del kept[: at + 1]
                self._say(line)
            if len(kept) > MAX_ERROR_LINE:
                self._say(bytes(kept))
                kept.clear()
        if kept:
            self._say(bytes(kept))
            kept.clear()

    def last_flow(self) -> Flow[None]:
        """Flow: say the rest, of a program that has ended; processes that it has left may keep the pipe."""
        try:
            yield from before(monotonic() + LAST_WORDS, self.saying_flow())
        except DeadlineExceeded:
            pass


class ProgramForConnection:
    """A program for each connection: its lines are messages, and messages are its lines.

    With `binary`, what it writes is sent as it comes, in binary messages, and it gets messages without a line
    end. The connection is closed when the program has ended: with 1000 if its status is 0, else with 1011.
    """

    is_private = True

    def __init__(self, programs: Programs, max_line: int, *, binary: bool) -> None:
        self._programs = programs
        self._max_line = max_line
        self._binary = binary

    def talk_flow(self, session: Session) -> Flow[None]:
        """Flow: serve one connection."""
        programs = self._programs
        try:
            started = programs.start(session, programs.environment(session.ws.request))
        except (OSError, ValueError):
            yield from session.close_flow(CloseCode.INTERNAL_ERROR, "the program cannot be started")
            return
        if started is None:
            yield from session.close_flow(CloseCode.TRY_AGAIN_LATER, "too many programs run")
            return
        child, pipes = started
        try:
            remarks = Remarks(programs, session, child, pipes.stderr)
            try:
                talking = self._talking_flow(session, child, pipes)
                status = yield from beside(talking, remarks.saying_flow())
            except Exception:
                # The client is gone: the program reads the end of its input, and may say a last word.
                pipes.stdin.close()
                pipes.stdout.close()
                yield from beside(soon_ended_flow(child), remarks.saying_flow())
                yield from remarks.last_flow()
                raise
            yield from remarks.last_flow()
            if status:
                programs.say(session, f"process {child.pid} {ending(status)}")
                yield from session.close_flow(CloseCode.INTERNAL_ERROR, "the program failed")
        finally:
            programs.ended(child, pipes)

    def _talking_flow(self, session: Session, child: Child, pipes: Pipes) -> Flow[int]:
        yield from beside(self._outgoing_flow(session, pipes), self._incoming_flow(session, pipes))
        return (yield from soon_ended_flow(child))

    def _incoming_flow(self, session: Session, pipes: Pipes) -> Flow[None]:
        end = b"" if self._binary else b"\n"
        while True:
            message = yield from session.receive_flow()
            data = message.encode() if isinstance(message, str) else message
            try:
                yield from pipes.stdin.write_all_flow(data + end)
            except BrokenPipeError:
                pass  # it reads no more; what it writes is still sent

    def _outgoing_flow(self, session: Session, pipes: Pipes) -> Flow[None]:
        kept = bytearray()
        while data := (yield from pipes.stdout.read_flow()):
            if self._binary:
                yield from session.send_flow(data)
                continue
            searched = len(kept)
            kept += data
            while (at := kept.find(b"\n", searched)) >= 0:
                line = bytes(kept[:at])
                del kept[: at + 1]
                searched = 0
                yield from session.send_flow(text_or_octets(line.removesuffix(b"\r")))
            if len(kept) > self._max_line:
                self._programs.say(
                    session, f"the program wrote a line of more than {self._max_line:,} octets"
                )
                yield from session.close_flow(CloseCode.INTERNAL_ERROR, "the program failed")
                return
        if kept:
            yield from session.send_flow(text_or_octets(bytes(kept)))


class ProgramForMessage:
    """A program for each message, which it reads as its input; what it writes is the answer.

    The answer to a text is a text if it is UTF-8, without a line end at its end; to a binary message it is
    binary. Messages of a connection are answered in order, one after another.
    A program that fails, or takes longer than `timeout` seconds, ends its connection with 1011.
    """

    is_private = True

    def __init__(self, programs: Programs, max_answer: int, timeout: float) -> None:
        self._programs = programs
        self._max_answer = max_answer
        self._timeout = timeout

    def talk_flow(self, session: Session) -> Flow[None]:
        """Flow: serve one connection."""
        waiting: deque[str | bytes] = deque()
        changed = Event()

        def receiving() -> Flow[None]:
            # A client that goes away is noticed while a program runs, which is killed then.
            while True:
                message = yield from session.receive_flow()
                waiting.append(message)
                changed.set()
                while len(waiting) > MAX_WAITING or sum(map(size_of, waiting)) > MAX_WAITING_SIZE:
                    changed.clear()
                    yield from changed.wait()

        def answering() -> Flow[None]:
            env = self._programs.environment(session.ws.request)
            while True:
                while not waiting:
                    changed.clear()
                    yield from changed.wait()
                message = waiting.popleft()
                changed.set()
                if not (yield from self._answer_flow(session, env, message)):
                    return

        yield from beside(answering(), receiving())

    def _answer_flow(self, session: Session, env: Mapping[str, str], message: str | bytes) -> Flow[bool]:
        """Flow: answer a message. Whether that went well; otherwise the connection is closed."""
        programs = self._programs
        try:
            started = programs.start(session, env)
        except (OSError, ValueError):
            yield from session.close_flow(CloseCode.INTERNAL_ERROR, "the program cannot be started")
            return False
        if started is None:
            yield from session.close_flow(CloseCode.TRY_AGAIN_LATER, "too many programs run")
            return False
        child, pipes = started
        data = message.encode() if isinstance(message, str) else message
        why: str | None = None
        answer = b""
        remarks = Remarks(programs, session, child, pipes.stderr)
        try:
            answer, status = yield from before(
                monotonic() + self._timeout,
                beside(
                    self._running_flow(child, pipes),
                    self._feeding_flow(pipes, data),
                    remarks.saying_flow(),
                ),
                "waiting for the program",
            )
            yield from remarks.last_flow()
            if status:
                why = f"process {child.pid} {ending(status)}"
            elif len(answer) > self._max_answer:
                why = f"process {child.pid} answered more than {self._max_answer:,} octets"
        except DeadlineExceeded:
            why = f"process {child.pid} was killed after {self._timeout:g} s"
        finally:
            programs.ended(child, pipes)
        if why is not None:
            programs.say(session, why)
            yield from session.close_flow(CloseCode.INTERNAL_ERROR, "the program failed")
            return False
        if isinstance(message, str):
            answer = answer.removesuffix(b"\n")
            yield from session.send_flow(text_or_octets(answer.removesuffix(b"\r")))
        else:
            yield from session.send_flow(answer)
        return True

    def _running_flow(self, child: Child, pipes: Pipes) -> Flow[tuple[bytes, int]]:
        """Flow: what the program writes, and its status."""
        kept = bytearray()
        while data := (yield from pipes.stdout.read_flow()):
            kept += data
            if len(kept) > self._max_answer:
                return bytes(kept), 0
        return bytes(kept), (yield from soon_ended_flow(child))

    @staticmethod
    def _feeding_flow(pipes: Pipes, data: bytes) -> Flow[None]:
        try:
            yield from pipes.stdin.write_all_flow(data)
        except BrokenPipeError:
            pass  # it does not read all of it
        pipes.stdin.close()


def soon_ended_flow(child: Child) -> Flow[int]:
    """Flow: wait for the end of a program, which is made to end after GRACE seconds. Returns its status."""
    yield from race(child.ended_flow(), sleep_until(monotonic() + GRACE))
    return (yield from child.end())


def ending(status: int) -> str:
    """How a program ended, for people.

    >>> ending(3), ending(-9)
    ('ended with status 3', 'was ended by signal 9')
    """
    return f"ended with status {status}" if status >= 0 else f"was ended by signal {-status}"


def text_or_octets(data: bytes) -> str | bytes:
    """What a program wrote, as a text; as it is where it is not UTF-8, so that nothing is lost.

    >>> text_or_octets(b"caf\\xc3\\xa9"), text_or_octets(b"caf\\xe9")
    ('caf\xe9', b'caf\\xe9')
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
