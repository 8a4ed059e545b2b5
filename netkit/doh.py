"""DNS over HTTPS with netkit's HTTP client: the function that `netkit.dns` is handed (RFC 8484).

    with DohClient() as https:
        resolver = Resolver(["https://192.0.2.1/dns-query#dns.example"], https=https)

Requests to one upstream share a connection of HTTP/2, which RFC 8484 section 5.2 recommends, and go over it
side by side. The connection leads to the upstream's address, while URL and certificate have its name: so no
name is looked up here. Cookies are never kept (section 8.2), redirects not followed, and nothing but what
HTTP needs is told of the client.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.transports.https import MAX_BODY, MEDIA_TYPE, HttpsReply
from netkit.dns.transports.reply import Connection
from netkit.dns.transports.streams import check_pins
from netkit.errors import NetkitError
from netkit.http.client.client import Client, running_loop_number
from netkit.http.client.dial import DialConfig, HttpVersions
from netkit.http.client.failures import as_http_error
from netkit.http.client.response import Incoming, fetched
from netkit.http.config import ClientConfig, PoolConfig
from netkit.http.message import Request
from netkit.io import Closing, driver_depth

if TYPE_CHECKING:
    from netkit.addr import SocketAddr
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.transports.https import HttpsQuery
    from netkit.http.client.core import Answer
    from netkit.http.client.facts import Phase, Trace, TraceEvent
    from netkit.io import Flow
    from netkit.proxy.url import Proxy
    from netkit.tls.config import TlsConfig

#: The most upstreams whose connections are kept.
MAX_UPSTREAMS = 256


class DohClient(Closing):
    """Makes the requests of a resolver; `Resolver(https=...)` takes it. Any thread and event loop may use it.

    `tls` are settings for TLS; None is `TlsConfig.client()`. `versions` of HTTP are those of an HTTP client.
    `proxy` is asked for connections to the upstreams' addresses. `source` is the local address.
    """

    def __init__(
        self,
        tls: TlsConfig | None = None,
        versions: HttpVersions = HttpVersions.AUTO,
        proxy: Proxy | None = None,
        source: SocketAddr | None = None,
    ) -> None:
        self._tls = tls
        self._versions = versions
        self._proxy = proxy
        self._source = source
        self._clients: dict[Upstream, Client] = {}
        self._guard = threading.Lock()
        self._is_closed = False

    def __call__(self, query: HttpsQuery) -> Flow[HttpsReply]:
        """Flow: make one request, and return its response. Raises DnsError.NetworkError."""
        client = self._client(query.upstream)
        headers = {"accept": MEDIA_TYPE}
        if query.body is not None:
            headers["content-type"] = MEDIA_TYPE
        request = Request(query.method, query.url, headers=headers, body=query.body)
        try:
            answer = yield from client.answer_flow(request, loop=_loop())
            try:
                body = yield from Incoming(answer, decode=False, limit=MAX_BODY).whole_flow()
            except BaseException as error:
                answer.reply.close()
                if isinstance(error, (OSError, NetkitError)):
                    # A connection that ends in the midst of a body is no failure of TLS.
                    raise as_http_error(error, answer.timing.phase) from error
                raise
        except DnsError:
            raise
        except (OSError, NetkitError) as error:
            if isinstance(error, NetkitError):
                raise DnsError.NetworkError.from_layer(error) from error
            raise DnsError.NetworkError.from_os_error(error) from error
        response = fetched(answer, body, is_decoded=True)
        media_type = (response.headers.get_first("content-type") or "").partition(";")[0].strip().lower()
        age = response.headers.get_first("age") or ""
        return HttpsReply(
            int(response.status),
            media_type,
            body,
            min(int(age), 2**31) if age.isascii() and age.isdigit() and len(age) < 20 else 0,
            *_connection(answer),
        )

    def _client(self, upstream: Upstream) -> Client:
        with self._guard:
            if self._is_closed:
                raise DnsError.NetworkError("the HTTPS client was closed")
            client = self._clients.get(upstream)
            if client is None:
                while len(self._clients) >= MAX_UPSTREAMS:
                    self._clients.pop(next(iter(self._clients))).close()
                client = self._clients[upstream] = self._new_client(upstream)
            return client

    def _new_client(self, upstream: Upstream) -> Client:
        from netkit.tls.config import TlsConfig

        tls = self._tls
        addr = upstream.addr
        assert addr is not None  # the resolver has looked it up
        if upstream.pins and upstream.tls_name is None:
            tls = (tls or TlsConfig.client()).with_verifier(lambda chain, _: check_pins(upstream, chain))
        host = upstream.tls_name or str(addr.ip)
        endpoint = f"[{host}]:{addr.port}" if ":" in host else f"{host}:{addr.port}"
        config = ClientConfig(
            timeout=None,  # the resolver says how long it waits
            follow_redirects=False,
            user_agent=None,
            decode=False,
            retry=None,
            max_body=MAX_BODY,
            pool_config=PoolConfig(read_timeout=None, write_timeout=None),
        )
        proxy = self._proxy
        dial = DialConfig(
            self._versions,
            tls,
            None if proxy is None else lambda _: proxy,
            resolve_to={endpoint: [addr]},
            source=self._source,
        )
        return Client(config, dial=dial, trace=_pinned(upstream) if upstream.pins else None)

    def close(self) -> None:
        """Close all connections; requests that are under way fail."""
        with self._guard:
            self._is_closed = True
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()


def _connection(answer: Answer) -> tuple[Connection, float]:
    """The connection that a response came over, as DNS tells it, and how many seconds the response took."""
    info = answer.info
    took: dict[Phase, float] = {name: end - begin for name, begin, end in answer.timing.phases()}
    waited = sum([took.pop("send", 0.0), took.pop("wait", 0.0), took.pop("receive", 0.0)])
    if info.reused:
        took.clear()
    connection = Connection(
        took.get("connect"),
        took.get("proxy"),
        took.get("tls"),
        "" if info.tls_version is None else info.tls_version.as_str,
        info.cipher or "",
        info.alpn or "",
        info.version,
        info.reused,
        info.group or "",
        info.resumed,
        info.ocsp_response,
        info.ech_accepted,
        info.tls_backend or "",
    )
    return connection, waited


def _pinned(upstream: Upstream) -> Trace:
    """Refuses a connection before the first request if its certificate has none of the pinned keys."""

    def look(event: TraceEvent) -> None:
        if event.name == "tls":
            chain = event.facts["chain"]
            assert isinstance(chain, tuple)
            check_pins(upstream, chain)

    return look


def _loop() -> int:
    """The number of the event loop that drives the flow that runs now; 0 for a blocking call."""
    if driver_depth() or "asyncio" not in sys.modules:
        return 0
    try:
        return running_loop_number()
    except RuntimeError:
        return 0
