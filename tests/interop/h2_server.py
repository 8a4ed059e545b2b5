"""A small server of HTTP/2 over the server's side of netkit's protocol objects, for h2spec and other peers.

    python -m tests.interop.h2_server rust|pure [--tls CERTIFICATE]     prints its port, and serves

A thread a connection, blocking: the protocol object does no I/O, and this does nothing else. It answers every
request with the same body, as far as the windows let it, and credits what it is sent at once.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import ssl
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Self

from netkit.http.connection.events import Broken, Data, End, RequestReceived, Reset, Room
from netkit.http.connection.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from netkit.http.connection.h2 import H2ServerConnection

#: h2spec looks for a body that can be cut by a small window.
BODY = b"netkit answers every request with this line.\n"
HEAD = [(b"content-type", b"text/plain"), (b"server", b"netkit")]

#: How long a peer may be silent. h2spec's own timeout is two seconds.
SILENCE = 10.0


class Connection:
    """One connection: what was asked on it, and what of the answers is still to be sent."""

    def __init__(self, sock: socket.socket, protocol: H2ServerConnection) -> None:
        self.sock = sock
        self.protocol = protocol
        self.unsent: dict[int, bytes] = {}

    def serve(self) -> None:
        self.sock.settimeout(SILENCE)
        with contextlib.suppress(OSError), self.sock:
            self.sock.sendall(self.protocol.take())
            while not self.protocol.is_closed:
                data = self.sock.recv(65536)
                events = self.protocol.feed(data) if data else self.protocol.feed_eof()
                for event in events:
                    self.handle(event)
                self.sock.sendall(self.protocol.take())
                if not data:
                    return
            # The peer may still be sending; what it has not read yet must not be lost to a reset.
            self.sock.shutdown(socket.SHUT_WR)
            while self.sock.recv(65536):
                pass

    def handle(self, event: object) -> None:
        match event:
            case RequestReceived(stream=stream, head=head, end=end):
                if head.method == b"CONNECT":
                    self.protocol.respond(stream, 501, HEAD, end=True)
                elif end:
                    self.answer(stream, head.method)
            case Data(stream=stream, credit=credit):
                self.protocol.consumed(stream, credit)
            case End(stream=stream):
                self.answer(stream, b"POST")
            case Reset(stream=stream):
                self.unsent.pop(stream, None)
            case Room():
                for stream in list(self.unsent):
                    self.send(stream)
            case Broken():
                self.unsent.clear()

    def answer(self, stream: int, method: bytes) -> None:
        self.protocol.respond(stream, 200, HEAD, end=method == b"HEAD", length=len(BODY))
        if method != b"HEAD":
            self.unsent[stream] = BODY
            self.send(stream)

    def send(self, stream: int) -> None:
        rest = self.unsent[stream]
        piece = rest[: self.protocol.room(stream)]
        if not piece:
            return
        self.protocol.send(stream, piece, end=len(piece) == len(rest))
        if len(piece) == len(rest):
            del self.unsent[stream]
        else:
            self.unsent[stream] = rest[len(piece) :]


class Server:
    """Accepts on a port of the loopback, until it is left."""

    def __init__(self, form: str, context: ssl.SSLContext | None = None) -> None:
        self._make = import_module(f"netkit.http.connection.h2_{form}").server
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        # Closing alone does not wake who accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                sock, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            try:
                sock = self._context.wrap_socket(sock, server_side=True)
            except OSError:
                sock.close()
                return
        Connection(sock, self._make(DEFAULT_LIMITS)).serve()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("form", choices=("rust", "pure"))
    parser.add_argument("--tls", metavar="CERTIFICATE", help="a PEM file with a certificate and its key")
    arguments = parser.parse_args()
    context = None
    if arguments.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.tls)
        context.set_alpn_protocols(["h2"])
    with Server(arguments.form, context) as server:
        print(server.port, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
