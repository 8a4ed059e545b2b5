"""`netkit tcp connect`, against `netkit serve echo` and against peers that misbehave."""

from __future__ import annotations

import base64
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pexpect
import pytest

from tests.cli.helpers import Result, address_of, netkit_argv, process_environment
from tests.conftest import free_port, require_peer

pytestmark = pytest.mark.once


@contextmanager
def peer(serve: Callable[[socket.socket], object]) -> Iterator[str]:
    """A listener whose first connection is handed to `serve` in a thread; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                serve(connection)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield address_of(listener)
    thread.join(5)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture(scope="module")
def echo_address() -> Iterator[str]:
    with subprocess.Popen(
        netkit_argv("serve", "echo", "--tcp", "--short", "-q"),
        stdout=subprocess.PIPE,
        env=process_environment(),
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()
        process.terminate()
        assert process.wait(10) == 0


def test_the_whole_reply_and_exit_0(netkit_process: Callable[..., Result], echo_address: str) -> None:
    result = netkit_process("tcp", "connect", echo_address, stdin=b"x")
    assert (result.raw, result.stderr, result.exit_code) == (b"x", "", 0)


def test_megabytes_unchanged(netkit_process: Callable[..., Result], echo_address: str) -> None:
    sent = os.urandom(3_000_000)
    result = netkit_process("tcp", "connect", echo_address, stdin=sent)
    assert result.raw == sent
    assert result.exit_code == 0


def test_the_reply_that_comes_after_standard_input_has_ended(netkit: Callable[..., Result]) -> None:
    def answer_late(connection: socket.socket) -> None:
        asked = read_all(connection)  # returns only when our sending half was closed
        connection.sendall(asked.upper() * 1000)

    with peer(answer_late) as address:
        result = netkit("tcp", "connect", address, stdin=b"late")
    assert result.raw == b"LATE" * 1000
    assert result.exit_code == 0


def test_a_peer_that_finishes_first_still_gets_all_of_it(netkit: Callable[..., Result]) -> None:
    got: list[bytes] = []

    def greet_and_listen(connection: socket.socket) -> None:
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        got.append(read_all(connection))

    sent = bytes(500_000)
    with peer(greet_and_listen) as address:
        result = netkit("tcp", "connect", address, stdin=sent)
    assert result.raw == b"hello"
    assert got == [sent]
    assert result.exit_code == 0


def test_events(netkit: Callable[..., Result], echo_address: str) -> None:
    typed = f"tcp://{echo_address}/"
    result = netkit("tcp", "connect", "--json", typed, stdin=b"ping")
    connected, *data, closed = result.json
    assert {row["input"] for row in result.json} == {typed}
    assert connected["endpoint"] == connected["peer"] == echo_address
    (attempt,) = connected["attempts"]
    assert (attempt["peer"], attempt["outcome"], attempt["reason"]) == (echo_address, "connected", None)
    for direction in ("sent", "received"):
        pieces = [base64.b64decode(row["data_b64"]) for row in data if row["event"] == direction]
        assert b"".join(pieces) == b"ping"
    assert (closed["bytes_sent"], closed["bytes_received"], closed["finished_first"]) == (4, 4, "local")


@pytest.mark.parametrize(
    ("target", "code", "says"),
    [
        ("127.0.0.1", 2, "the port is missing"),
        ("127.0.0.1:99999", 2, "65535"),
        ("[::1:80", 2, "netkit: tcp connect:"),
    ],
)
def test_wrong_targets(netkit: Callable[..., Result], target: str, code: int, says: str) -> None:
    result = netkit("tcp", "connect", target)
    assert result.exit_code == code
    assert says in result.stderr
    assert "hint: " in result.stderr


def test_attempts_say_what_became_of_them(
    netkit: Callable[..., Result], echo_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, port = echo_address.split(":")
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port))) for address in ("127.0.0.2", host)
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)
    connected = netkit("tcp", "connect", "--json", f"both.test:{port}").json[0]
    assert [(each["peer"], each["outcome"], each["reason"]) for each in connected["attempts"]] == [
        (f"127.0.0.2:{port}", "refused", "connection refused"),
        (echo_address, "connected", None),
    ]
    assert (connected["endpoint"], connected["peer"]) == (f"both.test:{port}", echo_address)


def test_a_row_that_failed_says_what_was_typed(netkit: Callable[..., Result]) -> None:
    address = f"127.0.0.1:{free_port()}"
    (row,) = netkit("tcp", "connect", "--json", address).json
    assert row.keys() == {"type", "input", "error"}
    assert (row["input"], row["error"]["stage"]) == (address, "connect")


def test_what_a_firewall_refuses_is_4_and_the_hint_names_it() -> None:
    """In a network namespace of its own, with a route that prohibits (the kernel says EACCES)."""
    unshare, ip = require_peer("unshare"), require_peer("ip")
    setup = f'{ip} link set lo up; {ip} route add prohibit 192.0.2.0/24; exec "$@"'
    done = subprocess.run(
        [
            *([unshare] if os.geteuid() == 0 else [unshare, "--user", "--map-root-user"]),
            *("--net", "sh", "-c", setup, "sh", *netkit_argv("tcp", "connect", "--json", "192.0.2.1:80")),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=process_environment(),
        timeout=50,
        check=False,
    )
    (row,) = Result(("tcp", "connect"), done.stdout, done.stderr, done.returncode).json
    assert done.returncode == 4
    assert (row["error"]["stage"], row["error"]["kind"]) == ("connect", "PermissionDenied")
    assert "firewall" in row["error"]["hint"]


def test_refused_is_4_and_says_which_address(netkit: Callable[..., Result]) -> None:
    address = f"127.0.0.1:{free_port()}"
    result = netkit("tcp", "connect", address)
    assert result.exit_code == 4
    assert f"cannot connect to {address}: connection refused" in result.stderr


def test_unresolvable_is_3(netkit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*args: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    assert netkit("tcp", "connect", "nowhere.test:80").exit_code == 3


def test_silent_is_7_and_names_the_phase(netkit: Callable[..., Result]) -> None:
    with socket.socket() as full, socket.socket() as filler:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        filler.setblocking(False)
        fillers = [socket.socket() for _ in range(4)]
        for each in fillers:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        result = netkit("tcp", "connect", "--timeout", "0.1", address_of(full))
        for each in fillers:
            each.close()
    assert result.exit_code == 7
    assert "timed out" in result.stderr


def test_reset_is_4(netkit: Callable[..., Result]) -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    with peer(reset) as address:
        result = netkit("tcp", "connect", address, stdin=b"xy")
    assert result.exit_code == 4
    assert "reset" in result.stderr


def test_a_closed_pipe_ends_it_quietly(echo_address: str) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        netkit_argv("tcp", "connect", echo_address),
        input=b"x" * 100_000,
        stdout=write_end,
        stderr=subprocess.PIPE,
        env=process_environment(),
        timeout=20,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")


def test_at_a_terminal(echo_address: str) -> None:
    argv = netkit_argv("tcp", "connect", echo_address)
    child = pexpect.spawn(argv[0], argv[1:], env=process_environment(), timeout=30, encoding="utf-8")
    child.expect("connected to")
    child.sendline("hello there")
    child.expect("hello there\r\n")  # the terminal's own echo
    child.expect("hello there\r\n")  # the server's
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_at_a_terminal_the_session_ends_with_the_peer() -> None:
    with peer(lambda connection: connection.sendall(b"bye\n")) as address:
        argv = netkit_argv("tcp", "connect", address)
        child = pexpect.spawn(argv[0], argv[1:], env=process_environment(), timeout=30, encoding="utf-8")
        child.expect("bye")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 0


def test_ctrl_c_ends_it_at_once(echo_address: str) -> None:
    argv = netkit_argv("tcp", "connect", echo_address)
    child = pexpect.spawn(argv[0], argv[1:], env=process_environment(), timeout=30, encoding="utf-8")
    child.expect("connected to")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert "Traceback" not in (child.before or "")


def test_verbose_shows_the_attempts(netkit: Callable[..., Result], echo_address: str) -> None:
    result = netkit("tcp", "connect", "-v", echo_address, stdin=b"")
    assert re.search(rf"net.* {re.escape(echo_address)}: connected in", result.stderr)


def test_sigterm_is_143(echo_address: str) -> None:
    with subprocess.Popen(
        netkit_argv("tcp", "connect", "--json", echo_address),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=process_environment(),
    ) as process:
        assert process.stdout is not None
        assert b"connected" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143


def test_every_attempt_of_a_failed_connect_is_a_row_of_the_error(netkit: Callable[..., Result]) -> None:
    port = free_port()
    result = netkit("tcp", "connect", "--json", f"127.0.0.1:{port}")
    (row,) = result.json
    (attempt,) = row["error"]["attempts"]
    assert attempt["peer"] == f"127.0.0.1:{port}"
    assert (attempt["outcome"], attempt["reason"]) == ("refused", "connection refused")
    assert 0 <= attempt["started_s"] <= attempt["ended_s"]
