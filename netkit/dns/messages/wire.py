"""Reading octets: a cursor that checks every bound. `WireWriter` is handed on from `wire_writer`.

RFC 1035 sections 3.1, 3.3 and 4.1.4 (names, character strings, compression).

Every read takes the name of its field, so that an error can name the field and the octet. The code that
reads a part of a message adds the name of the part (`DnsInvalidResponse.field`).

A compression pointer must point before the beginning of the labels that it continues. So each jump goes to a
lower octet than the jump before, and loops and forward pointers are errors. Correct encoders follow this
rule, because RFC 1035 allows only pointers to a *prior* name. The number of jumps is also limited:
otherwise every name that refers to a chain of thousands of valid pointers would cost the time of the whole
chain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from netkit.dns.errors import DnsError
from netkit.dns.messages.layout import is_bitmap
from netkit.dns.messages.wire_writer import HEADER, MAX_STRING, QUESTION_FIELDS, RECORD_FIELDS, WireWriter
from netkit.dns.name import MAX_NAME, Name

if TYPE_CHECKING:
    from typing import Any, Self

    from netkit.dns.messages.layout import Layout

__all__ = ["MAX_MESSAGE", "MAX_POINTERS", "MAX_STRING", "WireReader", "WireWriter"]

#: The longest message (RFC 1035 section 4.2.2: its length over TCP is 16 bits).
MAX_MESSAGE = 0xFFFF
#: The most pointers followed for one name: one before each of the at most 127 labels.
MAX_POINTERS = 127
_HEADER_FIELDS = ("id", "flags", "qdcount", "ancount", "nscount", "arcount")
_read_header, _read_question_fields = HEADER.unpack_from, QUESTION_FIELDS.unpack_from
_read_record_fields = RECORD_FIELDS.unpack_from


class WireReader:
    """A cursor over `data` from `offset` to `end`, which never reads past `end`.

    `compression` says whether names may contain pointers; they may not in data taken out of its message.
    Every method raises DnsError.InvalidResponse, with the name of the field and the octet.
    """

    __slots__ = ("_compression", "_data", "_end", "_names", "_outer", "offset")

    def __init__(
        self,
        data: bytes | bytearray | memoryview,
        offset: int = 0,
        end: int | None = None,
        *,
        compression: bool = True,
    ) -> None:
        self._data = data if type(data) is bytes else bytes(data)
        #: The octet that will be read next.
        self.offset = offset
        self._end = len(self._data) if end is None else end
        self._compression = compression
        # The ends to go back to, and what is called the part, when a restricted part is finished.
        self._outer: list[tuple[int, str]] = []
        # Names by where they begin, with the number of jumps each took: most owner names are one pointer
        # to a name that was read before.
        self._names: dict[int, tuple[Name, int]] = {}

    @property
    def remaining(self) -> int:
        """How many octets are left before the end, or the end of the restricted part."""
        return self._end - self.offset

    def u8(self, field: str) -> int:
        """One octet."""
        at = self.offset
        if at >= self._end:
            self._short(field, 1, at, self._end)
        self.offset = at + 1
        return self._data[at]

    def u16(self, field: str) -> int:
        """Two octets, the high one first, as all numbers here."""
        at = self.offset
        if at + 2 > self._end:
            self._short(field, 2, at, self._end)
        self.offset = at + 2
        return self._data[at] << 8 | self._data[at + 1]

    def u32(self, field: str) -> int:
        """Four octets."""
        at = self.offset
        if at + 4 > self._end:
            self._short(field, 4, at, self._end)
        self.offset = at + 4
        return int.from_bytes(self._data[at : at + 4], "big")

    def header_fields(self) -> tuple[int, ...]:
        """The six numbers of a header (RFC 1035 section 4.1.1), in one step."""
        at = self.offset
        if at + 12 > self._end:
            return tuple([self.u16(f"header.{field}") for field in _HEADER_FIELDS])
        self.offset = at + 12
        return _read_header(self._data, at)

    def question_fields(self) -> tuple[int, ...]:
        """A question's type and class, in one step."""
        at = self.offset
        if at + 4 > self._end:
            return self.u16("type"), self.u16("class")
        self.offset = at + 4
        return _read_question_fields(self._data, at)

    def record_fields(self) -> tuple[int, int, int, int]:
        """A record's type, class, TTL and RDATA length (RFC 1035 section 4.1.3), in one step."""
        at = self.offset
        if at + 10 > self._end:
            # One by one, for the error to say which.
            return self.u16("type"), self.u16("class"), self.u32("ttl"), self.u16("rdlength")
        self.offset = at + 10
        return _read_record_fields(self._data, at)

    def take(self, count: int, field: str) -> bytes:
        """The next `count` octets."""
        at = self.offset
        if at + count > self._end:
            self._short(field, count, at, self._end)
        self.offset = at + count
        return self._data[at : at + count]

    def rest(self) -> bytes:
        """Everything up to the end, or the end of the restricted part."""
        at, self.offset = self.offset, self._end
        return self._data[at : self._end]

    def character_string(self, field: str) -> bytes:
        """A length octet and that many octets (RFC 1035 section 3.3)."""
        return self.take(self.u8(field), field)

    def name(self, field: str) -> Name:
        """A domain name, compressed or not; octets keep their case.

        RFC 1035 section 4.1.4, with the limits of section 2.3.4.
        """
        data, end, names = self._data, self._end, self._names
        start = segment = at = self.offset
        # Most names are nothing but a pointer to one that was read before, or the root of OPT.
        if at + 1 < end and ((octet := data[at]) >= 0xC0 or not octet):
            if not octet:
                self.offset = at + 1
                return Name.root
            target = (octet & 0x3F) << 8 | data[at + 1]
            if self._compression and target in names and target < at and names[target][1] < MAX_POINTERS:
                self.offset = at + 2
                return names[target][0]
        after = 0  # where the name ends in its own place: behind its first pointer
        jumps = 0
        length = 0  # of the labels before `segment`, with their length octets
        pieces: list[bytes] = []
        visited: list[tuple[int, int, int]] = []  # each pointer's target, and `length` and `jumps` there
        while True:
            if at >= end:
                self._short(field, 1, at, end)
            octet = data[at]
            if 0 < octet <= 63:
                if length + at + 1 + octet - segment >= MAX_NAME:
                    self.fail(field, f"name longer than {MAX_NAME} octets", at, MAX_NAME)
                if at + 1 + octet >= end:  # another length octet or a pointer must follow
                    self._short(field, 2 + octet, at, end)
                at += 1 + octet
            elif octet == 0:
                pieces.append(data[segment : at + 1])
                after = after or at + 1
                name = Name._trusted(b"".join(pieces))
                break
            elif octet >= 0xC0:
                if at + 2 > end:
                    self._short(field, 2, at, end)
                target = (octet & 0x3F) << 8 | data[at + 1]
                if not self._compression:
                    self.fail(field, "a compression pointer where none is allowed", at)
                if target >= segment:
                    self.fail(field, f"compression pointer to octet {target} does not point back", at)
                jumps += 1
                if jumps > MAX_POINTERS:
                    self.fail(field, f"more than {MAX_POINTERS} compression pointers", at, MAX_POINTERS)
                pieces.append(data[segment:at])
                after = after or at + 2
                length += at - segment
                if target in names:
                    known, more = names[target]
                    # A name that breaks a limit is walked to the octet where it does.
                    if length + len(known._wire) <= MAX_NAME and jumps + more <= MAX_POINTERS:
                        pieces.append(known._wire)
                        name = Name._trusted(b"".join(pieces)) if length else known
                        jumps += more
                        break
                visited.append((target, length, jumps))
                segment = at = target
                end = len(data)  # a restricted part bounds what is in its place, not what is pointed at
            else:
                # RFC 6891 section 5: 0b01 was tried and given up; 0b10 was never assigned.
                self.fail(field, f"undefined label type 0x{octet & 0xC0:02x}", at)
        for target, skipped, before in visited:
            names[target] = (Name._trusted(name._wire[skipped:]), jumps - before)
        names[start] = (name, jumps)
        self.offset = after
        return name

    def whole_name(self, field: str) -> Name:
        """A domain name that must not be compressed, as in all types since RFC 3597 section 4."""
        before, self._compression = self._compression, False
        try:
            return self.name(field)
        finally:
            self._compression = before

    def values(self, layout: Layout, count: int) -> list[Any] | None:
        """The values of the fields in the next `count` octets, all of them read; None if they are not valid.

        A name is a `Name`, an address is its octets. Where there is None, nothing was read: the fields' own
        methods say what is wrong.
        """
        data, outer, start = self._data, self._end, self.offset
        at, end = start, start + count
        if end > outer:
            return None
        values: list[Any] = []
        self._end = end
        try:
            for size, unpack, letter in layout:
                if size:
                    if at + size > end:
                        return None
                    values += unpack(data, at)
                    at += size
                    continue
                self.offset = at
                if letter == "n":
                    values.append(self.name(""))
                elif letter == "N":
                    values.append(self.whole_name(""))
                elif letter in "sx":
                    string = self.character_string("")
                    if letter == "x" and not string:
                        at = -1
                        return None
                    values.append(string)
                elif letter == "S":
                    strings = [self.character_string("")]
                    while self.offset < end:
                        strings.append(self.character_string(""))
                    values.append(tuple(strings))
                elif letter in "rRt":
                    rest = self.rest()
                    if (letter == "R" and not rest) or (letter == "t" and not is_bitmap(rest)):
                        at = -1
                        return None
                    values.append(rest)
                else:
                    values.append(int.from_bytes(self.take(6, ""), "big"))
                at = self.offset
        except DnsError.InvalidResponse:
            at = -1
        finally:
            self._end = outer
            self.offset = at if at == end else start
        return values if at == end else None

    def restrict_to(self, count: int, part: str) -> Self:
        """Return a context that limits reading to the next `count` octets; all of them must be read in it.

            with reader.restrict_to(rdlength, "rdata"):
                ...

        An error in the context has the name of the part before its field: `rdata.exchange`.
        """
        if self.offset + count > self._end:
            self._short(part, count, self.offset, self._end)
        self._outer.append((self._end, part))
        self._end = self.offset + count
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        inner, (self._end, part) = self._end, self._outer.pop()
        if isinstance(error, DnsError.InvalidResponse):
            error.field = f"{part}.{error.field}"
        elif error is None and self.offset != inner:
            left = inner - self.offset
            self.fail(part, f"{left} octet{'s' * (left > 1)} left over")

    def fail(self, field: str, reason: str, offset: int | None = None, limit: int | None = None) -> NoReturn:
        """Raise DnsError.InvalidResponse at `offset`, by default the octet to be read next."""
        raise DnsError.InvalidResponse(field, self.offset if offset is None else offset, reason, limit)

    def _short(self, field: str, wanted: int, at: int, end: int) -> NoReturn:
        octets = "1 octet" if wanted == 1 else f"{wanted} octets"
        what = "message" if end == len(self._data) or not self._outer else self._outer[-1][1]
        self.fail(field, f"needs {octets}; left of the {what}: {max(end - at, 0)}", at)
