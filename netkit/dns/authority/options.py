"""What a name server does beside what its zones say: `ServerOptions`, and what it tells about itself.

RFC 4892 and the conventions of BIND (`id.server`, `hostname.bind`, `version.bind`) ask in class CH; RFC 5001
(NSID) asks with an option of EDNS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.name import Name
from netkit.dns.records.base import DnsRecord

if TYPE_CHECKING:
    from netkit.dns.authority.cookies import ServerCookies
    from netkit.dns.messages.message import Question

_TYPES = frozenset((DnsRecordType.TXT, DnsRecordType.ANY))
_OF_IDENTITY = frozenset((Name.parse("id.server"), Name.parse("hostname.bind")))
_OF_VERSION = frozenset((Name.parse("version.server"), Name.parse("version.bind")))


class ServerOptions(NamedTuple):
    """How a name server behaves, beside what its zones say.

    `identity` tells which of several servers this is, and `version` what program it is: None for a server
    that does not tell. With `signed_only`, queries without a signature are refused. `cookies` are those of
    the server, for clients that know cookies; None for a server that does not (nsd and knotd do not either,
    if they are not told to). With `cookie_needed`, such a client gets answers over UDP only with a cookie of
    the server (BADCOOKIE, RFC 7873 section 5.2.3).
    """

    identity: str | None = None
    version: str | None = None
    signed_only: bool = False
    cookies: ServerCookies | None = None
    cookie_needed: bool = False

    def about_itself(self, question: Question) -> DnsRecord | None:
        """The record that answers a question about the server, in class CH; None for another question."""
        if question.rdclass != DnsClass.CH or question.rdtype not in _TYPES:
            return None
        name = question.name
        text = self.identity if name in _OF_IDENTITY else self.version if name in _OF_VERSION else None
        return None if text is None else DnsRecord.TXT(name, 0, [text.encode()], rdclass=DnsClass.CH)

    @property
    def nsid(self) -> bytes | None:
        """The octets for who asks with NSID (RFC 5001 section 2.3)."""
        return None if self.identity is None else self.identity.encode()
