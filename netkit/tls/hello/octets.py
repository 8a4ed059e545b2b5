"""Read and write the presentation language of TLS: numbers, and vectors behind their length.

RFC 8446 section 3. A reader never goes past the vector that it was given, and knows at which octet of the
message it stands, so that an error can tell.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeVar

from netkit.tls.hello.errors import MalformedMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.tls.hello.codes import Code

    _C = TypeVar("_C", bound=Code)


class Octets:
    """A place in a message, and the end of the vector that is read there."""

    __slots__ = ("_data", "_end", "offset", "part")

    def __init__(self, data: bytes, part: str, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._end = len(data) if end is None else end
        #: The next octet to read, counted from the beginning of the message.
        self.offset = start
        #: What is read, for errors.
        self.part = part

    def __len__(self) -> int:
        """How many octets are left."""
        return self._end - self.offset

    def number(self, size: int, field: str) -> int:
        """An unsigned number of `size` octets. Raises MalformedMessage."""
        return int.from_bytes(self.take(size, field), "big")

    def code(self, kind: type[_C], field: str) -> _C:
        """A code of its table's size. Raises MalformedMessage."""
        return kind.read(self.number(kind.size, field))

    def take(self, count: int, field: str) -> bytes:
        """The next `count` octets. Raises MalformedMessage if fewer are left."""
        start, stop = self.offset, self.offset + count
        if stop > self._end:
            raise self.malformed(f"{field} has {count} octets where {len(self)} are left")
        self.offset = stop
        return self._data[start:stop]

    def rest(self) -> bytes:
        """All octets that are left."""
        return self.take(len(self), "the rest")

    def vector(
        self, size: int, field: str, *, least: int = 0, most: int | None = None, multiple: int = 1
    ) -> Octets:
        """A vector behind its length of `size` octets, as a place of its own. Raises MalformedMessage.

        `least` and `most` are its shortest and longest length, `multiple` is the size of its elements.
        """
        at = self.offset
        start = at + size
        left = self._end - start
        if left < 0:
            raise self.malformed(f"the length of {field} is cut off", at)
        length = int.from_bytes(self._data[at:start], "big")
        self.offset = start
        if length > left:
            raise self.malformed(f"{field} has {length} octets where {left} are left", at)
        if length < least:
            raise self.malformed(f"{field} has {length} octets, and at least {least} are needed", at)
        if most is not None and length > most:
            raise self.malformed(f"{field} has {length} octets, and at most {most} are allowed", at)
        if length % multiple:
            raise self.malformed(f"{field} has {length} octets, which is no multiple of {multiple}", at)
        return self.part_of(length)

    def part_of(self, length: int) -> Octets:
        """The next `length` octets, which must be there, as a place of its own."""
        start = self.offset
        self.offset += length
        return Octets(self._data, self.part, start, self.offset)

    def opaque(self, size: int, field: str, *, least: int = 0, most: int | None = None) -> bytes:
        """The octets of a vector. Raises MalformedMessage."""
        return self.vector(size, field, least=least, most=most).rest()

    def opaques(
        self, size: int, field: str, each: str, *, each_size: int, each_least: int = 0
    ) -> Iterator[bytes]:
        """A vector of vectors, all of which have a length of `each_size` octets. Raises MalformedMessage."""
        inside = self.vector(size, field)
        while len(inside):
            yield inside.opaque(each_size, each, least=each_least)

    def codes(self, size: int, kind: type[_C], field: str, *, least: int = 1) -> tuple[_C, ...]:
        """A vector of at least `least` codes. Raises MalformedMessage."""
        width = kind.size
        inside = self.vector(size, field, least=least * width, multiple=width).rest()
        numbers = inside if width == 1 else struct.unpack(f">{len(inside) // 2}H", inside)
        return tuple(map(kind.read, numbers))

    def end(self) -> None:
        """Raise MalformedMessage if octets are left."""
        if len(self):
            raise self.malformed(f"{len(self)} octets too many")

    def malformed(self, problem: str, offset: int | None = None) -> MalformedMessage:
        """The error that says what is wrong here."""
        return MalformedMessage(self.part, problem, self.offset if offset is None else offset)


def vector(size: int, content: bytes, what: str = "a vector") -> bytes:
    """`content` behind its length. Raises ValueError if it is too long for a length of `size` octets."""
    if len(content) >= 1 << 8 * size:
        raise ValueError(f"{what} of {len(content)} octets is longer than a length of {size} octets can say")
    return len(content).to_bytes(size, "big") + content


def vectors(size: int, each_size: int, contents: Iterable[bytes]) -> bytes:
    """A vector of vectors."""
    return vector(size, b"".join([vector(each_size, content) for content in contents]))


def code_vector(size: int, codes: Iterable[Code]) -> bytes:
    """A vector of codes."""
    return vector(size, b"".join([code.octets for code in codes]))
