"""Check the meaning of a message: what is wrong, ambiguous, or read differently by other parsers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netkit.http.diagnose.findings import Finding, Span
from netkit.http.parser.errors import quoted
from netkit.http.parser.framing import FRAMING_FIELDS, Framing, TargetForm
from netkit.severity import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.http.diagnose.report import Field, MessageReport

#: RFC 9112 section 3 wants start lines of 8000 octets to be understood; a longer one may not be.
LONG_START_LINE = 8000

# RFC 3986 section 3.2.2: an address in brackets, or a name, which may be empty; and a port.
_HOST = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]++)\]|\[v[0-9A-Fa-f]++\.[0-9A-Za-z\-._~!$&'()*+,;=:]++\]"
    rb"|(?:[0-9A-Za-z\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*+)(?::([0-9]*+))?+\Z"
).match
_AUTHORITY = re.compile(rb"([A-Za-z]++)://([^/?]*+)").match
_OBS_TEXT = re.compile(rb"[\x80-\xff]+")
_DEFAULT_PORTS = {b"http": b":80", b"ws": b":80", b"https": b":443", b"wss": b":443"}
_MAX_PORT = 65535

#: Fields with one value, which a sender must not repeat (RFC 9110 section 5.3).
_SINGLE = frozenset(
    b"age authorization content-location content-range content-type date etag expires from if-modified-since "
    b"if-range if-unmodified-since last-modified location max-forwards origin proxy-authorization range "
    b"referer retry-after server user-agent".split()
)
#: Fields meant for whoever reads the content, so that Connection must not name them (section 7.6.1).
_END_TO_END = frozenset(
    b"accept authorization cache-control content-encoding content-length content-type cookie date etag "
    b"expect forwarded host location set-cookie transfer-encoding x-forwarded-for x-forwarded-host "
    b"x-forwarded-proto x-real-ip".split()
)
#: Fields of which a second one, spelled with an underscore, is an attack (CGI makes one name of both).
_SENSITIVE = frozenset(
    b"authorization content-length content-type cookie forwarded host transfer-encoding x-forwarded-for "
    b"x-forwarded-host x-forwarded-proto x-real-ip".split()
)
#: Methods whose content has no meaning (RFC 9110 sections 9.3.1, 9.3.2, 9.3.5); TRACE must have none.
_NO_CONTENT = frozenset((b"GET", b"HEAD", b"DELETE"))


def meaning(message: MessageReport, behind: int, *, whole: bool = True) -> Iterator[Finding]:
    """The findings of a message's head; `behind` octets come after the message.

    `whole` is false where there may be lines that could not be read: what is not there is no finding then.
    """
    return _Meaning(message, behind, whole).findings()


class _Meaning:
    def __init__(self, message: MessageReport, behind: int, whole: bool) -> None:
        self.message = message
        self.behind = behind
        self.whole = whole
        self.fields: dict[bytes, list[Field]] = {}
        for one in message.headers:
            self.fields.setdefault(one.name.lower(), []).append(one)

    def findings(self) -> Iterator[Finding]:
        yield from self._start_line()
        if self.message.is_request:
            yield from self._host()
            yield from self._content_of_request()
            yield from self._expect()
        else:
            yield from self._status()
        yield from self._coding()
        yield from self._connection()
        yield from self._names_and_values()

    def _finding(self, severity: Severity, code: str, span: Span, section: str, problem: str) -> Finding:
        return Finding(severity, code, span, section, problem, self.message.number)

    def _named(self, name: bytes) -> list[Field]:
        return self.fields.get(name, [])

    # The start line

    def _start_line(self) -> Iterator[Finding]:
        message = self.message
        parts = list(message.start_line.values())
        if not parts:
            return
        start, end = parts[0].offset, parts[-1].end
        if start > message.span.offset:
            span = Span(message.span.offset, start - message.span.offset)
            words = "empty lines before the request"
            yield self._finding(Severity.NOTE, "leading-empty-lines", span, "RFC 9112 section 2.2", words)
        if end - start > LONG_START_LINE:
            words = f"a start line of {end - start} octets; only {LONG_START_LINE} can be counted on"
            section = "RFC 9112 section 3"
            yield self._finding(Severity.NOTE, "long-start-line", Span(start, end - start), section, words)

    # Requests

    def _host(self) -> Iterator[Finding]:
        """RFC 9112 section 3.2: a server answers 400 where there is not exactly one Host that is valid."""
        section = "RFC 9112 section 3.2"
        message, hosts = self.message, self._named(b"host")
        if not hosts and self.whole and message.version not in (None, (1, 0)):
            span = Span(message.start_line["method"].offset, 0)
            words = "a request without Host, which a server has to refuse"
            yield self._finding(Severity.ERROR, "missing-host", span, section, words)
        for other in hosts[1:]:
            words = f"Host again: {_shown(other.value)} after {_shown(hosts[0].value)}"
            yield self._finding(Severity.ERROR, "repeated-host", other.span, section, words)
        for host in hosts:
            if not _is_host(host.value):
                words = f"{_shown(host.value)} is not a host and a port"
                yield self._finding(Severity.ERROR, "invalid-host", host.value_span, section, words)
        authority = self._authority()
        if len(hosts) == 1 and authority and hosts[0].value.lower() not in authority:
            words = f"Host {_shown(hosts[0].value)}, but the target names {_shown(authority[0])}"
            section = "RFC 9112 section 3.2.2"
            yield self._finding(Severity.WARNING, "host-differs", hosts[0].span, section, words)

    def _authority(self) -> list[bytes]:
        """The host that the target names, as Host may spell it; nothing where it names none."""
        message = self.message
        target = message.target or b""
        if message.target_form is TargetForm.AUTHORITY:
            # RFC 9112 section 3.2.3 shows Host without the port that the target has.
            return [target.lower(), target.lower().rpartition(b":")[0]]
        found = _AUTHORITY(target) if message.target_form is TargetForm.ABSOLUTE else None
        if found is None:
            return []
        host, port = _split(found[2].lower())
        default = _DEFAULT_PORTS.get(found[1].lower())
        spellings = [host + port, found[2].lower()]
        return [*spellings, host, host + (default or b"")] if port in (b"", default) else spellings

    def _content_of_request(self) -> Iterator[Finding]:
        message = self.message
        if message.body is None or (message.complete and not message.content_length):
            return
        method, span = message.method or b"", message.body
        if method in _NO_CONTENT:
            section = {b"GET": "9.3.1", b"HEAD": "9.3.2", b"DELETE": "9.3.5"}[method]
            words = f"content in a {_text(method)} request: some refuse it, some do not read it"
            code = "content-without-meaning"
            yield self._finding(Severity.WARNING, code, span, f"RFC 9110 section {section}", words)
        elif method in (b"TRACE", b"CONNECT"):
            section = "RFC 9110 section 9.3.8" if method == b"TRACE" else "RFC 9110 section 9.3.6"
            words = f"content in a {_text(method)} request, which has none"
            yield self._finding(Severity.WARNING, "forbidden-content", span, section, words)

    def _expect(self) -> Iterator[Finding]:
        section = "RFC 9110 section 10.1.1"
        message = self.message
        for field in self._named(b"expect"):
            wanted = {member for each in field.value.split(b",") if (member := each.strip(b" \t").lower())}
            for other in sorted(wanted - {b"100-continue"})[:1]:
                words = f"an expectation that nobody registered, {_shown(other)}: answered with 417"
                yield self._finding(Severity.WARNING, "unknown-expectation", field.span, section, words)
            if b"100-continue" not in wanted:
                continue
            severity, words = Severity.NOTE, "the client waits for 100 Continue before it sends the body"
            if message.framing is Framing.NONE:
                severity, words = Severity.WARNING, "100-continue, but there is no body to wait with"
            elif message.version == (1, 0):
                words = "100-continue in HTTP/1.0, where a server has to ignore it"
            yield self._finding(severity, "expect-continue", field.span, section, words)

    # Responses

    def _status(self) -> Iterator[Finding]:
        message = self.message
        status = message.status
        if status is None:
            return
        span = message.start_line["status"]
        if status >= 600:
            words = f"status {status} is over 599; clients take it for a server error"
            yield self._finding(Severity.WARNING, "invalid-status", span, "RFC 9110 section 15", words)
        if 100 <= status <= 199 or status == 204 or message.is_tunnel:
            for name in FRAMING_FIELDS:
                for field in self._named(name):
                    section = "RFC 9110 section 8.6" if name == b"content-length" else "RFC 9112 section 6.1"
                    to = " to CONNECT" if message.is_tunnel else ""
                    words = f"{_text(field.name)} in a response with status {status}{to}, which has no body"
                    yield self._finding(Severity.WARNING, "framing-without-body", field.span, section, words)
        if status == 205 and message.content_length and message.body is not None:
            words = "content in a response with status 205, which has none"
            section = "RFC 9110 section 15.3.6"
            yield self._finding(Severity.WARNING, "forbidden-content", message.body, section, words)

    # Both

    def _coding(self) -> Iterator[Finding]:
        section = "RFC 9112 section 7"
        for field in self._named(b"content-length"):
            if field.value[:1] == b"0" and len(field.value) > 1:
                words = "zeros before the length, which some take for an octal number"
                yield self._finding(
                    Severity.NOTE, "length-zeros", field.value_span, "RFC 9110 section 8.6", words
                )
        for field in self._named(b"transfer-encoding"):
            codings = [coding.strip(b" \t").lower() for coding in field.value.split(b",")]
            if self.message.version == (1, 0):
                words = "Transfer-Encoding in an HTTP/1.0 message, whose framing is faulty then"
                yield self._finding(
                    Severity.WARNING, "old-transfer-encoding", field.span, "RFC 9112 section 6.1", words
                )
            if b"identity" in codings:
                words = "the transfer coding `identity` was removed; some take it for none at all"
                yield self._finding(Severity.WARNING, "identity-coding", field.value_span, section, words)
            elif codings != [b"chunked"]:
                words = f"a transfer coding besides chunked: {_shown(field.value)}"
                yield self._finding(Severity.NOTE, "transfer-coding", field.value_span, section, words)

    def _connection(self) -> Iterator[Finding]:
        options: set[bytes] = set()
        section = "RFC 9110 section 7.6.1"
        for field in self._named(b"connection"):
            named = {option.strip(b" \t").lower() for option in field.value.split(b",")}
            options |= named
            taken = ", ".join(map(_text, sorted(named & _END_TO_END)))
            if taken:
                words = f"Connection names {taken}: a proxy takes away what it names"
                yield self._finding(
                    Severity.WARNING, "connection-names-field", field.value_span, section, words
                )
        for field in self._named(b"upgrade"):
            if b"h2c" in [protocol.strip(b" \t").lower() for protocol in field.value.split(b",")]:
                words = "an upgrade to HTTP/2 in the clear: a proxy that passes it on no longer sees requests"
                yield self._finding(
                    Severity.WARNING, "upgrade-h2c", field.span, "RFC 9113 section 3.1", words
                )
            elif b"upgrade" not in options:
                words = "Upgrade, but Connection does not name it: it is to be ignored"
                yield self._finding(
                    Severity.NOTE, "upgrade-not-named", field.span, "RFC 9110 section 7.8", words
                )
        closes = b"close" in options or (self.message.version == (1, 0) and b"keep-alive" not in options)
        interim = self.message.status is not None and self.message.status < 200
        if closes and self.behind and self.message.complete and not interim:
            end = self.message.span.end
            words = f"{self.behind} octets behind the last message of the connection"
            yield self._finding(
                Severity.WARNING, "octets-after-close", Span(end, self.behind), "RFC 9112 section 9.6", words
            )

    def _names_and_values(self) -> Iterator[Finding]:
        for name, fields in self.fields.items():
            if name in _SINGLE:
                for field in fields[1:]:
                    words = f"{_text(field.name)} again, which has one value: the first counts, or the last"
                    yield self._finding(
                        Severity.WARNING, "repeated-field", field.span, "RFC 9110 section 5.3", words
                    )
            if b"_" in name:
                dashed = name.replace(b"_", b"-")
                twin = dashed in self.fields or dashed in _SENSITIVE
                words = f"{_text(fields[0].name)} is {_text(dashed)} to CGI and WSGI; nginx drops it"
                yield self._finding(
                    Severity.WARNING if twin else Severity.NOTE,
                    "underscore-in-name",
                    fields[0].name_span,
                    "RFC 3875 section 4.1.18",
                    words,
                )
        for field in self.message.headers:
            found = _OBS_TEXT.search(field.value)
            if found is not None and len(field.value) == field.value_span.length:
                span = Span(field.value_span.offset + found.start(), found.end() - found.start())
                words = "octets beyond ASCII, which have no meaning that all agree on"
                yield self._finding(Severity.NOTE, "obs-text", span, "RFC 9110 section 5.5", words)


def _is_host(value: bytes) -> bool:
    """Whether it is a host, or none, and perhaps a port that there can be."""
    found = _HOST(value)
    if found is None or (found[2] and (len(found[2].lstrip(b"0")) > 5 or int(found[2]) > _MAX_PORT)):
        return False
    if found[1] is None:
        return True
    from netkit.addr import AddrParseError, Ipv6Addr

    try:
        Ipv6Addr.parse(found[1].decode("ascii"))
    except AddrParseError:
        return False
    return True


def _split(authority: bytes) -> tuple[bytes, bytes]:
    """A host, and its port with the colon before it; without one, or with an empty one, no octets."""
    host, colon, port = authority.rpartition(b":")
    if not colon or not (port.isdigit() or not port):
        return authority, b""
    return host, colon + port if port else b""


def _text(octets: bytes) -> str:
    return octets.decode("latin-1")


def _shown(octets: bytes) -> str:
    return quoted(octets, 60)
