"""The client and servers that break the rules: each time the right outcome, and within its limit."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from netkit.addr import SocketAddr
from netkit.http import AsyncClient, Client, ClientConfig, CookieJar, DialConfig, HttpVersions, Request
from netkit.http.connection.errors import ConnectionFault, ErrorCode
from netkit.http.content_disposition import parse, safe_filename
from netkit.http.policy.auth import Auth, BasicAuth, DigestAuth
from netkit.proxy.url import Proxy
from netkit.tls.config import TlsConfig
from netkit.tls.x509.certificate import Certificate
from tests.http.client.frames import Http2, hello
from tests.http.client.hostile import DISPOSITIONS, SCENARIOS, Outcome, Received, Scenario, Service, serve
from tests.http.client.scripting import Visitor, answers, response

#: For a scenario that has no limit of time of its own. Only a test that fails waits so long.
TIMEOUT = 10.0

VERSIONS = {
    "1.1": HttpVersions.HTTP11,
    "2": HttpVersions.HTTP2,
    "2-prior-knowledge": HttpVersions.HTTP2,
}

AUTHS: dict[str, Callable[[], Auth]] = {
    "basic": lambda: BasicAuth("jo", "p4w"),
    "digest": lambda: DigestAuth("jo", "p4w"),
}


class Got(NamedTuple):
    """What one request came to: a response, or an error."""

    status: int | None = None
    body: bytes | None = None
    error: BaseException | None = None


def requests_of(service: Service) -> list[tuple[Request, float]]:
    """The requests of a scenario, each with its limit of time."""
    ask = service.scenario.ask
    first = Request(ask.method, service.url, headers=ask.fields, body=ask.body)
    root = f"{service.origin()}/"
    again = [Request(method, root, body=b"more" if method == "POST" else None) for method in ask.again]
    return [(each, ask.timeout or TIMEOUT) for each in (first, *again)]


def settings(service: Service) -> tuple[ClientConfig, DialConfig, CookieJar | None, Auth | None]:
    scenario, ask = service.scenario, service.scenario.ask
    roots = Certificate.from_pem_chain(Path(service.root).read_bytes())
    ports = [service.port(), *([service.port("other")] if scenario.other else [])]
    here = {f"{scenario.host}:{port}": [SocketAddr.parse(f"127.0.0.1:{port}")] for port in ports}
    dial = DialConfig(VERSIONS[scenario.version], TlsConfig.client().with_root_certs(roots), resolve_to=here)
    config = ClientConfig(**{"timeout": TIMEOUT, **ask.settings})
    auth = AUTHS[ask.auth]() if ask.auth is not None and ask.auth_of == "client" else None
    return config, dial, CookieJar() if ask.cookies else None, auth


def auth_of_call(service: Service) -> Auth | None:
    """How the first call authenticates."""
    ask = service.scenario.ask
    return AUTHS[ask.auth]() if ask.auth is not None and ask.auth_of == "call" else None


def blocking(service: Service) -> list[Got]:
    got: list[Got] = []
    config, dial, cookies, of_client = settings(service)
    with Client(config, dial=dial, cookies=cookies, auth=of_client) as client:
        for request, timeout in requests_of(service):
            if got and service.scenario.ask.settle:
                service.until_settled()
            try:
                response = client.request(
                    request, timeout=timeout, auth=None if got else auth_of_call(service)
                )
                got.append(Got(response.status, response.body or b""))
            except Exception as error:
                got.append(Got(error=error))
        in_use = client.connections - client.idle_connections
    assert in_use == 0, "a connection is in use, though no request is under way"
    return got


def awaited(service: Service) -> list[Got]:
    async def run() -> list[Got]:
        got: list[Got] = []
        config, dial, cookies, of_client = settings(service)
        async with AsyncClient(config, dial=dial, cookies=cookies, auth=of_client) as client:
            for request, timeout in requests_of(service):
                if got and service.scenario.ask.settle:
                    service.until_settled()
                try:
                    auth = None if got else auth_of_call(service)
                    response = await client.request_async(request, timeout=timeout, auth=auth)
                    got.append(Got(response.status, response.body or b""))
                except Exception as error:
                    got.append(Got(error=error))
            in_use = client.connections - client.idle_connections
        assert in_use == 0, "a connection is in use, though no request is under way"
        return got

    return asyncio.run(run())


def causes(error: BaseException) -> list[BaseException]:
    """An error, and what it came of."""
    found = [error]
    while (cause := found[-1].__cause__) is not None:
        found.append(cause)
    return found


def differs(expected: Outcome, got: Got) -> str | None:
    """What is not as expected, in words; None if all is."""
    if expected.errors:
        if got.error is None:
            return f"no error, but {got.status} {(got.body or b'')[:60]!r}"
        found = causes(got.error)
        if not any(isinstance(each, expected.errors) for each in found):
            return f"another error: {found!r}"
        named = [f"{each} {vars(each)}" for each in found]
        if expected.limit is not None and not any(expected.limit in each for each in named):
            return f"the error does not name {expected.limit}: {named}"
        return None
    if got.error is not None:
        return f"an error: {causes(got.error)!r}"
    if expected.status is not None and got.status != expected.status:
        return f"the status {got.status}, not {expected.status}"
    if expected.body is not None and got.body != expected.body:
        return f"the body {(got.body or b'')[:60]!r}, not {expected.body[:60]!r}"
    return None


def verdict(expected: Outcome, got: list[Got], service: Service) -> str | None:
    """The first thing that is not as expected."""
    if (what := differs(expected, got[0])) is not None:
        return what
    for number, (each, outcome) in enumerate(zip(got[1:], expected.again, strict=False), 2):
        if (what := differs(outcome, each)) is not None:
            return f"request {number}: {what}"
    for name, want, found in (
        ("requests", expected.requests, len(service.requests)),
        ("connections", expected.connections, service.connections["main"]),
    ):
        if want not in (None, found):
            return f"{found} {name}, not {want}: {service.requests}"
    if expected.check is not None:
        expected.check(service)
    return None


@pytest.mark.parametrize("form", [blocking, awaited])
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_outcome(scenario: Scenario, form: Callable[[Service], list[Got]]) -> None:
    with serve(scenario) as service:
        got = form(service)
        # The client was closed, so each of its connections is.
        service.until_all_closed()
    problem = verdict(scenario.outcome, got, service)
    if problem is not None and scenario.outcome.or_else is not None:
        problem = verdict(scenario.outcome.or_else, got, service)
    assert problem is None, f"{problem}\n{scenario.rule}"


def test_a_server_that_ignores_the_window_of_a_stream() -> None:
    """The window is full, because nobody reads the first response; what comes over it is not kept."""
    scenario = SCENARIOS["http2: DATA without a look at the windows"]
    with serve(scenario) as service:
        config, dial, _, _ = settings(service)
        with Client(config, dial=dial) as client:
            with client.stream(Request("GET", service.url)) as unread:
                # It pumps for both.
                try:
                    client.get(service.url)
                except ConnectionFault as error:
                    assert error.code == ErrorCode.FLOW_CONTROL_ERROR
                with pytest.raises(ConnectionFault) as caught:
                    unread.read_to_end(1 << 30)
                assert caught.value.code == ErrorCode.FLOW_CONTROL_ERROR
            assert client.get(service.url).body == b"hello\n"


def test_who_pumps_leaves_and_so_does_who_should_go_on() -> None:
    """Two responses come at once: their flows leave, and the third request must not wait for either."""
    seen = threading.Event()

    def script(visitor: Visitor) -> None:
        peer = Http2(visitor)
        first, second, third = (peer.head()[0].stream for _ in range(3))
        peer.send(hello(first), hello(second))
        assert seen.wait(TIMEOUT)
        peer.send(hello(third))
        peer.until_gone()

    async def ask(client: AsyncClient, url: str) -> None:
        tasks = [asyncio.create_task(client.get_async(url)) for _ in range(3)]
        pending = set(tasks)
        while len(pending) > 1:  # which of them came first on the wire is the client's affair
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        seen.set()
        assert [(await task).body for task in tasks] == [b"hello\n"] * 3

    async def run(service: Service) -> None:
        config, dial, _, _ = settings(service)
        async with AsyncClient(config, dial=dial) as client:
            await ask(client, service.url)

    with serve(Scenario("three", [script], Outcome(), version="2-prior-knowledge")) as service:
        asyncio.run(run(service))


def test_the_credentials_of_a_proxy_stay_with_it() -> None:
    """Through CONNECT, the origin sees nothing of them; a request for an http URL has them for the proxy."""

    def proxy(visitor: Visitor) -> None:
        asked = visitor.head()
        if asked.method != "CONNECT":
            visitor.send(response())
            return visitor.until_gone()
        visitor.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        with socket.create_connection(("127.0.0.1", visitor.service.port("other"))) as inner:
            splice(visitor.sock, inner)
        return None

    scenario = Scenario("a proxy", [proxy], Outcome(), other=[answers(response())], other_tls=True)
    with serve(scenario) as service:
        config, dial, _, _ = settings(service)
        through = Proxy.parse(service.origin().replace("://", "://jo:secret@"))
        with Client(config, dial=dial.replace(proxy_for=lambda url: through)) as client:
            assert client.get(f"{service.origin('other')}/").status == 200
            assert client.get("http://example.com/x").status == 200
    connect, forwarded = service.at("main")
    assert (
        connect.field("proxy-authorization") == forwarded.field("proxy-authorization") == "Basic am86c2VjcmV0"
    )
    assert (connect.method, forwarded.target) == ("CONNECT", "http://example.com/x")
    (inside,) = service.at("other")
    assert inside.field("proxy-authorization") is None
    assert inside.field("authorization") is None


def splice(one: socket.socket, other: socket.socket) -> None:
    """Octets go both ways until one side ends."""
    while True:
        for ready in select.select([one, other], [], [], TIMEOUT)[0]:
            if not (data := ready.recv(65536)):
                return
            (other if ready is one else one).sendall(data)


def test_names_of_files() -> None:
    """Whatever a server says, a download has one harmless component of a path as its name."""

    def named(visitor: Visitor, received: Received) -> bytes:
        return response(200, b"x", ("Content-Disposition", DISPOSITIONS[int(received.target[1:])]))

    with serve(Scenario("names", [answers(named)], Outcome())) as service:
        config, dial, _, _ = settings(service)
        with Client(config, dial=dial) as client:
            for number in range(len(DISPOSITIONS)):
                headers = client.get(f"{service.url}{number}").headers
                said = parse(headers.get_first("Content-Disposition") or "").filename
                name = safe_filename(said)
                assert 0 < len(name.encode()) <= 255, DISPOSITIONS[number]
                assert name.isprintable() and not name.startswith((".", "-")), DISPOSITIONS[number]
                assert "/" not in name and "\\" not in name, DISPOSITIONS[number]


def test_the_table_can_fail() -> None:
    """A wrong expectation is seen."""
    scenario = SCENARIOS["framing: an octet at a time"]
    with serve(scenario) as service:
        got = blocking(service)
    assert verdict(scenario.outcome, got, service) is None
    for wrong in (
        Outcome(status=201),
        Outcome(body=b"other"),
        Outcome(errors=(OSError,)),
        Outcome(requests=1),
        Outcome(connections=2),
        Outcome(again=(Outcome(status=404),)),
    ):
        assert verdict(wrong, got, service) is not None, wrong
