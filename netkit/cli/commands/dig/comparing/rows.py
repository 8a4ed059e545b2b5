"""The objects of JSON for comparisons and for watches of `netkit dig`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict, cast

from netkit.cli.commands.dig.showing.rows import AnyRecord, QuestionRow, record_row
from netkit.cli.frame.fields import Endpoint
from netkit.cli.payload.dns.history import QueryRow, history_rows

if TYPE_CHECKING:
    from netkit.dns.comparing.comparison import Comparison, Group, Member, ZoneSerial
    from netkit.dns.comparing.difference import Difference
    from netkit.dns.comparing.heard import Server

StandingName = Literal["answered", "lame", "failed", "not asked"]
_FROM = "In the answer that it is compared with"
_HERE = "In this answer"


class SerialsRow(TypedDict):
    """Serials that differ."""

    first_serial: Annotated[int, _FROM]
    second_serial: Annotated[int, _HERE]
    behind: Annotated[
        int | None, "How many steps the second is behind; negative: ahead; null: neither is newer (RFC 1982)"
    ]


class WordsRow(TypedDict):
    """Words that differ."""

    first_text: Annotated[str, _FROM]
    second_text: Annotated[str, _HERE]


class FlagRow(TypedDict):
    """A flag that differs."""

    flag: Literal["tc", "ad"]
    is_set: Annotated[bool, "Whether this answer has it; the one that it is compared with is the opposite"]


class TtlRow(TypedDict):
    """The TTL of records that both have."""

    name: Annotated[str, "The name of the records"]
    type: Annotated[str, "Their type"]
    first_s: Annotated[int, _FROM]
    second_s: Annotated[int, _HERE]


class DifferenceRow(TypedDict):
    """How an answer differs from the one that it is compared with."""

    serial_change: Annotated[SerialsRow | None, "null: the same, or not compared"]
    zone_change: Annotated[WordsRow | None, "The zones that the answers are from; null: the same"]
    rcode_change: Annotated[WordsRow | None, "null: the same"]
    is_referral: Annotated[bool | None, "Whether this answer is the one that only refers; null: the same"]
    flags: list[FlagRow]
    only_first: Annotated[list[AnyRecord], "Records that this answer does not have"]
    only_second: Annotated[list[AnyRecord], "Records that only this answer has"]
    ttls: list[TtlRow]


class ComparedServerRow(TypedDict):
    """A server that was asked."""

    server: Annotated[Endpoint | None, "Its address; null if none is known"]
    upstream: Annotated[str | None, "The server as it may be given to @ and --server"]
    name: Annotated[str | None, "The name it was found by; null without one"]
    zone: Annotated[str | None, "The zone that it is said to have; null where nothing is said"]
    standing: Annotated[
        StandingName,
        "lame: it is said to have the zone, and does not answer for it; failed: no answer; not asked: this "
        "machine has no way to addresses of its family",
    ]
    reason: Annotated[str | None, "Why it is lame, failed or not asked"]
    group_index: Annotated[int | None, "Which of `groups` it is in; null if in none"]
    rcode: str | None
    flags: Annotated[list[str], "Those set of qr, aa, tc, rd, ra, ad, cd"]
    zone_serial: Annotated[int | None, "The serial of the zone that it has; null if it did not say"]
    elapsed_s: Annotated[float | None, "How long it took to answer"]
    history: Annotated[list[QueryRow], "Every query for the answer"]


class ZoneSerialRow(TypedDict):
    """A version of a zone."""

    zone: str
    zone_serial: int
    behind: Annotated[
        int | None, "Steps behind the newest; null if none of the serials is newer than all others (RFC 1982)"
    ]
    servers: Annotated[list[str], "The `upstream` of those that have it"]


class GroupRow(TypedDict):
    """Servers that agree."""

    servers: Annotated[list[str], "Their `upstream`"]
    rcode: str
    is_authoritative: bool
    is_referral: bool
    records: Annotated[list[AnyRecord], "What is compared: the answer; of a referral the NS records"]
    difference: Annotated[DifferenceRow | None, "From the first group; null in the first group"]


class ComparedRow(TypedDict):
    """What several servers said to one question."""

    event: Literal["compared"]
    question: QuestionRow
    agree: Annotated[bool, "Whether all that could be asked say the same, and none is lame or failed"]
    zone: Annotated[str | None, "The zone whose servers were found; null if they were not wanted"]
    serials: Annotated[list[ZoneSerialRow], "Of authoritative answers; the newest first"]
    groups: Annotated[list[GroupRow], "The one that others are compared with first"]
    servers: Annotated[list[ComparedServerRow], "In the order in which they were given or found"]
    elapsed_s: Annotated[float, "All of it, finding the servers included"]


def upstream_text(server: Server) -> str | None:
    """A server as it may be given to @; None where it has no address."""
    return server.address or None


def server_row(member: Member) -> ComparedServerRow:
    """A server in a comparison."""
    server, heard = member.server, member.heard
    content, reply = heard.content, heard.reply
    addr = server.upstreams[0].addr if server.upstreams else None
    return {
        "server": None if addr is None else str(addr),
        "upstream": upstream_text(server),
        "name": None if server.name is None else str(server.name),
        "zone": None if server.zone is None else str(server.zone),
        "standing": cast(StandingName, str(member.standing)),
        "reason": member.reason,
        "group_index": member.group,
        "rcode": None if content is None else str(content.rcode),
        "flags": [] if content is None else list(content.message.flag_names),
        "zone_serial": None if content is None else content.serial,
        "elapsed_s": None if reply is None else reply.elapsed_s,
        "history": history_rows(heard.history),
    }


def serial_row(serial: ZoneSerial) -> ZoneSerialRow:
    """A version of a zone."""
    return {
        "zone": str(serial.zone),
        "zone_serial": serial.serial,
        "behind": serial.behind,
        "servers": [each.server.address for each in serial.members],
    }


def group_row(group: Group, *, is_first: bool) -> GroupRow:
    """Servers that agree."""
    content = group.content
    return {
        "servers": [each.server.address for each in group.members],
        "rcode": str(content.rcode),
        "is_authoritative": content.is_authoritative,
        "is_referral": content.is_referral,
        "records": [record_row(record) for record in content.records.values()],
        "difference": None if is_first else difference_row(group.difference),
    }


def difference_row(found: Difference) -> DifferenceRow:
    """How two answers differ."""
    return {
        "serial_change": None
        if found.serials is None
        else {
            "first_serial": found.serials[0],
            "second_serial": found.serials[1],
            "behind": found.behind,
        },
        "zone_change": _words(found.zones),
        "rcode_change": _words(found.rcodes),
        "is_referral": found.referral,
        "flags": [{"flag": flag, "is_set": is_set} for flag, is_set in found.flags],
        "only_first": [record_row(record) for record in found.only_first],
        "only_second": [record_row(record) for record in found.only_second],
        "ttls": [
            {"name": str(name), "type": str(rdtype), "first_s": first, "second_s": second}
            for name, rdtype, first, second in found.ttls
        ],
    }


def _words(pair: tuple[object, object] | None) -> WordsRow | None:
    return None if pair is None else {"first_text": str(pair[0]), "second_text": str(pair[1])}


def compared_row(
    comparison: Comparison, question: QuestionRow, zone: str | None, elapsed_s: float
) -> ComparedRow:
    """A comparison."""
    return {
        "event": "compared",
        "question": question,
        "agree": comparison.agree,
        "zone": zone,
        "serials": [serial_row(each) for each in comparison.serials],
        "groups": [group_row(each, is_first=number == 0) for number, each in enumerate(comparison.groups)],
        "servers": [server_row(each) for each in comparison.members],
        "elapsed_s": elapsed_s,
    }
