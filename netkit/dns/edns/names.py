"""Options of EDNS as dig's `+ednsopt=` has them: a number or a name, and octets in hexadecimal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.edns.options import option_of
from netkit.dns.errors import DnsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netkit.dns.edns.option import EdnsOption

#: The numbers of options by their names in text: those of dig, and those of IANA's registry.
NAMES: Mapping[str, int] = {
    "LLQ": 1,
    "UL": 2,
    "UPDATE-LEASE": 2,
    "NSID": 3,
    "DAU": 5,
    "DHU": 6,
    "N3U": 7,
    "ECS": 8,
    "CLIENT-SUBNET": 8,
    "EXPIRE": 9,
    "COOKIE": 10,
    "KEEPALIVE": 11,
    "TCP-KEEPALIVE": 11,
    "PADDING": 12,
    "PAD": 12,
    "CHAIN": 13,
    "KEY-TAG": 14,
    "EDE": 15,
    "CLIENT-TAG": 16,
    "SERVER-TAG": 17,
    "REPORT-CHANNEL": 18,
    "ZONEVERSION": 19,
    "DEVICEID": 26946,
}


def parse_option(text: str) -> EdnsOption:
    """The option of `CODE[:HEX]`; see `EdnsOption.parse`. Raises DnsError.InvalidValue."""
    name, _, digits = text.partition(":")
    code = NAMES.get(name.upper())
    if code is None:
        if not (name.isascii() and name.isdigit() and len(name) <= 5 and int(name) <= 0xFFFF):
            raise DnsError.InvalidValue("code", name, "is not the number or the name of an option", 0xFFFF)
        code = int(name)
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        raise DnsError.InvalidValue("data", digits, "is not octets in hexadecimal") from None
    if len(data) > 0xFFFF:
        raise DnsError.InvalidValue("data", digits, "longer than 65535 octets", limit=0xFFFF)
    return option_of(code, data)
