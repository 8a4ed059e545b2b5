"""Applications of Starlette and Flask, served, as curl and netkit's client see them.

Over HTTP/1.1 and HTTP/2. Starlette under asyncio and uvloop, Flask also under the blocking driver.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from netkit.http import (
    Client,
    CookieJar,
    DialConfig,
    EventStreamParser,
    FetchedResponse,
    FormPart,
    HttpVersions,
    MultipartForm,
    Request,
    ServerConfig,
)
from netkit.http.gateway import app_handler
from tests.conftest import require_peer
from tests.http.gateway.served import ASYNC, Site, served
from tests.waiting import until

pytest.importorskip("flask")
pytest.importorskip("starlette")

from tests.http.gateway import flask_app, starlette_app

pytestmark = pytest.mark.once

FILE = bytes(range(251)) * 8000


class Framework(NamedTuple):
    """An application that is served."""

    name: str
    site: Site
    happened: list[str]


SERVED = [("starlette", "asyncio"), ("starlette", "uvloop"), ("flask", "blocking"), ("flask", "asyncio")]


@pytest.fixture(scope="module", params=SERVED, ids=[f"{name} under {driver}" for name, driver in SERVED])
def framework(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Framework]:
    name, driver = request.param
    folder = tmp_path_factory.mktemp("files")
    (folder / "file").write_bytes(FILE)
    module: Any = starlette_app if name == "starlette" else flask_app
    module.HAPPENED.clear()
    with served(app_handler(module.make(folder)), driver) as site:
        yield Framework(name, site, module.HAPPENED)
    if name == "starlette":
        assert module.HAPPENED[0] == "startup"
        assert module.HAPPENED[-1] == "shutdown"


class Asking:
    """A client of either kind: what a response is, and how one asks for it."""

    def __init__(self, site: Site, version: str) -> None:
        self.origin = f"http://127.0.0.1:{site.port}"
        self.version = version

    def get(self, target: str, *fields: tuple[str, str]) -> Seen:
        raise NotImplementedError

    def post(self, target: str, body: bytes, *fields: tuple[str, str]) -> Seen:
        raise NotImplementedError


class Seen(NamedTuple):
    status: int
    fields: dict[str, str]
    body: bytes


class WithCurl(Asking):
    def get(self, target: str, *fields: tuple[str, str], body: bytes | None = None) -> Seen:
        curl = require_peer("curl")
        version = {"1.0": "--http1.0", "1.1": "--http1.1", "2": "--http2-prior-knowledge"}[self.version]
        arguments = [curl, "-s", "-i", "--max-time", "20", version, f"{self.origin}{target}"]
        arguments += [word for name, value in fields for word in ("-H", f"{name}: {value}")]
        if body is not None:
            arguments += ["--data-binary", "@-"]
        done = subprocess.run(arguments, capture_output=True, input=body, timeout=30, check=True)
        octets = done.stdout
        while True:  # 1xx responses come before
            head, _, octets = octets.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            status = int(first.split(" ")[1])
            if status >= 200:
                break
        pairs = [line.partition(": ")[::2] for line in lines]
        return Seen(status, {name.lower(): value for name, value in pairs}, octets)

    def post(self, target: str, body: bytes, *fields: tuple[str, str]) -> Seen:
        return self.get(target, *fields, body=body)


class WithNetkit(Asking):
    def __init__(self, site: Site, version: str) -> None:
        super().__init__(site, version)
        versions = HttpVersions.HTTP2 if version == "2" else HttpVersions.HTTP11
        self.client = Client(dial=DialConfig(versions), cookies=CookieJar())

    def get(self, target: str, *fields: tuple[str, str]) -> Seen:
        request = Request("GET", f"{self.origin}{target}", headers=fields)
        return self._seen(self.client.request(request, follow_redirects=False))

    def post(self, target: str, body: bytes, *fields: tuple[str, str]) -> Seen:
        return self._seen(self.client.post(f"{self.origin}{target}", body, fields))

    @staticmethod
    def _seen(response: FetchedResponse) -> Seen:
        fields = {name.lower(): value for name, value in response.headers.fields}
        return Seen(int(response.status), fields, response.body or b"")


@pytest.fixture(params=[("curl", "1.1"), ("curl", "1.0"), ("curl", "2"), ("netkit", "1.1"), ("netkit", "2")])
def asking(request: Any, framework: Framework) -> Iterator[Asking]:
    kind, version = request.param
    if kind == "curl":
        yield WithCurl(framework.site, version)
        return
    client = WithNetkit(framework.site, version)
    yield client
    client.client.close()


def test_a_page(asking: Asking, framework: Framework) -> None:
    seen = asking.get("/?name=J%C3%BCrgen")
    assert (seen.status, seen.body) == (200, "hello Jürgen".encode())
    assert seen.fields["content-length"] == "13"
    if framework.name == "starlette":
        assert seen.fields["x-name"] == "from the lifespan"
    assert asking.get("/nowhere").status == 404


def test_a_stream(asking: Asking, framework: Framework) -> None:
    targets = ["/stream", "/blocking-stream"] if framework.name == "starlette" else ["/stream"]
    for target in targets:
        seen = asking.get(target)
        assert (seen.status, seen.body) == (200, b"0\n1\n2\n3\n4\n")
        assert "content-length" not in seen.fields


def test_a_file(asking: Asking) -> None:
    seen = asking.get("/file")
    assert seen.body == FILE
    assert seen.fields["content-length"] == str(len(FILE))
    assert (
        "a%20name.bin" in seen.fields["content-disposition"]
        or '"a name.bin"' in (seen.fields["content-disposition"])
    )
    part = asking.get("/file", ("Range", "bytes=10-19"))
    assert (part.status, part.body) == (206, FILE[10:20])
    unchanged = asking.get("/file", ("If-None-Match", seen.fields["etag"]))
    assert unchanged.status in (200, 304)  # Starlette's answers the whole file


def test_forms(asking: Asking) -> None:
    kind = ("Content-Type", "application/x-www-form-urlencoded")
    assert json.loads(asking.post("/upload", b"a=1&b=%C3%A9", kind).body) == {"a": "1", "b": "é"}
    form = MultipartForm([FormPart("text", "words"), FormPart("file", bytes(300_000), filename="data.bin")])
    body = b"".join(form.pieces())
    seen = asking.post("/upload", body, ("Content-Type", form.content_type))
    assert json.loads(seen.body) == {"text": "words", "file": ["data.bin", 300_000]}


def test_a_large_body(asking: Asking) -> None:
    assert asking.post("/size", bytes(2_000_000)).body == b"2000000"
    assert asking.post("/size", b"").body == b"0"


def test_what_happens_after_a_response(asking: Asking, framework: Framework) -> None:
    before = framework.happened.count("background")
    assert asking.get("/background").body == b"later"
    until(lambda: framework.happened.count("background") == before + 1)


def test_a_session(asking: Asking) -> None:
    if isinstance(asking, WithNetkit):
        assert [asking.get("/count").body for _ in range(3)] == [b"1", b"2", b"3"]
    seen = asking.get("/count")
    assert "session=" in seen.fields["set-cookie"] or "plain=" in seen.fields["set-cookie"]


@pytest.mark.parametrize(("name", "driver"), SERVED)
def test_a_chunked_body_that_is_too_large(name: str, driver: str, tmp_path: Path) -> None:
    module: Any = starlette_app if name == "starlette" else flask_app
    app = app_handler(module.make(tmp_path))
    chunk = b"5\r\n12345\r\n" * 2 + b"0\r\n\r\n"
    with served(app, driver, ServerConfig(max_body=9)) as site:
        answer = site.get("/size", method="POST", fields="Transfer-Encoding: chunked\r\n", body=chunk)
    assert answer.status == 413


def test_errors(asking: Asking) -> None:
    seen = asking.get("/fails")
    assert seen.status == 500
    assert b"secret" not in seen.body
    assert asking.get("/refuses").status == 418
    assert asking.get("/").status == 200


def test_addresses(asking: Asking) -> None:
    seen = asking.get("/address?a=b")
    assert json.loads(seen.body) == {
        "url": f"{asking.origin}/address?a=b",
        "client": "127.0.0.1",
        "version": asking.version,
    }
    assert asking.get("/redirects").fields["location"] == f"{asking.origin}/"


@pytest.fixture(params=["1.1", "2"])
def fetching(request: Any, framework: Framework) -> Iterator[WithNetkit]:
    """netkit's client alone, for what curl does not show."""
    client = WithNetkit(framework.site, request.param)
    yield client
    client.client.close()


def test_events_until_nobody_listens(fetching: WithNetkit, framework: Framework) -> None:
    before = framework.happened.count("events over")
    parser = EventStreamParser()
    found: list[str | None] = []
    with fetching.client.stream(Request("GET", f"{fetching.origin}/events")) as response:
        for piece in response:
            found += [event.id for event in parser.feed(piece)]
            if len(found) >= 3:
                break
    assert list(islice(found, 3)) == ["0", "1", "2"]
    until(lambda: framework.happened.count("events over") == before + 1)


@pytest.mark.parametrize("driver", ASYNC)
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_what_starlette_alone_does(driver: str, version: str, tmp_path: Path) -> None:
    with served(app_handler(starlette_app.make(tmp_path)), driver) as site:
        client = WithNetkit(site, version)
        with client.client:
            response = client.client.get(f"{client.origin}/hints")
            assert response.body == b"hinted"
            ((status, fields),) = response.interim
            assert (int(status), fields.get("link")) == (103, ("</style.css>; rel=preload; as=style",))
            inner = json.loads(client.get("/mounted/inner").body)
            assert inner == {"root_path": "/mounted", "path": "/mounted/inner"}
            assert client.get("/blocking").body == b"from a thread"
