"""Sessions to resume: OpenSSL's SSL_SESSION in DER (ssl/ssl_asn1.c has its shape). It holds the secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.tls.backend import Capability, ResumableSession
from netkit.tls.backends.pyopenssl.bindings import ffi, found, lib
from netkit.tls.x509.der import OCTET_STRING, SEQUENCE, DerError, element_at, elements

if TYPE_CHECKING:
    from netkit.tls.backends.pyopenssl.bindings import Pointer
    from netkit.tls.versions import TlsVersion

_LIFETIME: Final = 0xA9  # [9] tlsext_tick_lifetime_hint, in seconds
_TICKET: Final = 0xAA  # [10] tlsext_tick


class SessionFields(NamedTuple):
    """What the octets of a session tell: whether a server can know it again, and for how long."""

    resumable: bool
    lifetime: int | None


def read_fields(data: bytes) -> SessionFields:
    """Read the octets of a session. Raises DerError."""
    outer = element_at(data, 0, len(data), SEQUENCE)
    lifetime, resumable, strings = None, False, 0
    for element in elements(data, outer.content, outer.end):
        content = data[element.content : element.end]
        if element.tag == OCTET_STRING:
            strings += 1
            if strings == 2:  # cipher, session_id, master_key
                resumable = resumable or bool(content)
        elif element.tag == _TICKET:
            resumable = True
        elif element.tag == _LIFETIME:
            number = element_at(data, element.content, element.end)
            lifetime = int.from_bytes(data[number.content : number.end], "big") or None
    return SessionFields(resumable, lifetime)


def to_octets(session: Pointer) -> bytes:
    """The session in DER."""
    size = lib.i2d_SSL_SESSION(session, ffi.NULL)
    if size <= 0:
        return b""
    data = ffi.new("unsigned char[]", size)
    place = ffi.new("unsigned char **", data)
    lib.i2d_SSL_SESSION(session, place)
    return ffi.buffer(data, size)[:]


def owned(session: Pointer) -> Pointer:
    """The session, freed with its last use."""
    return ffi.gc(session, lib.SSL_SESSION_free)


def from_octets(data: bytes) -> Pointer | None:
    """The session in DER as OpenSSL's object; None if it is none."""
    source = ffi.from_buffer(data)
    place = ffi.new("const unsigned char **", source)
    session = lib.d2i_SSL_SESSION(ffi.NULL, place, len(data))
    if session == ffi.NULL:
        lib.ERR_clear_error()
        return None
    return owned(session)


def resumable(
    name: str, session: Pointer, version: TlsVersion | None, alpn: str | None
) -> ResumableSession | None:
    """The session for a store; None if no server can know it again.

    It is kept as octets only: OpenSSL forbids its own object to be resumed as soon as the connection ends
    without a close_notify.
    """
    data = to_octets(session)
    try:
        fields = read_fields(data)
    except DerError:
        return None
    if not fields.resumable:
        return None
    early = lib.SSL_SESSION_get_max_early_data(session) if Capability.EarlyData in found() else 0
    return ResumableSession(name, version, None, fields.lifetime, early, data, alpn)
