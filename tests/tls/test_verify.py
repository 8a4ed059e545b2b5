"""Each kind of wrong chain: its verdict, its reason, and that a real OpenSSL client says the same."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from netkit.severity import Severity
from netkit.tls.errors import TlsError
from netkit.tls.verifying.verify import MAX_CHAIN, verify_chain
from netkit.tls.x509.certificate import Certificate
from tests.tls.pki import (
    DAY,
    NOW,
    SERVER_AUTH,
    Issued,
    client_context,
    issue,
    rsa_key,
    server_context,
    shake_hands,
    with_sha1,
)

HOST = "www.example.com"

#: Where the issuer's certificate is.
AIA = (
    x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS,
                x509.UniformResourceIdentifier("http://ca.example/middle.der"),
            )
        ]
    ),
    False,
)


@dataclass
class Case:
    """What a peer sends, what the client trusts and asks for, and the leading reason's code (or None)."""

    chain: list[Issued]
    roots: list[Issued]
    reason: str | None
    host: str = HOST
    others: set[str] = field(default_factory=set)  # further findings, of whatever severity


@cache
def cases() -> dict[str, Case]:
    root = issue("Root", ca=True, usages=("key_cert_sign", "crl_sign"))
    other_root = issue("Other Root", ca=True)
    middle = issue("Middle", root, ca=True, path_len=0, usages=("key_cert_sign",))
    leaf = issue(HOST, middle, sans=(HOST,), purposes=SERVER_AUTH)
    direct = issue(HOST, root, sans=(HOST,))
    self_signed = issue(HOST, sans=(HOST,))
    found: dict[str, Case] = {
        "good": Case([leaf, middle], [root], None),
        "good, root sent": Case([leaf, middle, root], [root], None, others={"root-sent"}),
        "good, no key identifiers": Case([issue(HOST, root, sans=(HOST,), key_ids=False)], [root], None),
        "good, address": Case(
            [issue("ip", root, sans=("192.0.2.7", "2001:db8::7"))], [root], None, "192.0.2.7"
        ),
        "good, IPv6 address": Case([issue("ip", root, sans=("2001:db8::7",))], [root], None, "2001:db8:0::7"),
        "good, wildcard": Case([issue("w", root, sans=("*.example.com",))], [root], None),
        "good, self-signed and trusted": Case([self_signed], [self_signed], None),
        "good, leaf trusted itself": Case([leaf], [leaf], None),
        "good, intermediate trusted": Case([leaf], [middle], None),
        "expired": Case(
            [issue(HOST, root, sans=(HOST,), start=NOW - 9 * DAY, end=NOW - DAY)], [root], "expired"
        ),
        "not yet valid": Case([issue(HOST, root, sans=(HOST,), start=NOW + DAY)], [root], "not-yet-valid"),
        "wrong host": Case([direct], [root], "wrong-host", "www.example.org"),
        "wrong host, common name only": Case([issue(HOST, root)], [root], "wrong-host"),
        "wrong host, wildcard too deep": Case(
            [issue("w", root, sans=("*.example.com",))], [root], "wrong-host", "a.www.example.com"
        ),
        "wrong host, wildcard is the apex": Case(
            [issue("w", root, sans=("*.example.com",))], [root], "wrong-host", "example.com"
        ),
        "wrong host, wildcard in a label": Case(
            [issue("w", root, sans=("w*.example.com",))], [root], "wrong-host"
        ),
        "wrong host, wildcard over a top level": Case(
            [issue("w", root, sans=("*.com",))], [root], "wrong-host", "example.com"
        ),
        "wrong host, another address": Case(
            [issue("ip", root, sans=("192.0.2.7",))], [root], "wrong-host", "192.0.2.8"
        ),
        "self-signed": Case([self_signed], [root], "self-signed"),
        "unknown issuer, its root sent": Case([direct, root], [other_root], "unknown-issuer"),
        "unknown issuer, its root not sent": Case([leaf, middle], [other_root], "unknown-issuer"),
        "root not sent": Case([direct], [other_root], "unknown-issuer"),
        "missing intermediate": Case(
            [issue(HOST, middle, sans=(HOST,), extensions=(AIA,))], [root], "missing-intermediate"
        ),
        "out of order": Case(
            [
                issue(HOST, issue_of("M2", middle_of := issue("M1", root, ca=True)), sans=(HOST,)),
                middle_of,
                issued("M2"),
            ],
            [root],
            None,
            others={"out-of-order"},
        ),
        "unneeded": Case([leaf, middle, other_root], [root], None, others={"unneeded"}),
        "duplicate": Case([leaf, middle, middle], [root], None, others={"duplicate"}),
        "wrong purpose": Case(
            [issue(HOST, root, sans=(HOST,), purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,))],
            [root],
            "wrong-purpose",
        ),
        "any purpose is not this purpose": Case(
            [issue(HOST, root, sans=(HOST,), purposes=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,))],
            [root],
            "wrong-purpose",
        ),
        "wrong key usage": Case(
            [issue(HOST, root, sans=(HOST,), usages=("key_cert_sign",))], [root], "wrong-key-usage"
        ),
    }
    found["expired intermediate"] = _below(
        issue("Old", root, ca=True, start=NOW - 9 * DAY, end=NOW - DAY), root, "expired"
    )
    found["not an authority"] = _below(issue("Plain", root), root, "not-a-ca")
    found["authority that may not sign"] = _below(
        issue("NoSign", root, ca=True, usages=("digital_signature",)), root, "not-a-ca"
    )
    found["intermediate of another purpose"] = _below(
        issue("Mail", root, ca=True, purposes=(ExtendedKeyUsageOID.EMAIL_PROTECTION,)), root, "wrong-purpose"
    )
    deep = issue("Deep", middle, ca=True)
    found["path too long"] = Case([issue(HOST, deep, sans=(HOST,)), deep, middle], [root], "path-too-long")
    twin = issue("Root", ca=True)
    found["another key of the same name"] = Case(
        [issue(HOST, root, sans=(HOST,), key_ids=False)], [twin], "bad-signature"
    )
    found["another key of the same name, by identifier"] = Case([direct], [twin], "bad-signature")
    found["weak signature"] = Case(
        [with_sha1(issue(HOST, root, sans=(HOST,)), root)], [root], "weak-signature"
    )
    found["weak key"] = Case([issue(HOST, root, sans=(HOST,), key=rsa_key(1024))], [root], "weak-key")
    weak_root = issue("Weak Root", ca=True, key=rsa_key(1024))
    found["weak root"] = Case([issue(HOST, weak_root, sans=(HOST,))], [weak_root], "weak-key")
    sha1_root = issue("SHA-1 Root", ca=True)
    sha1_root = with_sha1(sha1_root, sha1_root)
    found["root with a weak signature"] = Case([issue(HOST, sha1_root, sans=(HOST,))], [sha1_root], None)
    p192 = issue("P-192", root, ca=True, key=ec.generate_private_key(ec.SECP192R1()))
    found["intermediate on a weak curve"] = _below(p192, root, "weak-key")
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
    found["unknown critical extension"] = Case(
        [issue(HOST, root, sans=(HOST,), extensions=((unknown, True),))], [root], "critical-extension"
    )
    found["unknown extension"] = Case(
        [issue(HOST, root, sans=(HOST,), extensions=((unknown, False),))], [root], None
    )
    limits = x509.NameConstraints([x509.DNSName("example.net")], None)
    limited = issue("Limited", root, ca=True, extensions=((limits, True),))
    found["name constraints"] = Case(
        [issue(HOST, limited, sans=(HOST,)), limited], [root], "name-constraints"
    )
    return found


_issued: dict[str, Issued] = {}


def issue_of(name: str, issuer: Issued) -> Issued:
    return _issued.setdefault(name, issue(name, issuer, ca=True))


def issued(name: str) -> Issued:
    return _issued[name]


def _below(middle: Issued, root: Issued, reason: str) -> Case:
    return Case([issue(HOST, middle, sans=(HOST,)), middle], [root], reason)


def judge(case: Case, **settings: object):
    return verify_chain(
        [one.certificate for one in case.chain],
        server_name=case.host,
        now=NOW,
        roots=[one.certificate for one in case.roots],
        **settings,
    )


@pytest.mark.parametrize("name", cases())
def test_the_verdict_and_its_reason(name):
    case = cases()[name]
    result = judge(case)
    assert result.accepted is (case.reason is None), result.findings
    if case.reason is not None:
        assert result.reasons[0].code == case.reason, result.findings
    codes = {finding.code for finding in result.findings}
    assert case.others <= codes


@pytest.mark.parametrize("name", cases())
def test_a_real_client_says_the_same(name):
    case = cases()[name]
    server = server_context([one.certificate for one in case.chain], case.chain[0].private_key)
    client = client_context([one.certificate for one in case.roots])
    if case.reason is None:
        shake_hands(client, server, case.host)
    else:
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(client, server, case.host)


def test_a_good_chain_has_nothing_to_say():
    result = judge(cases()["good"])
    assert result.findings == ()
    assert result.error is None
    assert [certificate.common_name for certificate in result.path] == [HOST, "Middle", "Root"]


def test_every_reason_is_told_not_only_the_first():
    root = issue("Root", ca=True)
    leaf = issue("x", sans=("other.example",), start=NOW - 9 * DAY, end=NOW - 3 * DAY, key=rsa_key(1024))
    result = judge(Case([leaf], [root], None))
    assert [finding.code for finding in result.reasons] == [
        "self-signed",
        "expired",
        "wrong-host",
        "weak-key",
    ]
    assert "expired on" in result.reasons[1].message
    assert "3 days ago" in result.reasons[1].message
    assert "other.example" in result.reasons[2].message


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("expired", TlsError.CertificateExpired),
        ("wrong host", TlsError.HostnameMismatch),
        ("self-signed", TlsError.CertificateVerificationFailed),
        ("missing intermediate", TlsError.CertificateVerificationFailed),
    ],
)
def test_the_error_it_amounts_to(name, kind):
    error = judge(cases()[name]).error
    assert type(error) is kind
    if isinstance(error, TlsError.CertificateExpired):
        assert error.not_after == NOW - DAY
    if isinstance(error, TlsError.HostnameMismatch):
        assert error.names == (HOST,)


def test_a_missing_intermediate_says_where_it_is():
    root = issue("Root", ca=True)
    middle = issue("Middle", root, ca=True)
    leaf = issue(HOST, middle, sans=(HOST,), extensions=(AIA,))
    reason = judge(Case([leaf], [root], None)).reasons[0]
    assert reason.code == "missing-intermediate"
    assert "http://ca.example/middle.der" in (reason.hint or "")


def test_an_issuer_known_to_be_a_root_is_not_called_an_intermediate():
    root = issue("Private Root", ca=True)
    names = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(root.name)], 7)
    leaf = issue(HOST, root, sans=(HOST,), key_ids=False, extensions=((names, False),))
    assert judge(Case([leaf], [issue("Else", ca=True)], None)).reasons[0].code == "unknown-issuer"


def test_the_common_name_is_hinted_at():
    reason = judge(cases()["wrong host, common name only"]).reasons[0]
    assert "common name" in (reason.hint or "")


def test_no_certificate():
    result = verify_chain([], server_name=HOST, now=NOW, roots=[])
    assert not result.accepted
    assert result.reasons[0].code == "no-certificate"
    assert isinstance(result.error, TlsError.CertificateVerificationFailed)


@pytest.mark.parametrize(
    "junk", [b"", b"\x30", b"\x30\x00", b"\x30\x84\xff\xff\xff\xff", b"not a certificate"]
)
def test_bytes_that_are_no_certificate(junk):
    result = verify_chain([Certificate(junk)], server_name=HOST, now=NOW, roots=[])
    assert not result.accepted
    assert result.reasons[0].code == "malformed"


def test_a_long_chain_is_cut_and_said():
    leaf = cases()["good"].chain[0].certificate
    result = verify_chain([leaf] * (MAX_CHAIN + 5), server_name=HOST, now=NOW, roots=[leaf])
    assert result.accepted
    assert "long-chain" in {finding.code for finding in result.findings}


def test_without_a_name_no_name_is_checked():
    case = cases()["wrong host"]
    result = verify_chain(
        [one.certificate for one in case.chain],
        server_name=None,
        now=NOW,
        roots=[one.certificate for one in case.roots],
    )
    assert result.accepted


def test_time_is_the_one_given():
    case = cases()["good"]
    chain = [one.certificate for one in case.chain]
    roots = [one.certificate for one in case.roots]
    assert verify_chain(chain, server_name=HOST, now=NOW + 80 * DAY, roots=roots).accepted
    late = verify_chain(chain, server_name=HOST, now=NOW + 100 * DAY, roots=roots)
    assert late.reasons[0].code == "expired"


def test_a_lower_security_level_turns_weakness_into_a_warning():
    result = judge(cases()["weak signature"], security_level=0)
    assert result.accepted
    assert [finding.code for finding in result.warnings] == ["weak-signature"]


def test_what_a_certificate_says_cannot_steer_a_terminal():
    leaf = issue("a\x1b[31mb\nc\u202e", sans=("x.example",))
    result = verify_chain([leaf.certificate], server_name="y\x1b.example", now=NOW, roots=[])
    texts = [finding.message for finding in result.findings] + [str(result.error)]
    assert all(text.isprintable() for text in texts), texts


def test_plain_data():
    data = judge(cases()["expired"]).to_dict()
    assert data["accepted"] is False
    assert data["findings"][0]["code"] == "expired"
    assert data["findings"][0]["certificate_index"] == 0
    assert data["openssl_code"] == 10
    assert Severity(data["findings"][0]["severity"]) is Severity.ERROR


def test_system_roots_are_asked_when_none_are_given():
    result = verify_chain([cases()["self-signed"].chain[0].certificate], server_name=HOST, now=NOW)
    assert not result.accepted
    assert result.reasons[0].code in ("self-signed", "no-trust-store")


def test_clients_certificates():
    root = issue("Root", ca=True)
    leaf = issue("someone", root, purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    settings = {"now": NOW, "roots": [root.certificate], "server_name": None}
    assert verify_chain([leaf.certificate], purpose="clientAuth", **settings).accepted
    assert not verify_chain([leaf.certificate], purpose="serverAuth", **settings).accepted
