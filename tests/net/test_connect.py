"""Happy Eyeballs (RFC 8305): order, delays, who wins, and what the error says of every address."""

from __future__ import annotations

import errno
import socket
import sys
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from netkit.addr import HostPort, SocketAddr
from netkit.io import CancellationError, CancellationToken, Event, Flow, run
from netkit.net import ConnectError, ResolveError, TcpListener, TcpStream, UdpSocket, interleave
from netkit.net.connect import connect_first
from netkit.net.errors import SourceError
from tests.conftest import free_port
from tests.waiting import waits, when

if TYPE_CHECKING:
    from collections.abc import Iterator


def addrs(*texts: str) -> list[SocketAddr]:
    return [SocketAddr.parse(text) for text in texts]


@pytest.fixture
def listener() -> Iterator[TcpListener]:
    with TcpListener.bind("127.0.0.1:0") as made:
        yield made


@pytest.fixture
def closed_addr() -> SocketAddr:
    """An address where nobody listens."""
    return SocketAddr.new("127.0.0.1", free_port())


@pytest.fixture
def silent_addr() -> Iterator[SocketAddr]:
    """A listener whose backlog is full: a connection to it is neither accepted nor refused."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(sock.getsockname())
            fillers.append(filler)
        yield SocketAddr.from_sockaddr(sock.getsockname())
        for filler in fillers:
            filler.close()


class TestOrder:
    def test_families_alternate_after_the_first(self) -> None:
        given = addrs("[::1]:1", "[::2]:1", "[::3]:1", "192.0.2.1:1", "192.0.2.2:1")
        assert [str(addr.ip) for addr in interleave(given)] == ["::1", "192.0.2.1", "::2", "192.0.2.2", "::3"]

    def test_the_first_address_leads(self) -> None:
        given = addrs("192.0.2.1:1", "[::1]:1", "192.0.2.2:1")
        assert [str(addr.ip) for addr in interleave(given)] == ["192.0.2.1", "::1", "192.0.2.2"]

    def test_first_address_family_count(self) -> None:
        given = addrs("[::1]:1", "[::2]:1", "[::3]:1", "192.0.2.1:1")
        assert [str(addr.ip) for addr in interleave(given, 2)] == ["::1", "::2", "192.0.2.1", "::3"]

    def test_nothing(self) -> None:
        assert interleave([]) == []


class TestConnect:
    @pytest.mark.parametrize("form", ["text", "pair", "socket addr", "host port"])
    def test_every_form_of_address(self, listener: TcpListener, form: str) -> None:
        addr = listener.local_addr
        target = {
            "text": str(addr),
            "pair": (str(addr.ip), addr.port),
            "socket addr": addr,
            "host port": HostPort("localhost", addr.port),
        }[form]
        with TcpStream.connect(target, timeout=5) as stream:  # type: ignore[arg-type]
            assert stream.peer_addr.port == addr.port
            assert [attempt.outcome for attempt in stream.attempts][-1] == "connected"

    def test_a_failed_attempt_starts_the_next_at_once(
        self, listener: TcpListener, closed_addr: SocketAddr
    ) -> None:
        begun = monotonic()
        made = run(connect_first([closed_addr, listener.local_addr], attempt_delay=20.0))
        made.descriptor.close()
        assert monotonic() - begun < 10
        assert [attempt.outcome for attempt in made.attempts] == ["connection refused", "connected"]

    def test_a_silent_one_costs_one_delay(self, listener: TcpListener, silent_addr: SocketAddr) -> None:
        made = run(connect_first([silent_addr, listener.local_addr], attempt_delay=0.05))
        made.descriptor.close()
        assert made.addr == listener.local_addr
        first, second = made.attempts
        assert first.outcome == "abandoned"
        assert second.started_s - first.started_s >= 0.05

    def test_the_next_waits_for_its_delay_even_if_one_long_before_failed(
        self, silent_addr: SocketAddr, closed_addr: SocketAddr, listener: TcpListener
    ) -> None:
        made = run(connect_first([closed_addr, silent_addr, listener.local_addr], attempt_delay=0.05))
        made.descriptor.close()
        assert made.attempts[2].started_s - made.attempts[1].started_s >= 0.05


class TestErrors:
    def test_refused_everywhere_explains_each(self, closed_addr: SocketAddr) -> None:
        other = SocketAddr.new("127.0.0.2", closed_addr.port)
        with pytest.raises(ConnectError.Refused) as caught:
            run(connect_first([closed_addr, other], HostPort("example.test", closed_addr.port)))
        assert isinstance(caught.value, ConnectionRefusedError)
        assert caught.value.errno == errno.ECONNREFUSED
        assert str(caught.value) == (
            f"cannot connect to example.test:{closed_addr.port}: "
            f"{closed_addr}: connection refused; {other}: connection refused"
        )
        assert [attempt.addr for attempt in caught.value.attempts] == [closed_addr, other]

    def test_one_address_is_named_once(self, closed_addr: SocketAddr) -> None:
        with pytest.raises(ConnectError) as caught:
            TcpStream.connect(closed_addr)
        assert str(caught.value) == f"cannot connect to {closed_addr}: connection refused"

    def test_silence(self, silent_addr: SocketAddr) -> None:
        with pytest.raises(ConnectError.TimedOut) as caught:
            TcpStream.connect(silent_addr, timeout=0.05)
        assert isinstance(caught.value, TimeoutError)
        assert str(caught.value) == f"cannot connect to {silent_addr}: timed out"

    def test_silent_and_refused_in_one_history(
        self, silent_addr: SocketAddr, closed_addr: SocketAddr
    ) -> None:
        with pytest.raises(ConnectError.TimedOut) as caught:
            run(connect_first([silent_addr, closed_addr], attempt_delay=0.0), deadline=monotonic() + 0.5)
        assert [attempt.outcome for attempt in caught.value.attempts] == ["timed out", "connection refused"]

    def test_a_source_this_machine_does_not_have(self, listener: TcpListener) -> None:
        with pytest.raises(ConnectError.Failed) as caught:
            TcpStream.connect(listener.local_addr, source=SocketAddr.parse("192.0.2.1:0"))
        assert caught.value.fault == "local"
        assert "source 192.0.2.1: " in str(caught.value)
        assert caught.value.hint == "connect from an address of this machine"

    def test_a_source_of_the_other_version_of_ip(self, listener: TcpListener) -> None:
        """Python's own word is a TypeError about the form of the address."""
        source = SocketAddr.parse("[::1]:0")
        with pytest.raises(ConnectError, match="the other version of IP"):
            TcpStream.connect(listener.local_addr, source=source)
        with pytest.raises(SourceError, match="source ::1: "):
            UdpSocket.connected(listener.local_addr, source=source)

    def test_a_source_port_that_is_taken(self, listener: TcpListener) -> None:
        with pytest.raises(ConnectError.Failed, match=f"source {listener.local_addr}: ") as caught:
            TcpStream.connect(listener.local_addr, source=listener.local_addr)
        assert caught.value.hint is not None and "another socket" in caught.value.hint

    def test_a_zone_that_is_not(self) -> None:
        with pytest.raises(ConnectError.Failed, match="no interface is named 'nosuch7'") as caught:
            TcpStream.connect("[fe80::1%nosuch7]:1")
        assert caught.value.hint == "the zone is an interface's name or number"

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems have other words for it")
    def test_a_link_local_address_without_its_interface(self) -> None:
        with pytest.raises(ConnectError) as caught:
            TcpStream.connect("[fe80::1]:1", timeout=5)
        if isinstance(caught.value, ConnectError.Failed):  # where there is no IPv6 it is unreachable
            assert caught.value.hint is not None and "fe80::1%eth0" in caught.value.hint

    def test_cancelled(self, silent_addr: SocketAddr) -> None:
        token = CancellationToken()
        with when(waits, token.cancel), pytest.raises(CancellationError):
            TcpStream.connect(silent_addr, timeout=5, cancel=token)

    def test_the_other_family_is_refused_by_name(self, listener: TcpListener) -> None:
        with pytest.raises(ResolveError, match="not an IPv6 address") as caught:
            TcpStream.connect(listener.local_addr, family=socket.AF_INET6)
        assert caught.value.hint is not None and "it is an IPv4 address" in caught.value.hint


class TestNames:
    def test_a_resolver_of_the_callers_own(self, listener: TcpListener) -> None:
        asked: list[tuple[str, int, int]] = []

        def resolver(host: str, port: int, family: int) -> Flow[list[SocketAddr]]:
            asked.append((host, port, family))
            return [listener.local_addr]
            yield

        with TcpStream.connect("anything.test:1", resolver=resolver) as stream:
            assert stream.peer_addr == listener.local_addr
        assert asked == [("anything.test", 1, 0)]

    def test_a_silent_name_server_cannot_hold_a_deadline_up(self) -> None:
        def resolver(host: str, port: int, family: int) -> Flow[list[SocketAddr]]:
            yield from Event().wait()
            return []

        with pytest.raises(TimeoutError, match=r"resolving anything\.test"):
            TcpStream.connect("anything.test:1", resolver=resolver, timeout=0.02)

    def test_a_name_that_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def getaddrinfo(*args: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        with pytest.raises(ResolveError) as caught:
            TcpStream.connect("no-such-host.test:80")
        assert isinstance(caught.value, socket.gaierror)
        assert caught.value.is_absent
        assert caught.value.kind == "HostNotFound"
        assert str(caught.value) == "cannot resolve no-such-host.test: Name or service not known"

    def test_a_connect_to_itself_is_nobody_there(self) -> None:
        # Bind the source to the very port that is connected to: TCP then connects the socket to itself.
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            addr = SocketAddr.from_sockaddr(probe.getsockname())
        with pytest.raises(ConnectError.Refused):
            TcpStream.connect(addr, source=addr)
