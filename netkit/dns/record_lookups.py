"""`RecordLookups`: what `Resolver` gives of one record type: `query`, and plain values by `lookup_a`, ...

Each takes what it gives from `resolve_flow`, the whole answer to a question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from netkit.dns.constants import DnsClass
from netkit.dns.name import Name
from netkit.dns.records.base import DnsRecord
from netkit.io import run, run_async

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from netkit.addr import Ipv4Addr, Ipv6Addr
    from netkit.dns.policy.answer import Answer
    from netkit.io import CancellationToken, Flow

R = TypeVar("R", bound=DnsRecord)


class RecordLookups:
    """Lookups of one record type each, in blocking and async form. All accept `cancel` and raise DnsError."""

    def resolve_flow(self, name: Name | str, rdtype: int, rdclass: int = DnsClass.IN) -> Flow[Answer]:
        """Flow: the answer to one question. Raises DnsError."""
        raise NotImplementedError

    def query(
        self, name: Name | str, rdtype: int, *, cancel: CancellationToken | None = None
    ) -> list[DnsRecord]:
        """The records of a type at a name, aliases followed."""
        return list(run(self.resolve_flow(name, rdtype), cancel=cancel).records)

    async def query_async(
        self, name: Name | str, rdtype: int, *, cancel: CancellationToken | None = None
    ) -> list[DnsRecord]:
        """The records of a type at a name, aliases followed."""
        return list((await run_async(self.resolve_flow(name, rdtype), cancel=cancel)).records)

    def lookup_a(self, name: Name | str, *, cancel: CancellationToken | None = None) -> list[Ipv4Addr]:
        """The IPv4 addresses of a name."""
        answer = run(self.resolve_flow(name, DnsRecord.A.rdtype), cancel=cancel)
        return [record.address for record in answer.records if isinstance(record, DnsRecord.A)]

    async def lookup_a_async(
        self, name: Name | str, *, cancel: CancellationToken | None = None
    ) -> list[Ipv4Addr]:
        """The IPv4 addresses of a name."""
        answer = await run_async(self.resolve_flow(name, DnsRecord.A.rdtype), cancel=cancel)
        return [record.address for record in answer.records if isinstance(record, DnsRecord.A)]

    def lookup_aaaa(self, name: Name | str, *, cancel: CancellationToken | None = None) -> list[Ipv6Addr]:
        """The IPv6 addresses of a name."""
        answer = run(self.resolve_flow(name, DnsRecord.AAAA.rdtype), cancel=cancel)
        return [record.address for record in answer.records if isinstance(record, DnsRecord.AAAA)]

    async def lookup_aaaa_async(
        self, name: Name | str, *, cancel: CancellationToken | None = None
    ) -> list[Ipv6Addr]:
        """The IPv6 addresses of a name."""
        answer = await run_async(self.resolve_flow(name, DnsRecord.AAAA.rdtype), cancel=cancel)
        return [record.address for record in answer.records if isinstance(record, DnsRecord.AAAA)]

    def lookup_cname(self, name: Name | str, *, cancel: CancellationToken | None = None) -> list[str]:
        """The target of the alias at a name."""
        return [
            _text(r.canonical)
            for r in _only(
                DnsRecord.CNAME, run(self.resolve_flow(name, DnsRecord.CNAME.rdtype), cancel=cancel)
            )
        ]

    async def lookup_cname_async(
        self, name: Name | str, *, cancel: CancellationToken | None = None
    ) -> list[str]:
        """The target of the alias at a name."""
        records = _only(
            DnsRecord.CNAME, await run_async(self.resolve_flow(name, DnsRecord.CNAME.rdtype), cancel=cancel)
        )
        return [_text(record.canonical) for record in records]

    def lookup_mx(
        self, name: Name | str, *, cancel: CancellationToken | None = None
    ) -> list[tuple[int, str]]:
        """The mail exchanges of a domain as (priority, host), best first."""
        return _exchanges(
            _only(DnsRecord.MX, run(self.resolve_flow(name, DnsRecord.MX.rdtype), cancel=cancel))
        )

    async def lookup_mx_async(
        self, name: Name | str, *, cancel: CancellationToken | None = None
    ) -> list[tuple[int, str]]:
        """The mail exchanges of a domain as (priority, host), best first."""
        return _exchanges(
            _only(DnsRecord.MX, await run_async(self.resolve_flow(name, DnsRecord.MX.rdtype), cancel=cancel))
        )

    def lookup_srv(
        self, service: str, proto: str, domain: Name | str, *, cancel: CancellationToken | None = None
    ) -> list[DnsRecord.SRV]:
        """Where a service of a domain is: `lookup_srv("_imap", "_tcp", "example.com")`, best priority first.

        RFC 2782. The caller chooses by weight among services of equal priority.
        """
        return _by_priority(
            _only(
                DnsRecord.SRV,
                run(self.resolve_flow(_srv(service, proto, domain), DnsRecord.SRV.rdtype), cancel=cancel),
            )
        )

    async def lookup_srv_async(
        self, service: str, proto: str, domain: Name | str, *, cancel: CancellationToken | None = None
    ) -> list[DnsRecord.SRV]:
        """Where a service of a domain is; see `lookup_srv`."""
        flow = self.resolve_flow(_srv(service, proto, domain), DnsRecord.SRV.rdtype)
        return _by_priority(_only(DnsRecord.SRV, await run_async(flow, cancel=cancel)))

    def lookup_txt(self, name: Name | str, *, cancel: CancellationToken | None = None) -> list[str]:
        """The texts of a name, each record's strings joined."""
        return [
            record.data
            for record in _only(
                DnsRecord.TXT, run(self.resolve_flow(name, DnsRecord.TXT.rdtype), cancel=cancel)
            )
        ]

    async def lookup_txt_async(
        self, name: Name | str, *, cancel: CancellationToken | None = None
    ) -> list[str]:
        """The texts of a name, each record's strings joined."""
        return [
            r.data
            for r in _only(
                DnsRecord.TXT, await run_async(self.resolve_flow(name, DnsRecord.TXT.rdtype), cancel=cancel)
            )
        ]

    def lookup_ptr(
        self, address: IPv4Address | IPv6Address | str, *, cancel: CancellationToken | None = None
    ) -> list[str]:
        """The names of an address, from PTR records alone (`lookup_addr` knows the hosts file too)."""
        records = _only(
            DnsRecord.PTR, run(self.resolve_flow(Name.reverse(address), DnsRecord.PTR.rdtype), cancel=cancel)
        )
        return [_text(record.domain) for record in records]

    async def lookup_ptr_async(
        self, address: IPv4Address | IPv6Address | str, *, cancel: CancellationToken | None = None
    ) -> list[str]:
        """The names of an address, from PTR records alone."""
        flow = self.resolve_flow(Name.reverse(address), DnsRecord.PTR.rdtype)
        records = _only(DnsRecord.PTR, await run_async(flow, cancel=cancel))
        return [_text(record.domain) for record in records]


def _only(kind: type[R], answer: Answer) -> list[R]:
    """The records of a class in an answer."""
    return [record for record in answer.records if isinstance(record, kind)]


def _text(name: Name) -> str:
    return name.to_text(omit_final_dot=True)


def _srv(service: str, proto: str, domain: Name | str) -> Name:
    return Name.parse(f"{service}.{proto}", Name.of(domain))


def _exchanges(records: list[DnsRecord.MX]) -> list[tuple[int, str]]:
    return sorted((record.priority, _text(record.exchange)) for record in records)


def _by_priority(records: list[DnsRecord.SRV]) -> list[DnsRecord.SRV]:
    return sorted(records, key=lambda record: (record.priority, -record.weight))
