"""The TLS backends that are here, and the choice of one for a configuration.

    ssl          the standard library's module: always there, the default
    pyopenssl    OpenSSL through pyOpenSSL: for what the ssl module does not give access to
    rustls       rustls, where its extension was built: TLS 1.2 and 1.3, and what no OpenSSL here has

The cryptography of `rustls` is AWS-LC's. A build of one's own has rustls over another provider as well:

    rustls-fips     AWS-LC's FIPS module
    rustls-libcrux  libcrux: experimental, so only a configuration that names it gets it

Others are found by the entry point `netkit.tls_backends`: its name is the backend's, its value a function
without arguments that returns a `Backend`. A configuration names its backend, or gets the first that can
honour all its settings, in the order of `names`. What no backend can honour raises `CapabilityError`.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.tls.backend import Capability
from netkit.tls.backends.needs import STANDARD, refusals_of
from netkit.tls.backends.outside import settings_outside
from netkit.tls.errors import TlsError

if TYPE_CHECKING:
    from netkit.tls.backend import Backend, PreparedConfig, SessionStore
    from netkit.tls.backends.outside import Outside
    from netkit.tls.config import TlsConfig

__all__ = [
    "automatic",
    "backend_for",
    "find_backend",
    "names",
    "prepare",
    "resuming",
    "sending_early",
    "why_absent",
]

#: The group of entry points.
GROUP: Final = "netkit.tls_backends"

#: The backends of netkit itself: the module, and its function that makes the backend.
_OWN: Final = {
    STANDARD: ("netkit.tls.backends.standard", "standard_backend"),
    "pyopenssl": ("netkit.tls.backends.pyopenssl.backend", "pyopenssl_backend"),
    "rustls": ("netkit.tls.backends.rustls.loading", "load"),
    "rustls-fips": ("netkit.tls.backends.rustls.loading", "load_fips"),
    "rustls-libcrux": ("netkit.tls.backends.rustls.loading", "load_libcrux"),
}

#: Experimental: nobody gets it who did not name it.
_BY_NAME_ONLY: Final = frozenset({"rustls-libcrux"})


@cache
def names() -> tuple[str, ...]:
    """The names of all backends that are known, in the order in which they are tried."""
    from importlib.metadata import entry_points  # 30 ms: only where the standard backend is not enough

    found = (entry.name for entry in entry_points(group=GROUP))
    return tuple(dict.fromkeys((*_OWN, *found)))


def automatic() -> tuple[str, ...]:
    """The names of the backends that a configuration without a name may get, in that order."""
    return tuple(name for name in names() if name not in _BY_NAME_ONLY)


@cache
def _load(name: str) -> Backend | ImportError:
    """The backend, or why it cannot be imported."""
    try:
        if name in _OWN:
            module, function = _OWN[name]
            made: Backend = getattr(import_module(module), function)()
            return made
    except ImportError as error:
        return error
    from importlib.metadata import entry_points

    (entry, *_) = entry_points(group=GROUP, name=name)
    try:
        made = entry.load()()
    except Exception as error:  # somebody else's fault must not take the other backends along
        return ImportError(f"{type(error).__name__}: {error}")
    return made


def why_absent(name: str) -> str | None:
    """Why the backend cannot be used here; None if it can."""
    if name not in names():
        return "there is no backend of that name"
    found = _load(name)
    return str(found) if isinstance(found, ImportError) else None


def find_backend(name: str) -> Backend:
    """The backend of that name. Raises `TlsError.InvalidConfig` if it is not there, or cannot be imported."""
    if name not in _OWN and name not in names():
        problem = f"{name!r} is not one of {', '.join(names())}"
        raise TlsError.InvalidConfig("backend", problem)
    found = _load(name)
    if isinstance(found, ImportError):
        raise TlsError.InvalidConfig("backend", f"{name} cannot be used here: {found}")
    return found


def _usable() -> list[Backend]:
    found = (_load(name) for name in automatic())
    return [backend for backend in found if not isinstance(backend, ImportError)]


def backend_for(config: TlsConfig) -> Backend:
    """The backend for this configuration.

    Raises `TlsError.CapabilityError` if the named backend, or every backend, cannot honour a setting.
    """
    if config.backend is not None:
        backend = find_backend(config.backend)
        refused = backend.refusals(config)
        if not refused:
            return backend
        able = tuple(other.name for other in _usable() if other is not backend and not other.refusals(config))
        raise TlsError.CapabilityError(refused[0].setting, f"{backend.name}: {refused[0].reason}", able)
    first = find_backend(STANDARD)
    refused = first.refusals(config)
    if not refused:
        return first
    for other in _usable():
        if not other.refusals(config):
            return other
    raise TlsError.CapabilityError(refused[0].setting, refusals_of(_usable(), config))


def resuming(config: TlsConfig, store: SessionStore) -> TlsConfig:
    """A client's settings with `store`, unless they have a store, or their backend resumes no session."""
    if config.session_store is not None or Capability.Resumption not in _chosen(config).capabilities(
        "client"
    ):
        return config
    return config.replace(session_store=store)


def sending_early(config: TlsConfig) -> TlsConfig:
    """A client's settings with a backend that can send early data (0-RTT).

    Raises `TlsError.CapabilityError` where the named backend, or every backend, cannot with these settings,
    and `TlsError.InvalidConfig` where no version is allowed that has early data.
    """
    config.demand_early_data("early_data")
    named = config.backend
    able = [
        backend.name
        for backend in _usable() + ([] if named is None or named in automatic() else [find_backend(named)])
        if Capability.EarlyData in backend.capabilities("client")
        and Capability.Resumption in backend.capabilities("client")
        and not backend.refusals(config.with_backend(backend.name))
    ]
    if named in able or (named is None and able):
        return config.with_backend(named or able[0])
    whose = "no backend here can" if named is None else f"{named} cannot"
    reason = f"{whose} send early data with these settings"
    raise TlsError.CapabilityError("early_data", reason, tuple(able))


@lru_cache(256)
def _chosen(config: TlsConfig) -> Backend:
    return backend_for(config)


class _Latest(NamedTuple):
    """What was made of a configuration, and of what."""

    config: TlsConfig
    outside: Outside
    prepared: PreparedConfig


#: The latest configurations in their backends' forms, by the identity of the object: to hash one, with its
#: certificates and keys, costs as much as what a handshake sends.
_latest: dict[int, _Latest] = {}
_LATEST: Final = 64


def prepare(config: TlsConfig) -> PreparedConfig:
    """The configuration in the form of its backend. Raises TlsError if it cannot be used."""
    outside = settings_outside(config)
    latest = _latest.get(id(config))
    if latest is not None and latest.config is config and latest.outside == outside:
        return latest.prepared
    made = _chosen(config).prepare(config)
    if len(_latest) >= _LATEST:
        _latest.clear()
    _latest[id(config)] = _Latest(config, outside, made)
    return made
