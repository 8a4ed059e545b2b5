"""LDAP: the extended operation StartTLS, RFC 4511 section 4.14, and the BER that it needs.

RFC 4511 section 5.1: only definite lengths, and octet strings in one piece. A reader of the few types that an
ExtendedResponse has is shorter than any library's use.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from netkit.tls.starttls.errors import StartTlsError
from netkit.tls.starttls.wire import TOTAL_LIMIT, Caller, StartTlsReport, Talk, Wire, shown

#: RFC 4511 section 4.14.1, and section 4.4.1 for the notice of disconnection.
START_TLS: Final = b"1.3.6.1.4.1.1466.20037"
DISCONNECTION: Final = b"1.3.6.1.4.1.1466.20036"

_SEQUENCE, _INTEGER, _OCTET_STRING, _ENUMERATED = 0x30, 0x02, 0x04, 0x0A
#: [APPLICATION 23] and [APPLICATION 24], RFC 4511 section 4.12; requestName [0] and responseName [10].
_EXTENDED_REQUEST, _EXTENDED_RESPONSE, _REQUEST_NAME, _RESPONSE_NAME = 0x77, 0x78, 0x80, 0x8A

_MESSAGE_ID: Final = 1

#: RFC 4511 section 4.1.9: those that answer StartTLS (section 4.14.1, RFC 4513 section 3.1.2) or anything.
_RESULTS: Final[dict[int, str]] = {
    0: "success",
    1: "operationsError",
    2: "protocolError",
    8: "strongerAuthRequired",
    10: "referral",
    12: "unavailableCriticalExtension",
    13: "confidentialityRequired",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    80: "other",
}


class _Element(NamedTuple):
    tag: int
    value: bytes


class _Malformed(Exception):
    pass


def ldap(wire: Wire, caller: Caller) -> Talk[StartTlsReport]:  # noqa: ARG001  # every dialogue takes both
    """RFC 4511 section 4.14: the extended request StartTLS, the response success."""
    wire.say(_request())
    data = yield from _message(wire)
    try:
        code, text, name = _response(data)
    except _Malformed as error:
        raise wire.unexpected(str(error), data) from None
    # RFC 4511 section 4.14.1: 2 (protocolError) from a server that does not know the operation.
    if code or name == DISCONNECTION:
        word = _RESULTS.get(code, "a result that RFC 4511 does not know")
        raise StartTlsError.Declined("" if name == DISCONNECTION else "StartTLS", f"{code} {word}", text)
    return wire.report(answer=text)


def _request() -> bytes:
    name = bytes([_REQUEST_NAME, len(START_TLS)]) + START_TLS
    operation = bytes([_EXTENDED_REQUEST, len(name)]) + name
    message = bytes([_INTEGER, 1, _MESSAGE_ID]) + operation
    return bytes([_SEQUENCE, len(message)]) + message


def _message(wire: Wire) -> Talk[bytes]:
    """Take one LDAPMessage."""
    what = "its answer to StartTLS"
    # An ExtendedResponse has 12 bytes at least; seven are enough to know a server of another kind by.
    beginning = bytes((yield from wire.fill(7, what))[:7])
    if beginning[0] != _SEQUENCE:
        raise wire.unexpected("not a message of LDAP", beginning)
    header, length = 2, beginning[1]
    if length >= 0x80:
        # X.690 section 8.1.3.5: the number of bytes that hold the length; 0x80 alone is indefinite.
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise wire.unexpected("a length that is not definite, or too long", beginning)
        header, length = 2 + count, int.from_bytes(beginning[2 : 2 + count], "big")
    if length > TOTAL_LIMIT:
        raise StartTlsError.LimitExceeded(wire.title, "bytes in one message", TOTAL_LIMIT)
    return (yield from wire.exactly(header + length, what))


def _response(data: bytes) -> tuple[int, str, bytes]:
    """The result code, the diagnostic message and the response's name, of one whole LDAPMessage."""
    (message,) = _elements(data, 1)
    parts = _elements(message.value, 3)
    if len(parts) < 2 or parts[0].tag != _INTEGER or parts[1].tag != _EXTENDED_RESPONSE:
        raise _Malformed("not an extended response")
    identity = int.from_bytes(parts[0].value, "big")
    fields = _elements(parts[1].value, 6)
    if [field.tag for field in fields[:3]] != [_ENUMERATED, _OCTET_STRING, _OCTET_STRING]:
        raise _Malformed("not a result")
    name = next((field.value for field in fields[3:] if field.tag == _RESPONSE_NAME), b"")
    # Section 4.4.1: the notice of disconnection has the message ID 0, every other answer that of its request.
    if identity != (0 if name == DISCONNECTION else _MESSAGE_ID):
        raise _Malformed(f"an answer to message {identity}, not to {_MESSAGE_ID}")
    code = fields[0].value
    if not 1 <= len(code) <= 4:
        raise _Malformed("a result code of no size")
    return int.from_bytes(code, "big"), shown(fields[2].value), name


def _elements(data: bytes, most: int) -> list[_Element]:
    """The elements that `data` consists of. Raises _Malformed if it does not, or if there are over `most`."""
    found: list[_Element] = []
    at = 0
    while at < len(data):
        if len(found) == most:
            raise _Malformed("more elements than there can be")
        tag, length = data[at], data[at + 1] if at + 1 < len(data) else 0x80
        at += 2
        if length >= 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4 or at + count > len(data):
                raise _Malformed("a length that is not definite, or too long")
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + length > len(data):
            raise _Malformed("an element that ends behind its message")
        found.append(_Element(tag, data[at : at + length]))
        at += length
    return found
