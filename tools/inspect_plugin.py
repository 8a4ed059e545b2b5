"""A plugin for pytest that gives other projects' tests netkit's inspecting endpoints in place of httpbin.

    INSPECT_URLS="http://127.0.0.1:80 https://127.0.0.1:443" python -m pytest -p no:httpbin -p inspect_plugin

It has the fixtures of pytest-httpbin. With or without a server, only tests that use one of them are run.
`tools/inspect_suites.py` uses it.
"""

from __future__ import annotations

import os
from urllib.parse import urljoin, urlsplit

import pytest

#: The fixtures of pytest-httpbin that have a server.
FIXTURES = {"httpbin", "httpbin_secure", "httpbin_both", "class_based_httpbin", "class_based_httpbin_secure"}

URLS = os.environ.get("INSPECT_URLS", "").split()


class Server:
    """What tests know of a server: its URL, in pieces and with paths."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self.protocol = parts.scheme
        self.host = parts.hostname
        self.port = parts.port

    def __add__(self, path: str) -> str:
        return self.url + path

    def __str__(self) -> str:
        return self.url

    def join(self, url: str, allow_fragments: bool = True) -> str:
        return urljoin(self.url, url, allow_fragments=allow_fragments)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that use no server of httpbin."""
    kept, left = [], []
    for item in items:
        names = getattr(item, "fixturenames", ())
        (kept if FIXTURES.intersection(names) else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


if URLS:

    @pytest.fixture(scope="session")
    def httpbin() -> Server:
        return Server(URLS[0])

    @pytest.fixture(scope="session")
    def httpbin_secure() -> Server:
        return Server(URLS[1])

    @pytest.fixture(scope="session", params=["http", "https"])
    def httpbin_both(request: pytest.FixtureRequest, httpbin: Server, httpbin_secure: Server) -> Server:
        return httpbin if request.param == "http" else httpbin_secure

    @pytest.fixture(scope="class")
    def class_based_httpbin(request: pytest.FixtureRequest, httpbin: Server) -> None:
        request.cls.httpbin = httpbin

    @pytest.fixture(scope="class")
    def class_based_httpbin_secure(request: pytest.FixtureRequest, httpbin_secure: Server) -> None:
        request.cls.httpbin_secure = httpbin_secure

    @pytest.fixture
    def httpbin_ca_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
        from pytest_httpbin import certs

        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certs.where())
