"""Certificates for a demonstration or a test: an authority that exists only while the process runs.

Do not use it in production. Keys are made when needed, and stay in memory unless the caller exports them.

    authority = ThrowawayAuthority()
    certificate, key = authority.issue(["localhost", "127.0.0.1"])
    wrong = authority.faulty(["localhost"], CertificateFault.Expired, CertificateFault.MissingIntermediate)
    config = TlsConfig.server().with_identity(wrong.chain, wrong.key)

An authority makes any certificate that is wanted, also one that no authority should make: `FAULTS` has each
fault with what it changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy

if TYPE_CHECKING:
    from netkit.tls.throwaway.authority import (
        Presented as Presented,
        ThrowawayAuthority as ThrowawayAuthority,
    )
    from netkit.tls.throwaway.faults import (
        FAULTS as FAULTS,
        CertificateFault as CertificateFault,
        Wanted as Wanted,
        check_faults as check_faults,
        contradiction as contradiction,
    )
    from netkit.tls.throwaway.keys import Signer as Signer
    from netkit.tls.throwaway.kinds import Digest as Digest, KeyKind as KeyKind, Staple as Staple
    from netkit.tls.throwaway.template import RawExtension as RawExtension, Template as Template

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "authority": "Presented ThrowawayAuthority",
        "faults": "FAULTS CertificateFault Wanted check_faults contradiction",
        "keys": "Signer",
        "kinds": "Digest KeyKind Staple",
        "template": "RawExtension Template",
    },
)
