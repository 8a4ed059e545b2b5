"""Requests and their responses over real connections, in every form of the server (RFC 9110, RFC 9112)."""

from __future__ import annotations

import socket
import ssl

import pytest

from netkit import __version__
from netkit.http import HttpError, Method, Request, Response
from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.response import StreamedResponse, text_response
from netkit.io import BusyError, Event, Flow, all_of, race
from tests.http.server.conftest import Serve
from tests.http.server.serving import GET, echo, no_body
from tests.waiting import until

pytestmark = pytest.mark.once  # of the twins only the parser differs: see test_faults

HOST = b"Host: a\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(body: bytes, *fields: bytes, line: bytes = b"POST / HTTP/1.1") -> bytes:
    lines = [line, b"Host: a", b"Content-Length: %d" % len(body), *fields, b"", b""]
    return b"\r\n".join(lines) + body


def test_a_connection_is_kept(serve: Serve) -> None:
    served = serve(echo)
    with served.client() as client:
        for number in range(3):
            reply = client.ask(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
            assert (reply.status, reply.body, reply.closes) == (200, b"GET /%d " % number, False)
            assert reply.field(b"date") is not None
            assert reply.field(b"server") == f"netkit/{__version__}".encode()
        reply = client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert reply.closes
        assert client.is_ended()
    served.until_idle()
    assert served.server.counts() | {"active": 0} == {
        "connections": 1,
        "active": 0,
        "requests": 4,
        "received": 0,
        "sent": 27,
        "failed": 0,
        "faults": 0,
        "cut_off": 0,
    }
    assert [exchange.connection.requests for exchange, _ in served.told.exchanges] == [4] * 4


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    with serve(echo).client() as client:
        client.send(
            b"".join(post(b"%d" % number, line=b"POST /%d HTTP/1.1" % number) for number in range(300))
            + CHUNKED
            + b"3\r\nabc\r\n0\r\n\r\n"
            + GET
        )
        for number in range(300):
            assert client.response().body == b"POST /%d %d" % (number, number)
        assert client.response().body == b"POST / abc"
        assert client.response().body == b"GET / "


@pytest.mark.parametrize(
    "octets",
    [
        post(b"hello") + GET,
        CHUNKED + b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX-A: b\r\n\r\n" + GET,
        b"\r\n\r\n" + post(b"hello", b"Expect: 100-continue") + b"\r\n" + GET,
    ],
)
def test_octet_by_octet(serve: Serve, octets: bytes) -> None:
    with serve(echo).client() as client:
        client.send(*(octets[at : at + 1] for at in range(len(octets))))
        assert client.response().body == b"POST / hello"
        assert client.response().body == b"GET / "


def test_a_client_that_finishes_is_answered(serve_clear: Serve) -> None:
    with serve_clear(echo).client() as client:
        client.send(GET + post(b"x"))
        client.finish()
        assert client.response().body == b"GET / "
        assert client.response().body == b"POST / x"
        assert client.is_ended()


def test_a_client_that_finishes_inside_a_body(serve_clear: Serve) -> None:
    served = serve_clear(echo)
    with served.client() as client:
        client.send(post(b"hello")[:-2])
        client.finish()
        reply = client.response()
        assert (reply.status, reply.closes) == (400, True)
        assert client.is_ended()
    assert [str(fault) for fault in served.told.faults] == [
        "the connection ended after 3 of 5 octets of the body"
    ]


def test_a_client_that_finishes_inside_a_head(serve_clear: Serve) -> None:
    served = serve_clear(echo)
    with served.client() as client:
        client.send(GET[:-3])
        client.finish()
        assert client.response().status == 400
        assert client.is_ended()
    assert [str(fault) for fault in served.told.faults] == ["the message is cut off at octet 24"]


class TestContinue:
    """RFC 9110 section 10.1.1."""

    def test_it_is_sent_when_the_handler_reads(self, serve: Serve) -> None:
        with serve(echo).client() as client:
            client.send(post(b"12345", b"Expect: 100-continue")[:-5])
            assert client.sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.send(b"12345" + GET)
            assert client.response().body == b"POST / 12345"
            assert client.response().body == b"GET / "

    def test_a_final_status_in_its_place(self, serve: Serve) -> None:
        served = serve(no_body)
        with served.client() as client:
            reply = client.ask(post(b"12345", b"Expect: 100-Continue")[:-5])
            # The client may send its body or not, so nothing can be read after it.
            assert (reply.status, reply.interim, reply.closes) == (204, [], True)
            assert client.is_ended()

    def test_not_to_a_body_that_has_come(self, serve: Serve) -> None:
        with serve(no_body).client() as client:
            reply = client.ask(post(b"12345", b"Expect: 100-continue"))
            assert (reply.status, reply.interim) == (204, [])
        with serve(echo).client() as client:
            reply = client.ask(post(b"12345", b"Expect: 100-continue"))
            assert (reply.body, reply.interim, reply.closes) == (b"POST / 12345", [], False)

    def test_not_to_an_old_client(self, serve_clear: Serve) -> None:
        with serve_clear(echo).client() as client:
            client.send(post(b"12345", b"Expect: 100-continue", line=b"POST / HTTP/1.0")[:-5])
            client.finish()  # without which the server would wait for the body
            reply = client.response()
            assert (reply.status, reply.interim) == (400, [])

    def test_a_body_read_after_the_response_began(self, serve: Serve) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            exchange.begin(200)
            yield from exchange.flush_flow()
            yield from exchange.send_flow((yield from exchange.read_all_flow()), end=True)

        with serve(handler).client() as client:
            client.send(post(b"12345", b"Expect: 100-continue")[:-5])
            head = client.sock.recv(1000)
            assert head.startswith(b"HTTP/1.1 200 ")
            assert b"\r\nConnection: close\r\n" in head
            client.received = head
            client.send(b"12345")
            assert client.response().body == b"12345"
            assert client.is_ended()

    def test_a_handler_may_send_it_itself(self, serve: Serve) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            yield from exchange.interim_flow(100)
            yield from echo(exchange)

        with serve(handler).client() as client:
            reply = client.ask(post(b"12345", b"Expect: 100-continue")[:-5], b"12345")
            assert ([status for status, _ in reply.interim], reply.body) == ([100], b"POST / 12345")


class TestBodies:
    def test_trailers_both_ways(self, serve: Serve) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            body = yield from exchange.read_all_flow()
            exchange.begin(200, [(b"trailer", b"x-b")])
            yield from exchange.send_flow(body)
            yield from exchange.end_flow([(b"x-b", value) for _, value in exchange.trailers])

        with serve(handler).client() as client:
            reply = client.ask(CHUNKED + b"3\r\nabc\r\n0\r\nX-A: 1\r\nX-C: 2\r\n\r\n")
            assert (reply.body, reply.trailers) == (b"abc", [(b"x-b", b"1"), (b"x-b", b"2")])
            assert client.ask(CHUNKED + b"0\r\n\r\n").trailers == []

    @pytest.mark.parametrize("status", [200, 204, 304, 404])
    @pytest.mark.parametrize("method", [b"GET", b"HEAD"])
    def test_responses_without_a_body(self, serve: Serve, status: int, method: bytes) -> None:
        """What the handler sends of one is dropped, and the connection goes on (RFC 9110 section 6.4.1)."""

        def handler(exchange: Exchange) -> Flow[None]:
            exchange.begin(status, length=5)
            yield from exchange.send_flow(b"abc")
            yield from exchange.send_flow(b"de", end=True)

        with serve(handler).client() as client:
            for _ in range(2):
                reply = client.ask(GET.replace(b"GET", method), method=method.decode())
                has_body = method == b"GET" and status in (200, 404)
                assert (reply.status, reply.body) == (status, b"abcde" if has_body else b"")
                assert reply.field(b"content-length") == (None if status == 204 else b"5")

    def test_old_clients(self, serve: Serve) -> None:
        """RFC 9112 section 6.1 and 9.3: no chunks to HTTP/1.0, and the connection is kept on request."""

        def handler(exchange: Exchange) -> Flow[None]:
            yield from exchange.interim_flow(103)
            if exchange.head.target == b"/length":
                exchange.begin(200, length=3)
            else:
                exchange.begin(200)
            yield from exchange.send_flow(b"abc")
            yield from exchange.end_flow([(b"x-a", b"b")])

        served = serve(handler)
        with served.client() as client:
            client.send(b"GET /length HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            reply = client.response()
            assert (reply.field(b"connection"), reply.body, reply.interim) == (b"keep-alive", b"abc", [])
            client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            octets = client.at_end()
            assert b"\r\nConnection: close\r\n" in octets
            assert b"chunked" not in octets
            assert octets.endswith(b"\r\n\r\nabc")
        with served.client() as client:
            client.send(b"GET /length HTTP/1.0\r\n\r\n")
            assert client.at_end().endswith(b"\r\n\r\nabc")

    def test_in_pieces_and_chunks(self, serve: Serve) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            exchange.begin(200)
            while piece := (yield from exchange.read_flow()):
                yield from exchange.send_flow(piece)
            yield from exchange.end_flow()
            yield from exchange.end_flow()  # of one that is over: no effect

        body = bytes(range(256)) * 400
        with serve(handler, ServerConfig(max_unread=2 << 20)).client() as client:
            assert client.ask(post(body)).body == body
            chunks = b"".join(
                b"%x\r\n%b\r\n" % (1000, body[at : at + 1000]) for at in range(0, 100_000, 1000)
            )
            assert client.ask(CHUNKED + chunks + b"0\r\n\r\n").body == body[:100_000]

    def test_a_body_that_nobody_reads_is_dropped(self, serve: Serve) -> None:
        with serve(no_body, ServerConfig(max_unread=70_000)).client() as client:
            for _ in range(2):
                reply = client.ask(post(bytes(70_000)))
                assert (reply.status, reply.closes) == (204, False)
                reply = client.ask(CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (60_000, bytes(60_000)))
                assert (reply.status, reply.closes) == (204, False)

    def test_both_directions_at_once(self, serve: Serve) -> None:
        """A handler may read in one branch and send in another (RFC 9110 section 7.5 allows it)."""

        def handler(exchange: Exchange) -> Flow[None]:
            pieces: list[bytes] = []
            there, over = Event(), Event()

            def reading() -> Flow[None]:
                while piece := (yield from exchange.read_flow()):
                    pieces.append(piece)
                    there.set()
                over.set()
                there.set()

            def sending() -> Flow[None]:
                exchange.begin(200)
                yield from exchange.flush_flow()
                while pieces or not over.is_set:
                    yield from there.wait()
                    there.clear()
                    while pieces:
                        yield from exchange.send_flow(pieces.pop(0).upper())
                yield from exchange.end_flow()

            yield from all_of([reading(), sending()])

        with serve(handler).client() as client:
            client.send(CHUNKED)
            while b"\r\n\r\n" not in client.received:
                client.received += client.sock.recv(1000)
            head, _, client.received = client.received.partition(b"\r\n\r\n")
            for number in range(5):
                client.send(b"2\r\nx%d\r\n" % number)
                while not client.received.endswith(b"X%d\r\n" % number):
                    client.received += client.sock.recv(1000)
            client.send(b"0\r\n\r\n" + GET)
            client.received = head + b"\r\n\r\n" + client.received
            assert client.response().body == b"X0X1X2X3X4"
            assert client.response().body == b""

    def test_an_interrupted_send_is_continued(self, serve_tcp: Serve) -> None:
        """A handler gives up waiting for a send: the response is none the worse."""
        stuck = Event()
        went_on: list[bool] = []

        def handler(exchange: Exchange) -> Flow[None]:
            exchange.begin(200)
            won = yield from race(exchange.send_flow(b"a" * MANY), stuck.wait())
            went_on.append(won.index == 1)
            yield from exchange.send_flow(b"b" * 10, end=True)

        served = serve_tcp(handler)
        with served.client() as client:
            client.send(GET)
            assert client.sock.recv(1, socket.MSG_PEEK)
            stuck.set()
            until(lambda: went_on)
            reply = client.response()
            assert went_on == [True]
            assert reply.body == b"a" * MANY + b"b" * 10

    def test_one_sends_at_a_time(self, serve_tcp: Serve) -> None:
        raised: list[Exception] = []

        def handler(exchange: Exchange) -> Flow[None]:
            exchange.begin(200)

            def second() -> Flow[None]:
                try:
                    yield from exchange.send_flow(b"b")
                except BusyError as error:
                    raised.append(error)

            yield from all_of([exchange.send_flow(b"a" * MANY), second()])
            yield from exchange.end_flow()

        with serve_tcp(handler).client() as client:
            client.send(GET)
            until(lambda: raised)
            assert len(client.response().body) == MANY + 1  # it was written, and the other sent it


#: More than the system's buffers take.
MANY = 16 << 20


class TestTargets:
    @pytest.mark.parametrize(
        ("line", "path", "query", "authority"),
        [
            (b"OPTIONS * HTTP/1.1", "*", "", "a"),
            (b"GET http://b:81/x?y=z HTTP/1.1", "/x", "y=z", "b:81"),
            (b"GET http://b HTTP/1.1", "/", "", "b"),
            (b"GET http://b?y HTTP/1.1", "/", "y", "b"),
            (b"GET /x%2fy?a?b HTTP/1.1", "/x%2fy", "a?b", "a"),
            (b"GET //b/c HTTP/1.1", "//b/c", "", "a"),
        ],
    )
    def test_forms(self, serve: Serve, line: bytes, path: str, query: str, authority: str) -> None:
        """RFC 9112 section 3.2: the absolute form goes before Host."""

        def handler(exchange: Exchange) -> Flow[None]:
            request = exchange.request
            words = (request.path, request.query, request.authority, request.connection.scheme)
            yield from exchange.respond_flow(text_response(200, " ".join(words)))

        served = serve(handler)
        with served.client() as client:
            scheme = "https" if served.over == "tls" else "http"
            body = client.ask(line + b"\r\nHost: a\r\n\r\n").body
            assert body.decode() == f"{path} {query} {authority} {scheme}\n"


class TestInterim:
    def test_early_hints(self, serve: Serve) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            yield from exchange.interim_flow(103, [(b"link", b"</a>")])
            yield from exchange.interim_flow(102)
            yield from no_body(exchange)

        with serve(handler).client() as client:
            reply = client.ask(GET)
            assert reply.interim == [(103, [(b"link", b"</a>")]), (102, [])]

    @pytest.mark.parametrize("status", [99, 101, 200])
    def test_what_is_none(self, serve_tcp: Serve, status: int) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            with pytest.raises(ValueError, match=str(status)):
                yield from exchange.interim_flow(status)
            with pytest.raises(ValueError, match="103"):
                exchange.begin(103)
            yield from no_body(exchange)
            with pytest.raises(ValueError, match=r"begun|under way"):
                yield from exchange.interim_flow(103)

        served = serve_tcp(handler)
        with served.client() as client:
            assert client.ask(GET).status == 204
            served.until_told()
            assert served.told.errors == []


UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"


class TestHandOver:
    """RFC 9110 section 7.8 and 9.3.6."""

    @staticmethod
    def shout(exchange: Exchange) -> Flow[None]:
        is_tunnel = exchange.head.method == b"CONNECT"
        status, fields = (200, []) if is_tunnel else (101, [(b"upgrade", b"x")])
        stream = yield from exchange.upgrade_flow(status, fields)
        while data := (yield from stream.read_flow()):
            yield from stream.write_all_flow(data.upper())

    @pytest.mark.parametrize(
        ("head", "method", "status"),
        [(UPGRADE, "GET", 101), (b"CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n", "CONNECT", 200)],
    )
    def test_octets_read_too_far(self, serve: Serve, head: bytes, method: str, status: int) -> None:
        served = serve(self.shout)
        with served.client() as client:
            client.send(head + b"abc")
            reply = client.response(method)
            assert (reply.status, reply.closes) == (status, False)
            client.received += client.sock.recv(3 - len(client.received)) if not client.received else b""
            assert client.received == b"ABC"
            client.received = b""
            client.send(b"def")
            assert client.sock.recv(3) == b"DEF"
            if isinstance(client.sock, ssl.SSLSocket):
                client.sock.unwrap()  # waits for the server's close_notify
            else:
                client.finish()
                assert client.is_ended()
        served.until_told()
        assert [(exchange.status, error) for exchange, error in served.told.exchanges] == [(status, None)]

    def test_what_asks_for_nothing(self, serve_tcp: Serve) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            for status in (101, 200, 404):
                with pytest.raises(ValueError, match=str(status)):
                    yield from exchange.upgrade_flow(status)
            yield from no_body(exchange)

        with serve_tcp(handler).client() as client:
            assert client.ask(GET).status == 204
            assert client.ask(GET).status == 204

    def test_no_tunnel_by_accident(self, serve_tcp: Serve) -> None:
        """A handler that says 200 to whatever comes makes no tunnel: the client would send into it."""
        served = serve_tcp(echo)
        with served.client() as client:
            reply = client.ask(b"CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n", method="CONNECT")
            assert reply.status == 500

    def test_a_handler_that_fails_in_it(self, serve: Serve) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            stream = yield from exchange.upgrade_flow(101, [(b"upgrade", b"x")])
            yield from stream.read_exactly_flow(3)
            raise RuntimeError("inside")

        served = serve(handler)
        with served.client() as client:
            assert client.ask(UPGRADE).status == 101
            client.send(b"abc")
            try:
                assert client.sock.recv(1) == b""
            except (ConnectionResetError, ssl.SSLEOFError):
                pass
        served.until_told()
        assert [str(error) for error in served.told.errors] == ["inside"]


class TestGone:
    @pytest.mark.parametrize("how", ["finish", "reset"])
    def test_a_handler_learns_it(self, serve_tcp: Serve, how: str) -> None:
        waits, ended = Event(), Event()

        def handler(exchange: Exchange) -> Flow[None]:
            waits.set()
            yield from exchange.gone_flow()
            ended.set()

        served = serve_tcp(handler)
        with served.client() as client:
            # What comes behind does not end it, and is kept within a limit.
            client.send(post(b"hello") + GET * 10)
            until(lambda: waits.is_set)
            assert not ended.is_set
            client.finish() if how == "finish" else client.reset()
            until(lambda: ended.is_set)
            served.until_told()
            assert len(served.told.errors) == len(served.told.exchanges)

    def test_a_flood_meanwhile_is_held_back(self, serve_tcp: Serve) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            yield from exchange.gone_flow()

        served = serve_tcp(handler)
        with served.client() as client:
            client.send(GET)
            assert client.stuff(GET * 1000, served) < 64 << 20
            served.stop.cut()
            served.wait()


class TestHandlers:
    def test_a_blocking_one(self, serve: Serve) -> None:
        class Handler:
            def handle(self, req: Request) -> Response:
                if req.method is Method.Post:
                    return StreamedResponse(200, iter([b"a", b"", b"b" + (req.body or b"")]))
                return Response(200, headers=[("Connection", "x, Close"), ("Content-Length", "7")])

        with serve(Handler()).client() as client:
            reply = client.ask(post(b"c"))
            assert (reply.body, reply.closes) == (b"abc", False)
            reply = client.ask(GET.replace(b"GET", b"HEAD"), method="HEAD")
            assert (reply.field(b"content-length"), reply.closes) == (b"7", True)
            assert client.is_ended()

    def test_none(self) -> None:
        from netkit.http.server.server import HttpServer

        with pytest.raises(TypeError, match="handle_flow"):
            HttpServer(object())  # type: ignore[arg-type]

    def test_max_requests(self, serve: Serve) -> None:
        with serve(echo, ServerConfig(max_requests=2)).client() as client:
            client.send(GET * 3)
            assert not client.response().closes
            assert client.response().closes
            assert client.is_ended()

    def test_max_connections(self, serve_tcp: Serve) -> None:
        """Others wait in the backlog until one has ended."""
        served = serve_tcp(echo, ServerConfig(max_connections=1))
        with served.client() as first, served.client() as second:
            second.send(GET)
            assert first.ask(GET).status == 200
            assert served.server.counts()["connections"] == 1
            first.sock.close()
            assert second.response().status == 200

    @pytest.mark.parametrize(
        "error", [HttpError.InvalidRequest("no"), HttpError.InvalidRequest("no", fault="peer")]
    )
    def test_one_that_refuses(self, serve_tcp: Serve, error: Exception) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            raise error
            yield

        with serve_tcp(handler).client() as client:
            assert client.ask(GET).status == 400
