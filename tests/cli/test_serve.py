"""`netkit serve echo` and `netkit serve dns`: where they listen, what they answer, how they end."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from netkit.addr import SocketAddr
from netkit.dns import DnsRecordType, Resolver, make_query
from netkit.io import run
from netkit.net import TcpStream, UdpSocket
from tests.cli.helpers import Result, address_of, netkit_argv, process_environment, row_of, words_of

# The life of a server is tested; what it answers is tested over both twins elsewhere.
pytestmark = pytest.mark.once

ZONE = """\
$ORIGIN example.test.
@ 300 IN SOA ns1 hostmaster 1 3600 600 86400 60
@ 300 NS ns1
ns1 300 A 127.0.0.1
"""


class Server:
    """A running `netkit serve ... --json`, and the events it has written."""

    def __init__(self, process: subprocess.Popen[bytes], sockets: int) -> None:
        self.process = process
        assert process.stdout is not None
        self.listening = []
        for _ in range(sockets):
            line = process.stdout.readline()
            assert line, process.communicate()  # it has ended, and says why
            self.listening.append(row_of(words_of(process), line))

    def addr(self, transport: str) -> SocketAddr:
        return next(
            SocketAddr.parse(event["local"]) for event in self.listening if event["transport"] == transport
        )

    def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, dict[str, int]]:
        """Send it a signal; its exit code, and what it says that it did."""
        self.process.send_signal(how)
        out, errors = self.process.communicate(timeout=20)
        assert out, (self.process.returncode, errors)
        return self.process.returncode, row_of(words_of(self.process), out.splitlines()[-1])["counts"]


@contextmanager
def serving(*args: str, sockets: int) -> Iterator[Server]:
    with subprocess.Popen(
        netkit_argv("serve", *args, "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(),
    ) as process:
        try:
            yield Server(process, sockets)
        finally:
            process.kill()


class TestEcho:
    def test_tcp_and_udp_at_one_port(self) -> None:
        with serving("echo", sockets=2) as server:
            assert server.addr("tcp") == server.addr("udp")
            with TcpStream.connect(server.addr("tcp"), timeout=5) as stream:
                stream.write_all(b"over tcp")
                assert stream.read_exactly(8, timeout=5) == b"over tcp"
            with UdpSocket.connected(server.addr("udp")) as sock:
                sock.send(b"over udp")
                assert sock.recv(timeout=5) == b"over udp"
            code, counts = server.end()
            assert code == 0
            assert counts == {
                "connections": 1,
                "active": 0,
                "datagrams": 1,
                "loops_refused": 0,
                "bytes": 16,
                "failed": 0,
                "cut_off": 0,
            }

    def test_sigterm_sends_back_everything_that_had_arrived(self) -> None:
        with serving("echo", "--tcp", sockets=1) as server:
            clients = [TcpStream.connect(server.addr("tcp"), timeout=5) for _ in range(20)]
            for client in clients:
                client.write_all(b"y" * 50_000)
                client.read_exactly(1, timeout=5)  # it is being served
            code, counts = server.end()
            assert [len(b"".join(client)) for client in clients] == [49_999] * 20
            assert (code, counts["cut_off"], counts["bytes"]) == (0, 0, 1_000_000)
            for client in clients:
                client.close()

    def test_ctrl_c_ends_it_at_once_with_what_was_done(self) -> None:
        with serving("echo", "--tcp", sockets=1) as server, TcpStream.connect(server.addr("tcp")) as stream:
            stream.write_all(b"z")
            stream.read_exactly(1, timeout=5)
            code, counts = server.end(signal.SIGINT)
            assert (code, counts["connections"]) == (130, 1)

    def test_a_port_in_use_is_8_and_says_what_to_do(self, netkit: Callable[..., Result]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            result = netkit("serve", "echo", address_of(taken))
        assert result.exit_code == 8
        assert "address already in use" in result.stderr
        assert "hint: " in result.stderr

    def test_two_addresses(self) -> None:
        with serving("echo", "--udp", "127.0.0.1:0", "127.0.0.2:0", sockets=2) as server:
            assert {str(SocketAddr.parse(event["local"]).ip) for event in server.listening} == {
                "127.0.0.1",
                "127.0.0.2",
            }
            assert [event["input"] for event in server.listening] == ["127.0.0.1:0", "127.0.0.2:0"]
            server.process.send_signal(signal.SIGTERM)
            assert server.process.stdout is not None
            ended = row_of(words_of(server.process), server.process.stdout.readline())
            assert (ended["event"], ended["input"]) == ("ended", None)

    @pytest.mark.parametrize(
        ("given", "named"), [([], "127.0.0.1:0"), (["localhost:0"], "localhost:0"), ([":0"], ":0")]
    )
    def test_every_event_says_which_bind_it_is_about(self, given: list[str], named: str) -> None:
        with serving("echo", "--tcp", *given, sockets=1) as server:
            server.process.send_signal(signal.SIGTERM)
            assert server.process.stdout is not None
            ended = row_of(words_of(server.process), server.process.stdout.readline())
            assert server.listening[0]["input"] == ended["input"] == named

    def test_short_is_the_address_alone(self) -> None:
        with subprocess.Popen(
            netkit_argv("serve", "echo", "--tcp", "--short"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=process_environment(),
        ) as process:
            assert process.stdout is not None
            SocketAddr.parse(process.stdout.readline().decode().strip())
            process.terminate()
            assert process.wait(10) == 0

    def test_a_bind_that_is_none(self, netkit: Callable[..., Result]) -> None:
        result = netkit("serve", "echo", "127.0.0.1:http:x")
        assert result.exit_code == 2
        assert "hint: " in result.stderr


class TestDns:
    def test_answers_over_udp_and_tcp(self, tmp_path: Path) -> None:
        (tmp_path / "zone").write_text(ZONE)
        with serving("dns", "--zone", str(tmp_path / "zone"), sockets=2) as server:
            resolver = Resolver([server.addr("udp")], timeout=5)
            assert [str(address) for address in resolver.lookup_a("ns1.example.test")] == ["127.0.0.1"]
            over_tcp = Resolver([server.addr("tcp")], options=resolver.options.replace(tcp=True))
            answer = run(over_tcp.resolve_flow("example.test", DnsRecordType.SOA))
            assert answer.replies[0].transport == "tcp"
            code, counts = server.end()
            assert (code, counts["queries"], counts["responses"]) == (0, 2, 2)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("@ IN SOA a b 1 2 3 4 5\nx 5 IN A 192.0.2.999\n", ":4:18: "),
            ("x IN A 192.0.2.1\n", ": no SOA"),
            ('@ IN SOA a b 1 2 3 4 5\nx TXT "open\n', ":4:7: "),
        ],
    )
    def test_a_malformed_zone_is_8_with_file_line_and_column(
        self, netkit: Callable[..., Result], tmp_path: Path, text: str, says: str
    ) -> None:
        path = tmp_path / "bad.zone"
        path.write_text(f"$ORIGIN t.test.\n$TTL 60\n{text}")
        result = netkit("serve", "dns", "--zone", str(path))
        assert result.exit_code == 8
        assert str(path) in result.stderr
        assert says in result.stderr
        assert "Traceback" not in result.stderr

    def test_sighup_reads_the_zones_again(self, tmp_path: Path) -> None:
        zone = tmp_path / "zone"
        zone.write_text(ZONE)
        with serving("dns", "--zone", str(zone), sockets=2) as server:
            resolver = Resolver([server.addr("udp")], timeout=5)
            assert server.process.stdout is not None
            for text, address, failed in [
                (ZONE.replace("127.0.0.1", "192.0.2.1"), "192.0.2.1", False),
                (ZONE.replace("127.0.0.1", "192.0.2.999"), "192.0.2.1", True),
            ]:
                zone.write_text(text.replace("hostmaster 1 ", "hostmaster 2 "))
                server.process.send_signal(signal.SIGHUP)
                event = row_of(words_of(server.process), server.process.stdout.readline())
                assert event["event"] == "reloaded"
                assert (event.get("error") is not None) == failed
                assert [str(each) for each in resolver.lookup_a("ns1.example.test")] == [address]
            assert server.end()[0] == 0

    def test_no_such_file_is_8(self, netkit: Callable[..., Result], tmp_path: Path) -> None:
        result = netkit("serve", "dns", "--zone", str(tmp_path / "nowhere"))
        assert result.exit_code == 8
        assert "no such file" in result.stderr.lower()

    def test_a_record_that_no_message_can_carry(self, netkit: Callable[..., Result], tmp_path: Path) -> None:
        path = tmp_path / "large.zone"
        strings = " ".join([f'"{"x" * 255}"'] * 257)
        path.write_text(f"$ORIGIN t.test.\n$TTL 60\n@ IN SOA a b 1 2 3 4 5\nx TXT {strings}\n")
        result = netkit("serve", "dns", "--zone", str(path))
        assert result.exit_code == 8
        assert (
            f"{path}:4:1: 65,792 octets of data: no message of 65,535 octets can carry them" in result.stderr
        )


class Logging(Server):
    """One with -v in place of --json: where it listens is in its lines."""

    def __init__(self, process: subprocess.Popen[bytes], sockets: int) -> None:
        self.process = process
        assert process.stdout is not None
        lines = [process.stdout.readline().decode().split() for _ in range(sockets)]
        self.listening = [{"transport": words[-2], "local": words[-1]} for words in lines]

    def log(self) -> list[str]:
        """End it: what it logged, each line without its time, which is a time of day."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=20)
        *lines, last = [
            line for line in errors.decode().splitlines() if not line.startswith(("netkit: ", "hint: "))
        ]
        assert last.startswith("served for ")
        timed = [re.fullmatch(r"(\S+) (\S+) +(.*)", line) for line in lines]
        assert all(timed), lines
        for found in timed:
            moment = datetime.fromisoformat(found[1])  # type: ignore[index]
            assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
        return [found[3] for found in timed]  # type: ignore[index]


@contextmanager
def logging(*args: str, sockets: int) -> Iterator[Logging]:
    with subprocess.Popen(
        netkit_argv(*args, "-v", "--plain"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(),
    ) as process:
        try:
            yield Logging(process, sockets)
        finally:
            process.kill()


def reset(sock: socket.socket) -> None:
    """End a connection by a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class TestWhoCame:
    @pytest.mark.parametrize("faults", [[], ["--delay", "1ms"]], ids=["loop", "flows"])
    def test_in_the_log_of_an_echo_server(self, faults: list[str]) -> None:
        with logging("serve", "echo", *faults, sockets=2) as server:
            addr = server.addr("tcp")
            with socket.create_connection((str(addr.ip), addr.port)) as good:
                first = f"127.0.0.1:{good.getsockname()[1]}"
                good.sendall(b"hello")
                assert good.recv(5, socket.MSG_WAITALL) == b"hello"
                good.shutdown(socket.SHUT_WR)
                assert good.recv(1) == b""
            bad = socket.create_connection((str(addr.ip), addr.port))
            second = f"127.0.0.1:{bad.getsockname()[1]}"
            bad.sendall(b"x")
            assert bad.recv(1) == b"x"
            reset(bad)
            with UdpSocket.connected(server.addr("udp")) as sock:
                sock.send(b"datagram")
                sock.recv(timeout=5)
                peer = sock.local_addr
            lines = server.log()
        assert f"connection 1 from {first} to {addr}" in lines
        assert f"connection 2 from {second} to {addr}" in lines
        assert f"a datagram from {peer}: 8 bytes echoed" in lines
        assert any(re.fullmatch(r"connection 1 closed after \S+ s: 5 bytes echoed", line) for line in lines)
        assert any(
            re.fullmatch(r"connection 2 closed after \S+ s: 1 bytes echoed; .*reset.*", line)
            for line in lines
        )

    def test_in_the_log_of_a_name_server(self, tmp_path: Path) -> None:
        (tmp_path / "zone").write_text(ZONE)
        with logging("serve", "dns", "--zone", str(tmp_path / "zone"), sockets=2) as server:
            with UdpSocket.connected(server.addr("udp")) as sock:
                peer, sizes = sock.local_addr, []
                for query in (
                    make_query("ns1.example.test.", 1, id=1, edns=None).to_wire(),
                    make_query("none.example.test.", DnsRecordType.MX, id=2).to_wire(),
                    make_query("a\\027[2J.net.", 1, id=3).to_wire(),
                    b"\0" * 12,
                ):
                    sock.send(query)
                    sizes.append(len(sock.recv(timeout=5)))
                sock.send(b"")
            lines = [line for line in server.log() if str(peer) in line]
        assert lines == [
            f"{peer} over UDP: ns1.example.test. A: NOERROR, {sizes[0]} octets",
            f"{peer} over UDP: none.example.test. MX: NXDOMAIN, {sizes[1]} octets",
            f"{peer} over UDP: a\\027[2J.net. A: REFUSED, {sizes[2]} octets",
            f"{peer} over UDP: no question: FORMERR, {sizes[3]} octets",
            f"{peer} over UDP: no question: no response",
        ]

    def test_in_the_log_of_a_listener(self) -> None:
        with subprocess.Popen(
            netkit_argv("tcp", "listen", "-k", "-v", "--recv-only"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=process_environment(),
        ) as process:
            assert process.stderr is not None
            where = re.search(rb"listening on (\S+) ", process.stderr.readline())
            assert where is not None
            addr = SocketAddr.parse(where[1].decode())
            with socket.create_connection((str(addr.ip), addr.port)) as sock:
                peer = f"127.0.0.1:{sock.getsockname()[1]}"
                sock.sendall(b"hello")
                sock.shutdown(socket.SHUT_WR)
                assert sock.recv(1) == b""
            process.send_signal(signal.SIGTERM)
            out, errors = process.communicate(timeout=20)
        assert out == b"hello"
        lines = errors.decode().splitlines()
        assert any(line.endswith(f"connection 1: connection from {peer}") for line in lines), lines
        ended = r"20\d\d-\S+Z listen +connection 1 ended after \S+ s: 0 bytes sent, 5 received"
        assert any(re.fullmatch(ended, line) for line in lines), lines

    def test_events_of_an_echo_server(self) -> None:
        with serving("echo", "--events", "--workers", "2", "127.0.0.1:0", "127.0.0.2:0", sockets=4) as server:
            words = words_of(server.process)
            assert server.process.stdout is not None
            rows = []
            for host in ("127.0.0.1", "127.0.0.2"):
                addr = next(
                    SocketAddr.parse(each["local"])
                    for each in server.listening
                    if each["transport"] == "tcp" and each["local"].startswith(host)
                )
                with socket.create_connection((host, addr.port)) as sock:
                    peer = f"127.0.0.1:{sock.getsockname()[1]}"
                    sock.sendall(b"hello")
                    sock.shutdown(socket.SHUT_WR)
                    assert sock.recv(6, socket.MSG_WAITALL) == b"hello"
                came, left = (row_of(words, server.process.stdout.readline()) for _ in range(2))
                assert (came["event"], came["peer"], came["local"]) == ("connected", peer, str(addr))
                assert (left["event"], left["bytes_sent"], "error" in left) == ("closed", 5, False)
                assert came["connection"] == left["connection"]
                assert came["input"] == left["input"] == f"{host}:0"
                rows.append(came["connection"])
            assert len(set(rows)) == 2, "one number a connection, whichever process has it"
            with UdpSocket.connected(server.addr("udp")) as sock:
                sock.send(b"datagram")
                sock.recv(timeout=5)
                echoed = row_of(words, server.process.stdout.readline())
                assert (echoed["event"], echoed["peer"], echoed["size"]) == (
                    "echoed", str(sock.local_addr), 8
                )  # fmt: skip
            assert server.end()[0] == 0

    def test_events_of_what_fails(self) -> None:
        with serving("echo", "--tcp", "--tls", "--events", sockets=1) as server:
            words = words_of(server.process)
            assert server.process.stdout is not None
            addr = server.addr("tcp")
            with socket.create_connection((str(addr.ip), addr.port)) as sock:
                sock.sendall(b"no handshake at all\n")
                failed = row_of(words, server.process.stdout.readline())
            assert (failed["event"], failed["error"]["stage"]) == ("failed", "tls")
            sock = socket.create_connection((str(addr.ip), addr.port))
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            tls = context.wrap_socket(sock)
            came = row_of(words, server.process.stdout.readline())
            assert came["tls"]["protocol"] == "TLS 1.3"
            reset(tls)
            left = row_of(words, server.process.stdout.readline())
            assert (left["event"], left["error"]["kind"]) == ("closed", "Reset")

    def test_events_of_a_name_server(self, tmp_path: Path) -> None:
        (tmp_path / "zone").write_text(ZONE)
        with serving("dns", "--events", "--zone", str(tmp_path / "zone"), sockets=2) as server:
            words = words_of(server.process)
            assert server.process.stdout is not None
            wire = make_query("ns1.example.test.", 1, id=1).to_wire()
            with UdpSocket.connected(server.addr("udp")) as sock:
                sock.send(wire)
                size = len(sock.recv(timeout=5))
                row = row_of(words, server.process.stdout.readline())
                assert abs(datetime.now(UTC) - datetime.fromisoformat(row.pop("happened_at"))) < timedelta(
                    minutes=1
                )
                assert row == {
                    "type": "serve.dns",
                    "input": "127.0.0.1:0",
                    "event": "query",
                    "transport": "udp",
                    "peer": str(sock.local_addr),
                    "question": {"name": "ns1.example.test.", "class": "IN", "type": "A"},
                    "rcode": "NOERROR",
                    "size": size,
                }
                sock.send(b"\xff" * 12)
                row = row_of(words, server.process.stdout.readline())
                assert (row["question"], row["rcode"], row["size"]) == (None, None, None)
            addr = server.addr("tcp")
            with socket.create_connection((str(addr.ip), addr.port)) as stream:
                stream.sendall(len(wire).to_bytes(2, "big") + wire)
                row = row_of(words, server.process.stdout.readline())
                assert (row["transport"], row["peer"]) == ("tcp", f"127.0.0.1:{stream.getsockname()[1]}")

    def test_events_are_json(self, netkit: Callable[..., Result]) -> None:
        result = netkit("serve", "echo", "--events")
        assert result.exit_code == 2
        assert "--events without --json" in result.stderr


def spoiled(code: str, *args: str, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """`netkit ARGS --json`, after `code` has put an error into a part of it."""
    program = f"import sys\n{code}\nfrom netkit.cli.main import main\nmain(sys.argv[2:])"
    return subprocess.Popen(
        [sys.executable, "-c", program, "netkit", *args, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment or process_environment(),
    )


#: The first connection, and the first datagram, that a server takes ends in an error that is not its own: the
#: codes of the exit table would be 6 and 8.
ACCEPTING = """
from netkit.io import UnexpectedEof
from netkit.net.listening import StreamListener
def fails(self):
    raise UnexpectedEof(1, 0)
StreamListener._first = fails
"""
RECEIVING = """
from netkit.net.udp import UdpSocket
real = UdpSocket._arrive
def fails(self):
    yield from real(self)
    raise ValueError("what broke")
UdpSocket._arrive = fails
"""


class TestNoServerGoesOnWithAPartOfItself:
    """A part that ends with an error ends the server: in 8, whatever the error, with the reason."""

    @pytest.mark.parametrize(("what", "workers"), [("dns", 1), ("echo", 1), ("echo", 2)])
    @pytest.mark.parametrize(
        ("transport", "code", "reason"),
        [("tcp", ACCEPTING, "the peer finished after 0 bytes"), ("udp", RECEIVING, "ValueError: what broke")],
    )
    def test_it_ends(
        self, tmp_path: Path, what: str, transport: str, code: str, reason: str, workers: int
    ) -> None:
        (tmp_path / "zone").write_text(ZONE)
        more = ["--zone", str(tmp_path / "zone")] if what == "dns" else ["--workers", str(workers)]
        with spoiled(code, "serve", what, *more) as process:
            try:
                server = Server(process, 2)
                if transport == "tcp":
                    TcpStream.connect(server.addr("tcp"), timeout=5).close()
                else:
                    with UdpSocket.connected(server.addr("udp")) as sock:
                        sock.send(b"x")
                out, errors = process.communicate(timeout=20)
            finally:
                process.kill()
        assert process.returncode == 8, errors
        assert reason in errors.decode()
        *_, ended, failed = [row_of(words_of(process), line) for line in out.splitlines()]
        assert (failed["error"]["stage"], reason in failed["error"]["message"]) == ("local", True)
        assert ended["event"] == "ended"

    def test_the_traceback_of_a_worker(self) -> None:
        environment = process_environment(NETKIT_DEBUG="1")
        with spoiled(RECEIVING, "serve", "echo", "--workers", "2", environment=environment) as process:
            try:
                with UdpSocket.connected(Server(process, 2).addr("udp")) as sock:
                    sock.send(b"x")
                _, errors = process.communicate(timeout=20)
            finally:
                process.kill()
        assert "line 7, in fails\nValueError: what broke\n" in errors.decode()
