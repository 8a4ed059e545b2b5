"""IRC: the command STARTTLS of IRCv3's extension `tls`, with the numerics 670 and 691.

RFC 1459 section 2.3.1 says how a message looks, IRCv3's capability negotiation what `CAP LS 302` asks. Both
commands go out at once: a server from before CAP may not answer it, and would be waited for in vain.
"""

from __future__ import annotations

import re
from typing import Final

from netkit.tls.starttls.errors import StartTlsError
from netkit.tls.starttls.wire import Caller, StartTlsReport, Talk, Wire, shown

#: Tags (IRCv3); the sender, which RFC 2812 section 2.4 demands before a numeric; the command or the numeric;
#: the rest.
_MESSAGE: Final = re.compile(rb"(?:@\S+ +)?(?:(?::\S+ +)?([A-Za-z]+)|:\S+ +(\d{3}))(?: +(.*))?", re.DOTALL)

#: RPL_STARTTLS and ERR_STARTTLS.
_GO, _FAILED = b"670", b"691"

#: ERR_UNKNOWNCOMMAND and ERR_NOTREGISTERED (RFC 1459 section 6.1): of CAP or of STARTTLS.
_UNKNOWN: Final = (b"421", b"451")


def irc(wire: Wire, caller: Caller) -> Talk[StartTlsReport]:  # noqa: ARG001  # every dialogue takes both
    """IRCv3 tls: CAP LS 302 and STARTTLS, 670."""
    wire.say(b"CAP LS 302\r\nSTARTTLS\r\n")
    greeting = ""
    capabilities: tuple[str, ...] = ()
    cap_answered = False
    while True:
        line = yield from wire.line("its answer to STARTTLS")
        message = _MESSAGE.fullmatch(line)
        if message is None:
            raise wire.unexpected("not a message", line)
        command = (message[1] or message[2]).upper()
        parameters = _parameters(message[3] or b"")
        text = shown(parameters[-1]) if parameters else ""
        if command == _GO:
            return wire.report(greeting, capabilities, text)
        if command == b"ERROR":  # RFC 1459 section 4.6.4: the connection ends
            raise StartTlsError.Declined("", "ERROR", text)
        if command == _FAILED:
            raise StartTlsError.Declined("STARTTLS", "691", text)
        if command in _UNKNOWN:
            # Of the first command, unless that is answered or the message names the second.
            if cap_answered or b"STARTTLS" in parameters:
                raise StartTlsError.Declined("STARTTLS", command.decode("ascii"), text)
            cap_answered = True
        elif command == b"CAP" and b"LS" in parameters[1:2]:
            capabilities += tuple(text.split())
            cap_answered = parameters[2:3] != [b"*"]  # the star: more of the list follows
        elif command == b"NOTICE":
            greeting = greeting or text


def _parameters(rest: bytes) -> list[bytes]:
    """RFC 1459 section 2.3.1: words, and behind a colon a last one that may have spaces."""
    middle, colon, trailing = (b" " + rest).partition(b" :")
    return [*middle.split(), *([trailing] if colon else [])]
