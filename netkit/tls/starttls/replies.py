"""SMTP, LMTP, FTP and NNTP: protocols whose answers begin with three digits.

RFC 5321 section 4.2, RFC 959 section 4.2 and RFC 3977 section 3.2 say how an answer looks; RFC 3207 (SMTP),
RFC 2033 section 4.2 with it (LMTP), RFC 4217 (FTP) and RFC 4642 (NNTP) how TLS is asked for.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from netkit.tls.starttls.errors import StartTlsError
from netkit.tls.starttls.recognise import other_than
from netkit.tls.starttls.wire import Caller, StartTlsReport, Talk, Wire, shown

#: "250-SIZE", "250 SIZE", "250": the code, whether more lines follow, the text.
_LINE: Final = re.compile(rb"([1-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)

#: What a client may call itself, RFC 5321 section 4.1.2: a domain or an address literal.
_CLIENT_NAME: Final = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")


class Reply(NamedTuple):
    """One answer: its code, and the text of each of its lines."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All lines as one."""
        return " ".join(line for line in self.lines if line)


def smtp(wire: Wire, caller: Caller) -> Talk[StartTlsReport]:
    """RFC 3207: EHLO, STARTTLS, 220."""
    return _mail(wire, "EHLO", _client_name(caller))


def lmtp(wire: Wire, caller: Caller) -> Talk[StartTlsReport]:
    """RFC 2033 section 4.1: as SMTP, with LHLO for EHLO."""
    return _mail(wire, "LHLO", _client_name(caller))


def ftp(wire: Wire, caller: Caller) -> Talk[StartTlsReport]:  # noqa: ARG001  # every dialogue takes both
    """RFC 4217 section 4: FEAT (RFC 2389), AUTH TLS, 234."""
    what = "its greeting"
    reply = yield from _reply(wire, what, loose=True)
    if reply.code == 120:  # RFC 959 section 5.4: "service ready in nnn minutes", and 220 comes then
        reply = yield from _reply(wire, what, loose=True)
    greeting = _greeting(wire, reply, 220)

    wire.say(b"FEAT\r\n")
    reply = yield from _reply(wire, "its answer to FEAT", loose=True)
    capabilities: tuple[str, ...] = ()
    if reply.code == 211:
        # RFC 2389 section 3.2: one feature a line, between the first line and the last.
        capabilities = tuple(line.strip() for line in reply.lines[1:-1])
        # RFC 4217 section 6: "If a server supports the FEAT command, then it MUST advertise supported AUTH".
        if not any(line.upper().split()[:1] == ["AUTH"] for line in capabilities):
            raise StartTlsError.NotOffered(wire.title, capabilities)

    wire.say(b"AUTH TLS\r\n")
    reply = yield from _reply(wire, "its answer to AUTH TLS", loose=True)
    if reply.code >= 500:
        _check_kind(wire, greeting)
    return wire.report(greeting, capabilities, _accepted(reply, "AUTH TLS", 234).text)


def nntp(wire: Wire, caller: Caller) -> Talk[StartTlsReport]:  # noqa: ARG001  # every dialogue takes both
    """RFC 4642 section 2: CAPABILITIES, STARTTLS, 382."""
    # RFC 3977 section 5.1: 200 with posting, 201 without; 400 and 502 refuse the connection.
    greeting = _greeting(wire, (yield from _one_line(wire, "its greeting")), 200, 201)
    capabilities = yield from _news_capabilities(wire)
    if capabilities and "STARTTLS" not in labels(capabilities) and "MODE-READER" in labels(capabilities):
        # RFC 3977 section 5.3: a server that switches modes has the reader's capabilities behind this.
        wire.say(b"MODE READER\r\n")
        _accepted((yield from _one_line(wire, "its answer to MODE READER")), "MODE READER", 200, 201)
        capabilities = yield from _news_capabilities(wire)
    if capabilities and "STARTTLS" not in labels(capabilities):
        raise StartTlsError.NotOffered(wire.title, capabilities)
    wire.say(b"STARTTLS\r\n")
    answer = _accepted((yield from _one_line(wire, "its answer to STARTTLS")), "STARTTLS", 382)
    return wire.report(greeting, capabilities, answer.text)


def _mail(wire: Wire, hello: str, client_name: str) -> Talk[StartTlsReport]:
    greeting = _greeting(wire, (yield from _reply(wire, "its greeting")), 220)
    wire.say(f"{hello} {client_name}\r\n".encode("ascii"))
    reply = yield from _reply(wire, f"its answer to {hello}")
    if reply.code >= 500:
        _check_kind(wire, greeting)
    # RFC 5321 section 4.1.1.1: the first line is the server's name, each further line an extension.
    capabilities = _accepted(reply, hello, 250).lines[1:]
    if "STARTTLS" not in labels(capabilities):
        raise StartTlsError.NotOffered(wire.title, capabilities)
    wire.say(b"STARTTLS\r\n")
    answer = _accepted((yield from _reply(wire, "its answer to STARTTLS")), "STARTTLS", 220)
    return wire.report(greeting, capabilities, answer.text)


def _news_capabilities(wire: Wire) -> Talk[tuple[str, ...]]:
    """RFC 3977 section 5.2; nothing if the server is older than the command."""
    wire.say(b"CAPABILITIES\r\n")
    what = "its capabilities"
    reply = yield from _one_line(wire, what)
    if reply.code == 500:
        return ()
    _accepted(reply, "CAPABILITIES", 101)
    return (yield from dotted(wire, what))


def dotted(wire: Wire, what: str) -> Talk[tuple[str, ...]]:
    """The lines up to one with a dot alone; a dot before a line's own dot is taken off.

    RFC 3977 section 3.1.1, RFC 1939 section 3.
    """
    lines: list[str] = []
    while (line := (yield from wire.line(what))) != b".":
        lines.append(shown(line.removeprefix(b".")))
    return tuple(lines)


def _one_line(wire: Wire, what: str) -> Talk[Reply]:
    """An answer of one line, as NNTP's are."""
    return (yield from _reply(wire, what, one_line=True))


def _reply(wire: Wire, what: str, *, loose: bool = False, one_line: bool = False) -> Talk[Reply]:
    """Take one answer of one line or more.

    With `loose`, the lines between the first and the last may be of any form, as RFC 959 section 4.2 allows;
    without it each begins with the same code (RFC 5321 section 4.2.1).
    """
    code = b""
    lines: list[str] = []
    while True:
        line = yield from wire.line(what)
        found = _LINE.fullmatch(line)
        if found is None or (code and found[1] != code):
            if code and loose:
                lines.append(shown(line))
                continue
            reason = "a line with another code in the middle" if found else "a line without a code"
            raise wire.unexpected(reason, line)
        code = found[1]
        lines.append(shown(found[3] or b""))
        if found[2] != b"-" or one_line:
            return Reply(int(code), tuple(lines))


def _greeting(wire: Wire, reply: Reply, *codes: int) -> str:
    """The words of the server's greeting, if it has one of these codes."""
    if reply.code < 400 and reply.code not in codes:  # not a refusal, but another protocol's greeting
        line = f"{reply.code} {reply.text}".encode()
        raise wire.unexpected(f"a greeting with the code {reply.code}", line, first=True)
    return _accepted(reply, "", *codes).text


def _check_kind(wire: Wire, greeting: str) -> None:
    """For who was refused a command: SMTP, LMTP and FTP greet alike, but for words that name the protocol."""
    found = other_than(wire.title, f"220 {greeting}".encode())
    if found in ("SMTP", "LMTP", "FTP"):
        raise StartTlsError.WrongProtocol(wire.title, found, greeting)


def _accepted(reply: Reply, command: str, *codes: int) -> Reply:
    """`reply`, if it has one of these codes. Raises `StartTlsError.Declined`."""
    if reply.code not in codes:
        raise StartTlsError.Declined(command, str(reply.code), reply.text)
    return reply


def labels(capabilities: tuple[str, ...]) -> set[str]:
    """The first word of each, in upper case: the rest are its parameters."""
    return {word.upper() for line in capabilities for word in line.split()[:1]}


def _client_name(caller: Caller) -> str:
    if not _CLIENT_NAME.fullmatch(caller.client_name):
        raise StartTlsError.InvalidName("the client's own name", caller.client_name)
    return caller.client_name
