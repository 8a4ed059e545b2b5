"""What `dig` and `resolve` need for servers over TLS and HTTPS, and through a proxy: options, and the
settings of the library that they become.

The HTTP client is imported when the first query goes over HTTPS, and the certificates of `--ca` are read when
the sockets are made: nobody pays for what is not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.frame.groups import field
from netkit.cli.frame.options import WrongValue
from netkit.cli.payload.proxy_url import ProxyUrl
from netkit.cli.payload.tls.client import ClientTlsSettings

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


class DnsTlsOptions(ClientTlsSettings, own_first=True):
    """`--proxy` and the options of TLS, of the commands that ask name servers."""

    others = frozenset({"proxy"})

    proxy: Proxy | None = field(
        "--proxy",
        section="Options",
        type=ProxyUrl(),
        help="Ask through this proxy, over TCP, TLS or HTTPS: socks5://[USER:PASSWORD@]HOST:PORT or http://...",
    )

    def with_files(self, ca: str | None, cert: str | None, key: str | None) -> DnsTlsOptions:
        """The same with these files in place of those of --ca, --cert and --key; None: as they are."""
        chosen = self if ca is None else self.replace(ca=(ca,), insecure=False)
        return chosen if cert is None and key is None else chosen.replace(cert=cert or self.cert, key=key)

    def tls(self, env: Environment) -> TlsConfig | None:
        """The settings for TLS; None for the library's own. Raises what `config` raises."""
        return self.config_or_none(env)

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
        self.tls = tls
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

            self._client = DohClient(self.tls, proxy=self._proxy, source=self._source)
        return self._client(query)

    def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            self._client.close()
