"""TLS and certificates: encrypt a connection, read certificates, and decide whether to trust them.

Three rooms, as in every protocol package:

    codec   certificates and keys           certificate.py keys.py pem.py der.py extensions.py names.py
                                            signature.py roots.py trust.py
            whether to accept a chain       verify.py checks.py path.py oracle.py findings.py hostname.py
            settings, versions, words       config.py versions.py alerts.py errors.py text.py
    flow    TLS over any byte stream        backends/ stream.py
    API     TlsStream; what a server shows  stream.py probe.py

Names are loaded when they are first used. The function `probe` must be imported from `netkit.tls.probe`,
because it has the same name as its module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.tls.certificate import Certificate as Certificate
    from netkit.tls.config import CertVerifyMode as CertVerifyMode, TlsConfig as TlsConfig
    from netkit.tls.errors import TlsError as TlsError
    from netkit.tls.findings import Finding as Finding, Verification as Verification
    from netkit.tls.hostname import matches_host as matches_host, verify_host as verify_host
    from netkit.tls.keys import KeyType as KeyType, PrivateKey as PrivateKey
    from netkit.tls.probe import (
        ProbeReport as ProbeReport,
        probe_async as probe_async,
        probe_flow as probe_flow,
    )
    from netkit.tls.roots import SystemCerts as SystemCerts
    from netkit.tls.stream import TlsStream as TlsStream
    from netkit.tls.verify import verify_chain as verify_chain
    from netkit.tls.versions import TlsVersion as TlsVersion

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "certificate": "Certificate",
        "config": "CertVerifyMode TlsConfig",
        "errors": "TlsError",
        "findings": "Finding Verification",
        "hostname": "matches_host verify_host",
        "keys": "KeyType PrivateKey",
        "probe": "ProbeReport probe_async probe_flow",
        "roots": "SystemCerts",
        "stream": "TlsStream",
        "verify": "verify_chain",
        "versions": "TlsVersion",
    },
)
