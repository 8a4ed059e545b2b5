"""TLS against servers that nobody here wrote: OpenSSL's, GnuTLS's, and nginx.

Each of them presents the same identities, right and wrong, and netkit has to say of each what is wrong with
it; then data goes both ways through `TlsStream`.
"""

from __future__ import annotations

import socket
import subprocess
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import IO, TYPE_CHECKING, NamedTuple

import pytest

from netkit.net import TcpStream
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.stream import TlsStream
from netkit.tls.versions import TlsVersion
from netkit.tls.x509.certificate import Certificate
from tests.cli.helpers import run_netkit
from tests.conftest import free_port, require_peer
from tests.interop.nginx import nginx as running_nginx
from tests.tls.pki import DAY, NOW, SERVER_AUTH, Issued, issue
from tests.tls.serving import listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# None of this uses a twin.
pytestmark = pytest.mark.once

HOST = "www.example.com"
OLD_VERSIONS = "versions too old"


class Identity(NamedTuple):
    """What a server presents, and the reason a client gives for refusing it (None: it accepts)."""

    chain: tuple[Issued, ...]
    reason: str | None
    kind: str | None


@cache
def root() -> Issued:
    return issue("Interop Root", ca=True, organization="Interop")


@cache
def identities() -> dict[str, Identity]:
    usages = ("digital_signature",)
    middle = issue("Interop Issuing CA", root(), ca=True, organization="Interop")
    stranger = issue("Unknown Issuing CA", issue("Unknown Root", ca=True), ca=True)
    good = issue(HOST, middle, sans=(HOST,), purposes=SERVER_AUTH, usages=usages)
    expired = issue(HOST, middle, sans=(HOST,), usages=usages, start=NOW - 90 * DAY, end=NOW - 2 * DAY)
    other = issue("other.example", middle, sans=("other.example", "*.other.example"), usages=usages)
    alone = issue(HOST, sans=(HOST,))
    unknown = issue(HOST, stranger, sans=(HOST,), usages=usages)
    failed = "CertificateVerificationFailed"
    return {
        "good": Identity((good, middle), None, None),
        "expired": Identity((expired, middle), "expired", "CertificateExpired"),
        "wrong host": Identity((other, middle), "wrong-host", "HostnameMismatch"),
        "self-signed": Identity((alone,), "self-signed", failed),
        "unknown issuer": Identity((unknown, stranger), "unknown-issuer", failed),
        "missing intermediate": Identity((good,), "missing-intermediate", failed),
    }


def identity_of(name: str) -> Identity:
    return identities()["good" if name == OLD_VERSIONS else name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the servers read: a bundle, a rest of the bundle and a key for each identity."""
    path: Path = tmp_path_factory.mktemp("identities")
    (path / "root.pem").write_text(root().pem)
    for name in (*identities(), OLD_VERSIONS):
        chain = identity_of(name).chain
        (path / f"{name}.pem").write_text("".join(one.pem for one in chain))
        (path / f"{name}.rest").write_text("".join(one.pem for one in chain[1:]))
        (path / f"{name}.key").write_text(chain[0].key_pem)
    return path


# The servers. Each is ready when its function has given its port.


@contextmanager
def process(arguments: list[str], **more: object) -> Iterator[subprocess.Popen[bytes]]:
    """A server's process, ended at the end."""
    server = subprocess.Popen(  # type: ignore[call-overload]  # what `more` holds is the caller's to know
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **more,
    )
    try:
        yield server
    finally:
        server.terminate()  # not killed: nginx has a worker to end
        try:
            server.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.communicate()


def line_with(output: IO[bytes], word: bytes) -> bytes:
    """The next line with `word` in it; fails with what came instead when the output ends."""
    seen = []
    for line in output:
        if word in line:
            return line
        seen.append(line)
    raise AssertionError(f"the server ended: {b''.join(seen)!r}")


@contextmanager
def openssl(
    folder: Path, name: str, *more: str, program: str | None = None
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    arguments = [program or require_peer("openssl"), "s_server", "-accept", "127.0.0.1:0", "-naccept", "1000"]
    arguments += ["-cert", str(folder / f"{name}.pem"), "-key", str(folder / f"{name}.key")]
    arguments += ["-alpn", "h2,http/1.1"]
    if (folder / f"{name}.rest").read_bytes():
        arguments += ["-cert_chain", str(folder / f"{name}.rest")]
    if name == OLD_VERSIONS:
        arguments += ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"]
    with process([*arguments, *more]) as server:
        assert server.stdout is not None
        yield int(line_with(server.stdout, b"ACCEPT").rpartition(b":")[2]), server


@contextmanager
def gnutls(folder: Path, name: str, *more: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    versions = "+VERS-TLS1.1" if name == OLD_VERSIONS else "+VERS-TLS1.2:+VERS-TLS1.3"
    arguments = [require_peer("gnutls-serv"), "--echo", "--port", str(port), "--disable-client-cert"]
    arguments += ["--x509certfile", str(folder / f"{name}.pem"), "--x509keyfile", str(folder / f"{name}.key")]
    arguments += ["--priority", f"NORMAL:-VERS-ALL:{versions}", "--alpn", "h2", *more]
    with process(arguments) as server:
        assert server.stdout is not None
        line_with(server.stdout, b"IPv4")
        yield port, server


@pytest.fixture(scope="module")
def nginx(folder: Path) -> Iterator[dict[str, int]]:
    """One nginx with a server for each identity: their ports."""
    with ExitStack() as stack:
        sockets = {
            name: stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for name in (*identities(), OLD_VERSIONS)
        }
        ports = {name: listener.getsockname()[1] for name, listener in sockets.items()}
        servers = "".join(
            f'server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate "{folder}/{name}.pem"; '
            f'ssl_certificate_key "{folder}/{name}.key"; return 200 "hello"; '
            + (
                'ssl_protocols TLSv1 TLSv1.1; ssl_ciphers "DEFAULT:@SECLEVEL=0"; }\n'
                if name == OLD_VERSIONS
                else "ssl_protocols TLSv1.2 TLSv1.3; }\n"
            )
            for name, port in ports.items()
        )
        stack.enter_context(running_nginx(folder / "nginx", servers, list(sockets.values())))
        yield ports


@pytest.fixture(params=["openssl", "gnutls", "nginx"])
def peer(request: pytest.FixtureRequest, folder: Path) -> Iterator[Peer]:
    """Each server in turn."""
    with ExitStack() as stack:
        yield Peer(request, folder, stack)


class Peer:
    """Starts one kind of server for the identity asked for."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path, stack: ExitStack) -> None:
        self.kind = request.param
        self.folder = folder
        self._request = request
        self._stack = stack

    def serving(self, name: str) -> int:
        """The port where the identity is presented."""
        if self.kind == "nginx":
            ports: dict[str, int] = self._request.getfixturevalue("nginx")
            return ports[name]
        start = openssl if self.kind == "openssl" else gnutls
        return self._stack.enter_context(start(self.folder, name))[0]

    def probe(self, port: int, *more: str) -> tuple[int, dict[str, object], str]:
        """Run `netkit tls probe`: the exit code, the JSON object, and the plain output."""
        ca = str(self.folder / "root.pem")
        arguments = ("tls", "probe", f"127.0.0.1:{port}", "--servername", HOST, "--ca", ca, *more)
        shown = run_netkit(*arguments)
        told = run_netkit(*arguments, "--json")
        assert shown.exit_code == told.exit_code
        (row,) = told.json
        return told.exit_code, row, shown.stdout


@pytest.mark.parametrize(
    "name", ["good", "expired", "wrong host", "self-signed", "unknown issuer", "missing intermediate"]
)
def test_verdicts(peer: Peer, name: str) -> None:
    identity = identities()[name]
    code, row, shown = peer.probe(peer.serving(name))
    assert code == (0 if identity.reason is None else 5)
    verification = row["verification"]
    assert isinstance(verification, dict)
    errors = [one["code"] for one in verification["findings"] if one["severity"] == "error"]
    assert errors == ([] if identity.reason is None else [identity.reason])
    error = row.get("error")
    assert (error["kind"] if isinstance(error, dict) else None) == identity.kind
    # Whatever the verdict, all that was sent is shown.
    certificates = row["certificates"]
    assert isinstance(certificates, list)
    assert [one["sha256"] for one in certificates] == [
        one.certificate.fingerprint_sha256 for one in identity.chain
    ]
    assert row["protocol"] == "TLS 1.3"
    assert row["alpn"] == "h2"
    for one in identity.chain:
        assert one.certificate.fingerprint_sha256 in shown
        assert one.certificate.subject in shown


@pytest.mark.parametrize(
    "name", ["good", "expired", "wrong host", "self-signed", "unknown issuer", "missing intermediate"]
)
def test_a_verifying_connection_agrees(peer: Peer, name: str) -> None:
    """The probe's verdict is what a real connection meets."""
    identity = identities()[name]
    config = TlsConfig.client().with_root_certs([root().certificate])
    tcp = TcpStream.connect(("127.0.0.1", peer.serving(name)), timeout=5)
    if identity.kind is None:
        with TlsStream.connect(tcp, HOST, config, timeout=5) as stream:
            assert stream.peer_chain == tuple(one.certificate for one in identity.chain)
        return
    with pytest.raises(TlsError.CertificateVerificationFailed) as caught:
        TlsStream.connect(tcp, HOST, config, timeout=5)
    assert caught.value.kind == identity.kind


def test_versions_too_old(peer: Peer) -> None:
    port = peer.serving(OLD_VERSIONS)
    code, row, _ = peer.probe(port)
    assert code == 5
    error = row["error"]
    assert isinstance(error, dict)
    assert error["kind"] in ("AlertReceived", "UnsupportedVersion")
    assert "version" in str(error["hint"])
    code, row, _ = peer.probe(port, "--min-version", "1.0")
    assert code == 0
    assert row["protocol"] == "TLS 1.1"
    assert len(identity_of(OLD_VERSIONS).chain) == len(row["certificates"])  # type: ignore[arg-type]


def test_each_version(peer: Peer) -> None:
    port = peer.serving("good")
    for version in ("1.2", "1.3"):
        code, row, _ = peer.probe(port, "--min-version", version, "--max-version", version)
        assert (code, row["protocol"]) == (0, f"TLS {version}")


def test_pem_is_what_was_sent(peer: Peer) -> None:
    port = peer.serving("good")
    result = run_netkit("tls", "probe", f"127.0.0.1:{port}", "--insecure", "--pem")
    assert result.exit_code == 0
    assert Certificate.from_pem_chain(result.stdout) == [
        one.certificate for one in identities()["good"].chain
    ]


def test_tls_is_not_spoken(folder: Path) -> None:
    def echo(stream: TcpStream) -> None:
        for data in stream:
            stream.write_all(data)

    with listening(echo) as port:
        result = run_netkit("tls", "probe", f"127.0.0.1:{port}", "--json")
    assert result.exit_code == 5
    assert result.json[0]["error"]["layer"] == "tls"
    assert result.json[0]["certificates"] == []


def test_a_client_certificate_is_required(folder: Path) -> None:
    """In TLS 1.2 the handshake fails; what the server had sent by then is shown and judged."""
    with openssl(folder, "good", "-Verify", "1", "-verify_return_error") as (port, _):
        arguments = ("tls", "probe", f"127.0.0.1:{port}", "--servername", HOST, "--max-version", "1.2")
        result = run_netkit(*arguments, "--ca", str(folder / "root.pem"), "--json")
    (row,) = result.json
    assert result.exit_code == 5
    assert row["error"]["kind"] == "AlertReceived"
    assert row["verification"]["accepted"] is True
    assert row["accepted"] is False
    assert row["protocol"] == "TLS 1.2"


def client_of(port: int, version: TlsVersion = TlsVersion.Tls13) -> TlsStream:
    config = TlsConfig.client().with_root_certs([root().certificate]).with_max_version(version)
    return TlsStream.connect(TcpStream.connect(("127.0.0.1", port), timeout=5), HOST, config, timeout=5)


@pytest.mark.parametrize("version", [TlsVersion.Tls12, TlsVersion.Tls13])
def test_data_with_openssl(folder: Path, version: TlsVersion) -> None:
    """`-rev` sends each line back reversed."""
    with openssl(folder, "good", "-rev") as (port, _), client_of(port, version) as stream:
        for line in (b"hello", b"x" * 10_000):
            stream.write_all(line + b"\n", timeout=5)
            assert stream.read_until(b"\n", timeout=5) == line[::-1] + b"\n"
        stream.shutdown(timeout=5)


def test_new_keys_in_the_middle(folder: Path) -> None:
    """A KeyUpdate that asks for another (s_server's command K) is answered without anyone noticing."""
    with openssl(folder, "good") as (port, server), client_of(port) as stream:
        assert server.stdin is not None
        assert server.stdout is not None
        for round_ in range(3):
            server.stdin.write(b"K\n")
            server.stdin.flush()
            # It reads its commands before its connections: when this is there, the command is done.
            stream.write_all(b"ping %d\n" % round_, timeout=5)
            line_with(server.stdout, b"ping %d" % round_)
            server.stdin.write(b"line %d\n" % round_)
            server.stdin.flush()
            assert stream.read_until(b"\n", timeout=5) == b"line %d\n" % round_


@pytest.mark.parametrize("version", [TlsVersion.Tls12, TlsVersion.Tls13])
def test_data_with_gnutls(folder: Path, version: TlsVersion) -> None:
    with gnutls(folder, "good") as (port, server), client_of(port, version) as stream:
        for length in (1, 100, 8_000, 15_000):  # it answers line by line
            line = b"x" * length + b"\n"
            stream.write_all(line, timeout=5)
            assert stream.read_exactly(len(line), timeout=5) == line
        # It prints the channel bindings that it computed itself.
        ours = stream.tls_server_end_point
        server.terminate()
        assert server.stdout is not None
        assert ours is not None
        line_with(server.stdout, f"'tls-server-end-point': {ours.hex()}".encode())


def test_data_with_nginx(nginx: dict[str, int]) -> None:
    with client_of(nginx["good"]) as stream:
        stream.write_all(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode(), timeout=5)
        answer = b"".join(stream)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"hello")
