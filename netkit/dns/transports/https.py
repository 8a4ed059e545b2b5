"""DNS over HTTPS (RFC 8484): what is sent and what may come back, over an HTTP client that is handed in.

`netkit.dns` does not import an HTTP client: whoever makes a resolver hands it an `HttpsExchange`
(`netkit.doh.https_exchange` makes one over netkit's own client). It gets an `HttpsQuery` and returns an
`HttpsReply`; the rules of RFC 8484 are here. The ID is 0 (section 4.1), so that caches can help, and the TTLs
of an answer that was kept in a cache are reduced by its age (section 5.1).
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.errors import DnsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from netkit.dns.messages.message import Message
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.transports.reply import Connection
    from netkit.io import Flow

    #: Makes one request, and reads its whole body, MAX_BODY octets at most. Raises DnsError.NetworkError.
    HttpsExchange: TypeAlias = Callable[["HttpsQuery"], Flow["HttpsReply"]]

#: RFC 8484 section 6.
MEDIA_TYPE = "application/dns-message"

#: RFC 8484 section 6: a message has at most 65,535 octets.
MAX_BODY = 65_535


class HttpsQuery(NamedTuple):
    """A request to make: at `upstream.addr`, with a certificate for the host of `url`, or one of its pins.

    `body` is None for GET, whose query is in `url`.
    """

    upstream: Upstream
    method: str
    url: str
    body: bytes | None


class HttpsReply(NamedTuple):
    """A response: `media_type` is its Content-Type without parameters, in lower case; `age` is its Age
    field in seconds, 0 without one; `connection` is the one it came over, None if that is not known, and
    `took_s` how many seconds it took over it."""

    status: int
    media_type: str
    body: bytes
    age: int = 0
    connection: Connection | None = None
    took_s: float = 0.0


def https_query(upstream: Upstream, wire: bytes) -> HttpsQuery:
    """The request for a query (RFC 8484 section 4.1)."""
    assert upstream.addr is not None  # it was looked up before
    host = upstream.tls_name or str(upstream.addr.ip)
    if ":" in host:
        host = f"[{host}]"
    port = "" if upstream.addr.port == upstream.transport.default_port else f":{upstream.addr.port}"
    url = f"https://{host}{port}{upstream.path}"
    if upstream.method == "GET":
        # Without padding (section 6), in the alphabet of URLs.
        return HttpsQuery(upstream, "GET", f"{url}?dns={urlsafe_b64encode(wire).rstrip(b'=').decode()}", None)
    return HttpsQuery(upstream, "POST", url, wire)


def https_answer(reply: HttpsReply) -> bytes:
    """The DNS message in a response (RFC 8484 section 4.2.1). Raises DnsError.NetworkError without one."""
    if not 200 <= reply.status < 300:
        raise DnsError.NetworkError(
            f"the server answered with HTTP status {reply.status}",
            hint="check the path of the URL" if reply.status == 404 else None,
        )
    if reply.media_type != MEDIA_TYPE:
        kind = ascii(reply.media_type[:60]) if reply.media_type else "nothing that it names"
        raise DnsError.NetworkError(f"the server sent {kind} instead of a DNS message")
    return reply.body


def aged(message: Message, seconds: int) -> Message:
    """A message that was in an HTTP cache for so long: with TTLs that are less by that (section 5.1)."""

    def older(records: Sequence[DnsRecord]) -> list[DnsRecord]:
        return [record.replace(ttl=max(0, record.ttl - seconds)) for record in records]

    return message.replace(
        answer=older(message.answer),
        authority=older(message.authority),
        additional=older(message.additional),
    )
