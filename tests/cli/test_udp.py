"""`netkit udp send` and `netkit udp listen`, as they are typed."""

from __future__ import annotations

import base64
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.helpers import Result, address_of, netkit_argv, process_environment, row_of, words_of
from tests.conftest import free_port

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """Somebody who receives."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(20)
        yield sock


@contextmanager
def listening(*args: str) -> Iterator[tuple[subprocess.Popen[bytes], tuple[str, int]]]:
    """A `netkit udp listen` process, and where it receives, read from what it says."""
    with subprocess.Popen(
        netkit_argv("udp", "listen", *args),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            if "--json" in args:
                where = row_of(words_of(process), process.stdout.readline())["local"]
            else:
                where = process.stderr.readline().split()[2].decode()
            host, _, port = where.rpartition(":")
            yield process, (host.strip("[]"), int(port))
        finally:
            process.kill()


class TestSend:
    @pytest.mark.parametrize(
        ("args", "stdin", "expected"),
        [
            (("--data", "hello"), b"", [b"hello"]),
            (("--data", ""), b"", [b""]),
            (("--hex", "00:ff 0a"), b"", [b"\x00\xff\n"]),
            ((), b"all of\nit\n", [b"all of\nit\n"]),
            ((), b"", [b""]),
            (("--lines",), b"one\ntwo\r\n\nfour", [b"one", b"two", b"", b"four"]),
            (("--lines",), b"", []),
            (("--data", "x", "--count", "3"), b"", [b"x", b"x", b"x"]),
        ],
    )
    def test_what_is_sent(
        self, netkit: Netkit, peer: socket.socket, args: tuple[str, ...], stdin: bytes, expected: list[bytes]
    ) -> None:
        result = netkit("udp", "send", *args, address_of(peer), stdin=stdin)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
        assert [peer.recv(100) for _ in expected] == expected
        peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.recv(100)

    def test_a_file(self, netkit: Netkit, peer: socket.socket, tmp_path: Path) -> None:
        (tmp_path / "payload").write_bytes(bytes(range(256)))
        netkit("udp", "send", "-f", str(tmp_path / "payload"), address_of(peer))
        assert peer.recv(1000) == bytes(range(256))

    def test_replies_are_written_as_they_are(self, netkit: Netkit, peer: socket.socket) -> None:
        thread = answering(peer, b"\x00one\n", b"\xfftwo")
        result = netkit("udp", "send", "--data", "x", "--wait", "20", "--replies", "2", address_of(peer))
        thread.join()
        assert result.exit_code == 0
        assert result.raw == b"\x00one\n\xfftwo"

    def test_each_line_goes_as_it_comes_and_so_do_the_replies(self, peer: socket.socket) -> None:
        with subprocess.Popen(
            netkit_argv("udp", "send", "--lines", "--wait", "20", "--replies", "2", address_of(peer)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=process_environment(),
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for line in (b"one", b"two"):  # standard input stays open meanwhile
                process.stdin.write(line + b"\n")
                process.stdin.flush()
                data, back = peer.recvfrom(100)
                assert data == line
                peer.sendto(b"got " + line + b"\n", back)
                assert process.stdout.readline() == b"got " + line + b"\n"
            process.stdin.write(b"three, without a line end")
            process.stdin.close()
            assert peer.recv(100) == b"three, without a line end"
            assert process.wait(30) == 0

    def test_what_is_too_long_is_not_read_to_its_end(self) -> None:
        """Not /dev/zero either, which has none."""
        for args in ([], ["--lines"]):
            done = subprocess.run(
                netkit_argv("udp", "send", *args, "-f", "/dev/zero", "127.0.0.1:1"),
                capture_output=True,
                env=process_environment(),
                timeout=50,
                check=False,
            )
            assert (done.returncode, b"too long" in done.stderr) == (8, True)

    def test_json(self, netkit: Netkit, peer: socket.socket) -> None:
        thread = answering(peer, b"\xff")
        args = ("--data", "x", "--wait", "20", "--replies", "1", "--json")
        result = netkit("udp", "send", *args, address_of(peer))
        thread.join()
        sent, received, ended = result.json
        assert (sent["event"], base64.b64decode(sent["data_b64"])) == ("sent", b"x")
        assert (received["peer"], base64.b64decode(received["data_b64"])) == (address_of(peer), b"\xff")
        assert (ended["sent"], ended["received"]) == (1, 1)

    @pytest.mark.parametrize("more", [["--count", "1000000", "--interval", "1"], ["--wait", "60"]])
    def test_timeout_is_for_all_of_it(self, netkit: Netkit, peer: socket.socket, more: list[str]) -> None:
        result = netkit("udp", "send", "--data", "x", "--timeout", "50ms", *more, address_of(peer))
        assert result.exit_code == 7
        assert "timed out" in result.stderr
        assert peer.recv(10) == b"x"

    def test_no_reply_is_a_timeout(self, netkit: Netkit, peer: socket.socket) -> None:
        assert netkit("udp", "send", "--data", "x", "--wait", "20ms", address_of(peer)).exit_code == 7

    def test_nobody_receives_there(self, netkit: Netkit) -> None:
        result = netkit("udp", "send", "--data", "x", "--wait", "20", f"127.0.0.1:{free_port()}")
        assert result.exit_code == 4

    def test_too_large_a_datagram(self, netkit: Netkit, peer: socket.socket) -> None:
        result = netkit("udp", "send", address_of(peer), stdin=bytes(70_000))
        assert result.exit_code == 8
        assert "too long" in result.stderr

    def test_broadcast_is_asked_for(self, netkit: Netkit) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as everybody:
            everybody.bind(("", 0))
            everybody.settimeout(20)
            where = f"127.255.255.255:{everybody.getsockname()[1]}"
            refused = netkit("udp", "send", "--data", "x", where)
            assert refused.exit_code == 8
            assert "needs --broadcast" in refused.stderr
            assert netkit("udp", "send", "--broadcast", "--data", "x", where).exit_code == 0
            assert everybody.recv(10) == b"x"

    def test_one_host_whose_address_ends_in_255(self, netkit: Netkit) -> None:
        """It is a host as any other where the network is larger than a /24: who refuses is heard."""
        where = f"127.0.1.255:{free_port('127.0.1.255')}"
        assert netkit("udp", "send", "--data", "x", "--wait", "20", where).exit_code == 4

    def test_a_dump(self, netkit: Netkit, peer: socket.socket) -> None:
        thread = answering(peer, b"pong")
        args = ("--data", "ping", "--wait", "20", "--replies", "1", "--hexdump")
        result = netkit("udp", "send", *args, address_of(peer))
        thread.join()
        assert f"> {address_of(peer)} 4 bytes" in result.lines
        assert "|pong|" in result.stdout

    @pytest.mark.parametrize(
        "args",
        [
            ("--data", "x", "--hex", "00", "127.0.0.1:1"),
            ("--hex", "0", "127.0.0.1:1"),
            ("--replies", "1", "--data", "x", "127.0.0.1:1"),
            ("--data", "x", "127.0.0.1"),
            ("--data", "x", "--interface", "lo", "127.0.0.1:1"),
            ("--data", "x", "--interface", "nothing-like-it", "239.0.0.1:1"),
            ("--data", "x", "--ttl", "0", "127.0.0.1:1"),
            ("--data", "x", "--json", "--hexdump", "127.0.0.1:1"),
        ],
    )
    def test_wrong_usage(self, netkit: Netkit, args: tuple[str, ...]) -> None:
        result = netkit("udp", "send", *args)
        assert result.exit_code == 2
        assert "Traceback" not in result.stderr


class TestListen:
    def test_payload_is_written_as_it_is(self, peer: socket.socket) -> None:
        with listening("--count", "3") as (process, where):
            for data in (b"\x00one\n", b"", b"\xfftwo"):
                peer.sendto(data, where)
            out, said = process.communicate(timeout=30)
        assert (process.returncode, out, said) == (0, b"\x00one\n\xfftwo", b"")

    def test_json_and_replies(self, peer: socket.socket) -> None:
        with listening("--count", "1", "--json", "--reply", "ok") as (process, where):
            peer.sendto(b"question", where)
            assert peer.recv(100) == b"ok"
            out, _ = process.communicate(timeout=30)
        events = [row_of(words_of(process), line) for line in out.splitlines()]
        assert [event["event"] for event in events] == ["received", "sent", "ended"]
        assert {event["input"] for event in events} == {"127.0.0.1:0"}
        assert events[0]["peer"] == address_of(peer)

    def test_a_reply_that_cannot_be_sent_is_not_the_end(self, peer: socket.socket) -> None:
        """As one to port 0 cannot, which whoever forges a datagram may put into it."""
        with listening("--count", "2", "--reply", "x" * 70_000) as (process, where):
            peer.sendto(b"one", where)
            peer.sendto(b"two", where)
            out, said = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, b"onetwo")
        assert said.decode().count(f"cannot reply to {address_of(peer)}: message too long") == 2

    @pytest.mark.skipif(sys.platform != "linux", reason="every 127.x.x.x is Linux's")
    def test_a_reply_that_would_be_replied_to_is_not_sent(self, peer: socket.socket) -> None:
        """As to a source with the port of the listener at another address of this machine."""
        args = ("--count", "3", "--json", "--reply", "ok", "--reuse", "0.0.0.0:0")
        with (
            listening(*args) as (process, (_, port)),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own,
        ):
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            own.bind(("127.0.0.3", port))
            own.sendto(b"1", ("127.0.0.1", port))
            own.sendto(b"2", ("127.0.0.1", port))
            peer.sendto(b"question", ("127.0.0.1", port))
            assert peer.recv(100) == b"ok"
            out, said = process.communicate(timeout=30)
            with pytest.raises(BlockingIOError):
                own.recv(100, socket.MSG_DONTWAIT)
        events = [row_of(words_of(process), line) for line in out.splitlines()]
        assert [event["event"] for event in events] == ["received", "received", "received", "sent", "ended"]
        assert (events[-1]["sent"], events[-1]["loops_refused"]) == (1, 2)
        assert said.decode().count("no reply to 127.0.0.3:") == 1

    def test_nothing_came(self, netkit: Netkit) -> None:
        result = netkit("udp", "listen", "--idle-timeout", "20ms")
        assert result.exit_code == 7
        assert "listening on 127.0.0.1:" in result.stderr

    def test_enough_came(self, peer: socket.socket) -> None:
        with listening("--idle-timeout", "300ms") as (process, where):
            peer.sendto(b"x", where)
            out, _ = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, b"x")

    def test_ctrl_c(self) -> None:
        with listening() as (process, _):
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
        assert process.returncode == 130
        assert b"Traceback" not in said

    def test_over_ipv6(self) -> None:
        with (
            listening("--count", "1", "[::1]:0") as (process, where),
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender,
        ):
            sender.sendto(b"six", where)
            assert process.communicate(timeout=30)[0] == b"six"

    def test_a_port_in_use(self, netkit: Netkit, peer: socket.socket) -> None:
        assert netkit("udp", "listen", address_of(peer)).exit_code == 8

    @pytest.mark.parametrize(
        "args",
        [
            ("--join", "192.0.2.1"),
            ("--join", "nonsense"),
            ("--interface", "lo"),
            ("nonsense",),
            ("--count", "0"),
            ("--join", "239.255.77.77", "127.0.0.1:0"),
        ],
    )
    def test_wrong_usage(self, netkit: Netkit, args: tuple[str, ...]) -> None:
        assert netkit("udp", "listen", *args).exit_code == 2

    @pytest.mark.parametrize("bind", [(), ("239.255.77.77:0",), ("0.0.0.0:0",), (":0",)])
    def test_a_group(self, netkit: Netkit, bind: tuple[str, ...]) -> None:
        joining = ("--join", "239.255.77.77", "--interface", "127.0.0.1")
        with listening("--count", "1", *joining, *bind) as (process, (_, port)):
            sent = netkit("udp", "send", "--interface", "127.0.0.1", "--data", "x", f"239.255.77.77:{port}")
            assert sent.exit_code == 0
            assert process.communicate(timeout=30)[0] == b"x"


def answering(sock: socket.socket, *answers: bytes) -> threading.Thread:
    """A thread in which `sock` receives one datagram and sends these back."""

    def answer() -> None:
        _, peer = sock.recvfrom(100)
        for data in answers:
            sock.sendto(data, peer)

    thread = threading.Thread(target=answer)
    thread.start()
    return thread
