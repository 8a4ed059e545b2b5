"""What a TLS connection tells of itself: the results of its handshake, for `TlsStream`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit.io import ByteStream
from netkit.tls.errors import TlsError

if TYPE_CHECKING:
    import threading

    from netkit.tls.backend import CertificateRequest, PreparedConfig, TlsSession
    from netkit.tls.versions import TlsVersion
    from netkit.tls.x509.certificate import Certificate

#: How much can be exported at once whatever the hash is, in bytes: 255 times 32 (RFC 5869 section 2.3).
LONGEST_EXPORT: Final = 8160

#: The longest label for exporting, in bytes: "tls13 " goes before it, into 255 (RFC 8446 section 7.1).
LONGEST_LABEL: Final = 249


class TlsFacts(ByteStream):
    """The getters of a stream that has a session. What is not known is None."""

    _prepared: PreparedConfig
    _session: TlsSession
    _lock: threading.Lock
    _asked_name: str | None
    _first_flight: bytes
    _early_data: bytearray
    _came_early: bool

    @property
    def backend(self) -> str:
        """The name of the backend that does the cryptography (`"ssl"`)."""
        return self._prepared.backend.name

    @property
    def session(self) -> TlsSession:
        """The state of the TLS connection, to look at what it knows. Never feed, read or write it."""
        return self._session

    @property
    def server_name(self) -> str | None:
        """The name that was asked for: on a client also an address, on a server what SNI said."""
        name = self._asked_name or self._session.server_name
        if name is None and self._first_flight:
            from netkit.tls.connection.resolving import sent_name

            name = self._asked_name = sent_name(self._first_flight)
            self._first_flight = b""
        return name

    @property
    def group(self) -> str | None:
        """The group of the key exchange (`"X25519MLKEM768"`); None if the backend does not tell."""
        return self._session.group

    @property
    def signature_scheme(self) -> str | None:
        """The scheme of the peer's signature (`"ecdsa_secp256r1_sha256"`); None if it is not known."""
        return self._session.signature_scheme

    @property
    def ocsp_response(self) -> bytes | None:
        """The OCSP response that the server stapled, DER; None without one."""
        return self._session.ocsp_response

    @property
    def resumed(self) -> bool | None:
        """Whether an earlier session was resumed; None if the backend does not tell."""
        return self._session.resumed

    @property
    def client_certificate_requested(self) -> CertificateRequest | None:
        """What certificate the server asked for; None if it did not, or the backend does not tell."""
        return self._session.client_certificate_requested

    @property
    def early_data(self) -> bytes:
        """What the client sent as 0-RTT, on a server. It can be a replay of an earlier connection's."""
        return bytes(self._early_data)

    def take_early_data(self) -> bytes:
        """The same, for the one who works on it: nobody gets it again.

        Where no octet was read yet, `put_back` makes it what the stream begins with, for whoever needs not
        tell early from late.
        """
        taken = bytes(self._early_data)
        self._early_data.clear()
        return taken

    @property
    def early_data_accepted(self) -> bool | None:
        """Whether the server took the early data; None if none was sent. On a server True if some came."""
        if self._prepared.config.is_server:
            return self._came_early or None
        return self._session.early_data_accepted

    @property
    def ech_accepted(self) -> bool | None:
        """Whether the server decrypted the hello (ECH); None if none was encrypted, also with GREASE."""
        return self._session.ech_accepted

    @property
    def ech_retry_configs(self) -> bytes | None:
        """The ECHConfigList that a server gave which refused; `TlsError.EchRejected` has it too."""
        return self._session.ech_retry_configs

    def export_keying_material(self, label: str | bytes, context: bytes | None, length: int) -> bytes:
        """`length` bytes that only both ends know, for a use named by `label`.

        RFC 5705 and RFC 8446 section 7.5.

        Without context and with an empty one the result differs in TLS 1.2. Raises
        `TlsError.CapabilityError` where the backend cannot, and `TlsError.InvalidConfig` for a length or a
        label that TLS 1.3 does not have with every cipher suite.
        """
        name = label.encode("ascii") if isinstance(label, str) else label
        if not 1 <= length <= LONGEST_EXPORT:
            problem = f"{length:,} bytes cannot be exported: 1 to {LONGEST_EXPORT:,} can"
            raise TlsError.InvalidConfig("export_keying_material", problem)
        if len(name) > LONGEST_LABEL:
            problem = f"the label has {len(name):,} bytes, and at most {LONGEST_LABEL} are allowed"
            raise TlsError.InvalidConfig("export_keying_material", problem)
        with self._lock:
            return self._session.export_keying_material(name, context, length)

    @property
    def tls_exporter(self) -> bytes:
        """The channel binding tls-exporter (RFC 9266 section 4.2), 32 bytes.

        Raises `TlsError.CapabilityError` where the backend has no exporter, and in TLS 1.2 unless the
        extended master secret is known to be in use.
        """
        if not self._session.extended_master_secret:
            problem = "in TLS 1.2 it needs the extended master secret, which is not in use or not told"
            raise TlsError.CapabilityError("tls_exporter", problem)
        return self.export_keying_material("EXPORTER-Channel-Binding", b"", 32)

    @property
    def negotiated_version(self) -> TlsVersion | None:
        """The protocol version; None until the server has chosen one."""
        return self._session.version

    @property
    def cipher(self) -> str | None:
        """The cipher suite, by OpenSSL's name (`"TLS_AES_256_GCM_SHA384"`)."""
        return self._session.cipher

    @property
    def alpn_protocol(self) -> str | None:
        """The application protocol that both sides agreed on (`"h2"`), or None."""
        return self._session.alpn

    @property
    def alpn(self) -> str | None:
        """The same as `alpn_protocol`."""
        return self._session.alpn

    @property
    def peer_certificate(self) -> Certificate | None:
        """The peer's certificate, None if it sent none."""
        chain = self.peer_chain
        return chain[0] if chain else None

    @property
    def peer_chain(self) -> tuple[Certificate, ...]:
        """All certificates in the order the peer sent them, the peer's own certificate first."""
        with self._lock:
            return self._session.peer_chain

    @property
    def tls_server_end_point(self) -> bytes | None:
        """The channel binding of RFC 5929 section 4.1: a hash of the peer's certificate.

        The hash function is the one of the certificate's signature: 32 bytes of SHA-256 for most certificates
        (and for those signed with MD5 or SHA-1), 48 bytes for SHA-384. SCRAM-SHA-256-PLUS uses this value.
        """
        certificate = self.peer_certificate
        return None if certificate is None else certificate.channel_binding_hash

    @property
    def peer_cert_hash_sha256(self) -> bytes | None:
        """SHA-256 of the peer's certificate, 32 bytes. For channel binding use `tls_server_end_point`."""
        certificate = self.peer_certificate
        return None if certificate is None else bytes.fromhex(certificate.fingerprint_sha256)
