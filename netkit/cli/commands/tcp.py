"""`netkit tcp connect` and `netkit tcp listen`: a TCP connection as a pair of pipes."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import click

from netkit.cli.frame import options
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.exits import AttemptRow, attempt_row
from netkit.cli.frame.fields import Endpoint
from netkit.cli.frame.groups import SourceOptions, option_group
from netkit.cli.frame.options import Network, argument, exclude, option
from netkit.cli.frame.view import View
from netkit.cli.payload.bind import Bind, names_of
from netkit.cli.payload.listening import Listening, ListenOptions, ListenView
from netkit.cli.payload.proxy_url import ProxyUrl
from netkit.cli.payload.serving import drain as drain_option
from netkit.cli.payload.talking import (
    Closed,
    Data,
    Talk,
    TalkOptions,
    keepalive as keepalive_option,
    set_keepalive,
)
from netkit.cli.payload.tls.client import ClientTlsOptions
from netkit.cli.payload.tls.early import early_bytes
from netkit.cli.payload.tls.rows import TlsRow, tls_row
from netkit.cli.payload.tls.server import ServerTlsOptions

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from netkit.addr import HostPort, SocketAddr
    from netkit.cli.payload.tls.client import ClientTls
    from netkit.io import ByteStream, Flow
    from netkit.net.tcp import TcpStream
    from netkit.proxy.url import Proxy


class Connected(TypedDict):
    """The connection is made."""

    event: Literal["connected"]
    endpoint: Annotated[str, "HOST:PORT as it was given; with a proxy, where the proxy connects to"]
    peer: Annotated[Endpoint, "The address of the connection; with a proxy, the proxy's"]
    local: Annotated[Endpoint, "This end"]
    elapsed_s: Annotated[float, "How long connecting took, including the name lookup, the proxy and TLS"]
    attempts: Annotated[list[AttemptRow], "Every address that was tried (RFC 8305)"]
    proxy: Annotated[str | None, "The proxy, without its password"]
    tls: Annotated[TlsRow | None, "The result of the TLS handshake"]


class ConnectView(View[Any]):
    """Payload as it is; with --json, events."""

    schema = Connected | Data | Closed


@command(
    "tcp connect",
    view=ConnectView(),
    modes=("json",),
    see_also=("netkit-tcp-listen(1)", "netkit-serve-echo(1)", "nc(1)", "socat(1)"),
)
@argument("endpoint", metavar="HOST:PORT", type=options.Endpoint())
@options.timeout(10.0)
@option_group(source=SourceOptions)
@option(
    "--proxy",
    type=ProxyUrl(),
    help="Connect through this proxy: socks5://[USER:PASSWORD@]HOST:PORT or http://...",
)
@option(
    "--proxy-protocol",
    type=click.Choice(["v1", "v2"]),
    help="Begin with a PROXY protocol header that gives this connection's addresses.",
)
@keepalive_option
@option_group(tls=ClientTlsOptions, talk=TalkOptions)
def connect(
    run: Run[Any],
    endpoint: HostPort,
    timeout: float,
    source: SourceOptions,
    proxy: Proxy | None,
    proxy_protocol: Literal["v1", "v2"] | None,
    keepalive: int | None,
    tls: ClientTlsOptions,
    talk: TalkOptions,
) -> None:
    """Connect to a TCP port; send standard input, write the data that comes back.

    The addresses of HOST are tried by Happy Eyeballs (RFC 8305); -v shows each attempt. When standard input
    ends, the command closes the sending half, and writes everything that the peer still sends before it ends;
    --on-eof changes this. When the peer closes first, input from a pipe or file is still sent as long as the
    peer takes it; input from a terminal ends.

    Bytes pass unchanged in both directions. At a terminal, its own line editing applies; --crlf changes line
    ends. --timeout covers connecting, the dialogue with a proxy and the TLS handshake; --idle-timeout covers
    the time after that.

    With --proxy, the proxy looks up names, and --source, -4 and -6 are about the connection to the proxy.
    With --tls the server is verified as in `netkit tls probe`. A connection that ends without a TLS close
    message is an error, because data may be missing. Many proxies, and TLS before 1.3, take the end of one
    direction for the end of both. So with --proxy and --tls the sending half stays open after standard input,
    and the peer ends the connection, unless -N or --on-eof is given.

    --hexdump shows both directions on standard error: > is sent data, < is received data. On a terminal the
    dump replaces the payload; elsewhere the payload goes unchanged to standard output.

    Examples:

        $ printf 'GET / HTTP/1.0\\r\\n\\r\\n' | netkit tcp connect www.example.com:80
        $ netkit tcp connect -4 mail.example.com:smtp
        $ netkit tcp connect --tls --crlf --hexdump example.com:443
        $ netkit tcp connect --proxy socks5://127.0.0.1:1080 example.com:80
        $ netkit tcp connect --json localhost:7007 < netkit-demo/request.http
    """
    hint = "the addresses of the connection from the proxy to the target are not known here"
    exclude("--proxy", proxy, "--proxy-protocol", proxy_protocol, hint)
    client = tls.client(str(endpoint.host) or "localhost", run.env)
    with Talk(run, talk, stays_open=bool(proxy or client)) as talking:
        connect = partial(_open, endpoint, source, proxy, proxy_protocol, client)
        early = early_bytes(run, talking, client, connect, timeout)
        begun = monotonic()
        tcp, stream = run.wait(connect(early), timeout)
        elapsed = monotonic() - begun
        with stream:
            set_keepalive(tcp, keepalive)
            peer = tcp.peer_addr if proxy is None else endpoint
            event = _connected(endpoint, tcp, stream, elapsed, proxy)
            talking.connected(stream, peer, elapsed, event, local=tcp.local_addr)
            talking.to_the_end(stream)


def _open(
    endpoint: HostPort,
    source: SourceOptions,
    proxy: Proxy | None,
    proxy_protocol: Literal["v1", "v2"] | None,
    tls: ClientTls | None,
    early: bytes = b"",
) -> Flow[tuple[TcpStream, ByteStream]]:
    """Flow: the connection, and the stream to talk over: the same, or TLS on top of it, with early data."""
    family, bound = source.resolve()
    if proxy is not None:
        from netkit.proxy.connect import connect_through_flow

        tcp = yield from connect_through_flow(proxy, endpoint, family=family, source=bound)
    else:
        from netkit.net.tcp import TcpStream

        tcp = yield from TcpStream.connect_flow(endpoint, family=family, source=bound)
    try:
        if proxy_protocol is not None:
            from netkit.proxy.header import ProxyHeader

            header = ProxyHeader(tcp.local_addr, tcp.peer_addr)
            yield from tcp.write_all_flow(header.to_bytes(int(proxy_protocol[1:])))
        return tcp, tcp if tls is None else (yield from tls.over(tcp, early))
    except BaseException:
        tcp.close()
        raise


def _connected(
    endpoint: HostPort, tcp: TcpStream, stream: ByteStream, elapsed: float, proxy: Proxy | None
) -> Connected:
    return {
        "event": "connected",
        "endpoint": str(endpoint),
        "peer": str(tcp.peer_addr),
        "local": str(tcp.local_addr),
        "elapsed_s": elapsed,
        "attempts": [attempt_row(attempt) for attempt in tcp.attempts],
        "proxy": None if proxy is None else str(proxy),
        "tls": tls_row(stream),
    }


@command(
    "tcp listen",
    view=ListenView(),
    modes=("json",),
    see_also=("netkit-tcp-connect(1)", "netkit-serve-echo(1)", "nc(1)", "socat(1)"),
)
@argument("bind", required=False, default="127.0.0.1:0", metavar="[BIND]", type=Bind(None))
@option_group(listen=ListenOptions)
@option("--allow", type=Network(), multiple=True, help="Accept connections only from this network.")
@option("--deny", type=Network(), multiple=True, help="Refuse connections from this network.")
@option("--proxy-protocol", is_flag=True, help="Expect a PROXY protocol header (v1 or v2) first.")
@keepalive_option
@option_group(tls=ServerTlsOptions)
@drain_option
@option_group(talk=TalkOptions)
def listen(
    run: Run[Any],
    bind: str,
    listen: ListenOptions,
    allow: tuple[IPv4Network | IPv6Network, ...],
    deny: tuple[IPv4Network | IPv6Network, ...],
    proxy_protocol: bool,
    keepalive: int | None,
    tls: ServerTlsOptions,
    drain: float,
    talk: TalkOptions,
) -> None:
    """Wait for a TCP connection; send standard input, write the data that comes.

    BIND is ADDR:PORT or :PORT; the default is a free port of 127.0.0.1. When the command accepts connections,
    it says on standard error where it listens (with --json this is the first event). With --exec the address
    is the result, on standard output, as in `netkit serve`.

    The command accepts one connection, and ends with it. With -k it accepts one after another: input goes to
    the current connection, and the others wait. --max-conns accepts several at the same time: their data is
    written as it comes (--json says from which connection), and standard input is not read. SIGTERM then
    stops accepting. A connection has --drain seconds to end if bytes go in any direction without a pause of a
    second, and so has a command of --exec; other connections are closed at once. A second SIGTERM cuts off
    the remaining ones. Connections that were cut off are counted; the exit code is 0.

    --exec starts a command for each connection, which becomes its standard input and output. The words are
    split as by a shell, but no shell runs them (if you need one, write sh -c '...'). With -k, up to 100
    commands run at the same time unless --max-conns is given. The command finds the addresses in TCPREMOTEIP,
    TCPREMOTEPORT, TCPLOCALIP and TCPLOCALPORT.

    With --tls and without --cert, a certificate is made on the spot, for localhost, this machine's name and
    BIND's address; --write-ca writes the certificate that clients have to trust.

    --deny is checked before --allow. Both check the address that really connects, not the one in a PROXY
    protocol header. A refused connection is closed at once.

    Examples:

        $ netkit tcp listen 127.0.0.1:9000 > received.bin
        $ netkit tcp listen -k :9000 --allow 192.0.2.0/24 --json
        $ netkit tcp listen -k :9000 --exec 'tr a-z A-Z'
        $ netkit tcp listen --tls --write-ca mine.pem 127.0.0.1:9443
    """
    from netkit.net.tcp import TcpListener

    def admit(stream: TcpStream) -> str | None:
        set_keepalive(stream, keepalive)
        return _why_not(stream.peer_addr, allow, deny)

    listening = Listening(
        run,
        listen,
        tls,
        talk,
        drain=drain,
        admit=admit,
        environment=_environment,
        proxy_protocol=proxy_protocol,
    )
    listening.serve(TcpListener.bind(bind), "tcp", names_of(bind))


def _why_not(
    peer: SocketAddr,
    allow: tuple[IPv4Network | IPv6Network, ...],
    deny: tuple[IPv4Network | IPv6Network, ...],
) -> str | None:
    """Why a connection from `peer` is refused; None if it is accepted."""
    for network in deny:
        if peer.ip in network:
            return f"denied by {network}"
    if allow and not any(peer.ip in network for network in allow):
        return "not allowed"
    return None


def _environment(local: Any, peer: Any, stream: Any) -> dict[str, str]:  # noqa: ARG001
    """The environment variables of a command, with the names of tcpserver(1)."""
    return {
        "PROTO": "TCP",
        "TCPLOCALIP": str(local.ip),
        "TCPLOCALPORT": str(local.port),
        "TCPREMOTEIP": str(peer.ip),
        "TCPREMOTEPORT": str(peer.port),
    }
