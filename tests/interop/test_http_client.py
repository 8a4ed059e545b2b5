"""The HTTP client and servers that nobody here wrote: each server, version, with and without TLS, each form.

The servers and their common paths are in http_servers.py and servers/contract.py.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from netkit.http import (
    AsyncClient,
    Client,
    ClientConfig,
    CookieJar,
    DialConfig,
    FetchedResponse,
    HttpError,
    HttpVersions,
    PoolConfig,
    Request,
)
from netkit.http.bodies.body import BodySource
from netkit.http.policy.auth import BasicAuth, DigestAuth
from netkit.proxy.url import Proxy
from netkit.tls.config import TlsConfig
from netkit.tls.x509.certificate import Certificate
from tests.conftest import free_port
from tests.interop.http_servers import PEERS, HttpPeers, combinations
from tests.interop.proxies import ForwardProxies
from tests.interop.servers import contract

# Go's server may have to be built first.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

TIMEOUT = 30.0
T = TypeVar("T")
Fields = Sequence[tuple[str, str]]


class Form(ABC):
    """One way to use the client: blocking, or awaited in an event loop of this form."""

    @property
    @abstractmethod
    def connections(self) -> int: ...

    @abstractmethod
    def ask(
        self, method: str, url: str, fields: Fields = (), body: BodySource | None = None, **more: Any
    ) -> FetchedResponse: ...

    @abstractmethod
    def pieces(self, url: str) -> tuple[bytes, dict[str, str]]:
        """A body read piece by piece, and its trailers."""

    @abstractmethod
    def into(self, url: str, size: int) -> bytes:
        """A body read into a buffer of `size` octets, over and over."""

    @abstractmethod
    def together(self, urls: Sequence[str]) -> list[FetchedResponse]:
        """Many at once."""

    @abstractmethod
    def close(self) -> None: ...


class Blocking(Form):
    def __init__(self, config: ClientConfig, dial: DialConfig, **more: Any) -> None:
        self.client = Client(config, dial=dial, **more)

    @property
    def connections(self) -> int:
        return self.client.connections

    def ask(
        self, method: str, url: str, fields: Fields = (), body: BodySource | None = None, **more: Any
    ) -> FetchedResponse:
        return self.client.request(Request(method, url, headers=fields), body=body, **more)

    def pieces(self, url: str) -> tuple[bytes, dict[str, str]]:
        with self.client.stream(Request("GET", url)) as response:
            body = b"".join(response)
            return body, {name.lower(): value for name, value in response.trailers.fields}

    def into(self, url: str, size: int) -> bytes:
        buffer, found = bytearray(size), []
        with self.client.stream(Request("GET", url)) as response:
            while count := response.read_into(buffer):
                found.append(bytes(buffer[:count]))
        return b"".join(found)

    def together(self, urls: Sequence[str]) -> list[FetchedResponse]:
        with ThreadPoolExecutor(8) as executor:
            return list(executor.map(lambda url: self.ask("GET", url), urls))

    def close(self) -> None:
        self.client.close()


class Awaited(Form):
    def __init__(
        self,
        factory: Callable[[], asyncio.AbstractEventLoop] | None,
        config: ClientConfig,
        dial: DialConfig,
        **more: Any,
    ) -> None:
        self.runner = asyncio.Runner(loop_factory=factory)
        self.client = AsyncClient(config, dial=dial, **more)

    @property
    def connections(self) -> int:
        return self.client.connections

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        # Not Runner.run: what it does for Ctrl-C writes out the whole result (signal.signal, Python 3.11).
        return self.runner.get_loop().run_until_complete(work)

    def ask(
        self, method: str, url: str, fields: Fields = (), body: BodySource | None = None, **more: Any
    ) -> FetchedResponse:
        return self.run(self.client.request_async(Request(method, url, headers=fields), body=body, **more))

    def pieces(self, url: str) -> tuple[bytes, dict[str, str]]:
        async def read() -> tuple[bytes, dict[str, str]]:
            async with self.client.stream_async(Request("GET", url)) as response:
                body = b"".join([piece async for piece in response])
                return body, {name.lower(): value for name, value in response.trailers.fields}

        return self.run(read())

    def into(self, url: str, size: int) -> bytes:
        async def read() -> bytes:
            buffer, found = bytearray(size), []
            async with self.client.stream_async(Request("GET", url)) as response:
                while count := await response.read_into_async(buffer):
                    found.append(bytes(buffer[:count]))
            return b"".join(found)

        return self.run(read())

    def together(self, urls: Sequence[str]) -> list[FetchedResponse]:
        async def all_of_them() -> list[FetchedResponse]:
            asked: list[Awaitable[FetchedResponse]] = [self.client.get_async(url) for url in urls]
            return list(await asyncio.gather(*asked))

        return self.run(all_of_them())

    def close(self) -> None:
        async def close() -> None:
            self.client.close()

        with self.runner:
            self.run(close())


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    uvloop = pytest.importorskip("uvloop")
    return uvloop.new_event_loop  # type: ignore[no-any-return]


FORMS: dict[str, Callable[..., Form]] = {
    "blocking": Blocking,
    "asyncio": lambda *given, **more: Awaited(None, *given, **more),
    "uvloop": lambda *given, **more: Awaited(_uvloop(), *given, **more),
}
VERSIONS = {"1.0": HttpVersions.HTTP11, "1.1": HttpVersions.HTTP11, "2": HttpVersions.HTTP2}


class Place:
    """A server in one version, with TLS or without, and a client for it in one form."""

    def __init__(self, peers: HttpPeers, name: str, version: str, tls: bool, form: str) -> None:
        self.peers, self.name, self.version, self.tls, self.form = peers, name, version, tls, form
        self._made: list[Form] = []
        self.client = self.made()

    def made(
        self, settings: dict[str, Any] | None = None, dialing: dict[str, Any] | None = None, **more: Any
    ) -> Form:
        """A client."""
        roots = Certificate.from_pem_chain(self.peers.root.read_bytes())
        tls = TlsConfig.client().with_root_certs(roots)
        dial = DialConfig(**{"versions": VERSIONS[self.version], "tls": tls, **(dialing or {})})
        form = FORMS[self.form](ClientConfig(**{"timeout": TIMEOUT, **(settings or {})}), dial, **more)
        self._made.append(form)
        return form

    def url(self, path: str) -> str:
        return self.peers.url(self.name, version=self.version, tls=self.tls, path=path)

    def ask(
        self, method: str, path: str, fields: Fields = (), body: BodySource | None = None, **more: Any
    ) -> FetchedResponse:
        return self.client.ask(method, self.url(path), fields, body, **more)

    def get(self, path: str, *fields: tuple[str, str]) -> FetchedResponse:
        return self.ask("GET", path, fields)

    def close(self) -> None:
        for form in self._made:
            form.close()


COMMON = [each for each in combinations() if each[0] != "httpbin"]


def _id(value: object) -> str:
    if isinstance(value, tuple):
        name, version, tls = value
        return f"{name}-{version}-{'tls' if tls else 'plain'}"
    return str(value)


def places(*names: str, version: str | None = None) -> list[tuple[str, str, bool]]:
    """The combinations of some servers."""
    return [each for each in combinations() if each[0] in names and version in (None, each[1])]


# What a twin does is the same in each form: with the Python twin, the blocking one is enough.
@pytest.fixture(
    params=[
        "blocking",
        pytest.param("asyncio", marks=pytest.mark.once),
        pytest.param("uvloop", marks=pytest.mark.once),
    ]
)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=COMMON, ids=_id)
def place(request: pytest.FixtureRequest, http_peers: HttpPeers, form: str) -> Iterator[Place]:
    """Each server, version, with TLS and without, in each form; or those that a test names."""
    name, version, tls = request.param
    made = Place(http_peers, name, version, tls, form)
    yield made
    made.close()


def only(*names: str, version: str | None = None) -> pytest.MarkDecorator:
    """The test is for some servers."""
    return pytest.mark.parametrize("place", places(*names, version=version), indirect=True, ids=_id)


def which_has(path: str) -> pytest.MarkDecorator:
    """The test is for the servers that have the path."""
    have = [each for each in COMMON if PEERS[each[0]].why_not(path, each[1]) is None]
    return pytest.mark.parametrize("place", have, indirect=True, ids=_id)


def test_hello(place: Place) -> None:
    response = place.get("/hello")
    assert (response.status, response.body) == (200, contract.HELLO)
    assert response.version.as_str == f"HTTP/{place.version}"
    assert (response.connection.tls_version is not None) == place.tls
    assert response.connection.alpn == ({"2": "h2"}.get(place.version, "http/1.1") if place.tls else None)
    assert not response.connection.reused
    names = [name for name, _, _ in response.timing.phases()]
    assert names == ["queue", "dns", "connect", *(["tls"] if place.tls else []), "send", "wait", "receive"]
    again = place.get("/hello")
    if place.version != "1.0":
        assert again.connection.reused
        assert place.client.connections == 1


def test_head(place: Place) -> None:
    response = place.ask("HEAD", "/bytes/65537")
    assert (response.status, response.body or b"") == (200, b"")
    assert response.headers.get_first("Content-Length") in ("65537", None)
    assert place.get("/hello").body == contract.HELLO


def test_uploads(place: Place) -> None:
    content, large = contract.octets(100_000), contract.octets(3_000_000)
    bodies: list[tuple[BodySource, bytes]] = [
        (content, content),
        (large, large),
        (io.BytesIO(content), content),
        ((content[at : at + 7000] for at in range(0, len(content), 7000)), content),
        (b"", b""),
    ]
    for body, whole in bodies:
        response = place.ask("POST", "/echo?a=1&b=%20", [("X-One", "two"), ("Content-Type", "x/y")], body)
        assert response.status == 200
        said = json.loads(response.body or b"")
        assert (said["method"], said["target"]) == ("POST", "/echo?a=1&b=%20")
        assert (said["length"], said["sha256"]) == (len(whole), hashlib.sha256(whole).hexdigest())
        for field in (["x-one", "two"], ["content-type", "x/y"]):
            assert field in said["fields"]


def test_downloads(place: Place) -> None:
    *sizes, largest = contract.SIZES
    for size in sizes:
        assert place.get(f"/bytes/{size}").body == contract.octets(size)
        assert place.client.pieces(place.url(f"/bytes/{size}"))[0] == contract.octets(size)
    if place.form != "asyncio":  # uvloop and blocking are enough for the large one
        assert place.client.into(place.url(f"/bytes/{largest}"), 262_144) == contract.octets(largest)


def test_ranges(place: Place) -> None:
    whole = contract.octets(65_537)
    etag = place.get("/bytes/65537").headers.get_first("ETag")
    assert etag is not None
    response = place.get("/bytes/65537", ("Range", "bytes=65000-"), ("If-Range", etag))
    assert (response.status, response.body) == (206, whole[65_000:])
    assert response.headers.get_first("Content-Range") == "bytes 65000-65536/65537"
    assert place.get("/bytes/65537", ("Range", "bytes=-10")).body == whole[-10:]
    if place.name != "h2o":  # 2.2 does not look at If-Range
        assert place.get("/bytes/65537", ("Range", "bytes=0-9"), ("If-Range", '"other"')).body == whole
    assert place.get("/bytes/65537", ("Range", "bytes=70000-")).status == 416
    response = place.get("/bytes/65537", ("If-None-Match", etag))
    assert (response.status, response.body or b"") == (304, b"")


def test_codings(place: Place) -> None:
    response = place.get("/gzip")
    assert (response.headers.get_first("Content-Encoding"), response.body) == ("gzip", contract.TEXT)
    assert place.client.pieces(place.url("/gzip"))[0] == contract.TEXT
    assert place.get("/gzip", ("Accept-Encoding", "identity")).body == contract.TEXT
    raw = place.made({"decode": False})
    response = raw.ask("GET", place.url("/gzip"), [("Accept-Encoding", "gzip")])
    assert (response.body or b"").startswith(b"\x1f\x8b")


def test_bodies_without_a_length(place: Place) -> None:
    for size in (0, 1, 100_000):
        response = place.get(f"/chunked/{size}")
        assert (response.status, response.body or b"") == (200, contract.octets(size))
    assert place.client.pieces(place.url("/chunked/1000000"))[0] == contract.octets(1_000_000)


def test_statuses(place: Place) -> None:
    for status in contract.STATUSES:
        response = place.get(f"/status/{status}")
        assert response.status == status
        assert bool(response.body) == (status not in (204, 304))


def test_redirects(place: Place) -> None:
    response = place.get("/redirect/5")
    assert (response.status, response.body, len(response.history)) == (200, contract.HELLO, 5)
    assert response.url.path == "/redirect/0"
    assert place.client.ask("GET", place.url("/redirect/1"), follow_redirects=False).status == 302
    with pytest.raises(HttpError.InvalidResponse, match="redirects"):
        place.get("/redirect/11")


@which_has("/trailers")
def test_trailers(place: Place) -> None:
    response = place.get("/trailers", ("TE", "trailers"))
    assert response.body == contract.BODY
    assert response.trailers.get_first("X-Checksum") == contract.CHECKSUM


@which_has("/early-hints")
def test_early_hints(place: Place) -> None:
    response = place.get("/early-hints")
    assert response.body == contract.HELLO
    assert [(status, fields.get_first("Link")) for status, fields in response.interim] == [
        (103, contract.HINT)
    ]


def test_event_stream(place: Place) -> None:
    assert place.client.pieces(place.url("/sse"))[0] == contract.EVENTS


def test_basic_authentication(place: Place) -> None:
    assert place.get("/auth/basic").status == 401
    for way in (BasicAuth("jo", "p4w"), BasicAuth("jo", "p4w", preemptive=False)):
        response = place.ask("GET", "/auth/basic", auth=way)
        assert (response.status, response.body) == (200, b"hello jo\n")
    assert place.ask("GET", "/auth/basic", auth=BasicAuth("jo", "wrong")).status == 401
    with_login = place.url("/auth/basic").replace("://", "://jo:p4w@")
    assert place.client.ask("GET", with_login).body == b"hello jo\n"


def test_a_timeout(place: Place) -> None:
    with pytest.raises(HttpError.Timeout):
        place.ask("GET", "/slow-head?after=20", timeout=0.1)
    assert place.get("/hello").body == contract.HELLO
    assert place.get("/slow-head?after=0.01").body == contract.HELLO


def test_many_at_once(place: Place) -> None:
    urls = [place.url(f"/bytes/{size}") for size in (1, 1000, 65_537)] * 10
    found = place.client.together(urls)
    assert [each.body for each in found] == [contract.octets(size) for size in (1, 1000, 65_537)] * 10
    if place.version == "2":
        assert place.client.connections == 1


def test_a_body_that_is_given_up(place: Place) -> None:
    """What is left is not read; the next request is not disturbed by it."""
    if isinstance(place.client, Blocking):
        # Node counts what it had for a stream that was given up, and refuses all others at 10 MB.
        size = 5_000_000 if place.name == "node" else 20_000_000
        with place.client.client.stream(Request("GET", place.url(f"/bytes/{size}"))) as response:
            assert response.read(10) == contract.octets(10)
    assert place.get("/hello").body == contract.HELLO


# What is of some servers only


@only("node", "go")
def test_a_reset_in_the_body(place: Place) -> None:
    with pytest.raises(HttpError):
        place.get("/reset")
    assert place.get("/hello").body == contract.HELLO


@only("node", "go")
def test_the_last_request_of_a_connection(place: Place) -> None:
    for _ in range(3):
        assert place.get("/last").body == contract.HELLO
        assert place.ask("POST", "/echo", body=b"x").status == 200


@only("node", version="2")
def test_push_is_refused(place: Place) -> None:
    assert place.get("/push").body == b"push refused\n"


@only("node", version="2")
def test_a_refused_stream_is_asked_again(place: Place) -> None:
    for method in ("GET", "POST"):
        key = f"/refuse?{method}-{place.tls}-{place.form}"
        response = place.ask(method, key, body=b"content" if method == "POST" else None)
        assert (response.status, response.body) == (200, contract.HELLO)


@only("nginx", "haproxy", "go")
def test_a_body_that_is_too_large_for_the_server(place: Place) -> None:
    """The server answers before the body is over; Go and nginx close the connection then."""
    path = "/full"
    response = place.ask("POST", path, body=contract.octets(3_000_000))
    assert response.status == 413
    assert place.get("/hello").body == contract.HELLO


@only("go", "node", "nginx", "http.server", version="1.1")
def test_expect_100_continue(place: Place) -> None:
    client = place.made({"expect_continue": 0})
    body = contract.octets(100_000)
    response = client.ask("POST", place.url("/echo"), body=body)
    assert json.loads(response.body or b"")["sha256"] == hashlib.sha256(body).hexdigest()
    if place.name == "go":
        assert client.ask("POST", place.url("/full"), body=body).status == 413


@only("go", "node", "nginx", "haproxy", version="1.1")
def test_more_requests_than_connections(place: Place) -> None:
    client = place.made({"pool_config": PoolConfig(max_connections=2)})
    found = client.together([place.url("/bytes/1000")] * 20)
    assert [each.body for each in found] == [contract.octets(1000)] * 20
    assert client.connections <= 2


@only("nginx", "go", "node", "h2o", "haproxy", "hypercorn")
def test_the_version_that_the_server_chooses(place: Place) -> None:
    """AUTO: HTTP/2 over TLS, HTTP/1.1 without."""
    client = place.made(dialing={"versions": HttpVersions.AUTO})
    url = place.peers.url(place.name, version="2" if place.tls else "1.1", tls=place.tls)
    assert client.ask("GET", url).connection.version == ("2" if place.tls else "1.1")


@only("nginx", version="1.1")
def test_a_unix_domain_socket(place: Place) -> None:
    client = place.made(dialing={"unix_socket": place.peers.unix_socket("nginx")})
    response = client.ask("GET", "http://any.example/hello")
    assert response.body == contract.HELLO
    assert response.connection.unix_path == place.peers.unix_socket("nginx")


@only("nginx")
@pytest.mark.parametrize("login", [False, True], ids=["open", "login"])
@pytest.mark.parametrize("name", ["tinyproxy", "microsocks"])
def test_forward_proxies(place: Place, name: str, login: bool, forward_proxies: ForwardProxies) -> None:
    if place.version == "2" and not place.tls and name == "tinyproxy":
        return  # a proxy takes requests for http URLs in HTTP/1.1
    through = Proxy.parse(forward_proxies.url(name, login=login))
    client = place.made(dialing={"proxy_for": lambda url: through})
    response = client.ask("GET", place.url("/bytes/65537"))
    assert response.body == contract.octets(65_537)
    assert response.connection.proxy is not None
    assert "p4w" not in response.connection.proxy
    # tinyproxy closes after each answer without a word. A POST that meets the close is not the client's to
    # repeat (RFC 9110 section 9.2.2), so it gets a connection of its own.
    posting = place.made(dialing={"proxy_for": lambda url: through})
    assert posting.ask("POST", place.url("/echo"), body=b"x" * 1000).status == 200
    if login:
        wrong = Proxy.parse(forward_proxies.url(name, login=True, given="jo:wrong"))
        client = place.made(dialing={"proxy_for": lambda url: wrong})
        try:
            status = client.ask("GET", place.url("/hello")).status
        except HttpError:
            return
        # The proxy's own answer to a request for an http URL; tinyproxy says 401 of a wrong password.
        assert (status in (401, 407), place.tls) == (True, False)


@only("nginx", version="1.1")
def test_nobody_listens(place: Place) -> None:
    scheme = "https" if place.tls else "http"
    with pytest.raises(HttpError.ConnectionError) as caught:
        place.client.ask("GET", f"{scheme}://127.0.0.1:{free_port()}/")
    assert caught.value.kind == "Refused"


@pytest.mark.parametrize("place", [each for each in COMMON if each[2]], indirect=True, ids=_id)
def test_a_certificate_that_nobody_trusts(place: Place) -> None:
    other = place.made(dialing={"tls": None})
    with pytest.raises(HttpError.TlsError):
        other.ask("GET", place.url("/hello"))


# httpbin


@only("httpbin")
def test_httpbin(place: Place) -> None:
    def said(method: str, path: str, fields: Fields = (), body: BodySource | None = None, **more: Any) -> Any:
        response = place.ask(method, path, fields, body, **more)
        assert response.status == 200, (path, response.status)
        return json.loads(response.body or b"")

    assert said("GET", "/get?a=1")["args"] == {"a": "1"}
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    assert said("POST", "/post", form, b"a=1&b=2")["form"] == {"a": "1", "b": "2"}
    assert said("PUT", "/anything", [], b"content")["data"] == "content"
    assert said("DELETE", "/delete")["args"] == {}
    for coding in ("gzip", "deflate", "brotli"):
        assert said("GET", f"/{coding}")["method"] == "GET"
    response = place.get("/redirect-to?url=%2Fget&status_code=307")
    assert (response.status, len(response.history)) == (200, 1)
    assert len(place.get("/relative-redirect/4").history) == 4
    assert len(place.get("/absolute-redirect/4").history) == 4
    assert place.ask("GET", "/basic-auth/jo/p4w", auth=BasicAuth("jo", "p4w")).status == 200
    for algorithm in ("MD5", "SHA-256"):
        # httpbin compares with a cookie that it sets with its challenge.
        client = place.made(cookies=CookieJar())
        way = DigestAuth("jo", "p4w")
        for _ in range(2):
            url = place.url(f"/digest-auth/auth/jo/p4w/{algorithm}")
            assert client.ask("GET", url, auth=way).status == 200, algorithm
    jar = CookieJar()
    client = place.made(cookies=jar)
    client.ask("GET", place.url("/cookies/set?one=1&two=2"))
    assert json.loads(client.ask("GET", place.url("/cookies")).body or b"")["cookies"] == {
        "one": "1",
        "two": "2",
    }
    client.ask("GET", place.url("/cookies/delete?one"))
    assert json.loads(client.ask("GET", place.url("/cookies")).body or b"")["cookies"] == {"two": "2"}
    assert len(place.get("/stream-bytes/100000?chunk_size=1000").body or b"") == 100_000
    assert len((place.get("/stream/50").body or b"").splitlines()) == 50
    assert len(place.get("/drip?duration=0.01&numbytes=100&delay=0").body or b"") == 100
    assert place.get("/status/418").status == 418
    assert place.get("/range/1000", ("Range", "bytes=10-19")).headers.get_first("Content-Range") is not None
    assert place.get("/etag/abc", ("If-None-Match", "abc")).status == 304
