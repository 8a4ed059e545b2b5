"""Whether the extension `netkit._rustls` is here, and with which providers: the backends, or why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit._native import native

if TYPE_CHECKING:
    from netkit.tls.backends.rustls.backend import RustlsBackend

#: What a build without the provider says; docs/tls-backends.md has the same command.
_HOW: Final = "this build has no provider {}: `{}` in netkit's source tree builds it (docs/tls-backends.md)"


def load() -> RustlsBackend:
    """rustls on AWS-LC. Raises ImportError with the reason where the extension is not here."""
    return _backend("rustls", "aws-lc", "make clean demo")


def load_fips() -> RustlsBackend:
    """rustls on AWS-LC's FIPS module. Raises ImportError that says how to build it."""
    return _backend("rustls-fips", "aws-lc-fips", "make rustls-fips")


def load_libcrux() -> RustlsBackend:
    """rustls on libcrux. Raises ImportError that says how to build it."""
    return _backend("rustls-libcrux", "libcrux", "make rustls-libcrux")


def _backend(name: str, provider: str, command: str) -> RustlsBackend:
    module, reason = native("_rustls")
    if module is None:
        raise ImportError(reason)
    if provider not in module.PROVIDERS:
        raise ImportError(_HOW.format(provider, command))
    from netkit.tls.backends.rustls.backend import RustlsBackend

    return RustlsBackend(name, provider)
