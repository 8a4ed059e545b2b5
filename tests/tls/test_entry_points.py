"""Backends of other distributions, found by the entry point `netkit.tls_backends`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netkit.tls import backends
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.versions import TlsVersion

MODULE = """
from netkit.tls.backends.standard import standard_backend

class Wrapped:
    name = "wrapped"
    version = "1.0 over " + standard_backend().version
    capabilities = standard_backend().capabilities
    refusals = standard_backend().refusals
    prepare = standard_backend().prepare

def backend():
    return Wrapped()
"""

ENTRY_POINTS = """
[netkit.tls_backends]
wrapped = netkit_backend_for_tests:backend
absent = netkit_backend_for_tests_that_is_not_there:backend
faulty = netkit_backend_for_tests:no_such_function
ssl = netkit_backend_for_tests:backend
"""


@pytest.fixture(autouse=True)
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution that brings three backends, one of which works."""
    (tmp_path / "netkit_backend_for_tests.py").write_text(MODULE)
    info = tmp_path / "netkit_backend_for_tests-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: netkit-backend-for-tests\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    forget()
    yield
    sys.modules.pop("netkit_backend_for_tests", None)
    monkeypatch.undo()
    importlib.invalidate_caches()
    forget()


def forget() -> None:
    for cached in (backends.names, backends._load, backends._chosen):
        cached.cache_clear()


def test_it_stands_behind_netkits_own() -> None:
    found = backends.names()
    assert found[:2] == ("ssl", "pyopenssl")
    assert {"wrapped", "absent", "faulty"} <= set(found[2:])
    assert found.count("ssl") == 1


def test_it_is_used_by_its_name() -> None:
    assert backends.why_absent("wrapped") is None
    assert backends.find_backend("wrapped").version.startswith("1.0 over OpenSSL")
    prepared = backends.prepare(TlsConfig.client().with_backend("wrapped"))
    assert prepared.session("example.com").handshake() is False


def test_nobody_takes_the_name_of_one_of_netkits_own() -> None:
    assert type(backends.find_backend("ssl")).__name__ == "StandardBackend"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("absent", "ModuleNotFoundError: No module named"), ("faulty", "AttributeError: .*no_such_function")],
)
def test_why_one_cannot_be_used(name: str, reason: str) -> None:
    import re

    why = backends.why_absent(name)
    assert why is not None
    assert re.search(reason, why)
    with pytest.raises(TlsError.InvalidConfig, match=f"{name} cannot be used here"):
        backends.find_backend(name)


def test_one_that_cannot_be_used_is_in_nobodys_way() -> None:
    # No backend has all of it, so that each is asked.
    with pytest.raises(TlsError.CapabilityError) as caught:
        backends.backend_for(TlsConfig.client().replace(ech_grease=True, min_version=TlsVersion.Tls10))
    assert "wrapped" in caught.value.reason
    assert "absent" not in caught.value.reason
