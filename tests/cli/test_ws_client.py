"""`netkit ws client` in scripts: messages in and out, ways to end, events, recordings, wrong arguments."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from netkit.tls.config import TlsConfig
from netkit.tls.files import read_certificates, read_private_key
from netkit.websocket import Opcode, build_frame
from tests.cli.helpers import (
    Result,
    address_of,
    netkit_argv,
    process_environment,
    row_of,
    run_netkit,
    run_netkit_process,
)
from tests.cli.ws_servers import Peer, Server, played, read_head, ws_server
from tests.conftest import free_port
from tests.waiting import until

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with ws_server(subprotocols=("chat",)) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_heard(server: Server) -> None:
    server.handler.forget()


def client(*args: str, stdin: str | bytes = b"", tty: bool = False) -> Result:
    return run_netkit("ws", "client", *args, stdin=stdin, tty=tty)


def events(result: Result, *names: str) -> list[dict[str, object]]:
    return [row for row in result.json if row.get("event") in names]


# -- messages


def test_arguments_are_messages(server: Server) -> None:
    result = client("--count", "2", server.url(), "one", "two words")
    assert (result.stdout, result.stderr, result.exit_code) == ("one\ntwo words\n", "", 0)
    assert server.handler.heard == ["one", "two words"]
    until(lambda: server.handler.closes)
    assert server.handler.closes == [(1000, "")]


def test_each_line_of_input_is_a_message(server: Server) -> None:
    result = run_netkit_process("ws", "client", "--count", "3", server.url(), stdin="a\r\n\nlast \xe9")
    assert (result.stdout, result.stderr, result.exit_code) == ("a\n\nlast \xe9\n", "", 0)
    assert server.handler.heard == ["a", "", "last \xe9"]


@pytest.mark.parametrize(
    ("args", "stdin", "heard"),
    [
        (["--split", "nul"], b"a\nb\0c\0", ["a\nb", "c"]),
        (["--split", "none"], b"a\nb\n", ["a\nb\n"]),
        (["--binary"], b"\xff\0\n", [b"\xff\0\n"]),
        (["--binary", "--split", "lines"], b"\xff\n\0\n", [b"\xff", b"\0"]),
        (["--binary", "--split", "nul"], b"\xff\n\0a", [b"\xff\n", b"a"]),
    ],
)
def test_how_input_is_split(server: Server, args: list[str], stdin: bytes, heard: list[str | bytes]) -> None:
    result = client(*args, "--count", str(len(heard)), server.url(), stdin=stdin)
    assert (result.exit_code, server.handler.heard) == (0, heard)


def test_files_as_messages(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.write_bytes("\xe9\n".encode())
    assert client("--count", "3", server.url(), f"@{path}", "@@x", "@-", stdin="in").exit_code == 0
    assert server.handler.heard == ["\xe9\n", "@x", "in"]
    path.write_bytes(b"\xff")
    assert client("--binary", "--count", "1", server.url(), f"@{path}").raw == b"\xff"


@pytest.mark.parametrize(
    ("args", "written"),
    [
        ([], b"a\nb\n\0\xff"),
        (["--framing", "lf"], b"a\nb\n\0\xff\n"),
        (["--framing", "nul"], b"a\nb\0\0\xff\0"),
        (["--framing", "none"], b"a\nb\0\xff"),
        (["--framing", "length"], b"\0\0\0\3a\nb\0\0\0\2\0\xff"),
        (["--binary-as", "hex"], b"a\nb\n00ff\n"),
        (["--binary-as", "base64"], b"a\nb\nAP8=\n"),
    ],
)
def test_how_replies_are_written(server: Server, args: list[str], written: bytes) -> None:
    result = client("--count", "2", *args, server.url("/send/a%0Ab/0x00ff"))
    assert (result.raw, result.exit_code) == (written, 0)


def test_a_terminal_gets_no_control_characters_and_no_octets(server: Server) -> None:
    result = client("--count", "1", server.url("/evil"), "--wait", "1", tty=True)
    assert "\\x1b]0;title\\x07red\\x9b31m\nline two\\u202e\n" in result.stdout
    assert "connected to 127.0.0.1" in result.stderr
    shown = client("--count", "1", server.url("/send/0x001b41"), tty=True).stdout
    assert shown == "00000000  00 1b 41                                          |..A|\n"
    pretty = client("--count", "1", server.url(), '{"a":[1.50]}', tty=True, stdin="").stdout
    assert "1.50" in pretty and pretty.count("\n") == 5


def test_what_is_a_text_must_be_one(server: Server) -> None:
    result = client(server.url(), stdin=b"ok\n\xff\n")
    assert result.exit_code == 2
    assert "message 2 of standard input is no text" in result.stderr and "--binary" in result.stderr


# -- the end


def test_wait_after_the_last_message(server: Server) -> None:
    result = client("--wait", "0.2", server.url(), "a")
    assert (result.stdout, result.exit_code) == ("a\n", 0)
    assert client("--wait", "0", server.url("/silent"), "b").exit_code == 0
    until(lambda: "b" in server.handler.heard)


def test_quiet_time(server: Server) -> None:
    result = client("--quiet-time", "0.2", server.url("/greet"))
    assert (result.stdout, result.exit_code) == ("welcome\n", 0)


def test_fewer_replies_than_asked_for(server: Server) -> None:
    result = client("--count", "2", "--wait", "0.2", server.url(), "a")
    assert (result.stdout, result.exit_code) == ("a\n", 1)
    assert "1 of 2 replies came" in result.stderr


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/close/1000/fine", 0, ""),
        ("/close/1001/", 0, ""),
        ("/close//", 0, ""),
        ("/close/1008/no", 1, "netkit: the server closed with 1008 (policy violation): no\n"),
        ("/close/1011/", 1, "netkit: the server closed with 1011 (internal error)\n"),
        ("/close/4001/%1B[31m", 1, "netkit: the server closed with 4001: \\x1b[31m\n"),
        ("/drop", 4, "netkit: the server ended the connection without a Close frame (1006)\n"),
    ],
)
def test_exit_code_by_close_code(server: Server, path: str, code: int, words: str) -> None:
    result = client(server.url(path))
    assert (result.exit_code, result.stderr) == (code, words)


BROKEN = {
    "a reserved bit": (b"\xc1\x01a", 1002),
    "a masked frame": (build_frame(0x81, "a", b"abcd"), 1002),
    "not UTF-8": (b"\x81\x01\xff", 1007),
    "too long": (build_frame(0x82, bytes(2000)), 1009),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_server_that_breaks_a_rule(what: str) -> None:
    octets, close_code = BROKEN[what]
    heard: list[bytes] = []

    def serve(peer: Peer) -> None:
        peer.raw(octets)
        heard.append(peer.drain())

    with played(serve) as url:
        result = client("--json", "--max-message", "1000", "--no-compress", url)
    assert result.exit_code == 6
    (closed,) = events(result, "closed")
    assert closed["close_code"] == close_code and closed["closed_first"] == "local"
    assert result.json[-1]["error"]["stage"] == "protocol"
    assert heard[0][:2] == b"\x88" + bytes([0x80 | len(heard[0][6:])])


def test_a_refused_handshake_is_shown_whole(server: Server) -> None:
    result = client(server.url("/refuse"))
    assert result.exit_code == 1 and result.stdout == ""
    assert "status 403" in result.stderr and "< HTTP/1.1 403 Forbidden" in result.stderr
    assert "< Content-Type: text/plain" in result.stderr and "< members only\n< \\x1b[31mred" in result.stderr
    (row,) = client("--json", server.url("/refuse")).json
    assert (row["event"], row["status"], row["error"]["kind"]) == ("refused", 403, "HandshakeRefused")
    assert base64.b64decode(row["data_b64"]).startswith(b"members only")


def test_an_answer_that_is_no_handshake() -> None:
    answer = (
        b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
    )
    with played(lambda _: None, answer=answer) as url:
        result = client(url)
    assert result.exit_code == 6 and "opening handshake" in result.stderr


def test_nobody_listens() -> None:
    result = client("--json", f"ws://127.0.0.1:{free_port()}/")
    assert result.exit_code == 4 and result.json[0]["error"]["kind"] == "Refused"


def test_a_server_that_does_not_answer() -> None:
    with played(lambda peer: peer.drain(), answer=b"") as url:
        result = client("--timeout", "0.2", url)
    assert result.exit_code == 7
    assert "timed out while waiting for the answer" in result.stderr


def test_a_server_that_says_nothing_of_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = client("--timeout", "0.2", f"wss://{address_of(silent)}/")
    assert result.exit_code == 7
    assert "timed out while in the TLS handshake with 127.0.0.1" in result.stderr


def test_a_dead_server_is_noticed() -> None:
    with played(lambda peer: peer.drain()) as url:
        result = client("--ping-interval", "0.1", url)
    assert result.exit_code == 7 and "answer to a ping" in result.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "URL"),
        (["ftp://a/"], "ws://"),
        (["ws://"], "URL"),
        (["--subprotocol", "a b", "ws://a/"], "subprotocol"),
        (["-H", "nonsense", "ws://a/"], "header"),
        (["--speed", "2", "ws://a/"], "--replay"),
        (["--tries", "2", "ws://a/"], "--reconnect"),
        (["--replay", "f", "ws://a/", "message"], "exclude each other"),
        (["--split", "nul", "ws://a/", "message"], "exclude each other"),
        (["--framing", "nul", "--json", "ws://a/"], "exclude each other"),
        (["--count", "0", "ws://a/"], "out of range"),
        (["--replay", __file__, "ws://127.0.0.1:1/"], "not an object of JSON"),
    ],
)
def test_wrong_arguments(args: list[str], words: str) -> None:
    result = client(*args)
    assert result.exit_code in (2, 4) and words in result.stderr, result


def test_a_file_that_is_not_there() -> None:
    assert client("ws://127.0.0.1:1/", "@/no/such/file").exit_code == 8
    assert client("--replay", "/no/such/file", "ws://127.0.0.1:1/").exit_code in (4, 8)


# -- signals and pipes


def started(*args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        netkit_argv("ws", "client", *args),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(),
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_says_goodbye(server: Server, number: signal.Signals, code: int) -> None:
    with started("--json", server.url("/greet")) as process:
        assert process.stdout is not None
        rows = [row_of(("ws", "client"), process.stdout.readline()) for _ in range(2)]
        assert [row["event"] for row in rows] == ["connected", "message"]
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (code, b"")
    closed = row_of(("ws", "client"), out.splitlines()[-1])
    assert closed["event"] == "closed" and closed["messages_received"] == 1
    until(lambda: server.handler.closes)
    assert server.handler.closes == [(1001, "")]


def test_nobody_reads_the_output(server: Server) -> None:
    with started(server.url()) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"a\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"a\n"
        process.stdout.close()
        process.stdin.write(b"b\n")
        process.stdin.flush()
        assert process.wait(20) == 141
        assert process.stderr is not None and process.stderr.read() == b""


def test_replies_come_while_input_is_open(server: Server) -> None:
    """Line by line, as a co-process is talked to."""
    with started("--wait", "0", server.url()) as process:
        assert process.stdin is not None and process.stdout is not None
        for text in (b"one\n", b"two\n"):
            process.stdin.write(text)
            process.stdin.flush()
            assert process.stdout.readline() == text
        process.stdin.close()
        assert process.wait(20) == 0


def test_much_in_both_directions(server: Server) -> None:
    lines = b"".join(b"%06d%s\n" % (number, b"x" * 500) for number in range(4000))
    result = run_netkit_process("ws", "client", "--count", "4000", server.url(), stdin=lines)
    assert result.raw == lines and result.exit_code == 0


# -- the connection


def test_headers_subprotocol_origin(server: Server) -> None:
    url = server.url()
    args = (
        "-H",
        "X-Api-Key: secret",
        "--subprotocol",
        "other",
        "--subprotocol",
        "chat",
        "--origin",
        "https://a",
    )
    result = client("--json", "--wait", "0", *args, url)
    (connected,) = events(result, "connected")
    assert (connected["subprotocol"], connected["status"]) == ("chat", 101)
    assert "permessage-deflate" in str(connected["compression"])
    asked = server.handler.headers[-1]
    assert (asked["x-api-key"], asked["origin"]) == ("secret", "https://a")
    assert asked["sec-websocket-protocol"].replace(" ", "") == "other,chat"
    (connected,) = events(client("--json", "--wait", "0", "--no-compress", url), "connected")
    assert connected["compression"] is None
    assert "sec-websocket-extensions" not in server.handler.headers[-1]


def test_credentials(server: Server) -> None:
    assert client("--wait", "0", server.url("/secret")).exit_code == 1
    assert client("--wait", "0", "-u", "u:p", server.url("/secret")).exit_code == 0


def test_redirects_are_followed_if_asked(server: Server) -> None:
    assert "302" in client("--wait", "0", server.url("/moved")).stderr
    (connected,) = events(client("--json", "-L", "--wait", "0", server.url("/moved")), "connected")
    assert connected["url"] == server.url("/echo")


def test_a_url_without_a_scheme(server: Server) -> None:
    assert client("--count", "1", f"{server.address}/echo", "a").stdout == "a\n"
    assert client("--count", "1", f"http://{server.address}/echo", "a").stdout == "a\n"


def test_resolve(server: Server) -> None:
    port = server.address.rpartition(":")[2]
    url = f"ws://chat.example:{port}/echo"
    assert client("--count", "1", "--resolve", f"chat.example:{port}:127.0.0.1", url, "a").stdout == "a\n"


def test_tls(tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = ca.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    pem = str(tmp_path / "server.pem")
    tls = TlsConfig.server().with_identity(read_certificates(pem), read_private_key(pem))
    with ws_server(tls) as secure:
        url = secure.url().replace("127.0.0.1", "localhost")
        result = client("--json", "--count", "1", "--ca", str(tmp_path / "ca.pem"), url, "a")
        assert result.exit_code == 0
        assert result.json[0]["tls"]["protocol"] == "TLS 1.3"
        assert client("--count", "1", url, "a").exit_code == 5
        assert client("--count", "1", "--insecure", url, "a").stdout == "a\n"
        name = ("--ca", str(tmp_path / "ca.pem"), "--servername", "localhost")
        assert client("--count", "1", *name, secure.url(), "a").stdout == "a\n"
        assert client("--count", "1", *name[:2], secure.url(), "a").exit_code == 5


# -- events, frames


def test_events(server: Server) -> None:
    result = client("--json", "--count", "2", server.url("/ping"), "\xe9")
    names = [(row["event"], row.get("direction")) for row in result.json]
    assert names[0] == ("connected", None) and names[-1] == ("closed", None)
    assert ("ping", "received") in names
    assert ("closing", "sent") in names and ("closing", "received") in names
    sent, *_ = [row for row in events(result, "message") if row["direction"] == "sent"]
    assert (sent["text"], sent["size"], sent["opcode"]) == ("\xe9", 2, "text")
    closed = result.json[-1]
    assert (closed["close_code"], closed["closed_first"]) == (1000, "local")
    assert (closed["messages_received"], closed["bytes_received"]) == (2, len("you are") + 2)


def test_a_binary_message_as_an_event(server: Server) -> None:
    result = client("--json", "--count", "1", server.url("/send/0x00ff"))
    (message,) = events(result, "message")
    assert (message["opcode"], message["data_b64"], message["size"]) == ("binary", "AP8=", 2)


def test_frames_are_shown(server: Server) -> None:
    result = client("--frames", "--count", "2", server.url("/fragments"), "x" * 1000)
    lines = result.stderr.splitlines()
    assert any(line.startswith("< text RSV1 ") for line in lines)
    assert any(line.startswith("> text FIN RSV1 mask") and "inflated to 1,000" in line for line in lines)
    assert any(line.startswith("< continuation FIN") and "inflated to 13" in line for line in lines)
    assert "> close FIN mask 2 octets" in lines and "< close FIN 2 octets" in lines
    rows = events(client("--json", "--frames", "--count", "1", server.url(), "x" * 1000), "frame")
    sent, received, *_ = rows
    assert (sent["direction"], sent["masked"], sent["rsv"], sent["inflated_size"]) == (
        "sent",
        True,
        [1],
        1000,
    )
    assert received["direction"] == "received" and not received["masked"]
    assert isinstance(received["ratio"], float) and received["ratio"] < 0.1


def test_a_frame_that_breaks_a_rule_is_shown() -> None:
    def serve(peer: Peer) -> None:
        peer.raw(b"\xb3\x01a")
        peer.drain()

    with played(serve) as url:
        result = client("--frames", url)
    assert "< 0x3 FIN RSV2 RSV3 1 octet" in result.stderr.splitlines()
    assert result.exit_code == 6


def test_the_dialogue_with_v(server: Server) -> None:
    result = client("-v", "--count", "1", server.url(), "a")
    for words in (
        "> GET /echo HTTP/1.1",
        "< HTTP/1.1 101",
        "* connect ",
        "sent text of 1 octet",
        "sent Close",
    ):
        assert words in result.stderr


# -- connecting again


def test_reconnect(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setattr("netkit.cli.ws.session.FIRST_DELAY", 0.01)
    result = client("--reconnect", "--json", "--count", "1", server.url("/flaky"))
    names = [row["event"] for row in result.json]
    assert names.count("connected") == 3 and names.count("reconnecting") == 2
    assert [row["number"] for row in events(result, "reconnecting")] == [1, 1]
    assert result.exit_code == 0 and names[-1] == "closed"


def test_reconnect_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netkit.cli.ws.session.FIRST_DELAY", 0.01)
    result = client("--reconnect", "--tries", "2", "--json", f"ws://127.0.0.1:{free_port()}/")
    assert [row.get("delay_s") for row in result.json] == [0.01, 0.02, None]
    assert result.exit_code == 4


def test_what_says_no_is_not_asked_again(server: Server) -> None:
    assert client("--reconnect", server.url("/close/4001/no")).exit_code == 1
    assert client("--reconnect", server.url("/refuse")).exit_code == 1


def test_each_reason_to_connect_again_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netkit.cli.ws.session.FIRST_DELAY", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as free:
        at = address_of(free)
    result = client("--reconnect", "--tries", "2", f"ws://{at}/")
    assert result.stderr.count("connecting again") == 2
    assert result.stderr.count("connection refused") == 3, result.stderr


# -- closing, and what is sent after the arguments


def test_the_code_and_the_reason_of_the_close_frame(server: Server) -> None:
    args = ("--close-code", "4001", "--close-reason", "enough", "--count", "1")
    assert client(*args, server.url(), "a").exit_code == 0
    until(lambda: server.handler.closes)
    assert server.handler.closes == [(4001, "enough")]


def test_input_follows_the_arguments(server: Server) -> None:
    result = client("--input", "--wait", "0.2", server.url(), "one", "two", stdin=b"three\nfour\n")
    assert (result.stdout, result.exit_code) == ("one\ntwo\nthree\nfour\n", 0)
    result = client("--input", "--split", "nul", "--wait", "0.2", server.url(), "one", stdin=b"a\nb\0c")
    assert result.stdout == "one\na\nb\nc\n"


def test_octets_are_sent_as_they_come(server: Server) -> None:
    process = started("--binary", "--split", "pieces", server.url())
    assert process.stdin is not None and process.stdout is not None
    for piece in b"abc", b"\xff\n", b"d":
        process.stdin.write(piece)
        process.stdin.flush()
        assert process.stdout.read(len(piece)) == piece
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert server.handler.heard == [b"abc", b"\xff\n", b"d"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["-H", "sec-websocket-key: x"], "is written by the handshake itself"),
        (["-H", "Sec-WebSocket-Protocol: x"], "--subprotocol offers one"),
        (["--origin", "http://a", "-H", "Origin: http://b"], "exclude each other"),
        (["--close-code", "1006"], "--close-code: close code: 1006 may not be sent"),
        (["--close-code", "5000"], "from 1000 to 4999"),
        (["--close-reason", "x" * 124], "write a shorter one"),
        (["--split", "pieces"], "--split pieces is for --binary"),
        (["--input", "--replay", "x"], "exclude each other"),
    ],
)
def test_options_that_cannot_be(args: list[str], words: str) -> None:
    result = client(*args, "ws://127.0.0.1:9/")
    assert (result.exit_code, words in result.stderr) == (2, True), result


def test_headers_that_are_left_out(server: Server) -> None:
    result = client("-H", "User-Agent:", "-H", "X-None:", "-H", "X-Empty;", "--count", "1", server.url(), "a")
    assert result.exit_code == 0
    headers = server.handler.headers[0]
    assert headers["x-empty"] == "" and "x-none" not in headers and "user-agent" not in headers


def test_messages_say_what_was_being_done(server: Server) -> None:
    assert "netkit: ws client: /no/such: no such file" in client(server.url(), "@/no/such").stderr
    url = server.url("/refuse")
    assert f"netkit: opening {url}: the server refused" in client(url, "a").stderr


# -- recordings


def frames_of(octets: bytes) -> list[tuple[Opcode, object]]:
    from netkit.websocket import WebSocketProtocol

    return list(WebSocketProtocol.server().feed(octets))


def recorded(heard: list[bytes], done: threading.Event) -> object:
    def serve(peer: Peer) -> None:
        peer.raw(build_frame(0x89, b"?") + build_frame(0x81, "hello"))
        octets = b""
        while data := peer.heard():
            octets += data
            if any(opcode is Opcode.Close for opcode, _ in frames_of(octets)):
                peer.raw(build_frame(0x88, struct.pack(">H", 1000)))
                break
        heard.append(octets)
        done.set()

    return serve


def test_record_then_replay_sends_the_same(tmp_path: Path) -> None:
    path, heard = tmp_path / "session.jsonl", list[bytes]()
    done = threading.Event()
    serve = recorded(heard, done)
    with played(serve, serve) as url:  # type: ignore[arg-type]
        args = ("--no-compress", "--wait", "0.1")
        assert (
            client(
                *args, "--binary", "--split", "lines", "--record", str(path), url, stdin=b"a\n\xff\n"
            ).exit_code
            == 0
        )
        assert client("--no-compress", "--replay", str(path), url).exit_code == 0
    first, second = map(frames_of, heard)
    assert [event for event in first if event[0] is not Opcode.Pong] == [
        event for event in second if event[0] is not Opcode.Pong
    ]
    assert [str(opcode) for opcode, _ in second].count(str(Opcode.Binary)) == 2
    header, *rows = map(json.loads, path.read_text().splitlines())
    assert header["recording"] == "netkit ws" and header["url"] == url
    assert [(row["direction"], row["opcode"]) for row in rows if row["direction"] == "received"] == [
        ("received", "ping"),
        ("received", "text"),
        ("received", "close"),
    ]
    assert path.stat().st_mode & 0o077 == 0


def test_a_recording_of_several_connections_is_replayed_over_one(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    rows: list[dict[str, object]] = [
        {"recording": "netkit ws", "version": 1},
        {"at_s": 0, "direction": "sent", "opcode": "text", "text": "one"},
        {"at_s": 0, "direction": "received", "opcode": "close", "close_code": 1001},
        {"at_s": 0, "direction": "sent", "opcode": "close", "close_code": 1001},
        {"at_s": 0, "opcode": "connected again"},
        {"at_s": 0, "direction": "sent", "opcode": "text", "text": "two"},
        {"at_s": 0, "direction": "sent", "opcode": "close", "close_code": 4000, "reason": "over"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = client("--replay", str(path), server.url())
    assert (result.stdout, result.exit_code) == ("one\ntwo\n", 0)
    until(lambda: server.handler.closes)
    assert (server.handler.heard, server.handler.closes) == (["one", "two"], [(4000, "over")])


def test_the_timing_of_a_recording(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    head = {"recording": "netkit ws", "version": 1, "url": "ws://a/", "started_at": "x", "subprotocol": None}
    rows = [
        {"at_s": 0.0, "direction": "sent", "opcode": "text", "text": "a"},
        {"at_s": 0.1, "direction": "received", "opcode": "text", "text": "not sent"},
        {"at_s": 0.4, "direction": "sent", "opcode": "binary", "data_b64": "AA=="},
        {"at_s": 0.4, "direction": "sent", "opcode": "close", "close_code": 4000, "reason": "done"},
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in (head, *rows)))
    result = client("--json", "--replay", str(path), server.url())
    sent = [row for row in events(result, "message") if row["direction"] == "sent"]
    assert server.handler.heard == ["a", b"\0"]
    assert sent[1]["at_s"] >= 0.4 > sent[0]["at_s"]  # type: ignore[operator]
    assert result.exit_code == 0
    until(lambda: server.handler.closes)
    assert server.handler.closes == [(4000, "done")]
    quick = client("--json", "--speed", "0", "--replay", str(path), server.url())
    assert all(row["at_s"] < 0.4 for row in events(quick, "message"))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[]", "line 2 is not an object"),
        ('{"at_s": -1, "direction": "sent", "opcode": "text", "text": ""}', "at_s is no time"),
        ('{"at_s": 0, "direction": "sent", "opcode": "text"}', "line 2"),
        ('{"at_s": 0, "direction": "sent", "opcode": "binary", "data_b64": "?"}', "no base64"),
        ('{"at_s": 0, "direction": "sent", "opcode": "close", "close_code": "x"}', "close_code"),
    ],
)
def test_a_recording_that_is_damaged(server: Server, tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "session.jsonl"
    path.write_text(f'{{"recording": "netkit ws", "version": 1}}\n{line}\n')
    result = client("--replay", str(path), server.url())
    assert result.exit_code == 2 and words in result.stderr


def test_standard_input_that_is_closed(server: Server) -> None:
    result = run_netkit_process(
        "ws", "client", "--quiet-time", "0.2", server.url("/greet"), preexec_fn=lambda: os.close(0)
    )
    assert (result.stdout, result.exit_code) == ("welcome\n", 0)


# -- other ways to a server


def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with ws_server(unix=path):
        result = client("--json", "--count", "1", "--unix-socket", path, "ws://localhost/echo", "a")
    assert result.exit_code == 0 and result.json[0]["peer"] == path


def test_a_proxy(server: Server) -> None:
    asked: list[bytes] = []

    def tunnel(listener: socket.socket) -> None:
        sock, _ = listener.accept()
        with sock, socket.create_connection(tuple(server.address.split(":"))) as onward:  # type: ignore[arg-type]
            asked.append(read_head(sock))
            sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=copy, args=(onward, sock))
            back.start()
            copy(sock, onward)
            back.join(20)

    def copy(source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=tunnel, args=(listener,))
        thread.start()
        proxy = f"http://{address_of(listener)}"
        result = client("--json", "--count", "1", "-x", proxy, server.url(), "a")
        thread.join(20)
    assert result.exit_code == 0, result
    assert asked[0].startswith(f"CONNECT {server.address} HTTP/1.1\r\n".encode())
    assert result.json[0]["proxy"] is not None


def test_http2(server: Server) -> None:
    result = client("--json", "--http2-prior-knowledge", "--count", "1", server.url(), "a")
    assert result.exit_code == 0, result
    assert result.json[0]["status"] == 200
    assert [row["text"] for row in events(result, "message")] == ["a", "a"]
