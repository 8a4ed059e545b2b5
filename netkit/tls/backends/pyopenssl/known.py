"""What is known about a connection: the getters of a session, in the handshake and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from OpenSSL import SSL

from netkit.tls.backend import Capability, CertificateRequest, ResumableSession, TlsSession
from netkit.tls.backends.pyopenssl.bindings import ffi, found, lib, ssl_of
from netkit.tls.backends.pyopenssl.resumption import owned, resumable
from netkit.tls.config import CertVerifyMode
from netkit.tls.errors import TlsError
from netkit.tls.heard import Heard
from netkit.tls.versions import TlsVersion
from netkit.tls.x509.certificate import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.tls.backends.pyopenssl.bindings import Pointer
    from netkit.tls.config import TlsConfig

#: What `TlsConfig.backend` calls the backend.
NAME: Final = "pyopenssl"


class KnownSession(TlsSession):
    """The part of a session that tells, and changes nothing."""

    _done = False

    def __init__(self, config: TlsConfig, context: SSL.Context, server_name: str | None) -> None:
        self.heard = Heard()
        self._config = config
        self._asked_name = server_name
        self._connection = SSL.Connection(context, None)
        self._ssl = ssl_of(self._connection)
        self._sni: str | None = None
        self._chain: tuple[Certificate, ...] = ()
        self._seen: Pointer | None = None
        self._sessions: list[ResumableSession] = []
        self._early_taken: bool | None = None

    @property
    def _is_agreed(self) -> bool:
        """Whether all was agreed on: with early data, a server has answered the hello when it gets any."""
        return self._done or (self._config.is_server and self._early_taken is True)

    @property
    def version(self) -> TlsVersion | None:
        # Before the end of the handshake OpenSSL tells the newest version that is allowed.
        if self._is_agreed:
            return _version(self._connection)
        return None if self._config.is_server else self.heard.version

    @property
    def _agreed(self) -> TlsVersion:
        """The version that the peer's messages are read by."""
        return self.version or _version(self._connection) or TlsVersion.Tls13

    @property
    def cipher(self) -> str | None:
        return self._connection.get_cipher_name()

    @property
    def alpn(self) -> str | None:
        name = self._connection.get_alpn_proto_negotiated()
        return name.decode("latin-1") if name else None

    @property
    def peer_chain(self) -> tuple[Certificate, ...]:
        if self._chain:
            return self._chain
        chain = self.heard.certificates(self._agreed) or self._listed_certificates()
        self._chain = tuple(map(Certificate, chain))
        return self._chain

    def _listed_certificates(self) -> Sequence[bytes]:
        """The certificates of a resumed session, or of a compressed message, as OpenSSL has them."""
        chain = list(_stack(lib.SSL_get_peer_cert_chain(self._ssl)))
        own = lib.SSL_get_peer_certificate(self._ssl)
        if own != ffi.NULL:
            first = _der(ffi.gc(own, lib.X509_free))
            if first not in chain:  # on a server it is not a part of the chain
                chain.insert(0, first)
        return chain

    @property
    def built_path(self) -> tuple[Certificate, ...]:
        """The path that OpenSSL built from the peer's certificate on, as far as it came."""
        return tuple(map(Certificate, _stack(lib.SSL_get0_verified_chain(self._ssl))))

    @property
    def server_name(self) -> str | None:
        if not self._config.is_server:
            return self._sni
        name = self._connection.get_servername()
        return None if name is None else name.decode("latin-1")

    @property
    def group(self) -> str | None:
        # Without a session, OpenSSL's function crashes.
        if Capability.GroupName not in found() or lib.SSL_get_session(self._ssl) == ffi.NULL:
            return None
        name = lib.SSL_get0_group_name(self._ssl)
        return None if name == ffi.NULL else ffi.string(name).decode("ascii")

    @property
    def signature_scheme(self) -> str | None:
        return self.heard.signature_scheme(self._agreed, self.cipher)

    @property
    def ocsp_response(self) -> bytes | None:
        if Capability.Ocsp not in found() or self._config.is_server:
            return None
        place = ffi.new("unsigned char **")
        size = lib.SSL_get_tlsext_status_ocsp_resp(self._ssl, place)
        return ffi.buffer(place[0], size)[:] if size > 0 else None

    @property
    def scts(self) -> tuple[bytes, ...] | None:
        return None if self._config.is_server else self.heard.scts(self._agreed)

    @property
    def client_certificate_requested(self) -> CertificateRequest | None:
        return None if self._config.is_server else self.heard.certificate_request(self._agreed)

    @property
    def resumed(self) -> bool | None:
        return bool(lib.SSL_session_reused(self._ssl)) if self._is_agreed else None

    @property
    def extended_master_secret(self) -> bool | None:
        if not self._is_agreed:
            return None
        if self.version is TlsVersion.Tls13:
            return True
        if Capability.ExtendedMasterSecret not in found():
            return None
        return lib.SSL_get_extms_support(self._ssl) == 1

    @property
    def verified(self) -> bool | None:
        judged = self._done and self._config.verify_mode is not CertVerifyMode.None_
        return True if judged and not self.resumed and self.peer_chain else None

    @property
    def early_data_accepted(self) -> bool | None:
        return self._early_taken

    def take_sessions(self) -> tuple[ResumableSession, ...]:
        self._note_session()
        taken = tuple(self._sessions)
        self._sessions.clear()
        return taken

    def _note_session(self) -> None:
        """Keep the session that OpenSSL has now, if it is another one: every ticket makes another."""
        if not self._done or self._config.session_store is None:
            return
        current = lib.SSL_get_session(self._ssl)
        if current in (ffi.NULL, self._seen):
            return
        # It is kept alive, so that its address stays its own.
        self._seen = owned(lib.SSL_get1_session(self._ssl))
        made = resumable(NAME, self._seen, self.version, self.alpn)
        if made is not None:
            self._sessions.append(made)

    def export_keying_material(self, label: bytes, context: bytes | None, length: int) -> bytes:
        try:
            if self._done:
                return self._connection.export_keying_material(label, length, context)
        except SSL.Error:
            pass
        raise TlsError.HandshakeFailed("there are no keys to derive others from", fault="caller")


def _version(connection: SSL.Connection) -> TlsVersion | None:
    try:
        return TlsVersion(connection.get_protocol_version())
    except ValueError:
        return None


def _stack(certificates: Pointer) -> Sequence[bytes]:
    """The certificates of a STACK_OF(X509) in DER."""
    if certificates == ffi.NULL:
        return ()
    count = lib.sk_X509_num(certificates)
    return [_der(lib.sk_X509_value(certificates, index)) for index in range(count)]


def _der(certificate: Pointer) -> bytes:
    target = ffi.gc(lib.BIO_new(lib.BIO_s_mem()), lib.BIO_free)
    lib.i2d_X509_bio(target, certificate)
    place = ffi.new("char **")
    size = lib.BIO_get_mem_data(target, place)
    return ffi.buffer(place[0], size)[:]
