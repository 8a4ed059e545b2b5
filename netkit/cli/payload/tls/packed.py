"""The TLS settings of a server as octets, for the process that takes over from it.

What is handed over holds the private keys, so it goes only where `netkit.serve.handover` gives secrets to.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netkit.tls.config import TlsConfig
    from netkit.tls.identity import Identity
    from netkit.tls.x509.certificate import Certificate

#: Settings that JSON has as they are; None, or an empty list, is what a configuration has by itself.
_PLAIN: Final = (
    "cipher_suites",
    "client_auth_optional",
    "backend",
    "tickets",
    "max_early_data",
    "half_rtt",
    "key_log",
    "fips",
)
_WORDS: Final = (
    "alpn_protocols",
    "tls13_cipher_suites",
    "groups",
    "signature_algorithms",
    "certificate_compression",
)
_CERTIFICATES: Final = ("root_certs", "distrusted_certs")


def identities_of(config: TlsConfig) -> tuple[Identity, ...]:
    """The identities that the server of `config` shows."""
    from netkit.tls.identities import ByCertificate

    if isinstance(config.resolver, ByCertificate):
        return config.resolver.identities
    return () if config.identity is None else (config.identity,)


def with_identities(config: TlsConfig, identities: Iterable[Identity]) -> TlsConfig:
    """The settings with these identities; of several, each client is shown the one for its name."""
    from netkit.tls.identities import ByCertificate

    found = tuple(identities)
    first = found[0]
    return config.replace(
        identity_cert=first.certificate,
        identity_chain=first.chain[1:],
        identity_key=first.key,
        resolver=ByCertificate(found) if len(found) > 1 else None,
    )


def packed(config: TlsConfig) -> bytes:
    """What a successor needs to go on with `config`, its private keys included."""
    from base64 import b64encode

    made: dict[str, Any] = {name: getattr(config, name) for name in (*_PLAIN, *_WORDS)}
    made |= {name: _pem(getattr(config, name)) for name in _CERTIFICATES}
    made["identities"] = [
        {"certificates": _pem(one.chain), "key": one.key.to_pem()} for one in identities_of(config)
    ]
    made |= {"min_version": int(config.min_version), "max_version": int(config.max_version)}
    made["verify_mode"] = config.verify_mode.value
    made["crls"] = [b64encode(each).decode() for each in config.crls]
    if config.ocsp_response is not None:
        made["ocsp_response"] = b64encode(config.ocsp_response).decode()
    return json.dumps(made).encode()


def unpacked(data: bytes) -> TlsConfig:
    """The configuration that `packed` made this of."""
    from base64 import b64decode

    from netkit.tls.config import CertVerifyMode, TlsConfig
    from netkit.tls.identity import Identity
    from netkit.tls.versions import TlsVersion
    from netkit.tls.x509.certificate import Certificate
    from netkit.tls.x509.keys import PrivateKey

    said = json.loads(data)
    read: Callable[[str], list[Certificate]] = Certificate.from_pem_chain
    made: dict[str, Any] = {name: said[name] for name in (*_PLAIN, *_WORDS)}
    made |= {name: tuple(read(said[name])) if said[name] else () for name in _CERTIFICATES}
    made |= {name: TlsVersion(said[name]) for name in ("min_version", "max_version")}
    made["verify_mode"] = CertVerifyMode(said["verify_mode"])
    made["crls"] = tuple(map(b64decode, said["crls"]))
    if "ocsp_response" in said:
        made["ocsp_response"] = b64decode(said["ocsp_response"])
    identities = [
        Identity(tuple(read(each["certificates"])), PrivateKey.from_pem(each["key"]))
        for each in said["identities"]
    ]
    return with_identities(TlsConfig.server().replace(**made), identities)


def _pem(certificates: Iterable[Certificate]) -> str:
    return "".join(each.to_pem() for each in certificates)
