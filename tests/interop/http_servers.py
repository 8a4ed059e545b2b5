"""HTTP servers that nobody here wrote, started once for all tests: which there are, and what each lacks.

    def test_something(http_peers):
        url = http_peers.url("nginx", version="2", tls=True, path="/hello")
        trust = http_peers.root                     # the file of the authority that signed its certificate

A server is started when a test first asks for it, and ended with the last test. The tests make the sockets
that it listens on, and hand them over: no port can be taken in between, and nobody waits for the server,
because a connection waits in the backlog until it is ready.

The paths they have in common are in tests/interop/servers/contract.py; `PEERS` says who lacks which, and why.
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import absent, require_peer
from tests.interop import http_settings
from tests.interop.nginx import nginx

HERE = Path(__file__).parent
VERSIONS = ("1.0", "1.1", "2")


class Port(NamedTuple):
    """A socket that a server listens on: with TLS or without, and which versions it speaks there."""

    versions: tuple[str, ...]
    tls: bool = False


class Lack(NamedTuple):
    """A common path that a server does not have, in those versions."""

    path: str
    why: str
    versions: tuple[str, ...] = VERSIONS


class Peer(NamedTuple):
    """A server: where it comes from, what it speaks, what it lacks, and how it is started.

    `extras` are paths of its own: see the server's file.
    """

    source: str
    start: Callable[[Launch], None]
    ports: Mapping[str, Port]
    lacks: tuple[Lack, ...] = ()
    extras: tuple[str, ...] = ()

    def why_not(self, path: str, version: str) -> str | None:
        """Why it does not have the path (`"/bytes/N"` is found by `"/bytes"`) in that version, or None."""
        for lack in self.lacks:
            if version in lack.versions and (path == lack.path or path.startswith(f"{lack.path}/")):
                return lack.why
        return None


class Launch:
    """What a start function works with: a folder, the certificate, the sockets, and the other servers."""

    def __init__(self, peers: HttpPeers, name: str, stack: ExitStack) -> None:
        self.peers = peers
        self.stack = stack
        self.home = peers.home / name
        self.home.mkdir()
        self.certificate = peers.certificate
        self.process: subprocess.Popen[bytes] | None = None
        self.sockets: dict[str, socket.socket] = {}
        for key in PEERS[name].ports:
            if key == "unix":
                listener = socket.socket(socket.AF_UNIX)
                listener.bind(str(self.home / "socket"))
            else:
                listener = socket.socket()
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", 0))
            listener.listen(512)
            self.sockets[key] = listener

    @property
    def descriptors(self) -> dict[str, int]:
        return {key: listener.fileno() for key, listener in self.sockets.items()}

    @property
    def ports(self) -> dict[str, int]:
        return {key: each.getsockname()[1] for key, each in self.sockets.items() if key != "unix"}

    def run(self, argv: list[str], **variables: str) -> None:
        """The server's program, until the last test is over; what it says is in the file `log`."""
        with (self.home / "log").open("wb") as log:
            process = subprocess.Popen(
                argv,
                cwd=HERE.parent.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=list(self.descriptors.values()),
                env={**os.environ, **variables},
            )
        self.stack.callback(_end, process)
        self.process = process

    def run_python(self, module: str, *needs: str) -> None:
        """A server of tests/interop/servers."""
        for each in needs:
            if find_spec(each) is None:
                absent(f"{each} is not installed", "NETKIT_REQUIRE_PEERS")
        given = [f"--{key}={descriptor}" for key, descriptor in self.descriptors.items()]
        name = f"tests.interop.servers.{module}"
        files = [f"--certificate={self.certificate}", f"--key={self.certificate}"]
        self.run([sys.executable, "-m", name, *given, *files])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()  # not asked: some wait for their connections
    process.wait()


def _start_nginx(launch: Launch) -> None:
    require_peer("nginx")
    root = launch.home / "files"
    http_settings.write_files(root)
    listen = {key: f"127.0.0.1:{port}" for key, port in launch.ports.items()}
    listen["unix"] = str(launch.home / "socket")
    origin = launch.peers.port("http.server", "plain")
    text = http_settings.nginx(root, origin, launch.certificate, listen)
    launch.stack.enter_context(nginx(launch.home / "nginx", text, list(launch.sockets.values())))


def _start_haproxy(launch: Launch) -> None:
    program = require_peer("haproxy")
    origin, files = launch.peers.port("http.server", "plain"), launch.peers.port("nginx", "plain")
    settings = launch.home / "haproxy.cfg"
    settings.write_text(http_settings.haproxy(origin, files, launch.certificate, launch.descriptors))
    launch.run([program, "-db", "-f", str(settings)])


def _start_h2o(launch: Launch) -> None:
    program = require_peer("h2o")
    root = launch.home / "files"
    http_settings.write_files(root)
    origin = launch.peers.port("http.server", "plain")
    settings = launch.home / "h2o.conf"
    settings.write_text(http_settings.h2o(root, origin, launch.certificate, launch.ports))
    handed = ";".join(f"127.0.0.1:{port}={launch.descriptors[key]}" for key, port in launch.ports.items())
    launch.run([program, "-c", str(settings)], SERVER_STARTER_PORT=handed)


def _start_node(launch: Launch) -> None:
    places = [str(launch.descriptors[key]) for key in ("plain", "prior", "tls")]
    files = [str(launch.certificate)] * 2
    launch.run([require_peer("node"), str(HERE / "node" / "http.js"), *places, *files])


def _start_go(launch: Launch) -> None:
    program = built_go(require_peer("go"), HERE / "go" / "http", launch.peers.cache)
    places = [f"-{key}={descriptor}" for key, descriptor in launch.descriptors.items()]
    files = [f"-certificate={launch.certificate}", f"-key={launch.certificate}"]
    launch.run([str(program), *places, *files])


def built_go(go: str, source: Path, cache: Path) -> Path:
    """The program of a folder, built once for this source and this Go: that takes some 15 seconds."""
    version = subprocess.run([go, "version"], capture_output=True, check=True).stdout
    content = b"".join(file.read_bytes() for file in sorted(source.iterdir()))
    built = cache / hashlib.sha256(version + content).hexdigest()[:16]
    if not built.exists():
        made = cache / f"{built.name}.{os.getpid()}"
        variables = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        argv = [go, "build", "-o", str(made), "."]
        done = subprocess.run(argv, cwd=source, env=variables, capture_output=True, check=False)
        if b"go.mod requires go >=" in done.stderr:
            absent(f"Go 1.24 or later is not installed ({version.decode().strip()})", "NETKIT_REQUIRE_PEERS")
        assert done.returncode == 0, done.stderr.decode()
        made.rename(built)
    return built


_BOTH = ("1.1", "2")
_OWN = "httpbin has paths of its own"

PEERS: dict[str, Peer] = {
    "http.server": Peer(
        "Python's standard library (servers/origin.py)",
        lambda launch: launch.run_python("origin"),
        {"plain": Port(("1.1",)), "tls": Port(("1.1",), tls=True), "http10": Port(("1.0",))},
        lacks=(
            Lack("/trailers", "HTTP/1.0 has none", ("1.0",)),
            Lack("/early-hints", "HTTP/1.0 has no 1xx", ("1.0",)),
        ),
        extras=("/upgrade",),
    ),
    "nginx": Peer(
        "Debian's nginx-light; http.server behind it for /echo, /chunked, /sse, /slow-head",
        _start_nginx,
        {
            "plain": Port(("1.1",)),
            "prior": Port(("2",)),
            "tls": Port(_BOTH, tls=True),
            "unix": Port(("1.1",)),
        },
        lacks=(
            Lack("/trailers", "a proxied answer loses its trailers"),
            Lack("/early-hints", "it neither makes nor, before 1.29, hands on 1xx responses"),
        ),
        extras=("/full", "/upgrade"),
    ),
    "haproxy": Peer(
        "Debian's haproxy, in front of nginx and of http.server",
        _start_haproxy,
        {"plain": Port(("1.1",)), "prior": Port(("2",)), "tls": Port(_BOTH, tls=True)},
        extras=("/full", "/upgrade"),
    ),
    # 2.2 sends a range although If-Range has another entity tag.
    "h2o": Peer(
        "Debian's h2o; http.server behind it for what is neither /hello, /gzip nor /bytes",
        _start_h2o,
        {"plain": Port(_BOTH), "tls": Port(_BOTH, tls=True)},
        lacks=(
            Lack("/trailers", "a proxied answer loses its trailers"),
            Lack("/early-hints", "a proxied answer loses its 1xx responses"),
        ),
    ),
    "hypercorn": Peer(
        "the package hypercorn (servers/asgi.py)",
        lambda launch: launch.run_python("asgi", "hypercorn"),
        {"plain": Port(_BOTH), "tls": Port(_BOTH, tls=True)},
        lacks=(
            Lack("/trailers", "not in HTTP/1.1", ("1.1",)),
            Lack("/early-hints", "not in HTTP/1.1", ("1.1",)),
        ),
    ),
    "node": Peer(
        "Node.js 18 or later: http and http2 (node/http.js)",
        _start_node,
        {"plain": Port(("1.1",)), "prior": Port(("2",)), "tls": Port(_BOTH, tls=True)},
        extras=("/upgrade", "/push", "/reset", "/refuse", "/last"),
    ),
    "go": Peer(
        "Go 1.24 or later: net/http (go/http/main.go)",
        _start_go,
        {"plain": Port(_BOTH), "tls": Port(_BOTH, tls=True)},
        extras=("/upgrade", "/reset", "/last", "/full"),
    ),
    "httpbin": Peer(
        "the package httpbin, on werkzeug's server (servers/bin.py)",
        lambda launch: launch.run_python("bin", "httpbin"),
        {"plain": Port(("1.1",)), "tls": Port(("1.1",), tls=True)},
        lacks=(Lack("", _OWN),),
        extras=("/get", "/anything", "/stream-bytes/N", "/drip", "/cookies", "/digest-auth/...", "/brotli"),
    ),
}


class HttpPeers:
    """The servers of `PEERS`, each started when it is first asked for."""

    def __init__(self, home: Path, cache: Path, stack: ExitStack) -> None:
        from netkit.tls.throwaway import ThrowawayAuthority

        authority = ThrowawayAuthority()
        certificate, key = authority.issue(["localhost", "127.0.0.1", "::1"])
        self.home = home
        self.cache = cache
        self.root = home / "root.pem"
        self.root.write_text(authority.certificate.to_pem())
        #: The certificate and its key, in one file.
        self.certificate = home / "server.pem"
        self.certificate.write_text(certificate.to_pem() + key.to_pem())
        self._stack = stack
        self._started: dict[str, tuple[dict[str, int], subprocess.Popen[bytes] | None]] = {}
        self._absent: dict[str, BaseException] = {}

    def start(self, name: str) -> dict[str, int]:
        """Start a server unless it runs; its TCP ports. Skips the test where it is not installed."""
        if name in self._absent:
            raise self._absent[name]
        if name not in self._started:
            launch = Launch(self, name, self._stack)
            try:
                PEERS[name].start(launch)
            except BaseException as error:
                self._absent[name] = error
                raise
            finally:
                ports = launch.ports
                # The server has its own; when it ends, who waits is told.
                for listener in launch.sockets.values():
                    listener.close()
            self._started[name] = ports, launch.process
        ports, process = self._started[name]
        if process is not None and process.poll() is not None:
            pytest.fail(f"{name} has ended: {(self.home / name / 'log').read_text()}", pytrace=False)
        return ports

    def port(self, name: str, key: str) -> int:
        """A server's TCP port by its name in `Peer.ports`."""
        return self.start(name)[key]

    def url(self, name: str, *, version: str = "1.1", tls: bool = False, path: str = "/hello") -> str:
        """Where a server has `path` in that version of HTTP, with TLS or without."""
        for key, port in PEERS[name].ports.items():
            if key != "unix" and port.tls == tls and version in port.versions:
                return f"http{'s' if tls else ''}://localhost:{self.port(name, key)}{path}"
        raise LookupError(f"{name} has no HTTP/{version} {'with' if tls else 'without'} TLS")

    def unix_socket(self, name: str) -> str:
        """The path of a server's Unix domain socket."""
        self.start(name)
        return str(self.home / name / "socket")


def combinations() -> list[tuple[str, str, bool]]:
    """Each server, version and whether with TLS, that there is: ("nginx", "2", True)."""
    found = {
        (name, version, port.tls): None
        for name, peer in PEERS.items()
        for key, port in peer.ports.items()
        if key != "unix"
        for version in port.versions
    }
    return list(found)


@pytest.fixture(scope="session")
def http_peers(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[HttpPeers]:
    """The HTTP servers; see the head of tests/interop/http_servers.py."""
    home = tmp_path_factory.mktemp("http")
    cache = pytestconfig.cache.mkdir("netkit-go")
    with ExitStack() as stack:
        yield HttpPeers(home, cache, stack)
