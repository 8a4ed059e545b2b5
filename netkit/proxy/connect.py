"""`connect_through`: a TCP connection made by a proxy, which is then as good as one's own.

Names are looked up by the proxy unless asked otherwise: it may know names that are unknown here, and who
asks for privacy does not want to tell a name server. With `remote_names=False` they are looked up here, in
the system's order, and the proxy is asked for one address after another until it connects to one.
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
    """Flow: over `stream`, which is connected to `proxy`, have it connect to `target`."""
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
    """Flow: `connect_through`, for other flows to `yield from`."""
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
    assert refused is not None  # resolve never gives an empty list
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
    """Connect to `target` (as `TcpStream.connect` takes it, with a port) through `proxy`.

        stream = connect_through("socks5://127.0.0.1:1080", "example.com:443", timeout=10)

    `proxy` is a `Proxy` or its URL. `family`, `source` are about the connection to the proxy; `resolver`
    looks up its name, and with `remote_names=False` the target's. `timeout` is for all of it, in seconds.
    The stream's `peer_addr` is the proxy.

    Raises AddrParseError, ResolveError and ConnectError (of the proxy), ProxyError, DeadlineExceeded,
    CancellationError.
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
    """Connect to `target` through `proxy`; arguments, result and errors as `connect_through`."""
    flow = connect_through_flow(
        proxy, target, family=family, source=source, remote_names=remote_names, resolver=resolver
    )
    return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)
