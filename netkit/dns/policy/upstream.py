"""`Upstream`: a name server to ask, with its transport and what that needs: TLS name, pins, path, method.

    Upstream.parse("192.0.2.1")                                     UDP (and TCP for what is too large), port
    53 Upstream.parse("tcp://[2001:db8::1]:5353")                      TCP only
    Upstream.parse("tls://192.0.2.1#dns.example")                   TLS (RFC 7858), port 853
    Upstream.parse("https://dns.example/dns-query{?dns}")           HTTPS (RFC 8484) with GET
    Upstream.parse("https://192.0.2.1/dns-query#dns.example")       HTTPS with POST, address and TLS name
    apart

The host in the text is where to connect. The fragment is the name in the server's certificate; without a
fragment it is the host. A TLS or HTTPS server may be given by name alone. Then `addr` is None, and `replace`
makes the upstream with an address when somebody has looked the name up ("bootstrap").

An `Upstream` is identity only, immutable and hashable. What was learnt of a server is in
`netkit.dns.policy.knowledge`, because it changes.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from netkit.addr import HostPort, SocketAddr
from netkit.dns.constants import DNS_PORT
from netkit.dns.errors import DnsError
from netkit.dns.name import Name
from netkit.dns.value import Value, assign

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from ipaddress import IPv4Address, IPv6Address
    from typing import TypeAlias

    #: A server: `"192.0.2.53"`, `"tls://192.0.2.53#dns.example"`, an address, a SocketAddr, an Upstream.
    UpstreamLike: TypeAlias = "Upstream | SocketAddr | IPv4Address | IPv6Address | str"

#: What RFC 8484 section 4.1.1 calls the variable of the URI template: a path that ends so is asked with GET.
_TEMPLATE = "{?dns}"
#: The path where a URL has none: the one that RFC 8484 uses throughout, and resolvers serve.
DEFAULT_PATH = "/dns-query"


class Transport(Enum):
    """How queries travel to a server; the value is the name in texts and in JSON."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    HTTPS = "https"

    # By identity: the hash of `Enum` is that of the member's name, by way of Python code.
    __hash__ = object.__hash__

    @property
    def default_port(self) -> int:
        """RFC 1035 section 4.2, RFC 7858 section 3.1, RFC 8484 section 5 (HTTPS's own)."""
        return _PORTS[self]

    @property
    def is_encrypted(self) -> bool:
        """Whether nobody on the way can read or change the messages."""
        return self in (Transport.TLS, Transport.HTTPS)

    def __str__(self) -> str:
        return self.value


_PORTS = {Transport.UDP: DNS_PORT, Transport.TCP: DNS_PORT, Transport.TLS: 853, Transport.HTTPS: 443}


class Upstream(Value):
    """A name server to ask.

    `addr` is its address (None: look `tls_name` up first, and use `port`). `transport` is how it is asked;
    UDP means that TCP may be used for answers that do not fit. `tls_name` is the name that its certificate
    must have (None: the address itself). `pins` are SHA-256 hashes of public keys (SPKI), 32 octets each, one
    of which the certificate must have (RFC 7858 section 4.2); empty: any. `path` and `method` ("GET" or
    "POST") are for HTTPS.

    Raises DnsError.InvalidValue for a combination that cannot be asked.
    """

    __slots__ = ("_hash", "addr", "method", "path", "pins", "port", "tls_name", "transport")
    __match_args__ = ("addr", "transport", "tls_name", "pins", "path", "method", "port")

    addr: SocketAddr | None
    transport: Transport
    tls_name: str | None
    pins: tuple[bytes, ...]
    path: str
    method: str
    port: int
    _hash: int

    def __init__(
        self,
        addr: SocketAddr | None,
        transport: Transport = Transport.UDP,
        tls_name: str | None = None,
        pins: Iterable[bytes] = (),
        path: str = "",
        method: str = "",
        port: int = 0,
    ) -> None:
        if addr is None and (tls_name is None or not transport.is_encrypted):
            raise DnsError.InvalidValue("addr", addr, f"a server over {transport} needs an address")
        if tls_name is not None and not transport.is_encrypted:
            raise DnsError.InvalidValue("tls_name", tls_name, f"there is no certificate over {transport}")
        hashes = tuple([bytes(pin) for pin in pins])
        for pin in hashes:
            if len(pin) != 32:
                raise DnsError.InvalidValue("pins", pin, "a SHA-256 hash has 32 octets", limit=32)
        if hashes and not transport.is_encrypted:
            raise DnsError.InvalidValue("pins", hashes[0], f"there is no certificate over {transport}")
        if transport is Transport.HTTPS:
            path, method = path or DEFAULT_PATH, method or "POST"
            if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
                raise DnsError.InvalidValue("path", path, "must begin with / and be printable ASCII")
            if method not in ("GET", "POST"):
                raise DnsError.InvalidValue("method", method, "must be GET or POST")
        elif path or method:
            raise DnsError.InvalidValue("path", path or method, f"there is no path over {transport}")
        assign(self, "addr", addr)
        assign(self, "transport", transport)
        assign(self, "tls_name", tls_name)
        assign(self, "pins", hashes)
        assign(self, "path", path)
        assign(self, "method", method)
        assign(self, "port", addr.port if addr is not None else port or transport.default_port)
        assign(self, "_hash", hash(self._values()))  # it is looked up several times in each question

    @classmethod
    def parse(cls, text: str) -> Upstream:
        """Read a server, as the module's docstring shows.

        Raises DnsError.InvalidValue, and AddrParseError for a wrong address or port.
        """
        scheme, separator, rest = text.partition("://")
        if not separator:
            scheme, rest = "udp", text
        try:
            transport = Transport(scheme.lower())
        except ValueError:
            known = ", ".join(f"{each}://" for each in Transport)
            raise DnsError.InvalidValue("server", text, f"netkit asks over {known}") from None
        rest, _, fragment = rest.partition("#")
        method = path = ""
        if transport is Transport.HTTPS:
            rest, slash, tail = rest.partition("/")
            path = slash + tail
            if path.endswith(_TEMPLATE):
                path, method = path.removesuffix(_TEMPLATE), "GET"
            if "{" in path or "?" in path:
                raise DnsError.InvalidValue(
                    "server", text, f"a path may end in {_TEMPLATE}, and in nothing else"
                )
        elif "/" in rest:
            raise DnsError.InvalidValue("server", text, f"there is no path over {transport}")
        if fragment:
            if not transport.is_encrypted:
                raise DnsError.InvalidValue("server", text, f"there is no certificate over {transport}")
            fragment = _host_name(fragment, text)
        place = HostPort.parse(rest, transport.default_port, "udp" if transport is Transport.UDP else "tcp")
        if place.port == 0:
            raise DnsError.InvalidValue("server", text, "nobody can be asked at port 0")
        addr = place.socket_addr
        if addr is not None:
            return cls(addr, transport, fragment or None, (), path, method)
        if not transport.is_encrypted:
            raise DnsError.InvalidValue("nameserver", text, "must be an address, such as 192.0.2.53")
        name = _host_name(str(place.host), text)
        if fragment and fragment.lower() != name.lower():
            raise DnsError.InvalidValue("server", text, "has two names: with #name, the host is an address")
        return cls(None, transport, name, (), path, method, place.port)

    @classmethod
    def of(cls, server: UpstreamLike) -> Upstream:
        """The upstream for a server in any form; an address alone means UDP to port 53."""
        if isinstance(server, Upstream):
            return server
        if isinstance(server, str):
            return cls.parse(server)
        if isinstance(server, SocketAddr):
            return cls(server)
        return cls(SocketAddr.new(server, DNS_PORT))

    @classmethod
    def several(cls, servers: Iterable[UpstreamLike]) -> tuple[Upstream, ...]:
        """The upstreams for servers in any form; text is one server, not one for each character."""
        return tuple([cls.of(each) for each in ((servers,) if isinstance(servers, str) else servers)])

    @property
    def server(self) -> SocketAddr | str:
        """What errors and replies name as the server: its address, or the text of one without an address."""
        return str(self) if self.addr is None else self.addr

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        host = f"{self.tls_name}:{self.port}" if self.addr is None else str(self.addr)
        if self.transport is Transport.UDP:
            return host
        template = _TEMPLATE if self.method == "GET" else ""
        name = f"#{self.tls_name}" if self.tls_name is not None and self.addr is not None else ""
        return f"{self.transport}://{host}{self.path}{template}{name}"


def _host_name(name: str, text: str) -> str:
    """A host name as certificates have it, IDNA in ASCII. Raises DnsError.InvalidValue about `text`."""
    try:
        found = Name.parse(name)
    except DnsError.InvalidName as error:
        raise DnsError.InvalidValue("server", text, f"{name!r} is not a host name: {error.reason}") from None
    if not name or not found.is_hostname or found.is_root:
        raise DnsError.InvalidValue("server", text, "must be an address or a host name")
    return found.to_text(omit_final_dot=True)


class Routes:
    """Which upstreams are asked for which names ("split DNS"): `Routes(public, {"corp.example": [inner]})`.

    `upstreams` are asked for every name that is in no domain of `domains`. Of several domains the longest
    counts. A domain with no upstreams is not asked for anywhere: its names have no answer (TryAgain).
    """

    def __init__(
        self,
        upstreams: Iterable[UpstreamLike],
        domains: Mapping[str, Iterable[UpstreamLike]] | Mapping[Name, Iterable[UpstreamLike]] = {},
    ) -> None:
        self.upstreams = Upstream.several(upstreams)
        self.domains = {Name.of(domain): Upstream.several(servers) for domain, servers in domains.items()}

    def for_name(self, name: Name) -> Sequence[Upstream]:
        """The upstreams to ask for `name`."""
        if not self.domains:
            return self.upstreams
        domain = self.domain_of(name)
        return self.upstreams if domain is None else self.domains[domain]

    def domain_of(self, name: Name) -> Name | None:
        """The domain of the table that `name` is in; None if the table has none for it."""
        if not self.domains:
            return None
        return next((above for above in name.ancestors() if above in self.domains), None)
