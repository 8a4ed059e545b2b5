"""UTF-8 that comes in pieces (RFC 3629, RFC 6455 section 8.1): wrong at the first octet that cannot be right.

The standard library's decoder finds a wrong octet as soon as it has it, also inside a character that is not
complete, with one exception: of a surrogate (0xED and then 0xA0 or more) it waits for the third octet. It is
used here on each piece, together with the one to three octets of a character that the piece before left
incomplete. What it decodes is dropped: a message of many pieces is decoded once, when it is whole.
"""

from __future__ import annotations

from codecs import utf_8_decode
from typing import TYPE_CHECKING

from netkit.websocket.errors import WebSocketError

if TYPE_CHECKING:
    from netkit.websocket.masking import Octets


class Utf8Validator:
    """Checks a text piece by piece. `offset` is where it begins; the error counts from there."""

    __slots__ = ("_left", "offset")

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset
        #: The octets of a character that is not complete yet.
        self._left = b""

    def feed(self, piece: Octets) -> None:
        """Check the next octets. Raises WebSocketError.InvalidUtf8 at the first wrong one."""
        left = self._left
        data = left + piece if left else piece
        try:
            _, used = utf_8_decode(data, "strict", False)
        except UnicodeDecodeError as error:
            # What begins no character is wrong itself; otherwise the octet behind those that were right is.
            at = error.start if error.reason == "invalid start byte" else error.end
            raise WebSocketError.InvalidUtf8(data[at], self.offset + at - len(left)) from None
        self._left = bytes(data[used:])
        if self._left[:1] == b"\xed" and self._left[1:] >= b"\xa0":
            raise WebSocketError.InvalidUtf8(self._left[1], self.offset + used + 1 - len(left))
        self.offset += len(piece)

    def finish(self) -> None:
        """The text has ended. Raises WebSocketError.InvalidUtf8 inside a character."""
        if self._left:
            raise WebSocketError.InvalidUtf8(None, self.offset)
