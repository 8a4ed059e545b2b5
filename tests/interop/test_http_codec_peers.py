"""What netkit sends to authenticate, and in a form, beside what curl sends; and the codings of the system."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from threading import Thread

import pytest

from netkit.http.bodies.codings import BodyDecoder, accept_encoding, encode
from netkit.http.bodies.forms import FormPart, MultipartForm
from netkit.http.challenges import parse_challenges
from netkit.http.policy.auth import DigestAuth, PasswordAuth, RequestFacts, basic_credentials
from tests.conftest import require_peer

pytestmark = pytest.mark.once


def asked_by_curl(answers: list[bytes], *arguments: str) -> list[bytes]:
    """The requests that curl sends to a server with these answers, one connection each."""
    curl = require_peer("curl")
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(10)
                    received = b""
                    while not is_whole(received):
                        received += connection.recv(65_536)
                    requests.append(received)
                    connection.sendall(answer + b"Content-Length: 0\r\nConnection: close\r\n\r\n")

        thread = Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/dir/index.html?a=%22b"
        subprocess.run([curl, "-sS", "--noproxy", "*", *arguments, url], check=True, timeout=10)
        thread.join()
    return requests


def is_whole(request: bytes) -> bool:
    _, end, body = request.partition(b"\r\n\r\n")
    length = field(request, "Content-Length")
    return bool(end) and len(body) >= int(length or 0)


def field(request: bytes, name: str) -> str | None:
    for line in request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n"):
        key, _, value = line.partition(": ")
        if key.lower() == name.lower():
            return value
    return None


class Hex(bytes):
    """Octets whose hexadecimal form is the nonce that curl chose."""

    text = ""

    def hex(self) -> str:  # type: ignore[override]
        return self.text


@pytest.mark.parametrize(
    "challenge",
    [
        'Digest realm="r", nonce="n"',
        'Digest realm="a, b", nonce="n/+=", qop="auth", opaque="o"',
        'Digest realm="r", nonce="n", qop="auth,auth-int", algorithm=MD5',
        'Digest realm="r", nonce="n", qop="auth", algorithm=MD5-sess',
        'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256',
        'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256-sess',
        'Basic realm="r", Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256',
    ],
)
def test_curl_gives_the_same_answer_to_a_challenge(challenge: str) -> None:
    asked = b"HTTP/1.1 401 No\r\nWWW-Authenticate: %b\r\n" % challenge.encode()
    # By scheme: of several fields curl reads each, of one with several challenges as well.
    *_, answered = asked_by_curl([asked, b"HTTP/1.1 200 OK\r\n"], "--anyauth", "-u", "Müfasa:Circle of Life")
    theirs = field(answered, "Authorization")
    assert theirs is not None
    (credentials,) = parse_challenges(theirs)

    def nonce(size: int) -> bytes:
        made = Hex()
        made.text = credentials.get("cnonce") or ""
        return made

    facts = RequestFacts("GET", "/dir/index.html?a=%22b", "http://127.0.0.1")
    auth = PasswordAuth("Müfasa", "Circle of Life", randomness=nonce)
    ours = auth.answer(parse_challenges(challenge), facts)
    assert ours is not None
    (made,) = parse_challenges(ours)
    assert made.scheme == credentials.scheme == "digest"
    assert dict(made.params) == dict(credentials.params)


def test_curl_gives_the_same_basic_credentials() -> None:
    (request,) = asked_by_curl([b"HTTP/1.1 200 OK\r\n"], "-u", "Müfasa:Circle: of Life")
    assert field(request, "Authorization") == basic_credentials("Müfasa", "Circle: of Life")


def test_a_digest_without_qop_has_no_client_nonce() -> None:
    auth = DigestAuth("a", "b")
    facts = RequestFacts("GET", "/", "http://127.0.0.1")
    assert "cnonce" not in (auth.answer(parse_challenges("Digest realm=r, nonce=n"), facts) or "")


def test_curl_sends_the_same_form(tmp_path: Path) -> None:
    path = tmp_path / "ü.txt"
    path.write_bytes(b"a\r\nb\n\0")
    arguments = ["-F", "a=1 é", "-F", f"f=@{path}", "-F", f"g=@{path};filename=x.png", "-H", "Expect:"]
    (request,) = asked_by_curl([b"HTTP/1.1 200 OK\r\n"], *arguments)
    boundary = (field(request, "Content-Type") or "").partition("boundary=")[2]
    parts = [FormPart("a", "1 é"), FormPart("f", path), FormPart("g", path, filename="x.png")]
    form = MultipartForm(parts, boundary=boundary)
    assert field(request, "Content-Type") == form.content_type
    assert field(request, "Content-Length") == str(form.length)
    assert request.partition(b"\r\n\r\n")[2] == b"".join(form.pieces())


@pytest.mark.parametrize(
    ("coding", "squeeze", "stretch"),
    [
        ("gzip", ["gzip", "-c"], ["gzip", "-dc"]),
        ("br", ["brotli", "-c"], ["brotli", "-dc"]),
        ("zstd", ["zstd", "-qc"], ["zstd", "-qdc"]),
    ],
)
def test_the_programs_of_the_codings(coding: str, squeeze: list[str], stretch: list[str]) -> None:
    program = require_peer(squeeze[0])
    if coding not in accept_encoding():
        pytest.skip(f"no library for {coding}")
    body = b"some words, and the same words " * 5_000
    theirs = subprocess.run([program, *squeeze[1:]], input=body, capture_output=True, check=True).stdout
    decoder = BodyDecoder(coding, max_size=len(body))
    assert b"".join(decoder.pieces(theirs)) == body
    decoder.finish()
    ours = subprocess.run(
        [program, *stretch[1:]], input=encode(coding, body), capture_output=True, check=True
    ).stdout
    assert ours == body
