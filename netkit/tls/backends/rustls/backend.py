"""The backend `rustls`: what it can do, and a configuration in its form."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from netkit import _rustls
from netkit.tls.backend import Capability, Refusal, Role
from netkit.tls.backends import key_log
from netkit.tls.backends.needs import NO_LIST, missing, role_of, shown_identity
from netkit.tls.backends.outside import settings_outside
from netkit.tls.backends.rustls.judging import judge_for
from netkit.tls.backends.rustls.session import RustlsSession, judged
from netkit.tls.backends.rustls.wishes import lists_known_suites, provider_has, unknown, wishes
from netkit.tls.config import CertVerifyMode
from netkit.tls.errors import TlsError
from netkit.tls.hello.codes import NamedGroup
from netkit.tls.hello.suites import CipherSuite
from netkit.tls.verifying.roots import SystemCerts
from netkit.tls.versions import TlsVersion

if TYPE_CHECKING:
    from netkit.tls.backend import ResumableSession
    from netkit.tls.backends.outside import Outside
    from netkit.tls.config import TlsConfig, Verifier

_BOTH: Final = frozenset(
    {
        Capability.Tls13,
        Capability.Tls13Suites,
        Capability.Groups,
        Capability.SignatureAlgorithms,
        Capability.GroupName,
        Capability.SignatureScheme,
        Capability.Exporter,
        Capability.Resumption,
        Capability.EarlyData,
        Capability.CertificateCompression,
        Capability.Ocsp,
        Capability.VerifierInside,
        Capability.KeyLog,
        Capability.KeyUpdate,
        Capability.KernelTls,
    }
)
_CLIENT: Final = frozenset({Capability.ClientAuthRequest})
_SERVER: Final = frozenset({Capability.Tickets, Capability.OptionalClientAuth, Capability.HalfRtt})

#: The provider that cannot verify the signatures of most chains, so that OpenSSL judges them.
LIBCRUX: Final = "libcrux"

#: The provider that says which version of its module it is.
FIPS: Final = "aws-lc-fips"

#: What rustls wants of a CRL, which other backends do not.
_LISTS: Final = (
    "rustls takes complete lists of version 2, with extensions and a next update (RFC 5280 section 5)"
)

#: What rustls says of an ECHConfigList, in words.
_ECH: Final = {
    "InvalidConfigList": "it is no ECHConfigList (RFC 9849 section 4)",
    "NoCompatibleConfig": "it has no config with algorithms that are here",
}


class RustlsBackend:
    """rustls, with one provider for the cryptography."""

    def __init__(self, name: str, provider: str) -> None:
        self.name = name
        self.provider = provider
        self.has = provider_has(provider)
        described = provider
        if provider == FIPS:
            described = f"{provider} {_rustls.provider_version(provider)}"
        elif provider == LIBCRUX:
            described = f"{provider}, experimental"
        self.version = f"rustls {_rustls.RUSTLS_VERSION} ({described})"

    def capabilities(self, role: Role) -> frozenset[Capability]:
        found = set(_BOTH | (_CLIENT if role == "client" else _SERVER))
        if any(not CipherSuite(number).is_tls13 for number in self.has.suites):
            found.add(Capability.Tls12)
        if int(NamedGroup.of("X25519MLKEM768")) in self.has.groups:
            found.add(Capability.PostQuantum)
        if self.has.fips:
            found.add(Capability.Fips)
        if self.provider != LIBCRUX or role == "client":
            found.add(Capability.Crls)
        if self.provider != LIBCRUX and role == "client":
            found.add(Capability.Ech)
        return frozenset(found)

    def refusals(self, config: TlsConfig) -> tuple[Refusal, ...]:
        refused = [
            refusal
            for refusal in missing(config, self.capabilities(role_of(config)))
            if refusal.setting != "cipher_suites"
            or not lists_known_suites(config.cipher_suites or "", self.has)
        ]
        refused += unknown(config, self.has)
        wants_ech = config.ech_config_list is not None or config.ech_grease
        if wants_ech and config.max_version < TlsVersion.Tls13:
            refused.append(Refusal("max_version", "an encrypted hello needs TLS 1.3 (RFC 9849)"))
        if config.max_early_data and config.tickets == 0:
            refused.append(Refusal("tickets", "0-RTT needs tickets"))
        has_tls12 = Capability.Tls12 in self.capabilities(role_of(config))
        if not has_tls12 and config.max_version >= TlsVersion.Tls13:
            # What is to be set is the oldest version.
            oldest = Refusal("min_version", "it has TLS 1.3 only")
            refused = [oldest if refusal.setting == "max_version" else refusal for refusal in refused]
        return tuple(refused)

    def prepare(self, config: TlsConfig) -> PreparedConfig:
        return _prepared(self, config, settings_outside(config))


class PreparedConfig:
    """A configuration in rustls's form."""

    def __init__(
        self,
        backend: RustlsBackend,
        config: TlsConfig,
        native: _rustls.Config,
        verifier: Verifier | None,
        key_log: str | None,
    ) -> None:
        self.backend = backend
        self.config = config
        self.native = native
        self.verifier = verifier
        self.key_log = key_log

    def session(self, server_name: str | None, resume: ResumableSession | None = None) -> RustlsSession:
        return RustlsSession(self, server_name, resume)


@lru_cache(64)
def _prepared(backend: RustlsBackend, config: TlsConfig, outside: Outside) -> PreparedConfig:
    verifier = config.verifier if config.verify_mode is CertVerifyMode.Custom else None
    if config.verify_mode is CertVerifyMode.Full and backend.provider == LIBCRUX:
        verifier = judge_for(config)
    trust = {"verifier": judged} if verifier is not None else _trust(config)
    settings = {**_shared(backend, config, outside), **trust, **_identity(config)}
    settings |= _of_server(config) if config.is_server else _of_client(config)
    try:
        native = _rustls.Config(server=config.is_server, **settings)
    except ValueError as error:
        raise _problem(str(error)) from None
    if outside.key_log:
        key_log.append(outside.key_log, b"")  # one that cannot be written is told before anything connects
    return PreparedConfig(backend, config, native, verifier, outside.key_log)


def _shared(backend: RustlsBackend, config: TlsConfig, outside: Outside) -> dict[str, Any]:
    wanted = wishes(config, backend.has)
    allowed = range(config.min_version, config.max_version + 1)
    return {
        "provider": backend.provider,
        "groups": wanted.groups,
        "suites": wanted.suites,
        "schemes": wanted.schemes,
        "tls12": TlsVersion.Tls12 in allowed,
        "tls13": TlsVersion.Tls13 in allowed,
        "alpn": [name.encode("latin-1") for name in config.alpn_protocols],
        "compression": list(config.certificate_compression),
        "key_log": bool(outside.key_log),
        "extraction": True,
    }


def _trust(config: TlsConfig) -> dict[str, Any]:
    if config.verify_mode is CertVerifyMode.None_:
        return {}
    roots = config.root_certs or tuple(SystemCerts.load())
    return {
        "judged": True,
        "roots": [root.der_data for root in roots],
        "lenient": config.trusts_system,
        "distrusted": [one.der_data for one in config.distrusted_certs],
        "crls": list(config.crls),
    }


def _identity(config: TlsConfig) -> dict[str, Any]:
    identity = shown_identity(config)
    if identity is None:
        return {}
    return {"chain": [one.der_data for one in identity.chain], "key": identity.key.der_data}


def _of_server(config: TlsConfig) -> dict[str, Any]:
    settings: dict[str, Any] = {"max_early_data": config.max_early_data}
    if config.half_rtt:
        settings["half_rtt"] = True
    if config.verify_mode is not CertVerifyMode.None_:
        settings["client_auth"] = "optional" if config.client_auth_optional else "required"
    if config.tickets is not None:
        settings["tickets"] = config.tickets
    if config.ocsp_response is not None:
        settings["ocsp"] = config.ocsp_response
    return settings


def _of_client(config: TlsConfig) -> dict[str, Any]:
    settings: dict[str, Any] = {"ech_grease": config.ech_grease}
    if config.ech_config_list is not None:
        settings["ech_configs"] = config.ech_config_list
    return settings


def _problem(words: str) -> TlsError:
    """The error for settings that rustls does not take."""
    if words.startswith("root "):
        return TlsError.InvalidCertificate(f"one of root_certs: {words}")
    if "CRL" in words or "revocation" in words.lower():
        return TlsError.InvalidConfig("crls", NO_LIST, hint=_LISTS)
    _, ech, problem = words.partition("encrypted client hello failure: ")
    if ech:
        return TlsError.InvalidConfig("ech_config_list", _ECH.get(problem, problem))
    return TlsError.InvalidKey(words)
