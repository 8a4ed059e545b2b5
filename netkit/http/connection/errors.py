"""What ends a connection or one stream of it, and HTTP/2's numbers for the reasons.

RFC 9113 section 7 (error codes), 5.4 (connection errors and stream errors).

    NetkitError
    └── HttpError
        ├── ConnectionFault     the peer broke the rules of its version, or went over a limit of ours
        │   └── StreamFault     the same for one stream: the others go on
        └── IncompleteMessage   (EOFError) the connection ended before the message did

An octet of HTTP/1.1 that is wrong is a `ParseError`, which has its offset.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from netkit.http.errors import HttpError

if TYPE_CHECKING:
    from netkit.errors import Fault


class ErrorCode(IntEnum):
    """Why a stream or a connection is given up (RFC 9113 section 7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


def code_name(code: int) -> str:
    """The name of an error code; its number where it has none (RFC 9113 section 7: treat it as unknown)."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error code {code:#x}"


class ConnectionFault(HttpError, ValueError):
    """The connection cannot go on: the peer broke a rule, or went over a limit.

    `code` is the code of HTTP/2 that says why. `limit_name` names the limit of `ConnectionLimits` that the
    peer exceeded, and `limit` is its value; both are None if a rule was broken. `by_peer`: the peer said so.
    """

    def __init__(
        self,
        reason: str,
        code: int = ErrorCode.PROTOCOL_ERROR,
        *,
        limit_name: str | None = None,
        limit: int | None = None,
        by_peer: bool = False,
        fault: Fault | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(reason, fault=fault, hint=hint)
        self.code = code
        self.limit_name = limit_name
        self.limit = limit
        self.by_peer = by_peer

    @property
    def kind(self) -> str:
        """The name of the code in the form of the other kinds, such as `"EnhanceYourCalm"`."""
        try:
            name = ErrorCode(self.code).name
        except ValueError:
            return f"ErrorCode{self.code}"
        return "".join(word.capitalize() for word in name.split("_"))

    def __str__(self) -> str:
        where = "" if self.limit_name is None else f" ({self.limit_name} = {self.limit})"
        return f"{self.reason}{where}"


class StreamFault(ConnectionFault):
    """One stream cannot go on; `stream` is its number. The connection and its other streams do."""

    def __init__(
        self,
        reason: str,
        code: int = ErrorCode.PROTOCOL_ERROR,
        *,
        stream: int = 0,
        limit_name: str | None = None,
        limit: int | None = None,
        by_peer: bool = False,
        fault: Fault | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(
            reason,
            code,
            limit_name=limit_name,
            limit=limit,
            by_peer=by_peer,
            fault=fault,
            hint=hint,
        )
        self.stream = stream


class IncompleteMessage(HttpError, EOFError):
    """The connection ended before the message did.

    `received` is how many octets of the body came, and `expected` how many the head announced, None if it did
    not say.
    """

    def __init__(
        self,
        received: int = 0,
        expected: int | None = None,
        *,
        fault: Fault | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(fault=fault, hint=hint)
        self.received = received
        self.expected = expected

    @property
    def kind(self) -> str:
        """The word that the parser has for it too."""
        return "Incomplete"

    def __str__(self) -> str:
        if self.expected is None:
            return f"the connection ended inside the body, after {self.received} octets of it"
        return f"the connection ended after {self.received} of {self.expected} octets of the body"
