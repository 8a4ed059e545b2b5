"""`netkit tcp listen` and `netkit unix listen`, each as the process it is."""

from __future__ import annotations

import base64
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pytest

from netkit.addr import SocketAddr
from netkit.cli.payload.listening import _uninterrupted
from netkit.proxy import ProxyHeader
from tests.cli.helpers import Result, netkit_argv, process_environment, row_of
from tests.waiting import until

pytestmark = pytest.mark.once

WAIT = 20.0
ECHO = f"{sys.executable} -c 'import sys; [print(line, end=\"\", flush=True) for line in sys.stdin]'"


class Listener:
    """A netkit that listens: its process, and where it does so."""

    def __init__(self, args: tuple[str, ...], process: subprocess.Popen[bytes]) -> None:
        self.args = args
        self.process = process
        self.said: list[str] = []
        self.address = self._where()

    def _where(self) -> str:
        if "--json" in self.args:
            return str(self.event("listening")["local"])
        pipe = self.process.stdout if "--exec" in self.args else self.process.stderr
        assert pipe is not None
        for raw in pipe:
            line = raw.decode()
            self.said.append(line)
            found = re.match(r"listening(?: on |\tudp\t|\ttcp\t|\tunix\t)(\S+)", line)
            if found:
                return found[1]
        raise AssertionError(f"it did not listen: {self.said} {self.finish()}")

    def event(self, name: str) -> dict[str, Any]:
        """The next event, which must be of that name."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()
        row = row_of(self.args, line)
        assert row["event"] == name, row
        return row

    def finish(self) -> tuple[bytes, str, int]:
        """The rest of its output, what it said, and its exit code."""
        out, err = self.process.communicate(timeout=WAIT)
        return out, err.decode(), self.process.returncode

    def terminate(self) -> tuple[bytes, str, int]:
        self.process.send_signal(signal.SIGTERM)
        return self.finish()

    def connect(self) -> socket.socket:
        if self.args[0] == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(WAIT)
            sock.connect(self.address.replace("@", "\0", 1) if self.address[0] == "@" else self.address)
            return sock
        addr = SocketAddr.parse(self.address)
        return socket.create_connection((str(addr.ip), addr.port), timeout=WAIT)


@contextmanager
def listening(*args: str, stdin: bytes | None = b"") -> Iterator[Listener]:
    """Run `netkit ARGS`, with `stdin` (None: open, and nothing comes) until the end of the block."""
    with subprocess.Popen(
        netkit_argv(*args),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(),
    ) as process:
        try:
            assert process.stdin is not None
            if stdin is not None:
                process.stdin.write(stdin)
                process.stdin.close()
                process.stdin = None
            yield Listener(args, process)
        finally:
            process.kill()


def tcp(*args: str, stdin: bytes | None = b"") -> Any:
    return listening("tcp", "listen", *args, stdin=stdin)


def all_of(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def gone(listener: Listener) -> bool:
    """Whether nobody listens there any more."""
    try:
        listener.connect().close()
    except OSError:
        return True
    return False


# -- one connection


def test_one_connection_both_ways() -> None:
    with tcp(stdin=b"hello") as listener:
        with listener.connect() as sock:
            sock.sendall(b"payload")
            sock.shutdown(socket.SHUT_WR)
            assert all_of(sock) == b"hello"
        assert listener.finish() == (b"payload", "", 0)
        assert gone(listener)


def test_a_second_connection_is_not_let_in() -> None:
    with tcp("--recv-only") as listener:
        with listener.connect() as sock:
            sock.sendall(b"x")
            assert listener.process.stdout is not None
            assert listener.process.stdout.read(1) == b"x"  # it has been accepted, and the listener closed
            assert gone(listener)
        assert listener.finish()[2] == 0


def test_events_of_one() -> None:
    with tcp("--json", stdin=b"hello") as listener:
        with listener.connect() as sock:
            ours = f"127.0.0.1:{sock.getsockname()[1]}"
            connected = listener.event("connected")
            assert (connected["peer"], connected["local"]) == (ours, listener.address)
            assert base64.b64decode(listener.event("sent")["data_b64"]) == b"hello"
            assert all_of(sock) == b"hello"
            sock.sendall(b"hi")
            assert base64.b64decode(listener.event("received")["data_b64"]) == b"hi"
        closed = listener.event("closed")
        assert (closed["bytes_sent"], closed["bytes_received"], closed["finished_first"]) == (5, 2, "local")
        assert "connection" not in closed
        assert closed["tcp"]["mss"] > 500
        assert 0 < closed["tcp"]["round_trip_s"] < 10
        assert closed["tcp"]["retransmits"] >= 0
        assert listener.finish() == (b"", "", 0)


def test_nobody_comes() -> None:
    with tcp("--timeout", "50ms") as listener:
        _, said, code = listener.finish()
    assert code == 7
    assert "timed out while waiting for a connection" in said


def test_a_peer_that_resets() -> None:
    with tcp(stdin=None) as listener:
        sock = listener.connect()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        sock.sendall(b"x")
        assert listener.process.stdout is not None
        assert listener.process.stdout.read(1) == b"x"
        sock.close()
        _, said, code = listener.finish()
    assert code == 4
    assert "reset" in said


def test_an_address_in_use(netkit: Callable[..., Result]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = netkit("tcp", "listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert result.exit_code == 8
    assert "hint: another process" in result.stderr


@pytest.mark.parametrize("command", ["tcp", "unix"])
def test_it_ends_with_the_peer_where_that_is_asked_for(command: str, tmp_path: Path) -> None:
    where = [str(tmp_path / "socket")] if command == "unix" else []
    with listening(command, "listen", "--end-with-peer", *where, stdin=None) as listener:
        with listener.connect() as sock:
            sock.sendall(b"all of it")
        assert listener.finish() == (b"all of it", "", 0)


def test_what_tcp_measured_is_in_the_log() -> None:
    with tcp("-v") as listener:
        listener.connect().close()
        assert re.search(r"TCP: round trip [0-9.]+ ms, 0 retransmits, MSS \d+", listener.finish()[1])


def test_sighup_leaves_no_socket_file(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with listening("unix", "listen", str(path)) as listener:
        assert path.exists()
        listener.process.send_signal(signal.SIGHUP)
        assert listener.finish()[2] == 143
    assert not path.exists()


def test_sigterm_is_143() -> None:
    with tcp() as listener:
        assert listener.terminate()[2] == 143


def test_idle_timeout() -> None:
    with tcp("--idle-timeout", "50ms", stdin=None) as listener:
        with listener.connect() as sock:
            assert all_of(sock) == b""
        assert listener.finish()[2] == 7


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--max-conns", "5"], "--max-conns is for -k"),
        (["-k", "--timeout", "5"], "-k and --timeout exclude"),
        (["--exec", "cat", "--send-only"], "--exec and --send-only exclude"),
        (["--exec", "cat", "--on-eof", "close"], "--exec and --on-eof exclude"),
        (["--exec", "cat 'x"], "no closing quotation"),
        (["--exec", ""], "needs a command"),
        (["-k", "--max-conns", "5", "--crlf"], "--max-conns and --crlf exclude"),
        (["-k", "--max-conns", "5", "--send-only"], "--max-conns and --send-only exclude"),
        (["--cert", "x"], "--cert is for --tls"),
        (["--tls", "--key", "x"], "--key is for --cert"),
        (["--tls", "--cert", "x", "--key", "y", "--write-ca", "z"], "--cert and --write-ca exclude"),
        (["--allow", "nowhere"], "is not a network"),
        (["nonsense"], "the port is missing"),
    ],
)
def test_wrong_usage(netkit: Callable[..., Result], given: list[str], says: str) -> None:
    result = netkit("tcp", "listen", *given)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "hint: " in result.stderr


def test_a_command_that_is_not_there(netkit: Callable[..., Result]) -> None:
    result = netkit("tcp", "listen", "--exec", "/nonexistent/command")
    assert result.exit_code == 8
    assert "/nonexistent/command: no such command" in result.stderr


# -- many


def test_one_after_another() -> None:
    with tcp("-k", "--json", stdin=None) as listener:
        stdin = listener.process.stdin
        assert stdin is not None
        for number, word in enumerate((b"one", b"two", b"three"), 1):
            with listener.connect() as sock:
                assert listener.event("connected")["connection"] == number
                stdin.write(word)  # what is piped in goes to the one that is connected
                stdin.flush()
                assert sock.recv(100) == word
                listener.event("sent")
                sock.sendall(b"thanks")
                assert base64.b64decode(listener.event("received")["data_b64"]) == b"thanks"
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            assert listener.event("closed")["error"]["kind"] == "Reset"
        listener.process.send_signal(signal.SIGTERM)
        assert listener.event("ended")["counts"]["connections"] == 3
        assert listener.finish()[2] == 0


def test_several_at_the_same_time() -> None:
    with tcp("-k", "--max-conns", "2", "--json") as listener:
        socks = [listener.connect() for _ in range(3)]
        numbers = {listener.event("connected")["connection"] for _ in range(2)}
        assert numbers == {1, 2}
        socks[2].sendall(b"third")  # it waits in the backlog: nothing of it is read
        socks[1].sendall(b"second")
        received = listener.event("received")
        assert base64.b64decode(received["data_b64"]) == b"second"
        socks[0].close()
        assert listener.event("closed")["connection"] == 1
        assert listener.event("connected")["connection"] == 3
        assert base64.b64decode(listener.event("received")["data_b64"]) == b"third"
        for sock in socks:
            sock.close()
        assert {listener.event("closed")["connection"] for _ in range(2)} == {2, 3}
        listener.process.send_signal(signal.SIGTERM)
        counts = listener.event("ended")["counts"]
        assert (counts["connections"], counts["bytes_received"]) == (3, 11)
        assert listener.finish()[2] == 0


def test_a_failed_connection_is_not_the_end() -> None:
    with tcp("-k", "--json", stdin=None) as listener:
        with listener.connect() as sock:
            listener.event("connected")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        closed = listener.event("closed")
        assert closed["error"]["kind"] == "Reset"
        listener.connect().close()
        assert listener.event("connected")["connection"] == 2
        listener.process.send_signal(signal.SIGTERM)


def test_a_connection_that_never_was_there_has_failed() -> None:
    with tcp("-k", "--json", "--proxy-protocol", stdin=None) as listener:
        with listener.connect() as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            failed = listener.event("failed")
        assert (failed["connection"], failed["input"]) == (1, "127.0.0.1:0")
        assert (failed["error"]["stage"], failed["error"]["kind"]) == ("protocol", "InvalidHeader")
        listener.process.send_signal(signal.SIGTERM)
        assert listener.event("ended")["counts"]["failed"] == 1


@pytest.mark.parametrize("more", [["--tls"], ["--proxy-protocol"]], ids=["tls", "proxy"])
def test_one_who_says_nothing_holds_up_nobody(more: list[str]) -> None:
    with tcp("-k", "--recv-only", "--json", *more) as listener, listener.connect(), listener.connect():
        for number in (3, 4):
            with listener.connect() as raw:
                if more == ["--tls"]:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                    sock: socket.socket = context.wrap_socket(raw)
                else:
                    sock = raw
                    sock.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")
                with sock:
                    assert listener.event("connected")["connection"] == number
                    sock.sendall(b"hello")
                    assert base64.b64decode(listener.event("received")["data_b64"]) == b"hello"
                    if more == ["--tls"]:
                        sock.unwrap()  # type: ignore[attr-defined]
                assert listener.event("closed")["connection"] == number
        listener.process.send_signal(signal.SIGTERM)
        rows = [row_of(listener.args, line) for line in listener.finish()[0].splitlines()]
        assert [row["event"] for row in rows] == ["failed", "failed", "ended"]
        assert (rows[-1]["counts"]["cut_off"], listener.process.returncode) == (2, 0)


def test_who_is_prepared_waits_for_its_turn() -> None:
    with tcp("-k", "--recv-only", "--json", "--proxy-protocol") as listener:
        socks = [listener.connect() for _ in range(2)]
        for sock in socks:
            sock.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello")
        first = listener.event("connected")["connection"]
        listener.event("received")
        socks[first - 1].close()
        assert listener.event("closed")["connection"] == first
        assert listener.event("connected")["connection"] == 3 - first
        listener.event("received")
        socks[2 - first].close()
        assert listener.event("closed")["connection"] == 3 - first
        listener.process.send_signal(signal.SIGTERM)


def test_drain_cuts_off_what_does_not_end() -> None:
    with tcp("-k", "--json", "--drain", "50ms", stdin=None) as listener, listener.connect() as sock:
        listener.event("connected")
        listener.process.send_signal(signal.SIGTERM)
        assert "error" in listener.event("closed")
        counts = listener.event("ended")["counts"]
        assert (counts["cut_off"], counts["failed"]) == (1, 0)
        assert all_of(sock) == b""
        assert listener.finish()[2] == 0


def test_what_is_under_way_at_sigterm_goes_on_and_what_is_idle_ends() -> None:
    with (
        tcp("-k", "--max-conns", "2", "--json", stdin=None) as listener,
        listener.connect() as idle,
        listener.connect() as busy,
    ):
        for _ in range(2):
            listener.event("connected")
        listener.process.send_signal(signal.SIGTERM)
        sent = 0
        while not select.select([idle], [], [], 0.1)[0]:
            busy.sendall(b"x" * 10)
            sent += 10
        assert idle.recv(1) == b""
        busy.sendall(b"y" * 10)
        busy.close()
        rows = [row_of(listener.args, line) for line in listener.finish()[0].splitlines()]
        assert rows[-1]["event"] == "ended"
        assert rows[-1]["counts"]["bytes_received"] == sent + 10
        assert (rows[-1]["counts"]["cut_off"], rows[-1]["counts"]["failed"]) == (0, 0)
        assert all(row.get("error") is None for row in rows)
        assert listener.process.returncode == 0


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["direct", "relayed"])
def test_a_second_sigterm_cuts_commands_off(more: list[str]) -> None:
    with tcp("-k", "--drain", "60", "--exec", ECHO, *more, stdin=None) as listener:
        with listener.connect() as sock:
            sock.sendall(b"one\n")
            assert sock.recv(100) == b"one\n"
            listener.process.send_signal(signal.SIGTERM)
            until(lambda: gone(listener))
            sock.sendall(b"two\n")
            assert sock.recv(100) == b"two\n", "a command is under way until it ends"
            out, said, code = listener.terminate()
        assert code == 0
        if more:
            cut_off = row_of(listener.args, out.splitlines()[-1])["counts"]["cut_off"]
        else:
            found = re.search(r"(\d+) cut off", said)
            assert found is not None
            cut_off = int(found[1])
        assert cut_off >= 1, "and what had come to look"


@pytest.mark.parametrize(
    ("given", "let_in"),
    [
        (["--allow", "127.0.0.0/8"], True),
        (["--allow", "192.0.2.0/24"], False),
        (["--deny", "127.0.0.1"], False),
        (["--deny", "192.0.2.0/24"], True),
        (["--allow", "127.0.0.0/8", "--deny", "127.0.0.1/32"], False),
        (["--allow", "::/0"], False),
    ],
)
@pytest.mark.parametrize("bind", ["127.0.0.1:0", ":0"])
def test_networks(given: list[str], let_in: bool, bind: str) -> None:
    """Also on a socket of both families, which shows IPv4 clients with IPv6 addresses."""
    with tcp("-k", "--json", *given, bind) as listener:
        port = listener.address.rpartition(":")[2]
        with socket.create_connection(("127.0.0.1", int(port)), timeout=WAIT) as sock:
            if let_in:
                listener.event("connected")
            else:
                assert listener.event("refused")["peer"].startswith("127.0.0.1:")
                assert all_of(sock) == b""


def test_one_that_is_refused_is_not_the_one() -> None:
    with tcp("--deny", "127.0.0.2") as listener:
        addr = SocketAddr.parse(listener.address)
        with socket.create_connection(("127.0.0.1", addr.port), WAIT, ("127.0.0.2", 0)) as sock:
            assert all_of(sock) == b""
        with listener.connect() as sock:
            sock.sendall(b"hi")
        out, said, code = listener.finish()
    assert (out, code) == (b"hi", 0)
    assert "refused a connection from 127.0.0.2:" in said
    assert "denied by 127.0.0.2/32" in said


# -- commands


def test_exec() -> None:
    with tcp("--exec", ECHO) as listener:
        with listener.connect() as sock:
            sock.sendall(b"hello\n")
            assert sock.recv(100) == b"hello\n"
            sock.shutdown(socket.SHUT_WR)
            assert all_of(sock) == b""
        assert listener.finish() == (b"", "", 0)


def test_exec_is_told_who_it_is_and_gets_a_blocking_socket() -> None:
    names = '"PROTO", "TCPREMOTEIP", "TCPREMOTEPORT", "TCPLOCALPORT"'
    code = f"import os; print(*map(os.environ.get, ({names})), os.get_blocking(0))"
    with tcp("--exec", f"{sys.executable} -c '{code}'") as listener, listener.connect() as sock:
        told = all_of(sock).decode().split()
        assert told == [
            "TCP", "127.0.0.1", str(sock.getsockname()[1]), listener.address.rpartition(":")[2], "True",
        ]  # fmt: skip


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["direct", "relayed"])
def test_exec_for_many(more: list[str]) -> None:
    with tcp("-k", "--exec", ECHO, *more) as listener:
        socks = [listener.connect() for _ in range(8)]
        for index, sock in enumerate(socks):
            sock.sendall(b"%d\n" % index)
        for index, sock in enumerate(socks):
            assert sock.recv(100) == b"%d\n" % index
            sock.close()
        assert listener.terminate()[2] == 0


def test_exec_status_and_bytes() -> None:
    with tcp("--json", "--exec", "sh -c 'read x; echo $x; exit 3'") as listener:
        with listener.connect() as sock:
            assert listener.event("connected")["pid"] > 0
            sock.sendall(b"hi\n")
            assert all_of(sock) == b"hi\n"
        assert base64.b64decode(listener.event("received")["data_b64"]) == b"hi\n"
        assert base64.b64decode(listener.event("sent")["data_b64"]) == b"hi\n"
        closed = listener.event("closed")
        assert (closed["exit_code"], closed["bytes_sent"], closed["bytes_received"]) == (3, 3, 3)


def test_exec_that_reads_nothing() -> None:
    with tcp("--json", "--exec", "echo bye") as listener:
        with listener.connect() as sock:
            assert all_of(sock) == b"bye\n"
        listener.event("connected")
        listener.event("sent")
        assert listener.event("closed")["exit_code"] == 0
        assert listener.finish()[2] == 0


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["direct", "relayed"])
def test_commands_do_not_outlive_a_drained_server(more: list[str]) -> None:
    given = ["-k", "--drain", "50ms", "--exec", "sh -c 'echo $$; exec sleep 600'"]
    with tcp(*given, *more) as listener, listener.connect() as sock:
        pid = int(sock.recv(100))
        assert listener.terminate()[2] == 0
        assert all_of(sock) == b""
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_ctrl_c_ends_the_commands() -> None:
    with tcp("--exec", "sh -c 'echo $$; exec sleep 600'") as listener, listener.connect() as sock:
        pid = int(sock.recv(100))
        listener.process.send_signal(signal.SIGINT)
        assert listener.finish()[2] == 130
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_ctrl_c_while_a_command_is_started_comes_after_it() -> None:
    done = []

    def start() -> None:
        with _uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("started")

    with pytest.raises(KeyboardInterrupt):
        start()
    assert done == ["started"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="Linux only")
def test_commands_are_reaped_and_nothing_leaks() -> None:
    with tcp("-k", "-v", "--exec", "true") as listener:
        proc = Path(f"/proc/{listener.process.pid}")
        stderr = listener.process.stderr
        assert stderr is not None
        before = len(list((proc / "fd").iterdir()))
        for _ in range(20):
            with listener.connect() as sock:
                assert all_of(sock) == b""
        ended = 0
        while ended < 20:  # each is said when it has been reaped
            ended += b"ended with status 0" in stderr.readline()
        assert not (proc / "task" / str(listener.process.pid) / "children").read_text()
        # The driver's own are made at the first wait; of 20 connections nothing is left.
        assert len(list((proc / "fd").iterdir())) <= before + 3
        assert listener.terminate()[2] == 0


# -- TLS and the PROXY protocol


def test_tls_with_a_certificate_made_on_the_spot(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    with tcp("--tls", "--write-ca", str(ca), "--alpn", "x,y", stdin=b"hello") as listener:
        assert any("SHA-256" in line for line in listener.said)
        context = ssl.create_default_context(cafile=str(ca))
        context.set_alpn_protocols(["y"])
        with context.wrap_socket(listener.connect(), server_hostname="localhost") as sock:
            assert sock.selected_alpn_protocol() == "y"
            sock.sendall(b"hi")
            assert sock.recv(100) == b"hello"
            sock.unwrap()
        assert listener.finish()[0::2] == (b"hi", 0)


def test_tls_and_a_command(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    with tcp("-k", "--tls", "--write-ca", str(ca), "--exec", ECHO) as listener:
        context = ssl.create_default_context(cafile=str(ca))
        for _ in range(2):
            with context.wrap_socket(listener.connect(), server_hostname="127.0.0.1") as sock:
                sock.sendall(b"hi\n")
                assert sock.recv(100) == b"hi\n"
        with listener.connect() as plain:  # one that does not speak TLS is not the end
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            all_of(plain)
        with context.wrap_socket(listener.connect(), server_hostname="localhost") as sock:
            sock.sendall(b"hi\n")
            assert sock.recv(100) == b"hi\n"
        _, said, code = listener.terminate()
    assert code == 0
    assert "connection 3" in said
    assert "does not speak TLS" in said


def test_tls_with_a_certificate_of_ones_own(tmp_path: Path) -> None:
    from netkit.tls.throwaway import ThrowawayAuthority

    authority = ThrowawayAuthority()
    certificate, key = authority.issue(["www.example"])
    (tmp_path / "cert.pem").write_text(certificate.to_pem())
    (tmp_path / "key.pem").write_text(key.to_pem())
    given = ["--cert", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem")]
    with tcp("--tls", *given, stdin=b"hello") as listener:
        context = ssl.create_default_context(cadata=authority.certificate.to_pem())
        with context.wrap_socket(listener.connect(), server_hostname="www.example") as sock:
            assert sock.recv(100) == b"hello"


def test_a_key_of_another_certificate(tmp_path: Path, netkit: Callable[..., Result]) -> None:
    from netkit.tls.throwaway import ThrowawayAuthority

    authority = ThrowawayAuthority()
    (tmp_path / "cert.pem").write_text(authority.issue(["www.example"])[0].to_pem())
    (tmp_path / "key.pem").write_text(authority.issue(["www.example"])[1].to_pem())
    given = ["--cert", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem")]
    result = netkit("tcp", "listen", "--tls", *given)
    assert result.exit_code == 8
    assert "private key" in result.stderr


@pytest.mark.parametrize("version", [1, 2])
def test_proxy_protocol(version: int) -> None:
    header = ProxyHeader(SocketAddr.parse("192.0.2.1:1234"), SocketAddr.parse("192.0.2.2:80"))
    command = "sh -c 'echo $TCPREMOTEIP; cat'"
    with tcp("--proxy-protocol", "--json", "--exec", command) as listener, listener.connect() as sock:
        sock.sendall(header.to_bytes(version) + b"first\n")
        assert listener.event("connected")["peer"] == "192.0.2.1:1234"
        sock.shutdown(socket.SHUT_WR)
        assert all_of(sock) == b"192.0.2.1\nfirst\n"


def test_no_proxy_protocol_header() -> None:
    with tcp("--proxy-protocol") as listener:
        with listener.connect() as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            all_of(sock)
        _, said, code = listener.finish()
    assert code == 6
    assert "invalid PROXY protocol header" in said


# -- at a terminal


def test_at_a_terminal() -> None:
    argv = netkit_argv("tcp", "listen", "-k")
    child = pexpect.spawn(argv[0], argv[1:], env=process_environment(), timeout=WAIT, encoding="utf-8")
    child.expect(r"listening on (127\.0\.0\.1:(\d+)) \(TCP\)")
    port = int(child.match[2])
    for word in ("one", "two"):
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as sock:
            child.expect("connection from 127")
            child.sendline(word)
            assert sock.recv(100) == f"{word}\n".encode()
            sock.sendall(b"answer\n")
            child.expect("answer")
    child.sendintr()
    child.expect_exact("^C\r\nserved for ")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130


# -- Unix-domain sockets


def test_unix_both_ways(tmp_path: Path, netkit_process: Callable[..., Result]) -> None:
    path = str(tmp_path / "s")
    with listening("unix", "listen", "--mode", "600", path, stdin=b"hello") as listener:
        assert Path(path).stat().st_mode & 0o777 == 0o600
        result = netkit_process("unix", "connect", "--json", path, stdin=b"hi")
        assert listener.finish() == (b"hi", "", 0)
    connected, *_, closed = result.json
    assert connected["credentials"] == {"pid": listener.process.pid, "uid": os.getuid(), "gid": os.getgid()}
    assert (closed["bytes_sent"], closed["bytes_received"]) == (2, 5)
    assert not Path(path).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_unix_abstract_and_a_command(netkit: Callable[..., Result]) -> None:
    name = f"@netkit-test-{os.getpid()}"
    command = "sh -c 'echo $PROTO $UNIXREMOTEPID; cat'"
    with listening("unix", "listen", "-k", name, "--exec", command) as listener:
        for _ in range(2):
            result = netkit("unix", "connect", "--crlf", "--hexdump", name, stdin=b"a\n")
            assert result.raw == f"UNIX {os.getpid()}\na\r\n".encode()
            assert "> 00000000  61 0d 0a" in result.stderr
        assert listener.terminate()[2] == 0


def test_unix_tls(tmp_path: Path, netkit: Callable[..., Result]) -> None:
    path, ca = str(tmp_path / "s"), str(tmp_path / "ca.pem")
    with listening("unix", "listen", "--tls", "--write-ca", ca, path, stdin=b"hello") as listener:
        result = netkit(
            "unix", "connect", "--tls", "--ca", ca, "--servername", "localhost", path, stdin=b"hi"
        )
        assert (result.raw, result.exit_code) == (b"hello", 0)
        assert listener.finish()[0] == b"hi"


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["connect", "DIR/none"], 4, "hint: is the server running"),
        (["connect", "x" * 200], 2, "200 bytes"),
        (["connect", "@"], 2, "an abstract name is needed"),
        (["connect", "--tls", "DIR/none"], 2, "there is no name to verify"),
        (["connect", "--recv-only", "--crlf", "DIR/none"], 2, "exclude each other"),
        (["listen", "DIR/none/s"], 8, "cannot listen on"),
        (["listen", "DIR"], 8, "cannot listen on"),
        (["listen", "--mode", "999", "DIR/s"], 2, "is not a file's mode"),
        (["listen", "--mode", "600", "@name"], 2, "--mode is for a file, and @name is not a file"),
        (["connect", "DIR"], 4, "the file there is not a socket"),
    ],
)
def test_unix_errors(
    netkit: Callable[..., Result], tmp_path: Path, args: list[str], code: int, says: str
) -> None:
    result = netkit("unix", *(arg.replace("DIR", str(tmp_path)) for arg in args))
    assert says in result.stderr
    assert result.exit_code == code


# -- IPv4 over a socket for both families


def ipv4(listener: Listener) -> socket.socket:
    """A connection to a listener at `:PORT`, over IPv4."""
    return socket.create_connection(("127.0.0.1", SocketAddr.parse(listener.address).port), timeout=WAIT)


def test_an_ipv4_peer_is_ipv4_wherever_it_is_named() -> None:
    command = "sh -c 'echo $TCPREMOTEIP $TCPLOCALIP'"
    with listening("tcp", "listen", "-k", "--json", "--exec", command, ":0") as listener:
        with ipv4(listener) as sock:
            assert sock.makefile().read() == "127.0.0.1 127.0.0.1\n"
            row = listener.event("connected")
            assert row["peer"] == f"127.0.0.1:{sock.getsockname()[1]}"
            assert row["local"] == f"127.0.0.1:{sock.getpeername()[1]}"
        listener.terminate()


def test_an_ipv4_peer_in_what_is_said() -> None:
    with listening("tcp", "listen", "-k", "--deny", "127.0.0.1", ":0") as listener:
        with ipv4(listener) as sock:
            assert sock.recv(1) == b""
        assert "refused a connection from 127.0.0.1:" in listener.terminate()[1]
