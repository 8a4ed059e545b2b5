"""What a server sends in the clear: ServerHello, and before TLS 1.3 Certificate and CertificateRequest.

RFC 8446 section 4.1.3 and 4.1.4, RFC 5246 sections 7.4.1.3, 7.4.2 and 7.4.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from netkit.tls.hello.blocks import read_extensions, write_extensions
from netkit.tls.hello.codes import (
    RETRY_RANDOM,
    ClientCertificateType,
    HandshakeType,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from netkit.tls.hello.extensions.base import (
    Message,
)
from netkit.tls.hello.extensions.keys import (
    KeyShare,
    RequestedGroup,
    SelectedVersion,
)
from netkit.tls.hello.extensions.names import (
    Alpn,
)
from netkit.tls.hello.fields import Fields
from netkit.tls.hello.framing import message_body, write_message
from netkit.tls.hello.octets import code_vector, vector, vectors
from netkit.tls.hello.suites import CipherSuite

if TYPE_CHECKING:
    from typing import Self

    from netkit.tls.hello.errors import MalformedMessage
    from netkit.tls.hello.extensions.base import (
        Extension,
    )

    _E = TypeVar("_E", bound="Extension")

_TLS12: Final = ProtocolVersion(0x0303)

# The end of ServerHello.random by which a server that can do better says so (RFC 8446 section 4.1.3).
_DOWNGRADES: Final = {
    b"DOWNGRD\x01": ProtocolVersion(0x0304),
    b"DOWNGRD\x00": ProtocolVersion(0x0303),
}


class ServerHello(Fields):
    """What a server chose of the client's offer, or, with a magic `random`, its HelloRetryRequest.

    `random` has 32 octets. `has_extensions` is False for a hello that ends after the compression method.
    `faults` has what a lenient reading met.
    """

    random: bytes
    cipher_suite: CipherSuite
    extensions: tuple[Extension, ...] = ()
    session_id: bytes = b""
    legacy_version: ProtocolVersion = _TLS12
    compression_method: int = 0
    has_extensions: bool = True
    faults: tuple[MalformedMessage, ...] = ()

    UNCOMPARED: ClassVar = frozenset({"faults"})

    @classmethod
    def parse(cls, message: bytes, *, lenient: bool = False) -> Self:
        """Read a whole handshake message. Lenient, and errors, as `ClientHello.parse`."""
        octets = message_body(message, HandshakeType(2), "ServerHello")
        version = octets.code(ProtocolVersion, "legacy_version")
        random = octets.take(32, "random")
        session_id = octets.opaque(1, "legacy_session_id_echo", most=32)
        suite = octets.code(CipherSuite, "cipher_suite")
        compression = octets.number(1, "legacy_compression_method")
        if not len(octets):
            return cls(random, suite, (), session_id, version, compression, has_extensions=False)
        kind = Message.HelloRetryRequest if random == RETRY_RANDOM else Message.ServerHello
        extensions, faults = read_extensions(octets, kind, lenient=lenient)
        return cls(random, suite, extensions, session_id, version, compression, True, faults)

    def to_bytes(self) -> bytes:
        """The whole handshake message. Raises ValueError for a field that is too long."""
        return write_message(
            HandshakeType(2),
            self.legacy_version.octets,
            self.random,
            vector(1, self.session_id),
            self.cipher_suite.octets,
            bytes((self.compression_method,)),
            write_extensions(self.extensions) if self.has_extensions else b"",
        )

    def find(self, kind: type[_E]) -> _E | None:
        """The first extension of a class, None if there is none, or if it is malformed."""
        for extension in self.extensions:
            if type(extension) is kind:
                return extension
        return None

    @property
    def is_retry_request(self) -> bool:
        """Whether it is a HelloRetryRequest (RFC 8446 section 4.1.4)."""
        return self.random == RETRY_RANDOM

    @property
    def version(self) -> ProtocolVersion:
        """The version chosen."""
        selected = self.find(SelectedVersion)
        return self.legacy_version if selected is None else selected.version

    @property
    def group(self) -> NamedGroup | None:
        """The group of the key exchange, or the one that a HelloRetryRequest wants; None before TLS 1.3."""
        share = self.find(KeyShare) or self.find(RequestedGroup)
        return None if share is None else share.group

    @property
    def alpn(self) -> str | None:
        """The application protocol chosen. TLS 1.3 says it later, and encrypted."""
        alpn = self.find(Alpn)
        return None if alpn is None or not alpn.protocols else alpn.protocols[0].decode("latin-1")

    @property
    def downgraded_from(self) -> ProtocolVersion | None:
        """The version at least that the server could speak, if it marked an older one as a downgrade."""
        return _DOWNGRADES.get(self.random[-8:]) if self.version <= _TLS12 else None


class CertificateMessage(Fields):
    """The certificates of a server, or of a client, before TLS 1.3: each in DER, its own first."""

    certificates: tuple[bytes, ...]

    @classmethod
    def parse(cls, message: bytes) -> Self:
        """Read a whole handshake message. Certificates are not looked into. Raises MalformedMessage."""
        octets = message_body(message, HandshakeType(11), "Certificate")
        certificates = octets.opaques(3, "certificate_list", "a certificate", each_size=3, each_least=1)
        made = cls(tuple(certificates))
        octets.end()
        return made

    def to_bytes(self) -> bytes:
        """The whole handshake message."""
        return write_message(HandshakeType(11), vectors(3, 3, self.certificates))


class CertificateRequest(Fields):
    """What a server wants of a client's certificate, before TLS 1.3.

    `signature_schemes` is None in the message of TLS 1.0 and 1.1, which has no such field. `authorities` are
    the distinguished names of acceptable issuers, each in DER; none means that any will do.
    """

    certificate_types: tuple[ClientCertificateType, ...]
    signature_schemes: tuple[SignatureScheme, ...] | None
    authorities: tuple[bytes, ...] = ()

    @classmethod
    def parse(cls, message: bytes, version: int = _TLS12) -> Self:
        """Read a whole handshake message of the version agreed on. Raises MalformedMessage."""
        octets = message_body(message, HandshakeType(13), "CertificateRequest")
        types = octets.codes(1, ClientCertificateType, "certificate_types")
        schemes = None
        if version >= _TLS12:
            schemes = octets.codes(2, SignatureScheme, "supported_signature_algorithms", least=0)
        names = octets.opaques(2, "certificate_authorities", "a name", each_size=2, each_least=1)
        made = cls(types, schemes, tuple(names))
        octets.end()
        return made

    def to_bytes(self) -> bytes:
        """The whole handshake message."""
        return write_message(
            HandshakeType(13),
            code_vector(1, self.certificate_types),
            b"" if self.signature_schemes is None else code_vector(2, self.signature_schemes),
            vectors(2, 2, self.authorities),
        )
