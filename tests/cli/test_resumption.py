"""TLS sessions are resumed: by the HTTP client, by DNS over TLS and over HTTPS, and never past a check."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from netkit.dns.messages.message import Message
from netkit.http.client.client import Client
from netkit.http.client.dial import DialConfig, HttpVersions
from netkit.tls.backends.context import context_for
from netkit.tls.config import TlsConfig
from netkit.tls.sessions import MemorySessionStore
from netkit.tls.versions import TlsVersion
from tests.cli.helpers import Result
from tests.cli.tls_servers import Files, client_config, http_serving
from tests.dns.scripted import CLOSE, Asked, ScriptedServer, answer
from tests.dns.test_https import serving as https_serving

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]
RECORD = "www.example. 60 A 192.0.2.1"


def fetching(config: TlsConfig, **more: Any) -> Client:
    return Client(dial=DialConfig(HttpVersions.HTTP11, tls=config, **more))


def fetched(client: Client, port: int) -> tuple[bool | None, str]:
    """Over a new connection: whether the session was resumed, and whom the server saw."""
    response = client.get(f"https://localhost:{port}/", headers={"Connection": "close"})
    return response.connection.resumed, (response.body_text or "").strip()


@pytest.mark.parametrize("newest", [TlsVersion.Tls12, TlsVersion.Tls13])
@pytest.mark.parametrize("backend", ["ssl", "pyopenssl"])
def test_the_http_client_resumes(tls_files: Files, newest: TlsVersion, backend: str) -> None:
    """The server knows the client's certificate in a resumed connection too."""
    config = client_config(tls_files, "--cert", tls_files.alice).replace(max_version=newest, backend=backend)
    with http_serving(tls_files.asking()) as port, fetching(config) as client:
        assert [fetched(client, port) for _ in range(3)] == [
            (False, "CN=alice"),
            (True, "CN=alice"),
            (True, "CN=alice"),
        ]


def test_a_session_belongs_to_its_settings(tls_files: Files) -> None:
    """One store, and two clients: who has another certificate begins anew."""
    store = MemorySessionStore()
    nobody = client_config(tls_files).replace(session_store=store)
    alice = client_config(tls_files, "--cert", tls_files.alice).replace(session_store=store)
    with http_serving(tls_files.asking(client_auth_optional=True)) as port:
        with fetching(nobody) as client:
            assert fetched(client, port) == (False, "nobody")
        with fetching(alice) as client:
            assert fetched(client, port) == (False, "CN=alice")
            assert fetched(client, port) == (True, "CN=alice")


def test_no_session_is_kept_where_none_is_wanted(tls_files: Files) -> None:
    with http_serving(tls_files.config()) as port, fetching(client_config(tls_files), resume=False) as client:
        assert [fetched(client, port)[0] for _ in range(2)] == [False, False]


def test_a_client_that_is_closed_forgets(tls_files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[MemorySessionStore] = []

    class Noted(MemorySessionStore):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr("netkit.tls.sessions.MemorySessionStore", Noted)
    with http_serving(tls_files.config()) as port:
        with fetching(client_config(tls_files)) as client:
            fetched(client, port)
            (store,) = made
            assert len(store) > 0
        assert len(store) == 0


#: Asked at the same time, the second would begin its connection before the first has got a session.
ONE_BY_ONE = ("--json", "--concurrency", "1", "www.example", "www.example")


def over_tls(tls_files: Files) -> Any:
    def script(asked: Asked) -> Any:
        return [answer(asked, RECORD), CLOSE]

    return ScriptedServer(script, context_for(tls_files.config()))


@pytest.mark.parametrize("how", ["name", "pin"])
def test_dns_over_tls_resumes(netkit: Netkit, tls_files: Files, how: str) -> None:
    """The server ends each connection; a pinned key is checked in the resumed one as well."""
    pin = b64encode(sha256(tls_files.server.certificate.spki_der).digest()).decode()
    checks = {"name": ["+tls-hostname=localhost", "--ca", tls_files.ca], "pin": [f"+tls-pin={pin}"]}
    with over_tls(tls_files) as server:
        done = netkit("dig", f"@tls://{server.addr}", *checks[how], *ONE_BY_ONE)
    assert done.exit_code == 0, done
    assert [row["tls"]["resumed"] for row in done.json] == [False, True]


def test_dns_over_https_resumes(netkit: Netkit, tls_files: Files) -> None:
    def script(asked: Message, _: Any) -> tuple[int, dict[str, str], bytes]:
        headers = {"Content-Type": "application/dns-message", "Connection": "close"}
        return 200, headers, answer(Asked(asked, b"", True), RECORD).to_wire()

    with https_serving(context_for(tls_files.config()), script) as port:
        at = f"@https://127.0.0.1:{port}/dns-query#localhost"
        done = netkit("dig", at, "--ca", tls_files.ca, *ONE_BY_ONE)
    assert done.exit_code == 0, done
    assert [row["tls"]["resumed"] for row in done.json] == [False, True]
