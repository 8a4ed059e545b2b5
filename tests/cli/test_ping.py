"""`netkit tcp ping` and `netkit udp ping`, as they are typed."""

from __future__ import annotations

import io
import json
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pexpect
import pytest

from netkit.cli.frame.context import Environment
from netkit.cli.frame.root import run_in
from netkit.lab.echo import Echoed, echo_datagrams, echo_stream
from netkit.net import TcpListener, UdpSocket
from netkit.serve.connections import in_background, serve
from tests.cli.helpers import Result, address_of, netkit_argv, process_environment
from tests.conftest import free_port

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]


@pytest.fixture
def echo() -> Iterator[str]:
    listener = TcpListener.bind("127.0.0.1:0")
    addr = str(listener.local_addr)
    with in_background(lambda stop: serve(listener, partial(echo_stream, counts=Echoed()), stop=stop)):
        yield addr


@pytest.fixture
def udp_echo() -> Iterator[str]:
    with (
        UdpSocket.bind("127.0.0.1:0") as sock,
        in_background(lambda stop: echo_datagrams(sock, counts=Echoed(), stop=stop)),
    ):
        yield str(sock.local_addr)


@pytest.mark.parametrize("how", ["connect", "echo", "udp"])
def test_json(netkit: Netkit, echo: str, udp_echo: str, how: str) -> None:
    words = ("udp", "ping", udp_echo) if how == "udp" else ("tcp", "ping", echo)
    result = netkit(*words, *(["--echo"] if how == "echo" else []), "-c", "3", "-i", "1ms", "--json")
    assert result.exit_code == 0
    *replies, total = result.json
    assert [row["event"] for row in replies] == ["reply"] * 3
    assert all(row["elapsed_s"] > 0 for row in replies)
    assert sorted(row["sequence"] for row in replies) == [0, 1, 2]
    assert (total["event"], total["sent"], total["received"], total["loss"]) == ("ended", 3, 3, 0.0)
    assert {row["input"] for row in result.json} == {words[2]} == {total["peer"]}
    assert 0 < total["min_s"] <= total["median_s"] <= total["p95_s"] <= total["p99_s"] <= total["max_s"]


def test_plain_and_short(netkit: Netkit, echo: str) -> None:
    plain = [line.split("\t") for line in netkit("tcp", "ping", echo, "-c", "2", "-i", "1ms").lines]
    assert [row[0] for row in plain[:2]] == ["reply", "reply"]
    assert ["statistics", "received", "2"] in plain
    short = netkit("tcp", "ping", echo, "-c", "2", "-i", "1ms", "--short").lines
    assert len(short) == 2
    assert all(float(line) > 0 for line in short)


@pytest.mark.parametrize("width", [80, 160])
def test_on_a_terminal(netkit: Netkit, echo: str, width: int) -> None:
    result = netkit("tcp", "ping", echo, "-c", "2", "-i", "1ms", tty=True, width=width, env={"NO_COLOR": "1"})
    assert "2 sent, 2 received, 0.0% lost" in result.stdout
    assert "min/median/mean/max" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= width


def test_nobody_there(netkit: Netkit) -> None:
    result = netkit("tcp", "ping", f"127.0.0.1:{free_port()}", "-c", "2", "-i", "1ms", "--json")
    assert result.exit_code == 4
    assert [row["event"] for row in result.json] == ["refused", "refused", "ended"]
    assert "refused" in result.json[0]["reason"]
    assert result.json[-1]["error"]["kind"] == "Refused"
    assert netkit("udp", "ping", f"127.0.0.1:{free_port()}", "-c", "1").exit_code == 4


def test_no_echo_in_time(netkit: Netkit) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        args = ("-c", "2", "-i", "1ms", "--timeout", "50ms", "--json")
        result = netkit("udp", "ping", address_of(silent), *args)
    assert result.exit_code == 7
    assert [row["event"] for row in result.json] == ["timeout", "timeout", "ended"]
    assert [row.get("elapsed_s") for row in result.json[:2]] == [None, None]
    assert result.json[-1]["loss"] == 1.0


@contextmanager
def answering(answer: Callable[[int, list[bytes]], list[bytes]]) -> Iterator[str]:
    """A UDP socket that answers each datagram with what `answer` makes of its number and of all so far."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def work() -> None:
            came: list[bytes] = []
            while True:
                data, peer = sock.recvfrom(4096)
                if data == b"end":
                    return
                came.append(data)
                for reply in answer(len(came) - 1, came):
                    sock.sendto(reply, peer)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield address_of(sock)
        sock.sendto(b"end", sock.getsockname())
        thread.join(10)


def test_events_say_what_became_of_a_probe(netkit: Netkit) -> None:
    def answer(number: int, came: list[bytes]) -> list[bytes]:
        return [] if number == 0 else [came[0], came[1], came[1]] if number == 1 else [came[2]]

    with answering(answer) as address:
        rows = netkit("udp", "ping", address, "-c", "3", "-i", "0.6", "--timeout", "0.5", "--json").json
    assert [(row["event"], row["sequence"]) for row in rows[:-1]] == [
        ("timeout", 0),
        ("late", 0),
        ("reply", 1),
        ("duplicate", 1),
        ("reply", 2),
    ]
    assert rows[1]["elapsed_s"] > 0.5
    assert [rows[-1][name] for name in ("event", "received", "lost", "late", "duplicates")] == [
        "ended",
        2,
        1,
        1,
        1,
    ]


def test_a_reply_out_of_order_is_one(netkit: Netkit) -> None:
    with answering(lambda number, came: [came[1], came[0]] if number else []) as address:
        rows = netkit("udp", "ping", address, "-c", "2", "-i", "1ms", "--timeout", "30", "--json").json
    assert [(row["event"], row["sequence"], row["in_order"]) for row in rows[:-1]] == [
        ("reply", 1, True),
        ("reply", 0, False),
    ]


def test_no_echo_server(netkit: Netkit) -> None:
    """It takes the connection and says something of its own."""

    def chatting(stream: object) -> Iterator[None]:
        yield from stream.write_all_flow(b"220 mail.example.com ESMTP ready to serve\r\n" * 2)  # type: ignore[attr-defined]
        yield from stream.fill()  # type: ignore[attr-defined]

    listener = TcpListener.bind("127.0.0.1:0")
    addr = str(listener.local_addr)
    with in_background(lambda stop: serve(listener, chatting, stop=stop)):  # type: ignore[arg-type]
        result = netkit("tcp", "ping", "--echo", addr, "-c", "1")
    assert result.exit_code == 6
    assert "is it an echo server?" in result.stderr


def test_a_name_with_several_addresses(netkit: Netkit, echo: str) -> None:
    """localhost may be ::1 first, where nobody listens."""
    result = netkit("tcp", "ping", f"localhost:{echo.rpartition(':')[2]}", "-c", "1")
    assert result.exit_code == 0


def test_ctrl_c_ends_it_with_the_statistics(echo: str) -> None:
    with subprocess.Popen(
        netkit_argv("tcp", "ping", echo, "-i", "10ms", "--plain"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=process_environment(),
    ) as process:
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline().startswith("reply\t")
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "statistics\tloss\t" in out
    assert "Traceback" not in said


def test_the_live_line(echo: str) -> None:
    argv = netkit_argv("tcp", "ping", echo, "-i", "20ms", "-c", "5")
    child = pexpect.spawn(
        argv[0], argv[1:], env=process_environment(TERM="xterm"), timeout=30, encoding="utf-8"
    )
    child.expect(r"sent, \d+ received")
    child.expect("min/median/mean/max")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.parametrize("args", [("127.0.0.1",), ("127.0.0.1:1", "-c", "0"), ("127.0.0.1:1", "--size", "3")])
def test_wrong_usage(netkit: Netkit, args: tuple[str, ...]) -> None:
    assert netkit("tcp", "ping", *args).exit_code == 2


def test_a_size_is_for_echoes(netkit: Netkit) -> None:
    result = netkit("tcp", "ping", "127.0.0.1:1", "--size", "100")
    assert result.exit_code == 2
    assert "--size is for --echo" in result.stderr


def test_a_closed_pipe() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = subprocess.run(
            [
                "sh",
                "-c",
                '"$@" | head -n 1',
                "sh",
                *netkit_argv("tcp", "ping", address_of(server), "-i", "1ms"),
            ],
            capture_output=True,
            text=True,
            timeout=30,
            env=process_environment(),
            check=False,
        )
    assert done.stdout.startswith("reply\t")
    assert done.stderr == ""


# -- several targets


def test_several_targets_each_with_events_and_statistics_of_its_own(
    netkit: Netkit, echo: str, tmp_path: Path
) -> None:
    dead = f"127.0.0.1:{free_port()}"
    (tmp_path / "targets").write_text(f"# and one that is gone\n{dead}\n")
    args = ("-c", "2", "-i", "1ms", "-f", str(tmp_path / "targets"), echo)
    result = netkit("tcp", "ping", "--json", *args)
    assert result.exit_code == 9
    of = {text: [row["event"] for row in result.json if row["input"] == text] for text in (echo, dead)}
    assert of == {echo: ["reply", "reply", "ended"], dead: ["refused", "refused", "ended"]}
    *_, first, second = result.json
    assert [first["input"], second["input"]] == [echo, dead], "the statistics in the order of the inputs"
    assert ("error" in first, second["error"]["kind"]) == (False, "Refused")
    plain = [line.split("\t") for line in netkit("tcp", "ping", "--plain", *args).lines]
    assert [echo, "statistics", "received", "2"] in plain
    assert [dead, "statistics", "received", "0"] in plain
    assert {row[0] for row in plain} == {echo, dead}


def test_targets_from_standard_input_over_udp(netkit: Netkit, udp_echo: str) -> None:
    result = netkit("udp", "ping", "-", "-c", "1", "--json", stdin=f"{udp_echo}\nnonsense\n{udp_echo}\n")
    assert [row["event"] for row in result.json if row["input"] == udp_echo] == ["reply"] * 2 + ["ended"] * 2
    (wrong,) = [row for row in result.json if row["input"] == "nonsense"]
    assert wrong["error"]["message"].startswith("standard input:2: ")
    assert result.exit_code == 9


@pytest.mark.parametrize("width", [40, 80, 160])
def test_several_on_a_terminal(netkit: Netkit, echo: str, width: int) -> None:
    local = f"localhost:{echo.rpartition(':')[2]}"
    args = ("tcp", "ping", echo, local, "-4", "-c", "1", "--color", "never")
    result = netkit(*args, tty=True, width=width)
    assert result.exit_code == 0
    assert max(map(len, result.lines)) <= width
    assert [line.split()[:2] for line in result.lines[:2]] == [[echo, "0"], [local, "0"]]
    assert result.stdout.count("1 sent, 1 received, 0.0% lost") == (2 if width > 40 else 0)
    assert result.stdout.count("median") == 2


def test_ctrl_c_ends_several_with_the_statistics_of_each(echo: str) -> None:
    local = f"localhost:{echo.rpartition(':')[2]}"
    with subprocess.Popen(
        netkit_argv("tcp", "ping", echo, local, "-4", "-i", "10ms", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=process_environment(),
    ) as process:
        assert process.stdout is not None
        waited = {echo, local}
        while waited:
            waited.discard(json.loads(process.stdout.readline())["input"])
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=30)
    assert process.returncode == 130
    *_, first, second = map(json.loads, out.splitlines())
    assert [(row["event"], row["input"]) for row in (first, second)] == [("ended", echo), ("ended", local)]
    assert "Traceback" not in said


def test_the_live_line_stays_where_replies_go_elsewhere(echo: str) -> None:
    env = Environment(
        stdout=(out := io.BytesIO()), stderr=(errors := io.BytesIO()), stderr_tty=True, encoding="utf-8"
    )
    assert run_in(["tcp", "ping", "-c", "3", "-i", "1ms", echo], env) == 0
    assert out.getvalue().startswith(b"reply\t")
    assert re.match(f"{echo}: [123] sent, 1 received", errors.getvalue().decode())
    assert errors.getvalue().endswith(b"\r\x1b[2K")
