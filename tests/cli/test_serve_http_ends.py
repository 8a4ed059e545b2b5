"""`netkit serve http`: how it ends, is handed over, and is started by a service manager; under load too."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netkit.net import TcpListener, UdpSocket
from tests.cli.helpers import netkit_argv, process_environment
from tests.cli.test_serve_echo import Server
from tests.cli.test_serve_http import ask, connected, everything, over_tls, port_of, serving, trusting
from tests.conftest import free_port, require_peer
from tests.waiting import until, until_connected

pytestmark = pytest.mark.once

BIG = 8 << 20
GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    (root / "a.txt").write_bytes(b"hello\n")
    (root / "big.bin").write_bytes(bytes(BIG))
    return root


def requests_of(server: Server) -> int:
    server.process.send_signal(signal.SIGUSR1)
    requests: int = server.event()["counts"]["requests"]
    return requests


@contextmanager
def downloading(server: Server) -> Iterator[socket.socket]:
    """A connection on which a response is under way, and waits for its client."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", port_of(server)))
        sock.sendall(GET % b"big.bin")
        assert sock.recv(1) == b"H"
        yield sock


def until_refused(server: Server) -> None:
    """Until it has stopped accepting."""

    def refused() -> bool:
        try:
            connected(server).close()
        except ConnectionError:
            return True
        return False

    until(refused)


@pytest.mark.parametrize("workers", ["1", "2"])
class TestSigterm:
    def test_what_is_under_way_comes_to_its_end(self, site: Path, workers: str) -> None:
        with (
            serving(str(site), "--workers", workers) as server,
            connected(server) as idle,
            downloading(server) as sock,
        ):
            idle.sendall(GET % b"a.txt")
            assert idle.recv(4096).endswith(b"hello\n")
            server.process.send_signal(signal.SIGTERM)
            assert idle.recv(1) == b"", "idle connections are closed at once"
            idle.close()
            head, _, body = everything(sock).partition(b"\r\n\r\n")
            assert (head[:15], len(body)) == (b"TTP/1.1 200 OK\r", BIG)
            sock.close()
            code, counts = server.end(None)
            assert (code, counts["failed"], counts["cut_off"]) == (0, 0, 0)

    def test_a_second_one_cuts_it_off(self, site: Path, workers: str) -> None:
        with (
            serving(str(site), "--workers", workers, "--drain", "60") as server,
            downloading(server) as sock,
        ):
            server.process.send_signal(signal.SIGTERM)
            until_refused(server)
            server.process.send_signal(signal.SIGTERM)
            code, counts = server.end(None)
            assert (code, counts["cut_off"]) == (0, 1)
            try:
                assert len(everything(sock)) < BIG
            except ConnectionError:
                pass


def test_ctrl_c_ends_it_at_once(site: Path) -> None:
    with serving(str(site)) as server, downloading(server):
        assert server.end(signal.SIGINT)[0] == 130


def test_ctrl_c_says_no_counts_that_no_worker_told(site: Path) -> None:
    argv = netkit_argv("serve", "http", str(site), "127.0.0.1:0", "--workers", "2")
    with subprocess.Popen(
        argv, env=process_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert re.fullmatch(r"served for [0-9.]+ s(: [0-9].*)?", said.splitlines()[0]), said


class TestHandover:
    @contextmanager
    def successor(self, *args: str, sockets: int = 1) -> Iterator[Server]:
        with serving(*args, "--upgrade", sockets=sockets) as server:
            yield server

    def test_the_sockets_go_on_and_what_is_under_way_ends(self, site: Path, tmp_path: Path) -> None:
        control = ("--control", str(tmp_path / "control"))
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "b.txt").write_text("new")
        with serving(str(site), *control) as old, connected(old) as kept, downloading(old) as sock:
            kept.sendall(GET % b"a.txt")
            assert kept.recv(4096).endswith(b"hello\n")
            with self.successor(str(tmp_path / "new"), *control) as new:
                assert new.addr == old.addr
                until(lambda: ask(new, "/b.txt").status == 200)
                assert old.process.stderr is not None
                # Only from here on does the old server know that it has a successor.
                assert any(b"has taken over" in line for line in iter(old.process.stderr.readline, b""))
                kept.sendall(GET % b"a.txt")
                answer = everything(kept)
                assert answer.endswith(b"hello\n"), "a connection that was there is served once more"
                assert b"connection: close" in answer.lower()
                assert len(everything(sock)) > BIG
                sock.close()
                kept.close()
                assert old.end(None)[0] == 0
                assert ask(new, "/b.txt").body == b"new"
                assert new.end()[0] == 0

    def test_tls_and_the_redirect_go_on(self, site: Path, tmp_path: Path) -> None:
        ca = tmp_path / "ca.pem"
        control = ("--control", str(tmp_path / "control"))
        tls = ("--tls", "--write-ca", str(ca), "localhost:0", "--redirect-http", "127.0.0.1:0")
        with serving(str(site), *tls, *control, sockets=2) as old:
            _, certificate = over_tls(old, trusting(ca))
            with self.successor(str(site), *control, sockets=2) as new:
                assert old.end(None)[0] == 0
                assert over_tls(new, trusting(ca)) == (None, certificate)
                answer = ask(port_of(new, 1), "/x", Host="localhost")
                assert answer.fields["location"] == f"https://localhost:{port_of(new)}/x"
                assert [event["url"].partition(":")[0] for event in new.listening] == ["https", "http"]

    def test_another_protocol_is_refused(self, site: Path, tmp_path: Path) -> None:
        control = ("--control", str(tmp_path / "control"))
        with serving(str(site), *control) as old:
            done = subprocess.run(
                netkit_argv("serve", "echo", "--upgrade", *control),
                capture_output=True,
                timeout=20,
                check=False,
            )
            assert done.returncode == 4
            assert b"it serves http" in done.stderr
            assert ask(old, "/a.txt").body == b"hello\n"


class TestServiceManager:
    def test_systemd_s_own_tool(self, site: Path) -> None:
        activate, port = require_peer("systemd-socket-activate"), free_port()
        argv = [activate, "-l", f"127.0.0.1:{port}", *netkit_argv("serve", "http", str(site), "--json")]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                until_connected(port, process).close()
                assert ask(port, "/a.txt").body == b"hello\n"
                process.terminate()
                assert process.wait(20) == 0
            finally:
                process.kill()

    def test_sockets_for_datagrams_are_refused(self, site: Path) -> None:
        command = 'export LISTEN_PID=$$; exec "$0" "$@" 3<&%d 4<&%d'
        with TcpListener.bind("127.0.0.1:0") as tcp, UdpSocket.bind("127.0.0.1:0") as udp:
            done = subprocess.run(
                [
                    "bash",
                    "-c",
                    command % (tcp.fileno(), udp.fileno()),
                    *netkit_argv("serve", "http", str(site)),
                ],
                pass_fds=[tcp.fileno(), udp.fileno()],
                env={**os.environ, "LISTEN_FDS": "2"},
                capture_output=True,
                timeout=20,
                check=False,
            )
        assert done.returncode == 2
        assert b"is a socket for datagrams" in done.stderr


# -- under load


@contextmanager
def activated(listener: TcpListener, *args: str) -> Iterator[Server]:
    """A server at a socket that is passed to it, as a service manager does."""
    command = f'export LISTEN_PID=$$; exec "$0" "$@" 3<&{listener.fileno()}'
    server = Server(
        ["bash", "-c", command, *netkit_argv("serve", "http", *args, "--json")],
        1,
        pass_fds=[listener.fileno()],
        env={"LISTEN_FDS": "1"},
    )
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate()


@contextmanager
def loading(*argv: Any) -> Iterator[subprocess.Popen[str]]:
    """A load tool, running."""
    with subprocess.Popen(
        list(map(str, argv)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wrk_errors(said: str) -> dict[str, int]:
    """How many requests failed, by kind."""
    found = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    counts = map(int, found.groups()) if found else [0] * 4
    errors = dict(zip(("connect", "read", "write", "timeout"), counts, strict=True))
    statuses = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return errors | {"statuses": int(statuses[1]) if statuses else 0}


class TestNoRequestIsLost:
    """While wrk keeps connections busy: what the server has received, it answers (RFC 9112 section 9.6)."""

    def test_by_sigterm(self, site: Path) -> None:
        """The next server takes the connections that wait meanwhile: a service manager holds the socket."""
        wrk = require_peer("wrk")
        with TcpListener.bind("127.0.0.1:0") as listener:
            url = f"http://{listener.local_addr}/a.txt"
            with (
                activated(listener, str(site)) as first,
                loading(wrk, "-t1", "-c16", "-d2s", url) as load,
            ):
                until(lambda: requests_of(first) > 200)
                code, counts = first.end()
                assert (code, counts["failed"], counts["cut_off"]) == (0, 0, 0)
                with activated(listener, str(site)) as second:
                    said = load.communicate(timeout=30)[0]
                    assert not any(wrk_errors(said).values()), said
                    assert requests_of(second) > 0
                    assert second.end()[0] == 0

    def test_by_an_upgrade(self, site: Path, tmp_path: Path) -> None:
        wrk = require_peer("wrk")
        how = ("--workers", "2", "--control", str(tmp_path / "control"))
        with (
            serving(str(site), *how) as old,
            loading(wrk, "-t1", "-c16", "-d2s", f"http://127.0.0.1:{port_of(old)}/a.txt") as load,
        ):
            until(lambda: requests_of(old) > 200)
            with serving(str(site), *how, "--upgrade") as new:
                code, counts = old.end(None)
                assert (code, counts["failed"], counts["cut_off"]) == (0, 0, 0)
                assert requests_of(new) > 0
                said = load.communicate(timeout=30)[0]
                assert not any(wrk_errors(said).values()), said
                assert new.end()[0] == 0


def test_no_stream_of_http_2_is_lost(site: Path) -> None:
    """What the server took up, it answered. h2load fails streams that it began behind a GOAWAY: those are for
    another connection (RFC 9113 section 6.8)."""
    h2load = require_peer("h2load")
    with (
        serving(str(site)) as server,
        loading(h2load, "-c4", "-m8", "-D1", f"http://127.0.0.1:{port_of(server)}/a.txt") as load,
    ):
        until(lambda: requests_of(server) > 200)
        code, counts = server.end()
        said = load.communicate(timeout=30)[0]
        assert (code, counts["failed"], counts["cut_off"]) == (0, 0, 0)
        found = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said)
        assert found is not None, said
        assert counts["requests"] == int(found[2]) > 200, said
