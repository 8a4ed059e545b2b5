"""The findings of `diagnose`: the severity, the place, the rule, and which parsers read it differently.

A finding's code is for scripts. If the parser refuses octets, the code is the name of the parser's error
(`bare-line-feed` is ParseError.BareLineFeed). The codes for the meaning of a message are listed here.

`elsewhere` says what other parsers do with the same octets, in their default settings: llhttp (of Node.js,
through httptools 0.9), h11 0.16 and nginx 1.22. If two of them differ, a proxy and the server behind it may
differ too, and this makes request smuggling possible. tests/interop/test_http_findings.py has a message for
each finding and asks these parsers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from netkit.severity import Severity

if TYPE_CHECKING:
    from netkit.http.parser.errors import ParseError

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
    none does.
    """

    severity: Severity
    code: str
    span: Span
    section: str
    problem: str
    message: int = 0
    tolerance: str | None = None

    @property
    def offset(self) -> int:
        """The first octet that it is about."""
        return self.span.offset

    @property
    def length(self) -> int:
        """How many octets it is about; 0 where that is what is not there."""
        return self.span.length

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
            "message": self.problem,
            "message_index": self.message,
            "offset": self.offset,
            "length": self.length,
            "section": self.section,
            "tolerance": self.tolerance,
            "elsewhere": self.elsewhere,
            "risk": self.risk,
        }


def code_of(error: ParseError) -> str:
    """The code of what the parser refuses: `bare-line-feed` of BareLineFeed."""
    return _CAPITAL.sub("-", error.kind).lower()


def of_error(
    error: ParseError, octets: bytes, message: int, *, tolerance: str | None, tolerated: bool = False
) -> Finding:
    """What the parser says of these octets, as a finding; a warning where it was told to let it pass.

    `tolerance` is the flag that does: an error names one for its kind, which does not take every one of it.
    """
    problem = error.problem.rstrip(",")
    if error.kind == "MissingColon":
        problem += " here"
    elif error.kind == "ChunkSizeOverflow" and octets.startswith(b"0", error.offset):
        problem = "a chunk's size in more digits than are read"
    return Finding(
        Severity.WARNING if tolerated else Severity.ERROR,
        code_of(error),
        Span(error.offset, _length(error, octets)),
        error.section,
        problem + (": tolerated" if tolerated else ""),
        message,
        tolerance,
    )


def _length(error: ParseError, octets: bytes) -> int:
    """How many octets it is about; none where what it names is not there."""
    raw = getattr(error, "raw", None)
    if isinstance(raw, bytes):
        return len(raw) if octets.startswith(raw, error.offset) else 0
    length = {"Incomplete": 0, "TlsBytes": 5, "Http2Preface": 24}.get(error.kind, 1)
    return max(0, min(length, len(octets) - error.offset))


_NOTHING = Known()
_A, _R = "accepts", "refuses"


def _known(llhttp: str, h11: str, nginx: str | None = None, risk: str | None = None) -> Known:
    verdicts = {"llhttp": llhttp, "h11": h11, "nginx": nginx}
    return Known(tuple((name, verdict) for name, verdict in verdicts.items() if verdict is not None), risk)


_LENGTH_RISK = "whoever takes another number for the length takes other octets for the next message"
_CODING_RISK = "whoever does not see `chunked` here reads the chunks as the next message"
_LINE_RISK = "where one parser sees a line's end and another does not, a header is there for one of them only"
_HOST_RISK = "a proxy and the server behind it may answer for different sites, or cache one as the other"
_CHUNK_RISK = "two readings of a chunk's line end the body at different octets"

KNOWN: dict[str, Known] = {
    "invalid-request-line": _known(_A, _R, _A, "the target may be read with the space, or without it"),
    "invalid-method": _known(_R, _R, _R),
    "unknown-method": _known(_R, _A, _A),
    "invalid-target": _known(_R, _R, _R),
    "invalid-version": _known(_R, _R, _R),
    "unsupported-version": _known(_R, _A, _A),
    "invalid-status-line": _known(_R, _R),
    "invalid-header-name": _known(_R, _R, _R),
    "missing-colon": _known(_R, _R, _A, "nginx drops the line and goes on; another may not"),
    "space-before-colon": _known(_R, _R, _R, "with the space, a framing field has another name to some"),
    "invalid-header-value": _known(_R, _R, _R, "to whoever ends the value at it, it is another value"),
    "obsolete-fold": _known(
        _R, _A, _R, "a folded line is a header of its own to some, and a value to others"
    ),
    "bare-line-feed": _known(_R, _A, _A, _LINE_RISK),
    "bare-carriage-return": _known(_R, _R, _R, _LINE_RISK),
    "invalid-content-length": _known(_R, _R, _R, _LENGTH_RISK),
    "conflicting-content-length": _known(_R, _R, _R, _LENGTH_RISK),
    "invalid-transfer-encoding": _known(_R, _R, _R, _CODING_RISK),
    "invalid-chunk-size": _known(_R, _R, _R, _CHUNK_RISK),
    "chunk-size-overflow": _known(_A, _A, _R, "a size that overflows is a small one"),
    "invalid-chunk-extension": _known(_R, _R, _A, _CHUNK_RISK),
    "invalid-chunk-end": _known(_R, _R, _R, _CHUNK_RISK),
    "forbidden-trailer": _known(_R, _A, _A, "merged into the headers, it frames the message anew"),
    "http2-preface": _known(_R, _A, _R),
    "tls-bytes": _known(_R, _R, _R),
    "framing-conflict": _known(
        _R, _A, _R, "whoever goes by Content-Length sees another next message: the classic of smuggling"
    ),
    "missing-host": _known(_A, _R, _R, _HOST_RISK),
    "repeated-host": _known(_A, _R, _R, _HOST_RISK),
    "invalid-host": _known(_A, _A, _R, _HOST_RISK),
    "host-differs": _known(_A, _A, _A, _HOST_RISK),
    "leading-empty-lines": _known(_A, _R, _A),
    "content-without-meaning": _known(
        _A, _A, _A, "whoever leaves the content unread takes it for the next request"
    ),
    "forbidden-content": _known(
        _A, _A, _R, "whoever leaves the content unread takes it for the next request"
    ),
    "old-transfer-encoding": _known(_A, _A, _R, _CODING_RISK),
    "identity-coding": _known(_A, _R, _R, _CODING_RISK),
    "transfer-coding": _known(_A, _R, _R),
    "connection-names-field": _known(_A, _A, _A, "the server behind the proxy does not see the field"),
    "upgrade-h2c": _known(_A, _A, _A, "what is asked in the tunnel passes every check of the proxy's"),
    "octets-after-close": _known(_A, _A, _A, "they are nobody's, or the next message of a connection reused"),
    "repeated-field": _known(_A, _A, _A, "which one counts is each recipient's choice"),
    "underscore-in-name": _known(_A, _A, _A, "an application takes it for the field with the dash"),
    "late-trailer": _known(_A, _A, _A, "merged into the headers, it takes the place of what was checked"),
}
