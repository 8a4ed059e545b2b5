"""`netkit tls probe`: what it shows in every form, and how it ends."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from netkit.tls.config import TlsConfig
from netkit.tls.versions import TlsVersion
from netkit.tls.x509.certificate import Certificate
from tests.tls.pki import DAY, NOW, Issued, issue
from tests.tls.serving import echoing, listening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from netkit.net import TcpStream
    from tests.cli.helpers import Result

    Netkit = Callable[..., Result]

pytestmark = pytest.mark.once

HOST = "www.example.com"
ROOT = issue("Root", ca=True)
MIDDLE = issue("Middle", ROOT, ca=True)
LEAF = issue(HOST, MIDDLE, sans=(HOST, "127.0.0.1"))
OLD = issue(HOST, ROOT, sans=("other.example",), start=NOW - 9 * DAY, end=NOW - 3 * DAY)


def server(*chain: Issued) -> TlsConfig:
    return TlsConfig.server().with_identity([one.certificate for one in chain], chain[0].private_key)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("ca") / "root.pem"
    path.write_text(ROOT.pem)
    return str(path)


@pytest.fixture(scope="module")
def good() -> Iterator[str]:
    with listening(echoing(server(LEAF, MIDDLE).with_alpn(["h2"]))) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def old() -> Iterator[str]:
    with listening(echoing(server(OLD))) as port:
        yield f"127.0.0.1:{port}"


def plain(result: Result) -> dict[str, list[str]]:
    """Plain lines by the word behind the target."""
    found: dict[str, list[str]] = {}
    for line in result.lines:
        _, name, *rest = line.split("\t")
        found.setdefault(name, []).append("\t".join(rest))
    return found


class TestForms:
    def test_plain(self, netkit: Netkit, good: str, ca: str) -> None:
        result = netkit("tls", "probe", good, "--ca", ca)
        assert result.exit_code == 0
        assert result.stderr == ""
        assert all(line.startswith(f"{good}\t") for line in result.lines)
        found = plain(result)
        assert found["address"] == [good]
        assert found["protocol"] == ["TLS 1.3"]
        assert found["ALPN"] == ["h2 (offered: h2, http/1.1)"]
        assert found["handshake"][0].endswith(" ms")
        assert f"0\tsubject\tCN={HOST}" in found["certificate"]
        assert f"0\tnames\t{HOST}, 127.0.0.1" in found["certificate"]
        assert "1\tissuer\tCN=Root" in found["certificate"]
        assert f"0\tSHA-256\t{LEAF.certificate.fingerprint_sha256}" in found["certificate"]
        assert found["verdict"][0].startswith("accepted\t")

    @pytest.mark.parametrize("width", [60, 80, 139, 140, 160, 250])
    def test_tables_keep_to_the_width(self, netkit: Netkit, good: str, old: str, ca: str, width: int) -> None:
        result = netkit("tls", "probe", good, "--ca", ca, tty=True, width=width, env={"NO_COLOR": "1"})
        assert result.exit_code == 0
        assert max(map(len, result.lines)) <= width
        for shown in ("TLS 1.3", f"CN={HOST}", "CN=Middle", "EC P-256", "89 days left", "✓ accepted"):
            assert shown in result.stdout
        assert LEAF.certificate.fingerprint_sha256[:32] in result.stdout
        refused = netkit("tls", "probe", old, "--ca", ca, tty=True, width=width, env={"NO_COLOR": "1"})
        assert refused.exit_code == 5
        assert "✗ expired" in refused.stdout
        assert "✗ refused" in refused.stdout
        assert max(map(len, refused.lines)) <= width

    def test_json(self, netkit: Netkit, good: str, ca: str) -> None:
        result = netkit("tls", "probe", good, "--ca", ca, "--json")
        (row,) = result.json
        assert result.exit_code == 0
        assert row["type"] == "tls.probe"
        assert row["accepted"] is True
        assert row["input"] == row["peer"] == good
        assert row["verification"]["findings"] == []
        assert len(row["verification"]["path"]) == 3
        assert [one["subject"] for one in row["certificates"]] == [f"CN={HOST}", "CN=Middle"]
        assert row["certificates"][0]["sans"]["ip_addresses"] == ["127.0.0.1"]
        assert "error" not in row

    def test_short(self, netkit: Netkit, good: str, old: str, ca: str) -> None:
        assert netkit("tls", "probe", good, "--ca", ca, "--short").lines == ["accepted"]
        assert netkit("tls", "probe", old, "--ca", ca, "--short").lines == ["expired", "wrong-host"]

    def test_pem(self, netkit: Netkit, good: str, ca: str) -> None:
        for tty in (False, True):
            result = netkit("tls", "probe", good, "--ca", ca, "--pem", tty=tty)
            assert Certificate.from_pem_chain(result.stdout) == [LEAF.certificate, MIDDLE.certificate]
        (row,) = netkit("tls", "probe", good, "--ca", ca, "--pem", "--json").json
        assert Certificate.from_pem(row["certificates"][1]["pem"]) == MIDDLE.certificate

    def test_the_dialogue(self, netkit: Netkit, good: str, ca: str) -> None:
        result = netkit("tls", "probe", good, "--ca", ca, "-v")
        assert "connected to 127.0.0.1" in result.stderr
        assert "TLS 1.3" in result.stderr

    def test_what_a_certificate_says_cannot_steer_a_terminal(self, netkit: Netkit, ca: str) -> None:
        evil = issue("x\x1b]0;owned\x07\u202ey", ROOT, sans=("a.example",))
        with listening(echoing(server(evil))) as port:
            for arguments in ([], ["--json"], ["--short"]):
                for tty in (False, True):
                    result = netkit("tls", "probe", f"127.0.0.1:{port}", "--ca", ca, *arguments, tty=tty)
                    text = result.stdout + result.stderr
                    assert "\x1b]" not in text
                    assert "\x07" not in text
                    assert "\u202e" not in text


class TestEnds:
    def test_refused_certificates_are_shown(self, netkit: Netkit, old: str, ca: str) -> None:
        result = netkit("tls", "probe", old, "--ca", ca)
        assert result.exit_code == 5
        assert f"0\tsubject\tCN={HOST}" in plain(result)["certificate"]
        assert plain(result)["verdict"] == ["refused\texpired, wrong-host"]
        assert result.stderr.startswith(f"netkit: probing {old}: the certificate expired on ")
        assert "hint: " in result.stderr
        (row,) = netkit("tls", "probe", old, "--ca", ca, "--json").json
        assert row["error"]["kind"] == "CertificateExpired"
        assert row["error"]["layer"] == "tls"
        assert [one["code"] for one in row["verification"]["findings"]] == ["expired", "wrong-host"]

    def test_insecure(self, netkit: Netkit, old: str, ca: str) -> None:
        result = netkit("tls", "probe", old, "--ca", ca, "--insecure", "--json")
        assert result.exit_code == 0
        (row,) = result.json
        assert row["accepted"] is False
        assert "error" not in row
        shown = plain(netkit("tls", "probe", old, "--ca", ca, "--insecure"))
        assert shown["verdict"] == ["not verified\texpired, wrong-host"]
        for several in ((), (old,)):
            table = netkit("tls", "probe", old, *several, "--ca", ca, "--insecure", tty=True, width=120)
            assert "not verified: expired, wrong-host" in table.stdout
            assert "refused" not in table.stdout + table.stderr
            assert table.exit_code == 0

    @pytest.mark.parametrize("width", [80, 160])
    def test_many_names_are_counted_unless_they_are_asked_for(
        self, netkit: Netkit, ca: str, width: int
    ) -> None:
        names = [f"host-{index}.example" for index in range(60)]
        with listening(echoing(server(issue(HOST, ROOT, sans=(HOST, *names))))) as port:
            probe = ("tls", "probe", f"127.0.0.1:{port}", "--ca", ca, "--servername", HOST)
            some = netkit(*probe, "--color", "never", tty=True, width=width).stdout
            assert [name in some for name in names] == [True] * 11 + [False] * 49
            assert "and 49 more" in " ".join(some.split())
            every = netkit(*probe, "--all-names", tty=True, width=width).stdout
            assert all(name in every for name in names)
            assert all(name in plain(netkit(*probe))["certificate"][2] for name in names), "a script has all"

    def test_one_name_more_is_shown_and_not_counted(self, netkit: Netkit, ca: str) -> None:
        names = [f"host-{index}.example" for index in range(13)]
        with listening(echoing(server(issue(HOST, ROOT, sans=tuple(names))))) as port:
            shown = netkit("tls", "probe", f"127.0.0.1:{port}", "--ca", ca, tty=True).stdout
        assert all(name in shown for name in names)

    @pytest.mark.parametrize(("days", "code"), [(10, 0), (89, 0), (90, 1), (1000, 1)])
    def test_days_that_must_be_left(self, netkit: Netkit, good: str, ca: str, days: int, code: int) -> None:
        result = netkit("tls", "probe", good, "--ca", ca, "--warn-days", str(days))
        assert result.exit_code == code
        assert ("under the" in result.stdout) is bool(code)

    def test_another_name(self, netkit: Netkit, good: str, ca: str) -> None:
        assert netkit("tls", "probe", good, "--ca", ca, "--servername", HOST).exit_code == 0
        result = netkit("tls", "probe", good, "--ca", ca, "--servername", "else.example", "--json")
        assert result.exit_code == 5
        assert result.json[0]["error"]["kind"] == "HostnameMismatch"

    def test_the_systems_trust(
        self, netkit: Netkit, good: str, ca: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert netkit("tls", "probe", good, "--short").lines == ["unknown-issuer"]
        (row,) = netkit("tls", "probe", good, "--json").json
        (finding,) = row["verification"]["findings"]
        assert finding["hint"] == row["error"]["hint"]
        assert finding["hint"].startswith("trust it, if it should be; ")
        assert finding["hint"].endswith("; --ca FILE says what is trusted")
        monkeypatch.setenv("SSL_CERT_FILE", ca)
        assert netkit("tls", "probe", good, "--short").lines == ["accepted"]

    def test_protocols_to_offer(self, netkit: Netkit, good: str, ca: str) -> None:
        def alpn(value: str) -> Any:
            return netkit("tls", "probe", good, "--ca", ca, "--alpn", value, "--json").json[0]["alpn"]

        assert alpn("h2") == "h2"
        assert alpn("http/1.1") is None
        assert alpn("") is None

    def test_versions(self, netkit: Netkit, ca: str) -> None:
        ancient = server(LEAF, MIDDLE).replace(min_version=TlsVersion.Tls11, max_version=TlsVersion.Tls11)
        with listening(echoing(ancient)) as port:
            target = f"127.0.0.1:{port}"
            result = netkit("tls", "probe", target, "--ca", ca)
            assert result.exit_code == 5
            assert "hint: " in result.stderr
            assert "--min-version" in result.stderr
            fine = netkit("tls", "probe", target, "--ca", ca, "--min-version", "1.0", "--json")
            assert fine.exit_code == 0
            assert fine.json[0]["protocol"] == "TLS 1.1"

    def test_what_is_not_tls(self, netkit: Netkit, ca: str) -> None:
        def echo(stream: TcpStream) -> None:
            for data in stream:
                stream.write_all(data)

        def greet(stream: TcpStream) -> None:
            stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n")

        with listening(greet) as port:
            result = netkit("tls", "probe", f"127.0.0.1:{port}", "--json")
            assert result.exit_code == 5
            assert result.json[0]["error"]["kind"] == "NotTls"
            assert "SSH" in result.json[0]["error"]["hint"]
        with listening(echo) as port:
            result = netkit("tls", "probe", f"127.0.0.1:{port}", "--json")
            assert result.exit_code == 5
            assert result.json[0]["certificates"] == []
            assert result.json[0]["verification"] is None

    def test_no_connection(self, netkit: Netkit) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        result = netkit("tls", "probe", f"127.0.0.1:{port}", "--json")
        assert result.exit_code == 4
        assert result.json[0]["error"]["kind"] == "Refused"
        assert netkit("tls", "probe", "name.invalid").exit_code == 3

    def test_a_reset(self, netkit: Netkit) -> None:
        def reset(stream: TcpStream) -> None:
            stream.read()
            stream.set_linger(0)

        with listening(reset) as port:
            assert netkit("tls", "probe", f"127.0.0.1:{port}").exit_code == 4

    def test_silence(self, netkit: Netkit) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            target = f"127.0.0.1:{silent.getsockname()[1]}"
            result = netkit("tls", "probe", target, "--timeout", "50ms")
            (row,) = netkit("tls", "probe", target, "--timeout", "50ms", "--json").json
        assert result.exit_code == 7
        assert "in the TLS handshake" in result.stderr
        assert (row["error"]["stage"], row["error"]["kind"]) == ("tls", "Timeout")

    def test_several(self, netkit: Netkit, good: str, old: str, ca: str) -> None:
        result = netkit("tls", "probe", good, old, "--ca", ca, "--ordered", "--json")
        assert result.exit_code == 9
        assert [row["accepted"] for row in result.json] == [True, False]
        table = netkit("tls", "probe", good, old, "--ca", ca, "--ordered", tty=True, width=100)
        assert table.exit_code == 9
        assert "accepted: 89 days left" in table.stdout
        assert "refused: expired, wrong-host" in table.stdout

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ([], "HOST[:PORT]"),
            (["a b"], "a b"),
            (["127.0.0.1", "--min-version", "2"], "1.0, 1.1, 1.2 or 1.3"),
            (["127.0.0.1", "--min-version", "1.3", "--max-version", "1.2"], "--max-version is older"),
            (["127.0.0.1", "--warn-days", "soon"], "not a number"),
            (["127.0.0.1", "--alpn", "h2,h2"], "twice"),
            (["127.0.0.1", "--servername", "a b"], "not a host name"),
        ],
    )
    def test_wrong_usage(self, netkit: Netkit, arguments: list[str], words: str) -> None:
        result = netkit("tls", "probe", *arguments)
        assert result.exit_code == 2, result
        assert words in result.stderr

    def test_files_that_are_no_roots(self, netkit: Netkit, good: str, tmp_path: Path) -> None:
        assert netkit("tls", "probe", good, "--ca", str(tmp_path / "absent")).exit_code == 8
        wrong = tmp_path / "wrong"
        wrong.write_text("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")
        result = netkit("tls", "probe", good, "--ca", str(wrong))
        assert result.exit_code == 8, "the same as of one that is missing"
        assert "line 1" in result.stderr
        assert "hint: --ca takes certificates" in result.stderr
        (row,) = netkit("tls", "probe", good, "--ca", str(wrong), "--json").json
        assert (row["error"]["stage"], row["error"]["kind"]) == ("local", "UnusableFile")

    def test_roots_in_der(self, netkit: Netkit, good: str, tmp_path: Path) -> None:
        path = tmp_path / "root.der"
        path.write_bytes(ROOT.certificate.der_data)
        assert netkit("tls", "probe", good, "--ca", str(path)).exit_code == 0


def test_as_a_process(netkit_process: Netkit, good: str, ca: str) -> None:
    result = netkit_process("tls", "probe", good, "--ca", ca, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["accepted"] is True
