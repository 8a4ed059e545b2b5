"""The objects of JSON for `netkit dig --watch`: an event for each answer, and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict, cast

from netkit.cli.commands.dig.comparing.rows import DifferenceRow, difference_row
from netkit.cli.commands.dig.showing.rows import AnyRecord, record_row
from netkit.cli.frame.fields import Endpoint, Format
from netkit.cli.frame.output import rfc3339
from netkit.dns.comparing.comparison import failure_words

if TYPE_CHECKING:
    from datetime import datetime

    from netkit.dns.watching.watcher import News, Round

EndName = Literal["holds", "count", "timeout", "interrupted"]


class WatchedRow(TypedDict):
    """What a server said in a watch."""

    event: Annotated[
        Literal["first", "unchanged", "changed", "serial", "failed", "back"],
        "serial: the zone has another serial, and the answer is the same; failed: no answer, or one that "
        "tells nothing of the records; back: it answers again, as before it failed",
    ]
    told_at: Annotated[str, Format("date-time"), "When"]
    round: Annotated[int, "How often it was asked, this time included; servers asked together share it"]
    server: Annotated[Endpoint | None, "Who answered; null without an answer"]
    upstream: Annotated[str | None, "The server as it may be given to @; null if any of several may answer"]
    name: Annotated[str | None, "The name it was found by; null without one"]
    reason: Annotated[str | None, "Why it failed; null if it did not"]
    rcode: Annotated[str | None, "The response code; null without an answer"]
    zone_serial: Annotated[int | None, "The serial of the zone; null if the server did not say it"]
    records: Annotated[list[AnyRecord], "The answer"]
    difference: Annotated[DifferenceRow | None, "From the answer before; null if there is none"]
    agree: Annotated[bool | None, "Whether all servers agree now; null if there is only one"]
    holds: Annotated[bool | None, "Whether the condition holds now; null without one"]
    delay_s: Annotated[float, "How long until it is asked again"]
    delay_reason: Annotated[str, "What decides that"]


class WatchEndedRow(TypedDict):
    """The end of a watch."""

    event: Literal["ended"]
    end: Annotated[EndName, "holds: the condition does; count, timeout: as often, or as long, as was wanted"]
    until: Annotated[str | None, "The condition; null without one"]
    ended_at: Annotated[str, Format("date-time"), "When"]
    rounds: Annotated[int, "How often was asked"]
    changes: Annotated[int, "How many answers were another one than before"]
    elapsed_s: Annotated[float, "How long it took"]


def watched_row(news: News, found: Round, moment: datetime, *, several: bool, is_until: bool) -> WatchedRow:
    """What a server said."""
    heard = news.heard
    content, upstreams = heard.content, heard.server.upstreams
    name = heard.server.name
    return {
        "event": cast("Literal['first']", event_name(news)),
        "told_at": rfc3339(moment.replace(microsecond=0)),
        "round": found.number,
        "server": None if heard.reply is None else str(heard.reply.server),
        "upstream": str(upstreams[0]) if len(upstreams) == 1 else None,
        "name": None if name is None else str(name),
        "reason": failure_words(news.heard),
        "rcode": None if content is None else str(content.rcode),
        "zone_serial": None if content is None else content.serial,
        "records": [] if content is None else [record_row(each) for each in content.records.values()],
        "difference": difference_row(news.difference) if news.difference else None,
        "agree": found.comparison.agree if several else None,
        "holds": found.holds if is_until else None,
        "delay_s": news.delay.seconds,
        "delay_reason": str(news.delay.why),
    }


def event_name(news: News) -> str:
    """The event of JSON and of plain lines."""
    return {"same": "unchanged", "still failed": "failed"}.get(str(news.kind), str(news.kind))
