"""`TlsConnector`: connects, verifies, offers ALPN, resumes; and what it refuses before anything connects."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from netkit.addr import SocketAddr
from netkit.io import CancellationError, CancellationToken, DeadlineExceeded, Flow, run
from netkit.net import ConnectError, TcpListener, TcpStream
from netkit.tls import (
    Identity,
    MemorySessionStore,
    TlsAcceptor,
    TlsConfig,
    TlsConnector,
    TlsError,
    TlsVersion,
)
from tests.tls.pki import issue
from tests.tls.serving import listening
from tests.waiting import waits, when

ROOT = issue("Root", ca=True)
LEAF = issue("a.example", ROOT, sans=("a.example", "127.0.0.1"))
IDENTITY = Identity((LEAF.certificate,), LEAF.private_key)
CLIENT = TlsConfig.client().with_root_certs([ROOT.certificate])
SERVER = TlsConfig.server().with_alpn(["h2"])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server that sends what was asked for, and ends."""
    acceptor = TlsAcceptor(SERVER.with_identity(IDENTITY.chain, IDENTITY.key), names={"a.example": IDENTITY})

    def serve(stream: TcpStream) -> None:
        with acceptor.accept(stream, timeout=5) as tls:
            tls.write_all(f"{tls.server_name}".encode(), timeout=5)
            tls.shutdown(timeout=5)
            tls.read_to_end(timeout=5)

    with listening(serve) as made:
        yield made


def local(host: str, port: int, family: int) -> Flow[list[SocketAddr]]:
    """A resolver to which every name is this machine."""
    del host, family
    return [SocketAddr.parse(f"127.0.0.1:{port}")]
    yield


class TestConnect:
    def test_by_name(self, port: int) -> None:
        connector = TlsConnector(CLIENT).with_alpn(["http/1.1", "h2"])
        with connector.connect("a.example", port, resolver=local, timeout=5) as tls:
            assert tls.read_to_end(timeout=5) == b"a.example"
            assert (tls.alpn, tls.server_name) == ("h2", "a.example")
            assert tls.peer_certificate == LEAF.certificate

    def test_by_address(self, port: int) -> None:
        """An address is verified, and not sent as SNI (RFC 6066 section 3)."""
        with TlsConnector(CLIENT).connect("127.0.0.1", port, timeout=5) as tls:
            assert tls.read_to_end(timeout=5) == b"None"

    def test_with_a_name_of_its_own(self, port: int) -> None:
        with TlsConnector(CLIENT).connect("127.0.0.1", port, server_name="a.example", timeout=5) as tls:
            assert tls.read_to_end(timeout=5) == b"a.example"

    def test_the_wrong_name(self, port: int) -> None:
        with pytest.raises(TlsError.HostnameMismatch):
            TlsConnector(CLIENT).connect("127.0.0.1", port, server_name="other.example", timeout=5)

    def test_async_and_flow(self, port: int) -> None:
        connector = TlsConnector(CLIENT)

        async def scenario() -> bytes:
            async with await connector.connect_async("127.0.0.1", port, timeout=5) as tls:
                return await tls.read_to_end_async(timeout=5)

        assert asyncio.run(scenario()) == b"None"
        with run(connector.connect_flow("127.0.0.1", port)) as tls:
            assert tls.read_to_end(timeout=5) == b"None"

    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            free = taken.getsockname()[1]
        with pytest.raises(ConnectError):
            TlsConnector(CLIENT).connect("127.0.0.1", free, timeout=5)

    def test_the_deadline_names_the_handshake(self) -> None:
        with TcpListener.bind("127.0.0.1:0") as silent:
            with pytest.raises(DeadlineExceeded, match=r"in the TLS handshake with 127\.0\.0\.1"):
                TlsConnector(CLIENT).connect("127.0.0.1", silent.local_addr.port, timeout=0.05)
            token = CancellationToken()
            with when(waits, token.cancel), pytest.raises(CancellationError):
                TlsConnector(CLIENT).connect("127.0.0.1", silent.local_addr.port, cancel=token)


class TestResumption:
    @pytest.mark.parametrize("version", [TlsVersion.Tls12, TlsVersion.Tls13])
    def test_the_second_connection_resumes(self, port: int, version: TlsVersion) -> None:
        connector = TlsConnector(CLIENT.with_min_version(version).with_max_version(version))
        resumed = []
        for _ in range(3):
            with connector.connect("127.0.0.1", port, server_name="a.example", timeout=5) as tls:
                assert tls.read_to_end(timeout=5) == b"a.example"
                resumed.append(tls.resumed)
                assert tls.negotiated_version is version
        assert resumed == [False, True, True]

    def test_never_with_other_settings(self, port: int) -> None:
        connector = TlsConnector(CLIENT)
        for each, expected in ((connector, False), (connector.with_alpn(["h2"]), False), (connector, True)):
            with each.connect("127.0.0.1", port, server_name="a.example", timeout=5) as tls:
                tls.read_to_end(timeout=5)
                assert tls.resumed is expected
        assert connector.config.session_store is connector.with_alpn(["h2"]).config.session_store

    def test_none(self, port: int) -> None:
        connector = TlsConnector(CLIENT.replace(session_store=MemorySessionStore()), resume=False)
        for each in (connector, connector, connector.with_alpn(["h2"])):
            assert each.config.session_store is None
            with each.connect("127.0.0.1", port, server_name="a.example", timeout=5) as tls:
                tls.read_to_end(timeout=5)
                assert tls.resumed is False

    def test_in_a_store_of_the_caller_s(self, port: int) -> None:
        store = MemorySessionStore()
        with TlsConnector(CLIENT.replace(session_store=store)).connect("127.0.0.1", port, timeout=5) as tls:
            tls.read_to_end(timeout=5)
        assert len(store) > 0


class TestSettings:
    def test_the_usual_ones(self) -> None:
        assert TlsConnector().config.replace(session_store=None) == TlsConfig.client()
        assert repr(TlsConnector().with_alpn(["h2"])) == "<TlsConnector h2>"

    def test_of_a_server(self) -> None:
        with pytest.raises(TlsError.InvalidConfig, match="use TlsAcceptor"):
            TlsConnector(SERVER)

    def test_what_no_backend_has(self) -> None:
        with pytest.raises(TlsError.CapabilityError):
            TlsConnector(TlsConfig.client().replace(ech_grease=True, backend="ssl"))
