"""The HTTP client by HTTPS records (RFC 9460), with a scripted name server and servers of TLS."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from netkit.addr import SocketAddr
from netkit.dns import QueryOptions, Resolver
from netkit.http import DialConfig, HttpError, HttpVersions
from netkit.http.client.dial import Endpoint
from netkit.https_records import HttpsRecords
from netkit.io import Flow
from netkit.proxy.url import Proxy
from tests.conftest import free_port
from tests.dns.scripted import Script, ScriptedServer, answer
from tests.http.client.conftest import Form
from tests.http.client.serving import Site, always, reply, trusting

NAME = "a.example"


@pytest.fixture
def records() -> Iterator[Callable[[Script], tuple[HttpsRecords, ScriptedServer]]]:
    with ExitStack() as stack:

        def make(script: Script) -> tuple[HttpsRecords, ScriptedServer]:
            server = stack.enter_context(ScriptedServer(script))
            options = QueryOptions(timeout=5.0, tries=1)
            resolver = stack.enter_context(Resolver([server.addr], options=options))
            return HttpsRecords(resolver, timeout=10.0), server

        yield make


def looking_up(addresses: dict[str, str], asked: list[tuple[str, int]]) -> Any:
    """A resolver of names for `DialConfig`: HOST to the HOST:PORT that is really connected to."""

    def resolve(host: str, port: int, family: int = 0) -> Flow[list[SocketAddr]]:
        asked.append((host, port))
        return [SocketAddr.parse(addresses[host])]
        yield

    return resolve


def script(*texts: str) -> Script:
    """Says these HTTPS records, and nothing of other types."""
    return lambda asked: answer(asked, *(texts if asked.rdtype == "HTTPS" else ()))


@contextmanager
def ending() -> Iterator[int]:
    """The port of a server that answers in clear text, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):  # nobody has come, when the listener is shut down
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def test_port_and_hint_are_used_and_the_origin_stays(client_form: Form, records: Any) -> None:
    with Site(always(reply(b"there")), tls=True) as site:
        port = site.port
        record = f"{NAME}. 60 HTTPS 1 . alpn=h2 port={port} ipv4hint=127.0.0.1"
        services, server = records(script(record))
        told: list[Any] = []
        client = client_form.client(dial=DialConfig(tls=trusting(), services=services), trace=told.append)
        response = client_form.get(client, f"https://{NAME}/x")
        assert response.body == b"there"
        assert str(response.url) == f"https://{NAME}/x"
        assert site.requests[0].all("host") == [NAME]
        # Another request goes over the same connection, without asking again.
        assert client_form.get(client, f"https://{NAME}/y").connection.reused
    assert [(asked.name, asked.rdtype) for asked in server.asked] == [(f"{NAME}.", "HTTPS")]
    (event,) = [each for each in told if each.name == "service"]
    assert event.facts == {"target": NAME, "port": port, "alpn": ("h2", "http/1.1"), "ech": False}


def test_alpn_is_what_both_have(client_form: Form, records: Any) -> None:
    """The record says that this endpoint speaks HTTP/1.1 only, so HTTP/2 is not offered."""
    with Site(always(reply(b"x")), tls=True) as site:
        services, _ = records(script(f"{NAME}. 60 HTTPS 1 . port={site.port} ipv4hint=127.0.0.1"))
        told: list[Any] = []
        client = client_form.client(dial=DialConfig(tls=trusting(), services=services), trace=told.append)
        assert client_form.get(client, f"https://{NAME}/").body == b"x"
        assert [each.facts["alpn"] for each in told if each.name == "service"] == [("http/1.1",)]


def test_a_port_has_records_of_its_own_and_an_alias_is_followed(client_form: Form, records: Any) -> None:
    with Site(always(reply(b"x")), tls=True) as site:
        services, server = records(
            script(
                f"_8443._https.{NAME}. 60 HTTPS 0 pool.example.",
                f"pool.example. 60 HTTPS 1 . port={site.port} ipv4hint=127.0.0.1",
            )
        )
        client = client_form.client(dial=DialConfig(tls=trusting(), services=services))
        assert client_form.get(client, f"https://{NAME}:8443/").body == b"x"
    assert [asked.name for asked in server.asked] == [f"_8443._https.{NAME}.", "pool.example."]


def test_an_alias_without_records_is_the_endpoint_itself(client_form: Form, records: Any) -> None:
    with Site(always(reply(b"x")), tls=True) as site:
        services, _ = records(
            lambda asked: answer(
                asked, *([f"{NAME}. 60 HTTPS 0 pool.example."] if asked.name == f"{NAME}." else [])
            )
        )
        looked_up: list[tuple[str, int]] = []
        resolver = looking_up({"pool.example": site.endpoint}, looked_up)
        client = client_form.client(dial=DialConfig(tls=trusting(), services=services, resolver=resolver))
        assert client_form.get(client, f"https://{NAME}/").body == b"x"
    assert looked_up == [("pool.example", 443)]


@pytest.mark.parametrize(
    "first",
    [
        "1 . port={closed} ipv4hint=127.0.0.1",  # nothing listens there
        "1 . port={other} ipv4hint=127.0.0.1",  # it speaks no TLS
    ],
)
def test_an_endpoint_that_fails_leads_to_the_next(client_form: Form, records: Any, first: str) -> None:
    with Site(always(reply(b"good")), tls=True) as site, ending() as other:
        text = first.format(closed=free_port(), other=other)
        services, _ = records(
            script(
                f"{NAME}. 60 HTTPS 2 . port={site.port} ipv4hint=127.0.0.1",
                f"{NAME}. 60 HTTPS {text}",
            )
        )
        client = client_form.client(dial=DialConfig(tls=trusting(), services=services))
        assert client_form.get(client, f"https://{NAME}/").body == b"good"


@pytest.mark.parametrize(
    "said",
    [
        answer,
        lambda asked: answer(asked, rcode=3),
        lambda asked: answer(asked, rcode=2),
        lambda asked: answer(asked, f"{NAME}. 60 HTTPS 1 . port=1").to_wire()[:-1],
        lambda asked: answer(asked, f"{NAME}. 60 HTTPS 0 ."),
        lambda asked: answer(asked, f"{NAME}. 60 HTTPS 0 {NAME}."),
        lambda asked: answer(asked, f"{NAME}. 60 HTTPS 1 . alpn=h3 no-default-alpn"),
        lambda asked: answer(asked, f"{NAME}. 60 HTTPS 1 . port=1 ipv4hint=127.0.0.1"),
    ],
    ids=["no data", "no name", "SERVFAIL", "malformed", "no service", "a circle", "only h3", "closed"],
)
def test_in_the_end_the_origin_is_connected_to_as_without_records(
    client_form: Form, records: Any, said: Script
) -> None:
    with Site(always(reply(b"x")), tls=True) as site:
        services, _ = records(said)
        looked_up: list[tuple[str, int]] = []
        resolver = looking_up({NAME: site.endpoint}, looked_up)
        client = client_form.client(dial=DialConfig(tls=trusting(), services=services, resolver=resolver))
        assert client_form.get(client, f"https://{NAME}/").body == b"x"
    assert looked_up == [(NAME, 443)]


def test_a_name_server_that_is_silent_costs_no_more_than_the_time_for_it(client_form: Form) -> None:
    with (
        Site(always(reply(b"x")), tls=True) as site,
        ScriptedServer(lambda _: None) as server,
        Resolver([server.addr], options=QueryOptions(timeout=30.0, tries=1)) as resolver,
    ):
        lookup = looking_up({NAME: site.endpoint}, [])
        dial = DialConfig(tls=trusting(), services=HttpsRecords(resolver, timeout=0.02), resolver=lookup)
        assert client_form.get(client_form.client(dial=dial), f"https://{NAME}/").body == b"x"


def never(host: str, port: int, supported: Any) -> Flow[list[Endpoint]]:
    raise AssertionError(f"asked for {host}:{port}")
    yield


def test_where_nobody_asks(client_form: Form) -> None:
    """Addresses have no records; and what the caller says, or a proxy, decides where to connect."""
    with Site(always(reply(b"x")), tls=True) as site, Site(always(reply(b"y"))) as clear:
        proxied = Proxy.parse(f"http://{clear.endpoint}")
        for url, more in (
            (site.url(), {}),
            (clear.url(), {}),
            (f"https://{NAME}/", {"resolve_to": {f"{NAME}:443": [SocketAddr.parse(site.endpoint)]}}),
            (f"https://{NAME}/", {"connect_to": {f"{NAME}:443": site.endpoint}}),
            (f"http://{NAME}/", {"proxy_for": lambda _: proxied}),
        ):
            client = client_form.client(dial=DialConfig(tls=trusting(), services=never, **more))
            assert client_form.get(client, url).status == 200
    absent = Proxy.parse(f"http://127.0.0.1:{free_port()}")
    client = client_form.client(dial=DialConfig(services=never, proxy_for=lambda _: absent))
    with pytest.raises(HttpError.ConnectionError):
        client_form.get(client, f"https://{NAME}/")


def test_a_private_hint_is_refused_with_deny_private(client_form: Form, records: Any) -> None:
    with Site(always(reply(b"x")), tls=True) as site:
        services, _ = records(script(f"{NAME}. 60 HTTPS 1 . port={site.port} ipv4hint=127.0.0.1"))
        resolver = looking_up({NAME: site.endpoint}, [])
        dial = DialConfig(tls=trusting(), services=services, resolver=resolver, deny_private=True)
        client = client_form.client(dial=dial)
        with pytest.raises(HttpError.ConnectionError, match="not a public address"):
            client_form.get(client, f"https://{NAME}/")
        assert site.connections == 0


def test_http2_only_asks_for_endpoints_of_it(client_form: Form) -> None:
    asked: list[Any] = []

    def services(host: str, port: int, supported: Any) -> Flow[list[Endpoint]]:
        asked.append((host, port, supported))
        return []
        yield

    with Site(always(reply(b"x")), http2=True) as site:
        resolver = looking_up({NAME: site.endpoint}, [])
        dial = DialConfig(HttpVersions.HTTP2, trusting(), services=services, resolver=resolver)
        assert client_form.get(client_form.client(dial=dial), f"https://{NAME}/").body == b"x"
    assert asked == [(NAME, 443, ("h2",))]
