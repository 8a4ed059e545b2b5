"""What is special to the backend rustls; the rest is in the suites that run over every backend."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netkit.net import TcpListener, TcpStream
from netkit.tls import TlsConfig, TlsError, TlsStream
from netkit.tls.backend import Capability
from netkit.tls.backends import find_backend, why_absent
from netkit.tls.identity import Identity
from netkit.tls.versions import TlsVersion
from tests.tls.conformance.ends import HOST, Ends, client_config, client_identity, server_config
from tests.tls.memory import new_session, refusal
from tests.tls.pki import issue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.tls.x509.certificate import Certificate

pytestmark = pytest.mark.skipif(why_absent("rustls") is not None, reason=str(why_absent("rustls")))


def ends(client: TlsConfig | None = None, server: TlsConfig | None = None) -> Ends:
    one = new_session(client or client_config("rustls"), HOST)
    return Ends(one, new_session(server or server_config("rustls"), None)).shake_hands()


@pytest.fixture
def streams() -> Iterator[tuple[TlsStream, TlsStream]]:
    client, server = client_config("rustls"), server_config("rustls")
    accepted: list[TlsStream] = []
    with TcpListener.bind("127.0.0.1:0") as listener:
        below = TcpStream.connect(listener.local_addr)
        above, _ = listener.accept()
    thread = threading.Thread(target=lambda: accepted.append(TlsStream.accept(above, server)))
    thread.start()
    with TlsStream.connect(below, HOST, client) as stream:
        thread.join()
        with accepted[0]:
            yield stream, accepted[0]


def test_one_thread_reads_while_another_writes(streams: tuple[TlsStream, TlsStream]) -> None:
    # Pieces of this size are encrypted while the interpreter does other things.
    piece, count = bytes(500_000), 12
    faults: list[BaseException] = []

    def write(stream: TlsStream) -> None:
        try:
            for _ in range(count):
                stream.write_all(piece, timeout=30)
        except BaseException as error:
            faults.append(error)

    def read(stream: TlsStream) -> None:
        try:
            missing = count * len(piece)
            while missing:
                missing -= len(stream.read(65536, timeout=30))
                assert stream.negotiated_version is TlsVersion.Tls13
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(stream,)) for work in (write, read) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not faults
    assert not any(thread.is_alive() for thread in threads)


def test_a_long_transfer_is_not_kept_whole() -> None:
    made = ends()
    piece, heard = memoryview(bytes(1_000_000)), 0
    left = b""
    before = _resident()
    for _ in range(40):
        rest = piece
        while rest:
            rest = rest[made.client.write(rest) :]
        data = left + made.client.take_output()
        # No piece ends where a record does.
        for at in range(0, len(data) - 50_001, 50_001):
            made.server.feed(data[at : at + 50_001])
            left = data[at + 50_001 :]
            while got := made.server.read(65536):
                heard += len(got)
    assert heard > 39_000_000
    assert _resident() - before < 20_000_000


def _resident() -> int:
    """How much memory this process has, in octets."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("it is measured on Linux")
    return int(statm.read_text().split()[1]) * 4096


@pytest.mark.once
def test_views_of_any_octets_are_encrypted() -> None:
    made = ends()
    text = bytes(range(256)) * 300
    views = (
        memoryview(text)[3:70_000],
        memoryview(text)[5:6],
        memoryview(bytearray(text))[3:70_000],
        memoryview(text)[::-3],
        memoryview(text)[7:7],
        memoryview(memoryview(text)[100:])[100:40_000],
    )
    for view in views:
        assert made.client.write(view) == len(view)
        made.server.feed(memoryview(bytearray(made.client.take_output())))
        assert (made.server.read(100_000) or b"") == view.tobytes()


@pytest.mark.once
def test_a_large_view_is_filled_by_one_read() -> None:
    made = ends()
    text = bytes(range(256)) * 1000
    made.client.write(memoryview(text))
    made.server.feed(made.client.take_output())
    room = bytearray(b"x" * 200_000)
    assert made.server.read_into(memoryview(room)[1:199_999]) == 199_998
    assert room == b"x" + text[:199_998] + b"x"
    assert made.server.read_into(memoryview(room)) == len(text) - 199_998
    assert made.server.read_into(memoryview(room)) is None


def test_output_is_taken_in_small_pieces_in_order() -> None:
    made = ends()
    text = bytes(range(256)) * 2000
    assert made.client.write(memoryview(text)) == len(text)
    whole = made.client.pending_output
    taken = b""
    while made.client.pending_output:
        taken += made.client.take_output(1000)
        assert made.client.pending_output == whole - len(taken)
    assert made.client.take_output(1000) == b""
    made.server.feed(taken)
    heard = b""
    while got := made.server.read(65536):
        heard += got
    assert heard == text


def test_a_server_s_verifier_is_told_the_name_that_was_asked_for() -> None:
    asked: list[tuple[int, str | None]] = []

    def verifier(chain: tuple[Certificate, ...], name: str | None) -> None:
        asked.append((len(chain), name))

    shown = client_identity()
    made = ends(
        client_config("rustls").with_identity(shown.chain, shown.key),
        server_config("rustls").with_verifier(verifier),
    )
    assert made.good, (made.client_error, made.server_error)
    assert asked == [(len(shown.chain), HOST)]


def test_a_verifier_that_uses_the_session_gets_an_error_and_no_deadlock() -> None:
    session = new_session(
        client_config("rustls").with_verifier(lambda _chain, _name: print(session.version)), HOST
    )
    made = Ends(session, new_session(server_config("rustls"), None))
    with pytest.raises(RuntimeError, match="verifier"):
        made.shake_hands()


def test_reading_and_writing_before_the_handshake_move_nothing() -> None:
    session = new_session(client_config("rustls"), HOST)
    assert session.write(memoryview(b"early")) == 0
    assert session.read(100) is None
    assert session.pending_output == 0


def test_a_session_that_has_failed_keeps_failing() -> None:
    made = ends()
    made.client.write(memoryview(b"hello"))
    data = bytearray(made.client.take_output())
    data[-1] ^= 1
    made.server.feed(bytes(data))
    for _ in range(2):
        with pytest.raises(TlsError.HandshakeFailed, match="damaged on the way"):
            made.server.read(100)
    with pytest.raises(TlsError.HandshakeFailed, match="damaged on the way"):
        made.server.write(memoryview(b"x"))
    made.client.feed(made.server.take_output())
    with pytest.raises(TlsError.AlertReceived, match="bad_record_mac"):
        made.client.read(100)


# Key update (RFC 8446 section 4.6.3).


def test_new_keys_are_used_and_asked_for() -> None:
    made = ends()
    assert Capability.KeyUpdate in find_backend("rustls").capabilities("client")
    for _ in range(3):
        made.client.update_keys()
        assert made.client.pending_output
        assert made.say(b"with new keys") == b"with new keys"
        assert made.say(b"and back", from_server=True) == b"and back"


def test_keys_are_not_updated_where_they_cannot_be() -> None:
    old = {"min_version": TlsVersion.Tls12, "max_version": TlsVersion.Tls12}
    made = ends(client_config("rustls", **old), server_config("rustls", **old))
    with pytest.raises(TlsError.CapabilityError, match="update_keys"):
        made.client.update_keys()
    assert made.say(b"it goes on") == b"it goes on"
    with pytest.raises(TlsError.CapabilityError, match="update_keys"):
        new_session(client_config("rustls"), HOST).update_keys()
    with pytest.raises(TlsError.CapabilityError, match="does not change keys"):
        new_session(client_config("ssl"), HOST).update_keys()


def test_a_stream_updates_its_keys(streams: tuple[TlsStream, TlsStream]) -> None:
    client, server = streams
    client.update_keys()
    client.write_all(b"hello")
    assert server.read(timeout=10) == b"hello"
    server.write_all(b"world")
    assert client.read(timeout=10) == b"world"


def test_a_self_signed_authority_as_a_server_is_told_why_it_is_refused() -> None:
    """What `openssl req -x509` makes: OpenSSL takes it where it is trusted itself, and webpki never."""
    own = issue(HOST, sans=(HOST,), ca=True)
    shown = Identity((own.certificate,), own.private_key)
    client = client_config("rustls", root_certs=(own.certificate,))
    error = refusal(client, server_config("rustls", shown), HOST)
    assert "it is an authority's (CA:TRUE), which rustls accepts of no peer" in str(error)
