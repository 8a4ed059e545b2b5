"""`netkit udp send` and `netkit udp listen`: unicast, broadcast and multicast datagrams."""

from __future__ import annotations

import os
from contextlib import nullcontext
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from netkit.cli.frame import options
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.fields import Endpoint
from netkit.cli.frame.groups import SourceOptions, option_group
from netkit.cli.frame.options import File, Number, Seconds, Value, WrongValue, argument, option, parse_hex
from netkit.cli.frame.output import b64
from netkit.cli.frame.view import View
from netkit.cli.payload.bind import ANYWHERE, Bind
from netkit.cli.payload.talking import stdin_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    import click

    from netkit.addr import HostPort, Ipv4Addr, SocketAddr
    from netkit.cli.payload.hexdump import Direction
    from netkit.io import Flow
    from netkit.net.pump import Source
    from netkit.net.udp import UdpSocket


class Datagram(TypedDict):
    """A datagram that was sent or received."""

    event: Literal["sent", "received"]
    peer: Annotated[Endpoint, "Where it was sent to, or where it came from"]
    size: Annotated[int, "Bytes; 0 is a datagram too"]
    data_b64: Annotated[str, "Its contents"]


class Listening(TypedDict):
    """Where datagrams are received."""

    event: Literal["listening"]
    local: Annotated[Endpoint, "The address, with the port that the system chose if 0 was given"]
    groups: Annotated[list[str], "The multicast groups joined"]


class Ended(TypedDict):
    """It is over."""

    event: Literal["ended"]
    sent: Annotated[int, "Datagrams sent"]
    received: Annotated[int, "Datagrams received"]
    elapsed_s: Annotated[float, "How long the command ran"]


class ListenEnded(Ended):
    """The last event."""

    loops_refused: Annotated[int, "Datagrams not replied to, because the reply would be replied to"]


class UdpView(View[None]):
    """Payload as it is; with --json, events."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema  # type: ignore[misc]  # of the instance: one class serves both


class Interface(Value[str]):
    """A network interface: its name, or an IPv4 address of it."""

    name = "interface"
    form = "write an interface's name, as in eth0, or an IPv4 address of it"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from netkit.addr import AddrParseError, Ipv4Addr
        from netkit.net.interfaces import InterfaceError, interface_index

        text = str(value)
        try:
            return str(Ipv4Addr.parse(text))
        except AddrParseError:
            pass
        try:
            interface_index(text)
        except InterfaceError as error:
            self.wrong(str(error), param, ctx, error.hint)
        return text


class Hex(Value[bytes]):
    """Bytes in hexadecimal; blanks and colons between them are ignored."""

    name = "hex"
    form = "write two digits a byte, as in 48656c6c6f or '48:65 6c'"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            return parse_hex(str(value))
        except ValueError:
            self.wrong(f"{value!r} is not hexadecimal", param, ctx)


class Traffic:
    """Counts the datagrams sent and received, and shows them in the form that was chosen."""

    def __init__(self, run: Run[None], hexdump: bool) -> None:
        self._run = run
        self._hexdump = hexdump
        self._begun = monotonic()
        self.sent = 0
        self.received = 0
        self.more: dict[str, int] = {}  # counts that only one of the commands has
        if hexdump and run.json:
            raise WrongValue(
                "--json and --hexdump exclude each other", "the events of --json carry the bytes"
            )

    def show(self, direction: Direction, peer: object, data: bytes) -> None:
        """Show a datagram: as an event, as a dump, or, if it was received, as its payload."""
        run, env = self._run, self._run.env
        if direction == "sent":
            self.sent += 1
        else:
            self.received += 1
        if run.json:
            event = {"event": direction, "peer": str(peer), "size": len(data), "data_b64": b64(data)}
            run.write_object(event)
        elif self._hexdump:
            from netkit.cli.payload.hexdump import HexDump

            arrow = ">" if direction == "sent" else "<"
            env.write_lines([f"{arrow} {peer} {len(data)} bytes", *HexDump().lines(direction, data)])
        elif direction == "received":
            env.write_bytes(data)
            env.flush()

    def unanswered(self, peer: object, error: OSError) -> None:
        """Warn that the system did not send a reply."""
        words = (error.strerror or str(error)).lower()
        self._run.env.warn("udp listen", f"cannot reply to {peer}: {words}")

    def refused(self, peer: object) -> None:
        """Warn, the first time, that a datagram gets no reply because of its source."""
        self.more["loops_refused"] += 1
        if self.more["loops_refused"] == 1:
            words = (
                f"no reply to {peer}: its answer would come back without end; others like it are only counted"
            )
            self._run.env.warn("udp listen", words)

    def end(self) -> None:
        """Write the counts."""
        run, elapsed = self._run, monotonic() - self._begun
        if run.json:
            event = {
                "event": "ended",
                "sent": self.sent,
                "received": self.received,
                "elapsed_s": elapsed,
                **self.more,
            }
            run.write_object(event)


#: How long looking the name up may take, in seconds, without --timeout.
LOOKUP_TIMEOUT = 10.0

_HEXDUMP = option(
    "--hexdump", is_flag=True, help="Show every datagram in hexadecimal, instead of its plain contents."
)

_INTERFACE = option(
    "--interface",
    type=Interface(),
    metavar="NAME|ADDR",
    help="The interface for multicast.",
)


@command(
    "udp send",
    view=UdpView(Datagram | Ended),
    modes=("json",),
    see_also=("netkit-udp-listen(1)", "netkit-udp-ping(1)", "nc(1)", "socat(1)"),
)
@argument("endpoint", metavar="HOST:PORT", type=options.Endpoint(proto="udp"))
@option("--data", "text", metavar="TEXT", help="Send this.")
@option("--hex", "octets", type=Hex(), help="Send these bytes.")
@option("-f", "--file", "path", type=File(), help="Send the contents of this file.")
@option("--lines", is_flag=True, help="Send each line of the input as one datagram, without its line end.")
@option("--count", type=Number(1), default=1, help="Send it this many times.")
@option("--interval", type=Seconds(), default=0.0, help="Wait this long between two datagrams.")
@option("--wait", type=Seconds(), help="Write replies, until this long after the last datagram was sent.")
@option("--replies", type=Number(1), help="Stop after this many replies.")
@option(
    "--timeout",
    type=Seconds(),
    help="Give up after this time, for the whole operation. [default: 10 for looking the name up]",
)
@option("--broadcast", is_flag=True, help="Allow a broadcast address.")
@option("--ttl", type=Number(0, 255), help="Let it pass at most this many routers.")
@_INTERFACE
@_HEXDUMP
@option_group(source=SourceOptions)
def send(
    run: Run[None],
    endpoint: HostPort,
    text: str | None,
    octets: bytes | None,
    path: str | None,
    lines: bool,
    count: int,
    interval: float,
    wait: float | None,
    replies: int | None,
    timeout: float | None,
    broadcast: bool,
    ttl: int | None,
    interface: str | None,
    hexdump: bool,
    source: SourceOptions,
) -> None:
    """Send datagrams; write the replies.

    The command sends --data, --hex, a file, or else standard input: all of it as one datagram, or, with
    --lines, each line as soon as it is read. Over IPv4 a datagram carries 65,507 bytes at most.

    With --wait, replies are written unchanged, from any sender, while there is data to send and for this time
    after that. If no reply comes at all, that is a timeout (7).
    If the other host reports in time that no program receives at the port, the exit code is 4. UDP itself
    has no connection that could be refused.

    Examples:

        $ netkit udp send --data hello --wait 1 127.0.0.1:7007
        $ printf 'metric:1|c' | netkit udp send statsd.example:8125
        $ netkit udp send --lines --interval 0.1 -f lines.txt 192.0.2.1:514
        $ netkit udp send --broadcast --data ping --wait 2 192.0.2.255:9999
        $ netkit udp send --ttl 1 --interface eth0 --data hello 239.255.0.1:5000
    """
    if sum(given is not None for given in (text, octets, path)) > 1:
        raise WrongValue("--data, --hex and --file exclude each other", "choose one of them")
    if replies is not None and wait is None:
        raise WrongValue("--replies without --wait", "add --wait SECONDS")
    from netkit.io import before, beside, deadline_after
    from netkit.net.resolve import resolve_flow

    traffic = Traffic(run, hexdump)
    family, bound = source.resolve()
    until = deadline_after(timeout)
    peer = run.wait(resolve_flow(endpoint, family=family), timeout or LOOKUP_TIMEOUT)[0]
    with _sending_socket(peer, bound, broadcast) as sock:
        if broadcast:
            sock.set_broadcast(True)
        _prepare(sock, peer, ttl, interface)
        with nullcontext() if path is None else open(path, "rb", buffering=0) as file:
            payloads = Payloads(_source(run, text, octets, file), lines)
            flow = _sending(sock, peer, payloads, traffic, count=count, interval=interval)
            try:
                if wait is None:
                    run.wait(before(until, flow, "sending datagrams"))
                else:
                    both = beside(flow, _receiving(sock, traffic, replies))
                    run.wait(before(until, both, "sending datagrams"))
                    run.wait(before(until, _replies(sock, traffic, wait, replies), "waiting for replies"))
            except ConnectionRefusedError as error:
                raise ConnectionRefusedError(error.errno, error.strerror, str(peer)) from error
            finally:
                traffic.end()


def _sending_socket(peer: SocketAddr, bound: SocketAddr | None, broadcast: bool) -> UdpSocket:
    """The socket; it is not connected for multicast and broadcast, because replies come from other addresses.

    The interfaces decide which addresses are broadcast addresses (192.0.2.127 may be one, 10.0.1.255 may
    not). So only --broadcast tells us.
    """
    import errno

    from netkit.addr import SocketAddr
    from netkit.net.udp import UdpSocket

    if broadcast or peer.ip.is_multicast:
        any_address = "0.0.0.0" if peer.is_ipv4 else "::"
        return UdpSocket.bind_addr(bound or SocketAddr.new(any_address, 0))
    try:
        return UdpSocket.connected(peer, source=bound)
    except PermissionError as error:
        if error.errno != errno.EACCES:
            raise
        words = f"permission denied: {peer.ip} seems to be a broadcast address, which needs --broadcast"
        raise PermissionError(error.errno, words) from error


def _prepare(sock: UdpSocket, peer: SocketAddr, ttl: int | None, interface: str | None) -> None:
    from netkit.net.interfaces import interface_index

    multicast = peer.ip.is_multicast
    if interface is not None and not multicast:
        raise WrongValue(f"--interface is for multicast, and {peer.ip} is not a group", "leave it out")
    if ttl is not None:
        if multicast and peer.is_ipv4:
            sock.set_multicast_ttl_v4(ttl)
        elif multicast:
            sock.set_multicast_hops_v6(ttl)
        elif ttl == 0:
            raise WrongValue("--ttl 0 is for multicast", "write 1 to 255")
        else:
            sock.set_ttl(ttl)
    if interface is None:
        return
    if peer.is_ipv4:
        sock.set_multicast_interface_v4(_ipv4_of(interface))
    else:
        sock.set_multicast_interface_v6(interface_index(interface))


def _ipv4_of(interface: str) -> Ipv4Addr:
    """The IPv4 address of an interface: the one that was given, or that of the interface with this name."""
    from netkit.addr import AddrParseError, Ipv4Addr
    from netkit.net.interfaces import interface_ipv4

    try:
        return Ipv4Addr.parse(interface)
    except AddrParseError:
        return interface_ipv4(interface)


class Payloads:
    """The datagrams to send: one with all of a source, or one for each line as soon as it is read."""

    def __init__(self, source: Source, lines: bool) -> None:
        self._source = source
        self._by_line = lines
        self._lines: Iterator[bytes] = iter(())
        self._rest = b""
        self._ended = False

    def next(self) -> Flow[bytes | None]:
        """Flow: the next datagram; None at the end. Data that is too long for a datagram is not read to its
        end."""
        from netkit.net.udp import MAX_DATAGRAM

        while True:
            for line in self._lines:
                return line.removesuffix(b"\r")
            if self._ended:
                return None
            if not self._by_line:
                return (yield from self._all())
            data = yield from self._source.read_flow()
            lines = (self._rest + data).split(b"\n")
            self._rest = b""
            self._ended = not data
            if len(lines[-1]) <= MAX_DATAGRAM and not self._ended:
                self._rest = lines.pop()
            elif not lines[-1]:
                lines.pop()
            self._lines = iter(lines)

    def _all(self) -> Flow[bytes]:
        from netkit.net.udp import MAX_DATAGRAM

        self._ended = True
        whole = bytearray()
        while len(whole) <= MAX_DATAGRAM and (data := (yield from self._source.read_flow())):
            whole += data
        return bytes(whole)


def _source(run: Run[None], text: str | None, octets: bytes | None, file: FileIO | None) -> Source:
    from netkit.io.files import FileSource, MemorySource

    if text is not None:
        return MemorySource(text.encode("utf-8", "surrogateescape"))
    if octets is not None:
        return MemorySource(octets)
    return stdin_source(run.env) if file is None else FileSource(file.fileno())


def _sending(
    sock: UdpSocket, peer: SocketAddr, payloads: Payloads, traffic: Traffic, *, count: int, interval: float
) -> Flow[None]:
    from netkit.io import PAUSE, sleep_until

    due = monotonic()
    first = True
    while (data := (yield from payloads.next())) is not None:
        for _ in range(count):
            if not first and interval:
                due = max(due + interval, monotonic())
                yield from sleep_until(due)
            first = False
            yield from sock.send_flow(data, None if sock.peer_addr is not None else peer)
            traffic.show("sent", peer, data)
            yield PAUSE  # to receive replies meanwhile


def _replies(sock: UdpSocket, traffic: Traffic, wait: float, limit: int | None) -> Flow[None]:
    from netkit.io import DeadlineExceeded, before

    try:
        yield from before(monotonic() + wait, _receiving(sock, traffic, limit), "waiting for a reply")
    except DeadlineExceeded:
        if not traffic.received:
            raise


def _receiving(sock: UdpSocket, traffic: Traffic, limit: int | None) -> Flow[None]:
    while limit is None or traffic.received < limit:
        data, peer = yield from sock.receive_flow()
        traffic.show("received", peer, data)


@command(
    "udp listen",
    view=UdpView(Datagram | Listening | ListenEnded),
    modes=("json",),
    see_also=("netkit-udp-send(1)", "netkit-udp-echo(1)", "nc(1)", "socat(1)"),
)
@argument("bind", required=False, metavar="[BIND]", type=Bind(None))
@option("--count", type=Number(1), help="End after this many datagrams.")
@option("--idle-timeout", type=Seconds(), help="End if no datagram comes for this long.")
@option(
    "--join",
    "groups",
    multiple=True,
    metavar="GROUP",
    help="Join this multicast group; may be given several times.",
)
@_INTERFACE
@option("--reply", metavar="TEXT", help="Send this text back for every datagram.")
@option("--reuse", is_flag=True, help="Let other programs receive at the same address; --join implies it.")
@_HEXDUMP
def listen(
    run: Run[None],
    bind: str | None,
    count: int | None,
    idle_timeout: float | None,
    groups: tuple[str, ...],
    interface: str | None,
    reply: str | None,
    reuse: bool,
    hexdump: bool,
) -> None:
    """Receive datagrams, and write their contents.

    BIND is ADDR:PORT or :PORT; the default is a free port of 127.0.0.1, or, with --join, of all addresses.
    Datagrams for a group arrive only at a socket that is bound to all addresses or to the group itself. The
    command says on standard error where it receives; with --json this is the first event. It writes the
    contents unchanged, one datagram after the other; --json and --hexdump also show where each begins and
    where it came from.

    The command continues until Ctrl-C or SIGTERM, or until --count or --idle-timeout ends it. If no datagram
    has come by then, that is a timeout (7).

    Examples:

        $ netkit udp listen 127.0.0.1:5514
        $ netkit udp listen --count 1 --idle-timeout 5 :9999
        $ netkit udp listen --join 239.255.0.1 --interface eth0 --json :5000
        $ netkit udp listen --hexdump --reply ok :9999
    """
    from netkit.io import DeadlineExceeded
    from netkit.net.udp import UdpSocket

    if interface is not None and not groups:
        raise WrongValue("--interface is for --join", "add --join GROUP, or leave it out")
    traffic = Traffic(run, hexdump)
    traffic.more["loops_refused"] = 0
    if bind is None:
        run.input = bind = ":0" if groups else ANYWHERE
    with UdpSocket.bind(bind, reuse_addr=reuse or bool(groups), destinations=reply is not None) as sock:
        bound = sock.local_addr.ip
        if groups and not (bound.is_unspecified or bound.is_multicast) and os.name == "posix":
            hint = f"bind to :{sock.local_addr.port}, or to the group itself"
            raise WrongValue(f"what is sent to a group does not arrive at {bound}", hint)
        joined = [_join(sock, group, interface) for group in groups]
        where = str(sock.local_addr)
        try:  # once it is said that it listens, its end is said as well
            if run.json:
                run.write_object({"event": "listening", "local": where, "groups": joined})
            else:
                run.env.say(f"listening on {where} (UDP){''.join(f', {group}' for group in joined)}")
            run.wait(_listening(sock, traffic, count, idle_timeout, reply))
        except DeadlineExceeded:
            if not traffic.received:
                raise
        finally:
            traffic.end()


def _listening(
    sock: UdpSocket, traffic: Traffic, count: int | None, idle_timeout: float | None, reply: str | None
) -> Flow[None]:
    from netkit.io import ClosedError, before
    from netkit.lab.echo import LoopGuard

    guard = LoopGuard([sock.local_addr])
    while count is None or traffic.received < count:
        until = None if idle_timeout is None else monotonic() + idle_timeout
        data, peer, _, source = yield from before(until, sock.receive_msg_flow(), "waiting for a datagram")
        traffic.show("received", peer, data)
        if reply is not None and guard.refuses(peer):
            traffic.refused(peer)
        elif reply is not None:
            answer = reply.encode("utf-8", "surrogateescape")
            try:
                yield from sock.send_flow(answer, peer, source)
            except ClosedError:
                raise
            except OSError as error:
                # A sender can forge the source address of a datagram, so a reply that fails must not end the
                # command.
                traffic.unanswered(peer, error)
            else:
                traffic.show("sent", peer, answer)


def _join(sock: UdpSocket, group: str, interface: str | None) -> str:
    """Join a group on the interface of --interface or of GROUP%NAME."""
    from netkit.addr import AddrParseError, IpAddr
    from netkit.net.interfaces import interface_index

    text, _, zone = group.partition("%")
    name = zone or interface
    try:
        addr = IpAddr.parse(text)
        if addr.version == 4:
            sock.join_multicast_v4(text, "0.0.0.0" if name is None else _ipv4_of(name))
        else:
            sock.join_multicast_v6(text, 0 if name is None else interface_index(name))
    except (AddrParseError, ValueError) as error:
        raise WrongValue(str(error), "write --join 239.255.0.1 or --join ff02::1%eth0") from None
    return group
