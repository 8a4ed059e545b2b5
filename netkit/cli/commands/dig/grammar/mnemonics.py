"""The names of record types and classes on dig's command line, `MX`, `TYPE65280`, `IXFR=SERIAL`, `CH`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.frame.messages import suggest
from netkit.cli.frame.options import WrongValue

if TYPE_CHECKING:
    from netkit.dns.constants import DnsClass, DnsRecordType

#: Second mnemonics of classes.
_CLASS_ALIASES = {"CHAOS": "CH", "HESIOD": "HS"}
#: Types that have a mnemonic and cannot be asked for here.
_NOT_ASKED = frozenset(("IXFR", "OPT", "TSIG"))


def close_type(word: str) -> str | None:
    """The mnemonic of a type that a word resembles; None if it resembles none."""
    from netkit.dns.constants import DnsRecordType

    return suggest(word.upper(), DnsRecordType.mnemonics())


def type_or_none(text: str) -> DnsRecordType | None:
    """The record type that `text` names; None if it names none."""
    from netkit.dns.constants import DnsRecordType
    from netkit.dns.errors import DnsError

    if text.lower().startswith("ixfr="):
        return DnsRecordType.IXFR
    try:
        return DnsRecordType.parse(text)
    except DnsError.InvalidValue:
        return None


def class_or_none(text: str) -> DnsClass | None:
    """The class that `text` names; None if it names none."""
    from netkit.dns.constants import DnsClass
    from netkit.dns.errors import DnsError

    try:
        return DnsClass.parse(_CLASS_ALIASES.get(text.upper(), text))
    except DnsError.InvalidValue:
        return None


def type_names() -> list[str]:
    """The record types that can be asked for by name."""
    from netkit.dns.constants import DnsRecordType

    return sorted(name for name in DnsRecordType.mnemonics() if name not in _NOT_ASKED)


def class_names() -> list[str]:
    """The classes that can be asked for by name."""
    from netkit.dns.constants import DnsClass

    return sorted({*DnsClass.mnemonics(), *_CLASS_ALIASES} - {"NONE"})


def parse_type(text: str) -> DnsRecordType:
    """The record type that `text` names. Raises WrongValue."""
    found = type_or_none(text)
    if found is None:
        hint = close_type(text) or "write a mnemonic, as in AAAA, or TYPE and a number up to 65535"
        raise WrongValue(f"{text!r} is not a record type", hint)
    if str(found) == "IXFR":
        parse_serial(text)
    return found


def parse_serial(text: str | None) -> int | None:
    """The serial of a type that is written `IXFR=SERIAL`; None of other types. Raises WrongValue."""
    if text is None or str(type_or_none(text)) != "IXFR":
        return None
    _, _, serial = text.partition("=")
    if not serial:
        raise WrongValue(
            f"{text}: the serial is missing", "write IXFR=SERIAL, the serial of the version you have"
        )
    if not (serial.isascii() and serial.isdigit() and len(serial) <= 10 and int(serial) < 1 << 32):
        raise WrongValue(f"{text}: not a serial", "write a number up to 4294967295, as in IXFR=2026112601")
    return int(serial)


def parse_class(text: str) -> DnsClass:
    """The class that `text` names. Raises WrongValue."""
    found = class_or_none(text)
    if found is None:
        raise WrongValue(
            f"{text!r} is not a class", "write IN, CH, HS, ANY, or CLASS and a number up to 65535"
        )
    return found
