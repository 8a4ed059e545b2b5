"""Counts of a server as Prometheus reads them: its text exposition format, version 0.0.4.

Requests by method and class of status, how long they took, octets, connections, faults of clients. The counts
lie in memory that is shared with the processes forked later, a row of numbers for each, which only that
process writes. So every worker shows the sums over all workers, and a worker that is started again goes on
where the one before it ended. The set of series is fixed: no client can make it grow.

    metrics = Metrics()
    server = HttpServer(MetricsHandler(handler, "/metrics", metrics), watcher=metrics)
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from time import monotonic
from typing import TYPE_CHECKING, Final

from netkit.addr import SocketAddr
from netkit.http.hosts import is_loopback
from netkit.http.message import Response
from netkit.http.server.exchange import KeepsHeads, Refuses
from netkit.http.server.handling.handlers import LastingHandler
from netkit.http.server.redirect import redirect_host
from netkit.http.server.refusal import refusal, status_of
from netkit.http.server.response import text_response
from netkit.io import Want

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netkit.http.server.exchange import Exchange, FlowHandler
    from netkit.http.server.request import ConnectionFacts
    from netkit.io import Event, Flow
    from netkit.serve.connections import Served

#: Methods with counts of their own; every other is counted as `other`.
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "other")
#: The classes of statuses; `none` is a request that got no response.
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx", "none")
#: The upper ends of the histogram's buckets, in seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

#: How often a process writes how many connections it has, in seconds.
PUBLISHED_EVERY = 1.0

_PLACES = {method.encode(): place * len(CLASSES) for place, method in enumerate(METHODS[:-1])}
_OTHER = (len(METHODS) - 1) * len(CLASSES)
_DURATIONS = len(METHODS) * len(CLASSES)
_SECONDS = _DURATIONS + len(BUCKETS) + 1
_RECEIVED, _SENT, _FAILED, _FAULTS, _CONNECTIONS, _ACTIVE, _CUT_OFF = range(_SECONDS + 1, _SECONDS + 8)
_WIDTH = _CUT_OFF + 1


class Metrics:
    """A Watcher that counts. `processes` says how many share the counts; a worker calls `begin` first."""

    def __init__(self, processes: int = 1) -> None:
        self._processes = processes
        # Anonymous, and shared with forked processes.
        self._numbers = memoryview(mmap.mmap(-1, processes * _WIDTH * 8)).cast("d")
        self._own = self._numbers[:_WIDTH]
        self._before = (0.0, 0.0)

    def begin(self, place: int) -> None:
        """In a worker with this place, from 0: write to its own row from now on."""
        self._own = self._numbers[place * _WIDTH : (place + 1) * _WIDTH]
        # The connections of a worker that was here before are counted, and gone.
        self._before = (self._own[_CONNECTIONS], self._own[_CUT_OFF])
        self._own[_ACTIVE] = 0

    def exchange(self, exchange: Exchange, elapsed: float, error: Exception | None) -> None:
        """A request was answered, or was not."""
        own, status = self._own, exchange.status
        # Statuses beyond 599 are those of no class; a handler may send them.
        place = 5 if status is None or not 100 <= status < 600 else status // 100 - 1
        own[_PLACES.get(exchange.head.method, _OTHER) + place] += 1
        own[_DURATIONS + bisect_left(BUCKETS, elapsed)] += 1
        own[_SECONDS] += elapsed
        own[_RECEIVED] += exchange.received
        own[_SENT] += exchange.sent
        if error is not None:
            own[_FAILED] += 1

    def fault(self, connection: ConnectionFacts, error: Exception) -> None:  # noqa: ARG002
        """A client broke the rules."""
        self._own[_FAULTS] += 1

    def publish(self, served: Sequence[Served]) -> None:
        """Write how many connections this process has, and had."""
        accepted, cut_off = self._before
        self._own[_CONNECTIONS] = accepted + sum(each.accepted for each in served)
        self._own[_CUT_OFF] = cut_off + sum(each.cut_off for each in served)
        self._own[_ACTIVE] = sum(len(each.active) for each in served)

    def publishing_flow(self, served: Sequence[Served], stop: Event) -> Flow[None]:
        """Flow: `publish` each second, until `stop` is set: beside a server with several processes, so that
        the others know of this one's connections too."""
        while not stop.is_set:
            self.publish(served)
            yield Want(event=stop, until=monotonic() + PUBLISHED_EVERY)
        self.publish(served)

    def sums(self) -> list[float]:
        """The sum over all processes, of each number."""
        rows = [self._numbers[at : at + _WIDTH] for at in range(0, self._processes * _WIDTH, _WIDTH)]
        return [sum(column) for column in zip(*rows, strict=True)]

    def text(self) -> str:
        """All counts in the text exposition format."""
        return "".join(f"{line}\n" for line in _lines(self.sums()))


def _lines(sums: list[float]) -> Iterator[str]:
    requests = "netkit_http_requests_total"
    yield from _head(requests, "counter", "Requests by method and class of status.")
    for place, method in enumerate(METHODS):
        for offset, name in enumerate(CLASSES):
            value = sums[place * len(CLASSES) + offset]
            if value:
                yield f'{requests}{{method="{method}",status="{name}"}} {_number(value)}'
    durations = "netkit_http_request_duration_seconds"
    yield from _head(durations, "histogram", "From a request's head to the end of its response.")
    total = 0.0
    for bound, value in zip((*map(_number, BUCKETS), "+Inf"), sums[_DURATIONS:_SECONDS], strict=True):
        total += value
        yield f'{durations}_bucket{{le="{bound}"}} {_number(total)}'
    yield f"{durations}_sum {_number(sums[_SECONDS])}"
    yield f"{durations}_count {_number(total)}"
    for place, name, kind, words in (
        (_RECEIVED, "received_bytes_total", "counter", "Octets of the bodies of requests."),
        (_SENT, "sent_bytes_total", "counter", "Octets of the bodies of responses."),
        (_FAILED, "failed_requests_total", "counter", "Requests that went wrong on either side."),
        (_FAULTS, "faults_total", "counter", "Clients that broke the protocol before there was a request."),
        (_CONNECTIONS, "connections_total", "counter", "Connections accepted."),
        (_ACTIVE, "connections", "gauge", "Connections now; of other workers up to a second ago."),
        (_CUT_OFF, "cut_off_connections_total", "counter", "Connections cut off when the server ended."),
    ):
        name = f"netkit_http_{name}"
        yield from _head(name, kind, words)
        yield f"{name} {_number(sums[place])}"


def _head(name: str, kind: str, words: str) -> Iterator[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} {kind}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


class MetricsHandler:
    """Answers GET and HEAD of `path` with the counts, and leaves everything else to `inner`.

    Only clients of this machine are answered (`is_local`), unless `public`; for others there is nothing
    special at the path. Behind a proxy on the same machine, every client may be of this machine.
    """

    def __init__(self, inner: FlowHandler, path: str, metrics: Metrics, *, public: bool = False) -> None:
        self.inner = inner
        self.path = path.encode()
        self.metrics = metrics
        self.public = public
        #: The connections of this process, if it serves any.
        self.served: list[Served] = []
        self.keeps_heads = isinstance(inner, KeepsHeads) and inner.keeps_heads

    def refused(self, error: Exception) -> Response:
        """The response to a request that breaks the rules: that of `inner`, if it has words."""
        return self.inner.refused(error) if isinstance(self.inner, Refuses) else refusal(status_of(error))

    def around_flow(self, serving: Flow[object]) -> Flow[None]:
        """Flow: what `inner` has to do around the serving."""
        if isinstance(self.inner, LastingHandler):
            serving = self.inner.around_flow(serving)
        yield from serving

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer the request."""
        head = exchange.head
        is_here = head.target.partition(b"?")[0] == self.path
        if not (is_here and (self.public or is_local(exchange.connection.peer, head.authority))):
            yield from self.inner.handle_flow(exchange)
            return
        if head.method not in (b"GET", b"HEAD"):
            yield from exchange.respond_flow(text_response(405, "GET or HEAD", [("Allow", "GET, HEAD")]))
            return
        if self.served:
            self.metrics.publish(self.served)
        headers = [("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store")]
        yield from exchange.respond_flow(Response(200, headers=headers, body=self.metrics.text().encode()))


def is_local(peer: object, authority: bytes) -> bool:
    """Whether a client is of this machine, and knows that it asks this machine: a browser with a page of a
    site whose name was made to lead here (DNS rebinding) asks for the site's name."""
    if not isinstance(peer, SocketAddr):
        return True  # at a Unix-domain socket
    host = redirect_host(authority.decode("latin-1"))
    return peer.ip.unmapped.is_loopback and host is not None and is_loopback(host.strip("[]"))
