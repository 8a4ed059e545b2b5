"""What SVCB and HTTPS are made of: another endpoint of a service, and its parameters (RFC 9460 section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U16, DomainName, KeepAsOctets
from netkit.dns.records.svcparams import Params

if TYPE_CHECKING:
    from typing import Self

    from netkit.dns.constants import DnsClass
    from netkit.dns.messages.wire import WireReader
    from netkit.dns.name import Name


class ServiceBinding(DnsRecord):
    """A service at `target`, with `params`, tried in order of `priority`, lowest first.

    A `priority` of 0 makes an alias: the service is where that of `target` is, and parameters say nothing
    (section 2.4.2). A target of `.` is `name` itself, or for an alias that there is no service (section 2.5).
    """

    priority: U16 = U16("The lowest is tried first; 0 is an alias")
    target: DomainName = DomainName("The host; the root is the name itself")
    params: Params = Params(
        "The parameters by their names; those without a known form in base64", default=None
    )

    @property
    def is_alias(self) -> bool:
        """Whether this is an alias (AliasMode), and not an endpoint (ServiceMode)."""
        return self.priority == 0

    def _check(self) -> None:
        reason = self.params.contradiction
        if reason is not None:
            raise DnsError.InvalidValue("params", str(self.params), reason)

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        made = cls._made(name, ttl, rdclass, [field.read(reader) for field in cls.FIELDS])
        if made.params.contradiction is not None:
            # Section 2.4.3: no client uses it, and no zone file should have it; section 2.2 does not say that
            # the message is malformed.
            raise KeepAsOctets
        return made
