"""What all forms of the output of `netkit dig --compare` and `--watch` say in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.commands.dig.showing.words import Wording
from netkit.cli.frame.messages import plural
from netkit.dns.comparing.comparison import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netkit.cli.commands.dig.answered import Shown
    from netkit.dns.comparing.comparison import Comparison, Member, ZoneSerial
    from netkit.dns.comparing.difference import Difference
    from netkit.dns.records.base import DnsRecord


def summary(comparison: Comparison) -> str:
    """What came of it, in a few words: `3 of 4 servers agree; 1 lame`."""
    count = len([each for each in comparison.members if each.standing is not Standing.NOT_ASKED])
    if comparison.agree:
        found = f"all {count} servers agree" if count != 1 else "the only server answered"
    else:
        largest = len(comparison.groups[0].members) if comparison.groups else 0
        found = f"{largest} of {plural(count, 'server')} {'agrees' if largest == 1 else 'agree'}"
    words = [found]
    stale = sum(len(each.members) for each in comparison.serials if each.behind)
    if stale:
        words.append(f"{stale} behind in serial")
    for standing in (Standing.LAME, Standing.FAILED, Standing.NOT_ASKED):
        number = sum(each.standing is standing for each in comparison.members)
        if number:
            words.append(f"{number} {standing}")
    return "; ".join(words)


def behind_words(serial: ZoneSerial) -> str:
    """`newest`, `1 behind`, or that this cannot be said."""
    if serial.behind is None:
        return "undecided"
    return f"{serial.behind} behind" if serial.behind else "newest"


def flags_that_count(member: Member) -> str:
    """Those of aa, tc, ra, ad that are set in the answer."""
    content = member.heard.content
    names = () if content is None else content.message.flag_names
    return " ".join([flag for flag in names if flag in ("aa", "tc", "ra", "ad")])


def record_cells(result: Shown, record: DnsRecord) -> Sequence[object]:
    """A record as the cells of a line."""
    name = Wording(result).name(record.name)
    return name, record.ttl, record.rdclass, record.rdtype, Wording(result).data(record)


def difference_lines(result: Shown, found: Difference) -> Iterator[Sequence[object]]:
    """How an answer differs from the one that it is compared with, a line of cells for each fact.

    What the first answer has comes before what this one has.
    """
    if found.zones is not None:
        yield "zone", *found.zones
    if found.serials is not None:
        behind = found.behind
        words = "undecided" if behind is None else f"{-behind} ahead" if behind < 0 else f"{behind} behind"
        yield "serial", *found.serials, words
    if found.rcodes is not None:
        yield "rcode", *found.rcodes
    if found.referral is not None:
        yield "referral", not found.referral, found.referral
    for flag, is_set in found.flags:
        yield "flag", flag, not is_set, is_set
    for record in found.only_first:
        yield "missing", *record_cells(result, record)
    for record in found.only_second:
        yield "extra", *record_cells(result, record)
    for ttl in found.ttls:
        yield "ttl", *ttl
