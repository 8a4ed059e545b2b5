"""Probes: what a report holds, whatever the server does."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC
from typing import TYPE_CHECKING

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from netkit.io import CancellationError, CancellationToken, DeadlineExceeded
from netkit.net import ConnectError, ResolveError, TcpStream
from netkit.tls.alerts import alert_name
from netkit.tls.backend import Capability
from netkit.tls.backends import find_backend, names, why_absent
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.heard import Heard
from netkit.tls.hello import (
    Alert,
    CertificateRequest,
    CipherSuite,
    ClientCertificateType,
    ServerHello,
    SignatureScheme,
    to_records,
)
from netkit.tls.probe.probing import LONGEST_LOOK, look_until, probe, probe_async
from netkit.tls.probe.report import DEFAULT_ALPN, ProbeOptions
from netkit.tls.starttls import StartTlsReport, starttls_flow
from netkit.tls.throwaway import CertificateFault, ThrowawayAuthority
from netkit.tls.verifying.flight import certificate_flight
from netkit.tls.versions import TlsVersion
from netkit.tls.x509.der import split_certificate
from netkit.tls.x509.names import name_text_of
from tests.tls.pki import DAY, NOW, issue, rsa_key
from tests.tls.serving import echoing, listening

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from netkit.io import ByteStream, Flow

ROOT = issue("Root", ca=True)
MIDDLE = issue("Middle", ROOT, ca=True, end=NOW + 30 * DAY)
LEAF = issue("localhost", MIDDLE, sans=("localhost", "127.0.0.1"))
SERVER = TlsConfig.server().with_identity([LEAF.certificate, MIDDLE.certificate], LEAF.private_key)
ROOTS = [ROOT.certificate]
CLIENT = TlsConfig(root_certs=tuple(ROOTS), alpn_protocols=DEFAULT_ALPN)
TRUSTING = ProbeOptions(CLIENT)
HERE = [name for name in names() if why_absent(name) is None]
#: Those with the oldest version that the settings here take.
BACKENDS = [name for name in HERE if Capability.Tls12 in find_backend(name).capabilities("client")]


def test_all_of_it() -> None:
    with listening(echoing(SERVER.with_alpn(["http/1.1"]))) as port:
        report = probe("localhost", port, ProbeOptions(CLIENT, family=socket.AF_INET), timeout=5)
    assert report.accepted
    assert report.failure is None
    assert report.error is None
    assert (report.host, report.port, report.server_name) == ("localhost", port, "localhost")
    assert str(report.addr) == f"127.0.0.1:{port}"
    assert [attempt.won for attempt in report.attempts] == [True]
    assert report.version is TlsVersion.Tls13
    assert report.cipher is not None
    assert (report.alpn, report.alpn_offered) == ("http/1.1", ("h2", "http/1.1"))
    assert report.chain == (LEAF.certificate, MIDDLE.certificate)
    assert report.verification is not None
    assert report.verification.path == (LEAF.certificate, MIDDLE.certificate, ROOT.certificate)
    assert report.days_left == 29  # of the intermediate, which expires first
    times = report.times
    assert times.before_tls is None
    assert None not in (times.resolve, times.first_byte, times.handshake)
    assert 0 < (times.first_byte or 0) <= (times.handshake or 0)
    assert min(report.traffic) > 100
    assert report.backend == "ssl"
    assert report.group == "x25519"
    assert report.client_certificate == "unknown"
    assert report.probed_at.tzinfo is UTC


def test_async() -> None:
    with listening(echoing(SERVER)) as port:
        report = asyncio.run(probe_async("127.0.0.1", port, TRUSTING, timeout=5))
    assert report.accepted
    assert report.times.resolve is None
    assert report.server_name == "127.0.0.1"


def test_a_chain_that_does_not_verify_is_shown_all_the_same() -> None:
    with listening(echoing(SERVER)) as port:
        report = probe("127.0.0.1", port, ProbeOptions(CLIENT, server_name="other.example"), timeout=5)
    assert not report.accepted
    assert report.error is None
    assert isinstance(report.failure, TlsError.HostnameMismatch)
    assert report.chain == (LEAF.certificate, MIDDLE.certificate)
    assert report.cipher is not None


def test_the_moment_is_the_callers() -> None:
    with listening(echoing(SERVER)) as port:
        report = probe("127.0.0.1", port, ProbeOptions(CLIENT, now=NOW + 40 * DAY), timeout=5)
    assert isinstance(report.failure, TlsError.CertificateExpired)
    assert report.days_left == -10


def test_a_handshake_that_breaks_down_is_a_report() -> None:
    with listening(echoing(SERVER.with_min_version(TlsVersion.Tls13))) as port:
        report = probe("127.0.0.1", port, ProbeOptions(CLIENT.with_max_version(TlsVersion.Tls12)), timeout=5)
    assert not report.accepted
    assert isinstance(report.error, TlsError.AlertReceived)
    assert report.error.name == "protocol_version"
    assert report.failure is report.error
    assert (report.version, report.cipher, report.chain, report.verification) == (None, None, (), None)
    assert report.times.handshake is None
    assert report.days_left is None


def test_what_was_learnt_before_the_handshake_broke_down_is_kept() -> None:
    config = SERVER.with_root_certs(ROOTS).with_verify_mode(CertVerifyMode.Full)
    with listening(
        echoing(config)
    ) as port:  # in TLS 1.2 a client without a certificate is told in the handshake
        report = probe("127.0.0.1", port, ProbeOptions(CLIENT.with_max_version(TlsVersion.Tls12)), timeout=5)
    assert isinstance(report.error, TlsError.AlertReceived)
    assert report.chain == (LEAF.certificate, MIDDLE.certificate)
    assert report.verification is not None
    assert report.verification.accepted
    assert not report.accepted
    assert report.version is TlsVersion.Tls12


def test_old_versions_where_they_are_asked_for() -> None:
    old = SERVER.with_min_version(TlsVersion.Tls10).with_max_version(TlsVersion.Tls10)
    with listening(echoing(old)) as port:
        refused = probe("127.0.0.1", port, TRUSTING, timeout=5)
        report = probe("127.0.0.1", port, ProbeOptions(CLIENT.with_min_version(TlsVersion.Tls10)), timeout=5)
    assert isinstance(refused.error, (TlsError.AlertReceived, TlsError.UnsupportedVersion))
    assert report.accepted
    assert report.version is TlsVersion.Tls10


def test_what_is_not_tls() -> None:
    def greet(stream: TcpStream) -> None:
        stream.write_all(b"220 mail.example ESMTP\r\n")

    with listening(greet) as port:
        report = probe("127.0.0.1", port, TRUSTING, timeout=5)
    assert isinstance(report.error, TlsError.NotTls)


def test_no_connection_is_no_report() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ConnectError):
        probe("127.0.0.1", port, timeout=5)
    with pytest.raises(ResolveError):
        probe("127.0.0.1", port, ProbeOptions(family=socket.AF_INET6), timeout=5)
    with pytest.raises(TlsError.InvalidConfig):
        probe("127.0.0.1", port, ProbeOptions(server_name="not a name"), timeout=5)


def test_a_silent_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(DeadlineExceeded, match="in the TLS handshake with 127"):
            probe("127.0.0.1", port, timeout=0.05)
        token = CancellationToken()
        token.cancel()
        with pytest.raises(CancellationError):
            probe("127.0.0.1", port, cancel=token)


# Client certificates.

OTHER_ROOT = issue("Other Root", ca=True)
PERSON = issue("someone", ROOT, purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,))
STRANGER = issue("stranger", OTHER_ROOT, purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,))
ASKING = SERVER.with_root_certs(ROOTS).with_verify_mode(CertVerifyMode.Full)


@pytest.mark.parametrize("version", [TlsVersion.Tls12, TlsVersion.Tls13])
@pytest.mark.parametrize("backend", BACKENDS)
def test_client_certificates(backend: str, version: TlsVersion) -> None:
    client = CLIENT.replace(backend=backend, max_version=version)
    tells = Capability.ClientAuthRequest in find_backend(backend).capabilities("client")
    knows = tells or version is TlsVersion.Tls12
    with listening(echoing(SERVER)) as port:
        report = probe("127.0.0.1", port, ProbeOptions(client), timeout=5)
        assert report.accepted
        assert report.client_certificate == ("none" if knows else "unknown")
    with listening(echoing(ASKING.replace(client_auth_optional=True))) as port:
        report = probe("127.0.0.1", port, ProbeOptions(client), timeout=5)
        assert report.accepted
        assert report.client_certificate == ("optional" if knows else "unknown")
    with listening(echoing(ASKING)) as port:
        report = probe("127.0.0.1", port, ProbeOptions(client), timeout=5)
        assert not report.accepted
        assert report.client_certificate == "required"
        assert isinstance(report.error, TlsError.AlertReceived)
        assert report.error.hint == "the peer wants a client certificate"
        assert (report.times.handshake is None) is (version is TlsVersion.Tls12)
        given = client.with_identity(PERSON.certificate, PERSON.private_key)
        report = probe("127.0.0.1", port, ProbeOptions(given), timeout=5)
        assert report.accepted
        assert report.client_certificate == ("requested" if knows else "unknown")
        wrong = client.with_identity(STRANGER.certificate, STRANGER.private_key)
        report = probe("127.0.0.1", port, ProbeOptions(wrong), timeout=5)
        assert not report.accepted
        assert isinstance(report.error, TlsError.AlertReceived)
        assert report.error.name == "unknown_ca"
        assert report.client_certificate == ("requested" if knows else "unknown")


def test_a_client_that_refuses_hears_of_client_certificates_all_the_same() -> None:
    with listening(echoing(ASKING)) as port:
        options = ProbeOptions(CLIENT, server_name="other.example")
        report = probe("127.0.0.1", port, options, timeout=5)
    assert report.client_certificate == "required"
    assert isinstance(report.failure, TlsError.HostnameMismatch)
    assert report.error is None
    assert "handshake" in [finding.code for finding in report.observations]


def test_the_names_of_authorities() -> None:
    hello = ServerHello(bytes(32), CipherSuite(0xC02B))
    name = split_certificate(ROOT.certificate.der_data).subject
    request = CertificateRequest((ClientCertificateType(64),), (SignatureScheme(0x0403),), (name, b"\x30"))
    heard = Heard.in_clear(to_records(hello.to_bytes() + request.to_bytes()))
    found = heard.certificate_request(TlsVersion.Tls12)
    assert found is not None
    assert [name_text_of(one) for one in found.ca_names] == ["CN=Root", "30"]


# How often it connects.


def counting(serve: Callable[[TcpStream], None], counts: list[int]) -> Callable[[TcpStream], None]:
    def counted(stream: TcpStream) -> None:
        counts.append(1)
        serve(stream)

    return counted


def test_only_a_refused_server_gets_a_second_connection() -> None:
    counts: list[int] = []
    with listening(counting(echoing(SERVER), counts)) as port:
        report = probe("127.0.0.1", port, TRUSTING, timeout=5)
        assert (report.accepted, len(counts)) == (True, 1)
        assert report.refusal is None
        report = probe("127.0.0.1", port, ProbeOptions(CLIENT, server_name="other.example"), timeout=5)
        assert (report.accepted, len(counts)) == (False, 3)
    assert isinstance(report.refusal, TlsError.HostnameMismatch)
    assert report.verification is not None
    assert report.verification.judge.startswith("OpenSSL ")
    assert report.verification.openssl_code == 62
    assert report.times.handshake is not None
    assert report.group == "x25519"


def test_the_verdict_is_the_connections() -> None:
    """An underscore under a wildcard: browsers accept it, OpenSSL does not."""
    leaf = issue("x", ROOT, sans=("*.example.com",))
    server = TlsConfig.server().with_identity(leaf.certificate, leaf.private_key)
    with listening(echoing(server)) as port:
        report = probe("127.0.0.1", port, ProbeOptions(CLIENT, server_name="a_b.example.com"), timeout=5)
    assert not report.accepted
    assert isinstance(report.refusal, TlsError.HostnameMismatch)
    assert [finding.code for finding in report.findings] == ["wrong-host"]
    assert "browsers" in (report.findings[0].hint or "")


def test_the_callers_verifier_decides() -> None:
    def refuse(chain: object, name: object) -> None:
        raise TlsError.CertificateVerificationFailed("not today")

    with listening(echoing(SERVER)) as port:
        report = probe("127.0.0.1", port, ProbeOptions(CLIENT.with_verifier(refuse)), timeout=5)
        assert not report.accepted
        assert str(report.failure) == "the certificate was not accepted: not today"
        lenient = TlsConfig(root_certs=(OTHER_ROOT.certificate,)).with_verifier(lambda chain, name: None)
        report = probe("127.0.0.1", port, ProbeOptions(lenient), timeout=5)
        assert report.accepted
        assert report.verification is not None
        assert not report.verification.accepted


# What comes before TLS, and after it.


def test_a_dialogue_before_tls() -> None:
    def serve(stream: TcpStream) -> None:
        stream.write_all(b"220 mail.example ESMTP\r\n")
        stream.read_until(b"\r\n")
        stream.write_all(b"250-mail.example\r\n250 STARTTLS\r\n")
        stream.read_until(b"\r\n")
        stream.write_all(b"220 go ahead\r\n")
        echoing(SERVER)(stream)

    def smtp(stream: ByteStream) -> Flow[object]:
        return (yield from starttls_flow(stream, "smtp", host="localhost"))

    with listening(serve) as port:
        report = probe("127.0.0.1", port, ProbeOptions(CLIENT, before_tls=smtp), timeout=5)
        assert report.accepted
        assert isinstance(report.dialogue, StartTlsReport)
        assert report.dialogue.protocol == "smtp"
        assert report.times.before_tls is not None
        wrong = ProbeOptions(CLIENT, before_tls=smtp, server_name="other.example")
        report = probe("127.0.0.1", port, wrong, timeout=5)  # the second connection has a dialogue too
        assert report.times.handshake is not None
    with listening(echoing(SERVER)) as port, pytest.raises(DeadlineExceeded):
        probe("127.0.0.1", port, ProbeOptions(CLIENT, before_tls=smtp), timeout=0.05)


def test_another_way_to_connect() -> None:
    asked: list[tuple[str, int]] = []
    with listening(echoing(SERVER)) as port:

        def dial(host: str, wanted: int) -> Flow[TcpStream]:
            asked.append((host, wanted))
            return (yield from TcpStream.connect_flow(("127.0.0.1", port)))

        report = probe("localhost", 443, ProbeOptions(CLIENT, dial=dial), timeout=5)
    assert report.accepted
    assert asked == [("localhost", 443)]
    assert report.addr.port == port
    assert report.times.resolve is None


@pytest.mark.parametrize("version", [TlsVersion.Tls12, TlsVersion.Tls13])
@pytest.mark.parametrize("backend", BACKENDS)
def test_resumption(backend: str, version: TlsVersion) -> None:
    client = CLIENT.replace(backend=backend, max_version=version)
    with listening(echoing(SERVER)) as port:
        report = probe("127.0.0.1", port, ProbeOptions(client, resume=True), timeout=5)
        assert report.accepted
        assert report.resumption is not None
        assert report.resumption.tickets >= 1
        assert report.resumption.resumed is True
        assert report.resumption.error is None
        assert (report.resumption.handshake or 0) > 0
        assert probe("127.0.0.1", port, ProbeOptions(client), timeout=5).resumption is None
        refused = probe(
            "127.0.0.1", port, ProbeOptions(client, server_name="other.example", resume=True), timeout=5
        )
        assert not refused.accepted
        assert refused.resumption is not None
        assert refused.resumption.resumed is True, "what a refused server shows is shown all the same"


def test_early_data() -> None:
    server = SERVER.replace(backend="pyopenssl", max_early_data=1000)
    options = ProbeOptions(CLIENT.replace(backend="pyopenssl"), resume=True, early_data=b"hello")
    with listening(echoing(server)) as port:
        report = probe("127.0.0.1", port, options, timeout=5)
    assert report.resumption is not None
    assert (report.resumption.max_early_data, report.resumption.early_data) == (1000, True)


def test_a_server_that_is_silent_the_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netkit.tls.probe.probing.LONGEST_LOOK", 0.05)
    counts: list[int] = []

    def serve(stream: TcpStream) -> None:
        counts.append(1)
        if len(counts) == 1:
            echoing(SERVER)(stream)
        else:
            while stream.read(timeout=5):
                pass

    with listening(serve) as port:
        report = probe("127.0.0.1", port, ProbeOptions(CLIENT, server_name="other.example"), timeout=5)
        assert isinstance(report.failure, TlsError.HostnameMismatch)
        assert report.times.handshake is None
        assert report.chain == (LEAF.certificate, MIDDLE.certificate)
        counts.clear()
        report = probe("127.0.0.1", port, ProbeOptions(CLIENT, resume=True), timeout=5)
        assert report.accepted
        assert report.resumption is not None
        assert report.resumption.resumed is None
        assert "timed out" in (report.resumption.error or "")


def test_a_server_that_gives_no_tickets() -> None:
    with listening(echoing(SERVER.replace(tickets=0, min_version=TlsVersion.Tls13))) as port:
        report = probe("127.0.0.1", port, ProbeOptions(CLIENT, resume=True, longest_wait=0.05), timeout=5)
    assert report.accepted
    assert report.resumption is not None
    assert (report.resumption.tickets, report.resumption.resumed) == (0, None)


def test_old_protocols_are_a_finding_and_relax_nothing() -> None:
    old = SERVER.with_min_version(TlsVersion.Tls10).with_max_version(TlsVersion.Tls10)
    client = CLIENT.with_min_version(TlsVersion.Tls10)
    with listening(echoing(old)) as port:
        report = probe("127.0.0.1", port, ProbeOptions(client), timeout=5)
    assert report.accepted
    assert [finding.code for finding in report.findings] == ["old-protocol"]
    weak = issue("localhost", ROOT, sans=("127.0.0.1",), key=rsa_key(1024))
    with listening(echoing(old.with_identity(weak.certificate, weak.private_key))) as port:
        report = probe("127.0.0.1", port, ProbeOptions(client), timeout=5)
    assert report.version is TlsVersion.Tls10
    assert not report.accepted
    assert [finding.code for finding in report.findings] == ["weak-key", "old-protocol"]


def test_a_staple_that_is_missing() -> None:
    presented = ThrowawayAuthority().faulty(("127.0.0.1",), CertificateFault.MustStaple)
    assert presented.root is not None
    server = TlsConfig.server().with_identity(presented.chain, presented.key)
    client = TlsConfig(root_certs=(presented.root,))
    with listening(echoing(server)) as port:
        report = probe("127.0.0.1", port, ProbeOptions(client), timeout=5)
        assert report.findings == ()
        report = probe("127.0.0.1", port, ProbeOptions(client.replace(request_ocsp=True)), timeout=5)
    assert report.accepted
    assert report.backend == "pyopenssl"
    assert [finding.code for finding in report.findings] == ["no-staple"]


@pytest.mark.parametrize("version", [TlsVersion.Tls12, TlsVersion.Tls13])
def test_a_staple(version: TlsVersion) -> None:
    presented = ThrowawayAuthority().faulty(("127.0.0.1",), CertificateFault.Revoked)
    assert presented.root is not None
    server = TlsConfig.server().with_identity(presented.chain, presented.key)
    client = TlsConfig(root_certs=(presented.root,), request_ocsp=True, max_version=version)
    with listening(echoing(server.replace(ocsp_response=presented.staple))) as port:
        report = probe("127.0.0.1", port, ProbeOptions(client), timeout=5)
    assert report.accepted
    assert report.ocsp_response == presented.staple
    assert [finding.code for finding in report.findings] == ["revoked"]


# What servers send that is no TLS, or no certificate.


def answering(make: Callable[[bytes], bytes]) -> Callable[[TcpStream], None]:
    """Answer the ClientHello with bytes, and wait until the client goes."""

    def serve(stream: TcpStream) -> None:
        stream.write_all(make(stream.read()))
        while stream.read():
            pass

    return serve


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "plain HTTP"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "an SSH server"),
        (b"220 mail.example ESMTP\r\n", "STARTTLS"),
        (b"* OK IMAP4rev1 ready\r\n", "an IMAP server"),
    ],
)
def test_plain_protocols_are_named(answer: bytes, words: str) -> None:
    with listening(answering(lambda hello: answer)) as port:
        report = probe("127.0.0.1", port, TRUSTING, timeout=5)
    assert isinstance(report.error, TlsError.NotTls)
    assert words in (report.error.hint or "")


@pytest.mark.parametrize("number", [10, 40, 42, 47, 49, 70, 71, 80, 86, 109, 112, 116, 120, 255])
def test_each_alert_by_number_and_name(number: int) -> None:
    with listening(answering(lambda hello: Alert.fatal(number).to_record())) as port:
        report = probe("127.0.0.1", port, TRUSTING, timeout=5)
    assert isinstance(report.error, TlsError.AlertReceived)
    assert str(report.error) == f"the peer sent the alert {alert_name(number)} ({number})"


def test_certificates_that_cannot_be_read_are_shown_as_such() -> None:
    def flight(hello: bytes) -> bytes:
        made = certificate_flight(hello, [LEAF.certificate.der_data, b"0\x82\x01\x00no certificate"])
        assert made is not None
        return made

    with listening(answering(flight)) as port:
        report = probe("127.0.0.1", port, TRUSTING, timeout=5)
    assert isinstance(report.error, TlsError.HandshakeFailed)
    assert "a certificate that cannot be read" in str(report.error)
    assert report.chain[0] == LEAF.certificate
    assert report.findings[0].code == "malformed"
    assert report.findings[0].index == 1
    assert not report.accepted


def test_a_chain_of_seventy() -> None:
    presented = ThrowawayAuthority().faulty(("127.0.0.1",), CertificateFault.LongChain)
    assert presented.root is not None
    server = TlsConfig.server().with_identity(presented.chain, presented.key)
    with listening(echoing(server)) as port:
        report = probe("127.0.0.1", port, ProbeOptions(TlsConfig(root_certs=(presented.root,))), timeout=5)
    assert report.accepted
    assert report.verification is not None
    assert len(report.verification.path) == 72


def test_a_chain_that_is_too_long() -> None:
    sent = [LEAF.certificate.der_data] * 300
    with listening(answering(lambda hello: certificate_flight(hello, sent) or b"")) as port:
        report = probe("127.0.0.1", port, TRUSTING, timeout=5)
    assert "100 KiB" in str(report.error)
    assert not report.accepted


def test_a_machine_with_broken_roots_does_not_connect(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "roots.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\nno certificate\n-----END CERTIFICATE-----\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    counts: list[int] = []
    with listening(counting(echoing(SERVER), counts)) as port, pytest.raises(TlsError, match=r"roots\.pem"):
        probe("127.0.0.1", port, timeout=5)
    assert counts == []


@pytest.mark.once
@pytest.mark.parametrize(
    ("now", "timeout", "until"),
    [
        (100.0, None, 100.0 + LONGEST_LOOK),
        (100.0, 60.0, 100.0 + LONGEST_LOOK),
        (100.0, 3.0, 102.7),
        (103.0, 3.0, 102.7),
    ],
)
def test_a_further_connection_leaves_time_to_report_the_first(
    now: float, timeout: float | None, until: float
) -> None:
    assert look_until(now, 100.0, timeout) == pytest.approx(until)
