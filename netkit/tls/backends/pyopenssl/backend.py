"""The backend `pyopenssl`: what it can do, and a configuration in its form."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from netkit.tls.backend import Capability, Refusal, Role
from netkit.tls.backends.needs import VERSIONS, missing, role_of
from netkit.tls.backends.outside import settings_outside
from netkit.tls.backends.pyopenssl import bindings
from netkit.tls.backends.pyopenssl.context import MAX_EARLY_DATA, context_for, unknown_names
from netkit.tls.backends.pyopenssl.known import NAME
from netkit.tls.backends.pyopenssl.session import PyopensslSession

if TYPE_CHECKING:
    from OpenSSL.SSL import Context

    from netkit.tls.backend import ResumableSession
    from netkit.tls.backends.outside import Outside
    from netkit.tls.config import TlsConfig

#: What pyOpenSSL's public functions do.
_ALWAYS: Final = frozenset({Capability.CipherList, Capability.Exporter})

_OF_CLIENTS: Final = frozenset({Capability.Scts, Capability.ClientAuthRequest})
_OF_SERVERS: Final = frozenset({Capability.OptionalClientAuth})


class PyopensslBackend:
    """OpenSSL through pyOpenSSL."""

    name = NAME
    version = bindings.library_version()

    def capabilities(self, role: Role) -> frozenset[Capability]:
        found = _ALWAYS | bindings.found() | {VERSIONS[version] for version in bindings.versions()}
        if bindings.has_post_quantum():
            found |= {Capability.PostQuantum}
        if role == "client":
            return found
        if Capability.EarlyData in found:
            found |= {Capability.HalfRtt}  # SSL_write_early_data is for both sides
        return (found | _OF_SERVERS) - _OF_CLIENTS

    def refusals(self, config: TlsConfig) -> tuple[Refusal, ...]:
        refused = list(missing(config, self.capabilities(role_of(config))))
        if not refused:
            refused += [
                Refusal(setting, f"its OpenSSL knows nothing called {name}")
                for setting, name in unknown_names(config)
            ]
            if config.max_early_data > MAX_EARLY_DATA:
                refused.append(Refusal("max_early_data", f"it takes {MAX_EARLY_DATA} bytes at most"))
        return tuple(refused)

    def prepare(self, config: TlsConfig) -> PreparedContext:
        return _prepared(config, settings_outside(config))


@cache
def pyopenssl_backend() -> PyopensslBackend:
    """The backend: one for the process. Raises ImportError where it would lack what it cannot do without."""
    lacking = bindings.missing()
    if lacking:
        raise ImportError(f"this version of cryptography does not bind {', '.join(lacking)}")
    return PyopensslBackend()


class PreparedContext:
    """A configuration as pyOpenSSL's `Context`."""

    def __init__(self, config: TlsConfig, context: Context) -> None:
        self.config = config
        self.context = context

    @property
    def backend(self) -> PyopensslBackend:
        return pyopenssl_backend()

    def session(self, server_name: str | None, resume: ResumableSession | None = None) -> PyopensslSession:
        return PyopensslSession(self.config, self.context, server_name, resume)


@lru_cache(64)
def _prepared(config: TlsConfig, outside: Outside) -> PreparedContext:
    return PreparedContext(config, context_for(config, outside.key_log))
