"""Every backend against every capability: what it claims it shows, and what it has not it refuses by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from netkit.tls.backend import Capability, Role
from netkit.tls.backends import find_backend, names, why_absent
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.sessions import MemorySessionStore
from netkit.tls.versions import TlsVersion
from tests.tls.conformance.cases import CASES, ELSEWHERE
from tests.tls.conformance.ends import client_config, server_config

if TYPE_CHECKING:
    from collections.abc import Callable

BACKENDS = [name for name in names() if why_absent(name) is None]
ROLES: tuple[Role, ...] = ("client", "server")


def test_each_capability_is_shown_somewhere() -> None:
    assert set(CASES) | set(ELSEWHERE) == set(Capability)
    assert not set(CASES) & set(ELSEWHERE)


def other_end(backend: str, capability: Capability, role: Role) -> str:
    """The backend of the other end: the same, unless only another one can do that side's part."""
    other: Role = "server" if role == "client" else "client"
    able = [name for name in BACKENDS if capability in find_backend(name).capabilities(other)]
    if backend in able or not able:
        return backend
    return able[0]


@pytest.mark.parametrize("capability", CASES, ids=lambda capability: capability.name)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_claimed_is_shown(backend: str, role: Role, capability: Capability) -> None:
    if capability not in find_backend(backend).capabilities(role):
        setting = WISHES[role].get(capability)
        if setting is not None:
            _is_refused(backend, role, *setting)
        return
    other = other_end(backend, capability, role)
    client, server = (backend, other) if role == "client" else (other, backend)
    CASES[capability](client, server)


def _is_refused(backend: str, role: Role, setting: str, value: Any) -> None:
    make: Callable[..., TlsConfig] = client_config if role == "client" else server_config
    along = ALONG.get(setting, {})
    config = make(backend, **{setting: value, **along})
    refused = find_backend(backend).refusals(config)
    assert setting in {refusal.setting for refusal in refused}
    from netkit.tls.backends import prepare

    with pytest.raises(TlsError.CapabilityError) as caught:
        prepare(config)
    assert caught.value.setting in {setting, *along}


#: What a setting makes no sense without.
ALONG: dict[str, dict[str, Any]] = {"half_rtt": {"max_early_data": 16384}}

#: For each capability that a setting asks for: the setting, and a value that does.
_BOTH: dict[Capability, tuple[str, Any]] = {
    Capability.Tls10: ("min_version", TlsVersion.Tls10),
    Capability.Tls11: ("min_version", TlsVersion.Tls11),
    Capability.CipherList: ("cipher_suites", "ECDHE+AESGCM:!AES128"),
    Capability.Tls13Suites: ("tls13_cipher_suites", ("TLS_AES_128_GCM_SHA256",)),
    Capability.Groups: ("groups", ("secp384r1", "x25519")),
    Capability.SignatureAlgorithms: ("signature_algorithms", ("ecdsa_secp256r1_sha256",)),
    Capability.CertificateCompression: ("certificate_compression", ("brotli",)),
    Capability.KeyLog: ("key_log", "keys"),
}
WISHES: dict[Role, dict[Capability, tuple[str, Any]]] = {
    "client": _BOTH
    | {
        Capability.Ech: ("ech_grease", True),
        Capability.Resumption: ("session_store", MemorySessionStore()),
        Capability.Ocsp: ("request_ocsp", True),
        Capability.Crls: ("crls", (b"",)),
    },
    "server": _BOTH
    | {
        Capability.Tickets: ("tickets", 1),
        Capability.EarlyData: ("max_early_data", 16384),
        Capability.HalfRtt: ("half_rtt", True),
        Capability.Ocsp: ("ocsp_response", b"x"),
        Capability.OptionalClientAuth: ("client_auth_optional", True),
    },
}
