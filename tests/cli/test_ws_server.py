"""`netkit ws server`, by real processes: its modes, who may connect, what it says, how it is told to end."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pexpect
import pytest
from websockets.asyncio.client import connect as their_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from netkit.cli.payload.ws.guard import Origins
from netkit.cli.payload.ws.page import DOCUMENT, SCRIPT, STYLE, page
from netkit.websocket import WebSocketError
from netkit.websocket.client import ClientWebSocket, connect
from tests.cli.helpers import Result, netkit_argv, process_environment
from tests.cli.test_serve_echo import Server, serving as serving_any
from tests.conftest import require_peer
from tests.waiting import until

pytestmark = pytest.mark.once


@contextmanager
def serving(*args: str, command: str = "ws server", **more: Any) -> Iterator[Server]:
    with serving_any(*args, command=command, **more) as server:
        yield server


def url_of(server: Server, path: str = "") -> str:
    url: str = server.listening[0]["url"]
    return url + path


def events(server: Server, *names: str) -> Iterator[dict[str, Any]]:
    """The next events of these kinds."""
    while True:
        event = server.event()
        if event["event"] in names:
            yield event


def counts_of(server: Server) -> dict[str, int]:
    server.process.send_signal(signal.SIGUSR1)
    counts: dict[str, int] = next(events(server, "counted"))["counts"]
    return counts


def closing_of(ws: ClientWebSocket) -> tuple[int, str]:
    """How the server closes, whatever it sends before."""
    while True:
        try:
            ws.receive(timeout=20)
        except WebSocketError.ConnectionClosed as closed:
            return closed.code, closed.reason


def asked(server: Server, path: str = "/", **fields: str) -> http.client.HTTPResponse:
    """The answer to a request that asks for no WebSocket, read to its end."""
    host, _, port = server.addr.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.request("GET", path, headers=fields)
    response = connection.getresponse()
    response.body = response.read()  # type: ignore[attr-defined]
    connection.close()
    return response


def refused(url: str, **more: Any) -> int:
    with pytest.raises(WebSocketError.HandshakeRefused) as caught:
        connect(url, **more).abort()
    return caught.value.status


class TestEcho:
    def test_texts_and_octets(self) -> None:
        with serving("--events") as server, connect(url_of(server)) as ws:
            ws.send("caf\u00e9")
            assert ws.receive(timeout=20) == "caf\u00e9"
            ws.send(b"\0\xff")
            assert ws.receive(timeout=20) == b"\0\xff"
            ws.close(1000, "done")
            said = events(server, "connected", "message", "closed")
            came, *messages, left = [next(said) for _ in range(6)]
            assert (came["connection"], came["target"], came["compression"]) == (1, "/", "permessage-deflate")
            assert [(each["direction"], each["opcode"], each["size"]) for each in messages] == [
                ("received", "text", 5),
                ("sent", "text", 5),
                ("received", "binary", 2),
                ("sent", "binary", 2),
            ]
            assert (messages[1]["text"], messages[3]["data_b64"]) == ("caf\u00e9", "AP8=")
            assert (left["close_code"], left["reason"], left["closed_first"]) == (1000, "done", "peer")
            assert (left["messages_received"], left["bytes_sent"]) == (2, 7)
            code, counts = server.end()
            assert (code, counts["websockets"], counts["messages_received"], counts["messages_sent"]) == (
                0,
                1,
                2,
                2,
            )

    def test_serve_ws_is_the_same(self) -> None:
        with serving(command="serve ws") as server, connect(url_of(server)) as ws:
            assert server.listening[0]["type"] == "serve.ws"
            ws.send("hello")
            assert ws.receive(timeout=20) == "hello"

    def test_a_library_of_others_and_its_subprotocol(self) -> None:
        async def talk(url: str) -> tuple[str | None, object, int]:
            async with their_connect(url, subprotocols=["b", "a"]) as ws:  # type: ignore[list-item]
                await ws.send("x" * 100_000)
                answer = await ws.recv()
                agreed = ws.subprotocol
            assert ws.close_code is not None
            return agreed, answer, ws.close_code

        with serving("--subprotocol", "a", "--subprotocol", "b", "--greet", "hi") as server:
            agreed, greeting, code = asyncio.run(talk(url_of(server)))
        assert (agreed, greeting, code) == ("a", "hi", 1000)

    def test_over_tls(self, tmp_path: Path) -> None:
        ca = tmp_path / "ca.pem"
        with serving("--tls", "--write-ca", str(ca), "localhost:0") as server:
            port = server.addr.rpartition(":")[2]
            assert url_of(server) == f"wss://127.0.0.1:{port}/"
            done = subprocess.run(
                [
                    *(require_peer("curl"), "-sS", "--cacert", str(ca), "-o", "/dev/null"),
                    *("-w", "%{http_code}", f"https://localhost:{port}/"),
                ],
                capture_output=True,
                text=True,
                check=True,
            )
            assert done.stdout == "426"

            async def talk() -> object:
                import ssl

                context = ssl.create_default_context(cafile=str(ca))
                async with their_connect(f"wss://localhost:{port}/", ssl=context) as ws:
                    await ws.send("over TLS")
                    return await ws.recv()

            assert asyncio.run(talk()) == "over TLS"

    def test_a_unix_domain_socket(self, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")

        async def talk() -> object:
            from websockets.asyncio.client import unix_connect

            async with unix_connect(path, "ws://localhost/") as ws:
                await ws.send("hello")
                return await ws.recv()

        with serving(path) as server:
            assert server.listening[0]["url"] is None
            assert asyncio.run(talk()) == "hello"

    def test_limits(self) -> None:
        with serving("--max-message", "1k", "--no-compress") as server, connect(url_of(server)) as ws:
            assert ws.protocol.deflate is None
            ws.send("x" * 1000)
            assert ws.receive(timeout=20) == "x" * 1000
            ws.send("x" * 1001)
            assert closing_of(ws)[0] == 1009

    def test_an_idle_connection_is_closed(self) -> None:
        with serving("--idle-timeout", "200ms") as server, connect(url_of(server)) as ws:
            ws.send("hello")
            assert ws.receive(timeout=20) == "hello"
            assert closing_of(ws) == (1001, "no message for 0.2 s")

    def test_a_client_that_answers_no_ping(self) -> None:
        with (
            serving("--ping-interval", "100ms", "--ping-timeout", "100ms", "--events") as server,
            raw_websocket(server),
        ):
            left = next(events(server, "closed"))
            assert (left["close_code"], left["error"]["kind"]) == (1006, "ConnectionClosed")

    def test_a_reset_on_purpose(self) -> None:
        with serving("--reset-after", "2k", "--seed", "1", "--no-compress") as server:
            with connect(url_of(server)) as ws:
                ws.send("x" * 3000)
                assert closing_of(ws)[0] == 1006
            assert server.end()[1]["reset"] == 1

    @pytest.mark.parametrize("fault", [("--delay", "1ms..5ms"), ("--throttle", "100k/s"), ("--drop", "1%")])
    def test_other_faults_with_a_client_that_takes_its_time(self, fault: tuple[str, str]) -> None:
        with serving(*fault, "--seed", "1", "--no-compress") as server:
            host, _, port = server.addr.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=20) as sock:
                until(lambda: counts_of(server)["active"] == 1, "the server waits for its request")
                sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert sock.recv(4096).startswith(b"HTTP/1.1 426 ")
            with connect(url_of(server)) as ws:
                for size in range(0, 8000, 1000):
                    ws.send("x" * size)
                    assert ws.receive(timeout=20) == "x" * size


@contextmanager
def raw_websocket(server: Server, receive_buffer: int | None = None) -> Iterator[socket.socket]:
    """An open WebSocket as a bare socket, which does nothing by itself."""
    host, _, port = server.addr.rpartition(":")
    with socket.socket() as sock:
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(20)
        sock.connect((host, int(port)))
        key = base64.b64encode(os.urandom(16)).decode()
        sock.sendall(
            f"GET / HTTP/1.1\r\nHost: {server.addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        yield sock


def resident(pid: int) -> int:
    """Octets of a process's memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024


class TestBroadcast:
    def test_all_others_hear(self) -> None:
        with serving("--broadcast") as server:
            with (
                connect(url_of(server)) as one,
                connect(url_of(server)) as two,
                connect(url_of(server)) as three,
            ):
                until(lambda: counts_of(server)["websockets"] == 3)
                one.send("from one")
                assert (two.receive(timeout=20), three.receive(timeout=20)) == ("from one", "from one")
                two.send(b"from two")
                assert (one.receive(timeout=20), three.receive(timeout=20)) == (b"from two", b"from two")
            assert server.end()[0] == 0

    @pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="how large a process is")
    def test_who_does_not_read_is_dropped_and_costs_little(self) -> None:
        with (
            serving("--broadcast", "--write-timeout", "60", "--no-compress") as server,
            raw_websocket(server, 4096) as deaf,
            connect(url_of(server)) as talker,
            connect(url_of(server)) as listener,
        ):
            until(lambda: counts_of(server)["websockets"] == 3)
            before = resident(server.process.pid)
            for number in range(400):
                talker.send(b"%d " % number + bytes(65536))
                assert isinstance(heard := listener.receive(timeout=20), bytes)
                assert heard.startswith(b"%d " % number), "the others do not wait for it"
            until(lambda: counts_of(server)["too_slow"] == 1)
            assert resident(server.process.pid) - before < 16 << 20, "of 25 MiB that were sent"
            received = b""
            while b"\x03\xf0too slow for the messages of others" not in received[-200:]:
                received += (data := deaf.recv(1 << 20))
                assert data

    def test_several_processes_are_refused(self, netkit: Callable[..., Result]) -> None:
        done = netkit("ws", "server", "--broadcast", "--workers", "2")
        assert done.exit_code == 2
        assert "would not hear those of another" in done.stderr


class TestStdio:
    """Standard input talks to all clients, and their messages are written."""

    @staticmethod
    @contextmanager
    def talking(*args: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
        """The process, and its URL."""
        argv = netkit_argv("ws", "server", "--stdio", "--short", *args)
        pipe = subprocess.PIPE
        with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            try:
                yield process, process.stdout.readline().decode().strip()
            finally:
                process.kill()

    def test_lines_to_all_and_messages_from_all(self) -> None:
        with self.talking("--greet", "hi") as (process, url), connect(url) as one, connect(url) as two:
            assert process.stdin is not None and process.stdout is not None
            assert (one.receive(timeout=20), two.receive(timeout=20)) == ("hi", "hi")
            for line, message in (b"caf\xc3\xa9\r\n", "caf\u00e9"), (b"\n", ""), (b"\xff\n", b"\xff"):
                process.stdin.write(line)
                process.stdin.flush()
                assert (one.receive(timeout=20), two.receive(timeout=20)) == (message, message)
            one.send("from one")
            assert process.stdout.readline() == b"from one\n"
            two.send(b"\0\xff\n")
            assert process.stdout.readline() == b"\0\xff\n"
            process.stdin.close()
            two.send("still there")
            assert process.stdout.readline() == b"still there\n", "the end of input is not that of the server"
            process.send_signal(signal.SIGTERM)
            assert (closing_of(one)[0], closing_of(two)[0]) == (1001, 1001)
            assert process.wait(20) == 0

    def test_much_waits_for_the_first_client_and_for_the_slowest(self) -> None:
        lines = [str(number) * 100 for number in range(20_000)]
        with self.talking() as (process, url):
            assert process.stdin is not None
            writing = threading.Thread(
                target=process.stdin.write, args=("".join(f"{each}\n" for each in lines).encode(),)
            )
            writing.start()
            with connect(url) as one:
                assert [one.receive(timeout=20) for _ in lines[:-1]] == lines[:-1]
                writing.join(20)
                process.stdin.close()
                assert one.receive(timeout=20) == lines[-1]

    def test_one_client_goes_and_the_other_goes_on(self) -> None:
        with self.talking() as (process, url), connect(url) as one:
            assert process.stdin is not None and process.stdout is not None
            with connect(url) as two:
                two.send("here")
                assert process.stdout.readline() == b"here\n"
                two.abort()
            for number in range(100):
                process.stdin.write(b"%d\n" % number)
                process.stdin.flush()
                assert one.receive(timeout=20) == str(number)

    def test_a_terminal_gets_escapes(self) -> None:
        program, *args = netkit_argv("ws", "server", "--stdio")
        process = pexpect.spawn(program, args, env=process_environment(), timeout=20, encoding="utf-8")
        process.expect(r"listening on (ws://\S+/)")
        with connect(process.match.group(1)) as ws:
            ws.send("\x1b[31mred\nnext")
            process.expect_exact("1< \\x1b[31mred\r\n   next\r\n")
            ws.send(b"\0")
            process.expect_exact("1< 00000000  00 ")
            ws.send(b"")
            process.expect_exact("1< (no octets)")
            process.send("typed\r")
            assert ws.receive(timeout=20) == "typed"
            process.send("\x03")
            process.expect(pexpect.EOF)
        process.close()
        assert process.exitstatus == 130

    def test_with_json_there_are_only_events(self) -> None:
        with serving("--stdio", "--events", stdin=subprocess.PIPE) as server, connect(url_of(server)) as ws:
            ws.send("hello")
            assert next(events(server, "message"))["text"] == "hello"
            assert server.process.stdin is not None
            server.process.stdin.write(b"to you\n")
            server.process.stdin.flush()
            assert ws.receive(timeout=20) == "to you"
            row = next(events(server, "message"))
            assert (row["direction"], row["text"]) == ("sent", "to you")


def processes_of(server: Server) -> list[int]:
    """The processes that it has started and that are not reaped."""
    path = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return [int(word) for word in path.read_text().split()]


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="which processes there are")
class TestExec:
    def test_lines_are_messages(self) -> None:
        command = "sh -c 'echo ready; while read -r line; do echo \"got $line\"; done'"
        with serving("--exec", command) as server:
            with connect(url_of(server)) as ws, connect(url_of(server)) as other:
                assert (ws.receive(timeout=20), other.receive(timeout=20)) == ("ready", "ready")
                assert len(processes_of(server)) == 2
                ws.send("a b")
                other.send(b"c\nd")
                assert ws.receive(timeout=20) == "got a b"
                assert (other.receive(timeout=20), other.receive(timeout=20)) == ("got c", "got d")
            until(lambda: not processes_of(server), "its programs are reaped")
            assert server.end()[0] == 0

    def test_its_status_decides_the_code_and_its_errors_are_shown(self) -> None:
        command = "sh -c 'read -r status; printf \"\\033[31mlast words\" > /dev/stderr; exit $status'"
        with serving("--exec", command) as server:
            for status, code in ("0", 1000), ("3", 1011):
                with connect(url_of(server)) as ws:
                    ws.send(status)
                    assert closing_of(ws)[0] == code
            server.process.send_signal(signal.SIGTERM)
            stderr = server.process.communicate(timeout=20)[1].decode()
        assert stderr.count(": \\x1b[31mlast words\n") == 2, "no terminal obeys it"
        assert "ended with status 3" in stderr

    def test_the_request_in_its_environment(self) -> None:
        names = "REQUEST_METHOD PATH_INFO QUERY_STRING REMOTE_USER HTTP_X_A HTTP_PROXY HTTP_AUTHORIZATION"
        command = f"sh -c 'for name in {names}; do eval echo \"$name=\\${{$name-none}}\"; done'"
        with serving("--exec", command, "--auth", "ann:secret", env={"HTTP_PROXY": "mine"}) as server:
            authorization = "Basic " + base64.b64encode(b"ann:secret").decode()
            fields = [("X-A", "caf\u00e9; $(id)"), ("X_A", "other"), ("Proxy", "evil")]
            with connect(
                url_of(server, "a%20b?c=%64"), headers=[*fields, ("Authorization", authorization)]
            ) as ws:
                got = [ws.receive(timeout=20) for _ in names.split()]
        assert got == [
            "REQUEST_METHOD=GET",
            "PATH_INFO=/a b",
            "QUERY_STRING=c=%64",
            "REMOTE_USER=ann",
            b"HTTP_X_A=caf\xe9; $(id)",
            "HTTP_PROXY=mine",
            "HTTP_AUTHORIZATION=none",
        ]

    def test_the_processes_that_it_has_started_end_with_it(self, tmp_path: Path) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        command = f"sh -c 'sleep 600 & echo $!; cat > /dev/null; cat {fifo}'"
        with serving("--exec", command) as server:
            with connect(url_of(server)) as ws:
                below = int(ws.receive(timeout=20))
                assert os.path.exists(f"/proc/{below}")
            until(lambda: not os.path.exists(f"/proc/{below}") or is_zombie(below))
            until(lambda: not processes_of(server))

    def test_too_many(self) -> None:
        with serving("--exec", "cat", "--max-programs", "1") as server:
            with connect(url_of(server)) as ws, connect(url_of(server)) as other:
                assert closing_of(other) == (1013, "too many programs run")
                ws.send("hello")
                assert ws.receive(timeout=20) == "hello"
            until(lambda: not processes_of(server))
            with connect(url_of(server)) as ws:
                ws.send("again")
                assert ws.receive(timeout=20) == "again"

    def test_octets_as_they_come(self) -> None:
        with (
            serving("--exec", "tr a-z A-Z", "--binary", "--no-compress") as server,
            connect(url_of(server)) as ws,
        ):
            ws.send(b"x" * 200_000)  # tr writes when its buffer is full
            received = b""
            while len(received) < 100_000:
                message = ws.receive(timeout=20)
                assert isinstance(message, bytes)
                received += message
            assert set(received) == {ord("X")}

    def test_a_program_is_not_there(self, netkit: Callable[..., Result]) -> None:
        done = netkit("ws", "server", "--exec", "no-such-program-here")
        assert done.exit_code == 8
        assert "no-such-program-here" in done.stderr

    @pytest.mark.parametrize(
        ("args", "is_warned"),
        [
            (("ws server", "--exec", "cat", "0.0.0.0:0"), True),
            (("ws server", "--exec-message", "cat", "[::]:0"), True),
            (("ws server", "--exec", "cat", "--auth", "ann:secret", "0.0.0.0:0"), False),
            (("ws server", "--exec", "cat"), False),
            (("ws server", "0.0.0.0:0"), False),
            (("serve http", "--ws", "/x=exec:cat", "0.0.0.0:0"), True),
            (("serve http", "--ws", "/x=echo", "0.0.0.0:0"), False),
        ],
    )
    def test_everybody_may_talk_to_it(self, args: tuple[str, ...], is_warned: bool, tmp_path: Path) -> None:
        command, *more = args
        with serving(*more, command=command, cwd=tmp_path) as server:
            server.process.send_signal(signal.SIGTERM)
            stderr = server.process.communicate(timeout=20)[1].decode()
        assert ("may talk to the program" in stderr) is is_warned, stderr

    def test_ctrl_c_kills_it(self) -> None:
        with serving("--exec", "sh -c 'echo $$; sleep 600'") as server:
            ws = connect(url_of(server))
            pid = int(ws.receive(timeout=20))
            assert server.end(signal.SIGINT)[0] == 130
            assert not os.path.exists(f"/proc/{pid}")
            ws.abort()


def is_zombie(pid: int) -> bool:
    """Whether a process has ended, and the process that inherited it has not asked."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class TestExecMessage:
    def test_what_it_writes_is_the_answer(self) -> None:
        with serving("--exec-message", "tr a-z A-Z") as server, connect(url_of(server)) as ws:
            for message, answer in (("one\n", "ONE"), ("two", "TWO"), (b"three\n", b"THREE\n"), ("", "")):
                ws.send(message)
                assert ws.receive(timeout=20) == answer

    def test_one_that_fails(self) -> None:
        with serving("--exec-message", "false") as server, connect(url_of(server)) as ws:
            ws.send("x")
            assert closing_of(ws) == (1011, "the program failed")

    @pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="which processes there are")
    def test_one_that_takes_too_long(self) -> None:
        with serving("--exec-message", "sleep 600", "--exec-timeout", "100ms") as server:
            with connect(url_of(server)) as ws:
                ws.send("x")
                assert closing_of(ws) == (1011, "the program failed")
            assert not processes_of(server)

    @pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="which processes there are")
    def test_it_ends_with_its_client(self) -> None:
        with serving("--exec-message", "sleep 600") as server:
            with connect(url_of(server)) as ws:
                ws.send("x")
                until(lambda: processes_of(server))
            until(lambda: not processes_of(server))


class TestReplay:
    def test_what_a_client_has_recorded(self, tmp_path: Path) -> None:
        recording = tmp_path / "recording"
        with serving("--greet", "hi") as server:
            done = subprocess.run(
                netkit_argv(
                    "ws", "client", "--count", "3", "--record", str(recording), url_of(server), "one", "two"
                ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=30,
                check=True,
            )
            assert done.stdout == b"hi\none\ntwo\n"
        with serving("--replay", str(recording), "--speed", "0") as server:
            for _ in range(2):
                with connect(url_of(server)) as ws:
                    ws.send("nobody looks at this")
                    assert [ws.receive(timeout=20) for _ in range(3)] == ["hi", "one", "two"]
                    assert closing_of(ws)[0] == 1000

    def test_its_times_octets_and_end(self, tmp_path: Path) -> None:
        recording = tmp_path / "recording"
        recording.write_text(
            '{"recording": "netkit ws", "version": 1}\n'
            '{"at_s": 0, "direction": "received", "opcode": "binary", "data_b64": "AAE="}\n'
            '{"at_s": 0.1, "direction": "sent", "opcode": "text", "text": "not this"}\n'
            '{"at_s": 0.2, "direction": "received", "opcode": "ping", "data_b64": "AAE="}\n'
            '{"at_s": 0.4, "direction": "received", "opcode": "text", "text": "late"}\n'
            '{"at_s": 0.4, "direction": "received", "opcode": "close", "close_code": 4000, "reason": "why"}\n'
        )
        with serving("--replay", str(recording), "--speed", "2") as server, connect(url_of(server)) as ws:
            assert ws.receive(timeout=20) == b"\0\1"
            begun = monotonic()
            assert ws.receive(timeout=20) == "late"
            assert monotonic() - begun > 0.15
            assert closing_of(ws) == (4000, "why")

    def test_what_is_no_recording(self, netkit: Callable[..., Result], tmp_path: Path) -> None:
        wrong = tmp_path / "wrong"
        wrong.write_text("{}\n")
        done = netkit("ws", "server", "--replay", str(wrong))
        assert done.exit_code == 2
        assert "is no recording" in done.stderr
        assert netkit("ws", "server", "--replay", str(tmp_path / "absent")).exit_code == 8


class TestWhoMayConnect:
    def test_paths(self) -> None:
        with serving("--path", "/chat") as server:
            assert url_of(server).endswith("/chat")
            with connect(url_of(server, "?room=1")) as ws:
                ws.send("hello")
                assert ws.receive(timeout=20) == "hello"
            assert refused(url_of(server, "/other")) == 404
            assert asked(server, "/").status == 404

    def test_origins_that_are_listed(self) -> None:
        with serving("--origin", "https://Example.com", "--origin", "http://localhost:3000") as server:
            for origin in "https://example.com", "http://localhost:3000", None:
                connect(url_of(server), origin=origin).close()
            for origin in "https://example.com:444", "null", f"http://{server.addr}":
                assert refused(url_of(server), origin=origin) == 403

    def test_echo_is_for_every_page_and_others_are_for_their_own(self) -> None:
        with serving() as server:
            connect(url_of(server), origin="https://evil.example").close()
        with serving("--broadcast", "--events") as server:
            connect(url_of(server), origin=f"http://{server.addr}").close()
            assert refused(url_of(server), origin="https://evil.example") == 403
            event = next(events(server, "exchange"))
            assert (event["status"], "Origin" in event["note"]) == (403, True)
            assert "evil.example" in event["note"]

    @pytest.mark.parametrize(
        ("origin", "authority", "admitted"),
        [
            (None, "127.0.0.1:80", True),
            ("http://127.0.0.1:80", "127.0.0.1:80", True),
            ("http://[::1]:80", "[::1]:80", True),
            ("http://LOCALHOST:80", "localhost:80", True),
            ("http://a.localhost:80", "a.localhost:80", True),
            ("http://127.0.0.1:81", "127.0.0.1:80", False),
            ("null", "127.0.0.1:80", False),
            # A name that an attacker has made to point at this machine.
            ("http://evil.example:80", "evil.example:80", False),
            ("http://evil.example:80", "127.0.0.1:80", False),
        ],
    )
    def test_the_own_origin(self, origin: str | None, authority: str, admitted: bool) -> None:
        assert Origins((), own_only=True).admits(origin, authority) is admitted
        assert Origins(("*",), own_only=True).admits(origin, authority)

    def test_passwords(self, tmp_path: Path) -> None:
        (tmp_path / "users").write_text("bob:other\n")
        with serving("--auth", "ann:secret", "--auth", f"@{tmp_path}/users", "--page") as server:
            for user, status in ("ann:secret", 200), ("bob:other", 200), ("ann:other", 401):
                authorization = "Basic " + base64.b64encode(user.encode()).decode()
                assert asked(server, Authorization=authorization).status == status
            assert refused(url_of(server)) == 401
            answer = asked(server)
            assert answer.getheader("WWW-Authenticate") == 'Basic realm="websocket", charset="UTF-8"'
            assert (
                "secret"
                not in subprocess.run(
                    [require_peer("ps"), "-o", "args=", "-p", "1"],
                    capture_output=True,
                    text=True,
                    check=False,
                ).stdout
            )

    def test_a_library_of_others_sees_the_refusal(self) -> None:
        async def talk(url: str) -> int:
            with pytest.raises(InvalidStatus) as caught:
                async with their_connect(url, origin="https://evil.example"):  # type: ignore[arg-type]
                    pass
            return int(caught.value.response.status_code)

        with serving("--exec", "cat") as server:
            assert asyncio.run(talk(url_of(server))) == 403


class TestOtherRequests:
    def test_without_a_page(self) -> None:
        with serving() as server:
            answer = asked(server)
            assert (answer.status, answer.getheader("Upgrade")) == (426, "websocket")

    def test_curl_sees_what_is_wrong(self) -> None:
        with serving() as server:
            done = subprocess.run(
                [
                    *(require_peer("curl"), "-sS", "--http1.1", "-H", "Connection: Upgrade", "-i"),
                    *(
                        "-H",
                        "Upgrade: websocket",
                        "-H",
                        "Sec-WebSocket-Version: 12",
                        f"http://{server.addr}/",
                    ),
                ],
                capture_output=True,
                text=True,
                check=True,
            )
        assert done.stdout.startswith("HTTP/1.1 426 ")
        assert "sec-websocket-version: 13" in done.stdout.lower()
        assert "Sec-WebSocket-Version: is not 13" in done.stdout

    def test_the_page(self) -> None:
        with serving("--page") as server:
            answer = asked(server)
            assert answer.status == 200
            assert answer.getheader("Content-Type") == "text/html; charset=utf-8"

    def test_the_policy_of_the_page_lets_nothing_else_in(self) -> None:
        policy = page().headers.get_first("Content-Security-Policy")
        assert policy is not None
        for kind, text in ("script", SCRIPT), ("style", STYLE):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{kind}-src 'sha256-{digest}'" in policy
            assert DOCUMENT.count(f"<{kind}>{text}</{kind}>") == 1
        assert "default-src 'none'" in policy
        assert not re.search(r"https?://|innerHTML|\son\w+=", DOCUMENT)

    @pytest.mark.skipif("NETKIT_BROWSER" not in os.environ, reason="make browser runs it")
    def test_a_browser_connects_back(self) -> None:
        """And its policy lets the script run; what a server says is text."""
        with serving("--page", "--greet", "<b>hi</b>") as server:
            done = subprocess.run(
                [
                    *(require_peer("chromium"), "--headless", "--no-sandbox", "--disable-gpu"),
                    *("--virtual-time-budget=5000", "--dump-dom", f"http://{server.addr}/"),
                ],
                capture_output=True,
                text=True,
                timeout=50,
                check=True,
            )
        assert '<strong id="state" role="status">open</strong>' in done.stdout
        assert '<li data-mark="&lt;">&lt;b&gt;hi&lt;/b&gt;</li>' in done.stdout

    def test_metrics_and_the_access_log(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        with serving("--metrics", "/metrics", "--access-log", f"common={log}") as server:
            connect(url_of(server)).close()
            until(lambda: '"GET / HTTP/1.1" 101' in log.read_text())
            assert b"netkit" in asked(server, "/metrics").body  # type: ignore[attr-defined]


class TestBesideFiles:
    def test_paths_of_their_own(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("a file")
        mounts = ("--ws", "/echo=echo", "--ws", "/run=exec:sed -u s/a/b/", "--ws", "/all=broadcast")
        with serving(str(tmp_path), *mounts, command="serve http") as server:
            assert asked(server, "/a.txt").body == b"a file"  # type: ignore[attr-defined]
            url = f"ws://{server.addr}"
            with connect(f"{url}/echo") as echo, connect(f"{url}/run") as program:
                echo.send("aaa")
                program.send("aaa")
                assert (echo.receive(timeout=20), program.receive(timeout=20)) == ("aaa", "baa")
                server.process.send_signal(signal.SIGTERM)
                assert (closing_of(echo)[0], closing_of(program)[0]) == (1001, 1001)
            assert server.end(None)[0] == 0

    def test_the_same_password_and_pages(self, tmp_path: Path) -> None:
        mounts = ("--ws", "/echo=echo", "--ws", "/run=exec:cat")
        with serving(str(tmp_path), *mounts, "--auth", "ann:secret", command="serve http") as server:
            url, authorization = f"ws://{server.addr}", "Basic " + base64.b64encode(b"ann:secret").decode()
            assert (refused(f"{url}/echo"), refused(f"{url}/run")) == (401, 401)
            headers = {"Authorization": authorization}
            connect(f"{url}/echo", headers=headers, origin="https://evil.test").close()
            assert refused(f"{url}/run", headers=headers, origin="https://evil.test") == 403

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (["--ws", "/x"], "'/x' is no WebSocket"),
            (["--ws", "x=echo"], "'x' is no path"),
            (["--ws", "/x=exec"], "'/x=exec' is no WebSocket"),
            (["--ws", "/x=echo:y"], "'/x=echo:y' is no WebSocket"),
            (["--ws", "/x=exec:"], "needs a command"),
            (["--ws", "/x=echo", "--inspect"], "--inspect and --ws exclude each other"),
            (["--ws", "/x=broadcast", "--workers", "2"], "would not hear those of"),
        ],
    )
    def test_wrong_arguments(self, netkit: Callable[..., Result], args: list[str], message: str) -> None:
        done = netkit("serve", "http", *args)
        assert done.exit_code == 2, done
        assert message in " ".join(done.stderr.split())


@pytest.mark.parametrize("workers", ["1", "2"])
class TestSigterm:
    def test_clients_get_1001(self, workers: str) -> None:
        with (
            serving("--workers", workers) as server,
            connect(url_of(server)) as one,
            connect(url_of(server)) as two,
        ):
            one.send("hello")
            assert one.receive(timeout=20) == "hello"
            server.process.send_signal(signal.SIGTERM)
            assert (closing_of(one)[0], closing_of(two)[0]) == (1001, 1001)
            code, counts = server.end(None)
            assert (code, counts["websockets"], counts["cut_off"], counts["failed"]) == (0, 2, 0, 0)

    def test_a_second_one_cuts_off_who_does_not_answer(self, workers: str) -> None:
        with serving("--workers", workers, "--drain", "60") as server, raw_websocket(server) as sock:
            server.process.send_signal(signal.SIGTERM)
            frame = sock.recv(2)
            assert frame[0] == 0x88
            assert sock.recv(frame[1])[:2] == b"\x03\xe9"
            server.process.send_signal(signal.SIGTERM)
            code, counts = server.end(None)
            assert (code, counts["cut_off"]) == (0, 1)


def test_a_library_of_others_sees_1001() -> None:
    with serving("--greet", "hi") as server:

        async def greeted() -> int | None:
            async with their_connect(url_of(server)) as ws:
                assert await ws.recv() == "hi"
                server.process.send_signal(signal.SIGTERM)
                with pytest.raises(ConnectionClosed):
                    await ws.recv()
                return ws.close_code

        assert asyncio.run(greeted()) == 1001
        assert server.end(None)[0] == 0


def test_ctrl_c_ends_it_at_once() -> None:
    with serving() as server, raw_websocket(server):
        assert server.end(signal.SIGINT)[0] == 130


def test_a_successor_takes_over(tmp_path: Path) -> None:
    control = ("--control", str(tmp_path / "control"))
    with serving(*control, "--greet", "old") as old, connect(url_of(old)) as kept:
        assert kept.receive(timeout=20) == "old"
        with serving(*control, "--upgrade", "--greet", "new") as new:
            assert new.addr == old.addr

            def greeting() -> str | bytes:
                with connect(url_of(new)) as ws:
                    return ws.receive(timeout=20)

            until(lambda: greeting() == "new")
            kept.send("still there")
            assert kept.receive(timeout=20) == "still there", "its connections go on at the old server"
            kept.close()
            assert old.end(None)[0] == 0
            assert greeting() == "new"
            assert new.end()[0] == 0


WRONG = [
    (["127.0.0.1:x"], "'x'", ""),
    (["--broadcast", "--exec", "cat"], "--broadcast and --exec exclude each other", "choose one"),
    (["--exec", "cat", "--exec-message", "cat"], "exclude each other", "choose one"),
    (["--stdio", "--broadcast"], "--broadcast and --stdio exclude each other", "choose one"),
    (["--replay", "x", "--exec", "cat"], "--exec and --replay exclude each other", "choose one"),
    (["--stdio", "--workers", "2"], "one process reads standard input", "leave --workers out"),
    (["--exec", ""], "--exec needs a command", "--exec 'grep"),
    (["--exec-message", "'"], "--exec-message", "no closing quotation"),
    (["--binary"], "--binary is for --exec", "add --exec"),
    (["--exec", "cat", "--exec-timeout", "1"], "--exec-timeout is for --exec-message", ""),
    (["--max-programs", "3"], "--max-programs is for --exec", ""),
    (["--speed", "2"], "--speed is for --replay", ""),
    (["--greet", ""], "--greet without a text", ""),
    (["--path", "chat"], "'chat' is no path", "/metrics"),
    (["--subprotocol", "a b"], "'a b' is no subprotocol", ""),
    (["--origin", "example.com"], "'example.com' is no origin", "http://localhost:3000"),
    (["--origin", "http://a/b"], "'http://a/b' is no origin", ""),
    (["--auth", "ann"], "no user and password", "USER:PASSWORD"),
    (["--cert", "c.pem"], "--cert is for --tls", ""),
    (["--events"], "--events without --json", "-v"),
    (["--upgrade"], "--upgrade without --control", ""),
    (["--upgrade", "--control", "c", ":0"], "--upgrade takes the sockets", "leave BIND away"),
    (["--max-conns", "1", "--workers", "2"], "--max-conns 1 is no connection for some", ""),
    (["--max-message", "0"], "less than 1", ""),
    (["--ping-interval", "x"], "'x' is not a time", ""),
]


@pytest.mark.parametrize(("args", "message", "hint"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_arguments(netkit: Callable[..., Result], args: list[str], message: str, hint: str) -> None:
    done = netkit("ws", "server", *args)
    assert done.exit_code == 2, done
    assert message in done.stderr
    assert hint in done.stderr


def test_verbose_shows_messages_and_no_terminal_obeys_them() -> None:
    process = subprocess.Popen(
        netkit_argv("ws", "server", "-v", "--short"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with connect(process.stdout.readline().strip()) as ws:
            ws.send("\x1b[31mred")
            ws.receive(timeout=20)
        process.send_signal(signal.SIGTERM)
        stderr = process.communicate(timeout=20)[1]
    finally:
        process.kill()
        process.communicate()
    assert "\x1b" not in stderr
    assert re.search(r"WebSocket 1 from 127\.0\.0\.1:\d+: received text of 8 characters: .*\[31mred", stderr)
