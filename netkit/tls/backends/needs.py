"""What a configuration asks of its backend: which setting needs which capability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit.tls.backend import Capability, Refusal, Role
from netkit.tls.errors import TlsError
from netkit.tls.versions import TlsVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.tls.backend import Backend
    from netkit.tls.config import TlsConfig
    from netkit.tls.identity import Identity

#: The name of the backend that is always there.
STANDARD: Final = "ssl"

#: Why one of `crls` is refused.
NO_LIST: Final = "one of them is no certificate revocation list in DER that can be read"

#: The capability that each version is.
VERSIONS: Final = {
    TlsVersion.Tls10: Capability.Tls10,
    TlsVersion.Tls11: Capability.Tls11,
    TlsVersion.Tls12: Capability.Tls12,
    TlsVersion.Tls13: Capability.Tls13,
}

#: Settings that need a capability as soon as they say anything.
_SETTINGS: Final = {
    "cipher_suites": Capability.CipherList,
    "tls13_cipher_suites": Capability.Tls13Suites,
    "groups": Capability.Groups,
    "signature_algorithms": Capability.SignatureAlgorithms,
    "session_store": Capability.Resumption,
    "tickets": Capability.Tickets,
    "max_early_data": Capability.EarlyData,
    "half_rtt": Capability.HalfRtt,
    "request_ocsp": Capability.Ocsp,
    "ocsp_response": Capability.Ocsp,
    "ech_config_list": Capability.Ech,
    "ech_grease": Capability.Ech,
    "certificate_compression": Capability.CertificateCompression,
    "crls": Capability.Crls,
    "key_log": Capability.KeyLog,
    "client_auth_optional": Capability.OptionalClientAuth,
    "fips": Capability.Fips,
}


def needs(config: TlsConfig) -> Iterator[tuple[str, Capability]]:
    """The settings of `config` that not every backend has, each with the capability that it needs."""
    for version, capability in VERSIONS.items():
        if config.min_version <= version <= config.max_version:
            yield ("min_version" if version < TlsVersion.Tls12 else "max_version"), capability
    for setting, capability in _SETTINGS.items():
        value: object = getattr(config, setting)
        if value is not None and value is not False and value != () and (value != 0 or setting == "tickets"):
            yield setting, capability


def missing(config: TlsConfig, capabilities: frozenset[Capability]) -> tuple[Refusal, ...]:
    """What a backend with these capabilities refuses of `config`."""
    return tuple(
        Refusal(setting, f"it has no {capability.value}")
        for setting, capability in needs(config)
        if capability not in capabilities
    )


def shown_identity(config: TlsConfig) -> Identity | None:
    """What this side shows of itself, None for a client without a certificate.

    Raises `TlsError.InvalidConfig` for a server without one, `InvalidKey` for a key of another certificate.
    """
    identity = config.identity
    if identity is None and config.is_server:
        problem = "a server needs a certificate and its key"
        raise TlsError.InvalidConfig("identity_cert", problem, hint="use with_identity(...)")
    if identity is not None and not identity.matches:
        raise TlsError.InvalidKey("it does not belong to the certificate")
    return identity


def role_of(config: TlsConfig) -> Role:
    """The side that `config` is for."""
    return "server" if config.is_server else "client"


def refusals_of(backends: Iterable[Backend], config: TlsConfig) -> str:
    """Why none of the backends can honour `config`, in one line."""
    told = (f"{backend.name}: {backend.refusals(config)[0].reason}" for backend in backends)
    return f"no backend here can ({'; '.join(told)})"
