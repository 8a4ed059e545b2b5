"""TXT: text (RFC 1035 section 3.3.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.records.base import DnsRecord
from netkit.dns.text import quoted
from netkit.dns.value import assign
from netkit.dns.wire import MAX_STRING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from netkit.dns.name import Name
    from netkit.dns.text import TextReader
    from netkit.dns.wire import WireReader, WireWriter


class TXT(DnsRecord):
    """Text, as one or more strings of at most 255 octets: `strings`, as they are in the record.

    `data` is the text of all of them put together, which is how SPF, DKIM and the like read them (RFC 7208
    section 3.3): UTF-8, with octets that are not as `\\xNN`. Made from text or octets, which are cut into
    strings, or from strings that stay as they are.
    """

    __slots__ = ("strings",)
    __match_args__ = ("name", "ttl", "data", "rdclass")
    rdtype = DnsRecordType.TXT

    strings: tuple[bytes, ...]

    def __init__(
        self, name: Name | str, ttl: int, data: str | bytes | Iterable[bytes], rdclass: int = DnsClass.IN
    ) -> None:
        super().__init__(name, ttl, rdclass)
        if isinstance(data, str):
            data = data.encode("utf-8")
        if isinstance(data, bytes):
            data = [data[at : at + MAX_STRING] for at in range(0, len(data), MAX_STRING)] or [b""]
        assign(self, "strings", tuple(data))
        if not self.strings:
            raise DnsError.InvalidValue("data", self.strings, "a TXT record has at least one string")
        for string in self.strings:
            if len(string) > MAX_STRING:
                raise DnsError.InvalidValue(
                    "data", string, f"a string longer than {MAX_STRING} octets", limit=MAX_STRING
                )

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        strings = [reader.character_string("strings")]
        while reader.remaining:
            strings.append(reader.character_string("strings"))
        return cls(name, ttl, strings, rdclass)

    def to_wire(self, writer: WireWriter) -> None:
        for string in self.strings:
            writer.character_string(string)

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        return cls(name, ttl, reader.character_strings("strings"), rdclass)

    def rdata_text(self) -> str:
        return " ".join([quoted(string) for string in self.strings])

    @property
    def data(self) -> str:
        """The text of all the strings put together."""
        return b"".join(self.strings).decode("utf-8", "backslashreplace")

    @property
    def fields(self) -> dict[str, Any]:
        """The text and the strings it came in."""
        return {"data": self.data, "strings": self.strings}

    def _values(self) -> tuple[Any, ...]:
        return self.name, self.ttl, self.strings, self.rdclass
