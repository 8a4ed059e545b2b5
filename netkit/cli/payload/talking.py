"""The common part of the commands that carry a payload: talking over a connection.

`tcp connect`, `tcp listen`, `unix connect` and `unix listen` send standard input and write received data to
standard output (or connect a command to both). The options for this, the check for contradictions among them,
the events of `--json`, the dump and the transcript are here, so that they mean the same in each command.

    @command("tcp connect", ...)
    @option_group(talk=TalkOptions)
    def connect(run, ..., talk: TalkOptions):
        with Talk(run, talk) as talking, run.wait(...) as stream:
            talking.connected(stream, ...)
            talking.to_the_end(stream)

The dump shows both directions on standard error, and the payload goes unchanged to standard output. But if
standard output is a terminal, the payload is left out, because the two would mix on one screen.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypedDict

import click

from netkit._log import Log
from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.messages import plural
from netkit.cli.frame.options import File, Number, Seconds, exclude, option
from netkit.cli.frame.output import b64
from netkit.cli.payload.tls.rows import tls_words

log = Log("netkit.talk")

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from netkit.cli.frame.command import Run
    from netkit.cli.frame.context import Environment
    from netkit.cli.payload.hexdump import Direction, Transcript
    from netkit.io import Buffer, ByteStream, Event, Flow
    from netkit.net.pump import AtEnd, Pumped, Sink, Source
    from netkit.net.tcp import TcpStream

# -- events


class OfConnection(TypedDict, total=False):
    """Which connection an event is about."""

    connection: Annotated[int, "The number of the connection, from 1 (if several are accepted)"]


class Data(OfConnection):
    """Bytes that were sent or received."""

    event: Literal["sent", "received"]
    data_b64: Annotated[str, "The bytes"]


class TcpRow(TypedDict):
    """What the system has measured of a TCP connection."""

    round_trip_s: Annotated[float, "The smoothed round trip (RFC 6298)"]
    retransmits: Annotated[int, "Segments that were sent again"]
    mss: Annotated[int, "The largest segment that is sent, in bytes"]


class Closed(OfConnection):
    """Both directions have ended."""

    event: Literal["closed"]
    finished_first: Annotated[Literal["local", "peer"] | None, "Which side finished sending first"]
    bytes_sent: int
    bytes_received: int
    elapsed_s: Annotated[float, "How long the connection was open"]
    tcp: Annotated[TcpRow | None, "What the system measured; null where it does not tell, and not over TCP"]


def tcp_row(stream: ByteStream) -> TcpRow | None:
    """What the system has measured, where there is TCP below `stream`, and it tells."""
    from netkit.net.tcp import TcpStream

    while (below := stream.below) is not None:
        stream = below
    info = stream.info if isinstance(stream, TcpStream) and not stream.is_closed else None
    if info is None:
        return None
    return {"round_trip_s": info.round_trip, "retransmits": info.retransmits, "mss": info.mss}


def tcp_words(row: TcpRow) -> str:
    """The same for people."""
    again = plural(row["retransmits"], "retransmit")
    return f"TCP: round trip {row['round_trip_s'] * 1000:.3f} ms, {again}, MSS {row['mss']}"


def closed_row(done: Pumped, elapsed: float, tcp: TcpRow | None) -> dict[str, Any]:
    """The event of the end."""
    return {
        "event": "closed",
        "finished_first": done.finished_first,
        "bytes_sent": done.sent,
        "bytes_received": done.received,
        "elapsed_s": elapsed,
        "tcp": tcp,
    }


# -- options


class TalkOptions(OptionGroup):
    """How to talk over a connection."""

    crlf: bool = flag("--crlf", help="Send each line end (LF) as CR LF.")
    hexdump: bool = flag(
        "--hexdump",
        help="Show the data of both directions on standard error, with offsets, in hexadecimal and ASCII.",
    )
    transcript: str | None = field(
        "--transcript",
        type=File(),
        help="Write the data of both directions to FILE, with times, in hexadecimal and ASCII.",
    )
    send_only: bool = flag("--send-only", help="Discard received data, and end after standard input.")
    recv_only: bool = flag("--recv-only", help="Do not read standard input; end when the peer has finished.")
    on_eof: str | None = field(
        "--on-eof",
        type=click.Choice(["half-close", "keep", "close"]),
        help="After standard input: end sending and continue to receive, only continue to receive, or close. "
        "[default: half-close; keep if connected with --proxy or --tls; close with --send-only]",
    )
    half_close: bool = flag("-N", help="The same as --on-eof half-close, as in nc.")
    end_with_peer: bool = flag(
        "--end-with-peer",
        help="End when the peer has finished, even if standard input has not (the default at a terminal).",
    )
    idle_timeout: float | None = field(
        "--idle-timeout",
        type=Seconds(),
        help="Give up if nothing is sent or received for this time.",
    )

    def check(self) -> None:
        exclude("--send-only", self.send_only, "--recv-only", self.recv_only)
        exclude("-N", self.half_close, "--on-eof", self.on_eof and self.on_eof != "half-close")
        exclude("--recv-only", self.recv_only, "--crlf", self.crlf, "--crlf is about what is sent")
        self._refuse_at_end("--recv-only", self.recv_only)

    def check_beside(self, run: Run[Any], *, command: bool) -> None:
        """Raise WrongValue if these options contradict --json or -q, or `command` (--exec)."""
        self._refuse_at_end("--exec", command)
        for name, value in (("--send-only", self.send_only), ("--recv-only", self.recv_only)):
            exclude("--exec", command, name, value, "a command reads and writes as it likes")
        hint = "a command reads the peer's end, and ends when it likes"
        exclude("--exec", command, "--end-with-peer", self.end_with_peer, hint)
        exclude("--json", run.json, "--hexdump", self.hexdump, "the events of --json carry the bytes")
        exclude("-q", run.env.quiet, "--hexdump", self.hexdump, "-q says nothing on standard error")

    def _refuse_at_end(self, other: str, is_other: bool) -> None:
        for name, value in (("--on-eof", self.on_eof), ("-N", self.half_close)):
            hint = f"{name} is about the end of standard input, which is not read then"
            exclude(other, is_other, name, value, hint)


keepalive = option(
    "--keepalive",
    type=Number(1, 32767),
    metavar="SECONDS",
    help="After each idle period of this length, probe the connection, to notice a dead peer.",
)


# -- talking


class Talk:
    """How to talk over connections: the checked options, with their files opened.

    `command` says that a command reads and writes instead of this process. `stays_open` says that the peer is
    likely to take the end of one direction for the end of both. Raises WrongValue for options that contradict
    each other, OSError if the transcript cannot be written.
    """

    def __init__(
        self, run: Run[Any], options: TalkOptions, *, command: bool = False, stays_open: bool = False
    ) -> None:
        options.check_beside(run, command=command)
        self.run = run
        self.options = options
        chosen = options.on_eof or ("half-close" if options.half_close else None)
        # Many proxies, and every TLS up to 1.2, take the end of one direction for the end of both. The rest
        # of the answer is then lost: see `TlsStream.shutdown`.
        self._at_end = chosen or ("close" if options.send_only else "keep" if stays_open else "half-close")
        self._stdin: Source | None = None
        self._sent = b""  # what went before the stream was there
        self._transcript: Transcript | None = None
        if options.transcript is not None:
            from netkit.cli.payload.hexdump import Transcript

            self._transcript = Transcript(options.transcript)

    @property
    def watches(self) -> bool:
        """Whether this process must see, change or count the bytes."""
        how = self.options
        seen = how.hexdump or self._transcript is not None or self.run.json
        return seen or how.crlf or how.idle_timeout is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transcript is not None:
            self._transcript.close()

    def note(self, text: str, number: int | None = None) -> None:
        """Write a line about the connection to the transcript, if there is one."""
        if self._transcript is not None:
            self._transcript.note(text, _label(number))

    def connected(
        self,
        stream: ByteStream,
        peer: object,
        elapsed: float,
        event: Mapping[str, Any],
        *,
        local: object = None,
    ) -> None:
        """Say that `stream` is connected to `peer` (from `local`); `event` is the event for --json."""
        run, words = self.run, f"connected to {peer}{tls_words(stream)}"
        self.note(words if local is None else f"{words}, from {local}")
        if run.json:
            run.write_object(event)
        elif run.env.stdout_tty:
            run.env.say(f"{words} in {elapsed * 1000:.1f} ms")

    def to_the_end(self, stream: ByteStream) -> None:
        """Talk over a connection until it ends; with --json, write the event of its end."""
        from netkit.net.pump import Pumped

        done, opened = Pumped(), monotonic()
        try:
            self.run.wait(self.over(stream, done))
        finally:
            tcp = tcp_row(stream)
            if tcp is not None:
                log.debug("%s", tcp_words(tcp))
            if self.run.json:
                self.run.write_object(closed_row(done, monotonic() - opened, tcp))

    def first_flow(self, most: int) -> Flow[bytes]:
        """Flow: what standard input begins with, about `most` bytes of it, for who sends it before `over`."""
        if self.options.recv_only:
            return b""
        self._sent = yield from self._source().read_flow(most)
        if not self._sent:
            from netkit.io.files import MemorySource

            self._stdin = MemorySource(b"")  # the end, which a terminal would have to be told again
        return self._sent

    def over(
        self, stream: ByteStream, done: Pumped, *, number: int | None = None, ending: Event | None = None
    ) -> Flow[Pumped]:
        """Flow: send standard input and write received data until the end. `number` is the connection's.

        After `ending` is set, it ends as soon as there is no more data in either direction.
        """
        from netkit.net.pump import pump

        watch = self._watch(number)
        if self._sent:
            done.sent += len(self._sent)
            if watch is not None:
                watch("sent", self._sent)
            self._sent = b""
        return pump(
            stream,
            None if self.options.recv_only else self._source(),
            _seen(watch, self._sink()),
            at_end=self._at_end_kind(),
            interactive=self.options.end_with_peer or (self.run.env.stdin_tty and not self.options.recv_only),
            idle_timeout=self.options.idle_timeout,
            ending=ending,
            on_sent=None if watch is None else lambda data: watch("sent", data),
            pumped=done,
        )

    def between(
        self, stream: ByteStream, command: ByteStream, done: Pumped, *, number: int | None = None
    ) -> Flow[Pumped]:
        """Flow: copy bytes between a connection and a command, until the command ends its output."""
        from netkit.net.pump import AtEnd, pump

        watch = self._watch(number)
        return pump(
            stream,
            CrlfSource(command) if self.options.crlf else command,
            command if watch is None else _Tee(command, watch),
            at_end=AtEnd.CLOSE,
            idle_timeout=self.options.idle_timeout,
            on_sent=None if watch is None else lambda data: watch("sent", data),
            pumped=done,
        )

    def _at_end_kind(self) -> AtEnd:
        from netkit.net.pump import AtEnd

        return AtEnd(self._at_end)

    def _source(self) -> Source:
        """Standard input; the same one for every connection."""
        if self._stdin is None:
            source = stdin_source(self.run.env)
            self._stdin = CrlfSource(source) if self.options.crlf else source
        return self._stdin

    def _sink(self) -> Callable[[bytes], object]:
        env, how = self.run.env, self.options
        if how.send_only or self.run.json or (how.hexdump and env.stdout_tty and env.output is None):
            return _drop
        return payload_writer(env)

    def _watch(self, number: int | None) -> Callable[[Direction, bytes], None] | None:
        """The function that is called with every piece of both directions; None if it is not needed."""
        run, transcript, hexdump = self.run, self._transcript, self.options.hexdump
        if not (run.json or hexdump or transcript is not None):
            return None
        from netkit.cli.payload.hexdump import HexDump

        label = _label(number)
        shown = HexDump(label)
        noted = HexDump(label)

        def watch(direction: Direction, data: bytes) -> None:
            if run.json:
                run.write_object(_data_row(direction, data, number))
            if hexdump:
                run.env.say(*shown.lines(direction, data))
            if transcript is not None:
                transcript.write(direction, data, noted, label)

        return watch


class CrlfSource:
    """A source that turns line ends (LF) into CR LF. A CR LF stays the same, even if a piece ends inside
    it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._after_cr = False

    def read_flow(self, size: int = 65536) -> Flow[bytes]:
        """Flow: the next bytes; `b""` at the end."""
        data = yield from self._source.read_flow(size)
        if not data:
            return data
        begins_inside = self._after_cr and data[:1] == b"\n"
        self._after_cr = data[-1:] == b"\r"
        if b"\n" not in data:
            return data
        lines = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return lines[1:] if begins_inside else lines


class _Tee:
    """A sink that shows the data before it passes it on."""

    def __init__(self, sink: Sink, watch: Callable[[Direction, bytes], None]) -> None:
        self._sink = sink
        self._watch = watch

    def write_all_flow(self, data: Buffer) -> Flow[None]:
        self._watch("received", bytes(data))
        return self._sink.write_all_flow(data)

    def finish(self) -> Flow[None]:
        return self._sink.finish()


def stdin_source(env: Environment) -> Source:
    """Standard input as a source for flows; empty if it is closed."""
    from netkit.io.files import FileSource, MemorySource

    if env.stdin is None:
        return MemorySource(b"")
    try:
        return FileSource(env.stdin.fileno())
    except (OSError, ValueError):
        return MemorySource(env.stdin.read())


def payload_writer(env: Environment) -> Callable[[bytes], object]:
    """A function that writes payload unchanged and without delay to standard output (or the file of -o)."""

    def write(data: bytes) -> None:
        env.write_bytes(data)
        env.flush()

    return write


def set_keepalive(stream: TcpStream, seconds: int | None) -> None:
    """Turn on keep-alive probes of `stream` after `seconds` idle seconds; None does nothing."""
    if seconds is not None:
        stream.set_keepalive(True, idle=seconds, interval=seconds)


def _seen(
    watch: Callable[[Direction, bytes], None] | None, write: Callable[[bytes], object]
) -> Callable[[bytes], object]:
    if watch is None:
        return write

    def watched(data: bytes) -> None:
        watch("received", data)
        write(data)

    return watched


def _data_row(direction: Direction, data: bytes, number: int | None) -> dict[str, Any]:
    row: dict[str, Any] = {"event": direction, "data_b64": b64(data)}
    return row if number is None else {"connection": number, **row}


def _drop(_data: bytes) -> None:
    return None


def _label(number: int | None) -> str:
    return "" if number is None else f"#{number}"
