"""What a request passes before it becomes a WebSocket: the path, the password, the origin.

A browser lets every page of the web connect to every server that it can reach, those of this machine
included, and sends cookies and passwords along; only the server can refuse (RFC 6455 section 10.2). So modes
that do more than send back what a client said take pages of the server's own origin only, unless --origin
says otherwise. As a name of the web may be made to point at this machine (DNS rebinding), "own" counts only
for an address or a name of loopback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.server.refusal import refusal
from netkit.http.server.response import text_response
from netkit.websocket.errors import WebSocketError
from netkit.websocket.server import asks_for_websocket, refuse_flow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.files import BasicCredentials
    from netkit.http.message import Response
    from netkit.http.server.exchange import Exchange, FlowHandler
    from netkit.io import Flow
    from netkit.websocket.server import WebSocketHandler

#: The value of --origin for all.
ANY_ORIGIN = "*"


class Origins:
    """Which origins may connect: `allowed`, all with `*` among them; without any, those that `own` names.

    A request without Origin comes from no browser, and is let in.
    """

    def __init__(self, allowed: Sequence[str], *, own_only: bool) -> None:
        self._allowed = frozenset(each.lower().rstrip("/") for each in allowed)
        self._own_only = own_only

    def admits(self, origin: str | None, authority: str) -> bool:
        """Whether a page of `origin` may connect to the server that it calls `authority`."""
        if origin is None or ANY_ORIGIN in self._allowed:
            return True
        lowered = origin.lower()
        if self._allowed:
            return lowered in self._allowed
        if not self._own_only:
            return True
        return lowered.partition("://")[2] == authority.lower() and _is_address(authority)


def _is_address(authority: str) -> bool:
    """Whether a host with its port is an address, or a name that always means this machine."""
    from ipaddress import ip_address

    host = authority[: authority.index("]") + 1] if authority.startswith("[") else authority.partition(":")[0]
    host = host.removeprefix("[").removesuffix("]").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class Gate:
    """A handler of requests: those that may pass go to `inner`, which makes WebSockets of them.

    `path`: where the WebSocket is, None for every path; `beside` answers all other paths, without it they are
    404. `page` answers who asks for no WebSocket there.
    """

    def __init__(
        self,
        inner: WebSocketHandler,
        *,
        path: str | None = None,
        beside: FlowHandler | None = None,
        page: Response | None = None,
        origins: Origins,
        auth: BasicCredentials | None = None,
    ) -> None:
        self._inner = inner
        self._path = None if path is None else path.encode()
        self._beside = beside
        self._page = page
        self._origins = origins
        self._users = None
        if auth is not None:
            from netkit.http.files.guard import Guard
            from netkit.http.files.worker import Worker

            self._users = Guard(auth, Worker())

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer the request."""
        if self._path is not None and exchange.head.target.partition(b"?")[0] != self._path:
            if self._beside is None:
                yield from exchange.respond_flow(refusal(404))
            else:
                yield from self._beside.handle_flow(exchange)
            return
        if self._users is not None:
            given = [value for name, value in exchange.head.fields if name.lower() == b"authorization"]
            user = yield from self._users.check_flow(given[0] if len(given) == 1 else None)
            if user is None:
                fields = {"WWW-Authenticate": self._users.challenge.decode("latin-1")}
                yield from exchange.respond_flow(text_response(401, "401 Unauthorized", fields))
                return
        if asks_for_websocket(exchange):
            request = exchange.request
            origins = request.headers.get_all("Origin")
            if len(origins) <= 1 and not self._origins.admits(
                origins[0] if origins else None, request.authority
            ):
                error = WebSocketError.InvalidHandshake("Origin", "may not connect to this server", 403)
                exchange.note = f"{error}: {origins[0]!a}"
                yield from refuse_flow(exchange, error)
                return
        elif self._page is not None and exchange.head.method in (b"GET", b"HEAD"):
            yield from exchange.respond_flow(self._page)
            return
        yield from self._inner.handle_flow(exchange)

    def around_flow(self, serving: Flow[object]) -> Flow[None]:
        """Flow: serve, and end afterwards what that needed."""
        from netkit.http.server.handling.handlers import LastingHandler

        if isinstance(self._beside, LastingHandler):
            serving = self._beside.around_flow(serving)
        yield from self._inner.around_flow(serving)
