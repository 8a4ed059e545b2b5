"""The order in which to try the addresses of a host: RFC 6724, destination address selection.

`order_destinations` asks the kernel which source address it would use for each destination (it connects a UDP
socket, which chooses a route and sends nothing). `sort_destinations` then compares, by section 6:

    1  what can be reached before what cannot          6  higher precedence in the policy table
    2  the scope of its source matches                 8  smaller scope
    5  the label of its source matches                 9  longer prefix shared with its source
                                                      10  otherwise the order they came in

Rules 3 (deprecated sources), 4 (mobile IPv6) and 7 (native transport) need facts that a socket cannot give.
Rule 9 is applied to IPv6 only: within IPv4 it would undo the rotation of a name server, only because
addresses happen to share bits. The C libraries do not apply it there either, and section 6 allows this
choice.

The policy table is section 2.1's default.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple

from netkit.addr import AddrParseError, IpAddr, Ipv4Addr, SocketAddr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Destination(NamedTuple):
    """An address, and the local address that would be used to reach it (None: it is unreachable)."""

    address: IpAddr
    source: IpAddr | None


class Policy(NamedTuple):
    """A line of the policy table (RFC 6724 section 2.1)."""

    prefix: int
    length: int
    precedence: int
    label: int


#: RFC 6724 section 2.1, longest prefix first, so that the first match is the right one.
DEFAULT_POLICY = (
    Policy(1, 128, 50, 0),  # ::1/128
    Policy(0xFFFF << 32, 96, 35, 4),  # ::ffff:0:0/96: every IPv4 address
    Policy(0, 96, 1, 3),  # ::/96
    Policy(0x2001_0000 << 96, 32, 5, 5),  # 2001::/32, Teredo
    Policy(0x2002 << 112, 16, 30, 2),  # 2002::/16, 6to4
    Policy(0x3FFE << 112, 16, 1, 12),  # 3ffe::/16, 6bone
    Policy(0xFEC0 << 112, 10, 1, 11),  # fec0::/10
    Policy(0xFC00 << 112, 7, 3, 13),  # fc00::/7
    Policy(0, 0, 40, 1),  # ::/0
)

#: Scopes (RFC 4291 section 2.7, RFC 6724 section 3.1).
LINK_LOCAL, SITE_LOCAL, GLOBAL = 0x2, 0x5, 0xE

#: The longest common IPv6 prefix that counts; the bits after it identify the interface (section 2.2). A
#: socket does not give the length of a source's own prefix, but nearly all have this length.
_PREFIX_LENGTH = 64

#: Routing ignores the port; the discard port shows that nothing is sent.
_ANY_PORT = 9


def sort_destinations(destinations: Iterable[Destination]) -> list[Destination]:
    """The destinations in the order to try them: RFC 6724 section 6, from the given sources alone."""
    # Rule 9 compares within a family, but it can be part of one key for all: IPv4 has one precedence, which
    # no IPv6 address has, so rule 6 has already decided between families.
    return sorted(destinations, key=_key)


def order_destinations(
    addresses: Iterable[IpAddr], source_of: Callable[[IpAddr], IpAddr | None] | None = None
) -> list[Destination]:
    """`addresses` in the order to try them, each with the local address that would be used to reach it.

    `source_of` returns that local address; the default is `source_address`.
    """
    find = source_of or source_address
    return sort_destinations([Destination(address, find(address)) for address in addresses])


def source_address(address: IpAddr) -> IpAddr | None:
    """The local address of packets to `address`; None if there is no route. Nothing is sent."""
    addr = SocketAddr.new(address, _ANY_PORT)
    try:
        with socket.socket(addr.family, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(addr.to_sockaddr())
            return SocketAddr.from_sockaddr(sock.getsockname()).ip
    except (OSError, AddrParseError):
        return None  # no route, no such zone, or this machine does not have the family


def policy_of(address: IpAddr) -> Policy:
    """The line of the policy table for `address`."""
    bits = _bits(address)
    return next(
        line for line in DEFAULT_POLICY if (bits ^ line.prefix) >> (128 - line.length) == 0
    )  # the last line matches everything


def scope_of(address: IpAddr) -> int:
    """The scope of an address, as a number of multicast scopes.

    RFC 6724 sections 3.1 (unicast IPv6, whose loopback counts as link-local) and 3.2 (IPv4).
    """
    bits = _bits(address)
    if bits >> 32 == 0xFFFF:
        v4 = bits & 0xFFFFFFFF
        return LINK_LOCAL if v4 >> 24 == 127 or v4 >> 16 == 0xA9FE else GLOBAL
    if bits >> 120 == 0xFF:
        return bits >> 112 & 0xF
    if bits == 1 or bits >> 118 == 0xFE80 >> 6:
        return LINK_LOCAL
    return SITE_LOCAL if bits >> 118 == 0xFEC0 >> 6 else GLOBAL


def common_prefix_length(source: IpAddr, destination: IpAddr) -> int:
    """How many leading bits two IPv6 addresses share, without the bits of the interface: 0 to 64."""
    return min(128 - (_bits(source) ^ _bits(destination)).bit_length(), _PREFIX_LENGTH)


def _key(destination: Destination) -> tuple[int, ...]:
    address, source = destination
    policy, scope = policy_of(address), scope_of(address)
    if source is None:
        return 1, 0, 0, -policy.precedence, scope, 0
    shared = 0 if _bits(address) >> 32 == 0xFFFF else common_prefix_length(source, address)
    return (
        0,
        int(scope != scope_of(source)),
        int(policy.label != policy_of(source).label),
        -policy.precedence,
        scope,
        -shared,
    )


def _bits(address: IpAddr) -> int:
    """The 128 bits that the policy table is about: an IPv4 address as IPv4-mapped (section 3.2)."""
    number = int(address)
    return number | 0xFFFF << 32 if isinstance(address, Ipv4Addr) else number
