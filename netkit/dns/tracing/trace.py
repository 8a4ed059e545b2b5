"""What a walk from the root is: how it is done (`TraceOptions`), its hops (`Hop`), its result (`Trace`)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.constants import DNS_PORT
from netkit.dns.edns import Edns
from netkit.dns.policy.options import QueryOptions
from netkit.dns.tracing.hints import ROOT_HINTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.addr import IpAddr
    from netkit.dns.errors import DnsError
    from netkit.dns.messages.message import Question
    from netkit.dns.name import Name
    from netkit.dns.policy.steps import Step
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.tracing.hints import Hints
    from netkit.dns.tracing.outcome import Outcome
    from netkit.dns.tracing.reading import Delegation, Reading
    from netkit.dns.transports.reply import Reply

#: Seconds that a walk may take, and that one server has for its answer.
WITHIN = 30.0
TIMEOUT = 2.0
#: How often each server of a zone is asked, where none gives an answer of use.
TRIES = 2
#: The most queries of a walk (those over TCP after truncated answers, and the checks, among them).
MAX_ASKS = 200
#: The most aliases that are followed from one name.
MAX_ALIASES = 16
#: How deep walks for the addresses of name servers are nested, and of how many name servers of one zone the
#: addresses are looked for so: a zone may name many that do not exist (RFC 9520 and "NXNSAttack").
MAX_DEPTH = 4
MAX_GLUELESS = 6

#: As a resolver asks an authority: no recursion, and DNSSEC records, to see where zones are signed.
DEFAULT_QUERY = QueryOptions(
    timeout=TIMEOUT, tries=TRIES, rd=False, randomize_case=False, edns=Edns(dnssec_ok=True)
)


class TraceOptions(NamedTuple):
    """How a walk is done.

    It begins at the servers of `hints`; with `start`, at the root servers that the first of these servers
    names. `port` is that of all servers that the hints give no port. `family` 4 or 6 leaves the addresses of
    the other family out. `within` is how many seconds all of it may take. `query` says how each server is
    asked: `timeout` seconds for one answer (less when little of `within` is left), `tries` times. `check`
    asks each zone on the way for its own name servers afterwards, to compare them with what the zone above
    says.
    """

    hints: Hints = ROOT_HINTS
    start: tuple[Upstream, ...] = ()
    port: int = DNS_PORT
    family: int | None = None
    within: float = WITHIN
    query: QueryOptions = DEFAULT_QUERY
    check: bool = True
    max_asks: int = MAX_ASKS


DEFAULT_TRACE = TraceOptions()


class Purpose(Enum):
    """What a hop is for; the value is the word in JSON."""

    ROOT = "root"
    """To learn the servers of the root."""
    NAME = "name"
    """To answer the question, or the question for the name that an alias leads to."""
    ADDRESS = "address"
    """To find the address of a name server that came without."""
    CHECK = "check"
    """To compare what a zone says of itself with what the zone above says."""


class Hop:
    """One server on the way, and what came of asking it.

    `zone` is the zone that it is asked as a server of, `server` its name (None: only its address is known),
    `upstream` its address (None: it was not asked, because it has none). `whose` is the name server whose
    address is looked for, and `depth` how deep such walks are nested. `turn` counts how often the servers of
    the zone were gone through. `at` is when it was asked, in seconds since the walk began; `elapsed` how long
    it took. `history` are the queries, more than one if an answer was truncated. `reply` is the answer;
    `error` says why there is none. `reason` says what that means, and `then` what the walk does next.
    """

    __slots__ = (
        "at", "depth", "elapsed", "error", "history", "number", "outcome", "purpose", "question", "reading",
        "reason", "reply", "server", "then", "turn", "upstream", "whose", "zone",
    )  # fmt: skip

    def __init__(
        self,
        number: int,
        zone: Name,
        server: Name | None,
        upstream: Upstream | None,
        question: Question,
        purpose: Purpose,
        outcome: Outcome,
        *,
        whose: Name | None = None,
        depth: int = 0,
        turn: int = 1,
        at: float = 0.0,
        elapsed: float = 0.0,
        history: Sequence[Step] = (),
        reply: Reply | None = None,
        error: DnsError | None = None,
        reading: Reading | None = None,
        reason: str = "",
    ) -> None:
        self.number = number
        self.zone = zone
        self.server = server
        self.upstream = upstream
        self.question = question
        self.purpose = purpose
        self.outcome = outcome
        self.whose = whose
        self.depth = depth
        self.turn = turn
        self.at = at
        self.elapsed = elapsed
        self.history = tuple(history)
        self.reply = reply
        self.error = error
        self.reading = reading
        self.reason = reason
        self.then = ""

    @property
    def is_check(self) -> bool:
        """Whether it is no step of the walk, but compares what is said of a zone."""
        return self.purpose is Purpose.CHECK

    @property
    def delegation(self) -> Delegation | None:
        """The zone that the server referred to."""
        return None if self.reading is None else self.reading.delegation

    @property
    def place(self) -> str:
        """The server as text: `ns1.example. (192.0.2.1:53)`."""
        if self.upstream is None:
            return str(self.server)
        return str(self.upstream) if self.server is None else f"{self.server} ({self.upstream})"

    def __repr__(self) -> str:
        return f"<Hop {self.number}: {self.place} for {self.zone}: {self.outcome.value}>"


class Fault(Enum):
    """What is wrong on the way; the value is the word in JSON."""

    LAME = "lame"
    """A server does not have the zone that is delegated to it."""
    SILENT = "silent"
    """A server does not answer."""
    UNREACHABLE = "unreachable"
    """A server cannot be reached."""
    FAILING = "failing"
    """A server answers with an error code."""
    MALFORMED = "malformed"
    """A server sends what is no DNS message."""
    NO_TCP = "no-tcp"
    """A server truncates its answer, and does not give it over TCP."""
    NO_ADDRESS = "no-address"
    """A name server has no address."""
    GLUE_DIFFERS = "glue-differs"
    """The zone above gives other addresses of a name server than the zone itself."""
    SERVERS_DIFFER = "servers-differ"
    """The zone above names other servers than the zone itself."""
    HINTS_DIFFER = "hints-differ"
    """The hints name other servers or addresses than the root itself."""
    SERVER_IS_ALIAS = "server-is-alias"
    """The name of a name server is an alias, which it must not be (RFC 2181 section 10.3)."""
    NOT_SIGNED = "not-signed"
    """The zone above says that a zone is signed, and its answer has no signature."""
    DS_DIFFERS = "ds-differs"
    """No key of a zone is the one that the zone above has a DS record of."""
    ODD = "odd"
    """Something else that ought not to be so."""

    @property
    def severity(self) -> str:
        """`error` if validating resolvers have no answer because of it, `warning` if some clients may have
        none, or `note`."""
        if self in (Fault.NOT_SIGNED, Fault.DS_DIFFERS):
            return "error"
        return "note" if self in (Fault.ODD, Fault.HINTS_DIFFER) else "warning"


class Finding(NamedTuple):
    """Something that is wrong on the way, in words; `hop` is the number of the hop that shows it."""

    fault: Fault
    zone: Name
    server: Name | None
    text: str
    hop: int


class Cut:
    """A zone on the way, with what is known of its servers.

    `delegation` is what the zone above says; None for the root. `hop` is the number of the hop that said so
    (0: the hints). `names` are its servers, and `glue` their addresses, as it says. `own` are the servers as
    the zone itself has them, `own_addresses` their addresses by name and family, and `keys` its keys; None
    before that was asked.
    """

    __slots__ = ("delegation", "glue", "hop", "keys", "names", "own", "own_addresses", "zone")

    def __init__(
        self,
        zone: Name,
        delegation: Delegation | None,
        names: Sequence[Name],
        glue: dict[Name, tuple[IpAddr, ...]],
        hop: int,
    ) -> None:
        self.zone = zone
        self.delegation = delegation
        self.names = tuple(names)
        self.glue = glue
        self.hop = hop
        self.own: tuple[Name, ...] | None = None
        self.own_addresses: dict[Name, dict[int, list[IpAddr]]] = {}
        self.keys: tuple[DnsRecord.DNSKEY, ...] | None = None

    def __repr__(self) -> str:
        return f"<Cut {self.zone}>"


class Trace:
    """A walk from the root to the answer to `question`, or to where it ended.

    `hops` are in the order of time; `path` are the zones on the way, from the root. `outcome` is what the
    last answer of use means; None if there is none. `records` are those asked for, at `name`, to which
    `aliases` lead. `error` says why there are no records: NotFound and NoData where an authority says so,
    else why the walk ended. `findings` are what is wrong on the way, also where there is an answer.
    `is_checked` says whether there was time for the checks. `elapsed` is in seconds.
    """

    __slots__ = (
        "aliases", "elapsed", "error", "findings", "history", "hops", "is_checked", "name", "path",
        "question", "reading", "records", "reply",
    )  # fmt: skip

    def __init__(
        self,
        question: Question,
        hops: Sequence[Hop],
        path: Sequence[Cut],
        findings: Sequence[Finding],
        history: Sequence[Step],
        *,
        reading: Reading | None,
        reply: Reply | None,
        aliases: Sequence[DnsRecord],
        error: DnsError | None,
        elapsed: float,
        is_checked: bool,
    ) -> None:
        self.question = question
        self.hops = tuple(hops)
        self.path = tuple(path)
        self.findings = tuple(findings)
        self.history = tuple(history)
        self.reading = reading
        self.reply = reply
        self.records = () if reading is None else reading.records
        self.name = question.name if reading is None else reading.name
        self.aliases = tuple(aliases)
        self.error = error
        self.elapsed = elapsed
        self.is_checked = is_checked

    @property
    def outcome(self) -> Outcome | None:
        """What the last answer of use means."""
        return None if self.reading is None else self.reading.outcome

    def __repr__(self) -> str:
        end = self.error or self.outcome
        return f"<Trace {self.question.name} {self.question.rdtype}: {len(self.hops)} hops, {end}>"
