"""A `TlsConfig` as pyOpenSSL's `Context`: the same settings as `netkit.tls.backends.context` makes for `ssl`.

What OpenSSL leaves off by default is set here and in the session: verification of the chain, its purpose and
the host, the security level of Python's contexts (2, where an older OpenSSL has 1), no renegotiation.
"""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
from functools import cache
from typing import TYPE_CHECKING, Final

from OpenSSL import SSL

from netkit.tls.backend import Capability
from netkit.tls.backends import key_log
from netkit.tls.backends.needs import NO_LIST, shown_identity
from netkit.tls.backends.pyopenssl.bindings import context_of, ffi, found, is_bound, lib
from netkit.tls.backends.pyopenssl.callbacks import on_message, on_verify, turn
from netkit.tls.backends.pyopenssl.failures import taken_failure
from netkit.tls.config import CertVerifyMode
from netkit.tls.errors import TlsError
from netkit.tls.hello import NamedGroup, SignatureScheme
from netkit.tls.openssl_errors import from_openssl
from netkit.tls.verifying.roots import SystemCerts, TrustLocations
from netkit.tls.versions import TlsVersion
from netkit.tls.x509.pem import TRUSTED_CERTIFICATE, encode
from netkit.tls.x509.trust import REJECT_ALL, split_by_trust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from netkit.tls.backends.pyopenssl.bindings import Pointer
    from netkit.tls.config import TlsConfig
    from netkit.tls.identity import Identity

    Choice: TypeAlias = "bytes | SSL._NoOverlappingProtocols"

#: The most early data that a server of OpenSSL takes, in bytes, unless a function says otherwise that is not
#: bound (SSL_CTX_set_recv_max_early_data).
MAX_EARLY_DATA: Final = 16_384

#: SSL_MODE_NO_AUTO_CHAIN, which is bound as no constant: what is sent is the chain of the settings, and not
#: what OpenSSL finds among the trusted certificates.
_NO_AUTO_CHAIN: Final = 0x8

_LEVEL: Final = "@SECLEVEL=2"
_OLD_CIPHERS: Final = "DEFAULT"
_OLD_LEVEL: Final = "@SECLEVEL=0"

#: What a server's sessions are for: they are resumed only where this is the same.
_SESSION_CONTEXT: Final = b"netkit"

_SCTS: Final = 18  # the extension signed_certificate_timestamp (RFC 6962 section 3.3.1)


def context_for(config: TlsConfig, logged_to: str | None) -> SSL.Context:
    """The context for these settings.

    Raises `TlsError.InvalidConfig`, `InvalidKey`, `InvalidCertificate`, `NoCipherSuites`, `NoTrustStore`.
    """
    identity = shown_identity(config)
    context = SSL.Context(SSL.TLS_SERVER_METHOD if config.is_server else SSL.TLS_CLIENT_METHOD)
    # No renegotiation (TLS 1.2): with it, a read would have to wait for a write.
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE | lib.SSL_OP_NO_RENEGOTIATION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS | _NO_AUTO_CHAIN)
    pointer = context_of(context)
    # With partial writes, one call would encrypt one record only.
    lib.SSL_CTX_clear_mode(pointer, lib.SSL_MODE_ENABLE_PARTIAL_WRITE)
    _set_versions(context, pointer, config)
    _set_key_exchange(pointer, config)
    _set_trust(context, pointer, config)
    if identity is not None:
        _set_identity(pointer, identity)
    if config.is_server:
        _set_server(context, pointer, config)
    else:
        _set_client(context, pointer, config)
    if _listens(config):
        lib.SSL_CTX_set_msg_callback(pointer, on_message)
    if logged_to:
        _set_key_log(context, logged_to)
    return context


def _listens(config: TlsConfig) -> bool:
    """Whether the peer's messages tell something: a client's do only if it may send a certificate.

    Listening has a price: OpenSSL calls Python for each record.
    """
    if not is_bound("SSL_CTX_set_msg_callback"):
        return False
    return not config.is_server or config.verify_mode is not CertVerifyMode.None_


def _set_versions(context: SSL.Context, pointer: Pointer, config: TlsConfig) -> None:
    ciphers = config.cipher_suites
    if config.min_version < TlsVersion.Tls12:
        listed = f"{ciphers or _OLD_CIPHERS}:{_OLD_LEVEL}"
        context.set_options(lib.SSL_OP_LEGACY_SERVER_CONNECT)
    else:
        listed = f"{_LEVEL}:{ciphers or _pythons_list()}"
    if not lib.SSL_CTX_set_cipher_list(pointer, listed.encode()):
        lib.ERR_clear_error()
        raise TlsError.NoCipherSuites(f"no cipher suite here is called {ciphers!r}", fault="caller")
    context.set_min_proto_version(config.min_version)
    context.set_max_proto_version(config.max_version)


@cache
def _pythons_list() -> str:
    """The suites before TLS 1.3 of the ssl module's list, which a configuration without a list keeps."""
    suites = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).get_ciphers()
    return ":".join(suite["name"] for suite in suites if not suite["name"].startswith("TLS_"))


def _set_key_exchange(pointer: Pointer, config: TlsConfig) -> None:
    # `unknown_names` has refused what this OpenSSL does not know.
    if config.tls13_cipher_suites:
        _must(lib.SSL_CTX_set_ciphersuites(pointer, ":".join(config.tls13_cipher_suites).encode()))
    if config.groups:
        groups = NamedGroup.all_of(config.groups)
        _must(lib.SSL_CTX_set1_curves_list(pointer, ":".join(one.name for one in groups).encode()))
    if config.signature_algorithms:
        schemes = SignatureScheme.all_of(config.signature_algorithms)
        _must(lib.SSL_CTX_set1_sigalgs_list(pointer, ":".join(one.name for one in schemes).encode()))


def unknown_names(config: TlsConfig) -> Iterator[tuple[str, str]]:
    """The names in the settings that this OpenSSL does not know, each with its setting."""
    for setting, knows in (
        ("tls13_cipher_suites", _knows_suite),
        ("groups", _knows_group),
        ("signature_algorithms", _knows_scheme),
    ):
        names: tuple[str, ...] = getattr(config, setting)
        for name in names:
            if not knows(name):
                yield setting, name


@cache
def _knows_group(name: str) -> bool:
    return _is_taken(lib.SSL_CTX_set1_curves_list, NamedGroup.of, name)


@cache
def _knows_scheme(name: str) -> bool:
    return _is_taken(lib.SSL_CTX_set1_sigalgs_list, SignatureScheme.of, name)


def _is_taken(
    setter: Callable[[Pointer, bytes], int],
    code: Callable[[str], NamedGroup | SignatureScheme],
    name: str,
) -> bool:
    try:
        listed = code(name).name
    except ValueError:
        return False
    taken = setter(context_of(SSL.Context(SSL.TLS_METHOD)), listed.encode())
    lib.ERR_clear_error()
    return taken == 1


@cache
def _knows_suite(name: str) -> bool:
    context = SSL.Context(SSL.TLS_METHOD)
    # An unknown name is passed over, so what is set is read back.
    taken = name.isascii() and lib.SSL_CTX_set_ciphersuites(context_of(context), name.encode())
    lib.ERR_clear_error()
    return bool(taken) and name in SSL.Connection(context).get_cipher_list()


def _set_trust(context: SSL.Context, pointer: Pointer, config: TlsConfig) -> None:
    if config.verify_mode is CertVerifyMode.None_:
        context.set_verify(SSL.VERIFY_NONE)
        return
    mode = SSL.VERIFY_PEER
    if not config.client_auth_optional:
        mode |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    if config.verify_mode is CertVerifyMode.Custom:
        lib.SSL_CTX_set_verify(pointer, mode, on_verify)
        return
    context.set_verify(mode)
    store = lib.SSL_CTX_get_cert_store(pointer)
    # Every listed certificate is trusted, even if it is no root. curl, Go and newer Pythons do the same.
    lib.X509_STORE_set_flags(store, lib.X509_V_FLAG_PARTIAL_CHAIN)
    if config.root_certs:
        _trust(store, (root.der_data for root in config.root_certs))
        if config.distrusted_certs:
            _load_distrusted(context, config)
    else:
        _trust_system(context, store)
    if config.crls:
        _load_crls(store, config)


def _trust(store: Pointer, roots: Iterator[bytes]) -> None:
    for der in roots:
        certificate = _object(lib.d2i_X509_bio, lib.X509_free, der)
        if certificate is None or not lib.X509_STORE_add_cert(store, certificate):
            raise TlsError.InvalidCertificate(f"one of root_certs: {taken_failure().words}")


def _trust_system(context: SSL.Context, store: Pointer) -> None:
    if sys.platform in ("win32", "darwin"):
        _trust(store, (root.der_data for root in SystemCerts.load()))
        return
    where = TrustLocations.find()
    if where.cafile or where.capath:
        try:
            context.load_verify_locations(where.cafile, where.capath)
        except SSL.Error:
            place = where.cafile or where.capath or ""
            raise TlsError.UnusableFile(place, "no certificates that OpenSSL can read") from None
    _trust(store, (root.der_data for root in split_by_trust(where.extra, "serverAuth").trusted))


def _load_distrusted(context: SSL.Context, config: TlsConfig) -> None:
    """Make OpenSSL reject the distrusted certificates at any place in a chain.

    Trust settings are read from a file only. They hold no secret.
    """
    blocks = (encode(TRUSTED_CERTIFICATE, one.der_data + REJECT_ALL) for one in config.distrusted_certs)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "distrusted.pem")
        with open(path, "w", encoding="ascii") as file:
            file.write("".join(blocks))
        try:
            context.load_verify_locations(path)
        except SSL.Error:
            raise TlsError.InvalidCertificate("one of distrusted_certs cannot be read") from None


def _load_crls(store: Pointer, config: TlsConfig) -> None:
    for der in config.crls:
        listed = _object(lib.d2i_X509_CRL_bio, lib.X509_CRL_free, der)
        if listed is None or not lib.X509_STORE_add_crl(store, listed):
            lib.ERR_clear_error()
            raise TlsError.InvalidConfig("crls", NO_LIST)
    lib.X509_STORE_set_flags(store, lib.X509_V_FLAG_CRL_CHECK)


def _set_identity(pointer: Pointer, identity: Identity) -> None:
    own = _object(lib.d2i_X509_bio, lib.X509_free, identity.certificate.der_data)
    if own is None or not lib.SSL_CTX_use_certificate(pointer, own):
        raise from_openssl(taken_failure())
    for one in identity.chain[1:]:
        certificate = _object(lib.d2i_X509_bio, None, one.der_data)
        # The context owns what it takes.
        if certificate is None or not lib.SSL_CTX_add_extra_chain_cert(pointer, certificate):
            raise from_openssl(taken_failure())
    key = _object(lib.d2i_PrivateKey_bio, lib.EVP_PKEY_free, identity.key.der_data)
    if key is None or not lib.SSL_CTX_use_PrivateKey(pointer, key):
        raise from_openssl(taken_failure())


def _set_server(context: SSL.Context, pointer: Pointer, config: TlsConfig) -> None:
    context.set_session_id(_SESSION_CONTEXT)
    # Without a callback OpenSSL forgets the name with a resumed session of TLS 1.2.
    context.set_tlsext_servername_callback(lambda _connection: None)
    if config.alpn_protocols:
        context.set_alpn_select_callback(_chooser(config.alpn_protocols))
    if config.ocsp_response is not None:
        response = config.ocsp_response
        context.set_ocsp_server_callback(lambda _connection, _data: response)
    if config.max_early_data:
        lib.SSL_CTX_set_max_early_data(pointer, config.max_early_data)


def _chooser(protocols: tuple[str, ...]) -> Callable[[SSL.Connection, list[bytes]], Choice]:
    """What chooses the first of a server's protocols that the client offers, or none."""
    ours = [protocol.encode("latin-1") for protocol in protocols]

    def choose(_connection: SSL.Connection, offered: list[bytes]) -> Choice:
        common = (protocol for protocol in ours if protocol in offered)
        return next(common, SSL.NO_OVERLAPPING_PROTOCOLS)

    return choose


def _set_client(context: SSL.Context, pointer: Pointer, config: TlsConfig) -> None:
    if config.alpn_protocols:
        context.set_alpn_protos([protocol.encode("latin-1") for protocol in config.alpn_protocols])
    if Capability.Scts in found():
        # An empty extension asks for timestamps. `heard` reads the answer.
        null = ffi.NULL
        _must(lib.SSL_CTX_add_client_custom_ext(pointer, _SCTS, null, null, null, null, null))


def _set_key_log(context: SSL.Context, path: str) -> None:
    """Append each secret to the key log at once. Raises `TlsError.UnusableFile` where that cannot be."""

    def log(_connection: SSL.Connection, line: bytes) -> None:
        try:
            key_log.append(path, line + b"\n")
        except TlsError as error:
            turn.raised = error

    key_log.append(path, b"")
    context.set_keylog_callback(log)


def _must(result: int) -> None:
    """Raise what OpenSSL says if a setting was not taken."""
    if result != 1:
        raise from_openssl(taken_failure())


def _object(
    read: Callable[[Pointer, Pointer], Pointer], free: Callable[[Pointer], None] | None, der: bytes
) -> Pointer | None:
    """OpenSSL's object for DER, which `free` frees with the last use of it; None if it cannot be read."""
    octets = ffi.from_buffer(der)
    source = ffi.gc(lib.BIO_new_mem_buf(octets, len(der)), lib.BIO_free)
    made = read(source, ffi.NULL)
    if made == ffi.NULL:
        return None
    return made if free is None else ffi.gc(made, free)
