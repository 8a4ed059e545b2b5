"""Downloads from servers that nobody here wrote: in parts, resumed; HTTP/1.1 and 2, with and without TLS."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from netkit.http import AsyncClient, Client, DialConfig, HttpVersions
from netkit.http.client.download import DownloadConfig, Downloaded, download, download_async
from netkit.http.client.download_file import state_name
from netkit.io import CancellationError, CancellationToken
from netkit.tls.config import TlsConfig
from netkit.tls.x509.certificate import Certificate
from tests.interop.http_servers import HttpPeers
from tests.interop.servers import contract

# Go's server may have to be built first.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SIZE = contract.SIZES[-1]
DATA = contract.octets(SIZE)
FOUR = DownloadConfig(parallel=4, resume=True, min_part=1)


def dial(peers: HttpPeers, version: str) -> DialConfig:
    tls = TlsConfig.client().with_root_certs(Certificate.from_pem_chain(peers.root.read_bytes()))
    return DialConfig(versions=HttpVersions(version), tls=tls)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("name", ["nginx", "h2o", "haproxy", "go", "node", "hypercorn"])
def test_in_parts_and_interrupted(
    http_peers: HttpPeers, tmp_path: Path, name: str, version: str, tls: bool
) -> None:
    if (name, version) == ("node", "2"):
        pytest.skip("Node counts what it had for a stream that was given up, and refuses all others at 10 MB")
    url = http_peers.url(name, version=version, tls=tls, path=f"/bytes/{SIZE}")
    path = tmp_path / "file"
    token = CancellationToken()

    def stop(done: int, total: int | None) -> None:
        assert total == SIZE
        if done > SIZE // 3:
            token.cancel()

    with Client(dial=dial(http_peers, version)) as client:
        with pytest.raises(CancellationError):
            download(client, url, path, config=FOUR, progress=stop, cancel=token)
        assert sorted(os.listdir(tmp_path)) == ["file", state_name("file")]
        done = download(client, url, path, config=FOUR)
        assert done.resumed_at > SIZE // 3 and done.single is None and done.parts > 1
        assert path.read_bytes() == DATA and os.listdir(tmp_path) == ["file"]
        # A complete one is success, and nothing comes again.
        again = download(client, url, path, config=FOUR)
        assert again.resumed_at == SIZE


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("name", ["nginx", "h2o"])
def test_a_changed_file(http_peers: HttpPeers, tmp_path: Path, name: str, version: str, tls: bool) -> None:
    """The tag beside the file is another one. (h2o sends a part all the same.)"""
    url = http_peers.url(name, version=version, tls=tls, path="/bytes/20000000")
    path = tmp_path / "file"
    token = CancellationToken()
    with Client(dial=dial(http_peers, version)) as client:
        config = DownloadConfig(limit_rate=50_000_000)

        def stop(received: int, total: int | None) -> None:
            if received:
                token.cancel()

        with pytest.raises(CancellationError):
            download(client, url, path, config=config, progress=stop, cancel=token)
        state = path.with_name(state_name("file"))
        text = state.read_text()
        path.write_bytes(b"x" * 1000)
        tag = text.partition('"etag": "')[2].partition('",')[0]
        state.write_text(text.replace(tag, '\\"other\\"'))
        done = download(client, url, path, config=DownloadConfig(resume=True))
    assert done.resumed_at == 0 and path.read_bytes() == contract.octets(20_000_000)


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_under_asyncio(http_peers: HttpPeers, tmp_path: Path, version: str) -> None:
    url = http_peers.url("nginx", version=version, tls=True, path=f"/bytes/{SIZE}")

    async def main() -> Downloaded:
        async with AsyncClient(dial=dial(http_peers, version)) as client:
            return await download_async(client, url, tmp_path / "file", config=FOUR)

    assert asyncio.run(main()).parts == 4
    assert (tmp_path / "file").read_bytes() == DATA
