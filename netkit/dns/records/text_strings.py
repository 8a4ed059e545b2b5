"""What TXT and the types of its form are made of: character strings (RFC 1035 section 3.3.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.dns.constants import DnsClass
from netkit.dns.errors import DnsError
from netkit.dns.messages.wire import MAX_STRING
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.strings import CharacterStrings, string_text
from netkit.dns.value import assign

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.dns.name import Name
    from netkit.dns.records.fields import Schema

_STRINGS = CharacterStrings("Each string, octet for octet")


class TextStrings(DnsRecord):
    """Text, as one or more strings of at most 255 octets: `strings`, as they are in the record.

    `data` is the text of all of them put together, which is how SPF, DKIM and the like read them (RFC 7208
    section 3.3): UTF-8, with octets that are not as `\\xNN`. Made from text or octets, which are cut into
    strings, or from strings that stay as they are.
    """

    strings: CharacterStrings = _STRINGS
    __match_args__ = ("name", "ttl", "data", "rdclass")

    def __init__(
        self,
        name: Name | str,
        ttl: int,
        data: str | bytes | Iterable[bytes | str],
        rdclass: int = DnsClass.IN,
    ) -> None:
        self._begin(name, ttl, rdclass)
        if isinstance(data, str):
            data = data.encode("utf-8")
        if isinstance(data, bytes):
            data = [data[at : at + MAX_STRING] for at in range(0, len(data), MAX_STRING)] or [b""]
        try:
            assign(self, "strings", _STRINGS.check(data))
        except DnsError.InvalidValue as error:
            error.field = "data"  # the argument's name
            raise

    @property
    def data(self) -> str:
        """The text of all the strings put together."""
        return string_text(b"".join(self.strings))

    @property
    def fields(self) -> dict[str, Any]:
        """The text and the strings it came in."""
        return {"data": self.data, "strings": self.strings}

    def json_fields(self) -> dict[str, object]:
        return {"data": self.data, **super().json_fields()}

    @classmethod
    def json_schema(cls) -> Schema:
        schema = super().json_schema()
        about = {"type": "string", "description": "The strings put together, as UTF-8"}
        schema["properties"] = {"data": about, **schema["properties"]}
        schema["required"] = list(schema["properties"])
        return schema

    def _values(self) -> tuple[Any, ...]:
        return self.name, self.ttl, self.strings, self.rdclass
