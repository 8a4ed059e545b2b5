"""What a walk and its parts hand to each other: `Attempt`, `Came`, `Asking`, `End`; `Over` ends it early."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.tracing.trace import Purpose

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import TypeAlias, TypeVar

    from netkit.dns.errors import DnsError
    from netkit.dns.messages.message import Question
    from netkit.dns.name import Name
    from netkit.dns.policy.steps import Done
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.tracing.reading import Reading
    from netkit.dns.tracing.trace import Hop

    T = TypeVar("T")
    #: A part of the walk: yields what to ask, is sent what came of it, and returns a T.
    Moves: TypeAlias = "Generator[Attempt, Came, T]"


class Attempt(NamedTuple):
    """A question for one server; `recurses` asks the server to ask others.

    `others` is how many other servers may be asked if this one gives no answer.
    """

    upstream: Upstream
    question: Question
    recurses: bool = False
    others: int = 0


class Came(NamedTuple):
    """What came of an attempt that was made `at` seconds after the start, and took `elapsed` seconds."""

    done: Done
    at: float
    elapsed: float


class Over(Exception):
    """The walk ends here, for a limit: `error` says for which."""

    def __init__(self, error: DnsError) -> None:
        super().__init__()
        self.error = error


class End(NamedTuple):
    """Where a walk for one question ended: `reading` is the last answer of use, `error` why there is none."""

    reading: Reading | None
    hop: Hop | None
    error: DnsError | None
    aliases: tuple[DnsRecord, ...] = ()


class Asking(NamedTuple):
    """What a part of the walk is for."""

    question: Question
    purpose: Purpose = Purpose.NAME
    whose: Name | None = None
    depth: int = 0
