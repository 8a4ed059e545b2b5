"""PostgreSQL: the message SSLRequest, and the one byte that answers it.

PostgreSQL's documentation, sections "SSL Session Encryption" and "Message Formats" of its chapter
Frontend/Backend Protocol: S is the go-ahead, N the refusal, and E begins an error of a server that is very
old or cannot serve at all. What stands behind the S is refused by everybody since CVE-2021-23222.
"""

from __future__ import annotations

from typing import Final

from netkit.tls.starttls.errors import StartTlsError
from netkit.tls.starttls.wire import TOTAL_LIMIT, Caller, StartTlsReport, Talk, Wire, shown

#: SSLRequest: a length of 8, and the code 80877103 (1234 and 5679 in its two halves).
SSL_REQUEST: Final = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"

_WHAT: Final = "its answer to SSLRequest"


def postgres(wire: Wire, caller: Caller) -> Talk[StartTlsReport]:  # noqa: ARG001  # every dialogue takes both
    """SSLRequest, S."""
    wire.say(SSL_REQUEST)
    answer = bytes((yield from wire.fill(1, _WHAT))[:1])
    if answer == b"S":
        wire.take(1)
        return wire.report(answer="S")
    if answer == b"N":
        raise StartTlsError.NotOffered(wire.title)
    beginning = bytes((yield from wire.fill(5, _WHAT))[:5])
    length = int.from_bytes(beginning[1:], "big")
    if answer != b"E" or not 4 <= length <= TOTAL_LIMIT:
        raise wire.unexpected("neither S nor N nor an error", beginning)
    wire.take(5)
    fields = _fields((yield from wire.exactly(length - 4, _WHAT)))
    raise StartTlsError.Declined("SSLRequest", fields.get("C"), fields.get("M", ""))


def _fields(data: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse: each is a letter and a text, up to a zero; a zero alone ends them."""
    fields: dict[str, str] = {}
    for field in data.split(b"\0"):
        if not field:
            break
        fields.setdefault(shown(field[:1]), shown(field[1:]))
    return fields
