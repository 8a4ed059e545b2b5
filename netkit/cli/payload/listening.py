"""The common part of `tcp listen` and `unix listen`: accept one connection or many, and serve each.

One connection: the command waits for it, closes the listener, talks, and ends with the conversation. If the
conversation fails, so does the command. Many connections (-k): a server, which runs until it is stopped. A
conversation that fails is only an event there.

A command (--exec) gets the connection's own socket, unless this process must see or change the bytes (TLS,
--json, a dump or transcript, CR LF, an idle timeout). In that case the command gets one end of a socket pair,
and this process copies the bytes between the two.
"""

from __future__ import annotations

import shlex
import signal
import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias, TypedDict

from netkit._log import Log
from netkit.cli.frame.exits import explain
from netkit.cli.frame.fields import EndpointOrPath
from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.messages import visible
from netkit.cli.frame.options import Number, Seconds, WrongValue, exclude
from netkit.cli.payload.serving import Ended, Reloaded, ServeView, hangup_ends, serve_until_told
from netkit.cli.payload.talking import (
    Closed,
    Data,
    OfConnection,
    Talk,
    closed_row,
    tcp_row,
    tcp_words,
)
from netkit.cli.payload.tls.rows import ServedTlsRow, served_tls_row, served_tls_words
from netkit.cli.payload.tls.server import HANDSHAKE_TIMEOUT, CurrentTls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

    from netkit.cli.frame.command import Run
    from netkit.cli.frame.exits import Failure
    from netkit.cli.payload.talking import TalkOptions
    from netkit.cli.payload.tls.server import ServerTlsOptions
    from netkit.io import ByteStream, Flow, Semaphore
    from netkit.net.listening import StreamListener
    from netkit.net.pump import Pumped
    from netkit.serve.child import Child
    from netkit.serve.stop import Stop

log = Log("netkit.listen")

#: How many connections may be in the middle of a TLS handshake or a PROXY protocol header, or wait after it,
#: beside those that are served.
PREPARING = 100

#: How many commands run at the same time without --max-conns.
MOST_COMMANDS = 100


class Where(TypedDict):
    """A socket accepts connections from now on."""

    event: Literal["listening"]
    transport: Annotated[Literal["tcp", "unix"], "The transport"]
    local: Annotated[EndpointOrPath, "The address, with the port that the system chose if 0 was given"]


class Accepted(OfConnection):
    """A connection was accepted."""

    event: Literal["connected"]
    peer: Annotated[EndpointOrPath, "Where it comes from; with --proxy-protocol, as the header says"]
    local: Annotated[EndpointOrPath, "This end"]
    tls: Annotated[ServedTlsRow | None, "The result of the TLS handshake"]
    pid: Annotated[int | None, "With --exec: the command's process"]


class Refused(TypedDict):
    """A connection was refused."""

    event: Literal["refused"]
    peer: Annotated[
        EndpointOrPath | None,
        "Where it came from; null if the peer was gone before its address could be read",
    ]
    reason: Annotated[str, "Why"]


class Failed(OfConnection):
    """A connection was accepted, and failed before any conversation: TLS, a PROXY protocol header."""

    event: Literal["failed"]
    elapsed_s: Annotated[float, "How long the connection was open"]


class Finished(Closed):
    """A connection has ended."""

    exit_code: Annotated[int | None, "With --exec: the command's, negative for a signal"]


class ListenView(ServeView):
    """Payload as it is; with --json, events."""

    schema = Where | Accepted | Refused | Failed | Data | Finished | Reloaded | Ended


class ListenOptions(OptionGroup):
    """How many connections to accept, and which command to start for each."""

    keep: bool = flag("-k", "--keep", help="Accept one connection after another, until stopped.")
    max_conns: int | None = field(
        "--max-conns",
        type=Number(1, 100_000),
        help="With -k: accept this many connections at the same time. [default: 1; 100 with --exec]",
    )
    command: str | None = field(
        "--exec",
        metavar="COMMAND",
        help="Start COMMAND for each connection, which becomes its standard input and output.",
    )
    timeout: float | None = field(
        "--timeout", type=Seconds(), help="Give up if no connection comes in this time (without -k)."
    )

    def check(self) -> None:
        if not self.keep:
            self.only_with("-k", "max_conns")
        exclude("-k", self.keep, "--timeout", self.timeout, "--timeout is for the one connection")


#: Returns the reason why a connection is refused; None accepts it.
Admit: TypeAlias = "Callable[[Any], str | None]"
#: Makes the environment variables of a command, from the local address, the peer's, and the stream.
Variables: TypeAlias = "Callable[[Any, Any, Any], Mapping[str, str]]"


class Taken(NamedTuple):
    """An accepted connection: the socket's stream, the stream to talk over, the addresses of both ends."""

    stream: Any
    channel: ByteStream
    local: Any
    peer: Any
    number: int


class Listening:
    """One invocation: the checked options, and the work on each connection.

    `drain` is in seconds, `admit` decides which connections are accepted, `environment` makes a command's
    variables.
    Raises WrongValue for options that contradict each other, OSError for files that cannot be used.
    """

    def __init__(
        self,
        run: Run[Any],
        listen: ListenOptions,
        tls: ServerTlsOptions,
        talk: TalkOptions,
        *,
        drain: float,
        admit: Admit,
        environment: Variables,
        proxy_protocol: bool = False,
    ) -> None:
        self.run = run
        self.options = listen
        self.tls_options = tls
        self.drain = drain
        self.admit = admit
        self.environment = environment
        self.proxy_protocol = proxy_protocol
        self.argv = None if listen.command is None else split_command(listen.command)
        self.most = listen.max_conns or (MOST_COMMANDS if self.argv is not None else 1)
        if self.most > 1 and self.argv is None:
            hint = "standard input is not read where several are connected"
            for name in ("send_only", "crlf", "half_close", "on_eof"):
                exclude("--max-conns", True, talk.spelled(name), getattr(talk, name), hint)
            talk = talk.replace(recv_only=True)
        self.talk = Talk(run, talk, command=self.argv is not None)
        self.numbers = count(1)
        names = ("connections", "refused", "failed", "cut_off", "bytes_sent", "bytes_received")
        self.counts = dict.fromkeys(names, 0)
        self.tls = CurrentTls(None)
        self.places: Semaphore | None = (
            None  # of those that are served, where others are being prepared beside
        )

    # -- one connection, or many

    def serve(self, listener: Any, transport: str, names: Sequence[str]) -> None:
        """Serve a TcpListener or a UnixListener until the end, then close it.

        `names` are the names in a certificate that is made here.
        """
        with ExitStack() as stack:
            stack.enter_context(self.talk)
            stack.enter_context(listener)
            if not self.options.keep:
                stack.enter_context(hangup_ends())
            if self.argv is not None:
                self.run.env.may_lack_output()
            where = str(listener.local_addr)
            self.tls.config = self.tls_options.config(names, self.run.env)
            announced = self._announce(transport, where)
            if self.options.keep:
                self._many(listener, announced)
            else:
                for each in announced:
                    self.run.result(each)
                stream = self.run.wait(self._accept_one(listener), self.options.timeout)
                listener.close()  # only one connection is accepted
                self.run.wait(self._converse(stream, None, None))

    def _announce(self, transport: str, where: str) -> list[Any]:
        """Say where it listens; or, if that is the result of the command, return the sockets instead."""
        if self.run.json or self.argv is not None:
            return [(transport, where)]
        self.run.env.say(f"listening on {where} ({transport.upper()})")
        return []

    def _accept_one(self, listener: StreamListener[Any, Any]) -> Flow[Any]:
        from netkit.io import phase

        with phase("waiting for a connection"):
            while True:
                stream, _ = yield from listener.accept_flow()
                if self._lets_in(stream):
                    return stream

    def _many(self, listener: StreamListener[Any, Any], announced: list[Any]) -> None:
        from netkit.io import Semaphore
        from netkit.serve.connections import serve
        from netkit.serve.stop import leave

        def flow_for(stop: Stop) -> Flow[Any]:
            handler = partial(self._handle, stop=stop)
            most = self.most
            if self._prepares:
                # A client that says nothing takes none of the places of those that are served.
                self.places = Semaphore(self.most)
                most += PREPARING
            return serve(listener, handler, stop=stop, drain=self.drain, hurry=leave, max_connections=most)

        reload = self.tls_options.reload(self.tls, self.run.env)
        serve_until_told(self.run, announced, flow_for, self._counted, reload=reload)

    def _counted(self) -> dict[str, int]:
        """The counts of what was done; bytes only if they went through this process."""
        if self.argv is None or self._relays:
            return self.counts
        return {name: count for name, count in self.counts.items() if not name.startswith("bytes_")}

    @property
    def _prepares(self) -> bool:
        """Whether a connection has to say something before it can be talked over."""
        return self.tls_options.tls or self.proxy_protocol

    @property
    def _relays(self) -> bool:
        """Whether a command's bytes go through this process."""
        # Reading a PROXY protocol header may leave bytes in our buffer, which the command would never get.
        return self._prepares or self.talk.watches

    def _handle(self, stream: Any, *, stop: Stop) -> Flow[None]:
        if self._lets_in(stream):
            yield from self._converse(stream, next(self.numbers), stop)

    def _lets_in(self, stream: Any) -> bool:
        try:
            peer: str | None = str(stream.peer_addr)
            why = self.admit(stream)
        except OSError as error:  # reset before its address was read
            peer, why = None, str(error.strerror or error)
        if why is None:
            return True
        stream.close()
        self.counts["refused"] += 1
        whom = peer or "a peer that has gone"
        self.talk.note(visible(f"refused {whom}: {why}"))
        if self.run.json:
            self.run.write_object({"event": "refused", "peer": peer, "reason": why})
        else:
            self.run.env.warn(self.run.doing, f"refused a connection from {whom}: {why}")
        return False

    # -- one conversation

    def _converse(self, stream: Any, number: int | None, stop: Stop | None) -> Flow[None]:
        """Flow: all of one connection. With a number, an error is reported, and ends only this connection."""
        from netkit.io import ClosedError
        from netkit.net.pump import Pumped

        self.counts["connections"] += 1
        done = Pumped()
        opened = monotonic()
        channel: ByteStream = stream
        exit_code: int | None = None
        failure = None
        connected = has_place = False
        try:
            local = stream.local_addr
            channel, peer = yield from self._prepared(stream, stop)
            if self.places is not None:
                yield from self._take_place(self.places, channel)
                has_place = True
            taken = Taken(stream, channel, local, peer, number or 0)
            connected = True
            if self.argv is None:
                self._say_connected(taken, number, None)
                ending = None if stop is None else stop.finishing
                yield from self.talk.over(channel, done, number=number, ending=ending)
            else:
                exit_code = yield from self._execute(taken, number, done, stop)
        except Exception as error:
            if number is None:
                raise
            failure = explain(error)
            # Nobody but the server closes a connection here.
            self.counts["cut_off" if isinstance(error, ClosedError) else "failed"] += 1
        finally:
            tcp = tcp_row(stream)
            channel.close()
            stream.close()
            if has_place and self.places is not None:
                self.places.release()
            self.counts["bytes_sent"] += done.sent
            self.counts["bytes_received"] += done.received
            self.talk.note(f"closed: {done.sent} bytes sent, {done.received} received", number)
            elapsed = monotonic() - opened
            if number is not None:
                self._log_end(number, done, elapsed, exit_code, failure)
            if tcp is not None:
                log.debug("%s%s", "" if number is None else f"connection {number}: ", tcp_words(tcp))
            if self.run.json and connected:
                row = {**closed_row(done, elapsed, tcp), "exit_code": exit_code}
                self.run.write_object(_of(number, row), failure=failure)
            elif self.run.json and failure is not None:
                row = {"event": "failed", "elapsed_s": elapsed}
                self.run.write_object(_of(number, row), failure=failure)
            elif failure is not None:
                self.run.env.warn(f"{self.run.doing}: connection {number}", failure.message)

    def _prepared(self, stream: Any, stop: Stop | None) -> Flow[tuple[ByteStream, Any]]:
        """Flow: what to talk over, and with whom, when the PROXY header has come and the handshake is made.

        Both have deadlines of their own, and when the server is told to end, QUIET seconds more.
        """
        from netkit.io import ClosedError, race

        if stop is None or not self._prepares:
            return (yield from self._prepare(stream))
        both: tuple[Flow[tuple[ByteStream, Any] | None], Flow[None]]
        both = self._prepare(stream), self._quiet_after(stop)
        first = yield from race(*both)
        if first.value is None:
            raise ClosedError("stream")
        return first.value

    def _prepare(self, stream: Any) -> Flow[tuple[ByteStream, Any]]:
        peer = stream.peer_addr
        if self.proxy_protocol:
            peer = (yield from self._told_peer(stream)) or peer
        if self.tls.config is None:
            return stream, peer
        return (yield from self.tls.accept_flow(stream)), peer

    def _quiet_after(self, stop: Stop) -> Flow[None]:
        from netkit.io import sleep_until
        from netkit.io.stream import QUIET

        yield from stop.finishing.wait()
        yield from sleep_until(monotonic() + QUIET)

    def _take_place(self, places: Semaphore, channel: ByteStream) -> Flow[None]:
        """Flow: wait until one of those that are served has ended. Raises ClosedError where it is cut off."""
        from netkit.io import ClosedError, race

        if not places.try_acquire():
            first = yield from race(places.acquire(), channel.gone.wait())
            if first.index == 1:
                raise ClosedError("stream")

    def _told_peer(self, stream: Any) -> Flow[Any]:
        from netkit.io import before
        from netkit.proxy.dialogue import receive_header_flow

        until = monotonic() + HANDSHAKE_TIMEOUT
        header = yield from before(until, receive_header_flow(stream), "waiting for a PROXY protocol header")
        return None if isinstance(header.source, bytes) else header.source

    def _say_connected(self, taken: Taken, number: int | None, pid: int | None) -> None:
        words = visible(
            f"connection from {taken.peer}{served_tls_words(taken.channel)}"
        )  # a path is the peer's
        self.talk.note(words, number)
        if number is not None:
            log.debug("connection %d: %s", number, words)
        if self.run.json:
            row = {
                "event": "connected",
                "peer": str(taken.peer),
                "local": str(taken.local),
                "tls": served_tls_row(taken.channel),
                "pid": pid,
            }
            self.run.write_object(_of(number, row))
        elif self.run.env.stdout_tty and self.argv is None and not (number is not None and log.enabled):
            self.run.env.say(words)

    def _log_end(
        self, number: int, done: Pumped, elapsed: float, exit_code: int | None, failure: Failure | None
    ) -> None:
        passed = [f"{done.sent} bytes sent, {done.received} received"]
        if self.argv is not None and not self._relays:
            passed = []  # the command had the socket itself: they did not come through here
        if exit_code is not None:
            passed.append(f"the command ended with {exit_code}")
        if failure is not None:
            passed.append(failure.message)
        log.debug("connection %d ended after %.3f s: %s", number, elapsed, "; ".join(passed))

    # -- commands

    def _execute(self, taken: Taken, number: int | None, done: Pumped, stop: Stop | None) -> Flow[int]:
        from netkit.serve.child import KILL_AFTER, start_beside, start_on

        assert self.argv is not None
        variables = self.environment(taken.local, taken.peer, taken.stream)
        child: Child | None = None
        try:
            if self._relays:
                with _uninterrupted():
                    child, ours = start_beside(self.argv, env=variables)
                try:
                    with ours:
                        self._say_connected(taken, number, child.pid)
                        yield from self.talk.between(taken.channel, ours, done, number=number)
                except Exception:  # the connection failed: the command reads the end of its input
                    yield from self._soon_ended(child, min(KILL_AFTER, self.drain))
                    raise
                taken.channel.close()
            else:
                with _uninterrupted():
                    child = start_on(taken.stream, self.argv, env=variables)
                self._say_connected(taken, number, child.pid)
            return (yield from self._ended(child, stop))
        finally:
            if child is not None:
                child.kill()  # after an interruption there is no time to wait; otherwise it has ended

    def _ended(self, child: Child, stop: Stop | None) -> Flow[int]:
        """Flow: until the command has ended; --drain seconds after `stop` it is made to. Its status.

        A command is under way until it ends: what it still has to do, nobody else can tell.
        """
        from netkit.io import race, sleep_until

        if stop is not None:
            yield from race(child.ended_flow(), stop.wait())
            until = monotonic() + self.drain
            yield from race(child.ended_flow(), sleep_until(until), stop.cutting.wait())
            if child.status is None:
                self.counts["cut_off"] += 1
            return (yield from child.end())
        return (yield from child.ended_flow())

    def _soon_ended(self, child: Child, patience: float) -> Flow[int]:
        """Flow: wait for the command's end; stop it after `patience` seconds. Returns its status."""
        from netkit.io import race, sleep_until

        yield from race(child.ended_flow(), sleep_until(monotonic() + patience))
        return (yield from child.end())


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM to the end of the block, so that a command which was started is also noted.

    The signals are not blocked, because the command would inherit that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    previous = {
        number: signal.signal(number, lambda number, frame: came.append((number, frame)))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for which, handler in previous.items():
            signal.signal(which, signal.SIG_DFL if handler is None else handler)
    for number, frame in came:
        handler = previous[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        elif handler is not signal.SIG_IGN:
            signal.raise_signal(number)


def split_command(line: str, option: str = "--exec") -> list[str]:
    """The words of a command, as a shell splits them. Raises WrongValue if there is no command."""
    from shutil import which

    form = (
        f"write a command and its arguments, as in {option} 'grep -c x', "
        f"or {option} \"sh -c '...'\" for a shell"
    )
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise WrongValue(f"{option} {line!r}: {str(error).lower()}", form) from None
    if not words:
        raise WrongValue(f"{option} needs a command", form)
    if which(words[0]) is None:
        raise FileNotFoundError(2, "no such command", words[0])
    return words


def _of(number: int | None, row: dict[str, Any]) -> dict[str, Any]:
    return row if number is None else {"connection": number, **row}
