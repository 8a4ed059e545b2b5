"""Each row of the table of exit codes, as a real process ends in it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from netkit.cli.frame.exits import EXIT_TEXTS, Exit
from netkit.dns import DnsError, DnsServer, parse_zone
from netkit.dns.messages.message import Message
from netkit.serve.connections import in_background
from tests.cli.helpers import Result, address_of, netkit_argv, process_environment
from tests.conftest import free_port

# Codes and signals are those of the frame, which uses no twin.
pytestmark = pytest.mark.once

ZONE = "$ORIGIN example.test.\n@ 60 IN SOA ns1 h 1 2 3 4 5\nwww 60 A 192.0.2.1\n"


class World:
    """Addresses on loopback where each thing that can go wrong does."""

    def __init__(self, stack: ExitStack) -> None:
        server = DnsServer.bind("127.0.0.1:0", [parse_zone(ZONE, file="zone")])
        stack.enter_context(in_background(server.serve))
        self.dns = f"@{server.local_addr}"
        silent = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        silent.bind(("127.0.0.1", 0))
        self.silent = f"@{address_of(silent)}"
        self.closed = f"127.0.0.1:{free_port()}"
        taken = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.taken = address_of(taken)
        self.not_tls = self._greeting(stack)
        self.malformed = self._malformed(stack)

    def _greeting(self, stack: ExitStack) -> str:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def work() -> None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"220 not what you expect\r\n")
                connection.recv(4096)

        def end() -> None:
            listener.shutdown(socket.SHUT_RDWR)  # wakes a thread that nobody connected to
            thread.join(10)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        stack.callback(end)
        return address_of(listener)

    def _malformed(self, stack: ExitStack) -> str:
        sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.bind(("127.0.0.1", 0))

        def work() -> None:
            while True:
                query, peer = sock.recvfrom(4096)
                if query == b"end":
                    return
                try:
                    asked = Message.from_wire(query)
                except DnsError:
                    continue  # nothing of ours: the port may have been somebody else's before
                plain = bytearray(asked.replace(flags=asked.flags | 0x8000, edns=None).to_wire())
                plain[7] = 9  # nine answers, and none there
                sock.sendto(bytes(plain), peer)

        def end() -> None:
            # Closing a socket wakes no thread that waits in it, and the port would stay taken.
            sock.sendto(b"end", sock.getsockname())
            thread.join(10)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        stack.callback(end)
        return f"@{address_of(sock)}"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack)


COMMANDS: dict[Exit, Callable[[World], list[str]]] = {
    Exit.OK: lambda world: ["dig", world.dns, "www.example.test"],
    Exit.NO: lambda world: ["dig", world.dns, "nowhere.example.test"],
    Exit.USAGE: lambda world: ["tcp", "connect", "no-port"],
    Exit.UNRESOLVED: lambda world: ["dig", world.dns, "elsewhere.test"],
    Exit.NO_CONNECTION: lambda world: ["tcp", "connect", world.closed],
    Exit.TLS: lambda world: ["tls", "probe", world.not_tls],
    Exit.PROTOCOL: lambda world: ["dig", world.malformed, "a.test", "+tries=1"],
    Exit.TIMEOUT: lambda world: ["dig", world.silent, "a.test", "+time=0.05", "+tries=1"],
    Exit.LOCAL: lambda world: ["serve", "echo", "--tcp", world.taken],
    Exit.MIXED: lambda world: ["dig", world.dns, "www.example.test", "nowhere.example.test"],
}


@pytest.mark.parametrize("code", COMMANDS)
def test_it_ends_in(code: Exit, world: World, netkit_process: Callable[..., Result]) -> None:
    result = netkit_process(*COMMANDS[code](world))
    assert result.exit_code == code, result
    assert "Traceback" not in result.stderr
    if code is Exit.OK:
        assert result.stderr == ""
    else:
        assert result.stderr.startswith("netkit: ")


@pytest.mark.parametrize(
    ("code", "sent"), [(Exit.INTERRUPTED, signal.SIGINT), (Exit.TERMINATED, signal.SIGTERM)]
)
def test_signals(code: Exit, sent: signal.Signals, world: World) -> None:
    read_end, write_end = os.pipe()
    with (
        subprocess.Popen(
            netkit_argv("dig", world.silent, "-f", "-", "+time=20", "--verbose"),
            stdin=read_end,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=process_environment(),
        ) as process,
        open(write_end, "wb", 0) as questions,
    ):
        os.close(read_end)
        questions.write(b"a.test\n")
        assert process.stderr is not None
        assert process.stderr.readline()  # the dialogue has begun
        process.send_signal(sent)
        assert process.wait(10) == code
        assert b"Traceback" not in process.stderr.read()


def test_a_broken_pipe(world: World) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        netkit_argv(*COMMANDS[Exit.OK](world)),
        stdout=write_end,
        stderr=subprocess.PIPE,
        env=process_environment(),
        timeout=20,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (Exit.BROKEN_PIPE, b"")


def test_every_row_is_here_and_in_the_manual() -> None:
    assert {*COMMANDS, Exit.INTERRUPTED, Exit.TERMINATED, Exit.BROKEN_PIPE} == set(Exit) == set(EXIT_TEXTS)
    manual = (Path(__file__).parents[2] / "man" / "netkit.1").read_text()
    for code in Exit:
        assert str(int(code)) in manual
