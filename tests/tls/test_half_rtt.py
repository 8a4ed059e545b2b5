"""A server that answers early data before the client's Finished: RFC 8446 section 4.4.4, flight by flight."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from netkit.io import BusyError, DeadlineExceeded, run
from netkit.net import UnixStream
from netkit.tls.backend import Capability
from netkit.tls.backends import backend_for, find_backend, names, prepare, why_absent
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.sessions import MemorySessionStore
from netkit.tls.stream import TlsStream
from netkit.tls.versions import TlsVersion
from tests.tls.conformance.ends import HOST, authority, client_config, join, server_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.tls.backend import TlsSession

pytestmark = pytest.mark.once

HERE = [name for name in names() if why_absent(name) is None]
SERVERS = [name for name in HERE if Capability.HalfRtt in find_backend(name).capabilities("server")]

QUESTION = b"question"


class Line:
    """A client by hand and a server's stream, over a pair of sockets: the test says what is sent and when."""

    def __init__(self, backend: str) -> None:
        self.server = server_config(backend, max_early_data=1000, half_rtt=True)
        self.config = client_config(backend, session_store=MemorySessionStore())
        self.ours: list[UnixStream] = []

    def pair(self) -> UnixStream:
        """The server's end of a connection; `far` is the client's."""
        self.far, near = UnixStream.pair()
        self.ours.append(self.far)
        return near

    def flight(self, *early: bytes) -> list[bytes]:
        """The first flight of a client that resumes a session, and one more for each further piece."""
        store, prepared = self.config.session_store, prepare(self.config)
        assert store is not None
        ends = join(self.config, self.server).shake_hands()
        ends.say(b"x", from_server=True)
        ends.client.read(1)
        (session, *_) = ends.client.take_sessions()
        self.client: TlsSession = prepared.session(HOST, session)
        flights = []
        for piece in early:
            assert self.client.write_early_data(memoryview(piece)) == len(piece)
            flights.append(self.client.take_output())
        self.client.handshake()
        flights[-1] += self.client.take_output()
        return flights

    def begun(self) -> TlsStream:
        """The server's stream, when the first flight has come."""
        stream = self.pair()
        self.far.write_all(self.flight(QUESTION)[0])
        return TlsStream.accept(stream, self.server, timeout=5)

    def hear(self) -> bytes:
        """What the client reads of what was sent to it; nothing is sent back."""
        self.client.feed(self.far.read(timeout=5))
        assert self.client.handshake()
        return self.client.read(65536) or b""

    def finish(self, late: bytes = b"") -> None:
        """Send the client's Finished."""
        if late:
            self.client.write(memoryview(late))
        self.far.write_all(self.client.take_output())


@pytest.fixture(params=SERVERS)
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    made = Line(request.param)
    yield made
    for each in made.ours:
        each.close()


def test_the_answer_is_there_before_the_finished(line: Line) -> None:
    with line.begun() as stream:
        assert not stream.is_confirmed
        assert stream.read_early(timeout=5) == QUESTION
        assert (stream.early_data_accepted, stream.resumed) == (True, True)
        assert stream.negotiated_version is TlsVersion.Tls13
        stream.write_all(b"answer", timeout=5)
        assert line.hear() == b"answer"
        assert stream.try_confirm() is stream.is_confirmed is False

        line.finish(b"late")
        stream.confirm(timeout=5)
        assert stream.is_confirmed
        assert stream.read_early(timeout=5) == b""
        assert stream.read_exactly(4, timeout=5) == b"late"
        stream.write_all(b"more", timeout=5)
        assert line.hear() == b"more"


def _read(stream: TlsStream) -> bytes:
    return stream.read_exactly(4, timeout=5)


def _read_into(stream: TlsStream) -> bytes:
    view = memoryview(bytearray(4))
    assert run(stream.read_into_flow(view)) == 4
    return bytes(view)


def _try_take(stream: TlsStream) -> bytes:
    return stream.try_take() or b""


def _try_confirm(stream: TlsStream) -> bytes:
    assert stream.try_confirm()
    return _try_take(stream)


@pytest.mark.parametrize("read", [_read, _read_into, _try_take, _try_confirm])
def test_who_reads_confirms_first(line: Line, read: Callable[[TlsStream], bytes]) -> None:
    """Early data never mixes into what is read; nothing is read that is not confirmed."""
    with line.begun() as stream:
        assert stream.try_take() is None
        stream.write_all(b"answer", timeout=5)
        assert line.hear() == b"answer"
        line.finish(b"late")
        assert read(stream) == b"late"
        assert stream.is_confirmed
        assert stream.early_data == QUESTION


def test_early_data_in_pieces(line: Line) -> None:
    """What comes early after the stream was handed out is early too, until the client has finished."""
    stream = line.pair()
    first, second = line.flight(QUESTION, b"and more")
    line.far.write_all(first)
    with TlsStream.accept(stream, line.server, timeout=5) as tls:
        assert tls.read_early(timeout=5) == QUESTION
        with pytest.raises(DeadlineExceeded):
            tls.read_early(timeout=0.01)
        line.far.write_all(second)
        assert tls.read_early(timeout=5) == b"and more"
        assert not tls.is_confirmed
        line.hear()
        line.finish(b"late")
        assert tls.read_early(timeout=5) == b""
        assert tls.is_confirmed
        assert tls.read_exactly(4, timeout=5) == b"late"


def test_without_it_nothing_is_handed_out(line: Line) -> None:
    stream = line.pair()
    line.server = line.server.replace(half_rtt=False)
    line.far.write_all(line.flight(QUESTION)[0])
    with pytest.raises(DeadlineExceeded):
        TlsStream.accept(stream, line.server, timeout=0.01)


def test_a_client_without_early_data_is_waited_for(line: Line) -> None:
    ends = join(line.config, line.server)
    stream = line.pair()
    line.client = ends.client
    line.client.handshake()
    line.far.write_all(line.client.take_output())
    with pytest.raises(DeadlineExceeded):
        TlsStream.accept(stream, line.server, timeout=0.01)


def test_the_same_flight_again(line: Line) -> None:
    (flight,) = line.flight(QUESTION)
    first, again = line.pair(), line.pair()
    replaying, recorded = line.ours
    recorded.write_all(flight)
    replaying.write_all(flight)
    with TlsStream.accept(first, line.server, timeout=5) as stream:
        assert stream.early_data == QUESTION
        with pytest.raises(DeadlineExceeded):
            TlsStream.accept(again, line.server, timeout=0.01)


def test_a_client_that_never_finishes(line: Line) -> None:
    with line.begun() as stream:
        stream.write_all(b"answer", timeout=5)
        with pytest.raises(DeadlineExceeded, match="the client's Finished"):
            stream.confirm(timeout=0.01)
        line.far.shutdown()
        for call in (stream.confirm, stream.read, stream.read_early, stream.shutdown, stream.try_confirm):
            if call == stream.read_early:
                assert stream.take_early_data() == QUESTION
            with pytest.raises(TlsError, match=r"closed|ended"):
                call()
        assert not stream.is_confirmed
    line.hear()
    try:
        assert line.client.read(100) is None  # no close_notify: nobody takes that end for a good one
    except TlsError.AlertReceived:
        pass  # OpenSSL says why


def test_a_finished_that_is_wrong(line: Line) -> None:
    with line.begun() as stream:
        assert line.hear() == b""
        finished = bytearray(line.client.take_output())
        finished[-1] ^= 1
        line.far.write_all(finished)
        with pytest.raises(TlsError) as caught:
            stream.confirm(timeout=5)
        assert not stream.is_confirmed
        with pytest.raises(type(caught.value)):
            stream.read(timeout=5)
        line.client.feed(line.far.read(timeout=5))
        with pytest.raises(TlsError.AlertReceived) as told:
            line.client.read(100)
        assert told.value.code in (20, 51)  # bad_record_mac, decrypt_error


def test_the_end_waits_for_the_finished(line: Line) -> None:
    """close_notify comes after the tickets, which the client's Finished is needed for."""
    with line.begun() as stream:
        with pytest.raises(DeadlineExceeded):
            stream.shutdown(timeout=0.01)
        stream.write_all(b"answer", timeout=5)
        assert line.hear() == b"answer"
        line.finish()
        stream.shutdown(timeout=5)
        line.client.feed(line.far.read(timeout=5))
        assert line.client.read(100) == b""
        assert line.client.take_sessions()


def test_one_reader(line: Line) -> None:
    with line.begun() as stream:
        flow = stream.confirm_flow()
        next(flow)
        for call in (stream.try_confirm, stream.confirm, stream.read):
            with pytest.raises(BusyError):
                call()
        stream.write_all(b"answer", timeout=5)  # beside it
        assert line.hear() == b"answer"
        line.finish()
        with pytest.raises(StopIteration):
            flow.send(True)
        assert stream.is_confirmed


def test_async(line: Line) -> None:
    async def serve(stream: TlsStream) -> None:
        assert await stream.read_early_async(timeout=5) == QUESTION
        await stream.write_all_async(b"answer", timeout=5)
        with pytest.raises(DeadlineExceeded):
            await stream.confirm_async(timeout=0.01)
        assert line.hear() == b"answer"
        line.finish()
        await stream.confirm_async(timeout=5)
        assert await stream.read_early_async(timeout=5) == b""

    with line.begun() as stream:
        asyncio.run(serve(stream))
        assert stream.is_confirmed


def test_keys_stay_until_it_is_confirmed(line: Line) -> None:
    with line.begun() as stream:
        for call in (stream.update_keys, stream.enable_ktls):
            with pytest.raises(TlsError.CapabilityError):
                call()


def test_settings_that_contradict_it() -> None:
    config = TlsConfig.server().replace(max_early_data=1000)
    with pytest.raises(TlsError.InvalidConfig, match="no early data to answer"):
        config.replace(max_early_data=0, half_rtt=True)
    trusting = config.replace(root_certs=(authority().certificate,), verify_mode=CertVerifyMode.Full)
    for asking in (trusting, trusting.replace(client_auth_optional=True)):
        with pytest.raises(TlsError.InvalidConfig, match="cannot be answered before its Finished") as caught:
            asking.replace(half_rtt=True)
        assert caught.value.setting == "half_rtt"
    with pytest.raises(TlsError.InvalidConfig):
        TlsConfig.client().replace(half_rtt=True)


def test_the_backend_is_one_that_can() -> None:
    config = server_config("ssl", max_early_data=1000, half_rtt=True)
    assert backend_for(config.with_backend(None)).name in SERVERS
    assert "half_rtt" in {refusal.setting for refusal in find_backend("ssl").refusals(config)}
