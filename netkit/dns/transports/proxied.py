"""Connections to name servers through a proxy: SOCKS5 (RFC 1928) or CONNECT of HTTP (RFC 9110 section 9.3.6).

    Resolver(["tls://192.0.2.1#dns.example"], connect=through("socks5://127.0.0.1:1080"))

TCP and TLS go through it; DNS over HTTPS has a client of its own, which takes the proxy (`netkit.doh`). The
proxy gets the server's address, not its name: which server was meant is decided here. UDP does not go through
(SOCKS5 has a way for it that few proxies offer), and a resolver that has a proxy refuses to ask over UDP,
because that would go around the proxy.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.transports.reply import Connection
from netkit.net.errors import ConnectError, ResolveError
from netkit.net.tcp import TcpStream
from netkit.proxy.connect import tunnel_flow
from netkit.proxy.errors import ProxyError
from netkit.proxy.url import Proxy

if TYPE_CHECKING:
    from netkit.addr import SocketAddr
    from netkit.dns.transports.streams import Connect
    from netkit.io import ByteStream, Flow


def through(proxy: Proxy | str) -> Connect:
    """What makes connections through `proxy`, for `Resolver(connect=...)`. Raises ProxyError.InvalidProxy."""
    via = Proxy.parse(proxy) if isinstance(proxy, str) else proxy

    def connect(addr: SocketAddr, source: SocketAddr | None) -> Flow[tuple[ByteStream, Connection]]:
        begun = monotonic()
        try:
            stream = yield from TcpStream.connect_flow(via.endpoint, source=source)
        except (ConnectError, ResolveError) as error:
            attempts = error.attempts if isinstance(error, ConnectError) else ()
            reason = attempts[-1].outcome if attempts else str(error)
            raise DnsError.NetworkError(
                f"the proxy {via.endpoint}: {reason}", error.errno, hint="is the proxy running, and there?"
            ) from error
        connected = monotonic()
        stream.set_nodelay(True)
        try:
            yield from tunnel_flow(stream, via, addr)
        except ProxyError as error:
            stream.close()
            made = DnsError.NetworkError.from_layer(error)
            made.hint = made.hint or "the proxy is there, and did not reach this server"
            raise made from error
        except BaseException:
            stream.close()
            raise
        return stream, Connection(connected - begun, monotonic() - connected)

    return connect
