"""Servers with TLS in threads of the test's own process, files of certificates, and the groups of options.

def test_something(netkit, tls_files):
    with http_serving(tls_files.asking()) as port:
        netkit("http", "fetch", "--cert", tls_files.alice, f"https://localhost:{port}/")
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import click
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from cryptography.x509 import ocsp

from netkit.cli.frame.context import Environment
from netkit.cli.payload.tls.client import ClientTlsOptions
from netkit.cli.payload.tls.server import ServerTlsOptions
from netkit.dns.messages.message import Message
from netkit.http.gateway.cgi import cgi_variables
from netkit.http.message import Response
from netkit.http.server.request import ServerRequest
from netkit.http.server.response import text_response
from netkit.http.server.server import HttpServer
from netkit.http.server.service import Watcher
from netkit.net.tcp import TcpListener, TcpStream
from netkit.serve.stop import Stop
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.identity import Identity
from netkit.tls.stream import TlsStream
from netkit.tls.throwaway import ThrowawayAuthority
from netkit.tls.throwaway.faults import Wanted
from tests.cli.ws_servers import ws_server
from tests.dns.scripted import Asked, answer, framed
from tests.tls.serving import echoing, listening as tls_listening

PATIENCE = 20.0


class Files(NamedTuple):
    """What two authorities have issued, in files: a server's certificate, a client's, a stranger's."""

    folder: Path
    authority: ThrowawayAuthority
    server: Identity
    ca: str
    cert: str
    alice: str
    stranger: str

    def config(self, **more: Any) -> TlsConfig:
        """A server that shows its certificate."""
        return TlsConfig.server().with_identity(self.server.chain, self.server.key).replace(**more)

    def asking(self, **more: Any) -> TlsConfig:
        """A server that asks for a certificate of the authority."""
        roots = (self.authority.certificate,)
        return self.config(root_certs=roots, verify_mode=CertVerifyMode.Full, **more)


def pem_of(identity: Identity) -> str:
    return "".join(each.to_pem() for each in identity.chain) + identity.key.to_pem()


def issued(authority: ThrowawayAuthority, *names: str, **more: Any) -> Identity:
    made = authority.present(Wanted(names, **more))
    return Identity(tuple(made.chain), made.key)


def ocsp_response(files: Files) -> bytes:
    """What the authority says of the server's certificate: it is good. Signed by the server's own key."""
    now = datetime.now(UTC)
    leaf = files.server.certificate.to_cryptography()
    key: Any = load_der_private_key(files.server.key.der_data, None)
    said = ocsp.OCSPResponseBuilder().add_response(
        cert=leaf,
        issuer=files.authority.certificate.to_cryptography(),
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=now,
        next_update=now + timedelta(days=1),
        revocation_time=None,
        revocation_reason=None,
    )
    made = said.responder_id(ocsp.OCSPResponderEncoding.NAME, leaf).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.DER)


def made_files(folder: Path) -> Files:
    """The files, in a folder that is there."""
    authority, other = ThrowawayAuthority(), ThrowawayAuthority()
    server = issued(authority, "localhost", "127.0.0.1")
    texts = {
        "ca.pem": authority.certificate.to_pem(),
        "server.pem": pem_of(server),
        "alice.pem": pem_of(issued(authority, "alice", is_client=True)),
        "stranger.pem": pem_of(issued(other, "mallory", is_client=True)),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return Files(folder, authority, server, *(str(folder / name) for name in texts))


class Telling:
    """Answers with the subject of the client's certificate, as a CGI program would know it."""

    def handle(self, request: ServerRequest) -> Response:
        found = cgi_variables(request)
        assert (found["SSL_CLIENT_VERIFY"] == "SUCCESS") is ("SSL_CLIENT_S_DN" in found)
        return text_response(200, found.get("SSL_CLIENT_S_DN", "nobody"))


@contextmanager
def http_serving(config: TlsConfig, watcher: Watcher | None = None) -> Iterator[int]:
    server, stop = HttpServer(Telling(), tls=config, watcher=watcher), Stop()
    listener = TcpListener.bind("127.0.0.1:0")
    thread = threading.Thread(target=lambda: server.run([listener], stop=stop, drain=1.0), daemon=True)
    thread.start()
    try:
        yield listener.local_addr.port
    finally:
        stop.set()
        thread.join(PATIENCE)


@contextmanager
def dot_serving(config: TlsConfig) -> Iterator[int]:
    def serve(stream: TcpStream) -> None:
        with TlsStream.accept(stream, config, timeout=PATIENCE) as tls:
            size = int.from_bytes(tls.read_exactly(2, timeout=PATIENCE), "big")
            wire = tls.read_exactly(size, timeout=PATIENCE)
            asked = Asked(Message.from_wire(wire), wire, True)
            tls.write_all(framed(answer(asked, "www.example. 60 A 192.0.2.1").to_wire()))

    with tls_listening(serve) as port:
        yield port


@contextmanager
def ws_serving(config: TlsConfig) -> Iterator[int]:
    with ws_server(config) as server:
        yield int(server.url().split(":")[2].partition("/")[0])


@contextmanager
def echo_serving(config: TlsConfig) -> Iterator[int]:
    with tls_listening(echoing(config)) as port:
        yield port


def parsed(group: Any, *words: str) -> Any:
    """A group, made from words of a command line."""
    found = {}
    made = click.Command("x", params=group.options("of"), callback=lambda **given: found.update(given))
    made.main(list(words), standalone_mode=False)
    return group.of("of", found)


def serving_config(*words: str, env: Environment | None = None) -> TlsConfig:
    config = parsed(ServerTlsOptions, "--tls", *words).config(["localhost"], env or Environment())
    assert isinstance(config, TlsConfig)
    return config


def client_config(files: Files, *words: str) -> TlsConfig:
    group = parsed(ClientTlsOptions, "--tls", "--ca", files.ca, *words)
    return group.client("localhost", Environment()).config  # type: ignore[no-any-return]
