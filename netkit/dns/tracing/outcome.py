"""`Outcome`: what came of asking one server on the way from the root."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """What came of asking a server; the value is the word for it in JSON."""

    ANSWER = "answer"
    """The records that were asked for."""
    ALIAS = "alias"
    """The name is an alias, of a name that must be asked for."""
    NO_DATA = "no-data"
    """The name exists, without records of the type."""
    NO_NAME = "no-name"
    """The name does not exist."""
    REFERRAL = "referral"
    """The servers of a zone below know more."""
    LOOP = "loop"
    """The name is an alias that leads back to itself."""
    ERROR = "error"
    """A response code that no other server will better: a name that becomes too long by a DNAME record."""

    REFUSED = "refused"
    """The server refuses to answer: it does not have the zone, or not for this client."""
    FAILED = "failed"
    """Another response code that is about the server, such as SERVFAIL."""
    NOT_AUTHORITATIVE = "not-authoritative"
    """An answer without AA."""
    UPWARD = "upward"
    """A referral to a zone above the one that was asked, or a denial of such a zone."""
    SELF = "self"
    """A referral to the zone that was asked."""
    SIDEWAYS = "sideways"
    """A referral to a zone that the name is not in."""

    TIMEOUT = "timeout"
    """No answer came in time."""
    UNREACHABLE = "unreachable"
    """The network says that the server cannot be reached, or that nothing answers at its port."""
    MALFORMED = "malformed"
    """What came is no DNS message."""
    TRUNCATED = "truncated"
    """The answer over UDP was truncated, and there is none over TCP."""
    NO_ADDRESS = "no-address"
    """The name server was not asked, because no address of it was found."""

    @property
    def is_of_use(self) -> bool:
        """Whether the walk goes on from it; else another server of the zone is asked."""
        return self in _OF_USE

    @property
    def is_lame(self) -> bool:
        """Whether it shows that the server does not have the zone that is delegated to it."""
        return self in _LAME

    @property
    def may_pass(self) -> bool:
        """Whether the same server may answer if it is asked again."""
        return self in (Outcome.TIMEOUT, Outcome.FAILED)


_OF_USE = frozenset(
    (
        Outcome.ANSWER,
        Outcome.ALIAS,
        Outcome.NO_DATA,
        Outcome.NO_NAME,
        Outcome.REFERRAL,
        Outcome.LOOP,
        Outcome.ERROR,
    )
)
_LAME = frozenset(
    (Outcome.REFUSED, Outcome.NOT_AUTHORITATIVE, Outcome.UPWARD, Outcome.SELF, Outcome.SIDEWAYS)
)
