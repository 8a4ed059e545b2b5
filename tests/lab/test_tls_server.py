"""The TLS server that misbehaves on purpose, and its sites: what netkit's own client says of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from netkit.errors import NetkitError
from netkit.http.server.tls_page import TlsPage
from netkit.io import DeadlineExceeded
from netkit.lab.tls_conduct import Breach, Conduct, FlightFilter
from netkit.lab.tls_server import Chooser, Handshake, Site, TlsServer, echo_flow
from netkit.lab.tls_sites import SITES, BadSites, kind_of, site_of, with_client_auth
from netkit.net import TcpListener, TcpStream
from netkit.serve.connections import in_background
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.hello.codes import RETRY_RANDOM
from netkit.tls.hello.errors import MalformedMessage
from netkit.tls.hello.records import Alert, to_records
from netkit.tls.hello.server_messages import CertificateMessage, ServerHello
from netkit.tls.identities import ByCertificate
from netkit.tls.identity import Identity
from netkit.tls.stream import TlsStream
from netkit.tls.throwaway import ThrowawayAuthority, Wanted
from netkit.tls.versions import TlsVersion
from tests.waiting import until

AUTHORITY = ThrowawayAuthority()
SERVER = TlsConfig.server().with_alpn(("h2", "http/1.1"))
USUAL = site_of(AUTHORITY.present(Wanted(("localhost",))), SERVER)
TRUSTING = TlsConfig.client().with_root_certs([AUTHORITY.certificate])


class Served(NamedTuple):
    """A running server: its port, and the handshakes that it has told of."""

    port: int
    told: list[Handshake]
    server: TlsServer

    def connect(self, name: str | None, config: TlsConfig = TRUSTING, timeout: float = 5) -> TlsStream:
        stream = TcpStream.connect(f"127.0.0.1:{self.port}", timeout=5)
        return TlsStream.connect(stream, name, config, timeout=timeout)

    def last(self, count: int = 1) -> Handshake:
        until(lambda: len(self.told) >= count)
        return self.told[-1]


@contextmanager
def serving(choose: Chooser, *, echo: bool = False) -> Iterator[Served]:
    told: list[Handshake] = []
    listener = TcpListener.bind("127.0.0.1:0")
    talk = echo_flow if echo else TlsPage().talk_flow
    server = TlsServer([listener], choose, talk, on_handshake=told.append)
    with in_background(server.serve):
        yield Served(listener.local_addr.port, told, server)


def behaving(conduct: Conduct) -> Chooser:
    return one(Site(USUAL.config, conduct))


def one(site: Site) -> Chooser:
    return lambda _name: site


@pytest.fixture(scope="module")
def bad_sites() -> Iterator[tuple[Served, BadSites]]:
    sites = BadSites(AUTHORITY, "localhost", USUAL, [AUTHORITY.certificate])
    with serving(sites) as served:
        yield served, sites


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n\r\n"


def page(stream: TlsStream) -> dict[str, object]:
    with stream:
        stream.write_all(GET, timeout=5)
        head, _, body = stream.read_to_end(timeout=5).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        found: dict[str, object] = json.loads(body)
        return found


#: What needs an alert, a wait, or a word of its own is below.
ORDINARY = [label for label in SITES if label not in ("slow", "truncate", "silent")]


@pytest.mark.parametrize("label", ORDINARY)
def test_every_site(label: str, bad_sites: tuple[Served, BadSites]) -> None:
    served, sites = bad_sites
    before = len(served.told)
    trusting = TRUSTING.with_root_certs([AUTHORITY.certificate, *sites.roots])
    name = f"{label}.localhost"
    if SITES[label].accepted:
        found = page(served.connect(name, trusting))
        assert found["server_name"] == name
        assert found["alpn"] is None
        return
    with pytest.raises(NetkitError) as error:
        page(served.connect(name, trusting))
    assert isinstance(error.value, TlsError)
    told = served.last(before + 1)
    assert told.tls is None
    assert (told.error is None) is (told.deed is not None)
    assert told.server_name == name


@pytest.mark.parametrize("label", ["good", "weak-key", "sha1", "md5", "long-chain", "malformed-names"])
def test_sites_of_another_backend(label: str) -> None:
    usual = site_of(AUTHORITY.present(Wanted(("localhost",))), SERVER.with_backend("pyopenssl"))
    sites = BadSites(AUTHORITY, "localhost", usual, [AUTHORITY.certificate])
    with serving(sites) as served:
        if SITES[label].accepted:
            assert page(served.connect(f"{label}.localhost"))["group"] is not None
            return
        with pytest.raises(TlsError.CertificateVerificationFailed):
            served.connect(f"{label}.localhost")
        assert isinstance(served.last().error, TlsError.AlertReceived)


def test_names_that_are_no_sites_get_the_usual_one(bad_sites: tuple[Served, BadSites]) -> None:
    served, sites = bad_sites
    assert page(served.connect("localhost"))["server_name"] == "localhost"
    for name in ("nothing.localhost", "expired.another", "alert-256.localhost", "alert-x.localhost", None):
        assert sites(name) is USUAL
    assert sites("alert-7.localhost").conduct.alert == 7
    assert kind_of("expired") is SITES["expired"]


@pytest.mark.parametrize(
    ("conduct", "error", "words", "deed"),
    [
        (Conduct(alert=80), TlsError.AlertReceived, "internal_error", "sent the alert internal_error (80)"),
        (Conduct(Breach.PlainSsh), TlsError.NotTls, "SSH", "spoke SSH"),
        (Conduct(Breach.PlainSmtp), TlsError.NotTls, "SMTP", "spoke SMTP"),
        (Conduct(Breach.PlainHttp), TlsError.NotTls, "HTTP", "answered as HTTP without TLS"),
        (Conduct(Breach.ResetAfterHello), TlsError.IoError, "reset", "reset the connection"),
        (Conduct(Breach.CloseAfterHello), TlsError.Truncated, "closed", "closed the connection"),
        (Conduct(Breach.LongRecord), TlsError.HandshakeFailed, "too long", "too long"),
    ],
    ids=lambda value: value.breach.value if isinstance(value, Conduct) and value.breach else None,
)
def test_conduct(conduct: Conduct, error: type[TlsError], words: str, deed: str) -> None:
    with serving(behaving(conduct)) as served:
        with pytest.raises(error, match=words):
            served.connect("localhost")
        told = served.last()
    assert told.error is None
    assert deed in (told.deed or "")
    assert served.server.counts()["refused"] == 1


def test_silence() -> None:
    with serving(behaving(Conduct(Breach.Silent))) as served, pytest.raises(DeadlineExceeded):
        served.connect("localhost", timeout=0.1)


def test_a_slow_answer() -> None:
    with serving(behaving(Conduct(slow=0.1))) as served:
        with pytest.raises(DeadlineExceeded):
            served.connect("localhost", timeout=0.05)
        served.connect("localhost").close()
        until(lambda: any(told.tls is not None for told in served.told))
        assert next(told for told in served.told if told.tls is not None).elapsed >= 0.1


@pytest.mark.parametrize("version", [TlsVersion.Tls12, TlsVersion.Tls13])
@pytest.mark.parametrize("breach", [Breach.Garbage, Breach.LongRecord, Breach.CloseAfterServerHello])
def test_after_the_server_hello_in_each_version(version: TlsVersion, breach: Breach) -> None:
    client = TRUSTING.replace(min_version=version, max_version=version)
    with serving(behaving(Conduct(breach))) as served:
        with pytest.raises(TlsError):
            served.connect("localhost", client)
        assert served.last().deed == breach.words


@pytest.mark.parametrize("echo", [True, False], ids=["echo", "page"])
def test_an_end_without_close_notify(echo: bool) -> None:
    conduct = behaving(Conduct(truncates=True))
    with serving(conduct, echo=echo) as served, served.connect("localhost") as stream:
        stream.write_all(b"hello" if echo else GET, timeout=5)
        if echo:
            assert stream.read_exactly(5, timeout=5) == b"hello"
            stream.shutdown(timeout=5)
        with pytest.raises(TlsError.Truncated):
            stream.read_to_end(timeout=5)


def test_an_echo() -> None:
    with serving(behaving(Conduct()), echo=True) as served:
        with served.connect("localhost") as stream:
            stream.write_all(bytes(100_000), timeout=5)
            assert stream.read_exactly(100_000, timeout=5) == bytes(100_000)
            stream.shutdown(timeout=5)
            assert stream.read(timeout=5) == b""
        assert served.server.counts()["handshakes"] == 1


def test_a_client_of_something_else() -> None:
    with serving(behaving(Conduct())) as served:
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"", b"\x16\x03\x01\x00\x05"):
            with TcpStream.connect(f"127.0.0.1:{served.port}") as stream:
                stream.write_all(data) if data else None
                stream.shutdown()
                answer = stream.read_to_end(timeout=5)
                assert (b"write https://" in answer) is data.startswith(b"GET")
        until(lambda: len(served.told) == 3)
        kinds = {type(told.error) for told in served.told}
        assert kinds <= {TlsError.Truncated, *TlsError.NotTls.__subclasses__(), TlsError.NotTls}
        assert all(told.hello is None for told in served.told)


def test_a_malformed_hello_is_answered_with_its_alert() -> None:
    hello = b"\x01\x00\x00\x26\x03\x03" + bytes(32) + b"\x00\x00\x02\x13"  # a suite of one octet
    with serving(behaving(Conduct())) as served:
        with TcpStream.connect(f"127.0.0.1:{served.port}") as stream:
            stream.write_all(to_records(hello))
            assert stream.read_exactly(7, timeout=5) == Alert.fatal(50).to_record()
        assert isinstance(served.last().error, MalformedMessage)


def test_client_certificates() -> None:
    client = AUTHORITY.present(Wanted(("a client",), is_client=True))
    stranger = ThrowawayAuthority().present(Wanted(("a stranger",), is_client=True))
    for how in ("optional", "required"):
        config = with_client_auth(USUAL.config, how, [AUTHORITY.certificate])  # type: ignore[arg-type]
        with serving(one(Site(config))) as served:
            found = page(served.connect("localhost", TRUSTING.with_identity(client.chain, client.key)))
            shown = found["client_certificate"]
            assert isinstance(shown, dict)
            assert shown == {"subject": "CN=a client", "sha256": client.chain[0].fingerprint_sha256}
            with pytest.raises(TlsError):
                page(served.connect("localhost", TRUSTING.with_identity(stranger.chain, stranger.key)))
            if how == "optional":
                assert page(served.connect("localhost"))["client_certificate"] is None
            else:
                with pytest.raises(TlsError):
                    page(served.connect("localhost"))


def test_the_certificate_is_chosen_by_name() -> None:
    names = (("one.test",), ("*.two.test", "two.test"), ("three.test", "127.0.0.1"))
    identities = [
        Identity(made.chain, made.key) for made in (AUTHORITY.present(Wanted(each)) for each in names)
    ]
    config = SERVER.replace(resolver=ByCertificate(tuple(identities)))
    with serving(one(Site(config))) as served:
        for name in ("one.test", "a.two.test", "two.test", "THREE.test"):
            served.connect(name).close()
        any_name = TRUSTING.with_verify_mode(CertVerifyMode.None_)
        for other in ("four.test", None):
            with served.connect(other, any_name) as stream:
                assert stream.peer_certificate == identities[0].certificate


# The filter of flights, octet by octet.


def server_hello(random: bytes = bytes(32)) -> bytes:
    from netkit.tls.hello.suites import CipherSuite

    return ServerHello(random, CipherSuite(0xC02B)).to_bytes()


FLIGHT = (
    to_records(server_hello())
    + to_records(CertificateMessage((b"a certificate",)).to_bytes())
    + to_records(b"\x0e\x00\x00\x00")
)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_certificates_are_replaced(size: int) -> None:
    others = (b"other octets" * 3000, b"")
    made = FlightFilter(Conduct(certificates=others[:1]))
    pieces = [FLIGHT[start : start + size] for start in range(0, len(FLIGHT), size)]
    out = b"".join(map(made.take, pieces))
    assert out == (
        to_records(server_hello())
        + to_records(CertificateMessage(others[:1]).to_bytes())
        + to_records(b"\x0e\x00\x00\x00")
    )
    assert not made.is_through
    rest = b"\x14\x03\x03\x00\x01\x01" + b"\x16\x03\x03\x00\x28" + bytes(0x28)
    assert b"".join(made.take(bytes((each,))) for each in rest) == rest
    assert made.is_through


def test_an_alert_passes() -> None:
    made = FlightFilter(Conduct(Breach.Garbage))
    record = Alert.fatal(40).to_record()
    assert made.take(record) == record
    assert not made.is_over


def test_a_retry_request_is_no_server_hello() -> None:
    made = FlightFilter(Conduct(Breach.CloseAfterServerHello))
    retry = to_records(server_hello(RETRY_RANDOM)) + b"\x14\x03\x03\x00\x01\x01"
    assert made.take(retry) == retry
    assert not made.is_over
    assert made.take(FLIGHT) == to_records(server_hello())
    assert made.is_over
    assert made.take(FLIGHT) == b""
