"""What is told of a handshake: on the page of the TLS server, and as an event of the command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypedDict

if TYPE_CHECKING:
    from netkit.lab.tls_server import Handshake
    from netkit.tls.x509.certificate import Certificate


class ShownCertificate(TypedDict):
    """A client's certificate."""

    subject: Annotated[str | None, "null if it cannot be read"]
    sha256: Annotated[str, "Fingerprint, hexadecimal"]


class Negotiated(TypedDict):
    """What both ends agreed on."""

    server_name: Annotated[str | None, "The name that the client asked for (SNI)"]
    protocol: Annotated[str | None, "The version of TLS"]
    cipher: Annotated[str | None, "The cipher suite, by OpenSSL's name"]
    group: Annotated[str | None, "The group of the key exchange; null also where the backend does not tell"]
    alpn: Annotated[str | None, "The application protocol"]
    resumed: Annotated[bool | None, "Whether an earlier session was resumed"]
    early_data_accepted: Annotated[bool | None, "null if no early data (0-RTT) was taken"]
    client_certificate: Annotated[ShownCertificate | None, "null if the client showed none"]


def negotiated(handshake: Handshake) -> Negotiated:
    """What a handshake has led to."""
    tls = handshake.tls
    version = None if tls is None else tls.negotiated_version
    return {
        "server_name": handshake.server_name,
        "protocol": None if version is None else version.as_str,
        "cipher": None if tls is None else tls.cipher,
        "group": None if tls is None else tls.group,
        "alpn": None if tls is None else tls.alpn_protocol,
        "resumed": None if tls is None else tls.resumed,
        "early_data_accepted": None if tls is None else tls.early_data_accepted,
        "client_certificate": _shown(handshake.client_certificate),
    }


def _shown(certificate: Certificate | None) -> ShownCertificate | None:
    if certificate is None:
        return None
    from netkit.tls.errors import TlsError

    try:
        subject: str | None = certificate.subject
    except TlsError:
        subject = None
    return {"subject": subject, "sha256": certificate.fingerprint_sha256}
