"""The backend `pyopenssl`, beyond what every backend shows (tests/tls/conformance): its rooms one by one."""

from __future__ import annotations

import gc
import random
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key
from OpenSSL import SSL

from netkit.tls.backend import Capability, ResumableSession
from netkit.tls.backends import find_backend, prepare
from netkit.tls.backends.pyopenssl import backend as module, bindings
from netkit.tls.backends.pyopenssl.backend import PreparedContext, PyopensslBackend, pyopenssl_backend
from netkit.tls.backends.pyopenssl.resumption import read_fields
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.heard import Heard
from netkit.tls.sessions import MemorySessionStore
from netkit.tls.versions import TlsVersion
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.der import DerError
from tests.tls.conformance.ends import (
    HOST,
    Ends,
    authority,
    client_config,
    client_identity,
    connected,
    identity,
    join,
    server_config,
)

NAME = "pyopenssl"
BOTH_VERSIONS = pytest.mark.parametrize("version", [TlsVersion.Tls12, TlsVersion.Tls13])


def only(version: TlsVersion) -> dict[str, TlsVersion]:
    return {"min_version": version, "max_version": version}


def judged_by(verifier: Any, **changes: Any) -> TlsConfig:
    return client_config(NAME, root_certs=(), verify_mode=CertVerifyMode.Custom, verifier=verifier, **changes)


class TestBindings:
    def test_a_capability_is_there_if_all_its_functions_are(self) -> None:
        everything = frozenset(name for names in bindings.OPTIONAL.values() for name in names)
        assert bindings.found(everything) == set(bindings.OPTIONAL)
        without = everything - {"SSL_CTX_set_msg_callback"}
        assert set(bindings.OPTIONAL) - bindings.found(without) == {
            Capability.SignatureScheme,
            Capability.EarlyData,
            Capability.Scts,
            Capability.VerifierInside,
            Capability.ClientAuthRequest,
        }
        assert bindings.found(frozenset()) == frozenset()

    def test_without_what_verifies_a_host_there_is_no_backend(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bound = frozenset(bindings.REQUIRED) - {"X509_VERIFY_PARAM_set1_host"}
        assert bindings.missing(bound) == ("X509_VERIFY_PARAM_set1_host",)
        monkeypatch.setattr(bindings, "missing", lambda: ("X509_VERIFY_PARAM_set1_host",))
        with pytest.raises(ImportError, match="does not bind X509_VERIFY_PARAM_set1_host"):
            pyopenssl_backend.__wrapped__()

    def test_what_is_missing_is_refused_by_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bindings, "found", frozenset)
        config = client_config(NAME, groups=("x25519",), request_ocsp=True)
        refused = {refusal.setting for refusal in PyopensslBackend().refusals(config)}
        assert refused == {"groups", "request_ocsp"}

    def test_a_session_works_without_the_optional_ones(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from netkit.tls.backends.pyopenssl import context, known, session

        for room in (context, known, session):
            monkeypatch.setattr(room, "found", frozenset)
        monkeypatch.setattr(context, "is_bound", lambda name: False)
        made = {
            config: PreparedContext(config, context.context_for(config, None))
            for config in (client_config(NAME), server_config(NAME))
        }
        monkeypatch.setattr(module, "_prepared", lambda config, _outside: made[config])
        ends = connected(client_config(NAME), server_config(NAME))
        assert ends.say(b"ping") == b"ping"
        assert ends.client.peer_chain == identity().chain
        told = (ends.client.group, ends.client.signature_scheme, ends.client.ocsp_response)
        assert told == (None, None, None)

    def test_the_version_is_the_librarys(self) -> None:
        assert find_backend(NAME).version.startswith("OpenSSL ")


class TestRefusals:
    @pytest.mark.parametrize(
        ("setting", "value", "words"),
        [
            ("groups", ("x25519", "no-such-group"), "knows nothing called no-such-group"),
            ("groups", ("x25519:*P-256",), "knows nothing called"),
            ("signature_algorithms", ("rsa_md5",), "knows nothing called rsa_md5"),
            ("tls13_cipher_suites", ("TLS_AES_128_GCM_SHA256", "TLS_NONE"), "knows nothing called TLS_NONE"),
            ("tls13_cipher_suites", ("ÄÖ",), "knows nothing called ÄÖ"),
            ("ech_grease", True, "no ECH"),
            ("certificate_compression", ("zlib",), "no certificate compression"),
        ],
    )
    def test_what_its_openssl_does_not_know(self, setting: str, value: Any, words: str) -> None:
        with pytest.raises(TlsError.CapabilityError, match=words) as caught:
            prepare(client_config(NAME, **{setting: value}))
        assert caught.value.setting == setting

    def test_more_early_data_than_it_takes(self) -> None:
        with pytest.raises(TlsError.CapabilityError, match="16384 bytes at most"):
            prepare(server_config(NAME, max_early_data=16_385))

    @pytest.mark.parametrize(
        ("config", "kind"),
        [
            (TlsConfig.server().with_backend(NAME), TlsError.InvalidConfig),
            (server_config(NAME).replace(identity_key=client_identity().key), TlsError.InvalidKey),
            (server_config(NAME, cipher_suites="NONSENSE"), TlsError.NoCipherSuites),
            (client_config(NAME, root_certs=(Certificate(b"\x30\x00"),)), TlsError.InvalidCertificate),
            (client_config(NAME, crls=(b"\x30\x00",)), TlsError.InvalidConfig),
        ],
        ids=["no identity", "another key", "no suite", "no certificate", "no list"],
    )
    def test_settings_that_cannot_be(self, config: TlsConfig, kind: type[TlsError]) -> None:
        with pytest.raises(kind):
            prepare(config)

    def test_the_same_settings_share_a_context(self) -> None:
        assert prepare(client_config(NAME)) is prepare(client_config(NAME))
        assert prepare(client_config(NAME)) is not prepare(client_config(NAME, groups=("x25519",)))


def test_the_suites_are_those_of_the_ssl_module() -> None:
    """The security level, too: it is what leaves suites out."""
    pythons = {
        cipher["name"]
        for cipher in prepare(client_config("ssl")).context.get_ciphers()  # type: ignore[attr-defined]
    }
    ours = SSL.Connection(prepare(client_config(NAME)).context, None).get_cipher_list()  # type: ignore[attr-defined]
    assert set(ours) <= pythons
    assert len(ours) > len(pythons) / 2


class TestVerifier:
    @BOTH_VERSIONS
    @pytest.mark.parametrize(
        ("error", "alert"),
        [
            (TlsError.CertificateVerificationFailed("not on the list"), "certificate_unknown"),
            (TlsError.CertificateVerificationFailed("revoked", 23), "certificate_revoked"),
            (TlsError.CertificateExpired(), "certificate_expired"),
            (TlsError.HandshakeFailed("whatever"), "certificate_unknown"),
        ],
        ids=["plain", "with a code", "expired", "another error"],
    )
    def test_its_refusal_is_an_alert(self, error: TlsError, alert: str, version: TlsVersion) -> None:
        def refuse(chain: object, name: object) -> None:
            raise error

        # The client would show a certificate: none goes out to a server that was refused.
        one = client_identity()
        asking = server_config(
            NAME, verify_mode=CertVerifyMode.Full, root_certs=(authority().certificate,), **only(version)
        )
        ends = join(judged_by(refuse).with_identity(one.chain, one.key), asking).shake_hands()
        assert ends.client_error is error
        assert isinstance(ends.server_error, TlsError.AlertReceived)
        assert ends.server_error.name == alert
        assert ends.server.peer_chain == ()

    def test_it_is_asked_once_and_sees_the_whole_chain(self) -> None:
        asked: list[object] = []
        ends = connected(judged_by(lambda chain, name: asked.append((chain, name))), server_config(NAME))
        assert asked == [(identity().chain, HOST)]
        assert ends.client.verified is True

    def test_an_address_is_what_it_is_asked_about(self) -> None:
        asked: list[object] = []
        connected(judged_by(lambda chain, name: asked.append(name)), server_config(NAME), name="127.0.0.1")
        assert asked == ["127.0.0.1"]

    @pytest.mark.parametrize("error", [ZeroDivisionError("a fault in it"), KeyboardInterrupt()])
    def test_any_other_exception_reaches_the_caller(self, error: BaseException) -> None:
        def fail(chain: object, name: object) -> None:
            raise error

        ends = join(judged_by(fail), server_config(NAME))
        ends.client.handshake()
        ends.move()
        ends.server.handshake()
        ends.move()
        with pytest.raises(type(error)) as caught:
            ends.client.handshake()
        assert caught.value is error

    @BOTH_VERSIONS
    def test_on_a_server(self, version: TlsVersion) -> None:
        asked: list[tuple[Certificate, ...]] = []

        def verifier(chain: tuple[Certificate, ...], name: object) -> None:
            asked.append(chain)
            if len(asked) > 1:
                raise TlsError.CertificateVerificationFailed("only once")

        server = server_config(NAME, verify_mode=CertVerifyMode.Custom, verifier=verifier, **only(version))
        one = client_identity()
        client = client_config(NAME).with_identity(one.chain, one.key)
        ends = connected(client, server)
        assert asked == [one.chain]
        assert ends.server.signature_scheme == "ecdsa_secp256r1_sha256"
        ends = join(client, server).shake_hands()
        assert isinstance(ends.server_error, TlsError.CertificateVerificationFailed)
        none_shown = join(client_config(NAME), server).shake_hands()
        assert isinstance(none_shown.server_error, TlsError.HandshakeFailed)

    def test_it_may_make_a_connection_of_its_own(self) -> None:
        asked: list[object] = []

        def verifier(chain: object, name: object) -> None:
            asked.append(name)
            connected(judged_by(lambda chain, name: asked.append("inside")), server_config(NAME))

        ends = connected(judged_by(verifier), server_config(NAME))
        assert asked == [HOST, "inside"]
        assert ends.client.signature_scheme == "ecdsa_secp256r1_sha256"

    @pytest.mark.parametrize("mode", ["full", "custom"])
    def test_a_suite_without_certificates_verifies_nobody(self, mode: str) -> None:
        anonymous = {"cipher_suites": "aNULL:@SECLEVEL=0", **only(TlsVersion.Tls12)}
        client = client_config(NAME, **anonymous)
        if mode == "custom":
            client = judged_by(lambda chain, name: None, **anonymous)
        ends = join(client, server_config(NAME, **anonymous)).shake_hands()
        assert isinstance(ends.client_error, TlsError.HandshakeFailed)
        assert "no certificate" in str(ends.client_error)

    def test_what_a_callback_raises_is_not_lost(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(self: Heard, message: bytes) -> None:
            raise KeyboardInterrupt

        ends = join(client_config(NAME), server_config(NAME))
        ends.client.handshake()
        ends.move()
        ends.server.handshake()
        ends.move()
        monkeypatch.setattr(Heard, "note", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ends.client.handshake()


class TestWhatIsTold:
    @BOTH_VERSIONS
    def test_the_request_for_a_certificate_names_authorities(self, version: TlsVersion) -> None:
        """From a server that sends names: netkit's own send none."""
        name = authority().certificate
        context = foreign_context()
        context.add_client_ca(x509.load_der_x509_certificate(name.der_data))
        context.set_verify(SSL.VERIFY_PEER)
        server = SSL.Connection(context, None)
        server.set_accept_state()
        client = prepare(client_config(NAME, **only(version))).session(HOST)
        talk(client, server)
        asked = client.client_certificate_requested
        assert asked is not None
        assert asked.ca_names == (name.subject_der,)

    def test_timestamps_of_tls_12(self) -> None:
        timestamp = b"\x00" + bytes(range(60))
        listed = bindings.ffi.new("unsigned char[]", vector(vector(timestamp)))

        foreign: Any = bindings.ffi

        @foreign.callback("int (*)(SSL *, unsigned int, const unsigned char **, size_t *, int *, void *)")
        def add(_ssl: Any, _kind: int, out: Any, size: Any, _alert: Any, _extra: Any) -> int:
            out[0], size[0] = listed, 2 + 2 + len(timestamp)
            return 1

        context = foreign_context()
        null = bindings.ffi.NULL
        library: Any = bindings.lib
        added = library.SSL_CTX_add_server_custom_ext(
            bindings.context_of(context), 18, add, null, null, null, null
        )
        assert added == 1
        server = SSL.Connection(context, None)
        server.set_accept_state()
        client = prepare(
            client_config(NAME, root_certs=(), verify_mode=CertVerifyMode.None_, **only(TlsVersion.Tls12))
        ).session(HOST)
        talk(client, server)
        assert client.scts == (timestamp,)

    def test_timestamps_of_tls_13(self) -> None:
        heard = Heard()
        timestamp = b"\x00" + bytes(40)
        extensions = b"\x00\x05\x00\x01\x01" + b"\x00\x12" + vector(vector(vector(timestamp)))
        entry = (3).to_bytes(3, "big") + b"abc" + vector(extensions)
        body = b"\x00" + len(entry).to_bytes(3, "big") + entry
        heard.note(b"\x0b" + len(body).to_bytes(3, "big") + body)
        assert heard.scts(TlsVersion.Tls13) == (timestamp,)
        assert heard.certificates(TlsVersion.Tls13) == (b"abc",)

    @BOTH_VERSIONS
    def test_a_server_without_timestamps(self, version: TlsVersion) -> None:
        assert connected(client_config(NAME, **only(version)), server_config("ssl")).client.scts == ()

    @pytest.mark.parametrize("suites", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"])
    def test_the_scheme_of_tls_12(self, suites: str) -> None:
        ends = connected(
            client_config(NAME, cipher_suites=suites, **only(TlsVersion.Tls12)), server_config("ssl")
        )
        assert ends.client.signature_scheme == "ecdsa_secp256r1_sha256"

    def test_no_scheme_in_tls_11(self) -> None:
        ends = connected(
            client_config(NAME, **only(TlsVersion.Tls11)), server_config("ssl", **only(TlsVersion.Tls11))
        )
        assert ends.client.signature_scheme is None
        assert ends.client.version is TlsVersion.Tls11

    def test_before_the_handshake(self) -> None:
        ends = join(client_config(NAME), server_config(NAME))
        for end in (ends.client, ends.server):
            told = (
                end.version, end.cipher, end.alpn, end.group, end.signature_scheme, end.resumed, end.scts,
                end.ocsp_response, end.client_certificate_requested, end.extended_master_secret, end.verified,
            )  # fmt: skip
            assert told == (None,) * len(told)
            assert end.peer_chain == ()
            assert end.take_sessions() == ()
            with pytest.raises(TlsError.HandshakeFailed):
                end.export_keying_material(b"EXPORTER-test", None, 32)

    def test_who_judged(self) -> None:
        assert connected(client_config(NAME), server_config(NAME)).client.verified is True
        anyone = client_config(NAME, root_certs=(), verify_mode=CertVerifyMode.None_)
        assert connected(anyone, server_config(NAME)).client.verified is None


class TestResumption:
    def first(self, **server: Any) -> ResumableSession:
        config = client_config(NAME, session_store=MemorySessionStore())
        ends = connected(config, server_config(NAME, **server))
        assert ends.say(b"x", from_server=True) == b"x"
        sessions = ends.client.take_sessions()
        assert ends.client.take_sessions() == ()
        return sessions[-1]

    def test_octets_are_enough(self) -> None:
        session = self.first()
        assert session.value is None
        assert session.lifetime == 7200
        kept = ResumableSession(NAME, session.version, None, data=session.data)
        ends = connected(client_config(NAME), server_config(NAME), resume=kept)
        assert ends.client.resumed is True
        assert ends.client.verified is None
        assert ends.client.peer_chain == identity().chain[:1]

    @pytest.mark.parametrize("server", ["ssl", NAME])
    def test_each_of_several_tickets(self, server: str) -> None:
        """They come together, in front of data."""
        config = client_config(NAME, session_store=MemorySessionStore())
        ends = connected(config, server_config(server))
        ends.server.write(memoryview(b"x"))
        ends.client.feed(ends.server.take_output())
        assert ends.client.read(10) == b"x"
        first, second = ends.client.take_sessions()
        assert first.data != second.data
        for session in (first, second):
            assert connected(config, server_config(server), resume=session).client.resumed is True

    def test_a_session_that_was_used_is_no_new_one(self) -> None:
        """Who leaves before the next ticket comes has none: it would be used twice (RFC 8446 C.4)."""
        config = client_config(NAME, session_store=MemorySessionStore())
        ends = join(config, server_config(NAME), resume=self.first())
        ends.client.handshake()
        ends.server.feed(ends.client.take_output())
        assert not ends.server.handshake()
        ends.client.feed(ends.server.take_output())
        assert ends.client.handshake()
        assert (ends.client.resumed, ends.client.take_sessions()) == (True, ())
        ends.move()
        assert ends.server.handshake()
        assert ends.say(b"x", from_server=True) == b"x"
        assert ends.client.take_sessions()

    @pytest.mark.parametrize("data", [None, b"", b"nonsense", b"\x30\x80"])
    def test_what_is_no_session_is_passed_over(self, data: bytes | None) -> None:
        kept = ResumableSession(NAME, TlsVersion.Tls13, None, data=data)
        ends = connected(client_config(NAME), server_config(NAME), resume=kept)
        assert ends.client.resumed is False

    def test_another_backends_is_passed_over(self) -> None:
        session = self.first()
        other = ResumableSession("rustls", session.version, session.value, data=session.data)
        assert connected(client_config(NAME), server_config(NAME), resume=other).client.resumed is False

    def test_an_end_without_close_notify_forgets_nothing(self) -> None:
        """Sessions that only the server's memory has: where it takes early data."""
        session = self.first(max_early_data=1000)
        gc.collect()
        ends = connected(client_config(NAME), server_config(NAME, max_early_data=1000), resume=session)
        assert ends.client.resumed is True

    @pytest.mark.parametrize("cut", [0, 1, 5, 40])
    def test_octets_that_are_cut_off(self, cut: int) -> None:
        data = self.first().data
        assert data is not None
        assert read_fields(data).resumable
        with pytest.raises(DerError):
            read_fields(data[:cut])

    def test_a_session_without_ticket_and_number(self) -> None:
        assert read_fields(b"\x30\x09\x02\x01\x01\x04\x02\x13\x01\x04\x00") == (False, None)


class TestEarlyData:
    def test_what_does_not_fit_is_left_to_the_caller(self) -> None:
        store = MemorySessionStore()
        settings = {"max_early_data": 10}
        client, server = client_config(NAME, session_store=store), server_config(NAME, **settings)
        ends = connected(client, server)
        ends.say(b"x", from_server=True)
        session = ends.client.take_sessions()[-1]
        assert session.max_early_data == 10
        again = join(client, server, resume=session)
        assert again.client.write_early_data(memoryview(b"0123456789abcdef")) == 10
        again.shake_hands()
        assert again.client.early_data_accepted is True
        assert again.server.read_early_data() == b"0123456789"
        assert again.server.read_early_data() == b""
        assert again.say(b"rest") == b"rest"

    @pytest.mark.parametrize("backend", ["ssl", NAME])
    def test_a_client_of_tls_12(self, backend: str) -> None:
        server = server_config(NAME, max_early_data=1000)
        ends = connected(client_config(backend, **only(TlsVersion.Tls12)), server)
        assert ends.server.read_early_data() == b""
        assert ends.server.early_data_accepted is None
        assert ends.say(b"ping") == b"ping"

    def test_without_a_session_none_is_taken(self) -> None:
        ends = join(client_config(NAME), server_config(NAME))
        assert ends.client.write_early_data(memoryview(b"early")) == 0
        assert ends.shake_hands().good
        assert ends.client.early_data_accepted is None


class TestData:
    def test_one_write_takes_all(self) -> None:
        ends = connected(client_config(NAME), server_config(NAME))
        data = random.Random(8446).randbytes(300_000)
        assert ends.client.write(memoryview(data)) == len(data)
        ends.move()
        got = bytearray()
        while piece := ends.server.read(1 << 20):
            got += piece
        assert got == data
        assert ends.client.write(memoryview(b"")) == 0

    def test_nothing_is_written_before_the_handshake(self) -> None:
        ends = join(client_config(NAME), server_config(NAME))
        with pytest.raises(TlsError):
            ends.server.write(memoryview(b"early"))

    def test_close_notify_before_the_handshake(self) -> None:
        ends = join(client_config(NAME), server_config(NAME))
        ends.client.close_notify()
        ends.server.close_notify()

    def test_no_renegotiation(self) -> None:
        """RFC 5246 section 7.2.2: the client refuses it by a warning, and the connection goes on."""
        context = foreign_context()
        server = SSL.Connection(context, None)
        server.set_accept_state()
        client = prepare(client_config(NAME, **only(TlsVersion.Tls12))).session(HOST)
        talk(client, server)
        server.do_handshake()
        server.renegotiate()
        server.do_handshake()  # sends the HelloRequest
        client.feed(server.bio_read(1 << 16))
        assert client.read(10) is None
        assert client.take_output()[:1] == b"\x15"
        assert client.write(memoryview(b"ping")) == 4

    def test_a_view_that_was_lent_is_given_back(self) -> None:
        """Otherwise the collection of the cycle of an error and its frames crashes the interpreter."""
        for _ in range(20):
            ends = connected(client_config(NAME), server_config(NAME))
            ends.client.feed_eof()
            held: list[object] = []
            try:
                ends.client.read_into(memoryview(bytearray(100)))
            except TlsError.Truncated as error:
                held += [error, held]
            assert held
        del held, ends
        gc.collect()


def test_damaged_flights_are_errors_of_tls(capfd: pytest.CaptureFixture[str]) -> None:
    """One octet of the server's first flight is another: TLS 1.2 sends it in the clear."""
    chance = random.Random(5246)
    client = client_config(NAME, **only(TlsVersion.Tls12))
    for _ in range(120):
        ends = join(client, server_config("ssl"))
        ends.client.handshake()
        ends.move()
        ends.server.handshake()
        flight = bytearray(ends.server.take_output())
        flight[chance.randrange(5, len(flight))] ^= chance.randrange(1, 256)
        ends.client.feed(bytes(flight))
        try:
            ends.client.handshake()
        except TlsError as error:
            ends.client.explain(error)
        tell_all(ends)
    assert capfd.readouterr().err == ""


def test_damaged_hellos_are_errors_of_tls(capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(8446)
    early, plain = server_config(NAME, max_early_data=100), server_config(NAME)
    for turn in range(120):
        ends = join(client_config(NAME), early if turn % 2 else plain)
        ends.client.handshake()
        hello = bytearray(ends.client.take_output())
        hello[chance.randrange(len(hello))] ^= chance.randrange(1, 256)
        ends.server.feed(bytes(hello))
        try:
            ends.server.handshake()
        except TlsError as error:
            ends.server.explain(error)
        assert isinstance((ends.server.version, ends.server.server_name, ends.server.group), tuple)
    assert capfd.readouterr().err == ""


def tell_all(ends: Ends) -> None:
    client = ends.client
    assert isinstance((client.version, client.cipher, client.group, client.signature_scheme), tuple)
    assert isinstance((client.peer_chain, client.scts, client.client_certificate_requested), tuple)


def foreign_context() -> SSL.Context:
    """A server's context that netkit did not make."""
    shown = identity()
    context = SSL.Context(SSL.TLS_METHOD)
    context.use_certificate(x509.load_der_x509_certificate(shown.certificate.der_data))
    key = load_der_private_key(shown.key.der_data, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    context.use_privatekey(key)
    return context


def vector(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def talk(client: Any, server: SSL.Connection) -> None:
    """A handshake with a server that is not netkit's."""
    for _ in range(6):
        done = client.handshake()
        if out := client.take_output():
            server.bio_write(out)
        try:
            server.do_handshake()
        except SSL.WantReadError:
            pass
        try:
            client.feed(server.bio_read(1 << 16))
        except SSL.WantReadError:
            pass
        if done:
            return
    raise AssertionError("the handshake does not end")
