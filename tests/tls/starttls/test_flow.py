"""The dialogue over a stream, as a flow, blocking and async; then TLS; how the connection may fail."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING

import pytest

from netkit.io import ClosedError, DeadlineExceeded, Flow, run
from netkit.net import TcpStream
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.starttls import (
    PROTOCOLS,
    StartTlsError,
    StartTlsReport,
    starttls,
    starttls_async,
    starttls_flow,
)
from netkit.tls.stream import TlsStream
from tests.proxy.scripted import CUTS, ScriptedStream
from tests.tls.pki import issue
from tests.tls.serving import listening
from tests.tls.starttls.scripts import HOST, SCRIPTS, Script

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENT = "client.example.com"
SMTP = SCRIPTS[0]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_every_script_over_a_stream(script: Script, cut: Callable[[bytes], list[bytes]]) -> None:
    stream = ScriptedStream([piece for said, _ in script.turns for piece in cut(said)], silent=True)
    report = run(starttls_flow(stream, script.protocol, host=HOST, client_name=CLIENT))
    assert report == script.report
    assert bytes(stream.sent) == b"".join(sent for _, sent in script.turns)
    assert len(stream.peek()) == 0


def test_what_waits_on_the_connection_behind_the_go_ahead_is_refused() -> None:
    """Not in the segment of the go-ahead, but there before the ClientHello."""
    pieces = [said for said, _ in SMTP.turns] + [b"250 injected\r\n"]
    with pytest.raises(StartTlsError.DataBeforeTls, match="14 bytes in the clear after the go-ahead"):
        starttls(ScriptedStream(pieces, silent=True), "smtp", host=HOST)


def test_what_the_caller_left_in_the_buffer_is_refused() -> None:
    stream = ScriptedStream([], silent=True)
    stream.put_back(b"".join(said for said, _ in SMTP.turns) + b"\x16")
    with pytest.raises(StartTlsError.DataBeforeTls):
        starttls(stream, PROTOCOLS["smtp"], host=HOST)


def test_wrong_names_send_nothing() -> None:
    stream = ScriptedStream([], silent=True)
    with pytest.raises(StartTlsError.UnknownProtocol):
        starttls(stream, "gopher", host=HOST)
    with pytest.raises(StartTlsError.InvalidName):
        starttls(stream, "xmpp", host="'><x y='")
    assert not stream.sent


def test_the_end() -> None:
    with pytest.raises(StartTlsError.Closed, match="instead of sending its answer to STARTTLS after 2 bytes"):
        starttls(ScriptedStream([SMTP.turns[0][0], SMTP.turns[1][0], b"22"]), "smtp", host=HOST)


def test_silence() -> None:
    with pytest.raises(DeadlineExceeded) as caught:
        starttls(ScriptedStream([], silent=True), "imap", host=HOST, timeout=0)
    assert str(caught.value) == f"timed out while asking {HOST} for TLS in IMAP"
    assert caught.value.stage == "tls"
    assert "993" in str(caught.value.hint)
    with pytest.raises(DeadlineExceeded) as caught:
        starttls(ScriptedStream([b"SSH-2.0-x"], silent=True), "imap", host=HOST, timeout=0)
    assert caught.value.hint == "what it sent looks like SSH"


class Failing(ScriptedStream):
    """Sends nothing: writing raises `error`. What was said before can be read."""

    def __init__(self, said: list[bytes], error: OSError) -> None:
        super().__init__(said, silent=True)
        self._error = error

    def _send(self, data: memoryview) -> Flow[int]:
        raise self._error
        yield


def test_a_connection_that_fails() -> None:
    with pytest.raises(TlsError.IoError) as caught:
        starttls(Failing([], ConnectionResetError(104, "reset")), "ldap", host=HOST)
    assert (caught.value.kind, caught.value.stage) == ("Reset", "connect")
    assert "before TLS: reset" in str(caught.value)
    with pytest.raises(ClosedError):
        starttls(Failing([], ClosedError()), "ldap", host=HOST)


def test_the_reason_is_read_before_the_reset_is_reported() -> None:
    """A server that refuses a client says why and hangs up, while the client still writes."""
    error = BrokenPipeError(32, "broken pipe")
    with pytest.raises(StartTlsError.Declined, match="Too many connections"):
        starttls(
            Failing([b"220 hi\r\n", b"421 Too many connections\r\n"], error),
            "smtp",
            host=HOST,
        )
    with pytest.raises(StartTlsError.SpeaksTls):
        starttls(Failing([b"\x15\x03\x01\0\x02\x02\x46"], error), "postgres", host=HOST)


def speaking(script: Script, config: TlsConfig) -> Callable[[TcpStream], None]:
    """Serve the script, then TLS, and send back what comes."""

    def serve(stream: TcpStream) -> None:
        for said, expected in script.turns:
            if said:
                stream.write_all(said, timeout=5)
            assert stream.read_exactly(len(expected), timeout=5) == expected
        with TlsStream.accept(stream, config, timeout=5) as tls:
            tls.write_all(tls.read(timeout=5), timeout=5)

    return serve


@cache
def settings() -> tuple[TlsConfig, TlsConfig]:
    """The client's and the server's."""
    root = issue("Root", ca=True)
    leaf = issue(HOST, root, sans=(HOST,))
    return (
        TlsConfig.client().with_root_certs([root.certificate]),
        TlsConfig.server().with_identity(leaf.certificate, leaf.private_key),
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_blocking_and_async_and_then_tls(protocol: str) -> None:
    script = next(script for script in SCRIPTS if script.protocol == protocol)
    client, server = settings()

    def blocking(port: int) -> StartTlsReport:
        with TcpStream.connect(("127.0.0.1", port), timeout=5) as tcp:
            report = starttls(tcp, protocol, host=HOST, client_name=CLIENT, timeout=5)
            with TlsStream.connect(tcp, HOST, client, timeout=5) as tls:
                tls.write_all(b"hello", timeout=5)
                assert tls.read_exactly(5, timeout=5) == b"hello"
        return report

    async def awaited(port: int) -> StartTlsReport:
        async with await TcpStream.connect_async(("127.0.0.1", port), timeout=5) as tcp:
            report = await starttls_async(tcp, protocol, host=HOST, client_name=CLIENT, timeout=5)
            async with await TlsStream.connect_async(tcp, HOST, client, timeout=5) as tls:
                await tls.write_all_async(b"hello", timeout=5)
                assert await tls.read_exactly_async(5, timeout=5) == b"hello"
        return report

    with listening(speaking(script, server)) as port:
        assert blocking(port) == script.report
        assert asyncio.run(awaited(port)) == script.report
