"""Counts as Prometheus reads them, and who may see them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import pytest

from netkit.addr import SocketAddr
from netkit.http.connection.events import RequestHead
from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.metrics import BUCKETS, Metrics, MetricsHandler
from netkit.http.server.request import ConnectionFacts
from netkit.http.server.response import text_response
from netkit.io import Event, Flow, run
from netkit.io.protocols import Buffer
from netkit.serve.connections import Served

pytestmark = pytest.mark.once

LOOPBACK = SocketAddr.parse("127.0.0.1:1000")
ELSEWHERE = SocketAddr.parse("192.0.2.1:1000")


class Recorded(Exchange):
    """An exchange that keeps its response."""

    body = b""
    fields: Sequence[tuple[bytes, bytes]] = ()

    def begin(
        self,
        status: int,
        fields: Sequence[tuple[bytes, bytes]] = (),
        *,
        length: int | None = None,
        end: bool = False,
    ) -> None:
        self.status, self.fields = status, fields

    def send_flow(self, data: Buffer, *, end: bool = False) -> Flow[None]:
        self.body += bytes(data)
        return
        yield

    def flush_flow(self) -> Flow[None]:
        return
        yield


def exchange_of(
    method: str = "GET",
    target: str = "/metrics",
    peer: SocketAddr | str = LOOPBACK,
    host: str = "localhost:80",
) -> Recorded:
    head = RequestHead(method.encode(), target.encode(), host.encode(), b"http")
    return Recorded(ServerConfig(), ConnectionFacts(1, peer, LOOPBACK, None), head, (1, 1), 0, False)


def answered(metrics: Metrics, method: str, status: int | None, elapsed: float) -> None:
    exchange = exchange_of(method)
    exchange.status, exchange.sent, exchange.received = status, 10, 3
    metrics.exchange(exchange, elapsed, None if status else ConnectionResetError())


def values(text: str) -> dict[str, float]:
    """The samples, each by its name with its labels, of text in the exposition format."""
    found: dict[str, float] = {}
    typed: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in typed
            typed[name] = kind
            continue
        if line.startswith("# HELP "):
            continue
        sample = re.fullmatch(r'([a-z_]+)(\{[a-z]+="[^"\\\n]*"(?:,[a-z]+="[^"\\\n]*")*\})? (\S+)', line)
        assert sample is not None, line
        family = re.sub("_(bucket|sum|count)$", "", sample[1])
        assert family in typed or sample[1] in typed, line
        found[sample[1] + (sample[2] or "")] = float(sample[3])
    assert text.endswith("\n")
    return found


class TestCounts:
    def test_requests_and_octets(self) -> None:
        metrics = Metrics()
        answered(metrics, "GET", 200, 0.002)
        answered(metrics, "GET", 204, 0.2)
        answered(metrics, "POST", 503, 60.0)
        answered(metrics, "BREW", None, 0.001)
        metrics.fault(ConnectionFacts(1, "", "", None), ValueError())
        found = values(metrics.text())
        requests = {name: value for name, value in found.items() if "requests_total{" in name}
        assert requests == {
            'netkit_http_requests_total{method="GET",status="2xx"}': 2,
            'netkit_http_requests_total{method="POST",status="5xx"}': 1,
            'netkit_http_requests_total{method="other",status="none"}': 1,
        }
        assert found["netkit_http_sent_bytes_total"] == 40
        assert found["netkit_http_received_bytes_total"] == 12
        assert found["netkit_http_failed_requests_total"] == 1
        assert found["netkit_http_faults_total"] == 1

    def test_durations_are_cumulative(self) -> None:
        metrics = Metrics()
        for elapsed in (0.001, 0.002, 0.2, 60.0):
            answered(metrics, "GET", 200, elapsed)
        found = values(metrics.text())
        name = "netkit_http_request_duration_seconds"
        buckets = [found[f'{name}_bucket{{le="{bound:g}"}}'] for bound in BUCKETS]
        assert buckets == [1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3]
        assert found[f'{name}_bucket{{le="+Inf"}}'] == found[f"{name}_count"] == 4
        assert found[f"{name}_sum"] == pytest.approx(60.203)

    def test_no_client_makes_it_grow(self) -> None:
        metrics = Metrics()
        for number in range(1000):
            answered(metrics, f"METHOD{number}", 200 + number, 0.1)
        assert len(values(metrics.text())) < 40

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
    def test_processes_show_the_sum_and_go_on_where_one_ended(self) -> None:
        metrics = Metrics(2)
        for place in (0, 1, 1):  # the second one was started again
            pid = os.fork()
            if not pid:
                metrics.begin(place)
                served = Served()
                served.accepted = 4
                metrics.publish([served])
                answered(metrics, "GET", 200, 0.1)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        found = values(metrics.text())
        assert found['netkit_http_requests_total{method="GET",status="2xx"}'] == 3
        assert found["netkit_http_connections_total"] == 12
        assert found["netkit_http_connections"] == 0

    def test_the_last_counts_are_published_at_the_end(self) -> None:
        metrics, stop, served = Metrics(), Event(), Served()
        flow = metrics.publishing_flow([served], stop)
        next(flow)
        served.accepted, served.cut_off = 3, 1
        stop.set()
        run(flow)
        found = values(metrics.text())
        assert found["netkit_http_connections_total"] == 3
        assert found["netkit_http_cut_off_connections_total"] == 1


class Inner:
    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        yield from exchange.respond_flow(text_response(404, "not here"))


class TestWhoMaySee:
    def asked(self, exchange: Recorded, *, public: bool = False) -> Recorded:
        run(MetricsHandler(Inner(), "/metrics", Metrics(), public=public).handle_flow(exchange))
        return exchange

    @pytest.mark.parametrize(
        ("peer", "host", "status"),
        [
            (LOOPBACK, "localhost:80", 200),
            (LOOPBACK, "127.0.0.1", 200),
            (LOOPBACK, "[::1]:80", 200),
            (SocketAddr.parse("[::1]:5"), "localhost", 200),
            ("", "anything", 200),
            (LOOPBACK, "rebound.example", 404),
            (LOOPBACK, "", 404),
            (ELSEWHERE, "localhost", 404),
        ],
    )
    def test_clients_of_this_machine(self, peer: SocketAddr | str, host: str, status: int) -> None:
        assert self.asked(exchange_of(peer=peer, host=host)).status == status

    def test_everybody_if_so_asked(self) -> None:
        exchange = self.asked(exchange_of(peer=ELSEWHERE, host="example.com"), public=True)
        assert exchange.status == 200
        assert (b"Content-Type", b"text/plain; version=0.0.4; charset=utf-8") in exchange.fields
        assert values(exchange.body.decode())

    @pytest.mark.parametrize(
        ("method", "target", "status"),
        [
            ("GET", "/metrics?a=b", 200),
            ("POST", "/metrics", 405),
            ("GET", "/metrics/", 404),
            ("GET", "/x", 404),
        ],
    )
    def test_only_there(self, method: str, target: str, status: int) -> None:
        assert self.asked(exchange_of(method, target)).status == status
