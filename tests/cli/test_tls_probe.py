"""`netkit tls probe` beside a server with every fault, and with every option of a client."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from netkit.cli.payload.tls.probe.rows import Probed, probe_row
from netkit.cli.payload.tls.probe.words import LISTED, facts_of
from netkit.errors import NetkitError
from netkit.lab.tls_conduct import Breach, Conduct
from netkit.lab.tls_server import Chooser, Site, TlsServer, echo_flow
from netkit.lab.tls_sites import SITES, BadSites, site_of
from netkit.net import TcpListener, TcpStream
from netkit.serve.connections import in_background
from netkit.tls.alerts import ALERT_NAMES
from netkit.tls.backends import why_absent
from netkit.tls.config import TlsConfig
from netkit.tls.probe.probing import probe
from netkit.tls.probe.report import ProbeOptions, Resumption
from netkit.tls.throwaway import ThrowawayAuthority
from netkit.tls.throwaway.faults import Wanted
from tests.cli.helpers import Result
from tests.cli.tls_servers import Files
from tests.tls.serving import echoing, listening

Netkit = Callable[..., Result]

pytestmark = pytest.mark.once

#: A probe of a server that says nothing ends after this; one that answers, well before.
TIMEOUT = "5"

needs_pyopenssl = pytest.mark.skipif(why_absent("pyopenssl") is not None, reason="no pyopenssl here")


class Served(NamedTuple):
    """A running server, and the file of the roots that its clients trust."""

    port: int
    ca: str

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def argv(self, label: str, *more: str) -> tuple[str, ...]:
        """The probe of a site."""
        name = f"{label}.localhost"
        return (
            "tls",
            "probe",
            self.target,
            "--servername",
            name,
            "--ca",
            self.ca,
            "--timeout",
            TIMEOUT,
            *more,
        )


@contextmanager
def serving(choose: Chooser, **more: Any) -> Iterator[int]:
    listener = TcpListener.bind("127.0.0.1:0")
    server = TlsServer([listener], choose, echo_flow, **more)
    with in_background(server.serve):
        yield listener.local_addr.port


@pytest.fixture(scope="module")
def authority() -> ThrowawayAuthority:
    return ThrowawayAuthority()


@pytest.fixture(scope="module")
def usual(authority: ThrowawayAuthority) -> Site:
    config = TlsConfig.server().with_alpn(("h2", "http/1.1"))
    return site_of(authority.present(Wanted(("localhost", "127.0.0.1"))), config)


@pytest.fixture(scope="module")
def bad(
    authority: ThrowawayAuthority, usual: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    sites = BadSites(authority, "localhost", usual, [authority.certificate])
    ca = tmp_path_factory.mktemp("bad") / "ca.pem"
    ca.write_text("".join(each.to_pem() for each in (authority.certificate, *sites.roots)))
    with serving(sites) as port:
        yield Served(port, str(ca))


#: What the handshake itself ends in: the exit code, and what the line says.
ENDS = {
    "huge-chain": (5, "the peer sent a message that is longer than OpenSSL accepts (certificates: 100 KiB)"),
    "malformed-certificate": (5, "the peer sent a certificate that cannot be read"),
    "malformed-intermediate": (5, "the peer sent a certificate that cannot be read"),
    "tls1-0": (5, "the alert protocol_version (70)"),
    "tls1-1": (5, "the alert protocol_version (70)"),
    "client-cert-required": (5, "the alert certificate_required (116)"),
    "plain-http": (5, "the peer does not speak TLS on this port: it sent b'HTTP/1.1 400 Bad Request"),
    "close-after-hello": (5, "the peer closed the connection in the middle of the handshake"),
    "close-after-server-hello": (5, "the peer closed the connection in the middle of the handshake"),
    "reset-after-hello": (4, "Connection reset by peer"),
    "garbage": (5, "TLS handshake failed: "),
    "long-record": (5, "TLS handshake failed: "),
    "alert-40": (5, "the alert handshake_failure (40)"),
}
#: These wait until the time is over.
WAITING = ("silent", "slow")


@pytest.mark.parametrize("label", [label for label in SITES if label not in WAITING])
def test_every_fault_has_a_clear_line(netkit: Netkit, bad: Served, label: str) -> None:
    """With the exit code, the reason first, and whatever else the server has shown."""
    result = netkit(*bad.argv(label, "--json"))
    (row,) = result.json
    said = result.stderr.splitlines()
    assert row["accepted"] is SITES[label].accepted
    if SITES[label].accepted:
        assert (result.exit_code, said) == (0, [])
        return
    code, words = ENDS.get(label, (5, ""))
    assert result.exit_code == code
    assert words in row["error"]["message"]
    assert said[0].startswith(f"netkit: probing {bad.target}: ")
    assert words in said[0]
    assert len(said) <= 2
    assert all(line.startswith("hint: ") for line in said[1:])
    if label not in ENDS:  # the client has refused what it was shown
        reasons = [one["code"] for one in row["verification"]["findings"] if one["severity"] == "error"]
        assert reasons
        assert row["certificates"]
        assert netkit(*bad.argv(label, "--short")).lines == list(dict.fromkeys(reasons))


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("label", ["malformed-extension", "hostile-names", "long-chain", "many-issuers"])
def test_tables_of_odd_chains(netkit: Netkit, bad: Served, label: str, width: int) -> None:
    result = netkit(*bad.argv(label), tty=True, width=width, env={"NO_COLOR": "1"})
    assert max(map(len, result.lines)) <= width
    assert all(line.isprintable() for line in result.lines)
    last = " ".join(result.lines[-6:])
    assert "accepted: 29 days left" in last or "refused: bad-signature" in last


def test_a_malformed_extension_does_not_hide_the_rest(netkit: Netkit, bad: Served) -> None:
    (row,) = netkit(*bad.argv("malformed-extension", "--json")).json
    (certificate,) = row["certificates"]
    assert certificate["sans"]["dns_names"] == ["malformed-extension.localhost"]
    assert [each.split(" cannot")[0] for each in certificate["problems"]] == [
        "the certificate's authority information access extension"
    ]
    assert row["verification"]["findings"][0]["code"] == "malformed"


def test_a_malformed_certificate_of_tls_1_2_is_shown(netkit: Netkit, bad: Served) -> None:
    (row,) = netkit(*bad.argv("malformed-certificate", "--json", "--pem")).json
    assert row["protocol"] == "TLS 1.2"
    assert row["certificates"][0]["problems"]
    assert row["verification"]["findings"][0]["code"] == "malformed"


@pytest.mark.parametrize("number", ALERT_NAMES)
def test_every_alert_has_its_number_and_name(netkit: Netkit, bad: Served, number: int) -> None:
    result = netkit(*bad.argv(f"alert-{number}"))
    if number == 0:  # close_notify
        assert result.exit_code == 5
        return
    assert result.exit_code == 5
    assert f"the alert {ALERT_NAMES[number]} ({number})" in result.stderr


@pytest.mark.parametrize(("breach", "words"), [(Breach.PlainSsh, "SSH"), (Breach.PlainSmtp, "STARTTLS")])
def test_what_speaks_first_is_named(netkit: Netkit, usual: Site, breach: Breach, words: str) -> None:
    with serving(lambda _name: Site(usual.config, Conduct(breach))) as port:
        result = netkit("tls", "probe", f"127.0.0.1:{port}")
    assert result.exit_code == 5
    assert "does not speak TLS on this port" in result.stderr
    assert words in result.stderr.splitlines()[1]


def test_silence(netkit: Netkit, bad: Served) -> None:
    result = netkit("tls", "probe", bad.target, "--servername", "silent.localhost", "--timeout", "0.1")
    assert result.exit_code == 7
    assert "timed out while in the TLS handshake with silent.localhost" in result.stderr


# -- what a client can be told


def probed(netkit: Netkit, *arguments: str) -> dict[str, Any]:
    result = netkit("tls", "probe", *arguments, "--json")
    (row,) = result.json
    return {**row, "exit_code": result.exit_code}


@pytest.fixture(scope="module")
def good(tls_files: Files) -> Iterator[str]:
    with listening(echoing(tls_files.config().with_alpn(["h2"]))) as port:
        yield f"127.0.0.1:{port}"


def test_the_client_is_told(netkit: Netkit, good: str, tls_files: Files) -> None:
    row = probed(netkit, good, "--ca", tls_files.ca)
    assert row["exit_code"] == 0
    assert row["backend"] == "ssl"
    assert row["library"].startswith("OpenSSL ")
    assert row["group"] == "x25519"
    assert row["tls_bytes_sent"] > 200
    assert row["tls_bytes_received"] > 200
    assert 0 < row["first_byte_s"] <= row["handshake_s"]
    assert [each["outcome"] for each in row["attempts"]] == ["connected"]
    assert (row["proxy"], row["starttls"], row["ocsp"], row["resumption"]) == (None,) * 4
    shown = netkit("tls", "probe", good, "--ca", tls_files.ca).stdout
    assert f"\tclient\t{row['library']} (ssl)\n" in shown
    assert "\tbytes\t" in shown


def test_versions_suites_and_groups(netkit: Netkit, good: str, tls_files: Files) -> None:
    asked = ("--tls1.2", "--cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", "--group", "secp256r1", "--alpn", "")
    row = probed(netkit, good, "--ca", tls_files.ca, *asked)
    assert row["protocol"] == "TLS 1.2"
    assert row["cipher"] == "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert row["group"] == "secp256r1"
    assert row["signature_scheme"] == "ecdsa_secp256r1_sha256"
    assert (row["alpn"], row["alpn_offered"]) == (None, [])
    assert row["client_auth"] == "none"


def test_client_certificates(netkit: Netkit, tls_files: Files) -> None:
    with listening(echoing(tls_files.asking())) as port:
        target = f"127.0.0.1:{port}"
        refused = probed(netkit, target, "--ca", tls_files.ca)
        assert (refused["exit_code"], refused["client_auth"]) == (5, "required")
        assert refused["certificates"], "what the server has shown until then"
        row = probed(netkit, target, "--ca", tls_files.ca, "--tls1.2", "--cert", tls_files.alice)
        assert (row["exit_code"], row["client_auth"]) == (0, "requested")
    asking = tls_files.asking(client_auth_optional=True)
    if why_absent("pyopenssl") is None:
        with listening(echoing(asking)) as port:
            shown = netkit("tls", "probe", f"127.0.0.1:{port}", "--ca", tls_files.ca, "--tls1.2").stdout
        assert "\tclient auth\tasked for, not required\n" in shown


def test_another_moment(netkit: Netkit, good: str, tls_files: Files) -> None:
    row = probed(netkit, good, "--ca", tls_files.ca, "--at", "+400d")
    assert row["exit_code"] == 5
    assert row["error"]["kind"] == "CertificateExpired"
    assert row["verification"]["findings"][0]["code"] == "expired"
    assert row["days_left"] < 0
    wrong = netkit("tls", "probe", good, "--at", "tomorrow")
    assert wrong.exit_code == 2
    assert "+30d" in wrong.stderr


def test_roots_beside_insecure(netkit: Netkit, good: str, tls_files: Files) -> None:
    """The verdict is told, and so has its roots; only the handshake counts."""
    assert probed(netkit, good, "--ca", tls_files.ca, "--insecure")["accepted"] is True
    row = probed(netkit, good, "--insecure")
    assert (row["exit_code"], row["accepted"]) == (0, False)


def test_resumption(netkit: Netkit, good: str, tls_files: Files) -> None:
    found = probed(netkit, good, "--ca", tls_files.ca, "--resumption")["resumption"]
    assert found["tickets"] >= 1
    assert found["resumed"] is True
    assert found["handshake_s"] > 0
    assert found["early_data_accepted"] is None
    shown = netkit("tls", "probe", good, "--ca", tls_files.ca, "--resumption").stdout
    assert ", resumed in " in shown
    for more in ([], ["--insecure"]):  # refused, and a look at what it shows all the same
        assert probed(netkit, good, "--resumption", *more)["resumption"]["resumed"] is True


@needs_pyopenssl
def test_early_data(netkit: Netkit, tls_files: Files, tmp_path: Path) -> None:
    data = tmp_path / "early"
    data.write_bytes(b"GET / HTTP/1.0\r\n\r\n")
    config = tls_files.config(max_early_data=1024)
    with listening(echoing(config)) as port:
        asked = (f"127.0.0.1:{port}", "--ca", tls_files.ca, "--resumption", "--early-data", str(data))
        row = probed(netkit, *asked)
        refused = probed(netkit, asked[0], *asked[3:])
        insecure = probed(netkit, asked[0], "--insecure", *asked[3:])
    assert row["backend"] == "pyopenssl"
    assert row["resumption"]["max_early_data"] == 1024
    assert row["resumption"]["early_data_accepted"] is True
    assert refused["resumption"]["max_early_data"] == 1024
    assert refused["resumption"]["early_data_accepted"] is None, "no data for a server that was refused"
    assert insecure["resumption"]["early_data_accepted"] is True


@needs_pyopenssl
def test_a_stapled_response(netkit: Netkit, bad: Served) -> None:
    (row,) = netkit(*bad.argv("revoked", "--ocsp", "--json")).json
    assert row["ocsp"]["certificate_status"] == "revoked"
    assert row["ocsp"]["revoked_at"] < row["ocsp"]["next_update_at"]
    assert base64.b64decode(row["ocsp"]["response_b64"])[0] == 0x30
    assert "revoked" in [one["code"] for one in row["observations"]]
    shown = netkit(*bad.argv("expired-staple", "--ocsp")).stdout
    assert "\tOCSP\tgood, said " in shown
    assert "old-staple" in shown


def test_what_no_library_here_can_do_is_wrong_usage(netkit: Netkit, tmp_path: Path) -> None:
    """With the option's name, before anything connects."""
    listed = b"\x00\x04\xfe\x0d\x00\x00"
    file = tmp_path / "ech"
    for content in (listed, base64.b64encode(listed)):
        file.write_bytes(content)
        for value in ("grease", base64.b64encode(listed).decode(), str(file)):
            result = netkit("tls", "probe", "--backend", "ssl", "--ech", value, "127.0.0.1:1")
            assert result.exit_code == 2
            assert "netkit: tls probe: --ech: ssl: " in result.stderr
    result = netkit("tls", "probe", "--ech", "?", "127.0.0.1:1")
    assert result.exit_code == 2
    assert "write grease" in result.stderr
    early = netkit(
        "tls", "probe", "--backend", "ssl", "--resumption", "--early-data", str(file), "127.0.0.1:1"
    )
    assert early.exit_code == 2
    assert "--early-data: ssl cannot send early data" in early.stderr
    alone = netkit("tls", "probe", "--early-data", str(file), "127.0.0.1:1")
    assert (alone.exit_code, "--resumption" in alone.stderr) == (2, True)


def test_what_few_servers_send(good: str, tls_files: Files) -> None:
    """Timestamps, names of authorities, the answer to an encrypted hello, odd tickets."""
    config = TlsConfig.client().with_root_certs([tls_files.authority.certificate])
    report = probe("127.0.0.1", int(good.partition(":")[2]), ProbeOptions(config), timeout=5)
    sct = bytes([0]) + bytes(range(32)) + (1_700_000_000_000).to_bytes(8, "big") + bytes(10)
    odd = replace(
        report,
        scts=(sct, b"\x07short", bytes([0]) + bytes(32) + b"\xff" * 8),
        ca_names=tuple(f"CN=authority {number}" for number in range(20)),
        client_certificate="optional",
        ech_accepted=False,
        ocsp_response=b"\x30\x03\x0a\x01\x03",  # tryLater
        resumption=Resumption(2, 7200, 16_384, False, False, 0.01),
    )
    probed = Probed(odd, "a library", None, insecure=False, warn_days=None, pem=False, all_names=False)
    row = probe_row(probed)
    assert row["scts"] is not None
    assert [each["issued_at"] for each in row["scts"]] == ["2023-11-14T22:13:20Z", None, None]
    assert row["scts"][1]["log_id_b64"] is None
    assert row["ocsp"] is not None
    assert (row["ocsp"]["certificate_status"], row["ocsp"]["reason"]) == (
        None,
        "the authority answered: try later",
    )
    assert len(row["client_ca_names"]) == 20
    words = dict(facts_of(probed, listed=LISTED))
    assert words["SCTs"] == "3, of 2023-11-14"
    assert words["client auth"] == "asked for, not required"
    assert str(words["client CAs"]).endswith("CN=authority 11; and 8 more")
    assert words["ECH"] == "rejected"
    assert words["OCSP"] == "no statement: the authority answered: try later"
    assert words["resumption"] == (
        "2 tickets for 7,200 s, not resumed, takes 16,384 bytes of early data, early data rejected"
    )
    every = dict(facts_of(probed))
    assert str(every["client CAs"]).endswith("CN=authority 19")
    failed = replace(odd, resumption=Resumption(1, error="it hung up"), ocsp_response=b"junk")
    row = probe_row(probed._replace(report=failed))
    assert row["resumption"] is not None
    assert row["resumption"]["reason"] == "it hung up"
    words = dict(facts_of(probed._replace(report=failed)))
    assert words["resumption"] == "1 ticket, no second connection: it hung up"
    assert str(words["OCSP"]).startswith("no statement: it cannot be read")
    none = probed._replace(report=replace(odd, resumption=Resumption(0)))
    assert dict(facts_of(none))["resumption"] == "no ticket"


# -- the way there


def smtp(config: TlsConfig, offers: bytes = b"250-STARTTLS\r\n") -> Callable[[TcpStream], None]:
    """A mail server that begins TLS when it is asked."""

    def serve(stream: TcpStream) -> None:
        stream.write_all(b"220 mail.test ESMTP \x1b[31mred\r\n")
        stream.read_until(b"\r\n", timeout=5)
        stream.write_all(b"250-mail.test\r\n" + offers + b"250 SIZE 1000\r\n")
        stream.read_until(b"\r\n", timeout=5)
        stream.write_all(b"220 go ahead\r\n")
        echoing(config)(stream)

    return serve


def test_starttls(netkit: Netkit, tls_files: Files) -> None:
    with listening(smtp(tls_files.config())) as port:
        asked = (f"127.0.0.1:{port}", "--ca", tls_files.ca, "--starttls", "submission")
        row = probed(netkit, *asked)
        plain = netkit("tls", "probe", *asked).stdout
    assert row["exit_code"] == 0
    assert row["starttls"]["name"] == "smtp"
    assert "mail.test ESMTP" in row["starttls"]["greeting"]
    assert "STARTTLS" in row["starttls"]["capabilities"]
    assert "go ahead" in row["starttls"]["go_ahead"]
    assert row["alpn_offered"] == []
    assert row["starttls_s"] > 0
    assert "\tSTARTTLS\tsmtp\n" in plain
    assert "\x1b" not in plain


def test_starttls_that_fails(netkit: Netkit, good: str, tls_files: Files) -> None:
    with listening(smtp(tls_files.config(), offers=b"")) as port:
        result = netkit("tls", "probe", f"127.0.0.1:{port}", "--starttls", "smtp", "--json")
    assert result.exit_code == 5
    assert result.json[0]["error"]["kind"] == "NotOffered"
    with listening(lambda stream: stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n")) as port:
        result = netkit("tls", "probe", f"127.0.0.1:{port}", "--starttls", "smtp")
    assert result.exit_code == 6
    assert "this port speaks SSH, not SMTP" in result.stderr
    waiting = netkit("tls", "probe", good, "--starttls", "imap", "--timeout", "0.2")
    assert waiting.exit_code == 7
    assert "IMAP" in waiting.stderr
    unknown = netkit("tls", "probe", "--starttls", "gopher", "127.0.0.1")
    assert unknown.exit_code == 2
    assert "postgres" in unknown.stderr


def test_a_protocols_port_is_the_default(netkit: Netkit, monkeypatch: pytest.MonkeyPatch) -> None:
    from netkit.tls import starttls
    from netkit.tls.starttls import names

    with listening(lambda stream: None) as port:
        moved = names.PROTOCOLS["smtp"]._replace(port=port)
        monkeypatch.setitem(names._BY_NAME, "smtp", moved)  # noqa: SLF001  # ports below 1024 are not ours
        assert starttls.starttls_protocol("smtp").port == port
        result = netkit("tls", "probe", "--starttls", "smtp", "127.0.0.1", "--json")
    assert result.exit_code == 5
    assert result.json[0]["error"]["kind"] == "UnexpectedEof"


def pump(source: TcpStream, sink: TcpStream) -> None:
    with suppress(NetkitError, OSError):
        for data in source:
            sink.write_all(data, timeout=5)


def test_a_proxy(netkit: Netkit, good: str, tls_files: Files) -> None:
    def proxy(stream: TcpStream) -> None:
        head = stream.read_until(b"\r\n\r\n", timeout=5)
        with TcpStream.connect(head.split()[1].decode(), timeout=5) as onward:
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pump, args=(onward, stream))
            back.start()
            pump(stream, onward)
        back.join(5)

    with listening(proxy) as port:
        url = f"http://ann:secret@127.0.0.1:{port}"
        row = probed(netkit, good, "--ca", tls_files.ca, "--tls1.3", "--proxy", url)
    assert row["exit_code"] == 0
    assert row["peer"] == f"127.0.0.1:{port}"
    assert "127.0.0.1" in row["proxy"]
    assert "secret" not in row["proxy"]


def test_many_hosts(netkit: Netkit, bad: Served, good: str, tls_files: Files) -> None:
    targets = (good, bad.target, "127.0.0.1:1")
    result = netkit(
        "tls",
        "probe",
        *targets,
        "--ca",
        tls_files.ca,
        "--ordered",
        tty=True,
        width=160,
        env={"NO_COLOR": "1"},
    )
    assert result.exit_code == 9
    titles, *rows = result.lines[:4]
    assert titles.split() == ["server", "protocol", "group", "days", "verdict"]
    assert [row.split()[0] for row in rows] == list(targets)
    assert "x25519" in rows[0]
    assert "accepted: " in rows[0]
    assert "refused: " in rows[1]
    assert "connection refused" in rows[2]
