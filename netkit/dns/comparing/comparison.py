"""`Comparison`: what several servers said to one question, put in order. Pure: no socket, no clock.

Servers that agree are a group. The first group is the one that others are compared with: the group of the
newest serial, because a secondary is behind the primary and never ahead of it; where no serial decides, the
largest; of several, that of the server that was named first.

A cache agrees with a group of authoritative servers where nothing that it says contradicts them (its TTL has
counted down). So first the authoritative answers are put in groups, then the others.
"""

from __future__ import annotations

from enum import Enum
from errno import EADDRNOTAVAIL, EAFNOSUPPORT, ENETUNREACH
from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.comparing.difference import Difference, difference_of
from netkit.dns.errors import DnsError
from netkit.dns.policy.verdict import Meaning
from netkit.dns.serials import serial_steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.dns.comparing.content import Content
    from netkit.dns.comparing.heard import Heard, Server
    from netkit.dns.errors import Asked
    from netkit.dns.messages.message import Question
    from netkit.dns.name import Name

#: How a system says that it has no way to any address of a family.
_NO_WAY = frozenset((ENETUNREACH, EADDRNOTAVAIL, EAFNOSUPPORT))


class Standing(Enum):
    """What came of asking a server; the value is the word for it."""

    ANSWERED = "answered"
    LAME = "lame"
    """The zone is said to be on this server, and the server does not answer for it."""
    FAILED = "failed"
    """There is no answer: no connection, silence, a malformed message."""
    NOT_ASKED = "not asked"
    """This machine has no way to any address of its family, so nothing is known of the server."""

    def __str__(self) -> str:
        return self.value


class Member(NamedTuple):
    """A server in a comparison: `reason` says in words why it is lame or failed; `group` counts from 0."""

    heard: Heard
    standing: Standing
    reason: str | None = None
    group: int | None = None

    @property
    def server(self) -> Server:
        """The server."""
        return self.heard.server


class Group(NamedTuple):
    """Servers that agree. `difference` is how their answer differs from that of the first group."""

    members: tuple[Member, ...]
    content: Content
    difference: Difference


class ZoneSerial(NamedTuple):
    """A version of a zone: its serial, which servers have it, and how many steps it is behind the newest.

    `behind` is None where serials contradict each other: none of them is newer than all others.
    """

    zone: Name
    serial: int
    behind: int | None
    members: tuple[Member, ...]


class Comparison:
    """What several servers said to `question`, in order: `members`, `groups`, `serials` (newest first)."""

    __slots__ = ("groups", "members", "question", "serials")

    def __init__(
        self,
        question: Question,
        members: Sequence[Member],
        groups: Sequence[Group],
        serials: Sequence[ZoneSerial],
    ) -> None:
        self.question = question
        self.members = tuple(members)
        self.groups = tuple(groups)
        self.serials = tuple(serials)

    @property
    def agree(self) -> bool:
        """Whether all servers that could be asked say the same, and none of them is lame or failed."""
        asked = [each for each in self.members if each.standing is not Standing.NOT_ASKED]
        return len(self.groups) == 1 and all(each.standing is Standing.ANSWERED for each in asked)

    @property
    def outside(self) -> tuple[Member, ...]:
        """The servers that are in no group: lame, failed, or not asked."""
        return tuple([each for each in self.members if each.group is None])

    @property
    def dissenting(self) -> tuple[Member, ...]:
        """The servers that do not agree with the first group, in the order in which they were given."""
        return tuple(
            [each for each in self.members if each.group != 0 and each.standing != Standing.NOT_ASKED]
        )

    @property
    def error(self) -> DnsError | None:
        """Why there is nothing to compare, as the first server has it; None if one answered."""
        if self.groups:
            return None
        asked: Asked = {"name": self.question.name, "rdtype": self.question.rdtype}
        for each in self.members:
            if each.heard.content is None:
                return each.heard.error
            denied = each.heard.content.verdict.error(each.server.address)
            return denied or DnsError.TryAgain("no server is authoritative for it", **asked)
        return DnsError.TryAgain("there is no server to ask", **asked)

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.members)} servers: {len(self.groups)} groups>"


def compare(question: Question, heard: Sequence[Heard]) -> Comparison:
    """Put in order what several servers said. The time grows with the number of servers times groups."""
    members = [Member(each, *_standing(each, heard)) for each in heard]
    versions = _versions(members)
    gathered = _gathered(members, versions)
    groups = []
    for number, each in enumerate(gathered):
        for index in each.indexes:
            members[index] = members[index]._replace(group=number)
        here = tuple([members[index] for index in sorted(each.indexes)])
        apart = _between(gathered[0].speakers, each.speakers) if number else Difference()
        groups.append(Group(here, each.speakers[0], apart))
    serials = [
        ZoneSerial(zone, serial, behind, tuple([members[index] for index in those]))
        for zone, serial, behind, those in versions
    ]
    return Comparison(question, members, groups, serials)


def _standing(heard: Heard, of_all: Sequence[Heard]) -> tuple[Standing, str | None]:
    content = heard.content
    if content is None:
        if _has_no_way(heard, of_all):
            return Standing.NOT_ASKED, "this machine has no way to addresses of this family"
        return Standing.FAILED, failure_words(heard)
    if heard.server.zone is None or content.is_authoritative:
        return Standing.ANSWERED, None
    return Standing.LAME, failure_words(heard) or "answers without authority"


def failure_words(heard: Heard) -> str | None:
    """Why there is no answer, or one that tells nothing of the records; None where it does.

    The question and the server are not in the words: they stand beside them.
    """
    error, content = heard.error, heard.content
    if content is None:
        if not heard.server.upstreams:
            return "no address" if isinstance(error, DnsError.HostNotFound) else f"no address: {error}"
        if isinstance(error, DnsError.NetworkError):
            return error.reason
        if isinstance(error, DnsError.Timeout) and error.timeout is not None:
            return f"no answer within {error.timeout:g} s"
        return str(error)
    match content.verdict.meaning:
        case Meaning.FAILURE:
            return f"answers {content.rcode}"
        case Meaning.REFERRAL:
            return "refers to other servers"
        case Meaning.CUT:
            return "is truncated"
    return None


def _has_no_way(heard: Heard, of_all: Sequence[Heard]) -> bool:
    """Whether the cause is this machine: there is no way to any address of a family, and to others there is.

    One network may be unreachable because of a fault elsewhere: then other addresses of the family are not.
    """
    version = _version(heard)
    if version is None or not any(each.content is not None for each in of_all):
        return False
    return all(_is_no_way(each.error) for each in of_all if _version(each) == version)


def _is_no_way(error: DnsError | None) -> bool:
    return isinstance(error, DnsError.NetworkError) and error.errno in _NO_WAY


def _version(heard: Heard) -> int | None:
    versions = {None if each.addr is None else each.addr.ip.version for each in heard.server.upstreams}
    return versions.pop() if len(versions) == 1 else None


class _Gathering:
    """The indexes of servers that agree, and who speaks for them: the first authoritative answer and the
    first other one, because all others are like one of the two."""

    def __init__(self) -> None:
        self.indexes: list[int] = []
        self._speakers: dict[bool, Content] = {}

    @property
    def speakers(self) -> list[Content]:
        """Those that speak for it."""
        return list(self._speakers.values())

    def add(self, index: int, content: Content) -> None:
        """Add a server that agrees."""
        self.indexes.append(index)
        self._speakers.setdefault(content.is_authoritative, content)


def _gathered(members: Sequence[Member], versions: Sequence[_Version]) -> list[_Gathering]:
    """The groups of those that answered. Of several, a cache is in that of the newest version."""
    found: list[_Gathering] = []
    for authoritative in (True, False):
        for index, member in enumerate(members):
            content = member.heard.content
            if member.standing is not Standing.ANSWERED or content is None:
                continue
            if content.is_authoritative is authoritative:
                _join(found, index, content)
        found.sort(key=lambda each: (_place(each.indexes, versions), -len(each.indexes), min(each.indexes)))
    return found


def _join(groups: list[_Gathering], index: int, content: Content) -> None:
    """Put an answer in the first group that it agrees with, or in a new one."""
    for each in groups:
        if not any(difference_of(speaker, content) for speaker in each.speakers):
            break
    else:
        each = _Gathering()
        groups.append(each)
    each.add(index, content)


def _between(first: Sequence[Content], second: Sequence[Content]) -> Difference:
    """How a group differs from the first one, where those that speak for them differ."""
    found = [difference_of(other, one) for one in second for other in first]
    return next(filter(None, found), Difference())


class _Version(NamedTuple):
    """As `ZoneSerial`, with the indexes of the servers."""

    zone: Name
    serial: int
    behind: int | None
    indexes: list[int]


def _versions(members: Sequence[Member]) -> list[_Version]:
    """The versions of zones that authoritative servers have, the newest of the most common zone first."""
    having: dict[Name, dict[int, list[int]]] = {}
    for index, member in enumerate(members):
        content = member.heard.content
        if member.standing is not Standing.ANSWERED or content is None or not content.is_authoritative:
            continue
        if content.zone is not None and content.serial is not None:
            having.setdefault(content.zone, {}).setdefault(content.serial, []).append(index)
    found = []
    for zone, serials in sorted(having.items(), key=lambda item: -sum(map(len, item[1].values()))):
        newest = _newest(serials)
        versions = [
            _Version(zone, serial, None if newest is None else serial_steps(newest, serial), those)
            for serial, those in serials.items()
        ]
        found += sorted(versions, key=lambda each: (each.behind or 0, -len(each.indexes)))
    return found


def _newest(serials: Iterable[int]) -> int | None:
    """The serial that no other one is ahead of, nor half of the circle away; None if there is none."""
    given = list(serials)
    return next((one for one in given if all(serial_steps(one, each) is not None for each in given)), None)


def _place(group: Sequence[int], versions: Sequence[_Version]) -> int:
    """The place of the newest version that a group has; behind all, if it has none."""
    places = [place for place, each in enumerate(versions) if not set(each.indexes).isdisjoint(group)]
    return min(places, default=len(versions))
