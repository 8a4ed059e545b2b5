"""Which protocol a server speaks, by the first bytes that it sent: for servers of another kind than asked."""

from __future__ import annotations

import re
from typing import Final

TLS: Final = "TLS"

#: What the first bytes of a server look like, in the order of trying. `.` is any byte.
_BEGINNINGS: Final[tuple[tuple[str, re.Pattern[bytes]], ...]] = tuple(
    (name, re.compile(pattern, re.DOTALL | re.IGNORECASE))
    for name, pattern in (
        # RFC 8446 section 5.1: the type of a record, and a version that begins with 3.
        (TLS, rb"[\x14-\x18]\x03[\x00-\x04]"),
        ("HTTP", rb"HTTP/|<!DOCTYPE html|<html"),
        ("SSH", rb"SSH-"),  # RFC 4253 section 4.2
        ("RTSP", rb"RTSP/"),
        ("VNC", rb"RFB \d"),  # RFC 6143 section 7.1.1
        ("AMQP", rb"AMQP"),
        # A packet of at most 64 KiB, its number 0, the version 10 of the protocol or an error. The version
        # looks like the end of a line, and what ends there may be all that is known.
        ("MySQL", rb"..\x00\x00(?:[\x0a\xff]|\Z)"),
        ("IMAP", rb"\* (OK|PREAUTH|BYE|BAD)\b"),
        ("POP3", rb"\+OK\b"),
        ("ManageSieve", rb'"(IMPL|SIEV|SASL|STAR)'),
        ("XMPP", rb"<\?xml|<stream:"),
        ("NNTP", rb"(200|201|400)[ -].*(NNTP|\bInterNetNews|\bINN\b|news)"),
        ("FTP", rb"220[ -].*(FTP|FileZilla)"),
        ("LMTP", rb"220[ -].*\bLMTP\b"),
        ("SMTP", rb"(220|554)[ -].*E?SMTP"),
        ("SMTP, LMTP or FTP", rb"220[ -]"),
        ("NNTP", rb"20[01][ -]"),
        ("IRC", rb":\S+ (NOTICE|\d{3}|CAP) |NOTICE |ERROR :"),
        ("Redis", rb"-ERR |-NOAUTH|-DENIED"),
    )
)

#: How far the patterns look.
_REACH: Final = 256


def spoken(data: bytes | bytearray) -> str | None:
    """The protocol that `data`, a server's first bytes, belongs to; None if no known one."""
    beginning = bytes(data[:_REACH])
    for name, pattern in _BEGINNINGS:
        if pattern.match(beginning):
            return name
    return None


def other_than(title: str, data: bytes | bytearray) -> str | None:
    """The protocol that `data` belongs to, if it is known and not the one called `title`."""
    found = spoken(data)
    if found is None or title.startswith(found) or title in re.split(", | or ", found):
        return None
    return found
