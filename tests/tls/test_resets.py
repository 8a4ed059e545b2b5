"""A write that meets a reset: the alert that explains it is raised, where the peer has sent one.

The peer is scripted: OpenSSL in memory, whose records go over TCP when the test says so.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest

from netkit.io import run
from netkit.net import TcpStream
from netkit.tls.errors import TlsError
from netkit.tls.stream import TlsStream
from netkit.tls.versions import TlsVersion
from tests.tls.each_backend import each_backend  # noqa: F401 - a fixture
from tests.tls.pki import server_context
from tests.tls.test_stream import CLIENT, HOST, LEAF, MIDDLE, ROOT, beside, sockets

pytestmark = pytest.mark.usefixtures("each_backend")


class Peer:
    """A server that wants a client certificate, and resets the connection where it says no."""

    def __init__(self, tcp: TcpStream, *, wants: bool = True) -> None:
        self.tcp = tcp
        context = server_context([LEAF.certificate, MIDDLE.certificate], LEAF.private_key)
        if wants:
            context.load_verify_locations(cadata=ROOT.certificate.der_data)
            context.verify_mode = ssl.CERT_REQUIRED
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def shake_hands(self) -> None:
        """Until OpenSSL has said yes or no; what it says at last is left in `outgoing`."""
        while True:
            try:
                self.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                self.send()
                self.incoming.write(self.tcp.read(timeout=5))
            except ssl.SSLError:
                return

    def send(self) -> None:
        self.tcp.write_all(self.outgoing.read(), timeout=5)

    def reset(self) -> None:
        self.send()
        self.tcp.reset()


def refused() -> TlsStream:
    """A client's stream whose handshake of TLS 1.3 is done, and whose peer has refused and is gone."""
    ours, theirs = sockets()
    peer = Peer(theirs)
    serving = beside(peer.shake_hands)
    stream = TlsStream.connect(ours, HOST, CLIENT.with_min_version(TlsVersion.Tls13), timeout=5)
    serving.result(5)
    peer.reset()
    return stream


def write(stream: TlsStream) -> None:
    stream.write_all(b"x" * 1000, timeout=5)


def offer(stream: TlsStream) -> None:
    stream.offer(b"x" * 1000)
    run(stream.flush())


def shut_down(stream: TlsStream) -> None:
    stream.shutdown(timeout=5)


def write_async(stream: TlsStream) -> None:
    asyncio.run(stream.write_all_async(b"x" * 1000, timeout=5))


@pytest.mark.parametrize("way", [write, offer, shut_down, write_async])
def test_the_alert_explains_the_reset(way: Callable[[TlsStream], None]) -> None:
    with refused() as stream:
        with pytest.raises(TlsError.AlertReceived) as caught:
            way(stream)
        assert (caught.value.code, caught.value.name) == (116, "certificate_required")
        assert isinstance(caught.value.__cause__, ConnectionError)
        with pytest.raises(TlsError.AlertReceived, match="certificate_required"):
            stream.read(timeout=5)


def test_a_reader_has_found_it_before() -> None:
    """What OpenSSL says of the second use ("protocol is shutdown") helps nobody."""
    with refused() as stream:
        for use in (lambda: stream.read(timeout=5), lambda: write(stream)):
            with pytest.raises(TlsError.AlertReceived, match="certificate_required"):
                use()


def established() -> tuple[TlsStream, Peer]:
    ours, theirs = sockets()
    peer = Peer(theirs, wants=False)
    serving = beside(peer.shake_hands)
    stream = TlsStream.connect(ours, HOST, CLIENT, timeout=5)
    serving.result(5)
    return stream, peer


def test_a_reset_without_an_alert_stays_one() -> None:
    stream, peer = established()
    with stream:
        peer.reset()
        with pytest.raises(ConnectionError) as caught:
            write(stream)
        assert caught.value.errno in (errno.ECONNRESET, errno.EPIPE)
        assert not isinstance(caught.value, TlsError)


def test_what_came_before_the_reset_can_still_be_read() -> None:
    stream, peer = established()
    with stream:
        for piece in (b"one ", b"two "):
            peer.tls.write(piece)
        peer.reset()
        with pytest.raises(ConnectionError):
            write(stream)
        assert stream.read_exactly(8, timeout=5) == b"one two "
        with pytest.raises((ConnectionError, TlsError.Truncated)):
            stream.read(timeout=5)


def test_a_clean_end_before_the_reset_is_one() -> None:
    stream, peer = established()
    with stream:
        peer.tls.write(b"bye")
        with pytest.raises(ssl.SSLWantReadError):
            peer.tls.unwrap()
        peer.reset()
        with pytest.raises(ConnectionError):
            write(stream)
        assert stream.read(timeout=5) == b"bye"
        assert stream.read(timeout=5) == b""


def test_in_the_handshake() -> None:
    """The peer has sent its alert and is gone when the client sends its second flight."""

    flight_has_come, gone = threading.Event(), threading.Event()

    class Late(TcpStream):
        """A socket whose second write meets the reset."""

        sent = 0

        def try_send(self, data: Any) -> int:
            self.sent += 1
            if self.sent == 2:
                flight_has_come.set()
                assert gone.wait(5)
            return super().try_send(data)

    ours, theirs = sockets()
    late = Late(ours.into_socket())
    peer = Peer(theirs, wants=False)

    def refuse() -> None:
        with pytest.raises(ssl.SSLWantReadError):
            peer.tls.do_handshake()
        peer.incoming.write(theirs.read(timeout=5))
        with pytest.raises(ssl.SSLWantReadError):
            peer.tls.do_handshake()
        peer.send()
        assert flight_has_come.wait(5)
        theirs.write_all(bytes.fromhex("15030300020231"), timeout=5)
        theirs.reset()
        gone.set()

    refusing = beside(refuse)
    with pytest.raises(TlsError.AlertReceived) as caught:
        TlsStream.connect(late, HOST, CLIENT.with_max_version(TlsVersion.Tls12), timeout=5)
    refusing.result(5)
    assert caught.value.name == "access_denied"
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert late.is_closed
