"""The throw-away authority: each fault of its certificates, and what netkit's own client says of it."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp

from netkit.io import Flow, Outcome, all_of, run
from netkit.lab.tls_sites import ANY_STRENGTH
from netkit.net import TcpListener, TcpStream
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.stream import TlsStream
from netkit.tls.throwaway import (
    FAULTS,
    CertificateFault,
    Digest,
    KeyKind,
    Presented,
    Signer,
    Staple,
    ThrowawayAuthority,
    Wanted,
    check_faults,
)
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.der import encode_oid

HOST = "host.test"
AUTHORITY = ThrowawayAuthority()
F = CertificateFault

#: What netkit's client refuses each fault with: the variant, and what its message says.
REFUSED: dict[CertificateFault, tuple[type[TlsError], str]] = {
    F.Expired: (TlsError.CertificateExpired, "expired on"),
    F.NotYetValid: (TlsError.CertificateVerificationFailed, "not yet valid"),
    F.WrongHost: (TlsError.HostnameMismatch, "another-host.invalid"),
    F.NoSan: (TlsError.HostnameMismatch, HOST),
    F.TrailingDot: (TlsError.HostnameMismatch, HOST),
    F.SelfSigned: (TlsError.CertificateVerificationFailed, "self-signed"),
    F.UntrustedRoot: (TlsError.CertificateVerificationFailed, "issuer"),
    F.MissingIntermediate: (TlsError.CertificateVerificationFailed, "issuer"),
    F.WrongSignature: (TlsError.CertificateVerificationFailed, "signature"),
    F.DecoyIssuer: (TlsError.CertificateVerificationFailed, "signature"),
    F.ManyIssuers: (TlsError.CertificateVerificationFailed, "signature"),
    F.WrongPath: (TlsError.CertificateVerificationFailed, "issuer"),
    F.ExpiredIntermediate: (TlsError.CertificateExpired, "expired on"),
    F.ExpiredRoot: (TlsError.CertificateExpired, "expired"),
    F.NotCa: (TlsError.CertificateVerificationFailed, "CA certificate"),
    F.NoCertSign: (TlsError.CertificateVerificationFailed, "CA certificate"),
    F.PathLength: (TlsError.CertificateVerificationFailed, "path length"),
    F.NameConstraints: (TlsError.CertificateVerificationFailed, "subtree"),
    F.HugeChain: (TlsError.HandshakeFailed, "100 KiB"),
    F.WeakKey: (TlsError.CertificateVerificationFailed, "too weak"),
    F.WeakIntermediate: (TlsError.CertificateVerificationFailed, "too weak"),
    F.Sha1: (TlsError.CertificateVerificationFailed, "too weak"),
    F.Sha1Intermediate: (TlsError.CertificateVerificationFailed, "too weak"),
    F.Md5: (TlsError.CertificateVerificationFailed, "too weak"),
    F.EmptyEku: (TlsError.CertificateVerificationFailed, "purpose"),
    F.ClientEku: (TlsError.CertificateVerificationFailed, "purpose"),
    F.WrongKeyUsage: (TlsError.CertificateVerificationFailed, "purpose"),
    F.UnknownCritical: (TlsError.CertificateVerificationFailed, "critical extension"),
}

#: Those that need a flight made by hand, which tests/lab has, or depend on the OpenSSL that is there.
ELSEWHERE = {
    F.DuplicateExtension,
    F.MalformedNames,
    F.MalformedCertificate,
    F.MalformedIntermediate,
    F.MlDsa,
    F.MlDsaRoot,
}


def meet(presented: Presented, roots: list[Certificate]) -> list[Outcome[Any]]:
    """A handshake of netkit's client with a server that sends this; what became of both."""
    config = TlsConfig.server().with_identity(presented.chain, presented.key)
    config = config.replace(cipher_suites=ANY_STRENGTH)
    with TcpListener.bind("127.0.0.1:0") as listener:
        ours = TcpStream.connect(listener.local_addr, timeout=5)
        theirs, _ = listener.accept(timeout=5)

    def server() -> Flow[None]:
        with (yield from TlsStream.accept_flow(theirs, config)) as stream:
            yield from stream.read_flow()

    def client() -> Flow[None]:
        trust = TlsConfig.client().with_root_certs(roots)
        (yield from TlsStream.connect_flow(ours, HOST, trust)).close()

    flows: list[Flow[Any]] = [client(), server()]
    return run(all_of(flows, return_errors=True), deadline=monotonic() + 10)


def test_every_fault_has_a_row_and_an_expectation() -> None:
    assert list(FAULTS) == list(CertificateFault)
    accepted = {fault for fault, change in FAULTS.items() if change.accepted}
    assert set(CertificateFault) - accepted - ELSEWHERE == set(REFUSED)


@pytest.mark.parametrize("fault", CertificateFault, ids=lambda fault: fault.value)
def test_what_a_client_says(fault: CertificateFault) -> None:
    presented = AUTHORITY.faulty([HOST], fault)
    assert (presented.stand_in is not None) is (fault in ELSEWHERE - {F.MlDsa, F.MlDsaRoot})
    if fault in ELSEWHERE:
        return
    client, server = meet(presented, [presented.root or AUTHORITY.certificate])
    if FAULTS[fault].accepted:
        assert client.error is None, client.error
        assert server.error is None, server.error
        return
    kind, words = REFUSED[fault]
    assert type(client.error) is kind
    assert words in str(client.error)
    assert server.error is not None


def test_faults_go_together() -> None:
    presented = AUTHORITY.faulty([HOST], F.Expired, F.WrongHost, F.MissingIntermediate, F.WrongOrder)
    assert len(presented.chain) == 2  # of two intermediates, one is withheld
    leaf = presented.chain[0]
    assert leaf.not_after < datetime.now(UTC)
    assert HOST not in leaf.sans.dns


@pytest.mark.parametrize("intermediates", [0, 2])
@pytest.mark.parametrize("says", Staple, ids=lambda says: says.value)
def test_what_is_said_of_a_certificate_later(says: Staple, intermediates: int) -> None:
    faults = {Staple.Good: (), Staple.Revoked: (F.Revoked,), Staple.Expired: (F.ExpiredStaple,)}[says]
    made = AUTHORITY.present(Wanted((HOST,), faults, intermediates, is_stapled=True))
    chain = [x509.load_der_x509_certificate(one.der_data) for one in (*made.chain, AUTHORITY.certificate)]
    leaf, issuer = chain[0], chain[1]
    assert made.staple is not None
    response = ocsp.load_der_ocsp_response(made.staple)
    revoked = says is Staple.Revoked
    status = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
    assert response.certificate_status is status
    wanted = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA1()).build()
    assert response.serial_number == leaf.serial_number
    assert response.issuer_name_hash == wanted.issuer_name_hash
    assert response.issuer_key_hash == wanted.issuer_key_hash
    assert response.certificates == [issuer]
    key = issuer.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(hashes.SHA256()))
    assert response.next_update_utc is not None
    assert (response.next_update_utc < datetime.now(UTC)) is (says is Staple.Expired)
    lists = [x509.load_der_x509_crl(each) for each in made.crls]
    assert lists[0].is_signature_valid(key)
    assert (lists[0].get_revoked_certificate_by_serial_number(leaf.serial_number) is not None) is revoked
    assert len(lists) == (2 if len(chain) > 2 else 1)
    assert all(len(each) == 0 for each in lists[1:])


@pytest.mark.parametrize(
    "faults",
    [
        (F.Expired, F.NotYetValid),
        (F.Revoked, F.ExpiredStaple),
        (F.WeakKey, F.SelfSigned, F.MissingIntermediate),
        (F.UntrustedRoot, F.ExpiredRoot),
        (F.NoSan, F.WrongHost, F.MalformedNames, F.UnknownCritical),
    ],
)
def test_faults_that_contradict_each_other(faults: tuple[CertificateFault, ...]) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        check_faults(faults)
    with pytest.raises(ValueError, match="exclude each other"):
        AUTHORITY.faulty([HOST], *faults)


#: The others are slow to make, and as the smaller ones.
QUICK = [kind for kind in KeyKind if kind not in (KeyKind.Rsa3072, KeyKind.Rsa4096)]


@pytest.mark.parametrize("kind", QUICK, ids=lambda kind: kind.value)
def test_keys_of_every_kind(kind: KeyKind) -> None:
    try:
        signer = Signer.kept(kind)
    except ValueError as error:
        assert "has no keys of ml-dsa" in str(error)
        return
    if kind in (KeyKind.MlDsa44, KeyKind.MlDsa65):
        with pytest.raises(ValueError, match="can issue certificates"):
            signer.der_data  # noqa: B018
        return
    presented = AUTHORITY.present(Wanted((HOST, "192.0.2.7", "2001:db8::1"), key=kind, intermediates=2))
    leaf = presented.chain[0]
    assert leaf.problems == ()
    assert leaf.sans.dns == (HOST,)
    assert [str(each) for each in leaf.sans.ip] == ["192.0.2.7", "2001:db8::1"]
    assert len(presented.chain) == 3
    assert presented.key.public_spki == leaf.spki_der


def test_an_authority_of_another_kind_and_its_certificates() -> None:
    authority = ThrowawayAuthority("another", key=KeyKind.Ed25519)
    presented = authority.present(Wanted((HOST,), key=KeyKind.P384))
    client, server = meet(presented, [authority.certificate])
    assert (client.error, server.error) == (None, None)
    client, _ = meet(presented, [AUTHORITY.certificate])
    assert isinstance(client.error, TlsError.CertificateVerificationFailed)


def test_reading_what_is_unusual_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    for fault in (F.HostileSubject, F.HostileNames, F.NegativeSerial, F.LongSerial, F.DuplicateExtension):
        for certificate in AUTHORITY.faulty([HOST], fault).chain:
            certificate.to_dict()
    assert not recwarn.list


def test_no_name() -> None:
    with pytest.raises(ValueError, match="needs a name"):
        AUTHORITY.issue([])


def test_a_digest_that_a_key_cannot_take() -> None:
    with pytest.raises(ValueError, match="ECDSA with md5"):
        Signer.new().algorithm(Digest.Md5)


@pytest.mark.parametrize(
    ("text", "octets"),
    [("2.5.29.17", "0603551d11"), ("1.2.840.113549.1.1.1", "06092a864886f70d010101"), ("2.999", "06028837")],
)
def test_object_identifiers(text: str, octets: str) -> None:
    assert encode_oid(text).hex() == octets
