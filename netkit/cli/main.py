"""`netkit`: the table of commands, and what happens around every one of them.

A command is imported when it is named, so `netkit --version` pays for nothing and `netkit dig` only for
what dig needs; the table below is all that a command costs the others. Adding one is a line in it.

`main` is the program; `run` is the same with the environment handed in, and is what tests call.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import netkit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.context import Environment
    from netkit.cli.exits import Exit


class Entry(NamedTuple):
    """A command: what is typed, the module (below `netkit.cli.commands`) and function it is in, its line of
    help, its section."""

    path: str
    target: str
    help: str
    section: str


LOOK_UP, CONNECT, READ, SERVE, ABOUT = "Look up", "Connect and probe", "Read headers", "Serve", "About netkit"

#: The commands, in the order of the help page. The help is the first line of the command's docstring.
COMMANDS: tuple[Entry, ...] = (
    Entry("dig", "dig:dig", "Ask name servers for records, and show the whole answer.", LOOK_UP),
    Entry(
        "resolve",
        "resolve:resolve",
        "Show what this system would connect to: the addresses of a name, in the order to try them.",
        LOOK_UP,
    ),
    Entry(
        "tls probe",
        "tls:probe",
        "Show what a TLS server sends, and whether a client would accept it.",
        CONNECT,
    ),
    Entry(
        "tcp connect",
        "tcp:connect",
        "Connect to a TCP port; send standard input, write what comes back.",
        CONNECT,
    ),
    Entry(
        "tcp listen",
        "tcp:listen",
        "Wait for a TCP connection; send standard input, write what comes.",
        CONNECT,
    ),
    Entry(
        "tcp ping",
        "ping:tcp",
        "Measure how long connecting to a TCP port takes, again and again.",
        CONNECT,
    ),
    Entry("tcp scan", "scan:scan", "Find the TCP ports that take connections.", CONNECT),
    Entry("udp send", "udp:send", "Send datagrams; write what comes back.", CONNECT),
    Entry("udp listen", "udp:listen", "Receive datagrams, and write what is in them.", CONNECT),
    Entry(
        "udp ping",
        "ping:udp",
        "Measure how long a datagram to an echo server and back takes, again and again.",
        CONNECT,
    ),
    Entry(
        "unix connect",
        "unix:connect",
        "Connect to a Unix-domain socket; send standard input, write what comes back.",
        CONNECT,
    ),
    Entry(
        "unix listen",
        "unix:listen",
        "Wait for a connection to a Unix-domain socket; send standard input, write what comes.",
        CONNECT,
    ),
    Entry(
        "range", "range:range_", "Show what a Range header asks of a file, and how a server answers.", READ
    ),
    Entry("link", "link:link", "Show the links of a Link header.", READ),
    Entry(
        "http parse",
        "http_parse:parse",
        "Show what is in HTTP/1.1 messages, how each is framed and why, and what is wrong.",
        READ,
    ),
    Entry(
        "http negotiate",
        "http_negotiate:negotiate",
        "Show which offer an Accept header asks for, and why.",
        READ,
    ),
    Entry(
        "serve echo",
        "serve:echo",
        "Send back everything that comes (RFC 862), over TCP, UDP, Unix-domain sockets and TLS.",
        SERVE,
    ),
    Entry(
        "tcp echo",
        "serve:tcp_echo",
        "Send back everything that comes over TCP (RFC 862): short for `netkit serve echo --tcp`.",
        SERVE,
    ),
    Entry(
        "udp echo",
        "serve:udp_echo",
        "Send back every datagram that comes (RFC 862): short for `netkit serve echo --udp`.",
        SERVE,
    ),
    Entry(
        "serve dns",
        "serve:dns",
        "Answer for the zones of zone files, over UDP and TCP: a small authoritative name server.",
        SERVE,
    ),
    Entry("demo", "demo:demo", "Show the commands at work, against servers of its own on loopback.", ABOUT),
    Entry("version", "version:version", "Show the versions of netkit and of what it runs on.", ABOUT),
    Entry("schema", "schema:schema", "Print the JSON Schema of a command's output.", ABOUT),
)

#: The groups, which exist as soon as a command's path begins with them.
GROUPS: dict[str, str] = {
    "tcp": "TCP: connect, listen, measure.",
    "udp": "UDP: send, listen, measure.",
    "unix": "Unix sockets.",
    "tls": "TLS: probe servers, inspect certificates.",
    "http": "HTTP: fetch, parse, negotiate.",
    "ws": "WebSocket.",
    "serve": "Servers for tests: echo, DNS and more.",
}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run netkit with the arguments of the process (or `argv`), and exit."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        _occupy_closed()
    if arguments in (["--version"], ["-V"]) and sys.stdout is not None:
        try:
            sys.stdout.write(f"netkit {netkit.__version__}\n")
            sys.stdout.flush()
        except OSError:
            pass  # said, with the right exit code, on the way below
        else:
            sys.exit(0)
    from netkit.cli.signals import unready

    unready()
    from netkit.cli.frame import run_process

    sys.exit(run_process(arguments))


def run(argv: Sequence[str], env: Environment) -> Exit:
    """Run netkit with `argv` in `env`; the exit code. Raises nothing."""
    from netkit.cli.frame import run_in

    return run_in(argv, env)


def _occupy_closed() -> None:
    """Give closed standard descriptors (`>&-`) to /dev/null: otherwise the next socket gets the number,
    and what was meant for the reader is sent to a peer."""
    import os

    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number free, which is this one
