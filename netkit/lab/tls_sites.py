"""Sites that are wrong, each in its way, under names of their own: what badssl.com is, at home.

`SITES` has every kind of site by the label that its name begins with: each fault of certificates, each
version alone, client certificates, and what a server does to a handshake. `BadSites` serves them all: it is
the chooser of a `TlsServer`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from netkit.lab.tls_conduct import GOOD, Breach, Conduct
from netkit.lab.tls_server import Site
from netkit.tls.alerts import ALERT_NAMES
from netkit.tls.config import CertVerifyMode
from netkit.tls.throwaway.faults import FAULTS, CertificateFault, Wanted
from netkit.tls.versions import TlsVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.tls.config import TlsConfig
    from netkit.tls.throwaway.authority import Presented, ThrowawayAuthority
    from netkit.tls.x509.certificate import Certificate

#: What OpenSSL needs to send weak keys and signatures.
ANY_STRENGTH: Final = "ALL:!aNULL:@SECLEVEL=0"

#: The usual domain of the sites: names below it are this machine's (RFC 6761 section 6.3).
BASE: Final = "localhost"

#: How long the slow site waits, in seconds.
SLOW: Final = 5.0

ClientAuth: TypeAlias = Literal["none", "optional", "required"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of site: in which way it is wrong. `accepted`: an ordinary client connects all the same."""

    words: str
    accepted: bool = False
    faults: tuple[CertificateFault, ...] = ()
    conduct: Conduct = GOOD
    version: TlsVersion | None = None
    no_alpn: bool = False
    client_auth: ClientAuth = "none"


def _kinds() -> dict[str, Kind]:
    kinds = {"good": Kind("Nothing is wrong.", accepted=True)}
    for fault, change in FAULTS.items():
        kinds[fault.value] = Kind(change.words, change.accepted, (fault,))
    for version in TlsVersion:
        name = version.as_str.lower().replace(" ", "").replace(".", "-")
        kinds[name] = Kind(f"The server speaks {version.as_str} only.", version.is_secure, version=version)
    kinds["no-alpn"] = Kind("The server agrees on no application protocol.", accepted=True, no_alpn=True)
    kinds["client-cert-optional"] = Kind(
        "The server asks for a client certificate.", accepted=True, client_auth="optional"
    )
    kinds["client-cert-required"] = Kind("The server requires a client certificate.", client_auth="required")
    kinds["slow"] = Kind(
        f"The server answers the ClientHello after {SLOW:g} seconds.",
        accepted=True,
        conduct=Conduct(slow=SLOW),
    )
    kinds["truncate"] = Kind(
        "The server ends connections without close_notify.", accepted=True, conduct=Conduct(truncates=True)
    )
    for breach in Breach:
        if not breach.speaks_first:  # the name is known only when a client has spoken
            kinds[breach.value] = Kind(f"The server {breach.doing}.", conduct=Conduct(breach))
    for number, name in ALERT_NAMES.items():
        if name == "handshake_failure":
            kinds[f"alert-{number}"] = Kind(
                "The server sends this alert, or any other by its number.", conduct=Conduct(alert=number)
            )
    return kinds


#: Every kind of site, by the label that its name begins with.
SITES: Final[dict[str, Kind]] = _kinds()


def kind_of(label: str) -> Kind | None:
    """The kind of site whose name begins with `label`; None if there is none."""
    found = SITES.get(label)
    number = label.removeprefix("alert-")
    if found is None and number != label and number.isascii() and number.isdigit() and int(number) < 256:
        return Kind("", conduct=Conduct(alert=int(number)))
    return found


def _can_be_made(kind: Kind) -> bool:
    """Whether the installed cryptography has the keys for it."""
    from netkit.tls.throwaway.keys import can_make

    parts = (part for fault in kind.faults for part in FAULTS[fault].parts.values())
    return all(can_make(part["key"]) for part in parts if "key" in part)


def needs_any_strength(faults: Iterable[CertificateFault]) -> bool:
    """Whether OpenSSL has to be told that such certificates may be sent."""
    return any(FAULTS[fault].is_about_strength for fault in faults)


def site_of(
    presented: Presented, config: TlsConfig, conduct: Conduct = GOOD, name: str | None = None
) -> Site:
    """A site that shows these certificates.

    Where no TLS library sends them, the octets are put into the flight of TLS 1.2, which is the only version
    that is spoken then.
    """
    if presented.staple is not None:
        config = config.replace(ocsp_response=presented.staple)
    if presented.stand_in is None:
        return Site(config.with_identity(presented.chain, presented.key), conduct, name)
    conduct = replace(conduct, certificates=tuple(each.der_data for each in presented.chain))
    newest = min(config.max_version, TlsVersion.Tls12)
    config = config.replace(min_version=min(config.min_version, newest), max_version=newest)
    return Site(config.with_identity(presented.stand_in, presented.key), conduct, name)


def with_client_auth(config: TlsConfig, how: ClientAuth, roots: Sequence[Certificate]) -> TlsConfig:
    """The settings of a server that asks its clients for certificates of `roots`, or does not."""
    if how == "none":
        return config
    return config.replace(
        verify_mode=CertVerifyMode.Full, root_certs=tuple(roots), client_auth_optional=how == "optional"
    )


class BadSites:
    """The chooser of a server that has all sites of `SITES`, under `base`: `expired.localhost`.

    Other names get `usual`, whose settings all sites share; what is different in a site is made when it is
    asked for first. `client_roots` are whose certificates clients may show.
    """

    def __init__(
        self,
        authority: ThrowawayAuthority,
        base: str,
        usual: Site,
        client_roots: Sequence[Certificate],
    ) -> None:
        self._authority = authority
        self._base = base.lower()
        self._usual = usual
        self._client_roots = tuple(client_roots)
        self._made: dict[str, Site] = {}
        self._kinds = {label: kind for label, kind in SITES.items() if _can_be_made(kind)}
        #: The roots that clients need beside the authority's own: those that are what is wrong.
        self.roots: list[Certificate] = []
        for label, kind in self._kinds.items():
            if any(FAULTS[fault].root for fault in kind.faults):
                self._present(label, kind)

    def __call__(self, name: str | None) -> Site:
        """The site of that name."""
        label, dot, base = (name or "").partition(".")
        if not dot or base != self._base:
            return self._usual
        made = self._made.get(label)
        if made is None:
            kind = kind_of(label)
            if kind is None or (label in SITES and label not in self._kinds):
                return self._usual
            made = self._present(label, kind)
        return made

    def listed(self) -> list[tuple[str, Kind]]:
        """The names of all sites, and what is wrong with each."""
        return [(f"{label}.{self._base}", kind) for label, kind in self._kinds.items()]

    def _present(self, label: str, kind: Kind) -> Site:
        name = f"{label}.{self._base}"
        config = self._usual.config
        if kind.version is not None:
            config = config.replace(min_version=kind.version, max_version=kind.version)
        if kind.no_alpn:
            config = config.with_alpn(())
        config = with_client_auth(config, kind.client_auth, self._client_roots)
        if needs_any_strength(kind.faults):
            config = config.replace(cipher_suites=ANY_STRENGTH)
        presented = self._authority.present(Wanted((name,), kind.faults))
        if presented.root not in (None, self._authority.certificate):
            assert presented.root is not None
            self.roots.append(presented.root)
        self._made[label] = site_of(presented, config, kind.conduct, name)
        return self._made[label]
