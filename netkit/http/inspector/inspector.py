"""The handler of the inspecting endpoints: finds the endpoint, checks the host, adds CORS.

RFC 9110 section 7.4 (421), 9.3.7 (OPTIONS), 15.5.6 (405); Fetch Standard section 3.2 (CORS).

A page of a foreign name that resolves to this machine is refused by its Host (DNS rebinding). A page of any
name may read what it asked for, as at httpbin; but what its browser adds on its own, the cookies of this
host, it may read only if its own host is allowed: cookies know no ports, so they may be those of another
server on this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.addr import SocketAddr
from netkit.http.errors import HttpError
from netkit.http.inspector.call import JSON, Call, Fields, json_octets
from netkit.http.inspector.config import DEFAULT_CONFIG, InspectorConfig
from netkit.http.inspector.endpoint import Endpoint, Routes
from netkit.http.inspector.pages import PAGES
from netkit.http.inspector.secrets import Secrets
from netkit.http.inspector.table import ENDPOINTS
from netkit.http.message import Response
from netkit.http.multipart import MultipartError
from netkit.http.parser.errors import ParseError
from netkit.http.server.refusal import status_of

if TYPE_CHECKING:
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow

_METHODS = b"GET, POST, PUT, DELETE, PATCH, OPTIONS"


class Inspector:
    """Answers requests with the inspecting endpoints; `/` lists them.

    A request that breaks the rules is answered with the rule and the place. `secrets` gives nonces and random
    octets. One object serves any number of connections.
    """

    #: For /wire.
    keeps_heads = True

    def __init__(self, config: InspectorConfig = DEFAULT_CONFIG, *, secrets: Secrets | None = None) -> None:
        self.config = config
        self._secrets = Secrets() if secrets is None else secrets
        self._routes = Routes(iter((*PAGES, *ENDPOINTS)))

    def refused(self, error: Exception) -> Response:
        """The answer to a request that breaks the rules of HTTP/1.1: which rule, and where."""
        status = status_of(error)
        shown: dict[str, Any] = {"status": status, "error": str(error)}
        if isinstance(error, ParseError):
            shown |= {"rule": error.section, "offset": error.offset, "kind": error.kind}
        return Response(status, headers={"Content-Type": JSON}, body=json_octets(shown))

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer the request."""
        common = self._common(exchange)
        authority = exchange.head.authority.decode("latin-1")
        is_network = isinstance(exchange.connection.peer, SocketAddr)  # no page reaches a Unix-domain socket
        if is_network and authority and not self.config.allows(_without_port(authority)):
            text = f"this server does not answer for {authority}: see allowed_hosts\n"
            yield from _plain_flow(exchange, 421, text, common)
            return
        found = self._routes.find(exchange.request.path)
        method = str(exchange.request.method)
        allowed = sorted({each for endpoint, _ in found for each in endpoint.allowed})
        if not found:
            yield from _plain_flow(exchange, 404, "no such endpoint: / lists them\n", common)
            return
        if method == "OPTIONS":
            common += [(b"Allow", ", ".join(allowed).encode()), (b"Access-Control-Allow-Methods", _METHODS)]
            common.append((b"Access-Control-Max-Age", b"3600"))
            asked = exchange.request.headers.combined("Access-Control-Request-Headers")
            if asked is not None:
                common.append((b"Access-Control-Allow-Headers", asked.encode("latin-1", "replace")))
            yield from _plain_flow(exchange, 200, "", common)
            return
        wanted = "GET" if method == "HEAD" else method
        for endpoint, variables in found:
            if wanted in endpoint.methods:
                yield from self._answer_flow(exchange, endpoint, variables, common)
                return
        common.append((b"Allow", ", ".join(allowed).encode()))
        yield from _plain_flow(exchange, 405, f"{', '.join(allowed)}\n", common)

    def _answer_flow(
        self, exchange: Exchange, endpoint: Endpoint, variables: dict[str, str], common: Fields
    ) -> Flow[None]:
        if endpoint.is_raw and exchange.version >= (2, 0):
            text = "this fault is one of HTTP/1.1, whose octets it breaks: ask for it over HTTP/1.1\n"
            yield from _plain_flow(exchange, 501, text, common)
            return
        if endpoint.only_http2 and exchange.version < (2, 0):
            text = "this fault is one of HTTP/2: ask for it over HTTP/2\n"
            yield from _plain_flow(exchange, 501, text, common)
            return
        try:
            call = Call(exchange, endpoint, variables, self.config, self._secrets, common)
            yield from endpoint.answer(call)
        except (HttpError.InvalidValue, MultipartError) as error:
            if exchange.status is not None:
                raise
            yield from _plain_flow(exchange, 400, f"{error}\n", common)

    def _common(self, exchange: Exchange) -> Fields:
        """CORS, and that no browser shall guess a type.

        Names have capitals, as httpbin sends them: tests of clients look for them in what a client prints.
        """
        origin = exchange.request.headers.get_first("Origin")
        fields: Fields = [(b"X-Content-Type-Options", b"nosniff")]
        if origin is None:
            return [
                *fields,
                (b"Access-Control-Allow-Origin", b"*"),
                (b"Access-Control-Allow-Credentials", b"true"),
            ]
        fields.append((b"Access-Control-Allow-Origin", origin.encode("latin-1", "replace")))
        if self.config.allows(_without_port(origin.partition("://")[2])):
            fields.append((b"Access-Control-Allow-Credentials", b"true"))
        return fields


def _plain_flow(exchange: Exchange, status: int, text: str, common: Fields) -> Flow[None]:
    """Flow: an answer that says what is wrong."""
    fields = [*common, (b"Content-Type", b"text/plain; charset=utf-8")]
    body = text.encode("utf-8", "replace")
    exchange.begin(status, fields, length=len(body))
    yield from exchange.send_flow(body, end=True)


def _without_port(authority: str) -> str:
    """The host of an authority.

    >>> _without_port("[::1]:80"), _without_port("localhost:80"), _without_port("localhost")
    ('[::1]', 'localhost', 'localhost')
    """
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]
