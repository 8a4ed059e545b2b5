"""`netkit http fetch` against small servers: what is sent, what is written, how it ends."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.cli.helpers import Result, netkit_argv, process_environment
from tests.cli.http_servers import Server, http_server, raw_server
from tests.conftest import require_peer

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with http_server() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.requests.clear()
    return running


@pytest.fixture
def fetch(netkit: Netkit) -> Netkit:
    """`netkit http fetch`, with no proxy of the tester's."""

    def run(*words: str, **how: Any) -> Result:
        return netkit("http", "fetch", *words, **how)

    return run


def body_of(result: Result) -> bytes:
    """The body in the events of --json."""
    return b"".join(
        base64.b64decode(row["data_b64"]) for row in result.json if row.get("event") == "received"
    )


# -- output


def test_a_body_is_written_unchanged(fetch: Netkit, server: Server) -> None:
    done = fetch(server.url("/json"))
    assert (done.exit_code, done.raw, done.stderr) == (0, b'{"a":[1,2.50],"b":"x"}', "")
    assert fetch(server.url("/binary")).raw == b"\x89PNG\r\n\0\0" * 4
    assert fetch(server.url("/gzip")).raw == b"squeezed\n"
    assert fetch(server.url("/stream")).raw == b"data: 1\n\ndata: 2\n\n"


def test_content_codings_are_left_where_that_is_wanted(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    assert gzip.decompress(fetch("--raw", server.url("/gzip")).raw) == b"squeezed\n"
    file = tmp_path / "x"
    fetch("-o", str(file), server.url("/gzip"))
    assert gzip.decompress(file.read_bytes()) == b"squeezed\n"
    fetch("--compressed", "-o", str(file), server.url("/gzip"))
    assert file.read_bytes() == b"squeezed\n"


def test_events(fetch: Netkit, server: Server) -> None:
    done = fetch("--json", server.url("/stream"))
    first, *pieces, last = done.json
    assert (first["event"], first["status"], first["http_version"]) == ("response", 200, "1.1")
    assert first["input"] == first["url"] == server.url("/stream")
    assert first["peer"] == server.address
    assert {"name": "Content-Type", "value": "text/event-stream"} in first["headers"]
    event = {"type": "http.fetch", "input": server.url("/stream"), "event": "server-sent"}
    assert pieces == [{**event, "name": "message", "data": n, "event_id": "", "retry_s": None} for n in "12"]
    assert (last["event"], last["size"], last["status"]) == ("fetched", 18, 200)
    assert last["trailers"] == [{"name": "X-Sum", "value": "3"}]
    assert [row["phase"] for row in last["phases"]][-3:] == ["send", "wait", "receive"]


def test_the_octets_of_a_stream_of_events(fetch: Netkit, server: Server) -> None:
    done = fetch("--json", "--raw", server.url("/stream"))
    assert body_of(done) == b"data: 1\n\ndata: 2\n\n"


def test_headers_before_the_body(fetch: Netkit, server: Server) -> None:
    done = fetch("-i", server.url())
    head, _, body = done.raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Type: text/plain\r\n" in head
    assert body == b"hello\n"


def test_only_headers(fetch: Netkit, server: Server) -> None:
    done = fetch("-I", server.url())
    assert done.raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert done.raw.endswith(b"Content-Length: 6\r\n\r\n")
    assert server.requests[0].method == "HEAD"


def test_on_a_terminal_json_is_set_out(fetch: Netkit, server: Server) -> None:
    done = fetch(server.url("/json"), tty=True, env={"NO_COLOR": "1"})
    assert done.stdout == '{\n  "a": [\n    1,\n    2.50\n  ],\n  "b": "x"\n}\n'
    assert done.stderr == "HTTP/1.1 200 OK\n"
    assert "\x1b[1;34m" in fetch(server.url("/json"), tty=True).stdout
    assert fetch("--plain", server.url("/json"), tty=True).stdout == '{"a":[1,2.50],"b":"x"}\n'


def test_on_a_terminal_nothing_binary(fetch: Netkit, server: Server) -> None:
    done = fetch(server.url("/binary"), tty=True)
    assert (done.exit_code, done.stdout) == (8, "")
    assert "the body is binary, and was not written to the terminal" in done.stderr
    assert fetch("-o", "-", server.url("/binary"), tty=True).raw == b"\x89PNG\r\n\0\0" * 4


@pytest.mark.parametrize("options", [(), ("-i",), ("-v",), ("--trace",), ("-I",)])
def test_nothing_from_the_peer_drives_the_terminal(
    fetch: Netkit, server: Server, options: tuple[str, ...]
) -> None:
    done = fetch(*options, server.url("/evil"), tty=True, env={"NO_COLOR": "1"})
    for text in (done.stdout, done.stderr):
        assert "\x1b" not in text.replace("\x1b[2m", "").replace("\x1b[0m", "")
        assert "\x9b" not in text
        assert "\x07" not in text


# -- redirects and failures


def test_a_redirect_is_hinted_at(fetch: Netkit, server: Server) -> None:
    done = fetch(server.url("/go"))
    assert done.exit_code == 0
    assert done.stderr.splitlines() == [
        f"netkit: {server.url('/go')} redirects to /json (302)",
        "hint: -L follows redirects",
    ]
    assert len(server.requests) == 1


def test_a_redirect_is_followed(fetch: Netkit, server: Server) -> None:
    done = fetch("-L", "--json", server.url("/go"))
    redirected, response, *_, last = done.json
    assert (redirected["event"], redirected["status"]) == ("redirected", 302)
    assert redirected["location"] == response["url"] == last["url"] == server.url("/json")
    assert (last["redirects"], done.exit_code) == (1, 0)
    assert server.requests[1].headers["Cookie"] == "seen=1"
    shown = fetch("-Li", server.url("/go")).raw
    assert shown.startswith(b"HTTP/1.1 302 Found\r\n")
    assert b"\r\n\r\nHTTP/1.1 200 OK\r\n" in shown


def test_redirects_end_somewhere(fetch: Netkit, server: Server) -> None:
    done = fetch("-L", "--max-redirs", "3", server.url("/loop"))
    assert done.exit_code == 6
    assert "more than 3 redirects" in done.stderr
    assert len(server.requests) == 4


def test_a_status_of_400_and_over(fetch: Netkit, server: Server) -> None:
    url = server.url("/nowhere")
    assert (fetch(url).exit_code, fetch(url).raw) == (0, b"nothing here\n")
    done = fetch("-f", url)
    assert (done.exit_code, done.raw) == (1, b"")
    assert done.stderr == f"netkit: fetching {url}: HTTP 404 Not Found\n"
    done = fetch("--fail-with-body", url)
    assert (done.exit_code, done.raw) == (1, b"nothing here\n")
    assert fetch("--json", "-f", url).json[-1]["status"] == 404


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (b"", 4, "closed"),
        (b"nonsense\r\n\r\n", 6, ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 6, "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", 6, ""),
        (b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n", 6, ""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 6, ""),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", 6, "gzip"),
        (b"HTTP/1.1 302 Found\r\nLocation: ftp://a/\r\nContent-Length: 0\r\n\r\n", 6, "ftp"),
    ],
)
def test_peers_that_break_the_protocol(fetch: Netkit, answer: bytes, code: int, said: str) -> None:
    with raw_server(answer) as server:
        done = fetch("-L", server.url())
        assert done.exit_code == code, done
        assert said in done.stderr
        row = fetch("-L", "--json", server.url()).json[-1]
        assert row["error"]["stage"] == ("connect" if code == 4 else "protocol")


def test_no_connection(fetch: Netkit, unused_port: int) -> None:
    done = fetch(f":{unused_port}")
    assert done.exit_code == 4
    assert "refused" in done.stderr
    assert fetch("http://nowhere.invalid/").exit_code == 3
    assert fetch("ftp://a.example/").exit_code == 2
    assert fetch("http://a b/").exit_code == 2


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def test_the_time_is_limited(fetch: Netkit) -> None:
    ended = threading.Event()
    with raw_server(lambda conn: bool(ended.wait(10)) and None) as server:
        done = fetch("-m", "0.05", server.url())
        ended.set()
    assert done.exit_code == 7
    assert "timed out" in done.stderr


def test_private_addresses_can_be_denied(fetch: Netkit, server: Server) -> None:
    done = fetch("--deny-private", server.url())
    assert done.exit_code == 4
    assert "not a public address" in done.stderr
    assert server.requests == []


# -- what is sent


def test_items(fetch: Netkit, server: Server) -> None:
    fetch(server.url("/echo"), "a=1", "b:=[2]", "X-C:d", "q==e f")
    (got,) = server.requests
    assert (got.method, got.path, got.body) == ("POST", "/echo?q=e+f", b'{"a": "1", "b": [2]}')
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["X-C"] == "d"


def test_data_and_files(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"one\ntwo\n")
    fetch("-d", "a=1", "--data-binary", f"@{file}", "-d", "b", server.url("/echo"))
    fetch("-T", str(file), server.url("/echo"))
    fetch("-T", "-", server.url("/echo"), stdin=b"from a pipe")
    fetch("-d", "@-", server.url("/echo"), stdin=b"from\na pipe")
    fetch(server.url("/echo"), f"@{file}")
    assert [(got.method, got.body) for got in server.requests] == [
        ("POST", b"a=1&one\ntwo\n&b"),
        ("PUT", b"one\ntwo\n"),
        ("PUT", b"from a pipe"),
        ("POST", b"froma pipe"),
        ("POST", b"one\ntwo\n"),
    ]


def test_a_pipe_makes_no_post(fetch: Netkit, server: Server) -> None:
    fetch(server.url(), stdin=b"something")
    assert (server.requests[0].method, server.requests[0].body) == ("GET", b"")


def test_default_headers_can_be_taken_out(fetch: Netkit, server: Server) -> None:
    fetch(server.url(), "User-Agent:", "Accept:", "Accept-Encoding:", "X-A;")
    headers = server.requests[0].headers
    assert set(headers) == {"Host", "X-A"}
    fetch("-A", "me", "-e", "http://r/", "-b", "a=1; b=2", "-r", "0-4", server.url())
    headers = server.requests[1].headers
    assert (headers["User-Agent"], headers["Referer"]) == ("me", "http://r/")
    assert (headers["Cookie"], headers["Range"]) == ("a=1; b=2", "bytes=0-4")


def test_credentials(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login u password pw\n")
    netrc.chmod(0o600)
    url = server.url("/private")
    assert fetch("-u", "u:pw", url).raw == b"come in\n"
    assert fetch("--netrc-file", str(netrc), url).raw == b"come in\n"
    assert fetch(url.replace("://", "://u:pw@")).raw == b"come in\n"
    assert fetch("-f", "-u", "u:no", url).exit_code == 1
    assert fetch("-n", url, env={"HOME": str(tmp_path), "NETRC": str(netrc)}).raw == b"come in\n"
    done = fetch("-u", "u", url)
    assert (done.exit_code, "no terminal to ask" in done.stderr) == (2, True)


def test_secrets_are_not_shown(fetch: Netkit, server: Server) -> None:
    for option in ("-v", "--trace"):
        done = fetch(option, "-u", "u:S3CRET", "-b", "sid=S3CRET", server.url("/go"))
        assert "S3CRET" not in done.stderr
        assert "> Authorization: ***" in done.stderr
        assert "< Set-Cookie: ***" in done.stderr
    assert "S3CRET" in fetch("--curl", "-u", "u:S3CRET", server.url()).stdout


# -- connections


def test_resolve_and_connect_to(fetch: Netkit, server: Server) -> None:
    host, port = server.address.split(":")
    url = "http://there.example/"
    assert fetch("--connect-to", f"::{host}:{port}", url).raw == b"hello\n"
    assert fetch("--connect-to", f"there.example:80:{server.address}", url).raw == b"hello\n"
    assert fetch("--resolve", f"there.example:{port}:{host}", f"there.example:{port}", "X-A:b").exit_code != 0
    assert (
        fetch("--resolve", f"there.example:{port}:{host}", f"http://there.example:{port}").raw == b"hello\n"
    )
    assert server.requests[-1].headers["Host"] == f"there.example:{port}"
    assert fetch("--resolve", "nonsense", url).exit_code == 2
    assert fetch("--connect-to", "nonsense", url).exit_code == 2


def test_through_a_proxy(fetch: Netkit, server: Server) -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy") as proxy:
        url = "http://there.example/x"
        assert fetch("-x", proxy.url(""), url).raw == b"proxy"
        assert fetch(url, env={"http_proxy": proxy.url("")}).raw == b"proxy"
        assert [got.path for got in proxy.requests] == [url, url]
        done = fetch("-x", proxy.url(""), "--noproxy", "127.0.0.1", server.url())
        assert done.raw == b"hello\n"
        assert fetch("-x", "", server.url(), env={"http_proxy": proxy.url("")}).raw == b"hello\n"
        assert fetch("-x", "gopher://a", url).exit_code == 2


def test_a_unix_socket(fetch: Netkit, tmp_path: Path) -> None:
    import socket

    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            conn, _ = listener.accept()
            with conn:
                conn.recv(65536)
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nunix")

        thread = threading.Thread(target=serve)
        thread.start()
        done = fetch("--json", "--unix-socket", str(path), "http://localhost/")
        thread.join()
    assert body_of(done) == b"unix"
    assert done.json[0]["peer"] == str(path)


# -- kept between requests


def test_cookies_in_a_file(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    jar = str(tmp_path / "jar")
    fetch("-c", jar, server.url("/go"))
    fetch("-b", jar, server.url())
    assert server.requests[-1].headers["Cookie"] == "seen=1"
    done = fetch("-b", str(tmp_path / "none"), server.url())
    assert (done.exit_code, "no such file" in done.stderr) == (0, True)


def test_a_session(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path)}
    fetch("--session", "s", "-u", "u:pw", server.url("/go"), "X-A:1", env=env)
    assert fetch("--session", "s", server.url("/private"), env=env).raw == b"come in\n"
    headers = server.requests[-1].headers
    assert (headers["Cookie"], headers["X-A"]) == ("seen=1", "1")
    assert fetch("--session", "../s", server.url(), env=env).exit_code == 2


# -- dialogue, HAR, timing


def test_the_dialogue(fetch: Netkit, server: Server) -> None:
    lines = fetch("--trace", "-L", server.url("/go")).stderr.splitlines()
    said = [line.strip().partition("s ")[2] or line.strip() for line in lines]
    assert "> GET /go HTTP/1.1" in said
    assert "< HTTP/1.1 302 Found" in said
    assert f"* going on to {server.url('/json')}" in said


def test_early_hints_are_shown(fetch: Netkit) -> None:
    answer = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    )
    with raw_server(answer) as server:
        assert "< Link: </a.css>; rel=preload" in fetch("-v", server.url()).stderr
        rows = fetch("--json", server.url()).json
    assert (rows[0]["event"], rows[0]["status"]) == ("interim", 103)


def test_a_har_file(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "x.har"
    fetch("--har", str(path), "-L", server.url("/go"), "a=1", "-u", "u:S3CRET")
    first, second = json.loads(path.read_text())["log"]["entries"]
    assert (first["request"]["method"], first["response"]["status"]) == ("POST", 302)
    assert first["request"]["postData"]["text"] == '{"a": "1"}'
    assert (second["request"]["method"], second["response"]["status"]) == ("GET", 200)
    assert second["response"]["content"]["text"] == '{"a":[1,2.50],"b":"x"}'
    assert second["timings"]["wait"] >= 0
    assert "S3CRET" not in path.read_text()


def test_a_har_file_of_a_failure(fetch: Netkit, tmp_path: Path) -> None:
    path = tmp_path / "x.har"
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello") as server:
        assert fetch("--har", str(path), server.url()).exit_code == 6
    (entry,) = json.loads(path.read_text())["log"]["entries"]
    assert (entry["response"]["status"], entry["response"]["content"]["text"]) == (200, "hello")
    assert entry["response"]["_error"]


def test_a_password_is_asked_for(server: Server) -> None:
    program, *args = netkit_argv("http", "fetch", "-f", "-u", "u", server.url("/private"))
    child = pexpect.spawn(program, args, env=process_environment(), encoding="utf-8", timeout=20)
    child.expect_exact("Password of u: ")
    child.sendline("pw")
    child.expect_exact("come in")
    said = child.read()
    child.close()
    assert child.exitstatus == 0
    assert "pw" not in said


def test_timing(fetch: Netkit, server: Server) -> None:
    lines = fetch("--timing", server.url()).stderr.splitlines()
    assert [line.split("\t")[0] for line in lines][-3:] == ["send", "wait", "receive"]
    shown = fetch("--timing", server.url(), tty=True, env={"NO_COLOR": "1"}).stderr
    assert "waiting " in shown
    assert "█" in shown


# -- nothing is sent


def test_offline(fetch: Netkit) -> None:
    done = fetch("--offline", "example.com/x", "a=1", "-u", "u:pw")
    head, _, body = done.raw.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[:2] == [b"POST /x HTTP/1.1", b"Host: example.com"]
    assert b"Authorization: Basic dTpwdw==" in lines
    assert b"Content-Length: 10" in lines
    assert body == b'{"a": "1"}'
    (row,) = fetch("--offline", "--json", "example.com", "-d", "a").json
    assert (row["event"], row["method"], row["data_b64"], row["size"]) == ("request", "POST", "YQ==", 1)
    assert "Content-Type" in fetch("--offline", "a", "b=c", tty=True).stdout


REQUESTS = [
    ("GET", ["/echo", "q==a b"]),
    ("POST", ["/echo", 'a=it\'s "x"\n$HOME', "b:=[1]"]),
    ("PUT", ["/echo", "a=1", "X-A:b"]),
    ("GET", ["/echo", "-u", "u:p w", "-b", "c=d", "-A", "me"]),
    ("POST", ["/echo", "-d", "x=1&y", "--data-urlencode", "z=é &"]),
    ("POST", ["/echo", "--data-raw", "@x"]),
    ("DELETE", ["/echo", "-H", "Accept:", "-H", "X-E;"]),
    ("POST", ["/echo", "-H", "Content-Type: text/plain", "-d", "x"]),
    ("HEAD", ["/echo", "-I"]),
    ("GET", ["/echo?a={b}&c=[1-3]"]),
]


@pytest.mark.parametrize(("method", "words"), REQUESTS)
def test_curl_sends_the_same(fetch: Netkit, server: Server, method: str, words: list[str]) -> None:
    """The command that --curl prints is run; and what curl is told is taken back with --from-curl."""
    require_peer("curl")
    path, *options = words
    given = ([method] if method != "HEAD" else []) + [server.url(path), *options]
    fetch(*given)
    line = fetch("--curl", *given).stdout
    subprocess.run(["bash", "-c", f"{line.strip()} -s"], check=True, capture_output=True)
    assert fetch("--from-curl", line).exit_code == 0
    ours, curls, again = server.requests
    assert (curls.method, curls.path, curls.body) == (ours.method, ours.path, ours.body)
    assert (again.method, again.path, again.body) == (ours.method, ours.path, ours.body)
    own = {"Accept-Encoding", "User-Agent", "Accept"}
    for other in (curls, again):
        for name in set(ours.headers) | set(other.headers):
            if name not in own or options:
                if name in ("Accept-Encoding", "User-Agent") and ours.headers.get(name, "").startswith(
                    ("netkit", "gzip")
                ):
                    continue
                assert other.headers.get(name) == ours.headers.get(name), name


def test_curl_gets_the_options_beside_the_request(fetch: Netkit) -> None:
    words = [
        "-n",
        "-c",
        "jar",
        "-b",
        "old",
        "-i",
        "-L",
        "-k",
        "-m",
        "3",
        "--interface",
        "127.0.0.1",
        "-o",
        "x",
    ]
    line = fetch("--curl", *words, "http://a.example/").stdout
    expected = {
        "-n",
        "-c jar",
        "--cookie old",
        "-i",
        "-L",
        "-k",
        "--max-time 3",
        "--interface 127.0.0.1",
        "-o x",
    }
    assert all(each in line for each in expected), line
    done = fetch("--curl", "--session", "s", "--deny-private", "a.example")
    assert done.stderr.splitlines() == [
        "netkit: curl has no counterpart of --deny-private",
        "netkit: curl has no counterpart of --session",
    ]


# -- what is said of trouble


def test_the_octets_that_break_the_protocol_are_underlined(fetch: Netkit) -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nX-Good: 1\r\nX Bad\x1b: 2\r\n\r\n") as server:
        done = fetch(server.url())
        assert done.exit_code == 6
        assert done.stderr.splitlines()[1:] == [r"    X Bad\x1b: 2\r\n", "     ^"]
        assert fetch("-s", server.url()).stderr == ""
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\nmore\r\n"
    with raw_server(chunks) as server:
        done = fetch(server.url())
        assert (done.exit_code, done.raw) == (6, b"hello")
        assert done.stderr.splitlines()[1:] == [r"    ZZ\r\n", "    ^"]


def test_http2_that_was_not_asked_for(fetch: Netkit) -> None:
    with raw_server(bytes.fromhex("000006040000000000000300000064")) as server:
        done = fetch(server.url())
        assert done.exit_code == 6
        assert "--http2-prior-knowledge" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"<!DOCTYPE html>\r\n"]
)
def test_http2_that_the_server_does_not_speak(fetch: Netkit, answer: bytes) -> None:
    with raw_server(answer) as server:
        done = fetch("--http2-prior-knowledge", server.url())
    assert done.exit_code == 6
    assert f"the server does not speak HTTP/2: it sent '{answer[:15].decode()}" in done.stderr
    assert done.stderr.endswith("leave --http2-prior-knowledge out\n")


def test_no_answer_may_mean_tls(fetch: Netkit) -> None:
    with raw_server(b"") as server:
        done = fetch(server.url())
    assert (done.exit_code, done.stderr.splitlines()[1]) == (
        4,
        "hint: if TLS is spoken on this port, write https://",
    )


def test_a_loop_names_the_option(fetch: Netkit, server: Server) -> None:
    assert "--max-redirs N allows more" in fetch("-L", server.url("/loop")).stderr


@pytest.mark.parametrize(
    ("begins", "words", "said"),
    [
        (b"", [], "timed out while waiting for the answer"),
        (b"", ["-o", "f"], "timed out while waiting for the answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", [], "timed out while receiving the body"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
            ["-o", "f"],
            "timed out while downloading; 2 of 9 octets are kept in 'f'",
        ),
    ],
)
def test_the_phase_in_which_time_ran_out(
    fetch: Netkit,
    begins: bytes,
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = threading.Event()

    def begin(conn: socket.socket) -> None:
        conn.sendall(begins)
        ended.wait(10)

    with raw_server(begin) as server:
        done = fetch("-m", "0.05", server.url(), *words)
        ended.set()
    assert done.exit_code == 7
    assert done.stderr.endswith(f"{said}\n")


def test_silence_with_and_without_messages(fetch: Netkit, server: Server) -> None:
    assert fetch("-s", "-f", server.url("/missing")).stderr == ""
    assert "HTTP 404" in fetch("-sS", "-f", server.url("/missing")).stderr
    assert fetch("-fsSL", server.url("/go")).exit_code == 0


def test_a_range_that_the_server_does_not_give(fetch: Netkit, server: Server) -> None:
    done = fetch("-r", "0-1", server.url())
    assert done.raw == b"hello\n"
    assert "the whole content, and not the range" in done.stderr
    # What is compressed on the way has other offsets.
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


def test_cookies_on_standard_output(fetch: Netkit, server: Server) -> None:
    done = fetch("-c", "-", "-L", server.url("/go"))
    assert done.stdout.splitlines()[-1].split("\t")[-2:] == ["seen", "1"]


def test_nothing_is_sent_if_there_is_no_place_for_what_is_kept(
    fetch: Netkit, server: Server, tmp_path: Path
) -> None:
    done = fetch("--har", str(tmp_path / "no" / "x.har"), server.url())
    assert (done.exit_code, server.requests) == (8, [])
    done = fetch("-c", str(tmp_path / "no" / "jar"), server.url())
    assert done.exit_code == 8
    assert f"{tmp_path / 'no' / 'jar'}: no such file" in done.stderr


def test_a_length_that_is_not_told(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"abc")
    for words in (["-d", "abc"], ["-T", str(file)], ["-F", "a=b"]):
        assert fetch(server.url("/echo"), "-H", "Transfer-Encoding: chunked", *words).exit_code == 0
        request = server.requests.pop()
        assert (request.headers.get("Transfer-Encoding"), "Content-Length" in request.headers) == (
            "chunked",
            False,
        )
        assert b"abc" in request.body or b"b\r\n" in request.body


def test_the_head_is_shown_once(fetch: Netkit, server: Server) -> None:
    assert "HTTP/1.1 200 OK" in fetch(server.url(), tty=True).stderr
    assert fetch("-v", server.url(), tty=True).stderr.count("HTTP/1.1 200 OK") == 1


# -- wrong usage


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "URL is missing"),
        (["GET"], "URL is missing"),
        (["a.example", "-X", "B C"], "'B C' is not a method"),
        (["a.example", "x=1", "-d", "y"], "-d is a body"),
        (["--offline", "--curl", "a"], "--offline and --curl exclude each other"),
        (["-o", "x", "-O", "a"], "-o and -O exclude each other"),
        (["a", "--http1.1", "--http2"], "exclude each other"),
        (["a", "--key", "k"], "--key is for --cert"),
        (["-T", "-", "a.example", "b.example"], "standard input can be sent to one URL only"),
        (["--from-curl", "wget x"], "this is no curl command"),
        (["--from-curl"], "requires an argument"),
        (["a", "-C", "5"], "-C is for files"),
        (["a", "--resume", "journal"], "--resume is for what is saved"),
        (["a", "--rate", "1/s"], "--rate is for what is saved"),
        (["a", "-r", "x"], "-r: 'x' is no range"),
        (["a", "--range=1"], "--range: '1' is no range"),
        (["a", "-F", "x"], "-F: 'x' is no part of a form"),
        (["get", "a"], "get would be a URL here"),
        (["--json", '{"a":1}', "a"], "is no URL"),
    ],
)
def test_wrong_usage(fetch: Netkit, words: list[str], said: str) -> None:
    done = fetch(*words)
    assert done.exit_code == 2, done
    assert said in done.stderr


def test_files_that_are_not_there(fetch: Netkit, server: Server, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    for words in (["-T", missing], ["-d", f"@{missing}"], ["--ca", missing], ["--netrc-file", missing]):
        done = fetch(server.url(), *words)
        assert (done.exit_code, "no such file" in done.stderr) == (8, True), done
