"""The result of `diagnose`: the parts of each message, their positions, and the findings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from netkit.http.diagnose.findings import Finding, Span

if TYPE_CHECKING:
    from netkit.http.parser.errors import ParseError
    from netkit.http.parser.framing import Framing, TargetForm


class Field(NamedTuple):
    """A header or trailer field, as it was sent, and where; a fold in its value is a space."""

    name: bytes
    value: bytes
    name_span: Span
    value_span: Span

    @property
    def span(self) -> Span:
        """From the name to the end of the value."""
        return Span(self.name_span.offset, self.value_span.end - self.name_span.offset)


class Chunk(NamedTuple):
    """A chunk: its size, its size line (without the line's end), what follows the size in it, its data."""

    size: int
    line: Span
    extension: bytes
    data: Span


@dataclass(slots=True)
class MessageReport:
    """One message: its parts, as far as they were read, each with where it is."""

    number: int
    is_request: bool
    #: From the empty lines before it, if there are any, to its last octet that was read.
    span: Span
    #: `method`, `target` and `version`, or `version`, `status` and `reason`.
    start_line: dict[str, Span] = field(default_factory=dict)
    version: tuple[int, int] | None = None
    method: bytes | None = None
    target: bytes | None = None
    target_form: TargetForm | None = None
    status: int | None = None
    #: What a response answers, where that is known.
    request_method: bytes | None = None
    reason: bytes | None = None
    #: Where the parser refuses the head, all the fields that could be read.
    headers: list[Field] = field(default_factory=list)
    #: How the end of the body is found, None where the head is not complete; the reason, and its rule.
    framing: Framing | None = None
    framing_reason: str = ""
    framing_section: str = ""
    framing_conflict: bool = False
    #: The body as it is sent, chunk sizes and trailers included.
    body: Span | None = None
    #: Octets of content: those of the body, without what chunks put around them.
    content_length: int = 0
    #: The first of `chunk_count`.
    chunks: list[Chunk] = field(default_factory=list)
    chunk_count: int = 0
    trailers: list[Field] = field(default_factory=list)
    #: Whether its end was found; of a body until close, the end of the input is taken for it.
    complete: bool = False
    #: Why the parser refuses it.
    error: ParseError | None = None

    @property
    def is_tunnel(self) -> bool:
        """Whether it is a 2xx to CONNECT, after which the connection is a tunnel (RFC 9110 section 9.3.6)."""
        return self.request_method == b"CONNECT" and 200 <= (self.status or 0) <= 299


@dataclass(slots=True)
class Diagnosis:
    """What `diagnose` found."""

    size: int
    is_request: bool
    messages: list[MessageReport] = field(default_factory=list)
    #: By message; of a head that the parser refuses, its own error first.
    findings: list[Finding] = field(default_factory=list)
    #: How many more there are of each code.
    omitted: Counter[str] = field(default_factory=Counter)
    #: The codes of all errors, each once.
    reasons: list[str] = field(default_factory=list)
    #: What was not read: behind an error, or because it is no HTTP/1.1 any more.
    rest: Span = field(default=Span(0, 0))

    @property
    def accepted(self) -> bool:
        """Whether nothing was found that is reason to refuse it."""
        return not self.reasons

    @property
    def error(self) -> ParseError | None:
        """Why the parser refuses a message, if it does."""
        return next((message.error for message in self.messages if message.error is not None), None)
