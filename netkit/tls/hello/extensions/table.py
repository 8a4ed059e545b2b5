"""Which class reads an extension, by the message that it stands in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit.tls.hello.extensions.base import (
    Flag,
    Message,
    Unknown,
)
from netkit.tls.hello.extensions.certificates import (
    CertificateAuthorities,
    CertificateSignatureAlgorithms,
    CompressCertificate,
    DelegatedCredential,
    SignatureAlgorithms,
    SignedTimestamps,
    StatusRequest,
)
from netkit.tls.hello.extensions.keys import (
    Cookie,
    KeyShare,
    KeyShares,
    PointFormats,
    PreSharedKeys,
    PskModes,
    RecordSizeLimit,
    RenegotiationInfo,
    RequestedGroup,
    SelectedPsk,
    SelectedVersion,
    SessionTicket,
    SupportedGroups,
    SupportedVersions,
)
from netkit.tls.hello.extensions.names import (
    Alpn,
    EncryptedClientHello,
    ServerName,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.tls.hello.codes import ExtensionType
    from netkit.tls.hello.extensions.base import Extension
    from netkit.tls.hello.octets import Octets

_IN_CLIENT_HELLO: Final[dict[int, Callable[[Octets], Extension]]] = {
    ServerName.type: ServerName.read,
    StatusRequest.type: StatusRequest.read,
    SupportedGroups.type: SupportedGroups.read,
    PointFormats.type: PointFormats.read,
    SignatureAlgorithms.type: SignatureAlgorithms.read,
    Alpn.type: Alpn.read,
    CompressCertificate.type: CompressCertificate.read,
    RecordSizeLimit.type: RecordSizeLimit.read,
    DelegatedCredential.type: DelegatedCredential.read,
    SessionTicket.type: SessionTicket.read,
    PreSharedKeys.type: PreSharedKeys.read,
    SupportedVersions.type: SupportedVersions.read,
    Cookie.type: Cookie.read,
    PskModes.type: PskModes.read,
    CertificateAuthorities.type: CertificateAuthorities.read,
    CertificateSignatureAlgorithms.type: CertificateSignatureAlgorithms.read,
    KeyShares.type: KeyShares.read,
    EncryptedClientHello.type: EncryptedClientHello.read,
    RenegotiationInfo.type: RenegotiationInfo.read,
}

_IN_SERVER_HELLO: Final[dict[int, Callable[[Octets], Extension]]] = {
    PointFormats.type: PointFormats.read,
    Alpn.type: Alpn.read_chosen,
    SignedTimestamps.type: SignedTimestamps.read,
    RecordSizeLimit.type: RecordSizeLimit.read,
    SelectedPsk.type: SelectedPsk.read,
    SelectedVersion.type: SelectedVersion.read,
    KeyShare.type: KeyShare.read,
    RenegotiationInfo.type: RenegotiationInfo.read,
}

_IN_RETRY: Final[dict[int, Callable[[Octets], Extension]]] = {
    SelectedVersion.type: SelectedVersion.read,
    Cookie.type: Cookie.read,
    RequestedGroup.type: RequestedGroup.read,
}

_READERS: Final = {
    Message.ClientHello: _IN_CLIENT_HELLO,
    Message.ServerHello: _IN_SERVER_HELLO,
    Message.HelloRetryRequest: _IN_RETRY,
}

#: The extensions without data, in each message.
_FLAGS: Final = {
    # encrypt_then_mac, extended_master_secret, signed_certificate_timestamp, early_data, post_handshake_auth
    Message.ClientHello: frozenset((18, 22, 23, 42, 49)),
    # server_name, status_request and session_ticket answer the client's
    Message.ServerHello: frozenset((0, 5, 22, 23, 35)),
    Message.HelloRetryRequest: frozenset[int](),
}


def read_extension(kind: ExtensionType, octets: Octets, message: Message) -> Extension:
    """The extension that `octets` are the data of. Raises MalformedMessage, also if octets are left."""
    reader = _READERS[message].get(kind)
    if reader is not None:
        made = reader(octets)
        octets.end()
        return made
    if kind in _FLAGS[message]:
        octets.end()
        return Flag(kind)
    return Unknown(kind, octets.rest())
