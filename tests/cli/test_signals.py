"""Ctrl-C and SIGTERM outside and inside a command: an exit code, never a traceback, and never lost."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.cli.helpers import address_of, netkit_argv, process_environment

pytestmark = pytest.mark.once

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


def ended(code: str) -> tuple[int, bytes, bytes]:
    """What came of a process that runs this: exit code, standard output, standard error."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=process_environment(),
        capture_output=True,
        timeout=50,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("module", ["click", "netkit.cli.frame.root", "netkit.cli.commands.version", "rich"])
def test_while_modules_are_imported(number: int, code: int, module: str) -> None:
    program = f"""
import os, sys
class Sending:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), {number:d})
sys.meta_path.insert(0, Sending())
from netkit.cli.main import main
main(["version", "--json"] if {module!r} != "rich" else ["version", "--color", "always"])
"""
    assert ended(program) == (code, b"", b"")


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_while_the_interpreter_ends(number: int, code: int) -> None:
    program = f"""
import atexit, os
atexit.register(os.kill, os.getpid(), {number:d})
from netkit.cli.main import main
main(["schema", "--short"])
"""
    returned, out, errors = ended(program)
    assert (returned, errors) == (code, b"")
    assert out.startswith(b"dig\n"), "what was written by then is there"


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 0, b"KeyboardInterrupt\n"), (signal.SIGTERM, -signal.SIGTERM, b"")],
)
def test_where_python_can_only_print_it(number: int, code: int, said: bytes) -> None:
    """In a `__del__`: it comes again a moment later, and a second SIGTERM ends the process at once."""
    program = f"""
import os, signal, threading
from netkit.cli.frame import signals
signals.unready()
signals.ready()
class Closing:
    def __del__(self):
        os.kill(os.getpid(), {number:d})
        for _ in range(1000): pass
try:
    Closing()
    threading.Event().wait(40)
except KeyboardInterrupt as error:
    print(type(error).__name__)
"""
    assert ended(program) == (code, said, b"")


def test_other_exceptions_there_are_printed_as_ever() -> None:
    program = """
from netkit.cli.frame import signals
signals.ready()
class Closing:
    def __del__(self):
        raise ValueError("of the program itself")
Closing()
"""
    assert b"of the program itself" in ended(program)[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_ignored_stays_ignored(number: int) -> None:
    program = f"""
import os, signal
from netkit.cli.frame import signals
signal.signal({number:d}, signal.SIG_IGN)
for change in (signals.unready, signals.ready, signals.unready):
    change()
    assert signal.getsignal({number:d}) is signal.SIG_IGN
os.kill(os.getpid(), {number:d})
print("here")
"""
    assert ended(program) == (0, b"here\n", b"")


# -- at a terminal

ZONE = "$ORIGIN t.test.\n$TTL 60\n@ SOA a b 1 2 3 4 5\n"


@pytest.fixture
def silent() -> Iterator[str]:
    """A port that takes datagrams and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield address_of(sock)


def at_a_terminal(args: tuple[str, ...]) -> pexpect.spawn[str]:
    argv = netkit_argv(*args)
    return pexpect.spawn(
        argv[0], argv[1:], env=process_environment(TERM="xterm"), timeout=30, encoding="utf-8"
    )


AT_A_TERMINAL = [
    (("serve", "echo"), r"\(UDP\)", "served for "),
    (("serve", "echo", "--workers", "2"), r"\(UDP\)", "served for "),
    (("serve", "echo", "--json"), '"udp"', '"ended"'),
    (("serve", "dns", "--zone", "ZONE"), r"\(TCP\)", "served for "),
    (("tcp", "listen", "-k", "--exec", "true"), "listening on", "served for "),
    (("tcp", "listen"), "listening on", ""),
    (("unix", "listen", "@netkit-ctrl-c"), "listening on", ""),
    (("udp", "listen", "--json"), '"listening"', '"ended"'),
    (("udp", "ping", "SILENT"), "0 received|no reply|timeout|sent", "sent"),
]


@pytest.mark.parametrize(
    ("args", "ready", "then"),
    AT_A_TERMINAL,
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_nothing_is_written_behind_ctrl_c(
    args: tuple[str, ...], ready: str, then: str, silent: str, tmp_path: Path
) -> None:
    (tmp_path / "zone").write_text(ZONE)
    named = {"ZONE": str(tmp_path / "zone"), "SILENT": silent}
    child = at_a_terminal(tuple(named.get(each, each) for each in args))
    child.expect(ready)
    child.sendintr()
    child.expect_exact("^C")
    rest = child.read()
    child.close()
    assert child.exitstatus == 130
    assert rest.startswith(("\r\n", "\r\x1b[2K")), "the line of ^C is left, or erased"
    assert not rest.startswith("\r\n\r\n"), "once"
    assert then in rest


def test_sigterm_leaves_no_line() -> None:
    child = at_a_terminal(("tcp", "listen"))
    child.expect(r"listening on \S+ \(TCP\)\r\n")
    child.kill(signal.SIGTERM)
    assert child.read() == ""
    child.close()
    assert child.exitstatus == 143
