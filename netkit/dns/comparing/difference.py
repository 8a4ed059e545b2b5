"""`Difference`: how two answers to one question differ; see `netkit.dns.comparing` for what counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from netkit.dns.comparing.content import set_of
from netkit.dns.serials import serial_steps

if TYPE_CHECKING:
    from netkit.dns.comparing.content import Content
    from netkit.dns.constants import DnsRecordType, Rcode
    from netkit.dns.name import Name
    from netkit.dns.records.base import DnsRecord

#: A flag that counts: the answer is truncated; its data is authentic.
Flag: TypeAlias = Literal["tc", "ad"]


class TtlDifference(NamedTuple):
    """A set of records that both have, with different TTLs, in seconds."""

    name: Name
    rdtype: DnsRecordType
    first: int
    second: int


class Difference(NamedTuple):
    """How the second of two answers differs from the first; false where it does not.

    `serials` and `zones` are of both answers, None where they are the same or are not compared. `behind` is
    how many steps the second serial is behind the first: less than 0 where it is ahead, None where neither is
    newer (RFC 1982). `only_first` and `only_second` are records. `flags` are set in the second answer where
    they are True, and in the first where they are False. `referral` says that one of the two (True: the
    second) is only a referral.
    """

    serials: tuple[int, int] | None = None
    zones: tuple[Name, Name] | None = None
    behind: int | None = None
    rcodes: tuple[Rcode, Rcode] | None = None
    referral: bool | None = None
    flags: tuple[tuple[Flag, bool], ...] = ()
    only_first: tuple[DnsRecord, ...] = ()
    only_second: tuple[DnsRecord, ...] = ()
    ttls: tuple[TtlDifference, ...] = ()

    def __bool__(self) -> bool:
        return self != _NONE

    @property
    def is_of_answer(self) -> bool:
        """Whether the answers differ, and not only the zone's serial."""
        return bool(self._replace(serials=None, behind=None))


_NONE = Difference()


def difference_of(first: Content, second: Content) -> Difference:
    """How `second` differs from `first`."""
    zones, serials, behind = _of_zones(first, second)
    return Difference(
        serials,
        zones,
        behind,
        None if first.rcode == second.rcode else (first.rcode, second.rcode),
        None if first.is_referral == second.is_referral else second.is_referral,
        tuple(_flags(first, second)),
        tuple([record for key, record in first.records.items() if key not in second.records]),
        tuple([record for key, record in second.records.items() if key not in first.records]),
        tuple(_ttls(first, second)),
    )


def _of_zones(
    first: Content, second: Content
) -> tuple[tuple[Name, Name] | None, tuple[int, int] | None, int | None]:
    if not (first.is_authoritative and second.is_authoritative):
        return None, None, None
    if first.zone is None or second.zone is None or first.serial is None or second.serial is None:
        return None, None, None
    if first.zone != second.zone:
        return (first.zone, second.zone), None, None
    if first.serial == second.serial:
        return None, None, None
    behind = serial_steps(first.serial, second.serial)
    if behind is None:
        ahead = serial_steps(second.serial, first.serial)
        behind = None if ahead is None else -ahead
    return None, (first.serial, second.serial), behind


def _flags(first: Content, second: Content) -> list[tuple[Flag, bool]]:
    found: list[tuple[Flag, bool]] = []
    if first.message.truncated != second.message.truncated:
        found.append(("tc", second.message.truncated))
    from_caches = not (first.is_authoritative or second.is_authoritative)
    if from_caches and first.message.authentic_data != second.message.authentic_data:
        found.append(("ad", second.message.authentic_data))
    return found


def _ttls(first: Content, second: Content) -> list[TtlDifference]:
    if not (first.is_authoritative or second.is_authoritative):
        return []  # both count down
    # Of sets without a record in common, the records say enough.
    shared = {set_of(record) for key, record in first.records.items() if key in second.records}
    return [
        TtlDifference(key[0], key[1], ttl, second.ttls[key])
        for key, ttl in first.ttls.items()
        if key in shared and _differ(first, ttl, second, second.ttls[key])
    ]


def _differ(first: Content, ttl: int, second: Content, other: int) -> bool:
    """Whether two TTLs differ; that of a cache may be anything up to the one in the zone."""
    if first.is_authoritative and second.is_authoritative:
        return ttl != other
    return other > ttl if first.is_authoritative else ttl > other
