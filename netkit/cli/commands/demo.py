"""`netkit demo`: the real commands against servers of this process, on loopback."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypedDict

from netkit.cli.frame.command import Run, command
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.io import Event, Flow
    from netkit.net.tcp import TcpListener, TcpStream
    from netkit.tls.config import TlsConfig

ZONE = """\
$ORIGIN demo.test.
$TTL 1h
@        SOA    ns1 hostmaster ( 1 1d 2h 4w 5m )
         NS     ns1
         MX     10 mail
         MX     20 mail.backup
         TXT    "v=spf1 mx -all" "a second string"
ns1      A      127.0.0.1
www      CNAME  web
web      A      127.0.0.1
         AAAA   ::1
mail     A      192.0.2.25
_imap._tcp  SRV  0 5 993 mail
"""

#: A command that takes longer than this, in seconds, has failed.
STEP_TIMEOUT = 20.0


class Step(NamedTuple):
    """One command line: what is typed after `netkit`, what it shows, its standard input, how it ends."""

    words: tuple[str, ...]
    shows: str
    stdin: str | None = None
    ends: Exit = Exit.OK

    @property
    def command_line(self) -> str:
        """What to type in a shell."""
        typed = f"netkit {shlex.join(self.words)}"
        if self.stdin is None:
            return typed
        return "printf " + shlex.quote(self.stdin.replace("\n", "\\n")) + f" | {typed}"


class Done(NamedTuple):
    """A step that was run."""

    step: Step
    exit_code: int
    stdout: str
    stderr: str
    elapsed: float

    @property
    def as_expected(self) -> bool:
        return self.exit_code == self.step.ends

    @property
    def ending(self) -> str:
        """The exit code in words, where there is something to say of it."""
        if not self.as_expected:
            return f"(exit code {self.exit_code}, and not {int(self.step.ends)})"
        return f"(exit code {self.exit_code})" if self.exit_code else ""


class DemoRow(TypedDict):
    """One command, and what it did."""

    argv: Annotated[list[str], "The command line, in words"]
    shows: Annotated[str, "What it is there to show"]
    stdin: Annotated[str | None, "Its standard input; null where it had none"]
    exit_code: int
    expected_exit_code: int
    stdout: str
    stderr: str
    elapsed_s: float


class DemoView(View[Done]):
    """A command line, its output, and its exit code where it is not 0."""

    schema = DemoRow
    has_input = False

    def to_json(self, result: Done) -> Mapping[str, Any]:
        row: DemoRow = {
            "argv": ["netkit", *result.step.words],
            "shows": result.step.shows,
            "stdin": result.step.stdin,
            "exit_code": result.exit_code,
            "expected_exit_code": result.step.ends,
            "stdout": result.stdout,
            "stderr": result.stderr,
            "elapsed_s": result.elapsed,
        }
        return row

    def plain(self, result: Done) -> Iterable[Line]:
        yield f"# {result.step.shows}"
        yield f"$ {result.step.command_line}"
        yield from (result.stdout + result.stderr).splitlines()
        if result.ending:
            yield result.ending
        yield ""

    def table(self, result: Done, env: Environment) -> Iterable[Any]:  # noqa: ARG002
        from rich.text import Text

        yield Text(f"# {result.step.shows}", "dim")
        yield Text(f"$ {result.step.command_line}", "bold")
        yield Text.from_ansi((result.stdout + result.stderr).rstrip("\n"))
        if result.ending:
            yield Text(result.ending, "dim" if result.as_expected else "bold red")
        yield ""

    def exit_code(self, result: Done) -> Exit:
        return Exit.OK if result.as_expected else Exit.LOCAL


@command("demo", view=DemoView(), modes=("json", "plain"))
def demo(run: Run[Done]) -> None:
    """Show the commands at work, against servers of its own on loopback.

    Starts a name server, two TLS servers with throw-away certificates and an echo server on free ports of
    127.0.0.1, runs real commands against them, and prints each command line with its output. Needs no
    network. Ends in 0 if every command ended as it should; some are there to show a failure.

    Examples:

        $ netkit demo
        $ netkit demo --json | jq -r '.argv | join(" ")'
    """
    env = run.env
    extra = ["--color", env_color(env)] if env.mode == "table" else []
    with servers() as steps:
        for step in steps:
            run.result(_run(step, extra, env))


def env_color(env: Environment) -> str:
    """How a command that writes into a pipe of ours is to write for this environment's terminal."""
    return "always" if env.mode == "table" and env.color else "never"


def _run(step: Step, extra: list[str], env: Environment) -> Done:
    begun = monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "netkit", *step.words, *(extra if step.words[0] != "tcp" else [])],
        input=(step.stdin or "").encode(),
        capture_output=True,
        timeout=STEP_TIMEOUT,
        env={**os.environ, "COLUMNS": str(env.width), "PYTHONUTF8": "1"},
        check=False,
    )
    return Done(
        step,
        done.returncode,
        done.stdout.decode("utf-8", "replace"),
        done.stderr.decode("utf-8", "replace"),
        monotonic() - begun,
    )


@contextmanager
def servers() -> Iterator[list[Step]]:
    """The embedded servers, running; the steps to run against them."""
    from tempfile import TemporaryDirectory

    from netkit.dns.server import DnsServer
    from netkit.dns.zonefile import parse_zone
    from netkit.lab.echo import Echoed, echo_stream
    from netkit.net.tcp import TcpListener
    from netkit.serve.connections import in_background
    from netkit.tls.config import TlsConfig
    from netkit.tls.throwaway import ThrowawayAuthority

    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="netkit-demo-"))
        authority = ThrowawayAuthority()
        ca = os.path.join(folder, "ca.pem")
        with open(ca, "w", encoding="ascii") as file:
            file.write(authority.certificate.to_pem())
        names = DnsServer.bind("127.0.0.1:0", [parse_zone(ZONE, file="demo zone")])
        stack.enter_context(in_background(names.serve))
        echo = TcpListener.bind("127.0.0.1:0")
        echo_addr = echo.local_addr
        handler = partial(echo_stream, counts=Echoed())
        stack.enter_context(in_background(_serving(echo, handler)))
        yesterday = datetime.now(UTC) - timedelta(days=1)
        tls_addrs = []
        for not_after in (None, yesterday):
            identity = authority.issue(
                ["localhost", "127.0.0.1"], not_before=yesterday - timedelta(days=30), not_after=not_after
            )
            config = TlsConfig.server().with_identity(*identity).with_alpn(["http/1.1"])
            listener = TcpListener.bind("127.0.0.1:0")
            tls_addrs.append(listener.local_addr)
            greet = _tls_echo(config)
            stack.enter_context(in_background(_serving(listener, greet)))
        dns = ("@127.0.0.1", "-p", str(names.local_addr.port))
        good, expired = tls_addrs
        yield [
            Step(("dig", *dns, "www.demo.test", "A"), "a name server's answer, an alias followed"),
            Step(("dig", *dns, "demo.test", "MX", "+short"), "the bare values, for scripts"),
            Step(("dig", *dns, "--json", "demo.test", "TXT"), "the same as JSON Lines"),
            Step(("dig", *dns, "nowhere.demo.test"), "a name that does not exist", ends=Exit.NO),
            Step(
                ("resolve", "--server", str(names.local_addr), "www.demo.test:443"),
                "what a program would connect to",
            ),
            Step(
                ("tcp", "connect", str(echo_addr)),
                "a TCP connection as a pair of pipes",
                stdin="what goes out comes back\n",
            ),
            Step(("tls", "probe", "--ca", ca, str(good)), "a TLS server that is in order"),
            Step(
                ("tls", "probe", "--ca", ca, str(expired)),
                "one whose certificate has expired: shown all the same",
                ends=Exit.TLS,
            ),
        ]


def _serving(
    listener: TcpListener, handler: Callable[[TcpStream], Flow[None]]
) -> Callable[[Event], Flow[Any]]:
    from netkit.serve.connections import serve

    return lambda stop: serve(listener, handler, stop=stop, drain=0.0)


def _tls_echo(config: TlsConfig) -> Callable[[TcpStream], Flow[None]]:
    """What serves one connection: a handshake, then an echo."""
    from netkit.tls.stream import TlsStream

    def handle(stream: TcpStream) -> Flow[None]:
        tls = yield from TlsStream.accept_flow(stream, config)
        with tls:
            while data := (yield from tls.read_flow()):
                yield from tls.write_all_flow(data)

    return handle
