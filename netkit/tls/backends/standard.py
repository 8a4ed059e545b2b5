"""The standard library's `ssl` over two memory BIOs, as a `TlsSession`."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from netkit.tls.backends.context import context_for
from netkit.tls.certificate import Certificate
from netkit.tls.config import CertVerifyMode
from netkit.tls.errors import TlsError, from_ssl_error
from netkit.tls.hostname import ip_reference, server_name_for
from netkit.tls.versions import TlsVersion

if TYPE_CHECKING:
    from netkit.tls.config import TlsConfig

_VERSIONS = {
    "TLSv1": TlsVersion.Tls10,
    "TLSv1.1": TlsVersion.Tls11,
    "TLSv1.2": TlsVersion.Tls12,
    "TLSv1.3": TlsVersion.Tls13,
}

_ENCODING_DER = 2  # `_ssl.ENCODING_DER`

#: How many of the first bytes are kept, so that an error can show them if the peer does not speak TLS.
_FIRST = 64

#: The most plaintext of one record (RFC 8446 section 5.1).
_RECORD = 16_384


class StandardSession:
    """One side of a TLS connection. It uses OpenSSL through the standard library."""

    def __init__(self, config: TlsConfig, server_name: str | None) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._server_name = server_name
        self._is_server = config.is_server
        self._first = b""
        self._latest = b""
        self._eof = False
        self._deferred: TlsError | None = None  # what the next read raises
        context = context_for(config)
        if config.is_server:
            self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
            return
        hostname = _hostname(config, server_name)
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)

    def feed(self, data: bytes | memoryview) -> None:
        if len(self._first) < _FIRST:
            self._first = (self._first + bytes(data[:_FIRST]))[:_FIRST]
        # For an alert in the clear. Views come after the handshake, where alerts are encrypted.
        self._latest = data if isinstance(data, bytes) else b""
        self._incoming.write(data)

    def feed_eof(self) -> None:
        self._eof = True
        self._incoming.write_eof()

    def handshake(self) -> bool:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise self._translated(error) from None
        except ValueError as error:  # a certificate that Python cannot turn into its own form
            raise TlsError.HandshakeFailed(str(error)) from None
        return True

    def read(self, size: int) -> bytes | None:
        if self._deferred is not None:
            raise self._deferred
        read, incoming = self._object.read, self._incoming
        data = b""
        pieces: list[bytes] | None = None
        taken = 0
        try:
            data = read(size)
            taken = len(data)
            # Each call gives one record. A protocol that takes pieces apart does it once for several.
            while incoming.pending and taken < size:
                if pieces is None:
                    pieces = [data]
                data = read(min(size - taken, _RECORD))
                pieces.append(data)
                taken += len(data)
        except ssl.SSLWantReadError:
            if not taken:
                return None
        except ssl.SSLZeroReturnError:
            pass
        except ssl.SSLError as error:
            self._failed(error, taken)
        return data if pieces is None else b"".join(pieces)

    def read_into(self, view: memoryview) -> int | None:
        if self._deferred is not None:
            raise self._deferred
        read, incoming = self._object.read, self._incoming
        size = len(view)
        taken = 0
        try:
            while True:
                # The stub knows bytearray only; any writable buffer will do.
                taken += read(size - taken, view[taken:])  # type: ignore[operator]
                if taken == size or not incoming.pending:
                    return taken
        except ssl.SSLWantReadError:
            return taken or None
        except ssl.SSLZeroReturnError:
            pass
        except ssl.SSLError as error:
            self._failed(error, taken)
        return taken

    def _failed(self, error: ssl.SSLError, taken: int) -> None:
        """Raise what `error` means; if something was read before it, with the next read."""
        truncated = self._eof and isinstance(error, ssl.SSLEOFError)
        made = TlsError.Truncated() if truncated else self._translated(error)
        if not taken:
            raise made from None
        self._deferred = made

    def write(self, data: memoryview) -> int:
        try:
            return self._object.write(data)
        except ssl.SSLError as error:
            raise self._translated(error) from None

    def close_notify(self) -> None:
        try:
            self._object.unwrap()
        except ssl.SSLError:
            pass  # the alert is in the output; unwrap() now waits for input, which the reader handles
        except ValueError:
            pass  # before the handshake there is no connection to end

    @property
    def pending_output(self) -> int:
        return self._outgoing.pending

    def take_output(self) -> bytes:
        return self._outgoing.read()

    @property
    def version(self) -> TlsVersion | None:
        name = self._object.version()
        if name is not None:
            return _VERSIONS.get(name)
        # OpenSSL tells the version only after the handshake. Before that, the cipher suite shows TLS 1.3,
        # and the ServerHello shows the other versions.
        cipher = self._object.cipher()
        if cipher is None or self._is_server:
            return None
        return TlsVersion.Tls13 if cipher[1] == "TLSv1.3" else chosen_version(self._first)

    @property
    def cipher(self) -> str | None:
        cipher = self._object.cipher()
        return None if cipher is None else cipher[0]

    @property
    def alpn(self) -> str | None:
        return self._object.selected_alpn_protocol()

    @property
    def peer_chain(self) -> tuple[Certificate, ...]:
        # The method is public from Python 3.13 on. From 3.10 on, an inner object has the same method.
        for owner in (self._object, getattr(self._object, "_sslobj", None)):
            method = getattr(owner, "get_unverified_chain", None)
            if method is not None:
                return tuple(Certificate(_der(item)) for item in method() or ())
        try:
            own = self._object.getpeercert(True)
        except ValueError:  # the handshake is not done
            own = None
        return (Certificate(own),) if own else ()

    def explain(self, error: TlsError) -> TlsError:
        chain = self.peer_chain if isinstance(error, TlsError.CertificateVerificationFailed) else ()
        if not chain or not isinstance(error, TlsError.CertificateVerificationFailed):
            return error
        error.chain = chain
        try:
            if isinstance(error, TlsError.HostnameMismatch):
                names = chain[0].sans
                error.names = (*names.dns, *names.ip)
            elif isinstance(error, TlsError.CertificateExpired):
                error.not_after = min(certificate.not_after for certificate in chain)
        except TlsError:
            pass  # the certificate cannot be read: then there is nothing to add
        return error

    def _translated(self, error: ssl.SSLError) -> TlsError:
        if not self._is_server and self._first[:1] == b"\x16" and self._first[5:6] == b"\x01":
            hint = "an echo server, or another TLS client? check the port"
            return TlsError.HandshakeFailed("the peer sends a ClientHello, as a client does", hint=hint)
        return from_ssl_error(
            error,
            server_name=self._server_name,
            received=self._first,
            latest=self._latest,
            version=chosen_version(self._first),
        )


def chosen_version(first: bytes) -> TlsVersion | None:
    """The version in a ServerHello at the beginning of what a server sent, None if there is none.

    RFC 5246 section 7.4.1.3. A TLS 1.3 server writes TLS 1.2 there, and the real version in an extension.
    """
    if len(first) >= 11 and first[0] == 22 and first[5] == 2:
        return TlsVersion.from_wire(first[9], first[10])
    return None


def _hostname(config: TlsConfig, server_name: str | None) -> str | None:
    if server_name is None:
        if config.verify_mode is CertVerifyMode.Full:
            problem = "verification needs the name (or address) of the server"
            raise TlsError.InvalidConfig("server_name", problem)
        return None
    try:
        # `ssl` sends no SNI for an address, and compares it with the certificate's addresses.
        name = server_name_for(server_name)
    except ValueError as error:
        raise TlsError.InvalidConfig("server_name", str(error)) from None
    return name if name is not None else str(ip_reference(server_name))


def _der(item: Any) -> bytes:
    # Python 3.13's public method returns bytes. Older versions return an object of `_ssl`.
    return item if isinstance(item, bytes) else bytes(item.public_bytes(_ENCODING_DER))
