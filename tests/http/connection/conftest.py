"""Connections of HTTP/1.1 over both twins of their parsers, and the fixture of each form of HTTP/2."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netkit.http.connection import h1_client, h1_halves, h1_server
from tests.conftest import KINDS, Twin
from tests.http.connection.forms import Form, require_form

FORMS = ["pure" if kind == "python" else kind for kind in KINDS]


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


@pytest.fixture(params=FORMS, scope="session")
def form(request: pytest.FixtureRequest) -> Form:
    """Each form in turn."""
    require_form(request.param)
    return Form(request.param)


@pytest.fixture(scope="session")
def forms() -> tuple[Form, Form]:
    """Both forms, python-hyper's first, for tests that compare them."""
    if "rust" not in FORMS:
        pytest.skip("NETKIT_PURE is set")
    require_form("rust")
    return Form("pure"), Form("rust")
