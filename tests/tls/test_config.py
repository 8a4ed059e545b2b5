"""Settings: what they start from, how they are changed, and what contradicts itself."""

from __future__ import annotations

import dataclasses

import pytest

from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.versions import TlsVersion
from tests.tls.pki import issue

ROOT = issue("Root", ca=True)
MIDDLE = issue("Middle", ROOT, ca=True)
LEAF = issue("a.example", MIDDLE, sans=("a.example",))
KEY = LEAF.private_key


def accept(chain, server_name):
    return None


def test_a_client():
    config = TlsConfig.client()
    assert (config.min_version, config.max_version) == (TlsVersion.Tls12, TlsVersion.Tls13)
    assert config.verify_mode is CertVerifyMode.Full
    assert config.use_system_certs
    assert not config.is_server
    assert config == TlsConfig()


def test_a_server():
    config = TlsConfig.server().with_identity(LEAF.certificate, KEY).with_alpn(["h2"])
    assert config.is_server
    assert config.verify_mode is CertVerifyMode.None_
    assert config.identity_key is KEY
    assert config.alpn_protocols == ("h2",)


def test_changes_make_another():
    config = TlsConfig.client()
    narrow = (
        config.with_root_certs([ROOT.certificate])
        .with_min_version(TlsVersion.Tls13)
        .with_alpn((b"h2", "http/1.1"))
    )
    assert config == TlsConfig.client()
    assert narrow.root_certs == (ROOT.certificate,)
    assert narrow.min_version is TlsVersion.Tls13
    assert narrow.alpn_protocols == ("h2", "http/1.1")
    assert narrow.with_alpn("h2").alpn_protocols == ("h2",)
    assert narrow.with_system_certs().root_certs == ()
    assert hash(narrow) == hash(narrow.replace())
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.is_server = True  # type: ignore[misc]


def test_an_identity_may_be_a_chain():
    config = TlsConfig.server().with_identity([LEAF.certificate, MIDDLE.certificate], KEY)
    assert config.identity_cert == LEAF.certificate
    assert config.identity_chain == (MIDDLE.certificate,)
    assert config.with_identity(LEAF.certificate, KEY).identity_chain == ()


def test_a_verifier_decides():
    config = TlsConfig.client().with_verifier(accept)
    assert config.verify_mode is CertVerifyMode.Custom
    assert config.verifier is accept
    assert config.with_verify_mode(CertVerifyMode.None_).verifier is None


def test_the_key_is_not_shown():
    assert KEY.to_pem()[30:60] not in repr(TlsConfig.server().with_identity(LEAF.certificate, KEY))


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        (lambda: TlsConfig(min_version=TlsVersion.Tls13, max_version=TlsVersion.Tls12), "min_version"),
        (lambda: TlsConfig(identity_cert=LEAF.certificate), "identity_key"),
        (lambda: TlsConfig(identity_key=KEY), "identity_cert"),
        (lambda: TlsConfig(identity_chain=(MIDDLE.certificate,)), "identity_chain"),
        (lambda: TlsConfig.server().with_identity([], KEY), "identity_cert"),
        (lambda: TlsConfig(verify_mode=CertVerifyMode.Custom), "verifier"),
        (lambda: TlsConfig(verifier=accept), "verifier"),
        (lambda: TlsConfig(use_system_certs=False), "root_certs"),
        (lambda: TlsConfig.client().with_root_certs([]), "root_certs"),
        (lambda: TlsConfig.server().with_verify_mode(CertVerifyMode.Full), "root_certs"),
        (lambda: TlsConfig(root_certs=ROOT.certificate), "root_certs"),
        (lambda: TlsConfig(alpn_protocols="h2"), "alpn_protocols"),
        (lambda: TlsConfig.client().with_alpn([""]), "alpn_protocols"),
        (lambda: TlsConfig.client().with_alpn(["x" * 256]), "alpn_protocols"),
        (lambda: TlsConfig.client().with_alpn(["é"]), "alpn_protocols"),
        (lambda: TlsConfig.client().with_alpn(["h2", "h2"]), "alpn_protocols"),
        (lambda: TlsConfig.server().replace(tickets=-1), "tickets"),
        (lambda: TlsConfig.server().replace(tickets=101), "tickets"),
        (
            lambda: TlsConfig.server().with_max_version(TlsVersion.Tls12).replace(max_early_data=1),
            "max_early_data",
        ),
    ],
)
def test_contradictions(change, setting):
    with pytest.raises(TlsError.InvalidConfig) as caught:
        change()
    assert caught.value.setting == setting
    assert setting in str(caught.value)
    assert caught.value.fault == "caller"
