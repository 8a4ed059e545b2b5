"""What `dig` and `resolve` need for servers over TLS and HTTPS, and through a proxy: options, and the
settings of the library that they become.

The HTTP client is imported when the first query goes over HTTPS, and the certificates of `--ca` are read when
the sockets are made: nobody pays for what is not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.frame.groups import field
from netkit.cli.frame.options import exclude
from netkit.cli.payload.proxy_url import ProxyUrl
from netkit.cli.payload.tls_files import TrustOptions

if TYPE_CHECKING:
    from netkit.addr import SocketAddr
    from netkit.cli.frame.context import Environment
    from netkit.dns.transports.https import HttpsExchange, HttpsQuery, HttpsReply
    from netkit.dns.transports.streams import Connect
    from netkit.doh import DohClient
    from netkit.io import Flow
    from netkit.proxy.url import Proxy
    from netkit.tls.config import TlsConfig


class DnsTlsOptions(TrustOptions):
    """`--ca`, `--insecure` and `--proxy` of the commands that ask name servers."""

    proxy: Proxy | None = field(
        "--proxy",
        type=ProxyUrl(),
        help="Ask through this proxy, over TCP, TLS or HTTPS: socks5://[USER:PASSWORD@]HOST:PORT or http://...",
    )

    def check(self) -> None:
        exclude("--ca", self.ca, "--insecure", self.insecure, "--insecure verifies nothing")

    def tls(self, env: Environment, ca: str | None = None) -> TlsConfig | None:
        """The settings for TLS; None for the library's own. `ca` is a file that replaces that of --ca.

        Raises OSError and UnusableFile.
        """
        path = ca or self.ca
        if path is None and not self.insecure:
            return None
        from netkit.cli.payload.tls_files import trusted_certificates
        from netkit.tls.config import CertVerifyMode, TlsConfig

        config = TlsConfig.client()
        if path is not None:
            return config.with_root_certs(trusted_certificates(path, env))
        return config.with_verify_mode(CertVerifyMode.None_)

    def connect(self) -> Connect | None:
        """What makes connections through the proxy; None without one."""
        if self.proxy is None:
            return None
        from netkit.dns.transports.proxied import through

        return through(self.proxy)


class LazyDoh:
    """A `DohClient` that is made when the first query goes over HTTPS."""

    def __init__(
        self, tls: TlsConfig | None, proxy: Proxy | None = None, source: SocketAddr | None = None
    ) -> None:
        self._tls = tls
        self._proxy = proxy
        self._source = source
        self._client: DohClient | None = None

    @property
    def exchange(self) -> HttpsExchange:
        """The function for the library."""
        return self._exchange

    def _exchange(self, query: HttpsQuery) -> Flow[HttpsReply]:
        if self._client is None:
            from netkit.doh import DohClient

            self._client = DohClient(self._tls, proxy=self._proxy, source=self._source)
        return self._client(query)

    def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            self._client.close()
