"""The choice of a backend: by name, by what the configuration asks for; a refusal names the setting."""

from __future__ import annotations

import pickle

import pytest

from netkit.tls import backends
from netkit.tls.backend import Backend, Capability, PreparedConfig, Refusal, Role
from netkit.tls.backends import standard
from netkit.tls.backends.needs import missing, needs, role_of
from netkit.tls.backends.standard import standard_backend
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.versions import TlsVersion

CLIENT = TlsConfig.client()


class Pretended:
    """A backend with chosen capabilities, which makes no sessions."""

    version = "pretended 1.0"

    def __init__(self, name: str, *capabilities: Capability) -> None:
        self.name = name
        self._capabilities = frozenset(capabilities)

    def capabilities(self, role: Role) -> frozenset[Capability]:
        del role
        return self._capabilities

    def refusals(self, config: TlsConfig) -> tuple[Refusal, ...]:
        return missing(config, self.capabilities(role_of(config)))

    def prepare(self, config: TlsConfig) -> PreparedConfig:
        raise NotImplementedError


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the standard backend: one for ECH, and one that cannot be imported."""
    modern = (Capability.Tls12, Capability.Tls13, Capability.Ech)
    found: dict[str, Backend | ImportError] = {
        "ssl": standard_backend(),
        "broken": ImportError("no library libbroken"),
        "modern": Pretended("modern", *modern),
    }
    monkeypatch.setattr(backends, "names", lambda: tuple(found))
    monkeypatch.setattr(backends, "_load", found.__getitem__)


@pytest.mark.usefixtures("others")
class TestChoice:
    def test_the_standard_one_unless_more_is_asked_for(self) -> None:
        assert backends.backend_for(CLIENT) is standard_backend()

    def test_the_first_that_honours_every_setting(self) -> None:
        assert backends.backend_for(CLIENT.replace(ech_grease=True)).name == "modern"

    def test_what_nobody_has_names_the_setting_and_each_reason(self) -> None:
        with pytest.raises(TlsError.CapabilityError) as caught:
            backends.backend_for(CLIENT.replace(ech_grease=True, fips=True))
        assert caught.value.setting == "ech_grease"
        assert caught.value.backends == ()
        assert "ssl: it has no ECH" in caught.value.reason
        assert "modern: it has no FIPS" in caught.value.reason

    def test_a_named_one_is_never_left_for_another(self) -> None:
        with pytest.raises(TlsError.CapabilityError) as caught:
            backends.backend_for(CLIENT.replace(ech_grease=True, backend="ssl"))
        assert caught.value.backends == ("modern",)
        assert caught.value.hint == "these backends can: modern"
        assert caught.value.stage == "usage"

    def test_a_named_one_that_is_not_known(self) -> None:
        with pytest.raises(TlsError.InvalidConfig, match=r"'nss' is not one of ssl, broken, modern"):
            backends.backend_for(CLIENT.with_backend("nss"))
        assert backends.why_absent("nss") == "there is no backend of that name"

    def test_a_named_one_that_cannot_be_imported(self) -> None:
        with pytest.raises(TlsError.InvalidConfig, match="broken cannot be used here: no library libbroken"):
            backends.backend_for(CLIENT.with_backend("broken"))
        assert backends.why_absent("broken") == "no library libbroken"
        assert backends.why_absent("ssl") is None


def test_each_setting_that_is_unset_needs_nothing_beyond_versions() -> None:
    assert {capability for _, capability in needs(CLIENT)} == {Capability.Tls12, Capability.Tls13}


def test_no_tickets_is_a_wish_too() -> None:
    server = TlsConfig.server()
    assert ("tickets", Capability.Tickets) in set(needs(server.replace(tickets=0)))
    assert ("max_early_data", Capability.EarlyData) not in set(needs(server.replace(max_early_data=0)))


def test_an_old_version_is_refused_by_the_setting_that_asks_for_it() -> None:
    old = TlsConfig(min_version=TlsVersion.Tls10)
    refused = Pretended("new", Capability.Tls12, Capability.Tls13).refusals(old)
    assert refused[0] == Refusal("min_version", "it has no TLS 1.0")


def test_a_refusal_survives_pickling() -> None:
    error = TlsError.CapabilityError("groups", "it has no groups", ("pyopenssl",))
    again = pickle.loads(pickle.dumps(error))
    assert (again.setting, again.reason, again.backends, again.hint) == (
        "groups",
        "it has no groups",
        ("pyopenssl",),
        "these backends can: pyopenssl",
    )


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        (TlsConfig.client(), "max_early_data"),
        (TlsConfig.client(), "ocsp_response"),
        (TlsConfig.server(), "request_ocsp"),
        (TlsConfig.server(), "ech_grease"),
    ],
)
def test_a_setting_of_the_other_side_is_refused(config: TlsConfig, setting: str) -> None:
    value = {"max_early_data": 1, "ocsp_response": b"x"}.get(setting, True)
    with pytest.raises(TlsError.InvalidConfig) as caught:
        config.replace(**{setting: value})
    assert caught.value.setting == setting


class TestFips:
    """`fips` is honoured where OpenSSL's FIPS provider is in force, and refused by name elsewhere."""

    def test_refused_where_it_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(standard, "is_fips_in_force", lambda: False)
        with pytest.raises(TlsError.CapabilityError) as caught:
            backends.backend_for(CLIENT.replace(fips=True, backend="ssl"))
        assert caught.value.setting == "fips"

    def test_taken_where_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(standard, "is_fips_in_force", lambda: True)
        assert backends.backend_for(CLIENT.replace(fips=True)).name == "ssl"

    def test_this_process_tells(self) -> None:
        import _hashlib

        assert standard.is_fips_in_force() is (_hashlib.get_fips_mode() == 1)
