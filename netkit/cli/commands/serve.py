"""`netkit serve echo` and `netkit serve dns`: servers to test against."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from netkit.cli.command import Run, command
from netkit.cli.faults import faults, injected
from netkit.cli.options import FILE, File, Value, option
from netkit.cli.serving import ServeView, drain, serve_until_told

if TYPE_CHECKING:
    from netkit.addr import SocketAddr
    from netkit.dns.zone import Zone
    from netkit.io import Event, Flow
    from netkit.net.faults import Faults


class Bind(Value):
    """Where to listen: `ADDR:PORT`, `[v6]:PORT`, `:PORT` for every address; port 0 takes a free one."""

    name = "bind"

    def __init__(self, default_port: int = 0) -> None:
        self.default_port = default_port
        self.form = (
            "write ADDR:PORT, [v6]:PORT, or :PORT for all addresses of this machine, as in 127.0.0.1:8007"
        )

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from netkit.addr import AddrParseError, HostPort

        text = str(value)
        try:
            parsed = HostPort.parse(text, self.default_port)
        except AddrParseError as error:
            self.wrong(str(error), param, ctx, error.hint)
        return text if text.startswith(":") and not text.startswith("::") else str(parsed)


@command("serve echo", view=ServeView("serve.echo"), usage="[OPTIONS] [BIND]...", doing="serve echo")
@click.argument("binds", nargs=-1, metavar="[BIND]...", type=Bind())
@option("--tcp", is_flag=True, help="TCP only (without --tcp and --udp: both).")
@option("--udp", is_flag=True, help="UDP only.")
@drain
@faults
def echo(
    run: Run[Any], binds: tuple[str, ...], tcp: bool, udp: bool, drain: float, faults: Faults | None
) -> None:
    """Send back everything that comes, over TCP and UDP (RFC 862).

    BIND is ADDR:PORT or :PORT; without one, it is a free port of 127.0.0.1. Each socket's address is
    printed when it takes connections, so that a script can read the port from it.

    SIGTERM stops accepting, sends back what has arrived, and ends in 0; Ctrl-C ends at once.

    Examples:

        $ netkit serve echo 127.0.0.1:7007
        $ netkit serve echo --udp :7007 --json
        $ netkit serve echo --tcp --short > address.txt &
    """
    from netkit.io import all_of
    from netkit.net.echo import Echoed, echo_datagrams, echo_stream
    from netkit.net.faults import faulty
    from netkit.net.faulty_udp import FaultyUdpSocket
    from netkit.net.serve import Served, serve
    from netkit.net.tcp import TcpListener
    from netkit.net.udp import UdpSocket

    both = tcp == udp
    connections, datagrams, served = Echoed(), Echoed(), Served()
    listeners: list[TcpListener] = []
    sockets: list[UdpSocket] = []
    try:
        for bind in binds or ("127.0.0.1:0",):
            where: str | SocketAddr = bind
            if tcp or both:
                listeners.append(TcpListener.bind(where))
                where = listeners[-1].local_addr  # UDP at the same port, where the system chose it
            if udp or both:
                sock = UdpSocket.bind(where)
                sockets.append(sock if faults is None else FaultyUdpSocket(sock, faults.datagrams()))

        def flow_for(stop: Event) -> Flow[Any]:
            flows: list[Flow[Any]] = [
                serve(
                    listener,
                    faulty(partial(echo_stream, counts=connections), faults),
                    stop=stop,
                    drain=drain,
                    served=served,
                )
                for listener in listeners
            ]
            flows += [echo_datagrams(sock, counts=datagrams, stop=stop) for sock in sockets]
            return all_of(flows)

        listening = [("tcp", listener.local_addr) for listener in listeners]
        listening += [("udp", sock.local_addr) for sock in sockets]
        serve_until_told(
            run,
            listening,
            flow_for,
            lambda: {
                "connections": served.accepted,
                "datagrams": datagrams.messages,
                "bytes": connections.bytes + datagrams.bytes,
                "failed": served.failed,
                "cut_off": served.cut_off,
                **injected(faults),
            },
        )
    finally:
        for listener in listeners:
            listener.close()
        for sock in sockets:
            sock.close()


@command("serve dns", view=ServeView("serve.dns"), usage="[OPTIONS] --zone FILE [BIND]", doing="serve dns")
@click.argument("bind", required=False, default="127.0.0.1:0", metavar="[BIND]", type=Bind(53))
@option(
    "--zone",
    "zones",
    type=File(),
    multiple=True,
    required=True,
    metavar="FILE",
    complete=FILE,
    help="A zone file (RFC 1035 section 5); may be given several times.",
)
@drain
@faults
def dns(run: Run[Any], bind: str, zones: tuple[str, ...], drain: float, faults: Faults | None) -> None:
    """Answer for the zones of zone files, over UDP and TCP: a small authoritative name server.

    A zone file needs an SOA record; $ORIGIN, or the SOA's own name, says which zone it is. $INCLUDE is
    not followed. What it does not do: recursion, transfers, updates, signing.

    BIND is ADDR:PORT or :PORT; without one, it is a free port of 127.0.0.1. -v shows every query.

    Examples:

        $ netkit serve dns --zone example.test.zone 127.0.0.1:5353
        $ netkit serve dns --zone a.zone --zone b.zone --json
    """
    from netkit.dns.server import DnsServer

    server = DnsServer.bind(bind, [_zone(path) for path in zones])
    serve_until_told(
        run,
        [("udp", server.local_addr), ("tcp", server.local_addr)],
        lambda stop: server.serve(stop, drain=drain, faults=faults),
        lambda: {
            "queries": server.queries,
            "responses": server.responses,
            "connections": server.tcp.accepted,
            **injected(faults),
        },
    )


def _zone(path: str) -> Zone:
    """The zone of a file. Raises OSError, and ZoneFileError with line and column."""
    from netkit.dns.zonefile import parse_zone

    with open(path, "rb") as file:
        return parse_zone(file.read(), file=path)
