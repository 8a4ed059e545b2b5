"""`netkit serve tls`: each handshake is shown, any fault on demand, badssl at home."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from netkit.cli.payload.tls.sites.handshakes import SiteRow, TlsServerView, handshake_line
from netkit.cli.payload.tls.sites.options import CertificateFaultOptions, ConductOptions
from netkit.lab.tls_conduct import Breach, Conduct
from netkit.lab.tls_server import Handshake
from netkit.lab.tls_sites import SITES
from netkit.net import TcpStream, UnixStream
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.stream import TlsStream
from netkit.tls.throwaway import FAULTS, CertificateFault, ThrowawayAuthority
from netkit.tls.versions import TlsVersion
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.keys import PrivateKey
from tests.cli.helpers import Result, netkit_argv, process_environment
from tests.cli.test_serve_echo import Server, serving as serving_echo
from tests.waiting import until

pytestmark = pytest.mark.once


def serving(*args: str, sockets: int = 1, **more: Any) -> Any:
    return serving_echo(*args, sockets=sockets, command="serve tls", **more)


def trusting(ca: Path) -> TlsConfig:
    return TlsConfig.client().with_root_certs(Certificate.from_pem_chain(ca.read_text()))


def connect(server: Server, name: str, config: TlsConfig) -> TlsStream:
    return TlsStream.connect(TcpStream.connect(server.addr, timeout=5), name, config, timeout=5)


def page(stream: TlsStream, accept: str = "application/json") -> str:
    with stream:
        request = f"GET / HTTP/1.1\r\nHost: localhost:443\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
        stream.write_all(request.encode(), timeout=5)
        head, _, body = stream.read_to_end(timeout=5).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        return body.decode()


def test_badssl(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    with serving("--badssl", "--write-ca", str(ca)) as server:
        listed = [server.event() for _ in SITES]
        assert {each["event"] for each in listed} == {"site"}
        assert listed[0] == {
            "type": "serve.tls",
            "input": "127.0.0.1:0",
            "event": "site",
            "name": "good.localhost",
            "reason": "Nothing is wrong.",
            "accepted": True,
        }
        config = trusting(ca)
        names = [root.subject for root in config.root_certs]
        assert names[:2] == ["CN=netkit throw-away authority", "CN=netkit throw-away root (expired-root)"]

        text = page(connect(server, "good.localhost", config), "text/html")
        assert "server name         good.localhost\n" in text
        assert "expired.localhost" not in text
        event = server.event()
        assert event["event"] == "handshake"
        assert event["site"] == event["server_name"] == "good.localhost"
        assert event["protocol"] == "TLS 1.3"
        assert event["ja4"].startswith("t13d")
        assert "error" not in event

        assert "https://expired.localhost:443/" in page(connect(server, "localhost", config), "*/*")
        assert server.event()["site"] is None

        with pytest.raises(TlsError.CertificateExpired):
            connect(server, "expired.localhost", config)
        event = server.event()
        assert event["protocol"] is None
        assert event["error"]["kind"] == "AlertReceived"
        assert "certificate_expired" in event["error"]["message"]

        with pytest.raises(TlsError.AlertReceived):
            connect(server, "alert-71.localhost", config)
        assert server.event()["deed"] == "sent the alert insufficient_security (71)"

        with TcpStream.connect(server.addr) as stream:
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n")
        event = server.event()
        assert event["error"]["kind"] == "PlainProtocol"
        assert event["ja4"] is None

        code, counts = server.end()
        assert code == 0
        assert counts == {
            "connections": 5,
            "active": 0,
            "handshakes": 2,
            "refused": 1,
            "failed": 2,
            "cut_off": 0,
        }


def test_faults_go_together(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    args = ("--expired", "--missing-intermediate", "--intermediates", "2", "--name", "www.test", "--tls1.2")
    with serving(*args, "--write-ca", str(ca)) as server:
        any_certificate = TlsConfig.client().replace(verify_mode=trusting(ca).verify_mode.None_)
        with connect(server, "www.test", any_certificate) as stream:
            assert stream.negotiated_version is TlsVersion.Tls12
            assert len(stream.peer_chain) == 2
            assert stream.peer_chain[0].sans.dns == ("www.test",)
        with pytest.raises(TlsError.CertificateVerificationFailed):
            connect(server, "www.test", trusting(ca))


def test_a_certificate_that_is_revoked(tmp_path: Path) -> None:
    ca, crl = tmp_path / "ca.pem", tmp_path / "crl.pem"
    with serving("--revoked", "--write-ca", str(ca), "--write-crl", str(crl)) as server:
        lists = x509.load_pem_x509_crl(crl.read_bytes())
        asking = trusting(ca).replace(request_ocsp=True, backend="pyopenssl")
        with connect(server, "localhost", asking) as stream:
            response = ocsp.load_der_ocsp_response(stream.ocsp_response or b"")
            certificate = x509.load_der_x509_certificate(stream.peer_chain[0].der_data)
        assert response.certificate_status is ocsp.OCSPCertStatus.REVOKED
        assert response.serial_number == certificate.serial_number
        assert lists.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


def test_client_certificates(tmp_path: Path) -> None:
    ca, own = tmp_path / "ca.pem", tmp_path / "client.pem"
    args = ("--client-cert", "required", "--write-client", str(own), "--write-ca", str(ca))
    with serving(*args) as server:
        config = trusting(ca)
        with pytest.raises(TlsError):
            page(connect(server, "localhost", config))
        assert "no certificate" in server.event()["error"]["message"]
        shown = Certificate.from_pem_chain(own.read_text())
        config = config.with_identity(shown, PrivateKey.from_pem(own.read_text()))
        expected = {"subject": "CN=netkit client", "sha256": shown[0].fingerprint_sha256}
        assert json.loads(page(connect(server, "localhost", config)))["client_certificate"] == expected
        assert server.event()["client_certificate"] == expected


def written(folder: Path, authority: ThrowawayAuthority, name: str) -> tuple[str, str]:
    certificate, key = authority.issue([name])
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_text(certificate.to_pem())
    paths[1].write_text(key.to_pem())
    return str(paths[0]), str(paths[1])


def test_certificates_of_ones_own_by_name_and_read_again(tmp_path: Path) -> None:
    authority = ThrowawayAuthority()
    config = TlsConfig.client().with_root_certs([authority.certificate])
    files = [written(tmp_path, authority, name) for name in ("one.test", "two.test")]
    args = [word for cert, key in files for word in ("--cert", cert, "--key", key)]
    with serving(*args, "--echo", "--alpn", "one,two") as server:
        for name in ("one.test", "two.test"):
            with connect(server, name, config.with_alpn(["two"])) as stream:
                assert stream.alpn_protocol == "two"
                stream.write_all(b"hello", timeout=5)
                assert stream.read_exactly(5, timeout=5) == b"hello"
            server.event()
        with pytest.raises(TlsError.HostnameMismatch):
            connect(server, "three.test", config)
        server.event()
        written(tmp_path, authority, "three.test")[0]
        Path(files[1][0]).write_text((tmp_path / "three.test.pem").read_text())
        Path(files[1][1]).write_text((tmp_path / "three.test.key").read_text())
        server.process.send_signal(signal.SIGHUP)
        assert server.event()["event"] == "reloaded"
        connect(server, "three.test", config).close()


def test_a_successor_goes_on_with_the_authority(tmp_path: Path) -> None:
    ca, control = tmp_path / "ca.pem", str(tmp_path / "control")
    with serving("--write-ca", str(ca), "--control", control) as server:
        config = trusting(ca)
        page(connect(server, "localhost", config))
        with serving("--not-yet-valid", "--control", control, "--upgrade") as successor:
            assert successor.addr == server.addr
            assert server.process.wait(timeout=20) == 0
            with pytest.raises(TlsError.CertificateVerificationFailed, match="not yet valid"):
                connect(successor, "localhost", config)
            assert successor.end()[0] == 0


def test_workers_and_a_unix_domain_socket(tmp_path: Path) -> None:
    ca, path = tmp_path / "ca.pem", str(tmp_path / "socket")
    args = ("--workers", "2", "--max-conns", "4", "--write-ca", str(ca), "127.0.0.1:0", path)
    with serving(*args, sockets=2) as server:
        assert [each["transport"] for each in server.listening] == ["tcp", "unix"]
        for _ in range(4):
            page(connect(server, "localhost", trusting(ca)))
        page(TlsStream.connect(UnixStream.connect(path), "localhost", trusting(ca), timeout=5))
        events = [server.event() for _ in range(5)]
        assert sorted(each["local"] == path for each in events) == [False] * 4 + [True]
        code, counts = server.end()
        assert (code, counts["handshakes"], counts["connections"]) == (0, 5, 5)


def test_lines() -> None:
    argv = netkit_argv("serve", "tls", "--reset")
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=process_environment()
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        word, transport, local = process.stdout.readline().rstrip("\n").split("\t")
        assert (word, transport) == ("listening", "tcp")
        with pytest.raises(TlsError.IoError):
            TlsStream.connect(TcpStream.connect(local), "localhost", timeout=5)
        cells = process.stdout.readline().rstrip("\n").split("\t")
        assert cells[0] == "handshake"
        assert cells[2:4] == ["localhost", "reset the connection after the ClientHello"]
        assert cells[4:] == ["-"] * 7
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
        assert "certificate for 127.0.0.1, localhost" in said
        assert "1 refused" in said
        assert process.returncode == 0


def test_what_a_terminal_shows(netkit: Callable[..., Result]) -> None:
    failed = Handshake(1, 0, "", "/socket")
    failed.error = TlsError.AlertReceived(48)
    assert handshake_line(failed).endswith(" a client: failed: the peer sent the alert unknown_ca (48)")
    view = TlsServerView()
    row = SiteRow("a.localhost", "Something.", False)
    assert list(view.row(row)) == ["site", "a.localhost", "refused", "Something."]
    assert list(view.short(row)) == list(view.short(failed)) == []
    env: Any = None
    assert list(view.table(row, env)) == [f"  {'a.localhost':<36} Something."]
    assert list(view.table(failed, env)) == [handshake_line(failed)]


NO_CONDUCT = {
    "alert": None,
    "close_after": None,
    "reset": False,
    "garbage": False,
    "long_record": False,
    "speak": None,
    "silent": False,
    "slow_handshake": None,
    "truncate": False,
}


@pytest.mark.parametrize(
    ("given", "conduct"),
    [
        ({}, Conduct()),
        ({"alert": 40}, Conduct(alert=40)),
        ({"close_after": "hello"}, Conduct(Breach.CloseAfterHello)),
        ({"close_after": "server-hello"}, Conduct(Breach.CloseAfterServerHello)),
        ({"reset": True}, Conduct(Breach.ResetAfterHello)),
        ({"garbage": True}, Conduct(Breach.Garbage)),
        ({"long_record": True}, Conduct(Breach.LongRecord)),
        ({"speak": "http"}, Conduct(Breach.PlainHttp)),
        ({"speak": "ssh"}, Conduct(Breach.PlainSsh)),
        ({"speak": "smtp"}, Conduct(Breach.PlainSmtp)),
        ({"silent": True}, Conduct(Breach.Silent)),
        ({"slow_handshake": 2.0, "truncate": True}, Conduct(slow=2.0, truncates=True)),
    ],
)
def test_each_option_of_conduct(given: dict[str, Any], conduct: Conduct) -> None:
    assert ConductOptions(**{**NO_CONDUCT, **given}).conduct() == conduct


def test_each_fault_has_its_option() -> None:
    none = dict.fromkeys(CertificateFaultOptions.fields, False)
    assert len(none) == len(FAULTS)
    for fault in CertificateFault:
        name = fault.value.replace("-", "_")
        assert CertificateFaultOptions(**{**none, name: True}).chosen == (fault,)
        assert CertificateFaultOptions.spelled(name) == f"--{fault.value}"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--expired", "--not-yet-valid"), "--expired and --not-yet-valid exclude each other"),
        (("--self-signed", "--missing-intermediate"), "--self-signed and --missing-intermediate"),
        (("--alert", "40", "--silent"), "--alert and --silent exclude each other"),
        (("--alert", "nonsense"), "'nonsense' is no alert"),
        (("--alert", "256"), "'256' is no alert"),
        (("--name", "a b"), "'a b' is no name"),
        (("--badssl", "--expired"), "--badssl and --expired exclude each other"),
        (("--badssl", "--garbage"), "--badssl and --garbage exclude each other"),
        (("--badssl", "--cert", "x"), "--badssl and --cert exclude each other"),
        (("--cert", "x", "--name", "a.test"), "--cert and --name exclude each other"),
        (("--badssl", "--write-crl", "x"), "--badssl and --write-crl exclude each other"),
        (("--self-signed", "--staple"), "--self-signed and --staple exclude each other"),
        (("--weak-key", "--key-type", "ed25519"), "--weak-key and --key-type exclude each other"),
        (("--early-data", "--tls1.2"), "--early-data: early data needs TLS 1.3"),
        (("--cert", "x", "--sha1"), "--cert and --sha1 exclude each other"),
        (("--cert", "x", "--client-cert", "optional"), "--client-cert is for --client-ca"),
        (("--crl", "x"), "--crl is for --client-cert"),
        (("--alpn", "h2", "--no-alpn"), "--alpn and --no-alpn exclude each other"),
        (("--malformed-certificate", "--tls1.3"), "--malformed-certificate is sent in TLS 1.2 only"),
        (("--upgrade",), "--upgrade without --control"),
        (("--control", "x", "--upgrade", ":0"), "--upgrade takes the sockets of the running server"),
        (("--max-conns", "1", "--workers", "2"), "--max-conns 1 is no connection"),
        (("--tls1.2", "--min-version", "1.0"), "--tls1.2 and --min-version exclude each other"),
    ],
)
def test_what_is_refused(netkit: Callable[..., Result], args: tuple[str, ...], words: str) -> None:
    result = netkit("serve", "tls", *args)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


def test_local_problems(netkit: Callable[..., Result], tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    assert netkit("serve", "tls", "--cert", missing, "--key", missing).exit_code == 8
    assert netkit("serve", "tls", "--write-ca", str(tmp_path / "no" / "ca.pem")).exit_code == 8
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = netkit("serve", "tls", "127.0.0.1:%d" % taken.getsockname()[1])  # noqa: UP031
        assert result.exit_code == 8
        assert "in use" in result.stderr


def test_a_certificate_that_no_library_sends(tmp_path: Path) -> None:
    with serving("--malformed-intermediate") as server:
        with pytest.raises(TlsError):
            connect(server, "localhost", TlsConfig.client())
        assert server.event()["error"]["kind"] == "AlertReceived"
        until(lambda: server.process.poll() is None)
