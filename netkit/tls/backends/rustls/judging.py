"""OpenSSL as the judge of chains, for a provider that cannot verify the signatures of most of them.

It is asked in the middle of the handshake, before this side has sent anything that is secret. What signs the
handshake itself is verified by the provider.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from netkit.tls import verify_codes as codes
from netkit.tls.backends.standard import standard_backend
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.openssl_errors import from_verify_code
from netkit.tls.verifying.chain_store import store_verdict
from netkit.tls.verifying.flight import certificate_flight
from netkit.tls.verifying.roots import SystemCerts

if TYPE_CHECKING:
    from netkit.tls.config import Verifier
    from netkit.tls.x509.certificate import Certificate


def judge_for(config: TlsConfig) -> Verifier:
    """The verifier of a configuration that verifies fully.

    Raises TlsError for roots and CRLs that cannot be used, as a configuration of the backend `ssl` does.
    """
    return _judge_clients(config) if config.is_server else _judge_servers(config)


def _judge_servers(config: TlsConfig) -> Verifier:
    """The chain is played to a client of the `ssl` backend that trusts the same (see `verifying.flight`)."""
    judge = TlsConfig(
        root_certs=config.root_certs or tuple(SystemCerts.load()),
        distrusted_certs=config.distrusted_certs,
        crls=config.crls,
    )
    prepared = standard_backend().prepare(judge)

    def verify(chain: tuple[Certificate, ...], server_name: str | None) -> None:
        client = prepared.session(server_name)
        client.handshake()
        flight = certificate_flight(client.take_output(), [one.der_data for one in chain])
        if flight is not None:
            client.feed(flight)
            try:
                client.handshake()
            except TlsError.CertificateVerificationFailed:
                raise
            except TlsError as error:
                raise TlsError.CertificateVerificationFailed(
                    f"OpenSSL cannot read the chain: {error}"
                ) from None
        if not client.built_path:
            raise TlsError.CertificateVerificationFailed("OpenSSL has given no verdict")

    return verify


def _judge_clients(config: TlsConfig) -> Verifier:
    """OpenSSL's store judges, by pyOpenSSL: the standard module has nothing that takes a client's chain."""
    roots = config.root_certs or tuple(SystemCerts.load())

    def verify(chain: tuple[Certificate, ...], _server_name: str | None) -> None:
        verdict = store_verdict(chain, roots, datetime.now(UTC), "clientAuth")
        if verdict.code != codes.OK:
            raise from_verify_code(verdict.code, verdict.message)
        if not verdict.purpose_judged:
            raise TlsError.CertificateVerificationFailed("OpenSSL has not judged for what the certificate is")
        if any(one in config.distrusted_certs for one in (*chain, *verdict.path)):
            raise TlsError.CertificateVerificationFailed("a certificate of the chain is distrusted")

    return verify
