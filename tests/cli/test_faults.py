"""`--delay`, `--drop`, `--reset-after`, `--throttle`, `--corrupt`: their forms, and what a client meets."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import click
import pytest

from netkit.addr import SocketAddr
from netkit.cli.commands import serve as commands
from netkit.cli.frame.command import Run
from netkit.cli.frame.options import WrongValue
from netkit.cli.payload import faults
from netkit.dns import DnsError, DnsRecordType, Resolver
from netkit.dns.messages.message import make_query
from netkit.io import DeadlineExceeded
from netkit.lab.faults import Faults
from netkit.net import TcpStream, UdpSocket
from tests.cli.helpers import Result
from tests.cli.test_serve import ZONE, serving
from tests.lab.test_faults import received

pytestmark = pytest.mark.once

GOOD: list[tuple[click.ParamType[Any], str, Any]] = [
    (faults.Size(), "1500", 1500),
    (faults.Size(), "0", 0),
    (faults.Size(), "64k", 64_000),
    (faults.Size(), "64kB", 64_000),
    (faults.Size(), "64K", 64_000),
    (faults.Size(), "64Ki", 65_536),
    (faults.Size(), "64 KiB", 65_536),
    (faults.Size(), "1.5M", 1_500_000),
    (faults.Size(), "2G", 2_000_000_000),
    (faults.Throughput(), "10k/s", 10_000.0),
    (faults.Throughput(), "1.5M/s", 1_500_000.0),
    (faults.Throughput(), "500/s", 500.0),
    (faults.Throughput(), "10k", 10_000.0),
    (faults.Share(), "5%", 0.05),
    (faults.Share(), "5 %", 0.05),
    (faults.Share(), ".5%", 0.005),
    (faults.Share(), "100%", 1.0),
    (faults.Delay(), "50ms", (0.05, 0.05)),
    (faults.Delay(), "0.2s", (0.2, 0.2)),
    (faults.Delay(), "50ms..200ms", (0.05, 0.2)),
    (faults.Delay(), "0..1s", (0.0, 1.0)),
    (faults.Delay(), "1s..1h", (1.0, 3600.0)),
]

BAD: list[tuple[click.ParamType[Any], str, str, str]] = [
    (faults.Size(), "big", "is not a size", "64k"),
    (faults.Size(), "-1", "is not a size", "64k"),
    (faults.Size(), "1e3", "is not a size", "64k"),
    (faults.Size(), "64kk", "is not a size", "64k"),
    (faults.Size(), "64kBB", "is not a size", "64k"),
    (faults.Size(), "i", "is not a size", "64k"),
    (faults.Size(), "0.5", "is not a whole number of bytes", "64k"),
    (faults.Size(), "٣", "is not a size", "64k"),
    (faults.Size(), "9" * 5000, "is not a size", "64k"),
    (faults.Throughput(), "10k/m", "is not a rate of bytes", "10k/s"),
    (faults.Throughput(), "fast", "is not a rate of bytes", "10k/s"),
    (faults.Throughput(), "0.5/s", "is less than a byte a second", "10k/s"),
    (faults.Share(), "5", "has no unit", "write 5%"),
    (faults.Share(), "0.05", "has no unit", "write 0.05%, or 5% for 0.05 of all"),
    (faults.Share(), "1", "has no unit", "write 1%, or 100% for 1 of all"),
    (faults.Throughput(), "500", "has no unit", "write 500/s for bytes, or 500k/s"),
    (faults.Delay(), "0.2", "has no unit", "write 0.2ms or 0.2s"),
    (faults.Delay(), "50..200ms", "has no unit", "write 50ms or 50s"),
    (faults.Delay(), "50ms..200", "has no unit", "write 200ms or 200s"),
    (faults.Share(), "101%", "is more than all", "5% or 0.1%"),
    (faults.Share(), "0%", "is none", "leave the option out"),
    (faults.Share(), "-5%", "is not a share", "5% or 0.1%"),
    (faults.Share(), "half", "is not a share", "5% or 0.1%"),
    (faults.Share(), "%", "is not a share", "5% or 0.1%"),
    (faults.Share(), "nan", "is not a share", "5% or 0.1%"),
    (faults.Delay(), "soon", "is not a time", "50ms..200ms"),
    (faults.Delay(), "50ms..", "is not a time", "50ms..200ms"),
    (faults.Delay(), "..50ms", "is not a time", "50ms..200ms"),
    (faults.Delay(), "50ms-200ms", "is not a time", "50ms..200ms"),
    (faults.Delay(), "200ms..50ms", "the second time is shorter", "50ms..200ms"),
    (faults.Delay(), "0", "is no time", "50ms..200ms"),
    (faults.Delay(), "2h", "more than 3600 seconds", "50ms..200ms"),
    (faults.Delay(), "nan", "is not a time", "50ms..200ms"),
]


@pytest.mark.parametrize(("kind", "text", "value"), GOOD, ids=lambda v: v if isinstance(v, str) else None)
def test_good_values(kind: click.ParamType[Any], text: str, value: Any) -> None:
    found = kind.convert(text, None, None)
    assert found == pytest.approx(value)
    assert type(found) is type(value)
    assert kind.convert(found, None, None) == found


@pytest.mark.parametrize(
    ("kind", "text", "message", "hint"), BAD, ids=lambda v: v[:20] if isinstance(v, str) else None
)
def test_wrong_values_show_the_form(kind: click.ParamType[Any], text: str, message: str, hint: str) -> None:
    with pytest.raises(WrongValue) as caught:
        kind.convert(text, None, None)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["--drop", "5"], "netkit: serve echo: --drop: '5' has no unit", "write 5%"),
        (["--delay", "x"], "netkit: serve echo: --delay: 'x' is not a time", "50ms..200ms"),
        (["--seed", "7"], "netkit: serve echo: --seed without a fault", "--delay"),
        (["--drop", "5%", "--seed", "-7"], "netkit: serve echo: --seed: '-7' is not a number", "from 0"),
    ],
)
def test_usage_errors(netkit: Callable[..., Result], arguments: list[str], message: str, hint: str) -> None:
    result = netkit("serve", "echo", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(message), result.stderr
    assert hint in result.stderr.partition("\n")[2], result.stderr


@pytest.mark.parametrize("command", [["serve", "echo", "--udp"], ["udp", "echo"]])
def test_a_connection_that_there_is_none_of(netkit: Callable[..., Result], command: list[str]) -> None:
    result = netkit(*command, "--reset-after", "5", "127.0.0.1:0")
    assert result.exit_code == 2
    assert "--reset-after does not work with UDP alone\nhint: datagrams have no connection" in result.stderr


def test_a_command_is_given_what_was_asked_for(
    netkit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Faults | None] = []

    def callback(run: Run[Any], faults: faults.FaultOptions, **_: Any) -> None:
        given.append(faults.injected(run.env))

    monkeypatch.setattr(commands.echo, "callback", callback)

    result = netkit("serve", "echo")
    assert (result.exit_code, result.stderr, given.pop()) == (0, "", None)

    result = netkit(
        "serve", "echo", "--delay", "50ms..200ms", "--drop", "5%", "--reset-after", "64k",
        "--throttle", "10k/s", "--corrupt", "0.1%", "--seed", "7",
    )  # fmt: skip
    made = given.pop()
    assert made is not None
    assert (made.delay, made.drop, made.reset_after) == ((0.05, 0.2), 0.05, 64_000)
    assert (made.throttle, made.corrupt, made.seed) == (10_000.0, 0.001, 7)
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"netkit: faults on purpose: {made}",
        "hint: --seed 7 makes the same choices again",
    ]

    result = netkit("serve", "echo", "--drop", "50%")
    made = given.pop()
    assert made is not None
    said = re.search(r"--seed (\d+)", result.stderr)
    assert said is not None
    assert int(said[1]) == made.seed
    assert netkit("serve", "echo", "--drop", "50%", "-q").stderr == ""


class TestEcho:
    """A client that knows nothing of netkit: the system's sockets."""

    def test_a_delay(self) -> None:
        with serving("echo", "--delay", "30ms", sockets=2) as server:
            with socket.create_connection(_plain(server.addr("tcp")), timeout=20) as client:
                for _ in range(2):
                    began = monotonic()
                    client.sendall(b"x")
                    assert client.recv(1) == b"x"
                    assert monotonic() - began >= 0.03
            with UdpSocket.connected(server.addr("udp")) as sock:
                began = monotonic()
                for _ in range(5):
                    sock.send(b"x")
                assert [sock.recv(timeout=20) for _ in range(5)] == [b"x"] * 5
                assert monotonic() - began >= 0.03
            code, counts = server.end()
            assert (code, counts["delayed"]) == (0, 7)

    def test_drop(self) -> None:
        with serving("echo", "--drop", "100%", sockets=2) as server:
            with socket.create_connection(_plain(server.addr("tcp")), timeout=20) as client:
                client.sendall(b"x")
                with pytest.raises(ConnectionResetError):
                    client.recv(1)
            with UdpSocket.connected(server.addr("udp")) as sock:
                sock.send(b"x")
                with pytest.raises(DeadlineExceeded):
                    sock.recv(timeout=0.05)
            assert server.end()[1]["dropped"] == 2

    def test_reset_after(self) -> None:
        with serving("echo", "--tcp", "--reset-after", "1k", sockets=1) as server:
            with socket.create_connection(_plain(server.addr("tcp")), timeout=20) as client:
                client.sendall(bytes(1500))
                assert received(client) == (1000, True)
            assert server.end()[1]["reset"] == 1

    def test_throttle(self) -> None:
        with serving("echo", "--tcp", "--throttle", "100k/s", sockets=1) as server:
            with socket.create_connection(_plain(server.addr("tcp")), timeout=20) as client:
                began = monotonic()
                client.sendall(bytes(15_000))
                size = 0
                while size < 15_000:
                    size += len(client.recv(65536))
                assert monotonic() - began >= 0.1  # 5,000 at once, and 10,000 more
            assert server.end()[0] == 0

    def test_corrupt_by_a_seed(self) -> None:
        def flipped() -> list[bytes]:
            with serving("echo", "--corrupt", "50%", "--seed", "1", sockets=2) as server:
                with TcpStream.connect(server.addr("tcp"), timeout=5) as stream:
                    came = []
                    for _ in range(10):
                        stream.write_all(bytes(4))
                        came.append(stream.read_exactly(4, timeout=20))
                with UdpSocket.connected(server.addr("udp")) as sock:
                    for _ in range(10):
                        sock.send(bytes(4))
                        came.append(sock.recv(timeout=20))
                damaged = sum(any(data) for data in came)
                assert server.end()[1]["corrupted"] == damaged
                assert 4 <= damaged <= 16
                return came

        assert flipped() == flipped()

    @pytest.mark.parametrize("drain", ["50ms", "0"])
    def test_sigterm_in_the_middle_of_it(self, drain: str) -> None:
        with (
            serving("echo", "--tcp", "--throttle", "1/s", "--drain", drain, sockets=1) as server,
            socket.create_connection(_plain(server.addr("tcp")), timeout=20) as client,
        ):
            client.sendall(bytes(1000))
            assert client.recv(1) == bytes(1)  # the rest would take a quarter of an hour
            code, counts = server.end()
            assert (code, counts["cut_off"]) == (0, 1)


class TestDns:
    def test_answers_that_are_late_lost_and_cut_off(self, tmp_path: Path) -> None:
        (tmp_path / "zone").write_text(ZONE)
        zone = str(tmp_path / "zone")
        with serving("dns", "--zone", zone, "--delay", "20ms", sockets=2) as server:
            resolver = Resolver([server.addr("udp")], timeout=20)
            began = monotonic()
            assert [str(addr) for addr in resolver.lookup_a("ns1.example.test")] == ["127.0.0.1"]
            assert monotonic() - began >= 0.02
            assert server.end()[1]["delayed"] == 1
        with serving("dns", "--zone", zone, "--drop", "100%", sockets=2) as server:
            lost = Resolver([server.addr("udp")], timeout=0.05, tries=2)
            with pytest.raises(DnsError.Timeout):
                lost.lookup_a("ns1.example.test")
            over_tcp = Resolver([server.addr("tcp")], options=lost.options.replace(tcp=True, timeout=20))
            with pytest.raises(DnsError) as caught:
                over_tcp.lookup_a("ns1.example.test")
            assert "reset" in str(caught.value)
            assert server.end()[1]["dropped"] >= 3

    def test_damaged_answers(self, tmp_path: Path) -> None:
        def ask(addr: SocketAddr) -> bytes:
            with UdpSocket.connected(addr) as sock:
                sock.send(make_query("ns1.example.test.", DnsRecordType.A, id=77).to_wire())
                return sock.recv(timeout=20)

        (tmp_path / "zone").write_text(ZONE)
        with serving("dns", "--zone", str(tmp_path / "zone"), "--corrupt", "100%", sockets=2) as server:
            damaged = ask(server.addr("udp"))
            assert server.end()[1]["corrupted"] == 1
        with serving("dns", "--zone", str(tmp_path / "zone"), sockets=2) as server:
            right = ask(server.addr("udp"))
        assert sum((one ^ other).bit_count() for one, other in zip(damaged, right, strict=True)) == 1


def _plain(addr: SocketAddr) -> tuple[str, int]:
    return str(addr.ip), addr.port
