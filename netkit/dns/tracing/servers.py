"""The servers of a zone as a walk meets them: in which order they are asked, and who was of use."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.addr import SocketAddr
from netkit.dns.policy.upstream import Upstream
from netkit.dns.tracing.trace import Cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.addr import IpAddr
    from netkit.dns.name import Name
    from netkit.dns.tracing.reading import Delegation
    from netkit.dns.tracing.trace import TraceOptions


class Server(NamedTuple):
    """One address of a name server."""

    name: Name
    upstream: Upstream

    @property
    def family(self) -> int:
        """4 or 6."""
        return 0 if self.upstream.addr is None else self.upstream.addr.ip.version


class ZoneServers:
    """The servers of one zone.

    `cut` is the zone. `nameless` are the name servers without an address so far. Each server's first address
    comes before the second of any, so that another server is tried before another address of the same; what
    failed before comes last, and what was of use first.
    """

    def __init__(
        self,
        zone: Name,
        names: Iterable[Name],
        addresses: dict[Name, tuple[IpAddr, ...]],
        options: TraceOptions,
        delegation: Delegation | None = None,
        hop: int = 0,
    ) -> None:
        self.names = tuple(names)
        self.cut = Cut(zone, delegation, self.names, dict(addresses), hop)
        self._options = options
        self._known: dict[Server, int] = {}  # with the place of the address among those of its name
        self._failed: dict[Server, None] = {}
        self.of_use: Server | None = None
        self.nameless: list[Name] = []
        for name in self.names:
            if not self.add(name, addresses.get(name, ())):
                self.nameless.append(name)

    @property
    def zone(self) -> Name:
        """The zone's name."""
        return self.cut.zone

    def add(self, name: Name, addresses: Iterable[IpAddr]) -> bool:
        """Learn the addresses of a name server; whether there are any that may be asked."""
        usable = [each for each in addresses if self._options.family in (None, each.version)]
        hints = self._options.hints
        for index, address in enumerate(usable):
            port = hints.ports.get(address, self._options.port)
            self._known.setdefault(Server(name, Upstream(SocketAddr.new(address, port))), index)
        return bool(usable)

    def in_order(self) -> Iterator[Server]:
        """The servers with addresses, in the order in which they are to be asked."""
        return iter(
            sorted(
                self._known, key=lambda each: (each in self._failed, each != self.of_use, self._known[each])
            )
        )

    def answered(self, server: Server) -> None:
        """The server gave an answer of use."""
        self.of_use = server
        self._failed.pop(server, None)

    def failed(self, server: Server) -> None:
        """The server gave none."""
        self._failed[server] = None
        if self.of_use == server:
            self.of_use = None
