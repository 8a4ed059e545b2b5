"""Make an `ssl.SSLContext` for a `TlsConfig`; the same settings share one context.

Why truststore is not used everywhere: it verifies with the platform's own verifier, so it is used on macOS
and Windows, which have one. On other systems it would make OpenSSL read its default locations again for
every connection (30 ms, measured). There netkit loads the same locations once, into a context that it keeps.

TLS 1.0 and 1.1 need OpenSSL's security level 0 and ciphers with SHA-1. Only a `min_version` of TLS 1.0 or
1.1 allows this level and these ciphers (RFC 8996 retired both versions).
"""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
import warnings
import weakref
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from netkit.tls.backends import key_log
from netkit.tls.backends.needs import NO_LIST, shown_identity
from netkit.tls.backends.outside import settings_outside
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.openssl_errors import from_ssl_error
from netkit.tls.verifying.roots import TrustLocations
from netkit.tls.versions import TlsVersion
from netkit.tls.x509.pem import TRUSTED_CERTIFICATE, encode
from netkit.tls.x509.trust import REJECT_ALL, split_by_trust

if TYPE_CHECKING:
    from collections.abc import Callable

if TYPE_CHECKING:
    from netkit.tls.backends.outside import Outside
    from netkit.tls.identity import Identity

#: Whether this platform has its own verifier. If so, truststore is used.
PLATFORM_VERIFIES: Final = sys.platform in ("win32", "darwin")

#: For how many different configurations the context is kept.
KEPT_CONTEXTS: Final = 64

#: Whether a list of groups can be set (Python 3.15).
SETS_GROUPS: Final = hasattr(ssl.SSLContext, "set_groups")

#: The groups that OpenSSL's older names are known by. The others have IANA's.
_CURVES: Final = {"secp256r1": "prime256v1", "secp192r1": "prime192v1", "x25519": "X25519", "x448": "X448"}

_OLD_CIPHERS: Final = "DEFAULT:@SECLEVEL=0"
_OP_LEGACY_SERVER_CONNECT: Final = 0x4  # has a name in `ssl` only from Python 3.12 on


def context_for(config: TlsConfig) -> ssl.SSLContext:
    """The context for these settings.

    Raises `TlsError.InvalidConfig`, `InvalidKey`, `InvalidCertificate`, `NoCipherSuites`, `NoTrustStore`,
    `UnusableFile` (a file that SSL_CERT_FILE or SSLKEYLOGFILE names).
    """
    outside = settings_outside(config)
    # A store for sessions changes nothing in the context: clients with a store each share one.
    if config.session_store is not None:
        config = config.replace(session_store=None)
    return _kept_context(config, outside)


@lru_cache(KEPT_CONTEXTS)
def _kept_context(config: TlsConfig, outside: Outside) -> ssl.SSLContext:
    identity = shown_identity(config)
    if config.is_server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    elif config.trusts_system and PLATFORM_VERIFIES:
        import truststore

        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # No renegotiation (TLS 1.2): with it, a read would have to wait for a write.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    # Some builds of Python set this flag by default. It makes a cut connection look like a regular end.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0x80)
    _set_versions(context, config)
    _set_trust(context, config)
    if config.alpn_protocols:
        context.set_alpn_protocols(list(config.alpn_protocols))
    if identity is not None:
        _load_identity(context, identity)
    if config.groups:
        _set_groups(context, config.groups)
    if outside.key_log:
        _log_keys(context, outside.key_log)
    if config.tickets is not None:
        context.num_tickets = config.tickets
    return context


@cache
def is_settable_group(name: str) -> bool:
    """Whether this OpenSSL knows the group, and can be told to use it alone."""
    try:
        _set_group(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), name)
    except (ValueError, ssl.SSLError):
        return False
    return True


def _set_group(context: ssl.SSLContext, name: str) -> None:
    context.set_ecdh_curve(_CURVES.get(name.lower(), name))


def _set_groups(context: ssl.SSLContext, names: tuple[str, ...]) -> None:
    try:
        if len(names) == 1:
            _set_group(context, names[0])
        else:
            set_groups: Callable[[str], None] = getattr(context, "set_groups")  # noqa: B009 - not in 3.11
            set_groups(":".join(names))
    except (ValueError, ssl.SSLError):
        raise TlsError.InvalidConfig("groups", f"OpenSSL knows no {', '.join(names)}") from None


#: Where the secrets of a context's sessions come out.
_pipes: weakref.WeakKeyDictionary[ssl.SSLContext, key_log.KeyPipe] = weakref.WeakKeyDictionary()


def key_pipe_of(context: ssl.SSLContext) -> key_log.KeyPipe | None:
    """What a session of `context` flushes when it has made secrets; None if nobody wants them."""
    return _pipes.get(context)


def _log_keys(context: ssl.SSLContext, path: str) -> None:
    """Have the secrets of every session written to `path`. Raises `TlsError.UnusableFile` at once."""
    key_log.append(path, b"")
    try:
        pipe = key_log.KeyPipe(path)
    except OSError:  # then the module writes the file itself
        _name_key_log(context, path, path)
        return
    try:
        _name_key_log(context, pipe.name, path)
    finally:
        pipe.opened()
    _pipes[context] = pipe


def _name_key_log(context: ssl.SSLContext, name: str, path: str) -> None:
    try:
        context.keylog_filename = name
    except OSError as error:
        raise key_log.unwritable(path, error) from error


def _set_versions(context: ssl.SSLContext, config: TlsConfig) -> None:
    ciphers = config.cipher_suites
    if config.min_version < TlsVersion.Tls12:
        ciphers = f"{ciphers}:@SECLEVEL=0" if ciphers else _OLD_CIPHERS
        context.options |= _OP_LEGACY_SERVER_CONNECT
    if ciphers is not None:
        try:
            context.set_ciphers(ciphers)
        except ssl.SSLError:
            problem = f"no cipher suite here is called {ciphers!r}"
            raise TlsError.NoCipherSuites(problem, fault="caller") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # asked for by name
            context.minimum_version = ssl.TLSVersion(config.min_version)
            context.maximum_version = ssl.TLSVersion(config.max_version)
    except ValueError:
        hint = "this system's OpenSSL was built without it"
        raise TlsError.UnsupportedVersion(config.min_version, hint=hint) from None


def _set_trust(context: ssl.SSLContext, config: TlsConfig) -> None:
    if config.verify_mode is not CertVerifyMode.Full:
        if config.is_server and config.verify_mode is CertVerifyMode.Custom:
            problem = "the standard ssl module asks clients for certificates only to verify them itself"
            raise TlsError.InvalidConfig("verify_mode", problem, hint="use CertVerifyMode.Full")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return
    context.verify_mode = ssl.CERT_OPTIONAL if config.client_auth_optional else ssl.CERT_REQUIRED
    if not config.is_server:
        context.check_hostname = True
        context.hostname_checks_common_name = False  # RFC 9525
    # Every listed certificate is trusted, even if it is no root. curl, Go and newer Pythons do the same.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if config.root_certs:
        try:
            context.load_verify_locations(cadata=b"".join(root.der_data for root in config.root_certs))
        except ssl.SSLError as error:
            raise TlsError.InvalidCertificate(f"one of root_certs: {error.reason or error}") from None
        if config.distrusted_certs:
            _load_distrusted(context, config)
    elif not PLATFORM_VERIFIES:
        _load_system(context, TrustLocations.find())
    if config.crls:
        _load_crls(context, config)


def _load_system(context: ssl.SSLContext, where: TrustLocations) -> None:
    """Have OpenSSL read the system's roots where they lie. Raises `TlsError.UnusableFile`."""
    try:
        if where.cafile or where.capath:
            context.load_verify_locations(where.cafile, where.capath)
        trusted = split_by_trust(where.extra, "serverAuth").trusted
        if trusted:
            context.load_verify_locations(cadata=b"".join(root.der_data for root in trusted))
    except ssl.SSLError as error:
        place = where.cafile or where.capath or "the trusted certificates"
        reason = f"OpenSSL cannot read it: {error.reason or error}"
        raise TlsError.UnusableFile(place, reason) from None


def _load_distrusted(context: ssl.SSLContext, config: TlsConfig) -> None:
    """Make OpenSSL reject the distrusted certificates at any place in a chain.

    `cadata` cannot carry trust settings, so the blocks are passed in a file. They hold no secret.
    """
    blocks = (encode(TRUSTED_CERTIFICATE, one.der_data + REJECT_ALL) for one in config.distrusted_certs)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "distrusted.pem")
        with open(path, "w", encoding="ascii") as file:
            file.write("".join(blocks))
        try:
            context.load_verify_locations(path)
        except ssl.SSLError as error:
            raise TlsError.InvalidCertificate(f"one of distrusted_certs: {error.reason or error}") from None


def _load_crls(context: ssl.SSLContext, config: TlsConfig) -> None:
    """Check the peer's own certificate against the list of its issuer, which must be there."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "crls.pem")
        with open(path, "w", encoding="ascii") as file:
            file.write("".join(encode("X509 CRL", one) for one in config.crls))
        try:
            context.load_verify_locations(path)
        except ssl.SSLError:
            raise TlsError.InvalidConfig("crls", NO_LIST) from None
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _load_identity(context: ssl.SSLContext, identity: Identity) -> None:
    """Give the context its certificate chain and key.

    `ssl` accepts only files. On Linux the file is in memory and has no name. On other systems it is a
    temporary file with an encrypted key, so that the unencrypted key is never on a disk.
    """
    chain = "".join(certificate.to_pem() for certificate in identity.chain)
    try:
        if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
            _load_from_memory(context, identity.key.to_pem() + chain)
        else:
            password = os.urandom(24).hex()
            _load_from_disk(context, identity.key.to_pem(password=password) + chain, password)
    except ssl.SSLError as error:
        raise from_ssl_error(error) from None


def _load_from_memory(context: ssl.SSLContext, text: str) -> None:
    descriptor = os.memfd_create("netkit-identity", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")


def _load_from_disk(context: ssl.SSLContext, text: str, password: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".pem", delete=False) as file:
        file.write(text)
    try:
        context.load_cert_chain(file.name, password=password)
    finally:
        os.unlink(file.name)
