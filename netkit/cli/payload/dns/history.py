"""The history of a DNS lookup (`--explain`, and `history` in JSON): what was asked of whom, over what, when,
what came, and why there was another query. The library's `Step` has it all; here it becomes rows and lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, cast

from netkit.dns.errors import DnsError
from netkit.dns.policy.steps import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.exits import Failure

TransportName = Literal["udp", "tcp", "tls", "https"]

TITLES = ("#", "at", "asked for", "server", "over", "why", "what came", "after")


class FailureRow(TypedDict):
    """Why a query has no answer."""

    kind: Annotated[str, "What happened, as in `error`"]
    message: Annotated[str, "The same for people"]


class QueryRow(TypedDict):
    """One query of a lookup, and what came of it."""

    number: Annotated[int, "From 1, in the order in which they were sent"]
    query: Annotated[str, "The name and the type that were asked for"]
    upstream: Annotated[str, "The server that was asked, as it may be given to @ and --server"]
    transport: TransportName
    why: Annotated[str, "Why it was asked, in one word: first, next, round, truncated, case, no-edns, ..."]
    reason: Annotated[str, "The same for people"]
    because: Annotated[int | None, "The number of the query whose outcome led to this one"]
    started_s: Annotated[float, "When it was sent, in seconds since the lookup began"]
    elapsed_s: Annotated[float | None, "How long it took; null if nobody waited for it to the end"]
    rcode: Annotated[str | None, "The response code of what came; null if no answer came"]
    size: Annotated[int | None, "Octets of the answer"]
    failure: Annotated[FailureRow | None, "Why there is no answer"]


class Unanswered(TypedDict, total=False):
    """What is known of a question that has no answer."""

    history: Annotated[list[QueryRow], "Every query that was sent; absent if none was"]


def unanswered(failure: Failure) -> Unanswered:
    """What the object of a failed input has besides its error."""
    error = failure.error
    if not isinstance(error, DnsError) or not error.history:
        return {}
    return {"history": history_rows([step for step in error.history if isinstance(step, Step)])}


def history_rows(history: Iterable[Step]) -> list[QueryRow]:
    """The history as objects of JSON."""
    rows: list[QueryRow] = []
    for step in history:
        came = step.came
        failed = came if isinstance(came, DnsError) else None
        reply = None if came is None or isinstance(came, DnsError) else came
        rows.append(
            {
                "number": step.number,
                "query": _asked(step),
                "upstream": str(step.upstream),
                "transport": cast(Any, str(step.transport)),
                "why": step.why.name.lower().replace("_", "-"),
                "reason": str(step.why),
                "because": step.because,
                "started_s": step.at,
                "elapsed_s": step.elapsed,
                "rcode": None if reply is None else str(reply.message.rcode),
                "size": None if reply is None else reply.size,
                "failure": None if failed is None else {"kind": failed.kind, "message": str(failed)},
            }
        )
    return rows


def history_cells(history: Iterable[Step]) -> list[Sequence[str]]:
    """The cells of a table under TITLES."""
    return [
        (
            str(step.number),
            f"{step.at * 1000:.1f} ms",
            _asked(step),
            str(step.upstream),
            str(step.transport).upper(),
            str(step.why) if step.because is None else f"{step.why} ({step.because})",
            _came(step),
            "-" if step.elapsed is None else f"{step.elapsed * 1000:.1f} ms",
        )
        for step in history
    ]


def history_lines(history: Iterable[Step], prefix: str = "", width: int | None = None) -> list[str]:
    """The same as aligned lines of text, with what came at the end, where it may be long.

    Where they do not fit in `width` columns, two lines in words for each query.
    """
    rows = history_cells(history)
    order = (0, 1, 2, 3, 4, 5, 7, 6)
    cells = [[row[index] for index in order] for row in (TITLES, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    widths[-1] = 0
    lines = [
        prefix + "  ".join([cell.ljust(room) for cell, room in zip(row, widths, strict=True)])
        for row in cells
    ]
    if width is None or max(map(len, lines)) <= width:
        return lines
    worded: list[str] = []
    for number, at, asked, server, over, why, came, after in rows:
        worded.append(f"{prefix}{number}. at {at}: {asked} of {server} over {over}: {why}")
        worded.append(f"{prefix}   {came}" if after == "-" else f"{prefix}   {came}, after {after}")
    return worded


def explain(history: Iterable[Step], env: Environment) -> None:
    """Write the history to standard error."""
    env.say(*history_lines(history, width=env.width if env.stderr_tty else None))


def _asked(step: Step) -> str:
    """The name without the random letter case in which it was sent, and the type."""
    if not step.query.question:
        return "no question"
    question = step.question
    return f"{str(question.name).lower()} {question.rdtype}"


def _came(step: Step) -> str:
    came = step.came
    if came is None:
        return "not waited for"
    if isinstance(came, DnsError):
        return _reason(came)
    message = came.message
    cut = ", truncated" if message.truncated else ""
    return f"{message.rcode}, {len(message.answer)} in the answer, {came.size} octets{cut}"


def _reason(error: DnsError) -> str:
    """What happened, without the question and the server, which stand beside it."""
    if isinstance(error, DnsError.NetworkError):
        return error.reason
    if isinstance(error, DnsError.Timeout):
        return "no answer"
    if isinstance(error, DnsError.Truncated):
        return "truncated, and nothing of it could be read"
    if isinstance(error, DnsError.InvalidResponse):
        return f"malformed: {error.field} at octet {error.offset}: {error.reason}"
    return str(error)
