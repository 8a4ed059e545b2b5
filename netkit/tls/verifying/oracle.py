"""OpenSSL's own verdict about a chain, without a connection.

netkit finds the reasons that `verify` gives in Python, so that people can understand them. The verdict is
that of a client, because the question is whether a client will accept the chain. Two judges:

`client_verdict` plays the chain to a real client, a session of the configuration's backend, in the messages
in which a server sends it (`flight`). So the name, the purpose, the security level, the trust and the limits
are judged by the same code, with the same settings, as in a connection. The client judges by its own clock.

`store_verdict` (chain_store.py) is for another moment, and for the certificates of clients: a store of
OpenSSL judges, which knows no name and no security level.

The verifier of the cryptography package is not used: it requires the profile of the public web (RFC 5280
with the CA/Browser Forum's rules), and would refuse private authorities that every client accepts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.tls import verify_codes as codes
from netkit.tls.config import CertVerifyMode
from netkit.tls.errors import CertificateVerificationFailed, TlsError
from netkit.tls.verifying.chain_store import Verdict, set_purpose, store_verdict
from netkit.tls.verifying.flight import certificate_flight
from netkit.tls.versions import TlsVersion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.tls.config import TlsConfig
    from netkit.tls.x509.certificate import Certificate

__all__ = ["Verdict", "client_verdict", "set_purpose", "store_verdict"]


def client_verdict(
    chain: Sequence[Certificate], config: TlsConfig, server_name: str | None
) -> Verdict | None:
    """What a client with these settings makes of `chain`, now, as the certificates of `server_name`.

    Settings for old protocols relax no limit: the client is asked with TLS 1.2 as its oldest version. None
    if such a client cannot be played to: it verifies nothing, leaves the verdict to the platform, or judges
    later in the handshake. Raises TlsError as a connection would before it connects (no trust store, a name
    that is none).
    """
    from netkit.tls.backends import prepare

    if config.verify_mode is not CertVerifyMode.Full or server_name is None:
        return None
    prepared = prepare(_settings_to_judge_with(config))
    session = prepared.session(server_name)
    judge = f"{prepared.backend.version} ({prepared.backend.name})"
    session.handshake()
    flight = certificate_flight(session.take_output(), [one.der_data for one in chain])
    if flight is None:
        return None
    session.feed(flight)
    try:
        session.handshake()
    except CertificateVerificationFailed as error:
        return Verdict(error.code or codes.UNSPECIFIED, error.reason, judge, session.built_path)
    except TlsError as error:
        reason = getattr(error, "reason", None) or str(error)
        return Verdict(codes.UNSPECIFIED, reason, judge, unread=True)
    path = session.built_path
    return Verdict(codes.OK, "ok", judge, path) if path else None


def _settings_to_judge_with(config: TlsConfig) -> TlsConfig:
    """The same trust; without what has no part in the verdict, or would hinder playing."""
    if config.min_version is not TlsVersion.Tls12 or config.max_version < TlsVersion.Tls12:
        newest = max(config.max_version, TlsVersion.Tls12)
        config = config.replace(min_version=TlsVersion.Tls12, max_version=newest)
    if config.ech_config_list is not None or config.ech_grease:
        config = config.replace(ech_config_list=None, ech_grease=False)
    return config
