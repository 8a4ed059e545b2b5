"""TlsStream: handshakes, data, ends, and everything that can go wrong in them, over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import Any, Self

import pytest

from netkit.io import (
    BrokenStreamError,
    CancellationError,
    CancellationToken,
    ClosedError,
    DeadlineExceeded,
    LimitExceeded,
    run,
    run_async,
)
from netkit.net import TcpListener, TcpStream
from netkit.tls.backend import ResumableSession, TlsSession
from netkit.tls.backends import context as contexts
from netkit.tls.backends.standard import standard_backend
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.connection.moving import OUTBOX_LIMIT, TAKE_SIZE
from netkit.tls.errors import TlsError
from netkit.tls.stream import TlsStream
from netkit.tls.versions import TlsVersion
from tests.tls.each_backend import each_backend  # noqa: F401 - a fixture
from tests.tls.pki import DAY, NOW, issue
from tests.waiting import turns, waits, when

HOST = "www.example.com"
ROOT = issue("Root", ca=True)
MIDDLE = issue("Middle", ROOT, ca=True)
LEAF = issue(HOST, MIDDLE, sans=(HOST, "127.0.0.1"))
SERVER = TlsConfig.server().with_identity([LEAF.certificate, MIDDLE.certificate], LEAF.private_key)
CLIENT = TlsConfig.client().with_root_certs([ROOT.certificate])
ANYONE = TlsConfig.client().with_verify_mode(CertVerifyMode.None_)


def server_with(**settings: Any) -> TlsConfig:
    issued = issue(HOST, settings.pop("issuer", ROOT), sans=settings.pop("sans", (HOST,)), **settings)
    return TlsConfig.server().with_identity(issued.certificate, issued.private_key)


def sockets() -> tuple[TcpStream, TcpStream]:
    with TcpListener.bind("127.0.0.1:0") as listener:
        ours = TcpStream.connect(listener.local_addr, timeout=5)
        theirs, _ = listener.accept(timeout=5)
    return ours, theirs


def beside(work: Callable[[], Any]) -> Future[Any]:
    """Run `work` in a thread of its own."""
    future: Future[Any] = Future()

    def target() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=target, daemon=True).start()
    return future


class Both:
    """A client's and a server's end of one TLS connection."""

    def __init__(
        self, client: TlsConfig = CLIENT, server: TlsConfig = SERVER, name: str | None = HOST
    ) -> None:
        ours, theirs = sockets()
        accepted = beside(lambda: TlsStream.accept(theirs, server, timeout=5))
        try:
            self.client = TlsStream.connect(ours, name, client, timeout=5)
        except BaseException:
            if accepted.exception(5) is None:
                accepted.result().close()
            raise
        self.server: TlsStream = accepted.result(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture
def both() -> Iterator[Both]:
    with Both() as made:
        yield made


@pytest.mark.usefixtures("each_backend")
class TestHandshake:
    def test_what_is_agreed_on(self) -> None:
        with Both(CLIENT.with_alpn(["h2", "http/1.1"]), SERVER.with_alpn(["http/1.1"])) as both:
            for end in (both.client, both.server):
                assert end.negotiated_version is TlsVersion.Tls13
                assert end.alpn_protocol == end.alpn == "http/1.1"
                assert end.cipher is not None
                assert end.cipher.startswith("TLS_")
            assert both.client.peer_chain == (LEAF.certificate, MIDDLE.certificate)
            assert both.client.peer_certificate == LEAF.certificate
            assert both.server.peer_certificate is None
            digest = hashlib.sha256(LEAF.certificate.der_data).digest()
            assert both.client.peer_cert_hash_sha256 == both.client.tls_server_end_point == digest
            assert both.server.peer_cert_hash_sha256 is None
            assert isinstance(both.client.get_ref(), TcpStream)
            assert "TLS 1.3" in repr(both.client)

    @pytest.mark.parametrize(("label", "length"), [("x", 0), ("x", -1), ("x", 8161), ("x" * 250, 32)])
    def test_what_cannot_be_exported(self, both: Both, label: str, length: int) -> None:
        with pytest.raises(
            TlsError.InvalidConfig, match=r"export_keying_material: .*(8,160 can|at most 249)"
        ):
            both.client.export_keying_material(label, None, length)

    @pytest.mark.parametrize("version", TlsVersion)
    def test_each_version(self, version: TlsVersion) -> None:
        only = {"min_version": version, "max_version": version}
        with Both(CLIENT.replace(**only), SERVER.replace(**only)) as both:
            assert both.client.negotiated_version is version
            both.client.write_all(b"hello")
            assert both.server.read(timeout=5) == b"hello"

    @pytest.mark.parametrize("loop", [asyncio.new_event_loop, None], ids=["asyncio", "uvloop"])
    def test_async(self, loop: Any) -> None:
        async def main() -> bytes:
            ours, theirs = sockets()
            client, server = await asyncio.gather(
                TlsStream.connect_async(ours, HOST, CLIENT, timeout=5),
                TlsStream.accept_async(theirs, SERVER, timeout=5),
            )
            async with client, server:
                await client.write_all_async(b"question", timeout=5)
                assert await server.read_exactly_async(8, timeout=5) == b"question"
                await server.write_all_async(b"answer", timeout=5)
                await server.shutdown_async(timeout=5)
                answer = await client.read_exactly_async(6, timeout=5)
                assert await client.read_async(timeout=5) == b""
                return answer

        if loop is None:
            loop = pytest.importorskip("uvloop").new_event_loop
        with asyncio.Runner(loop_factory=loop) as runner:
            assert runner.run(main()) == b"answer"

    def test_over_another_tls_stream(self) -> None:
        with Both() as outer:
            accepted = beside(lambda: TlsStream.accept(outer.server, SERVER, timeout=5))
            inner = TlsStream.connect(outer.client, HOST, CLIENT, timeout=5)
            server = accepted.result(5)
            inner.write_all(b"x" * 100_000, timeout=5)
            assert server.read_exactly(100_000, timeout=5) == b"x" * 100_000
            server.close()
            inner.close()
            assert outer.client.is_closed

    def test_client_certificates(self) -> None:
        someone = issue("someone", ROOT)
        server = SERVER.with_root_certs([ROOT.certificate]).with_verify_mode(CertVerifyMode.Full)
        with Both(CLIENT.with_identity(someone.certificate, someone.private_key), server) as both:
            assert both.server.peer_certificate == someone.certificate

    def test_no_client_certificate(self) -> None:
        server = SERVER.with_root_certs([ROOT.certificate]).with_verify_mode(CertVerifyMode.Full)
        ours, theirs = sockets()
        accepted = beside(lambda: TlsStream.accept(theirs, server, timeout=5))
        with TlsStream.connect(ours, HOST, CLIENT, timeout=5) as client:  # TLS 1.3: done before it is refused
            with pytest.raises(TlsError.AlertReceived) as caught:
                client.read(timeout=5)
            assert caught.value.name == "certificate_required"
        with pytest.raises(TlsError.HandshakeFailed, match="no certificate"):
            accepted.result(5)

    def test_the_systems_trust(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
        bundle = tmp_path / "roots.pem"
        bundle.write_text(ROOT.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        with Both(TlsConfig.client()) as both:
            assert both.client.peer_chain
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
        (tmp_path / "other.pem").write_text(issue("Other", ca=True).pem)
        with pytest.raises(TlsError.CertificateVerificationFailed):
            Both(TlsConfig.client())

    def test_explicit_roots_replace_the_systems(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
        bundle = tmp_path / "roots.pem"
        bundle.write_text(ROOT.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        with pytest.raises(TlsError.CertificateVerificationFailed):
            Both(TlsConfig.client().with_root_certs([issue("Other", ca=True).certificate]))

    def test_the_same_settings_share_a_context(self) -> None:
        again = TlsConfig.client().with_root_certs([ROOT.certificate])
        assert contexts.context_for(again) is contexts.context_for(CLIENT)
        assert contexts.context_for(again.with_alpn(["h2"])) is not contexts.context_for(CLIENT)

    def test_names_are_sent_and_addresses_are_not(self) -> None:
        def hello(name: str) -> bytes:
            ours, theirs = sockets()
            with theirs:
                talking = beside(lambda: TlsStream.connect(ours, name, CLIENT, timeout=5))
                first = theirs.read(timeout=5)
            assert talking.exception(5) is not None
            return first

        assert b"www.example.com" in hello("WWW.Example.COM.")
        assert b"xn--bcher-kva.example" in hello("bücher.example")
        extensions = b"\x00\x00\x00"  # server_name is extension 0
        assert b"127.0.0.1" not in hello("127.0.0.1")
        assert extensions + b"\x0e\x00\x0c\x00\x00\x09" not in hello("127.0.0.1")

    def test_an_address_is_verified_as_one(self) -> None:
        with Both(name="127.0.0.1") as both:
            assert both.client.server_name == "127.0.0.1"
        with pytest.raises(TlsError.HostnameMismatch):
            Both(name="127.0.0.2")


@pytest.mark.usefixtures("each_backend")
class TestRefusals:
    @pytest.mark.parametrize(
        ("server", "kind"),
        [
            (server_with(start=NOW - 9 * DAY, end=NOW - DAY), TlsError.CertificateExpired),
            (server_with(sans=("other.example",)), TlsError.HostnameMismatch),
            (server_with(issuer=None), TlsError.CertificateVerificationFailed),
            (server_with(issuer=issue("Other", ca=True)), TlsError.CertificateVerificationFailed),
            (server_with(issuer=MIDDLE), TlsError.CertificateVerificationFailed),
        ],
        ids=["expired", "wrong host", "self-signed", "unknown issuer", "missing intermediate"],
    )
    def test_certificates(self, server: TlsConfig, kind: type[TlsError]) -> None:
        ours, theirs = sockets()
        accepted = beside(lambda: TlsStream.accept(theirs, server, timeout=5))
        with pytest.raises(kind) as caught:
            TlsStream.connect(ours, HOST, CLIENT, timeout=5)
        error = caught.value
        assert type(error) is kind
        assert isinstance(error, TlsError.CertificateVerificationFailed)
        assert error.chain == (server.identity_cert,)
        if isinstance(error, TlsError.CertificateExpired):
            assert error.not_after == NOW - DAY
        if isinstance(error, TlsError.HostnameMismatch):
            assert error.names == ("other.example",)
        assert ours.is_closed
        # The server is told why, by an alert.
        with pytest.raises(TlsError.AlertReceived):
            accepted.result(5)

    def test_nothing_is_refused_without_verification(self) -> None:
        with Both(ANYONE, server_with(issuer=None), None) as both:
            assert len(both.client.peer_chain) == 1

    def test_a_verifier_decides(self) -> None:
        asked: list[object] = []

        def verifier(chain: Any, server_name: str | None) -> None:
            asked.append((chain, server_name))
            if server_name != HOST:
                raise TlsError.CertificateVerificationFailed("not on my list")

        config = TlsConfig.client().with_verifier(verifier)
        with Both(config):
            assert asked == [((LEAF.certificate, MIDDLE.certificate), HOST)]
        with pytest.raises(TlsError.CertificateVerificationFailed, match="not on my list"):
            Both(config, name="else.example")

    def test_versions_without_one_in_common(self) -> None:
        with pytest.raises(TlsError.AlertReceived) as caught:
            Both(CLIENT.with_max_version(TlsVersion.Tls12), SERVER.with_min_version(TlsVersion.Tls13))
        assert caught.value.name == "protocol_version"

    def test_a_server_that_answers_in_an_old_version(self) -> None:
        ours, theirs = sockets()
        with theirs:
            talking = beside(lambda: TlsStream.connect(ours, HOST, CLIENT, timeout=5))
            theirs.read(timeout=5)
            hello = bytes.fromhex("0301") + bytes(32) + b"\x00" + bytes.fromhex("002f00")
            theirs.write_all(
                b"\x16\x03\x01\x00" + bytes([len(hello) + 4]) + b"\x02\x00\x00" + bytes([len(hello)]) + hello
            )
            error = talking.exception(5)
        assert isinstance(error, TlsError.UnsupportedVersion)
        assert error.version is TlsVersion.Tls10

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (b"SSH-2.0-OpenSSH_9.9\r\n", "SSH server"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "plain HTTP"),
            (b"220 mail.example ESMTP\r\n", "STARTTLS"),
            (b"whatever this is", "in the clear"),
        ],
    )
    def test_what_is_not_tls(self, answer: bytes, words: str) -> None:
        ours, theirs = sockets()
        with theirs:
            theirs.write_all(answer)
            with pytest.raises(TlsError.NotTls) as caught:
                TlsStream.connect(ours, HOST, CLIENT, timeout=5)
        assert caught.value.received.startswith(answer[:5])
        assert words in (caught.value.hint or "")

    def test_a_client_that_does_not_speak_tls(self) -> None:
        ours, theirs = sockets()
        with ours:
            ours.write_all(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises(TlsError.NotTls):
                TlsStream.accept(theirs, SERVER, timeout=5)

    def test_an_alert_that_python_has_no_name_for(self) -> None:
        ours, theirs = sockets()
        with theirs:
            talking = beside(lambda: TlsStream.connect(ours, HOST, CLIENT, timeout=5))
            theirs.read(timeout=5)
            theirs.write_all(bytes.fromhex("15030300020278"))
            error = talking.exception(5)
        assert isinstance(error, TlsError.AlertReceived)
        assert error.name == "no_application_protocol"

    def test_an_echo_server(self) -> None:
        ours, theirs = sockets()
        with theirs:
            talking = beside(lambda: TlsStream.connect(ours, HOST, CLIENT, timeout=5))
            theirs.write_all(theirs.read(timeout=5))
            error = talking.exception(5)
        assert isinstance(error, TlsError.HandshakeFailed)
        assert "ClientHello" in str(error)
        assert "echo" in (error.hint or "")

    def test_a_peer_that_leaves(self) -> None:
        ours, theirs = sockets()
        theirs.close()
        with pytest.raises(TlsError.IoError) as caught:
            TlsStream.connect(ours, HOST, CLIENT, timeout=5)
        assert ours.is_closed
        assert isinstance(caught.value, OSError)

    def test_a_peer_that_resets(self) -> None:
        ours, theirs = sockets()
        talking = beside(lambda: TlsStream.connect(ours, HOST, CLIENT, timeout=5))
        theirs.read(timeout=5)
        theirs.set_linger(0)
        theirs.close()
        error = talking.exception(5)
        assert isinstance(error, TlsError.IoError)
        assert isinstance(error.__cause__, ConnectionResetError)
        assert error.errno == error.__cause__.errno

    def test_a_silent_peer(self) -> None:
        ours, theirs = sockets()
        with theirs, pytest.raises(DeadlineExceeded) as caught:
            TlsStream.connect(ours, HOST, CLIENT, timeout=0.02)
        assert str(caught.value) == "timed out while in the TLS handshake with www.example.com"
        assert ours.is_closed

    def test_cancellation(self) -> None:
        token = CancellationToken()
        ours, theirs = sockets()
        with theirs:
            talking = beside(lambda: TlsStream.connect(ours, HOST, CLIENT, cancel=token))
            theirs.read(timeout=5)  # the ClientHello: it is in the handshake now
            token.cancel()
            assert isinstance(talking.exception(5), CancellationError)
        assert ours.is_closed


class TestSettings:
    def test_a_name_is_needed_to_verify(self) -> None:
        ours, theirs = sockets()
        with theirs, pytest.raises(TlsError.InvalidConfig, match="server_name"):
            TlsStream.connect(ours, None, CLIENT, timeout=5)
        assert ours.is_closed

    @pytest.mark.parametrize("name", ["", "a b", "a..b", "x" * 70])
    def test_what_is_no_name(self, name: str) -> None:
        ours, theirs = sockets()
        with theirs, pytest.raises(TlsError.InvalidConfig, match="server_name"):
            TlsStream.connect(ours, name, CLIENT, timeout=5)

    def test_the_wrong_side(self) -> None:
        ours, theirs = sockets()
        with pytest.raises(TlsError.InvalidConfig, match="accept"):
            TlsStream.connect(ours, HOST, SERVER, timeout=5)
        with pytest.raises(TlsError.InvalidConfig, match="connect"):
            TlsStream.accept(theirs, CLIENT, timeout=5)

    @pytest.mark.parametrize(
        ("config", "kind"),
        [
            (TlsConfig.server(), TlsError.InvalidConfig),
            (TlsConfig.server().with_identity(LEAF.certificate, ROOT.private_key), TlsError.InvalidKey),
            (SERVER.replace(cipher_suites="NONSENSE"), TlsError.NoCipherSuites),
            (SERVER.with_verifier(lambda chain, name: None), TlsError.InvalidConfig),
        ],
    )
    def test_settings_that_cannot_be(self, config: TlsConfig, kind: type[TlsError]) -> None:
        with pytest.raises(kind):
            contexts.context_for(config)

    def test_an_identity_where_there_are_no_files_in_memory(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        monkeypatch.delattr(os, "memfd_create", raising=False)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        with Both(server=server_with()) as both:
            assert both.client.peer_chain
        assert list(tmp_path.iterdir()) == []

    def test_a_key_log(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
        with Both():
            pass
        assert "CLIENT_TRAFFIC_SECRET_0" in (tmp_path / "keys").read_text()


@pytest.mark.usefixtures("each_backend")
class TestData:
    def test_both_directions_at_once(self, both: Both) -> None:
        data = os.urandom(1_500_000)
        ends = (both.client, both.server)
        writers = [beside(partial(end.write_all, data, timeout=20)) for end in ends]
        readers = [beside(partial(end.read_exactly, len(data), timeout=20)) for end in ends]
        assert [reader.result(20) == data for reader in readers] == [True, True]
        assert [writer.result(20) for writer in writers] == [None, None]

    def test_both_directions_at_once_async(self) -> None:
        data = os.urandom(1_500_000)

        async def main() -> list[bool]:
            ours, theirs = sockets()
            client, server = await asyncio.gather(
                TlsStream.connect_async(ours, HOST, CLIENT, timeout=5),
                TlsStream.accept_async(theirs, SERVER, timeout=5),
            )
            async with client, server:
                found = await asyncio.gather(
                    client.write_all_async(data, timeout=20),
                    server.write_all_async(data, timeout=20),
                    client.read_exactly_async(len(data), timeout=20),
                    server.read_exactly_async(len(data), timeout=20),
                )
                return [piece == data for piece in found[2:]]

        assert asyncio.run(main()) == [True, True]

    def test_an_interrupted_read_loses_nothing(self, both: Both) -> None:
        both.server.write_all(b"12345")
        with pytest.raises(DeadlineExceeded):
            both.client.read_exactly(10, timeout=0.02)
        both.server.write_all(b"67890")
        assert both.client.read_exactly(10, timeout=5) == b"1234567890"

    def test_an_interrupted_write_breaks_the_stream(self, both: Both) -> None:
        token = CancellationToken()
        with when(waits, token.cancel), pytest.raises(CancellationError):
            both.client.write_all(bytes(30_000_000), cancel=token)
        with pytest.raises(BrokenStreamError):
            both.client.write_all(b"more", timeout=5)

    def test_a_write_that_is_late_breaks_the_stream(self, both: Both) -> None:
        with pytest.raises(DeadlineExceeded):
            both.client.write_all(bytes(30_000_000), timeout=0)
        with pytest.raises(BrokenStreamError) as broken:
            both.client.write_all(b"more", timeout=5)
        assert broken.value.sent is not None and broken.value.total == 30_000_000
        assert broken.value.sent % 131_072 == 0

    def test_nothing_is_a_write_too(self, both: Both) -> None:
        both.client.write_all(b"")
        assert both.client.write(b"") == 0
        assert both.client.write(b"abc") == 3
        assert both.server.read(timeout=5) == b"abc"


@pytest.mark.usefixtures("each_backend")
class TestTheEnd:
    def test_a_clean_close(self, both: Both) -> None:
        both.server.write_all(b"all of it")
        both.server.close()
        assert both.client.read_exactly(9, timeout=5) == b"all of it"
        assert both.client.read(timeout=5) == b""
        assert both.client.read(timeout=5) == b""

    def test_a_truncation(self, both: Both) -> None:
        both.server.write_all(b"some of it")
        both.server.get_ref().close()
        assert both.client.read(timeout=5) == b"some of it"
        for _ in range(2):
            with pytest.raises(TlsError.Truncated):
                both.client.read(timeout=5)

    def test_half_close(self, both: Both) -> None:
        both.client.write_all(b"question")
        both.client.shutdown(timeout=5)
        assert both.server.read_exactly(8, timeout=5) == b"question"
        assert both.server.read(timeout=5) == b""
        both.server.write_all(b"answer")
        assert both.client.read_exactly(6, timeout=5) == b"answer"
        with pytest.raises(ClosedError):
            both.client.write_all(b"more")

    @pytest.mark.parametrize("version", [TlsVersion.Tls12, TlsVersion.Tls13])
    def test_half_close_with_data_on_the_way(self, version: TlsVersion) -> None:
        """OpenSSL's shutdown reads, and must not stumble over data that nobody has read yet."""
        with Both(CLIENT.with_max_version(version)) as both:
            data = os.urandom(50_000)
            both.server.write_all(data)
            first = both.client.read(10, timeout=5)
            both.client.shutdown(timeout=5)
            both.client.shutdown(timeout=5)
            assert both.server.read(timeout=5) == b""
            both.server.write_all(b"and more")
            both.server.shutdown(timeout=5)
            rest = both.client.read_exactly(len(data) - 10 + 8, timeout=5)
            assert first + rest == data + b"and more"
            assert both.client.read(timeout=5) == b""

    def test_closing_wakes_a_reader(self, both: Both) -> None:
        with when(waits, both.client.close), pytest.raises(ClosedError):
            both.client.read(timeout=5)
        assert both.client.is_closed

    def test_iteration_ends(self, both: Both) -> None:
        both.server.write_all(b"a")
        both.server.close()
        assert b"".join(both.client) == b"a"


class Scripted(TlsSession):
    """A session that answers as told: what the rules of waiting are tested with."""

    version = cipher = alpn = None
    peer_chain = ()

    def read_into(self, view: memoryview) -> int | None:
        raise NotImplementedError

    def __init__(self) -> None:
        self.fed: list[bytes] = []
        self.reads: list[bytes | None] = []
        self.output = bytearray()
        self.answer = b""  # what every read appends to the output
        self.lock: threading.Lock | None = None

    def feed(self, data: bytes | memoryview) -> None:
        assert self.lock is None or self.lock.locked()
        self.fed.append(bytes(data))

    def feed_eof(self) -> None:
        self.fed.append(b"")

    def handshake(self) -> bool:
        return True

    def read(self, size: int) -> bytes | None:
        assert self.lock is None or self.lock.locked()
        self.output += self.answer
        return self.reads.pop(0) if self.reads else None

    def write(self, data: memoryview) -> int:
        assert self.lock is None or self.lock.locked()
        self.output += bytes(data)
        return len(data)

    def close_notify(self) -> None:
        self.output += b"bye"

    @property
    def pending_output(self) -> int:
        return len(self.output)

    def take_output(self, limit: int | None = None) -> bytes:
        taken = bytes(self.output[:limit])
        del self.output[:limit]
        return taken

    def explain(self, error: TlsError) -> TlsError:
        return error


class Prepared:
    """What gives the stream its scripted session."""

    config = CLIENT
    backend = standard_backend()

    def __init__(self, session: Scripted) -> None:
        self._session = session

    def session(self, server_name: str | None, resume: ResumableSession | None = None) -> TlsSession:
        del server_name, resume
        return self._session


class TestRule8OneOrderedOutbox:
    def make(self, kind: type[socket.socket] = socket.socket) -> tuple[TlsStream, Scripted, TcpStream]:
        ours, theirs = sockets()
        ours = TcpStream(kind(fileno=ours.into_socket().detach()))
        session = Scripted()
        stream = TlsStream(ours, Prepared(session))
        session.lock = stream._lock
        return stream, session, theirs

    def clog(self, stream: TlsStream) -> int:
        """Fill the socket until it takes no more."""
        inner = stream.get_ref()
        assert isinstance(inner, TcpStream)
        sent = 0
        while True:
            try:
                sent += os.write(inner.fileno(), bytes(65536))
            except BlockingIOError:
                return sent

    def test_a_reader_does_not_wait_to_send_its_answers(self) -> None:
        stream, session, theirs = self.make()
        with stream, theirs:
            clogged = self.clog(stream)
            session.answer = b"answer"
            session.reads = [b"data"]
            assert stream.read(timeout=5) == b"data"
            # Its answer leaves with the next write, and in front of it.
            session.answer = b""
            writing = beside(lambda: stream.write_all(b"written", timeout=5))
            theirs.read_exactly(clogged, timeout=5)
            assert theirs.read_exactly(13, timeout=5) == b"answerwritten"
            assert writing.result(5) is None

    def test_an_answer_goes_at_once_where_the_socket_takes_it(self) -> None:
        stream, session, theirs = self.make()
        with stream, theirs:
            session.answer = b"answer"
            session.reads = [b"data"]
            assert stream.read(timeout=5) == b"data"
            assert theirs.read(timeout=5) == b"answer"

    def test_a_reader_leaves_the_sending_to_a_writer_that_is_at_it(self) -> None:
        stream, session, theirs = self.make()
        with stream, theirs:
            clogged = self.clog(stream)
            writing = stream.write_all_flow(b"written")
            next(writing)  # it waits for the socket
            theirs.read_exactly(clogged, timeout=5)
            session.answer = b"answer"
            session.reads = [b"data"]
            assert stream.read(timeout=5) == b"data"
            run(writing)
            assert theirs.read_exactly(13, timeout=5) == b"writtenanswer"

    def test_answers_that_nobody_takes_have_a_limit(self) -> None:
        stream, session, theirs = self.make()
        with stream, theirs:
            self.clog(stream)
            session.answer = bytes(OUTBOX_LIMIT // 4)
            theirs.write_all(b"ping" * 10)

            def feed(data: bytes | memoryview) -> None:
                theirs.write_all(b"ping")

            session.feed = feed  # type: ignore[method-assign]
            with pytest.raises(LimitExceeded):
                stream.read(timeout=5)

    def test_the_lock_is_free_wherever_a_flow_waits(self) -> None:
        stream, _session, theirs = self.make()
        with stream, theirs:
            reading = stream.read_flow()
            next(reading)
            assert not stream._lock.locked()
            self.clog(stream)
            writing = stream.write_all_flow(b"written")
            next(writing)
            assert not stream._lock.locked()
            writing.close()
            reading.close()

    def test_much_output_is_sent_in_pieces(self) -> None:
        stream, session, theirs = self.make()
        with stream, theirs:
            taken: list[int] = []
            take = session.take_output

            def counting(limit: int | None = None) -> bytes:
                piece = take(limit)
                taken.append(len(piece))
                return piece

            session.take_output = counting  # type: ignore[method-assign]
            session.output += b"x" * (2 * TAKE_SIZE + 1)
            reading = beside(lambda: theirs.read_exactly(2 * TAKE_SIZE + 5, timeout=5))
            stream.write_all(b"done", timeout=5)
            assert reading.result(5) == b"x" * (2 * TAKE_SIZE + 1) + b"done"
            assert [size for size in taken if size] == [TAKE_SIZE, TAKE_SIZE, 5]

    def test_a_session_that_takes_nothing_until_its_output_is_taken(self) -> None:
        stream, session, theirs = self.make()
        with stream, theirs:

            def write(data: memoryview) -> int:
                if session.output:
                    return 0
                session.output += data[:3]
                return len(data[:3])

            session.write = write  # type: ignore[method-assign]
            session.output += b"before "
            stream.write_all(b"written", timeout=5)
            assert theirs.read_exactly(14, timeout=5) == b"before written"

    def test_a_session_that_never_takes_anything(self) -> None:
        stream, session, theirs = self.make()
        with stream, theirs:
            session.write = lambda data: 0  # type: ignore[method-assign]
            with pytest.raises(TlsError.IoError, match="takes nothing"):
                stream.write_all(b"written", timeout=5)

    def test_an_interrupted_flush_keeps_the_order(self) -> None:
        stream, _session, theirs = self.make()
        with stream, theirs:
            clogged = self.clog(stream)
            with pytest.raises(DeadlineExceeded):
                run(stream.finish(), deadline=monotonic() + 0.01)
            theirs.read_exactly(clogged, timeout=5)
            run(stream.finish(), deadline=monotonic() + 5)
            assert theirs.read_exactly(3, timeout=5) == b"bye"

    def test_a_flood_gives_others_their_turn(self) -> None:
        class Flooding(socket.socket):
            def recv(self, size: int, flags: int = 0) -> bytes:
                return b"x"

        stream, session, theirs = self.make(Flooding)

        async def main() -> None:
            token = CancellationToken()

            async def cancel_at_the_fourth_turn() -> None:
                await turns(4)
                token.cancel()

            cancelling = asyncio.create_task(cancel_at_the_fourth_turn())
            with pytest.raises(CancellationError):
                await run_async(stream.read_flow(), deadline=monotonic() + 20, cancel=token)
            await cancelling

        with stream, theirs:
            session.feed = lambda data: None  # type: ignore[method-assign]
            asyncio.run(main())


def test_a_standard_server_understands_it() -> None:
    """The other side in OpenSSL through the standard library's own sockets."""
    context = contexts.context_for(SERVER)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> bytes:
            plain, _ = listener.accept()
            with context.wrap_socket(plain, server_side=True) as secure:
                got = secure.recv(100)
                secure.sendall(got.upper())
                secure.unwrap()
                return got

        serving = beside(serve)
        tcp = TcpStream.connect(("127.0.0.1", listener.getsockname()[1]), timeout=5)
        with TlsStream.connect(tcp, HOST, CLIENT, timeout=5) as stream:
            stream.write_all(b"hello")
            assert stream.read_exactly(5, timeout=5) == b"HELLO"
            assert stream.read(timeout=5) == b""
            stream.shutdown(timeout=5)
        assert serving.result(5) == b"hello"
        assert ssl.OPENSSL_VERSION


@pytest.mark.usefixtures("each_backend")
class TestFlush:
    def test_it_sends_what_offer_has_taken(self, both: Both) -> None:
        sent = bytearray()
        while not both.server.unsent:
            piece = bytes(16_384)
            sent += piece[: both.server.offer(piece)]
        received = beside(lambda: both.client.read_exactly(len(sent), timeout=5))
        run(both.server.flush())
        assert both.server.unsent == 0
        assert received.result(5) == sent

    def test_it_says_that_the_peer_is_gone(self, both: Both) -> None:
        while not both.server.unsent:
            both.server.offer(bytes(16_384))
        both.client.get_ref().reset()  # type: ignore[attr-defined]  # it is TCP
        with pytest.raises(ConnectionError):
            run(both.server.flush())
