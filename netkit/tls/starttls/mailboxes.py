"""IMAP, POP3 and ManageSieve: how a mailbox is read and filtered.

RFC 9051 section 6.2.1 (IMAP; RFC 2595 section 3 for the older one), RFC 2595 section 4 with RFC 2449 (POP3),
RFC 5804 sections 1.7 and 2.2 (ManageSieve).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from netkit.tls.starttls.errors import StartTlsError
from netkit.tls.starttls.replies import dotted, labels
from netkit.tls.starttls.wire import Caller, StartTlsReport, Talk, Wire, shown

#: A status of IMAP: "OK [CAPABILITY IMAP4rev1] ready", after the tag or the star.
_IMAP_STATUS: Final = re.compile(rb"(OK|NO|BAD|PREAUTH|BYE)(?: (.*))?", re.DOTALL | re.IGNORECASE)

#: A status of POP3, RFC 1939 section 3.
_POP_STATUS: Final = re.compile(rb"(\+OK|-ERR)(?:[ \t](.*))?", re.DOTALL | re.IGNORECASE)

#: A status of ManageSieve with its code, RFC 5804 section 1.3; a text follows.
_SIEVE_STATUS: Final = re.compile(rb"(OK|NO|BYE)(?: \(([^)]*)\))?(?: (.*))?", re.DOTALL | re.IGNORECASE)

#: The strings of ManageSieve, RFC 5804 section 4: quoted, or the length of what follows the line.
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_LITERAL: Final = re.compile(rb"\{(\d{1,6})\+?\}")


class _Status(NamedTuple):
    word: str
    """In upper case."""
    text: str
    capabilities: tuple[str, ...] = ()
    """What came before it, or in it."""


def imap(wire: Wire, caller: Caller) -> Talk[StartTlsReport]:  # noqa: ARG001  # every dialogue takes both
    """RFC 9051 section 6.2.1: CAPABILITY, STARTTLS, OK."""
    line = yield from wire.line("its greeting")
    found = _IMAP_STATUS.fullmatch(line.removeprefix(b"* ")) if line.startswith(b"* ") else None
    if found is None:
        raise wire.unexpected("no greeting", line)
    greeting = shown(found[2] or b"")
    word = found[1].upper()
    if word == b"PREAUTH":
        # RFC 9051 section 6.2: STARTTLS is for who is not authenticated, so nobody can ask for TLS here.
        raise StartTlsError.Declined("STARTTLS", "PREAUTH", greeting)
    if word != b"OK":
        raise StartTlsError.Declined("", word.decode("ascii"), greeting)
    status = yield from _imap_command(wire, "a1", "CAPABILITY")
    if "STARTTLS" not in labels(status.capabilities):
        raise StartTlsError.NotOffered(wire.title, status.capabilities)
    answer = yield from _imap_command(wire, "a2", "STARTTLS")
    return wire.report(greeting, status.capabilities, answer.text)


def _imap_command(wire: Wire, tag: str, command: str) -> Talk[_Status]:
    """Send a command, and take its answer: lines that begin with a star, then one with the tag."""
    wire.say(f"{tag} {command}\r\n".encode("ascii"))
    capabilities: tuple[str, ...] = ()
    what = f"its answer to {command}"
    while True:
        line = yield from wire.line(what)
        words = line.split()
        if line.startswith(b"* "):
            if len(words) > 1 and words[1].upper() == b"BYE":
                raise StartTlsError.Declined(command, "BYE", shown(line[6:]))
            if len(words) > 1 and words[1].upper() == b"CAPABILITY":
                capabilities = tuple(shown(word) for word in words[2:])
            continue
        status = _IMAP_STATUS.fullmatch(line.removeprefix(tag.encode("ascii") + b" "))
        if status is None or words[0] != tag.encode("ascii"):
            raise wire.unexpected(f"no answer to {tag} {command}", line)
        word, text = status[1].decode("ascii").upper(), shown(status[2] or b"")
        if word != "OK":
            raise StartTlsError.Declined(command, word, text)
        return _Status(word, text, capabilities)


def pop3(wire: Wire, caller: Caller) -> Talk[StartTlsReport]:  # noqa: ARG001  # every dialogue takes both
    """RFC 2595 section 4: CAPA (RFC 2449), STLS, +OK."""
    greeting = yield from _pop_status(wire, "its greeting")
    _pop_accepted(greeting, "")
    wire.say(b"CAPA\r\n")
    what = "its answer to CAPA"
    capabilities: tuple[str, ...] = ()
    # RFC 2449 section 5: a server that does not know CAPA answers -ERR, and may know STLS all the same.
    if (yield from _pop_status(wire, what)).word == "+OK":
        capabilities = yield from dotted(wire, what)
        if "STLS" not in labels(capabilities):
            raise StartTlsError.NotOffered(wire.title, capabilities)
    wire.say(b"STLS\r\n")
    answer = yield from _pop_status(wire, "its answer to STLS")
    return wire.report(greeting.text, capabilities, _pop_accepted(answer, "STLS").text)


def _pop_status(wire: Wire, what: str) -> Talk[_Status]:
    line = yield from wire.line(what)
    found = _POP_STATUS.fullmatch(line)
    if found is None:
        raise wire.unexpected("neither +OK nor -ERR", line)
    return _Status(found[1].decode("ascii").upper(), shown(found[2] or b""))


def _pop_accepted(status: _Status, command: str) -> _Status:
    if status.word != "+OK":
        raise StartTlsError.Declined(command, status.word, status.text)
    return status


def sieve(wire: Wire, caller: Caller) -> Talk[StartTlsReport]:  # noqa: ARG001  # every dialogue takes both
    """RFC 5804 section 2.2: the capabilities are the greeting; STARTTLS, OK."""
    status = yield from _sieve_answer(wire, "", "its capabilities")
    if "STARTTLS" not in labels(status.capabilities):
        raise StartTlsError.NotOffered(wire.title, status.capabilities)
    # RFC 5804 section 1.7: IMPLEMENTATION is the name of the server's program.
    name = [each for each in status.capabilities if each.upper().startswith("IMPLEMENTATION ")]
    greeting = status.text or "".join(name[:1]).partition(" ")[2]
    wire.say(b"STARTTLS\r\n")
    answer = yield from _sieve_answer(wire, "STARTTLS", "its answer to STARTTLS")
    return wire.report(greeting, status.capabilities, answer.text)


def _sieve_answer(wire: Wire, command: str, what: str) -> Talk[_Status]:
    """Take lines of strings, up to the one with the status; `StartTlsError.Declined` if that is not OK."""
    lines: list[str] = []
    while True:
        line = yield from wire.line(what)
        found = _SIEVE_STATUS.fullmatch(line)
        strings = yield from _sieve_strings(wire, line if found is None else found[3] or b"", what)
        if found is None:
            if not strings:
                raise wire.unexpected("neither strings nor OK, NO or BYE", line)
            lines.append(" ".join(string for string in strings if string))
            continue
        word, text = found[1].decode("ascii").upper(), " ".join(strings)
        if word != "OK":
            code = f"{word} ({shown(found[2])})" if found[2] else word
            raise StartTlsError.Declined(command, code, text)
        return _Status(word, text, tuple(lines))


def _sieve_strings(wire: Wire, line: bytes, what: str) -> Talk[list[str]]:
    """The strings of a line and, for those whose octets follow it, of the lines after it."""
    strings: list[str] = []
    first = line
    while line:
        if quoted := _QUOTED.match(line):
            strings.append(shown(re.sub(rb"\\(.)", rb"\1", quoted[1], flags=re.DOTALL)))
            line = line[quoted.end() :]
        elif literal := _LITERAL.fullmatch(line):
            strings.append(shown((yield from wire.exactly(int(literal[1]), what))))
            line = yield from wire.line(what)
        else:
            raise wire.unexpected("not a string", first)
        line = line.removeprefix(b" ")
    return strings
