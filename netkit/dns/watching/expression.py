"""Conditions written as text: `changed`, `answer=192.0.2.7 and ttl<=300`, `not exists`.

    condition   = all *( "or" all )
    all         = one *( "and" one )
    one         = ( "not" / "!" ) one / "(" condition ")" / term
    term        = "changed" / "exists" / "agree"
                / ( "answer" / "rcode" ) ( "=" / "!=" ) value
                / ( "serial" / "ttl" ) ( "=" / "!=" / "<" / "<=" / ">" / ">=" ) number

A value ends at a blank or a parenthesis; in quotes of either kind it may have both. Every mistake is an
`ExpressionError` that says at which character it is.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.records.base import DnsRecord
from netkit.dns.watching.conditions import Condition

if TYPE_CHECKING:
    from netkit.dns.messages.message import Question
    from netkit.dns.watching.conditions import Operator

#: The longest expression, in characters, and how deep parentheses and `not` may go.
MAX_LENGTH = 4096
MAX_DEPTH = 32

#: The terms without a value, those with one, and those with a number.
_BARE: dict[str, Condition] = {
    "changed": Condition.Changed(),
    "exists": Condition.Exists(),
    "agree": Condition.Agree(),
}
_NUMBERS: dict[str, type[Condition.Serial | Condition.Ttl]] = {
    "serial": Condition.Serial,
    "ttl": Condition.Ttl,
}
TERMS = (*_BARE, "answer", "rcode", *_NUMBERS)
_EQUALITY = ("=", "!=")

_TOKEN = re.compile(
    r"""\s*(?: (?P<operator> ==|!=|<=|>=|=|<|> ) | (?P<sign> [()!] ) | (?P<word> [^\s()!=<>"']+ )
      | (?P<other> \S ) | $ )""",
    re.VERBOSE,
)
_VALUE = re.compile(
    r"""\s*(?: "(?P<double>[^"]*)" | '(?P<single>[^']*)' | (?P<plain>[^\s()"']+) )""", re.VERBOSE
)


class ExpressionError(DnsError, ValueError):
    """The text is not a condition: `reason`, and the index in `text` (from 0) where it stops being one."""

    fault = "caller"
    stage = "usage"

    def __init__(self, text: str, offset: int, reason: str, hint: str | None = None) -> None:
        super().__init__(hint=hint)
        self.text = text
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        if len(self.text) > 200:
            return f"at character {self.offset + 1}: {self.reason}"
        return f"{self.text!r}: at character {self.offset + 1}: {self.reason}"


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int


def parse_condition(
    text: str, question: Question, *, several: bool = False, has_serials: bool = False
) -> Condition:
    """The condition that `text` names, for answers to `question`. Raises ExpressionError.

    `several` says that several servers are asked, so that they can agree. `has_serials` says that they are
    asked for the serial of the zone besides; otherwise only an SOA record has one.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(text, MAX_LENGTH, f"longer than {MAX_LENGTH} characters")
    return _Parser(text, question, several, has_serials).parse()


class _Parser:
    def __init__(self, text: str, question: Question, several: bool, has_serials: bool) -> None:
        self._text = text
        self._question = question
        self._several = several
        self._has_serials = has_serials
        self._at = 0

    def parse(self) -> Condition:
        found = self._several_of("or", 0)
        token = self._next()
        if token.kind != "end":
            raise self._error(
                token.offset, f"{token.text!r} does not continue the condition", "join terms with and, or"
            )
        return found

    def _several_of(self, word: Literal["or", "and"], depth: int) -> Condition:
        parts: list[Condition] = []
        while True:
            parts.append(self._several_of("and", depth) if word == "or" else self._one(depth))
            before = self._at
            token = self._next()
            if not (token.kind == "word" and token.text.lower() == word):
                self._at = before
                break
        if len(parts) == 1:
            return parts[0]
        return Condition.Any(parts) if word == "or" else Condition.All(parts)

    def _one(self, depth: int) -> Condition:
        token = self._next()
        if depth > MAX_DEPTH:
            raise self._error(token.offset, f"more than {MAX_DEPTH} levels")
        word = token.text.lower()
        if token.text == "!" or (token.kind == "word" and word == "not"):
            return Condition.Not(self._one(depth + 1))
        if token.text == "(":
            found = self._several_of("or", depth + 1)
            closing = self._next()
            if closing.text != ")":
                raise self._error(
                    closing.offset, f"the parenthesis of character {token.offset + 1} is not closed"
                )
            return found
        if token.kind == "word":
            return self._term(token, word)
        what = "the end" if token.kind == "end" else repr(token.text)
        raise self._error(token.offset, f"{what}, where a term is expected", _FORM)

    def _term(self, token: _Token, word: str) -> Condition:
        if word not in TERMS:
            close = get_close_matches(word, TERMS, 1)
            raise self._error(
                token.offset, f"{token.text!r} is no term", f"did you mean {close[0]}?" if close else _FORM
            )
        if word == "agree" and not self._several:
            raise self._error(token.offset, "agree is for several servers, and only one is asked")
        if word == "serial" and not (self._has_serials or self._question.rdtype == DnsRecordType.SOA):
            raise self._error(
                token.offset, f"the answer to {self._question.rdtype} has no serial", "ask for the type SOA"
            )
        if word in _BARE:
            return _BARE[word]
        operator = self._operator(word, numeric=word in _NUMBERS)
        value, offset = self._value(f"{word}{operator}")
        if word == "answer":
            equality = cast(Literal["=", "!="], operator)
            return Condition.Answer(equality, value, self._record(value, offset))
        if word == "rcode":
            return Condition.Code(cast(Literal["=", "!="], operator), self._rcode(value, offset))
        if not (value.isascii() and value.isdigit() and len(value) <= 10 and int(value) < 1 << 32):
            raise self._error(offset, f"{value!r} is no number", "write a whole number below 2**32")
        return _NUMBERS[word](operator, int(value))

    def _operator(self, word: str, *, numeric: bool) -> Operator:
        token = self._next()
        if token.kind != "operator":
            raise self._error(token.offset, f"{word} is compared with something", f"write {_EXAMPLES[word]}")
        operator = cast("Operator", "=" if token.text == "==" else token.text)
        if not numeric and operator not in _EQUALITY:
            raise self._error(
                token.offset, f"{word} is not more or less than something", f"write {word}= or {word}!="
            )
        return operator

    def _value(self, behind: str) -> tuple[str, int]:
        match = _VALUE.match(self._text, self._at)
        if match is None:
            token = self._next()
            is_open = token.text in ('"', "'")
            reason = "the quote is not closed" if is_open else f"a value is missing after {behind}"
            raise self._error(token.offset, reason)
        self._at = match.end()
        group = match.lastgroup or "plain"
        if not match[group]:
            raise self._error(match.start(group), "the value is empty")
        return match[group], match.start(group)

    def _rcode(self, value: str, offset: int) -> Rcode:
        try:
            return Rcode.parse(value)
        except DnsError.InvalidValue:
            close = get_close_matches(value.upper(), Rcode.mnemonics(), 1)
            hint = f"did you mean {close[0]}?" if close else "write a mnemonic, as in NXDOMAIN"
            raise self._error(offset, f"{value!r} is no response code", hint) from None

    def _record(self, value: str, offset: int) -> DnsRecord | None:
        """The value as a record of the type in question; None where it is a text only."""
        rdtype, rdclass = self._question.rdtype, self._question.rdclass
        if rdtype == DnsRecordType.ANY or "\n" in value:
            return None
        try:
            return DnsRecord.parse(f". 0 {rdclass} {rdtype} {value}")
        except (DnsError, ValueError) as error:
            if rdtype in _OF_TEXT:
                return None
            reason = getattr(error, "reason", None) or str(error)
            raise self._error(
                offset,
                f"{value!r} is not the data of {rdtype}: {reason}",
                "write it as dig prints it, in quotes if it has blanks",
            ) from None

    def _next(self) -> _Token:
        match = _TOKEN.match(self._text, self._at)
        assert match is not None  # `other` takes what nothing else does
        self._at = match.end()
        if match.lastgroup is None:
            return _Token("end", "", len(self._text))
        return _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))

    def _error(self, offset: int, reason: str, hint: str | None = None) -> ExpressionError:
        return ExpressionError(self._text, offset, reason, hint)


#: Types whose data is text: what is not written as in a master file is the text itself.
_OF_TEXT = (DnsRecordType.TXT, DnsRecordType.SPF)
_EXAMPLES = {
    "answer": "answer=192.0.2.1",
    "rcode": "rcode=NXDOMAIN",
    "serial": "serial>=2026010100",
    "ttl": "ttl<=300",
}
_FORM = f"a term is one of {', '.join(_EXAMPLES.get(term, term) for term in TERMS)}"
