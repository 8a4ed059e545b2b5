"""Probes: what a report holds, whatever the server does."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from netkit.io import CancellationError, CancellationToken, DeadlineExceeded
from netkit.net import ConnectError, ResolveError
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.probe import probe, probe_async
from netkit.tls.versions import TlsVersion
from tests.tls.pki import DAY, NOW, issue
from tests.tls.serving import echoing, listening

if TYPE_CHECKING:
    from netkit.net import TcpStream

ROOT = issue("Root", ca=True)
MIDDLE = issue("Middle", ROOT, ca=True, end=NOW + 30 * DAY)
LEAF = issue("localhost", MIDDLE, sans=("localhost", "127.0.0.1"))
SERVER = TlsConfig.server().with_identity([LEAF.certificate, MIDDLE.certificate], LEAF.private_key)
ROOTS = [ROOT.certificate]


def test_all_of_it() -> None:
    with listening(echoing(SERVER.with_alpn(["http/1.1"]))) as port:
        report = probe("localhost", port, roots=ROOTS, family=socket.AF_INET, timeout=5)
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
    assert report.resolve_s is not None
    assert report.handshake_s is not None
    assert min(report.resolve_s, report.connect_s, report.handshake_s) >= 0
    assert report.probed_at.tzinfo is UTC


def test_async() -> None:
    with listening(echoing(SERVER)) as port:
        report = asyncio.run(probe_async("127.0.0.1", port, roots=ROOTS, timeout=5))
    assert report.accepted
    assert report.resolve_s is None
    assert report.server_name == "127.0.0.1"


def test_a_chain_that_does_not_verify_is_shown_all_the_same() -> None:
    with listening(echoing(SERVER)) as port:
        report = probe("127.0.0.1", port, server_name="other.example", roots=ROOTS, timeout=5)
    assert not report.accepted
    assert report.error is None
    assert isinstance(report.failure, TlsError.HostnameMismatch)
    assert report.chain == (LEAF.certificate, MIDDLE.certificate)
    assert report.cipher is not None


def test_the_moment_is_the_callers() -> None:
    with listening(echoing(SERVER)) as port:
        report = probe("127.0.0.1", port, roots=ROOTS, now=NOW + 40 * DAY, timeout=5)
    assert isinstance(report.failure, TlsError.CertificateExpired)
    assert report.days_left == -10


def test_a_handshake_that_breaks_down_is_a_report() -> None:
    with listening(echoing(SERVER.with_min_version(TlsVersion.Tls13))) as port:
        report = probe("127.0.0.1", port, roots=ROOTS, max_version=TlsVersion.Tls12, timeout=5)
    assert not report.accepted
    assert isinstance(report.error, TlsError.AlertReceived)
    assert report.error.name == "protocol_version"
    assert report.failure is report.error
    assert (report.version, report.cipher, report.chain, report.verification) == (None, None, (), None)
    assert report.handshake_s is None
    assert report.days_left is None


def test_what_was_learnt_before_the_handshake_broke_down_is_kept() -> None:
    config = SERVER.with_root_certs(ROOTS).with_verify_mode(CertVerifyMode.Full)
    with listening(
        echoing(config)
    ) as port:  # in TLS 1.2 a client without a certificate is told in the handshake
        report = probe("127.0.0.1", port, roots=ROOTS, max_version=TlsVersion.Tls12, timeout=5)
    assert isinstance(report.error, TlsError.AlertReceived)
    assert report.chain == (LEAF.certificate, MIDDLE.certificate)
    assert report.verification is not None
    assert report.verification.accepted
    assert not report.accepted
    assert report.version is TlsVersion.Tls12


def test_old_versions_where_they_are_asked_for() -> None:
    old = SERVER.with_min_version(TlsVersion.Tls10).with_max_version(TlsVersion.Tls10)
    with listening(echoing(old)) as port:
        refused = probe("127.0.0.1", port, roots=ROOTS, timeout=5)
        report = probe("127.0.0.1", port, roots=ROOTS, min_version=TlsVersion.Tls10, timeout=5)
    assert isinstance(refused.error, (TlsError.AlertReceived, TlsError.UnsupportedVersion))
    assert report.accepted
    assert report.version is TlsVersion.Tls10


def test_what_is_not_tls() -> None:
    def greet(stream: TcpStream) -> None:
        stream.write_all(b"220 mail.example ESMTP\r\n")

    with listening(greet) as port:
        report = probe("127.0.0.1", port, roots=ROOTS, timeout=5)
    assert isinstance(report.error, TlsError.NotTls)


def test_no_connection_is_no_report() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ConnectError):
        probe("127.0.0.1", port, timeout=5)
    with pytest.raises(ResolveError):
        probe("127.0.0.1", port, family=socket.AF_INET6, timeout=5)
    with pytest.raises(TlsError.InvalidConfig):
        probe("127.0.0.1", port, server_name="not a name", timeout=5)


def test_a_silent_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(DeadlineExceeded, match="in the TLS handshake with 127"):
            probe("127.0.0.1", port, timeout=0.05)
        token = CancellationToken()
        token.cancel()
        with pytest.raises(CancellationError):
            probe("127.0.0.1", port, cancel=token)
