"""Errors and alerts: every variant, and what OpenSSL's reasons become."""

from __future__ import annotations

import pickle
import ssl
from datetime import UTC, datetime

import pytest

from netkit.errors import NetkitError
from netkit.tls.alerts import ALERT_NAMES, alert_hint, alert_name, alert_of_reason
from netkit.tls.clear import fatal_alert_in
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.openssl_errors import from_ssl_error, from_verify_code
from netkit.tls.versions import TlsVersion
from tests.tls.memory import refusal
from tests.tls.pki import DAY, NOW, issue

VARIANTS = [
    TlsError.HandshakeFailed("no signature algorithm in common", code="X", hint="h"),
    TlsError.NotTls(b"SSH-2.0-x\r\n"),
    TlsError.EchRejected(),
    TlsError.EchRejected(b"\x00\x00", code="ServerRejectedEncryptedClientHello"),
    TlsError.AlertReceived(40),
    TlsError.UnsupportedVersion(TlsVersion.Tls10),
    TlsError.NoCipherSuites(),
    TlsError.CertificateVerificationFailed("self-signed certificate", 18),
    TlsError.CertificateExpired(datetime(2024, 5, 6, tzinfo=UTC)),
    TlsError.CertificateExpired(datetime(2024, 5, 6, tzinfo=UTC), "CN=A", 1),
    TlsError.HostnameMismatch("a.example", ("b.example",)),
    TlsError.InvalidCertificate("ends too early", "subject"),
    TlsError.InvalidKey("it is encrypted"),
    TlsError.InvalidConfig("min_version", "too new"),
    TlsError.NoTrustStore(("/etc/ssl",)),
    TlsError.UnusableFile("roots.pem", "CERTIFICATE does not end", 7, hint="h"),
    TlsError.IoError("reset", 104),
    TlsError.Truncated(),
]


def ssl_error(reason: str | None, text: str = "text") -> ssl.SSLError:
    error = ssl.SSLError(1, text)
    error.reason = reason  # type: ignore[assignment]
    return error


@pytest.mark.parametrize("error", VARIANTS, ids=lambda error: error.kind)
def test_a_variant(error):
    assert isinstance(error, TlsError)
    assert isinstance(error, NetkitError)
    assert error.layer == "tls"
    assert getattr(TlsError, type(error).__name__) is type(error)
    assert str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.hint) == (type(error), str(error), error.hint)
    assert (copy.kind, copy.stage) == (error.kind, error.stage)


def test_variants_are_what_the_built_ins_mean():
    assert isinstance(TlsError.IoError("x"), OSError)
    assert isinstance(TlsError.Truncated(), EOFError)
    assert isinstance(TlsError.InvalidKey("x"), ValueError)
    assert isinstance(TlsError.CertificateExpired(), TlsError.CertificateVerificationFailed)
    assert TlsError.IoError("reset", 104).errno == 104


def test_words():
    assert (
        str(TlsError.HostnameMismatch("a", ("b", "c"))) == "the certificate is not valid for a, but for b, c"
    )
    assert "2024-05-06" in str(VARIANTS[8])
    assert str(TlsError.AlertReceived(112)) == "the peer sent the alert unrecognized_name (112)"
    assert "SSH" in (TlsError.NotTls(b"SSH-2.0-x").hint or "")


@pytest.mark.parametrize(
    ("reason", "number"),
    [
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", 40),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", 45),
        ("TLSV1_ALERT_UNKNOWN_CA", 48),
        ("TLSV1_ALERT_PROTOCOL_VERSION", 70),
        ("TLSV1_ALERT_USER_CANCELLED", 90),
        ("TLSV1_UNRECOGNIZED_NAME", 112),
        ("TLSV1_UNSUPPORTED_EXTENSION", 110),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", 116),
        ("TLSV13_ALERT_MISSING_EXTENSION", 109),
        ("SSL/TLS_ALERT_BAD_CERTIFICATE", 42),
    ],
)
def test_alerts_by_openssls_names(reason, number):
    error = from_ssl_error(ssl_error(reason))
    assert type(error) is TlsError.AlertReceived
    assert (error.code, error.name) == (number, ALERT_NAMES[number])


def test_every_alert_that_openssl_here_can_name_is_understood():
    import _ssl

    if not hasattr(_ssl, "err_codes_to_names"):
        pytest.skip("from Python 3.12 on it does not tell what it calls OpenSSL's errors")
    names = {name for name in _ssl.err_codes_to_names.values() if name.startswith(("SSLV3_ALERT_", "TLSV1"))}
    assert names
    assert {name for name in names if alert_of_reason(name) is None} == set()


def test_an_alert_that_python_has_no_name_for_is_read_from_the_record():
    error = from_ssl_error(ssl_error(None), latest=bytes.fromhex("15030300020278"))
    assert isinstance(error, TlsError.AlertReceived)
    assert error.name == "no_application_protocol"


@pytest.mark.parametrize(
    "received",
    [
        b"",
        b"\x15\x03\x03\x00\x02\x01\x00",
        b"\x16\x03\x03\x00\x02\x02\x28",
        b"\x15\x03\x03\x00\x03\x02\x28\x00",
    ],
)
def test_bytes_that_are_no_fatal_alert(received):
    assert fatal_alert_in(received) is None


def test_unknown_alerts_have_a_number():
    assert alert_name(250) == "alert_250"
    assert alert_hint(250) is None


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("WRONG_VERSION_NUMBER", TlsError.NotTls),
        ("HTTP_REQUEST", TlsError.NotTls),
        ("UNSUPPORTED_PROTOCOL", TlsError.UnsupportedVersion),
        ("NO_PROTOCOLS_AVAILABLE", TlsError.UnsupportedVersion),
        ("NO_SHARED_CIPHER", TlsError.NoCipherSuites),
        ("NO_CIPHER_MATCH", TlsError.NoCipherSuites),
        ("KEY_VALUES_MISMATCH", TlsError.InvalidKey),
        ("UNEXPECTED_EOF_WHILE_READING", TlsError.Truncated),
        ("DH_KEY_TOO_SMALL", TlsError.HandshakeFailed),
        ("SOMETHING_NEW", TlsError.HandshakeFailed),
        (None, TlsError.HandshakeFailed),
    ],
)
def test_reasons(reason, kind):
    assert type(from_ssl_error(ssl_error(reason))) is kind


def test_a_damaged_tls_record_is_not_called_something_else():
    error = from_ssl_error(ssl_error("WRONG_VERSION_NUMBER"), received=b"\x16\x03\x01\x00\x05")
    assert type(error) is TlsError.HandshakeFailed


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (10, TlsError.CertificateExpired),
        (62, TlsError.HostnameMismatch),
        (64, TlsError.HostnameMismatch),
        (18, TlsError.CertificateVerificationFailed),
        (20, TlsError.CertificateVerificationFailed),
    ],
)
def test_verification_codes(code, kind):
    error = from_verify_code(code, "words", "host.example")
    assert type(error) is kind
    assert error.code in (code, 62)
    assert error.hint


def test_versions():
    assert [version.as_str for version in TlsVersion] == ["TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"]
    assert [version.wire_version for version in TlsVersion] == [(3, 1), (3, 2), (3, 3), (3, 4)]
    assert [version.is_secure for version in TlsVersion] == [False, False, True, True]
    assert TlsVersion.from_wire(3, 3) is TlsVersion.Tls12
    assert TlsVersion.from_wire(3, 0) is None
    assert TlsVersion.Tls10 < TlsVersion.Tls13


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.2", TlsVersion.Tls12),
        ("TLS 1.3", TlsVersion.Tls13),
        ("TLSv1.1", TlsVersion.Tls11),
        ("tls1", TlsVersion.Tls10),
        ("tls12", TlsVersion.Tls12),
    ],
)
def test_versions_from_text(text, version):
    assert TlsVersion.parse(text) is version


@pytest.mark.parametrize("text", ["", "1.4", "ssl3", "2", "tls"])
def test_no_versions(text):
    with pytest.raises(ValueError, match=r"1\.0, 1\.1, 1\.2 or 1\.3"):
        TlsVersion.parse(text)


def test_an_expired_root_is_not_dated_by_the_certificates_that_are_valid() -> None:
    root = issue("Old Root", ca=True, start=NOW - 9 * DAY, end=NOW - DAY)
    leaf = issue("x.example", root, sans=("x.example",))
    client = TlsConfig.client().with_root_certs([root.certificate])
    server = TlsConfig.server().with_identity(leaf.certificate, leaf.private_key)
    error = refusal(client, server, "x.example")
    assert isinstance(error, TlsError.CertificateExpired)
    assert (error.not_after, error.subject, error.index) == (NOW - DAY, "CN=Old Root", None)
    assert str(error).startswith("the trusted certificate CN=Old Root expired on ")


def test_an_expired_intermediate_is_named() -> None:
    root = issue("Root", ca=True)
    middle = issue("Middle", root, ca=True, start=NOW - 9 * DAY, end=NOW - DAY)
    leaf = issue("x.example", middle, sans=("x.example",))
    client = TlsConfig.client().with_root_certs([root.certificate])
    server = TlsConfig.server().with_identity([leaf.certificate, middle.certificate], leaf.private_key)
    error = refusal(client, server, "x.example")
    assert isinstance(error, TlsError.CertificateExpired)
    assert str(error).startswith("certificate 1 of the chain (CN=Middle) expired on ")
    assert error.index == 1
