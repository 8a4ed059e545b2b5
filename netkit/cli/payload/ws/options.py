"""The options of `netkit ws server`: what is done with messages, who may connect, the limits; and the values
of the library that they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.options import File, Number, Seconds, Value, WrongValue
from netkit.cli.payload.faults import Size
from netkit.cli.payload.http.options import Credentials, UrlPath
from netkit.cli.ws.options import Token

if TYPE_CHECKING:
    from netkit.http.server.config import ServerConfig
    from netkit.websocket.config import WebSocketConfig


class WebOrigin(Value[str]):
    """An origin as browsers send it, or `*`."""

    name = "origin"
    form = "write a scheme, a host and a port, as in http://localhost:3000, or '*' for all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        scheme, separator, host = text.partition("://")
        plain = text.isascii() and text.isprintable() and " " not in text
        if text not in ("*", "null") and not (plain and scheme and separator and host and "/" not in host):
            self.wrong(f"{text!r} is no origin", param, ctx)
        return text


class ModeOptions(OptionGroup):
    """What is done with messages."""

    section = "What is done with messages"

    broadcast: bool = flag("--broadcast", help="Send each message to all other clients.")
    stdio: bool = flag(
        "--stdio",
        help="Send each line of standard input to all clients, and write their messages to standard output.",
    )
    exec_: str | None = field(
        "--exec",
        metavar="COMMAND",
        help="Start this program for each connection: a line that it writes is a message, and a message is a "
        "line that it reads.",
    )
    exec_message: str | None = field(
        "--exec-message",
        metavar="COMMAND",
        help="Start this program for each message, which it reads; what it writes is the answer.",
    )
    binary: bool = flag(
        "--binary",
        help="With --exec: send what it writes as it comes, in binary messages, and add no line end.",
    )
    exec_timeout: float | None = field(
        "--exec-timeout",
        type=Seconds(),
        help="With --exec-message: how long a program may take.",
        show_default="30",
    )
    max_programs: int | None = field(
        "--max-programs",
        type=Number(1, 100_000),
        help="Run so many programs at the same time, in each worker; further connections are closed "
        "with 1013.",
        show_default="100",
    )
    replay: str | None = field(
        "--replay",
        type=File(),
        help="Send what `netkit ws client --record` has written as received, with the same timing.",
    )
    speed: float = field(
        "--speed",
        type=click.FloatRange(0, 1000),
        default=1.0,
        metavar="FACTOR",
        help="With --replay: so many times as fast; 0 waits for nothing.",
    )
    greet: str | None = field(
        "--greet", metavar="TEXT", help="Send this text first, on each connection, whatever the mode."
    )

    def check(self) -> None:
        if self.greet == "":
            raise WrongValue("--greet without a text", "write a text, or leave it out")
        modes = [
            ("--broadcast", self.broadcast),
            ("--stdio", self.stdio),
            ("--exec", self.exec_),
            ("--exec-message", self.exec_message),
            ("--replay", self.replay),
        ]
        given = [name for name, value in modes if value]
        if len(given) > 1:
            raise WrongValue(f"{given[0]} and {given[1]} exclude each other", "choose one of them")
        if self.exec_ is None:
            self.only_with("--exec", "binary")
        if self.exec_message is None:
            self.only_with("--exec-message", "exec_timeout")
        if self.exec_ is None and self.exec_message is None:
            self.only_with("--exec", "max_programs")
        if self.replay is None and self.speed != 1.0:
            raise WrongValue("--speed is for --replay", "add --replay FILE, or leave it out")


class AccessOptions(OptionGroup):
    """Who may connect, and where."""

    section = "Who may connect"

    path: str | None = field(
        "--path",
        type=UrlPath(),
        help="The path of the WebSocket: others are answered with 404. [default: every path]",
    )
    subprotocol: tuple[str, ...] = field(
        "--subprotocol",
        type=Token(),
        multiple=True,
        help="Agree on this subprotocol if the client offers it; of several, the first one given wins.",
    )
    origin: tuple[str, ...] = field(
        "--origin",
        type=WebOrigin(),
        multiple=True,
        help="Let pages of this origin connect, such as https://example.com; '*' for all. Several are "
        "possible. [default: all for echo, the server's own for other modes]",
    )
    auth: tuple[str, ...] = field(
        "--auth",
        type=Credentials(),
        multiple=True,
        help="Let in only who knows this name and password (Basic); @FILE has one a line, which `ps` does "
        "not show. Several are possible.",
    )
    page: bool = flag("--page", help="Show a console to browsers, which connects back.")


class WsLimits(OptionGroup):
    """How much clients may send, and how long they are waited for."""

    section = "Limits"

    max_conns: int | None = field(
        "--max-conns",
        type=Number(1, 1_000_000),
        help="Serve this many connections at the same time, over all workers; others wait.",
    )
    max_message: int | None = field(
        "--max-message",
        type=Size(1),
        help="The largest message, inflated; a larger one closes the connection with 1009.",
        show_default="16Mi",
    )
    idle_timeout: float | None = field(
        "--idle-timeout",
        type=Seconds(),
        help="Close a connection with 1001 if no message comes or goes for this long.",
    )
    ping_interval: float = field(
        "--ping-interval",
        type=Seconds(zero=True),
        default=20.0,
        help="Send a ping after so long without a sign of the client; 0 for never.",
    )
    ping_timeout: float = field(
        "--ping-timeout",
        type=Seconds(),
        default=20.0,
        help="End a connection if its client gives no sign for this long after a ping.",
    )
    write_timeout: float = field(
        "--write-timeout",
        type=Seconds(),
        default=60.0,
        help="End a connection if its client takes nothing of a message for this long.",
    )
    compress: bool = field(
        "--compress/--no-compress",
        type=click.BOOL,
        default=True,
        show_default=False,
        help="Agree on permessage-deflate (RFC 7692) if the client offers it (the default), or do not.",
    )
    no_http2: bool = flag("--no-http2", help="Speak HTTP/1.1 only, without WebSockets in HTTP/2 (RFC 8441).")

    def server_config(self) -> ServerConfig:
        """The settings of the HTTP server."""
        from netkit.http.server.config import ServerConfig

        return ServerConfig(
            max_connections=self.max_conns, write_timeout=self.write_timeout, http2=not self.no_http2
        )

    def config(self, subprotocols: tuple[str, ...]) -> WebSocketConfig:
        """The settings of each WebSocket."""
        from netkit.websocket.config import WebSocketConfig
        from netkit.websocket.deflate_offer import DeflateConfig
        from netkit.websocket.limits import DEFAULT_LIMITS

        limits = DEFAULT_LIMITS
        if self.max_message is not None:
            limits = limits.replace(max_message=self.max_message, max_frame=self.max_message)
        return WebSocketConfig(
            ping_interval=self.ping_interval or None,
            ping_timeout=self.ping_timeout,
            write_timeout=self.write_timeout,
            subprotocols=subprotocols,
            deflate=DeflateConfig() if self.compress else None,
            limits=limits,
        )
