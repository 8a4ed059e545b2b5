"""What `netkit ws server` says: where it listens, and as events of --json what its clients do."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from netkit.cli.frame.exits import explain
from netkit.cli.frame.fields import EndpointOrPath
from netkit.cli.frame.output import b64, rfc3339
from netkit.cli.payload.events import OfClient
from netkit.cli.payload.http_events import Exchanged, Faulted, HttpEvents, HttpView
from netkit.cli.payload.serving import Ended, Reloaded
from netkit.cli.payload.talking import TlsRow, tls_row

if TYPE_CHECKING:
    from netkit.cli.frame.command import Run
    from netkit.cli.payload.ws_session import Session
    from netkit.http.server.exchange import Exchange


class WsListening(TypedDict):
    """A socket accepts connections from now on."""

    event: Literal["listening"]
    transport: Annotated[Literal["tcp", "unix"], "The transport"]
    local: Annotated[EndpointOrPath, "The address, with the port that the system chose if 0 was given"]
    url: Annotated[str | None, "What a client on this machine opens; null for a Unix-domain socket"]


class WsCame(OfClient):
    """A WebSocket is open."""

    event: Literal["connected"]
    target: Annotated[str, "The target of the request, as it was sent"]
    http_version: Annotated[str, "What it was asked for in: 1.1 or 2"]
    origin: Annotated[str | None, "The origin of a browser's page"]
    user_agent: str | None
    subprotocol: Annotated[str | None, "The subprotocol that both sides agreed on"]
    compressed: Annotated[bool, "Whether permessage-deflate (RFC 7692) was agreed on"]
    tls: Annotated[TlsRow | None, "The result of the TLS handshake"]


class WsMessage(OfClient):
    """A message came, or was given to the system to be sent."""

    event: Literal["received", "sent"]
    size: Annotated[int, "Octets of the message"]
    text: Annotated[str | None, "A text message"]
    data_b64: Annotated[str | None, "A binary message"]


class WsLeft(OfClient):
    """A WebSocket is over; with `error`, it did not end well."""

    event: Literal["closed"]
    close_code: Annotated[
        int | None, "The code that the client closed with; 1005 for none, 1006 for no Close"
    ]
    close_reason: Annotated[str, "The client's words for why"]
    close_sent: Annotated[
        int | None, "The code of this side's Close frame; null without one, or without code"
    ]
    messages_received: int
    messages_sent: int
    elapsed_s: Annotated[float, "How long the WebSocket was open"]


class WsView(HttpView):
    """Where a WebSocket server listens; with --events, what its clients do."""

    schema = WsListening | WsCame | WsMessage | WsLeft | Exchanged | Faulted | Reloaded | Ended


def is_websocket(exchange: Exchange) -> bool:
    """Whether a request has become a WebSocket."""
    return exchange.status == 101 or (exchange.status == 200 and exchange.head.protocol == b"websocket")


class WsEvents(HttpEvents):
    """Writes the events; as a Watcher, those of requests that have not become a WebSocket."""

    def __init__(self, run: Run[Any], *, names_users: bool) -> None:
        super().__init__(run, names_users=names_users)
        self._run = run

    def exchange(self, exchange: Exchange, elapsed: float, error: Exception | None) -> None:
        """A request is over: a refused handshake, the page."""
        if not is_websocket(exchange):
            super().exchange(exchange, elapsed, error)

    def connected(self, session: Session) -> None:
        """A WebSocket is open."""
        ws = session.ws
        request, facts = ws.request, ws.request.connection
        self._say(
            session,
            {
                "event": "connected",
                "target": request.uri,
                "http_version": request.version.as_str.removeprefix("HTTP/").replace("2.0", "2"),
                "origin": request.headers.get_first("Origin"),
                "user_agent": request.headers.get_first("User-Agent"),
                "subprotocol": ws.subprotocol,
                "compressed": ws.protocol.deflate is not None,
                "tls": None if facts.tls is None else tls_row(facts.tls),
            },
        )

    def message(self, session: Session, direction: str, message: str | bytes) -> None:
        """A message was `received`, or `sent`."""
        is_text = isinstance(message, str)
        self._say(
            session,
            {
                "event": direction,
                "size": len(message.encode()) if isinstance(message, str) else len(message),
                "text": message if is_text else None,
                "data_b64": b64(message) if isinstance(message, bytes) else None,
            },
        )

    def closed(self, session: Session, error: Exception | None) -> None:
        """A WebSocket is over."""
        protocol = session.ws.protocol
        sent = protocol.close_sent
        row = {
            "event": "closed",
            "close_code": session.ws.close_code,
            "close_reason": session.ws.close_reason,
            "close_sent": None if sent is None or sent.code == 1005 else int(sent.code),
            "messages_received": session.received,
            "messages_sent": session.sent,
            "elapsed_s": monotonic() - session.begun,
        }
        self._say(session, row, error)

    def _say(self, session: Session, row: dict[str, Any], error: Exception | None = None) -> None:
        facts = session.ws.request.connection
        whole = {
            "event": row["event"],
            "happened_at": rfc3339(datetime.now(UTC)),
            "connection": session.number,
            "peer": str(facts.peer),
            "local": str(facts.local),
            **row,
        }
        self._run.write_object(whole, None, None if error is None else explain(error))
