"""Peers that mean harm: what they cost, and what they get, over sockets, in the loop and in flows.

The memory is that of a server in a process of its own, whose highest mark the kernel keeps: it counts what
Rust and zlib take too. Each attack is a row of a table, and each class of failure that is known of other
implementations has a row: bombs, lengths of 64 bits, heads, tiny fragments, peers that read nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import os
import select
import socket
import subprocess
import sys
import threading
import zlib
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from netkit.http import HttpVersions
from netkit.http.files import BasicCredentials
from netkit.http.files.guard import Guard
from netkit.http.files.worker import Worker
from netkit.http.parser.errors import ParseError
from netkit.io import OPERATIONS_PER_TURN, PAUSE, Flow, run
from netkit.net.connect import descriptor_of
from netkit.net.sockets import SocketStream
from netkit.websocket import (
    CloseCode,
    CloseReason,
    DeflateConfig,
    DeflateParameters,
    Opcode,
    State,
    WebSocket,
    WebSocketConfig,
    WebSocketError,
    WebSocketHandler,
    WebSocketLimits,
    WebSocketProtocol,
    accept_key,
)
from netkit.websocket.client import connect
from netkit.websocket.loop import WsLoop
from tests.http.server.serving import Serving
from tests.waiting import until
from tests.websocket.frames import BINARY, CLOSE, CONT, FIN, PING, PONG, RSV1, TEXT, client, frame
from tests.websocket.hostile_server import MAX_MESSAGE, Echo
from tests.websocket.loop_forms import HANDSHAKE
from tests.websocket.serving import FlowEcho, opened, serving
from tests.websocket.sockets import PATIENCE, Beside, Form, Pair, Peer

SOON = 0.05
MIB = 1 << 20

#: How much a server may grow under attack by one client: the message under way, as many octets of messages
#: that are finished, a copy of one, and what a process takes by itself. One read of compressed octets alone
#: could become 64 times as much.
MOST_GROWTH = 24 * MIB


# A server in a process


class Victim:
    """A server, whose memory is looked at."""

    def __init__(self, form: str) -> None:
        command = [sys.executable, "-m", "tests.websocket.hostile_server", form]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0
        self.process.stdout.close()

    def memory(self, name: str) -> int:
        """`VmRSS` is what it has, `VmHWM` the most it had since `forget`; in octets."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith(f"{name}:")]
        return int(line.split()[1]) * 1024

    @contextmanager
    def watched(self, most: int = MOST_GROWTH) -> Iterator[None]:
        """Fails if the server grows by more than that meanwhile."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")  # the highest mark begins anew
        before = self.memory("VmRSS")
        yield
        grown = self.memory("VmHWM") - before
        assert grown < most, f"{grown / MIB:.1f} MiB"

    def asked(self, request: bytes) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        sock.sendall(request)
        return sock

    def opened(self, fields: bytes = b"") -> socket.socket:
        """A WebSocket, with compression."""
        sock = self.asked(HANDSHAKE % (b"Sec-WebSocket-Extensions: permessage-deflate\r\n" + fields))
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        return sock

    def serves(self) -> bool:
        """Whether others are served."""
        with self.opened() as sock:
            sock.sendall(frame(FIN | TEXT, b"there?") + frame(FIN | CLOSE))
            return last_code(sock) == 1005


@pytest.fixture(scope="module", params=["loop", "flow"])
def victim(request: pytest.FixtureRequest) -> Iterator[Victim]:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("this system does not tell how much memory a process had")
    made = Victim(request.param)
    assert made.serves()
    yield made
    assert made.serves()
    made.end()


def read_head(sock: socket.socket) -> bytes:
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        octet = sock.recv(1)
        assert octet, got
        got += octet
    return got


def last_code(sock: socket.socket) -> int | None:
    """Read to the end; the code of the Close frame that it ends with, 1005 for none in it, None without."""
    protocol = client(
        deflate=DeflateParameters(), limits=WebSocketLimits(max_message=1 << 30, max_pings=1 << 30)
    )
    try:
        while data := sock.recv(1 << 18):
            protocol.feed(data)
    except ConnectionResetError:
        pass
    return None if protocol.close_received is None else protocol.close_received.code


def send_all(sock: socket.socket, octets: bytes) -> None:
    """Send, as far as the server takes it, and read meanwhile nothing."""
    try:
        sock.sendall(octets)
    except (ConnectionError, TimeoutError):
        pass  # it has ended the connection: what it said is still read


def both_ways(sock: socket.socket, octets: bytes) -> int | None:
    """Send all while the answers are read; what `last_code` says."""
    sending = threading.Thread(target=send_all, args=(sock, octets))
    sending.start()
    code = last_code(sock)
    sending.join(PATIENCE)
    assert not sending.is_alive()
    return code


# What is sent


def packed(payload: bytes, *, messages: int = 1) -> list[bytes]:
    """Messages compressed by a client that keeps its context (RFC 7692 section 7.2.1)."""
    made = zlib.compressobj(9, zlib.DEFLATED, -15)
    return [
        (made.compress(payload) + made.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")
        for _ in range(messages)
    ]


def fragments(first: int, payload: bytes, size: int) -> bytes:
    """A message in fragments; its last is not sent with FIN."""
    return b"".join(
        frame(CONT if at else first, payload[at : at + size], bytes(4)) for at in range(0, len(payload), size)
    )


BYE = frame(FIN | CLOSE, b"\x03\xe8")
BOMB = packed(bytes(MAX_MESSAGE), messages=80)
OVER = packed(bytes(64 * MAX_MESSAGE))[0]


class Attack(NamedTuple):
    """Octets, made when they are needed, and the code that the server closes with; None: the last is BYE."""

    octets: Callable[[], bytes]
    code: int


ATTACKS = {
    "a million fragments of one octet": Attack(
        lambda: frame(BINARY, b"x") + frame(CONT, b"x") * 1_000_000, 1008
    ),
    "a text of a million fragments": Attack(
        lambda: frame(TEXT, b"x") + frame(CONT, b"\xc3") + frame(CONT, b"\xa4") * 1_000_000, 1007
    ),
    "a million empty fragments": Attack(lambda: frame(BINARY) + frame(CONT) * 1_000_000, 1008),
    "fragments up to the limit, and one more octet": Attack(
        lambda: fragments(BINARY, bytes(MAX_MESSAGE), 1 << 12) + frame(FIN | CONT, b"x"), 1009
    ),
    "a message of the limit": Attack(lambda: frame(FIN | BINARY, bytes(MAX_MESSAGE)) + BYE, 1000),
    "one octet more": Attack(lambda: frame(FIN | BINARY, bytes(MAX_MESSAGE + 1)), 1009),
    "a length of 2**63 - 1": Attack(lambda: b"\x82\xff\x7f" + b"\xff" * 7, 1009),
    "a length of 2**63": Attack(lambda: b"\x82\xff\x80" + bytes(7), 1002),
    "many messages, each inflated to the limit": Attack(
        lambda: b"".join(frame(FIN | RSV1 | BINARY, each) for each in BOMB) + BYE, 1000
    ),
    "a compressed message of the limit in fragments of one octet": Attack(
        lambda: fragments(RSV1 | BINARY, BOMB[0], 1) + frame(FIN | CONT) + BYE, 1000
    ),
    "a bomb": Attack(lambda: frame(FIN | RSV1 | BINARY, OVER), 1009),
    "a bomb of text": Attack(lambda: frame(FIN | RSV1 | TEXT, OVER), 1009),
    "a bomb in fragments": Attack(lambda: fragments(RSV1 | BINARY, OVER, 1000), 1009),
    "a bomb in fragments of one octet": Attack(lambda: fragments(RSV1 | BINARY, OVER, 1), 1009),
    "a bomb that refers to the message before": Attack(
        lambda: (
            frame(FIN | RSV1 | BINARY, BOMB[0])
            + fragments(RSV1 | BINARY, b"\0\0\xff\xff".join(BOMB[1:]), 100)
        ),
        1009,
    ),
    "compressed octets without an end": Attack(
        lambda: fragments(RSV1 | BINARY, b"\x00\x00\x00\xff\xff" * (MAX_MESSAGE // 2), 4096), 1009
    ),
    "what is not DEFLATE": Attack(lambda: frame(FIN | RSV1 | BINARY, b"\x07" * 1000), 1007),
    "many pings": Attack(lambda: frame(FIN | PING, b"p" * 125) * 20_000 + BYE, 1000),
    "many pongs": Attack(lambda: frame(FIN | PONG, b"p" * 125) * 20_000 + BYE, 1000),
    "many empty messages": Attack(lambda: frame(FIN | BINARY) * 20_000 + BYE, 1000),
    "octets behind a Close frame": Attack(lambda: BYE + b"\xff" * 4_000_000, 1000),
    "a Close frame inside a message": Attack(
        lambda: fragments(BINARY, bytes(MAX_MESSAGE), 1 << 16) + BYE, 1000
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gets_its_code_and_takes_no_more_than_the_limits(victim: Victim, name: str) -> None:
    octets, code = ATTACKS[name]
    stream = octets()
    with victim.watched():
        with victim.opened() as sock:
            assert both_ways(sock, stream) == code
        assert victim.serves()


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(frame(FIN | BINARY, bytes(100_000)), id="messages"),
        pytest.param(frame(FIN | RSV1 | BINARY, packed(os.urandom(100_000))[0]), id="compressed messages"),
        pytest.param(frame(FIN | PING, b"p" * 125) * 100, id="pings"),
        pytest.param(frame(FIN | PING, b"p") + frame(FIN | BINARY), id="pings and messages"),
    ],
)
def test_a_peer_that_reads_nothing_is_held_back_or_given_up(victim: Victim, octets: bytes) -> None:
    with victim.watched(), victim.opened() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        sent, many = 0, memoryview(octets * (MIB // len(octets) + 1))
        while sent < 64 * MIB:
            try:
                sent += sock.send(many[sent % len(octets) :])
            except BlockingIOError:
                # Others are served meanwhile, and still nothing is taken.
                assert victim.serves()
                if not select.select([], [sock], [], 0)[1]:
                    break
            except ConnectionError:
                break
        assert sent < 64 * MIB


# Before a WebSocket is open


def test_half_open_handshakes_are_ended(victim: Victim) -> None:
    """`head_timeout` of this server is a second."""
    with victim.watched():
        half = [victim.asked((HANDSHAKE % b"")[:-20]) for _ in range(200)]
        assert victim.serves()
        for sock in half:
            assert sock.recv(65536).startswith(b"HTTP/1.1 408 ")
            sock.close()


def offers(number: int) -> bytes:
    return b"Sec-WebSocket-Extensions: " + b", ".join([b"permessage-deflate"] * number) + b"\r\n"


HEADS = {
    "ten thousand fields": (b"x: y\r\n" * 10_000, 431),
    "a field of a mebibyte": (b"X: " + b"y" * MIB + b"\r\n", 431),
    "a thousand fields Upgrade": (b"Upgrade: websocket\r\n" * 1000, 431),
    "extensions of a mebibyte": (b"Sec-WebSocket-Extensions: " + b"a;" * (MIB // 2) + b"\r\n", 431),
    "subprotocols of a mebibyte": (b"Sec-WebSocket-Protocol: " + b"a," * (MIB // 2) + b"\r\n", 431),
    "32 offers": (offers(32), 101),
    "33 offers": (offers(33), 400),
    "offers in many fields": (offers(1) * 50, 400),
    "33 parameters": (b"Sec-WebSocket-Extensions: a" + b"; b" * 33 + b"\r\n", 400),
    "a string without an end": (b'Sec-WebSocket-Extensions: a; b="' + b"\\" * 8000 + b"\r\n", 400),
    "8000 commas": (b"Sec-WebSocket-Extensions: " + b"," * 8000 + b"\r\n", 400),
    "100 subprotocols": (
        b"Sec-WebSocket-Protocol: " + b", ".join(b"p%d" % number for number in range(100)) + b"\r\n",
        101,
    ),
    "101 subprotocols": (
        b"Sec-WebSocket-Protocol: " + b", ".join(b"p%d" % number for number in range(101)) + b"\r\n",
        400,
    ),
    "a subprotocol twice": (b"Sec-WebSocket-Protocol: a, a\r\n", 400),
    "two keys": (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400),
    "two versions": (b"Sec-WebSocket-Version: 13\r\n", 426),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_is_too_much(victim: Victim, name: str) -> None:
    fields, status = HEADS[name]
    with victim.watched(), victim.asked(b"") as sock:
        send_all(sock, HANDSHAKE % fields)
        assert sock.recv(65536).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (b"Content-Length: 6\r\n", b"\x81\x80body"),
        (b"Content-Length: 6\r\n", b"\x81\x80"),
        (b"Content-Length: 6\r\n", b""),
        (b"Content-Length: 6\r\nExpect: 100-continue\r\n", b""),
        (b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b""),
    ],
)
def test_a_request_with_a_body_is_refused(victim: Victim, fields: bytes, body: bytes) -> None:
    """RFC 9110 section 7.8: the frames would begin behind it. Not all servers and proxies think of that."""
    with victim.asked(HANDSHAKE % fields + body) as sock:
        assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_a_request_with_an_empty_body_is_accepted(victim: Victim) -> None:
    with victim.asked(HANDSHAKE % b"Content-Length: 0\r\n" + BYE) as sock:
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        assert last_code(sock) == 1000


# Messages that never end


@pytest.fixture(params=["loop", "flow"])
def in_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param == "loop" and not WsLoop.available:
        pytest.skip("this system has no epoll")
    monkeypatch.setattr(WsLoop, "available", request.param == "loop")
    return bool(request.param == "loop")


SLOW = {
    "half a head": frame(FIN | TEXT, b"hello")[:1],
    "half a frame": frame(FIN | TEXT, b"hello")[:-1],
    "a fragment": frame(TEXT, b"hello"),
    "a fragment behind a message": frame(FIN | TEXT, b"hello") + frame(TEXT, b"hello"),
    "half a control frame": frame(FIN | PING, b"hello")[:-1],
    "a compressed fragment": frame(RSV1 | TEXT, bytes.fromhex("f248cd")),
}


@pytest.mark.parametrize("form", ["blocking", "async"])
@pytest.mark.parametrize("name", SLOW)
def test_a_message_that_does_not_end_in_time(in_loop: bool, form: str, name: str) -> None:
    config = WebSocketConfig(ping_interval=None, deflate=DeflateConfig(), message_timeout=SOON)
    handler = WebSocketHandler(Echo(), config=config)
    with Serving(handler, form=form) as served:
        raw = served.client()
        raw.send(HANDSHAKE % b"Sec-WebSocket-Extensions: permessage-deflate\r\n")
        head = read_head(raw.sock)
        assert head.startswith(b"HTTP/1.1 101 ")
        assert in_loop == (handler.loop is not None)
        peer = Peer(raw.sock, client(deflate=DeflateParameters()))
        peer.raw(SLOW[name])
        if "behind a message" in name:
            assert peer.event() == (Opcode.Textual, "hello")
        opcode, reason = peer.event()
        assert (opcode, reason.code) == (Opcode.Close, CloseCode.POLICY_VIOLATION)
        assert reason.reason.startswith("message under way for more than 0.05 s")
        peer.sock.close()
        served.until_idle()
    ((exchange, _),) = served.told.exchanges
    assert exchange.note is not None
    assert exchange.note.startswith("closed for a fault of the client: message under way")


def test_the_time_of_a_message_over_http2() -> None:
    config = WebSocketConfig(ping_interval=None, message_timeout=SOON)
    with serving(FlowEcho(), config=config) as served:
        ws = opened(served, HttpVersions.HTTP2)
        ws.send_fragment("a", end=False)
        with pytest.raises(WebSocketError.ConnectionClosed) as caught:
            ws.receive()
        assert caught.value.code == CloseCode.POLICY_VIOLATION


def test_control_frames_do_not_make_a_message_longer(in_loop: bool) -> None:
    config = WebSocketConfig(ping_interval=None, message_timeout=SOON)
    handler = WebSocketHandler(Echo(), config=config)
    with Serving(handler) as served:
        raw = served.client()
        raw.send(HANDSHAKE % b"")
        read_head(raw.sock)
        assert in_loop == (handler.loop is not None)
        peer = Peer(raw.sock, client())
        peer.raw(frame(TEXT, b"a"))
        opcode = Opcode.Pong
        while opcode is Opcode.Pong:  # until the server has had enough
            peer.raw(frame(FIN | PING) + frame(CONT, b"b"))
            opcode, reason = peer.event(answers=False)
        assert (opcode, reason.code) == (Opcode.Close, CloseCode.POLICY_VIOLATION)
        peer.sock.close()


def test_a_message_may_take_its_time_and_so_may_many(in_loop: bool) -> None:
    """The time is that of each message: many that follow one another may take longer together."""
    config = WebSocketConfig(ping_interval=None, message_timeout=1.0)
    handler = WebSocketHandler(Echo(), config=config)
    with Serving(handler) as served:
        raw = served.client()
        raw.send(HANDSHAKE % b"")
        read_head(raw.sock)
        assert in_loop == (handler.loop is not None)
        peer = Peer(raw.sock, client())
        until(lambda: handler.open)
        (ws,) = handler.open
        for number in range(3):
            peer.raw(frame(TEXT, b"a"))
            until(lambda: ws._begun is not None)  # noqa: SLF001 - the clock that the limit is about
            peer.raw(frame(FIN | CONT, b"b"))
            assert peer.event() == (Opcode.Textual, "ab"), number
            assert ws._begun is None  # noqa: SLF001
        peer.sock.close()


def test_a_message_that_nobody_receives_has_its_time_when_somebody_does() -> None:
    """While no call waits, nothing is read, and the peer is held back: that is not its fault."""
    with Pair(WebSocketConfig(ping_interval=None, message_timeout=1.0)) as pair:
        pair.peer.raw(frame(TEXT, b"a"))
        with pytest.raises(TimeoutError):
            pair.ws.receive(timeout=0.01)
        begun = pair.ws._begun  # noqa: SLF001 - the clock that the limit is about
        assert begun is not None
        pair.ws._begun = begun - 3600  # noqa: SLF001 - an hour passes
        pair.ws._paused -= 3600  # noqa: SLF001
        pair.peer.raw(frame(FIN | CONT, b"b"))
        assert pair.ws.receive() == "ab"


def test_the_time_of_a_message_in_a_client() -> None:
    with Pair(WebSocketConfig(ping_interval=None, message_timeout=SOON), client=True) as pair:
        pair.peer.raw(frame(TEXT, b"a", None))

        def peer() -> None:
            assert pair.peer.event(answers=False)[1].code == CloseCode.POLICY_VIOLATION
            pair.peer.sock.close()

        with Beside(peer), pytest.raises(WebSocketError.LimitExceeded) as caught:
            pair.ws.receive()
        assert (caught.value.setting, caught.value.limit) == ("message_timeout", SOON)


def test_a_name_that_nobody_has_costs_what_a_wrong_password_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared, and how often, says nothing of the names of users; it is counted, not timed."""
    compared: list[tuple[int, bytes]] = []
    real = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        compared.append((len(one), other))
        return real(one, other)

    monkeypatch.setattr("netkit.http.files.guard.hmac.compare_digest", counted)
    users = {"ann": "one password", "bob": "no other one", "eve": "the third one"}
    guard = Guard(BasicCredentials(users), Worker())
    for name in ("ann", "bob", "eve", "nobody"):
        compared.clear()
        value = b"Basic " + b64encode(f"{name}:guess".encode())
        assert run(guard.check_flow(value)) is None
        *names, password = compared
        assert names == [(3, name.encode())] * 3
        assert password[1] == b"guess"


# Servers that mean harm


def answering(answer: Callable[[bytes], bytes]) -> tuple[str, threading.Thread]:
    """A server of one connection: what it answers depends on the client's key. It reads to the end."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as sock:
            sock.settimeout(PATIENCE)
            head = read_head(sock)
            key = next(
                line.split(b": ")[1]
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"sec-websocket-key")
            )
            send_all(sock, answer(key))
            try:
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
            except OSError:
                pass  # the client has had enough

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"ws://127.0.0.1:{listener.getsockname()[1]}/", thread


def switch(key: bytes, fields: bytes = b"", *, accept: bytes | None = None) -> bytes:
    accept = accept_key(key).encode() if accept is None else accept
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n%b\r\n" % (accept, fields)
    )


WRONG_ANSWERS: dict[str, Callable[[bytes], bytes]] = {
    "no Accept": lambda key: switch(key, accept=b""),
    "another Accept": lambda key: switch(key, accept=accept_key(key[::-1]).encode()),
    "the key itself": lambda key: switch(key, accept=key),
    "Accept in lower case": lambda key: switch(key, accept=accept_key(key).lower().encode()),
    "Accept twice": lambda key: switch(key, b"Sec-WebSocket-Accept: %b\r\n" % accept_key(key).encode()),
    "Accept and more": lambda key: switch(key, accept=accept_key(key).encode() + b", x"),
    "Upgrade twice": lambda key: switch(key, b"Upgrade: h2c\r\n"),
    "a subprotocol": lambda key: switch(key, b"Sec-WebSocket-Protocol: chat\r\n"),
    "another extension": lambda key: switch(key, b"Sec-WebSocket-Extensions: x-webkit-deflate-frame\r\n"),
    "two answers": lambda key: switch(
        key, b"Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate\r\n"
    ),
    "a parameter that was not offered": lambda key: switch(
        key, b"Sec-WebSocket-Extensions: permessage-deflate; x=1\r\n"
    ),
    "a window of 7 bits": lambda key: switch(
        key, b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7\r\n"
    ),
    "ten thousand fields": lambda key: switch(key, b"x: y\r\n" * 10_000),
    "extensions of a mebibyte": lambda key: switch(
        key, b"Sec-WebSocket-Extensions: " + b"a," * (MIB // 2) + b"\r\n"
    ),
}


@pytest.mark.parametrize("name", WRONG_ANSWERS)
def test_an_answer_that_is_wrong(name: str) -> None:
    url, thread = answering(WRONG_ANSWERS[name])
    with pytest.raises((WebSocketError.InvalidHandshake, ParseError)):
        connect(url)
    thread.join(PATIENCE)
    assert not thread.is_alive()  # nothing is left open


class Early(NamedTuple):
    """Frames that come in one piece with the answer: the messages, then the error, and its code."""

    frames: bytes
    messages: list[str | bytes]
    error: type[WebSocketError]


def out(first: int, payload: bytes = b"") -> bytes:
    return frame(first, payload, None)


EARLY = {
    "messages and Close": Early(
        out(FIN | TEXT, b"a") + out(FIN | BINARY, b"b") + out(FIN | CLOSE, b"\x0f\xa0"),
        ["a", b"b"],
        WebSocketError.ConnectionClosed,
    ),
    "a message and the end": Early(out(FIN | TEXT, b"a"), ["a"], WebSocketError.ConnectionClosed),
    "a masked frame": Early(
        out(FIN | TEXT, b"a") + frame(FIN | TEXT, b"b"), ["a"], WebSocketError.MaskForbidden
    ),
    "half a message": Early(out(TEXT, b"a"), [], WebSocketError.ConnectionClosed),
    "not compressed, as agreed": Early(out(FIN | RSV1 | TEXT, b"a"), [], WebSocketError.ReservedBitsSet),
    "another response": Early(b"HTTP/1.1 200 OK\r\n\r\n", [], WebSocketError.ReservedBitsSet),
}


@pytest.mark.parametrize("name", EARLY)
def test_frames_that_come_with_the_answer(name: str) -> None:
    frames, messages, error = EARLY[name]
    url, thread = answering(lambda key: switch(key) + frames)
    ws = connect(url)
    assert [ws.receive() for _ in messages] == messages
    with pytest.raises(error):
        ws.receive()
    assert ws.is_closed
    thread.join(PATIENCE)
    assert not thread.is_alive()


# The closing handshake


STEPS = ("the client closes", "the server closes", "to the server", "to the client", "a message", "a ping")


def test_both_sides_close_in_any_order() -> None:
    """Section 7.1: whatever crosses, each side sends one Close frame, and both are closed in the end."""
    for order in itertools.permutations(STEPS):
        close_in_order(order)


def close_in_order(order: tuple[str, ...]) -> None:
    here, there = client(), WebSocketProtocol.server()
    frames: dict[bool, int] = {True: 0, False: 0}

    def deliver(one: WebSocketProtocol, other: WebSocketProtocol) -> bool:
        octets = one.take()
        frames[one.is_client] += one.close_sent is not None and bool(octets)
        other.feed(octets)
        return bool(octets)

    def step(what: str) -> None:
        match what:
            case "the client closes":
                here.close(4001, "client")
            case "the server closes":
                there.close(4002, "server")
            case "to the server":
                deliver(here, there)
            case "to the client":
                deliver(there, here)
            case "a message" | "a ping":
                try:
                    if what == "a ping":
                        there.ping(b"x")
                    else:
                        here.send("message")
                except WebSocketError.ConnectionClosed as error:
                    assert error.code in (4001, 4002)

    for what in order:
        step(what)
    while deliver(here, there) | deliver(there, here):
        pass
    assert frames == {True: 1, False: 1}
    assert (here.error, there.error) == (None, None)
    assert (here.state, there.state) == (State.CLOSED, State.CLOSED)
    assert (here.awaits_disconnect, there.should_disconnect) == (True, True)
    assert here.close_received is not None
    assert there.close_received is not None
    assert {here.close_received.code, there.close_received.code} <= {4001, 4002}
    assert there.close_sent is not None
    assert here.close_received.code == there.close_sent.code
    assert isinstance(here.close_received, CloseReason)


# Others get their turn


@pytest.mark.parametrize("sends", [False, True])
def test_a_flow_whose_peer_sends_without_a_pause_lets_others_run(sends: bool) -> None:
    """One client with many small messages does not keep the others waiting: it was a quarter of a second."""
    with Pair() as pair:
        pair.peer.raw(frame(FIN | BINARY, b"x") * 1000)

        def serve() -> Flow[None]:
            for _ in range(1000):
                message = yield from pair.ws.receive_flow()
                if sends:
                    yield from pair.ws.send_flow(message)
                    pair.peer.event()

        pauses = 0
        for want in serve():
            pauses += want is PAUSE
        assert pauses == 1000 * (1 + sends) // OPERATIONS_PER_TURN


# Calls that are interrupted


@pytest.mark.parametrize("kind", ["blocking", "async"])
@pytest.mark.parametrize("is_client", [False, True])
def test_a_receive_that_times_out_while_the_connection_ends_loses_nothing(kind: str, is_client: bool) -> None:
    """The peer has closed, and has not taken yet what was sent before."""
    form = Form(kind)
    with Pair(client=is_client) as pair:
        large = bytes(4_000_000)
        for message in (large, b"last"):
            with pytest.raises(TimeoutError):
                form(pair.ws.send, message, timeout=0.01)
        pair.peer.protocol.close(4000)
        pair.peer.raw(pair.peer.protocol.take())
        for _ in range(3):
            with pytest.raises(TimeoutError):
                form(pair.ws.receive, timeout=0.01)
        assert not pair.ws.is_closed

        def peer() -> None:
            got = [pair.peer.event(answers=False) for _ in range(3)]
            assert got == [
                (Opcode.Binary, large),
                (Opcode.Binary, b"last"),
                (Opcode.Close, CloseReason(4000)),
            ]
            pair.peer.sock.close()

        with Beside(peer), pytest.raises(WebSocketError.ConnectionClosed) as caught:
            form(pair.ws.receive)
        assert caught.value.code == 4000
        assert pair.ws.is_closed
    form.close()


def test_both_ends_with_timeouts_everywhere_lose_nothing() -> None:
    """Forty messages each way, every call cut off again and again, both sides closing at once."""
    form = Form("async")
    for seed in range(12):
        form.run(exchange_with_timeouts(Random(seed)))
    form.close()


async def exchange_with_timeouts(chance: Random) -> None:
    ends = [sock_stream(sock) for sock in socket.socketpair()]
    config = WebSocketConfig(ping_interval=chance.choice([None, 0.001]), ping_timeout=PATIENCE)
    agreed = chance.choice([None, DeflateParameters()])
    both = [
        WebSocket(ends[0], WebSocketProtocol.server(deflate=agreed), config),
        WebSocket(ends[1], client(deflate=agreed), config),
    ]
    sent: list[list[bytes]] = [[], []]
    got: list[list[object]] = [[], []]

    def patience() -> float:
        return chance.choice([PATIENCE, 0.001, 0.0001])

    async def send(side: int) -> None:
        for number in range(40):
            sent[side].append(b"%d " % number + bytes(chance.choice([0, 10, 200, 70_000])))
            with suppress(TimeoutError):
                await both[side].send_async(sent[side][-1], timeout=patience())

    async def receive(side: int) -> None:
        while True:
            try:
                got[side].append(await both[side].receive_async(timeout=patience()))
            except TimeoutError:
                pass
            except WebSocketError.ConnectionClosed:
                return

    receiving = [asyncio.create_task(receive(side)) for side in (0, 1)]
    await asyncio.gather(send(0), send(1))
    for side in (0, 1):
        both[side].begin_close(4000 + side)
    await asyncio.gather(*receiving)
    assert got == [sent[1], sent[0]]
    assert [ws.close_code in (4000, 4001) for ws in both] == [True, True]
    assert [ws.is_closed for ws in both] == [True, True]


def sock_stream(sock: socket.socket) -> SocketStream:
    sock.setblocking(False)
    return SocketStream(sock, descriptor_of(sock))


# Calls that cross in threads


def test_a_message_that_another_thread_drops_while_it_is_taken() -> None:
    """`close` drops what nobody has taken, between the look of `receive` and its taking."""

    class Emptied(deque[Any]):
        def __bool__(self) -> bool:
            return True

    with Pair() as pair:
        pair.ws._messages = Emptied()  # noqa: SLF001
        with pytest.raises(WebSocketError.ConnectionClosed):
            pair.ws.receive()
        with pytest.raises(WebSocketError.ConnectionClosed):
            run(pair.ws.receive_flow())


def test_a_ping_that_is_given_up_is_taken_out_under_the_lock() -> None:
    """Meanwhile another thread may receive the answer to it."""
    removed: list[bool] = []

    with Pair() as pair:

        class Pings(deque[Any]):
            def remove(self, value: Any) -> None:
                removed.append(pair.ws._lock.locked())  # noqa: SLF001
                super().remove(value)

        pair.ws._pings = Pings()  # noqa: SLF001
        with pytest.raises(TimeoutError):
            pair.ws.ping(timeout=0.01)
        assert removed == [True]
        assert not pair.ws._pings  # noqa: SLF001


def test_pings_of_a_peer_that_never_answers_and_goes_on_sending_do_not_pile_up() -> None:
    with Pair(WebSocketConfig(ping_interval=1.0)) as pair:
        ws = pair.ws
        for _ in range(20):
            ws._moved -= 3600  # noqa: SLF001 - an hour passes without an octet
            ws._alarm()  # noqa: SLF001
            pair.peer.send("still here")
            assert ws.receive() == "still here"
        assert [pair.peer.event(answers=False)[0] for _ in range(20)] == [Opcode.Ping] * 20
        assert len(ws._pings) == 1  # noqa: SLF001
