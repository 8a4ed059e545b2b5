"""Every TLS backend with the libraries of Python programs, both ways, in memory; and as a server of curl's.

The peers are objects of `ssl` and of pyOpenSSL, made as their documentation says, none of netkit's classes.
"""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import pytest
from OpenSSL import SSL

from netkit.tls.backends import prepare
from netkit.tls.versions import TlsVersion
from tests.conftest import require_peer
from tests.interop.test_tls_interop import (
    BACKENDS,
    HOST,
    Keys,
    client,
    keys,  # noqa: F401 - a fixture
    server,
)
from tests.tls.serving import listening

# None of this uses a twin.
pytestmark = pytest.mark.once

VERSIONS = (TlsVersion.Tls12, TlsVersion.Tls13)
SAID = b"said " * 5_000


class Peer(Protocol):
    """One end that is not netkit's: its octets, its handshake, its text, and whether that has ended."""

    ended: bool

    def feed(self, data: bytes) -> None: ...
    def take(self) -> bytes: ...
    def handshake(self) -> None: ...
    def write(self, data: bytes) -> None: ...
    def read(self) -> bytes: ...
    def facts(self) -> tuple[str | None, str | None]: ...


class OfSsl:
    """An object of `ssl`."""

    ended = False

    def __init__(self, files: Keys, version: TlsVersion, *, is_server: bool) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
        if is_server:
            context.load_cert_chain(files.file("server.pem"), files.file("server.key"))
        else:
            context.load_verify_locations(files.file("root.pem"))
        context.set_alpn_protocols(["h2"])
        context.minimum_version = context.maximum_version = ssl.TLSVersion(version)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if is_server else HOST
        self._ssl = context.wrap_bio(self._in, self._out, is_server, server_hostname=name)

    def feed(self, data: bytes) -> None:
        self._in.write(data)

    def take(self) -> bytes:
        return self._out.read()

    def handshake(self) -> None:
        with suppress(ssl.SSLWantReadError):
            self._ssl.do_handshake()

    def write(self, data: bytes) -> None:
        self._ssl.write(data)

    def read(self) -> bytes:
        got = b""
        with suppress(ssl.SSLWantReadError):
            while more := self._ssl.read(65_536):
                got += more
            self.ended = True
        return got

    def facts(self) -> tuple[str | None, str | None]:
        return self._ssl.version(), self._ssl.selected_alpn_protocol()


class OfPyOpenSsl:
    """A connection of pyOpenSSL, without a socket."""

    ended = False

    def __init__(self, files: Keys, version: TlsVersion, *, is_server: bool) -> None:
        context = SSL.Context(SSL.TLS_SERVER_METHOD if is_server else SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(int(version))
        context.set_max_proto_version(int(version))
        if is_server:
            context.use_certificate_chain_file(files.file("server.pem"))
            context.use_privatekey_file(files.file("server.key"))
            context.set_alpn_select_callback(lambda _, offered: b"h2" if b"h2" in offered else b"")
        else:
            context.load_verify_locations(files.file("root.pem"))
            context.set_verify(SSL.VERIFY_PEER, lambda _c, _x, _number, _depth, good: bool(good))
            context.set_alpn_protos([b"h2"])
        self._ssl = SSL.Connection(context)
        if is_server:
            self._ssl.set_accept_state()
        else:
            self._ssl.set_tlsext_host_name(HOST.encode())
            self._ssl.set_connect_state()

    def feed(self, data: bytes) -> None:
        while data:
            data = data[self._ssl.bio_write(data) :]

    def take(self) -> bytes:
        got = b""
        with suppress(SSL.WantReadError):
            while True:
                got += self._ssl.bio_read(65_536)
        return got

    def handshake(self) -> None:
        with suppress(SSL.WantReadError):
            self._ssl.do_handshake()

    def write(self, data: bytes) -> None:
        self._ssl.sendall(data)

    def read(self) -> bytes:
        got = b""
        try:
            while True:
                got += self._ssl.recv(65_536)
        except SSL.ZeroReturnError:
            self.ended = True
        except SSL.WantReadError:
            pass
        return got

    def facts(self) -> tuple[str | None, str | None]:
        alpn = self._ssl.get_alpn_proto_negotiated()
        return self._ssl.get_protocol_version_name(), alpn.decode() or None


PEERS: dict[str, Callable[..., Peer]] = {"ssl": OfSsl, "pyOpenSSL": OfPyOpenSsl}


@pytest.mark.parametrize("is_server", [False, True], ids=["connects", "accepts"])
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("backend", BACKENDS)
def test_with_a_library(
    keys: Keys,  # noqa: F811
    backend: str,
    version: TlsVersion,
    peer: str,
    is_server: bool,
) -> None:
    config = (server if is_server else client)(keys, backend, version)
    session = prepare(config).session(None if is_server else HOST)
    other = PEERS[peer](keys, version, is_server=not is_server)

    def swap() -> None:
        while data := session.take_output():
            other.feed(data)
        if data := other.take():
            session.feed(data)

    done = False
    for _ in range(10):
        done = done or session.handshake()
        swap()
        other.handshake()
        swap()
    assert done
    assert other.facts() == ({TlsVersion.Tls12: "TLSv1.2", TlsVersion.Tls13: "TLSv1.3"}[version], "h2")
    assert (session.version, session.alpn) == (version, "h2")

    assert session.write(memoryview(SAID)) == len(SAID)
    swap()
    assert other.read() == SAID
    assert not other.ended
    other.write(SAID)
    swap()
    got = b""
    while more := session.read(65_536):
        got += more
    assert got == SAID
    session.close_notify()
    swap()
    assert (other.read(), other.ended) == (b"", True)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("backend", BACKENDS)
def test_curl_connects(keys: Keys, backend: str, version: TlsVersion) -> None:  # noqa: F811
    from netkit.tls.stream import TlsStream

    config = server(keys, backend, version).replace(alpn_protocols=("http/1.1",))
    said: list[Any] = []

    def serve(below: Any) -> None:
        with TlsStream.accept(below, config, timeout=10) as stream:
            said.append((stream.negotiated_version, stream.alpn, stream.server_name))
            head = b""
            while b"\r\n\r\n" not in head:
                head += stream.read()
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthere")
            stream.shutdown(timeout=10)

    with listening(serve) as port:
        command = [require_peer("curl"), "-q", "-sS", "--max-time", "10", "--cacert", keys.file("root.pem")]
        command += ["--resolve", f"{HOST}:{port}:127.0.0.1", f"https://{HOST}:{port}/"]
        assert subprocess.run(command, capture_output=True, timeout=30, check=True).stdout == b"there"
    assert said == [(version, "http/1.1", HOST)]
