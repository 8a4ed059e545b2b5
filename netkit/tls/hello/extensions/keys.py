"""Extensions about the version and the keys of a connection.

RFC 8446 sections 4.2.1 to 4.2.11, and for TLS 1.2 RFC 8422 (ec_point_formats), RFC 5077 (session_ticket) and
RFC 5746 (renegotiation_info).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from netkit.tls.hello.codes import ExtensionType, NamedGroup, PointFormat, ProtocolVersion, PskMode
from netkit.tls.hello.extensions.base import Extension
from netkit.tls.hello.fields import Fields
from netkit.tls.hello.octets import code_vector, vector, vectors

if TYPE_CHECKING:
    from typing import Self

    from netkit.tls.hello.octets import Octets


class SupportedVersions(Extension):
    """The versions that the client can speak, preferred first (RFC 8446 section 4.2.1)."""

    type: ClassVar = ExtensionType(43)
    versions: tuple[ProtocolVersion, ...]

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(octets.codes(1, ProtocolVersion, "versions"))

    def write(self) -> bytes:
        return code_vector(1, self.versions)


class SelectedVersion(Extension):
    """The version that the server chose (RFC 8446 section 4.2.1)."""

    type: ClassVar = ExtensionType(43)
    version: ProtocolVersion

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(octets.code(ProtocolVersion, "selected_version"))

    def write(self) -> bytes:
        return self.version.octets


class SupportedGroups(Extension):
    """The groups that the client can use for the key exchange, preferred first (RFC 8446 section 4.2.7)."""

    type: ClassVar = ExtensionType(10)
    groups: tuple[NamedGroup, ...]

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(octets.codes(2, NamedGroup, "named_group_list"))

    def write(self) -> bytes:
        return code_vector(2, self.groups)


class PointFormats(Extension):
    """How points of curves may be written (RFC 8422 section 5.1.2)."""

    type: ClassVar = ExtensionType(11)
    formats: tuple[PointFormat, ...] = (PointFormat(0),)

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(octets.codes(1, PointFormat, "ec_point_format_list"))

    def write(self) -> bytes:
        return code_vector(1, self.formats)


class KeyShare(Extension):
    """One public key for a group: of the server, or one of the client's (RFC 8446 section 4.2.8)."""

    type: ClassVar = ExtensionType(51)
    group: NamedGroup
    key_exchange: bytes

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(octets.code(NamedGroup, "group"), octets.opaque(2, "key_exchange", least=1))

    def write(self) -> bytes:
        return self.group.octets + vector(2, self.key_exchange)


class KeyShares(Extension):
    """The client's public keys, for the groups that it expects the server to take (RFC 8446 section 4.2.8).

    None at all asks the server for a HelloRetryRequest, which names the group that the server wants.
    """

    type: ClassVar = ExtensionType(51)
    shares: tuple[KeyShare, ...] = ()

    @classmethod
    def read(cls, octets: Octets) -> Self:
        inside = octets.vector(2, "client_shares")
        shares: list[KeyShare] = []
        while len(inside):
            shares.append(KeyShare.read(inside))
        return cls(tuple(shares))

    def write(self) -> bytes:
        return vector(2, b"".join([share.write() for share in self.shares]))


class RequestedGroup(Extension):
    """The group for which a HelloRetryRequest wants a public key (RFC 8446 section 4.2.8)."""

    type: ClassVar = ExtensionType(51)
    group: NamedGroup

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(octets.code(NamedGroup, "selected_group"))

    def write(self) -> bytes:
        return self.group.octets


class PskModes(Extension):
    """How the client can use a pre-shared key (RFC 8446 section 4.2.9)."""

    type: ClassVar = ExtensionType(45)
    modes: tuple[PskMode, ...] = (PskMode(1),)

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(octets.codes(1, PskMode, "ke_modes"))

    def write(self) -> bytes:
        return code_vector(1, self.modes)


class PskIdentity(Fields):
    """The name of a pre-shared key, such as a session ticket, and its age in milliseconds, made obscure."""

    identity: bytes
    obfuscated_ticket_age: int = 0


class PreSharedKeys(Extension):
    """The pre-shared keys that the client offers, and a proof of each (RFC 8446 section 4.2.11)."""

    type: ClassVar = ExtensionType(41)
    identities: tuple[PskIdentity, ...]
    binders: tuple[bytes, ...]

    @classmethod
    def read(cls, octets: Octets) -> Self:
        inside = octets.vector(2, "identities", least=7)
        identities: list[PskIdentity] = []
        while len(inside):
            name = inside.opaque(2, "identity", least=1)
            identities.append(PskIdentity(name, inside.number(4, "obfuscated_ticket_age")))
        at = octets.offset
        inside = octets.vector(2, "binders", least=33)
        binders: list[bytes] = []
        while len(inside):
            binders.append(inside.opaque(1, "a binder", least=32))
        if len(binders) != len(identities):
            raise octets.malformed(f"{len(binders)} binders for {len(identities)} identities", at)
        return cls(tuple(identities), tuple(binders))

    def write(self) -> bytes:
        names = [
            vector(2, each.identity) + each.obfuscated_ticket_age.to_bytes(4, "big")
            for each in self.identities
        ]
        return vector(2, b"".join(names)) + vectors(2, 1, self.binders)


class SelectedPsk(Extension):
    """Which of the pre-shared keys the server took, counted from 0 (RFC 8446 section 4.2.11)."""

    type: ClassVar = ExtensionType(41)
    index: int

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(octets.number(2, "selected_identity"))

    def write(self) -> bytes:
        return self.index.to_bytes(2, "big")


class SessionTicket(Extension):
    """A session ticket of TLS 1.2; empty where the client only asks for one (RFC 5077 section 3.2)."""

    type: ClassVar = ExtensionType(35)
    ticket: bytes = b""

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(octets.rest())

    def write(self) -> bytes:
        return self.ticket


class RenegotiationInfo(Extension):
    """The proof that a renegotiation belongs to this connection; empty at first (RFC 5746 section 3.2)."""

    type: ClassVar = ExtensionType(0xFF01)
    renegotiated_connection: bytes = b""

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(octets.opaque(1, "renegotiated_connection"))

    def write(self) -> bytes:
        return vector(1, self.renegotiated_connection)


class Cookie(Extension):
    """What a HelloRetryRequest gives the client to send back (RFC 8446 section 4.2.2)."""

    type: ClassVar = ExtensionType(44)
    cookie: bytes

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(octets.opaque(2, "cookie", least=1))

    def write(self) -> bytes:
        return vector(2, self.cookie)


class RecordSizeLimit(Extension):
    """The longest record that the sender takes, in octets of plaintext (RFC 8449 section 4)."""

    type: ClassVar = ExtensionType(28)
    limit: int

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(octets.number(2, "RecordSizeLimit"))

    def write(self) -> bytes:
        return self.limit.to_bytes(2, "big")
