"""The options of `netkit ws client`; those of connections, TLS and credentials are `netkit http fetch`'s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from netkit.cli.fetch.options import ConnectOptions
from netkit.cli.fetch.values import HeaderText, Size
from netkit.cli.frame.groups import OptionGroup, field, flag
from netkit.cli.frame.options import HOST, File, Number, Seconds, Value, WrongValue, exclude

if TYPE_CHECKING:
    from netkit.cli.fetch.plan import HeaderLine

#: The largest message that is taken, unless --max-message says otherwise, in octets.
MAX_MESSAGE = 64 * 1024 * 1024


#: Headers that -H cannot give, and what to do instead.
_WRITTEN = {
    "connection": "leave it out",
    "upgrade": "leave it out",
    "sec-websocket-key": "leave it out",
    "sec-websocket-version": "leave it out",
    "sec-websocket-protocol": "--subprotocol offers one",
    "sec-websocket-extensions": "--no-compress offers none",
}


class WsUrl(Value[str]):
    """Where a WebSocket is: `ws://`, `wss://`, or a host that is completed as `netkit http fetch` does."""

    name = "url"
    form = "write ws://HOST[:PORT]/PATH or wss://..., or leave the scheme out, as in :8080/chat"
    complete = HOST

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from netkit.cli.fetch.plan import complete_url
        from netkit.http.errors import HttpError
        from netkit.websocket.client import http_url
        from netkit.websocket.errors import WebSocketError

        try:
            url = http_url(complete_url(str(value)))
        except (WebSocketError, HttpError) as error:
            self.wrong(f"{value!r}: {error}", param, ctx)
        return str(url)


class Token(Value[str]):
    """A subprotocol's name: a token (RFC 6455 section 4.1)."""

    name = "name"
    form = "write one name, as in graphql-transport-ws; the option can be given several times"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from netkit.http.headers import is_token

        if not is_token(str(value)):
            self.wrong(f"{value!r} is no subprotocol", param, ctx)
        return str(value)


class HandshakeOptions(OptionGroup):
    """What is asked for in the opening handshake, and how the connection is kept."""

    section = "WebSocket"

    headers: tuple[HeaderLine, ...] = field(
        "-H",
        "--header",
        type=HeaderText(),
        multiple=True,
        help="A header of the opening handshake, `Name: value`.",
    )
    subprotocols: tuple[str, ...] = field(
        "--subprotocol",
        type=Token(),
        multiple=True,
        help="Offer this subprotocol; several in the order of preference.",
    )
    origin: str | None = field("--origin", metavar="ORIGIN", help="Send this Origin, as a web page would.")
    location: bool = flag("-L", "--location", "--follow", help="Follow redirects.")
    compress: bool = field(
        "--compress/--no-compress",
        type=click.BOOL,
        default=True,
        show_default=False,
        help="Offer permessage-deflate (the default), or do not.",
    )
    max_message: int = field(
        "--max-message",
        type=Size(),
        default=MAX_MESSAGE,
        show_default="64M",
        help="End with 6 for a longer message, also when it is inflated (close code 1009).",
    )
    ping_interval: float = field(
        "--ping-interval",
        type=Seconds(zero=True),
        default=20.0,
        help="After so long a silence, send a ping; without an answer for as long, end with 7. 0: never.",
    )
    reconnect: bool = flag(
        "--reconnect",
        help="Connect again when the connection is lost (1006, 1001, 1011 to 1014), or cannot be made; "
        "after 1 s, then twice as long each time, up to 30 s.",
    )
    tries: int | None = field("--tries", type=Number(1), help="With --reconnect: so many attempts in a row.")
    close_code: int = field(
        "--close-code",
        type=Number(1000, 4999),
        default=1000,
        help="Close with this code, such as one from 4000 to 4999 that the application has.",
    )
    close_reason: str | None = field("--close-reason", metavar="TEXT", help="Close with this reason.")

    def check(self) -> None:
        from netkit.websocket.close import encode_close
        from netkit.websocket.errors import WebSocketError

        if not self.reconnect:
            self.only_with("--reconnect", "tries")
        for line in self.headers:
            if (hint := _WRITTEN.get(line.name.lower())) is not None:
                raise WrongValue(f"-H: {line.name} is written by the handshake itself", hint)
        if self.origin is not None and any(line.name.lower() == "origin" for line in self.headers):
            raise WrongValue("--origin and -H Origin exclude each other", "leave one of them out")
        try:
            encode_close(*self.closing)
        except WebSocketError.InvalidValue as error:
            if error.field == "close reason":
                raise WrongValue(f"--close-reason: {error}", "write a shorter one") from None
            raise WrongValue(f"--close-code: {error}", "applications have 3000 to 4999") from None

    @property
    def closing(self) -> tuple[int, str]:
        """The code and the reason that this side closes with."""
        return self.close_code, self.close_reason or ""


class WsConnectOptions(ConnectOptions):
    """How it is connected, with what the versions of HTTP mean for a WebSocket."""

    http11: bool = flag("--http1.1", help="Speak HTTP/1.1 (the default).")
    http2: bool = flag(
        "--http2",
        help="Open the WebSocket in HTTP/2 (RFC 8441) where a server with TLS offers that; in HTTP/1.1 "
        "elsewhere.",
    )


class MessageOptions(OptionGroup):
    """What is sent, how replies are written, and when it is over."""

    section = "Messages"

    binary: bool = flag(
        "--binary", help="Send binary messages. Standard input is one message then, unless --split is given."
    )
    split: str | None = field(
        "--split",
        type=click.Choice(["lines", "nul", "none", "pieces"]),
        help="What is a message of standard input: a line, the octets up to a NUL, all of it, or (with "
        "--binary) each piece as it comes.",
    )
    input: bool = flag(
        "--input", help="After the MESSAGEs, send what comes on standard input, or what is typed."
    )
    framing: str | None = field(
        "--framing",
        type=click.Choice(["lf", "nul", "length", "none"]),
        help="What tells replies apart: a newline or a NUL behind each, its length in 4 octets (big-endian) "
        "before it, or nothing. [default: a newline behind a text, nothing behind a binary message]",
    )
    binary_as: str | None = field(
        "--binary-as",
        type=click.Choice(["hex", "base64", "raw"]),
        help="Write binary messages as hexadecimal, base64, or as they are (never to a terminal). "
        "[default: hex on a terminal, raw elsewhere]",
    )
    count: int | None = field("--count", type=Number(1), help="Close after this many replies.")
    wait: float | None = field(
        "--wait",
        type=Seconds(zero=True),
        help="Close this long after the last message was sent. [default: wait until the server closes]",
    )
    quiet_time: float | None = field(
        "--quiet-time", type=Seconds(), help="Close when nothing was sent or received for this time."
    )
    record: str | None = field("--record", type=File(), help="Write the session to FILE, with its timing.")
    replay: str | None = field(
        "--replay", type=File(), help="Send what --record has written as sent, with the same timing."
    )
    speed: float = field(
        "--speed",
        type=click.FloatRange(0, 1000),
        default=1.0,
        metavar="FACTOR",
        help="Replay so many times as fast; 0 is without pauses.",
    )
    frames: bool = flag("--frames", help="Show every frame of both directions on standard error.")

    def check(self) -> None:
        exclude("--replay", self.replay, "--split", self.split)
        exclude("--replay", self.replay, "--input", self.input, "a recording says what is sent")
        if self.split == "pieces" and not self.binary:
            raise WrongValue("--split pieces is for --binary", "a text might be cut inside a character")
        exclude("--replay", self.replay, "--binary", self.binary, "a recording says what is binary")
        if self.speed != 1.0 and self.replay is None:
            raise WrongValue("--speed is for --replay", "add --replay FILE, or leave it out")

    @property
    def is_open_ended(self) -> bool:
        """Whether nothing says how input is read, or when it is over."""
        ends = (self.count, self.wait, self.quiet_time)
        return not self.binary and self.split is None and all(each is None for each in ends)

    def split_or_default(self) -> str:
        """How standard input becomes messages."""
        return self.split or ("none" if self.binary else "lines")
