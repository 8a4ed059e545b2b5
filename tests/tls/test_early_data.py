"""0-RTT over sockets, between all backends that have it: taken, replayed, rejected (RFC 8446 section 8)."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from netkit.io import run
from netkit.net import TcpStream
from netkit.tls.backend import Capability
from netkit.tls.backends import find_backend, names, prepare, sending_early, why_absent
from netkit.tls.connection.early import EarlyBytes, EarlyOffer
from netkit.tls.errors import TlsError
from netkit.tls.sessions import MemorySessionStore
from netkit.tls.stream import TlsStream
from tests.tls.conformance.ends import HOST, client_config, server_config
from tests.tls.serving import listening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.tls.config import TlsConfig

HERE = [name for name in names() if why_absent(name) is None]
CLIENTS = [name for name in HERE if Capability.EarlyData in find_backend(name).capabilities("client")]
SERVERS = [name for name in HERE if Capability.EarlyData in find_backend(name).capabilities("server")]

EARLY = b"early, "


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> TlsConfig:
    return client_config(request.param, session_store=MemorySessionStore())


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> TlsConfig:
    return server_config(request.param, max_early_data=16_384)


@contextmanager
def answering(server: TlsConfig) -> Iterator[int]:
    """A server that tells what came early, and what late."""

    def accept(stream: TcpStream) -> None:
        with TlsStream.accept(stream, server, timeout=5) as tls:
            late = tls.read_exactly(6 if tls.early_data else 13, timeout=5)
            tls.write_all(tls.early_data + b"|" + late, timeout=5)
            tls.shutdown(timeout=5)
            tls.read_to_end(timeout=5)

    with listening(accept) as port:
        yield port


def ask(port: int, client: TlsConfig, expected: bool | None) -> bytes:
    """What the server answers; `expected` is whether it takes what is early."""
    tcp = TcpStream.connect(("127.0.0.1", port), timeout=5)
    with TlsStream.connect(tcp, HOST, client, early_data=EARLY, timeout=5) as tls:
        assert tls.early_data_accepted is expected
        tls.write_all(b"later.", timeout=5)
        return tls.read_to_end(timeout=5)


def test_taken_and_then_rejected(client: TlsConfig, server: TlsConfig) -> None:
    """What the server takes is there before anything else; what it rejects is sent again, once."""
    store = client.session_store
    assert isinstance(store, MemorySessionStore)
    with answering(server) as port:
        assert ask(port, client, None) == b"|early, later."
        assert ask(port, client, True) == b"early, |later."
        # The same session again, where the library lets a session be used twice.
        session = store.take(prepare(client), HOST)
        assert session is not None
        store.put(prepare(client), HOST, session)
        assert ask(port, client, True) == b"early, |later."
        store.clear()
        store.put(prepare(client), HOST, session)
        again = None if str(client.backend).startswith("rustls") else False  # a ticket of rustls is used up
        assert ask(port, client, again) == b"|early, later."


def test_a_server_that_takes_none(client: TlsConfig, server: TlsConfig) -> None:
    with answering(server.replace(max_early_data=0)) as port:
        assert ask(port, client, None) == b"|early, later."
        assert ask(port, client, None) == b"|early, later."


def test_what_the_server_knows(client: TlsConfig, server: TlsConfig) -> None:
    """Whether any came, also when it was taken; and put back, it is what the stream begins with."""
    known: list[tuple[bool | None, bytes, bytes, bytes]] = []
    done = threading.Semaphore(0)

    def accept(stream: TcpStream) -> None:
        with TlsStream.accept(stream, server, timeout=5) as tls:
            taken = tls.take_early_data()
            tls.put_back(taken)
            tls.write_all(b"x", timeout=5)
            known.append((tls.early_data_accepted, taken, tls.early_data, tls.read_exactly(13, timeout=5)))
        done.release()

    with listening(accept) as port:
        for _ in range(2):
            tcp = TcpStream.connect(("127.0.0.1", port), timeout=5)
            with TlsStream.connect(tcp, HOST, client, early_data=EARLY, timeout=5) as tls:
                tls.write_all(b"later.", timeout=5)
                assert tls.read_exactly(1, timeout=5) == b"x"
                assert done.acquire(timeout=5)
    assert known == [(None, b"", b"", b"early, later."), (True, EARLY, b"", b"early, later.")]


def test_async(client: TlsConfig, server: TlsConfig) -> None:
    async def main(port: int) -> list[bool | None]:
        accepted = []
        for _ in range(2):
            tcp = await TcpStream.connect_async(("127.0.0.1", port), timeout=5)
            connecting = TlsStream.connect_async(tcp, HOST, client, early_data=EARLY, timeout=5)
            async with await connecting as tls:
                await tls.write_all_async(b"later.", timeout=5)
                assert EARLY in (await tls.read_to_end_async(timeout=5)).replace(b"|", b"")
                accepted.append(tls.early_data_accepted)
        return accepted

    with answering(server) as port:
        assert asyncio.run(main(port)) == [None, True]


def test_a_recorded_first_flight(client: TlsConfig, server: TlsConfig) -> None:
    """Somebody on the path sends what a client sent once more: nothing of it is handed out again."""
    taken: list[bytes] = []
    ended = threading.Semaphore(0)

    def accept(below: TcpStream) -> None:
        stream = TlsStream(below, prepare(server))
        try:
            run(stream.handshake_flow(), deadline=monotonic() + 5)
            stream.write_all(b"x", timeout=5)
            stream.read_to_end(timeout=5)
        finally:
            taken.append(stream.early_data)
            ended.release()

    store = client.session_store
    assert store is not None
    with listening(accept) as port:
        tcp = TcpStream.connect(("127.0.0.1", port), timeout=5)
        with TlsStream.connect(tcp, HOST, client, timeout=5) as tls:
            assert tls.read_exactly(1, timeout=5) == b"x"
        assert ended.acquire(timeout=5)
        session = prepare(client).session(HOST, store.take(prepare(client), HOST))
        assert session.write_early_data(memoryview(EARLY)) == len(EARLY)
        session.handshake()
        flight = session.take_output()
        for _ in range(3):
            with TcpStream.connect(("127.0.0.1", port), timeout=5) as tcp:
                tcp.write_all(flight, timeout=5)
                tcp.shutdown()
                assert ended.acquire(timeout=10)
    assert taken == [b"", EARLY, b"", b""]


def test_written_for_the_session(client: TlsConfig, server: TlsConfig) -> None:
    """A writer is asked once there is a session that allows early data, and learns of which protocol."""
    offers: list[EarlyOffer] = []

    def write(offer: EarlyOffer) -> bytes:
        offers.append(offer)
        return EARLY

    config = client.with_alpn(["x", "y"])
    with answering(server.with_alpn(["y"])) as port:
        assert ask(port, config, None) == b"|early, later."
        tcp = TcpStream.connect(("127.0.0.1", port), timeout=5)
        with TlsStream.connect(tcp, HOST, config, early_data=write, timeout=5) as tls:
            assert tls.early_data_accepted is True
            tls.write_all(b"later.", timeout=5)
            assert tls.read_to_end(timeout=5) == b"early, |later."
    assert offers == [EarlyOffer("y", 16_384)]


def test_what_is_left_of_a_writers_bytes() -> None:
    bound = EarlyBytes.of(lambda offer: b"octets of %d" % offer.limit, EarlyOffer("h2", 5))
    assert bound.rest(None, "h2") == b"octets of 5"  # rejected: all of it again
    assert bound.rest(7, "h2") == b"of 5"
    assert bound.rest(None, "http/1.1") == b""  # another protocol: never
    with pytest.raises(TlsError.HandshakeFailed, match="chose another one"):
        bound.rest(7, "http/1.1")
    assert EarlyBytes.of(lambda _: b"never", None).rest(None, "h2") == b""


def test_who_sends_early() -> None:
    config = client_config("ssl").with_backend(None)
    assert sending_early(config).backend in CLIENTS
    with pytest.raises(TlsError.CapabilityError, match="ssl cannot send early data") as refused:
        sending_early(config.with_backend("ssl"))
    assert set(refused.value.backends) <= set(CLIENTS)
