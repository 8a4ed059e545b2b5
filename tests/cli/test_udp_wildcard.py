"""UDP servers on a wildcard of a host with several addresses answer from the address that was asked."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netkit.dns import DnsRecordType
from netkit.dns.messages.message import Message, make_query
from netkit.dns.name import Name
from tests.cli.helpers import netkit_argv
from tests.cli.test_serve_echo import Server
from tests.namespaces import LINK, Host, two_hosts

# None of this uses a twin.
pytestmark = pytest.mark.once

SERVER = ("192.0.2.1/24", "192.0.2.2/24", "2001:db8::1/64", "2001:db8::2/64", "fe80::a:1/64", "fe80::a:2/64")
CLIENT = ("192.0.2.9/24", "2001:db8::9/64", "fe80::b:1/64")

V4, V6 = ("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")

#: BIND, and addresses of the server. The system would answer from the same one of them whichever is asked.
ASKED = [
    pytest.param("0.0.0.0:0", V4, id="IPv4"),
    pytest.param("[::]:0", V6, id="IPv6"),
    pytest.param(":0", V4, id="dual-stack, IPv4"),
    pytest.param(":0", V6, id="dual-stack, IPv6"),
    pytest.param(":0", (f"fe80::a:1%{LINK}", f"fe80::a:2%{LINK}"), id="link-local"),
]

#: A client that hears one address only, as those of DNS do: it writes what comes back in hexadecimal.
CONNECTED = """
import socket, sys
host, port, data = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3])
family, kind, proto, _, addr = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
with socket.socket(family, kind, proto) as sock:
    sock.settimeout(10)
    sock.connect(addr)
    sock.send(data)
    print(sock.recv(65535).hex())
"""

#: A client that hears everybody: it writes where the answer came from.
UNCONNECTED = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(10)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.sendto(b"anybody?", (sys.argv[1], int(sys.argv[2])))
    print(sock.recvfrom(65535)[1][0])
"""

#: A client at a port of its own: it sends, and does not wait for an answer.
SILENT = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(("", int(sys.argv[3])))
    sock.sendto(b"loop", (sys.argv[1], int(sys.argv[2])))
"""


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Host, Host]]:
    """A server with several addresses, and a client."""
    with two_hosts(SERVER, CLIENT) as made:
        yield made


@contextmanager
def serving(host: Host, *args: str, sockets: int = 1) -> Iterator[tuple[Server, str]]:
    """A server on `host`, and its port."""
    server = Server(host.argv(netkit_argv(*args, "--json")), sockets)
    try:
        yield server, server.addr.rpartition(":")[2]
    finally:
        server.process.kill()
        server.process.communicate()


def ask(client: Host, script: str, *args: str) -> str:
    """What `script` writes when it runs on the client."""
    ran = subprocess.run(
        client.argv([sys.executable, "-c", script, *args]), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.mark.parametrize(("bind", "asked"), ASKED)
class TestTheAddressThatWasAsked:
    @pytest.mark.parametrize("faults", [(), ("--delay", "1ms")], ids=["", "late"])
    def test_serve_echo(
        self, hosts: tuple[Host, Host], bind: str, asked: tuple[str, str], faults: tuple[str, ...]
    ) -> None:
        server, client = hosts
        with serving(server, "serve", "echo", "--udp", *faults, bind) as (process, port):
            for address in asked:
                assert ask(client, CONNECTED, address, port, b"hello".hex()) == b"hello".hex()
            code, counts = process.end(signal.SIGTERM)
        assert (code, counts["datagrams"]) == (0, len(asked))

    def test_serve_dns(
        self, hosts: tuple[Host, Host], tmp_path: Path, bind: str, asked: tuple[str, str]
    ) -> None:
        zone = tmp_path / "zone"
        zone.write_text(
            "$ORIGIN a.example.\n@ 60 IN SOA ns h 1 2 3 4 5\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n"
        )
        query = make_query(Name.parse("ns.a.example."), DnsRecordType.A, id=4242)
        server, client = hosts
        with serving(server, "serve", "dns", "--zone", str(zone), bind, sockets=2) as (_, port):
            for address in asked:
                wire = bytes.fromhex(ask(client, CONNECTED, address, port, query.to_wire().hex()))
                response = Message.from_wire(wire)
                assert response.id == query.id
                assert [str(one).split()[-1] for one in response.answer] == ["192.0.2.1"]

    def test_udp_listen_reply(self, hosts: tuple[Host, Host], bind: str, asked: tuple[str, str]) -> None:
        server, client = hosts
        with serving(server, "udp", "listen", "--reply", "ok", bind) as (_, port):
            for address in asked:
                assert ask(client, CONNECTED, address, port, "00") == b"ok".hex()


def test_services_that_answer_anything_get_no_answer(hosts: tuple[Host, Host]) -> None:
    """Neither the echo of a forged source, nor the end of a loop that one of them has begun."""
    server, client = hosts
    with serving(server, "serve", "echo", "--udp", ":0") as (process, port):
        for source in ("7", "13", "17", "19"):
            ask(client, SILENT, "192.0.2.2", port, source)
        assert ask(client, CONNECTED, "192.0.2.2", port, "00") == "00"
        _, counts = process.end(signal.SIGTERM)
    assert (counts["datagrams"], counts["loops_refused"]) == (1, 4)


@pytest.mark.parametrize("bind", ["0.0.0.0:0", ":0"])
@pytest.mark.parametrize("everybody", ["192.0.2.255", "255.255.255.255"])
def test_a_broadcast_is_answered_from_an_address_of_the_server(
    hosts: tuple[Host, Host], bind: str, everybody: str
) -> None:
    server, client = hosts
    with serving(server, "serve", "echo", "--udp", bind) as (_, port):
        if everybody == "255.255.255.255":
            route = ["ip", "route", "replace", "default", "dev", LINK]
            subprocess.run(client.argv(route), check=True)
        assert ask(client, UNCONNECTED, everybody, port) == "192.0.2.1"
