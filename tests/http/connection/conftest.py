"""Connections of HTTP/1.1 over both twins of the parser and of the chunked decoder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netkit.http.connection import h1_client, h1_halves, h1_server
from tests.conftest import KINDS, Twin


@pytest.fixture(params=KINDS, scope="module")
def parsers(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let the connections of a module's tests be made of each implementation in turn."""
    if request.param == "rust":
        request.getfixturevalue("twins")  # skips where there is none
    twin = Twin(request.param)
    with pytest.MonkeyPatch.context() as patch:
        for module in (h1_client, h1_server):
            patch.setattr(module, "HttpParser", twin.HttpParser)
        patch.setattr(h1_halves, "ChunkedDecoder", twin.ChunkedDecoder)
        patch.setattr(h1_halves, "ChunkEnd", twin.ChunkEnd)
        yield request.param
