"""`netkit demo`: the real commands against servers of this process, on loopback."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextlib import ExitStack
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypedDict

from netkit.cli.frame.command import Run, command
from netkit.cli.frame.exits import Exit, explain
from netkit.cli.frame.options import option
from netkit.cli.payload.serving import Ended, Listening, ServeView, serve_until_told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.payload.demo.servers import DemoServers

#: A command that takes longer than this, in seconds, has failed.
STEP_TIMEOUT = 20.0


#: What to do where another process has a port of `--keep`.
_TAKEN = "is another `netkit demo --keep` running? If not, end the program that has this port"

#: What is said when the servers of `--keep` are left to the reader.
_GUIDE = (
    "The servers go on. In another terminal, in this directory, try:",
    "  netkit dig @127.0.0.1 -p 5300 www.demo.test",
    "  netkit tls probe --ca netkit-demo/ca.pem localhost:8443",
    "  netkit tcp connect localhost:7007",
    "  netkit http fetch :8008/hello.txt",
    "  netkit ws client :8008/echo",
    "`netkit demo --help` says what else is there. Ctrl-C ends it.",
)


class Step(NamedTuple):
    """One command line: the words after `netkit`, what it shows, its standard input, its exit code."""

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
        """The exit code in words, if it is worth a remark."""
        if not self.as_expected:
            return f"(exit code {self.exit_code}, and not {int(self.step.ends)})"
        return f"(exit code {self.exit_code})" if self.exit_code else ""


class DemoRow(TypedDict):
    """One command, and its results."""

    argv: Annotated[list[str], "The command line, in words"]
    shows: Annotated[str, "What it demonstrates"]
    stdin: Annotated[str | None, "Its standard input; null if it had none"]
    exit_code: int
    expected_exit_code: int
    stdout: str
    stderr: str
    elapsed_s: float


class DemoView(ServeView):
    """A command line, its output, and its exit code where it is not 0; with --keep, where servers listen."""

    schema = DemoRow | Listening | Ended
    has_input = False

    def to_json(self, result: Any) -> Mapping[str, Any]:
        if not isinstance(result, Done):
            return super().to_json(result)
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

    def plain(self, result: Any) -> Iterable[Line]:
        if not isinstance(result, Done):
            yield from super().plain(result)
            return
        yield f"# {result.step.shows}"
        yield f"$ {result.step.command_line}"
        yield from (result.stdout + result.stderr).splitlines()
        if result.ending:
            yield result.ending
        yield ""

    def table(self, result: Any, env: Environment) -> Iterable[Any]:
        if not isinstance(result, Done):
            yield from super().table(result, env)
            return
        from rich.text import Text

        yield Text(f"# {result.step.shows}", "dim")
        yield Text(f"$ {result.step.command_line}", "bold")
        yield Text.from_ansi((result.stdout + result.stderr).rstrip("\n"))
        if result.ending:
            yield Text(result.ending, "dim" if result.as_expected else "bold red")
        yield Text()  # a line: an empty cell would be a dash

    def exit_code(self, result: Any) -> Exit:
        return Exit.OK if not isinstance(result, Done) or result.as_expected else Exit.LOCAL


@command("demo", view=DemoView(), modes=("json", "plain"))
@option("--keep", is_flag=True, help="Keep the servers, on fixed ports, until Ctrl-C or SIGTERM.")
def demo(run: Run[Any], keep: bool) -> Exit:
    """Run real commands against netkit's own servers on loopback.

    The demo starts a name server, an echo server, two TLS servers with temporary certificates and two HTTP
    servers on free ports of 127.0.0.1. It runs real commands against them, and prints each command line with
    its output. It needs no network. The exit code is 0 if every command ended as expected; some commands
    show a failure.

    With --keep, the ports are always the same, and the servers continue after the commands, so that you can
    try your own commands. Ctrl-C or SIGTERM ends the servers. These are the servers:

        127.0.0.1:5300         a name server for demo.test
        127.0.0.2:5300         the root of a tree of name servers, up to
                               127.0.0.5, some of whose zones are broken
        localhost:7007         an echo server, over TCP and UDP, IPv4 and IPv6
        127.0.0.1:8443         TLS, with a certificate of netkit-demo/ca.pem
        127.0.0.1:8444         the same, but the certificate has expired
        127.0.0.1:8008         the files of netkit-demo/site; uploads too;
                               at /echo a WebSocket
        127.0.0.1:8009         endpoints to test HTTP clients with
        netkit-demo/echo.sock  the echo server, at a Unix-domain socket

    The command makes the directory netkit-demo in the current directory. It also has the zone file of the
    name server (demo.zone), a certificate and its key (cert.pem, key.pem), root.hints for `netkit dig
    --root-hints`, and sample inputs for commands: names.txt, servers.txt, request.http. At the end these
    files are removed, and the directory too, unless you have put other files there.

    Examples:

        $ netkit demo
        $ netkit demo --json | jq -r '.argv | join(" ")'
        $ netkit demo --keep
    """
    from tempfile import TemporaryDirectory

    from netkit.cli.payload.demo.servers import FOLDER, KEPT, Ports, demo_servers

    env = run.env
    extra = ["--color", env_color(env)] if env.mode == "table" else []
    with ExitStack() as stack:
        if keep:
            folder, ports = FOLDER, KEPT
        else:
            folder, ports = stack.enter_context(TemporaryDirectory(prefix="netkit-demo-")), Ports()
        try:
            servers = stack.enter_context(demo_servers(folder, ports))
        except OSError as error:
            failure = explain(error)
            if keep and failure.kind == "AddressInUse":
                failure = failure._replace(hint=_TAKEN)
            return run.failed(failure)
        for step in steps(servers):
            run.result(_run(step, extra, env))
        if keep:
            serve_until_told(
                run,
                servers.listening,
                lambda stop: stop.wait(),
                servers.counts,
                ready=lambda: env.say(*_GUIDE),
            )
        else:
            env.say("`netkit demo --keep` leaves the servers running, for commands of your own.")
    return run.exit_code


def env_color(env: Environment) -> str:
    """The --color for a command that writes into our pipe, so that it suits this environment's terminal."""
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


def steps(servers: DemoServers) -> list[Step]:
    """What is run against the servers."""
    from netkit.cli.payload.demo.servers import ECHO_PATH, SITE_FILE, UPLOADED

    dns = ("@127.0.0.1", "-p", str(servers.dns.port))
    return [
        Step(("dig", *dns, "www.demo.test", "A"), "a name server's answer, an alias followed"),
        Step(("dig", *dns, "demo.test", "MX", "+short"), "the bare values, for scripts"),
        Step(("dig", *dns, "--json", "demo.test", "TXT"), "the same as JSON Lines"),
        Step(("dig", *dns, "nowhere.demo.test"), "a name that does not exist", ends=Exit.NO),
        Step(
            ("resolve", "--server", str(servers.dns), "www.demo.test:443"),
            "what a program would connect to",
        ),
        Step(
            ("tcp", "connect", str(servers.echo)),
            "a TCP connection as a pair of pipes",
            stdin="what goes out comes back\n",
        ),
        Step(
            ("http", "fetch", "--offline", "example.com/notes", "title=Milk", "litres:=2"),
            "a request in HTTPie's words, shown and not sent",
        ),
        Step(
            ("http", "fetch", "-i", "-r", "0-4", f"http://{servers.http}/{SITE_FILE}"),
            "a part of a file, from a server as `netkit serve http` is one",
        ),
        Step(
            ("http", "fetch", "-i", "-T", "-", f"http://{servers.http}/{UPLOADED}"),
            "an upload to it",
            stdin="two litres\n",
        ),
        Step(
            ("http", "fetch", f"http://{servers.inspect}/get?page=2"),
            "what a server sees of a request, by `netkit serve http --inspect`",
        ),
        Step(
            ("ws", "client", "--frames", "--count", "1", f"ws://{servers.http}{ECHO_PATH}", "what goes out"),
            "a WebSocket beside the files, and the frames on the wire",
        ),
        Step(("tls", "probe", "--ca", servers.ca, str(servers.tls)), "a TLS server without problems"),
        Step(
            ("tls", "probe", "--ca", servers.ca, str(servers.expired)),
            "a TLS server with an expired certificate: shown, and refused",
            ends=Exit.TLS,
        ),
    ]
