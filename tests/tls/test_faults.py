"""Faults below TLS: what a TLS client sees where the ciphertext is late, damaged or cut off."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from netkit.io import ByteStream, Flow, Outcome, all_of, run
from netkit.lab.faults import Faults, FaultyStream
from netkit.net import TcpListener, TcpStream
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.stream import TlsStream
from tests.io.conftest import Drive, drive
from tests.tls.pki import issue

__all__ = ["drive"]

HOST = "faults.test"
ISSUED = issue(HOST, sans=(HOST,))
SERVER = TlsConfig.server().with_identity(ISSUED.certificate, ISSUED.private_key)
CLIENT = TlsConfig.client().with_verify_mode(CertVerifyMode.None_)

Drives = Callable[..., Any]


def _blocking(flow: Flow[Any], timeout: float) -> Any:
    return run(flow, deadline=monotonic() + timeout)


def talk(faults: Faults, drive: Drives = _blocking, size: int = 50_000) -> list[Outcome[Any]]:
    """A handshake, `size` bytes there and back, both ends; what became of the client and of the server."""
    with TcpListener.bind("127.0.0.1:0") as listener:
        ours = TcpStream.connect(listener.local_addr, timeout=5)
        theirs, _ = listener.accept(timeout=5)

    def server() -> Flow[None]:
        inner: ByteStream = FaultyStream(theirs, faults.session(0))
        stream = yield from TlsStream.accept_flow(inner, SERVER)
        with stream:
            while data := (yield from stream.read_flow()):
                yield from stream.write_all_flow(data)
            yield from stream.finish()

    def client() -> Flow[bytes]:
        stream = yield from TlsStream.connect_flow(ours, HOST, CLIENT)
        with stream:
            yield from stream.write_all_flow(bytes(size))
            data = yield from stream.read_exactly_flow(size)
            yield from stream.finish()
            rest = yield from stream.read_flow()
            return data + rest

    flows: list[Flow[Any]] = [client(), server()]
    outcomes: list[Outcome[Any]] = drive(all_of(flows, return_errors=True), timeout=30)
    return outcomes


def test_late_and_slow_is_whole_all_the_same(drive: Drive) -> None:
    faults = Faults(delay=(0.0, 0.002), throttle=2_000_000.0, seed=1)
    client, server = talk(faults, drive)
    assert server.error is None
    assert client.unwrap() == bytes(50_000)
    assert faults.injected.delayed >= 3


@pytest.mark.parametrize("seed", range(5))
def test_damage_is_noticed(seed: int) -> None:
    faults = Faults(corrupt=1.0, seed=seed)
    client, _ = talk(faults)
    assert isinstance(client.error, TlsError)
    assert faults.injected.corrupted >= 1


def test_a_handshake_that_is_reset(drive: Drive) -> None:
    for faults in (Faults(drop=1.0), Faults(reset_after=100)):
        client, server = talk(faults, drive)
        assert isinstance(client.error, TlsError.IoError)
        assert "reset" in str(client.error)
        assert server.error is not None


def test_a_connection_that_is_reset_in_the_middle_of_its_data(drive: Drive) -> None:
    faults = Faults(reset_after=20_000)
    client, _ = talk(faults, drive)
    assert isinstance(client.error, ConnectionResetError)
    assert faults.injected.reset == 1
