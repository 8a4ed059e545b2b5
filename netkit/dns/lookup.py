"""The quick helpers: they find the addresses of a host or the names of an address as this system does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from netkit.addr import AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr
from netkit.addr.text import ends_in_a_number
from netkit.dns.errors import DnsError
from netkit.dns.name import Name
from netkit.dns.resolver import Resolver
from netkit.io import deadline_after, run, run_async

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from netkit.io import CancellationToken

_making = threading.Lock()
_resolver: Resolver | None = None


def system_resolver() -> Resolver:
    """Return the helpers' shared resolver; the first call makes it from resolv.conf(5) and hosts(5)."""
    global _resolver
    with _making:
        if _resolver is None:
            _resolver = Resolver()
        return _resolver


def lookup_host(
    host: str, *, timeout: float | None = None, cancel: CancellationToken | None = None
) -> list[IpAddr]:
    """The addresses of `host`, in the order to try them (RFC 6724). Raises DnsError."""
    return run(system_resolver().host_flow(host), deadline=deadline_after(timeout), cancel=cancel)


async def lookup_host_async(
    host: str, *, timeout: float | None = None, cancel: CancellationToken | None = None
) -> list[IpAddr]:
    """The addresses of `host`, in the order to try them (RFC 6724). Raises DnsError."""
    return await run_async(system_resolver().host_flow(host), deadline=deadline_after(timeout), cancel=cancel)


def lookup_host_v4(
    host: str, *, timeout: float | None = None, cancel: CancellationToken | None = None
) -> list[Ipv4Addr]:
    """The IPv4 addresses of `host`."""
    found = run(system_resolver().host_flow(host, 4), deadline=deadline_after(timeout), cancel=cancel)
    return [address for address in found if isinstance(address, Ipv4Addr)]


async def lookup_host_v4_async(
    host: str, *, timeout: float | None = None, cancel: CancellationToken | None = None
) -> list[Ipv4Addr]:
    """The IPv4 addresses of `host`."""
    flow = system_resolver().host_flow(host, 4)
    found = await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)
    return [address for address in found if isinstance(address, Ipv4Addr)]


def lookup_host_v6(
    host: str, *, timeout: float | None = None, cancel: CancellationToken | None = None
) -> list[Ipv6Addr]:
    """The IPv6 addresses of `host`."""
    found = run(system_resolver().host_flow(host, 6), deadline=deadline_after(timeout), cancel=cancel)
    return [address for address in found if isinstance(address, Ipv6Addr)]


async def lookup_host_v6_async(
    host: str, *, timeout: float | None = None, cancel: CancellationToken | None = None
) -> list[Ipv6Addr]:
    """The IPv6 addresses of `host`."""
    flow = system_resolver().host_flow(host, 6)
    found = await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)
    return [address for address in found if isinstance(address, Ipv6Addr)]


def lookup_addr(
    address: IPv4Address | IPv6Address | str,
    *,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> str:
    """The name of an address (the first, where it has several). Raises DnsError."""
    flow = system_resolver().reverse_flow(address)
    return _first(run(flow, deadline=deadline_after(timeout), cancel=cancel), address)


async def lookup_addr_async(
    address: IPv4Address | IPv6Address | str,
    *,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> str:
    """The name of an address (the first, where it has several). Raises DnsError."""
    flow = system_resolver().reverse_flow(address)
    return _first(await run_async(flow, deadline=deadline_after(timeout), cancel=cancel), address)


def resolve(
    host: str, port: int, *, timeout: float | None = None, cancel: CancellationToken | None = None
) -> list[SocketAddr]:
    """The socket addresses of `host` and `port`."""
    return [SocketAddr.new(address, port) for address in lookup_host(host, timeout=timeout, cancel=cancel)]


async def resolve_async(
    host: str, port: int, *, timeout: float | None = None, cancel: CancellationToken | None = None
) -> list[SocketAddr]:
    """The socket addresses of `host` and `port`."""
    addresses = await lookup_host_async(host, timeout=timeout, cancel=cancel)
    return [SocketAddr.new(address, port) for address in addresses]


def is_valid_domain(text: str) -> bool:
    """Whether `text` is a host name: letters, digits and inner hyphens (RFC 1123 section 2.1), or in Unicode.

    The root and addresses are not host names. A name that ends in a number is not one either, because some
    systems read it as an address (WHATWG URL section 3.5; RFC 3696 section 2: no top-level domain is all
    digits).
    """
    if is_ip_address(text) or ends_in_a_number(text):
        return False
    try:
        name = Name.parse(text)
    except DnsError:
        return False
    return name.is_hostname and not name.is_root


def is_ip_address(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address."""
    try:
        IpAddr.parse(text)
    except AddrParseError:
        return False
    return True


def _first(names: list[str], address: object) -> str:
    if not names:
        raise DnsError.NoData(name=str(address))
    return names[0]
