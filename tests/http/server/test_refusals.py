"""What a server refuses, with which status, and what it tells its watcher: faults, limits, late clients.

After each refusal the connection ends in order, and the next one is served.
"""

from __future__ import annotations

import re
import select
from collections.abc import Iterator

import pytest

from netkit.http import HttpError, ParseError
from netkit.http.connection.errors import IncompleteMessage
from netkit.http.connection.limits import ConnectionLimits
from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.io import Event, Flow
from tests.http.message_vectors import BAD_BODIES, BAD_REQUESTS, Bad
from tests.http.server.conftest import Serve
from tests.http.server.serving import GET, Client, Serving, echo, no_body
from tests.waiting import until

HOSTED = b"Host: a\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

#: What a watcher is told of octets that are wrong: the rule and the offset, as the words say them.
NAMED = re.compile(r".+ at octet \d+|.+\(RFC \d+ section [\d.]+\).*")


def refused(served: Serving, octets: bytes, *, method: str = "GET") -> int:
    """Send what is wrong, in one piece to the blocking form and octet by octet to the other if it is short;
    the status of the response, after which nothing may come."""
    whole = served.form == "blocking" or len(octets) > 1000
    with served.client() as client:
        pieces = [octets] if whole else [octets[at : at + 1] for at in range(len(octets))]
        for piece in pieces:
            if not client.send_until_refused(piece):
                break
        reply = client.response(method)
        assert reply.closes
        assert client.is_ended()
    with served.client() as client:
        assert client.ask(GET).status == 200
    return reply.status


#: Those that no option makes wrong. What is too long is in TestLimits.
HEADS = [case for case in BAD_REQUESTS if not case.options and len(case.data) < 1000]
BODIES = [case for case in BAD_BODIES if not case.options and len(case.data) < 1000]


@pytest.fixture(scope="module", params=["blocking", "async"])
def served(request: pytest.FixtureRequest) -> Iterator[Serving]:
    """One server for all the faults that a client can make."""
    with Serving(echo, ServerConfig(http2=False), form=request.param) as served:
        yield served


class TestFaults:
    """Every fault that the parser knows, over a connection; with both twins."""

    @pytest.mark.parametrize("case", HEADS, ids=lambda case: case.name)
    def test_heads(self, served: Serving, case: Bad) -> None:
        served.told.faults.clear()
        message = case.message
        error = getattr(ParseError, case.error)
        status = refused(served, message, method="HEAD" if message[:5] == b"HEAD " else "GET")
        (fault,) = served.told.faults
        assert isinstance(fault, error)
        assert isinstance(fault, ParseError)
        assert fault.offset == case.offset
        assert fault.section.startswith("RFC ")
        assert NAMED.fullmatch(str(fault))
        assert status == fault.status

    @pytest.mark.parametrize("case", BODIES, ids=lambda case: case.name)
    def test_bodies(self, served: Serving, case: Bad) -> None:
        served.told.faults.clear()
        status = refused(served, CHUNKED + case.message)
        (fault,) = served.told.faults
        assert isinstance(fault, getattr(ParseError, case.error))
        assert isinstance(fault, ParseError)
        assert status == fault.status
        assert fault.offset == len(CHUNKED) + case.offset
        assert NAMED.fullmatch(str(fault))

    def test_the_log(self, served: Serving, caplog: pytest.LogCaptureFixture) -> None:
        """A line names the connection, the rule and the offset."""
        with caplog.at_level("DEBUG", "netkit.http.server"):
            assert refused(served, b"GET / HTTP/1.1\r\nA : b\r\n\r\n") == 400
        (line,) = [each for each in caplog.messages if "octet" in each]
        assert re.fullmatch(
            r"connection \d+ from 127\.0\.0\.1:\d+: .+ at octet 17 \(RFC 9112 section 5\.1\)", line
        )

    def test_the_cut_off_ones(self, served: Serving) -> None:
        served.told.faults.clear()
        for octets in (b"GET / HT", GET[:-2], CHUNKED + b"5\r\nabc", CHUNKED + b"0\r\nA: b\r\n"):
            with served.client() as client:
                client.send(octets)
                client.finish()
                reply = client.response()
                assert (reply.status, reply.closes) == (400, True)
                assert client.is_ended()
        assert len(served.told.faults) == 4

    @pytest.mark.parametrize(
        "head",
        [
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            b"HEAD / HTTP/1.1\r\n\r\n",
        ],
    )
    def test_host(self, served: Serving, head: bytes) -> None:
        """RFC 9112 section 3.2."""
        served.told.faults.clear()
        assert refused(served, head, method=head.split()[0].decode()) == 400
        (fault,) = served.told.faults
        assert NAMED.fullmatch(str(fault))

    def test_behind_good_ones(self, served: Serving) -> None:
        """What came before a fault is answered, and nothing of what comes behind it."""
        served.told.faults.clear()
        with served.client() as client:
            client.send(GET + GET + b"GET /\x00 HTTP/1.1\r\n\r\n" + GET)
            assert [client.response().status for _ in range(3)] == [200, 200, 400]
            assert client.is_ended()
        assert len(served.told.faults) == 1

    @pytest.mark.parametrize("together", [True, False])
    @pytest.mark.parametrize("reads", [True, False])
    @pytest.mark.parametrize("how", ["fault", "end"])
    def test_in_a_body_that_was_answered(self, together: bool, reads: bool, how: str) -> None:
        """Before the response or after it, whether the handler reads on or not: no second one."""

        def handler(exchange: Exchange) -> Flow[None]:
            yield from no_body(exchange)
            if reads:
                yield from exchange.read_all_flow()

        with Serving(handler) as served, served.client() as client:
            wrong = b"x" if how == "fault" else b"5\r\nab"
            client.send(CHUNKED + wrong if together else CHUNKED)
            if not together:
                assert client.response().status == 204
                client.send(wrong)
            if how == "end":
                client.finish()
            if together:
                assert client.response().status == 204
            assert client.is_ended()
            (fault,) = served.told.faults
            assert type(fault) is (ParseError.InvalidChunkSize if how == "fault" else IncompleteMessage)
            served.until_idle()
            with served.client() as other:
                assert other.ask(GET).status == 204


LIMITS = ConnectionLimits(max_header_list=1024, max_header_count=8, max_start_line=64)


@pytest.mark.once
class TestLimits:
    @pytest.mark.parametrize(
        ("octets", "status", "error"),
        [
            (b"GET /" + b"a" * 100 + b" HTTP/1.1\r\n" + HOSTED + b"\r\n", 414, ParseError.RequestLineTooLong),
            (b"GET /" + b"a" * 100_000, 414, ParseError.RequestLineTooLong),
            (b"GET / HTTP/1.1\r\nA: " + b"b" * 1100 + b"\r\n\r\n", 431, ParseError.HeaderTooLong),
            (b"GET / HTTP/1.1\r\n" + b"A: " + b"b" * 100_000, 431, ParseError.HeaderTooLong),
            (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 9 + b"\r\n", 431, ParseError.TooManyHeaders),
            (b"\r\n" * 1000, 414, ParseError.RequestLineTooLong),
            (CHUNKED + b"0\r\n" + b"A: b\r\n" * 9 + b"\r\n", 431, ParseError.TooManyHeaders),
            (CHUNKED + b"1;" + b"a" * 100_000, 400, ParseError.ChunkExtensionTooLong),
            (b"GET / HTTP/3.0\r\n\r\n", 505, ParseError.UnsupportedVersion),
            (b"BREW / HTTP/1.1\r\n\r\n", 501, ParseError.UnknownMethod),
            (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 505, ParseError.Http2Preface),
        ],
    )
    def test_each_has_its_status(
        self, serve: Serve, octets: bytes, status: int, error: type[Exception]
    ) -> None:
        served = serve(echo, ServerConfig(limits=LIMITS))
        assert refused(served, octets) == status
        (fault,) = served.told.faults
        assert isinstance(fault, error)

    @pytest.mark.parametrize(
        "octets",
        [
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n",
            CHUNKED + b"65\r\n" + bytes(101),
            CHUNKED + b"60\r\n" + bytes(96) + b"\r\n5\r\n" + bytes(5),
        ],
    )
    def test_max_body(self, serve: Serve, octets: bytes) -> None:
        """Where the length says it, before anything is read, and without 100 (Continue)."""
        served = serve(echo, ServerConfig(max_body=100))
        with served.client() as client:
            reply = client.ask(octets)
            assert (reply.status, reply.closes, reply.interim) == (413, True, [])
            assert client.is_ended()
        served.until_told()
        (error,) = served.told.errors
        assert isinstance(error, HttpError.BodyTooLarge)
        assert error.limit == 100

    def test_max_body_is_enough(self, serve: Serve) -> None:
        with serve(echo, ServerConfig(max_body=100)).client() as client:
            body = b"x" * 100
            assert client.ask(CHUNKED + b"64\r\n" + body + b"\r\n0\r\n\r\n").body == b"POST / " + body
            head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
            assert client.ask(head + body).body == b"POST / " + body

    def test_a_handler_sets_another(self, serve_tcp: Serve) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            exchange.max_body = None
            return echo(exchange)

        with serve_tcp(handler, ServerConfig(max_body=1)).client() as client:
            assert client.ask(CHUNKED + b"3\r\nabc\r\n0\r\n\r\n").body == b"POST / abc"


@pytest.mark.once
class TestLateClients:
    """Times are short here, and only what comes of them is looked at."""

    SHORT = ServerConfig(head_timeout=0.05, body_timeout=0.05, idle_timeout=0.05)

    @pytest.mark.parametrize("octets", [b"G", b"GET / HTTP/1.1\r\n", b"\r", b"PRI * HT"])
    def test_a_head(self, serve: Serve, octets: bytes) -> None:
        served = serve(echo, self.SHORT)
        assert refused(served, octets) == 408
        (fault,) = served.told.faults
        assert isinstance(fault, HttpError.Timeout)

    def test_a_head_behind_another_request(self, serve: Serve) -> None:
        """It came in part with the request before; its time counts from then."""
        served = serve(echo, self.SHORT)
        with served.client() as client:
            client.send(GET + b"GET /")
            assert client.response().status == 200
            assert client.response().status == 408
            assert client.is_ended()

    def test_a_head_that_comes_octet_by_octet(self, serve: Serve) -> None:
        """Its time counts from the first octet, however many follow."""
        served = serve(echo, ServerConfig(head_timeout=0.1, idle_timeout=None))
        with served.client() as client:
            client.send(b"GET /")
            drip(client, b"a")
            assert client.response().status == 408

    @pytest.mark.parametrize("octets", [b"", GET])
    def test_an_idle_connection(self, serve: Serve, octets: bytes) -> None:
        """It ends without a word: there is nothing to answer."""
        served = serve(echo, self.SHORT)
        with served.client() as client:
            client.send(octets)
            if octets:
                assert not client.response().closes
            assert client.is_ended()
        assert served.told.faults == []

    @pytest.mark.parametrize(
        "head", [CHUNKED + b"5\r\nab", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"]
    )
    def test_a_body(self, serve: Serve, head: bytes) -> None:
        served = serve(echo, self.SHORT)
        assert refused(served, head) == 408
        assert [type(fault) for fault in served.told.faults] == [HttpError.Timeout]

    def test_a_body_that_nobody_reads(self, serve: Serve) -> None:
        served = serve(no_body, self.SHORT)
        with served.client() as client:
            client.send(CHUNKED + b"5\r\nab")
            assert client.response().status == 204
            assert client.is_ended()
        assert [type(fault) for fault in served.told.faults] == [HttpError.Timeout]

    def test_a_body_that_comes_too_slowly(self, serve: Serve) -> None:
        """No wait is long, but all of them together are: `min_rate`."""
        served = serve(echo, ServerConfig(body_timeout=0.2, min_rate=1_000_000, max_body=None))
        with served.client() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
            drip(client, b"a")
            assert client.response().status == 408

    def test_the_handler(self, serve: Serve) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            if exchange.head.target == b"/late":
                yield from Event().wait()
            if exchange.head.target == b"/long":
                exchange.begin(200)
                yield from exchange.flush_flow()
                yield from long.wait()
                yield from exchange.end_flow()
            yield from no_body(exchange) if not exchange.is_ended else exchange.end_flow()

        long = Event()
        served = serve(handler, ServerConfig(handler_timeout=0.05))
        with served.client() as client:
            assert client.ask(GET).status == 204
            # One that has begun may take its time.
            client.send(GET.replace(b"/ ", b"/long "))
            with served.client() as other:
                assert other.ask(GET.replace(b"/ ", b"/late ")).status == 503
                assert other.is_ended()
            long.set()
            assert client.response().status == 200
        assert [type(error) for error in served.told.errors] == [HttpError.Timeout]


def drip(client: Client, octet: bytes) -> None:
    """Send octet after octet until something comes back."""
    until(lambda: not client.send_until_refused(octet) or select.select([client.sock], [], [], 0)[0])


@pytest.mark.once
class TestWrongHandlers:
    """What a handler does wrong is 500, or breaks its response off; nothing of why leaves the server."""

    @pytest.mark.parametrize(
        "error",
        [
            RuntimeError("secret"),
            HttpError.InvalidValue("header secret", "secret"),
            HttpError.Timeout(1.0, "waiting for the secret server", fault="peer"),
            ParseError.InvalidVersion(0, 3),
            ConnectionResetError("secret"),
            EOFError("secret"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_before_the_response(self, serve: Serve, error: Exception) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            if exchange.head.target == b"/wrong":
                raise error
            yield from no_body(exchange)

        served = serve(handler)
        with served.client() as client:
            reply = client.ask(GET.replace(b"/ ", b"/wrong "))
            assert (reply.status, reply.body, reply.closes) == (500, b"500 Internal Server Error\n", False)
            assert b"secret" not in repr(reply).encode()
            assert client.ask(GET).status == 204
        served.until_told(2)
        assert served.told.errors == [error]
        assert served.told.faults == []

    @pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"GET / HTTP/1.0"])
    @pytest.mark.parametrize("length", [None, 10])
    @pytest.mark.parametrize("how", ["raises", "ends", "aborts", "short"])
    def test_inside_the_response(self, serve_tcp: Serve, line: bytes, length: int | None, how: str) -> None:
        """The client must see that something is missing: to HTTP/1.0, only a reset shows it."""

        def handler(exchange: Exchange) -> Flow[None]:
            exchange.begin(200, length=length)
            yield from exchange.send_flow(b"abc")
            if how == "raises":
                raise RuntimeError("secret")
            if how == "aborts":
                exchange.abort()
            elif how == "short":
                exchange.abort() if length is None else (yield from exchange.end_flow())

        served = serve_tcp(handler)
        with served.client() as client:
            client.send(line + b"\r\nHost: a\r\n\r\n")
            received = b""
            try:
                while piece := client.sock.recv(1000):
                    received += piece
                was_reset = False
            except ConnectionResetError:
                was_reset = True
            assert b"secret" not in received
            if length is None and b"1.0" in line:
                assert was_reset
            else:
                assert not was_reset
                assert received.endswith((b"\r\n\r\nabc", b"\r\n\r\n3\r\nabc\r\n"))
        served.until_idle()

    def test_no_response_at_all(self, serve: Serve) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            return
            yield

        served = serve(handler)
        with served.client() as client:
            assert client.ask(GET).status == 500
            assert client.ask(GET).status == 500
        served.until_told(2)
        assert [str(error) for error in served.told.errors] == ["the handler gave no response"] * 2

    def test_an_abort_before_the_response(self, serve: Serve) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            exchange.abort()
            return
            yield

        served = serve(handler)
        with served.client() as client:
            client.send(GET)
            assert client.is_ended()
        served.until_told()
        assert served.told.errors == []

    def test_too_much(self, serve: Serve) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            exchange.begin(200, length=5)
            yield from exchange.send_flow(b"abc")
            yield from exchange.send_flow(b"def")

        served = serve(handler)
        with served.client() as client:
            client.send(GET)
            assert client.at_end().endswith(b"\r\n\r\nabc")
        served.until_told()
        assert [type(error) for error in served.told.errors] == [ValueError]

    def test_a_response_that_was_not_flushed(self, serve: Serve) -> None:
        """Its end was said with its head: it goes out."""

        def handler(exchange: Exchange) -> Flow[None]:
            exchange.begin(204, end=True)
            if exchange.head.target == b"/wrong":
                raise RuntimeError("after all was said")
            return
            yield

        with serve(handler).client() as client:
            assert client.ask(GET).status == 204
            assert client.ask(GET.replace(b"/ ", b"/wrong ")).status == 204
            assert client.ask(GET).status == 204

    @pytest.mark.parametrize(
        "field",
        [
            (b"x-a", b"b\r\nx-injected: c"),
            (b"x-a", b"b\nx-injected: c"),
            (b"x-a\r\nx-injected", b"c"),
            (b"x-a", b"\x00"),
            (b"", b"x"),
            (b"x a", b"x"),
            (b"content-length", b"5"),
            (b"Transfer-Encoding", b"chunked"),
            (b"connection", b"close"),
        ],
    )
    def test_fields_that_cannot_be_sent(self, serve_tcp: Serve, field: tuple[bytes, bytes]) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            exchange.begin(200, [field], end=True)
            return
            yield

        served = serve_tcp(handler)
        with served.client() as client:
            reply = client.ask(GET)
            assert reply.status == 500
            assert not any(b"injected" in name for name, _ in reply.fields)
            assert client.ask(GET).status == 500
        served.until_told(2)
        assert all(isinstance(error, HttpError.InvalidValue) for error in served.told.errors)

    @pytest.mark.parametrize("field", [(b"x-a", b"b\r\nx-injected: c"), (b"content-length", b"5")])
    def test_trailers_that_cannot_be_sent(self, serve_tcp: Serve, field: tuple[bytes, bytes]) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            exchange.begin(200)
            yield from exchange.send_flow(b"abc")
            yield from exchange.end_flow([field])

        with serve_tcp(handler).client() as client:
            client.send(GET)
            assert client.at_end().endswith(b"\r\n\r\n3\r\nabc\r\n")

    @pytest.mark.parametrize("status", [0, 99, 100, 101, 1000])
    def test_statuses_that_are_none(self, serve_tcp: Serve, status: int) -> None:
        def handler(exchange: Exchange) -> Flow[None]:
            exchange.begin(status, end=True)
            return
            yield

        with serve_tcp(handler).client() as client:
            assert client.ask(GET).status == 500
            assert client.ask(GET).status == 500
