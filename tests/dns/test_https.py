"""DNS over HTTPS (RFC 8484): what is sent, what may come back, and netkit's HTTP client beneath it."""

from __future__ import annotations

import socket
import ssl
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from netkit.addr import SocketAddr
from netkit.dns import DnsError, QueryOptions, Resolver
from netkit.dns.messages.message import Message, make_response
from netkit.dns.policy.upstream import Upstream
from netkit.dns.records import DnsRecord
from netkit.dns.transports.https import MEDIA_TYPE, HttpsReply, https_answer, https_query
from netkit.doh import DohClient
from netkit.io import Flow
from netkit.tls.config import TlsConfig
from netkit.tls.throwaway import ThrowawayAuthority

PATIENT = QueryOptions(timeout=10.0, tries=1)


class TestRequests:
    @pytest.mark.parametrize(
        ("text", "method", "url"),
        [
            ("https://192.0.2.1", "POST", "https://192.0.2.1/dns-query"),
            ("https://192.0.2.1:8443/q#dns.example", "POST", "https://dns.example:8443/q"),
            ("https://[2001:db8::1]/q", "POST", "https://[2001:db8::1]/q"),
            ("https://192.0.2.1/q{?dns}#dns.example", "GET", "https://dns.example/q?dns=AAAB-_8"),
        ],
    )
    def test_what_is_asked(self, text: str, method: str, url: str) -> None:
        wire = bytes((0, 0, 1, 0xFB, 0xFF))
        query = https_query(Upstream.parse(text), wire)
        assert (query.method, query.url) == (method, url)
        assert query.body == (wire if method == "POST" else None)

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (HttpsReply(404, MEDIA_TYPE, b"x"), "HTTP status 404"),
            (HttpsReply(301, "text/html", b""), "HTTP status 301"),
            (HttpsReply(200, "text/html", b"<html>"), "'text/html' instead of a DNS message"),
            (HttpsReply(200, "", b""), "nothing that it names"),
            (HttpsReply(200, "x\x1b[31m", b""), r"'x\\x1b\[31m' instead"),
        ],
    )
    def test_what_is_no_answer(self, reply: HttpsReply, reason: str) -> None:
        with pytest.raises(DnsError.NetworkError, match=reason):
            https_answer(reply)

    def test_an_answer(self) -> None:
        assert https_answer(HttpsReply(200, MEDIA_TYPE, b"wire")) == b"wire"

    def test_a_resolver_without_a_client(self) -> None:
        with (
            Resolver(["https://192.0.2.1"], options=PATIENT) as resolver,
            pytest.raises(DnsError.NetworkError, match="without an HTTPS client"),
        ):
            resolver.lookup_a("www.example")

    def test_any_function_will_do(self, drive: Callable[..., Any]) -> None:
        """The ID is 0, and the query is padded; what comes back is judged as over any transport."""
        seen: list[Message] = []

        def https(query: Any) -> Flow[HttpsReply]:
            asked = Message.from_wire(query.body)
            seen.append(asked)
            record = DnsRecord.parse(f"{asked.question[0].name} 60 A 192.0.2.1")
            return HttpsReply(200, MEDIA_TYPE, make_response(asked, answer=[record]).to_wire())
            yield

        with Resolver(["https://192.0.2.1"], options=PATIENT, https=https) as resolver:
            answer = drive(resolver.resolve_flow("www.example", 1))
        assert answer.replies[0].transport == "https"
        assert seen[0].id == 0
        assert len(seen[0].to_wire()) % 128 == 0

    def test_the_ttls_of_an_answer_from_an_http_cache_are_less_by_its_age(self) -> None:
        """RFC 8484 section 5.1."""

        def https(query: Any) -> Flow[HttpsReply]:
            asked = Message.from_wire(query.body)
            records = [DnsRecord.parse(f"www.example. {ttl} A 192.0.2.1") for ttl in (60, 20)]
            return HttpsReply(200, MEDIA_TYPE, make_response(asked, answer=records).to_wire(), age=25)
            yield

        with Resolver(["https://192.0.2.1"], options=PATIENT, https=https) as resolver:
            answer = resolver.resolve("www.example", 1)
        assert [record.ttl for record in answer.records] == [35, 0]
        assert answer.ttl == 0

    def test_an_answer_to_another_question(self) -> None:
        def https(query: Any) -> Flow[HttpsReply]:
            asked = Message.from_wire(query.body)
            other = asked.replace(question=[asked.question[0].replace(name="other.example")])
            return HttpsReply(200, MEDIA_TYPE, make_response(other).to_wire())
            yield

        with (
            Resolver(["https://192.0.2.1"], options=PATIENT, https=https) as resolver,
            pytest.raises(DnsError.InvalidResponse, match="question at octet 12: not the one that was asked"),
        ):
            resolver.lookup_a("www.example")


#: What a script gives: status, headers, body; None closes the connection.
Script = Callable[[Message, BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes] | None]


@contextmanager
def serving(context: ssl.SSLContext, script: Script) -> Iterator[int]:
    """An HTTPS server on loopback that follows a script; its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            text = parse_qs(urlsplit(self.path).query)["dns"][0]
            self._answer(urlsafe_b64decode(text + "=" * (-len(text) % 4)))

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, wire: bytes) -> None:
            made = script(Message.from_wire(wire), self)
            if made is None:
                self.close_connection = True
                return
            status, fields, body = made
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **fields}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # the client refused the certificate, or had enough

        def finish_request(self, request: Any, client_address: Any) -> None:
            with context.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def authority() -> ThrowawayAuthority:
    return ThrowawayAuthority()


@pytest.fixture(scope="module")
def context(authority: ThrowawayAuthority, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    certificate, key = authority.issue(["dns.example"])
    file = tmp_path_factory.mktemp("https") / "server.pem"
    file.write_text(key.to_pem() + certificate.to_pem())
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file)
    return made


def right(asked: Message, _: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
    record = DnsRecord.parse(f"{asked.question[0].name} 60 A 192.0.2.1")
    return 200, {"Content-Type": MEDIA_TYPE}, make_response(asked, answer=[record]).to_wire()


class TestClient:
    """Servers of HTTP/1.1; those of HTTP/2 are in tests/interop/test_dns_transports.py."""

    def resolver(
        self, port: int, authority: ThrowawayAuthority, method: str = "POST"
    ) -> tuple[DohClient, Resolver]:
        tls = TlsConfig.client().with_root_certs([authority.certificate])
        https = DohClient(tls)
        addr = SocketAddr.new("127.0.0.1", port)
        template = "{?dns}" if method == "GET" else ""
        return https, Resolver(
            [f"https://{addr}/dns-query{template}#dns.example"], options=PATIENT, https=https
        )

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_asked_and_answered(
        self, context: ssl.SSLContext, authority: ThrowawayAuthority, drive: Callable[..., Any], method: str
    ) -> None:
        requests: list[tuple[str, str, dict[str, str]]] = []

        def script(asked: Message, handler: BaseHTTPRequestHandler) -> Any:
            fields = {name.lower(): value for name, value in handler.headers.items()}
            requests.append((handler.command, handler.path.partition("?")[0], fields))
            return right(asked, handler)

        with serving(context, script) as port:
            https, resolver = self.resolver(port, authority, method)
            with https, resolver:
                answer = drive(resolver.resolve_flow("www.example", 1))
                assert [str(record.address) for record in answer.records] == ["192.0.2.1"]
                drive(resolver.resolve_flow("mail.example", 1))
        (command, path, fields), _ = requests
        assert (command, path) == (method, "/dns-query")
        assert fields["accept"] == MEDIA_TYPE
        assert fields["host"] == f"dns.example:{port}"
        assert fields.get("content-type") == (MEDIA_TYPE if method == "POST" else None)
        assert not fields.keys() & {"user-agent", "cookie", "accept-encoding"}, "what tells clients apart"

    @pytest.mark.parametrize(
        ("made", "reason"),
        [
            ((500, {}, b""), "HTTP status 500"),
            ((302, {"Location": "https://elsewhere.example/"}, b""), "HTTP status 302"),
            ((200, {"Content-Type": "text/plain"}, b"no"), "text/plain"),
            ((200, {"Content-Type": MEDIA_TYPE}, bytes(70_000)), "65535"),
            (None, "the connection broke"),
        ],
    )
    def test_what_is_no_answer(
        self,
        context: ssl.SSLContext,
        authority: ThrowawayAuthority,
        drive: Callable[..., Any],
        made: Any,
        reason: str,
    ) -> None:
        with serving(context, lambda asked, handler: made) as port:
            https, resolver = self.resolver(port, authority)
            with https, resolver, pytest.raises(DnsError.NetworkError, match=reason):
                drive(resolver.resolve_flow("www.example", 1))

    @pytest.mark.parametrize(
        ("notify", "stage", "reason"),
        [
            (True, "protocol", "ended after 2 of 100 octets"),
            (False, "resolve", "broke while receiving the body"),
        ],
    )
    def test_a_body_that_is_cut_off(
        self,
        context: ssl.SSLContext,
        authority: ThrowawayAuthority,
        drive: Callable[..., Any],
        *,
        notify: bool,
        stage: str,
        reason: str,
    ) -> None:
        """With close_notify the server broke HTTP; without it the connection was lost. TLS did not fail."""

        def script(_: Message, handler: BaseHTTPRequestHandler) -> Any:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\n")
            handler.wfile.write(b"Content-Length: 100\r\n\r\nab")
            secure = handler.connection
            assert isinstance(secure, ssl.SSLSocket)
            with suppress(OSError):
                if notify:
                    secure.unwrap()
                secure.shutdown(socket.SHUT_RDWR)

        with serving(context, script) as port:
            https, resolver = self.resolver(port, authority)
            with https, resolver, pytest.raises(DnsError.NetworkError, match=reason) as caught:
                drive(resolver.resolve_flow("www.example", 1))
        assert caught.value.stage == stage

    def test_octets_that_are_no_message(
        self, context: ssl.SSLContext, authority: ThrowawayAuthority, drive: Callable[..., Any]
    ) -> None:
        def script(asked: Message, handler: BaseHTTPRequestHandler) -> Any:
            return 200, {"Content-Type": MEDIA_TYPE}, right(asked, handler)[2][:-3]

        with serving(context, script) as port:
            https, resolver = self.resolver(port, authority)
            with https, resolver, pytest.raises(DnsError.InvalidResponse):
                drive(resolver.resolve_flow("www.example", 1))

    def test_silence(
        self, context: ssl.SSLContext, authority: ThrowawayAuthority, drive: Callable[..., Any]
    ) -> None:
        over = threading.Event()

        def script(asked: Message, handler: BaseHTTPRequestHandler) -> Any:
            over.wait(10)

        with serving(context, script) as port:
            https, resolver = self.resolver(port, authority)
            resolver = Resolver(resolver.upstreams, options=PATIENT.replace(timeout=0.3), https=https)
            with https, resolver, pytest.raises(DnsError.Timeout):
                drive(resolver.resolve_flow("www.example", 1))
            over.set()

    def test_after_closing(self, context: ssl.SSLContext, authority: ThrowawayAuthority) -> None:
        with serving(context, right) as port:
            https, resolver = self.resolver(port, authority)
            https.close()
            with resolver, pytest.raises(DnsError.NetworkError, match="closed"):
                resolver.lookup_a("www.example")

    def test_another_name(self, context: ssl.SSLContext, authority: ThrowawayAuthority) -> None:
        with serving(context, right) as port:
            https, resolver = self.resolver(port, authority)
            addr = SocketAddr.new("127.0.0.1", port)
            other = Resolver([f"https://{addr}#other.example"], options=PATIENT, https=https)
            with https, other, pytest.raises(DnsError.NetworkError, match=r"other\.example"):
                other.lookup_a("www.example")
            resolver.close()
