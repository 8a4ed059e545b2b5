"""Settings that a backend honours itself: groups, lists of revoked certificates, verifiers, early data."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from netkit.tls.backends import backend_for, find_backend, prepare
from netkit.tls.backends.standard import standard_backend
from netkit.tls.config import TlsConfig
from netkit.tls.connection.moving import TAKE_SIZE
from netkit.tls.errors import TlsError
from netkit.tls.stream import TlsStream
from netkit.tls.versions import TlsVersion
from tests.tls.each_backend import OWN, each_backend  # noqa: F401 - a fixture
from tests.tls.pki import DAY, NOW, Issued, issue
from tests.tls.test_stream import CLIENT, HOST, LEAF, ROOT, SERVER, Both, beside, sockets


class TestGroups:
    """The ssl module sets one group; the key share in the hello shows which one it is."""

    @pytest.mark.parametrize(
        ("group", "octets"), [("x25519", 32), ("secp256r1", 65), ("secp384r1", 97), ("X25519", 32)]
    )
    def test_one(self, group: str, octets: int) -> None:
        from netkit.tls.hello import ClientHello, HelloReader, KeyShares

        session = prepare(CLIENT.replace(groups=(group,), backend="ssl")).session(HOST)
        session.handshake()
        hello = HelloReader().feed(session.take_output())
        assert isinstance(hello, ClientHello)
        (shares,) = (each for each in hello.extensions if isinstance(each, KeyShares))
        assert [len(share.key_exchange) for share in shares.shares] == [octets]

    @pytest.mark.parametrize("groups", [("x25519",), ("secp384r1",)])
    def test_both_sides(self, groups: tuple[str, ...]) -> None:
        ends = CLIENT.replace(groups=groups, backend="ssl"), SERVER.replace(groups=groups, backend="ssl")
        with Both(*ends) as both:
            assert both.client.backend == both.server.backend == "ssl"
        with pytest.raises(TlsError):
            Both(ends[0], SERVER.replace(groups=("secp521r1",), backend="ssl"))

    @pytest.mark.skipif("groups" not in str(standard_backend().refusals(CLIENT.replace(groups=("a", "b")))),
                        reason="this Python sets several")  # fmt: skip
    @pytest.mark.parametrize(
        ("groups", "words"), [(("x25519", "secp384r1"), "one group, not several"), (("ffdhe1",), "ffdhe1")]
    )
    def test_what_is_refused(self, groups: tuple[str, ...], words: str) -> None:
        config = CLIENT.replace(groups=groups)
        (refusal,) = standard_backend().refusals(config)
        assert refusal.setting == "groups"
        assert words in refusal.reason
        with pytest.raises(TlsError.CapabilityError, match=words):
            prepare(config.with_backend("ssl"))

    def test_several_choose_another_backend(self) -> None:
        assert backend_for(CLIENT.replace(groups=("x25519", "secp384r1"))).name == "pyopenssl"
        assert backend_for(CLIENT.replace(groups=("x25519",))).name == "ssl"


def listing(issuer: Issued, *revoked: Issued, until: timedelta = DAY, key: Any = None) -> bytes:
    """A list of revoked certificates, in DER."""
    builder = x509.CertificateRevocationListBuilder(issuer.name, NOW - 2 * DAY, NOW + until)
    for each in revoked:
        serial = x509.load_der_x509_certificate(each.certificate.der_data).serial_number
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(serial, NOW - DAY).build())
    # RFC 5280 section 5.2 demands both; webpki insists.
    builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    return builder.sign(key or issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


DIRECT = issue(HOST, ROOT, sans=(HOST,))
OTHER = issue("Other", ca=True)
DIRECT_SERVER = SERVER.with_identity(DIRECT.certificate, DIRECT.private_key)


class TestRevocation:
    @pytest.mark.parametrize("backend", OWN)
    def test_in_order(self, backend: str) -> None:
        config = CLIENT.replace(crls=(listing(OTHER), listing(ROOT, LEAF)), backend=backend)
        with Both(config, DIRECT_SERVER):
            pass

    @pytest.mark.parametrize("backend", OWN)
    @pytest.mark.parametrize(
        ("lists", "code", "words"),
        [
            ((listing(ROOT, DIRECT),), 23, "revoked"),
            ((listing(OTHER, DIRECT),), 3, "CRL"),
            ((listing(ROOT, until=-timedelta(hours=1)),), 12, "CRL has expired"),
            ((listing(ROOT, key=OTHER.key),), 8, "CRL signature"),
        ],
        ids=["revoked", "none of the issuer", "expired", "forged"],
    )
    def test_refusals(self, backend: str, lists: tuple[bytes, ...], code: int, words: str) -> None:
        with pytest.raises(TlsError.CertificateVerificationFailed, match=words) as caught:
            Both(CLIENT.replace(crls=lists, backend=backend), DIRECT_SERVER)
        assert caught.value.code == code
        assert (caught.value.hint is not None) is (code in (3, 12))

    @pytest.mark.parametrize("backend", OWN)
    def test_of_a_client(self, backend: str) -> None:
        someone = issue("someone", ROOT)
        client = CLIENT.with_identity(someone.certificate, someone.private_key)
        server = SERVER.replace(
            root_certs=(ROOT.certificate,), verify_mode=CLIENT.verify_mode, crls=(listing(ROOT, someone),)
        ).with_backend(backend)
        ours, theirs = sockets()
        accepted = beside(partial(TlsStream.accept, theirs, server, timeout=5))
        with TlsStream.connect(ours, HOST, client, timeout=5) as stream:
            with pytest.raises(TlsError.AlertReceived) as caught:
                stream.read(timeout=5)
            assert caught.value.name == "certificate_revoked"
        with pytest.raises(TlsError.CertificateVerificationFailed, match="revoked"):
            accepted.result(5)

    @pytest.mark.parametrize("backend", OWN)
    @pytest.mark.parametrize("der", [b"", b"nonsense", listing(ROOT)[:-1], ROOT.certificate.der_data])
    def test_what_is_no_list(self, backend: str, der: bytes) -> None:
        with pytest.raises(
            TlsError.InvalidConfig, match="crls: one of them is no certificate revocation list"
        ):
            prepare(CLIENT.replace(crls=(der,), backend=backend))


class TestVerifier:
    @pytest.mark.parametrize("version", [TlsVersion.Tls12, TlsVersion.Tls13])
    @pytest.mark.parametrize("refusal", [TlsError.CertificateVerificationFailed("no"), RuntimeError("no")])
    def test_a_refusal_is_no_clean_end(self, version: TlsVersion, refusal: Exception) -> None:
        """The backend asks after the handshake: no data has passed, and the server sees no close_notify."""

        def verifier(*_: object) -> None:
            raise refusal

        config = TlsConfig.client().with_verifier(verifier).replace(max_version=version, backend="ssl")
        ours, theirs = sockets()
        accepted = beside(partial(TlsStream.accept, theirs, SERVER, timeout=5))
        with pytest.raises(type(refusal), match="no"):
            TlsStream.connect(ours, HOST, config, timeout=5, early_data=b"secret")
        assert ours.is_closed
        with accepted.result(5) as server, pytest.raises((TlsError.Truncated, ConnectionError)):
            server.read(timeout=5)


@pytest.mark.parametrize("resumes", [False, True])
@pytest.mark.parametrize("version", [TlsVersion.Tls12, TlsVersion.Tls13])
def test_early_data_without_the_capability_is_sent_once(version: TlsVersion, resumes: bool) -> None:
    from netkit.tls.sessions import MemorySessionStore

    config = CLIENT.replace(backend="ssl", max_version=version)
    if resumes:
        config = config.replace(session_store=MemorySessionStore())
    for turn in range(2):
        ours, theirs = sockets()
        accepted = beside(partial(TlsStream.accept, theirs, SERVER, timeout=5))
        client = TlsStream.connect(ours, HOST, config, early_data=b"early", timeout=5)
        server: TlsStream = accepted.result(5)
        with client, server:
            assert client.resumed is (resumes and turn == 1)
            assert client.early_data_accepted is None
            client.write_all(b" and late", timeout=5)
            client.shutdown(timeout=5)
            assert server.read_to_end(timeout=5) == b"early and late"
            assert server.early_data == b""
            server.shutdown(timeout=5)
            assert client.read(timeout=5) == b""


@pytest.mark.usefixtures("each_backend")
class TestSessions:
    def ends(self) -> tuple[Any, Any]:
        client, server = prepare(CLIENT).session(HOST), prepare(SERVER).session(None)
        done = False
        while not done:
            done = client.handshake()
            server.feed(client.take_output())
            server.handshake()
            client.feed(server.take_output())
        return client, server

    def test_output_comes_in_pieces(self) -> None:
        client, server = self.ends()
        data = bytes(range(256)) * 1024
        assert client.write(memoryview(data)) == len(data)
        sizes = []
        while client.pending_output:
            piece = client.take_output(TAKE_SIZE)
            sizes.append(len(piece))
            server.feed(piece)
        assert sizes[:-1] == [TAKE_SIZE] * (len(sizes) - 1)
        assert len(sizes) == 2
        found = b""
        while (piece := server.read(10_000)) is not None:
            assert len(piece) == min(10_000, len(data) - len(found))
            found += piece
        assert found == data
        assert client.take_output() == b""

    def test_a_read_of_several_records_that_end_with_the_connection(self) -> None:
        client, server = self.ends()
        for number in range(3):
            client.write(memoryview(b"%d" % number))
        client.close_notify()
        server.feed(client.take_output())
        assert server.read(100) == b"012"
        assert server.read(100) == server.read(100) == b""

    def test_what_is_verified(self) -> None:
        client, server = self.ends()
        assert client.verified is True
        assert server.verified is None


@pytest.mark.parametrize("name", ["x" * 63 + ".example", "a_b.example", "xn--bcher-kva.example"])
def test_names_that_can_be_sent(name: str) -> None:
    session = find_backend("ssl").prepare(CLIENT).session(name)
    session.handshake()
    assert name.encode() in session.take_output()
