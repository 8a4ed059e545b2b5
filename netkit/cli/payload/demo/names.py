"""The lab of `netkit demo --keep`: a tree of name servers, from a root down, with zones that are broken.

The servers are at addresses of loopback of their own, at the port of the demo's name server, and a hints file
says so. `docs/name-does-not-resolve.md` walks through them.

    127.0.0.2   .             the root
    127.0.0.3   test.         the zone above all others
    127.0.0.4   the zones below, but for demo.test, which the demo's own name server has
    127.0.0.5   a secondary of some of them, which is behind
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.dns.zones.zone import Zone

HINTS_FILE = "root.hints"

ROOT, ABOVE, FIRST, SECOND = (f"127.0.0.{number}" for number in range(2, 6))
#: The demo's own name server, which has none of these zones, and an address where nobody answers.
OTHER, NOBODY = "127.0.0.1", "127.0.0.6"

_ROOT = f"""\
$ORIGIN .
$TTL 1d
@        SOA    ns.root. admin.root. 1 1d 2h 4w 5m
         NS     ns.root.
ns.root. A      {ROOT}
test.    NS     ns.test.
ns.test. A      {ABOVE}
"""

_ABOVE = f"""\
$ORIGIN test.
$TTL 1h
@        SOA    ns admin 1 1d 2h 4w 5m
         NS     ns
ns       A      {ABOVE}
demo     NS     ns1.demo
ns1.demo A      {OTHER}
stale    NS     ns1.stale
stale    NS     ns2.stale
ns1.stale A     {FIRST}
ns2.stale A     {SECOND}
lame     NS     ns1.demo
lame     NS     ns2.lame
ns2.lame A      {FIRST}
lost     NS     ns1.demo
dead     NS     ns1.dead
ns1.dead A      {NOBODY}
moved    NS     ns1.moved
ns1.moved A     {SECOND}
loop     CNAME  round.stale
"""

#: The zones below, by name: their records, after SOA and NS records.
_BELOW = {
    "stale.test.": (
        f"ns1 A {FIRST}\nns2 A {SECOND}\n@ NS ns2\nwww A 192.0.2.20\nnew A 192.0.2.21\nround CNAME loop.test."
    ),
    "lame.test.": f"@ NS ns2\nns2 A {FIRST}\nwww A 192.0.2.30",
    "moved.test.": f"ns1 A {FIRST}\nwww A 192.0.2.40",
}
_FIRST_NS = {"lame.test.": "ns1.demo.test."}
#: What the secondary has: older versions, and of one zone without a name.
_SECOND = {
    "stale.test.": _BELOW["stale.test."].replace("new A 192.0.2.21\n", ""),
    "moved.test.": _BELOW["moved.test."],
}


@contextmanager
def dns_lab(port: int) -> Iterator[str | None]:
    """The servers, each in a thread of its own; the text of the hints file that leads to them.

    None where loopback has only one address: there is no lab then. Raises OSError where a port is taken.
    """
    import errno
    from functools import partial

    from netkit.dns.authority.server import DnsServer
    from netkit.dns.zones.zonefile import parse_zone
    from netkit.net.errors import ListenError
    from netkit.serve.connections import in_background

    zones = {
        ROOT: [parse_zone(_ROOT, file="root")],
        ABOVE: [parse_zone(_ABOVE, file="test")],
        FIRST: [_zone(name, records, 2) for name, records in _BELOW.items()],
        SECOND: [_zone(name, records, 1) for name, records in _SECOND.items()],
    }
    with ExitStack() as stack:
        servers = []
        try:
            for address, served in zones.items():
                servers.append(DnsServer.bind(f"{address}:{port}", served))
                stack.callback(servers[-1].close)
        except ListenError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            yield None
            return
        for server in servers:
            stack.enter_context(in_background(partial(server.serve, drain=0.0)))
        addresses = (OTHER, *zones, NOBODY)
        lines = [". 3600000 NS ns.root.", f"ns.root. 3600000 A {ROOT} ; port {port}"]
        lines += [f"lab. 3600000 A {address} ; port {port}" for address in addresses]
        yield "\n".join([*lines, ""])


def _zone(name: str, records: str, serial: int) -> Zone:
    from netkit.dns.zones.zonefile import parse_zone

    server = _FIRST_NS.get(name, "ns1")
    top = f"$ORIGIN {name}\n$TTL 1h\n@ SOA {server} admin {serial} 1d 2h 4w 5m\n@ NS {server}\n"
    return parse_zone(f"{top}{records}\n", file=name)
