"""What a client sends as early data (RFC 8470 sections 4 and 5.2), and what it does with the answer."""

from __future__ import annotations

import socket
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from netkit.http import Client, ClientConfig, DialConfig, HttpError, PoolConfig, Request, Response
from netkit.http.client.channel import Exchange
from netkit.http.client.dial import HttpVersions, Link
from netkit.http.client.early import EarlyRequest
from netkit.http.client.facts import ConnectionInfo, Timing
from netkit.http.client.h1_channel import H1Channel
from netkit.http.connection.events import RequestHead
from netkit.http.connection.limits import DEFAULT_LIMITS
from netkit.io import run
from netkit.net import UnixStream
from netkit.tls.connection.early import EarlyOffer
from netkit.tls.errors import TlsError
from netkit.tls.sessions import MemorySessionStore
from netkit.tls.versions import TlsVersion
from tests.http.server.serving import Serving
from tests.tls.conformance.ends import client_config, identity, server_config, versions
from tests.tls.test_early_data import CLIENTS, SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.http.client.facts import TraceEvent
    from netkit.http.server.request import ServerRequest
    from netkit.tls.backend import ResumableSession
    from netkit.tls.config import TlsConfig
    from tests.http.client.conftest import Form

pytestmark = pytest.mark.once

#: Every request makes a connection: only then there is something to resume.
EACH_ANEW = ClientConfig(pool_config=PoolConfig(idle_timeout=0.0), timeout=20.0)


class Origin:
    """A server that notes whether requests come early, and refuses as it is told."""

    def __init__(self, tls: TlsConfig) -> None:
        self.seen: list[tuple[str, str, bool]] = []
        self.refuses = False
        self.tls = tls
        self.served = Serving(self, tls=lambda: self.tls)

    def handle(self, request: ServerRequest) -> Response:
        self.seen.append((str(request.version), request.method, request.early_data))
        if self.refuses:
            return Response(425)
        return Response(200, body=(request.body or b"") + b"ok")

    @property
    def url(self) -> str:
        return f"https://localhost:{self.served.at[1]}/"

    def take_early(self) -> list[bool]:
        """Which of the requests since the last call came early."""
        early = [each[2] for each in self.seen]
        self.seen.clear()
        return early


@pytest.fixture(params=SERVERS)
def origin(request: pytest.FixtureRequest) -> Iterator[Origin]:
    made = Origin(server_config(request.param, identity("localhost"), max_early_data=16_384))
    with made.served:
        yield made


@pytest.fixture(params=CLIENTS)
def tls(request: pytest.FixtureRequest) -> TlsConfig:
    return client_config(request.param)


@pytest.mark.parametrize("versions", [HttpVersions.HTTP11, HttpVersions.AUTO])
def test_safe_methods_go_early(
    client_form: Form, origin: Origin, tls: TlsConfig, versions: HttpVersions
) -> None:
    told: list[TraceEvent] = []
    dial = DialConfig(versions, tls, early_data=True)
    client = client_form.client(EACH_ANEW, dial=dial, trace=told.append)

    def ask(method: str, body: bytes | None = None, early_data: bool | None = None) -> bool | None:
        request = Request(method, origin.url, body=body)
        response = client_form.call(client.request, request, early_data=early_data)
        assert response.status == 200
        assert response.body == (b"" if method == "HEAD" else (body or b"") + b"ok")
        accepted: bool | None = response.connection.early_data_accepted
        return accepted

    assert ask("GET") is None  # nothing to resume
    assert [ask(method) for method in ("GET", "HEAD", "OPTIONS")] == [True] * 3
    assert [ask(method) for method in ("DELETE", "TRACE")] == [None] * 2
    assert [ask("POST", b"x"), ask("POST", b"x", True), ask("GET", early_data=False)] == [None, True, None]
    assert ask("POST", b"x" * 20_000, True) is None  # more than the server takes
    assert origin.take_early() == [False, True, True, True, False, False, False, True, False, False]
    assert [each.facts["early"] for each in told if each.name == "tls"] == [
        None, True, True, True, None, None, None, True, None, None
    ]  # fmt: skip


class _Twice(MemorySessionStore):
    """Gives a session out again: what it sends is a replay, which the server rejects."""

    kept: ResumableSession | None = None

    def take(self, scope: object, server_name: str) -> ResumableSession | None:
        taken = super().take(scope, server_name)
        if self.kept is None:
            self.kept = taken
        return self.kept


@pytest.mark.parametrize("versions", [HttpVersions.HTTP11, HttpVersions.AUTO])
@pytest.mark.skipif("pyopenssl" not in CLIENTS, reason="a ticket of rustls is used up")
def test_rejected_is_sent_again(origin: Origin, versions: HttpVersions) -> None:
    """Over the same connection, after the handshake, and it is not early then."""
    told: list[TraceEvent] = []
    tls = client_config("pyopenssl", session_store=_Twice())
    dial = DialConfig(versions, tls, early_data=True)
    with Client(EACH_ANEW, dial=dial, trace=told.append) as client:
        answers = [client.get(origin.url) for _ in range(3)]
    assert [each.connection.early_data_accepted for each in answers] == [None, True, False]
    assert [each.body for each in answers] == [b"ok"] * 3
    assert origin.take_early() == [False, True, False]
    assert sum(each.name == "connect" for each in told) == 3


@pytest.mark.skipif("pyopenssl" not in CLIENTS, reason="a ticket of rustls is used up")
def test_another_protocol(origin: Origin) -> None:
    """Octets of HTTP/2 never go over a connection of HTTP/1.1: the request begins anew."""
    tls = client_config("pyopenssl", session_store=_Twice())
    with Client(EACH_ANEW, dial=DialConfig(tls=tls, early_data=True)) as client:
        client.get(origin.url)
        assert client.get(origin.url).connection.early_data_accepted is True
        origin.tls = origin.tls.with_alpn(["http/1.1"])
        last = client.get(origin.url)
    assert (last.body, last.connection.early_data_accepted, last.connection.version) == (b"ok", False, "1.1")


def test_too_early(client_form: Form, origin: Origin, tls: TlsConfig) -> None:
    """RFC 8470 section 5.2: asked again once, and not early; a refusal of what was not early is an answer."""
    client = client_form.client(EACH_ANEW, dial=DialConfig(tls=tls, early_data=True))
    assert client_form.get(client, origin.url).status == 200
    origin.refuses = True
    assert client_form.get(client, origin.url).status == 425
    assert client_form.call(client.request, Request("DELETE", origin.url)).status == 425
    assert origin.take_early() == [False, True, False, False]


def test_a_server_that_has_gone_back(client_form: Form, origin: Origin, tls: TlsConfig) -> None:
    """To TLS 1.2, where early data is nonsense: once more, without (RFC 8446 appendix D.3)."""
    assert tls.backend is not None and origin.tls.backend is not None
    if TlsVersion.Tls12 not in versions(tls.backend, origin.tls.backend):
        pytest.skip("one of these backends has no TLS 1.2")
    told: list[TraceEvent] = []
    client = client_form.client(EACH_ANEW, dial=DialConfig(tls=tls, early_data=True), trace=told.append)
    assert client_form.get(client, origin.url).status == 200
    origin.tls = origin.tls.replace(max_version=TlsVersion.Tls12, max_early_data=0)
    answer = client_form.get(client, origin.url)
    assert (answer.body, answer.connection.tls_version) == (b"ok", TlsVersion.Tls12)
    assert [each.name for each in told].count("retry") == 1
    assert origin.take_early() == [False, False]


def test_a_kept_connection_sends_none(origin: Origin, tls: TlsConfig) -> None:
    with Client(dial=DialConfig(tls=tls, early_data=True)) as client:
        for _ in range(3):
            assert client.get(origin.url).connection.early_data_accepted is None
    assert origin.take_early() == [False] * 3


def test_who_cannot(tls: TlsConfig) -> None:
    """Before anything connects."""
    with pytest.raises(TlsError.CapabilityError, match="ssl cannot send early data"):
        Client(dial=DialConfig(tls=tls.with_backend("ssl"), early_data=True))
    with pytest.raises(HttpError.InvalidValue, match="resumes"):
        DialConfig(tls=tls, early_data=True, resume=False)


def test_an_answer_that_comes_with_the_handshake() -> None:
    """It is in the buffers when the exchange begins: nothing more comes, and nobody waits for it."""
    head = RequestHead(b"GET", b"/", b"a")
    early = EarlyRequest(Exchange(head, None, Timing(monotonic())), DEFAULT_LIMITS)
    assert early.write(EarlyOffer("http/1.1", 16_384)).startswith(b"GET / HTTP/1.1\r\n")
    ours, theirs = socket.socketpair()
    with UnixStream(ours) as stream, theirs:
        stream.put_back(b"HTTP/1.1 204 No Content\r\n\r\n")
        channel = H1Channel(Link(stream, False, ConnectionInfo(), early), DEFAULT_LIMITS)
        reply = run(channel.exchange_flow(early.exchange), deadline=monotonic() + 5)
    assert reply.status == 204


def test_what_is_not_written_early() -> None:
    """Too much for the server, another protocol, a head that cannot be sent: the channel has its say then."""
    head = RequestHead(b"GET", b"/", b"a", fields=[(b"x", b"y" * 2000)])
    early = EarlyRequest(Exchange(head, None, Timing(monotonic())), DEFAULT_LIMITS)
    for offer in (EarlyOffer("http/1.1", 2000), EarlyOffer("h2", 20), EarlyOffer("smtp", 16_384)):
        assert early.write(offer) == b""
        assert not early.begun_for(offer.alpn)
    wrong = EarlyRequest(
        Exchange(RequestHead(b"GET", b"/ /", b"a"), None, Timing(monotonic())), DEFAULT_LIMITS
    )
    assert wrong.write(EarlyOffer("http/1.1", 16_384)) == b""
    assert not (early.exchange.was_sent or wrong.exchange.was_sent)
