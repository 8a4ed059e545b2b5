"""HTTPS records for the HTTP client: the function that a `DialConfig` is handed (RFC 9460).

    with Resolver() as resolver:
        client = Client(dial=DialConfig(services=HttpsRecords(resolver)))

`netkit.http` does not import DNS. What the records mean is in `netkit.dns.policy.service`; here they are
asked for, along aliases. A lookup that fails, or takes longer than `timeout`, is as one without records:
nobody who reaches a server without them must be kept from it by asking.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit._log import Log
from netkit.addr import SocketAddr
from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.exchange import random_bits
from netkit.dns.name import Name
from netkit.dns.policy.service import MAX_ALIASES, Service, alias_target, https_records, query_name, services
from netkit.http.client.dial import Endpoint
from netkit.io import before

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.dns.resolver import Resolver
    from netkit.io import Flow

log = Log("netkit.http")

#: How many seconds a connection waits for the records, at most.
TIMEOUT = 1.0


class HttpsRecords:
    """Finds where to connect for an origin, with `resolver`, which the caller closes.

    `ech`: connections to an endpoint whose record says how encrypt their hello (RFC 9848). Set `ech_grease`
    of the client's `TlsConfig` too, so that its other hellos look alike (RFC 9849 section 6.2).
    """

    def __init__(self, resolver: Resolver, timeout: float = TIMEOUT, *, ech: bool = False) -> None:
        self._resolver = resolver
        self._timeout = timeout
        self._ech = ech

    def __call__(self, host: str, port: int, supported: Sequence[str]) -> Flow[list[Endpoint]]:
        """Flow: the endpoints for `https://host:port`, best first; none: connect as without records.

        `supported` are the client's protocols, best first.
        """
        late = DnsError.Timeout(self._timeout)
        try:
            flow = self._search_flow(Name.parse(host), port, supported)
            found = yield from before(monotonic() + self._timeout, flow, expired=lambda _: late)
        except DnsError as error:
            log.debug("no HTTPS records of %s: %s", host, error)
            return []
        return [
            Endpoint(
                service.host.to_text(omit_final_dot=True),
                service.port,
                service.alpn,
                tuple([SocketAddr.new(address, service.port) for address in service.hints]),
                service.ech,
            )
            for service in found
        ]

    def _search_flow(self, host: Name, port: int, supported: Sequence[str]) -> Flow[list[Service]]:
        """Flow: follow aliases to the records. Raises DnsError where there is neither."""
        name = query_name(host, port)
        for followed in range(MAX_ALIASES + 1):
            try:
                answer = yield from self._resolver.resolve_flow(name, DnsRecordType.HTTPS)
            except (DnsError.NoData, DnsError.NotFound):
                if not followed:
                    raise
                return [Service(name, port, tuple(supported))]  # section 3: the alias's target, by itself
            records = https_records(answer.records)
            target = alias_target(records)
            if target is None:
                return services(records, answer.canonical_name, port, supported, _below, ech=self._ech)
            if target.is_root:
                return []  # "there is no service", which a client may ignore (section 2.5.1)
            name = target
        raise DnsError.AliasLoop(f"more than {MAX_ALIASES} aliases in a row", name=host)


def _below(limit: int) -> int:
    """A random number below a limit."""
    return random_bits(32) % limit
