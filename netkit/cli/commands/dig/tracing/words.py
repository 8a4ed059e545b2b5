"""Which hops and which records all forms of the output of `netkit dig +trace` show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType

if TYPE_CHECKING:
    from netkit.cli.commands.dig.tracing.asking import Traced
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.tracing.trace import Hop


def on_the_way(result: Traced) -> list[Hop]:
    """The hops that are shown: not the checks, of which the findings tell."""
    return [hop for hop in result.trace.hops if not hop.is_check]


def asked_for(result: Traced) -> list[DnsRecord]:
    """The records of the answer, without signatures that were not asked for."""
    asked = result.query.rdtype
    every = asked in (DnsRecordType.ANY, DnsRecordType.RRSIG)
    return [each for each in result.trace.records if every or each.rdtype == asked]
