"""Writing octets: a buffer that compresses names (RFC 1035 sections 3.1, 3.3 and 4.1.4).

`netkit.dns.messages.wire` has the reading side, and hands these names on: most code needs both.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError

if TYPE_CHECKING:
    from netkit.dns.name import Name

#: RFC 1035 section 3.3: a character string has one length octet.
MAX_STRING = 255
#: The fixed fields of a header, a question and a record.
HEADER = Struct("!6H")
QUESTION_FIELDS = Struct("!HH")
RECORD_FIELDS = Struct("!HHIH")
# A pointer has 14 bits for its offset (RFC 1035 section 4.1.4).
_MAX_POINTER_OFFSET = 0x3FFF
_pack_header, _pack_length = HEADER.pack_into, Struct("!H").pack_into


class WireWriter:
    """A growing message: numbers, octets, and names compressed against those written before.

    With `compress` off, all names are written without pointers, as the canonical form of RFC 4034 section 6.2
    demands. A pointer replaces only a suffix in the same letter case, so that names keep their case.
    """

    __slots__ = ("_compress", "_suffixes", "data")

    def __init__(self, compress: bool = True) -> None:
        #: What was written so far.
        self.data = bytearray()
        self._compress = compress
        # The pointer to where each suffix in wire form was first written.
        self._suffixes: dict[bytes, bytes] = {}

    def u8(self, value: int) -> None:
        """One octet."""
        self.data.append(value)

    def u16(self, value: int) -> None:
        """Two octets, the high one first, as all numbers here."""
        self.data += value.to_bytes(2, "big")

    def u32(self, value: int) -> None:
        """Four octets."""
        self.data += value.to_bytes(4, "big")

    def question_fields(self, rdtype: int, rdclass: int) -> None:
        """A question's type and class."""
        self.data += QUESTION_FIELDS.pack(rdtype, rdclass)

    def header_fields(self, *numbers: int) -> None:
        """The six numbers of a header."""
        self.data += HEADER.pack(*numbers)

    def set_header(self, *numbers: int) -> None:
        """Write the six numbers of a header into the twelve octets at the front."""
        _pack_header(self.data, 0, *numbers)

    def record_fields(self, rdtype: int, rdclass: int, ttl: int) -> int:
        """A record's type, class, TTL and the place for its length; return where the RDATA begins.

        `set_length` takes that when the RDATA is written.
        """
        self.data += RECORD_FIELDS.pack(rdtype, rdclass, ttl, 0)
        return len(self.data)

    def set_length(self, start: int) -> None:
        """Write how much follows `start` into the two octets before it.

        Raises DnsError.InvalidValue for more than 65535 octets.
        """
        length = len(self.data) - start
        if length > 0xFFFF:
            raise too_long(length)
        _pack_length(self.data, start - 2, length)

    def write(self, octets: bytes) -> None:
        """Octets as they are."""
        self.data += octets

    def character_string(self, octets: bytes) -> None:
        """A length octet and the octets. Raises DnsError.InvalidValue for more than 255."""
        if len(octets) > MAX_STRING:
            raise DnsError.InvalidValue(
                "character string", octets, f"longer than {MAX_STRING} octets", limit=MAX_STRING
            )
        self.data.append(len(octets))
        self.data += octets

    def name(self, name: Name, compress: bool = True) -> None:
        """A domain name; `compress` says whether a pointer may end it.

        Only the names in the list of RFC 3597 section 4 may be compressed; pointers may refer to any name.
        Raises DnsError.InvalidName for a relative name.
        """
        wire = name._wire if name._absolute else name.to_wire()
        if not self._compress:
            self.data += wire
            return
        data, suffixes = self.data, self._suffixes
        if compress and wire in suffixes:
            data += suffixes[wire]
            return
        base = len(data)
        at = 0
        while wire[at]:
            suffix = wire[at:]
            found = suffixes.get(suffix)
            if found is None:
                if base + at <= _MAX_POINTER_OFFSET:
                    suffixes[suffix] = (0xC000 | base + at).to_bytes(2, "big")
            elif compress:
                data += wire[:at]
                data += found
                return
            at += 1 + wire[at]
        data += wire

    def mark(self) -> int:
        """A point to `rewind` to."""
        return len(self.data)

    def rewind(self, mark: int) -> None:
        """Forget everything that was written since `mark`, as a target for pointers too."""
        del self.data[mark:]
        for suffix, pointer in reversed(list(self._suffixes.items())):
            if int.from_bytes(pointer, "big") & _MAX_POINTER_OFFSET < mark:
                break
            del self._suffixes[suffix]

    def length_prefix(self) -> LengthPrefix:
        """Two octets that will hold the length of what is written in the context.

        with writer.length_prefix():
            ...
        """
        return LengthPrefix(self)


def too_long(length: int) -> DnsError.InvalidValue:
    """The error for what does not fit behind a length of 16 bits."""
    return DnsError.InvalidValue("length", length, "longer than 65535 octets", limit=0xFFFF)


class LengthPrefix:
    """The context of `WireWriter.length_prefix`."""

    __slots__ = ("_at", "_writer")

    def __init__(self, writer: WireWriter) -> None:
        self._writer = writer

    def __enter__(self) -> None:
        self._writer.data += b"\0\0"
        self._at = len(self._writer.data)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._writer.set_length(self._at)
