"""The kinds of frames (RFC 6455 section 5.2): six opcodes with a meaning, and ten that are reserved.

A reserved opcode is an `Opcode` too, so that a frame which was received with one can be shown: `Opcode(3)` is
`<Opcode.Reserved: 3>`. No extension that netkit speaks gives one a meaning, so a reader refuses it.
"""

from __future__ import annotations

from enum import IntEnum


class Opcode(IntEnum):
    """What a frame is (RFC 6455 section 11.8)."""

    Continuation = 0x0
    Textual = 0x1
    Binary = 0x2
    Close = 0x8
    Ping = 0x9
    Pong = 0xA

    @classmethod
    def Reserved(cls, number: int) -> Opcode:  # noqa: N802 - a variant, as core-net.txt has it
        """A reserved opcode: 0x3 to 0x7, for data, and 0xB to 0xF, for control frames.

        Raises ValueError for a number that is not reserved.
        """
        opcode = cls(number)
        if not opcode.is_reserved:
            raise ValueError(f"opcode {number:#x} is not reserved")
        return opcode

    @classmethod
    def _missing_(cls, value: object) -> Opcode | None:
        if not isinstance(value, int) or not 0 <= value <= 0xF:
            return None
        made = int.__new__(cls, value)
        made._name_ = "Reserved"
        made._value_ = int(value)
        # Kept, so that each number has one object.
        return cls._value2member_map_.setdefault(value, made)  # type: ignore[return-value]

    @property
    def is_control(self) -> bool:
        """Whether it is of a control frame, which may stand between the fragments of a message."""
        return self >= 0x8

    @property
    def is_reserved(self) -> bool:
        """Whether no meaning is defined for it."""
        return self._name_ == "Reserved"
