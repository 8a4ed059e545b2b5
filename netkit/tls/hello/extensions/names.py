"""Extensions about whom a client wants to talk to, and in what protocol.

RFC 6066 section 3 (server_name), RFC 7301 (ALPN), RFC 9849 (encrypted_client_hello).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from netkit.tls.hello.codes import ExtensionType
from netkit.tls.hello.extensions.base import Extension, Unknown
from netkit.tls.hello.octets import vector, vectors

if TYPE_CHECKING:
    from typing import Self

    from netkit.tls.hello.octets import Octets


class ServerName(Extension):
    """The names of the server that the client wants, each with its type (RFC 6066 section 3)."""

    type: ClassVar = ExtensionType(0)
    names: tuple[tuple[int, bytes], ...]

    #: The type of a host name, the only one there is.
    HOST_NAME: ClassVar = 0

    @classmethod
    def of(cls, host: str) -> Self:
        """The extension for one host. Raises ValueError if it is not ASCII: use its A-labels."""
        return cls(((cls.HOST_NAME, host.encode("ascii")),))

    @classmethod
    def read(cls, octets: Octets) -> Self:
        inside = octets.vector(2, "server_name_list", least=1)
        names: list[tuple[int, bytes]] = []
        while len(inside):
            at = inside.offset
            kind = inside.number(1, "name_type")
            name = inside.opaque(2, "the name", least=1)
            if any(kind == other for other, _ in names):
                raise inside.malformed("two names of the same type", at)
            if kind == cls.HOST_NAME:
                _check_host(name, inside, at)
            names.append((kind, name))
        return cls(tuple(names))

    def write(self) -> bytes:
        return vector(2, b"".join([bytes((kind,)) + vector(2, name) for kind, name in self.names]))

    @property
    def host_name(self) -> str | None:
        """The host's name as the client wrote it; None if only other types of names are there."""
        for kind, name in self.names:
            if kind == self.HOST_NAME:
                return name.decode("latin-1")
        return None


# RFC 5890 section 2.3.1, the underscore that is in use, and what addresses have, which some clients send.
_HOST_CHARACTERS: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")
#: Octets of a name of the DNS in text, without its last dot (RFC 1035 section 2.3.4).
_LONGEST_HOST: Final = 254


def _check_host(name: bytes, octets: Octets, offset: int) -> None:
    """Raise MalformedMessage for what cannot be a host name: what a resolver gets may name a file."""
    if not _HOST_CHARACTERS.issuperset(name):
        raise octets.malformed("a host name with a character that no host name has", offset)
    if len(name) > _LONGEST_HOST or b"" in name.removesuffix(b".").split(b"."):
        raise octets.malformed("a host name that is too long, or has an empty label", offset)


class Alpn(Extension):
    """The application protocols offered, preferred first, or the one chosen (RFC 7301 section 3.1)."""

    type: ClassVar = ExtensionType(16)
    protocols: tuple[bytes, ...]

    @classmethod
    def read(cls, octets: Octets) -> Self:
        inside = octets.vector(2, "protocol_name_list", least=2)
        names: list[bytes] = []
        while len(inside):
            names.append(inside.opaque(1, "a protocol's name", least=1))
        return cls(tuple(names))

    @classmethod
    def read_chosen(cls, octets: Octets) -> Self:
        at = octets.offset
        chosen = cls.read(octets)
        if len(chosen.protocols) != 1:
            raise octets.malformed("a server chooses exactly one protocol", at)
        return chosen

    def write(self) -> bytes:
        return vectors(2, 1, self.protocols)


class EncryptedClientHello(Extension):
    """The outer half of an encrypted hello: which key it is encrypted to (RFC 9849 section 5).

    `kdf_id` and `aead_id` are HPKE's (RFC 9180 section 7). `enc` is empty in the second hello.
    """

    type: ClassVar = ExtensionType(0xFE0D)
    kdf_id: int
    aead_id: int
    config_id: int
    enc: bytes
    payload: bytes

    #: ECHClientHelloType: this one, and the inner one, which has nothing else (see `Unknown`).
    OUTER: ClassVar = 0
    INNER: ClassVar = 1

    @classmethod
    def read(cls, octets: Octets) -> Self | Unknown:
        at = octets.offset
        kind = octets.number(1, "the type")
        if kind == cls.INNER:
            return Unknown(cls.type, bytes((kind,)))
        if kind != cls.OUTER:
            raise octets.malformed(f"type {kind}, where only 0 (outer) and 1 (inner) are defined", at)
        return cls(
            octets.number(2, "kdf_id"),
            octets.number(2, "aead_id"),
            octets.number(1, "config_id"),
            octets.opaque(2, "enc"),
            octets.opaque(2, "payload", least=1),
        )

    def write(self) -> bytes:
        head = bytes((self.OUTER,)) + self.kdf_id.to_bytes(2, "big") + self.aead_id.to_bytes(2, "big")
        return head + bytes((self.config_id,)) + vector(2, self.enc) + vector(2, self.payload)
