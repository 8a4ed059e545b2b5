"""Every backend before every kind of bad certificate, in memory: who refuses what, and with which error."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from netkit.tls.backend import Capability
from netkit.tls.backends import find_backend
from netkit.tls.config import CertVerifyMode
from netkit.tls.errors import TlsError
from netkit.tls.identity import Identity
from netkit.tls.throwaway import FAULTS, CertificateFault, ThrowawayAuthority, Wanted
from netkit.tls.versions import TlsVersion
from tests.tls.conformance.ends import (
    HOST,
    authority,
    client_config,
    client_identity,
    connected,
    identity,
    join,
    server_config,
    versions,
)
from tests.tls.conformance.test_capabilities import BACKENDS

if TYPE_CHECKING:
    from netkit.tls.config import TlsConfig

F = CertificateFault

#: Faults that are another error than "not accepted".
ERRORS: dict[CertificateFault, type[TlsError]] = {
    F.Expired: TlsError.CertificateExpired,
    F.ExpiredIntermediate: TlsError.CertificateExpired,
    F.ExpiredRoot: TlsError.CertificateExpired,
    F.WrongHost: TlsError.HostnameMismatch,
    F.NoSan: TlsError.HostnameMismatch,
    F.TrailingDot: TlsError.HostnameMismatch,
}


class Different(NamedTuple):
    """A verdict that differs by design: whether it connects, and why."""

    accepted: bool
    reason: str


#: Where the verdicts of TLS libraries differ, by backend and fault. docs/tls-backends.md has a table of it.
DIFFERENT: dict[tuple[str, CertificateFault], Different] = {
    (name, fault): Different(True, "its library verifies ML-DSA (RFC 9881)")
    for name in BACKENDS
    for fault in (F.MlDsa, F.MlDsaRoot)
    if Capability.PostQuantum in find_backend(name).capabilities("client")
} | {
    ("rustls", F.DecoyIssuer): Different(True, "webpki tries every path, OpenSSL keeps to the first"),
    ("rustls", F.ManyIssuers): Different(True, "webpki tries every path, OpenSSL keeps to the first"),
    ("rustls", F.WrongPath): Different(True, "webpki tries every path, OpenSSL keeps to the first"),
    ("rustls", F.ExpiredRoot): Different(True, "webpki reads no dates of a root"),
    ("rustls", F.NoCertSign): Different(True, "webpki does not read the key usage"),
    ("rustls", F.WrongKeyUsage): Different(True, "webpki does not read the key usage"),
    ("rustls", F.LongChain): Different(False, "webpki takes six authorities at most"),
    ("rustls", F.CaLeaf): Different(False, "webpki takes no authority's certificate for a server"),
    ("rustls-libcrux", F.MlDsa): Different(False, "OpenSSL judges its chains, it verifies no ML-DSA itself"),
    ("rustls-libcrux", F.MlDsaRoot): Different(
        Capability.PostQuantum in find_backend("ssl").capabilities("client"),
        "OpenSSL judges its chains, it verifies no ML-DSA itself",
    ),
}
# webpki judges for the FIPS module too.
DIFFERENT |= {
    ("rustls-fips", fault): is_good for (name, fault), is_good in DIFFERENT.items() if name == "rustls"
}


#: What OpenSSL does not send. Scripted servers send it, in the tests of the command.
UNSENDABLE = {
    F.HugeChain,
    F.DuplicateExtension,
    F.MalformedNames,
    F.MalformedCertificate,
    F.MalformedIntermediate,
}


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if fault not in UNSENDABLE], ids=lambda f: f.value
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_faulty_chain(backend: str, fault: CertificateFault) -> None:
    presented = authority().present(Wanted((HOST,), (fault,)))
    roots = tuple({authority().certificate, presented.root or authority().certificate})
    client = client_config(backend, root_certs=roots)
    # The standard backend sends whatever it is given, and reads: weak keys need its security level 0.
    # ML-DSA is read by the newer OpenSSL only.
    sends = "pyopenssl" if fault in (F.MlDsa, F.MlDsaRoot) and (backend, fault) in DIFFERENT else "ssl"
    server = server_config(sends, Identity(presented.chain, presented.key)).replace(
        min_version=TlsVersion.Tls10, cipher_suites="ALL:@SECLEVEL=0"
    )
    ends = join(client, server).shake_hands()
    different = DIFFERENT.get((backend, fault))
    accepted = FAULTS[fault].accepted if different is None else different.accepted
    if accepted:
        assert ends.client_error is None
        assert ends.say(b"ping") == b"ping"
    else:
        assert isinstance(ends.client_error, ERRORS.get(fault, TlsError.CertificateVerificationFailed))
        if fault not in (
            F.MlDsa,
            F.MlDsaRoot,
        ):  # an OpenSSL that cannot read its own chain cannot read the alert either
            assert isinstance(ends.server_error, TlsError.AlertReceived), "the peer is told"


@pytest.mark.parametrize("backend", BACKENDS)
class TestNames:
    """The names in a certificate, and the name that was asked for (RFC 9525)."""

    @pytest.mark.parametrize(
        ("names", "asked", "accepted"),
        [
            (("a.test",), "a.test", True),
            (("a.test",), "A.TEST", True),
            (("a.test",), "a.test.", True),
            (("a.test",), "b.test", False),
            (("a.test",), "x.a.test", False),
            (("*.a.test",), "x.a.test", True),
            (("*.a.test",), "x.y.a.test", False),
            (("*.a.test",), "a.test", False),
            (("127.0.0.1",), "127.0.0.1", True),
            (("127.0.0.1",), "127.0.0.2", False),
            (("::1",), "0:0::1", True),
            (("127.0.0.1",), "localhost", False),
        ],
    )
    def test_names(self, backend: str, names: tuple[str, ...], asked: str, accepted: bool) -> None:
        presented = authority().present(Wanted(names))
        server = server_config(backend, Identity(presented.chain, presented.key))
        ends = join(client_config(backend), server, name=asked).shake_hands()
        if accepted:
            assert ends.client_error is None
        else:
            assert isinstance(ends.client_error, TlsError.HostnameMismatch)

    def test_no_name_cannot_be_verified(self, backend: str) -> None:
        with pytest.raises(TlsError.InvalidConfig):
            join(client_config(backend), server_config(backend), name=None)

    @pytest.mark.parametrize("name", ["", "a..b", "a b", "*.a.test", "a\0b", "x" * 64 + ".test"])
    def test_a_name_that_cannot_be(self, backend: str, name: str) -> None:
        with pytest.raises(TlsError.InvalidConfig):
            join(client_config(backend), server_config(backend), name=name)


@pytest.mark.parametrize(
    "backend",
    [name for name in BACKENDS if Capability.CipherList in find_backend(name).capabilities("client")],
)
def test_a_server_without_a_certificate(backend: str) -> None:
    """An anonymous suite has no certificate to verify, so who verifies has no connection."""
    anonymous = {
        "min_version": TlsVersion.Tls12,
        "max_version": TlsVersion.Tls12,
        "cipher_suites": "aNULL:@SECLEVEL=0",
    }
    try:
        ends = join(client_config(backend, **anonymous), server_config("ssl", **anonymous)).shake_hands()
    except TlsError.InvalidConfig:
        return  # refused before anything connects
    assert isinstance(ends.client_error, TlsError.HandshakeFailed)
    trusting = client_config(backend, root_certs=(), verify_mode=CertVerifyMode.None_, **anonymous)
    assert connected(trusting, server_config("ssl", **anonymous)).client.peer_chain == ()


@pytest.mark.parametrize("backend", BACKENDS)
class TestClients:
    def asking(self, backend: str) -> TlsConfig:
        return server_config(backend, verify_mode=CertVerifyMode.Full, root_certs=(authority().certificate,))

    def test_a_good_one(self, backend: str) -> None:
        one = client_identity()
        ends = connected(client_config(backend).with_identity(one.chain, one.key), self.asking(backend))
        assert ends.server.peer_chain[0] == one.certificate

    @pytest.mark.parametrize("version", [TlsVersion.Tls12, TlsVersion.Tls13])
    def test_none_where_one_is_required(self, backend: str, version: TlsVersion) -> None:
        if version not in versions(backend):
            pytest.skip(f"{backend} has no {version}")
        client = client_config(backend, min_version=version, max_version=version)
        ends = join(client, self.asking(backend)).shake_hands()
        assert isinstance(ends.server_error, TlsError.HandshakeFailed)
        # In TLS 1.3 the client is done before the server refuses: the alert comes with its first read.
        error = ends.client_error
        if error is None:
            with pytest.raises(TlsError.AlertReceived) as caught:
                ends.client.read(1)
            error = caught.value
        assert isinstance(error, TlsError.AlertReceived)
        # RFC 5246 section 7.4.6: handshake_failure in TLS 1.2, where rustls says certificate_required too.
        assert error.code in ((116,) if version is TlsVersion.Tls13 else (40, 116))

    def test_one_of_another_authority(self, backend: str) -> None:
        stranger = ThrowawayAuthority("a stranger").present(Wanted(("a client",), (F.ClientEku,)))
        client = client_config(backend).with_identity(stranger.chain, stranger.key)
        ends = join(client, self.asking(backend)).shake_hands()
        assert isinstance(ends.server_error, TlsError.CertificateVerificationFailed)

    def test_a_servers_certificate_is_none_of_a_client(self, backend: str) -> None:
        one = identity()
        ends = join(client_config(backend).with_identity(one.chain, one.key), self.asking(backend))
        ends.shake_hands()
        assert isinstance(ends.server_error, TlsError.CertificateVerificationFailed)


@pytest.mark.parametrize("backend", BACKENDS)
class TestEnds:
    def test_a_clean_end(self, backend: str) -> None:
        ends = connected(client_config(backend), server_config(backend))
        ends.server.close_notify()
        ends.move()
        assert ends.client.read(1) == b""

    def test_a_cut(self, backend: str) -> None:
        ends = connected(client_config(backend), server_config(backend))
        assert ends.say(b"half", from_server=True) == b"half"
        ends.client.feed_eof()
        with pytest.raises(TlsError.Truncated):
            ends.client.read(1)

    def test_a_record_that_was_changed(self, backend: str) -> None:
        ends = connected(client_config(backend), server_config(backend))
        ends.server.write(memoryview(b"a"))
        ends.server.write(memoryview(b"b"))
        sent = bytearray(ends.server.take_output())
        sent[-1] ^= 1
        ends.client.feed(bytes(sent))
        assert ends.client.read(100) == b"a"
        with pytest.raises(TlsError):
            ends.client.read(100)

    def test_several_records_in_one_read(self, backend: str) -> None:
        ends = connected(client_config(backend), server_config(backend))
        for letter in b"abcdef":
            ends.server.write(memoryview(bytes([letter])))
        ends.client.feed(ends.server.take_output())
        assert ends.client.read(100) == b"abcdef"
        view = memoryview(bytearray(4))
        ends.server.write(memoryview(b"ghijkl"))
        ends.client.feed(ends.server.take_output())
        assert (ends.client.read_into(view), bytes(view)) == (4, b"ghij")
        assert ends.client.read(100) == b"kl"
        assert ends.client.read(100) is None

    def test_many_large_records_at_once(self, backend: str) -> None:
        """Wherever the library stops taking what was fed, it goes on there."""
        ends = connected(client_config(backend), server_config(backend))
        piece = memoryview(bytes(65_536))
        for count in (1, 3, 8):
            sent = bytearray()
            for _ in range(count):
                rest = piece
                while rest:
                    rest = rest[ends.client.write(rest) :]
                    sent += ends.client.take_output()
            for start in range(0, len(sent), 50_000):
                ends.server.feed(bytes(sent[start : start + 50_000]))
            heard = 0
            while data := ends.server.read(65_536):
                heard += len(data)
            assert heard == count * len(piece)

    def test_output_in_pieces(self, backend: str) -> None:
        ends = connected(client_config(backend), server_config(backend))
        ends.client.write(memoryview(b"x" * 5000))
        pieces = []
        while ends.client.pending_output:
            pieces.append(ends.client.take_output(1000))
        assert max(map(len, pieces)) <= 1000
        ends.server.feed(b"".join(pieces))
        assert ends.server.read(10_000) == b"x" * 5000

    def test_alpn(self, backend: str) -> None:
        client = client_config(backend, alpn_protocols=("h2", "http/1.1"))
        ends = connected(client, server_config(backend, alpn_protocols=("http/1.1",)))
        assert ends.client.alpn == ends.server.alpn == "http/1.1"
        assert connected(client, server_config(backend)).client.alpn is None

    def test_the_server_knows_the_name(self, backend: str) -> None:
        assert connected(client_config(backend), server_config(backend)).client.server_name == HOST
