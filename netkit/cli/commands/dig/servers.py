"""Whom `netkit dig` asks: servers as they were given, and the upstreams of the library that they become.

A server is `@ADDRESS` or `@NAME`, asked over what the flags say (UDP, `+tcp`, `+tls`, `+https`), or a URL,
which says it itself: `@tcp://`, `@tls://ADDRESS#NAME`, `@https://HOST/PATH{?dns}`. A name is looked up once,
as this system does it, however many queries its server gets; each of its addresses is a server to ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from netkit.cli.frame.options import WrongValue
from netkit.cli.payload.dns.tls import parse_upstream
from netkit.dns.constants import DNS_PORT
from netkit.dns.errors import DnsError
from netkit.io import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netkit.addr import IpAddr, SocketAddr
    from netkit.cli.payload.dns.tls import DnsTlsOptions
    from netkit.dns.policy.upstream import Transport, Upstream
    from netkit.dns.system import ResolvConf
    from netkit.io import Flow

FORM = "write @ADDRESS or @NAME, with a port if it is not 53: @192.0.2.53:5353, @[2001:db8::53]:5353"


class NoServer(DnsError):
    """There is no server to ask: its name has no address, or no address of the family that was given."""

    fault = "caller"
    hint = "name the server by its address, as in @192.0.2.53"

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__()
        self.reason = reason
        self.hint = hint or self.hint

    def __str__(self) -> str:
        return self.reason


class Server(NamedTuple):
    """A server as it was given: `host` is a name or an address, `port` None if there was none.

    `transport` is what a URL says, None without one; `upstream` is the rest of a URL over TLS or HTTPS.
    """

    host: str | Any
    port: int | None
    transport: Transport | None = None
    upstream: Upstream | None = None


def parse_server(text: str) -> Server:
    """A server: `192.0.2.53`, `ns1:5353`, `[::1]:53`, dig's `::1#53`, or a URL. Raises WrongValue."""
    if "://" in text:
        return _parse_url(text)
    return Server(*_parse_place(text, text))


def _parse_place(text: str, written: str) -> tuple[str | Any, int | None]:
    from netkit.addr import AddrParseError, HostPort, parse_port
    from netkit.addr.text import split_port

    before, sign, behind = text.partition("#")
    port: int | None
    try:
        if sign:
            host, port = HostPort.parse(before, 0, "udp").host, parse_port(behind, "udp")
        else:
            found = HostPort.parse(text, 0, "udp")
            if not found.host:
                raise WrongValue(f"@{written}: the server's address is missing", FORM)
            host, port = found.host, None if split_port(text, FORM)[1] is None else found.port
    except AddrParseError as error:
        raise WrongValue(f"@{written} is not a server: {error.reason}", FORM) from None
    check_port(port, f"@{written}")
    return host, port


def check_port(port: int | None, written: str) -> None:
    """Raise WrongValue for a port that nobody is asked at, which stands in `written`."""
    if port == 0:
        raise WrongValue(
            f"{written}: nobody can be asked at port 0", "leave it out for the port of the transport"
        )


def _parse_url(text: str) -> Server:
    from netkit.dns.policy.upstream import Transport

    scheme, _, rest = text.partition("://")
    if scheme.lower() in ("udp", "tcp"):  # by name as well, which is looked up here
        return Server(*_parse_place(rest, text), Transport(scheme.lower()))
    found = parse_upstream(text, "@")
    host = found.tls_name if found.addr is None else found.addr.ip
    return Server(host, found.port, found.transport, found)


class Servers:
    """The upstreams of servers. `port` is in place of the transport's; `family` 4 or 6 limits addresses.

    The flags of a query may have a `port`, a `family` and a `source` of its own.
    """

    def __init__(self, port: int | None, family: int | None) -> None:
        self._port = port
        self._family = family
        self._conf: ResolvConf | None = None
        self._known: dict[str, list[SocketAddr] | Exception] = {}
        self._look_ups: SingleFlight[str, list[SocketAddr] | Exception] = SingleFlight()

    def upstreams(self, servers: Sequence[Server], flags: Mapping[str, Any]) -> Flow[list[Upstream]]:
        """Flow: whom to ask, in order; resolv.conf's servers if none is given. Raises NoServer."""
        found: list[Upstream] = []
        own_port = self.port_of(flags)
        family = self.family_of(flags)
        if not servers:
            by_flags = transport_of(flags)
            for addr in _usable(self.conf.servers, family, "the servers of resolv.conf"):
                is_changed = by_flags.is_encrypted or own_port is not None
                at = _at(addr, own_port or by_flags.default_port) if is_changed else addr
                found.append(_upstream(at, by_flags, None, flags))
            return found
        for server in servers:
            host = server.host
            transport = server.transport or transport_of(flags)
            if isinstance(host, str):
                addresses = yield from self._look_up(host)
            else:
                addresses = [_at(host, 0)]
            port = server.port or own_port or transport.default_port
            if flags.get("mapped") and family == 6:
                addresses = [_mapped(each) for each in addresses]
            for each in _usable(addresses, family, f"the server {host}"):
                at = _at(each, port)
                if server.upstream is not None:
                    found.append(_with_flags(server.upstream.replace(addr=at), flags))
                else:
                    found.append(_upstream(at, transport, host if isinstance(host, str) else None, flags))
        return found

    @property
    def conf(self) -> ResolvConf:
        """This system's resolv.conf. Raises OSError."""
        if self._conf is None:
            from netkit.dns.system import ResolvConf

            self._conf = ResolvConf.load()
        return self._conf

    def port_of(self, flags: Mapping[str, Any]) -> int | None:
        """The port of servers without one, for a query with these flags; None for that of the transport."""
        port: int | None = flags.get("port", self._port)
        return port

    def family_of(self, flags: Mapping[str, Any]) -> int | None:
        """The version of IP for a query with these flags; None for both."""
        family: int | None = flags.get("family", self._family)
        return family

    def _look_up(self, host: str) -> Flow[list[SocketAddr]]:
        found = self._known.get(host)
        if found is None:
            found = yield from self._look_ups.do(host, lambda: self._ask_system(host))
            self._known[host] = found
        if isinstance(found, Exception):
            raise found
        return found

    def _ask_system(self, host: str) -> Flow[list[SocketAddr] | Exception]:
        from netkit.net.errors import ResolveError
        from netkit.net.resolve import resolve_flow

        try:
            return (yield from resolve_flow((host, DNS_PORT)))
        except ResolveError as error:
            return NoServer(f"the server {host}: {error.reason}")
        except OSError as error:
            return error


def _usable(addresses: Iterable[SocketAddr], family: int | None, whose: str) -> list[SocketAddr]:
    found = [each for each in addresses if family in (None, each.ip.version)]
    if not found:
        raise NoServer(
            f"{whose}: no IPv{family} address",
            f"name one that has, or leave out what asks for IPv{family}: -{family}, or the address of -b",
        )
    return found


def transport_of(flags: Mapping[str, Any]) -> Transport:
    """What the flags say about servers that are not given as URLs. TCP is a matter of each query."""
    from netkit.dns.policy.upstream import Transport

    if _is_https(flags):
        return Transport.HTTPS
    return Transport.TLS if flags.get("tls") else Transport.UDP


#: Flags that say how TLS is spoken.
_OF_TLS = ("tls-ca", "tls-hostname", "tls-pin", "tls-certfile", "tls-keyfile")


def check_transport(
    servers: Iterable[Server],
    flags: Mapping[str, Any],
    how: DnsTlsOptions | None,
    *,
    is_any: bool,
    is_transfer: bool = False,
) -> None:
    """Raise WrongValue where flags, options, and the URLs of servers contradict each other.

    `is_any` is for a query that goes over TCP, such as one for ANY; `is_transfer` for one for a zone, which
    goes over TCP or TLS.
    """
    from netkit.dns.policy.upstream import Transport

    is_https = _is_https(flags)
    if is_https and flags.get("tls"):
        raise WrongValue("+tls and +https exclude each other", "leave one of the two out")
    wanted = Transport.HTTPS if is_https else Transport.TLS if flags.get("tls") else None
    over_tcp = flags.get("tcp", is_any)
    used = wanted or (Transport.TCP if over_tcp else Transport.UDP)
    for server in servers:
        if wanted is not None and server.transport not in (None, wanted):
            raise WrongValue(
                f"+{wanted} contradicts @{server.transport}://, which says how to ask",
                "leave one of the two out",
            )
    every = [server.transport or used for server in servers] or [used]
    if is_transfer and Transport.HTTPS in every:
        raise WrongValue(
            "zones are transferred over TCP and TLS, not over HTTPS", "use +tls, or no flag for TCP"
        )
    if not any(each.is_encrypted for each in every):
        given = [f"+{name}" for name in _OF_TLS if flags.get(name)]
        if how is not None:
            given += how.given
        if given:
            raise WrongValue(f"{given[0]} is for TLS", "add +tls or +https, or write @tls://ADDRESS")
    if flags.get("tls-keyfile") and not (flags.get("tls-certfile") or (how is not None and how.cert)):
        raise WrongValue("+tls-keyfile is for +tls-certfile", "add +tls-certfile=FILE, or leave it out")
    if Transport.HTTPS in every:
        for name in ("proxy", "proxy-plain"):
            if flags.get(name):
                raise WrongValue(f"+{name} is for UDP, TCP and TLS", "leave it out, or +https")
    if how is not None and how.proxy is not None and Transport.UDP in every and not over_tcp:
        raise WrongValue(
            "UDP does not go through a proxy", "add +tcp, +tls or +https, or write @tcp://ADDRESS"
        )


def _is_https(flags: Mapping[str, Any]) -> bool:
    return any(flags.get(name) for name in ("https", "https-get", "https-post"))


def _upstream(addr: SocketAddr, transport: Transport, host: str | None, flags: Mapping[str, Any]) -> Upstream:
    from netkit.dns.name import Name
    from netkit.dns.policy.upstream import Upstream

    if not transport.is_encrypted:
        return Upstream(addr, transport)
    name = None if host is None else Name.parse(host).to_text(omit_final_dot=True)
    return _with_flags(Upstream(addr, transport, name), flags)


def _with_flags(upstream: Upstream, flags: Mapping[str, Any]) -> Upstream:
    """The upstream with what the flags say of TLS and HTTPS, besides what its URL says."""
    from netkit.dns.policy.upstream import Transport

    changes: dict[str, Any] = {}
    if flags.get("tls-hostname"):
        changes["tls_name"] = flags["tls-hostname"]
    if flags.get("tls-pin"):
        changes["pins"] = flags["tls-pin"]
    if upstream.transport is Transport.HTTPS:
        for name, method in (("https", None), ("https-post", "POST"), ("https-get", "GET")):
            value = flags.get(name)
            if isinstance(value, str):
                changes["path"] = value
            if value and method is not None:
                changes["method"] = method
    return upstream.replace(**changes) if changes else upstream


def _at(address: SocketAddr | IpAddr, port: int) -> SocketAddr:
    """The same address with another port; an IPv6 address keeps its scope."""
    from netkit.addr import SocketAddr

    return SocketAddr.new(address.ip if isinstance(address, SocketAddr) else address, port)


def _mapped(address: SocketAddr) -> SocketAddr:
    """An IPv4 address as IPv6 sockets have it (RFC 4291 section 2.5.5.2); an IPv6 address as it is."""
    from netkit.addr import SocketAddr

    if address.ip.version == 6:
        return address
    return SocketAddr.new(f"::ffff:{address.ip}", address.port)
