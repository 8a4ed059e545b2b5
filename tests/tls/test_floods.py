"""Floods of messages that bring no data: how much is worked through at once, and when it is enough."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from netkit.io import PAUSE, ByteStream, Event, LimitExceeded, run
from netkit.tls import TlsError, TlsStream, TlsVersion
from netkit.tls.backends import why_absent
from netkit.tls.connection.intake import BARREN_LIMIT, FILL_SIZE, HANDSHAKE_LIMIT, STEP_SIZE, TURN_SIZE
from netkit.tls.kernel.structures import APPLICATION_DATA, HANDSHAKE, crypto_info
from tests.tls.conformance.ends import HOST, client_config, server_config
from tests.tls.direction import Direction, settings
from tests.tls.each_backend import OWN
from tests.tls.memory import new_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.io import Flow
    from netkit.tls.backend import TlsSession

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(why_absent("rustls") is not None, reason="the peer is rustls"),
]

#: A NewSessionTicket (RFC 8446 section 4.6.1) of two hours, with eight octets.
_BODY = struct.pack(">IIBxH", 7200, 1, 1, 8) + b"a ticket" + b"\0\0"
TICKET = b"\x04" + len(_BODY).to_bytes(3, "big") + _BODY


class Peer(ByteStream):
    """The stream below TLS: at its other end is a session in memory. It takes whatever is sent."""

    def __init__(self, session: TlsSession) -> None:
        super().__init__()
        self._session = session
        self.coming = bytearray()

    @property
    def is_closed(self) -> bool:
        return False

    @property
    def gone(self) -> Event:
        return Event()

    def close(self) -> None:
        pass

    def try_send(self, data: bytes | memoryview) -> int:
        if not self.coming:
            self._session.feed(data)
            self._session.handshake()
            self.coming += self._session.take_output()
        return len(data)

    def _receive(self) -> Flow[None]:
        assert self.coming, "it waits for more"
        self._buffer.put(bytes(self.coming[:65536]))
        del self.coming[:65536]
        return
        yield


class Flooded:
    """A client's stream, and its peer."""

    def __init__(self, backend: str, version: TlsVersion, kind: type[Peer] = Peer) -> None:
        self._version = version
        one = settings(version, "AES-128-GCM")
        self.session = new_session(server_config("rustls", **one), None)
        self.peer = kind(self.session)
        config = client_config(backend, min_version=version, max_version=version)
        self.stream = run(TlsStream.connect_flow(self.peer, HOST, config))
        self.peer.coming += self.session.take_output()

    def direction(self) -> Direction:
        while self.session.read(100):
            pass
        transmit = self.session.extract_secrets().transmit
        return Direction(crypto_info(self._version, transmit, transmit=True))

    def turns(self, flow: Flow[object]) -> list[int]:
        """How much ciphertext each turn of `flow` gave the session; raises what ends it, with them noted."""
        fed = [0]
        feed = self.stream.session.feed

        def counting(data: bytes | memoryview) -> None:
            fed[-1] += len(data)
            feed(data)

        self.stream.session.feed = counting  # type: ignore[method-assign]
        try:
            while True:
                assert flow.send(None) is PAUSE
                fed.append(0)
        except StopIteration:
            return fed
        except Exception as error:
            error.add_note(str(fed))
            self.fed = fed
            raise


def key_updates(flooded: Flooded) -> bytes:
    made = bytearray()
    while len(made) < 2 * BARREN_LIMIT:
        flooded.session.update_keys()
        made += flooded.session.take_output()
    return bytes(made)


def tickets(flooded: Flooded) -> bytes:
    direction = flooded.direction()
    return b"".join(direction.encrypt(HANDSHAKE, TICKET) for _ in range(2 * BARREN_LIMIT // 50))


def hello_requests(flooded: Flooded) -> bytes:
    direction = flooded.direction()
    return b"".join(direction.encrypt(HANDSHAKE, bytes(4)) for _ in range(2 * BARREN_LIMIT // 33))


FLOODS = [
    (TlsVersion.Tls13, key_updates),
    (TlsVersion.Tls13, tickets),
    (TlsVersion.Tls12, hello_requests),
]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(("version", "flood"), FLOODS)
@pytest.mark.parametrize("backend", OWN)
def test_a_flood_without_data_ends_soon_and_in_short_turns(
    backend: str, version: TlsVersion, flood: Callable[[Flooded], bytes], *, large: bool
) -> None:
    flooded = Flooded(backend, version)
    flooded.peer.coming += flood(flooded)
    stream = flooded.stream
    flow: Flow[object] = stream.read_into_flow(memoryview(bytearray(1 << 20))) if large else stream.fill()
    with pytest.raises((LimitExceeded, TlsError.HandshakeFailed)) as caught:
        flooded.turns(flow)
    # rustls refuses these two by itself: the 33rd of one kind.
    refuses = backend == "rustls" and flood is not tickets
    assert isinstance(caught.value, TlsError.HandshakeFailed if refuses else LimitExceeded)
    assert max(flooded.fed) <= STEP_SIZE
    assert sum(flooded.fed) <= BARREN_LIMIT + 2 * FILL_SIZE
    with pytest.raises(type(caught.value)):
        run(stream.fill())


@pytest.mark.parametrize("backend", OWN)
def test_a_step_that_never_waits_ends_too(backend: str) -> None:
    flooded = Flooded(backend, TlsVersion.Tls13)
    flooded.peer.coming += tickets(flooded)
    with pytest.raises(LimitExceeded, match="without any data"):
        flooded.stream.try_fill()


@pytest.mark.parametrize("backend", OWN)
def test_records_of_one_octet_are_read_in_turns(backend: str) -> None:
    flooded = Flooded(backend, TlsVersion.Tls13)
    direction = flooded.direction()
    count = 2 * TURN_SIZE // 23
    flooded.peer.coming += b"".join(direction.encrypt(APPLICATION_DATA, b"x") for _ in range(count))
    fed = flooded.turns(flooded.stream.fill(count))
    assert len(fed) >= 2
    assert max(fed) <= TURN_SIZE + FILL_SIZE
    assert flooded.stream.read(count) == b"x" * count


@pytest.mark.parametrize("backend", OWN)
def test_a_hundred_tickets_in_between_are_no_flood(backend: str) -> None:
    flooded = Flooded(backend, TlsVersion.Tls13)
    direction = flooded.direction()
    for _ in range(4):
        flooded.peer.coming += b"".join(direction.encrypt(HANDSHAKE, TICKET) for _ in range(1000))
        flooded.peer.coming += b"".join(direction.encrypt(APPLICATION_DATA, b"data") for _ in range(3))
    assert run(flooded.stream.read_exactly_flow(48)) == b"data" * 12


class Requesting(Peer):
    """A server that asks for a handshake without end, before it has one (RFC 5246 section 7.4.1.1)."""

    def try_send(self, data: bytes | memoryview) -> int:
        return len(data)

    def _receive(self) -> Flow[None]:
        self._buffer.put(b"\x16\x03\x03\x00\x04\x00\x00\x00\x00" * 7281)
        return
        yield


@pytest.mark.parametrize("backend", OWN)
def test_a_handshake_without_end_is_given_up(backend: str) -> None:
    below = Requesting(new_session(server_config("rustls"), None))
    with pytest.raises((LimitExceeded, TlsError.HandshakeFailed)) as caught:
        run(TlsStream.connect_flow(below, HOST, client_config(backend)))
    if backend != "rustls":  # which knows that no server of its time asks
        assert isinstance(caught.value, LimitExceeded)
        assert caught.value.limit == HANDSHAKE_LIMIT


# -- much data at once


class Generous(Peer):
    """One whose octets come all at once."""

    def _receive(self) -> Flow[None]:
        assert self.coming, "it waits for more"
        self._buffer.put(bytes(self.coming))
        self.coming.clear()
        return
        yield


DATA = bytes(range(251)) * 16_710  # four MiB


def sent(flooded: Flooded) -> bytearray:
    """What the peer sends with DATA in it, in records of 16 KiB."""
    made = bytearray()
    rest = memoryview(DATA)
    while rest:
        rest = rest[flooded.session.write(rest) :]
        made += flooded.session.take_output()
    return made


def read_into(stream: TlsStream, sizes: list[int], found: bytearray) -> None:
    """Read to the end with buffers of 1 MiB; `sizes` are those of the reads, and `found` what they gave."""
    view = memoryview(bytearray(1 << 20))
    while len(found) < len(DATA):
        sizes.append(run(stream.read_into_flow(view)))
        found += view[: sizes[-1]]


@pytest.mark.parametrize("backend", OWN)
def test_a_large_read_is_one_call_of_many_steps(backend: str) -> None:
    flooded = Flooded(backend, TlsVersion.Tls13, Generous)
    flooded.peer.coming += sent(flooded)
    fed: list[int] = []
    feed = flooded.stream.session.feed

    def counting(data: bytes | memoryview) -> None:
        fed.append(len(data))
        feed(data)

    flooded.stream.session.feed = counting  # type: ignore[method-assign]
    sizes: list[int] = []
    found = bytearray()
    read_into(flooded.stream, sizes, found)
    assert found == DATA
    assert max(sizes) > 4 * STEP_SIZE
    assert max(fed) <= STEP_SIZE


@pytest.mark.parametrize("backend", OWN)
def test_what_came_before_a_damaged_record_is_read_before_the_error(backend: str) -> None:
    flooded = Flooded(backend, TlsVersion.Tls13, Generous)
    flooded.peer.coming += sent(flooded)
    flooded.peer.coming[2_500_000] ^= 1
    found = bytearray()
    with pytest.raises(TlsError):
        read_into(flooded.stream, [], found)
    assert 2_400_000 < len(found) < 2_500_000
    assert DATA.startswith(found)
    with pytest.raises(TlsError):
        flooded.stream.read()


@pytest.mark.parametrize("backend", OWN)
def test_small_reads_go_on_in_what_a_large_one_received(backend: str) -> None:
    flooded = Flooded(backend, TlsVersion.Tls13, Generous)
    flooded.peer.coming += sent(flooded)
    stream = flooded.stream
    found = bytearray()
    view = memoryview(bytearray(600_000))
    for _ in range(3):
        found += view[: run(stream.read_into_flow(view))]
    found += stream.read_exactly(100_000)
    while stream.try_fill():
        found += stream.try_take() or b""
        if len(found) == len(DATA):
            break
    assert found == DATA


def test_the_attributes_of_streams_share_their_keys() -> None:
    """From the 30th on each stream has a dictionary with keys of its own, of 2 KiB."""
    assert len(vars(Flooded("ssl", TlsVersion.Tls13).stream)) < 30
