"""A connect scan against real ports: open, closed, full, and services that say too much or nothing."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic

import pytest

from netkit.addr import SocketAddr
from netkit.io import Flow, all_of
from netkit.measure.scan import (
    PortResult,
    PortsError,
    PortState,
    parse_ports,
    scan_order,
    scan_port,
    service_name,
)
from tests.io.conftest import Drive


def local(port: int) -> SocketAddr:
    return SocketAddr.parse(f"127.0.0.1:{port}")


@contextmanager
def closed() -> Iterator[int]:
    """A port that is bound and not listening: connects are refused, and nobody else can take it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def saying(speak: Callable[[socket.socket], object]) -> Iterator[int]:
    """A service that does this with its one client."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def work() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    speak(connection)
                except OSError:
                    pass

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("22", [22]),
        ("80,443,80", [80, 443]),
        ("8003-8005,22", [8003, 8004, 8005, 22]),
        ("65535", [65535]),
        ("0022", [22]),
        ("-3", [1, 2, 3]),
        ("65534-", [65534, 65535]),
        ("ssh, https", [22, 443]),
    ],
)
def test_lists_of_ports(text: str, ports: list[int]) -> None:
    assert parse_ports(text) == ports


def test_every_port() -> None:
    assert parse_ports("-") == list(range(1, 65536))


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("", 0),
        ("0", 0),
        ("80,", 3),
        ("22, 9-8", 4),
        ("65536", 0),
        ("1-65536", 0),
        ("22,no-such-service!", 3),
        ("1-2-3", 0),
        ("\u0662\u0662", 0),
        ("9" * 5000, 0),
    ],
)
def test_what_is_no_list_of_ports(text: str, offset: int) -> None:
    with pytest.raises(PortsError) as caught:
        parse_ports(text)
    assert caught.value.offset == offset


def test_all_hosts_at_one_port_before_the_next() -> None:
    hosts = [SocketAddr.parse("192.0.2.1:0"), SocketAddr.parse("[fe80::1%7]:0")]
    assert [str(addr) for addr in scan_order(hosts, [1, 2])] == [
        *("192.0.2.1:1", "[fe80::1%7]:1", "192.0.2.1:2", "[fe80::1%7]:2"),
    ]


def test_open_and_closed(drive: Drive) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, closed() as dead:
        found = drive(scan_port(local(server.getsockname()[1]), timeout=30), timeout=40)
        refused = drive(scan_port(local(dead), timeout=30), timeout=40)
    assert (found.state, found.banner, found.reason) == (PortState.OPEN, None, None)
    assert (refused.state, refused.banner) == (PortState.CLOSED, None)
    assert "refused" in (refused.reason or "")
    assert 0 <= found.time < 30


def test_many_at_once_do_not_add_up_to_latency(drive: Drive) -> None:
    """With two hundred refused ports under way at once, the time of each is about that of one alone."""
    times: list[float] = []
    with closed() as dead:
        flows = (scan_port(local(dead), timeout=30) for _ in range(200))
        begun = monotonic()
        drive(all_of(flows, limit=200, on_result=lambda _, outcome: times.append(outcome.unwrap().time)))
        whole = monotonic() - begun
    assert sum(times) < 25 * whole, "where each waits for all others it is a hundred times"


def test_concurrency_makes_many_silent_ports_faster(drive: Drive) -> None:
    """Thirty ports that take a second each to be silent take one second at thirty at once."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as stack:
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        flows = [scan_port(local(server.getsockname()[1]), timeout=1.0) for _ in range(30)]
        begun = monotonic()
        found = drive(all_of(flows, limit=30), timeout=60)
        elapsed = monotonic() - begun
    assert {outcome.unwrap().state for outcome in found} == {PortState.FILTERED}
    assert 1.0 <= elapsed < 15.0, "of thirty seconds"


def test_a_full_backlog_is_filtered(drive: Drive) -> None:
    """Linux drops what there is no room for."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as stack:
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        result = drive(scan_port(local(server.getsockname()[1]), timeout=0.05), timeout=40)
    assert (result.state, result.reason) == (PortState.FILTERED, "no answer")
    assert result.time >= 0.05


@pytest.mark.parametrize(
    ("sent", "banner"),
    [
        (b"SSH-2.0-x\r\n", b"SSH-2.0-x\r\n"),
        (b"\x1b]0;owned\x07\xff\xfe\n", b"\x1b]0;owned\x07\xff\xfe\n"),
        (b"x" * 1000, b"x" * 64),
        (b"", None),
    ],
)
def test_banners(drive: Drive, sent: bytes, banner: bytes | None) -> None:
    with saying(lambda connection: connection.sendall(sent)) as port:
        result = drive(scan_port(local(port), timeout=30, banner=30, banner_size=64), timeout=70)
    assert (result.state, result.banner) == (PortState.OPEN, banner)


def test_a_banner_without_end_is_cut(drive: Drive) -> None:
    def flood(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"y" * 65536)

    with saying(flood) as port:
        result = drive(scan_port(local(port), timeout=30, banner=30, banner_size=100), timeout=70)
    assert result.banner == b"y" * 100


def test_a_silent_service_is_not_waited_for_for_ever(drive: Drive) -> None:
    with saying(lambda connection: connection.recv(1)) as port:
        result = drive(scan_port(local(port), timeout=30, banner=0.05), timeout=70)
    assert (result.state, result.banner) == (PortState.OPEN, None)


def test_out_of_descriptors_is_survived(drive: Drive) -> None:
    """Forty at once, with room for a few: each waits its turn, and none is called closed."""
    found: list[PortResult] = []

    def scanning(ports: list[int]) -> Flow[None]:
        flows = [scan_port(local(port), timeout=30, banner=0.01) for port in ports]
        yield from all_of(flows, on_result=lambda _, outcome: found.append(outcome.unwrap()))

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(40)]
        with socket.socket() as probe:
            highest = probe.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, limits[1]))
        try:
            drive(scanning([server.getsockname()[1] for server in servers]), timeout=55)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [result.state for result in found] == [PortState.OPEN] * 40


def test_a_source_that_is_not_here_is_this_machines_error(drive: Drive) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(OSError, match="assign"):
        drive(
            scan_port(local(server.getsockname()[1]), timeout=30, source=SocketAddr.parse("192.0.2.1:0")),
            timeout=40,
        )


def test_the_service_of_a_port() -> None:
    assert service_name(22) == "ssh"
    with closed() as port:  # of the ephemeral ones, which nobody registers
        assert service_name(port) is None
