"""Every server, fed with mutated datagrams and streams.

After each batch it answers on every transport it serves, holds no more descriptors than before, and no more
memory than it may. NETKIT_FUZZ_SECONDS says for how long each server is fed: three seconds, unless
`make fuzz-servers` asks for more. A failure names its seed; NETKIT_FUZZ_SEED begins with that one.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random, SystemRandom
from time import monotonic

import pytest

from netkit.addr import SocketAddr
from netkit.dns import Message, make_query
from tests.cli.helpers import netkit_argv, process_environment
from tests.fuzz.mutation import client_hello, datagram, framed, mutated, proxy_header, query
from tests.tls.pki import issue
from tests.waiting import until

SECONDS = float(os.environ.get("NETKIT_FUZZ_SECONDS", "3"))

#: What a server may grow by, in KiB, from the end of its first batch on.
GROWTH = 48 * 1024
#: Descriptors that a server opens for itself when it is first needed.
OWN = 4
#: Seconds for one answer; a server that needs longer is taken for dead.
PATIENCE = 10.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.timeout(SECONDS + 120),
    pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are counted in /proc"),
]

ZONE = (
    "$ORIGIN example.test.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n"
    "alias CNAME www\n*.wild TXT wild\nsub NS ns.sub\nns.sub A 192.0.2.3\n"
    + "".join(f"many A 192.0.2.{number}\n" for number in range(200))
    + "".join(f'huge TXT "{number}" "{"x" * 250}"\n' for number in range(300))
)
PROBE = make_query("www.example.test.", 1, id=4711).to_wire()


class Server:
    """A running server, where it listens, and what it holds."""

    def __init__(self, process: subprocess.Popen[bytes], sockets: int) -> None:
        self.process = process
        assert process.stdout is not None
        lines = [process.stdout.readline().decode().split() for _ in range(sockets)]
        self.at = {transport: local for *_, transport, local in lines}

    def connect(self, transport: str) -> socket.socket:
        """A stream to it."""
        if transport == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(PATIENCE)
            sock.connect(self.at["unix"])
            return sock
        addr = SocketAddr.parse(self.at["tcp"])
        return socket.create_connection((str(addr.ip), addr.port), timeout=PATIENCE)

    def datagrams(self) -> socket.socket:
        """A socket for datagrams to it."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.settimeout(1.0)
        addr = SocketAddr.parse(self.at["udp"])
        sock.connect((str(addr.ip), addr.port))
        return sock

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @property
    def memory(self) -> int:
        """What it has in memory, in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


@contextmanager
def running(*args: str, sockets: int) -> Iterator[Server]:
    with subprocess.Popen(
        netkit_argv(*args),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(),
    ) as process:
        try:
            yield Server(process, sockets)
            assert process.poll() is None, process.communicate()
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
            assert process.returncode == 0, errors
            assert b"Traceback" not in errors
        finally:
            process.kill()


def reset(sock: socket.socket) -> None:
    """End a connection by a reset."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def rest_of(sock: socket.socket) -> bytes:
    """All that comes until the server ends the connection, one way or the other."""
    received = bytearray()
    with suppress(ConnectionError):
        while data := sock.recv(65536):
            received += data
    return bytes(received)


def talk(rng: Random, sock: socket.socket, data: bytes, stack: ExitStack) -> bytes:
    """Send `data` in pieces, and end the connection as peers do, or leave it to `stack`; what came back.

    What is sent without being read has to fit in the buffers of both ends.
    """
    try:
        at = 0
        while at < len(data):
            size = rng.choice((1, 2, 100, len(data))) if at < 50 else len(data)
            sock.sendall(data[at : at + size])
            at += size
        match rng.randrange(6):
            case 0:
                reset(sock)
            case 1:
                sock.close()
            case 2:
                stack.callback(sock.close)  # it stays, silent, to the end of the batch
            case 3:
                sock.shutdown(socket.SHUT_RD)
                sock.close()
            case _:
                sock.shutdown(socket.SHUT_WR)
                with sock:
                    return rest_of(sock)
    except TimeoutError:
        raise
    except OSError:  # the server has ended it
        sock.close()
    return b""


# -- the echo service


def echo_answers(sock: socket.socket) -> None:
    with sock:
        sock.sendall(b"are you there?")
        sock.shutdown(socket.SHUT_WR)
        assert rest_of(sock) == b"are you there?"


def udp_answers(server: Server, wire: bytes) -> bytes:
    """The answer to one datagram; asked again where the system dropped it."""
    with server.datagrams() as sock:
        for _ in range(int(PATIENCE)):
            sock.send(wire)
            with suppress(TimeoutError):
                return sock.recv(65536)
    raise AssertionError("no answer over UDP")


def flood(
    rng: Random, server: Server, make: Callable[[Random], bytes], number: int, last: bytes
) -> tuple[list[bytes], list[bytes]]:
    """Datagrams, the last of which is to be answered: what was sent, and what came back."""
    sent: list[bytes] = []
    received: list[bytes] = []
    with server.datagrams() as sock:
        for _ in range(number):
            wire = make(rng)
            sock.send(wire)
            sent.append(wire)
            with suppress(TimeoutError):
                while select.select([sock], [], [], 0)[0]:
                    received.append(sock.recv(65536))
        sent.append(last)
        sock.send(last)
        with suppress(TimeoutError):  # the system may have dropped it
            while not received or received[-1][:2] != last[:2]:
                received.append(sock.recv(65536))
    return sent, received


def feed_echo(rng: Random, server: Server) -> None:
    """A batch for every transport, and the question whether it is still there on each."""
    with ExitStack() as stack:
        for transport in ("tcp", "unix"):
            for _ in range(15):
                data = rng.randbytes(rng.choice((0, 1, 100, 5000, 40000)))
                back = talk(rng, server.connect(transport), data, stack)
                assert data.startswith(back)
        sent, received = flood(rng, server, datagram, 40, b"the last")
        assert set(received) <= set(sent)
    for transport in ("tcp", "unix"):
        echo_answers(server.connect(transport))
    assert udp_answers(server, b"are you there?") == b"are you there?"


def tls_client(sock: socket.socket) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock, suppress_ragged_eofs=True)


def feed_tls(rng: Random, server: Server) -> None:
    """Handshakes that are none, handshakes cut short, and what comes after a good one damaged."""
    with ExitStack() as stack:
        for transport in ("tcp", "unix"):
            for _ in range(10):
                talk(rng, server.connect(transport), client_hello(rng), stack)
            for _ in range(3):
                tls = tls_client(server.connect(transport))
                below = socket.socket(
                    fileno=os.dup(tls.fileno())
                )  # what is written here is no record of its own
                stack.callback(below.close)
                tls.sendall(b"hello")
                record = b"\x17\x03\x03" + struct.pack(">H", 40) + rng.randbytes(40)
                with suppress(ConnectionError):
                    below.sendall(mutated(rng, record))
                if rng.random() < 0.5:
                    with suppress(OSError):
                        below.shutdown(socket.SHUT_WR)
                        while tls.recv(4096):
                            pass
                tls.close()
    for transport in ("tcp", "unix"):
        with tls_client(server.connect(transport)) as tls:
            tls.sendall(b"are you there?")
            assert tls.recv(100) == b"are you there?"


# -- the name server


def check_response(wire: bytes, sent: list[bytes]) -> None:
    """A response is one, to something that was asked, and repeats one question at most."""
    response = Message.from_wire(wire)
    assert response.is_response
    assert wire[:2] in {each[:2] for each in sent if len(each) >= 12}
    assert len(response.question) <= 1


def feed_dns(rng: Random, server: Server) -> None:
    """Queries over both transports."""
    with ExitStack() as stack:
        sent, received = flood(rng, server, query, 150, PROBE)
        for wire in received:
            assert len(wire) <= 1232
            check_response(wire, sent)
        for _ in range(15):
            wires = [query(rng) for _ in range(rng.choice((1, 1, 3, 20)))]
            data = framed(rng, wires)
            back = talk(rng, server.connect("tcp"), data, stack)
            while len(back) >= 2 and len(back) >= 2 + int.from_bytes(back[:2], "big"):
                size = int.from_bytes(back[:2], "big")
                response, back = back[2 : 2 + size], back[2 + size :]
                message = Message.from_wire(response)
                assert (message.is_response, message.truncated) == (True, False)
                assert len(message.question) <= 1
    assert Message.from_wire(udp_answers(server, PROBE)).answer
    with server.connect("tcp") as sock:
        sock.sendall(len(PROBE).to_bytes(2, "big") + PROBE)
        size = int.from_bytes(sock.recv(2, socket.MSG_WAITALL), "big")
        assert Message.from_wire(sock.recv(size, socket.MSG_WAITALL)).answer


# -- commands for connections


def feed_listener(rng: Random, server: Server) -> None:
    """Headers of the PROXY protocol, and what is no header, before a command that echoes."""
    with ExitStack() as stack:
        for _ in range(12):
            data = proxy_header(rng) + rng.randbytes(rng.choice((0, 1, 100, 5000)))
            back = talk(rng, server.connect("tcp"), data, stack)
            assert back in data
    with server.connect("tcp") as sock:
        sock.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nare you there?")
        sock.shutdown(socket.SHUT_WR)
        assert rest_of(sock) == b"are you there?"


def fed(server: Server, feed: Callable[[Random, Server], None]) -> None:
    """Batch after batch, while there is time; what the server holds, after each."""
    seed = int(os.environ.get("NETKIT_FUZZ_SEED", SystemRandom().randrange(1 << 32)))
    end = monotonic() + SECONDS
    before = server.descriptors + OWN
    memory: int | None = None
    while True:
        try:
            feed(Random(seed), server)
            until(lambda: server.descriptors <= before, "a server that has closed all connections")
            memory = memory or server.memory
            assert server.memory <= memory + GROWTH
        except Exception as error:
            if server.process.poll() is not None:
                error.add_note(f"it has ended: {server.process.communicate()}")
            error.add_note(f"NETKIT_FUZZ_SEED={seed}")
            raise
        seed += 1
        if monotonic() >= end:
            return


def test_plain_connections(tmp_path: Path) -> None:
    with running("serve", "echo", "127.0.0.1:0", f"unix:{tmp_path}/echo", sockets=3) as server:
        fed(server, feed_echo)


def test_connections_that_are_flows(tmp_path: Path) -> None:
    args = ("--delay", "1ms", "127.0.0.1:0", f"unix:{tmp_path}/echo")
    with running("serve", "echo", *args, sockets=3) as server:
        fed(server, feed_echo)


def test_tls(tmp_path: Path) -> None:
    args = ("--tcp", "--tls", "127.0.0.1:0", f"unix:{tmp_path}/echo")
    with running("serve", "echo", *args, sockets=2) as server:
        fed(server, feed_tls)


def test_tls_by_name(tmp_path: Path) -> None:
    """With two certificates the server reads the hello itself, to choose one."""
    args = ["--tcp", "--tls", "127.0.0.1:0", f"unix:{tmp_path}/echo"]
    for name in ("localhost", "other.example"):
        made = issue(name, sans=(name,))
        (tmp_path / f"{name}.pem").write_text(made.pem + made.key_pem)
        args += ["--cert", str(tmp_path / f"{name}.pem")]
    with running("serve", "echo", *args, sockets=2) as server:
        fed(server, feed_tls)


def test_a_listener_with_a_command() -> None:
    args = ("-q", "-k", "--drain", "1", "--proxy-protocol", "--exec", "cat", "127.0.0.1:0")
    with running("tcp", "listen", *args, sockets=1) as server:
        fed(server, feed_listener)


def test_the_name_server(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text(ZONE)
    with running("serve", "dns", "--zone", str(tmp_path / "zone"), "127.0.0.1:0", sockets=2) as server:
        fed(server, feed_dns)
