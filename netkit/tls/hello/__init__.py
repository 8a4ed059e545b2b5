"""The clear parts of a TLS handshake, read and written: records, hellos, alerts, certificates before TLS 1.3.

    records    record header and fragment, alerts, messages over several records       records.py framing.py
    messages   ClientHello; ServerHello and HelloRetryRequest; Certificate and         client_hello.py
               CertificateRequest of TLS 1.2                                           server_messages.py
    parts      extensions as typed values                                              extensions/ blocks.py
               numbers and names of suites, groups, signatures, extensions (IANA)      codes.py suites.py
    readers    fed with what a client or a server sends                                reader.py
    names      JA3 and JA4 of a hello                                                  fingerprint.py

RFC 8446 and RFC 5246. A codec: bytes to values and back, with no socket, clock, random number or `ssl`. The
handshake itself is done by a backend. An acceptor reads the hello here to choose a certificate, and a prober
writes hellos that no backend would.

    ClientHello.parse(message)                        strict: the first fault is raised, with its octet
    ClientHello.parse(message, lenient=True).faults   the rest is read, and the faults are listed
    ClientHello.offer(random, suites=[...]).to_bytes()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.tls.hello.client_hello import ClientHello as ClientHello
    from netkit.tls.hello.codes import (
        CertificateCompression as CertificateCompression,
        ClientCertificateType as ClientCertificateType,
        CodeLike as CodeLike,
        ContentType as ContentType,
        ExtensionType as ExtensionType,
        HandshakeType as HandshakeType,
        NamedGroup as NamedGroup,
        PointFormat as PointFormat,
        ProtocolVersion as ProtocolVersion,
        PskMode as PskMode,
        SignatureScheme as SignatureScheme,
        without_grease as without_grease,
    )
    from netkit.tls.hello.errors import (
        HelloError as HelloError,
        MalformedMessage as MalformedMessage,
        MessageTooLong as MessageTooLong,
        PlainProtocol as PlainProtocol,
        UnexpectedMessage as UnexpectedMessage,
    )
    from netkit.tls.hello.extensions.base import (
        Extension as Extension,
        Flag as Flag,
        Malformed as Malformed,
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
    from netkit.tls.hello.fingerprint import ja3 as ja3, ja4 as ja4
    from netkit.tls.hello.framing import Handshake as Handshake
    from netkit.tls.hello.reader import FlightReader as FlightReader, HelloReader as HelloReader
    from netkit.tls.hello.records import (
        Alert as Alert,
        Record as Record,
        RecordReader as RecordReader,
        to_records as to_records,
    )
    from netkit.tls.hello.server_messages import (
        CertificateMessage as CertificateMessage,
        CertificateRequest as CertificateRequest,
        ServerHello as ServerHello,
    )
    from netkit.tls.hello.suites import CipherSuite as CipherSuite

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "client_hello": "ClientHello",
        "codes": "CertificateCompression ClientCertificateType CodeLike ContentType ExtensionType"
        " HandshakeType NamedGroup PointFormat ProtocolVersion PskMode SignatureScheme without_grease",
        "errors": "HelloError MalformedMessage MessageTooLong PlainProtocol UnexpectedMessage",
        "extensions.base": "Extension Flag Malformed Unknown",
        "extensions.certificates": "CertificateAuthorities CertificateSignatureAlgorithms CompressCertificate"
        " DelegatedCredential SignatureAlgorithms SignedTimestamps StatusRequest",
        "extensions.keys": "Cookie KeyShare KeyShares PointFormats PreSharedKeys PskIdentity PskModes"
        " RecordSizeLimit RenegotiationInfo RequestedGroup SelectedPsk SelectedVersion"
        " SessionTicket SupportedGroups SupportedVersions",
        "extensions.names": "Alpn EncryptedClientHello ServerName",
        "fingerprint": "ja3 ja4",
        "framing": "Handshake",
        "reader": "FlightReader HelloReader",
        "records": "Alert Record RecordReader to_records",
        "server_messages": "CertificateMessage CertificateRequest ServerHello",
        "suites": "CipherSuite",
    },
)
