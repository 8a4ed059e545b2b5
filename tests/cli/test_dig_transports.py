"""`netkit dig` and `netkit resolve` over TCP, TLS and HTTPS, through a proxy, and how they explain it."""

from __future__ import annotations

import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

from netkit.dns.messages.message import QR, TC, Message, make_response
from netkit.tls.throwaway import ThrowawayAuthority
from tests.cli.helpers import Result, address_of
from tests.cli.http_servers import http_server
from tests.conftest import free_port
from tests.dns.scripted import Asked, Script, ScriptedServer, answer
from tests.dns.test_https import serving as https_serving

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]

NAME = "dns.peers.test"
RECORD = "www.example. 60 A 192.0.2.1"


class Identity(NamedTuple):
    """A server's certificate, and what trusts it."""

    context: ssl.SSLContext
    ca: str
    pin: str


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    folder = tmp_path_factory.mktemp("identity")
    authority = ThrowawayAuthority()
    certificate, key = authority.issue([NAME])
    (folder / "both.pem").write_text(certificate.to_pem() + key.to_pem())
    (folder / "ca.pem").write_text(authority.certificate.to_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    pin = b64encode(sha256(certificate.spki_der).digest()).decode()
    return Identity(context, str(folder / "ca.pem"), pin)


def right(asked: Asked) -> Message:
    return answer(asked, RECORD)


@pytest.fixture(scope="module")
def tls(identity: Identity) -> Iterator[ScriptedServer]:
    with ScriptedServer(right, identity.context) as server:
        yield server


@pytest.fixture(scope="module")
def https(identity: Identity) -> Iterator[int]:
    def script(asked: Message, _: Any) -> tuple[int, dict[str, str], bytes]:
        made = make_response(asked, answer=[Message.from_wire(right_wire(asked)).answer[0]])
        return 200, {"Content-Type": "application/dns-message"}, made.to_wire()

    with https_serving(identity.context, script) as port:
        yield port


def right_wire(asked: Message) -> bytes:
    return answer(Asked(asked, b"", True), RECORD).to_wire()


@pytest.fixture
def plain() -> Iterator[Callable[[Script], ScriptedServer]]:
    with ExitStack() as servers:
        yield lambda script: servers.enter_context(ScriptedServer(script))


class TestOver:
    @pytest.mark.parametrize(
        ("words", "named"),
        [
            (["@tls://{tls}#dns.peers.test", "--ca", "{ca}"], NAME),
            (["@{tls}", "+tls", "+tls-hostname=dns.peers.test", "+tls-ca={ca}"], NAME),
            (["--server", "tls://{tls}#DNS.Peers.Test", "--ca={ca}"], NAME),
            (["@127.0.0.1", "-p", "{port}", "+tls", "--insecure"], "127.0.0.1"),
            (["@{tls}", "+tls", "+tls-pin={pin}"], "127.0.0.1"),
        ],
    )
    def test_tls(
        self, netkit: Netkit, identity: Identity, tls: ScriptedServer, words: list[str], named: str
    ) -> None:
        how = {"tls": tls.addr, "port": tls.addr.port, "ca": identity.ca, "pin": identity.pin}
        asked = len(tls.asked)
        result = netkit("dig", *[word.format(**how) for word in words], "www.example", "--json")
        assert result.exit_code == 0, result
        (row,) = result.json
        assert (row["transport"], row["server"], row["rcode"]) == ("tls", str(tls.addr), "NOERROR")
        assert row["tls"]["protocol"] == "TLS 1.3"
        assert (row["server_name"] or "").lower() == named
        assert [each["phase"] for each in row["phases"]] == ["connect", "tls", "wait"]
        assert row["phases"][-1]["ended_s"] == pytest.approx(row["elapsed_s"], abs=1e-5)
        assert len(tls.asked) == asked + 1

    @pytest.mark.parametrize(
        ("words", "method"),
        [
            (["@https://127.0.0.1:{port}/dns-query#dns.peers.test"], "POST"),
            (["@https://127.0.0.1:{port}/dns-query{{?dns}}#dns.peers.test"], "GET"),
            (["@127.0.0.1", "-p", "{port}", "+https", "+tls-hostname=dns.peers.test"], "POST"),
            (["@127.0.0.1:{port}", "+https-get=/q{{?dns}}", "+tls-hostname=dns.peers.test"], "GET"),
            (["@127.0.0.1:{port}", "--https-get", "--tls-hostname=dns.peers.test"], "GET"),
        ],
    )
    def test_https(
        self, netkit: Netkit, identity: Identity, https: int, words: list[str], method: str
    ) -> None:
        given = [word.format(port=https) for word in words]
        result = netkit("dig", *given, "--ca", identity.ca, "www.example")
        assert result.exit_code == 0, result
        path = "/q" if "/q" in str(given) else "/dns-query"
        assert f";; SERVER: 127.0.0.1#{https}(dns.peers.test) (HTTPS)" in result.lines
        assert f";; HTTP: HTTP/1.1 {method} {path}" in result.lines
        assert any(line.startswith(";; TLS: TLS 1.3, ") for line in result.lines)
        assert any(line.startswith(";; Query time: ") and "tls " in line for line in result.lines)

    def test_tcp_by_url(self, netkit: Netkit, plain: Callable[[Script], ScriptedServer]) -> None:
        server = plain(right)
        result = netkit("dig", f"@tcp://localhost:{server.addr.port}", "-4", "www.example")
        assert f";; SERVER: 127.0.0.1#{server.addr.port}(127.0.0.1) (TCP)" in result.lines
        assert [asked.over_tcp for asked in server.asked] == [True]

    def test_many_names_share_a_connection(self, netkit: Netkit, identity: Identity) -> None:
        with ScriptedServer(right, identity.context) as server:
            words = ["@tls://" + str(server.addr) + "#" + NAME, "--ca", identity.ca, "--concurrency=1"]
            result = netkit("dig", *words, *["www.example"] * 3, "--json")
            assert [row["reused"] for row in result.json] == [False, True, True]
            assert [[each["phase"] for each in row["phases"]] for row in result.json][1:] == [["wait"]] * 2
            result = netkit("dig", *words, *["www.example"] * 2)
            assert "over a connection that was there" in result.stdout
        assert server.connected == 2

    def test_a_table(self, netkit: Netkit, identity: Identity, tls: ScriptedServer) -> None:
        result = netkit(
            "dig", f"@tls://{tls.addr}#{NAME}", "--ca", identity.ca, "www.example", tty=True, width=120
        )
        assert f"from {tls.addr} (dns.peers.test) over TLS in " in result.stdout
        assert "TLS 1.3, " in result.stdout


class TestFailures:
    def test_a_certificate_that_does_not_verify_is_5(self, netkit: Netkit, tls: ScriptedServer) -> None:
        result = netkit("dig", f"@tls://{tls.addr}#{NAME}", "www.example", "+tries=1", "--json")
        assert result.exit_code == 5
        assert result.json[0]["error"]["stage"] == "tls"
        assert result.json[0]["error"]["kind"] == "CertificateVerificationFailed"
        assert [each["failure"]["kind"] for each in result.json[0]["history"]] == [
            "CertificateVerificationFailed"
        ]

    def test_another_name_is_5(self, netkit: Netkit, identity: Identity, tls: ScriptedServer) -> None:
        for command in (["dig", f"@tls://{tls.addr}#other.test"], ["resolve", "--server",
                        f"tls://{tls.addr}#other.test"]):  # fmt: skip
            result = netkit(*command, "www.example", "--ca", identity.ca)
            assert result.exit_code == 5
            assert "not valid for other.test, but for dns.peers.test" in result.stderr

    def test_another_key_is_5(self, netkit: Netkit, tls: ScriptedServer) -> None:
        pin = b64encode(bytes(32)).decode()
        result = netkit("dig", f"@{tls.addr}", "+tls", f"+tls-pin={pin}", "www.example", "+tries=1")
        assert result.exit_code == 5
        assert "none of those that were pinned" in result.stderr

    def test_a_server_without_tls_is_5(self, netkit: Netkit) -> None:
        with http_server() as server:
            result = netkit("dig", f"@tls://{server.address}", "www.example", "+tries=1")
        assert result.exit_code == 5
        assert "does not speak TLS on this port" in result.stderr

    def test_a_closed_port_is_3(self, netkit: Netkit) -> None:
        result = netkit("dig", f"@tls://127.0.0.1:{free_port()}", "www.example", "+tries=1", "+explain")
        assert result.exit_code == 3
        assert "connection refused" in result.stderr.splitlines()[1]  # of the history

    def test_a_file_that_is_not_there_is_8(self, netkit: Netkit) -> None:
        for words in (["+tls", "--ca", "/nope"], ["+tls", "+tls-ca=/nope"]):
            assert netkit("dig", "@127.0.0.1", *words, "www.example").exit_code == 8

    @pytest.mark.parametrize(
        ("words", "about"),
        [
            (["@tls://192.0.2.1", "+https"], "+https contradicts @tls://"),
            (["@192.0.2.1", "+https", "+tls"], "+tls and +https exclude each other"),
            (["@192.0.2.1", "--insecure"], "--insecure is for TLS"),
            (["@192.0.2.1", "+tls-hostname=a"], "+tls-hostname is for TLS"),
            (["@192.0.2.1", "+tls", "+tls-hostname=a/b"], "'a/b' is not a host name"),
            (["@192.0.2.1", "+tls", "+tls-pin=abc"], "is not a SHA-256 hash"),
            (["@192.0.2.1", "+https=q"], "'q' is not a path"),
            (["@192.0.2.1", "+https=/a b"], "blank"),
            (["@quic://192.0.2.1"], "netkit asks over udp://, tcp://, tls://, https://"),
            (["@tls://192.0.2.1#a/b"], "must be an address or a host name"),
            (["@tls://"], "nothing is there"),
            (["@tcp://"], "nothing is there"),
            (["@192.0.2.1", "--proxy", "socks5://127.0.0.1:1"], "UDP does not go through a proxy"),
            (["--proxy", "http://127.0.0.1:1"], "UDP does not go through a proxy"),
        ],
    )
    def test_wrong_usage_is_2(self, netkit: Netkit, words: list[str], about: str) -> None:
        result = netkit("dig", *words, "www.example")
        assert result.exit_code == 2, result
        assert about in result.stderr
        assert "hint: " in result.stderr

    @pytest.mark.parametrize("command", [["dig", "@{}"], ["resolve", "--server={}"]])
    def test_a_password_is_not_repeated(self, netkit: Netkit, command: list[str]) -> None:
        words = [word.format("https://me:secret@dns.example/") for word in command]
        result = netkit(*words, "www.example")
        assert result.exit_code == 2
        assert "secret" not in result.stderr
        assert "user name" in result.stderr


@contextmanager
def connecting_proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy for CONNECT: its URL, and the targets it was asked for."""
    asked: list[str] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve(client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536)
        target = head.split()[1].decode()
        asked.append(target)
        host, _, port = target.rpartition(":")
        with client, socket.create_connection((host, int(port))) as server:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join(10)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://{address_of(listener)}", asked
        listener.shutdown(socket.SHUT_RDWR)


class TestThroughAProxy:
    def test_each_transport(
        self,
        netkit: Netkit,
        identity: Identity,
        tls: ScriptedServer,
        https: int,
        plain: Callable[[Script], ScriptedServer],
    ) -> None:
        tcp = plain(right)
        servers = [
            (str(tcp.addr), f"tcp://{tcp.addr}", []),
            (str(tls.addr), f"tls://{tls.addr}#{NAME}", ["--ca", identity.ca]),
            (f"127.0.0.1:{https}", f"https://127.0.0.1:{https}/dns-query#{NAME}", ["--ca", identity.ca]),
        ]
        with connecting_proxy() as (proxy, targets):
            for _, server, more in servers:
                (row,) = netkit("dig", f"@{server}", "www.example", "--proxy", proxy, *more, "--json").json
                assert row["rcode"] == "NOERROR"
                assert row["proxy"] == proxy
                assert "proxy" in [each["phase"] for each in row["phases"]]
                result = netkit("resolve", "-4", "--server", server, "www.example.", "--proxy", proxy, *more,
                                "--short")  # fmt: skip
                assert result.lines == ["192.0.2.1"], result
            lines = netkit("dig", f"@{tcp.addr}", "+tcp", "www.example", "--proxy", proxy).lines
            assert f";; PROXY: {proxy}" in lines
        # The proxy gets the address, whatever the certificate's name is.
        expected = [address for address, _, _ in servers for _ in range(2)]
        assert targets == [*expected, str(tcp.addr)]

    def test_a_proxy_that_is_not_there(self, netkit: Netkit) -> None:
        proxy = f"127.0.0.1:{free_port()}"
        result = netkit("dig", "@tcp://127.0.0.1", "www.example", "--proxy", f"socks5://{proxy}", "+tries=1")
        assert result.exit_code == 3
        assert f"the proxy {proxy}: connection refused" in result.stderr

    def test_a_proxy_that_refuses(self, netkit: Netkit) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def refuse() -> None:
                client, _ = listener.accept()
                with client:
                    client.recv(65536)
                    client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

            thread = threading.Thread(target=refuse)
            thread.start()
            proxy = f"http://{address_of(listener)}"
            result = netkit("dig", "@tcp://127.0.0.1", "www.example", "--proxy", proxy, "+tries=1")
            thread.join(10)
        assert result.exit_code == 3
        assert "the proxy did not connect to 127.0.0.1:53: HTTP status 403 Forbidden" in result.stderr

    def test_resolve_refuses_udp(self, netkit: Netkit, tmp_path: Path) -> None:
        conf = tmp_path / "resolv.conf"
        conf.write_text("nameserver 127.0.0.1\n")
        for words in (["--server", "127.0.0.1"], ["--resolv-conf", str(conf)]):
            result = netkit("resolve", "www.example", "--proxy", "socks5://127.0.0.1:1", *words)
            assert result.exit_code == 2
            assert "UDP does not go through a proxy" in result.stderr


class TestExplain:
    def test_dig_says_why_it_asked_again(
        self, netkit: Netkit, plain: Callable[[Script], ScriptedServer]
    ) -> None:
        def script(asked: Asked) -> Message:
            return right(asked) if asked.over_tcp else answer(asked).replace(flags=QR | TC)

        server = plain(script)
        words = ["dig", f"@{server.addr}", "www.example"]
        result = netkit(*words, "+explain", "+noall")
        assert result.lines[0] == ";; HISTORY:"
        first, second = result.lines[2:]
        assert "UDP" in first
        assert first.endswith("truncated")
        assert "the answer did not fit in a datagram (1)" in second
        (row,) = netkit(*words, "--json").json
        steps = [(each["transport"], each["why"], each["because"], each["rcode"]) for each in row["history"]]
        assert steps == [("udp", "first", None, "NOERROR"), ("tcp", "truncated", 1, "NOERROR")]
        result = netkit(*words, "--explain", tty=True, width=150)
        assert "History" in result.stdout
        assert "the answer did not fit in a datagram (1)" in result.stdout
        assert "HISTORY" not in netkit(*words).stdout

    def test_dig_of_a_silent_server_says_it_on_standard_error(self, netkit: Netkit) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            words = ["dig", f"@{address_of(sock)}", "www.example", "+time=0.05", "+tries=2"]
            result = netkit(*words, "+explain")
            assert result.exit_code == 7
            assert result.stdout == ""
            lines = result.stderr.splitlines()
            assert "once more, in the next round (1)" in lines[2]
            assert lines[3].startswith("netkit: dig: ")
            (row,) = netkit(*words, "--json").json
            assert [each["failure"]["kind"] for each in row["history"]] == ["Timeout", "Timeout"]

    def test_resolve(self, netkit: Netkit, plain: Callable[[Script], ScriptedServer], tmp_path: Path) -> None:
        nsswitch = tmp_path / "nsswitch"
        nsswitch.write_text("hosts: dns\n")
        server = plain(right)
        words = ["resolve", "-4", "--server", str(server.addr), "www.example.", "--nsswitch", str(nsswitch)]
        result = netkit(*words, "--explain", "--short")
        assert result.lines == ["192.0.2.1"]
        assert "www.example. A" in result.stderr
        assert "the first to ask" in result.stderr
        (row,) = netkit(*words, "--json").json
        (step,) = row["history"]
        assert (step["query"], step["upstream"]) == ("www.example. A", str(server.addr))
        assert netkit(*words, "--short").stderr == ""
        result = netkit("resolve", "192.0.2.1", "--explain")
        assert result.stderr == "no name server was asked\n"
        server = plain(lambda asked: answer(asked, rcode=2))
        words[3] = str(server.addr)
        (row,) = netkit(*words, "--tries=2", "--json").json
        assert row["error"]["kind"] == "ServerError"
        assert [each["why"] for each in row["history"]] == ["first", "round"]


def test_an_alias_that_leads_back_is_3_and_no_malformed_message(
    netkit: Netkit, plain: Callable[[Script], ScriptedServer]
) -> None:
    loop = ["www.example. 60 CNAME a.example.", "a.example. 60 CNAME www.example."]
    server = plain(lambda asked: answer(asked, *loop))
    result = netkit("dig", f"@{server.addr}", "www.example")
    assert result.exit_code == 3
    assert "www.example.\t\t60\tIN\tCNAME\ta.example." in result.lines
    assert "the alias of www.example. leads back to itself" in result.stderr
    assert "malformed" not in result.stderr
    assert "that is a mistake in the zone" in result.stderr


def test_a_server_that_wants_a_certificate_gets_that_of_the_flags(tmp_path: Path, netkit: Netkit) -> None:
    authority = trustme.CA()
    for name in ("server", "client"):
        made = authority.issue_cert(NAME)
        made.private_key_and_cert_chain_pem.write_to_path(tmp_path / f"{name}.pem")
        made.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.crt")
        made.private_key_pem.write_to_path(tmp_path / f"{name}.key")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    context.load_verify_locations(tmp_path / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED

    def dig(*words: str) -> Result:
        return netkit(
            "dig", f"@tls://{server.addr}#{NAME}", f"+tls-ca={tmp_path}/ca.pem", "www.example", *words
        )

    with ScriptedServer(right, context) as server:
        assert dig().exit_code != 0
        assert dig(f"+tls-certfile={tmp_path}/client.pem").exit_code == 0
        assert (
            dig(f"+tls-certfile={tmp_path}/client.crt", f"+tls-keyfile={tmp_path}/client.key").exit_code == 0
        )
        assert dig(f"+tls-certfile={tmp_path}/client.crt").exit_code == 8
        result = dig(f"+tls-keyfile={tmp_path}/client.key")
    assert (result.exit_code, "+tls-keyfile is for +tls-certfile" in result.stderr) == (2, True)
    assert "+tls-certfile is for TLS" in netkit("dig", "@127.0.0.1", "a.test", "+tls-certfile=x").stderr
