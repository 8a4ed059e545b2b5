"""What octets in the clear say of the peer that sent them: whether they are TLS, what else they may be, and
the alert at their end."""

from __future__ import annotations


def begins_like_tls(received: bytes) -> bool:
    """Whether the first bytes may be a record of TLS."""
    return len(received) >= 3 and 20 <= received[0] <= 24 and received[1] == 3 and received[2] <= 4


def fatal_alert_in(received: bytes) -> int | None:
    """The number of the fatal alert at the end of unencrypted bytes, or None.

    A plaintext alert is one record of exactly two bytes (RFC 8446 section 5.1): type 21, a version,
    the length 2, the level 2 (fatal), the description.
    """
    record = received[-7:]
    if len(record) == 7 and record[:2] == b"\x15\x03" and record[3:6] == b"\x00\x02\x02":
        return record[6]
    return None


def plain_protocol_hint(received: bytes) -> str:
    """What a peer speaks that does not begin as TLS does, as its greeting tells, and what to do then."""
    beginnings = (
        (b"HTTP/", "this is plain HTTP: try http:// or ws://, or the port for TLS"),
        (b"SSH-", "this is an SSH server"),
        (
            b"220",
            "a mail or FTP server greets first: TLS starts there only after STARTTLS, or on another port",
        ),
        (b"* OK", "an IMAP server: TLS starts there only after STARTTLS, or on port 993"),
        (b"+OK", "a POP3 server: TLS starts there only after STLS, or on port 995"),
    )
    for beginning, hint in beginnings:
        if received.startswith(beginning):
            return hint
    return "check the port: something answers there, but in the clear"
