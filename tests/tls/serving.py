"""A TLS server for tests, in a thread: it shakes hands with whoever comes, and echoes."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netkit.errors import NetkitError
from netkit.net import TcpListener
from netkit.tls.stream import TlsStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.net import TcpStream
    from netkit.tls.config import TlsConfig


@contextmanager
def listening(serve: Callable[[TcpStream], None]) -> Iterator[int]:
    """Hand every connection to `serve`, one after another; the port. Its errors end the connection only."""
    listener = TcpListener.bind("127.0.0.1:0")

    def work() -> None:
        while True:
            try:
                stream, _ = listener.accept()
            except (NetkitError, OSError):
                return
            with stream:
                try:
                    serve(stream)
                except (NetkitError, OSError):
                    pass

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield listener.local_addr.port
    finally:
        listener.close()
        thread.join(5)


def echoing(config: TlsConfig) -> Callable[[TcpStream], None]:
    """Serve TLS with these settings, and send back what comes."""

    def serve(stream: TcpStream) -> None:
        with TlsStream.accept(stream, config, timeout=5) as tls:
            for data in tls:
                tls.write_all(data, timeout=5)

    return serve
