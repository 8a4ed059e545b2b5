"""What every extension is, and those that need no class of their own (RFC 8446 section 4.2)."""

from __future__ import annotations

from abc import abstractmethod
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from netkit.tls.hello.fields import Fields

if TYPE_CHECKING:
    from netkit.tls.hello.codes import ExtensionType
    from netkit.tls.hello.errors import MalformedMessage


class Message(Enum):
    """The message that an extension stands in."""

    ClientHello = "ClientHello"
    ServerHello = "ServerHello"
    HelloRetryRequest = "HelloRetryRequest"


class Extension(Fields):
    """One extension; the subclasses hold what it says."""

    if TYPE_CHECKING:

        @property
        def type(self) -> ExtensionType:
            """What it is about."""

    @abstractmethod
    def write(self) -> bytes:
        """Its data, without type and length. Raises ValueError for a field that is too long."""


class Unknown(Extension):
    """An extension that is kept as the octets it has; with it, anything can be sent."""

    type: ExtensionType
    data: bytes = b""

    def write(self) -> bytes:
        return self.data


class Malformed(Extension):
    """An extension whose octets break its syntax; `error` says where and how."""

    type: ExtensionType
    data: bytes
    error: MalformedMessage

    UNCOMPARED: ClassVar = frozenset({"error"})

    def write(self) -> bytes:
        return self.data


class Flag(Extension):
    """An extension without data, which says yes by being there: extended_master_secret, early_data, ..."""

    type: ExtensionType

    def write(self) -> bytes:
        return b""
