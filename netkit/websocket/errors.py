"""The errors of WebSocket: of the frames of a peer, of its handshake, and of the caller.

    NetkitError
    └── WebSocketError
        ├── ReservedBitsSet         a bit of the first octet that no extension uses
        ├── ReservedOpcode          a kind of frame that is not defined
        ├── FragmentedControl       a control frame that is not the last fragment of itself
        ├── ControlTooLong          a control frame with more than 125 octets
        ├── UnexpectedContinuation  a continuation of no message
        ├── UnfinishedMessage       a new message inside another
        ├── MaskMissing             a client's frame without a mask
        ├── MaskForbidden           a server's frame with one
        ├── NonMinimalLength        a length in more octets than it needs
        ├── LengthOverflow          a length of 2**63 or more
        ├── InvalidClosePayload     a Close frame with half a code
        ├── InvalidCloseCode        a Close frame with a code that none may carry
        ├── InvalidUtf8             text, or a reason, that is not UTF-8
        ├── InvalidDeflate          a compressed message that cannot be inflated
        ├── LimitExceeded           more of something than is allowed; which limit
        ├── ConnectionClosed        nothing can be sent or received any more; the code and reason
        ├── InvalidHandshake        an opening handshake that breaks a rule; the field and the status
        ├── HandshakeRefused        the server's answer is another than "yes"; its status
        └── InvalidValue            what the caller gave cannot be sent

Each error that a peer's octets cause has `offset`, the octet that is wrong, counted from the first octet
after the handshake, and `close_code`, what the Close frame says to that peer. Use the variants as
`WebSocketError.X`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self, TypeAlias

from netkit.errors import NetkitError

if TYPE_CHECKING:
    from netkit.errors import Fault
    from netkit.http.message import Response


class WebSocketError(NetkitError):
    """Anything that went wrong in the WebSocket layer; the variants are its attributes."""

    layer = "ws"
    #: The code of the Close frame with which the connection is given up (RFC 6455 section 7.4.1).
    close_code: ClassVar[int] = 1002
    #: Where the rule is written.
    section: ClassVar[str] = "RFC 6455 section 5.2"

    if TYPE_CHECKING:
        ReservedBitsSet: TypeAlias = "WsReservedBitsSet"
        ReservedOpcode: TypeAlias = "WsReservedOpcode"
        FragmentedControl: TypeAlias = "WsFragmentedControl"
        ControlTooLong: TypeAlias = "WsControlTooLong"
        UnexpectedContinuation: TypeAlias = "WsUnexpectedContinuation"
        UnfinishedMessage: TypeAlias = "WsUnfinishedMessage"
        MaskMissing: TypeAlias = "WsMaskMissing"
        MaskForbidden: TypeAlias = "WsMaskForbidden"
        NonMinimalLength: TypeAlias = "WsNonMinimalLength"
        LengthOverflow: TypeAlias = "WsLengthOverflow"
        InvalidClosePayload: TypeAlias = "WsInvalidClosePayload"
        InvalidCloseCode: TypeAlias = "WsInvalidCloseCode"
        InvalidUtf8: TypeAlias = "WsInvalidUtf8"
        InvalidDeflate: TypeAlias = "WsInvalidDeflate"
        LimitExceeded: TypeAlias = "WsLimitExceeded"
        ConnectionClosed: TypeAlias = "WsConnectionClosed"
        InvalidHandshake: TypeAlias = "WsInvalidHandshake"
        HandshakeRefused: TypeAlias = "WsHandshakeRefused"
        InvalidValue: TypeAlias = "WsInvalidValue"

    def fresh(self) -> Self:
        """The same error, never raised: kept, it keeps no traceback alive, nor what that refers to."""
        error = type(self).__new__(type(self))
        error.__dict__.update(self.__dict__)
        return error

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({str(self)!r})"


class AtOctet(WebSocketError, ValueError):
    """Something at an octet of the stream."""

    _what: ClassVar[str] = "not a frame"

    def __init__(self, offset: int) -> None:
        super().__init__()
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.problem} at octet {self.offset}"

    @property
    def problem(self) -> str:
        """What is wrong, without where."""
        return self._what


class _OfOpcode(AtOctet):
    """Something about a frame of that `opcode`."""

    def __init__(self, opcode: int, offset: int) -> None:
        super().__init__(offset)
        self.opcode = opcode

    @property
    def problem(self) -> str:
        return self._what.format(self.opcode)


class WsReservedBitsSet(AtOctet):
    """RSV1, RSV2 or RSV3 is set, and no extension gives it a meaning there; `bits` is 0x40, 0x20, 0x10."""

    def __init__(self, bits: int, offset: int) -> None:
        super().__init__(offset)
        self.bits = bits

    @property
    def problem(self) -> str:
        names = [name for name, bit in (("RSV1", 0x40), ("RSV2", 0x20), ("RSV3", 0x10)) if self.bits & bit]
        return f"reserved bits set ({', '.join(names)})"


class WsReservedOpcode(_OfOpcode):
    """A frame of a reserved opcode: 0x3 to 0x7, 0xB to 0xF."""

    _what = "reserved opcode 0x{:X}"


class WsFragmentedControl(_OfOpcode):
    """A control frame without FIN."""

    section = "RFC 6455 section 5.5"
    _what = "fragmented control frame (opcode 0x{:X})"


class WsControlTooLong(_OfOpcode):
    """A control frame with a payload of more than `limit`, 125, octets."""

    section = "RFC 6455 section 5.5"
    limit: ClassVar[int] = 125
    _what = "control frame (opcode 0x{:X}) with more than 125 octets"


class WsUnexpectedContinuation(AtOctet):
    """A continuation frame where no message is under way."""

    section = "RFC 6455 section 5.4"
    _what = "continuation frame without a message that it continues"


class WsUnfinishedMessage(_OfOpcode):
    """A new message begins before the last fragment of another one."""

    section = "RFC 6455 section 5.4"
    _what = "new message (opcode 0x{:X}) inside a fragmented one"


class WsMaskMissing(AtOctet):
    """A frame from a client that is not masked."""

    section = "RFC 6455 section 5.1"
    _what = "frame from a client without a mask"


class WsMaskForbidden(AtOctet):
    """A frame from a server that is masked."""

    section = "RFC 6455 section 5.1"
    _what = "masked frame from a server"


class WsNonMinimalLength(AtOctet):
    """A length in more octets than the least that hold it; `length` is its value."""

    def __init__(self, length: int, offset: int) -> None:
        super().__init__(offset)
        self.length = length

    @property
    def problem(self) -> str:
        return f"length {self.length} in more octets than it needs"


class WsLengthOverflow(AtOctet):
    """A 64-bit length whose most significant bit is set."""

    _what = "length of 2**63 or more"


class WsInvalidClosePayload(AtOctet):
    """A Close frame with a payload of one octet."""

    section = "RFC 6455 section 5.5.1"
    _what = "Close frame with one octet, half a code,"


class WsInvalidCloseCode(AtOctet):
    """A Close frame with a `code` that no Close frame may carry."""

    section = "RFC 6455 section 7.4"

    def __init__(self, code: int, offset: int) -> None:
        super().__init__(offset)
        self.code = code

    @property
    def problem(self) -> str:
        return f"invalid close code {self.code}"


class WsInvalidUtf8(AtOctet):
    """Text that is not UTF-8: `octet` cannot stand where it does, None where the text ends in a character.

    In a compressed message (`is_inflated`) the offset counts from the beginning of the message's text.
    """

    close_code = 1007
    section = "RFC 6455 section 8.1"

    def __init__(self, octet: int | None, offset: int, is_inflated: bool = False) -> None:
        super().__init__(offset)
        self.octet = octet
        self.is_inflated = is_inflated

    def __str__(self) -> str:
        return f"{super().__str__()}{' of an inflated message' if self.is_inflated else ''}"

    @property
    def problem(self) -> str:
        return (
            "text that ends inside a character"
            if self.octet is None
            else f"octet 0x{self.octet:02x} in UTF-8"
        )


class WsInvalidDeflate(AtOctet):
    """A compressed message that cannot be inflated, for a `reason`; `offset` is behind what was fed of it."""

    close_code = 1007
    section = "RFC 7692 section 7.2.2"

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(offset)
        self.reason = reason

    @property
    def problem(self) -> str:
        return f"compressed message: {self.reason}"


#: What is too much, by the limit's name.
_TOO_MUCH = {
    "max_frame": "frame of more than {} octets",
    "max_message": "message of more than {} octets",
    "max_fragments": "message of more than {} fragments",
    "max_empty_fragments": "message with more than {} empty fragments",
    "max_pings": "more than {} pings in a row, without an answer being taken",
    "max_ratio": "compressed message that is inflated to more than {} times its size",
    "message_timeout": "message under way for more than {:g} s",
}


class WsLimitExceeded(AtOctet):
    """More than `limit`, which the setting `setting` sets; `size` is how much it would be, if known."""

    section = "RFC 6455 section 10.4"

    def __init__(self, setting: str, limit: float, offset: int, size: int | None = None) -> None:
        super().__init__(offset)
        self.setting = setting
        self.limit = limit
        self.size = size
        self.hint = f"{setting}={limit} is the limit; a larger one is an argument away"

    @property
    def close_code(self) -> int:  # type: ignore[override]
        """1009 for what is too big, 1008 for what is too often, or takes too long."""
        return 1009 if self.setting in ("max_frame", "max_message", "max_ratio") else 1008

    @property
    def problem(self) -> str:
        words = _TOO_MUCH.get(self.setting, self.setting + " of more than {}").format(self.limit)
        return words if self.size is None else f"{words} ({self.size})"


class WsConnectionClosed(WebSocketError, ConnectionError):
    """The connection is closed, or about to be. `code` and `reason` are the peer's, 1006 if it had none."""

    close_code = 1006
    section = "RFC 6455 section 7.1"

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__()
        self.code = code
        self.reason = reason
        self.fault: Fault = "network" if code == 1006 else "peer"

    def __str__(self) -> str:
        words = f": {self.reason!a}" if self.reason else ""
        how = " without a Close frame" if self.code == 1006 else f" (code {self.code})"
        return f"the connection is closed{how}{words}"


class WsInvalidHandshake(WebSocketError, ValueError):
    """An opening handshake that breaks a rule; nothing is sent in frames.

    `field` is the header field, or the part of the message, that is wrong, `reason` how. `status` is what a
    server answers; a client, which answers nothing, does not look at it.
    """

    section = "RFC 6455 section 4"

    def __init__(self, field: str, reason: str, status: int = 400) -> None:
        super().__init__()
        self.field = field
        self.reason = reason
        self.status = status

    def __str__(self) -> str:
        return f"opening handshake: {self.field}: {self.reason}"


class WsHandshakeRefused(WebSocketError):
    """The server answered the opening handshake with another `status` than the one that accepts it.

    `response` is its whole answer, where there was a connection: headers, and the beginning of the body.
    """

    section = "RFC 6455 section 4.1"

    def __init__(self, status: int, response: Response | None = None) -> None:
        super().__init__()
        self.status = status
        self.response = response

    def __str__(self) -> str:
        return f"the server refused the opening handshake with status {self.status}"


class WsInvalidValue(WebSocketError, ValueError):
    """What the caller gave for `field` cannot be sent, for a `reason`; `limit` is what it exceeds."""

    fault: Fault = "caller"

    def __init__(self, field: str, reason: str, limit: int | None = None) -> None:
        super().__init__()
        self.field = field
        self.reason = reason
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


for _cls in [value for value in globals().values() if isinstance(value, type)]:
    if _cls.__module__ == __name__ and _cls.__name__.startswith("Ws"):
        _cls.__name__ = _cls.__name__.removeprefix("Ws")
        _cls.__qualname__ = f"WebSocketError.{_cls.__name__}"
        setattr(WebSocketError, _cls.__name__, _cls)
del _cls
