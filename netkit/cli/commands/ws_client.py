"""`netkit ws client`: a WebSocket for scripts and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.fetch.options import AuthOptions, FetchTlsOptions
from netkit.cli.frame import options
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.groups import option_group
from netkit.cli.frame.options import FILE, argument, exclude
from netkit.cli.frame.view import View
from netkit.cli.ws.options import HandshakeOptions, MessageOptions, WsConnectOptions, WsUrl

if TYPE_CHECKING:
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.exits import Exit
    from netkit.cli.ws.display import Display
    from netkit.cli.ws.opening import Opener
    from netkit.cli.ws.sending import Outgoings


class ClientView(View[Any]):
    """Payload as it is; with --json, events."""

    @property
    def schema(self) -> Any:  # made when it is asked for: start-up need not have it
        from netkit.cli.ws.rows import Row

        return Row


@command(
    "ws client",
    view=ClientView(),
    modes=("json",),
    see_also=("netkit-http-fetch(1)", "netkit-tcp-connect(1)", "websocat(1)"),
)
@argument("url", metavar="URL", type=WsUrl())
@argument("texts", metavar="[MESSAGE...]", nargs=-1, required=False, complete=FILE)
@options.timeout(10.0)
@option_group(
    messages=MessageOptions,
    handshake=HandshakeOptions,
    auth=AuthOptions,
    connect=WsConnectOptions,
    tls=FetchTlsOptions,
)
def client(
    run: Run[Any],
    url: str,
    texts: tuple[str, ...],
    timeout: float,
    messages: MessageOptions,
    handshake: HandshakeOptions,
    auth: AuthOptions,
    connect: WsConnectOptions,
    tls: FetchTlsOptions,
) -> Exit:
    """Open a WebSocket; send messages, write the replies.

    URL is ws://HOST/PATH or wss://HOST/PATH. Without a scheme it is wss for names of the internet, ws for
    `:8080/x`, localhost, IP addresses, names without a dot, and port 80.

    Each MESSAGE is sent as a text; `@FILE` sends what a file holds (`@-`: standard input), and a text that
    begins with @ has it twice. Without any, or after them with --input, each line of standard input is a
    message. With --binary, messages are octets, and standard input is one message. --split says otherwise.

    A text that comes is written unchanged, with a newline behind it; a binary message without one. A text
    that has newlines itself is unambiguous with --json, --framing nul and --framing length.

    After the last message, the command waits until the server closes; --count N closes after N replies,
    --wait SECONDS that long after the last message, --quiet-time SECONDS when nothing has come for so long.
    It closes with 1000, or with --close-code. --timeout covers opening: the name lookup, a proxy, TLS and the
    handshake.

    The exit code is 0 where this side closed, or the server with 1000, 1001 or no code; 1 for any other code,
    for a refused handshake, which is shown whole, and where fewer replies came than --count asks for; 4 where
    the connection was lost; 6 where the server broke a rule or exceeded --max-message.

    Examples:

        $ netkit ws client --count 1 wss://echo.example/ hello
        $ netkit ws client --json wss://feed.example/ < /dev/null
        $ netkit ws client -H 'X-Key: 1' --quiet-time 2 chat.example/ '{"ask":1}'
        $ netkit ws client --input wss://feed.example/ '{"subscribe":"prices"}'
        $ netkit ws client --record session.jsonl wss://feed.example/ < lines.txt
        $ netkit ws client --binary --split pieces wss://feed.example/ < notes.bin
    """
    hint = "a recording says what is sent"
    exclude("--replay", messages.replay, "MESSAGE", texts, hint)
    if not messages.input:
        exclude("MESSAGE", texts, "--split", messages.split, "--split is about standard input; add --input")
    exclude("--json", run.json, "--framing", messages.framing, "events stand in lines of their own")
    from netkit.cli.ws.display import Display
    from netkit.cli.ws.opening import Opener
    from netkit.cli.ws.recording import Recorder

    source = _source(run, texts, messages)
    recorder = None if messages.record is None else Recorder(messages.record)
    try:
        with Opener(run, url, handshake, connect, tls, auth, timeout) as opener:
            display = Display(run, messages, recorder)
            return _talk(run, opener, display, source, handshake, messages)
    finally:
        if recorder is not None:
            recorder.close()


def _talk(
    run: Run[Any],
    opener: Opener,
    display: Display,
    source: Outgoings,
    handshake: HandshakeOptions,
    messages: MessageOptions,
) -> Exit:
    from netkit.cli.ws.sending import Chained, Piped

    if isinstance(source, Chained | Piped) and messages.is_open_ended and _is_interactive(run.env):
        from netkit.cli.ws.console import Console  # and asyncio with it

        first = list(source.first) if isinstance(source, Chained) else []
        return Console(run, opener, display, handshake, first).run()
    from netkit.cli.ws.session import Session

    return run.wait(Session(run, opener, display, source, handshake, messages).flow())


def _source(run: Run[Any], texts: tuple[str, ...], messages: MessageOptions) -> Outgoings:
    """Where the messages come from. Raises BadInput, OSError."""
    from netkit.cli.ws.sending import Chained, Listed, Piped, of_arguments

    if messages.replay is not None:
        from netkit.cli.ws.recording import read_recording

        return Listed(read_recording(messages.replay), messages.speed)
    listed = of_arguments(texts, run.env, binary=messages.binary)
    if texts and not messages.input:
        return Listed(listed)
    piped = Piped(run.env, messages.split_or_default(), binary=messages.binary)
    return Chained(listed, piped) if texts else piped


def _is_interactive(env: Environment) -> bool:
    """Whether there is a person at the other end of all streams."""
    import os

    if not (env.stdin_tty and env.writes_to_terminal and env.mode == "table") or env.stdin is None:
        return False
    try:
        return os.isatty(env.stdin.fileno())
    except (OSError, ValueError):
        return False
