"""Encrypted hellos (RFC 9849) with Go's server, and pretended ones with servers that know neither."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from netkit.net import TcpStream
from netkit.tls.backend import Capability
from netkit.tls.backends import find_backend
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.hello.reader import HelloReader
from netkit.tls.stream import TlsStream
from netkit.tls.versions import TlsVersion
from tests.conftest import absent, require_peer
from tests.interop.test_tls_interop import (
    BACKENDS,
    HOST,
    Keys,
    Server,
    client,
    connect,
    exchange,
    go,  # noqa: F401 - a fixture
    keys,  # noqa: F401 - a fixture
    servers,  # noqa: F401 - a fixture
)
from tests.interop.test_tls_peers import line_with, process
from tests.tls.pki import Issued, issue

if TYPE_CHECKING:
    from collections.abc import Iterator

# None of this uses a twin.
pytestmark = pytest.mark.once

#: The name that an observer sees.
PUBLIC = "public.example"

#: The backends that have it; None where there is none, so that its absence is told.
ABLE: list[str | None] = [
    *(name for name in BACKENDS if Capability.Ech in find_backend(name).capabilities("client"))
] or [None]

NO_CLIENT = "a backend that sends encrypted hellos (rustls)"


@pytest.fixture(scope="module", params=ABLE)
def backend(request: pytest.FixtureRequest) -> str:
    """The backends that have it."""
    name: str | None = request.param
    if name is None:
        absent(NO_CLIENT, "NETKIT_REQUIRE_RUSTLS")
    assert name is not None
    return name


class EchServer(NamedTuple):
    """Go's server for encrypted hellos, and the lists of its configs."""

    server: Server
    configs: bytes
    stale: bytes


@contextmanager
def serving(go: str, keys: Keys, shown: Issued, *more: str) -> Iterator[EchServer]:  # noqa: F811
    said = subprocess.run(
        [require_peer("go"), "env", "GOVERSION"], capture_output=True, text=True, check=True
    )
    version = re.match(r"go1\.(\d+)", said.stdout)
    if version is None or int(version[1]) < 24:
        absent(f"Go 1.24 for encrypted hellos (this is {said.stdout.strip()})", "NETKIT_REQUIRE_PEERS")
    pem, key = keys.folder / "ech.pem", keys.folder / "ech.key"
    pem.write_text(shown.pem)
    key.write_text(shown.key_pem)
    with process([go, "server", str(pem), str(key), "-ech", PUBLIC, *more]) as started:
        assert started.stdout is not None
        lists = [bytes.fromhex(line_with(started.stdout, b" ").split()[1].decode()) for _ in range(2)]
        port = int(line_with(started.stdout, b"port").split()[1])
        yield EchServer(Server("go", port, started), *lists)


@pytest.fixture(scope="module")
def ech_server(go: str, keys: Keys) -> Iterator[EchServer]:  # noqa: F811
    """A server whose certificate is for the public name too."""
    shown = issue(HOST, keys.root, sans=(HOST, PUBLIC), usages=("digital_signature",))
    with serving(go, keys, shown) as started:
        yield started


def test_accepted(keys: Keys, ech_server: EchServer, backend: str) -> None:  # noqa: F811
    config = client(keys, backend, TlsVersion.Tls13, ech_config_list=ech_server.configs)
    with connect(ech_server.server, config) as stream:
        told = exchange(stream, ech_server.server)
        assert told["ech"] == "true"
        assert told["sni"] == HOST
        assert stream.ech_accepted is True
        assert stream.ech_retry_configs is None


def test_a_stale_config_is_replaced(keys: Keys, ech_server: EchServer, backend: str) -> None:  # noqa: F811
    """The server gives the configs that it takes, and the second connection with them is encrypted."""
    config = client(keys, backend, TlsVersion.Tls13, ech_config_list=ech_server.stale)
    with pytest.raises(TlsError.EchRejected) as caught:
        connect(ech_server.server, config)
    assert caught.value.retry_configs == ech_server.configs
    again = config.replace(ech_config_list=caught.value.retry_configs)
    with connect(ech_server.server, again) as stream:
        assert exchange(stream, ech_server.server)["ech"] == "true"
        assert stream.ech_accepted is True


def test_who_refuses_is_judged_by_the_public_name(
    keys: Keys,  # noqa: F811
    ech_server: EchServer,
    backend: str,
) -> None:
    """RFC 9849 section 6.1.7; the caller's verifier gets that name."""
    names: list[str | None] = []
    changes: dict[str, Any] = {
        "root_certs": (),
        "verify_mode": CertVerifyMode.Custom,
        "verifier": lambda _chain, name: names.append(name),
    }
    for configs, name in ((ech_server.stale, PUBLIC), (ech_server.configs, HOST)):
        config = client(keys, backend, TlsVersion.Tls13, ech_config_list=configs, **changes)
        try:
            connect(ech_server.server, config).close()
        except TlsError.EchRejected as error:
            assert error.retry_configs == ech_server.configs
        assert names.pop() == name
        assert not names


def test_retry_configs_of_somebody_else(keys: Keys, go: str, backend: str) -> None:  # noqa: F811
    """A server without a certificate for the public name gives none that count."""
    with serving(go, keys, keys.server) as started:
        config = client(keys, backend, TlsVersion.Tls13, ech_config_list=started.stale)
        with pytest.raises(TlsError.CertificateVerificationFailed) as caught:
            connect(started.server, config)
        assert not isinstance(caught.value, TlsError.EchRejected)


@pytest.mark.parametrize("peer", ["openssl", "gnutls", "go"])
def test_a_pretended_hello_is_passed_over(
    keys: Keys,  # noqa: F811
    servers: Any,  # noqa: F811
    backend: str,
    peer: str,
) -> None:
    server = servers(peer)
    config = client(keys, backend, TlsVersion.Tls13, ech_grease=True)
    with connect(server, config) as stream:
        exchange(stream, server)
        assert stream.ech_accepted is None
        assert stream.server_name == HOST
        stream.shutdown(timeout=10)


def test_a_server_that_knows_no_ech(keys: Keys, servers: Any, ech_server: EchServer, backend: str) -> None:  # noqa: F811
    """openssl passes the extension over, and answers for the public name, which it has no certificate for."""
    config = client(keys, backend, TlsVersion.Tls13, ech_config_list=ech_server.configs)
    with pytest.raises(TlsError.HostnameMismatch):
        connect(servers("openssl"), config)
    trusting = config.replace(root_certs=(), verify_mode=CertVerifyMode.None_)
    with pytest.raises(TlsError.EchRejected) as caught:
        connect(servers("openssl"), trusting)
    assert caught.value.retry_configs is None


def _hello(config: TlsConfig) -> tuple[bytes, Any]:
    """The octets of a client's first flight, and the hello in them."""
    from netkit.tls.backends import prepare

    session = prepare(config).session(HOST)
    session.handshake()
    sent = session.take_output()
    return sent, HelloReader(lenient=True).feed(sent)


def test_what_an_observer_sees(keys: Keys, ech_server: EchServer, backend: str) -> None:  # noqa: F811
    """The extension 0xfe0d in both kinds; the server's own name only where the hello is not encrypted."""
    for changes, name in (({"ech_config_list": ech_server.configs}, PUBLIC), ({"ech_grease": True}, HOST)):
        sent, hello = _hello(client(keys, backend, TlsVersion.Tls13, **changes))
        assert 0xFE0D in [extension.type for extension in hello.extensions]
        assert hello.server_name == name
        assert (HOST.encode() in sent) is (name == HOST)


def test_the_settings_that_cannot_be(ech_server: EchServer, backend: str) -> None:
    from netkit.tls.backends import prepare

    config = TlsConfig(backend=backend, ech_config_list=ech_server.configs, max_version=TlsVersion.Tls12)
    with pytest.raises(TlsError.CapabilityError, match=r"TLS 1\.3"):
        prepare(config)
    for damaged in (b"", ech_server.configs[:-1], b"\x00\x04\xfe\x0d\x00\x00", b"\xff" * 40):
        with pytest.raises(TlsError.InvalidConfig) as caught:
            prepare(TlsConfig(backend=backend, ech_config_list=damaged))
        assert caught.value.setting == "ech_config_list"


def test_tcp_stays_usable_by_address(keys: Keys, ech_server: EchServer, backend: str) -> None:  # noqa: F811
    """An address is no name to hide: the outer name stays the public one."""
    config = client(keys, backend, TlsVersion.Tls13, ech_config_list=ech_server.configs)
    tcp = TcpStream.connect(("127.0.0.1", ech_server.server.port), timeout=10)
    with pytest.raises(TlsError.HostnameMismatch):
        TlsStream.connect(tcp, "127.0.0.1", config, timeout=10)
