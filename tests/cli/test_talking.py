"""How `tcp connect` talks: its options, one by one, and those that contradict each other."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest
from hypothesis import given, strategies as st

from netkit.cli.payload.hexdump import HexDump
from netkit.cli.payload.talking import CrlfSource
from netkit.io import Flow, run
from netkit.net import TcpStream
from netkit.proxy import ProxyHeader
from netkit.tls.config import TlsConfig
from netkit.tls.stream import TlsStream
from netkit.tls.throwaway import ThrowawayAuthority
from tests.cli.helpers import Result, netkit_argv, process_environment
from tests.cli.test_tcp import echo_address, peer, read_all  # noqa: F401  # the first is a fixture
from tests.conftest import free_port
from tests.tls.serving import echoing, listening
from tests.waiting import still_waits, until, waits

pytestmark = pytest.mark.once

Netkit = Callable[..., Result]


# -- CR LF


class Pieces:
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def read_flow(self, size: int = 65536) -> Flow[bytes]:
        return self._pieces.pop(0) if self._pieces else b""
        yield


@given(st.lists(st.text("a\r\n", min_size=1, max_size=4).map(str.encode), max_size=6))
def test_crlf_wherever_the_pieces_end(pieces: list[bytes]) -> None:
    source = CrlfSource(Pieces(list(pieces)))
    found = b"".join(iter(lambda: run(source.read_flow()), b""))
    assert found == re.sub(rb"(?<!\r)\n", b"\r\n", b"".join(pieces))


def test_crlf(netkit: Netkit, echo_address: str) -> None:  # noqa: F811
    result = netkit("tcp", "connect", "--crlf", echo_address, stdin=b"a\nb\r\nc")
    assert result.raw == b"a\r\nb\r\nc"


# -- dumps


def test_the_dump() -> None:
    dump = HexDump()
    assert list(dump.lines("sent", bytes(range(0x18, 0x30)))) == [
        "> 00000000  18 19 1a 1b 1c 1d 1e 1f  20 21 22 23 24 25 26 27  |........ !\"#$%&'|",
        "> 00000010  28 29 2a 2b 2c 2d 2e 2f                           |()*+,-./|",
    ]
    assert list(dump.lines("received", b"\x7f\xff")) == [
        "< 00000000  7f ff                                             |..|"
    ]
    assert next(dump.lines("sent", b"A")).startswith("> 00000018  41")
    assert next(HexDump("#7").lines("sent", b"A")).startswith("> #7 00000000")


def test_hexdump_leaves_the_payload_alone(netkit: Netkit, echo_address: str) -> None:  # noqa: F811
    result = netkit("tcp", "connect", "--hexdump", echo_address, stdin=b"hi\x1b[31m\n")
    assert result.raw == b"hi\x1b[31m\n"
    for arrow in "><":
        assert (
            f"{arrow} 00000000  68 69 1b 5b 33 31 6d 0a                           |hi.[31m.|" in result.stderr
        )


def test_hexdump_takes_the_place_of_the_payload_on_a_terminal(netkit: Netkit, echo_address: str) -> None:  # noqa: F811
    result = netkit("tcp", "connect", "--hexdump", echo_address, stdin=b"hi\n", tty=True)
    assert result.raw == b""
    assert "> 00000000  68 69 0a" in result.stderr


def test_hexdump_and_a_file(netkit: Netkit, tmp_path: Path) -> None:
    with peer(lambda connection: connection.sendall(b"hello")) as address:
        result = netkit("tcp", "connect", "--hexdump", "-o", str(tmp_path / "f"), address, tty=True)
    assert (tmp_path / "f").read_bytes() == b"hello"
    assert "< 00000000  68 65 6c 6c 6f" in result.stderr


def test_transcript(netkit: Netkit, echo_address: str, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "transcript"
    result = netkit("tcp", "connect", "--transcript", str(file), echo_address, stdin=b"hi")
    assert (result.raw, result.stderr, result.exit_code) == (b"hi", "", 0)
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
    assert re.fullmatch(
        rf"# {time} connected to {re.escape(echo_address)}, from 127\.0\.0\.1:\d+\n"
        rf"> {time} sent 2 bytes\n> 00000000  68 69 .*\|hi\|\n"
        rf"< {time} received 2 bytes\n< 00000000  68 69 .*\|hi\|\n",
        file.read_text(),
    )


def test_a_transcript_that_cannot_be_written(netkit: Netkit, echo_address: str, tmp_path: Path) -> None:  # noqa: F811
    result = netkit("tcp", "connect", "--transcript", str(tmp_path / "no" / "t"), echo_address)
    assert result.exit_code == 8
    assert "no such file" in result.stderr


# -- one direction, and the end


def test_send_only(netkit: Netkit) -> None:
    got: list[bytes] = []

    def talk_back(connection: socket.socket) -> None:
        connection.sendall(b"x" * 100_000)
        got.append(read_all(connection))

    with peer(talk_back) as address:
        result = netkit("tcp", "connect", "--send-only", address, stdin=b"y" * 300_000)
    assert (result.raw, result.exit_code) == (b"", 0)
    assert got == [b"y" * 300_000]


def test_send_only_ends_though_the_peer_does_not(netkit: Netkit) -> None:
    go = threading.Event()

    def stay(connection: socket.socket) -> None:
        read_all(connection)
        go.wait(20)

    with peer(stay) as address:
        result = netkit("tcp", "connect", "--send-only", address, stdin=b"y")
        go.set()
    assert result.exit_code == 0


def test_recv_only_reads_no_input(netkit: Netkit) -> None:
    got: list[bytes] = []

    def say(connection: socket.socket) -> None:
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        got.append(read_all(connection))

    with peer(say) as address:
        result = netkit("tcp", "connect", "--recv-only", address, stdin=b"never sent")
    assert (result.raw, got) == (b"hello", [b""])


def test_on_eof_close(netkit: Netkit) -> None:
    go = threading.Event()

    def stay(connection: socket.socket) -> None:
        read_all(connection)
        go.wait(20)

    with peer(stay) as address:
        result = netkit("tcp", "connect", "--on-eof", "close", "--json", address, stdin=b"y")
        go.set()
    assert (result.json[-1]["finished_first"], result.json[-1]["bytes_sent"]) == ("local", 1)


def test_on_eof_keep_sends_no_end(netkit: Netkit) -> None:
    seen: list[object] = []

    def look(connection: socket.socket) -> None:
        seen.append(connection.recv(1))
        connection.sendall(b"1")
        until(waits)  # the command has read its input to the end, and has what was sent
        try:
            seen.append(connection.recv(1, socket.MSG_DONTWAIT))
        except BlockingIOError:
            seen.append("nothing")

    with peer(look) as address:
        result = netkit("tcp", "connect", "--on-eof", "keep", address, stdin=b"y")
    assert (result.raw, result.exit_code) == (b"1", 0)
    assert seen == [b"y", "nothing"]


@pytest.mark.parametrize("spelt", [["-N"], ["--on-eof", "half-close"], ["-N", "--on-eof", "half-close"]])
def test_half_close(netkit: Netkit, echo_address: str, spelt: list[str]) -> None:  # noqa: F811
    assert netkit("tcp", "connect", *spelt, echo_address, stdin=b"y").raw == b"y"


def test_idle_timeout_is_7(netkit: Netkit) -> None:
    go = threading.Event()

    def silent(connection: socket.socket) -> None:
        connection.sendall(b"x")
        go.wait(20)

    with peer(silent) as address:
        result = netkit("tcp", "connect", "--idle-timeout", "50ms", address)
        go.set()
    assert result.exit_code == 7
    assert "nothing was sent or received for 0.05 s" in result.stderr


def test_a_peer_that_never_reads_runs_into_the_idle_timeout(netkit: Netkit) -> None:
    go = threading.Event()
    with peer(lambda _connection: go.wait(20)) as address:
        result = netkit(
            "tcp", "connect", "--idle-timeout", "200ms", "--json", address, stdin=bytes(20_000_000)
        )
        go.set()
    assert result.exit_code == 7
    assert 0 < result.json[-2]["bytes_sent"] < 20_000_000


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--send-only", "--recv-only"], "--send-only and --recv-only exclude each other"),
        (["--recv-only", "--crlf"], "--crlf is about what is sent"),
        (["--recv-only", "--on-eof", "keep"], "--recv-only and --on-eof exclude"),
        (["--recv-only", "-N"], "--recv-only and -N exclude"),
        (["-N", "--on-eof", "keep"], "-N and --on-eof exclude"),
        (["--json", "--hexdump"], "--json and --hexdump exclude"),
        (["--ca", "x"], "--ca is for --tls"),
        (["--insecure"], "--insecure is for --tls"),
        (["--alpn", "h2"], "--alpn is for --tls"),
        (["--servername", "x"], "--servername is for --tls"),
        (["--tls", "--ca", "x", "--insecure"], "--ca and --insecure exclude"),
        (["--proxy", "http://a:1", "--proxy-protocol", "v1"], "--proxy and --proxy-protocol exclude"),
        (["--proxy", "127.0.0.1:1"], "a proxy is written as a URL"),
        (["--proxy", "http://jo:secret@a/b"], "ends after its port"),
        (["--proxy-protocol", "v3"], "v1"),
        (["--keepalive", "0"], "out of range"),
        (["--on-eof", "never"], "half-close"),
        (["--idle-timeout", "x"], "not a time"),
    ],
)
def test_wrong_usage(netkit: Netkit, given: list[str], says: str) -> None:
    result = netkit("tcp", "connect", *given, "127.0.0.1:9")
    assert result.exit_code == 2
    assert says in result.stderr
    assert "secret" not in result.stderr


def test_a_dump_that_would_not_be_shown(netkit: Netkit) -> None:
    result = netkit("tcp", "connect", "-q", "--hexdump", "127.0.0.1:9")
    assert (result.exit_code, result.stderr) == (2, "")


# -- proxies


@contextmanager
def proxy(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that says `answer`, and nothing more; its address, and what it was sent."""
    got: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        try:
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            got.append(read_all(connection))
        except OSError:
            pass  # whoever reads but a part of the answer resets, and what is reset cannot be shut down

    with peer(serve) as address:
        yield address, got


def test_socks5(netkit: Netkit) -> None:
    with proxy(bytes.fromhex("0502 0100 05000001 00000000 0000") + b"hello") as (address, got):
        url = f"socks5://jo:secret@{address}"
        result = netkit("tcp", "connect", "-v", "--json", "--proxy", url, "www.example:25", stdin=b"hi")
    connected = result.json[0]
    assert (connected["peer"], connected["proxy"]) == (address, f"socks5://jo:***@{address}")
    assert got[0].endswith(b"\x0bwww.example\0\x19hi")
    assert "secret" not in result.stderr + result.stdout
    assert "connected to www.example:25, from 0.0.0.0 port 0" in result.stderr


def test_http_connect(netkit: Netkit) -> None:
    with proxy(b"HTTP/1.1 200 OK\r\n\r\nhello") as (address, got):
        result = netkit("tcp", "connect", "--proxy", f"http://{address}", "www.example:25", stdin=b"hi")
    assert (result.raw, result.exit_code) == (b"hello", 0)
    assert got[0].endswith(b"\r\n\r\nhi")


@pytest.mark.parametrize(
    ("scheme", "answer", "code", "says"),
    [
        ("socks5", bytes.fromhex("0500 0505 0001"), 4, "connection refused (SOCKS reply 5)"),
        ("socks5", bytes.fromhex("05ff"), 4, "requires authentication"),
        ("socks5", b"HTTP/1.0 400 Bad\r\n\r\n", 6, "hint: it seems to speak HTTP"),
        ("socks5", b"\5", 4, "closed the connection"),
        ("http", b"HTTP/1.1 403 Forbidden\x1b[31m\r\n\r\n", 4, "HTTP status 403 Forbidden\\x1b[31m"),
        (
            "http",
            b"HTTP/1.1 407 \r\nProxy-Authenticate: Basic\r\n\r\n",
            4,
            "requires authentication (Basic)",
        ),
        ("http", b"\5\xff", 6, "not an answer of such a proxy"),
        ("http", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 9999, 6, "more than"),
    ],
)
def test_proxies_that_do_not(netkit: Netkit, scheme: str, answer: bytes, code: int, says: str) -> None:
    with proxy(answer) as (address, _):
        result = netkit("tcp", "connect", "--json", "--proxy", f"{scheme}://{address}", "www.example:25")
    assert result.exit_code == code
    assert result.json[0]["error"]["layer"] == "proxy"
    assert says in result.stderr


def test_a_silent_proxy_is_7(netkit: Netkit) -> None:
    with peer(read_all) as address:
        result = netkit(
            "tcp", "connect", "--timeout", "300ms", "--proxy", f"socks5://{address}", "a.example:1"
        )
    assert result.exit_code == 7
    assert f"timed out while asking the proxy {address} for a.example:1" in result.stderr


def test_no_proxy_there_is_4(netkit: Netkit) -> None:
    address = f"127.0.0.1:{free_port()}"
    result = netkit("tcp", "connect", "--proxy", f"socks5://{address}", "a.example:1")
    assert result.exit_code == 4
    assert "hint: that is the proxy" in result.stderr


@pytest.mark.parametrize("version", [1, 2])
def test_proxy_protocol(netkit: Netkit, version: int) -> None:
    got: list[tuple[bytes, int]] = []
    with peer(lambda connection: got.append((read_all(connection), connection.getpeername()[1]))) as address:
        result = netkit("tcp", "connect", "--proxy-protocol", f"v{version}", address, stdin=b"hi")
    assert result.exit_code == 0
    data, port = got[0]
    parsed = ProxyHeader.parse(data)
    assert parsed is not None
    assert (str(parsed[0].source), str(parsed[0].destination)) == (f"127.0.0.1:{port}", address)
    assert data[parsed[1] :] == b"hi"
    assert data.startswith(b"PROXY") is (version == 1)


# -- TLS


@pytest.fixture(scope="module")
def authority() -> ThrowawayAuthority:
    return ThrowawayAuthority()


@pytest.fixture
def ca(authority: ThrowawayAuthority, tmp_path: Path) -> str:
    file = tmp_path / "ca.pem"
    file.write_text(authority.certificate.to_pem())
    return str(file)


@contextmanager
def tls_echo(authority: ThrowawayAuthority, *names: str) -> Iterator[str]:
    config = TlsConfig.server().with_identity(*authority.issue(names)).with_alpn(["x", "y"])
    with listening(echoing(config)) as port:
        yield f"127.0.0.1:{port}"


def test_tls(netkit: Netkit, authority: ThrowawayAuthority, ca: str) -> None:
    with tls_echo(authority, "127.0.0.1") as address:
        result = netkit(
            "tcp", "connect", "-N", "--tls", "--ca", ca, "--alpn", "z, y", "--json", address, stdin=b"hi"
        )
    assert result.exit_code == 0
    assert result.json[0]["tls"]["alpn"] == "y"
    assert result.json[-1]["bytes_received"] == 2


def test_tls_stays_open_for_the_answer(netkit: Netkit, authority: ThrowawayAuthority, ca: str) -> None:
    """A peer that ends both directions at our close_notify, as RFC 5246 has it, has said all before."""
    config = TlsConfig.server().with_identity(*authority.issue(["127.0.0.1"]))

    def serve(stream: TcpStream) -> None:
        with TlsStream.accept(stream, config, timeout=20) as tls:
            assert tls.read_exactly(2, timeout=20) == b"hi"
            until(waits)  # the command has read its input to the end
            assert still_waits(tls.read_flow())
            tls.write_all(b"answer", timeout=20)

    with listening(serve) as port:
        result = netkit("tcp", "connect", "--tls", "--ca", ca, f"127.0.0.1:{port}", stdin=b"hi")
    assert (result.raw, result.exit_code) == (b"answer", 0)


def test_tls_verifies(netkit: Netkit, authority: ThrowawayAuthority, ca: str) -> None:
    with tls_echo(authority, "a.example") as address:
        assert netkit("tcp", "connect", "--tls", "--ca", ca, address).exit_code == 5
    with tls_echo(authority, "a.example") as address:
        named = ["--servername", "a.example"]
        assert netkit("tcp", "connect", "-N", "--tls", "--ca", ca, *named, address, stdin=b"hi").raw == b"hi"
    with tls_echo(authority, "a.example") as address:
        assert netkit("tcp", "connect", "-N", "--tls", "--insecure", address, stdin=b"hi").raw == b"hi"


def test_no_tls_there_is_5(netkit: Netkit) -> None:
    with peer(lambda connection: connection.sendall(b"SSH-2.0-x\r\n")) as address:
        result = netkit("tcp", "connect", "--tls", address)
    assert result.exit_code == 5
    assert "SSH" in result.stderr


def test_a_ca_that_is_none(netkit: Netkit, tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("nonsense")
    assert netkit("tcp", "connect", "--tls", "--ca", str(tmp_path / "ca"), "127.0.0.1:9").exit_code == 8
    assert netkit("tcp", "connect", "--tls", "--ca", str(tmp_path / "none"), "127.0.0.1:9").exit_code == 8


# -- as a process


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux only")
def test_keepalive(echo_address: str) -> None:  # noqa: F811
    with subprocess.Popen(
        netkit_argv("tcp", "connect", "--json", "--keepalive", "77", echo_address),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=process_environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        local = re.search(rb'"local": "127.0.0.1:(\d+)"', process.stdout.readline())
        assert local is not None
        wanted = f"0100007F:{int(local[1]):04X}"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        established = "01"  # others of the same port wait for its last packets to die
        timers = [line[5] for line in lines if (line[1], line[3]) == (wanted, established)]
        process.stdin.close()
        assert process.wait(20) == 0
    # 02 is the timer of keepalive; it ends within 77 seconds, in ticks of 10 ms.
    assert timers[0].startswith("02:")
    assert 0 < int(timers[0][3:], 16) <= 7700


def test_hexdump_at_a_terminal(echo_address: str) -> None:  # noqa: F811
    argv = netkit_argv("tcp", "connect", "--hexdump", "--crlf", echo_address)
    child = pexpect.spawn(argv[0], argv[1:], env=process_environment(), timeout=30, encoding="utf-8")
    child.expect("connected to")
    child.sendline("hi")
    child.expect("> 00000000  68 69 0d 0a")
    child.expect("< 00000000  68 69 0d 0a")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
