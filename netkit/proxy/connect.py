"""`connect_through`: a TCP connection through a proxy, used like a direct connection.

By default the proxy looks up the target's name, for two reasons: the proxy may know names that this machine
does not know, and a user who wants privacy does not want to send the name to a name server. With
`remote_names=False` this machine looks up the name, and asks the proxy to connect to one address after
another, in the system's order, until one connection succeeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._log import Log
from netkit.addr import HostPort, to_socket_addrs_parts
from netkit.io import Flow, deadline_after, phase, run, run_async
from netkit.net.errors import ConnectError, ResolveError
from netkit.net.resolve import resolve_flow
from netkit.net.tcp import TcpStream
from netkit.proxy.dialogue import http_flow, socks5_flow
from netkit.proxy.errors import ProxyError
from netkit.proxy.url import Proxy

if TYPE_CHECKING:
    from netkit.addr import SocketAddr, SocketAddrsLike
    from netkit.io import ByteStream, CancellationToken
    from netkit.net.resolve import NameResolver

log = Log("netkit.proxy")


def tunnel_flow(stream: ByteStream, proxy: Proxy, target: SocketAddrsLike) -> Flow[None]:
    """Flow: ask `proxy`, over the connected `stream`, to connect to `target`."""
    name, secret = proxy.username, proxy.password
    with phase(f"asking the proxy {proxy.endpoint} for {to_socket_addrs_parts(target)}"):
        if proxy.scheme == "socks5":
            yield from socks5_flow(stream, target, username=name, password=secret)
        else:
            yield from http_flow(stream, target, username=name, password=secret)


def connect_through_flow(
    proxy: Proxy | str,
    target: SocketAddrsLike,
    *,
    family: int = 0,
    source: SocketAddr | None = None,
    remote_names: bool = True,
    resolver: NameResolver | None = None,
) -> Flow[TcpStream]:
    """Flow: like `connect_through`, for use with `yield from` in other flows."""
    through = Proxy.parse(proxy) if isinstance(proxy, str) else proxy
    where = to_socket_addrs_parts(target)
    targets: list[SocketAddr | HostPort] = [where]
    if not remote_names and where.socket_addr is None:
        targets = list((yield from resolve_flow(where, resolver=resolver)))
    refused: ProxyError | None = None
    for one in targets:
        try:
            stream = yield from TcpStream.connect_flow(
                through.endpoint, family=family, source=source, resolver=resolver
            )
        except (ConnectError, ResolveError) as error:
            error.hint = "that is the proxy: is it running, and at that address?"
            raise
        try:
            yield from tunnel_flow(stream, through, one)
        except ProxyError.Refused as error:
            stream.close()
            log.debug("%s", error)
            refused = refused or error
        except BaseException:
            stream.close()
            raise
        else:
            return stream
    assert refused is not None  # resolve never returns an empty list
    raise refused


def connect_through(
    proxy: Proxy | str,
    target: SocketAddrsLike,
    *,
    family: int = 0,
    source: SocketAddr | None = None,
    remote_names: bool = True,
    resolver: NameResolver | None = None,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> TcpStream:
    """Connect to `target` through `proxy`.

        stream = connect_through("socks5://127.0.0.1:1080", "example.com:443", timeout=10)

    `target` is an address with a port, in any form that `TcpStream.connect` accepts. `proxy` is a `Proxy` or
    its URL. `family` and `source` apply to the connection to the proxy. `resolver` looks up the proxy's name,
    and with `remote_names=False` also the target's name. `timeout` limits the whole operation, in seconds.
    The `peer_addr` of the returned stream is the address of the proxy.

    Raises AddrParseError, ResolveError, ConnectError (no connection to the proxy), ProxyError,
    DeadlineExceeded, CancellationError.
    """
    flow = connect_through_flow(
        proxy, target, family=family, source=source, remote_names=remote_names, resolver=resolver
    )
    return run(flow, deadline=deadline_after(timeout), cancel=cancel)


async def connect_through_async(
    proxy: Proxy | str,
    target: SocketAddrsLike,
    *,
    family: int = 0,
    source: SocketAddr | None = None,
    remote_names: bool = True,
    resolver: NameResolver | None = None,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> TcpStream:
    """Connect to `target` through `proxy`; same arguments, result and errors as `connect_through`."""
    flow = connect_through_flow(
        proxy, target, family=family, source=source, remote_names=remote_names, resolver=resolver
    )
    return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)
