"""What every backend does alike about its peer: the name to verify, and what the peer said first."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from netkit.tls.config import CertVerifyMode
from netkit.tls.errors import TlsError
from netkit.tls.verifying.hostname import ip_reference, server_name_for
from netkit.tls.versions import TlsVersion

if TYPE_CHECKING:
    from netkit.tls.config import TlsConfig

#: How many of the first bytes are kept, so that an error can show them if the peer does not speak TLS.
FIRST: Final = 64


def another_client(first: bytes) -> TlsError | None:
    """The error of a client whose peer began with a ClientHello; None if it did not."""
    if first[:1] != b"\x16" or first[5:6] != b"\x01":
        return None
    hint = "an echo server, or another TLS client? check the port"
    return TlsError.HandshakeFailed("the peer sends a ClientHello, as a client does", hint=hint)


def chosen_version(first: bytes) -> TlsVersion | None:
    """The version in a ServerHello at the beginning of what a server sent, None if there is none.

    RFC 5246 section 7.4.1.3. A TLS 1.3 server writes TLS 1.2 there, and the real version in an extension.
    """
    if len(first) >= 11 and first[0] == 22 and first[5] == 2:
        return TlsVersion.from_wire(first[9], first[10])
    return None


def refused_version(first: bytes, config: TlsConfig) -> TlsVersion | None:
    """The version that a server chose and `config` does not allow; None where that is not known.

    What looks like TLS 1.2 may be any later version (RFC 8446 section 4.1.3): where TLS 1.2 is allowed, it is
    not what was refused.
    """
    version = chosen_version(first)
    allowed = version is not None and config.min_version <= version <= config.max_version
    return None if allowed else version


def hostname_for(config: TlsConfig, server_name: str | None) -> str | None:
    """The name or address to verify, None where there is neither. Raises `TlsError.InvalidConfig`."""
    if server_name is not None:
        return _reference(server_name)
    if config.verify_mode is CertVerifyMode.Full:
        problem = "verification needs the name (or address) of the server"
        raise TlsError.InvalidConfig("server_name", problem)
    return None


@lru_cache(256)
def _reference(server_name: str) -> str:
    """The name or address as `ssl` wants it: it sends no SNI for an address, and compares it as one."""
    try:
        name = server_name_for(server_name)
    except ValueError as error:
        raise TlsError.InvalidConfig("server_name", str(error)) from None
    return name if name is not None else str(ip_reference(server_name))
