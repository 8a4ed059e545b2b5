"""Clients that people use, and what they say when a server shows each fault on purpose."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from netkit.dns import parse_zone
from netkit.dns.authority.server import DnsServer
from netkit.io import Event, Flow
from netkit.lab.echo import Echoed, echo_stream
from netkit.lab.faults import Faults, FaultyStream, faulty
from netkit.net import TcpListener
from netkit.serve.connections import in_background, serve
from netkit.tls.config import TlsConfig
from netkit.tls.stream import TlsStream
from tests.conftest import require_peer
from tests.tls.pki import issue

ZONE = """\
$ORIGIN faults.test.
@ 300 IN SOA ns host 1 3600 600 86400 60
@ 300 A 192.0.2.1
"""
HOST = "faults.test"
ISSUED = issue(HOST, sans=(HOST,))
TLS = TlsConfig.server().with_identity(ISSUED.certificate, ISSUED.private_key)


@contextmanager
def echoing(faults: Faults, tls: TlsConfig | None = None) -> Iterator[int]:
    """An echo server that shows `faults`, over TLS if there are settings for it; its port."""
    listener = TcpListener.bind("127.0.0.1:0")
    port = listener.local_addr.port

    def encrypted(stream: Any) -> Flow[None]:
        assert tls is not None
        inner = FaultyStream(stream, faults.session())
        outer = yield from TlsStream.accept_flow(inner, tls)
        yield from echo_stream(outer, counts=Echoed())

    handler = faulty(partial(echo_stream, counts=Echoed()), faults) if tls is None else encrypted

    def serving(stop: Event) -> Flow[object]:
        return serve(listener, handler, stop=stop, drain=0.0)

    with in_background(serving):
        yield port


@contextmanager
def naming(faults: Faults) -> Iterator[int]:
    """A name server that shows `faults`; its port."""
    server = DnsServer.bind("127.0.0.1:0", [parse_zone(ZONE)])
    port = server.local_addr.port
    with in_background(lambda stop: server.serve(stop, drain=0.0, faults=faults)):
        yield port


def ran(*argv: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(argv, input=stdin, capture_output=True, timeout=60, check=False)


class TestDig:
    def dig(self, port: int, *more: str) -> tuple[int, str]:
        done = ran(require_peer("dig"), "@127.0.0.1", "-p", str(port), HOST, "A", "+tries=1", *more)
        return done.returncode, done.stdout.decode()

    def test_an_answer_that_is_late(self) -> None:
        """By the clock outside: dig takes the time when it was told that its query is on its way."""
        with naming(Faults(delay=0.05)) as port:
            for more in ((), ("+tcp",)):
                began = monotonic()
                code, out = self.dig(port, *more)
                assert monotonic() - began >= 0.05
                assert code == 0
                assert "192.0.2.1" in out

    def test_a_dropped_connection_is_a_reset(self) -> None:
        with naming(Faults(drop=1.0)) as port:
            code, out = self.dig(port, "+tcp")
        assert code == 9
        assert "connection reset" in out

    @pytest.mark.slow
    def test_a_dropped_datagram_is_silence(self) -> None:
        with naming(Faults(drop=1.0)) as port:
            code, out = self.dig(port, "+timeout=1")
        assert code == 9
        assert "timed out" in out

    def test_an_answer_cut_off_in_its_middle(self) -> None:
        with naming(Faults(reset_after=20)) as port:
            code, out = self.dig(port, "+tcp")
        assert code == 9
        assert "connection reset" in out or "end of file" in out


class TestEcho:
    def test_ncat_sees_a_reset(self) -> None:
        ncat = require_peer("ncat")
        with echoing(Faults(reset_after=5)) as port:
            done = ran(ncat, "127.0.0.1", str(port), stdin=b"0123456789\n")
        assert done.stdout == b"01234"
        assert b"Connection reset by peer" in done.stderr
        assert done.returncode == 1

    def test_curl_sees_a_reset_before_any_answer(self) -> None:
        curl = require_peer("curl")
        with echoing(Faults(drop=1.0)) as port:
            done = ran(curl, "-sS", "--http0.9", "--noproxy", "*", f"http://127.0.0.1:{port}/")
        assert done.returncode == 56  # CURLE_RECV_ERROR
        assert b"reset" in done.stderr

    def test_socat_gets_late_and_slow_bytes_whole(self, tmp_path: Path) -> None:
        socat = require_peer("socat")
        sent = bytes(range(256)) * 100
        (tmp_path / "sent").write_bytes(sent)
        with echoing(Faults(delay=(0.0, 0.002), throttle=200_000.0, seed=1)) as port:
            done = ran(socat, "-t60", "-", f"TCP:127.0.0.1:{port}", stdin=sent)
        assert done.stdout == sent

    def test_socat_gets_a_damaged_bit(self) -> None:
        socat = require_peer("socat")
        with echoing(Faults(corrupt=1.0, seed=1)) as port:
            done = ran(socat, "-t60", "-", f"TCP:127.0.0.1:{port}", stdin=bytes(100))
        assert sum(byte.bit_count() for byte in done.stdout) == 1


class TestOpenssl:
    def s_client(self, port: int) -> tuple[str, bytes]:
        """What s_client says, and what it received, when it sends a line and waits for its echo."""
        process = subprocess.Popen(
            [require_peer("openssl"), "s_client", "-quiet", "-no_ign_eof", "-connect", f"127.0.0.1:{port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                try:
                    process.stdin.write(b"a line\n")
                    process.stdin.flush()
                except BrokenPipeError:
                    pass  # it has ended before
                line = process.stdout.readline()
                try:
                    process.stdin.close()
                except BrokenPipeError:
                    pass
                said = process.stderr.read().decode()
            finally:
                process.kill()  # also where the test's own time limit ended the reading
        return said, line

    def test_late_is_well(self) -> None:
        with echoing(Faults(delay=0.005), TLS) as port:
            _, line = self.s_client(port)
        assert line == b"a line\n"

    def test_damage_in_the_data_is_a_bad_record(self) -> None:
        """The server's first flight is left whole by a seed that damages a later piece."""
        seed = next(
            seed for seed in range(1000) if _damaged(Faults(corrupt=0.5, seed=seed)) == [False, False, True]
        )
        with echoing(Faults(corrupt=0.5, seed=seed), TLS) as port:
            said, line = self.s_client(port)
        assert line == b""
        assert re.search("bad record mac|wrong version number|packet length|decryption failed", said), said

    def test_a_reset_in_the_handshake(self) -> None:
        with echoing(Faults(reset_after=50), TLS) as port:
            said, line = self.s_client(port)
        assert line == b""
        assert re.search("errno=104|reset|unexpected eof", said), said


def _damaged(faults: Faults) -> list[bool]:
    """Whether the pieces of the first connection are: the flight, the session tickets, the first data."""
    session = faults.session(0)
    return [session.flip(100) is not None for _ in range(3)]
