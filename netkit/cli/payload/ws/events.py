"""What `netkit ws server` says: where it listens, and as events of --json what its clients do."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypedDict

from netkit.cli.frame.exits import explain
from netkit.cli.frame.fields import EndpointOrPath
from netkit.cli.frame.output import rfc3339
from netkit.cli.payload.events import OfClient
from netkit.cli.payload.http.events import Exchanged, Faulted, HttpEvents, HttpView
from netkit.cli.payload.serving import Ended, Reloaded
from netkit.cli.payload.tls.rows import ServedTlsRow, served_tls_row
from netkit.cli.payload.ws.session import size_of
from netkit.cli.ws.recording import payload_fields
from netkit.websocket.close import CloseCode

if TYPE_CHECKING:
    from netkit.cli.frame.command import Run
    from netkit.cli.payload.ws.session import Session
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
    compression: Annotated[str | None, "permessage-deflate, if it was agreed on (RFC 7692)"]
    tls: Annotated[ServedTlsRow | None, "The result of the TLS handshake"]


class WsMessage(OfClient):
    """A message came, or was given to the system to be sent."""

    event: Literal["message"]
    direction: Annotated[Literal["sent", "received"], "Which side sent it: this one, or the client"]
    opcode: Literal["text", "binary"]
    size: Annotated[int, "Its octets, a text in UTF-8"]
    text: NotRequired[Annotated[str, "Of a text"]]
    data_b64: NotRequired[Annotated[str, "Of a binary message"]]


class WsLeft(OfClient):
    """A WebSocket is over; with `error`, it did not end well."""

    event: Literal["closed"]
    close_code: Annotated[
        int, "That of the client's Close frame; 1005 for none in it, 1006 for no Close frame"
    ]
    reason: Annotated[str, "The client's words for why"]
    close_sent: Annotated[int | None, "That of this side's Close frame; null for no code, or no such frame"]
    closed_first: Annotated[Literal["local", "peer"] | None, "Whose Close frame was the first; null for none"]
    messages_sent: int
    messages_received: int
    bytes_sent: Annotated[int, "Octets of those messages"]
    bytes_received: Annotated[int, "Octets of those messages"]
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
                "compression": None if ws.protocol.deflate is None else "permessage-deflate",
                "tls": None if facts.tls is None else served_tls_row(facts.tls),
            },
        )

    def message(self, session: Session, direction: str, message: str | bytes) -> None:
        """A message was `received`, or `sent`."""
        row = {
            "event": "message",
            "direction": direction,
            "opcode": "text" if isinstance(message, str) else "binary",
            "size": size_of(message),
        }
        self._say(session, {**row, **payload_fields(message)})

    def closed(self, session: Session, error: Exception | None) -> None:
        """A WebSocket is over."""
        sent = session.ws.protocol.close_sent
        row = {
            "event": "closed",
            "close_code": CloseCode.ABNORMAL if session.ws.close_code is None else session.ws.close_code,
            "reason": session.ws.close_reason,
            "close_sent": None if sent is None or sent.code == CloseCode.NO_STATUS else sent.code,
            "closed_first": session.closed_first,
            "messages_sent": session.sent,
            "messages_received": session.received,
            "bytes_sent": session.bytes_sent,
            "bytes_received": session.bytes_received,
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
