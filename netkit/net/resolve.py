"""From a name to addresses, as this system does it, without blocking other flows.

getaddrinfo(3) knows hosts files, search lists, mDNS and every other source in nsswitch.conf, and orders the
addresses by RFC 6724. But it blocks, sometimes for seconds. So it runs in a thread (see `look_ups`), and the
flow waits for its answer. A deadline or a cancellation ends only this wait: the thread cannot be interrupted,
and is free again when getaddrinfo returns. Numeric addresses do not need it.

Callers with their own resolver (`netkit.dns`) pass a function of this module's type.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TypeAlias

from netkit.addr import HostPort, SocketAddr, SocketAddrsLike, to_socket_addrs_parts
from netkit.io import Flow, phase
from netkit.net import look_ups
from netkit.net.errors import ResolveError

#: Looks a host name up: `resolver(host, port, family)` is a flow of the addresses to try, in order.
#: `family` is 0 for both, `socket.AF_INET` or `socket.AF_INET6`.
NameResolver: TypeAlias = Callable[[str, int, int], Flow[list[SocketAddr]]]


def resolve_flow(
    target: SocketAddrsLike,
    *,
    default_port: int | None = None,
    family: int = 0,
    resolver: NameResolver | None = None,
) -> Flow[list[SocketAddr]]:
    """Flow: the socket addresses of `target`, in the order to try them; never empty.

    Raises AddrParseError for text that is not an endpoint, ResolveError if the system knows no address (of
    that family), and the errors of `resolver` if one is given.
    """
    if not isinstance(target, (str, tuple, HostPort, SocketAddr)) and hasattr(target, "to_socket_addrs"):
        found = list(target.to_socket_addrs())
        host = str(target)
    else:
        if isinstance(target, SocketAddr):
            found, host = [target], str(target.ip)
        else:
            parts = to_socket_addrs_parts(target, default_port)
            host = str(parts.host)
            numeric = parts.socket_addr
            if numeric is not None:
                found = [numeric]
            else:
                with phase(f"resolving {host}", "resolve"):
                    return (yield from (resolver or system_resolver)(host, parts.port, family))
    found = [addr for addr in found if family in (0, addr.family)]
    if not found:
        version, other = (4, 6) if family == socket.AF_INET else (6, 4)
        failure = ResolveError(host, getattr(socket, "EAI_ADDRFAMILY", None), f"not an IPv{version} address")
        failure.hint = f"it is an IPv{other} address; the family asked for, or the source, is IPv{version}"
        raise failure
    return found


def listening_addrs(target: SocketAddrsLike) -> Flow[list[SocketAddr]]:
    """Flow: like `resolve_flow`, for a listener: `":PORT"` means every address of this machine.

    IPv6's wildcard comes first, because it includes IPv4; IPv4's is for a machine without IPv6.
    """
    if isinstance(target, str) and target.startswith(":") and not target.startswith("::"):
        port = to_socket_addrs_parts(target).port
        return [SocketAddr.new(wildcard, port) for wildcard in ("::", "0.0.0.0")]
    return (yield from resolve_flow(target))


def system_resolver(host: str, port: int, family: int = 0) -> Flow[list[SocketAddr]]:
    """Flow: the addresses of `host` from getaddrinfo(3), in its order (RFC 6724), each address once.

    An empty host is the loopback address. Raises ResolveError.
    """
    try:
        found = yield from look_ups.look_ups.ask((host, port, family))
    except socket.gaierror as error:
        raise ResolveError(host, error.errno, error.strerror or str(error)) from None
    except ValueError:  # also what the encoding as idna says
        raise ResolveError(host, getattr(socket, "EAI_NONAME", None), "not a valid host name") from None
    if not found:
        raise ResolveError(host, getattr(socket, "EAI_NONAME", None), "no address")
    return found
