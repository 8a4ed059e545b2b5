"""HTTP with hellos encrypted by the `ech` of HTTPS records (RFC 9848); Go's server decrypts them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from netkit.addr import SocketAddr
from netkit.dns import QueryOptions, Resolver
from netkit.http import DialConfig, HttpError
from netkit.http.client.client import Client
from netkit.http.client.response import FetchedResponse
from netkit.https_records import HttpsRecords
from netkit.io import Flow
from netkit.net.errors import ConnectError
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from tests.conftest import free_port
from tests.dns.scripted import ScriptedServer, answer
from tests.interop.test_tls_ech import PUBLIC, EchServer, backend, serving  # noqa: F401 - a fixture
from tests.interop.test_tls_interop import HOST, Keys, go, keys  # noqa: F401 - fixtures
from tests.interop.test_tls_peers import line_with, process
from tests.tls.pki import issue

# None of this uses a twin.
pytestmark = pytest.mark.once

#: An ECHConfigList of a version that nobody has: one config, of no content.
UNKNOWN = bytes.fromhex("0004 ffff 0000")


@pytest.fixture(scope="module")
def site(go: str, keys: Keys) -> Iterator[EchServer]:  # noqa: F811
    shown = issue(HOST, keys.root, sans=(HOST, PUBLIC), usages=("digital_signature",))
    with serving(go, keys, shown, "-http") as started:
        yield started


@pytest.fixture(scope="module")
def plain(go: str, keys: Keys) -> Iterator[int]:  # noqa: F811
    """The port of a server of both names which decrypts no hello."""
    shown = issue(HOST, keys.root, sans=(HOST, PUBLIC), usages=("digital_signature",))
    pem, key = keys.folder / "plain.pem", keys.folder / "plain.key"
    pem.write_text(shown.pem)
    key.write_text(shown.key_pem)
    with process([go, "server", str(pem), str(key), "-http"]) as started:
        assert started.stdout is not None
        yield int(line_with(started.stdout, b"port").split()[1])


class Got:
    """A response, what the client told of it, and where it connected without a record."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.looked_up: list[str] = []
        self.response: FetchedResponse | None = None

    @property
    def outcomes(self) -> list[str]:
        return [each.facts["outcome"] for each in self.told if each.name == "ech"]

    @property
    def seen(self) -> str:
        """What the server saw of TLS."""
        assert self.response is not None
        body = self.response.body
        assert body is not None
        return body.decode()


@pytest.fixture
def get(keys: Keys, backend: str) -> Iterator[Callable[..., Got]]:  # noqa: F811
    """`get(*records)`: a request for https://HOST/ with these HTTPS records."""
    with ExitStack() as stack:

        def request(*records: tuple[int, bytes | None], origin: int | None = None, **settings: Any) -> Got:
            texts = [
                f"{HOST}. 60 HTTPS {number} . alpn=h2 port={port} ipv4hint=127.0.0.1"
                + ("" if configs is None else f" ech={b64encode(configs).decode()}")
                for number, (port, configs) in enumerate(records, 1)
            ]
            server = stack.enter_context(ScriptedServer(lambda asked: answer(asked, *texts)))
            resolver = stack.enter_context(
                Resolver([server.addr], options=QueryOptions(timeout=5.0, tries=1))
            )
            got = Got()

            def look_up(host: str, port: int, family: int = 0) -> Flow[list[SocketAddr]]:
                got.looked_up.append(host)
                return [SocketAddr.new("127.0.0.1", origin or port)]
                yield

            made = {"root_certs": (keys.root.certificate,), "backend": backend, **settings}
            dial = DialConfig(
                tls=TlsConfig(**made),
                services=HttpsRecords(resolver, timeout=10.0, ech=True),
                resolver=look_up,
            )
            with Client(dial=dial, trace=got.told.append) as client:
                got.response = client.get(f"https://{HOST}/", timeout=20)
                assert got.response.status == 200
            return got

        yield request


def test_the_record_says_how(get: Callable[..., Got], site: EchServer) -> None:
    got = get((site.server.port, site.configs))
    assert (" ech=true " in got.seen, f" sni={HOST} " in got.seen) == (True, True)
    assert got.response is not None
    assert got.response.connection.ech_accepted is True
    assert [each.facts["ech"] for each in got.told if each.name in ("service", "tls")] == [True, True]
    assert (got.outcomes, got.looked_up) == ([], [])


def test_stale_keys_are_replaced_once(get: Callable[..., Got], site: EchServer) -> None:
    """RFC 9849 section 6.1.6: the second connection is for the keys that the server gave."""
    got = get((site.server.port, site.stale))
    assert " ech=true " in got.seen
    assert (got.outcomes, got.looked_up) == (["other keys"], [])


def test_a_server_that_decrypts_none_may_say_so(get: Callable[..., Got], site: EchServer, plain: int) -> None:
    """It has proved that it is the public name's, so it is believed (the section: "securely disabled")."""
    got = get((plain, site.configs))
    assert (" ech=false " in got.seen, got.outcomes) == (True, ["disabled"])
    assert got.response is not None
    assert got.response.connection.ech_accepted is None


def test_unknown_configs_are_passed_over(get: Callable[..., Got], site: EchServer) -> None:
    got = get((site.server.port, UNKNOWN))
    assert (" ech=false " in got.seen, got.outcomes) == (True, ["unknown"])


def test_no_way_round_where_all_are_encrypted(get: Callable[..., Got], site: EchServer) -> None:
    """RFC 9848 section 5.1: whoever makes the endpoints fail must not learn the name."""
    with pytest.raises((HttpError, ConnectError)):
        get((free_port(), site.configs), origin=site.server.port)


def test_the_origin_itself_where_some_are_not(get: Callable[..., Got], site: EchServer) -> None:
    got = get((free_port(), site.configs), (free_port(), None), origin=site.server.port)
    assert (" ech=false " in got.seen, got.looked_up) == (True, [HOST])
    assert got.response is not None
    assert got.response.connection.ech_accepted is None


def test_who_cannot_says_so_before_anything_connects(get: Callable[..., Got], site: EchServer) -> None:
    for others in ((), ((site.server.port, None),)):
        with pytest.raises(TlsError.CapabilityError, match="ech"):
            get((site.server.port, site.configs), *others, backend="ssl")
