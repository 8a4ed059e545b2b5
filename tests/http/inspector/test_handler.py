"""What the handler does for every endpoint: hosts, CORS, methods, refused requests; and the list of them."""

from __future__ import annotations

import json
import re
import socket
from html.parser import HTMLParser
from pathlib import Path

import pytest

from netkit.http import Client, HttpError, Request
from netkit.http.inspector import InspectorConfig
from netkit.http.inspector.call import json_octets
from netkit.http.inspector.secrets import Secrets
from netkit.http.inspector.table import ENDPOINTS, GROUPS
from tests.http.inspector.conftest import PATIENCE, Served, serving

ROOT = Path(__file__).parents[3]


def raw(served: Served, octets: bytes) -> bytes:
    """What the server answers to octets, until it closes or the head and its body are there."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as sock:
        sock.sendall(octets)
        sock.shutdown(socket.SHUT_WR)
        received = b""
        while data := sock.recv(65_536):
            received += data
    return received


# Hosts.


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8080", 200),
        ("localhost.", 200),
        ("a.localhost", 200),
        ("127.0.0.1:1", 200),
        ("127.9.9.9", 200),
        ("[::1]", 200),
        ("[::1]:80", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("192.0.2.1", 421),
        ("evil-localhost", 421),
        ("", 200),
    ],
)
def test_only_names_of_the_loopback_interface_are_answered(host: str, status: int, served: Served) -> None:
    answer = raw(served, f"GET /get HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_a_client_of_http_1_0_says_no_host(served: Served) -> None:
    assert raw(served, b"GET /get HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("allowed", "host", "status"),
    [
        (["lab.example"], "LAB.example:80", 200),
        (["lab.example"], "x.lab.example", 421),
        (["*"], "any.example", 200),
    ],
)
def test_hosts_that_are_allowed(allowed: list[str], host: str, status: int) -> None:
    with serving(InspectorConfig(allowed)) as served:
        answer = raw(served, f"GET /get HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allowed_hosts", ["a b"]),
        ("max_delay", None),
        ("max_size", 0),
        ("max_count", 0),
        ("other_host", "a/b"),
    ],
)
def test_settings_that_are_impossible(name: str, value: object) -> None:
    with pytest.raises(HttpError.InvalidValue):
        InspectorConfig(**{name: value})  # type: ignore[arg-type]


def test_a_redirect_to_the_other_origin() -> None:
    with serving(InspectorConfig(other_origin="https://127.0.0.1:9")) as served:
        answer = raw(served, b"GET /redirect-origin?path=/ip HTTP/1.0\r\n\r\n")
    assert b"\r\nlocation: https://127.0.0.1:9/ip\r\n" in answer.lower()


def test_a_unix_domain_socket_is_reached_by_no_page(tmp_path: Path) -> None:
    from netkit.net.unix import UnixListener

    path = tmp_path / "socket"
    with serving(listener=UnixListener.bind(path)), socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(path))
        sock.sendall(b"GET /ip HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n")
        assert sock.recv(65_536).startswith(b"HTTP/1.1 200 ")


# Limits.


def test_what_one_request_may_ask_for_is_limited(client: Client) -> None:
    small = InspectorConfig(max_delay=0.01, max_size=10, max_count=2, max_endless=100_000)
    with serving(small) as served:
        # Without the limit these would take longer than the client waits.
        for path in ("/delay/3600", "/drip?duration=3600", "/stall?seconds=3600", "/sse?pause=3600"):
            assert int(client.get(served.url(path)).status) == 200
        assert len(client.get(served.url("/bytes/99999")).body or b"") == 10
        assert int(client.get(served.url("/range/11")).status) == 404
        assert len(client.get(served.url("/interim?count=99")).interim) == 2
        assert len(client.get(served.url("/trailers?count=99")).trailers) == 4
        assert len(client.get(served.url("/bomb/gzip?size=999999999")).body or b"") == 100_000
        with pytest.raises(HttpError.InvalidValue):
            InspectorConfig(max_delay=-1)


@pytest.mark.once
def test_chance_is_handed_in() -> None:
    chosen = Secrets(bytes)
    assert chosen.uuid() == "00000000-0000-4000-8000-000000000000"
    assert (chosen.token(2), chosen.fraction()) == ("0000", 0.0)


# CORS and methods.


def test_pages_of_other_origins(served: Served, client: Client) -> None:
    for origin, credentials in (
        (None, "true"),
        ("http://localhost:3000", "true"),
        ("https://evil.example", None),
        ("null", None),
    ):
        request = Request("GET", served.url("/get"), headers={} if origin is None else {"Origin": origin})
        headers = client.request(request).headers
        assert headers.get_first("Access-Control-Allow-Origin") == (origin or "*")
        assert headers.get_first("Access-Control-Allow-Credentials") == credentials


def test_a_preflight(served: Served, client: Client) -> None:
    asked = {"Origin": "http://localhost", "Access-Control-Request-Headers": "X-A, X-B"}
    answer = client.request(Request("OPTIONS", served.url("/put"), headers=asked))
    assert int(answer.status) == 200
    assert (
        answer.headers.get_first("Access-Control-Allow-Methods") == "GET, POST, PUT, DELETE, PATCH, OPTIONS"
    )
    assert answer.headers.get_first("Access-Control-Allow-Headers") == "X-A, X-B"
    assert answer.headers.get_first("Access-Control-Max-Age") == "3600"
    assert answer.headers.get_first("Allow") == "OPTIONS, PUT"


def test_methods(served: Served, client: Client) -> None:
    answer = client.request(Request("POST", served.url("/get")))
    assert (int(answer.status), answer.headers.get_first("Allow")) == (405, "GET, HEAD, OPTIONS")
    head = client.request(Request("HEAD", served.url("/get")))
    assert (int(head.status), head.body) == (200, b"")
    assert int(head.headers.get_first("Content-Length") or 0) > 100
    assert int(client.get(served.url("/no/such")).status) == 404


# Requests that break the rules.


@pytest.mark.parametrize(
    ("octets", "status", "kind"),
    [
        (b"GET /wire HTTP/1.1\r\nHost: localhost\r\nX A: b\r\n\r\n", 400, "InvalidHeaderName"),
        (b"GET /wire HTTP/1.1\r\nHost: localhost\r\nX-A: b\nX-B: c\r\n\r\n", 400, "BareLineFeed"),
        (b"GET /wire HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400, "InvalidContentLength"),
        (b"GET /wire HTTP/9.9\r\nHost: localhost\r\n\r\n", 505, "UnsupportedVersion"),
        (
            b"POST /wire HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            400,
            "InvalidChunkSize",
        ),
    ],
)
def test_a_request_that_breaks_the_rules_is_told_which(
    octets: bytes, status: int, kind: str, served: Served
) -> None:
    head, _, body = raw(served, octets).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    found = json.loads(body)
    assert (found["status"], found["kind"]) == (status, kind)
    assert found["rule"].startswith("RFC 911")
    assert isinstance(found["offset"], int)


def test_what_is_no_fault_of_the_syntax(served: Served) -> None:
    head, _, body = raw(served, b"GET /wire HTTP/1.1\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert "Host" in json.loads(body)["error"]


# What is echoed.

SCRIPT = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "path", ["/get?a=", "/anything/", "/response-headers?Content-Type=text/html&a=", "/wire?a="]
)
def test_what_is_echoed_is_no_html(path: str, served: Served, client: Client) -> None:
    octets = f"GET {path}{SCRIPT.replace(' ', '')} HTTP/1.1\r\nHost: localhost\r\nX-A: {SCRIPT}\r\n"
    answer = raw(served, f"{octets}Connection: close\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"nosniff" in head
    assert b"alert(1)" in body or b"HTTP/1.1 400" in head
    assert b"<" not in body


@pytest.mark.once
def test_json_has_no_markup() -> None:
    assert json_octets({"</script>&": 1}) == b'{\n  "\\u003c/script\\u003e\\u0026": 1\n}\n'


# The list.


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [value for name, value in attributes if name == "href" and value]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_index_page(served: Served, client: Client) -> None:
    answer = client.get(served.url("/"))
    page = Links()
    page.feed(answer.body_text or "")
    assert not page.open
    for endpoint in ENDPOINTS:
        assert endpoint.path.replace(":int", "").replace(":path", "") in page.text
        assert endpoint.finds.replace("`", "") in page.text
    policy = answer.headers.get_first("Content-Security-Policy") or ""
    assert policy.startswith("default-src 'none'")
    assert {link for link in page.links if link.startswith("/")} >= {"/endpoints.json", "/html", "/wire?a=1"}
    assert len([link for link in page.links if link.startswith("#")]) == len(GROUPS)


def test_the_list_for_programs(served: Served, client: Client) -> None:
    listed = json.loads(client.get(served.url("/endpoints.json")).body or b"")["endpoints"]
    by_path = {each["path"]: each for each in listed}
    assert by_path.keys() == {"/", "/endpoints.json"} | {each.path for each in ENDPOINTS}
    assert by_path["/close"]["versions"] == ["1.1"]
    assert by_path["/goaway"]["versions"] == ["2"]
    assert by_path["/delay/{seconds}"]["methods"][0] == "GET"


@pytest.mark.once
def test_no_path_is_there_twice() -> None:
    paths = [each.path for each in ENDPOINTS]
    assert len(paths) == len(set(paths))


@pytest.mark.once
def test_the_page_of_the_documentation_is_made_of_the_table() -> None:
    from netkit.http.inspector.pages import markdown_table

    page = (ROOT / "docs" / "http-inspect.md").read_text("utf-8")
    table = re.search(r"<!-- endpoints -->\n(.*)<!-- end -->\n", page, re.DOTALL)
    assert table is not None
    assert table[1] == markdown_table(), "run `python tools/inspect_page.py`"
