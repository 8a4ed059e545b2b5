"""`netkit serve echo`: every kind of socket, TLS, workers, a service manager's sockets, a successor."""

from __future__ import annotations

import os
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

import pytest

from netkit.net import Shutdown, TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream
from netkit.tls.throwaway import ThrowawayAuthority
from tests.cli.helpers import Result, netkit_argv, process_environment, row_of, words_of
from tests.waiting import until, until_connected

pytestmark = pytest.mark.once


class Server:
    """A running `netkit ... --json`, and what it has written."""

    def __init__(self, argv: list[str], sockets: int, **more: Any) -> None:
        environment = process_environment(**more.pop("env", {}))
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **more
        )
        self.listening = [self.event() for _ in range(sockets)]

    def event(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate()[1].decode())
        return row_of(words_of(self.process), line)

    @property
    def addr(self) -> str:
        address: str = self.listening[0]["local"]
        return address

    def end(self, how: signal.Signals | None = signal.SIGTERM) -> tuple[int, dict[str, int]]:
        """Send it a signal, or just wait; its exit code, and what it says that it did."""
        if how is not None:
            self.process.send_signal(how)
        out, _ = self.process.communicate(timeout=30)
        counts: dict[str, int] = row_of(words_of(self.process), out.splitlines()[-1])["counts"]
        return self.process.returncode, counts


@contextmanager
def serving(*args: str, sockets: int = 1, command: str = "serve echo", **more: Any) -> Iterator[Server]:
    server = Server(netkit_argv(*command.split(), *args, "--json"), sockets, **more)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate()


def echoed(stream: TcpStream | UnixStream, data: bytes = b"hello") -> bytes:
    with stream:
        stream.write_all(data)
        stream.shutdown(Shutdown.Write)
        return b"".join(stream)


def test_unix_domain_sockets(tmp_path: Path) -> None:
    path = str(tmp_path / "echo")
    with serving(path, "unix:@netkit-test-%d" % os.getpid(), sockets=2) as server:  # noqa: UP031
        assert [event["transport"] for event in server.listening] == ["unix", "unix"]
        assert echoed(UnixStream.connect(path)) == b"hello"
        assert echoed(UnixStream.connect(server.listening[1]["local"])) == b"hello"
        assert server.end()[0] == 0
    assert not os.path.exists(path)


def test_short_for_tcp_and_for_udp() -> None:
    with serving(command="tcp echo") as server:
        assert server.listening[0]["type"] == "tcp.echo"
        assert echoed(TcpStream.connect(server.addr)) == b"hello"
    with serving(command="udp echo") as server:
        assert server.listening[0]["transport"] == "udp"
        with UdpSocket.bind("127.0.0.1:0") as sock:
            from netkit.addr import SocketAddr

            sock.send_to(b"hello", SocketAddr.parse(server.addr))
            assert sock.recv(timeout=10) == b"hello"


def test_tls_with_a_certificate_made_on_the_spot(tmp_path: Path) -> None:
    root = str(tmp_path / "ca.pem")
    with serving("--tcp", "--tls", "--write-ca", root, "--alpn", "echo", "localhost:0") as server:
        context = ssl.create_default_context(cafile=root)
        context.set_alpn_protocols(["echo"])
        port = int(server.addr.rpartition(":")[2])
        with (
            socket.create_connection(("localhost", port), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as stream,
        ):
            stream.sendall(b"over TLS")
            assert stream.recv(100) == b"over TLS"
            assert stream.selected_alpn_protocol() == "echo"
            server.process.send_signal(signal.SIGTERM)
            assert stream.recv(100) == b"", "ended by close_notify, or this would raise"
        code, counts = server.end(None)
        assert (code, counts["failed"], counts["cut_off"]) == (0, 0, 0)


def test_workers_and_their_counts() -> None:
    with serving("--tcp", "--workers", "2") as server:
        for _ in range(8):
            assert echoed(TcpStream.connect(server.addr)) == b"hello"
        server.process.send_signal(signal.SIGUSR1)
        event = server.event()
        assert event["event"] == "counted"
        assert event["counts"]["connections"] == 8
        code, counts = server.end()
        assert (code, counts["bytes"]) == (0, 40)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc names the children of a process")
def test_a_worker_that_is_killed_is_spoken_of() -> None:
    with serving("--tcp", "--workers", "2") as server:
        parent, stderr = server.process.pid, server.process.stderr
        children = Path(f"/proc/{parent}/task/{parent}/children")
        until(lambda: len(children.read_text().split()) == 2)
        killed = int(children.read_text().split()[0])
        os.kill(killed, signal.SIGKILL)
        assert stderr is not None
        said = stderr.readline().decode()
        assert said == f"netkit: serve echo: worker {killed} was killed by SIGKILL; another one is started\n"
        assert server.end()[0] == 0


def test_sigusr1_says_what_was_done_so_far() -> None:
    with serving("--tcp") as server:
        assert echoed(TcpStream.connect(server.addr)) == b"hello"
        for _ in range(2):
            server.process.send_signal(signal.SIGUSR1)
            event = server.event()
            assert (event["event"], event["counts"]["bytes"]) == ("counted", 5)


def test_limits() -> None:
    with (
        serving("--tcp", "--max-conns", "1", "--idle-timeout", "100ms") as server,
        TcpStream.connect(server.addr) as first,
        TcpStream.connect(server.addr) as second,
    ):
        second.write_all(b"x")
        assert first.read(timeout=20) == b"", "it said nothing for so long"
        assert second.read_exactly(1, timeout=20) == b"x", "and the next one had its turn"


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("more", [(), ("--tls",), ("--throttle", "100M/s")], ids=["plain", "tls", "faulty"])
class TestSigterm:
    """What is under way goes on, and what is cut off is counted."""

    @contextmanager
    def connected(self, *args: str) -> Iterator[tuple[Server, Callable[[bytes], None], socket.socket]]:
        with (
            serving("--tcp", *args) as server,
            socket.create_connection(("127.0.0.1", int(server.addr.rpartition(":")[2])), timeout=20) as sock,
        ):
            if "--tls" in args:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                sock = context.wrap_socket(sock)

            def echo(data: bytes) -> None:
                sock.sendall(data)
                back = b""
                while len(back) < len(data):
                    back += sock.recv(65536) or pytest.fail("it ended")
                assert back == data

            with sock:
                yield server, echo, sock

    def test_a_transfer_goes_on(self, workers: str, more: tuple[str, ...]) -> None:
        with self.connected("--workers", workers, *more) as (server, echo, sock):
            echo(b"x" * 10_000)
            server.process.send_signal(signal.SIGTERM)
            for _ in range(50):
                echo(b"y" * 10_000)
            sock.close()
            code, counts = server.end(None)
            assert (code, counts["failed"], counts["cut_off"]) == (0, 0, 0)
            assert counts["bytes"] == 510_000

    def test_a_second_one_cuts_it_off(self, workers: str, more: tuple[str, ...]) -> None:
        with self.connected("--workers", workers, "--drain", "60", *more) as (server, echo, _):
            echo(b"x")
            server.process.send_signal(signal.SIGTERM)
            port = int(server.addr.rpartition(":")[2])
            while True:  # until it has stopped accepting
                echo(b"x")
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                except OSError:
                    break
            server.process.send_signal(signal.SIGTERM)
            code, counts = server.end(None)
            assert (code, counts["cut_off"]) == (0, 1)


def test_standard_output_that_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        "bash",
        "-c",
        'exec "$@" >&-',
        "-",
        *netkit_argv("serve", "echo", "--tcp", f"127.0.0.1:{port}"),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=process_environment()) as process:
        try:
            until_connected(port, process).close()
            assert echoed(TcpStream.connect(f"127.0.0.1:{port}")) == b"hello"
            process.send_signal(signal.SIGTERM)
            assert b"2 connections" in process.communicate(timeout=20)[1]
            assert process.returncode == 0
        finally:
            process.kill()


class TestSighup:
    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_the_certificate_is_read_again(self, tmp_path: Path, workers: str) -> None:
        cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

        def write(name: str) -> None:
            certificate, private = ThrowawayAuthority().issue([name])
            cert.write_text(certificate.to_pem())
            key.write_text(private.to_pem())

        def presented() -> bytes:
            port = int(server.addr.rpartition(":")[2])
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with (
                socket.create_connection(("127.0.0.1", port), timeout=20) as raw,
                context.wrap_socket(raw) as stream,
            ):
                return stream.getpeercert(True) or b""

        write("one.example")
        given = ("--tls", "--cert", str(cert), "--key", str(key))
        with serving("--tcp", "--workers", workers, *given) as server:
            assert b"one.example" in presented()
            write("two.example")
            server.process.send_signal(signal.SIGHUP)
            assert server.event()["event"] == "reloaded"
            until(lambda: all(b"two.example" in presented() for _ in range(8)))
            key.write_text("no key")
            server.process.send_signal(signal.SIGHUP)
            assert "key" in server.event()["error"]["message"]
            assert b"two.example" in presented()
            assert server.end()[0] == 0

    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_a_server_without_files_ends(self, tmp_path: Path, workers: str) -> None:
        with serving("--workers", workers, str(tmp_path / "echo")) as server:
            assert echoed(UnixStream.connect(str(tmp_path / "echo"))) == b"hello"
            assert server.end(signal.SIGHUP)[0] == 0
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_what_nohup_ignored_stays_ignored(self, workers: str) -> None:
        server = Server(["nohup", *netkit_argv("serve", "echo", "--tcp", "--json", "--workers", workers)], 1)
        try:
            server.process.send_signal(signal.SIGHUP)
            assert echoed(TcpStream.connect(server.addr)) == b"hello"
            assert server.end()[0] == 0
        finally:
            server.process.kill()
            server.process.communicate()


def test_the_limit_holds_over_all_workers() -> None:
    with serving("--tcp", "--workers", "2", "--max-conns", "3") as server:
        streams = [TcpStream.connect(server.addr) for _ in range(6)]
        for stream in streams:
            stream.write_all(b"x")
        until(lambda: len([each for each in streams if select.select([each], [], [], 0)[0]]) >= 3)
        server.process.send_signal(signal.SIGUSR1)
        assert server.event()["counts"]["active"] == 3
        for _ in range(6):  # each that ends makes room for one more
            ready, _, _ = select.select(streams, [], [], 20)
            served = ready[0]
            assert served.read_exactly(1, timeout=20) == b"x"
            served.close()
            streams.remove(served)
        assert server.end()[1]["connections"] == 6


class TestServiceManager:
    """systemd's protocol: LISTEN_FDS, LISTEN_PID, NOTIFY_SOCKET. Its own tools are in tests/interop."""

    @contextmanager
    def activated(
        self, *passed: Any, args: tuple[str, ...] = (), sockets: int = 0, **env: str
    ) -> Iterator[Server]:
        # The descriptors go to 3, 4, ...; LISTEN_PID is the server's own, so a shell becomes it.
        moves = "".join(f" {3 + index}<&{each.fileno()}" for index, each in enumerate(passed))
        command = f'export LISTEN_PID=$$; exec "$0" "$@"{moves}'
        server = Server(
            ["bash", "-c", command, *netkit_argv("serve", "echo", *args, "--json")],
            sockets,
            pass_fds=[each.fileno() for each in passed],
            env={"LISTEN_FDS": str(len(passed)), **env},
        )
        try:
            yield server
        finally:
            server.process.kill()
            server.process.communicate()

    def test_its_sockets_are_served(self, tmp_path: Path) -> None:
        with (
            TcpListener.bind("127.0.0.1:0") as tcp,
            UnixListener.bind(str(tmp_path / "echo")) as unix,
            UdpSocket.bind("127.0.0.1:0") as udp,
            self.activated(tcp, unix, udp, sockets=3) as server,
        ):
            assert [event["transport"] for event in server.listening] == ["tcp", "unix", "udp"]
            assert echoed(TcpStream.connect(tcp.local_addr)) == b"hello"
            assert echoed(UnixStream.connect(unix.local_addr)) == b"hello"
            with UdpSocket.connected(udp.local_addr) as sock:
                sock.send(b"hello")
                assert sock.recv(timeout=10) == b"hello"
            assert server.end()[0] == 0
            assert os.path.exists(tmp_path / "echo"), "the file is the manager's"

    def test_no_bind_beside_them(self) -> None:
        with TcpListener.bind("127.0.0.1:0") as tcp, self.activated(tcp, args=("127.0.0.1:0",)) as server:
            _, said = server.process.communicate(timeout=20)
            assert server.process.returncode == 2
            assert b"given its sockets" in said

    def test_what_is_not_a_listener(self, tmp_path: Path) -> None:
        with (tmp_path / "file").open("wb") as file, self.activated(file) as server:
            _, said = server.process.communicate(timeout=20)
            assert server.process.returncode == 8
            assert b"not a socket" in said
            assert b"Traceback" not in said

    def test_those_of_another_process_are_left_alone(self) -> None:
        with serving("--tcp", env={"LISTEN_FDS": "1", "LISTEN_PID": "1"}) as server:
            assert echoed(TcpStream.connect(server.addr)) == b"hello"

    def test_it_is_told(self, tmp_path: Path) -> None:
        path = str(tmp_path / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(20)
            with serving("--tcp", env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "100000"}) as server:
                ready = manager.recv(4096).decode().splitlines()
                assert "READY=1" in ready
                assert f"MAINPID={server.process.pid}" in ready
                assert [manager.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3
                server.process.send_signal(signal.SIGTERM)
                while (said := manager.recv(4096)) == b"WATCHDOG=1":
                    pass
                assert said == b"STOPPING=1"


class TestSuccessor:
    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_takes_over_and_the_old_one_ends(self, tmp_path: Path, workers: str) -> None:
        control, path = str(tmp_path / "control"), str(tmp_path / "echo")
        with (
            serving("--workers", workers, "--control", control, path, "127.0.0.1:0", sockets=3) as old,
            TcpStream.connect(old.listening[1]["local"]) as under_way,
        ):
            under_way.write_all(b"x")
            assert under_way.read_exactly(1, timeout=10) == b"x"
            with serving("--control", control, "--upgrade", sockets=3) as new:
                assert [event["input"] for event in old.listening] == [path, "127.0.0.1:0", "127.0.0.1:0"]
                assert new.listening == [{**event, "input": None} for event in old.listening]
                for _ in range(3):  # it goes on where it was
                    under_way.write_all(b"y" * 100_000)
                    assert under_way.read_exactly(100_000, timeout=10) == b"y" * 100_000
                assert old.process.poll() is None
                under_way.close()
                code, counts = old.end(None)
                assert (code, counts["cut_off"], counts["bytes"]) == (0, 0, 300_001)
                assert echoed(UnixStream.connect(path)) == b"hello"
                assert echoed(TcpStream.connect(new.listening[1]["local"])) == b"hello"
                assert new.end()[0] == 0
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("given", [[], ["--tls"], ["--tls", "--alpn", "other"]])
    def test_takes_the_certificate_and_the_key_over(self, tmp_path: Path, given: list[str]) -> None:
        root, control = str(tmp_path / "ca.pem"), str(tmp_path / "control")
        with (
            serving("--tcp", "--tls", "--write-ca", root, "--alpn", "echo", "--control", control) as old,
            serving("--control", control, "--upgrade", *given) as new,
        ):
            assert old.end(None)[0] == 0
            context = ssl.create_default_context(cafile=root)
            context.set_alpn_protocols(["echo", "other"])
            with (
                socket.create_connection(("127.0.0.1", int(new.addr.rpartition(":")[2])), timeout=10) as raw,
                context.wrap_socket(raw, server_hostname="localhost") as stream,
            ):
                stream.sendall(b"over TLS")
                assert stream.recv(100) == b"over TLS"
                assert stream.selected_alpn_protocol() == ("other" if "--alpn" in given else "echo")
            assert new.end()[0] == 0

    def test_nobody_to_take_over_from(self, netkit: Callable[..., Result], tmp_path: Path) -> None:
        result = netkit("serve", "echo", "--upgrade", "--control", str(tmp_path / "control"))
        assert result.exit_code in (4, 8)
        assert "Traceback" not in result.stderr

    def test_a_control_socket_in_use(self, netkit: Callable[..., Result], tmp_path: Path) -> None:
        control = str(tmp_path / "control")
        with UnixListener.bind(control):
            result = netkit("serve", "echo", "--control", control)
        assert result.exit_code == 8
        assert "in use" in result.stderr

    def test_a_dead_control_socket_is_in_nobodys_way(self, tmp_path: Path) -> None:
        control = str(tmp_path / "control")
        with serving("--tcp", "--control", control) as killed:
            killed.process.kill()
            killed.process.wait()
        assert os.path.exists(control)
        with serving("--tcp", "--control", control) as server:
            assert echoed(TcpStream.connect(server.addr)) == b"hello"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--upgrade",), "--control"),
        (("--upgrade", "--control", "x", "127.0.0.1:0"), "leave BIND away"),
        (("--cert", "x.pem"), "--tls"),
        (("--tls", "--key", "x.pem"), "--key is for --cert"),
        (("--udp", "--tls"), "leave out --udp or --tls"),
        (("--workers", "0"), "--workers"),
        (("--workers", "3", "--max-conns", "2"), "write --max-conns 3 or more"),
        (("unix:",), "names no socket"),
    ],
)
def test_wrong_usage(netkit: Callable[..., Result], args: tuple[str, ...], words: str) -> None:
    result = netkit("serve", "echo", *args)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (["--tls"], 4, "it serves without TLS"),
        (["--tls", "--cert", "/dev/null", "--key", "/dev/null"], 4, "it serves without TLS"),
    ],
)
def test_a_successor_that_cannot_serve_leaves_the_old_one_alone(
    tmp_path: Path, given: list[str], code: int, words: str
) -> None:
    control = str(tmp_path / "control")
    with serving("--tcp", "--control", control) as old:
        failed = subprocess.run(
            netkit_argv("serve", "echo", "--upgrade", "--control", control, *given),
            capture_output=True,
            timeout=30,
            env=process_environment(),
            check=False,
        )
        assert failed.returncode == code
        assert words in failed.stderr.decode()
        assert os.path.exists(control)
        assert echoed(TcpStream.connect(old.addr)) == b"hello"
        assert old.process.poll() is None
        assert old.end()[0] == 0


def test_out_of_descriptors_is_survived() -> None:
    program = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
sys.argv = sys.argv[1:]
runpy.run_module("netkit", run_name="__main__", alter_sys=True)
"""
    server = Server(
        [sys.executable, "-c", program, "netkit", "serve", "echo", "--tcp", "--json", "127.0.0.1:0"], 1
    )
    try:
        streams = [TcpStream.connect(server.addr) for _ in range(30)]
        for stream in streams:
            stream.write_all(b"x")
        for stream in streams:  # the later ones when the earlier ones have gone
            assert stream.read_exactly(1, timeout=20) == b"x"
            stream.close()
        server.process.send_signal(signal.SIGTERM)
        out, said = server.process.communicate(timeout=30)
        counts = row_of(words_of(server.process), out.splitlines()[-1])["counts"]
        assert (server.process.returncode, counts["connections"], counts["failed"]) == (0, 30, 0)
        assert said.count(b"too many open files: connections wait") == 1
    finally:
        server.process.kill()
        server.process.communicate()
