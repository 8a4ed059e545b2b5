"""The PROXY header before queries: who the client is, told by a client that plays a proxy.

haproxy's proxy-protocol.txt, version 2: before each datagram, and once at the beginning of a connection,
there is a header with the addresses of the client and of the server it meant. Name servers behind a load
balancer take such headers, and this shows what they make of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.errors import DnsError
from netkit.dns.transports.streams import connect_flow, send_first
from netkit.proxy.errors import ProxyError
from netkit.proxy.header import ProxyHeader, Transport

if TYPE_CHECKING:
    from netkit.addr import SocketAddr
    from netkit.dns.transports.reply import Connection
    from netkit.dns.transports.streams import Connect
    from netkit.io import ByteStream, Flow


class Announced(NamedTuple):
    """Whom queries are said to come from, and to be meant for; with None, from the client itself (LOCAL).

    `before_tls` puts the header before the handshake of TLS, as the specification has it; else it is the
    first that TLS carries, as some name servers want it.
    """

    source: SocketAddr | None = None
    destination: SocketAddr | None = None
    before_tls: bool = False

    @property
    def datagram(self) -> bytes:
        """The octets before each datagram. Raises DnsError.InvalidValue."""
        return self._header(Transport.Datagram)

    @property
    def stream(self) -> bytes:
        """The octets at the beginning of a connection. Raises DnsError.InvalidValue."""
        return self._header(Transport.Stream)

    def _header(self, transport: Transport) -> bytes:
        if self.source is None:
            return ProxyHeader(local=True, transport=Transport.Unspecified).to_bytes()
        try:
            return ProxyHeader(self.source, self.destination, transport=transport).to_bytes()
        except ProxyError.InvalidHeader as error:
            raise DnsError.InvalidValue("source", str(self.source), str(error)) from error

    def before(self, connect: Connect | None) -> Connect:
        """What makes connections as `connect` does (None: directly), and sends the header on them first."""
        header = self.stream
        made = connect or connect_flow

        def announced(addr: SocketAddr, source: SocketAddr | None) -> Flow[tuple[ByteStream, Connection]]:
            stream, connection = yield from made(addr, source)
            yield from send_first(stream, header)
            return stream, connection

        return announced
