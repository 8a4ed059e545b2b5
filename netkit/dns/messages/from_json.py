"""Reads DNS messages from JSON by RFC 8427, as `netkit.dns.messages.as_json` or anybody else wrote them.

    message_from_json(found)            the message of an object
    pair_from_json(found)               the query and the response of a pair (section 3)

Of what is there several times, octets count before text: names (`"NAME*"`), data (`RDATAHEX`), the whole
message (`messageOctetsHEX`). A set of records (`rrSet`, section 2.2) is as many records. A message is first
encoded and then decoded as any other, so that no rule for a message is written twice; its limits are those of
a message. The octets of single sections (section 2.4) are not read, as their pointers lead elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError, ZoneFileError
from netkit.dns.messages.as_json import COUNTS, FLAGS
from netkit.dns.messages.header import RECORD_SECTIONS
from netkit.dns.messages.message import Message
from netkit.dns.messages.wire import WireReader
from netkit.dns.name import Name

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_MESSAGE = 0xFFFF


def message_from_json(found: Mapping[str, Any]) -> Message:
    """The message of an object. Members that are not known are left out of account.

    Raises DnsError.InvalidValue with the path of the member (`answerRRs[2].TTL`), and
    DnsError.InvalidResponse where the octets that the members make are no message.
    """
    return Message.from_wire(message_octets(found))


def pair_from_json(found: Mapping[str, Any]) -> tuple[Message, Message]:
    """The query and the response of an object of section 3. Raises as `message_from_json`."""
    pair = []
    for key in ("queryMessage", "responseMessage"):
        try:
            pair.append(message_from_json(_object(found.get(key))))
        except DnsError.InvalidValue as error:
            error.field = f"{key}.{error.field}".removesuffix(".")
            raise
    return pair[0], pair[1]


def message_octets(found: Mapping[str, Any]) -> bytes:
    """The octets of the message of an object. Raises DnsError.InvalidValue."""
    if "messageOctetsHEX" in found:
        return _octets(found, "messageOctetsHEX", _MAX_MESSAGE)
    questions = _questions(found)
    sections = {name: _records(found, f"{name}RRs") for name in RECORD_SECTIONS}
    counts = [len(questions), *(len(each) for each in sections.values())]
    for (key, member), count in zip(COUNTS.items(), counts, strict=True):
        if _number(found, key, 0xFFFF, count) != count:
            raise DnsError.InvalidValue(key, found[key], f"{member} has {count}")
    bits = sum([bit for name, bit in FLAGS.items() if _number(found, name, 1, 0)])
    bits |= _number(found, "Opcode", 0xF, 0) << 11 | _number(found, "RCODE", 0xF, 0)
    made = b"".join([
        *(each.to_bytes(2, "big") for each in (_number(found, "ID", 0xFFFF, 0), bits, *counts)),
        *questions,
        *(record for section in sections.values() for record in section),
    ])  # fmt: skip
    if len(made) > _MAX_MESSAGE:
        raise DnsError.InvalidValue("", len(made), f"a message of {len(made)} octets", limit=_MAX_MESSAGE)
    return made


def _questions(found: Mapping[str, Any]) -> list[bytes]:
    """The octets of each question."""
    if "questionRRs" in found:
        return [_head_octets(each, path) for path, each in _list(found, "questionRRs")]
    if not any(key in found for key in ("QNAME", "QNAME*")):
        return []
    names = {"NAME": "QNAME", "NAME*": "QNAME*", "TYPE": "QTYPE", "TYPEname": "QTYPEname"}
    names |= {"CLASS": "QCLASS", "CLASSname": "QCLASSname"}
    return [_head_octets({key: found[name] for key, name in names.items() if name in found}, "Q")]


def _records(found: Mapping[str, Any], key: str) -> list[bytes]:
    """The octets of each record of a section; a set of records (section 2.2) is that many."""
    made = []
    for path, each in _list(found, key) if key in found else ():
        parts = [(path, each)]
        if "rrSet" in each:
            shared = {name: value for name, value in each.items() if name != "rrSet"}
            parts = [(inner, shared | dict(part)) for inner, part in _list(each, "rrSet", f"{path}.")]
        made += [_record_octets(part, inner) for inner, part in parts]
    return made


def _record_octets(found: Mapping[str, Any], path: str) -> bytes:
    head = _head_octets(found, path)
    try:
        data = _data(found, head)
        ttl = _number(found, "TTL", 0xFFFFFFFF)
        size = _number(found, "RDLENGTH", 0xFFFF, len(data))
        if size != len(data):
            raise DnsError.InvalidValue("RDLENGTH", size, f"the data has {len(data)} octets")
    except DnsError.InvalidValue as error:
        error.field = f"{path}.{error.field}"
        raise
    return head + ttl.to_bytes(4, "big") + len(data).to_bytes(2, "big") + data


def _head_octets(found: Mapping[str, Any], path: str) -> bytes:
    """Name, type and class."""
    try:
        rdtype, rdclass = _type(found), _code(found, "CLASS", DnsClass)
        return _name_of(found) + rdtype.to_bytes(2, "big") + rdclass.to_bytes(2, "big")
    except DnsError.InvalidValue as error:
        error.field = f"Q{error.field}" if path == "Q" else f"{path}.{error.field}"
        raise


def _name_of(found: Mapping[str, Any]) -> bytes:
    if "NAME*" in found:
        octets = _octets(found, "NAME*", 255)
        try:
            reader = WireReader(octets, compression=False)
            name = reader.name("NAME*")
            if reader.remaining:
                reader.fail("NAME*", "octets are left over")
        except DnsError.InvalidResponse as error:
            raise DnsError.InvalidValue("NAME*", found["NAME*"], error.reason) from None
        return name.to_wire()
    text = _text(found, "NAME")
    try:
        return Name.parse(text).to_wire()
    except DnsError.InvalidName as error:
        raise DnsError.InvalidValue("NAME", text, error.reason) from None


def _type(found: Mapping[str, Any]) -> int:
    """The type by its number or name, or by the member that has the data."""
    if "TYPE" in found or "TYPEname" in found:
        return _code(found, "TYPE", DnsRecordType)
    named = [key.removeprefix("rdata") for key in found if key.startswith("rdata")]
    if not named:
        raise DnsError.InvalidValue("TYPE", None, "is missing")
    try:
        return int(DnsRecordType.parse(named[0]))
    except DnsError.InvalidValue as error:
        raise DnsError.InvalidValue(f"rdata{named[0]}", named[0], error.reason) from None


def _code(found: Mapping[str, Any], key: str, kind: type[DnsClass | DnsRecordType]) -> int:
    if key in found or f"{key}name" not in found:
        return _number(found, key, 0xFFFF)
    text = _text(found, f"{key}name")
    try:
        return int(kind.parse(text))
    except DnsError.InvalidValue as error:
        raise DnsError.InvalidValue(f"{key}name", text, error.reason) from None


def _data(found: Mapping[str, Any], head: bytes) -> bytes:
    """The data: in octets, or else as text, which `head` says the type of."""
    from netkit.dns.records.base import DnsRecord

    if "RDATAHEX" in found:
        return _octets(found, "RDATAHEX", 0xFFFF)
    rdtype = DnsRecordType(int.from_bytes(head[-4:-2], "big"))
    rdclass = DnsClass(int.from_bytes(head[-2:], "big"))
    key = f"rdata{rdtype}"
    if key not in found:
        if _number(found, "RDLENGTH", 0xFFFF) == 0:
            return b""
        raise DnsError.InvalidValue("RDATAHEX", None, f"is missing, and {key} too")
    text = _text(found, key)
    if not text.isprintable():
        # A line of its own would be another entry, or an instruction.
        raise DnsError.InvalidValue(key, text, "must be one line of printable text")
    try:
        return DnsRecord.parse(f". 0 {rdclass} {rdtype} {text}").rdata_wire()
    except ZoneFileError as error:
        raise DnsError.InvalidValue(key, text, error.reason) from None


def _list(found: Mapping[str, Any], key: str, path: str = "") -> list[tuple[str, Mapping[str, Any]]]:
    """The objects of a list, each with its path."""
    value = found[key]
    if not isinstance(value, list | tuple):
        raise DnsError.InvalidValue(f"{path}{key}", value, "must be a list")
    if len(value) > _MAX_MESSAGE:
        raise DnsError.InvalidValue(f"{path}{key}", len(value), "too many", limit=_MAX_MESSAGE)
    made = []
    for index, each in enumerate(value):
        inner = f"{path}{key}[{index}]"
        try:
            made.append((inner, _object(each)))
        except DnsError.InvalidValue as error:
            error.field = inner
            raise
    return made


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DnsError.InvalidValue("", value, "must be an object")
    return value


def _number(found: Mapping[str, Any], key: str, limit: int, default: int | None = None) -> int:
    if key not in found and default is not None:
        return default
    value = found.get(key)
    if value is None:
        raise DnsError.InvalidValue(key, None, "is missing")
    if not isinstance(value, int) or (isinstance(value, bool) and limit > 1):
        raise DnsError.InvalidValue(key, value, "must be a whole number")
    if not 0 <= value <= limit:
        raise DnsError.InvalidValue(key, value, f"must be between 0 and {limit}", limit=limit)
    return int(value)


def _text(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    if not isinstance(value, str):
        raise DnsError.InvalidValue(key, value, "is missing" if value is None else "must be text")
    return value


def _octets(found: Mapping[str, Any], key: str, limit: int) -> bytes:
    text = _text(found, key)
    if len(text) > 2 * limit:
        raise DnsError.InvalidValue(key, len(text), f"more than {limit} octets", limit=limit)
    try:
        if not text.isalnum() and text:
            raise ValueError
        return bytes.fromhex(text)
    except ValueError:
        raise DnsError.InvalidValue(key, text, "is not octets in hexadecimal") from None
