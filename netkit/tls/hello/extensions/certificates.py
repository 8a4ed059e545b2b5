"""Extensions about certificates and signatures.

RFC 8446 sections 4.2.3 and 4.2.4, RFC 6066 section 8 (status_request), RFC 6962 section 3.3 (timestamps), RFC
8879 (compress_certificate), RFC 9345 (delegated_credential).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from netkit.tls.hello.codes import CertificateCompression, ExtensionType, SignatureScheme
from netkit.tls.hello.extensions.base import Extension, Unknown
from netkit.tls.hello.octets import code_vector, vector, vectors

if TYPE_CHECKING:
    from typing import Self

    from netkit.tls.hello.octets import Octets


class SignatureAlgorithms(Extension):
    """The signatures that the client can check in the handshake (RFC 8446 section 4.2.3)."""

    type: ClassVar = ExtensionType(13)
    schemes: tuple[SignatureScheme, ...]

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(octets.codes(2, SignatureScheme, "supported_signature_algorithms"))

    def write(self) -> bytes:
        return code_vector(2, self.schemes)


class CertificateSignatureAlgorithms(SignatureAlgorithms):
    """The signatures that the client can check in certificates (RFC 8446 section 4.2.3)."""

    type: ClassVar = ExtensionType(50)


class DelegatedCredential(SignatureAlgorithms):
    """The signatures that a delegated credential may be used with (RFC 9345 section 4.1.1)."""

    type: ClassVar = ExtensionType(34)


class StatusRequest(Extension):
    """The client wants an OCSP response with the certificate (RFC 6066 section 8)."""

    type: ClassVar = ExtensionType(5)
    responder_ids: tuple[bytes, ...] = ()
    request_extensions: bytes = b""

    #: The type of a request for OCSP, the only one there is.
    OCSP: ClassVar = 1

    @classmethod
    def read(cls, octets: Octets) -> Self | Unknown:
        if octets.number(1, "status_type") != cls.OCSP:
            octets.offset -= 1
            return Unknown(cls.type, octets.rest())
        names = tuple(octets.opaques(2, "responder_id_list", "a responder's name", each_size=2, each_least=1))
        return cls(names, octets.opaque(2, "request_extensions"))

    def write(self) -> bytes:
        return bytes((self.OCSP,)) + vectors(2, 2, self.responder_ids) + vector(2, self.request_extensions)


class CompressCertificate(Extension):
    """How the client lets the server compress its certificates (RFC 8879 section 3)."""

    type: ClassVar = ExtensionType(27)
    algorithms: tuple[CertificateCompression, ...]

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(octets.codes(1, CertificateCompression, "algorithms"))

    def write(self) -> bytes:
        return code_vector(1, self.algorithms)


class CertificateAuthorities(Extension):
    """The names of the authorities that the client knows, each in DER (RFC 8446 section 4.2.4)."""

    type: ClassVar = ExtensionType(47)
    authorities: tuple[bytes, ...]

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(tuple(octets.opaques(2, "authorities", "a name", each_size=2, each_least=1)))

    def write(self) -> bytes:
        return vectors(2, 2, self.authorities)


class SignedTimestamps(Extension):
    """The server's signed certificate timestamps (RFC 6962 section 3.3)."""

    type: ClassVar = ExtensionType(18)
    timestamps: tuple[bytes, ...]

    @classmethod
    def read(cls, octets: Octets) -> Self:
        return cls(tuple(octets.opaques(2, "sct_list", "a timestamp", each_size=2, each_least=1)))

    def write(self) -> bytes:
        return vectors(2, 2, self.timestamps)
