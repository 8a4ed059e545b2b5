"""A name server that does as it is told: real sockets on loopback, and a function from query to what is sent.

    with ScriptedServer(lambda asked: answer(asked, "www.example. 60 A 192.0.2.1")) as server:
        run(ask(question, [server.addr]))
        assert len(server.asked) == 1

The function gets an `Asked` and gives what is sent: a Message, bytes, several of them, or None for
silence. Over UDP each is a datagram; `Elsewhere` sends one from another port. Over TCP each is framed;
`Pieces` are sent as they are, one by one; `CLOSE` ends the connection and `RESET` cuts it off. With `tls`,
an SSLContext, what connects by TCP has to speak TLS.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Self, TypeAlias

from netkit.addr import SocketAddr
from netkit.dns.constants import Rcode
from netkit.dns.messages.message import Message, make_response
from netkit.dns.records import DnsRecord


class Asked(NamedTuple):
    """A query as it came."""

    message: Message
    wire: bytes
    over_tcp: bool

    @property
    def name(self) -> str:
        """The name in question, in lower case."""
        return str(self.message.question[0].name).lower()

    @property
    def rdtype(self) -> str:
        return str(self.message.question[0].rdtype)


class Elsewhere(NamedTuple):
    """A datagram that comes from another port than the one that was asked."""

    wire: bytes


class Pieces(NamedTuple):
    """What is sent over TCP as it is, a segment each."""

    pieces: Iterable[bytes]


CLOSE, RESET = "close", "reset"

Sent: TypeAlias = "Message | bytes | Elsewhere | Pieces | str | Iterable[Any] | None"
Script: TypeAlias = Callable[[Asked], Sent]


def answer(
    asked: Asked,
    *answers: str,
    rcode: int = Rcode.NOERROR,
    authority: Iterable[str] = (),
    additional: Iterable[str] = (),
    ra: bool = True,
    aa: bool = False,
) -> Message:
    """A response with these records, which are written as in a zone file."""
    return make_response(
        asked.message,
        rcode=rcode,
        ra=ra,
        aa=aa,
        answer=[DnsRecord.parse(text) for text in answers],
        authority=[DnsRecord.parse(text) for text in authority],
        additional=[DnsRecord.parse(text) for text in additional],
    )


def changed(wire: bytes, at: int, *octets: int) -> bytes:
    """The message with some of its octets changed."""
    return wire[:at] + bytes(octets) + wire[at + len(octets) :]


class ScriptedServer:
    """Answers by `script` until it is closed; `asked` is every query that came, in order."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> None:
        self.script = script
        self._tls = tls
        self.connected = 0  # how many connections there were
        self.asked: list[Asked] = []
        self.errors: list[BaseException] = []
        self._closed = False
        for _ in range(50):
            self._tcp = socket.create_server((address, 0))
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self._udp.bind(self._tcp.getsockname())
                break
            except OSError:
                self._tcp.close()
                self._udp.close()
        self._elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._elsewhere.bind((address, 0))
        self.addr = SocketAddr.new(address, self._tcp.getsockname()[1])
        self._connections: list[socket.socket] = []
        self._threads = [
            threading.Thread(target=self._serve_udp, daemon=True),
            threading.Thread(target=self._serve_tcp, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop when all that has come is dealt with, and raise what the script raised.

        A client that gave up may do so before its last query is in `asked`: close first, then count.
        """
        if self._closed:
            return
        self._closed = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self._udp.getsockname())
        self._tcp.shutdown(socket.SHUT_RDWR)
        for connection in self._connections:
            try:
                # Not the method of a TLS socket, which forgets its keys: what comes last would then be read
                # as it is on the wire, and be no message.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(5)
        for sock in (self._udp, self._tcp, self._elsewhere, *self._connections):
            sock.close()
        if self.errors:
            raise self.errors[0]

    def _serve_udp(self) -> None:
        while True:
            wire, peer = self._udp.recvfrom(65535)
            if not wire:
                return
            for each in self._replies(wire, over_tcp=False):
                if isinstance(each, Elsewhere):
                    self._elsewhere.sendto(each.wire, peer)
                else:
                    self._udp.sendto(each, peer)

    def _serve_tcp(self) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            self.connected += 1
            thread = threading.Thread(target=self._converse, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _converse(self, connection: socket.socket) -> None:
        if self._tls is not None:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:
                return  # the client refused the certificate
            self._connections.append(connection)
        stream = connection.makefile("rb")
        try:
            while len(prefix := stream.read(2)) == 2:
                for each in self._replies(stream.read(int.from_bytes(prefix, "big")), over_tcp=True):
                    if each == CLOSE:
                        connection.shutdown(socket.SHUT_RDWR)
                        return
                    if each == RESET:
                        linger = struct.pack("ii", 1, 0)
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                        stream.close()
                        connection.close()
                        return
                    for piece in each.pieces if isinstance(each, Pieces) else [framed(each)]:
                        connection.sendall(piece)
        except OSError:
            pass  # the client had enough
        finally:
            stream.close()

    def _replies(self, wire: bytes, *, over_tcp: bool) -> Iterator[Any]:
        try:
            asked = Asked(Message.from_wire(wire), wire, over_tcp)
            self.asked.append(asked)
            sent = self.script(asked)
        except BaseException as error:
            self.errors.append(error)
            return
        several = isinstance(sent, Iterable) and not isinstance(sent, (bytes, str, tuple))
        for each in sent if several else [sent]:  # type: ignore[union-attr]
            if each is not None:
                yield each.to_wire() if isinstance(each, Message) else each


def framed(wire: bytes) -> bytes:
    """A message as TCP carries it."""
    return len(wire).to_bytes(2, "big") + wire
