"""Trust settings as the openssl command writes them, and what it makes of them: a distrust stays one."""

from __future__ import annotations

import logging
import pickle
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from netkit.net import TcpStream
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.stream import TlsStream
from netkit.tls.verifying.roots import SystemCerts
from netkit.tls.verifying.verify import verify_chain
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.der import DerError, encode
from netkit.tls.x509.trust import TrustSettings, parse_trust
from tests.cli.helpers import run_netkit
from tests.conftest import require_peer
from tests.tls.pki import NOW, Issued, issue
from tests.tls.serving import echoing, listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# None of this uses a twin.
pytestmark = pytest.mark.once

HOST = "www.example.com"
ROOT = issue("Root", ca=True)
MIDDLE = issue("Middle", ROOT, ca=True)
LEAF = issue(HOST, MIDDLE, sans=(HOST, "127.0.0.1"))
CHAIN = [LEAF.certificate, MIDDLE.certificate]
OTHER = issue("Other", ca=True)

SERVER, CLIENT, MAIL, ANY = "serverAuth", "clientAuth", "emailProtection", "anyExtendedKeyUsage"

#: Here `openssl x509`, which clears before it adds, is run again on what it wrote.
AGAIN = "again"

#: What openssl is told, and the settings that come of it.
SETTINGS: dict[str, tuple[tuple[str, ...], TrustSettings | None]] = {
    "none": ((), None),
    "alias": (("-setalias", "Grüße"), TrustSettings(None, (), "Grüße")),
    "trust cleared": (("-addtrust", MAIL, AGAIN, "-clrtrust"), TrustSettings()),
    "reject cleared": (
        ("-addreject", SERVER, AGAIN, "-clrreject", "-setalias", "x"),
        TrustSettings(alias="x"),
    ),
    "trust cleared, reject left": (
        ("-addtrust", SERVER, "-addreject", SERVER, AGAIN, "-clrtrust"),
        TrustSettings(None, (SERVER,)),
    ),
    "trust": (("-addtrust", SERVER), TrustSettings((SERVER,))),
    "trust other": (("-addtrust", MAIL, "-setalias", "mail only"), TrustSettings((MAIL,), (), "mail only")),
    "trust any": (("-addtrust", ANY), TrustSettings((ANY,))),
    "trust client": (("-addtrust", CLIENT), TrustSettings((CLIENT,))),
    "trust unnamed": (("-addtrust", "1.2.3.4"), TrustSettings(("1.2.3.4",))),
    "reject": (("-addreject", SERVER), TrustSettings(None, (SERVER,))),
    "reject other": (("-addreject", MAIL), TrustSettings(None, (MAIL,))),
    "reject any": (("-addreject", ANY), TrustSettings(None, (ANY,))),
    "both": (
        ("-addtrust", SERVER, "-addreject", MAIL, "-setalias", "a"),
        TrustSettings((SERVER,), (MAIL,), "a"),
    ),
    "both, reject first": (
        ("-setalias", "a", "-addreject", MAIL, "-addtrust", SERVER),
        TrustSettings((SERVER,), (MAIL,), "a"),
    ),
    "both the same": (("-addtrust", SERVER, "-addreject", SERVER), TrustSettings((SERVER,), (SERVER,))),
    "two": (
        ("-addtrust", CLIENT, "-addtrust", SERVER, "-addreject", MAIL, "-addreject", "codeSigning"),
        TrustSettings((CLIENT, SERVER), (MAIL, "codeSigning")),
    ),
}


@cache
def block(name: str, issued: Issued = ROOT) -> str:
    """The certificate as `openssl x509 -trustout` writes it with these settings."""
    text, arguments = issued.pem, list(SETTINGS[name][0])
    while True:
        end = arguments.index(AGAIN) if AGAIN in arguments else len(arguments)
        argv = [require_peer("openssl"), "x509", "-trustout", *arguments[:end]]
        text = subprocess.run(argv, input=text, capture_output=True, text=True, check=True).stdout
        if end == len(arguments):
            return text
        del arguments[: end + 1]


def openssl_accepts(path: Path, purpose: str = "sslserver") -> bool:
    """Whether OpenSSL accepts the chain with the certificates of a file as what is trusted."""
    folder = path.parent
    (folder / "leaf.pem").write_text(LEAF.pem)
    (folder / "middle.pem").write_text(MIDDLE.pem)
    argv = [require_peer("openssl"), "verify", "-partial_chain", "-purpose", purpose, "-no-CApath"]
    argv += ["-no-CAstore", "-CAfile", str(path), "-untrusted", str(folder / "middle.pem")]
    done = subprocess.run([*argv, str(folder / "leaf.pem")], capture_output=True, text=True, check=False)
    return done.returncode == 0


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with listening(echoing(TlsConfig.server().with_identity(CHAIN, LEAF.private_key))) as port:
        yield port


def connects(port: int, config: TlsConfig) -> bool:
    stream = TcpStream.connect(("127.0.0.1", port), timeout=5)
    try:
        with TlsStream.connect(stream, HOST, config, timeout=5) as tls:
            tls.write_all(b"x", timeout=5)
            return tls.read(1, timeout=5) == b"x"
    except TlsError.CertificateVerificationFailed:
        return False


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_read(name: str) -> None:
    text = block(name)
    assert "BEGIN TRUSTED CERTIFICATE" in text
    certificate = Certificate.from_pem(text)
    expected = SETTINGS[name][1]
    assert certificate.trust == expected
    assert certificate == ROOT.certificate
    assert pickle.loads(pickle.dumps(certificate)).trust == expected
    assert Certificate.from_pem(certificate.to_pem()).trust is None


@pytest.mark.parametrize("name", SETTINGS)
def test_the_verdict_is_openssls(name: str, tmp_path: Path, server: int) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(block(name) + OTHER.pem)
    accepted = openssl_accepts(path)
    roots = Certificate.from_pem_chain(path.read_text())
    config = TlsConfig.client().with_root_certs(roots)
    assert (ROOT.certificate in config.root_certs) is accepted
    assert (ROOT.certificate in config.distrusted_certs) is not accepted
    assert connects(server, config) is accepted
    judged = verify_chain(CHAIN, server_name=HOST, now=NOW, roots=roots)
    assert judged.accepted is accepted
    assert ("distrusted" in [finding.code for finding in judged.findings]) is not accepted


@pytest.mark.parametrize("name", SETTINGS)
def test_as_a_server_judges_clients(name: str, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(block(name) + OTHER.pem)
    config = TlsConfig(is_server=True, root_certs=tuple(Certificate.from_pem_chain(path.read_text())))
    assert (ROOT.certificate in config.root_certs) is openssl_accepts(path, "sslclient")


@pytest.mark.parametrize("name", ["reject", "reject any", "trust other"])
@pytest.mark.parametrize("order", ["first", "last"])
def test_a_distrusted_intermediate(name: str, order: str, tmp_path: Path, server: int) -> None:
    """Its root is trusted; nothing that leads through it is."""
    blocks = [block(name, MIDDLE), ROOT.pem]
    path = tmp_path / "ca.pem"
    path.write_text("".join(blocks if order == "first" else reversed(blocks)))
    assert not openssl_accepts(path)
    roots = Certificate.from_pem_chain(path.read_text())
    assert not connects(server, TlsConfig.client().with_root_certs(roots))
    assert connects(server, TlsConfig.client().with_root_certs([ROOT.certificate]))
    judged = verify_chain(CHAIN, server_name=HOST, now=NOW, roots=roots)
    assert [finding.code for finding in judged.reasons] == ["distrusted"]
    assert "CN=Middle, which is distrusted here: its trust settings" in judged.reasons[0].message


def test_distrust_counts_although_the_certificate_is_there_again() -> None:
    for text in (block("reject") + ROOT.pem + OTHER.pem, ROOT.pem + OTHER.pem + block("reject")):
        config = TlsConfig.client().with_root_certs(Certificate.from_pem_chain(text))
        assert config.root_certs == (OTHER.certificate,)
        assert config.distrusted_certs == (ROOT.certificate,)


def test_a_configuration_keeps_it(caplog: pytest.LogCaptureFixture) -> None:
    roots = Certificate.from_pem_chain(block("reject") + OTHER.pem)
    with caplog.at_level(logging.WARNING, "netkit"):
        config = TlsConfig.client().with_root_certs(roots).with_alpn(["h2"])
    assert caplog.messages == ["passed over <Certificate CN=Root>: its trust settings reject serverAuth"]
    assert config.distrusted_certs == (ROOT.certificate,)
    assert config != TlsConfig.client().with_root_certs([OTHER.certificate]).with_alpn(["h2"])
    assert config.with_root_certs([ROOT.certificate]).distrusted_certs == ()
    assert config.with_system_certs().distrusted_certs == ()
    with pytest.raises(TlsError.InvalidConfig, match="none of them may be trusted for serverAuth"):
        TlsConfig.client().with_root_certs(roots[:1])
    with pytest.raises(TlsError.InvalidConfig, match="none of them may be trusted"):
        TlsConfig(root_certs=tuple(roots[:1]))  # not: the system's instead
    with pytest.raises(TlsError.InvalidConfig, match="none of them may be trusted"):
        config.replace(root_certs=())
    assert TlsConfig(is_server=True, verify_mode=CertVerifyMode.Full, root_certs=tuple(roots[:1])).root_certs


def test_der_with_settings_behind_it() -> None:
    aux = encode(0x30, encode(0xA0, encode(0x06, bytes.fromhex("2b06010505070301"))))
    (certificate,) = Certificate.from_file_content(ROOT.certificate.der_data + aux)
    assert certificate.trust == TrustSettings(None, (SERVER,))
    for wrong in (
        aux + b"\x00",  # something behind them
        encode(0x30, encode(0x0C, b"x") + encode(0x30, b"")),  # out of order
        encode(0x30, encode(0x30, encode(0x04, b"x"))),  # no identifier
        encode(0x30, encode(0x30, b"") * 2),
        aux[:-1],
    ):
        with pytest.raises(TlsError.InvalidCertificate):
            Certificate.from_file_content(ROOT.certificate.der_data + wrong)
    empty = Certificate.from_file_content(ROOT.certificate.der_data + encode(0x30, encode(0x30, b"")))
    assert empty[0].trust == TrustSettings(())
    with pytest.raises(TlsError.InvalidConfig, match="none of them"):
        TlsConfig.client().with_root_certs(empty)


def test_everything_that_settings_may_hold() -> None:
    server_auth = encode(0x06, bytes.fromhex("2b06010505070301"))
    aux = encode(
        0x30,
        encode(0x30, server_auth)
        + encode(0xA0, encode(0x06, bytes.fromhex("2a0304")))
        + encode(0x0C, "é".encode())
        + encode(0x04, b"\x01\x02")
        + encode(0xA1, encode(0x30, server_auth)),
    )
    (certificate,) = Certificate.from_file_content(ROOT.certificate.der_data + aux)
    assert certificate.trust == TrustSettings((SERVER,), ("1.2.3.4",), "é", b"\x01\x02")


@given(st.binary(max_size=40))
def test_settings_of_any_octets(data: bytes) -> None:
    for octets in (data, encode(0x30, data)):
        try:
            settings = parse_trust(octets, 0)
        except DerError as error:
            assert 0 <= error.offset <= len(octets)
        else:
            assert (settings is None) is (not octets)


def test_the_systems_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: int) -> None:
    """As Red Hat's ca-bundle.trust.crt."""
    bundle = tmp_path / "ca-bundle.trust.crt"
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nowhere"))
    for name, accepted in (("reject", False), ("trust other", False), ("trust", True), ("both", True)):
        bundle.write_text(block(name) + block("alias", OTHER))
        assert SystemCerts.load() == [ROOT.certificate, OTHER.certificate][not accepted :]
        monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}/{name}")  # contexts are kept by it
        assert connects(server, TlsConfig.client()) is accepted
        judged = verify_chain(CHAIN, server_name=HOST, now=NOW)
        assert judged.accepted is accepted, name


class TestCommands:
    def test_passed_over_and_said(self, tmp_path: Path, server: int) -> None:
        path = tmp_path / "ca.pem"
        path.write_text(block("reject") + OTHER.pem)
        said = (
            f"netkit: reading {path}: passed over 1 of 2 certificates: CN=Root: its trust settings reject "
            f"serverAuth\n"
        )
        target = f"127.0.0.1:{server}"
        result = run_netkit("tls", "probe", target, "--ca", str(path), "--json")
        assert (result.exit_code, result.stderr.startswith(said)) == (5, True)
        (row,) = result.json
        assert "distrusted" in [found["code"] for found in row["verification"]["findings"]]
        result = run_netkit("tcp", "connect", target, "--tls", "--ca", str(path))
        assert (result.exit_code, result.stderr.startswith(said)) == (5, True)

    def test_a_trusted_one_is_trusted(self, tmp_path: Path, server: int) -> None:
        path = tmp_path / "ca.pem"
        path.write_text(block("both"))
        result = run_netkit("tls", "probe", f"127.0.0.1:{server}", "--ca", str(path))
        assert (result.exit_code, result.stderr) == (0, "")

    def test_many(self, tmp_path: Path, server: int) -> None:
        path = tmp_path / "ca.pem"
        others = [issue(f"Other {number}", ca=True) for number in range(5)]
        path.write_text("".join(block("trust other", one) for one in others) + ROOT.pem)
        result = run_netkit("tls", "probe", f"127.0.0.1:{server}", "--ca", str(path))
        assert result.exit_code == 0
        assert "passed over 5 of 6 certificates: CN=Other 0: its trust settings" in result.stderr
        assert "for emailProtection only, not for serverAuth" in result.stderr
        assert "; and 2 more" in result.stderr

    def test_none_is_left(self, tmp_path: Path, server: int) -> None:
        path = tmp_path / "ca.pem"
        path.write_text(block("reject any"))
        result = run_netkit("tls", "probe", f"127.0.0.1:{server}", "--ca", str(path))
        assert result.exit_code == 8
        assert "no certificate in it is to be trusted" in result.stderr
        assert "CN=Root: its trust settings reject every purpose" in result.stderr
