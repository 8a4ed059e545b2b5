"""The errors of address text; the stage of all of them is `usage`.

NetkitError
├── AddrParseError          (AddressValueError, a ValueError)
│   ├── .InvalidFormat      not the shape of an address, a socket address or an endpoint
│   ├── .InvalidOctet       a decimal part of an IPv4 address is wrong
│   └── .InvalidPort        the port is missing or wrong
└── UnknownZone             (OSError ENODEV) the zone of an IPv6 address is no interface of this machine
"""

from __future__ import annotations

import errno
from ipaddress import AddressValueError
from typing import TYPE_CHECKING, TypeAlias

from netkit.errors import NetkitError


class AddrParseError(NetkitError, AddressValueError):
    """The text (or the numbers) is not an address, a port or an endpoint. The variants are its attributes.

    `text` is the whole text. `offset` is the index in `text` of the first wrong character: the first digit
    if a number is wrong, the length of `text` if the text ends too early. `reason` says what is wrong.
    """

    layer = "addr"
    fault = "caller"
    stage = "usage"

    if TYPE_CHECKING:
        InvalidFormat: TypeAlias = "AddrInvalidFormat"
        InvalidOctet: TypeAlias = "AddrInvalidOctet"
        InvalidPort: TypeAlias = "AddrInvalidPort"

    def __init__(self, text: str, offset: int, reason: str, hint: str | None = None) -> None:
        super().__init__(text, offset, reason, hint)
        self.text = text
        self.offset = offset
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{quoted(self.text)}: {self.reason} (at offset {self.offset})"


class AddrInvalidFormat(AddrParseError):
    """The text does not have the form of an address, a socket address or an endpoint."""


class AddrInvalidOctet(AddrParseError):
    """A decimal part of an IPv4 address is empty, over 255 or has a leading zero."""


class AddrInvalidPort(AddrParseError):
    """The port is missing, over 65535, or neither a number nor the name of a service."""


for _variant in (AddrInvalidFormat, AddrInvalidOctet, AddrInvalidPort):
    _variant.__name__ = _variant.__name__.removeprefix("Addr")
    _variant.__qualname__ = f"AddrParseError.{_variant.__name__}"
    setattr(AddrParseError, _variant.__name__, _variant)


class UnknownZone(NetkitError, OSError):
    """The zone of an IPv6 address (`%eth7`) is not an interface of this machine."""

    layer = "addr"
    fault = "caller"
    stage = "usage"

    def __init__(self, zone: str) -> None:
        super().__init__(errno.ENODEV, f"no interface is named {quoted(zone)}")
        self.zone = zone
        self.hint = "the zone is an interface's name or number"
        if zone.startswith("25"):
            # RFC 6874 writes the percent sign as %25, in URIs only.
            self.hint = f"outside a URL write %{zone[2:]}, not %{zone}"

    @property
    def kind(self) -> str:
        """`"NoSuchInterface"`: a zone is an interface, so both errors have the same kind."""
        return "NoSuchInterface"

    def __str__(self) -> str:
        return str(self.strerror)


def quoted(text: str) -> str:
    """Return untrusted text, safe for a message: quoted, short, without control characters."""
    return repr(shortened(text))


def shortened(text: str) -> str:
    """Return the text; if it is longer than 80 characters, its first 79 characters and an ellipsis."""
    return text if len(text) <= 80 else f"{text[:79]}…"
