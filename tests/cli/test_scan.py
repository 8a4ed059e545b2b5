"""`netkit tcp scan`, against real ports."""

from __future__ import annotations

import base64
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.helpers import Result

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]


@pytest.fixture
def opened() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@pytest.fixture
def dead() -> Iterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_open_ports_and_exit_0(netkit: Netkit, opened: int, dead: int) -> None:
    result = netkit("tcp", "scan", "--json", "127.0.0.1", f"{dead},{opened}", "--timeout", "30")
    row, summary = result.json
    assert (row["event"], row["input"], row["address"]) == ("scanned", "127.0.0.1", "127.0.0.1")
    assert (row["port"], row["state"], row["banner_b64"]) == (opened, "open", None)
    assert (summary["event"], summary["input"]) == ("ended", None)
    assert (summary["ports"], summary["open"], summary["closed"]) == (2, 1, 1)
    assert result.exit_code == 0


def test_a_host_that_cannot_be_looked_up_is_a_row_that_failed(
    netkit: Netkit, opened: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(host: str, *args: object, **more: object) -> list[object]:
        if host == "nowhere.test":
            raise socket.gaierror(socket.EAI_NONAME, "no such host")
        return real(host, *args, **more)  # type: ignore[arg-type,return-value]

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    args = ("--timeout", "30", "nowhere.test", "127.0.0.1", str(opened))
    result = netkit("tcp", "scan", "--json", *args)
    assert result.exit_code == 9
    (failed,) = [row for row in result.json if "error" in row]
    assert failed.keys() == {"type", "input", "error"}
    assert (failed["input"], failed["error"]["stage"]) == ("nowhere.test", "resolve")
    assert failed["error"]["kind"] == "HostNotFound"


def test_hosts_from_standard_input_and_from_a_file(netkit: Netkit, opened: int, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("127.0.0.1/32 \n; no host\n")
    args = (str(opened), "--timeout", "30", "--json")
    rows = netkit("tcp", "scan", "-", *args, stdin="# hosts\n127.0.0.1\n").json
    assert [row["input"] for row in rows if row["event"] == "scanned"] == ["127.0.0.1"]
    rows = netkit("tcp", "scan", "-f", str(tmp_path / "hosts"), *args).json
    assert [row["input"] for row in rows if row["event"] == "scanned"] == ["127.0.0.1/32"]


def test_a_line_that_is_no_host_is_a_row_that_says_where(netkit: Netkit, opened: int) -> None:
    lines = "127.0.0.1\n192.0.2.0/2\n127.0.0.1:80\n"
    result = netkit("tcp", "scan", "-", str(opened), "--timeout", "30", "--json", stdin=lines)
    failed = {row["input"]: row["error"]["message"] for row in result.json if "error" in row}
    assert result.exit_code == 9
    assert failed == {
        "192.0.2.0/2": "standard input:2: 192.0.2.0/2 has more than 65,536 addresses",
        "127.0.0.1:80": "standard input:3: 127.0.0.1:80 names a port",
    }
    assert netkit("tcp", "scan", "127.0.0.1:80", str(opened)).exit_code == 2, (
        "on the command line wrong usage"
    )


def test_no_port_open_is_1(netkit: Netkit, dead: int) -> None:
    result = netkit("tcp", "scan", "--all", "--plain", "127.0.0.1", str(dead), "--timeout", "30")
    assert result.stdout.split("\t")[:4] == ["127.0.0.1", "127.0.0.1", str(dead), "closed"]
    assert result.exit_code == 1
    assert netkit("tcp", "scan", "127.0.0.1", str(dead), "--timeout", "30").stdout == ""


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_table(netkit: Netkit, opened: int, dead: int, width: int) -> None:
    args = ("--all", "127.0.0.1/32", f"{dead},{opened}", "--timeout", "30", "--color", "never")
    result = netkit("tcp", "scan", *args, tty=True, width=width)
    assert all(len(line) <= width for line in result.lines)
    assert {"open", "closed", "127.0.0.1", "Connection refused"} <= set(re.split(r"\s{2,}|\n", result.stdout))
    assert "banner" not in result.stdout, "that was not asked for"
    titles, *_ = result.lines
    if width >= 80:
        (row,) = [line for line in result.lines if "refused" in line]
        assert row.index("Connection refused") == titles.index("reason")


@pytest.mark.parametrize("width", [40, 80, 160])
def test_a_reason_does_not_stand_under_banner(netkit: Netkit, dead: int, width: int) -> None:
    args = ("--all", "--banners", "127.0.0.1", str(dead), "--timeout", "30", "--color", "never")
    lines = netkit("tcp", "scan", *args, tty=True, width=width).lines
    found = {word: line.index(word) for word in ("reason", "Connection") for line in lines if word in line}
    assert found["reason"] == found["Connection"]


@pytest.mark.parametrize("mode", [("--plain",), ()])
def test_a_banner_cannot_reach_the_terminal_raw(netkit: Netkit, mode: tuple[str, ...]) -> None:
    said = b"\x1b]0;owned\x07\xff\xc2\x9b31m\r\nmore"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def work() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(said)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        port = str(server.getsockname()[1])
        args = ("tcp", "scan", "--banners", *mode, "127.0.0.1", port, "--timeout", "30", "--color", "never")
        result = netkit(*args, tty=True, width=160)
        thread.join(30)
    assert "owned" in result.stdout
    assert not any(byte in result.raw for byte in (b"\x1b]", b"\x07", b"\xc2\x9b", b"\xff"))


def test_banners_in_json(netkit: Netkit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def work() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 here\r\n")

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        args = ("127.0.0.1", str(server.getsockname()[1]), "--timeout", "30")
        row, _ = netkit("tcp", "scan", "--json", "--banners", *args).json
        thread.join(30)
    assert base64.b64decode(row["banner_b64"]) == b"220 here\r\n"


@pytest.mark.parametrize(
    ("typed", "said", "meant"),
    [
        ("localhost", "PORTS are missing", "localhost 22,80,443"),
        ("192.0.2.0/28", "PORTS are missing", "192.0.2.0/28 22,80,443"),
        ("localhost:80", "PORTS are missing", "localhost 80"),
        ("2001:db8::1", "PORTS are missing", "2001:db8::1 22,80,443"),
        ("localhost 80 443", "several ports are one word", "localhost 80,443"),
        ("localhost 80 443-445 8080", "several ports are one word", "localhost 80,443-445,8080"),
    ],
)
def test_the_line_that_was_meant(netkit: Netkit, typed: str, said: str, meant: str) -> None:
    result = netkit("tcp", "scan", *typed.split())
    assert result.exit_code == 2
    assert result.stderr == f"netkit: tcp scan: {said}\nhint: netkit tcp scan {meant}\n"


def test_several_ports_for_the_hosts_of_a_file(netkit: Netkit) -> None:
    result = netkit("tcp", "scan", "-f", "hosts.txt", "80", "443")
    assert result.stderr == "netkit: tcp scan: several ports are one word\nhint: write 80,443\n"


@pytest.mark.parametrize("words", [("localhost", "nothing"), ("localhost", "0"), ("localhost", "9-8")])
def test_wrong_usage(netkit: Netkit, words: tuple[str, ...]) -> None:
    result = netkit("tcp", "scan", *words)
    assert result.exit_code == 2
    assert "hint:" in result.stderr
