"""DNS over HTTPS on the side that answers (RFC 8484): the query in a URL, how long a response is fresh."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.records import DnsRecord

if TYPE_CHECKING:
    from netkit.dns.messages.message import Message

#: Where queries go, if nobody chose another path (RFC 8484 section 4.1.1 uses it in its examples).
DEFAULT_PATH = "/dns-query"

# Section 6 of RFC 8484: base64url without padding.
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


def query_in(search: str) -> bytes | None:
    """The query in the part of a URL after `?`: the variable `dns`. None if there is not exactly one.

    >>> query_in("dns=AAABAA&ct"), query_in("dns=AA=="), query_in("")
    (b'\\x00\\x00\\x01\\x00', None, None)
    """
    values = [
        value for name, _, value in (part.partition("=") for part in search.split("&")) if name == "dns"
    ]
    if len(values) != 1 or not _BASE64URL.fullmatch(values[0]) or len(values[0]) % 4 == 1:
        return None
    return urlsafe_b64decode(values[0] + "=" * (-len(values[0]) % 4))


def freshness(message: Message) -> int | None:
    """For how many seconds a response may be kept by an HTTP cache; None: not at all.

    RFC 8484 section 5.1: no longer than the smallest TTL of the answer, or for a negative answer than what
    RFC 2308 says of its SOA record. A signed response is for one client, and a response without data says
    nothing of how long that is so.
    """
    if message.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
        return None
    if any(record.rdtype == DnsRecordType.TSIG for record in message.additional):
        return None
    ttls = [record.ttl for record in message.answer]
    if not message.answer or message.rcode == Rcode.NXDOMAIN:
        soas = [record for record in message.authority if isinstance(record, DnsRecord.SOA)]
        ttls += [min(soa.ttl, soa.minimum) for soa in soas]
    return min(ttls, default=None)
