"""A walk from the root as an object of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, cast

from netkit.cli.commands.dig.showing.rows import AnyRecord, QuestionRow, question_row, record_row
from netkit.cli.frame.fields import Address, Endpoint
from netkit.cli.payload.dns.history import FailureRow, QueryRow, TransportName, history_rows

if TYPE_CHECKING:
    from netkit.cli.commands.dig.tracing.asking import Traced
    from netkit.dns.tracing.reading import Delegation
    from netkit.dns.tracing.trace import Cut, Finding, Hop

Meaning = Literal[
    "answer", "alias", "no-data", "no-name", "referral", "loop", "error", "refused", "failed",
    "not-authoritative", "upward", "self", "sideways", "timeout", "unreachable", "malformed", "truncated",
    "no-address",
]  # fmt: skip


class NameServerRow(TypedDict):
    """A name server of a zone, as a referral names it."""

    name: str
    addresses: Annotated[list[Address], "The glue; empty if there is none that counts"]


class DelegationRow(TypedDict):
    """What a zone says of a zone below it."""

    zone: str
    name_servers: list[NameServerRow]
    signing: Annotated[
        Literal["signed", "unsigned", "not-said"],
        "signed: it has DS records; unsigned: NSEC records show that it has none; not-said: neither came",
    ]
    ds: Annotated[list[str], "The DS records' data"]


class HopRow(TypedDict):
    """One server on the way, and what came of asking it."""

    number: Annotated[int, "From 1, in the order of time"]
    purpose: Annotated[
        Literal["root", "name", "address", "check"],
        "name: to answer the question; root: to learn the root's servers; address: to find the address of a "
        "name server; check: to compare the zone with the zone above",
    ]
    zone: Annotated[str, "The zone that it was asked as a server of"]
    name_server: Annotated[str | None, "Its name; null if only its address is known"]
    server: Annotated[Endpoint | None, "Its address; null if it was not asked, because it has none"]
    query: Annotated[str, "The name and the type that were asked for"]
    whose: Annotated[str | None, "The name server whose address is looked for"]
    depth: Annotated[int, "How deep searches for addresses are nested, from 0"]
    turn: Annotated[int, "How often the zone's servers were gone through, from 1"]
    transport: Annotated[TransportName | None, "The transport of the answer; null without one"]
    started_s: Annotated[float, "When it was asked, in seconds since the walk began"]
    elapsed_s: float
    size: Annotated[int | None, "Octets of the answer"]
    rcode: str | None
    flags: Annotated[list[str] | None, "Those set of qr, aa, tc, rd, ra, ad, cd"]
    meaning: Annotated[Meaning, "What came, in one word"]
    reason: Annotated[str, "The same for people"]
    then: Annotated[str, "What the walk does next, in words; empty for a check"]
    delegation: Annotated[DelegationRow | None, "The zone that it referred to"]
    answer: list[AnyRecord]
    failure: Annotated[FailureRow | None, "Why there is no answer"]
    history: Annotated[list[QueryRow], "The queries to it: more than one if an answer was truncated"]


class CutRow(TypedDict):
    """A zone on the way, by the zone above and by itself."""

    zone: str
    delegation: Annotated[DelegationRow | None, "What the zone above says; null for the root"]
    own_name_servers: Annotated[list[str] | None, "What it says itself; null if that is not known"]
    own_addresses: Annotated[
        dict[str, list[Address]],
        "The addresses of name servers that it says itself, where they were asked for",
    ]
    key_tags: Annotated[list[int] | None, "Those of its keys; null if they were not asked for"]


class FindingRow(TypedDict):
    """Something that is wrong on the way."""

    severity: Literal["error", "warning", "note"]
    code: Annotated[
        str,
        "lame, silent, unreachable, failing, malformed, no-tcp, no-address, glue-differs, servers-differ, "
        "hints-differ, server-is-alias, not-signed, ds-differs or odd",
    ]
    zone: str
    name_server: str | None
    message: str
    hop_number: Annotated[int, "The number of the hop that shows it; 0: the hints"]


class TraceRow(TypedDict):
    """A walk from the root."""

    question: QuestionRow
    meaning: Annotated[Meaning | None, "What the last answer means; null if no server gave one"]
    name: Annotated[str, "The name at the end of the aliases"]
    aliases: Annotated[list[AnyRecord], "The records that lead there: CNAME and DNAME"]
    answer: Annotated[list[AnyRecord], "The records that were asked for, with their signatures"]
    elapsed_s: float
    hops: list[HopRow]
    zones: Annotated[list[CutRow], "The zones on the way, from the root"]
    findings: list[FindingRow]
    checked: Annotated[bool, "Whether all zones on the way were asked what they say of themselves"]


def trace_row(result: Traced) -> TraceRow:
    """The object of a walk."""
    trace = result.trace
    return {
        "question": question_row(result.query),
        "meaning": None if trace.outcome is None else cast(Any, trace.outcome.value),
        "name": str(trace.name),
        "aliases": [record_row(record) for record in trace.aliases],
        "answer": [record_row(record) for record in trace.records],
        "elapsed_s": trace.elapsed,
        "hops": [_hop_row(hop) for hop in trace.hops],
        "zones": [_cut_row(cut) for cut in trace.path],
        "findings": [_finding_row(finding) for finding in trace.findings],
        "checked": trace.is_checked,
    }


def _hop_row(hop: Hop) -> HopRow:
    reply, upstream = hop.reply, hop.upstream
    return {
        "number": hop.number,
        "purpose": cast(Any, hop.purpose.value),
        "zone": str(hop.zone),
        "name_server": None if hop.server is None else str(hop.server),
        "server": None if upstream is None or upstream.addr is None else str(upstream.addr),
        "query": f"{hop.question.name} {hop.question.rdtype}",
        "whose": None if hop.whose is None else str(hop.whose),
        "depth": hop.depth,
        "turn": hop.turn,
        "transport": None if reply is None else cast(Any, reply.transport),
        "started_s": hop.at,
        "elapsed_s": hop.elapsed,
        "size": None if reply is None else reply.size,
        "rcode": None if reply is None else str(reply.message.rcode),
        "flags": None if reply is None else list(reply.message.flag_names),
        "meaning": cast(Any, hop.outcome.value),
        "reason": hop.reason,
        "then": hop.then,
        "delegation": None if hop.delegation is None else _delegation_row(hop.delegation),
        "answer": [] if reply is None else [record_row(record) for record in reply.message.answer],
        "failure": None if hop.error is None else {"kind": hop.error.kind, "message": str(hop.error)},
        "history": history_rows(hop.history),
    }


def _delegation_row(delegation: Delegation) -> DelegationRow:
    return {
        "zone": str(delegation.zone),
        "name_servers": [
            {"name": str(name), "addresses": [str(each) for each in delegation.glue.get(name, ())]}
            for name in delegation.names
        ],
        "signing": cast(Any, delegation.signing.value),
        "ds": [record.rdata_text() for record in delegation.ds],
    }


def _cut_row(cut: Cut) -> CutRow:
    return {
        "zone": str(cut.zone),
        "delegation": None if cut.delegation is None else _delegation_row(cut.delegation),
        "own_name_servers": None if cut.own is None else [str(name) for name in cut.own],
        "own_addresses": {
            str(name): [str(address) for addresses in own.values() for address in addresses]
            for name, own in cut.own_addresses.items()
        },
        "key_tags": None if cut.keys is None else [key.key_tag for key in cut.keys],
    }


def _finding_row(finding: Finding) -> FindingRow:
    return {
        "severity": cast(Any, finding.fault.severity),
        "code": finding.fault.value,
        "zone": str(finding.zone),
        "name_server": None if finding.server is None else str(finding.server),
        "message": finding.text,
        "hop_number": finding.hop,
    }
