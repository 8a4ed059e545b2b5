"""An error pending on a socket while something else is there too: on every driver it is told, and no end."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from netkit.addr import SocketAddr
from netkit.io import PAUSE, Descriptor, Flow, all_of
from netkit.net import TcpListener, TcpStream, UdpSocket
from tests.conftest import free_port
from tests.io.conftest import Drive, drive

__all__ = ["drive"]


@pytest.fixture
def reset_behind_data() -> Iterator[TcpStream]:
    """A stream whose peer sends five bytes and then resets, as soon as it has been waited for once."""
    with TcpListener.bind("127.0.0.1:0") as listener:
        ours = TcpStream.connect(listener.local_addr, timeout=5)
        theirs, _ = listener.accept(timeout=5)
    theirs.write_all(b"hello")
    theirs.set_linger(0)
    theirs.close()
    with ours:
        yield ours


def readable(fd: int) -> Flow[None]:
    """Flow: wait once for what comes in at `fd`, as the flows of its owner do, and take nothing."""
    copy = os.dup(fd)
    descriptor = Descriptor(copy, close=lambda: os.close(copy))
    try:
        yield descriptor.want_read
    finally:
        descriptor.close()


def test_a_reset_behind_data(reset_behind_data: TcpStream, drive: Drive) -> None:
    ours = reset_behind_data

    def both() -> Flow[bytes]:
        data = b""
        yield from readable(ours.fileno())  # the driver sees data and error at once
        data += yield from ours.read_flow()
        with pytest.raises(ConnectionResetError):
            yield from ours.read_flow()
        return data

    assert drive(both(), timeout=5) == b"hello"


def test_a_refusal_is_not_the_end_of_a_udp_socket(drive: Drive) -> None:
    port = free_port()
    with UdpSocket.connected(SocketAddr.parse(f"127.0.0.1:{port}")) as ours:
        ours.send(b"anybody there?")

        def refused() -> Flow[bytes]:
            yield from readable(ours.fileno())  # the driver sees the error
            with pytest.raises(ConnectionRefusedError):
                yield from ours.receive_flow()
            with UdpSocket.bind(f"127.0.0.1:{port}") as peer:

                def answer() -> Flow[bytes | None]:
                    yield PAUSE  # the other branch waits by now
                    peer.send_to(b"now there is", ours.local_addr)
                    return None

                received, _ = yield from all_of([received_by(ours), answer()])
                return received.unwrap() or b""

        assert drive(refused(), timeout=5) == b"now there is"


def received_by(sock: UdpSocket) -> Flow[bytes | None]:
    return (yield from sock.receive_flow())[0]
