"""The options of TLS that all commands share: client certificates both ways, versions, suites, passwords.

Servers run in threads of this process where a command connects, and a command that listens is a process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    load_der_private_key,
    pkcs12,
)

from netkit.cli.frame.context import Environment
from netkit.cli.frame.options import WrongValue
from netkit.cli.frame.output import b64
from netkit.cli.payload.tls.files import Password, certificates, stapled_response
from netkit.cli.payload.tls.packed import packed, unpacked
from netkit.cli.payload.tls.server import CurrentTls, ServerTlsOptions
from netkit.dns.resolver import Resolver
from netkit.http.client.dial import Endpoint
from netkit.http.server.access_log import AccessLog, as_json
from netkit.io import Flow
from netkit.tls.backend import ClientHelloInfo
from netkit.tls.backends import why_absent
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.identities import ByCertificate
from netkit.tls.identity import Identity
from netkit.tls.throwaway.kinds import KeyKind
from netkit.tls.versions import TlsVersion
from tests.cli.helpers import Result
from tests.cli.test_listen import listening
from tests.cli.tls_servers import (
    Files,
    client_config,
    dot_serving,
    echo_serving,
    http_serving,
    issued,
    ocsp_response,
    parsed,
    pem_of,
    serving_config,
    ws_serving,
)
from tests.tls.memory import shake_hands

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]


#: Each command that connects: its server, and the words for it.
CONNECTING: dict[str, tuple[Callable[[TlsConfig], Any], list[str]]] = {
    "tcp connect": (echo_serving, ["tcp", "connect", "-N", "--tls", "localhost:{port}"]),
    "http fetch": (http_serving, ["http", "fetch", "https://localhost:{port}/"]),
    "ws client": (ws_serving, ["ws", "client", "--count", "1", "wss://localhost:{port}/echo", "hi"]),
    "dig": (dot_serving, ["dig", "@tls://127.0.0.1:{port}#localhost", "www.example"]),
    "resolve": (dot_serving, ["resolve", "--server", "tls://127.0.0.1:{port}#localhost", "www.example"]),
    "link": (http_serving, ["link", "https://localhost:{port}/"]),
}


@pytest.mark.parametrize("command", CONNECTING)
def test_a_client_certificate_is_shown(netkit: Netkit, tls_files: Files, command: str) -> None:
    serving, words = CONNECTING[command]
    # TLS 1.2: a server that refuses says so in the handshake, so that each command ends in the same way.
    with serving(tls_files.asking(max_version=TlsVersion.Tls12)) as port:
        given = [*(word.format(port=port) for word in words), "--ca", tls_files.ca]
        accepted = netkit(*given, "--cert", tls_files.alice, stdin="hi")
        assert accepted.exit_code == (1 if command == "link" else 0), accepted  # there is no link
        if command == "http fetch":
            assert accepted.lines == ["CN=alice"]
        assert netkit(*given, stdin="hi").exit_code == 5
        assert netkit(*given, "--cert", tls_files.stranger, stdin="hi").exit_code == 5


def test_a_server_that_refuses_after_its_handshake(netkit: Netkit, tls_files: Files) -> None:
    with echo_serving(tls_files.asking()) as port:
        given = ("tcp", "connect", "-N", "--tls", f"localhost:{port}", "--ca", tls_files.ca)
        assert netkit(*given, "--cert", tls_files.alice, stdin="hi").raw == b"hi"
        refused = netkit(*given, stdin="hi")
        assert (refused.exit_code, "certificate_required" in refused.stderr) == (5, True), refused
        assert refused.stderr.endswith("hint: the peer wants a client certificate; --cert FILE shows one\n")


needs_rustls = pytest.mark.skipif(why_absent("rustls") is not None, reason="rustls was not built")


@needs_rustls
@pytest.mark.parametrize("command", ["tcp connect", "http fetch"])
def test_a_hello_that_looks_encrypted(netkit: Netkit, tls_files: Files, command: str) -> None:
    serving, words = CONNECTING[command]
    with serving(serving_config("--cert", tls_files.cert)) as port:
        given = [*(word.format(port=port) for word in words), "--ca", tls_files.ca]
        assert netkit(*given, "--ech", "grease", stdin="hi").exit_code == 0
        # One of a version that is unknown: a client passes it over, and has none left.
        refused = netkit(*given, "--ech", "AAb+AAACAAA=", stdin="hi")
        assert (refused.exit_code, "--ech" in refused.stderr) == (2, True), refused
        refused = netkit(*given, "--ech", "grease", "--backend", "ssl", stdin="hi")
        assert (refused.exit_code, "--backend rustls" in refused.stderr) == (2, True), refused


@needs_rustls
def test_the_hello_is_encrypted_as_the_record_says(
    netkit: Netkit, tls_files: Files, monkeypatch: Any
) -> None:
    """A host without a record gets a hello that looks alike; only what asks for records can be told so."""
    asked = []

    def records(
        resolver: Resolver, *, ech: bool
    ) -> Callable[[str, int, Sequence[str]], Flow[list[Endpoint]]]:
        def find(host: str, port: int, supported: Sequence[str]) -> Flow[list[Endpoint]]:
            asked.append((host, ech))
            resolver.close()
            return []
            yield

        return find

    monkeypatch.setattr("netkit.https_records.HttpsRecords", records)
    with http_serving(serving_config("--cert", tls_files.cert)) as port:
        given = ("--ca", tls_files.ca, "--ech", "auto")
        fetched = netkit("http", "fetch", f"https://localhost:{port}/", *given, "--json")
        assert (fetched.exit_code, json.loads(fetched.stdout.splitlines()[0])["tls"]["ech_accepted"]) == (
            0,
            None,
        ), fetched
        assert asked == [("localhost", True)]
        refused = netkit("http", "fetch", f"https://localhost:{port}/", *given, "--backend", "ssl")
        assert (refused.exit_code, "--backend rustls" in refused.stderr) == (2, True), refused
        refused = netkit("tcp", "connect", "--tls", f"localhost:{port}", *given)
        assert (refused.exit_code, "asks for no HTTPS records" in refused.stderr) == (2, True), refused


@needs_rustls
@pytest.mark.parametrize("algorithm", ["zlib", "brotli", "zstd"])
def test_compressed_certificates(netkit: Netkit, tls_files: Files, algorithm: str) -> None:
    with echo_serving(serving_config("--cert", tls_files.cert, "--compress-cert", algorithm)) as port:
        given = ("tcp", "connect", "-N", "--tls", f"localhost:{port}", "--ca", tls_files.ca)
        assert netkit(*given, "--compress-cert", algorithm, stdin="hi").raw == b"hi"
        assert netkit(*given, stdin="hi").raw == b"hi"
        refused = netkit(*given, "--compress-cert", "lzma", stdin="hi")
        assert (refused.exit_code, "--compress-cert" in refused.stderr) == (2, True), refused


# -- client certificates, asked for


def test_the_client_certificate_is_logged(netkit: Netkit, tls_files: Files) -> None:
    given = ("--tls", "--cert", tls_files.cert, "--client-ca", tls_files.ca, "--client-cert", "optional")
    with listening("tcp", "listen", "-k", "--json", *given) as listener:
        for shown, subject in ((["--cert", tls_files.alice], "CN=alice"), ([], None)):
            connected = ("tcp", "connect", "-N", "--tls", "--ca", tls_files.ca, "--servername", "localhost")
            assert netkit(*connected, *shown, listener.address, stdin="hi").exit_code == 0
            tls = listener.event("connected")["tls"]
            assert tls["server_name"] == "localhost"
            assert (tls["client_certificate"] or {}).get("subject") == subject
            listener.event("received")
            listener.event("closed")
        assert netkit(*connected, "--cert", tls_files.stranger, listener.address, stdin="hi").exit_code in (
            4,
            5,
        )
        failed = listener.event("failed")
        assert (failed["error"]["stage"], failed["error"]["layer"]) == ("tls", "tls")
        assert listener.terminate()[2] == 0


# -- in memory


def test_the_log_of_requests_has_the_certificate(netkit: Netkit, tls_files: Files) -> None:
    lines: list[str] = []
    config = tls_files.asking(client_auth_optional=True)
    with http_serving(config, AccessLog(lines.append, as_json)) as port:
        for shown in (["--cert", tls_files.alice], []):
            assert (
                netkit("http", "fetch", f"https://localhost:{port}/", "--ca", tls_files.ca, *shown).exit_code
                == 0
            )
    with_it, without = (json.loads(line)["client_certificate"] for line in lines)
    assert (with_it["subject"], len(with_it["sha256"]), without) == ("CN=alice", 64, None)


@pytest.mark.parametrize(
    ("client", "server", "version"),
    [
        ([], [], "TLS 1.3"),
        (["--tls1.2"], [], "TLS 1.2"),
        (["--tls1.2", "--tls1.3"], [], "TLS 1.3"),
        (["--max-version", "1.2"], [], "TLS 1.2"),
        ([], ["--tls1.2"], "TLS 1.2"),
        (["--tls1.1"], ["--min-version", "1.0"], "TLS 1.1"),
        (["--tls1.3"], ["--tls1.2"], None),
    ],
)
def test_versions(tls_files: Files, client: list[str], server: list[str], version: str | None) -> None:
    both = client_config(tls_files, *client), serving_config("--cert", tls_files.cert, *server)
    if version is None:
        with pytest.raises(TlsError):
            shake_hands(*both, "localhost")
        return
    made = shake_hands(*both, "localhost")[0].version
    assert made is not None
    assert made.as_str == version


@pytest.mark.parametrize(
    ("words", "suite", "group"),
    [
        (["--tls1.2", "--cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "ECDHE-ECDSA-AES128-GCM-SHA256", None),
        (["--cipher", "TLS_CHACHA20_POLY1305_SHA256"], "TLS_CHACHA20_POLY1305_SHA256", "X25519MLKEM768"),
        (["--group", "secp384r1:secp521r1"], "TLS_AES_256_GCM_SHA384", "secp384r1"),
        (["--backend", "pyopenssl", "--group", "x25519:secp256r1"], "TLS_AES_256_GCM_SHA384", "x25519"),
    ],
)
def test_suites_and_groups(tls_files: Files, words: list[str], suite: str, group: str | None) -> None:
    server = serving_config("--cert", tls_files.cert, "--backend", "pyopenssl")
    session, _ = shake_hands(client_config(tls_files, *words), server, "localhost")
    assert (session.cipher, session.group) == (suite, group)


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (
            ["--backend", "ssl", "--group", "x25519:secp384r1"],
            "--group: ssl: it ",
            "write --backend pyopenssl",
        ),
        (["--backend", "nope"], "'nope' is not one of ssl", "netkit version"),
        (["--cipher", "nonsense"], "--cipher: ", "openssl ciphers"),
        (["--max-version", "1.1"], "--max-version is older than TLS 1.2", "add --min-version 1.1"),
        (["--min-version", "1.4"], "'1.4' is not a TLS version", "write 1.0, 1.1, 1.2 or 1.3"),
        (["--alpn", "x,x"], "--alpn: a protocol is named twice", None),
        (
            ["--tls1.2", "--cipher", "TLS_AES_128_GCM_SHA256"],
            "is of TLS 1.3, which is not spoken",
            "--max-version",
        ),
        (["--tls1.3", "--cipher", "AES128-SHA"], "AES128-SHA is for TLS 1.2 and older, which is not", None),
        (["--tls1.2", "--early-data"], "--early-data: early data needs TLS 1.3", None),
        # A script whose variable is empty does not mean the library's choice.
        (["--cipher", "TLS_AES_128_GCM_SHA256", "--cipher", ""], "--cipher names nothing", "or leave it out"),
        (["--group", ":"], "--group names nothing", None),
        (["--sigalgs", ""], "--sigalgs names nothing", None),
        (["--compress-cert", " "], "--compress-cert names nothing", None),
    ],
)
def test_what_cannot_be_honoured(
    netkit: Netkit, tls_files: Files, words: list[str], said: str, hint: str | None
) -> None:
    """It is wrong usage, about the option, before anything connects: nothing listens at port 9."""
    result = netkit("tcp", "connect", "-N", "--tls", "--ca", tls_files.ca, *words, "localhost:9")
    assert result.exit_code == 2, result
    assert said in result.stderr
    assert hint is None or hint in result.stderr


# -- passwords


@pytest.fixture(scope="module")
def locked(tls_files: Files) -> dict[str, str]:
    """The server's certificate and its key in encrypted files, by their forms."""
    key = load_der_private_key(tls_files.server.key.der_data, None)
    leaf, *_ = (each.to_cryptography() for each in tls_files.server.chain)
    assert not isinstance(key, (tuple, list))
    octets = pkcs12.serialize_key_and_certificates(
        b"server",
        key,  # type: ignore[arg-type]
        leaf,
        None,
        BestAvailableEncryption(b"secret"),
    )
    (tls_files.folder / "server.p12").write_bytes(octets)
    pem = tls_files.server.certificate.to_pem() + tls_files.server.key.to_pem(password="secret")
    (tls_files.folder / "locked.pem").write_text(pem)
    return {name: str(tls_files.folder / name) for name in ("server.p12", "locked.pem")}


@pytest.mark.parametrize("name", ["server.p12", "locked.pem"])
class TestPasswords:
    def test_from_a_file(self, tls_files: Files, locked: dict[str, str], name: str) -> None:
        (tls_files.folder / "password").write_text("secret\nand what follows\n")
        words = ("--cert", locked[name], "--password-file", str(tls_files.folder / "password"))
        assert serving_config(*words).identity == tls_files.server

    def test_from_the_environment(self, tls_files: Files, locked: dict[str, str], name: str) -> None:
        env = Environment(environ={"NETKIT_KEY_PASSWORD": "secret"})
        assert serving_config("--cert", locked[name], env=env).identity == tls_files.server

    def test_typed(
        self, tls_files: Files, locked: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []

        def typed(prompt: str) -> str:
            asked.append(prompt)
            return "secret"

        monkeypatch.setattr("getpass.getpass", typed)
        env = Environment(stdin_tty=True, stderr_tty=True)
        assert serving_config("--cert", locked[name], env=env).identity == tls_files.server
        assert asked == [f"Password of {locked[name]}: "]

    def test_none(self, netkit: Netkit, locked: dict[str, str], name: str) -> None:
        result = netkit("serve", "echo", "--tcp", "--tls", "--cert", locked[name])
        assert result.exit_code == 8, result
        assert "hint: --password-file FILE gives the password" in result.stderr

    def test_wrong(self, netkit: Netkit, locked: dict[str, str], name: str) -> None:
        result = netkit(
            "serve", "echo", "--tcp", "--tls", "--cert", locked[name], env={"NETKIT_KEY_PASSWORD": "no"}
        )
        assert result.exit_code == 8, result
        assert "the password is wrong" in result.stderr


def test_a_certificate_without_its_key(netkit: Netkit, tls_files: Files) -> None:
    result = netkit("serve", "echo", "--tcp", "--tls", "--cert", tls_files.ca)
    assert (result.exit_code, "hint: --key FILE gives the private key" in result.stderr) == (8, True), result


def test_a_certificate_that_is_cut_off_is_not_told_to_need_a_key(tls_files: Files) -> None:
    path = tls_files.folder / "cut.pem"
    path.write_text(pem_of(tls_files.server)[:300])
    with pytest.raises(TlsError.UnusableFile, match="line 1: CERTIFICATE does not end") as caught:
        serving_config("--cert", str(path))
    assert caught.value.hint is None


def test_locked_authorities_are_not_said_to_need_a_password(locked: dict[str, str]) -> None:
    with pytest.raises(TlsError.UnusableFile) as caught:
        certificates(locked["server.p12"], "--ca")
    assert caught.value.hint == "--ca takes certificates in PEM, DER or PKCS #7, without a password"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a file without an end")
def test_no_file_is_read_without_a_limit(netkit: Netkit) -> None:
    with pytest.raises(
        TlsError.UnusableFile, match="its first line is no password: it is over 4,096 letters"
    ):
        Password("/dev/zero", Environment()).of("key.pem")
    with pytest.raises(TlsError.UnusableFile, match="it is larger than the limit of 33,554,432 bytes"):
        stapled_response("/dev/zero")
    result = netkit("tls", "probe", "--insecure", "--resumption", "--early-data", "/dev/zero", "127.0.0.1:9")
    assert (result.exit_code, "larger than the limit" in result.stderr) == (8, True), result


# -- several certificates, successors


def test_each_client_gets_the_certificate_for_its_name(tls_files: Files) -> None:
    one, two = (issued(tls_files.authority, name) for name in ("one.example", "*.two.example"))
    old = issued(tls_files.authority, "one.example", key=KeyKind.Ed25519)
    chooser = ByCertificate((tls_files.server, old, one, two))

    def chosen(name: str | None, *schemes: int) -> Identity:
        return chooser(ClientHelloInfo(name, signature_schemes=schemes))

    assert chosen("one.example") == old
    assert chosen("one.example", 0x0403) == one, "the client cannot check Ed25519"
    assert chosen("a.two.example", 0x0403) == two
    assert chosen("one.example", 0x0804) == old, "none that it can check: it will say so itself"
    assert chosen("other.example") == chosen(None) == tls_files.server
    assert chosen(None, 0x0807) == old


def test_several_certificates_by_name(netkit: Netkit, tls_files: Files) -> None:
    (tls_files.folder / "one.pem").write_text(pem_of(issued(tls_files.authority, "one.example")))
    config = serving_config("--cert", tls_files.cert, "--cert", str(tls_files.folder / "one.pem"))
    with echo_serving(config) as port:
        for name, code in (("localhost", 0), ("one.example", 0), ("two.example", 5)):
            words = (
                "tcp",
                "connect",
                "-N",
                "--tls",
                "--ca",
                tls_files.ca,
                "--servername",
                name,
                f"127.0.0.1:{port}",
            )
            assert netkit(*words, stdin="hi").exit_code == code


def test_a_successor_gets_every_setting(tls_files: Files) -> None:
    staple = tls_files.folder / "staple.der"
    staple.write_bytes(ocsp_response(tls_files))
    plain = serving_config(
        "--cert", tls_files.cert, "--client-ca", tls_files.ca, "--client-cert", "optional",
        "--tls1.2", "--tls1.3", "--cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", "--tickets", "1",
        "--alpn", "a,b",
    )  # fmt: skip
    (tls_files.folder / "two.pem").write_text(pem_of(issued(tls_files.authority, "two.example")))
    several = serving_config("--cert", tls_files.cert, "--cert", str(tls_files.folder / "two.pem"))
    other = serving_config(
        "--cert", tls_files.cert, "--backend", "pyopenssl", "--group", "x25519", "--ocsp-staple", str(staple),
        "--cipher", "TLS_AES_128_GCM_SHA256", "--sigalgs", "ecdsa_secp256r1_sha256",
    )  # fmt: skip
    for config in (plain, several, other):
        assert unpacked(packed(config)) == config
    assert (plain.client_auth_optional, plain.tickets, plain.max_version) == (True, 1, TlsVersion.Tls13)
    assert isinstance(several.resolver, ByCertificate)
    assert (other.backend, other.groups, other.ocsp_response) == (
        "pyopenssl",
        ("x25519",),
        staple.read_bytes(),
    )


def test_a_stapled_response(netkit: Netkit, tls_files: Files) -> None:
    staple = tls_files.folder / "stapled.der"
    staple.write_bytes(ocsp_response(tls_files))
    config = serving_config("--cert", tls_files.cert, "--ocsp-staple", str(staple))
    with echo_serving(config) as port:
        given = ("tcp", "connect", "-N", "--tls", "--ca", tls_files.ca, "--json", f"localhost:{port}")
        told = [netkit(*given, *more).json[0]["tls"]["ocsp_response_b64"] for more in (["--ocsp"], [])]
    with dot_serving(config) as port:
        asked = ("dig", f"@tls://127.0.0.1:{port}#localhost", "www.example", "--ca", tls_files.ca, "--json")
        told += [netkit(*asked, *more).json[0]["tls"]["ocsp_response_b64"] for more in (["--ocsp"], [])]
    with http_serving(config) as port:
        url = ("http", "fetch", f"https://localhost:{port}/", "--ca", tls_files.ca, "--json")
        told += [netkit(*url, *more).json[0]["tls"]["ocsp_response_b64"] for more in (["--ocsp"], [])]
    assert told == [b64(staple.read_bytes()), None] * 3
    staple.write_bytes(b"no response")
    refused = netkit(
        "serve", "echo", "--tcp", "--tls", "--cert", tls_files.cert, "--ocsp-staple", str(staple)
    )
    assert (refused.exit_code, "holds no OCSP response" in refused.stderr) == (8, True), refused


def test_a_revoked_server(netkit: Netkit, tls_files: Files) -> None:
    now, authority = datetime.now(UTC), tls_files.authority
    builder = x509.CertificateRevocationListBuilder().issuer_name(
        authority.certificate.to_cryptography().subject
    )
    builder = builder.last_update(now - timedelta(days=1)).next_update(now + timedelta(days=1))
    key: Any = load_der_private_key(bytes.fromhex(json.loads(authority.packed())["key"]), None)
    empty = builder.sign(key, hashes.SHA256())
    serial = tls_files.server.certificate.serial
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
    full = builder.add_revoked_certificate(entry).sign(key, hashes.SHA256())
    with echo_serving(tls_files.config()) as port:
        for crl, form, code in ((empty, Encoding.DER, 0), (full, Encoding.PEM, 5)):
            (tls_files.folder / "crl").write_bytes(crl.public_bytes(form))
            given = ("--ca", tls_files.ca, "--crl", str(tls_files.folder / "crl"))
            done = netkit("tcp", "connect", "-N", "--tls", *given, f"localhost:{port}", stdin="hi")
            assert done.exit_code == code, done
    assert "revoked" in done.stderr


def test_what_is_read_again_keeps_the_rest(tls_files: Files) -> None:
    """A server that took over, and was given a new certificate only, still asks for clients' certificates."""
    before = serving_config("--cert", tls_files.cert, "--client-ca", tls_files.ca, "--alpn", "a")
    (tls_files.folder / "new.pem").write_text(pem_of(issued(tls_files.authority, "new.example")))
    current = CurrentTls(before)
    group = parsed(ServerTlsOptions, "--tls", "--cert", str(tls_files.folder / "new.pem"))
    read = group.reload(current, Environment())
    assert read is not None
    read()
    assert current.config is not None
    assert current.config.identity != before.identity
    assert (current.config.verify_mode, current.config.root_certs) == (before.verify_mode, before.root_certs)
    assert current.config.alpn_protocols == ("a",)


def test_settings_that_do_not_go_together(tls_files: Files) -> None:
    with pytest.raises(WrongValue, match="--group: ssl: it "):
        serving_config("--cert", tls_files.cert, "--backend", "ssl", "--group", "x25519:secp384r1")


@pytest.mark.parametrize(
    "command",
    [
        ["tcp", "connect", "--tls", "127.0.0.1:1"],
        ["tls", "probe", "127.0.0.1:1"],
        ["http", "fetch", "https://127.0.0.1:1/"],
        ["ws", "client", "wss://127.0.0.1:1/"],
    ],
)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        # A script whose variable is empty must not verify another name than it meant.
        ("", "--servername is empty"),
        ("a b", "--servername: 'a b' is not a host name"),
    ],
)
def test_a_name_that_cannot_be_is_refused_before_anything_connects(
    netkit: Netkit, command: list[str], name: str, words: str
) -> None:
    result = netkit(*command, "--servername", name)
    assert result.exit_code == 2
    assert words in result.stderr
