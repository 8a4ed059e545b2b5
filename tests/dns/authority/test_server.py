"""How the authoritative server serves: over real sockets."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator

import pytest

from netkit.dns.authority import server as module
from netkit.dns.authority.server import DnsServer
from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.messages.message import QR, Message
from netkit.dns.resolver import Resolver
from netkit.dns.tsig.keys import TsigKey
from netkit.dns.tsig.signing import sign
from netkit.io import Event, run
from netkit.net import ListenError
from netkit.serve.connections import in_background
from tests.dns.authority.test_answering import ROOT_QUESTION, ZONES, header, opt, query
from tests.dns.scripted import framed
from tests.waiting import until

pytestmark = pytest.mark.once


@pytest.fixture
def server() -> Iterator[DnsServer]:
    made = DnsServer.bind("127.0.0.1:0", list(ZONES))
    stop = Event()
    thread = threading.Thread(target=run, args=(made.serve(stop),), daemon=True)
    thread.start()
    yield made
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def receive(stream: socket.socket) -> Message:
    """The next message on a TCP connection."""

    def exactly(count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = stream.recv(count - len(data))
            assert more, "the server closed the connection"
            data += more
        return data

    return Message.from_wire(exactly(int.from_bytes(exactly(2), "big")))


def connect(server: DnsServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.local_addr.port), timeout=5)


class TestStopping:
    def test_a_query_that_has_begun_is_answered_and_an_idle_connection_ends(self) -> None:
        made, stop = DnsServer.bind("127.0.0.1:0", list(ZONES)), Event()
        thread = threading.Thread(target=run, args=(made.serve(stop, drain=None),))
        thread.start()
        with connect(made) as idle, connect(made) as asking:
            wire = framed(query().to_wire())
            asking.sendall(wire)
            assert receive(asking).rcode == Rcode.NOERROR
            asking.sendall(wire[:7])
            idle.sendall(wire)
            assert receive(idle).rcode == Rcode.NOERROR
            stop.set()
            assert idle.recv(1) == b""
            asking.sendall(wire[7:])
            assert receive(asking).rcode == Rcode.NOERROR
            assert asking.recv(1) == b""
        thread.join(5)
        assert not thread.is_alive()
        assert (made.tcp.failed, made.tcp.cut_off) == (0, 0)

    def test_a_query_that_never_ends_is_cut_off(self) -> None:
        made, stop = DnsServer.bind("127.0.0.1:0", list(ZONES)), Event()
        thread = threading.Thread(target=run, args=(made.serve(stop, drain=0.05),))
        thread.start()
        with connect(made) as asking:
            asking.sendall(framed(query().to_wire())[:7])
            until(lambda: made.tcp.active)
            stop.set()
            thread.join(5)
        assert not thread.is_alive()
        assert made.tcp.cut_off == 1


class TestServing:
    def test_udp_and_truncation(self, server: DnsServer) -> None:
        resolver = Resolver([server.local_addr])
        assert len(resolver.lookup_a("www.example")) == 1
        found = resolver.resolve("many.example", DnsRecordType.A)
        assert (len(found.records), found.replies[0].transport) == (100, "tcp")
        assert server.queries == server.responses == 3

    def test_every_transport_after_what_cannot_be_repeated(self, server: DnsServer) -> None:
        wires = [header(110) + ROOT_QUESTION * 110, header(110, opcode=3) + ROOT_QUESTION * 110,
                 header(300, arcount=1) + ROOT_QUESTION * 300 + opt(1)]  # fmt: skip
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, connect(server) as stream:
            sock.settimeout(5)
            sock.connect(("127.0.0.1", server.local_addr.port))
            for wire in (*wires, query().to_wire()):
                sock.send(wire)
                stream.sendall(framed(wire))
                assert Message.from_wire(sock.recv(4096)).rcode == receive(stream).rcode

    def test_garbage_over_udp_is_survived(self, server: DnsServer) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.connect(("127.0.0.1", server.local_addr.port))
            for wire in (b"", b"\x00", b"\xff" * 100, query().replace(flags=QR).to_wire()):
                sock.send(wire)
            sock.send(query().to_wire())
            assert Message.from_wire(sock.recv(4096)).rcode == Rcode.NOERROR
        assert (server.queries, server.responses) == (5, 1)

    def test_a_query_that_cannot_be_answered_ends_no_other(self) -> None:
        key = TsigKey("k", bytes(16))

        def broken() -> float:
            raise OSError(errno.EMFILE, "too many open files")

        made = DnsServer.bind("127.0.0.1:0", list(ZONES), [key], broken)
        signed = sign(query().to_wire(), key, 0.0).wire
        with (
            in_background(made.serve),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        ):
            sock.settimeout(5)
            sock.connect(("127.0.0.1", made.local_addr.port))
            sock.send(signed)
            sock.send(query().to_wire())
            assert Message.from_wire(sock.recv(4096)).rcode == Rcode.NOERROR
        assert (made.queries, made.responses) == (2, 1)

    def test_a_client_that_went_away(self, server: DnsServer) -> None:
        for _ in range(3):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.sendto(query().to_wire(), ("127.0.0.1", server.local_addr.port))
        assert Resolver([server.local_addr]).lookup_a("www.example")

    def test_pipelined_over_tcp(self, server: DnsServer) -> None:
        """RFC 7766 section 6.2.1.1."""
        with connect(server) as stream:
            names = [f"n{number}.example." for number in range(20)]
            stream.sendall(b"".join(framed(query(name).replace(id=number).to_wire())
                                    for number, name in enumerate(names)))  # fmt: skip
            assert sorted(receive(stream).id for _ in names) == list(range(20))
        assert server.tcp.accepted == 1

    def test_byte_by_byte_over_tcp(self, server: DnsServer) -> None:
        with connect(server) as stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in framed(query().to_wire()):
                stream.sendall(bytes([octet]))
            assert receive(stream).rcode == Rcode.NOERROR

    def test_half_closed_connections_are_answered(self, server: DnsServer) -> None:
        with connect(server) as stream:
            stream.sendall(framed(query().to_wire()))
            stream.shutdown(socket.SHUT_WR)
            assert receive(stream).rcode == Rcode.NOERROR
            assert stream.recv(1) == b""

    @pytest.mark.parametrize("data", [b"\x00\x00", b"\x00\x05hello", framed(b"\xff" * 30)])
    def test_a_broken_dialogue_is_ended(self, server: DnsServer, data: bytes) -> None:
        with connect(server) as stream:
            stream.sendall(data)
            assert stream.recv(1) == b""
        assert Resolver([server.local_addr]).lookup_a("www.example")

    def test_idle_connections_are_ended(self, server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "TCP_IDLE_TIMEOUT", 0.02)
        with connect(server) as stream:
            stream.sendall(b"\x00")
            assert stream.recv(1) == b""

    def test_one_port_for_both(self, server: DnsServer) -> None:
        with pytest.raises(ListenError):
            DnsServer.bind(server.local_addr, [])

    def test_a_port_that_udp_has_already(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            with pytest.raises(ListenError):
                DnsServer.bind(f"127.0.0.1:{sock.getsockname()[1]}", [])

    def test_closing_frees_the_port(self) -> None:
        made = DnsServer.bind("127.0.0.1:0", [])
        addr = made.local_addr
        made.close()
        DnsServer.bind(addr, []).close()
