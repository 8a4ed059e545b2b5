"""Why a walk from the root ended without an answer, where no error of a single server says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.tracing.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from netkit.dns.errors import Asked, Said
    from netkit.dns.name import Name
    from netkit.dns.tracing.trace import Hop

_INTERCEPTED = "resolvers answer in place of these servers: this network takes in what is sent to port 53"

#: What is said of servers that ended so.
_WORDS = {
    Outcome.REFUSED: "refused",
    Outcome.FAILED: "answered with an error code",
    Outcome.NOT_AUTHORITATIVE: "no authority for it",
    Outcome.UPWARD: "referred upward",
    Outcome.SELF: "referred to itself",
    Outcome.SIDEWAYS: "referred elsewhere",
    Outcome.TIMEOUT: "silent",
    Outcome.UNREACHABLE: "unreachable",
    Outcome.MALFORMED: "malformed",
    Outcome.TRUNCATED: "truncated without TCP",
    Outcome.NO_ADDRESS: "without an address",
}


class ZoneUnusable(DnsError.TryAgain):
    """No server of `zone` gave a usable answer; `told` says how many ended how."""

    hint = "the servers of this zone, or the delegation to them, must be repaired"

    def __init__(self, zone: str, told: str, **asked: Unpack[Said]) -> None:
        super().__init__(f"no server of {zone} gave a usable answer ({told})", **asked)
        self.zone = zone
        self.told = told

    @classmethod
    def of(cls, zone: Name, hops: Sequence[Hop], **asked: Unpack[Asked]) -> ZoneUnusable:
        """The error of a zone, by what came of asking its servers."""
        last = {(hop.server, hop.upstream): hop.outcome for hop in hops}
        counts: dict[Outcome, int] = {}
        for outcome in last.values():
            counts[outcome] = counts.get(outcome, 0) + 1
        told = ", ".join(f"{count} {_WORDS[outcome]}" for outcome, count in counts.items())
        # A zone may be delegated to resolvers by mistake; the root is not.
        is_taken_in = zone.is_root and is_intercepted(hops)
        is_lame = any(outcome.is_lame for outcome in counts) and not is_taken_in
        kind, hint = LameDelegation if is_lame else cls, _INTERCEPTED if is_taken_in else cls.hint
        return kind(str(zone), told or "none to ask", hint=hint, **asked)

    @property
    def kind(self) -> str:
        return "TryAgain"


class LameDelegation(ZoneUnusable):
    """No server of `zone` gave a usable answer, and one does not have the zone that is delegated to it."""

    @property
    def kind(self) -> str:
        return "LameDelegation"


def is_intercepted(hops: Sequence[Hop], enough: int = 2) -> bool:
    """Whether all servers that answered did so as resolvers do, and they are several."""
    replies = [(hop.outcome, hop.reply.message) for hop in hops if hop.reply is not None]
    return len(replies) >= enough and all(
        outcome is Outcome.NOT_AUTHORITATIVE and message.recursion_available for outcome, message in replies
    )
