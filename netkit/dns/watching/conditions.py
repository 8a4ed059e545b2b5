"""`Condition`: what can be waited for, and whether it holds for what a server said.

A condition holds, does not hold, or cannot be told (None): of a server that failed nobody knows whether a
record exists. `not` of what cannot be told cannot be told either, so that a watch never ends because of
silence. `netkit.dns.watching.expression` reads conditions from text.
"""

from __future__ import annotations

from operator import eq, ge, gt, le, lt, ne
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, TypeAlias

from netkit.dns.comparing.difference import difference_of
from netkit.dns.name import Name
from netkit.dns.policy.verdict import Meaning
from netkit.dns.records.text_strings import TextStrings
from netkit.dns.serials import is_newer
from netkit.dns.value import Value, assign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netkit.dns.comparing.content import Content
    from netkit.dns.constants import Rcode
    from netkit.dns.records.base import DnsRecord

Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]

#: Meanings of a message that say nothing about the records.
_NOTHING_KNOWN = frozenset((Meaning.FAILURE, Meaning.CUT, Meaning.REFERRAL))


class Sight(NamedTuple):
    """What is known of a server at a moment: its last answer (None: it gave none), the first of its answers
    that told something, and whether all servers agree (None where they are not compared)."""

    content: Content | None
    first: Content | None = None
    agree: bool | None = None


def tells(content: Content | None) -> bool:
    """Whether an answer says something about the records: that they are there, or that they are not."""
    return content is not None and content.verdict.meaning not in _NOTHING_KNOWN


class Condition(Value):
    """Something to wait for; its variants are nested in it. `holds` is None where it cannot be told."""

    __slots__ = ()

    if TYPE_CHECKING:
        Changed: TypeAlias = "ConditionChanged"
        Exists: TypeAlias = "ConditionExists"
        Agree: TypeAlias = "ConditionAgree"
        Answer: TypeAlias = "ConditionAnswer"
        Code: TypeAlias = "ConditionCode"
        Serial: TypeAlias = "ConditionSerial"
        Ttl: TypeAlias = "ConditionTtl"
        Not: TypeAlias = "ConditionNot"
        All: TypeAlias = "ConditionAll"
        Any: TypeAlias = "ConditionAny"

    def holds(self, sight: Sight) -> bool | None:
        """Whether it holds for what one server said."""
        raise NotImplementedError


class ConditionChanged(Condition):
    """The answer is another one than the first; a new serial of the zone alone is no other answer."""

    __slots__ = ()

    def holds(self, sight: Sight) -> bool | None:
        content, first = sight.content, sight.first
        if content is None or first is None or not tells(content):
            return None
        return difference_of(first, content).is_of_answer

    def __str__(self) -> str:
        return "changed"


class ConditionExists(Condition):
    """The records that are asked for are there."""

    __slots__ = ()

    def holds(self, sight: Sight) -> bool | None:
        content = sight.content
        return content.exists if content is not None and tells(content) else None

    def __str__(self) -> str:
        return "exists"


class ConditionAgree(Condition):
    """All servers say the same."""

    __slots__ = ()

    def holds(self, sight: Sight) -> bool | None:
        return sight.agree

    def __str__(self) -> str:
        return "agree"


class ConditionAnswer(Condition):
    """A record with the data `text` is in the answer; or none is, where `operator` is `!=`.

    `record` is the text as a record of the type in question, None where there is no one type. The text of TXT
    and the like is also the strings put together.
    """

    __slots__ = ("operator", "record", "text")
    __match_args__ = ("operator", "text", "record")

    operator: Literal["=", "!="]
    text: str
    record: DnsRecord | None

    def __init__(self, operator: Literal["=", "!="], text: str, record: DnsRecord | None = None) -> None:
        assign(self, "operator", operator)
        assign(self, "text", text)
        assign(self, "record", None if record is None else _bare(record))

    def holds(self, sight: Sight) -> bool | None:
        content = sight.content
        if content is None or not tells(content):
            return None
        found = any(self._is(record) for record in content.verdict.records)
        return found if self.operator == "=" else not found

    def _is(self, record: DnsRecord) -> bool:
        if isinstance(record, TextStrings) and record.data == self.text:
            return True
        return record.rdata_text() == self.text or (self.record is not None and _bare(record) == self.record)

    def __str__(self) -> str:
        return f"answer{self.operator}{_quoted(self.text)}"


class ConditionCode(Condition):
    """The response code is `rcode`, or is not."""

    __slots__ = ("operator", "rcode")
    __match_args__ = ("operator", "rcode")

    operator: Literal["=", "!="]
    rcode: Rcode

    def __init__(self, operator: Literal["=", "!="], rcode: Rcode) -> None:
        assign(self, "operator", operator)
        assign(self, "rcode", rcode)

    def holds(self, sight: Sight) -> bool | None:
        if sight.content is None:
            return None
        return (sight.content.rcode == self.rcode) is (self.operator == "=")

    def __str__(self) -> str:
        return f"rcode{self.operator}{self.rcode}"


class Measure(Condition):
    """A number of the answer, compared with `number`."""

    __slots__ = ("number", "operator")
    __match_args__ = ("operator", "number")

    word: ClassVar[str]

    operator: Operator
    number: int

    def __init__(self, operator: Operator, number: int) -> None:
        assign(self, "operator", operator)
        assign(self, "number", number)

    def __str__(self) -> str:
        return f"{self.word}{self.operator}{self.number}"


class ConditionSerial(Measure):
    """The serial of the zone; which of two is the newer says RFC 1982."""

    __slots__ = ()
    word = "serial"

    def holds(self, sight: Sight) -> bool | None:
        serial = None if sight.content is None else sight.content.serial
        if serial is None:
            return None
        match self.operator:
            case "=" | "!=":
                return _OPERATORS[self.operator](serial, self.number)
            case ">" | ">=":
                return is_newer(serial, self.number) or (self.operator == ">=" and serial == self.number)
        return is_newer(self.number, serial) or (self.operator == "<=" and serial == self.number)


class ConditionTtl(Measure):
    """The lowest TTL of the answer, in seconds; of a denial how long it may be kept."""

    __slots__ = ()
    word = "ttl"

    def holds(self, sight: Sight) -> bool | None:
        lifetime = None if sight.content is None else sight.content.lifetime
        return None if lifetime is None else _OPERATORS[self.operator](lifetime, self.number)


class ConditionNot(Condition):
    """The opposite; what cannot be told, cannot be told."""

    __slots__ = ("inner",)
    __match_args__ = ("inner",)

    inner: Condition

    def __init__(self, inner: Condition) -> None:
        assign(self, "inner", inner)

    def holds(self, sight: Sight) -> bool | None:
        found = self.inner.holds(sight)
        return None if found is None else not found

    def __str__(self) -> str:
        return f"not {_grouped(self.inner)}"


class Several(Condition):
    """Several conditions."""

    __slots__ = ("parts",)
    __match_args__ = ("parts",)

    word: ClassVar[str]

    parts: tuple[Condition, ...]

    def __init__(self, parts: Iterable[Condition]) -> None:
        assign(self, "parts", tuple(parts))

    def __str__(self) -> str:
        return f" {self.word} ".join([_grouped(each) for each in self.parts])


class ConditionAll(Several):
    """All of several conditions."""

    __slots__ = ()
    word = "and"

    def holds(self, sight: Sight) -> bool | None:
        found = [each.holds(sight) for each in self.parts]
        return False if False in found else None if None in found else True


class ConditionAny(Several):
    """At least one of several conditions."""

    __slots__ = ()
    word = "or"

    def holds(self, sight: Sight) -> bool | None:
        found = [each.holds(sight) for each in self.parts]
        return True if True in found else None if None in found else False


_OPERATORS: dict[Operator, Callable[[int, int], bool]] = {
    "=": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}


def _bare(record: DnsRecord) -> DnsRecord:
    """The record without its name and its TTL."""
    return record.replace(name=Name.root, ttl=0)


def _grouped(condition: Condition) -> str:
    return f"({condition})" if isinstance(condition, Several) else str(condition)


def _quoted(text: str) -> str:
    if text and not any(each.isspace() or each in "()\"'" for each in text):
        return text
    quote = "'" if '"' in text else '"'
    return f"{quote}{text}{quote}"


for _cls in (
    ConditionChanged,
    ConditionExists,
    ConditionAgree,
    ConditionAnswer,
    ConditionCode,
    ConditionSerial,
    ConditionTtl,
    ConditionNot,
    ConditionAll,
    ConditionAny,
):
    _cls.__name__ = _cls.__name__.removeprefix("Condition")
    _cls.__qualname__ = f"Condition.{_cls.__name__}"
    setattr(Condition, _cls.__name__, _cls)
