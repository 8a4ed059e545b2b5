"""What the peer's handshake messages tell, which no function of a TLS library does.

RFC 8446 sections 4.3 and 4.4, RFC 5246 sections 7.4.3, 7.4.4 and 7.4.8, RFC 8422 section 5.4, RFC 6962
section 3.3, RFC 6066 section 8. A library shows each message before it judges it, and what goes in the clear
can be read beside any library: so these readers take any octets. What they cannot read they call unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit.tls.backend import CertificateRequest
from netkit.tls.errors import TlsError
from netkit.tls.hello import (
    CertificateMessage,
    FlightReader,
    Handshake,
    NamedGroup,
    ServerHello,
    SignatureScheme,
)
from netkit.tls.hello.errors import HelloError
from netkit.tls.hello.framing import HEADER_SIZE
from netkit.tls.hello.octets import Octets
from netkit.tls.hello.server_messages import CertificateRequest as OldCertificateRequest
from netkit.tls.versions import TlsVersion

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVER_HELLO: Final = 2
_ENCRYPTED_EXTENSIONS: Final = 8
_CERTIFICATE: Final = 11
_SERVER_KEY_EXCHANGE: Final = 12
_CERTIFICATE_REQUEST: Final = 13
_CERTIFICATE_VERIFY: Final = 15
_CERTIFICATE_STATUS: Final = 22

#: The types of the messages that are kept.
KEPT: Final = frozenset({2, 8, 11, 12, 13, 15, 22})

#: The type of an OCSP response in a CertificateStatus.
_OCSP: Final = 1

_SCTS: Final = 18
_EARLY_DATA: Final = 42
_AUTHORITIES: Final = 47

_NAMED_CURVE: Final = 3


class Heard:
    """The handshake messages that the peer sent, the latest of each type."""

    __slots__ = ("_messages", "_parsed")

    def __init__(self) -> None:
        self._messages: dict[int, bytes] = {}
        self._parsed: tuple[bytes, ServerHello] | None = None  # the ServerHello, and what it was read from

    @classmethod
    def in_clear(cls, data: bytes | bytearray) -> Heard:
        """What the first bytes of a server tell, as far as they are not encrypted. Raises nothing."""
        heard = cls()
        reader = FlightReader()
        try:
            for item in reader.feed(data):
                if reader.encrypted:
                    break
                if isinstance(item, Handshake):
                    heard.note(item.message)
        except TlsError:
            pass  # what came before it is known; the library that makes the handshake reports it
        return heard

    def note(self, message: bytes) -> None:
        """Keep a message, with its type and length in front, if it tells anything."""
        if message[:1] and message[0] in KEPT:
            self._messages[message[0]] = message

    def _body(self, kind: int) -> Octets | None:
        message = self._messages.get(kind)
        return None if message is None else Octets(message, "a handshake message", HEADER_SIZE)

    @property
    def version(self) -> TlsVersion | None:
        """The version in the ServerHello; None before it."""
        hello = self._hello()
        if hello is None:
            return None
        try:
            return TlsVersion(hello.version)
        except ValueError:
            return None

    def _hello(self) -> ServerHello | None:
        message = self._messages.get(_SERVER_HELLO)
        if message is None:
            return None
        if self._parsed is None or self._parsed[0] is not message:
            try:
                self._parsed = message, ServerHello.parse(message, lenient=True)
            except HelloError:
                return None
        return self._parsed[1]

    def certificates(self, version: TlsVersion) -> tuple[bytes, ...]:
        """What the peer sent, its own certificate first, each DER; empty if there was no message."""
        message = self._messages.get(_CERTIFICATE)
        try:
            if message is None:
                return ()
            if version < TlsVersion.Tls13:
                return CertificateMessage.parse(message).certificates
            return tuple(certificate for certificate, _ in self._entries())
        except HelloError:
            return ()

    def _entries(self) -> Iterator[tuple[bytes, Octets]]:
        """The certificates of TLS 1.3, each with its extensions (RFC 8446 section 4.4.2)."""
        body = self._body(_CERTIFICATE)
        if body is None:
            return
        body.opaque(1, "certificate_request_context")
        entries = body.vector(3, "certificate_list")
        while len(entries):
            yield entries.opaque(3, "a certificate"), entries.vector(2, "its extensions")

    def scts(self, version: TlsVersion) -> tuple[bytes, ...] | None:
        """The signed certificate timestamps of the server; empty without any, None if it said nothing."""
        try:
            if version >= TlsVersion.Tls13:
                first = next(self._entries(), None)
                data = None if first is None else _extension(first[1], _SCTS)
                if first is None:
                    return None
            else:
                hello = self._hello()
                if hello is None:
                    return None
                data = next((one.write() for one in hello.extensions if one.type == _SCTS), None)
            if data is None:
                return ()
            listed = Octets(data, "signed_certificate_timestamp")
            return tuple(listed.opaques(2, "the list", "a timestamp", each_size=2, each_least=1))
        except HelloError:
            return None

    @property
    def group(self) -> str | None:
        """The group of the key exchange, by IANA's name; None where there is none, or another kind."""
        hello = self._hello()
        if hello is not None and hello.group is not None:
            return None if hello.is_retry_request else hello.group.name
        try:
            body = self._body(_SERVER_KEY_EXCHANGE)
            if body is None or body.number(1, "curve_type") != _NAMED_CURVE:
                return None
            return body.code(NamedGroup, "namedcurve").name
        except HelloError:
            return None

    @property
    def ocsp_response(self) -> bytes | None:
        """The OCSP response that was stapled, DER, in TLS 1.2 and older."""
        try:
            body = self._body(_CERTIFICATE_STATUS)
            if body is None or body.number(1, "status_type") != _OCSP:
                return None
            return body.opaque(3, "response")
        except HelloError:
            return None

    def signature_scheme(self, version: TlsVersion, cipher: str | None) -> str | None:
        """The scheme of the peer's signature; None in TLS 1.1 and older, which have none to choose."""
        if version < TlsVersion.Tls12:
            return None
        try:
            body = self._body(_CERTIFICATE_VERIFY)
            if body is None:
                body = self._body(_SERVER_KEY_EXCHANGE)
                if body is None or not _pass_parameters(body, cipher or ""):
                    return None
            return body.code(SignatureScheme, "algorithm").name
        except HelloError:
            return None

    def certificate_request(self, version: TlsVersion) -> CertificateRequest | None:
        """What certificate the server asked for; None if it asked for none."""
        message = self._messages.get(_CERTIFICATE_REQUEST)
        if message is None:
            return None
        try:
            if version < TlsVersion.Tls13:
                return CertificateRequest(OldCertificateRequest.parse(message, version).authorities)
            body = Octets(message, "CertificateRequest", HEADER_SIZE)
            body.opaque(1, "certificate_request_context")
            data = _extension(body.vector(2, "extensions"), _AUTHORITIES)
            if data is None:
                return CertificateRequest()
            names = Octets(data, "certificate_authorities")
            return CertificateRequest(
                tuple(names.opaques(2, "the list", "a name", each_size=2, each_least=1))
            )
        except HelloError:
            return CertificateRequest()

    @property
    def takes_early_data(self) -> bool:
        """Whether the server's EncryptedExtensions accept early data (RFC 8446 section 4.2.10)."""
        body = self._body(_ENCRYPTED_EXTENSIONS)
        try:
            return body is not None and _extension(body.vector(2, "extensions"), _EARLY_DATA) is not None
        except HelloError:
            return False


def _extension(block: Octets, wanted: int) -> bytes | None:
    """The data of an extension in a block of them; None if it is not there."""
    while len(block):
        kind = block.number(2, "an extension's type")
        data = block.opaque(2, "an extension's data")
        if kind == wanted:
            return data
    return None


def _pass_parameters(body: Octets, cipher: str) -> bool:
    """Go past the parameters of a key exchange, to its signature. False if the suite signs none."""
    if cipher.startswith("ECDHE-"):
        if body.number(1, "curve_type") != _NAMED_CURVE:
            return False
        body.number(2, "namedcurve")
        body.opaque(1, "point")
        return True
    if cipher.startswith("DHE-"):
        for field in ("dh_p", "dh_g", "dh_Ys"):
            body.opaque(2, field)
        return True
    return False
