"""From the options of `netkit ws client` to an open connection, and what is said of the opening.

The HTTP client opens it, so that proxies, TLS, addresses and credentials are as `netkit http fetch` has them.
A handshake that is refused is shown whole: the status line, the headers and the beginning of the body.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from netkit.cli.frame.messages import visible
from netkit.cli.frame.output import b64

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.cli.fetch.options import AuthOptions, ConnectOptions, FetchTlsOptions
    from netkit.cli.frame.command import Run
    from netkit.cli.ws.options import HandshakeOptions
    from netkit.http.client.client import Client
    from netkit.io import Flow
    from netkit.websocket import ClientWebSocket, WebSocketConfig, WebSocketError

#: How much of the body of a refusal is shown to people, in lines.
MAX_LINES = 40


class Opener:
    """Opens connections to one URL; `with` ends the client behind it."""

    def __init__(
        self,
        run: Run[Any],
        url: str,
        handshake: HandshakeOptions,
        connect: ConnectOptions,
        tls: FetchTlsOptions,
        auth: AuthOptions,
        timeout: float,
    ) -> None:
        """Raises WrongValue, OSError and UnusableFile for options that are of no use."""
        from netkit.cli.fetch.request import credentials_of
        from netkit.cli.fetch.settings import auth_of

        self.url = url
        self.timeout = timeout
        self._run = run
        self._options = handshake
        self._auth = auth_of(credentials_of(auth), run.env)
        # An empty value takes out a field that the client writes itself; others are not sent at all.
        self._headers = [
            (line.name, line.value or "")
            for line in handshake.headers
            if line.value is not None or line.name.lower() in ("accept", "user-agent")
        ]
        self.config = _config(handshake)
        self._client = self._new_client(connect, tls, auth)

    def _new_client(self, connect: ConnectOptions, tls: FetchTlsOptions, auth: AuthOptions) -> Client:
        from netkit.cli.fetch.settings import dial_config
        from netkit.cli.fetch.state import netrc_of
        from netkit.http.client.client import Client
        from netkit.http.client.dial import HttpVersions
        from netkit.http.config import ClientConfig, PoolConfig
        from netkit.http.url import Url

        env = self._run.env
        dial = dial_config(connect, tls, [Url.parse(self.url)], env)
        if connect.http2:
            dial = dial.replace(http2_websockets=True)
        elif not connect.prior:
            dial = dial.replace(versions=HttpVersions.HTTP11)
        trace = None
        if env.verbosity > 0:
            from netkit.cli.fetch.dialogue import Dialogue

            trace = Dialogue(env, timed=False)
        config = ClientConfig(
            timeout=None,
            follow_redirects=self._options.location,
            pool_config=PoolConfig(read_timeout=None, write_timeout=None),
            decode=False,
        )
        return Client(config, dial=dial, netrc=netrc_of(auth, env), trace=trace)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    async def opened(self) -> ClientWebSocket:
        """A connection, under asyncio; as `open_flow`."""
        from netkit.http.client.client import running_loop_number
        from netkit.io.aio import run_async

        return await run_async(self.open_flow(running_loop_number()))

    def open_flow(self, loop: int = 0) -> Flow[ClientWebSocket]:
        """Flow: a connection, within --timeout; errors as `netkit.websocket.connect`."""
        from netkit.io import before, phase
        from netkit.websocket.client import connect_flow

        flow = connect_flow(
            self.url,
            config=self.config,
            headers=self._headers,
            origin=self._options.origin,
            auth=self._auth,
            client=self._client,
            loop=loop,
        )
        run, doing = self._run, self._run.doing
        run.doing = "opening {}"  # if it fails, the message says so
        with phase("opening the connection"):  # where no step of it says more
            ws = yield from before(monotonic() + self.timeout, flow)
        run.doing = doing
        return ws


def _config(options: HandshakeOptions) -> WebSocketConfig:
    from netkit.websocket import DeflateConfig, WebSocketConfig, WebSocketLimits

    interval = options.ping_interval or None
    return WebSocketConfig(
        ping_interval=interval,
        ping_timeout=interval,
        subprotocols=options.subprotocols,
        deflate=DeflateConfig() if options.compress else None,
        limits=WebSocketLimits(max_frame=options.max_message, max_message=options.max_message),
    )


def connected_row(ws: ClientWebSocket, elapsed: float) -> dict[str, Any]:
    """The event of an open connection."""
    from netkit.cli.fetch.rows import header_rows
    from netkit.cli.payload.tls.rows import info_tls_row

    response = ws.response
    info = response.connection
    return {
        "event": "connected",
        "url": ws_url(str(response.url)),
        "status": int(response.status),
        "subprotocol": ws.subprotocol,
        "compression": compression_of(ws),
        "headers": header_rows(response.headers.fields),
        "peer": info.unix_path if info.peer is None else str(info.peer),
        "local": None if info.local is None else str(info.local),
        "proxy": info.proxy,
        "tls": info_tls_row(info),
        "elapsed_s": elapsed,
        "phases": [
            {"phase": name, "started_s": begun, "ended_s": ended}
            for name, begun, ended in response.timing.phases()
        ],
    }


def compression_of(ws: ClientWebSocket) -> str | None:
    """permessage-deflate with its parameters, as the server has answered; None without it."""
    if ws.protocol.deflate is None:
        return None
    return ws.response.headers.get_first("Sec-WebSocket-Extensions")


def ws_url(url: str) -> str:
    """The URL of a request as that of a WebSocket.

    >>> ws_url("https://example.com/chat")
    'wss://example.com/chat'
    """
    return f"ws{url.removeprefix('http').partition('#')[0]}"


def connected_words(ws: ClientWebSocket, elapsed: float) -> str:
    """The same for people, in one line."""
    info = ws.response.connection
    words = [f"connected to {info.unix_path or info.peer}"]
    if info.proxy is not None:
        words.append(f"through {info.proxy}")
    if info.tls_version is not None:
        words.append(info.tls_version.as_str)
    if ws.subprotocol is not None:
        words.append(f"subprotocol {visible(ws.subprotocol)}")
    if ws.protocol.deflate is not None:
        words.append("compressed")
    return f"{', '.join(words)} in {elapsed * 1000:.1f} ms"


def phase_lines(ws: ClientWebSocket) -> Iterator[str]:
    """How long each part of the opening took, for -v."""
    for name, begun, ended in ws.response.timing.phases():
        yield f"* {name:<7} {(ended - begun) * 1000:8.1f} ms"


def refused_row(error: WebSocketError.HandshakeRefused) -> dict[str, Any]:
    """The event of a handshake that was refused."""
    from netkit.cli.fetch.rows import header_rows

    response = error.response
    return {
        "event": "refused",
        "status": error.status,
        "headers": [] if response is None else header_rows(response.headers.fields),
        "data_b64": None if response is None or response.body is None else b64(response.body),
    }


def refused_lines(error: WebSocketError.HandshakeRefused) -> Iterator[str]:
    """The answer that refuses, for people: status, headers, the beginning of the body."""
    from netkit.cli.render.http_body import looks_binary
    from netkit.cli.render.http_head import field_lines, status_words
    from netkit.http.types import StatusCode

    response = error.response
    if response is None:
        return
    version = str(response.version).removeprefix("HTTP/")
    yield f"< {visible(status_words(version, error.status, StatusCode(error.status).reason_phrase))}"
    yield from (f"< {line}" for line in field_lines(response.headers.fields, color=False))
    yield "<"
    body = response.body or b""
    if looks_binary(body[:1024]):
        yield f"< ({len(body):,} octets that are no text)"
        return
    lines = body.decode("utf-8", "replace").splitlines()
    yield from (f"< {visible(line, tabs=True)}" for line in lines[:MAX_LINES])
    if len(lines) > MAX_LINES:
        yield f"< ({len(lines) - MAX_LINES:,} more lines)"
