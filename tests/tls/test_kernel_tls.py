"""kTLS: structures, keys, refusals, and a stream over a socket that encrypts as the kernel would."""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.exceptions import InvalidTag

from netkit.io import deadline_after, run
from netkit.net import TcpListener, TcpStream
from netkit.tls import TlsError, TlsStream, TlsVersion
from netkit.tls.backend import KernelSecret
from netkit.tls.backends import why_absent
from netkit.tls.kernel import link
from netkit.tls.kernel.structures import (
    ALERT,
    APPLICATION_DATA,
    HANDSHAKE,
    SOL_TLS,
    TCP_ULP,
    TLS_GET_RECORD_TYPE,
    TLS_RX,
    TLS_SET_RECORD_TYPE,
    TLS_TX,
    cipher_of,
    crypto_info,
    is_the_end,
)
from tests.tls.conformance.ends import HOST, Ends, client_config, server_config
from tests.tls.direction import CIPHERS, Direction, settings
from tests.tls.memory import new_session

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_rustls = pytest.mark.skipif(why_absent("rustls") is not None, reason=str(why_absent("rustls")))

VERSIONS = (TlsVersion.Tls12, TlsVersion.Tls13)
each_suite = pytest.mark.parametrize("cipher", CIPHERS)
each_version = pytest.mark.parametrize("version", VERSIONS)


def connected(version: TlsVersion, cipher: str) -> Ends:
    """Both ends after the handshake, with nothing left of it."""
    wanted = settings(version, cipher)
    client = new_session(client_config("rustls", **wanted), HOST)
    made = Ends(client, new_session(server_config("rustls", **wanted), None)).shake_hands()
    assert made.good
    assert made.client.read(100) is None
    assert made.server.read(100) is None
    made.move()
    return made


# The structures of linux/tls.h.


@each_version
@each_suite
def test_the_structure_has_each_part_at_its_offset(cipher: str, version: TlsVersion) -> None:
    number, key_at, key_size, salt_size = {
        "AES-128-GCM": (51, 12, 16, 4),
        "AES-256-GCM": (52, 12, 32, 4),
        "CHACHA20-POLY1305": (54, 16, 32, 0),
    }[cipher]
    secret = KernelSecret(cipher, 0x0102030405060708, bytes(range(100, 100 + key_size)), bytes(range(12)))
    info = crypto_info(version, secret, transmit=False)
    assert struct.unpack_from("=HH", info) == (int(version), number)
    assert info[4:key_at] == secret.iv[salt_size:]
    assert info[key_at : key_at + key_size] == secret.key
    assert info[key_at + key_size : -8] == secret.iv[:salt_size]
    assert info[-8:] == bytes(range(1, 9))
    assert len(info) == {"AES-128-GCM": 40, "AES-256-GCM": 56, "CHACHA20-POLY1305": 56}[cipher]
    sending = crypto_info(version, secret, transmit=True)
    moved = version is TlsVersion.Tls12 and salt_size
    assert sending == (info[:4] + bytes((info[4] ^ 0x80,)) + info[5:] if moved else info)


def test_what_the_kernel_does_not_have_is_refused() -> None:
    with pytest.raises(TlsError.CapabilityError, match="AES-128-CCM"):
        crypto_info(TlsVersion.Tls13, KernelSecret("AES-128-CCM", 0, bytes(16), bytes(12)), transmit=True)
    with pytest.raises(TlsError.CapabilityError, match="AES-128-GCM"):
        crypto_info(TlsVersion.Tls11, KernelSecret("AES-128-GCM", 0, bytes(16), bytes(12)), transmit=True)
    with pytest.raises(ValueError, match="octets"):
        crypto_info(TlsVersion.Tls13, KernelSecret("AES-128-GCM", 0, bytes(32), bytes(12)), transmit=True)


def test_suites_have_the_kernel_s_ciphers() -> None:
    for cipher, suites in CIPHERS.items():
        assert [cipher_of(suite) for suite in suites] == [cipher, cipher]
    assert cipher_of("ECDHE-RSA-AES128-SHA") is None
    assert cipher_of("TLS_AES_128_CCM_SHA256") is None


# The keys are right: they decrypt what the peer says next, and the peer decrypts what they encrypt.


@needs_rustls
@each_version
@each_suite
@pytest.mark.parametrize("is_server", [False, True])
def test_the_keys_go_on_where_the_session_was(cipher: str, version: TlsVersion, *, is_server: bool) -> None:
    made = connected(version, cipher)
    assert made.say(b"a record before") == b"a record before"
    assert made.say(b"and back", from_server=True) == b"and back"
    one, peer = (made.server, made.client) if is_server else (made.client, made.server)
    peer.write(memoryview(b"unread when the keys are given"))
    record = peer.take_output()
    one.feed(record[:-1])
    assert one.read(100) is None
    assert one.pending_input == len(record) - 1
    secrets = one.extract_secrets()
    assert secrets.unread == record[:-1]
    assert (secrets.version, secrets.transmit.suite, secrets.receive.suite) == (version, cipher, cipher)

    receive = Direction(crypto_info(version, secrets.receive, transmit=False))
    assert receive.decrypt(record) == (APPLICATION_DATA, b"unread when the keys are given")
    peer.write(memoryview(b"the next"))
    assert receive.decrypt(peer.take_output()) == (APPLICATION_DATA, b"the next")

    transmit = Direction(crypto_info(version, secrets.transmit, transmit=True))
    for text in (b"by the kernel", b"once more"):
        peer.feed(transmit.encrypt(APPLICATION_DATA, text))
        assert peer.read(100) == text
    peer.feed(transmit.encrypt(ALERT, b"\x01\x00"))
    assert peer.read(100) == b""
    with pytest.raises(InvalidTag):
        receive.decrypt(record)


@needs_rustls
def test_no_nonce_comes_twice_in_tls_1_2() -> None:
    made = connected(TlsVersion.Tls12, "AES-128-GCM")
    nonces = []
    for _ in range(20):
        made.client.write(memoryview(b"x"))
        nonces.append(made.client.take_output()[5:13])
    secrets = made.client.extract_secrets()
    # rustls: what it began with, and the number of the record added by XOR. The handshake had the record 0.
    start = int.from_bytes(secrets.transmit.iv[4:], "big")
    assert [int.from_bytes(nonce, "big") ^ start for nonce in nonces] == list(range(1, 21))
    transmit = Direction(crypto_info(TlsVersion.Tls12, secrets.transmit, transmit=True))
    after = {transmit.encrypt(APPLICATION_DATA, b"x")[5:13] for _ in range(1000)}
    assert len(after) == 1000
    assert after.isdisjoint({*nonces, secrets.transmit.iv[4:]})


@needs_rustls
def test_a_session_with_something_left_keeps_its_keys() -> None:
    made = connected(TlsVersion.Tls13, "AES-128-GCM")
    made.server.write(memoryview(b"to be read first"))
    made.client.feed(made.server.take_output())
    with pytest.raises(TlsError.CapabilityError, match="plaintext"):
        made.client.extract_secrets()
    assert made.client.read(100) == b"to be read first"
    made.client.write(memoryview(b"to be sent first"))
    with pytest.raises(TlsError.CapabilityError, match="ciphertext"):
        made.client.extract_secrets()
    made.move()
    assert made.server.read(100) == b"to be sent first"
    with pytest.raises(TlsError.CapabilityError, match="no connection"):
        new_session(client_config("rustls"), HOST).extract_secrets()


# What records say.


def test_records_that_are_no_data() -> None:
    ticket, update = b"\x04\x00\x00\x02ab", b"\x18\x00\x00\x01\x00"
    new, old = TlsVersion.Tls13, TlsVersion.Tls12
    assert is_the_end(ALERT, b"\x01\x00", new)
    assert is_the_end(ALERT, b"\x02\x00", old)
    assert not is_the_end(ALERT, b"\x01\x5a", new)
    assert not is_the_end(ALERT, b"\x01\x64", old)
    assert not is_the_end(HANDSHAKE, ticket + ticket, new)
    assert not is_the_end(HANDSHAKE, b"\x00\x00\x00\x00", old)
    with pytest.raises(TlsError.AlertReceived, match="bad_record_mac"):
        is_the_end(ALERT, b"\x02\x14", new)
    with pytest.raises(TlsError.HandshakeFailed, match="changed its keys"):
        is_the_end(HANDSHAKE, ticket + update, new)
    for kind, data, version in (
        (HANDSHAKE, ticket[:-1], new),
        (HANDSHAKE, b"\x04", new),
        (HANDSHAKE, ticket, old),
        (HANDSHAKE, update, old),
        (20, b"\x01", new),
        (ALERT, b"\x01", new),
    ):
        with pytest.raises(TlsError.HandshakeFailed, match="the kernel has received"):
            is_the_end(kind, data, version)


# A stream.


class KernelSocket(socket.socket):
    """A socket that encrypts as the kernel does, by the structures that it is given."""

    refused: int | None = None  # an option of SOL_TLS that fails
    _has_ulp = False
    _sends: Direction | None = None
    _receives: Direction | None = None
    _came = b""

    def setsockopt(self, level: int, option: int, value: Any, *rest: Any) -> None:
        if (level, option) == (socket.IPPROTO_TCP, TCP_ULP):
            assert value == b"tls"
            self._has_ulp = True
        elif level == SOL_TLS:
            if not self._has_ulp:
                raise OSError(errno.ENOPROTOOPT, "no tls here")
            if option == self.refused:
                raise OSError(errno.EINVAL, "Invalid argument")
            if option == TLS_TX:
                self._sends = Direction(value)
            else:
                assert option == TLS_RX
                self._receives = Direction(value)
        else:
            super().setsockopt(level, option, value, *rest)

    def send(self, data: Any, flags: int = 0) -> int:
        if self._sends is None:
            return super().send(data, flags)
        piece = bytes(data[:16_384])
        sealed = self._sends.encrypt(APPLICATION_DATA, piece)
        assert super().send(sealed, flags) == len(sealed)
        return len(piece)

    def sendmsg(self, buffers: Any, ancdata: Any = (), flags: int = 0, *_: Any) -> int:
        assert self._sends is not None
        ((level, kind, (record,)),) = ancdata
        assert (level, kind) == (SOL_TLS, TLS_SET_RECORD_TYPE)
        data = b"".join(buffers)
        super().send(self._sends.encrypt(record, data), flags)
        return len(data)

    def _missing(self) -> int:
        if len(self._came) < 5:
            return 5 - len(self._came)
        return 5 + int.from_bytes(self._came[3:5], "big") - len(self._came)

    def recvmsg(self, size: int, room: int = 0, flags: int = 0) -> Any:
        assert self._receives is not None
        assert room >= socket.CMSG_SPACE(1)
        # No more than this record is taken, so that the socket is readable while there is another.
        while (missing := self._missing()) > 0:
            more = super().recv(missing, flags)
            if not more:
                return b"", [], 0, None
            self._came += more
        record, self._came = self._came, b""
        try:
            kind, data = self._receives.decrypt(record)
        except InvalidTag:
            raise OSError(errno.EBADMSG, "Bad message") from None
        assert len(data) <= size
        return data, [(SOL_TLS, TLS_GET_RECORD_TYPE, bytes((kind,)))], 0, None


class Pair:
    """A stream over such a socket, and its peer: a stream of the same library as usual."""

    def __init__(self, version: TlsVersion, *, is_server: bool = False, cipher: str = "AES-128-GCM") -> None:
        wanted = settings(version, cipher)
        client, server = client_config("rustls", **wanted), server_config("rustls", **wanted)
        with TcpListener.bind("127.0.0.1:0") as listener:
            sock = KernelSocket()
            sock.connect(listener.local_addr.to_sockaddr())
            sock.setblocking(False)
            below, _ = listener.accept()
        self.sock = sock
        accepted: list[TlsStream] = []
        own, other = TcpStream(sock), below
        one, two = (other, own) if is_server else (own, other)
        thread = threading.Thread(target=lambda: accepted.append(TlsStream.accept(two, server, timeout=30)))
        thread.start()
        connected = TlsStream.connect(one, HOST, client, timeout=30)
        thread.join()
        self.stream, self.peer = (accepted[0], connected) if is_server else (connected, accepted[0])

    def close(self) -> None:
        self.stream.close()
        self.peer.close()


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel is one that can."""
    monkeypatch.setattr(link, "why_not", lambda _version, _cipher: None)


@pytest.fixture(params=VERSIONS)
def pair(request: pytest.FixtureRequest, able: None) -> Iterator[Pair]:
    made = Pair(request.param)
    yield made
    made.close()


@pytest.fixture
def new_pair(able: None) -> Iterator[Pair]:
    made = Pair(TlsVersion.Tls13)
    yield made
    made.close()


@needs_rustls
@each_version
@pytest.mark.parametrize("is_server", [False, True])
@pytest.mark.usefixtures("able")
def test_a_stream_goes_on_through_the_kernel(version: TlsVersion, *, is_server: bool) -> None:
    pair = Pair(version, is_server=is_server, cipher="CHACHA20-POLY1305")
    stream, peer = pair.stream, pair.peer
    known = (stream.negotiated_version, stream.cipher, stream.peer_chain, stream.server_name, stream.group)
    peer.write_all(b"before")
    assert stream.kernel_tls is None
    stream.enable_ktls()
    assert stream.kernel_tls == "tx+rx"
    stream.enable_ktls()
    assert stream.read(timeout=10) == b"before"
    text = os.urandom(100_000)
    for one, two in ((stream, peer), (peer, stream)):
        one.write_all(text, timeout=10)
        assert two.read_exactly(len(text), timeout=10) == text
    after = (stream.negotiated_version, stream.cipher, stream.peer_chain, stream.server_name, stream.group)
    assert known == after
    peer.shutdown(timeout=10)
    assert stream.read(timeout=10) == b""
    stream.shutdown(timeout=10)
    assert peer.read(timeout=10) == b""
    pair.close()


@needs_rustls
def test_large_reads_go_through_the_kernel(pair: Pair) -> None:
    pair.stream.enable_ktls()
    text = os.urandom(300_000)
    writer = threading.Thread(target=lambda: pair.peer.write_all(text, timeout=20))
    writer.start()
    room, done = bytearray(len(text)), 0
    while done < len(text):
        done += run(pair.stream.read_into_flow(memoryview(room)[done:]), deadline=deadline_after(20))
    writer.join()
    assert room == text


@needs_rustls
def test_what_was_read_before_comes_first(pair: Pair) -> None:
    pair.peer.write_all(b"one two")
    assert pair.stream.read_exactly(3, timeout=10) == b"one"
    pair.stream.enable_ktls()
    pair.peer.write_all(b" three")
    assert pair.stream.read_exactly(10, timeout=10) == b" two three"


@needs_rustls
def test_closing_says_so(pair: Pair) -> None:
    pair.stream.enable_ktls()
    pair.stream.close()
    assert pair.peer.read(timeout=10) == b""


@needs_rustls
def test_an_end_without_close_notify_is_told(pair: Pair) -> None:
    pair.stream.enable_ktls()
    pair.peer.write_all(b"and")
    pair.peer.get_ref().close()
    assert pair.stream.read(timeout=10) == b"and"
    for _ in range(2):
        with pytest.raises(TlsError.Truncated):
            pair.stream.read(timeout=10)


@needs_rustls
def test_new_keys_of_the_peer_end_the_reading(new_pair: Pair) -> None:
    new_pair.stream.enable_ktls()
    new_pair.peer.write_all(b"old keys")
    new_pair.peer.update_keys()
    assert new_pair.stream.read(timeout=10) == b"old keys"
    with pytest.raises(TlsError.HandshakeFailed, match="changed its keys"):
        new_pair.stream.read(timeout=10)
    with pytest.raises(TlsError.CapabilityError, match="update_keys"):
        new_pair.stream.update_keys()


@needs_rustls
def test_a_record_that_does_not_decrypt_ends_the_reading(pair: Pair) -> None:
    pair.stream.enable_ktls()
    below = pair.peer.get_ref()
    assert isinstance(below, TcpStream)
    below.write_all(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(TlsError.HandshakeFailed, match="does not decrypt"):
        pair.stream.read(timeout=10)


@needs_rustls
def test_a_kernel_that_refuses_the_keys_leaves_no_half_of_a_stream(pair: Pair) -> None:
    pair.sock.refused = TLS_RX
    with pytest.raises(TlsError.IoError, match="refused the keys"):
        pair.stream.enable_ktls()
    assert pair.stream.is_closed
    with pytest.raises((TlsError.Truncated, ConnectionResetError)):
        pair.peer.read(timeout=10)


# Refusals, after which the stream goes on.


def _goes_on(one: TlsStream, other: TlsStream) -> None:
    assert one.kernel_tls is None
    one.write_all(b"it goes on")
    assert other.read(timeout=10) == b"it goes on"
    other.write_all(b"both ways")
    assert one.read(timeout=10) == b"both ways"


@needs_rustls
def test_this_kernel_says_why_it_cannot() -> None:
    reason = link.why_not(TlsVersion.Tls13, "AES-128-GCM")
    if reason is None:
        pytest.skip("this kernel has the protocol")
    pair = Pair(TlsVersion.Tls13)
    with pytest.raises(TlsError.CapabilityError) as caught:
        pair.stream.enable_ktls()
    assert caught.value.setting == "enable_ktls"
    assert caught.value.reason == reason
    if os.path.exists("/proc/sys/net/ipv4/tcp_available_ulp"):
        assert "no protocol tls over TCP" in reason
    _goes_on(pair.stream, pair.peer)
    pair.close()


@needs_rustls
def test_a_record_in_part_is_waited_for(new_pair: Pair) -> None:
    stream, peer = new_pair.stream, new_pair.peer
    peer.session.write(memoryview(b"in two parts"))
    record = peer.session.take_output()
    below = peer.get_ref()
    assert isinstance(below, TcpStream)
    below.write_all(record[:10])
    with pytest.raises(TimeoutError):
        stream.read(timeout=0.1)
    with pytest.raises(TlsError.CapabilityError, match="in part"):
        stream.enable_ktls()
    below.write_all(record[10:])
    assert stream.read(timeout=10) == b"in two parts"
    stream.enable_ktls()
    peer.write_all(b"now it can")
    assert stream.read(timeout=10) == b"now it can"


@needs_rustls
def test_a_stream_that_has_ended_stays_where_it_is(new_pair: Pair) -> None:
    new_pair.peer.shutdown(timeout=10)
    assert new_pair.stream.read(timeout=10) == b""
    with pytest.raises(TlsError.CapabilityError, match="sends nothing any more"):
        new_pair.stream.enable_ktls()


@needs_rustls
def test_a_stream_that_has_finished_stays_where_it_is(new_pair: Pair) -> None:
    new_pair.stream.shutdown(timeout=10)
    with pytest.raises(TlsError.CapabilityError, match="written"):
        new_pair.stream.enable_ktls()


def test_other_backends_say_that_they_have_no_keys() -> None:
    with TcpListener.bind("127.0.0.1:0") as listener:
        below = TcpStream.connect(listener.local_addr)
        above, _ = listener.accept()
    accepted: list[TlsStream] = []
    server, client = server_config("ssl"), client_config("ssl")
    thread = threading.Thread(target=lambda: accepted.append(TlsStream.accept(above, server, timeout=30)))
    thread.start()
    with TlsStream.connect(below, HOST, client, timeout=30) as stream:
        thread.join()
        with pytest.raises(TlsError.CapabilityError, match="the backend ssl does not give out its keys"):
            stream.enable_ktls()
        _goes_on(stream, accepted[0])
        accepted[0].close()
