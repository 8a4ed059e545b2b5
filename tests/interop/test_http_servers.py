"""The servers that the HTTP client is tested with keep to their table, as curl sees them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import require_peer
from tests.interop.http_servers import PEERS, HttpPeers, combinations
from tests.interop.proxies import ForwardProxies
from tests.interop.servers import contract

# None of this uses netkit. Go's server is built first.
pytestmark = [pytest.mark.once, pytest.mark.slow, pytest.mark.timeout(240)]

FLAGS = {"1.0": "--http1.0", "1.1": "--http1.1", "2": "--http2"}


class Answer:
    def __init__(self, output: bytes) -> None:
        self.heads: list[tuple[int, dict[str, str]]] = []
        rest = output
        while rest.startswith(b"HTTP/"):
            head, _, rest = rest.partition(b"\r\n\r\n")
            start, *lines = head.decode("latin-1").split("\r\n")
            pairs = (line.partition(":")[::2] for line in lines)
            self.heads.append((int(start.split()[1]), {name.lower(): text.strip() for name, text in pairs}))
        self.body = rest
        self.status, self.fields = self.heads[-1]


def curl(peers: HttpPeers, url: str, version: str, *options: str) -> Answer:
    flag = "--http2-prior-knowledge" if version == "2" and url.startswith("http:") else FLAGS[version]
    argv = [require_peer("curl"), "-q", "-sS", "-i", "--cacert", str(peers.root), flag, *options, url]
    done = subprocess.run(argv, capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, (argv, done.stderr.decode())
    return Answer(done.stdout)


@pytest.mark.parametrize(
    ("name", "version", "tls"), [each for each in combinations() if each[0] != "httpbin"]
)
def test_common_paths(name: str, version: str, tls: bool, http_peers: HttpPeers, tmp_path: Path) -> None:
    def ask(path: str, *options: str) -> Answer:
        return curl(http_peers, http_peers.url(name, version=version, tls=tls, path=path), version, *options)

    def has(path: str) -> bool:
        return PEERS[name].why_not(path, version) is None

    answer = ask("/hello")
    assert (answer.status, answer.body) == (200, contract.HELLO)
    upload = tmp_path / "upload"
    upload.write_bytes(contract.octets(300_000))
    said = json.loads(ask("/echo?x=1", "-H", "X-One: two", "-H", "Expect:", "-T", str(upload)).body)
    assert (said["method"], said["target"], said["length"]) == ("PUT", "/echo?x=1", 300_000)
    assert said["sha256"] == hashlib.sha256(upload.read_bytes()).hexdigest()
    assert ["x-one", "two"] in said["fields"]
    answer = ask("/bytes/65537")
    assert (answer.status, answer.body) == (200, contract.octets(65_537))
    etag = answer.fields["etag"]
    answer = ask("/bytes/65537", "-r", "65000-", "-H", f"If-Range: {etag}")
    assert (answer.status, answer.body) == (206, contract.octets(65_537)[65_000:])
    assert answer.fields["content-range"] == "bytes 65000-65536/65537"
    assert ask("/bytes/65537", "-r", "70000-").status == 416
    answer = ask("/gzip", "--compressed")
    assert (answer.fields["content-encoding"], answer.body) == ("gzip", contract.TEXT)
    answer = ask("/chunked/100000")
    assert ("content-length" in answer.fields, answer.body) == (False, contract.octets(100_000))
    for status in contract.STATUSES:
        assert ask(f"/status/{status}").status == status
    # By hand: curl 7.88 with prior knowledge of HTTP/2 breaks its connection at the second request.
    for n in (3, 2, 1):
        answer = ask(f"/redirect/{n}")
        assert (answer.status, answer.fields["location"].endswith(f"/redirect/{n - 1}")) == (302, True)
    assert ask("/redirect/0").body == contract.HELLO
    answer = ask("/trailers", "-H", "TE: trailers")
    assert answer.body.startswith(contract.BODY)
    # curl shows trailers after the body.
    assert (f"checksum: {contract.CHECKSUM}" in answer.body.decode().lower()) == has("/trailers")
    answer = ask("/early-hints")
    hints = [fields["link"] for status, fields in answer.heads if status == 103]
    assert (hints, answer.body) == ([contract.HINT] * has("/early-hints"), contract.HELLO)
    assert ask("/slow-head?after=0.01").body == contract.HELLO
    answer = ask("/sse")
    assert (answer.fields["content-type"], answer.body) == ("text/event-stream", contract.EVENTS)
    answer = ask("/auth/basic")
    assert (answer.status, answer.fields["www-authenticate"]) == (401, 'Basic realm="netkit"')
    assert ask("/auth/basic", "-u", "jo:p4w").body == b"hello jo\n"


@pytest.mark.parametrize("tls", [False, True])
def test_httpbin(tls: bool, http_peers: HttpPeers) -> None:
    answer = curl(http_peers, http_peers.url("httpbin", tls=tls, path="/get?x=1"), "1.1")
    assert json.loads(answer.body)["args"] == {"x": "1"}


def test_a_unix_domain_socket(http_peers: HttpPeers) -> None:
    where = http_peers.unix_socket("nginx")
    assert curl(http_peers, "http://any/hello", "1.1", "--unix-socket", where).body == contract.HELLO


@pytest.mark.parametrize("login", [False, True], ids=["open", "login"])
@pytest.mark.parametrize("name", ["tinyproxy", "microsocks"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_forward_proxies(
    name: str, login: bool, tls: bool, http_peers: HttpPeers, forward_proxies: ForwardProxies
) -> None:
    through = forward_proxies.url(name, login=login)
    url = http_peers.url("nginx", tls=tls)
    assert curl(http_peers, url, "1.1", "--suppress-connect-headers", "-x", through).body == contract.HELLO
