"""What a TLS handshake came to, as rows of JSON and as words: on both sides, of every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypedDict

if TYPE_CHECKING:
    from netkit.dns.transports.reply import Connection
    from netkit.http.client.facts import ConnectionInfo
    from netkit.io import ByteStream
    from netkit.tls.identities import ShownCertificate
    from netkit.tls.x509.certificate import Certificate


class TlsRow(TypedDict):
    """The result of the TLS handshake."""

    protocol: Annotated[str | None, "TLS 1.2, TLS 1.3"]
    cipher: Annotated[str | None, "OpenSSL's name of the cipher suite"]
    alpn: Annotated[str | None, "The application protocol agreed on"]
    group: Annotated[str | None, "The group of the key exchange; null where the TLS backend does not tell"]
    resumed: Annotated[bool | None, "Whether an earlier session was resumed; null where it is not known"]
    ocsp_response_b64: Annotated[str | None, "What the server stapled, with --ocsp; null without"]
    ech_accepted: Annotated[bool | None, "null if the ClientHello was not encrypted"]
    early_data_accepted: Annotated[bool | None, "null if no early data (0-RTT) was sent"]
    backend: Annotated[str, "The TLS backend: ssl, pyopenssl, rustls, ..."]


class ClientCertificateRow(TypedDict):
    """The certificate that a client has shown, and the server has verified."""

    subject: Annotated[str | None, "RFC 4514 text; null if it cannot be read"]
    issuer: Annotated[str | None, "RFC 4514 text; null if it cannot be read"]
    serial: Annotated[str | None, "Hexadecimal; null if it cannot be read"]
    sha256: Annotated[str, "Fingerprint, hexadecimal"]


class ServedTlsRow(TlsRow):
    """The result of the TLS handshake with a client."""

    server_name: Annotated[str | None, "The name that the client asked for (SNI)"]
    client_certificate: Annotated[ClientCertificateRow | None, "null if the client showed none"]


def tls_row(stream: ByteStream) -> TlsRow | None:
    """The result of the TLS handshake; None if `stream` is not a TLS stream."""
    version = getattr(stream, "negotiated_version", None)
    if version is None:
        return None
    tls: Any = stream
    return _row(version.as_str, tls, tls.early_data_accepted, tls.backend)


def served_tls_row(stream: ByteStream) -> ServedTlsRow | None:
    """The same, of a server's stream."""
    row = tls_row(stream)
    if row is None:
        return None
    tls: Any = stream
    shown = client_certificate(stream)
    return {
        **row,
        "server_name": tls.server_name,
        "client_certificate": None if shown is None else certificate_row(shown),
    }


def info_tls_row(info: ConnectionInfo) -> TlsRow | None:
    """The same, of a connection of HTTP; None without TLS."""
    if info.tls_version is None:
        return None
    return _row(info.tls_version.as_str, info, info.early_data_accepted, info.tls_backend or "")


def dns_tls_row(made: Connection | None) -> TlsRow | None:
    """The same, of a connection to a name server; None without TLS, and over UDP."""
    if made is None or not made.tls_version:
        return None
    # A query has the resolver's own connections: nothing was sent early.
    return _row(made.tls_version, made, None, made.tls_backend)


class _Agreed(Protocol):
    """What streams and descriptions of connections tell of TLS in the same words."""

    @property
    def cipher(self) -> str | None: ...
    @property
    def alpn(self) -> str | None: ...
    @property
    def group(self) -> str | None: ...
    @property
    def resumed(self) -> bool | None: ...
    @property
    def ocsp_response(self) -> bytes | None: ...
    @property
    def ech_accepted(self) -> bool | None: ...


def _row(protocol: str, agreed: _Agreed, early_data_accepted: bool | None, backend: str) -> TlsRow:
    from netkit.cli.frame.output import b64

    stapled = agreed.ocsp_response
    return {
        "protocol": protocol,
        "cipher": agreed.cipher or None,
        "alpn": agreed.alpn or None,
        "group": agreed.group or None,
        "resumed": agreed.resumed,
        "ocsp_response_b64": None if stapled is None else b64(stapled),
        "ech_accepted": agreed.ech_accepted,
        "early_data_accepted": early_data_accepted,
        "backend": backend,
    }


def client_certificate(stream: ByteStream) -> ShownCertificate | None:
    """The certificate that a client has shown; None if it showed none, or there is no TLS."""
    found: Certificate | None = getattr(stream, "peer_certificate", None)
    if found is None:
        return None
    from netkit.tls.identities import ShownCertificate

    return ShownCertificate.of(found)


def certificate_row(shown: ShownCertificate) -> ClientCertificateRow:
    """The certificate, as a row."""
    return {
        "subject": shown.subject,
        "issuer": shown.issuer,
        "serial": shown.serial,
        "sha256": shown.sha256,
    }


def tls_words(stream: ByteStream) -> str:
    """`, TLS 1.3, h2` for messages; empty if `stream` is not a TLS stream."""
    row = tls_row(stream)
    if row is None:
        return ""
    words = filter(None, [row["alpn"], *early_words(row["early_data_accepted"])])
    return ", ".join(["", str(row["protocol"]), *words])


def early_words(accepted: bool | None) -> list[str]:
    """What became of early data; nothing where none was sent."""
    return [] if accepted is None else ["early data accepted" if accepted else "early data rejected"]


def served_tls_words(stream: ByteStream) -> str:
    """`, TLS 1.3, client certificate CN=alice` for messages of a server; empty without TLS."""
    words = tls_words(stream)
    shown = client_certificate(stream) if words else None
    return words if shown is None else f"{words}, client certificate {shown}"
