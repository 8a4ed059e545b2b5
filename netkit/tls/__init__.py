"""TLS and certificates: what a connection is protected by, what it presents, and whether to believe it.

Three rooms, as in every protocol package:

    codec   certificates and keys           certificate.py keys.py pem.py der.py extensions.py names.py
                                            signature.py roots.py
            whether to accept a chain       verify.py checks.py path.py oracle.py findings.py hostname.py
            settings, versions, words       config.py versions.py alerts.py errors.py text.py
    flow    TLS over any byte stream        backends/ stream.py
    API     TlsStream; what a server shows  stream.py probe.py

Names are loaded when they are first used. `probe.probe` stays where it is: its name is its module's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netkit.tls.certificate import Certificate
    from netkit.tls.config import CertVerifyMode, TlsConfig
    from netkit.tls.errors import TlsError
    from netkit.tls.findings import Finding, Severity, Verification
    from netkit.tls.hostname import matches_host, verify_host
    from netkit.tls.keys import KeyType, PrivateKey
    from netkit.tls.probe import ProbeReport, probe_async, probe_flow
    from netkit.tls.roots import SystemCerts
    from netkit.tls.stream import TlsStream
    from netkit.tls.verify import verify_chain
    from netkit.tls.versions import TlsVersion

_WHERE = {
    "CertVerifyMode": "config",
    "Certificate": "certificate",
    "Finding": "findings",
    "KeyType": "keys",
    "PrivateKey": "keys",
    "ProbeReport": "probe",
    "Severity": "findings",
    "SystemCerts": "roots",
    "TlsConfig": "config",
    "TlsError": "errors",
    "TlsStream": "stream",
    "TlsVersion": "versions",
    "Verification": "findings",
    "matches_host": "hostname",
    "probe_async": "probe",
    "probe_flow": "probe",
    "verify_chain": "verify",
    "verify_host": "hostname",
}

__all__ = [
    "CertVerifyMode",
    "Certificate",
    "Finding",
    "KeyType",
    "PrivateKey",
    "ProbeReport",
    "Severity",
    "SystemCerts",
    "TlsConfig",
    "TlsError",
    "TlsStream",
    "TlsVersion",
    "Verification",
    "matches_host",
    "probe_async",
    "probe_flow",
    "verify_chain",
    "verify_host",
]


def __getattr__(name: str) -> object:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
