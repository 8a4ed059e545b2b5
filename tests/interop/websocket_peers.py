"""Peers of WebSocket that are programs, coder/websocket (Go), ws (Node), picows, and what all peers share.

    peer = PEERS["ws"]
    with peer.server(programs) as served:        # a process: a server with the paths below
        connect(served.url("/echo"))
        assert served.closed() == (1000, "")     # what the server was told
    peer.client(programs, "client", url)         # a process: a client of a server with these paths

Both kinds of server have them: `/echo` sends messages back, and so do the others, which begin with something:
`/closes` with a Close frame (4001, "enough"), `/pings` with a ping, and "answered" when the pong has come,
`/fragments` with a message in three frames, `/breaks` with a frame whose opcode is reserved. Nothing is at
`/nowhere`. The peers' servers take a query: without one messages are compressed where both sides can,
`?forgets` without a window that lasts, `?plain` not at all. Both sides speak the subprotocol `chat`.

Packages come through the ordinary clients of their registries, in the versions and with the checksums of
go.sum and package-lock.json, once, into the cache of pytest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from netkit.http.server.exchange import Exchange
from netkit.io import Flow
from netkit.websocket import WebSocketConfig
from netkit.websocket.server import ServerWebSocket, WebSocketHandler
from tests.conftest import absent, require_peer
from tests.interop.http_servers import built_go

HERE = Path(__file__).parent

#: How long a peer may take, in seconds.
PATIENCE = 60


class Paths:
    """A handler of requests: what a server of the tests does at the paths that its clients know."""

    PATHS = ("/echo", "/closes", "/pings", "/fragments")

    def __init__(self, config: WebSocketConfig, origins: Sequence[str] | None = None) -> None:
        self._sockets = WebSocketHandler(self, config=config, origins=origins)
        self.subprotocols: set[str | None] = set()

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        if exchange.request.path == "/nowhere":
            exchange.begin(404, length=0, end=True)
            yield from exchange.flush_flow()
        else:
            yield from self._sockets.handle_flow(exchange)

    def handle_socket_flow(self, ws: ServerWebSocket) -> Flow[None]:
        self.subprotocols.add(ws.subprotocol)
        match ws.request.path:
            case "/closes":
                yield from ws.close_flow(4001, "enough")
                return
            case "/pings":
                yield from ws.ping_flow()
                yield from ws.send_flow("answered")
            case "/fragments":
                for number in range(3):
                    yield from ws.send_fragment_flow("piece ", end=number == 2)
        while True:
            message = yield from ws.receive_flow()
            yield from ws.send_flow(message)


class Programs:
    """The programs of the peers, each built or installed when it is first asked for."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def go(self) -> list[str]:
        go, source = require_peer("go"), HERE / "go" / "websocket"
        _fetch([go, "mod", "download"], source)
        return [str(built_go(go, source, self._cache))]

    def node(self) -> list[str]:
        source = HERE / "node" / "websocket"
        modules = self._node_modules(source)
        return ["env", f"NODE_PATH={modules}", require_peer("node"), str(source / "peer.js")]

    def _node_modules(self, source: Path) -> Path:
        """The packages of package-lock.json, installed once for this version of it."""
        npm = require_peer("npm")
        files = [source / "package.json", source / "package-lock.json"]
        home = self._cache / hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
        if not home.exists():
            made = self._cache / f"{home.name}.{os.getpid()}"
            made.mkdir()
            for file in files:
                shutil.copy(file, made)
            _fetch([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], made)
            made.rename(home)
        return home / "node_modules"

    @staticmethod
    def python() -> list[str]:
        pytest.importorskip("picows")
        return [sys.executable, "-m", "tests.interop.servers.websocket"]


def _fetch(argv: list[str], folder: Path) -> None:
    """Fetch packages; skips the test where they cannot be had."""
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        absent(f"no packages for {folder.name} of {argv[0]}: {done.stderr.strip()}", "NETKIT_REQUIRE_PEERS")


@pytest.fixture(scope="session")
def websocket_programs(pytestconfig: pytest.Config) -> Programs:
    """The peers of tests/interop/websocket_peers.py."""
    return Programs(pytestconfig.cache.mkdir("netkit-websocket"))


class PeerServer:
    """A server that runs. `at` is where: two ports, if it speaks HTTP/2 too."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.at = [int(port) for port in self._line().split()]

    def url(self, path: str, *, http2: bool = False) -> str:
        return f"ws://127.0.0.1:{self.at[http2]}{path}"

    def closed(self) -> tuple[int, str]:
        """The code and the reason that the server was closed with next."""
        kind, code, *reason = self._line().split(" ", 2)
        assert kind == "closed", [kind, code, *reason]
        return int(code), "".join(reason)

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.endswith("\n"), f"the server has ended: {line}"
        return line.rstrip("\n")


class Peer(NamedTuple):
    """A peer: the command of its program, and what it can."""

    command: Callable[[Programs], list[str]]
    compresses: bool = True

    @contextmanager
    def server(self, programs: Programs) -> Iterator[PeerServer]:
        argv = [*self.command(programs), "server"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=HERE.parent.parent) as process:
            try:
                yield PeerServer(process)
            finally:
                process.kill()

    def client(self, programs: Programs, what: str, url: str) -> None:
        """Run the client until it is done; what it finds is an error."""
        argv = [*self.command(programs), what, url]
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=HERE.parent.parent
        )
        assert done.stdout == "right\n", done.stdout + done.stderr
        assert done.returncode == 0


PEERS = {
    "coder": Peer(Programs.go),
    "ws": Peer(Programs.node),
    "picows": Peer(lambda programs: programs.python(), compresses=False),
}
