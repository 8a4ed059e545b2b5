"""The sites of `netkit serve tls`: made of its options, made again on SIGHUP, handed over to a successor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.frame.options import WrongValue
from netkit.cli.payload.tls.files import Password
from netkit.cli.payload.tls.sites.handshakes import SiteRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from netkit.cli.frame.context import Environment
    from netkit.cli.payload.tls.sites.options import (
        CertificateFaultOptions,
        ConductOptions,
        MadeOptions,
        SiteTlsOptions,
    )
    from netkit.lab.tls_server import Chooser, Site
    from netkit.serve.handover import TakenOver
    from netkit.tls.config import TlsConfig
    from netkit.tls.throwaway import ThrowawayAuthority
    from netkit.tls.throwaway.authority import Presented
    from netkit.tls.x509.certificate import Certificate

#: What the authority is handed over as.
AUTHORITY = "tls"


class Sites:
    """What is served under which name; a chooser for the server. `names` are those of this machine."""

    def __init__(
        self,
        env: Environment,
        names: Sequence[str],
        tls: SiteTlsOptions,
        made: MadeOptions,
        faults: CertificateFaultOptions,
        conduct: ConductOptions,
        *,
        badssl: bool,
        speaks_http: bool,
    ) -> None:
        self._env = env
        self._names = tuple(names)
        self._tls = tls
        self._made = made
        self._faults = faults.chosen
        self._conduct = conduct.conduct()
        self._badssl = badssl
        self._alpn = tls.agreed(speaks_http=speaks_http)
        self._password = Password(tls.password_file, env)
        self._authority: ThrowawayAuthority | None = None
        self._choose: Chooser | None = None
        #: The sites of --badssl.
        self.rows: list[SiteRow] = []

    def __call__(self, name: str | None) -> Site:
        """The site of that name."""
        assert self._choose is not None
        return self._choose(name)

    def make(self, taken: TakenOver | None) -> None:
        """Read or make the certificates, and write the files that are asked for.

        After a running server (`taken`), its authority goes on. Raises OSError, UnusableFile, WrongValue,
        TlsError, and HandoverError where the authority is not known here.
        """
        if self._tls.cert:
            self._read()
            return
        from netkit.tls.throwaway import ThrowawayAuthority

        if taken is None:
            self._authority = ThrowawayAuthority()
        elif AUTHORITY in taken.private:
            self._authority = ThrowawayAuthority.unpacked(taken.private[AUTHORITY])
        else:
            from netkit.serve.handover import HandoverError

            raise HandoverError("its authority is not known here", "write --cert FILE --key FILE")
        self._write(self._authority, self._issue(self._authority))

    def reload(self) -> Callable[[], None] | None:
        """What reads the files of --cert, --key and --client-ca again; None where there are none."""
        if self._tls.cert:
            return self._read
        if self._tls.client_ca and self._authority is not None:
            authority = self._authority

            def issue() -> None:
                self._issue(authority)

            return issue
        return None

    def packed(self) -> dict[str, bytes]:
        """What a successor gets: the authority, which is as secret as its key."""
        return {} if self._authority is None else {AUTHORITY: self._authority.packed()}

    def _read(self) -> None:
        """Show the certificates of --cert."""
        from netkit.lab.tls_server import Site

        identities = self._tls.identities(self._password)
        config = self._tls.showing(identities, self._env, alpn_protocols=self._alpn)
        site = Site(config, self._conduct)
        self._choose = lambda _name: site

    def _issue(self, authority: ThrowawayAuthority) -> list[Certificate]:
        """Show certificates of `authority`; the roots that clients need."""
        from netkit.lab.tls_sites import BASE, BadSites, site_of

        if not self._badssl:
            return self._issue_one(authority)
        base = (self._made.name or (BASE,))[0].lower()
        names = tuple(dict.fromkeys((base, *self._names)))
        presented = authority.present(self._made.wanted(names, ()))
        usual = site_of(presented, self._config(presented, authority))
        found = BadSites(authority, base, usual, self._client_roots(usual.config, authority))
        self.rows = [SiteRow(name, kind.words, kind.accepted) for name, kind in found.listed()]
        self._choose = found
        return [authority.certificate, *found.roots]

    def _issue_one(self, authority: ThrowawayAuthority) -> list[Certificate]:
        """Show one certificate, with the faults that were asked for."""
        from netkit.lab.tls_sites import site_of
        from netkit.tls.versions import TlsVersion

        wanted = self._made.wanted(self._made.name or self._names, self._faults)
        try:
            presented = authority.present(wanted)
        except ValueError as error:  # no keys of that kind
            raise WrongValue(str(error), "install a newer version of cryptography") from None
        config = self._config(presented, authority)
        if presented.stand_in is not None and config.min_version > TlsVersion.Tls12:
            fault = f"--{self._faults[0].value}"
            raise WrongValue(f"{fault} is sent in TLS 1.2 only", "later, certificates are encrypted")
        site = site_of(presented, config, self._conduct)
        self._choose = lambda _name: site
        if self._made.write_crl is not None:
            _write_blocks(self._made.write_crl, "X509 CRL", presented.crls)
        shown = presented.chain[0].fingerprint_sha256
        self._env.say(f"certificate for {', '.join(wanted.names)}; SHA-256 {shown}")
        return list(dict.fromkeys((authority.certificate, presented.root or authority.certificate)))

    def _config(self, presented: Presented, authority: ThrowawayAuthority) -> TlsConfig:
        """The settings of a server that shows these certificates."""
        from netkit.lab.tls_sites import ANY_STRENGTH, needs_any_strength, with_client_auth
        from netkit.tls.config import TlsConfig
        from netkit.tls.identity import Identity

        base = TlsConfig.server()
        if needs_any_strength(self._faults) or self._made.is_weak:
            base = base.replace(cipher_suites=ANY_STRENGTH)
        chain = presented.chain if presented.stand_in is None else (presented.stand_in,)
        config = self._tls.showing(
            [Identity(chain, presented.key)], self._env, base, alpn_protocols=self._alpn
        )
        if self._tls.client_ca:
            return config
        return with_client_auth(config, self._tls.client_auth, [authority.certificate])

    def _client_roots(self, config: TlsConfig, authority: ThrowawayAuthority) -> Sequence[Certificate]:
        return config.root_certs or (authority.certificate,)

    def _write(self, authority: ThrowawayAuthority, roots: Sequence[Certificate]) -> None:
        if self._made.write_ca is not None:
            _write_blocks(self._made.write_ca, "CERTIFICATE", (root.der_data for root in roots))
        if self._made.write_client is not None:
            from netkit.tls.throwaway import Wanted

            made = authority.present(Wanted(("netkit client",), is_client=True))
            with open(self._made.write_client, "w", encoding="ascii") as file:
                file.write(made.chain[0].to_pem() + made.key.to_pem())


def _write_blocks(path: str, label: str, blocks: Iterable[bytes]) -> None:
    from netkit.tls.x509.pem import encode

    with open(path, "w", encoding="ascii") as file:
        file.write("".join(encode(label, block) for block in blocks))
