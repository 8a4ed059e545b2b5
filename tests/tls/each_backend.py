"""A fixture for tests that run over each of netkit's own TLS backends."""

from __future__ import annotations

import pytest

from netkit.tls import backends

#: netkit's own backends: two that are here wherever netkit is installed, and rustls where it was built.
OWN = tuple(name for name in ("ssl", "pyopenssl", "rustls") if backends.why_absent(name) is None)


@pytest.fixture(params=OWN)
def each_backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The backend that configurations without a name get, during one test."""
    name: str = request.param
    monkeypatch.setattr(backends, "_chosen", backends.backend_for)  # nothing is remembered
    monkeypatch.setattr(backends, "_latest", {})
    monkeypatch.setattr(backends, "STANDARD", name)
    return name
