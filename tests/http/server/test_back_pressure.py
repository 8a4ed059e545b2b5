"""What holds a client back, and what ends one that holds the server back."""

from __future__ import annotations

import pytest

from netkit.http import HttpError
from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.patience import Patience
from netkit.io import Event, Flow
from tests.http.server.conftest import Serve
from tests.http.server.serving import GET, MUCH, no_body
from tests.waiting import until

pytestmark = pytest.mark.once  # no twin has a part in this

CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (1 << 40)


class TestPatience:
    """By a clock of its own: the moments are arguments."""

    def test_no_limits(self) -> None:
        patience = Patience(None, 100)
        patience.spend(1e9)
        assert patience.until(5.0) is None

    def test_each_wait(self) -> None:
        patience = Patience(30.0, None)
        patience.spend(1e9)
        assert patience.until(5.0) == 35.0

    def test_all_waits(self) -> None:
        patience = Patience(30.0, 100)
        assert patience.until(5.0) == 35.0
        patience.spend(20.0)
        assert patience.until(5.0) == 15.0
        patience.done = 500  # which are worth five seconds
        assert patience.until(5.0) == 20.0
        patience.done = 1_000_000
        assert patience.until(5.0) == 35.0  # no more than one wait may take
        patience.done = 0
        patience.spend(20.0)
        assert patience.until(5.0) == -5.0  # it is over

    def test_a_client_at_the_rate_goes_on(self) -> None:
        patience = Patience(30.0, 100)
        for second in range(1000):
            until = patience.until(float(second))
            assert until is not None
            assert until >= second + 1
            patience.spend(1.0)
            patience.done += 100
        for second in range(60):  # from here on it is half as fast
            until = patience.until(float(second))
            assert until is not None
            if until < second + 1:
                break
            patience.spend(1.0)
            patience.done += 50
        else:
            pytest.fail("a client that is too slow is waited for")


class Reading:
    """A handler that reads a piece of the body whenever it is told to."""

    def __init__(self) -> None:
        self.more, self.waits = Event(), Event()
        self.read = 0

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        while True:
            self.waits.set()
            yield from self.more.wait()
            self.more.clear()
            piece = yield from exchange.read_flow()
            if not piece:
                break
            self.read += len(piece)
        yield from no_body(exchange)


class TestRequests:
    @pytest.mark.parametrize("head", [LONG, CHUNKED + b"f0000000\r\n"])
    def test_a_handler_that_does_not_read(self, serve_tcp: Serve, head: bytes) -> None:
        """Then the system's buffers fill, and the client has to wait; nothing is kept here."""
        handler = Reading()
        served = serve_tcp(handler, ServerConfig(max_body=None))
        with served.client() as client:
            client.send(head)
            until(lambda: handler.waits.is_set)
            assert client.stuff(bytes(65536), served) < 4 * MUCH
            assert handler.read == 0
            (stream,) = served.server.connections.active
            assert len(stream.peek()) <= 65536
            # It goes on when the handler reads.
            before = handler.read
            handler.more.set()
            until(lambda: handler.read > before)
            served.stop.cut()
            served.wait()

    def test_pipelined_requests(self, serve_tcp: Serve) -> None:
        """While one is answered, no more than one receive's worth of others is kept."""
        handler = Reading()
        served = serve_tcp(handler)
        with served.client() as client:
            client.send(GET)
            until(lambda: handler.waits.is_set)
            assert client.stuff(GET * 2000, served) < 4 * MUCH
            (stream,) = served.server.connections.active
            assert len(stream.peek()) <= 65536
            served.stop.cut()
            served.wait()


class Writing:
    """A handler that sends for ever, and counts what was taken."""

    def __init__(self) -> None:
        self.sent = 0
        self.error: Exception | None = None

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        exchange.begin(200)
        try:
            while True:
                yield from exchange.send_flow(bytes(65536))
                self.sent += 65536
        except Exception as error:
            self.error = error
            raise


class TestResponses:
    def test_a_client_that_reads_nothing(self, serve: Serve) -> None:
        handler = Writing()
        served = serve(handler, ServerConfig(write_timeout=0.1))
        with served.client() as client:
            client.send(GET)
            served.until_told()
            assert isinstance(handler.error, HttpError.Timeout)
            assert handler.error.fault == "peer"
            assert handler.sent < 4 * MUCH
            served.until_idle()
        (exchange,) = [exchange for exchange, _ in served.told.exchanges]
        assert isinstance(exchange.failure, HttpError.Timeout)

    def test_nor_the_last_piece(self, serve: Serve) -> None:
        """The end of the response was handed over, and did not go: no further request is read."""

        def handler(exchange: Exchange) -> Flow[None]:
            exchange.begin(200, length=MUCH)
            yield from exchange.send_flow(bytes(MUCH), end=True)

        served = serve(handler, ServerConfig(write_timeout=0.1))
        with served.client() as client:
            client.send(GET * 2)
            served.until_told()
            served.until_idle()
        assert len(served.told.exchanges) == 1

    def test_a_client_that_reads_too_slowly(self, serve_tcp: Serve) -> None:
        """`min_rate` counts what the client took, not what the handler gave."""

        def handler(exchange: Exchange) -> Flow[None]:
            exchange.begin(200, length=MUCH * 4)
            yield from exchange.send_flow(bytes(MUCH * 4), end=True)

        served = serve_tcp(handler, ServerConfig(write_timeout=0.2, min_rate=1 << 40))
        with served.client(receive_buffer=4096) as client:
            client.send(GET)

            def sip() -> bool:
                client.sock.recv(2048)
                return bool(served.told.exchanges)

            until(sip)
            assert [type(error) for error in served.told.errors] == [HttpError.Timeout]

    def test_a_client_that_reads_goes_on(self, serve: Serve) -> None:
        """A large response to a client that keeps reading is no matter of time."""

        def handler(exchange: Exchange) -> Flow[None]:
            exchange.begin(200, length=MUCH // 4)
            for _ in range(16):
                yield from exchange.send_flow(bytes(MUCH // 64))
            yield from exchange.end_flow()

        with serve(handler, ServerConfig(write_timeout=10.0)).client() as client:
            assert len(client.ask(GET).body) == MUCH // 4


def test_others_get_their_turn(serve: Serve) -> None:
    """One client that sends, and one that takes, without a pause: a third is served in between."""

    def handler(exchange: Exchange) -> Flow[None]:
        if exchange.head.method == b"POST":
            while (yield from exchange.read_flow()):
                pass
        if exchange.head.target == b"/large":
            exchange.begin(200)
            while True:
                yield from exchange.send_flow(bytes(1024))
        yield from no_body(exchange)

    served = serve(handler, ServerConfig(max_body=None))
    with served.client() as reader, served.client() as writer, served.client() as other:
        reader.send(GET.replace(b"/ ", b"/large "))
        writer.send(LONG)
        for _ in range(20):
            reader.sock.recv(1 << 20)
            writer.send(bytes(1 << 18))
            assert other.ask(GET).status == 204
        served.stop.cut()
        served.wait()
