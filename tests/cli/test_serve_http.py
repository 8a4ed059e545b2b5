"""`netkit serve http`, by real processes: what is served, limits, TLS, how it is told to end and replaced."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netkit.cli.frame.options import WrongValue
from netkit.cli.payload.http.options import is_bind, split_words
from netkit.tls.throwaway import ThrowawayAuthority
from tests.cli.helpers import Result, netkit_argv, process_environment, row_of, words_of
from tests.cli.test_serve_echo import Server, serving as serving_any
from tests.conftest import require_peer
from tests.waiting import until

pytestmark = pytest.mark.once


@contextmanager
def serving(*args: str, sockets: int = 1, **more: Any) -> Iterator[Server]:
    with serving_any(*args, sockets=sockets, command="serve http", **more) as server:
        yield server


class Answer:
    """A response, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.fields = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()


def port_of(server: Server, place: int = 0) -> int:
    return int(server.listening[place]["local"].rpartition(":")[2])


def ask(
    where: Server | int,
    target: str = "/",
    method: str = "GET",
    body: bytes | None = None,
    **fields: str,
) -> Answer:
    port = where if isinstance(where, int) else port_of(where)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        connection.request(method, target, body, headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def connected(where: Server | int) -> socket.socket:
    port = where if isinstance(where, int) else port_of(where)
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def everything(sock: socket.socket) -> bytes:
    """What comes to the end of the connection."""
    received = b""
    while data := sock.recv(65536):
        received += data
    return received


def basic(user: str) -> str:
    return "Basic " + b64encode(user.encode()).decode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with something of everything."""
    root = tmp_path_factory.mktemp("site")
    (root / "a.txt").write_bytes(b"hello\n" * 400)
    (root / ".secret").write_text("hidden")
    (root / "folder").mkdir()
    (root / "folder" / "start.html").write_text("<p>start")
    (root / "big.bin").write_bytes(bytes(range(256)) * 16_384)
    outside = root.with_name("outside.txt")
    outside.write_text("outside")
    (root / "link").symlink_to(outside)
    return root


class TestWords:
    @pytest.mark.parametrize(
        "word", [":80", ":http", "127.0.0.1:0", "[::1]:80", "unix:./s", "@name", "h:80", ":"]
    )
    def test_addresses(self, word: str) -> None:
        assert is_bind(word)

    @pytest.mark.parametrize("word", [".", "site", "/srv/www", "./a:80", "C:/x", "8000", "a.html", "dir/x:y"])
    def test_paths(self, word: str) -> None:
        assert not is_bind(word)

    def test_the_path_comes_first(self) -> None:
        assert split_words(["site", ":80", "[::1]:80"], takes_path=True) == ("site", [":80", "[::1]:80"])
        assert split_words([":80"], takes_path=True) == (None, [":80"])
        assert split_words([], takes_path=True) == (None, [])
        for words, takes_path in (([":80", "site"], True), (["a", "b"], True), (["site"], False)):
            with pytest.raises(WrongValue, match="no address"):
                split_words(words, takes_path=takes_path)


WRONG = [
    (["a", "b"], "'b' is no address to listen at", "PATH comes first"),
    (["127.0.0.1:x"], "'x'", ""),
    ([""], "empty", "unix:PATH"),
    (["--inspect", "."], "'.' is no address", "no files are served"),
    (["--inspect", "--app", "a:b"], "--inspect and --app exclude each other", ""),
    (["--inspect", "--upload"], "--inspect and --upload exclude each other", "serves no files"),
    (["--app", "a:b", "--auth", "x:y"], "--app and --auth exclude each other", "serves no files"),
    (["--spa", __file__], "--spa is for a directory", "leave --spa out"),
    (["--overwrite"], "--overwrite is for --upload", "add --upload"),
    (["--upload-auth", "a:b"], "--upload-auth is for --upload", "add --upload"),
    (["--redirect-http", ":80"], "--redirect-http is for --tls", "add --tls"),
    (["--cert", "c.pem"], "--cert is for --tls", ""),
    (["--tls", "--key", "k.pem"], "--key is for --cert", "add --cert, or leave it out"),
    (["--events"], "--events without --json", "-v"),
    (["--upgrade"], "--upgrade without --control", "--control PATH --upgrade"),
    (["--upgrade", "--control", "c", ":0"], "--upgrade takes the sockets", "leave BIND away"),
    (
        ["--upgrade", "--control", "c", "--tls", "--redirect-http", ":0"],
        "--upgrade takes the sockets",
        "leave --redirect-http away",
    ),
    (["--workers", "3", "--max-conns", "2"], "--max-conns 2 is no connection for some", "fewer --workers"),
    (["--access-log", "nginx"], "'nginx' is no form", "combined"),
    (["--access-log", "json="], "names no file", "FILE"),
    (["--metrics", "metrics"], "no path of a URL", "/metrics"),
    (["--metrics", "/a b"], "no path of a URL", "/metrics"),
    (["--metrics-public"], "--metrics-public is for --metrics", "add --metrics"),
    (["--auth", "secret"], "no user and password", "USER:PASSWORD"),
    (["--auth", "@"], "names no file", "@FILE"),
    (["--cors", "example.com"], "--cors: 'example.com' is no origin", "scheme"),
    (["--index", "a/b"], "--index: 'a/b' is no name of a file", "write the name of a file"),
    (["--index", "a/b", "--spa"], "--index: 'a/b' is no name of a file", ""),
    (["--cache-control", "a\nb"], "--cache-control: ", "max-age=3600"),
    (["--host", "a b"], "--host: 'a b' is no name of a host", "without a port"),
    (["--host", "a b", "--inspect"], "--host: it is neither a name nor an address", "without a port"),
    (["--head-timeout", "0"], "not a time above 0", "seconds"),
    (["--max-upload", "0", "--upload"], "less than 1", "bytes"),
    (["4294967296"], "no file or directory", "write :4294967296 to listen at that port"),
]


class TestWrongUsage:
    @pytest.mark.parametrize(("args", "message", "hint"), WRONG, ids=lambda value: str(value)[:40])
    def test_is_2_with_the_right_form(
        self, netkit: Callable[..., Result], args: list[str], message: str, hint: str
    ) -> None:
        result = netkit("serve", "http", *args)
        assert (result.exit_code, result.stdout) == (2, ""), result
        assert message in result.stderr
        assert hint in result.stderr
        assert "secret" not in result.stderr, "it may be a password"

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (["no/such/directory"], "no such file or directory"),
            (["/dev/null"], "neither a file nor a directory"),
            (["--auth", "@no/such/file"], "no such file or directory"),
            (["--access-log", "json=no/such/file"], "no such file or directory"),
            (["--upgrade", "--control", "no/such/socket"], "no such file or directory"),
            (["--tls", "--cert", "no/such/file", "--key", "no/such/file"], "no such file or directory"),
        ],
    )
    def test_what_is_not_there_is_8(
        self, netkit: Callable[..., Result], args: list[str], message: str
    ) -> None:
        result = netkit("serve", "http", *args)
        assert result.exit_code in (4, 8), result
        assert message in result.stderr

    def test_a_log_where_nothing_is_said(self, netkit: Callable[..., Result]) -> None:
        assert netkit("serve", "http", "-q", "--access-log", "common").exit_code == 2

    def test_a_port_in_use_is_8_and_says_what_to_do(self, netkit: Callable[..., Result]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            result = netkit("serve", "http", f"127.0.0.1:{taken.getsockname()[1]}")
        assert result.exit_code == 8
        assert "address already in use" in result.stderr
        assert "hint: " in result.stderr

    def test_a_file_of_credentials_with_a_wrong_line(
        self, netkit: Callable[..., Result], tmp_path: Path
    ) -> None:
        (tmp_path / "users").write_text("# who\n\nann:one\nhunter2\n")
        result = netkit("serve", "http", "--auth", f"@{tmp_path / 'users'}")
        assert result.exit_code == 2
        assert "users, line 4: no user and password" in result.stderr
        assert "hunter2" not in result.stderr


class TestFiles:
    def test_the_current_directory_is_served_to_this_machine(self, site: Path) -> None:
        with serving(cwd=site) as server:
            event = server.listening[0]
            assert event["local"].startswith("127.0.0.1:")
            assert event["url"] == f"http://{event['local']}/"
            listing = ask(server)
            assert (listing.status, listing.fields["content-type"]) == (200, "text/html; charset=utf-8")
            assert b"a.txt" in listing.body
            assert b".secret" not in listing.body
            assert ask(server, "/a.txt").body == (site / "a.txt").read_bytes()
            assert ask(server, "/a.txt", Range="bytes=1-4").body == b"ello"
            for target in ("/.secret", "/link", "/../outside.txt", "/%2e%2e/outside.txt", "/none"):
                assert ask(server, target).status == 404, target
            code, counts = server.end()
            assert (code, counts["requests"], counts["failed"]) == (0, 8, 0)

    def test_one_file(self, site: Path) -> None:
        with serving(str(site / "a.txt")) as server:
            for target in ("/", "/a.txt", "/?x", "/%61.txt"):
                assert ask(server, target).body == (site / "a.txt").read_bytes(), target
            for target in ("/.secret", "/big.bin", "/folder/", "/a.txt/", "/a.txt/x"):
                assert ask(server, target).status == 404, target

    def test_what_may_be_seen(self, site: Path) -> None:
        with serving(
            str(site), "--hidden", "--follow-symlinks", "--no-listing", "--index", "start.html"
        ) as server:
            assert ask(server, "/.secret").body == b"hidden"
            assert ask(server, "/link").body == b"outside"
            assert ask(server, "/").status == 404
            assert ask(server, "/folder/").body == b"<p>start"

    def test_an_application_of_one_page(self, tmp_path: Path) -> None:
        (tmp_path / "app.html").write_text("<p>app")
        args = (
            "--spa",
            "--index",
            "app.html",
            "--cors",
            "http://localhost:3000",
            "--cache-control",
            "max-age=5",
        )
        with serving(str(tmp_path), *args) as server:
            answer = ask(server, "/some/route", Accept="text/html", Origin="http://localhost:3000")
            assert (answer.status, answer.body) == (200, b"<p>app")
            assert answer.fields["access-control-allow-origin"] == "http://localhost:3000"
            assert ask(server, "/app.html").fields["cache-control"] == "max-age=5"

    def test_an_application_of_one_page_that_is_not_there(self, tmp_path: Path) -> None:
        with serving(str(tmp_path), "--spa") as server:
            server.process.send_signal(signal.SIGTERM)
            said = server.process.communicate(timeout=20)[1].decode()
        assert f"--spa sends index.html, and {tmp_path} has no such file yet" in said

    def test_codings(self, tmp_path: Path) -> None:
        (tmp_path / "a.js").write_text("let a;\n" * 1000)
        (tmp_path / "a.js.gz").write_bytes(b"made before")
        os.utime(tmp_path / "a.js", (1, 1))
        (tmp_path / "b.js").write_text("let b;\n" * 1000)
        with serving(str(tmp_path)) as server:
            assert ask(server, "/a.js", Accept_Encoding="gzip").body == b"made before"
            assert ask(server, "/b.js", Accept_Encoding="gzip").fields["content-encoding"] == "gzip"
        with serving(str(tmp_path), "--no-precompressed", "--no-compress") as server:
            for name in ("a.js", "b.js"):
                answer = ask(server, f"/{name}", Accept_Encoding="gzip")
                assert "content-encoding" not in answer.fields
                assert answer.body == (tmp_path / name).read_bytes()

    def test_who_may_come_in_and_who_may_upload(self, tmp_path: Path) -> None:
        (tmp_path / "site").mkdir()
        (tmp_path / "users").write_text("ann:one\nbob:two\n")
        log = tmp_path / "log"
        args = ("--upload", "--upload-auth", "bob:two", "--max-upload", "1k", "--archives")
        users = ("--auth", f"@{tmp_path / 'users'}", "--access-log", f"common={log}")
        with serving(str(tmp_path / "site"), *args, *users) as server:
            assert ask(server).status == 401
            assert ask(server, Authorization=basic("ann:two")).status == 401
            assert ask(server, Authorization=basic("ann:one")).status == 200
            put = {"method": "PUT", "body": b"up"}
            assert ask(server, "/x", **put, Authorization=basic("ann:one")).status in (401, 403)  # type: ignore[arg-type]
            assert ask(server, "/x", **put, Authorization=basic("bob:two")).status == 201  # type: ignore[arg-type]
            assert ask(server, "/x", **put, Authorization=basic("bob:two")).status == 409  # type: ignore[arg-type]
            assert ask(server, "/y", "PUT", b"x" * 1001, Authorization=basic("bob:two")).status == 413
            archive = ask(server, "/?archive=tar", Authorization=basic("bob:two"))
            assert (archive.status, b"up" in archive.body) == (200, True)
            assert server.end()[0] == 0
        assert (tmp_path / "site" / "x").read_bytes() == b"up"
        assert sorted(os.listdir(tmp_path / "site")) == ["x"]
        users_logged = [line.split()[2] for line in log.read_text().splitlines()]
        assert users_logged[:3] == ["-", "-", "ann"]
        assert users_logged[-1] == "bob"

    def test_uploads_replace_files_only_if_they_may(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("old")
        with serving(str(tmp_path), "--upload", "--overwrite", "--host", "files.example") as server:
            assert ask(server, "/x", "PUT", b"new", Host="rebound.example").status in (403, 421)
            assert ask(server, "/x", "PUT", b"new", Host="files.example").status in (200, 204)
        assert (tmp_path / "x").read_text() == "new"


class TestOtherThings:
    def test_endpoints_to_test_clients_with(self) -> None:
        with serving("--inspect") as server:
            answer = ask(server, "/get?a=b", X_Team="blue")
            assert json.loads(answer.body)["args"] == {"a": "b"}
            assert ask(server, "/status/418").status == 418
            assert ask(server, "/get", Host="rebound.example").status == 421

    def test_an_application(self, tmp_path: Path) -> None:
        (tmp_path / "notes.py").write_text(
            "async def asgi(scope, receive, send):\n"
            "    if scope['type'] != 'http':\n"
            "        return\n"
            "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
            "    await send({'type': 'http.response.body', 'body': b'asgi ' + scope['raw_path']})\n"
            "def wsgi(environ, start_response):\n"
            "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
            "    return [b'wsgi ' + environ['PATH_INFO'].encode()]\n"
        )
        for name in ("asgi", "wsgi"):
            with serving("--app", f"notes:{name}", cwd=tmp_path) as server:
                assert ask(server, "/x").body == f"{name} /x".encode()
                assert server.end()[0] == 0

    def test_an_application_that_fails(self, tmp_path: Path) -> None:
        """Its developer sees why, from its own lines on; its client does not, and drives no terminal."""
        (tmp_path / "boom.py").write_text(
            "def app(environ, start_response):\n    raise KeyError('\\x1b[2J' + environ['PATH_INFO'])\n"
        )
        with serving("--app", "boom:app", cwd=tmp_path) as server:
            answer = ask(server, "/secret")
            assert (answer.status, b"secret" in answer.body) == (500, False)
            server.process.send_signal(signal.SIGTERM)
            lines = server.process.communicate(timeout=20)[1].decode().splitlines()
        assert lines[0] == "netkit: serve http: GET /secret: the application raised KeyError"
        assert lines[2] == f'  File "{tmp_path / "boom.py"}", line 2, in app'
        assert all(line.isprintable() for line in lines)

    def test_an_application_that_returns_what_none_may(self, tmp_path: Path) -> None:
        """No line of it raised, so there are only the words, without netkit's own lines."""
        (tmp_path / "mute.py").write_text("def app(environ, start_response):\n    return [b'x']\n")
        with serving("--app", "mute:app", cwd=tmp_path) as server:
            assert ask(server, "/").status == 500
            server.process.send_signal(signal.SIGTERM)
            lines = server.process.communicate(timeout=20)[1].decode().splitlines()
        assert lines[0] == "netkit: serve http: GET /: the application raised RuntimeError"
        assert lines[1].startswith("RuntimeError: "), lines
        assert "start_response" in lines[1], lines

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("x = 1/0", "its module cannot be imported: ZeroDivisionError"),
            ("", "has no app"),
            ("app = 3", "called"),
            ("raise SystemExit(4)", "its module cannot be imported: SystemExit: 4"),
        ],
    )
    def test_what_is_no_application(self, tmp_path: Path, text: str, said: str) -> None:
        (tmp_path / "none.py").write_text(text)
        argv = netkit_argv("serve", "http", "--app", "none:app")
        done = subprocess.run(
            argv, cwd=tmp_path, env=process_environment(), capture_output=True, timeout=20, check=False
        )
        assert done.returncode == 2
        assert said in done.stderr.decode()

    @pytest.mark.parametrize(
        ("args", "said"),
        [
            (["--upload"], "everybody who can reach 0.0.0.0:"),
            (["--inspect"], "other machines can reach 0.0.0.0:"),
            (["--upload", "--upload-auth", "a:b"], None),
            ([], None),
        ],
    )
    def test_it_warns_of_what_other_machines_may_do(
        self, args: list[str], said: str | None, tmp_path: Path
    ) -> None:
        with serving(*args, "0.0.0.0:0", cwd=tmp_path) as server:
            assert server.listening[0]["url"] == f"http://127.0.0.1:{port_of(server)}/"
            server.process.send_signal(signal.SIGTERM)
            errors = server.process.communicate(timeout=20)[1].decode()
        assert ("netkit: serve http: " in errors) == (said is not None), errors
        assert said is None or said in errors

    def test_a_unix_domain_socket(self, site: Path, tmp_path: Path) -> None:
        path = str(tmp_path / "s")
        with serving(str(site), f"unix:{path}", "--metrics", "/metrics") as server:
            assert server.listening[0]["url"] is None
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(path)
                sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n")
                assert b"netkit_http_requests_total" in everything(sock)
            assert server.end()[0] == 0
        assert not os.path.exists(path)


class TestLimits:
    def test_of_time(self, site: Path) -> None:
        args = ("--head-timeout", "300ms", "--idle-timeout", "400ms", "--access-log", "json=/dev/stderr")
        with serving(str(site), *args) as server, connected(server) as idle, connected(server) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\nHo")
            assert everything(slow).startswith(b"HTTP/1.1 408 ")
            assert everything(idle) == b""
            server.process.send_signal(signal.SIGTERM)
            errors = server.process.communicate(timeout=20)[1].decode()
        assert '"status": 408' in errors
        assert "waiting for a request" in errors

    def test_of_bodies(self, tmp_path: Path) -> None:
        with serving("--inspect", "--max-body", "10", "--body-timeout", "300ms") as server:
            assert ask(server, "/post", "POST", b"x" * 10).status == 200
            assert ask(server, "/post", "POST", b"x" * 11).status == 413
            with connected(server) as sock:
                sock.sendall(b"POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab")
                assert everything(sock).startswith(b"HTTP/1.1 408 ")

    def test_a_client_that_takes_nothing(self, site: Path) -> None:
        with serving(str(site), "--write-timeout", "300ms") as server:
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.connect(("127.0.0.1", port_of(server)))
                sock.sendall(b"GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n" * 4)

                def failed() -> bool:
                    server.process.send_signal(signal.SIGUSR1)
                    return bool(server.event()["counts"]["failed"])

                until(failed)
            assert server.end()[0] == 0

    def test_of_connections_over_all_workers(self, site: Path) -> None:
        with serving(str(site), "--max-conns", "2", "--workers", "2", "--drain", "0") as server:
            first = [connected(server) for _ in range(3)]
            for sock in first:
                sock.sendall(b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
            server.process.send_signal(signal.SIGUSR1)
            assert server.event()["counts"]["active"] <= 2
            for sock in first:
                sock.close()

    def test_http_1_only(self, site: Path) -> None:
        with serving(str(site), "--no-http2") as server, connected(server) as sock:
            sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert everything(sock).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 505 "))


def trusting(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca))


def over_tls(server: Server, context: ssl.SSLContext, *protocols: str) -> tuple[str | None, bytes]:
    """Which protocol a handshake ends in, and the certificate."""
    if protocols:
        context.set_alpn_protocols(list(protocols))
    with connected(server) as raw, context.wrap_socket(raw, server_hostname="localhost") as stream:
        return stream.selected_alpn_protocol(), stream.getpeercert(True) or b""


class TestTls:
    def test_a_certificate_made_here_both_versions_and_the_redirect(
        self, site: Path, tmp_path: Path, netkit_process: Callable[..., Result]
    ) -> None:
        ca = tmp_path / "ca.pem"
        args = ("--tls", "--write-ca", str(ca), "localhost:0", "--redirect-http", "127.0.0.1:0")
        with serving(str(site), *args, sockets=2) as server:
            assert [event["url"].partition(":")[0] for event in server.listening] == ["https", "http"]
            assert [event["input"] for event in server.listening] == ["localhost:0", "127.0.0.1:0"]
            assert over_tls(server, trusting(ca), "h2", "http/1.1")[0] == "h2"
            assert over_tls(server, trusting(ca), "http/1.1")[0] == "http/1.1"
            assert over_tls(server, trusting(ca))[0] is None
            answer = ask(port_of(server, 1), "/a.txt?x", Host="localhost")
            assert answer.status == 308
            assert answer.fields["location"] == f"https://localhost:{port_of(server)}/a.txt?x"
            assert ask(port_of(server, 1), "/", Host="a@b").status == 400
            url = f"http://localhost:{port_of(server, 1)}/a.txt"
            fetched = netkit_process("http", "fetch", "-L", "--ca", str(ca), url)
            assert fetched.raw == (site / "a.txt").read_bytes(), fetched
            curl = [require_peer("curl"), "-sSL", "--cacert", str(ca), "-w", "%{http_version}", url]
            got = subprocess.run(curl, capture_output=True, check=True, timeout=20).stdout
            assert got == (site / "a.txt").read_bytes() + b"2"
            assert server.end()[0] == 0

    def test_plain_http_is_spoken_of_once(self, site: Path) -> None:
        with serving(str(site), "--tls", "localhost:0", "-v") as server:
            with connected(server) as sock:
                sock.sendall(b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
                try:
                    everything(sock)
                except ConnectionResetError:
                    pass
            server.process.send_signal(signal.SIGTERM)
            out, said = server.process.communicate(timeout=20)
        assert said.count(b"does not speak TLS on this port: it sent b'GET /a.txt HTTP/1.1") == 1
        assert row_of(words_of(server.process), out.splitlines()[-1])["counts"]["faults"] == 1

    def test_without_http_2(self, site: Path, tmp_path: Path) -> None:
        ca = tmp_path / "ca.pem"
        with serving(str(site), "--tls", "--write-ca", str(ca), "localhost:0", "--no-http2") as server:
            assert over_tls(server, trusting(ca), "h2", "http/1.1")[0] == "http/1.1"

    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_sighup_reads_the_certificate_again_and_opens_the_log_anew(
        self, site: Path, tmp_path: Path, workers: str
    ) -> None:
        cert, key, log = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "log"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

        def write(name: str) -> None:
            certificate, private = ThrowawayAuthority().issue([name])
            cert.write_text(certificate.to_pem())
            key.write_text(private.to_pem())

        def fetched() -> bytes:
            with connected(server) as raw, context.wrap_socket(raw) as stream:
                stream.sendall(b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                everything(stream)
                return stream.getpeercert(True) or b""

        write("one.example")
        args = ("--tls", "--cert", str(cert), "--key", str(key), "--access-log", f"common={log}")
        with serving(str(site), *args, "--workers", workers) as server:
            assert b"one.example" in fetched()
            write("two.example")
            log.rename(tmp_path / "log.1")
            server.process.send_signal(signal.SIGHUP)
            assert server.event()["event"] == "reloaded"
            until(lambda: all(b"two.example" in fetched() for _ in range(8)))
            key.write_text("no key")
            server.process.send_signal(signal.SIGHUP)
            assert "key" in server.event()["error"]["message"]
            assert b"two.example" in fetched()
            assert server.end()[0] == 0
        assert '"GET /a.txt HTTP/1.1" 200 2400' in (tmp_path / "log.1").read_text()
        assert '"GET /a.txt HTTP/1.1" 200 2400' in log.read_text()

    def test_a_server_without_files_to_read_ends_by_sighup(self, site: Path) -> None:
        with serving(str(site)) as server:
            assert server.end(signal.SIGHUP)[0] == 0


class TestWhatIsTold:
    def test_events_of_each_exchange_and_fault(self, site: Path) -> None:
        with serving(str(site), "--events") as server:
            ask(server, "/a.txt?x=1", User_Agent="test/1")
            event = server.event()
            assert (event["event"], event["method"], event["target"]) == ("exchange", "GET", "/a.txt?x=1")
            assert (event["status"], event["bytes_sent"], event["user_agent"]) == (200, 2400, "test/1")
            assert event["local"] == server.addr
            with connected(server) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n")
                assert everything(sock).startswith(b"HTTP/1.1 400 ")
            event = server.event()
            assert (event["event"], event["status"], event["error"]["layer"]) == ("fault", 400, "http")
            assert re.search(r"\d", event["error"]["message"]), "where it is"
            assert server.end()[1]["faults"] == 1

    @pytest.mark.parametrize("form", ["common", "combined", "json"])
    def test_the_access_log_on_standard_error(self, site: Path, form: str) -> None:
        with serving(str(site), "--access-log", form) as server:
            ask(server, "/a.txt?\x1b[2J".replace("\x1b", "%1b"), User_Agent='evil" \x9b2J')
            server.process.send_signal(signal.SIGTERM)
            line = server.process.communicate(timeout=20)[1].decode().splitlines()[0]
        assert line.isascii() and line.isprintable()
        if form == "json":
            assert json.loads(line)["user_agent"] == 'evil" \x9b2J'
        else:
            assert '"GET /a.txt?%1b[2J HTTP/1.1" 200 2400' in line
            assert line.endswith('"-" "evil\\" \\x9b2J"' if form == "combined" else " 2400")

    def test_v_shows_each_exchange(self, site: Path) -> None:
        with serving(str(site), "-v") as server:
            ask(server, "/a.txt")
            server.process.send_signal(signal.SIGTERM)
            errors = server.process.communicate(timeout=20)[1].decode()
        assert re.search(
            r"GET /a\.txt HTTP/1\.1: 200, 2,400 octets in [\d.]+ ms \(connection 1 from 127", errors
        )

    def test_metrics_are_those_of_all_workers(self, site: Path) -> None:
        with serving(str(site), "--workers", "2", "--metrics", "/metrics") as server:
            for _ in range(12):
                assert ask(server, "/a.txt", "HEAD").status == 200
            # A request is counted when its response is over, maybe in another process than the one asked.
            wanted = b'netkit_http_requests_total{method="HEAD",status="2xx"} 12\n'
            until(lambda: wanted in ask(server, "/metrics").body)
            assert ask(server, "/metrics", Host="rebound.example").status == 404
            assert server.end()[1]["requests"] >= 14

    def test_short_is_the_url_alone(self, site: Path) -> None:
        argv = netkit_argv("serve", "http", str(site), "--short")
        with subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=process_environment()
        ) as process:
            assert process.stdout is not None
            assert re.fullmatch(rb"http://127\.0\.0\.1:\d+/\n", process.stdout.readline())
            process.terminate()

    def test_a_reader_that_goes_away_ends_it(self, site: Path) -> None:
        with serving(str(site), "--events") as server:
            assert server.process.stdout is not None
            server.process.stdout.close()
            server.process.stdout = None
            try:
                ask(server, "/a.txt")
            except (OSError, http.client.HTTPException):
                pass  # it may end before it has answered
            assert server.process.wait(20) == 141

    @pytest.mark.parametrize("columns", [80, 160])
    def test_on_a_terminal(self, site: Path, columns: int) -> None:
        import pexpect

        environment: Any = process_environment(TERM="xterm", NO_COLOR="1")
        program, *args = netkit_argv("serve", "http", str(site), "127.0.0.1:0")
        child = pexpect.spawn(
            program, args, env=environment, dimensions=(40, columns), encoding="utf-8", timeout=30
        )
        try:
            child.expect(r"listening on http://127\.0\.0\.1:(\d+)/\r\n")
            assert child.match is not None
            assert ask(int(child.match[1]), "/a.txt").status == 200
            child.kill(signal.SIGTERM)
            said = child.read()
            child.close()
        finally:
            child.close(force=True)
        assert child.exitstatus == 0
        assert "1 requests, " in said
        assert all(len(line) <= 200 for line in said.splitlines())

    def test_faults_on_purpose(self, site: Path) -> None:
        with serving(str(site), "--reset-after", "1000", "--seed", "1") as server:
            with pytest.raises((OSError, http.client.HTTPException)):
                ask(server, "/big.bin")
            assert server.end()[1]["reset"] == 1
