"""The servers of `netkit demo`, on loopback: names, echo, TLS, HTTP with a WebSocket; and their files.

`--keep` promises the ports of `KEPT` and the directory `FOLDER`, so that documentation can name them.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from netkit.addr import SocketAddr
    from netkit.http.server.exchange import FlowHandler
    from netkit.http.server.server import HttpServer
    from netkit.io import Event, Flow
    from netkit.lab.echo_server import EchoServer
    from netkit.net.tcp import TcpListener

HOST = "127.0.0.1"

#: What binding to ::1 ends in on a system without IPv6.
_NO_IPV6 = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class Ports(NamedTuple):
    """Where the servers listen; 0 is any free port."""

    dns: int = 0
    echo: int = 0
    tls: int = 0
    expired: int = 0
    http: int = 0
    inspect: int = 0


#: The ports of `netkit demo --keep`.
KEPT = Ports(dns=5300, echo=7007, tls=8443, expired=8444, http=8008, inspect=8009)

#: The directory that `netkit demo --keep` makes where it is started.
FOLDER = "netkit-demo"

ZONE = """\
$ORIGIN demo.test.
$TTL 1h
@        SOA    ns1 hostmaster ( 1 1d 2h 4w 5m )
         NS     ns1
         MX     10 mail
         MX     20 mail.backup
         TXT    "v=spf1 mx -all" "a second string"
ns1      A      127.0.0.1
www      CNAME  web
web      A      127.0.0.1
         AAAA   ::1
mail     A      192.0.2.25
_imap._tcp  SRV  0 5 993 mail
"""

#: Files to work on, beside the zone and the authority's certificate.
SAMPLES = {
    "names.txt": "www.demo.test\nmail.demo.test\nnowhere.demo.test\n",
    "servers.txt": f"{HOST}:{KEPT.tls}\n{HOST}:{KEPT.expired}\n",
    "request.http": "GET /notes?page=2 HTTP/1.1\r\nHost: www.demo.test\r\nAccept: text/html\r\n\r\n",
}
ZONE_FILE, CA_FILE, CERTIFICATE_FILE, KEY_FILE = "demo.zone", "ca.pem", "cert.pem", "key.pem"
SOCKET_FILE = "echo.sock"

#: Where the file server has a WebSocket that sends everything back.
ECHO_PATH = "/echo"

#: What the file server serves, below the directory: this file, and what is uploaded.
SITE, SITE_FILE, UPLOADED = "site", "hello.txt", "milk.txt"
HELLO = "Hello from netkit's file server.\n"


class DemoServers(NamedTuple):
    """The servers, running: where each is, the file of the CA, and what they did so far."""

    dns: SocketAddr
    echo_addrs: list[SocketAddr]
    tls: SocketAddr
    expired: SocketAddr
    http: SocketAddr
    inspect: SocketAddr
    unix: str | None
    ca: str
    counts: Callable[[], Mapping[str, int]]

    @property
    def echo(self) -> SocketAddr:
        """The echo server over IPv4."""
        return self.echo_addrs[0]

    @property
    def listening(self) -> list[tuple[str, object]]:
        """Each socket, as servers say where they listen."""
        unix = [] if self.unix is None else [("unix", self.unix)]
        return [
            *((transport, each) for each in (self.dns, *self.echo_addrs) for transport in ("udp", "tcp")),
            ("tcp", self.tls),
            ("tcp", self.expired),
            ("tcp", self.http),
            ("tcp", self.inspect),
            *unix,
        ]


@contextmanager
def demo_servers(folder: str, ports: Ports) -> Iterator[DemoServers]:
    """The servers, each in a thread of its own; their files are in `folder`, and are removed in the end.

    Raises OSError where a port is taken, before a file is written.
    """
    from netkit.cli.payload.demo.names import HINTS_FILE, dns_lab
    from netkit.cli.payload.tls.server import handshake
    from netkit.dns.authority.server import DnsServer
    from netkit.dns.zones.zonefile import parse_zone
    from netkit.http.files import FileHandler, FilesConfig, UploadConfig
    from netkit.http.inspector import Inspector
    from netkit.http.server.server import HttpServer
    from netkit.lab.echo_server import EchoServer, ServerSocket
    from netkit.net.errors import ListenError
    from netkit.net.same_port import bind_same_port
    from netkit.net.tcp import TcpListener
    from netkit.net.unix import UnixListener
    from netkit.serve.connections import in_background
    from netkit.tls.config import TlsConfig
    from netkit.tls.throwaway import ThrowawayAuthority

    authority = ThrowawayAuthority()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    ends = {"tls": None, "expired": yesterday}
    with ExitStack() as stack:
        names = DnsServer.bind(f"{HOST}:{ports.dns}", [parse_zone(ZONE, file=ZONE_FILE)])
        stack.callback(names.close)
        hints = stack.enter_context(dns_lab(ports.dns)) if ports.dns else None
        sockets: list[ServerSocket] = list(bind_same_port(f"{HOST}:{ports.echo}"))
        if ports.echo:
            try:
                sockets += bind_same_port(f"[::1]:{ports.echo}")
            except ListenError as error:
                if error.errno not in _NO_IPV6:
                    raise
        echo_addrs = [each.local_addr for each in sockets[::2]]
        for each in sockets:
            stack.callback(each.close)
        encrypted: list[EchoServer] = []
        files = {ZONE_FILE: ZONE, CA_FILE: authority.certificate.to_pem(), **SAMPLES}
        if hints is not None:
            files[HINTS_FILE] = hints
        addrs: dict[str, SocketAddr] = {}
        for name, not_after in ends.items():
            identity = authority.issue(
                ["localhost", HOST], not_before=yesterday - timedelta(days=30), not_after=not_after
            )
            config = TlsConfig.server().with_identity(*identity).with_alpn(["http/1.1"])
            listener = TcpListener.bind(f"{HOST}:{getattr(ports, name)}")
            stack.callback(listener.close)
            if not_after is None:
                files |= {CERTIFICATE_FILE: identity[0].to_pem(), KEY_FILE: identity[1].to_pem()}
            addrs[name] = listener.local_addr
            encrypted.append(EchoServer([listener], wrap=partial(handshake, config=config)))
        web = {name: TcpListener.bind(f"{HOST}:{getattr(ports, name)}") for name in ("http", "inspect")}
        for name, bound in web.items():
            stack.callback(bound.close)
            addrs[name] = bound.local_addr
        stack.enter_context(_files(folder, {}))
        stack.enter_context(_files(os.path.join(folder, SITE), {SITE_FILE: HELLO}, [UPLOADED]))
        stack.enter_context(_files(folder, files))
        upload = UploadConfig(overwrite=True)
        site = FilesConfig(os.path.join(folder, SITE), upload=upload)
        http = {"http": HttpServer(_with_echo(FileHandler(site))), "inspect": HttpServer(Inspector())}
        unix = None
        if hasattr(socket, "AF_UNIX"):
            unix = os.path.join(folder, SOCKET_FILE)
            sockets.append(UnixListener.bind(unix))
            stack.callback(sockets[-1].close)
        echoes = [EchoServer(sockets), *encrypted]
        stack.enter_context(in_background(names.serve))
        for server in echoes:
            stack.enter_context(in_background(partial(server.serve, drain=0.0)))

        for name, http_server in http.items():
            stack.enter_context(in_background(partial(_serve, http_server, web[name])))

        def counts() -> dict[str, int]:
            each = [server.counts() for server in echoes]
            totals = {name: sum(one[name] for one in each) for name in ("connections", "datagrams", "bytes")}
            requests = sum(server.counts()["requests"] for server in http.values())
            return {"queries": names.queries, "requests": requests, **totals}

        ca = os.path.join(folder, CA_FILE)
        yield DemoServers(names.local_addr, echo_addrs, unix=unix, ca=ca, counts=counts, **addrs)


def _with_echo(files: FlowHandler) -> FlowHandler:
    """The file server with a WebSocket beside it, as `netkit serve http --ws /echo=echo` has it."""
    from netkit.cli.payload.ws.guard import Gate, Origins
    from netkit.cli.payload.ws.modes import Echo, sessions_in
    from netkit.websocket.server import WebSocketHandler

    websockets = WebSocketHandler(sessions_in(Echo()))
    return Gate(websockets, path=ECHO_PATH, beside=files, origins=Origins((), own_only=False))


def _serve(server: HttpServer, listener: TcpListener, stop: Event) -> Flow[None]:
    return server.serve([listener], stop=stop, drain=0.0)


@contextmanager
def _files(folder: str, files: Mapping[str, str], more: Sequence[str] = ()) -> Iterator[None]:
    """Files, by name, in `folder`. The directory is removed with them, unless more is in it than the files
    called as in `more`, which may come and are removed too."""
    os.makedirs(folder, exist_ok=True)
    try:
        for name, text in files.items():
            with open(os.path.join(folder, name), "w", encoding="ascii", newline="") as file:
                file.write(text)
        yield
    finally:
        for name in (*files, *more):
            try:
                os.remove(os.path.join(folder, name))
            except OSError:
                pass  # the reader has removed it
        try:
            os.rmdir(folder)
        except OSError:
            pass  # the reader has put something there
