"""Clients that mean ill: each gets little, and costs little; the others are served meanwhile.

The server is a process of its own, so that its memory and descriptors can be looked at.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic

import pytest

from tests.http.server.serving import GET, Client
from tests.http.server.site import Site, site
from tests.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="memory and descriptors are in /proc"),
]

CHUNKED = b"POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

#: Connections of a crowd.
CROWD = 200

#: What a server may grow by in any of these tests, in KiB, without what is said there.
GROWTH = 16 * 1024

#: Descriptors that a server opens for itself when it is first needed.
OWN = 4

#: How many idle connections are held; the whole number takes descriptors, and a minute.
IDLE = int(os.environ.get("NETKIT_IDLE_CONNECTIONS", "500"))


@pytest.fixture(scope="module")
def server() -> Iterator[Site]:
    """One for several tests, which takes bodies of any length."""
    with site(max_body=None) as server:
        yield server


def is_served(server: Site) -> bool:
    with server.client() as client:
        return client.ask(GET).status == 200


def warm(server: Site) -> tuple[int, int]:
    """What the server holds after its first requests: descriptors and memory."""
    for _ in range(20):
        assert is_served(server)
    with server.client() as client:
        client.send(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000))
        assert client.response().body == b"1000000\n"
    return server.descriptors + OWN, server.memory


def crowd(server: Site, stack: ExitStack, size: int = CROWD, **more: int) -> list[Client]:
    return [stack.enter_context(server.client(**more)) for _ in range(size)]


def until_ended(server: Site, clients: list[Client], octet: bytes) -> int:
    """Each sends an octet now and then, until the server has answered all; requests served meanwhile."""
    served = 0
    waiting = {client.sock: client for client in clients}
    with selectors.DefaultSelector() as selector:
        for sock in waiting:
            selector.register(sock, selectors.EVENT_READ)
        deadline = monotonic() + 30
        while waiting:
            assert monotonic() < deadline, f"{len(waiting)} are still waited for"
            for client in waiting.values():
                client.send_until_refused(octet)
            assert is_served(server)
            served += 1
            for key, _ in selector.select(0):
                selector.unregister(key.fileobj)
                del waiting[key.fileobj]  # type: ignore[arg-type]  # a socket
    return served


def test_slow_heads() -> None:
    """Slowloris: an octet of a head now and then. The time of a head counts from its first octet."""
    with site(head_timeout=0.5, idle_timeout=None) as server, ExitStack() as stack:
        descriptors, memory = warm(server)
        clients = crowd(server, stack)
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nA: ")
        assert until_ended(server, clients, b"b") > 1
        assert {client.response().status for client in clients} == {408}
        assert server.memory < memory + GROWTH
        stack.close()
        server.until_closed(descriptors)


@pytest.mark.parametrize(
    "head", [CHUNKED + b"ffffffff\r\n", CHUNKED.replace(b"/read", b"/unread") + b"fffff\r\n"]
)
def test_slow_bodies(head: bytes) -> None:
    """An octet of a body now and then, whether the handler reads it or the server drops it: `min_rate`."""
    with site(body_timeout=0.5, min_rate=1_000_000, max_body=None) as server, ExitStack() as stack:
        descriptors, memory = warm(server)
        clients = crowd(server, stack)
        for client in clients:
            client.send(head)
        if b"/unread" in head:
            assert {client.response().status for client in clients} == {200}
        assert until_ended(server, clients, b"b") > 1
        if b"/read" in head:
            assert {client.response().status for client in clients} == {408}
        assert server.memory < memory + GROWTH
        stack.close()
        server.until_closed(descriptors)


def test_clients_that_never_read() -> None:
    """A large response to each, which nobody takes: one piece for each is kept, and not for ever."""
    with site(write_timeout=0.5) as server, ExitStack() as stack:
        descriptors, memory = warm(server)
        for client in crowd(server, stack, receive_buffer=4096):
            client.send(GET.replace(b"/ ", b"/large "))
        for _ in range(5):
            assert is_served(server)
        assert server.memory < memory + GROWTH + CROWD * 128
        server.until_closed(descriptors)  # although none of them has closed


def test_a_flood_of_pipelined_requests() -> None:
    """A million from a client that reads nothing: it is held back, and others are served."""
    with site() as server, server.client(receive_buffer=4096) as client:
        _, memory = warm(server)
        data = memoryview(GET * 1_000_000)
        client.sock.setblocking(False)
        served = 0
        while data and served < 20:
            try:
                data = data[client.sock.send(data) :]
            except BlockingIOError:
                assert is_served(server)
                served += 1
        assert data, "a flood that is taken whole"
        assert server.memory < memory + GROWTH


def test_a_flood_that_is_read() -> None:
    """Each is answered, in order, and others are served meanwhile."""
    with site() as server, server.client() as client:
        _, memory = warm(server)
        left = memoryview(GET * 20_000)
        client.sock.setblocking(False)
        count, tail, served = 0, b"", 0
        with selectors.DefaultSelector() as selector:
            key = selector.register(client.sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while count < 20_000:
                ((_, ready),) = selector.select(20)
                if ready & selectors.EVENT_READ:
                    data = tail + client.sock.recv(1 << 20)
                    count += data.count(b"HTTP/1.1 200 OK\r\n")
                    tail = data[-16:]  # shorter than what is counted
                if ready & selectors.EVENT_WRITE:
                    left = left[client.sock.send(left[: 1 << 18]) :]
                    if not left:
                        selector.modify(key.fileobj, selectors.EVENT_READ)
                if count // 4_000 > served:
                    assert is_served(server)
                    served += 1
        assert served >= 4
        assert server.memory < memory + GROWTH


def test_tiny_chunks(server: Site) -> None:
    with server.client() as client:
        _, memory = warm(server)
        client.send(CHUNKED, b"1\r\na\r\n" * 300_000, b"0\r\n\r\n")
        assert client.response().body == b"300000\n"
        assert is_served(server)
        assert server.memory < memory + GROWTH


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (CHUNKED + b"1;" + b"a" * 10_000_000, 400),
        (CHUNKED + b"1;a=b\r\nx\r\n" * 1_000_000, 400),
        (CHUNKED + b"0" * 10_000_000, 413),
        (CHUNKED + b"0\r\n" + b"A: b\r\n" * 1_000_000, 431),
        (CHUNKED + b"0\r\nA: " + b"b" * 10_000_000, 431),
        (b"\r\n" * 5_000_000, 414),
        (b"GET /" + b"a" * 10_000_000, 414),
        (b"GET / HTTP/1.1\r\nHost: " + b"a" * 10_000_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 1_000_000, 431),
    ],
    ids=lambda value: value[-8:].decode() if isinstance(value, bytes) else str(value),
)
def test_what_never_ends(server: Site, octets: bytes, status: int) -> None:
    """Extensions, zeros, trailers, lines: each has its limit, and memory is that of the limit."""
    with server.client() as client:
        _, memory = warm(server)
        client.send_until_refused(octets)
        reply = client.response()
        assert (reply.status, reply.closes) == (status, True)
        assert client.is_ended()
        assert server.memory < memory + GROWTH


def test_connections_that_come_and_go() -> None:
    """Resets, closes and halves at every stage leave nothing behind."""
    stages = [
        b"",
        b"GET",
        GET,
        GET[:-2],
        CHUNKED,
        CHUNKED + b"5\r\nab",
        GET.replace(b"/ ", b"/large "),
        GET * 50,
    ]
    with site() as server:
        descriptors, memory = warm(server)
        for number in range(600):
            client = server.client()
            client.send(stages[number % len(stages)])
            match number % 3:
                case 0:
                    client.reset()
                case 1:
                    client.sock.close()
                case 2:
                    client.sock.shutdown(socket.SHUT_RDWR)
                    client.sock.close()
        assert is_served(server)
        server.until_closed(descriptors)
        assert server.memory < memory + GROWTH


HOLDER = """
import resource, socket, sys
count, port = map(int, sys.argv[1:])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
for number in range(count):
    sock = socket.create_connection(("127.0.0.1", port))
    if number % 2:  # one that was used, and one that was not
        sock.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
        sock.recv(4096)
    held.append(sock)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.timeout(240)
def test_idle_connections() -> None:
    """Many of them, held by a process of its own: what each costs, and that others are served.

    NETKIT_IDLE_CONNECTIONS=10000 holds so many; the server and the holder raise their limits themselves.
    """
    with site(idle_timeout=None) as server:
        descriptors, memory = warm(server)
        argv = [sys.executable, "-c", HOLDER, str(IDLE), str(server.port)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            assert is_served(server)
            until(lambda: server.descriptors >= IDLE)
            each = (server.memory - memory) / IDLE
            print(f"{IDLE} idle connections: {each:.1f} KiB each")
            assert each < 32
            holder.communicate()
        server.until_closed(descriptors)
        assert is_served(server)
