"""A name server over HTTPS and TLS: the rules of RFC 8484, and netkit's resolver as the client."""

from __future__ import annotations

import random
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from netkit.addr import SocketAddr
from netkit.dns import DnsError, QueryOptions, Resolver
from netkit.dns.authority.faults import DnsFault, DnsFaults
from netkit.dns.authority.over_https import freshness, query_in
from netkit.dns.authority.responder import AnsweredQuery, Responder
from netkit.dns.authority.server import DnsServer
from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.messages.message import Message
from netkit.dns.name import Name
from netkit.dns.transports.https import MEDIA_TYPE
from netkit.doh import DohClient
from netkit.doh_server import DOH_CONFIG, DohHandler
from netkit.http.client.client import Client
from netkit.http.client.dial import HttpVersions
from netkit.http.message import Request, Response
from netkit.http.server.server import HttpServer
from netkit.net.tcp import TcpListener
from netkit.serve.connections import in_background
from netkit.tls.acceptor import TlsAcceptor
from netkit.tls.config import TlsConfig
from netkit.tls.throwaway import ThrowawayAuthority
from tests.dns.authority.test_answering import ZONES, query

pytestmark = pytest.mark.once

PATIENT = QueryOptions(timeout=10.0, tries=1)


class Served(NamedTuple):
    """Where it is served, and what it was asked."""

    http: SocketAddr
    https: SocketAddr
    tls: SocketAddr
    client: TlsConfig
    told: list[AnsweredQuery]
    counts: DnsServer


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    responder = Responder(ZONES, (), lambda: 0.0)
    told: list[AnsweredQuery] = []
    responder.on_query = told.append
    authority = ThrowawayAuthority()
    certificate, key = authority.issue(["localhost"])
    config = TlsConfig.server().with_identity(certificate, key)
    plain, secure, dot = (TcpListener.bind("127.0.0.1:0") for _ in range(3))
    faults = [
        DnsFault("drop", name=Name.parse("drop.example."), over="https"),
        DnsFault("delay", 0.01, name=Name.parse("www.example."), rdtype=DnsRecordType.TXT),
        DnsFault("cut", 20, name=Name.parse("cut.example.")),
        DnsFault("wrong-id", name=Name.parse("drop.example.")),
    ]
    handler = DohHandler(responder, "/dns-query", DnsFaults(faults, random.random))
    server = DnsServer([], [], responder, tls=[dot], accept=TlsAcceptor(config).accept_flow)
    at = [each.local_addr for each in (plain, secure, dot)]
    with ExitStack() as stack:
        stack.enter_context(
            in_background(lambda stop: HttpServer(handler, DOH_CONFIG).serve([plain], stop=stop))
        )
        over_tls = HttpServer(handler, DOH_CONFIG, tls=config)
        stack.enter_context(in_background(lambda stop: over_tls.serve([secure], stop=stop)))
        stack.enter_context(in_background(server.serve))
        yield Served(
            at[0], at[1], at[2], TlsConfig.client().with_root_certs([authority.certificate]), told, server
        )


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client() as made:
        yield made


def get(served: Served, client: Client, search: str, method: str = "GET") -> Response:
    return client.request(Request(method, f"http://{served.http}/dns-query{search}"), timeout=10)


def encoded(wire: bytes) -> str:
    return "?dns=" + urlsafe_b64encode(wire).rstrip(b"=").decode()


def post(served: Served, client: Client, body: bytes, kind: str | None = MEDIA_TYPE) -> Response:
    headers = {} if kind is None else {"Content-Type": kind}
    request = Request("POST", f"http://{served.http}/dns-query", headers=headers, body=body)
    return client.request(request, timeout=10)


class TestHttp:
    @pytest.mark.parametrize("form", ["GET", "POST"])
    def test_a_query(self, served: Served, client: Client, form: str) -> None:
        wire = query().replace(id=0).to_wire()
        response = get(served, client, encoded(wire)) if form == "GET" else post(served, client, wire)
        assert int(response.status) == 200
        assert response.headers.get_first("Content-Type") == MEDIA_TYPE
        assert response.headers.get_first("Cache-Control") == "max-age=300"
        assert response.body is not None
        assert Message.from_wire(response.body).answer
        assert (served.told[-1].transport, str(served.told[-1].peer).rpartition(":")[0]) == (
            "https",
            "127.0.0.1",
        )

    def test_head(self, served: Served, client: Client) -> None:
        response = get(served, client, encoded(query().to_wire()), "HEAD")
        assert (int(response.status), response.body or b"") == (200, b"")

    @pytest.mark.parametrize(
        "search", ["", "?", "?dns=", "?dns=AAA=", "?dns=A", "?dns=%00", "?dns=AAAA&dns=AAAA"]
    )
    def test_no_message_is_400(self, served: Served, client: Client, search: str) -> None:
        assert int(get(served, client, search).status) == 400

    @pytest.mark.parametrize("wire", [b"", b"short", query().replace(flags=0x8000).to_wire()])
    def test_no_query_is_400(self, served: Served, client: Client, wire: bytes) -> None:
        assert int(post(served, client, wire).status) == 400

    def test_a_malformed_query_is_answered_in_dns(self, served: Served, client: Client) -> None:
        response = post(served, client, query().to_wire()[:20])
        assert response.body is not None
        assert Message.from_wire(response.body).rcode == Rcode.FORMERR
        assert response.headers.get_first("Cache-Control") == "no-store"

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
    def test_another_method_is_405(self, served: Served, client: Client, method: str) -> None:
        response = get(served, client, encoded(query().to_wire()), method)
        assert (int(response.status), response.headers.get_first("Allow")) == (405, "GET, HEAD, POST")

    def test_another_path_is_404(self, served: Served, client: Client) -> None:
        assert int(client.request(Request("GET", f"http://{served.http}/"), timeout=10).status) == 404

    def test_a_body_that_is_too_long_is_413(self, served: Served, client: Client) -> None:
        assert int(post(served, client, bytes(65_536)).status) == 413

    @pytest.mark.parametrize("kind", [None, "text/plain", "application/dns-json"])
    def test_another_media_type_is_415(self, served: Served, client: Client, kind: str | None) -> None:
        assert int(post(served, client, query().to_wire(), kind).status) == 415

    def test_a_media_type_with_parameters(self, served: Served, client: Client) -> None:
        kind = "Application/DNS-Message; charset=binary"
        assert int(post(served, client, query().to_wire(), kind).status) == 200

    def test_no_such_name_is_kept_as_long_as_its_soa_says(self, served: Served, client: Client) -> None:
        response = post(served, client, query("none.example.").to_wire())
        assert response.headers.get_first("Cache-Control") == "max-age=60"


class TestResolver:
    @pytest.mark.parametrize("versions", [HttpVersions.HTTP11, HttpVersions.HTTP2])
    @pytest.mark.parametrize("path", ["/dns-query", "/dns-query{?dns}"])
    def test_over_https(self, served: Served, versions: HttpVersions, path: str) -> None:
        with (
            DohClient(served.client, versions) as https,
            Resolver([f"https://{served.https}{path}#localhost"], options=PATIENT, https=https) as resolver,
        ):
            assert [str(each) for each in resolver.lookup_a("www.example.")] == ["192.0.2.1"]
            with pytest.raises(DnsError.NoData):
                resolver.resolve("www.example.", DnsRecordType.TXT)  # late, on purpose
            with pytest.raises(DnsError.NetworkError):
                resolver.resolve("drop.example.", DnsRecordType.A)
            with pytest.raises(DnsError):
                resolver.resolve("cut.example.", DnsRecordType.A)

    def test_over_tls(self, served: Served) -> None:
        accepted = served.counts.tcp.accepted
        with Resolver([f"tls://{served.tls}#localhost"], options=PATIENT, tls=served.client) as resolver:
            assert [str(each) for each in resolver.lookup_a("www.example.")] == ["192.0.2.1"]
            assert len(resolver.lookup_txt("big.example.")) == 1
        assert served.counts.tcp.accepted == accepted + 1
        assert {each.transport for each in served.told[-2:]} == {"tls"}


def test_how_long_a_response_is_fresh() -> None:
    def of(name: str, rdtype: int = DnsRecordType.A) -> int | None:
        response = Responder(ZONES, (), lambda: 0.0).answer(query(name, rdtype).to_wire(), "", "https")
        assert response is not None
        return freshness(Message.from_wire(response))

    assert of("www.example.") == 300
    assert of("www.child.example.") == 60
    assert of("www.example.", DnsRecordType.TXT) == 60  # what RFC 2308 makes of the SOA record
    assert of("x.sub.example.") is None  # a delegation says nothing of the name
    assert of("elsewhere.test.") is None


def test_the_query_in_a_url() -> None:
    wire = query().to_wire()
    assert query_in(encoded(wire).removeprefix("?")) == wire
    assert query_in("x=1&" + encoded(wire).removeprefix("?") + "&y") == wire
