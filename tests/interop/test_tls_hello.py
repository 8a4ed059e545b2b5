"""Hellos and their readers with openssl, GnuTLS, curl, Go and nginx: read, answered by name, and written."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from netkit.io import deadline_after, run
from netkit.net import TcpStream
from netkit.tls import Identity, TlsAcceptor, TlsConfig, TlsError
from netkit.tls.connection.resolving import hello_flow
from netkit.tls.hello import (
    Alert,
    CipherSuite,
    ClientHello,
    FlightReader,
    Handshake,
    NamedGroup,
    ServerHello,
    ja4,
    to_records,
    without_grease,
)
from tests.conftest import require_peer
from tests.interop import test_tls_interop
from tests.interop.nginx import nginx as running_nginx
from tests.interop.test_tls_peers import gnutls, openssl
from tests.tls.pki import Issued, issue
from tests.tls.serving import listening

# None of this uses a twin.
pytestmark = pytest.mark.once

go = test_tls_interop.go

NAMES = ("one.example", "x.two.example")
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Site:
    """The certificates of two names, and their authority in a file."""

    folder: Path
    one: Identity
    two: Identity
    single: Issued

    @property
    def root(self) -> str:
        return str(self.folder / "root.pem")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("hello")
    root = issue("Hello Root", ca=True, usages=("key_cert_sign", "crl_sign"))
    (folder / "root.pem").write_text(root.pem)

    def identity(name: str) -> Identity:
        made = issue(name.removeprefix("*."), root, sans=(name,), usages=("digital_signature",))
        return Identity((made.certificate,), made.private_key)

    single = issue("single.example", root, sans=("single.example",), usages=("digital_signature",))
    (folder / "single.pem").write_text(single.pem)
    (folder / "single.key").write_text(single.key_pem)
    (folder / "single.rest").write_text("")
    return Site(folder, identity("one.example"), identity("*.two.example"), single)


def _openssl(port: int, name: str, root: str) -> list[str]:
    command = [require_peer("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name]
    return [*command, "-CAfile", root, "-verify_return_error", "-verify_hostname", name]


def _gnutls(port: int, name: str, root: str) -> list[str]:
    command = [require_peer("gnutls-cli"), "-p", str(port), "--x509cafile", root]
    return [*command, "--sni-hostname", name, "--verify-hostname", name, "127.0.0.1"]


def _curl(port: int, name: str, root: str) -> list[str]:
    command = [require_peer("curl"), "-sS", "--max-time", "10", "--cacert", root]
    return [*command, "--resolve", f"{name}:{port}:127.0.0.1", f"https://{name}:{port}/"]


#: How each client is called, and what it says of the alert unrecognized_name.
CLIENTS: dict[str, tuple[Callable[[int, str, str], list[str]], str]] = {
    "openssl": (_openssl, "alert number 112"),
    "gnutls": (_gnutls, "alert [112]"),
    "curl": (_curl, "unrecognized name"),
    "go": (lambda port, name, root: ["client", f"127.0.0.1:{port}", name, root], "unrecognized name"),
}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Callable[[int, str, str], subprocess.CompletedProcess[str]]:
    """Connect as each client in turn."""
    make, _ = CLIENTS[request.param]
    program = [request.getfixturevalue("go")] if request.param == "go" else []

    def connect(port: int, name: str, root: str) -> subprocess.CompletedProcess[str]:
        command = program + make(port, name, root)
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
        )

    return connect


def test_each_client_is_shown_the_certificate_of_its_name(
    client: Callable[[int, str, str], subprocess.CompletedProcess[str]],
    site: Site,
    request: pytest.FixtureRequest,
) -> None:
    acceptor = TlsAcceptor(TlsConfig.server(), names={"one.example": site.one, "*.two.example": site.two})
    served: list[str | None] = []

    def serve(stream: TcpStream) -> None:
        try:
            with acceptor.accept(stream, timeout=5) as tls:
                served.append(tls.server_name)
                tls.write_all(ANSWER, timeout=5)
                tls.shutdown(timeout=5)
                tls.read_to_end(timeout=5)
        except TlsError.HandshakeFailed as error:
            served.append(f"refused: {error.reason}")

    with listening(serve) as port:
        for name in NAMES:
            done = client(port, name, site.root)
            assert done.returncode == 0, done.stdout + done.stderr
        done = client(port, "three.example", site.root)
        assert done.returncode != 0
        _, words = CLIENTS[request.node.callspec.params["client"]]
        assert words in done.stdout + done.stderr
    assert served == [*NAMES, "refused: there is no certificate for three.example"]


def test_the_hello_of_each_client_is_read_and_written(
    client: Callable[[int, str, str], subprocess.CompletedProcess[str]], site: Site
) -> None:
    came: list[bytes] = []

    def serve(stream: TcpStream) -> None:
        run(hello_flow(stream), deadline=deadline_after(5))
        with stream.peek() as view:
            came.append(bytes(view))

    with listening(serve) as port:
        for _ in range(2):
            client(port, "one.example", site.root)
    first, second = (ClientHello.parse(octets[5:]) for octets in came)
    for hello, octets in zip((first, second), came, strict=True):
        assert to_records(hello.to_bytes(), version=0x0301) == octets
        assert hello.server_name == "one.example"
        assert hello.groups
        assert hello.signature_schemes
        assert 0x0304 in hello.versions
        assert all(suite.is_known for suite in without_grease(hello.cipher_suites))
        assert all(group.is_known for group in without_grease(hello.groups))
        assert all(extension.type.is_known for extension in hello.extensions if not extension.type.is_grease)
    assert ja4(first) == ja4(second)
    assert first.random != second.random


def test_the_names_of_openssl() -> None:
    """Every suite that openssl has is known by its number, by IANA's name and by openssl's own."""
    command = [require_peer("openssl"), "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:eNULL@SECLEVEL=0"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(listed) > 50
    for line in listed:
        number, _, name, _, openssl_name, *_ = line.split()
        suite = CipherSuite(int(number.replace("0x", "").replace(",", ""), 16))
        assert (suite.name, suite.openssl_name) == (name, openssl_name)
        assert CipherSuite.of(name) == CipherSuite.of(openssl_name) == suite


@pytest.fixture(scope="module", params=["openssl", "gnutls", "nginx"])
def server(request: pytest.FixtureRequest, site: Site) -> Iterator[int]:
    """The port of each server in turn."""
    with ExitStack() as stack:
        if request.param == "openssl":
            yield stack.enter_context(openssl(site.folder, "single"))[0]
        elif request.param == "gnutls":
            yield stack.enter_context(gnutls(site.folder, "single"))[0]
        else:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = listener.getsockname()[1]
            block = (
                f'server {{ listen 127.0.0.1:{port} ssl; ssl_certificate "{site.folder}/single.pem"; '
                f'ssl_certificate_key "{site.folder}/single.key"; ssl_protocols TLSv1.2 TLSv1.3; }}'
            )
            stack.enter_context(running_nginx(site.folder / "nginx", block, [listener]))
            yield port


def answer(port: int, hello: ClientHello) -> ServerHello | Alert:
    """What the server answers to a hello: its first message, or an alert."""
    reader = FlightReader()
    with TcpStream.connect(f"127.0.0.1:{port}", timeout=5) as stream:
        stream.write_all(to_records(hello.to_bytes(), version=0x0301), timeout=5)
        while True:
            for item in reader.feed(stream.read(timeout=5)):
                if isinstance(item, Handshake):
                    return ServerHello.parse(item.message)
                assert isinstance(item, Alert)
                return item


def offering(**offered: Any) -> ClientHello:
    return ClientHello.offer(os.urandom(32), server_name="single.example", **offered)


@pytest.mark.parametrize(
    "suite",
    [
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ],
)
def test_the_only_suite_offered_is_taken(server: int, suite: str) -> None:
    chosen = answer(server, offering(versions=["TLS 1.2"], suites=[0x0A0A, suite]))
    assert isinstance(chosen, ServerHello)
    assert chosen.cipher_suite.name == suite
    assert chosen.version == 0x0303
    assert chosen.downgraded_from == 0x0304


def test_a_suite_that_nobody_has(server: int) -> None:
    refusal = answer(server, offering(versions=["TLS 1.2"], suites=["TLS_RSA_WITH_RC4_128_MD5"]))
    assert refusal == Alert.fatal(40)


@pytest.mark.parametrize("group", ["secp384r1", "x25519"])
def test_a_group_without_a_key_is_asked_for(server: int, group: str) -> None:
    retry = answer(server, offering(versions=["TLS 1.3"], groups=[0x2A2A, group], session_id=os.urandom(32)))
    assert isinstance(retry, ServerHello)
    assert retry.is_retry_request
    assert retry.group == NamedGroup.of(group)
    assert retry.version == 0x0304


def test_a_key_for_the_only_group_is_taken(server: int) -> None:
    base_point = bytes((9,)) + bytes(31)  # RFC 7748 section 4.1: a public key as good as any
    hello = offering(versions=["TLS 1.3"], groups=["x25519"], key_shares={"x25519": base_point})
    chosen = answer(server, hello)
    assert isinstance(chosen, ServerHello)
    assert not chosen.is_retry_request
    assert chosen.group == NamedGroup.of("x25519")
    assert chosen.cipher_suite in hello.cipher_suites
