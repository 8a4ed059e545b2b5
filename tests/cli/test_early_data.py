"""`--early-data` of the commands that talk, serve and fetch (0-RTT, RFC 8470)."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import pytest

from netkit.http import Response
from netkit.lab.tls_server import Site, TlsServer, echo_early_flow, echo_flow
from netkit.net import TcpListener
from netkit.serve.connections import in_background
from netkit.tls.backends import why_absent
from netkit.tls.versions import TlsVersion
from tests.http.server.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.http.server.request import ServerRequest
    from tests.cli.helpers import Result
    from tests.cli.tls_servers import Files

    Netkit = Callable[..., Result]

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(why_absent("pyopenssl") is not None, reason="no backend that sends early data"),
]


class Origin:
    """Says which requests came early, and may refuse them."""

    def __init__(self) -> None:
        self.refuses = False

    def handle(self, request: ServerRequest) -> Response:
        if self.refuses and request.early_data:
            return Response(425)
        return Response(200, body=b"early\n" if request.early_data else b"late\n")


class Place:
    def __init__(self, origin: Origin, port: int, ca: str) -> None:
        self.origin = origin
        self.url = f"https://localhost:{port}/"
        self.ca = ca

    def fetch(self, netkit: Netkit, *more: str) -> Result:
        return netkit("http", "fetch", "--early-data", "--ca", self.ca, *more)


@pytest.fixture(scope="module")
def served(tls_files: Files) -> Iterator[Place]:
    origin = Origin()
    config = tls_files.config(max_early_data=16_384)
    with Serving(origin, tls=config) as serving:
        yield Place(origin, serving.at[1], tls_files.ca)


@pytest.fixture
def place(served: Place) -> Place:
    served.origin.refuses = False
    return served


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_fetch(netkit: Netkit, place: Place, version: str) -> None:
    result = place.fetch(netkit, version, "-v", place.url, place.url)
    assert (result.exit_code, result.stdout) == (0, "late\nearly\n")
    assert result.stderr.count(", early data accepted, ") == 1
    rows = place.fetch(netkit, version, "--json", place.url, place.url, place.url).json
    told = [row["tls"]["early_data_accepted"] for row in rows if row["event"] == "response"]
    assert told == [None, True, True]


def test_a_method_that_is_not_safe(netkit: Netkit, place: Place) -> None:
    result = place.fetch(netkit, "-d", "x", place.url, place.url)
    assert (result.exit_code, result.stdout) == (0, "late\nlate\n")


def test_too_early(netkit: Netkit, place: Place) -> None:
    place.origin.refuses = True
    result = place.fetch(netkit, "-v", "--fail", place.url, place.url)
    assert (result.exit_code, result.stdout) == (0, "late\nlate\n")
    assert "* too early for the server: again, after the handshake" in result.stderr


def test_one_url_has_no_session(netkit: Netkit, place: Place) -> None:
    result = place.fetch(netkit, place.url)
    assert (result.exit_code, result.stdout) == (0, "late\n")
    assert "netkit: --early-data: one URL resumes no session" in result.stderr


def test_who_cannot(netkit: Netkit) -> None:
    """Said before anything connects, by each command."""
    for argv in (
        ("http", "fetch", "https://localhost:1/"),
        ("tcp", "connect", "--tls", "localhost:1"),
        ("serve", "http", "--tls", "127.0.0.1:0"),
        ("serve", "tls", "127.0.0.1:0"),
    ):
        result = netkit(*argv, "--early-data", "--backend", "ssl")
        assert result.exit_code == 2
        assert re.search(r": --(early-data|tls-earlydata): ssl", result.stderr)
        assert "hint: write --backend pyopenssl, which can" in result.stderr
    result = netkit("serve", "tls", "--early-data", "--tickets", "0", "127.0.0.1:0")
    assert (result.exit_code, "--early-data and --tickets 0" in result.stderr) == (2, True)
    result = netkit("unix", "connect", "--tls", "--insecure", "--early-data", "/nowhere")
    assert (result.exit_code, "--servername" in result.stderr) == (2, True)


def test_half_rtt_contradicts(netkit: Netkit, tls_files: Files) -> None:
    """What it is for is named, and whom a server that answers early cannot ask."""
    asking = ("serve", "http", "--tls", "--early-data", "--half-rtt", "--client-ca", tls_files.ca)
    for argv, problem in (
        (("serve", "http", "--tls", "--half-rtt"), "--half-rtt is for --early-data"),
        (("serve", "http", "--early-data", "--half-rtt"), "is for --tls"),
        (asking, "--half-rtt: a client that is asked for a certificate cannot be answered before"),
        (("serve", "tls", "--echo", "--half-rtt"), "--half-rtt is for --early-data"),
        (("serve", "tls", "--early-data", "--half-rtt"), "--half-rtt is for --echo"),
        (
            ("serve", "tls", "--echo", "--early-data", "--half-rtt", "--client-cert", "optional"),
            "--half-rtt and --client-cert exclude each other",
        ),
    ):
        result = netkit(*argv, "127.0.0.1:0")
        assert (result.exit_code, problem in result.stderr) == (2, True), result.stderr


def rows_of(netkit: Netkit, files: Files, input_: bytes, **settings: Any) -> tuple[list[Any], str]:
    """The rows of `tcp connect` to an echo server with these settings, and its messages."""
    with TcpListener.bind("127.0.0.1:0") as listener:
        site = Site(files.config(**settings))
        server = TlsServer([listener], lambda _name: site, echo_flow, early=echo_early_flow)
        with in_background(server.serve):
            result = netkit(
                "tcp", "connect", "--tls", "--early-data", "--ca", files.ca, "--json", "-N",
                f"localhost:{listener.local_addr.port}", stdin=input_,
            )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    return result.json, result.stderr


def octets(rows: list[Any], event: str) -> bytes:
    return b"".join(base64.b64decode(row["data_b64"]) for row in rows if row["event"] == event)


@pytest.mark.parametrize("half_rtt", [False, True])
@pytest.mark.parametrize("size", [10, 3000])
def test_connect(netkit: Netkit, tls_files: Files, size: int, half_rtt: bool) -> None:
    """What is too much for the first flight follows, and the echo has all in its order."""
    sent = b"0123456789" * (size // 10)
    rows, messages = rows_of(netkit, tls_files, sent, max_early_data=1000, half_rtt=half_rtt)
    assert rows[0]["tls"]["early_data_accepted"] is True
    assert (octets(rows, "sent"), octets(rows, "received")) == (sent, sent)
    assert rows[-1]["bytes_sent"] == rows[-1]["bytes_received"] == size
    assert "early" not in messages


@pytest.mark.parametrize("settings", [{}, {"max_version": TlsVersion.Tls12}, {"tickets": 0}])
def test_connect_to_who_takes_none(netkit: Netkit, tls_files: Files, settings: dict[str, Any]) -> None:
    rows, messages = rows_of(netkit, tls_files, b"hello", **settings)
    assert rows[0]["tls"]["early_data_accepted"] is None
    assert octets(rows, "received") == b"hello"
    assert "netkit: --early-data: the server gave no session that takes any" in messages


def test_connect_with_nothing_to_say(netkit: Netkit, tls_files: Files) -> None:
    rows, _ = rows_of(netkit, tls_files, b"", max_early_data=1000)
    assert rows[0]["tls"]["early_data_accepted"] is None
    assert rows[-1]["bytes_sent"] == 0
