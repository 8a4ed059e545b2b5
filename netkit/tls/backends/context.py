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
from functools import lru_cache
from typing import Final

from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError, from_ssl_error
from netkit.tls.pem import TRUSTED_CERTIFICATE, encode
from netkit.tls.roots import TrustLocations
from netkit.tls.trust import REJECT_ALL
from netkit.tls.versions import TlsVersion

#: Whether this platform has its own verifier. If so, truststore is used.
PLATFORM_VERIFIES: Final = sys.platform in ("win32", "darwin")

#: For how many different configurations the context is kept.
KEPT_CONTEXTS: Final = 64

_OLD_CIPHERS: Final = "DEFAULT:@SECLEVEL=0"
_OP_LEGACY_SERVER_CONNECT: Final = 0x4  # has a name in `ssl` only from Python 3.12 on


def context_for(config: TlsConfig) -> ssl.SSLContext:
    """The context for these settings.

    Raises `TlsError.InvalidConfig`, `InvalidKey`, `InvalidCertificate`, `NoCipherSuites`, `NoTrustStore`.
    """
    # The places of the system's roots are part of the settings, because a process can change them.
    trust = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")) if _system(config) else None
    return _kept_context(config, trust, os.environ.get("SSLKEYLOGFILE"))


@lru_cache(KEPT_CONTEXTS)
def _kept_context(config: TlsConfig, _trust: object, keylog: str | None) -> ssl.SSLContext:
    if config.is_server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if config.identity_cert is None:
            problem = "a server needs a certificate and its key"
            raise TlsError.InvalidConfig("identity_cert", problem, hint="use with_identity(...)")
    elif _system(config) and PLATFORM_VERIFIES:
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
    if config.identity_cert is not None:
        _load_identity(context, config)
    if keylog:
        context.keylog_filename = keylog
    return context


def _system(config: TlsConfig) -> bool:
    """Whether the system's roots are trusted."""
    return (
        config.verify_mode is CertVerifyMode.Full
        and config.use_system_certs
        and not config.root_certs
        and not config.is_server
    )


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
    context.verify_mode = ssl.CERT_REQUIRED
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
        where = TrustLocations.find()
        context.load_verify_locations(where.cafile, where.capath)


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


def _load_identity(context: ssl.SSLContext, config: TlsConfig) -> None:
    """Give the context its certificate chain and key.

    `ssl` accepts only files. On Linux the file is in memory and has no name. On other systems it is a
    temporary file with an encrypted key, so that the unencrypted key is never on a disk.
    """
    assert config.identity_cert is not None
    assert config.identity_key is not None
    chain = "".join(cert.to_pem() for cert in (config.identity_cert, *config.identity_chain))
    if config.identity_key.public_spki != config.identity_cert.spki_der:
        raise TlsError.InvalidKey("it does not belong to the certificate")
    try:
        if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
            _load_from_memory(context, config.identity_key.to_pem() + chain)
        else:
            password = os.urandom(24).hex()
            _load_from_disk(context, config.identity_key.to_pem(password=password) + chain, password)
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
