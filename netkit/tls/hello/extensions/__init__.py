"""The extensions of the hellos as typed values, and those of TLS 1.2's empty answers.

    base           what every extension is; without data; kept as octets; malformed
    names          whom a client wants to talk to: server_name, ALPN, encrypted_client_hello
    keys           version, groups, key shares, pre-shared keys, tickets
    certificates   signatures, status, authorities, compression
    table          which class reads which

An extension means what its type says in the message that it stands in, so `read_extension` is told the
message. What is read is written back as the same octets, because each class holds every field. An extension
that no class is for is `Unknown`; one whose octets break its syntax is `Malformed` where the reader was asked
to go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.tls.hello.extensions.base import (
        Extension as Extension,
        Flag as Flag,
        Malformed as Malformed,
        Message as Message,
        Unknown as Unknown,
    )
    from netkit.tls.hello.extensions.certificates import (
        CertificateAuthorities as CertificateAuthorities,
        CertificateSignatureAlgorithms as CertificateSignatureAlgorithms,
        CompressCertificate as CompressCertificate,
        DelegatedCredential as DelegatedCredential,
        SignatureAlgorithms as SignatureAlgorithms,
        SignedTimestamps as SignedTimestamps,
        StatusRequest as StatusRequest,
    )
    from netkit.tls.hello.extensions.keys import (
        Cookie as Cookie,
        KeyShare as KeyShare,
        KeyShares as KeyShares,
        PointFormats as PointFormats,
        PreSharedKeys as PreSharedKeys,
        PskIdentity as PskIdentity,
        PskModes as PskModes,
        RecordSizeLimit as RecordSizeLimit,
        RenegotiationInfo as RenegotiationInfo,
        RequestedGroup as RequestedGroup,
        SelectedPsk as SelectedPsk,
        SelectedVersion as SelectedVersion,
        SessionTicket as SessionTicket,
        SupportedGroups as SupportedGroups,
        SupportedVersions as SupportedVersions,
    )
    from netkit.tls.hello.extensions.names import (
        Alpn as Alpn,
        EncryptedClientHello as EncryptedClientHello,
        ServerName as ServerName,
    )
    from netkit.tls.hello.extensions.table import (
        read_extension as read_extension,
    )

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "base": "Extension Flag Malformed Message Unknown",
        "certificates": "CertificateAuthorities CertificateSignatureAlgorithms CompressCertificate "
        "DelegatedCredential SignatureAlgorithms SignedTimestamps StatusRequest",
        "keys": "Cookie KeyShare KeyShares PointFormats PreSharedKeys PskIdentity PskModes "
        "RecordSizeLimit RenegotiationInfo RequestedGroup SelectedPsk SelectedVersion "
        "SessionTicket SupportedGroups SupportedVersions",
        "names": "Alpn EncryptedClientHello ServerName",
        "table": "read_extension",
    },
)
