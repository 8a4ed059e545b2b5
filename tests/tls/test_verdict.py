"""The verdict is a client's own: every judgement here is compared with a real handshake of the ssl module."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from netkit.severity import Severity
from netkit.tls.config import TlsConfig
from netkit.tls.throwaway import CertificateFault as F, ThrowawayAuthority
from netkit.tls.verifying.checks.staple import staple_findings
from netkit.tls.verifying.oracle import Verdict, client_verdict, set_purpose, store_verdict
from netkit.tls.verifying.verify import MAX_OF_A_KIND, verify_chain
from netkit.tls.versions import TlsVersion
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.trust import TrustSettings
from tests.fuzz.mutation import mutated
from tests.tls.pki import (
    DAY,
    NO_USAGE,
    NOW,
    Issued,
    client_context,
    issue,
    named,
    rsa_key,
    server_context,
    shake_hands,
)

if TYPE_CHECKING:
    from netkit.tls.throwaway import Presented
    from netkit.tls.verifying.findings import Verification

HOST = "www.example.com"


@cache
def authority() -> ThrowawayAuthority:
    return ThrowawayAuthority()


@cache
def faulty(fault: F) -> Presented:
    return authority().faulty((HOST,), fault)


def judged(chain: list[Issued], roots: list[Issued], host: str = HOST, **settings: Any) -> Verification:
    """The verdict without a connection; a real handshake with the same certificates must end alike."""
    result = verify_chain(
        [one.certificate for one in chain],
        server_name=host,
        now=datetime.now(UTC),
        roots=[one.certificate for one in roots],
        **settings,
    )
    assert result.judge == f"{ssl.OPENSSL_VERSION} (ssl)"
    sent, trusted = [one.certificate for one in chain], [one.certificate for one in roots]
    code = handshake(sent, chain[0].private_key, trusted, host)
    assert result.openssl_code == code, result.findings
    assert result.accepted is (code == 0), result.findings
    return result


def handshake(chain: list[Certificate], key: Any, roots: list[Certificate], host: str, flags: int = 0) -> int:
    """What a client of the ssl module says: 0, or its X509_V_ERR number."""
    client = client_context(roots)
    client.verify_flags |= ssl.VerifyFlags(flags)
    try:
        shake_hands(client, server_context(chain, key), host)
    except ssl.SSLCertVerificationError as error:
        return error.verify_code
    return 0


def codes(result: Verification) -> list[str]:
    return [finding.code for finding in result.findings]


#: All faults of the authority for tests: OpenSSL's number (0 accepts), and the leading finding.
FAULTS: dict[F, tuple[int, str | None]] = {
    F.Expired: (10, "expired"),
    F.NotYetValid: (9, "not-yet-valid"),
    F.LongValidity: (0, "long-validity"),
    F.WrongHost: (62, "wrong-host"),
    F.NoSan: (62, "wrong-host"),
    F.TrailingDot: (62, "wrong-host"),
    F.ManyNames: (0, None),
    F.HostileSubject: (0, None),
    F.HostileNames: (0, None),
    F.SelfSigned: (18, "self-signed"),
    F.UntrustedRoot: (20, "unknown-issuer"),
    F.MissingIntermediate: (20, "unknown-issuer"),
    F.WrongOrder: (0, "out-of-order"),
    F.WrongSignature: (7, "bad-signature"),
    F.DecoyIssuer: (7, "bad-signature"),
    F.ManyIssuers: (7, "bad-signature"),
    F.WrongPath: (20, "unknown-issuer"),
    F.ExpiredIntermediate: (10, "expired"),
    F.ExpiredRoot: (10, "expired"),
    F.NotCa: (79, "not-a-ca"),
    F.NoCertSign: (79, "not-a-ca"),
    F.PathLength: (25, "path-too-long"),
    F.NameConstraints: (47, "name-constraints"),
    F.LongChain: (0, None),
    F.WeakKey: (66, "weak-key"),
    F.WeakIntermediate: (67, "weak-key"),
    F.Sha1: (68, "weak-signature"),
    F.Sha1Intermediate: (68, "weak-signature"),
    F.Md5: (68, "weak-signature"),
    F.EmptyEku: (26, "wrong-purpose"),
    F.ClientEku: (26, "wrong-purpose"),
    F.WrongKeyUsage: (26, "wrong-key-usage"),
    F.CaLeaf: (0, None),
    F.NonCriticalCa: (0, "strict"),
    F.NoKeyIds: (0, "strict"),
    F.MustStaple: (0, None),
    F.Revoked: (0, None),  # the response that says so is the connection's, not the chain's
    F.ExpiredStaple: (0, None),
    F.LongSerial: (0, "odd-serial"),
    F.NegativeSerial: (0, "odd-serial"),
    F.UnknownCritical: (34, "critical-extension"),
    F.MalformedExtension: (0, "malformed"),
}

#: What OpenSSL sends to nobody, so that there is no handshake to compare with.
UNSENT: dict[F, tuple[int, str]] = {
    F.HugeChain: (1, "openssl"),
    F.DuplicateExtension: (20, "malformed"),
    F.MalformedNames: (20, "malformed"),
    F.MalformedCertificate: (1, "malformed"),
    F.MalformedIntermediate: (1, "malformed"),
}


def test_every_fault_is_in_the_tables() -> None:
    assert {*FAULTS, *UNSENT, F.MlDsa, F.MlDsaRoot} == set(F)


def verdict_of(presented: Presented) -> Verification:
    root = presented.root or authority().certificate
    return verify_chain(presented.chain, server_name=HOST, now=datetime.now(UTC), roots=[root])


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.value)
def test_a_fault(fault: F, recwarn: pytest.WarningsRecorder) -> None:
    code, leading = FAULTS[fault]
    presented = faulty(fault)
    result = verdict_of(presented)
    assert (result.openssl_code, codes(result)[:1]) == (code, [leading] if leading else [])
    assert result.accepted is (code == 0)
    assert all(finding.message.isprintable() for finding in result.findings)
    assert not recwarn.list
    root = presented.root or authority().certificate
    assert handshake(list(presented.chain), presented.key, [root], HOST) == code


@pytest.mark.parametrize("fault", UNSENT, ids=lambda fault: fault.value)
def test_a_fault_that_openssl_does_not_send(fault: F) -> None:
    code, leading = UNSENT[fault]
    result = verdict_of(faulty(fault))
    assert not result.accepted
    assert (result.openssl_code, codes(result)[0]) == (code, leading)


def test_a_chain_that_is_too_long_to_be_read_is_said_to_be() -> None:
    result = verdict_of(faulty(F.HugeChain))
    assert "100 KiB" in result.findings[0].message
    assert [finding.code for finding in result.reasons] == ["openssl"]


def test_keys_that_this_openssl_does_not_know() -> None:
    presented = faulty(F.MlDsa)
    result = verdict_of(presented)
    code = handshake(list(presented.chain), presented.key, [authority().certificate], HOST)
    assert (result.openssl_code, result.accepted) == (code, code == 0)
    if ssl.OPENSSL_VERSION_INFO < (3, 5):
        assert [finding.code for finding in result.reasons] == ["unknown-algorithm"]
        assert "ML-DSA-65" in result.findings[0].message
        assert ssl.OPENSSL_VERSION in result.findings[0].message


def test_a_root_that_this_openssl_does_not_know() -> None:
    result = verdict_of(faulty(F.MlDsaRoot))
    if ssl.OPENSSL_VERSION_INFO < (3, 5):
        assert [finding.code for finding in result.reasons] == ["unknown-algorithm"]
        assert result.findings[0].index is None
    else:
        assert result.accepted


# Names.


@dataclass
class Name:
    """A name in the certificate, the one asked for, OpenSSL's verdict, and a word of the reason or hint."""

    presented: str
    asked: str
    accepted: bool
    word: str = ""


@pytest.mark.parametrize(
    "name",
    [
        Name("*.example.com", "a-b.example.com", True),
        Name("*.example.com", "-a.example.com", True),
        Name("*.example.com", "a_b.example.com", False, "underscore"),
        Name("*.b_c.example.com", "a.b_c.example.com", False, "underscore"),
        Name("*.b-.example.com", "a.b-.example.com", False, "hyphen"),
        Name("a_b.example.com", "a_b.example.com", True),
        Name("b-.example.com", "b-.example.com", True),
        Name("www.example.com", "www.example.com.", True),
        Name("www.example.com.", "www.example.com", False, "ends with a dot"),
        Name("www.example.com.", "www.example.com.", False, "ends with a dot"),
        Name("*.example.com.", "www.example.com", False),
        Name("WWW.Example.com", "www.EXAMPLE.com", True),
    ],
    ids=lambda name: f"{name.presented}-{name.asked}",
)
def test_names(name: Name) -> None:
    root = issue("Root", ca=True)
    leaf = issue("x", root, sans=(name.presented,))
    # `ssl` strips no dot; netkit does before it asks.
    result = verify_chain(
        [leaf.certificate], server_name=name.asked, now=datetime.now(UTC), roots=[root.certificate]
    )
    code = handshake([leaf.certificate], leaf.private_key, [root.certificate], name.asked.removesuffix("."))
    assert (code == 0) is result.accepted is name.accepted
    assert result.openssl_code == code
    if not name.accepted:
        reason = result.reasons[0]
        assert reason.code == "wrong-host"
        assert name.word in f"{reason.message} {reason.hint}"


@pytest.mark.parametrize("host", ["www.example.com..", "a b", "", "x" * 64])
def test_what_is_no_name_is_refused(host: str) -> None:
    root = issue("Root", ca=True)
    leaf = issue("x", root, sans=("www.example.com",))
    result = verify_chain(
        [leaf.certificate], server_name=host, now=datetime.now(UTC), roots=[root.certificate]
    )
    assert [finding.code for finding in result.reasons] == ["wrong-host"]
    assert "is not a host name" in result.reasons[0].message


# Paths.


@cache
def namesakes() -> tuple[list[Issued], Issued]:
    """Eleven roots of one name without key identifiers, the last of which issued the certificate."""
    roots = [issue("Twin", ca=True, key_ids=False) for _ in range(11)]
    return roots, issue(HOST, roots[-1], sans=(HOST,), key_ids=False)


def test_more_issuers_of_one_name_than_a_few() -> None:
    roots, leaf = namesakes()
    result = judged([leaf], roots)
    if not result.accepted:  # OpenSSL takes the first of a name, and the order in its store is its own
        assert "another-path" in codes(result)
    assert judged([leaf], roots[-1:]).accepted


def test_another_path_is_told() -> None:
    result = verdict_of(faulty(F.ManyIssuers))
    (finding,) = (one for one in result.findings if one.code == "another-path")
    assert "certificate 10 " in finding.message
    assert finding.severity is Severity.WARNING


def test_a_path_past_an_expired_namesake() -> None:
    root, other = issue("Root", ca=True), issue("Other", ca=True)
    key = ec.generate_private_key(ec.SECP256R1())
    right = issue("Middle", root, ca=True, key=key)
    stale = issue("Middle", other, ca=True, key=key, start=NOW - 9 * DAY, end=NOW - DAY)
    leaf = issue(HOST, right, sans=(HOST,))
    judged([leaf, stale, right], [root])
    judged([leaf, right, stale], [root])


def test_a_root_that_was_not_sent_is_not_called_an_intermediate() -> None:
    leaf = issue(HOST, issue("Private Root", ca=True), sans=(HOST,))
    result = judged([leaf], [issue("Else", ca=True)])
    assert codes(result) == ["unknown-issuer"]


def test_an_intermediate_of_an_organization_that_is_trusted() -> None:
    root = issue("Acme Root", ca=True, organization="Acme")
    middle = issue("Acme Issuing", root, ca=True, organization="Acme")
    leaf = issue(HOST, middle, sans=(HOST,))
    assert codes(judged([leaf], [root])) == ["missing-intermediate"]


def test_trust_settings_are_kept() -> None:
    root = issue("Root", ca=True)
    leaf = issue(HOST, root, sans=(HOST,))
    for settings in (TrustSettings(rejected=("serverAuth",)), TrustSettings(trusted=("clientAuth",))):
        distrusted = type(root.certificate)(root.certificate.der_data, trust=settings)
        roots = [distrusted, issue("Else", ca=True).certificate]
        result = verify_chain([leaf.certificate], server_name=HOST, now=NOW, roots=roots)
        assert result.reasons[0].code == "distrusted"
        assert result.openssl_code == 28
        assert result.judge.endswith("(ssl)")


# Name constraints.


@pytest.mark.parametrize(
    ("permitted", "excluded", "sans", "accepted"),
    [
        (["DNS:example.com"], [], ("www.example.com",), True),
        (["DNS:example.com"], [], ("example.com", "www.example.com"), True),
        (["DNS:.example.com"], [], ("www.example.com",), True),
        (["DNS:example.net"], [], ("www.example.com",), False),
        (["DNS:example.com"], [], ("www.example.com", "www.badexample.com"), False),
        ([], ["DNS:www.example.com"], ("www.example.com",), False),
        ([], ["DNS:example.net"], ("www.example.com",), True),
        (["IP:192.0.2.0/24"], [], ("www.example.com",), True),
        (["IP:192.0.2.0/24"], [], ("www.example.com", "192.0.2.7"), True),
        (["IP:192.0.2.0/24"], [], ("www.example.com", "198.51.100.7"), False),
        ([], ["IP:2001:db8::/32"], ("www.example.com", "2001:db8::1"), False),
    ],
)
def test_name_constraints(
    permitted: list[str], excluded: list[str], sans: tuple[str, ...], accepted: bool
) -> None:
    root = issue("Root", ca=True)
    limits = x509.NameConstraints(_names(permitted) or None, _names(excluded) or None)
    middle = issue("Limited", root, ca=True, extensions=((limits, True),))
    result = judged([issue("x", middle, sans=sans), middle], [root])
    assert result.accepted is accepted
    if not accepted:
        reason = result.reasons[0]
        assert reason.code == "name-constraints"
        assert sans[-1] in reason.message
        assert "certificate 1 (CN=Limited)" in reason.message
        assert (permitted or excluded)[0].partition(":")[2] in reason.message


def test_name_constraints_that_are_not_understood_here_are_named_all_the_same() -> None:
    root = issue("Root", ca=True)
    limits = x509.NameConstraints([x509.DirectoryName(named("Nobody"))], None)
    middle = issue("Limited", root, ca=True, extensions=((limits, True),))
    result = judged([issue("x", middle, sans=(HOST,)), middle], [root])
    assert result.reasons[0].code == "name-constraints"
    assert "CN=Limited" in result.reasons[0].message


def _names(texts: list[str]) -> list[x509.GeneralName]:
    import ipaddress

    made: list[x509.GeneralName] = []
    for text in texts:
        kind, _, value = text.partition(":")
        if kind == "IP":
            made.append(x509.IPAddress(ipaddress.ip_network(value)))
        else:
            made.append(x509.DNSName(value))
    return made


# What strict clients refuse.

_NO_NAME = x509.Name([])


def _strict_cases() -> dict[str, tuple[list[Issued], Issued]]:
    root = issue("Root", ca=True)
    found = {
        "right": [issue(HOST, root, sans=(HOST,))],
        "no authority key identifier": [issue(HOST, root, sans=(HOST,), key_ids=False)],
        "may sign, and is no authority": [
            issue(HOST, root, sans=(HOST,), usages=("key_cert_sign", "digital_signature"))
        ],
    }
    for name, middle in {
        "authority without usage": issue("M", root, ca=True, usages=NO_USAGE),
        "authority without subject key identifier": issue("M", root, ca=True, key_ids=False),
    }.items():
        found[name] = [issue(HOST, middle, sans=(HOST,)), middle]
    cases = {name: (chain, root) for name, chain in found.items()}
    bare = issue("Bare Root", ca=True, usages=NO_USAGE, key_ids=False)
    cases["root without usage"] = ([issue(HOST, bare, sans=(HOST,))], bare)
    alone = issue(HOST, sans=(HOST,), key_ids=False)
    cases["alone"] = ([alone], alone)
    return cases


@pytest.mark.parametrize("name", _strict_cases())
def test_what_strict_clients_refuse(name: str) -> None:
    chain, root = _strict_cases()[name]
    result = judged(chain, [root])
    assert result.accepted
    sent = [one.certificate for one in chain]
    code = handshake(sent, chain[0].private_key, [root.certificate], HOST, ssl.VERIFY_X509_STRICT)
    assert ("strict" in codes(result)) is (code != 0)
    assert (name in ("right", "alone")) is (code == 0)


# Time, versions, levels, and who judges.


def test_another_moment_is_judged_by_the_store() -> None:
    root = issue("Root", ca=True)
    leaf = issue(HOST, root, sans=(HOST,))
    client = issue(HOST, root, sans=(HOST,), purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    for chain, days, reason in (
        (leaf, 0, None),
        (leaf, 80, None),
        (leaf, 100, "expired"),
        (client, 80, "wrong-purpose"),
    ):
        result = verify_chain(
            [chain.certificate], server_name=HOST, now=NOW + days * DAY, roots=[root.certificate]
        )
        assert result.judge.endswith("(pyOpenSSL)" if days else "(ssl)")
        assert {finding.code for finding in result.reasons} == (set() if reason is None else {reason})
    assert result.openssl_code == 26  # the store knows the purpose


def test_the_binding_that_sets_the_purpose_is_there() -> None:
    from OpenSSL import crypto

    assert set_purpose(crypto.X509Store(), "serverAuth")
    root = issue("Root", ca=True)
    leaf = issue("x", root, purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,)).certificate
    assert store_verdict([leaf], [root.certificate], NOW, "clientAuth").accepted
    assert store_verdict([leaf], [root.certificate], NOW, "serverAuth").code == 26


def test_the_moment_decides_although_the_client_has_a_clock() -> None:
    root = issue("Root", ca=True)
    ends = datetime.now(UTC) + DAY / 48
    leaf = issue(HOST, root, sans=(HOST,), end=ends.replace(microsecond=0))
    after = ends + DAY / 1000
    result = verify_chain([leaf.certificate], server_name=HOST, now=after, roots=[root.certificate])
    assert [finding.code for finding in result.reasons] == ["expired"]


def test_settings_for_old_protocols_relax_nothing() -> None:
    root = issue("Root", ca=True)
    leaf = issue(HOST, root, sans=(HOST,), key=rsa_key(1024))
    config = TlsConfig(root_certs=(root.certificate,), min_version=TlsVersion.Tls10)
    verdict = client_verdict([leaf.certificate], config, HOST)
    assert verdict is not None
    assert verdict.code == 66


@pytest.mark.parametrize("backend", ["ssl", "pyopenssl"])
def test_the_client_is_one_of_the_configurations_backend(backend: str) -> None:
    root = issue("Root", ca=True)
    leaf = issue(HOST, root, sans=(HOST,))
    config = TlsConfig(root_certs=(root.certificate,), backend=backend, min_version=TlsVersion.Tls13)
    verdict = client_verdict([leaf.certificate], config, HOST)
    assert verdict is not None
    assert verdict.accepted
    assert verdict.path == (leaf.certificate, root.certificate)
    assert re.fullmatch(rf"OpenSSL \d.*\({backend}\)", verdict.judge)
    other = client_verdict([leaf.certificate], config, "other.example")
    assert other is not None
    assert other.code == 62


@pytest.mark.parametrize("kind", ["RSA", "P-256", "Ed25519"])
@pytest.mark.parametrize("backend", ["ssl", "pyopenssl"])
def test_a_good_chain_is_accepted_whatever_its_key(backend: str, kind: str) -> None:
    key = {"RSA": rsa_key(2048), "Ed25519": ed25519.Ed25519PrivateKey.generate()}.get(kind)
    root = issue("Root", ca=True)
    leaf = issue(HOST, root, sans=(HOST,), key=key)
    config = TlsConfig(backend=backend, root_certs=(root.certificate,))
    verdict = client_verdict([leaf.certificate], config, HOST)
    assert verdict is not None
    assert (verdict.code, verdict.message) == (0, "ok")


def test_a_staple_that_is_missing() -> None:
    chain = faulty(F.MustStaple).chain
    for stapled, expected in ((None, []), (True, []), (False, ["no-staple"])):
        result = verify_chain(
            chain,
            server_name=HOST,
            now=datetime.now(UTC),
            roots=[authority().certificate],
            stapled=stapled,
        )
        assert result.accepted
        assert codes(result) == expected


@pytest.mark.parametrize(("fault", "code"), [(F.Revoked, "revoked"), (F.ExpiredStaple, "old-staple")])
def test_what_a_staple_says(fault: F, code: str) -> None:
    staple = faulty(fault).staple
    assert staple is not None
    now = datetime.now(UTC)
    assert [finding.code for finding in staple_findings(staple, now)] == [code]
    assert "old-staple" in [finding.code for finding in staple_findings(staple, now - 400 * DAY)]
    for junk in (b"", staple[:20], b"\x30\x03\x0a\x01\x06"):
        (finding,) = staple_findings(junk, now)
        assert finding.code == "bad-staple"


@pytest.mark.parametrize(
    ("begins", "days", "told"),
    [
        (datetime(2020, 9, 1, tzinfo=UTC), 398, None),
        (datetime(2020, 9, 1, tzinfo=UTC), 399, 398),
        (datetime(2026, 3, 15, tzinfo=UTC), 201, 200),
        (datetime(2027, 3, 15, tzinfo=UTC), 101, 100),
        (datetime(2029, 3, 15, tzinfo=UTC), 47, None),
        (datetime(2029, 3, 15, tzinfo=UTC), 48, 47),
        (datetime(2017, 1, 1, tzinfo=UTC), 4000, None),
    ],
)
def test_long_validity(begins: datetime, days: int, told: int | None) -> None:
    root = issue(
        "Root", ca=True, start=datetime(2016, 1, 1, tzinfo=UTC), end=datetime(2040, 1, 1, tzinfo=UTC)
    )
    last_second = DAY / 86400
    leaf = issue(HOST, root, sans=(HOST,), start=begins, end=begins + days * DAY - last_second)
    result = verify_chain([leaf.certificate], server_name=HOST, now=begins + DAY, roots=[root.certificate])
    found = [finding for finding in result.findings if finding.code == "long-validity"]
    assert len(found) == (0 if told is None else 1)
    if told is not None:
        assert f"for {days} days" in found[0].message
        assert f"accept {told} at most" in found[0].message
        assert found[0].severity is Severity.NOTE


def test_findings_of_a_kind_are_counted_after_a_dozen() -> None:
    root = issue("Root", ca=True)
    leaf = issue(HOST, root, sans=(HOST,))
    strangers = [issue(f"Stranger {number}", ca=True) for number in range(MAX_OF_A_KIND + 5)]
    result = judged([leaf, *strangers], [root])
    assert codes(result) == ["unneeded"] * (MAX_OF_A_KIND + 1)
    assert result.findings[-1].message == "and 5 more of this kind"


@pytest.mark.parametrize(
    ("code", "words", "fault", "expected"),
    [
        (1, "Other(EmptyEku)", F.EmptyEku, ["wrong-purpose"]),
        (7, "an unknown algorithm", F.Sha1, ["weak-signature"]),
        (22, "the chain is too long", F.LongChain, ["rustls"]),
        (1, "something else", F.ManyNames, ["rustls"]),
    ],
)
def test_another_librarys_verdict(code: int, words: str, fault: F, expected: list[str]) -> None:
    result = verify_chain(
        faulty(fault).chain,
        server_name=HOST,
        now=datetime.now(UTC),
        roots=[authority().certificate],
        verdict=Verdict(code, words, "rustls 0.23.46 (rustls)"),
    )
    assert [finding.code for finding in result.reasons] == expected
    if expected == ["rustls"]:
        assert result.reasons[0].message.startswith(f"rustls refuses the chain: {words}")


MUTATED = (F.NameConstraints, F.WrongOrder, F.HostileNames, F.DecoyIssuer, F.MustStaple, F.CaLeaf)


@pytest.mark.parametrize("seed", range(6))
def test_mutated_certificates_raise_nothing(seed: int, recwarn: pytest.WarningsRecorder) -> None:
    """What damaged certificates lead to is a verdict with a reason, by both judges."""
    rng = Random(seed)
    chain = [one.der_data for one in faulty(MUTATED[seed]).chain]
    for _ in range(25):
        sent = [Certificate(mutated(rng, one) if rng.random() < 0.7 else one) for one in chain]
        for days in (0, 2):
            result = verify_chain(
                sent,
                server_name=rng.choice((HOST, "a_b.example.com", "192.0.2.1", "x..")),
                now=datetime.now(UTC) + days * DAY,
                roots=[authority().certificate],
            )
            assert result.accepted is (result.error is None)
            assert result.accepted is (not result.reasons)
            assert result.openssl_code == 0 or not result.accepted
            assert all(finding.message.isprintable() for finding in result.findings)
            result.to_dict()
    assert not recwarn.list
