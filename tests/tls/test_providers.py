"""rustls over other providers of cryptography: what a build has, what it says where it lacks one, libcrux.

What both sides agree on with openssl, GnuTLS, Go and nginx is in tests/interop/test_tls_interop.py, and the
capabilities are in tests/tls/conformance: both take every backend that is here.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from netkit.tls.backend import Capability
from netkit.tls.backends import automatic, find_backend, names, prepare, why_absent
from netkit.tls.backends.rustls import loading
from netkit.tls.config import CertVerifyMode
from netkit.tls.errors import TlsError
from netkit.tls.identity import Identity
from netkit.tls.sessions import MemorySessionStore
from netkit.tls.versions import TlsVersion
from tests.conftest import absent
from tests.tls.conformance.ends import (
    HOST,
    authority,
    client_config,
    client_identity,
    connected,
    join,
    server_config,
)
from tests.tls.pki import Issued, issue, rsa_key

if TYPE_CHECKING:
    from netkit.tls.x509.certificate import Certificate

LIBCRUX = "rustls-libcrux"
FIPS = "rustls-fips"
RUSTLS = [name for name in names() if name.startswith("rustls") and why_absent(name) is None]


class TestAbsence:
    @pytest.mark.parametrize(
        ("load", "provider", "command"),
        [
            (loading.load_libcrux, "libcrux", "make rustls-libcrux"),
            (loading.load_fips, "aws-lc-fips", "make rustls-fips"),
            (loading.load, "aws-lc", "make clean demo"),
        ],
    )
    def test_a_build_without_it_says_how_to_build_it(
        self, monkeypatch: pytest.MonkeyPatch, load: Any, provider: str, command: str
    ) -> None:
        monkeypatch.setattr(loading, "native", lambda _name: (SimpleNamespace(PROVIDERS=["other"]), None))
        with pytest.raises(ImportError, match=f"has no provider {provider}: `{command}` .*docs/tls-backends"):
            load()

    def test_without_the_extension_its_reason_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "native", lambda _name: (None, "cargo was not found"))
        with pytest.raises(ImportError, match="cargo was not found"):
            loading.load_libcrux()

    def test_each_is_known_by_name(self) -> None:
        assert {"rustls", FIPS, LIBCRUX} <= set(names())

    def test_nobody_gets_an_experiment_who_did_not_name_it(self) -> None:
        assert LIBCRUX not in automatic()
        assert {"ssl", "rustls", FIPS} <= set(automatic())


@pytest.mark.parametrize("backend", RUSTLS)
def test_the_verifier_of_a_server_is_asked(backend: str) -> None:
    """In the middle of the handshake, where the session has nothing to say."""
    seen: list[tuple[tuple[Certificate, ...], str | None]] = []
    asking = server_config(
        backend, verify_mode=CertVerifyMode.Custom, verifier=lambda chain, name: seen.append((chain, name))
    )
    one = client_identity()
    ends = connected(client_config(backend).with_identity(one.chain, one.key), asking)
    assert seen == [(one.chain, HOST)]
    assert ends.server.verified is True


@pytest.mark.parametrize("backend", RUSTLS)
def test_only_a_fips_module_honours_fips(backend: str) -> None:
    claims = Capability.Fips in find_backend(backend).capabilities("client")
    assert claims is (backend == FIPS)
    if not claims:
        with pytest.raises(TlsError.CapabilityError) as caught:
            prepare(client_config(backend, fips=True))
        assert caught.value.setting == "fips"


class TestFips:
    @pytest.fixture(autouse=True)
    def here(self) -> None:
        if why_absent(FIPS) is not None:
            absent("the provider aws-lc-fips (make rustls-fips)", "NETKIT_REQUIRE_FIPS")

    def test_it_says_which_module_it_is(self) -> None:
        version = find_backend(FIPS).version
        assert "aws-lc-fips " in version
        assert "FIPS module " in version
        assert "complian" not in version.lower()

    def test_both_ends(self) -> None:
        ends = connected(client_config(FIPS, fips=True), server_config(FIPS, fips=True))
        assert ends.say(b"ping") == b"ping"


class TestLibcrux:
    @pytest.fixture(autouse=True)
    def here(self) -> None:
        if why_absent(LIBCRUX) is not None:
            absent("the provider libcrux (make rustls-libcrux)", "NETKIT_REQUIRE_LIBCRUX")

    def test_it_says_that_it_is_experimental(self) -> None:
        assert "libcrux, experimental" in find_backend(LIBCRUX).version

    def test_what_it_lacks(self) -> None:
        backend = find_backend(LIBCRUX)
        lacks = {Capability.Tls12, Capability.CipherList, Capability.Fips, Capability.Ech}
        assert not lacks & backend.capabilities("client")
        assert not (lacks | {Capability.Crls}) & backend.capabilities("server")

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("min_version", TlsVersion.Tls12),
            ("tls13_cipher_suites", ("TLS_AES_128_GCM_SHA256",)),
            ("groups", ("secp384r1",)),
            ("signature_algorithms", ("rsa_pkcs1_sha256",)),
            ("ech_grease", True),
            ("cipher_suites", "ECDHE-ECDSA-AES128-GCM-SHA256"),
            ("fips", True),
        ],
    )
    def test_what_it_lacks_is_refused_by_name(self, setting: str, value: Any) -> None:
        with pytest.raises(TlsError.CapabilityError) as caught:
            prepare(client_config(LIBCRUX, **{setting: value}))
        assert caught.value.setting == setting

    @pytest.mark.parametrize("other", [LIBCRUX, "ssl", "rustls"])
    @pytest.mark.parametrize(
        ("key", "scheme"),
        [
            ("P-256", "ecdsa_secp256r1_sha256"),
            ("Ed25519", "ed25519"),
            ("RSA", "rsa_pss_rsae_sha"),  # which hash, the signer says
        ],
    )
    def test_signatures_both_ways(self, other: str, key: str, scheme: str) -> None:
        if why_absent(other) is not None:
            pytest.skip(f"{other}: {why_absent(other)}")
        made = {
            "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "Ed25519": ed25519.Ed25519PrivateKey.generate,
            "RSA": lambda: rsa_key(2048),
        }[key]()
        root = issue("a root", ca=True)
        shown = _identity(issue(HOST, root, key=made, sans=(HOST,)))
        trusting = {"root_certs": (root.certificate,)}
        ends = connected(client_config(LIBCRUX, **trusting), server_config(other, shown))
        assert (ends.client.signature_scheme or "").startswith(scheme)
        ends = connected(client_config(other, **trusting), server_config(LIBCRUX, shown))
        assert ends.say(b"ping") == b"ping"

    @pytest.mark.parametrize("group", ["X25519MLKEM768", "x25519", "secp256r1"])
    def test_groups_and_exported_keys(self, group: str) -> None:
        for one, other in ((LIBCRUX, "rustls"), ("rustls", LIBCRUX), (LIBCRUX, LIBCRUX)):
            if why_absent("rustls") is not None:
                one = other = LIBCRUX
            ends = connected(client_config(one, groups=(group,)), server_config(other))
            assert ends.client.group == ends.server.group == group
            both = (ends.client, ends.server)
            mine, theirs = (end.export_keying_material(b"EXPORTER-x", b"y", 32) for end in both)
            assert mine == theirs
            data = bytes(range(256)) * 100
            assert ends.say(data) == data
            assert ends.say(data, from_server=True) == data

    @pytest.mark.parametrize("key", [ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
    def test_openssl_judges_what_it_cannot_verify(self, key: ec.EllipticCurve) -> None:
        """An authority with a curve that libcrux has not, over a certificate with one that it has."""
        root = issue("a root", ca=True, key=ec.generate_private_key(key))
        shown = _identity(issue(HOST, root, sans=(HOST,)))
        connected(client_config(LIBCRUX, root_certs=(root.certificate,)), server_config("ssl", shown))
        refused = join(client_config(LIBCRUX), server_config("ssl", shown)).shake_hands()
        assert isinstance(refused.client_error, TlsError.CertificateVerificationFailed)
        assert isinstance(refused.server_error, TlsError.AlertReceived)

    def test_a_key_that_it_cannot_sign_with(self) -> None:
        root = issue("a root", ca=True)
        other = issue(HOST, root, key=ec.generate_private_key(ec.SECP384R1()), sans=(HOST,))
        with pytest.raises(TlsError.InvalidKey, match="P-256, Ed25519"):
            prepare(server_config(LIBCRUX, _identity(other)))

    def test_a_distrusted_client_is_refused(self) -> None:
        one = client_identity()
        asking = server_config(
            LIBCRUX,
            verify_mode=CertVerifyMode.Full,
            root_certs=(authority().certificate,),
            distrusted_certs=(one.certificate,),
        )
        ends = join(client_config(LIBCRUX).with_identity(one.chain, one.key), asking).shake_hands()
        assert isinstance(ends.server_error, TlsError.CertificateVerificationFailed)
        assert "distrusted" in str(ends.server_error)

    def test_a_session_of_another_provider_is_passed_over(self) -> None:
        if why_absent("rustls") is not None:
            pytest.skip(f"rustls: {why_absent('rustls')}")
        store = MemorySessionStore()
        ends = connected(client_config("rustls", session_store=store), server_config(LIBCRUX))
        assert ends.say(b"x", from_server=True) == b"x"
        (session, *_) = ends.client.take_sessions()
        again = connected(client_config(LIBCRUX, session_store=store), server_config(LIBCRUX), resume=session)
        assert again.client.resumed is False


def _identity(one: Issued) -> Identity:
    return Identity((one.certificate,), one.private_key)
