"""Many connections to an echo server at once, from one thread, every byte that comes back compared."""

from __future__ import annotations

import fcntl
import resource
import select
import socket
import struct
import termios
from random import Random
from time import monotonic

#: What is sent: each connection begins at a place of its own.
PATTERN = Random(20260).randbytes(1 << 18)
TWICE = PATTERN * 2

#: The most that one connection has sent and not received back, in bytes.
WINDOW = 1 << 15


def allow_descriptors(count: int) -> None:
    """Let this process, and those it starts, open so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count if hard < 0 else min(count, hard), hard))


class Connection:
    """One connection: how far it has sent and received."""

    def __init__(self, addr: tuple[str, int], number: int, random: Random) -> None:
        self.sock = socket.create_connection(addr, timeout=20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.begin = number * 7919
        self.random = random
        self.sent = 0
        self.received = 0
        self.ended = False

    def send(self) -> int:
        """Send a piece of any size, if there is room for it on its way."""
        size = min(self.random.randint(1, 8192), WINDOW - (self.sent - self.received))
        at = (self.begin + self.sent) % len(PATTERN)
        try:
            sent = self.sock.send(TWICE[at : at + size]) if size > 0 else 0
        except BlockingIOError:
            return 0
        self.sent += sent
        return sent

    def receive(self) -> int:
        """Take what has come, and compare it. 0 at the end of the stream."""
        data = self.sock.recv(65536)
        at = (self.begin + self.received) % len(PATTERN)
        assert data == TWICE[at : at + len(data)], f"other bytes than sent, from {self.received} on"
        self.received += len(data)
        self.ended = not data
        return len(data)

    @property
    def unacknowledged(self) -> int:
        """How many bytes the server's system has not acknowledged yet."""
        queued = struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, bytes(4)))
        return int(queued[0])


class Load:
    """`count` connections that keep an echo server busy."""

    def __init__(self, addr: tuple[str, int], count: int, seed: int = 1) -> None:
        self.addr = addr
        self.random = Random(seed)
        self.connections: dict[int, Connection] = {}
        self.epoll = select.epoll()
        self.made = 0
        self.echoed = 0
        self.ended = 0
        for _ in range(count):
            self.connect()

    def connect(self) -> None:
        """One more. Raises what connecting raises, ConnectionRefusedError above all."""
        made = Connection(self.addr, self.made, self.random)
        self.made += 1
        self.connections[made.sock.fileno()] = made
        self.epoll.register(made.sock, select.EPOLLIN)
        made.send()

    def run(self, seconds: float, *, replace: bool = False) -> None:
        """Send and compare for so long. With `replace`, a connection that the server has ended, and every
        thirtieth that is whole, is followed by another. Raises ConnectionError where one was reset."""
        until = monotonic() + seconds
        while monotonic() < until:
            for fd, _ in self.epoll.poll(0.1):
                connection = self.connections[fd]
                got = connection.receive()
                self.echoed += got
                if connection.ended:
                    assert replace, "the server ended a connection"
                    self.ended += 1
                    self.drop(connection)
                    self.connect()
                elif replace and connection.received == connection.sent and self.random.random() < 0.03:
                    self.drop(connection)
                    self.connect()
                else:
                    connection.send()

    def settle(self) -> None:
        """Send nothing more, receive nothing, until the server's system has everything that was sent."""
        until = monotonic() + 20
        while any(connection.unacknowledged for connection in self.connections.values()):
            assert monotonic() < until
            self.epoll.poll(0.001)

    def finish(self) -> None:
        """Receive until the server ends every connection. Raises ConnectionError where one was reset."""
        left = dict(self.connections)
        until = monotonic() + 30
        while left:
            assert monotonic() < until, f"{len(left)} connections are not ended"
            for fd, _ in self.epoll.poll(0.1):
                connection = left.get(fd)
                if connection is not None:
                    self.echoed += connection.receive()
                    if connection.ended:
                        self.epoll.unregister(fd)
                        del left[fd]

    def drop(self, connection: Connection) -> None:
        """Close one of them."""
        del self.connections[connection.sock.fileno()]
        self.epoll.unregister(connection.sock)
        connection.sock.close()

    def close(self) -> None:
        """Close all of them."""
        for connection in self.connections.values():
            connection.sock.close()
        self.epoll.close()
