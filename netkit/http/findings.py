"""What `diagnose` finds in a message: how much it weighs, where, by which rule, and who reads it otherwise.

A finding's code is for scripts. Those of octets that the parser refuses are the parser's own errors
(`bare-line-feed` is ParseError.BareLineFeed), those of what a message means are listed here.

`elsewhere` is what other parsers do with it, each as it comes: llhttp (Node.js; here 9, through httptools),
h11 0.16 and nginx 1.22. Where two of them differ, a proxy and the server behind it may, which is what request
smuggling lives on. tests/interop/test_http_findings.py has a message for each and asks them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from netkit.severity import Severity

if TYPE_CHECKING:
    from netkit.http.parse_errors import ParseError

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


class Span(NamedTuple):
    """Octets of the input: `length` of them from `offset` on."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset of the first octet behind it."""
        return self.offset + self.length


class Known(NamedTuple):
    """What is known about a code beyond its rule."""

    elsewhere: tuple[tuple[str, str], ...] = ()
    risk: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in the octets of `message` (counted from 0): its weight, its code, and a sentence.

    `section` is where the rule is written; `tolerance` the flag of `Lenient` that lets it pass, None where
    none does. `length` is 0 where it is about what is not there.
    """

    severity: Severity
    code: str
    offset: int
    length: int
    section: str
    problem: str
    message: int = 0
    tolerance: str | None = None

    @property
    def elsewhere(self) -> dict[str, str]:
        """What other parsers do with it, by name: `"accepts"` or `"refuses"`; empty where nobody differs."""
        return dict(KNOWN.get(self.code, _NOTHING).elsewhere)

    @property
    def risk(self) -> str | None:
        """What comes of it where two parsers differ."""
        return KNOWN.get(self.code, _NOTHING).risk

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "offset": self.offset,
            "length": self.length,
            "section": self.section,
            "problem": self.problem,
            "tolerance": self.tolerance,
            "elsewhere": self.elsewhere,
            "risk": self.risk,
        }


def code_of(error: ParseError) -> str:
    """The code of what the parser refuses: `bare-line-feed` of BareLineFeed."""
    return _CAPITAL.sub("-", error.kind).lower()


def of_error(error: ParseError, octets: bytes, message: int, *, tolerated: bool = False) -> Finding:
    """What the parser says of these octets, as a finding; a warning where it was told to let it pass."""
    problem = error.problem.rstrip(",")
    if error.kind == "MissingColon":
        problem += " here"
    return Finding(
        Severity.WARNING if tolerated else Severity.ERROR,
        code_of(error),
        error.offset,
        _length(error, octets),
        error.section,
        problem + (": tolerated" if tolerated else ""),
        message,
        error.tolerance,
    )


def _length(error: ParseError, octets: bytes) -> int:
    """How many octets it is about; none where what it names is not there."""
    raw = getattr(error, "raw", None)
    if isinstance(raw, bytes):
        return len(raw) if octets.startswith(raw, error.offset) else 0
    length = {"Incomplete": 0, "TlsBytes": 5, "Http2Preface": 24}.get(error.kind, 1)
    return max(0, min(length, len(octets) - error.offset))


_NOTHING = Known()

_LLHTTP, _H11, _NGINX = "llhttp", "h11", "nginx"


def _known(llhttp: str, h11: str, nginx: str | None = None, risk: str | None = None) -> Known:
    verdicts = ((_LLHTTP, llhttp), (_H11, h11), *(() if nginx is None else ((_NGINX, nginx),)))
    return Known(verdicts, risk)


KNOWN: dict[str, Known] = {}
