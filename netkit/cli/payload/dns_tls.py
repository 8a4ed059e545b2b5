"""What `dig` and `resolve` need for servers over TLS and HTTPS, and through a proxy: options, and the
settings of the library that they become.

The HTTP client is imported when the first query goes over HTTPS, and the certificates of `--ca` are read when
the sockets are made: nobody pays for what is not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.frame.groups import field
from netkit.cli.frame.options import WrongValue, exclude
from netkit.cli.payload.proxy_url import ProxyUrl
from netkit.cli.payload.tls_files import TrustOptions

if TYPE_CHECKING:
    from netkit.addr import SocketAddr
    from netkit.cli.frame.context import Environment
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.transports.https import HttpsExchange, HttpsQuery, HttpsReply
    from netkit.dns.transports.streams import Connect
    from netkit.doh import DohClient
    from netkit.io import Flow
    from netkit.proxy.url import Proxy
    from netkit.tls.config import TlsConfig


URL_FORM = "write tls://ADDRESS#NAME, https://HOST/dns-query, tcp://ADDRESS or udp://ADDRESS"
ADDRESS_FORM = "write an address, as in 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53, or a URL"


def parse_upstream(text: str, shown: str = "") -> Upstream:
    """The name server that `text` says; `shown` is before it in messages.

    Raises WrongValue, which does not repeat a user name and a password: no server has them.
    """
    from netkit.addr import AddrParseError
    from netkit.dns.errors import DnsError
    from netkit.dns.policy.upstream import Upstream

    scheme, separator, rest = text.partition("://")
    form = URL_FORM if separator else ADDRESS_FORM
    if separator and "@" in rest:
        raise WrongValue(f"{shown}{scheme}://... is not a name server: it has a user name", form)
    try:
        return Upstream.parse(text)
    except (DnsError.InvalidValue, AddrParseError) as error:
        raise WrongValue(f"{shown}{text} is not a name server: {error.reason}", form) from None


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
