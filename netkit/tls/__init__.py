"""TLS and certificates: encrypt a connection, read certificates, and decide whether to trust them.

Three rooms, as in every protocol package:

    codec   certificates and keys           x509/ identity.py identities.py
            files of both in any form       files/
            whether to accept a chain       verifying/
            settings, versions, words       config.py versions.py alerts.py text.py
            errors, OpenSSL's among them    errors.py openssl_errors.py clear.py
            what a TLS library is           backend.py
            the handshake's clear parts     hello/ heard.py
            what Linux is told for kTLS     kernel/
            asking for TLS in 13 protocols  starttls/
    flow    a TLS library behind one class  backends/
            OpenSSL's store, as a judge     verifying/chain_store.py verifying/roots.py
    API     TlsStream, for both sides       stream.py connector.py acceptor.py sessions.py connection/
            a probe                         probe/
            the verdict of a client         verifying/verify.py verifying/oracle.py
            an authority for tests          throwaway/

Names are loaded when they are first used. The function `probe` must be imported from `netkit.tls.probe`,
because it has the same name as its package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.tls.acceptor import TlsAcceptor as TlsAcceptor
    from netkit.tls.backend import (
        Capability as Capability,
        ClientHelloInfo as ClientHelloInfo,
        TlsSession as TlsSession,
    )
    from netkit.tls.config import CertVerifyMode as CertVerifyMode, TlsConfig as TlsConfig
    from netkit.tls.connector import TlsConnector as TlsConnector
    from netkit.tls.errors import TlsError as TlsError
    from netkit.tls.files import read_certificates as read_certificates, read_identity as read_identity
    from netkit.tls.identity import Identity as Identity
    from netkit.tls.probe.probing import probe_async as probe_async, probe_flow as probe_flow
    from netkit.tls.probe.report import ProbeOptions as ProbeOptions, ProbeReport as ProbeReport
    from netkit.tls.sessions import MemorySessionStore as MemorySessionStore
    from netkit.tls.starttls import StartTlsError as StartTlsError, StartTlsReport as StartTlsReport
    from netkit.tls.stream import TlsStream as TlsStream
    from netkit.tls.verifying.findings import Finding as Finding, Verification as Verification
    from netkit.tls.verifying.hostname import matches_host as matches_host, verify_host as verify_host
    from netkit.tls.verifying.roots import SystemCerts as SystemCerts
    from netkit.tls.verifying.verify import verify_chain as verify_chain
    from netkit.tls.versions import TlsVersion as TlsVersion
    from netkit.tls.x509.certificate import Certificate as Certificate
    from netkit.tls.x509.keys import KeyType as KeyType, PrivateKey as PrivateKey

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "acceptor": "TlsAcceptor",
        "backend": "Capability ClientHelloInfo TlsSession",
        "x509.certificate": "Certificate",
        "config": "CertVerifyMode TlsConfig",
        "connector": "TlsConnector",
        "errors": "TlsError",
        "files": "read_certificates read_identity",
        "verifying.findings": "Finding Verification",
        "verifying.hostname": "matches_host verify_host",
        "identity": "Identity",
        "x509.keys": "KeyType PrivateKey",
        "probe.probing": "probe_async probe_flow",
        "probe.report": "ProbeOptions ProbeReport",
        "verifying.roots": "SystemCerts",
        "sessions": "MemorySessionStore",
        "starttls": "StartTlsError StartTlsReport",
        "stream": "TlsStream",
        "verifying.verify": "verify_chain",
        "versions": "TlsVersion",
    },
)
