"""`TlsAcceptor`: one identity, names, resolvers that are functions and flows; hellos that are none."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from netkit.io import CancellationError, CancellationToken, DeadlineExceeded, Event, Flow
from netkit.net import TcpListener, TcpStream
from netkit.tls import ClientHelloInfo, Identity, TlsAcceptor, TlsConfig, TlsError, TlsStream
from netkit.tls.backend import Capability, Resolved
from netkit.tls.backends import find_backend, names, why_absent
from netkit.tls.config import CertVerifyMode
from netkit.tls.connection.resolving import ByName
from netkit.tls.hello import (
    Alert,
    ClientHello,
    FlightReader,
    Handshake,
    MalformedMessage,
    MessageTooLong,
    NamedGroup,
    PlainProtocol,
    ServerHello,
    UnexpectedMessage,
    Unknown,
    to_records,
)
from netkit.tls.hello.codes import ExtensionType
from netkit.tls.hello.errors import UnrecognizedName
from netkit.tls.versions import TlsVersion
from tests.tls.hellos import RANDOM, of_openssl
from tests.tls.pki import issue
from tests.tls.retrying import retrying_client
from tests.tls.test_stream import beside, sockets
from tests.waiting import turns, waits, when

ROOT = issue("Root", ca=True)


def identity(*names: str) -> Identity:
    issued = issue(names[0], ROOT, sans=names)
    return Identity((issued.certificate,), issued.private_key)


A, B, OTHER = identity("a.example"), identity("*.b.example"), identity("other.example")
SERVER = TlsConfig.server()
CLIENT = TlsConfig.client().with_root_certs([ROOT.certificate])
ANYONE = TlsConfig.client().with_verify_mode(CertVerifyMode.None_)


def tried(
    acceptor: TlsAcceptor, name: str | None, client: TlsConfig = CLIENT
) -> tuple[TlsStream | TlsError, TlsStream | BaseException]:
    """The handshake's outcome at the client and at the server, over a socket; both streams are closed."""
    ours, theirs = sockets()
    accepted = beside(lambda: acceptor.accept(theirs, timeout=5))
    result: TlsStream | TlsError
    try:
        result = TlsStream.connect(ours, name, client, timeout=5)
    except TlsError as error:
        result = error
    failure = accepted.exception(5)
    server = accepted.result() if failure is None else failure
    for stream in (result, server):
        if isinstance(stream, TlsStream):
            stream.close()
    assert theirs.is_closed
    return result, server


def shown(acceptor: TlsAcceptor, name: str | None, client: TlsConfig = CLIENT) -> Any:
    """The certificate that the client sees; the number of the alert where it is refused."""
    result, server = tried(acceptor, name, client)
    if isinstance(result, TlsError.AlertReceived):
        return result.code
    assert isinstance(result, TlsStream), result
    assert isinstance(server, TlsStream), server
    assert server.server_name == (None if name is None else name.lower())
    return result.peer_certificate


class TestSettings:
    def test_a_certificate_and_its_key(self) -> None:
        assert shown(TlsAcceptor(A.certificate, A.key), "a.example") == A.certificate
        assert shown(TlsAcceptor([A.certificate], A.key), "a.example") == A.certificate

    def test_settings(self) -> None:
        config = SERVER.with_identity(A.chain, A.key).with_alpn(["h2"])
        result, _ = tried(TlsAcceptor(config), "a.example", CLIENT.with_alpn(["h2"]))
        assert isinstance(result, TlsStream)
        assert result.alpn == "h2"

    @pytest.mark.parametrize(
        ("make", "setting"),
        [
            (lambda: TlsAcceptor(CLIENT), "is_server"),
            (lambda: TlsAcceptor(SERVER), "identity_cert"),
            (lambda: TlsAcceptor(A.certificate, None), "identity_key"),  # type: ignore[call-overload]
            (lambda: TlsAcceptor(SERVER, A.key), "identity_key"),  # type: ignore[call-overload]
            (lambda: TlsAcceptor(SERVER, names={"a": A}, resolver=lambda hello: A), "resolver"),
            (lambda: TlsAcceptor(SERVER, names={"a/b": A}), "resolver"),
            (lambda: TlsAcceptor(SERVER, names={"*.com": A}), "resolver"),
            (lambda: TlsAcceptor(SERVER, names={"a.*.example": A}), "resolver"),
        ],
    )
    def test_that_cannot_be_used(self, make: Callable[[], TlsAcceptor], setting: str) -> None:
        with pytest.raises(TlsError.InvalidConfig) as raised:
            make()
        assert raised.value.setting == setting

    def test_what_no_backend_has_is_known_at_once(self) -> None:
        with pytest.raises(TlsError.CapabilityError):
            TlsAcceptor(SERVER.replace(fips=True, max_early_data=1, backend="ssl"), resolver=lambda hello: A)

    def test_a_key_of_another_certificate(self) -> None:
        with pytest.raises(TlsError.InvalidKey):
            TlsAcceptor(A.certificate, B.key)


class TestNames:
    ACCEPTOR = TlsAcceptor(SERVER, names={"A.Example.": A, "*.b.example": B})
    WITH_DEFAULT = TlsAcceptor(OTHER.certificate, OTHER.key, names={"a.example": A})

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("a.example", A.certificate),
            ("A.EXAMPLE", A.certificate),
            ("x.b.example", B.certificate),
            ("y.x.b.example", 112),  # RFC 9525 section 6.3: a wildcard stands for one label
            ("b.example", 112),
            ("other.example", 112),
        ],
    )
    def test_by_name(self, name: str, expected: object) -> None:
        assert shown(self.ACCEPTOR, name) == expected

    def test_without_a_name(self) -> None:
        assert shown(self.ACCEPTOR, None, ANYONE) == 112
        assert shown(self.WITH_DEFAULT, None, ANYONE) == OTHER.certificate

    def test_the_default(self) -> None:
        assert shown(self.WITH_DEFAULT, "other.example") == OTHER.certificate
        assert shown(self.WITH_DEFAULT, "a.example") == A.certificate

    def test_whole_settings(self) -> None:
        old = SERVER.with_identity(A.chain, A.key).with_max_version(TlsVersion.Tls12)
        result, _ = tried(TlsAcceptor(SERVER, names={"a.example": old}), "a.example")
        assert isinstance(result, TlsStream)
        assert result.negotiated_version is TlsVersion.Tls12

    def test_internationalised(self) -> None:
        found = ByName({"bücher.example": A})(ClientHelloInfo("xn--bcher-kva.example"))
        assert found is A

    def test_the_server_s_error_names_the_name(self) -> None:
        _, error = tried(self.ACCEPTOR, "no.example")
        assert isinstance(error, UnrecognizedName)
        assert error.server_name == "no.example"
        assert "there is no certificate for no.example" in str(error)


class TestResolver:
    def test_what_it_is_told(self) -> None:
        told: list[ClientHelloInfo] = []

        def resolver(hello: ClientHelloInfo) -> Resolved:
            told.append(hello)
            return A

        client = CLIENT.with_alpn(["h2", "http/1.1"])
        assert shown(TlsAcceptor(SERVER, resolver=resolver), "a.example", client) == A.certificate
        (hello,) = told
        assert (hello.server_name, hello.alpn) == ("a.example", ("h2", "http/1.1"))
        assert set(hello.versions) >= {0x0304, 0x0303}
        assert 0x1301 in hello.cipher_suites
        assert NamedGroup.of("x25519") in hello.groups
        assert 0x0403 in hello.signature_schemes

    def test_in_the_settings_of_a_stream(self) -> None:
        """`TlsStream.accept` asks it too: settings are honoured wherever they are used."""
        ours, theirs = sockets()
        config = SERVER.replace(resolver=ByName({"a.example": A}))
        accepted = beside(lambda: TlsStream.accept(theirs, config, timeout=5))
        with TlsStream.connect(ours, "a.example", CLIENT, timeout=5) as client, accepted.result(5) as server:
            server.write_all(b"hello")
            assert client.read(timeout=5) == b"hello"
            assert server.server_name == "a.example"

    def test_that_raises(self) -> None:
        def broken(hello: ClientHelloInfo) -> Resolved:
            raise LookupError(f"no database for {hello.server_name}")

        result, error = tried(TlsAcceptor(SERVER, resolver=broken), "a.example")
        assert isinstance(result, TlsError.AlertReceived)
        assert result.code == 80
        assert isinstance(error, LookupError)
        assert str(error) == "no database for a.example"

    @pytest.mark.parametrize(
        ("answer", "problem"),
        [
            (CLIENT, "it gave a client's settings"),
            (SERVER.replace(resolver=lambda hello: A), "it gave another resolver"),
            ("a.example", "it gave str, and not an Identity"),
        ],
    )
    def test_that_answers_nonsense(self, answer: Any, problem: str) -> None:
        result, error = tried(TlsAcceptor(SERVER, resolver=lambda hello: answer), "a.example")
        assert isinstance(result, TlsError.AlertReceived)
        assert result.code == 80
        assert isinstance(error, TlsError.InvalidConfig)
        assert problem in str(error)

    def test_with_the_key_of_another_certificate(self) -> None:
        wrong = Identity(A.chain, B.key)
        result, error = tried(TlsAcceptor(SERVER, resolver=lambda hello: wrong), "a.example")
        assert isinstance(result, TlsError.AlertReceived)
        assert result.code == 80
        assert isinstance(error, TlsError.InvalidKey)

    def test_a_coroutine_without_an_event_loop(self) -> None:
        async def resolver(hello: ClientHelloInfo) -> Resolved:
            raise AssertionError(hello)

        _, error = tried(TlsAcceptor(SERVER, resolver=resolver), "a.example")
        assert isinstance(error, TlsError.InvalidConfig)
        assert "without one it has to be a flow" in str(error)

    def test_a_coroutine(self) -> None:
        async def resolver(hello: ClientHelloInfo) -> Resolved:
            await asyncio.sleep(0)
            if hello.server_name == "broken.example":
                raise LookupError("no database")
            return A if hello.server_name == "a.example" else None

        async def handshake(name: str) -> list[TlsStream | BaseException]:
            ours, theirs = sockets()
            connecting = TlsStream.connect_async(ours, name, CLIENT, timeout=5)
            accepting = TlsAcceptor(SERVER, resolver=resolver).accept_async(theirs, timeout=5)
            return list(await asyncio.gather(connecting, accepting, return_exceptions=True))

        async def scenario() -> None:
            client, server = await handshake("a.example")
            assert isinstance(client, TlsStream)
            assert isinstance(server, TlsStream)
            assert client.peer_certificate == A.certificate
            client.close()
            server.close()
            client, server = await handshake("no.example")
            assert isinstance(client, TlsError.AlertReceived)
            assert isinstance(server, UnrecognizedName)
            client, server = await handshake("broken.example")
            assert isinstance(client, TlsError.AlertReceived)
            assert (client.code, str(server)) == (80, "no database")

        asyncio.run(scenario())

    def test_a_coroutine_that_never_ends(self) -> None:
        ended: list[str] = []

        async def resolver(hello: ClientHelloInfo) -> Resolved:
            del hello
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.append("cancelled")
            return A

        async def scenario() -> None:
            ours, theirs = sockets()
            with ours:
                ours.write_all(of_openssl("a.example"))
                with pytest.raises(DeadlineExceeded):
                    await TlsAcceptor(SERVER, resolver=resolver).accept_async(theirs, timeout=0.05)
                await turns()
                assert ended == ["cancelled"]
                assert theirs.is_closed

        asyncio.run(scenario())

    def test_a_flow_that_waits_for_another_socket(self) -> None:
        asking, answering = sockets()

        def resolver(hello: ClientHelloInfo) -> Flow[Resolved]:
            yield from asking.write_all_flow(f"{hello.server_name}\n".encode())
            answer = yield from asking.read_flow(100)
            return {b"A": A, b"B": B}.get(answer)

        def database() -> None:
            asked = answering.read_until(b"\n", timeout=5)
            answering.write_all(b"A" if asked == b"a.example\n" else b"?", timeout=5)

        with asking, answering:
            for name, expected in (("a.example", A.certificate), ("no.example", 112)):
                done = beside(database)
                assert shown(TlsAcceptor(SERVER, resolver=resolver), name) == expected
                done.result(5)

    def test_a_flow_that_never_ends(self) -> None:
        def resolver(hello: ClientHelloInfo) -> Flow[Resolved]:
            del hello
            yield from Event().wait()
            return A

        acceptor = TlsAcceptor(SERVER, resolver=resolver)
        ours, theirs = sockets()
        with ours:
            ours.write_all(of_openssl("a.example"))
            with pytest.raises(DeadlineExceeded, match="in the TLS handshake with a client"):
                acceptor.accept(theirs, timeout=0.05)
            assert theirs.is_closed

    def test_async(self) -> None:
        async def scenario() -> None:
            with TcpListener.bind("127.0.0.1:0") as listener:
                ours = await TcpStream.connect_async(listener.local_addr, timeout=5)
                theirs, _ = await listener.accept_async(timeout=5)
            client, server = await asyncio.gather(
                TlsStream.connect_async(ours, "x.b.example", CLIENT, timeout=5),
                TestNames.ACCEPTOR.accept_async(theirs, timeout=5),
            )
            async with client, server:
                assert server.server_name == "x.b.example"
                assert client.peer_certificate == B.certificate
            ours, theirs = sockets()
            with ours:
                waiting = asyncio.ensure_future(TestNames.ACCEPTOR.accept_async(theirs))
                await turns()
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                assert theirs.is_closed

        asyncio.run(scenario())


class TestHellos:
    def test_without_a_key(self) -> None:
        """It offers groups and has no key for any of them, so that the server asks for one."""
        hello = ClientHello.offer(RANDOM, server_name="a.example", versions=["TLS 1.3"], session_id=bytes(32))
        with raw(TestNames.ACCEPTOR, outcome=TlsError.IoError) as sock:
            sock.sendall(to_records(hello.to_bytes(), version=0x0301))
            (message,) = flight(sock)
            assert isinstance(message, Handshake)
            retry = ServerHello.parse(message.message)
            assert retry.is_retry_request
            assert retry.group in hello.groups

    def test_over_many_records(self) -> None:
        wire = to_records(of_openssl("a.example")[5:], version=0x0301, fragment=7)
        with raw(TestNames.ACCEPTOR, outcome=TlsError.IoError) as sock:
            sock.sendall(wire)
            first, *_ = flight(sock)
            assert isinstance(first, Handshake)
            assert not ServerHello.parse(first.message).is_retry_request

    def test_that_is_slow(self) -> None:
        acceptor = TlsAcceptor(SERVER, names={"a.example": A}, hello_timeout=0.05)
        wire = of_openssl("a.example")
        for beginning in (b"", wire[:1], wire[:200]):
            ours, theirs = sockets()
            with ours:
                ours.write_all(beginning)
                with pytest.raises(DeadlineExceeded, match="waiting for the ClientHello"):
                    acceptor.accept(theirs, timeout=30)
                assert theirs.is_closed

    def test_cancelled(self) -> None:
        token = CancellationToken()
        ours, theirs = sockets()
        with ours, when(waits, token.cancel), pytest.raises(CancellationError):
            TestNames.ACCEPTOR.accept(theirs, cancel=token)
        assert theirs.is_closed

    @pytest.mark.parametrize(
        ("sent", "kind", "alert"),
        [
            (b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", PlainProtocol, None),
            (b"SSH-2.0-OpenSSH\r\n", PlainProtocol, None),
            (b"GET", PlainProtocol, None),
            (b"", TlsError.Truncated, None),
            (of_openssl("a.example")[:100], TlsError.Truncated, None),
            (Alert.fatal(40).to_record(), TlsError.AlertReceived, None),
            (b"\x17\x03\x03\x00\x01x", UnexpectedMessage, 10),
            (b"\x16\x03\x01\x00\x04\x01\x01\x00\x00", MessageTooLong, 47),
            (b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", MalformedMessage, 50),
            (of_openssl("a.example").replace(b"a.example", b"a/example"), MalformedMessage, 50),
        ],
    )
    def test_that_is_none(self, sent: bytes, kind: type[BaseException], alert: int | None) -> None:
        with raw(TestNames.ACCEPTOR, outcome=kind) as sock:
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)
            items = flight(sock)
            assert items == ([] if alert is None else [Alert.fatal(alert)])

    def test_with_something_malformed_that_is_the_session_s_to_judge(self) -> None:
        hello = ClientHello.parse(of_openssl("a.example")[5:])
        hello = hello.with_extensions(Unknown(ExtensionType.of("record_size_limit"), b"\x00"))
        with raw(TestNames.ACCEPTOR, outcome=TlsError.IoError) as sock:
            sock.sendall(to_records(hello.to_bytes()))
            first, *_ = flight(sock)
            assert isinstance(first, Handshake)  # this OpenSSL knows nothing of RFC 8449

    def test_the_alert_is_in_the_version_of_the_client(self) -> None:
        hello = ClientHello.offer(RANDOM, server_name="no.example", versions=["TLS 1.0"])
        with raw(TestNames.ACCEPTOR, outcome=UnrecognizedName) as sock:
            sock.sendall(to_records(hello.to_bytes(), version=0x0301))
            assert sock.recv(100) == b"\x15\x03\x01\x00\x02\x02\x70"

    def test_a_client_that_resets(self) -> None:
        with raw(TestNames.ACCEPTOR, outcome=TlsError.IoError) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            sock.close()


#: Those with the oldest version that the settings here take.
_WITH_TLS12 = [
    name
    for name in names()
    if why_absent(name) is None and Capability.Tls12 in find_backend(name).capabilities("server")
]


@pytest.mark.parametrize("backend", _WITH_TLS12)
class TestBackends:
    """Each backend's session finds the hello as if nobody had read it."""

    def acceptor(self, backend: str, **settings: Any) -> TlsAcceptor:
        return TlsAcceptor(SERVER.replace(backend=backend, **settings), names={"a.example": A})

    def test_by_name(self, backend: str) -> None:
        acceptor = self.acceptor(backend)
        assert shown(acceptor, "a.example") == A.certificate
        assert shown(acceptor, "no.example") == 112
        assert (
            shown(TlsAcceptor(acceptor.config.replace(resolver=lambda hello: B)), "x.b.example")
            == B.certificate
        )

    def test_the_name_without_a_resolver(self, backend: str) -> None:
        config = SERVER.with_identity(A.chain, A.key).with_backend(backend)
        assert shown(TlsAcceptor(config), "a.example") == A.certificate
        assert shown(TlsAcceptor(config), None, ANYONE) == A.certificate

    def test_a_second_hello_after_a_retry_request(self, backend: str) -> None:
        ours, theirs = sockets()
        accepted = beside(lambda: self.acceptor(backend).accept(theirs, timeout=5))
        with ours:
            assert retrying_client(ours, "a.example", ROOT.certificate) == 2
        with accepted.result(5) as server:
            assert server.server_name == "a.example"

    def test_a_hello_of_16_kib(self, backend: str) -> None:
        protocols = [f"protocol-{number}" for number in range(1300)]
        acceptor = self.acceptor(backend, alpn_protocols=("protocol-1299",))
        result, _ = tried(acceptor, "a.example", CLIENT.with_alpn(protocols))
        assert isinstance(result, TlsStream)
        assert result.alpn == "protocol-1299"


@contextmanager
def raw(acceptor: TlsAcceptor, *, outcome: type[BaseException]) -> Iterator[socket.socket]:
    """A plain socket to the acceptor, which has to end in `outcome`."""
    ours, theirs = sockets()
    with socket.socket(fileno=os.dup(ours.fileno())) as sock:
        ours.close()
        sock.settimeout(5)
        accepted = beside(lambda: acceptor.accept(theirs, timeout=5))
        yield sock
        sock.close()
        assert isinstance(accepted.exception(5), outcome)
        assert theirs.is_closed


def flight(sock: socket.socket) -> list[object]:
    """What the server sends until it waits or closes, as far as it is in the clear."""
    reader = FlightReader()
    items: list[object] = []
    while not items or not any(isinstance(item, Handshake) for item in items):
        data = sock.recv(65536)
        if not data:
            break
        items += reader.feed(data)
    return [item for item in items if isinstance(item, (Handshake, Alert))]


def test_memory_of_refused_hellos() -> None:
    """Clients that are refused leave nothing behind."""
    wire = of_openssl("no.example")

    def refused(count: int) -> None:
        for _ in range(count):
            ours, theirs = sockets_of(listener)
            with ours:
                ours.write_all(wire)
                with pytest.raises(UnrecognizedName):
                    TestNames.ACCEPTOR.accept(theirs, timeout=5)

    with TcpListener.bind("127.0.0.1:0") as listener:
        refused(20)
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        refused(200)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert after - before < 64 * 1024


def sockets_of(listener: TcpListener) -> tuple[TcpStream, TcpStream]:
    ours = TcpStream.connect(listener.local_addr, timeout=5)
    theirs, _ = listener.accept(timeout=5)
    return ours, theirs
