"""Every TLS backend with openssl, GnuTLS and Go, as client and as server: versions, names, keys, sessions.

In each connection both ends say what was agreed on, and exported keys (RFC 5705) are compared where the
backend has them: two ends that derive the same keys have made the same handshake.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from netkit.net import TcpListener, TcpStream
from netkit.tls.backend import Capability
from netkit.tls.backends import find_backend, names, why_absent
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.sessions import MemorySessionStore
from netkit.tls.stream import TlsStream
from netkit.tls.versions import TlsVersion
from tests.conftest import absent, free_port, require_peer
from tests.interop.nginx import nginx
from tests.interop.test_tls_peers import line_with, process
from tests.tls.pki import Issued, issue
from tests.tls.serving import listening
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

# None of this uses a twin.
pytestmark = pytest.mark.once

HOST = "server.example"
LABEL = "EXPORTER-netkit-interop"
HERE = Path(__file__).parent

BACKENDS = [name for name in names() if why_absent(name) is None]
VERSIONS = tuple(TlsVersion)
PEERS = ("openssl", "gnutls", "go")

#: Every version of GnuTLS.
GNUTLS_ALL = "NORMAL:+VERS-TLS1.0:+VERS-TLS1.1:%VERIFY_ALLOW_SIGN_WITH_SHA1:+SIGN-ALL"

#: X25519MLKEM768, by IANA's number, and what Go needs to have it in a module for an older Go.
MLKEM = 0x11EC
GO_WITH_MLKEM = {**os.environ, "GODEBUG": "tlsmlkem=1"}


@dataclass(frozen=True)
class Keys:
    """The files that peers read."""

    folder: Path
    root: Issued
    server: Issued
    client: Issued

    def file(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("tls")
    root = issue("Interop Root", ca=True, usages=("key_cert_sign", "crl_sign"))
    made = Keys(
        folder,
        root,
        issue(HOST, root, sans=(HOST,), usages=("digital_signature",)),
        issue("a client", root, usages=("digital_signature",)),
    )
    (folder / "root.pem").write_text(root.pem)
    for name, one in (("server", made.server), ("client", made.client)):
        (folder / f"{name}.pem").write_text(one.pem)
        (folder / f"{name}.key").write_text(one.key_pem)
    return made


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Go's crypto/tls as a program."""
    program = require_peer("go")
    made = tmp_path_factory.mktemp("go") / "tls"
    variables = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    subprocess.run([program, "build", "-o", made, "."], cwd=HERE / "go" / "tls", env=variables, check=True)
    return str(made)


@pytest.fixture
def go_has_mlkem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Go from 1.24 on, told to use what the version in `go.mod` had not yet."""
    monkeypatch.setenv("GODEBUG", "tlsmlkem=1")
    said = subprocess.run(
        [require_peer("go"), "env", "GOVERSION"], capture_output=True, text=True, check=True
    )
    found = re.match(r"go1\.(\d+)", said.stdout)
    if found is None or int(found[1]) < 24:
        absent(f"Go 1.24 for X25519MLKEM768 (this is {said.stdout.strip()})", "NETKIT_REQUIRE_PEERS")


def old(version: TlsVersion) -> bool:
    return version < TlsVersion.Tls12


def can(backend: str, role: Any, *capabilities: Capability) -> bool:
    return set(capabilities) <= find_backend(backend).capabilities(role)


CAPABILITY = {
    TlsVersion.Tls10: Capability.Tls10,
    TlsVersion.Tls11: Capability.Tls11,
    TlsVersion.Tls12: Capability.Tls12,
    TlsVersion.Tls13: Capability.Tls13,
}

#: Each backend with each version that it has.
CLIENTS = [(b, v) for b in BACKENDS for v in VERSIONS if can(b, "client", CAPABILITY[v])]
SERVERS = [(b, v) for b in BACKENDS for v in VERSIONS if can(b, "server", CAPABILITY[v])]


def has(backend: str, role: Any, version: TlsVersion) -> None:
    """Skip the test if the backend has not the version."""
    if not can(backend, role, CAPABILITY[version]):
        pytest.skip(f"{backend} has no {version}")


def client(keys: Keys, backend: str, version: TlsVersion, **changes: Any) -> TlsConfig:
    has(backend, "client", version)
    settings = {"root_certs": (keys.root.certificate,), "alpn_protocols": ("h2", "http/1.1"), **changes}
    return TlsConfig(backend=backend, min_version=version, max_version=version, **settings)


def with_certificate(config: TlsConfig, one: Issued) -> TlsConfig:
    return config.with_identity(one.certificate, one.private_key)


# netkit as the client.


def _openssl_server(keys: Keys, *more: str) -> list[str]:
    return [
        require_peer("openssl"), "s_server", "-accept", "127.0.0.1:0", "-alpn", "h2",
        "-cert", keys.file("server.pem"), "-key", keys.file("server.key"), "-CAfile", keys.file("root.pem"),
        "-cipher", "DEFAULT:@SECLEVEL=0", "-keymatexport", LABEL, "-keymatexportlen", "32", *more,
    ]  # fmt: skip


def _gnutls_server(keys: Keys, port: int, *more: str) -> list[str]:
    return [
        require_peer("gnutls-serv"), "--echo", "--port", str(port), "--alpn", "h2",
        "--x509certfile", keys.file("server.pem"), "--x509keyfile", keys.file("server.key"),
        "--x509cafile", keys.file("root.pem"), "--priority", GNUTLS_ALL,
        "--keymatexport", LABEL, "--keymatexportsize", "32", *more,
    ]  # fmt: skip


class Server:
    """A peer's server, and what it has said."""

    def __init__(self, kind: str, port: int, said: subprocess.Popen[bytes]) -> None:
        self.kind = kind
        self.port = port
        self._process = said

    def exported(self) -> str:
        """The keys that it exported for the connection that it talks to, in hexadecimal."""
        assert self._process.stdout is not None
        found = re.search(rb"([0-9A-Fa-f]{64})", line_with(self._process.stdout, b"ey"))
        while found is None:
            found = re.search(rb"([0-9A-Fa-f]{64})", line_with(self._process.stdout, b"ey"))
        return found[1].decode().lower()

    def answer(self, line: bytes) -> None:
        """Let it send a line: openssl's server sends what is typed."""
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()


@pytest.fixture(scope="module")
def servers(keys: Keys, go: str) -> Iterator[Any]:
    """Servers of all peers, started when one is asked for: `servers(kind, certificate=True)`."""
    with ExitStack() as stack:
        running: dict[tuple[str, bool], Server] = {}

        def serving(kind: str, *, certificate: bool = False) -> Server:
            if (kind, certificate) in running:
                return running[kind, certificate]
            asks: tuple[str, ...]
            if kind == "openssl":
                asks = ("-Verify", "1", "-verify_return_error") if certificate else ()
                started = stack.enter_context(process(_openssl_server(keys, *asks)))
                assert started.stdout is not None
                port = int(line_with(started.stdout, b"ACCEPT").rpartition(b":")[2])
            elif kind == "gnutls":
                port = free_port()
                asks = (
                    ("--require-client-cert", "--verify-client-cert")
                    if certificate
                    else ("--disable-client-cert",)
                )
                started = stack.enter_context(process(_gnutls_server(keys, port, *asks)))
                assert started.stdout is not None
                line_with(started.stdout, b"IPv4")
            else:
                asks = ("-ca", keys.file("root.pem")) if certificate else ()
                arguments = [go, "server", keys.file("server.pem"), keys.file("server.key"), *asks]
                started = stack.enter_context(process(arguments))
                assert started.stdout is not None
                port = int(line_with(started.stdout, b"port").split()[1])
            return running.setdefault((kind, certificate), Server(kind, port, started))

        yield serving


def exchange(stream: TlsStream, server: Server) -> dict[str, str]:
    """Talk with a peer's server; what it says that was agreed on (only Go's does)."""
    told: dict[str, str] = {}
    if server.kind == "go":
        line = stream.read_until(b"\n", timeout=10).decode()
        told = dict(pair.split("=", 1) for pair in line.split())
    stream.write_all(b"xyz\n", timeout=10)
    if server.kind == "openssl":
        server.answer(b"xyz\n")
    assert stream.read_exactly(4, timeout=10) == b"xyz\n"
    return told


def connect(server: Server, config: TlsConfig) -> TlsStream:
    tcp = TcpStream.connect(("127.0.0.1", server.port), timeout=10)
    return TlsStream.connect(tcp, HOST, config, timeout=10)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(("backend", "version"), CLIENTS, ids=str)
def test_client(keys: Keys, servers: Any, backend: str, version: TlsVersion, peer: str) -> None:
    server = servers(peer)
    with connect(server, client(keys, backend, version)) as stream:
        told = exchange(stream, server)
        assert stream.negotiated_version is version
        assert stream.alpn == "h2"
        assert stream.backend == backend
        theirs = told["exported"] if peer == "go" else server.exported()
        if peer == "go":
            assert told["sni"] == HOST
            assert int(told["version"], 16) == version
        if can(backend, "client", Capability.Exporter) and theirs != "none":
            context = b"context" if peer == "go" else None
            assert stream.export_keying_material(LABEL, context, 32).hex() == theirs
        stream.shutdown(timeout=10)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("version", VERSIONS[2:])
@pytest.mark.parametrize("backend", BACKENDS)
def test_client_certificate(keys: Keys, servers: Any, backend: str, version: TlsVersion, peer: str) -> None:
    server = servers(peer, certificate=True)
    config = with_certificate(client(keys, backend, version), keys.client)
    with connect(server, config) as stream:
        told = exchange(stream, server)
        # OpenSSL adds the authority where it is among the trusted roots.
        assert told.get("certificates", "1") in ("1", "2")
        if can(backend, "client", Capability.ClientAuthRequest):
            assert stream.client_certificate_requested is not None
    # Without one, the server's refusal reaches the caller: in TLS 1.3 with the first read.
    with (
        pytest.raises((TlsError.AlertReceived, TlsError.Truncated)),
        connect(server, client(keys, backend, version)) as stream,
    ):
        stream.read(timeout=10)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("version", VERSIONS[2:])
@pytest.mark.parametrize("backend", [name for name in BACKENDS if can(name, "client", Capability.Resumption)])
def test_client_resumes(keys: Keys, servers: Any, backend: str, version: TlsVersion, peer: str) -> None:
    config = client(keys, backend, version, session_store=MemorySessionStore())
    server = servers(peer)
    resumed = []
    for _ in range(2):
        with connect(server, config) as stream:
            told = exchange(stream, server)
            resumed.append(stream.resumed)
            assert told.get("resumed", str(stream.resumed).lower()) == str(stream.resumed).lower()
            stream.shutdown(timeout=10)
    assert resumed == [False, True]


@pytest.mark.parametrize(
    "backend", [name for name in BACKENDS if can(name, "client", Capability.PostQuantum)]
)
@pytest.mark.usefixtures("go_has_mlkem")
def test_client_mlkem(keys: Keys, go: str, backend: str) -> None:
    """A server that takes no other group."""
    arguments = [go, "server", keys.file("server.pem"), keys.file("server.key"), "-group", str(MLKEM)]
    with process(arguments, env=GO_WITH_MLKEM) as started:
        assert started.stdout is not None
        server = Server("go", int(line_with(started.stdout, b"port").split()[1]), started)
        with connect(server, client(keys, backend, TlsVersion.Tls13)) as stream:
            exchange(stream, server)
            if can(backend, "client", Capability.GroupName):
                assert stream.group == "X25519MLKEM768"


# netkit as the server.


@dataclass
class Met:
    """What the server saw of its clients."""

    streams: list[dict[str, Any]]
    error: Exception | None = None


@contextmanager
def netkit_server(config: TlsConfig) -> Iterator[tuple[int, Met]]:
    """A server that echoes; what it saw of each client."""
    met = Met([])

    def serve(below: TcpStream) -> None:
        try:
            stream = TlsStream.accept(below, config, timeout=10)
        except TlsError as error:
            met.error = error
            raise
        with stream:
            seen: dict[str, Any] = {
                "version": stream.negotiated_version,
                "alpn": stream.alpn,
                "chain": stream.peer_chain,
                "resumed": stream.resumed,
            }
            assert stream.backend == config.backend
            if can(stream.backend, "server", Capability.Exporter):
                seen["exported"] = {
                    context: stream.export_keying_material(LABEL, context, 32).hex()
                    for context in (None, b"context")
                }
            met.streams.append(seen)
            for data in stream:
                stream.write_all(data, timeout=10)

    with listening(serve) as port:
        yield port, met


def server(keys: Keys, backend: str, version: TlsVersion, **changes: Any) -> TlsConfig:
    has(backend, "server", version)
    config = TlsConfig(
        is_server=True,
        backend=backend,
        min_version=version,
        max_version=version,
        use_system_certs=False,
        alpn_protocols=("h2",),
        **{"verify_mode": CertVerifyMode.None_, **changes},
    )
    return with_certificate(config, keys.server)


def asking(keys: Keys, backend: str, version: TlsVersion) -> TlsConfig:
    roots = (keys.root.certificate,)
    return server(keys, backend, version, verify_mode=CertVerifyMode.Full, root_certs=roots)


def run_client(
    kind: str, port: int, keys: Keys, go: str, *, certificate: bool = False, times: int = 1
) -> str:
    """Run a peer's client, which says something and waits for it; what it prints."""
    own = (keys.file("client.pem"), keys.file("client.key"))
    if kind == "go":
        arguments = [go, "client", f"127.0.0.1:{port}", HOST, keys.file("root.pem"), "-n", str(times)]
        arguments += ["-cert", own[0], "-key", own[1]] if certificate else []
    elif kind == "openssl":
        arguments = [
            require_peer("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-verify_return_error",
            "-servername", HOST, "-CAfile", keys.file("root.pem"), "-alpn", "h2",
            "-cipher", "DEFAULT:@SECLEVEL=0", "-min_protocol", "TLSv1",
            "-keymatexport", LABEL, "-keymatexportlen", "32",
        ]  # fmt: skip
        arguments += ["-cert", own[0], "-key", own[1]] if certificate else []
    else:
        arguments = [
            require_peer("gnutls-cli"), "--port", str(port), "--sni-hostname", HOST,
            "--verify-hostname", HOST,
            "--x509cafile", keys.file("root.pem"), "--alpn", "h2",
            "--priority", GNUTLS_ALL,
            "--keymatexport", LABEL, "--keymatexportsize", "32", "127.0.0.1",
        ]  # fmt: skip
        arguments += ["--x509certfile", own[0], "--x509keyfile", own[1]] if certificate else []
        arguments += ["--resume", "--waitresumption"] if times > 1 else []
    # A client that hangs is ended, and its output says why. One that was refused may be gone before anything
    # is said to it: without a buffer, nothing is left that closing would try to write again.
    with subprocess.Popen(
        ["timeout", "20", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0,
    ) as running:  # fmt: skip
        assert running.stdin is not None
        assert running.stdout is not None
        said = b""
        try:
            running.stdin.write(b"ping\n")
            if kind != "go":
                for line in running.stdout:
                    said += line
                    if line.endswith(b"ping\n"):  # openssl may have begun the line
                        break
            running.stdin.close()
        except BrokenPipeError:
            pass
        said += running.stdout.read()
        return said.decode("utf-8", "replace")


def exported_by(kind: str, said: str) -> tuple[bytes | None, str]:
    """The context and the keys that a peer's client says it exported."""
    if kind == "go":
        found = re.search(r"exported=(\S+)", said)
    else:
        found = re.search(r"(?:Keying material|Key material): *([0-9A-Fa-f]+)", said)
    assert found is not None, said
    return (b"context" if kind == "go" else None), found[1].lower()


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(("backend", "version"), SERVERS, ids=str)
def test_server(keys: Keys, go: str, backend: str, version: TlsVersion, peer: str) -> None:
    with netkit_server(server(keys, backend, version)) as (port, met):
        said = run_client(peer, port, keys, go)
        until(lambda: met.streams or met.error, "the server's view")
        assert met.streams, (met.error, said)
        (seen,) = met.streams
        assert seen["version"] is version
        assert seen["alpn"] == "h2"
        context, theirs = exported_by(peer, said)
        if "exported" in seen and theirs != "none":
            assert seen["exported"][context] == theirs


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("version", VERSIONS[2:])
@pytest.mark.parametrize("backend", BACKENDS)
def test_server_asks_for_a_certificate(
    keys: Keys, go: str, backend: str, version: TlsVersion, peer: str
) -> None:
    with netkit_server(asking(keys, backend, version)) as (port, met):
        said = run_client(peer, port, keys, go, certificate=True)
        until(lambda: met.streams or met.error, "the server's view")
        assert met.streams, (met.error, said)
        assert met.streams[0]["chain"][0] == keys.client.certificate
        said = run_client(peer, port, keys, go)
        until(lambda: met.error, "the server's refusal")
        assert len(met.streams) == 1
        assert isinstance(met.error, TlsError.HandshakeFailed), (met.error, said)


@pytest.mark.parametrize("peer", ["gnutls", "go"])
@pytest.mark.parametrize("version", VERSIONS[2:])
@pytest.mark.parametrize("backend", [name for name in BACKENDS if can(name, "server", Capability.Resumption)])
def test_server_lets_resume(keys: Keys, go: str, backend: str, version: TlsVersion, peer: str) -> None:
    with netkit_server(server(keys, backend, version)) as (port, met):
        said = run_client(peer, port, keys, go, times=2)
        until(lambda: len(met.streams) == 2 or met.error, "two connections")
        assert [seen["resumed"] for seen in met.streams] == [False, True], said


@pytest.mark.parametrize(
    "backend", [name for name in BACKENDS if can(name, "server", Capability.PostQuantum)]
)
@pytest.mark.usefixtures("go_has_mlkem")
def test_server_mlkem(keys: Keys, go: str, backend: str) -> None:
    with netkit_server(server(keys, backend, TlsVersion.Tls13)) as (port, met):
        arguments = [go, "client", f"127.0.0.1:{port}", HOST, keys.file("root.pem"), "-group", str(MLKEM)]
        said = subprocess.run(
            arguments, capture_output=True, text=True, timeout=20, check=False, env=GO_WITH_MLKEM
        )
        until(lambda: met.streams or met.error, "the server's view")
        assert met.streams, (met.error, said)


# nginx: as a server that says what it sees, and as a client of netkit (proxy_pass).


class Nginx:
    """The ports of one nginx: a server, one that wants certificates, and proxies to a server of netkit."""

    def __init__(self, plain: int, asking: int, proxies: dict[TlsVersion, int]) -> None:
        self.plain = plain
        self.asking = asking
        self.proxies = proxies


@pytest.fixture(scope="module")
def nginx_peer(keys: Keys) -> Iterator[Any]:
    """`nginx_peer(port)` is an nginx whose proxies connect to that port."""
    with ExitStack() as stack:

        def start(behind: int) -> Nginx:
            listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
            ports = [listener.getsockname()[1] for listener in listeners]
            own = f'ssl_certificate "{keys.file("server.pem")}"; '
            own += f'ssl_certificate_key "{keys.file("server.key")}";'
            says = 'return 200 "$ssl_protocol $ssl_session_reused $ssl_client_verify $ssl_server_name";'
            common = f"{own} ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; {says}"
            common += ' ssl_ciphers "DEFAULT:@SECLEVEL=0"; ssl_session_cache shared:sessions:1m;'
            asks = f'ssl_client_certificate "{keys.file("root.pem")}"; ssl_verify_client on;'
            servers = f"server {{ listen 127.0.0.1:{ports[0]} ssl; {common} }}\n"
            servers += f"server {{ listen 127.0.0.1:{ports[1]} ssl; {common} {asks} }}\n"
            proxies = {}
            for version, port in zip(VERSIONS[2:], ports[2:], strict=True):
                name = "TLSv1.2" if version is TlsVersion.Tls12 else "TLSv1.3"
                servers += (
                    f"server {{ listen 127.0.0.1:{port}; location / {{ "
                    f"proxy_pass https://127.0.0.1:{behind}; "
                    f"proxy_ssl_protocols {name}; proxy_ssl_verify on; proxy_ssl_name {HOST}; "
                    f'proxy_ssl_server_name on; proxy_ssl_trusted_certificate "{keys.file("root.pem")}"; '
                    f'proxy_ssl_certificate "{keys.file("client.pem")}"; '
                    f'proxy_ssl_certificate_key "{keys.file("client.key")}"; }} }}\n'
                )
                proxies[version] = port
            stack.enter_context(nginx(keys.folder / f"nginx-{behind}", servers, listeners))
            return Nginx(ports[0], ports[1], proxies)

        yield start


@pytest.fixture(scope="module")
def nginx_server(nginx_peer: Any) -> Nginx:
    started: Nginx = nginx_peer(free_port())  # its proxies lead nowhere
    return started


def ask_nginx(port: int, config: TlsConfig) -> tuple[list[str], TlsStream]:
    """What nginx says of the connection: version, "r" if it is resumed, the certificate, the name."""
    tcp = TcpStream.connect(("127.0.0.1", port), timeout=10)
    with TlsStream.connect(tcp, HOST, config, timeout=10) as stream:
        stream.write_all(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode(), timeout=10)
        answer = b"".join(stream).decode()
    return answer.partition("\r\n\r\n")[2].split(" "), stream


@pytest.mark.parametrize(("backend", "version"), CLIENTS, ids=str)
def test_client_of_nginx(keys: Keys, nginx_server: Nginx, backend: str, version: TlsVersion) -> None:
    config = client(keys, backend, version, alpn_protocols=("http/1.1",))
    said, stream = ask_nginx(nginx_server.plain, config)
    assert said == [version.as_str.replace("TLS ", "TLSv").removesuffix(".0"), ".", "NONE", HOST]
    assert stream.alpn == "http/1.1"


@pytest.mark.parametrize("version", VERSIONS[2:])
@pytest.mark.parametrize("backend", BACKENDS)
def test_nginx_asks_for_a_certificate(
    keys: Keys, nginx_server: Nginx, backend: str, version: TlsVersion
) -> None:
    config = client(keys, backend, version, alpn_protocols=("http/1.1",), session_store=MemorySessionStore())
    said, _ = ask_nginx(nginx_server.asking, with_certificate(config, keys.client))
    assert said[1:3] == [".", "SUCCESS"]
    said, stream = ask_nginx(nginx_server.asking, with_certificate(config, keys.client))
    assert said[1:3] == ["r", "SUCCESS"]
    assert stream.resumed is True


@pytest.mark.parametrize("version", VERSIONS[2:])
@pytest.mark.parametrize("backend", BACKENDS)
def test_server_behind_nginx(keys: Keys, nginx_peer: Any, backend: str, version: TlsVersion) -> None:
    """nginx is the client: it verifies the server, and shows its certificate."""
    config = asking(keys, backend, version).with_alpn(["http/1.1"])
    seen: list[tuple[TlsVersion | None, int, str | None]] = []

    def serve(below: TcpStream) -> None:
        with TlsStream.accept(below, config, timeout=10) as stream:
            stream.read_until(b"\r\n\r\n", timeout=10)
            seen.append((stream.negotiated_version, len(stream.peer_chain), stream.server_name))
            stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", timeout=10)

    with listening(serve) as port:
        proxy = nginx_peer(port).proxies[version]
        with TcpStream.connect(("127.0.0.1", proxy), timeout=10) as plain:
            plain.write_all(b"GET / HTTP/1.0\r\n\r\n", timeout=10)
            answer = b"".join(plain)
    assert answer.endswith(b"ok"), answer
    assert seen == [(version, 1, HOST)]


KEY_UPDATERS = [name for name in BACKENDS if can(name, "client", Capability.KeyUpdate)]


@pytest.mark.parametrize("backend", KEY_UPDATERS)
def test_keys_are_updated_with_openssl_s_server(keys: Keys, backend: str) -> None:
    with process(_openssl_server(keys, "-msg")) as started:
        assert started.stdout is not None
        assert started.stdin is not None
        port = int(line_with(started.stdout, b"ACCEPT").rpartition(b":")[2])
        server = Server("openssl", port, started)
        with connect(server, client(keys, backend, TlsVersion.Tls13)) as stream:
            exchange(stream, server)
            stream.update_keys()
            exchange(stream, server)
            assert line_with(started.stdout, b"KeyUpdate").startswith(b"<<< TLS 1.3")
            server.answer(b"K\n")  # it updates its own keys, and asks for others
            line_with(started.stdout, b">>> TLS 1.3, Handshake [length 0005], KeyUpdate")
            # That may answer the client's. This asks for others: the command was read, and nothing with it.
            line_with(started.stdout, b"18 00 00 01 01")
            exchange(stream, server)
            exchange(stream, server)


@pytest.mark.parametrize("backend", KEY_UPDATERS)
def test_keys_are_updated_with_openssl_s_client(keys: Keys, backend: str) -> None:
    config = server(keys, backend, TlsVersion.Tls13)
    with TcpListener.bind("127.0.0.1:0") as listener:
        arguments = [
            require_peer("openssl"), "s_client", "-connect", str(listener.local_addr), "-msg",
            "-servername", HOST, "-CAfile", keys.file("root.pem"),
        ]  # fmt: skip
        with process(arguments) as started:
            assert started.stdout is not None
            assert started.stdin is not None
            below, _ = listener.accept(timeout=10)
            with TlsStream.accept(below, config, timeout=10) as stream:
                for text in (b"old keys\n", b"new keys\n"):
                    stream.write_all(text)
                    line_with(started.stdout, text.strip())
                    started.stdin.write(text)
                    started.stdin.flush()
                    assert stream.read_exactly(len(text), timeout=10) == text
                    stream.update_keys()
                stream.write_all(b"last keys\n")
                line_with(started.stdout, b"<<< TLS 1.3, Handshake [length 0005], KeyUpdate")
                line_with(started.stdout, b"last keys")
