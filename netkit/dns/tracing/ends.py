"""The ends of a walk's parts: what there is in place of a reply, and why there is no answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.records.base import DnsRecord
from netkit.dns.tracing import words
from netkit.dns.tracing.errors import ZoneUnusable
from netkit.dns.tracing.outcome import Outcome

if TYPE_CHECKING:
    from netkit.addr import IpAddr
    from netkit.dns.messages.message import Question
    from netkit.dns.tracing.moves import Came
    from netkit.dns.tracing.reading import Reading
    from netkit.dns.tracing.servers import ZoneServers
    from netkit.dns.tracing.trace import Hop


def elapsed_of(came: Came) -> float:
    """How long the server took, without the time that it took to read its answer."""
    steps = came.done.history
    took = [step.elapsed if isinstance(step.came, DnsError | None) else step.came.elapsed_s for step in steps]
    return came.elapsed if not took or None in took else sum(filter(None, took))


def failed_outcome(error: DnsError | None) -> Outcome:
    """What it means that there is no reply."""
    if isinstance(error, DnsError.Truncated):
        return Outcome.TRUNCATED
    if isinstance(error, DnsError.InvalidResponse):
        return Outcome.MALFORMED
    if isinstance(error, DnsError.NetworkError):
        return Outcome.UNREACHABLE
    return Outcome.TIMEOUT


def error_of(question: Question, reading: Reading, hop: Hop) -> DnsError | None:
    """Why the last answer has no records."""
    server = server_text(hop)
    match reading.outcome:
        case Outcome.NO_NAME:
            missing = DnsError.NotFound(name=question.name, rdtype=question.rdtype, server=server)
            missing.absent = reading.name
            return missing
        case Outcome.NO_DATA:
            return DnsError.NoData(name=question.name, rdtype=question.rdtype, server=server)
        case Outcome.LOOP:
            reason = f"the alias of {reading.name} leads back to itself"
            return DnsError.AliasLoop(reason, name=question.name, rdtype=question.rdtype, server=server)
        case Outcome.ERROR:
            assert hop.reply is not None
            return DnsError.ServerError(
                hop.reply.message.rcode, name=question.name, rdtype=question.rdtype, server=server
            )
    return None


def unusable(servers: ZoneServers, question: Question, hops: list[Hop]) -> DnsError:
    """Why no server of a zone gave an answer of use."""
    asked = [hop for hop in hops if hop.upstream is not None]
    kinds = {hop.outcome for hop in asked}
    if asked and len(kinds) == 1:
        error = asked[-1].error
        if kinds == {Outcome.TIMEOUT}:
            silent = ", ".join(dict.fromkeys(str(hop.upstream) for hop in asked))
            spent = round(sum(hop.elapsed for hop in asked), 2)
            return DnsError.Timeout(
                spent,
                len(asked),
                name=question.name,
                rdtype=question.rdtype,
                server=silent,
                hint=words.all_silent(servers.zone),
            )
        if error is not None and kinds <= {Outcome.UNREACHABLE, Outcome.MALFORMED, Outcome.TRUNCATED}:
            return error
    return ZoneUnusable.of(servers.zone, hops, name=question.name, rdtype=question.rdtype)


def server_text(hop: Hop) -> str | None:
    """The address of a hop's server, for an error; None if it was not asked."""
    return None if hop.upstream is None else str(hop.upstream)


def ns_records(records: tuple[DnsRecord, ...]) -> list[DnsRecord.NS]:
    """The NS records among some records."""
    return [each for each in records if isinstance(each, DnsRecord.NS)]


def addresses_of(records: list[DnsRecord] | tuple[DnsRecord, ...]) -> list[IpAddr]:
    """The addresses in some records."""
    return [each.address for each in records if isinstance(each, (DnsRecord.A, DnsRecord.AAAA))]
