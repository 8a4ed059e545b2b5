"""How connections end: early responses, closes that take nothing away, and a server that stops.

RFC 9112 section 9.6: a server that closes goes on reading until its client has read the response.
"""

from __future__ import annotations

import socket
import ssl

import pytest

from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.io import Event, Flow, run
from netkit.net import TcpStream
from netkit.serve import farewell
from netkit.tls import Certificate, TlsConfig, TlsError, TlsStream
from tests.http.server.conftest import Serve
from tests.http.server.serving import GET, MUCH, Serving, authority, echo, no_body
from tests.waiting import until

pytestmark = pytest.mark.once  # no twin has a part in this


def upload(size: int, *fields: bytes) -> bytes:
    lines = [b"POST / HTTP/1.1", b"Host: a", b"Content-Length: %d" % size, *fields, b"", b""]
    return b"\r\n".join(lines)


class TestEarlyResponses:
    def test_a_client_sees_it_while_it_sends(self, serve: Serve) -> None:
        """It comes while the body is on its way, and says that the connection ends."""
        with serve(no_body).client() as client:
            client.send(upload(1 << 40) + b"abc")
            reply = client.response()
            assert (reply.status, reply.closes) == (204, True)
            assert client.is_ended()

    @pytest.mark.parametrize(
        "head",
        [upload(MUCH), b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % MUCH],
    )
    def test_a_client_that_reads_only_after_sending_much(self, serve: Serve, head: bytes) -> None:
        """The server drops what comes, so that its response is not lost by a reset."""
        with serve(no_body).client() as client:
            client.send(head)
            client.send(bytes(MUCH))
            assert client.response().status == 204
            assert client.is_ended()

    def test_the_same_after_a_refusal(self, serve: Serve) -> None:
        with serve(echo, ServerConfig(max_body=10)).client() as client:
            client.send(upload(MUCH))
            client.send(bytes(MUCH))
            assert client.response().status == 413
            assert client.is_ended()

    def test_and_after_a_fault(self, serve: Serve) -> None:
        with serve(echo).client() as client:
            client.send(b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n" + bytes(MUCH))
            assert client.response().status == 400
            assert client.is_ended()

    def test_and_after_an_old_request(self, serve: Serve) -> None:
        with serve(no_body).client() as client:
            client.send(upload(MUCH).replace(b"1.1", b"1.0") + bytes(MUCH))
            assert client.response().status == 204
            assert client.is_ended()


class TestFarewells:
    def test_a_client_that_stays_silent(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is not waited for longer than that, and nobody resets it."""
        monkeypatch.setattr(farewell, "LINGER", 0.02)
        served = serve(echo)
        with served.client() as client:
            assert client.ask(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).closes
            served.until_idle()
            assert client.is_ended()

    def test_a_client_that_sends_for_ever(self, serve_tcp: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(farewell, "LINGER", 10.0)
        monkeypatch.setattr(farewell, "LINGER_IN_ALL", 0.1)
        served = serve_tcp(echo)
        with served.client() as client:
            assert client.ask(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).closes
            until(lambda: not client.send_until_refused(b"x"))
        served.until_idle()

    def test_over_tls_to_a_client_that_reads_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """close_notify has to wait its turn behind what the client does not take, but not for ever."""
        monkeypatch.setattr(farewell, "LINGER_IN_ALL", 0.1)
        config = ServerConfig(write_timeout=0.1)
        with Serving(large, config, over="tls") as served, served.client(receive_buffer=4096) as client:
            client.send(GET)
            served.until_told()
            served.until_idle()
            assert [type(error).__name__ for error in served.told.errors] == ["Timeout"]


def large(exchange: Exchange) -> Flow[None]:
    exchange.begin(200, length=MUCH)
    yield from exchange.send_flow(bytes(MUCH), end=True)


class Waiting:
    """A handler that waits inside its response, or before it."""

    def __init__(self) -> None:
        self.waits, self.go = Event(), Event()

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        if exchange.head.target == b"/begin":
            exchange.begin(200, length=1)
            yield from exchange.flush_flow()
        self.waits.set()
        yield from self.go.wait()
        if exchange.status is None:
            exchange.begin(200, length=1)
        yield from exchange.send_flow(b"x", end=True)


class TestStop:
    def test_idle_connections_end_at_once(self, serve: Serve) -> None:
        served = serve(echo)
        with served.client() as used, served.client() as fresh:
            assert used.ask(GET).status == 200
            until(lambda: len(served.server.connections.active) == 2)
            served.stop.set()
            assert used.is_ended()
            assert fresh.is_ended()
        served.wait()
        assert served.server.counts()["cut_off"] == 0

    def test_a_request_under_way_is_finished(self, serve: Serve) -> None:
        handler = Waiting()
        served = serve(handler)
        with served.client() as before, served.client() as begun:
            before.send(GET)
            until(lambda: handler.waits.is_set)
            handler.waits.clear()
            begun.send(GET.replace(b"/ ", b"/begin "))
            until(lambda: handler.waits.is_set)
            served.stop.set()
            handler.go.set()
            reply = before.response()
            assert (reply.body, reply.closes) == (b"x", True)
            assert before.is_ended()
            # This head had gone before: the connection ends after the response all the same.
            assert begun.response().body == b"x"
            assert begun.is_ended()
        served.wait()
        assert served.server.counts()["cut_off"] == 0

    def test_a_head_that_is_half_there_is_waited_for(self, serve: Serve) -> None:
        served = serve(echo)
        with served.client() as client:
            client.send(GET[:-2])
            until(lambda: served.server.connections.active)
            served.until_it_waits()
            served.stop.set()
            client.send(GET[-2:])
            reply = client.response()
            assert (reply.status, reply.closes) == (200, True)
            assert client.is_ended()

    def test_requests_that_came_before_are_answered(self, serve: Serve) -> None:
        """However many of them: those that are there, and those in the backlog."""
        handler = Waiting()
        served = serve(handler)
        with served.client() as client:
            client.send(GET * 50)
            until(lambda: handler.waits.is_set)
            served.stop.set()
            handler.go.set()
            replies = [client.response() for _ in range(50)]
            assert [reply.closes for reply in replies] == [False] * 49 + [True]
            assert client.is_ended()

    def test_what_does_not_end_is_cut_off(self, serve_tcp: Serve) -> None:
        handler = Waiting()
        served = serve_tcp(handler, drain=0.05)
        with served.client() as client:
            client.send(GET)
            until(lambda: handler.waits.is_set)
            served.stop.set()
            assert client.is_ended()
        served.wait()
        assert served.server.counts()["cut_off"] == 1

    def test_an_upload_that_goes_on_is_finished(self, serve_tcp: Serve) -> None:
        served = serve_tcp(echo)
        with served.client() as client:
            client.send(upload(4) + b"ab")
            until(lambda: served.server.connections.active)
            served.until_it_waits()
            served.stop.set()
            client.send(b"cd")
            reply = client.response()
            assert (reply.body, reply.closes) == (b"POST / abcd", True)


class TestTls:
    def test_faults_of_handshakes(self) -> None:
        with Serving(echo, over="tls") as served:
            with socket.create_connection(served.at) as sock:
                sock.sendall(GET)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(1000):
                    pass
            until(lambda: served.told.faults)
            (fault,) = served.told.faults
            assert isinstance(fault, TlsError)
            with served.client() as client:
                assert client.ask(GET).status == 200
            assert served.server.counts()["faults"] == 1
            assert served.server.connections.failed == 1

    def test_a_client_that_never_begins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("netkit.http.server.server.HANDSHAKE_TIMEOUT", 0.05)
        with Serving(echo, over="tls") as served, socket.create_connection(served.at) as sock:
            assert sock.recv(1) == b""
            until(lambda: served.told.faults)
            assert [type(fault).__name__ for fault in served.told.faults] == ["DeadlineExceeded"]

    @pytest.mark.parametrize("form", ["blocking", "async"])
    def test_both_halves_end_by_close_notify(self, form: str) -> None:
        """A client that has said that it sends no more still gets its response, and the same word back."""
        root = Certificate.from_pem(authority().cert_pem.bytes())
        config = TlsConfig.client().with_root_certs([root])
        with Serving(large, form=form, over="tls") as served:
            below = TcpStream.connect(("127.0.0.1", served.at[1]))
            with TlsStream.connect(below, "localhost", config, timeout=20) as stream:
                stream.write_all(GET)
                run(stream.finish())
                assert len(stream.read_to_end(2 * MUCH, timeout=20)) > MUCH

    def test_octets_that_are_no_record(self) -> None:
        """The connection ends with an alert; the server goes on."""
        with Serving(echo, over="tls") as served:
            with served.client() as client:
                assert isinstance(client.sock, ssl.SSLSocket)
                assert client.ask(GET).status == 200
                below = socket.socket(fileno=client.sock.detach())
                with below:
                    below.settimeout(20)
                    below.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
                    while below.recv(1000):
                        pass
            served.until_idle()
            with served.client() as client:
                assert client.ask(GET).status == 200


def test_a_handler_that_waits_when_its_client_resets(serve_tcp: Serve) -> None:
    """What it sends then fails, and is told."""
    handler = Waiting()
    served = serve_tcp(handler)
    with served.client() as client:
        client.send(GET)
        until(lambda: handler.waits.is_set)
        client.reset()
        handler.go.set()
    served.until_idle()
    assert served.server.counts()["cut_off"] == 0
