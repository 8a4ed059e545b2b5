"""`netkit http fetch` over TLS: trust, client certificates, versions of HTTP."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
import trustme

from tests.cli.helpers import Result
from tests.cli.http_servers import Server, http_server
from tests.interop.h2_server import BODY, Server as H2Server
from tests.test_startup import FETCHING, forbidden_among, imported

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]


class Place(NamedTuple):
    """A server with TLS that wants a client's certificate if it is given one, and files for clients."""

    server: Server
    ca: str
    client: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    ca, client = folder / "ca.pem", folder / "client.pem"
    authority.cert_pem.write_to_path(str(ca))
    authority.issue_cert("client@example.test").private_key_and_cert_chain_pem.write_to_path(str(client))
    with http_server(tls=context) as server:
        yield Place(server, str(ca), str(client))


@pytest.fixture
def fetch(netkit: Netkit) -> Netkit:
    def run(*words: str, **how: Any) -> Result:
        return netkit("http", "fetch", *words, **how)

    return run


def test_the_server_is_verified(fetch: Netkit, place: Place) -> None:
    url = place.server.url()
    done = fetch("--json", "--ca", place.ca, url)
    assert done.exit_code == 0
    assert done.json[0]["tls"]["protocol"] == "TLS 1.3"
    assert "tls" in [row["phase"] for row in done.json[-1]["phases"]]
    refused = fetch(url)
    assert (refused.exit_code, "certificate" in refused.stderr) == (5, True)
    assert fetch("-k", url).raw == b"hello\n"
    assert fetch("--json", url).json[-1]["error"]["stage"] == "tls"


def test_the_name_is_verified(fetch: Netkit, place: Place) -> None:
    port = place.server.address.rpartition(":")[2]
    url = f"https://wrong.example:{port}/"
    done = fetch("--ca", place.ca, "--resolve", f"wrong.example:{port}:127.0.0.1", url)
    assert (done.exit_code, "wrong.example" in done.stderr) == (5, True)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str, list[str | None]]]:
    """A server on 127.0.0.1 whose certificate is for www.example only; its root, and the names asked for."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("www.example").configure_cert(context)
    asked: list[str | None] = []
    context.sni_callback = lambda _sock, name, _context: asked.append(name)
    ca = tmp_path_factory.mktemp("named") / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    with http_server(tls=context) as server:
        yield server, str(ca), asked


def test_another_name_is_asked_for_and_verified(
    fetch: Netkit, named: tuple[Server, str, list[str | None]]
) -> None:
    server, ca, asked = named
    asked.clear()
    done = fetch("-f", "--ca", ca, "--servername", "www.example", server.url())
    assert (done.exit_code, asked) == (0, ["www.example"])
    assert server.requests[-1].headers["Host"] == server.address  # the request is for the URL
    refused = fetch("--ca", ca, server.url())
    assert refused.exit_code == 5
    assert "--servername NAME" in refused.stderr
    wrong = fetch("--ca", ca, "--servername", "else.example", server.url())
    assert wrong.exit_code == 5
    assert "not valid for else.example" in wrong.stderr


def test_another_name_is_not_that_of_a_host_that_a_redirect_leads_to(
    fetch: Netkit, named: tuple[Server, str, list[str | None]], place: Place, tmp_path: Path
) -> None:
    server, ca, _ = named
    both = tmp_path / "both.pem"
    both.write_text(Path(ca).read_text() + Path(place.ca).read_text())
    there = place.server.url("/json").replace("127.0.0.1", "localhost")
    url = server.url(f"/to/{quote(there, safe='')}")
    done = fetch("-L", "-f", "--ca", str(both), "--servername", "www.example", url)
    assert done.exit_code == 0, done.stderr
    assert place.server.requests[-1].path == "/json"


def test_a_name_needs_a_url_that_it_is_asked_for_at(fetch: Netkit) -> None:
    refused = fetch("--servername", "a.example", "http://127.0.0.1:1/")
    assert refused.exit_code == 2
    assert "--servername is for a URL with https or wss" in refused.stderr


def test_a_certificate_of_the_client(fetch: Netkit, place: Place) -> None:
    assert fetch("--ca", place.ca, "-E", place.client, place.server.url()).raw == b"hello\n"
    assert (
        fetch("--ca", place.ca, "-E", place.client, "--key", place.client, place.server.url()).exit_code == 0
    )
    assert fetch("--ca", place.ca, "-E", place.ca, place.server.url()).exit_code == 8


def test_the_dialogue_names_the_connection(fetch: Netkit, place: Place) -> None:
    said = fetch("--trace", "--ca", place.ca, place.server.url()).stderr
    assert f"* connected to {place.server.address}, from 127.0.0.1:" in said
    assert "with TLS 1.3, TLS_" in said


def test_http2_has_to_be_there_if_nothing_else_will_do(fetch: Netkit, place: Place) -> None:
    done = fetch("--ca", place.ca, "--http2-prior-knowledge", place.server.url())
    assert done.exit_code != 0
    assert "HTTP/2" in done.stderr or "protocol" in done.stderr
    assert fetch("--ca", place.ca, "--http2", place.server.url()).raw == b"hello\n"
    assert fetch("--ca", place.ca, "--http1.1", place.server.url()).raw == b"hello\n"


@pytest.fixture(scope="module")
def http2() -> Iterator[str]:
    """The URL of a server that speaks HTTP/2 over TLS."""
    with H2Server("pure", trustme.CA().issue_cert("localhost", "127.0.0.1")) as server:
        yield f"https://127.0.0.1:{server.port}"


def test_http2(fetch: Netkit, http2: str, tmp_path: Path) -> None:
    done = fetch("-k", "--json", "--har", str(tmp_path / "x"), f"{http2}/a")
    assert (done.json[0]["http_version"], done.json[0]["tls"]["alpn"]) == ("2", "h2")
    assert '"HTTP/2"' in (tmp_path / "x").read_text()
    shown = fetch("-k", "-i", f"{http2}/a").raw
    assert shown.startswith(b"HTTP/2 200 OK\r\ncontent-type: text/plain\r\n")
    assert shown.endswith(b"\r\n\r\n" + BODY)
    said = fetch("-k", "--trace", "-d", "x", f"{http2}/a").stderr
    assert "> POST /a HTTP/2" in said
    assert "< HTTP/2 200" in said
    assert fetch("-k", "--http1.1", f"{http2}/a").exit_code != 0


def test_many_urls_share_a_connection(fetch: Netkit, http2: str, tmp_path: Path) -> None:
    urls = [f"{http2}/{number}" for number in range(30)]
    done = fetch("-k", "--trace", "-O", "--output-dir", str(tmp_path), *urls)
    assert done.exit_code == 0
    assert done.stderr.count("* connected to") == 1
    assert all(path.read_bytes() == BODY for path in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 30


def test_http2_without_tls(fetch: Netkit) -> None:
    with H2Server("pure") as server:
        url = f"http://127.0.0.1:{server.port}/"
        assert fetch("--http2-prior-knowledge", url).raw == BODY


def test_plain_words_to_a_tls_server(fetch: Netkit, place: Place) -> None:
    done = fetch(place.server.url().replace("https", "http"))
    assert done.exit_code in (4, 6)


def test_what_https_does_not_import(place: Place) -> None:
    """The start-up of https: TLS and the trust store, but nothing that reads certificates for people."""
    modules, output = imported("-m", "netkit", "http", "fetch", "-k", place.server.url())
    assert output == "hello\n"
    allowed = {"ssl", "truststore", "dataclasses"}
    found = forbidden_among(modules - imported("-c", "pass")[0], FETCHING - allowed)
    assert not found, sorted(found)


@pytest.mark.parametrize("option", ["--early-data", "--tls-earlydata"])
def test_an_option_is_told_by_netkit_s_name(fetch: Netkit, option: str) -> None:
    refused = fetch(option, "--backend", "ssl", "https://127.0.0.1:1/", "https://127.0.0.1:1/")
    assert refused.exit_code == 2
    assert "http fetch: --early-data: ssl cannot send early data" in refused.stderr
