"""netkit's server over HTTP/2 and clients that nobody here wrote: curl, Go's, nghttp2's and node's.

Each sends and gets 10 MB, has 200 streams under way, and sees trailers where it can; and netkit's own client
does the same. Over TLS with ALPN, and by prior knowledge where the client knows that.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netkit.http import AsyncClient, Client, DialConfig, HttpVersions, Request
from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.io import Flow
from netkit.tls import Certificate, TlsConfig
from tests.conftest import require_peer
from tests.http.server.h2_serving import AUTHORITY, FORMS, Served, form_of_h2, serving

pytestmark = [pytest.mark.once, pytest.mark.slow, pytest.mark.timeout(240)]

HERE = Path(__file__).parent
SIZE = 10 << 20
STREAMS = 200


def handler(exchange: Exchange) -> Flow[None]:
    """`/echo` sends back what comes as it comes, with the trailers; `/refuse` reads nothing."""
    target = exchange.head.target
    if target == b"/echo":
        exchange.begin(200)
        while piece := (yield from exchange.read_flow()):
            yield from exchange.send_flow(piece)
        yield from exchange.end_flow(exchange.trailers)
    elif target == b"/refuse":
        exchange.begin(403, length=2)
        yield from exchange.send_flow(b"no")
    else:
        exchange.begin(200, length=len(target))
        yield from exchange.send_flow(target)


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    with form_of_h2(request.param):
        yield request.param


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def served(form: str, request: pytest.FixtureRequest) -> Iterator[Served]:
    with serving(handler, ServerConfig(max_body=None), tls=request.param) as served:
        yield served


@pytest.fixture
def served_tls(form: str) -> Iterator[Served]:
    with serving(handler, ServerConfig(max_body=None), tls=True) as served:
        yield served


def url(served: Served) -> str:
    return f"{'https' if served.tls else 'http'}://localhost:{served.port}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("root") / "root.pem"
    AUTHORITY.cert_pem.write_to_path(file)
    return file


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("large") / "large"
    file.write_bytes(os.urandom(SIZE))
    return file


def run(*command: str | Path, **more: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    completed: subprocess.CompletedProcess[str] = done
    return completed


def test_curl(served: Served, root: Path, large: Path, tmp_path: Path) -> None:
    curl = require_peer("curl")
    version = "--http2" if served.tls else "--http2-prior-knowledge"
    common = [curl, "-sS", "--fail", version, "--cacert", root, "-w", "%{http_version}\n"]
    back = tmp_path / "back"
    done = run(*common, "--data-binary", f"@{large}", "-o", back, f"{url(served)}/echo")
    assert done.stdout == "2\n"
    assert back.read_bytes() == large.read_bytes()
    if (
        served.tls
    ):  # curl 7.88 cannot use a connection for several at once that it has begun by prior knowledge
        many = "--parallel", "--parallel-max", str(STREAMS), f"{url(served)}/[1-{STREAMS}]", "-o", back
        assert run(*common, *many).stdout == "2\n" * STREAMS
    # It is told that the rest of its body is not wanted.
    done = run(curl, "-sS", version, "--cacert", root, "--data-binary", f"@{large}", f"{url(served)}/refuse")
    assert done.stdout == "no"


def test_h2load(served: Served) -> None:
    done = run(require_peer("h2load"), "-n2000", "-c4", f"-m{STREAMS}", f"{url(served)}/small")
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout
    assert "2000 2xx" in done.stdout


def test_nghttp(served: Served, large: Path) -> None:
    nghttp = require_peer("nghttp")
    done = run(nghttp, "-nv", "-d", large, "--trailer=sum: of the request", f"{url(served)}/echo")
    assert re.search(r"recv \(stream_id=\d+\) :status: 200\n", done.stdout)
    assert re.search(r"recv \(stream_id=\d+\) sum: of the request\n", done.stdout)


def test_node(served: Served, root: Path) -> None:
    node = require_peer("node")
    assert run(node, HERE / "node" / "h2_client.js", url(served), root).stdout == "right\n"


@pytest.fixture(scope="module")
def go_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = require_peer("go")
    made = tmp_path_factory.mktemp("go") / "h2client"
    run(go, "build", "-o", made, ".", cwd=HERE / "go" / "h2client", env={**os.environ, "GOFLAGS": "-mod=mod"})
    return made


def test_go(served_tls: Served, root: Path, go_client: Path) -> None:
    assert run(go_client, url(served_tls), root).stdout == "right\n"


def dial(served: Served) -> DialConfig:
    tls = TlsConfig(root_certs=(Certificate.from_pem(AUTHORITY.cert_pem.bytes()),))
    return DialConfig(HttpVersions("2"), tls=tls) if served.tls else DialConfig(HttpVersions("2"))


def test_netkit(served: Served, large: Path) -> None:
    body = large.read_bytes()
    with Client(dial=dial(served)) as client:
        response = client.request(Request("POST", f"{url(served)}/echo"), body=body)
        assert (response.body, int(response.status)) == (body, 200)
        refused = client.request(Request("POST", f"{url(served)}/refuse"), body=body)
        assert (int(refused.status), refused.body) == (403, b"no")

    async def many() -> list[bytes | None]:
        async with AsyncClient(dial=dial(served)) as client:
            asked = [
                client.request_async(Request("GET", f"{url(served)}/{number}")) for number in range(STREAMS)
            ]
            return [response.body for response in await asyncio.gather(*asked)]

    assert asyncio.run(many()) == [b"/%d" % number for number in range(STREAMS)]
