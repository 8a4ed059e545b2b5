"""Opening a WebSocket from the client's side, over netkit's HTTP client (RFC 6455 section 4.1).

    with connect("wss://example.com/chat", config=WebSocketConfig(subprotocols=["chat"])) as ws:
        ...

The HTTP client does what comes before the WebSocket: addresses, proxies, TLS, redirects, cookies and
authentication, with the same rules as for any other request. A handshake that is refused is an answer of
HTTP, and the error has all of it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from netkit.http.client.client import Client, running_loop_number
from netkit.http.client.dial import DialConfig, HttpVersions
from netkit.http.client.response import Incoming, fetched
from netkit.http.config import ClientConfig
from netkit.http.message import Request
from netkit.http.url import Url
from netkit.io import before, deadline_after
from netkit.io.aio import run_async
from netkit.io.blocking import run
from netkit.websocket.config import DEFAULT_CONFIG
from netkit.websocket.connection import WebSocket
from netkit.websocket.errors import WebSocketError
from netkit.websocket.handshake import check_response, make_key, request_head
from netkit.websocket.mask_key import random_mask_key
from netkit.websocket.protocol import WebSocketProtocol

if TYPE_CHECKING:
    from netkit.http.client.core import Answer
    from netkit.http.client.response import FetchedResponse
    from netkit.http.headers import HeadersLike
    from netkit.http.policy.auth import Auth
    from netkit.io import CancellationToken, Flow
    from netkit.websocket.config import WebSocketConfig

#: How long opening may take, in seconds.
OPEN_TIMEOUT = 10.0

#: How much of the body of a refusal is kept, in octets, and how long it is waited for, in seconds.
REFUSAL_LIMIT = 65_536
REFUSAL_TIME = 2.0

_SCHEMES = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


class ClientWebSocket(WebSocket):
    """A WebSocket that this side has opened; `response` is the server's answer to the handshake."""

    response: FetchedResponse


def connect(
    url: str | Url,
    *,
    config: WebSocketConfig = DEFAULT_CONFIG,
    headers: HeadersLike = (),
    origin: str | None = None,
    auth: Auth | None = None,
    client: Client | None = None,
    timeout: float | None = OPEN_TIMEOUT,
    cancel: CancellationToken | None = None,
) -> ClientWebSocket:
    """Open a WebSocket.

    Args:
        url: `ws://` or `wss://`; `http://` and `https://` are taken for these.
        config: the settings of the connection.
        headers: more fields of the request.
        origin: the value of Origin, which a browser would send.
        auth: for this URL's origin, as for an HTTP request.
        client: whose proxies, cookies, trust and addresses are used; None for one with the default settings.
        timeout: for everything until it is open, redirects included, in seconds.

    Raises WebSocketError.HandshakeRefused with the server's response, WebSocketError.InvalidHandshake for an
    answer that breaks a rule, and what a request raises: HttpError, CancellationError.
    """
    flow = connect_flow(url, config=config, headers=headers, origin=origin, auth=auth, client=client)
    return run(flow, deadline=deadline_after(timeout), cancel=cancel)


async def connect_async(
    url: str | Url,
    *,
    config: WebSocketConfig = DEFAULT_CONFIG,
    headers: HeadersLike = (),
    origin: str | None = None,
    auth: Auth | None = None,
    client: Client | None = None,
    timeout: float | None = OPEN_TIMEOUT,
    cancel: CancellationToken | None = None,
) -> ClientWebSocket:
    """Open a WebSocket; arguments and errors as `connect`."""
    flow = connect_flow(
        url,
        config=config,
        headers=headers,
        origin=origin,
        auth=auth,
        client=client,
        loop=running_loop_number(),
    )
    return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)


def connect_flow(
    url: str | Url,
    *,
    config: WebSocketConfig = DEFAULT_CONFIG,
    headers: HeadersLike = (),
    origin: str | None = None,
    auth: Auth | None = None,
    client: Client | None = None,
    loop: int = 0,
) -> Flow[ClientWebSocket]:
    """Flow: open a WebSocket; as `connect`. `loop` is the number of the event loop that drives the flow."""
    key: str | None = make_key(os.urandom(16))
    asked = request_head(
        b"/", b"", key=key, subprotocols=config.subprotocols, origin=origin, deflate=config.deflate
    )
    request = Request("GET", http_url(url), headers=[(b"Upgrade", b"websocket"), *asked.fields])
    fields = request.headers.copy()
    fields.extend(headers)
    request = request.replace(headers=fields)
    made = None
    if client is None:
        # Of HTTP/1.1: a new connection of HTTP/2 might turn out to be of no use (RFC 8441 section 3).
        made = client = Client(
            ClientConfig(timeout=None, decode=False), dial=DialConfig(versions=HttpVersions.HTTP11)
        )
    try:
        answer = yield from client.answer_flow(request, auth=auth, loop=loop)
        reply = answer.reply
        if reply.version >= (2, 0):
            key = None  # RFC 8441 section 5: there is none
        try:
            agreed = check_response(
                reply.status,
                reply.fields,
                key=key,
                subprotocols=config.subprotocols,
                deflate=config.deflate,
            )
            stream = reply.upgraded
            if stream is None:
                raise WebSocketError.InvalidHandshake("status", "accepts without another protocol")
        except WebSocketError.HandshakeRefused as error:
            error.response = yield from _refusal_flow(answer)
            raise
        except BaseException:
            reply.close()
            raise
        protocol = WebSocketProtocol.client(
            random_mask_key,
            limits=config.limits,
            deflate=agreed.deflate,
            config=config.deflate,
            subprotocol=agreed.subprotocol,
        )
        ws = ClientWebSocket(stream, protocol, config)
        ws.response = fetched(answer, None, is_decoded=False)
        return ws
    finally:
        if made is not None:
            made.close()  # the connection is the WebSocket's now


def http_url(url: str | Url) -> Url:
    """The URL of the request that opens a WebSocket (RFC 6455 section 3: no fragment).

    >>> str(http_url("wss://example.com/chat#top"))
    'https://example.com/chat'

    Raises WebSocketError.InvalidValue for another scheme, HttpError.InvalidUri for what is no URL.
    """
    text = str(url)
    scheme, colon, rest = text.partition(":")
    known = _SCHEMES.get(scheme.lower())
    if not colon or known is None:
        raise WebSocketError.InvalidValue("url", "a WebSocket has a URL with ws:// or wss://")
    return Url.parse(f"{known}:{rest.partition('#')[0]}")


def _refusal_flow(answer: Answer) -> Flow[FetchedResponse]:
    """Flow: the answer that refuses, with the beginning of its body."""
    from time import monotonic

    from netkit.errors import NetkitError

    incoming = Incoming(answer, decode=False, limit=REFUSAL_LIMIT)
    body: bytes | None = None
    try:
        body = yield from before(monotonic() + REFUSAL_TIME, incoming.whole_flow())
    except (NetkitError, OSError):
        answer.reply.close()  # too much, too late, or cut off: what is known is enough
    return fetched(answer, body, is_decoded=False)
