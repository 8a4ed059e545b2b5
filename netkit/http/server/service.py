"""What all connections of a server share: its handler, its settings, its counts, and who is told."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Protocol

from netkit._log import Log
from netkit.http.parser.errors import ParseError
from netkit.http.server.early.requests import is_safe
from netkit.http.server.exchange import KeepsHeads, Refuses
from netkit.http.server.refusal import refusal, status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.http.message import Response
    from netkit.http.server.config import ServerConfig
    from netkit.http.server.early.requests import AnswersEarly
    from netkit.http.server.exchange import Exchange, FlowHandler
    from netkit.http.server.request import ConnectionFacts
    from netkit.io import Event, Flow

log = Log("netkit.http.server")


class Watcher(Protocol):
    """Who is told what a server does: an access log, metrics."""

    def exchange(self, exchange: Exchange, elapsed: float, error: Exception | None) -> None:
        """An exchange is over, after so many seconds; `error` is what went wrong, also where the client got
        a response that says so."""

    def fault(self, connection: ConnectionFacts, error: Exception) -> None:
        """A client broke the rules of its protocol before there was a request: a fault of framing, a limit,
        a head that took too long, a TLS handshake that failed."""


class Service:
    """A server's handler with what belongs to it.

    `counts` are those of the server; `stop` is set when no further request is to be read from an idle
    connection. `retiring` is set when a response is to be the last of its connection: by then, or before,
    when another server has taken the listeners. `answers_early` says which requests are answered before the
    TLS handshake is over, with `TlsConfig.half_rtt`.
    """

    __slots__ = (
        "_endings",
        "answers_early",
        "config",
        "counts",
        "handler",
        "keeps_heads",
        "retiring",
        "stop",
        "watcher",
    )

    def __init__(
        self,
        handler: FlowHandler,
        config: ServerConfig,
        stop: Event,
        watcher: Watcher | None = None,
        answers_early: AnswersEarly = is_safe,
    ) -> None:
        self.handler = handler
        self.config = config
        self.stop = stop
        self.retiring = stop
        self.watcher = watcher
        self.answers_early = answers_early
        self.counts = Counts()
        self._endings: dict[object, Callable[[], object]] = {}
        self.keeps_heads = isinstance(handler, KeepsHeads) and handler.keeps_heads

    def when_stopping(self, call: Callable[[], object]) -> Callable[[], None]:
        """Have `call` called when the server stops, in its own thread; at once if that is so already.

        It is for what has no end of its own, and must not wait. Returns a function that takes it back.
        """
        key = object()
        if self.stop.is_set:
            call()
        else:
            self._endings[key] = call

        def forget() -> None:
            self._endings.pop(key, None)

        return forget

    def stopping_flow(self) -> Flow[None]:
        """Flow: when the server stops, call what `when_stopping` was given."""
        yield from self.stop.wait()
        endings, self._endings = self._endings, {}
        for call in endings.values():
            call()

    def refusal(self, error: Exception) -> Response:
        """The response to a request that breaks the rules of HTTP/1.1: the handler's, if it has words."""
        if isinstance(self.handler, Refuses):
            return self.handler.refused(error)
        return refusal(status_of(error))

    def tell(self, exchange: Exchange, error: Exception | None) -> None:
        """An exchange is over."""
        counts = self.counts
        counts.requests += 1
        counts.sent += exchange.sent
        counts.received += exchange.received
        if exchange.status is not None:
            counts.statuses[exchange.status] = counts.statuses.get(exchange.status, 0) + 1
        if error is not None:
            counts.failed += 1
            if log.enabled:
                log.debug(
                    "%s %s of %s: %s",
                    exchange.head.method.decode("latin-1"),
                    exchange.head.target.decode("latin-1"),
                    exchange.connection.peer,
                    error,
                )
        self.show(exchange, error)

    def show(self, exchange: Exchange, error: Exception | None) -> None:
        """Tell the watcher alone of an exchange that was counted already."""
        if self.watcher is not None:
            self.watcher.exchange(exchange, monotonic() - exchange.begun, error)

    def fault(self, connection: ConnectionFacts, error: Exception) -> None:
        """A client broke the rules."""
        self.counts.faults += 1
        if log.enabled:
            rule = f" ({error.section})" if isinstance(error, ParseError) else ""
            log.debug("connection %d from %s: %s%s", connection.number, connection.peer, error, rule)
        if self.watcher is not None:
            self.watcher.fault(connection, error)


class Counts:
    """What a server did: requests, octets of bodies, faults of clients, responses by their statuses."""

    __slots__ = ("failed", "faults", "received", "requests", "sent", "statuses")

    def __init__(self) -> None:
        self.requests = 0
        self.failed = 0
        self.faults = 0
        self.received = 0
        self.sent = 0
        self.statuses: dict[int, int] = {}

    def answered(self, statuses: list[int], sent: int, received: int) -> None:
        """So many requests were answered, with these statuses and so many octets of bodies."""
        self.requests += len(statuses)
        self.sent += sent
        self.received += received
        for status in statuses:
            self.statuses[status] = self.statuses.get(status, 0) + 1
