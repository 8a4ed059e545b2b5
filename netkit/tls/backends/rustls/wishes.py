"""What a configuration wants of rustls: names of groups, suites and schemes as numbers, and back."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit import _rustls
from netkit.tls.backend import Refusal
from netkit.tls.hello.codes import NamedGroup, SignatureScheme
from netkit.tls.hello.suites import CipherSuite

if TYPE_CHECKING:
    from netkit.tls.config import TlsConfig

#: OpenSSL's names of the suites of TLS 1.2 that rustls has.
_OPENSSL: Final = {
    0xC02B: "ECDHE-ECDSA-AES128-GCM-SHA256",
    0xC02C: "ECDHE-ECDSA-AES256-GCM-SHA384",
    0xC02F: "ECDHE-RSA-AES128-GCM-SHA256",
    0xC030: "ECDHE-RSA-AES256-GCM-SHA384",
    0xCCA8: "ECDHE-RSA-CHACHA20-POLY1305",
    0xCCA9: "ECDHE-ECDSA-CHACHA20-POLY1305",
}
_NUMBERS: Final = {name: number for number, name in _OPENSSL.items()}


class Has(NamedTuple):
    """The numbers that a provider has."""

    groups: frozenset[int]
    suites: frozenset[int]
    schemes: frozenset[int]
    fips: bool


@cache
def provider_has(provider: str) -> Has:
    """What that provider has. `fips`: it calls itself a FIPS module, which proves no certificate."""
    groups, suites, schemes, fips = _rustls.provider_has(provider)
    return Has(frozenset(groups), frozenset(suites), frozenset(schemes), fips)


def suite_name(number: int) -> str:
    """OpenSSL's name of a suite, which is IANA's for TLS 1.3."""
    return _OPENSSL.get(number) or CipherSuite(number).name


class Wishes(NamedTuple):
    """The numbers that a configuration wants; empty lists leave what the provider prefers."""

    groups: list[int]
    suites: list[int]
    schemes: list[int]


def wishes(config: TlsConfig, has: Has) -> Wishes:
    """The numbers that `config` wants of a provider. Raises ValueError for what has none."""
    return Wishes(
        [int(group) for group in NamedGroup.all_of(config.groups)],
        _suites(config, has),
        [int(scheme) for scheme in SignatureScheme.all_of(config.signature_algorithms)],
    )


def _suites(config: TlsConfig, has: Has) -> list[int]:
    """Suites of both generations; where only one is chosen, all of the other go on."""
    new = [int(suite) for suite in CipherSuite.all_of(config.tls13_cipher_suites)]
    old = [_NUMBERS[name] for name in _listed(config.cipher_suites) if name in _NUMBERS]
    if not new and not old:
        return []
    all_suites = sorted(has.suites)
    new = new or [number for number in all_suites if CipherSuite(number).is_tls13]
    old = old or [number for number in all_suites if not CipherSuite(number).is_tls13]
    return new + old


def _listed(cipher_suites: str | None) -> list[str]:
    return [] if cipher_suites is None else cipher_suites.split(":")


def lists_known_suites(cipher_suites: str, has: Has) -> bool:
    """Whether a list in OpenSSL's notation holds nothing but names of suites that the provider has."""
    return all(_NUMBERS.get(name) in has.suites for name in _listed(cipher_suites))


def unknown(config: TlsConfig, has: Has) -> list[Refusal]:
    """The names that the provider has nothing for."""
    tables = (
        ("groups", config.groups, NamedGroup, has.groups),
        ("tls13_cipher_suites", config.tls13_cipher_suites, CipherSuite, has.suites),
        ("signature_algorithms", config.signature_algorithms, SignatureScheme, has.schemes),
    )
    refused = []
    for setting, names, table, known in tables:
        for name in names:
            try:
                found = int(table.of(name)) in known
            except ValueError:
                found = False
            if not found:
                refused.append(Refusal(setting, f"its provider has nothing called {name}"))
    return refused
