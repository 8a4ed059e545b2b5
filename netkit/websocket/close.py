"""Why a connection is closed: codes and reasons, and the payload of a Close frame (RFC 6455 section 7.4).

The codes 1005, 1006 and 1015 say what happened where no Close frame said it. They are never on the wire, and
receiving one is an error. So is 1004, which has no meaning, and a code that nobody registered.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, Final

from netkit._value import Value, assign
from netkit.websocket.errors import WebSocketError
from netkit.websocket.utf8 import Utf8Validator

#: Octets of a reason that fit into a control frame behind the code.
MAX_REASON: Final = 123


class CloseCode(IntEnum):
    """The registered codes (RFC 6455 section 7.4.1, and IANA's "WebSocket Close Code Number")."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS = 1005
    ABNORMAL = 1006
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015


#: The registered codes that an endpoint never sends (RFC 6455 section 7.4.1).
NEVER_SENT: Final = frozenset({CloseCode.NO_STATUS, CloseCode.ABNORMAL, CloseCode.TLS_HANDSHAKE})

_SENT = frozenset(CloseCode) - NEVER_SENT


def is_sendable(code: int) -> bool:
    """Whether a Close frame may carry the code: registered and sent, or 3000 to 4999 (section 7.4.2).

    >>> is_sendable(1000), is_sendable(1005), is_sendable(2000), is_sendable(4999)
    (True, False, False, True)
    """
    return 3000 <= code <= 4999 or code in _SENT


class CloseReason(Value):
    """What a Close frame says: a code and a reason in words.

    `code` is 1005 (`CloseCode.NO_STATUS`) where the frame was empty; nothing else has that code. `reason` is
    the peer's text, of at most 123 octets in UTF-8.
    """

    __slots__ = ("code", "reason")
    __match_args__: ClassVar[tuple[str, ...]] = ("code", "reason")

    code: int
    reason: str

    def __init__(self, code: int = CloseCode.NO_STATUS, reason: str = "") -> None:
        assign(self, "code", code)
        assign(self, "reason", reason)

    def __str__(self) -> str:
        try:
            name = f"{self.code} {CloseCode(self.code).name}"
        except ValueError:
            name = str(self.code)
        return f"{name}: {self.reason!a}" if self.reason else name


def parse_close(payload: bytes, offset: int = 0) -> CloseReason:
    """Read the payload of a Close frame (RFC 6455 section 5.5.1).

    Args:
        payload: up to 125 octets, unmasked.
        offset: where it begins in the stream; the errors count from there.

    Raises:
        WebSocketError.InvalidClosePayload: one octet, which is half a code.
        WebSocketError.InvalidCloseCode: a code that no Close frame may carry.
        WebSocketError.InvalidUtf8: the reason is not UTF-8.
    """
    if not payload:
        return CloseReason()
    if len(payload) == 1:
        raise WebSocketError.InvalidClosePayload(offset)
    code = int.from_bytes(payload[:2], "big")
    if not is_sendable(code):
        raise WebSocketError.InvalidCloseCode(code, offset)
    reason = Utf8Validator(offset + 2)
    reason.feed(payload[2:])
    reason.finish()
    return CloseReason(code, payload[2:].decode())


def encode_close(code: int | None = CloseCode.NORMAL, reason: str = "") -> bytes:
    """Make the payload of a Close frame; None is a frame without a code.

    Raises WebSocketError.InvalidValue for a code that may not be sent, a reason without a code, or one of
    more than 123 octets.
    """
    if code is None:
        if reason:
            raise WebSocketError.InvalidValue("close reason", "there is no reason without a code")
        return b""
    if not is_sendable(code):
        raise WebSocketError.InvalidValue("close code", f"{code} may not be sent")
    try:
        octets = reason.encode()
    except UnicodeEncodeError:
        raise WebSocketError.InvalidValue("close reason", "a lone surrogate is no text") from None
    if len(octets) > MAX_REASON:
        raise WebSocketError.InvalidValue(
            "close reason", f"{len(octets)} octets in UTF-8, more than {MAX_REASON}", limit=MAX_REASON
        )
    return code.to_bytes(2, "big") + octets


def shortened(reason: str) -> str:
    """The reason, cut at a character if it has more than 123 octets."""
    return reason.encode(errors="replace")[:MAX_REASON].decode(errors="ignore")
