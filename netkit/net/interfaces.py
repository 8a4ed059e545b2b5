"""The network interfaces of this machine: their names, their numbers, their IPv4 addresses.

IPv6 identifies an interface by its number (RFC 3493 section 4), IPv4 multicast by its address (ip(7),
IP_MULTICAST_IF). The address is read with SIOCGIFADDR (netdevice(7)), on Linux only: Python has no function
for it, and the number of the request and the layout of the structure differ between systems.

    >>> "lo" in interface_names() and str(interface_ipv4("lo"))
    '127.0.0.1'
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, ClassVar

from netkit.addr import Ipv4Addr
from netkit.addr.errors import quoted
from netkit.errors import NetkitError

if TYPE_CHECKING:
    from netkit.errors import Fault

#: SIOCGIFADDR of Linux; it fills in a struct ifreq, whose name takes 16 bytes with its NUL.
_GET_ADDRESS = 0x8915
_IFREQ = struct.Struct("16s 2x 2x 4s 16x")


class InterfaceError(NetkitError, OSError):
    """The interface named `interface` does not exist, or does not have what was asked for.

    Variants: `.NoSuchInterface` (ENODEV), `.AddressNotAvailable` (EADDRNOTAVAIL), `.Unsupported` (ENOTSUP).
    """

    layer = "net"
    fault: Fault = "local"

    NoSuchInterface: ClassVar[type[InterfaceError]]
    AddressNotAvailable: ClassVar[type[InterfaceError]]
    Unsupported: ClassVar[type[InterfaceError]]

    _errno: ClassVar[int]
    _words: ClassVar[str]

    def __init__(self, interface: str) -> None:
        super().__init__(self._errno, self._words.format(quoted(interface)))
        self.interface = interface

    def __str__(self) -> str:
        return str(self.strerror)


class _NoSuchInterface(InterfaceError):
    """This machine has no interface of that name; the hint lists its interfaces."""

    fault = "caller"
    _errno = errno.ENODEV
    _words = "no interface is named {}"

    def __init__(self, interface: str) -> None:
        super().__init__(interface)
        self.hint = f"there are {', '.join(interface_names())}"


class _AddressNotAvailable(InterfaceError):
    """The interface has no IPv4 address."""

    _errno = errno.EADDRNOTAVAIL
    _words = "the interface {} has no IPv4 address"


class _Unsupported(InterfaceError):
    """netkit cannot read the address on this system."""

    fault = "caller"
    hint = "write the interface's IPv4 address"
    _errno = errno.ENOTSUP
    _words = "this system does not tell the address of the interface {}"


for _variant in (_NoSuchInterface, _AddressNotAvailable, _Unsupported):
    _variant.__name__ = _variant.__name__.removeprefix("_")
    _variant.__qualname__ = f"InterfaceError.{_variant.__name__}"
    setattr(InterfaceError, _variant.__name__, _variant)


def interface_names() -> list[str]:
    """The names of this machine's interfaces, in the order of their numbers."""
    return [name for _, name in sorted(socket.if_nameindex())]


def interface_index(name: str) -> int:
    """The number of an interface. Raises InterfaceError.NoSuchInterface."""
    try:
        return socket.if_nametoindex(name)
    except (OSError, ValueError):  # ValueError: a NUL byte in the name
        raise _NoSuchInterface(name) from None


def interface_ipv4(name: str) -> Ipv4Addr:
    """The IPv4 address of an interface; the first one, if it has several.

    Raises InterfaceError.NoSuchInterface, InterfaceError.AddressNotAvailable if the interface has no IPv4
    address, and InterfaceError.Unsupported on other systems than Linux.
    """
    interface_index(
        name
    )  # the structure would cut off a long name, which may then be that of another interface
    if sys.platform != "linux":
        raise _Unsupported(name)
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            found = fcntl.ioctl(sock, _GET_ADDRESS, _IFREQ.pack(os.fsencode(name), bytes(4)))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise _AddressNotAvailable(name) from None
            raise
    return Ipv4Addr(_IFREQ.unpack(found)[1])
