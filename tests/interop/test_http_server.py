"""The HTTP server with other people's clients: curl, Go, Node, aiohttp, httpx2, wrk and ApacheBench.

Each of them must find every answer right, and keep its connection as it would with any other server.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.response import text_response
from netkit.io import Flow
from tests.conftest import require_peer
from tests.http.server.serving import Serving, authority, client_tls
from tests.interop.http_servers import built_go

HERE = Path(__file__).parent

pytestmark = [pytest.mark.once, pytest.mark.slow, pytest.mark.timeout(240)]

#: HTTP/1.1 is what this is about; HTTP/2 has tests of its own.
CONFIG = ServerConfig(max_body=64 << 20, http2=False)


def answer(exchange: Exchange) -> Flow[None]:
    """What all these clients ask for."""
    path = exchange.request.path
    if path == "/empty":
        exchange.begin(204, end=True)
    elif path == "/trailers":
        exchange.begin(200, [(b"trailer", b"x-end")])
        yield from exchange.send_flow(b"chunk")
        yield from exchange.send_flow(b"ed")
        yield from exchange.end_flow([(b"x-end", b"1")])
    elif path.startswith("/octets/"):
        left = int(path.rpartition("/")[2])
        exchange.begin(200, length=left)
        while left:
            piece = bytes(min(left, 65536))
            left -= len(piece)
            yield from exchange.send_flow(piece, end=not left)
    elif path == "/broken":
        exchange.begin(200)
        yield from exchange.send_flow(b"this is not all")
        exchange.abort()
    elif path == "/refused":
        yield from exchange.read_flow()  # a piece, and then no more
        yield from exchange.respond_flow(text_response(413, "too much"))
    else:
        hashed, length = hashlib.sha256(), 0
        while piece := (yield from exchange.read_flow()):
            hashed.update(piece)
            length += len(piece)
        said = {
            "method": exchange.head.method.decode(),
            "target": exchange.head.target.decode(),
            "version": ".".join(map(str, exchange.version)),
            "length": length,
            "sha256": hashed.hexdigest(),
            "fields": {
                name.decode().lower(): value.decode("latin-1") for name, value in exchange.head.fields
            },
            "trailers": {name.decode().lower(): value.decode() for name, value in exchange.trailers},
            "connection": exchange.connection.number,
        }
        data = json.dumps(said).encode()
        exchange.begin(200, [(b"content-type", b"application/json")], length=len(data))
        yield from exchange.send_flow(data, end=True)


@pytest.fixture(scope="module", params=["blocking over tcp", "async over tls"])
def served(request: pytest.FixtureRequest) -> Iterator[Serving]:
    form, _, over = request.param.partition(" over ")
    with Serving(answer, CONFIG, form=form, over=over) as served:
        yield served


@pytest.fixture(scope="module")
def clear() -> Iterator[Serving]:
    with Serving(answer, CONFIG) as served:
        yield served


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("root") / "root.pem"
    authority().cert_pem.write_to_path(str(file))
    return file


def url(served: Serving, path: str = "") -> str:
    return f"{'https' if served.over == 'tls' else 'http'}://localhost:{served.at[1]}{path}"


def run(*argv: str, **variables: str) -> bytes:
    environment = {**os.environ, "NO_PROXY": "*", **variables}
    done = subprocess.run(argv, capture_output=True, check=False, timeout=200, env=environment)
    assert done.returncode == 0, (argv, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


class TestCurl:
    @pytest.fixture
    def curl(self, served: Serving, root: Path) -> list[str]:
        where = f"localhost:{served.at[1]}:127.0.0.1"
        return [require_peer("curl"), "-q", "-sS", "--fail", "--cacert", str(root), "--resolve", where]

    @pytest.mark.parametrize("version", ["--http1.0", "--http1.1"])
    @pytest.mark.parametrize(
        "method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
    )
    def test_methods(self, curl: list[str], served: Serving, method: str, version: str) -> None:
        said = json.loads(run(*curl, version, "-X", method, url(served, "/x?y=z")))
        assert (said["method"], said["target"], said["version"]) == (method, "/x?y=z", version[-3:])

    def test_head(self, curl: list[str], served: Serving) -> None:
        said = run(*curl, "-I", url(served, "/echo"))
        assert re.search(rb"(?i)\r\ncontent-length: [1-9]", said)

    def test_a_connection_is_used_again(self, curl: list[str], served: Serving) -> None:
        targets = [url(served, f"/{number}") for number in range(20)]
        said = run(*curl, "-w", "\n%{num_connects}\n", *targets).split(b"\n")[1::2]
        assert said == [b"1"] + [b"0"] * 19

    @pytest.mark.parametrize(
        "more", [(), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect:"), ("--http1.0",)]
    )
    def test_uploads(self, curl: list[str], served: Serving, tmp_path: Path, more: tuple[str, ...]) -> None:
        """50 MB, which curl announces with Expect: 100-continue unless it is told not to."""
        data = os.urandom(1 << 20) * 50
        file = tmp_path / "large"
        file.write_bytes(data)
        said = json.loads(run(*curl, *more, "-T", str(file), url(served, "/echo")))
        assert (said["length"], said["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        if not more:
            assert said["fields"]["expect"] == "100-continue"

    def test_forms(self, curl: list[str], served: Serving, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_bytes(bytes(100_000))
        said = json.loads(run(*curl, "-F", f"a=@{file}", "-F", "b=c", url(served, "/echo")))
        assert said["length"] > 100_000
        assert said["fields"]["content-type"].startswith("multipart/form-data")

    def test_compressed(self, curl: list[str], served: Serving) -> None:
        said = json.loads(run(*curl, "--compressed", url(served, "/echo")))
        assert "gzip" in said["fields"]["accept-encoding"]

    def test_downloads(self, curl: list[str], served: Serving) -> None:
        assert len(run(*curl, url(served, "/octets/20000000"))) == 20_000_000
        assert run(*curl, "--http1.0", url(served, "/trailers")) == b"chunked"

    def test_a_response_that_breaks_off(self, curl: list[str], served: Serving) -> None:
        """curl says that it is not whole, to HTTP/1.0 as well."""
        for version, codes in (("--http1.1", (18,)), ("--http1.0", (56,))):
            argv = [*curl, version, url(served, "/broken")]
            done = subprocess.run(argv, capture_output=True, check=False, timeout=30)
            assert done.returncode in codes, done

    def test_too_much(self, curl: list[str], served: Serving, tmp_path: Path) -> None:
        file = tmp_path / "huge"
        with file.open("wb") as made:
            made.truncate((64 << 20) + 1)
        for more in ((), ("-H", "Expect:"), ("-H", "Transfer-Encoding: chunked", "-H", "Expect:")):
            argv = [*curl[:3], *curl[4:], *more, "-o", "/dev/null", "-w", "%{http_code}", "-T", str(file)]
            assert run(*argv, url(served, "/echo")) == b"413"


class TestGo:
    def test_all(self, served: Serving, root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        cache = tmp_path_factory.mktemp("go")
        program = built_go(require_peer("go"), HERE / "go" / "client", cache)
        said = run(str(program), "-url", url(served), "-ca", str(root))
        assert 1 <= int(said) <= 100  # of 1,200 requests; it also dials for those that do not have to wait


class TestNode:
    def test_all(self, served: Serving, root: Path) -> None:
        run(
            require_peer("node"), str(HERE / "node" / "client.js"), url(served), NODE_EXTRA_CA_CERTS=str(root)
        )


class TestPython:
    def test_aiohttp(self, served: Serving) -> None:
        aiohttp = pytest.importorskip("aiohttp")
        large = os.urandom(900_000)

        async def pieces() -> object:
            for at in range(0, len(large), 100_000):
                yield large[at : at + 100_000]

        async def main() -> None:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_tls())) as session:
                numbers = set()
                for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                    async with session.request(method, url(served, "/echo")) as response:
                        numbers.add((await response.json())["connection"])
                assert len(numbers) == 1
                for data in (large, pieces()):
                    async with session.post(url(served, "/echo"), data=data, expect100=True) as response:
                        said = await response.json()
                        assert said["sha256"] == hashlib.sha256(large).hexdigest()
                async with session.get(url(served, "/octets/5000000")) as response:
                    assert len(await response.read()) == 5_000_000
                async with session.head(url(served, "/echo")) as response:
                    assert int(response.headers["content-length"]) > 0

                async def one() -> int:
                    async with session.get(url(served, "/echo")) as response:
                        return int(response.status)

                assert set(await asyncio.gather(*(one() for _ in range(300)))) == {200}
                async with session.get(url(served, "/broken")) as response:
                    with pytest.raises(aiohttp.ClientPayloadError):
                        await response.read()

        asyncio.run(main())

    def test_httpx2(self, served: Serving) -> None:
        httpx2 = pytest.importorskip("httpx2")
        large = os.urandom(3_000_000)
        with httpx2.Client(verify=client_tls(), trust_env=False) as client:
            numbers = {client.get(url(served, "/echo")).json()["connection"] for _ in range(20)}
            assert len(numbers) == 1
            for data in (large, iter([large[:1000], large[1000:]])):
                said = client.post(url(served, "/echo"), content=data).json()
                assert said["sha256"] == hashlib.sha256(large).hexdigest()
            assert len(client.get(url(served, "/octets/5000000")).content) == 5_000_000
            with pytest.raises(httpx2.RemoteProtocolError):
                client.get(url(served, "/broken"))


class TestLoad:
    def test_wrk(self, clear: Serving) -> None:
        said = run(
            require_peer("wrk"), "-t1", "-c20", "-d1", url(clear, "/echo").replace("localhost", "127.0.0.1")
        )
        assert b"Socket errors" not in said
        assert b"Non-2xx" not in said
        assert int(re.search(rb"(\d+) requests in", said)[1]) > 100  # type: ignore[index]

    @pytest.mark.parametrize("more", [(), ("-k",)], ids=["close", "keep-alive"])
    def test_ab(self, clear: Serving, more: tuple[str, ...]) -> None:
        """ApacheBench speaks HTTP/1.0, and asks for its connections to be kept with -k."""
        there = url(clear, "/empty").replace("localhost", "127.0.0.1")
        said = run(require_peer("ab"), "-q", "-n", "1000", "-c", "10", *more, there)
        assert re.search(rb"Complete requests:\s+1000\n", said)
        assert re.search(rb"Failed requests:\s+0\n", said)
        assert b"Non-2xx" not in said
        kept = re.search(rb"Keep-Alive requests:\s+(\d+)\n", said)
        assert (int(kept[1]) if kept else 0) == (1000 if more else 0)
