"""Compressed certificates (RFC 8879) with tlslite-ng, in both roles and with every algorithm."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from netkit.net import TcpStream
from netkit.tls.backend import Capability
from netkit.tls.backends import find_backend
from netkit.tls.config import COMPRESSIONS, CertVerifyMode, TlsConfig
from netkit.tls.stream import TlsStream
from tests.conftest import absent
from tests.interop.test_tls_interop import BACKENDS, HOST
from tests.tls.pki import issue
from tests.tls.serving import listening

# None of this uses a twin.
pytestmark = pytest.mark.once

tlslite: Any = pytest.importorskip("tlslite.api")

ROOT = issue("Root", ca=True)
#: Its names make it long enough to be worth compressing.
LEAF = issue(HOST, ROOT, sans=(HOST, *(f"host{number}.example" for number in range(60))))

COMPRESSES = Capability.CertificateCompression
#: The backends that have it; None where there is none, so that its absence is told.
ABLE: list[str | None] = [
    *(name for name in BACKENDS if COMPRESSES in find_backend(name).capabilities("client"))
] or [None]


@pytest.fixture(params=ABLE)
def backend(request: pytest.FixtureRequest) -> str:
    """The backends that have it."""
    name: str | None = request.param
    if name is None:
        absent("a backend that compresses certificates (rustls)", "NETKIT_REQUIRE_RUSTLS")
    assert name is not None
    return name


def settings(algorithm: str) -> Any:
    """tlslite's: TLS 1.3 with one algorithm."""
    made = tlslite.HandshakeSettings()
    made.minVersion = (3, 4)
    made.certificate_compression_send = [algorithm]
    made.certificate_compression_receive = [algorithm]
    return made


class Counting:
    """A socket that counts what is received."""

    def __init__(self, below: socket.socket) -> None:
        self._below = below
        self.received = 0

    def recv(self, size: int) -> bytes:
        data = self._below.recv(size)
        self.received += len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)


@pytest.mark.parametrize("algorithm", COMPRESSIONS)
def test_a_server_that_compresses(backend: str, algorithm: str) -> None:
    def serve(listener: socket.socket) -> None:
        below, _ = listener.accept()
        with below:
            below.settimeout(10)
            chain = tlslite.X509CertChain()
            chain.parsePemList(LEAF.pem)
            key = tlslite.parsePEMKey(LEAF.key_pem, private=True)
            connection = tlslite.TLSConnection(below)
            connection.handshakeServer(certChain=chain, privateKey=key, settings=settings(algorithm))
            connection.write(b"hello")
            connection.close()

    config = TlsConfig(root_certs=(ROOT.certificate,), certificate_compression=(algorithm,), backend=backend)
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve, listener)
        tcp = TcpStream.connect(listener.getsockname(), timeout=10)
        with TlsStream.connect(tcp, HOST, config, timeout=10) as stream:
            assert stream.peer_certificate == LEAF.certificate
            assert stream.read_exactly(5, timeout=10) == b"hello"
        served.result(10)


def _received(config: TlsConfig, algorithm: str) -> int:
    """How many octets tlslite's client got from netkit's server for a handshake."""

    def serve(below: TcpStream) -> None:
        with TlsStream.accept(below, config, timeout=10) as stream:
            stream.write_all(b"hello", timeout=10)
            stream.shutdown(timeout=10)
            stream.read_to_end(timeout=10)

    with listening(serve) as port, socket.create_connection(("127.0.0.1", port), 10) as below:
        counting = Counting(below)
        connection = tlslite.TLSConnection(counting)
        connection.handshakeClientCert(settings=settings(algorithm), serverName=HOST)
        assert bytes(connection.read(min=5, max=5)) == b"hello"
        (shown, *_) = connection.session.serverCertChain.x509List
        assert bytes(shown.bytes) == LEAF.certificate.der_data
        connection.close()
        return counting.received


@pytest.mark.parametrize("algorithm", COMPRESSIONS)
def test_a_client_that_decompresses(backend: str, algorithm: str) -> None:
    plain = TlsConfig(
        is_server=True, verify_mode=CertVerifyMode.None_, use_system_certs=False, backend=backend
    ).with_identity(LEAF.certificate, LEAF.private_key)
    packed = plain.replace(certificate_compression=(algorithm,))
    assert _received(packed, algorithm) < _received(plain, algorithm) - 300
