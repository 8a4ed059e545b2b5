"""A name server over HTTPS (RFC 8484): a handler for netkit's HTTP server.

    responder = Responder(zones, (), time)
    HttpServer(DohHandler(responder), DOH_CONFIG, tls=config).run([listener])

The rules of the messages are in `netkit.dns.authority`, and those of HTTP in `netkit.http`. A response says
for how long a cache may keep it.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.dns.authority.over_https import DEFAULT_PATH, freshness, query_in
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import Message
from netkit.dns.transports.https import MAX_BODY, MEDIA_TYPE
from netkit.http.message import Response
from netkit.http.server.config import ServerConfig
from netkit.http.server.response import text_response
from netkit.io import sleep_until

if TYPE_CHECKING:
    from netkit.dns.authority.faults import DnsFaults
    from netkit.dns.authority.responder import Responder
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow

#: A message has at most 65,535 octets (RFC 8484 section 6), so no body of a request has more.
DOH_CONFIG = ServerConfig(max_body=MAX_BODY, threads=0)

_ALLOWED = "GET, HEAD, POST"


class DohHandler:
    """Answers queries at `path`, by GET and POST, with what `responder` says.

    What is no query in the sense of RFC 8484 is refused: 400 (no message), 404 (another path), 405 (another
    method), 413 (a body that no message is as long as), 415 (another media type). A message that is malformed
    further on has a response in DNS. With `script`, chosen responses are wrong on purpose; what would be no
    response is an exchange that is broken off.
    """

    def __init__(
        self, responder: Responder, path: str = DEFAULT_PATH, script: DnsFaults | None = None
    ) -> None:
        self._responder = responder
        self._path = path
        self._script = script

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer the request."""
        request = exchange.request
        path, _, search = request.uri.partition("?")
        method = str(request.method)
        if path != self._path:
            yield from exchange.respond_flow(text_response(404, f"queries go to {self._path}"))
            return
        if method == "POST":
            given = request.headers.combined("Content-Type") or ""
            if given.partition(";")[0].strip().lower() != MEDIA_TYPE:
                yield from exchange.respond_flow(text_response(415, f"a query is of the type {MEDIA_TYPE}"))
                return
            query: bytes | None = yield from exchange.read_all_flow()
        elif method in ("GET", "HEAD"):
            query = query_in(search)
        else:
            refused = text_response(405, f"a query is a {_ALLOWED} request", [("Allow", _ALLOWED)])
            yield from exchange.respond_flow(refused)
            return
        answer = None if query is None else self._responder.answer(query, exchange.connection.peer, "https")
        if query is None or answer is None:
            yield from exchange.respond_flow(text_response(400, "there is no DNS query in this request"))
            return
        if self._script is not None:
            deliveries = self._script.deliveries(query, answer, "https")
            if not deliveries:
                exchange.abort()
                return
            if deliveries[0].delay:
                yield from sleep_until(monotonic() + deliveries[0].delay)
            answer = deliveries[0].octets
        yield from exchange.respond_flow(_response(answer))


def _response(answer: bytes) -> Response:
    try:
        seconds = freshness(Message.from_wire(answer))
    except DnsError:
        seconds = None  # it is wrong on purpose
    kept = "no-store" if seconds is None else f"max-age={seconds}"
    return Response(200, headers={"Content-Type": MEDIA_TYPE, "Cache-Control": kept}, body=answer)
