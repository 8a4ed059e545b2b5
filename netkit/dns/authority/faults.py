"""Faults on purpose in what a name server says: messages that a client must not believe, or must survive.

    script = DnsFaults([DnsFault("wrong-id", name=Name.parse("www.example")), DnsFault("drop", share=0.2)])
    script.deliveries(query, response, "udp")      # what is sent for this query: none, one, or several

`netkit.lab.faults` harms what is sent as octets: late, lost, damaged. Here, messages are wrong as messages:
each kind of fault is one that a server, a middlebox or an attacker really shows, and `KINDS` says what each
one is. The first fault of a script that selects a query is the one that its response has.

RFC 5452 (what a client compares before it believes), RFC 1035 section 4.1.4 (pointers), RFC 6891 sections
6.1.3 and 7 (EDNS), RFC 1912 section 2.8 (lame delegations), draft-vixie-dnsext-dns0x20 (letter case).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from netkit.addr import IpAddr
from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.edns import Edns
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import AA, TC, Message, Question, make_response
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord
from netkit.errors import NetkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    #: Makes what is sent of the fault, the query, and its response.
    Make: TypeAlias = Callable[["DnsFault", Message, Message, bytes], "list[Delivery]"]

#: The longest delay, in seconds.
MAX_DELAY = 3600.0
#: What begins the labels of a chain of aliases without an end.
LINK = b"link-"
#: What a response about another name is about.
OTHER_NAME = Name.parse("another-name.invalid.")
#: No message: its header promises 65,535 records in each section.
GARBAGE = b"\xff" * 40

_HEADER = 12
_TRANSPORTS = ("udp", "tcp", "tls", "https")


class Delivery(NamedTuple):
    """Something to send: `octets`, after `delay` seconds, over UDP from another `port` of this machine, or
    from another `address` of it."""

    octets: bytes
    delay: float = 0.0
    other_port: bool = False
    address: IpAddr | None = None


class InvalidDnsFault(NetkitError, ValueError):
    """A fault that cannot be: `field` of `DnsFault`, its `value`, and the `rule`."""

    layer = "netkit"
    fault = "caller"
    stage = "usage"

    def __init__(self, field: str, value: object, rule: str) -> None:
        super().__init__(field, value, rule)
        self.field = field
        self.value = value
        self.rule = rule

    def __str__(self) -> str:
        # Where a value is missing, the rule says of what.
        return self.rule if self.value is None else f"{self.field} {str(self.value)!r}: {self.rule}"


class Kind(NamedTuple):
    """A kind of fault: what it is in words, what its value is (None: it takes none), and who makes it.

    `over` is the transport that it is for, unless another is asked for; with `only_there`, no other can have
    it.
    """

    words: str
    make: Make
    value: Literal["octets", "seconds", "address"] | None = None
    over: str | None = None
    only_there: bool = False


class DnsFault:
    """One fault, and the queries that it is for.

    Args:
        kind: one of `KINDS`.
        value: of `cut` the octets that are left, of `delay` the seconds, of `wrong-address` the address.
        name: queries for this name; a wildcard (`*.example.`) is for all names under `example.`; None: all.
        rdtype: queries for this type; None: all.
        share: the share of these queries that has the fault, above 0 and up to 1.
        count: how many of them have it, the first ones; None: no limit.
        over: the transport ("udp", "tcp", "tls", "https"); None: that of the kind, or all.

    Raises InvalidDnsFault.
    """

    __slots__ = ("count", "kind", "name", "over", "rdtype", "share", "value")

    def __init__(
        self,
        kind: str,
        value: float | IpAddr | None = None,
        *,
        name: Name | None = None,
        rdtype: int | None = None,
        share: float = 1.0,
        count: int | None = None,
        over: str | None = None,
    ) -> None:
        known = KINDS.get(kind)
        if known is None:
            raise InvalidDnsFault("kind", kind, f"it is one of {', '.join(KINDS)}")
        wanted = known.value
        if wanted is None and value is not None:
            raise InvalidDnsFault("value", value, f"{kind} takes none")
        if wanted == "address" and not isinstance(value, IpAddr):
            raise InvalidDnsFault("value", value, f"{kind} needs another address of this machine")
        if wanted == "octets" and not (isinstance(value, int) and 0 <= value <= 0xFFFF):
            raise InvalidDnsFault("value", value, f"{kind} needs a number of octets, up to 65535")
        if wanted == "seconds" and not (isinstance(value, int | float) and 0 < value <= MAX_DELAY):
            raise InvalidDnsFault("value", value, f"{kind} needs a time, up to {MAX_DELAY:g} seconds")
        if not 0 < share <= 1:
            raise InvalidDnsFault("share", share, "it is above 0 and up to 1")
        if count is not None and count < 1:
            raise InvalidDnsFault("count", count, "it is 1 or more")
        if over is not None and over not in _TRANSPORTS:
            raise InvalidDnsFault("over", over, f"it is one of {', '.join(_TRANSPORTS)}")
        if known.only_there and over not in (None, known.over):
            raise InvalidDnsFault("over", over, f"{kind} is for datagrams")
        self.kind = kind
        self.value = value
        self.name = name
        self.rdtype = rdtype
        self.share = share
        self.count = count
        self.over = over or known.over

    def selects(self, question: Question | None, over: str) -> bool:
        """Whether the fault is for queries like this one."""
        if self.over is not None and over != self.over:
            return False
        if self.rdtype is not None and (question is None or question.rdtype != self.rdtype):
            return False
        if self.name is None:
            return True
        if question is None:
            return False
        name = base_of(question.name) if self.kind == "endless-cname" else question.name
        if self.name.is_wildcard:
            return name != self.name.parent and name.is_subdomain_of(self.name.parent)
        return name == self.name

    def __str__(self) -> str:
        """The fault in words: `cut=40 for A of www.example., 20%`."""
        value = "" if self.value is None else f"={self.value}"
        words = self.kind + value
        if self.rdtype is not None or self.name is not None:
            rdtype = "every type" if self.rdtype is None else str(DnsRecordType(self.rdtype))
            words += f" for {rdtype} of {'every name' if self.name is None else self.name}"
        if self.over is not None:
            words += f" over {self.over.upper()}"
        if self.share < 1:
            words += f", {self.share * 100:g}%"
        if self.count is not None:
            words += f", {'once' if self.count == 1 else f'{self.count} times'}"
        return words

    def __repr__(self) -> str:
        return f"<DnsFault {self}>"


class DnsFaults:
    """A script: the faults, in the order in which they are tried.

    `chance` gives random numbers from 0 to 1, for faults with a `share`. `injected` counts the faults by
    kind.
    """

    def __init__(self, faults: Iterable[DnsFault], chance: Callable[[], float]) -> None:
        self.faults = tuple(faults)
        self.injected: dict[str, int] = {fault.kind: 0 for fault in self.faults}
        self._chance = chance
        self._left = [fault.count for fault in self.faults]

    def deliveries(self, query: bytes, response: bytes | None, over: str) -> list[Delivery]:
        """What to send for a query to which `response` would be the answer.

        No content of the query makes it raise. What has no response has no fault.
        """
        if response is None:
            return []
        asked = Message.from_malformed(query)
        fault = self._chosen(asked.question[0] if asked.question else None, over)
        if fault is None:
            return [Delivery(response)]
        try:
            made = KINDS[fault.kind].make(fault, asked, Message.from_wire(response), response)
        except DnsError:
            return [Delivery(response)]  # it has a signature, or a name that is too long for one more label
        self.injected[fault.kind] += 1
        return made

    def _chosen(self, question: Question | None, over: str) -> DnsFault | None:
        for place, fault in enumerate(self.faults):
            left = self._left[place]
            if left == 0 or not fault.selects(question, over):
                continue
            if fault.share < 1 and self._chance() >= fault.share:
                continue
            if left is not None:
                self._left[place] = left - 1
            return fault
        return None


def base_of(name: Name) -> Name:
    """The name that a chain of aliases without an end began with."""
    labels = name.labels
    return name.parent if labels and _link_number(labels[0]) is not None else name


def _link_number(label: bytes) -> int | None:
    digits = label.lower().removeprefix(LINK)
    return int(digits) if digits != label.lower() and digits.isdigit() and len(digits) < 10 else None


# The kinds. Each gets the fault, the query, its right response, and the octets of that.


def _wrong_id(_fault: DnsFault, _query: Message, _right: Message, octets: bytes) -> list[Delivery]:
    return [Delivery(bytes((octets[0] ^ 0x55, octets[1] ^ 0xAA)) + octets[2:])]


def _wrong_question(_fault: DnsFault, _query: Message, right: Message, _octets: bytes) -> list[Delivery]:
    if not right.question:
        return [Delivery(right.to_wire())]
    asked = right.question[0]
    other = [Question(OTHER_NAME, asked.rdtype, asked.rdclass)]
    renamed = [
        record.replace(name=OTHER_NAME) if record.name == asked.name else record for record in right.answer
    ]
    return [Delivery(right.replace(question=other, answer=renamed).to_wire())]


def _wrong_port(_fault: DnsFault, _query: Message, _right: Message, octets: bytes) -> list[Delivery]:
    return [Delivery(octets, other_port=True)]


def _wrong_address(fault: DnsFault, _query: Message, _right: Message, octets: bytes) -> list[Delivery]:
    assert isinstance(fault.value, IpAddr)
    return [Delivery(octets, address=fault.value)]


def _with_name_octets(octets: bytes, change: Callable[[bytes], bytes]) -> list[Delivery]:
    """The response with other letters in its question; the names that point there change with it."""
    at = _HEADER
    while at < len(octets) and 0 < octets[at] < 64:
        at += 1 + octets[at]
    # The length octets are below all letters, so nothing happens to them.
    return [Delivery(octets[:_HEADER] + change(octets[_HEADER:at]) + octets[at:])]


def _wrong_case(_fault: DnsFault, _query: Message, _right: Message, octets: bytes) -> list[Delivery]:
    return _with_name_octets(octets, bytes.swapcase)


def _lower_case(_fault: DnsFault, _query: Message, _right: Message, octets: bytes) -> list[Delivery]:
    return _with_name_octets(octets, bytes.lower)


def _garbage_first(_fault: DnsFault, _query: Message, _right: Message, octets: bytes) -> list[Delivery]:
    return [Delivery(GARBAGE), Delivery(octets)]


def _broken_first(_fault: DnsFault, _query: Message, right: Message, octets: bytes) -> list[Delivery]:
    bare = right.replace(answer=(), authority=(), additional=(), edns=None).to_wire()
    promised = bare[:6] + b"\0\1" + bare[8:]  # an answer that is not there
    return [Delivery(promised), Delivery(octets)]


def _truncated(_fault: DnsFault, _query: Message, right: Message, _octets: bytes) -> list[Delivery]:
    empty = right.replace(flags=right.flags | TC, answer=(), authority=(), additional=())
    return [Delivery(empty.to_wire())]


def _cut(fault: DnsFault, _query: Message, _right: Message, octets: bytes) -> list[Delivery]:
    assert isinstance(fault.value, int)
    return [Delivery(octets[: fault.value])]


def _no_edns(_fault: DnsFault, query: Message, right: Message, octets: bytes) -> list[Delivery]:
    if query.edns is None:
        return [Delivery(octets)]
    return [Delivery(_empty(right, Rcode.FORMERR, edns=None))]


def _badvers(_fault: DnsFault, query: Message, right: Message, octets: bytes) -> list[Delivery]:
    if query.edns is None:
        return [Delivery(octets)]
    return [Delivery(_empty(right, Rcode.BADVERS, edns=right.edns or Edns()))]


def _pointer_loop(_fault: DnsFault, _query: Message, right: Message, _octets: bytes) -> list[Delivery]:
    bare = right.replace(answer=(), authority=(), additional=(), edns=None).to_wire()
    pointer = (0xC000 | len(bare)).to_bytes(2, "big")  # to itself
    rdtype = right.question[0].rdtype if right.question else DnsRecordType.A
    record = pointer + int(rdtype).to_bytes(2, "big") + b"\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
    return [Delivery(bare[:6] + b"\0\1" + bare[8:] + record)]


def _drop(_fault: DnsFault, _query: Message, _right: Message, _octets: bytes) -> list[Delivery]:
    return []


def _delay(fault: DnsFault, _query: Message, _right: Message, octets: bytes) -> list[Delivery]:
    assert isinstance(fault.value, int | float)
    return [Delivery(octets, delay=float(fault.value))]


def _servfail(_fault: DnsFault, _query: Message, right: Message, _octets: bytes) -> list[Delivery]:
    return [Delivery(_empty(right, Rcode.SERVFAIL, edns=right.edns))]


def _refused(_fault: DnsFault, _query: Message, right: Message, _octets: bytes) -> list[Delivery]:
    return [Delivery(_empty(right, Rcode.REFUSED, edns=right.edns))]


def _lame(_fault: DnsFault, _query: Message, right: Message, _octets: bytes) -> list[Delivery]:
    root = [DnsRecord.NS(Name.root, 518400, Name.parse(f"{letter}.root-servers.net.")) for letter in "abc"]
    upward = right.replace(
        flags=right.flags & ~AA, rcode=Rcode.NOERROR, answer=(), authority=root, additional=()
    )
    return [Delivery(upward.to_wire())]


def _duplicate(_fault: DnsFault, _query: Message, _right: Message, octets: bytes) -> list[Delivery]:
    return [Delivery(octets), Delivery(octets)]


def _endless_cname(_fault: DnsFault, query: Message, right: Message, octets: bytes) -> list[Delivery]:
    if not query.question:
        return [Delivery(octets)]
    name = query.question[0].name
    base = base_of(name)
    number = 0 if base is name else _link_number(name.labels[0]) or 0
    following = Name((LINK + str(number + 1).encode(), *base.labels))
    made = make_response(
        query, aa=True, answer=[DnsRecord.CNAME(name, 60, following)], edns=right.edns or Edns()
    )
    return [Delivery(made.to_wire())]


def _empty(right: Message, rcode: Rcode, *, edns: Edns | None) -> bytes:
    made = right.replace(
        flags=right.flags & ~AA, rcode=rcode, answer=(), authority=(), additional=(), edns=edns
    )
    return made.to_wire()


#: The kinds of faults.
KINDS: dict[str, Kind] = {
    "wrong-id": Kind("the ID is not that of the query", _wrong_id),
    "wrong-question": Kind("the response is about another name", _wrong_question),
    "wrong-port": Kind("the response comes from another port", _wrong_port, None, "udp", True),
    "wrong-address": Kind("the response comes from another address", _wrong_address, "address", "udp", True),
    "wrong-case": Kind("each letter of the question has the other case", _wrong_case),
    "lower-case": Kind("the question comes back in lower case", _lower_case),
    "garbage-first": Kind("what is no message comes before the response", _garbage_first),
    "broken-first": Kind("a response that ends too early comes before the right one", _broken_first),
    "truncated": Kind("TC is set, and there is no record", _truncated, None, "udp"),
    "cut": Kind("the response ends after so many octets", _cut, "octets"),
    "no-edns": Kind("a query with EDNS gets FORMERR without EDNS", _no_edns),
    "badvers": Kind("a query with EDNS gets BADVERS", _badvers),
    "pointer-loop": Kind("a compressed name points to itself", _pointer_loop),
    "drop": Kind("there is no response", _drop),
    "delay": Kind("the response comes so much later", _delay, "seconds"),
    "servfail": Kind("the response is SERVFAIL", _servfail),
    "refused": Kind("the response is REFUSED", _refused),
    "lame": Kind("the response refers to the root's servers", _lame),
    "duplicate": Kind("the response comes twice", _duplicate),
    "endless-cname": Kind("the answer is an alias of an alias, without end", _endless_cname),
}
