"""Connecting for a request: which address, through which proxy, with TLS or without, for which version.

A `DialConfig` says how connections are made. A `Route` is where one URL leads by it: it is the key of the
pool, so that a connection is never used for another origin, another proxy or another event loop. `dial_flow`
makes the connection. With `services`, an origin's HTTPS records say where, and what to offer in ALPN (RFC
9460); the origin, its name in TLS, and so the `Route`, stay what they are. RFC 9110 section 4.3 (authority
and origin), RFC 9113 section 3 (starting HTTP/2), RFC 8305 (Happy Eyeballs).
"""

from __future__ import annotations

from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from netkit._log import Log
from netkit._value import Value, assign
from netkit.addr import Ipv4Addr
from netkit.addr.text import ends_in_a_number
from netkit.errors import NetkitError
from netkit.http.client.facts import ConnectionInfo
from netkit.http.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol, TypeAlias

    from netkit.addr import IpAddr, SocketAddr
    from netkit.http.client.early import EarlyRequest
    from netkit.http.client.facts import Timing
    from netkit.http.url import Url
    from netkit.io import ByteStream, Flow
    from netkit.net.resolve import NameResolver
    from netkit.proxy.url import Proxy
    from netkit.tls.config import TlsConfig
    from netkit.tls.sessions import MemorySessionStore


if TYPE_CHECKING:

    class Tell(Protocol):
        """Is told each step, with its facts."""

        def __call__(self, name: str, **facts: object) -> None: ...


class Endpoint(NamedTuple):
    """Another place where an origin is served: connect to `addresses`, or where there are none, to those of
    `host`, at `port`, and offer `alpn` in TLS. `ech` is the ECHConfigList for it; None: it has none."""

    host: str
    port: int
    alpn: tuple[str, ...]
    addresses: tuple[SocketAddr, ...] = ()
    ech: bytes | None = None


if TYPE_CHECKING:
    #: Finds the endpoints for a host, a port, and the client's protocols, best first; none: the host itself.
    #: It raises nothing. `netkit.https_records.HttpsRecords` is one.
    Services: TypeAlias = Callable[[str, int, Sequence[str]], Flow[list[Endpoint]]]

#: How many origins are remembered with where they lead.
MAX_ROUTES = 1000


log = Log("netkit.http")


class HttpVersions(Enum):
    """Which versions of HTTP a client speaks."""

    #: Over TLS, what the server chooses of HTTP/2 and HTTP/1.1; without TLS, HTTP/1.1.
    AUTO = "auto"
    #: HTTP/1.1 only.
    HTTP11 = "1.1"
    #: HTTP/2 only. Without TLS, the client begins with it unasked (RFC 9113 section 3.3).
    HTTP2 = "2"


#: The protocols of ALPN for each, best first.
_PROTOCOLS = {
    HttpVersions.AUTO: ("h2", "http/1.1"),
    HttpVersions.HTTP11: ("http/1.1",),
    HttpVersions.HTTP2: ("h2",),
}


class DialConfig(Value):
    """How a client makes connections.

    `versions` of HTTP. `tls`: settings for https; None is `TlsConfig.client()`. Its ALPN protocols follow
    from `versions`. `proxy_for(url)` gives the proxy for a URL, or None. `unix_socket`: every connection
    goes to that path instead. `resolve_to` maps `"host:port"` to addresses, in place of a lookup.
    `connect_to` maps `"host:port"` to another `"host:port"` to connect to, while the request stays the same.
    `server_names` maps `"host:port"` to the name that TLS asks for and verifies there, instead of the host's.
    `family` is 0, `socket.AF_INET` or `socket.AF_INET6`; `source` the local address. `deny_private`: refuse
    to connect to an address that is not public. `connect_timeout` limits everything up to the end of the
    TLS handshake, in seconds. `resolver` looks up names; None is the system's. `http2_websockets`: with AUTO,
    a new connection for a WebSocket may be of HTTP/2 (RFC 8441). A server that speaks HTTP/2 but takes no
    WebSockets there then costs a second connection, so it is off by default. `services` finds the endpoints
    of an origin of https by its HTTPS records (RFC 9460); None does not ask. It is not called for addresses,
    for what `resolve_to` and `connect_to` name, nor with a proxy or a Unix socket. `resume`: a new connection
    resumes a TLS session of an earlier one to the same origin. The client keeps the sessions in memory, until
    it is closed, unless `tls` has a store of its own. `early_data`: the request that such a connection is
    made for goes as early data (0-RTT) where the server takes any and the request may come twice: see
    `early`. It needs `resume`, and a backend that can send it, or `Client` raises `TlsError.CapabilityError`.
    """

    __slots__ = (
        "connect_timeout",
        "connect_to",
        "deny_private",
        "early_data",
        "family",
        "http2_websockets",
        "proxy_for",
        "resolve_to",
        "resolver",
        "resume",
        "server_names",
        "services",
        "source",
        "tls",
        "unix_socket",
        "versions",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (
        "versions",
        "tls",
        "proxy_for",
        "unix_socket",
        "resolve_to",
        "connect_to",
        "family",
        "source",
        "deny_private",
        "connect_timeout",
        "resolver",
        "http2_websockets",
        "services",
        "resume",
        "early_data",
        "server_names",
    )

    versions: HttpVersions
    tls: TlsConfig | None
    proxy_for: Callable[[Url], Proxy | None] | None
    unix_socket: str | None
    resolve_to: Mapping[str, Sequence[SocketAddr]]
    connect_to: Mapping[str, str]
    family: int
    source: SocketAddr | None
    deny_private: bool
    connect_timeout: float | None
    resolver: NameResolver | None
    http2_websockets: bool
    services: Services | None
    resume: bool
    early_data: bool
    server_names: Mapping[str, str]

    def __init__(
        self,
        versions: HttpVersions = HttpVersions.AUTO,
        tls: TlsConfig | None = None,
        proxy_for: Callable[[Url], Proxy | None] | None = None,
        unix_socket: str | None = None,
        resolve_to: Mapping[str, Sequence[SocketAddr]] | None = None,
        connect_to: Mapping[str, str] | None = None,
        family: int = 0,
        source: SocketAddr | None = None,
        deny_private: bool = False,
        connect_timeout: float | None = None,
        resolver: NameResolver | None = None,
        http2_websockets: bool = False,
        services: Services | None = None,
        resume: bool = True,
        early_data: bool = False,
        server_names: Mapping[str, str] | None = None,
    ) -> None:
        assign(self, "versions", HttpVersions(versions))
        assign(self, "tls", tls)
        assign(self, "proxy_for", proxy_for)
        assign(self, "unix_socket", unix_socket)
        assign(self, "resolve_to", dict(resolve_to or {}))
        assign(self, "connect_to", dict(connect_to or {}))
        assign(self, "family", family)
        assign(self, "source", source)
        assign(self, "deny_private", bool(deny_private))
        assign(self, "connect_timeout", connect_timeout)
        assign(self, "resolver", resolver)
        assign(self, "http2_websockets", bool(http2_websockets))
        assign(self, "services", services)
        assign(self, "resume", bool(resume))
        assign(self, "early_data", bool(early_data))
        assign(self, "server_names", dict(server_names or {}))
        if unix_socket is not None and deny_private:
            raise HttpError.InvalidValue("deny_private", "a Unix socket is always of this machine")
        if early_data and not resume:
            raise HttpError.InvalidValue("early_data", "only a connection that resumes a session sends any")

    def __hash__(self) -> int:
        raise TypeError("a DialConfig has mappings in it, and no hash")


def endpoint_of(host: str, port: int) -> str:
    """Host and port as the mappings of a `DialConfig` have them: `example.com:443`, `[2001:db8::1]:443`."""
    name = host.strip("[]").removesuffix(".")
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


class Route:
    """Where a URL leads: its origin, the proxy on the way, and the event loop that the connection is of.

    Equal routes may share connections. `loop` is 0 for the blocking form.
    """

    __slots__ = ("_hash", "_key", "host", "is_secure", "is_tunnelled", "loop", "name", "port", "proxy")

    def __init__(self, url: Url, proxy: Proxy | None, loop: int, *, is_tunnelled: bool = False) -> None:
        host, port = url.host, url.effective_port
        if url.scheme not in ("http", "https") or host is None or port is None:
            raise HttpError.InvalidUri(
                f"the scheme {url.scheme[:20]!r} is not one of HTTP", hint="write http:// or https://"
            )
        if not port:
            raise HttpError.InvalidUri("port 0 cannot be connected to")
        self.host = host
        self.port = port
        self.is_secure = url.scheme == "https"
        self.proxy = proxy
        self.loop = loop
        #: The name for TLS: without the final dot and without brackets.
        self.name = host.strip("[]").removesuffix(".")
        #: Whether a proxy is asked for a tunnel also where it could forward.
        self.is_tunnelled = is_tunnelled
        self._key = (self.is_secure, host, port, proxy, loop, is_tunnelled)
        self._hash = hash(self._key)

    @property
    def endpoint(self) -> str:
        """Host and port as text, `example.com:443`."""
        return endpoint_of(self.host, self.port)

    @property
    def is_forwarded(self) -> bool:
        """Whether the proxy gets the request itself, with its whole URL (RFC 9112 section 3.2.2)."""
        if self.proxy is None or self.is_tunnelled:
            return False
        return self.proxy.scheme == "http" and not self.is_secure

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Route) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<Route {'https' if self.is_secure else 'http'}://{self.endpoint}>"


class Link:
    """A connection that is made: the stream, whether it speaks HTTP/2, and what is known of it.

    `early` is a request that is on its way over it already, as early data or right after the handshake.
    """

    __slots__ = ("early", "info", "is_http2", "stream")

    def __init__(
        self,
        stream: ByteStream,
        is_http2: bool,
        info: ConnectionInfo,
        early: EarlyRequest | None = None,
    ) -> None:
        self.stream = stream
        self.is_http2 = is_http2
        self.info = info
        self.early = early

    def close(self) -> None:
        """Close the stream."""
        self.stream.close()


class Dialer:
    """Makes the connections of one client, by its `DialConfig`."""

    __slots__ = ("_routes", "_sessions", "_tls", "config")

    def __init__(self, config: DialConfig) -> None:
        self.config = config
        self._sessions: MemorySessionStore | None = None
        self._tls: dict[tuple[tuple[str, ...], bytes | None], TlsConfig] = {}
        self._routes: dict[tuple[str, int], Route] = {}  # those of the last origins, without a proxy
        if config.early_data:
            self._tls_config(_PROTOCOLS[config.versions], None)  # now, and not when something is connected

    def route(self, url: Url, loop: int, *, upgrades: bool = False) -> Route:
        """Where `url` leads. Raises HttpError.InvalidUri for a URL that is not one of HTTP.

        `upgrades`: the request asks for another protocol, which a proxy cannot forward: it is asked for a
        tunnel (RFC 6455 section 4.1).
        """
        key = (url.origin, loop)
        route = self._routes.get(key)
        if route is not None:
            return route
        proxy_for = self.config.proxy_for
        if proxy_for is not None and self.config.unix_socket is None:
            proxy = proxy_for(url)
            return Route(url, proxy, loop, is_tunnelled=upgrades and proxy is not None)
        route = Route(url, None, loop)
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        self._routes[key] = route
        return route

    def may_be_http2(self, route: Route) -> bool:
        """Whether one connection may turn out to be enough for many requests at once."""
        if self.config.versions is HttpVersions.AUTO:
            return route.is_secure
        return self.config.versions is HttpVersions.HTTP2

    def dial_flow(
        self,
        route: Route,
        timing: Timing,
        tell: Tell,
        *,
        http11: bool = False,
        early: EarlyRequest | None = None,
    ) -> Flow[Link]:
        """Flow: a new connection for `route`. `timing` gets the moments of its phases; `tell` learns of each.

        `http11`: of HTTP/1.1, whatever the settings prefer. `early`: a request that may go early.

        Raises the errors of the layers below: ResolveError, ConnectError, ProxyError, TlsError; and
        HttpError.ConnectionError for an address that `deny_private` forbids.
        """
        versions = HttpVersions.HTTP11 if http11 else self.config.versions
        endpoints = yield from self._endpoints(route, timing, versions)
        # RFC 9848 section 5.1: where every endpoint takes encrypted hellos, a connection by the origin alone
        # would show the name to whoever makes the endpoints fail.
        is_bound = bool(endpoints) and all(each.ech is not None for each in endpoints)
        for index, endpoint in enumerate(endpoints, 1):
            is_encrypted = endpoint.ech is not None
            tell("service", target=endpoint.host, port=endpoint.port, alpn=endpoint.alpn, ech=is_encrypted)
            if is_encrypted:
                from netkit.tls.backends import backend_for

                # That no backend encrypts hellos is no fault of the endpoint, and must be told.
                backend_for(self._tls_config(endpoint.alpn, endpoint.ech))
            try:
                return (yield from self._dial_endpoint(route, timing, tell, versions, endpoint, early))
            except (OSError, NetkitError) as error:
                # RFC 9460 section 3: the next one is tried, and in the end the origin by itself.
                log.debug("%s: the endpoint %s:%d: %s", route.name, endpoint.host, endpoint.port, error)
                if is_bound and index == len(endpoints):
                    raise
        return (yield from self._dial(route, timing, tell, versions, None, early))

    def _dial_endpoint(
        self,
        route: Route,
        timing: Timing,
        tell: Tell,
        versions: HttpVersions,
        endpoint: Endpoint,
        early: EarlyRequest | None,
    ) -> Flow[Link]:
        """Flow: a new connection at `endpoint`, its hello encrypted where the record says how.

        A server that cannot decrypt it proves that it has the public name, and says with what to come again,
        or that it decrypts none: then it gets a second connection, and never a third (RFC 9849 section
        6.1.6). What no backend can use is passed over, as an unknown version is (section 6.1).
        """
        if endpoint.ech is None:
            return (yield from self._dial(route, timing, tell, versions, endpoint, early))
        from netkit.tls.errors import TlsError

        again: bytes | None = None
        try:
            return (yield from self._dial(route, timing, tell, versions, endpoint, early, endpoint.ech))
        except TlsError.EchRejected as refused:
            again = refused.retry_configs
            tell("ech", target=endpoint.host, outcome="disabled" if again is None else "other keys")
        except TlsError.InvalidConfig as unknown:
            if unknown.setting != "ech_config_list":
                raise
            tell("ech", target=endpoint.host, outcome="unknown")
        return (yield from self._dial(route, timing, tell, versions, endpoint, early, again))

    def _endpoints(self, route: Route, timing: Timing, versions: HttpVersions) -> Flow[list[Endpoint]]:
        """Flow: the endpoints to try before the origin by itself."""
        config = self.config
        find, target = config.services, route.endpoint
        if (
            find is None
            or not route.is_secure
            or route.proxy is not None
            or config.unix_socket is not None
            or target in config.resolve_to
            or target in config.connect_to
            or ends_in_a_number(route.name)
            or ":" in route.name
        ):
            return []
        timing.phase = "dns"
        return (yield from find(route.name, route.port, _PROTOCOLS[versions]))

    def _dial(
        self,
        route: Route,
        timing: Timing,
        tell: Tell,
        versions: HttpVersions,
        endpoint: Endpoint | None,
        early: EarlyRequest | None,
        ech: bytes | None = None,
    ) -> Flow[Link]:
        """Flow: a new connection for `route`, at `endpoint` if there is one; `ech` encrypts its hello."""
        info = ConnectionInfo()
        stream = yield from self._connect(route, timing, info, tell, endpoint)
        try:
            if route.proxy is not None and not route.is_forwarded:
                timing.phase = "proxy"
                yield from self._tunnel(stream, route, route.proxy)
                timing.tunnelled = monotonic()
                tell("proxy", proxy=info.proxy, target=route.endpoint)
            if not route.is_secure:
                is_http2 = versions is HttpVersions.HTTP2 and not route.is_forwarded
                info.version = "2" if is_http2 else "1.1"
                return Link(stream, is_http2, info)
            protocols = _PROTOCOLS[versions] if endpoint is None else endpoint.alpn
            return (yield from self._secure(stream, route, timing, info, tell, protocols, early, ech))
        except BaseException:
            stream.close()
            raise

    def _connect(
        self, route: Route, timing: Timing, info: ConnectionInfo, tell: Tell, endpoint: Endpoint | None
    ) -> Flow[ByteStream]:
        config = self.config
        if config.unix_socket is not None:
            from netkit.net.unix import UnixStream

            unix = yield from UnixStream.connect_flow(config.unix_socket)
            info.unix_path = config.unix_socket
            timing.connected = monotonic()
            tell("connect", path=config.unix_socket)
            return unix

        from netkit.net.connect import connect_first, interleave
        from netkit.net.resolve import resolve_flow
        from netkit.net.tcp import TcpStream

        target = route.endpoint
        if route.proxy is not None:
            if config.deny_private:
                raise HttpError.InvalidRequest("deny_private cannot be kept through a proxy")
            target = str(route.proxy.endpoint)
            info.proxy = str(route.proxy)
        target = config.connect_to.get(target, target)
        addrs = list(config.resolve_to.get(target, ()))
        if endpoint is not None:
            target = f"{endpoint.host}:{endpoint.port}"
            addrs = [addr for addr in endpoint.addresses if config.family in (0, addr.family)]
        if not addrs:
            timing.phase = "dns"
            addrs = yield from resolve_flow(target, family=config.family, resolver=config.resolver)
            timing.resolved = monotonic()
            tell("dns", target=target, addresses=tuple(addrs))
        if config.deny_private:
            addrs = _public(addrs, target)
        timing.phase = "connect"
        made = yield from connect_first(interleave(addrs), target, config.source)
        stream = TcpStream._of(made)
        timing.connected = monotonic()
        stream.set_nodelay(True)
        info.peer = stream.peer_addr
        info.local = stream.local_addr
        info.attempts = tuple(made.attempts)
        tell("connect", target=target, peer=info.peer, local=info.local, attempts=info.attempts)
        return stream

    def _tunnel(self, stream: ByteStream, route: Route, proxy: Proxy) -> Flow[None]:
        from netkit.proxy.connect import tunnel_flow

        # Where the caller says the addresses, the proxy is not asked to look the name up.
        addrs = self.config.resolve_to.get(route.endpoint)
        yield from tunnel_flow(stream, proxy, addrs[0] if addrs else (route.name, route.port))

    def _secure(
        self,
        stream: ByteStream,
        route: Route,
        timing: Timing,
        info: ConnectionInfo,
        tell: Tell,
        protocols: tuple[str, ...],
        early: EarlyRequest | None,
        ech: bytes | None,
    ) -> Flow[Link]:
        from netkit.io import phase
        from netkit.tls.stream import TlsStream

        timing.phase = "tls"
        name = self.config.server_names.get(route.endpoint, route.name)
        with phase(f"in the TLS handshake with {name}", "tls"):
            tls = yield from TlsStream.connect_flow(
                stream,
                name,
                self._tls_config(protocols, ech),
                early_data=b"" if early is None else early.write,
            )
        timing.secured = monotonic()
        info.tls_version, info.cipher, info.alpn = tls.negotiated_version, tls.cipher, tls.alpn
        info.group, info.resumed, info.peer_chain = tls.group, tls.resumed, tls.peer_chain
        info.ocsp_response, info.ech_accepted = tls.ocsp_response, tls.ech_accepted
        info.early_data_accepted, info.tls_backend = tls.early_data_accepted, tls.backend
        tell(
            "tls",
            version=info.tls_version,
            cipher=info.cipher,
            group=info.group,
            alpn=info.alpn,
            resumed=info.resumed,
            ech=info.ech_accepted,
            chain=info.peer_chain,
            early=info.early_data_accepted,
        )
        is_http2 = tls.alpn == "h2"
        if protocols == ("h2",) and not is_http2:
            tls.close()
            raise HttpError.ConnectionError(
                f"{route.name} does not speak HTTP/2: it chose {tls.alpn or 'no protocol'} of ALPN",
                fault="peer",
            )
        info.version = "2" if is_http2 else "1.1"
        begun = early is not None and early.begun_for(tls.alpn)
        return Link(tls, is_http2, info, early if begun else None)

    def _tls_config(self, protocols: tuple[str, ...], ech: bytes | None) -> TlsConfig:
        config = self._tls.get((protocols, ech))
        if config is None:
            from netkit.tls.config import TlsConfig

            given = TlsConfig.client() if self.config.tls is None else self.config.tls
            config = given.replace(alpn_protocols=protocols)
            if ech is not None:
                config = config.replace(ech_config_list=ech, ech_grease=False)
            if self.config.resume:
                from netkit.tls.backends import resuming
                from netkit.tls.sessions import MemorySessionStore

                self._sessions = self._sessions or MemorySessionStore()
                config = resuming(config, self._sessions)
            if self.config.early_data:
                from netkit.tls.backends import sending_early

                config = sending_early(config)
            if len(self._tls) >= MAX_ROUTES:
                self._tls.clear()
            self._tls[protocols, ech] = config
        return config

    def close(self) -> None:
        """Forget the sessions of TLS: their secrets must not outlive the client."""
        if self._sessions is not None:
            self._sessions.clear()


def _public(addrs: Sequence[SocketAddr], target: str) -> list[SocketAddr]:
    """The addresses that may be connected to; the check is of the address itself, after the lookup.

    Raises HttpError.ConnectionError if none is left.
    """
    allowed = [addr for addr in addrs if _is_public(addr.unmapped.ip)]
    if not allowed:
        refused = ", ".join(str(addr.ip) for addr in addrs)
        raise HttpError.ConnectionError(
            f"{target} is at {refused}, which is not a public address", fault="caller"
        )
    return allowed


def _is_public(ip: IpAddr) -> bool:
    """Whether an address is of the Internet, and the IPv4 address that it stands for too, if it does.

    RFC 6052 section 2.1 (64:ff9b::/96), RFC 3056 section 2 (2002::/16), RFC 4291 section 2.5.5.1 (::/96): a
    gateway on the way would connect to that one. RFC 8215 (64:ff9b:1::/48) and RFC 3879 (fec0::/10): local.
    """
    if ip.version == 6:
        number = int(ip)
        first = number >> 112
        if number >> 32 in (0x64_FF9B << 64, 0):
            return _is_public(Ipv4Addr(number & 0xFFFF_FFFF))
        if first == 0x2002:
            return _is_public(Ipv4Addr(number >> 80 & 0xFFFF_FFFF))
        if number >> 80 == 0x64_FF9B_0001 or first & 0xFFC0 == 0xFEC0:
            return False
    return ip.is_global and not ip.is_multicast
